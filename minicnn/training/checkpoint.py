"""Checkpoints: a run can be killed at any moment, and the same call of fit resumes it from its files.

    folder/lock                                     held while a fit uses the folder; it dies with its process
    folder/run_0001/epoch_00006_step_0000212.minicnn   so many epochs, and steps of the next, are done: the newest two
    folder/run_0001/best.minicnn                    the one at the end of the best epoch
    folder/run_0002/...                             resume=False began anew; the newest run is the one that goes on

A checkpoint is a model file (io/model_file.py), which load_model reads, with one more entry in its document:

    run    facts       what identifies the run (identity.py): data, network, optimizer, callbacks, fit's arguments
           place       epoch, step, steps; stopped: whether the run has ended before its last epoch
           logs        running means of the epoch and the metrics' states;  epoch_logs: what the latest epoch reported
           callbacks   the state of each;  optimizer: its present settings;  trainable: of every layer
           source      how many batches were drawn from an iterable, and their digest
           best        the best value so far;  made_on: versions, device, machine

and their arrays as run/NAME. Everything else of a run, its random numbers included, is in the model's own entries.
"""

import contextlib
import errno
import os
import secrets
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import arguments
from ..callbacks import BackupAndRestore, Callback, CallbackList
from ..callbacks.monitor import Monitor
from ..errors import ArgumentError, ArgumentTypeError, DataError, MinicnnError, WeightsError, require
from ..io import container, files, model_file, tree
from ..io.lock import Lock
from ..notes import note
from ..reports import machine
from ..saving import save
from . import identity, loop
from .inputs import Batches
from .underway import Underway

if TYPE_CHECKING:
    from .trainer import Trainer

FORMAT = 1
SUFFIX = model_file.SUFFIX
ARRAYS = "run/"  # before the names of the run's own arrays


@dataclass(frozen=True)
class CheckpointOptions:
    """Where, when and how many checkpoints fit writes.

    folder      made if need be; one run at a time may use it
    save_every  seconds between two checkpoints, which come at a step's end; None: at the ends of epochs alone
    save_steps  a checkpoint after so many steps too
    keep        so many of the newest stay
    best        the name in logs whose best epoch is kept too; "auto": val_loss, or loss without validation; None: none
    resume      False: begin anew, in the next folder run_NNNN, and delete nothing
    stop_when   asked at the end of every step; True: write a checkpoint, and end fit there: the next call goes on
    delete_at_end   what BackupAndRestore does: a run that has ended leaves no checkpoint
    """

    folder: str | os.PathLike
    save_every: float | None = 60.0
    save_steps: int | None = None
    keep: int = 2
    best: str | None = "auto"
    resume: bool = True
    stop_when: Callable[[], bool] | None = None
    delete_at_end: bool = False

    def __post_init__(self):
        where = "CheckpointOptions"
        set_ = object.__setattr__
        set_(self, "folder", arguments.path(f"{where}: folder", self.folder))
        set_(self, "save_every", arguments.number(f"{where}: save_every", self.save_every, low=0, optional=True))
        set_(self, "save_steps", arguments.whole(f"{where}: save_steps", self.save_steps, optional=True))
        set_(self, "keep", arguments.whole(f"{where}: keep", self.keep))
        set_(self, "best", arguments.text(f"{where}: best", self.best, optional=True))
        set_(self, "resume", arguments.flag(f"{where}: resume", self.resume))
        set_(self, "stop_when", arguments.function(f"{where}: stop_when", self.stop_when, optional=True))
        set_(self, "delete_at_end", arguments.flag(f"{where}: delete_at_end", self.delete_at_end))


def options(given: Any, callbacks: list[Callback]) -> CheckpointOptions | None:
    """fit's checkpoint=, options or a folder, or what a BackupAndRestore among the callbacks says; None: neither."""
    backups = [one for one in callbacks if isinstance(one, BackupAndRestore)]
    count = len(backups) + (given is not None)
    require(count <= 1, "fit", "one of checkpoint= and BackupAndRestore", f"{count} of them", error=ArgumentError)
    if backups:
        steps = backups[0].save_freq if isinstance(backups[0].save_freq, int) else None
        return CheckpointOptions(backups[0].backup_dir, save_every=None, save_steps=steps, best=None,
                                 delete_at_end=backups[0].delete_checkpoint)  # fmt: skip
    if given is None or isinstance(given, CheckpointOptions):
        return given
    ok = isinstance(given, (str, os.PathLike))
    require(ok, "fit: checkpoint", "a folder or CheckpointOptions", repr(given), error=ArgumentTypeError)
    return CheckpointOptions(given)


def checkpoints(given: Any, model: "Trainer", hooks: CallbackList, source: Any, held_out: Any, settings: dict,
                names: list[str], epochs: int) -> "Checkpoints | None":  # fmt: skip
    """The checkpoints that fit's arguments ask for, verified and compared with them; None: no checkpoints."""
    opts = options(given, hooks.callbacks)
    if opts is None:
        return None
    document = model.check_savable(f"run{SUFFIX}")
    # What the user chose comes first: so a refusal's first words are of the data, not of what followed from them.
    facts = {**identity.of_source(source), **settings, "seed": model.seed, **identity.of_network(document),
             **identity.of_optimizer(document), **identity.of_callbacks(hooks.callbacks)}  # fmt: skip
    if held_out is not None:
        facts |= identity.of_source(held_out, "validation ")
    return Checkpoints(opts, model, hooks, source, facts, names, epochs)


class Saved:
    """A checkpoint that has been read and verified."""

    def __init__(self, path: Path, document: dict, arrays: dict[str, np.ndarray]):
        self.path, self.document = path, document
        self.arrays = {name: array for name, array in arrays.items() if not name.startswith(ARRAYS)}
        where, found = f"checkpoint {path}", document.get("run")
        version = found.get("format") if isinstance(found, dict) else None
        require(version == FORMAT, where, f"a run of format {FORMAT}", f"{version!r:.20}", error=DataError)
        self.run = tree.restore(found, arrays, where)
        try:
            place = self.run["place"]
            self.epoch, self.step, self.stopped = int(place["epoch"]), int(place["step"]), bool(place["stopped"])
            self.underway = Underway(self.step, "", self.run["logs"], self.epoch) if self.step else None
            for name in ("id", "facts", "epoch_logs", "callbacks", "history", "progress", "optimizer", "trainable",
                         "source", "best", "made_on"):  # fmt: skip
                self.run[name]
        except (KeyError, TypeError, ValueError) as cause:
            raise DataError(f"{where}: expected the state of a run, received one without {cause}") from None


class Checkpoints:
    """The checkpoints of one fit. Made before anything changes; `begin` takes over what a checkpoint holds.

    Raises ArgumentError for a folder that another process uses, that cannot be written, or whose run has other
    arguments; DataError where none of its checkpoints can be read.
    """

    def __init__(self, opts: CheckpointOptions, model: "Trainer", hooks: CallbackList, source: Any, facts: dict,
                 names: list[str], epochs: int):  # fmt: skip
        self.opts, self.model, self.hooks, self.source, self.facts = opts, model, hooks, source, facts
        self.epochs, self.folder = epochs, Path(opts.folder)
        self.where = f"fit: checkpoint {self.folder}"
        self.lock = self.saved = self.failure = None
        self.ending, self.signal, self.previous = False, None, {}
        self.world = model.world
        self.agreed: int | None = None  # the signal that all processes answer at this step
        self.epoch_logs: dict = {}
        self.best: float | None = None
        self.monitor = self._monitor(names)
        self.id, self.steps, self.written = secrets.token_hex(8), 0, time.monotonic()
        model.check_savable(f"run{SUFFIX}")  # now, not after the first epoch
        if isinstance(source, Batches):
            source.record()
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    # before training -------------------------------------------------------------------------------------------------

    def _monitor(self, names: list[str]) -> Monitor | None:
        if self.opts.best is None:
            return None
        name = self.opts.best
        if name == "auto":
            name = "val_loss" if "val_loss" in names else "loss"
        monitor = Monitor(name)
        monitor.set_model(self.model)
        monitor.check_monitor(names)
        return monitor

    def _open(self) -> None:
        """Take the lock, find the run and the newest of its checkpoints that can be read: rank 0 does, for all."""
        if self.world.rank:
            self.run_folder = self.folder / "run_0001"
            data = self.world.send(None)
            if data:
                with tempfile.NamedTemporaryFile(suffix=SUFFIX) as copy:
                    copy.write(data)
                    copy.flush()
                    self.saved = Saved(Path(copy.name), *model_file.read(copy.name))
        else:
            self._find()
            if self.world.size > 1:
                self.world.send(b"" if self.saved is None else self.saved.path.read_bytes())
        if self.saved is not None:
            self._compare()
            self.best = self.saved.run["best"]

    def _find(self) -> None:
        self._make_folder()
        runs = sorted(self.folder.glob("run_[0-9]*"), key=lambda path: path.name)
        self.run_folder = runs[-1] if runs else self.folder / "run_0001"
        if runs and not self.opts.resume:
            self.run_folder = self.folder / f"run_{int(runs[-1].name[4:]) + 1:04d}"
        with self._tolerated(self.run_folder):
            self.run_folder.mkdir(exist_ok=True)
            for half in self.run_folder.glob(".*.tmp"):  # of a write that was killed: the lock is ours
                half.unlink()
        self.saved = self._newest()

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock = Lock(self.folder / "lock", self.where)
        except OSError as cause:
            # A full disk may be emptied while training goes on; from one that is read-only a run may still go on.
            if cause.errno in (*files.PASSING, errno.EROFS):
                self._failed(self.folder, cause)
                return
            raise ArgumentError(
                f"{self.where}: expected a folder that can be written, received one that cannot ({cause.strerror}); "
                "choose another"
            ) from None

    def _newest(self) -> Saved | None:
        found, broken = self._files(), []
        for path in reversed(found):
            try:
                saved = Saved(path, *model_file.read(path))
            except (MinicnnError, OSError) as cause:
                broken.append(str(cause))
                continue
            if broken:
                note(f"{self.where}: {'; '.join(broken)}. The one before it, {path.name}, is used")
            return saved
        require(
            not broken, self.where, "a checkpoint that can be read", f"{len(broken)} that cannot: {'; '.join(broken)}",
            "say resume=False to begin anew", error=DataError,
        )  # fmt: skip
        return None

    def _files(self) -> list[Path]:
        """The checkpoints of this run, the newest last."""
        return sorted(self.run_folder.glob(f"epoch_*{SUFFIX}"), key=lambda path: path.name)

    def _compare(self) -> None:
        """Refuse another run's checkpoint; say what else is different."""
        saved, ours = self.saved, self.facts
        if saved is None:
            return
        theirs = saved.run["facts"]
        if saved.run["id"] in self.model.runs:  # this model's own: training has changed its settings
            ours = ours | {name: theirs[name] for name in theirs if name.startswith(("optimizer: ", "layer "))}
        if self.model.streams.drawn:
            ours = ours | {"seed": theirs.get("seed")}
        unlike = identity.differences(theirs, ours)
        listed = container.listed([f"{name}: {a}, now {b}" for name, a, b in unlike])
        require(
            not unlike, self.where, "the arguments of the run that it holds",
            f"{len(unlike)} that differ (checkpoint's first): {listed}",
            "pass the same again, choose another folder, or say resume=False to begin anew", error=ArgumentError,
        )  # fmt: skip
        require(
            saved.epoch < self.epochs or (saved.epoch == self.epochs and saved.step == 0), self.where,
            f"at least epochs={saved.epoch + (saved.step > 0)}, which are done", f"epochs={self.epochs}",
            "pass as many or more, choose another folder, or say resume=False to begin anew", error=ArgumentError,
        )  # fmt: skip
        now = made_on(self.model)
        unlike = identity.differences(saved.run["made_on"], now)
        if unlike:
            changed = "; ".join(f"{name}: {a}, now {b}" for name, a, b in unlike)
            note(f"{self.where}: it was written on another ground ({changed}); the run goes on, with other roundings")

    @property
    def finished(self) -> bool:
        """Whether the checkpoint is that of a run that has ended."""
        return self.saved is not None and (self.saved.stopped or self.saved.epoch >= self.epochs)

    # going on --------------------------------------------------------------------------------------------------------

    def restore_model(self) -> None:
        """Weights, optimizer, random counters as the checkpoint says, where there is one."""
        if self.saved is None:
            return
        saved, model, where = self.saved, self.model, f"checkpoint {self.saved.path}"
        names = _names(model, saved.document)
        values = {}
        for p in model.weights:
            array = saved.arrays.get(f"weights/{names[id(p)]}")
            fits = array is not None and array.shape == tuple(p.shape) and array.dtype == p.dtype
            received = "none" if array is None else container.description(array)
            require(fits, where, f"{names[id(p)]}: {tuple(p.shape)} {p.dtype}", received, error=WeightsError)
            values[id(p)] = array
        state = saved.document["training"]
        by_name = {names[id(p)]: p for p in model.weights}
        params = [by_name[name] for name in state["parameters"]]
        slots = {s: [saved.arrays[f"optimizer/{s}/{name}"] for name in state["parameters"]] for s in state["slots"]}
        for layer, flag in zip(model.operations, saved.run["trainable"], strict=True):
            if layer.trainable != flag:
                layer.trainable = flag
        for p in model.weights:
            p.assign(values[id(p)])
        streams, optimizer = model.streams, loop.optimizer_of(model)
        streams.seed, streams.step, streams.epoch = state["seed"], state["step"], state["epoch"]
        streams.inferences = state.get("inferences", 0)  # an older file has none
        if params:
            optimizer.set_state(params, slots, state["iterations"])
        optimizer.iterations = state["iterations"]
        for name, value in saved.run["optimizer"].items():
            if getattr(optimizer, name) != value:
                setattr(optimizer, name, value)

    def begin(self) -> dict:
        """Training begins, after on_train_begin. The logs of the latest epoch, of which a run that has ended speaks."""
        metrics = [one.get_state() for one in (*self.model.metrics, *self.model.weighted_metrics)]
        tree.flatten(self._states() | {"metrics": metrics}, "fit: checkpoint")  # what cannot be kept is said now
        self.model.checkpoint_failure = self.failure
        if threading.current_thread() is threading.main_thread():
            defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
            for number, handler in defaults.items():
                if signal.getsignal(number) is handler:  # a handler of the user's stays
                    self.previous[number] = signal.signal(number, self._receive)
        self.written = time.monotonic()
        if self.saved is not None:
            self.id, self.epoch_logs = self.saved.run["id"], self.saved.run["epoch_logs"]
            if isinstance(self.source, Batches):
                self.source.go_to(self.saved.run["source"])
            if self.saved.underway is None:
                self.restore_callbacks()
        self.model.runs.add(self.id)
        return self.epoch_logs

    def _states(self) -> dict:
        """The state of every callback."""
        hooks = self.hooks
        return {"callbacks": [_state(one) for one in identity.kept(hooks.callbacks)], "history": _state(hooks.history),
                "progress": hooks.progress and _state(hooks.progress)}  # fmt: skip

    def restore_callbacks(self) -> None:
        """Every callback takes over its state; one of the user's without get_state begins anew, which is said."""
        if self.saved is None:
            return
        run, hooks = self.saved.run, self.hooks
        pairs = [*zip(identity.kept(hooks.callbacks), run["callbacks"], strict=True), (hooks.history, run["history"])]
        for one, state in [*pairs, (hooks.progress, run["progress"] or {"lines": [], "done": 0, "spent": 0.0})]:
            if one is None:
                continue
            name = type(one).__name__
            ours = type(one).__module__.partition(".")[0] == __name__.partition(".")[0]
            if type(one).get_state is Callback.get_state and not ours:
                note(f"{self.where}: {name} has no get_state and set_state: it begins anew")
            try:
                one.set_state(state)
            except (KeyError, TypeError, ValueError, AttributeError) as cause:
                raise DataError(
                    f"checkpoint {self.saved.path}: expected a state of {name}, received one that it cannot take over "
                    f"({type(cause).__name__}: {cause}); say resume=False to begin anew"
                ) from None

    # while training --------------------------------------------------------------------------------------------------

    def _receive(self, number, frame) -> None:
        if self.signal is not None:  # a second one does not wait
            self._restore_signals()
            raise _raised(number)
        self.signal = number

    def due(self) -> bool:
        """Whether a checkpoint has to be written at the end of this step."""
        self.steps += 1
        if self.signal is not None or (self.opts.stop_when is not None and self.opts.stop_when()):
            self.ending = True
        every, steps = self.opts.save_every, self.opts.save_steps
        late = every is not None and time.monotonic() - self.written >= every
        return self.ending or late or (steps is not None and self.steps % steps == 0)

    def step_end(self, epoch: int, step: int, steps: int | None, logs: Any) -> None:
        """Write the state after `step` steps of epoch `epoch`; where a signal has come, raise what it stands for."""
        self.write(epoch, step, steps, logs)
        self._answer()

    def _answer(self) -> None:
        """Raise what a signal stands for, if one has come, and all processes know it."""
        number = self.signal if self.world.size == 1 else self.agreed
        if number is None:
            return
        if self.world.size > 1:
            self.world.any(False)  # rank 0 has written: nobody ends before
        self.signal = self.agreed = None
        self._restore_signals()
        raise _raised(number)

    def epoch_end(self, epoch: int, steps: int | None, epoch_logs: dict) -> None:
        """Write the state after `epoch` whole epochs, and keep it if it is the best."""
        self.epoch_logs = epoch_logs
        value = None if self.monitor is None else self.monitor.current(epoch_logs)
        better = value is not None and self.monitor is not None and self.monitor.is_improvement(value, self.best)
        self.best = float(value) if better and value is not None else self.best
        path = self.write(epoch, 0, steps, None, stopped=self.model.stop_training)
        if better and path is not None:
            with self._tolerated(self.run_folder / f"best{SUFFIX}"):
                files.second_name(path, self.run_folder / f"best{SUFFIX}")
        self._answer()

    def write(self, epoch: int, step: int, steps: int | None, logs: Any, stopped: bool = False) -> Path | None:
        """One checkpoint, atomically; None where the disk refuses it, which is said once, and in all ranks but one."""
        if self.world.rank:
            return None
        path = self.run_folder / f"epoch_{epoch:05d}_step_{step:07d}{SUFFIX}"
        done = False
        with self._tolerated(path):
            document, arrays = self._document(epoch, step, steps, logs, stopped)
            self.run_folder.mkdir(parents=True, exist_ok=True)
            model_file.write(path, document, arrays)
            done = True
            for old in self._files()[: -self.opts.keep]:
                old.unlink()
        self.written = time.monotonic()
        return path if done else None

    def _document(self, epoch=0, step=0, steps=None, logs=None, stopped=False) -> tuple[dict, dict]:
        model, optimizer = self.model, loop.optimizer_of(self.model)
        run = {
            "format": FORMAT, "id": self.id, "facts": self.facts,
            "place": {"epoch": epoch, "step": step, "steps": steps, "stopped": bool(stopped)},
            "logs": None if logs is None else logs.get_state(), "epoch_logs": dict(self.epoch_logs),
            **self._states(),
            "optimizer": {name: value for name, value in optimizer.get_config().items()
                          if not (callable(value) or (name == "learning_rate" and optimizer.schedule is not None))},
            "trainable": [bool(layer.trainable) for layer in model.operations],
            "source": self.source.place() if isinstance(self.source, Batches) else None,
            "best": self.best, "made_on": made_on(model),
        }  # fmt: skip
        value, arrays = tree.flatten(run, "fit: checkpoint", ARRAYS)
        document = model.check_savable(f"run{SUFFIX}")
        document["training"].pop("underway", None)  # `logs` says it too
        return document | {"run": value}, save.arrays(model) | arrays

    # at the end ------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """The run has ended by itself."""
        if self.opts.delete_at_end and self.world.rank == 0:
            with self._tolerated(self.run_folder):
                for path in (*self._files(), self.run_folder / f"best{SUFFIX}"):
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        self._restore_signals()
        if self.lock is not None:
            self.lock.close()

    def _restore_signals(self) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        self.previous = {}

    @contextlib.contextmanager
    def _tolerated(self, path):
        """Training goes on where the disk does not: one warning names file and cause; what was written stays."""
        try:
            yield
        except (OSError, MinicnnError) as cause:
            self._failed(path, cause)

    def _failed(self, path, cause: Exception) -> None:
        reason = getattr(cause, "strerror", None) or str(cause)
        first = self.failure is None
        self.failure = self.model.checkpoint_failure = f"{path}: {reason}"
        if first:
            warnings.warn(
                f"fit: the checkpoint {path} could not be written ({reason}); training goes on, and the checkpoints "
                "written before stay", stacklevel=2,
            )  # fmt: skip


def _raised(number: int) -> BaseException:
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def _state(callback: Callback) -> dict:
    state = callback.get_state()
    ok = isinstance(state, dict)
    require(ok, f"{type(callback).__name__}: get_state", "a dict", repr(state)[:80], error=ArgumentTypeError)
    return state


def _names(model, document: dict) -> dict[int, str]:
    """id of a weight -> its name in the file, layer by layer: one that was not named may be called otherwise here."""
    entries = document["config"]["layers"]
    return {
        id(p): f"{entry['config']['name']}/{p.path.rpartition('/')[2]}"
        for layer, entry in zip(model.operations, entries, strict=True)
        for p in layer.weights
    }


def made_on(model: "Trainer") -> dict[str, str]:
    """What the last bits may depend on."""
    be, package = model.backend, sys.modules[__name__.partition(".")[0]]
    found = {"minicnn": package.__version__, "numpy": np.__version__, "device": be.name, "kernels": be.kernels,
             "precision": getattr(be, "precision", "float32"), "processor": machine.cpu()}  # fmt: skip
    if not be.batch_invariant:  # whose products' bits depend on the number of threads
        found["threads"] = str(getattr(be, "thread_count", lambda: be.threads)())
    return found
