"""Loss: per-sample values made by ops, then one reduction."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..aliases import ArrayLike, DTypeLike, Shape
from ..arguments import Described, array, flag, float_type, number, shown, text, whole
from ..arguments import function as checked_function
from ..core.tensor import Tensor
from ..errors import ArgumentError, ArgumentTypeError, DataError, one_of, require
from ..ops import arithmetic as A
from ..ops.loss import scaled_sum
from ..ops.shape import reshape
from ..weighting import aligned, check_weights

EPSILON = 1e-7  # Keras's fuzz factor
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none")
MEANS = REDUCTIONS[:2]  # two names of one


class Values(np.ndarray):
    """Losses as an array, which Keras's programs ask for .numpy()."""

    def numpy(self) -> Any:
        """NumPy's own array, or number."""
        return np.asarray(self)[()]


def answered(found: Tensor) -> Any:
    """A loss of arrays, which may be asked for .numpy(), as scripts do."""
    return found.numpy().view(Values)


class Loss(Described):
    """A loss.  `loss(y_true, y_pred, sample_weight=None)` -> a scalar.

    A loss of your own overrides `call(y_true, y_pred)`, as in Keras, with ops of tensors.

    reduction  "sum_over_batch_size" or "mean": sum of (value * weight) / number of values; "sum";
               "mean_with_sample_weight": the sum / the sum of the weights; "none": all values
    fused      the activation whose input, the logits, this loss would rather see; None: it takes outputs only

    Differs from Keras: it is computed in the type of y_pred, float32 or float64, and dtype may only say float32; there
    in the type that dtype says, by default float32. Targets that are not finite are refused, there the loss is not
    finite.
    """

    fused: Callable | None = None
    common = ("reduction", "name")
    dtype = "float32"  # which Keras's programs ask for; the model's device decides

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: DTypeLike = None):
        kind = type(self).__name__
        self.reduction = reduction
        self.name = text(f"{kind}: name", name, optional=True) or kind
        float_type(kind, dtype)

    def _probabilities(self, from_logits, label_smoothing, axis) -> None:
        """What the cross-entropies may be told."""
        kind = type(self).__name__
        self.from_logits = flag(f"{kind}: from_logits", from_logits)
        self.label_smoothing = number(f"{kind}: label_smoothing", label_smoothing, low=0, high=1)
        self.axis = whole(f"{kind}: axis", axis, low=None)

    def __setattr__(self, name: str, value) -> None:
        if name == "reduction":
            value = one_of(f"{type(self).__name__}: reduction", "none" if value is None else value, REDUCTIONS)
        super().__setattr__(name, value)

    @property
    def traced(self) -> bool:
        """Whether `values` and `reduce` call nothing but ops, the same whatever the numbers are: core/program.py."""
        ours = type(self).__module__.startswith(f"{__package__}.") and type(self) not in (Loss, FunctionLoss)
        return ours and self.reduction != "mean_with_sample_weight" and not {"values", "reduce"} & vars(self).keys()

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Per-sample values of tensors: what a loss of your own overrides."""
        raise NotImplementedError(f"{type(self).__name__}: write call(self, y_true, y_pred)")

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        """Per-sample losses from targets t (an array on y's backend) and outputs (or logits) y."""
        found = self.call(tensor(t, y), y)
        if not isinstance(found, Tensor):
            kind = type(found).__name__
            raise ArgumentTypeError(f"loss {self.name}: expected a Tensor made from y_pred, received {kind}")
        tracked = found.requires_grad or not y.requires_grad
        require(tracked, f"loss {self.name}", "a Tensor made from y_pred by ops", "one that does not depend on it",
                "nothing could be learned from it", error=ArgumentError)  # fmt: skip
        return found

    def prepare(self, y_true: np.ndarray, output_shape: tuple[int, ...]) -> np.ndarray:
        """Targets as a float array, checked: one of your own may read targets of any shape.  Raises DataError."""
        return checked_targets(self.name, same_rank(np.asarray(y_true), output_shape))

    def prepare_computed(self, y_true: np.ndarray, output_shape: tuple[int, ...]) -> np.ndarray:
        """As `prepare`, of targets that a program has computed: a Tensor's numbers."""
        return self.prepare(y_true, output_shape)

    def reduce(self, values: Tensor, weights: Any = None) -> Tensor:
        """The scalar that is reported and differentiated.

        weights of samples (N,), of timesteps (N, T), one for all, or None: `aligned` says which shapes fit. One value
        for the whole batch is multiplied by each.
        """
        if weights is not None:
            weights = weights if values.ndim == 0 else aligned(self.name, weights, values.shape)
            values = A.multiply(values, weights)
        count = values.data.size
        if self.reduction == "none" or (values.ndim == 0 and weights is None):
            return values
        if self.reduction in MEANS:
            return scaled_sum(values, scale=1.0 / count)
        if self.reduction == "mean_with_sample_weight" and weights is not None:
            return scaled_sum(values, scale=weights.size / (count * max(float(weights.sum()), EPSILON)))
        return A.total(values) if self.reduction == "sum" else A.mean(values)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """From tensors a tensor; from NumPy arrays an array: of no axes, but for reduction="none"."""
        t, y = self.pair(y_true, y_pred)
        if isinstance(y_true, Tensor) and y_true.tracked and t.size == y_true.data.size:  # else they are class numbers
            t = y_true if y_true.shape == t.shape else reshape(y_true, shape=t.shape)  # it has a gradient, too
        w = None if sample_weight is None else y.be.asarray(check_weights(sample_weight), y.be.dtype)
        loss = self.reduce(self.values(t, y), w)
        return loss if isinstance(y_pred, Tensor) else answered(loss)

    def pair(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Any, Tensor]:
        """Checked targets as an array on the backend, and outputs as a tensor."""
        y = y_pred if isinstance(y_pred, Tensor) else Tensor(array(f"{self.name}: y_pred", y_pred))
        require(y.ndim > 0, f"{self.name}: y_pred", "an array of at least one axis", shown(y_pred))
        truth = y_true.numpy() if isinstance(y_true, Tensor) else array(f"{self.name}: y_true", y_true)
        rows, expected = truth.shape[:1] == y.shape[:1], f"as many rows as y_pred, {y.shape[0]}"
        require(rows, f"{self.name}: y_true", expected, f"shape {truth.shape}")
        prepare = self.prepare_computed if isinstance(y_true, Tensor) else self.prepare
        found = prepare(truth, y.shape[1:])
        return y.be.asarray(found, y.be.dtype), y

    def __repr__(self):
        return f"{type(self).__name__}()"


class Elementwise(Loss):
    """Targets of the outputs' shape, finite numbers."""

    def prepare(self, y_true: np.ndarray, output_shape: Shape) -> np.ndarray:
        y = same_rank(np.asarray(y_true), output_shape)
        require(y.shape[1:] == tuple(output_shape), self.name, f"targets of shape {shape(output_shape)}", y.shape)
        return checked_targets(self.name, y)


class FunctionLoss(Loss):
    """A user's function (y_true, y_pred) -> per-sample values, written with tensor arithmetic."""

    def __init__(self, function: Callable):
        self.function = checked_function("FunctionLoss: function", function, of="(y_true, y_pred)")
        super().__init__(name=getattr(function, "__name__", type(function).__name__))

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self.function(y_true, y_pred)


def tensor(t: Any, y: Tensor) -> Tensor:
    """Targets as a tensor beside the outputs y."""
    return t if isinstance(t, Tensor) else Tensor(t, y.be)


def same_rank(y: np.ndarray, output_shape: Shape) -> np.ndarray:
    """(N, ...) targets for outputs (N, ..., 1) get that axis, and the other way round."""
    if y.ndim == len(output_shape) and tuple(output_shape[-1:]) == (1,):
        return y[..., None]
    if y.ndim == len(output_shape) + 2 and y.shape[-1] == 1:
        return y[..., 0]
    return y


def checked_targets(where: str, y: np.ndarray, *, probabilities: bool = False) -> np.ndarray:
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


def shape(output_shape: Shape) -> str:
    """An output shape with its batch axis, for messages."""
    return "(" + ", ".join(["N", *map(str, output_shape)]) + ")"
