"""Ops that put tensors together, and take parts of them."""

import itertools
import math
from typing import Any

from ..core.op import op
from ..errors import require


@op
def concatenate(be: Any, *arrays: Any, axis: int = -1) -> tuple[Any, Any]:
    """The arrays one after the other along `axis`; all other axes agree;  each gets its part of dy."""
    axis %= arrays[0].ndim
    others = {(a.ndim, *(n for i, n in enumerate(a.shape) if i != axis)) for a in arrays}
    expected = f"arrays that agree in all axes but {axis}"
    require(len(others) == 1, "concatenate", expected, ", ".join(str(a.shape) for a in arrays))
    edges = list(itertools.accumulate((a.shape[axis] for a in arrays), initial=0))

    def vjp(dy, needs):
        parts = [(slice(None),) * axis + (slice(a, b),) for a, b in itertools.pairwise(edges)]
        return [be.xp.ascontiguousarray(dy[p]) if need else None for p, need in zip(parts, needs, strict=True)]

    return be.xp.concatenate(arrays, axis=axis), vjp


@op
def stack(be: Any, *arrays: Any, axis: int = 0) -> tuple[Any, Any]:
    """Arrays of one shape along a new axis;  each gets its slice of dy."""
    same = len({a.shape for a in arrays}) == 1
    require(same, "stack", "arrays of one shape", ", ".join(str(a.shape) for a in arrays))
    at = axis % (arrays[0].ndim + 1)

    def vjp(dy, needs):
        return [be.asarray(be.xp.take(dy, i, axis=at), dy.dtype) if need else None for i, need in enumerate(needs)]

    return be.xp.stack(arrays, axis=at), vjp


@op
def part(be: Any, x: Any, *, key: Any) -> tuple[Any, Any]:
    """y = x[key] for numbers, slices, None and ...;  dx = dy there, 0 elsewhere."""

    def vjp(dy, needs):
        dx = be.xp.zeros_like(x)
        dx[key] = dy
        return (dx,)

    return be.asarray(x[key], x.dtype), vjp


@op
def segment_sum(be: Any, x: Any, *, ids: Any, count: int) -> tuple[Any, Any]:
    """y_s = the sum of the x_i with ids_i = s, (count, ...), other ids nowhere;  dx_i = dy of its segment, or 0."""
    xp, ids = be.xp, be.xp.asarray(ids)
    ids = xp.where((ids >= 0) & (ids < count), ids, count)  # the last segment is left out
    each = math.prod(x.shape[1:])
    places = (ids[:, None] * each + xp.arange(each)).reshape(-1)
    y = xp.bincount(places, weights=x.reshape(-1), minlength=(count + 1) * each)

    def vjp(dy, needs):
        return (xp.concatenate([dy, xp.zeros((1, *dy.shape[1:]), dy.dtype)])[ids],)

    return y[: count * each].reshape(count, *x.shape[1:]).astype(x.dtype), vjp


@op
def tile(be: Any, x: Any, *, repeats: Any) -> tuple[Any, Any]:
    """x repeated along its axes, repeats[i] times along axis i;  dx = the sum over the copies."""
    repeats = (1,) * (x.ndim - len(repeats)) + tuple(repeats)
    require(len(repeats) == x.ndim, "tile", f"at most {x.ndim} repeats", repeats)
    split = tuple(n for both in zip(repeats, x.shape, strict=True) for n in both)
    return be.xp.tile(x, repeats), lambda dy, needs: (dy.reshape(split).sum(axis=tuple(range(0, 2 * x.ndim, 2))),)


@op
def batch_matmul(be: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """y_n = a_n b_n for every sample.  a (N, I, K), b (N, K, J) -> y (N, I, J);  da = dy b',  db = a' dy."""
    ok = a.ndim == b.ndim == 3 and a.shape[::2] == b.shape[:2]
    require(ok, "batch_matmul", f"b of shape ({a.shape[0]}, {a.shape[-1]}, J)", b.shape)

    def product(u, v):
        return be.xp.ascontiguousarray(be.xp.matmul(u, v))

    def vjp(dy, needs):
        return (product(dy, b.transpose(0, 2, 1)) if needs[0] else None,
                product(a.transpose(0, 2, 1), dy) if needs[1] else None)  # fmt: skip

    return product(a, b), vjp
