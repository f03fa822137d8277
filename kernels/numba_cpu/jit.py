"""How kernels are compiled: `outer` functions have an entry from Python and are kept on disk, `inner` ones become part
of what calls them. No fastmath: NaN must come out where it went in.
"""

import contextlib
import hashlib
from pathlib import Path

from numba import njit, types

STAMP = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()
TROUBLE: list[str] = []  # why compiled code could not be read from disk or kept there


def outer(function):
    """`njit` for a function that Python calls.

    Numba takes what it finds on disk if the text of the function's own file is the same. Much of a kernel stands in
    other files of this folder, so the key it is found by knows their texts as well.
    """
    options = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
    try:
        compiled = njit(cache=True, **options)(function)
    except RuntimeError as cause:  # no folder can be written
        _lost(cause)
        return njit(**options)(function)
    cache = compiled._cache
    key_of, load, save = cache._index_key, cache.load_overload, cache.save_overload
    cache._index_key = lambda *what: (*key_of(*what), STAMP)

    def load_overload(*what):
        try:
            return load(*what)
        except Exception as cause:  # a damaged file: pickle raises almost anything
            _lost(cause)
            with contextlib.suppress(Exception):
                cache.flush()  # so that the next run finds none
            return None

    def save_overload(*what):
        try:
            save(*what)
        except Exception as cause:
            _lost(cause)

    cache.load_overload, cache.save_overload = load_overload, save_overload
    return compiled


def _lost(cause: Exception) -> None:
    """Compiled code could not be read or kept: it is compiled, and whoever waits for that is told."""
    TROUBLE.append(f"{type(cause).__name__}: {cause}".splitlines()[0])


def inner(function=None, **options):
    """`njit` for a function that only compiled code calls, with more options of Numba's if need be.

    Numba compiles a function anew for every constant among its arguments, f(0), f(1) and f(n); here all three are one.
    """
    if function is None:
        return lambda function: inner(function, **options)
    compiled = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)
    of_types = compiled.get_call_template

    def get_call_template(arguments, keywords):
        return of_types([types.unliteral(kind) for kind in arguments], keywords)

    compiled.get_call_template = get_call_template
    return compiled
