"""TerminateOnNaN: no more batches after a loss that is no number."""

import math

from ..arguments import flag
from ..errors import NonFiniteError
from .base import Callback, Logs
from .console import say


class InvalidLossError(NonFiniteError, RuntimeError):
    """A RuntimeError too, which is what Keras raises here."""


class TerminateOnNaN(Callback):
    """Stop training at the first batch whose loss is NaN or infinite; with raise_error, raise at once.

    Source: Keras 3, callbacks/terminate_on_nan.py.
    Differs from Keras: a batch whose loss is not finite changes no weight: val_loss is that of the weights before it.
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = flag("TerminateOnNaN: raise_error", raise_error)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise InvalidLossError(f"batch {batch}: expected a finite loss, received {loss}; try a lower learning rate")
        say(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
