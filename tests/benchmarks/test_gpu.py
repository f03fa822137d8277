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
    assert {"conv2d", "conv2d_weight_grad", "dense", "adam_step"} <= set(table)
    assert not {"begin_step", "end_step"} & set(table)  # run again, they would leave their tables
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


def gpu_module():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import gpu

        return gpu
    finally:
        sys.path.pop(0)


def test_a_peer_keeps_its_pythonpath_and_has_less_than_a_calls_time(monkeypatch):
    gpu, seen = gpu_module(), {}

    def ran(command, env, timeout, **how):
        seen.update(path=env["PYTHONPATH"], timeout=timeout)
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setitem(gpu.machine.ENVIRONMENT, "PYTHONPATH", "/elsewhere")
    monkeypatch.setattr(gpu.subprocess, "run", ran)
    assert gpu.peer("jax", "python", 86, "tf32", 2, 1) == {"failed": f"took more than {gpu.LIMIT} s"}
    assert seen["path"].split(os.pathsep) == [str(ROOT), "/elsewhere"]
    assert seen["timeout"] < 600


def test_what_was_found_is_written_before_the_end(monkeypatch, tmp_path):
    gpu, out = gpu_module(), tmp_path / "gpu.json"
    left = []

    def ours(*how):
        left.append(json.loads(out.read_text())["ours"] if out.exists() else [])
        return {"step": {"median": 1, "least": 1, "greatest": 1}}

    def kernels(*how):
        raise KeyboardInterrupt  # as --out was written at the end, all was lost with a kill

    monkeypatch.setattr(gpu, "find_device", lambda emulated: type("D", (), {
        "name": "none", "emulated": True, "versions": {}, "bandwidth": staticmethod(lambda: 1.0)}))  # fmt: skip
    monkeypatch.setattr(gpu, "ours", ours)
    monkeypatch.setattr(gpu, "kernels", kernels)
    gpu.main(["--out", str(out), "--peers", "--precisions", "tf32"])
    assert [len(found) for found in left] == [0, 1]
    assert len(json.loads(out.read_text())["ours"]) == 2
