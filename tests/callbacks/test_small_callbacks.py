"""LearningRateScheduler, LambdaCallback, TerminateOnNaN, and TensorBoard without its package."""

import math
import sys

import numpy as np
import pytest

from minicnn.callbacks import CallbackList, LambdaCallback, LearningRateScheduler, TensorBoard, TerminateOnNaN
from minicnn.errors import ArgumentError, NonFiniteError

from .fake_model import FakeModel, losses, play


@pytest.mark.parametrize("schedule", [lambda epoch, lr: lr * 0.5, lambda epoch: 0.5 ** (epoch + 1)])
def test_the_schedule_sets_the_rate_at_epoch_begin(schedule):
    model, rates = FakeModel(), []
    play(LearningRateScheduler(schedule), losses(1, 1, 1), model, lambda e: rates.append(model.optimizer.learning_rate))
    assert rates == [0.5, 0.25, 0.125]


def test_it_logs_the_rate_and_says_so(capsys):
    callback = LearningRateScheduler(lambda epoch, lr: np.float32(0.5), verbose=1)
    callback.set_model(model := FakeModel())
    callback.on_epoch_begin(4)
    callback.on_epoch_end(4, logs := {})
    assert logs == {"learning_rate": 0.5}
    assert type(model.optimizer.learning_rate) is float
    assert capsys.readouterr().out == "Epoch 5: LearningRateScheduler setting learning rate to 0.5.\n"


def test_a_schedule_returns_a_float():
    with pytest.raises(ArgumentError, match=r"expected a float from schedule, received 1; return float\(\.\.\.\)"):
        play(LearningRateScheduler(lambda epoch, lr: 1), losses(1))


def test_a_type_error_inside_the_schedule_is_shown():
    with pytest.raises(TypeError, match="unsupported operand"):
        play(LearningRateScheduler(lambda epoch, lr: lr + "a"), losses(1))


def test_any_hook_by_name():
    seen = []
    callback = LambdaCallback(
        on_train_begin=lambda logs: seen.append("begin"),
        on_epoch_end=lambda epoch, logs: seen.append((epoch, logs["val_loss"])),
        on_train_end=lambda logs: seen.append("end"),
        on_batch_end=lambda batch, logs: seen.append(("batch", batch)),
        on_predict_end=lambda logs: seen.append("predicted"),
    )
    play(callback, losses(0.5))
    listed = CallbackList([callback])
    listed.on_train_batch_end(2, {})
    listed.on_predict_end()
    assert seen == ["begin", (0, 0.5), "end", ("batch", 2), "predicted"]


def test_a_misspelt_hook_is_an_error():
    with pytest.raises(ArgumentError, match="received 'on_epoch_ends'; did you mean \"on_epoch_end\""):
        LambdaCallback(on_epoch_ends=print)


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_stops(loss, capsys):
    listed = CallbackList([TerminateOnNaN()], model := FakeModel())
    listed.on_train_batch_end(0, {"loss": 1.0})
    assert not model.stop_training
    listed.on_train_batch_end(1, {"loss": loss})
    assert model.stop_training
    assert capsys.readouterr().out == "Batch 1: Invalid loss, terminating training\n"


def test_or_raises():
    listed = CallbackList([TerminateOnNaN(raise_error=True)], FakeModel())
    with pytest.raises(RuntimeError, match="batch 3: expected a finite loss, received nan") as caught:
        listed.on_train_batch_end(3, {"loss": math.nan})
    assert isinstance(caught.value, NonFiniteError)


def test_tensorboard_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"TensorBoard: expected the package tensorboardX .* run pip install tensor"):
        TensorBoard("logs")
