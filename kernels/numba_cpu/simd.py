"""The micro-kernel: a tile of sums kept in vector registers. All convolutions and dense layers are loops around it.

One call adds up ROWS x VECTORS*LANES sums over k, where k runs over `b_rows` x `b_columns` pairs of (a scalar of `a` per
row of the tile, a line of `b` shared by all rows). With AVX-512 (14 rows x 2 vectors of 16 floats):

                          b[k]:  |  16 floats  |  16 floats  |          2 registers, loaded once per k
                                 +-------------+-------------+
        a[at[0] + step(k)]  ---> |  s[0][0]    |  s[0][1]    |
        a[at[1] + step(k)]  ---> |  s[1][0]    |  s[1][1]    |          28 registers, in place for all k
              ...                |    ...      |    ...      |
        a[at[13] + step(k)] ---> |  s[13][0]   |  s[13][1]   |
            one register,        +-------------+-------------+
            broadcast                                                  then y[to[t]] = max(s[t] + seed, floor)

Why it is fast: 28 fused multiply-adds per k cost only 16 loads, no sum leaves its register before the end, and 28
independent sums hide the latency of the multiplier (4 cycles, two per cycle, needs 8). Why one kernel is enough: the
rows of a convolution's im2col matrix lie in the image itself, so a table of offsets `at` replaces that matrix:

                        row t of the tile       k                        a steps by          b
    conv2d              an output pixel         p, (q, c) of the window  1, next line        filters
    input gradient      an input pixel          p, (q, o) of the window  1, next line        filters turned by 180 degrees
    weight gradient     a cell (p, q, c)        i, j of the output       SW*C, SH image rows dy
    dense, all three    a row of the result     the inner index          any constant        the right-hand matrix

k always runs in the same order and each sum is one chain of fused multiply-adds, so a result does not depend on where
in a tile it was computed: not on the batch around an image, and not on the number of threads. No fast-math anywhere.

The tile follows from the CPU (`choose_tile`): as many sums as there are registers, less those for `a` and `b`.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from . import memory

I32, I64, F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()


class Tile(NamedTuple):
    """The register tile: rows x (vectors of lanes float32) sums; fma: the CPU fuses multiply and add."""

    lanes: int
    rows: int
    vectors: int
    fma: bool


AVX512 = Tile(lanes=16, rows=14, vectors=2, fma=True)  # 28 of 32 registers
AVX2 = Tile(lanes=8, rows=6, vectors=2, fma=True)  # 12 of 16
NEON = Tile(lanes=4, rows=6, vectors=4, fma=True)  # 24 of 32
GENERIC = Tile(lanes=4, rows=5, vectors=2, fma=False)  # 10 of 16; the product needs a register of its own


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


TILE = choose_tile(*cpu_target.target_context.codegen().magic_tuple())
LANES, ROWS, WIDTH = TILE.lanes, TILE.rows, TILE.vectors * TILE.lanes

# Numba's disk cache looks at the text of the outermost function's file and at that function's closure, not at this file.
# Every cached function that reaches the micro-kernel therefore encloses STAMP.
STAMP = f"{TILE} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"


def _splat(builder, scalar, lanes):
    """The vector with `scalar` in every lane."""
    undefined = ir.Constant(ir.VectorType(F32, lanes), ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def _emit_tile(builder, tile, vectors, a, at, b, seed, y, to):
    """The body of the micro-kernel; arguments as in `_tile_kernel`, arrays as pointers."""
    vector = ir.VectorType(F32, tile.lanes)
    name = f"llvm.{'fma' if tile.fma else 'fmuladd'}.v{tile.lanes}f32"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
    zero, nought, one = ir.Constant(vector, [0.0] * tile.lanes), ir.Constant(I64, 0), ir.Constant(I64, 1)
    cells = [(t, v) for t in range(tile.rows) for v in range(vectors)]

    def at_vector(pointer, v):
        return builder.bitcast(builder.gep(pointer, [ir.Constant(I64, v * tile.lanes)]), vector.as_pointer())

    def phis(values, block):
        new = [builder.phi(value.type) for value in values]
        for phi, value in zip(new, values, strict=True):
            phi.add_incoming(value, block)
        return new

    # A row beyond `rows` repeats the last one: it computes the same sums and stores the same bits in the same place.
    last = builder.sub(at.rows, one)
    clamped = []
    for t in range(tile.rows):
        row = ir.Constant(I64, t)
        clamped.append(builder.select(builder.icmp_signed("<", row, last), row, last))
    a_row = [builder.gep(a.base, [builder.load(builder.gep(at.table, [row]))]) for row in clamped]
    a_jump = builder.sub(a.line, builder.mul(b.columns, a.step))  # from the end of a line to the next line's start

    # for r in range(b.rows): for k in range(b.columns): sums += a * b; a single running index serves all rows of a
    entry = builder.block
    line, inner, line_end, done = (builder.append_basic_block(name) for name in ("line", "k", "line_end", "done"))
    some = builder.and_(builder.icmp_signed(">", b.rows, nought), builder.icmp_signed(">", b.columns, nought))
    builder.cbranch(some, line, done)

    builder.position_at_end(line)
    line_phis = phis([b.rows, nought, nought, *[zero] * len(cells)], entry)
    builder.branch(inner)

    builder.position_at_end(inner)
    k_phis = phis([b.columns, *line_phis[1:]], line)
    k, a_index, b_index, *sums = k_phis
    b_line = builder.gep(b.base, [b_index])
    b_vectors = [builder.load(at_vector(b_line, v), align=4) for v in range(vectors)]
    spread = [_splat(builder, builder.load(builder.gep(row, [a_index])), tile.lanes) for row in a_row]
    sums = [builder.call(fma, [spread[t], b_vectors[v], s]) for (t, v), s in zip(cells, sums, strict=True)]
    k = builder.sub(k, one)
    a_index, b_index = builder.add(a_index, a.step), builder.add(b_index, ir.Constant(I64, vectors * tile.lanes))
    for phi, value in zip(k_phis, [k, a_index, b_index, *sums], strict=True):
        phi.add_incoming(value, inner)
    builder.cbranch(builder.icmp_signed(">", k, nought), inner, line_end)

    builder.position_at_end(line_end)
    r = builder.sub(line_phis[0], one)
    for phi, value in zip(line_phis, [r, builder.add(a_index, a_jump), b_index, *sums], strict=True):
        phi.add_incoming(value, line_end)
    builder.cbranch(builder.icmp_signed(">", r, nought), line, done)

    builder.position_at_end(done)
    final = phis([zero] * len(cells), entry)
    for phi, value in zip(final, sums, strict=True):
        phi.add_incoming(value, line_end)

    # Epilogue: every seed is read before anything is stored (repeated rows), and max lets NaN through.
    floor = _splat(builder, seed.floor, tile.lanes)
    result = {}
    for (t, v), s in zip(cells, final, strict=True):
        row = builder.gep(seed.base, [builder.mul(clamped[t], seed.step)])
        s = builder.fadd(s, builder.load(at_vector(row, v), align=4))
        result[t, v] = builder.select(builder.fcmp_ordered(">", floor, s), floor, s)
    whole = builder.icmp_signed(">=", y.columns, ir.Constant(I64, vectors * tile.lanes))
    with builder.if_else(whole) as (then, otherwise):
        with then:
            for t in range(tile.rows):
                row = builder.gep(y.base, [builder.load(builder.gep(to, [clamped[t]]))])
                for v in range(vectors):
                    builder.store(result[t, v], at_vector(row, v), align=4)
        with otherwise:  # fewer columns than the tile has: through the stack, one float at a time
            size = vectors * tile.lanes
            stack = cgutils.alloca_once(builder, F32, size=tile.rows * size)
            for t, v in cells:
                cell = builder.gep(stack, [ir.Constant(I64, t * size)])
                builder.store(result[t, v], at_vector(cell, v), align=4)
            with cgutils.for_range(builder, at.rows) as row_loop:
                row = builder.gep(y.base, [builder.load(builder.gep(to, [row_loop.index]))])
                cell = builder.gep(stack, [builder.mul(row_loop.index, ir.Constant(I64, size))])
                with cgutils.for_range(builder, y.columns) as column:
                    value = builder.load(builder.gep(cell, [column.index]))
                    builder.store(value, builder.gep(row, [column.index]))


class _A(NamedTuple):
    base: ir.Value
    step: ir.Value  # floats from one k to the next
    line: ir.Value  # floats from one line of k to the next


class _At(NamedTuple):
    table: ir.Value
    rows: ir.Value


class _B(NamedTuple):
    base: ir.Value
    rows: ir.Value
    columns: ir.Value


class _Seed(NamedTuple):
    base: ir.Value
    step: ir.Value
    floor: ir.Value


class _Y(NamedTuple):
    base: ir.Value
    columns: ir.Value


def _tile_kernel(tile: Tile, vectors: int):
    """The micro-kernel, `tile.rows` x (`vectors` x `tile.lanes`) sums, as a function that njit code can call.

    y[y0 + to[m + t] + o] = max(floor, seed[seed0 + t*seed_step + o]
                                       + sum_{r,k} a[a0 + at[m + t] + r*a_line + k*a_step] * b[b0 + (r*columns + k)*width + o])
    for t < rows <= tile.rows and o < filters; width = vectors * lanes. `seed` is read a whole vector at a time.
    """

    @intrinsic
    def kernel(typingctx, a, a0, at, m, rows, a_line, a_step, b, b0, b_rows, b_columns, seed, seed0, seed_step, floor, y, y0, to, filters):
        integer, floats, integers = types.int64, types.float32[::1], types.int64[::1]
        signature = types.void(
            floats, integer, integers, integer, integer, integer, integer, floats, integer, integer, integer,
            floats, integer, integer, types.float32, floats, integer, integers, integer,
        )  # fmt: skip

        def codegen(context, builder, signature, arguments):
            value = dict(zip(names, arguments, strict=True))

            def pointer(name, offset):
                array = context.make_array(signature.args[names.index(name)])(context, builder, value[name])
                return builder.gep(array.data, [value[offset]])

            _emit_tile(
                builder,
                tile,
                vectors,
                _A(pointer("a", "a0"), value["a_step"], value["a_line"]),
                _At(pointer("at", "m"), value["rows"]),
                _B(pointer("b", "b0"), value["b_rows"], value["b_columns"]),
                _Seed(pointer("seed", "seed0"), value["seed_step"], value["floor"]),
                _Y(pointer("y", "y0"), value["filters"]),
                pointer("to", "m"),
            )
            return context.get_dummy_value()

        return signature, codegen

    code = kernel._defn.__code__
    names = code.co_varnames[1 : code.co_argcount]
    return kernel


wide = _tile_kernel(TILE, TILE.vectors)
narrow = _tile_kernel(TILE, 1)
