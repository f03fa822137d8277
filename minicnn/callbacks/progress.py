"""ProgressBar: a live tqdm bar on a terminal, plain lines everywhere else."""

import math
import os
import sys
from time import perf_counter
from typing import Any

from .. import arguments
from . import readout
from .base import Callback, LazyLogs, Logs, read_logs
from .console import say


def _is_terminal(stream) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # no stream, or a closed one
        return False


class ProgressBar(Callback):
    """Shows fit, evaluate and predict; the validation inside fit is silent.

    verbose 1 on a terminal: per epoch "Epoch e/E", then steps done, bar, ETA, time per step, metrics.
    verbose 1 elsewhere, or 2: one line per epoch,
        Epoch 3/30 - 440/440 - 12s - 28ms/step - accuracy: 0.9812 - loss: 0.0611 - val_accuracy: ... - val_loss: ...
    and in a pipe a sign of life every 30 s. verbose 0: nothing. "auto" is 1.

    A step costs one clock reading; logs, which may be a function, are read only when something is drawn.

    Where a checkpoint goes on, the lines of the epochs before are shown again, and where it goes on.

    Source: Keras 3, utils/progbar.py and callbacks/progbar_logger.py; tqdm draws.
    Differs from Keras: plain lines when not on a terminal; time per step leaves validation out; an epoch that was
    stopped early shows the steps it did.
    """

    lazy_logs = True
    interval = 0.1  # s between two drawings
    sign_of_life = 30.0  # s between two lines in a pipe

    def __init__(self, verbose: int | str = "auto"):
        super().__init__()
        self.verbose = self._checked(verbose)
        self._is_set = not isinstance(verbose, str)
        self.epochs, self.target = 1, None
        self._in_fit = self._running = False
        self._bar = None
        self._lines: list[str] = []  # of every epoch that has ended

    @staticmethod
    def _checked(verbose) -> int:
        return arguments.verbose("verbose", verbose)

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        if not self._is_set:
            self.verbose = self._checked(params.get("verbose", "auto"))
        self.epochs, self.target = params.get("epochs") or 1, params.get("steps")

    @property
    def wants_batch_logs(self) -> bool:
        """Whether running means will be shown: only by a bar on a terminal."""
        return self.verbose == 1 and _is_terminal(sys.stdout)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._in_fit, self._lines = True, []

    def get_state(self) -> dict[str, Any]:
        inside = self._in_fit and self._running
        spent = perf_counter() - self._began if inside else 0.0
        return {"lines": self._lines, "done": self._done if inside else 0, "spent": spent}

    def set_state(self, state: dict[str, Any]) -> None:
        """Show what was shown, then where the run goes on; an epoch's time leaves out the time between."""
        self._lines = list(state["lines"])
        if self.verbose == 0:
            return
        params = self.params or {}
        epoch, step = params.get("resumed") or (len(self._lines), 0)
        for line in self._lines:
            say(line)
        if params.get("finished"):
            say(f"finished: {epoch} epochs are done, nothing is left to train")
            return
        say(f"resumed at epoch {epoch + 1}, step {step} of {'Unknown' if self.target is None else self.target}")
        if self.resumes_inside(epoch):
            self._start(self._title_of(epoch), int(state["done"]), float(state["spent"]))

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.close()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.resumes_inside(epoch):  # that one is begun by set_state, below what was shown before
            self._start(self._title_of(epoch))

    def _title_of(self, epoch: int) -> str:
        return f"Epoch {epoch + 1}/{self.epochs}"

    def on_train_batch_end(self, batch: int, logs: LazyLogs = None) -> None:
        self._step(batch + 1, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._finish(logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._start("")

    def on_test_batch_end(self, batch: int, logs: LazyLogs = None) -> None:
        if not self._in_fit:
            self._step(batch + 1, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._finish(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._start("")

    def on_predict_batch_end(self, batch: int, logs: LazyLogs = None) -> None:
        self._step(batch + 1, None)  # Keras hands the outputs over as logs: nothing to show

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._finish(None)

    def close(self) -> None:
        """Leave the terminal on a line of its own, also after Ctrl-C in the middle of an epoch."""
        self._in_fit = self._running = False
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _start(self, title: str, done: int = 0, spent: float = 0.0) -> None:
        """done, spent: steps and seconds of this epoch before the run was interrupted."""
        self._running = self.verbose != 0
        self._title, self._done = title, done
        self._last = perf_counter()
        self._began = self._last - spent
        # When the first step had ended: it compiles, so later estimates leave it out.
        self._first = self._began if done else None
        if self.wants_batch_logs:
            if title and self.epochs > 1:
                say(title)
            self._bar = _new_bar(self.target)
            self._pause = self.interval
        else:
            self._pause = math.inf if _is_terminal(sys.stdout) else self.sign_of_life
        self._next = self._began + self._pause

    def _step(self, done: int, logs: LazyLogs) -> None:
        if not self._running:
            return
        self._done, self._last = done, perf_counter()
        if self._first is None:
            self._first = self._last
        is_last = done == self.target  # a bar shows it at once, for validation may take long; a line waits for _finish
        if self._bar is None if is_last else self._last < self._next:
            return
        self._next = self._last + self._pause
        guess = done > 1 or not self._title  # a first step that compiles says nothing
        left = readout.eta(self._per_step() * (self.target - done)) if self.target is not None and guess else None
        spent = f"{self._last - self._began:.0f}s"
        if self._bar is None:
            spent += "" if left is None else f" - ETA {left}"
            say(self._plain(spent, logs))
        else:
            self._bar.n, self._bar.ncols = done, _columns()
            self._bar.set_description_str(self._text(left or spent, logs), refresh=False)
            self._bar.refresh()

    def _finish(self, logs: LazyLogs) -> None:
        if not self._running:
            return
        self._running = False
        spent = f"{perf_counter() - self._began:.0f}s"
        self.target = self.target or self._done  # a generator's length is known from its first epoch on
        if self._in_fit:
            self._lines.append(self._plain(spent, logs))
        if self._bar is None:
            say(self._plain(spent, logs))
            return
        bar, self._bar = self._bar, None
        bar.n, bar.leave, bar.total, bar.bar_format = self._done, False, self.target, _form(self.target)
        bar.set_description_str(self._text(spent, logs), refresh=False)
        line = bar.format_meter(**{**bar.format_dict, "ncols": None})  # the whole line: a bar is cut at the right edge
        bar.close()
        say(line)

    def _per_step(self) -> float:
        # An evaluation's first step may have computed what the others only count.
        if self._first is not None and self._done > 1 and self._title:
            return (self._last - self._first) / (self._done - 1)
        return (self._last - self._began) / max(self._done, 1)

    def _text(self, time: str, logs: LazyLogs) -> str:
        return f"{time} {readout.per_step(self._per_step())}{readout.metrics(read_logs(logs))}"

    def _plain(self, time: str, logs: LazyLogs) -> str:
        count = f"{self._done}/{'Unknown' if self.target is None else self.target}"
        head = [self._title, count, time, readout.per_step(self._per_step())]
        return " - ".join(filter(None, head)) + readout.metrics(read_logs(logs))


def _columns() -> int:
    """Cells in a line, less the last one, where some terminals wrap; a terminal that reports none has 80."""
    try:
        return (os.get_terminal_size(sys.stdout.fileno()).columns or 80) - 1
    except (AttributeError, OSError, ValueError):
        return 79


def _form(target: int | None) -> str:
    """The line in tqdm's language: " 42/440 [20 cells] text"; "42/Unknown text" without a target."""
    if not target:
        return "{n:7d}/Unknown {desc}"
    return f"{{n:{len(str(target))}d}}/{{total}} {{bar:20}} {{desc}}"


def _new_bar(target: int | None):
    """A tqdm bar on stdout that draws only when told to."""
    from tqdm import tqdm

    class Bar(tqdm):
        monitor_interval = 0  # no watching thread: nothing is drawn behind the loop's back

    # nrows: tqdm draws nothing where a terminal reports no rows
    return Bar(total=target or None, file=sys.stdout, bar_format=_form(target), desc="", ncols=_columns(), nrows=24)
