"""The outputs of a run: a few lines, pictures, and summary.json, from which the figure can be judged later."""

import argparse
import datetime
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np

import minicnn
from minicnn import reports
from minicnn.io import atomic_write
from minicnn.recipes import BY_NAME, Recipe

from .digits import Digits, place

MANY = 10  # times the published epochs are worth a word


def announce(args: argparse.Namespace, recipe: Recipe, model: Any, data: Digits, steps: int, out: Path) -> None:
    """What is about to be trained on what."""
    if args.records:
        model.summary()
    trainable = sum(weight.data.size for weight in model.trainable_weights)
    held = "" if data.x_held is None else f"{len(data.x_held):,} held-out, "
    sizes = f"{len(data.x_train):,} training, {held}{len(data.x_test):,} test images"
    print(f"data      {place(recipe, args)}{' (rehearsal)' if args.limit else ''}: {sizes}")
    print(f"network   {model.name}, {model.count_params():,} parameters, {trainable:,} of them trainable")
    print(f"device    {model.backend.describe()}")
    print(f"training  epochs {recipe.epochs}, steps per epoch {steps}, batch {recipe.batch_size}, seed {model.seed}")
    for text in notes(args, recipe, model, len(data.x_train), steps, out):
        print(f"note      {text}")
    sys.stdout.flush()


ENOUGH = 10  # times 1 / (1 - momentum): after so many steps batch norm's averages have forgotten what they began with


def momentum_that_fits(published: float, steps: int) -> float:
    """Of batch norm's moving averages, for a training of so many steps in all: a rehearsal has few."""
    return min(published, max(0.5, round(1 - ENOUGH / steps, 2)))


def notes(args: argparse.Namespace, recipe: Recipe, model: Any, rows: int, steps: int, out: Path) -> list[str]:
    """What may surprise in what was asked for."""
    said, total = [], recipe.epochs * steps
    averages = [layer.momentum for layer in model.layers if hasattr(layer, "momentum")]
    enough = max((round(ENOUGH / (1 - momentum)) for momentum in averages), default=0)
    published = BY_NAME[recipe.name].options.get("momentum")
    if averages and published and min(averages) < published and not args.embedded:
        said.append(f"{total:,} steps in all are few: batch norm's momentum is {averages[0]} instead of {published}")
    if total < enough:
        said.append(f"under about {enough:,} steps batch norm's averages, and so the validation, say little")
    if recipe.batch_size > rows:
        said.append(f"--batch-size {recipe.batch_size:,} is more than the {rows:,} images: an epoch is one step")
    cores = os.cpu_count() or 1
    if args.threads and args.threads > cores:
        said.append(f"--threads {args.threads:,} is more than the {cores} cores: so many are used")
    if recipe.epochs > MANY * BY_NAME[recipe.name].epochs:
        published = BY_NAME[recipe.name].epochs
        said.append(f"--epochs {recipe.epochs:,}: published are {published}; Ctrl-C stops, with all outputs")
    if (out / "history.csv").exists() and (args.fresh or not (out / "checkpoints").is_dir()):
        said.append(f"{out} holds the outputs of another run, which this one replaces; --out another folder keeps them")
    return said


def draw(data: Digits, recipe: Recipe, where: str, generator: Any, trained: bool, probabilities: np.ndarray) -> dict:
    """Pictures of what went in, what happened, and what is still wrong: name -> figure.  where: the data's name."""
    each = reports.samples.one_of_each(data.y_train)
    x, y = data.x_train[each], data.y_train[each]
    if recipe.augmentation:
        shaken = generator.flow(x, batch_size=len(each), shuffle=False, seed=0)
        samples = reports.samples.draw_augmented(x, *(next(shaken) for _ in range(3)), titles=y)
    else:
        samples = reports.samples.draw(x, y, columns=10, title="Training images")
    judged, labels = data.judged
    found = {
        "label_counts": reports.labels.draw(reports.labels.count(data.y_train)),
        "samples": samples,
        "curves": reports.curves.draw(trained),
        "confusion": reports.confusion.draw(reports.confusion.table(labels, probabilities)),
        "worst_errors": reports.worst.draw(judged, reports.worst.find(labels, probabilities)),
    }
    images = "test" if data.x_held is None or judged is data.x_test else "held-out"
    for name, one in found.items():
        of = f", {len(judged):,} {images} images" if name in ("confusion", "worst_errors") else ""
        one.text(0.995, 0.005, f"{recipe.name} on {where}{of}", ha="right", va="bottom", size=7, color="0.35")
    return found


def record(path: Path, args: argparse.Namespace, recipe: Recipe, options: dict, model: Any, data: Digits,
           **results: Any) -> None:  # fmt: skip
    """Write summary.json: what ran, on what, and everything that came out. Fractions 0..1, seconds, bytes."""
    machine, published = reports.machine.describe(), BY_NAME[recipe.name]
    machine["versions"]["minicnn"] = minicnn.__version__
    whole = not (args.embedded or args.limit or args.patience) and recipe == published and options == published.options
    program = args.prog.split() if args.prog.startswith("minicnn") else ["python", f"examples/{args.prog}.py"]
    words = sys.argv[1:] if args.words is None else args.words
    facts = {
        "command": shlex.join([*program, *map(str, words)]), "limit": args.limit,
        "recipe": recipe.name, "seed": model.seed, "options": options, "epochs": recipe.epochs,
        "batch_size": recipe.batch_size, "as_published": whole, "data": "embedded" if args.embedded else recipe.data,
        "rows": {name: 0 if x is None else len(x) for name, x in data._asdict().items() if name.startswith("x")},
        "parameters": model.count_params(), "figure": recipe.figure, "published": recipe.published, **results,
        "device": model.backend.describe(), "kernels": model.backend.kernels, "machine": machine,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    with atomic_write(path, text=True) as file:
        json.dump(facts, file, indent=1)
        file.write("\n")
