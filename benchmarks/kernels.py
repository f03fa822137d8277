"""Where the milliseconds of a training step are: every kernel call against the ceiling that binds it.

    python benchmarks/kernels.py                       network A, its own batch size
    python benchmarks/kernels.py --network C --steps 100 --out results/kernels_C.json

Products (conv2d, dense and their gradients) are counted in useful operations, those of the direct algorithm, against
the fused multiply-adds of all cores; Winograd may pass 100 %. Everything else is counted in bytes, each array read or
written once, against a loop y = a x over arrays of 8 MiB, or of 256 MiB if the call touches more than 32 MiB. Each row
is one call of the step, median of --steps steps.

Page faults: a step that takes new memory from the system faults once per page of 4 KiB. They are counted over 20 steps,
beside the number of buffers that the pool had to make anew.
"""

import argparse
import math
import resource
import time
from pathlib import Path

import ceiling
import machine
import numba
import numpy as np
from compare import NETWORKS

import minicnn
from minicnn.kernels.numba_cpu.runtime import memory

RESULTS = Path(__file__).parent / "results"
FAULT_STEPS = 20


def arrays(value):
    """All arrays in nested tuples."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from arrays(part)


def work(kernel: str, arguments, answer) -> tuple[str, float]:
    """("FLOP", how many) for a product, ("bytes", how many) for the rest."""
    if kernel in ("conv2d_max_pool", "conv2d_max_pool_grad"):  # x, w -> y;  dy, argmax, y, x, w -> dx, dw
        forward = kernel == "conv2d_max_pool"
        y, w = (answer[0], arguments[1]) if forward else (arguments[0], arguments[4])
        products = 1 if forward else sum(wanted is not None for wanted in answer[:2])
        return "FLOP", 2 * products * 4 * math.prod(y.shape[:3]) * math.prod(w.shape)  # of windows of 2 x 2
    if kernel == "batch_norm_conv2d_weight_grad":  # dy, z, norm, x, the shape of w
        return "FLOP", 2 * math.prod(arguments[1].shape[:3]) * math.prod(arguments[4])  # dy may be a pooled z's
    if kernel.startswith("conv2d"):
        first, second = arguments[:2]
        if kernel == "conv2d_weight_grad":  # x, dy, the shape of w
            pixels, window = second, arguments[2]
        else:  # x, w -> y;  dy, w -> dx
            pixels, window = (first if kernel == "conv2d_input_grad" else next(arrays(answer))), second.shape
        return "FLOP", 2 * math.prod(pixels.shape[:3]) * math.prod(window)
    if kernel in ("dense", "dense_input_grad", "dense_weight_grad"):
        first, second = arguments[:2]
        return "FLOP", 2 * first.size * second.shape[0 if kernel == "dense_input_grad" else 1]
    touched = [*arrays(arguments), *arrays(answer)]
    if kernel.endswith("_step"):  # in place: parameters and state, which come first and after the gradient, are written
        touched += [*arrays(arguments[0]), *arrays(arguments[2])]
    return "bytes", sum(a.nbytes for a in touched)


class Log:
    """Wraps every kernel of a backend: calls of a step in order, with what they did and how long it took."""

    def __init__(self, backend):
        self.calls = []
        for kernel in backend.table():
            setattr(backend, kernel, self._timed(kernel, getattr(backend, kernel)))

    def _timed(self, kernel, function):
        def call(*args, **kwargs):
            start = time.perf_counter()
            answer = function(*args, **kwargs)
            seconds = time.perf_counter() - start
            named = tuple(v for v in kwargs.values() if isinstance(v, np.ndarray))
            shape = next((a.shape for a in arrays(args)), ())
            self.calls.append((kernel, shape, *work(kernel, (*args, *named), answer), seconds))
            return answer

        return call


def table(steps: list[list[tuple]], limits: dict) -> list[dict]:
    """One row per call: median time, rate, fraction of its ceiling.  steps: the calls of each step, all alike."""
    rows = []
    for calls in zip(*steps, strict=True):
        kernel, shape, unit, amount, _ = calls[0]
        assert all(call[:4] == calls[0][:4] for call in calls), f"{kernel}: expected the same calls in every step"
        seconds = float(np.median([call[4] for call in calls]))
        which = "flops" if unit == "FLOP" else "cached_bytes" if amount <= 16 * ceiling.CACHED else "memory_bytes"
        rate = amount / seconds
        rows.append({"kernel": kernel, "shape": list(shape), "unit": unit, "amount": amount, "seconds": seconds,
                     "rate": rate, "of_ceiling": rate / limits[which], "ceiling": which})  # fmt: skip
    return rows


def show(rows, step_seconds, bare_seconds, limits) -> None:
    flops, near, far = (limits[name] / 1e9 for name in ("flops", "cached_bytes", "memory_bytes"))
    print(f"ceilings of {limits['threads']} threads: {flops:.0f} GFLOP/s, {near:.0f} GB/s for 8 MiB arrays, {far:.0f} "
          "GB/s for 256 MiB arrays\n")  # fmt: skip
    print(f"{'kernel':<31}{'first array':<20}{'ms':>8}{'% of step':>11}{'rate':>15}{'of ceiling':>12}")
    total = sum(row["seconds"] for row in rows)
    for row in sorted(rows, key=lambda row: -row["seconds"]):
        unit = "GFLOP/s" if row["unit"] == "FLOP" else "GB/s"
        shape = " x ".join(map(str, row["shape"]))
        print(f"{row['kernel']:<31}{shape:<20}{1000 * row['seconds']:8.3f}{row['seconds'] / step_seconds:11.1%}"
              f"{row['rate'] / 1e9:9.1f} {unit:<7}{row['of_ceiling']:10.0%}")  # fmt: skip
    products = [row for row in rows if row["unit"] == "FLOP"]
    spent = sum(row["seconds"] for row in products)
    print(f"\n{'products':<46}{1000 * spent:8.3f}{spent / step_seconds:11.1%}"
          f"{sum(row['amount'] for row in products) / spent / 1e9:9.1f} GFLOP/s")  # fmt: skip
    print(f"{'other kernels':<46}{1000 * (total - spent):8.3f}{(total - spent) / step_seconds:11.1%}")
    print(f"{'outside kernels':<46}{1000 * (step_seconds - total):8.3f}{1 - total / step_seconds:11.1%}")
    print(f"{'step':<46}{1000 * step_seconds:8.3f}   (without this log {1000 * bare_seconds:.3f})")


def faults(step) -> dict:
    """Page faults and fresh buffers of 20 steps, after the first few."""
    before, made = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, memory.statistics()
    for _ in range(FAULT_STEPS):
        step()
    after, pool = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, memory.statistics()
    per_step, fresh = (after - before) / FAULT_STEPS, pool.fresh - made.fresh
    print(f"\nmemory: {per_step:.1f} page faults per step and {fresh} fresh buffers in {FAULT_STEPS} steps; the pool "
          f"had made {made.fresh} buffers, {made.fresh_bytes / 1e6:.0f} MB, before them")  # fmt: skip
    return {"steps": FAULT_STEPS, "page_faults_per_step": per_step, "fresh_buffers": fresh,
            "pool_buffers": made.fresh, "pool_bytes": made.fresh_bytes}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="A")
    parser.add_argument("--batch-size", type=int, help="the recipe's")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--out", type=Path, help="JSON (default: results/kernels_NETWORK.json)")
    options = parser.parse_args()
    out = options.out or RESULTS / f"kernels_{options.network}.json"
    _, quiet = machine.warn_if_busy()
    recipe = minicnn.recipes.BY_NAME[NETWORKS[options.network]]
    size, rng = options.batch_size or recipe.batch_size, np.random.default_rng(0)
    model = recipe.build(minicnn, seed=1, kernels="numba_cpu")
    model.compile(recipe.make_optimizer(minicnn), "categorical_crossentropy", metrics=["accuracy"])
    x = rng.random((size, 28, 28, 1), dtype=np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, size)]
    print(f"network {options.network}, {recipe.name}, batch {size}; {model.backend.describe()}")
    for _ in range(5):
        model.train_on_batch(x, y)
    memory_found = faults(lambda: model.train_on_batch(x, y))
    bare = float(np.median(ceiling.times(lambda: model.train_on_batch(x, y), options.steps)))
    log, steps, seconds = Log(model.backend), [], []
    for _ in range(options.steps):
        log.calls = []
        start = time.perf_counter()
        model.train_on_batch(x, y)
        seconds.append(time.perf_counter() - start)
        steps.append(log.calls)
    limits = ceiling.measure()
    rows, step = table(steps, limits), float(np.median(seconds))
    show(rows, step, bare, limits)
    machine.write_json(out, {
        "benchmark": "kernels", "network": options.network, "batch_size": size, "idle": quiet, "ceilings": limits,
        "step_seconds": step, "step_seconds_without_log": bare, "memory": memory_found, "rows": rows,
        "machine": machine.describe(), "settings": machine.settings(), "commit": machine.commit(),
        "versions": {"numpy": np.__version__, "numba": numba.__version__},
    })  # fmt: skip
    print(f"written: {out}")


if __name__ == "__main__":
    main()
