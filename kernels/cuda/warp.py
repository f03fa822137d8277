"""Host side of warp.cu: the augmentation's affine map."""

import numpy as np

from ..contract import FILL_MODES
from .launch import THREADS, blocks


def affine_warp(gpu, images, matrices, *, fill_mode, cval, scale):
    y = gpu.xp.empty(images.shape, np.float32)
    kernel = "affine_warp_bytes" if images.dtype == np.uint8 else "affine_warp_floats"
    numbers = y.size, *images.shape[1:], FILL_MODES.index(fill_mode), cval, scale, None, None
    gpu("warp", kernel, blocks(y.size), THREADS, images, matrices, y, *numbers)
    return y
