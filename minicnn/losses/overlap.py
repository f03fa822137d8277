"""Losses of masks: how little the output and the target overlap.  axis: None makes one value of a whole batch."""

from typing import Any

from ..aliases import DTypeLike
from ..arguments import index, items, number, shown
from ..core.tensor import Tensor
from ..errors import ArgumentError, require
from ..ops import arithmetic as A
from .base import EPSILON, Elementwise, tensor


class Dice(Elementwise):
    """1 - 2 sum t y / (sum t + sum y), sums over `axis`.  Source: Dice 1945; Milletari et al. 2016."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = "dice",
                 axis: int | None = None, dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "dice" if name is None else name, dtype)
        self.axis = _axes("Dice: axis", axis)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        t, axis = tensor(t, y), self.axis
        return 1.0 - A.total(t * y, axis=axis) * 2.0 / (A.total(t, axis=axis) + A.total(y, axis=axis) + EPSILON)


class Tversky(Elementwise):
    """1 - tp / (tp + alpha fp + beta fn): tp = sum t y, fp = sum t (1 - y), fn = sum (1 - t) y, sums over `axis`.

    fp and fn are named as in Keras, whose alpha weighs what the output lacks. alpha = beta = 1/2 is Dice.
    Source: Salehi et al. 2017.
    """

    def __init__(self, alpha: float = 0.5, beta: float = 0.5, reduction: str | None = "sum_over_batch_size",
                 name: str | None = "tversky", axis: int | None = None, dtype: DTypeLike = None):  # fmt: skip
        super().__init__(reduction, "tversky" if name is None else name, dtype)
        self.alpha, self.beta = number("Tversky: alpha", alpha), number("Tversky: beta", beta)
        self.axis = _axes("Tversky: axis", axis)

    def values(self, t: Any, y: Tensor, *, logits: bool = False) -> Tensor:
        tp = A.total(A.multiply(y, t), axis=self.axis)
        fp = A.total(A.multiply(1.0 - y, t), axis=self.axis)
        fn = A.total(A.multiply(y, 1 - t), axis=self.axis)
        return 1.0 - tp / (tp + fp * self.alpha + fn * self.beta + EPSILON)


def _axes(where: str, axis):
    """None, an axis, or a list of axes."""
    if axis is None:
        return None
    found = [index(one) for one in (items(axis) or [axis])]
    ok = all(one is not None for one in found)
    require(ok, where, "None, an axis or axes", shown(axis), error=ArgumentError)
    return found if items(axis) else found[0]
