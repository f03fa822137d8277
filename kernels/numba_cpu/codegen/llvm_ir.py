"""What several generators of vector code write in LLVM's language: a broadcast, a product, a prefetch, addresses."""

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .jit import intrinsic

I32, I64, F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
FLOATS, INTEGERS = types.float32[::1], types.int64[::1]  # flat arrays, as Numba's types


def element(context, builder, kind, array, index):
    """The address of array[index], a flat array of Numba's type `kind`."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


def splat(builder, scalar, lanes):
    """The vector with `scalar` in every lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def nth_vector(builder, start, n, lanes):
    """The address of vector n of `lanes` floats from `start` on."""
    return builder.bitcast(builder.gep(start, [I64(n * lanes)]), ir.VectorType(F32, lanes).as_pointer())


def multiply_add(builder, fused, a, b, c):
    """a b + c for vectors of floats; fused: in one rounding, by an instruction that the CPU has."""
    name = f"llvm.{'fma' if fused else 'fmuladd'}.v{c.type.count}f32"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(c.type, [c.type] * 3), name)
    return builder.call(function, [a, b, c])


def hidden(builder, value):
    """Hide a value from LLVM's strength reduction, which would keep one pointer per address and spill them."""
    return builder.call(ir.InlineAsm(ir.FunctionType(value.type, [value.type]), "", "=r,0"), [value])


def members(context, builder, signature, arguments, kinds):
    """name -> LLVM value of all members of the NamedTuples that an intrinsic gets.  kinds: name -> type, else int64."""
    found = {}
    for given, value in zip(signature.args, arguments, strict=True):
        if isinstance(given, types.NamedTuple | types.NamedUniTuple):
            for n, (name, kind) in enumerate(zip(given.fields, given, strict=True)):
                member = builder.extract_value(value, n)
                found[name] = context.cast(builder, member, kind, kinds.get(name, types.int64))
    return found


@intrinsic
def power_of_two(typingctx, shifted):
    """2^n for a float32 1.5 2^23 + n, -126 <= n <= 127: n, which is in the last bits, becomes the exponent's."""
    if shifted != types.float32:
        return None

    def codegen(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], I32)
        return builder.bitcast(builder.shl(builder.add(bits, I32(127)), I32(23)), F32)

    return types.float32(shifted), codegen


class Rows:
    """Addresses in rows that lie anywhere: a pointer for each row, and one running index for all of them."""

    def __init__(self, pointers):
        self.pointers, self.start = pointers, [I64(0)]

    def address(self, builder, position, t):
        """Row t's, when `position`, which begins as `start`, has been moved."""
        return builder.gep(self.pointers[t], position)

    def moved(self, builder, position, by):
        return [hidden(builder, builder.add(position[0], by))]


class RegularRows:
    """The same in rows that are `step` floats apart: pointers to row 0, 4, 8, ... and 1 to 3 rows from there, which x86
    adds for nothing. With a pointer for each row, half of them would lie on the stack.
    """

    def __init__(self, builder, first, step, rows):
        twice, four_times = (builder.shl(step, I64(n)) for n in (1, 2))
        self.steps = I64(0), step, twice, hidden(builder, builder.add(twice, step))
        self.start = [first]
        while 4 * len(self.start) < rows:
            self.start.append(hidden(builder, builder.gep(self.start[-1], [four_times])))

    def address(self, builder, position, t):
        return builder.gep(position[t // 4], [self.steps[t % 4]]) if t % 4 else position[t // 4]

    def moved(self, builder, position, by):
        return [hidden(builder, builder.gep(pointer, [by])) for pointer in position]


def emit_prefetch(builder, float_pointer, closeness):
    """Ask for a cache line, into L1 (closeness 3) or L2 (2). Any address will do.

    Lines that will be written are asked for as those that will be read are. No other core has them, so they come to be
    written too; the request that says so took eight cycles in the micro-kernel's loop on an Intel Xeon, this one none.
    """
    address = builder.bitcast(float_pointer, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [address.type, I32, I32, I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [address, I32(0), I32(closeness), I32(1)])


def prefetching(closeness):
    """njit code (x, i) that asks for the cache line of x[i], as emit_prefetch does; x is flat, any i will do."""

    @intrinsic
    def prefetch(typingctx, x, i):
        def codegen(context, builder, signature, arguments):
            emit_prefetch(builder, element(context, builder, x, *arguments), closeness)
            return context.get_dummy_value()

        return types.void(x, types.int64), codegen

    return prefetch
