"""The pool of buffers: memory comes back, only after its last array is gone, and lies where vectors want it."""

import gc
import resource
import sys
import threading

import numpy as np
import pytest

from minicnn.kernels.numba_cpu.codegen.microkernel import LANES, LINE
from minicnn.kernels.numba_cpu.runtime import memory

MB = 1 << 20


@pytest.fixture(autouse=True)
def _fresh_pool(monkeypatch):
    monkeypatch.setattr(memory, "_buffers", {})
    monkeypatch.setattr(memory, "_scratch", [])
    monkeypatch.setattr(memory, "_room", 0)


def address(array):
    return array.__array_interface__["data"][0]


def test_a_dead_arrays_memory_serves_the_next_of_its_size():
    first = memory.empty((512, 1024))
    where = address(first)
    del first
    assert address(memory.empty((512, 1024))) == where
    assert address(memory.empty((1024, 512))) == where, "the size counts, not the shape"
    assert address(memory.empty((1024, 256), np.float64)) == where, "nor the type"


def test_two_living_arrays_never_share():
    arrays = [memory.empty((100_000,)) for _ in range(8)]
    for k, array in enumerate(arrays):
        array[:] = k
    assert [float(array.min()) for array in arrays] == [float(array.max()) for array in arrays] == list(range(8))


def test_a_view_keeps_the_buffer():
    view = memory.empty((64, 4096))[3:5].reshape(-1)
    gc.collect()
    view[:] = 7
    other = memory.empty((64, 4096))
    other[:] = 1
    assert not np.shares_memory(view, other)
    assert (view == 7).all()


def test_steady_state_takes_no_page_faults():
    def step():
        y = memory.empty((64 * MB,), np.uint8)  # above 32 MB malloc always asks the operating system
        y[:: resource.getpagesize()] = 1

    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        step()
    pooled = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    memory.release()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        step()
        memory.release()  # what a step without the pool does
    fresh = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert pooled < 20  # less than one a step
    assert fresh >= 20, "the control: without the pool every step faults"


def test_large_arrays_are_aligned_and_contiguous():
    for shape in ((9000,), (33, 41, 17), (2, 3, 5, 7, 311)):
        array = memory.empty(shape)
        assert address(array) % memory.ALIGNMENT == 0
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.shape == shape
        assert array.dtype == np.float32


def test_scratch_arrays_share_a_buffer_that_the_next_call_takes_again():
    sizes = (3, 1000), (1, 17), (2, 0), (4, 16)
    arrays = memory.scratch(*sizes)
    for (lines, floats), array in zip(sizes, arrays, strict=True):
        assert len(array) == lines
        assert floats <= array.shape[1] < floats + 16
        assert all(address(line) % memory.ALIGNMENT == 0 for line in array if line.size)
    for k, array in enumerate(arrays):
        array[:] = k
    assert [set(array.ravel()) for array in arrays] == [{0}, {1}, set(), {3}], "none overlaps another"
    where = address(arrays[0])
    others = memory.scratch((5, 100))
    others[0][:] = 7
    assert [set(array.ravel()) for array in arrays] == [{0}, {1}, set(), {3}], "two calls at a time are apart"
    assert len(memory._scratch) == 2
    del array, arrays
    assert address(memory.scratch((5, 100))[0]) == where, "the next call takes the first idle one, where it is enough"
    memory.scratch((1, MB))
    before = memory.statistics()
    for size in ((1, 10), (1, MB), (2, 300)):
        memory.scratch(size)
    assert memory.statistics() == before, "the largest so far serves all"
    assert len(memory._scratch) == 2, "and has replaced the smaller one"
    memory.release()
    assert [raw is others[0].base for raw, _ in memory._scratch] == [True], "idle ones go"


def test_a_threads_own_lines_lie_in_the_same_place_for_every_kernel():
    o = memory.OWN
    memory.scratch((3, 2000, o), (3, 500, o))  # the largest so far: from here on nothing moves
    place, fresh = address(memory.scratch((3, 10, o))[0]), memory.statistics().fresh
    rooms = []
    for sizes in (((3, 2000, o), (3, 500, o)), ((1, 700), (3, 1000, o), (8, 40), (3, 0, o), (3, 17, o))):
        arrays = memory.scratch(*sizes)
        for k, ((lines, floats, *_), array) in enumerate(zip(sizes, arrays, strict=True)):
            assert len(array) == lines
            assert array.shape[1] >= floats
            assert array.flags.c_contiguous, "what compiled functions take"
            array[:, :floats] = k
        for k, ((_, floats, *_), array) in enumerate(zip(sizes, arrays, strict=True)):
            assert (array[:, :floats] == k).all(), "none overlaps another"
        mine = [(a, floats) for a, (_, floats, *own) in zip(arrays, sizes, strict=True) if own and floats]
        (first, _), (last, length) = mine[0], mine[-1]
        assert address(first) == place
        rooms.append([address(line) for line in first])
        ends = [address(line) + 4 * length for line in last]
        assert all(end <= start for end, start in zip(ends[:-1], rooms[-1][1:], strict=True)), "threads are apart"
        del arrays, array, mine, first, last
    assert rooms[0] == rooms[1]
    assert memory.statistics().fresh <= fresh + 1, "what is shared may need one larger buffer"


def test_a_request_that_cannot_be_met_changes_nothing_for_the_next():
    with pytest.raises(MemoryError):
        memory.scratch((1 << 20, 1 << 28))
    assert memory.scratch((2, 1000))[0].shape == (2, 1008)
    assert sum(raw.size for raw, _ in memory._scratch) < MB


@pytest.mark.parametrize("shape", [(0,), (0, 28, 28, 32), (3, 0), ()])
def test_empty_and_scalar_shapes(shape):
    assert memory.empty(shape).shape == shape


def test_size_class_holds_the_request_and_wastes_little():
    sizes = [*range(1, 3000), *(int(1.37**k) for k in range(1, 90))]
    for nbytes in sizes:
        size = memory.size_class(nbytes)
        assert nbytes <= size < 1.34 * nbytes + 1
        assert memory.size_class(size) == size, "a class is its own class"
        assert size >> max(size.bit_length() - 3, 0) << max(size.bit_length() - 3, 0) == size, "three significant bits"
    ordered = sorted(sizes)
    assert [memory.size_class(n) for n in ordered] == sorted(memory.size_class(n) for n in ordered)


def test_flat_copies_only_what_compiled_functions_cannot_take():
    good = np.zeros((3, 4), np.float32)
    assert np.shares_memory(*memory.flats(good), good)
    locked = good.copy()
    locked.flags.writeable = False
    for other in (good.T, good.astype(np.float64), locked, [[1.0, 2.0]], good[:, 1:]):
        (array,) = memory.flats(other)
        assert array.dtype == np.float32
        assert array.flags.carray
        assert np.array_equal(array, np.asarray(other).reshape(-1))


def test_only_large_arrays_of_whole_cache_lines_are_written_past_the_caches():
    large = memory.empty((1 << 15, 32))
    assert memory.past_caches(large, 32) == (LANES == LINE)
    assert not memory.past_caches(large, 33)
    assert not memory.past_caches(large[:-1], 32), "smaller than the caches"
    shifted = memory.empty(((1 << 20) + 33,))[1:]
    assert not memory.past_caches(shifted, 32), "its rows do not begin with a cache line"


def test_release_forgets_idle_buffers_and_spares_living_ones():
    living, dead = memory.empty((MB,)), memory.empty((MB,))
    living[:] = 3
    del dead
    memory.release()
    other = memory.empty((MB,))
    other[:] = 4
    assert (living == 3).all()


def test_the_pool_keeps_no_more_than_its_limit(monkeypatch):
    monkeypatch.setattr(memory, "KEPT", 3 * MB)
    arrays = [memory.empty((MB,), np.uint8) for _ in range(8)]
    assert memory._pooled() <= 3 * MB
    del arrays
    assert memory.empty((4 * MB,), np.uint8).size == 4 * MB
    assert memory._pooled() <= 3 * MB


@pytest.mark.parametrize("lent", [False, True])
def test_buffers_that_nobody_asks_for_make_room(monkeypatch, lent):
    monkeypatch.setattr(memory, "KEPT", 6 * MB)
    others = [memory.empty((MB,), np.uint8) for _ in range(5)]
    if not lent:
        others = None
    for _ in range(100):
        memory.empty((2 * MB,), np.uint8)
    before = memory.statistics().fresh
    for _ in range(10):
        memory.empty((2 * MB,), np.uint8)
    assert memory.statistics().fresh == before
    assert others is None or not any(np.shares_memory(array, memory.empty((MB,), np.uint8)) for array in others)


def test_a_step_slightly_above_the_limit_finds_most_of_its_buffers(monkeypatch):
    monkeypatch.setattr(memory, "KEPT", 45 * MB)

    def step():
        arrays = [memory.empty(((4 + k) * MB,), np.uint8) for k in range(7)]  # 49 MB, and with size classes 52
        while arrays:
            arrays.pop()

    for _ in range(20):
        step()
    before = memory.statistics().fresh_bytes
    for _ in range(20):
        step()
    assert memory.statistics().fresh_bytes - before < 20 * 25 * MB


def test_a_python_that_counts_differently_lends_nothing_twice(monkeypatch):
    monkeypatch.setattr(memory, "getrefcount", lambda raw: sys.getrefcount(raw) - 2)  # the wrapper's own, and one less
    assert memory._references() == 0
    monkeypatch.undo()
    assert memory._references() == memory.IDLE == 3


def test_threads_do_not_share_living_buffers():
    clashes = []

    def work(mark):
        for k in range(300):
            arrays = [memory.empty((20_000 + 100 * (k % 7),)) for _ in range(3)]
            arrays += memory.scratch((mark, 300 + 50 * (k % 11)), (1, 20 * k))
            for array in arrays:
                array[:] = mark
            clashes.extend(1 for array in arrays if not (array == mark).all())

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not clashes
