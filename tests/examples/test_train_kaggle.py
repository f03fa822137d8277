"""The main job from the outside: as a command with its files, exit codes and signals, and its main() for the rest."""

import argparse
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minicnn
from minicnn.commands import digits, options, recipe, train
from minicnn.commands import outputs as said_and_written
from minicnn.io import history, submission, weights

SCRIPT = Path(__file__).parents[2] / "examples" / "train_kaggle.py"
OUTPUTS = ["confusion.png", "curves.png", "history.csv", "label_counts.png", "model.minicnn", "samples.png",
           "submission.csv", "summary.json", "weights.safetensors", "worst_errors.png"]  # fmt: skip
TINY = ["--epochs", "1", "--kernels", "numpy_ref", "--quiet"]  # no compilation: quick in a fresh environment


def start(*arguments, **how):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


def written(folder, names=OUTPUTS):
    """The outputs in `folder`, each looked at; and the run's checkpoints."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(["checkpoints", *names])
    for name in names:
        if name.endswith(".png"):
            assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert len(weights.read(folder / "weights.safetensors")) == 32
    return history.read(folder / "history.csv")


@pytest.mark.slow
def test_the_command_on_kaggle_files(kaggle, tmp_path):
    process = start("--data", kaggle, "--epochs", 2, "--batch-size", 20, "--seed", 1)
    out, err = process.communicate(timeout=600)
    assert (process.returncode, err) == (0, "")
    # A cold cache and a slow machine have more to say.
    lines = [line for line in out.splitlines() if not line.startswith("compil") and " - ETA" not in line]
    assert [line.split()[0] for line in lines] == [
        "starting", "data", "network", "device", "training", "note", "note", "Epoch", "Epoch", "writing", "result",
        "time", "note", "outputs", "next",
    ]  # fmt: skip
    assert f"data      {kaggle}: 54 training, 6 held-out, 12 test images" in out
    assert "network   kaggle_bn, 889,322 parameters, 888,426 of them trainable" in out
    assert "device    CPU, kernel set numba_cpu, float32, " in out
    assert "training  epochs 2, steps per epoch 3, batch 20, seed 1" in out
    assert "note      6 steps in all are few: batch norm's momentum is 0.5 instead of 0.99\n" in out
    assert "note      under about 20 steps" in out
    assert "note      a rehearsal: 6 steps, batch norm's momentum 0.5 instead of the published 0.99\n" in out
    assert out.splitlines()[-1].startswith("next      upload runs/kaggle_bn/submission.csv at https://www.kaggle.com/")
    assert "submission.csv (12 rows, checked)" in out
    folder = tmp_path / "runs" / "kaggle_bn"
    assert written(folder)["epoch"] == [0, 1]
    assert (folder / "history.csv").read_text().split()[0] == "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss"
    submission.check(folder / "submission.csv", 12)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "runs"]


def test_embedded_digits_are_announced(tmp_path, capsys):
    assert train.main(["--epochs", "1", "--limit", "32", "--quiet", "--out", "out"]) == 0
    starting, first, second, *rest = capsys.readouterr().out.splitlines()
    assert starting == "starting  kaggle_bn on embedded digits: building the network, reading the images"
    assert first == (
        "No Kaggle files found, so this trains on the 1,797 digits that come with scikit-learn, split 1,437 / 180 / "
        "180 (train, held out, test; stratified, seed 2), with batch 32, epochs 1 and batch-norm momentum 0.9; to get "
        "the real files: kaggle competitions download -c digit-recognizer -p data && unzip data/digit-recognizer.zip "
        "-d data"
    )
    assert second == "data      embedded digits (rehearsal): 32 training, 180 held-out, 180 test images"
    written(tmp_path / "out", [name for name in OUTPUTS if name != "submission.csv"])  # nothing that Kaggle would take
    assert any(re.match(r"result    test accuracy 0\.\d{4}, test loss \d", line) for line in rest)
    assert "submission.csv" not in "".join(rest)
    assert rest[-1].startswith("next      for a submission get the real images: kaggle competitions download")


def test_a_rehearsal_on_few_steps_has_averages_that_fit():
    fit = said_and_written.momentum_that_fits
    assert [fit(0.99, steps) for steps in (1, 20, 64, 500, 1000, 13200)] == [0.5, 0.5, 0.84, 0.98, 0.99, 0.99]
    assert fit(0.9, 13200) == 0.9


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--batch-size", "100000"], "--batch-size 100,000 is more than the 54 images: an epoch is one step"),
        (["--threads", "5000"], "--threads 5,000 is more than the "),
        (["--epochs", "301"], "--epochs 301: published are 30; Ctrl-C stops, with all outputs"),
    ],
)  # fmt: skip
def test_what_is_absurd_gets_a_note(arguments, text):
    args = options.parser("x", "", "kaggle_bn").parse_args(arguments)
    args.option, args.embedded = [], False
    asked, _ = options.check(args)
    model = asked.build(minicnn, momentum=0.9)
    steps = asked.steps_per_epoch(54)
    new = Path("nothing is here")
    assert [said for said in said_and_written.notes(args, asked, model, 54, steps, new) if said.startswith(text)]
    args = options.parser("x", "", "kaggle_bn").parse_args([])
    args.option, args.embedded = [], False
    assert said_and_written.notes(args, options.check(args)[0], asked.build(minicnn), 37800, 440, new) == []


def test_the_search_order(kaggle, tmp_path, monkeypatch):
    assert digits.find_folder(None) is None
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv.gz").touch()  # one is enough: the other is then asked for, not replaced
    assert digits.find_folder(None) == Path("data")
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "root"))
    assert digits.find_folder(None) == Path("data")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "kaggle").symlink_to(kaggle)
    assert digits.find_folder(None) == tmp_path / "root" / "kaggle"
    assert digits.find_folder(tmp_path / "nowhere") == tmp_path / "nowhere"


def test_the_split_is_the_published_one_for_every_seed(kaggle):
    from sklearn.model_selection import train_test_split

    x, y, _ = minicnn.data.kaggle_digits.load_data(kaggle)
    expected = train_test_split(x[:40], y[:40], test_size=0.1, random_state=2)
    args = argparse.Namespace(embedded=False, data=kaggle, limit=40)
    parts = digits.load(minicnn.recipes.kaggle_bn, args, seed=7)[:4]
    for part, whole in zip(parts, [expected[i] for i in (0, 2, 1, 3)], strict=True):
        assert np.array_equal(part, whole)


@pytest.mark.slow
def test_same_seed_same_bytes_and_another_seed_others(kaggle, tmp_path, monkeypatch):
    monkeypatch.setattr(minicnn.reports, "save", lambda *_: None)  # pictures take longer than training here
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert train.main([*TINY, "--data", str(kaggle), "--limit", "20", "--seed", seed, "--out", out]) == 0
    a, b, c = (tmp_path / out / "weights.safetensors" for out in "abc")
    assert a.read_bytes() == b.read_bytes() != c.read_bytes()


def refused(capsys, *arguments):
    """main() returns 2 and says so in one line on stderr, which is returned; nothing on stdout but reports."""
    assert train.main([*map(str, arguments)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", 0], "--epochs: expected a number of at least 1, received 0"),
        (["--batch-size", -3], "--batch-size: expected a number of at least 1, received -3"),
        (["--limit", 9], "--limit: expected a number of at least 10, received 9"),
        (["--seed", -1], "seed: expected a whole number from 0 to 2^64 - 1, or None, received -1"),
        (["--data", "nowhere"], "nowhere: expected a folder with train.csv or train.csv.gz, received no such folder; "
                                "download it from https://www.kaggle.com/c/digit-recognizer/data"),
        (["--out", __file__], f"--out: expected a folder that can be written, received '{__file__}' (File exists); "
                              "choose another"),
    ],
)  # fmt: skip
def test_bad_arguments(capsys, arguments, message):
    assert refused(capsys, *arguments) == f"minicnn train: {message}"


@pytest.mark.parametrize("arguments", [["--epochs", "many"], ["--device", "tpu"], ["--kernels", "fast"], ["--lr", "1"]])
def test_unknown_arguments(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        train.main(arguments)
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(r"minicnn train: .*(invalid|unrecognized).*; --help lists the options$", line)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.csv", b"", "data/train.csv: expected .*, received an empty file; "),
        ("train.csv", b"<!DOCTYPE html><html>Log in</html>", "data/train.csv: expected .*, received a web page; "),
        ("train.csv", b"label,pixel0\n1,2\n", "data/train.csv: expected the header .*pixel783"),
        ("train.csv.gz", b"\x1f\x8b\x08\x00", "data/train.csv.gz: expected a complete gzip file, "),
        ("other.csv", b"", "data: expected a folder with train.csv or train.csv.gz, received a folder without it; "),
    ],
)
def test_bad_files(capsys, kaggle, tmp_path, name, content, message):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(content)
    shutil.copy(kaggle / "test.csv", tmp_path / "data")
    assert re.match(f"minicnn train: {message}", refused(capsys))


def test_no_gpu_library(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    line = refused(capsys, "--device", "cuda")
    assert line.startswith('minicnn train: device "cuda": expected an NVIDIA GPU, its driver and CuPy, received: ')


def test_the_command_gives_one_line_and_no_traceback(kaggle):
    process = start("--data", kaggle, "--epochs", 0)
    out, err = process.communicate(timeout=600)
    assert (process.returncode, out) == (2, "")
    assert err == "train_kaggle: --epochs: expected a number of at least 1, received 0\n"


def test_a_full_disk_is_one_line_too(capsys, kaggle, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(minicnn.io.history, "write", full)
    line = refused(capsys, *TINY, "--data", kaggle, "--limit", 10, "--out", "out")
    assert line == "minicnn train: [Errno 28] No space left on device"


def outputs(folder):
    """All but summary.json, which tells the time."""
    return {name: (folder / name).read_bytes() for name in OUTPUTS if name != "summary.json"}


@pytest.mark.slow
def test_killed_it_goes_on_and_finished_it_says_so(capsys, kaggle, tmp_path, monkeypatch):
    """The README's promise, by its own command: SIGKILL during training, the same again, the same bytes."""
    section = (SCRIPT.parents[1] / "README.md").read_text("utf-8").partition("## Killed at any moment\n\n")[2]
    section = section.partition("\n## ")[0].rstrip().splitlines()
    assert len([line for line in section if line]) <= 5
    python, *words = section[0].partition("#")[0].split()
    assert (python, words[:3], words[-2:]) == ("python", ["-m", "minicnn", "train"], ["--out", "runs/mine"])
    command = ["--data", str(kaggle), "--epochs", "3", "--kernels", "numpy_ref", "--batch-size", "20", "--threads", "1"]
    process = subprocess.Popen([sys.executable, *words[:-1], "out", *command], stdout=subprocess.PIPE)
    while process.poll() is None and not list((tmp_path / "out").rglob("epoch_00001*")):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not (tmp_path / "out" / "submission.csv").exists()
    assert train.main([*command, "--out", "whole"]) == 0
    capsys.readouterr()
    assert train.main([*command, "--out", "out"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^Epoch 1/3 - 3/3 - .*\nresumed at epoch [23], step \d of 3$", out, re.MULTILINE), out
    expected = outputs(tmp_path / "whole")
    assert outputs(tmp_path / "out") == expected
    (tmp_path / "out" / "submission.csv").unlink()
    monkeypatch.setattr(minicnn.reports, "save", lambda *_: None)
    assert train.main([*command, "--out", "out", "--quiet"]) == 0
    assert "finished: 3 epochs are done, nothing is left to train" in capsys.readouterr().out
    assert outputs(tmp_path / "out") == expected


@pytest.fixture
def no_pictures(monkeypatch):
    """For what is not about them: a run's five pictures take two seconds."""
    monkeypatch.setattr(said_and_written, "draw", lambda *_: {})


@pytest.mark.usefixtures("no_pictures")
def test_other_arguments_are_refused_and_fresh_begins_anew(capsys, kaggle):
    command = [*TINY, "--data", str(kaggle), "--out", "out"]
    assert train.main([*command, "--limit", "20"]) == 0
    capsys.readouterr()
    line = refused(capsys, *command, "--limit", "21")
    assert line.startswith("minicnn train: fit: checkpoint out/checkpoints: expected the arguments of the run that it")
    assert "x: (18, 28, 28, 1) uint8" in line
    assert line.endswith("choose another folder, or say --fresh to begin anew")
    assert train.main([*command, "--limit", "21", "--fresh"]) == 0
    replaced = "note      out holds the outputs of another run, which this one replaces"
    assert replaced in capsys.readouterr().out
    assert sorted(path.name for path in Path("out", "checkpoints").iterdir()) == ["lock", "run_0001", "run_0002"]
    shutil.rmtree("out/checkpoints")  # outputs alone are left
    assert train.main([*command, "--limit", "20"]) == 0
    assert replaced in capsys.readouterr().out
    assert train.main([*command, "--limit", "20"]) == 0
    assert replaced not in capsys.readouterr().out


@pytest.mark.usefixtures("no_pictures")
def test_a_time_limit_stops_with_everything_written(capsys, kaggle, monkeypatch, tmp_path):
    clock = iter(range(1000))  # a step takes a second
    monkeypatch.setattr("minicnn.commands.hooks.time",
                        SimpleNamespace(monotonic=lambda: next(clock), perf_counter=time.perf_counter))  # fmt: skip
    command = [*TINY[2:], "--epochs", "9", "--data", str(kaggle), "--batch-size", "20", "--out", "out"]
    assert train.main([*command, "--time-limit", "12s"]) == 0
    out = capsys.readouterr().out
    assert "stopped   by --time-limit 12s in epoch 3 of 9, step 2 of 3; the same command goes on" in out
    assert submission.check(tmp_path / "out" / "submission.csv", 12) is None
    assert len(history.read(tmp_path / "out" / "history.csv")["epoch"]) == 2


@pytest.mark.parametrize("text", ["8", "x", "-1h", "0s", "1.5h", ""])
def test_a_time_limit_is_a_time(capsys, text):
    if text == "8":
        assert options.seconds(text) == 8
        return
    line = refused(capsys, *TINY, f"--time-limit={text}")
    assert line == f"minicnn train: --time-limit: expected a time like 8h, 45m, 1h30m or 600s, received {text!r}"


def test_times():
    assert [options.seconds(t) for t in ("8h", "45m", "1h30m", "600s", "1H1M1S")] == [28800, 2700, 5400, 600, 3661]


def test_checkpoints_that_could_not_be_written_are_said_by_the_exit_code(capsys, kaggle, monkeypatch):
    write = minicnn.io.model_file.write

    def full(path, *rest):
        if "checkpoints" in str(path):
            raise OSError(28, "No space left on device")
        write(path, *rest)

    monkeypatch.setattr(minicnn.reports, "save", lambda *_: None)
    monkeypatch.setattr("minicnn.io.model_file.write", full)
    with pytest.warns(UserWarning, match="training goes on"):
        assert train.main([*TINY, "--data", str(kaggle), "--out", "out"]) == 3
    assert re.match(r"minicnn train: a checkpoint could not be written: .*\.minicnn: No space left on device$",
                    capsys.readouterr().err.splitlines()[-1])  # fmt: skip


def in_training(process):
    """Wait until the first epoch is over: its line is printed at once, also into a pipe."""
    for line in process.stdout:
        if line.startswith("Epoch 1/"):
            return
    raise AssertionError(process.stderr.read())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_was_learnt(kaggle, tmp_path, number, code):
    process = start("--data", kaggle, "--epochs", 1000, "--kernels", "numpy_ref", "--out", "out")
    in_training(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert process.returncode == code
    assert err.strip() == "Stopping; a checkpoint and the outputs are written first. Ctrl-C aborts at once."
    epochs = len(written(tmp_path / "out")["loss"])
    assert 1 <= epochs < 1000
    assert f"stopped   by {number.name} in epoch {epochs + 1} of 1000, step 1 of 1; the same command goes on" in out
    submission.check(tmp_path / "out" / "submission.csv", 12)
    assert next((tmp_path / "out" / "checkpoints").rglob(f"epoch_{epochs:05d}_step_0000001.minicnn"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_second_ctrl_c_aborts_at_once(kaggle, tmp_path):
    process = start("--data", kaggle, "--epochs", 1000, "--kernels", "numpy_ref", "--out", "out")
    in_training(process)
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == "\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err.splitlines()[-1] == (
        "train_kaggle: aborted, outputs in out may be missing; the same command goes on from the last checkpoint"
    )
    assert not [path for path in (tmp_path / "out").iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_training(capsys, monkeypatch, number, code):
    before = signal.getsignal(number)
    monkeypatch.setattr(recipe, "load", lambda *_: signal.raise_signal(number))
    assert train.main(TINY) == code
    assert capsys.readouterr().err == "minicnn train: aborted, nothing had been learnt yet\n"
    assert signal.getsignal(number) is before


def test_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        train.main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for name in ("data", "device", "epochs", "batch-size", "seed", "out", "kernels", "limit", "quiet", "fresh",
                 "time-limit", "patience", "best"):  # fmt: skip
        assert f"--{name}" in text


@pytest.mark.parametrize("name", [None, "kaggle_bn"])
def test_every_flag_says_what_it_does_and_its_default(name):
    for action in options.parser("x", "", name)._actions:
        flag = action.option_strings[-1] if action.option_strings else action.dest
        assert action.help, flag
        if flag not in ("name", "--help") and action.nargs != 0:
            assert re.search("default|never|of the network", action.help), flag
