"""What an argument may be: each check is one call that returns the plain value, or raises before anything has changed.

    number("Adam: beta_1", value, low=0, below=1)     ->  Adam: beta_1: expected a number from 0 to below 1, received 1

NumPy's scalars and arrays without axes are numbers like Python's; NaN and infinity are never a setting; True is no
number. A value of another kind raises ArgumentTypeError (a TypeError), one out of range ArgumentError (a ValueError).
"""

import inspect
import math
import numbers
import os
from collections.abc import Callable
from typing import Any

from .errors import ArgumentError, ArgumentTypeError, require

LARGEST_SEED = 2**64 - 1


def shown(value: Any) -> str:
    """`value` for a message: short, on one line, an array by its shape."""
    if getattr(value, "shape", ()) != () and hasattr(value, "dtype"):
        return f"an array of shape {tuple(value.shape)}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def scalar(value: Any) -> Any:
    """The Python number or string behind a NumPy scalar or an array without axes; anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def accepts(function: Callable, *arguments: Any) -> bool:
    """Whether `function` can be called with so many arguments, by its signature; yes, where it has none to read."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # a built-in
        return True
    return True


def _refuse(where: str, expected: str, value: Any, kind: bool, optional: bool, fix: str = "") -> None:
    expected += ", or None" if optional else ""
    require(False, where, expected, shown(value), fix, error=ArgumentError if kind else ArgumentTypeError)


def number(where: str, value: Any, *, low: float | None = None, high: float | None = None, above: float | None = None,
           below: float | None = None, optional: bool = False) -> float | None:  # fmt: skip
    """A finite number, low <= value <= high and above < value < below, as a float; None if that is `optional`."""
    if value is None and optional:
        return None
    plain = scalar(value)
    kind = isinstance(plain, numbers.Real) and not isinstance(plain, bool)
    try:
        found = float(plain) if kind else math.nan
    except OverflowError:
        found = math.inf
    ok = math.isfinite(found) and (low is None or found >= low) and (high is None or found <= high)
    if not (ok and (above is None or found > above) and (below is None or found < below)):
        _refuse(where, _interval(low, high, above, below), value, kind, optional)
    return found


def _interval(low, high, above, below) -> str:
    if low is None and above is None:
        return "a finite number" + ("" if high is None else f" of at most {high:g}")
    if high is None and below is None:
        return f"a finite number of at least {low:g}" if above is None else f"a finite number above {above:g}"
    start = f"from {low:g}" if above is None else f"above {above:g}"
    return f"a number {start} " + (f"to {high:g}" if below is None else f"to below {below:g}")


def whole(
    where: str, value: Any, *, low: int | None = 1, high: int | None = None, optional: bool = False
) -> int | None:
    """A whole number, low <= value <= high, as an int; None if that is `optional`. 3.0 is none: it may be a slip."""
    if value is None and optional:
        return None
    plain = scalar(value)
    kind = isinstance(plain, numbers.Real) and not isinstance(plain, bool)
    found = int(plain) if kind and isinstance(plain, numbers.Integral) else None
    if found is None or (low is not None and found < low) or (high is not None and found > high):
        expected = "a whole number" + ("" if low is None else f" of at least {low}")
        if high is not None:
            power = high + 1 == 1 << 64  # of a seed
            expected = f"a whole number from {low} to {'2^64 - 1' if power else high}"
        _refuse(where, expected, value, kind, optional)
    return found


def seed(where: str, value: Any) -> int | None:
    """A seed of the counted random stream, or None."""
    return whole(where, value, low=0, high=LARGEST_SEED, optional=True)


def flag(where: str, value: Any) -> bool:
    """True or False, NumPy's too, or the numbers 1 and 0 of old notebooks; "False" would be true."""
    plain = scalar(value)
    if not (isinstance(plain, int) and plain in (0, 1)):
        _refuse(where, "True or False", value, isinstance(plain, numbers.Real), False)
    return bool(plain)


def text(where: str, value: Any, *, optional: bool = False) -> str | None:
    """A string that is not empty; None if that is `optional`."""
    if value is None and optional:
        return None
    if not isinstance(value, str) or not value:
        _refuse(where, "a string that is not empty", value, isinstance(value, str), optional)
    return str(value)


def choice(where: str, value: Any, known: tuple, fix: str = "") -> Any:
    """`value`, if it equals one of `known`, which are few and may be of several kinds."""
    plain = scalar(value)
    for one in known:
        if type(one) is type(plain) and one == plain:
            return one
    names = [f'"{one}"' if isinstance(one, str) else repr(one) for one in known]
    expected = " or ".join([", ".join(names[:-1]), names[-1]] if names[:-1] else names)
    _refuse(where, expected, value, type(plain) in map(type, known), False, fix)


def listed(where: str, value: Any, of: str = "values") -> list:
    """A list, a tuple or an array of one axis, as a list."""
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__") or getattr(value, "ndim", 1) != 1:
        _refuse(where, f"a list of {of}", value, False, False)
    return list(value)


def function(where: str, value: Any, *, of: str = "", optional: bool = False) -> Callable | None:
    """Something that can be called; None if that is `optional`.  of: what it takes, for the message."""
    if value is None and optional:
        return None
    if not callable(value):
        _refuse(where, f"a function{of and f' {of}'}", value, False, optional)
    return value


def path(where: str, value: Any) -> str:
    """A file name as a string, not empty, no bytes, no NUL; "~" or "~user" at its start becomes the home folder."""
    try:
        found = os.fspath(value)
    except TypeError:
        found = None
    if not isinstance(found, str):
        _refuse(where, "a path: a string or a pathlib.Path", value, False, False)
    if not found or "\0" in found:
        _refuse(where, "a path without a NUL character" if found else "a path that is not empty", value, True, False)
    expanded = os.path.expanduser(found)
    if expanded.startswith("~"):
        _refuse(where, "a path whose ~ names a home folder", value, True, False, f'for a file of that name "./{found}"')
    try:
        os.fsencode(expanded)
    except UnicodeEncodeError:
        _refuse(where, "a path of characters that file names can have", value, True, False)
    return expanded
