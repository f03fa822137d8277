"""Kernels that other processes compile: what is needed is found without computing, and nothing is compiled twice."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from minicnn.kernels.numba_cpu.codegen import jit
from minicnn.kernels.numba_cpu.runtime import ahead

ROOT = Path(__file__).parents[2]
fcntl = pytest.importorskip("fcntl", reason="no locks between processes on this system")


def test_what_a_step_needs_is_found_without_computing_it():
    """In a process of its own, which has not called one yet."""
    code = "\n".join([
        "import numpy as np",
        "from minicnn.kernels import numba_cpu",
        "from minicnn.kernels.numba_cpu.runtime import ahead",
        "x = np.ones((4, 3), np.float32)",
        "kernels = ahead.needed(lambda: (numba_cpu.softmax(x), numba_cpu.relu(x), numba_cpu.softmax(x)))",
        "print([kernel.py_func.__name__ for kernel, kinds in kernels], sum(len(k.overloads) for k, _ in kernels))",
        "print(abs(numba_cpu.softmax(x) - 1 / 3).max() < 1e-6)",
    ])  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
                          capture_output=True, check=True)  # fmt: skip
    needed, correct = done.stdout.splitlines()
    assert needed.startswith("['_softmax_rows'")
    assert needed.endswith("] 0")
    assert correct == "True"


def test_a_step_that_fails_leaves_the_kernels_as_they_were():
    def step():
        raise KeyError("x")

    with pytest.raises(KeyError):
        ahead.needed(step)
    assert not any("_compile_for_args" in vars(kernel) for kernel in jit.OUTER)


class Cache:
    def __init__(self, path):
        self.cache_path = str(path)


HELD = """
import sys
from minicnn.kernels.numba_cpu.codegen import jit
class Cache:
    cache_path = sys.argv[1]
turn = jit._Turn(Cache, "kernel")
assert turn.take("(int64,)") is False
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """A process that is compiling "kernel" for "(int64,)"."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", HELD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=environment, text=True) as process:  # fmt: skip
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_what_another_process_compiles_is_left_to_it(tmp_path, monkeypatch, other):
    monkeypatch.setattr(jit._Turn, "wait", False)
    with pytest.raises(jit.Taken):
        jit._Turn(Cache(tmp_path), "kernel").take("(int64,)")
    for name, signature in (("kernel", "(int32,)"), ("another", "(int64,)")):
        turn = jit._Turn(Cache(tmp_path), name)
        assert turn.take(signature) is False
        turn.give()


def test_who_waits_goes_on_when_the_other_process_ends(tmp_path, other):
    turn = jit._Turn(Cache(tmp_path), "kernel")
    killer = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(.3); os.kill({other.pid}, 9)"])
    assert turn.take("(int64,)") is True  # it may have left something
    assert killer.wait() == 0
    turn.give()


def test_a_folder_that_is_not_there_locks_nothing(tmp_path):
    assert jit._Turn(Cache(tmp_path / "none"), "kernel").take("(int64,)") is False


def fresh(tmp_path) -> dict:
    """An environment where nothing has been compiled, and Kaggle's files are not found."""
    own = {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    return {name: value for name, value in os.environ.items() if name != "MINICNN_DATA"} | own


def trained(tmp_path, environment) -> str:
    """What an epoch of the main job says."""
    command = [sys.executable, "-m", "minicnn", "train", "--epochs", "1", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_first_step_of_a_recipe_finds_all_that_was_compiled_ahead(tmp_path):
    environment = fresh(tmp_path)
    words = ["minicnn.commands.ahead", "kaggle_bn", '{"momentum": 0.9}', "32", "0", "0", "1"]
    with subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, env=environment, stdin=subprocess.PIPE) as worker:
        assert worker.wait() == 0
    assert "compil" not in trained(tmp_path, environment)


@pytest.mark.slow
def test_several_processes_compile_a_first_run_together(tmp_path):
    compiled = int(re.search(r"compiled (\d+) kernels", trained(tmp_path, fresh(tmp_path)))[1])
    files = list((tmp_path / "cache").rglob("*.nbc"))
    assert len(files) >= 20
    if os.cpu_count() > 1:
        assert compiled < len(files)


