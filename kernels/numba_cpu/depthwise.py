"""Depthwise convolution of channels-last images, and its gradients.

Why it is fast: the C channels of a pixel lie side by side, and so do the weights of a window's cell, so that a cell is
C independent multiply-adds: whole vectors, no gather, no sum across lanes.  With several filters a channel (M > 1) the
loop runs over C M outputs instead, each of which reads its channel again.

      task     forward: a row of the output;  dx: an image, so that windows which overlap never meet in two threads;
               dw: an image's own sum, added up in the order of the images, so that threads change no bit

Where a window's cells lie: windows.py.
"""

import numpy as np

from .runtime.memory import empty
from .runtime.thread_pool import kernel
from .windows import inside, out_size, windows_of


@kernel
def _forward(row, thread, x, w, y, windows):
    ((kh, kw), strides, first), m = windows, w.shape[3]
    n, i = row // y.shape[1], row % y.shape[1]
    image, y = x[n], y[n, i]
    height, width, channels = image.shape
    r, p_first, p_end = inside(i, strides[0], first[0], kh, height)
    for j in range(y.shape[0]):
        s, q_first, q_end = inside(j, strides[1], first[1], kw, width)
        pixel = y[j]
        pixel[:] = 0
        for p in range(p_first, p_end):
            for q in range(q_first, q_end):
                cell, weights = image[r + p, s + q], w[p, q]
                if m == 1:
                    for c in range(channels):
                        pixel[c] += cell[c] * weights[c, 0]
                else:
                    for c in range(channels):
                        for k in range(m):
                            pixel[c * m + k] += cell[c] * weights[c, k]


@kernel
def _input_grad(n, thread, dy, w, dx, windows):
    ((kh, kw), strides, first), m = windows, w.shape[3]
    dy, dx = dy[n], dx[n]
    (oh, ow, _), (height, width, channels) = dy.shape, dx.shape
    dx[:] = 0
    for i in range(oh):
        r, p_first, p_end = inside(i, strides[0], first[0], kh, height)
        for j in range(ow):
            s, q_first, q_end = inside(j, strides[1], first[1], kw, width)
            flows = dy[i, j]
            for p in range(p_first, p_end):
                for q in range(q_first, q_end):
                    to, weights = dx[r + p, s + q], w[p, q]
                    if m == 1:
                        for c in range(channels):
                            to[c] += flows[c] * weights[c, 0]
                    else:
                        for c in range(channels):
                            for k in range(m):
                                to[c] += flows[c * m + k] * weights[c, k]


@kernel
def _weight_grad(n, thread, x, dy, dw, windows):
    ((kh, kw), strides, first), m = windows, dw.shape[4]
    image, dy, dw = x[n], dy[n], dw[n]
    (oh, ow, _), (height, width, channels) = dy.shape, image.shape
    dw[:] = 0
    for i in range(oh):
        r, p_first, p_end = inside(i, strides[0], first[0], kh, height)
        for j in range(ow):
            s, q_first, q_end = inside(j, strides[1], first[1], kw, width)
            flows = dy[i, j]
            for p in range(p_first, p_end):
                for q in range(q_first, q_end):
                    cell, to = image[r + p, s + q], dw[p, q]
                    if m == 1:
                        for c in range(channels):
                            to[c, 0] += cell[c] * flows[c]
                    else:
                        for c in range(channels):
                            for k in range(m):
                                to[c, k] += cell[c] * flows[c * m + k]


def _arrays(*arrays):
    return [np.ascontiguousarray(a, np.float32) for a in arrays]


def depthwise_conv2d(x, w, *, strides, pads):
    x, w = _arrays(x, w)
    y = empty((x.shape[0], *out_size(x.shape, w.shape, strides, pads), w.shape[2] * w.shape[3]))
    _forward(y.shape[0] * y.shape[1], x, w, y, windows_of(w.shape[:2], strides, pads))
    return y


def depthwise_conv2d_input_grad(dy, w, x_shape, *, strides, pads):
    dy, w = _arrays(dy, w)
    dx = empty(tuple(x_shape))
    _input_grad(len(dy), dy, w, dx, windows_of(w.shape[:2], strides, pads))
    return dx


def depthwise_conv2d_weight_grad(x, dy, w_shape, *, strides, pads):
    x, dy = _arrays(x, dy)
    parts = empty((x.shape[0], *w_shape))
    _weight_grad(len(dy), x, dy, parts, windows_of(w_shape[:2], strides, pads))
    return parts.sum(axis=0)
