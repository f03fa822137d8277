"""Data adapters of fit and evaluate: arrays, an augmenting flow, or any iterable of batches, behind one interface.

A source yields batches (x, y, t, w): x on the backend, y as the user gave it (for metrics), t the loss's targets on the
backend, w sample weights on the backend or None. y and t may be one array: nobody writes to either.
"""

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import arguments
from ..backend.base import Backend
from ..backend.streams import SHUFFLE, Streams
from ..data.batches import check_images, check_lengths, check_range
from ..data.flow import Flow
from ..data.image_files import ImageFiles
from ..data.sequence import Sequence
from ..errors import ArgumentError, ArgumentTypeError, DataError, MinicnnError, require
from ..layers.open_sizes import fits, is_open
from ..notes import note
from ..structure import flat
from ..weighting import check_weights
from . import lenient
from .several import Several, concatenated, each, only_one, output_shapes, per_input, per_place

if TYPE_CHECKING:
    from .stack import LayerStack
    from .trainer import Trainer
    from .world import Ranks


def check_x(model: "LayerStack", x: Any, what: str, any_size: bool = False) -> Any:
    """x as a finite array of shape (N, *model.sample_in).  A last axis of 1 may be missing or one too many: Keras.

    any_size: other shapes with as many axes pass too; whether they fit is for the layers to say.
    Of several inputs: a list, or a dict by their names -> Several.
    """
    x = lenient.inputs(model, x)
    if isinstance(model.sample_in, list):
        names = model.input_names
        given = [_check_one(model, one, f"{what} of {name}", shape, any_size) for one, name, shape in
                 zip(per_input(f"{model.name}: {what}", x, names), names, model.sample_in, strict=True)]  # fmt: skip
        check_lengths(model.name, **{f"{what} of {n}": one for n, one in zip(names, given, strict=True)})
        _sizes(model, [one.shape[1:] for one in given])
        return Several(given)
    if isinstance(x, dict) and only_one(x, model.input_names):
        (x,) = per_place(f"{model.name}: {what}", x, model.input_names)
    elif isinstance(x, (list, tuple)) and len(x) == 1 and getattr(x[0], "ndim", 0) == len(model.sample_in or ()) + 1:
        x = x[0]  # a list of its one input
    x = _check_one(model, x, what, None, any_size)
    _sizes(model, [x.shape[1:]])
    return x


def _check_one(model, x, what: str, shape, any_size: bool) -> Any:
    """x for an input of this shape; None: the model's only one, which may still have none."""
    if isinstance(x, (list, tuple)):
        try:
            x = np.asarray(arguments.of_others(x))
        except ValueError:  # NumPy's words name neither the argument nor a way out
            fix = "pass one array; batches come from an iterator, as in iter(batches)"
            require(False, what, "an array of numbers", "samples of unlike shapes", fix)
    if not isinstance(x, ImageFiles):
        x = arguments.array(what, x)
    require(x.ndim >= 1 and len(x) > 0, f"{model.name}: {what}", "at least one sample", "none", error=DataError)
    if not isinstance(x, ImageFiles):
        check_images(x, what, model.backend.dtype)
    if shape is None:
        model.ensure_built(x)
        shape = model.sample_in
    if not fits(x.shape[1:], shape):
        if fits((*x.shape[1:], 1), shape):
            x = x[..., None]
        elif x.shape[-1] == 1 and fits(x.shape[1:-1], shape):
            x = x[..., 0]
    if any_size and x.ndim == len(shape) + 1:
        return x
    expected = "(" + ", ".join(["N", *map(str, shape)]) + ")"
    same_size = x.ndim > 1 and not is_open(shape) and np.prod(x.shape[1:]) == np.prod(shape)
    fix = f"use x.reshape(-1, {', '.join(map(str, shape))})" if same_size else "the model was built for that shape"
    if len(shape) == 3 and x.shape[1:] == (shape[2], *shape[:2]) and shape[2] > 1:  # a reshape would mix the pixels
        fix = "channels come last here: use x.transpose(0, 2, 3, 1)"
    require(fits(x.shape[1:], shape), f"{model.name}: {what}", f"shape {expected}", x.shape, fix)
    return x


def _sizes(model, shapes: list[tuple]) -> None:
    """Of a model that leaves sizes open: let the layers say whether samples of these shapes fit."""
    if is_open(model.samples_in):
        model.shapes_for(shapes)
        model.seen = shapes


ONE = (list, tuple, str, bytes, dict, set, frozenset)  # iterables that are no batches for predict


def all_x(model: "Trainer", x: Any, batch_size: int, steps: int | None) -> tuple[list, list[int]]:
    """x, checked, in pieces of one size each, and where its batches end: of an array, or of a flow or an iterable.

    No more than `steps` batches. A flow begins at its first row, in the order of its rows, whatever has been drawn
    from it, with the draws of its present epoch; then its next epoch begins.
    """
    x = in_batches(arguments.of_others(x))
    many = isinstance(model.sample_in, list) and isinstance(x, (list, tuple, dict))
    if many or hasattr(x, "shape") or isinstance(x, ONE) or not hasattr(x, "__iter__"):
        x = check_x(model, x, "x")
        count = passes("predict", steps, -(-len(x) // batch_size))
        stops = [min((i + 1) * batch_size, len(x)) for i in range(count)]
        return [x[: stops[-1]]], stops
    if isinstance(x, Flow):
        x, steps = x.in_order(passes("predict", steps, len(x))), None
    parts = []
    for batch in itertools.islice(x, steps):
        with _named(len(parts) + 1):
            parts.append(check_x(model, batch[0] if isinstance(batch, (tuple, list)) and batch else batch, "x"))
    require(parts, "predict", "batches of x", "an iterable without any: none", error=DataError)
    if steps is not None and len(parts) < steps:
        ended("predict", len(parts), None, steps)
    stops = list(itertools.accumulate(map(len, parts)))
    alike = len({tuple(one.shape[1:] for one in (p if isinstance(p, Several) else [p])) for p in parts}) == 1
    return [concatenated(parts)] if alike else parts, stops


class Indexed:
    """Batches x[0] to x[len(x) - 1] of a Sequence, or of an object like it that has no other way through it.

    Before each pass its on_epoch_begin is called and after it on_epoch_end, if it has them.
    order: how many there are -> the order in which this pass takes them; None: from the first to the last.
    """

    order: Callable[[int], np.ndarray] | None = None

    def __init__(self, x: Any):
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self):
        getattr(self.x, "on_epoch_begin", lambda: None)()
        for i in range(len(self.x)) if self.order is None else self.order(len(self.x)).tolist():
            yield self.x[i]
        getattr(self.x, "on_epoch_end", lambda: None)()


def in_batches(x: Any) -> Any:
    """x; if it is a sequence of batches and no array, list or iterable, an iterable of them."""
    if isinstance(x, Sequence):
        return Indexed(x)
    array = hasattr(x, "shape") or hasattr(x, "__array__") or hasattr(x, "__iter__")
    return Indexed(x) if not array and hasattr(x, "__len__") and hasattr(x, "__getitem__") else x


def passes(where: str, steps: int | None, there: int) -> int:
    """How many batches of one pass to make: `steps` of those that are there, or all."""
    if steps is not None and steps > there:
        note(f"{where}: {steps} steps are more than the {there} batches of one pass: all of them are used, once")
    return there if steps is None else min(steps, there)


def ended(where: str, batches: int, epoch: int | None, steps: int | None) -> None:
    """Raise DataError: an iterable has no more batches, and more are wanted."""
    wanted = "batches for another epoch" if steps is None else f"{steps} batches"
    place = "" if epoch is None else f", in epoch {epoch + 1}"
    fix = "give fewer steps, or an iterable that begins again"
    if epoch is not None:
        fix = "give fewer epochs or steps, or an iterable that begins again; the steps made so far have been trained"
    received = f"an iterable that ended after {batches} batches{place}"
    require(False, f"{where}: x", wanted, received, fix, error=DataError)


@contextlib.contextmanager
def _named(batch: int):
    """Errors inside name a row of this batch, counted from 1."""
    try:
        yield
    except MinicnnError as error:
        error.args = (f"batch {batch}: {error}",)
        raise


def sample_weights(y: np.ndarray, sample_weight: Any, class_weight: dict | None, where: str,
                   output_shape: tuple) -> np.ndarray | None:  # fmt: skip
    """Weights (N,) from either of Keras's two arguments; a class that is not listed weighs 1.

    sample_weight may also be (N, 1), or (N, T) for outputs of T timesteps: see weighting.py.
    """
    require(sample_weight is None or class_weight is None, where, "class_weight or sample_weight", "both",
            error=ArgumentError)  # fmt: skip
    if class_weight is not None:
        fix = "give sample_weight, of shape (N, T) for T timesteps"
        require(len(output_shape) == 1, "class_weight", "one class per sample", f"outputs {output_shape}", fix,
                error=ArgumentError)  # fmt: skip
        class_weight = _by_class(class_weight, max(output_shape[-1], 2))
        classes = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(-1).astype(np.int64)
        return np.array([float(class_weight.get(int(c), 1.0)) for c in classes])
    if sample_weight is None:
        return None
    sample_weight = check_weights(sample_weight)
    if sample_weight.shape == (len(y), 1):
        sample_weight = sample_weight[:, 0]
    axes = output_shape[:-1]
    shapes = [(len(y), *axes[:k]) for k in range(len(axes) + 1)]
    require(sample_weight.shape in shapes, "sample_weight", f"shape {' or '.join(map(str, shapes))}",
            sample_weight.shape)  # fmt: skip
    return sample_weight


def _by_class(class_weight, classes: int) -> dict[int, float]:
    """class_weight as class number -> weight; every key is one of 0 .. classes-1, every weight a number."""
    where = "class_weight"
    arguments.instance(where, class_weight, dict, "a dict from class number to weight")
    for key, value in class_weight.items():
        number = arguments.index(key)
        ok = number is not None and 0 <= number < classes
        expected = f"class numbers from 0 to {classes - 1} as keys"
        require(ok, where, expected, arguments.shown(key), error=ArgumentError)
        arguments.number(f"{where} of class {number}", value, low=0)
    return {int(key): float(value) for key, value in class_weight.items()}


class Arrays:
    """x and y in memory.  Batches of rows in an order that the model's seed and epoch fix; the last may be smaller.

    ranks: with whom this process shares the batches; then a batch's x is this one's part of it, and y, t, w all of it.
    """

    ranks: "Ranks | None" = None
    identity: dict[str, Any]  # of its values: identity.py

    def __init__(self, model: "Trainer", x: Any, y: Any, batch_size: int, sample_weight: Any = None,
                 class_weight: dict | None = None, what: str = "x", where: str = "fit"):  # fmt: skip
        fix = "give two of its columns, x and y" if hasattr(x, "column_names") else ""
        require(y is not None, where, "targets y", "None", fix, error=ArgumentTypeError)
        self.x, self.batch_size = check_x(model, x, what), batch_size
        self.y, self.targets, self.weights = _truths(model, self.x, y, sample_weight, class_weight, what, where)
        self.n = len(self.x)
        self.steps = -(-self.n // batch_size)
        # Epochs of the model's life before epoch 0 of the run; those of the run before epoch 0 of this fit.
        self.before = self.shift = 0

    def places(self, steps: int, epoch: int) -> Iterator[tuple[int, int, int, int]]:
        """(epoch in which its pass began, that pass's number there, first row, last row + 1) of every step of `epoch`.

        Epochs of a fit have `steps` steps each and follow one another through the passes: where one ends within a
        pass, the next goes on. So the place is a function of the epoch's number, and a run that is resumed finds it.
        """
        begin = (epoch + self.shift) * steps
        for batch in range(begin, begin + steps):
            index, i = divmod(batch, self.steps)
            began = index * self.steps // steps
            first = -(-began * steps // self.steps)  # of the passes that began there
            yield began, index - first, i * self.batch_size, min((i + 1) * self.batch_size, self.n)

    def rows(self, be: Backend, streams: Streams, shuffle: bool, began: int, number: int) -> np.ndarray:
        """The order of the rows in this pass (see `places`): argsort of one random word per row, ties by row."""
        if not shuffle:
            return np.arange(self.n)
        life = (self.before + began) % 2**32
        return drawn_order(be, streams.key(SHUFFLE, number, step=life), self.n)

    def pass_index(self, steps: int, epoch: int, step: int = 0) -> int:
        """How many passes of the model's life came before that of this step of `epoch`, in epochs of one pass each."""
        return self.before + ((epoch + self.shift) * steps + step) // self.steps

    def images(self, be: Backend, streams: Streams, rows: np.ndarray, ahead: int = 0, pass_index: int = 0) -> Any:
        """`rows` as the step sees them that is `ahead` of the present one, in pass `pass_index` of the model's life."""
        x = self.x[rows]
        return _on(be, x) if isinstance(x, Several) else be.asarray(x, be.dtype)

    def usable(self, coming: np.ndarray) -> np.ndarray:
        """The next batch of the rows that are coming."""
        return coming[: self.batch_size]

    def batches(self, be: Backend, streams: Streams, shuffle: bool, steps: int | None, start: int = 0,
                epoch: int | None = None) -> Iterator[tuple]:  # fmt: skip
        """The `steps` batches of this epoch, without the first `start`; rows are shuffled anew when all have been seen.

        epoch None: of an evaluation, which begins at the first row, keeps the order, and makes no step.
        """
        steps = self.steps if steps is None else steps
        present, order, index, done = None, None, 0, 0
        for i, (began, number, first, _) in enumerate(self.places(steps, epoch or 0)):
            if (began, number) != present:
                present, order = (began, number), None
            if done < start and not isinstance(self.x, ImageFiles):  # of which none is left out
                done += 1
                continue
            if order is None:
                order = self.rows(be, streams, shuffle, began, number)
                index = 0 if epoch is None else self.pass_index(steps, epoch, i)
            rows = self.usable(order[first:])
            done += len(rows) > 0
            if not len(rows) or done <= start:
                continue
            mine = rows if self.ranks is None else rows[self.ranks.part(len(rows))]
            w = None if self.weights is None else _on(be, self.weights[rows])
            y = self.y[rows]
            t = y if self.targets is self.y else self.targets[rows]
            t = _on(be, t) if isinstance(t, Several) else be.asarray(t, be.dtype)
            yield self.images(be, streams, mine, i if epoch is None else 0, index), y, t, w


def drawn_order(be: Backend, key: Any, n: int) -> np.ndarray:
    """The numbers below n in an order of chance: argsort of one random word each, ties by number."""
    return np.argsort(be.to_numpy(be.philox(n, key)), kind="stable")


def _on(be, arrays):
    """An array, or Several, on the backend."""
    return each(lambda one: be.asarray(one, be.dtype), arrays)


def _truths(model, x, y, sample_weight, class_weight, what: str, where: str) -> tuple:
    """(y, targets, weights or None) for x, checked; of several outputs each of them Several."""
    dtype, place = model.backend.dtype, where if what == "x" else "arrays"
    if not isinstance(model.sample_out, list):
        if only_one(y, model.output_names) and (isinstance(y, dict) or len(x) > 1):
            (y,) = per_place(f"{where}: y", y, model.output_names)
        truth = x, y, sample_weight, class_weight
        return _truth(model, model.output_losses[0], output_shapes(model, x)[0], truth, "y", place, where, dtype)
    names, shapes = model.output_names, output_shapes(model, x)
    expected, fix = "sample_weight, or no weights, for several outputs", "give sample_weight a list"
    require(class_weight is None, where, expected, "class_weight", fix, error=ArgumentError)
    ys = per_place(f"{where}: y", y, names, fill=True)
    listed = isinstance(sample_weight, (list, tuple)) and not np.isscalar(next(iter(sample_weight), 0.0))
    several = listed or isinstance(sample_weight, dict)
    weights = [sample_weight] * len(ys)
    if several:
        weights = per_place(f"{where}: sample_weight", sample_weight, names, fill=True)
    found = []
    for name, shape, loss, one, weight in zip(names, shapes, model.output_losses, ys, weights, strict=True):
        require(one is not None or loss is None, f"{where}: y", f"targets of {name}", "None", error=ArgumentTypeError)
        if one is None:
            one = np.zeros((len(x), *shape), np.float32)  # nobody looks at it
        found.append(_truth(model, loss, shape, (x, one, weight, None), f"y of {name}", place, where, dtype))
    y, targets, weights = zip(*found, strict=True)
    return Several(y), Several(targets), None if all(w is None for w in weights) else Several(weights)


def _truth(model, loss, shape, truth, what, place, where, dtype) -> tuple:
    """y, targets and weights of one output.  truth: x, y, sample_weight, class_weight."""
    x, y, sample_weight, class_weight = truth
    y = arguments.array(what, y)
    sample_weight = None if sample_weight is None else check_weights(sample_weight)
    check_lengths(place, x=x, **{what: y}, sample_weight=sample_weight)
    if loss is None:
        targets = y
    else:
        targets = check_range(lenient.prepare(loss, y, shape) if model.lenient else loss.prepare(y, shape), what, dtype)
    weights = sample_weights(y, sample_weight, class_weight, where, shape)
    if weights is not None:
        check_range(weights, "class_weight" if sample_weight is None else "sample_weight", dtype)
    return y, targets, weights


class Augmented(Arrays):
    """A Flow of an ImageDataGenerator: the same, with each batch warped as it is needed."""

    def __init__(self, model: "Trainer", flow: Flow, class_weight: dict | None = None, where: str = "fit"):
        weights = getattr(flow, "sample_weight", None)
        super().__init__(model, flow.x, flow.y, flow.batch_size, weights, class_weight, where=where)
        self.flow = flow

    def rows(self, be: Backend, streams: Streams, shuffle: bool, began: int, number: int) -> np.ndarray:
        return super().rows(be, streams, shuffle and self.flow.shuffle, began, number)

    def usable(self, coming: np.ndarray) -> np.ndarray:
        """The same without pictures that cannot be decoded; the batch after it is on its way meanwhile."""
        rows = super().usable(coming)
        if isinstance(self.x, ImageFiles):
            rows = self.x.readable(rows)
            self.x.prefetch(np.concatenate([rows, coming[self.batch_size : 2 * self.batch_size]]))
        return rows

    def images(self, be: Backend, streams: Streams, rows: np.ndarray, ahead: int = 0, pass_index: int = 0) -> Any:
        x, _ = self.flow.batch(be, rows, streams.seed or 0, streams.step + ahead, streams.row, pass_index)
        return be.asarray(x, be.dtype)


class Batches:
    """Any iterable of (x, y) or (x, y, sample_weight) batches; an epoch goes on where the last one left it.

    A model without weights is built by the first batch, which is looked at before anything else happens.
    ranks: as in Arrays; every rank draws all batches, which have to be the same.
    """

    ranks: "Ranks | None" = None
    again = 0
    before = shift = 0  # what fit says of the epochs of Arrays; those of batches have no places

    def __init__(self, model: "Trainer", iterable: Any, class_weight: dict | None = None, where: str = "fit"):
        self.model, self.iterable, self.class_weight, self.where = model, iterable, class_weight, where
        self.steps = len(iterable) if hasattr(iterable, "__len__") else None
        require(self.steps != 0, where, "batches (x, y)", "an iterable without any", error=DataError)
        self.kind = type(iterable).__name__
        self.iterator, self.drawn, self.seen = iter(()), 0, None
        if not model.built:
            self.look()

    def look(self) -> None:
        """Check the first batch, which stays the first."""
        items = iter(self.iterable)
        first = list(itertools.islice(items, 1))
        require(first, self.where, "batches (x, y)", "an iterable without any", error=DataError)
        self._batch(first[0], 1)
        if items is self.iterable:  # a generator, which only goes on
            self.iterable = itertools.chain(first, items)

    def _begin(self) -> None:
        self.iterator = iter(self.iterable)
        if self.iterator is not self.iterable:  # a list or the like, not a generator, which only goes on
            self.drawn, self.seen = 0, self.seen and hashlib.sha256()

    def shuffle(self, be: Backend, streams: Streams) -> None:
        """Take the batches of a sequence in another order in every pass: a function of the step at which it begins."""
        if isinstance(self.iterable, Indexed):
            self.iterable.order = lambda n: drawn_order(be, streams.key(
                SHUFFLE, 0, step=(streams.step - self.again) % 2**32), n)  # fmt: skip

    def record(self) -> None:
        """From here on know which batches were drawn: a checkpoint will have to find its place among them."""
        self.seen = hashlib.sha256()

    def place(self) -> dict:
        """How many batches were drawn from the present pass, and their digest."""
        return {"drawn": self.drawn, "digest": "" if self.seen is None else self.seen.hexdigest()}

    def go_to(self, place: dict) -> None:
        """Draw the batches of `place` again, and compare: they must be the same."""
        self._begin()
        self.again = place["drawn"]  # steps that the model has made since this pass began
        for item in itertools.islice(self.iterator, place["drawn"]):
            self._count(item)
        self.again = 0
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
                part = list(part.values()) if isinstance(part, dict) else part
                listed = part if isinstance(part, (list, tuple)) else [part]
                for array in (np.ascontiguousarray(arguments.array("batch", one)) for one in _leaves(listed)):
                    self.seen.update(f"{array.shape} {array.dtype.str}\n".encode())
                    self.seen.update(array.data)

    def batches(self, be: Backend, streams: Streams, shuffle: bool, steps: int | None, start: int = 0,
                epoch: int | None = None) -> Iterator[tuple]:  # fmt: skip
        """As Arrays.batches; an evaluation of something that can be iterated twice begins at its first batch."""
        if epoch is None and iter(self.iterable) is not self.iterable:
            self.iterator = iter(())
        for done in itertools.count(start) if steps is None else range(start, steps):
            item = next(self.iterator, None)
            if item is None:
                self._begin()
                again = done == 0 or (steps is not None and epoch is not None)
                item = next(self.iterator, None) if again else None
            if item is None:
                if self.drawn and (done == 0 or steps is not None):
                    ended(self.where, self.drawn, epoch, steps)
                require(done > 0, self.where, "batches (x, y)", "an iterable without any", error=DataError)
                return
            batch = self._batch(item, done + 1)
            self._count(item)
            batch.ranks = self.ranks
            if self.ranks is not None:
                self.ranks.check_batch(f"{self.where}: batch {done + 1}", batch)
            yield from batch.batches(be, streams, False, 1)
        if isinstance(self.iterable, Indexed) and self.drawn == len(self.iterable):
            next(self.iterator, None)  # its pass has ended, and there may be no other one to find it out

    def _batch(self, item, number: int) -> Arrays:
        ok = isinstance(item, (tuple, list)) and len(item) in (2, 3)
        expected = "batches (x, y) or (x, y, sample_weight)"
        fix = "name its columns: ((b[...], b[...]) for b in batches)" if isinstance(item, dict) else ""
        require(ok, self.where, expected, type(item).__name__, fix, error=ArgumentTypeError)
        weights = item[2] if len(item) == 3 else None
        with _named(number):
            x = lenient.inputs(self.model, item[0])
            if isinstance(self.model.sample_in, list):
                size = len(per_input(f"{self.model.name}: x", x, self.model.input_names)[0])
            else:
                size = len(next(iter(x.values())) if isinstance(x, dict) else x)
            return Arrays(self.model, item[0], item[1], size, weights, self.class_weight, where=self.where)


def _leaves(values) -> list:
    """What structures of arrays hold; a list of numbers is one value."""
    found = []
    for one in values:
        deep = isinstance(one, (dict, tuple)) or (isinstance(one, list) and one and hasattr(one[0], "shape"))
        found += flat(one) if deep else [one]
    return found


def source(model: "Trainer", x: Any, y: Any, batch_size: int | None, sample_weight: Any = None,
           class_weight: dict | None = None, what: str = "x", where: str = "fit") -> "Arrays | Batches":  # fmt: skip
    """The source for what a user passed as x (and y) to the method `where`."""
    x = in_batches(x) if y is None else x
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
