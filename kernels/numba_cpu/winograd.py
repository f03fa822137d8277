"""Winograd's convolution for stride 1: transforms around products with 3 (2x2) to 10 (5x5) times less to multiply.

A 5x5 window slides over an 8x8 patch of x and gives a 4x4 tile of y. In one dimension, 4 outputs sum_j g[j] d[i+j] take
20 multiplications. The transpose of this sum multiplies two polynomials, and their product, of degree 7, is known from
its values at 8 points, one multiplication each (Toom and Cook):

    y = A' ((G g) * (B' d))       B' (8, 8)  d seen from the points         G (8, 5)  g at the points, scaled
                                  A' (4, 8)  back from the points           *         point by point

In two dimensions the matrices act on rows and columns; 4x4 outputs take 64 multiplications instead of 400. With C
channels and O filters, "point by point" is a matrix product for each of the 64 points, over all tiles at once:

    x: patches 8x8, 4 apart            V = B' d B           M = V U, 64 products        y = A' M A, tiles 4x4
    +-------+---+---+---+         point 63 +-------+           +-------+             +---+---+---+
    |  d    |   |   |   |               ...| C     |        ...| O     |             |   |   |   |
    |       +---+---+---+   ----->      0 +-------+|  ---->  0+-------+|   ----->    +---+---+---+
    +-------+   |   |   |                 |       ||          |       ||             |   |   |   |
        +-------+---+---+           tiles |   V   |+    tiles |   M   |+             +---+---+---+
        |   |   |   |   |                 +-------+           +-------+
        +---+---+---+---+                        U = G g G': 64 matrices (C, O), made once per call

The gradients are this algorithm's derivative and need nothing new. Input gradient: dx is the convolution of dy with the
window turned by 180 degrees and C and O exchanged. Weight gradient, with E = A dy A' (from 4x4 to 64 points):

    dU = sum over tiles of V' E, a product for each point        dw = G' dU G

The loops are in winograd_loops.py; here is what they are told. Why they are fast:

Channels are contiguous, so a transform (winograd_transforms.py) works on whole vectors of them and never shuffles;
patches side by side share the columns that they overlap in (`_spread` there). The points of a block's tiles lie as
matrices, one piece of memory for each point, so the products (microkernel_gemm.py) run at 90 to 98 % of the
multipliers' speed. A block is so many tiles, from several images if these are small, that little is left over in the
micro-kernel's rows (`_block`); its V and M lie in a usual L2 cache of 1 MB, and so does U or the part of it that the
next products need. While the products run, they ask for what comes next: lines of V and U from the L2 cache, and from
memory the next block's patches and the lines of y to be written (`_share` there).

There are several variants for a window: tiles of 3x3, 4x4, 5x5 and 7x7 outputs for 3x3 windows, from 25, 36, 49 and 81
points, and of 4x4 to 7x7 for 5x5 windows. `variant` takes the one that needs fewer products for the image, which
depends on what is left over at its edge; larger tiles have larger errors and must be worth it. Those of the largest are
too large for y, where an error moves ReLUs and poolings that are near a tie to the other side, and with them whole
gradients. An error of dx or dw stays as small as it is; but later sums over dx, a bias's gradient, may cancel.

Error against float64, N(0,1) weights, 32 or 64 channels; RMS and largest, as fractions of the result's own:

                            images N(0,1)          images after ReLU       im2col, for comparison
    F(7x7, 2x2)  y, dx      3.1e-6  1.2e-5         2.6e-6  1.0e-5
                 dw         2.9e-6  3.0e-6         1.4e-7  5e-7
    F(3x3, 3x3)  y, dx      3.4e-7  5.4e-7         3.0e-7  5e-7
                 dw         3.5e-7  4.1e-7         0.7e-7  2.3e-7
    F(4x4, 3x3)  y, dx      6e-7    1.4e-6         5e-7    1.2e-6          4e-7    1.0e-6
                 dw         6e-7    8e-7           0.8e-7  2.7e-7          3e-7    0.4e-6
    F(5x5, 3x3)  y, dx      1.2e-6  3.6e-6         1.0e-6  3.0e-6
                 dw         1.1e-6  1.6e-6         0.9e-7  3.3e-7
    F(7x7, 3x3)  dx         6.1e-6  2.1e-5         5.1e-6  1.7e-5
                 dw         5.8e-6  9e-6           2.8e-7  1.2e-6
    F(4x4, 5x5)  y, dx      2.5e-6  6.4e-6         2.1e-6  6e-6            5e-7    1.5e-6
                 dw         2.4e-6  4.6e-6         1.2e-7  6e-7            5e-7    0.7e-6
    F(5x5, 5x5)  y, dx      5.8e-6  1.8e-5         4.9e-6  1.2e-5
                 dw         5.4e-6  1.1e-5         2.4e-7  1.9e-6
    F(6x6, 5x5)  dx         1.2e-5  3.3e-5         1.0e-5  2.9e-5
                 dw         1.1e-5  2.4e-5         5e-7    3.0e-6
    F(7x7, 5x5)  dw         3.1e-5  7.2e-5         1.4e-6  1.0e-5

(Factors rounded to TF32, with which many libraries train on a GPU unasked, cost 2.9e-4.)

A NaN or infinity in x stays within the tiles whose patches hold it: at most 6 px beyond the outputs that read it.

Sources: Toom 1963, Cook 1966; Winograd 1980; Lavin & Gray 2016, "Fast algorithms for convolutional neural networks";
Barabasz et al. 2020, "Error analysis and improving the accuracy of Winograd convolution". The points for 3x3 were
searched among pairs +-a of few bits, which save additions, for the least error: that of 4x4 tiles is 0.7 times that of
the usual 0, +-1, 1/2, -2, and three pairs without 0 serve 5x5 tiles better (1.1e-6) than two pairs and 0 (1.5e-6).
Those of the other tiles likewise.
"""

import math
from functools import lru_cache

import numba
import numpy as np

from . import winograd_loops as loops
from .activation import sum_blocks
from .channel_stats import merge, sums_table
from .codegen.microkernel import LANES, LINE, ROWS, SHORT, WIDTH, tiles, whole_vectors
from .codegen.winograd_transforms import VARIANTS, Variant
from .epilogue import NO_FLOOR, ZERO
from .pool2x2 import NO_POOLING
from .runtime import memory
from .runtime.memory import OWN, flats

BLOCK = 2 * ROWS  # at most so many tiles, whose points are in the cache together
BLOCKS = 8  # partial sums of a weight gradient
SHARES = (2, 4, 8)  # threads that should find equal work. Not the actual number: a block's statistics are summed in one
WORTH = 1.1  # larger rounding errors must save so many times the products
TABLES = 2, 2 * LINE  # for each thread, two tables for the addresses of the lines of a transform
NO_SUMS = loops.Sums(np.empty((0, 3, 0), np.float32), np.zeros((1, 2, 0), np.int64), np.zeros(0))


def variant(size, taps: int, kernel: str) -> Variant:
    """The variant with the fewest products for images of `size` pixels; larger errors must be worth it."""
    best, *others = (v for v in VARIANTS if v.taps == taps and kernel in v.kernels)
    for v in others:
        best = v if WORTH * v.products(size) <= best.products(size) else best
    return best


@lru_cache(512)
def reached(dy_size, taps: int, pads, x_size):
    """(H, W): the rows and columns of x, from the first, that a convolution with gradient dy looked at.

    Fewer than x has where a pooling follows that leaves out an odd last row; the input's gradient is 0 there.
    """
    return tuple(
        max(1, min(size, n + taps - 1 - before)) for n, (before, _), size in zip(dy_size, pads, x_size, strict=True)
    )


def _grids(v, x_shape, y_shape, size, pads, y_padded, block):
    """The grids of x (V) and of y (M, E), and the number of tiles, which cover `size` pixels of y.

    A tile of y holds `y_padded` floats per point.
    """
    (n, height, width, channels), (_, oh, ow, filters), (rows, columns) = x_shape, y_shape, v.tiles(size)
    padded = whole_vectors(channels)
    # A line more: else the same tile at all points would compete for the same place in the cache.
    points = (_covered(block) * floats + LINE for floats in (padded, y_padded))
    x_grid = loops.Grid(height, width, channels, pads[0][0], pads[1][0], rows, columns, v.tile, padded, next(points))
    return x_grid, loops.Grid(oh, ow, filters, 0, 0, rows, columns, v.tile, y_padded, next(points)), n * rows * columns


def _block(count, multiple=1):
    """How many of `count` tiles a task works on: little is left over in its register tiles and for any thread.

    multiple: of so many, the tiles of an image, where a task needs whole images.
    """

    def work(block):
        (tall, short), tasks = tiles.py_func(block), -(-count // block)
        rows = tall * ROWS + short * (SHORT + 0.5) + 2  # what a block costs besides is that of two rows
        return sum(-(-tasks // threads) * threads * rows for threads in SHARES)

    return min(range(BLOCK // multiple * multiple, max(SHORT, multiple) - 1, -multiple), key=work)


def _covered(block):
    """The rows of register tiles that are computed for `block` tiles or less."""
    return max(tall * ROWS + short * SHORT for tall, short in map(tiles.py_func, range(1, block + 1)))


def _parts(count):
    """How many parts the sums of a weight gradient have; one takes as long as forty tiles more."""
    sizes = [n for n in (1, 2, 4, BLOCKS) if n <= count]
    return min(sizes, key=lambda n: sum(-(-n // threads) * (count / n + 40) for threads in SHARES))


@lru_cache(512)
def _plan(kernel, x_shape, y_shape, taps, pads, threads, images=False):
    """The tiling, and the scratch.

    For the input gradient, x_shape is that of dy and y_shape that of dx. Scratch sizes are those of `memory.scratch`.
    images: a block of odd tiles is whole images, if one fits.
    """
    weight, cells, channels, padded = kernel == "weight_grad", taps * taps, x_shape[3], whole_vectors(y_shape[3])
    size = y_shape[1:3]
    if kernel == "input_grad":
        size = reached(x_shape[1:3], taps, pads, size)
        pads = tuple((taps - 1 - before, taps - 1 - after) for before, after in pads)
    v = variant(size, taps, kernel)
    per_image = math.prod(v.tiles(size))
    count, whole = x_shape[0] * per_image, images and v.tile % 2 and per_image <= BLOCK
    block = BLOCK if weight else _block(count, per_image if whole else 1)
    xg, yg, count = _grids(v, x_shape, y_shape, size, pads, padded if weight else min(padded, WIDTH), block)
    points, parts = v.side**2, _parts(count)
    u_line = (-(-channels // loops.GRADIENT_ROWS) * loops.GRADIENT_ROWS if weight else channels) * padded + LINE
    columns = (loops.SEGMENT - 1) * v.tile + v.side  # of a segment
    row = max(columns * g.channels + g.padded for g in ((xg, yg) if weight else (xg,)))
    scratch = [
        (parts if weight else 1, cells * channels * padded),  # partial sums of dw, or the window's cells
        (threads, points * u_line, OWN) if weight else (1, points * u_line),  # dU or U
        (threads, points * xg.point, OWN),  # V
        (threads, points * yg.point, OWN),  # M or E
        (threads, columns * v.side * LANES, OWN),  # between columns and rows of a transform
        (threads, max(v.side * row, v.tile**2 * LANES), OWN),  # rows of pixels, or a tile of y
        (threads, block // per_image * math.prod(y_shape[1:]) if whole else 0, OWN),  # images of y
    ]  # fmt: skip
    return loops.Tiling(VARIANTS.index(v), v.side, xg, yg, count, block, u_line), scratch


def workspace(kernel, x_shape, y_shape, taps, pads, threads):
    """The sizes of all scratch arrays of a kernel, as `memory.scratch` takes them."""
    shapes = (y_shape, x_shape) if kernel == "input_grad" else (x_shape, y_shape)
    return _plan(kernel, *shapes, taps, pads, threads)[-1]


@lru_cache(512)
def _zeros(*grids):
    """A row of pixels outside the image; nobody writes there, so all calls share it."""
    return np.zeros(max(min(g.width, loops.SEGMENT * g.tile + LINE) * g.channels + g.padded for g in grids), np.float32)


def finish(filters: int, bias, relu=False, affine=None, pooling=NO_POOLING) -> loops.Finish:
    """bias (filters,) or None; affine (scale, shift) or None."""
    vectors = np.zeros((4, whole_vectors(filters)), np.float32)
    vectors[2] = 1
    if bias is not None:
        vectors[1, :filters] = bias
    if affine is not None:
        vectors[2, :filters], vectors[3, :filters] = affine
    return loops.Finish(vectors.reshape(-1), ZERO if relu else NO_FLOOR, pooling)


@lru_cache(512)
def nothing(filters: int) -> loops.Finish:
    """y as M says: no bias, no ReLU, no pooling."""
    return finish(filters, None)


def prepared(x, w, y_shape, pads, turned=False, images=False, kept=None):
    """The tiling, x and the memory as the compiled loops take them, with the window's points in U.

    kept: where U stays, beside a copy of w: to compare costs a tenth of the transform, and no change goes unseen.
    """
    kernel = "input_grad" if turned else "forward"
    tiling, scratch = _plan(kernel, x.shape, y_shape, len(w), pads, numba.get_num_threads(), images)
    cells, u, *per_thread = memory.scratch(*scratch)
    u, (x, flat_w), tables = u.reshape(-1), flats(x, w), np.zeros((len(per_thread[0]), *TABLES), np.int64)
    known = None if kept is None else kept.get(tiling.which)
    there = known[1] if known is not None and np.array_equal(known[0], w) else None
    if there is not None:
        u = there
    elif kept is not None:
        u = memory.empty(u.shape)
    room = loops.Memory(u, _zeros(tiling.xg), tables, *per_thread)
    if there is None:
        loops.filters_to_points(tiling, len(w), flat_w, y_shape[3], turned, cells.reshape(-1), room)
        if kept is not None:
            kept[tiling.which] = w.copy(), u
    return tiling, x, room


def convolve(x, w, y, finish, *, pads, turned=False, stats=None, kept=None):
    """y, and if `stats` is (mean, var), two arrays, these as well.  turned: x and y are dy and dx of a convolution."""
    tiling, x, room = prepared(x, w, y.shape, pads, turned, kept=kept)
    tasks, tile, sums = -(-tiling.count // tiling.block), tiling.yg.tile, NO_SUMS
    if stats:
        runs = np.empty((len(room.tables), 2, tiling.block * tile), np.int64)
        sums = loops.Sums(sums_table(tasks, y.shape[3]), runs, np.empty(tasks))
    loops.correlate(tasks, x, y.reshape(-1), tiling, finish, room, sums)
    if stats:
        merge(sums.table, sums.pixels, *stats)
    y[:, tiling.yg.rows * tile :] = 0
    y[:, :, tiling.yg.columns * tile :] = 0
    return y


def weight_gradient(x, dy, dw, *, pads):
    taps, _, channels, _ = dw.shape
    threads = numba.get_num_threads()
    tiling, scratch = _plan("weight_grad", x.shape, dy.shape, taps, pads, threads)
    partials, u, *per_thread = memory.scratch(*scratch)
    blocks, (x, dy) = scratch[0][0], flats(x, dy)
    room = loops.Memory(u, _zeros(tiling.xg, tiling.yg), np.zeros((threads, *TABLES), np.int64), *per_thread)
    loops.weight_grad(blocks, x, dy, tiling, blocks, partials, room)
    partials = partials[:blocks, : scratch[0][1]].reshape(blocks, taps, taps, channels, tiling.yg.padded)
    return sum_blocks(partials, dw)
