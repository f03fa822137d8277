"""Mean and variance per channel of an array that is being written: chunk by chunk, each while it is in the cache.

      chunk k:   shift = the mean of its first row,  s = sum (y - shift),  q = sum (y - shift)^2      in float32
                 mean_k = shift + s/n,  M_k = q - s^2/n                                               in float64
      all:       mean = sum n mean_k / m,   m var = sum M_k + sum n (mean_k - mean)^2,   m = sum n

y - shift is exact or nearly so where the deviation is far below the mean, so nothing cancels there, however far the
mean is from zero. Nor elsewhere: the first row is a part f of the chunk, so n (shift - mean_k)^2 <= M_k / f, and q is
at most 1 + 1/f times M_k; f is 1/28 for a 28 x 28 image.

The result depends on what is a chunk: chunks must follow from the shapes alone, never from the threads.

Source: Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
"""

import math
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .codegen.jit import inner, intrinsic, outer
from .codegen.linked import external
from .codegen.llvm_ir import F32, FLOATS, I64, element, members, nth_vector
from .codegen.microkernel import LANES
from .runtime import memory

GROUP = 4  # vectors whose sums stay in registers: enough to hide the latency of an addition
NO_SUMS = np.empty((0, 3, 0), np.float32)  # for a kernel that is asked for no statistics


class Column(NamedTuple):
    """Rows y[j], y[j + step], ... and on, `rows` of them."""

    y: np.ndarray
    j: int
    step: int
    rows: int


class Moments(NamedTuple):
    """A chunk's sums of d and of d^2, d = y - shift."""

    s: np.ndarray
    q: np.ndarray
    shift: np.ndarray


_KINDS = dict.fromkeys(("y", *Moments._fields), FLOATS)


def sums_table(chunks: int, channels: int) -> np.ndarray:
    """(chunks, 3, width): s, q and shift in rows of whole pixels and whole vectors, if possible GROUP of them."""
    width = math.lcm(channels, LANES)
    return memory.empty((chunks, 3, -(-GROUP * LANES // width) * width))


def _column_function(vectors):
    """The LLVM function (y, step, rows, s, q, shift) behind `add_column` below."""
    name, pointer = f"minicnn.channel_stats.add_column.{vectors}", F32.as_pointer()

    def emit(function):
        y, step, rows, s, q, shift = function.args
        builder = ir.IRBuilder(function.append_basic_block())

        def places(start):
            return [nth_vector(builder, start, v, LANES) for v in range(vectors)]

        about = [builder.load(place, align=4) for place in places(shift)]
        ends = places(s), places(q)
        sums, squares = ([cgutils.alloca_once_value(builder, builder.load(p, align=4)) for p in end] for end in ends)
        with cgutils.for_range(builder, rows) as loop:
            row = places(builder.gep(y, [builder.mul(loop.index, step)]))
            for place, mean, total, square in zip(row, about, sums, squares, strict=True):
                d = builder.fsub(builder.load(place, align=4), mean)
                builder.store(builder.fadd(builder.load(total), d), total)
                builder.store(builder.fadd(builder.load(square), builder.fmul(d, d)), square)
        for place, value in zip((*ends[0], *ends[1]), (*sums, *squares), strict=True):
            builder.store(builder.load(value), place, align=4)
        builder.ret_void()

    return external(name, [pointer, I64, I64, *[pointer] * 3], emit)


def _column_kernel(vectors):
    """njit code for the sums over a column that is `vectors` vectors wide."""
    function = _column_function(vectors)

    @intrinsic
    def add_column(typingctx, column, moments, i):
        """The moments from place i on += those of a Column."""

        def codegen(context, builder, signature, arguments):
            g, i = members(context, builder, signature, arguments, _KINDS), arguments[2]
            starts = zip(_KINDS, (g["j"], i, i, i), strict=True)
            y, *sums = (element(context, builder, FLOATS, g[name], start) for name, start in starts)
            builder.call(function(builder.module), [y, g["step"], g["rows"], *sums])
            return context.get_dummy_value()

        return types.void(column, moments, types.int64), codegen

    return add_column


_add_wide, _add_narrow = _column_kernel(GROUP), _column_kernel(1)


@inner
def _add_rows(y, first, end, moments):
    """Add y[first:end], seen as rows of as many floats as the moments have, the last one perhaps shorter."""
    s, q, shift = moments
    width = s.size
    full, rest = (end - first) // width, (end - first) % width
    i = 0
    while i < width:
        wide = width - i >= GROUP * LANES
        after = i + (GROUP * LANES if wide else LANES)
        rows = full + int(after <= rest)
        if wide:
            _add_wide(Column(y, first + i, width, rows), moments, i)
        else:
            _add_narrow(Column(y, first + i, width, rows), moments, i)
        if i < rest < after:  # the last row ends in this column
            start = first + full * width
            while i + LANES <= rest:
                _add_narrow(Column(y, start + i, 0, 1), moments, i)
                i += LANES
            for k in range(i, rest):
                d = y[start + k] - shift[k]
                s[k] += d
                q[k] += d * d
        i = after


@inner
def chunk_sums(y, base, starts, ends, channels, sums):
    """sums (3, width) of the chunk that consists of the rows y[base + starts[k] : base + ends[k]], all whole pixels."""
    s, q, shift = moments = Moments(sums[0], sums[1], sums[2])
    for i in range(s.size):
        s[i] = q[i] = shift[i] = 0
    _add_rows(y, base + starts[0], base + ends[0], moments)
    pixels = np.float32((ends[0] - starts[0]) // channels)
    for c in range(channels):
        total = np.float32(0)
        for i in range(c, s.size, channels):
            total += s[i]
        for i in range(c, s.size, channels):
            s[i], q[i], shift[i] = 0, 0, total / pixels
    for k in range(starts.size):
        _add_rows(y, base + starts[k], base + ends[k], moments)


@inner
def merge_chunks(means, squares, counts, mean, var):
    """mean, var (C,) of all chunks together, from each one's mean, sum of squares about it (chunks, C) and count."""
    chunks, channels = means.shape
    total, about, m = np.zeros(channels), np.zeros(channels), counts.sum()
    for k in range(chunks):
        for c in range(channels):
            total[c] += counts[k] * means[k, c]
    for c in range(channels):
        total[c] /= m
    for k in range(chunks):
        for c in range(channels):
            d = means[k, c] - total[c]
            about[c] += squares[k, c] + counts[k] * d * d
    for c in range(channels):
        mean[c] = total[c]
        var[c] = 0 if about[c] < 0 else about[c] / m  # rounding must not make it negative, nor NaN zero


@outer
def merge(sums, pixels, mean, var):
    """The same from each chunk's sums (chunks, 3, width) and number of pixels (chunks,)."""
    (chunks, _, width), channels = sums.shape, mean.size
    means, squares = np.zeros((chunks, channels)), np.zeros((chunks, channels))
    for k in range(chunks):
        for i in range(width):
            means[k, i % channels] += sums[k, 0, i]
            squares[k, i % channels] += sums[k, 1, i]
        for c in range(channels):
            s, n = means[k, c], pixels[k]
            means[k, c] = sums[k, 2, c] + s / n
            squares[k, c] -= s * s / n
    merge_chunks(means, squares, pixels, mean, var)
