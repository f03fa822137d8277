"""One of the five documented systems with one command: train it as published, hold its figure beside the published one.

    python -m minicnn recipe lenet_16_36
    python -m minicnn recipe zero_padding_bn --option axis=-1 activation=selu
    python -m minicnn recipe valid_conv --seed 0 1 2                 three runs, each in a folder of its own
    python -m minicnn recipe kaggle_bn --embedded --epochs 1         a rehearsal without any file

kaggle_bn, kaggle_rmsprop, zero_padding_bn, lenet_16_36, valid_conv: what each one is stands in minicnn/recipes.py, line
by line as in the published table; this program does what it says.

Data: --data, else for Kaggle's systems $MINICNN_DATA/kaggle, then ./data, each with train.csv and test.csv, plain or
.gz; for MNIST's $MINICNN_DATA/mnist, else the cache folder, into which the four files are downloaded.
A checkpoint is written every minute and after every epoch, in OUT/checkpoints: killed at any moment, the same command
goes on where it was and ends with the same bytes; --fresh begins anew. Ctrl-C, SIGTERM or --time-limit stop after the
batch at hand, with a checkpoint and everything else written.
Exit codes: 0; 2 bad input or a missing device; 3 a checkpoint could not be written; 130 after Ctrl-C, 143 after
SIGTERM.
"""

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import minicnn
from minicnn import reports
from minicnn.backend import compiling
from minicnn.errors import ArgumentError, MinicnnError, require
from minicnn.io import history, submission
from minicnn.recipes import Recipe
from minicnn.teaching import Statistics

from . import outputs
from .digits import GET, load, one_hot, place, scaled
from .hooks import StopOnSignal, Stopwatch, TimeLimit
from .options import check, parser

WATCHED = 32  # training images whose activations and gradients are recorded after every epoch


def feed(recipe: Recipe, generator: Any, x: np.ndarray, y: np.ndarray) -> dict:
    """fit's arguments for these images: batches of a generator, where the recipe augments."""
    if recipe.augmentation:
        return {"x": generator.flow(x, one_hot(y), recipe.batch_size)}
    return {"x": scaled(x), "y": one_hot(y), "batch_size": recipe.batch_size}


def compiled(model: Any, recipe: Recipe) -> Any:
    """The model, ready to be trained."""
    model.compile(optimizer=recipe.make_optimizer(minicnn), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def built(recipe: Recipe, options: dict, **placed: Any) -> Any:
    """The recipe's network. Its layers are numbered from the first on, whatever was built before."""
    minicnn.keras.backend.clear_session()
    return recipe.build(minicnn, **options, **placed)


def run(args: argparse.Namespace, recipe: Recipe, options: dict, seed: int, out: Path, stop: StopOnSignal,
        limit: TimeLimit) -> float:  # fmt: skip
    """Train one network and write its outputs; the figure that is held beside the published one."""
    started = time.perf_counter()
    print(f"starting  {recipe.name} on {place(recipe, args)}: building the network, reading the images", flush=True)

    # 1. The network. Building it also finds out whether the device is there.
    placed = {"device": args.device, "kernels": args.kernels, "threads": args.threads,
              "precision": args.precision}  # fmt: skip
    model = built(recipe, options, seed=seed, **placed)

    # 2. The data. What is augmented stays bytes: each batch is turned, zoomed, moved and divided by 255 in its turn.
    if args.note:
        print(args.note)
    data = load(recipe, args, seed)
    generator = minicnn.data.ImageDataGenerator(**recipe.augmentation, rescale=1 / 255)
    fed = feed(recipe, generator, data.x_train, data.y_train)
    held_out = None
    if data.x_held is not None and data.y_held is not None:
        held_out = scaled(data.x_held), one_hot(data.y_held)
    steps, rows = recipe.steps_per_epoch(len(data.x_train)), len(data.x_train)
    require(steps > 0, recipe.name, f"at least one batch of {recipe.batch_size} images", rows, error=ArgumentError)
    if "momentum" in options and not any(text.startswith("momentum=") for text in args.option):
        fitting = outputs.momentum_that_fits(options["momentum"], recipe.epochs * steps)
        if fitting != options["momentum"]:
            options = options | {"momentum": fitting}
            model = built(recipe, options, seed=seed, **placed)
    model = compiled(model, recipe)
    if args.world is not None:
        model.world = args.world
        print(f"processes {args.world.size}, each with its part of every batch")
    outputs.announce(args, recipe, model, data, steps, out)

    # 3. Training. ReduceLROnPlateau comes first, because it logs the learning rate.
    watch, said, lib = Stopwatch(args.quiet), 0 if args.quiet else 1, minicnn.callbacks
    hooks = [lib.ReduceLROnPlateau(**recipe.plateau, verbose=said)] if recipe.plateau else []
    hooks += [lib.EarlyStopping(patience=args.patience, restore_best_weights=True)] if args.patience else []
    hooks += [lib.ModelCheckpoint(out / "best.minicnn", save_best_only=True)] if args.best else []
    twin = compiled(built(recipe, options, seed=seed, kernels="numpy_ref"), recipe)  # compiles nothing
    layers = Statistics(scaled(data.x_train[:WATCHED]), one_hot(data.y_train[:WATCHED]), twin)
    held = 0 if data.x_held is None else len(data.x_held)
    limit.images, limit.batch_size = len(data.x_test) + len(data.judged[0]) + 2 * held, recipe.batch_size
    kept = minicnn.CheckpointOptions(
        out / "checkpoints", save_every=args.save_every, resume=not args.fresh,
        stop_when=lambda: bool(stop.number) or limit.reached(),
    )  # fmt: skip
    helpers = min(getattr(model.backend, "thread_count", lambda: 1)(), 4) - 1  # a GPU's kernels are compiled in threads
    words = ["minicnn.commands.ahead", recipe.name, json.dumps(options), str(recipe.batch_size), str(args.threads or 0)]
    with compiling.shared(lambda k, n: [*words, str(k), str(n)], helpers):
        trained = model.fit(**fed, epochs=recipe.epochs, steps_per_epoch=steps, validation_data=held_out,
                            callbacks=[*hooks, layers, stop, limit, watch], verbose=said, checkpoint=kept)  # fmt: skip
    args.unsaved = args.unsaved or model.checkpoint_failure
    if model.world.rank:  # rank 0 writes the outputs
        return np.nan
    stopped = f"by {signal.Signals(stop.number).name}" if stop.number else f"by --time-limit {args.time_limit}"
    stopped = stopped if stop.number or limit.stopped else ""

    # 4. The results, weights first: they took the longest.
    print(f"writing   answers for {len(data.x_test):,} test images, and pictures", flush=True)
    model.save_weights(out / "weights.safetensors")
    model.save(out / "model.minicnn")
    history.write(out / "history.csv", trained)
    written, figures = ["history.csv (epochs from 0)", "model.minicnn", "weights.safetensors"], {}
    if held_out:
        last = {name: values[-1] for name, values in trained.history.items()}
        if model.underway:  # stopped in mid-epoch
            tested = model.evaluate(*held_out, verbose=0, return_dict=True)
            last = {f"val_{name}": value for name, value in tested.items()}
        figures = {f"last {name}": value for name, value in last.items() if name.startswith("val_")}
        best = reports.curves.best(trained)
        if model.underway and (best is None or last["val_accuracy"] > best[1]):
            best = len(trained.epoch) + 1, last["val_accuracy"]
        if best is not None:
            figures["best epoch"], figures["best val_accuracy"] = best
    if data.y_test is None:
        submission.write(out / "submission.csv", model.predict(scaled(data.x_test), verbose=0).argmax(axis=1))
        submission.check(out / "submission.csv", rows=len(data.x_test))
        written.insert(0, f"submission.csv ({len(data.x_test):,} rows, checked)")
    else:
        loss, accuracy = model.evaluate(scaled(data.x_test), one_hot(data.y_test), verbose=0)
        figures |= {"test accuracy": accuracy, "test loss": loss}
    probabilities = model.predict(scaled(data.judged[0]), verbose=0)
    for name, picture in outputs.draw(data, recipe, place(recipe, args), generator, trained, probabilities).items():
        reports.save(picture, out / f"{name}.png")
        written.append(f"{name}.png")
    seconds = {"epochs": watch.epochs, "training": watch.training, "all": time.perf_counter() - started}
    results = {"value": figures[recipe.figure], "figures": figures, "history": trained.history, "seconds": seconds,
               "stopped": bool(stopped), "layers": layers.epochs}  # fmt: skip
    outputs.record(out / "summary.json", args, recipe, options, model, data, **results)
    written.append("summary.json")

    if stopped and model.underway:
        where = f"in epoch {len(trained.epoch) + 1} of {recipe.epochs}, step {model.underway.step} of {steps}"
        print(f"stopped   {stopped} {where}; the same command goes on")
    if held_out:
        best = f"best {figures['best val_accuracy']:.4f} in epoch {figures['best epoch']}"
        print(f"result    validation accuracy {figures['last val_accuracy']:.4f}, {best}")
    if data.y_test is not None:
        print(f"result    test accuracy {figures['test accuracy']:.4f}, test loss {figures['test loss']:.5f}")
    if args.records:
        print(f"published {recipe.headline}")
    whole = "in this run, the training of earlier runs apart" if watch.resumed else "in all"
    print(f"time      {seconds['training']:.0f} s training, {seconds['all']:.0f} s {whole}")
    if data.y_test is None and "momentum" in options and options["momentum"] != recipe.options["momentum"]:
        print(f"note      a rehearsal: {recipe.epochs * steps:,} steps, batch norm's momentum {options['momentum']} "
              f"instead of the published {recipe.options['momentum']}")  # fmt: skip
    print(f"outputs   in {out}: {', '.join(written)}")
    if data.y_test is None:
        print(f"next      upload {out / 'submission.csv'} at https://www.kaggle.com/c/digit-recognizer/submit")
    elif args.embedded and recipe.data == "kaggle":
        print(f"next      for a submission get the real images: {GET}")
    sys.stdout.flush()
    return figures[recipe.figure]


def execute(args: argparse.Namespace) -> int:
    """Run every seed; the exit code.  One process of several that fails ends all: they would wait for it."""
    code = _execute(args)
    failed = code == 2 or args.aborted
    if failed and args.world is not None and args.world.size > 1:
        args.world.abort(code)
    return code


def _execute(args: argparse.Namespace) -> int:
    limit = TimeLimit(None)
    args.unsaved, args.world, args.aborted = None, None, False
    with StopOnSignal() as stop:
        try:
            recipe, options = check(args)
            args.world = minicnn.World.mpi() if args.distributed else None
            limit.limit, values = args.seconds, []
            for seed in args.seed:
                out = args.out / f"seed_{seed}" if len(args.seed) > 1 else args.out
                values.append(run(args, recipe, options, seed, out, stop, limit))
                if stop.number or limit.stopped:
                    break
            if len(values) > 1:
                each = ", ".join(f"{value:.4f}" for value in values)
                print(f"mean      {recipe.figure} {np.mean(values):.4f} of {len(values)} seeds: {each}")
        except KeyboardInterrupt:
            state = "nothing had been learnt yet"
            if stop.training:
                state = f"outputs in {args.out} may be missing; the same command goes on from the last checkpoint"
            print(f"{args.prog}: aborted, {state}", file=sys.stderr)
            args.aborted = True
            return 128 + (stop.number or signal.SIGINT)
        except BrokenPipeError:
            raise
        except (MinicnnError, OSError) as error:
            print(f"{args.prog}: {error}".replace("say resume=False", "say --fresh"), file=sys.stderr)
            return 2
    if args.unsaved:
        print(f"{args.prog}: a checkpoint could not be written: {args.unsaved}", file=sys.stderr)
    return 128 + stop.number if stop.number else 3 if args.unsaved else 0


def main(argv: list[str] | None = None, prog: str = "minicnn recipe") -> int:
    args = parser(prog, __doc__).parse_args(argv)
    args.words = argv
    return execute(args)
