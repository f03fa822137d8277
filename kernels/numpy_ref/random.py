"""Counted random numbers: word i of a stream is a function of (seed, step, stream, i), on any device, in any order.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox4x32-10.
"""

import numpy as np

from .namespace import namespace

ROUNDS = 10
MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
KEY_STEPS = 0x9E3779B9, 0xBB67AE85  # the golden ratio and sqrt(3) - 1, as the authors' Weyl sequence
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox(n, key):
    return words(np, n, key)


def words(xp, n, key, shape=None):
    """philox as an array of the module xp.  shape: of the array that they are for, whose rows Key counts."""
    first = key.row if shape is None else key.first(shape)
    blocks = xp.arange(first, first + (n + 3) // 4, dtype=np.uint64)
    c0, c1 = blocks, xp.full_like(blocks, key.step)
    c2, c3 = xp.full_like(blocks, key.stream), xp.zeros_like(blocks)
    k0, k1 = key.seed & 0xFFFFFFFF, key.seed >> 32
    for _ in range(ROUNDS):
        product0, product1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2  # 32 x 32 -> 64 bits
        c0, c1 = (product1 >> HALF) ^ c1 ^ np.uint64(k0), product1 & LOW
        c2, c3 = (product0 >> HALF) ^ c3 ^ np.uint64(k1), product0 & LOW
        k0, k1 = (k0 + KEY_STEPS[0]) & 0xFFFFFFFF, (k1 + KEY_STEPS[1]) & 0xFFFFFFFF
    return xp.stack([c0, c1, c2, c3], axis=1).astype(np.uint32).reshape(-1)[:n]


def dropout(x, *, rate, key):
    xp = namespace(x)
    keep = words(xp, x.size, key, x.shape) >= round(rate * 2**32)
    return xp.where(keep.reshape(x.shape), x * x.dtype.type(1 / (1 - rate)), x.dtype.type(0))
