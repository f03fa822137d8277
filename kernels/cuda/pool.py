"""Host side of pool.cu: max and average pooling and their gradients."""

import numpy as np

from .activation import scaled_relu_bias_grad
from .launch import THREADS, blocks
from .random import drop

NOWHERE = (0, 1.0, 0, 0, 0, 0, 0, None)  # threshold, scale and counter of no dropout


def _out_size(x_shape, window, strides, pads):
    """OH, OW."""
    return tuple((x_shape[1 + a] + sum(pads[a]) - window[a]) // strides[a] + 1 for a in (0, 1))


def _numbers(x_shape, out, window, strides, pads):
    """H, W, C, OH, OW, KH, KW, SH, SW, top, left: what all kernels take."""
    return *x_shape[1:], *out, *window, *strides, pads[0][0], pads[1][0]


def _suffix(window):
    return "small" if window[0] * window[1] <= 255 else "large"  # KH*KW itself stands for "dropped"


def max_pool(gpu, x, *, window, strides, pads, rate=0.0, key=None):
    as_it_is = None, None, None, None, 0.0
    return normalised_max_pool(gpu, x, as_it_is, window=window, strides=strides, pads=pads, rate=rate, key=key)


def normalised_max_pool(gpu, x, norm, *, window, strides, pads, rate=0.0, key=None):
    """max_pool of batch_norm(x), norm = (mean, var, gamma, beta, eps), or of x where these are None."""
    out = _out_size(x.shape, window, strides, pads)
    y = gpu.xp.empty((x.shape[0], *out, x.shape[3]), x.dtype)
    argmax = gpu.xp.empty(y.shape, np.uint8 if _suffix(window) == "small" else np.int32)
    draws = drop(rate, key, y.shape) if rate else NOWHERE
    numbers = y.size, *_numbers(x.shape, out, window, strides, pads), *draws, *norm
    gpu("pool", f"max_pool_{_suffix(window)}", blocks(y.size), THREADS, x, y, argmax, *numbers)
    return y, argmax


def max_pool_grad(gpu, dy, argmax, x_shape, *, window, strides, pads, rate=0.0, y=None):
    scale, db = 1 / (1 - rate), ()
    if y is not None:
        dy, db = scaled_relu_bias_grad(gpu, dy, y, scale)
        scale, db = 1.0, (db,)
    dx = gpu.xp.empty(x_shape, dy.dtype)
    numbers = dx.size, *_numbers(x_shape, dy.shape[1:3], window, strides, pads), scale
    gpu("pool", f"max_pool_grad_{_suffix(window)}", blocks(dx.size), THREADS, dy, argmax, dx, *numbers)
    return (dx, *db) if db else dx


def average_pool(gpu, x, *, window, strides, pads):
    out = _out_size(x.shape, window, strides, pads)
    y = gpu.xp.empty((x.shape[0], *out, x.shape[3]), x.dtype)
    numbers = y.size, *_numbers(x.shape, out, window, strides, pads)
    gpu("pool", "average_pool", blocks(y.size), THREADS, x, y, *numbers)
    return y


def average_pool_grad(gpu, dy, x_shape, *, window, strides, pads):
    dx = gpu.xp.empty(x_shape, dy.dtype)
    numbers = dx.size, *_numbers(x_shape, dy.shape[1:3], window, strides, pads)
    gpu("pool", "average_pool_grad", blocks(dx.size), THREADS, dy, dx, *numbers)
    return dx
