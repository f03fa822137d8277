"""Constraints: what a weight is made to be after every step of the optimizer.

    Dense(64, kernel_constraint="max_norm")     Conv2D(8, 3, kernel_constraint=constraints.MaxNorm(2, axis=[0, 1, 2]))

|w| is the norm over `axis`: of a Dense kernel (inputs, units) axis 0 is one unit's weights, of a Conv2D kernel
(KH, KW, C, filters) [0, 1, 2] one filter's.
"""

from collections.abc import Callable

from .activations import tensor
from .aliases import ArrayLike, ConstraintLike, Ints
from .arguments import Configured, axes, described, number
from .core.tensor import Tensor
from .ops import arithmetic as A

_EPSILON = 1e-7


class Constraint(Configured):
    """constraint(w) -> a tensor of w's shape, of an array too.  One of your own overrides __call__ and get_config."""

    def __call__(self, w: Tensor) -> Tensor:
        return w


class NonNeg(Constraint):
    """max(w, 0)."""

    def __call__(self, w: ArrayLike) -> Tensor:
        return A.maximum(tensor("NonNeg: w", w), 0.0)


class MaxNorm(Constraint):
    """w clip(|w|, 0, max_value) / (1e-7 + |w|)."""

    def __init__(self, max_value: float = 2, axis: Ints = 0):
        self.max_value, self.axis = number("MaxNorm: max_value", max_value, low=0), _listed(axes("MaxNorm: axis", axis))

    def __call__(self, w: ArrayLike) -> Tensor:
        w = tensor("MaxNorm: w", w)
        norms = _norms(w, self.axis)
        return w * (A.minimum(norms, self.max_value) / (norms + _EPSILON))


class UnitNorm(Constraint):
    """w / (1e-7 + |w|)."""

    def __init__(self, axis: Ints = 0):
        self.axis = _listed(axes("UnitNorm: axis", axis))

    def __call__(self, w: ArrayLike) -> Tensor:
        w = tensor("UnitNorm: w", w)
        return w / (_norms(w, self.axis) + _EPSILON)


class MinMaxNorm(Constraint):
    """w (rate clip(|w|, min_value, max_value) + (1 - rate) |w|) / (1e-7 + |w|)."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Ints = 0):
        self.min_value = number("MinMaxNorm: min_value", min_value, low=0)
        self.max_value = number("MinMaxNorm: max_value", max_value, low=0)
        self.rate, self.axis = number("MinMaxNorm: rate", rate, low=0, high=1), _listed(axes("MinMaxNorm: axis", axis))

    def __call__(self, w: ArrayLike) -> Tensor:
        w = tensor("MinMaxNorm: w", w)
        norms = _norms(w, self.axis)
        wanted = A.clip(norms, low=self.min_value, high=self.max_value) * self.rate + norms * (1 - self.rate)
        return w * (wanted / (norms + _EPSILON))


def _listed(axis):
    """As a file holds it."""
    return list(axis) if isinstance(axis, tuple) else axis


def _norms(w, axis):
    return A.sqrt(A.total(w * w, axis=axis, keepdims=True))


max_norm = maxnorm = MaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm
min_max_norm = MinMaxNorm
ALL = (MaxNorm, NonNeg, UnitNorm, MinMaxNorm)
_BY_NAME = {"max_norm": MaxNorm, "maxnorm": MaxNorm, "non_neg": NonNeg, "nonneg": NonNeg, "unit_norm": UnitNorm,
            "unitnorm": UnitNorm, "min_max_norm": MinMaxNorm}  # fmt: skip


def get(identifier: ConstraintLike, where: str = "constraint") -> Callable | None:
    """A constraint from None, a name, a class, a function of a tensor, {"class_name", "config"}, or itself."""
    return described(where, identifier, Constraint, _BY_NAME)


__all__ = ["ALL", "Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "get", "max_norm", "min_max_norm",
           "non_neg", "unit_norm"]  # fmt: skip
