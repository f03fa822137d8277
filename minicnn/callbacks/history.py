"""History: what every epoch reported; fit returns it."""

from contextlib import suppress

from .base import Callback
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

    def get(self, name, default=None):
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

    def on_train_begin(self, logs=None):
        self.epoch = []
        if self.model is not None:
            self.model.history = self

    def get_state(self):
        return {"history": dict(self.history), "epoch": self.epoch}

    def set_state(self, state):
        self.history = LogDict({name: list(values) for name, values in state["history"].items()})
        self.epoch = list(state["epoch"])

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            with suppress(TypeError, ValueError):  # a user's callback may log anything, such as a list
                value = float(value)
            self.history.setdefault(name, []).append(value)
