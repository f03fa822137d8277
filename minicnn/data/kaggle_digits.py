"""Kaggle's Digit Recognizer: train.csv (label and 784 pixels a row) and test.csv (784 pixels a row), plain or gzip.

The first reading parses (seconds) and keeps the pixels as uint8 in the cache folder, keyed by the file's sha256; later
readings take a fraction of a second.  Source: https://www.kaggle.com/c/digit-recognizer/data
"""

import hashlib
import os
from pathlib import Path
from typing import Any, cast

import numpy as np

from .. import arguments
from ..errors import MissingDataError
from ..io.files import instead_of_folder
from . import cache
from .csv_digits import SIDE, parse
from .csv_lines import URL, lines, open_csv

FORMAT = 1  # of cache entries


def load_data(folder: str | os.PathLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both files -> x_train uint8 (42000, 28, 28, 1), y_train int64 (42000,), x_test uint8 (28000, 28, 28, 1).

    Raises MissingDataError if one is not there, DataError (with row and line, or column) if one cannot be used.
    """
    train, test = find(folder)
    x_train, y_train = read_csv(train, labelled=True)
    assert y_train is not None  # labelled
    x_test, _ = read_csv(test, labelled=False)
    return x_train, y_train, x_test


def find(folder: str | os.PathLike) -> tuple[Path, Path]:
    """The paths of train.csv and test.csv in `folder`; a plain file is preferred to .gz.  Raises MissingDataError."""
    folder, found = Path(arguments.path("kaggle_digits: folder", folder)), []
    for name in ("train.csv", "test.csv"):
        paths = (folder / file for file in (name, name + ".gz"))
        path = next(filter(os.path.exists, paths), None)
        if path is None:
            received = instead_of_folder(folder)
            raise MissingDataError(
                f"{folder}: expected a folder with {name} or {name}.gz, received {received}; download it from {URL}"
            )
        found.append(path)
    return found[0], found[1]


def available(folder: str | os.PathLike) -> bool:
    """Whether `folder` holds both files, plain or gzip."""
    try:
        return bool(find(folder))
    except MissingDataError:
        return False


def read_csv(path: str | os.PathLike, labelled: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """One file: x uint8 (rows, 28, 28, 1) and, if `labelled`, y int64 (rows,), else None; from the cache if it can.

    Columns may come in any order.  Raises DataError with the row (from 1, and the file's line) or the column.
    """
    path, labelled = Path(arguments.path("read_csv: path", path)), arguments.flag("read_csv: labelled", labelled)
    with open_csv(path) as file:
        digest = hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
        names = [f"kaggle{FORMAT}-{digest}-{'train' if labelled else 'test'}-{part}.npy" for part in ("x", "y")]
        x = cache.load(names[0], "uint8", (SIDE, SIDE, 1))
        y = cache.load(names[1], "uint8", ()) if labelled else None
        if x is not None and len(x) and (not labelled or (y is not None and len(y) == len(x))):
            return x, None if y is None else y.astype(np.int64)
        file.seek(0)
        x, y = parse(path, lines(path, file), labelled)
    cache.store(names[0], x)
    if y is not None:
        cache.store(names[1], y.astype(np.uint8))
    return x, y
