"""Batch norm, along the last axis or the rows, and max-pooling in one: 2x2 windows in one pass (backward: two)."""

import numpy as np

from ..contract import as_acb
from . import norm as norms
from . import pool as pools
from . import pool2x2, pool2x2_grad
from .activation import relu_bias_grad
from .runtime.memory import empty, flats


def batch_norm_max_pool(x, norm, *, pool):
    mean, var, gamma, beta, eps, axis = norm
    if pool2x2.fits(*pool2x2.geometry(pool)):
        values = pool2x2.as_rows(axis, mean, norms.scale_of(var, gamma, eps), beta)
        return pools.pool_2x2(x, values, pool.get("rate", 0.0), pool.get("key"))
    return pools.max_pool(norms.batch_norm(as_acb(x, axis), *norm[:4], eps=eps).reshape(x.shape), **pool)


def batch_norm_max_pool_grad(dy, argmax, x, norm, *, pool):
    *values, eps, axis = norm
    if not pool2x2.fits(*pool2x2.geometry(pool)):  # pixels in several windows
        dy = pools.max_pool_grad(dy, argmax, x.shape, **pool)
        given = as_acb(dy, axis), as_acb(x, axis), *values
        dx, *rest = norms.batch_norm_grad(*given, eps=eps, batch_stats=True, relu=axis != 1)
        dx = dx.reshape(x.shape)
        if axis == 1:
            dx, db = relu_bias_grad(dx, x)
            rest.append(db)
        return dx, *rest
    windows, norm_of, dgamma, dbeta = pooled_sums(dy, argmax, x, norm, pool.get("rate", 0.0))
    dx, totals = empty(x.shape), empty((pool2x2.blocks(windows.size), x.shape[3]))
    pool2x2_grad.grad(len(totals), windows, norm_of, dx.reshape(-1), totals)
    return dx, dgamma, dbeta, totals.sum(axis=0)


def pooled_sums(dy, argmax, x, norm, rate):
    """The first pass of 2x2 windows: what the second takes (windows, norm), and dgamma and dbeta.

    norm: (mean, var, gamma, eps, axis)
    """
    (mean, var, gamma, eps, axis), size = norm, pool2x2.size_of(x.shape)
    (dy, flat_x, mean), (argmax,) = flats(dy, x, mean), flats(argmax, dtype=np.uint8)
    windows = pool2x2_grad.Windows(dy, argmax, np.float32(1 / (1 - rate)), flat_x, size)
    blocks = pool2x2.blocks(size)
    if axis == 1:
        sums = empty((2, size.images, size.height))
        pool2x2_grad.sums_of_rows(blocks, windows, pool2x2.as_rows(axis, mean)[0], sums, blocks)
    else:
        sums = empty((2, blocks, size.channels))
        pool2x2_grad.sums_of_channels(blocks, windows, mean, sums)
    (dgamma, dbeta), factors = norms.grad_factors(sums, var, gamma, eps, x.size // len(mean))
    return windows, pool2x2.as_rows(axis, mean, *factors), dgamma, dbeta
