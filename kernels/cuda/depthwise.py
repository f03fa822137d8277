"""Host side of depthwise.cu: depthwise convolution and its gradients."""

import math

from .activation import bias_grad
from .launch import THREADS, blocks

SHARES = 64  # at most: how many threads sum one weight's gradient, each over its images


def _numbers(x_shape, out, w_shape, strides, pads):
    """H, W, C, OH, OW, KH, KW, SH, SW, top, left, M: what all kernels take."""
    return *x_shape[1:], *out, *w_shape[:2], *strides, pads[0][0], pads[1][0], w_shape[3]


def depthwise_conv2d(gpu, x, w, *, strides, pads):
    out = tuple((x.shape[1 + a] + sum(pads[a]) - w.shape[a]) // strides[a] + 1 for a in (0, 1))
    y = gpu.xp.empty((x.shape[0], *out, w.shape[2] * w.shape[3]), x.dtype)
    numbers = y.size, *_numbers(x.shape, out, w.shape, strides, pads)
    gpu("depthwise", "depthwise_conv2d", blocks(y.size), THREADS, x, w, y, *numbers)
    return y


def depthwise_conv2d_input_grad(gpu, dy, w, x_shape, *, strides, pads):
    dx = gpu.xp.empty(x_shape, dy.dtype)
    numbers = dx.size, *_numbers(x_shape, dy.shape[1:3], w.shape, strides, pads)
    gpu("depthwise", "depthwise_conv2d_input_grad", blocks(dx.size), THREADS, dy, w, dx, *numbers)
    return dx


def depthwise_conv2d_weight_grad(gpu, x, dy, w_shape, *, strides, pads):
    n, weights = x.shape[0], math.prod(w_shape)
    shares = max(1, min(SHARES, n))
    parts = gpu.xp.empty((shares, weights), x.dtype)
    numbers = parts.size, *_numbers(x.shape, dy.shape[1:3], w_shape, strides, pads), n, shares
    gpu("depthwise", "depthwise_conv2d_weight_parts", blocks(parts.size), THREADS, x, dy, parts, *numbers)
    return bias_grad(gpu, parts).reshape(w_shape)
