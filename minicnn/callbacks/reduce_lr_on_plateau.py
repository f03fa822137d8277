"""ReduceLROnPlateau: a smaller learning rate when a metric has stopped improving."""

import warnings
from typing import Any

import numpy as np

from ..arguments import number, whole
from ..arguments import verbose as checked_verbose
from ..errors import ArgumentTypeError, require
from ..notes import note
from .base import Logs
from .console import say
from .monitor import Monitor


class ReduceLROnPlateau(Monitor):
    """lr <- max(lr * factor, min_lr) after `patience` epochs without improvement.

    At the end of each epoch, in this order: log learning_rate, the one used in this epoch; count the cooldown down;
    a better value sets best and wait = 0; otherwise, outside the cooldown, wait += 1, and at wait >= patience with
    lr > min_lr the rate is reduced, the cooldown starts and wait = 0. At min_lr, wait keeps growing.

    Raises: ArgumentError for a factor of 1 or more, or below 0.
    Source: Keras 3, callbacks/reduce_lr_on_plateau.py.
    Differs from Keras: the learning rate is a Python float, not rounded to float32; the message has no blank line
    before it.
    """

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: int = 0,
                 mode: str = "auto", min_delta: float = 1e-4, cooldown: int = 0, min_lr: float = 0.0,
                 **old: Any):  # fmt: skip
        if "epsilon" in old:
            note("ReduceLROnPlateau: epsilon= is the old name of min_delta=")
            min_delta = old.pop("epsilon")
        require(not old, self._who, "Keras's arguments", ", ".join(old), error=ArgumentTypeError)
        super().__init__(monitor, mode, min_delta)
        self.factor = number(f"{self._who}: factor", factor, low=0, below=1)
        self.patience = whole(f"{self._who}: patience", patience, low=0)
        self.cooldown = whole(f"{self._who}: cooldown", cooldown, low=0)
        self.min_lr = number(f"{self._who}: min_lr", min_lr, low=0)
        self.verbose = checked_verbose(f"{self._who}: verbose", verbose)
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.best, self.wait, self.cooldown_counter = None, 0, 0

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "wait": self.wait, "cooldown_counter": self.cooldown_counter}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self.wait, self.cooldown_counter = state["best"], state["wait"], state["cooldown_counter"]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        value = self.current(logs)
        if value is None:
            warnings.warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs)}.",
                stacklevel=2,
            )
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_improvement(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and self._reduce(epoch):
                self.cooldown_counter, self.wait = self.cooldown, 0

    def _reduce(self, epoch: int) -> bool:
        lr = float(self.model.optimizer.learning_rate)
        if np.float32(lr) <= np.float32(self.min_lr):  # both rounded, else 1e-5 would be above its own rounding
            return False
        self.model.optimizer.learning_rate = new = float(max(lr * self.factor, self.min_lr))
        if self.verbose > 0:
            say(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
        return True
