"""An affine map of every image of a batch, sampled bilinearly (formula: numpy_ref/warp.py).

Why it is fast: a row of the output is a line through the image and meets it in one piece. In that piece every pixel has
its four neighbours inside the image: no modulus and no branch on the fill mode, and for one channel eight pixels at a
time, whose neighbours to the left and right are one load of two floats. Beyond the border "nearest" is the same sample
at the nearest place inside, so there the piece is the whole row. One image is a task and stays in the L1 cache.
Coordinates are computed afresh for each pixel, in float64: adding up steps would be no faster and would drift.

                  image                 output row:   border | eight | eight | border
               +---------+
          . . .x x x x x x . .          x inside, . outside
               +---------+
"""

import math
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types

from ..contract import FILL_MODES
from .codegen import llvm_ir
from .codegen.jit import inner, intrinsic
from .codegen.llvm_ir import F32, FLOATS, I32, I64, element, members
from .runtime.memory import empty
from .runtime.thread_pool import kernel

NEAREST, CONSTANT, REFLECT, WRAP = range(len(FILL_MODES))
EIGHT = 8  # pixels
FAR = 2.0**52  # px: beyond it a float64 has no fraction, and far beyond it no int64; coordinates are cut off here


class Picture(NamedTuple):
    """An image of one channel, flat."""

    image: np.ndarray
    height: int
    width: int


class Line(NamedTuple):
    """A row of the output in the image: column j lies at (r_start + j*r_step, s_start + j*s_step)."""

    r_start: float
    r_step: float
    s_start: float
    s_step: float


_KINDS = {"image": FLOATS} | dict.fromkeys(Line._fields, types.float64)


@inner
def _edge(index, size, mode):
    """The input row (or column) that stands for `index`; always 0 .. size-1, so that no load leaves the image."""
    if mode == REFLECT:
        index = index % (2 * size)
        return min(index, 2 * size - 1 - index)
    if mode == WRAP:
        return index % size
    return min(max(index, 0), size - 1)


@inner
def _value(image, r, s, c, mode, cval):
    height, width, _ = image.shape
    if mode == CONSTANT and (r < 0 or r >= height or s < 0 or s >= width):
        return cval
    return image[_edge(r, height, mode), _edge(s, width, mode), c]


@inner
def _border_pixel(image, r, s, y, mode, cval, scale):
    """A sample that touches the outside, at any distance, or at no place at all (NaN)."""
    if r != r or s != s:
        for c in range(y.size):
            y[c] = np.nan
        return
    r, s = min(max(r, -FAR), FAR), min(max(s, -FAR), FAR)
    r0, s0 = np.int64(math.floor(r)), np.int64(math.floor(s))
    r1, s1 = r0 + 1, s0 + 1
    fr, fs = np.float32(r - r0), np.float32(s - s0)
    one = np.float32(1)
    for c in range(y.size):
        above = (one - fs) * _value(image, r0, s0, c, mode, cval) + fs * _value(image, r0, s1, c, mode, cval)
        below = (one - fs) * _value(image, r1, s0, c, mode, cval) + fs * _value(image, r1, s1, c, mode, cval)
        y[c] = ((one - fr) * above + fr * below) * scale


@inner
def _inside(r, s, height, width):
    """Whether all four neighbours are pixels of the image; false for NaN."""
    return (r >= 0) & (s >= 0) & (r < height - 1) & (s < width - 1)


@inner
def _blend(image, r, s, c, scale):
    """The sample at a place inside."""
    r0, s0, one = np.uint64(r), np.uint64(s), np.float32(1)  # unsigned: no negative index to wrap around
    fr, fs = np.float32(r - r0), np.float32(s - s0)
    r1, s1 = r0 + np.uint64(1), s0 + np.uint64(1)
    above = (one - fs) * image[r0, s0, c] + fs * image[r0, s1, c]
    below = (one - fs) * image[r1, s0, c] + fs * image[r1, s1, c]
    return ((one - fr) * above + fr * below) * scale


@intrinsic
def _blend_eight(typingctx, y, k, picture, j, line, scale):
    """y[k : k+8] = _blend at columns j .. j+7 of a Line, each moved to the nearest place in the Picture.  y: flat.

    Where that is where it was, the operations are _blend's, and so are the bits.
    """

    def vector(kind):
        return ir.VectorType(kind, EIGHT)

    def codegen(context, builder, signature, arguments):
        g, (y, k, _, j, _, scale) = members(context, builder, signature, arguments, _KINDS), arguments
        height, width = g["height"], g["width"]

        def constant(kind, values):
            return ir.Constant(vector(kind), list(values))

        def splat(x):
            return llvm_ir.splat(builder, x, EIGHT)

        def mix(weight, a, b):  # (1 - weight) a + weight b
            rest = builder.fsub(constant(F32, [1.0] * EIGHT), weight)
            return builder.fadd(builder.fmul(rest, a), builder.fmul(weight, b))

        def least(compare, a, b):
            return builder.select(compare("<", a, b), a, b)

        def place(start, step, size):  # whole and broken part of start + step column, 0 .. size-2 and 0 .. 1
            at, last = builder.fadd(splat(start), builder.fmul(splat(step), columns)), builder.sub(size, I64(1))
            at = least(builder.fcmp_ordered, at, splat(builder.sitofp(last, ir.DoubleType())))
            zero = constant(ir.DoubleType(), [0.0] * EIGHT)
            at = builder.select(builder.fcmp_ordered(">", at, zero), at, zero)
            whole = least(builder.icmp_signed, builder.fptosi(at, vector(I64)), splat(builder.sub(last, I64(1))))
            broken = builder.fsub(at, builder.sitofp(whole, at.type))
            return whole, builder.fptrunc(broken, vector(F32))

        def neighbours(at):  # left and right: two floats side by side are one number of 64 bits
            both = ir.Constant(vector(I64), ir.Undefined)
            for n in range(EIGHT):
                start = builder.gep(pixels, [builder.extract_element(at, I32(n))])
                pair = builder.load(builder.bitcast(start, I64.as_pointer()), align=4)
                both = builder.insert_element(both, pair, I32(n))
            both = builder.bitcast(both, ir.VectorType(F32, 2 * EIGHT))
            return [builder.shuffle_vector(both, both, constant(I32, range(side, 2 * EIGHT, 2))) for side in (0, 1)]

        pixels = element(context, builder, FLOATS, g["image"], I64(0))
        steps = constant(ir.DoubleType(), map(float, range(EIGHT)))
        columns = builder.fadd(splat(builder.sitofp(j, ir.DoubleType())), steps)
        r, fr = place(g["r_start"], g["r_step"], height)
        s, fs = place(g["s_start"], g["s_step"], width)
        above = builder.add(builder.mul(r, splat(width)), s)
        rows = (mix(fs, *neighbours(at)) for at in (above, builder.add(above, splat(width))))
        sample = builder.fmul(mix(fr, *rows), splat(scale))
        start = element(context, builder, FLOATS, y, k)
        builder.store(sample, builder.bitcast(start, sample.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(FLOATS, types.int64, picture, types.int64, line, types.float32), codegen


@kernel
def _warp(n, thread, images, matrices, y, mode, cval, scale):
    image, matrix, y = images[n], matrices[n], y[n]
    height, width, channels = image.shape
    picture, flat_y = Picture(image.reshape(image.size), height, width), y.reshape(y.size)
    rd, sd = matrix[0, 1], matrix[1, 1]  # from one column to the next
    eights = channels == 1 and height > 1 and width >= EIGHT
    whole = eights and mode == NEAREST and np.isfinite(matrix).all()
    for i in range(height):
        r, s = matrix[0, 0] * i + matrix[0, 2], matrix[1, 0] * i + matrix[1, 2]
        first, end = 0, width  # of the piece inside
        while not whole and first < width and not _inside(r + rd * first, s + sd * first, height, width):
            _border_pixel(image, r + rd * first, s + sd * first, y[i, first], mode, cval, scale)
            first += 1
        while not whole and end > first and not _inside(r + rd * (end - 1), s + sd * (end - 1), height, width):
            end -= 1
            _border_pixel(image, r + rd * end, s + sd * end, y[i, end], mode, cval, scale)
        if eights and end - first >= EIGHT:
            for j in range(first, end, EIGHT):
                j = min(j, end - EIGHT)  # the last eight may begin among those before them
                _blend_eight(flat_y, i * width + j, picture, j, Line(r, rd, s, sd), scale)
        else:
            for j in range(first, end):
                for c in range(channels):
                    y[i, j, c] = _blend(image, r + rd * j, s + sd * j, c, scale)


def affine_warp(images, matrices, *, fill_mode, cval, scale):
    images = np.ascontiguousarray(images, np.float32)  # pennies, and one compiled version instead of two
    matrices = np.ascontiguousarray(matrices, np.float64)
    y = empty(images.shape)
    _warp(len(images), images, matrices, y, FILL_MODES.index(fill_mode), np.float32(cval), np.float32(scale))
    return y
