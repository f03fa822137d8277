"""The images that a recipe trains on, holds out and is tested with: found, read, split as published."""

import argparse
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minicnn
from minicnn.data.batches import validation_split
from minicnn.errors import MissingDataError
from minicnn.recipes import Recipe

GET = "kaggle competitions download -c digit-recognizer -p data && unzip data/digit-recognizer.zip -d data"


class Digits(NamedTuple):
    """uint8 images (N, 28, 28, 1), whole-number labels (N,); what a recipe does not have is None."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_held: np.ndarray | None
    y_held: np.ndarray | None
    x_test: np.ndarray
    y_test: np.ndarray | None  # Kaggle keeps them

    @property
    def judged(self) -> tuple[np.ndarray, np.ndarray]:
        """The images that the pictures of errors are about."""
        if self.y_test is not None:
            return self.x_test, self.y_test
        assert self.x_held is not None  # every recipe whose test images have no labels holds some out
        assert self.y_held is not None
        return self.x_held, self.y_held


def find_folder(given: Path | None) -> Path | None:
    """Kaggle's files: --data as it is; else the first usual place that holds one of them; None: nowhere."""
    if given:
        return given
    root = os.environ.get("MINICNN_DATA")
    places = [*([Path(root, "kaggle")] if root else []), Path("data")]
    files = ("train.csv", "train.csv.gz", "test.csv", "test.csv.gz")
    return next((place for place in places if any((place / name).exists() for name in files)), None)


def place(recipe: Recipe, args: argparse.Namespace) -> str:
    """Where the data come from, in a word or a path."""
    if args.embedded:
        return "embedded digits"
    return str((find_folder(args.data) if recipe.data == "kaggle" else args.data) or "MNIST")


def load(recipe: Recipe, args: argparse.Namespace, seed: int) -> Digits:
    """Read and split. The splits are the published ones; only rows that a recipe mixes depend on the seed."""
    if args.embedded:
        (x, y), held, (x_test, y_test) = minicnn.data.digits.split(seed=2)
        x_held, y_held = held if recipe.held_out else (None, None)
        return Digits(x[: args.limit], y[: args.limit], x_held, y_held, x_test, y_test)
    if recipe.data == "mnist":
        (x, y), (x_test, y_test) = minicnn.data.mnist.load_data(args.data)
        x, x_test = x[..., None], x_test[..., None]
    else:
        folder = find_folder(args.data)
        if folder is None:
            raise MissingDataError(
                f"{recipe.name}: expected Kaggle's train.csv and test.csv in $MINICNN_DATA/kaggle or ./data, received "
                f"neither; get them: {GET}; or rehearse with --embedded"
            )
        (x, y, x_test), y_test = minicnn.data.kaggle_digits.load_data(folder), None
    return Digits(*split(recipe, x[: args.limit], y[: args.limit], seed), x_test, y_test)


def split(
    recipe: Recipe, x: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """x_train, y_train, x_held, y_held as the recipe says."""
    if recipe.mix_rows:
        order = np.random.default_rng(seed).permutation(len(x))
        x, y = x[order], y[order]
    if not recipe.held_out:
        return x, y, None, None
    if recipe.split_seed is None:
        train, held = validation_split(len(x), recipe.held_out)  # the rows that fit(validation_split=...) takes
        return x[train], y[train], x[held], y[held]
    x, x_held, y, y_held = minicnn.data.train_test_split(x, y, recipe.held_out, recipe.split_seed)
    return x, y, x_held, y_held


def scaled(x: np.ndarray) -> np.ndarray:
    """Bytes -> fractions 0..1, float32."""
    return x.astype(np.float32) / 255


def one_hot(y: np.ndarray) -> np.ndarray:
    return minicnn.to_categorical(y, 10)
