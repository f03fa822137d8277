"""Metrics: numbers for people, from NumPy arrays; nothing here has a gradient.

A function takes (y_true, y_pred) and returns one value per sample (N,), or per timestep of each (N, T), which is all
axes but the last; a class averages it over an epoch. Ties of the largest score go to the first class. K classes, N
samples. Probabilities are clipped in their own float type, as the loss clips them: one formula, one number.

Source: Keras 3, metrics/ and trainers/compile_utils.py.
Differs from Keras: sums are kept in float64.
"""

import collections
import copy
import itertools
import math
import re
from collections.abc import Callable

import numpy as np

from .arguments import Named, array, flag, number, shown, text, whole
from .arguments import function as checked_function
from .errors import ArgumentError, ArgumentTypeError, ShapeError, nearest, one_of, require
from .labels import check_labels
from .ops.activation import sigmoid, softmax
from .weighting import aligned, check_weights

# Keras's epsilon: probabilities are kept this far from 0 and 1.
_EPSILON = 1e-7


def binary_accuracy(y_true: np.ndarray, y_pred: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """1 where (p > threshold) = y, meant over the last axis."""
    threshold = number("metric: threshold", threshold)
    y_true, y_pred = _same_rank(y_true, y_pred)
    return _over_last((y_pred > threshold) == y_true)


def categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """1 where argmax(y) = argmax(p), for one-hot y (N, K)."""
    y_true, y_pred = _same_rank(y_true, y_pred)
    return _float64(np.argmax(y_true, axis=-1) == np.argmax(y_pred, axis=-1))


def sparse_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """1 where y = argmax(p), for integer y (N,) or (N, 1)."""
    return _float64(_labels(y_true, y_pred) == np.argmax(y_pred, axis=-1))


def accuracy(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Binary, sparse or categorical accuracy, by the shapes alone.

    Binary when y_pred's last axis is 1; sparse when y_true has fewer axes, or a last axis of 1; else categorical.
    """
    y_true, y_pred = _arrays(y_true, y_pred)
    if y_pred.shape[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return sparse_categorical_accuracy(y_true, y_pred)
    return categorical_accuracy(y_true, y_pred)


def top_k_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray, k: int = 5) -> np.ndarray:
    """1 where fewer than k scores are larger than that of the true class, for one-hot y."""
    y_true, y_pred = _same_rank(y_true, y_pred)
    return sparse_top_k_categorical_accuracy(np.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: np.ndarray, y_pred: np.ndarray, k: int = 5) -> np.ndarray:
    """1 where fewer than k scores are larger than that of the true class, for integer y. A NaN score is no score."""
    k, labels, y_pred = whole("metric: k", k), _classes(y_true, y_pred), np.asarray(y_pred)
    true_score = np.take_along_axis(y_pred, labels, axis=-1)
    larger = y_pred > np.where(np.isnan(true_score), -np.inf, true_score)
    return _float64(larger.sum(axis=-1) < k)


def mean_squared_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """mean (y - p)^2 over the last axis."""
    y_true, y_pred = _same_rank(y_true, y_pred)
    return _over_last(np.square(np.subtract(y_true, y_pred, dtype=np.float64)))


def mean_absolute_error(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """mean |y - p| over the last axis."""
    y_true, y_pred = _same_rank(y_true, y_pred)
    return _over_last(np.abs(np.subtract(y_true, y_pred, dtype=np.float64)))


def categorical_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, label_smoothing: float = 0.0
) -> np.ndarray:
    """-sum y ln p over the classes, p scaled to sum 1 and kept in [1e-7, 1 - 1e-7]; y <- y(1 - s) + s/K first."""
    label_smoothing = number("metric: label_smoothing", label_smoothing, low=0, high=1)
    y_true, y_pred = _same_rank(y_true, y_pred)
    y_true = y_true.astype(np.float64) * (1 - label_smoothing) + label_smoothing / y_true.shape[-1]
    return -(y_true * _log_probabilities(y_pred, from_logits)).sum(axis=-1)


def sparse_categorical_crossentropy(y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False) -> np.ndarray:
    """-ln p of the true class, for integer y (N,) or (N, 1)."""
    labels = _classes(y_true, y_pred)
    return -np.take_along_axis(_log_probabilities(y_pred, from_logits), labels, axis=-1)[..., 0]


def binary_crossentropy(
    y_true: np.ndarray, y_pred: np.ndarray, from_logits: bool = False, label_smoothing: float = 0.0
) -> np.ndarray:
    """mean -(y ln p + (1 - y) ln(1 - p)) over the last axis; y <- y(1 - s) + s/2 first."""
    label_smoothing = number("metric: label_smoothing", label_smoothing, low=0, high=1)
    from_logits = flag("metric: from_logits", from_logits)
    y, p = _same_rank(y_true, y_pred)
    y, p = y * (1 - label_smoothing) + label_smoothing / 2, _floats(p)
    if from_logits:
        p = p.astype(np.float64)
        return _over_last(np.logaddexp(0, p) - y * p)
    p = np.clip(p, _EPSILON, 1 - _EPSILON).astype(np.float64)
    return _over_last(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


def _over_last(values) -> np.ndarray:
    """The mean over the last axis; (N,) stays as it is."""
    values = _float64(values)
    return values if values.ndim == 1 else values.mean(axis=-1)


def _float64(values) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def _floats(values) -> np.ndarray:
    """As they are, where they are floating-point numbers."""
    values = np.asarray(values)
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _arrays(y_true, y_pred) -> tuple[np.ndarray, np.ndarray]:
    y_true, y_pred = array("metric: y_true", y_true), array("metric: y_pred", y_pred)
    if not (y_true.ndim and y_pred.ndim):  # asked here: every step comes by
        require(y_true.ndim > 0, "metric: y_true", "an array of at least one axis", shown(y_true))
        require(y_pred.ndim > 0, "metric: y_pred", "an array of at least one axis", shown(y_pred))
    return y_true, y_pred


def _options(where: str, options: dict) -> dict:
    """The options of the functions of this file, checked; those of others as they are."""
    checks = {
        "k": whole, "threshold": number, "from_logits": flag,
        "label_smoothing": lambda where, value: number(where, value, low=0, high=1),
    }  # fmt: skip
    return {name: checks[name](where + name, value) if name in checks else value for name, value in options.items()}


def _same_rank(y_true, y_pred) -> tuple[np.ndarray, np.ndarray]:
    """Both with the same axes: (N,) against (N, 1) gets a last axis of 1."""
    y_true, y_pred = _arrays(y_true, y_pred)
    if y_true.ndim + 1 == y_pred.ndim and y_pred.shape[-1] == 1:
        y_true = y_true[..., None]
    elif y_pred.ndim + 1 == y_true.ndim and y_true.shape[-1] == 1:
        y_pred = y_pred[..., None]
    require(y_true.shape == y_pred.shape, "metric", f"y_true of y_pred's shape {y_pred.shape}", y_true.shape)
    return y_true, y_pred


def _labels(y_true, y_pred) -> np.ndarray:
    """y without a last axis of 1."""
    y_true, y_pred = _arrays(y_true, y_pred)
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


class Metric(Named):
    """A number that builds up over batches: reset_state(), update_state(y_true, y_pred) for each, result().

    name: its key in logs. direction: "max" or "min" is better, None where nobody can tell.
    """

    def __init__(self, name: str, direction: str | None = None):
        kind = type(self).__name__
        self.name = text(f"{kind}: name", name)
        self.direction = None if direction is None else one_of(f"{kind}: direction", direction, ("max", "min"))
        self.reset_state()

    def reset_state(self) -> None:
        raise NotImplementedError

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        raise NotImplementedError

    def result(self) -> float:
        raise NotImplementedError

    def get_state(self) -> dict:
        """What has built up since reset_state: numbers, strings, None, lists, dicts, NumPy arrays, for a checkpoint.

        By default every attribute but name, direction and functions; override both where that is not the state.
        """
        return {k: v for k, v in vars(self).items() if k not in ("name", "direction") and not callable(v)}

    def set_state(self, state: dict) -> None:
        """Take over what get_state returned."""
        for name in set(vars(self)) & set(state):
            setattr(self, name, state[name])

    def apart(self) -> "Metric":
        """One of the same kind with a state of its own, for a pass that begins while another is being measured.

        Arrays, lists, dicts, sets and metrics that it holds are copied, everything else is shared.
        """
        kept = (np.ndarray, list, dict, set, collections.deque, Metric)
        made = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, kept):
                vars(made)[name] = value.apart() if isinstance(value, Metric) else copy.deepcopy(value)
        return made


class MeanMetricWrapper(Metric):
    """sum(weight * value) / sum(weight) over the samples so far, weight 1 by default; 0 before the first.

    fn(y_true, y_pred, **options) -> a value per sample (N, ...), or one number that stands for its whole batch.
    sample_weight of samples (N,), of timesteps (N, T), or one for all; values of which one weight speaks are averaged.
    """

    def __init__(self, fn: Callable, name: str | None = None, direction: str | None = None, **options):
        self.fn = checked_function("MeanMetricWrapper: fn", fn, of="(y_true, y_pred)")
        self.options = _options(f"{type(self).__name__}: ", options)
        name = getattr(fn, "__name__", type(fn).__name__) if name is None else name
        super().__init__(name, _DIRECTIONS.get(fn) if direction is None else direction)

    def reset_state(self):
        self.total = self.count = 0.0

    @property
    def fused(self) -> Callable | None:
        """The activation of whose input, the logits, `update_from_logits` makes the same number without clipping."""
        return None if self.options.get("from_logits") else _FUSED.get(self.fn)

    def update_state(self, y_true, y_pred, sample_weight=None):
        n = len(_arrays(y_true, y_pred)[1])
        self._add(self.fn(y_true, y_pred, **self.options), n, sample_weight)

    def update_from_logits(self, y_true, logits, sample_weight=None) -> None:
        """update_state, from the input of `fused`: as the loss that is computed from logits, not clipped."""
        self._add(self.fn(y_true, logits, **self.options | {"from_logits": True}), len(logits), sample_weight)

    def _add(self, values, n: int, sample_weight) -> None:
        values = _float64(values)
        if values.ndim == 0:
            values = np.full(n, values)
        expected = f"one number or one per sample, shape ({n},)"
        require(len(values) == n, self.name, expected, values.shape, error=ShapeError)
        if n == 0:
            return
        weights = np.ones(n) if sample_weight is None else check_weights(sample_weight)
        weights = np.broadcast_to(aligned(self.name, weights, values.shape), values.shape)
        each = values.size // n  # values of a sample
        self.total += float((values * weights).sum()) / each
        self.count += float(weights.sum()) / each

    def result(self):
        return self.total / self.count if self.count else 0.0

    def get_state(self):
        return {"total": self.total, "count": self.count}

    def set_state(self, state):
        self.total, self.count = state["total"], state["count"]


def equality(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """1 where y = p exactly."""
    y_true, y_pred = _same_rank(y_true, y_pred)
    return _over_last(y_true == y_pred)


_DIRECTIONS = dict.fromkeys((accuracy, equality, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy,
                             top_k_categorical_accuracy, sparse_top_k_categorical_accuracy), "max")  # fmt: skip
_DIRECTIONS |= dict.fromkeys((mean_squared_error, mean_absolute_error, categorical_crossentropy,
                              sparse_categorical_crossentropy, binary_crossentropy), "min")  # fmt: skip


_FUSED = {
    categorical_crossentropy: softmax, sparse_categorical_crossentropy: softmax, binary_crossentropy: sigmoid,
}  # fmt: skip


class Accuracy(MeanMetricWrapper):
    """The share of y = p exactly: for predicted labels. For probabilities pass the name "accuracy", as in Keras."""

    def __init__(self, name: str = "accuracy"):
        super().__init__(equality, name)


class BinaryAccuracy(MeanMetricWrapper):
    def __init__(self, name: str = "binary_accuracy", threshold: float = 0.5):
        super().__init__(binary_accuracy, name, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    def __init__(self, name: str = "categorical_accuracy"):
        super().__init__(categorical_accuracy, name)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    def __init__(self, name: str = "sparse_categorical_accuracy"):
        super().__init__(sparse_categorical_accuracy, name)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy"):
        super().__init__(top_k_categorical_accuracy, name, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    def __init__(self, k: int = 5, name: str = "sparse_top_k_categorical_accuracy"):
        super().__init__(sparse_top_k_categorical_accuracy, name, k=k)


class MeanSquaredError(MeanMetricWrapper):
    def __init__(self, name: str = "mean_squared_error"):
        super().__init__(mean_squared_error, name)


class MeanAbsoluteError(MeanMetricWrapper):
    def __init__(self, name: str = "mean_absolute_error"):
        super().__init__(mean_absolute_error, name)


class RootMeanSquaredError(MeanMetricWrapper):
    """The root of the mean over all samples, not the mean of the batches' roots."""

    def __init__(self, name: str = "root_mean_squared_error"):
        super().__init__(mean_squared_error, name)

    def result(self):
        return math.sqrt(super().result())


class CategoricalCrossentropy(MeanMetricWrapper):
    def __init__(self, name: str = "categorical_crossentropy", from_logits: bool = False, label_smoothing: float = 0.0):
        super().__init__(categorical_crossentropy, name, from_logits=from_logits, label_smoothing=label_smoothing)


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    def __init__(self, name: str = "sparse_categorical_crossentropy", from_logits: bool = False):
        super().__init__(sparse_categorical_crossentropy, name, from_logits=from_logits)


class BinaryCrossentropy(MeanMetricWrapper):
    def __init__(self, name: str = "binary_crossentropy", from_logits: bool = False, label_smoothing: float = 0.0):
        super().__init__(binary_crossentropy, name, from_logits=from_logits, label_smoothing=label_smoothing)


_CLASSES = (BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, TopKCategoricalAccuracy,
            SparseTopKCategoricalAccuracy, MeanSquaredError, MeanAbsoluteError, RootMeanSquaredError,
            CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy)  # fmt: skip
_NAMES = {re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=K)(?=[A-Z])", "_", c.__name__).lower(): c for c in _CLASSES}
_SHORT = {"mse": MeanSquaredError, "mae": MeanAbsoluteError, "rmse": RootMeanSquaredError, "bce": BinaryCrossentropy}
_ALIASES = {c.__name__: c for c in _CLASSES} | {name.upper(): c for name, c in _SHORT.items()}


def get(identifier) -> Metric:
    """A Metric from a name (which stays its name: "acc" logs acc), a function (y_true, y_pred), a class or an instance.

    "accuracy" and "acc" are resolved by the shapes of each batch. An instance comes back as it is.

    Raises: ArgumentError for an unknown name, ArgumentTypeError for anything else.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str):
        if identifier.lower() in ("accuracy", "acc"):
            return MeanMetricWrapper(accuracy, identifier)
        known = ["accuracy", "acc", *_NAMES, *_SHORT]
        found = (_NAMES | _SHORT | _ALIASES).get(identifier)
        expected, fix = "one of " + ", ".join(known), nearest(identifier, known)
        require(found is not None, "metric", expected, repr(identifier), fix, error=ArgumentError)
        return found(name=str(identifier))
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    expected = "a name, a function (y_true, y_pred) or a Metric"
    ok = callable(identifier) and not isinstance(identifier, type)
    require(ok, "metric", expected, shown(identifier), error=ArgumentTypeError)
    return MeanMetricWrapper(identifier, getattr(identifier, "__name__", type(identifier).__name__))


def unique_names(metrics: list[Metric], weighted: list[Metric]) -> list[str]:
    """The names in logs of both lists, one after the other: each metric's own, if no other has it.

    The second "accuracy" is accuracy_1, as in Keras; one of `weighted` with a name of the others, weighted_accuracy.
    "loss" is taken, and so is what validation puts val_ before.
    """
    taken, plain = {"loss"}, {m.name for m in metrics}
    names = [m.name for m in metrics]
    names += [f"weighted_{m.name}" if m.name in plain else m.name for m in weighted]
    for i, base in enumerate(names):
        suffixed = (f"{base}_{n}" for n in itertools.count(1))
        names[i] = next(n for n in itertools.chain([base], suffixed) if not _clashes(n, taken))
        taken.add(names[i])
    return names


def _clashes(name: str, taken: set[str]) -> bool:
    return name in taken or f"val_{name}" in taken or (name.startswith("val_") and name[4:] in taken)
