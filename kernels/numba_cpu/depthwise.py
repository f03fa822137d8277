"""Depthwise convolution of channels-last images, and its gradients.

Why it is fast: the C channels of a pixel lie side by side, and so do the weights of a window's cell, so that a cell is
C independent multiply-adds: whole vectors, no gather, no sum across lanes.  With several filters a channel (M > 1) the
loop runs over C M outputs instead, each of which reads its channel again.

      task     forward: a row of the output;  dx: an image, so that windows which overlap never meet in two threads;
               dw: an image's own sum, added up in the order of the images, so that threads change no bit

      window cell (p, q) of output pixel (i, j)  =  image pixel (i*SH - top + p, j*SW - left + q), if it is inside
"""

import numpy as np

from .runtime.memory import empty
from .runtime.thread_pool import kernel


@kernel
def _forward(row, thread, x, w, y, strides, first):
    n, i = row // y.shape[1], row % y.shape[1]
    image, y = x[n], y[n, i]
    top = i * strides[0] - first[0]
    (height, width, channels), (kh, kw, _, m) = image.shape, w.shape
    p_first, p_end = max(0, -top), min(kh, height - top)
    for j in range(y.shape[0]):
        s, pixel = j * strides[1] - first[1], y[j]
        pixel[:] = 0
        for p in range(p_first, p_end):
            for q in range(max(0, -s), min(kw, width - s)):
                cell, weights = image[top + p, s + q], w[p, q]
                if m == 1:
                    for c in range(channels):
                        pixel[c] += cell[c] * weights[c, 0]
                else:
                    for c in range(channels):
                        for k in range(m):
                            pixel[c * m + k] += cell[c] * weights[c, k]


@kernel
def _input_grad(n, thread, dy, w, dx, strides, first):
    dy, dx = dy[n], dx[n]
    (oh, ow, _), (height, width, channels), (kh, kw, _, m) = dy.shape, dx.shape, w.shape
    dx[:] = 0
    for i in range(oh):
        r = i * strides[0] - first[0]
        for j in range(ow):
            s, flows = j * strides[1] - first[1], dy[i, j]
            for p in range(max(0, -r), min(kh, height - r)):
                for q in range(max(0, -s), min(kw, width - s)):
                    to, weights = dx[r + p, s + q], w[p, q]
                    if m == 1:
                        for c in range(channels):
                            to[c] += flows[c] * weights[c, 0]
                    else:
                        for c in range(channels):
                            for k in range(m):
                                to[c] += flows[c * m + k] * weights[c, k]


@kernel
def _weight_grad(n, thread, x, dy, dw, strides, first):
    image, dy, dw = x[n], dy[n], dw[n]
    (oh, ow, _), (height, width, channels), (kh, kw, _, m) = dy.shape, image.shape, dw.shape
    dw[:] = 0
    for i in range(oh):
        r = i * strides[0] - first[0]
        for j in range(ow):
            s, flows = j * strides[1] - first[1], dy[i, j]
            for p in range(max(0, -r), min(kh, height - r)):
                for q in range(max(0, -s), min(kw, width - s)):
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


def _how(strides, pads):
    return tuple(strides), (pads[0][0], pads[1][0])


def depthwise_conv2d(x, w, *, strides, pads):
    x, w = _arrays(x, w)
    out = [(x.shape[1 + a] + sum(pads[a]) - w.shape[a]) // strides[a] + 1 for a in (0, 1)]
    y = empty((x.shape[0], *out, w.shape[2] * w.shape[3]))
    _forward(y.shape[0] * y.shape[1], x, w, y, *_how(strides, pads))
    return y


def depthwise_conv2d_input_grad(dy, w, x_shape, *, strides, pads):
    dy, w = _arrays(dy, w)
    dx = empty(tuple(x_shape))
    _input_grad(len(dy), dy, w, dx, *_how(strides, pads))
    return dx


def depthwise_conv2d_weight_grad(x, dy, w_shape, *, strides, pads):
    x, dy = _arrays(x, dy)
    parts = empty((x.shape[0], *w_shape))
    _weight_grad(len(dy), x, dy, parts, *_how(strides, pads))
    return parts.sum(axis=0)
