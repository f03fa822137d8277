"""One documented system with Keras itself: the same definition, rows, split, epochs and schedule; a summary as JSON.

    KERAS_BACKEND=tensorflow python benchmarks/workers/keras_recipe.py kaggle_bn --seed 0 --out summary.json

benchmarks/recipes.py --keras starts it. The seed is Keras's (weights, order, dropout); NumPy's too, from which
ImageDataGenerator draws. Needs keras, one of its backends, scipy, and what minicnn itself needs.
"""

import argparse
import dataclasses
import datetime
import sys
import time
from pathlib import Path

import keras

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "examples"), str(ROOT / "benchmarks")]

import machine  # noqa: E402
from recipe_run.digits import load, one_hot, scaled  # noqa: E402

from minicnn.recipes import BY_NAME  # noqa: E402


class Seconds(keras.callbacks.Callback):
    """One line and one number per epoch."""

    def on_train_begin(self, logs=None):
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(time.perf_counter() - self.start)
        shown = " ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        print(f"epoch {epoch + 1} {self.epochs[-1]:.1f} s {shown}", flush=True)


def run(recipe, seed: int) -> dict:
    """Train once; what benchmarks/recipes.py keeps."""
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    data = load(recipe, argparse.Namespace(data=None, embedded=False, limit=None), seed)
    x, y = scaled(data.x_train), one_hot(data.y_train)
    fed = {"x": x, "y": y, "batch_size": recipe.batch_size}
    if recipe.augmentation:
        from keras.src.legacy.preprocessing.image import ImageDataGenerator  # Keras 3 has no public name for it

        generator = ImageDataGenerator(**recipe.augmentation)
        fed = {"x": generator.flow(x, y, batch_size=recipe.batch_size, seed=seed)}
    held = None if data.x_held is None else (scaled(data.x_held), one_hot(data.y_held))
    steps, watch = recipe.steps_per_epoch(len(x)), Seconds()
    plateau = [keras.callbacks.ReduceLROnPlateau(**recipe.plateau)] if recipe.plateau else []

    model = recipe.build(keras)
    model.compile(recipe.make_optimizer(keras), "categorical_crossentropy", metrics=["accuracy"])
    trained = model.fit(**fed, epochs=recipe.epochs, steps_per_epoch=steps if recipe.augmentation else None,
                        validation_data=held, callbacks=[*plateau, watch], verbose=0)  # fmt: skip
    history = {name: [float(value) for value in values] for name, values in trained.history.items()}
    figures = {f"last {name}": values[-1] for name, values in history.items() if name.startswith("val_")}
    if held:
        figures["best val_accuracy"] = max(history["val_accuracy"])
    if data.y_test is not None:
        loss, accuracy = model.evaluate(scaled(data.x_test), one_hot(data.y_test), verbose=0)
        figures |= {"test accuracy": accuracy, "test loss": loss}
    return {"recipe": recipe.name, "seed": seed, "figure": recipe.figure, "value": figures[recipe.figure],
            "published": recipe.published, "epochs": recipe.epochs, "figures": figures, "history": history,
            "seconds": {"epochs": watch.epochs, "all": time.perf_counter() - started},
            "versions": {"keras": keras.__version__, keras.backend.backend(): backend_version()},
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": machine.describe() | {"settings": machine.settings(), "commit": machine.commit()}}  # fmt: skip


def backend_version() -> str:
    return sys.modules[keras.backend.backend()].__version__


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=BY_NAME)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    recipe = BY_NAME[options.name]
    if options.epochs:
        recipe = dataclasses.replace(recipe, epochs=options.epochs)
    machine.write_json(options.out, run(recipe, options.seed))


if __name__ == "__main__":
    main()
