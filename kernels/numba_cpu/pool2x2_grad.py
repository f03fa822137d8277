"""The gradients of batch norm, 2x2 max-pooling and dropout, down to a ReLU and its bias, in two passes over x.

      dy, argmax, x  -->  s = sum dy,  q = sum dy (x - mean)          dy at the cell that won, 0 at the three others
                     -->  dx = (dy - a - (x - mean) b) factor         where x > 0, else 0;   db = sum dx

Why it is fast: dy never becomes an array of x's size. Apart, the same gradients write that array and read it twice.

The sums, and with them a, b and factor, are one of two kinds (see pool2x2.py):

      along the channels     sums for each block of windows, LANES channels at a time
      along the rows         sums for each row of every image, in registers: a winner adds to the upper or the lower row

A pixel in no window, in an odd last row or column, takes part in dx and db all the same: there dy is 0, but x still
moves the mean and the variance. `grad` therefore goes through pairs of x's rows, of which the last may be a single one.
conv_norm.py makes dx a band of rows at a time: there dx[0] is the gradient at x[shift].
"""

from typing import NamedTuple

import numpy as np

from .codegen.jit import inline, inner
from .codegen.vector import LANES, across, byte, choose, each, each_channel, load, put, splat, zero
from .norm import before_relu
from .pool2x2 import Size, ahead, ask_for, dropout_grad, grad_at_winner, row_value, start
from .runtime.thread_pool import kernel


class Windows(NamedTuple):
    """A pooling's gradient and argmax, 1 / (1 - rate), the image that it was of, and the sizes of both."""

    dy: np.ndarray
    argmax: np.ndarray
    keep_scale: np.float32
    x: np.ndarray
    size: Size


# ---- a window's channels: each function takes floats or vectors of them ----------------------------------------------


@inner
def _winner(cell, a, b, c, d):
    last = choose(cell == byte(a, 2), c, d)
    return choose(cell == byte(a, 0), a, choose(cell == byte(a, 1), b, last))


@inner
def _terms(d, cell, a, b, c, e, upper, lower):
    """d and d (x - mean) of the cell that won, for the upper row and for the lower: one of them gets zeros."""
    above = (cell == byte(d, 0)) | (cell == byte(d, 1))
    s, t = choose(above, d, zero(d)), choose(above, zero(d), d)
    u, v = choose(cell == byte(d, 0), a, b), choose(cell == byte(d, 2), c, e)
    return s, s * (u - upper), t, t * (v - lower)


@inner
def _at(like, norm, row, o):
    """mean, factor, a and b of the channels from o on in a row of an image."""
    mean, factor, a, b = norm
    mean, factor = each(like, row_value(mean, row), o), each(like, row_value(factor, row), o)
    return mean, factor, each(like, row_value(a, row), o), each(like, row_value(b, row), o)


# ---- a row of y: at dy[at...], its windows at x[i...] and the row below; the channels from o on, as many as `like` ---


@inline
def _add_channels(like, o, arguments):
    """s += dy, q += dy (x - mean), per channel."""
    windows, at, i, mean, s, q = arguments
    x, size = windows.x, windows.size
    c, below = size.channels, size.width * size.channels
    mean, more_s, more_q = each(like, mean, o), each(like, s, o), each(like, q, o)
    for j in range(size.columns):
        k, n = at + j * c + o, i + 2 * j * c + o
        ask_for(x, ahead(i, size, o, j), below)
        cell = each(like, windows.argmax, k)
        d = dropout_grad(each(like, windows.dy, k), cell, windows.keep_scale)
        lower = each(like, x, n + below), each(like, x, n + below + c)
        won = _winner(cell, each(like, x, n), each(like, x, n + c), *lower)
        more_s, more_q = more_s + d, more_q + d * (won - mean)
    put(s, o, more_s)
    put(q, o, more_q)


@inline
def _add_rows(like, windows, at, i, o, means, sums):
    """(s, q of the upper row, s, q of the lower one) + sums, lane by lane; means: of the two rows."""
    x, size = windows.x, windows.size
    c, below = size.channels, size.width * size.channels
    (s, q, t, r), upper, lower = sums, splat(like, means[0]), splat(like, means[1])
    for j in range(size.columns):
        k, n = at + j * c + o, i + 2 * j * c + o
        ask_for(x, ahead(i, size, o, j), below)
        cell = each(like, windows.argmax, k)
        d = dropout_grad(each(like, windows.dy, k), cell, windows.keep_scale)
        a, b, e, f = each(like, x, n), each(like, x, n + c), each(like, x, n + below), each(like, x, n + below + c)
        more = _terms(d, cell, a, b, e, f, upper, lower)
        s, q, t, r = s + more[0], q + more[1], t + more[2], r + more[3]
    return s, q, t, r


@inline
def _grad_channels(like, o, arguments):
    """dx in two rows of an image, `row` and the one below, with an odd last column; total += it."""
    windows, at, i, norm, row, into = arguments
    x, size, (dx, shift, total) = windows.x, windows.size, into
    c, below = size.channels, size.width * size.channels
    upper, lower, more = _at(like, norm, row, o), _at(like, norm, row + 1, o), each(like, total, o)
    for j in range(size.columns):
        k, n = at + j * c + o, i + 2 * j * c + o
        soon = ahead(i, size, o, j)
        ask_for(x, soon, below)
        ask_for(dx, soon - shift, below)
        cell = each(like, windows.argmax, k)
        d = dropout_grad(each(like, windows.dy, k), cell, windows.keep_scale)
        d0 = before_relu(grad_at_winner(d, cell, 0), each(like, x, n), upper)
        d1 = before_relu(grad_at_winner(d, cell, 1), each(like, x, n + c), upper)
        d2 = before_relu(grad_at_winner(d, cell, 2), each(like, x, n + below), lower)
        d3 = before_relu(grad_at_winner(d, cell, 3), each(like, x, n + below + c), lower)
        put(dx, n - shift, d0)
        put(dx, n - shift + c, d1)
        put(dx, n - shift + below, d2)
        put(dx, n - shift + below + c, d3)
        more = more + ((d0 + d1) + (d2 + d3))
    put(total, o, more)
    if size.width > 2 * size.columns:
        last = i + 2 * size.columns * c
        _grad_rest(like, windows, last, 1, o, upper, into)
        _grad_rest(like, windows, last + below, 1, o, lower, into)


@inline
def _grad_rest(like, windows, i, columns, o, norm, into):
    """dx at `columns` pixels of a row that are in no window; total += it."""
    dx, shift, total = into
    more = each(like, total, o)
    for j in range(columns):
        n = i + j * windows.size.channels + o
        d = before_relu(zero(like), each(like, windows.x, n), norm)
        put(dx, n - shift, d)
        more = more + d
    put(total, o, more)


# ---- the same of all channels, vector by vector ----------------------------------------------------------------------


@inline
def _sum_rows(windows, at, i, means):
    """s and q of the upper row, then of the lower one."""
    x, size = windows.x, windows.size
    whole = size.channels // LANES * LANES
    none, nothing = zero(load(x, i)), zero(x[i])
    many, few = (none, none, none, none), (nothing, nothing, nothing, nothing)
    for o in range(0, whole, LANES):
        many = _add_rows(none, windows, at, i, o, means, many)
    for o in range(whole, size.channels):
        few = _add_rows(nothing, windows, at, i, o, means, few)
    (s, q, t, r), (s_1, q_1, t_1, r_1) = many, few
    return across(s) + s_1, across(q) + q_1, across(t) + t_1, across(r) + r_1


@inline
def _single_channels(like, o, arguments):
    """dx of an odd last row."""
    windows, i, norm, row, into = arguments
    _grad_rest(like, windows, i, windows.size.width, o, _at(like, norm, row, o), into)


@inline
def grad_pair(windows, norm, image, row, into):
    """dx of an image's rows `row` and row + 1, if there are two; into: dx, shift, and a total that their sums go to."""
    size = windows.size
    line = size.width * size.channels
    i = (image * size.height + row) * line
    if row + 1 == size.height:
        each_channel(_single_channels, windows.x, i, size.channels, (windows, i, norm, row, into))
    else:
        at = (image * size.image_rows + row // 2) * size.columns * size.channels
        each_channel(_grad_channels, windows.x, i, size.channels, (windows, at, i, norm, row, into))


# ---- all images ------------------------------------------------------------------------------------------------------


@kernel
def sums_of_channels(k, thread, windows, mean, totals):
    size, blocks, s, q = windows.size, totals.shape[1], totals[0, k], totals[1, k]
    s[:] = 0
    q[:] = 0
    for r in range(k * size.rows // blocks, (k + 1) * size.rows // blocks):
        at, i = r * size.columns * size.channels, start(size, r)
        each_channel(_add_channels, windows.x, i, size.channels, (windows, at, i, mean, s, q))


@kernel
def sums_of_rows(k, thread, windows, mean, totals, blocks):
    size = windows.size
    pairs = (size.height + 1) // 2
    for p in range(k * size.images * pairs // blocks, (k + 1) * size.images * pairs // blocks):
        image, row = p // pairs, p % pairs * 2
        s, q = totals[0, image], totals[1, image]
        if row + 1 == size.height:
            s[row] = q[row] = 0
        else:
            r = image * size.image_rows + row // 2
            at, i, means = r * size.columns * size.channels, start(size, r), (mean[row, 0], mean[row + 1, 0])
            s[row], q[row], s[row + 1], q[row + 1] = _sum_rows(windows, at, i, means)


@kernel
def grad(k, thread, windows, norm, dx, totals):
    size = windows.size
    blocks, pairs, total = totals.shape[0], (size.height + 1) // 2, totals[k]
    total[:] = 0
    for p in range(k * size.images * pairs // blocks, (k + 1) * size.images * pairs // blocks):
        grad_pair(windows, norm, p // pairs, p % pairs * 2, (dx, 0, total))
