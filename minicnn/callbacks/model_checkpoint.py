"""ModelCheckpoint: the model, or its weights, on disk after an epoch or every few batches."""

import contextlib
import importlib.util
import os
import re
import string
import warnings
from collections.abc import Iterable
from typing import Any

from .. import arguments
from ..errors import ArgumentError, MissingPackageError, nearest, require
from ..io.files import make_parent
from ..notes import note
from .base import LazyLogs, Logs, read_logs
from .console import say
from .monitor import Monitor
from .spelling import resolve

_WEIGHTS, _EITHER, _MODEL = (".safetensors", ".weights.h5"), (".h5", ".hdf5"), (".minicnn", ".keras")


class MissingLogError(ArgumentError, KeyError):
    """A KeyError too, which is what Keras raises here; without KeyError's quotes around the sentence."""

    __str__ = ArgumentError.__str__


class _Fields(dict):
    """What a placeholder may name: the logs, in either spelling, and epoch and batch from 1."""

    def __missing__(self, name):
        found = resolve(name, self, "ModelCheckpoint")
        if found is None:
            fix = nearest(name, self)
            expected = "a filepath whose placeholders are among " + ", ".join(self)
            require(False, "ModelCheckpoint", expected, f"{{{name}}}", fix, error=MissingLogError)
        return self[found]


class ModelCheckpoint(Monitor):
    """Save to `filepath.format(epoch=e + 1, batch=b + 1, **logs)`; with save_best_only only what improves on the best.

    The end of the name decides: .minicnn or .keras is the whole model, .safetensors or .weights.h5 the weights alone;
    .h5 and .hdf5 are either. Parent folders are made.
    save_freq: "epoch", or a number of batches, counted across epochs.  period: every so many epochs.
    A whole model that was saved in mid-epoch knows its place there: after load_model, a fit over the same rows in the
    same batches first does the steps that were left, fit(initial_epoch=e) where e epochs were done (model.epochs_done).
    initial_value_threshold: the best so far. `best` is kept from one fit to the next. A missing monitor with
    save_best_only warns, and saves. Callbacks that change the learning rate belong before this one.

    Raises, before training: ArgumentError for a suffix of another format, for a placeholder that logs will not hold,
    and whatever model.save would raise.
    Source: Keras 3, callbacks/model_checkpoint.py.
    Differs from Keras: the file formats; placeholders are checked before training; no blank line before messages;
    period is Keras 2's. Models of minicnn.keras write weights without a suffix, or .ckpt, as .weights.h5.
    """

    lazy_logs = True

    def __init__(
        self,
        filepath: str | os.PathLike,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
        min_delta: float = 0.0,
        period: int = 1,
    ):
        super().__init__(monitor, mode, min_delta)
        self.period, self._epochs = arguments.whole(f"{self._who}: period", period), 0
        where = f"{self._who}: "
        self.best = arguments.number(where + "initial_value_threshold", initial_value_threshold, optional=True)
        self.filepath = arguments.path(where + "filepath", filepath)
        self.verbose = arguments.verbose(where + "verbose", verbose)
        self.save_best_only = arguments.flag(where + "save_best_only", save_best_only)
        self.save_weights_only = arguments.flag(where + "save_weights_only", save_weights_only)
        self._epoch = self._batches = 0
        self.save_freq = save_freq if isinstance(save_freq, str) else arguments.index(save_freq)
        ok = self.save_freq == "epoch" or (isinstance(self.save_freq, int) and self.save_freq > 0)
        expected = '"epoch" or a positive number of batches'
        require(ok, where + "save_freq", expected, arguments.shown(save_freq), error=ArgumentError)
        self._check_suffix()
        self._placeholders = self._parsed()
        known = {name: [1] if name in ("epoch", "batch") else [0.5, "x"] for name in self._placeholders}
        for name, values in known.items():
            self._check_format(name, *values)

    def _parsed(self) -> dict[str, str]:
        """What the file's name has in braces -> how it is written.  Raises ArgumentError for another form of them."""
        where, expected = f"{self._who}: filepath", "placeholders like {epoch:02d} and {val_loss:.4f}"
        try:
            parts = string.Formatter().parse(self.filepath)
            fields = [(name, spec or "", conversion) for _, name, spec, conversion in parts if name is not None]
        except ValueError as error:
            raise ArgumentError(f"{where}: expected {expected}, received {self.filepath!r} ({error})") from None
        for name, spec, conversion in fields:
            ok = re.fullmatch(r"[^.\[\d][^.\[]*", name) and not conversion and "{" not in spec
            require(ok, where, expected, repr(self.filepath), error=ArgumentError)
        return {name: spec for name, spec, _ in fields}

    def _check_format(self, name: str, *values) -> None:
        """Raise ArgumentError unless one of `values` can be written as the file's name asks for."""
        spec = self._placeholders[name]
        for value in values:
            with contextlib.suppress(ValueError):
                format(value, spec)
                return
        example = "{%s:%s}" % (name, "02d" if isinstance(values[0], int) else ".4f")  # noqa: UP031
        expected = f"a format that suits {name}, as in {example}"
        require(False, f"{self._who}: filepath", expected, "{%s:%s}" % (name, spec), error=ArgumentError)  # noqa: UP031

    def _check_suffix(self) -> None:
        stem = re.sub(r"(\.weights)?\.(h5|hdf5|keras|safetensors|minicnn|ckpt|npz)$", "", self.filepath)
        if self.save_weights_only:
            expected, fix = "in .weights.safetensors for weights alone", f"use {stem + '.weights.safetensors'!r}"
        else:
            expected = "in .minicnn for a whole model, in .weights.safetensors for weights alone"
            fix = f"use {stem + '.minicnn'!r}"
        allowed = _WEIGHTS + _EITHER + (() if self.save_weights_only else _MODEL)
        known = self.filepath.endswith(allowed)
        if not known and self.save_weights_only and os.path.splitext(self.filepath)[1] in ("", ".ckpt"):
            if self.model is None:
                return  # before training the model says
            if getattr(self.model, "lenient", False):
                note(f"{self._who}: {self.filepath!r} is written as {self.filepath + _WEIGHTS[1]!r}")
                self.filepath, known = self.filepath + _WEIGHTS[1], True
        expected = f"filepath to end {expected}"
        require(known, self._who, expected, repr(self.filepath), fix, error=ArgumentError)
        self.save_weights_only = self.save_weights_only or self.filepath.endswith(_WEIGHTS)
        if self.filepath.endswith((".keras", *_EITHER)) and importlib.util.find_spec("h5py") is None:
            raise MissingPackageError("Keras's files", "h5py")

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._check_savable()

    def _check_savable(self) -> None:
        if not self.save_weights_only and hasattr(self.model, "check_savable"):
            self.model.check_savable(self.filepath)

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "batches": self._batches, "epochs": self._epochs}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self._batches, self._epochs = state["best"], state["batches"], state.get("epochs", 0)

    @property
    def wants_batch_logs(self) -> bool:
        return self.save_freq != "epoch"

    def check_monitor(self, names: Iterable[str], others: bool = False) -> None:
        self._check_suffix()
        names = list(names)
        if self.save_best_only:
            super().check_monitor(names, others)
        if not others:
            per_batch = self.save_freq != "epoch"  # between epochs there is no validation yet, and a batch to count
            known = [n for n in names if not (per_batch and n.startswith("val_"))]
            fields = _Fields.fromkeys(["epoch"] + ["batch"] * per_batch + known)
            for name in self._placeholders:
                fields[name]
                self._check_format(name, 1 if name in ("epoch", "batch") else 0.5)
        self._check_savable()
        arguments.writable(f"{self._who}: filepath", self._example())

    def _example(self) -> str:
        """The path with 1 in place of every placeholder."""
        parts = string.Formatter().parse(self.filepath)
        return "".join(text + ("" if name is None else "1") for text, name, _, _ in parts)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: LazyLogs = None) -> None:
        if isinstance(self.save_freq, int):
            self._batches += 1
            if self._batches >= self.save_freq:
                self._batches = 0
                self._save(self._epoch, {"batch": batch + 1}, read_logs(logs))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._epochs += 1
            if self._epochs >= self.period:
                self._epochs = 0
                self._save(epoch, {}, logs or {})

    def _save(self, epoch: int, batch: dict, logs: dict) -> None:
        path = self.filepath.format_map(_Fields({"epoch": epoch + 1} | batch | logs))
        if not self._is_due(epoch, path, logs) or not self.writes:
            return
        make_parent(path)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        self._tell(epoch, f"finished saving model to {path}")

    def _is_due(self, epoch: int, path: str, logs: dict) -> bool:
        if not self.save_best_only:
            self._tell(epoch, f"saving model to {path}")
            return True
        value = self.current(logs)
        if value is None:
            warnings.warn(f"Can save best model only with {self.monitor} available.", stacklevel=2)
            return True
        old = "None" if self.best is None else f"{self.best:.5f}"
        if not self.is_improvement(value, self.best):
            self._tell(epoch, f"{self.monitor} did not improve from {old}")
            return False
        self._tell(epoch, f"{self.monitor} improved from {old} to {value:.5f}, saving model to {path}")
        self.best = value
        return True

    def _tell(self, epoch: int, text: str) -> None:
        if self.verbose > 0:
            say(f"Epoch {epoch + 1}: {text}")
