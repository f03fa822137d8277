"""What the options of ImageDataGenerator may be; each check one sentence, before anything is drawn."""

import math
import numbers
from collections.abc import Sequence

from ..errors import ArgumentError, one_of, require

WHERE = "ImageDataGenerator"
FILL_MODES = ("nearest", "constant", "reflect", "wrap")


def check_options(options) -> None:
    """Raises ArgumentError for the first option of an ImageDataGenerator outside its range."""
    for name in ("rotation_range", "shear_range", "channel_shift_range", "zca_epsilon"):
        value = getattr(options, name)
        _check(_is_number(value) and value >= 0, name, "a number of at least 0", value)
    for name in ("width_shift_range", "height_shift_range"):
        value = getattr(options, name)
        fits = value >= 0 if _is_number(value) else _is_sequence(value) and all(map(_is_number, value))
        _check(fits, name, "a number of at least 0 or a sequence of numbers", value)
    zoom = options.zoom_range
    fits = 0 <= zoom < 1 if _is_number(zoom) else _is_pair(zoom) and min(zoom) > 0
    _check(fits, "zoom_range", "a fraction in [0, 1) or two positive numbers", zoom)
    if options.brightness_range is not None:
        low_high = options.brightness_range
        fits = _is_pair(low_high) and min(low_high) >= 0
        _check(fits, "brightness_range", "None or two numbers of at least 0", low_high)
    one_of(f"{WHERE} fill_mode", options.fill_mode, FILL_MODES)
    _check(_is_number(options.cval), "cval", "a number", options.cval)
    rescale, function = options.rescale, options.preprocessing_function
    _check(rescale is None or _is_number(rescale), "rescale", "None or a number", rescale)
    _check(function is None or callable(function), "preprocessing_function", "None or a function of an image", function)
    share = options.validation_split
    _check(_is_number(share) and 0 <= share < 1, "validation_split", "a fraction in [0, 1)", share)
    _check(options.data_format in (None, "channels_last"), "data_format", '"channels_last"', options.data_format)
    _check(options.interpolation_order == 1, "interpolation_order", "1, bilinear", options.interpolation_order)
    _check(options.dtype in (None, "float32"), "dtype", '"float32"', options.dtype)


def _check(condition: bool, name: str, expected: str, received: object) -> None:
    require(condition, WHERE, f"{name} to be {expected}", repr(received), error=ArgumentError)


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_sequence(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0


def _is_pair(value: object) -> bool:
    return _is_sequence(value) and len(value) == 2 and all(map(_is_number, value))
