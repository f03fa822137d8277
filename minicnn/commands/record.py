"""Train a recipe that aims at accuracy: mnist_record, fashion, cifar10 (minicnn/records.py says what each one is).

    minicnn record mnist_record                       one network; its submission, if the images are Kaggle's
    minicnn record mnist_record --seed 0 1 2 3 4      five, each alone, and the ensemble of all
    minicnn record fashion --data DIR                 DIR holds the files; else $MINICNN_DATA, the cache, a download
    minicnn record mnist_record --limit 500 --epochs 1     a rehearsal

What counts is the last epoch, on images that were not trained on. A checkpoint is written every minute: killed at any
moment, the same command goes on. Exit codes: 0; 2 bad input or missing files; 130 after Ctrl-C.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import minicnn
from minicnn.errors import ArgumentError, MinicnnError, one_of, require
from minicnn.io import atomic_write, check_folder, submission
from minicnn.records import BY_NAME, Record

from .digits import GET, find_folder, one_hot, scaled
from .hooks import Stopwatch
from .parser import Parser

PREPARED = 5_000  # images are enough for what a recipe's `prepare` estimates


def load(record: Record, folder: Path | None) -> tuple:
    """(x, y), (x_held, y_held), Kaggle's test images or None: bytes and class numbers."""
    data = minicnn.data
    if record.data == "kaggle":
        place = find_folder(folder)
        if place is None:
            expected = "Kaggle's train.csv and test.csv in --data, $MINICNN_DATA/kaggle or ./data"
            require(False, record.name, expected, "neither", f"get them: {GET}", error=minicnn.errors.MissingDataError)
        x, y, x_test = data.kaggle_digits.load_data(place)
        x, x_held, y, y_held = data.train_test_split(x, y, 0.1, 2)
        return (x, y), (x_held, y_held), x_test
    (x, y), (x_held, y_held) = (data.fashion_mnist if record.data == "fashion" else data.cifar10).load_data(folder)
    shape = -1, *record.input_shape
    return (x.reshape(shape), y.reshape(-1)), (x_held.reshape(shape), y_held.reshape(-1)), None


def accuracy(record: Record, model: Any, x: Any, y: Any) -> float:
    return float((model.predict(scaled(x), verbose=0, tta=record.tta).argmax(axis=1) == y).mean())


def run(record: Record, args: argparse.Namespace, seed: int, train: tuple, held: tuple, out: Path) -> Any:
    """One network to its last epoch: the model, and what is to be known of it."""
    watch = Stopwatch(args.quiet)  # goes on where a killed run stopped
    model = record.build(minicnn, seed, device=args.device, threads=args.threads)
    if record.prepare is not None:
        record.prepare(model, scaled(train[0][:PREPARED]))
    steps = -(-len(train[0]) // record.batch_size)
    record.compile(minicnn, model, steps * record.epochs)
    generator = minicnn.data.ImageDataGenerator(**record.augmentation, rescale=1 / 255)
    flow = generator.flow(train[0], one_hot(train[1]), record.batch_size)
    print(f"training  {record.name}, seed {seed}: {len(train[0]):,} images, {record.epochs} epochs of {steps} steps, "
          f"{model.count_params():,} parameters", flush=True)  # fmt: skip
    kept = minicnn.CheckpointOptions(out / "checkpoints", resume=not args.fresh)
    model.fit(flow, epochs=record.epochs, verbose=0 if args.quiet else 1, checkpoint=kept,
              callbacks=[watch])  # fmt: skip
    found = {"recipe": record.name, "seed": seed, "accuracy": accuracy(record, model, *held), "seconds": watch.training,
             "epochs": record.epochs, "images": len(train[0]), "judged": len(held[0]), "tta": record.tta,
             "whole": args.epochs is None and args.limit is None}  # fmt: skip
    model.save(out / "model.minicnn")
    _write(out / "record.json", found)
    print(f"result    seed {seed}: accuracy {found['accuracy']:.4f} on {len(held[0]):,} images after the last epoch, "
          f"{watch.training:.0f} s of training", flush=True)  # fmt: skip
    return model, found


def _write(path: Path, facts: dict) -> None:
    with atomic_write(path, text=True) as file:
        json.dump(facts, file, indent=1)


def execute(args: argparse.Namespace) -> None:
    record = BY_NAME[one_of("recipe", args.name, BY_NAME)]
    for name, least in {"epochs": 1, "limit": 20, "threads": 1}.items():
        value = getattr(args, name)
        require(value is None or value >= least, f"--{name}", f"a number of at least {least}", value,
                error=ArgumentError)  # fmt: skip
    once = len(set(args.seed)) == len(args.seed) and min(args.seed) >= 0
    require(once, "--seed", "numbers from 0, each once", args.seed, error=ArgumentError)
    out = args.out or Path("runs", record.name)
    check_folder(out, "--out")
    record = dataclasses.replace(record, epochs=args.epochs or record.epochs)
    (x, y), held, x_test = load(record, args.data)
    train = x[: args.limit], y[: args.limit]
    models, found = [], []
    for seed in args.seed:
        model, result = run(record, args, seed, train, held, out / f"seed_{seed}" if len(args.seed) > 1 else out)
        models.append(model)
        found.append(result["accuracy"])
    judge = models[0]
    if len(models) > 1:
        spread = np.std(found, ddof=1)
        print(f"mean      accuracy {np.mean(found):.4f}, standard deviation {spread:.4f}, of {len(found)} seeds")
        judge = minicnn.ensemble(models, name=f"{record.name}_ensemble")
        judge.save(out / "ensemble.minicnn")
        together = accuracy(record, judge, *held)
        _write(out / "ensemble.json", {"seeds": args.seed, "accuracy": together})
        print(f"ensemble  accuracy {together:.4f}")
    if x_test is not None:
        answers = judge.predict(scaled(x_test), verbose=0, tta=record.tta).argmax(axis=1)
        submission.write(out / "submission.csv", answers)
        submission.check(out / "submission.csv", rows=len(x_test))
        print(f"next      upload {out / 'submission.csv'} at https://www.kaggle.com/c/digit-recognizer/submit")
    if not result["whole"]:
        print("note      a rehearsal: fewer images or epochs than the recipe has")


def main(argv: list[str] | None = None, prog: str = "minicnn record") -> int:
    p = Parser(prog=prog, description=__doc__)
    p.add_argument("name", metavar="NAME", help=", ".join(BY_NAME))
    p.add_argument("--data", type=Path, metavar="DIR", help="folder with the files; default under $MINICNN_DATA")
    p.add_argument("--seed", type=int, nargs="+", default=[0], metavar="N", help="one network each; default 0")
    p.add_argument("--device", choices=["cpu", "cuda", "auto"], default="cpu", help="what computes; default cpu")
    p.add_argument("--threads", type=int, metavar="N", help="at most so many on the CPU; default: all cores")
    p.add_argument("--epochs", type=int, metavar="N", help="a rehearsal; default the recipe's")
    p.add_argument("--limit", type=int, metavar="N", help="a rehearsal: train on the first N images only")
    p.add_argument("--out", type=Path, metavar="DIR", help="default runs/NAME")
    p.add_argument("--quiet", action="store_true", help="no progress while training")
    p.add_argument("--fresh", action="store_true", help="begin anew where the same command would go on")
    try:
        execute(p.parse_args(argv))
    except KeyboardInterrupt:
        print(f"{prog}: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    except BrokenPipeError:
        raise
    except (MinicnnError, OSError) as error:
        print(f"{prog}: {error}".replace("say resume=False", "say --fresh"), file=sys.stderr)
        return 2
    return 0
