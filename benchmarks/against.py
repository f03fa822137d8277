"""This checkout of minicnn against another one: training steps of the five networks, in turns.

    git worktree add /tmp/old <commit>
    python benchmarks/against.py /tmp/old
    python benchmarks/predict.py --old /tmp/old           the same for prediction

For each network two processes, old and new, take samples in turns (old new, new old, ...), so that a slow minute hits
both. A sample is the time of an epoch of at least --seconds, per step, without augmentation; the ratio is old over new
of the medians, above 1 where new is faster, with the quartiles of the ratios of neighbours.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import machine
import numpy as np

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "results" / "against.json"
NETWORKS = {"A": "kaggle_bn", "B": "kaggle_rmsprop", "C": "zero_padding_bn", "D": "lenet_16_36", "E": "valid_conv"}


def serve(name: str, threads: int) -> None:
    """Answer lines {"seconds"} with {"ms"} per step."""
    import minicnn

    recipe = minicnn.recipes.BY_NAME[NETWORKS[name]]
    model = recipe.build(minicnn, seed=1, threads=threads)
    model.compile(recipe.make_optimizer(minicnn), "categorical_crossentropy", metrics=["accuracy"])
    rng, batch = np.random.default_rng(0), recipe.batch_size
    x = rng.random((8 * batch, 28, 28, 1)).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, len(x))]
    model.fit(x, y, batch_size=batch, verbose=0)
    begin = time.perf_counter()
    model.fit(x, y, batch_size=batch, verbose=0)
    pace = (time.perf_counter() - begin) / 8
    print(json.dumps({"version": minicnn.__version__}), flush=True)
    for line in sys.stdin:
        steps = max(int(json.loads(line)["seconds"] / pace), 8)
        rows = np.resize(np.arange(len(x)), steps * batch)
        xs, ys = x[rows], y[rows]
        begin = time.perf_counter()
        model.fit(xs, ys, batch_size=batch, verbose=0)
        print(json.dumps({"ms": 1000 * (time.perf_counter() - begin) / steps}), flush=True)


def contest(name: str, roots: dict[str, Path], rounds: int, seconds: float, threads: int) -> dict[str, list[float]]:
    running, found = {}, {who: [] for who in roots}
    for who, root in roots.items():
        command = [sys.executable, __file__, str(root), "--serve", name, "--threads", str(threads)]
        env = machine.ENVIRONMENT | {"PYTHONPATH": str(root)}
        running[who] = subprocess.Popen(command, env=env, text=True, stdin=-1, stdout=-1)
        running[who].stdout.readline()
    for turn in range(rounds):
        for who in list(running)[:: 1 if turn % 2 else -1]:
            time.sleep(0.1)
            running[who].stdin.write(json.dumps({"seconds": seconds}) + "\n")
            running[who].stdin.flush()
            found[who].append(json.loads(running[who].stdout.readline())["ms"])
    for process in running.values():
        process.stdin.close()
        process.wait(10)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("old", type=Path, help="the other checkout")
    add("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    add("--rounds", type=int, default=11)
    add("--seconds", type=float, default=1.0, help="of a sample (1)")
    add("--threads", type=int, default=2)
    add("--out", type=Path, default=OUT)
    add("--serve", choices=NETWORKS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.threads)
    busy, quiet = machine.warn_if_busy()
    samples = {}
    for name in options.networks:
        found = contest(name, {"old": options.old, "new": ROOT}, options.rounds, options.seconds, options.threads)
        old, new = (statistics.median(found[who]) for who in ("old", "new"))
        pairs = sorted(a / b for a, b in zip(found["old"], found["new"], strict=True))
        quarters = statistics.quantiles(pairs, n=4) if len(pairs) > 1 else pairs * 3
        print(f"{name}: old {old:.2f} ms, new {new:.2f} ms a step, old / new {old / new:.3f} "
              f"({quarters[0]:.3f} to {quarters[2]:.3f})", flush=True)  # fmt: skip
        samples[name] = found
    machine.write_json(options.out, {"machine": machine.describe(), "commit": machine.commit(), "busy": busy,
                                     "quiet": quiet, "threads": options.threads, "training_ms": samples})  # fmt: skip


if __name__ == "__main__":
    main()
