"""The model and the images that a command is asked to look at: a file, a run's folder; digits, or one's own images."""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np

import minicnn
from minicnn.errors import ArgumentError, DataError, MinicnnError, MissingDataError, one_of, require
from minicnn.io import strict_json
from minicnn.io.files import opened
from minicnn.recipes import BY_NAME, Recipe

from . import digits

MODEL, SUMMARY, STATISTICS = "model.minicnn", "summary.json", "statistics.json"
ENDINGS = (".minicnn", ".keras", ".h5", ".hdf5")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
LARGEST = 50_000_000  # bytes of a run's summary.json or statistics.json
LOSSES = {"softmax": "categorical_crossentropy", "sigmoid": "binary_crossentropy"}


class Images(NamedTuple):
    """x float32 (N, *input shape);  y class numbers (N,), or targets as fit takes them, or None;  place: in words."""

    x: np.ndarray
    y: np.ndarray | None
    place: str

    def label(self, n: int) -> int | None:
        if self.y is None:
            return None
        return int(self.y[n]) if self.y.ndim == 1 else int(np.argmax(self.y[n]))


def model_path(given: Path) -> Path:
    """The model's file: the argument itself, or what a run's folder holds."""
    if not given.is_dir():
        ok = given.suffix in ENDINGS
        require(ok, str(given), f"a {', '.join(ENDINGS[:-1])} file or a run's folder", "neither", error=ArgumentError)
        return given
    places = [given / MODEL, given / "best.minicnn", *sorted(given.glob(f"seed_*/{MODEL}"))]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise MissingDataError(f"{given}: expected a run's folder with {MODEL}, received one without; minicnn train "
                               f"writes it, and so does model.save(folder + '/{MODEL}')")  # fmt: skip
    return found


def load(given: Path, device: str = "cpu", *, trained: bool = True):
    """The model.  trained: with its loss if the file has one; what minicnn lacks of it is said, not hidden."""
    path = model_path(given)
    if not trained:
        return minicnn.load_model(path, compile=False, device=device)
    try:
        return minicnn.load_model(path, device=device)
    except DataError as error:
        model = minicnn.load_model(path, compile=False, device=device)
        print(f"note      read without its loss and optimizer: {error}")
        return model


def with_a_loss(model) -> str:
    """Compile a model that has no loss with the one that fits its last layer; a note, "" if it had one."""
    if model.loss is not None:
        return ""
    last = getattr(model.layers[-1], "activation", None)
    name = LOSSES.get(getattr(last, "__name__", str(last)), "mean_squared_error")
    model.compile("sgd", name)
    return f"the file has no loss: {name} stands in for it"


def targets(model, images: Images, count: int) -> np.ndarray:
    """Targets as the model's loss takes them, of the first images."""
    y, classes = images.y[:count], model.output_shape[-1]
    if y.ndim > 1 or "sparse" in model.loss.name:
        return y
    return minicnn.to_categorical(y, classes) if classes > 1 else y[:, None]


def summary_of(folder: Path) -> dict:
    """A run's summary.json, {} without one."""
    return document(folder / SUMMARY) if (folder / SUMMARY).is_file() else {}


def document(path: Path) -> dict:
    with opened(path, str(path)) as file:
        data = file.read(LARGEST + 1)
    require(len(data) <= LARGEST, str(path), f"at most {LARGEST:,} bytes", "more", error=DataError)
    try:
        found = strict_json.parse(data.decode("utf-8"))
    except ValueError as cause:
        raise DataError(f"{path}: expected JSON, received text that is none ({cause})") from None
    require(isinstance(found, dict), str(path), "an object", f"{found!r:.40}", error=DataError)
    return found


def run_of(folder: Path, data: Path | None) -> tuple[Recipe, argparse.Namespace] | None:
    """The recipe of a run and where its images are, from summary.json; None for a run that is no recipe's.

    The images' place is the command line's or a usual one: no file chooses it.
    """
    facts = summary_of(folder)
    if facts.get("recipe") not in BY_NAME:
        return None
    recipe = BY_NAME[facts["recipe"]]
    rows = facts.get("limit")
    limit = rows if type(rows) is int and rows > 0 else None
    return recipe, argparse.Namespace(embedded=facts.get("data") == "embedded", data=data, limit=limit)


def seed_of(folder: Path) -> int:
    seed = summary_of(folder).get("seed")
    return seed if type(seed) is int and 0 <= seed < 2**63 else 0


def images_for(model, given: Path, data: Path | None) -> Images:
    """Images to look at: --data's, else those that the run was judged by, else scikit-learn's digits."""
    shape = tuple(model.input_shape) if not isinstance(model.input_shape, list) else None
    require(shape is not None, str(given), "a model with one input", "several", error=ArgumentError)
    folder = given if given.is_dir() else given.parent
    run = None if data is not None and not data.is_dir() else run_of(folder, data)
    if run is not None:
        recipe, args = run
        found = digits.load(recipe, args, seed_of(folder))
        return Images(digits.scaled(found.judged[0]), found.judged[1], f"{digits.place(recipe, args)}, not trained on")
    if data is None:
        if _fits(shape, (28, 28, 1)):
            _, _, (x, y) = minicnn.data.digits.split(seed=2)
            return Images(digits.scaled(x), y, "180 of scikit-learn's digits")
        raise ArgumentError(f"{given}: expected --data FILE with images of shape {shape}, received none; FILE: .npz "
                            "with x and y, .npy, .csv of Kaggle's form, or a picture")  # fmt: skip
    x, y = read(data, shape)
    fits = x.ndim == len(shape) + 1 and _fits(shape, x.shape[1:])
    require(fits, f"--data {data}", f"images of shape {shape}", x.shape[1:], error=ArgumentError)
    require(len(x) > 0, f"--data {data}", "at least one image", "none", error=ArgumentError)
    same = y is None or len(y) == len(x)
    require(same, f"--data {data}: y", f"{len(x)} rows, as x has", None if y is None else len(y), error=ArgumentError)
    return Images(x, y, str(data))


def _fits(shape, found) -> bool:
    return len(shape) == len(found) and all(a in (None, b) for a, b in zip(shape, found, strict=True))


def read(path: Path, shape) -> tuple[np.ndarray, np.ndarray | None]:
    """Images and, where the file has them, targets.  Bytes become fractions 0..1."""
    y = None
    if path.is_dir():
        x, y, _ = minicnn.data.kaggle_digits.load_data(path)
    elif path.suffix in (".npz", ".npy"):
        try:
            found = np.load(path, allow_pickle=False)
            if path.suffix == ".npz":
                one_of(f"--data {path}: array", "x", found.files)
                found, y = found["x"], found["y"] if "y" in found.files else None
        except MinicnnError:
            raise
        except FileNotFoundError:
            raise MissingDataError(f"--data {path}: expected a file, received none of this name") from None
        except (ValueError, OSError, EOFError, KeyError) as cause:
            raise DataError(f"--data {path}: expected arrays as NumPy saves them, received {cause}") from None
        x = found
    elif path.suffix in PICTURES:
        mode, size = {1: "grayscale", 4: "rgba"}.get(shape[-1], "rgb"), tuple(shape[:2])
        picture = minicnn.data.images.load_img(path, color_mode=mode, target_size=size if None not in size else None)
        x = minicnn.data.images.img_to_array(picture, dtype="uint8")[None]
    elif path.name.endswith((".csv", ".csv.gz")):
        with_labels = "train" in path.name
        x, y = minicnn.data.kaggle_digits.read_csv(path, labelled=with_labels)
    else:
        raise ArgumentError(f"--data {path}: expected .npz, .npy, .csv, a picture or Kaggle's folder, received another")
    require(x.dtype.kind in "biuf", f"--data {path}", "numbers", x.dtype, error=DataError)
    return (digits.scaled(x) if x.dtype == np.uint8 else x.astype(np.float32)), y
