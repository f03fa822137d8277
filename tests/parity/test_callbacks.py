"""ReduceLROnPlateau and EarlyStopping against Keras's own on random metrics: their state after every epoch."""

import itertools
import math

import numpy as np
import pytest

import minicnn as mc

from .callback_trace import play

pytestmark = pytest.mark.parity

MONITORS = {"val_loss": "auto", "loss": "min", "val_accuracy": "auto", "accuracy": "max"}


def sequences(seed):
    """20 sequences of 25 epochs: noise, slow progress, plateaus with ties, jumps, now and then a NaN or infinity."""
    rng = np.random.default_rng(seed)
    for i in range(20):
        values = 1 + 0.3 * rng.standard_normal(25).cumsum() * rng.choice([0.05, 0.3]) - 0.01 * np.arange(25)
        if i % 3 == 0:
            values = values.round(1)  # ties
        if i % 5 == 4:
            values[rng.integers(0, 25, 2)] = rng.choice([math.nan, math.inf, -math.inf])
        yield [float(v) for v in values], rng


def compare(keras64, name, options, values):
    epochs = [{options["monitor"]: v} for v in values]
    header, _ = keras64("trace", name=name, options=options, epochs=epochs, learning_rate=0.5)
    mine, theirs = play(mc, name, options, epochs, 0.5), header["trace"]
    assert len(mine["rows"]) == len(theirs["rows"])
    for epoch, (a, b) in enumerate(zip(mine["rows"], theirs["rows"], strict=True)):
        assert [v is None for v in a] == [v is None for v in b], f"epoch {epoch} of {options} {values}"
        a, b = ([v for v in row if v is not None] for row in (a, b))
        assert a == pytest.approx(b, rel=1e-12, nan_ok=True), f"epoch {epoch} of {options} {values}"
    assert (mine["weight"], mine["best_epoch"]) == (theirs["weight"], theirs["best_epoch"]), f"{options} {values}"
    return theirs["rows"]


def test_reduce_lr_on_plateau(keras64):
    cut, monitors = 0, itertools.cycle(MONITORS.items())
    for values, rng in sequences(1):
        monitor, mode = next(monitors)
        options = {"monitor": monitor, "mode": mode, "factor": float(rng.choice([0.1, 0.5])),
                   "patience": int(rng.integers(0, 4)), "cooldown": int(rng.integers(0, 3)),
                   "min_delta": float(rng.choice([0, 1e-4, 0.05])), "min_lr": float(rng.choice([0, 0.1]))}  # fmt: skip
        rows = compare(keras64, "ReduceLROnPlateau", options, values)
        cut += rows[-1][0] < 0.5
    assert cut >= 10  # most sequences do lower the rate


def test_early_stopping(keras64):
    stopped, monitors = 0, itertools.cycle(MONITORS.items())
    for values, rng in sequences(2):
        monitor, mode = next(monitors)
        options = {"monitor": monitor, "mode": mode, "patience": int(rng.integers(0, 6)),
                   "min_delta": float(rng.choice([0, 0.05])), "baseline": [None, 0.9][int(rng.integers(0, 2))],
                   "restore_best_weights": bool(rng.integers(0, 2)),
                   "start_from_epoch": int(rng.integers(0, 4))}  # fmt: skip
        rows = compare(keras64, "EarlyStopping", options, values)
        stopped += rows[-1][4]
    assert 5 <= stopped < 20
