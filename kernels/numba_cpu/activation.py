"""ReLU, its gradient and the bias gradient, one pass over memory each.

Why it is fast: nothing here computes enough to matter, so every array is read or written once, in blocks that follow
each other in memory. Two habits of the other files start here:

* A loop runs over 0 .. size-1 of a slice, never over start .. stop of the whole array: for an index that might be
  negative Numba adds Python's wrap-around, and LLVM then gives up on vectors.
* A sum over rows adds them into a row of accumulators: no sum is reordered, and every lane of a vector works. Narrow
  rows are folded first, so that 3 channels do not leave 13 of 16 lanes idle:

      rows of C = 3    abc|abc|abc|abc|...    ->    wide rows    abcabc..abc|abcabc..abc|...    of 86 * 3 = 258 floats

The number of blocks follows from the shape alone, so results do not depend on the number of threads.
"""

import numpy as np
from numba import njit, prange

from .memory import empty

# How kernels are compiled. No fastmath: NaN must come out where it went in. An inner function becomes part of its
# callers, which are kept on disk; it needs no entry from Python and no copy of its own there.
INNER = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
OUTER = {"error_model": "numpy", "nogil": True, "cache": True}
PARALLEL = {**OUTER, "parallel": True}
WIDE = 256  # floats: 16 vectors, long enough to hide the overhead of a loop, short enough for the L1 cache


def block_count(size: int) -> int:
    """How many blocks `size` floats are worked on in: one below 32 KB, where a second thread only costs."""
    return max(1, min(64, size // 4096))


def sums_count(size: int, channels: int) -> int:
    """How many sums over rows of `channels` floats are kept, to be added up at the end: one of 8 rows or more."""
    return max(1, min(block_count(size), size // channels // 8)) if size else 1


def fold(channels: int) -> int:
    """How many rows of `channels` floats make a row of at least WIDE."""
    return -(-WIDE // max(channels, 1))


@njit(**INNER)
def _relu(x, y):
    for i in range(x.size):
        y[i] = np.float32(0) if x[i] <= 0 else x[i]  # NaN <= 0 is false: NaN stays


@njit(**PARALLEL)
def _relu_blocks(x, y, blocks):
    for k in prange(blocks):
        part = slice(k * x.size // blocks, (k + 1) * x.size // blocks)
        _relu(x[part], y[part])


@njit(**INNER)
def _relu_grad(dy, y, dx):
    for i in range(dy.size):
        dx[i] = dy[i] if y[i] > 0 else np.float32(0)


@njit(**PARALLEL)
def _relu_grad_blocks(dy, y, dx, blocks):
    for k in prange(blocks):
        part = slice(k * dy.size // blocks, (k + 1) * dy.size // blocks)
        _relu_grad(dy[part], y[part], dx[part])


@njit(**INNER)
def _relu_bias_grad(dy, y, dx, total):
    width = total.size
    for i in range(width):
        total[i] = 0
    for start in range(0, dy.size, width):
        dy_row, y_row, dx_row = dy[start : start + width], y[start : start + width], dx[start : start + width]
        for i in range(dy_row.size):
            d = dy_row[i] if y_row[i] > 0 else np.float32(0)
            dx_row[i] = d
            total[i] += d


@njit(**PARALLEL)
def _relu_bias_grad_blocks(dy, y, dx, totals, filters):
    blocks, rows = totals.shape[0], dy.size // filters
    for k in prange(blocks):
        part = slice(k * rows // blocks * filters, (k + 1) * rows // blocks * filters)
        _relu_bias_grad(dy[part], y[part], dx[part], totals[k])


@njit(**INNER)
def _bias_grad(dy, total):
    width = total.size
    for i in range(width):
        total[i] = 0
    for start in range(0, dy.size, width):
        row = dy[start : start + width]
        for i in range(row.size):
            total[i] += row[i]


@njit(**PARALLEL)
def _bias_grad_blocks(dy, totals, filters):
    blocks, rows = totals.shape[0], dy.size // filters
    for k in prange(blocks):
        part = slice(k * rows // blocks * filters, (k + 1) * rows // blocks * filters)
        _bias_grad(dy[part], totals[k])


@njit(**INNER)
def _sum_rows(partials, total):
    """total (rows, F) = sum of partials (B, rows, P), F <= P, over the blocks and in their order."""
    blocks, rows, filters = partials.shape[0], total.shape[0], total.shape[1]
    for r in range(rows):
        row, first = total[r], partials[0, r]
        for o in range(filters):
            row[o] = first[o]
    for k in range(1, blocks):
        for r in range(rows):
            row, more = total[r], partials[k, r]
            for o in range(filters):
                row[o] += more[o]


@njit(**PARALLEL)
def _sum_blocks(partials, total, chunks):
    rows = total.shape[0]
    for c in prange(chunks):
        part = slice(c * rows // chunks, (c + 1) * rows // chunks)
        _sum_rows(partials[:, part], total[part])


def sum_blocks(partials, total):
    """total (..., F) = sum of partials (B, ..., P), F <= P, over the blocks and in their order; both float32."""
    width = total.shape[-1]
    partials = partials.reshape(len(partials), -1, partials.shape[-1])  # (B, rows, P)
    _sum_blocks(partials, total.reshape(-1, width), block_count(total.size))
    return total


def relu(x):
    x = np.ascontiguousarray(x, np.float32)
    y = empty(x.shape)
    _relu_blocks(x.reshape(-1), y.reshape(-1), block_count(x.size))
    return y


def relu_grad(dy, y):
    dy, y = np.ascontiguousarray(dy, np.float32), np.ascontiguousarray(y, np.float32)
    dx = empty(dy.shape)
    _relu_grad_blocks(dy.reshape(-1), y.reshape(-1), dx.reshape(-1), block_count(dy.size))
    return dx


def relu_bias_grad(dy, y):
    dy, y = np.ascontiguousarray(dy, np.float32), np.ascontiguousarray(y, np.float32)
    dx = empty(dy.shape)
    filters = dy.shape[-1]
    totals = empty((sums_count(dy.size, filters), fold(filters) * filters))  # a wide row of sums per block
    _relu_bias_grad_blocks(dy.reshape(-1), y.reshape(-1), dx.reshape(-1), totals, filters)
    return dx, totals.reshape(-1, filters).sum(axis=0)


def bias_grad(dy):
    dy = np.ascontiguousarray(dy, np.float32)
    filters = dy.shape[-1]
    if dy.size < WIDE * filters and block_count(dy.size) == 1:  # a few rows: not worth waking the threads
        return dy.reshape(-1, filters).sum(axis=0)
    totals = empty((sums_count(dy.size, filters), fold(filters) * filters))
    _bias_grad_blocks(dy.reshape(-1), totals, filters)
    return totals.reshape(-1, filters).sum(axis=0)
