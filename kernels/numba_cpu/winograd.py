"""Winograd's convolution for stride 1: transforms around products with 6.25 (5x5) or 4 (3x3) times less to multiply.

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

Why it is fast: channels are contiguous, so a transform works on whole vectors of them and never shuffles. Points come
in pairs +a, -a, whose rows of B' differ in the sign of every second number: even and odd half are computed once, then
added and subtracted (`_multiply`); all entries of B' and A are exact in float32. The tiles of a block, from several
images if these are small, are a multiple of the micro-kernel's rows; its V, M and U lie in a usual L2 cache of 1 MB.
While the products run, the next block's patches are fetched from memory (`_prefetch_tiles`).

Error against float64, N(0,1) weights, 32 to 64 channels; RMS and largest, as fractions of the result's own:

                     images N(0,1)         images after ReLU      im2col, for comparison
    5x5    y, dx     2.4e-6    5e-6        2.4e-6    6e-6         5e-7    1.5e-6
           dw        2.4e-6    5e-6        1.9e-6    3e-6         5e-7    0.7e-6
    3x3    y, dx     7.8e-7    1.8e-6      7.7e-7    2e-6         4e-7    1.0e-6
           dw        5.6e-7    8e-7        4.6e-7    7e-7         3e-7    0.4e-6

A NaN or infinity in x stays within the tiles whose patches hold it: at most 3 px beyond the outputs that read it.

Sources: Toom 1963, Cook 1966; Winograd 1980; Lavin & Gray 2016, "Fast algorithms for convolutional neural networks";
Barabasz et al. 2020, "Error analysis and improving the accuracy of Winograd convolution". The points for 3x3 were
searched among pairs +-a, +-b of few bits: their error is 0.7 times that of the usual 0, +-1, 1/2, -2, and both pairs
save additions.
"""

from fractions import Fraction
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from . import memory
from .activation import INNER, PARALLEL
from .moments import NO_MOMENTS, NO_STATS, chunk_moments, merge, moments_table, wide_row
from .simd import (
    F32,
    I32,
    I64,
    LANES,
    ROWS,
    TILE,
    WIDTH,
    _splat,
    _tile_kernel,
    _vector_pointer,
    copy_floats,
    pack,
    stamp,
    sweep,
    whole_vectors,
)

TILE_SIZE = 4  # outputs along a side of a tile
POINTS = {  # by window size; the last point is infinity, whose value is the leading coefficient
    3: (Fraction(0), Fraction(5, 8), Fraction(-5, 8), Fraction(3, 2), Fraction(-3, 2)),
    5: (Fraction(0), *(sign * Fraction(a) for a in (1, 2, Fraction(1, 2)) for sign in (1, -1))),
}
BLOCK = 2 * ROWS  # tiles whose points are in the cache together
BLOCKS = 8  # partial sums of a weight gradient
SHARES = 8  # threads that find work in a small batch. Not the actual number: a block's statistics are summed in one
LINE = 16  # floats of a cache line
GRADIENT_TILE = TILE._replace(rows=min(TILE.rows, 8))  # rows are channels here: 8 divide them, 14 would leave rows idle
NO_FLOOR, ZERO = np.float32(-np.inf), np.float32(0)


class Matrices(NamedTuple):
    """y = A' ((G g) * (B' d)), rows of Fractions."""

    a_t: tuple
    g: tuple
    b_t: tuple


def transposed(matrix):
    return tuple(zip(*matrix, strict=True))


def cook_toom(points, outputs: int) -> Matrices:
    """The matrices for `outputs` outputs and a window of len(points) + 2 - outputs taps.

    Row of B' for point a: the coefficients of prod (x - b) over all other points b; its value at a scales G's row.
    """

    def polynomial(roots):  # prod (x - root), lowest power first
        coefficients = [Fraction(1)]
        for root in roots:
            shifted, scaled = [Fraction(0), *coefficients], [*(root * c for c in coefficients), Fraction(0)]
            coefficients = [s - t for s, t in zip(shifted, scaled, strict=True)]
        return coefficients

    taps, b_t, g = len(points) + 2 - outputs, [], []
    for a in points:
        others = polynomial([b for b in points if b != a])
        scale = sum(c * a**k for k, c in enumerate(others))
        b_t.append((*others, Fraction(0)))
        g.append(tuple(a**j / scale for j in range(taps)))
    b_t.append(tuple(polynomial(points)))
    g.append(tuple(Fraction(int(j == taps - 1)) for j in range(taps)))
    a_t = [(*(a**i for a in points), Fraction(int(i == outputs - 1))) for i in range(outputs)]
    return Matrices(tuple(a_t), tuple(g), tuple(b_t))


# ---- the transforms, as vector code ----------------------------------------------------------------------------------


def _sum_of_products(builder, row, x):
    """sum row[k] x[k], or None for a row of zeros: as few instructions as its ones and minus ones allow."""
    terms = [(c, v) for c, v in zip(row, x, strict=True) if c]
    terms.sort(key=lambda term: (term[0] != 1, abs(term[0]) != 1))
    total = None
    for c, v in terms:
        if total is None:
            total = v if c == 1 else builder.fmul(v, _constant(c))
        elif abs(c) == 1:
            total = builder.fadd(total, v) if c == 1 else builder.fsub(total, v)
        else:
            total = _fma(builder, _constant(c), v, total)
    return total


def _constant(value):
    return ir.Constant(ir.VectorType(F32, LANES), [float(np.float32(float(value)))] * LANES)


def _fma(builder, a, b, c):
    vector = ir.VectorType(F32, LANES)
    name = f"llvm.{'fma' if TILE.fma else 'fmuladd'}.v{LANES}f32"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
    return builder.call(function, [a, b, c])


def _opposite(first, second):
    """Whether two rows are equal up to signs, with some equal and some opposite entries: those of points a and -a."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a or b]
    return all(abs(a) == abs(b) for a, b in pairs) and len({a == b for a, b in pairs}) == 2


def _pairs(rows):
    """Neighbouring rows of opposite points: the first's number."""
    return [k for k in range(len(rows) - 1) if _opposite(rows[k], rows[k + 1])]


def _multiply(builder, matrix, x):
    """matrix x for a vector of values x.

    Columns of opposite points: their sum and difference take their place, each row needs one of them.
    Rows of opposite points: row . x = even + odd and even - odd; odd is divided by its first factor f, so that the last
    step is even + f odd and even - f odd, two fused multiply-adds.
    """
    columns, x = [list(column) for column in transposed(matrix)], list(x)
    for k in _pairs(columns):
        both = list(zip(columns[k], columns[k + 1], strict=True))
        x[k : k + 2] = builder.fadd(x[k], x[k + 1]), builder.fsub(x[k], x[k + 1])
        columns[k], columns[k + 1] = [a if a == b else 0 for a, b in both], [a if a != b else 0 for a, b in both]
    rows, y = transposed(columns), [None] * len(matrix)
    for k in _pairs(rows):
        both = list(zip(rows[k], rows[k + 1], strict=True))
        even = _sum_of_products(builder, [a if a == b else 0 for a, b in both], x)
        factor = next(a for a, b in both if a != b)
        odd = _sum_of_products(builder, [a / factor if a != b else 0 for a, b in both], x)
        if factor == 1:
            y[k], y[k + 1] = builder.fadd(even, odd), builder.fsub(even, odd)
        else:
            y[k], y[k + 1] = (_fma(builder, _constant(f), odd, even) for f in (factor, -factor))
    return [_sum_of_products(builder, row, x) if done is None else done for row, done in zip(rows, y, strict=True)]


def _square_function(name, matrices, epilogue):
    """The LLVM function `name`(which, y, y_row, y_step, x, x_row, x_step, temp[, bias, scale, shift, floor])."""
    pointer = F32.as_pointer()
    kinds = [I64, pointer, I64, I64, pointer, I64, I64, pointer, *([pointer] * 3 + [F32] if epilogue else [])]

    def build(module):
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
        function.linkage = "linkonce_odr"
        function.attributes.add("noinline")  # once in a library, not in every loop around it, which takes LLVM longer
        which, y, y_row, y_step, x, x_row, x_step, temp, *rest = function.args
        builder = ir.IRBuilder(function.append_basic_block())

        def load(start):
            return builder.load(builder.bitcast(start, ir.VectorType(F32, LANES).as_pointer()), align=4)

        def lines(matrix, count, y, y_line, y_step, x, x_line, x_step, finish):
            with cgutils.for_range(builder, I64(count)) as loop:
                x, y = (builder.gep(a, [builder.mul(loop.index, line)]) for a, line in ((x, x_line), (y, y_line)))
                values = []
                for _ in matrix[0]:
                    values.append(load(x))
                    x = builder.gep(x, [x_step])
                for value in finish(_multiply(builder, matrix, values)):
                    builder.store(value, builder.bitcast(y, value.type.as_pointer()), align=4)
                    y = builder.gep(y, [y_step])

        def finish(values):
            if epilogue:
                bias, scale, shift = map(load, rest[:3])
                floor = _splat(builder, rest[3], LANES)
                values = [builder.fadd(v, bias) for v in values]
                values = [builder.select(builder.fcmp_ordered(">", floor, v), floor, v) for v in values]  # NaN stays
                values = [_fma(builder, v, scale, shift) for v in values]
            return values

        done = function.append_basic_block()
        switch = builder.switch(which, done)
        for n, matrix in enumerate(matrices):
            block, lane, row = function.append_basic_block(), I64(LANES), I64(len(matrix[0]) * LANES)
            switch.add_case(I64(n), block)
            builder.position_at_end(block)
            lines(matrix, len(matrix[0]), temp, lane, row, x, x_step, x_row, list)
            lines(matrix, len(matrix), y, y_row, y_step, temp, row, lane, finish)
            builder.branch(done)
        builder.position_at_end(done)
        builder.ret_void()
        return function

    return lambda module: module.globals.get(name) or build(module)


def _square_kernel(name, matrices, epilogue=False):
    """njit code for y = matrix x matrix', x a square of vectors and matrix = matrices[which]: columns first, then rows.

    Row p, column q of x starts at x[i + p*x_row + q*x_step], those of y likewise; `temp` holds the columns' results.
    epilogue: y = scale max(that + bias, floor) + shift, with the vectors that start at o.
    """
    floats, integer = types.float32[::1], types.int64
    function = _square_function(f"minicnn.winograd.{name}", matrices, epilogue)

    def codegen(context, builder, signature, arguments):
        def address(array, index):
            return builder.gep(context.make_array(floats)(context, builder, array).data, [index])

        which, y, j, y_row, y_step, x, i, x_row, x_step, temp, *rest = arguments
        if epilogue:
            *vectors, floor, o = rest
            rest = [*(address(array, o) for array in vectors), floor]
        arguments = [which, address(y, j), y_row, y_step, address(x, i), x_row, x_step, address(temp, I64(0)), *rest]
        builder.call(function(builder.module), arguments)
        return context.get_dummy_value()

    plain = types.void(integer, floats, *[integer] * 3, floats, *[integer] * 3, floats)
    if epilogue:

        @intrinsic
        def square(typingctx, which, y, j, y_row, y_step, x, i, x_row, x_step, temp, bias, scale, shift, floor, o):
            return types.void(*plain.args, *[floats] * 3, types.float32, integer), codegen
    else:

        @intrinsic
        def square(typingctx, which, y, j, y_row, y_step, x, i, x_row, x_step, temp):
            return plain, codegen

    return square


WINDOWS = tuple(POINTS)  # `which` below is the place of a window's size in this list; dy's matrices lie 2 further on
_MATRICES = [cook_toom(points, TILE_SIZE) for points in POINTS.values()]
_to_points = _square_kernel("to_points", [m.b_t for m in _MATRICES] + [transposed(m.a_t) for m in _MATRICES])
_from_points = _square_kernel("from_points", [m.a_t for m in _MATRICES], epilogue=True)
_filters_to_points = _square_kernel("filters_to_points", [m.g for m in _MATRICES])
_points_to_filters = _square_kernel("points_to_filters", [transposed(m.g) for m in _MATRICES])


# ---- blocks of tiles -------------------------------------------------------------------------------------------------


class Grid(NamedTuple):
    """An image's tiles: how patches of a side lie in it, and how their points lie in memory.

    Tile (i, j) reads or writes pixels from (4*i - top, 4*j - left) on. Its values at the points are `line` floats: the
    channels of a point together, and after all points an empty cache line, without which the same point of different
    tiles would compete for the same place in the cache.
    """

    height: int
    width: int
    channels: int
    top: int
    left: int
    rows: int  # of tiles
    columns: int
    padded: int  # floats from one point to the next: the channels in whole vectors
    line: int  # from one tile to the next


@njit(**INNER)
def _clear(x, start, end):
    part = x[start:end]
    for k in range(part.size):
        part[k] = 0


@njit(**INNER)
def _patch(x, n, h, w, g, size, patch):
    """patch (size, size, C) = x[n, h:h+size, w:w+size], zeros where there is no x."""
    left = min(max(-w, 0), size)
    right, line = max(min(g.width - w, size), left), size * g.channels
    for r in range(size):
        to, shown = r * line, right - left if 0 <= h + r < g.height else 0
        first = to + left * g.channels
        end = first + shown * g.channels
        _clear(patch, to, first)
        copy_floats(patch, first, x, ((n * g.height + h + r) * g.width + w + left) * g.channels, end - first)
        _clear(patch, end, to + line)


@njit(**INNER)
def _spread(which, size, side, x, g, tile, count, v, patch, temp):
    """From tiles to points: v = matrix d matrix' for the patches d (size, size) of `count` tiles.

    Whole vectors are read, also where the channels are none: then the last lanes hold numbers of the next pixel, and v
    holds nonsense between g.channels and g.padded. No product reads it, or none of its results is used.
    """
    for t in range(count):
        n, ij = (tile + t) // (g.rows * g.columns), (tile + t) % (g.rows * g.columns)
        h, w = ij // g.columns * TILE_SIZE - g.top, ij % g.columns * TILE_SIZE - g.left
        d, d0, d_row = x, ((n * g.height + h) * g.width + w) * g.channels, g.width * g.channels
        end = d0 + (size - 1) * (d_row + g.channels) + g.padded
        if h < 0 or w < 0 or h + size > g.height or w + size > g.width or end > len(x):
            _patch(x, n, h, w, g, size, patch)
            d, d0, d_row = patch, 0, size * g.channels
        for c in range(0, g.padded, LANES):
            _to_points(which, v, t * g.line + c, side * g.padded, g.padded, d, d0 + c, d_row, g.channels, temp)


@njit(**INNER)
def _gather(which, side, m, g, tile, count, first, panel, y, bias, scale, shift, floor, patch, temp):
    """From points to tiles, with the epilogue, for filters first..first+panel."""
    for t in range(count):
        n, ij = (tile + t) // (g.rows * g.columns), (tile + t) % (g.rows * g.columns)
        h, w = ij // g.columns * TILE_SIZE, ij % g.columns * TILE_SIZE
        y0 = ((n * g.height + h) * g.width + w) * g.channels + first
        for o in range(0, panel, LANES):
            used = min(LANES, g.channels - first - o)
            inside = h + TILE_SIZE <= g.height and w + TILE_SIZE <= g.width and used == LANES
            b, b0, b_row, b_step = patch, 0, TILE_SIZE * LANES, LANES
            if inside:
                b, b0, b_row, b_step = y, y0 + o, g.width * g.channels, g.channels
            _from_points(which, b, b0, b_row, b_step, m, t * g.line + o, side * g.padded, g.padded, temp,
                         bias, scale, shift, floor, first + o)  # fmt: skip
            if not inside:
                for r in range(min(TILE_SIZE, g.height - h)):
                    for q in range(min(TILE_SIZE, g.width - w)):
                        at = y0 + o + (r * g.width + q) * g.channels
                        copy_floats(y, at, patch, (r * TILE_SIZE + q) * LANES, used)


def _prefetch(write):
    """njit code that asks for the cache line of x[i], to be read or written soon."""

    @intrinsic
    def prefetch(typingctx, x, i):
        def codegen(context, builder, signature, arguments):
            address = builder.bitcast(_vector_pointer(context, builder, *arguments), ir.IntType(8).as_pointer())
            kind = ir.FunctionType(ir.VoidType(), [address.type, I32, I32, I32])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
            builder.call(function, [address, I32(write), I32(2), I32(1)])
            return context.get_dummy_value()

        return types.void(types.float32[::1], types.int64), codegen

    return prefetch


_prefetch_read, _prefetch_write = _prefetch(0), _prefetch(1)


@njit(**INNER)
def _reach(g, tile, size):
    """Where the last image row that the tile's patch reads ends in x."""
    n, i = tile // (g.rows * g.columns), tile % (g.rows * g.columns) // g.columns
    return (n * g.height + min(max(i * TILE_SIZE - g.top + size, 0), g.height)) * g.width * g.channels


@njit(**INNER)
def _prefetch_tiles(x, g, tile, last, size, share, shares):
    """Ask for share number `share` of what tiles tile..last read and the tiles before did not.

    Patches are short rows far from each other, which the CPU does not foresee; the products before them leave the
    memory idle for long enough. Without this the 5x5 convolution of 28x28x32 images takes 1.2 times as long.
    """
    if tile < last:
        start, end = _reach(g, tile - 1, size), _reach(g, last - 1, size)
        for k in range(start + (end - start) * share // shares, start + (end - start) * (share + 1) // shares, LINE):
            _prefetch_read(x, k)


_gradient_wide = _tile_kernel(GRADIENT_TILE, TILE.vectors)
_gradient_narrow = _tile_kernel(GRADIENT_TILE, 1)


@njit(**INNER)
def _add_product(v, v0, vg, e, e0, eg, at, count, u, u0, to):
    """u (C, O) += v' e for one point: v (count, C), e (count, O)."""
    for o in range(0, eg.padded, WIDTH):
        left = eg.padded - o
        for c in range(0, vg.channels, GRADIENT_TILE.rows):
            rows, seed = min(GRADIENT_TILE.rows, vg.channels - c), u0 + c * eg.padded + o
            if left > WIDTH - LANES:
                _gradient_wide(v, v0, at, c, rows, 0, vg.line, e, e0 + o, eg.line, 1, count,
                               u, seed, eg.padded, NO_FLOOR, u, u0 + o, to, left)  # fmt: skip
            else:
                for narrow in range(0, left, LANES):
                    _gradient_narrow(v, v0, at, c, rows, 0, vg.line, e, e0 + o + narrow, eg.line, 1, count, u,
                                     seed + narrow, eg.padded, NO_FLOOR, u, u0 + o + narrow, to, LANES)  # fmt: skip


@njit(**INNER)
def _forward(which, side, x, xg, tile, last, following, u, u_line, vectors, floor, at, y, yg,
             v, m, patch, temp):  # fmt: skip
    """Tiles tile..last of y; meanwhile the patches up to tile `following` come into the cache."""
    count, padded, points = last - tile, vectors.shape[1], side * side
    zeros, bias, scale, shift = vectors[0], vectors[1], vectors[2], vectors[3]
    _spread(which, side, side, x, xg, tile, count, v, patch, temp)
    start, end = _reach(yg, tile, 0), _reach(yg, last - 1, TILE_SIZE)
    for o in range(0, padded, WIDTH):
        panel = min(WIDTH, padded - o)
        for p in range(points):
            _prefetch_tiles(x, xg, last, following, side, o // WIDTH * points + p, -(-padded // WIDTH) * points)
            if o == 0:
                for k in range(start + (end - start) * p // points, start + (end - start) * (p + 1) // points, LINE):
                    _prefetch_write(y, k)
            sweep(v, p * xg.padded, at[0], count, 0, 1, u, p * u_line + o * xg.channels, 0, 1, xg.channels,
                  zeros, 0, 0, NO_FLOOR, m, p * yg.padded, at[1], panel)  # fmt: skip
        _gather(which, side, m, yg, tile, count, o, panel, y, bias, scale, shift, floor, patch, temp)


@njit(**INNER)
def _block_moments(y, g, tile, last, width, moments):
    """The moments of y's tiles tile..last, which were just written. Tiles side by side are one piece of each row."""
    starts = np.empty((2, (last - tile) * TILE_SIZE), np.int64)
    ends, k, t = starts[1], 0, tile
    while t < last:
        n, ij = t // (g.rows * g.columns), t % (g.rows * g.columns)
        h, w = ij // g.columns * TILE_SIZE, ij % g.columns * TILE_SIZE
        together = min(g.columns - ij % g.columns, last - t)
        for r in range(h, min(h + TILE_SIZE, g.height)):
            row = (n * g.height + r) * g.width
            starts[0, k] = (row + w) * g.channels
            ends[k] = (row + min(w + together * TILE_SIZE, g.width)) * g.channels
            k += 1
        t += together
    chunk_moments(y, starts[0, :k], ends[:k], width, moments)


@njit(**INNER)
def _backward(which, side, x, xg, dy, yg, first, last, block, at, to, u, u_line, dw, dw0, v, e, patch, temp):
    """dw (at dw0; lines of whole vectors) from tiles first..last."""
    points, taps, length = side * side, side + 1 - TILE_SIZE, xg.channels * yg.padded
    _clear(u, 0, points * u_line)
    for tile in range(first, last, block):
        count, following = min(block, last - tile), min(tile + 2 * block, last)
        _spread(which, side, side, x, xg, tile, count, v, patch, temp)
        _spread(which + 2, TILE_SIZE, side, dy, yg, tile, count, e, patch, temp)
        for p in range(points):
            _prefetch_tiles(x, xg, tile + count, following, side, p, points)
            _prefetch_tiles(dy, yg, tile + count, following, TILE_SIZE, p, points)
            _add_product(v, p * xg.padded, xg, e, p * yg.padded, yg, at, count, u, p * u_line, to)
    for k in range(0, length, LANES):  # dw = G' u G, the same for every (c, o)
        _points_to_filters(which, dw, dw0 + k, taps * length, length, u, k, side * u_line, u_line, temp)


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
    def correlate(which, side, x, xg, w, turned, y, yg, tiles, block, vectors, floor, at, panels, u, u_line,
                  vs, ms, patches, temps, chunks, width, mean, var):  # fmt: skip
        _ = stamp
        taps = side + 1 - TILE_SIZE
        length = _pack_cells(w, taps * taps, xg.channels, yg.channels, turned, panels)
        for k in range(0, length, LANES):  # u = G w G', the same for every (c, o): the panels keep their order
            _filters_to_points(which, u, k, side * u_line, u_line, panels, k, taps * length, length, temps[0])
        for task in prange(-(-tiles // block)):
            t, tile = numba.get_thread_id(), task * block
            last, following = min(tile + block, tiles), min(tile + 2 * block, tiles)
            _forward(which, side, x, xg, tile, last, following, u, u_line, vectors, floor, at, y, yg,
                     vs[t], ms[t], patches[t], temps[t])  # fmt: skip
            if len(chunks):
                _block_moments(y, yg, tile, last, width, chunks[task])
        if len(chunks):
            merge(chunks, mean, var)

    @njit(**PARALLEL)
    def weight_grad(which, side, x, xg, dy, yg, tiles, blocks, block, at, to, us, u_line, partials,
                    vs, es, patches, temps):  # fmt: skip
        _ = stamp
        for g in prange(blocks):
            t = numba.get_thread_id()
            _backward(which, side, x, xg, dy, yg, g * tiles // blocks, (g + 1) * tiles // blocks, block, at, to,
                      us[t], u_line, partials[g], 0, vs[t], es[t], patches[t], temps[t])  # fmt: skip

    return correlate, weight_grad


_correlate_tiles, _weight_grad_tiles = _compile(stamp("moments"))


def tiles(size) -> tuple[int, int]:
    """Rows and columns of tiles in an image of `size` pixels."""
    return -(-size[0] // TILE_SIZE), -(-size[1] // TILE_SIZE)


def points(taps: int) -> int:
    return (TILE_SIZE + taps - 1) ** 2


def flat(array):
    """The array as the compiled functions take it: flat, contiguous, aligned, writeable (another type recompiles)."""
    return np.require(array, np.float32, "CAW").reshape(-1)


def _grids(x_shape, y_shape, taps, pads, y_padded):
    """The grids of x (V) and of y (M, E), and the number of tiles; a tile of y holds `y_padded` floats per point."""
    (n, height, width, channels), (_, oh, ow, filters), (rows, columns) = x_shape, y_shape, tiles(y_shape[1:3])
    padded = whole_vectors(channels)
    lines = (points(taps) * floats + LINE for floats in (padded, y_padded))
    x_grid = Grid(height, width, channels, pads[0][0], pads[1][0], rows, columns, padded, next(lines))
    return x_grid, Grid(oh, ow, filters, 0, 0, rows, columns, y_padded, next(lines)), n * rows * columns


def _plan(kernel, x_shape, y_shape, taps, pads, threads):
    """The grids, the number of tiles, tiles in a block, floats from one point to the next in U, sizes of the scratch.

    For the input gradient, x_shape is that of dy and y_shape that of dx. A size is (lines, floats).
    """
    weight, cells, channels, padded = kernel == "weight_grad", taps * taps, x_shape[3], whole_vectors(y_shape[3])
    xg, yg, count = _grids(x_shape, y_shape, taps, pads, padded if weight else min(padded, WIDTH))
    block = BLOCK if weight else min(BLOCK, -(-count // (SHARES * ROWS)) * ROWS)
    u_line, parts = channels * padded + LINE, min(BLOCKS, -(-count // BLOCK))
    return xg, yg, count, block, u_line, [
        (parts if weight else 1, cells * channels * padded),  # partial sums of dw, or the window's cells
        (threads if weight else 1, points(taps) * u_line),  # dU or U
        (threads, block * xg.line),  # V
        (threads, block * yg.line),  # M or E
        (threads, points(taps) * max(xg.channels, yg.channels if weight else LANES) + LANES),  # a patch
        (threads, points(taps) * LANES),  # between columns and rows of a transform
    ]  # fmt: skip


def workspace(kernel, x_shape, y_shape, taps, threads):
    """The (lines, floats) of all scratch arrays of a kernel."""
    shapes = (y_shape, x_shape) if kernel == "input_grad" else (x_shape, y_shape)
    return _plan(kernel, *shapes, taps, ((0, 0), (0, 0)), threads)[-1]


def _correlate(x, w, turned, pads, b, relu, affine, y, stats=None):
    """y, and if `stats` is (mean, var), two arrays, these as well."""
    taps, threads, filters = len(w), numba.get_num_threads(), y.shape[3]
    xg, yg, count, block, u_line, scratch = _plan("forward", x.shape, y.shape, taps, pads, threads)
    vectors = np.zeros((4, whole_vectors(filters)), np.float32)
    _, bias, scale, shift = vectors
    scale[:] = 1
    if b is not None:
        bias[:filters] = b
    if affine is not None:
        scale[:filters], shift[:filters] = affine
    cells, u, *per_thread = (memory.scratch(*size) for size in scratch)
    chunks = moments_table(-(-count // block), filters) if stats else NO_MOMENTS
    _correlate_tiles(
        WINDOWS.index(taps), TILE_SIZE + taps - 1, flat(x), xg, flat(w), turned, y.reshape(-1), yg, count, block,
        vectors, ZERO if relu else NO_FLOOR, np.arange(block) * np.array([[xg.line], [yg.line]]),
        cells.reshape(-1), u.reshape(-1), u_line, *per_thread,
        chunks, wide_row(filters), *(stats or (NO_STATS, NO_STATS)),
    )  # fmt: skip
    return y


def conv2d(x, w, b, y, *, pads, relu, affine, stats=None):
    return _correlate(x, w, False, pads, b, relu, affine, y, stats)


def conv2d_input_grad(dy, w, dx, *, pads):
    pads = tuple((len(w) - 1 - before, len(w) - 1 - after) for before, after in pads)
    return _correlate(dy, w, True, pads, None, False, None, dx)


def conv2d_weight_grad(x, dy, dw, *, pads):
    taps, _, channels, filters = dw.shape
    plan = _plan("weight_grad", x.shape, dy.shape, taps, pads, numba.get_num_threads())
    xg, yg, count, block, u_line, scratch = plan
    partials, u, *per_thread = (memory.scratch(*size) for size in scratch)
    blocks, c = scratch[0][0], np.arange(channels)
    _weight_grad_tiles(
        WINDOWS.index(taps), TILE_SIZE + taps - 1, flat(x), xg, flat(dy), yg, count, blocks, block,
        c, c * yg.padded, u, u_line, partials, *per_thread,
    )  # fmt: skip
    partials = partials[:blocks, : scratch[0][1]].reshape(blocks, taps, taps, channels, yg.padded)
    return partials[..., :filters].sum(axis=0, out=dw)  # in the order of the blocks
