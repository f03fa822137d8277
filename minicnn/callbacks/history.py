"""History: what every epoch reported; fit returns it."""

from contextlib import suppress
from typing import Any

from ..io.html import curve, html_table
from .base import Callback, Logs
from .spelling import resolve


class LogDict(dict):
    """A dict name -> list that also answers an old spelling: d["val_acc"] finds val_accuracy, with a note.

    Only reading does so: `in`, len and iteration see the names as they were logged.
    """

    def __missing__(self, name):
        found = resolve(name, self, "History")
        if found is None:
            raise KeyError(name)
        return self[found]

    def get(self, name: Any, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


class History(Callback):
    """history[name] = [value of epoch 0, value of epoch 1, ...] as Python floats, and `epoch` = [0, 1, ...].

    `model.history` is the History of the latest fit.

    Source: Keras 3, callbacks/history.py.
    Differs from Keras: acc/accuracy and lr/learning_rate find each other.
    """

    def __init__(self):
        super().__init__()
        self.history: dict[str, list[float]] = LogDict()
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.epoch = []
        if self.model is not None:
            self.model.history = self

    def get_state(self) -> dict[str, Any]:
        return {"history": dict(self.history), "epoch": self.epoch}

    def set_state(self, state: dict[str, Any]) -> None:
        self.history = LogDict({name: list(values) for name, values in state["history"].items()})
        self.epoch = list(state["epoch"])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            with suppress(TypeError, ValueError):  # a user's callback may log anything, such as a list
                value = float(value)
            self.history.setdefault(name, []).append(value)

    def _repr_html_(self):
        numbers = {name: values for name, values in self.history.items() if all(isinstance(v, float) for v in values)}
        best = {name: (max if "acc" in name else min)(values) for name, values in numbers.items() if values}
        rows = [(name, curve(numbers[name], name), f"{numbers[name][0]:.5g}", f"{best[name]:.5g}",
                 f"{numbers[name][-1]:.5g}") for name in best]  # fmt: skip
        heads = ("", f"{len(self.epoch)} epochs", "first", "best", "last")
        epochs = [("epoch", *best)] + [(n + 1, *(f"{numbers[name][k]:.5g}" if k < len(numbers[name]) else ""
                                                 for name in best)) for k, n in enumerate(self.epoch)]  # fmt: skip
        return f"{html_table([heads, *rows])}<details><summary>every epoch</summary>{html_table(epochs)}</details>"
