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
from ..callbacks import BackupAndRestore, CallbackList
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
from .gradient_tape import GradientTape
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


def _compiled(model: Any) -> tuple[list, list]:
    """(metrics, weighted metrics) that compile was given; none where the class says which metrics there are."""
    if says_metrics(model):
        return [], []
    return vars(model).get("_compiled") or (model.metrics, model.weighted_metrics)


def _held_metrics(model: Any) -> list:
    """Metrics that are attributes of the model, also in lists."""
    known = ("metrics", "weighted_metrics", "_compiled", "_tracker")
    values = [value if isinstance(value, (list, tuple)) else [value]
              for name, value in vars(model).items() if name not in known]  # fmt: skip
    return [one for each in values for one in each if isinstance(one, metrics.Metric)]


def has_own(model: Any, step: str) -> bool:
    """Whether the class of a script's own has this step."""
    return getattr(type(model), step, None) is not getattr(Stepped, step)


def says_metrics(model: Any) -> bool:
    """Whether the class of a script's own has a property `metrics`."""
    return isinstance(getattr(type(model), "metrics", None), property)


class Stepped:
    """What a model has for steps of a script's own."""

    def train_step(self: Any, data: Any) -> dict[str, Any]:
        """What super().train_step(data) does: a step of the compiled optimizer by the compiled loss, op by op."""
        x, y, weights = _unpacked(data)
        fix = 'call compile("adam", "categorical_crossentropy")'
        require(self.optimizer is not None, f"{self.name}: train_step", "an optimizer", "none", fix,
                error=NotBuiltError)  # fmt: skip
        with GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, weights)
        self.optimizer.apply(tape.gradient(loss, self.trainable_weights), self.trainable_weights)
        return self.compute_metrics(x, y, y_pred, weights)

    def test_step(self: Any, data: Any) -> dict[str, Any]:
        """What super().test_step(data) does: the compiled loss and metrics of a batch."""
        x, y, weights = _unpacked(data)
        y_pred = self(x, training=False)
        self.compute_loss(x, y, y_pred, weights, training=False)
        return self.compute_metrics(x, y, y_pred, weights)

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
        """The metrics that compile was given, with one update_state; sample_weight goes to weighted_metrics."""

        def update_state(y: Any, y_pred: Any, sample_weight: Any = None) -> None:
            plain, weighted = _compiled(self)
            for one in plain:
                one.update_state(y, y_pred)
            for one in weighted:
                one.update_state(y, y_pred, sample_weight)

        return SimpleNamespace(update_state=update_state)

    def get_metrics_result(self: Any) -> dict[str, Any]:
        """name -> result of all metrics; of two that compile was given with one name, as fit calls them."""
        plain, weighted = _compiled(self)
        names = metrics.unique_names(plain, weighted)
        named = {id(one): name for one, name in zip((*plain, *weighted), names, strict=True)}
        return {named.get(id(one)) or str(one.name): one.result() for one in self.metrics}


def _unpacked(data: Any) -> tuple:
    """(x, y, sample_weight) of what fit hands to a step."""
    return (*data, None, None)[:3] if isinstance(data, (tuple, list)) else (data, None, None)


class _Measured:
    """For the time of a pass `metrics` are all: the mean of the compiled loss, if there is one, and the others.

    reset  whether they begin anew
    """

    def __init__(self, model: Any, reset: bool = True):
        self.model, self.reset = model, reset

    def __enter__(self) -> None:
        held = vars(self.model)
        self.before = {name: held[name] for name in ("metrics", "_compiled") if name in held}
        if not says_metrics(self.model):
            plain, weighted = held["_compiled"] = _compiled(self.model)
            if self.model.loss is None:
                held["_tracker"] = None
            elif held.get("_tracker") is None:
                held["_tracker"] = metrics.Mean(name="loss")
            tracked = [] if held["_tracker"] is None else [held["_tracker"]]
            found = [*tracked, *plain, *weighted, *_held_metrics(self.model)]
            held["metrics"] = list({id(one): one for one in found}.values())
        for one in self.model.metrics if self.reset else ():
            one.reset_state()

    def __exit__(self, *error: object) -> None:
        vars(self.model).pop("_compiled", None)
        vars(self.model).update(self.before)


def _tested(model: Any, data: Rows | Given, steps: int | None, hooks: CallbackList) -> dict[str, Any]:
    """The logs of test_step over the data."""
    logs: dict[str, Any] = {}
    with _Measured(model):
        hooks.on_test_begin()
        step = -1
        for step, batch in enumerate(_pass(data, steps)):
            hooks.on_test_batch_begin(step)
            logs = _logs(model, "test_step", model.test_step(batch), True)
            hooks.on_test_batch_end(step, logs)
        require(step >= 0, f"{type(model).__name__}: evaluate", "at least one batch", "none", error=DataError)
        hooks.on_test_end(dict(logs))
    return logs


def _pass(data: Rows | Given, steps: int | None, order: Any = None) -> Iterator[Any]:
    found = data.batches(order) if isinstance(data, Rows) else data.batches(steps)
    return found if steps is None else itertools.islice(found, steps)


def _known_steps(data: Rows | Given, x: Any) -> int | None:
    """How many batches a pass over the data has, where they can be counted: x is what the data was made of."""
    return len(data) if isinstance(data, Rows) else len(x) if hasattr(x, "__len__") else None


def _rows_in_turn(rows: Rows, steps: int, drawn: Callable) -> Iterator[Iterator[Any]]:
    """For every epoch its batches, where an epoch is so many steps of passes that follow each other."""
    endless = itertools.chain.from_iterable(rows.batches(drawn()) for _ in itertools.count())
    while True:
        yield itertools.islice(endless, steps)


_INSTEAD = {"class_weight": "weigh in train_step",
            "checkpoint": "keep the weights: ModelCheckpoint(path, save_weights_only=True)"}  # fmt: skip


@trains
def fit(self: Any, x: Any = None, y: Any = None, batch_size: int | None = None, epochs: int = 1,
        verbose: int | str = "auto", callbacks: Any = None, validation_split: float = 0.0,
        validation_data: Any = None, shuffle: bool = True, class_weight: Any = None, sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None, validation_steps: int | None = None,
        validation_batch_size: int | None = None, validation_freq: int = 1, **options: Any) -> Any:  # fmt: skip
    """fit of a model with a train_step of its own."""
    where = f"{type(self).__name__}.fit"
    for name, value in {"class_weight": class_weight, **options}.items():
        fix = _INSTEAD.get(name, "leave it out")
        require(value is None, where, "arguments of a model with train_step", name, fix, error=UnsupportedError)
    epochs, first = arguments.whole("fit: epochs", epochs), arguments.whole("fit: initial_epoch", initial_epoch, low=0)
    shuffle, chatty = arguments.flag("fit: shuffle", shuffle), arguments.verbose("fit: verbose", verbose)
    freq = arguments.whole("fit: validation_freq", validation_freq)
    for name, value in {"batch_size": batch_size, "steps_per_epoch": steps_per_epoch,
                        "validation_steps": validation_steps}.items():  # fmt: skip
        arguments.whole(f"fit: {name}", value, optional=True)
    require(self.world.size == 1, where, "a model that one process trains", repr(self.world), error=UnsupportedError)
    data = _data(where, x, y, sample_weight, batch_size)
    tested = None
    testable, fix = has_own(self, "test_step") or self.loss is not None, "write test_step(self, data), or leave it out"
    for name, value in {"validation_split": validation_split or None, "validation_data": validation_data}.items():
        require(value is None or testable, f"{where}: {name}", "a model with test_step, or a compiled loss", "neither",
                fix, error=UnsupportedError)  # fmt: skip
    if validation_split:
        if not isinstance(data, Rows) or validation_data is not None:
            received = "batches" if validation_data is None else "both"
            raise ArgumentError(f"fit: validation_split: expected arrays and no validation_data, received {received}; "
                                "give validation_data")  # fmt: skip
        rest = data.cut(arguments.number("fit: validation_split", validation_split, low=0, below=1))
        size = rest.size = validation_batch_size or rest.size
        tested = partial(_tested, self, rest) if has_own(self, "test_step") else _validation(
            self, packed(rest.template, rest.arrays), size)  # fmt: skip
    if validation_data is not None:
        tested = _validation(self, validation_data, validation_batch_size or batch_size)
    steps = steps_per_epoch or _known_steps(data, x)
    params = {"verbose": chatty, "epochs": epochs, "steps": steps}
    hooks = CallbackList(callbacks, add_history=True, add_progbar=chatty != 0, model=self, params=params)
    for one in hooks.callbacks:
        require(not isinstance(one, BackupAndRestore), where, "callbacks of a model with train_step",
                "BackupAndRestore", _INSTEAD["checkpoint"], error=UnsupportedError)  # fmt: skip
        check = getattr(one, "check_monitor", None)
        if check is not None:
            check([], others=True)  # nobody knows what the step returns

    def order(n: int) -> Any:
        return drawn_order(self.backend, self.streams.key(SHUFFLE, 0, step=self.streams.epoch), n)

    def drawn() -> Any:
        return order(data.n) if shuffle and isinstance(data, Rows) else None

    if shuffle and isinstance(data, Given) and isinstance(data.data, Indexed):
        data.data.order = order
    in_turn = _rows_in_turn(data, steps_per_epoch, drawn) if steps_per_epoch and isinstance(data, Rows) else None
    before, logs = self.fitting, {}
    try:
        self.fitting, self.stop_training = True, False
        with self.backend.running():
            hooks.on_train_begin()
            for epoch in range(first, epochs):
                hooks.on_epoch_begin(epoch)
                logs, step = {}, -1
                with _Measured(self):
                    coming = _pass(data, steps_per_epoch, drawn()) if in_turn is None else next(in_turn)
                    for step, batch in enumerate(coming):
                        hooks.on_train_batch_begin(step)
                        with self.guard.changing():
                            logs = _logs(self, "train_step", self.train_step(batch), hooks.judges_loss)
                        hooks.on_train_batch_end(step, logs)
                        if self.stop_training:
                            break
                require(step >= 0, where, "at least one batch in an epoch", "none", error=DataError)
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
    if not has_own(model, "test_step"):
        return lambda steps, hooks: model.evaluate(x, y, size, 0, weights, steps, return_dict=True)
    data = _data("fit: validation_data", x, y, weights, size)
    return partial(_tested, model, data)


def on_batch(self: Any, what: str, x: Any, y: Any, sample_weight: Any, return_dict: bool) -> Any:
    """train_on_batch and test_on_batch: the model's own step, once.  Metrics go on from batch to batch."""
    data = _data(what, x, y, sample_weight, None)
    if not isinstance(data, Rows):
        raise ArgumentTypeError(f"{what}: x: expected arrays, received {arguments.shown(x)}")
    data.size = data.n
    with self.guard.changing(), self.backend.running(), _Measured(self, reset=False):
        logs = _logs(self, what, getattr(self, what)(next(data.batches())), False)
    return _reported(logs, return_dict)


def _reported(logs: dict[str, Any], return_dict: bool) -> Any:
    """The dict, a list of its values, or the only one."""
    values = [*logs.values()]
    return logs if return_dict else values[0] if len(values) == 1 else values


def evaluate(self: Any, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: int | str = "auto",
             sample_weight: Any = None, steps: int | None = None, callbacks: Any = None,
             return_dict: bool = False) -> Any:  # fmt: skip
    """evaluate of a model with a test_step of its own."""
    data = _data(f"{type(self).__name__}.evaluate", x, y, sample_weight, batch_size)
    chatty = arguments.verbose("evaluate: verbose", verbose)
    steps = arguments.whole("evaluate: steps", steps, optional=True)
    total = steps or _known_steps(data, x)
    hooks = CallbackList(callbacks, add_progbar=chatty != 0, model=self,
                         params={"verbose": chatty, "epochs": 1, "steps": total})  # fmt: skip
    try:
        with self.backend.running():
            logs = _tested(self, data, steps, hooks)
    finally:
        hooks.close()
    return _reported(logs, arguments.flag("evaluate: return_dict", return_dict))
