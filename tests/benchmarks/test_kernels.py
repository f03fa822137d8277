"""The per-kernel table counts what it says, the pool's statistics are true, and all rungs of the ladder agree."""

import numpy as np
import pytest

import minicnn
from minicnn.kernels.numba_cpu.runtime import memory
from tests.benchmarks import program


@pytest.fixture
def kernels(monkeypatch):
    return program("kernels", monkeypatch)


def test_work_of_products_and_passes(kernels):
    def f(*shape):
        return np.zeros(shape, np.float32)

    x, w, y = f(2, 7, 9, 3), f(5, 3, 3, 4), f(2, 3, 7, 4)
    flops = ("FLOP", 2 * (2 * 3 * 7) * (5 * 3 * 3 * 4))  # every output pixel meets every weight once
    assert kernels.work("conv2d", (x, w, None), y) == flops
    assert kernels.work("conv2d", (x, w, None), (y, f(4), f(4))) == flops  # with batch-norm statistics
    assert kernels.work("conv2d_input_grad", (y, w, x.shape), x) == flops
    assert kernels.work("conv2d_weight_grad", (x, y, w.shape), w) == flops
    normed = y, y, (f(4), f(4), f(4), 1e-3, -1), x, w.shape
    assert kernels.work("batch_norm_conv2d_weight_grad", normed, (w, f(4), f(4), f(4))) == flops
    assert kernels.work("batch_norm_conv2d_weight_grad", (f(2, 1, 3, 4), *normed[1:]), (w, f(4), f(4), f(4))) == flops
    pooled = f(2, 1, 3, 4)  # of 2 x 6 pixels
    flops = 2 * (2 * 2 * 6) * (5 * 3 * 3 * 4)
    assert kernels.work("conv2d_max_pool", (x, w, None), (pooled, pooled)) == ("FLOP", flops)
    given = pooled, pooled, pooled, x, w
    assert kernels.work("conv2d_max_pool_grad", given, (x, w, f(4))) == ("FLOP", 2 * flops)
    assert kernels.work("conv2d_max_pool_grad", given, (None, w, f(4))) == ("FLOP", flops)
    a, b, c = f(2, 5), f(5, 7), f(2, 7)
    assert kernels.work("dense", (a, b, f(7)), c) == ("FLOP", 140)
    assert kernels.work("dense_input_grad", (c, b), a) == ("FLOP", 140)
    assert kernels.work("dense_weight_grad", (a, c), b) == ("FLOP", 140)
    assert kernels.work("relu", (a,), a) == ("bytes", 80)
    assert kernels.work("adam_step", (a, a, (a, a, None)), None) == ("bytes", 7 * 40)  # g once, p, m, v twice


def test_table_takes_medians_and_the_ceiling_that_binds(kernels):
    steps = [[("conv2d", (1,), "FLOP", 100, t), ("relu", (1,), "bytes", 10, t)] for t in (1.0, 2.0, 9.0)]
    first, second = kernels.table(steps, {"flops": 200, "cached_bytes": 10, "memory_bytes": 1})
    assert (first["seconds"], first["rate"], first["of_ceiling"]) == (2, 50, 0.25)
    assert (second["rate"], second["of_ceiling"]) == (5, 0.5)
    with pytest.raises(AssertionError, match="the same calls in every step"):
        kernels.table([steps[0], steps[1][::-1]], {})


def test_a_log_sees_every_kernel_of_a_step(kernels):
    model = minicnn.Sequential(
        [minicnn.Input((6, 6, 1)), minicnn.layers.Conv2D(2, 3, activation="relu"), minicnn.layers.Flatten(),
         minicnn.layers.Dense(10, activation="softmax")],
        seed=1, kernels="numpy_ref",
    )  # fmt: skip
    model.compile("sgd", "categorical_crossentropy")
    log = kernels.Log(model.backend)
    model.train_on_batch(np.ones((3, 6, 6, 1), np.float32), np.eye(10, dtype=np.float32)[:3])
    called = [call[0] for call in log.calls]
    assert called[0] == "conv2d"
    assert {"conv2d_weight_grad", "dense", "dense_input_grad", "dense_weight_grad", "sgd_step"} <= set(called)
    assert log.calls[0][1:4] == ((3, 6, 6, 1), "FLOP", 2 * 3 * 16 * 9 * 2)
    assert all(call[4] > 0 for call in log.calls)


def test_the_pool_counts_what_it_asks_for():
    shape = (123, 4567)
    memory.release()  # what other tests have left of that size
    before = memory.statistics()
    first = memory.empty(shape)
    made = memory.statistics()
    assert made.fresh == before.fresh + 1
    assert made.fresh_bytes >= before.fresh_bytes + first.nbytes
    del first
    again = memory.empty(shape)
    assert memory.statistics() == made
    second = memory.empty(shape)  # while `again` is still alive
    assert memory.statistics().fresh == made.fresh + 1
    del again, second


def test_every_rung_computes_the_same_convolution(monkeypatch):
    ladder = program("ladder", monkeypatch)
    monkeypatch.setattr(ladder, "N", 2)
    monkeypatch.setattr(ladder, "SIZE", 8)
    monkeypatch.setattr(ladder, "CHANNELS", 3)
    monkeypatch.setattr(ladder, "FILTERS", 4)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 8, 8, 3), dtype=np.float32)
    w = rng.standard_normal((5, 5, 3, 4), dtype=np.float32)
    found = [function() for _, _, function, _, _ in ladder.rungs(x, w)]
    assert len(found) == 6
    for y in found[1:]:
        np.testing.assert_allclose(y, found[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[0], found[1][:1], rtol=1e-4, atol=1e-4)


def test_durations_in_the_picture(monkeypatch):
    duration = program("ladder", monkeypatch).duration
    assert [duration(s) for s in (500, 1.46, 0.02, 0.00552)] == ["8 min", "1.5 s", "20 ms", "5.52 ms"]
