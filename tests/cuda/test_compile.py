"""Every file and variant compiles for real GPUs, without one: by NVRTC, as CuPy does it, or by nvcc."""

import itertools
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from minicnn.kernels.cuda.launch import FOLDER, NVRTC_OPTIONS, STEMS, VARIANTS, signatures, source
from tests.cuda import nvrtc

NVCC = shutil.which("nvcc")
OLDEST, NEWEST = "sm_80", "sm_90"  # the first with TF32 and bf16, and the one that the figures are for
PROPERTIES = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


def spills(log):
    """(bytes of stack, of spill stores, of spill loads) of every kernel, in the order of the log."""
    return [tuple(map(int, found)) for found in PROPERTIES.findall(log)]


def build(text, architecture, options=()):
    """Whether the text compiles, and the compiler's log with the properties of every kernel."""
    if nvrtc.library() is not None:
        how = f"--gpu-architecture={architecture}", "--ptxas-options=-v"
        return nvrtc.compile(text, (*NVRTC_OPTIONS, *how, *options))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernels.cu"
        file.write_text(text, "utf-8")
        flags = ("-std=c++17", "-ftz=true", f"-arch={architecture}", "-Xptxas=-v", *options, "-cubin")
        run = subprocess.run([NVCC, *flags, "-o", f"{file}bin", file], capture_output=True, text=True)
        return run.returncode == 0, run.stdout + run.stderr


def failure(case):
    """What is wrong with a file compiled for an architecture; None: nothing."""
    stem, options, architecture = case
    ok, log = build(source(stem), architecture, options)
    if not ok or "warning" in log:
        return f"{case}: {log[:2000]}"
    found = spills(log)
    if len(found) < len(signatures(stem)):
        return f"{case}: expected the properties of {len(signatures(stem))} kernels, received {found}"
    return f"{case}: registers spilled: {log}" if any(map(any, found)) else None


needs_compiler = pytest.mark.skipif(
    nvrtc.library() is None and NVCC is None, reason="no compiler for GPUs: pip install nvidia-cuda-nvrtc"
)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("stem", STEMS)
def test_every_variant_compiles_without_spilling(stem):
    cases = [(stem, options, NEWEST) for options in VARIANTS[stem]]
    cases.append((stem, VARIANTS[stem][3 % len(VARIANTS[stem])], OLDEST))  # tf32, 16 bytes at a time
    with ThreadPoolExecutor(2) as pool:
        wrong = [text for text in pool.map(failure, cases) if text]
    assert not wrong, "\n".join(wrong)


@needs_compiler
def test_the_gate_sees_spills_and_errors():
    histogram = """extern "C" __global__ void histogram(const int* x, int* y, int n) {
        int count[64] = {};  // which element is known at run time only: no register can hold it
        for (int k = 0; k < n; ++k) ++count[x[k] & 63];
        for (int k = 0; k < 64; ++k) y[k] = count[k];
    }"""
    ok, log = build(histogram, NEWEST)
    assert ok
    assert any(spills(log)[0]), log
    ok, log = build("nonsense", NEWEST)
    assert not ok
    assert "error" in log


def test_all_files_are_listed():
    assert {path.stem for path in FOLDER.glob("*.cu")} == set(STEMS) == set(VARIANTS)


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="no nvcc: it comes with a CUDA toolkit")
@pytest.mark.parametrize("stem", STEMS)
def test_nvcc_compiles_the_files_as_they_stand(stem, tmp_path):
    """With their #include lines, which NVRTC is not given, and its own warnings."""
    options = VARIANTS[stem][3 % len(VARIANTS[stem])]  # tf32, 16 bytes at a time
    command = [NVCC, "-std=c++17", f"-arch={NEWEST}", "-Werror=all-warnings", "-Xptxas=-v", *options, "-cubin"]
    run = subprocess.run([*command, "-o", tmp_path / "a.cubin", FOLDER / f"{stem}.cu"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert not any(itertools.chain(*spills(run.stderr))), run.stderr
