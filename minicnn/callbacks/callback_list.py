"""CallbackList: calls a hook on every callback that has it, in order, and on no other."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..arguments import flag, instance, shown
from ..errors import ArgumentTypeError, require
from .base import Callback, LazyLogs, Logs, LogsWhenRead, read_logs
from .history import History
from .lambda_callback import LambdaCallback
from .progress import ProgressBar
from .terminate_on_nan import TerminateOnNaN

_OLD_NAMES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}
_BATCH_HOOKS = [f"on_{what}_batch_{when}" for what in ("train", "test", "predict") for when in ("begin", "end")]


def _overrides(callback: Callback, hook: str) -> bool:
    """Whether `callback` does anything in `hook`: defined by its class, or set on the instance."""
    names = [hook, *filter(None, [_OLD_NAMES.get(hook)])]
    return any(getattr(getattr(callback, name), "__func__", None) is not getattr(Callback, name) for name in names)


def _wants_batch_logs(callback: Callback) -> bool:
    return getattr(callback, "wants_batch_logs", not callback.async_safe)


def _flatten(callbacks) -> list:
    if callbacks is None:
        return []
    if isinstance(callbacks, (list, tuple)):
        return [one for item in callbacks for one in _flatten(item)]
    return [callbacks]


class CallbackList(Callback):
    """Callbacks as given, then History, then the progress bar; a logs dict is handed from each to the next.

    So a key that a user's callback adds at the end of an epoch reaches both. A batch hook costs nothing when no
    callback overrides it. `logs` of a batch's end may be a function: it is called at most once, and only for a
    callback that reads the logs of every batch.

    Raises: ArgumentTypeError for something that is no callback, such as a class instead of an instance.
    Source: Keras 3, callbacks/callback_list.py.
    Differs from Keras: what set_params gets is a dict, params, there further keywords.
    """

    lazy_logs = True

    def __init__(self, callbacks: Callback | Iterable | None = None, model: Any = None, params: dict | None = None, *,
                 add_history: bool = False, add_progbar: bool = False):  # fmt: skip
        super().__init__()
        self.callbacks: list[Callback] = _flatten(callbacks)
        for one in self.callbacks:
            fix = "subclass minicnn.callbacks.Callback"
            if isinstance(one, type):
                what, fix = f"the class {one.__name__}", f"write {one.__name__}() to make one"
            else:
                what = shown(one)
            require(isinstance(one, Callback), "callbacks", "Callback instances", what, fix, error=ArgumentTypeError)
        instance("CallbackList: params", params, dict, "a dict", optional=True)
        add_history, add_progbar = flag("add_history", add_history), flag("add_progbar", add_progbar)
        self._given = list(self.callbacks)
        self.history: Any = self._find_or_add(History, add_history)  # None where there is none, nor is asked for
        self.progress = self._find_or_add(ProgressBar, add_progbar)
        self._active = {h: [c for c in self.callbacks if _overrides(c, h)] for h in _BATCH_HOOKS}
        if model is not None:
            self.set_model(model)
        if params is not None:
            self.set_params(params)

    def _find_or_add(self, kind: type, add: bool):
        found = next((c for c in self.callbacks if isinstance(c, kind)), None)
        if found is None and add:
            found = kind()
            self.callbacks.append(found)
        return found

    def check_monitor(self, names: Iterable[str]) -> None:
        """Ask every callback that watches a metric or writes a file whether it can, before anything has changed.

        names: all that logs will hold.
        """
        names = list(names)
        # Only a callback written elsewhere, or one made of lambdas, can add names that nobody knows yet.
        ours = __name__.rpartition(".")[0]
        others = any(not type(c).__module__.startswith(ours) or isinstance(c, LambdaCallback) for c in self._given)
        for one in self.callbacks:
            check = getattr(one, "check_monitor", None)  # only those that watch or write have one
            if check is not None:
                check(names, others=others)

    @property
    def judges_loss(self) -> bool:
        """Whether a callback wants to see a loss that is not finite, and decide, where fit would raise."""
        return any(isinstance(one, TerminateOnNaN) for one in self.callbacks)

    @property
    def wants_batch_logs(self) -> bool:
        """Whether anybody looks at the running means of a training batch, so that the loop has to know them."""
        return any(map(_wants_batch_logs, self._active["on_train_batch_end"]))

    @property
    def acts_on_batches(self) -> bool:
        """Whether a callback does more with training batches than show them, so that it has to see each by itself."""
        active = [*self._active["on_train_batch_begin"], *self._active["on_train_batch_end"]]
        return any(c is not self.progress and _wants_batch_logs(c) for c in active)

    def close(self) -> None:
        """Release what callbacks hold (a terminal line, a file). Safe at any time and twice: call it in a finally."""
        for one in self.callbacks:
            close = getattr(one, "close", None)
            if close is not None:
                close()

    def set_params(self, params: dict) -> None:
        super().set_params(params)
        for one in self.callbacks:
            one.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        for one in self.callbacks:
            one.set_model(model)

    def _call(self, hook: str, *args, logs: Logs | None) -> None:
        logs = {} if logs is None else logs
        for one in self.callbacks:
            getattr(one, hook)(*args, logs)

    def _call_batch(self, hook: str, batch: int, logs: LazyLogs) -> None:
        for one in self._active[hook]:
            if one.async_safe:
                logs = logs if isinstance(logs, Mapping) else LogsWhenRead(logs)
            elif not one.lazy_logs:
                logs = read_logs(logs)  # from here on everybody shares the dict
            getattr(one, hook)(batch, logs=logs)
        if isinstance(logs, LogsWhenRead):
            logs.end()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._call("on_train_end", logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._call("on_epoch_end", epoch, logs=logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._call("on_test_begin", logs=logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._call("on_test_end", logs=logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._call("on_predict_begin", logs=logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._call("on_predict_end", logs=logs)

    def on_train_batch_begin(self, batch: int, logs: LazyLogs = None) -> None:
        self._call_batch("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: LazyLogs = None) -> None:
        self._call_batch("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch: int, logs: LazyLogs = None) -> None:
        self._call_batch("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: LazyLogs = None) -> None:
        self._call_batch("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: LazyLogs = None) -> None:
        self._call_batch("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: LazyLogs = None) -> None:
        self._call_batch("on_predict_batch_end", batch, logs)
