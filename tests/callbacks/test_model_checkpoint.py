import os
import sys
import warnings
from types import SimpleNamespace

import pytest

from minicnn.callbacks import ModelCheckpoint
from minicnn.errors import ArgumentError

from .fake_model import FakeModel, losses, play

WEIGHTS = "to end in .weights.safetensors for weights alone"
WHOLE = "to end in .minicnn for a whole model, in .weights.safetensors for weights alone"
NAMES = ["accuracy", "loss", "val_accuracy", "val_loss"]


def test_every_epoch_with_its_numbers(tmp_path):
    model = play(ModelCheckpoint(tmp_path / "new" / "{epoch:02d}-{val_loss:.2f}.minicnn"), losses(0.5, 0.25))
    assert model.saved == [("model", f"{tmp_path}/new/01-0.50.minicnn"), ("model", f"{tmp_path}/new/02-0.25.minicnn")]
    assert (tmp_path / "new").is_dir()


def test_weights_only_when_better(tmp_path):
    path = tmp_path / "{epoch}.weights.safetensors"
    callback = ModelCheckpoint(path, save_best_only=True, save_weights_only=True)
    model = play(callback, losses(1.0, 0.5, 0.7, 0.4))
    assert [(kind, path[-21:-20]) for kind, path in model.saved] == [("weights", n) for n in "124"]
    play(callback, losses(0.45, 0.3), model)  # best is kept from one fit to the next
    assert len(model.saved) == 4


def test_starting_best(tmp_path):
    model = play(
        ModelCheckpoint(tmp_path / "{epoch}.minicnn", "val_accuracy", save_best_only=True, initial_value_threshold=0.9),
        losses(0.8, 0.95, name="val_accuracy"),
    )
    assert model.saved == [("model", f"{tmp_path}/2.minicnn")]


def test_a_number_of_batches_counts_across_epochs(tmp_path):
    callback = ModelCheckpoint(tmp_path / "{epoch}-{batch}-{loss:.1f}.minicnn", save_freq=3)
    callback.set_model(model := FakeModel())
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        for batch in range(4):
            callback.on_train_batch_end(batch, lambda: {"loss": 0.5})
        callback.on_epoch_end(epoch, {"loss": 0.5})
    assert [path for _, path in model.saved] == [f"{tmp_path}/1-3-0.5.minicnn", f"{tmp_path}/2-2-0.5.minicnn"]
    assert callback.wants_batch_logs
    assert not ModelCheckpoint("m.minicnn").wants_batch_logs


def test_without_its_monitor_it_warns_and_saves(tmp_path):
    callback = ModelCheckpoint(tmp_path / "m.minicnn", save_best_only=True)
    with pytest.warns(UserWarning, match=r"^Can save best model only with val_loss available\.$"):
        model = play(callback, losses(1.0, name="loss"))
    assert len(model.saved) == 1


@pytest.mark.parametrize(
    ("path", "weights_only", "text"),
    [
        ("best.npz", False, f"{WHOLE}, received 'best.npz'; use 'best.minicnn'"),
        ("best", False, f"{WHOLE}, received 'best'; use 'best.minicnn'"),
        ("best.npz", True, f"{WEIGHTS}, received 'best.npz'; use 'best.weights.safetensors'"),
        ("best.minicnn", True, f"{WEIGHTS}, received 'best.minicnn'; use 'best.weights.safetensors'"),
        ("best.keras", True, f"{WEIGHTS}, received 'best.keras'; use 'best.weights.safetensors'"),
    ],
)
def test_other_formats_are_told_what_to_use(path, weights_only, text):
    with pytest.raises(ArgumentError) as caught:
        ModelCheckpoint(path, save_weights_only=weights_only)
    assert str(caught.value) == f"ModelCheckpoint: expected filepath {text}"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("m.minicnn", "model"),
        ("m.keras", "model"),
        ("m.safetensors", "weights"),
        ("m.weights.safetensors", "weights"),
        ("m.weights.h5", "weights"),
    ],
)
def test_the_end_of_the_name_decides_what_is_saved(tmp_path, name, kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", SimpleNamespace(__spec__="there"))
    model = play(ModelCheckpoint(tmp_path / name), losses(0.5))
    assert model.saved == [(kind, str(tmp_path / name))]
    if kind == "weights":
        model = play(ModelCheckpoint(tmp_path / name, save_weights_only=True), losses(0.5))
        assert model.saved == [(kind, str(tmp_path / name))]


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
def test_without_h5py_it_says_so_before_training(monkeypatch, name):
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(ImportError) as caught:
        ModelCheckpoint(name)
    assert str(caught.value) == (
        "Keras's files: expected the package h5py to be installed, received none; run pip install h5py"
    )


def test_what_cannot_be_saved_is_said_before_training(tmp_path):
    def refuse(path):
        raise ArgumentError(f"save: {os.path.basename(path)}")

    model = FakeModel()
    model.check_savable = refuse
    with pytest.raises(ArgumentError, match=r"save: m\.minicnn"):
        play(ModelCheckpoint(tmp_path / "m.minicnn"), losses(0.5), model)
    assert play(ModelCheckpoint(tmp_path / "m.safetensors"), losses(0.5), model).saved  # weights alone always can


def test_placeholders_are_checked_before_training():
    ModelCheckpoint("{epoch}-{val_acc:.2f}.minicnn").check_monitor(NAMES)  # either spelling
    with pytest.raises(ArgumentError) as caught:
        ModelCheckpoint("{epoch}-{val_los:.2f}.minicnn").check_monitor(NAMES)
    assert str(caught.value) == (
        "ModelCheckpoint: expected a filepath whose placeholders are among epoch, accuracy, loss, val_accuracy, "
        'val_loss, received {val_los}; did you mean "val_loss"?'
    )
    with pytest.raises(KeyError):  # between epochs there is no validation
        ModelCheckpoint("{batch}-{val_loss:.2f}.minicnn", save_freq=5).check_monitor(NAMES)
    with pytest.raises(KeyError):
        ModelCheckpoint("{batch}.minicnn").check_monitor(NAMES)


def test_a_placeholder_missing_at_run_time_is_named():
    with pytest.raises(KeyError) as caught:
        play(ModelCheckpoint("{f1}.minicnn"), losses(1.0))
    assert str(caught.value).startswith("ModelCheckpoint: expected a filepath whose placeholders")


@pytest.mark.parametrize("freq", ["batch", 0, -1, 1.5, True])
def test_save_freq_is_epoch_or_a_count(freq):
    with pytest.raises(ArgumentError, match='save_freq: expected "epoch" or a positive number of batches'):
        ModelCheckpoint("m.minicnn", save_freq=freq)


def test_the_messages(tmp_path, capsys):
    path = tmp_path / "m.minicnn"
    play(ModelCheckpoint(path, save_best_only=True, verbose=1), losses(0.5, 0.75))
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch 1: val_loss improved from None to 0.50000, saving model to {path}",
        f"Epoch 1: finished saving model to {path}",
        "Epoch 2: val_loss did not improve from 0.50000",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        play(ModelCheckpoint(path, verbose=1), losses(0.5))
    assert capsys.readouterr().out.startswith(f"Epoch 1: saving model to {path}\n")
