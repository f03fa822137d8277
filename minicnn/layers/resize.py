"""Layers that change the size of images, or the scale of their pixels, and learn nothing."""

from collections.abc import Sequence
from typing import Any

from ..aliases import Floats, Ints, Shape
from ..arguments import index, items, number, shown, whole
from ..core.tensor import Tensor
from ..errors import ArgumentError, one_of, require
from ..ops.resize import KERNELS, bilinear, crop, repeat_pixels, resample
from .base import Layer, image_shape, pair
from .images import FORMATS, Images, default, two_sides


class UpSampling2D(Images):
    """Images `size` times as high and wide.  (N, H, W, C) -> (N, H SH, W SW, C).

    interpolation  "nearest": every pixel repeated; "bilinear": straight lines between pixels' centres; "bicubic",
                   "lanczos3", "lanczos5": curves through more of them
    """

    config = ("size", "data_format", "interpolation")

    def __init__(self, size: Ints = (2, 2), data_format: str | None = None, interpolation: str = "nearest",
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._order(data_format)
        self.size = pair("UpSampling2D: size", size)
        self.interpolation = one_of("UpSampling2D: interpolation", interpolation, tuple(KERNELS))

    def follow(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        return (h * self.size[0], w * self.size[1], channels)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if self.interpolation == "nearest":
            return repeat_pixels(x, size=self.size)
        size = x.shape[1] * self.size[0], x.shape[2] * self.size[1]
        return bilinear(x, size=size) if self.interpolation == "bilinear" else resample(
            x, size=size, interpolation=self.interpolation)  # fmt: skip


class UpSampling1D(Images):
    """Every step `size` times.  Sequences (N, L, C) -> (N, L size, C)."""

    rank = 1
    config = ("size",)

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = whole("UpSampling1D: size", size)

    def follow(self, input_shape: Shape) -> Shape:
        steps, _, channels = input_shape
        return (steps * self.size, 1, channels)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return repeat_pixels(x, size=(self.size, 1))


class Cropping2D(Images):
    """Images without a frame: one number, (rows, columns), or ((top, bottom), (left, right)), in px."""

    config = ("cropping", "data_format")

    def __init__(self, cropping: int | Sequence[Any] = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._order(data_format)
        self.cropping = edges("Cropping2D: cropping", cropping)

    def follow(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        size = h - sum(self.cropping[0]), w - sum(self.cropping[1])
        require(min(size) > 0, self.name, f"an image of more than {self.cropping} px", f"{h} x {w} px")
        return (*size, channels)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return crop(x, edges=self.cropping)


class Cropping1D(Images):
    """Sequences without their ends: one number of steps, or (first, last).  (N, L, C) -> (N, L - first - last, C)."""

    rank = 1
    config = ("cropping",)

    def __init__(self, cropping: Ints = (1, 1), **kwargs: Any):
        super().__init__(**kwargs)
        self.cropping = two_sides("Cropping1D: cropping", cropping)

    def follow(self, input_shape: Shape) -> Shape:
        steps, _, channels = input_shape
        left = steps - sum(self.cropping)
        require(left > 0, self.name, f"a sequence of more than {self.cropping} steps", f"{steps} steps")
        return (left, 1, channels)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return crop(x, edges=(self.cropping, (0, 0)))


class Rescaling(Layer):
    """y = x scale + offset.  Any shape.

    scale, offset  a number, or one per channel: of the last axis, or where keras.backend's image_data_format is
                   "channels_first" of the first one of a sample
    """

    config = ("scale", "offset")
    settable = (*Layer.settable, *config)

    def __init__(self, scale: Floats, offset: Floats = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale, self.offset = _each("Rescaling: scale", scale), _each("Rescaling: offset", offset)
        self.first = default["data_format"] == FORMATS[1]

    def follow(self, input_shape: Shape) -> Shape:
        for name, value in (("scale", self.scale), ("offset", self.offset)):
            if isinstance(value, tuple):
                channels = (input_shape or (1,))[0 if self.first else -1]
                require(channels == len(value), f"{self.name}: {name}", f"one for each of {channels} channels", value)
        return input_shape

    def _figure(self, value, rank: int):
        """A number as it is, one per channel as a tensor that goes with a batch."""
        if not isinstance(value, tuple):
            return value
        shape = (len(value), *(1,) * (rank - 2)) if self.first else (len(value),)
        be = self._home
        return Tensor(be.asarray(be.xp.asarray(value).reshape(shape), be.dtype), be)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return x * self._figure(self.scale, x.ndim) + self._figure(self.offset, x.ndim)


def _each(where: str, value) -> float | tuple[float, ...]:
    """A number, or several."""
    several = items(value)
    return number(where, value) if several is None else tuple(number(where, one) for one in several)


def edges(where: str, value: Any) -> tuple:
    """((top, bottom), (left, right)) px from one number, two, or two pairs."""
    expected = "whole numbers of at least 0: one, two, or two pairs"
    both = [items(side) or [side] * 2 for side in items(value) or [value] * 2]
    ok = len(both) == 2 and all(len(side) == 2 for side in both)
    found = tuple(tuple(index(n) for n in side) for side in both)
    ok = ok and all(n is not None and n >= 0 for side in found for n in side)
    require(ok, where, expected, shown(value), error=ArgumentError)
    return found
