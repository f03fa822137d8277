"""Losses that want a margin: targets are -1 and 1.  A batch of nothing but 0 and 1 is read as -1 and 1."""

from typing import Any

from ..aliases import DTypeLike
from ..core.tensor import Tensor
from ..ops import arithmetic as A
from ..ops.loss import plus_minus_one
from ..ops.reduce import amax
from .base import Elementwise, tensor


class Hinge(Elementwise):
    """mean over the last axis of max(1 - t y, 0)."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "hinge",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "hinge" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        return A.mean(_missing(t, y), axis=-1)


class SquaredHinge(Elementwise):
    """mean over the last axis of max(1 - t y, 0)^2."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "squared_hinge",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "squared_hinge" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        short = _missing(t, y)
        return A.mean(short * short, axis=-1)


class CategoricalHinge(Elementwise):
    """max(1 + the largest of (1 - t) y - sum of t y, 0) over the last axis, for one-hot t."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "categorical_hinge",
                 dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "categorical_hinge" if name is None else name, dtype)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        others = amax(A.multiply(y, 1 - t), axis=-1)
        return A.maximum(others - A.total(A.multiply(y, t), axis=-1) + 1.0, 0.0)


def _missing(t, y):
    """How much every output lacks of its margin."""
    return A.maximum(1.0 - plus_minus_one(tensor(t, y)) * y, 0.0)
