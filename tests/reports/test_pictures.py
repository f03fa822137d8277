"""Every picture can be drawn and saved, has ink on it, and leaves no trace in matplotlib's global state."""

import io
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from minicnn import reports
from minicnn.errors import ArgumentError, DataError
from minicnn.reports import confusion, curves, labels, samples, worst
from minicnn.reports.arrays import fractions_of

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (20, 28, 28, 1), dtype=np.uint8)
Y = RNG.integers(0, 10, 20)
P = RNG.dirichlet(np.ones(10), 20)
HISTORY = {"accuracy": [0.9, 0.95, 0.96], "val_accuracy": [0.95, 0.97, 0.97], "loss": [0.3, 0.2, 0.1],
           "val_loss": [0.2, 0.15, 0.16], "learning_rate": [1e-3, 1e-3, 5e-4]}  # fmt: skip

PICTURES = {
    "label counts": lambda: labels.draw(labels.count(Y)),
    "no label": lambda: labels.draw(np.zeros(10, int)),
    "samples": lambda: samples.draw(X, Y),
    "samples without titles": lambda: samples.draw(X[:3], columns=2),
    "samples in colour": lambda: samples.draw(RNG.random((2, 8, 8, 3))),
    "augmented": lambda: samples.draw_augmented(X[:4], X[4:8] / 255, titles=Y[:4]),
    "curves": lambda: curves.draw(HISTORY),
    "curves without validation": lambda: curves.draw({"loss": [1.0, 0.5], "accuracy": [0.5, 0.6]}),
    "curves of nothing": lambda: curves.draw({}),
    "many rates": lambda: curves.draw({"loss": [1.0] * 9, "learning_rate": [0.5**i for i in range(9)]}),
    "confusion": lambda: confusion.draw(confusion.table(Y, P)),
    "confusion in fractions": lambda: confusion.draw(confusion.table(Y, P, normalise=True)),
    "no confusion": lambda: confusion.draw(confusion.table(Y, Y)),
    "worst errors": lambda: worst.draw(X, worst.find(Y, P)),
    "one error": lambda: worst.draw(X, worst.find(Y, P)[:1]),
    "no error": lambda: worst.draw(X, []),
}


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(png))[..., :3]


@pytest.mark.parametrize("name", PICTURES)
def test_saved_and_not_blank(tmp_path, name):
    before = dict(matplotlib.rcParams)
    figure = PICTURES[name]()
    reports.save(figure, tmp_path / "picture.png")
    image = pixels((tmp_path / "picture.png").read_bytes())
    assert image.shape[0] > 150
    assert image.shape[1] > 250
    assert 0.0005 < (image < 0.9).any(axis=-1).mean() < 0.9  # some ink, and not all ink
    assert (image[[0, -1]] > 0.99).all()  # nothing is cut off at the edges
    assert (image[:, [0, -1]] > 0.99).all()
    assert dict(matplotlib.rcParams) == before
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_a_notebook_shows_the_same_picture(tmp_path):
    figure = labels.draw(labels.count(Y))
    reports.save(figure, tmp_path / "picture.png")
    assert np.array_equal(pixels(figure._repr_png_()), pixels((tmp_path / "picture.png").read_bytes()))


def test_the_look_does_not_depend_on_the_readers_own_style():
    plain = labels.draw(labels.count(Y))._repr_png_()
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "xtick.labelsize": 30}):
        assert np.array_equal(pixels(labels.draw(labels.count(Y))._repr_png_()), pixels(plain))


def test_no_pyplot_and_no_matplotlib_before_the_first_picture():
    code = """
import sys
from minicnn import reports
assert "matplotlib" not in sys.modules and "pandas" not in sys.modules and "sklearn" not in sys.modules
reports.labels.draw(reports.labels.count([1, 2, 2]))._repr_png_()
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".PNG"])
def test_other_formats(tmp_path, suffix):
    reports.save(labels.draw(labels.count(Y)), tmp_path / f"picture{suffix}")
    assert (tmp_path / f"picture{suffix}").stat().st_size > 3000


def test_unknown_format(tmp_path):
    path = tmp_path / "picture.gif"
    message = f"picture: path {path}: suffix: expected one of .png, .svg, .pdf, received '.gif'"
    with pytest.raises(ArgumentError, match=re.escape(message)):
        reports.save(labels.draw(labels.count(Y)), path)


def test_what_is_no_image():
    message = "samples.draw: x: expected images of shape (N, H, W) or (N, H, W, 1 or 3), received shape (3, 784)"
    with pytest.raises(DataError, match=re.escape(message) + "$"):
        samples.draw(np.zeros((3, 784)))
    with pytest.raises(
        DataError, match=r"samples.draw: x: expected at least one image, received none: shape \(0, 28, 28\)$"
    ):
        samples.draw(np.zeros((0, 28, 28)))


@pytest.mark.parametrize("scale", [1, 1 / 255, 1.0000002 / 255])
def test_pixels_in_every_usual_scale(scale):
    for x in (X * np.float32(scale), X, X[..., 0]):
        assert fractions_of(x, "test") == pytest.approx(X[..., 0] / 255, abs=1e-6)


def test_one_of_each():
    assert samples.one_of_each(np.array([4, 2, 4, 0, 2])).tolist() == [3, 1, 0]


def test_a_constant_rate_has_no_panel():
    names = [axes.get_ylabel() for axes in curves.draw({"loss": [1.0, 0.5], "val_loss": [1.0, 0.7]}).get_axes()]
    assert names == ["accuracy", "loss"]
    assert [axes.get_ylabel() for axes in curves.draw(HISTORY).get_axes()] == ["accuracy", "loss", "learning rate"]


def test_best_epoch_is_the_first_of_equals():
    assert curves.best(HISTORY) == (2, 0.97)
    assert curves.best({"loss": [1]}) is None
