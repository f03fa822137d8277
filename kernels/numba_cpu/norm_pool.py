"""Batch norm along the last axis and max-pooling in one: 2x2 windows by pool2x2.py, any others in two steps."""

import numpy as np

from . import norm, pool, pool2x2
from .memory import empty


def _as_acb(x):
    """Images (N, H, W, C) as (A, C, 1)."""
    return x.reshape(-1, x.shape[3], 1)


def batch_norm_max_pool(x, mean, var, gamma, beta, *, eps, window, strides, pads, rate=0.0, key=None):
    if pool2x2.fits(window, strides, pads):
        return pool.pool_2x2(x, mean, norm.scale_of(var, gamma, eps), beta, rate, key)
    y = norm.batch_norm(_as_acb(x), mean, var, gamma, beta, eps=eps).reshape(x.shape)
    return pool.max_pool(y, window=window, strides=strides, pads=pads, rate=rate, key=key)


def batch_norm_max_pool_grad(dy, argmax, x, mean, var, gamma, *, eps, window, strides, pads, rate=0.0):
    tiled = pool2x2.fits(window, strides, pads) and x.shape[1] % 2 == x.shape[2] % 2 == 0
    if not tiled:  # pixels in no window, or in several
        dy = pool.max_pool_grad(dy, argmax, x.shape, window=window, strides=strides, pads=pads, rate=rate)
        given = _as_acb(dy), _as_acb(x), mean, var, gamma
        dx, *rest = norm.batch_norm_grad(*given, eps=eps, batch_stats=True, relu=True)
        return dx.reshape(x.shape), *rest
    size, dx, mean, keep = pool2x2.size_of(x.shape), empty(x.shape), pool.flat(mean), np.float32(1 / (1 - rate))
    given = pool.flat(dy), pool.flat(argmax, np.uint8), keep, pool.flat(x), size, mean
    sums = empty((2, pool2x2.blocks(size), size.channels))
    pool2x2.sums(*given, sums)
    (dgamma, dbeta), factors = norm.grad_factors(sums, var, gamma, eps, x.size // size.channels)
    pool2x2.grad(*given, *factors, dx.reshape(-1), sums[0])
    return dx, dgamma, dbeta, sums[0].sum(axis=0)
