"""Augmentation of colours, contrast and sharpness as layers.  Ops: minicnn/ops/color.py; draws as in augment.py."""

from collections.abc import Sequence
from typing import Any

from ..aliases import Floats, Ints, Shape
from ..arguments import index, items, number, shown, whole
from ..core.tensor import Tensor
from ..errors import ArgumentError, one_of, require
from ..ops.augment import random_brightness, random_contrast, random_pick
from ..ops.color import (
    auto_contrast,
    equalize,
    random_blur,
    random_gray,
    random_hue,
    random_invert,
    random_posterize,
    random_saturation,
    random_sharpness,
    random_solarize,
)
from .augment import (
    Random,
    RandomBrightness,
    RandomContrast,
    RandomRotation,
    RandomShear,
    RandomTranslation,
    both_of,
    range_of,
    share_of,
    shifts_of,
)
from .base import image_shape


class _Colored(Random):
    """Images of red, green and blue; grey ones, of one channel, stay as they are."""

    def follow(self, input_shape: Shape) -> Shape:
        shape = image_shape(self.name, input_shape)
        require(shape[2] in (1, 3), self.name, "images of 3 channels, red, green and blue, or of 1", f"{shape[2]}")
        return shape

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return self._drawn(x, self.key()) if training and x.shape[3] == 3 else x


class _Ranged(Random):
    """factor, value_range, data_format, seed: what most of these layers take."""

    config = ("factor", "value_range", "data_format", "seed")

    def __init__(self, factor: Floats, value_range: Sequence[float] = (0, 255), data_format: str | None = None,
                 seed: int | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        where = type(self).__name__
        self.factor = share_of(f"{where}: factor", factor)
        self.value_range = wide_range(f"{where}: value_range", value_range)
        self._begin(seed, data_format)


class RandomGrayscale(_Colored):
    """In training an image becomes grey with probability `factor`: each channel 0.2989 R + 0.587 G + 0.114 B.

    (N, H, W, 3), shape unchanged; images of one channel stay as they are.
    """

    config = ("factor", "data_format", "seed")

    def __init__(self, factor: Floats = 0.5, data_format: str | None = None, seed: int | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.factor = number("RandomGrayscale: factor", factor, low=0, high=1)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_gray(x, key=key, factor=(self.factor, self.factor), entire=True)


class RandomColorDegeneration(_Colored, _Ranged):
    """In training y = x + f (gray - x), f ~ U(0, factor) for each image, or U(low, high): 1 is grey.

    (N, H, W, 3), shape unchanged; images of one channel stay as they are.  value_range: what y is clipped to
    Differs from Keras: one number is (0, factor), as Keras documents; Keras 3 draws from (-factor, factor).
    """

    def _drawn(self, x, key):
        if x.shape[3] != 3:
            return x
        return random_gray(x, key=key, factor=self.factor, value_range=self.value_range)


class RandomSaturation(_Colored, _Ranged):
    """In training the saturation of each image times f / (1 - f), f ~ U(0, factor), or U(low, high).

    f = 0 is grey, 0.5 changes nothing, 1 is the full colour.  (N, H, W, 3), shape unchanged; images of one channel stay
    as they are.  value_range is checked and without effect: colours stay between 0 and their largest.
    Differs from Keras: a saturation ends at 1, in Keras 3 at value_range[1], which lets colours be negative; one number
    is (0, factor), as Keras documents.
    """

    def _drawn(self, x, key):
        return random_saturation(x, key=key, factor=self.factor)


class RandomHue(_Colored, _Ranged):
    """In training each image's hue turns by +-f / 2 of the circle of colours, f ~ U(0, factor), or U(low, high).

    (N, H, W, 3), shape unchanged; images of one channel stay as they are.  value_range: what y is clipped to
    """

    def _drawn(self, x, key):
        return random_hue(x, key=key, factor=self.factor, value_range=self.value_range)


class RandomColorJitter(_Colored):
    """In training brightness, contrast, saturation and hue one after the other, each where its factor is given.

    brightness_factor, contrast_factor   as RandomBrightness's and RandomContrast's
    saturation_factor, hue_factor        as RandomSaturation's and RandomHue's
    (N, H, W, 3), shape unchanged; images of one channel have neither saturation nor hue.
    """

    config = ("value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor", "seed",
              "data_format")  # fmt: skip
    brightness_factor: tuple[float, float] | None
    contrast_factor: tuple[float, float] | None
    saturation_factor: tuple[float, float] | None
    hue_factor: tuple[float, float] | None

    def __init__(self, value_range: Sequence[float] = (0, 255), brightness_factor: Floats | None = None,
                 contrast_factor: Floats | None = None, saturation_factor: Floats | None = None,
                 hue_factor: Floats | None = None, seed: int | None = None, data_format: str | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.value_range = wide_range("RandomColorJitter: value_range", value_range)
        for name, given, understood in (
            ("brightness_factor", brightness_factor, shifts_of), ("contrast_factor", contrast_factor, both_of),
            ("saturation_factor", saturation_factor, share_of), ("hue_factor", hue_factor, share_of),
        ):  # fmt: skip
            setattr(self, name, None if given is None else understood(f"RandomColorJitter: {name}", given))
        self._begin(seed, data_format)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return self._drawn(x, self.key()) if training else x

    def _drawn(self, x, key):
        within = {"value_range": self.value_range}
        steps = ((random_brightness, self.brightness_factor, within), (random_contrast, self.contrast_factor, within),
                 (random_saturation, self.saturation_factor, {}), (random_hue, self.hue_factor, within))  # fmt: skip
        present = [step for step in (steps if x.shape[3] == 3 else steps[:2]) if step[1] is not None]
        for k, (change, factor, others) in enumerate(present):  # k: bits that purpose and layer's number leave free
            x = change(x, key=key._replace(stream=key.stream | k << 28), factor=factor, **others)
        return x


class RandomInvert(Random):
    """In training y = value_range[1] - x, with a probability U(0, factor), drawn for each image.

    factor  of 1: U(0, 1), so half of the images; (1, 1): every image;  (low, high).  (N, H, W, C), shape unchanged.
    """

    config = ("factor", "value_range", "seed", "data_format")

    def __init__(self, factor: Floats = 1.0, value_range: Sequence[float] = (0, 255), seed: int | None = None,
                 data_format: str | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.factor = share_of("RandomInvert: factor", factor)
        self.value_range = wide_range("RandomInvert: value_range", value_range)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_invert(x, key=key, factor=self.factor, high=self.value_range[1])


class RandomPosterization(Random):
    """In training each number keeps its first bits of 8, the range's 256 steps: 1 is two values, 8 changes little.

    factor  bits, 1 to 8: 1 to factor - 1, or low to high - 1, drawn for each image; (b, b): always b; 1: 1
    value_range  (low, high) of the pixels, which x is cut to.  (N, H, W, C), shape unchanged.
    """

    config = _Ranged.config

    def __init__(self, factor: Floats, value_range: Sequence[float] = (0, 255), data_format: str | None = None,
                 seed: int | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        where = "RandomPosterization: factor"
        given = items(factor)
        given = [1, factor] if given is None else given
        bits = sorted(whole(where, one, low=1, high=8) for one in given)
        require(len(bits) == 2, where, "a number of bits, or two", shown(factor), error=ArgumentError)
        self.factor = tuple(bits)
        self.value_range = wide_range("RandomPosterization: value_range", value_range)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_posterize(x, key=key, bits=self.factor, value_range=self.value_range)


class Solarization(Random):
    """In training what is at least t is mirrored, y = low + high - z, with z = x + a cut to value_range (low, high).

    addition_factor, threshold_factor  shares of the range for a and t: U(0, factor), or U(low, high), for each image
    (N, H, W, C), shape unchanged.
    Differs from Keras: both ends of (low, high) are shares of the range; Keras 3 takes the first for 255ths of it.
    """

    config = ("addition_factor", "threshold_factor", "value_range", "seed", "data_format")

    def __init__(self, addition_factor: Floats = 0.0, threshold_factor: Floats = 0.0,
                 value_range: Sequence[float] = (0, 255), seed: int | None = None, *, data_format: str | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.addition_factor = share_of("Solarization: addition_factor", addition_factor)
        self.threshold_factor = share_of("Solarization: threshold_factor", threshold_factor)
        self.value_range = wide_range("Solarization: value_range", value_range)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_solarize(x, key=key, addition=self.addition_factor, threshold=self.threshold_factor,
                               value_range=self.value_range)  # fmt: skip


class RandomSharpness(_Ranged):
    """In training y = x + (1 - 2 f) (smooth - x), f ~ U(0, factor) for each image, or U(low, high).

    0 is smooth, each pixel (the sum of the 9 around + 4 x) / 13; 0.5 changes nothing; 1 is sharper.
    (N, H, W, C), shape unchanged.  value_range: what y is clipped to
    """

    def _drawn(self, x, key):
        return random_sharpness(x, key=key, factor=self.factor, value_range=self.value_range)


class RandomGaussianBlur(Random):
    """In training images are smoothed by a Gaussian, with a probability U(0, factor), drawn for each image.

    factor       of 1: U(0, 1), so half of the images; (1, 1): every image;  (low, high)
    kernel_size  of the window in px, odd: a number, or (columns, rows)
    sigma        the deviation in px, 0 to 1: U(0, sigma), or U(low, high), drawn for each image and direction
    value_range  what y is clipped to.  (N, H, W, C), shape unchanged; beyond the edge are zeros.
    Differs from Keras: each image has deviations of its own; Keras 3 draws two for a batch.
    """

    config = ("factor", "kernel_size", "sigma", "value_range", "data_format", "seed")

    def __init__(self, factor: Floats = 1.0, kernel_size: Ints = 3, sigma: Floats = 1.0,
                 value_range: Sequence[float] = (0, 255), data_format: str | None = None, seed: int | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.factor = share_of("RandomGaussianBlur: factor", factor)
        where, given = "RandomGaussianBlur: kernel_size", items(kernel_size)
        sizes = [index(one) or 0 for one in ([kernel_size] * 2 if given is None else given)]
        ok = len(sizes) == 2 and all(one > 0 and one % 2 for one in sizes)
        require(ok, where, "an odd number of px, or two", shown(kernel_size), error=ArgumentError)
        self.kernel_size = tuple(sizes)
        self.sigma = share_of("RandomGaussianBlur: sigma", sigma)
        self.value_range = wide_range("RandomGaussianBlur: value_range", value_range)
        self._begin(seed, data_format)

    def _drawn(self, x, key):
        return random_blur(x, key=key, factor=self.factor, size=self.kernel_size[::-1], sigma=self.sigma,
                           value_range=self.value_range)  # fmt: skip


class AutoContrast(Random):
    """Each image's channel stretched over value_range, at inference too: its least number to low, its largest to high.

    (N, H, W, C), shape unchanged; a channel of one value stays as it is.
    """

    config = ("value_range", "data_format")

    def __init__(self, value_range: Sequence[float] = (0, 255), *, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.value_range = wide_range("AutoContrast: value_range", value_range)
        self._begin(None, data_format)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return self._drawn(x, None)

    def _drawn(self, x, key):
        return auto_contrast(x, value_range=self.value_range)


class Equalization(Random):
    """In training each image's channel gets all values of value_range about as often: histogram equalization.

    bins  of the histogram.  (N, H, W, C), shape unchanged; a channel in one bin stays as it is.
    Differs from Keras: each image has a histogram of its own; Keras 3 has one for a batch.
    """

    config = ("value_range", "bins", "data_format")

    def __init__(self, value_range: Sequence[float] = (0, 255), bins: int = 256, data_format: str | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.bins = whole("Equalization: bins", bins, low=2)
        self.value_range = wide_range("Equalization: value_range", value_range)
        self._begin(None, data_format)

    def _drawn(self, x, key):
        return equalize(x, value_range=self.value_range, bins=self.bins)


class RandAugment(Random):
    """In training num_ops changes one after the other, each drawn for each image from eleven, all as likely.

    They are a shear, a translation, a rotation, brightness, duller colours, contrast, sharpness, posterization,
    solarization, AutoContrast and Equalization; how strong: (0, factor) of each layer's own factor, bits 1 to 8 factor.
    (N, H, W, C), shape unchanged; images of one channel stay as they are where colours would be duller.
    Differs from Keras: the changes are drawn for each image; Keras 3 draws them for a batch.
    Source: Cubuk et al. 2020, "RandAugment: Practical automated data augmentation with a reduced search space".
    """

    config = ("value_range", "num_ops", "factor", "interpolation", "seed", "data_format")

    def __init__(self, value_range: Sequence[float] = (0, 255), num_ops: int = 2, factor: Floats = 0.5,
                 interpolation: str = "bilinear", seed: int | None = None, data_format: str | None = None,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.value_range = wide_range("RandAugment: value_range", value_range)
        self.num_ops = whole("RandAugment: num_ops", num_ops, low=0, high=99)
        f = self.factor = share_of("RandAugment: factor", factor)
        self.interpolation = one_of("RandAugment: interpolation", interpolation, ("bilinear", "nearest"))
        self._begin(seed, data_format)
        moved: dict[str, Any] = {"interpolation": self.interpolation, "name": "change"}
        colored: dict[str, Any] = {"value_range": self.value_range, "name": "change"}
        self.changes = (
            RandomShear(f, f, **moved), RandomTranslation(f, f, **moved), RandomRotation(f, **moved),
            RandomBrightness(f, **colored), RandomColorDegeneration(f, **colored), RandomContrast(f, **colored),
            RandomSharpness(f, **colored), RandomPosterization(max(1, int(8 * f[1])), **colored),
            Solarization(f, f, **colored), AutoContrast(**colored), Equalization(**colored),
        )  # fmt: skip

    def _drawn(self, x, key):
        for n in range(self.num_ops):
            streams = [key._replace(stream=key.stream | (1 + n * 12 + k) << 20) for k in range(12)]
            x = random_pick(*(change._drawn(x, one) for change, one in zip(self.changes, streams, strict=False)),
                            key=streams[-1])  # fmt: skip
        return x


def wide_range(where: str, value: Any) -> tuple[float, float]:
    """(low, high), sorted, of which the second is larger."""
    low, high = range_of(where, value)
    require(low < high, where, "two numbers, of which one is larger", shown(value), error=ArgumentError)
    return (low, high)
