"""What the kernels of a convolution will do, from its shapes: the algorithm, its tile, memory and operations.

plan.py chooses, below the kernels, which ask it; this file stands above them and asks both.
"""

from typing import NamedTuple

import numba

from . import conv, conv_pool, plan, pool2x2, winograd
from .codegen.microkernel import ROWS, WIDTH


class Step(NamedTuple):
    """What a kernel does: algorithm, tile, bytes of memory besides inputs and output, floating-point operations."""

    algorithm: str
    tile: str
    workspace_bytes: int
    flops: int


class ConvPlan(NamedTuple):
    forward: Step
    input_grad: Step
    weight_grad: Step


def plan_conv2d(x_shape, w_shape, strides, pads, algorithm="auto", pool=None) -> ConvPlan:
    """What the three kernels of a convolution will do.  x_shape (N, H, W, C), w_shape (KH, KW, C, O).

    pool: as conv2d_max_pool's; 2x2 windows side by side leave out an odd last row or column, and so does it.
    """
    (n, height, width, channels), (kh, kw, _, filters) = x_shape, w_shape
    strides, pads = conv.integers(strides, pads)
    y_shape = conv.output_shape(x_shape, w_shape, strides, pads)
    even = conv_pool.even(y_shape)
    if pool is not None and pool2x2.fits(**pool) and 0 not in even:
        y_shape = even
    steps, threads = [], numba.get_num_threads()
    for kernel, out_size, c, o in (
        ("forward", y_shape[1:3], channels, filters),
        ("input_grad", winograd.reached(y_shape[1:3], kh, pads, (height, width)), filters, channels),
        ("weight_grad", y_shape[1:3], channels, filters),
    ):
        chosen = plan.choose(algorithm, tuple(out_size), (kh, kw), strides, c, o, kernel)
        if chosen == "winograd":
            variant = winograd.variant(out_size, kh, kernel)
            products, tile = n * variant.products(out_size), str(variant)
            memory = winograd.workspace(kernel, x_shape, y_shape, kh, pads, threads)
        else:
            products, tile = n * y_shape[1] * y_shape[2] * kh * kw, f"{ROWS} x {WIDTH} sums"
            memory = conv.workspace(kernel, x_shape, y_shape, (kh, kw), strides, pads, threads)
        floats = sum(lines * length for lines, length, *_ in memory)
        steps.append(Step(chosen, tile, 4 * floats, 2 * products * channels * filters))
    return ConvPlan(*steps)
