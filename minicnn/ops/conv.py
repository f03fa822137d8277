"""conv2d and its backward. The kernels behind `be.` are kernels/numpy_ref/conv.py: im2col, one product, col2im."""

from typing import Any

from ..core.op import op
from ..errors import require
from .geometry import Pads, Pair, output_size
from .join import concatenate, part


@op
def conv2d(be: Any, x: Any, w: Any, b: Any, *, strides: Pair = (1, 1),
           pads: Pads = ((0, 0), (0, 0)), relu: bool = False,
           algorithm: str = "auto") -> tuple[Any, Any]:  # fmt: skip
    """y[n,i,j,o] = b[o] + sum_{p,q,c} x[n, i*SH + p - top, j*SW + q - left, c] w[p,q,c,o]; then max(y, 0) if relu.

    x is zero outside the image.
    x (N, H, W, C), w (KH, KW, C, O), b (O,) or None -> y (N, OH, OW, O); strides, pads in px.
    algorithm: how the kernels compute it, see minicnn.kernels.contract.ALGORITHMS.
    Kept for backward: x and w; with relu also y, whose sign is the ReLU's mask.
    Raises ShapeError if x is not 4-D, its channels are not w's, or no window fits.
    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition"; a cross-correlation.
    """
    check(x, w, strides, pads)
    y = be.conv2d(x, w, b, strides=strides, pads=pads, relu=relu, algorithm=algorithm)

    def vjp(dy, needs):
        need_x, need_w, need_b = needs
        dx = dw = db = None
        if relu:
            dy, db = be.relu_bias_grad(dy, y)  # from here on dy is the gradient before the ReLU
        elif need_b:
            db = be.bias_grad(dy)
        if need_x:
            dx = be.conv2d_input_grad(dy, w, x.shape, strides=strides, pads=pads, algorithm=algorithm)
        if need_w:
            there = be if need_w is True else need_w
            dw = there.conv2d_weight_grad(x, dy, w.shape, strides=strides, pads=pads, algorithm=algorithm)
        return dx, dw, db

    return y, vjp


conv2d.__wrapped__.placed = 1  # see core/program.py, Node


@op
def conv2d_transpose(be: Any, x: Any, w: Any, b: Any, *, size: Pair, strides: Pair = (1, 1),
                     pads: Pads = ((0, 0), (0, 0))) -> tuple[Any, Any]:  # fmt: skip
    """The input gradient of a conv2d from images of `size`, as a forward function: y[n, i*SH + p - top, ...] += x w.

    x (N, H, W, C), w (KH, KW, O, C), b (O,) or None -> y (N, *size, O); strides, pads in px, of the conv2d that goes
    from size back to (H, W).  dx is that conv2d of dy, dw its weight gradient with the roles of x and dy exchanged.
    Kept for backward: x and w.
    Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.
    """
    where = "conv2d_transpose"
    require(x.ndim == 4 and x.shape[3] == w.shape[3], where, f"x of shape (N, H, W, {w.shape[3]})", x.shape)
    there = output_size(where, size, w.shape[:2], strides, pads)
    require(there == x.shape[1:3], where, f"images of {there[0]} x {there[1]} px for an output of {size}", x.shape)
    y = be.conv2d_input_grad(x, w, (len(x), *size, w.shape[2]), strides=strides, pads=pads)

    def vjp(dy, needs):
        need_x, need_w, need_b = needs
        dx = be.conv2d(dy, w, None, strides=strides, pads=pads) if need_x else None
        dw = be.conv2d_weight_grad(dy, x, w.shape, strides=strides, pads=pads) if need_w else None
        return dx, dw, be.bias_grad(dy) if need_b else None

    return y if b is None else y + b, vjp


@op
def depthwise_conv2d(be: Any, x: Any, w: Any, *, strides: Pair = (1, 1),
                     pads: Pads = ((0, 0), (0, 0))) -> tuple[Any, Any]:  # fmt: skip
    """y[n,i,j,c*M+m] = sum_{p,q} x[n, i*SH + p - top, j*SW + q - left, c] w[p,q,c,m]: no sum over channels.

    x (N, H, W, C), w (KH, KW, C, M) -> y (N, OH, OW, C*M); strides, pads in px.  Kept for backward: x and w.
    Source: Chollet 2017, "Xception: Deep learning with depthwise separable convolutions".
    """
    check(x, w, strides, pads, "depthwise_conv2d")
    conv_args = {"strides": strides, "pads": pads}

    def vjp(dy, needs):
        need_x, need_w = needs
        dx = be.depthwise_conv2d_input_grad(dy, w, x.shape, **conv_args) if need_x else None
        return dx, be.depthwise_conv2d_weight_grad(x, dy, w.shape, **conv_args) if need_w else None

    return be.depthwise_conv2d(x, w, **conv_args), vjp


@op
def dilate(be: Any, w: Any, *, rate: Pair) -> tuple[Any, Any]:
    """The window with rate - 1 rows and columns of zeros between its own: what a dilated convolution's window reads.

    w (KH, KW, ...) -> ((KH-1) DH + 1, (KW-1) DW + 1, ...), rate (DH, DW);  dw = dy at the window's own cells.
    A convolution by it is the dilated one, for up to DH DW times as many multiplications.
    Source: Yu & Koltun 2016, "Multi-scale context aggregation by dilated convolutions".
    """
    (dh, dw), (kh, kw) = rate, w.shape[:2]
    y = be.xp.zeros(((kh - 1) * dh + 1, (kw - 1) * dw + 1, *w.shape[2:]), w.dtype)
    y[::dh, ::dw] = w
    return y, lambda dy, needs: (be.xp.ascontiguousarray(dy[::dh, ::dw]),)


def grouped_conv2d(x: Any, w: Any, b: Any, *, groups: int, **conv_args: Any) -> Any:
    """conv2d whose channels fall into `groups` equal parts: the filters of part g see the channels of part g alone.

    x (N, H, W, C), w (KH, KW, C / groups, O), b (O,) or None -> y (N, OH, OW, O).
    Source: Krizhevsky et al. 2012, "ImageNet classification with deep convolutional neural networks", section 3.5.
    """
    if groups == 1:
        return conv2d(x, w, b, **conv_args)
    c, o = w.shape[2], w.shape[3] // groups
    parts = [(slice(g * c, (g + 1) * c), slice(g * o, (g + 1) * o)) for g in range(groups)]
    return concatenate(*(conv2d(part(x, key=(..., i)), part(w, key=(..., j)),
                                b if b is None else part(b, key=(j,)), **conv_args) for i, j in parts))  # fmt: skip


def check(x: Any, w: Any, strides: Pair, pads: Pads,
          where: str = "conv2d") -> None:  # fmt: skip
    """Raise ShapeError unless x can be convolved with w."""
    require(
        x.ndim == 4 and x.shape[3] == w.shape[2], where, f"x of shape (N, H, W, {w.shape[2]})", x.shape,
        "images are channels-last, with the channels that w was made for",
    )  # fmt: skip
    output_size(where, x.shape[1:3], w.shape[:2], strides, pads)
