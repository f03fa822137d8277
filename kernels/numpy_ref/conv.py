"""Convolution and both of its gradients as im2col, one matrix product, col2im.

im2col lays every window of x out as a row of `cols`; its transpose, col2im, adds the rows back where they came from:

      x (one channel)       cols, window 2 x 2, stride 1
      a b c                 a b d e
      d e f       im2col    b c e f
      g h i       ----->    d e g h
                  <-----    e f h i
                  col2im

With cols (N*OH*OW, KH*KW*C) and w seen as a matrix (KH*KW*C, O):

      y = cols w + b        dw = cols' dy        dx = col2im(dy w')

This is the set's one algorithm: the argument `algorithm` changes nothing here.

Source: Chellapilla, Puri & Simard 2006, "High performance convolutional neural networks" (unrolled convolution).
"""

from .namespace import namespace
from .norm import batch_norm_stats


def im2col(x, window, strides, pads):
    """Every window of x as a row, zeros outside the image.  x (N, H, W, C) -> cols (N*OH*OW, KH*KW*C)."""
    xp = namespace(x)
    padded = xp.pad(x, ((0, 0), *pads, (0, 0)))
    windows = xp.lib.stride_tricks.sliding_window_view(padded, window, axis=(1, 2))  # (N, H', W', C, KH, KW), no copy
    windows = windows[:, :: strides[0], :: strides[1]].transpose(0, 1, 2, 4, 5, 3)  # (N, OH, OW, KH, KW, C)
    return windows.reshape(-1, window[0] * window[1] * x.shape[3])


def col2im(cols, x_shape, out_size, window, strides, pads):
    """The transpose of im2col: add every row back into its window.  cols (N*OH*OW, KH*KW*C) -> x of x_shape."""
    (n, h, w, c), (oh, ow), (kh, kw), (sh, sw) = x_shape, out_size, window, strides
    (top, bottom), (left, right) = pads
    cols = cols.reshape(n, oh, ow, kh, kw, c)
    xp = namespace(cols)
    padded = xp.zeros((n, h + top + bottom, w + left + right, c), cols.dtype)
    for p in range(kh):
        for q in range(kw):  # window cell (p, q) of all windows at once: no two of them share a pixel
            padded[:, p : p + sh * oh : sh, q : q + sw * ow : sw] += cols[:, :, :, p, q]
    return xp.ascontiguousarray(padded[:, top : top + h, left : left + w])


def _out_size(x, w, strides, pads):
    """OH, OW."""
    return [(x.shape[1 + a] + sum(pads[a]) - w.shape[a]) // strides[a] + 1 for a in (0, 1)]


def conv2d(x, w, b, *, strides, pads, relu=False, stats=False, algorithm="auto"):
    kh, kw, _, filters = w.shape
    oh, ow = _out_size(x, w, strides, pads)
    y = im2col(x, (kh, kw), strides, pads) @ w.reshape(-1, filters)  # (N*OH*OW, O)
    if b is not None:
        y += b
    if relu:
        namespace(y).maximum(y, 0, out=y)
    moments = batch_norm_stats(y[:, :, None]) if stats else ()
    y = y.reshape(x.shape[0], oh, ow, filters)
    return (y, *moments) if stats else y


def conv2d_folded(x, w, b, affine, *, conv, kept=None):
    y = conv2d(x, w, b, **conv)
    if affine is not None:
        y *= affine[0]
        y += affine[1]
    return y


def conv2d_input_grad(dy, w, x_shape, *, strides, pads, algorithm="auto"):
    kh, kw, _, filters = w.shape
    dcols = dy.reshape(-1, filters) @ w.reshape(-1, filters).T  # (N*OH*OW, KH*KW*C)
    return col2im(dcols, x_shape, dy.shape[1:3], (kh, kw), strides, pads)


def conv2d_weight_grad(x, dy, w_shape, *, strides, pads, algorithm="auto"):
    cols = im2col(x, w_shape[:2], strides, pads)
    return (cols.T @ dy.reshape(-1, dy.shape[3])).reshape(w_shape)  # (KH*KW*C, N*OH*OW) (N*OH*OW, O)
