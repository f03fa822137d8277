"""Errors: every one is a MinicnnError and also the builtin that a Keras user would catch.

Messages say where, what was expected, what was received, and what to do:

    conv2d: expected x of shape (N, H, W, 3), received (2, 28, 28, 1); give the layer the channels it was built for
"""

import difflib
from collections.abc import Iterable
from typing import Literal, NoReturn, overload


class MinicnnError(Exception):
    """The root of all errors raised on purpose."""


class ArgumentError(MinicnnError, ValueError):
    """A value outside its range, or an unknown name."""


class ArgumentTypeError(ArgumentError, TypeError):
    """A value of the wrong type: a TypeError, and like any other value that cannot be used a ValueError."""


class ReadOnlyError(ArgumentTypeError, AttributeError):
    """An assignment to what is only read."""


class ShapeError(MinicnnError, ValueError):
    """An array whose shape does not fit."""


class DataError(MinicnnError, ValueError):
    """A file or array whose content cannot be used: the message names the row."""


class MissingDataError(MinicnnError, FileNotFoundError):
    """A data file that is not there."""


class FileError(DataError, OSError):
    """What the system refused to do with a file; `errno`, `strerror` and `filename` are the system's and the file's."""

    __str__ = MinicnnError.__str__  # the sentence alone

    def __init__(self, message: str = "", cause: OSError | None = None, filename: str | None = None):
        super().__init__(message)
        if cause is not None:
            self.errno, self.strerror, self.filename = cause.errno, cause.strerror, filename


class DeviceError(MinicnnError, RuntimeError):
    """A device that is missing or does not answer; the message says what to do. `found`: what is wrong, in brief."""

    def __init__(self, message: str = "", found: str = ""):
        super().__init__(message)
        self.found = found or message


class DeviceMemoryError(DeviceError, MemoryError):
    """A device whose memory is full; the message names the batch size that would fit."""


class NonFiniteError(MinicnnError, ArithmeticError):
    """A loss that is NaN or infinite: `loss`."""

    def __init__(self, message: str = "", loss: float = float("nan")):
        super().__init__(message)
        self.loss = loss


class OrderError(MinicnnError, RuntimeError):
    """Something that has to be done after something else."""


class BusyError(MinicnnError, RuntimeError):
    """A model that another thread is training."""


class NotBuiltError(MinicnnError, ValueError):
    """A model that has no weights yet, or was not compiled."""


class NotYetError(NotBuiltError, AttributeError):
    """An attribute that a model has once it is built."""


class WeightsError(MinicnnError, ValueError):
    """Weights whose number, names or shapes are not the model's."""


class MissingPackageError(MinicnnError, ImportError):
    """An optional package that is not installed: `what` needs `package`, which is one of the extra packages."""

    def __init__(self, what: str, package: str):
        super().__init__(
            f"{what}: expected the package {package} to be installed, received none; run pip install {package}"
        )


class UnsupportedError(MinicnnError, NotImplementedError):
    """Something that Keras has and minicnn lacks."""


class GradientError(MinicnnError, AssertionError):
    """A gradient that differs from its numeric check."""


def shown(value: object) -> str:
    """`value` for a message: short, on one line, an array by its shape."""
    shape = getattr(value, "shape", ())
    if shape != () and hasattr(value, "dtype"):
        return f"an array of shape {tuple(shape)}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


@overload
def require(condition: Literal[False], where: str, expected: str, received: object, fix: str = "", *,
            error: type[MinicnnError] = ShapeError) -> NoReturn: ...  # fmt: skip
@overload
def require(condition: object, where: str, expected: str, received: object, fix: str = "", *,
            error: type[MinicnnError] = ShapeError) -> None: ...  # fmt: skip
def require(condition: object, where: str, expected: str, received: object, fix: str = "", *,
            error: type[MinicnnError] = ShapeError) -> None:  # fmt: skip
    """Raise `error`: "where: expected ..., received ...; fix" unless `condition` holds."""
    if not condition:
        raise error(f"{where}: expected {expected}, received {received}" + (f"; {fix}" if fix else ""))


def nearest(name: object, known: Iterable[str]) -> str:
    """'; did you mean "adam"?' when some known name is close to `name`, else ''."""
    close = difflib.get_close_matches(str(name).lower(), list(known), n=1)
    return f'did you mean "{close[0]}"?' if close else ""


def one_of(where: str, name: object, known: Iterable[str]) -> str:
    """`name` if it is one of `known`; else an ArgumentError that lists them and suggests the nearest."""
    known = list(known)
    text = isinstance(name, str)
    fix = nearest(name, known) if text else ""
    error = ArgumentError if text else ArgumentTypeError
    require(text and name in known, where, "one of " + ", ".join(known), shown(name), fix, error=error)
    return known[known.index(str(name))]
