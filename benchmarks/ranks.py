"""Two ranks of one thread against one process of two threads, and of one: images per second, in turn.

    python benchmarks/ranks.py                                   kaggle_bn, 8 rounds; minutes, on a quiet machine
    python benchmarks/ranks.py --ranks 4 --recipe lenet_16_36

Every round runs each way once, so that whatever else the machine does meets all of them alike. A run is a program of
its own: it trains one epoch that counts for nothing (kernels are compiled, memory is touched), then --epochs that do.
Printed are each way's median, lowest and highest, and the medians' ratio to one process with as many threads: the
efficiency of ranks, with the machine's name. On one with other work it warns, and the figures mean nothing.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2, metavar="N", help="processes, and threads of the one (2)")
    parser.add_argument("--recipe", default="kaggle_bn", help="which network (%(default)s)")
    parser.add_argument("--batch-size", type=int, metavar="N", help="of all ranks together (the recipe's)")
    parser.add_argument("--images", type=int, default=4096, metavar="N", help="of an epoch, drawn (%(default)s)")
    parser.add_argument("--epochs", type=int, default=2, metavar="N", help="that are timed, in a run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=8, metavar="N", help="(%(default)s)")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # one run, in its own process
    return parser.parse_args()


def measure(args: argparse.Namespace) -> None:
    """One run: rank 0 prints its images per second."""
    import numpy as np

    import minicnn

    world = minicnn.World.mpi() if int(os.environ["RANKS"]) > 1 else minicnn.World()
    recipe = minicnn.recipes.BY_NAME[args.recipe]
    model = recipe.build(minicnn, seed=0, device="cpu")
    model.compile(recipe.make_optimizer(minicnn), "categorical_crossentropy")
    model.world = world
    rng = np.random.default_rng(0)
    x = rng.random((args.images, 28, 28, 1), np.float32)
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, args.images)]
    how = {"batch_size": args.batch_size or recipe.batch_size, "verbose": 0}
    model.fit(x, y, **how)
    start = time.perf_counter()
    model.fit(x, y, epochs=args.epochs, **how)
    print(json.dumps(args.images * args.epochs / (time.perf_counter() - start)))


def run(ranks: int, threads: int) -> float:
    """Images per second of one run, in a process or in several."""
    env = os.environ | {"NUMBA_NUM_THREADS": str(threads), "RANKS": str(ranks), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, *sys.argv[1:], "--measure"]
    if ranks > 1:
        command = [machine.mpiexec(), "-n", str(ranks), *command]
        env["NUMBA_NUM_THREADS"] = str(threads * ranks)  # a rank takes its share of them
    return json.loads(subprocess.run(command, env=env, check=True, text=True, stdout=subprocess.PIPE).stdout)


def main() -> None:
    args = options()
    if args.measure:
        measure(args)
        return
    if machine.mpiexec() is None:
        sys.exit(f"benchmarks/ranks.py: {machine.NO_MPI}")
    _, quiet = machine.warn_if_busy()
    n, about = args.ranks, machine.describe()
    ways = {f"{n} ranks of 1 thread": (n, 1), f"1 process of {n} threads": (1, n), "1 process of 1 thread": (1, 1)}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, way in ways.items():
            found[name].append(run(*way))
    print(f"{args.recipe}, {args.images} images, {args.rounds} rounds; {about['cpu']}, {about['cores']} cores, "
          f"commit {machine.commit()}")
    medians = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        print(f"{name:26} {medians[name]:9,.0f} images/s   {min(values):9,.0f} .. {max(values):9,.0f}")
    ranks, threads, _ = medians.values()
    print(f"efficiency of ranks against threads: {ranks / threads:.2f}"
          + ("" if quiet else " (a rehearsal: the machine had other work)"))  # fmt: skip


if __name__ == "__main__":
    main()
