"""Training whose step is a script's own: class GAN(keras.Model) with `train_step(self, data)`, and `test_step`.

    def train_step(self, data):                         x, (x, y) or (x, y, sample_weight), as fit was given them
        with tf.GradientTape() as tape: ...
        return {"loss": self.loss_tracker.result()}     the logs

fit makes the batches, calls the callbacks, and hands each batch to the step; metrics begin anew in every epoch, whose
logs are those of its last step. What the step computes it computes on the tape, op by op.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import arguments, metrics
from ..backend.streams import SHUFFLE
from ..callbacks import CallbackList
from ..core.tensor import Tensor
from ..data.batches import check_lengths
from ..data.batches import validation_split as split_rows
from ..data.dataset import Array
from ..data.flow import Flow
from ..errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    NonFiniteError,
    NotBuiltError,
    UnsupportedError,
    require,
)
from ..structure import flat, packed, template_of
from .guard import trains
from .inputs import Indexed, drawn_order, in_batches

SIZE = 32


class Rows:
    """Arrays, in a structure, of which each batch has the next rows."""

    def __init__(self, where: str, data: Any, size: int | None):
        self.template = template_of(data)
        self.arrays = [arguments.array(f"{where}: data", one) for one in flat(data)]
        check_lengths(where, **{f"array {i}": one for i, one in enumerate(self.arrays)})
        self.size, self.n = size or SIZE, len(self.arrays[0])
        require(self.n > 0, f"{where}: data", "at least one row", "none", error=DataError)

    def __len__(self) -> int:
        return -(-self.n // self.size)

    def cut(self, fraction: float) -> "Rows":
        """Keep the first rows; the last ones, this fraction of all, are the answer."""
        first, last = split_rows(self.n, fraction)
        rest = Rows("fit", packed(self.template, [one[last] for one in self.arrays]), self.size)
        self.arrays, self.n = [one[first] for one in self.arrays], first.stop
        return rest

    def batches(self, order: Any = None) -> Iterator[Any]:
        """One pass, in this order of rows."""
        for start in range(0, self.n, self.size):
            rows = slice(start, start + self.size) if order is None else order[start : start + self.size]
            yield packed(self.template, [one[rows].view(Array) for one in self.arrays])


class Given:
    """Batches as an iterable gives them: one after the other, from the start again where they have ended."""

    def __init__(self, where: str, data: Any):
        self.where, self.data, self.coming = where, in_batches(data), None
        ok = hasattr(self.data, "__iter__") and not isinstance(data, (str, bytes, dict, set))
        require(ok, f"{where}: x", "arrays, or batches", arguments.shown(data), error=ArgumentTypeError)

    def batches(self, steps: int | None) -> Iterator[Any]:
        """A pass; or so many steps, which go on where the last ones ended."""
        if steps is None:
            yield from self.data
            return
        for step in range(steps):
            found = next(self.coming, self) if self.coming is not None else self
            if found is self:
                self.coming = iter(self.data)
                found = next(self.coming, self)
            fix = "give fewer steps, or an iterable that begins again"
            require(found is not self, self.where, f"{steps} batches", f"{step}", fix, error=DataError)
            yield found


def _data(where: str, x: Any, y: Any, weights: Any, size: int | None) -> Rows | Given:
    require(x is not None, f"{where}: x", "data", "None", error=ArgumentTypeError)
    listed = isinstance(x, (list, tuple)) and all(hasattr(one, "shape") for one in x)
    if hasattr(x, "shape") or isinstance(x, dict) or listed or y is not None:
        ok = weights is None or y is not None
        require(ok, f"{where}: sample_weight", "y beside it", "None", error=ArgumentTypeError)
        return Rows(where, x if y is None else (x, y) if weights is None else (x, y, weights), size)
    require(weights is None, f"{where}: sample_weight", "None beside batches", "weights", error=ArgumentTypeError)
    require(not isinstance(x, Flow) or size is None, f"{where}: batch_size", "None beside batches", size,
            error=ArgumentError)  # fmt: skip
    return Given(where, x)


def _logs(model: Any, what: str, found: Any, judged: bool) -> dict[str, Any]:
    """What a step returns, as numbers."""
    where = f"{type(model).__name__}.{what}"
    require(isinstance(found, dict), where, "a dict of logs", arguments.shown(found), error=ArgumentTypeError)
    logs = {}
    for name, value in found.items():
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        logs[name] = float(array.reshape(())) if array.size == 1 else array
        if name.endswith("loss") and not judged and array.size == 1 and not math.isfinite(logs[name]):
            raise NonFiniteError(f"{where}: expected a finite {name}, received {logs[name]}; lower the learning rate",
                                 logs[name])  # fmt: skip
    return logs


def _own_metrics(model: Any) -> list:
    """The model's metrics: what its class says, or the compiled ones and those that are its attributes."""
    said = model.metrics
    values = [value if isinstance(value, (list, tuple)) else [value] for value in vars(model).values()]
    held = [one for each in values for one in each if isinstance(one, metrics.Metric)]
    return list({id(one): one for one in (*said, *([] if says_metrics(model) else held))}.values())


def says_metrics(model: Any) -> bool:
    """Whether the class of a script's own has a property `metrics`."""
    return isinstance(getattr(type(model), "metrics", None), property)


class Stepped:
    """What a model has for steps of a script's own."""

    def compute_loss(self: Any, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None,
                     training: bool = True) -> Tensor:  # fmt: skip
        """The compiled loss of y and y_pred, with what layers add."""
        return self.compiled_loss(y, y_pred, sample_weight, self.losses)

    def compiled_loss(self: Any, y: Any, y_pred: Any, sample_weight: Any = None,
                      regularization_losses: Any = None) -> Tensor:  # fmt: skip
        """The compiled loss of y and y_pred, with further ones."""
        where, fix = f"{self.name}: loss", 'call compile("adam", "categorical_crossentropy")'
        require(self.loss is not None, where, "a compiled loss", "none", fix, error=NotBuiltError)
        if isinstance(y_pred, (list, tuple, dict)):
            raise UnsupportedError(f"{where}: expected one output, received several; add their losses up in train_step")
        loss = self.loss(y, y_pred, sample_weight)
        for one in regularization_losses or ():
            loss = loss + one
        for one in self.metrics:
            if one is vars(self).get("_tracker"):
                one.update_state(loss)
        return loss

    def compute_metrics(self: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Show the compiled metrics a batch; the results of all so far."""
        self.compiled_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    @property
    def compiled_metrics(self: Any) -> Any:
        """The metrics but the loss's mean, with one update_state."""

        def update_state(y: Any, y_pred: Any, sample_weight: Any = None) -> None:
            for one in self.metrics:
                if one is not vars(self).get("_tracker"):
                    one.update_state(y, y_pred)

        return SimpleNamespace(update_state=update_state)

    def get_metrics_result(self: Any) -> dict[str, Any]:
        """name -> result of all metrics."""
        return {one.name: one.result() for one in self.metrics}


class _Measured:
    """For the time of a pass `metrics` are all: the mean of the compiled loss, if there is one, and the others."""

    def __init__(self, model: Any):
        self.model = model

    def __enter__(self) -> None:
        held = vars(self.model)
        self.before = held.get("metrics")
        if not says_metrics(self.model):
            held["_tracker"] = metrics.Mean(name="loss") if self.model.loss is not None else None
            found = _own_metrics(self.model)
            tracker = held["_tracker"]
            held["metrics"] = [one for one in found if one is not tracker] if tracker is None else [
                tracker, *(one for one in found if one is not tracker)]  # fmt: skip
        for one in self.model.metrics:
            one.reset_state()

    def __exit__(self, *error: object) -> None:
        if not says_metrics(self.model):
            vars(self.model)["metrics"] = self.before
            vars(self.model).pop("_tracker", None)


def _tested(model: Any, data: Rows | Given, steps: int | None, hooks: CallbackList) -> dict[str, Any]:
    """The logs of test_step over the data."""
    logs: dict[str, Any] = {}
    with _Measured(model):
        hooks.on_test_begin()
        for step, batch in enumerate(_pass(data, steps)):
            hooks.on_test_batch_begin(step)
            logs = _logs(model, "test_step", model.test_step(batch), True)
            hooks.on_test_batch_end(step, logs)
        require(logs, f"{type(model).__name__}: evaluate", "at least one batch", "none", error=DataError)
        hooks.on_test_end(dict(logs))
    return logs


def _pass(data: Rows | Given, steps: int | None, order: Any = None) -> Iterator[Any]:
    found = data.batches(order) if isinstance(data, Rows) else data.batches(steps)
    return found if steps is None else itertools.islice(found, steps)


def _rows_in_turn(rows: Rows, steps: int, drawn: Callable) -> Iterator[Iterator[Any]]:
    """For every epoch its batches, where an epoch is so many steps of passes that follow each other."""
    endless = itertools.chain.from_iterable(rows.batches(drawn()) for _ in itertools.count())
    while True:
        yield itertools.islice(endless, steps)


@trains
def fit(self: Any, x: Any = None, y: Any = None, batch_size: int | None = None, epochs: int = 1,
        verbose: int | str = "auto", callbacks: Any = None, validation_split: float = 0.0,
        validation_data: Any = None, shuffle: bool = True, class_weight: Any = None, sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None, validation_steps: int | None = None,
        validation_batch_size: int | None = None, validation_freq: int = 1, **options: Any) -> Any:  # fmt: skip
    """fit of a model with a train_step of its own."""
    where = f"{type(self).__name__}.fit"
    unknown = {"class_weight": class_weight, **options}
    lacking = [name for name, value in unknown.items() if value is not None]
    require(not lacking, where, "arguments of a model with train_step", ", ".join(lacking), "weigh in train_step",
            error=UnsupportedError)  # fmt: skip
    epochs, first = arguments.whole("fit: epochs", epochs), arguments.whole("fit: initial_epoch", initial_epoch, low=0)
    shuffle, chatty = arguments.flag("fit: shuffle", shuffle), arguments.verbose("fit: verbose", verbose)
    freq = arguments.whole("fit: validation_freq", validation_freq)
    for name, value in {"batch_size": batch_size, "steps_per_epoch": steps_per_epoch,
                        "validation_steps": validation_steps}.items():  # fmt: skip
        arguments.whole(f"fit: {name}", value, optional=True)
    require(self.world.size == 1, where, "a model that one process trains", repr(self.world), error=UnsupportedError)
    data = _data(where, x, y, sample_weight, batch_size)
    tested = None
    if validation_split:
        ok = isinstance(data, Rows) and validation_data is None and hasattr(self, "test_step")
        expected = "arrays, no validation_data, and a model with test_step"
        require(ok, "fit: validation_split", expected, "something else", error=ArgumentError)
        rows: Any = data
        held_out = rows.cut(arguments.number("fit: validation_split", validation_split, low=0, below=1))
        tested = partial(_tested, self, held_out)
    if validation_data is not None:
        fix = "write test_step(self, data), or leave validation_data out"
        ok = hasattr(self, "test_step") or self.loss is not None
        require(ok, where, "a model with test_step, or a compiled loss", "neither", fix, error=UnsupportedError)
        tested = _validation(self, validation_data, validation_batch_size or batch_size)
    steps = steps_per_epoch or (len(data) if isinstance(data, Rows) else len(x) if hasattr(x, "__len__") else None)
    params = {"verbose": chatty, "epochs": epochs, "steps": steps}
    hooks = CallbackList(callbacks, add_history=True, add_progbar=chatty != 0, model=self, params=params)
    for one in hooks.callbacks:
        check = getattr(one, "check_monitor", None)
        if check is not None:
            check([], others=True)  # nobody knows what the step returns

    def drawn() -> Any:
        if not (shuffle and isinstance(data, Rows)):
            return None
        return drawn_order(self.backend, self.streams.key(SHUFFLE, 0, step=self.streams.epoch), data.n)

    if shuffle and isinstance(data, Given) and isinstance(data.data, Indexed):
        data.data.order = lambda n: drawn_order(self.backend, self.streams.key(SHUFFLE, 0, step=self.streams.epoch), n)
    in_turn = _rows_in_turn(data, steps_per_epoch, drawn) if steps_per_epoch and isinstance(data, Rows) else None
    before, logs = self.fitting, {}
    try:
        self.fitting, self.stop_training = True, False
        with self.backend.running():
            hooks.on_train_begin()
            for epoch in range(first, epochs):
                hooks.on_epoch_begin(epoch)
                logs = {}
                with _Measured(self):
                    coming = _pass(data, steps_per_epoch, drawn()) if in_turn is None else next(in_turn)
                    for step, batch in enumerate(coming):
                        hooks.on_train_batch_begin(step)
                        with self.guard.changing():
                            logs = _logs(self, "train_step", self.train_step(batch), hooks.judges_loss)
                        hooks.on_train_batch_end(step, logs)
                        if self.stop_training:
                            break
                require(logs, where, "at least one batch in an epoch", "none", error=DataError)
                self.streams.epoch += 1
                if tested is not None and (epoch + 1) % freq == 0:
                    logs = logs | {f"val_{name}": value for name, value in tested(validation_steps, hooks).items()}
                hooks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            hooks.on_train_end(logs)
    finally:
        hooks.close()
        self.fitting = before
    return hooks.history


def _validation(model: Any, given: Any, size: int | None) -> Callable:
    """A function (steps, hooks) -> logs, over validation data."""
    several = isinstance(given, (tuple, list)) and len(given) in (2, 3)
    x, y, weights = (*given, None)[:3] if several else (given, None, None)
    if not hasattr(model, "test_step"):
        return lambda steps, hooks: model.evaluate(x, y, size, 0, weights, steps, return_dict=True)
    data = _data("fit: validation_data", x, y, weights, size)
    return partial(_tested, model, data)


def on_batch(self: Any, what: str, x: Any, y: Any, sample_weight: Any, return_dict: bool) -> Any:
    """train_on_batch and test_on_batch: the model's own step, once.  Metrics go on from batch to batch."""
    data = Rows(what, x if y is None else (x, y) if sample_weight is None else (x, y, sample_weight), None)
    data.size = data.n
    with self.guard.changing(), self.backend.running():
        logs = _logs(self, what, getattr(self, what)(next(data.batches())), False)
    return logs if return_dict else [*logs.values()] if len(logs) > 1 else next(iter(logs.values()))


def evaluate(self: Any, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: int | str = "auto",
             sample_weight: Any = None, steps: int | None = None, callbacks: Any = None,
             return_dict: bool = False) -> Any:  # fmt: skip
    """evaluate of a model with a test_step of its own."""
    data = _data(f"{type(self).__name__}.evaluate", x, y, sample_weight, batch_size)
    chatty = arguments.verbose("evaluate: verbose", verbose)
    steps = arguments.whole("evaluate: steps", steps, optional=True)
    total = steps or (len(data) if isinstance(data, Rows) else len(x) if hasattr(x, "__len__") else None)
    hooks = CallbackList(callbacks, add_progbar=chatty != 0, model=self,
                         params={"verbose": chatty, "epochs": 1, "steps": total})  # fmt: skip
    try:
        with self.backend.running():
            logs = _tested(self, data, steps, hooks)
    finally:
        hooks.close()
    return logs if arguments.flag("evaluate: return_dict", return_dict) else [*logs.values()] if len(logs) > 1 else (
        next(iter(logs.values())))  # fmt: skip
