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

Why it is fast: channels are contiguous, so a transform (transforms.py) works on whole vectors of them and never
shuffles; patches side by side share the columns that they overlap in (`_spread`). The points of a block's tiles lie as
matrices, one piece of memory for each point, so the products (`product_kernel`) run at 98 % of the multipliers' speed.
A block is so many tiles, from several images if these are small, that little is left over in the micro-kernel's rows
(`_block`); its V and M lie in a usual L2 cache of 1 MB, and so does U or the part of it that the next products need.
While the products run, the next block's patches are fetched from memory (`_prefetch_tiles`).

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
from typing import NamedTuple

import numba
import numpy as np
from numba import njit, prange

from . import memory
from .activation import INNER, PARALLEL, sum_blocks
from .memory import flat
from .moments import NO_SUMS, chunk_sums, merge, sums_table
from .pool2x2 import pool_floats, pool_vector, scale_row
from .simd import (
    LANES,
    ROWS,
    SHORT,
    TILE,
    WIDTH,
    copy_floats,
    pack,
    prefetching,
    product_kernel,
    stamp,
    tiles,
    whole_vectors,
)
from .tasks import taken, untaken
from .transforms import (
    BACK,
    FILTERS,
    FILTERS_BACK,
    OUTPUTS,
    VARIANTS,
    Variant,
    address_of,
    last_lines,
    lines,
)

DEPTH = 32  # channels whose products are summed in registers
BLOCK = 2 * ROWS  # at most so many tiles, whose points are in the cache together
BLOCKS = 8  # partial sums of a weight gradient
SHARES = (2, 4, 8)  # threads that should find equal work. Not the actual number: a block's statistics are summed in one
LINE = 16  # floats of a cache line
WORTH = 1.1  # larger rounding errors must save so many times the products
SEGMENT = 8  # tiles side by side whose columns are transformed together
GRADIENT_ROWS = min(TILE.rows, 8)  # rows are channels here: 8 divide them, 14 would leave rows idle
NO_FLOOR, ZERO = np.float32(-np.inf), np.float32(0)


class Grid(NamedTuple):
    """An image's tiles: how patches of a side lie in it, and how their points lie in memory.

    Tile (i, j) reads or writes pixels from (tile*i - top, tile*j - left) on. Point p of the block's tile t is `padded`
    floats at p*point + t*padded: the matrix that a product reads or writes is one piece of memory.
    """

    height: int
    width: int
    channels: int
    top: int
    left: int
    rows: int  # of tiles
    columns: int
    tile: int  # pixels from one tile to the next: outputs along its side
    padded: int  # the channels in whole vectors
    point: int  # floats from one point to the next


@njit(**INNER)
def _clear(x, start, end):
    part = x[start:end]
    for k in range(part.size):
        part[k] = 0


@njit(**INNER)
def _point_rows(table, x, first, step):
    """The table of addresses of x[first], x[first + step], ..."""
    for k in range(table.size):
        table[k] = address_of(x, first + k * step)


@njit(**INNER)
def _pixel_rows(table, x, n, h, w, count, g, zeros, spare):
    """The table of image rows h, h+1, ... from column w on, `count` pixels: zeros where there are none.

    Whole vectors are read, also where the channels are none. What follows is the next pixel, but after the last one
    nothing: such rows are copied.
    """
    for r in range(table.size):
        start = ((n * g.height + h + r) * g.width + w) * g.channels
        if not 0 <= h + r < g.height:
            table[r] = address_of(zeros, 0)
        elif start + (count - 1) * g.channels + g.padded > len(x):
            copy = r * (count * g.channels + g.padded)
            copy_floats(spare, copy, x, start, count * g.channels)
            table[r] = address_of(spare, copy)
        else:
            table[r] = address_of(x, start)


@njit(**INNER)
def _spread(which, size, side, x, g, tile, last, v, temp, spare, zeros, table, columns):
    """From tiles to points: v = M d M' for the patches d (size, size) of tiles tile..last.

    Patches side by side share columns: those of up to SEGMENT tiles are transformed together.

        pixels of a segment      columns done          rows done: each patch on its own
        +---------------+        | | | | | | | |       +-----+
        |               |  --->  | | | | | | | |  -->  |  +-----+
        |               |        | | | | | | | |       |  |  +-----+
        +---------------+        | | | | | | | |       +--|  |     |
    """
    t, column = tile, side * LANES
    _point_rows(columns[:size], temp, 0, column)
    while t < last:
        n, ij = t // (g.rows * g.columns), t % (g.rows * g.columns)
        together = min(g.columns - ij % g.columns, last - t, SEGMENT)
        h, w = ij // g.columns * g.tile - g.top, ij % g.columns * g.tile - g.left
        width = (together - 1) * g.tile + size
        left = min(max(-w, 0), width)
        right = max(min(g.width - w, width), left)
        if right > left:
            _pixel_rows(table[:size], x, n, h, w + left, right - left, g, zeros, spare)
        _clear(temp, 0, left * column)
        _clear(temp, right * column, width * column)
        for c in range(0, g.padded, LANES):
            lines(which, right - left, temp, left * column, column, LANES, table, c, g.channels)
            for k in range(together):
                lines(which, side, v, (t + k - tile) * g.padded + c, side * g.point, g.point,
                      columns, k * g.tile * column, LANES)  # fmt: skip
        t += together


@njit(**INNER)
def _gather(which, side, m, g, tile, last, first, panel, y, pooling, vectors, floor, temp, spare, table, columns):
    """From points to tiles, with the epilogue, for filters first..first+panel.

    pooling: None, or a Pooling. Then y holds the greatest of each 2x2 pixels, and g's size and its tiles' are even.
    """
    column = g.tile * LANES
    _point_rows(table[:side], m, 0, side * g.point)
    _point_rows(columns[:side], temp, 0, column)
    for t in range(tile, last):
        n, ij = t // (g.rows * g.columns), t % (g.rows * g.columns)
        h, w = ij // g.columns * g.tile, ij % g.columns * g.tile
        rows, used = min(g.tile, g.height - h), min(g.tile, g.width - w)
        y0 = ((n * g.height + h) * g.width + w) * g.channels + first
        if pooling is not None:
            y0 = ((n * g.height + h) // 2 * (g.width // 2) + w // 2) * g.channels + first
        for o in range(0, panel, LANES):
            lines(which + BACK, side, temp, 0, column, LANES, table, (t - tile) * g.padded + o, g.point)
            filters = min(LANES, g.channels - first - o)
            if filters == LANES and pooling is None:
                last_lines(which, rows, y, y0 + o, g.width * g.channels, g.channels, columns, 0, LANES,
                           used, spare, vectors, len(vectors) // 4, first + o, floor)  # fmt: skip
            else:
                last_lines(which, rows, spare, 0, column, LANES, columns, 0, LANES,
                           g.tile, spare, vectors, len(vectors) // 4, first + o, floor)  # fmt: skip
                if pooling is None:
                    for r in range(rows):
                        for q in range(used):
                            at = y0 + o + (r * g.width + q) * g.channels
                            copy_floats(y, at, spare, r * column + q * LANES, filters)
                else:
                    argmax = pooling.argmax
                    if len(pooling.scale):
                        for r in range(rows):
                            scale_row(spare, r * column, column, pooling.scale[h + r], pooling.shift[h + r])
                    for r in range(0, rows, 2):
                        for q in range(0, used, 2):
                            at = y0 + o + (r // 2 * (g.width // 2) + q // 2) * g.channels
                            if filters == LANES:
                                pool_vector(spare, r * column + q * LANES, LANES, column, y, argmax, at)
                            else:
                                pool_floats(spare, r * column + q * LANES, LANES, column, filters, y, argmax, at)


@njit(**INNER)
def _square(which, size, side, y, y0, y_step, x, x0, x_step, temp, table, columns):
    """y (side, side) = M x M', squares of vectors; `size` is that of x, and from one vector to the next are so many."""
    _point_rows(table[:size], x, x0, size * x_step)
    _point_rows(columns[:size], temp, 0, side * LANES)
    lines(which, size, temp, 0, side * LANES, LANES, table, 0, x_step)
    lines(which, side, y, y0, side * y_step, y_step, columns, 0, LANES)


_prefetch_read, _prefetch_write = prefetching(0, 2), prefetching(1, 2)


@njit(**INNER)
def _reach(g, tile, size):
    """Where the last image row that the tile's patch reads ends in x."""
    n, i = tile // (g.rows * g.columns), tile % (g.rows * g.columns) // g.columns
    return (n * g.height + min(max(i * g.tile - g.top + size, 0), g.height)) * g.width * g.channels


@njit(**INNER)
def _prefetch_tiles(x, g, tile, last, size, share, shares):
    """Ask for share number `share` of what tiles tile..last read and the tiles before did not.

    Patches are short rows far from each other, which the CPU does not foresee; the products before them leave the
    memory idle for long enough. Without this a convolution whose images are in no cache takes 1.05 to 1.15 times as
    long; one whose images are in the L3 cache loses 1.05.
    """
    if tile < last:
        start, end = _reach(g, tile - 1, size), _reach(g, last - 1, size)
        for k in range(start + (end - start) * share // shares, start + (end - start) * (share + 1) // shares, LINE):
            _prefetch_read(x, k)


_wide, _narrow = product_kernel(ROWS, TILE.vectors), product_kernel(ROWS, 1)
_short_wide, _short_narrow = product_kernel(SHORT, TILE.vectors), product_kernel(SHORT, 1)
_add_wide, _add_narrow = product_kernel(GRADIENT_ROWS, TILE.vectors), product_kernel(GRADIENT_ROWS, 1)


@njit(**INNER)
def _product(v, v0, xg, count, tall, u, u0, m, m0, yg, panel):
    """m (count, panel) = v u for one point: v (count, C), u (C, panel) in panels of at most WIDTH.

    The micro-kernel takes `tall` tiles of ROWS rows, then short ones, and DEPTH channels at a time: a sum's rounding
    error grows with the number of its terms. For 64 channels this makes it .8 times as large, and takes 1.02 as long.
    """
    done, row, to = 0, xg.padded, yg.padded
    while done < panel:
        width, a, y, left = WIDTH if panel - done > WIDTH - LANES else LANES, v0, m0 + done, count
        n = 0
        while left > 0:
            height = ROWS if n < tall else SHORT
            used = min(height, left)
            for c in range(0, xg.channels, DEPTH):
                depth, b = min(DEPTH, xg.channels - c), u0 + c * width
                if width == WIDTH and n < tall:
                    _wide(v, a + c, row, 1, u, b, width, m, y, to, used, depth, c)
                elif width == WIDTH:
                    _short_wide(v, a + c, row, 1, u, b, width, m, y, to, used, depth, c)
                elif n < tall:
                    _narrow(v, a + c, row, 1, u, b, width, m, y, to, used, depth, c)
                else:
                    _short_narrow(v, a + c, row, 1, u, b, width, m, y, to, used, depth, c)
            a, y, left, n = a + height * row, y + height * to, left - height, n + 1
        done += width
        u0 += width * xg.channels


@njit(**INNER)
def _add_product(v, v0, xg, e, e0, yg, count, u, u0):
    """u (C, O) += v' e for one point: v (count, C), e (count, O)."""
    o = 0
    while o < yg.padded:
        width = WIDTH if yg.padded - o > WIDTH - LANES else LANES
        for c in range(0, xg.channels, GRADIENT_ROWS):
            y, used = u0 + c * yg.padded + o, min(GRADIENT_ROWS, xg.channels - c)
            if width == WIDTH:
                _add_wide(v, v0 + c, 1, xg.padded, e, e0 + o, yg.padded, u, y, yg.padded, used, count, 1)
            else:
                _add_narrow(v, v0 + c, 1, xg.padded, e, e0 + o, yg.padded, u, y, yg.padded, used, count, 1)
        o += width


@njit(**INNER)
def forward(which, side, x, xg, tile, last, following, u, u_line, vectors, floor, y, pooling, yg,
            v, m, temp, spare, zeros, tables):  # fmt: skip
    """Tiles tile..last of y; meanwhile the patches up to tile `following` come into the cache.

    pooling: of `_gather`.
    """
    padded, points, (tall, _) = len(vectors) // 4, side * side, tiles(last - tile)
    _spread(which, side, side, x, xg, tile, last, v, temp, spare, zeros, tables[0], tables[1])
    start, end = _reach(yg, tile, 0), _reach(yg, last - 1, yg.tile)
    if pooling is not None:
        start, end = start // 4, end // 4
    for o in range(0, padded, WIDTH):
        panel = min(WIDTH, padded - o)
        for p in range(points):
            _prefetch_tiles(x, xg, last, following, side, o // WIDTH * points + p, -(-padded // WIDTH) * points)
            if o == 0:
                for k in range(start + (end - start) * p // points, start + (end - start) * (p + 1) // points, LINE):
                    _prefetch_write(y, k)
            _product(
                v, p * xg.point, xg, last - tile, tall, u, p * u_line + o * xg.channels, m, p * yg.point, yg, panel
            )
        _gather(which, side, m, yg, tile, last, o, panel, y, pooling, vectors, floor, temp, spare, tables[0], tables[1])


@njit(**INNER)
def _block_sums(y, g, tile, last, runs, sums):
    """The sums of y's tiles tile..last, which were just written, and their pixels.

    Tiles side by side are one piece of each row; runs (2, block * tile) has room for where these start and end.
    """
    starts, ends, k, t, pixels = runs[0], runs[1], 0, tile, 0
    while t < last:
        n, ij = t // (g.rows * g.columns), t % (g.rows * g.columns)
        h, w = ij // g.columns * g.tile, ij % g.columns * g.tile
        together = min(g.columns - ij % g.columns, last - t)
        count = min(together * g.tile, g.width - w)
        for r in range(h, min(h + g.tile, g.height)):
            starts[k] = ((n * g.height + r) * g.width + w) * g.channels
            ends[k] = starts[k] + count * g.channels
            pixels += count
            k += 1
        t += together
    chunk_sums(y, 0, starts[:k], ends[:k], g.channels, sums)
    return pixels


@njit(**INNER)
def _backward(which, side, x, xg, dy, yg, first, last, block, u, u_line, dw, v, e, temp, spare, zeros, tables):
    """dw (lines of whole vectors) from tiles first..last."""
    points, taps, length = side * side, side + 1 - yg.tile, xg.channels * yg.padded
    _clear(u, 0, points * u_line)
    for tile in range(first, last, block):
        end, following = min(tile + block, last), min(tile + 2 * block, last)
        _spread(which, side, side, x, xg, tile, end, v, temp, spare, zeros, tables[0], tables[1])
        _spread(which + OUTPUTS, yg.tile, side, dy, yg, tile, end, e, temp, spare, zeros, tables[0], tables[1])
        for p in range(points):
            _prefetch_tiles(x, xg, end, following, side, p, points)
            _prefetch_tiles(dy, yg, end, following, yg.tile, p, points)
            _add_product(v, p * xg.point, xg, e, p * yg.point, yg, end - tile, u, p * u_line)
    for k in range(0, length, LANES):  # dw = G' u G, the same for every (c, o)
        _square(which + FILTERS_BACK, side, taps, dw, k, length, u, k, u_line, temp, tables[0], tables[1])


@njit(**INNER)
def _pack_cells(w, cells, depth, filters, turned, panels):
    """All cells of the window as panels (depth, filters), in order, or `turned` by 180 degrees and w transposed."""
    length = -(-filters // LANES) * LANES * depth
    for cell in range(cells):
        k_step, o_step, place = (1, depth, cells - 1 - cell) if turned else (filters, 1, cell)
        pack(w, cell * depth * filters, k_step, o_step, depth, filters, panels, place * length, 0, depth)
    return length


def _compile(stamp):
    """The functions that Numba compiles and keeps on disk; enclosing `stamp` ties them to the text of other files."""

    @njit(**PARALLEL)
    def filters_to_points(which, side, taps, w, depth, filters, turned, panels, u, u_line, temps, tables):
        _ = stamp
        length = _pack_cells(w, taps * taps, depth, filters, turned, panels)
        shares = min(len(tables), length // LANES)  # a share per thread; results are the same for any number
        for share in prange(shares):  # u = G w G', the same for every (c, o): the panels keep their order
            temp, vectors = temps[share], length // LANES
            for k in range(vectors * share // shares * LANES, vectors * (share + 1) // shares * LANES, LANES):
                _square(which + FILTERS, taps, side, u, k, u_line, panels, k, length,
                        temp, tables[share, 0], tables[share, 1])  # fmt: skip

    @njit(**PARALLEL)
    def correlate(which, side, x, xg, y, yg, tiles, block, vectors, floor, u, u_line,
                  vs, ms, temps, spares, zeros, tables, counters, sums, runs, pixels):  # fmt: skip
        _ = stamp
        for t in prange(len(counters)):
            for task in taken(counters, t, -(-tiles // block)):
                tile = task * block
                last, following = min(tile + block, tiles), min(tile + 2 * block, tiles)
                forward(which, side, x, xg, tile, last, following, u, u_line, vectors, floor, y, None, yg,
                        vs[t], ms[t], temps[t], spares[t], zeros, tables[t])  # fmt: skip
                if len(sums):
                    pixels[task] = _block_sums(y, yg, tile, last, runs[t], sums[task])

    @njit(**PARALLEL)
    def weight_grad(which, side, x, xg, dy, yg, tiles, blocks, block, us, u_line, partials,
                    vs, es, temps, spares, zeros, tables, counters):  # fmt: skip
        _ = stamp
        for t in prange(len(counters)):
            for g in taken(counters, t, blocks):
                _backward(which, side, x, xg, dy, yg, g * tiles // blocks, (g + 1) * tiles // blocks, block,
                          us[t], u_line, partials[g], vs[t], es[t], temps[t], spares[t], zeros, tables[t])  # fmt: skip

    return filters_to_points, correlate, weight_grad


_filters_to_points, _correlate_tiles, _weight_grad_tiles = _compile(
    stamp("moments", "pool2x2", "tasks", "transforms", "vector")
)


def variant(size, taps: int, kernel: str) -> Variant:
    """The variant with the fewest products for images of `size` pixels; larger errors must be worth it."""
    best, *others = (v for v in VARIANTS if v.taps == taps and kernel in v.kernels)
    for v in others:
        best = v if WORTH * v.products(size) <= best.products(size) else best
    return best


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
    points = (block * floats + LINE for floats in (padded, y_padded))
    x_grid = Grid(height, width, channels, pads[0][0], pads[1][0], rows, columns, v.tile, padded, next(points))
    return x_grid, Grid(oh, ow, filters, 0, 0, rows, columns, v.tile, y_padded, next(points)), n * rows * columns


def _block(count, multiple=1):
    """How many of `count` tiles a task works on: little is left over in its register tiles and for any thread.

    multiple: of so many, the tiles of an image, where a task needs whole images.
    """

    def work(block):
        (tall, short), tasks = tiles.py_func(block), -(-count // block)
        rows = tall * ROWS + short * (SHORT + 0.5) + 2  # what a block costs besides is that of two rows
        return sum(-(-tasks // threads) * threads * rows for threads in SHARES)

    return min(range(BLOCK // multiple * multiple, max(SHORT, multiple) - 1, -multiple), key=work)


def _parts(count):
    """How many parts the sums of a weight gradient have; one takes as long as forty tiles more."""
    sizes = [n for n in (1, 2, 4, BLOCKS) if n <= count]
    return min(sizes, key=lambda n: sum(-(-n // threads) * (count / n + 40) for threads in SHARES))


@lru_cache(512)
def _plan(kernel, x_shape, y_shape, taps, pads, threads, images=False):
    """The variant, the grids, numbers of tiles in all and in a block, floats from point to point in U, the scratch.

    For the input gradient, x_shape is that of dy and y_shape that of dx. Scratch sizes are (lines, floats).
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
    points, u_line, parts = v.side**2, channels * padded + LINE, _parts(count)
    columns = (SEGMENT - 1) * v.tile + v.side  # of a segment
    row = max(columns * g.channels + g.padded for g in ((xg, yg) if weight else (xg,)))
    return v, xg, yg, count, block, u_line, [
        (parts if weight else 1, cells * channels * padded),  # partial sums of dw, or the window's cells
        (threads if weight else 1, points * u_line),  # dU or U
        (threads, points * xg.point),  # V
        (threads, points * yg.point),  # M or E
        (threads, columns * v.side * LANES),  # between columns and rows of a transform
        (threads, max(v.side * row, v.tile**2 * LANES)),  # rows of pixels, or a tile of y
    ]  # fmt: skip


def workspace(kernel, x_shape, y_shape, taps, pads, threads):
    """The (lines, floats) of all scratch arrays of a kernel."""
    shapes = (y_shape, x_shape) if kernel == "input_grad" else (x_shape, y_shape)
    return _plan(kernel, *shapes, taps, pads, threads)[-1]


def _tables(threads):
    """For each thread, two tables for the addresses of the lines of a transform."""
    return np.zeros((threads, 2, 2 * LINE), np.int64)


@lru_cache(512)
def _zeros(*grids):
    """A row of pixels outside the image; nobody writes there, so all calls share it."""
    return np.zeros(max(min(g.width, SEGMENT * g.tile + LINE) * g.channels + g.padded for g in grids), np.float32)


def prepared(x, w, turned, pads, b, affine, y_shape, images=False):
    """The plan without its scratch, and what the compiled loops take: vectors, U, scratch per thread, zeros, tables."""
    kernel = "input_grad" if turned else "forward"
    *plan, scratch = _plan(kernel, x.shape, y_shape, len(w), pads, numba.get_num_threads(), images)
    (v, xg, _, _, _, u_line), filters = plan, y_shape[3]
    vectors = np.zeros((4, whole_vectors(filters)), np.float32)
    _, bias, scale, shift = vectors
    scale[:] = 1
    if b is not None:
        bias[:filters] = b
    if affine is not None:
        scale[:filters], shift[:filters] = affine
    cells, u, *per_thread = (memory.scratch(*size) for size in scratch)
    u, tables = u.reshape(-1), _tables(len(per_thread[0]))
    _filters_to_points(
        VARIANTS.index(v), v.side, len(w), flat(w), xg.channels, filters, turned, cells.reshape(-1), u, u_line,
        per_thread[2], tables,
    )  # fmt: skip
    return plan, vectors.reshape(-1), u, per_thread, _zeros(xg), tables


def _correlate(x, w, turned, pads, b, relu, affine, y, stats=None):
    """y, and if `stats` is (mean, var), two arrays, these as well."""
    plan, vectors, u, per_thread, zeros, tables = prepared(x, w, turned, pads, b, affine, y.shape)
    (v, xg, yg, count, block, u_line), threads = plan, numba.get_num_threads()
    sums = sums_table(-(-count // block), y.shape[3]) if stats else NO_SUMS
    pixels, runs = np.empty(len(sums)), np.empty((len(tables), 2, block * v.tile if stats else 0), np.int64)
    _correlate_tiles(
        VARIANTS.index(v), v.side, flat(x), xg, y.reshape(-1), yg, count, block, vectors,
        ZERO if relu else NO_FLOOR, u, u_line, *per_thread, zeros, tables, untaken(threads), sums, runs, pixels,
    )  # fmt: skip
    if stats:
        merge(sums, pixels, *stats)
    y[:, yg.rows * v.tile :] = 0
    y[:, :, yg.columns * v.tile :] = 0
    return y


def conv2d(x, w, b, y, *, pads, relu, affine, stats=None):
    return _correlate(x, w, False, pads, b, relu, affine, y, stats)


def conv2d_input_grad(dy, w, dx, *, pads):
    return _correlate(dy, w, True, pads, None, False, None, dx)


def conv2d_weight_grad(x, dy, dw, *, pads):
    taps, _, channels, _ = dw.shape
    threads = numba.get_num_threads()
    v, xg, yg, count, block, u_line, scratch = _plan("weight_grad", x.shape, dy.shape, taps, pads, threads)
    partials, u, *per_thread = (memory.scratch(*size) for size in scratch)
    blocks = scratch[0][0]
    _weight_grad_tiles(
        VARIANTS.index(v), v.side, flat(x), xg, flat(dy), yg, count, blocks, block,
        u, u_line, partials, *per_thread, _zeros(xg, yg), _tables(threads), untaken(threads),
    )  # fmt: skip
    partials = partials[:blocks, : scratch[0][1]].reshape(blocks, taps, taps, channels, yg.padded)
    return sum_blocks(partials, dw)
