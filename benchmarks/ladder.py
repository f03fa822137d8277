"""One convolution, written six times: how naive loops become as fast as the machine, and then faster than that.

    python benchmarks/ladder.py --python PEERS/bin/python

The second convolution of network A, forward: 86 images of 28 x 28 with 32 channels, 32 filters of 5 x 5. GFLOP/s are
those of the direct algorithm, 2 N OH OW KH KW C O = 3.45 GFLOP per batch, whatever a rung really computes; so Winograd,
which multiplies less, can pass the ceiling. The naive loops run on 64 pixels, scaled to the batch. Writes
results/ladder.json and results/ladder.png.
"""

import argparse
import json
import math
import subprocess
from pathlib import Path

import ceiling
import machine
import numba
import numpy as np
import peers
from numba import njit, prange
from report import spread

from minicnn import kernels
from minicnn.kernels.numba_cpu.codegen.microkernel import TILE

RESULTS = Path(__file__).parent / "results"
N, SIZE, CHANNELS, FILTERS, WINDOW = 86, 28, 32, 32, 5
FLOPS = 2 * N * SIZE**2 * WINDOW**2 * CHANNELS * FILTERS
NAIVE = 8  # the naive loops make NAIVE x NAIVE pixels of one image
OURS, STEPS, FOREIGN, LIMIT = "#1b6ca8", "#7fb2d6", "#c2c2c2", "#b03a2e"  # colours
PADS = ((WINDOW // 2, WINDOW // 2),) * 2
SUMS = TILE.rows * TILE.vectors


def naive(x, w, y):
    """The definition, loop by loop.  x (N, H, W, C) with its padding, w (KH, KW, C, O) -> y (N, OH, OW, O)"""
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for o in range(y.shape[3]):
                    total = x[0, 0, 0, 0] * 0  # a zero of x's type
                    for p in range(w.shape[0]):
                        for q in range(w.shape[1]):
                            for c in range(w.shape[2]):
                                total += x[n, i + p, j + q, c] * w[p, q, c, o]
                    y[n, i, j, o] = total


compiled = njit(naive)


@njit(parallel=True)
def reordered(x, w, y):
    """The filters innermost: neighbours in memory, so the compiler uses SIMD; and an image per thread."""
    for n in prange(y.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                line = y[n, i, j]
                line[:] = 0
                for p in range(w.shape[0]):
                    for q in range(w.shape[1]):
                        for c in range(w.shape[2]):
                            for o in range(w.shape[3]):
                                line[o] += x[n, i + p, j + q, c] * w[p, q, c, o]


def rungs(x, w):
    """(name, what changed, function, share of the batch that it computes, repeats)"""
    padded, y = np.pad(x, ((0, 0), *PADS, (0, 0))), np.zeros((N, SIZE, SIZE, FILTERS), np.float32)
    few = padded[:1, : NAIVE + WINDOW - 1, : NAIVE + WINDOW - 1].tolist(), w.tolist()
    small = np.zeros((1, NAIVE, NAIVE, FILTERS), np.float32)
    lists = (_Nested(few[0]), _Nested(few[1]), small)
    reference, fast = kernels.load("numpy_ref")["conv2d"], kernels.load("numba_cpu")["conv2d"]
    how = {"strides": (1, 1), "pads": PADS}
    return [
        ("Python loops", "the definition: seven nested loops", lambda: _return(naive, *lists),
         NAIVE**2 / (N * SIZE**2), 3),
        ("Numba, same loops", "compiled: no interpreter, but one number at a time on one core",
         lambda: _return(compiled, padded, w, y), 1, 3),
        ("Numba, loops reordered", "filters innermost (SIMD), an image per thread; every sum still goes through memory",
         lambda: _return(reordered, padded, w, y), 1, 7),
        ("NumPy, im2col + BLAS", "one matrix product; but 216 MB of copied windows have to be written and read",
         lambda: reference(x, w, None, **how), 1, 7),
        ("minicnn, SIMD micro-kernel", f"{SUMS} vectors of sums stay in registers, windows are read in place",
         lambda: fast(x, w, None, **how, algorithm="im2col"), 1, 40),
        ("minicnn, Winograd", "6.25 times fewer multiplications: past the ceiling of the direct algorithm",
         lambda: fast(x, w, None, **how, algorithm="winograd"), 1, 40),
    ]  # fmt: skip


class _Nested:
    """Nested lists behind an array's indexing: plain Python numbers are faster to loop over than NumPy's scalars."""

    def __init__(self, lists):
        self.lists, self.shape, inner = lists, [], lists
        while isinstance(inner, list):
            self.shape.append(len(inner))
            inner = inner[0]

    def __getitem__(self, index):
        n, i, j, k = index
        return self.lists[n][i][j][k]


def _return(function, x, w, y):
    function(x, w, y)
    return y


def measure(python: str | None) -> dict:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, SIZE, SIZE, CHANNELS), dtype=np.float32)
    w = rng.standard_normal((WINDOW, WINDOW, CHANNELS, FILTERS), dtype=np.float32) / 28
    peak, found, right = ceiling.multiply_add(), [], None
    for name, changed, function, share, repeats in rungs(x, w):
        y = np.array(function())  # and it is compiled
        if share == 1:
            right = y if right is None else right
            error = float(np.abs(y - right).max() / np.abs(right).max())
            assert error < 1e-4, f"{name}: expected the values of the compiled loops, received a difference of {error}"
        found.append(_row(name, changed, [t / share for t in ceiling.times(function, repeats)]))
    if python:
        script = str(peers.ROOT / "benchmarks" / "workers" / "torch_conv.py")
        command = [python, script, *(str(v) for v in (N, SIZE, CHANNELS, FILTERS, WINDOW))]
        env = peers.environment(peers.KEEP_MEMORY)
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        if done.returncode:
            print(f"PyTorch is left out: {done.stderr.strip().splitlines()[-1]}")
        else:
            answer = json.loads(done.stdout)
            name = f"PyTorch {answer['version']}"
            found.append(_row(name, "for comparison: oneDNN, channels_last", answer["seconds"]))
    return {"benchmark": "ladder", "flops": FLOPS, "ceiling_flops": peak, "threads": numba.get_num_threads(),
            "machine": machine.describe(), "settings": machine.settings(), "commit": machine.commit(),
            "versions": {"numpy": np.__version__, "numba": numba.__version__}, "rungs": found}  # fmt: skip


def _row(name, changed, seconds):
    row = {"name": name, "changed": changed, "seconds": spread(seconds)}
    row["gflops"] = FLOPS / row["seconds"]["median"] / 1e9
    milliseconds = 1000 * row["seconds"]["median"]
    print(f"{name:<28}{row['gflops']:10.4g} GFLOP/s {milliseconds:12,.1f} ms   {changed}", flush=True)
    return row


def duration(seconds: float) -> str:
    if seconds >= 90:
        return f"{seconds / 60:,.0f} min"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def draw(result: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows, peak = result["rungs"], result["ceiling_flops"] / 1e9
    figure, axes = plt.subplots(figsize=(10, 0.78 * len(rows) + 1.7))
    low = 10 ** math.floor(math.log10(min(r["gflops"] for r in rows)) - 0.5)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    right_of = {"textcoords": "offset points", "va": "center", "bbox": paper, "zorder": 4}
    for place, row in enumerate(rows):
        ours, foreign = row["name"].startswith("minicnn"), row["name"].startswith("PyTorch")
        axes.barh(place, row["gflops"], color=OURS if ours else FOREIGN if foreign else STEPS, height=0.48, zorder=2)
        speed = row["gflops"]
        speed = f"{speed:,.0f}" if speed >= 100 else f"{speed:.{1 if speed < 1 else 3}g}"
        label = f"{speed} GFLOP/s, {duration(row['seconds']['median'])}"
        axes.annotate(label, (row["gflops"], place), (6, 0), weight="bold", fontsize=10, **right_of)
        axes.annotate(row["changed"], (low, place - 0.42), (3, 0), fontsize=9, color="#444444", **right_of)
    axes.axvline(peak, color=LIMIT, linewidth=1.5, linestyle="--", zorder=3)
    axes.annotate(f"ceiling: nothing but fused\nmultiply-adds, {peak:.0f} GFLOP/s", (peak, -0.3), (6, 0), color=LIMIT,
                  fontsize=9, **right_of)  # fmt: skip
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.set_ylim(len(rows) - 0.6, -0.75)
    axes.set_xscale("log")
    axes.set_xlim(low, 6e4)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()
    axes.set_xlabel("useful GFLOP/s, those of the direct algorithm; a grid line is ten times the one before")
    axes.grid(axis="x", color="#e5e5e5", zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.suptitle("Keep the data close to the arithmetic, then do less arithmetic", x=0.02, y=0.98, ha="left",
                    weight="bold", fontsize=14)  # fmt: skip
    work = f"{N} images {SIZE} x {SIZE} x {CHANNELS} with {FILTERS} filters {WINDOW} x {WINDOW}"
    cpu = f"{result['machine']['cpu']}, {result['threads']} cores"
    figure.text(0.02, 0.915, f"One convolution, a batch of {work}, in {len(rows)} programs. {cpu}.", fontsize=10)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    figure.savefig(path, dpi=130)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    python = machine.ENVIRONMENT.get("MINICNN_PEERS_PYTHON")
    parser.add_argument("--python", default=python, help="one that has PyTorch (default: $MINICNN_PEERS_PYTHON)")
    parser.add_argument("--out", type=Path, default=RESULTS / "ladder.json", help="the picture goes beside it")
    parser.add_argument("--redraw", action="store_true", help="only draw --out again")
    options = parser.parse_args()
    if options.redraw:
        result = json.loads(options.out.read_text("utf-8"))
    else:
        load, (_, quiet) = machine.load(), machine.warn_if_busy()
        result = measure(options.python) | {"load_before": load, "idle": quiet}
        machine.write_json(options.out, result)
    print(f"ceiling {result['ceiling_flops'] / 1e9:.0f} GFLOP/s, {result['threads']} threads")
    draw(result, options.out.with_suffix(".png"))
    print(f"written: {options.out} and {options.out.with_suffix('.png').name}")


if __name__ == "__main__":
    main()
