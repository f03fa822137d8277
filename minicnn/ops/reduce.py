"""Ops that make fewer numbers of many along axes.  axis: a number, a tuple, or None for all."""

import math
from typing import Any

from ..arguments import flag, index, items
from ..core.op import op
from ..errors import require, shown


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """`axis` as a tuple of axes from 0."""
    given = range(ndim) if axis is None else items(axis) or [axis]
    axes: list[Any] = [index(a) for a in given]
    ok = all(a is not None and -ndim <= a < ndim for a in axes)
    require(ok, "axis", f"axes of {ndim}", shown(axis))
    return tuple(a % ndim for a in axes)


def _kept(shape, axes):
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


@op
def total(be: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """y = sum of x over `axis`;  dx = dy, repeated."""
    shape, axes, keepdims = x.shape, axes_of(axis, x.ndim), flag("sum: keepdims", keepdims)
    y = be.xp.asarray(x.sum(axis=axes, keepdims=keepdims))
    return y, lambda dy, needs: (be.xp.broadcast_to(dy.reshape(_kept(shape, axes)), shape),)


@op
def mean(be: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """y = mean of x over `axis`;  dx = dy / count, repeated."""
    shape, axes, keepdims = x.shape, axes_of(axis, x.ndim), flag("mean: keepdims", keepdims)
    count = math.prod(shape[i] for i in axes)
    y = be.xp.asarray(x.mean(axis=axes, keepdims=keepdims))
    return y, lambda dy, needs: (be.xp.broadcast_to(dy.reshape(_kept(shape, axes)) / count, shape),)


@op
def amax(be: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """y = the largest of x over `axis`;  dx = dy, in equal shares at all places that hold it."""
    return _extreme(be, x, x.max(axis=axes_of(axis, x.ndim), keepdims=True), axis, keepdims)


@op
def amin(be: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """y = the smallest of x over `axis`;  dx = dy, in equal shares at all places that hold it."""
    return _extreme(be, x, x.min(axis=axes_of(axis, x.ndim), keepdims=True), axis, keepdims)


def _extreme(be, x, found, axis, keepdims):
    axes = axes_of(axis, x.ndim)
    there = (x == found).astype(x.dtype)
    share = there / there.sum(axis=axes, keepdims=True)
    shape = found.shape if keepdims else tuple(n for i, n in enumerate(x.shape) if i not in axes)
    return be.xp.asarray(found).reshape(shape), lambda dy, needs: (dy.reshape(found.shape) * share,)


@op
def product(be: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """y = product of x over `axis`;  dx_i = dy times the product of all others (exact where elements are 0)."""
    axes = axes_of(axis, x.ndim)
    y = be.xp.asarray(x.prod(axis=axes, keepdims=keepdims))

    def vjp(dy, needs):
        zero = x == 0
        others = be.xp.where(zero, x.dtype.type(1), x).prod(axis=axes, keepdims=True)
        zeros = zero.sum(axis=axes, keepdims=True)
        without = be.xp.where(zero, others * (zeros == 1), others * (zeros == 0) / be.xp.where(zero, 1, x))
        return (dy.reshape(_kept(x.shape, axes)) * without.astype(x.dtype),)

    return y, vjp


@op
def variance(be: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """y = mean of (x - mean x)^2 over `axis`;  dx = dy 2 (x - mean x) / count."""
    axes = axes_of(axis, x.ndim)
    count = math.prod(x.shape[i] for i in axes)
    centred = x - x.mean(axis=axes, keepdims=True)
    y = be.xp.asarray((centred * centred).mean(axis=axes, keepdims=keepdims))
    return y, lambda dy, needs: (dy.reshape(_kept(x.shape, axes)) * centred * (2 / count),)


@op
def logsumexp(be: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> tuple[Any, Any]:
    """y = log sum exp x over `axis`, from the largest;  dx = dy exp(x - y)."""
    axes = axes_of(axis, x.ndim)
    top = x.max(axis=axes, keepdims=True)
    top = be.xp.where(be.xp.isfinite(top), top, x.dtype.type(0))
    y = be.xp.log(be.xp.exp(x - top).sum(axis=axes, keepdims=True)) + top
    shape = y.shape if keepdims else tuple(n for i, n in enumerate(x.shape) if i not in axes)
    return y.reshape(shape), lambda dy, needs: (dy.reshape(y.shape) * be.xp.exp(x - y),)


@op
def cumulative_sum(be: Any, x: Any, *, axis: int = -1) -> tuple[Any, Any]:
    """y_i = x_0 + ... + x_i along `axis`;  dx_i = dy_i + ... + dy_last."""

    def vjp(dy, needs):
        return (be.xp.flip(be.xp.cumsum(be.xp.flip(dy, axis), axis=axis), axis),)

    return be.xp.cumsum(x, axis=axis), vjp
