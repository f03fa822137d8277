"""Augmented batches of pictures in folders, or listed in a data frame, under Keras's names.

    flow = ImageDataGenerator(rescale=1 / 255).flow_from_directory("cats_and_dogs", target_size=(64, 64))

Source: Keras 3.15, legacy/preprocessing/image.py.
Differs from Keras: a picture that cannot be decoded is named in a note and left out of training and evaluation;
decoded pictures are kept, as bytes, while they fit into 1 GiB.
"""

import os
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from .. import arguments
from ..aliases import ArrayLike
from ..arguments import choice, flag, listed, path, shown, whole
from ..errors import ArgumentError, ArgumentTypeError, DataError, MissingDataError, require
from ..notes import note
from . import images
from .flow import SAVE_FORMAT, Flow, part, prefix
from .image_files import ImageFiles

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff")
BY_CLASS = ("categorical", "binary", "sparse")


def folder_mode(where: str, value: Any) -> str | None:
    """class_mode of flow_from_directory."""
    return choice(where, value, (*BY_CLASS, "input", None))


def table_mode(where: str, value: Any) -> str | None:
    """class_mode of flow_from_dataframe."""
    mode = choice(where, value, (*BY_CLASS, "input", "raw", "multi_output", None))
    fix = 'use "raw" with a list as y_col'
    require(mode != "multi_output", where, "one target", '"multi_output"', fix, error=ArgumentError)
    return mode


def _names(where: str, value) -> list[str] | None:
    """Names of classes; None stands for all."""
    found = None if value is None else listed(where, value, "names of classes")
    ok = found is None or all(isinstance(name, str) for name in found)
    require(ok, where, "a list of names of classes", shown(value), error=ArgumentTypeError)
    return found


CHECKS = {
    "target_size": images.size, "color_mode": images.KNOWN_MODE, "classes": _names, "batch_size": whole,
    "shuffle": flag, "seed": arguments.seed, "save_prefix": prefix, "save_format": SAVE_FORMAT, "subset": part,
    "save_to_dir": lambda where, value: None if value is None else path(where, value),
    "interpolation": images.KNOWN_INTERPOLATION, "keep_aspect_ratio": flag,
}  # fmt: skip


class FileFlow(Flow):
    """A Flow whose pictures lie in files.

    samples, filenames, filepaths; target_size, color_mode, image_shape; class_mode, and where it is by class:
    class_indices (name -> number), num_classes, classes (the number of each sample);  labels: what y is made from
    """

    def __init__(self, generator: Any, directory: str, filenames: list[str], labels: Any,
                 class_indices: dict[str, int] | None, options: dict,
                 sample_weight: ArrayLike | None = None):  # fmt: skip
        self.directory, self.filenames, self.class_indices = directory, filenames, class_indices or {}
        self.filepaths = [os.path.join(directory, name) for name in filenames]
        self.samples, self.num_classes, self.class_mode = len(filenames), len(self.class_indices), options["class_mode"]
        self.classes = self.labels = labels
        self.target_size, self.color_mode = options["target_size"], options["color_mode"]
        self.image_shape = (*self.target_size, images.CHANNELS[self.color_mode])
        x = ImageFiles(self.filepaths, self.target_size, self.color_mode, options["interpolation"],
                       options["keep_aspect_ratio"])  # fmt: skip
        others = ("seed", "save_to_dir", "save_prefix", "save_format")
        super().__init__(generator, x, self._targets(), options["batch_size"], options["shuffle"], sample_weight,
                         **{key: options[key] for key in others})  # fmt: skip

    def _targets(self) -> np.ndarray | None:
        """y: one row of 0 and 1 per sample, class numbers, or the labels as they are."""
        if self.class_mode == "categorical":
            y = np.zeros((self.samples, self.num_classes), np.float32)
            for row, numbers in enumerate(self.labels):
                y[row, numbers] = 1
            return y
        if self.class_mode in BY_CLASS:
            return np.asarray(self.labels, np.float32)
        return self.labels if self.class_mode == "raw" else None

    @property
    def y_is_x(self) -> bool:
        """Whether the target of a picture is the picture itself, as augmented (class_mode="input")."""
        return self.class_mode == "input"

    def __getitem__(self, index: int):
        batch = super().__getitem__(index)
        return (batch, batch) if self.y_is_x else batch


def from_directory(generator: Any, directory: str | os.PathLike, classes: Sequence[str] | None, class_mode: str | None,
                   follow_links: bool, subset: str | None, options: dict[str, Any]) -> FileFlow:  # fmt: skip
    """The pictures in `directory`: one folder per class, searched to any depth, in the order of the names."""
    where = "flow_from_directory"
    directory = path(f"{where}: directory", directory)
    expected = "a folder with one folder per class"
    require(os.path.isdir(directory), f"{where}: directory", expected, directory, error=MissingDataError)
    names = classes or sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    share = _share(generator, subset)
    filenames, numbers = [], []
    for number, name in enumerate(names):
        ok = name not in ("", "..") and not os.path.isabs(name)
        require(ok, f"{where}: classes", "names of folders in the directory", shown(name), error=ArgumentError)
        found = _pictures(os.path.join(directory, name), follow_links)
        found = [os.path.join(name, f) for f in found[share(len(found))]]
        filenames += found
        numbers += [number] * len(found)
    expected = f"files that end in {', '.join(ENDINGS)} in folders of {directory}"
    require(filenames, where, expected, f"none in {len(names)} folders", error=DataError)
    print(f"Found {len(filenames)} images belonging to {len(names)} classes.")
    labels, indices = np.array(numbers, np.int32), dict(zip(names, range(len(names)), strict=True))
    return FileFlow(generator, directory, filenames, labels, indices, options)


def from_dataframe(generator: Any, dataframe: Any, directory: str | os.PathLike | None, x_col: str,
                   y_col: str | Sequence[str], weight_col: str | None, classes: Sequence[str] | None,
                   class_mode: str | None, subset: str | None, validate_filenames: bool,
                   options: dict[str, Any]) -> FileFlow:  # fmt: skip
    """The pictures that column x_col names, with what y_col says of them."""
    where = "flow_from_dataframe"
    columns = getattr(dataframe, "columns", None)
    expected = "a pandas DataFrame"
    require(columns is not None, f"{where}: dataframe", expected, shown(dataframe), error=ArgumentTypeError)
    directory = "" if directory is None else path(f"{where}: directory", directory)
    _columns(f"{where}: x_col", [x_col], x_col, columns)
    if weight_col is not None:
        _columns(f"{where}: weight_col", [weight_col], weight_col, columns)
    if class_mode not in ("input", None):
        several = class_mode == "raw" and isinstance(y_col, (list, tuple))
        _columns(f"{where}: y_col", list(y_col) if several else [y_col], y_col, columns)
    rows = dataframe
    strings = [isinstance(name, str) for name in rows[x_col]]
    require(all(strings), f"{where}: {x_col}", "names of files", "other values", error=ArgumentTypeError)
    if validate_filenames:
        good = np.array([_is_picture(os.path.join(directory, name)) for name in rows[x_col]], bool)
        if not good.all():
            first = rows[x_col].iloc[int(good.argmin())]
            note(f"{where}: {int((~good).sum())} rows name no picture, the first {first!r}: they are left out")
        rows = rows[good]
    indices = None
    if class_mode in BY_CLASS:
        rows, names = _with_classes(where, rows, y_col, classes, class_mode)
        indices = dict(zip(names, range(len(names)), strict=True))
    rows = rows.iloc[_share(generator, subset)(len(rows))]
    require(len(rows) > 0, where, f"rows that name pictures in {directory or 'the present folder'}", "none",
            error=DataError)  # fmt: skip
    labels = None
    if indices is not None:
        labels = [[indices[one] for one in value] if isinstance(value, (list, tuple)) else indices[value]
                  for value in rows[y_col]]  # fmt: skip
    elif class_mode == "raw":
        labels = rows[list(y_col) if isinstance(y_col, (list, tuple)) else y_col].to_numpy()
    kind = "validated" if validate_filenames else "non-validated"
    of = "" if indices is None else f" belonging to {len(indices)} classes"
    print(f"Found {len(rows)} {kind} image filenames{of}.")
    try:
        weights = None if weight_col is None else rows[weight_col].to_numpy(np.float32)
    except (ValueError, TypeError):
        raise DataError(f"{where}: weight_col: expected a column of numbers, received other values") from None
    return FileFlow(generator, directory, rows[x_col].tolist(), labels, indices, options, weights)


def _with_classes(where: str, rows, y_col, classes, class_mode: str):
    """The rows whose class is one of `classes` (all, if None or empty), and the classes in order."""
    lists = (list, tuple) if class_mode == "categorical" else ()
    ok = [isinstance(value, (str, *lists)) for value in rows[y_col]]
    fix = "convert the column with .astype(str)"
    received = next((shown(v) for v, good in zip(rows[y_col], ok, strict=True) if not good), "")
    require(all(ok), f"{where}: {y_col}", "names of classes, as strings", received, fix, error=ArgumentTypeError)
    if classes:
        names = list(dict.fromkeys(classes))
        known = set(names)
        kept = [[one for one in v if one in known] if isinstance(v, (list, tuple)) else v if v in known else []
                for v in rows[y_col]]  # fmt: skip
        rows = rows.assign(**{y_col: kept})[[bool(value) for value in kept]]
    else:
        names = sorted({one for v in rows[y_col] for one in (v if isinstance(v, (list, tuple)) else [v])})
    if class_mode == "binary":
        require(len(names) == 2, f"{where}: class_mode", "2 classes, for a binary one", len(names), error=DataError)
    return rows, names


def _columns(where: str, names: list, given, columns) -> None:
    """Raise ArgumentError unless there is a name, and each names a column."""
    ok = len(names) > 0 and all(isinstance(name, Hashable) and name in columns for name in names)
    require(ok, where, f"one of the columns {', '.join(map(str, columns))}", shown(given), error=ArgumentError)


def _share(generator, subset):
    """A function from a number of files to the slice of them that is `subset`."""
    share = generator.validation_split
    if subset is None:
        return lambda n: slice(None)
    return lambda n: slice(0, int(share * n)) if subset == "validation" else slice(int(share * n), n)


def _pictures(folder: str, follow_links: bool) -> list[str]:
    """Names of the pictures below `folder`, relative to it, in the order of Keras: folder by folder, each sorted."""
    walked = sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0])
    return [os.path.relpath(os.path.join(root, name), folder) for root, _, names in walked
            for name in sorted(names) if name.lower().endswith(ENDINGS)]  # fmt: skip


def _is_picture(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and os.path.isfile(name)
