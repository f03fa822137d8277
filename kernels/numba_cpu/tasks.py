"""Tasks for threads that are not equally fast: each begins with a share of its own, and then helps the others.

      thread 0    [ 0  1  2  3  4 ]            in order: what lies side by side is worked on by one core,
      thread 1    [ 5  6  7  8  9 ]            and a task can fetch what the next one will read
                             ^
                  taken by thread 0, which has done its own while the other core was busy with something else

Why: OpenMP gives each thread its part of a loop and waits for the slower one. On a machine that is shared one core is
often a fifth slower than the other, and beside one more process half as fast.

      for own in prange(len(counters)):            # one turn per thread
          for task in taken(counters, own, tasks):
              ...                                  # results are the task's, scratch memory is number `own`

A result must not depend on who computed it: sums are kept per task and added up in the order of the tasks.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from .activation import INNER

LINE = 8  # integers of a cache line: each counter has one to itself


def untaken(threads: int) -> np.ndarray:
    """Counters, how often each thread's share has been asked for a task: never."""
    return np.zeros((threads, LINE), np.int64)


@intrinsic
def _count(typingctx, counters, share):
    """counters[share, 0] += 1, atomically; the value before."""

    def codegen(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [builder.mul(arguments[1], ir.Constant(ir.IntType(64), LINE))])
        return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(types.Array(types.int64, 2, "C"), types.int64), codegen


@njit(**INNER)
def taken(counters, own, tasks):
    """Tasks of 0..tasks-1 that nobody else takes, one after the other: those of thread number `own`'s share first."""
    threads = len(counters)
    for k in range(threads):
        share = (own + k) % threads
        start, end = share * tasks // threads, (share + 1) * tasks // threads
        task = start + _count(counters, share)
        while task < end:
            yield task
            task = start + _count(counters, share)
