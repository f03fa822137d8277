"""minicnn predict, summary, plan, gradcheck, explain: on files and a run's folder; every command of the README."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import minicnn
from minicnn import layers
from minicnn.__main__ import COMMANDS, main
from minicnn.commands import look, report
from minicnn.ops import conv
from tests.teaching.test_gradcheck import planted, replaced

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def run(tmp_path, monkeypatch, rng):
    """A folder with runs/mine, as a training writes it, and data.npz."""
    monkeypatch.chdir(tmp_path)
    minicnn.keras.backend.clear_session()
    model = minicnn.Sequential([
        layers.Input((28, 28, 1)), layers.Conv2D(2, 3, strides=2, activation="relu"),
        layers.Conv2D(8, 3, strides=2, activation="relu"), layers.Flatten(), layers.Dense(10, activation="softmax"),
    ], seed=0)  # fmt: skip
    model.compile("adam", "categorical_crossentropy")
    Path("runs/mine").mkdir(parents=True)
    model.save("runs/mine/model.minicnn")
    np.savez("data.npz", x=rng.random((4, 28, 28, 1)), y=np.arange(4))
    return model


def said(capsys, line: str, code: int = 0) -> str:
    returned, found = main(shlex.split(line)), capsys.readouterr()
    assert returned == code, found.err
    return found.err if code == 2 else found.out


def test_predict(run, capsys, tmp_path):
    text = said(capsys, "predict runs/mine --data data.npz --limit 2 --top 2 --out answers.csv")
    x = np.load("data.npz")["x"].astype(np.float32)
    answers = run.predict(x, verbose=0)
    assert f"{answers[0].argmax()}: {answers[0].max():.4f}" in text.splitlines()[1]
    assert f"{int((answers.argmax(1) == np.arange(4)).sum())} of 4 right" in text
    minicnn.io.submission.check("answers.csv", 4)
    assert "180 images: 180 of scikit-learn's digits" in said(capsys, "predict runs/mine")


def test_explain_is_the_trace_in_words(run, capsys):
    text = said(capsys, "explain runs/mine/model.minicnn --data data.npz --image 1 --layer conv2d_1 --pixel 1,2,7")
    x = np.load("data.npz")["x"].astype(np.float32)
    cell = run.trace(x[1], 1).cell("conv2d_1", 1, 2, 7)
    assert str(cell) in text
    assert "it depends on rows 4..10, columns 8..14 of the image" in text
    assert "the loss is of class 1 (its label)" in text
    assert max(map(len, text.splitlines())) <= 100
    whole = said(capsys, "explain runs/mine --data data.npz --label 3 --steps")
    assert "class 3 (chosen)" in whole
    assert [name in whole for name in ("1/6  conv2d", "2/6  conv2d_1", "5/6  the loss")] == [True] * 3


def test_a_keras_file_and_a_picture(run, capsys):
    pytest.importorskip("h5py")
    run.save("model.keras")
    minicnn.data.images.save_img("digit.png", np.eye(28)[..., None])
    assert "1 images: digit.png" in said(capsys, "predict model.keras --data digit.png")


def test_a_wrong_gradient_is_named_by_the_exit_code(run, capsys, monkeypatch):
    assert "gradients are right" in said(capsys, "gradcheck runs/mine --data data.npz --limit 2")
    planted(monkeypatch, conv.conv2d, replaced(2, lambda g: g * 2))
    text = said(capsys, "gradcheck runs/mine --data data.npz --limit 2", code=1)
    assert "conv2d: conv2d: gradient of bias: wrong" in text.splitlines()[-2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("summary nowhere.minicnn", "nowhere.minicnn"), ("summary .", "expected a run's folder with model.minicnn"),
        ("predict runs/mine --data none.npz", "received none of this name"),
        ("predict runs/mine --data README.txt", "expected .npz"), ("predict runs/mine --limit 0", "at least 1"),
        ("predict runs/mine --out data.npz/answers.csv", "--out: expected a folder that can be written"),
        ("report runs/mine --out data.npz/report.html", "--out: expected a folder that can be written"),
        ("explain runs/mine --image 180", "--image: expected a number from 0 to 179"),
        ("explain runs/mine --pixel 1,2", "a --layer too"), ("explain runs/mine --layer conv --pixel 1", "conv2d"),
        ("explain runs/mine --layer conv2d --pixel 1,x", "whole numbers like 3,4,7"),
        ("explain runs/mine --layer conv2d --pixel 99,0,0", "from 0 to 12"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_code_2(run, capsys, line, message):
    text = said(capsys, line, code=2)
    assert message in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("name", [*look.COMMANDS, "report"])
def test_help_fits_a_screen_and_shows_an_example(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= 40
    assert f"example:  minicnn {name} " in text
    example = shlex.split(text.partition("example:  minicnn ")[2].splitlines()[0])
    (report.parser() if name == "report" else look.parser(name)).parse_args(example[1:])


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_as_wide_as_the_terminal(name, capsys, monkeypatch):
    """Every word of it is there, in lines of the terminal; in a wide one the lines are those that were written."""
    found = {}
    for columns in (80, 130):
        monkeypatch.setenv("COLUMNS", str(columns))
        with contextlib.suppress(SystemExit):
            main([*filter(None, [name]), "--help"])
        found[columns] = capsys.readouterr().out
        assert max(map(len, found[columns].splitlines())) <= columns
    assert len({"".join(text.split()) for text in found.values()}) == 1


def looked_at(page: Path) -> str:
    """The page without its pictures: one file, no script, nothing from elsewhere, numbers beside every picture."""
    text = page.read_text("utf-8")
    assert len(text.encode()) < 2_000_000
    assert not re.search(r"<script|<link|@import|url\(|https?://", text)
    for section in text.split("<section>")[1:]:
        assert section.count("<img ") == 0 or "<table>" in section
    sources = re.findall(r'src="([^"]{0,30})', text)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert all(word in text for word in ("Confusion matrix", "Worst errors", "Filters", "Time and memory"))
    return re.sub(r'src="[^"]*"', "", text)


def test_report_of_a_folder_of_ones_own(run, capsys):
    x, y = np.load("data.npz")["x"].astype(np.float32), np.arange(4)
    minicnn.io.history.write("runs/mine/history.csv", {"loss": [2.5, 1.25], "learning_rate": [0.01, 0.005]})
    assert "report.html" in said(capsys, "report runs/mine --data data.npz")
    text = looked_at(Path("runs/mine/report.html"))
    right = int((run.predict(x, verbose=0).argmax(1) == y).sum())
    assert f"{right} of 4 right" in text
    assert "<td>2</td><td>0.005</td><td>1.25</td>" in text
    assert "Grad-CAM of conv2d_1" in text
    norm = float(np.linalg.norm(run.get_weights()[0][..., 1]))
    assert f"<td>1</td><td>{norm:.4f}</td>" in text
    for lacks in ("has no summary.json", "no recipe&#x27;s run", "has not recorded them epoch by epoch"):
        assert lacks in text
    assert "a run&#x27;s folder" not in said(capsys, "report runs/nothing", code=2)


@pytest.mark.slow
def test_report_of_a_training(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    said(capsys, "train --limit 64 --epochs 1 --kernels numpy_ref --quiet --seed 3 --out runs/mine")
    assert "wrote runs/mine/report.html" in said(capsys, "report runs/mine")
    text = looked_at(Path("runs/mine/report.html"))
    command = "minicnn train --limit 64 --epochs 1 --kernels numpy_ref --quiet --seed 3 --out runs/mine"
    assert f"<td>command</td><td>{command}</td>" in text
    assert "<td>seed</td><td>3</td>" in text
    assert "before training and after each of 1 epochs" in text
    assert "update / weights, an epoch" in text
    before = minicnn.recipes.kaggle_bn.build(minicnn, momentum=0.9, seed=3, kernels="numpy_ref").get_weights()[0]
    assert f"<td>0</td><td>{np.linalg.norm(before[..., 0]):.4f}</td>" in text
    assert "rotation_range 10" in text


def advised() -> list[str]:
    section = README.read_text("utf-8").partition("## See inside\n")[2].partition("\n## ")[0]
    return re.findall(r"^    minicnn (.*?)(?:  +#.*)?$", section, re.MULTILINE)


def test_every_command_of_the_readme(run, capsys):
    lines = advised()
    assert {line.split()[0] for line in lines} >= {"train", "report", *look.COMMANDS}
    for line in lines:
        if not line.startswith(("train", "play")):  # what takes long, or never ends: see the next
            assert said(capsys, line)


@pytest.mark.slow
@pytest.mark.tools
def test_the_readme_trains_and_plays_in_processes(tmp_path):
    """In an empty folder, as a student types it, on fewer images; play answers at the address that it prints."""
    pytest.importorskip("uvicorn", reason='no uvicorn: pip install -e ".[play]"')
    environment = os.environ | {"PYTHONPATH": str(README.parent), "MINICNN_DATA": ""}
    asked = {"cwd": tmp_path, "env": environment, "text": True, "stdout": subprocess.PIPE}
    lines = [line for line in advised() if line.startswith(("train", "play"))]
    assert [line.split()[0] for line in lines] == ["play", "train", "play"]
    for line in lines:
        less = "--limit 64 --epochs 1 --kernels numpy_ref" if line.startswith("train") else ""
        words = [sys.executable, "-m", "minicnn", *shlex.split(f"{line} {less}")]
        with subprocess.Popen(words, **asked) as process:
            if words[3] != "play":
                output, _ = process.communicate()
                assert process.returncode == 0, output
                continue
            printed = iter(process.stdout.readline, "")
            address = next(found[0] for text in printed if (found := re.search(r"http://127\S+", text)))
            with urllib.request.urlopen(address) as page:
                assert b"minicnn play" in page.read()
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0


def two_ends(folder: Path) -> minicnn.Model:
    """A model with two inputs and two outputs, in a run's folder, and data.npz for it."""
    minicnn.keras.backend.clear_session()
    picture, beside = layers.Input((6, 5, 3), name="picture"), layers.Input((4,), name="beside")
    y = layers.Flatten()(layers.Conv2D(4, 3, activation="relu", name="conv")(picture))
    y = layers.Concatenate()([y, layers.Dense(3, name="side")(beside)])
    ends = layers.Dense(2, name="angle")(y), layers.Dense(3, activation="softmax", name="kind")(y)
    model = minicnn.Model([picture, beside], ends, seed=0)
    model.compile("adam", {"angle": "mse", "kind": "categorical_crossentropy"})
    folder.mkdir()
    model.save(folder / "model.minicnn")
    rng = np.random.default_rng(0)
    np.savez(folder / "data.npz", picture=rng.random((5, 6, 5, 3)), beside=rng.random((5, 4)),
             angle=rng.random((5, 2)), kind=np.arange(5) % 3)  # fmt: skip
    np.savez(folder / "bare.npz", picture=rng.random((2, 6, 5, 3)), beside=rng.random((2, 4)))
    return model


def test_several_inputs_and_outputs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = two_ends(Path("two"))
    data = dict(np.load("two/data.npz"))
    x = [data["picture"].astype(np.float32), data["beside"].astype(np.float32)]
    kind = model.predict(x, verbose=0)[1]
    text = said(capsys, "predict two --data two/data.npz --out answers.csv")
    assert f"kind: label 0  {kind[0].argmax()}: {kind[0].max():.4f}" in text
    assert f"kind: {int((kind.argmax(1) == data['kind']).sum())} of 5 right" in text
    minicnn.io.submission.check("answers.csv", 5)
    text = said(capsys, "explain two --data two/data.npz --image 4 --layer conv --pixel 1,2,3")
    trace = model.trace([one[4] for one in x], {"angle": data["angle"][4:5], "kind": 1})
    assert str(trace.cell("conv", 1, 2, 3)) in text
    assert "the loss is of angle: the file's y, kind: class 1 (its label)" in text
    assert "it depends on rows 1..3, columns 2..4 of x/picture\nit depends on nothing of x/beside" in text
    text = said(capsys, "explain two --data two/bare.npz --layer side/kernel --pixel 3,1")
    assert f"angle: what it says, kind: class " in text  # noqa: F541
    assert "BACKWARD  dL/d side/kernel[3, 1] = " in text
    assert "gradients are right" in said(capsys, "gradcheck two --data two/data.npz")
    assert "gradients are right" in said(capsys, "gradcheck two")
    assert "conv" in said(capsys, "plan two")
    assert said(capsys, "summary two")
    said(capsys, "report two --data two/data.npz")
    page = looked_at(Path("two/report.html"))
    assert "Of kind." in page
    assert f"{int((kind.argmax(1) == data['kind']).sum())} of 5 right" in page


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("predict two", "--data FILE.npz with the arrays picture, beside for its 2 inputs"),
        ("explain two --data two/data.npz --label 1", "--label: expected a model with one output"),
        ("report two --data two/bare.npz", "images with targets y"), ("predict two --data two/wrong.npz", "'picture'"),
        ("gradcheck two --data two/part.npz", "expected targets of angle"),
    ],
)  # fmt: skip
def test_what_several_lack_is_said(tmp_path, monkeypatch, capsys, line, message):
    monkeypatch.chdir(tmp_path)
    two_ends(Path("two"))
    found = dict(np.load("two/data.npz"))
    np.savez("two/wrong.npz", x=found["picture"])
    np.savez("two/part.npz", **{name: found[name] for name in ("picture", "beside", "kind")})
    assert message in said(capsys, line, code=2)


def first(folder: Path):
    how = {"data_format": "channels_first"}
    parts = [layers.Input((3, 8, 8)), layers.Conv2D(4, 3, activation="relu", **how), layers.Flatten(**how),
             layers.Dense(1, activation="sigmoid")]  # fmt: skip
    return minicnn.Sequential(parts, seed=0), "binary_crossentropy", 2


def sequence(folder: Path):
    parts = [layers.Input((9, 2)), layers.Conv1D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
    return minicnn.Sequential(parts, seed=0), "mse", 0


def inside(folder: Path):
    inner = minicnn.Sequential([layers.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same", name="inside")], seed=0)
    x = layers.Input((8, 8, 3))
    y = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(inner(inner(x))))
    return minicnn.Model(x, y, seed=0), "sparse_categorical_crossentropy", 3


@pytest.mark.parametrize("build", [first, sequence, inside])
def test_reports_and_explanations_of_other_shapes(tmp_path, monkeypatch, capsys, rng, build):
    monkeypatch.chdir(tmp_path)
    minicnn.keras.backend.clear_session()
    model, loss, classes = build(tmp_path)
    model.compile("adam", loss)
    model.save("model.minicnn")
    y = np.arange(6) % classes if classes else rng.random((6, 3))
    np.savez("data.npz", x=rng.random((6, *model.sample_in)), y=y)
    said(capsys, "report . --data data.npz")
    page = looked_at(Path("report.html"))
    assert ("of 6 right" in page) == bool(classes)
    assert "no convolution" not in page
    assert ("Grad-CAM of" in page) == bool(classes and "no errors" not in page)
    layer, at = {inside: ("inside", "1,2,0"), sequence: ("conv1d", "1,2"), first: ("conv2d", "1,2,3")}[build]
    text = said(capsys, f"explain model.minicnn --data data.npz --layer {layer} --pixel {at}")
    assert "it depends on rows" in text
    assert "BACKWARD  dL/d" in text
    assert said(capsys, "explain model.minicnn --data data.npz --steps")
    assert said(capsys, "predict model.minicnn --data data.npz")


def squared(folder: Path) -> None:
    """Models whose loss is mse, beside class numbers: alone, and as one of two heads; of one number; an image."""
    minicnn.keras.backend.clear_session()
    x = layers.Input((5, 5, 1))
    flat = layers.Flatten()(x)
    angle, kind = layers.Dense(3, name="angle")(flat), layers.Dense(4, activation="softmax", name="kind")(flat)
    for name, ends, loss in (("alone", angle, "mse"), ("heads", [angle, kind], ["mse", "categorical_crossentropy"]),
                             ("one", layers.Dense(1, name="only")(flat), "mse"), ("image", x * 2, "mse")):  # fmt: skip
        model = minicnn.Model(x, ends, seed=0)
        model.compile("sgd", loss)
        model.save(folder / f"{name}.minicnn")
    x = np.random.default_rng(0).random((4, 5, 5, 1))
    np.savez(folder / "data.npz", x=x, y=np.array([2, 0, 1, 2]), kind=np.arange(4))
    np.savez(folder / "float.npz", x=x, y=np.array([2.0, 0.5, 7, -1]))


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ("alone.minicnn --data data.npz", "class 2 (its label)"),
        ("alone.minicnn --data float.npz", "class 2 (its label)"),
        ("alone.minicnn --data data.npz --label 1", "class 1 (chosen)"),
        ("heads.minicnn --data data.npz --image 3", "angle: class 2 (its label), kind: class 3 (its label)"),
        ("one.minicnn --data data.npz", "the file's y"), ("one.minicnn --data data.npz --label 1", "class 1 (chosen)"),
    ],
)  # fmt: skip
def test_a_squared_loss_of_class_numbers_is_of_their_rows(tmp_path, monkeypatch, capsys, line, target):
    """As gradcheck takes them: one-hot. The whole way back is there, of the class that is named."""
    monkeypatch.chdir(tmp_path)
    squared(tmp_path)
    text = said(capsys, f"explain {line}")
    assert f"; the loss is of {target}\n" in text
    model = minicnn.load_model(line.split()[0])
    n, x = 3 if "--image 3" in line else 0, np.load("data.npz")["x"].astype(np.float32)
    angle = model.predict(x, verbose=0)
    angle = (angle[0] if isinstance(angle, list) else angle)[n]
    if target != "the file's y" and len(angle) > 1:
        label = int(target.partition("class ")[2][0])
        loss = float(np.mean((angle - np.eye(3)[label]) ** 2))
        assert model.trace(x[n], [label, 3] if n else label)["loss/angle" if n else "loss"] == pytest.approx(loss)
    name = "only" if line.startswith("one") else "angle"
    assert re.search(rf"^dense +{name} .* \d\.\d\de[-+]\d\d$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("alone.minicnn --data float.npz --image 1", "label of image 1: expected a whole number, received 0.5"),
        ("alone.minicnn --data float.npz --image 2", "expected a whole number from 0 to 2, received 7"),
        ("alone.minicnn --data float.npz --image 3", "expected a whole number from 0 to 2, received -1"),
        ("alone.minicnn --data data.npz --label 3", "expected a whole number from 0 to 2, received 3"),
        ("one.minicnn --data data.npz --label 2", "expected a whole number from 0 to 1, received 2"),
        ("image.minicnn --data data.npz --label 1", "--label: expected a model whose output is a vector"),
    ],
)  # fmt: skip
def test_a_label_that_no_class_has_is_refused(tmp_path, monkeypatch, capsys, line, message):
    monkeypatch.chdir(tmp_path)
    squared(tmp_path)
    assert message in said(capsys, f"explain {line}", code=2)
