"""CSVLogger: one row per epoch, on disk as soon as the epoch has ended."""

import csv
import os
from collections.abc import Iterable

import numpy as np

from .base import Callback


def _cell(value):
    """A number or text as it is; an iterable as "[a, b]"."""
    if isinstance(value, str) or not isinstance(value, Iterable) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value
    return f'"[{", ".join(map(str, value))}]"'


class CSVLogger(Callback):
    """Columns: epoch (from 0), then the names of the first epoch's logs, sorted; NA where a later epoch lacks one.

    If no val_ name is among them, val_ columns are added, since validation may come in a later epoch.
    append: go on in an existing file, without a second header.

    Source: Keras 3, callbacks/csv_logger.py.
    Differs from Keras: parent folders are made.
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.keys: list[str] | None = None
        self._file = self._writer = None

    def on_train_begin(self, logs=None):
        self.close()
        os.makedirs(os.path.dirname(self.filename) or ".", exist_ok=True)
        self._file = open(self.filename, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115
        self.keys = self._writer = None

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if self._writer is None:
            self.keys = sorted(logs)
            if not any(name.startswith("val_") for name in self.keys):
                self.keys += [f"val_{name}" for name in self.keys]
            self._writer = csv.DictWriter(self._file, ["epoch", *self.keys], delimiter=self.sep)
            if self._file.tell() == 0:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch} | {name: _cell(logs.get(name, "NA")) for name in self.keys})
        self._file.flush()

    def on_train_end(self, logs=None):
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self._writer = None
