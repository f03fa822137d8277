"""Whole scripts, written for Keras: one changed name, the same parameters, and losses that fall on both sides."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from .run_scripts import SCRIPTS

NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))


@pytest.fixture(scope="module")
def results():
    """Library -> script -> what it left behind.  Both run side by side."""
    if importlib.util.find_spec("keras") is None:
        pytest.skip('no keras: pip install -e ".[test,parity]"')
    env = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "tests.parity.run_scripts"]
    both = {name: subprocess.Popen([*command, name], env=env, cwd=SCRIPTS.parents[2], stdout=-1, stderr=-1, text=True)
            for name in ("keras", "minicnn.keras")}  # fmt: skip
    found = {}
    for name, process in both.items():
        out, err = process.communicate(timeout=900)
        assert process.returncode == 0, err[-2000:]
        lines = [json.loads(line[7:]) for line in out.splitlines() if line.startswith("RESULT ")]
        found[name] = {one["script"]: one for one in lines}
    return found


@pytest.mark.parity
@pytest.mark.parametrize("name", NAMES)
def test_a_script_runs_as_it_stands(results, name):
    theirs, ours = results["keras"][name], results["minicnn.keras"][name]
    assert "failed" not in theirs, theirs["failed"]
    assert "failed" not in ours, ours["failed"]
    assert ours["parameters"] == theirs["parameters"]
    assert len(ours["losses"]) == len(theirs["losses"]) >= 4
    for one in (theirs, ours):
        assert one["losses"][-1] < one["losses"][0]
