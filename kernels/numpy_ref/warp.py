"""An affine map of every image of a batch, sampled bilinearly.

Output pixel (i, j) reads the four input pixels around (r, s) = M (i, j, 1), weighted by the areas opposite to them:

      (r0, s0) ---- (r0, s1)       fr = r - r0,  fs = s - s0
          |   . (r, s)  |          y = (1-fr)(1-fs) x[r0,s0] + (1-fr) fs x[r0,s1] + fr (1-fs) x[r1,s0] + fr fs x[r1,s1]
      (r1, s0) ---- (r1, s1)
"""

import numpy as np

from .namespace import namespace


def _edge(xp, index, size, fill_mode):
    """The input row (or column) that stands for `index`, which may lie outside 0 .. size-1."""
    if fill_mode == "reflect":  # dcba|abcd|dcba: period 2 size
        index = index % (2 * size)
        return xp.minimum(index, 2 * size - 1 - index)
    if fill_mode == "wrap":
        return index % size
    return xp.clip(index, 0, size - 1)


def affine_warp(images, matrices, *, fill_mode, cval, scale):
    xp = namespace(images)
    n, height, width, _ = images.shape
    i, j = xp.meshgrid(xp.arange(height), xp.arange(width), indexing="ij")
    grid = xp.stack([i, j, xp.ones_like(i)]).reshape(3, -1)  # (3, H*W)
    r, s = xp.moveaxis(matrices @ grid, 1, 0).reshape(2, n, height, width)
    dtype = images.dtype if images.dtype.kind == "f" else np.dtype("float32")
    r0, s0 = xp.floor(r).astype(np.int64), xp.floor(s).astype(np.int64)
    fr, fs = (r - r0)[..., None].astype(dtype), (s - s0)[..., None].astype(dtype)
    which = xp.arange(n)[:, None, None]

    def pixel(row, column):
        value = images[which, _edge(xp, row, height, fill_mode), _edge(xp, column, width, fill_mode)].astype(dtype)
        if fill_mode == "constant":
            outside = (row < 0) | (row >= height) | (column < 0) | (column >= width)
            value[outside] = cval
        return value

    above = (1 - fs) * pixel(r0, s0) + fs * pixel(r0, s0 + 1)
    below = (1 - fs) * pixel(r0 + 1, s0) + fs * pixel(r0 + 1, s0 + 1)
    return ((1 - fr) * above + fr * below) * dtype.type(scale)
