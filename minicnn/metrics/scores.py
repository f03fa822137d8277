"""Metrics of whole sets: F scores, intersection over union, R^2.  Source: Keras 3, metrics/."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aliases import ArrayLike, DTypeLike
from ..arguments import choice, flag, items, number, shown, whole
from ..errors import ArgumentError, ShapeError, one_of, require
from ..notes import note
from ..weighting import aligned, check_weights
from .base import Metric
from .functions import array, float64, same_rank

_EPSILON = 1e-7


def _weights(where: str, sample_weight, shape) -> np.ndarray:
    given = np.ones(()) if sample_weight is None else check_weights(sample_weight)
    return np.broadcast_to(aligned(where, given, shape) if given.ndim else given, shape)


class FBetaScore(Metric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), of every class.

    average    None: one number per class; "micro": of all together; "macro": their mean; "weighted": by the classes'
               numbers of samples
    threshold  None: the largest scores of a sample are its classes; else those above it

    Differs from Keras: beta and threshold may be whole numbers.
    """

    better, shown = "max", ("tp", "fp", "fn", "positive")

    def __init__(self, average: str | None = None, beta: float = 1.0, threshold: float | None = None,
                 name: str | None = "fbeta_score", dtype: DTypeLike = None):  # fmt: skip
        kind = type(self).__name__
        self.average = choice(f"{kind}: average", average, (None, "micro", "macro", "weighted"))
        self.beta = number(f"{kind}: beta", beta, above=0)
        self.threshold = number(f"{kind}: threshold", threshold, above=0, high=1, optional=True)
        super().__init__("fbeta_score" if name is None else name, dtype=dtype)

    def reset_state(self) -> None:
        self.tp = self.fp = self.fn = self.positive = np.zeros(())

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        y, p = same_rank(y_true, y_pred)
        require(p.ndim == 2, f"{self.name}: y_pred", "shape (N, classes)", p.shape, error=ShapeError)
        w, y = _weights(self.name, sample_weight, p.shape), float64(y)
        taken = p > self.threshold if self.threshold is not None else (p >= p.max(-1, keepdims=True)) & (abs(p) > 1e-9)
        axis = None if self.average == "micro" else 0
        sums = [(w * one).sum(axis) for one in (taken * y, taken * (1 - y), ~taken * y, y)]
        self.tp, self.fp, self.fn, self.positive = (
            a + b for a, b in zip((self.tp, self.fp, self.fn, self.positive), sums, strict=True)
        )

    def result(self) -> float | Any:  # an array, of several classes or outputs
        precision = self.tp / (self.tp + self.fp + _EPSILON)
        recall = self.tp / (self.tp + self.fn + _EPSILON)
        square = self.beta**2
        score = precision * recall / (square * precision + recall + _EPSILON) * (1 + square)
        if self.average == "weighted":
            return float((score * self.positive / (self.positive.sum() + _EPSILON)).sum())
        return score if self.average is None else float(np.mean(score))

    def get_state(self) -> dict[str, Any]:
        return {name: np.array(getattr(self, name)) for name in ("tp", "fp", "fn", "positive")}

    def set_state(self, state: dict[str, Any]) -> None:
        self.tp, self.fp, self.fn, self.positive = (float64(state[n]) for n in ("tp", "fp", "fn", "positive"))


class F1Score(FBetaScore):
    """2 precision recall / (precision + recall): see FBetaScore."""

    def __init__(self, average: str | None = None, threshold: float | None = None, name: str | None = "f1_score",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(average, 1.0, threshold, "f1_score" if name is None else name, dtype)


class IoU(Metric):
    """tp / (tp + fp + fn), the mean over `target_class_ids` of those that were there.

    sparse_y_true, sparse_y_pred  class numbers; False: the largest along `axis` is the class
    ignore_class                  a number of y_true that is no class

    Differs from Keras: weights count as they are; there they are cut to whole numbers, unless dtype says otherwise.
    """

    better, shown = "max", ("matrix",)
    total_cm = property(lambda self: self.matrix)

    def __init__(self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None,
                 dtype: DTypeLike = None, ignore_class: int | None = None, sparse_y_true: bool = True,
                 sparse_y_pred: bool = True, axis: int = -1):  # fmt: skip
        kind = type(self).__name__
        self.num_classes = whole(f"{kind}: num_classes", num_classes)
        ids = items(target_class_ids) or []
        require(ids, f"{kind}: target_class_ids", "a list of classes", shown(target_class_ids), error=ArgumentError)
        high = self.num_classes - 1
        self.target_class_ids = [whole(f"{kind}: target_class_ids", one, low=0, high=high) for one in ids]
        self.ignore_class = whole(f"{kind}: ignore_class", ignore_class, low=None, optional=True)
        self.sparse_y_true = flag(f"{kind}: sparse_y_true", sparse_y_true)
        self.sparse_y_pred = flag(f"{kind}: sparse_y_pred", sparse_y_pred)
        self.axis = whole(f"{kind}: axis", axis, low=None)
        super().__init__(name, dtype=dtype)

    def reset_state(self) -> None:
        self.matrix = np.zeros((self.num_classes, self.num_classes))  # [y, p]

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        y, p = array(f"{self.name}: y_true", y_true), array(f"{self.name}: y_pred", y_pred)
        y = y if self.sparse_y_true else y.argmax(self.axis)
        p = p if self.sparse_y_pred else p.argmax(self.axis)
        shape, expected = y.shape, f"as many numbers as y_true, {y.size}"
        require(p.size == y.size, f"{self.name}: y_pred", expected, p.size, error=ShapeError)
        w = _weights(self.name, sample_weight, shape).reshape(-1)
        y, p = (one.reshape(-1).astype(np.int64) for one in (y, p))
        known = (y >= 0) & (y < self.num_classes) & (p >= 0) & (p < self.num_classes) & (y != self.ignore_class)
        place = (y * self.num_classes + p)[known]
        self.matrix = self.matrix + np.bincount(place, w[known], self.num_classes**2).reshape(self.matrix.shape)

    def result(self) -> float:
        tp = np.diag(self.matrix)[self.target_class_ids]
        union = (self.matrix.sum(0) + self.matrix.sum(1))[self.target_class_ids] - tp
        there = union > 1e-9
        return float(np.where(there, tp / (union + _EPSILON), 0).sum() / (there.sum() + _EPSILON))

    def get_state(self) -> dict[str, Any]:
        return {"matrix": self.matrix.copy()}

    def set_state(self, state: dict[str, Any]) -> None:
        self.matrix = float64(state["matrix"])


class BinaryIoU(IoU):
    """IoU of two classes, the second where p >= threshold."""

    def __init__(self, target_class_ids: Sequence[int] = (0, 1), threshold: float = 0.5, name: str | None = None,
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = number("BinaryIoU: threshold", threshold)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        p = array(f"{self.name}: y_pred", y_pred)
        super().update_state(y_true, p >= self.threshold, sample_weight)


class MeanIoU(IoU):
    """IoU of all classes."""

    def __init__(self, num_classes: int, name: str | None = None, dtype: DTypeLike = None,
                 ignore_class: int | None = None, sparse_y_true: bool = True, sparse_y_pred: bool = True,
                 axis: int = -1):  # fmt: skip
        ids = range(whole(f"{type(self).__name__}: num_classes", num_classes))
        super().__init__(num_classes, list(ids), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """IoU of one-hot y."""

    def __init__(self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None,
                 dtype: DTypeLike = None, ignore_class: int | None = None, sparse_y_pred: bool = False,
                 axis: int = -1):  # fmt: skip
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """IoU of all classes of one-hot y."""

    def __init__(self, num_classes: int, name: str | None = None, dtype: DTypeLike = None,
                 ignore_class: int | None = None, sparse_y_pred: bool = False, axis: int = -1):  # fmt: skip
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)


class R2Score(Metric):
    """1 - sum (y - p)^2 / sum (y - mean y)^2, of every output.

    class_aggregation  "uniform_average"; "variance_weighted_average"; None: one number per output
    num_regressors     p > 0: the adjusted 1 - (1 - R^2)(n - 1) / (n - p - 1), where n counts all numbers of y
    """

    better, shown = "max", ("sum", "squared_sum", "residual", "count")

    def __init__(self, class_aggregation: str | None = "uniform_average", num_regressors: int = 0,
                 name: str | None = "r2_score", dtype: DTypeLike = None):  # fmt: skip
        known = ("uniform_average", "variance_weighted_average")
        where = "R2Score: class_aggregation"
        self.class_aggregation = None if class_aggregation is None else one_of(where, class_aggregation, known)
        self.num_regressors = whole("R2Score: num_regressors", num_regressors, low=0)
        super().__init__("r2_score" if name is None else name, dtype=dtype)

    def reset_state(self) -> None:
        self.sum = self.squared_sum = self.residual = self.count = np.zeros(())
        self.num_samples = 0

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        y, p = (float64(one) for one in same_rank(y_true, y_pred))
        require(p.ndim == 2, f"{self.name}: y_pred", "shape (N, outputs)", p.shape, error=ShapeError)
        w = _weights(self.name, sample_weight, p.shape)
        self.sum, self.squared_sum = self.sum + (w * y).sum(0), self.squared_sum + (w * y * y).sum(0)
        self.residual, self.count = self.residual + (w * (y - p) ** 2).sum(0), self.count + w.sum(0)
        self.num_samples += y.size

    def result(self) -> float | Any:  # an array, of several classes or outputs
        with np.errstate(divide="ignore", invalid="ignore"):
            total = self.squared_sum - self.sum * (self.sum / self.count)
            scores = 1 - self.residual / total
        scores = np.where(np.isinf(scores), 0, scores)
        if self.class_aggregation == "uniform_average":
            scores = np.mean(scores)
        elif self.class_aggregation is not None:
            scores = (total * scores).sum() / total.sum()
        left = self.num_samples - self.num_regressors - 1
        if self.num_regressors and left <= 0:
            note(f"{self.name} is not adjusted: {self.num_samples} numbers for {self.num_regressors} regressors")
        elif self.num_regressors:
            scores = 1 - (1 - scores) * (self.num_samples - 1) / left
        return np.asarray(scores) if self.class_aggregation is None else float(scores)

    def get_state(self) -> dict[str, Any]:
        kept = ("sum", "squared_sum", "residual", "count")
        return {name: np.array(getattr(self, name)) for name in kept} | {"num_samples": self.num_samples}

    def set_state(self, state: dict[str, Any]) -> None:
        self.sum, self.squared_sum, self.residual, self.count = (
            float64(state[n]) for n in ("sum", "squared_sum", "residual", "count")
        )
        self.num_samples = int(state["num_samples"])
