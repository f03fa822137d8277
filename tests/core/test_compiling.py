"""Kernels that are compiled are counted; a cache that cannot be read or written is compiled around, and told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = """
import numpy as np
from minicnn.backend import compiling
from minicnn.kernels.numba_cpu import relu
from minicnn.kernels.numba_cpu.codegen import jit

lines = []
{before}
with compiling.told(lines.append):
    y = np.empty(64, np.float32)
    x = np.arange(64, dtype=np.float32) - 32
    loop(x, y)
assert (y == np.maximum(x, 0)).all()
print(lines)
"""
LOOP = """
@jit.outer
def loop(x, y):
    for i in range(len(x)):
        y[i] = max(x[i], np.float32(0))
"""


def run(tmp_path, before="") -> str:
    """What is said while a kernel of this text compiles; the cache is tmp_path/cache."""
    file = tmp_path / "loops.py"
    head, tail = CODE.split("{before}")
    file.write_text(head + LOOP + before + tail)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(file)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


FIRST = str(["compiling kernels, once per machine: number 1, after 0 s",
             "compiled 1 kernels, which are kept for the next run"])  # fmt: skip


@pytest.mark.slow
def test_cold_warm_and_broken(tmp_path):
    assert run(tmp_path) == FIRST
    assert run(tmp_path) == "[]"
    for index in (tmp_path / "cache").rglob("*.loop-*.nbi"):
        index.write_bytes(b"no pickle")
    said = run(tmp_path)
    assert "the cache of compiled kernels: UnpicklingError: " in said
    assert "; they were compiled; " in said
    assert run(tmp_path) == "[]"  # the broken file was replaced


@pytest.mark.slow
def test_a_disk_that_is_full(tmp_path):
    full = """
def save(*_):
    raise OSError(28, "No space left on device")
loop._cache._impl.__class__.reduce = save
"""
    assert "No space left on device; they were compiled" in run(tmp_path, full)
