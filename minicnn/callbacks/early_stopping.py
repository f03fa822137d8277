"""EarlyStopping: no more epochs when a metric has stopped improving."""

import warnings
from typing import Any

from ..arguments import flag, number, whole
from ..arguments import verbose as checked_verbose
from .base import Logs
from .console import say
from .monitor import Monitor


class EarlyStopping(Monitor):
    """Stop once `patience` epochs in a row have not improved on the best value (nor, if given, on `baseline`).

    At the end of each epoch from start_from_epoch on: wait += 1; a better value sets best and keeps the weights (with
    restore_best_weights), and sets wait = 0 only if it beats the baseline too; otherwise, at wait >= patience, training
    stops. The first value is always better than none, so there is something to restore and epoch 0 never stops. At the
    end the kept weights are restored, even if training was not stopped early.

    Source: Keras 3, callbacks/early_stopping.py.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience = whole(f"{self._who}: patience", patience, low=0)
        self.verbose = checked_verbose(f"{self._who}: verbose", verbose)
        self.baseline = number(f"{self._who}: baseline", baseline, optional=True)
        self.restore_best_weights = flag(f"{self._who}: restore_best_weights", restore_best_weights)
        self.start_from_epoch = whole(f"{self._who}: start_from_epoch", start_from_epoch, low=0)
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = None

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "best_weights": self.best_weights,
                "wait": self.wait, "stopped_epoch": self.stopped_epoch}  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch, self.best_weights = state["best"], state["best_epoch"], state["best_weights"]
        self.wait, self.stopped_epoch = state["wait"], state["stopped_epoch"]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        value = self.current(logs)
        if value is None:
            warnings.warn(
                f"Early stopping conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs)}",
                stacklevel=2,
            )
            return
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.is_improvement(value, self.best):
            self.best = value
            self._keep(epoch)
            if self.baseline is None or self.is_improvement(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _keep(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                say(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
