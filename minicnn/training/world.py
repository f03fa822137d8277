"""Data-parallel training: several processes compute parts of every batch, and all take the same step.

      rank 0    rows  0..15 --> gradients, statistics, loss, outputs --.                     .--> update
      rank 1    rows 16..31 --> gradients, statistics, loss, outputs ---+-- sum of all ranks --+--> update    same bytes
      rank 2    rows 32..47 --> gradients, statistics, loss, outputs --'                     '--> update

What is summed is weighed by the rows that it was computed from, so it is what one process would have computed from the
whole batch. A rank's rows are those of the same permutation, with the dropout and augmentation that they would have had
there: a batch is cut after multiples of FOUR rows, because four random numbers come of one counter. The outputs of all
rows reach every rank, so every metric, callback and schedule sees what one process would show it, and decides the same.

      import minicnn
      model = ...                           # the same in every process
      model.world = minicnn.World.mpi()     # those that mpiexec has started
      model.fit(x, y, batch_size=256)       # the whole batch: 64 rows for each of 4

Of a model, `fit` alone is common work, which every rank has to call; predict, evaluate and save are each rank's own.
Rank 0 alone writes checkpoints and the files of minicnn's callbacks; a callback of one's own asks model.world.rank.

BatchNormalization normalises by a rank's own rows, as Keras's does in each replica; its moving averages follow the mean
of the ranks' statistics. With synchronized=True it normalises by all rows: two small sums more, one in forward and one
in backward. A loss that compares the rows of a batch with one another sees a rank's own.

Source: Sergeev & Del Balso 2018, "Horovod: fast and easy distributed deep learning in TensorFlow", for the scheme.
"""

import hashlib
import json
import math
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import function, whole
from ..backend import cores
from ..backend.base import Backend
from ..core.program import Program
from ..core.sharing import share
from ..errors import ArgumentError, MissingPackageError, NonFiniteError, require
from . import identity, loop
from .several import parts

if TYPE_CHECKING:
    from .checkpoint import Checkpoints
    from .inputs import Arrays, Batches
    from .trainer import Trainer

FOUR = 4  # rows, after multiples of which a batch is cut
SIGNALS = signal.SIGINT, signal.SIGTERM


def _own(array: np.ndarray) -> np.ndarray:
    return array


class World:
    """The processes of a training, as one of them sees them.  `World()` is a process alone, and does nothing.

    rank, size  this process's number, from 0, and how many there are
    sum         array -> the sum of all ranks' arrays, in every rank the same bytes
    broadcast   array -> rank 0's, in every rank
    abort       exit code -> ends all of them at once
    on_device   sum of arrays in a device's memory, float32 or float64 and in C order, by which gradients need not go
                through the host; None: they do

    sum, broadcast and on_device are called by all ranks in the same order, with arrays of the same shape and type,
    NumPy's but for on_device; they may write to the array that they are given. `World.mpi()` has them from MPI,
    `World.nccl()` on_device from NCCL besides; tests make them of threads.
    """

    def __init__(self, rank: int = 0, size: int = 1, sum: Callable = _own, broadcast: Callable = _own,
                 abort: Callable = sys.exit, on_device: Callable | None = None):  # fmt: skip
        self.size = whole("World: size", size)
        self.rank = whole("World: rank", rank, low=0)
        ok = self.rank < self.size
        require(ok, "World: rank", f"a number from 0 to {self.size - 1}", self.rank, error=ArgumentError)
        self.sum = function("World: sum", sum, of="(array)")
        self.broadcast = function("World: broadcast", broadcast, of="(array)")
        self.abort = function("World: abort", abort, of="(code)")
        self.on_device = function("World: on_device", on_device, of="(array)", optional=True)
        self.near = 0  # this process's number on its machine

    @classmethod
    def mpi(cls) -> "World":
        """The processes that mpiexec has started: pip install -e ".[mpi]".

        From here on this process prints nothing on standard output unless it is rank 0, uses its share of the cores
        of its machine, and an exception that nobody catches ends the whole job: without that, the other ranks would
        wait for ever. Without mpiexec, a process alone.
        """
        try:
            from mpi4py import MPI
        except ImportError as cause:
            raise MissingPackageError("training with several processes", "mpi4py mpich") from cause
        comm = MPI.COMM_WORLD

        def total(array):
            array = np.asarray(array, order="C")
            comm.Allreduce(MPI.IN_PLACE, array)
            return array

        def from_first(array):
            array = np.asarray(array, order="C")
            comm.Bcast(array)
            return array

        world = cls(comm.Get_rank(), comm.Get_size(), total, from_first, comm.Abort)
        if world.size > 1:
            near, cpus = comm.Split_type(MPI.COMM_TYPE_SHARED), sorted(cores.mine())
            taken = np.zeros(near.allreduce(cpus[-1], MPI.MAX) + 1, np.int32)
            taken[cpus] = 1
            near.Allreduce(MPI.IN_PLACE, taken)
            cores.share(int(taken.max()))
            world.near = near.Get_rank()
            sys.excepthook = world._ended
            if world.rank:
                sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)
        return world

    @classmethod
    def nccl(cls) -> "World":
        """The same, each with a GPU of its own, from whose memory NCCL sums gradients: call it before models are made.

        The host still runs each step and reads its loss. No device has run this: see backend/nccl.py.
        Raises DeviceError where a process has no GPU.
        """
        from ..backend import nccl  # which loads the GPU's kernels

        world = cls.mpi()
        if world.size > 1:
            world.on_device = nccl.communicator(world.rank, world.size, world.near)
        return world

    def _ended(self, kind, error, trace) -> None:
        """An exception that nobody has caught: say it, and end the other ranks, who would wait for this one."""
        text = "".join(traceback.format_exception(kind, error, trace))
        print(f"minicnn: rank {self.rank} of {self.size} ends the job:\n{text}", file=sys.stderr, flush=True)
        self.abort(128 + signal.SIGINT if issubclass(kind, KeyboardInterrupt) else 1)

    def __reduce__(self):
        return World, ()  # in another process, or a file, a model is alone

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"<World: rank {self.rank} of {self.size}>"

    def share(self, n: int) -> slice:
        """This rank's rows of n: as many as the others', up to FOUR, or none."""
        fours = -(-n // FOUR)
        start, stop = (min(-(-fours * rank // self.size) * FOUR, n) for rank in (self.rank, self.rank + 1))
        return slice(start, stop)

    def any(self, *flags: bool) -> list[bool]:
        """Whether a flag is set in any rank, for each of them."""
        return [bool(count) for count in self.sum(np.array(list(map(bool, flags)), np.int32))]

    def check_same(self, where: str, facts: dict) -> None:
        """Raise ArgumentError in every rank where a fact is not rank 0's in each."""
        texts = {name: json.dumps(value, default=repr, sort_keys=True) for name, value in facts.items()}
        digests = [hashlib.sha256(f"{name} {text}".encode()).digest()[:8] for name, text in texts.items()]
        digests = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 8)
        unlike = self.any(*(digests != self.broadcast(digests.copy())).any(axis=1))
        named = zip(texts.items(), unlike, strict=True)
        names = [f"{name} (here {text:.60})" for (name, text), other in named if other]
        expected = f"the same in all of the {self.size} processes"
        require(not names, where, expected, f"other {', '.join(names)}", "run one program, on the same data",
                error=ArgumentError)  # fmt: skip

    def send(self, data: bytes | None) -> bytes:
        """Rank 0's bytes, in every rank."""
        size = int(self.broadcast(np.array([len(data or b"")], np.int64))[0])
        given = np.frombuffer(data or b"", np.uint8).copy() if self.rank == 0 else np.empty(size, np.uint8)
        return self.broadcast(given).tobytes()


ALONE = World()


class Ranks:
    """One fit of several processes: who computes which rows, and what happens between backward and update.

    Made by `fit` in every rank; takes over rank 0's weights, optimizer state and random numbers.
    Raises ArgumentError where the ranks' networks, data or arguments are not the same.
    """

    def __init__(self, world: World, model: "Trainer", source: "Arrays | Batches", settings: dict):
        self.world, self.model = world, model
        self.kept: Checkpoints | None = None
        self.signal, self._before = None, {}
        name = model.backend.name
        require(world.on_device is None or name == "cuda", f"fit with {world.size} processes",
                'a model on device "cuda", whose memory its World sums', f'one on "{name}"',
                "use World.mpi(), or device=\"cuda\"", error=ArgumentError)  # fmt: skip
        self._check(source, settings)
        for p in model.weights:
            p.assign(world.broadcast(np.array(model.backend.to_numpy(p.data))))
        model.prepare_optimizer()
        optimizer, be = loop.optimizer_of(model), model.backend
        for slot in vars(optimizer.slot).values():
            slot[...] = be.asarray(world.broadcast(np.array(be.to_numpy(slot))))
        found = [model.streams, *(layer.streams for layer in model.leaves)]
        self.streams = list({id(one): one for one in found}.values())  # layers of another model, too, have its own
        for streams in self.streams:
            counted = [streams.seed >> 32, streams.seed & 0xFFFFFFFF, streams.step, streams.epoch,
                       streams.inferences]
            high, low, *counted = map(int, world.broadcast(np.array(counted, np.int64)))
            streams.seed, (streams.step, streams.epoch, streams.inferences) = high << 32 | low, counted
        optimizer.iterations = int(world.broadcast(np.array([optimizer.iterations], np.int64))[0])

    def _check(self, source, settings: dict) -> None:
        model, world = self.model, self.world
        shown = {name: value for name, value in settings.items() if not callable(value)}
        self.world.check_same("fit", {
            "weights": [(p.path.rpartition("/")[2], tuple(p.shape)) for p in model.weights],
            "dtype": model.backend.dtype.name, "trainable": [bool(layer.trainable) for layer in model.leaves],
            "synchronized": [getattr(layer, "synchronized", False) for layer in model.leaves],
            "optimizer": type(model.optimizer).__name__,
            "loss": [None if one is None else one.name for one in model.output_losses], "metrics": model.metrics_names,
            "place": None if model.underway is None else model.underway.step,
            **shown, **identity.of_source(source),
        })  # fmt: skip
        expected = 'losses of reduction "sum_over_batch_size"'
        for loss in filter(None, model.output_losses):
            require(loss.reduction == "sum_over_batch_size", f"fit with {world.size} processes", expected,
                    f'"{loss.reduction}"', "its parts can be weighed by their rows", error=ArgumentError)  # fmt: skip

    def check_batch(self, where: str, batch: "Arrays") -> None:
        """Raise ArgumentError where the ranks have drawn other batches from their iterables."""
        self.world.check_same(where, identity.of_source(batch))

    def __enter__(self) -> "Ranks":
        self.model.ranks = self
        free = self.kept is None and threading.current_thread() is threading.main_thread()
        if free and signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a handler of the user's stays
            self._before = {signal.SIGINT: signal.signal(signal.SIGINT, self._receive)}
        return self

    def __exit__(self, *error) -> None:
        self.model.ranks = None
        self._begin_at(0)
        share(None)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number, frame) -> None:
        if self.signal is not None:  # a second one does not wait
            raise KeyboardInterrupt
        self.signal = number

    # a step ----------------------------------------------------------------------------------------------------------

    def part(self, n: int) -> slice:
        """This rank's rows of the coming batch of n; a rank that has none computes the first, which counts for 0."""
        self.n, self.own = n, self.world.share(n)
        count = self.own.stop - self.own.start
        self.weight, self.rows = count / n, self.own if count else slice(0, 1)
        self._begin_at(self.rows.start)
        return self.rows

    def _begin_at(self, row: int) -> None:
        for streams in self.streams:
            streams.row = row

    def begin_step(self) -> None:
        """From here to `sum`, layers may ask for the sums of all ranks."""
        self.found, self.asked = [], None  # None: the step's program is only being written down
        share(self)

    def attempt(self, step: Callable) -> tuple:
        """step(), once more where memory was full: what the ranks have summed by then is not summed again."""
        self.asked = 0
        return step()

    def _exchanged(self, array: np.ndarray) -> np.ndarray:
        """The sum of all ranks' arrays: of the step's next question, in the order in which all ranks ask."""
        place = self.asked or 0
        if place == len(self.found):
            self.found.append(self.world.sum(array))
        self.asked = place + 1
        return self.found[place]

    def moments(self, be: Backend, mean: Any, var: Any) -> tuple:
        """Mean and variance (C,) over all ranks' rows, from those over this one's."""
        if self.asked is None:
            return mean, var
        given = np.zeros((self.world.size, 3, mean.size))
        if self.weight:
            given[self.world.rank] = np.full(mean.size, self.weight), be.to_numpy(mean), be.to_numpy(var)
        w, means, variances = self._exchanged(given).swapaxes(0, 1)
        mean = (w * means).sum(axis=0)
        var = (w * (variances + (means - mean) ** 2)).sum(axis=0)
        return be.asarray(mean, be.dtype), be.asarray(var, be.dtype)

    def weighed(self, be: Backend, *arrays: Sequence[Any]) -> list:
        """The sum over ranks of each array (C,), weighed by their rows."""
        found = self._exchanged(np.stack([be.to_numpy(one).astype(np.float64) for one in arrays]) * self.weight)
        return [be.asarray(one, be.dtype) for one in found]

    def sum(self, program: Program, values: list, arrays: Sequence[Any]) -> tuple[float, list]:
        """Between backward and update: gradients, loss, outputs and statistics become those of the whole batch.

        values: a program's, whose slots are written to  ->  the loss, and what layers on the tape have moved()
        Raises NonFiniteError in every rank, before anything has changed, where any rank's loss is not finite.
        """
        model, be = self.model, self.model.backend
        share(None)
        params = loop.optimizer_of(model).params if program.learns else []
        moved = [one for layer in program.taped for one in layer.moved()]
        slots = [slot for _, slot, _ in program.averages] + [program.loss, *program.parts]
        found: list[Any] = [p.grad for p in params]
        found += [values[slot] for slot in slots] + [batch for _, batch, _ in moved]
        shapes = [p.data.shape for p in params] + [array.shape for array in found[len(params) :]]
        lasts = [values[slot] for slot in program.lasts]
        wholes = [(self.n, *last.shape[1:]) for last in lasts]
        shapes = [*shapes, *wholes]
        add, given = self.world.on_device, be.asarray
        xp = be.xp
        if add is None:
            add, given, xp = self.world.sum, be.to_numpy, np
        ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
        edges = list(zip([0, *ends], ends, strict=False))
        sums = xp.zeros(ends[-1], be.dtype)
        if self.weight:
            for (start, end), array in zip(edges, found, strict=False):
                if array is not None:  # else no path leads from the loss to this parameter
                    xp.multiply(given(array).reshape(-1), be.dtype.type(self.weight), out=sums[start:end])
            for (start, end), shape, last in zip(edges[len(found) :], wholes, lasts, strict=True):
                sums[start:end].reshape(shape)[self.own] = given(last)
        sums = add(sums)
        summed = [be.asarray(sums[a:b].reshape(shape)) for (a, b), shape in zip(edges, shapes, strict=True)]
        count = len(params) + len(slots)
        loss = float(summed[len(params) + len(program.averages)])
        if not math.isfinite(loss):
            self._raise(program, values, arrays, loss)
        for p, gradient in zip(params, summed, strict=False):
            p.grad = gradient
        for slot, value in zip(slots, summed[len(params) : count], strict=True):
            values[slot] = value
        for slot, value in zip(program.lasts, summed[len(found) :], strict=True):
            values[slot] = value
        batches = summed[count : len(found)]
        return loss, [(to, batch, momentum) for (to, _, momentum), batch in zip(moved, batches, strict=True)]

    def _raise(self, program, values, arrays, loss: float) -> None:
        mine = float(values[program.loss])
        cause = f"rank {self.world.rank}'s rows gave {mine}"
        if not math.isfinite(mine):
            self.asked = 0
            share(self)  # the walk asks what the step has asked, and all is there
            cause += f": {loop.first_non_finite(self.model, program, arrays[: len(self.model.samples_in)])}"
            share(None)
        raise NonFiniteError(f"loss is {loss}: {cause}", loss)

    def outputs(self, x: Any, y: Any) -> None:
        """Fill y, or each of Several, with the outputs for x as losses see them.  Each rank computes its share."""
        be, mine, streams = self.model.backend, self.world.share(len(x)), self.model.streams
        number = streams.inferences
        found = [np.zeros(one.shape, be.dtype) for one in parts(y)]
        if mine.start < mine.stop:
            for rows, outputs in loop.infer(
                self.model, x[mine], logits=self.model.fusing, number=number, row=mine.start
            ):
                for whole, part in zip(found, parts(outputs), strict=True):
                    whole[mine][rows] = be.to_numpy(part)
        for whole, one in zip(found, parts(y), strict=True):
            one[...] = be.asarray(self.world.sum(whole))
        if self.world.any(streams.inferences > number):  # a rank without rows counts it, too
            streams.inferences = number + 1

    # what all agree on -----------------------------------------------------------------------------------------------

    def agree(self) -> bool:
        """After a step or an epoch: what one rank wants, all want.  Whether to end, which only a checkpoint's end says.

        Raises KeyboardInterrupt in every rank, at the same step, after a Ctrl-C that no checkpoint has to be written
        for.
        """
        model, kept = self.model, self.kept
        number = self.signal if kept is None else kept.signal
        stop, ending, *came = self.world.any(
            model.stop_training, kept is not None and kept.ending, *(number == one for one in SIGNALS))  # fmt: skip
        model.stop_training = stop
        number = next((one for one, flag in zip(SIGNALS, came, strict=True) if flag), None)
        if kept is not None:
            kept.agreed, kept.ending = number, ending or number is not None
            return kept.ending
        if number is not None:
            raise KeyboardInterrupt
        return False

    def wait(self) -> None:
        """Until every rank is here."""
        self.world.any(False)
