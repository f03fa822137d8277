"""The table of differences from Keras is what the docstrings say."""

import runpy
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "docs" / "keras_differences.py"


@pytest.fixture
def program():
    if not PROGRAM.exists():
        pytest.skip("no checkout")
    return runpy.run_path(str(PROGRAM))


def test_the_table_is_current(program):
    assert program["TABLE"].read_text("utf-8") == program["table"](), "run python docs/keras_differences.py"


def test_every_mark_is_found(program):
    marks = sum(path.read_text("utf-8").count(program["MARK"]) for path in PROGRAM.parents[1].glob("minicnn/**/*.py"))
    found = dict(program["differences"]())
    assert len(found) == len(list(program["differences"]())) == marks
    assert found["callbacks.csv_logger.CSVLogger"]


def test_one_that_is_not_current_is_told(program, monkeypatch, tmp_path, capsys):
    other = tmp_path / "keras-differences.md"
    monkeypatch.setitem(program["main"].__globals__, "TABLE", other)
    monkeypatch.setitem(program["main"].__globals__, "ROOT", program["ROOT"])
    assert program["main"](["--check"]) == 1
    other.write_text(program["table"](), "utf-8")
    assert program["main"](["--check"]) == 0
    assert "not current: run python docs/keras_differences.py" in capsys.readouterr().out
