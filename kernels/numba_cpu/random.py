"""Philox4x32-10 and dropout: counted random words, made where they are used.

Why it is fast: as many counters as a vector has 64-bit lanes go through the ten rounds together, in registers, as
vectors of 32 x 32 -> 64 bit products; LLVM finds them neither in a loop over rounds nor in ten rounds written out.
Dropout makes 1024 words at a time, all in the L1 cache: memory sees x once and y once, and no mask.

Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .activation import block_count
from .emit import I32, I64
from .jit import inner
from .memory import empty
from .simd import LANES
from .tasks import parallel, parallel_for

ROUNDS = 10
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
KEY_STEPS = 0x9E3779B9, 0xBB67AE85
LOW = 0xFFFFFFFF
COUNTERS = LANES // 2  # that go through the rounds together; four words come of each
BATCH = 256  # counters per piece of a dropout


@intrinsic
def _philox_vector(typingctx, words, i, counter, step, stream, k0, k1):
    """words[i : i + 4*COUNTERS] = the words of the counters from `counter` on.  Flat uint32; the rest uint64."""
    wide, flat = ir.VectorType(I64, COUNTERS), types.uint32[::1]

    def codegen(context, builder, signature, arguments):
        words, i, counter, step, stream, *key = arguments

        def constant(*numbers):
            return ir.Constant(wide, list(numbers) if len(numbers) > 1 else [*numbers] * COUNTERS)

        def shuffled(a, b, lanes):
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(lanes)), list(lanes)))

        def splat(number):
            undefined = ir.Constant(wide, ir.Undefined)
            return shuffled(builder.insert_element(undefined, number, I32(0)), undefined, [0] * COUNTERS)

        c = [builder.add(splat(counter), ir.Constant(wide, list(range(COUNTERS)))), splat(step), splat(stream)]
        c.append(constant(0))
        for _ in range(ROUNDS):  # the upper halves of c and key hold anything: only lower ones are multiplied and kept
            factors = [builder.and_(c[n], constant(LOW)) for n in (0, 2)]
            low = [builder.mul(constant(m), factor) for m, factor in zip(MULTIPLIERS, factors, strict=True)]
            high = [builder.lshr(product, constant(32)) for product in low]
            c = [
                builder.xor(builder.xor(high[1], c[1]), splat(key[0])), low[1],
                builder.xor(builder.xor(high[0], c[3]), splat(key[1])), low[0],
            ]  # fmt: skip
            key = [builder.add(k, I64(w)) for k, w in zip(key, KEY_STEPS, strict=True)]
        c = [builder.trunc(x, ir.VectorType(I32, COUNTERS)) for x in c]
        halves = [shuffled(*c[n : n + 2], range(2 * COUNTERS)) for n in (0, 2)]
        turned = shuffled(*halves, [word * COUNTERS + k for k in range(COUNTERS) for word in range(4)])
        start = builder.gep(context.make_array(flat)(context, builder, words).data, [i])
        builder.store(turned, builder.bitcast(start, turned.type.as_pointer()), align=4)
        return context.get_dummy_value()

    number = types.uint64
    return types.void(flat, types.int64, *[number] * 5), codegen


@inner
def fill_words(words, first, step, stream, k0, k1):
    """words (flat, four per counter) = those of the counters from `first` on, after those that `state` leaves out."""
    first += np.int64(step >> np.uint64(32))
    whole = words.size // (4 * COUNTERS) * COUNTERS
    for k in range(0, whole, COUNTERS):
        _philox_vector(words, 4 * k, np.uint64(first + k), step, stream, k0, k1)
    if 4 * whole < words.size:
        rest, last = words[4 * whole :], np.empty(4 * COUNTERS, np.uint32)
        _philox_vector(last, 0, np.uint64(first + whole), step, stream, k0, k1)
        for i in range(rest.size):
            rest[i] = last[i]


@inner
def _philox_block(k, thread, words, blocks, step, stream, k0, k1):
    n = words.size // 4
    first, end = k * n // blocks, (k + 1) * n // blocks
    fill_words(words[4 * first : 4 * end], first, step, stream, k0, k1)


@parallel
def _philox(words, blocks, step, stream, k0, k1):
    parallel_for(_philox_block, blocks, (words, blocks, step, stream, k0, k1))


@inner
def _keep(x, words, threshold, scale, y):
    for i in range(x.size):
        y[i] = x[i] * scale if words[i] >= threshold else np.float32(0)


@inner
def _dropout_block(k, thread, x, y, blocks, threshold, scale, step, stream, k0, k1):
    batches, words = (x.size + 4 * BATCH - 1) // (4 * BATCH), np.empty(4 * BATCH, np.uint32)
    first, end = k * batches // blocks * BATCH, (k + 1) * batches // blocks * BATCH  # counters
    part = slice(4 * first, 4 * end)
    x, y = x[part], y[part]
    for start in range(0, x.size, 4 * BATCH):
        x_part, y_part = x[start : start + 4 * BATCH], y[start : start + 4 * BATCH]
        fill_words(words, first + start // 4, step, stream, k0, k1)
        _keep(x_part, words, threshold, scale, y_part)


@parallel
def _dropout(x, y, blocks, threshold, scale, step, stream, k0, k1):
    parallel_for(_dropout_block, blocks, (x, y, blocks, threshold, scale, step, stream, k0, k1))


def state(key, first):
    """A key as the last arguments of the functions above: the upper half of the step is the block to begin with."""
    words = key.step | first << 32, key.stream, key.seed & 0xFFFFFFFF, key.seed >> 32
    return tuple(map(np.uint64, words))


def philox(n, key):
    words = empty(((n + 3) // 4 * 4,), np.uint32)
    _philox(words, block_count(n), *state(key, key.row))
    return words[:n]


def dropout(x, *, rate, key):
    x = np.ascontiguousarray(x, np.float32)
    y = empty(x.shape)
    threshold, scale = np.uint64(round(rate * 2**32)), np.float32(1 / (1 - rate))
    words = state(key, key.row and key.first(x.shape))
    _dropout(x.reshape(-1), y.reshape(-1), block_count(x.size), threshold, scale, *words)
    return y
