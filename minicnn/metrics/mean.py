"""Metrics that are the mean of a function's values over the samples."""

import math
from typing import Any

import numpy as np

from .. import losses
from ..aliases import ArrayLike, DTypeLike
from ..arguments import choice, flag, whole
from ..weighting import aligned, check_weights
from . import functions as F
from .base import MeanMetricWrapper


class Accuracy(MeanMetricWrapper):
    """The share of y = p exactly: for predicted labels. For probabilities pass the name "accuracy", as in Keras."""

    def __init__(self, name: str = "accuracy", dtype: DTypeLike = None):
        super().__init__(F.equality, name, dtype=dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """The share of (p > threshold) = y."""

    def __init__(self, name: str = "binary_accuracy", dtype: DTypeLike = None, threshold: float = 0.5):
        super().__init__(F.binary_accuracy, name, dtype=dtype, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """The share of argmax(y) = argmax(p)."""

    def __init__(self, name: str = "categorical_accuracy", dtype: DTypeLike = None):
        super().__init__(F.categorical_accuracy, name, dtype=dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """The share of y = argmax(p)."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: DTypeLike = None):
        super().__init__(F.sparse_categorical_accuracy, name, dtype=dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose true class is among the k largest scores, for one-hot y."""

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: DTypeLike = None):
        super().__init__(F.top_k_categorical_accuracy, name, dtype=dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """The same for integer y.  from_sorted_ids: the outputs are class numbers, the best first."""

    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy", dtype: DTypeLike = None,
                 from_sorted_ids: bool = False):  # fmt: skip
        self.from_sorted_ids = flag(f"{type(self).__name__}: from_sorted_ids", from_sorted_ids)
        options: dict[str, Any] = {"from_sorted_ids": True} if self.from_sorted_ids else {}
        super().__init__(F.sparse_top_k_categorical_accuracy, name, dtype=dtype, k=k, **options)


class MeanSquaredError(MeanMetricWrapper):
    """The mean of (y - p)^2."""

    def __init__(self, name: str = "mean_squared_error", dtype: DTypeLike = None):
        super().__init__(F.mean_squared_error, name, dtype=dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of |y - p|."""

    def __init__(self, name: str = "mean_absolute_error", dtype: DTypeLike = None):
        super().__init__(F.mean_absolute_error, name, dtype=dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """100 times the mean of |y - p| / |y|."""

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: DTypeLike = None):
        super().__init__(losses.mean_absolute_percentage_error, name, dtype=dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of (log(1 + y) - log(1 + p))^2."""

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: DTypeLike = None):
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype=dtype)


class RootMeanSquaredError(MeanMetricWrapper):
    """The root of the mean over all samples, not the mean of the batches' roots."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: DTypeLike = None):
        super().__init__(F.mean_squared_error, name, dtype=dtype)

    def result(self) -> float:
        return math.sqrt(super().result())


class LogCoshError(MeanMetricWrapper):
    """The mean of log cosh(p - y)."""

    def __init__(self, name: str = "logcosh", dtype: DTypeLike = None):
        super().__init__(losses.log_cosh, name, dtype=dtype)


class CosineSimilarity(MeanMetricWrapper):
    """The mean of sum y p / (|y| |p|) over `axis`: 1 where they point the same way."""

    def __init__(self, name: str = "cosine_similarity", dtype: DTypeLike = None, axis: int = -1):
        super().__init__(F.cosine_similarity, name, dtype=dtype, axis=axis)


class PearsonCorrelation(MeanMetricWrapper):
    """The mean over samples of the correlation of y and p along `axis`."""

    def __init__(self, name: str = "pearson_correlation", dtype: DTypeLike = None, axis: int = -1):
        super().__init__(F.pearson_correlation, name, dtype=dtype, axis=axis)


class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean over samples of the concordance correlation of y and p along `axis`."""

    def __init__(self, name: str = "concordance_correlation", dtype: DTypeLike = None, axis: int = -1):
        super().__init__(F.concordance_correlation, name, dtype=dtype, axis=axis)


class Hinge(MeanMetricWrapper):
    """The mean of max(1 - y p, 0)."""

    def __init__(self, name: str = "hinge", dtype: DTypeLike = None):
        super().__init__(losses.hinge, name, dtype=dtype)


class SquaredHinge(MeanMetricWrapper):
    """The mean of max(1 - y p, 0)^2."""

    def __init__(self, name: str = "squared_hinge", dtype: DTypeLike = None):
        super().__init__(losses.squared_hinge, name, dtype=dtype)


class CategoricalHinge(MeanMetricWrapper):
    """The mean of max(1 + the largest of (1 - y) p - sum y p, 0)."""

    def __init__(self, name: str = "categorical_hinge", dtype: DTypeLike = None):
        super().__init__(losses.categorical_hinge, name, dtype=dtype)


class KLDivergence(MeanMetricWrapper):
    """The mean of sum y log(y / p)."""

    def __init__(self, name: str = "kl_divergence", dtype: DTypeLike = None):
        super().__init__(losses.kl_divergence, name, dtype=dtype)


class Poisson(MeanMetricWrapper):
    """The mean of p - y log p."""

    def __init__(self, name: str = "poisson", dtype: DTypeLike = None):
        super().__init__(losses.poisson, name, dtype=dtype)


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean of -sum y log p, for one-hot y."""

    def __init__(self, name: str = "categorical_crossentropy", dtype: DTypeLike = None, from_logits: bool = False,
                 label_smoothing: float = 0.0, axis: int = -1):  # fmt: skip
        super().__init__(F.categorical_crossentropy, name, dtype=dtype, from_logits=from_logits,
                         label_smoothing=label_smoothing)  # fmt: skip
        choice("CategoricalCrossentropy: axis", axis, (-1,))


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean of -log of the true class's p, for integer y; where y is ignore_class 0 counts, or, as in Keras,
    with weights, nothing.
    """

    def __init__(self, name: str = "sparse_categorical_crossentropy", dtype: DTypeLike = None,
                 from_logits: bool = False, ignore_class: int | None = None, axis: int = -1):  # fmt: skip
        ignored = whole(f"{type(self).__name__}: ignore_class", ignore_class, low=None, optional=True)
        options: dict[str, Any] = {} if ignored is None else {"ignore_class": ignored}
        super().__init__(F.sparse_categorical_crossentropy, name, dtype=dtype, from_logits=from_logits, **options)
        self.ignore_class = ignored
        choice("SparseCategoricalCrossentropy: axis", axis, (-1,))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        super().update_state(y_true, y_pred, self._counted(y_true, y_pred, sample_weight))

    def update_from_logits(self, y_true: ArrayLike, logits: np.ndarray, sample_weight: ArrayLike | None = None) -> None:
        super().update_from_logits(y_true, logits, self._counted(y_true, logits, sample_weight))

    def _counted(self, y_true, y_pred, sample_weight):
        """The weights, 0 where y is ignore_class."""
        if self.ignore_class is None or sample_weight is None:
            return sample_weight
        y = np.reshape(y_true, np.shape(y_pred)[:-1])
        return (y != self.ignore_class) * aligned(self.name, check_weights(sample_weight), y.shape)


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean of -(y log p + (1 - y) log(1 - p))."""

    def __init__(self, name: str = "binary_crossentropy", dtype: DTypeLike = None, from_logits: bool = False,
                 label_smoothing: float = 0.0):  # fmt: skip
        super().__init__(F.binary_crossentropy, name, dtype=dtype, from_logits=from_logits,
                         label_smoothing=label_smoothing)  # fmt: skip
