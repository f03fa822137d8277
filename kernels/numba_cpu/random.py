"""Philox4x32-10 and dropout: counted random words, made where they are used.

Why it is fast: 256 counters go through the rounds together, two rounds per pass over four small arrays: LLVM turns such
a pass into vectors of eight 32 x 32 -> 64 bit products, which it does not for ten rounds in one straight line (three
times slower). Dropout makes 1024 words at a time, all in the L1 cache: memory sees x once and y once, and no mask.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

import numpy as np
from numba import njit, prange

from .activation import INNER, PARALLEL, block_count
from .memory import empty

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
BATCH = 256  # counters, of four words each
PAIRS = 5  # pairs of rounds; passed as an argument, or LLVM unrolls them and takes a second longer to compile


@njit(**INNER)
def _round(c0, c1, c2, c3, k0, k1):
    product0, product1 = M0 * c0, M1 * c2
    return (product1 >> HALF) ^ c1 ^ k0, product1 & LOW, (product0 >> HALF) ^ c3 ^ k1, product0 & LOW


@njit(**INNER)
def fill_words(words, first, step, stream, k0, k1, pairs):
    """words (n, 4) = the blocks first .. first + n - 1 of the stream; `pairs` of rounds: 5."""
    c0, c1 = np.empty(BATCH, np.uint64), np.empty(BATCH, np.uint64)
    c2, c3 = np.empty(BATCH, np.uint64), np.empty(BATCH, np.uint64)
    for start in range(0, words.shape[0], BATCH):
        part = words[start : start + BATCH]
        for i in range(part.shape[0]):
            c0[i], c1[i], c2[i], c3[i] = np.uint64(first + start + i), step, stream, 0
        a0, a1 = k0, k1
        for _ in range(pairs):
            b0, b1 = (a0 + W0) & LOW, (a1 + W1) & LOW
            for i in range(part.shape[0]):
                x0, x1, x2, x3 = _round(c0[i], c1[i], c2[i], c3[i], a0, a1)
                c0[i], c1[i], c2[i], c3[i] = _round(x0, x1, x2, x3, b0, b1)
            a0, a1 = (b0 + W0) & LOW, (b1 + W1) & LOW
        for i in range(part.shape[0]):
            part[i, 0], part[i, 1], part[i, 2], part[i, 3] = c0[i], c1[i], c2[i], c3[i]


@njit(**PARALLEL)
def _philox(words, blocks, step, stream, k0, k1, pairs):
    n = words.shape[0]
    for k in prange(blocks):
        first, end = k * n // blocks, (k + 1) * n // blocks
        fill_words(words[first:end], first, step, stream, k0, k1, pairs)


@njit(**INNER)
def _keep(x, words, threshold, scale, y):
    for i in range(x.size):
        y[i] = x[i] * scale if words[i] >= threshold else np.float32(0)


@njit(**INNER)
def _dropout(x, y, first, threshold, scale, step, stream, k0, k1, pairs):
    words = np.empty((BATCH, 4), np.uint32)
    flat = words.reshape(4 * BATCH)
    for start in range(0, x.size, 4 * BATCH):
        x_part, y_part = x[start : start + 4 * BATCH], y[start : start + 4 * BATCH]
        fill_words(words, first + start // 4, step, stream, k0, k1, pairs)
        _keep(x_part, flat, threshold, scale, y_part)


@njit(**PARALLEL)
def _dropout_blocks(x, y, blocks, threshold, scale, step, stream, k0, k1, pairs):
    batches = (x.size + 4 * BATCH - 1) // (4 * BATCH)
    for k in prange(blocks):
        first, end = k * batches // blocks * BATCH, (k + 1) * batches // blocks * BATCH  # counters
        part = slice(4 * first, 4 * end)
        _dropout(x[part], y[part], first, threshold, scale, step, stream, k0, k1, pairs)


def state(key):
    """A key as the last arguments of the functions above."""
    words = key.step, key.stream, key.seed & 0xFFFFFFFF, key.seed >> 32
    return *(np.uint64(word) for word in words), PAIRS


def philox(n, key):
    words = empty(((n + 3) // 4, 4), np.uint32)
    _philox(words, block_count(n), *state(key))
    return words.reshape(-1)[:n]


def dropout(x, *, rate, key):
    x = np.ascontiguousarray(x, np.float32)
    y = empty(x.shape)
    threshold, scale = np.uint64(round(rate * 2**32)), np.float32(1 / (1 - rate))
    _dropout_blocks(x.reshape(-1), y.reshape(-1), block_count(x.size), threshold, scale, *state(key))
    return y
