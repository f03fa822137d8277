"""What this machine can do at most: fused multiply-adds and memory traffic, from loops that do nothing else.

      FMA      s[i] = a * b + s[i]   for independent vectors s[i], more than hide an FMA's latency
      memory   y[k] = a x[k]         for arrays that a cache holds, and for arrays that none does

A kernel that reaches 1.0 of the first is limited by arithmetic, of the second by memory.
"""

import time

import numba
import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.extending import intrinsic

from minicnn.kernels.numba_cpu.codegen.microkernel import TILE

SUMS = 12  # independent vectors: an FMA takes 4 to 5 cycles, a CPU starts 2 per cycle; AVX2 has 16 registers
CACHED, LARGE = 1 << 21, 1 << 26  # floats: 8 MiB, one activation of network A's first block; 256 MiB


@intrinsic
def _multiply_add(typing_context, turns, a, b):
    """Sum of all lanes of all s after `turns` times s = a b + s.  2 * turns * SUMS * lanes operations."""

    def codegen(context, builder, signature, arguments):
        turns, *scalars = arguments
        vector = ir.VectorType(ir.FloatType(), TILE.lanes)
        name = f"llvm.{'fma' if TILE.fma else 'fmuladd'}.v{TILE.lanes}f32"
        fma = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(vector, [vector] * 3), name
        )
        a, b = (ir.Constant(vector, ir.Undefined) for _ in scalars)
        for lane in range(TILE.lanes):
            index = ir.Constant(ir.IntType(32), lane)
            a, b = builder.insert_element(a, scalars[0], index), builder.insert_element(b, scalars[1], index)
        before, loop = builder.block, builder.append_basic_block("loop")
        after = builder.append_basic_block("after")
        builder.branch(loop)
        builder.position_at_end(loop)
        turn, sums = builder.phi(turns.type), [builder.phi(vector) for _ in range(SUMS)]
        turn.add_incoming(ir.Constant(turns.type, 0), before)
        for i, s in enumerate(sums):
            s.add_incoming(ir.Constant(vector, [float(i)] * TILE.lanes), before)  # equal ones would be merged
            s.add_incoming(builder.call(fma, [a, b, s]), loop)
        following = builder.add(turn, ir.Constant(turns.type, 1))
        turn.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, turns), loop, after)
        builder.position_at_end(after)
        total = sums[0]
        for s in sums[1:]:
            total = builder.fadd(total, s)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(types.int64, types.float32, types.float32), codegen


@njit(parallel=True, cache=False)
def _burn(turns, found):
    for thread in prange(len(found)):
        found[thread] = _multiply_add(turns, np.float32(0.999), np.float32(1e-3))


@njit(parallel=True, cache=False)
def _scale(x, y, a):
    for k in prange(len(x)):
        y[k] = a * x[k]


def times(work, repeats: int) -> list[float]:
    """Seconds of each of `repeats` calls, after one that is not timed."""
    work()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def multiply_add(turns: int = 20_000) -> float:
    """FLOP/s of all threads together, at their best: what others do on the machine only takes from it."""
    found = np.zeros(16 * numba.get_num_threads(), np.float32)  # many: a thread that starts late does fewer
    return len(found) * 2 * turns * SUMS * TILE.lanes / min(times(lambda: _burn(turns, found), 20))


def bandwidth(floats: int) -> float:
    """Bytes per second, read and written (a write that first reads its cache line counts once)."""
    x, y = np.ones(floats, np.float32), np.zeros(floats, np.float32)
    return 2 * x.nbytes / min(times(lambda: _scale(x, y, np.float32(0.5)), 20))


def measure() -> dict:
    """FLOP/s, and bytes/s for arrays of 8 MiB and of 256 MiB."""
    return {"flops": multiply_add(), "cached_bytes": bandwidth(CACHED), "memory_bytes": bandwidth(LARGE),
            "threads": numba.get_num_threads(), "lanes": TILE.lanes}  # fmt: skip
