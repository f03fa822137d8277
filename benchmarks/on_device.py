"""Everything that wants a GPU, in the order of its worth: for whoever has one for half an hour.

    python benchmarks/on_device.py --minutes 25 --out DIR [--data FOLDER]
    python benchmarks/on_device.py --parts doctor times --out DIR      only these
    python benchmarks/on_device.py --emulated --out DIR                a rehearsal without a GPU: no figures

      doctor     what there is                       contract   the kernel contract on the device
      selfcheck  every precision's kernels           gpu        tests marked gpu: graph = eager = emulation = CPU
      times      steps, and every kernel alone       peers      the same steps in PyTorch and JAX
      sanitizer  memory errors, races                counters   what Nsight Compute counts in the large kernels
      run        30 epochs on Kaggle's files         long       100 steps beside the CPU

Each part is a process with a limit of its own; DIR/on_device.json is written anew after every part, and what a part
printed is DIR/<part>.txt. What is missing (a tool, the data, a peer, time) is said in its place, and the rest goes on;
without a GPU nothing but doctor runs, one sentence says why, and the exit code is 1.
No device has run this program yet.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import machine

ROOT = Path(__file__).parents[1]
TAIL = 15  # lines of a part's output that the JSON keeps
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short")
WITHOUT_POOL = (  # CuPy's pool hides an overrun from the sanitizer
    "import cupy, sys, pytest; cupy.cuda.set_allocator(None); sys.exit(pytest.main(sys.argv[1:]))"
)
PROFILE = """
import cupy, numpy as np, minicnn
from minicnn import recipes
model = recipes.kaggle_bn.build(minicnn, device="cuda", precision="tf32", graph=False, seed=0)
model.compile(recipes.kaggle_bn.make_optimizer(minicnn), "categorical_crossentropy", metrics=["accuracy"])
x, y = np.random.default_rng(0).random((86, 28, 28, 1), np.float32), np.eye(10, dtype=np.float32)[np.arange(86) % 10]
model.fit(x, y, batch_size=86, epochs=3, verbose=0)
cupy.cuda.runtime.profilerStart()
model.fit(x, y, batch_size=86, epochs=1, verbose=0)
cupy.cuda.Device().synchronize()
cupy.cuda.runtime.profilerStop()
"""
CHECK = 'import minicnn, sys; print(minicnn.Sequential(device="cuda", precision=sys.argv[1]).backend.describe())'
LOOK = """
from minicnn.backend import cuda
try:
    cuda._cupy()
except cuda.DeviceError as error:
    raise SystemExit(str(error))
"""
LARGE = "regex:conv2d_32|conv2d_input_grad_32|conv2d_weight_grad_32|pool_norm_relu_parts|norm_relu_parts"


class Part(NamedTuple):
    """commands: run one after the other;  limit: seconds for all of them;  tool, data: what they need;
    alone: it has something to say without a GPU;  emulated: the commands of a rehearsal."""

    commands: tuple[tuple, ...]
    limit: int
    tool: str | None = None
    data: bool = False
    alone: bool = False
    emulated: tuple[tuple, ...] = ()


def parts(out: Path, data: Path | None) -> dict[str, Part]:
    """What there is to do, by name, in order."""
    gpu = sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--batches", "86"
    doctor = sys.executable, "-m", "minicnn", "doctor", "--device"
    contract = *PYTEST, "tests/kernels/test_contract.py"
    large = "--section", "SpeedOfLight", "--section", "WarpStateStats", "--section", "Occupancy"
    memcheck = "cuda-float32 and (conv2d or pool or batch_norm) and not layer_sizes"
    train = sys.executable, "-m", "minicnn", "train", "--device", "cuda", "--precision", "tf32", "--epochs", "30"
    return {
        "doctor": Part(((*doctor, "cuda"),), 60, alone=True, emulated=((*doctor, "cpu"),)),
        "selfcheck": Part(tuple((sys.executable, "-c", CHECK, p) for p in ("tf32", "float32", "bf16")), 240,
                          emulated=((*PYTEST, "tests/cuda/test_selfcheck.py", "-k", "all_is_well"),)),
        "contract": Part(((*contract, "-m", "gpu", "-n", "8", "--maxfail", "25"),), 240,
                         emulated=((*contract, "-m", "slow or not slow", "-k", "emulated and softmax"),)),
        "gpu": Part(((*PYTEST, "tests/cuda/test_gpu.py", "-m", "gpu", "-n", "8", "--maxfail", "25", "-k",
                      "not 100_steps and not variant"),), 240),
        "times": Part(((*gpu, "--precisions", "tf32", "float32", "--peers", "--peak", "494e12", "--out",
                        str(out / "times_results.json")),), 180,
                      emulated=((*gpu, "--emulated", "--precisions", "tf32", "--out",
                                 str(out / "times_results.json")),)),
        "peers": Part(((*gpu, "--precisions", "tf32", "--steps", "50", "--out",
                        str(out / "peers_results.json")),), 400),
        "sanitizer": Part((("compute-sanitizer", "--tool", "memcheck", sys.executable, "-c", WITHOUT_POOL, "-q",
                            "-m", "gpu", "tests/kernels/test_contract.py", "-k", memcheck, "--maxfail", "3"),
                           ("compute-sanitizer", "--tool", "racecheck", sys.executable, "-c", WITHOUT_POOL, "-q",
                            "-m", "gpu", "tests/cuda/test_gpu.py", "-k", "same_bytes_twice and dense and tf32")),
                          240, tool="compute-sanitizer"),
        "counters": Part((("ncu", "--clock-control", "none", "--profile-from-start", "off", "-k", LARGE,
                           "--launch-count", "10", *large, sys.executable, "-c", PROFILE),), 180, tool="ncu"),
        "run": Part(((*train, "--out", str(out / "run"), *(("--data", str(data / "kaggle")) if data else ())),), 180,
                    data=True),
        "long": Part(((*PYTEST, "tests/cuda/test_gpu.py", "-m", "gpu", "-k", "100_steps"),), 180),
    }  # fmt: skip


def missing(env: dict) -> str | None:
    """Why nothing here can use a GPU, in one sentence; None: one is there."""
    found = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, env=env, capture_output=True, text=True)
    return None if found.returncode == 0 else (found.stderr.strip().splitlines() or ["no GPU"])[-1]


def environment(data: Path | None) -> dict:
    """Of every part."""
    paths = os.pathsep.join(filter(None, (str(ROOT), machine.ENVIRONMENT.get("PYTHONPATH"))))
    env = machine.ENVIRONMENT | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", "MPLBACKEND": "Agg"}
    return env if data is None else env | {"MINICNN_DATA": str(data)}


def run(part: Part, left: float, text: Path, emulated: bool, data: Path | None, absent: str | None = None) -> dict:
    """What came of a part: seconds, exit codes and its last lines, or why it was skipped.

    absent: why there is no GPU
    """
    commands = part.emulated if emulated else part.commands
    if not commands:
        return {"skipped": "nothing of it runs without a GPU"}
    if part.tool and not emulated and shutil.which(part.tool) is None:
        return {"skipped": f"{part.tool} is not installed"}
    if part.data and data is None:
        return {"skipped": "--data was not given"}
    if absent and not part.alone:
        return {"skipped": absent}
    limit = left if emulated else min(part.limit, left)  # what a CPU needs for a rehearsal says nothing
    if limit < 5:
        return {"skipped": "no time is left"}
    env = environment(data)
    began, codes = time.perf_counter(), []
    with open(text, "w", encoding="utf-8") as file:
        for command in commands:
            rest = limit - (time.perf_counter() - began)
            try:
                codes.append(subprocess.run(command, cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT,
                                            timeout=max(rest, 1)).returncode)  # fmt: skip
            except subprocess.TimeoutExpired:
                codes.append(f"stopped after {limit:.0f} s")
                break
            except OSError as cause:
                codes.append(f"did not start: {cause.strerror}")
    lines = text.read_text("utf-8", errors="replace").splitlines()
    return {"seconds": round(time.perf_counter() - began, 1), "ended": codes, "tail": lines[-TAIL:]}


def main(argv=None) -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--minutes", type=float, default=25)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--data", type=Path, help="a folder that holds kaggle/train.csv")
    p.add_argument("--parts", nargs="+", choices=list(parts(Path(), None)), help="only these, in the order above")
    p.add_argument("--emulated", action="store_true", help="a rehearsal without a GPU")
    args = p.parse_args(argv)
    out = args.out.resolve()
    data = args.data.resolve() if args.data else None
    out.mkdir(parents=True, exist_ok=True)
    end = time.perf_counter() + 60 * args.minutes
    found = {"emulated": args.emulated, "commit": machine.commit(), "machine": machine.describe(), "parts": {}}
    if args.emulated:
        print("*** EMULATED: no GPU runs this. It is a rehearsal, and its times mean nothing. ***")
    chosen = {name: part for name, part in parts(out, data).items() if not args.parts or name in args.parts}
    absent = None if args.emulated or args.minutes == 0 else missing(environment(data))
    for name, part in chosen.items():
        left = max(0, end - time.perf_counter())
        print(f"{name:10} at most {left if args.emulated else min(part.limit, left):.0f} s", flush=True)
        answer = found["parts"][name] = run(part, left, out / f"{name}.txt", args.emulated, data, absent)
        print(f"{'':10} {answer.get('skipped') or (answer['tail'] or ['said nothing'])[-1]}", flush=True)
        machine.write_json(out / "on_device.json", found)
    failed = [name for name, answer in found["parts"].items() if any(answer.get("ended", ()))]
    print(f"{len(found['parts'])} parts, not well ended: {', '.join(failed) or 'none'}; {out / 'on_device.json'}")
    if absent:
        print(f"Nothing was measured. {absent}")
    return 1 if failed or absent else 0


if __name__ == "__main__":
    sys.exit(main())
