"""LearningRateScheduler: the learning rate as a function of the epoch."""

from collections.abc import Callable

from .. import arguments
from ..errors import ArgumentTypeError, require
from .base import Callback, Logs
from .console import say


class LearningRateScheduler(Callback):
    """lr <- schedule(epoch, lr) at the beginning of each epoch; schedule(epoch) works too. Logs learning_rate.

    Raises: ArgumentError, ArgumentTypeError when the schedule returns no rate.
    Source: Keras 3, callbacks/learning_rate_scheduler.py.
    Differs from Keras: the number of arguments is read from the signature, so a TypeError inside a schedule is shown
    and not taken for the old form; the message has no blank line before it.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        super().__init__()
        where = "LearningRateScheduler: schedule"
        self.schedule = arguments.function(where, schedule, of="(epoch, lr) or (epoch)")
        ok = arguments.accepts(schedule, 0, 0.1) or arguments.accepts(schedule, 0)
        require(ok, where, "a function of (epoch, lr) or (epoch)", arguments.shown(schedule), error=ArgumentTypeError)
        self.verbose = arguments.verbose("LearningRateScheduler: verbose", verbose)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.resumes_inside(epoch):
            return  # this epoch's rate has been set, and is the checkpoint's
        optimizer = self.model.optimizer
        lr = float(optimizer.learning_rate)
        new = self.schedule(epoch, lr) if arguments.accepts(self.schedule, epoch, lr) else self.schedule(epoch)
        ok, fix = isinstance(arguments.scalar(new), float), "return float(...)"
        require(ok, type(self).__name__, "a float from schedule", arguments.shown(new), fix, error=ArgumentTypeError)
        new = arguments.number("LearningRateScheduler: what schedule returns", new, low=0)
        optimizer.learning_rate = new
        if self.verbose > 0:
            say(f"Epoch {epoch + 1}: LearningRateScheduler setting learning rate to {new}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
