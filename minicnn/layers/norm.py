"""Batch normalisation. Its arithmetic is minicnn/ops/norm.py."""

from typing import Any, ClassVar

from .. import initializers
from ..aliases import InitializerLike, Shape
from ..arguments import flag, number, whole
from ..core.sharing import sharing
from ..core.tensor import Tensor
from ..errors import ArgumentError, require
from ..ops.norm import batch_norm, batch_norm_fixed, batch_norm_shared
from .base import Layer


class Affine(Layer):
    """What normalisations share: y = gamma x + beta at the end, each of which may be missing."""

    bound: ClassVar = {"beta": "beta", "gamma": "gamma"}

    def _affine(self, kind: str, epsilon, center, scale, beta_initializer, gamma_initializer) -> None:
        self.epsilon = number(f"{kind}: epsilon", epsilon, above=0)
        self.center, self.scale = flag(f"{kind}: center", center), flag(f"{kind}: scale", scale)
        self.beta_initializer = initializers.get(beta_initializer, f"{kind}: beta_initializer")
        self.gamma_initializer = initializers.get(gamma_initializer, f"{kind}: gamma_initializer")

    def _add_affine(self, shape) -> None:
        self.gamma = self.add_weight("gamma", shape, self.gamma_initializer) if self.scale else None
        self.beta = self.add_weight("beta", shape, self.beta_initializer) if self.center else None

    def _scaled(self, y, wide):
        """gamma y + beta;  wide: their shape beside y's."""
        if self.gamma is not None:
            y = y * self.gamma.reshape(*wide)
        return y if self.beta is None else y + self.beta.reshape(*wide)


class BatchNormalization(Affine):
    """y = gamma (x - mean) / sqrt(var + epsilon) + beta along `axis`, over all other axes.  Shape unchanged.

    Training uses the batch's mean and population variance and moves the averages:
        moving = momentum moving + (1 - momentum) batch's
    Inference, and a layer with trainable=False, uses the averages. Arguments in Keras's order.
    Of several processes (model.world) each normalises by its own rows; with synchronized=True by those of all, so that
    they compute what one process would. With one process that is the same.
    """

    config = ("axis", "momentum", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer",
              "moving_mean_initializer", "moving_variance_initializer", "synchronized")  # fmt: skip
    lacks: ClassVar = Layer.lacks | {"renorm": "batch renormalization", "renorm_clipping": "batch renormalization"}

    def __init__(self, axis: int = -1, momentum: float = 0.99, epsilon: float = 0.001, center: bool = True,
                 scale: bool = True, beta_initializer: InitializerLike = "zeros",
                 gamma_initializer: InitializerLike = "ones", moving_mean_initializer: InitializerLike = "zeros",
                 moving_variance_initializer: InitializerLike = "ones", synchronized: bool = False,
                 **kwargs: Any):  # fmt: skip
        if not kwargs.get("renorm"):
            kwargs.pop("renorm_momentum", None)  # which Keras's configs hold always
        super().__init__(**kwargs)
        kind = "BatchNormalization"
        self.axis = whole(f"{kind}: axis", axis, low=None)
        require(self.axis != 0, f"{kind}: axis", "one axis other than the batch's", axis, error=ArgumentError)
        self.momentum = number(f"{kind}: momentum", momentum, low=0, high=1)
        self._affine(kind, epsilon, center, scale, beta_initializer, gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer, f"{kind}: moving_mean_initializer")
        self.moving_variance_initializer = initializers.get(
            moving_variance_initializer, f"{kind}: moving_variance_initializer"
        )
        self.synchronized = flag(f"{kind}: synchronized", synchronized)
        self.batch_stats = ()  # of the training calls since `moved`: several, where the layer is shared

    def build(self, input_shape: Shape) -> Shape:
        rank = len(input_shape) + 1
        require(-rank < self.axis < rank, f"{self.name}: axis", f"an axis of {rank}-dimensional data", self.axis,
                error=ArgumentError)  # fmt: skip
        channels = (input_shape[self.axis - 1 if self.axis > 0 else self.axis],)
        self._add_affine(channels)
        self.moving_mean = self.add_weight("moving_mean", channels, self.moving_mean_initializer, trainable=False)
        self.moving_variance = self.add_weight(
            "moving_variance", channels, self.moving_variance_initializer, trainable=False
        )
        be = self._home
        if self.gamma is None:
            self.gamma = be.xp.ones(channels, be.dtype)
        if self.beta is None:
            self.beta = be.xp.zeros(channels, be.dtype)
        self.rank = rank
        return input_shape

    def follow(self, input_shape: Shape) -> Shape:
        require(len(input_shape) + 1 == self.rank, self.name, f"data of {self.rank} axes", len(input_shape) + 1)
        wanted, received = self.moving_mean.shape[0], (None, *input_shape)[self.axis]
        require(received == wanted, self.name, f"{wanted} entries along axis {self.axis}", received)
        return input_shape

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if not (training and self.trainable):
            return batch_norm_fixed(
                x, self.gamma, self.beta, self.moving_mean.data, self.moving_variance.data,
                axis=self.axis, eps=self.epsilon,
            )  # fmt: skip
        norm = batch_norm_shared if self.synchronized and sharing() is not None else batch_norm
        y, *batch = norm(x, self.gamma, self.beta, axis=self.axis, eps=self.epsilon)
        self.batch_stats = (*self.batch_stats, batch)
        return y

    def moved(self) -> list[tuple]:
        if not self.batch_stats:
            return []
        averages, calls = (self.moving_mean.data, self.moving_variance.data), self.batch_stats
        self.batch_stats = ()
        return [(a, b, self.momentum) for batch in calls for a, b in zip(averages, batch, strict=True)]
