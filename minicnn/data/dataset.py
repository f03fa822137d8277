"""Dataset: elements that can be iterated again and again, with the methods of tf.data: map, batch, take.

    train = image_dataset_from_directory("cats_and_dogs", image_size=(64, 64), batch_size=16)
    train = train.map(lambda x, y: (x / 255, y)).cache().prefetch(AUTOTUNE)
    model.fit(train, epochs=3)

Elements are NumPy arrays with a method numpy(), or tuples of them. Each step takes the one before it as it goes.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arguments import flag, seed, whole
from ..errors import ArgumentError, ArgumentTypeError, require

AUTOTUNE = -1


class Array(np.ndarray):
    """An array that scripts may call numpy() on, as on a tensor; so is each of its rows."""

    def numpy(self) -> np.ndarray:
        """The same values as a plain array."""
        return np.asarray(self)

    def __getitem__(self, rows):
        found = super().__getitem__(rows)
        return np.asarray(found).view(Array) if isinstance(found, np.generic) else found


def element(value: Any) -> Any:
    """Arrays, lists, tensors and numbers as Array; of tuples and dicts each part."""
    if isinstance(value, tuple):
        return tuple(map(element, value))
    if isinstance(value, dict):
        return {key: element(part) for key, part in value.items()}
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value).view(Array)


def _each(function: Callable, values: list):
    """function(list of parts) for every place of elements that are alike."""
    first = values[0]
    if isinstance(first, tuple):
        return tuple(_each(function, list(parts)) for parts in zip(*values, strict=True))
    if isinstance(first, dict):
        return {key: _each(function, [value[key] for value in values]) for key in first}
    return function(values)


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
        whole_set = element(tensors)
        lengths = set(map(len, _leaves(whole_set)))
        expected = "arrays of one length"
        require(len(lengths) == 1, "from_tensor_slices", expected, ", ".join(map(str, sorted(lengths))) or "none",
                error=ArgumentError)  # fmt: skip
        n = lengths.pop()
        return Dataset(lambda _: (_row(whole_set, i) for i in range(n)), n)

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
                    yield _each(np.stack, group)

        n = self._length
        return Dataset(batches, n if n is None else n // size if whole_only else -(-n // size))

    def unbatch(self, name: str | None = None) -> "Dataset":
        """The rows of every batch."""

        def rows(_):
            for one in self:
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
        return Dataset(lambda _: enumerate(iter(self), start), self._length)

    def as_numpy_iterator(self) -> Iterator:
        """The elements, as plain arrays."""
        return (_each(lambda parts: np.asarray(parts[0]), [one]) for one in self)

    def _like(self, other: "Dataset") -> "Dataset":
        self.class_names, self.file_paths = other.class_names, other.file_paths
        return self

    def __repr__(self):
        return f"<Dataset of {'an unknown number of' if self._length is None else self._length} elements>"


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
