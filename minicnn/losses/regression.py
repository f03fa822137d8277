"""Losses of numbers: distances between targets t and outputs y, most of them means over the last axis.

Differs from Keras: get_config holds axis of CosineSimilarity and delta of Huber, which are lost there.
"""

from typing import Any

from ..aliases import DTypeLike
from ..arguments import number, whole
from ..core.tensor import Tensor
from ..ops import arithmetic as A
from ..ops.loss import huber, log_cosh
from .base import EPSILON, Elementwise, tensor


class MeanSquaredError(Elementwise):
    """mean over the last axis of (y - t)^2."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_squared_error",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "mean_squared_error" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        e = y - t
        return A.mean(e * e, axis=-1)


class MeanAbsoluteError(Elementwise):
    """mean over the last axis of |y - t|."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "mean_absolute_error",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "mean_absolute_error" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        return A.mean(A.absolute(y - t), axis=-1)


class MeanAbsolutePercentageError(Elementwise):
    """100 times the mean over the last axis of |y - t| / max(|t|, 1e-7)."""

    def __init__(self, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "mean_absolute_percentage_error", dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "mean_absolute_percentage_error" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        size = A.maximum(A.absolute(tensor(t, y)), EPSILON)
        return A.mean(A.absolute((y - t) / size), axis=-1) * 100.0


class MeanSquaredLogarithmicError(Elementwise):
    """mean over the last axis of (log(1 + y) - log(1 + t))^2, where y and t are at least 1e-7."""

    def __init__(self, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "mean_squared_logarithmic_error", dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "mean_squared_logarithmic_error" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        first, second = (A.log(A.maximum(one, EPSILON) + 1.0) for one in (y, tensor(t, y)))
        e = first - second
        return A.mean(e * e, axis=-1)


class Huber(Elementwise):
    """mean over the last axis of e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2, for e = y - t.

    Source: Huber 1964, "Robust estimation of a location parameter".
    """

    def __init__(self, delta: float = 1.0, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "huber_loss", dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "huber_loss" if name is None else name, dtype)
        self.delta = number("Huber: delta", delta, above=0)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        return A.mean(huber(y - t, delta=self.delta), axis=-1)


class LogCosh(Elementwise):
    """mean over the last axis of log cosh(y - t): as e^2 / 2 for small errors, as |e| - log 2 for large ones."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "log_cosh",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "log_cosh" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        return A.mean(log_cosh(y - t), axis=-1)


class CosineSimilarity(Elementwise):
    """-sum over `axis` of t y / (|t| |y|): -1 where they point the same way."""

    def __init__(self, axis: int = -1, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "cosine_similarity", dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "cosine_similarity" if name is None else name, dtype)
        self.axis = whole("CosineSimilarity: axis", axis, low=None)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        t, y = (one / A.sqrt(A.maximum(A.total(one * one, axis=self.axis, keepdims=True), EPSILON**2))
                for one in (tensor(t, y), y))  # fmt: skip
        return -A.total(t * y, axis=self.axis)


class KLDivergence(Elementwise):
    """sum over the last axis of t log(t / y), both clipped to [1e-7, 1].  Source: Kullback & Leibler 1951."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "kl_divergence",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "kl_divergence" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        t, y = (A.clip(one, low=EPSILON, high=1.0) for one in (tensor(t, y), y))
        return A.total(t * (A.log(t) - A.log(y)), axis=-1)


class Poisson(Elementwise):
    """mean over the last axis of y - t log(y + 1e-7): a Poisson distribution's negative log-likelihood, up to what does
    not depend on y.
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "poisson",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "poisson" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        return A.mean(y - A.multiply(A.log(y + EPSILON), t), axis=-1)
