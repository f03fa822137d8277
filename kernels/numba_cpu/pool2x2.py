"""Max-pooling by 2x2 windows, side by side, with what stands around it in a convolution block, in single passes.

      x, a ReLU's output --> batch norm --> max of 2x2 --> dropout --> y          + a byte per output: the argmax
                             (or none)                    (or none)

Why it is fast: a window's four pixels are read once, normalised, compared and dropped in registers, and a quarter of
what was read is written. Apart, these three steps would read 2 1/2 and write 1 3/4 times as much. Backward through a
batch norm is pool2x2_grad.py; without one it is here: y and the argmax say all, and x is not read again.

A row of pooled pixels is a row of pairs in each of two image rows; an odd last row or column is in no window:

      a  b | a  b | ...     row 2i                cells      0  1
      c  d | c  d | ...     row 2i + 1                       2  3

A batch norm has a number for each channel or for each row of the images: a vector for every pixel, or two numbers, one
for a and b, one for c and d. `each` of vector.py takes one as the other, so both go through the same functions.
"""

import operator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba.extending import overload

from .activation import block_count
from .codegen.jit import inline, inner
from .codegen.vector import LANES, byte, choose, each, each_channel, load, prefetch, put, splat, store, zero
from .norm import normalised
from .random import NO_DROPOUT, Dropout, fill_words
from .runtime.memory import flats
from .runtime.thread_pool import kernel

NO_CELL = 4  # the argmax of a dropped output


class Pooling(NamedTuple):
    """What a convolution needs to know of the pooling that follows at once: where the winners' cells go, a scale and a
    shift for each row of an image before it, or two empty arrays, and the dropout after it.
    """

    argmax: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    dropout: Dropout


NO_POOLING = Pooling(np.zeros(0, np.uint8), np.zeros(0, np.float32), np.zeros(0, np.float32), NO_DROPOUT)


class Scatter(NamedTuple):
    """What a convolution's gradient needs to know of the pooling after it: the pooling's results and 1 / (1 - rate)."""

    argmax: np.ndarray
    y: np.ndarray
    keep_scale: np.float32


class Size(NamedTuple):
    """Of a batch: images, rows and columns of one of x, rows of y in all images and in one, columns, channels."""

    images: int
    height: int
    width: int
    rows: int
    image_rows: int
    columns: int
    channels: int


@lru_cache(512)
def size_of(x_shape) -> Size:
    n, height, width, channels = x_shape
    return Size(n, height, width, n * (height // 2), height // 2, width // 2, channels)


geometry = operator.itemgetter("window", "strides", "pads")  # of a pooling's arguments


@lru_cache(512)
def fits(window, strides, pads) -> bool:
    """Whether these are the windows of this file."""
    return tuple(window) == tuple(strides) == (2, 2) and not any(map(any, pads))


@lru_cache(512)
def blocks(size: Size) -> int:
    """How many blocks the rows of y are worked on in; from the shape alone: sums do not depend on the threads."""
    return max(1, min(block_count(4 * size.rows * size.columns * size.channels), size.rows))


def as_rows(axis, *values):
    """A batch norm's values as the functions below take them: (C,) each, or (H, 1) for a number per row, axis=1."""
    values = flats(*values)
    return tuple(value.reshape(-1, 1) for value in values) if axis == 1 else values


def row_value(values, row):
    """What holds for a row of an image: the channels' values, or the row's number.  In njit code only."""
    raise NotImplementedError


@overload(row_value)
def _row_value(values, row):
    return (lambda values, row: values) if values.ndim == 1 else lambda values, row: values[row, 0]


# ---- one pixel's channels: each function takes floats or vectors of them ---------------------------------------------


@inner
def _stays(best, value):
    """Whether the best so far stays against a later cell: not less, a tie or NaN; NaN wins over all."""
    return (value <= best) | (best != best)


@inner
def _greatest_of(a, b, c, d):
    """The greatest of the four cells, and its number."""
    best, cell = a, byte(a, 0)
    stays = _stays(best, b)
    best, cell = choose(stays, best, b), choose(stays, cell, byte(a, 1))
    stays = _stays(best, c)
    best, cell = choose(stays, best, c), choose(stays, cell, byte(a, 2))
    stays = _stays(best, d)
    return choose(stays, best, d), choose(stays, cell, byte(a, 3))


@inner
def _greatest(a, b, c, d, upper, lower):
    """The same of the four normalised cells; a batch norm's values for the upper and for the lower two."""
    a, b, c, d = normalised(a, upper), normalised(b, upper), normalised(c, lower), normalised(d, lower)
    return _greatest_of(a, b, c, d)


@inner
def dropout_grad(dy, cell, scale):
    """dy through the dropout: 0 where the output was dropped."""
    return choose(cell == byte(dy, NO_CELL), zero(dy), dy * splat(dy, scale))


@inner
def _before(dy, cell, keep_scale, y):
    """dy through dropout, pooling and ReLU, at the cell that won: y is what came out of them."""
    return choose(y > zero(dy), dropout_grad(dy, cell, keep_scale), zero(dy))


@inner
def grad_at_winner(d, cell, number):
    """d at the cell that won, 0 at the others."""
    return choose(cell == byte(d, number), d, zero(d))


# ---- forward ---------------------------------------------------------------------------------------------------------


@inline
def ahead(i, size, o, j):
    """Where to ask for memory while channels o.. of column j are worked on, in two rows that start at i.

    The next two rows, share after share: they come faster from end to end than in the order in which they are used.
    """
    share = LANES if o + LANES <= size.channels else 1
    return i + 2 * (size.width * size.channels + o * size.columns + j * share)


@inline
def ask_for(x, i, below):
    """Prefetch two vectors' lengths of x from i on, and two from i + below on."""
    prefetch(x, i)
    prefetch(x, i + LANES)
    prefetch(x, i + below)
    prefetch(x, i + below + LANES)


@inner
def _at(like, norm, row, o):
    """What normalises the channels from o on in a row of an image."""
    mean, scale, beta = row_value(norm[0], row), row_value(norm[1], row), row_value(norm[2], row)
    return each(like, mean, o), each(like, scale, o), each(like, beta, o)


@inline
def _normed_channels(like, o, arguments):
    """A row of y from row `row` of an image, at x[at], and the one below: its channels from o on, as many as `like`."""
    x, size, norm, (at, row, to), (y, argmax) = arguments
    c, below = size.channels, size.width * size.channels
    upper, lower = _at(like, norm, row, o), _at(like, norm, row + 1, o)
    for j in range(size.columns):
        i, k = at + 2 * j * c + o, to + j * c + o
        ask_for(x, ahead(at, size, o, j), below)
        a, b = each(like, x, i), each(like, x, i + c)
        best, cell = _greatest(a, b, each(like, x, i + below), each(like, x, i + below + c), upper, lower)
        put(y, k, best)
        put(argmax, k, cell)


@inner
def pool_vector(x, at, right, below, y, argmax, to):
    """y[to : to + LANES] from the vector at `at` and its neighbours, `right` and `below` floats away."""
    best, cell = _greatest_of(load(x, at), load(x, at + right), load(x, at + below), load(x, at + below + right))
    store(y, to, best)
    store(argmax, to, cell)


@inner
def pool_floats(x, at, right, below, n, y, argmax, to):
    """The same for less than a vector."""
    for o in range(n):
        i = at + o
        y[to + o], argmax[to + o] = _greatest_of(x[i], x[i + right], x[i + below], x[i + below + right])


@inner
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


@inner
def scale_row(x, start, n, scale, shift):
    """x[start : start + n] = scale x + shift, two numbers."""
    row = x[start : start + n]
    for i in range(row.size):
        row[i] = row[i] * scale + shift


@inner
def drop(y, argmax, words, threshold, scale, none):
    """Dropout of y in place; the argmax of what is dropped becomes `none`."""
    for i in range(y.size):
        kept = words[i] >= threshold
        y[i] = y[i] * scale if kept else np.float32(0)
        argmax[i] = argmax[i] if kept else none


@inner
def drop_piece(y, argmax, to, n, words, dropout):
    """Dropout of y[to : to + n] in place; words (uint32): room for n + 8."""
    skipped, part = to % 4, slice(to, to + n)  # words of a counter that belong to what is before
    fill_words(words[: (skipped + n + 3) // 4 * 4], to // 4, dropout.state)
    words = words[skipped : skipped + n]
    drop(y[part], argmax[part], words, dropout.threshold, dropout.scale, np.uint8(NO_CELL))


@inner
def pool_rows(z, width, channels, first, rows, y, pooling, to):
    """y[to...] = the greatest of each 2x2 pixels of z, which holds rows first..first+rows of an image, or of several.

    rows and width are even; one image after the other begins again with row 0.
    """
    argmax, below = pooling.argmax, width * channels
    if len(pooling.scale):
        for r in range(rows):
            h = (first + r) % len(pooling.scale)
            scale_row(z, r * below, below, pooling.scale[h], pooling.shift[h])
    for i in range(0, rows * below, 2 * below):
        pool_row(z, i, below, width // 2, channels, y, argmax, to)
        to += below // 2


@inner
def drop_rows(y, argmax, to, line, rows, dropout):
    """Dropout of `rows` rows of y, from y[to] on."""
    words = np.empty(line + 8, np.uint32)
    for r in range(rows):
        drop_piece(y, argmax, to + r * line, line, words, dropout)


@kernel
def drop_blocks(k, thread, y, argmax, none, dropout, blocks):
    """Dropout of the whole of y, for windows of any size."""
    quads = (y.size + 3) // 4
    first, end = k * quads // blocks, (k + 1) * quads // blocks
    words = np.empty(4 * (end - first), np.uint32)
    fill_words(words, first, dropout.state)
    part = slice(4 * first, 4 * end)
    drop(y[part], argmax[part], words, dropout.threshold, dropout.scale, none)


# ---- backward, without a batch norm ----------------------------------------------------------------------------------


@inline
def _scatter_channels(like, o, arguments):
    """A row of dy, at dy[at...], into two rows of dz, from dz[i] on: the channels from o on, as many as `like`."""
    dy, s, (dz, total), (at, i), (columns, channels, below) = arguments
    more = each(like, total, o)
    for j in range(columns):
        k, n = at + j * channels + o, i + 2 * j * channels + o
        cell = each(like, s.argmax, k)
        d = _before(each(like, dy, k), cell, s.keep_scale, each(like, s.y, k))
        put(dz, n, grad_at_winner(d, cell, 0))
        put(dz, n + channels, grad_at_winner(d, cell, 1))
        put(dz, n + below, grad_at_winner(d, cell, 2))
        put(dz, n + below + channels, grad_at_winner(d, cell, 3))
        more = more + d
    put(total, o, more)


@inner
def scatter_rows(dy, s, into, at, rows, width, channels):
    """dz, 2*rows rows of `width` pixels, from dy[at...]: dy to the cells that won, where y > 0; total += dy.

    into: dz, total
    """
    below, columns = width * channels, width // 2
    for r in range(rows):
        a, size = at + r * columns * channels, (columns, channels, below)
        each_channel(_scatter_channels, dy, a, channels, (dy, s, into, (a, 2 * r * below), size))


@inner
def start(s, r):
    """Where the window of the first pixel in row r of y starts in x."""
    return (r // s.image_rows * s.height + r % s.image_rows * 2) * s.width * s.channels


@inner
def _clear_rest(dx, s, r):
    """dx = 0 where no window is: in an odd last column, and after an image's last row of windows in an odd last row."""
    line, i = s.width * s.channels, start(s, r)
    for row in range(2):
        rest = dx[i + row * line + 2 * s.columns * s.channels : i + (row + 1) * line]
        for k in range(rest.size):
            rest[k] = 0
    if r % s.image_rows == s.image_rows - 1 and s.height % 2:
        rest = dx[i + 2 * line : i + 3 * line]
        for k in range(rest.size):
            rest[k] = 0


@kernel
def pool(k, thread, x, size, norm, pooled, dropout, blocks):
    line = size.columns * size.channels
    words = np.empty(line + 8, np.uint32)
    y, argmax = pooled
    for r in range(k * size.rows // blocks, (k + 1) * size.rows // blocks):
        to = r * line
        place = start(size, r), r % size.image_rows * 2, to
        each_channel(_normed_channels, x, place[0], size.channels, (x, size, norm, place, pooled))
        if dropout.on:
            drop_piece(y, argmax, to, line, words, dropout)


@kernel
def scatter(k, thread, dy, s, dx, totals, size):
    blocks, total = totals.shape[0], totals[k]
    total[:] = 0
    for r in range(k * size.rows // blocks, (k + 1) * size.rows // blocks):
        into = dx[start(size, r) :], total
        scatter_rows(dy, s, into, r * size.columns * size.channels, 1, size.width, size.channels)
        _clear_rest(dx, size, r)
