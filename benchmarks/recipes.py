"""The five documented systems over several seeds, each run by examples/train_recipe.py: figures, tables.

    python benchmarks/recipes.py --seed 0 1 2                        all five; hours
    python benchmarks/recipes.py valid_conv lenet_16_36 --threads 1  two of them, on one thread each
    python benchmarks/recipes.py kaggle_bn --keras --python PEERS/bin/python   Keras on the same recipe and seeds
    python benchmarks/recipes.py --table                             only the table, from the runs that are there

Every run's summary is kept in benchmarks/results/recipes.json as soon as it ends, and the tables between the markers of
docs/benchmarks.md and README.md are written anew. A run that the file has for this commit, recipe, seed, epochs and
threads is not done again, unless --again: interrupt it, and start it again later. Keras's runs are kept in
results/recipes_keras.json, and count whatever the commit: they do not depend on minicnn. Exit code 1: a run failed, or
a floor was missed.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import machine
from peers import KEEP_MEMORY

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "benchmarks" / "results" / "recipes.json"
KERAS = RESULTS.with_name("recipes_keras.json")
PAGE, README = ROOT / "docs" / "benchmarks.md", ROOT / "README.md"
BEGIN, END = "<!-- recipes:begin -->", "<!-- recipes:end -->"
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")  # what Keras on TensorFlow obeys

# recipe: (floor that the mean over seeds 0, 1, 2 must reach, aim, Keras 3 elsewhere on the same recipe, if not here)
GOALS = {
    "kaggle_bn": (0.9950, 0.9957, [0.9960]),
    "kaggle_rmsprop": (0.9948, 0.9962, [0.9952]),
    "zero_padding_bn": (0.9918, 0.9930, [0.9924]),
    "lenet_16_36": (0.9926, 0.9935, []),
    "valid_conv": (0.9885, 0.9920, [0.9918, 0.9907, 0.9859]),
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=f"default all: {', '.join(GOALS)}")
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument("--threads", type=int, help="per run; default: all cores")
    parser.add_argument("--epochs", type=int, help="a rehearsal: such runs are kept, but do not enter the table")
    parser.add_argument("--again", action="store_true", help="also what is there already")
    where = "weights, submissions and pictures of the runs (%(default)s)"
    parser.add_argument("--out", type=Path, default=Path("runs", "benchmark"), metavar="DIR", help=where)
    parser.add_argument("--keras", action="store_true", help="train with Keras on TensorFlow instead of minicnn")
    peers = os.environ.get("MINICNN_PEERS_PYTHON", sys.executable)
    parser.add_argument("--python", default=peers, metavar="PATH", help="for --keras; default $MINICNN_PEERS_PYTHON")
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    unknown = [name for name in options.recipes if name not in GOALS]
    if unknown:
        parser.error(f"expected names of {', '.join(GOALS)}, received {', '.join(unknown)}")
    return options


def key(run: dict) -> tuple:
    return run["recipe"], run["seed"], run["epochs"], run["asked_threads"]


def read(path: Path | None = None) -> list[dict]:
    path = path or RESULTS
    return json.loads(path.read_text())["runs"] if path.exists() else []


def keep(run: dict, path: Path | None = None) -> None:
    """Into the results file, in the place of an older run of the same kind. Read again: others may have written."""
    path = path or RESULTS
    runs = [other for other in read(path) if key(other) != key(run)] + [run]
    machine.write_json(path, {"benchmark": path.stem, "runs": sorted(runs, key=lambda run: json.dumps(key(run)))})


def train(name: str, seed: int, options: argparse.Namespace) -> dict | None:
    """One run as a process of its own; its summary, None if it failed."""
    folder = options.out / f"{name}_{seed}{'_keras' if options.keras else ''}"
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"PYTHONPATH": paths}
    if options.keras:
        program, out = ROOT / "benchmarks" / "workers" / "keras_recipe.py", folder / "summary.json"
        environment |= {"KERAS_BACKEND": "tensorflow"} | KEEP_MEMORY
        if options.threads:
            environment |= dict.fromkeys(THREADS, str(options.threads))
    else:
        program, out = ROOT / "examples" / "train_recipe.py", folder
    python = options.python if options.keras else sys.executable
    command = [python, str(program), name, f"--seed={seed}", f"--out={out}"]
    command += [] if options.keras else ["--fresh"]  # what is measured is a whole run
    for flag in ("epochs",) if options.keras else ("threads", "epochs"):
        if getattr(options, flag):
            command.append(f"--{flag}={getattr(options, flag)}")
    code = subprocess.run(command, env=environment).returncode
    if code:
        print(f"{name}, seed {seed}: ended with exit code {code}", file=sys.stderr, flush=True)
        return None
    return json.loads((folder / "summary.json").read_text()) | {"asked_threads": options.threads}


def table(runs: list[dict]) -> str:
    """The page's rows: complete runs on the published data, the newest of each seed; then where they ran."""
    lines, places = [], {}
    for name, found in complete(runs):
        lines.append(row(name, found))
        for run in found:
            about, settings = run["machine"], run["machine"]["settings"].items()
            place = f"{about['cpu']}, {about['cores']} cores; {run['device']}"
            place += "".join(f"; {k}={v}" for k, v in settings) + f"; commit {about['commit']}"
            places.setdefault(place, []).append(f"{name} {run['seed']}")
    if not lines:
        return "No complete run yet."
    head = "| recipe | published | our figure | mean | each seed | floor (aim) | Keras here | s per epoch; min in all |"
    notes = [f"Measured on {place}: {', '.join(which)}." for place, which in places.items()]
    return "\n".join([head, "|---|---|---|---|---|---|---|---|", *lines, "", *notes])


def complete(runs: list[dict]) -> list[tuple[str, list[dict]]]:
    """(recipe, its runs on the published data, the newest of each seed) of every recipe that has some."""
    found = []
    for name in GOALS:
        of_name = [run for run in runs if run["recipe"] == name and run["as_published"]]
        newest = {run["seed"]: run for run in sorted(of_name, key=lambda run: run["date"])}
        if newest:
            found.append((name, [newest[seed] for seed in sorted(newest)]))
    return found


def short_table(runs: list[dict]) -> str:
    """The README's rows: published, ours, minutes."""
    from minicnn.recipes import BY_NAME

    lines = ["| recipe | published | minicnn, mean of the seeds | minutes, on 2 cores |", "|---|---|---|---|"]
    for name, found in complete(runs):
        mean = sum(run["value"] for run in found) / len(found)
        minutes = sorted(run["seconds"]["all"] / 60 for run in found)[len(found) // 2]
        ours = f"{found[0]['figure']} **{short(mean)}** ({len(found)} seeds)"
        lines.append(f"| `{name}` | {BY_NAME[name].headline} | {ours} | {minutes:.1f} |")
    return "\n".join(lines)


def row(name: str, found: list[dict]) -> str:
    """One recipe's cells."""
    from minicnn.recipes import BY_NAME

    floor, aim, elsewhere = GOALS[name]
    keras = [run["value"] for run in read(KERAS) if run["recipe"] == name and run["epochs"] == BY_NAME[name].epochs]
    values = [run["value"] for run in found]
    mean = sum(values) / len(values)
    verdict = "met" if mean >= floor else "**missed**"
    few = f", {len(found)} of 3 seeds" if len(found) < 3 else ""
    keras = keras if len(keras) >= len(elsewhere) else elsewhere
    peers = f"{short(sum(keras) / len(keras))}: {', '.join(map(short, keras))}" if len(keras) > 1 else "not measured"
    peers = f"{short(keras[0])}, one seed" if len(keras) == 1 else peers
    epochs = [second for run in found for second in run["seconds"]["epochs"]]
    minutes = ", ".join(f"{run['seconds']['all'] / 60:.1f}" for run in found)
    cells = [f"`{name}`", BY_NAME[name].headline, found[0]["figure"], f"**{short(mean)}**",
             ", ".join(map(short, values)), f"{short(floor)} ({short(aim)}): {verdict}{few}", peers,
             f"{sorted(epochs)[len(epochs) // 2]:.1f}; {minutes}"]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def short(value: float) -> str:
    return f"{value:.4f}".lstrip("0")


def write_tables(runs: list[dict]) -> None:
    """Between the markers of both pages, atomically."""
    from minicnn.io import atomic_write

    for page, text in ((PAGE, table(runs)), (README, short_table(runs))):
        before, begin, rest = page.read_text("utf-8").partition(BEGIN)
        _, end, after = rest.partition(END)
        if not (begin and end):
            print(f"{page.name} has no lines {BEGIN} and {END}: the table goes between them", file=sys.stderr)
            continue
        with atomic_write(page, text=True) as file:
            file.write(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> int:
    options = arguments()
    results = KERAS if options.keras else RESULTS
    from minicnn.recipes import BY_NAME
    from minicnn.reports.machine import commit

    failed = False
    names = [] if options.table else options.recipes or list(GOALS)
    for seed, name in itertools.product(options.seed, names):  # an interrupted benchmark has something of every recipe
        wanted = {"recipe": name, "seed": seed, "epochs": options.epochs or BY_NAME[name].epochs}
        wanted = key(wanted | {"asked_threads": options.threads})
        there = [run for run in read(results) if key(run) == wanted]
        there = [run for run in there if options.keras or run["machine"]["commit"] == commit()]
        if there and not options.again:
            print(f"{name}, seed {seed}: there already, {there[0]['figure']} {there[0]['value']:.4f}", flush=True)
            continue
        print(f"\n== {name}, seed {seed} ==", flush=True)
        run = train(name, seed, options)
        failed |= run is None
        if run is not None:
            keep(run, results)
            write_tables(read())
    text = table(read())
    write_tables(read())
    print(f"\n{text}")
    return int(failed or "missed" in text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted; finished runs are kept", file=sys.stderr)
        sys.exit(130)
