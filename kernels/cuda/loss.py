"""Host side of loss.cu: softmax, and softmax with cross-entropy."""

import math

from .launch import THREADS, blocks

ROWS = THREADS // 32  # of a block: one per warp


def softmax(gpu, z):
    p, rows = gpu.xp.empty_like(z), math.prod(z.shape[:-1])
    gpu("loss", "softmax", blocks(rows, ROWS), THREADS, z, p, rows, z.shape[-1])
    return p


def rows_of(n: int) -> int:
    """Blocks along y for n rows; where there would be more than a grid has, each takes several."""
    return max(1, min(blocks(n, ROWS), 65535))


def summed_cross_entropy(gpu, z, t, *, scale):
    """scale times the sum of softmax_cross_entropy, a scalar, and its dz, in one launch; not of the contract."""
    empty, (n, k) = gpu.xp.empty, z.shape
    loss, total, dz = empty(n, z.dtype), empty((), z.dtype), gpu.xp.empty_like(z)
    arrays = z, t, loss, total, dz, gpu.arrived(1)
    gpu("loss", "summed_cross_entropy", (1, rows_of(n)), THREADS, *arrays, n, k, scale)
    return total, dz


def softmax_cross_entropy(gpu, z, t):
    loss, dz = gpu.xp.empty(z.shape[0], z.dtype), gpu.xp.empty_like(z)
    gpu("loss", "softmax_cross_entropy", blocks(z.shape[0], ROWS), THREADS, z, t, loss, dz, *z.shape)
    return loss, dz
