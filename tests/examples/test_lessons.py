"""The lessons run as they stand, `minicnn explain` answers what each ends in, and notebooks are made of them."""

import ast
import json
import runpy
import shlex
from pathlib import Path

import pytest

from minicnn.__main__ import main

FOLDER = Path(__file__).parents[2] / "examples" / "lessons"
LESSONS = ("convolution", "gradient", "im2col", "winograd", "program")


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_and_its_question(name, capsys):
    found = runpy.run_path(str(FOLDER / f"{name}.py"))
    command = capsys.readouterr().out.splitlines()[-1]
    assert command.startswith("minicnn explain lesson_")
    assert main(shlex.split(command)[1:]) == 0
    assert found["answer"] in capsys.readouterr().out


def test_lessons_are_short_and_assert():
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted([*LESSONS, "notebooks"])
    for name in LESSONS:
        source = (FOLDER / f"{name}.py").read_text("utf-8")
        assert len(source.splitlines()) < 150
        assert sum(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source))) >= 3
        assert source.count("# ## Question") == 1


def test_notebooks(tmp_path):
    written = runpy.run_path(str(FOLDER / "notebooks.py"))
    assert written["LESSONS"] == LESSONS
    assert written["main"](["--out", str(tmp_path / "made")]) == 0
    for name in LESSONS:
        made = json.loads((tmp_path / "made" / f"{name}.ipynb").read_text("utf-8"))
        code = "\n".join("".join(cell["source"]) for cell in made["cells"] if cell["cell_type"] == "code")
        text = [line for line in (FOLDER / f"{name}.py").read_text("utf-8").splitlines() if line[:1] not in ("#", "")]
        assert [line for line in code.splitlines() if line[:1] not in ("#", "")] == text
        words = "".join(made["cells"][0]["source"])
        assert made["cells"][0]["cell_type"] == "markdown"
        assert words.startswith("# ")
        assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
