"""CSVLogger: one row per epoch, on disk as soon as the epoch has ended."""

import csv
import io
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import flag, path, shown, writable
from ..errors import ArgumentError, ArgumentTypeError, require
from ..io.files import append, open_log
from ..notes import note
from .base import Callback, Logs


def _cell(value):
    """A number or text as it is; an iterable as "[a, b]"."""
    if isinstance(value, str) or not isinstance(value, Iterable) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return value
    return f'"[{", ".join(map(str, value))}]"'


class CSVLogger(Callback):
    """Columns: epoch (from 0), then the names of the first epoch's logs, sorted; NA where a later epoch lacks one.

    If no val_ name is among them, val_ columns are added, since validation may come in a later epoch.
    append: go on in an existing file, without a second header.
    A row is one write at the file's end, and on the disk before the next epoch begins. Where a checkpoint goes on, the
    rows of the run stay; only those that came after the checkpoint are taken back, since their epochs are trained anew.

    Source: Keras 3, callbacks/csv_logger.py.
    Differs from Keras: parent folders are made.
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename, self.append = path("CSVLogger: filename", filename), flag("CSVLogger: append", append)
        ok = isinstance(separator, str) and len(separator) == 1 and separator not in '\r\n"'
        error = ArgumentError if isinstance(separator, str) else ArgumentTypeError
        expected = "one character other than a quote or a line end"
        require(ok, "CSVLogger: separator", expected, shown(separator), error=error)
        self.sep = separator
        self.keys: list[str] | None = None
        self._file, self._start, self._rows = None, 0, ""

    def check_monitor(self, names: Iterable[str], others: bool = False) -> None:
        writable("CSVLogger: filename", self.filename)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.close()
        goes_on = self.append or (self.params or {}).get("resumed") is not None
        self.keys, self._start, self._rows = None, 0, ""
        if not self.writes:
            return
        self._file = open_log(self.filename, goes_on)
        self.keys, self._start, self._rows = None, self._file.seek(0, os.SEEK_END), ""
        if self.append and self._start and not self._ends_a_line():
            self._start += self._file.write(b"\r\n")  # a row that a killed run left unfinished stays by itself

    def _ends_a_line(self) -> bool:
        with open(self.filename, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def get_state(self) -> dict[str, Any]:
        return {"keys": self.keys, "start": self._start, "rows": self._rows}

    def set_state(self, state: dict[str, Any]) -> None:
        """Back to the rows of the state, whatever has been written since."""
        self.keys, self._start, self._rows = state["keys"], int(state["start"]), state["rows"]
        if self._file is None:
            return
        written, end = self._rows.encode(), self._file.seek(0, os.SEEK_END)
        with open(self.filename, "rb") as file:
            file.seek(self._start)
            found = file.read(len(written))
        if found == written:
            self._file.truncate(self._start + len(written))
        elif written.startswith(found):  # the file is gone, or was cut
            self._file.write(written[len(found) :])
        else:
            note(f"CSVLogger: {self.filename} was changed since the checkpoint; what is there stays, rows are added")
            self._start = end - len(written)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        text = io.StringIO()
        header = self.keys is None and self._start == 0
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(name.startswith("val_") for name in self.keys):
                self.keys += [f"val_{name}" for name in self.keys]
        writer = csv.DictWriter(text, ["epoch", *self.keys], delimiter=self.sep)
        if header:
            writer.writeheader()
        writer.writerow({"epoch": epoch} | {name: _cell(logs.get(name, "NA")) for name in self.keys})
        self._write(text.getvalue())

    def _write(self, text: str) -> None:
        if not (text and self.writes):
            return
        assert self._file is not None  # on_train_begin opens it where this process writes
        append(self._file, self.filename, text.encode(), sync=True)
        self._rows += text

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
