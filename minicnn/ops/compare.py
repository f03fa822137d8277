"""Comparisons, 1.0 for true and 0.0 for false, and the choice between two tensors.

The answers change in jumps: they stand on no tape, and no gradient flows through them.
"""

import functools
from collections.abc import Callable
from typing import Any

from ..core.op import elsewhere, joined, op
from ..core.program import tracing
from ..core.symbol import Symbol, called
from ..core.tensor import Tensor


def untracked(function: Callable) -> Callable:
    """`function(be, *arrays, **static)` as a function of tensors whose answer stands on no tape.

    Of symbols it makes a layer; in a program it is a node through which no gradient goes.
    """
    name = function.__name__

    def node(be, *arrays, **static):
        y = be.asarray(function(be, *arrays, **static), be.dtype)
        return y, lambda dy, needs: tuple([be.xp.zeros_like(a) if need else None
                                           for a, need in zip(arrays, needs, strict=True)])  # fmt: skip

    node.__name__ = name

    @functools.wraps(function)
    def apply(*args, **static) -> Tensor:
        if any([isinstance(a, Symbol) for a in args]):
            return called(apply, args, static)
        tensors = [a for a in args if isinstance(a, Tensor)]
        be, trace = tensors[0].be, tracing()
        if any(elsewhere(t, be) for t in tensors):
            be, args = joined(name, args, tensors)
        if trace is not None:
            return trace.call(node, args, static, tracked=False)
        arrays = [a.data if isinstance(a, Tensor) else be.asarray(a) for a in args]
        return Tensor.of(be.asarray(function(be, *arrays, **static), be.dtype), be, None)

    UNTRACKED[name] = apply
    return apply


UNTRACKED: dict[str, Callable] = {}


@untracked
def equal(be: Any, a: Any, b: Any) -> Any:
    """1 where a = b."""
    return a == b


@untracked
def not_equal(be: Any, a: Any, b: Any) -> Any:
    """1 where a differs from b."""
    return a != b


@untracked
def greater(be: Any, a: Any, b: Any) -> Any:
    """1 where a > b."""
    return a > b


@untracked
def greater_equal(be: Any, a: Any, b: Any) -> Any:
    """1 where a >= b."""
    return a >= b


@untracked
def less(be: Any, a: Any, b: Any) -> Any:
    """1 where a < b."""
    return a < b


@untracked
def less_equal(be: Any, a: Any, b: Any) -> Any:
    """1 where a <= b."""
    return a <= b


@untracked
def rounded(be: Any, x: Any) -> Any:
    """The nearest whole number, halves to even."""
    return be.xp.rint(x)


@untracked
def floor(be: Any, x: Any) -> Any:
    """The largest whole number that is not above x."""
    return be.xp.floor(x)


@untracked
def ceil(be: Any, x: Any) -> Any:
    """The smallest whole number that is not below x."""
    return be.xp.ceil(x)


@untracked
def sign(be: Any, x: Any) -> Any:
    """-1, 0 or 1."""
    return be.xp.sign(x)


@untracked
def argmax(be: Any, x: Any, *, axis: int | None = -1) -> Any:
    """The place of the largest along `axis`, the first of equals; None: in all of x, one after the other."""
    return be.xp.asarray(x.argmax(axis=axis))


@untracked
def argmin(be: Any, x: Any, *, axis: int | None = -1) -> Any:
    """The place of the smallest along `axis`, the first of equals; None: in all of x, one after the other."""
    return be.xp.asarray(x.argmin(axis=axis))


@untracked
def isnan(be: Any, x: Any) -> Any:
    """1 where x is not a number."""
    return be.xp.isnan(x)


@untracked
def isinf(be: Any, x: Any) -> Any:
    """1 where x is infinite."""
    return be.xp.isinf(x)


@untracked
def isclose(be: Any, a: Any, b: Any, *, rtol: float, atol: float) -> Any:
    """1 where |a - b| <= atol + rtol |b|, and where both are the same infinity."""
    return be.xp.isclose(a, b, rtol=rtol, atol=atol)


@untracked
def filled(be: Any, x: Any, *, value: Any) -> Any:
    """One value everywhere, in the shape of x."""
    return be.xp.full_like(x, value)


@untracked
def support(be: Any, x: Any, *, axis: int = -1) -> Any:
    """1 where sparsemax over `axis` is above 0: at the k largest x, the largest k with 1 + k x_k > x_1 + ... + x_k.

    Source: Martins & Astudillo 2016, "From softmax to sparsemax", algorithm 1.
    """
    xp = be.xp
    ordered = xp.flip(xp.sort(x, axis=axis), axis)
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    k = xp.arange(1, x.shape[axis] + 1, dtype=x.dtype).reshape(shape)
    sums = xp.cumsum(ordered, axis=axis)
    many = (1 + k * ordered > sums).sum(axis=axis, keepdims=True)
    tau = (xp.take_along_axis(sums, many - 1, axis=axis) - 1) / many
    return x > tau


@op
def where(be: Any, condition: Any, a: Any, b: Any) -> tuple[Any, Any]:
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
