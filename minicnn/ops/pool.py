"""Pooling over windows, and over whole images."""

from typing import Any

from ..core.op import op
from ..errors import require
from .geometry import Pads, Pair, output_size
from .resize import along_both


@op
def max_pool(be: Any, x: Any, *, window: Pair, strides: Pair,
             pads: Pads = ((0, 0), (0, 0))) -> tuple[Any, Any]:  # fmt: skip
    """y = the greatest cell of each window.  x (N, H, W, C) -> y (N, OH, OW, C).

    Backward: dy goes to the cell that won, the first in row-major order on ties.
    Kept for backward: the winner's number within its window, one byte per output (four for windows over 256 cells).
    """
    _check("max_pool", x, window, strides, pads)
    y, argmax = be.max_pool(x, window=window, strides=strides, pads=pads)
    shape = x.shape

    def vjp(dy, needs):
        return (be.max_pool_grad(dy, argmax, shape, window=window, strides=strides, pads=pads),)

    return y, vjp


@op
def average_pool(be: Any, x: Any, *, window: Pair, strides: Pair,
                 pads: Pads = ((0, 0), (0, 0))) -> tuple[Any, Any]:  # fmt: skip
    """y = the mean of each window's cells inside the image.  x (N, H, W, C) -> y (N, OH, OW, C).

    Backward: dy is shared equally among those cells. Kept for backward: nothing.
    """
    _check("average_pool", x, window, strides, pads)
    shape = x.shape

    def vjp(dy, needs):
        return (be.average_pool_grad(dy, shape, window=window, strides=strides, pads=pads),)

    return be.average_pool(x, window=window, strides=strides, pads=pads), vjp


@op
def adaptive_average_pool(be: Any, x: Any, *, size: Pair) -> tuple[Any, Any]:
    """y = the mean of each part of the image, parted into `size` (OH, OW):  y = A x B',  dx = A' dy B.

    Part i of OH has the rows from floor(i H / OH) to ceil((i + 1) H / OH), columns alike: neighbours may share some.
    x (N, H, W, C) -> y (N, OH, OW, C).
    """
    require(x.ndim == 4, "adaptive_average_pool", "x of shape (N, H, W, C)", x.shape)
    a, b = (_shares(be, n, m) for n, m in zip(x.shape[1:3], size, strict=True))
    return along_both(be.xp, x, a, b), lambda dy, needs: (along_both(be.xp, dy, a.T, b.T),)


@op
def adaptive_max_pool(be: Any, x: Any, *, size: Pair) -> tuple[Any, Any]:
    """y = the greatest cell of each part of the image, parted as by adaptive_average_pool.

    Backward: dy goes to the cell that won, the first in row-major order on ties.  x (N, H, W, C) -> y (N, OH, OW, C).
    """
    require(x.ndim == 4, "adaptive_max_pool", "x of shape (N, H, W, C)", x.shape)
    xp, (n, h, w, c), (oh, ow) = be.xp, x.shape, size
    rows, columns = _parts(xp, h, oh), _parts(xp, w, ow)
    cells = x[:, rows[:, None, :, None], columns[None, :, None, :]].reshape(n, oh, ow, -1, c)
    winner = cells.argmax(axis=3)

    def vjp(dy, needs):
        row = rows[xp.arange(oh)[None, :, None, None], winner // columns.shape[1]]
        column = columns[xp.arange(ow)[None, None, :, None], winner % columns.shape[1]]
        place = ((xp.arange(n)[:, None, None, None] * h + row) * w + column) * c + xp.arange(c)
        dx = xp.bincount(place.reshape(-1), weights=dy.reshape(-1), minlength=n * h * w * c)
        return (dx.reshape(n, h, w, c).astype(dy.dtype),)

    return cells.max(axis=3), vjp


def _ends(xp, n: int, m: int) -> tuple:
    """(m, 1) each: the first cell of each of m parts of n cells, and the one behind its last."""
    i = xp.arange(m)[:, None]
    return i * n // m, -(-(i + 1) * n // m)


def _shares(be, n: int, m: int):
    """(m, n): what each of n cells counts in the mean of each part."""
    (first, end), cells = _ends(be.xp, n, m), be.xp.arange(n)
    inside = (cells >= first) & (cells < end)
    return be.asarray(inside / inside.sum(axis=1, keepdims=True), be.dtype)


def _parts(xp, n: int, m: int):
    """(m, longest): the cells of each part; a shorter one has its last cell several times."""
    first, end = _ends(xp, n, m)
    most = max(-(-(i + 1) * n // m) - i * n // m for i in range(m))
    return xp.minimum(first + xp.arange(most), end - 1)


def _check(where, x, window, strides, pads):
    require(x.ndim == 4, where, "x of shape (N, H, W, C)", x.shape)
    output_size(where, x.shape[1:3], window, strides, pads)
