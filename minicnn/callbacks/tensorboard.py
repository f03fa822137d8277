"""TensorBoard: losses, metrics, weights and the graph of a run, for `tensorboard --logdir logs`."""

import os
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any

from .. import arguments
from ..errors import ArgumentError, ArgumentTypeError, DataError, MissingPackageError, require
from ..io import events
from ..notes import note
from .base import Callback, LazyLogs, Logs, read_logs


class TensorBoard(Callback):
    """Write event files to log_dir/train and log_dir/validation.  Needs the package tensorboardX (extra `tensorboard`).

    epoch_loss, epoch_accuracy ...   an epoch's results, those of validation in their own folder; step: the epoch
    epoch_learning_rate              the optimizer's rate at the epoch's end
    evaluation_loss_vs_iterations    of every validation and evaluate; step: the optimizer's
    batch_loss, batch_accuracy ...   the running means, where update_freq is "batch" (1) or a number of batches
    keras, and a graph               summary()'s table as text, the layers as a graph, unless write_graph=False
    LAYER/WEIGHT/histogram, .../image   every histogram_freq epochs; images with write_images, see io/events.py

    write_steps_per_second: epoch_steps_per_second, and with batches batch_steps_per_second.
    What is written is there for TensorBoard when the hook returns. Where a checkpoint goes on, points that came after
    it are taken back, so that none is there twice. fit into a folder with an earlier run's files adds to them: give
    each run a folder of its own.

    Raises MissingPackageError without tensorboardX, at once.
    Source: Keras 3, callbacks/tensorboard.py.
    Differs from Keras: needs no TensorFlow; batches are numbered over the model's life; a kernel is one picture with
    its own scale; profile_batch and the embeddings_ arguments have no effect, with a note; log_dir is a local folder.
    """

    lazy_logs = True

    @arguments.older("batch_size", "write_grads", "embeddings_layer_names", "embeddings_data")
    @arguments.named
    def __init__(self, log_dir: str | os.PathLike = "logs", histogram_freq: int = 0, write_graph: bool = True,
                 write_images: bool = False, write_steps_per_second: bool = False, update_freq: str | int = "epoch",
                 profile_batch: int | str | tuple = 0, embeddings_freq: int = 0,
                 embeddings_metadata: str | dict | None = None):  # fmt: skip
        super().__init__()
        where = "TensorBoard: "
        self.log_dir = arguments.path(where + "log_dir", log_dir)
        require("://" not in self.log_dir, where + "log_dir", "a folder of this machine", repr(log_dir),
                "copy the folder there after training", error=ArgumentError)  # fmt: skip
        self.histogram_freq = arguments.whole(where + "histogram_freq", histogram_freq, low=0)
        self.write_graph = arguments.flag(where + "write_graph", write_graph)
        self.write_images = arguments.flag(where + "write_images", write_images)
        self.write_steps_per_second = arguments.flag(where + "write_steps_per_second", write_steps_per_second)
        self.update_freq = 1 if isinstance(update_freq, str) and update_freq == "batch" else update_freq
        if not (isinstance(update_freq, str) and update_freq == "epoch"):
            self.update_freq = arguments.index(self.update_freq)
            ok, error = self.update_freq is not None and self.update_freq > 0, ArgumentError
            expected = '"epoch", "batch" or a positive number of batches'
            require(ok, where + "update_freq", expected, arguments.shown(update_freq), error=error)
        _check_profiled(profile_batch)
        arguments.instance(where + "embeddings_metadata", embeddings_metadata, (str, dict), "a file name or a dict",
                           optional=True)  # fmt: skip
        if arguments.whole(where + "embeddings_freq", embeddings_freq, low=0) or embeddings_metadata:
            note("TensorBoard(embeddings_freq=..., embeddings_metadata=...) has no effect: no layer here embeds")
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise MissingPackageError("TensorBoard", "tensorboardX") from None
        self._run, self._files = None, {}  # the ending of this run's files; "train" or "validation" -> the open one
        self._done: dict[str, int] = {}  # files of this run that are closed -> their bytes
        self._began = self._batch_began = self._before = 0

    @property
    def wants_batch_logs(self) -> bool:
        """Whether it does anything with batches."""
        return self.update_freq != "epoch"

    def check_monitor(self, names: Iterable[str], others: bool = False) -> None:
        for folder in ("train", "validation"):
            arguments.writable("TensorBoard: log_dir", os.path.join(self.log_dir, folder, "events"))

    # the files -------------------------------------------------------------------------------------------------------

    def _write(self, folder: str, step: int, *summaries, graph: bytes | None = None) -> None:
        summaries = [one for one in summaries if one is not None]
        if not self.writes or not (summaries or graph):
            return
        if folder not in self._files:
            self._run = self._run or secrets.token_hex(4)
            self._files[folder] = events.EventFile(os.path.join(self.log_dir, folder), self._run)
        self._files[folder].write(step, *summaries, graph=graph)

    def _sizes(self) -> dict[str, int]:
        """folder/name -> bytes of every file of this run."""
        there = {f"{folder}/{os.path.basename(one.path)}": one.size for folder, one in self._files.items()}
        return self._done | there

    def get_state(self) -> dict[str, Any]:
        return {"run": self._run, "files": self._sizes()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Back to the files as they were, whatever this run has written since; what follows goes to new ones."""
        self.close()
        self._run, self._done = state["run"], {}
        if self._run is None or not self.writes:
            return
        ok = isinstance(self._run, str) and re.fullmatch("[0-9a-f]{8}", self._run)
        require(ok, "TensorBoard: state", "a run of eight characters", arguments.shown(self._run), error=DataError)
        sizes = {str(name): int(size) for name, size in state["files"].items()}
        for folder in ("train", "validation"):
            path = os.path.join(self.log_dir, folder)
            for name in os.listdir(path) if os.path.isdir(path) else ():
                if name.endswith(f".{self._run}"):
                    self._take_back(os.path.join(path, name), f"{folder}/{name}", sizes)
        if sizes.keys() - self._done.keys():
            note(f"TensorBoard: {self.log_dir} lacks events of the run's earlier epochs; later ones are added")

    def _take_back(self, path: str, name: str, sizes: dict[str, int]) -> None:
        if not sizes.get(name):
            os.remove(path)
            return
        self._done[name] = min(sizes[name], os.path.getsize(path))
        os.truncate(path, self._done[name])

    def close(self) -> None:
        self._done = self._sizes()
        for file in self._files.values():
            file.close()
        self._files = {}

    # hooks -----------------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.close()
        self._run, self._done = None, {}
        if self.write_graph and self.writes and (self.params or {}).get("resumed") is None:
            lines = []
            self.model.summary(line_length=100, print_fn=lines.append)
            self._write("train", 0, events.text("keras", "\n".join(lines)), graph=events.graph_of(self.model))

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._began, self._before = time.perf_counter(), self.model.optimizer.iterations

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._batch_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: LazyLogs = None) -> None:
        if not self.writes or self.update_freq == "epoch" or self.model.steps_done % self.update_freq:
            return
        found = {f"batch_{name}": value for name, value in read_logs(logs).items()}
        if self.write_steps_per_second:
            found["batch_steps_per_second"] = 1 / max(time.perf_counter() - self._batch_began, 1e-9)
        self._scalars("train", self.model.steps_done, found)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if self.model.optimizer is not None:
            found = {f"evaluation_{name}_vs_iterations": value for name, value in (logs or {}).items()}
            self._scalars("validation", self.model.optimizer.iterations, found)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = dict(logs or {})
        held_out = {f"epoch_{name[4:]}": value for name, value in logs.items() if name.startswith("val_")}
        found = {f"epoch_{name}": value for name, value in logs.items() if not name.startswith("val_")}
        found["epoch_learning_rate"] = self.model.optimizer.learning_rate
        if self.write_steps_per_second:
            steps = self.model.optimizer.iterations - self._before
            found["epoch_steps_per_second"] = steps / max(time.perf_counter() - self._began, 1e-9)
        self._scalars("train", epoch, found)
        self._scalars("validation", epoch, held_out)
        if self.histogram_freq and epoch % self.histogram_freq == 0 and self.writes:
            self._weights(epoch)

    def _scalars(self, folder: str, step: int, found: dict) -> None:
        if not self.writes:
            return
        numbers = {name: value for name, value in found.items() if _is_number(value)}
        self._write(folder, step, *(events.scalar(name, float(value)) for name, value in numbers.items()))

    def _weights(self, epoch: int) -> None:
        found = []
        for p in self.model.weights:
            values = p.numpy()
            found.append(events.histogram(f"{p.path}/histogram", values))
            picture = events.picture_of(values) if self.write_images else None
            found.append(None if picture is None else events.image(f"{p.path}/image", picture))
        self._write("train", epoch, *found)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.close()


def _is_number(value) -> bool:
    """Whether float(value) is one: a callback may have put anything into the logs."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _check_profiled(value) -> None:
    """Keras's profile_batch: a number of a batch, two of them, or either as text."""
    given = value.split(",") if isinstance(value, str) else arguments.items(value) or [value]
    numbers = [int(n) if isinstance(n, str) and n.strip().isdigit() else arguments.index(n) for n in given]
    known = [n for n in numbers if n is not None]
    ok = len(known) == len(numbers) < 3 and known == sorted(known) and known[0] >= 0
    error = ArgumentError if ok or None not in numbers or isinstance(value, str) else ArgumentTypeError
    require(ok, "TensorBoard: profile_batch", "the number of a batch, or the first and the last one's",
            arguments.shown(value), error=error)  # fmt: skip
    if any(numbers):
        note("TensorBoard(profile_batch=...) has no effect: model.plan() says what each layer costs")
