"""Host side of activation.cu: ReLU, its gradient, and bias gradients."""

import math

import numpy as np

from .launch import THREADS, blocks

PARTS = 528  # at most: shares of the rows in stage 1, four blocks per multiprocessor of a large GPU


def geometry(rows, c, b):
    """lanes, grid, count of parts: how stage 1 divides rows x c values; it follows from the shape alone."""
    lanes = 1 if b > 1 else min(32, 1 << (c - 1).bit_length())
    count = max(1, min(PARTS, rows // (8 * (THREADS // lanes))))  # a thread has at least 8 rows, or there is one part
    return lanes, (blocks(c, lanes), count), count


def sums(gpu, grid, planes, count, c):
    """parts, total, arrived: what a kernel of columns.cuh writes its sums to, in two stages; total (planes, C)."""
    empty = gpu.xp.empty
    return empty((planes, count, c), np.float32), empty((planes, c), np.float32), gpu.arrived(grid[0])


def _rows(shape):
    return math.prod(shape[:-1]), shape[-1]


def relu(gpu, x):
    y = gpu.xp.empty_like(x)
    gpu("activation", "relu", blocks(x.size), THREADS, x, y, x.size)
    return y


def relu_grad(gpu, dy, y):
    dx = gpu.xp.empty_like(dy)
    gpu("activation", "relu_grad", blocks(dy.size), THREADS, dy, y, dx, dy.size)
    return dx


def erf(gpu, x):
    """The error function of every element; not of the contract: the backend's `erf`."""
    y = gpu.xp.empty_like(x)
    gpu("activation", "error_function", blocks(x.size), THREADS, x, y, x.size)
    return y


def bias_grad(gpu, dy):
    rows, c = _rows(dy.shape)
    lanes, grid, count = geometry(rows, c, 1)
    to = sums(gpu, grid, 1, count, c)
    gpu("activation", "bias_parts", grid, THREADS, dy, *to, rows, c, lanes)
    return to[1][0]


def relu_bias_grad(gpu, dy, y):
    return scaled_relu_bias_grad(gpu, dy, y, 1.0)


def scaled_relu_bias_grad(gpu, dy, y, scale):
    """relu_bias_grad of scale * dy."""
    rows, c = _rows(dy.shape)
    lanes, grid, count = geometry(rows, c, 1)
    dx, to = gpu.xp.empty_like(dy), sums(gpu, grid, 1, count, c)
    gpu("activation", "relu_bias_parts", grid, THREADS, dy, y, dx, *to, rows, c, lanes, scale)
    return dx, to[1][0]
