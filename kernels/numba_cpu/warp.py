"""An affine map of every image of a batch, sampled bilinearly (formula: numpy_ref/warp.py).

Why it is fast: nearly every output pixel reads four neighbours inside the image, and takes a path of four loads and
three blends without a modulus or a branch on the fill mode; one image is a task and stays in the L1 cache. Coordinates
are computed afresh for each pixel, in float64: adding up steps would be no faster and would drift.
"""

import math

import numpy as np
from numba import njit, prange

from .activation import INNER, PARALLEL
from .memory import empty

MODES = {"nearest": 0, "constant": 1, "reflect": 2, "wrap": 3}
NEAREST, CONSTANT, REFLECT, WRAP = 0, 1, 2, 3
FAR = 2.0**52  # px: beyond it a float64 has no fraction, and far beyond it no int64; coordinates are cut off here


@njit(**INNER)
def _edge(index, size, mode):
    """The input row (or column) that stands for `index`; always 0 .. size-1, so that no load leaves the image."""
    if mode == REFLECT:
        index = index % (2 * size)
        return min(index, 2 * size - 1 - index)
    if mode == WRAP:
        return index % size
    return min(max(index, 0), size - 1)


@njit(**INNER)
def _value(image, r, s, c, mode, cval):
    height, width, _ = image.shape
    if mode == CONSTANT and (r < 0 or r >= height or s < 0 or s >= width):
        return cval
    return image[_edge(r, height, mode), _edge(s, width, mode), c]


@njit(**INNER)
def _border_pixel(image, r, s, y, mode, cval, scale):
    """A sample that touches the outside, at any distance, or at no place at all (NaN)."""
    if r != r or s != s:
        for c in range(y.size):
            y[c] = np.nan
        return
    r, s = min(max(r, -FAR), FAR), min(max(s, -FAR), FAR)
    r0, s0 = np.int64(math.floor(r)), np.int64(math.floor(s))
    r1, s1 = r0 + 1, s0 + 1
    fr, fs = np.float32(r - r0), np.float32(s - s0)
    one = np.float32(1)
    for c in range(y.size):
        above = (one - fs) * _value(image, r0, s0, c, mode, cval) + fs * _value(image, r0, s1, c, mode, cval)
        below = (one - fs) * _value(image, r1, s0, c, mode, cval) + fs * _value(image, r1, s1, c, mode, cval)
        y[c] = ((one - fr) * above + fr * below) * scale


@njit(**INNER)
def _warp_image(image, matrix, y, mode, cval, scale):
    height, width, channels = image.shape
    one = np.float32(1)
    for i in range(height):
        r_start, s_start = matrix[0, 0] * i + matrix[0, 2], matrix[1, 0] * i + matrix[1, 2]
        for j in range(width):
            r, s = r_start + matrix[0, 1] * j, s_start + matrix[1, 1] * j
            if r >= 0 and s >= 0 and r < height - 1 and s < width - 1:  # false for NaN
                r0, s0 = np.uint64(r), np.uint64(s)  # unsigned: no negative index to wrap around
                fr, fs = np.float32(r - r0), np.float32(s - s0)
                r1, s1 = r0 + np.uint64(1), s0 + np.uint64(1)
                for c in range(channels):
                    above = (one - fs) * image[r0, s0, c] + fs * image[r0, s1, c]
                    below = (one - fs) * image[r1, s0, c] + fs * image[r1, s1, c]
                    y[i, j, c] = ((one - fr) * above + fr * below) * scale
            else:
                _border_pixel(image, r, s, y[i, j], mode, cval, scale)


@njit(**PARALLEL)
def _warp(images, matrices, y, mode, cval, scale):
    for n in prange(images.shape[0]):
        _warp_image(images[n], matrices[n], y[n], mode, cval, scale)


def affine_warp(images, matrices, *, fill_mode, cval, scale):
    images = np.ascontiguousarray(images, np.float32)  # pennies, and one compiled version instead of two
    matrices = np.ascontiguousarray(matrices, np.float64)
    y = empty(images.shape)
    _warp(images, matrices, y, MODES[fill_mode], np.float32(cval), np.float32(scale))
    return y
