"""Every loss as a function (y_true, y_pred) -> per-sample values, for losses of your own and for compile(loss=...).

From tensors it makes a tensor, with gradients; from arrays an array.
"""

import inspect
from collections.abc import Callable
from typing import Any

from ..arguments import array, named
from ..core.tensor import Tensor
from ..ops.compare import equal, not_equal
from . import crossentropy, margin, overlap, regression
from .base import Loss, answered, tensor

_CLASSES = {
    "binary_crossentropy": crossentropy.BinaryCrossentropy,
    "binary_focal_crossentropy": crossentropy.BinaryFocalCrossentropy,
    "categorical_crossentropy": crossentropy.CategoricalCrossentropy,
    "categorical_focal_crossentropy": crossentropy.CategoricalFocalCrossentropy,
    "categorical_generalized_cross_entropy": crossentropy.CategoricalGeneralizedCrossEntropy,
    "categorical_hinge": margin.CategoricalHinge,
    "cosine_similarity": regression.CosineSimilarity,
    "dice": overlap.Dice,
    "hinge": margin.Hinge,
    "huber": regression.Huber,
    "kl_divergence": regression.KLDivergence,
    "log_cosh": regression.LogCosh,
    "mean_absolute_error": regression.MeanAbsoluteError,
    "mean_absolute_percentage_error": regression.MeanAbsolutePercentageError,
    "mean_squared_error": regression.MeanSquaredError,
    "mean_squared_logarithmic_error": regression.MeanSquaredLogarithmicError,
    "poisson": regression.Poisson,
    "sparse_categorical_crossentropy": crossentropy.SparseCategoricalCrossentropy,
    "squared_hinge": margin.SquaredHinge,
    "tversky": overlap.Tversky,
}
_COMMON = ("reduction", "name", "dtype")


def _function(name: str, cls: type[Loss]) -> Callable:
    options = [p for p in inspect.signature(cls).parameters.values() if p.name not in _COMMON]
    both = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("y_true", "y_pred")]
    signature = inspect.Signature([*both, *options])

    def function(*args, **kwargs):
        given = signature.bind(*args, **kwargs).arguments
        loss = cls(reduction="none", **{k: v for k, v in given.items() if k not in ("y_true", "y_pred")})
        return _values(loss, given["y_true"], given["y_pred"])

    function.__name__ = function.__qualname__ = name
    function.__doc__, function.__signature__ = cls.__doc__, signature
    return named(function)


def _values(loss: Loss, y_true, y_pred):
    if not isinstance(y_true, Tensor):
        t, y = loss.pair(y_true, y_pred)
        found = loss.values(t, y)
        return found if isinstance(y_pred, Tensor) else answered(found)
    y = y_pred if isinstance(y_pred, Tensor) else tensor(array(f"{loss.name}: y_pred", y_pred), y_true)
    t = y_true
    if isinstance(loss, crossentropy.SparseCategoricalCrossentropy):
        t = one_hot(loss, t, y)
    elif t.ndim + 1 == y.ndim and y.shape[-1] == 1:
        t = t.reshape(*t.shape, 1)
    elif t.ndim == y.ndim + 1 and t.shape[-1] == 1:
        t = t.reshape(*y.shape)
    return loss.values(t, y)


def one_hot(loss: Any, t: Tensor, y: Tensor) -> Tensor:
    """Class numbers on a device as one-hot rows, which nobody has checked: another number than a class is no class."""
    at = loss.axis % y.ndim
    kept = t.reshape(*y.shape[:at], 1, *y.shape[at + 1 :])
    numbers = [1] * y.ndim
    numbers[at] = y.shape[at]
    classes = y.be.xp.arange(y.shape[at], dtype=y.be.dtype).reshape(numbers)
    found = equal(kept, classes)
    return found if loss.ignore_class is None else found * not_equal(kept, loss.ignore_class)


FUNCTIONS: dict[str, Callable] = {name: _function(name, cls) for name, cls in _CLASSES.items()}
BY_FUNCTION: dict[Callable, type[Loss]] = {FUNCTIONS[name]: cls for name, cls in _CLASSES.items()}
