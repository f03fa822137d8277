"""history.csv: what fit reported, one row per epoch. Columns and numbers as Keras's CSVLogger writes them."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

from .. import arguments
from ..errors import ArgumentTypeError, DataError, require
from .files import atomic_write, opened
from .submission import shown

COLUMNS = ("epoch", "accuracy", "learning_rate", "loss", "val_accuracy", "val_loss")
MISSING = "NA"
LARGEST = 8_000_000  # bytes: 80,000 epochs


def write(path: str | os.PathLike, history: Any) -> None:
    """Write a History, or its dict name -> one value per epoch. `epoch` counts from 0; what was not measured is NA.

    Raises DataError when the columns differ in length.
    """
    values = columns_of(history, f"history {path}: history")
    epochs = max((len(column) for column in values.values()), default=0)
    for name, column in values.items():
        require(
            len(column) == epochs, f"history {path}", f"{epochs} values of {name}", len(column),
            error=DataError,
        )  # fmt: skip
    numbers = getattr(history, "epoch", None) or range(epochs)
    with atomic_write(path, text=True) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for row, number in enumerate(numbers):
            measured = (repr(float(values[name][row])) if name in values else MISSING for name in COLUMNS[1:])
            rows.writerow([number, *measured])


def columns_of(history: Any, where: str) -> Mapping[str, Sequence[float]]:
    """Name -> one number per epoch, which may be NaN, of a History or its dict."""
    columns = getattr(history, "history", history)
    received = arguments.shown(history)
    require(isinstance(columns, Mapping), where, "a History, or its dict", received, error=ArgumentTypeError)
    found = {name: arguments.array(f"{where}[{name!r}]", values, error=DataError) for name, values in columns.items()}
    for name, values in found.items():
        expected = "one number per epoch"
        require(values.ndim == 1, f"{where}[{name!r}]", expected, f"shape {values.shape}", error=DataError)
    return {name: values.tolist() for name, values in found.items()}


def read(path: str | os.PathLike) -> dict[str, list[float]]:
    """The columns of a history.csv, name -> one value per epoch; a column of NA is left out.

    Raises MissingDataError without the file, DataError (with the line) when it is no such table.
    """
    where = f"history {path}"
    table: dict[str, list[float]] = {name: [] for name in COLUMNS}
    with opened(path, where) as file:
        size = os.fstat(file.fileno()).st_size
        require(size <= LARGEST, where, f"at most {LARGEST:,} bytes", f"{size:,}", error=DataError)
        rows = csv.reader(io.TextIOWrapper(file, "utf-8", "replace", newline=""))
        try:
            header = next(rows, [])
            expected = "the header " + ",".join(COLUMNS)
            require(tuple(header) == COLUMNS, where, expected, ",".join(header)[:80], error=DataError)
            for line, row in enumerate(rows, 2):
                _add(table, row, f"{where}, line {line}")
        except csv.Error as cause:
            raise DataError(f"{where}, line {rows.line_num}: expected csv, received something else ({cause})") from None
    return {name: column for name, column in table.items() if column or name == "epoch"}


def _add(table: dict[str, list[float]], row: list[str], where: str) -> None:
    require(len(row) == len(COLUMNS), where, f"{len(COLUMNS)} cells", len(row), error=DataError)
    for name, cell in zip(COLUMNS, row, strict=True):
        if cell == MISSING:
            continue
        try:
            table[name].append(int(cell) if name == "epoch" else float(cell))
        except ValueError:
            require(False, where, f"a number as {name}", shown(cell), error=DataError)
