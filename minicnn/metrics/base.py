"""Metric: a number that builds up over batches.  Sums are kept in float64.

Differs from Keras: there in float32, or in the type that dtype says: here it may only be float32, which get_config
does not hold.
"""

import collections
import copy
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .. import losses
from ..aliases import ArrayLike, DTypeLike, Shape
from ..arguments import Described, array, flag, float_type, number, text, whole
from ..arguments import function as checked_function
from ..core.tensor import Parameter, Tensor
from ..errors import ShapeError, one_of, require
from ..naming import auto_name
from ..ops.activation import sigmoid, softmax
from ..weighting import aligned, check_weights
from . import functions as F


class Variable(Tensor):
    """A number or an array that a metric of your own counts in, as Keras's `add_weight` makes it; NumPy, float32."""

    __slots__ = ("name",)

    def assign(self, value: ArrayLike) -> "Variable":
        """Take over `value`."""
        self.data = np.broadcast_to(np.asarray(value, self.dtype), self.shape).copy()
        return self

    def assign_add(self, value: ArrayLike) -> "Variable":
        """Add `value`."""
        return self.assign(self.data + np.asarray(value, self.dtype))

    def assign_sub(self, value: ArrayLike) -> "Variable":
        """Subtract `value`."""
        return self.assign(self.data - np.asarray(value, self.dtype))

    @property
    def value(self) -> "Variable":
        """Itself: the tensor."""
        return self


def _asked(result: Callable) -> Callable:
    """`result` of one of our own metrics, whose number may be asked for numpy()."""

    @functools.wraps(result)
    def asked(self):
        found = result(self)
        return Result(found) if type(found) is float else found

    return asked


class Result(float):
    """A number, which Keras's programs also ask for .numpy()."""

    __slots__ = ()

    def numpy(self) -> float:
        """The number."""
        return float(self)


class Metric(Described):
    """A number that builds up over batches: reset_state(), update_state(y_true, y_pred) for each, result().

    name: its key in logs; None counts up per class, as layers' names do. direction: "max" or "min" is better, None
    where nobody can tell. One of your own may keep its sums where it likes, or in add_weight(...) as in Keras.
    """

    better: ClassVar[str | None] = None  # the direction of a class
    common = ("name",)
    dtype = "float32"  # which Keras's programs ask for; sums are kept in float64

    def __init__(self, name: str | None = None, direction: str | None = None, dtype: DTypeLike = None):
        kind = type(self).__name__
        self.name = text(f"{kind}: name", name, optional=True) or auto_name(kind)
        direction = self.better if direction is None else direction
        self.direction = None if direction is None else one_of(f"{kind}: direction", direction, ("max", "min"))
        float_type(kind, None if dtype == "int" else dtype)
        try:
            self.reset_state()
        except AttributeError:  # of one that makes its variables after this, as Keras's do
            if type(self).__module__.startswith(str(__package__)):
                raise

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "result" in vars(cls) and cls.__module__.startswith(str(__package__)):
            cls.result = _asked(cls.result)

    def add_weight(self, shape: Shape | str = (), initializer: Any = "zeros", dtype: DTypeLike = None,
                   name: str | None = None) -> Variable:  # fmt: skip
        """A variable of zeros (or ones) that reset_state sets to 0.  Older: add_weight(name, initializer=...)."""
        if isinstance(shape, str):
            shape, name = (), shape
        start = np.ones if initializer in ("ones", "one") else np.zeros
        made = Variable(start(tuple(shape), np.float32))
        made.name = name
        vars(self).setdefault("variables", []).append(made)
        return made

    add_variable = add_weight
    shown: ClassVar[tuple[str, ...]] = ()  # the attributes that Keras has as variables, of one of ours

    @property
    def variables(self) -> list[Variable]:
        """Those of add_weight, of this metric and of those that it holds; of ours, copies of what has built up."""
        found = []
        for name in self.shown:
            found.append(Variable(np.asarray(getattr(self, name), np.float32)))
            found[-1].name = name
        for one in _inner([vars(self).get("variables", ()), *vars(self).values()]):
            found += one.variables if isinstance(one, Metric) else [one]
        return list({id(one): one for one in found}.values())

    def reset_state(self) -> None:
        """Begin anew: every variable of add_weight is 0."""
        if type(self).reset_states is not Metric.reset_states:
            self.reset_states()
            return
        for variable in vars(self).get("variables", ()):
            variable.assign(0)

    def reset_states(self) -> None:
        """Keras 2's name of reset_state."""
        self.reset_state()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        raise NotImplementedError

    def result(self) -> float:
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """update_state(...), and the result so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_state(self) -> dict:
        """What has built up since reset_state: numbers, strings, None, lists, dicts, NumPy arrays, for a checkpoint.

        By default every attribute but name, direction and functions; override both where that is not the state.
        """
        held = {k: v for k, v in vars(self).items() if k not in ("name", "direction", "variables") and not callable(v)}
        return {k: v.numpy().copy() if isinstance(v, Variable) else v for k, v in held.items()}

    def set_state(self, state: dict) -> None:
        """Take over what get_state returned."""
        for name in set(vars(self)) & set(state):
            if isinstance(getattr(self, name), Variable):
                getattr(self, name).assign(state[name])
            else:
                setattr(self, name, state[name])

    def independent_copy(self) -> "Metric":
        """One of the same kind with a state of its own, for a pass that begins while another is being measured.

        Arrays, lists, dicts, sets and metrics that it holds are copied, everything else is shared.
        """
        kept = (np.ndarray, list, dict, set, collections.deque, Metric, Variable)
        made, memo = copy.copy(self), {}
        for name, value in vars(self).items():
            if isinstance(value, kept):
                vars(made)[name] = value.independent_copy() if isinstance(value, Metric) else _copied(value, memo)
        return made


def _inner(value):
    """The metrics and variables in nested lists and dicts."""
    if isinstance(value, (Metric, Variable, Parameter)):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _inner(one)


def _copied(value, memo: dict):
    """A deep copy that keeps a Variable which two attributes share one."""
    if isinstance(value, Variable):
        if id(value) not in memo:
            memo[id(value)] = made = Variable(value.numpy().copy())
            made.name = value.name
        return memo[id(value)]
    if type(value) is list:
        return [_copied(one, memo) for one in value]
    return copy.deepcopy(value)


class Sum(Metric):
    """The sum of weight * value over everything so far."""

    shown = ("total",)

    def __init__(self, name: str = "sum", dtype: DTypeLike = None):
        super().__init__("sum" if name is None else name, dtype=dtype)

    def reset_state(self) -> None:
        self.total = 0.0

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        values = F.float64(array("Sum: values", values))
        weights = np.ones(()) if sample_weight is None else check_weights(sample_weight)
        weights = aligned(self.name, weights, values.shape) if values.ndim else weights
        self.total += float((values * weights).sum())

    def result(self) -> float:
        return self.total

    def get_state(self) -> dict[str, Any]:
        return {"total": self.total}

    def set_state(self, state: dict[str, Any]) -> None:
        self.total = state["total"]


class Mean(Metric):
    """sum(weight * value) / sum(weight) over the samples so far, weight 1 by default; 0 before the first."""

    shown = ("total", "count")

    def __init__(self, name: str = "mean", dtype: DTypeLike = None):
        super().__init__("mean" if name is None else name, dtype=dtype)

    def reset_state(self) -> None:
        self.total = self.count = 0.0

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        values = array("Mean: values", values)
        self._add(values, len(values) if values.ndim else 1, sample_weight)

    def _add(self, values, n: int, sample_weight) -> None:
        values = F.float64(values)
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

    def result(self) -> float:
        return self.total / self.count if self.count else 0.0

    def get_state(self) -> dict[str, Any]:
        return {"total": self.total, "count": self.count}

    def set_state(self, state: dict[str, Any]) -> None:
        self.total, self.count = state["total"], state["count"]


class MeanMetricWrapper(Mean):
    """sum(weight * value) / sum(weight) over the samples so far, weight 1 by default; 0 before the first.

    fn(y_true, y_pred, **options) -> a value per sample (N, ...), or one number that stands for its whole batch.
    sample_weight of samples (N,), of timesteps (N, T), or one for all; values of which one weight speaks are averaged.
    """

    def __init__(self, fn: Callable, name: str | None = None, direction: str | None = None, dtype: DTypeLike = None,
                 **options: Any):  # fmt: skip
        self.fn = checked_function("MeanMetricWrapper: fn", fn, of="(y_true, y_pred)")
        self.options = _options(f"{type(self).__name__}: ", options)
        name = getattr(fn, "__name__", type(fn).__name__) if name is None else name
        Metric.__init__(self, name, _direction(fn) if direction is None else direction, dtype)

    @property
    def fused(self) -> Callable | None:
        """The activation of whose input, the logits, `update_from_logits` makes the same number without clipping."""
        last = self.options.get("axis", -1) == -1
        return _FUSED.get(self.fn) if last and not self.options.get("from_logits") else None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = F.arrays(y_true, y_pred)
        self._add(self.fn(y_true, y_pred, **self.options), len(y_pred), sample_weight)

    def update_from_logits(self, y_true: ArrayLike, logits: np.ndarray, sample_weight: ArrayLike | None = None) -> None:
        """update_state, from the input of `fused`: as the loss that is computed from logits, not clipped."""
        self._add(self.fn(y_true, logits, **self.options | {"from_logits": True}), len(logits), sample_weight)


def _options(where: str, options: dict) -> dict:
    """The options of the functions of this package, checked; those of others as they are."""
    checks = {
        "k": whole, "threshold": number, "from_logits": flag,
        "axis": lambda where, value: whole(where, value, low=None),
        "label_smoothing": lambda where, value: number(where, value, low=0, high=1),
    }  # fmt: skip
    return {name: checks[name](where + name, value) if name in checks else value for name, value in options.items()}


_LARGER = (F.accuracy, F.equality, F.binary_accuracy, F.categorical_accuracy, F.sparse_categorical_accuracy,
           F.top_k_categorical_accuracy, F.sparse_top_k_categorical_accuracy, F.cosine_similarity,
           F.pearson_correlation, F.concordance_correlation)  # fmt: skip
_SMALLER = (F.mean_squared_error, F.mean_absolute_error, F.categorical_crossentropy,
            F.sparse_categorical_crossentropy, F.binary_crossentropy)  # fmt: skip
_DIRECTIONS = dict.fromkeys(_LARGER, "max") | dict.fromkeys((*_SMALLER, *losses.BY_FUNCTION), "min")
_FUSED = {
    F.categorical_crossentropy: softmax, F.sparse_categorical_crossentropy: softmax, F.binary_crossentropy: sigmoid,
}  # fmt: skip


def _direction(fn: Callable) -> str | None:
    try:
        return _DIRECTIONS.get(fn)
    except TypeError:  # a callable that cannot be looked up
        return None
