"""Monitor: the rule shared by the callbacks that watch one metric and ask whether it has improved."""

import warnings
from collections.abc import Iterable

from .. import arguments
from ..errors import ArgumentError, nearest, require
from ..notes import note
from .base import Callback, Logs
from .spelling import resolve


class Monitor(Callback):
    """Improved iff v + min_delta < best (mode "min") or v - min_delta > best (mode "max"); always when best is None.

    Mode "auto": the loss goes down, a metric goes where the model says (`model.metric_direction(name)`). A NaN is
    never an improvement on a number, but a NaN first value becomes best and then nothing beats it: TerminateOnNaN.

    Source: Keras 3, callbacks/monitor_callback.py.
    Differs from Keras: a name that logs will not hold is an error before training, not at the end of the first
    epoch (models of minicnn.keras say in one line that it has no effect, and go on); val_acc and val_accuracy find
    each other.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0):
        super().__init__()
        self.monitor = arguments.text(f"{self._who}: monitor", monitor)
        self.mode = arguments.text(f"{self._who}: mode", mode)
        if self.mode not in ("auto", "min", "max"):
            warnings.warn(f"{self._who} mode {mode!r} is unknown, fallback to auto mode.", stacklevel=3)
            self.mode = "auto"
        self.min_delta = abs(arguments.number(f"{self._who}: min_delta", min_delta))
        self.best: float | None = None

    @property
    def _who(self) -> str:
        return type(self).__name__

    def direction(self) -> str:
        """ "min" or "max". Raises ArgumentError where mode is auto and nothing says which."""
        if self.mode != "auto":
            return self.mode
        bare = self.monitor.removeprefix("val_")
        found = "min" if bare == "loss" else self.model.metric_direction(bare)
        require(
            found is not None,
            self._who,
            f'mode "min" or "max" for monitor {self.monitor!r}, which has no direction of its own',
            '"auto"',
            'pass mode="max" if larger values are better',
            error=ArgumentError,
        )
        return found

    def is_improvement(self, value: float, best: float | None) -> bool:
        direction = self.direction()  # before anything else, so that a missing one is told in the first epoch
        if best is None:
            return True
        return value + self.min_delta < best if direction == "min" else value - self.min_delta > best

    def current(self, logs: Logs) -> float | None:
        """The monitored value, or None where `logs` lacks it."""
        name = resolve(self.monitor, logs, self._who)
        return None if name is None else logs[name]

    def check_monitor(self, names: Iterable[str], others: bool = False) -> None:
        """Check, before training, that `names` (all that logs will hold) has the monitor and that it has a direction.

        others: callbacks are present that may add names, so an unknown one is left to the run-time rule.
        """
        names = sorted(names)
        found = resolve(self.monitor, names, self._who)
        if found is not None:
            self.monitor = found
            self.direction()
        elif not others:
            shown = [name for name in names if name != "learning_rate"]
            if str(self.monitor).startswith("val_") and not any(name.startswith("val_") for name in shown):
                fix = "there is no validation data: pass validation_data= or validation_split= to fit"
            else:
                fix = nearest(self.monitor, shown)
            if getattr(self.model, "lenient", False):  # Keras trains, and warns after every epoch
                note(f"{self._who}: {self.monitor!r} is not logged, so it has no effect" + (f"; {fix}" if fix else ""))
                return
            expected = "monitor to be one of " + ", ".join(shown)
            require(False, self._who, expected, repr(self.monitor), fix, error=ArgumentError)
