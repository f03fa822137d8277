"""Cross-entropies, plain, focal and generalized, of one-hot targets, class numbers and independent yes-or-no outputs.

One that follows its own activation (softmax, sigmoid) is computed from the logits, in one op: no probability is rounded
or clipped before its logarithm, and the gradient is p - t.

    Differs from Keras: probabilities that are not fused are clipped at 1e-7 as there; the fused form does not clip.
"""

from typing import Any

import numpy as np

from ..aliases import DTypeLike, Floats, Shape
from ..arguments import flag, items, number, whole
from ..core.tensor import Tensor
from ..errors import ArgumentError, ShapeError, require
from ..labels import check_labels
from ..ops import arithmetic as A
from ..ops.activation import sigmoid, softmax
from ..ops.loss import sigmoid_cross_entropy, softmax_cross_entropy, valid_share
from ..ops.shape import reshape, transpose
from .base import EPSILON, MEANS, Elementwise, Loss, checked_targets, shape, tensor


class _Classes(Loss):
    """Losses of one distribution over K classes, which are the entries along `axis`."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name == "axis" and value != -1 and self.fused is not None:
            self.fused = None  # the layer's softmax is over the last axis

    def prepare(self, y_true: np.ndarray, output_shape: Shape) -> np.ndarray:
        y, (where, without) = np.asarray(y_true), self._classes(output_shape)
        numbers = y.shape[1:] in (without, (*without, 1))
        if numbers and y.shape[1:] != tuple(output_shape):
            raise ShapeError(
                f"{self.name}: expected one-hot targets of shape {shape(output_shape)}, received class numbers of "
                f'shape {y.shape}; use to_categorical(y, {output_shape[where]}), or loss="sparse_{self.name}"'
            )
        expected = f"one-hot targets of shape {shape(output_shape)}"
        require(y.shape[1:] == tuple(output_shape), self.name, expected, y.shape)
        return checked_targets(self.name, y, probabilities=True)

    def _classes(self, output_shape):
        """(the axis of one sample that holds the classes, the sample's shape without it)"""
        rank = len(output_shape)
        where = self.axis if self.axis < 0 else self.axis - 1
        ok, expected = -rank <= where < rank and self.axis != 0, f"axes of samples, up to {rank}"
        require(ok, f"{self.name}: axis", expected, self.axis, error=ArgumentError)
        where %= rank
        return where, tuple(n for i, n in enumerate(output_shape) if i != where)

    def _last(self, t, y):
        """Both with the classes last, and smoothed targets."""
        at = self.axis % y.ndim
        if at != y.ndim - 1:
            axes = (*(i for i in range(y.ndim) if i != at), at)
            t, y = transpose(tensor(t, y), axes=axes), transpose(y, axes=axes)
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + self.label_smoothing / t.shape[-1]
        return t, y


class CategoricalCrossentropy(_Classes):
    """-sum_k t_k log p_k with one-hot (or soft) targets.  label_smoothing s: t (1 - s) + s / K."""

    fused = staticmethod(softmax)

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = "categorical_crossentropy",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "categorical_crossentropy" if name is None else name, dtype)
        self._probabilities(from_logits, label_smoothing, axis)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        t, y = self._last(t, y)
        if logits or self.from_logits:
            if y.ndim == 2:
                return softmax_cross_entropy(y, t)
            flat = softmax_cross_entropy(reshape(y, shape=(-1, y.shape[-1])), t.reshape(-1, t.shape[-1]))
            return reshape(flat, shape=y.shape[:-1])
        p = A.clip(y / A.total(y, axis=-1, keepdims=True), low=EPSILON, high=1 - EPSILON)
        return -A.total(A.multiply(A.log(p), t), axis=-1)


class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """-log p_y with class numbers y of shape (N,) or (N, 1).

    ignore_class  a number that is no class: where it stands the loss is 0, and means are over the other places
    """

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None,
                 reduction: str | None = "sum_over_batch_size", axis: int = -1,
                 name: str | None = "sparse_categorical_crossentropy", dtype: DTypeLike = None):  # fmt: skip
        name = "sparse_categorical_crossentropy" if name is None else name
        super().__init__(from_logits, axis=axis, reduction=reduction, name=name, dtype=dtype)
        where = "SparseCategoricalCrossentropy: ignore_class"
        self.ignore_class = whole(where, ignore_class, low=None, optional=True)
        ok = ignore_class is None or self.reduction != "mean_with_sample_weight"
        require(ok, where, "another reduction than mean_with_sample_weight", reduction, error=ArgumentError)

    def prepare(self, y_true: np.ndarray, output_shape: Shape) -> np.ndarray:
        y, (where, without) = np.asarray(y_true), self._classes(output_shape)
        classes = output_shape[where]
        if y.ndim > 1 and y.shape[1:] == tuple(output_shape) and classes > 1:
            raise ShapeError(
                f"{self.name}: expected class numbers of shape (N,), received one-hot targets of shape {y.shape}; "
                f'use loss="categorical_crossentropy", or y.argmax(axis=-1)'
            )
        if y.ndim == len(output_shape) + 1 and y.shape[-1] == 1:
            y = y[..., 0]
        require(y.shape[1:] == without, self.name, "class numbers of shape (N,)", y.shape)
        kept = None if self.ignore_class is None else y != self.ignore_class
        y = y if kept is None else np.where(kept, y, 0)
        check_labels(y.reshape(-1), classes)
        one_hot = np.eye(classes, dtype=np.float32)[y.astype(np.int64)]
        if kept is not None:
            one_hot *= kept[..., None]
        return np.moveaxis(one_hot, -1, where + 1)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        found = super().values(t, y, logits=logits)  # 0 where t is nothing but zeros
        if self.ignore_class is None or self.reduction not in MEANS:
            return found
        return A.multiply(found, valid_share(tensor(t, y)))


class CategoricalFocalCrossentropy(_Classes):
    """-sum_k alpha (1 - p_k)^gamma t_k log p_k: what is classified well counts less.  alpha: one number, or K of them.

    Source: Lin et al. 2017, "Focal loss for dense object detection".
    """

    def __init__(self, alpha: Floats = 0.25, gamma: float = 2.0, from_logits: bool = False,
                 label_smoothing: float = 0.0, axis: int = -1, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "categorical_focal_crossentropy", dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "categorical_focal_crossentropy" if name is None else name, dtype)
        self._probabilities(from_logits, label_smoothing, axis)
        where, each = "CategoricalFocalCrossentropy: alpha", items(alpha)
        self.alpha = number(where, alpha) if each is None else [number(where, one) for one in each]
        self.gamma = number("CategoricalFocalCrossentropy: gamma", gamma, low=0)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        t, y = self._last(t, y)
        p = softmax(y) if self.from_logits else y
        p = A.clip(p / A.total(p, axis=-1, keepdims=True), low=EPSILON, high=1 - EPSILON)
        alpha = self.alpha if isinstance(self.alpha, float) else np.array(self.alpha, y.be.dtype)
        each = A.multiply(A.log(p), t) * alpha
        if self.gamma:
            each = each * (1.0 - p) ** self.gamma
        return -A.total(each, axis=-1)


class CategoricalGeneralizedCrossEntropy(SparseCategoricalCrossentropy):
    """(1 - p_y^q) / q with class numbers y: between cross-entropy (q -> 0) and absolute error (q = 1), robust to labels
    that are wrong.

    Source: Zhang & Sabuncu 2018, equation 6.
    """

    fused = None

    def __init__(self, q: float = 0.5, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "categorical_generalized_cross_entropy", dtype: DTypeLike = None):  # fmt: skip
        name = "categorical_generalized_cross_entropy" if name is None else name
        super().__init__(reduction=reduction, name=name, dtype=dtype)
        self.q = number("CategoricalGeneralizedCrossEntropy: q", q, above=0, below=1)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        return (1.0 - A.total(A.multiply(y, t), axis=-1) ** self.q) / self.q


class BinaryCrossentropy(Elementwise):
    """mean over `axis` of -[t log p + (1 - t) log(1 - p)].  label_smoothing s: t (1 - s) + s / 2.

    Differs from Keras: after a softmax the value is that of Keras on JAX and NumPy; on TensorFlow Keras gives another.
    """

    fused = staticmethod(sigmoid)

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = "binary_crossentropy",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "binary_crossentropy" if name is None else name, dtype)
        self._probabilities(from_logits, label_smoothing, axis)

    def prepare(self, y_true: np.ndarray, output_shape: Shape) -> np.ndarray:
        return checked_targets(self.name, super().prepare(y_true, output_shape), probabilities=True)

    def prepare_computed(self, y_true: np.ndarray, output_shape: Shape) -> np.ndarray:
        """Labels with noise may leave 0 to 1, where the formula is as good; they have to be finite."""
        return super().prepare(y_true, output_shape)

    def _smooth(self, t):
        return t * (1 - self.label_smoothing) + 0.5 * self.label_smoothing if self.label_smoothing else t

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        t = self._smooth(t)
        if logits or self.from_logits:
            return A.mean(sigmoid_cross_entropy(y, t), axis=self.axis)
        p = A.clip(y, low=EPSILON, high=1 - EPSILON)
        return -A.mean(A.multiply(A.log(p), t) + A.multiply(A.log(1.0 - p), 1 - t), axis=self.axis)


class BinaryFocalCrossentropy(BinaryCrossentropy):
    """mean over `axis` of -(1 - p_t)^gamma log p_t, where p_t = t p + (1 - t)(1 - p).

    apply_class_balancing  multiply by t alpha + (1 - t)(1 - alpha)
    Source: Lin et al. 2017, equations 4 and 5.
    """

    fused = None

    def __init__(self, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0,
                 from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1,
                 reduction: str | None = "sum_over_batch_size", name: str | None = "binary_focal_crossentropy",
                 dtype: DTypeLike = None):  # fmt: skip
        name = "binary_focal_crossentropy" if name is None else name
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        kind = "BinaryFocalCrossentropy"
        self.apply_class_balancing = flag(f"{kind}: apply_class_balancing", apply_class_balancing)
        self.alpha = number(f"{kind}: alpha", alpha)
        self.gamma = number(f"{kind}: gamma", gamma, low=0)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        t, y = self._smooth(t), sigmoid(y) if self.from_logits else y
        p = A.clip(y, low=EPSILON, high=1 - EPSILON)
        each = A.multiply(A.log(p), t) + A.multiply(A.log(1.0 - p), 1 - t)
        if self.gamma:
            each = each * (1.0 - (A.multiply(y, t) + A.multiply(1.0 - y, 1 - t))) ** self.gamma
        if self.apply_class_balancing:
            each = A.multiply(each, t * self.alpha + (1 - t) * (1 - self.alpha))
        return -A.mean(each, axis=self.axis)


