"""Augmentation that mixes the images of a batch, and their labels beside them.  Ops: minicnn/ops/mixing.py."""

from typing import Any

from ..aliases import Floats
from ..arguments import number
from ..core.tensor import Tensor
from ..errors import require
from ..ops.mixing import cut_mix, cut_mix_labels, mix_up
from .augment import Random, share_of


class Mixing(Random):
    """x is images, or a dict {"images": (N, H, W, C), "labels": (N, classes)}, one-hot, of which a dict comes back.

    Of several processes each mixes its own rows.
    """

    mixed_at: tuple | None = None  # the key and the size of the images that the latest call has mixed
    mixed: int = 0  # and how many they were

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        self.mixed_at = (self.key(), x.shape[1:3]) if training else None
        self.mixed = x.shape[0]
        return self._drawn(x, self.mixed_at[0]) if self.mixed_at is not None else x

    def _labels(self, labels: Any) -> Any:
        if self.mixed_at is None:
            return labels
        found = self._tensor(labels)
        fix = "keras.utils.to_categorical(labels)"
        require(found.ndim == 2, f"{self.name}: labels", "one-hot labels (N, classes)", f"shape {found.shape}", fix)
        expected = f"labels of {self.mixed} images, as many as there are"
        require(found.shape[0] == self.mixed, f"{self.name}: labels", expected, f"shape {found.shape}")
        return self._mixed_labels(found, *self.mixed_at)

    def _mixed_labels(self, labels: Tensor, key: Any, size: tuple) -> Tensor:
        raise NotImplementedError


class MixUp(Mixing):
    """In training y = w x + (1 - w) x', x' another image of the batch, w ~ Beta(alpha, alpha) drawn for each.

    Labels, if they are there, are mixed alike.  (N, H, W, C), shape unchanged.
    Differs from Keras: of a dict only images and labels are known, no masks and no boxes.
    Source: Zhang et al. 2018, "mixup: Beyond empirical risk minimization".
    """

    config = ("alpha", "seed", "data_format")

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = number("MixUp: alpha", alpha, above=0)
        self._begin(seed, data_format)

    def _drawn(self, x: Tensor, key: Any) -> Tensor:
        return mix_up(x, key=key, alpha=self.alpha)

    def _mixed_labels(self, labels: Tensor, key: Any, size: tuple) -> Tensor:
        return mix_up(labels, key=key, alpha=self.alpha)


class CutMix(Mixing):
    """In training a rectangle of each image is another image's of the batch, and labels are mixed by its area.

    factor  alpha ~ U(0, factor), or U(low, high), drawn for each image; 1 - the share ~ Beta(alpha, alpha)
    (N, H, W, C), shape unchanged.
    Differs from Keras: each image has an alpha of its own; labels go by the pixels that were taken, there by the
    rectangle before it is cut to whole ones; of a dict only images and labels are known, no masks and no boxes.
    Source: Yun et al. 2019, "CutMix".
    """

    config = ("factor", "seed", "data_format")

    def __init__(self, factor: Floats = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.factor = share_of("CutMix: factor", factor)
        self._begin(seed, data_format)

    def _drawn(self, x: Tensor, key: Any) -> Tensor:
        return cut_mix(x, key=key, factor=self.factor)

    def _mixed_labels(self, labels: Tensor, key: Any, size: tuple) -> Tensor:
        return cut_mix_labels(labels, key=key, factor=self.factor, size=size)
