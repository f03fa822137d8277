"""Winograd's transforms: the matrices of each variant, exact, and vector code that multiplies by them.

(What they are for: winograd.py.) Everything here is done by one function of LLVM code,

    lines:  for k < count:  y[k*y_line + r*y_step] = sum_c M[r, c] x_c[k*x_line]         every x, y a vector of LANES

M is one of the matrices below, its number an argument; the lines x_0, x_1, ... lie at any addresses. A transform of a
square takes two calls, columns first, then rows. Points come in pairs +a, -a, whose rows of B' differ in the sign of
every second number: even and odd half are computed once, then added and subtracted (`_multiply`). All entries of B' and
A are exact in float32.
"""

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types

from .jit import intrinsic
from .linked import external
from .llvm_ir import F32, FLOATS, I64, INTEGERS, element, hidden, members, multiply_add, splat
from .microkernel import LANES, TILE


class Variant(NamedTuple):
    """F(tile x tile, taps x taps): tile + taps - 1 points, the last one infinity (the leading coefficient)."""

    tile: int  # outputs along a side of a tile
    taps: int
    finite: tuple  # points; opposite ones are neighbours
    kernels: tuple = ("forward", "input_grad", "weight_grad")  # for which its errors are small enough

    @property
    def side(self):
        return self.tile + self.taps - 1

    def tiles(self, size) -> tuple[int, int]:
        """Rows and columns of tiles in an image of `size` pixels."""
        return -(-size[0] // self.tile), -(-size[1] // self.tile)

    def products(self, size) -> int:
        """Points of all tiles of an image."""
        return math.prod(self.tiles(size)) * self.side**2

    def __str__(self):
        return f"F({self.tile}x{self.tile}, {self.taps}x{self.taps})"


def _pairs_of(*points):
    return tuple(sign * Fraction(a) for a in points for sign in (1, -1))


VARIANTS = (  # of the same window in the order of their errors
    Variant(7, 2, (Fraction(0), *_pairs_of(1, 2, "1/2"))),
    Variant(3, 3, _pairs_of("3/8", "5/4")),
    Variant(4, 3, (Fraction(0), *_pairs_of("5/8", "3/2"))),
    Variant(5, 3, _pairs_of("1/4", "7/8", "7/4")),
    Variant(7, 3, _pairs_of("1/4", "11/16", "9/8", 2), kernels=("input_grad", "weight_grad")),
    Variant(4, 5, (Fraction(0), *_pairs_of(1, 2, "1/2"))),
    Variant(5, 5, _pairs_of("1/4", "5/8", "5/4", 2)),
    Variant(6, 5, (Fraction(0), *_pairs_of("7/16", "13/16", "5/4", "9/4")), kernels=("input_grad", "weight_grad")),
    Variant(7, 5, _pairs_of("1/4", "9/16", "7/8", "5/4", "11/4"), kernels=("weight_grad",)),
)
WINDOWS = tuple(sorted({v.taps for v in VARIANTS}))


class To(NamedTuple):
    """Line k's number r goes to y[j + k*y_line + r*y_step]."""

    y: np.ndarray
    j: int
    y_line: int
    y_step: int


class From(NamedTuple):
    """Line k of x_c is x_c[x_offset + k*x_line]; x_c lies at the address table[c]."""

    table: np.ndarray
    x_offset: int
    x_line: int


class Behind(NamedTuple):
    """What happens to the numbers r < used; the others go to `spare`. Bias, scale and shift are vectors[line : ],
    vectors[2*line : ] and vectors[3*line : ], from o on.
    """

    used: int
    spare: np.ndarray
    vectors: np.ndarray
    line: int
    o: int
    floor: np.float32


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
            total = multiply_add(builder, TILE.fma, _constant(c), v, total)
    return total


def _constant(value):
    return ir.Constant(ir.VectorType(F32, LANES), [float(np.float32(float(value)))] * LANES)


def _exact(value):
    return Fraction(float(np.float32(float(value)))) == value


def _opposite(first, second):
    """Whether two rows are equal up to signs, with some equal and some opposite entries: those of points a and -a."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a or b]
    return all(abs(a) == abs(b) for a, b in pairs) and len({a == b for a, b in pairs}) == 2


def _pairs(rows):
    """Neighbouring rows of opposite points: the first's number."""
    return [k for k in range(len(rows) - 1) if _opposite(rows[k], rows[k + 1])]


def _multiply(builder, matrix, x) -> list[Any]:
    """matrix x for a vector of values x.

    Columns of opposite points: their sum and difference take their place, each row needs one of them.
    Rows of opposite points: row . x = even + odd and even - odd; odd is divided by one of its factors, f, so that the
    last step is even + f odd and even - f odd, two fused multiply-adds. f leaves exact factors if there are such.
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
        factors = [a for a, b in both if a != b]
        factor = max(factors, key=lambda f: sum(_exact(a / f) for a in factors))
        odd = _sum_of_products(builder, [a / factor if a != b else 0 for a, b in both], x)
        if factor == 1:
            y[k], y[k + 1] = builder.fadd(even, odd), builder.fsub(even, odd)
        else:
            y[k], y[k + 1] = (multiply_add(builder, TILE.fma, _constant(f), odd, even) for f in (factor, -factor))
    return [_sum_of_products(builder, row, x) if done is None else done for row, done in zip(rows, y, strict=True)]


MATRICES = [cook_toom(v.finite, v.tile) for v in VARIANTS]
# The numbers of the matrices: that of the variant in VARIANTS plus one of these.
IMAGE, OUTPUTS, BACK, FILTERS, FILTERS_BACK = (k * len(VARIANTS) for k in range(5))
_NUMBERED = [
    *(m.b_t for m in MATRICES),  # d -> points
    *(transposed(m.a_t) for m in MATRICES),  # dy -> points
    *(m.a_t for m in MATRICES),  # points -> y
    *(m.g for m in MATRICES),  # w -> points
    *(transposed(m.g) for m in MATRICES),  # points -> dw
]


def _lines_function(name, matrices, epilogue):
    """The LLVM function behind `lines`, or with an epilogue behind `last_lines`."""
    pointer = F32.as_pointer()
    kinds = [I64, I64, pointer, I64, I64, I64.as_pointer(), I64, I64]
    kinds += [I64, pointer, *[pointer] * 3, F32] if epilogue else []

    def emit(function):
        which, count, y, y_line, y_step, x, x_offset, x_line, *rest = function.args
        builder = ir.IRBuilder(function.append_basic_block())

        def load(start):
            return builder.load(builder.bitcast(start, ir.VectorType(F32, LANES).as_pointer()), align=4)

        def finish(values):
            bias, scale, shift = map(load, rest[2:5])
            floor = splat(builder, rest[5], LANES)
            values = [builder.fadd(v, bias) for v in values]
            values = [builder.select(builder.fcmp_ordered(">", floor, v), floor, v) for v in values]  # NaN stays
            return [multiply_add(builder, TILE.fma, v, scale, shift) for v in values]

        def lines(matrix):
            starts = [builder.inttoptr(builder.load(builder.gep(x, [I64(c)])), pointer) for c in range(len(matrix[0]))]
            starts = [builder.gep(start, [x_offset]) for start in starts]
            y_step_3 = builder.mul(y_step, I64(3))
            entry, loop, after = builder.block, function.append_basic_block(), function.append_basic_block()
            builder.cbranch(builder.icmp_signed(">", count, I64(0)), loop, after)
            builder.position_at_end(loop)
            left, place, to = (builder.phi(I64) for _ in range(3))
            values = _multiply(builder, matrix, [load(builder.gep(start, [place])) for start in starts])
            # Every fourth place is a new pointer, the others are 1, 2 and 3 steps from it: x86 addresses them directly.
            one, three = hidden(builder, y_step), hidden(builder, y_step_3)
            steps, there = (I64(0), one, builder.shl(one, I64(1)), three), builder.gep(y, [to])
            for r, value in enumerate(finish(values) if epilogue else values):
                if r and r % 4 == 0:
                    there = builder.gep(there, [builder.shl(one, I64(2))])
                cell = builder.gep(there, [steps[r % 4]])
                if epilogue:
                    cell = builder.select(builder.icmp_signed("<", I64(r), rest[0]), cell, rest[1])
                builder.store(value, builder.bitcast(cell, value.type.as_pointer()), align=4)
            for phi, first, following in (
                (left, count, builder.sub(left, I64(1))),
                (place, I64(0), hidden(builder, builder.add(place, x_line))),
                (to, I64(0), hidden(builder, builder.add(to, y_line))),
            ):
                phi.add_incoming(first, entry)
                phi.add_incoming(following, loop)
            builder.cbranch(builder.icmp_signed(">", left, I64(1)), loop, after)
            builder.position_at_end(after)

        done = function.append_basic_block()
        switch = builder.switch(which, done)
        for n, matrix in enumerate(matrices):
            block = function.append_basic_block()
            switch.add_case(I64(n), block)
            builder.position_at_end(block)
            lines(matrix)
            builder.branch(done)
        builder.position_at_end(done)
        builder.ret_void()

    return external(name, kinds, emit)


_KINDS = dict.fromkeys(("y", "spare", "vectors"), FLOATS) | {"table": INTEGERS, "floor": types.float32}
_plain = _lines_function("minicnn.winograd_transforms.lines", _NUMBERED, False)
_finish = _lines_function("minicnn.winograd_transforms.last_lines", [m.a_t for m in MATRICES], True)


def _call(function, *tuples):
    """The signature and code of a call of one of the two functions: which, count, a To, a From and perhaps a Behind."""

    def codegen(context, builder, signature, arguments):
        g = members(context, builder, signature, arguments, _KINDS)

        def place(name, first):
            return element(context, builder, _KINDS[name], g[name], first)

        y, table = place("y", g["j"]), place("table", I64(0))
        given = [*arguments[:2], y, g["y_line"], g["y_step"], table, g["x_offset"], g["x_line"]]
        if "vectors" in g:
            spare, vectors = place("spare", I64(0)), place("vectors", g["o"])
            vectors = [builder.gep(vectors, [builder.mul(g["line"], I64(k))]) for k in (1, 2, 3)]
            given += [g["used"], spare, *vectors, g["floor"]]
        builder.call(function(builder.module), given)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, *tuples), codegen


@intrinsic
def lines(typingctx, which, count, to, source):
    """y[j + k*y_line + r*y_step] = sum_c M[r, c] x_c[x_offset + k*x_line], see To and From."""
    return _call(_plain, to, source)


@intrinsic
def last_lines(typingctx, which, count, to, source, behind):
    """The last half of A' M A: as `lines`, but y = scale max(that + bias, floor) + shift, see Behind."""
    return _call(_finish, to, source, behind)


@intrinsic
def address_of(typingctx, x, i):
    """The address of x[i]."""

    def codegen(context, builder, signature, arguments):
        return builder.ptrtoint(element(context, builder, FLOATS, *arguments), I64)

    return types.int64(FLOATS, types.int64), codegen
