"""Binary classification at thresholds: a sample is predicted positive where p > threshold, and is one where y != 0.

                  p > threshold      else              precision   tp / (tp + fp)     sensitivity = recall
      y                tp             fn               recall      tp / (tp + fn)
      not y            fp             tn               specificity tn / (tn + fp)

0 / 0 is 0.  T thresholds, L labels.  Source: Keras 3, metrics/confusion_metrics.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..aliases import ArrayLike, DTypeLike, Floats
from ..arguments import flag, items, number, shown, whole
from ..errors import ArgumentError, ShapeError, one_of, require
from ..weighting import aligned, check_weights
from .base import Metric
from .functions import float64, same_rank

_EPSILON = 1e-7
_CURVES = {"roc": "ROC", "pr": "PR", "prgain": "PRGAIN"}
_METHODS = {"Interpolation": "interpolation", "Minoring": "minoring", "Majoring": "majoring"}


class Confusion(Metric):
    """tp, fp, tn, fn at every threshold, (T,) or (T, L).

    thresholds  None: 1/2; a number; several. The result has as many numbers.
    top_k       only the k largest scores of a sample count as positive;  class_id: only this class is looked at
    """

    labels_apart = False
    shown = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    true_positives, false_positives = property(lambda self: self.tp), property(lambda self: self.fp)
    true_negatives, false_negatives = property(lambda self: self.tn), property(lambda self: self.fn)
    clipped = False  # whether p is cut to [0, 1] first

    def __init__(self, thresholds: Floats | None = None, top_k: int | None = None, class_id: int | None = None,
                 name: str | None = None, dtype: DTypeLike = None):  # fmt: skip
        kind = type(self).__name__
        each: Any = items(thresholds)
        given = [thresholds] if each is None and thresholds is not None else each
        self.thresholds = thresholds if each is None else each
        if given is not None:
            some, expected = len(given) > 0, "at least one number"
            require(some, f"{kind}: thresholds", expected, shown(thresholds), error=ArgumentError)
            given = [number(f"{kind}: thresholds", one, low=0, high=1) for one in given]
            self.thresholds = given[0] if each is None else given
        self.top_k = whole(f"{kind}: top_k", top_k, optional=True)
        self.class_id = whole(f"{kind}: class_id", class_id, low=0, optional=True)
        self._at = [0.5 if top_k is None else -np.inf] if given is None else given
        super().__init__(name, dtype=dtype)

    def reset_state(self) -> None:
        self.tp, self.fp, self.tn, self.fn = (np.zeros(len(self._at)) for _ in range(4))

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        y, p = same_rank(y_true, y_pred)
        weights = np.ones(()) if sample_weight is None else check_weights(sample_weight)
        weights = np.broadcast_to(aligned(self.name, weights, p.shape) if weights.ndim else weights, p.shape)
        p = p if p.dtype.kind == "f" else float64(p)
        if self.top_k is not None:
            require(self.top_k <= p.shape[-1], f"{self.name}: top_k", f"at most {p.shape[-1]} classes", self.top_k,
                    error=ArgumentError)  # fmt: skip
            order = np.argsort(-p, axis=-1, kind="stable")[..., self.top_k :]
            p = p.copy()
            np.put_along_axis(p, order, -np.inf, axis=-1)
        if self.class_id is not None:
            ok = p.ndim > 1 and self.class_id < p.shape[-1]
            require(ok, f"{self.name}: class_id", f"outputs of more than {self.class_id} classes", p.shape)
            y, p, weights = (one[..., self.class_id] for one in (y, p, weights))
        if self.clipped:
            p = p.clip(0, 1)
        self._count(y != 0, np.where(np.isnan(p), -np.inf, p), weights)

    def _count(self, y, p, weights) -> None:
        """Every p lies above so many thresholds: a histogram of that, summed up from the top."""
        apart = self.labels_apart
        labels = p.shape[1] if apart else 1
        at = np.asarray(self._at)
        order = np.argsort(at, kind="stable")
        # as Keras compares: in the outputs' type
        above = np.searchsorted(at[order].astype(p.dtype), p.reshape(-1), side="left")
        place = above * labels + (np.tile(np.arange(labels), len(p)) if apart else 0)
        size = (len(at) + 1) * labels
        found = []
        for mine in (y, ~y):
            held = np.bincount(place, (weights * mine).reshape(-1), size).reshape(len(at) + 1, labels)
            from_top = np.cumsum(held[::-1], axis=0)[::-1]
            yes = np.empty((len(at), labels))
            yes[order] = from_top[1:]
            found += [yes, from_top[0] - yes]
        shape = self.tp.shape
        tp, fn, fp, tn = (one.reshape(shape) for one in found)
        self.tp, self.fp, self.tn, self.fn = self.tp + tp, self.fp + fp, self.tn + tn, self.fn + fn

    def values(self) -> np.ndarray:
        """One number per threshold."""
        raise NotImplementedError

    def result(self) -> float | Any:  # an array, of several thresholds
        found = self.values()
        return float(found[0]) if len(found) == 1 else found

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name).copy() for name in ("tp", "fp", "tn", "fn")}

    def set_state(self, state: dict[str, Any]) -> None:
        self.tp, self.fp, self.tn, self.fn = (float64(state[name]) for name in ("tp", "fp", "tn", "fn"))


class _Counted(Confusion):
    def __init__(self, thresholds: Floats | None = None, name: str | None = None, dtype: DTypeLike = None):
        super().__init__(thresholds, None, None, name, dtype)


class TruePositives(_Counted):
    """How many samples are positive and found so, or the sum of their weights."""

    shown = ("true_positives",)

    def values(self) -> np.ndarray:
        return self.tp


class TrueNegatives(_Counted):
    """How many samples are negative and found so."""

    shown = ("true_negatives",)

    def values(self) -> np.ndarray:
        return self.tn


class FalsePositives(_Counted):
    """How many samples are negative and taken for positive."""

    shown = ("false_positives",)

    better = "min"

    def values(self) -> np.ndarray:
        return self.fp


class FalseNegatives(_Counted):
    """How many samples are positive and taken for negative."""

    shown = ("false_negatives",)

    better = "min"

    def values(self) -> np.ndarray:
        return self.fn


class Precision(Confusion):
    """tp / (tp + fp): how many of those taken for positive are."""

    shown = ("true_positives", "false_positives")
    better = "max"

    def values(self) -> np.ndarray:
        return share(self.tp, self.tp + self.fp)


class Recall(Confusion):
    """tp / (tp + fn): how many of the positive samples are found."""

    shown = ("true_positives", "false_negatives")
    better = "max"

    def values(self) -> np.ndarray:
        return share(self.tp, self.tp + self.fn)


class _Best(Confusion):
    """The largest of one share among thresholds at which another is at least `value`."""

    better, clipped = "max", True

    def __init__(self, named: str, value, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: DTypeLike = None):  # fmt: skip
        kind = type(self).__name__
        setattr(self, named, number(f"{kind}: {named}", value, low=0, high=1))
        self.num_thresholds = whole(f"{kind}: num_thresholds", num_thresholds)
        super().__init__(None, None, class_id, name, dtype)
        n = self.num_thresholds
        self._at = [0.5] if n == 1 else [i / (n - 1) for i in range(n)]
        self.least = getattr(self, named)
        self.reset_state()

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        """(what is held to `least`, what is made as large as that allows), at every threshold."""
        raise NotImplementedError

    def result(self) -> float:
        bounded, wanted = self.shares()
        return float(np.where(bounded >= self.least, wanted, 0).max(initial=0))

    recalls = property(lambda self: share(self.tp, self.tp + self.fn))
    precisions = property(lambda self: share(self.tp, self.tp + self.fp))
    specificities = property(lambda self: share(self.tn, self.tn + self.fp))


class SensitivityAtSpecificity(_Best):
    """The largest sensitivity whose specificity is at least `specificity`."""

    def __init__(self, specificity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: DTypeLike = None):  # fmt: skip
        super().__init__("specificity", specificity, num_thresholds, class_id, name, dtype)

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        return self.specificities, self.recalls


class SpecificityAtSensitivity(_Best):
    """The largest specificity whose sensitivity is at least `sensitivity`."""

    def __init__(self, sensitivity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: DTypeLike = None):  # fmt: skip
        super().__init__("sensitivity", sensitivity, num_thresholds, class_id, name, dtype)

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        return self.recalls, self.specificities


class PrecisionAtRecall(_Best):
    """The largest precision whose recall is at least `recall`."""

    def __init__(self, recall: float, num_thresholds: int = 200, class_id: int | None = None, name: str | None = None,
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__("recall", recall, num_thresholds, class_id, name, dtype)

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        return self.recalls, self.precisions


class RecallAtPrecision(_Best):
    """The largest recall whose precision is at least `precision`."""

    def __init__(self, precision: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: DTypeLike = None):  # fmt: skip
        super().__init__("precision", precision, num_thresholds, class_id, name, dtype)

    def shares(self) -> tuple[np.ndarray, np.ndarray]:
        return self.precisions, self.recalls


class AUC(Confusion):
    """The area under a curve whose points are those of `num_thresholds` thresholds.

    curve             "ROC": recall over fp / (fp + tn); "PR": precision over recall; "PRGAIN": their gains
    summation_method  "interpolation" between points (of PR as Davis & Goadrich 2006 do it), "minoring", "majoring"
    thresholds        those between 0 and 1 instead of equal steps
    multi_label       the mean of every label's own area, weighted by label_weights; else labels count as samples
    from_logits       p = sigmoid(y_pred)
    """

    better, clipped = "max", True

    def __init__(self, num_thresholds: int | None = 200, curve: str = "ROC", summation_method: str = "interpolation",
                 name: str | None = None, dtype: DTypeLike = None, thresholds: Sequence[float] | None = None,
                 multi_label: bool = False, num_labels: int | None = None, label_weights: Sequence[float] | None = None,
                 from_logits: bool = False):  # fmt: skip
        self.curve = one_of("AUC: curve", _CURVES.get(str(curve), curve), ("ROC", "PR", "PRGAIN"))
        method = _METHODS.get(str(summation_method), summation_method)
        self.summation_method = one_of("AUC: summation_method", method, ("interpolation", "minoring", "majoring"))
        unused = num_thresholds is None and thresholds is not None
        self.num_thresholds = 2 if unused else whole("AUC: num_thresholds", num_thresholds, low=2)
        self.multi_label = flag("AUC: multi_label", multi_label)
        self.num_labels = whole("AUC: num_labels", num_labels, optional=True)
        ok = multi_label or num_labels is None
        require(ok, "AUC: num_labels", "None without multi_label", num_labels, error=ArgumentError)
        weights = items(label_weights)
        ok = label_weights is None or weights is not None
        require(ok, "AUC: label_weights", "a list of numbers", shown(label_weights), error=ArgumentError)
        self.label_weights = weights and [number("AUC: label_weights", one, low=0) for one in weights]
        self.from_logits = flag("AUC: from_logits", from_logits)
        ok = thresholds is None or items(thresholds) is not None
        require(ok, "AUC: thresholds", "a list of numbers from 0 to 1", shown(thresholds), error=ArgumentError)
        super().__init__(None if thresholds is None else items(thresholds), None, None, name, dtype)
        inner: Any = self.thresholds
        if inner is None:
            inner = [(i + 1) / (self.num_thresholds - 1) for i in range(self.num_thresholds - 2)]
        self.num_thresholds = len(inner) + 2
        self._given = self.thresholds is not None
        self.thresholds = self._at = [-_EPSILON, *sorted(inner), 1 + _EPSILON]
        self.reset_state()

    def get_config(self) -> dict:
        config = super().get_config()
        inner = config.pop("thresholds", None)  # of one's own class with **kwargs it is not there
        return config | {"thresholds": inner[1:-1]} if inner and self._given else config

    @property
    def labels_apart(self) -> bool:
        return self.multi_label

    def reset_state(self) -> None:
        held = vars(self).get("tp")
        labels = held.shape[1] if held is not None and held.ndim == 2 else self.num_labels
        self.tp, self.fp, self.tn, self.fn = (np.zeros(self._shape(labels)) for _ in range(4))

    def _shape(self, labels):
        return (len(self._at), labels or 1) if self.multi_label else (len(self._at),)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        y, p = same_rank(y_true, y_pred)
        if self.multi_label:
            expected = "shape (N, labels) with multi_label"
            require(p.ndim == 2, f"{self.name}: y_pred", expected, p.shape, error=ShapeError)
            if self.tp.shape[1] != p.shape[1]:
                ok = self.num_labels is None and not self.tp.any()
                require(ok, f"{self.name}: y_pred", f"{self.tp.shape[1]} labels", p.shape[1], error=ShapeError)
                self.tp, self.fp, self.tn, self.fn = (np.zeros(self._shape(p.shape[1])) for _ in range(4))
        if self.from_logits:
            p = 1 / (1 + np.exp(-np.clip(float64(p), -700, 700)))
        if self.label_weights is not None and not self.multi_label:
            each = np.asarray(self.label_weights)
            ok = len(each) == p.shape[-1]
            require(ok, f"{self.name}: label_weights", f"{p.shape[-1]} numbers", len(each), error=ShapeError)
            weights = np.ones(()) if sample_weight is None else check_weights(sample_weight)
            weights = aligned(self.name, weights, p.shape) if weights.ndim else weights
            sample_weight = np.broadcast_to(weights * each, p.shape)
        super().update_state(y, p, sample_weight)

    def result(self) -> float:
        areas = self._areas()
        if not self.multi_label:
            return float(areas)
        if self.label_weights is None:
            return float(areas.mean())
        return float(share((areas * self.label_weights).sum(), np.sum(self.label_weights)))

    def _areas(self):
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated()
        recall = share(self.tp, self.tp + self.fn)
        if self.curve == "ROC":
            x, y = share(self.fp, self.fp + self.tn), recall
        elif self.curve == "PR":
            x, y = recall, share(self.tp, self.tp + self.fp)
        else:  # Flach & Kull 2015
            odds = share(self.tp + self.fn, self.tn + self.fp)
            x = np.maximum(np.where(self.tp == 0, 0, 1 - odds * share(self.fn, self.tp)), 0)
            y = np.where(self.tp == 0, 1, 1 - odds * share(self.fp, self.tp))
        heights = {"minoring": np.minimum, "majoring": np.maximum}.get(self.summation_method, lambda a, b: (a + b) / 2)
        return ((x[:-1] - x[1:]) * heights(y[:-1], y[1:])).sum(axis=0)

    def _interpolated(self):
        """Between two points tp grows in proportion to tp + fp: the area under precision is then a logarithm."""
        dtp, p = self.tp[:-1] - self.tp[1:], self.tp + self.fp
        slope = share(dtp, np.maximum(p[:-1] - p[1:], 0))
        intercept = self.tp[1:] - slope * p[1:]
        both = (p[:-1] > 0) & (p[1:] > 0)
        ratio = np.where(both, share(p[:-1], np.maximum(p[1:], 0)), 1)
        return share(slope * (dtp + intercept * np.log(ratio)), np.maximum(self.tp[1:] + self.fn[1:], 0)).sum(axis=0)


def share(a: Any, b: Any) -> Any:
    """a / b, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=np.asarray(b) != 0)
