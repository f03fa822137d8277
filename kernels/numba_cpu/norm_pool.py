"""Batch norm, along the last axis or the rows, and max-pooling in one: 2x2 windows in one pass (backward: two)."""

import numpy as np

from ..contract import as_acb
from . import norm, pool, pool2x2, pool2x2_grad
from .activation import relu_bias_grad
from .runtime.memory import empty, flats


def batch_norm_max_pool(x, mean, var, gamma, beta, *, eps, window, strides, pads, axis=-1, rate=0.0, key=None):
    if pool2x2.fits(window, strides, pads):
        return pool.pool_2x2(x, pool2x2.as_rows(axis, mean, norm.scale_of(var, gamma, eps), beta), rate, key)
    y = norm.batch_norm(as_acb(x, axis), mean, var, gamma, beta, eps=eps).reshape(x.shape)
    return pool.max_pool(y, window=window, strides=strides, pads=pads, rate=rate, key=key)


def batch_norm_max_pool_grad(dy, argmax, x, mean, var, gamma, *, eps, window, strides, pads, axis=-1, rate=0.0):
    if not pool2x2.fits(window, strides, pads):  # pixels in several windows
        dy = pool.max_pool_grad(dy, argmax, x.shape, window=window, strides=strides, pads=pads, rate=rate)
        norm_args = as_acb(dy, axis), as_acb(x, axis), mean, var, gamma
        dx, *rest = norm.batch_norm_grad(*norm_args, eps=eps, batch_stats=True, relu=axis != 1)
        dx = dx.reshape(x.shape)
        if axis == 1:
            dx, db = relu_bias_grad(dx, x)
            rest.append(db)
        return dx, *rest
    windows, norm_of, dgamma, dbeta = pooled_sums(dy, argmax, x, (mean, var, gamma, eps), axis, rate)
    dx, totals = empty(x.shape), empty((pool2x2.blocks(windows.size), x.shape[3]))
    pool2x2_grad.grad(len(totals), windows, norm_of, dx.reshape(-1), totals)
    return dx, dgamma, dbeta, totals.sum(axis=0)


def pooled_sums(dy, argmax, x, batch_norm, axis, rate):
    """The first pass of 2x2 windows: what the second takes (windows, norm), and dgamma and dbeta.

    batch_norm: its mean, var, gamma and eps.
    """
    (mean, var, gamma, eps), size = batch_norm, pool2x2.size_of(x.shape)
    (dy, flat_x, mean), (argmax,) = flats(dy, x, mean), flats(argmax, dtype=np.uint8)
    windows = pool2x2_grad.Windows(dy, argmax, np.float32(1 / (1 - rate)), flat_x, size)
    blocks = pool2x2.blocks(size)
    if axis == 1:
        sums = empty((2, size.images, size.height))
        pool2x2_grad.sums_of_rows(blocks, windows, *pool2x2.as_rows(axis, mean), sums, blocks)
    else:
        sums = empty((2, blocks, size.channels))
        pool2x2_grad.sums_of_channels(blocks, windows, mean, sums)
    (dgamma, dbeta), factors = norm.grad_factors(sums, var, gamma, eps, x.size // len(mean))
    return windows, pool2x2.as_rows(axis, mean, *factors), dgamma, dbeta
