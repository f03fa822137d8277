"""Pooling over windows, and over whole images."""

from ..core.op import op
from ..errors import require
from .geometry import output_size


@op
def max_pool(be, x, *, window, strides, pads=((0, 0), (0, 0))):
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
def average_pool(be, x, *, window, strides, pads=((0, 0), (0, 0))):
    """y = the mean of each window's cells inside the image.  x (N, H, W, C) -> y (N, OH, OW, C).

    Backward: dy is shared equally among those cells. Kept for backward: nothing.
    """
    _check("average_pool", x, window, strides, pads)
    shape = x.shape

    def vjp(dy, needs):
        return (be.average_pool_grad(dy, shape, window=window, strides=strides, pads=pads),)

    return be.average_pool(x, window=window, strides=strides, pads=pads), vjp


def _check(where, x, window, strides, pads):
    require(x.ndim == 4, where, "x of shape (N, H, W, C)", x.shape)
    output_size(where, x.shape[1:3], window, strides, pads)
