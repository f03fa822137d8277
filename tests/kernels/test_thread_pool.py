"""Every task is done once, a thread begins with its own share and in order, and then helps those that are slow."""

import ctypes
import re
import threading

import numba
import numpy as np
import pytest
from numba import njit

from minicnn.kernels.numba_cpu.codegen.jit import inner
from minicnn.kernels.numba_cpu.runtime.thread_pool import parallel, parallel_for
from tests.kernels.test_microkernel import run as outside


@inner
def write_down(k, thread, times, by):
    times[k] += 1
    by[k] = thread


@parallel
def run(tasks, times, by):
    parallel_for(write_down, tasks, (times, by))


@pytest.fixture
def threads():
    """A function that limits the threads, until the test's end."""
    before = numba.get_num_threads()
    yield lambda n: numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS)) or numba.get_num_threads()
    numba.set_num_threads(before)


@pytest.mark.parametrize("tasks", [0, 1, 2, 7, 100_000])
@pytest.mark.parametrize("most", [1, 2, 3, 8])
def test_every_task_is_done_once(threads, most, tasks):
    check(threads(most), tasks)


def check(most, tasks):
    times, by = np.zeros(tasks, np.int64), np.full(tasks, -1)
    run(tasks, times, by)
    assert (times == 1).all()
    assert by.min(initial=0) >= 0
    assert by.max(initial=0) < most
    assert numba.get_num_threads() == most, "the next loop has as many threads"


MORE = """
from tests.kernels.test_thread_pool import check
for tasks in (2, 3, 0, 1, 4, 5, 1000):
    check(4, tasks)
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_more_threads_than_tasks_and_cores(layer):
    outside(MORE, NUMBA_NUM_THREADS="4", NUMBA_THREADING_LAYER=layer)


def calling(work):
    """run(tasks): work(k, thread), a function in Python, for every task."""
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(work)
    numba.get_num_threads()  # starts them, as `parallel` does

    @inner
    def task(k, thread, nothing):
        call(k, thread)

    @njit(nogil=True)
    def run(tasks):
        parallel_for(task, tasks, (0,))

    return run


def test_one_thread_works_in_order(threads):
    threads(1)
    done = []
    calling(lambda k, thread: done.append((k, thread)))(5)
    assert done == [(k, 0) for k in range(5)]


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread has nobody to help")
def test_a_thread_that_is_done_helps_one_that_is_slow(threads):
    """Task 0 ends when the rest of its share is done, which only the other thread can do."""
    threads(2)
    done, helped = [], threading.Event()

    def work(k, thread):
        if k == 0:
            helped.wait(600)
        done.append((k, thread))
        if k == 4:
            helped.set()

    calling(work)(10)
    assert helped.is_set()
    by = dict(done)
    assert {by[k] for k in (1, 2, 3, 4)} == {1 - by[0]}
    for share in (range(5), range(5, 10)):
        assert [k for k, thread in done if k in share and thread != by[0]] in ([*share], [*share[1:]], [])


def test_two_threads_cannot_take_the_same_task():
    """Whether they would, no test that runs them shows reliably; the instruction says it."""
    run = calling(lambda k, thread: None)
    run(1)
    (code,) = run.inspect_llvm().values()
    (thread,) = re.findall(r'define [^\n]*\.thread"?\(.*?\n}', code, re.DOTALL)
    assert "atomicrmw add" in thread


@inner
def fail_at(k, thread, bad):
    if k == bad:
        raise ValueError("on a thread, nobody sees this")


@parallel
def fail(tasks, bad):
    parallel_for(fail_at, tasks, (bad,))


@pytest.mark.parametrize("most", [1, 2])
def test_a_task_that_fails_is_not_silent(threads, most):
    threads(most)
    fail(9, 9)
    with pytest.raises(RuntimeError, match="a kernel failed on one of its threads"):
        fail(9, 7)


@inner
def number(k, thread, nothing):
    return k


def test_a_task_that_returns_something_is_refused():
    @njit
    def run(tasks):
        parallel_for(number, tasks, (0,))

    with pytest.raises(numba.TypingError, match="a task that returns nothing, received one that returns int64"):
        run(1)
