"""Max-pooling by 2x2 windows, side by side, with what stands around it in a convolution block, in single passes.

      x, a ReLU's output --> batch norm --> max of 2x2 --> dropout --> y          + a byte per output: the argmax
                             (or none)                    (or none)

Why it is fast: a window's four pixels are read once, normalised, compared and dropped in registers, and a quarter of
what was read is written. Apart, these three steps would read 2 1/2 and write 1 3/4 times as much. Backward reads x once
for the two sums of the batch norm's gradient and once for the gradient itself, where the gradient of the pooling, of
the batch norm, of the ReLU and of the bias are taken in one go.

A row of pooled pixels is a row of pairs in each of two image rows; an odd last row or column is in no window:

      a  b | a  b | ...     row 2i                cells      0  1
      c  d | c  d | ...     row 2i + 1                       2  3
"""

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from .activation import INNER, PARALLEL, block_count
from .random import fill_words
from .vector import LANES, STAMP, byte, choose, load, prefetch, prefetch_to_write, splat, store, zero

LINE = 16  # floats of a cache line
NO_CELL = 4  # the argmax of a dropped output


class Pooling(NamedTuple):
    """What a convolution needs to know of the pooling that follows at once: where the winners' cells go, and a scale
    and a shift for each row of an image before it, or two empty arrays.
    """

    argmax: np.ndarray
    scale: np.ndarray
    shift: np.ndarray


class Scatter(NamedTuple):
    """What a convolution's gradient needs to know of the pooling after it: the pooling's results, 1 / (1 - rate), room
    for the gradient before the pooling, and for its sums.
    """

    argmax: np.ndarray
    y: np.ndarray
    keep: np.float32
    dz: np.ndarray
    total: np.ndarray


class Size(NamedTuple):
    """Of a batch: rows and columns of an image of x, rows of y in all its images and in one, columns, channels."""

    height: int
    width: int
    rows: int
    image_rows: int
    columns: int
    channels: int


def size_of(x_shape) -> Size:
    n, height, width, channels = x_shape
    return Size(height, width, n * (height // 2), height // 2, width // 2, channels)


def fits(window, strides, pads) -> bool:
    """Whether these are the windows of this file."""
    return tuple(window) == tuple(strides) == (2, 2) and not any(map(any, pads))


def blocks(size: Size) -> int:
    """How many blocks the rows of y are worked on in; from the shape alone: sums do not depend on the threads."""
    return max(1, min(block_count(4 * size.rows * size.columns * size.channels), size.rows))


# ---- one pixel's channels: each function takes floats or vectors of them ---------------------------------------------


@njit(**INNER)
def _stays(best, value):
    """Whether the best so far stays against a later cell: not less, a tie or NaN; NaN wins over all."""
    return (value <= best) | (best != best)


@njit(**INNER)
def _greatest_of(a, b, c, d):
    """The greatest of the four cells, and its number."""
    best, cell = a, byte(a, 0)
    stays = _stays(best, b)
    best, cell = choose(stays, best, b), choose(stays, cell, byte(a, 1))
    stays = _stays(best, c)
    best, cell = choose(stays, best, c), choose(stays, cell, byte(a, 2))
    stays = _stays(best, d)
    return choose(stays, best, d), choose(stays, cell, byte(a, 3))


@njit(**INNER)
def _greatest(a, b, c, d, mean, scale, beta):
    """The same of the four normalised cells."""
    a, b, c, d = (a - mean) * scale, (b - mean) * scale, (c - mean) * scale, (d - mean) * scale
    return _greatest_of(a + beta, b + beta, c + beta, d + beta)


@njit(**INNER)
def _winner(cell, a, b, c, d):
    last = choose(cell == byte(a, 2), c, d)
    return choose(cell == byte(a, 0), a, choose(cell == byte(a, 1), b, last))


@njit(**INNER)
def _kept(dy, cell, scale):
    """dy through the dropout: 0 where the output was dropped."""
    return choose(cell == byte(dy, NO_CELL), zero(dy), dy * splat(dy, scale))


@njit(**INNER)
def _before(dy, cell, keep, y):
    """dy through dropout, pooling and ReLU, at the cell that won: y is what came out of them."""
    return choose(y > zero(dy), _kept(dy, cell, keep), zero(dy))


@njit(**INNER)
def _flows(d, cell, number):
    """d at the cell that won, 0 at the others."""
    return choose(cell == byte(d, number), d, zero(d))


@njit(**INNER)
def _before_relu(d, cell, number, x, mean, factor, a, b):
    """The gradient at one of the four cells: of the batch norm, masked by the ReLU whose output is x."""
    passed = choose(cell == byte(d, number), d, zero(d))
    dx = (passed - a - (x - mean) * b) * factor
    return choose(x > zero(x), dx, zero(x))


# ---- forward ---------------------------------------------------------------------------------------------------------


@njit(**INNER)
def _pool_pixel(x, at, below, channels, mean, scale, beta, y, argmax, to):
    """y[to : to + channels] from the pixels at `at` and `below`, and their right neighbours."""
    whole = channels // LANES * LANES
    for o in range(0, whole, LANES):
        i, k = at + o, below + o
        best, cell = _greatest(
            load(x, i), load(x, i + channels), load(x, k), load(x, k + channels),
            load(mean, o), load(scale, o), load(beta, o),
        )  # fmt: skip
        store(y, to + o, best)
        store(argmax, to + o, cell)
    for o in range(whole, channels):
        i, k = at + o, below + o
        y[to + o], argmax[to + o] = _greatest(
            x[i], x[i + channels], x[k], x[k + channels], mean[o], scale[o], beta[o]
        )


@njit(**INNER)
def pool_vector(x, at, right, below, y, argmax, to):
    """y[to : to + LANES] from the vector at `at` and its neighbours, `right` and `below` floats away."""
    best, cell = _greatest_of(load(x, at), load(x, at + right), load(x, at + below), load(x, at + below + right))
    store(y, to, best)
    store(argmax, to, cell)


@njit(**INNER)
def pool_floats(x, at, right, below, n, y, argmax, to):
    """The same for less than a vector."""
    for o in range(n):
        i = at + o
        y[to + o], argmax[to + o] = _greatest_of(x[i], x[i + right], x[i + below], x[i + below + right])


@njit(**INNER)
def pool_row(x, at, below, columns, channels, y, argmax, to):
    """A row of y from two rows of x, at `at` and below, vector by vector: loops over a pixel's channels are short."""
    for o in range(0, channels, LANES):
        if channels >= LANES:
            o = min(o, channels - LANES)  # the last vector may overlap the one before it: the same bits again
            for j in range(columns):
                pool_vector(x, at + 2 * j * channels + o, channels, below, y, argmax, to + j * channels + o)
        else:
            for j in range(columns):
                pool_floats(x, at + 2 * j * channels, channels, below, channels, y, argmax, to + j * channels)


@njit(**INNER)
def scale_row(x, start, n, scale, shift):
    """x[start : start + n] = scale x + shift, two numbers."""
    row = x[start : start + n]
    for i in range(row.size):
        row[i] = row[i] * scale + shift


@njit(**INNER)
def drop(y, argmax, words, threshold, scale, none):
    """Dropout of y in place; the argmax of what is dropped becomes `none`."""
    for i in range(y.size):
        kept = words[i] >= threshold
        y[i] = y[i] * scale if kept else np.float32(0)
        argmax[i] = argmax[i] if kept else none


@njit(**INNER)
def drop_piece(y, argmax, to, n, words, threshold, scale, step, stream, k0, k1):
    """Dropout of y[to : to + n] in place; words (uint32): room for n + 8."""
    skipped, part = to % 4, slice(to, to + n)  # words of a counter that belong to what is before
    fill_words(words[: (skipped + n + 3) // 4 * 4], to // 4, step, stream, k0, k1)
    drop(y[part], argmax[part], words[skipped : skipped + n], threshold, scale, np.uint8(NO_CELL))


@njit(**PARALLEL)
def drop_blocks(y, argmax, none, blocks, threshold, scale, step, stream, k0, k1):
    """Dropout of the whole of y; for windows of any size."""
    quads = (y.size + 3) // 4
    for k in prange(blocks):
        first, end = k * quads // blocks, (k + 1) * quads // blocks
        words = np.empty(4 * (end - first), np.uint32)
        fill_words(words, first, step, stream, k0, k1)
        part = slice(4 * first, 4 * end)
        drop(y[part], argmax[part], words, threshold, scale, none)


# ---- backward --------------------------------------------------------------------------------------------------------


@njit(**INNER)
def _add_sums(dy, argmax, at, keep, x, i, k, channels, mean, s, q):
    """s += dy, q += dy (x - mean), each dy with the x of the cell that won."""
    whole = channels // LANES * LANES
    for o in range(0, whole, LANES):
        cell = load(argmax, at + o)
        d = _kept(load(dy, at + o), cell, keep)
        n, m = i + o, k + o
        won = _winner(cell, load(x, n), load(x, n + channels), load(x, m), load(x, m + channels))
        store(s, o, load(s, o) + d)
        store(q, o, load(q, o) + d * (won - load(mean, o)))
    for o in range(whole, channels):
        cell = argmax[at + o]
        d = _kept(dy[at + o], cell, keep)
        n, m = i + o, k + o
        s[o] += d
        q[o] += d * (_winner(cell, x[n], x[n + channels], x[m], x[m + channels]) - mean[o])


@njit(**INNER)
def _grad_pixel(dy, argmax, at, keep, x, i, k, channels, mean, factor, a, b, dx, total):
    """dx at the four cells of a pooled pixel; total += their sum."""
    whole = channels // LANES * LANES
    for o in range(0, whole, LANES):
        cell, n, m = load(argmax, at + o), i + o, k + o
        d = _kept(load(dy, at + o), cell, keep)
        how = load(mean, o), load(factor, o), load(a, o), load(b, o)
        d0 = _before_relu(d, cell, 0, load(x, n), *how)
        d1 = _before_relu(d, cell, 1, load(x, n + channels), *how)
        d2 = _before_relu(d, cell, 2, load(x, m), *how)
        d3 = _before_relu(d, cell, 3, load(x, m + channels), *how)
        store(dx, n, d0)
        store(dx, n + channels, d1)
        store(dx, m, d2)
        store(dx, m + channels, d3)
        store(total, o, load(total, o) + ((d0 + d1) + (d2 + d3)))
    for o in range(whole, channels):
        cell, n, m = argmax[at + o], i + o, k + o
        d, how = _kept(dy[at + o], cell, keep), (mean[o], factor[o], a[o], b[o])
        d0 = _before_relu(d, cell, 0, x[n], *how)
        d1 = _before_relu(d, cell, 1, x[n + channels], *how)
        d2 = _before_relu(d, cell, 2, x[m], *how)
        d3 = _before_relu(d, cell, 3, x[m + channels], *how)
        dx[n], dx[n + channels], dx[m], dx[m + channels] = d0, d1, d2, d3
        total[o] += (d0 + d1) + (d2 + d3)


@njit(**INNER)
def _scatter_pixel(dy, argmax, at, keep, y, channels, dx, i, k, total):
    """Without a batch norm: dy to the cell that won, where y > 0; total += dy."""
    whole = channels // LANES * LANES
    for o in range(0, whole, LANES):
        cell, n, m = load(argmax, at + o), i + o, k + o
        d = _before(load(dy, at + o), cell, keep, load(y, at + o))
        store(dx, n, _flows(d, cell, 0))
        store(dx, n + channels, _flows(d, cell, 1))
        store(dx, m, _flows(d, cell, 2))
        store(dx, m + channels, _flows(d, cell, 3))
        store(total, o, load(total, o) + d)
    for o in range(whole, channels):
        cell, n, m = argmax[at + o], i + o, k + o
        d = _before(dy[at + o], cell, keep, y[at + o])
        dx[n], dx[n + channels] = _flows(d, cell, 0), _flows(d, cell, 1)
        dx[m], dx[m + channels] = _flows(d, cell, 2), _flows(d, cell, 3)
        total[o] += d


@njit(**INNER)
def scatter_rows(dy, s, at, rows, width, channels):
    """s.dz, 2*rows rows of `width` pixels, from dy[at...]: dy to the cells that won, where y > 0; s.total += dy."""
    argmax, y, keep, dz, total, below = s.argmax, s.y, s.keep, s.dz, s.total, width * channels
    whole, columns = channels // LANES * LANES, width // 2
    for r in range(rows):
        a, i = at + r * columns * channels, 2 * r * below
        for o in range(0, whole, LANES):  # as in pool_row
            sums = load(total, o)
            for j in range(columns):
                k, n = a + j * channels + o, i + 2 * j * channels + o
                cell, d = load(argmax, k), load(dy, k)
                d = _before(d, cell, keep, load(y, k))
                store(dz, n, _flows(d, cell, 0))
                store(dz, n + channels, _flows(d, cell, 1))
                store(dz, n + below, _flows(d, cell, 2))
                store(dz, n + below + channels, _flows(d, cell, 3))
                sums = sums + d
            store(total, o, sums)
        for o in range(whole, channels):
            for j in range(columns):
                k, n = a + j * channels + o, i + 2 * j * channels + o
                d = _before(dy[k], argmax[k], keep, y[k])
                dz[n], dz[n + channels] = _flows(d, argmax[k], 0), _flows(d, argmax[k], 1)
                dz[n + below], dz[n + below + channels] = _flows(d, argmax[k], 2), _flows(d, argmax[k], 3)
                total[o] += d


@njit(**INNER)
def _start(s, r):
    """Where the window of the first pixel in row r of y starts in x."""
    return (r // s.image_rows * s.height + r % s.image_rows * 2) * s.width * s.channels


@njit(**INNER)
def _ask_for(x, i, below, n):
    """Prefetch n floats of x from i on, and n from i + below on."""
    for k in range(0, n, LINE):
        prefetch(x, i + k)
        prefetch(x, i + below + k)


@njit(**INNER)
def _ask_to_write(x, i, below, n):
    for k in range(0, n, LINE):
        prefetch_to_write(x, i + k)
        prefetch_to_write(x, i + below + k)


@njit(**INNER)
def _clear_rest(dx, s, r):
    """dx = 0 where no window is: in an odd last column, and after an image's last row of windows in an odd last row."""
    line, start = s.width * s.channels, _start(s, r)
    for row in range(2):
        rest = dx[start + row * line + 2 * s.columns * s.channels : start + (row + 1) * line]
        for i in range(rest.size):
            rest[i] = 0
    if r % s.image_rows == s.image_rows - 1 and s.height % 2:
        rest = dx[start + 2 * line : start + 3 * line]
        for i in range(rest.size):
            rest[i] = 0


def _compile(stamp):
    """The functions that Numba compiles and keeps on disk; enclosing `stamp` ties them to the text of simd.py."""

    @njit(**PARALLEL)
    def pool(x, size, mean, scale, beta, y, argmax, blocks, drops, threshold, keep, step, stream, k0, k1):
        _ = stamp
        line, c, below = size.columns * size.channels, size.channels, size.width * size.channels
        for task in prange(blocks):
            words = np.empty(line + 8, np.uint32)
            for r in range(task * size.rows // blocks, (task + 1) * size.rows // blocks):
                to, start = r * line, _start(size, r)
                for j in range(size.columns):
                    i = start + 2 * j * c
                    _ask_for(x, i + 2 * below, below, 2 * c)
                    _pool_pixel(x, i, i + below, c, mean, scale, beta, y, argmax, to + j * c)
                if drops:
                    drop_piece(y, argmax, to, line, words, threshold, keep, step, stream, k0, k1)

    @njit(**PARALLEL)
    def sums(dy, argmax, keep, x, size, mean, totals):
        _ = stamp
        c, below, blocks = size.channels, size.width * size.channels, totals.shape[1]
        for task in prange(blocks):
            s, q = totals[0, task], totals[1, task]
            s[:] = 0
            q[:] = 0
            for r in range(task * size.rows // blocks, (task + 1) * size.rows // blocks):
                start = _start(size, r)
                for j in range(size.columns):
                    at, i = (r * size.columns + j) * c, start + 2 * j * c
                    _ask_for(x, i + 2 * below, below, 2 * c)
                    _add_sums(dy, argmax, at, keep, x, i, i + below, c, mean, s, q)

    @njit(**PARALLEL)
    def grad(dy, argmax, keep, x, size, mean, factor, a, b, dx, totals):
        _ = stamp
        c, below, blocks = size.channels, size.width * size.channels, totals.shape[0]
        for task in prange(blocks):
            total = totals[task]
            total[:] = 0
            for r in range(task * size.rows // blocks, (task + 1) * size.rows // blocks):
                start = _start(size, r)
                for j in range(size.columns):
                    at, i = (r * size.columns + j) * c, start + 2 * j * c
                    _ask_for(x, i + 2 * below, below, 2 * c)
                    _ask_to_write(dx, i + 2 * below, below, 2 * c)
                    _grad_pixel(dy, argmax, at, keep, x, i, i + below, c, mean, factor, a, b, dx, total)

    @njit(**PARALLEL)
    def scatter(dy, argmax, keep, y, dx, size, totals):
        _ = stamp
        c, below, blocks = size.channels, size.width * size.channels, totals.shape[0]
        for task in prange(blocks):
            total = totals[task]
            total[:] = 0
            for r in range(task * size.rows // blocks, (task + 1) * size.rows // blocks):
                start = _start(size, r)
                for j in range(size.columns):
                    at, i = (r * size.columns + j) * c, start + 2 * j * c
                    _ask_to_write(dx, i + 2 * below, below, 2 * c)
                    _scatter_pixel(dy, argmax, at, keep, y, c, dx, i, i + below, total)
                _clear_rest(dx, size, r)

    return pool, sums, grad, scatter


pool, sums, grad, scatter = _compile(STAMP)
