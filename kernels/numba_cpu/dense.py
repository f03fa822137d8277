"""Dense layers on SIMD units: one matrix product, read three ways.

             rows t         a steps by   b, packed panel by panel       result
    y  = x w   samples      1            w                              (N, O)
    dx = dy w' samples      1            w, turned while it is packed   (N, I)
    dw = x' dy inputs       I            dy                             (I, O)

A task is ROW_BLOCK rows by one panel of columns. It walks along the inner index in pieces of DEPTH, so that a packed
piece of b (DEPTH x WIDTH floats, 32 KiB with AVX-512) stays in the L1 cache for all its rows; the sums wait in `sums`:

                      DEPTH
        a  +---------+---------+--+        b  +-----+
           |  1st    |   2nd   |  |           | 1st |  packed   ->   sums = bias + 1st
     rows  |         |         |  |           +-----+
           |         |         |  |           | 2nd |                sums = sums + 2nd
           +---------+---------+--+           +-----+
                                              +-----+                y    = max(sums + 3rd, floor)

While a piece is multiplied the next one is fetched, and the lines of y that the task will write: they lie far from each
other, which the CPU does not foresee. Without that, waiting took two thirds of the time of (64, 576) x (576, 3168).

An affine (scale, shift) is applied to a task's results at its end, while they are in the cache.
A sum is cut at the same k for every row and in every batch, so a sample's result does not depend on the others.
"""

from functools import lru_cache

import numba
import numpy as np
from numba import njit, prange

from . import memory
from .activation import INNER, PARALLEL
from .simd import LANES, ROWS, WIDTH, pack, sweep, whole_vectors
from .vector import STAMP, prefetch, prefetch_to_write

DEPTH = 256
LINE = 16  # floats of a cache line
ROW_BLOCK = 16 * ROWS  # rows of a task at most: packing a panel costs little against 16 tiles that use it
NO_FLOOR, ZERO = np.float32(-np.inf), np.float32(0)


@njit(**INNER)
def scale_and_shift(y, start, n, scale, shift, first):
    """y[start : start + n] = scale y + shift, with the values from `first` on."""
    row, scale, shift = y[start : start + n], scale[first : first + n], shift[first : first + n]
    for k in range(row.size):
        row[k] = row[k] * scale[k] + shift[k]


@njit(**INNER)
def _fetch(b, b0, k_step, o_step, depth, used):
    """Ask for a piece of b: depth x used."""
    lines, length, step = (depth, used, k_step) if o_step == 1 else (used, depth, o_step)
    for line in range(lines):
        for k in range(0, length, LINE):
            prefetch(b, b0 + line * step + k)


@njit(**INNER)
def _block(a, a0, a_step, at, rows, b, b0, k_step, o_step, depth, used, bias, bias0, floor,
           scale, shift, y, y0, to, panel, sums, lines):  # fmt: skip
    """One task: `rows` x `used` results, used <= WIDTH."""
    seed, seed0, seed_step = bias, bias0, 0
    _fetch(b, b0, k_step, o_step, min(DEPTH, depth), used)
    for k in range(0, max(depth, 1), DEPTH):
        deep = min(DEPTH, depth - k)
        pack(b, b0 + k * k_step, k_step, o_step, deep, used, panel, 0, 0, deep)
        following = k + DEPTH
        _fetch(b, b0 + following * k_step, k_step, o_step, min(DEPTH, depth - following), used)
        if following >= depth:
            for t in range(rows):
                for o in range(0, used, LINE):
                    prefetch_to_write(y, y0 + to[t] + o)
        last = k + DEPTH >= depth
        target, target0, table = (y, y0, to) if last else (sums, 0, lines)
        lowest, columns = (floor, used) if last else (NO_FLOOR, -(-used // LANES) * LANES)
        sweep(a, a0 + k * a_step, at, rows, 0, a_step, panel, 0, 0, 1, deep,
              seed, seed0, seed_step, lowest, target, target0, table, columns)  # fmt: skip
        seed, seed0, seed_step = sums, 0, WIDTH
    if len(scale):
        for t in range(rows):
            scale_and_shift(y, y0 + to[t], used, scale, shift, bias0)


def _compile(stamp):
    """The function that Numba compiles and keeps on disk; enclosing `stamp` ties it to the text of simd.py."""

    @njit(**PARALLEL)
    def product(a, a_row, a_step, b, k_step, o_step, depth, bias, floor,
                scale, shift, y, rows, filters, row_block, tables, panels, sums):  # fmt: skip
        _ = stamp
        columns = -(-filters // WIDTH)
        at, to, lines = tables
        for task in prange(-(-rows // row_block) * columns):
            t, first, o = numba.get_thread_id(), task // columns * row_block, task % columns * WIDTH
            _block(
                a, first * a_row, a_step, at, min(row_block, rows - first), b, o * o_step, k_step, o_step, depth,
                min(WIDTH, filters - o), bias, o, floor, scale, shift, y, first * filters + o, to,
                panels[t], sums[t], lines,
            )  # fmt: skip

    return product


_product = _compile(STAMP)


@lru_cache(512)
def _tables(rows, a_row, y_row):
    """Where row t of a task lies in a, in y and in the sums, relative to its first row."""
    t = np.arange(rows, dtype=np.int64)
    return t * a_row, t * y_row, t * WIDTH


def affine_vectors(affine):
    """(scale, shift) as the compiled functions take them; two empty arrays for None."""
    if affine is None:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)
    return tuple(np.require(vector, np.float32, "CAW") for vector in affine)


def _run(a, a_row, a_step, b, k_step, o_step, depth, bias, floor, y, affine=None):
    """y[m, o] = max(floor, bias[o] + sum_k a[m*a_row + k*a_step] b[k*k_step + o*o_step])"""
    rows, filters = y.shape
    if y.size == 0:
        return y
    threads = numba.get_num_threads()
    wanted = max(2 * threads // -(-filters // WIDTH), 1)  # row blocks that keep all threads busy; results are the same
    row_block = min(-(-rows // (wanted * ROWS)) * ROWS, ROW_BLOCK)
    seed = np.zeros(whole_vectors(filters), np.float32)
    if bias is not None:
        seed[:filters] = bias
    a, b = (np.require(array, np.float32, "CAW").reshape(-1) for array in (a, b))  # another type would recompile
    tables = _tables(row_block, a_row, filters)
    panels, sums = memory.empty((threads, DEPTH * WIDTH)), memory.empty((threads, ROW_BLOCK * WIDTH))
    _product(a, a_row, a_step, b, k_step, o_step, depth, seed, floor, *affine_vectors(affine),
             y.reshape(-1), rows, filters, row_block, tables, panels, sums)  # fmt: skip
    return y


def dense(x, w, b, *, relu=False, affine=None):
    (inner, filters), floor = w.shape, ZERO if relu else NO_FLOOR
    return _run(x, inner, 1, w, filters, 1, inner, b, floor, memory.empty((len(x), filters)), affine)


def dense_input_grad(dy, w):
    inner, filters = w.shape
    return _run(dy, filters, 1, w, 1, filters, filters, None, NO_FLOOR, memory.empty((len(dy), inner)))


def dense_weight_grad(x, dy):
    (n, inner), filters = x.shape, dy.shape[1]
    return _run(x, 1, inner, dy, filters, 1, n, None, NO_FLOOR, memory.empty((inner, filters)))
