"""The recipes that aim at accuracy, over several seeds: RECORDS.md is written from what was really measured.

    python benchmarks/records.py                              mnist_record, fashion, cifar10; five seeds each; hours
    python benchmarks/records.py mnist_record --seed 0 1 2    one of them, three seeds
    python benchmarks/records.py --table                      only the table, from the runs that are there
    python benchmarks/records.py --arithmetic                 nothing is trained: can it be done in its time?

Every run is `minicnn record NAME --seed ...` in a process of its own. Its numbers are kept in results/records.json with
the command, the versions, the CPU, the commit and the time, and count as they are: the last epoch of every seed, none
left out, none chosen. Runs of other commits or machines stand in rows of their own. What is trained lies in
runs/records/, with checkpoints: after a kill the same command goes on from there, at the same commit. Without a run
nothing is written: a table holds no number that nobody measured. Exit code 1: a run failed.

--arithmetic counts the operations of all products of a training, forward and both gradients, and takes the time from
network A's step as it was measured on a named machine (results/kernels_A.json), memory traffic and all else included.
Two estimates: by operations as convolution is defined, and by those that are left where Winograd needs fewer. CPUs with
half the lanes (AVX2) are taken to be half as fast at an equal clock. Estimates; a run is what counts.
"""

import argparse
import importlib.metadata
import json
import statistics
import subprocess
import sys
from pathlib import Path

import machine

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "records.json", ROOT / "RECORDS.md"
RUNS = ROOT / "runs" / "records"
KERNELS = "numpy_ref", "numba_cpu"  # operations by the definition, and as Winograd needs them
MEASURED = ROOT / "benchmarks" / "results" / "kernels_A.json"
IMAGES = {"kaggle": 37_800, "fashion": 60_000, "cifar10": 50_000}  # of an epoch
MINUTES = {"mnist_record": 15, "fashion": 20, "cifar10": 20}  # that a training may take on two cores
HEAD = """# Records

Written by `python benchmarks/records.py`; the recipes are minicnn/records.py. Accuracy is that of the last epoch on
images that were not trained on, over n seeds; no epoch and no seed was chosen by its result. Time is one training with
its data, augmentation and checkpoints, the mean over seeds; judging comes on top.

| recipe | n | mean | sd | lowest | ensemble of n | s each | CPU, cores | commit |
|---|---|---|---|---|---|---|---|---|
"""


def rows(kept: list[dict]) -> str:
    """One line per recipe, commit and CPU."""
    groups: dict[tuple, dict] = {}
    for run in kept:
        key = run["recipe"], run["commit"], run["cpu"], run["cores"]
        group = groups.setdefault(key, {"seeds": {}, "ensemble": None})
        group["seeds"] |= {one["seed"]: one for one in run["seeds"]}
        group["ensemble"] = run.get("ensemble") or group["ensemble"]
    text = ""
    for (recipe, commit, cpu, cores), group in groups.items():
        found = [one["accuracy"] for one in group["seeds"].values()]
        together, n = group["ensemble"], len(found)
        same = together is not None and sorted(together["seeds"]) == sorted(group["seeds"])
        cells = [
            recipe, n, f"{statistics.mean(found):.4f}", f"{statistics.stdev(found):.4f}" if n > 1 else "-",
            f"{min(found):.4f}", f"{together['accuracy']:.4f}" if same else "-",
            f"{statistics.mean(one['seconds'] for one in group['seeds'].values()):.0f}", f"{cpu}, {cores}", commit,
        ]  # fmt: skip
        text += f"| {' | '.join(map(str, cells))} |\n"
    return text


def measured(name: str, words: list[str]) -> dict:
    """Train, or go on, and read what came of it; numbers of a rehearsal are refused."""
    commit = machine.commit()
    out = RUNS / commit / "-".join(word.lstrip("-") for word in (name, *words))
    out.mkdir(parents=True, exist_ok=True)
    known = commit != "unknown" and not commit.endswith("+")  # else what lies there may be of another state
    words = words if known else [*words, "--fresh"]
    command = [sys.executable, "-m", "minicnn", "record", name, "--out", str(out), "--quiet", *words]
    subprocess.run(command, cwd=ROOT, check=True)
    paths = sorted(out.glob("seed_*/record.json")) or [out / "record.json"]
    seeds = [json.loads(path.read_text()) for path in paths]
    if not all(one["whole"] for one in seeds):
        raise SystemExit("benchmarks/records.py: a rehearsal (--epochs, --limit) is no record; nothing was kept")
    about, together = machine.describe(), out / "ensemble.json"
    versions = {one: importlib.metadata.version(one) for one in ("numpy", "numba")}
    return {"recipe": name, "command": " ".join(["minicnn record", name, *words]), "versions": versions,
            "seeds": seeds, "commit": commit, "cpu": about["cpu"], "cores": about["cores"],
            "load": machine.load(), "ensemble": json.loads(together.read_text()) if together.exists() else None}


def arithmetic(names: list[str]) -> str:
    """Operations, and the minutes that they would take where network A's step was measured."""
    import minicnn
    from minicnn.records import BY_NAME

    known = json.loads(MEASURED.read_text("utf-8"))
    ceiling, cores, lanes = (known["ceilings"][name] for name in ("flops", "threads", "lanes"))
    batch, seconds = known["batch_size"], known["step_seconds"]
    adam = {"optimizer": "adam", "loss": "categorical_crossentropy"}
    counts = {}
    for kernels in KERNELS:
        how = {"seed": 0, "device": "cpu", "kernels": kernels}
        model = minicnn.recipes.BY_NAME["kaggle_bn"].build(minicnn, **how)
        model.compile(**adam)
        counts["A", kernels] = operations(model, batch) / batch
        for name in names:
            model = BY_NAME[name].build(minicnn, **how)
            BY_NAME[name].compile(minicnn, model, 1)
            counts[name, kernels] = operations(model, BY_NAME[name].batch_size) / BY_NAME[name].batch_size
    rate = counts["A", "numpy_ref"] * batch / seconds
    text = (f"{known['machine']['cpu']}, {cores} cores of {lanes} lanes (commit {known['commit']}): network A's step "
            f"{rate / 1e9:.0f} GFLOP/s by the definition, fused multiply-adds alone {ceiling / 1e9:.0f}\n")  # fmt: skip
    for name in names:
        record, limit = BY_NAME[name], MINUTES[name]
        images = IMAGES[record.data] * record.epochs
        both = sorted(counts[name, k] / counts["A", k] * images / batch * seconds / 60 for k in KERNELS)
        total, slow = counts[name, "numpy_ref"] * images, [2 * minutes for minutes in both]
        text += (f"{name}: {record.epochs} epochs are {total / 1e15:.3f} PFLOP, {total / limit / 60e9:.0f} GFLOP/s in "
                 f"{limit} minutes. There {both[0]:.1f} to {both[1]:.1f} minutes; with half the lanes "
                 f"{slow[0]:.1f} to {slow[1]:.1f}, or {slow[0] / limit * cores:.1f} to {slow[1] / limit * cores:.1f} "
                 f"cores for {limit}\n")  # fmt: skip
    return text


def operations(model, batch_size: int) -> int:
    """Multiplications and additions of the products of one training step, as the model's kernels do them."""
    return sum(row.flops for row in model.plan(batch_size))


def write(kept: list[dict]) -> None:
    if not kept:
        print("no run has been measured: nothing is written")
        return
    PAGE.write_text(HEAD + rows(kept), "utf-8")
    print(rows(kept), end="")


def main() -> None:
    from minicnn.records import BY_NAME

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"default all: {', '.join(BY_NAME)}")
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2, 3, 4], metavar="N")
    parser.add_argument("--threads", type=int, metavar="N", help="of each run; default: all cores")
    parser.add_argument("--epochs", type=int, metavar="N", help="a rehearsal, whose numbers are not kept")
    parser.add_argument("--limit", type=int, metavar="N", help="the same, with fewer images")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--arithmetic", action="store_true", help="run nothing: count operations, estimate the time")
    args = parser.parse_args()
    unknown = [name for name in args.recipes if name not in BY_NAME]
    if unknown:
        parser.error(f"expected names of {', '.join(BY_NAME)}, received {', '.join(unknown)}")
    if args.arithmetic:
        print(arithmetic(args.recipes or list(BY_NAME)), end="")
        return
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else []
    words = ["--seed", *map(str, args.seed)]
    for name in ("threads", "epochs", "limit"):
        value = getattr(args, name)
        words += [] if value is None else [f"--{name}", str(value)]
    for name in [] if args.table else args.recipes or BY_NAME:
        kept.append(measured(name, words))
        RESULTS.write_text(json.dumps(kept, indent=1), "utf-8")
    write(kept)


if __name__ == "__main__":
    main()
