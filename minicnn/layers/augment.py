"""Augmentation as layers: images change at random in training, and are left alone at inference.

What is drawn is a function of the model's seed, its step, the layer's number and the image's place in the batch, as
every other draw of a model: a run can be repeated, with any number of threads. Ops: minicnn/ops/augment.py.
"""

import math
from collections.abc import Sequence
from typing import Any

from ..aliases import Floats, Ints, Shape
from ..arguments import flag, items, number, shown, whole
from ..arguments import seed as checked_seed
from ..core.tensor import Tensor
from ..errors import ArgumentError, one_of, require
from ..ops.augment import (
    random_brightness,
    random_contrast,
    random_crop,
    random_erasing,
    random_flip,
    random_perspective,
    random_shear,
    random_shift,
    random_warp,
)
from ..ops.resize import KERNELS, crop, resample
from ..ops.shape import zero_pad
from .base import image_shape
from .dropout import Noise
from .images import Prepared

FILLS = ("reflect", "wrap", "constant", "nearest")


class Random(Prepared):
    """What layers of augmentation share.  seed replaces the model's for this layer."""

    key = Noise.key
    unasked = True

    def _begin(self, seed, data_format):
        self.seed = checked_seed(f"{type(self).__name__}: seed", seed)
        self._order(data_format)

    def follow(self, input_shape: Shape) -> Shape:
        return image_shape(self.name, input_shape)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return self._drawn(x, self.key()) if training else x

    def _drawn(self, x: Tensor, key: Any) -> Tensor:
        """x as the draws of this step, which lie at `key`, change it."""
        raise NotImplementedError


class RandomFlip(Random):
    """In training each image is mirrored with probability 1/2.  (N, H, W, C), shape unchanged.

    mode  "horizontal": left and right change places; "vertical": top and bottom; "horizontal_and_vertical"
    Differs from Keras: "horizontal_and_vertical" draws the two apart; Keras 3 turns an image by both or by neither.
    """

    config = ("mode", "seed", "data_format")

    def __init__(self, mode: str = "horizontal_and_vertical", seed: int | None = None, data_format: str | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.mode = one_of("RandomFlip: mode", mode, ("horizontal", "vertical", "horizontal_and_vertical"))
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_flip(x, key=key, horizontal="horizontal" in self.mode, vertical="vertical" in self.mode)


class _Warp(Random):
    """fill_mode, fill_value   what is beyond the edge: "reflect" dcba|abcd|dcba, "wrap", "nearest", "constant"
    interpolation   "bilinear" or "nearest"
    """

    def _fill(self, fill_mode, interpolation, fill_value):
        where = type(self).__name__
        self.fill_mode = one_of(f"{where}: fill_mode", fill_mode, FILLS)
        self.interpolation = one_of(f"{where}: interpolation", interpolation, ("bilinear", "nearest"))
        self.fill_value = number(f"{where}: fill_value", fill_value)

    def _warped(self, x, key, **ranges):
        return random_warp(x, key=key, fill_mode=self.fill_mode, fill_value=self.fill_value,
                           nearest=self.interpolation == "nearest", **ranges)  # fmt: skip


class RandomRotation(_Warp):
    __doc__ = f"""In training each image turns about its centre.  (N, H, W, C), shape unchanged.

    factor  of a full turn, U(-factor, factor), or (low, high); above 0 is counter-clockwise
    {_Warp.__doc__}"""
    config = ("factor", "fill_mode", "interpolation", "seed", "fill_value", "data_format")

    def __init__(self, factor: Floats, fill_mode: str = "reflect", interpolation: str = "bilinear",
                 seed: int | None = None, fill_value: float = 0.0, data_format: str | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.factor = range_of("RandomRotation: factor", factor, -1, 1)
        self._fill(fill_mode, interpolation, fill_value)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return self._warped(x, key, angle=tuple(2 * math.pi * f for f in self.factor))


class RandomZoom(_Warp):
    __doc__ = f"""In training each image is scaled about its centre by 1 + a draw.  (N, H, W, C), shape unchanged.

    height_factor, width_factor  U(-factor, factor), or (low, high); above 0 the picture shrinks, 0.2 to 1/1.2 of its
        size; width_factor None: rows and columns by the same draw
    {_Warp.__doc__}"""
    config = ("height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value", "data_format")

    def __init__(self, height_factor: Floats, width_factor: Floats | None = None, fill_mode: str = "reflect",
                 interpolation: str = "bilinear", seed: int | None = None, fill_value: float = 0.0,
                 data_format: str | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.height_factor = range_of("RandomZoom: height_factor", height_factor, -1, 1, above=True)
        self.width_factor = None
        if width_factor is not None:
            self.width_factor = range_of("RandomZoom: width_factor", width_factor, -1, 1, above=True)
        self._fill(fill_mode, interpolation, fill_value)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return self._warped(x, key, zoom=(self.height_factor, self.width_factor))


class RandomTranslation(_Warp):
    __doc__ = f"""In training each image is moved.  (N, H, W, C), shape unchanged.

    height_factor, width_factor  shares of the size, U(-factor, factor), or (low, high); above 0 is down, to the right
    {_Warp.__doc__}"""
    config = RandomZoom.config

    def __init__(self, height_factor: Floats, width_factor: Floats, fill_mode: str = "reflect",
                 interpolation: str = "bilinear", seed: int | None = None, fill_value: float = 0.0,
                 data_format: str | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.height_factor = range_of("RandomTranslation: height_factor", height_factor, -1, 1)
        self.width_factor = range_of("RandomTranslation: width_factor", width_factor, -1, 1)
        self._fill(fill_mode, interpolation, fill_value)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return self._warped(x, key, shift=(self.height_factor, self.width_factor))


class RandomShear(_Warp):
    __doc__ = f"""In training rows slide along the width and columns along the height: a parallelogram of the image.

    x_factor, y_factor  px per px from the upper left corner: U(-factor, factor), or (low, high), whose signs a coin
        turns together; -1 to 1.  (N, H, W, C), shape unchanged.
    {_Warp.__doc__}"""
    config = ("x_factor", "y_factor", "interpolation", "fill_mode", "fill_value", "data_format", "seed")

    def __init__(self, x_factor: Floats = 0.0, y_factor: Floats = 0.0, interpolation: str = "bilinear",
                 fill_mode: str = "reflect", fill_value: float = 0.0, data_format: str | None = None,
                 seed: int | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.x_factor = shifts_of("RandomShear: x_factor", x_factor)
        self.y_factor = shifts_of("RandomShear: y_factor", y_factor)
        self._fill(fill_mode, interpolation, fill_value)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_shear(x, key=key, across=self.x_factor, down=self.y_factor, fill_mode=self.fill_mode,
                            fill_value=self.fill_value, nearest=self.interpolation == "nearest")  # fmt: skip


class RandomPerspective(Random):
    """In training images are seen from aside, with a probability U(0, factor), drawn for each: corners move.

    factor  of 1: U(0, 1), so half of the images; (1, 1): every image;  (low, high)
    scale   0 to 1: every corner but the upper left moves by up to scale / 2 of the size along the edges that meet there
    interpolation "bilinear" or "nearest"; beyond the edge is fill_value.  (N, H, W, C), shape unchanged.
    """

    config = ("factor", "scale", "interpolation", "fill_value", "seed", "data_format")

    def __init__(self, factor: Floats = 1.0, scale: Floats = 1.0, interpolation: str = "bilinear",
                 fill_value: float = 0.0, seed: int | None = None, data_format: str | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.factor = share_of("RandomPerspective: factor", factor)
        self.scale = number("RandomPerspective: scale", scale, low=0, high=1)
        self.interpolation = one_of("RandomPerspective: interpolation", interpolation, ("bilinear", "nearest"))
        self.fill_value = number("RandomPerspective: fill_value", fill_value)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_perspective(x, key=key, factor=self.factor, scale=self.scale, fill_value=self.fill_value,
                                  nearest=self.interpolation == "nearest")  # fmt: skip


class RandomContrast(Random):
    """In training y = (x - mean) f + mean, with each channel's mean and f ~ U(1 - factor, 1 + factor) for each image.

    factor        0 to 1, or (lower, upper): U(1 - lower, 1 + upper);  value_range: what y is clipped to
    Differs from Keras: one number is both sides, as Keras documents; Keras 3 leaves the lower one out.
    """

    config = ("factor", "value_range", "seed", "data_format")

    def __init__(self, factor: Floats, value_range: Sequence[float] = (0, 255), seed: int | None = None, *,
                 data_format: str | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.factor = both_of("RandomContrast: factor", factor)
        self.value_range = range_of("RandomContrast: value_range", value_range)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_contrast(x, key=key, factor=self.factor, value_range=self.value_range)


class RandomBrightness(Random):
    """In training y = x + f (high - low), with f ~ U(-factor, factor) for each image.

    factor        -1 to 1, or (low, high);  value_range: (low, high) of the pixels, to which y is clipped
    """

    config = RandomContrast.config

    def __init__(self, factor: Floats, value_range: Sequence[float] = (0, 255), seed: int | None = None, *,
                 data_format: str | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.factor = shifts_of("RandomBrightness: factor", factor)
        self.value_range = range_of("RandomBrightness: value_range", value_range)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_brightness(x, key=key, factor=self.factor, value_range=self.value_range)


class RandomErasing(Random):
    """In training a rectangle of each image is filled, at times.  (N, H, W, C), shape unchanged.

    The probability is drawn for each image, U(0, factor).

    factor       of 1: U(0, 1), so half of the images; (1, 1): every image;  (low, high)
    scale        shares of the image: sides are sqrt(U(low, high)) of its sides, drawn apart
    fill_value   a number, or one per channel; None: value_range[1] times N(0, 1) in every number
    value_range  (low, high) of the pixels, to which what is filled in is clipped
    """

    config = ("factor", "scale", "fill_value", "value_range", "seed", "data_format")

    def __init__(self, factor: Floats = 1.0, scale: Floats = (0.02, 0.33), fill_value: Any = None,
                 value_range: Sequence[float] = (0, 255), seed: int | None = None, data_format: str | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.factor, self.scale = share_of("RandomErasing: factor", factor), share_of("RandomErasing: scale", scale)
        several = items(fill_value)
        where = "RandomErasing: fill_value"
        if several is not None:
            self.fill_value = tuple(number(where, one) for one in several)
        else:
            self.fill_value = None if fill_value is None else number(where, fill_value)
        self.value_range = range_of("RandomErasing: value_range", value_range)
        self._begin(seed, data_format)

    def follow(self, input_shape: Shape) -> Shape:
        if isinstance(self.fill_value, tuple):
            expected = f"one fill_value for each of {input_shape[-1]} channels"
            require(len(self.fill_value) == input_shape[-1], self.name, expected, len(self.fill_value))
        return image_shape(self.name, input_shape)

    def _drawn(self, x, key):
        return random_erasing(x, key=key, factor=self.factor, scale=self.scale, value_range=self.value_range,
                              fill_value=self.fill_value)  # fmt: skip


class RandomShift(Random):
    """In training each image is padded by `pixels` on all sides and cropped to its size at a place that is drawn.

    pixels     at most so many px each way, whole ones: a number, or (rows, columns)
    fill_mode, fill_value   what is beyond the edge: "reflect" dcba|abcd|dcba, "wrap", "nearest", "constant"
    Not in Keras, whose RandomTranslation moves by parts of a pixel and whose RandomCrop moves a whole batch alike.
    """

    config = ("pixels", "fill_mode", "fill_value", "seed", "data_format")

    def __init__(self, pixels: Ints, fill_mode: str = "reflect", fill_value: float = 0.0, seed: int | None = None,
                 data_format: str | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        where = "RandomShift: pixels"
        given = items(pixels)
        given = [pixels] * 2 if given is None else given
        require(len(given) == 2, where, "a number, or two", shown(pixels), error=ArgumentError)
        self.pixels = tuple(whole(where, one, low=0) for one in given)
        self.fill_mode = one_of("RandomShift: fill_mode", fill_mode, FILLS)
        self.fill_value = number("RandomShift: fill_value", fill_value)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_shift(x, key=key, most=self.pixels, fill_mode=self.fill_mode, fill_value=self.fill_value)


class _Sized(Prepared):
    """height, width: of the images that come out, in px."""

    def _size(self, height, width):
        where = type(self).__name__
        self.height, self.width = whole(f"{where}: height", height), whole(f"{where}: width", width)

    size = property(lambda self: (self.height, self.width))

    def follow(self, input_shape: Shape) -> Shape:
        return (*self.size, image_shape(self.name, input_shape)[2])


class Resizing(_Sized):
    """Images (N, H, W, C) -> (N, height, width, C), at inference too.

    interpolation         "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5"
    crop_to_aspect_ratio  the largest middle part of the new shape is resized, and nothing is distorted
    pad_to_aspect_ratio   fill_value is put on both sides until the image has the new shape
    antialias             a smaller picture averages all pixels that its own cover
    """

    config = ("height", "width", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio", "fill_mode",
              "fill_value", "antialias", "data_format")  # fmt: skip

    def __init__(self, height: int, width: int, interpolation: str = "bilinear", crop_to_aspect_ratio: bool = False,
                 pad_to_aspect_ratio: bool = False, fill_mode: str = "constant", fill_value: float = 0.0,
                 antialias: bool = False, data_format: str | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._size(height, width)
        self.interpolation = one_of("Resizing: interpolation", interpolation, tuple(KERNELS))
        self.crop_to_aspect_ratio = flag("Resizing: crop_to_aspect_ratio", crop_to_aspect_ratio)
        self.pad_to_aspect_ratio = flag("Resizing: pad_to_aspect_ratio", pad_to_aspect_ratio)
        one = not (self.crop_to_aspect_ratio and self.pad_to_aspect_ratio)
        require(one, "Resizing", "crop_to_aspect_ratio or pad_to_aspect_ratio", "both", error=ArgumentError)
        self.fill_mode = one_of("Resizing: fill_mode", fill_mode, ("constant",))
        self.fill_value = number("Resizing: fill_value", fill_value)
        self.antialias = flag("Resizing: antialias", antialias)
        self._order(data_format)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if self.crop_to_aspect_ratio:
            x = middle(x, of_shape(x.shape[1:3], self.size))
        if self.pad_to_aspect_ratio:
            (h, w), (height, width) = x.shape[1:3], self.size
            more = max(h, w * height // width) - h, max(w, h * width // height) - w
            pads = tuple((n // 2, n // 2) for n in more)
            x = zero_pad(x - self.fill_value, pads=pads) + self.fill_value
        return resample(x, size=self.size, interpolation=self.interpolation, antialias=self.antialias)


class CenterCrop(_Sized):
    """The middle height x width px of each image, at inference too; of a smaller image, the middle part, resized."""

    config = ("height", "width", "data_format")

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._size(height, width)
        self._order(data_format)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if x.shape[1] >= self.height and x.shape[2] >= self.width:
            return middle(x, self.size)
        return fitted(x, self.size)


class RandomCrop(_Sized):
    """In training height x width px from a place that is drawn, the same for a batch; at inference the largest middle
    part of that shape, resized, as of a smaller image always.

    Differs from Keras: at inference Keras 3.15 hands images on in their own size, not in the one that it announces.
    """

    config = ("height", "width", "seed", "data_format")
    key = Noise.key
    unasked = True

    def __init__(self, height: int, width: int, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._size(height, width)
        self.seed = checked_seed("RandomCrop: seed", seed)
        self._order(data_format)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if training and x.shape[1] > self.height and x.shape[2] > self.width:
            return random_crop(x, key=self.key(), size=self.size)
        return fitted(x, self.size)


def fitted(x: Any, size: tuple[int, int]) -> Any:
    """The largest middle part that has the shape of `size`, resized to it."""
    x = middle(x, of_shape(x.shape[1:3], size))
    return x if x.shape[1:3] == size else resample(x, size=size, interpolation="bilinear")


def of_shape(given: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """The largest size within `given` whose sides are in the proportion of `wanted`, at least 1 px each."""
    (h, w), (height, width) = given, wanted
    return max(min(h, w * height // width), 1), max(min(w, h * width // height), 1)


def middle(x: Any, size: tuple[int, int]) -> Any:
    """The middle `size` px of images."""
    spare = [n - m for n, m in zip(x.shape[1:3], size, strict=True)]
    return crop(x, edges=tuple((n // 2, n - n // 2) for n in spare)) if any(spare) else x


def pair_of(where: str, value: Any, *, low: float | None = None, high: float | None = None,
            above: float | None = None) -> tuple[float, float]:  # fmt: skip
    """Two numbers."""
    found = items(value) or []
    require(len(found) == 2, where, "a number, or two", shown(value), error=ArgumentError)
    a, b = (number(where, one, low=low, high=high, above=above) for one in found)
    return a, b


def both_of(where: str, value: Any) -> tuple[float, float]:
    """Two shares, 0 to 1, from two numbers, or from one for both."""
    return pair_of(where, [value] * 2 if items(value) is None else value, low=0, high=1)


def shifts_of(where: str, value: Any) -> tuple[float, float]:
    """(low, high) within -1 to 1, from two numbers, or from one for both sides of 0."""
    return range_of(where, value, -1, 1)


def share_of(where: str, value: Any) -> tuple[float, float]:
    """(low, high) of shares 0 to 1, from two numbers, or from the higher one."""
    given = [0.0, value] if items(value) is None else value
    a, b = sorted(pair_of(where, given, low=0, high=1))
    return (a, b)


def range_of(where: str, value: Any, low: float | None = None, high: float | None = None,
             above: bool = False) -> tuple[float, float]:  # fmt: skip
    """(low, high), sorted, from two numbers, or from one for both sides of 0."""
    least, over = (None, low) if above else (low, None)
    if items(value) is None and low is not None:
        size = abs(number(where, value, low=least, above=over, high=high))
        return (-size, size)
    a, b = sorted(pair_of(where, value, low=least, above=over, high=high))
    return (a, b)
