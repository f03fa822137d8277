"""tf.image and tf.io: what input pipelines do to single pictures, in NumPy; resize, ssim and psnr on tensors as well.

Pictures are (H, W, C), or batches (N, H, W, C). Colours of uint8 are computed in 0 to 1 and put back, cut at the ends,
as TensorFlow does; those of floats are left as they come. What is drawn follows keras.utils.set_random_seed.

Differs from Keras: seed= of tf.image's random functions begins one stream per seed; stateless_ functions draw from
NumPy's generator of that seed; only resize, total_variation, psnr and ssim pass gradients on.
"""

import glob
import io
import os
import re
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..data.dataset import Array, element
from ..data.images import channels_of, img_to_array, load_img, save_img
from ..errors import ArgumentError, ArgumentTypeError, FileError, MissingDataError, require
from ..layers import Resizing
from ..ops import resize as RS
from ..ops import shape as S
from . import _backend, _functions
from ._random import drawn

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
    require(found.ndim in axes, f"tf.image.{where}", f"a picture (H, W, C){' or a batch' * (4 in axes)}", found.shape)
    return found


def _back(image, found: np.ndarray):
    """A tensor where a tensor was given, else an array that may be asked for numpy()."""
    return _backend.tensor(found) if isinstance(image, Tensor) else np.ascontiguousarray(found).view(Array)


def _arranged(function: Callable, name: str):
    def arranged(image, *args, **options):
        return _back(image, function(_array(name, image), *args, **options))

    arranged.__name__, arranged.__doc__ = name, function.__doc__
    return arranged


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


def convert_image_dtype(image, dtype, saturate=False, name=None):
    """uint8 0 to 255 as floats 0 to 1 and the reverse."""
    x = _array("convert_image_dtype", image, (0, 1, 2, 3, 4))
    if x.dtype == np.dtype(dtype):
        return image if isinstance(image, Tensor) else x.view(Array)
    if x.dtype.kind in "iu" and np.dtype(dtype).kind in "iu":
        shift = np.iinfo(dtype).max / np.iinfo(x.dtype).max
        return _back(image, (x * shift).astype(dtype))
    return _back(image, as_dtype(as_float(x), dtype, saturate))


def _coloured(function: Callable, name: str):
    """A function of floats, for pictures of any type, which is kept."""

    def coloured(image, *args, **options):
        x = _array(name, image)
        y = function(as_float(x), *args, **options)
        return _back(image, as_dtype(y, x.dtype, saturate=True) if x.dtype.kind in "iu" else y)

    coloured.__name__, coloured.__doc__ = name, function.__doc__
    return coloured


def _channels(where: str, x: np.ndarray, count: int) -> None:
    require(x.shape[-1] == count, f"tf.image.{where}", f"{count} channel{'s' * (count > 1)}", x.shape)


# arrangement ----------------------------------------------------------------------------------------------------------


def _left_right(x):
    """The picture mirrored: columns from right to left."""
    return x[..., ::-1, :]


def _up_down(x):
    """Rows from bottom to top."""
    return x[..., ::-1, :, :]


def _rot90(x, k=1):
    """Turned k quarters, counter-clockwise."""
    return np.rot90(x, k, (-3, -2))


def _transpose(x):
    """Rows as columns."""
    return np.swapaxes(x, -3, -2)


def _central_crop(x, central_fraction):
    """The middle, of central_fraction of either side."""
    ok = 0 < central_fraction <= 1
    require(ok, "tf.image.central_crop: central_fraction", "above 0, at most 1", central_fraction, error=ArgumentError)
    h, w = x.shape[-3:-1]
    top, left = int((h - h * central_fraction) / 2), int((w - w * central_fraction) / 2)
    return x[..., top : h - top, left : w - left, :]


def _crop_to_bounding_box(x, offset_height, offset_width, target_height, target_width):
    """target_height rows from offset_height on, target_width columns from offset_width on."""
    top, left, h, w = (int(n) for n in (offset_height, offset_width, target_height, target_width))
    ok = top >= 0 and left >= 0 and 0 < h <= x.shape[-3] - top and 0 < w <= x.shape[-2] - left
    require(ok, "tf.image.crop_to_bounding_box", f"a box within {x.shape[-3:-1]}", (top, left, h, w))
    return x[..., top : top + h, left : left + w, :]


def _pad_to_bounding_box(x, offset_height, offset_width, target_height, target_width):
    """Zeros around it, so that it begins at the offsets in a picture of the target's size."""
    top, left, h, w = (int(n) for n in (offset_height, offset_width, target_height, target_width))
    bottom, right = h - top - x.shape[-3], w - left - x.shape[-2]
    ok = min(top, left, bottom, right) >= 0
    require(ok, "tf.image.pad_to_bounding_box", f"a target around {x.shape[-3:-1]}", (top, left, h, w))
    return np.pad(x, [(0, 0)] * (x.ndim - 3) + [(top, bottom), (left, right), (0, 0)])


def _resize_with_crop_or_pad(x, target_height, target_width):
    """The middle of it, or it in the middle of zeros."""
    h, w = int(target_height), int(target_width)
    top, left = max(x.shape[-3] - h, 0) // 2, max(x.shape[-2] - w, 0) // 2
    x = x[..., top : top + h, left : left + w, :]
    above, before = (h - x.shape[-3]) // 2, (w - x.shape[-2]) // 2
    return _pad_to_bounding_box(x, above, before, h, w)


# colours --------------------------------------------------------------------------------------------------------------


def _brightness(x, delta):
    """x + delta."""
    return x + np.float32(delta)


def _contrast(x, contrast_factor):
    """(x - mean) contrast_factor + mean, the mean of each channel."""
    mean = x.mean(axis=(-3, -2), keepdims=True)
    return (x - mean) * np.float32(contrast_factor) + mean


def _gamma(x, gamma=1, gain=1):
    """gain x^gamma."""
    return np.float32(gain) * x ** np.float32(gamma)


def _to_hsv(x):
    """Red, green, blue in 0 to 1 as hue, saturation, value."""
    _channels("rgb_to_hsv", x, 3)
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
    hue, saturation, value = np.moveaxis(x, -1, 0)
    at = hue * 6
    ramp = np.stack([np.abs(at - 3) - 1, 2 - np.abs(at - 2), 2 - np.abs(at - 4)], axis=-1).clip(0, 1)
    return (((ramp - 1) * saturation[..., None] + 1) * value[..., None]).astype(np.float32)


def _saturation(x, saturation_factor):
    """The saturation times saturation_factor, cut at 1."""
    hue, saturation, value = np.moveaxis(_to_hsv(x), -1, 0)
    return _from_hsv(np.stack([hue, np.clip(saturation * saturation_factor, 0, 1), value], axis=-1))


def _hue(x, delta):
    """The hue turned by delta, a share of the circle."""
    hue, saturation, value = np.moveaxis(_to_hsv(x), -1, 0)
    return _from_hsv(np.stack([(hue + delta) % 1, saturation, value], axis=-1))


def _to_grey(x):
    """0.2989 R + 0.587 G + 0.114 B, one channel."""
    _channels("rgb_to_grayscale", x, 3)
    return x @ np.array([[0.2989], [0.587], [0.114]], np.float32)


def grayscale_to_rgb(images, name=None):
    """The one channel three times."""
    x = _array("grayscale_to_rgb", images)
    _channels("grayscale_to_rgb", x, 1)
    return _back(images, np.repeat(x, 3, axis=-1))


def per_image_standardization(image):
    """(x - mean) / max(std, 1 / sqrt n), n the numbers of one picture."""
    x = _array("per_image_standardization", image).astype(np.float32)
    axes = (-3, -2, -1)
    least = 1 / np.sqrt(np.prod(x.shape[-3:]))
    std = np.maximum(x.std(axis=axes, keepdims=True), least)
    return _back(image, ((x - x.mean(axis=axes, keepdims=True)) / std).astype(np.float32))


# draws ----------------------------------------------------------------------------------------------------------------

_streams: dict[int, np.random.Generator] = {}


def _generator(seed) -> np.random.Generator:
    """None: of keras.utils.set_random_seed;  a number: its stream, which goes on;  a pair: always the same draws."""
    if seed is None:
        return drawn("tf.image", None)
    if np.ndim(seed):
        return np.random.default_rng([int(n) & 0xFFFFFFFF for n in np.asarray(seed).reshape(-1)])
    return _streams.setdefault(int(seed), np.random.default_rng(int(seed)))


def _draws(adjusted: Callable, low: Callable, high: Callable):
    """A random function: what it adjusts by is drawn from low(arguments) to high(arguments)."""

    def adjusts(image, *args, seed=None, **options):
        given = [*args, *options.values()]
        return adjusted(image, _generator(seed).uniform(low(*given), high(*given)))

    return adjusts


def _flips(flipped: Callable):
    def flips(image, seed=None):
        x = _array("random_flip", image)
        if x.ndim == 3:
            return flipped(image) if _generator(seed).random() < 0.5 else _back(image, x)
        chosen = _generator(seed).random(len(x)) < 0.5
        return _back(image, np.where(chosen[:, None, None, None], np.asarray(flipped(x)), x))

    return flips


def random_crop(value, size, seed=None, name=None):
    """A part of this size, of any place; of pictures and of arrays of any rank."""
    x, size = np.asarray(value.numpy() if hasattr(value, "numpy") else value), tuple(int(n) for n in size)
    ok = len(size) == x.ndim and all(0 < n <= m for n, m in zip(size, x.shape, strict=True))
    require(ok, "random_crop: size", f"sizes within {x.shape}", size)
    rng = _generator(seed)
    starts = [int(rng.integers(m - n + 1)) for n, m in zip(size, x.shape, strict=True)]
    return _back(value, x[tuple(slice(a, a + n) for a, n in zip(starts, size, strict=True))])


# sizes and measures, with gradients -----------------------------------------------------------------------------------


def resize(images, size, method="bilinear", preserve_aspect_ratio=False, antialias=False, name=None):
    """Pictures or batches in another size (height, width); floats, but of "nearest", which keeps the type."""
    known = METHODS.get(getattr(method, "value", method))
    if known is None:
        names = ", ".join(k for k in METHODS if isinstance(k, str))
        require(False, "tf.image.resize: method", names, method, error=ArgumentError)
    x: Any = images if isinstance(images, (Tensor, Symbol)) else _array("resize", images)
    require(len(x.shape) in (3, 4), "tf.image.resize", "a picture (H, W, C) or a batch", x.shape)
    h, w = x.shape[-3:-1]
    high, wide = (int(n) for n in (size.numpy() if hasattr(size, "numpy") else size))
    size = high, wide
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


def resize_with_pad(image, target_height, target_width, method="bilinear", antialias=False):
    """In its own proportions, as large as it fits, in the middle of zeros."""
    x = _array("resize_with_pad", image)
    h, w = int(target_height), int(target_width)
    scale = max(x.shape[-3] / h, x.shape[-2] / w)
    inner = resize(x, (max(int(x.shape[-3] / scale), 1), max(int(x.shape[-2] / scale), 1)), method, False, antialias)
    above, before = (h - inner.shape[-3]) // 2, (w - inner.shape[-2]) // 2
    return _back(image, _pad_to_bounding_box(np.asarray(inner), above, before, h, w))


def total_variation(images, name=None):
    """The sum of |neighbours' differences|, down and across; of each picture of a batch."""
    x = _backend.tensor(images)
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


def psnr(a, b, max_val, name=None):
    """20 log10 max_val - 10 log10 of the mean square difference, of each picture."""
    (x, most), (y, _) = _levels(a, max_val), _levels(b, max_val)
    axes = tuple(range(len(x.shape) - 3, len(x.shape)))
    return 20 * np.log10(most) - F["log10"](F["mean"](F["square"](x - y), axis=axes)) * 10


def ssim(img1, img2, max_val, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03, return_index_map=False):
    """The structural similarity of each picture of a batch: the mean over windows and channels.

    Source: Wang, Bovik, Sheikh and Simoncelli 2004, "Image quality assessment: from error visibility to structural
    similarity"; windows are Gaussian, and lie within the picture.
    """
    require(not return_index_map, "tf.image.ssim: return_index_map", "False", "True", error=ArgumentError)
    (x, most), (y, _) = _levels(img1, max_val), _levels(img2, max_val)
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


def decode_image(contents, channels=0, dtype="uint8", name=None, expand_animations=True, **options):
    """A picture's bytes, of any format, as (H, W, C).  channels  1, 3, 4, or 0: as it is."""
    raw = contents.item() if isinstance(contents, np.ndarray) and contents.ndim == 0 else contents
    if not isinstance(raw, bytes):
        expected = "bytes, as tf.io.read_file gives"
        require(False, "tf.image.decode", expected, type(raw).__name__, error=ArgumentTypeError)
    channels = 0 if channels is None else int(channels)
    require(channels in (0, 1, 3, 4), "tf.image.decode: channels", "0, 1, 3 or 4", channels, error=ArgumentError)
    mode = {1: "grayscale", 3: "rgb", 4: "rgba"}[channels or channels_of(raw)]
    found = img_to_array(load_img(io.BytesIO(raw), color_mode=mode), dtype="uint8").view(Array)
    return found if np.dtype(dtype) == np.uint8 else convert_image_dtype(found, dtype)


def _encoded(kind: str):
    def encode(image, *args, **options) -> bytes:
        buffer = io.BytesIO()
        save_img(buffer, np.asarray(image), file_format=kind, scale=False)
        return buffer.getvalue()

    return encode


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
RANDOM = {
    "flip_left_right": _flips(flip_left_right), "flip_up_down": _flips(flip_up_down),
    "brightness": _draws(ADJUST["adjust_brightness"], lambda max_delta: -max_delta, lambda max_delta: max_delta),
    "contrast": _draws(ADJUST["adjust_contrast"], lambda lower, upper: lower, lambda lower, upper: upper),
    "saturation": _draws(ADJUST["adjust_saturation"], lambda lower, upper: lower, lambda lower, upper: upper),
    "hue": _draws(ADJUST["adjust_hue"], lambda max_delta: -max_delta, lambda max_delta: max_delta),
    "crop": random_crop,
}  # fmt: skip
DECODE = {f"decode_{kind}": decode_image for kind in ("image", "jpeg", "png", "bmp", "gif")}
ENCODE = {"encode_png": _encoded("png"), "encode_jpeg": _encoded("jpeg")}
IMAGE = {
    "flip_left_right": flip_left_right, "flip_up_down": flip_up_down, "rot90": _arranged(_rot90, "rot90"),
    "transpose": _arranged(_transpose, "transpose"), "central_crop": _arranged(_central_crop, "central_crop"),
    "crop_to_bounding_box": _arranged(_crop_to_bounding_box, "crop_to_bounding_box"),
    "pad_to_bounding_box": _arranged(_pad_to_bounding_box, "pad_to_bounding_box"),
    **dict.fromkeys(("resize_with_crop_or_pad", "resize_image_with_crop_or_pad"),
                    _arranged(_resize_with_crop_or_pad, "resize_with_crop_or_pad")),
    "rgb_to_hsv": _arranged(_to_hsv, "rgb_to_hsv"), "hsv_to_rgb": _arranged(_from_hsv, "hsv_to_rgb"),
    "convert_image_dtype": convert_image_dtype, "grayscale_to_rgb": grayscale_to_rgb,
    "per_image_standardization": per_image_standardization, "resize": resize, "resize_with_pad": resize_with_pad,
    "total_variation": total_variation, "psnr": psnr, "ssim": ssim,
    "ResizeMethod": types.SimpleNamespace(**{k.upper() if k != "nearest" else "NEAREST_NEIGHBOR": k for k in METHODS
                                             if isinstance(k, str)}),
} | ADJUST | DECODE | ENCODE | {f"random_{name}": f for name, f in RANDOM.items()} | {
    f"stateless_random_{name}": f for name, f in RANDOM.items()}  # fmt: skip
IO = {"read_file": read_file} | DECODE | ENCODE | {
    "gfile": types.SimpleNamespace(
        glob=lambda pattern: sorted(glob.glob(_text(pattern))),
        exists=lambda path: os.path.exists(_text(path)),
        listdir=lambda path: os.listdir(_text(path)),
        isdir=lambda path: os.path.isdir(_text(path)),
        makedirs=lambda path: os.makedirs(_text(path), exist_ok=True),
        GFile=open)}  # fmt: skip
