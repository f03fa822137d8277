"""Host side of random.cu: Philox words and dropout."""

import numpy as np

from .launch import THREADS, blocks


def counter(key, first):
    """seed_low, seed_high, step, stream, first, device_step: what kernels take for a Key and a first block.

    The Key's step may be a uint32 array (1,) on the device: it is then `device_step`, which a recorded step reads.
    """
    step, device_step = (0, key.step) if getattr(key.step, "shape", ()) else (key.step, None)
    return key.seed & 0xFFFFFFFF, key.seed >> 32, step, key.stream, first, device_step


def drop(rate, key, shape):
    """threshold, scale and the counter of dropout of an array of this shape: what the kernels take."""
    return round(rate * 2**32), 1 / (1 - rate), *counter(key, key.first(shape))


def philox(gpu, n, key):
    words = gpu.xp.empty(n, np.uint32)
    gpu("random", "philox", blocks(n, 4 * THREADS), THREADS, words, n, *counter(key, key.row))
    return words


def dropout(gpu, x, *, rate, key):
    if not gpu.aligned(x):
        x = x.copy()  # the kernel reads four elements at a time
    y = gpu.xp.empty_like(x)
    gpu("random", "dropout", blocks(x.size, 4 * THREADS), THREADS, x, y, x.size, *drop(rate, key, x.shape))
    return y
