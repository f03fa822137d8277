"""The page with files of the real Keras: sequential and functional, .keras and .h5, drawn on, asked, backward."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import minicnn
from minicnn.play.session import Session

from . import test_page
from .test_page import ROOT, chromium, settled, stroke, until, visited  # noqa: F401  (a fixture)
from .test_page_models import asked_cells, drawn_ink, playing

pytestmark = [
    *test_page.pytestmark, pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason='no keras: pip install -e ".[parity]"'),
]  # fmt: skip
FILES = {"sequential.keras": True, "tall.h5": False, "branches.keras": True, "branches.h5": True}  # fits the digits?


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """(the folder of FILES, what the real Keras says about images: keras(file, x))"""
    folder = tmp_path_factory.mktemp("keras")
    command = [sys.executable, "-m", "tests.play.keras_files", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def says(file, x):
            np.save(folder / "x.npy", x)
            print(file, folder / "x.npy", folder / "y.npy", file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"
            return np.load(folder / "y.npy")

        assert process.stdout.readline() == "done\n"
        yield folder, says
        process.stdin.close()


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_keras_is_drawn_on(chromium, keras, name):  # noqa: F811
    folder, says = keras
    session = Session(minicnn.load_model(folder / name))
    with playing(folder / name) as address, visited(chromium, address) as page:
        for points in ([(0.2, 0.2), (0.8, 0.3)], [(0.8, 0.3), (0.4, 0.9)]):
            stroke(page, points)
        outputs = settled(page)
        session.draw(drawn_ink(page))
        np.testing.assert_allclose(outputs, says(folder / name, session.x[None])[0], atol=6e-4)  # three digits
        page.locator("#label").select_option("2")
        page.get_by_role("button", name="backward").click()
        settled(page)
        session.backward(2)
        assert page.locator("#loss").inner_text().startswith("loss of 2: ")
        asked_cells(page, session)
        button = page.get_by_role("button", name="one step")
        assert button.count() == FILES[name]
        if FILES[name]:
            button.click()
            until(page, lambda step, text: step == 1 and "loss" in text)
