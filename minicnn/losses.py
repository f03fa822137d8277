"""Losses: per-sample values as differentiable ops, then one reduction.

A cross-entropy that follows its own activation (softmax, sigmoid) is computed from the logits, in one op: no
probability is rounded or clipped before its logarithm, and the gradient is p - t.

    Differs from Keras: probabilities that are not fused are clipped at 1e-7 as there; the fused form does not clip.
"""

from collections.abc import Callable

import numpy as np

from .arguments import Named, array, choice, flag, number, shown, text
from .arguments import function as checked_function
from .core.tensor import Tensor
from .errors import ArgumentError, ArgumentTypeError, DataError, ShapeError, one_of, require
from .labels import check_labels
from .ops import arithmetic as A
from .ops.activation import sigmoid, softmax
from .ops.loss import scaled_sum, sigmoid_cross_entropy, softmax_cross_entropy
from .ops.shape import reshape
from .weighting import aligned, check_weights

EPSILON = 1e-7  # Keras's fuzz factor: probabilities are clipped to [EPSILON, 1 - EPSILON]


class Loss(Named):
    """A loss.  `loss(y_true, y_pred, sample_weight=None)` -> a scalar.

    reduction  "sum_over_batch_size": sum of (value * weight) / number of values; "sum"; "mean_with_sample_weight":
               the sum / the sum of the weights; "none": all values
    fused      the activation whose input, the logits, this loss would rather see; None: it takes outputs only
    """

    fused: Callable | None = None

    def __init__(self, reduction="sum_over_batch_size", name=None):
        kind = type(self).__name__
        self.reduction = reduction
        self.name = text(f"{kind}: name", name, optional=True) or kind

    def _probabilities(self, from_logits, label_smoothing, axis) -> None:
        """What the cross-entropies may be told."""
        kind = type(self).__name__
        self.from_logits = flag(f"{kind}: from_logits", from_logits)
        self.label_smoothing = number(f"{kind}: label_smoothing", label_smoothing, low=0, high=1)
        choice(f"{kind}: axis", axis, (-1,))

    def __setattr__(self, name: str, value) -> None:
        if name == "reduction":
            known = ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none")
            value = one_of(f"{type(self).__name__}: reduction", "none" if value is None else value, known)
        super().__setattr__(name, value)

    @property
    def traced(self) -> bool:
        """Whether `values` and `reduce` call nothing but ops, the same whatever the numbers are: core/program.py."""
        ours = type(self).__module__ == __name__ and type(self) is not FunctionLoss
        return ours and self.reduction != "mean_with_sample_weight" and not {"values", "reduce"} & vars(self).keys()

    def values(self, t, y: Tensor, *, logits: bool = False) -> Tensor:
        """Per-sample losses from targets t (an array on y's backend) and outputs (or logits) y."""
        raise NotImplementedError

    def prepare(self, y_true: np.ndarray, output_shape: tuple[int, ...]) -> np.ndarray:
        """Targets as a float array of shape (N, *output_shape), checked.  Raises ShapeError or DataError."""
        y = np.asarray(y_true)
        if y.ndim == len(output_shape) and output_shape[-1:] == (1,):
            y = y[..., None]
        require(y.shape[1:] == tuple(output_shape), self.name, f"targets of shape {_shape(output_shape)}", y.shape)
        return _checked(self.name, y)

    def reduce(self, values: Tensor, weights=None) -> Tensor:
        """The scalar that is reported and differentiated.

        weights of samples (N,), of timesteps (N, T), one for all, or None: `aligned` says which shapes fit.
        """
        count = values.data.size
        if weights is not None:
            weights = aligned(self.name, weights, values.shape)
            values = A.multiply(values, weights)
        if self.reduction == "none":
            return values
        if self.reduction == "sum_over_batch_size":
            return scaled_sum(values, scale=1.0 / count)
        if self.reduction == "mean_with_sample_weight" and weights is not None:
            return scaled_sum(values, scale=weights.size / (count * max(float(weights.sum()), EPSILON)))
        return A.total(values) if self.reduction == "sum" else A.mean(values)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """From tensors a tensor; from NumPy arrays a NumPy scalar (or array, for reduction="none")."""
        y = y_pred if isinstance(y_pred, Tensor) else Tensor(array(f"{self.name}: y_pred", y_pred))
        require(y.ndim > 0, f"{self.name}: y_pred", "an array of at least one axis", shown(y_pred))
        truth = y_true.numpy() if isinstance(y_true, Tensor) else array(f"{self.name}: y_true", y_true)
        rows, expected = truth.shape[:1] == y.shape[:1], f"as many rows as y_pred, {y.shape[0]}"
        require(rows, f"{self.name}: y_true", expected, f"shape {truth.shape}")
        t = y.be.asarray(self.prepare(truth, y.shape[1:]), y.be.dtype)
        w = None if sample_weight is None else y.be.asarray(check_weights(sample_weight), y.be.dtype)
        loss = self.reduce(self.values(t, y), w)
        return loss if isinstance(y_pred, Tensor) else loss.numpy()[()]

    def __repr__(self):
        return f"{type(self).__name__}()"


class CategoricalCrossentropy(Loss):
    """-sum_k t_k log p_k with one-hot (or soft) targets.  label_smoothing s: t (1 - s) + s / K."""

    fused = staticmethod(softmax)

    def __init__(self, from_logits=False, label_smoothing=0.0, axis=-1, reduction="sum_over_batch_size", name=None):
        super().__init__(reduction, "categorical_crossentropy" if name is None else name)
        self._probabilities(from_logits, label_smoothing, axis)

    def prepare(self, y_true, output_shape):
        y = np.asarray(y_true)
        numbers = y.shape[1:] in (tuple(output_shape[:-1]), (*output_shape[:-1], 1))
        if numbers and y.shape[1:] != tuple(output_shape):
            raise ShapeError(
                f"{self.name}: expected one-hot targets of shape {_shape(output_shape)}, received class numbers of "
                f'shape {y.shape}; use to_categorical(y, {output_shape[-1]}), or loss="sparse_categorical_crossentropy"'
            )
        expected = f"one-hot targets of shape {_shape(output_shape)}"
        require(y.shape[1:] == tuple(output_shape), self.name, expected, y.shape)
        return _checked(self.name, y, probabilities=True)

    def values(self, t, y, *, logits=False):
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + self.label_smoothing / t.shape[-1]
        if logits or self.from_logits:
            if y.ndim == 2:
                return softmax_cross_entropy(y, t)
            flat = softmax_cross_entropy(reshape(y, shape=(-1, y.shape[-1])), t.reshape(-1, t.shape[-1]))
            return reshape(flat, shape=y.shape[:-1])
        p = A.clip(y / A.total(y, axis=-1, keepdims=True), low=EPSILON, high=1 - EPSILON)
        return -A.total(A.multiply(A.log(p), t), axis=-1)


class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """-log p_y with class numbers y of shape (N,) or (N, 1)."""

    def __init__(self, from_logits=False, ignore_class=None, reduction="sum_over_batch_size", axis=-1, name=None):
        name = "sparse_categorical_crossentropy" if name is None else name
        super().__init__(from_logits, axis=axis, reduction=reduction, name=name)
        choice("SparseCategoricalCrossentropy: ignore_class", ignore_class, (None,))

    def prepare(self, y_true, output_shape):
        y = np.asarray(y_true)
        if y.ndim > 1 and y.shape[1:] == tuple(output_shape) and output_shape[-1] > 1:
            raise ShapeError(
                f"{self.name}: expected class numbers of shape (N,), received one-hot targets of shape {y.shape}; "
                f'use loss="categorical_crossentropy", or y.argmax(axis=-1)'
            )
        if y.ndim == len(output_shape) + 1 and y.shape[-1] == 1:
            y = y[..., 0]
        require(y.shape[1:] == tuple(output_shape[:-1]), self.name, "class numbers of shape (N,)", y.shape)
        check_labels(y.reshape(-1), output_shape[-1])
        return np.eye(output_shape[-1], dtype=np.float32)[y.astype(np.int64)]


class BinaryCrossentropy(Loss):
    """mean over the last axis of -[t log p + (1 - t) log(1 - p)].  label_smoothing s: t (1 - s) + s / 2."""

    fused = staticmethod(sigmoid)

    def __init__(self, from_logits=False, label_smoothing=0.0, axis=-1, reduction="sum_over_batch_size", name=None):
        super().__init__(reduction, "binary_crossentropy" if name is None else name)
        self._probabilities(from_logits, label_smoothing, axis)

    def prepare(self, y_true, output_shape):
        return _checked(self.name, super().prepare(y_true, output_shape), probabilities=True)

    def values(self, t, y, *, logits=False):
        if self.label_smoothing:
            t = t * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        if logits or self.from_logits:
            return A.mean(sigmoid_cross_entropy(y, t), axis=-1)
        p = A.clip(y, low=EPSILON, high=1 - EPSILON)
        return -A.mean(A.multiply(A.log(p), t) + A.multiply(A.log(1.0 - p), 1 - t), axis=-1)


class MeanSquaredError(Loss):
    """mean over the last axis of (y - t)^2."""

    def __init__(self, reduction="sum_over_batch_size", name=None):
        super().__init__(reduction, "mean_squared_error" if name is None else name)

    def values(self, t, y, *, logits=False):
        e = y - t
        return A.mean(e * e, axis=-1)


class MeanAbsoluteError(Loss):
    """mean over the last axis of |y - t|."""

    def __init__(self, reduction="sum_over_batch_size", name=None):
        super().__init__(reduction, "mean_absolute_error" if name is None else name)

    def values(self, t, y, *, logits=False):
        return A.mean(A.absolute(y - t), axis=-1)


class FunctionLoss(Loss):
    """A user's function (y_true, y_pred) -> per-sample values, written with tensor arithmetic."""

    def __init__(self, function):
        self.function = checked_function("FunctionLoss: function", function, of="(y_true, y_pred)")
        super().__init__(name=getattr(function, "__name__", type(function).__name__))

    def values(self, t, y, *, logits=False):
        values = self.function(Tensor(t, y.be), y)
        if not isinstance(values, Tensor):
            kind = type(values).__name__
            raise ArgumentTypeError(f"loss {self.name}: expected a Tensor made from y_pred, received {kind}")
        tracked = values.requires_grad or not y.requires_grad
        require(tracked, f"loss {self.name}", "a Tensor made from y_pred by ops", "one that does not depend on it",
                "nothing could be learned from it", error=ArgumentError)  # fmt: skip
        return values


_BY_NAME = {
    "binary_crossentropy": BinaryCrossentropy, "bce": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "mean_absolute_error": MeanAbsoluteError, "mae": MeanAbsoluteError,
    "mean_squared_error": MeanSquaredError, "mse": MeanSquaredError,
}  # fmt: skip


def get(identifier) -> Loss:
    """A loss from its name, its class, a function (y_true, y_pred), or itself."""
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        return FunctionLoss(identifier)
    known = isinstance(identifier, str)
    require(known, "loss", "a name, a function or a Loss", shown(identifier), error=ArgumentTypeError)
    by_any_name = _BY_NAME | {c.__name__: c for c in set(_BY_NAME.values())}
    if identifier in by_any_name:
        return by_any_name[identifier]()
    return _BY_NAME[one_of("loss", identifier.lower(), _BY_NAME)]()


def _checked(where: str, y: np.ndarray, *, probabilities: bool = False) -> np.ndarray:
    """y, if it holds finite numbers (from 0 to 1).  Raises DataError that names the first row with another."""
    expected = "targets from 0 to 1" if probabilities else "finite targets"
    require(y.dtype.kind in "buif", where, expected, f"an array of {y.dtype}", error=DataError)
    bad = ~((y >= 0) & (y <= 1)) if probabilities else ~np.isfinite(y)
    if bad.any():
        place = tuple(map(int, np.unravel_index(int(bad.argmax()), y.shape)))
        raise DataError(
            f"{where}: expected {expected}, received {y[place]} in row {place[0]}; correct or remove that row"
        )
    return y


def _shape(output_shape) -> str:
    return "(" + ", ".join(["N", *map(str, output_shape)]) + ")"
