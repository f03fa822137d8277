"""Metrics as functions of NumPy arrays; nothing here has a gradient.

A function takes (y_true, y_pred) and returns one value per sample (N,), or per timestep of each (N, T), which is all
axes but the last, or, of binary_accuracy and equality, per output; a class averages it over an epoch. Ties of the
largest score go to the first class. K classes, N samples. Probabilities are clipped in their own float type, as the
loss clips them: one formula, one number.

Source: Keras 3, metrics/ and trainers/compile_utils.py.
Differs from Keras: sums are kept in float64; labels of another shape than the outputs' without their last axis are
refused, where Keras reshapes them.
"""

import numpy as np

from ..aliases import ArrayLike
from ..arguments import array, flag, number, shown, whole
from ..errors import require
from ..labels import check_labels

# Keras's epsilon: probabilities are kept this far from 0 and 1.
_EPSILON = 1e-7


def binary_accuracy(y_true: np.ndarray, y_pred: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """1 where (p > threshold) = y, for every output."""
    threshold = number("metric: threshold", threshold)
    y_true, y_pred = same_rank(y_true, y_pred)
    return float64((y_pred > threshold) == y_true)


def categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """1 where argmax(y) = argmax(p), for one-hot y (N, K)."""
    y_true, y_pred = same_rank(y_true, y_pred)
    return float64(np.argmax(y_true, axis=-1) == np.argmax(y_pred, axis=-1))


def sparse_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """1 where y = argmax(p), for integer y (N,) or (N, 1)."""
    return float64(_labels(y_true, y_pred) == np.argmax(y_pred, axis=-1))


def accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Binary, sparse or categorical accuracy, by the shapes alone.

    Binary when y_pred's last axis is 1; sparse when y_true has fewer axes, or a last axis of 1; else categorical.
    """
    y_true, y_pred = arrays(y_true, y_pred)
    if y_pred.shape[-1] == 1:
        return _over_last(binary_accuracy(y_true, y_pred))
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return sparse_categorical_accuracy(y_true, y_pred)
    return categorical_accuracy(y_true, y_pred)


def top_k_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray, k: int = 5) -> np.ndarray:
    """1 where fewer than k scores are larger than that of the true class, for one-hot y."""
    y_true, y_pred = same_rank(y_true, y_pred)
    return sparse_top_k_categorical_accuracy(np.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: np.ndarray, y_pred: np.ndarray, k: int = 5, from_sorted_ids: bool = False
) -> np.ndarray:
    """1 where fewer than k scores are larger than that of the true class, for integer y. A NaN score is no score.

    from_sorted_ids: y_pred holds class numbers, the best first: 1 where y is among the first k
    """
    if flag("metric: from_sorted_ids", from_sorted_ids):
        k, labels = whole("metric: k", k), _labels(y_true, y_pred)
        return float64((np.asarray(y_pred)[..., :k] == labels[..., None]).any(axis=-1))
    k, labels, y_pred = whole("metric: k", k), _classes(y_true, y_pred), np.asarray(y_pred)
    true_score = np.take_along_axis(y_pred, labels, axis=-1)
    larger = y_pred > np.where(np.isnan(true_score), -np.inf, true_score)
    return float64(larger.sum(axis=-1) < k)


def mean_squared_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """mean (y - p)^2 over the last axis."""
    y_true, y_pred = same_rank(y_true, y_pred)
    return _over_last(np.square(np.subtract(y_true, y_pred, dtype=np.float64)))


def mean_absolute_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """mean |y - p| over the last axis."""
    y_true, y_pred = same_rank(y_true, y_pred)
    return _over_last(np.abs(np.subtract(y_true, y_pred, dtype=np.float64)))


def categorical_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, label_smoothing: float = 0.0
) -> np.ndarray:
    """-sum y ln p over the classes, p scaled to sum 1 and kept in [1e-7, 1 - 1e-7]; y <- y(1 - s) + s/K first."""
    label_smoothing = number("metric: label_smoothing", label_smoothing, low=0, high=1)
    y_true, y_pred = same_rank(y_true, y_pred)
    y_true = y_true.astype(np.float64) * (1 - label_smoothing) + label_smoothing / y_true.shape[-1]
    return -(y_true * _log_probabilities(y_pred, from_logits)).sum(axis=-1)


def sparse_categorical_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, ignore_class: int | None = None
) -> np.ndarray:
    """-ln p of the true class, for integer y (N,) or (N, 1); 0 where y is ignore_class."""
    ignored = None
    if ignore_class is not None:
        y_true = _labels(y_true, y_pred)
        ignored = y_true == whole("metric: ignore_class", ignore_class, low=None)
        y_true = np.where(ignored, 0, y_true)
    labels = _classes(y_true, y_pred)
    found = -np.take_along_axis(_log_probabilities(y_pred, from_logits), labels, axis=-1)[..., 0]
    return found if ignored is None else np.where(ignored, 0.0, found)


def binary_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, label_smoothing: float = 0.0
) -> np.ndarray:
    """mean -(y ln p + (1 - y) ln(1 - p)) over the last axis; y <- y(1 - s) + s/2 first."""
    label_smoothing = number("metric: label_smoothing", label_smoothing, low=0, high=1)
    from_logits = flag("metric: from_logits", from_logits)
    y, p = same_rank(y_true, y_pred)
    y, p = y * (1 - label_smoothing) + label_smoothing / 2, _floats(p)
    if from_logits:
        p = p.astype(np.float64)
        return _over_last(np.logaddexp(0, p) - y * p)
    p = np.clip(p, _EPSILON, 1 - _EPSILON).astype(np.float64)
    return _over_last(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


def _over_last(values) -> np.ndarray:
    """The mean over the last axis; (N,) stays as it is."""
    values = float64(values)
    return values if values.ndim == 1 else values.mean(axis=-1)


def float64(values: ArrayLike) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def _floats(values) -> np.ndarray:
    """As they are, where they are floating-point numbers."""
    values = np.asarray(values)
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def arrays(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    y_true, y_pred = array("metric: y_true", y_true), array("metric: y_pred", y_pred)
    if not (y_true.ndim and y_pred.ndim):  # asked here: every step comes by
        require(y_true.ndim > 0, "metric: y_true", "an array of at least one axis", shown(y_true))
        require(y_pred.ndim > 0, "metric: y_pred", "an array of at least one axis", shown(y_pred))
    return y_true, y_pred


def same_rank(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both with the same axes: (N,) against (N, 1) gets a last axis of 1."""
    y_true, y_pred = arrays(y_true, y_pred)
    if y_true.ndim + 1 == y_pred.ndim and y_pred.shape[-1] == 1:
        y_true = y_true[..., None]
    elif y_pred.ndim + 1 == y_true.ndim and y_true.shape[-1] == 1:
        y_pred = y_pred[..., None]
    require(y_true.shape == y_pred.shape, "metric", f"y_true of y_pred's shape {y_pred.shape}", y_true.shape)
    return y_true, y_pred


def _labels(y_true, y_pred) -> np.ndarray:
    """y without a last axis of 1."""
    y_true, y_pred = arrays(y_true, y_pred)
    y_true = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    fix = "one-hot labels go with the categorical metrics"
    wanted = y_pred.shape[:-1]
    require(y_true.shape == wanted, "metric: y_true", f"labels of shape {wanted}", y_true.shape, fix)
    return y_true


def _classes(y_true, y_pred) -> np.ndarray:
    """The labels as places along y_pred's last axis.  Raises DataError for one that is none."""
    labels = _labels(y_true, y_pred)
    check_labels(labels.reshape(-1), np.shape(y_pred)[-1])
    return labels[..., None].astype(np.int64)


def _log_probabilities(y_pred, from_logits: bool) -> np.ndarray:
    from_logits, p = flag("metric: from_logits", from_logits), _floats(y_pred)
    if from_logits:
        p = p.astype(np.float64)
        p = p - p.max(axis=-1, keepdims=True)
        return p - np.log(np.exp(p).sum(axis=-1, keepdims=True))
    return np.log(np.clip(p / p.sum(axis=-1, keepdims=True), _EPSILON, 1 - _EPSILON).astype(np.float64))


def equality(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """1 where y = p exactly, for every output."""
    y_true, y_pred = same_rank(y_true, y_pred)
    return float64(y_true == y_pred)


def cosine_similarity(y_true: np.ndarray, y_pred: np.ndarray, axis: int = -1) -> np.ndarray:
    """sum over `axis` of y p / (|y| |p|): 1 where they point the same way, as the loss is -1 there."""
    axis = whole("metric: axis", axis, low=None)
    both = [float64(one) for one in same_rank(y_true, y_pred)]
    y, p = (one / np.maximum(np.sqrt((one * one).sum(axis=axis, keepdims=True)), _EPSILON) for one in both)
    return (y * p).sum(axis=axis)


def pearson_correlation(y_true: np.ndarray, y_pred: np.ndarray, axis: int = -1) -> np.ndarray:
    """cov(y, p) / (std y std p) over `axis`."""
    axis = whole("metric: axis", axis, low=None)
    y, p = (float64(one) - one.mean(axis=axis, keepdims=True) for one in same_rank(y_true, y_pred))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (y * p).mean(axis=axis) / np.sqrt((y * y).mean(axis=axis) * (p * p).mean(axis=axis))


def concordance_correlation(y_true: np.ndarray, y_pred: np.ndarray, axis: int = -1) -> np.ndarray:
    """2 cov(y, p) / (var y + var p + (mean y - mean p)^2) over `axis`.  Source: Lin 1989."""
    axis = whole("metric: axis", axis, low=None)
    y, p = (float64(one) for one in same_rank(y_true, y_pred))
    my, mp = y.mean(axis=axis, keepdims=True), p.mean(axis=axis, keepdims=True)
    norm = y.var(axis=axis, keepdims=True) + p.var(axis=axis, keepdims=True) + np.square(my - mp)
    return (2 * (y - mp) * (p - mp) / (norm + _EPSILON)).mean(axis=axis)
