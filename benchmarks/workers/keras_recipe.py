"""One documented system with Keras itself: the same definition, rows, split, epochs and schedule; a summary as JSON.

    KERAS_BACKEND=tensorflow python benchmarks/workers/keras_recipe.py kaggle_bn --seed 0 --out summary.json

benchmarks/recipes.py --keras starts it. The seed is Keras's (weights, order, dropout); NumPy's too, from which
ImageDataGenerator draws. Needs keras, one of its backends, scipy, and what minicnn itself needs.

After every epoch all that the next one needs is kept beside the summary, as SUMMARY.npz: an interrupted run goes on
from there (thirty epochs can take an hour), with batches in another order than without the interruption. The summary
counts the interruptions under "resumed".
"""

import argparse
import dataclasses
import datetime
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "examples"), str(ROOT / "benchmarks")]

import machine  # noqa: E402
from recipe_run.digits import load, one_hot, scaled  # noqa: E402

from minicnn.io import atomic_write  # noqa: E402
from minicnn.recipes import BY_NAME  # noqa: E402

PLATEAU = ("best", "wait", "cooldown_counter")  # what ReduceLROnPlateau remembers between two epochs


class Progress(keras.callbacks.Callback):
    """One line per epoch, and the state after it in a file, from which a later process goes on.

    The state is every variable of the model (weights, moving statistics, seeds of the dropout) and of the optimizer,
    the plateau schedule's memory, the history and the seconds so far. `plateau` may be None.
    """

    def __init__(self, path: Path, plateau):
        super().__init__()
        self.path, self.plateau = path, plateau
        self.history, self.seconds, self.resumed = [], [], 0

    def variables(self) -> list:
        metrics = {id(variable) for variable in self.model.metrics_variables}  # which an epoch begins with anew
        return [v for v in (*self.model.variables, *self.model.optimizer.variables) if id(v) not in metrics]

    def resume(self, model) -> int:
        """Number of epochs that are done already."""
        if not self.path.exists():
            return 0
        model.optimizer.build(model.trainable_variables)
        self.set_model(model)
        with np.load(self.path, allow_pickle=False) as kept:
            self.kept = json.loads(str(kept["about"]))
            for number, variable in enumerate(self.variables()):
                variable.assign(kept[f"v{number}"])
        self.history, self.seconds, self.resumed = (self.kept[k] for k in ("history", "seconds", "resumed"))
        self.resumed += 1
        print(f"goes on after epoch {len(self.seconds)}", flush=True)
        return len(self.seconds)

    def on_train_begin(self, logs=None):
        if self.resumed and self.plateau:  # which has just forgotten everything
            for name in PLATEAU:
                setattr(self.plateau, name, self.kept["plateau"][name])

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        shown = " ".join(f"{name} {value:.4f}" for name, value in self.history[-1].items())
        print(f"epoch {epoch + 1} {self.seconds[-1]:.1f} s {shown}", flush=True)
        plateau = {name: float(getattr(self.plateau, name)) for name in PLATEAU} if self.plateau else None
        about = {"history": self.history, "seconds": self.seconds, "resumed": self.resumed, "plateau": plateau}
        arrays = {f"v{number}": keras.ops.convert_to_numpy(v) for number, v in enumerate(self.variables())}
        with atomic_write(self.path) as file:
            np.savez(file, about=json.dumps(about), **arrays)


def run(recipe, seed: int, state: Path) -> dict:
    """Train once; what benchmarks/recipes.py keeps."""
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    data = load(recipe, argparse.Namespace(data=None, embedded=False, limit=None), seed)
    x, y = scaled(data.x_train), one_hot(data.y_train)
    held = None if data.x_held is None else (scaled(data.x_held), one_hot(data.y_held))
    steps = recipe.steps_per_epoch(len(x))
    plateau = keras.callbacks.ReduceLROnPlateau(**recipe.plateau) if recipe.plateau else None
    progress = Progress(state, plateau)

    model = recipe.build(keras)
    model.compile(recipe.make_optimizer(keras), "categorical_crossentropy", metrics=["accuracy"])
    done = progress.resume(model)
    fed = {"x": x, "y": y, "batch_size": recipe.batch_size}
    if recipe.augmentation:
        from keras.src.legacy.preprocessing.image import ImageDataGenerator  # Keras 3 has no public name for it

        flow = ImageDataGenerator(**recipe.augmentation).flow(x, y, batch_size=recipe.batch_size, seed=seed)
        flow.total_batches_seen = done * steps  # its seed for the next batch
        fed = {"x": flow}
    before = sum(progress.seconds)
    model.fit(**fed, epochs=recipe.epochs, initial_epoch=done, verbose=0, validation_data=held,
              steps_per_epoch=steps if recipe.augmentation else None,
              callbacks=[*filter(None, [plateau]), progress])  # fmt: skip
    history = {name: [logs[name] for logs in progress.history] for name in progress.history[0]}
    figures = {f"last {name}": values[-1] for name, values in history.items() if name.startswith("val_")}
    if held:
        figures["best val_accuracy"] = max(history["val_accuracy"])
    if data.y_test is not None:
        loss, accuracy = model.evaluate(scaled(data.x_test), one_hot(data.y_test), verbose=0)
        figures |= {"test accuracy": accuracy, "test loss": loss}
    return {"recipe": recipe.name, "seed": seed, "figure": recipe.figure, "value": figures[recipe.figure],
            "published": recipe.published, "epochs": recipe.epochs, "figures": figures, "history": history,
            "seconds": {"epochs": progress.seconds, "all": before + time.perf_counter() - started},
            "resumed": progress.resumed,
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
    state = options.out.with_suffix(".npz")
    state.parent.mkdir(parents=True, exist_ok=True)
    machine.write_json(options.out, run(recipe, options.seed, state))
    state.unlink()


if __name__ == "__main__":
    main()
