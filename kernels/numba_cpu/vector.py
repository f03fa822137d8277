"""Vectors as values in Numba code: one function serves LANES floats at a time and the few floats that are left.

      @njit
      def masked(dy, y):                        # two floats, or two vectors of LANES floats
          return choose(y > zero(y), dy, zero(dy))

      for k in range(0, whole, LANES):          # whole vectors
          store(dx, k, masked(load(dy, k), load(y, k)))
      for k in range(whole, n):                 # the rest
          dx[k] = masked(dy[k], y[k])

Why: LLVM turns a plain loop into vectors by itself, but takes several at once; with 32 channels nothing is left for
that loop, and its remainder is slow. Here a vector is what is written. Every operation does to each lane what it does
to a float, in the same order and rounding: both halves of a loop agree to the bit, and nothing is ever reordered.

      floats   load, store, zero, splat;  + - *;  > <= !=;  choose;  across
      bytes    load, store, byte;  ==;  choose            one per lane: the cells of an argmax
      masks    |;  choose                                 what comparisons give
      each, put                                           load and store of a function that serves both loops
"""

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

from .simd import LANES, _splat, prefetching

KINDS = {"floats": ir.FloatType(), "bytes": ir.IntType(8), "mask": ir.IntType(1)}


class Vector(types.Type):
    """LANES floats, bytes or truth values."""

    def __init__(self, kind: str):
        self.kind = kind
        super().__init__(f"Vector({kind}, {LANES})")


FLOATS, BYTES, MASK = map(Vector, KINDS)


def _llvm(kind):
    return ir.VectorType(KINDS[kind.kind], LANES)


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _llvm(kind))


# ---- memory: flat arrays of float32 or uint8 -------------------------------------------------------------------------


def _kind_in(x):
    flat = isinstance(x, types.Array) and x.ndim == 1 and x.layout == "C"
    return {types.float32: FLOATS, types.uint8: BYTES}.get(x.dtype) if flat else None


def _address(context, builder, x, array, index):
    start = builder.gep(context.make_array(x)(context, builder, array).data, [index])
    return builder.bitcast(start, _llvm(_kind_in(x)).as_pointer())


@intrinsic
def load(typingctx, x, i):
    """x[i : i + LANES]"""

    def codegen(context, builder, signature, arguments):
        return builder.load(_address(context, builder, x, *arguments), align=x.dtype.bitwidth // 8)

    kind = _kind_in(x)
    return kind and (kind(x, types.int64), codegen)


@intrinsic
def store(typingctx, x, i, value):
    """x[i : i + LANES] = value"""

    def codegen(context, builder, signature, arguments):
        array, index, vector = arguments
        builder.store(vector, _address(context, builder, x, array, index), align=x.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return (types.void(x, types.int64, value), codegen) if value == _kind_in(x) else None


prefetch, prefetch_to_write = prefetching(0, 3), prefetching(1, 3)


# ---- of the kind of `like`, which is a number or a vector ------------------------------------------------------------


def _filled(kind, to_llvm):
    @intrinsic
    def filled(typingctx, number):
        """`number` in every lane."""

        def codegen(context, builder, signature, arguments):
            return to_llvm(builder, context.cast(builder, arguments[0], number, scalar))

        scalar = types.float32 if kind is FLOATS else types.uint8
        return kind(number), codegen

    return filled


def _splat_bytes(builder, byte):
    undefined = ir.Constant(_llvm(BYTES), ir.Undefined)
    one = builder.insert_element(undefined, byte, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


_floats = _filled(FLOATS, lambda builder, number: _splat(builder, number, LANES))
_bytes = _filled(BYTES, _splat_bytes)


def splat(like, number):
    """The float32 `number`, for `like`.  In njit code only."""
    raise NotImplementedError


def each(like, of, i):
    """of[i : i + LANES] or of[i], as `like` is a vector or a float; a number `of` in every lane.  In njit code only."""
    raise NotImplementedError


def put(x, i, value):
    """x[i : i + LANES] = value or x[i] = value: what `each` has read.  In njit code only."""
    raise NotImplementedError


def byte(like, number):
    """The small whole number as uint8, for `like`.  In njit code only."""
    raise NotImplementedError


def zero(like):
    """0, for `like`.  In njit code only."""
    raise NotImplementedError


def choose(condition, a, b):
    """a where the condition holds, else b.  In njit code only."""
    raise NotImplementedError


@overload(splat)
def _splat_any(like, number):
    return (lambda like, number: _floats(number)) if isinstance(like, Vector) else lambda like, number: number


@overload(each)
def _each_any(like, of, i):
    if not isinstance(of, types.Array):
        return lambda like, of, i: splat(like, of)
    return (lambda like, of, i: load(of, i)) if isinstance(like, Vector) else lambda like, of, i: of[i]


@overload(put)
def _put_any(x, i, value):
    if isinstance(value, Vector):
        return lambda x, i, value: store(x, i, value)

    def put_one(x, i, value):
        x[i] = value

    return put_one


@overload(byte)
def _byte_any(like, number):
    return (lambda like, number: _bytes(number)) if isinstance(like, Vector) else lambda like, number: np.uint8(number)


@overload(zero)
def _zero_any(like):
    return (lambda like: _floats(np.float32(0))) if isinstance(like, Vector) else lambda like: np.float32(0)


# ---- operations ------------------------------------------------------------------------------------------------------


@intrinsic
def _select(typingctx, mask, a, b):
    return a(mask, a, b), lambda context, builder, signature, arguments: builder.select(*arguments)


@overload(choose)
def _choose_any(condition, a, b):
    if isinstance(condition, Vector):
        return lambda condition, a, b: _select(condition, a, b)
    return lambda condition, a, b: a if condition else b


@intrinsic
def _sum_lanes(typingctx, vector):
    def codegen(context, builder, signature, arguments):
        (value,) = arguments
        n = LANES
        while n > 1:  # the upper half to the lower one
            undefined = ir.Constant(value.type, ir.Undefined)
            places = [ir.Constant(ir.VectorType(ir.IntType(32), n // 2), list(half))
                      for half in (range(n // 2), range(n // 2, n))]  # fmt: skip
            value = builder.fadd(*(builder.shuffle_vector(value, undefined, half) for half in places))
            n //= 2
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return (types.float32(vector), codegen) if vector == FLOATS else None


def across(value):
    """The sum of a vector's lanes, half to half; a float is its own sum.  In njit code only."""
    raise NotImplementedError


@overload(across)
def _across_any(value):
    return (lambda value: _sum_lanes(value)) if isinstance(value, Vector) else lambda value: value


def _define(symbol, kind, result, emit):
    """symbol(x, y) for two vectors of a kind."""

    @intrinsic
    def apply(typingctx, x, y):
        return result(x, y), lambda context, builder, signature, arguments: emit(builder, *arguments)

    @overload(symbol)
    def overloaded(x, y):
        return (lambda x, y: apply(x, y)) if x == kind and y == kind else None


_define(operator.add, FLOATS, FLOATS, lambda builder, x, y: builder.fadd(x, y))
_define(operator.sub, FLOATS, FLOATS, lambda builder, x, y: builder.fsub(x, y))
_define(operator.mul, FLOATS, FLOATS, lambda builder, x, y: builder.fmul(x, y))
_define(operator.gt, FLOATS, MASK, lambda builder, x, y: builder.fcmp_ordered(">", x, y))
_define(operator.le, FLOATS, MASK, lambda builder, x, y: builder.fcmp_ordered("<=", x, y))
_define(operator.ne, FLOATS, MASK, lambda builder, x, y: builder.fcmp_unordered("!=", x, y))
_define(operator.eq, BYTES, MASK, lambda builder, x, y: builder.icmp_unsigned("==", x, y))
_define(operator.or_, MASK, MASK, lambda builder, x, y: builder.or_(x, y))
