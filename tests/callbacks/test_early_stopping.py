import math

import pytest

from minicnn.callbacks import EarlyStopping

from .fake_model import FakeModel, losses, play


def epochs_run(callback, values, model=None, name="val_loss"):
    count = []
    play(callback, losses(*values, name=name), model, count.append)
    return len(count)


def test_the_trace_of_keras():
    callback = EarlyStopping(patience=2, min_delta=0.01)
    assert epochs_run(callback, [1, 0.995, 0.98, 0.979, 0.978, 0.1]) == 5
    assert callback.stopped_epoch == 4


def test_patience_zero_stops_at_the_first_epoch_without_improvement_but_not_in_epoch_0():
    assert epochs_run(EarlyStopping(), [1.0, 0.9, 0.9, 0.1]) == 3
    callback = EarlyStopping(baseline=0.5)  # epoch 0 is better than nothing, so best is set
    assert epochs_run(callback, [1.0, 1.0, 1.0]) == 2


def test_mode_max():
    assert epochs_run(EarlyStopping("val_accuracy", patience=1), [0.5, 0.6, 0.6, 0.9], name="val_accuracy") == 3


def test_a_nan_first_value_is_never_beaten():
    assert epochs_run(EarlyStopping(patience=2), [math.nan, 0.5, 0.4, 0.3]) == 3


def test_start_from_epoch_ignores_the_first():
    callback = EarlyStopping(patience=1, start_from_epoch=3)
    assert epochs_run(callback, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]) == 5
    assert (callback.best, callback.best_epoch) == (0.4, 3)


def test_wait_restarts_only_below_the_baseline():
    callback = EarlyStopping(patience=3, baseline=0.5)
    assert epochs_run(callback, [1.0, 0.9, 0.8, 0.9, 0.1]) == 4  # better each time, never below .5: wait 1 2 3, then 4
    assert epochs_run(EarlyStopping(patience=3, baseline=0.5), [1.0, 0.9, 0.4, 0.5, 0.5, 0.5, 0.5]) == 6


def test_the_best_weights_come_back():
    model = FakeModel()
    epochs_run(EarlyStopping(patience=2, restore_best_weights=True), [1.0, 0.5, 0.6, 0.7], model)
    assert model.weights == [1]
    epochs_run(EarlyStopping(patience=2), [1.0, 0.5, 0.6, 0.7], model)
    assert model.weights == [3]


def test_they_come_back_even_if_training_was_not_stopped():
    model = FakeModel()
    assert epochs_run(EarlyStopping(patience=9, restore_best_weights=True), [1.0, 0.5, 0.6], model) == 3
    assert model.weights == [1]
    assert model.stop_training is False


def test_something_is_restored_even_if_nothing_beats_a_nan():
    model = FakeModel()
    epochs_run(EarlyStopping(patience=2, restore_best_weights=True, start_from_epoch=1), [1, math.nan, 0.5, 0.4], model)
    assert model.weights == [1]


def test_state_starts_afresh_with_each_training():
    callback = EarlyStopping(patience=1, restore_best_weights=True)
    assert epochs_run(callback, [0.1, 0.2]) == 2
    assert epochs_run(callback, [5.0, 4.0, 4.5]) == 3
    assert (callback.best, callback.best_epoch, callback.best_weights) == (4.0, 1, [1])


def test_a_missing_monitor_warns_and_does_not_stop():
    with pytest.warns(UserWarning, match=r"metric `val_loss` which is not available. Available metrics are: loss$"):
        play(EarlyStopping(), losses(1.0, 1.0, 1.0, name="loss"), model := FakeModel())
    assert model.stop_training is False


def test_the_messages(capsys):
    play(EarlyStopping(patience=1, verbose=1, restore_best_weights=True), losses(1.0, 0.5, 0.6))
    assert capsys.readouterr().out == (
        "Epoch 3: early stopping\nRestoring model weights from the end of the best epoch: 2.\n"
    )
