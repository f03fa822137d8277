"""Augmented batches of pictures in folders, or listed in a data frame, under Keras's names.

    flow = ImageDataGenerator(rescale=1 / 255).flow_from_directory("cats_and_dogs", target_size=(64, 64))

Source: Keras 3.15, legacy/preprocessing/image.py.
Differs from Keras: a picture that cannot be decoded is named in a note and left out of training and evaluation;
decoded pictures are kept, as bytes, while they fit into 1 GiB.
"""

import os

import numpy as np

from ..arguments import choice, flag, listed, path, shown
from ..errors import ArgumentError, ArgumentTypeError, DataError, MissingDataError, one_of, require
from ..notes import note
from . import images
from .flow import Flow
from .image_files import ImageFiles

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff")
BY_CLASS = ("categorical", "binary", "sparse")


class FileFlow(Flow):
    """A Flow whose pictures lie in files.

    samples, filenames, filepaths; target_size, color_mode, image_shape; class_mode, and where it is by class:
    class_indices (name -> number), num_classes, classes (the number of each sample);  labels: what y is made from
    """

    def __init__(self, generator, directory: str, filenames: list[str], labels, class_indices: dict[str, int] | None,
                 options: dict, sample_weight=None):  # fmt: skip
        self.directory, self.filenames, self.class_indices = directory, filenames, class_indices or {}
        self.filepaths = [os.path.join(directory, name) for name in filenames]
        self.samples, self.num_classes, self.class_mode = len(filenames), len(self.class_indices), options["class_mode"]
        self.classes = self.labels = labels
        self.target_size = images.size("target_size", options["target_size"])
        self.color_mode = one_of("color_mode", options["color_mode"], images.MODES)
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


def from_directory(generator, directory, classes, class_mode, follow_links, subset, options) -> FileFlow:
    """The pictures in `directory`: one folder per class, searched to any depth, in the order of the names."""
    where = "flow_from_directory"
    directory = path(f"{where}: directory", directory)
    require(os.path.isdir(directory), where, "a folder with one folder per class", directory, error=MissingDataError)
    choice(f"{where}: class_mode", class_mode, (*BY_CLASS, "input", None))
    names = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if classes is not None:
        names = listed(f"{where}: classes", classes, "folders' names") or names
    part = _part(where, generator, subset)
    filenames, numbers = [], []
    for number, name in enumerate(names):
        ok = isinstance(name, str) and name not in ("", "..") and not os.path.isabs(name)
        require(ok, f"{where}: classes", "names of folders in the directory", shown(name), error=ArgumentError)
        found = _pictures(os.path.join(directory, name), flag(f"{where}: follow_links", follow_links))
        found = [os.path.join(name, f) for f in found[part(len(found))]]
        filenames += found
        numbers += [number] * len(found)
    expected = f"files that end in {', '.join(ENDINGS)} in folders of {directory}"
    require(filenames, where, expected, f"none in {len(names)} folders", error=DataError)
    print(f"Found {len(filenames)} images belonging to {len(names)} classes.")
    labels, indices = np.array(numbers, np.int32), dict(zip(names, range(len(names)), strict=True))
    return FileFlow(generator, directory, filenames, labels, indices, options)


def from_dataframe(
    generator, dataframe, directory, x_col, y_col, weight_col, classes, class_mode, subset, validate_filenames, options
) -> FileFlow:
    """The pictures that column x_col names, with what y_col says of them."""
    where = "flow_from_dataframe"
    columns = getattr(dataframe, "columns", None)
    require(columns is not None, where, "a pandas DataFrame", shown(dataframe), error=ArgumentTypeError)
    choice(f"{where}: class_mode", class_mode, (*BY_CLASS, "input", "raw", "multi_output", None))
    require(class_mode != "multi_output", f"{where}: class_mode", "one target", '"multi_output"',
            'use "raw" with a list as y_col', error=ArgumentError)  # fmt: skip
    directory = "" if directory is None else path(f"{where}: directory", directory)
    wanted = [x_col, *([weight_col] if weight_col is not None else [])]
    if class_mode not in ("input", None):
        wanted += list(y_col) if isinstance(y_col, (list, tuple)) else [y_col]
    missing = [name for name in wanted if name not in columns]
    require(not missing, where, f"columns {', '.join(map(str, columns))}", ", ".join(map(repr, missing)),
            error=ArgumentError)  # fmt: skip
    rows = dataframe
    strings = [isinstance(name, str) for name in rows[x_col]]
    require(all(strings), f"{where}: {x_col}", "names of files", "other values", error=ArgumentTypeError)
    if flag(f"{where}: validate_filenames", validate_filenames):
        good = np.array([_is_picture(os.path.join(directory, name)) for name in rows[x_col]], bool)
        if not good.all():
            first = rows[x_col].iloc[int(good.argmin())]
            note(f"{where}: {int((~good).sum())} rows name no picture, the first {first!r}: they are left out")
        rows = rows[good]
    indices = None
    if class_mode in BY_CLASS:
        rows, names = _with_classes(where, rows, y_col, classes, class_mode)
        indices = dict(zip(names, range(len(names)), strict=True))
    rows = rows.iloc[_part(where, generator, subset)(len(rows))]
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
    weights = None if weight_col is None else rows[weight_col].to_numpy(np.float32)
    return FileFlow(generator, directory, rows[x_col].tolist(), labels, indices, options, weights)


def _with_classes(where: str, rows, y_col, classes, class_mode: str):
    """The rows whose class is one of `classes` (all, if None or empty), and the classes in order."""
    lists = (list, tuple) if class_mode == "categorical" else ()
    ok = [isinstance(value, (str, *lists)) for value in rows[y_col]]
    fix = "convert the column with .astype(str)"
    received = next((shown(v) for v, good in zip(rows[y_col], ok, strict=True) if not good), "")
    require(all(ok), f"{where}: {y_col}", "names of classes, as strings", received, fix, error=ArgumentTypeError)
    if classes:
        names = list(dict.fromkeys(listed(f"{where}: classes", classes, "names")))
        known = set(names)
        kept = [[one for one in v if one in known] if isinstance(v, (list, tuple)) else v if v in known else []
                for v in rows[y_col]]  # fmt: skip
        rows = rows.assign(**{y_col: kept})[[bool(value) for value in kept]]
    else:
        names = sorted({one for v in rows[y_col] for one in (v if isinstance(v, (list, tuple)) else [v])})
    if class_mode == "binary":
        require(len(names) == 2, f"{where}: class_mode", "2 classes, for a binary one", len(names), error=DataError)
    return rows, names


def _part(where: str, generator, subset):
    """A function from a number of files to the slice of them that is `subset`."""
    choice(f"{where}: subset", subset, ("training", "validation", None))
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
