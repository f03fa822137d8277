"""Mean and variance per channel of an array that is being written: chunk by chunk, each while it is in the cache.

      chunk k:   shift = a rough mean,  s = sum (y - shift),  q = sum (y - shift)^2      in float32
                 mean_k = shift + s/n,  M_k = q - s^2/n                                  in float64
      all:       mean = sum n mean_k / m,   m var = sum M_k + sum n (mean_k - mean)^2    m = sum n

y - shift is exact or nearly so where the deviation is far below the mean, so nothing cancels, however far the mean is
from zero. The result depends on what is a chunk: chunks must follow from the shapes alone, never from the threads.

Source: Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
"""

import numpy as np
from numba import njit

from .activation import INNER, fold
from .memory import empty

NO_MOMENTS, NO_STATS = np.empty((0, 3, 0)), np.empty(0, np.float32)  # for a kernel that is asked for no statistics


def moments_table(chunks: int, channels: int) -> np.ndarray:
    """(chunks, 3, channels): number of values, mean, sum of squares about it."""
    return empty((chunks, 3, channels), np.float64)


def wide_row(channels: int) -> int:
    """Floats of the rows in which a chunk is summed: whole pixels, so that few channels leave no lane idle."""
    return fold(channels) * channels


@njit(**INNER)
def _unfold(wide, channels):
    total = np.zeros(channels, np.float64)
    for start in range(0, wide.size, channels):
        row = wide[start : start + channels]
        for c in range(channels):
            total[c] += row[c]
    return total


@njit(**INNER)
def chunk_moments(y, starts, ends, width, moments):
    """moments (3, C) of the chunk that consists of y[starts[k] : ends[k]], whole pixels (..., C) each."""
    channels = moments.shape[1]
    s, q, shift = np.zeros(width, np.float32), np.zeros(width, np.float32), np.empty(width, np.float32)
    size = 0
    for k in range(starts.size):
        size += ends[k] - starts[k]
        for start in range(starts[k], ends[k], width):
            row = y[start : min(start + width, ends[k])]
            for i in range(row.size):
                s[i] += row[i]
    n = size // channels
    rough = _unfold(s, channels)
    for start in range(0, width, channels):
        part, s_part = shift[start : start + channels], s[start : start + channels]
        for c in range(channels):
            part[c], s_part[c] = rough[c] / n, 0
    for k in range(starts.size):
        for start in range(starts[k], ends[k], width):
            row = y[start : min(start + width, ends[k])]
            for i in range(row.size):
                d = row[i] - shift[i]
                s[i] += d
                q[i] += d * d
    total_s, total_q = _unfold(s, channels), _unfold(q, channels)
    for c in range(channels):
        moments[0, c] = n
        moments[1, c] = np.float64(shift[c]) + total_s[c] / n
        moments[2, c] = total_q[c] - total_s[c] * total_s[c] / n


@njit(**INNER)
def merge(moments, mean, var):
    """mean, var (C,) of all chunks together, from each one's moments (chunks, 3, C)."""
    chunks, _, channels = moments.shape
    m, total, about = np.zeros(channels), np.zeros(channels), np.zeros(channels)
    for k in range(chunks):
        n, mean_k = moments[k, 0], moments[k, 1]
        for c in range(channels):
            m[c] += n[c]
            total[c] += n[c] * mean_k[c]
    for c in range(channels):
        total[c] /= m[c]
    for k in range(chunks):
        n, mean_k, squares_k = moments[k, 0], moments[k, 1], moments[k, 2]
        for c in range(channels):
            about[c] += squares_k[c] + n[c] * (mean_k[c] - total[c]) * (mean_k[c] - total[c])
    for c in range(channels):
        mean[c] = total[c]
        var[c] = 0 if about[c] < 0 else about[c] / m[c]  # rounding must not make it negative, nor NaN zero
