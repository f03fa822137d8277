"""The model and the images that a command is asked to look at: a file, a run's folder; digits, or one's own images."""

import argparse
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

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
    """x float32 (N, *input shape);  y class numbers (N,), or targets as fit takes them, or None;  place: in words.

    Of several inputs x is a dict by their names, of several outputs y a list, with None for what the file does not
    have.
    """

    x: np.ndarray | dict[str, np.ndarray]
    y: np.ndarray | list[np.ndarray | None] | None
    place: str

    @property
    def count(self) -> int:
        return len(next(iter(self.x.values()))) if isinstance(self.x, dict) else len(self.x)

    def rows(self, which: Any) -> Any:
        """Some of x: a slice's, or one image's."""
        return {name: x[which] for name, x in self.x.items()} if isinstance(self.x, dict) else self.x[which]

    def of(self, output: int) -> np.ndarray | None:
        """The targets of one output."""
        return self.y[output] if isinstance(self.y, list) else self.y

    def label(self, n: int, output: int = 0) -> int | None:
        y = self.of(output)
        if y is None:
            return None
        if y.ndim > 1:
            return int(np.argmax(y[n]))
        require(y[n] == np.floor(y[n]), f"label of image {n}", "a whole number", y[n], error=DataError)
        return int(y[n])


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


def load(given: Path, device: str = "cpu", *, trained: bool = True) -> Any:
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


def with_a_loss(model: Any) -> str:
    """Compile a model that has no loss with the one that fits its last layer; a note, "" if it had one."""
    if model.loss is not None:
        return ""
    lasts = [getattr(layer, "activation", None) for layer in model.last_layers]
    names = [LOSSES.get(getattr(last, "__name__", str(last)), "mean_squared_error") for last in lasts]
    model.compile("sgd", names if len(names) > 1 else names[0])
    stand = "stands in for it" if len(names) == 1 else "stand in for them"
    return f"the file has no loss: {', '.join(names)} {stand}"


def outputs(model: Any) -> "list[tuple[str, tuple, minicnn.losses.Loss | None]]":
    """(name, shape, loss) of every output."""
    several = isinstance(model.sample_out, list)
    shapes = model.sample_out if several else [model.sample_out]
    return list(zip(model.output_names, shapes, model.output_losses, strict=True))


def tells_classes(model: Any, output: int, y: np.ndarray | None) -> bool:
    """Whether an output is a vector of classes: by its activation, its loss or its targets, or if it is alone."""
    shape, loss = outputs(model)[output][1:]
    if len(shape) != 1 or shape[0] < 2:
        return False
    activation = getattr(model.last_layers[output], "activation", None)
    if getattr(activation, "__name__", activation) == "softmax" or "crossentropy" in getattr(loss, "name", ""):
        return True
    return loss is None and (y is None or y.ndim == 1) and not isinstance(model.sample_out, list)


def targets(model: Any, images: Images, count: int) -> Any:
    """Targets as the model's losses take them, of the first images; of several outputs a list."""
    found = []
    for k, (name, shape, loss) in enumerate(outputs(model)):
        y, classes = images.of(k), shape[-1]
        if loss is not None:
            require(y is not None, images.place, f"targets of {name}", "none", error=ArgumentError)
        y = None if y is None else y[:count]
        if y is not None and loss is not None and y.ndim == 1 and "sparse" not in loss.name:
            y = minicnn.to_categorical(y, classes) if classes > 1 else y[:, None]
        found.append(y)
    return found if len(found) > 1 else found[0]


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


def images_for(model: Any, given: Path, data: Path | None) -> Images:
    """Images to look at: --data's, else those that the run was judged by, else scikit-learn's digits."""
    if isinstance(model.sample_in, list):
        return _several(model, given, data)
    shape = tuple(model.sample_in)
    folder = given if given.is_dir() else given.parent
    run = None if data is not None and not data.is_dir() else run_of(folder, data)
    if run is not None:
        recipe, args = run
        found = digits.load(recipe, args, seed_of(folder))
        x, y = found.judged
        return Images(digits.scaled(x), _first(model, y), f"{digits.place(recipe, args)}, not trained on")
    if data is None:
        if _fits(shape, (28, 28, 1)):
            _, _, (x, y) = minicnn.data.digits.split(seed=2)
            return Images(digits.scaled(x), _first(model, y), "180 of scikit-learn's digits")
        raise ArgumentError(f"{given}: expected --data FILE with images of shape {shape}, received none; FILE: .npz "
                            "with x and y, .npy, .csv of Kaggle's form, or a picture")  # fmt: skip
    x, y, others = read(data, shape)
    if isinstance(model.sample_out, list):
        y = [others.get(name, y if k == 0 else None) for k, name in enumerate(model.output_names)]
    fits = x.ndim == len(shape) + 1 and _fits(shape, x.shape[1:])
    require(fits, f"--data {data}", f"images of shape {shape}", x.shape[1:], error=ArgumentError)
    require(len(x) > 0, f"--data {data}", "at least one image", "none", error=ArgumentError)
    _same_rows(data, len(x), {"y": y} if not isinstance(y, list) else dict(zip(model.output_names, y, strict=True)))
    return Images(x, y, str(data))


def _first(model, y):
    """Targets of the first output; the others have none."""
    return [y, *[None] * (len(model.output_names) - 1)] if isinstance(model.sample_out, list) else y


def _same_rows(data: Path, rows: int, found: dict) -> None:
    for name, one in found.items():
        same, received = one is None or len(one) == rows, None if one is None else len(one)
        require(same, f"--data {data}: {name}", f"{rows} rows, as x has", received, error=ArgumentError)


def _several(model, given: Path, data: Path | None) -> Images:
    """Images of a model with several inputs: an .npz with an array for each input, and for outputs if it has them."""
    names = ", ".join(model.input_names)
    words = f"--data FILE.npz with the arrays {names} for its {len(model.input_names)} inputs"
    if data is None or data.suffix != ".npz":
        require(False, str(given), words, "none" if data is None else data, error=ArgumentError)
    found, x = arrays(data), {}
    for name, shape in zip(model.input_names, model.sample_in, strict=True):
        one = found[one_of(f"--data {data}: array", name, found)]
        fits = _fits(shape, one.shape[1:]) and one.dtype.kind in "biuf" and len(one) > 0
        shown = f"{one.dtype} {one.shape}"
        require(fits, f"--data {data}: {name}", f"numbers of shape (N, {', '.join(map(str, shape))})", shown,
                error=ArgumentError)  # fmt: skip
        x[name] = digits.scaled(one) if one.dtype == np.uint8 else one.astype(np.float32)
    y = [found.get(name) for name in model.output_names]
    if len(y) == 1 and y[0] is None:
        y = [found.get("y")]
    _same_rows(data, len(next(iter(x.values()))), x | dict(zip(model.output_names, y, strict=True)))
    if len(y) == 1:
        return Images(x, y[0], str(data))
    return Images(x, y if any(one is not None for one in y) else None, str(data))


def _fits(shape, found) -> bool:
    return len(shape) == len(found) and all(a in (None, b) for a, b in zip(shape, found, strict=True))


def arrays(path: Path) -> dict[str, np.ndarray]:
    """What np.savez wrote, by name, all of it read; of np.save the one array, as x."""
    try:
        found = np.load(path, allow_pickle=False)
        if path.suffix == ".npy":
            require(isinstance(found, np.ndarray), f"--data {path}", "one array", "several", error=DataError)
            return {"x": found}
        require(not isinstance(found, np.ndarray), f"--data {path}", "arrays by name", "one array", error=DataError)
        with found:
            return {name: found[name] for name in found.files}
    except MinicnnError:
        raise
    except FileNotFoundError:
        raise MissingDataError(f"--data {path}: expected a file, received none of this name") from None
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as cause:
        raise DataError(f"--data {path}: expected arrays as NumPy saves them, received {cause}") from None


def read(path: Path, shape: Any) -> tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray]]:
    """Images and, where the file has them, targets; and all that an .npz has.  Bytes become fractions 0..1."""
    y, found = None, {}
    if path.is_dir():
        x, y, _ = minicnn.data.kaggle_digits.load_data(path)
    elif path.suffix in (".npz", ".npy"):
        found = arrays(path)
        x, y = found[one_of(f"--data {path}: array", "x", found)], found.get("y")
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
    return (digits.scaled(x) if x.dtype == np.uint8 else x.astype(np.float32)), y, found
