"""Hooks around training: a signal or a time limit stops it in good order, a watch takes each epoch's time."""

import os
import signal
import threading
import time
from typing import Any

from minicnn.callbacks import Callback


class StopOnSignal(Callback):
    """The first Ctrl-C or SIGTERM ends training after the batch at hand; a second one, or one before it, aborts.

    `number` is what fit's stop_when has to look at.
    """

    number = 0  # of the signal
    training = False

    def __enter__(self):
        here = threading.current_thread() is threading.main_thread()  # Python allows handlers nowhere else
        self.before = {n: signal.signal(n, self.receive) for n in (signal.SIGINT, signal.SIGTERM) if here}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.training = True

    def receive(self, number: int, frame: Any) -> None:
        again, self.number = self.number, number
        if again or not self.training:
            raise KeyboardInterrupt
        os.write(2, b"\nStopping; a checkpoint and the outputs are written first. Ctrl-C aborts at once.\n")


class TimeLimit(Callback):
    """`reached`: whether what is left of `limit` s, which began with this object, is needed to write the outputs.

    images: how many go through the network then, each taken to cost what it costs in training, which is more.
    """

    PICTURES = 20.0  # s for everything else that is written

    def __init__(self, limit: float | None):
        super().__init__()
        self.limit, self.began = limit, time.monotonic()
        self.images, self.batch_size, self.steps, self.first = 0, 1, 0, 0.0
        self.stopped = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.steps = 0

    def reached(self) -> bool:
        """Asked after every step."""
        if self.limit is None:
            return False
        now, self.steps = time.monotonic(), self.steps + 1
        if self.steps == 1:
            self.first = now  # it compiles, and says nothing about the others
        each = (now - self.first) / max(self.steps - 1, 1) / self.batch_size
        needed = min(self.PICTURES, self.limit / 4) + each * self.images
        self.stopped = self.stopped or now - self.began + needed >= self.limit
        return self.stopped


class Stopwatch(Callback):
    """`epochs`: seconds of each one, its validation included; `training`: of all, the time between two calls left out.

    quiet: say where a checkpoint goes on, which a progress bar would.
    """

    def __init__(self, quiet: bool = False):
        super().__init__()
        self.quiet = quiet
        self.epochs, self.training, self.began, self.resumed = [], 0.0, 0.0, False

    def get_state(self) -> dict[str, Any]:
        return {"epochs": self.epochs, "training": self.training, "spent": time.perf_counter() - self.began}

    def set_state(self, state: dict[str, Any]) -> None:
        self.epochs, self.training, self.resumed = list(state["epochs"]), state["training"], True
        self.began = time.perf_counter() - state["spent"]
        params = self.params or {}
        epoch, step = params["resumed"]
        if self.quiet:
            done = f"finished: {epoch} epochs are done, nothing is left to train"
            print(done if params["finished"] else f"resumed at epoch {epoch + 1}, step {step} of "
                  f"{params['steps']}", flush=True)  # fmt: skip

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.epochs, self.training, self.began = [], 0.0, time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        total = time.perf_counter() - self.began
        self.epochs.append(total - self.training)
        self.training = total
