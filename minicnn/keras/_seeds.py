"""keras.utils.set_random_seed, normalize and to_categorical."""

import random
from typing import Any

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


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """x / its norm along `axis`; where that is 0, x.  Of a tensor a tensor, which is a constant."""
    array = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(array, order, axis))
    norm[norm == 0] = 1
    found = array / np.expand_dims(norm, axis)
    return Tensor(found, x.be) if isinstance(x, Tensor) else found


@named
def to_categorical(y, num_classes=None, dtype=None):
    """minicnn.to_categorical; of a tensor a tensor, on the same device.  dtype: Keras 2's word for another type."""
    found = batches.to_categorical(y, num_classes)
    found = found if dtype is None else found.astype(dtype)
    return Tensor(found, y.be) if isinstance(y, Tensor) else found
