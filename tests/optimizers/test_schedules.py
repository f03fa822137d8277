"""Schedules: golden values of Keras 3.15.1 (JAX), what they refuse, and their way through both kinds of files."""

import numpy as np
import pytest

import minicnn as mc
from minicnn.optimizers import schedules as S

STEPS = (0, 1, 4, 11, 25)
GOLDEN = [
    (S.ExponentialDecay(0.1, 7, 0.9), (0.1, 0.09850612, 0.09415706, 0.08474135, 0.06864049)),
    (S.ExponentialDecay(0.1, 7, 0.9, staircase=True), (0.1, 0.1, 0.1, 0.09, 0.07289999)),
    (S.InverseTimeDecay(0.1, 7, 0.5), (0.1, 0.09333334, 0.07777778, 0.056, 0.03589744)),
    (S.InverseTimeDecay(0.1, 7, 0.5, staircase=True), (0.1, 0.1, 0.1, 0.06666667, 0.04)),
    (S.PiecewiseConstantDecay([3, 10], [1.0, 0.5, 0.1]), (1.0, 1.0, 0.5, 0.1, 0.1)),
    (S.PolynomialDecay(0.1, 10, power=2.0), (0.1, 0.081019, 0.036064, 0.0001, 0.0001)),
    (S.PolynomialDecay(0.1, 10, cycle=True), (0.1, 0.09001, 0.06004, 0.045055, 0.01675)),
    (S.CosineDecay(0.1, 10, alpha=0.1), (0.1, 0.09779754, 0.06890576, 0.01, 0.01)),
    (S.CosineDecay(0.0, 10, warmup_target=0.2, warmup_steps=5), (0.0, 0.04, 0.16, 0.06909829, 0.0)),
    (S.CosineDecayRestarts(0.1, 6), (0.1, 0.09330127, 0.025, 0.06294095, 0.08043808)),
    (S.CosineDecayRestarts(0.1, 6, t_mul=1.0, m_mul=0.5, alpha=0.1), (0.1, 0.09397115, 0.0325, 0.01301443, 0.0152482)),
    (S.CosineDecayRestarts(0.1, 5, t_mul=1.5, m_mul=0.8), (0.1, 0.09045085, 0.009549147, 0.007639313, 0.05050996)),
]
IDS = [f"{i}-{type(schedule).__name__}" for i, (schedule, _) in enumerate(GOLDEN)]


@pytest.mark.parametrize(("schedule", "expected"), GOLDEN, ids=IDS)
def test_golden_values(schedule, expected):
    np.testing.assert_allclose([schedule(step) for step in STEPS], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("schedule", "expected"), GOLDEN, ids=IDS)
@pytest.mark.parametrize("name", ["m.minicnn", "m.keras"])
def test_a_saved_optimizer_keeps_its_schedule(tmp_path, schedule, expected, name):
    if name.endswith(".keras"):
        pytest.importorskip("h5py")
    model = mc.Sequential([mc.layers.Input((3,)), mc.layers.Dense(1)], seed=1)
    model.compile(mc.optimizers.Adam(schedule), "mse")
    model.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
    model.save(tmp_path / name)
    loaded = mc.load_model(tmp_path / name)
    assert type(loaded.optimizer.schedule) is type(schedule)
    assert loaded.optimizer.schedule.get_config() == schedule.get_config()
    assert loaded.optimizer.learning_rate == schedule(1)


CYCLES = [
    (S.OneCycle(0.1, 11, pct_start=3 / 11), (0.004, 0.052, 0.08535540, 4e-7, 4e-7)),
    (S.OneCycle(0.1, 11, 3 / 11, "linear"), (0.004, 0.052, 0.0750001, 4e-7, 4e-7)),
    (S.OneCycle(0.1, 5, 1.0, div_factor=10.0, final_div_factor=1.0), (0.01, 0.02318019, 0.01, 0.01, 0.01)),
    (S.OneCycle(0.2, 5, 0.2, "linear", 2, 10), (0.2, 0.1525, 0.01, 0.01, 0.01)),
]


@pytest.mark.parametrize(("schedule", "expected"), CYCLES)
def test_one_cycle(tmp_path, schedule, expected):
    np.testing.assert_allclose([schedule(step) for step in STEPS], expected, rtol=1e-6, atol=1e-9)
    again = type(schedule).from_config(schedule.get_config())
    assert [again(step) for step in range(30)] == [schedule(step) for step in range(30)]
    model = mc.Sequential([mc.layers.Input((3,)), mc.layers.Dense(1)], seed=1)
    model.compile(mc.optimizers.Adam(schedule), "mse")
    model.save(tmp_path / "m.minicnn")
    assert mc.load_model(tmp_path / "m.minicnn").optimizer.schedule.get_config() == schedule.get_config()
    pytest.importorskip("h5py")
    with pytest.raises(ValueError, match="expected a schedule that Keras has, received OneCycle"):
        model.save(tmp_path / "m.keras")


class Half(S.LearningRateSchedule):
    def __init__(self, start):
        self.start = start

    def __call__(self, step):
        return self.start / 2**step


def test_a_schedule_of_the_users_own(tmp_path):
    model = mc.Sequential([mc.layers.Input((3,)), mc.layers.Dense(1)], seed=1)
    model.compile(mc.optimizers.SGD(Half(0.5)), "mse")
    model.save(tmp_path / "m.minicnn")
    loaded = mc.load_model(tmp_path / "m.minicnn", custom_objects={"Half": Half})
    assert [loaded.optimizer.schedule(t) for t in range(3)] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: S.ExponentialDecay(0.1, 0, 0.9), ValueError, "decay_steps: expected a finite number above 0"),
        (lambda: S.ExponentialDecay("a", 1, 0.9), TypeError, "expected a finite number of at least 0, received 'a'"),
        (lambda: S.CosineDecay(float("nan"), 1), ValueError, "initial_learning_rate: expected a finite number"),
        (lambda: S.CosineDecay(-1, 1), ValueError, "initial_learning_rate: expected a finite number of at least 0"),
        (lambda: S.CosineDecayRestarts(0.1, 5, t_mul=0.5), ValueError, "t_mul: expected a finite number of at least 1"),
        (lambda: S.PiecewiseConstantDecay([3], [1.0]), ValueError, "expected 0 boundaries, one less than values"),
        (lambda: S.PiecewiseConstantDecay([3, 3], [1.0, 2, 3]), ValueError, "boundaries: expected rising numbers"),
        (lambda: S.PiecewiseConstantDecay(3, [1.0]), TypeError, "boundaries: expected a list of values, received 3"),
    ],
)
def test_what_schedules_refuse(make, error, words):
    with pytest.raises(error, match=words) as caught:
        make()
    assert isinstance(caught.value, mc.errors.MinicnnError)
