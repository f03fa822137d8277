"""tf.image and tf.io: what input pipelines do to single pictures, in NumPy; resize, ssim and psnr on tensors as well.

Pictures are (H, W, C), or batches (N, H, W, C). Colours of uint8 are computed in 0 to 1 and put back, cut at the ends,
as TensorFlow does; those of floats are left as they come. What is drawn follows keras.utils.set_random_seed.

Differs from Keras: seed= of tf.image's random functions begins one stream per seed, anew after tf.random.set_seed;
stateless_ functions draw from NumPy's generator of that seed; only resize, total_variation, psnr and ssim pass
gradients on.
"""

import glob
import inspect
import io
import os
import re
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import index, items, named, number, whole
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..data.dataset import Array, element
from ..data.images import SIXTEEN_BITS, channels_of, encoded, format_of, frames_of, load_img
from ..errors import ArgumentError, ArgumentTypeError, FileError, MissingDataError, UnsupportedError, require
from ..layers import Resizing
from ..ops import resize as RS
from ..ops import shape as S
from ..ops.color import GRAY
from . import _backend, _functions
from ._random import drawn, stream_of

F = _functions.OPS
METHODS = {"bilinear": "bilinear", "nearest": "nearest", "bicubic": "bicubic", "lanczos3": "lanczos3",
           "lanczos5": "lanczos5", 0: "bilinear", 1: "nearest", 2: "bicubic"}  # fmt: skip


def _array(where: str, image: Any, axes=(3, 4)) -> np.ndarray:
    """A picture or a batch as NumPy.  Raises for what stands on a tape or in a graph: its gradient would be lost."""
    taped = isinstance(image, Symbol) or getattr(image, "node", None) is not None
    fix = "use a layer: layers.RandomFlip and its kin, layers.Resizing"
    require(not taped, f"tf.image.{where}", "a picture", "a tensor with a gradient", fix, error=ArgumentTypeError)
    numbers = getattr(image, "numpy", None)
    found = np.asarray(image if numbers is None else numbers())
    numeric = found.dtype.kind in "buif"
    require(numeric, f"tf.image.{where}", "a picture of numbers", found.dtype, error=ArgumentTypeError)
    require(found.ndim in axes, f"tf.image.{where}", f"a picture (H, W, C){' or a batch' * (4 in axes)}", found.shape)
    return found


def _index(n) -> int | None:
    """A whole number, that of a tensor too, whose numbers are floats; None if it is none."""
    if isinstance(n, Tensor):
        n = n.numpy()
        return int(n) if np.ndim(n) == 0 and float(n).is_integer() else None
    return index(n)


def _whole(where: str, n, low: int | None = 0) -> int:
    found = _index(n)
    ok = found is not None and (low is None or found >= low)
    expected = "a whole number" + ("" if low is None else f" of at least {low}")
    require(ok, f"tf.image.{where}", expected, repr(n)[:40], error=ArgumentError)
    return int(found or 0)


def _box(where: str, top, left, h, w) -> tuple[int, int, int, int]:
    return (_whole(f"{where}: offset_height", top), _whole(f"{where}: offset_width", left),
            _whole(f"{where}: target_height", h, 1), _whole(f"{where}: target_width", w, 1))  # fmt: skip


def _dtype(where: str, dtype) -> np.dtype:
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    require(found.kind in "uif", f"tf.image.{where}: dtype", "a type of numbers", repr(dtype)[:40], error=ArgumentError)
    return found


def _back(image, found: np.ndarray):
    """A tensor where a tensor was given, else an array that may be asked for numpy()."""
    return _backend.tensor(found) if isinstance(image, Tensor) else np.ascontiguousarray(found).view(Array)


def _spelt(function: Callable, name: str, call: Callable, first: str = "image"):
    """call(picture, **options) with the arguments of `function` and name=, the first called as TensorFlow does."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = list(inspect.signature(function).parameters.values())[1:]
    ends = inspect.Parameter("name", kind, default=None)
    signature = inspect.Signature([inspect.Parameter(first, kind), *own, *[ends] * all(p.name != "name" for p in own)])

    def spelt(*args, **options):
        given = signature.bind(*args, **options).arguments
        given.pop("name", None)
        return call(given.pop(first), **given)

    spelt.__name__ = spelt.__qualname__ = name
    spelt.__doc__, spelt.__signature__ = function.__doc__, signature  # type: ignore[attr-defined]
    return named(spelt)


def _arranged(function: Callable, name: str, first: str = "image"):
    return _spelt(function, name, lambda x, **options: _back(x, function(_array(name, x), **options)), first)


def as_float(x: np.ndarray) -> np.ndarray:
    """Whole numbers over the largest of their type; floats as they are."""
    return x.astype(np.float32) / np.iinfo(x.dtype).max if x.dtype.kind in "iu" else x.astype(np.float32)


def as_dtype(x: np.ndarray, dtype, saturate: bool = False) -> np.ndarray:
    """The reverse of as_float: 0 to 1 in another type, whole numbers cut."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "iu":
        return x.astype(dtype)
    most = np.iinfo(dtype).max
    found = x * (most + 0.5)
    return (np.clip(found, 0, most) if saturate else found).astype(dtype)


def _whole_of(x: np.ndarray, dtype: np.dtype, saturate: bool) -> np.ndarray:
    """Whole numbers of another type, times the ratio of the types' counts, rounded down."""
    most, found = int(np.iinfo(x.dtype).max), np.iinfo(dtype)
    if most > found.max:
        x = x // ((most + 1) // (int(found.max) + 1))
        return (np.clip(x, found.min, found.max) if saturate else x).astype(dtype)
    x = np.maximum(x, 0) if saturate and found.min == 0 else x
    return x.astype(dtype) * dtype.type((int(found.max) + 1) // (most + 1))


@named
def convert_image_dtype(image, dtype, saturate=False, name=None):
    """uint8 0 to 255 as floats 0 to 1 and the reverse;  uint8 times 256 is uint16."""
    x = _array("convert_image_dtype", image, (0, 1, 2, 3, 4))
    dtype = _dtype("convert_image_dtype", dtype)
    if x.dtype == dtype:
        return image if isinstance(image, Tensor) else x.view(Array)
    if x.dtype.kind in "iu" and dtype.kind in "iu":
        return _back(image, _whole_of(x, dtype, saturate))
    return _back(image, as_dtype(as_float(x), dtype, saturate))


def _coloured(function: Callable, name: str):
    """A function of floats, for pictures of any type, which is kept."""

    def call(image, **options):
        x = _array(name, image)
        y = function(as_float(x), **options)
        return _back(image, as_dtype(y, x.dtype, saturate=True) if x.dtype.kind in "iu" else y)

    return _spelt(function, name, call, "images" if name in ("adjust_contrast", "rgb_to_grayscale") else "image")


def _channels(where: str, x: np.ndarray, count: int) -> None:
    require(x.shape[-1] == count, f"tf.image.{where}", f"{count} channel{'s' * (count > 1)}", x.shape)


def _floats(where: str, x: np.ndarray) -> None:
    fix = "tf.image.convert_image_dtype(x, tf.float32)"
    require(x.dtype.kind == "f", f"tf.image.{where}", "floats in 0 to 1", x.dtype, fix, error=ArgumentTypeError)


# arrangement ----------------------------------------------------------------------------------------------------------


def _left_right(x):
    """The picture mirrored: columns from right to left."""
    return x[..., ::-1, :]


def _up_down(x):
    """Rows from bottom to top."""
    return x[..., ::-1, :, :]


def _rot90(x, k=1):
    """Turned k quarters, counter-clockwise."""
    return np.rot90(x, _whole("rot90: k", k, None), (-3, -2))


def _transpose(x):
    """Rows as columns."""
    return np.swapaxes(x, -3, -2)


def _central_crop(x, central_fraction):
    """The middle, of central_fraction of either side."""
    central_fraction = number("tf.image.central_crop: central_fraction", central_fraction, above=0, high=1)
    h, w = x.shape[-3:-1]
    top, left = int((h - h * central_fraction) / 2), int((w - w * central_fraction) / 2)
    return x[..., top : h - top, left : w - left, :]


def _crop_to_bounding_box(x, offset_height, offset_width, target_height, target_width):
    """target_height rows from offset_height on, target_width columns from offset_width on."""
    top, left, h, w = _box("crop_to_bounding_box", offset_height, offset_width, target_height, target_width)
    ok = top >= 0 and left >= 0 and 0 < h <= x.shape[-3] - top and 0 < w <= x.shape[-2] - left
    require(ok, "tf.image.crop_to_bounding_box", f"a box within {x.shape[-3:-1]}", (top, left, h, w))
    return x[..., top : top + h, left : left + w, :]


def _pad_to_bounding_box(x, offset_height, offset_width, target_height, target_width):
    """Zeros around it, so that it begins at the offsets in a picture of the target's size."""
    top, left, h, w = _box("pad_to_bounding_box", offset_height, offset_width, target_height, target_width)
    bottom, right = h - top - x.shape[-3], w - left - x.shape[-2]
    ok = min(top, left, bottom, right) >= 0
    require(ok, "tf.image.pad_to_bounding_box", f"a target around {x.shape[-3:-1]}", (top, left, h, w))
    return np.pad(x, [(0, 0)] * (x.ndim - 3) + [(top, bottom), (left, right), (0, 0)])


def _resize_with_crop_or_pad(x, target_height, target_width):
    """The middle of it, or it in the middle of zeros."""
    _, _, h, w = _box("resize_with_crop_or_pad", 0, 0, target_height, target_width)
    top, left = max(x.shape[-3] - h, 0) // 2, max(x.shape[-2] - w, 0) // 2
    x = x[..., top : top + h, left : left + w, :]
    above, before = (h - x.shape[-3]) // 2, (w - x.shape[-2]) // 2
    return _pad_to_bounding_box(x, above, before, h, w)


# colours --------------------------------------------------------------------------------------------------------------


def _brightness(x, delta):
    """x + delta."""
    delta = number("tf.image.adjust_brightness: delta", delta)
    return x + np.float32(delta)


def _contrast(x, contrast_factor):
    """(x - mean) contrast_factor + mean, the mean of each channel."""
    contrast_factor = number("tf.image.adjust_contrast: contrast_factor", contrast_factor)
    mean = x.mean(axis=(-3, -2), keepdims=True)
    return (x - mean) * np.float32(contrast_factor) + mean


def _gamma(x, gamma=1, gain=1):
    """gain x^gamma."""
    gamma, gain = number("tf.image.adjust_gamma: gamma", gamma, low=0), number("tf.image.adjust_gamma: gain", gain)
    return np.float32(gain) * x ** np.float32(gamma)


def _to_hsv(x):
    """Red, green, blue in 0 to 1 as hue, saturation, value."""
    _channels("rgb_to_hsv", x, 3)
    _floats("rgb_to_hsv", x)
    r, g, b = np.moveaxis(x, -1, 0)
    value, low = x.max(axis=-1), x.min(axis=-1)
    spread = value - low
    safe = np.where(spread > 0, spread, 1)
    sector = np.where(value == r, (g - b) / safe, np.where(value == g, 2 + (b - r) / safe, 4 + (r - g) / safe))
    hue = np.where(spread > 0, sector / 6 % 1, 0)
    saturation = np.where(value > 0, spread / np.where(value > 0, value, 1), 0)
    return np.stack([hue, saturation, value], axis=-1).astype(np.float32)


def _from_hsv(x):
    """Hue, saturation, value in 0 to 1 as red, green, blue."""
    _channels("hsv_to_rgb", x, 3)
    _floats("hsv_to_rgb", x)
    hue, saturation, value = np.moveaxis(x, -1, 0)
    at = hue * 6
    ramp = np.stack([np.abs(at - 3) - 1, 2 - np.abs(at - 2), 2 - np.abs(at - 4)], axis=-1).clip(0, 1)
    return (((ramp - 1) * saturation[..., None] + 1) * value[..., None]).astype(np.float32)


def _saturation(x, saturation_factor):
    """The saturation times saturation_factor, cut at 1."""
    saturation_factor = number("tf.image.adjust_saturation: saturation_factor", saturation_factor)
    hue, saturation, value = np.moveaxis(_to_hsv(x), -1, 0)
    return _from_hsv(np.stack([hue, np.clip(saturation * saturation_factor, 0, 1), value], axis=-1))


def _hue(x, delta):
    """The hue turned by delta, a share of the circle."""
    delta = number("tf.image.adjust_hue: delta", delta)
    hue, saturation, value = np.moveaxis(_to_hsv(x), -1, 0)
    return _from_hsv(np.stack([(hue + delta) % 1, saturation, value], axis=-1))


def _to_grey(x):
    """0.2989 R + 0.587 G + 0.114 B, one channel."""
    _channels("rgb_to_grayscale", x, 3)
    return x @ np.array(GRAY, np.float32)[:, None]


@named
def grayscale_to_rgb(images, name=None):
    """The one channel three times."""
    x = _array("grayscale_to_rgb", images)
    _channels("grayscale_to_rgb", x, 1)
    return _back(images, np.repeat(x, 3, axis=-1))


@named
def per_image_standardization(image):
    """(x - mean) / max(std, 1 / sqrt n), n the numbers of one picture."""
    x = _array("per_image_standardization", image).astype(np.float32)
    axes = (-3, -2, -1)
    least = 1 / np.sqrt(np.prod(x.shape[-3:]))
    std = np.maximum(x.std(axis=axes, keepdims=True), least)
    return _back(image, ((x - x.mean(axis=axes, keepdims=True)) / std).astype(np.float32))


# draws ----------------------------------------------------------------------------------------------------------------


def _generator(where: str, seed) -> np.random.Generator:
    """None: of keras.utils.set_random_seed;  a number: its stream, which goes on;  a generator: itself."""
    if isinstance(seed, np.random.Generator):
        return seed
    return drawn("tf.image", None) if seed is None else stream_of(f"tf.image.{where}: seed", seed)


def _stateless(draw: Callable, name: str):
    """The same draws for the same seed, a pair of whole numbers."""
    own = inspect.signature(draw)
    parameters = [p.replace(default=p.empty) if p.name == "seed" else p for p in own.parameters.values()]

    def stateless(*args, **options):
        given = own.replace(parameters=parameters).bind(*args, **options).arguments
        seed = given["seed"]
        pair = [_index(n) for n in items(seed) or ()]
        ok = len(pair) == 2 and None not in pair
        expected = "a pair of whole numbers"
        require(ok, f"tf.image.{name}: seed", expected, repr(seed)[:40], "seed=(1, 2)", error=ArgumentError)
        given["seed"] = np.random.default_rng([int(n or 0) & 0xFFFFFFFF for n in pair])
        return draw(**given)

    stateless.__name__ = stateless.__qualname__ = name
    stateless.__doc__ = draw.__doc__
    stateless.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return named(stateless)


def _shifts(name: str, most: float | None = None):
    """adjust_<name> by a draw from -max_delta to max_delta."""

    def draws(image, max_delta, seed=None):
        delta = number(f"tf.image.random_{name}: max_delta", max_delta, low=0, high=most)
        return ADJUST[f"adjust_{name}"](image, _generator(f"random_{name}", seed).uniform(-delta, delta))

    draws.__name__ = draws.__qualname__ = f"random_{name}"
    return named(draws)


def _factors(name: str):
    """adjust_<name> by a draw from lower to upper."""

    def draws(image, lower, upper, seed=None):
        low = number(f"tf.image.random_{name}: lower", lower, low=0)
        high = number(f"tf.image.random_{name}: upper", upper, above=low)
        return ADJUST[f"adjust_{name}"](image, _generator(f"random_{name}", seed).uniform(low, high))

    draws.__name__ = draws.__qualname__ = f"random_{name}"
    return named(draws)


def _flips(flipped: Callable):
    name = f"random_{flipped.__name__}"

    def flips(image, seed=None):
        x, rng = _array(name, image), _generator(name, seed)
        if x.ndim == 3:
            return flipped(image) if rng.random() < 0.5 else _back(image, x)
        chosen = rng.random(len(x)) < 0.5
        return _back(image, np.where(chosen[:, None, None, None], np.asarray(flipped(x)), x))

    flips.__name__ = flips.__qualname__ = name
    return named(flips)


@named
def random_crop(value, size, seed=None, name=None):
    """A part of this size, of any place; of pictures and of arrays of any rank."""
    x = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    size = [_whole("random_crop: size", n) for n in items(size) or [0]]
    ok = len(size) == x.ndim and all(0 < n <= m for n, m in zip(size, x.shape, strict=True))
    require(ok, "tf.image.random_crop: size", f"sizes within {x.shape}", size)
    rng = _generator("random_crop", seed)
    starts = [int(rng.integers(m - n + 1)) for n, m in zip(size, x.shape, strict=True)]
    return _back(value, x[tuple(slice(a, a + n) for a, n in zip(starts, size, strict=True))])


# sizes and measures, with gradients -----------------------------------------------------------------------------------


def _size(where: str, size) -> tuple[int, int]:
    """(height, width) in px."""
    sides = [_index(n) or 0 for n in items(size) or ()]
    expected = "two whole numbers above 0, (height, width)"
    require(len(sides) == 2 and min(sides) > 0, where, expected, repr(size)[:40], error=ArgumentError)
    return sides[0], sides[1]


@named
def resize(images, size, method="bilinear", preserve_aspect_ratio=False, antialias=False, name=None):
    """Pictures or batches in another size (height, width); floats, but of "nearest", which keeps the type."""
    known = METHODS.get(getattr(method, "value", method))
    if known is None:
        names = ", ".join(k for k in METHODS if isinstance(k, str))
        require(False, "tf.image.resize: method", names, method, error=ArgumentError)
    x: Any = images if isinstance(images, (Tensor, Symbol)) else _array("resize", images)
    require(len(x.shape) in (3, 4), "tf.image.resize", "a picture (H, W, C) or a batch", x.shape)
    h, w = x.shape[-3:-1]
    size = _size("tf.image.resize: size", size)
    if preserve_aspect_ratio:
        scale = min(size[0] / h, size[1] / w)
        size = (round(h * scale), round(w * scale))
    if isinstance(x, Symbol):
        require(not antialias, "tf.image.resize: antialias", "False", True, "use a Lambda layer", error=ArgumentError)
        return Resizing(*size, interpolation=known)(x)
    if known == "nearest":
        rows, columns = (((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(size, (h, w), strict=True))
        if isinstance(x, np.ndarray):
            return np.ascontiguousarray(x[..., rows, :, :][..., columns, :]).view(Array)
        return F["take"](F["take"](x, rows, x.ndim - 3), columns, x.ndim - 2)
    t = _backend.tensor(x)
    single = len(t.shape) == 3
    t = S.reshape(t, shape=(1, *t.shape)) if single else t
    y = RS.resample(t, size=size, interpolation=known, antialias=bool(antialias))
    y = S.reshape(y, shape=y.shape[1:]) if single else y
    return y if isinstance(x, (Tensor, Symbol)) else y.numpy().view(Array)


@named
def resize_with_pad(image, target_height, target_width, method="bilinear", antialias=False):
    """In its own proportions, as large as it fits, in the middle of zeros."""
    x = _array("resize_with_pad", image)
    _, _, h, w = _box("resize_with_pad", 0, 0, target_height, target_width)
    scale = max(x.shape[-3] / h, x.shape[-2] / w)
    inner = resize(x, (max(int(x.shape[-3] / scale), 1), max(int(x.shape[-2] / scale), 1)), method, False, antialias)
    above, before = (h - inner.shape[-3]) // 2, (w - inner.shape[-2]) // 2
    return _back(image, _pad_to_bounding_box(np.asarray(inner), above, before, h, w))


@named
def total_variation(images, name=None):
    """The sum of |neighbours' differences|, down and across; of each picture of a batch."""
    x = _backend.tensor(images)
    require(x.ndim in (3, 4), "tf.image.total_variation", "a picture (H, W, C) or a batch", x.shape)
    down = F["abs"](x[..., 1:, :, :] - x[..., :-1, :, :])
    across = F["abs"](x[..., :, 1:, :] - x[..., :, :-1, :])
    axes = tuple(range(x.ndim - 3, x.ndim))
    return F["sum"](down, axis=axes) + F["sum"](across, axis=axes)


def _levels(image, max_val):
    """A picture as a tensor, and the largest value, in 0 to 1 where it is whole numbers."""
    x = np.asarray(image) if not isinstance(image, (Tensor, Symbol)) else image
    if getattr(x, "dtype", None) is not None and not isinstance(x, (Tensor, Symbol)) and x.dtype.kind in "iu":
        return _backend.tensor(as_float(x)), max_val / np.iinfo(x.dtype).max
    return _backend.tensor(x), max_val


def _alike(where: str, x, y) -> None:
    """Raises unless the shapes are equal, where both are known."""
    sizes = list(zip(x.shape, y.shape, strict=False))
    ok = len(x.shape) == len(y.shape) > 2 and all(m == n or None in (m, n) for m, n in sizes)
    require(ok, f"tf.image.{where}", "two pictures of one shape, or two batches", f"{x.shape} and {y.shape}")


@named
def psnr(a, b, max_val, name=None):
    """20 log10 max_val - 10 log10 of the mean square difference, of each picture."""
    max_val = number("tf.image.psnr: max_val", max_val, above=0)
    (x, most), (y, _) = _levels(a, max_val), _levels(b, max_val)
    _alike("psnr", x, y)
    axes = tuple(range(len(x.shape) - 3, len(x.shape)))
    return 20 * np.log10(most) - F["log10"](F["mean"](F["square"](x - y), axis=axes)) * 10


@named
def ssim(img1, img2, max_val, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03, return_index_map=False):
    """The structural similarity of each picture of a batch: the mean over windows and channels.

    Source: Wang, Bovik, Sheikh and Simoncelli 2004, "Image quality assessment: from error visibility to structural
    similarity"; windows are Gaussian, and lie within the picture.
    """
    require(not return_index_map, "tf.image.ssim: return_index_map", "False", "True", error=ArgumentError)
    max_val = number("tf.image.ssim: max_val", max_val, above=0)
    filter_size = _whole("ssim: filter_size", filter_size, 1)
    (x, most), (y, _) = _levels(img1, max_val), _levels(img2, max_val)
    _alike("ssim", x, y)
    n, h, w, c = x.shape[-4] if len(x.shape) > 3 else 1, *x.shape[-3:]
    ok = min(h, w) >= filter_size
    require(ok, "tf.image.ssim", f"pictures of at least filter_size={filter_size} px", (h, w), "give filter_size=")
    at = np.arange(filter_size) - (filter_size - 1) / 2
    line = np.exp(-(at**2) / (2 * filter_sigma**2))
    window = np.outer(line, line) / np.outer(line, line).sum()

    def alone(z):  # channels as pictures
        z = S.transpose(S.reshape(z, shape=(-1, h, w, c)), axes=(0, 3, 1, 2))
        return S.reshape(z, shape=(-1, h, w, 1))

    def mean(z):
        return _functions.conv2d(z, window[:, :, None, None].astype(np.float32), 1, "valid")

    a, b = alone(x), alone(y)
    c1, c2 = (k1 * most) ** 2, (k2 * most) ** 2
    ma, mb = mean(a), mean(b)
    lightness = (2 * ma * mb + c1) / (ma * ma + mb * mb + c1)
    structure = (2 * (mean(a * b) - ma * mb) + c2) / (mean(a * a + b * b) - ma * ma - mb * mb + c2)
    found = F["mean"](S.reshape(lightness * structure, shape=(n, -1)), axis=1)
    return found if len(x.shape) > 3 else S.reshape(found, shape=())


# files ----------------------------------------------------------------------------------------------------------------


def _text(value) -> str:
    """A file's name: a string, or what a Dataset of names holds."""
    value = np.asarray(value)
    found = value.item() if value.ndim == 0 else value
    found = found.decode() if isinstance(found, bytes) else found
    if not isinstance(found, str):
        require(False, "tf.io: filename", "a string", repr(found)[:40], error=ArgumentTypeError)
    return found


def read_file(filename, name=None) -> bytes:
    """The bytes of a file."""
    path = _text(filename)
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise MissingDataError(f"tf.io.read_file: expected a file at {path}, received no such file") from None
    except OSError as cause:
        raise FileError(f"tf.io.read_file: expected a file at {path}, received {cause.strerror}", cause, path) from None


COLORS = {1: "grayscale", 3: "rgb", 4: "rgba"}


def _sixteen(image) -> np.ndarray | None:
    """(H, W) uint16 of a grey picture of 16 bits; None of others."""
    if image.mode not in SIXTEEN_BITS:
        return None
    pixels = np.asarray(image)
    ok = pixels.min(initial=0) >= 0 and pixels.max(initial=0) <= 65535
    require(ok, "tf.image.decode", "a picture of 8 or 16 bits", "one of 32 bits", error=UnsupportedError)
    return pixels.astype(np.uint16)


def _decoded(where: str, contents, channels, dtype) -> tuple[np.ndarray, str]:
    """(frames, H, W, C) of a GIF, (H, W, C) of others, in `dtype`; and the format."""
    raw = contents.item() if isinstance(contents, np.ndarray) and contents.ndim == 0 else contents
    if not isinstance(raw, bytes):
        expected = "bytes, as tf.io.read_file gives"
        require(False, f"tf.image.{where}", expected, type(raw).__name__, error=ArgumentTypeError)
    count = 0 if channels is None else whole(f"tf.image.{where}: channels", channels, low=0)
    require(count in (0, 1, 3, 4), f"tf.image.{where}: channels", "0, 1, 3 or 4", count, error=ArgumentError)
    kind = str(_dtype(where, dtype))
    known = ("uint8", "uint16", "float16", "float32", "float64")
    require(kind in known, f"tf.image.{where}: dtype", ", ".join(known), kind, error=ArgumentError)
    own = channels_of(raw)
    form, mode = format_of(raw)
    expected = "whole numbers as pixels"
    require(mode != "F", f"tf.image.{where}", expected, "a picture of floats", error=UnsupportedError)
    if form == "GIF":
        return _brought(frames_of(raw, COLORS[count or 3]), dtype, form), form
    grey = _sixteen(load_img(io.BytesIO(raw), color_mode="grayscale")) if mode in SIXTEEN_BITS else None
    if grey is not None:
        found = np.repeat(grey[..., None], count or 1, axis=-1)
        if count == 4:
            found[..., 3] = 65535
        return found if kind == "uint16" else (found >> 8).astype(np.uint8) if kind == "uint8" else (
            found / 65535).astype(dtype), form  # fmt: skip
    deep = form == "PNG" and raw[24] == 16 and kind != "uint8"  # Pillow keeps the upper bytes alone
    fix = "dtype=tf.uint8: the upper 8 bits"
    require(not deep, f"tf.image.{where}", "16 bits of grey", "16 bits of colours", fix, error=UnsupportedError)
    found = np.array(load_img(io.BytesIO(raw), color_mode=COLORS[count or own]))
    return _brought(found.reshape(*found.shape[:2], count or own), dtype, form), form


def _brought(found: np.ndarray, dtype, form: str) -> np.ndarray:
    """uint8 in another type: a PNG's 255 is 65535 of uint16, elsewhere 256 steps are one."""
    if np.dtype(dtype) == np.uint16 and form == "PNG":
        return found.astype(np.uint16) * np.uint16(257)
    return found if np.dtype(dtype) == np.uint8 else np.asarray(convert_image_dtype(found, dtype))


@named
def decode_image(contents, channels=None, dtype="uint8", name=None, expand_animations=True):
    """A picture's bytes, of any format, as (H, W, C), of a GIF (frames, H, W, C).

    channels           1, 3, 4, or 0: as it is
    dtype              uint8: of 16 bits the upper ones;  uint16;  floats 0 to 1
    expand_animations  False: of a GIF the first frame
    """
    found, form = _decoded("decode_image", contents, channels, dtype)
    return (found[0] if form == "GIF" and not expand_animations else found).view(Array)


@named
def decode_gif(contents, name=None):
    """A GIF's bytes as (frames, H, W, 3) of uint8."""
    found, form = _decoded("decode_gif", contents, 3, "uint8")
    require(form == "GIF", "tf.image.decode_gif", "a GIF", form, "tf.io.decode_image", error=ArgumentError)
    return found.view(Array)


def _single(where: str, contents, channels, dtype="uint8"):
    """A picture, of an animation the only frame."""
    found, form = _decoded(where, contents, channels, dtype)
    if form == "GIF":
        require(len(found) == 1, f"tf.image.{where}", "one frame", len(found), "tf.io.decode_gif")
        found = found[0]
    return found.view(Array)


@named
def decode_png(contents, channels=0, dtype="uint8", name=None):
    """A picture's bytes as (H, W, C) of uint8 or uint16."""
    return _single("decode_png", contents, channels, dtype)


@named
def decode_bmp(contents, channels=0, name=None):
    """A picture's bytes as (H, W, C) of uint8."""
    return _single("decode_bmp", contents, channels)


@named
def decode_jpeg(contents, channels=0, ratio=1, fancy_upscaling=True, try_recover_truncated=False,
                acceptable_fraction=1, dct_method="", name=None):  # fmt: skip
    """A picture's bytes as (H, W, C) of uint8, in its own size; other options than these are refused."""
    _usual("decode_jpeg", ratio=(ratio, 1), fancy_upscaling=(fancy_upscaling, True),
           try_recover_truncated=(try_recover_truncated, False), acceptable_fraction=(acceptable_fraction, 1),
           dct_method=(dct_method or "INTEGER_ACCURATE", "INTEGER_ACCURATE"))  # fmt: skip
    return _single("decode_jpeg", contents, channels)


def _usual(where: str, **options) -> None:
    """Raises for an option that is not as it usually is: Pillow has no other."""
    for name, (given, usual) in options.items():
        require(given == usual, f"tf.io.{where}: {name}", repr(usual), repr(given), error=UnsupportedError)


def _pixels(where: str, image, channels: tuple[int, ...], kinds: tuple[str, ...]) -> np.ndarray:
    """A picture (H, W, C) as whole numbers; a tensor, whose numbers are floats, where they are whole, 0 to 255."""
    x = _array(where, image)
    if isinstance(image, Tensor):
        ok = bool(((x == np.floor(x)) & (x >= 0) & (x <= 255)).all())
        expected, fix = "whole numbers, 0 to 255", "tf.image.convert_image_dtype(x.numpy(), tf.uint8)"
        require(ok, f"tf.io.{where}", expected, "other numbers", fix, error=ArgumentError)
        x = x.astype(np.uint8)
    expected, fix = " or ".join(kinds), "tf.image.convert_image_dtype(x, tf.uint8)"
    require(str(x.dtype) in kinds, f"tf.io.{where}", expected, x.dtype, fix, error=ArgumentTypeError)
    counts = ", ".join(map(str, channels))
    require(x.shape[-1] in channels and x.size, f"tf.io.{where}", f"{counts} channels", x.shape)
    return x


@named
def encode_png(image, compression=-1, name=None):
    """A PNG's bytes of uint8 (H, W, C), C = 1, 3 or 4, or of grey uint16; of a batch an array of them.

    compression  0 to 9, or -1: zlib's own choice
    """
    level = whole("tf.io.encode_png: compression", compression, low=-1, high=9)
    x = _pixels("encode_png", image, (1, 3, 4), ("uint8", "uint16"))
    ok, fix = x.dtype == np.uint8 or x.shape[-1] == 1, "tf.image.convert_image_dtype(x, tf.uint8)"
    require(ok, "tf.io.encode_png", "uint16 of one channel", x.shape, fix, error=UnsupportedError)
    options = {} if level < 0 else {"compress_level": level}
    if x.ndim == 3:
        return encoded(x, "PNG", **options)
    return np.array([encoded(one, "PNG", **options) for one in x], object)


@named
def encode_jpeg(image, format="", quality=95, progressive=False, optimize_size=False, chroma_downsampling=True,
                density_unit="in", x_density=300, y_density=300, xmp_metadata="", name=None):  # fmt: skip
    """A JPEG's bytes of uint8 (H, W, C), C = 1 or 3.

    format    "grayscale", "rgb", or "": by the channels
    quality   0 to 100
    """
    most = whole("tf.io.encode_jpeg: quality", quality, low=0, high=100)
    _usual("encode_jpeg", density_unit=(density_unit, "in"), xmp_metadata=(xmp_metadata, ""))
    x = _pixels("encode_jpeg", image, (1, 3), ("uint8",))
    require(x.ndim == 3, "tf.io.encode_jpeg", "a picture (H, W, C)", x.shape)
    own = "grayscale" if x.shape[-1] == 1 else "rgb"
    require(format in ("", own), "tf.io.encode_jpeg: format", f'"" or "{own}"', repr(format), error=ArgumentError)
    density = tuple(whole(f"tf.io.encode_jpeg: {axis}_density", n) for axis, n in (("x", x_density), ("y", y_density)))
    return encoded(x, "JPEG", quality=max(most, 1), progressive=bool(progressive), optimize=bool(optimize_size),
                    dpi=density, subsampling=2 if chroma_downsampling else 0)  # fmt: skip


def _strings(function: Callable):
    """A function of strings, for arrays of them."""

    def of_all(input, *args, **options):
        given = np.asarray(input)
        if given.dtype.kind == "S":
            given = np.char.decode(given)
        return element(function(given, *args, **options))

    return of_all


STRINGS = {
    "split": _strings(lambda x, sep=None, maxsplit=-1: np.asarray(_text(x).split(sep or None, maxsplit))),
    "lower": _strings(np.char.lower), "upper": _strings(np.char.upper), "strip": _strings(np.char.strip),
    "length": _strings(np.char.str_len),
    "join": lambda inputs, separator="": element(np.asarray(separator.join(_text(one) for one in inputs))),
    "to_number": _strings(lambda x, out_type="float32": x.astype(out_type)),
    "regex_replace": _strings(lambda x, pattern, rewrite, replace_global=True: np.asarray(re.sub(
        pattern, rewrite.replace("\\0", "\\g<0>"), _text(x), count=0 if replace_global else 1))),
    "as_string": _strings(lambda x: x.astype(str)),
}  # fmt: skip

flip_left_right, flip_up_down = _arranged(_left_right, "flip_left_right"), _arranged(_up_down, "flip_up_down")
ADJUST = {name: _coloured(function, name) for name, function in {
    "adjust_brightness": _brightness, "adjust_contrast": _contrast, "adjust_saturation": _saturation,
    "adjust_hue": _hue, "adjust_gamma": _gamma, "rgb_to_grayscale": _to_grey}.items()}  # fmt: skip
RANDOM = {f"random_{name}": draw for name, draw in {
    "flip_left_right": _flips(flip_left_right), "flip_up_down": _flips(flip_up_down),
    "brightness": _shifts("brightness"), "contrast": _factors("contrast"), "saturation": _factors("saturation"),
    "hue": _shifts("hue", 0.5), "crop": random_crop}.items()}  # fmt: skip
DECODE = {f.__name__: f for f in (decode_image, decode_jpeg, decode_png, decode_bmp, decode_gif)}
ENCODE = {f.__name__: f for f in (encode_png, encode_jpeg)}
IMAGE = {
    "flip_left_right": flip_left_right, "flip_up_down": flip_up_down, "rot90": _arranged(_rot90, "rot90"),
    "transpose": _arranged(_transpose, "transpose"), "central_crop": _arranged(_central_crop, "central_crop"),
    "crop_to_bounding_box": _arranged(_crop_to_bounding_box, "crop_to_bounding_box"),
    "pad_to_bounding_box": _arranged(_pad_to_bounding_box, "pad_to_bounding_box"),
    **dict.fromkeys(("resize_with_crop_or_pad", "resize_image_with_crop_or_pad"),
                    _arranged(_resize_with_crop_or_pad, "resize_with_crop_or_pad")),
    "rgb_to_hsv": _arranged(_to_hsv, "rgb_to_hsv", "images"),
    "hsv_to_rgb": _arranged(_from_hsv, "hsv_to_rgb", "images"),
    "convert_image_dtype": convert_image_dtype, "grayscale_to_rgb": grayscale_to_rgb,
    "per_image_standardization": per_image_standardization, "resize": resize, "resize_with_pad": resize_with_pad,
    "total_variation": total_variation, "psnr": psnr, "ssim": ssim,
    "ResizeMethod": types.SimpleNamespace(**{k.upper() if k != "nearest" else "NEAREST_NEIGHBOR": k for k in METHODS
                                             if isinstance(k, str)}),
} | ADJUST | DECODE | ENCODE | RANDOM | {
    f"stateless_{name}": _stateless(draw, f"stateless_{name}") for name, draw in RANDOM.items()}  # fmt: skip
IO = {"read_file": read_file} | DECODE | ENCODE | {
    "gfile": types.SimpleNamespace(
        glob=lambda pattern: sorted(glob.glob(_text(pattern))),
        exists=lambda path: os.path.exists(_text(path)),
        listdir=lambda path: os.listdir(_text(path)),
        isdir=lambda path: os.path.isdir(_text(path)),
        makedirs=lambda path: os.makedirs(_text(path), exist_ok=True),
        GFile=open)}  # fmt: skip
