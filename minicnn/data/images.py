"""Pictures as files, as Pillow images and as arrays (H, W, C), under Keras's names.

Source: Keras 3.15, utils/image_utils.py.
Differs from Keras: a file that cannot be read raises DataError with its name.
"""

import io
import os

import numpy as np

from ..arguments import listed, shown, whole
from ..errors import ArgumentError, ArgumentTypeError, DataError, MissingDataError, one_of, require
from ..notes import note

MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I")


def load_img(path, color_mode="rgb", target_size=None, interpolation="nearest", keep_aspect_ratio=False, *,
             grayscale=None):  # fmt: skip
    """A picture as a Pillow image, converted and brought to target_size.

    path               a file's name, or an open binary file
    color_mode         "rgb", "rgba", "grayscale" (16-bit greys stay as they are)
    target_size        (height, width) in px, or None: as it is
    interpolation      "nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"
    keep_aspect_ratio  True: first cut the largest part of the target's shape out of the middle
    grayscale          True: Keras 1's word for color_mode="grayscale"
    Raises MissingDataError, and DataError for a file that is no picture.
    """
    from PIL import Image, UnidentifiedImageError

    if grayscale is not None:
        note("load_img(grayscale=True) is read as color_mode")
        color_mode = "grayscale" if grayscale else color_mode
    one_of("load_img: color_mode", color_mode, MODES)
    one_of("load_img: interpolation", interpolation, INTERPOLATIONS)
    wanted = None if target_size is None else size("load_img: target_size", target_size)
    opened = hasattr(path, "read")
    ok = opened or isinstance(path, (str, bytes, os.PathLike))
    require(ok, "load_img", "the name of a file, or an open one", repr(path), error=ArgumentTypeError)
    name = getattr(path, "name", "an open file") if opened else os.fsdecode(path)
    try:
        image = Image.open(path if opened else io.BytesIO(_bytes(name)))
        image = _converted(image, color_mode)  # decodes: what is damaged shows here
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as cause:
        if isinstance(cause, MissingDataError):
            raise
        raise DataError(f"load_img: expected a picture, received {name}: {_first_line(cause)}") from None
    if wanted is None or image.size == wanted[::-1]:
        return image
    resample = getattr(Image.Resampling, interpolation.upper())
    box = _middle(image.size, wanted) if keep_aspect_ratio else None
    return image.resize(wanted[::-1], resample, box=box)


def img_to_array(img, data_format=None, dtype=None) -> np.ndarray:
    """A Pillow image, or an array of 2 or 3 axes, as an array (H, W, C), float32 if nothing else is said.

    data_format  "channels_first": (C, H, W)
    """
    first = _channels_first("img_to_array", data_format)
    x = np.asarray(img, dtype=dtype or "float32")
    require(x.ndim in (2, 3), "img_to_array", "a picture of shape (H, W) or (H, W, C)", x.shape)
    if x.ndim == 2:
        return x[None] if first else x[..., None]
    return np.ascontiguousarray(x.transpose(2, 0, 1)) if first and hasattr(img, "mode") else x


def array_to_img(x, data_format=None, scale=True, dtype=None):
    """An array (H, W, C), C = 1, 3 or 4, as a Pillow image; scale: its values are stretched to 0 .. 255.

    data_format  "channels_first": x is (C, H, W)
    """
    from PIL import Image

    first = _channels_first("array_to_img", data_format)
    x = np.asarray(x, dtype=dtype or "float32")
    require(x.ndim == 3, "array_to_img", "a picture of shape (H, W, C)", x.shape)
    x = x.transpose(1, 2, 0) if first else x
    require(x.shape[2] in (1, 3, 4), "array_to_img", "1, 3 or 4 channels", x.shape[2])
    if scale:
        x = x - np.min(x)
        top = np.max(x)
        x = x / top * 255 if top != 0 else x
    if x.shape[2] == 1:
        deep = np.max(x) > 255  # more than a byte holds
        return Image.fromarray(x[..., 0].astype("int32" if deep else "uint8"))
    return Image.fromarray(x.astype("uint8"))


def save_img(path, x, data_format=None, file_format=None, scale=True, **kwargs) -> None:
    """Write an array (H, W, C) as a picture; file_format None: by the name's ending; **kwargs go to Pillow's save."""
    img = array_to_img(x, data_format, scale)
    jpeg = str(file_format or os.path.splitext(str(path))[1]).lower().lstrip(".") in ("jpg", "jpeg")
    if img.mode == "RGBA" and jpeg:
        note("save_img: a JPEG has no transparency: RGBA is written as RGB")
        img = img.convert("RGB")
    try:
        img.save(path, format="JPEG" if str(file_format).lower() == "jpg" else file_format, **kwargs)
    except (OSError, ValueError, KeyError) as cause:
        raise DataError(f"save_img: expected a file to write, received {path}: {_first_line(cause)}") from None


def _converted(image, color_mode: str):
    if color_mode == "grayscale" and image.mode in SIXTEEN_BITS:
        image.load()
        return image
    return image.convert(MODES[color_mode])


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest box of the target's shape in the middle of a picture; size (W, H), target (H, W)."""
    width, height = size
    wanted_height, wanted_width = target
    w, h = min(width, height * wanted_width // wanted_height), min(height, width * wanted_height // wanted_width)
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _bytes(name: str) -> bytes:
    try:
        with open(name, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise MissingDataError(f"load_img: expected a picture at {name}, received no such file") from None


def size(where: str, value) -> tuple[int, int]:
    """(height, width) in px."""
    both = listed(where, value, "two numbers, height and width")
    require(len(both) == 2, where, "(height, width)", shown(value), error=ArgumentError)
    return whole(where, both[0]), whole(where, both[1])


def _channels_first(where: str, data_format) -> bool:
    known = ("channels_last", "channels_first")
    return one_of(f"{where}: data_format", data_format or "channels_last", known) == "channels_first"


def _first_line(cause: BaseException) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]
