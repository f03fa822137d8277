"""Tasks are taken once each, in order, and those of a thread that is slow by one that is done."""

import numpy as np
import pytest
from numba import njit, prange

from minicnn.kernels.numba_cpu.tasks import taken, untaken


@njit(parallel=True)
def run(counters, tasks, times, by):
    """Write down how often and by whom every task is done."""
    for t in prange(len(counters)):
        for task in taken(counters, t, tasks):
            times[task] += 1
            by[task] = t


@njit
def first(counters, own, tasks):
    for task in taken(counters, own, tasks):
        return task


@njit
def rest(counters, own, tasks):
    return [task for task in taken(counters, own, tasks)]


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("tasks", [0, 1, 2, 7, 100_000])
def test_every_task_is_taken_once(threads, tasks):
    times, by = np.zeros(tasks, np.int64), np.full(tasks, -1)
    run(untaken(threads), tasks, times, by)
    assert (times == 1).all()
    assert by.min(initial=0) >= 0
    assert by.max(initial=0) < threads


def test_a_thread_does_its_share_in_order_and_then_helps_the_others():
    c = untaken(3)
    assert first(c, 0, 10) == 0, "then this thread is slow"
    assert rest(c, 1, 10) == [3, 4, 5, 6, 7, 8, 9, 1, 2]
    assert [rest(c, 0, 10), rest(c, 2, 10)] == [[], []]


def test_two_threads_cannot_take_the_same_task():
    """Whether they would, no test that runs them shows reliably; the instruction says it."""
    rest(untaken(1), 0, 1)
    (code,) = rest.inspect_llvm().values()
    assert "atomicrmw add" in code
