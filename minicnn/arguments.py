"""Argument checks: each is one call that returns the plain value, or raises before anything has changed.

    number("Adam: beta_1", value, low=0, below=1)     ->  Adam: beta_1: expected a number from 0 to below 1, received 1

NumPy's scalars and arrays without axes are numbers like Python's; NaN and infinity are never a setting; True is no
number. A value of another kind raises ArgumentTypeError (a TypeError), one out of range ArgumentError (a ValueError).
"""

import contextlib
import errno
import functools
import inspect
import math
import numbers
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self, TypeVar, cast, overload

from .errors import ArgumentError, ArgumentTypeError, DataError, MinicnnError, nearest, one_of, require, shown
from .notes import note

if TYPE_CHECKING:
    import numpy as np

LARGEST_SEED = 2**64 - 1
AnyFunction = TypeVar("AnyFunction", bound=Callable)


def scalar(value: Any) -> Any:
    """The Python number or string behind a NumPy scalar or an array without axes; anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def index(value: Any) -> int | None:
    """The whole number that `value` is, NumPy's too; None if it is none. True is none, and 3.0 may be a slip."""
    plain = scalar(value)
    return int(plain) if isinstance(plain, numbers.Integral) and not isinstance(plain, bool) else None


def items(value: Any) -> list | None:
    """The items of a tuple, a list or an array of one axis; None for anything else."""
    return list(value) if isinstance(value, (tuple, list)) or getattr(value, "ndim", 0) == 1 else None


def accepts(function: Callable, *arguments: Any) -> bool:
    """Whether `function` can be called with so many arguments, by its signature; yes, where it has none to read."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # a built-in
        return True
    return True


def _refuse(where: str, expected: str, value: Any, kind: bool, optional: bool,
            fix: str = "") -> NoReturn:  # fmt: skip
    expected += ", or None" if optional else ""
    require(False, where, expected, shown(value), fix, error=ArgumentError if kind else ArgumentTypeError)


@overload
def number(where: str, value: Any, *, low: float | None = None, high: float | None = None, above: float | None = None,
           below: float | None = None, optional: Literal[False] = False) -> float: ...  # fmt: skip
@overload
def number(where: str, value: Any, *, low: float | None = None, high: float | None = None, above: float | None = None,
           below: float | None = None, optional: bool) -> float | None: ...  # fmt: skip
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


@overload
def whole(where: str, value: Any, *, low: int | None = 1, high: int | None = None,
          optional: Literal[False] = False) -> int: ...  # fmt: skip
@overload
def whole(where: str, value: Any, *, low: int | None = 1, high: int | None = None, optional: bool) -> int | None: ...
def whole(
    where: str, value: Any, *, low: int | None = 1, high: int | None = None, optional: bool = False
) -> int | None:
    """A whole number, low <= value <= high, as an int; None if that is `optional`."""
    if value is None and optional:
        return None
    plain = scalar(value)
    kind = isinstance(plain, numbers.Real) and not isinstance(plain, bool)
    found = index(value)
    if found is None or (low is not None and found < low) or (high is not None and found > high):
        expected = "a whole number" + ("" if low is None else f" of at least {low}")
        if high is not None:
            power = high + 1 == 1 << 64  # of a seed
            expected = f"a whole number from {low} to {'2^64 - 1' if power else high}"
        _refuse(where, expected, value, kind and found is not None, optional)
    return found


def seed(where: str, value: Any) -> int | None:
    """A seed of the counted random stream, or None."""
    return whole(where, value, low=0, high=LARGEST_SEED, optional=True)


def axes(where: str, value: Any) -> int | tuple[int, ...]:
    """An axis, or a list of axes as a tuple."""
    listed = items(value)
    found: list[Any] = [index(one) for one in ([value] if listed is None else listed)]
    if not found or None in found:
        _refuse(where, "an axis or axes", value, False, False)
    return found[0] if listed is None else tuple(found)


def flag(where: str, value: Any) -> bool:
    """True or False, NumPy's too, or the numbers 1 and 0 of old notebooks; "False" would be true."""
    plain = scalar(value)
    if not (isinstance(plain, int) and plain in (0, 1)):
        _refuse(where, "True or False", value, isinstance(plain, numbers.Real), False)
    return bool(plain)


def float_type(where: str, value: Any) -> None:
    """The device decides in what type is computed; a file or a notebook may name it."""
    name = getattr(value, "__name__", value)
    ok = name is None or (isinstance(name, str) and name in ("float32", "float64"))
    fix = "leave it out: the model's device decides"
    require(ok, f"{where}: dtype", '"float32" or None', shown(value), fix, error=ArgumentError)


@overload
def text(where: str, value: Any, *, empty: bool = False, optional: Literal[False] = False) -> str: ...
@overload
def text(where: str, value: Any, *, empty: bool = False, optional: bool) -> str | None: ...
def text(where: str, value: Any, *, empty: bool = False, optional: bool = False) -> str | None:
    """A string that is not empty, unless it may be; None if that is `optional`."""
    if value is None and optional:
        return None
    if not isinstance(value, str) or not (value or empty):
        expected = "a string" + ("" if empty else " that is not empty")
        _refuse(where, expected, value, isinstance(value, str), optional)
    return str(value)


def choice(where: str, value: Any, known: tuple, fix: str = "") -> Any:
    """`value`, if it equals one of `known`, which are few and may be of several kinds."""
    plain = scalar(value)
    for one in known:
        if type(one) is type(plain) and one == plain:
            return one
    told = [one for one in known if one is not None] or known  # that None is the default goes without saying
    names = [f'"{one}"' if isinstance(one, str) else repr(one) for one in told]
    expected = " or ".join([", ".join(names[:-1]), names[-1]] if names[:-1] else names)
    _refuse(where, expected, value, type(plain) in map(type, known), False, fix)


def listed(where: str, value: Any, of: str = "values") -> list:
    """A list, a tuple or an array of one axis, as a list."""
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__") or getattr(value, "ndim", 1) != 1:
        _refuse(where, f"a list of {of}", value, False, False)
    return list(value)


def verbose(where: str, value: Any) -> int:
    """How much is printed: 0, 1 or 2; "auto" is 1, and so is True in old notebooks."""
    plain = 1 if isinstance(value, str) and value == "auto" else scalar(value)
    if not (isinstance(plain, int) and 0 <= plain <= 2):
        _refuse(where, '0, 1, 2 or "auto"', value, isinstance(plain, (numbers.Real, str)), False)
    return int(plain)


@overload
def function(where: str, value: Any, *, of: str = "", optional: Literal[False] = False) -> Callable: ...
@overload
def function(where: str, value: Any, *, of: str = "", optional: bool) -> Callable | None: ...
def function(where: str, value: Any, *, of: str = "", optional: bool = False) -> Callable | None:
    """Something that can be called; None if that is `optional`.  of: what it takes, for the message."""
    if value is None and optional:
        return None
    if not callable(value):
        _refuse(where, f"a function{of and f' of {of}'}", value, False, optional)
    return value


def instance(where: str, value: Any, of: type | tuple, expected: str, *, optional: bool = False) -> Any:
    """`value`, if it is an instance of `of`; None if that is `optional`."""
    if not (isinstance(value, of) or (value is None and optional)):
        _refuse(where, expected, value, False, optional)
    return value


def wholes(where: str, value: Any, *, low: int = 1) -> tuple[int, ...]:
    """A tuple, list or array of whole numbers of at least `low`, as a tuple of ints."""
    found = items(value)
    indices = None if found is None else [index(one) for one in found]
    if indices is None or any(one is None or one < low for one in indices):
        _refuse(where, f"a tuple of whole numbers of at least {low}", value, found is not None, False)
    return tuple(one for one in indices if one is not None)


def sizes(where: str, value: Any) -> tuple[int | None, ...]:
    """The shape of a sample: whole numbers of at least 1, or None for sizes left open."""
    found = items(value)
    if found is None or not all(one is None or (index(one) or 0) > 0 for one in found):
        _refuse(where, "a tuple of whole numbers of at least 1", value, found is not None, False)
    return tuple(index(one) for one in found)


def array(where: str, value: Any, *, finite: bool = False, error: type = ArgumentTypeError) -> "np.ndarray":
    """`value` as an array of real numbers. Neither text nor objects, nor rows of unequal lengths.

    Arrays of other libraries count, see `of_others`.
    finite: nor NaN or infinity, which raise a DataError
    """
    import numpy as np  # late: doctor checks its arguments where NumPy is what is broken

    try:
        # Every step comes by with arrays: no call for those.
        found = value if value.__class__ is np.ndarray else np.asarray(of_others(value))
        if found.dtype.kind == "V" and found.dtype.type.__module__ == "ml_dtypes":  # bfloat16 of JAX
            found = found.astype(np.float32)
    except (ValueError, TypeError, OverflowError, RuntimeError):
        found = cast(Any, None)
    if found is None or found.dtype.kind not in "buif":
        received = shown(value) if found is None or (found.ndim == 0 and found is not value) else f"dtype {found.dtype}"
        if found is None and isinstance(value, (list, tuple)):
            received = "rows of unequal lengths"
        received, fix = _elsewhere(value) or (received, "")
        require(False, where, "an array of numbers", received, fix, error=error)
    if finite and found.dtype.kind == "f" and not np.isfinite(found).all():
        place = tuple(map(int, np.argwhere(~np.isfinite(found))[0]))
        require(False, where, "finite numbers", f"{found[place]} at {place}", error=DataError)
    return found


def of_others(value: Any) -> Any:
    """An array of another library's as np.asarray takes it, which then shares its memory where that is the computer's.

    A tensor of PyTorch comes without its tape, whether it requires_grad or not, and as float32 where NumPy lacks its
    type (bfloat16). A column of Hugging Face's datasets comes as a whole. Anything else is returned as it is.
    """
    if hasattr(value, "__array_interface__"):  # NumPy's own, as almost always
        return value
    if isinstance(value, (list, tuple)):
        return [of_others(one) for one in value] if value and hasattr(value[0], "detach") else value
    home = type(value).__module__.partition(".")[0]
    if home == "datasets" and not hasattr(value, "column_names") and hasattr(value, "__getitem__"):
        return of_others(value[:])
    if hasattr(value, "detach") and hasattr(value, "is_floating_point"):
        import numpy as np

        value = value.detach()
        there = hasattr(np, str(value.dtype).rpartition(".")[2]) or not value.is_floating_point()
        return value if there else value.float()
    return value


def _elsewhere(value: Any) -> tuple[str, str] | None:
    """(what it is, what to do) of something that holds numbers, but not where they can be read."""
    columns = getattr(value, "column_names", None)
    if isinstance(columns, list) and columns:
        return f"a {type(value).__name__} with the columns {', '.join(map(str, columns))}", "give one of its columns"
    device = str(getattr(value, "device", ""))
    if hasattr(value, "__dlpack__") and device and "cpu" not in device.lower():
        fix = "copy it to the computer's memory: x.cpu() of PyTorch's, x.get() of others"
        return f"an array on the device {device}", fix
    if hasattr(value, "to_dense") and "sparse" in str(getattr(value, "layout", "")):
        return "a sparse tensor", "use x.to_dense()"
    return None


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


def writable(where: str, path: str) -> None:
    """Raise ArgumentError unless a file can be written at `path`, whose folders may still have to be made.

    Nothing is left behind: where the system can, the trial has no name in the folder at all.
    """
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if stat.S_ISDIR(os.stat(path).st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        folder = os.path.dirname(os.path.abspath(path))
        while not os.path.lexists(folder):
            folder = os.path.dirname(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as cause:
        received = f"{path!r} ({cause.strerror or cause})"
        require(False, where, "the name of a file that can be written", received, "choose another", error=ArgumentError)


def configured(where: str, cls: type, config: Any) -> Any:
    """cls(**config) of a dict that comes from a file or a notebook."""
    config = {} if config is None else instance(f"{where}: {cls.__name__}: config", config, dict, "a dict")
    known = inspect.signature(cls).parameters
    # Keras writes options that it does not use as null.
    config = {name: value for name, value in config.items() if name in known or value is not None}
    extra = [name for name in config if name not in known]
    expected = f"a config of {', '.join(known)}" if known else "no config"
    require(not extra, f"{where}: {cls.__name__}", expected, ", ".join(map(str, extra)), error=ArgumentTypeError)
    with within(where):
        return cls(**config)


def serialized(module: str, thing: Any) -> Any:
    """Keras's description of an object with a get_config, as plain values; of a function its name."""
    if not hasattr(thing, "get_config"):
        return function("serialize", thing).__name__
    return {"module": f"keras.{module}", "class_name": type(thing).__name__, "config": thing.get_config(),
            "registered_name": None}  # fmt: skip


def deserialized(where: str, config: Any, known: dict[str, Any], custom_objects: dict | None = None) -> Any:
    """What `serialized` described: an object of one of the classes in `known` or custom_objects, or a function of them.

    known: name -> class or function.  Nothing is ever imported by name.
    """
    there = known | (instance(f"{where}: custom_objects", custom_objects, dict, "a dict", optional=True) or {})
    name = config.get("class_name") if isinstance(config, dict) else config
    instance(where, name, str, 'a name or {"class_name": ..., "config": {...}}')
    found = there[one_of(where, name, there)]
    if not isinstance(config, dict):
        return found
    inner = instance(f"{where}: {name}: config", config.get("config") or {}, dict, "a dict")
    return found.from_config(inner) if hasattr(found, "from_config") else found(**inner)


def described(where: str, value: Any, base: type, names: dict[str, type]) -> Callable | None:
    """An instance of `base` from None, its name, its class, {"class_name", "config"}, a function, or itself."""
    if value is None or (callable(value) and not isinstance(value, type)):
        return value
    if isinstance(value, type) and issubclass(value, base):
        return value()
    config = value.get("config") if isinstance(value, dict) else None
    name: Any = value.get("class_name") if isinstance(value, dict) else value
    expected = "a name, a function of a tensor, or None"
    instance(where, name, str, expected)
    found = {cls.__name__: cls for cls in names.values()}.get(name)
    return configured(where, found or names[one_of(where, name, names)], config)


@contextlib.contextmanager
def within(where: str) -> Iterator[None]:
    """What a MinicnnError from within says begins with `where`: an argument that other code looks at, by its name."""
    try:
        yield
    except MinicnnError as error:
        error.args = (f"{where}: {error.args[0] if error.args else ''}", *error.args[1:])
        raise


def checked(_where: str, /, **checks: Callable[[str, Any], Any]) -> Callable[[AnyFunction], AnyFunction]:
    """A `named` function whose arguments are checked before it begins: argument -> check(where, value) -> plain value.

    @checked("samples.draw", columns=whole, title=text)
    def draw(x, columns=8, title=""): ...
    """

    def decorate(function: AnyFunction) -> AnyFunction:
        signature = inspect.signature(function)
        defaults = {name: parameter.default for name, parameter in signature.parameters.items()}

        @functools.wraps(function)
        def call(*args, **kwargs):
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as problem:
                raise _misfit(function, args, kwargs) or problem from None
            given = bound.arguments
            for name, check in checks.items():
                if name in given and given[name] is not defaults[name]:
                    given[name] = check(f"{_where}: {name}", given[name])
            return function(*bound.args, **bound.kwargs)

        return cast(AnyFunction, call)

    return decorate


def older(*without_effect: str, **renamed: str) -> Callable[[AnyFunction], AnyFunction]:
    """A function that takes arguments by old names too, each with one note; some of them have no effect any more."""

    def decorate(function: AnyFunction) -> AnyFunction:
        @functools.wraps(function)
        def call(*args, **kwargs):
            for name in [name for name in kwargs if name in renamed or name in without_effect]:
                value, new = kwargs.pop(name), renamed.get(name)
                where = function.__qualname__.partition(".")[0] if function.__name__[0] == "_" else function.__name__
                note(f"{where}({name}=...) " + (f"is read as {new}=" if new else "has no effect"))
                if new:
                    only, received = f"{new}= or {name}=, its old name", "both"
                    require(new not in kwargs, where, only, received, error=ArgumentTypeError)
                    kwargs[new] = value
            return function(*args, **kwargs)

        return cast(AnyFunction, call)

    return decorate


def named(function: AnyFunction) -> AnyFunction:
    """`function`, whose misspelt, missing or superfluous arguments raise an ArgumentTypeError that lists its own."""

    @functools.wraps(function)
    def checked(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if isinstance(error, MinicnnError):
                raise
            problem = _misfit(function, args, kwargs)
            if problem is None:  # a TypeError from inside
                raise
            raise problem from None

    return cast(AnyFunction, checked)


def _misfit(function: Callable, args: tuple, kwargs: dict) -> ArgumentTypeError | None:
    """Why the arguments cannot be bound, if they cannot."""
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **kwargs)
    except TypeError as cause:
        parameters = {name: p.kind for name, p in signature.parameters.items() if name not in ("self", "cls")}
        known = [name for name, kind in parameters.items() if kind is not inspect.Parameter.VAR_KEYWORD]
        unknown = [name for name in kwargs if name not in known]
        takes_more = len(known) < len(parameters)  # **kwargs: only what looks like a slip is one
        wrong = [name for name in unknown if not takes_more or nearest(name, known)]
        *outer, own = function.__qualname__.split(".")
        where = outer[-1] if own == "__init__" and outer else own
        received, fix = (repr(wrong[0]), nearest(wrong[0], known)) if wrong else (str(cause), "")
        received = re.sub("^missing a required (keyword-only )?argument: ", "no ", received)
        expected = f"arguments of {', '.join(known)}" if known else "no arguments"
        return ArgumentTypeError(f"{where}: expected {expected}, received {received}" + (f"; {fix}" if fix else ""))
    return None


class Named:
    """Its subclasses' constructors are `named`."""

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = named(cls.__init__)


@functools.cache  # a checkpoint asks for it of every layer
def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The named arguments of a constructor."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {n: p for n, p in inspect.signature(cls).parameters.items() if p.kind not in kinds}


class Described(Named):
    """Those of its attributes that are its constructor's arguments describe it; one of your own may add to them.

    common: what a constructor that ends in **kwargs hands on to the base class
    """

    common: ClassVar[tuple[str, ...]] = ()

    def get_config(self) -> dict:
        """The constructor's arguments, as far as they are attributes of their names, for files."""
        options = getattr(self, "options", {})
        held = vars(self) | options
        kinds = [p.kind for p in inspect.signature(type(self)).parameters.values()]
        more = (*self.common, *options) if inspect.Parameter.VAR_KEYWORD in kinds else ()
        return {name: held[name] for name in (*parameters(type(self)), *more) if name in held}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        """The one that get_config described."""
        return cls(**instance(f"{cls.__name__}.from_config: config", config, dict, "a dict"))


class Configured(Named):
    """Its attributes are its constructor's arguments, plain values, and nothing else: files can hold it."""

    def get_config(self) -> dict:
        """The constructor's arguments as plain values, for files."""
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict) -> Self:
        """The one that get_config described."""
        return cls(**config)
