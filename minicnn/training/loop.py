"""The training step, and passes over batches. Everything that changes while a model learns changes here."""

import collections
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from ..callbacks import CallbackList
from ..core.program import Program
from ..core.tensor import Tensor, no_grad
from ..errors import NonFiniteError, NotBuiltError
from ..optimizers import Optimizer
from .memory import retry_on_oom
from .several import Several, each, output_shapes, parts, together

if TYPE_CHECKING:
    from .checkpoint import Checkpoints
    from .inputs import Arrays, Augmented, Batches
    from .trainer import Trainer
    from .underway import Underway
    from .world import Ranks

# Images that go through the network together at inference, whatever the batch size: so many that what a kernel does
# once per call costs nothing, so few that no layer's output takes more than TILE_BYTES.
TILE = 448
TILE_BYTES = 1 << 26
PENDING = 1 << 18  # bytes of outputs and truth that may wait for the metrics
_MEASURED: dict[int, object] = {}  # id of each metric that a running pass counts with
FILLED_TILE = 32  # where the last tile has to be filled up with zeros, which are computed too


def optimizer_of(model: "Trainer") -> Optimizer:
    """A model's optimizer.  Raises NotBuiltError before compile."""
    if model.optimizer is None:
        fix = 'call compile("adam", "categorical_crossentropy")'
        raise NotBuiltError(f"{model.name}: expected a compiled model, received one without an optimizer; {fix}")
    return model.optimizer


def train_step(model: "Trainer", x: Any, t: Any, w: Any) -> tuple:
    """Forward, loss, backward, update.  x, t, w on the model's backend -> the loss, what `outputs` takes, and of
    several outputs each one's loss: all from before the update.  The caller holds the guard, until it has counted the
    step too. Where several processes share the batch, x is this one's part of it, and all else the whole's.

    Raises NonFiniteError before anything has changed: weights, moving averages, optimizer and counters stay.
    """
    ranks = model.ranks
    if ranks is not None:
        t, w = t[ranks.rows], None if w is None else w[ranks.rows]
        ranks.begin_step()
    if isinstance(x, Several) or isinstance(t, Several):
        given = [parts(one) for one in ((x, t) if w is None else (x, t, w))]
        arrays = [one for column in given for one in column if one is not None]
        shapes = [tuple(one if one is None else one.shape for one in column) for column in given]
    else:
        arrays = (x, t) if w is None else (x, t, w)
        shapes = x.shape, t.shape, None if w is None else w.shape
    program = model.programs.training(*shapes)
    step = partial(gradients, model, program, arrays, model.streams.step, checked if ranks is None else None)
    if ranks is None:
        values, loss = retry_on_oom(model, len(x), step)
        update(model, program, values)
    else:
        values, _ = retry_on_oom(model, len(x), partial(ranks.attempt, step))
        loss, moved = ranks.sum(program, values, arrays)
        update(model, program, values, moved=moved)
    model.streams.step += 1
    if not program.parts:
        return loss, Tensor.of(values[program.last], model.backend, None), ()
    last = Several(Tensor.of(values[slot], model.backend, None) for slot in program.lasts)
    return loss, last, [float(values[slot]) for slot in program.parts]


def checked(model: "Trainer", program: Program, arrays: Sequence[Any], loss: Any) -> float:
    """The loss on the host.  Raises NonFiniteError."""
    value = float(loss)
    if not math.isfinite(value):
        cause = first_non_finite(model, program, arrays[: len(model.samples_in)])
        raise NonFiniteError(f"loss is {value}: {cause}", value)
    return value


def gradients(model: "Trainer", program: Program, arrays: Sequence[Any], step: Any,
              check: Callable | None = None) -> tuple[list, float | None]:  # fmt: skip
    """Forward and backward: the program's values, and the parameters hold gradients.  Changes nothing else.

    check: looks at the loss before backward, as `checked` does.
    """
    be = model.backend
    values, vjps = program.forward(be, arrays, step, row=model.streams.row)
    loss = values[program.loss]
    value = None if check is None else check(model, program, arrays, loss)
    if program.learns:
        for p in model.optimizer.params:
            p.grad = None  # what an interrupted step, or a user's own backward, may have left
        placing = be.placing if model.ranks is None else None
        program.backward(be, vjps, be.xp.ones_like(loss) if be.one is None else be.one, placing=placing)
    return values, value


def update(model: "Trainer", program: Program, values: list, device_args: Any = None, phase: Any = None,
           moved: list | None = None) -> None:  # fmt: skip
    """The step's end: weights and moving averages move.  device_args, phase: see Optimizer.step.

    moved: what layers on the tape have to say of their averages; None: they are asked. Several processes sum what they
    have found before they all do this: see Ranks.sum.
    """
    averages = [(p.data, values[slot], momentum) for p, slot, momentum in program.averages]
    if moved is None:
        moved = [one for layer in program.taped for one in layer.moved()]
    together = program.learns and model.backend.blend is not None
    if program.learns:
        # A step of one's own, without `averages`, runs on CPUs.
        also: dict[str, Any] = {"averages": averages + moved} if together else {}
        model.optimizer.step(device_args, phase, **also)
        for p, constraint in program.restraints:
            with no_grad():
                p.restrain(constraint)
    if not together:
        model.backend.update_averages(averages + moved)


def outputs(model: "Trainer", y: Any) -> Any:
    """The model's outputs as NumPy, from its last tensors: logits where a loss is fused with the last activation."""
    with no_grad():
        if not isinstance(y, Several):
            return (model.last_layers[0].activation(y) if model.fused_with else y).numpy()
        lasts = zip(model.last_layers, model.fusing, y.parts, strict=True)
        return Several((layer.activation(one) if flag else one).numpy() for layer, flag, one in lasts)


def first_non_finite(model: "Trainer", program: Program, xs: Sequence[Any]) -> str:
    """Run the step again, with the same random decisions, up to the first layer whose output is not finite."""
    be = model.backend
    if not all(bool(be.xp.isfinite(x).all()) for x in xs):
        return "the batch's x is not finite"
    for p in model.weights:
        if not bool(be.xp.isfinite(p.data).all()):
            return f"weight {p.path} is not finite; lower the learning rate"
    with no_grad():
        for layer, y in program.walk(be, xs, model.streams.step, model.streams.row):
            if not bool(be.xp.isfinite(y).all()):
                name = f"{layer.name} ({type(layer).__name__})"
                return f"the first layer whose output is not finite is {name}; lower the learning rate"
    return "every layer's output is finite; the loss itself overflowed"


def train_epoch(model: "Trainer", source: "Arrays | Batches", steps: int | None, shuffle: bool, logs: "RunningLogs",
                callbacks: CallbackList, epoch: int, kept: "Checkpoints | None" = None) -> None:  # fmt: skip
    """One pass, from step `logs.step` on.  `logs` gathers running means; model.stop_training is looked at after every
    batch.  kept: the run's checkpoints, or None.
    """
    watched = callbacks.acts_on_batches  # by somebody who may look at metrics, or change layers, at any batch
    model.programs.refresh()
    for step, (x, y, t, w) in enumerate(
        source.batches(model.backend, model.streams, shuffle, steps, logs.step, epoch), logs.step
    ):
        callbacks.on_train_batch_begin(step)
        if watched:
            with model.guard.changing():
                model.prepare_optimizer()  # for what is trainable now
                model.programs.refresh()
        with model.guard.changing():
            try:
                loss, last, shares = train_step(model, x, t, w)
            except NonFiniteError as error:
                if not callbacks.judges_loss:
                    where = f"fit: stopped at epoch {epoch + 1}, batch {step + 1}"
                    raise NonFiniteError(f"{where}: {error}", error.loss) from None
                shapes = output_shapes(model, x)
                nothing = [Tensor(np.full((len(y), *shape), np.nan), model.backend) for shape in shapes]
                loss, last = error.loss, together(nothing)
                shares = [loss] * len(logs.shares)
            logs.add(loss, y, last, w, wait=not watched, shares=shares)
            logs.step = step + 1
        callbacks.on_train_batch_end(step, logs.result)
        due = kept is not None and kept.due()
        if model.ranks is not None:
            due = model.ranks.agree() or due
        if due and kept is not None:
            kept.step_end(epoch, step + 1, steps, logs)
        if model.stop_training or (kept is not None and kept.ending):
            return


def infer(model: "Trainer", x: Any, *, logits: Any, number: int | None = None,
          row: int = 0) -> Iterator[tuple[slice, Any]]:  # fmt: skip
    """Outputs for images x, a tile at a time: yields (rows, outputs), which do not depend on any batch size.

    number, row: of the inference, what layers draw that are always at work, and how many rows come before x in it.

    Where the backend's products depend on the number of rows (BLAS), the last tile is filled up with zeros; there an
    image's place within its tile may still show in the last bits.
    """
    be = model.backend
    size = tile_size(model) if be.batch_invariant else FILLED_TILE
    for start in range(0, len(x), size):
        tile = [be.asarray(one, be.dtype) for one in parts(x[start : start + size])]
        n = len(tile[0])
        if n < size and not be.batch_invariant:
            tile = [be.xp.concatenate([one, be.xp.zeros((size - n, *one.shape[1:]), be.dtype)]) for one in tile]
        with no_grad(), model.guard, model.streams.inference(number, row + start) as inference:
            if not start:
                model.programs.refresh()
            number = inference.number
            program = model.programs.prediction(tuple(one.shape for one in tile), logits)
            values = retry_on_oom(model, n, partial(program.forward, be, tile, number, row=inference.row))[0]
            inference.drew = inference.drew or program.draws
            model.streams.inferred(inference)  # a dropout that is always at work draws anew
        yield slice(start, start + n), together(values[slot][:n] for slot in program.lasts)


def infer_all(model: "Trainer", pieces: list) -> Iterator[tuple[slice, Any]]:
    """infer over pieces of which each has a size of its own; rows are counted through all of them."""
    before = 0
    for x in pieces:
        for rows, y in infer(model, x, logits=False):
            yield slice(before + rows.start, before + rows.stop), y
        before += len(x)


def tile_size(model: "Trainer") -> int:
    """Images of a tile; four, two or one, or a multiple of four, so that draws do not depend on where a tile begins."""
    largest = max(math.prod(shape) for shape in model.sizes)
    size = max(min(TILE, TILE_BYTES // (largest * model.backend.dtype.itemsize)), 1)
    return size - size % 4 if size > 3 else min(size, 2)


def evaluate(model: "Trainer", source: "Arrays", steps: int, logs: "RunningLogs", callbacks: CallbackList,
             ranks: "Ranks | None" = None) -> None:  # fmt: skip
    """Loss and metrics over the first `steps` batches of arrays, in order and without training.

    ranks: who computes the outputs together, or None: this process alone.
    """
    be, n = model.backend, min(steps * source.batch_size, source.n)
    y = together(be.xp.empty((n, *shape), be.dtype) for shape in output_shapes(model, source.x))
    number = model.streams.inferences
    tiles, done = infer(model, source.x[:n], logits=model.fusing, number=number), 0
    if ranks is not None:
        ranks.outputs(source.x[:n], y)
        done = n
    for step in range(steps):
        callbacks.on_test_batch_begin(step)
        rows = slice(step * source.batch_size, min((step + 1) * source.batch_size, n))
        while done < rows.stop:
            tile, found = next(tiles)
            for whole, part in zip(parts(y), parts(found), strict=True):
                whole[tile] = part
            done = tile.stop
        _test(
            model,
            logs,
            (source.x, rows, number),
            y[rows],
            source.y[rows],
            source.targets[rows],
            None if source.weights is None else source.weights[rows],
        )
        callbacks.on_test_batch_end(step, logs.result)


def evaluate_batches(model: "Trainer", source: "Augmented | Batches", steps: int | None, logs: "RunningLogs",
                     callbacks: CallbackList) -> None:  # fmt: skip
    """The same over an iterable of batches."""
    be = model.backend
    for step, (x, y_true, t, w) in enumerate(source.batches(be, model.streams, False, steps)):
        callbacks.on_test_batch_begin(step)
        number = model.streams.inferences
        pieces = [parts(part) for _, part in infer(model, each(be.to_numpy, x), logits=model.fusing, number=number)]
        y = together(map(be.xp.concatenate, zip(*pieces, strict=True)))
        _test(model, logs, (x, slice(None), number), y, y_true, t, w)
        callbacks.on_test_batch_end(step, logs.result)


def _test(model, logs, place, y, y_true, t, w) -> None:
    """place: (images, rows of them, the inference's number), which are looked at where a regularizer wants them."""
    be = model.backend
    with no_grad():
        y = each(lambda one: Tensor(one, be), y)
        t, w = (one and each(lambda one: be.asarray(one, be.dtype), one) if isinstance(one, Several) else
                one if one is None else be.asarray(one, be.dtype) for one in (t, w))  # fmt: skip
        loss, shares = model.objective(parts(t), parts(y), parts(w) if w is not None else [None] * len(parts(t)))
        if model.penalised:
            loss += added(model, *place)
    logs.add(loss, y_true, y, w, shares=shares)


def added(model: "Trainer", x: Any, rows: slice, number: int) -> float:
    """What regularizers add to the loss of images x at inference `number`; for those of outputs, again."""
    be = model.backend

    def walk():
        with model.streams.inference(number, rows.start or 0):
            model.forward([Tensor(be.asarray(one, be.dtype), be) for one in parts(x[rows])], training=False)

    _, found = model.penalties(walk) if any(layer.adding for layer in model.leaves) else model.penalties()
    return sum(float(one.numpy()) for one in found)


class RunningLogs:
    """The means that are reported: of the loss, weighted by batch size, and of every metric.  `with` ends their pass.

    The first pass uses the metrics as they were compiled; one that begins before it has ended, in a callback, in
    another thread, of another model that shares them, has metrics of its own, so that neither counts the other's
    batches. So has the second of two places in which compile was given one metric.

    Metrics are deferred: a batch that may wait is shown to them when a result is asked for, or when enough batches
    wait. So neither they nor the outputs' softmax stand between one step's last kernel and the next step's first,
    where Python is slow, since the caches hold nothing but images.
    """

    def __init__(self, model: "Trainer"):
        self.model, self._claimed = model, []
        self.names = model.metrics_names[1 : 1 + len(model.metrics) + len(model.weighted_metrics)]
        self.share_names = model.metrics_names[1 + len(self.names) :]
        self.shares = [0.0] * len(self.share_names)  # of every output's loss
        self.metrics, self.weighted = ([*map(self._own, given)] for given in (model.metrics, model.weighted_metrics))
        self.total, self.count, self.step = 0.0, 0, 0
        self.pending, self.pending_bytes = collections.deque(), 0
        for metric in (*self.metrics, *self.weighted):
            metric.reset_state()
        self.base = 0.0, 0, [0.0] * len(self.metrics)  # what was there before this fit: see set_state

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for metric in self._claimed:
            del _MEASURED[id(metric)]
        self._claimed = []

    def _own(self, metric):
        """The metric, for this pass alone; or an independent copy, where a pass counts with it already."""
        mark = object()
        if _MEASURED.setdefault(id(metric), mark) is not mark:  # in one step: threads
            return metric.independent_copy()
        self._claimed.append(metric)
        return metric

    def add(self, loss: float, y_true: Any, last: Any, w: Any, wait: bool = False,
            shares: Sequence[float] = ()) -> None:  # fmt: skip
        """One batch: its loss, the truth, the model's last tensor (see `outputs`), weights or None; it may wait.

        The first batch never waits: a metric that does not fit the data fails there.
        """
        wait = wait and self.count > 0
        self.total += loss * len(y_true)
        if self.shares:  # a single loss is the whole one
            self.shares = [a + b * len(y_true) for a, b in zip(self.shares, shares, strict=True)]
        self.count += len(y_true)
        if self.metrics or self.weighted:
            self.pending.append((y_true, last, w))
            self.pending_bytes += last.data.nbytes + y_true.nbytes
            if not wait or self.pending_bytes > PENDING:
                self._flush()

    def _flush(self) -> None:
        """Show the metrics every batch that waits."""
        while self.pending:
            y_true, last, w = self.pending.popleft()
            self.pending_bytes -= last.data.nbytes + y_true.nbytes
            predicted = retry_on_oom(self.model, len(y_true), partial(outputs, self.model, last))
            if isinstance(last, Several):
                self._show_each(y_true, last, predicted, w)
                continue
            fused = self.model.fused_with
            w = None if w is None else self.model.backend.to_numpy(w)
            for metric, weights in (*zip(self.metrics, repeat(None)), *zip(self.weighted, repeat(w))):
                _show(metric, fused, y_true, last, predicted, weights)

    def _show_each(self, y_true, last, predicted, w) -> None:
        """The same for several outputs: every metric sees its own."""
        model, (plain, weighted) = self.model, self.model.metric_places
        fused = [one.fused if flag and one is not None else None
                 for one, flag in zip(model.output_losses, model.fusing, strict=True)]  # fmt: skip
        w = Several([None] * len(fused)) if w is None else each(model.backend.to_numpy, w)
        places = [(metric, k, None) for metric, k in zip(self.metrics, plain, strict=True)]
        places += [(metric, k, w.parts[k]) for metric, k in zip(self.weighted, weighted, strict=True)]
        for metric, k, weights in places:
            _show(metric, fused[k], y_true.parts[k], last.parts[k], predicted.parts[k], weights)

    def get_state(self) -> dict:
        """Sums and the metrics' states, after every batch so far: plain values and arrays."""
        self._flush()
        more = {"shares": list(self.shares)} if self.shares else {}
        return more | {"step": self.step, "total": self.total, "count": self.count,
                "metrics": [metric.get_state() for metric in (*self.metrics, *self.weighted)]}  # fmt: skip

    def set_state(self, state: dict) -> None:
        """Go on from there: with `add`, and with `replace`, which counts from here on."""
        self.step, self.total, self.count = state["step"], state["total"], state["count"]
        for metric, held in zip((*self.metrics, *self.weighted), state["metrics"], strict=True):
            metric.set_state(held)
        self.shares = list(state.get("shares", self.shares))
        self.base = self.total, self.count, [getattr(metric, "total", 0.0) for metric in self.metrics]

    def go_on(self, underway: "Underway") -> None:
        """Begin where an epoch was left; its means begin anew where other metrics have been set since."""
        self.step = underway.step
        held = underway.logs
        if held is not None and len(held["metrics"]) == len(self.metrics) + len(self.weighted):
            self.set_state(held)

    def replace(self, losses: list[float], sizes: list[int], right: int) -> None:
        """As if `add` had been called for batches of these sizes; right: of all answers, for metrics of accuracy."""
        self.total, count, before = self.base
        self.count = count + sum(sizes)
        for loss, n in zip(losses, sizes, strict=True):
            self.total += loss * n
        for metric, already in zip(self.metrics, before, strict=True):
            metric.total, metric.count = already + float(right), self.count

    def result(self) -> dict[str, Any]:
        with self.model.guard:  # a file that another thread writes asks too
            self._flush()
        means = {n: _number(m.result()) for n, m in zip(self.names, (*self.metrics, *self.weighted), strict=True)}
        for name, total in zip(self.share_names, self.shares, strict=True):
            means[name] = total / max(self.count, 1)
        return means | {"loss": self.total / max(self.count, 1)}


def _show(metric, fused, y_true, last, predicted, weights) -> None:
    """One batch to one metric: the logits, where it has the loss's own formula for them."""
    if fused is not None and getattr(metric, "fused", None) is fused:
        metric.update_from_logits(y_true, last.numpy(), weights)  # one formula, one number
    else:
        metric.update_state(y_true, predicted, *([] if weights is None else [weights]))


def _number(found):
    """A metric's result as a number; several, of a metric that gives one per class or threshold, as an array."""
    array = np.asarray(found)
    return float(array.reshape(())) if array.size == 1 else array
