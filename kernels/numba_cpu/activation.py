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

from functools import lru_cache

import numpy as np

from .runtime.memory import empty
from .runtime.thread_pool import kernel

WIDE = 256  # floats: 16 vectors, long enough to hide the overhead of a loop, short enough for the L1 cache


@lru_cache(4096)
def block_count(size: int) -> int:
    """How many blocks `size` floats are worked on in: one below 32 KB, where a second thread only costs."""
    return max(1, min(64, size // 4096))


@lru_cache(4096)
def sums_count(size: int, channels: int) -> int:
    """How many sums over rows of `channels` floats are kept, to be added up at the end: one of 8 rows or more."""
    return max(1, min(block_count(size), size // channels // 8)) if size else 1


@lru_cache(4096)
def fold(channels: int) -> int:
    """How many rows of `channels` floats make a row of at least WIDE."""
    return -(-WIDE // max(channels, 1))


@kernel
def _relu(k, thread, x, y, blocks):
    part = slice(k * x.size // blocks, (k + 1) * x.size // blocks)
    x, y = x[part], y[part]
    for i in range(x.size):
        y[i] = np.float32(0) if x[i] <= 0 else x[i]  # NaN <= 0 is false: NaN stays


@kernel
def _relu_grad(k, thread, dy, y, dx, blocks):
    part = slice(k * dy.size // blocks, (k + 1) * dy.size // blocks)
    dy, y, dx = dy[part], y[part], dx[part]
    for i in range(dy.size):
        dx[i] = dy[i] if y[i] > 0 else np.float32(0)


@kernel
def _relu_bias_grad(k, thread, dy, y, dx, totals, filters):
    blocks, rows, total = totals.shape[0], dy.size // filters, totals[k]
    part = slice(k * rows // blocks * filters, (k + 1) * rows // blocks * filters)
    dy, y, dx, width = dy[part], y[part], dx[part], total.size
    for i in range(width):
        total[i] = 0
    for start in range(0, dy.size, width):
        dy_row, y_row, dx_row = dy[start : start + width], y[start : start + width], dx[start : start + width]
        for i in range(dy_row.size):
            d = dy_row[i] if y_row[i] > 0 else np.float32(0)
            dx_row[i] = d
            total[i] += d


@kernel
def _bias_grad(k, thread, dy, totals, filters):
    blocks, rows, total = totals.shape[0], dy.size // filters, totals[k]
    dy, width = dy[k * rows // blocks * filters : (k + 1) * rows // blocks * filters], total.size
    for i in range(width):
        total[i] = 0
    for start in range(0, dy.size, width):
        row = dy[start : start + width]
        for i in range(row.size):
            total[i] += row[i]


@kernel
def _sum_blocks(c, thread, partials, total, chunks):
    """Chunk c of total (rows, F) = sum of partials (B, rows, P), F <= P, over the blocks and in their order."""
    part = slice(c * total.shape[0] // chunks, (c + 1) * total.shape[0] // chunks)
    partials, total = partials[:, part], total[part]
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


def sum_blocks(partials, total):
    """total (..., F) = sum of partials (B, ..., P), F <= P, over the blocks and in their order; both float32."""
    width = total.shape[-1]
    partials = partials.reshape(len(partials), -1, partials.shape[-1])  # (B, rows, P)
    chunks = block_count(total.size)
    _sum_blocks(chunks, partials, total.reshape(-1, width), chunks)
    return total


def relu(x):
    x = np.ascontiguousarray(x, np.float32)
    y, blocks = empty(x.shape), block_count(x.size)
    _relu(blocks, x.reshape(-1), y.reshape(-1), blocks)
    return y


def relu_grad(dy, y):
    dy, y = np.ascontiguousarray(dy, np.float32), np.ascontiguousarray(y, np.float32)
    dx, blocks = empty(dy.shape), block_count(dy.size)
    _relu_grad(blocks, dy.reshape(-1), y.reshape(-1), dx.reshape(-1), blocks)
    return dx


def relu_bias_grad(dy, y):
    dy, y = np.ascontiguousarray(dy, np.float32), np.ascontiguousarray(y, np.float32)
    dx = empty(dy.shape)
    filters = dy.shape[-1]
    totals = empty((sums_count(dy.size, filters), fold(filters) * filters))  # a wide row of sums per block
    _relu_bias_grad(len(totals), dy.reshape(-1), y.reshape(-1), dx.reshape(-1), totals, filters)
    return dx, totals.reshape(-1, filters).sum(axis=0)


def bias_grad(dy):
    dy = np.ascontiguousarray(dy, np.float32)
    filters = dy.shape[-1]
    if dy.size < WIDE * filters and block_count(dy.size) == 1:  # a few rows: not worth waking the threads
        return dy.reshape(-1, filters).sum(axis=0)
    totals = empty((sums_count(dy.size, filters), fold(filters) * filters))
    _bias_grad(len(totals), dy.reshape(-1), totals, filters)
    return totals.reshape(-1, filters).sum(axis=0)
