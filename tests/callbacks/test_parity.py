"""The same random runs through our callbacks and Keras's: equal learning rates, stops and restored weights."""

import os
import random

import pytest

from minicnn.callbacks import EarlyStopping, ReduceLROnPlateau

from .fake_model import FakeModel

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


def run(callback, values):
    """What happened in each epoch. Values are multiples of 1/8, so that float32 and float64 compare alike."""
    model = FakeModel(learning_rate=1.0)
    callback.set_params({"verbose": 0, "epochs": len(values), "steps": 1})
    callback.set_model(model)
    callback.on_train_begin()
    seen = []
    for epoch, value in enumerate(values):
        model.weights = [epoch]
        callback.on_epoch_end(epoch, {} if value is None else {"val_loss": value})
        seen.append((model.optimizer.learning_rate, callback.wait, callback.best))
        if model.stop_training:
            break
    callback.on_train_end()
    return seen, model.weights, model.stop_training


def cases(options, seed):
    rng = random.Random(seed)
    for _ in range(60):
        values = [rng.choice([rng.randrange(1, 12) / 8] * 12 + [None]) for _ in range(14)]
        yield {name: rng.choice(choices) for name, choices in options.items()}, values


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_reduce_lr_on_plateau(keras):
    options = {
        "mode": ["min", "max"],
        "factor": [0.5, 0.25],
        "patience": [0, 1, 2, 3],
        "min_delta": [0, 0.125, -0.25],
        "cooldown": [0, 1, 2],
        "min_lr": [0, 0.125],
    }
    for chosen, values in cases(options, 1):
        ours, theirs = ReduceLROnPlateau(**chosen), keras.callbacks.ReduceLROnPlateau(**chosen)
        assert run(ours, values) == run(theirs, values), (chosen, values)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_early_stopping(keras):
    options = {
        "mode": ["min", "max"],
        "patience": [0, 1, 2, 4],
        "min_delta": [0, 0.125],
        "baseline": [None, 0.5, 1.0],
        "restore_best_weights": [True, False],
        "start_from_epoch": [0, 0, 2],
    }
    for chosen, values in cases(options, 2):
        ours, theirs = EarlyStopping(**chosen), keras.callbacks.EarlyStopping(**chosen)
        assert run(ours, values) == run(theirs, values), (chosen, values)
