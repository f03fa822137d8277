"""The examples as modules, and the files that they look for."""

import importlib
import os
import sys
from pathlib import Path

import pytest

import minicnn

FOLDER = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def examples():
    """A function name -> module of examples/, imported as `python examples/NAME.py` would."""
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope="session")
def kaggle(tmp_path_factory):
    """A folder like the competition's: 60 + 12 embedded digits as csv, CRLF as in the real files."""
    folder = tmp_path_factory.mktemp("kaggle")
    x, y = minicnn.data.digits.load_data()
    pixels = ",".join(f"pixel{i}" for i in range(784))
    train = [f"label,{pixels}", *(",".join(map(str, [y[i], *x[i].ravel()])) for i in range(60)), ""]
    test = [pixels, *(",".join(map(str, x[i].ravel())) for i in range(60, 72)), ""]
    for name, table in (("train.csv", train), ("test.csv", test)):
        (folder / name).write_text("\r\n".join(table), newline="")
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working folder, no data around, a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    monkeypatch.setenv("MINICNN_CACHE", str(tmp_path / "cache"))
    paths = [str(Path(minicnn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
