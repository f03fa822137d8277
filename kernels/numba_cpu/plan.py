"""Which algorithm computes a convolution, decided from the shapes of one image: never timed, never by the batch.

The cost of an algorithm is counted in vector instructions, per image; fused multiply-adds of whole vectors of filters
for the products, and for Winograd's transforms what they were measured to take, TRANSFORM for every point of every tile
and every vector of channels or filters (arithmetic is a third of it, loads, stores and waiting the rest):

    im2col      OH OW, whole tiles of rows * KH KW * C * vectors(O)
    winograd    tiles * points * (C * vectors(O) + TRANSFORM * (vectors(C) + vectors(O)))

So Winograd wins where C and O are large against TRANSFORM, and where its tiles fit the image. For 3x3 windows it has
four variants and takes the one with less to do: a 14 x 14 image is 25 tiles of 3x3 with 25 points each, 16 of 4x4 with
36, 9 of 5x5 with 49 or 4 of 7x7 with 81, which are 625, 576, 441 or 324 products; an 11 x 11 image is 400, 324, 441 or
324. For 5x5 windows it has four. Larger tiles, whose errors are larger, must save winograd.WORTH; the largest are for
gradients only. Not counted: the filters' transform, which a batch shares. The kernels ask `choose` at every call, and
`plan_conv2d` tells what they will do.
"""

from functools import lru_cache
from typing import NamedTuple

import numba

from ..contract import ALGORITHMS
from . import winograd
from .codegen.microkernel import LANES, ROWS, WIDTH
from .codegen.winograd_transforms import WINDOWS

TRANSFORM = 16  # vector instructions; 12 to 18 measured over 3 to 256 channels, images of 2x2 to 28x28
MARGIN = 1.1  # how much cheaper Winograd must be to be worth its rounding errors


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


def cost(algorithm: str, out_size, window, channels: int, filters: int, kernel="forward") -> float:
    """Vector instructions for one image.  out_size (OH, OW): the pixels that the products are summed for."""
    c, o = -(-channels // LANES), -(-filters // LANES)
    if algorithm == "im2col":
        return -(-out_size[0] * out_size[1] // ROWS) * ROWS * window[0] * window[1] * channels * o
    products = winograd.variant(out_size, window[0], kernel).products(out_size)
    return products * (channels * o + TRANSFORM * (c + o))


@lru_cache(4096)
def choose(algorithm: str, out_size, window, strides, channels: int, filters: int, kernel="forward") -> str:
    """`algorithm`, or for "auto" the cheaper one, for one of the kernels "forward", "input_grad" and "weight_grad".

    Raises ValueError for a name that is not in ALGORITHMS and for Winograd where it does not exist.
    """
    exists = tuple(strides) == (1, 1) and window[0] == window[1] and window[0] in WINDOWS
    if algorithm not in ALGORITHMS:
        raise ValueError(f"conv2d: expected algorithm one of {', '.join(ALGORITHMS)}, received {algorithm!r}")
    if algorithm == "winograd" and not exists:
        raise ValueError(
            "conv2d: expected strides (1, 1) and a 2x2, 3x3 or 5x5 window for algorithm 'winograd', received strides "
            f"{tuple(strides)} and a {window[0]}x{window[1]} window; use algorithm='auto'"
        )
    if algorithm != "auto" or not exists:
        return "im2col" if algorithm == "auto" else algorithm
    direct, transformed = (cost(name, out_size, window, channels, filters, kernel) for name in ("im2col", "winograd"))
    return "winograd" if transformed * MARGIN < direct else "im2col"


def plan_conv2d(x_shape, w_shape, strides, pads, algorithm="auto", pool=None) -> ConvPlan:
    """What the three kernels of a convolution will do.  x_shape (N, H, W, C), w_shape (KH, KW, C, O).

    pool: as conv2d_max_pool's; 2x2 windows side by side leave out an odd last row or column, and so does it.
    """
    from . import conv, conv_pool, pool2x2  # which ask `choose` and are asked here for the memory they take

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
        chosen = choose(algorithm, tuple(out_size), (kh, kw), strides, c, o, kernel)
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
