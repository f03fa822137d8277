"""benchmarks/on_device.py without a GPU: parts write as they end, and what is missing is said in its place."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(out, *options):
    command = [sys.executable, str(ROOT / "benchmarks" / "on_device.py"), "--out", str(out), *options]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return ended, json.loads((out / "on_device.json").read_text())


def test_what_is_missing_is_said_and_the_rest_goes_on(tmp_path):
    ended, found = run(tmp_path, "--parts", "run", "doctor", "counters", "--minutes", "1")
    assert list(found["parts"]) == ["doctor", "counters", "run"]  # in their order
    assert found["parts"]["run"] == {"skipped": "--data was not given"}
    if shutil.which("ncu") is None:
        assert found["parts"]["counters"] == {"skipped": "ncu is not installed"}
    assert "cuda" in (tmp_path / "doctor.txt").read_text()
    assert ended.stdout.count("\n") in (7, 8)  # with a sentence behind them where there is no GPU


def test_without_a_gpu_one_sentence_says_so_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    ended, found = run(tmp_path, "--parts", "contract", "times", "long", "sanitizer")
    reasons = {answer["skipped"] for answer in found["parts"].values()} - {"compute-sanitizer is not installed"}
    (reason,) = reasons
    assert reason.startswith('device "cuda": expected an NVIDIA GPU, its driver and CuPy, received: ')
    assert ended.stdout.splitlines()[-1] == f"Nothing was measured. {reason}"
    assert ended.returncode == 1


def test_without_time_nothing_starts(tmp_path):
    ended, found = run(tmp_path, "--minutes", "0", "--emulated")
    assert ended.returncode == 0
    assert {answer["skipped"] for answer in found["parts"].values()} == {
        "no time is left", "nothing of it runs without a GPU", "--data was not given"} - {"--data was not given"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="the emulation of the CUDA kernels needs g++")
def test_the_rehearsal(tmp_path):
    ended, found = run(tmp_path, "--emulated")
    assert ended.returncode == 0, ended.stdout
    assert "its times mean nothing" in ended.stdout
    assert found["emulated"] is True
    for name in ("doctor", "selfcheck", "contract", "times"):
        assert set(found["parts"][name]["ended"]) == {0}, found["parts"][name]
    assert json.loads((tmp_path / "times_results.json").read_text())["kernels"]["tf32"]
