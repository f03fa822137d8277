"""Host side of conv.cu and im2col.cu: convolutions as implicit GEMMs, or as im2col, a product and col2im.

algorithm: "im2col" runs the readable kernels, always in the set's precision; "auto" and "winograd" the implicit GEMMs.
"""

import numpy as np

from .dense import TILE_M, Gemm, dense, dense_input_grad, placed_weight_grad, product, split, tile
from .launch import THREADS, blocks
from .norm import batch_norm_stats


def _geometry(x_shape, w_shape, strides, pads):
    """N, H, W, C, KH, KW, O, OH, OW, SH, SW, top, left: what all kernels of conv.cu take."""
    (kh, kw, _, o), (sh, sw) = w_shape, strides
    oh = (x_shape[1] + sum(pads[0]) - kh) // sh + 1
    ow = (x_shape[2] + sum(pads[1]) - kw) // sw + 1
    return *x_shape, kh, kw, o, oh, ow, sh, sw, pads[0][0], pads[1][0]


def _unfold(gpu, kernel, array, shape, geometry):
    """im2col or col2im of `array` into a new one of `shape`."""
    _, h, w, c, kh, kw, _, oh, ow, *rest = geometry
    result = gpu.xp.empty(shape, np.float32)
    numbers = result.size, h, w, c, oh, ow, kh, kw, *rest
    gpu("im2col", kernel, blocks(result.size), THREADS, array, result, *numbers)
    return result


def conv2d(gpu, x, w, b, *, strides, pads, relu=False, stats=False, algorithm="auto"):
    y = conv2d_folded(gpu, x, w, b, None, conv={"strides": strides, "pads": pads, "relu": relu, "algorithm": algorithm})
    return (y, *batch_norm_stats(gpu, y.reshape(-1, y.shape[3], 1))) if stats else y


def conv2d_folded(gpu, x, w, b, affine, *, conv, kept=None):
    geometry, relu = _geometry(x.shape, w.shape, conv["strides"], conv["pads"]), conv.get("relu", False)
    n, _, _, c, kh, kw, o, oh, ow = geometry[:9]
    if conv.get("algorithm") == "im2col":
        cols = _unfold(gpu, "im2col", x, (n * oh * ow, kh * kw * c), geometry)
        y = dense(gpu, cols, w.reshape(-1, o), b, relu=relu, affine=affine)
    else:
        shape, numbers = (n * oh * ow, o), (*geometry, int(relu))
        arrays = x, w, b, *(affine or (None, None))
        y = product(gpu, Gemm("conv", f"conv2d_{tile(o)}", (c, o), shape, tile(o), tall=True), arrays, numbers)
    return y.reshape(n, oh, ow, o)


def conv2d_input_grad(gpu, dy, w, x_shape, *, strides, pads, algorithm="auto"):
    geometry = _geometry(x_shape, w.shape, strides, pads)
    n, height, width, c, _, _, o = geometry[:7]
    if algorithm == "im2col":
        dcols = dense_input_grad(gpu, dy.reshape(-1, o), w.reshape(-1, o))
        return _unfold(gpu, "col2im", dcols, x_shape, geometry)
    shape = n * height * width, c
    gemm = Gemm("conv", f"conv2d_input_grad_{tile(c)}", (c, o), shape, tile(c), tall=True)
    return product(gpu, gemm, (dy, w), geometry).reshape(x_shape)


def conv2d_weight_grad(gpu, x, dy, w_shape, *, strides, pads, algorithm="auto"):
    conv_args = {"strides": strides, "pads": pads, "algorithm": algorithm}
    return placed_conv2d_weight_grad(gpu, x, dy, w_shape, **conv_args, into=None)


def placed_conv2d_weight_grad(gpu, x, dy, w_shape, *, strides, pads, algorithm="auto", into):
    """conv2d_weight_grad, as `product` places it."""
    geometry = _geometry(x.shape, w_shape, strides, pads)
    n, _, _, c, kh, kw, o, oh, ow = geometry[:9]
    if algorithm == "im2col":
        cols = _unfold(gpu, "im2col", x, (n * oh * ow, kh * kw * c), geometry)
        dw = placed_weight_grad(gpu, cols, dy.reshape(-1, o), into=into)
        return dw.reshape(w_shape) if into is None else dw
    parts = split(blocks(kh * kw * c, TILE_M) * blocks(o, tile(o)), n * oh * ow)
    gemm = Gemm("conv", f"conv2d_weight_grad_{tile(o)}", (c, o), (kh * kw * c, o), tile(o), parts)
    dw = product(gpu, gemm, (x, dy), geometry, into=into)
    return dw.reshape(w_shape) if into is None else dw
