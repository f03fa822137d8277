"""The page with models that are not shaped like MNIST, with imported Keras files, and without a model."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

import minicnn
from minicnn import layers as L
from minicnn.play.session import Session

from . import test_page
from .test_page import ROOT, accessible, chromium, settled, stroke, visited  # noqa: F401  (a fixture)

pytestmark = [*test_page.pytestmark, pytest.mark.slow]


def branches(path):
    """Colour images through two branches and a shared layer, with two answers."""
    x = L.Input((32, 32, 3))
    shared = L.Conv2D(6, 3, padding="same", activation="relu", name="shared")
    y = L.Conv2D(6, 1, name="first")(x)
    y = L.GlobalAveragePooling2D()(L.MaxPooling2D(4)(L.Add()([shared(shared(y)), y])))
    model = minicnn.Model(x, [L.Dense(4, name="angles")(y), L.Dense(5, activation="softmax", name="kind")(y)], seed=1)
    model.compile("adam", ["mse", "sparse_categorical_crossentropy"])
    model.save(path / "branches.minicnn")
    return path / "branches.minicnn"


def keras_2(path):
    """A file as Keras 2 wrote them, of a tall image."""
    pytest.importorskip("h5py", reason='no h5py: pip install -e ".[keras]"')
    parts = [L.Input((16, 12, 1)), L.Conv2D(5, 3, activation="relu", name="first"), L.MaxPooling2D(), L.Flatten(),
             L.Dense(3, activation="softmax")]  # fmt: skip
    model = minicnn.Sequential(parts, seed=2)
    model.compile("sgd", "categorical_crossentropy")
    model.save(path / "old.h5")
    return path / "old.h5"


def keras_3(path):
    """A .keras file with channels first."""
    pytest.importorskip("h5py", reason='no h5py: pip install -e ".[keras]"')
    how = {"data_format": "channels_first"}
    parts = [L.Input((1, 28, 28)), L.Conv2D(4, 3, activation="relu", name="first", **how), L.MaxPooling2D(**how),
             L.Flatten(**how), L.Dense(10, activation="softmax")]  # fmt: skip
    model = minicnn.Sequential(parts, seed=3)
    model.compile("adam", "categorical_crossentropy")
    model.save(path / "new.keras")
    return path / "new.keras"


def nothing(path):
    return None


@contextmanager
def playing(path=None):
    """The address that `minicnn play` prints, while it runs; Ctrl-C ends it."""
    command = [sys.executable, "-m", "minicnn", "play", *([] if path is None else [str(path)])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stdout.readline, "")
            yield next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+/\S+/", line)))
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.fixture(scope="module", params=[branches, keras_2, keras_3, nothing], ids=lambda build: build.__name__)
def served(request, tmp_path_factory):
    """(the address, a Session of the same model, whether the page trains it)"""
    path = request.param(tmp_path_factory.mktemp("other"))
    with playing(path) as address:
        if path is None:
            from minicnn.commands.play import beginner

            minicnn.keras.backend.clear_session()  # names as in a new process
            yield address, Session(beginner()), True
        else:
            yield address, Session(minicnn.load_model(path)), path.suffix == ".keras"


@pytest.fixture
def page(chromium, served):  # noqa: F811
    with visited(chromium, served[0]) as found:
        yield found


def number(text: str) -> float:
    return float(re.search(r"= (-?[\d.e-]+)", text)[1])


def drawn_ink(page) -> np.ndarray:
    """uint8 (S, S): what the page's canvas holds."""
    ink = page.evaluate("Array.from(document.getElementById('pen').getContext('2d').getImageData(0,0,140,140).data)")
    return np.array(ink, np.uint8).reshape(140, 140, 4)[..., 0]


def asked_cells(page, session) -> None:
    """A cell of every layer, by the keyboard: its numbers on the page are the engine's, digit by digit."""
    shown = page.locator("[data-layer]").evaluate_all("all => all.map(one => one.dataset.layer)")
    looked = session.look()["layers"]
    assert shown == [layer["name"] for layer in looked]
    for layer in looked:
        maps = page.locator(f'[data-layer="{layer["name"]}"] canvas')
        maps.focus()
        page.keyboard.press("ArrowRight")
        settled(page)
        text = page.locator("#cell-value").inner_text()
        index = [int(i) for i in re.search(r"\(([\d, ]+)\)", text)[1].split(",")]
        cell = session.cell(layer["name"], index)
        assert number(text) == cell["value"], text
        if cell["gradient"] is not None:
            assert number(text.partition("dL/d of it")[2]) == cell["gradient"]
        assert cell["text"].splitlines()[0] in page.locator(".numbers pre").inner_text()


def test_hover_and_backward_are_the_engines(page, served):
    _, session, _ = served
    for points in ([(0.2, 0.2), (0.8, 0.3)], [(0.8, 0.3), (0.4, 0.9)]):
        stroke(page, points)
    outputs = settled(page)
    session.draw(drawn_ink(page))
    np.testing.assert_allclose(outputs, session.look()["outputs"], atol=6e-4)  # three digits are shown
    page.get_by_role("button", name="backward").click()
    settled(page)
    asked_cells(page, session)


def test_what_fits_the_digits_is_trained_on_them(page, served):
    _, _, trains = served
    settled(page)
    button = page.get_by_role("button", name="one step")
    assert button.count() == trains
    if trains:
        button.click()
        test_page.until(page, lambda step, text: step >= 1 and "loss" in text)
    else:
        assert "another shape" in page.locator('section[aria-label="Drawing"]').inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_axe_finds_nothing(chromium, served, scheme, width):  # noqa: F811
    with visited(chromium, served[0], width=width, color_scheme=scheme) as page:
        stroke(page, [(0.5, 0.1), (0.5, 0.9)])
        page.get_by_role("button", name="backward").click()
        page.locator("[data-layer] canvas").first.focus()
        settled(page)
        if test_page.PICTURES:
            name = f"{served[1].model.name}_{width}_{scheme}.png"
            page.screenshot(path=f"{test_page.PICTURES}/{name}", full_page=True)
        accessible(page)
