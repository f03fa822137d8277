"""Random graphs of layers, in minicnn and in Keras: outputs, gradients, training steps, files both ways.

    python benchmarks/keras_graphs.py                 200 graphs, in float64
    python benchmarks/keras_graphs.py --seeds 7 8 9   these, and what they are made of
    python benchmarks/keras_graphs.py --out FILE      the same; what FILE says has passed is not tried again

A graph is drawn from its seed: one to three inputs; layers of every kind that tests/parity/networks.py has, for images,
sequences and vectors; branches that meet again, residual sums, merge layers, arithmetic; layers and models that are
called twice, Sequentials and graphs as layers; one to three outputs with a loss each. It is drawn with minicnn's
symbols, which say which layer fits where, and then built in Keras by the same list of steps. Compared are

    outputs     at inference
    gradients   of all weights at the first step: minicnn's by its tape, Keras's from what SGD makes of the weights
    steps       loss and all weights, moving averages too, after each of five steps of SGD with momentum
    files       .keras, and of graphs without arithmetic .h5, that the other one loads: bytes of all weights, outputs,
                of Keras's .keras also one more step, which continues with the file's momentum

An error is the largest difference, relative to the largest number. Printed are how many graphs passed, and for every
comparison the worst error with the seed that made it.  Needs the extra `parity`; with PyTorch, which compiles nothing,
KERAS_BACKEND=torch is several times faster than JAX; but there Keras's average pooling with padding="same" is wrong by
.2, and some convolutions raise "grad_weight needs to be contiguous", so a graph that fails is to be tried again on JAX:
the same command with the same --out. FILE says of every graph on which of Keras's backends it passed or failed.
"""

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

try:
    import fcntl
except ImportError:  # no Unix
    fcntl = None

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import machine  # noqa: E402

from tests.parity.random_graphs import BOUND, compared, described, drawn, layers_of, traits  # noqa: E402


def real_keras():
    """Keras in float64 in this process, on JAX's CPU or on what KERAS_BACKEND says."""
    os.environ |= {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.environ.setdefault("KERAS_BACKEND", "jax")
    # Most of the time on JAX is compiling, of code that runs six times: the compiler may do less.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")
    import absl.logging
    import keras

    from tests.parity.keras_worker import keep_float64

    absl.logging.set_verbosity("error")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    keras.config.set_floatx("float64")
    keep_float64()
    return keras


def kept(path: Path | None) -> dict:
    """Seed -> what the file says about its graph."""
    return json.loads(path.read_text())["graphs"] if path is not None and path.exists() else {}


def keep(path: Path, found: dict) -> None:
    """Add graphs to the file, one process at a time, with what they say together."""
    with (path.parent / (path.name + ".lock")).open("w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        before = kept(path)
        for seed, one in found.items():
            old = before.get(seed)
            if old is None or old["commit"] != one["commit"]:
                before[seed] = one
            elif not old["passed"]:
                before[seed] = one | {"failed before": [old["backend"], old["why"]]}
        graphs = dict(sorted(before.items(), key=lambda item: int(item[0])))
        passed = [one for one in graphs.values() if one["passed"]]
        on = Counter(one["backend"] for one in passed)
        worst = {kind: max(((one["errors"][kind], seed) for seed, one in graphs.items()
                            if one["passed"] and kind in one["errors"]), default=None) for kind in BOUND}  # fmt: skip
        machine.write_json(path, {
            "commits": dict(Counter(one["commit"] for one in graphs.values())), "machine": machine.describe(),
            "graphs drawn": len(graphs), "passed": len(passed), "passed on": dict(on), "bounds": BOUND,
            "worst error and its seed, of those that passed": worst,
            "not passed": [seed for seed, one in graphs.items() if not one["passed"]], "graphs": graphs,
        })  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--graphs", type=int, default=200, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--seeds", type=int, nargs="+", help="these alone, with what they are made of")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON: what was found, added to what is there")
    chosen = parser.parse_args()
    keras, start = real_keras(), time.perf_counter()
    there, commit = kept(chosen.out), machine.commit()
    done = {int(seed) for seed, one in there.items() if one["passed"] and one["commit"] == commit}
    seeds = [seed for seed in chosen.seeds or range(chosen.graphs) if seed not in done]
    on = keras.backend.backend()
    versions = {name: importlib.metadata.version(name) for name in ("keras", on, "numpy")}
    worst: dict[str, tuple[float, int]] = {}
    failed: dict[int, str] = {}
    having: Counter[str] = Counter()
    layers: set[str] = set()
    for number, seed in enumerate(seeds):
        if number and number % 20 == 0:
            print(f"{number} graphs, {len(failed)} failed", file=sys.stderr, flush=True)
        plan, found = drawn(seed), {}
        if chosen.seeds and not chosen.out:
            print(f"graph {seed}\n{described(plan, '    ')}")
        having.update(traits(plan))
        layers |= layers_of(plan)
        try:
            with tempfile.TemporaryDirectory() as folder:
                found = compared(keras, seed, folder)
        except Exception as cause:
            failed[seed] = f"{type(cause).__name__}: {cause}"[:300]
            if chosen.seeds and not chosen.out:
                traceback.print_exc()
        else:
            beyond = [f"{kind} {error:.1e}" for kind, error in found.items() if error > BOUND[kind]]
            if beyond:
                failed[seed] = ", ".join(beyond)
            for kind, error in found.items():
                worst[kind] = max(worst.get(kind, (-1.0, 0)), (error, seed))
        if chosen.out:
            one = {"passed": seed not in failed, "backend": on, "commit": commit, "versions": versions, "errors": found}
            keep(chosen.out, {str(seed): one | ({"why": failed[seed]} if seed in failed else {})})
        if seed in failed:
            print(f"graph {seed}: {failed[seed]}", flush=True)
    print(f"Keras {keras.__version__} on {keras.backend.backend()}")
    print(f"{len(seeds) - len(failed)} of {len(seeds)} graphs passed, {time.perf_counter() - start:.0f} s")
    for kind, (error, seed) in worst.items():
        print(f"  {kind:<20} {error:8.1e}  of {BOUND[kind]:.0e}  at seed {seed}")
    print("  with " + ", ".join(f"{name} {n}" for name, n in having.most_common()))
    print(f"  {len(layers)} kinds of layers")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
