"""Input checks of the reports: labels in any usual form, images in any usual scale."""

import numpy as np

from ..arguments import array
from ..errors import DataError, require

MOST = 1 << 16  # classes: what is counted class by class takes memory for each


def classes_of(y: np.ndarray, where: str) -> np.ndarray:
    """Class numbers (N,) from labels (N,) or (N, 1), or from one-hot rows or probabilities (N, K).

    Raises DataError for another shape, for fractions and for negative numbers.
    """
    y = array(where, y, error=DataError)
    if y.ndim == 2 and y.shape[1]:
        y = y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)
    require(y.ndim == 1, where, "labels of shape (N,) or (N, classes)", f"shape {y.shape}", error=DataError)
    with np.errstate(invalid="ignore"):
        whole = y.astype(np.int64)
    for row in np.flatnonzero((whole != y) | (whole < 0) | (whole >= MOST))[:1]:
        expected = f"whole numbers from 0 to {MOST - 1} as labels"
        require(False, where, expected, f"{y[row]} in row {row}", error=DataError)
    return whole


def same_length(where: str, **arrays: np.ndarray) -> None:
    """Raise DataError unless all have one length."""
    lengths = {name: len(array) for name, array in arrays.items()}
    listed = ", ".join(f"{length} {name}" for name, length in lengths.items())
    require(len(set(lengths.values())) == 1, where, "arrays of one length", listed, error=DataError)


def fractions_of(x: np.ndarray, where: str) -> np.ndarray:
    """Images as fractions 0..1, (N, H, W) or (N, H, W, 3), from uint8 or floats, 0..255 or 0..1, with any usual axes.

    Raises DataError for another shape, for no image at all, and for what is no finite number.
    """
    x = array(where, x, finite=True, error=DataError)
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    good = x.ndim == 3 or (x.ndim == 4 and x.shape[3] == 3)
    require(good, where, "images of shape (N, H, W) or (N, H, W, 1 or 3)", f"shape {x.shape}", error=DataError)
    require(x.size > 0, where, "at least one image", f"none: shape {x.shape}", error=DataError)
    if x.dtype == np.uint8 or (x.size and x.max() > 2):  # not 1: a rescaled white pixel may be 1.0000001
        x = x / 255
    return np.clip(x, 0, 1)
