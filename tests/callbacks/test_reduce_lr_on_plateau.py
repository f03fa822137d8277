import math

import pytest

from minicnn import notes
from minicnn.callbacks import ReduceLROnPlateau
from minicnn.errors import ArgumentError, ArgumentTypeError

from .fake_model import FakeModel, losses, play


def trace(callback, values, model=None, name="val_loss"):
    """Learning rate and wait after each epoch, and what was logged."""
    model = model or FakeModel()
    rates, waits = [], []

    def look(epoch):
        rates.append(model.optimizer.learning_rate)
        waits.append(callback.wait)

    play(callback, losses(*values, name=name), model, look)
    return rates, waits


def test_the_trace_of_keras():
    callback = ReduceLROnPlateau(factor=0.5, patience=2, min_delta=0.01, cooldown=1, min_lr=0.1)
    rates, waits = trace(callback, [1, 0.995, 0.992, 0.991, 0.98] + [0.979] * 9)
    assert rates == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.1, 0.1, 0.1, 0.1]
    assert waits == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 2, 3]


def test_without_cooldown_every_patience_epochs():
    rates, waits = trace(ReduceLROnPlateau(factor=0.5, patience=2), [1.0] * 6)
    assert rates == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert waits == [0, 1, 0, 1, 0, 1]


def test_cooldown_two_waits_from_the_second_epoch_on():
    # The counter goes down first: with cooldown 2 the epoch in which it reaches 0 counts as waiting already.
    rates, waits = trace(ReduceLROnPlateau(factor=0.5, patience=1, cooldown=2), [1.0] * 6)
    assert rates == [1, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert waits == [0, 0, 0, 0, 0, 0]


def test_mode_max_by_the_direction_of_the_metric():
    rates, _ = trace(ReduceLROnPlateau("val_accuracy", 0.5, patience=1), [0.5, 0.6, 0.6, 0.7], name="val_accuracy")
    assert rates == [1, 1, 0.5, 0.5]


def test_a_nan_first_value_is_never_beaten():
    rates, _ = trace(ReduceLROnPlateau(factor=0.5, patience=1), [math.nan, 0.5, 0.4])
    assert rates == [1, 0.5, 0.25]


def test_a_later_nan_is_no_improvement():
    rates, waits = trace(ReduceLROnPlateau(factor=0.5, patience=2), [1.0, math.nan, 0.5])
    assert (rates, waits) == ([1, 1, 1], [0, 1, 0])


def test_min_lr_is_compared_in_float32():
    model = FakeModel(learning_rate=2e-5)
    rates, waits = trace(ReduceLROnPlateau(factor=0.5, patience=1, min_lr=1e-5), [1.0] * 5, model)
    assert rates == [2e-5, 1e-5, 1e-5, 1e-5, 1e-5]
    assert waits == [0, 0, 1, 2, 3]


def test_it_logs_the_rate_used_in_the_epoch():
    logged = []
    callback = ReduceLROnPlateau(factor=0.5, patience=1)
    callback.set_model(FakeModel())
    callback.on_train_begin()
    for epoch in range(3):
        logs = {"val_loss": 1.0}
        callback.on_epoch_end(epoch, logs)
        logged.append(logs["learning_rate"])
    assert logged == [1.0, 1.0, 0.5]
    assert all(type(rate) is float for rate in logged)


def test_a_missing_monitor_warns_with_what_there_is_and_does_nothing():
    callback = ReduceLROnPlateau(patience=1)
    with pytest.warns(UserWarning, match=r"`val_loss` which is not available. Available metrics are: loss,learning_r"):
        model = play(callback, losses(1.0, 1.0, name="loss"))
    assert model.optimizer.learning_rate == 1.0


def test_state_starts_afresh_with_each_training():
    callback = ReduceLROnPlateau(factor=0.5, patience=2, cooldown=3)
    model = play(callback, losses(1.0, 1.0, 1.0))
    assert (callback.cooldown_counter, callback.best) == (3, 1.0)
    rates, waits = trace(callback, [5.0, 5.0], model)
    assert (rates, waits, callback.best) == ([0.5, 0.5], [0, 1], 5.0)


def test_the_message(capsys):
    play(ReduceLROnPlateau(factor=0.5, patience=1, verbose=1), losses(1.0, 1.0), FakeModel(learning_rate=0.001))
    assert capsys.readouterr().out == "Epoch 2: ReduceLROnPlateau reducing learning rate to 0.0005.\n"


@pytest.mark.parametrize("factor", [1.0, 2, -0.1])
def test_factor_must_reduce(factor):
    with pytest.raises(ArgumentError, match=r"^ReduceLROnPlateau: factor: expected a number from 0 to below 1"):
        ReduceLROnPlateau(factor=factor)


def test_the_old_name_of_min_delta_and_no_other(capsys, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    assert ReduceLROnPlateau(epsilon=0.25).min_delta == 0.25
    assert capsys.readouterr().err == "minicnn: ReduceLROnPlateau: epsilon= is the old name of min_delta=\n"
    with pytest.raises(ArgumentTypeError, match="received patiance"):
        ReduceLROnPlateau(patiance=3)
