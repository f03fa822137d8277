"""The description of a measurement's machine."""

import json
import shutil
import subprocess

import pytest

from minicnn.reports import machine


def test_everything_is_there_and_fits_into_json(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/home/somebody")
    found = json.loads(json.dumps(machine.describe()))
    assert set(found) == {"cpu", "cores", "memory", "system", "python", "versions", "settings", "commit"}
    assert found["cores"] >= 1
    assert found["cpu"]
    assert found["versions"]["numpy"][0].isdigit()
    assert found["settings"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert found["settings"]["NUMBA_CACHE_DIR"] == "(a path)"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_knows_changed_code_from_changed_results(tmp_path, monkeypatch):
    def git(*words):
        options = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", "-C", str(tmp_path), *options, *words], check=True, capture_output=True)

    monkeypatch.setattr(machine, "SOURCE", tmp_path.resolve())
    assert machine.commit() is None  # no repository
    git("init")
    (tmp_path / "minicnn").mkdir()
    (tmp_path / "minicnn" / "a.py").write_text("1")
    (tmp_path / "README.md").write_text("1")
    git("add", ".")
    git("commit", "-m", "one")
    clean = machine.commit()
    assert len(clean) == 12
    (tmp_path / "README.md").write_text("2")
    assert machine.commit() == clean
    (tmp_path / "minicnn" / "a.py").write_text("2")
    assert machine.commit() == clean + "+"
    monkeypatch.setattr(machine, "SOURCE", tmp_path.resolve() / "minicnn")
    assert machine.commit() is None  # installed inside another repository
