"""Dense layers on SIMD units: one matrix product, read three ways.

             rows t         a steps by   b                              result
    y  = x w   samples      1            w                              (N, O)
    dx = dy w' samples      1            w, turned and packed           (N, I)
    dw = x' dy inputs       I            dy                             (I, O)

A task is a block of rows by one panel of columns. It walks along the inner index in pieces of up to DEPTH, so that a
piece of b (DEPTH x WIDTH floats, 32 KiB with AVX-512) stays near for all its rows; the sums wait in `sums`:

                      deep
        a  +---------+---------+--+        b  +-----+
           |  1st    |   2nd   |  |           | 1st |           ->   sums = bias + 1st
     rows  |         |         |  |           +-----+
           |         |         |  |           | 2nd |                sums = sums + 2nd
           +---------+---------+--+           +-----+
                                              +-----+                y    = max(sums + 3rd, floor)

A piece is copied only where it has to be turned or is narrower than WIDTH: whole lines of b are read where they lie.

The lines of b and y lie far from each other, which the CPU does not foresee: waiting for them took two thirds of the
time of (64, 576) x (576, 3168). So the micro-kernel, while it multiplies, asks with every k for a line of the next
piece of b, the next task's if need be, and for one of y where the results of the task's next tile will go.

An affine (scale, shift) is applied to a task's results at its end, while they are in the cache.
A sum is cut at the same k for every row and in every batch, so a sample's result does not depend on the others. Of a
few rows only, no tile would be full, and waiting for b is all there is: `_few_rows` runs along its lines, and adds up
the same numbers in the same order, so these are the same bits again.
"""

from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .codegen import microkernel
from .codegen.jit import inner, intrinsic
from .codegen.llvm_ir import F32
from .codegen.microkernel import LANES, LINE, ROWS, SHORT, TILE, WIDTH, Into, Left, Right, Seed, tiles, whole_vectors
from .epilogue import NO_FLOOR, epilogue, nothing, scale_and_shift
from .runtime import memory
from .runtime.memory import OWN
from .runtime.thread_pool import kernel

DEPTH = 256
ROW_BLOCK = 16 * ROWS  # rows of a task at most: bringing a panel near costs little against 16 tiles that use it
FEW = 4  # rows that are multiplied without tiles
SMALL = 1 << 15  # multiplications that are not worth waking a second thread
BRINGING = 2  # the work of bringing a panel near, or turning it, in rows that are multiplied by it
FMA = ir.FunctionType(F32, [F32] * 3)


class Product(NamedTuple):
    """The sums over k of a[m*a_row + k*a_step] b[k*k_step + o*o_step], k < depth, in pieces of `deepest`."""

    a: np.ndarray
    a_row: int
    a_step: int
    b: np.ndarray
    k_step: int
    o_step: int
    depth: int
    deepest: int


@inner
def _multiply(left, piece, seed, into, ahead, last):
    """A piece of b, panel[p0 + k*line + o], against all rows, while the next one, from b[next_b] on, comes nearer."""
    (a, a0, at, _, rows, _, a_step), (panel, p0, line, _, deep), (seeds, seed0, seed_step, floor) = left, piece, seed
    (y, y0, to, used), (b, next_b, lines, y_lines) = into, ahead
    if used <= WIDTH - LANES:  # panels of one vector
        for m in range(0, rows, ROWS):
            for o in range(0, used, LANES):
                tile, sums = Left(a, a0, at, m, min(ROWS, rows - m), 0, a_step), seed0 + m * seed_step + o
                column = Right(panel, p0 + o * deep, line, 1, deep)
                target = Into(y, y0 + o, to, used - o)
                microkernel.wide_or_narrow(False, tile, column, Seed(seeds, sums, seed_step, floor), target)
        return
    tall, _ = tiles(rows)
    m = n = 0
    while m < rows:
        height = ROWS if n < tall and rows - m >= ROWS else SHORT  # a short tile need not be whole
        first = min(n * deep, len(lines) - deep)
        more = last and m + height < rows
        next_y, y_first = y0 + (to[m + height] if more else 0), 0 if more else len(y_lines) - deep
        tile = Left(a, a0, at, m, min(height, rows - m), 0, a_step)
        sums = Seed(seeds, seed0 + m * seed_step, seed_step, floor)
        coming = microkernel.Ahead(b, next_b, lines, first, y, next_y, y_lines, y_first)
        microkernel.tall_or_short(height == ROWS, tile, piece, sums, into, coming)
        m, n = m + height, n + 1


@kernel
def _product(k, thread, product, epilogue, y, sizes, tables, room):
    """`rows` x used results, used <= WIDTH; then comes the one whose part of b begins at `following`."""
    a, a_row, a_step, b, k_step, o_step, depth, deepest = product
    (rows, filters, row_block), (at, to, places, lines, y_lines) = sizes, tables
    panel, sums, columns = room[0][thread], room[1][thread], -(-filters // WIDTH)
    first, o = k // columns * row_block, k % columns * WIDTH
    following = (o + WIDTH if o + WIDTH < filters else 0) * o_step
    rows, used, y0, b0 = min(row_block, rows - first), min(WIDTH, filters - o), first * filters + o, o * o_step
    seed, seed0, seed_step = epilogue.bias, o, 0
    for i in range(0, max(depth, 1), deepest):
        deep, last = min(deepest, depth - i), i + deepest >= depth
        piece, p0, line = b, b0 + i * k_step, k_step
        if o_step != 1 or used < WIDTH:
            piece, p0, line = panel, 0, WIDTH if used > WIDTH - LANES else LANES
            microkernel.pack(microkernel.Matrix(b, b0 + i * k_step, k_step, o_step, deep, used), panel, 0, 0, deep)
        ahead = following if last else b0 + (i + deepest) * k_step
        target, target0, table = (y, y0, to) if last else (sums, 0, places)
        floor, width = (epilogue.floor, used) if last else (NO_FLOOR, -(-used // LANES) * LANES)
        left, right = Left(a, first * a_row + i * a_step, at, 0, rows, 0, a_step), Right(piece, p0, line, 1, deep)
        into = Into(target, target0, table, width)
        _multiply(left, right, Seed(seed, seed0, seed_step, floor), into, (b, ahead, lines, y_lines), last)
        seed, seed0, seed_step = sums, 0, WIDTH
    scale, shift = epilogue.scale, epilogue.shift
    if len(scale):
        for t in range(rows):
            scale_and_shift(y, y0 + to[t], used, scale, shift, o)


@intrinsic
def _fma(typingctx, a, b, c):
    """a b + c, rounded as the micro-kernel of microkernel.py rounds it."""

    def codegen(context, builder, signature, arguments):
        name = f"llvm.{'fma' if TILE.fma else 'fmuladd'}.f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, FMA, name), arguments)

    return types.float32(types.float32, types.float32, types.float32), codegen


@kernel
def _few_rows(k, thread, product, epilogue, y, sizes, sums):
    """Some columns of y for a few rows of a: lines of b are read once, from left to right, and nothing is packed."""
    (a, _, _, b, _, _, depth, deepest), (rows, filters, columns) = product, sizes
    bias, floor, scale, shift = epilogue
    o0 = k * columns
    n, total = min(columns, filters - o0), sums[thread]
    for first in range(0, max(depth, 1), deepest):  # of a piece of b the later rows find it in the cache
        end = min(first + deepest, depth)
        lowest = floor if end == depth else NO_FLOOR
        for m in range(rows):
            out = y[m * filters + o0 : m * filters + o0 + n]
            for o in range(n):
                total[o] = 0
            i, a_i, b_i = first, m * depth + first, first * filters + o0
            while i + 4 <= end:  # four lines at a time, in their order: a sum is read and written once for them
                x0, x1, x2, x3 = a[a_i], a[a_i + 1], a[a_i + 2], a[a_i + 3]
                w0, w1 = b[b_i : b_i + n], b[b_i + filters : b_i + filters + n]
                w2, w3 = b[b_i + 2 * filters : b_i + 2 * filters + n], b[b_i + 3 * filters : b_i + 3 * filters + n]
                for o in range(n):
                    total[o] = _fma(x3, w3[o], _fma(x2, w2[o], _fma(x1, w1[o], _fma(x0, w0[o], total[o]))))
                i, a_i, b_i = i + 4, a_i + 4, b_i + 4 * filters
            while i < end:
                line = b[b_i : b_i + n]
                for o in range(n):
                    total[o] = _fma(a[a_i], line[o], total[o])
                i, a_i, b_i = i + 1, a_i + 1, b_i + filters
            for o in range(n):
                s = total[o] + (out[o] if first else bias[o0 + o])
                out[o] = lowest if lowest > s else s
    if len(scale):
        for m in range(rows):
            scale_and_shift(y, m * filters + o0, n, scale, shift, o0)


def _ends(floats):
    """The last float of each of the cache lines that so many floats fill."""
    return np.minimum(np.arange(LINE - 1, floats + LINE - 1, LINE), floats - 1)


@lru_cache(512)
def _tables(rows, a_row, y_row, k_step, o_step, deep):
    """Where row t of a task lies in a, in y and in the sums, relative to its first row; and the lines of a piece of b
    and of a tile of y.

    Of each line its last float: if lines of memory lie otherwise, that is in the next one, and the panel before, or the
    piece before, has brought this one. Then zeros, for tiles that have nothing more to ask for.
    """
    t = np.arange(rows, dtype=np.int64)
    if k_step == 1:
        lines = np.add.outer(np.arange(WIDTH) * o_step, _ends(deep))
    else:
        lines = np.add.outer(np.arange(deep) * k_step, _ends(WIDTH))
    y_lines, nothing = np.add.outer(np.arange(ROWS) * y_row, _ends(WIDTH)), np.zeros(deep, np.int64)
    return t * a_row, t * y_row, t * WIDTH, np.append(lines, nothing), np.append(y_lines, nothing)


@lru_cache(512)
def _rows_per_task(rows, panels, threads):
    """At most ROW_BLOCK, so that the thread with most to do has least. The results are the same for any number."""

    def most_work(blocks):
        tall, short = tiles.py_func(-(-rows // blocks))
        return -(-blocks * panels // threads) * (tall * ROWS + short * SHORT + BRINGING)

    least = -(-rows // ROW_BLOCK)
    return -(-rows // min(range(least, least + 2 * threads), key=most_work))


def _run(a, a_strides, b, b_strides, depth, epilogue, y):
    """y[m, o] = max(floor, bias[o] + sum_k a[m*a_row + k*a_step] b[k*k_step + o*o_step]), scaled and shifted."""
    (rows, filters), (a_row, a_step), (k_step, o_step) = y.shape, a_strides, b_strides
    if y.size == 0:
        return y
    threads = numba.get_num_threads()
    pieces = max(-(-depth // DEPTH), 1)
    deepest = max(whole_vectors(-(-depth // pieces)), LANES)  # pieces of a size, cut where `depth` says, for any row
    a, b = memory.flats(a, b)  # another type would recompile
    product = Product(a, a_row, a_step, b, k_step, o_step, depth, deepest)
    if rows <= FEW and (a_row, a_step, k_step, o_step) == (depth, 1, filters, 1):
        shares = 1 if rows * depth * filters < SMALL else threads
        columns = -(-filters // (shares * LINE)) * LINE
        (sums,) = memory.scratch((threads, columns, OWN))
        _few_rows(-(-filters // columns), product, epilogue, y.reshape(-1), (rows, filters, columns), sums)
        return y
    panels = -(-filters // WIDTH)
    row_block = _rows_per_task(rows, panels, threads)
    tables = _tables(row_block, a_row, filters, k_step, o_step, deepest)
    room = tuple(memory.scratch((threads, DEPTH * WIDTH, OWN), (threads, ROW_BLOCK * WIDTH, OWN)))
    tasks = -(-rows // row_block) * panels
    _product(tasks, product, epilogue, y.reshape(-1), (rows, filters, row_block), tables, room)
    return y


def dense(x, w, b, *, relu=False, affine=None):
    inner, filters = w.shape
    finish, y = epilogue(filters, b, relu, affine), memory.empty((len(x), filters))
    return _run(x, (inner, 1), w, (filters, 1), inner, finish, y)


def dense_input_grad(dy, w):
    inner, filters = w.shape
    return _run(dy, (filters, 1), w, (1, filters), filters, nothing(inner), memory.empty((len(dy), inner)))


def dense_weight_grad(x, dy):
    (n, inner), filters = x.shape, dy.shape[1]
    return _run(x, (1, inner), dy, (filters, 1), n, nothing(filters), memory.empty((inner, filters)))
