"""Comparisons, 1.0 for true and 0.0 for false, and the choice between two tensors.

The answers change in jumps: they stand on no tape, and no gradient flows through them.
"""

from collections.abc import Callable
from typing import Any

from ..core.op import elsewhere, joined, op
from ..core.symbol import Symbol, called
from ..core.tensor import Tensor


def _untracked(function, *args) -> Tensor:
    """function(xp, *arrays) as a tensor without a tape."""
    tensors = [a for a in args if isinstance(a, Tensor)]
    be = tensors[0].be
    if any(elsewhere(t, be) for t in tensors):
        be, args = joined("comparison", args, tensors)
    arrays = [a.data if isinstance(a, Tensor) else be.asarray(a) for a in args]
    return Tensor.of(be.asarray(function(be.xp, *arrays), be.dtype), be, None)


def _compared(which: Callable, function, a, b) -> Any:
    """`function` of two tensors; of symbols a layer, which calls `which`."""
    if isinstance(a, Symbol) or isinstance(b, Symbol):
        return called(which, (a, b), {})
    return _untracked(function, a, b)


def equal(a, b) -> Tensor:
    """1 where a = b."""
    return _compared(equal, lambda xp, a, b: a == b, a, b)


def not_equal(a, b) -> Tensor:
    """1 where a differs from b."""
    return _compared(not_equal, lambda xp, a, b: a != b, a, b)


def greater(a, b) -> Tensor:
    """1 where a > b."""
    return _compared(greater, lambda xp, a, b: a > b, a, b)


def greater_equal(a, b) -> Tensor:
    """1 where a >= b."""
    return _compared(greater_equal, lambda xp, a, b: a >= b, a, b)


def less(a, b) -> Tensor:
    """1 where a < b."""
    return _compared(less, lambda xp, a, b: a < b, a, b)


def less_equal(a, b) -> Tensor:
    """1 where a <= b."""
    return _compared(less_equal, lambda xp, a, b: a <= b, a, b)


def rounded(x) -> Tensor:
    """The nearest whole number, halves to even."""
    return _untracked(lambda xp, x: xp.rint(x), x)


def floor(x) -> Tensor:
    """The largest whole number that is not above x."""
    return _untracked(lambda xp, x: xp.floor(x), x)


def ceil(x) -> Tensor:
    """The smallest whole number that is not below x."""
    return _untracked(lambda xp, x: xp.ceil(x), x)


def sign(x) -> Tensor:
    """-1, 0 or 1."""
    return _untracked(lambda xp, x: xp.sign(x), x)


def argmax(x, *, axis=-1) -> Tensor:
    """The place of the largest along `axis`, the first of equals."""
    return _untracked(lambda xp, x: x.argmax(axis=axis), x)


def argmin(x, *, axis=-1) -> Tensor:
    """The place of the smallest along `axis`, the first of equals."""
    return _untracked(lambda xp, x: x.argmin(axis=axis), x)


def isnan(x) -> Tensor:
    """1 where x is not a number."""
    return _untracked(lambda xp, x: xp.isnan(x), x)


def isclose(a, b, *, rtol, atol) -> Tensor:
    """1 where |a - b| <= atol + rtol |b|, and where both are the same infinity."""
    return _untracked(lambda xp, a, b: xp.isclose(a, b, rtol=rtol, atol=atol), a, b)


def support(x, *, axis=-1) -> Tensor:
    """1 where sparsemax over `axis` is above 0: at the k largest x, the largest k with 1 + k x_k > x_1 + ... + x_k.

    Source: Martins & Astudillo 2016, "From softmax to sparsemax", algorithm 1.
    """

    def found(xp, x):
        ordered = xp.flip(xp.sort(x, axis=axis), axis)
        shape = [1] * x.ndim
        shape[axis] = x.shape[axis]
        k = xp.arange(1, x.shape[axis] + 1, dtype=x.dtype).reshape(shape)
        sums = xp.cumsum(ordered, axis=axis)
        many = (1 + k * ordered > sums).sum(axis=axis, keepdims=True)
        tau = (xp.take_along_axis(sums, many - 1, axis=axis) - 1) / many
        return x > tau

    return _untracked(found, x)


@op
def where(be, condition, a, b):
    """y = a where condition is not 0, else b;  dy goes to the one that was taken, none to the condition."""
    taken = condition != 0

    def vjp(dy, needs):
        return be.xp.zeros_like(condition) if needs[0] else None, dy * taken, dy * ~taken

    return be.xp.where(taken, a, b), vjp


for _kind in (Tensor, Symbol):
    _kind.__gt__ = lambda a, b: greater(a, b)
    _kind.__ge__ = lambda a, b: greater_equal(a, b)
    _kind.__lt__ = lambda a, b: less(a, b)
    _kind.__le__ = lambda a, b: less_equal(a, b)
