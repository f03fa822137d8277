"""Dataset: elements that can be iterated again and again, with the methods of tf.data: map, batch, take.

    train = image_dataset_from_directory("cats_and_dogs", image_size=(64, 64), batch_size=16)
    train = train.map(lambda x, y: (x / 255, y)).cache().prefetch(AUTOTUNE)
    model.fit(train, epochs=3)

Elements are NumPy arrays with a method numpy(), or tuples of them. Each step takes the one before it as it goes.
"""

import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..arguments import flag, seed, whole
from ..errors import ArgumentError, ArgumentTypeError, MissingDataError, require

AUTOTUNE = -1


class Array(np.ndarray):
    """An array that scripts may call numpy() on, as on a tensor; so is each of its rows."""

    def numpy(self) -> Any:
        """The same values as a plain array; of one string its bytes, as TensorFlow has them."""
        return self.item().encode() if self.dtype.kind == "U" and not self.ndim else np.asarray(self)

    def set_shape(self, shape: Any) -> None:
        """Nothing to do: an array knows its shape."""

    def __getitem__(self, rows):
        found = super().__getitem__(rows)
        return np.asarray(found).view(Array) if isinstance(found, np.generic) else found


def element(value: Any) -> Any:
    """Arrays, lists, tensors and numbers as Array; of tuples and dicts each part."""
    if isinstance(value, tuple):
        return tuple(map(element, value))
    if isinstance(value, dict):
        return {key: element(part) for key, part in value.items()}
    if isinstance(value, Array):
        return value
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value).view(Array)


def _each(function: Callable, values: list):
    """function(list of parts) for every place of elements that are alike."""
    first = values[0]
    if isinstance(first, tuple):
        return tuple(_each(function, list(parts)) for parts in zip(*values, strict=True))
    if isinstance(first, dict):
        return {key: _each(function, [value[key] for value in values]) for key in first}
    return function(values)


class Spec:
    """shape and dtype of a part of an element."""

    def __init__(self, array: Any):
        self.shape, self.dtype = array.shape, array.dtype

    def __repr__(self):
        return f"TensorSpec(shape={self.shape}, dtype={self.dtype})"


class Dataset:
    """What `make(number of the pass)` yields, each time it is walked.

    length       how many elements there are; None: nobody knows before the end
    class_names, file_paths   of pictures in folders
    """

    class_names: list[str] | None = None
    file_paths: list[str] | None = None

    def __init__(self, make: Callable[[int], Iterator], length: int | None):
        self._make, self._length, self._passes = make, length, 0

    def __iter__(self) -> Iterator:
        self._passes += 1
        return map(element, self._make(self._passes - 1))

    def __len__(self) -> int:
        if self._length is None:
            raise TypeError("Dataset: expected a known length, received a filtered or endless one: give steps=")
        return self._length

    def __getattribute__(self, name: str):
        if name == "__len__" and object.__getattribute__(self, "_length") is None:
            raise AttributeError(name)  # hasattr says that there is none
        return object.__getattribute__(self, name)

    def cardinality(self) -> int:
        """The length, -2 where nobody knows it."""
        return -2 if self._length is None else self._length

    @staticmethod
    def from_tensor_slices(tensors: Any) -> "Dataset":
        """The rows of an array, or of several in a tuple or a dict."""
        try:
            whole_set = element(tensors)
        except ValueError:  # NumPy's, of rows that differ in length
            require(False, "from_tensor_slices", "rows of one shape", repr(tensors)[:40], "from_generator")
        ok = all(np.ndim(one) for one in _leaves(whole_set))
        require(ok, "from_tensor_slices", "arrays that have rows", repr(tensors)[:40], "from_tensors")
        lengths = set(map(len, _leaves(whole_set)))
        expected = "arrays of one length"
        require(len(lengths) == 1, "from_tensor_slices", expected, ", ".join(map(str, sorted(lengths))) or "none",
                error=ArgumentError)  # fmt: skip
        n = lengths.pop()
        return Dataset(lambda _: (_row(whole_set, i) for i in range(n)), n)

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> "Dataset":
        """One element."""
        one = element(tensors)
        return Dataset(lambda _: iter([one]), 1)

    @staticmethod
    def from_generator(generator: Callable, output_types: Any = None, output_shapes: Any = None, args: Any = None,
                       output_signature: Any = None, name: str | None = None) -> "Dataset":  # fmt: skip
        """What generator(*args) yields, called anew for each pass; in the types that output_signature names."""
        require(callable(generator), "from_generator: generator", "a function that returns an iterator, as lambda: it",
                repr(generator)[:40], error=ArgumentTypeError)  # fmt: skip
        types = output_types if output_signature is None else output_signature
        shapes = output_shapes if output_signature is None else None

        def made(_):
            found = generator(*(args or ()))
            ok = hasattr(found, "__iter__") or hasattr(found, "__getitem__")
            require(
                ok,
                "from_generator: generator",
                "a function that returns an iterator",
                repr(found)[:40],
                error=ArgumentTypeError,
            )
            return (_typed(one, types, shapes) for one in found)

        return Dataset(made, None)

    @staticmethod
    def range(*args: Any, output_type: Any = "int64", name: str | None = None) -> "Dataset":
        """The numbers of Python's range."""
        require(1 <= len(args) <= 3, "range", "stop, or start, stop and step", f"{len(args)} numbers",
                error=ArgumentTypeError)  # fmt: skip
        step = args[2:] and whole("range: step", args[2], low=None)
        require(step != 0, "range: step", "a whole number other than 0", 0, error=ArgumentError)
        numbers = range(*(whole("range", n, low=None) for n in args))
        try:
            kind = np.dtype(output_type)
        except TypeError:
            kind = np.dtype(object)
        ok = kind.kind in "uif"
        require(ok, "range: output_type", "a type of numbers", repr(output_type)[:40], error=ArgumentError)
        return Dataset(lambda _: (np.asarray(n, kind) for n in numbers), len(numbers))

    @staticmethod
    def list_files(file_pattern: str | os.PathLike | Sequence[str], shuffle: bool = True, seed: int | None = None,
                   name: str | None = None) -> "Dataset":  # fmt: skip
        """The names of files that match, in another order in each pass, or sorted."""
        alone = isinstance(file_pattern, (str, os.PathLike))
        ok = alone or isinstance(file_pattern, Iterable)
        require(ok, "list_files: file_pattern", "a string, a path, or several", repr(file_pattern)[:40],
                error=ArgumentTypeError)  # fmt: skip
        patterns = [os.fspath(file_pattern)] if alone else list(map(str, file_pattern))
        names = sorted(name for pattern in patterns for name in glob.glob(pattern))
        if not names:
            raise MissingDataError(f"list_files: expected files that match {patterns}, received none")
        found = Dataset.from_tensor_slices(names)
        return found.shuffle(len(names), seed) if flag("list_files: shuffle", shuffle) else found

    @staticmethod
    def zip(*datasets: Any, name: str | None = None) -> "Dataset":
        """Elements side by side, as many as the shortest has."""
        parts = datasets[0] if len(datasets) == 1 and isinstance(datasets[0], (tuple, list)) else datasets
        ok = bool(parts) and all(isinstance(one, Dataset) for one in parts)
        require(ok, "zip", "datasets", repr(datasets)[:60], error=ArgumentTypeError)
        known = [one._length for one in parts if one._length is not None]
        return Dataset(lambda _: zip(*parts, strict=False), min(known) if len(known) == len(parts) else None)

    def concatenate(self, dataset: "Dataset", name: str | None = None) -> "Dataset":
        """These elements, then the other's."""
        _dataset("concatenate: dataset", dataset)
        mine, theirs = self._length, dataset._length
        n = None if mine is None or theirs is None else mine + theirs
        return Dataset(lambda _: itertools.chain(self, dataset), n)

    def shard(self, num_shards: int, index: int, name: str | None = None) -> "Dataset":
        """Every num_shards-th element, from number `index` on."""
        each = whole("shard: num_shards", num_shards)
        first, n = whole("shard: index", index, low=0, high=each - 1), self._length
        return Dataset(lambda _: itertools.islice(iter(self), first, None, each),
                       None if n is None else max(0, -(-(n - first) // each)))  # fmt: skip

    def flat_map(self, map_func: Callable, name: str | None = None) -> "Dataset":
        """The elements of the datasets that map_func makes, one after the other."""
        require(callable(map_func), "flat_map: map_func", "a function", repr(map_func)[:40], error=ArgumentTypeError)
        return Dataset(lambda _: (inner for one in self for inner in _dataset("flat_map: map_func", (
            map_func(*one) if isinstance(one, tuple) else map_func(one)))), None)  # fmt: skip

    def interleave(self, map_func: Callable, cycle_length: int | None = None, block_length: int = 1,
                   num_parallel_calls: Any = None, deterministic: Any = None,
                   name: str | None = None) -> "Dataset":  # fmt: skip
        """The datasets that map_func makes, block_length elements of each in turn, cycle_length of them at a time."""
        require(callable(map_func), "interleave: map_func", "a function", repr(map_func)[:40], error=ArgumentTypeError)
        width = 16 if cycle_length in (None, -1) else whole("interleave: cycle_length", cycle_length)
        block = whole("interleave: block_length", block_length)

        def woven(_):
            made = ((map_func(*one) if isinstance(one, tuple) else map_func(one)) for one in self)
            waiting = (_dataset("interleave: map_func", one) for one in made)
            now: list[Any] = [iter(one) for one in itertools.islice(waiting, width)]
            while now:
                for place, one in enumerate(now):
                    found = list(itertools.islice(one, block))
                    yield from found
                    if len(found) < block:  # it has ended: the next one takes its place
                        now[place] = next(map(iter, waiting), None)
                now = [one for one in now if one is not None]

        return Dataset(woven, None)

    def reduce(self, initial_state: Any, reduce_func: Callable, name: str | None = None) -> Any:
        """reduce_func(state, element) from element to element."""
        require(callable(reduce_func), "reduce: reduce_func", "a function", repr(reduce_func)[:40],
                error=ArgumentTypeError)  # fmt: skip
        state = initial_state
        for one in self:
            state = reduce_func(state, one)
        return state

    def apply(self, transformation_func: Callable) -> "Dataset":
        """transformation_func of it."""
        require(callable(transformation_func), "apply: transformation_func", "a function",
                repr(transformation_func)[:40], error=ArgumentTypeError)  # fmt: skip
        return transformation_func(self)

    def with_options(self, options: Any, name: str | None = None) -> "Dataset":
        """The same: options say how TensorFlow would run it."""
        return self

    @property
    def element_spec(self) -> Any:
        """The shapes and types of its first element."""
        first = next(iter(self), None)
        require(first is not None, "element_spec", "a dataset with elements", "an empty one", error=ArgumentError)
        return _each(lambda parts: Spec(parts[0]), [first])

    def map(self, map_func: Callable, num_parallel_calls: Any = None, deterministic: Any = None,
            name: str | None = None) -> "Dataset":  # fmt: skip
        """map_func(x), or map_func(x, y) of elements that are tuples."""
        require(callable(map_func), "map: map_func", "a function", repr(map_func)[:40], error=ArgumentTypeError)

        def mapped(_):
            for one in self:
                yield map_func(*one) if isinstance(one, tuple) else map_func(one)

        return Dataset(mapped, self._length)

    def filter(self, predicate: Callable, name: str | None = None) -> "Dataset":
        """The elements of which predicate says True."""
        require(callable(predicate), "filter: predicate", "a function", repr(predicate)[:40], error=ArgumentTypeError)
        return Dataset(
            lambda _: (one for one in self if (predicate(*one) if isinstance(one, tuple) else predicate(one))), None
        )

    def batch(self, batch_size: int, drop_remainder: bool = False, num_parallel_calls: Any = None,
              deterministic: Any = None, name: str | None = None) -> "Dataset":  # fmt: skip
        """Each batch_size elements as one, whose arrays have an axis in front; the last may be smaller."""
        size, whole_only = whole("batch: batch_size", batch_size), flag("batch: drop_remainder", drop_remainder)

        def batches(_):
            elements = iter(self)
            while group := list(itertools.islice(elements, size)):
                if len(group) == size or not whole_only:
                    yield _each(_stacked, group)

        n = self._length
        return Dataset(batches, n if n is None else n // size if whole_only else -(-n // size))

    def unbatch(self, name: str | None = None) -> "Dataset":
        """The rows of every batch."""

        def rows(_):
            for one in self:
                require(np.ndim(_leaves(one)[0]), "unbatch", "elements that have rows", repr(one)[:40])
                for i in range(len(_leaves(one)[0])):
                    yield _row(one, i)

        return Dataset(rows, None)

    def shuffle(self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool = True,
                name: str | None = None) -> "Dataset":  # fmt: skip
        """Elements in another order: each is drawn from the next buffer_size; every pass in an order of its own."""
        size, seed = whole("shuffle: buffer_size", buffer_size), _seed("shuffle", seed)
        again = flag("shuffle: reshuffle_each_iteration", reshuffle_each_iteration)
        seed = int(np.random.default_rng().integers(2**31)) if seed is None else seed

        def shuffled(turn):
            rng, elements = np.random.default_rng((seed, turn if again else 0)), iter(self)
            waiting = list(itertools.islice(elements, size))
            for one in elements:
                place = int(rng.integers(len(waiting)))
                yield waiting[place]
                waiting[place] = one
            for place in rng.permutation(len(waiting)):
                yield waiting[place]

        return Dataset(shuffled, self._length)

    def take(self, count: int, name: str | None = None) -> "Dataset":
        """The first `count` elements; -1: all."""
        count = whole("take: count", count, low=-1)
        n = self._length
        if count == -1:
            return Dataset(lambda _: iter(self), n)
        return Dataset(lambda _: itertools.islice(iter(self), count), count if n is None else min(n, count))

    def skip(self, count: int, name: str | None = None) -> "Dataset":
        """All but the first `count` elements."""
        count, n = whole("skip: count", count, low=0), self._length
        return Dataset(lambda _: itertools.islice(iter(self), count, None), None if n is None else max(n - count, 0))

    def repeat(self, count: int | None = None, name: str | None = None) -> "Dataset":
        """All elements, `count` times; None or -1: without end."""
        count = None if count in (None, -1) else whole("repeat: count", count)

        def repeated(_):
            for _ in itertools.count() if count is None else range(count):
                yield from self

        return Dataset(repeated, None if count is None or self._length is None else count * self._length)

    def cache(self, filename: str = "", name: str | None = None) -> "Dataset":
        """Elements as the first whole pass had them, kept in memory."""
        expected, fix = "a cache in memory", "leave filename out"
        require(not filename, "cache: filename", expected, repr(filename), fix, error=ArgumentError)
        kept: list = []

        def cached(_):
            if kept:
                yield from kept[0]
                return
            seen = []
            for one in self:
                seen.append(one)
                yield one
            kept[:] = [seen]

        return Dataset(cached, self._length)

    def prefetch(self, buffer_size: int, name: str | None = None) -> "Dataset":
        """The same: pictures are decoded ahead of their use as it is."""
        return Dataset(lambda _: iter(self), self._length)._like(self)

    def enumerate(self, start: int = 0, name: str | None = None) -> "Dataset":
        """(number, element)."""
        first = whole("enumerate: start", start, low=None)
        return Dataset(lambda _: enumerate(iter(self), first), self._length)

    def as_numpy_iterator(self) -> Iterator:
        """The elements, as plain arrays."""
        return (_each(lambda parts: np.asarray(parts[0]), [one]) for one in self)

    def _like(self, other: "Dataset") -> "Dataset":
        self.class_names, self.file_paths = other.class_names, other.file_paths
        return self

    def __repr__(self):
        return f"<Dataset of {'an unknown number of' if self._length is None else self._length} elements>"


def _stacked(parts: list) -> np.ndarray:
    shapes = {np.shape(part) for part in parts}
    require(len(shapes) == 1, "batch", "elements of one shape", " and ".join(map(str, sorted(shapes)))[:60])
    return np.stack(parts)


def _dataset(where: str, value: Any) -> Dataset:
    require(isinstance(value, Dataset), where, "a dataset", repr(value)[:40], error=ArgumentTypeError)
    return value


def _typed(value: Any, like: Any, shape: Any = None) -> Any:
    """What a generator yields in the types of `like`, which may say shapes, too; None in a shape is any size."""
    if isinstance(like, (tuple, list)):
        ok = isinstance(value, (tuple, list)) and len(value) == len(like)
        require(ok, "from_generator", f"elements of {len(like)} parts", repr(value)[:40])
        return tuple(map(_typed, value, like, [None] * len(like) if shape is None else shape))
    if isinstance(like, dict):
        ok = isinstance(value, dict) and set(like) <= set(value)
        expected = f"a dict of {', '.join(map(repr, like))}"
        require(ok, "from_generator", expected, repr(value)[:40], error=ArgumentTypeError)
        return {key: _typed(value[key], one, None if shape is None else shape[key]) for key, one in like.items()}
    if hasattr(like, "dtype") and not isinstance(like, (type, np.dtype)):
        kind, shape = like.dtype, getattr(like, "shape", None)
    else:
        kind = like
    if kind is not None and str(kind) != "string":
        try:
            value = np.asarray(value.numpy() if hasattr(value, "numpy") else value, kind)
        except (TypeError, ValueError, OverflowError):
            require(False, "from_generator", f"elements of {kind}", repr(value)[:40], error=ArgumentTypeError)
    if shape is not None and not getattr(shape, "unknown", False):
        expected, found = tuple(shape), np.shape(value)
        ok = len(expected) == len(found) and all(m in (None, n) for m, n in zip(expected, found, strict=True))
        require(ok, "from_generator", f"elements of shape {expected}", found)
    return value


def _row(value, i: int):
    """Row i of every array of an element."""
    return _each(lambda parts: parts[0][i], [value])


def _seed(where: str, value) -> int | None:
    return seed(f"{where}: seed", value)


def _leaves(value) -> list:
    """The arrays of an element."""
    if isinstance(value, (tuple, dict)):
        parts = value.values() if isinstance(value, dict) else value
        return [leaf for part in parts for leaf in _leaves(part)]
    return [value]
