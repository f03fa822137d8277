"""A pool of buffers: an array that dies gives its memory to the next array of that size.

A fresh 8 MB array costs the kernel of the operating system 2,100 page faults, about as long as the convolution that
fills it. From its second step on, a training loop finds the buffers that it asks for in this pool.

A buffer is in use while any array references it. Every array made from it, and every view of such an array, holds a
reference to it (NumPy's `base`), so CPython's reference count says whether it is idle. No array needs a destructor, and
two threads cannot take the same buffer: under the interpreter's lock each counts the other's reference.
"""

import math
from functools import lru_cache
from sys import getrefcount
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from ..codegen.microkernel import LANES, LINE

SMALL = 1 << 15  # bytes; below this malloc keeps its own free lists and never returns pages
ALIGNMENT = 64  # bytes: one cache line, one AVX-512 vector
FLOAT = np.dtype(np.float32)
FAR = 1 << 22  # bytes: more than two cores' L2 caches keep
KEPT = 1 << 31  # bytes of buffers in the pool at most, lent or idle
_CARRAY: tuple = ("C", "A", "W")  # contiguous, aligned, writeable: what NumPy's flag of that name says
OWN = True  # of scratch memory: line t is for thread t alone

_buffers: dict[int, list[tuple[np.ndarray, int]]] = {}  # by size; and where the first cache line starts
_scratch: list[tuple[np.ndarray, int]] = []  # the same for scratch memory: one, or as many as are in use at once
_room = 0  # bytes of it that each thread has for itself: the most that a kernel has asked for


class Statistics(NamedTuple):
    """Buffers that the pool had to ask the operating system for, over the life of the process, and their bytes."""

    fresh: int = 0
    fresh_bytes: int = 0


_asked = Statistics()


def size_class(nbytes: int) -> int:
    """The next size up with three significant bits, so that a last partial batch reuses the full batch's buffers."""
    step = 1 << max(nbytes.bit_length() - 3, 0)
    return -(-nbytes // step) * step


@lru_cache(maxsize=4096)
def _measured(shape, dtype) -> tuple[np.dtype, int]:
    """The dtype as NumPy's own object, and the size of the buffer for such an array; 0: it is small."""
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    return dtype, size_class(nbytes) + ALIGNMENT if nbytes >= SMALL else 0


def _first(buffers, references: int):
    """The first buffer that is referred to so many times, and the start of its first whole cache line; or None."""
    for raw, start in buffers:
        if getrefcount(raw) == references:
            return raw, start
    return None


def _references() -> int:
    """What `_first` counts of an idle buffer: the pool's reference, its own variable's and the argument's.

    0, which no buffer has, in a Python that counts differently: there nothing is ever lent twice.
    """
    buffers = [(np.empty(8, np.uint8), 0)]
    living = np.ndarray(8, np.uint8, buffers[0][0])
    return 3 if _first(buffers, 3) is None and living.size else 0


IDLE = _references()


def empty(shape: tuple[int, ...], dtype: type | np.dtype = np.float32) -> np.ndarray:
    """An uninitialised C-contiguous array, 64-byte aligned above 32 KiB, from the pool where it can be."""
    dtype, size = _measured(shape, dtype)
    if not size:
        return np.empty(shape, dtype)
    for raw, start in _buffers.get(size, ()):  # `_first`, without a call in every kernel
        if getrefcount(raw) == IDLE:
            return np.ndarray(shape, dtype, raw, start)
    raw, start = _fresh(size)
    return np.ndarray(shape, dtype, raw, start)


def _fresh(size: int) -> tuple[np.ndarray, int]:
    """A buffer from the operating system, which joins the pool.

    Where that is full others leave it, lent or idle, anywhere in it: a step that needs more than KEPT finds most of its
    buffers again, which it would not if the oldest left, and sizes that nobody asks for any more do not stay.
    """
    raw, start = _allocated(size)
    if size <= KEPT:
        while _pooled() + size > KEPT:
            several = [(buffers, *buffers) for buffers in list(_buffers.values()) if buffers]  # copies: other threads
            if not several:
                break
            buffers, *members = several[_asked.fresh % len(several)]
            _drop(buffers, members[_asked.fresh // len(several) % len(members)])
        _buffers.setdefault(size, []).append((raw, start))
    return raw, start


def _allocated(size: int) -> tuple[np.ndarray, int]:
    """So many bytes from the operating system, and where their first cache line starts."""
    global _asked
    try:
        raw = np.empty(size, np.uint8)
    except MemoryError:
        release()
        raw = np.empty(size, np.uint8)
    _asked = Statistics(_asked.fresh + 1, _asked.fresh_bytes + size)
    return raw, -raw.ctypes.data % ALIGNMENT


def _drop(buffers, found) -> None:
    buffers[:] = [kept for kept in buffers if kept[0] is not found[0]]


def _pooled() -> int:
    return sum(size * len(buffers) for size, buffers in list(_buffers.items()))


def scratch(*sizes: tuple) -> list[np.ndarray]:
    """For each (lines, floats) or (threads, floats, OWN) an uninitialised array of so many lines of so many floats.

    Lines may be longer; with OWN they are, and only their first `floats` belong to the array. Each begins a cache line,
    so threads do not meet. All lie in one buffer, which the next kernel takes again: what is left of it in the caches
    is then of use, and it takes little room from what lives longer.

          | thread 0's own: a[0] b[0] c[0]   | thread 1's own: a[1] b[1] c[1]   | what they share: d, e
          0                                  room                               2 room

    A thread's own lines lie where they lay in the kernel before, whatever each asks for: they are in the caches of its
    core. With each array in one piece they came from the other core. That shows most where a virtual machine's cores
    are far apart (a line there and back takes 340 ns instead of 55): a step of the third recipe took 13.6 ms, now 11.5.
    """
    global _room
    room = max(_room, _own(sizes))
    needed, layout = _layout(sizes, room)
    found = None
    for raw, start in _scratch:  # `_first`, without a call; `raw` is a reference that other threads count
        if getrefcount(raw) == IDLE:
            found = raw, start
            break
    if found is None or found[0].size < needed:
        if found:
            _drop(_scratch, found)
        found = _allocated(needed)
        _scratch.append(found)
    _room = room
    raw, start = found
    arrays = []
    for shape, first in layout:  # no list comprehension: that is another call
        arrays.append(np.ndarray(shape, FLOAT, raw, start + first))
    return arrays


def _line(floats: int) -> int:
    """Bytes of the whole cache lines that hold so many floats."""
    return -(-floats // LINE) * ALIGNMENT


@lru_cache(maxsize=1024)
def _own(sizes) -> int:
    """Bytes that such scratch arrays take of each thread's own room, in a size class: few sizes, few layouts."""
    return size_class(max(sum(_line(floats) for _, floats, *own in sizes if own), ALIGNMENT))


@lru_cache(maxsize=1024)
def _layout(sizes, room: int) -> tuple[int, tuple]:
    """Bytes of a buffer for such scratch arrays; the shape of each, and where it begins from its first line on.

    An array with OWN has lines of a whole `room`, so that the next thread's begins in the next room.
    """
    threads = max((lines for lines, _, *own in sizes if own), default=0)
    shapes, mine, shared = [], 0, threads * room
    for lines, floats, *own in sizes:
        if own:
            shapes.append(((lines, room // 4 if floats else 0), mine))
            mine += _line(floats)
        else:
            shapes.append(((lines, _line(floats) // 4), shared))
            shared += lines * _line(floats)
    last = mine + threads * room  # where the lines of the last thread end
    return size_class(max(shared, last)) + ALIGNMENT, tuple(shapes)


@overload
def flats(a, /, *, dtype: npt.DTypeLike = FLOAT) -> tuple[np.ndarray]: ...


@overload
def flats(a, b, /, *, dtype: npt.DTypeLike = FLOAT) -> tuple[np.ndarray, np.ndarray]: ...


@overload
def flats(a, b, c, /, *arrays, dtype: npt.DTypeLike = FLOAT) -> tuple[np.ndarray, ...]: ...


def flats(*arrays, dtype: npt.DTypeLike = FLOAT) -> tuple[np.ndarray, ...]:
    """The arrays as compiled functions take them: flat, contiguous, aligned, writeable (others recompile)."""
    found = []
    for array in arrays:
        if not (type(array) is np.ndarray and array.dtype == dtype and array.flags.carray):
            array = np.require(array, dtype, _CARRAY)  # takes ten times as long to find that nothing is to be done
        found.append(array.reshape(-1))
    return tuple(found)


def past_caches(array: np.ndarray, row: int) -> bool:
    """Whether a kernel should write such an array, in rows of so many floats, past the caches (`vector.store_past`).

    If it is larger than the L2 caches of two cores, and its rows consist of whole cache lines, one vector each.
    """
    lines = array.ctypes.data % ALIGNMENT == 0 and row % LINE == 0
    return LANES == LINE and array.nbytes >= FAR and lines


def statistics() -> Statistics:
    """A training loop that allocates nothing more leaves them as they are."""
    return _asked


def release() -> None:
    """Give every idle buffer back to the operating system."""
    global _room
    _room = 0
    for buffers in [_scratch, *_buffers.values()]:
        while found := _first(buffers, IDLE):
            _drop(buffers, found)
