"""history.csv: what fit reported, one row per epoch. Columns and numbers as Keras's CSVLogger writes them."""

import csv
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DataError, MissingDataError, require
from .files import atomic_write

COLUMNS = ("epoch", "accuracy", "learning_rate", "loss", "val_accuracy", "val_loss")
MISSING = "NA"


def write(path: str | os.PathLike, history: Any) -> None:
    """Write a History, or its dict name -> one value per epoch. `epoch` counts from 0; what was not measured is NA.

    Raises DataError when the columns differ in length.
    """
    values: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    epochs = max((len(column) for column in values.values()), default=0)
    for name, column in values.items():
        require(
            len(column) == epochs, f"history {os.fspath(path)}", f"{epochs} values of {name}", len(column),
            error=DataError,
        )  # fmt: skip
    numbers = getattr(history, "epoch", None) or range(epochs)
    with atomic_write(path, text=True) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for row, number in enumerate(numbers):
            measured = (repr(float(values[name][row])) if name in values else MISSING for name in COLUMNS[1:])
            rows.writerow([number, *measured])


def read(path: str | os.PathLike) -> dict[str, list[float]]:
    """The columns of a history.csv, name -> one value per epoch; a column of NA is left out.

    Raises MissingDataError without the file, DataError (with the line) when it is no such table.
    """
    where = f"history {os.fspath(path)}"
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except FileNotFoundError:
        raise MissingDataError(f"{where}: expected a file, received none") from None
    require(tuple(header) == COLUMNS, where, "the header " + ",".join(COLUMNS), ",".join(header)[:80], error=DataError)
    table: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for line, row in enumerate(rows, 2):
        require(len(row) == len(COLUMNS), f"{where}, line {line}", f"{len(COLUMNS)} cells", len(row), error=DataError)
        for name, cell in zip(COLUMNS, row, strict=True):
            if cell == MISSING:
                continue
            try:
                table[name].append(int(cell) if name == "epoch" else float(cell))
            except ValueError:
                require(False, f"{where}, line {line}", f"a number as {name}", repr(cell), error=DataError)
    return {name: column for name, column in table.items() if column or name == "epoch"}
