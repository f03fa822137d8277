"""The micro-kernel without tables: a tile of a product of matrices that lie in memory as whole vectors.

      y[t, o] = sum over k of a[t, k] b[k, o]         t: rows of a tile, o: vectors of one, as in simd.py

Winograd's products are made of it, hundreds of small ones in a row: (28, 32) (32, 32) for each of 64 points. What
counts there is what happens between two of them, so it has no remainders, no epilogue and few addresses to find; and
as its matrices come from the L2 cache, it asks for those of the next call while it multiplies. Where they would else
be waited for (2 MB caches of an Intel CPU) that takes the products from 80 to 90 % of the multipliers' speed.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .emit import F32, I64, RegularRows, emit_prefetch, hidden, multiply_add, nth_vector, splat
from .library import external
from .simd import LANES, LINE, TILE


def _product_function(rows, vectors):
    """The LLVM function behind `product_kernel`: its arguments in order, (array, start) as one pointer."""
    name, pointer = f"minicnn.simd.product.{rows}x{vectors}", F32.as_pointer()
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
        a_now, sums = others[: len(a_rows.start)], others[len(a_rows.start) :]
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


def product_kernel(rows, vectors):
    """The micro-kernel without tables, epilogue and remainders, for matrices of whole vectors with regular rows.

    y[y0 + t*y_row + o] = sum over k < depth of a[a0 + t*a_row + k*a_step] * b[b0 + k*b_step + o], depth > 0,
    for t < rows and o < vectors * LANES; where `add` is not 0, += instead of =.

    It asks for what comes next while it multiplies: for the lines of `a` from a[near] on, one per k; for the line
    b_ahead floats behind that of b in use; and for x[far], x[far + far_step], ... , which may lie in no cache.
    """
    function = _product_function(rows, vectors)

    @intrinsic
    def product(typingctx, a, a0, a_row, a_step, b, b0, b_step, y, y0, y_row, depth, add,
                near, b_ahead, x, far, far_step):  # fmt: skip
        def codegen(context, builder, signature, arguments):
            a, a0, a_row, a_step, b, b0, b_step, y, y0, y_row, depth, add, near, b_ahead, x, far, far_step = arguments
            data = [context.make_array(floats)(context, builder, array).data for array in (a, b, y, a, x)]
            starts = zip(data, (a0, b0, y0, near, far), strict=True)
            a, b, y, near, far = (builder.gep(array, [first]) for array, first in starts)
            given = [a, a_row, a_step, b, b_step, y, y_row, depth, add, near, b_ahead, far, far_step]
            builder.call(function(builder.module), given)
            return context.get_dummy_value()

        floats, i = types.float32[::1], types.int64
        return types.void(floats, i, i, i, floats, i, i, floats, i, i, i, i, i, i, floats, i, i), codegen

    return product
