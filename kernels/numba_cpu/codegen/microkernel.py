"""The micro-kernel: a tile of sums kept in vector registers. All convolutions and dense layers are loops around it.

One call adds up rows x vectors*lanes sums over k. Each k brings a scalar of `a` for every row of the tile and one
line of `b` for all rows. With AVX-512 (14 rows x 2 vectors of 16 floats):

                          b[k]:  |  16 floats  |  16 floats  |          2 registers, loaded once per k
                                 +-------------+-------------+
        a[at[0] + place(k)] ---> |  s[0][0]    |  s[0][1]    |
        a[at[1] + place(k)] ---> |  s[1][0]    |  s[1][1]    |          28 registers, in place for all k
              ...                |    ...      |    ...      |
        a[at[13] + place(k)] --> |  s[13][0]   |  s[13][1]   |
            one register,        +-------------+-------------+
            broadcast                                                  then y[to[t]] = max(s[t] + seed, floor)

Why it is fast: 28 fused multiply-adds per k cost only 16 loads, no sum leaves its register before the end, and 28
independent sums hide the latency of the multiplier (4 cycles, two per cycle, needs 8). Why one kernel is enough: the
rows of a convolution's im2col matrix lie in the image itself, so a table of offsets `at` replaces that matrix:

                        row t of the tile       k                        a steps by          b
    conv2d              an output pixel         p, (q, c) of the window  1, next line        filters
    input gradient      an input pixel          p, (q, o) of the window  1, next line        filters, turned by 180 deg.
    weight gradient     a cell (p, q, c)        i, j of the output       SW*C, SH image rows dy
    dense, all three    a row of the result     the inner index          any constant        the right-hand matrix

k always runs in the same order and each sum is one chain of fused multiply-adds, so a result does not depend on where
in a tile it was computed: not on the batch around an image, and not on the number of threads. No fast-math anywhere.

The tile follows from the CPU (`choose_tile`): as many sums as there are registers, less those for `a` and `b`. A lower
one of the same width (`short`) takes what tall tiles would leave half empty: 64 = 4 * 14 + 8 rows.

A kernel may ask for memory while it computes: two cache lines per k hide between the multiplications, where a burst of
them would stall, as a core waits for about two dozen lines at most.
"""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target

from . import llvm_ir
from .jit import inner, intrinsic
from .linked import external
from .llvm_ir import (
    F32,
    FLOATS,
    I32,
    I64,
    INTEGERS,
    RegularRows,
    Rows,
    element,
    emit_prefetch,
    members,
    multiply_add,
    nth_vector,
    splat,
)


class Tile(NamedTuple):
    """The register tile: rows, or short, x (vectors of lanes float32) sums; fma: the CPU fuses multiply and add."""

    lanes: int
    rows: int
    vectors: int
    fma: bool
    short: int


AVX512 = Tile(lanes=16, rows=14, vectors=2, fma=True, short=8)  # 28 of 32 registers; together: any even number of rows
AVX2 = Tile(lanes=8, rows=6, vectors=2, fma=True, short=4)  # 12 of 16
NEON = Tile(lanes=4, rows=6, vectors=4, fma=True, short=4)  # 24 of 32
GENERIC = Tile(lanes=4, rows=5, vectors=2, fma=False, short=3)  # 10 of 16; the product needs a register of its own


def choose_tile(triple: str, cpu: str, features: str) -> Tile:
    """The tile for a CPU, found by asking LLVM which registers it takes for 16 fused multiply-adds."""
    sixteen = ir.VectorType(F32, 16)
    module = ir.Module()
    fma = ir.Function(module, ir.FunctionType(sixteen, [sixteen] * 3), "llvm.fma.v16f32")
    probe = ir.Function(module, ir.FunctionType(sixteen, [sixteen] * 3), "probe")
    builder = ir.IRBuilder(probe.append_basic_block())
    builder.ret(builder.call(fma, probe.args))
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=2)
    assembly = machine.emit_assembly(llvm.parse_assembly(str(module)))
    if "zmm" in assembly:
        return AVX512
    if "vfmadd" in assembly:
        return AVX2
    return NEON if "fmla" in assembly else GENERIC


_cpu: Any = cpu_target.target_context
TILE = choose_tile(*_cpu.codegen().magic_tuple())
LINE = 16  # floats of a cache line
LANES, ROWS, SHORT, WIDTH = TILE.lanes, TILE.rows, TILE.short, TILE.vectors * TILE.lanes
AHEAD = 2 * ROWS  # rows of sums from those that are computed to those whose memory is asked for


class Left(NamedTuple):
    """`rows` rows of a, from number m of the table `at` on: row t begins at a[a0 + at[m + t]]. Its k go through lines
    that are a_line floats apart, in steps of a_step.
    """

    a: np.ndarray
    a0: int
    at: np.ndarray
    m: int
    rows: int
    a_line: int
    a_step: int


class Right(NamedTuple):
    """b: lines * columns lines of floats from b[b0] on, b_step apart."""

    b: np.ndarray
    b0: int
    b_step: int
    lines: int
    columns: int


class Seed(NamedTuple):
    """What sums begin with, for row t from seed[seed0 + t*seed_step] on, and what they end with at least."""

    seed: np.ndarray
    seed0: int
    seed_step: int
    floor: np.float32


class Into(NamedTuple):
    """Where `filters` sums of row t go: y[y0 + to[m + t]] and on."""

    y: np.ndarray
    y0: int
    to: np.ndarray
    filters: int


class Ahead(NamedTuple):
    """What to ask for with k: the cache lines of next_b[next_b0 + b_lines[b_first + k]], and likewise of next_y."""

    next_b: np.ndarray
    next_b0: int
    b_lines: np.ndarray
    b_first: int
    next_y: np.ndarray
    next_y0: int
    y_lines: np.ndarray
    y_first: int


class Matrix(NamedTuple):
    """(depth, filters): element (k, o) is source[start + k*k_step + o*o_step]."""

    source: np.ndarray
    start: int
    k_step: int
    o_step: int
    depth: int
    filters: int


_ARRAYS = ("a", "b", "seed", "y", "next_b", "next_y")
_TABLES = ("at", "to", "b_lines", "y_lines")
_STARTS = {  # where the part of an array that a call uses begins
    "a": "a0", "b": "b0", "seed": "seed0", "y": "y0", "at": "m", "to": "m",
    "next_b": "next_b0", "b_lines": "b_first", "next_y": "next_y0", "y_lines": "y_first",
}  # fmt: skip
_KINDS = dict.fromkeys(_ARRAYS, FLOATS) | dict.fromkeys(_TABLES, INTEGERS) | {"floor": types.float32}
_ask_for = llvm_ir.prefetching(2)


def _emit_tile(builder, tile, vectors, asks, regular, g):
    """The body of a `_tile_function`; g holds its arguments by name, arrays as pointers to their first float in use."""
    vector, width = ir.VectorType(F32, tile.lanes), vectors * tile.lanes
    cells = [(t, v) for t in range(tile.rows) for v in range(vectors)]
    zeros, zero, one = [ir.Constant(vector, [0.0] * tile.lanes)] * len(cells), I64(0), I64(1)

    def nth(pointer, v):
        return nth_vector(builder, pointer, v, tile.lanes)

    def phis(values, block):
        new = [builder.phi(value.type) for value in values]
        add_edge(new, values, block)
        return new

    def add_edge(phis, values, block):
        for phi, value in zip(phis, values, strict=True):
            phi.add_incoming(value, block)

    row = [I64(t) for t in range(tile.rows)]
    if regular:
        first, second = (builder.load(builder.gep(g.at, [row[t]])) for t in range(2))
        a_rows = RegularRows(builder, builder.gep(g.a, [first]), builder.sub(second, first), tile.rows)
    else:  # a row beyond `rows` repeats the last one: it computes the same sums and stores the same bits in its place
        last = builder.sub(g.rows, one)
        row = [builder.select(builder.icmp_signed("<", t, last), t, last) for t in row]
        a_rows = Rows([builder.gep(g.a, [builder.load(builder.gep(g.at, [r]))]) for r in row])
    a_jump = builder.sub(g.a_line, builder.mul(g.columns, g.a_step))  # from the end of a line to the next one's start

    # for line in range(lines): for column in range(columns): sums += a * b
    entry = builder.block
    line, column, line_end, done = (builder.append_basic_block(label) for label in ("line", "column", "end", "done"))
    some = builder.and_(builder.icmp_signed(">", g.lines, zero), builder.icmp_signed(">", g.columns, zero))
    builder.cbranch(some, line, done)

    builder.position_at_end(line)
    in_line = phis([g.lines, zero, zero, *a_rows.start, *zeros], entry)
    builder.branch(column)

    builder.position_at_end(column)
    in_column = phis([g.columns, *in_line[1:]], line)
    (left, b_index, k), a, sums = in_column[:3], in_column[3 : -len(cells)], in_column[-len(cells) :]
    b_line = builder.gep(g.b, [b_index])
    factors = [builder.load(nth(b_line, v), align=4) for v in range(vectors)]
    for t in range(tile.rows):
        scalar = splat(builder, builder.load(a_rows.address(builder, a, t)), tile.lanes)
        for v in range(vectors):
            sums[t * vectors + v] = multiply_add(builder, tile.fma, scalar, factors[v], sums[t * vectors + v])
    if asks:
        for array, places in ((g.next_b, g.b_lines), (g.next_y, g.y_lines)):
            emit_prefetch(builder, builder.gep(array, [builder.load(builder.gep(places, [k]))]), 2)
    left, b_index, k = builder.sub(left, one), builder.add(b_index, g.b_step), builder.add(k, one)
    a = a_rows.moved(builder, a, g.a_step)
    add_edge(in_column, [left, b_index, k, *a, *sums], column)
    builder.cbranch(builder.icmp_signed(">", left, zero), column, line_end)

    builder.position_at_end(line_end)
    left = builder.sub(in_line[0], one)
    add_edge(in_line, [left, b_index, k, *a_rows.moved(builder, a, a_jump), *sums], line_end)
    builder.cbranch(builder.icmp_signed(">", left, zero), line, done)

    builder.position_at_end(done)
    final = phis(zeros, entry)
    add_edge(final, sums, line_end)

    # Epilogue. All seeds are read before the first store (repeated rows); a NaN is not below the floor, so it stays.
    floor = splat(builder, g.floor, tile.lanes)
    result = {}
    for (t, v), s in zip(cells, final, strict=True):
        seed = builder.gep(g.seed, [builder.mul(row[t], g.seed_step)])
        s = builder.fadd(s, builder.load(nth(seed, v), align=4))
        result[t, v] = builder.select(builder.fcmp_ordered(">", floor, s), floor, s)
    with builder.if_else(builder.icmp_signed(">=", g.filters, I64(width))) as (all_columns, some_columns):
        with all_columns:
            for t in range(tile.rows):
                y = builder.gep(g.y, [builder.load(builder.gep(g.to, [row[t]]))])
                for v in range(vectors):
                    builder.store(result[t, v], nth(y, v), align=4)
        with some_columns:  # through the stack, one float at a time
            stack = cgutils.alloca_once(builder, F32, size=tile.rows * width)
            for t, v in cells:
                builder.store(result[t, v], nth(builder.gep(stack, [I64(t * width)]), v), align=4)
            with cgutils.for_range(builder, g.rows) as rows:
                y = builder.gep(g.y, [builder.load(builder.gep(g.to, [rows.index]))])
                source = builder.gep(stack, [builder.mul(rows.index, I64(width))])
                with cgutils.for_range(builder, g.filters) as columns:
                    value = builder.load(builder.gep(source, [columns.index]))
                    builder.store(value, builder.gep(y, [columns.index]))


def _tile_function(tile: Tile, vectors: int, asks: bool = False, regular: bool = False):
    """The LLVM function that computes `tile.rows` x (`vectors` x `tile.lanes`) sums, and its arguments' names.

    asks: it asks for two cache lines per k.
    regular: it serves whole tiles of rows that follow each other, at[m + t] = at[m] + t (at[m + 1] - at[m]).
    """
    given = (Left, Right, Seed, Into, *[Ahead] * asks)
    passed = [name for kind in given for name in kind._fields if name not in _STARTS.values()]
    pointers = {name: (I64 if name in _TABLES else F32).as_pointer() for name in _STARTS}
    kinds = [pointers.get(name, F32 if name == "floor" else I64) for name in passed]

    def emit(function):
        builder = ir.IRBuilder(function.append_basic_block())
        g = SimpleNamespace(**dict(zip(passed, function.args, strict=True)))
        _emit_tile(builder, tile, vectors, asks, regular, g)
        builder.ret_void()

    name = f"minicnn.microkernel.tile.{tile.rows}x{vectors}{'.asking' * asks}{'.regular' * regular}"
    return external(name, kinds, emit), passed


def _micro_kernel(large, small):
    """njit code for one of two functions of `_tile_function` with the same arguments: the large tile's, if it is asked.

    One call, and not one in each branch of an `if`: there Numba would count references to the arrays.
    """

    @intrinsic
    def kernel(typingctx, is_large, left, right, seed, into, ahead=None):
        """y[y0 + to[m+t] + o] = max(floor, seed[seed0 + t*seed_step + o] + sum over i < lines, j < columns of
                                  a[a0 + at[m+t] + i*a_line + j*a_step] * b[b0 + (i*columns + j)*b_step + o])

        for t < rows (1 to the tile's) and o < filters; whole vectors of `b` and `seed` are read for any `filters`.
        Its arguments are a Left, Right, Seed and Into and, if it asks, an Ahead, where k = i*columns + j.
        """

        def codegen(context, builder, signature, arguments):
            g = members(context, builder, signature, arguments, _KINDS)
            for name in [name for name in _STARTS if name in g]:  # in one order: a set's depends on the process
                g[name] = element(context, builder, _KINDS[name], g[name], g[_STARTS[name]])
            with builder.if_else(arguments[0]) as branches:
                for branch, (function, names) in zip(branches, (large, small), strict=True):
                    with branch:
                        builder.call(function(builder.module), [g[name] for name in names])
            return context.get_dummy_value()

        return types.void(types.boolean, left, right, seed, into, ahead or types.none), codegen

    return kernel


wide_or_narrow = _micro_kernel(_tile_function(TILE, TILE.vectors), _tile_function(TILE, 1))
tall_or_short = _micro_kernel(
    _tile_function(TILE, TILE.vectors, asks=True, regular=True),
    _tile_function(TILE._replace(rows=SHORT), TILE.vectors, asks=True),
)


@inner
def tiles(rows):
    """(tall, short): how many tiles of ROWS and, after them, of SHORT rows cover `rows` rows with the least work."""
    best, least = (0, 0), 1 << 60
    most = -(-rows // ROWS)
    for tall in range(most, max(most - SHORT, 0) - 1, -1):
        short = -(-max(rows - tall * ROWS, 0) // SHORT)
        work = 2 * (tall * ROWS + short * SHORT) + short  # a tile's beginning and end cost as much as half a row
        if work < least:
            best, least = (tall, short), work
    return best


def _vector_pointer(context, builder, array, index):
    """The address of the vector that starts at array[index]."""
    return builder.bitcast(element(context, builder, FLOATS, array, index), ir.VectorType(F32, LANES).as_pointer())


@intrinsic
def copy_vector(typingctx, y, j, x, i):
    """y[j : j + LANES] = x[i : i + LANES], in one load and one store."""

    def codegen(context, builder, signature, arguments):
        y, j, x, i = arguments
        vector = builder.load(_vector_pointer(context, builder, x, i), align=4)
        builder.store(vector, _vector_pointer(context, builder, y, j), align=4)
        return context.get_dummy_value()

    return types.void(FLOATS, types.int64, FLOATS, types.int64), codegen


@intrinsic
def copy_lanes(typingctx, y, j, x, i, used):
    """copy_vector, but y gets zeros for the lanes from `used` on (if it is less than LANES)."""

    def codegen(context, builder, signature, arguments):
        y, j, x, i, used = arguments
        vector = builder.load(_vector_pointer(context, builder, x, i), align=4)
        lanes = ir.Constant(ir.VectorType(I64, LANES), list(range(LANES)))
        mask = builder.icmp_signed("<", lanes, splat(builder, used, LANES))
        vector = builder.select(mask, vector, ir.Constant(vector.type, [0.0] * LANES))
        builder.store(vector, _vector_pointer(context, builder, y, j), align=4)
        return context.get_dummy_value()

    return types.void(FLOATS, types.int64, FLOATS, types.int64, types.int64), codegen


def _emit_transposed(function):
    """y[c*y_step + r] = x[r*x_step + c], see transpose_block."""
    y, y_step, x, x_step = function.args
    builder = ir.IRBuilder(function.append_basic_block())

    def vector(start, step, n):
        return nth_vector(builder, builder.gep(start, [builder.mul(step, I64(n))]), 0, LANES)

    def pick(a, b, lanes):  # lanes below LANES are a's, the others b's
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, LANES), lanes))

    rows: list[ir.Value] = [builder.load(vector(x, x_step, r), align=4) for r in range(LANES)]
    half = 1
    while half < LANES:
        for r in range(LANES):
            if not r & half:
                a, b = rows[r], rows[r + half]
                rows[r] = pick(a, b, [c if not c & half else LANES + c - half for c in range(LANES)])
                rows[r + half] = pick(a, b, [c + half if not c & half else LANES + c for c in range(LANES)])
        half *= 2
    for c in range(LANES):
        builder.store(rows[c], vector(y, y_step, c), align=4)
    builder.ret_void()


_transposed = external("minicnn.microkernel.transposed", [F32.as_pointer(), I64] * 2, _emit_transposed)


@intrinsic
def transpose_block(typingctx, y, j, y_step, x, i, x_step):
    """y[j + c*y_step + r] = x[i + r*x_step + c] for r, c < LANES: log2(LANES) rounds of shuffles in registers.

    Round `half` swaps the off-diagonal halves of all blocks of 2*half rows and columns:   a b  ->  a c
                                                                                           c d      b d
    """
    place = FLOATS, types.int64, types.int64

    def codegen(context, builder, signature, arguments):
        y, j, y_step, x, i, x_step = arguments
        y, x = (element(context, builder, FLOATS, a, k) for a, k in ((y, j), (x, i)))
        builder.call(_transposed(builder.module), [y, y_step, x, x_step])
        return context.get_dummy_value()

    return types.void(*place, *place), codegen


@lru_cache(4096)
def whole_vectors(filters: int) -> int:
    """`filters` rounded up to whole vectors: the length of a line of packed panels, and of a bias."""
    return -(-filters // LANES) * LANES


@inner
def copy_floats(y, j, x, i, n):
    """y[j : j + n] = x[i : i + n]"""
    whole = n // LANES * LANES
    for k in range(0, whole, LANES):
        copy_vector(y, j + k, x, i + k)
    for k in range(whole, n):
        y[j + k] = x[i + k]


@inner
def pack(matrix, panels, first, row, total):
    """Copy a matrix into panels as wide as a tile, zeros in the last vector's unused lanes.

    It goes to rows `row`... of panels that are `total` rows high; `first` is their place.

        matrix   | AAAAAAAA BBBBBBBB CC |  ->  AAAAAAAA AAAAAAAA ... BBBBBBBB BBBBBBBB ... CC00 CC00 ...
                 | AAAAAAAA BBBBBBBB CC |
    """
    source, start, k_step, o_step, depth, filters = matrix
    column = 0
    while column < filters:
        width = WIDTH if filters - column > WIDTH - LANES else LANES
        used = min(width, filters - column)
        at, line = start + column * o_step, first + column * total + row * width
        whole = used == width
        if whole and o_step == 1:
            for k in range(depth):
                for o in range(0, width, LANES):
                    copy_vector(panels, line + k * width + o, source, at + k * k_step + o)
        else:
            turned = (0, 0)  # what whole blocks, turned in registers, have covered of (k, o)
            if k_step == 1 and o_step != 1:
                turned = (depth // LANES * LANES, used // LANES * LANES)
                for k in range(0, turned[0], LANES):
                    for o in range(0, turned[1], LANES):
                        transpose_block(panels, line + k * width + o, width, source, at + k + o * o_step, o_step)
            for k in range(turned[0] if whole else 0, depth):
                if o_step == 1 and at + k * k_step + width <= len(source):  # what follows a line is read, not kept
                    for o in range(0, width, LANES):
                        copy_lanes(panels, line + k * width + o, source, at + k * k_step + o, used - o)
                else:
                    for o in range(turned[1] if k < turned[0] else 0, used):
                        panels[line + k * width + o] = source[at + k * k_step + o * o_step]
                    for o in range(used, width):
                        panels[line + k * width + o] = 0
        column += width


@inner
def sweep(left, right, seed, into):
    """All of left's rows of y (its m is 0), all filters: every panel of b against every tile of rows.

    right.b_step 0: b consists of packed panels; else it is a matrix with such lines, whole vectors of filters.
    """
    a, a0, at, _, count, a_line, a_step = left
    b, b0, b_step, lines, columns = right
    seeds, seed0, seed_step, floor = seed
    y, y0, to, filters = into
    column = 0
    while column < filters:
        full = filters - column > WIDTH - LANES
        width = WIDTH if full else LANES
        panel, step = (b0 + column, b_step) if b_step else (b0 + column * lines * columns, width)
        for m in range(0, count, ROWS):
            for k in range(m + AHEAD, min(m + AHEAD + ROWS, count)):
                for o in range(0, width, LINE):
                    _ask_for(y, y0 + to[k] + column + o)
            tile, line = Left(a, a0, at, m, min(ROWS, count - m), a_line, a_step), Right(b, panel, step, lines, columns)
            sums = Seed(seeds, seed0 + m * seed_step + column, seed_step, floor)
            here = Into(y, y0 + column, to, filters - column)
            wide_or_narrow(full, tile, line, sums, here)
        column += width
