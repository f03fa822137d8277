"""Random graphs of layers, in minicnn and in Keras: outputs, gradients, training steps, files both ways.

    python benchmarks/keras_graphs.py                 200 graphs, in float64
    python benchmarks/keras_graphs.py --seeds 7 8 9   these, and what they are made of

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
.2, and some convolutions raise "grad_weight needs to be contiguous", so a graph that fails is to be tried again on JAX.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.parity.random_graphs import BOUND, compared, described, drawn, layers_of, traits  # noqa: E402


def real_keras():
    """Keras in float64 in this process, on JAX's CPU or on what KERAS_BACKEND says."""
    os.environ |= {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import absl.logging
    import keras

    from tests.parity.keras_worker import keep_float64

    absl.logging.set_verbosity("error")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    keras.config.set_floatx("float64")
    keep_float64()
    return keras


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--graphs", type=int, default=200, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--seeds", type=int, nargs="+", help="these alone, with what they are made of")
    chosen = parser.parse_args()
    keras, start = real_keras(), time.perf_counter()
    seeds = chosen.seeds or range(chosen.graphs)
    worst: dict[str, tuple[float, int]] = {}
    failed: dict[int, str] = {}
    having: Counter[str] = Counter()
    layers: set[str] = set()
    for number, seed in enumerate(seeds):
        if number and number % 20 == 0:
            print(f"{number} graphs, {len(failed)} failed", file=sys.stderr, flush=True)
        plan = drawn(seed)
        if chosen.seeds:
            print(f"graph {seed}\n{described(plan, '    ')}")
        having.update(traits(plan))
        layers |= layers_of(plan)
        try:
            with tempfile.TemporaryDirectory() as folder:
                found = compared(keras, seed, folder)
        except Exception as cause:
            failed[seed] = f"{type(cause).__name__}: {cause}"[:300]
            if chosen.seeds:
                traceback.print_exc()
        else:
            beyond = [f"{kind} {error:.1e}" for kind, error in found.items() if error > BOUND[kind]]
            if beyond:
                failed[seed] = ", ".join(beyond)
            for kind, error in found.items():
                worst[kind] = max(worst.get(kind, (-1.0, 0)), (error, seed))
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
