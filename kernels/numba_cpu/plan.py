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
gradients only. Not counted: the filters' transform, which a batch shares. The kernels ask `choose` at every call,
and `plan_conv2d` of plan_report.py tells what it will answer.
"""

from functools import lru_cache

from ..contract import ALGORITHMS
from . import winograd
from .codegen.microkernel import LANES, ROWS
from .codegen.winograd_transforms import WINDOWS

TRANSFORM = 16  # vector instructions; 12 to 18 measured over 3 to 256 channels, images of 2x2 to 28x28
MARGIN = 1.1  # how much cheaper Winograd must be to be worth its rounding errors


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
