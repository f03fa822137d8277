"""Callback: the hooks that fit, evaluate and predict call, in the order of this file."""

from collections.abc import Callable, Mapping
from typing import Any

from ..arguments import Named
from ..errors import MinicnnError, require

Logs = dict[str, Any]
Given = Logs | Any  # what hooks are given: a dict; None by hand alone, which no checker need ask about
LazyLogs = Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None


def read_logs(logs: LazyLogs) -> Logs:
    """The dict behind `logs`, which may be a dict, None, or a function that makes one when somebody looks."""
    if callable(logs):
        logs = logs()
    return logs if isinstance(logs, dict) else dict(logs or {})


class LogsWhenRead(Mapping):
    """Logs of a batch, computed when somebody first looks into them, which has to be before its hook returns.

    Differs from Keras: there they are always computed, in a thread; here they are read-only, dict(logs) makes a dict.
    """

    def __init__(self, logs: LazyLogs):
        self._logs: LazyLogs = logs
        self._gone = False  # nobody has read them in time

    def _read(self) -> Logs:
        expected, fix = "to be read inside the hook", "dict(logs) there keeps them"
        require(not self._gone, "logs", expected, "a look at a later batch", fix, error=MinicnnError)
        self._logs = logs = read_logs(self._logs)
        return logs

    def end(self) -> None:
        """From now on only what has been read can be read."""
        if not isinstance(self._logs, dict):
            self._logs, self._gone = None, True

    def __getitem__(self, name):
        return self._read()[name]

    def __iter__(self):
        return iter(self._read())

    def __len__(self):
        return len(self._read())


class Callback(Named):
    """Subclass it and override the hooks of interest; `self.model` and `self.params` are there from the first one on.

    `params` holds verbose, epochs, steps. `logs` holds name -> float: at a batch's end the running means of the epoch
    so far, at an epoch's end its results; a key added there at the end of an epoch reaches the callbacks that follow.
    Epochs and batches count from 0.

    What a callback carries from one hook to the next is its state. `get_state` and `set_state` let a checkpoint of the
    run keep it: override both, or a resumed run begins this callback anew. params["resumed"] is None, or (epoch, step)
    where a checkpoint goes on: so many epochs, and steps of the next, are done.

    Source: Keras 3, callbacks/callback.py.
    """

    # True: batch-end logs may arrive as a function that nobody has called yet, and are not computed for this callback.
    lazy_logs = False
    # True, Keras's name: the callback changes nothing between two batches. Its batch-end logs are a LogsWhenRead.
    async_safe = False

    def __init__(self):
        self.params: dict[str, Any] | None = None
        self.model: Any = None  # fit's model, of any class that has what a hook asks of it; None before set_model

    def set_params(self, params: dict) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self.model = model

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files: of several that train one model only the first does."""
        world = getattr(self.model, "world", None)
        return world is None or world.rank == 0

    def get_state(self) -> dict[str, Any]:
        """What `set_state` needs to go on from here: numbers, strings, None, lists, dicts, NumPy arrays.

        It is called between two hooks, at the end of a step or an epoch, and must change nothing.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what get_state returned, after on_train_begin (and, in mid-epoch, after on_epoch_begin)."""

    def resumes_inside(self, epoch: int) -> bool:
        """Whether this epoch was begun before, by the run that a checkpoint goes on with."""
        resumed = (self.params or {}).get("resumed")
        return resumed is not None and resumed[0] == epoch and resumed[1] > 0

    def on_train_begin(self, logs: Given = None) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, epoch: int, logs: Given = None) -> None:
        """Before the first batch of an epoch."""

    def on_train_batch_begin(self, batch: int, logs: Given = None) -> None:
        """Before a training batch."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Given = None) -> None:
        """After a training batch."""
        self.on_batch_end(batch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Given = None) -> None:
        """After the epoch's last batch and its validation."""

    def on_train_end(self, logs: Given = None) -> None:
        """After the last epoch; `logs` are that epoch's."""

    def on_test_begin(self, logs: Given = None) -> None:
        """Before evaluate, and before the validation inside fit."""

    def on_test_batch_begin(self, batch: int, logs: Given = None) -> None:
        """Before a batch of evaluate or of validation."""

    def on_test_batch_end(self, batch: int, logs: Given = None) -> None:
        """After a batch of evaluate or of validation."""

    def on_test_end(self, logs: Given = None) -> None:
        """After evaluate, and after the validation inside fit."""

    def on_predict_begin(self, logs: Given = None) -> None:
        """Before predict."""

    def on_predict_batch_begin(self, batch: int, logs: Given = None) -> None:
        """Before a batch of predict."""

    def on_predict_batch_end(self, batch: int, logs: Given = None) -> None:
        """After a batch of predict."""

    def on_predict_end(self, logs: Given = None) -> None:
        """After predict."""

    def on_batch_begin(self, batch: int, logs: Given = None) -> None:
        """The old name of on_train_batch_begin."""

    def on_batch_end(self, batch: int, logs: Given = None) -> None:
        """The old name of on_train_batch_end."""
