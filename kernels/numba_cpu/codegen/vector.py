"""Vectors as values in Numba code: one function serves LANES floats at a time and the few floats that are left.

      @inner
      def masked(dy, y):                        # two floats, or two vectors of LANES floats
          return choose(y > zero(y), dy, zero(dy))

      for k in range(0, whole, LANES):          # whole vectors
          store(dx, k, masked(load(dy, k), load(y, k)))
      for k in range(whole, n):                 # the rest
          dx[k] = masked(dy[k], y[k])

Why: LLVM turns a plain loop into vectors by itself, but takes several at once; with 32 channels nothing is left for
that loop, and its remainder is slow. Here a vector is what is written. Every operation does to each lane what it does
to a float, in the same order and rounding: both halves of a loop agree to the bit, and nothing is ever reordered.

      floats   load, store, store_past, zero, splat;  + - *;  > <= !=;  choose;  across
      bytes    load, store, byte;  ==;  choose            one per lane: the cells of an argmax
      masks    |;  choose                                 what comparisons give
      each, put                                           load and store of a function that serves both loops
"""

import operator

from llvmlite import ir
from numba import types
from numba.extending import models, overload, register_model

from . import llvm_ir
from .jit import inline, intrinsic
from .llvm_ir import element
from .microkernel import LANES

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


def _read(kind, x):
    """The signature and code of (x, i): x[i : i + LANES] or x[i], as `kind` is that of a vector or of a number."""

    def codegen(context, builder, signature, arguments):
        start, pointer = element(context, builder, x, *arguments[-2:]), context.get_value_type(kind).as_pointer()
        return builder.load(builder.bitcast(start, pointer), align=x.dtype.bitwidth // 8)

    return kind(x, types.int64), codegen


def _write(x, kind):
    """The same of (x, i, value): x[i : i + LANES] = value or x[i] = value."""

    def codegen(context, builder, signature, arguments):
        *place, value = arguments
        start = element(context, builder, x, *place)
        builder.store(value, builder.bitcast(start, value.type.as_pointer()), align=x.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(x, types.int64, kind), codegen


@intrinsic
def load(typingctx, x, i):
    """x[i : i + LANES]"""
    kind = _kind_in(x)
    return kind and _read(kind, x)


@intrinsic
def store(typingctx, x, i, value):
    """x[i : i + LANES] = value"""
    return _write(x, value) if value == _kind_in(x) else None


@intrinsic
def store_past(typingctx, x, i, value):
    """x[i : i + LANES] = value, past the caches: for an array that the L2 caches cannot hold (memory.past_caches).

    An ordinary store first reads the line that it will overwrite. x[i : i + LANES] must be whole cache lines. x86 keeps
    such stores out of order until the next locked instruction: parallel_for has one after each task.
    """
    if not value == FLOATS == _kind_in(x):
        return None

    def codegen(context, builder, signature, arguments):
        *place, value = arguments
        start = element(context, builder, x, *place)
        store = builder.store(value, builder.bitcast(start, value.type.as_pointer()), align=4 * LANES)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(x, types.int64, value), codegen


prefetch = llvm_ir.prefetching(3)


# ---- of the kind of `like`, which is a number or a vector ------------------------------------------------------------
# Intrinsics and not overloads, which would be functions, each of them compiled for every kind.


def _filled(like, kinds, number):
    """The signature and code of (like, number): a vector with `number` in every lane or a number, of one of `kinds`."""
    vector, scalar = kinds

    def codegen(context, builder, signature, arguments):
        value = context.cast(builder, arguments[1], number, scalar)
        return llvm_ir.splat(builder, value, LANES) if signature.return_type == vector else value

    return (vector if isinstance(like, Vector) else scalar)(like, number), codegen


@intrinsic
def splat(typingctx, like, number):
    """The float32 `number`, for `like`."""
    return _filled(like, (FLOATS, types.float32), number)


@intrinsic
def byte(typingctx, like, number):
    """The small whole number as uint8, for `like`."""
    return _filled(like, (BYTES, types.uint8), number)


@intrinsic
def zero(typingctx, like):
    """0, for `like`."""
    kind = FLOATS if isinstance(like, Vector) else types.float32
    return kind(like), lambda context, builder, signature, arguments: context.get_constant_null(kind)


@intrinsic
def each(typingctx, like, of, i):
    """of[i : i + LANES] or of[i], as `like` is a vector or a float; a number `of` in every lane."""
    if isinstance(of, types.Array):
        if _kind_in(of) is None:
            return None
        result, codegen = _read(_kind_in(of) if isinstance(like, Vector) else of.dtype, of)
    else:
        result, fill = _filled(like, (FLOATS, types.float32), of)

        def codegen(context, builder, signature, arguments):
            return fill(context, builder, signature, arguments[:2])

    return result.return_type(like, of, types.int64), codegen


@intrinsic
def put(typingctx, x, i, value):
    """x[i : i + LANES] = value or x[i] = value: what `each` has read."""
    return _write(x, value) if _kind_in(x) and value in (_kind_in(x), x.dtype) else None


# ---- operations ------------------------------------------------------------------------------------------------------


@intrinsic
def choose(typingctx, condition, a, b):
    """a where the condition holds, else b."""

    def codegen(context, builder, signature, arguments):
        return builder.select(*arguments)

    return (a(condition, a, b), codegen) if a == b and condition in (MASK, types.boolean) else None


@intrinsic
def across(typingctx, value):
    """The sum of a vector's lanes, half to half; a float is its own sum."""

    def codegen(context, builder, signature, arguments):
        (total,), n = arguments, LANES
        if value != FLOATS:
            return total
        while n > 1:  # the upper half to the lower one
            undefined = ir.Constant(total.type, ir.Undefined)
            places = [ir.Constant(ir.VectorType(ir.IntType(32), n // 2), list(half))
                      for half in (range(n // 2), range(n // 2, n))]  # fmt: skip
            total = builder.fadd(*(builder.shuffle_vector(total, undefined, half) for half in places))
            n //= 2
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return (types.float32(value), codegen) if value in (FLOATS, types.float32) else None


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


# ---- loops -----------------------------------------------------------------------------------------------------------


@inline
def each_channel(body, x, i, channels, arguments):
    """body(like, o, arguments) for all channels of a pixel x[i...]: for vectors of them from o on, then for floats."""
    whole = channels // LANES * LANES
    for o in range(0, whole, LANES):
        body(load(x, i), o, arguments)
    for o in range(whole, channels):
        body(x[i], o, arguments)
