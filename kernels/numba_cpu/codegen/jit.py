"""How kernels are compiled: `outer` functions have an entry from Python and are kept on disk, `inner` ones become part
of what calls them. No fastmath: NaN must come out where it went in.
"""

import contextlib
import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload

import numba.extending
from numba import njit, types

from .parts import PartCompiler

try:
    import fcntl
except ImportError:  # Windows: processes do not know of each other, and two may compile the same
    fcntl = None

TEXTS = sorted(Path(__file__).parents[1].rglob("*.py"))  # all of numba_cpu
STAMP = hashlib.sha256(b"".join(path.read_bytes() for path in TEXTS)).hexdigest()
TROUBLE: list[str] = []  # why compiled code could not be read from disk or kept there
OUTER: list = []  # every function of `outer`
BEFORE_THE_FIRST: list[Callable[[], object]] = []  # called, once, before this process compiles a kernel


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result", covariant=True)


class Compiled(Protocol[Arguments, Result]):
    """What Numba makes of a function.  py_func: that one, as Python runs it."""

    py_func: Callable

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result: ...


class Taken(Exception):
    """Another process is compiling this kernel."""


def intrinsic(function: Callable[Concatenate[Any, Arguments], Any]) -> Callable[Arguments, Any]:
    """numba.extending.intrinsic: njit code calls it without the first argument, `typingctx`."""
    return cast("Callable[Arguments, Any]", numba.extending.intrinsic(function))


def outer(function: Callable[Arguments, Result]) -> Compiled[Arguments, Result]:
    """`njit` for a function that Python calls.

    Numba takes what it finds on disk if the text of the function's own file is the same. Much of a kernel stands in
    other files of numba_cpu, so the key it is found by knows their texts as well.
    """
    options = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
    compiled: Any
    try:
        compiled = njit(cache=True, **options)(function)
    except RuntimeError as cause:  # no folder can be written
        _lost(cause)
        compiled = njit(**options)(function)
    else:
        _watch(compiled._cache, function.__qualname__)
    OUTER.append(compiled)
    return compiled


def _watch(cache, name: str) -> None:
    """Let a function's cache on disk know the texts of all files, outlive damaged ones, and share the compiling."""
    key_of, load, save = cache._index_key, cache.load_overload, cache.save_overload
    cache._index_key = lambda *what: (*key_of(*what), STAMP)
    turn = _Turn(cache, name)

    def found(*what):
        try:
            return load(*what)
        except Exception as cause:  # a damaged file: pickle raises almost anything
            _lost(cause)
            with contextlib.suppress(Exception):
                cache.flush()  # so that the next run finds none
            return None

    def load_overload(signature, target):
        overload = found(signature, target)
        if overload is None:
            while BEFORE_THE_FIRST:
                BEFORE_THE_FIRST.pop()()
            if turn.take(signature):
                overload = found(signature, target)  # by now
                if overload is not None:
                    turn.give()
        return overload

    def save_overload(*what):
        try:
            save(*what)
        except Exception as cause:
            _lost(cause)
        turn.give()

    cache.load_overload, cache.save_overload = load_overload, save_overload


_FILES: dict[str, int] = {}  # folder: handle; a process that closes one of a file's handles loses all its locks


class _Turn:
    """While a process compiles a kernel, others wait for what it will find, instead of compiling the same.

    One byte of a file in the cache's folder stands for the kernel, and is locked. The system takes the lock away from a
    process that ends, however it ends. Where there is nothing to lock, nobody waits.
    """

    wait = True  # False: `Taken` is raised instead

    def __init__(self, cache, name: str):
        self.folder, self.name = cache.cache_path, name
        self.at: tuple[int, int] | None = None  # the file and the byte that are locked

    def take(self, signature) -> bool:
        """Wait for it; whether another process had it, so that there may be something on disk now."""
        if fcntl is None:
            return False
        place = zlib.crc32(f"{STAMP} {self.name} {signature}".encode())
        try:
            if self.folder not in _FILES:
                _FILES[self.folder] = os.open(Path(self.folder, "compiling.lock"), os.O_RDWR | os.O_CREAT, 0o666)
            file = _FILES[self.folder]
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                waited = False
            except (BlockingIOError, PermissionError):
                if not self.wait:
                    raise Taken(self.name) from None
                fcntl.lockf(file, fcntl.LOCK_EX, 1, place)
                waited = True
        except OSError:
            return False
        self.at = file, place
        return waited

    def give(self) -> None:
        if fcntl is not None and self.at is not None:
            file, place = self.at
            self.at = None
            with contextlib.suppress(OSError):
                fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


def _lost(cause: Exception) -> None:
    """Compiled code could not be read or kept: it is compiled, and whoever waits for that is told."""
    TROUBLE.append(f"{type(cause).__name__}: {cause}".splitlines()[0])


@overload
def inner(function: Callable[Arguments, Result]) -> Compiled[Arguments, Result]: ...


@overload
def inner(**options: Any) -> Callable[[Callable[Arguments, Result]], Compiled[Arguments, Result]]: ...


def inner(function: Any = None, **options: Any) -> Any:
    """`njit` for a function that only compiled code calls, with more options of Numba's if need be.

    Numba compiles a function anew for every constant among its arguments, f(0), f(1) and f(n); here all three are one.
    """
    if function is None:
        return lambda function: inner(function, **options)
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "pipeline_class": PartCompiler, **options}
    compiled: Any = njit(error_model="numpy", **options)(function)
    of_types = compiled.get_call_template

    def get_call_template(arguments, keywords):
        return of_types([types.unliteral(kind) for kind in arguments], keywords)

    compiled.get_call_template = get_call_template
    return compiled


inline = inner(forceinline=True)  # where a call that counts references to its arrays would cost more than it does
