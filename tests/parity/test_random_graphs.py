"""Some of the random graphs of benchmarks/keras_graphs.py, which draws 200 of them."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from .random_graphs import drawn, layers_of, traits

ROOT = Path(__file__).parents[2]
SEEDS = (1, 4)


@pytest.mark.parity
def test_some_graphs_agree():
    for package in ("keras", "jax"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f'could not import "{package}": pip install -e ".[test,parity]"')
    command = [sys.executable, "benchmarks/keras_graphs.py", "--seeds", *map(str, SEEDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{len(SEEDS)} of {len(SEEDS)} graphs passed" in done.stdout


@pytest.mark.slow
def test_what_is_drawn():
    """The same graph from a seed every time, and among twenty of them what graphs can have."""
    plans = [drawn(seed) for seed in range(20)]
    assert drawn(3) == plans[3]
    assert set().union(*map(traits, plans)) >= {
        "several inputs", "several outputs", "branches", "merge", "called twice", "model called twice", "arithmetic",
        "graph as a layer", "Sequential as a layer", "several outputs of a layer",
    }  # fmt: skip
    assert len(set().union(*map(layers_of, plans))) > 80
