"""Dropout layers: noise in training, identities at inference."""

from collections.abc import Sequence
from typing import Any, ClassVar

from ..aliases import Shape
from ..arguments import index, items, number, shown
from ..arguments import seed as checked_seed
from ..backend.streams import DROPOUT
from ..core.tensor import Tensor
from ..errors import ArgumentError, ArgumentTypeError, require
from ..ops.dropout import alpha_dropout, dropout, gaussian_dropout, shared_dropout, spatial_dropout
from .base import Layer, image_shape
from .images import Images


class Noise(Layer):
    """What the dropout layers share: a rate, and draws that are a function of three integers.

    They are the model's seed, its step and the layer's number, so that a run can be repeated; `seed` replaces the
    model's for this layer.  Shape unchanged; x itself at inference and where rate is 0.
    """

    config = ("rate", "seed")
    op: staticmethod  # (x, *, rate, key) -> y
    allows_rate_one = True  # whether a rate of 1 has a meaning

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.rate = number(f"{kind}: rate", rate, low=0, high=1 if self.allows_rate_one else None,
                           below=None if self.allows_rate_one else 1)  # fmt: skip
        self.seed = checked_seed(f"{kind}: seed", seed)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if not training or self.rate == 0:
            return x
        return self.op(x, rate=self.rate, key=self.key())

    def key(self) -> Any:
        """Where this step's draws lie in the counted random stream."""
        key = self._own_streams.key(DROPOUT, self.index)
        return key if self.seed is None else key._replace(seed=self.seed)


class Shared(Noise):
    """Noise whose decisions may be shared along axes: see Dropout."""

    config = ("rate", "noise_shape", "seed")
    refused: ClassVar[dict[str, str]] = {key: fix for key, fix in Noise.refused.items() if key != "noise_shape"}

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(rate, seed, **kwargs)
        where, given = f"{type(self).__name__}: noise_shape", items(noise_shape)
        expected = "a tuple of whole numbers of at least 1 or None, one for each axis of a batch"
        require(noise_shape is None or given is not None, where, expected, shown(noise_shape), error=ArgumentTypeError)
        ok = given is None or (given and all(one is None or (index(one) or 0) > 0 for one in given))
        require(ok, where, expected, shown(noise_shape), error=ArgumentError)
        self.noise_shape = None if given is None else tuple(one if one is None else index(one) for one in given)

    def follow(self, input_shape: Shape) -> Shape:
        if self.noise_shape is not None:
            sizes = self.noise_shape[1:]
            ok = len(sizes) == len(input_shape) and all(m in (None, 1, n)
                                                        for m, n in zip(sizes, input_shape, strict=True))  # fmt: skip
            expected = f"noise_shape with 1, None or the axis's size for each axis of {(None, *input_shape)}"
            require(ok, self.name, expected, self.noise_shape)
        return input_shape


class Dropout(Shared):
    """In training each element is 0 with probability `rate`, else x / (1 - rate).  Shape unchanged.

    noise_shape  a size for each axis of a batch: 1 where one decision is for all elements along it; None, or the axis's
                 own size: a decision for each
    Differs from Keras: `seed` replaces the model's for this layer.
    """

    def op(self, x: Tensor, *, rate: float, key: Any) -> Tensor:
        if self.noise_shape is None:
            return dropout(x, rate=rate, key=key)
        return shared_dropout(x, rate=rate, key=key, noise_shape=self.noise_shape)


class SpatialDropout2D(Images, Noise):
    """In training each channel of each image is 0 with probability `rate`, else x / (1 - rate).  x (N, H, W, C).

    For convolutions, whose neighbouring pixels say nearly the same: dropping single ones would take nothing away.
    """

    config = ("rate", "data_format", "seed")
    op = staticmethod(spatial_dropout)

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(rate=rate, seed=seed, **kwargs)
        self._order(data_format)

    def follow(self, input_shape: Shape) -> Shape:
        return image_shape(self.name, input_shape)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return Noise.call(self, x, training=training)


class SpatialDropout1D(Images, Noise):
    """In training each channel of each sequence is 0 with probability `rate`, else x / (1 - rate).  x (N, L, C)."""

    rank = 1
    op = staticmethod(spatial_dropout)

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(rate=rate, seed=seed, **kwargs)

    def follow(self, input_shape: Shape) -> Shape:
        return image_shape(self.name, input_shape)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return Noise.call(self, x, training=training)


class AlphaDropout(Shared):
    """In training each element is SELU's lowest value with probability `rate`; all are then scaled and shifted.

    Mean 0 and variance 1 stay as they are: for networks of SELU and lecun_normal.  Shape unchanged.
    noise_shape  as Dropout's
    Differs from Keras: a rate of 1 is refused here, not when training begins.
    """

    allows_rate_one = False

    def op(self, x: Tensor, *, rate: float, key: Any) -> Tensor:
        return alpha_dropout(x, rate=rate, key=key, noise_shape=self.noise_shape)


class GaussianDropout(Noise):
    """In training each element is multiplied by a normal draw: mean 1, deviation sqrt(rate / (1 - rate)).

    Shape unchanged; nothing is dropped.
    Differs from Keras: a rate of 1 is refused here, not when training begins.
    """

    op, allows_rate_one = staticmethod(gaussian_dropout), False
