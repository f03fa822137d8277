"""Pooling: every window as a row of cells, then one reduction over the row."""

from .activation import relu_bias_grad
from .namespace import namespace
from .random import words


def _windows(x, window, strides, pads, fill):
    """x (N, H, W, C) -> (N, OH, OW, C, KH*KW): the cells of every window in row-major order, `fill` outside."""
    xp = namespace(x)
    padded = xp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    windows = xp.lib.stride_tricks.sliding_window_view(padded, window, axis=(1, 2))[:, :: strides[0], :: strides[1]]
    return windows.reshape(*windows.shape[:4], window[0] * window[1])


def _scatter(cells, x_shape, window, strides, pads):
    """The transpose of `_windows`: cells (N, OH, OW, C, KH*KW) -> x of x_shape, overlaps added."""
    xp = namespace(cells)
    (n, h, w, c), (kh, kw), (sh, sw), ((top, bottom), (left, right)) = x_shape, window, strides, pads
    oh, ow = cells.shape[1:3]
    padded = xp.zeros((n, h + top + bottom, w + left + right, c), cells.dtype)
    for p in range(kh):
        for q in range(kw):
            padded[:, p : p + sh * oh : sh, q : q + sw * ow : sw] += cells[..., p * kw + q]
    return xp.ascontiguousarray(padded[:, top : top + h, left : left + w])


def max_pool(x, *, window, strides, pads, rate=0.0, key=None):
    xp = namespace(x)
    cells = _windows(x, window, strides, pads, -xp.inf)
    inside = _windows(xp.ones((1, *x.shape[1:3], 1), bool), window, strides, pads, False)
    wins = xp.where(inside, cells, -xp.inf)
    argmax = wins.argmax(axis=-1)  # the first on ties; NumPy counts NaN as the greatest
    # A window of nothing but -inf must name a cell of the image, not of the padding.
    argmax = xp.where(xp.isneginf(wins.max(axis=-1)), inside.argmax(axis=-1), argmax)
    y = xp.take_along_axis(cells, argmax[..., None], axis=-1)[..., 0]
    if rate:
        kept = (words(xp, y.size, key, y.shape) >= round(rate * 2**32)).reshape(y.shape)
        y = xp.where(kept, y * y.dtype.type(1 / (1 - rate)), y.dtype.type(0))
        argmax = xp.where(kept, argmax, cells.shape[-1])
    return y, argmax.astype(xp.uint8 if cells.shape[-1] <= 255 else xp.int32)


def max_pool_grad(dy, argmax, x_shape, *, window, strides, pads, rate=0.0, y=None):
    if y is not None:
        dx, db = relu_bias_grad(dy, y)
        scale = dy.dtype.type(1 / (1 - rate))
        flows = max_pool_grad(dx, argmax, x_shape, window=window, strides=strides, pads=pads, rate=rate)
        return flows, db * scale
    xp = namespace(dy)
    dy = dy * dy.dtype.type(1 / (1 - rate))
    cells = xp.where(xp.arange(window[0] * window[1]) == argmax[..., None], dy[..., None], 0)
    return _scatter(cells.astype(dy.dtype, copy=False), x_shape, window, strides, pads)


def _counts(xp, x_shape, window, strides, pads, dtype):
    """How many cells of each window lie inside the image: (1, OH, OW, 1)."""
    inside = xp.ones((1, *x_shape[1:3], 1), dtype)
    return _windows(inside, window, strides, pads, 0).sum(axis=-1)


def average_pool(x, *, window, strides, pads):
    cells = _windows(x, window, strides, pads, 0)
    return cells.sum(axis=-1) / _counts(namespace(x), x.shape, window, strides, pads, x.dtype)


def average_pool_grad(dy, x_shape, *, window, strides, pads):
    xp = namespace(dy)
    inside = _windows(xp.ones((1, *x_shape[1:3], 1), dy.dtype), window, strides, pads, 0)
    share = dy / _counts(xp, x_shape, window, strides, pads, dy.dtype)
    return _scatter(share[..., None] * inside, x_shape, window, strides, pads)
