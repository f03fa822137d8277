"""Ops that move elements and compute nothing."""

import math
from typing import Any

from ..arguments import index, items
from ..core.op import op
from ..errors import require, shown


@op
def reshape(be: Any, x: Any, *, shape: Any) -> tuple[Any, Any]:
    """The same elements in another shape; one axis may be -1."""
    before, listed = x.shape, items(shape)
    given = [shape] if listed is None else listed
    sizes = [index(n) for n in given]
    ok = all(n is not None and n >= -1 for n in sizes) and sizes.count(-1) <= 1
    known = math.prod(n for n in sizes if n is not None and n != -1)
    ok = ok and (x.size == known if -1 not in sizes else known > 0 and x.size % known == 0)
    require(ok, "reshape: shape", f"a shape of {x.size} elements", shown(shape))
    return x.reshape(sizes), lambda dy, needs: (dy.reshape(before),)


@op
def flatten(be: Any, x: Any) -> tuple[Any, Any]:
    """x (N, ...) -> (N, product of the rest), row-major."""
    before = x.shape
    return x.reshape(before[0], math.prod(before[1:])), lambda dy, needs: (dy.reshape(before),)


@op
def transpose(be: Any, x: Any, *, axes: Any = None) -> tuple[Any, Any]:
    """Axes in another order; None reverses them."""
    axes = tuple(a % x.ndim for a in axes or reversed(range(x.ndim)))
    back = tuple(sorted(range(x.ndim), key=axes.__getitem__))
    return be.asarray(x.transpose(axes), x.dtype), lambda dy, needs: (be.asarray(dy.transpose(back), dy.dtype),)


@op
def zero_pad(be: Any, x: Any, *, pads: Any) -> tuple[Any, Any]:
    """Zeros around each image.  x (N, H, W, C) -> (N, H+top+bottom, W+left+right, C); pads in px, as conv2d's."""
    require(x.ndim == 4, "zero_pad", "x of shape (N, H, W, C)", x.shape)
    (top, _), (left, _) = pads
    h, w = x.shape[1:3]
    y = be.xp.pad(x, ((0, 0), *pads, (0, 0)))
    return y, lambda dy, needs: (be.xp.ascontiguousarray(dy[:, top : top + h, left : left + w]),)
