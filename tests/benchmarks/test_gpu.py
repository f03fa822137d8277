"""benchmarks/gpu.py without a GPU: it says so and measures nothing; its rehearsal runs and is marked as one."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*options):
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_without_a_device_nothing_is_measured(tmp_path):
    code = "import sys; sys.modules['cupy'] = None; sys.path[:0] = ['benchmarks']; import gpu; gpu.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "--out", str(tmp_path / "gpu.json")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 1
    assert 'gpu.py: there is no device here, so nothing was measured: device "cuda": expected ' in ended.stderr
    assert not (tmp_path / "gpu.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="the emulation of the CUDA kernels needs g++")
def test_the_rehearsal(tmp_path):
    ended = run("--emulated", "--precisions", "tf32", "--out", tmp_path / "gpu.json")
    assert ended.returncode == 0, ended.stderr
    assert "its times mean nothing" in ended.stdout
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["emulated"] is True
    assert found["device"] == "none: emulated on the CPU"
    assert [(row["graph"], row["precision"]) for row in found["ours"]] == [(True, "tf32"), (False, "tf32")]
    assert found["ours"][0]["last loss"] == found["ours"][1]["last loss"]
    table = {row["kernel"]: row for row in found["kernels"]["tf32"]}
    assert {"conv2d", "conv2d_weight_grad", "dense", "adam_step", "end_step"} <= set(table)
    assert table["conv2d"]["operations"] == 2 * 4 * 26 * 26 * 9 * 4
    assert all(row["seconds"] > 0 for row in table.values())


def keras_worker(way, *options):
    worker = ["benchmarks/workers/gpu_keras.py", "--way", way, "--batch", "4", "--steps", "2", "--samples", "2"]
    env = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run([sys.executable, *worker, *options], env=env, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parity
@pytest.mark.parametrize(("way", "library"), [("jax", "JAX"), ("torch", "PyTorch")])
def test_keras_without_a_gpu_says_so_and_runs_on_the_cpu(way, library):
    if importlib.util.find_spec("keras") is None:
        pytest.skip('could not import "keras": pip install -e ".[test,parity]"')
    ended = keras_worker(way)
    if importlib.util.find_spec(way) is None:
        assert ended.stderr == f"gpu_keras: expected the package {way} to be installed, received none\n"
        return
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-1] == (
        f"gpu_keras: expected a device cuda that {library} can use, received none"
    )
    ended = keras_worker(way, "--device", "cpu")
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout.splitlines()[-1])
    assert set(answer["versions"]) == {"keras", way}
    assert len(answer["seconds"]) == 2
    assert min(answer["seconds"]) > 0
