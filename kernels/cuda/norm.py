"""Host side of norm.cu: batch normalisation of x (A, C, B), alone and with the pooling that follows it."""

import math

import numpy as np

from ..contract import as_acb
from . import pool as pools
from .activation import geometry, relu_bias_grad, sums
from .launch import THREADS, blocks
from .random import drop


def batch_norm_stats(gpu, x):
    (a, c, b), xp = x.shape, gpu.xp
    lanes, grid, count = geometry(a * b, c, b)
    parts = xp.empty((4, count, c), np.float32)
    mean, var = xp.empty(c, np.float32), xp.empty(c, np.float32)
    gpu("norm", "moment_parts", grid, THREADS, x, parts, mean, var, gpu.arrived(grid[0]), a * b, c, b, lanes)
    return mean, var


def batch_norm(gpu, x, mean, var, gamma, beta, *, eps):
    y = gpu.xp.empty_like(x)
    _, c, b = x.shape
    gpu("norm", "batch_norm", blocks(x.size), THREADS, x, mean, var, gamma, beta, y, x.size, c, b, eps)
    return y


def batch_norm_dropout(gpu, x, mean, var, gamma, beta, *, eps, rate, key):
    """dropout(batch_norm(x)) of x (N, C, 1) in one launch; not of the contract."""
    y, c = gpu.xp.empty_like(x), x.shape[1]
    known = x, mean, var, gamma, beta, y
    gpu("norm", "batch_norm_dropout", blocks(x.size), THREADS, *known, x.size, c, eps, *drop(rate, key, x.shape))
    return y


def batch_norm_dropout_grad(gpu, dy, x, mean, var, gamma, *, eps, rate, key):
    """batch_norm_grad(dropout(dy), .., relu=True) of dy, x (N, C, 1) in two launches; not of the contract."""
    (n, c, _), draws = x.shape, drop(rate, key, x.shape)
    lanes, grid, count = geometry(n, c, 1)
    to = sums(gpu, grid, 2, count, c)
    gpu("norm", "dropout_norm_parts", grid, THREADS, dy, x, mean, var, *to, n, c, lanes, eps, *draws)
    dbeta, dgamma, dx = to[1][0], to[1][1], gpu.xp.empty_like(x)
    to = sums(gpu, grid, 1, count, c)
    known = dy, x, mean, var, gamma, dgamma, dbeta, dx, *to
    gpu("norm", "dropout_norm_relu_parts", grid, THREADS, *known, n, c, lanes, 1 / n if n else 0.0, eps, *draws)
    return dx, dgamma, dbeta, to[1][0]


def batch_norm_grad(gpu, dy, x, mean, var, gamma, *, eps, batch_stats, relu=False) -> tuple:
    (a, c, b), xp = x.shape, gpu.xp
    lanes, grid, count = geometry(a * b, c, b)
    to = sums(gpu, grid, 2, count, c)
    gpu("norm", "norm_grad_parts", grid, THREADS, dy, x, mean, var, *to, a * b, c, b, lanes, eps)
    dbeta, dgamma = to[1][0], to[1][1]
    dx, inverse_m = xp.empty_like(x), 1 / (a * b) if batch_stats and a * b else 0.0
    known = dy, x, mean, var, gamma, dgamma, dbeta, dx
    if not relu:
        gpu("norm", "batch_norm_grad", blocks(x.size), THREADS, *known, x.size, c, b, inverse_m, eps)
        return dx, dgamma, dbeta
    to = sums(gpu, grid, 1, count, c)
    gpu("norm", "norm_relu_parts", grid, THREADS, *known, *to, a, c, lanes, inverse_m, eps)
    return dx, dgamma, dbeta, to[1][0]


def batch_norm_max_pool(gpu, x, norm, *, pool):
    *values, eps, axis = norm
    if axis == 1:
        return pools.max_pool(gpu, batch_norm(gpu, as_acb(x, 1), *values, eps=eps).reshape(x.shape), **pool)
    return pools.normalised_max_pool(gpu, x, norm[:-1], **pool)


def batch_norm_max_pool_grad(gpu, dy, argmax, x, norm, *, pool):
    mean, var, gamma, eps, axis = norm
    if axis == 1 or argmax.dtype != np.uint8:  # by row, or a window of more than 255 cells: one after the other
        dy = pools.max_pool_grad(gpu, dy, argmax, x.shape, **pool)
        norm_args = as_acb(dy, axis), as_acb(x, axis), mean, var, gamma
        dx, dgamma, dbeta = batch_norm_grad(gpu, *norm_args, eps=eps, batch_stats=True)
        dx, db = relu_bias_grad(gpu, dx.reshape(x.shape), x)
        return dx, dgamma, dbeta, db
    c, (window, strides, pads) = x.shape[3], (pool[name] for name in ("window", "strides", "pads"))
    numbers = *x.shape[1:3], *dy.shape[1:3], *window, *strides, pads[0][0], pads[1][0], 1 / (1 - pool.get("rate", 0.0))
    rows = math.prod(dy.shape[:3])
    lanes, grid, count = geometry(rows, c, 1)
    to = sums(gpu, grid, 2, count, c)
    known = dy, argmax, x, mean, var
    gpu("norm", "pool_norm_parts", grid, THREADS, *known, *to, rows, c, lanes, *numbers, eps)
    dbeta, dgamma = to[1][0], to[1][1]
    rows = math.prod(x.shape[:3])
    lanes, grid, count = geometry(rows, c, 1)
    dx, to = gpu.xp.empty_like(x), sums(gpu, grid, 1, count, c)
    known = *known, gamma, dgamma, dbeta, dx, *to
    numbers = *numbers, 1 / rows if rows else 0.0, eps
    gpu("norm", "pool_norm_relu_parts", grid, THREADS, *known, rows, c, lanes, *numbers)
    return dx, dgamma, dbeta, to[1][0]
