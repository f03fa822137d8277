"""Kaggle's Digit Recognizer with one command: look at the data, train, look at the errors, write the submission.

    python examples/train_kaggle.py                            the documented settings (recipe A, kaggle_bn)
    python examples/train_kaggle.py --limit 2000 --epochs 1    a rehearsal

Data: --data, else $MINICNN_DATA/kaggle, else ./data, each with train.csv and test.csv, plain or .gz; else the 1,797
digits that come with scikit-learn. Ctrl-C or SIGTERM stops after the batch at hand and still writes everything.
Exit codes: 0; 2 bad input or a missing device; 130 after Ctrl-C, 143 after SIGTERM.
"""

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minicnn
from minicnn import reports
from minicnn.errors import ArgumentError, MinicnnError, require
from minicnn.io import check_folder, history, submission

RECIPE = minicnn.recipes.kaggle_bn
PUBLISHED = {"batch_size": RECIPE.batch_size, "epochs": RECIPE.epochs, "momentum": RECIPE.options["momentum"]}
# The published settings need about 1,000 steps before batch norm's moving averages are usable; 1,437 images give few.
FEW_IMAGES = {"batch_size": 32, "epochs": 10, "momentum": 0.9}
GET = "kaggle competitions download -c digit-recognizer -p data && unzip data/digit-recognizer.zip -d data"


class Parser(argparse.ArgumentParser):
    def error(self, message):  # one line, without the usage
        self.exit(2, f"{self.prog}: {message}; --help lists the options\n")


def parse(argv: list[str] | None) -> argparse.Namespace:
    p = Parser(prog="train_kaggle", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = "default {} (embedded digits: {})"
    p.add_argument("--data", type=Path, metavar="DIR", help="folder with train.csv and test.csv, plain or .gz")
    p.add_argument("--device", choices=["cpu", "cuda", "auto"], default="cpu")
    p.add_argument("--kernels", choices=["auto", "numba_cpu", "numpy_ref"], default="auto")
    p.add_argument("--epochs", type=int, help=default.format(RECIPE.epochs, FEW_IMAGES["epochs"]))
    p.add_argument("--batch-size", type=int, help=default.format(RECIPE.batch_size, FEW_IMAGES["batch_size"]))
    p.add_argument("--seed", type=int, default=0, help="of weights, order, dropout, augmentation; not of the split")
    p.add_argument("--out", type=Path, default=Path("runs") / RECIPE.name, metavar="DIR", help="default %(default)s")
    p.add_argument("--limit", type=int, metavar="N", help="a rehearsal: train on the first N rows only")
    p.add_argument("--quiet", action="store_true", help="no progress while training")
    return p.parse_args(argv)


def check(args: argparse.Namespace) -> None:
    """Everything that is cheap to know, before anything that takes time."""
    for flag, least in {"epochs": 1, "batch_size": 1, "limit": 10}.items():
        value, name = getattr(args, flag), "--" + flag.replace("_", "-")
        require(value is None or value >= least, name, f"a number of at least {least}", value, error=ArgumentError)
    check_folder(args.out, "--out")


def find_folder(given: Path | None) -> Path | None:
    """--data as it is; else the first usual place that holds one of the files; None: the embedded digits."""
    if given:
        return given
    root = os.environ.get("MINICNN_DATA")
    places = [*([Path(root, "kaggle")] if root else []), Path("data")]
    files = ("train.csv", "train.csv.gz", "test.csv", "test.csv.gz")
    return next((place for place in places if any((place / name).exists() for name in files)), None)


class Digits(NamedTuple):
    """uint8 images (N, 28, 28, 1), int64 labels (N,)."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_held: np.ndarray
    y_held: np.ndarray
    x_test: np.ndarray


def load(folder: Path | None, limit: int | None) -> Digits:
    """Read and split. The splits are the published ones: --seed does not change them."""
    if folder is None:
        (x, y), (x_held, y_held), (x_test, _) = minicnn.data.digits.split(seed=2)
        return Digits(x[:limit], y[:limit], x_held, y_held, x_test)
    x, y, x_test = minicnn.data.kaggle_digits.load_data(folder)
    x, x_held, y, y_held = minicnn.data.train_test_split(x[:limit], y[:limit], RECIPE.held_out, RECIPE.split_seed)
    return Digits(x, y, x_held, y_held, x_test)


def scaled(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32) / 255


class StopOnSignal(minicnn.callbacks.Callback):
    """The first Ctrl-C or SIGTERM ends training after the batch at hand; a second one, or one before it, aborts."""

    number = 0  # of the signal
    training = False

    def __enter__(self):
        here = threading.current_thread() is threading.main_thread()  # Python allows handlers nowhere else
        self.before = {n: signal.signal(n, self.receive) for n in (signal.SIGINT, signal.SIGTERM) if here}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def on_train_begin(self, logs=None):
        self.training = True

    def receive(self, number, frame):
        again, self.number = self.number, number
        if again or not self.training:
            raise KeyboardInterrupt
        self.model.stop_training = True
        os.write(2, b"\nStopping; the outputs are written first. Ctrl-C aborts at once.\n")


def run(args: argparse.Namespace, stop: StopOnSignal) -> None:
    started = time.perf_counter()
    check(args)
    folder = find_folder(args.data)
    settings = PUBLISHED if folder else FEW_IMAGES
    epochs, batch_size = args.epochs or settings["epochs"], args.batch_size or settings["batch_size"]

    # 1. The network. Building it also finds out whether the device is there.
    model = RECIPE.build(
        minicnn, momentum=settings["momentum"], seed=args.seed, device=args.device, kernels=args.kernels
    )
    model.compile(optimizer=RECIPE.make_optimizer(minicnn), loss="categorical_crossentropy", metrics=["accuracy"])

    # 2. The data. Bytes stay bytes: each batch is turned, zoomed, moved and divided by 255 when its turn comes.
    if folder is None:
        print(
            "No Kaggle files found, so this trains on the 1,797 digits that come with scikit-learn, split 1,437 / 180 "
            f"/ 180 (train, held out, test; stratified, seed 2), with batch {batch_size}, epochs {epochs} and "
            f"batch-norm momentum {settings['momentum']}; to get the real files: {GET}"
        )
    data = load(folder, args.limit)
    generator = minicnn.data.ImageDataGenerator(**RECIPE.augmentation, rescale=1 / 255)
    flow = generator.flow(data.x_train, minicnn.to_categorical(data.y_train, 10), batch_size)
    held_out = scaled(data.x_held), minicnn.to_categorical(data.y_held, 10)

    trainable = sum(weight.numpy().size for weight in model.trainable_weights)
    sizes = f"{len(data.x_train):,} training, {len(data.x_held):,} held-out, {len(data.x_test):,} test images"
    print(f"data      {folder or 'embedded digits'}{' (rehearsal)' if args.limit else ''}: {sizes}")
    print(f"network   {model.name}, {model.count_params():,} parameters, {trainable:,} of them trainable")
    print(f"device    {model.backend.describe()}")
    print(f"training  epochs {epochs}, steps per epoch {len(flow)}, batch {batch_size}, seed {model.seed}")
    enough = round(10 / (1 - settings["momentum"]))
    if epochs * len(flow) < enough:
        print(f"note      under about {enough:,} steps batch norm's averages, and so the validation, say little")
    sys.stdout.flush()

    # 3. Training. ReduceLROnPlateau comes first, because it logs the learning rate.
    began = time.perf_counter()
    plateau = minicnn.callbacks.ReduceLROnPlateau(**RECIPE.plateau, verbose=0 if args.quiet else 1)
    trained = model.fit(
        flow, epochs=epochs, validation_data=held_out, callbacks=[plateau, stop], verbose=0 if args.quiet else "auto"
    )
    seconds = time.perf_counter() - began

    # 4. The results, weights first: they took the longest.
    model.save_weights(args.out / "weights.safetensors")
    history.write(args.out / "history.csv", trained)
    submission.write(args.out / "submission.csv", model.predict(scaled(data.x_test), verbose=0).argmax(axis=1))
    submission.check(args.out / "submission.csv", rows=len(data.x_test))
    pictures = draw(data, generator, trained, model.predict(held_out[0], verbose=0))
    for name, picture in pictures.items():
        reports.save(picture, args.out / f"{name}.png")

    (at, best), accuracies = reports.curves.best(trained), trained.history["val_accuracy"]
    if stop.number:
        print(f"stopped   by {signal.Signals(stop.number).name} in epoch {len(accuracies)} of {epochs}")
    print(f"result    validation accuracy {accuracies[-1]:.4f}, best {best:.4f} in epoch {at}")
    print(f"time      {seconds:.0f} s training, {time.perf_counter() - started:.0f} s in all")
    print(f"outputs   in {args.out}: submission.csv ({len(data.x_test):,} rows, checked), history.csv, "
          f"weights.safetensors, {', '.join(f'{name}.png' for name in pictures)}")  # fmt: skip


def draw(data: Digits, generator, trained, probabilities: np.ndarray) -> dict:
    """Pictures of what went in, what happened, and what is still wrong."""
    each = reports.samples.one_of_each(data.y_train)
    shaken = generator.flow(data.x_train[each], batch_size=len(each), shuffle=False, seed=0)
    versions = [next(shaken) for _ in range(3)]
    return {
        "label_counts": reports.labels.draw(reports.labels.count(data.y_train)),
        "samples": reports.samples.draw_augmented(data.x_train[each], *versions, titles=data.y_train[each]),
        "curves": reports.curves.draw(trained),
        "confusion": reports.confusion.draw(reports.confusion.table(data.y_held, probabilities)),
        "worst_errors": reports.worst.draw(data.x_held, reports.worst.find(data.y_held, probabilities)),
    }


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    with StopOnSignal() as stop:
        try:
            run(args, stop)
        except KeyboardInterrupt:
            state = f"outputs in {args.out} may be missing" if stop.training else "nothing had been learnt yet"
            print(f"train_kaggle: aborted, {state}", file=sys.stderr)
            return 128 + (stop.number or signal.SIGINT)
        except (MinicnnError, OSError) as error:
            print(f"train_kaggle: {error}", file=sys.stderr)
            return 2
    return 128 + stop.number if stop.number else 0


if __name__ == "__main__":
    sys.exit(main())
