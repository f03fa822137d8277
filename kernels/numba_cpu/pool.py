"""Pooling over channels-last images.

Why it is fast: all C channels of a pixel lie side by side, so a window cell is compared or added C values at a time,
without a gather. The accumulators are the output row itself, which stays in the L1 cache. The argmax is one byte, a
quarter of what a stored index would cost to read. Forward: every output row is its own task. Backward: every image is,
so that overlapping windows never meet in two threads.

The windows: windows.py. Those of 2x2 side by side: pool2x2.py.
"""

import numpy as np

from . import pool2x2
from .activation import block_count, relu_bias_grad
from .codegen.jit import inner
from .random import dropping
from .runtime.memory import empty, flats
from .runtime.thread_pool import kernel
from .windows import inside, out_size, windows_of


@inner
def _wins(value, best):
    """Whether a later cell takes over: greater, or NaN, but nothing after a NaN; a tie stays with the first."""
    return (not value <= best) & (best == best)


@inner
def _max_cell(x, y, argmax, cell):
    for i in range(y.size):
        wins = _wins(x[i], y[i])
        y[i] = x[i] if wins else y[i]
        argmax[i] = cell if wins else argmax[i]


@inner
def _fill(y, argmax, value, cell):
    for i in range(y.size):
        y[i], argmax[i] = value, cell


@inner
def _start(x, y, argmax, cell):
    for i in range(y.size):
        y[i], argmax[i] = x[i], cell


@kernel
def _max_pool(row, thread, x, y, argmax, cells, windows):
    """Row number `row` of all images' outputs."""
    window, strides, first = windows
    n, i = row // y.shape[1], row % y.shape[1]
    image, y, argmax = x[n], y[n, i], argmax[n, i]
    (height, width, _), (kh, kw) = image.shape, window
    r, p_first, p_end = inside(i, strides[0], first[0], kh, height)
    for j in range(y.shape[0]):
        s, q_first, q_end = inside(j, strides[1], first[1], kw, width)
        if p_first >= p_end or q_first >= q_end:  # nothing but padding
            _fill(y[j], argmax[j], -np.inf, 0)
        else:
            _start(image[r + p_first, s + q_first], y[j], argmax[j], cells[p_first * kw + q_first])
            for p in range(p_first, p_end):
                for q in range(q_first, q_end):  # the first cell loses against itself
                    _max_cell(image[r + p, s + q], y[j], argmax[j], cells[p * kw + q])


@kernel
def _max_pool_grad(k, thread, dy, argmax, dx, cells, windows, disjoint):
    window, strides, first = windows
    dy, argmax, dx = dy[k], argmax[k], dx[k]
    (oh, ow, channels), (height, width, _), (kh, kw) = dy.shape, dx.shape, window
    if not (disjoint and oh * kh == height and ow * kw == width):  # else every pixel is written below
        dx[:] = 0
    for i in range(oh):
        r, p_first, p_end = inside(i, strides[0], first[0], kh, height)
        for j in range(ow):
            s, q_first, q_end = inside(j, strides[1], first[1], kw, width)
            dy_pixel, argmax_pixel = dy[i, j], argmax[i, j]
            for p in range(p_first, p_end):
                for q in range(q_first, q_end):
                    cell, dx_pixel = cells[p * kw + q], dx[r + p, s + q]
                    if disjoint:
                        for c in range(channels):
                            dx_pixel[c] = dy_pixel[c] if argmax_pixel[c] == cell else np.float32(0)
                    else:
                        for c in range(channels):
                            dx_pixel[c] += dy_pixel[c] if argmax_pixel[c] == cell else np.float32(0)


@kernel
def _average_pool(row, thread, x, y, windows):
    window, strides, first = windows
    n, i = row // y.shape[1], row % y.shape[1]
    image, y = x[n], y[n, i]
    (height, width, channels), (kh, kw) = image.shape, window
    r, p_first, p_end = inside(i, strides[0], first[0], kh, height)
    for j in range(y.shape[0]):
        s, q_first, q_end = inside(j, strides[1], first[1], kw, width)
        pixel = y[j]
        pixel[:] = 0
        for p in range(p_first, p_end):
            for q in range(q_first, q_end):
                cell = image[r + p, s + q]
                for c in range(channels):
                    pixel[c] += cell[c]
        count = np.float32(max(0, p_end - p_first) * max(0, q_end - q_first))
        for c in range(channels):
            pixel[c] /= count


@kernel
def _average_pool_grad(k, thread, dy, dx, windows):
    window, strides, first = windows
    dy, dx = dy[k], dx[k]
    (oh, ow, channels), (height, width, _), (kh, kw) = dy.shape, dx.shape, window
    dx[:] = 0
    for i in range(oh):
        r, p_first, p_end = inside(i, strides[0], first[0], kh, height)
        for j in range(ow):
            s, q_first, q_end = inside(j, strides[1], first[1], kw, width)
            dy_pixel = dy[i, j]
            count = np.float32((p_end - p_first) * (q_end - q_first))
            for p in range(p_first, p_end):
                for q in range(q_first, q_end):
                    dx_pixel = dx[r + p, s + q]
                    for c in range(channels):
                        dx_pixel[c] += dy_pixel[c] / count


def _cells(window):
    """Cell numbers in the type of the argmax: compared as bytes, sixteen channels or more at a time."""
    count = window[0] * window[1]
    return np.arange(count).astype(np.uint8 if count <= 255 else np.int32)


def pool_2x2(x, norm, rate, key):
    """y and argmax of (x - mean) scale + beta, norm = pool2x2.as_rows(axis, mean, scale, beta); for windows of 2x2."""
    n, h, w, c = x.shape
    y, argmax, size = empty((n, h // 2, w // 2, c)), empty((n, h // 2, w // 2, c), np.uint8), pool2x2.size_of(x.shape)
    pooled, blocks = (y.reshape(-1), argmax.reshape(-1)), pool2x2.blocks(size)
    pool2x2.pool(blocks, *flats(x), size, norm, pooled, dropping(rate, key, y.shape), blocks)
    return y, argmax


def max_pool(x, *, window, strides, pads, rate=0.0, key=None):
    x = np.ascontiguousarray(x, np.float32)
    if pool2x2.fits(window, strides, pads):
        none = np.zeros(x.shape[3])
        return pool_2x2(x, pool2x2.as_rows(-1, none, none + 1, none), rate, key)
    shape, cells = (x.shape[0], *out_size(x.shape, window, strides, pads), x.shape[3]), _cells(window)
    y, argmax = empty(shape), empty(shape, cells.dtype)
    _max_pool(shape[0] * shape[1], x, y, argmax, cells, windows_of(window, strides, pads))
    if rate:
        none, blocks, dropout = cells.dtype.type(cells.size), block_count(y.size), dropping(rate, key, y.shape)
        pool2x2.drop_blocks(blocks, y.reshape(-1), argmax.reshape(-1), none, dropout, blocks)
    return y, argmax


def max_pool_grad(dy, argmax, x_shape, *, window, strides, pads, rate=0.0, y=None):
    if pool2x2.fits(window, strides, pads) and y is not None:
        return _scatter_2x2(dy, argmax, x_shape, rate, y)
    if rate:
        dy = dy * np.float32(1 / (1 - rate))
    if y is not None:
        dy, db = relu_bias_grad(dy, y)
        return max_pool_grad(dy, argmax, x_shape, window=window, strides=strides, pads=pads), db
    dy, cells = np.ascontiguousarray(dy, np.float32), _cells(window)
    argmax = np.ascontiguousarray(argmax, cells.dtype)
    dx = empty(tuple(x_shape))
    disjoint = strides[0] >= window[0] and strides[1] >= window[1]
    _max_pool_grad(len(dy), dy, argmax, dx, cells, windows_of(window, strides, pads), disjoint)
    return dx


def _scatter_2x2(dy, argmax, x_shape, rate, y):
    dx, size = empty(tuple(x_shape)), pool2x2.size_of(tuple(x_shape))
    totals, keep_scale = empty((pool2x2.blocks(size), size.channels)), np.float32(1 / (1 - rate))
    (dy, y), (argmax,) = flats(dy, y), flats(argmax, dtype=np.uint8)
    pool2x2.scatter(len(totals), dy, pool2x2.Scatter(argmax, y, keep_scale), dx.reshape(-1), totals, size)
    return dx, totals.sum(axis=0)


def average_pool(x, *, window, strides, pads):
    x = np.ascontiguousarray(x, np.float32)
    y = empty((x.shape[0], *out_size(x.shape, window, strides, pads), x.shape[3]))
    _average_pool(y.shape[0] * y.shape[1], x, y, windows_of(window, strides, pads))
    return y


def average_pool_grad(dy, x_shape, *, window, strides, pads):
    dy = np.ascontiguousarray(dy, np.float32)
    dx = empty(tuple(x_shape))
    _average_pool_grad(len(dy), dy, dx, windows_of(window, strides, pads))
    return dx
