"""Every Python block of the README and of docs/ runs, in its page's order; Sphinx builds the pages (extra `docs`)."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minicnn

pytestmark = [pytest.mark.docs, pytest.mark.slow]
sybil = pytest.importorskip("sybil", reason='the pages need sybil: pip install -e ".[docs]"')
myst = pytest.importorskip("sybil.parsers.myst")
pytest.importorskip("myst_parser", reason='the pages need myst-parser: pip install -e ".[docs]"')

ROOT = Path(__file__).parents[2]
PAGES = [page
         for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
         if "```python" in page.read_text()]


def names() -> dict:
    """What the pages take as given: a compiled model and a few images."""
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 4, 4, 1), "f4"), rng.integers(0, 3, 64)
    parts = [minicnn.layers.Input((4, 4, 1)), minicnn.layers.Flatten(), minicnn.layers.Dense(3, activation="softmax")]
    model = minicnn.Sequential(parts, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return {"minicnn": minicnn, "np": np, "model": model, "x": x, "y": y}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(minicnn.World, "mpi", minicnn.World)  # a process alone, which needs no mpi4py
    parser = myst.PythonCodeBlockParser()
    document = sybil.Sybil(parsers=[parser]).parse(page)
    document.namespace.update(names())
    blocks = list(document.examples())
    assert len(blocks) == page.read_text("utf-8").count("```python\n")
    for block in blocks:
        block.evaluate()


def test_a_block_that_fails_is_seen(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("```python\nminicnn.layers.Conv4D\n```\n")
    with pytest.raises(AttributeError, match="Conv4D"):
        test_python_blocks(page, tmp_path, monkeypatch)


def test_sphinx_has_nothing_to_warn_of(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-E", "-d", tmp_path / "trees"]
    done = subprocess.run([*command, ROOT / "docs", tmp_path / "html"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "html" / "api.html").read_text("utf-8")
    assert all(f'id="minicnn.layers.{name}"' in reference for name in ("Conv2D", "BatchNormalization", "Dropout"))
    assert "http" not in "".join(line for line in reference.splitlines() if "<script" in line or "stylesheet" in line)
