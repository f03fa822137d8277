"""How kernels are compiled: `outer` functions have an entry from Python and are kept on disk, `inner` ones become part
of what calls them. No fastmath: NaN must come out where it went in.
"""

import hashlib
from pathlib import Path

from numba import njit, types

STAMP = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


def outer(function):
    """`njit` for a function that Python calls.

    Numba takes what it finds on disk if the text of the function's own file is the same. Much of a kernel stands in
    other files of this folder, so the key it is found by knows their texts as well.
    """
    compiled = njit(error_model="numpy", nogil=True, cache=True, no_cfunc_wrapper=True)(function)
    key_of = compiled._cache._index_key
    compiled._cache._index_key = lambda *what: (*key_of(*what), STAMP)
    return compiled


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
