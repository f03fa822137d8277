"""Commands that look at a model: predict, summary, plan, gradcheck, explain.

MODEL of each is a .minicnn, .keras or .h5 file, or a run's folder.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import ArgumentError, MinicnnError, require
from minicnn.io import check_folder, submission
from minicnn.labels import believed
from minicnn.structure import flat

from . import models
from .parser import Parser

SHOWN = 10  # images that predict prints


class Command(NamedTuple):
    run: Callable[[argparse.Namespace], int]
    about: str | None
    example: str


def predict(args: argparse.Namespace) -> int:
    """What the model says about images: the likeliest classes of each, and how many are right."""
    model = models.load(args.model, args.device, trained=False)
    images = models.images_for(model, args.model, args.data)
    if args.out:
        check_folder(args.out.parent, "--out")
    answers = flat(model.predict(images.x, verbose=0))
    several = len(answers) > 1
    names = model.output_names if several else [""]
    print(f"{images.count:,} images: {images.place}")
    tell = [models.tells_classes(model, k, images.of(k)) for k in range(len(answers))]
    for n in range(min(images.count, args.limit)):
        for k, (name, classes) in enumerate(zip(names, tell, strict=True)):
            head = (f"image {n:<6} " if k == 0 else " " * 13) + (f"{name}: " if several else "")
            print(head + answer(answers[k][n], classes, images.label(n, k) if classes else None, args.top))
    if images.count > args.limit:
        print(f"... {images.count - args.limit:,} more; --limit N prints more")
    for k, (name, classes) in enumerate(zip(names, tell, strict=True)):
        y = images.of(k)
        if classes and y is not None:
            labels = y if y.ndim == 1 else y.argmax(axis=-1)
            right = int((answers[k].argmax(axis=1) == labels).sum())
            print(f"{f'{name}: ' if several else ''}{right:,} of {len(labels):,} right: {right / len(labels):.4f}")
    if args.out:
        require(sum(tell) == 1, "--out", "a model with one output that tells classes", f"one with {sum(tell)}",
                error=ArgumentError)  # fmt: skip
        submission.write(args.out, answers[tell.index(True)].argmax(axis=1))
        print(f"wrote {args.out}, {images.count:,} rows in Kaggle's form")
    return 0


def answer(y: np.ndarray, classes: bool, label: int | None, top: int) -> str:
    """One output of one image, and its label where there is one."""
    if not classes:
        return np.array2string(y, precision=4, threshold=8).replace("\n", " ")[:80]
    said = "   ".join(f"{k}: {y[k]:.4f}" for k in np.argsort(-y, kind="stable")[:top])
    truth = "" if label is None else f"label {label}  "
    return f"{truth}{said}{'  WRONG' if label is not None and y.argmax() != label else ''}"


def summary(args: argparse.Namespace) -> int:
    """Layers, shapes, parameters."""
    models.load(args.model, trained=False).summary()
    return 0


def plan(args: argparse.Namespace) -> int:
    """What a training step will do to a batch: nodes, algorithms, memory, operations."""
    model = models.load(args.model, args.device)
    note = models.with_a_loss(model)
    print(model.plan(args.batch_size))
    if note:
        print(f"note      {note}")
    return 0


def gradcheck(args: argparse.Namespace) -> int:
    """Is every gradient right? Each op, then the whole, in float64 and float32. Exit code 1 and the culprit if not."""
    from minicnn.teaching import gradcheck

    model = models.load(args.model, args.device)
    note = models.with_a_loss(model)
    x = y = None
    if args.data:
        images = models.images_for(model, args.model, args.data)
        labelled = images.y is not None
        require(labelled, f"--data {args.data}", "images with targets y", "without", error=ArgumentError)
        x, y = images.rows(slice(args.limit)), models.targets(model, images, args.limit)
    found = gradcheck(model, x, y, seed=args.seed)
    print(found)
    if note:
        print(f"note      {note}")
    return 0 if found.ok else 1


def explain(args: argparse.Namespace) -> int:
    """Where a number comes from and where its gradient does; --steps: the whole network, a screen a layer."""
    from minicnn.teaching.explain import steps_text

    model = models.load(args.model, args.device)
    note = models.with_a_loss(model)
    images = models.images_for(model, args.model, args.data)
    n = args.image
    require(0 <= n < images.count, "--image", f"a number from 0 to {images.count - 1}", n, error=ArgumentError)
    at = None if args.pixel is None else pixel(args.pixel)
    ok = at is None or args.layer is not None
    require(ok, "--pixel", "a --layer too", "none", "name one: --layer conv2d", error=ArgumentError)
    targets, target = aims(model, images, n, args.label)
    x = images.rows(n)
    trace = model.trace(x, targets, training=args.training)
    print(f"image {n} of {images.place}; the loss is of {target}")
    if note:
        print(f"note      {note}")
    if args.steps:
        return pages(steps_text(trace))
    if args.layer is None:
        print(trace)
        print("--layer NAME --pixel 3,4,7 writes one number out; --steps shows every layer; names stand under gives")
        return 0
    if at is None:
        return pages(steps_text(model.trace(x, targets, args.layer, training=args.training)))
    cell = trace.cell(args.layer, *at)
    if not cell.alone:
        print(*seen(trace, args.layer, at), sep="\n")
    print(f"\n{cell}")
    return 0


def seen(trace: Any, layer: str, at: list[int]) -> list[str]:
    """What of each input the cell depends on, in words."""
    lines = []
    for name in trace.inputs:
        box = trace.receptive_field(layer, *at, x=name)
        of = "the image" if name == "x" else name
        parts = [f"{s.start}..{s.stop - 1}" for s in box]
        axes = ("rows", "columns") if len(parts) == 2 else ("cells",)
        if any(s.start >= s.stop for s in box):
            lines.append(f"it depends on nothing of {of}")
        elif parts:
            lines.append(f"it depends on {', '.join(map(' '.join, zip(axes, parts, strict=False)))} of {of}")
    return lines


def aims(model: Any, images: models.Images, n: int, chosen: int | None) -> Any:
    """(what the loss is of, as trace takes it; the same in words): labels, what --label says, or what is predicted."""
    outputs = models.outputs(model)
    several, answers = len(outputs) > 1, []
    ok = chosen is None or not several
    require(ok, "--label", "a model with one output", f"{len(outputs)}: name their targets in --data",
            error=ArgumentError)  # fmt: skip

    def said(k: int) -> np.ndarray:
        if not answers:
            answers.extend(flat(model.predict(images.rows(slice(n, n + 1)), verbose=0)))
        return answers[k][0]

    found, words = [], []
    for k, (_, shape, loss) in enumerate(outputs):
        y = images.of(k)
        numbers = y is not None and y.ndim == 1 and len(shape) == 1 and shape[0] != 1  # one-hot, as in gradcheck
        ok = chosen is None or (loss is not None and len(shape) == 1)
        require(ok, "--label", "a model whose output is a vector", f"one of shape {shape}", error=ArgumentError)
        classes = loss is not None and len(shape) == 1 and "crossentropy" in loss.name
        if classes or (loss is not None and numbers) or chosen is not None:
            label, source = (images.label(n, k), "its label") if chosen is None else (chosen, "chosen")
            if label is None:
                answer = said(k)
                label, source = int(answer[0] > 0.5) if len(answer) == 1 else int(answer.argmax()), "predicted"
            found.append(label)
            words.append(f"class {label} ({source})")
        elif y is not None and (y.ndim > 1 or shape == (1,)):
            found.append(y[n : n + 1])
            words.append("the file's y")
        else:
            found.append(believed(loss, said(k)) if several and loss is not None else None)
            words.append("what it says" if several and loss is not None else "none")
    if several:
        told = ", ".join(f"{name}: {text}" for (name, *_), text in zip(outputs, words, strict=True))
        return found, told
    return found[0], words[0]


def pixel(text: str) -> list[int]:
    """ "3,4,7" -> [3, 4, 7]."""
    ok = re.fullmatch(r"\d{1,9}(,\d{1,9})*", text)
    require(bool(ok), "--pixel", "whole numbers like 3,4,7: row, column, channel", repr(text), error=ArgumentError)
    return [int(part) for part in text.split(",")]


def pages(screens: list[str]) -> int:
    """Screens one after the other; Enter turns the page where somebody sits there."""
    someone = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    for k, screen in enumerate(screens):
        print(f"\n{screen}")
        if someone and k + 1 < len(screens) and input("-- Enter: the next layer, q: the end -- ").strip() == "q":
            break
    return 0


COMMANDS = {
    "predict": Command(predict, predict.__doc__, "minicnn predict runs/kaggle_bn --limit 20"),
    "summary": Command(summary, summary.__doc__, "minicnn summary runs/kaggle_bn"),
    "plan": Command(plan, plan.__doc__, "minicnn plan runs/kaggle_bn --batch-size 64"),
    "gradcheck": Command(gradcheck, gradcheck.__doc__, "minicnn gradcheck runs/kaggle_bn"),
    "explain": Command(explain, explain.__doc__,
                       "minicnn explain runs/kaggle_bn --image 3 --layer conv2d --pixel 3,4,7"),
}  # fmt: skip


def parser(name: str) -> argparse.ArgumentParser:
    command = COMMANDS[name]
    p = Parser(prog=f"minicnn {name}", description=command.about, epilog=f"example:  {command.example}")
    p.add_argument("model", type=Path, metavar="MODEL", help="a .minicnn, .keras or .h5 file, or a run's folder")
    if name != "summary":
        p.add_argument("--device", choices=["cpu", "cuda", "auto"], default="cpu", help="what computes (default cpu)")
    if name in ("predict", "gradcheck", "explain"):
        default = "random numbers" if name == "gradcheck" else "the run's test images, or scikit-learn's digits"
        p.add_argument("--data", type=Path, metavar="FILE", help="images: .npz (x, y), .npy, .csv, a picture, or "
                       f"Kaggle's folder; default: {default}")  # fmt: skip
    if name == "predict":
        p.add_argument("--top", type=int, default=3, metavar="N", help="classes of an image (default 3)")
        p.add_argument("--limit", type=int, default=SHOWN, metavar="N", help=f"images printed (default {SHOWN})")
        p.add_argument("--out", type=Path, metavar="FILE", help="write all answers as a submission, .csv")
    if name == "plan":
        p.add_argument("--batch-size", type=int, default=32, metavar="N", help="images of a step (default 32)")
    if name == "gradcheck":
        p.add_argument("--limit", type=int, default=3, metavar="N", help="images of --data that are used (default 3)")
        p.add_argument("--seed", type=int, default=0, metavar="N", help="of random numbers (default 0)")
    if name == "explain":
        p.add_argument("--image", type=int, default=0, metavar="N", help="which, from 0 (default 0)")
        p.add_argument("--label", type=int, metavar="N", help="the loss's class (default: its label, or the predicted)")
        p.add_argument("--layer", metavar="NAME", help="a layer, or any name of the table that comes without it")
        p.add_argument("--pixel", metavar="I,J,O", help="a cell of it: row, column, channel; of a vector one number")
        p.add_argument("--steps", action="store_true", help="walk through the network, a screen a layer")
        p.add_argument("--training", action="store_true", help="as a training step runs it: dropout, batch statistics")
    return p


def main(name: str, words: list[str]) -> int:
    """The exit code: 0; 1 for a wrong gradient; 2 for bad input."""
    args = parser(name).parse_args(words)
    try:
        for flag in {"limit", "top", "batch_size"} & set(vars(args)):
            value, shown = getattr(args, flag), "--" + flag.replace("_", "-")
            require(value >= 1, shown, "a number of at least 1", value, error=ArgumentError)
        return COMMANDS[name].run(args)
    except BrokenPipeError:
        raise
    except (MinicnnError, OSError) as error:
        print(f"minicnn {name}: {error}", file=sys.stderr)
        return 2
