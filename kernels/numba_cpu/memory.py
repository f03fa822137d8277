"""A pool of buffers: an array that dies gives its memory to the next array of that size.

A fresh 8 MB array costs the kernel of the operating system 2,100 page faults, about as long as the convolution that
fills it. From its second step on, a training loop finds every buffer it asks for in this pool.
"""

import math
from typing import NamedTuple

import numpy as np

SMALL = 1 << 15  # bytes; below this malloc keeps its own free lists and never returns pages
ALIGNMENT = 64  # bytes: one cache line, one AVX-512 vector
KEPT = 1 << 31  # bytes of idle buffers kept at most

_idle: dict[int, list[tuple[np.ndarray, int]]] = {}  # by size: buffers and where their first cache line starts
_idle_bytes = 0


class Statistics(NamedTuple):
    """Buffers that the pool had to ask the operating system for, over the life of the process, and their bytes."""

    fresh: int = 0
    fresh_bytes: int = 0


_asked = Statistics()


class _Lease:
    """Lends a raw buffer to the arrays made from it; when the last of them is gone the buffer is idle again.

    start: the address of the buffer's first whole cache line.
    """

    __slots__ = ("__array_interface__", "raw", "start")

    def __init__(self, raw, start, shape, dtype):
        self.raw, self.start = raw, start
        self.__array_interface__ = {"shape": shape, "typestr": dtype.str, "data": (start, False), "version": 3}

    def __del__(self):
        global _idle_bytes
        if _idle is not None and _idle_bytes + self.raw.nbytes <= KEPT:  # None while the interpreter shuts down
            _idle_bytes += self.raw.nbytes
            _idle.setdefault(self.raw.nbytes, []).append((self.raw, self.start))


def size_class(nbytes: int) -> int:
    """The next size up with three significant bits, so that a last partial batch reuses the full batch's buffers."""
    step = 1 << max(nbytes.bit_length() - 3, 0)
    return -(-nbytes // step) * step


def empty(shape: tuple[int, ...], dtype=np.float32) -> np.ndarray:
    """An uninitialised C-contiguous array, 64-byte aligned above 32 KiB, from the pool where it can be."""
    global _asked, _idle_bytes
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes < SMALL:
        return np.empty(shape, dtype)
    size = size_class(nbytes) + ALIGNMENT
    try:
        raw, start = _idle[size].pop()
        _idle_bytes -= size
    except (KeyError, IndexError):
        raw = np.empty(size, np.uint8)
        start = -(-raw.ctypes.data // ALIGNMENT) * ALIGNMENT
        _asked = Statistics(_asked.fresh + 1, _asked.fresh_bytes + size)
    return np.asarray(_Lease(raw, start, shape, dtype))


def scratch(lines: int, floats: int) -> np.ndarray:
    """An uninitialised (lines or more, floats or more) array: each line begins a cache line, so threads do not meet."""
    step = ALIGNMENT // 4
    floats = -(-floats // step) * step
    return empty((max(lines, -(-SMALL // (4 * floats))) if floats else lines, floats))  # what is small is not aligned


def flat(array) -> np.ndarray:
    """The array as compiled functions take it: flat, float32, contiguous, aligned, writeable (others recompile)."""
    if not (type(array) is np.ndarray and array.dtype == np.float32 and array.flags.carray):
        array = np.require(array, np.float32, "CAW")  # takes ten times as long to find that nothing is to be done
    return array.reshape(-1)


def statistics() -> Statistics:
    """A training loop that allocates nothing more leaves them as they are."""
    return _asked


def release() -> None:
    """Give every idle buffer back to the operating system."""
    global _idle_bytes
    _idle.clear()
    _idle_bytes = 0
