"""Trainer: compile, fit, evaluate, predict, and single batches. The steps are in loop.py."""

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import arguments as checked
from .. import losses, metrics, optimizers
from ..backend import compiling
from ..backend.streams import Streams
from ..callbacks import Callback, CallbackList, History
from ..callbacks.console import say
from ..data.batches import check_lengths
from ..data.batches import validation_split as split_rows
from ..errors import ArgumentError, ArgumentTypeError, NotBuiltError, require
from ..layers.base import positive_int
from ..losses import Loss
from ..notes import note
from ..structure import flat
from ..weighting import check_weights
from . import captured, loop
from .checkpoint import CheckpointOptions, checkpoints
from .guard import changes, rebuilds, trains
from .identity import of_epoch
from .inputs import Arrays, Augmented, Batches, all_x, check_x, in_batches, passes, source
from .several import Losses, losses_of, output_shapes, parts, per_place, together
from .stack import LayerStack
from .tta import copies
from .underway import Now, Underway
from .world import ALONE, Ranks, World

# How earlier Keras fetched batches, in several processes; a flow of files fetches them in threads of its own.
QUEUES = ("workers", "use_multiprocessing", "max_queue_size", "max_q_size", "nb_worker", "pickle_safe")
# A loss or metric by name, class, function or instance; a list or dict of several.
Optimizing = str | dict | type[optimizers.Optimizer] | optimizers.Optimizer
Chosen = str | Callable | list | tuple | dict | None


class Trainer(LayerStack):
    """A stack of layers that learns."""

    metrics: list
    weighted_metrics: list
    history: Any  # of the latest fit
    runs: set[str]  # of its fits with a checkpoint
    streams: Streams
    _loss: Loss | Losses | None
    _optimizer: optimizers.Optimizer | None
    _places: list[list[int]] | None
    stop_training: bool
    underway: Underway | None  # an epoch in whose middle the model stands
    checkpoint_failure: str | None  # the latest checkpoint of a fit that could not be written, and why
    fitting: bool  # whether a fit is running
    graph: bool
    nan_check: str
    world: World = ALONE  # the processes that train this model together: see world.py
    ranks: Ranks | None = None  # those of a fit that runs
    lenient = False  # minicnn.keras's models: where Keras goes on, they do, with a note

    @checked.named
    @rebuilds
    def compile(self, optimizer: Optimizing = "rmsprop", loss: Chosen = None, metrics: Chosen = None,
                weighted_metrics: Chosen = None, loss_weights: float | list | dict | None = None,
                **unknown: Any) -> None:  # fmt: skip
        """Choose how to learn: an optimizer, a loss and metrics, each by name, function or instance.

        Differs from Keras: its third positional argument is loss_weights, ours metrics, as it was in Keras 2; a name
        that no output has is refused here, not when training begins.
        """
        for name, plain in {
            "run_eagerly": None,
            "steps_per_execution": 1,
            "jit_compile": None,
        }.items():
            if unknown.pop(name, plain) not in (plain, False, "auto"):
                note(f"compile({name}=...) has no effect here")
        if unknown:
            raise ArgumentTypeError(
                f"compile: expected optimizer, loss, metrics, received {', '.join(map(repr, unknown))}"
            )
        many = isinstance(self.sample_out, list)
        names = self.output_names if many or self.operations else [""]
        rule, chosen = optimizers.get(optimizer), losses_of("compile: loss", loss, names, loss_weights)
        found = [_placed(what, given, names) if many else [(m, 0) for m in _metrics(what, _of_one(what, given, names))]
                 for what, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics))]  # fmt: skip
        self.optimizer, self._loss = rule, chosen
        self.metrics, self.weighted_metrics = ([m for m, _ in one] for one in found)
        self._places = [[k for _, k in one] for one in found] if many else None
        self.underway = None  # its running means were of other metrics

    @property
    def optimizer(self) -> optimizers.Optimizer | Any:  # None before compile, which no checker need ask about
        """The compiled one; a name or an instance that is assigned counts from the next step on."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        self._optimizer = None if value is None else optimizers.get(value)

    @property
    def loss(self) -> Loss | Losses | None:
        """The compiled one; a name, a function or an instance that is assigned counts from the next step on."""
        return self._loss

    @loss.setter
    def loss(self, value: Any) -> None:
        many = value is not None and isinstance(self.sample_out, list)
        self._loss = losses_of("loss", value, self.output_names, None) if many else _loss("loss", value)

    @property
    def output_losses(self) -> list[Loss | None]:
        """The compiled ones, one per output."""
        return self._loss.items if isinstance(self._loss, Losses) else [self._loss] * len(self.samples_out)

    @property
    def scales(self) -> list[float]:
        """What each output's loss is multiplied by."""
        return self._loss.weights if isinstance(self._loss, Losses) else [1] * len(self.samples_out)

    @property
    def metric_places(self) -> list[list[int]]:
        """The number of the output that each metric is of, and of the weighted ones."""
        return self._places or [[0] * len(self.metrics), [0] * len(self.weighted_metrics)]

    def objective(self, ts: Sequence[Any], ys: Sequence[Any], ws: Sequence[Any]) -> tuple[float, list[float]]:
        """The loss of outputs, and of several each one's: what the step's program computes, on the tape."""
        scaled, shares = [], []
        for loss, scale, logits, t, y, w in zip(self.output_losses, self.scales, self.fusing, ts, ys, ws, strict=True):
            if loss is None:
                continue
            value = loss.reduce(loss.values(t, y, logits=logits), w)
            shares.append(float(value.numpy()))
            scaled.append(value if scale == 1 else value * scale)
        total = functools.reduce(lambda a, b: a + b, scaled)
        return float(total.numpy()), shares if len(ys) > 1 else []

    @property
    def metrics_names(self) -> list[str]:
        """What logs hold: "loss", then the metrics in compile's order, of which no two share a name."""
        if not isinstance(self.sample_out, list):
            return ["loss", *metrics.unique_names(self.metrics, self.weighted_metrics)]
        outputs, places = self.output_names, self.metric_places
        kinds = [*zip((self.metrics, self.weighted_metrics), places, strict=True)]
        named = [[[m for m, k in zip(*kind, strict=True) if k == one] for kind in kinds] for one in range(len(outputs))]
        unique = [metrics.unique_names(*one) for one in named]
        turns = [[iter(names[: len(plain)]), iter(names[len(plain) :])]
                 for names, (plain, _) in zip(unique, named, strict=True)]  # fmt: skip
        found = [f"{outputs[k]}_{next(turns[k][kind])}" for kind in (0, 1) for k in places[kind]]
        with_loss = [f"{n}_loss" for n, one in zip(outputs, self.output_losses, strict=True) if one is not None]
        return ["loss", *found, *(with_loss if len(with_loss) > 1 else [])]

    def metric_direction(self, name: str) -> str | None:
        """ "min" or "max" for a compiled metric, None for any other name."""
        named = zip(self.metrics_names[1:], (*self.metrics, *self.weighted_metrics), strict=False)
        known = self.metrics_names
        if name == "loss" or name in known[1 + len(self.metrics) + len(self.weighted_metrics) :]:
            return "min"
        return dict(named)[name].direction if name in known else None

    @property
    def fused_with(self) -> Any:
        """The activation of a model's last layer, if the loss is computed from the logits before it, else None."""
        if isinstance(self._loss, Losses):
            only = self._loss.items[0]
            return only.fused if only is not None and self.fusing == (True,) else None
        last = getattr(self.last_layers[0], "activation", None)
        loss = self._loss
        if loss is None or last is None or last is not loss.fused:  # as _fuses, without a call: every step asks
            return None
        return None if getattr(loss, "from_logits", False) else last

    @property
    def fused(self) -> bool:
        """Whether the loss is computed from the logits of the last layer's own activation."""
        return self.fused_with is not None

    @property
    def fusing(self) -> tuple[bool, ...]:
        """For each output, whether its loss is computed from logits."""
        lasts = [getattr(layer, "activation", None) for layer in self.last_layers]
        return tuple(_fuses(loss, last) for last, loss in zip(lasts, self.output_losses, strict=True))

    def check_savable(self, path: str | os.PathLike) -> dict:
        """What save would write: see savable.py."""
        raise NotImplementedError

    def _ready(self, where: str) -> None:
        require(self.operations, where, "a model with layers", "an empty one", error=NotBuiltError)
        ok = self.loss is not None
        require(
            ok,
            where,
            "a compiled model",
            "none",
            'call compile("adam", "categorical_crossentropy")',
            error=NotBuiltError,
        )

    @checked.older(*QUEUES, "show_accuracy", nb_epoch="epochs")
    @checked.named
    @trains
    def fit(self, x: Any = None, y: Any = None, batch_size: int | None = None, epochs: int = 1,
            verbose: int | str = "auto", callbacks: list | Callback | None = None, validation_split: float = 0.0,
            validation_data: Any = None, shuffle: bool = True, class_weight: dict | None = None,
            sample_weight: Any = None, initial_epoch: int = 0, steps_per_epoch: int | None = None,
            validation_steps: int | None = None, validation_batch_size: int | None = None, validation_freq: int = 1, *,
            checkpoint: str | os.PathLike | CheckpointOptions | None = None) -> History:  # fmt: skip
        """Train; return the History.  Arguments as in Keras; a second fit goes on where the first stopped.

        initial_epoch numbers the first epoch, for callbacks and the History; epochs - initial_epoch are trained. Their
        rows and random numbers depend on the model's own counters, epochs_done and steps_done. A model that stands in
        the middle of an epoch over the same rows (it was saved or interrupted there) ends that epoch first.

        checkpoint: a folder or CheckpointOptions. The run is written there, at the end of every epoch and every minute;
        killed at any moment, the same call goes on from the newest checkpoint and ends with the same bytes as a run
        that was never disturbed. Other data, another network or other arguments are refused, except more epochs.
        Ctrl-C and SIGTERM are answered after the step at hand, with a checkpoint. A disk that cannot be written does
        not stop training: see checkpoint_failure. An iterable x has to give the same batches again.

        x is an array (with y), an ImageDataGenerator's flow, or an iterable of batches (with steps_per_epoch if it is
        endless). steps_per_epoch below a whole pass: the next epoch goes on in the pass, whose rows come in one order;
        above it: the rows come in a new order once all have been seen (in Keras the epoch ends there). Everything is
        checked before anything changes. Raises NonFiniteError at the first batch whose loss is not finite; Ctrl-C
        leaves the model as it was after the last whole step, and is raised on. BusyError: another thread
        is in fit. Meanwhile other threads may predict, evaluate and save: see guard.py.
        """
        self._ready("fit")
        positive_int("fit: epochs", epochs)
        checked.whole("fit: initial_epoch", initial_epoch, low=0)
        shuffle = checked.flag("fit: shuffle", shuffle)
        chatty = checked.verbose("fit: verbose", verbose)
        if not isinstance(checked.scalar(validation_split), float):  # whose range is checked with the rows
            checked.number("fit: validation_split: a fraction", validation_split, low=0, below=1)
        for name, value in {"batch_size": batch_size, "steps_per_epoch": steps_per_epoch,
                            "validation_steps": validation_steps, "validation_batch_size": validation_batch_size,
                            }.items():  # fmt: skip
            if value is not None:
                positive_int(f"fit: {name}", value)
        positive_int("fit: validation_freq", validation_freq)
        if validation_split:
            x, y, sample_weight, validation_data = _held_out(x, y, sample_weight, validation_split, validation_data)
        class_weight = self._class_weight(class_weight)
        train = source(self, x, y, batch_size, sample_weight, class_weight)
        if shuffle and isinstance(train, Batches):
            train.shuffle(self.backend, self.streams)
        held_out = None
        if validation_data is not None:
            held_out = self._validation(validation_data, validation_batch_size or batch_size)
        if held_out is not None:
            validation_steps = _steps("validation", held_out, validation_steps)
        steps = steps_per_epoch or train.steps
        names = self.metrics_names + [f"val_{n}" for n in self.metrics_names if held_out] + ["learning_rate"]
        params = {"verbose": chatty, "epochs": epochs, "steps": steps}
        chatty = chatty if self.world.rank == 0 else 0
        hooks = CallbackList(callbacks, add_history=True, add_progbar=chatty != 0, model=self, params=params)
        hooks.check_monitor(names)
        loop.optimizer_of(self).learning_rate  # noqa: B018 (a schedule that returns no rate is told here)
        around = self.fitting, self.stop_training, self.history, self.underway  # of a fit whose callback calls this one
        if self.fitting:
            self._stand_at(None)
        arguments = {"shuffle": shuffle, "steps_per_epoch": steps_per_epoch, "initial_epoch": initial_epoch,
                     "validation_steps": validation_steps, "validation_freq": validation_freq}  # fmt: skip
        ranks = None
        if self.world.size > 1:
            ranks = train.ranks = Ranks(self.world, self, train, arguments | {"epochs": epochs})
        kept = checkpoints(checkpoint, self, hooks, train, held_out, arguments, names, epochs)
        first, underway = initial_epoch, None
        if ranks is not None:
            ranks.kept = kept
        if kept is None:
            underway = self._goes_on(train, steps, shuffle)
        elif kept.saved is not None:
            first, underway = kept.saved.epoch, kept.saved.underway
            hooks.set_params(params | {"resumed": (first, kept.saved.step), "finished": kept.finished})
        train.shift = 0 if underway is None else underway.epoch - first
        try:
            self.fitting, self.stop_training = True, False
            with self.guard.changing():
                self.prepare_optimizer()
                if kept is not None:
                    kept.restore_model()
            with self.backend.running(), compiling.told(say if chatty else None), ranks or contextlib.nullcontext():
                hooks.on_train_begin()
                epoch_logs = {}
                if kept is not None:
                    epoch_logs = kept.begin()
                    first = epochs if kept.finished else first
                device = captured.prepare(self, train, steps, hooks)
                for epoch in range(first, epochs):
                    hooks.on_epoch_begin(epoch)
                    with loop.RunningLogs(self) as logs:
                        with self.guard.changing():
                            self.prepare_optimizer()  # for what is trainable now
                            if underway is not None:
                                if kept is not None:
                                    kept.restore_model()
                                    kept.restore_callbacks()
                                logs.go_on(underway)
                                underway = None
                            if epoch == first:
                                train.before = self.streams.epoch - (epoch + train.shift)
                            self.underway = Now(train, steps, shuffle, logs, epoch + train.shift)
                        if device is None:
                            loop.train_epoch(self, train, steps, shuffle, logs, hooks, epoch, kept)
                        else:
                            with self.guard:
                                device.epoch(logs, hooks, shuffle, epoch, kept)
                        if kept is not None and kept.ending:
                            break
                        epoch_logs = logs.result()
                    with self.guard:
                        self.streams.epoch += 1
                        self.underway = None
                    if held_out is not None and (epoch + 1) % validation_freq == 0:
                        tested = self._test(held_out, validation_steps, hooks, ranks)
                        epoch_logs |= {f"val_{name}": value for name, value in tested.items()}
                    hooks.on_epoch_end(epoch, epoch_logs)
                    if ranks is not None:
                        ranks.agree()
                    if kept is not None:
                        kept.epoch_end(epoch + 1, steps, epoch_logs)
                    if self.stop_training:
                        break
                with self.guard.changing():
                    loop.optimizer_of(self).end_training()
                hooks.on_train_end(epoch_logs)
                if kept is not None:
                    kept.end()
        finally:
            hooks.close()
            if self.underway is not None:
                self._stand_at(self.underway.left())
            if kept is not None:
                kept.close()
            self.fitting = around[0]
            if self.fitting:
                _, self.stop_training, self.history, there = around
                self._stand_at(there)
        return hooks.history

    def _class_weight(self, given):
        """What sources take; where the model is `lenient`, of what Keras 2 took.

        Differs from Keras: class_weight has to be a dict; models of minicnn.keras read a list as one, and leave out
        "auto", each with a note.
        """
        if not self.lenient or given is None or isinstance(given, dict):
            return given
        if isinstance(given, str):
            note(f"fit(class_weight={given!r}) has no effect, as in Keras 2")
            return None
        weights = checked.items(given)
        if weights is None:
            return given
        note("fit(class_weight=[...]) is read as {0: ..., 1: ...}")
        return dict(enumerate(weights))

    def prepare_optimizer(self) -> None:
        """Hand the optimizer the weights that are trainable now."""
        weights = self.trainable_weights or self.weights
        if weights:
            loop.optimizer_of(self).build(weights)

    @property
    def epochs_done(self) -> int:
        """Epochs over the model's life, in files too: the next one's rows come in the order of this number."""
        return self.streams.epoch

    @property
    def steps_done(self) -> int:
        """Training steps over the model's life, in files too (a call with training=True counts as one): the next one's
        dropout and augmentation are those of this number.
        """
        return self.streams.step

    @changes
    def _stand_at(self, underway: Underway | None) -> None:
        """The model stands there in an epoch, or in none: between two looks of a thread that writes a file."""
        self.underway = underway

    def _goes_on(self, train, steps, shuffle) -> Underway | None:
        """The epoch in whose middle the model stands, if it is one over these rows."""
        there = self.underway
        self._stand_at(None)
        if there is None:
            return None
        if there.identity != of_epoch(train, steps, shuffle):
            note("fit: the model stands in the middle of an epoch over other rows or batches; a new one begins")
            return None
        note(f"fit: goes on in the middle of an epoch: {there.step} of its {steps} steps are done")
        return there

    def _validation(self, data, batch_size):
        where, expected = "fit: validation_data", "(x, y) or batches"
        if isinstance(data, (tuple, list)) and len(data) in (2, 3):
            weights = data[2] if len(data) == 3 else None
            with checked.within(where):
                return Arrays(self, data[0], data[1], batch_size or 32, weights, what="validation x")
        data = in_batches(data)
        ok = hasattr(data, "__iter__") and not hasattr(data, "shape") and not isinstance(data, (str, bytes, dict, set))
        require(ok, where, expected, checked.shown(data), error=ArgumentTypeError)
        if isinstance(data, (tuple, list)):
            ok = len(data) > 0 and all(isinstance(one, (tuple, list)) for one in data)
            received, fix = f"{len(data)} of something else", "give x and y, or an iterable of (x, y)"
            require(ok, where, expected, received, fix, error=ArgumentTypeError)
        with checked.within(where):
            found = source(self, data, None, None, what="validation x")
            if isinstance(found, Batches):
                found.look()
        return found

    def _test(self, data, steps, hooks, ranks=None) -> dict[str, float]:
        with loop.RunningLogs(self) as logs:
            hooks.on_test_begin()
            if isinstance(data, (Augmented, Batches)):
                loop.evaluate_batches(self, data, steps, logs, hooks)
            else:
                loop.evaluate(self, data, steps, logs, hooks, ranks)
            found = logs.result()  # while the metrics are this pass's own
            hooks.on_test_end(dict(found))
        return found

    @checked.older(*QUEUES, "show_accuracy")
    @checked.named
    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, verbose: int | str = "auto",
                 sample_weight: Any = None, steps: int | None = None, callbacks: list | Callback | None = None,
                 return_dict: bool = False) -> Any:  # fmt: skip
        """Loss and metrics on data: the loss alone, [loss, metrics...], or a dict."""
        self._ready("evaluate")
        return_dict = checked.flag("evaluate: return_dict", return_dict)
        checked.verbose("evaluate: verbose", verbose)
        for name, value in {"batch_size": batch_size, "steps": steps}.items():
            if value is not None:
                positive_int(f"evaluate: {name}", value)
        data = source(self, x, y, batch_size, sample_weight, where="evaluate")
        steps = _steps("evaluate", data, steps)
        hooks = self._hooks(callbacks, verbose, steps)
        try:
            with self.backend.running():
                logs = self._test(data, steps, hooks)
        finally:
            hooks.close()
        return self._report(logs, return_dict)

    @checked.older(*QUEUES)
    @checked.named
    def predict(self, x: Any, batch_size: int | None = None, verbose: int | str = "auto", steps: int | None = None,
                callbacks: list | Callback | None = None, *, tta: str | None = None) -> Any:  # fmt: skip
        """Outputs for all of x, (N, *output_shape), or for its first `steps` batches; a list of several outputs.

        They do not depend on batch_size. x is an array, a flow, whose rows come in their order, or an iterable of
        batches (`steps` of them, if it is endless). tta: "shifts", "flips" or "shifts+flips": the mean over moved or
        mirrored copies of each image (tta.py), for an array x; so many times the work.
        """
        if tta is not None:
            return self._mean_over_copies(x, tta, batch_size, verbose, steps, callbacks)
        require(self.operations, "predict", "a model with layers", "an empty one", error=NotBuiltError)
        for name, value in {"batch_size": batch_size, "steps": steps}.items():
            if value is not None:
                positive_int(f"predict: {name}", value)
        pieces, stops = all_x(self, x, batch_size or 32, steps)
        hooks = self._hooks(callbacks, verbose, len(stops))
        shapes = {tuple(output_shapes(self, piece)) for piece in pieces}
        expected, fix = "batches whose outputs are of one size", "predict each size by itself"
        require(len(shapes) == 1, "predict: x", expected, ", ".join(map(str, sorted(shapes))), fix)
        out = together(np.empty((stops[-1], *shape), self.backend.dtype) for shape in shapes.pop())
        try:
            with self.backend.running():
                hooks.on_predict_begin()
                tiles, done = loop.infer_all(self, pieces), 0
                for step, (start, stop) in enumerate(zip([0, *stops], stops, strict=False)):
                    hooks.on_predict_batch_begin(step)
                    while done < stop:
                        rows, y = next(tiles)
                        done = rows.stop
                        for whole, part in zip(parts(out), parts(y), strict=True):
                            whole[rows] = self.backend.to_numpy(part)
                    hooks.on_predict_batch_end(step, {"outputs": self._answer([one[start:stop] for one in parts(out)])})
                hooks.on_predict_end()
        finally:
            hooks.close()
        return self._answer(list(parts(out)))

    def _mean_over_copies(self, x, tta: str, *predict_args) -> np.ndarray:
        """predict of each copy of x, averaged."""
        one = not isinstance(self.sample_in, list) and not isinstance(self.sample_out, list)
        require(one, "predict: tta", "a model with one input and one output", "several", error=ArgumentError)
        total, count = 0.0, 0
        for copy in copies(x, tta):
            total, count = total + flat(self.predict(copy, *predict_args))[0], count + 1
        return self._answer([total / np.asarray(count, self.backend.dtype)])

    def _hooks(self, callbacks, verbose, steps) -> CallbackList:
        chatty = checked.verbose("verbose", verbose)
        params = {"verbose": chatty, "epochs": 1, "steps": steps}
        return CallbackList(callbacks, add_progbar=chatty != 0, model=self, params=params)

    @checked.named
    @changes
    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: dict | None = None,
                       return_dict: bool = False) -> Any:  # fmt: skip
        """One step on one batch: the loss alone, [loss, metrics...], or a dict."""
        self._ready("train_on_batch")
        return_dict = checked.flag("train_on_batch: return_dict", return_dict)
        require(self.world.size == 1, "train_on_batch", "a model that one process trains", repr(self.world),
                "use fit, which shares batches out", error=ArgumentError)  # fmt: skip
        x = check_x(self, x, "x")
        batch = Arrays(self, x, y, len(x), sample_weight, class_weight, where="train_on_batch")
        loop.optimizer_of(self).learning_rate  # noqa: B018 (a schedule that returns no rate is told here)
        self.prepare_optimizer()
        with loop.RunningLogs(self) as logs, self.backend.running():
            self.programs.refresh()
            ((xb, yb, t, w),) = batch.batches(self.backend, self.streams, False, 1)
            loss, last, shares = loop.train_step(self, xb, t, w)
            logs.add(loss, yb, last, w, shares=shares)
            results = logs.result()
        return self._report(results, return_dict)

    def _report(self, logs: dict[str, float], return_dict: bool):
        """The loss alone, [loss, metrics...] in compile's order, or the dict."""
        values = [logs[name] for name in self.metrics_names]
        return logs if return_dict else values if len(values) > 1 else values[0]

    @checked.named
    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Loss and metrics on one batch."""
        x = check_x(self, x, "x")
        require(y is not None, "test_on_batch", "targets y", "None", error=ArgumentTypeError)
        return self.evaluate(x, y, batch_size=len(x), verbose=0, sample_weight=sample_weight, return_dict=return_dict)

    @checked.named
    def predict_on_batch(self, x: Any) -> Any:
        """Outputs for one batch, as predict's."""
        x = check_x(self, x, "x")
        return self.predict(x, batch_size=len(x), verbose=0)


def _steps(where: str, data, steps: int | None) -> int | None:
    """How many batches an evaluation makes; None: as many as an iterable yields."""
    return passes(where, steps, data.steps) if data.steps is not None else steps


def _fuses(loss: Loss | None, activation: Any) -> bool:
    """Whether the loss would rather see what this activation is given."""
    fits = loss is not None and activation is not None and activation is loss.fused
    return fits and not getattr(loss, "from_logits", False)


def _loss(where: str, value) -> losses.Loss | None:
    loss = None if value is None else losses.get(value)
    ok = loss is None or loss.reduction != "none"
    require(ok, where, "a loss that is one number", 'reduction "none"', error=ArgumentError)
    return loss


def _metrics(name: str, given) -> list:
    listed = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
    with checked.within(f"compile: {name}"):
        return [metrics.get(m) for one in listed for m in (one if isinstance(one, (list, tuple)) else [one])]


def _of_one(what: str, given, names: list[str]):
    """Metrics of the one output: what a dict by its name holds, else what is given."""
    named = isinstance(given, dict) and "class_name" not in given and names != [""]
    return per_place(f"compile: {what}", given, names, fill=True)[0] if named else given


def _placed(what: str, given, names: list[str]) -> list[tuple]:
    """(metric, number of its output): of a list per output, a dict, or one list for all."""
    if isinstance(given, (list, tuple)) and given and not any(isinstance(one, (list, tuple)) for one in given):
        given = [[one] for one in given] if len(given) == len(names) else [list(given)] * len(names)
    if given is None:
        return []
    listed = [given] * len(names) if isinstance(given, str) or callable(given) else given
    return [(metric, k) for k, one in enumerate(per_place(f"compile: {what}", listed, names, fill=True))
            for metric in _metrics(what, one)]  # fmt: skip


def _held_out(x, y, sample_weight, fraction, validation_data):
    """The last rows as validation data, cut before any shuffling."""
    if isinstance(x, (list, tuple, dict)) or isinstance(y, (list, tuple, dict)):
        return _several_held_out(x, y, sample_weight, fraction, validation_data)
    ok = validation_data is None and hasattr(x, "shape") and y is not None
    require(ok, "fit: validation_split", "arrays x and y and no validation_data", "something else", error=ArgumentError)
    train, held_out = split_rows(len(x), fraction)
    y = checked.array("fit: y", y)
    weights = None, None
    if sample_weight is not None:
        sample_weight = check_weights(sample_weight)
        check_lengths("fit", x=x, y=y, sample_weight=sample_weight)
        weights = sample_weight[train], sample_weight[held_out]
    return (
        x[train],
        y[train],
        weights[0],
        (x[held_out], y[held_out], *((weights[1],) if sample_weight is not None else ())),
    )


def _several_held_out(x, y, sample_weight, fraction, validation_data):
    """The same of lists and dicts of arrays."""
    ok = validation_data is None and y is not None
    require(ok, "fit: validation_split", "arrays x and y and no validation_data", "something else", error=ArgumentError)

    def cut(value, rows):
        if isinstance(value, dict):
            return {key: cut(one, rows) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [cut(one, rows) for one in value]
        return None if value is None else checked.array("fit: validation_split", value)[rows]

    first = x
    while isinstance(first, (list, tuple, dict)):
        first = next(iter(first.values() if isinstance(first, dict) else first))
    train, held_out = split_rows(len(first), fraction)
    weights = [] if sample_weight is None else [cut(sample_weight, held_out)]
    return cut(x, train), cut(y, train), cut(sample_weight, train), (cut(x, held_out), cut(y, held_out), *weights)
