"""keras.utils.set_random_seed, normalize and to_categorical."""

import random

import numpy as np

from ..arguments import named
from ..core.tensor import Tensor
from ..data import batches
from . import _random


def set_random_seed(seed: int) -> None:
    """Seed Python's and NumPy's generators; models that are made after it, without a seed, repeat themselves."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (scripts draw from it)
    _random.forget()


def normalize(x, axis=-1, order=2) -> np.ndarray:
    """x / its norm along `axis`; where that is 0, x."""
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm[norm == 0] = 1
    return np.asarray(x) / np.expand_dims(norm, axis)


@named
def to_categorical(y, num_classes=None):
    """minicnn.to_categorical; of a tensor a tensor, on the same device."""
    found = batches.to_categorical(y, num_classes)
    return Tensor(found, y.be) if isinstance(y, Tensor) else found
