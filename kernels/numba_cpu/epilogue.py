"""What becomes of a product's sums while they are in the cache: y = scale max(sums + bias, floor) + shift."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .codegen.jit import inner
from .codegen.microkernel import whole_vectors
from .runtime.memory import flats

NO_FLOOR, ZERO = np.float32(-np.inf), np.float32(0)
NO_AFFINE = np.zeros(0, np.float32), np.zeros(0, np.float32)  # no scale and no shift, for compiled functions


class Epilogue(NamedTuple):
    """A bias in whole vectors, -inf or with a ReLU 0, and a scale and a shift per filter, or two empty arrays."""

    bias: np.ndarray
    floor: np.float32
    scale: np.ndarray
    shift: np.ndarray


def epilogue(filters: int, bias, relu: bool = False, affine=None) -> Epilogue:
    """bias (filters,) or None; affine (scale, shift) or None."""
    seed = np.zeros(whole_vectors(filters), np.float32)
    if bias is not None:
        seed[:filters] = bias
    return Epilogue(seed, ZERO if relu else NO_FLOOR, *(NO_AFFINE if affine is None else flats(*affine)))


@lru_cache(512)
def nothing(filters: int) -> Epilogue:
    """y = the sums."""
    return epilogue(filters, None)


@inner
def scale_and_shift(y, start, n, scale, shift, first):
    """y[start : start + n] = scale y + shift, with the values from `first` on."""
    row, scale, shift = y[start : start + n], scale[first : first + n], shift[first : first + n]
    for k in range(row.size):
        row[k] = row[k] * scale[k] + shift[k]
