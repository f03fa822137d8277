"""Train an epoch on the GPU without host round-trips: record one step as a CUDA graph, and replay it.

      once per fit      images (or rows), targets and weights of samples go to the device
      once per epoch    so do the order of the rows, the augmentation's matrices, and for every step its random counter
                        and its optimizer's rates: what loop.py would use, computed in the same way
      step after step   replay(): begin, gather, forward, loss, backward, update, end       nothing is read
      at the end        losses, right answers and the first bad step are read; the host's counters move on

The bytes are those of loop.py's steps. A step is run from Python once, then recorded, then replayed; a smaller last
batch is a recording of its own. graph=False runs every step from Python.

Weights, moving averages and optimizer state are copied on the device as an epoch begins. Where a step turns out to have
been bad, or Ctrl-C came in the middle of one, the steps before it are run again from that copy: what is left is the
state after the last good whole step, as in loop.py.
"""

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import metrics
from ..callbacks import CallbackList
from ..core.tensor import Tensor, no_grad
from ..data.flow import host
from ..data.image_files import ImageFiles
from ..errors import NonFiniteError
from ..notes import note
from ..ops.activation import softmax
from . import loop
from .inputs import Arrays, Augmented, Batches
from .memory import retry_on_oom
from .several import Several

if TYPE_CHECKING:
    from .checkpoint import Checkpoints
    from .trainer import Trainer

COUNTED = (metrics.accuracy, metrics.categorical_accuracy, metrics.sparse_categorical_accuracy)


def prepare(model: "Trainer", source: Arrays | Batches, steps: int | None, hooks: CallbackList) -> "Captured | None":
    """What trains epochs of `source` by replaying recorded steps; None where that cannot be: a note says why.

    No note where the device records nothing, as CPUs.
    """
    if model.backend.record is None:
        return None
    reason = _reason(model, source, hooks)
    if reason:
        note(f"fit: the host runs every step by itself and reads its loss: {reason}")
        return None
    if not isinstance(source, Arrays):  # of which a reason has been told
        return None
    return retry_on_oom(model, source.batch_size, lambda: Captured(model, source, steps or source.steps))


def _reason(model, source, hooks) -> str | None:
    """Why the steps have to be run one by one."""
    if model.ranks is not None:
        return "several processes sum their gradients"
    if not isinstance(source, Arrays):
        return "x is an iterable of batches"
    if isinstance(source.x, Several) or isinstance(source.y, Several):
        return "the model has several inputs or outputs"
    if isinstance(source.x, ImageFiles):
        return "the pictures are read from files"
    if isinstance(source, Augmented) and not source.flow.image_data_generator.only_moves():
        return "the augmentation does more than move pixels"
    if model.nan_check == "step":
        return 'nan_check="step"'
    if hooks.acts_on_batches:
        return "a callback looks at every batch"
    counted = [m for m in model.metrics if type(m) is metrics.MeanMetricWrapper and m.fn in COUNTED]
    counted += [m for m in model.metrics if type(m) in (metrics.CategoricalAccuracy, metrics.SparseCategoricalAccuracy)]
    others = [m.name for m in (*model.metrics, *model.weighted_metrics) if m not in counted]
    if others:
        return f"{', '.join(others)}: only accuracy is counted on the device"
    if model.metrics and (len(model.sample_out) != 1 or model.sample_out[0] == 1):
        return f"accuracy of outputs of shape {('N', *model.sample_out)}"
    if not model.backend.indexable(source.x, source.targets):
        return "x has more numbers than the kernels can count"
    if not model.trainable_weights:
        return "no weight is trainable"
    if model.optimizer.device_args(model.optimizer.iterations) is None:
        return f"the update of {model.optimizer.name} is not one kernel"
    return None


class EpochTables(NamedTuple):
    """What an epoch needs from the host. sizes: images of every step."""

    sizes: list[int]
    order: np.ndarray  # (rows,) int32
    matrices: np.ndarray | None  # (rows, 2, 3) float64


class Captured:
    """The steps of one fit on its device."""

    def __init__(self, model: "Trainer", source: Arrays, steps: int):
        self.model, self.source, self.steps = model, source, steps
        self.be = be = model.backend
        self.flow = source.flow if isinstance(source, Augmented) else None
        kept = source.x.dtype == np.uint8  # an eighth of float64, and exact
        self.images = be.asarray(source.x, None if kept else be.dtype)
        self.targets = be.asarray(source.targets, be.dtype)
        self.weights = None if source.weights is None else be.asarray(source.weights, be.dtype)
        self.answers = be.asarray(_classes(source.y)) if model.metrics else None
        rates = len(loop.optimizer_of(model).device_args(0) or ())
        short = source.steps * source.batch_size - source.n  # rows that the last batch of a pass lacks
        most = steps * source.batch_size - steps // source.steps * short
        self.tables = be.epoch(most, steps, rates, self.flow is not None)
        self.ran, self.replays, self.described = set(), {}, None
        self.ahead: dict = {}  # the next epoch's tables, made while the device is busy with this one

    def epoch(self, logs: "loop.RunningLogs", hooks: CallbackList, shuffle: bool, epoch: int,
              kept: "Checkpoints | None" = None) -> None:  # fmt: skip
        """One pass, as loop.train_epoch: running means go to `logs`, the device's state and the host's move on."""
        model, tables = self.model, self.tables
        start = self.start = logs.step
        first = self.first = model.streams.step - start, loop.optimizer_of(model).iterations - start  # as it began
        planned = self._epoch_tables(shuffle, epoch, first[0])
        self._forget_old_recordings()
        state = self._state()
        copies = retry_on_oom(model, self.source.batch_size, lambda: [array.copy() for array in state])
        retry_on_oom(model, self.source.batch_size, lambda: self._send(planned))

        def undo():
            self._roll_back(planned, state, copies)

        try:
            for step, n in enumerate(planned.sizes[start:], start):
                hooks.on_train_batch_begin(step)
                retry_on_oom(model, n, partial(self._run, step, n), undo)
                if step + 1 == len(planned.sizes):
                    self.ahead = {}
                    self._epoch_tables(shuffle, epoch + 1, first[0] + self.steps)
                    self.be.to_numpy(tables.progress)  # waits for the device: what follows is timed
                hooks.on_train_batch_end(step, lambda: self._read(logs, planned))
                if kept is not None and kept.due():
                    self._keep(kept, logs, planned, epoch)
                if model.stop_training or (kept is not None and kept.ending):
                    break
        finally:  # also after Ctrl-C
            done, bad = self._roll_back(planned, state, copies)
            self._move_on(logs, planned, done)
        if bad is not None:
            self._raise(planned, bad, epoch)

    def _keep(self, kept, logs: "loop.RunningLogs", planned: EpochTables, epoch: int) -> None:
        """A checkpoint between two launches; none behind a loss that was not finite: the epoch's end will say so."""
        _, _, done, bad = map(int, self.be.to_numpy(self.tables.progress))
        if bad < 0:
            self._move_on(logs, planned, done)
            kept.step_end(epoch, done, self.steps, logs)

    def _move_on(self, logs: "loop.RunningLogs", planned: EpochTables, done: int) -> None:
        """Bring the host to the end of the epoch's first `done` steps."""
        self._read(logs, planned, done)
        logs.step = done
        self.model.streams.step = self.first[0] + done
        if self.model.trainable_weights:
            loop.optimizer_of(self.model).iterations = self.first[1] + done

    # what a step is --------------------------------------------------------------------------------------------------

    def _step(self, n: int, phase) -> None:
        """One step on n images: loop.train_step, without a question to the host.  phase: the optimizer's."""
        model, tables, program = self.model, self.tables, self._program(n)
        tables.begin()
        x, t = self._images(n), tables.gather(self.targets, n)
        w = None if self.weights is None else tables.gather(self.weights, n)
        arrays = (x, t) if w is None else (x, t, w)
        with model.streams.step_from_device(tables.counter):
            values, _ = loop.gradients(model, program, arrays, tables.counter)
            loop.update(model, program, values, tables.rate, phase)
        outputs, logits = None if self.answers is None else values[program.last], model.fused_with is softmax
        if outputs is not None and model.fused and not logits:
            with no_grad():
                outputs = model.fused_with(Tensor.of(outputs, self.be, None)).data
        tables.end(values[program.loss], outputs, self.answers, logits)

    def _program(self, n: int):
        """The step on n images; it is written down at the first call, which no recording should hold."""
        given = self.images, self.targets, self.weights
        return self.model.programs.training(*(None if a is None else (n, *a.shape[1:]) for a in given))

    def _images(self, n: int):
        if self.flow is None:
            return self.tables.gather(self.images, n)
        g = self.flow.image_data_generator
        return self.tables.warp(self.images, n, fill_mode=g.fill_mode, cval=g.cval, scale=g.rescale or 1.0)

    def _run(self, step: int, n: int) -> None:
        """The epoch's step, the next one, which has n images: first from Python, then recorded, then replayed."""
        phase, record = loop.optimizer_of(self.model).phase(self.first[1] + step), self.be.record
        kind = n, phase
        if record is not None and self.model.graph and kind in self.ran and kind not in self.replays:
            try:
                self.replays[kind] = record(lambda: self._step(n, phase))
            except self.be.memory_errors:
                raise
            except Exception as cause:
                note(f"fit: a step cannot be recorded ({cause}); it is run from Python each time: slower, same bytes")
                self.replays[kind] = lambda: self._step(n, phase)
        self.replays.get(kind, lambda: self._step(n, phase))()
        self.ran.add(kind)

    def _forget_old_recordings(self) -> None:
        """Recordings hold a network and an optimizer as they were: begin anew where a callback has changed them."""
        optimizer = loop.optimizer_of(self.model)
        self.model.programs.refresh()
        settings = {key: value for key, value in optimizer.get_config().items() if key != "learning_rate"}
        described = (
            self.model.programs.described,
            [id(p.data) for p in self.model.weights],
            (id(optimizer), id(optimizer.flat), settings),
        )
        if described != self.described:
            self.ran, self.replays, self.described = set(), {}, described

    # once per epoch --------------------------------------------------------------------------------------------------

    def _epoch_tables(self, shuffle: bool, epoch: int, step: int) -> EpochTables:
        """What this epoch of the fit needs, whose first step is number `step` of the model's life."""
        key = shuffle, epoch, step
        if key not in self.ahead:
            source, streams = self.source, self.model.streams
            places = list(source.places(self.steps, epoch))
            passes = {place[:2] for place in places}
            orders = {one: source.rows(host(), streams, shuffle, *one) for one in passes}  # the device is busy
            sizes = [stop - start for *_, start, stop in places]
            order = [orders[began, index][start:stop] for began, index, start, stop in places]
            matrices = None
            if self.flow is not None:
                generator = self.flow.image_data_generator
                indices = [source.pass_index(self.steps, epoch, i) for i in range(len(order))]
                every = [(step + i, *one) for i, one in enumerate(zip(order, indices, strict=True))]
                matrices = generator.matrices(source.x.shape[1:], streams.seed, every)
            self.ahead = {key: EpochTables(sizes, np.concatenate(order).astype(np.int32), matrices)}
        return self.ahead[key]

    def _send(self, planned: EpochTables) -> None:
        """This epoch's tables; the device is before their first step."""
        be, tables, optimizer = self.be, self.tables, loop.optimizer_of(self.model)
        steps = range(self.steps)
        rows = sum(planned.sizes)
        tables.order[:rows] = be.asarray(planned.order)
        if planned.matrices is not None:
            tables.matrices[:rows] = be.asarray(planned.matrices, np.float64)
        tables.starts[...] = be.asarray(np.cumsum([0, *planned.sizes[:-1]]).astype(np.int32))
        step, iterations = self.first
        tables.counters[...] = be.asarray(np.array([step + i for i in steps], np.uint32))
        rates = [optimizer.device_args(iterations + i) for i in steps]
        tables.rates[...] = be.asarray(np.array(rates), np.float32)
        self._rewind()

    def _rewind(self) -> None:
        """Before the first step of this pass, which a checkpoint may have put in mid-epoch."""
        self.tables.progress[...] = self.be.asarray(np.array([self.start, self.start, self.start, -1], np.int32))

    def _state(self) -> list:
        """Every array that a step changes and the next one reads."""
        model, optimizer = self.model, loop.optimizer_of(self.model)
        flat = {id(p) for p in optimizer.params}
        return [optimizer.flat, *vars(optimizer.slot).values(), *(p.data for p in model.weights if id(p) not in flat)]

    def _roll_back(self, planned: EpochTables, state: list, copies: list) -> tuple[int, int | None]:
        """Bring the device to the end of a good whole step; (how many those are, the bad one that follows or None)."""
        following, _, done, bad = map(int, self.be.to_numpy(self.tables.progress))
        good = done if bad < 0 else bad
        if bad >= 0 or following != done:
            for array, copy in zip(state, copies, strict=True):
                array[...] = copy
            self._rewind()
            for step, n in enumerate(planned.sizes[self.start : good], self.start):
                self._run(step, n)
        return good, None if bad < 0 else bad

    def _read(self, logs: "loop.RunningLogs", planned: EpochTables, steps: int | None = None) -> dict[str, float]:
        """The running means after `steps` steps, or after all that are finished."""
        if steps is None:
            steps = int(self.be.to_numpy(self.tables.progress)[2])
        here = slice(self.start, steps)
        losses, right = (self.be.to_numpy(a)[here].tolist() for a in (self.tables.losses, self.tables.right))
        logs.replace(losses, planned.sizes[here], sum(right))
        return logs.result()

    def _raise(self, planned: EpochTables, bad: int, epoch: int) -> None:
        """NonFiniteError for a step whose loss was not finite, in the words of loop.train_epoch."""
        loss = float(self.be.to_numpy(self.tables.losses)[bad])
        start = sum(planned.sizes[:bad])
        rows, index = planned.order[start : start + planned.sizes[bad]], self.source.pass_index(self.steps, epoch, bad)
        x = self.source.images(self.be, self.model.streams, rows, pass_index=index)
        cause = loop.first_non_finite(self.model, self._program(len(x)), [x])
        where = f"fit: stopped at epoch {epoch + 1}, batch {bad + 1}"
        raise NonFiniteError(f"{where}: loss is {loss}: {cause}", loss)


def _classes(y: np.ndarray) -> np.ndarray:
    """The class number (N,) of every row of one-hot or numbered labels, as metrics.accuracy reads them."""
    numbered = y.ndim == 1 or y.shape[-1] == 1
    return (y.reshape(-1) if numbered else y.argmax(axis=-1)).astype(np.int32)
