"""Weights of samples and timesteps: which shapes fit the values that they multiply. Losses and metrics share this."""

from typing import Any

import numpy as np

from .aliases import ArrayLike
from .arguments import array
from .errors import DataError, require


def check_weights(sample_weight: ArrayLike) -> np.ndarray:
    """As float64.  Raises DataError for what is no number, not finite, or beyond float32."""
    weights = array("sample_weight", sample_weight, error=DataError)
    weights = weights.astype(np.float64)
    require(bool(np.isfinite(weights).all()), "sample_weight", "finite numbers", "NaN or infinity", error=DataError)
    return weights


def aligned(where: str, weights: Any, shape: tuple[int, ...]) -> Any:
    """The weights with as many axes as the values of `shape` that they multiply, from the first axis on.

    One for all (), of samples (N,) or (N, 1), of timesteps (N, T), ...: an axis of 1 stands for all along it.
    Raises ShapeError.

        Differs from Keras: there the last axes are matched, so that (N,) for values (N, T) is an error, or, where
        N = T, weighs the timesteps.
    """
    given = tuple(weights.shape)
    kept = given
    while len(kept) > len(shape) and kept[-1] == 1:
        kept = kept[:-1]
    fits = len(kept) <= len(shape) and all(w in (1, n) for w, n in zip(kept, shape, strict=False))
    expected = f"sample_weight of shape ({shape[0]},)" if len(shape) == 1 else f"sample_weight of a shape like {shape}"
    require(fits, where, expected if shape else "one sample_weight", given)
    return weights.reshape(*kept, *[1] * (len(shape) - len(kept)))
