"""Checks of ImageDataGenerator's options: each one sentence, before anything is drawn."""

import functools
import math
import numbers
from typing import Any

from minicnn.kernels.contract import FILL_MODES

from .. import arguments
from ..errors import ArgumentError, one_of, require
from .draws import ALTERNATING

WHERE = "ImageDataGenerator"


def check_options(options: Any) -> None:
    """Make the options of an ImageDataGenerator plain numbers; raises ArgumentError for the first outside its range."""

    def set_all(names: str, check) -> None:
        for name in names.split():
            setattr(options, name, check(f"{WHERE}: {name}", getattr(options, name)))

    set_all(
        "featurewise_center samplewise_center featurewise_std_normalization samplewise_std_normalization "
        "zca_whitening keras_compat", arguments.flag,
    )  # fmt: skip
    set_all("horizontal_flip vertical_flip", _flip)
    not_negative = functools.partial(arguments.number, low=0)
    set_all("zca_epsilon rotation_range shear_range channel_shift_range", not_negative)
    set_all("width_shift_range height_shift_range", _shift)
    set_all("zoom_range", _zoom)
    set_all("brightness_range", _brightness)
    options.fill_mode = one_of(f"{WHERE}: fill_mode", options.fill_mode, FILL_MODES)
    set_all("cval", arguments.number)
    set_all("rescale", functools.partial(arguments.number, optional=True))
    set_all("preprocessing_function", functools.partial(arguments.function, of="an image", optional=True))
    set_all("validation_split", functools.partial(arguments.number, low=0, below=1))
    set_all("data_format", functools.partial(arguments.choice, known=("channels_last", None)))
    set_all("interpolation_order", functools.partial(arguments.choice, known=(1,)))
    name = getattr(options.dtype, "__name__", options.dtype)  # np.float32, too
    arguments.choice(f"{WHERE}: dtype", name, ("float32", None))


def _flip(where: str, value):
    """True, False or "alternating"."""
    if isinstance(value, str) and value == ALTERNATING:
        return ALTERNATING
    expected = f'True, False or "{ALTERNATING}"'
    ok = isinstance(arguments.scalar(value), int) and value in (0, 1)
    require(ok, where, expected, arguments.shown(value), error=ArgumentError)
    return bool(value)


def _shift(where: str, value):
    """A number, or a list of them: whole numbers mean px and stay whole."""
    elements = arguments.items(value)
    if elements is None:
        whole = arguments.index(value)
        return arguments.number(where, value, low=0) if whole is None or whole < 0 else whole
    ok = len(elements) > 0 and all(_is_number(one) for one in elements)
    require(ok, where, "a number of at least 0 or a sequence of numbers", arguments.shown(value), error=ArgumentError)
    return [arguments.scalar(one) for one in elements]


def _zoom(where: str, value) -> tuple[float, float]:
    """(low, high); a number z is (1 - z, 1 + z)."""
    if _is_number(value) and 0 <= value < 1:
        z = arguments.scalar(value)
        return 1 - z, 1 + z
    found = _pair(value)
    if found is None or min(found) <= 0:
        expected = "a fraction from 0 to below 1, or two positive numbers"
        require(False, where, expected, arguments.shown(value), error=ArgumentError)
    return found


def _brightness(where: str, value) -> tuple[float, float] | None:
    found = _pair(value)
    ok = value is None or (found is not None and min(found) >= 0)
    expected = "two numbers of at least 0, or None"
    require(ok, where, expected, arguments.shown(value), error=ArgumentError)
    return found


def _is_number(value: object) -> bool:
    plain = arguments.scalar(value)
    return isinstance(plain, numbers.Real) and not isinstance(plain, bool) and math.isfinite(plain)


def _pair(value: object) -> tuple[float, float] | None:
    found = arguments.items(value) or ()
    ok = len(found) == 2 and all(map(_is_number, found))
    return tuple(arguments.scalar(one) for one in found) if ok else None
