"""Philox4x32-10 and dropout: counted random words, made where they are used.

Why it is fast: as many counters as a vector has 64-bit lanes go through the ten rounds together, in registers, as
vectors of 32 x 32 -> 64 bit products; LLVM finds them neither in a loop over rounds nor in ten rounds written out.
Dropout makes 1024 words at a time, all in the L1 cache: memory sees x once and y once, and no mask.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .activation import block_count
from .codegen.jit import inner, intrinsic
from .codegen.llvm_ir import I32, I64, element, splat
from .codegen.microkernel import LANES
from .runtime.memory import empty
from .runtime.thread_pool import kernel

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
LOW = 0xFFFFFFFF
COUNTERS = LANES // 2  # that go through the rounds together; four words come of each
BATCH = 256  # counters per piece of a dropout


class State(NamedTuple):
    """A key as compiled functions take it: all uint64; the upper half of the step is the counter to begin with."""

    step: np.uint64
    stream: np.uint64
    k0: np.uint64
    k1: np.uint64


class Dropout(NamedTuple):
    """Whether anything is dropped, the threshold of its words, the factor of what is not, and the words' state."""

    on: bool
    threshold: np.uint64
    scale: np.float32
    state: State


NO_DROPOUT = Dropout(False, np.uint64(0), np.float32(1), State(*[np.uint64(0)] * 4))


@intrinsic
def _philox_vector(typingctx, words, i, counter, state):
    """words[i : i + 4*COUNTERS] = the words of the counters from `counter` on.  Flat uint32; the rest uint64."""
    wide, flat = ir.VectorType(I64, COUNTERS), types.uint32[::1]

    def codegen(context, builder, signature, arguments):
        words, i, counter, drawn = arguments
        step, stream, *key = cgutils.unpack_tuple(builder, drawn)

        def constant(*numbers):
            return ir.Constant(wide, list(numbers) if len(numbers) > 1 else [*numbers] * COUNTERS)

        def shuffled(a, b, lanes):
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))

        counter, step, stream = (splat(builder, number, COUNTERS) for number in (counter, step, stream))
        c = [builder.add(counter, constant(*range(COUNTERS))), step, stream, constant(0)]
        for _ in range(ROUNDS):  # the upper halves of c and key hold anything: only lower ones are multiplied and kept
            factors = [builder.and_(c[n], constant(LOW)) for n in (0, 2)]
            low = [builder.mul(constant(m), factor) for m, factor in zip(MULTIPLIERS, factors, strict=True)]
            high = [builder.lshr(product, constant(32)) for product in low]
            c = [
                builder.xor(builder.xor(high[1], c[1]), splat(builder, key[0], COUNTERS)), low[1],
                builder.xor(builder.xor(high[0], c[3]), splat(builder, key[1], COUNTERS)), low[0],
            ]  # fmt: skip
            key = [builder.add(k, I64(w)) for k, w in zip(key, KEY_STEPS, strict=True)]
        c = [builder.trunc(x, ir.VectorType(I32, COUNTERS)) for x in c]
        first, second = (shuffled(c[n], c[n + 1], range(2 * COUNTERS)) for n in (0, 2))
        turned = shuffled(first, second, [word * COUNTERS + k for k in range(COUNTERS) for word in range(4)])
        start = element(context, builder, flat, words, i)
        builder.store(turned, builder.bitcast(start, turned.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(flat, types.int64, types.uint64, state), codegen


@inner
def fill_words(words, first, state):
    """words (flat, four per counter) = those of the counters from `first` on, after those that `state` leaves out."""
    first += np.int64(state.step >> np.uint64(32))
    whole = words.size // (4 * COUNTERS) * COUNTERS
    for k in range(0, whole, COUNTERS):
        _philox_vector(words, 4 * k, np.uint64(first + k), state)
    if 4 * whole < words.size:
        rest, last = words[4 * whole :], np.empty(4 * COUNTERS, np.uint32)
        _philox_vector(last, 0, np.uint64(first + whole), state)
        for i in range(rest.size):
            rest[i] = last[i]


@kernel
def _philox(k, thread, words, state, blocks):
    n = words.size // 4
    first, end = k * n // blocks, (k + 1) * n // blocks
    fill_words(words[4 * first : 4 * end], first, state)


@inner
def _keep(x, words, threshold, scale, y):
    for i in range(x.size):
        y[i] = x[i] * scale if words[i] >= threshold else np.float32(0)


@kernel
def _dropout(k, thread, x, y, dropout, blocks):
    batches, words = (x.size + 4 * BATCH - 1) // (4 * BATCH), np.empty(4 * BATCH, np.uint32)
    first, end = k * batches // blocks * BATCH, (k + 1) * batches // blocks * BATCH  # counters
    part = slice(4 * first, 4 * end)
    x, y = x[part], y[part]
    for start in range(0, x.size, 4 * BATCH):
        x_part, y_part = x[start : start + 4 * BATCH], y[start : start + 4 * BATCH]
        fill_words(words, first + start // 4, dropout.state)
        _keep(x_part, words, dropout.threshold, dropout.scale, y_part)


def state(key, first):
    words = key.step | first << 32, key.stream, key.seed & 0xFFFFFFFF, key.seed >> 32
    return State(*map(np.uint64, words))


def dropping(rate, key, shape) -> Dropout:
    """The dropout of an array of this shape."""
    if not rate:
        return NO_DROPOUT
    drawn = state(key, key.row and key.first(shape))
    return Dropout(True, np.uint64(round(rate * 2**32)), np.float32(1 / (1 - rate)), drawn)


def philox(n, key):
    words, blocks = empty(((n + 3) // 4 * 4,), np.uint32), block_count(n)
    _philox(blocks, words, state(key, key.row), blocks)
    return words[:n]


def dropout(x, *, rate, key):
    x = np.ascontiguousarray(x, np.float32)
    y, blocks = empty(x.shape), block_count(x.size)
    _dropout(blocks, x.reshape(-1), y.reshape(-1), dropping(rate, key, x.shape), blocks)
    return y
