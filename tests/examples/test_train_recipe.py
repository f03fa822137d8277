"""Every recipe through one command: what it does with its fields, what it writes, and how it refuses."""

import argparse
import dataclasses
import gzip
import json
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import recipes
from minicnn.commands import digits, options, outputs
from minicnn.commands import recipe as command
from minicnn.io import history, submission

SCRIPT = Path(__file__).parents[2] / "examples" / "train_recipe.py"
PICTURES = ["confusion.png", "curves.png", "label_counts.png", "samples.png", "worst_errors.png"]
RESULTS = [*PICTURES, "history.csv", "model.minicnn", "summary.json", "weights.safetensors"]
OUTPUTS = {"kaggle": sorted([*RESULTS, "submission.csv"]), "mnist": sorted(RESULTS)}
TINY = ["--epochs", "1", "--kernels", "numpy_ref", "--quiet"]


@pytest.fixture
def seen(monkeypatch):
    """What fit was given, by a training that does nothing but report an epoch."""
    calls = []

    def fit(model, x, y=None, **options):
        calls.append({"model": model, "x": x, "y": y, **options})
        trained = minicnn.callbacks.History()
        for callback in options["callbacks"]:
            callback.set_model(model)
            callback.on_train_begin()
        for callback in options["callbacks"]:
            callback.on_epoch_end(0, {"val_accuracy": 0.5})
        names = ["accuracy", "loss", *(["val_accuracy", "val_loss"] if options["validation_data"] else [])]
        trained.on_epoch_end(0, dict.fromkeys(names, 0.5))
        return trained

    monkeypatch.setattr(minicnn.Sequential, "fit", fit)
    monkeypatch.setattr(outputs, "draw", lambda *_: dict.fromkeys(name.removesuffix(".png") for name in PICTURES))
    monkeypatch.setattr(minicnn.reports, "save", lambda figure, path: Path(path).write_bytes(b""))
    return calls


FAST = ("kaggle_rmsprop", "valid_conv")  # every field of a recipe is set in one of the two; the others take seconds


@pytest.mark.parametrize("name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
                                  for name in recipes.BY_NAME])  # fmt: skip
def test_a_recipe_is_done_as_it_says(seen, name, tmp_path, capsys):
    recipe = recipes.BY_NAME[name]
    assert command.main([name, "--embedded", "--kernels", "numpy_ref", "--quiet"]) == 0
    (call,) = seen
    rows = 1437
    assert call["epochs"] == recipe.epochs
    assert call["steps_per_epoch"] == recipe.steps_per_epoch(rows)
    assert (call["validation_data"] is None) == (recipe.held_out == 0)
    assert type(call["model"].optimizer).__name__ == recipe.optimizer[0]
    first = call["callbacks"][0]
    assert isinstance(first, minicnn.callbacks.ReduceLROnPlateau) == bool(recipe.plateau)
    if recipe.plateau:
        assert (first.monitor, first.patience, first.factor, first.min_lr) == ("val_accuracy", 3, 0.5, 1e-5)
    if recipe.augmentation:
        generator = call["x"].image_data_generator
        assert (generator.rotation_range, generator.width_shift_range, generator.height_shift_range) == (10, 0.1, 0.1)
        assert (generator.zoom_range, generator.rescale) == ((0.9, 1.1), 1 / 255)
        assert (call["x"].batch_size, call["x"].x.dtype) == (recipe.batch_size, np.uint8)
    else:
        assert call["batch_size"] == recipe.batch_size
        assert (call["x"].shape, call["y"].shape) == ((rows, 28, 28, 1), (rows, 10))
        assert call["x"].max() == 1
    folder = tmp_path / "runs" / name
    assert sorted(path.name for path in folder.iterdir()) == OUTPUTS["mnist"]  # no submission of these
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["recipe"], summary["parameters"], summary["figure"]) == (name, recipe.parameters, recipe.figure)
    assert summary["value"] == summary["figures"][recipe.figure]
    assert not summary["as_published"]  # not on these data
    out = capsys.readouterr().out
    assert f" Total params: {recipe.parameters:,} " in out
    assert f"published {recipe.headline}" in out


@pytest.mark.slow
def test_the_command_with_two_seeds(tmp_path):
    options = ["--embedded", "--limit", "100", "--epochs", "2", "--seed", "0", "1", "--threads", "1", "--out", "out"]
    command = [sys.executable, str(SCRIPT), "valid_conv", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    table, lines = done.stdout.split("data      ", 1)
    assert "Total params: 93,322" in table  # before training
    # Without what a slow machine and a cold cache have to say.
    said = [line for line in lines.splitlines() if " - ETA" not in line and not line.startswith("compil")]
    assert [line.split()[0] for line in said[1:9]] == [
        "network", "device", "training", "Epoch", "Epoch", "writing", "result", "published",
    ]  # fmt: skip
    summaries = [json.loads((tmp_path / "out" / f"seed_{seed}" / "summary.json").read_text()) for seed in (0, 1)]
    values = [summary["value"] for summary in summaries]
    each = ", ".join(f"{value:.4f}" for value in values)
    assert done.stdout.splitlines()[-1] == f"mean      test accuracy {np.mean(values):.4f} of 2 seeds: {each}"
    for seed, summary in enumerate(summaries):
        assert (summary["seed"], summary["epochs"], summary["stopped"]) == (seed, 2, False)
        csv = history.read(tmp_path / "out" / f"seed_{seed}" / "history.csv")
        assert summary["history"] | {"epoch": [0, 1]} == csv
        assert summary["rows"] == {"x_train": 100, "x_held": 0, "x_test": 180}
        assert "1 threads" in summary["device"]
        assert len(summary["seconds"]["epochs"]) == 2
        assert sum(summary["seconds"]["epochs"]) == pytest.approx(summary["seconds"]["training"])
        assert {"cpu", "cores", "memory", "versions", "settings", "commit"} <= summary["machine"].keys()
    assert summaries[0]["history"]["loss"] != summaries[1]["history"]["loss"]


@pytest.mark.slow
def test_the_test_accuracy_is_that_of_the_written_weights(tmp_path):
    arguments = ["lenet_16_36", "--embedded", "--limit", "300", "--batch-size", "50", "--out", "out", *TINY]
    assert command.main(arguments) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    model = recipes.lenet_16_36.build(minicnn)
    model.load_weights(tmp_path / "out" / "weights.safetensors")
    _, _, (x, y) = minicnn.data.digits.split(seed=2)
    right = model.predict(x / 255, verbose=0).argmax(axis=1) == y
    assert summary["figures"]["test accuracy"] == pytest.approx(right.mean())
    assert summary["history"]["val_accuracy"][-1] == summary["figures"]["last val_accuracy"]


def test_options_reach_the_network(seen, tmp_path):
    assert command.main(["zero_padding_bn", "--option", "axis=-1", "activation=selu", "--embedded", *TINY]) == 0
    assert seen[0]["model"].count_params() == 1_886_354 - 4 * (26 + 13 + 7) + 4 * (32 + 48 + 64)
    assert seen[0]["model"].layers[1].activation is minicnn.layers.Activation("selu").activation
    summary = json.loads((tmp_path / "runs" / "zero_padding_bn" / "summary.json").read_text())
    assert summary["options"] == {"axis": -1, "activation": "selu"}


def test_splits():
    x, y = np.arange(100)[:, None], np.arange(100)
    c, d, e = recipes.zero_padding_bn, recipes.lenet_16_36, recipes.valid_conv
    x_train, _, x_held, _ = digits.split(d, x, y, seed=0)  # the last rows
    assert (x_train[:, 0].tolist(), x_held[:, 0].tolist()) == (list(range(80)), list(range(80, 100)))
    assert digits.split(e, x, y, seed=0)[2:] == (None, None)
    mixed = digits.split(c, x, y, seed=1)
    assert sorted(np.concatenate([mixed[0], mixed[2]])[:, 0]) == list(range(100))
    assert mixed[2][:, 0].tolist() != list(range(80, 100))
    assert np.array_equal(mixed[0][:, 0], mixed[1])  # labels go with their rows
    assert np.array_equal(mixed[2], digits.split(c, x, y, seed=1)[2])
    assert not np.array_equal(mixed[2], digits.split(c, x, y, seed=2)[2])
    b = digits.split(recipes.kaggle_rmsprop, x, y, seed=1)
    assert not np.array_equal(b[2], digits.split(recipes.kaggle_bn, x, y, seed=1)[2])  # random_state 3, not 2


def test_kaggles_files_give_a_submission(kaggle, tmp_path):
    assert command.main(["zero_padding_bn", "--data", str(kaggle), "--batch-size", "24", "--out", "out", *TINY]) == 0
    submission.check(tmp_path / "out" / "submission.csv", 12)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["rows"] == {"x_train": 48, "x_held": 12, "x_test": 12}
    assert summary["data"] == "kaggle"


def test_mnists_files(seen, tmp_path, monkeypatch):
    x, y = minicnn.data.digits.load_data()
    small = ((x[:70, ..., 0], y[:70].astype(np.uint8)), (x[70:80, ..., 0], y[70:80].astype(np.uint8)))
    monkeypatch.setattr(minicnn.data.mnist, "load_data", lambda path: small)
    assert command.main(["lenet_16_36", "--batch-size", "20", *TINY]) == 0
    assert seen[0]["x"].shape == (56, 28, 28, 1)
    assert len(seen[0]["validation_data"][0]) == 14


@pytest.mark.parametrize("changed", [[], ["--epochs", "2"], ["--batch-size", "10"], ["--limit", "60"]])
def test_what_counts_as_published(seen, monkeypatch, tmp_path, changed):
    x, y = minicnn.data.digits.load_data()
    small = ((x[:70, ..., 0], y[:70].astype(np.uint8)), (x[70:80, ..., 0], y[70:80].astype(np.uint8)))
    monkeypatch.setattr(minicnn.data.mnist, "load_data", lambda path: small)
    assert command.main(["valid_conv", "--kernels", "numpy_ref", "--quiet", *changed]) == 0
    summary = json.loads((tmp_path / "runs" / "valid_conv" / "summary.json").read_text())
    assert summary["as_published"] == (not changed)


ABSENT = (
    "kaggle_bn: expected Kaggle's train.csv and test.csv in $MINICNN_DATA/kaggle or ./data, received neither; "
    "get them: kaggle competitions download -c digit-recognizer -p data && unzip data/digit-recognizer.zip -d data; "
    "or rehearse with --embedded"
)
LIST = "kaggle_bn, kaggle_rmsprop, zero_padding_bn, lenet_16_36, valid_conv"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet"], f"recipe: expected one of {LIST}, received 'lenet'; did you mean \"lenet_16_36\"?"),
        (["kaggle_bn"], ABSENT),
        (["valid_conv", "--epochs", "0"], "--epochs: expected a number of at least 1, received 0"),
        (["valid_conv", "--threads", "0"], "--threads: expected a number of at least 1, received 0"),
        (["valid_conv", "--option", "axis=1"],
         "--option axis=1: expected no option, as valid_conv has none, received 'axis'"),
        (["zero_padding_bn", "--option", "axes=1"],
         "--option axes=1: expected one of axis, activation, received 'axes'; did you mean \"axis\"?"),
        (["zero_padding_bn", "--option", "axis=x"], "--option axis=x: expected a value like 1, received 'x'"),
        (["zero_padding_bn", "--option", "axis=9", "--embedded"],
         "layers: batch_normalization*: axis: expected an axis of 4-dimensional data, received 9"),
        (["zero_padding_bn", "--option", "activation=sellu", "--embedded"],
         'Activation: activation: expected one of * received \'sellu\'; did you mean "selu"?'),
        (["kaggle_rmsprop", "--embedded", "--limit", "60"],
         "kaggle_rmsprop: expected at least one batch of 100 images, received 60"),
        (["lenet_16_36", "--data", "nowhere"], "nowhere: expected a folder with train-images-idx3-ubyte or "
         "train-images-idx3-ubyte.gz, received no such folder; put MNIST's four files there, or give no path to have "
         "them downloaded"),
    ],
)  # fmt: skip
def test_one_line_and_exit_code_2(capsys, arguments, message):
    assert command.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(re.escape(f"minicnn recipe: {message}").replace(r"\*", ".*"), line)


def test_no_name(capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main([])
    assert stopped.value.code == 2
    line = "minicnn recipe: the following arguments are required: NAME; --help lists the options\n"
    assert capsys.readouterr().err == line


def test_files_of_another_kind(capsys, kaggle, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "train.csv").write_text("<!DOCTYPE html><html>Log in</html>")
    (data / "test.csv").write_bytes((kaggle / "test.csv").read_bytes())
    assert command.main(["kaggle_bn"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("minicnn recipe: data/train.csv: expected the header")
    assert "received a web page" in line
    for name in minicnn.data.mnist.FILES:
        images = "images" in name
        head = struct.pack(">HBB3I", 0, 8, 3, 5, 2, 2) if images else struct.pack(">HBBI", 0, 8, 1, 5)
        (data / f"{name}.gz").write_bytes(gzip.compress(head + bytes(20 if images else 5)))
    assert command.main(["valid_conv", "--data", str(data)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected MNIST's own file, sha256 ba891046e6505d7a..., received" in line


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_signal_ends_all_seeds_and_keeps_what_was_learnt(tmp_path):
    options = ["--embedded", "--limit", "64", "--epochs", "1000", "--seed", "0", "1", "--kernels", "numpy_ref"]
    command = [sys.executable, str(SCRIPT), "valid_conv", *options, "--out", "out"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("Epoch 2/"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err.strip() == "Stopping; a checkpoint and the outputs are written first. Ctrl-C aborts at once."
    summary = json.loads((tmp_path / "out" / "seed_0" / "summary.json").read_text())
    done = len(summary["history"]["loss"])
    assert summary["stopped"]
    assert done < 1000
    epoch = int(re.search(r"^stopped   by SIGINT in epoch (\d+) of 1000", out, re.MULTILINE).group(1))
    assert epoch - done in (0, 1)  # the step at hand may be an epoch's last, or one of the next epoch
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["seed_0"]


def test_figures_are_names_that_a_run_has():
    names = {"last val_accuracy", "best val_accuracy", "test accuracy"}
    for recipe in recipes.BY_NAME.values():
        assert recipe.figure in names
        assert (recipe.figure == "test accuracy") == (recipe.data == "mnist")
        assert 0.99 <= recipe.published < 1
        assert dataclasses.is_dataclass(recipe)


def test_the_namespace_of_load_is_what_the_parser_gives():
    args = options.parser("x", "").parse_args(["valid_conv"])
    assert isinstance(args, argparse.Namespace)
    assert (args.embedded, args.data, args.limit, args.seed) == (False, None, None, [0])
