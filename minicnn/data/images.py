"""Pictures as files, as Pillow images and as arrays (H, W, C), under Keras's names.

Source: Keras 3.15, utils/image_utils.py.
Differs from Keras: a file that cannot be read raises DataError with its name.
"""

import functools
import io
import os
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import arguments
from ..aliases import ArrayLike
from ..arguments import array, checked, flag, shown, text, wholes
from ..errors import ArgumentError, DataError, MissingDataError, one_of, require
from ..notes import note

if TYPE_CHECKING:
    from PIL import Image

MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I")


def size(where: str, value: Any) -> tuple[int, int]:
    """(height, width) in px."""
    both = wholes(where, value)
    require(len(both) == 2, where, "(height, width)", shown(value), error=ArgumentError)
    return both[0], both[1]


def _dtype(where: str, value) -> np.dtype | None:
    """A NumPy dtype of numbers, or None."""
    try:
        found = None if value is None or np.ndim(value) > 0 else np.dtype(value)
    except TypeError:
        found = None
    ok = value is None or (found is not None and found.kind in "buif")
    require(ok, where, "a dtype of numbers, as float32 or uint8", shown(value), error=ArgumentError)
    return found


def _optional(check: Callable) -> Callable:
    return lambda where, value: None if value is None else check(where, value)


KNOWN_MODE = functools.partial(one_of, known=MODES)
KNOWN_INTERPOLATION = functools.partial(one_of, known=INTERPOLATIONS)
DATA_FORMAT = _optional(functools.partial(one_of, known=("channels_last", "channels_first")))


@checked("load_img", color_mode=KNOWN_MODE, target_size=_optional(size), interpolation=KNOWN_INTERPOLATION,
         keep_aspect_ratio=flag, grayscale=_optional(flag))  # fmt: skip
def load_img(path: Any, color_mode: str = "rgb", target_size: tuple[int, int] | None = None,
             interpolation: str = "nearest", keep_aspect_ratio: bool = False, *,
             grayscale: bool | None = None) -> "Image.Image":  # fmt: skip
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
    opened = hasattr(path, "read")
    if not opened:
        path = arguments.path("load_img: path", os.fsdecode(path) if isinstance(path, bytes) else path)
    name = getattr(path, "name", "an open file") if opened else path
    try:
        image = Image.open(path if opened else io.BytesIO(_bytes(name)))
        image = _converted(image, color_mode)  # decodes: what is damaged shows here
    except (UnidentifiedImageError, OSError, SyntaxError, TypeError, ValueError, Image.DecompressionBombError) as cause:
        if isinstance(cause, MissingDataError):
            raise
        raise DataError(f"load_img: expected a picture, received {name}: {_first_line(cause)}") from None
    if target_size is None or image.size == target_size[::-1]:
        return image
    height, width = target_size
    resample = getattr(Image.Resampling, interpolation.upper())
    box = _middle(image.size, target_size) if keep_aspect_ratio else None
    return image.resize((width, height), resample, box=box)


@checked("img_to_array", data_format=DATA_FORMAT, dtype=_dtype)
def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """A Pillow image, or an array of 2 or 3 axes, as an array (H, W, C), float32 if nothing else is said.

    data_format  "channels_first": (C, H, W)
    """
    first = data_format == "channels_first"
    x = array("img_to_array: img", img).astype(dtype or "float32", copy=False)
    require(x.ndim in (2, 3), "img_to_array: img", "a picture of shape (H, W) or (H, W, C)", f"shape {x.shape}")
    if x.ndim == 2:
        return x[None] if first else x[..., None]
    return np.ascontiguousarray(x.transpose(2, 0, 1)) if first and hasattr(img, "mode") else x


@checked("array_to_img", data_format=DATA_FORMAT, scale=flag, dtype=_dtype)
def array_to_img(x: ArrayLike, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> "Image.Image":
    """An array (H, W, C), C = 1, 3 or 4, as a Pillow image; scale: its values are stretched to 0 .. 255.

    data_format  "channels_first": x is (C, H, W)
    """
    from PIL import Image

    where = "array_to_img: x"
    pixels = array(where, x, finite=True).astype(dtype or "float32", copy=False)
    require(pixels.ndim == 3 and pixels.size > 0, where, "a picture of shape (H, W, C)", f"shape {pixels.shape}")
    pixels = pixels.transpose(1, 2, 0) if data_format == "channels_first" else pixels
    require(pixels.shape[2] in (1, 3, 4), where, "1, 3 or 4 channels", pixels.shape[2])
    if scale:
        pixels = pixels - np.min(pixels)
        top = np.max(pixels)
        pixels = pixels / top * 255 if top != 0 else pixels
    if pixels.shape[2] == 1:
        deep = np.max(pixels) > 255  # more than a byte holds
        return Image.fromarray(pixels[..., 0].astype("int32" if deep else "uint8"))
    return Image.fromarray(pixels.astype("uint8"))


def save_img(path: Any, x: ArrayLike, data_format: str | None = None, file_format: str | None = None,
             scale: bool = True, **kwargs: Any) -> None:  # fmt: skip
    """Write an array (H, W, C) as a picture; file_format None: by the name's ending; **kwargs go to Pillow's save.

    path  a file's name, or an open binary file
    """
    if not hasattr(path, "write"):
        path = arguments.path("save_img: path", path)
    if file_format is not None:
        where, known = "save_img: file_format", _formats()
        one_of(where, text(where, file_format).upper(), (*known, "JPG"))
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


def _formats() -> list[str]:
    """The formats that Pillow writes."""
    from PIL import Image

    Image.init()
    return sorted(Image.SAVE)


def channels_of(raw: bytes) -> int:
    """1, 3 or 4: what a picture's bytes have.  Raises DataError for what is no picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(raw)) as image:
            bands, mode = len(image.getbands()), image.mode
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as cause:
        raise DataError(f"decode: expected a picture, received {_first_line(cause)}") from None
    return 3 if mode == "P" else {1: 1, 2: 4, 3: 3}.get(bands, 4)


def format_of(raw: bytes) -> tuple[str, str]:
    """Pillow's names of the format and of the mode, ("PNG", "I;16"), of a picture that channels_of has accepted."""
    from PIL import Image

    with Image.open(io.BytesIO(raw)) as image:
        return image.format or "", image.mode


def frames_of(raw: bytes, color_mode: str) -> np.ndarray:
    """(frames, H, W, C) uint8 of an animation.  Raises DataError for a damaged one."""
    from PIL import Image, ImageSequence

    try:
        with Image.open(io.BytesIO(raw)) as image:
            frames = [np.asarray(one.convert(MODES[color_mode])) for one in ImageSequence.Iterator(image)]
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, struct.error) as cause:
        raise DataError(f"decode: expected an animation, received a damaged one: {_first_line(cause)}") from None
    return np.stack(frames).reshape(len(frames), *frames[0].shape[:2], CHANNELS[color_mode])


def encoded(x: np.ndarray, kind: str, **options: Any) -> bytes:
    """(H, W, C) of whole numbers as a file's bytes; the options are those of Pillow's save."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(x[..., 0] if x.shape[-1] == 1 else x)).save(buffer, kind, **options)
    return buffer.getvalue()


def _first_line(cause: BaseException) -> str:
    return (str(cause).splitlines() or [type(cause).__name__])[0][:200]
