"""The micro-kernel without tables: a tile of a product of matrices that lie in memory as whole vectors.

      y[t, o] = sum over k of a[t, k] b[k, o]         t: rows of a tile, o: vectors of one, as in microkernel.py

Winograd's products are made of it, hundreds of small ones in a row: (28, 32) (32, 32) for each of 64 points. What
counts there is what happens between two of them, so it has no remainders, no epilogue and few addresses to find; and
as its matrices come from the L2 cache, it asks for those of the next call while it multiplies. Where they would else
be waited for (2 MB caches of an Intel CPU) that takes the products from 80 to 90 % of the multipliers' speed.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types

from .jit import intrinsic
from .linked import external
from .llvm_ir import (
    F32,
    FLOATS,
    I64,
    RegularRows,
    element,
    emit_prefetch,
    hidden,
    members,
    multiply_add,
    nth_vector,
    splat,
)
from .microkernel import LANES, LINE, TILE


class Factor(NamedTuple):
    """Element (t, k) is a[a0 + t*a_row + k*a_step]."""

    a: np.ndarray
    a0: int
    a_row: int
    a_step: int


class Lines(NamedTuple):
    """Line k < depth is b[b0 + k*b_step] and on, whole vectors."""

    b: np.ndarray
    b0: int
    b_step: int
    depth: int


class Target(NamedTuple):
    """Row t is y[y0 + t*y_row] and on, whole vectors; where `add` is not 0, sums are added to it."""

    y: np.ndarray
    y0: int
    y_row: int
    add: int


class Coming(NamedTuple):
    """What to ask for meanwhile: the lines of `a` from a[near] on, one per k; the line b_ahead floats behind that of b
    in use; and x[far], x[far + far_step], ... , which may lie in no cache.
    """

    near: int
    b_ahead: int
    x: np.ndarray
    far: int
    far_step: int


_KINDS = dict.fromkeys("abyx", FLOATS)


def _product_function(rows, vectors):
    """The LLVM function behind `product_kernel`: its arguments in order, (array, start) as one pointer."""
    name, pointer = f"minicnn.microkernel_gemm.{rows}x{vectors}", F32.as_pointer()
    kinds = [pointer, I64, I64, pointer, I64, pointer, I64, I64, I64, pointer, I64, pointer, I64]

    def emit(function):
        a, a_row, a_step, b, b_step, y, y_row, depth, add, near, b_ahead, far, far_step = function.args
        builder = ir.IRBuilder(function.append_basic_block())
        vector = ir.VectorType(F32, LANES)
        a_rows = RegularRows(builder, a, a_row, rows)
        entry, column, done = builder.block, function.append_basic_block("column"), function.append_basic_block("done")
        starts = [depth, b, near, far, *a_rows.start, *[ir.Constant(vector, [0.0] * LANES)] * (rows * vectors)]
        builder.branch(column)

        builder.position_at_end(column)
        phis = [builder.phi(start.type) for start in starts]
        left, line, near, far, *others = phis
        a_now = others[: len(a_rows.start)]
        sums: list[ir.Value] = [*others[len(a_rows.start) :]]
        factors = [builder.load(nth_vector(builder, line, v, LANES), align=4) for v in range(vectors)]
        for t in range(rows):
            scalar = splat(builder, builder.load(a_rows.address(builder, a_now, t)), LANES)
            for v in range(vectors):
                sums[t * vectors + v] = multiply_add(builder, TILE.fma, scalar, factors[v], sums[t * vectors + v])
        emit_prefetch(builder, near, 3)
        emit_prefetch(builder, builder.gep(line, [b_ahead]), 3)
        emit_prefetch(builder, far, 2)
        ends = [builder.sub(left, I64(1)), hidden(builder, builder.gep(line, [b_step])),
                hidden(builder, builder.gep(near, [I64(LINE)])), hidden(builder, builder.gep(far, [far_step])),
                *a_rows.moved(builder, a_now, a_step), *sums]  # fmt: skip
        for phi, start, end in zip(phis, starts, ends, strict=True):
            phi.add_incoming(start, entry)
            phi.add_incoming(end, column)
        builder.cbranch(builder.icmp_signed(">", ends[0], I64(0)), column, done)

        builder.position_at_end(done)
        y_rows = RegularRows(builder, y, y_row, rows)
        starts = [y_rows.address(builder, y_rows.start, t) for t in range(rows)]
        places = [nth_vector(builder, start, v, LANES) for start in starts for v in range(vectors)]
        with builder.if_else(builder.icmp_signed("!=", add, I64(0))) as (to_y, anew):
            with to_y:
                for place, value in zip(places, sums, strict=True):
                    builder.store(builder.fadd(builder.load(place, align=4), value), place, align=4)
            with anew:
                for place, value in zip(places, sums, strict=True):
                    builder.store(value, place, align=4)
        builder.ret_void()

    return external(name, kinds, emit)


def product_kernel(tall, short):
    """njit code for matrices of whole vectors with regular rows, without tables, epilogue and remainders.

    y[y0 + t*y_row + o] = sum over k < depth of a[a0 + t*a_row + k*a_step] * b[b0 + k*b_step + o], depth > 0,
    for t < `tall` rows, or `short`, and o < TILE.vectors * LANES, or LANES; or += instead of =. Meanwhile it asks for
    what comes next. One call, as in `_micro_kernel` of microkernel.py.
    """
    functions = [[_product_function(rows, vectors) for rows in (tall, short)] for vectors in (TILE.vectors, 1)]

    @intrinsic
    def product(typingctx, is_wide, is_tall, factor, lines, target, coming):
        def codegen(context, builder, signature, arguments):
            g = members(context, builder, signature, arguments, _KINDS)
            starts = zip("abyax", ("a0", "b0", "y0", "near", "far"), strict=True)
            a, b, y, near, far = (element(context, builder, FLOATS, g[name], g[first]) for name, first in starts)
            given = [a, g["a_row"], g["a_step"], b, g["b_step"], y, g["y_row"], g["depth"], g["add"]]
            given += [near, g["b_ahead"], far, g["far_step"]]
            with builder.if_else(arguments[0]) as widths:
                for width, of_width in zip(widths, functions, strict=True):
                    with width, builder.if_else(arguments[1]) as heights:
                        for height, function in zip(heights, of_width, strict=True):
                            with height:
                                builder.call(function(builder.module), given)
            return context.get_dummy_value()

        return types.void(types.boolean, types.boolean, factor, lines, target, coming), codegen

    return product
