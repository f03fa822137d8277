import math

import pytest

from minicnn import notes
from minicnn.callbacks import CallbackList, EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from minicnn.callbacks.base import Callback
from minicnn.callbacks.monitor import Monitor
from minicnn.errors import ArgumentError, MinicnnError

from .fake_model import FakeModel

NAMES = ["accuracy", "loss", "val_accuracy", "val_loss", "learning_rate"]


def watching(callback, **directions):
    callback.set_model(FakeModel(directions=directions or None))
    return callback


@pytest.mark.parametrize(
    ("mode", "delta", "value", "best", "improved"),
    [
        ("min", 0.1, 0.85, 1.0, True),
        ("min", 0.1, 0.95, 1.0, False),
        ("min", 0.0, 1.0, 1.0, False),
        ("min", -0.1, 0.95, 1.0, False),
        ("max", 0.1, 1.15, 1.0, True),
        ("max", 0.1, 1.05, 1.0, False),
        ("max", 0.0, 1.0, 1.0, False),
        ("min", 0.0, math.nan, 1.0, False),
        ("max", 0.0, 1.0, math.nan, False),
        ("min", 0.0, math.nan, None, True),
    ],
)
def test_improvement_is_by_more_than_min_delta(mode, delta, value, best, improved):
    assert Monitor("x", mode, delta).is_improvement(value, best) is improved


@pytest.mark.parametrize(
    ("monitor", "direction"), [("loss", "min"), ("val_loss", "min"), ("val_accuracy", "max"), ("my_error", "min")]
)
def test_auto_asks_the_model_by_the_name_without_val(monitor, direction):
    assert watching(Monitor(monitor), accuracy="max", my_error="min").direction() == direction


def test_auto_without_a_direction_is_an_error_before_training():
    text = (
        'EarlyStopping: expected mode "min" or "max" for monitor \'val_f1\', which has no direction of its own, '
        'received "auto"; pass mode="max" if larger values are better'
    )
    with pytest.raises(ArgumentError) as caught:
        watching(EarlyStopping("val_f1"), f1=None).check_monitor(["val_f1", "val_loss"])
    assert str(caught.value) == text
    watching(EarlyStopping("val_f1", mode="max"), f1=None).check_monitor(["val_f1", "val_loss"])


def test_a_bad_mode_warns_and_becomes_auto():
    with pytest.warns(UserWarning, match=r"^EarlyStopping mode 'up' is unknown, fallback to auto mode\.$"):
        assert EarlyStopping(mode="up").mode == "auto"


def test_an_unknown_monitor_names_the_nearest():
    callback = watching(ReduceLROnPlateau(monitor="val_acuracy"))
    with pytest.raises(ValueError, match="ReduceLROnPlateau") as caught:
        callback.check_monitor(NAMES)
    assert str(caught.value) == (
        "ReduceLROnPlateau: expected monitor to be one of accuracy, loss, val_accuracy, val_loss, "
        "received 'val_acuracy'; did you mean \"val_accuracy\"?"
    )
    assert isinstance(caught.value, MinicnnError)


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy", "val_acc", "val_acuracy"])
def test_a_val_monitor_without_validation_data_says_so(monitor):
    with pytest.raises(ArgumentError) as caught:
        watching(EarlyStopping(monitor)).check_monitor(["accuracy", "loss"])
    assert str(caught.value) == (
        f"EarlyStopping: expected monitor to be one of accuracy, loss, received '{monitor}'; "
        "there is no validation data: pass validation_data= or validation_split= to fit"
    )


@pytest.mark.parametrize(
    ("monitor", "logged"), [("val_acc", "val_accuracy"), ("val_accuracy", "val_acc"), ("acc", "accuracy")]
)
def test_both_spellings_of_accuracy_work_with_one_note(monitor, logged, capsys, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    bare = logged.removeprefix("val_")
    callback = watching(EarlyStopping(monitor), **{bare: "max"})
    callback.check_monitor([logged, "val_loss"])
    assert callback.current({logged: 0.5, "val_loss": 1.0}) == 0.5
    assert callback.direction() == "max"
    assert capsys.readouterr().err == (
        f"minicnn: EarlyStopping: '{monitor}' is read as '{logged}', the name that this model logs\n"
    )


class AddsAName(Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["f1"] = 0.5


@pytest.mark.parametrize("other", [AddsAName(), LambdaCallback(on_epoch_end=lambda epoch, logs: None)])
def test_names_that_another_callback_may_add_are_left_to_the_run(other):
    listed = CallbackList([other, EarlyStopping("f1", mode="max")], FakeModel(), add_history=True, add_progbar=True)
    listed.check_monitor(NAMES)
    with pytest.raises(ArgumentError, match="received 'f1'"):
        CallbackList([EarlyStopping("f1", mode="max")], FakeModel(), add_history=True).check_monitor(NAMES)


def test_a_checkpoint_that_compares_nothing_needs_no_monitor():
    watching(ModelCheckpoint("m.minicnn")).check_monitor(["loss"])
    with pytest.raises(ArgumentError, match="no validation data"):
        watching(ModelCheckpoint("m.minicnn", save_best_only=True)).check_monitor(["loss"])
