"""What fit and evaluate are fed: arrays, an augmenting flow, or any iterable of batches, behind one interface.

A source yields batches (x, y, t, w): x on the backend, y as the user gave it (for metrics), t the loss's targets on the
backend, w sample weights on the backend or None. y and t may be one array: nobody writes to either.
"""

import hashlib
import itertools

import numpy as np

from ..backend.streams import SHUFFLE
from ..data.batches import check_images, check_lengths
from ..data.flow import Flow
from ..data.image_files import ImageFiles
from ..errors import ArgumentError, ArgumentTypeError, DataError, MinicnnError, require


def check_x(model, x, what: str) -> np.ndarray:
    """x as a finite array of shape (N, *model.input_shape).  A last axis of 1 may be missing or one too many: Keras."""
    x = x if isinstance(x, ImageFiles) else np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise ArgumentTypeError(f"{what}: expected an array of numbers, received dtype {x.dtype}")
    require(x.ndim >= 1 and len(x) > 0, f"{model.name}: {what}", "at least one sample", "none", error=DataError)
    if not isinstance(x, ImageFiles):
        check_images(x, what)
    model.ensure_built(x)
    shape = model.input_shape
    if x.shape[1:] != shape:
        if (*x.shape[1:], 1) == shape:
            x = x[..., None]
        elif x.shape[1:] == (*shape, 1):
            x = x[..., 0]
    expected = "(" + ", ".join(["N", *map(str, shape)]) + ")"
    same_size = x.ndim > 1 and np.prod(x.shape[1:]) == np.prod(shape)
    fix = f"use x.reshape(-1, {', '.join(map(str, shape))})" if same_size else "the model was built for that shape"
    require(x.shape[1:] == shape, f"{model.name}: {what}", f"shape {expected}", x.shape, fix)
    return x


def all_x(x, steps: int | None):
    """x if it is an array; else the x of all batches (or of `steps`) of a flow or an iterable, joined."""
    if hasattr(x, "shape") or isinstance(x, (list, tuple)) or not hasattr(x, "__iter__"):
        return x
    steps = len(x) if steps is None and hasattr(x, "__len__") else steps
    parts = [batch[0] if isinstance(batch, (tuple, list)) else batch for batch in itertools.islice(x, steps)]
    require(parts, "predict", "batches", "an iterable without any", error=DataError)
    return np.concatenate(parts)


def sample_weights(y: np.ndarray, sample_weight, class_weight, where: str) -> np.ndarray | None:
    """One weight per sample from either of Keras's two arguments; a class that is not listed weighs 1."""
    require(sample_weight is None or class_weight is None, where, "class_weight or sample_weight", "both",
            error=ArgumentError)  # fmt: skip
    if class_weight is not None:
        require(hasattr(class_weight, "get"), "class_weight", "a dict from class number to weight", repr(class_weight),
                error=ArgumentTypeError)  # fmt: skip
        classes = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(-1).astype(np.int64)
        return np.array([float(class_weight.get(int(c), 1.0)) for c in classes], np.float32)
    if sample_weight is None:
        return None
    sample_weight = np.asarray(sample_weight, np.float32)
    require(sample_weight.shape == (len(y),), "sample_weight", f"shape ({len(y)},)", sample_weight.shape)
    require(
        bool(np.isfinite(sample_weight).all()), "sample_weight", "finite numbers", "NaN or infinity", error=DataError
    )
    return sample_weight


class Arrays:
    """x and y in memory.  Batches of rows in an order that the model's seed and epoch fix; the last may be smaller."""

    def __init__(self, model, x, y, batch_size: int, sample_weight=None, class_weight=None, what: str = "x",
                 where: str = "fit"):  # fmt: skip
        require(y is not None, where, "targets y", "None", error=ArgumentTypeError)
        self.x, self.y, self.batch_size = check_x(model, x, what), np.asarray(y), batch_size
        check_lengths(where if what == "x" else "validation_data", x=self.x, y=self.y, sample_weight=sample_weight)
        self.targets = model.loss.prepare(self.y, model.output_shape)
        self.weights = sample_weights(self.y, sample_weight, class_weight, where)
        self.n = len(self.x)
        self.steps = -(-self.n // batch_size)

    def rows(self, be, streams, shuffle: bool, turn: int, epoch: int | None = None) -> np.ndarray:
        """The order of the rows: argsort of one random word per row, ties by row.  epoch None: the present one."""
        if not shuffle:
            return np.arange(self.n)
        epoch = streams.epoch if epoch is None else epoch
        words = be.to_numpy(be.philox(self.n, streams.key(SHUFFLE, turn, step=epoch)))
        return np.argsort(words, kind="stable")

    def images(self, be, streams, rows):
        return be.asarray(self.x[rows], be.dtype)

    def usable(self, coming: np.ndarray) -> np.ndarray:
        """The next batch of the rows that are coming."""
        return coming[: self.batch_size]

    def batches(self, be, streams, shuffle: bool, steps: int, start: int = 0):
        """`steps` batches, without the first `start`; rows are shuffled anew each time all have been seen."""
        order, done = None, 0
        for turn, i in itertools.islice(((turn, i) for turn in itertools.count() for i in range(self.steps)), steps):
            if i == 0:
                order = None
            if done < start and not isinstance(self.x, ImageFiles):  # of which none is left out
                done += 1
                continue
            if order is None:
                order = self.rows(be, streams, shuffle, turn)
            rows = self.usable(order[i * self.batch_size :])
            done += len(rows) > 0
            if not len(rows) or done <= start:
                continue
            w = None if self.weights is None else be.asarray(self.weights[rows])
            y = self.y[rows]
            t = y if self.targets is self.y else self.targets[rows]
            yield self.images(be, streams, rows), y, be.asarray(t, be.dtype), w


class Augmented(Arrays):
    """A Flow of an ImageDataGenerator: the same, with each batch warped as it is needed."""

    def __init__(self, model, flow: Flow, class_weight=None, where: str = "fit"):
        weights = getattr(flow, "sample_weight", None)
        super().__init__(model, flow.x, flow.y, flow.batch_size, weights, class_weight, where=where)
        self.flow = flow

    def rows(self, be, streams, shuffle, turn, epoch=None):
        return super().rows(be, streams, shuffle and self.flow.shuffle, turn, epoch)

    def usable(self, coming):
        """The same without pictures that cannot be decoded; the batch after it is on its way meanwhile."""
        rows = super().usable(coming)
        if isinstance(self.x, ImageFiles):
            rows = self.x.readable(rows)
            self.x.prefetch(np.concatenate([rows, coming[self.batch_size : 2 * self.batch_size]]))
        return rows

    def images(self, be, streams, rows):
        return be.asarray(self.flow.batch(be, rows, streams.seed, streams.step)[0], be.dtype)


class Batches:
    """Any iterable of (x, y) or (x, y, sample_weight) batches; an iterator goes on where the last epoch left it."""

    def __init__(self, model, iterable, class_weight=None, where: str = "fit"):
        self.model, self.iterable, self.class_weight, self.where = model, iterable, class_weight, where
        self.steps = len(iterable) if hasattr(iterable, "__len__") else None
        require(self.steps != 0, where, "batches (x, y)", "an iterable without any", error=DataError)
        self.iterator, self.drawn, self.seen = iter(()), 0, None

    def _begin(self) -> None:
        self.iterator = iter(self.iterable)
        if self.iterator is not self.iterable:  # a list or the like, not a generator, which only goes on
            self.drawn, self.seen = 0, self.seen and hashlib.sha256()

    def record(self) -> None:
        """From here on know which batches were drawn: a checkpoint will have to find its place among them."""
        self.seen = hashlib.sha256()

    def place(self) -> dict:
        """How many batches were drawn from the present pass, and their digest."""
        return {"drawn": self.drawn, "digest": self.seen.hexdigest()}

    def go_to(self, place: dict) -> None:
        """Draw the batches of `place` again, and compare: they must be the same."""
        self._begin()
        for item in itertools.islice(self.iterator, place["drawn"]):
            self._count(item)
        here = self.place()
        fix = "give it the same batches in the same order again (seed what shuffles them), or say resume=False"
        expected = f"the {place['drawn']} batches that were trained on, digest {place['digest'][:12]}"
        same = here == {"drawn": place["drawn"], "digest": place["digest"]}
        require(same, f"{self.where}: x", expected, f"{here['drawn']}, digest {here['digest'][:12]}", fix,
                error=DataError)  # fmt: skip

    def _count(self, item) -> None:
        self.drawn += 1
        if self.seen is not None:
            for part in item:
                array = np.ascontiguousarray(part)
                self.seen.update(f"{array.shape} {array.dtype.str}\n".encode())
                self.seen.update(array.data)

    def batches(self, be, streams, shuffle: bool, steps: int | None, start: int = 0):
        for done in itertools.count(start) if steps is None else range(start, steps):
            item = next(self.iterator, None)
            if item is None:
                self._begin()
                item = next(self.iterator, None) if steps is not None or done == 0 else None
            if item is None:
                require(done > 0, self.where, "batches (x, y)", "an iterable without any", error=DataError)
                return
            ok = isinstance(item, (tuple, list)) and len(item) in (2, 3)
            expected = "batches (x, y) or (x, y, sample_weight)"
            require(ok, self.where, expected, type(item).__name__, error=ArgumentTypeError)
            self._count(item)
            weights = item[2] if len(item) == 3 else None
            try:
                batch = Arrays(self.model, *item[:2], len(item[0]), weights, self.class_weight, where=self.where)
            except MinicnnError as error:  # which names a row of this batch
                error.args = (f"batch {done + 1}: {error}",)
                raise
            yield from batch.batches(be, streams, False, 1)


def source(model, x, y, batch_size, sample_weight=None, class_weight=None, what="x", where="fit"):
    """The source for what a user passed as x (and y) to the method `where`."""
    batched = isinstance(x, Flow) or (y is None and not hasattr(x, "shape") and hasattr(x, "__iter__"))
    ok = not batched or sample_weight is None
    require(ok, where, "batches that hold their own sample weights", "sample_weight too", error=ArgumentError)
    if isinstance(x, Flow) and not x.y_is_x:
        ok = y is None and batch_size is None
        require(ok, where, "a flow alone: it holds y and batch_size", "y or batch_size too", error=ArgumentError)
        return Augmented(model, x, class_weight, where)
    if batched:
        return Batches(model, x, class_weight, where)
    return Arrays(model, x, y, 32 if batch_size is None else batch_size, sample_weight, class_weight, what, where)
