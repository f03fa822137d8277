"""Layers that make one tensor of several: Add()([a, b]), or add([a, b])."""

import functools
import math
from collections.abc import Sequence
from typing import Any

from ..aliases import Ints, Shape
from ..arguments import flag, index, items, shown
from ..core.tensor import Tensor
from ..errors import ArgumentError, ArgumentTypeError, require
from ..ops import arithmetic as A
from ..ops.join import batch_matmul
from ..ops.join import concatenate as concatenated
from ..ops.reduce import total
from ..ops.shape import reshape, transpose
from .base import Layer
from .open_sizes import OPEN

EPSILON = 1e-12  # of a squared length, as in Keras's normalize


class Merge(Layer):
    """What these layers share: they are called on a list of at least `least` tensors, whose batches agree."""

    least = 2

    def follow(self, input_shape: tuple[Shape, ...]) -> Shape:
        listed = bool(input_shape) and isinstance(input_shape[0], tuple)
        expected, n = f"a list of at least {self.least} tensors", len(input_shape) if listed else 1
        fix = f"call it on a list: {type(self).__name__}()([a, b])"
        require(listed and n >= self.least, self.name, expected, "one tensor" if n == 1 else n, fix,
                error=ArgumentTypeError)  # fmt: skip
        return self.merged(list(input_shape))

    def merged(self, shapes: list[tuple]) -> tuple:
        """The shape of one output sample: sizes agree, or one of them is 1; missing axes stand at the front."""
        rank = max(map(len, shapes))
        padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
        sizes = [{n for n in axis if n is OPEN or n != 1} for axis in zip(*padded, strict=True)]
        sizes = [{n for n in axis if n is not OPEN} or axis for axis in sizes]  # a known size says what the others are
        ok = all(len(axis) <= 1 for axis in sizes)
        require(ok, self.name, "samples of one shape, or of shapes that broadcast", ", ".join(map(str, shapes)))
        return tuple(axis.pop() if axis else 1 for axis in sizes)

    def call(self, x: list[Tensor], *, training: bool) -> Tensor:
        rank = max(one.ndim for one in x)
        return self.merge([one if one.ndim == rank else reshape(one, shape=(len(one.data), *(1,) * (rank - one.ndim),
                           *one.shape[1:])) for one in x])  # fmt: skip

    def merge(self, x: list) -> Tensor:
        raise NotImplementedError


class Add(Merge):
    """y = a + b + ...  Shapes agree, or broadcast."""

    def merge(self, x: list[Tensor]) -> Tensor:
        return functools.reduce(A.add, x)


class Subtract(Merge):
    """y = a - b."""

    def merged(self, shapes: list[Shape]) -> Shape:
        require(len(shapes) == 2, self.name, "two tensors", len(shapes))
        return super().merged(shapes)

    def merge(self, x: list[Tensor]) -> Tensor:
        return A.subtract(*x)


class Multiply(Merge):
    """y = a b ..., element by element."""

    def merge(self, x: list[Tensor]) -> Tensor:
        return functools.reduce(A.multiply, x)


class Average(Merge):
    """y = (a + b + ...) / their number."""

    def merge(self, x: list[Tensor]) -> Tensor:
        return functools.reduce(A.add, x) / len(x)


class Maximum(Merge):
    """y = the largest, element by element; the gradient goes to it, on ties to the first."""

    def merge(self, x: list[Tensor]) -> Tensor:
        return functools.reduce(A.maximum, x)


class Minimum(Merge):
    """y = the smallest, element by element; the gradient goes to it, on ties to the first."""

    def merge(self, x: list[Tensor]) -> Tensor:
        return functools.reduce(A.minimum, x)


class Concatenate(Merge):
    """The tensors one after the other along `axis`, which counts the batch's as 0; all other axes agree."""

    config = ("axis",)
    least = 1

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = index(axis) or 0
        require(self.axis != 0, "Concatenate: axis", "an axis other than the batch's", shown(axis), error=ArgumentError)

    def merged(self, shapes: list[Shape]) -> Shape:
        rank = len(shapes[0]) + 1
        require(-rank < self.axis < rank, self.name, f"an axis of {rank}-dimensional data", self.axis)
        at = self.axis % rank - 1
        others = {(len(shape), *(n for i, n in enumerate(shape) if i != at)) for shape in shapes}
        expected = f"tensors that agree in all axes but {self.axis}"
        require(len(others) == 1, self.name, expected, ", ".join(map(str, shapes)))
        return tuple(sum(shape[at] for shape in shapes) if i == at else n for i, n in enumerate(shapes[0]))

    def call(self, x: list[Tensor], *, training: bool) -> Tensor:
        return concatenated(*x, axis=self.axis)


class Dot(Merge):
    """The products of two tensors' samples, summed over one axis of each: axes (of a, of b), or one number for both.

    a (N, A.., K, A'..), b (N, B.., K, B'..) -> (N, A.., A'.., B.., B'..), or (N, 1) where nothing else is left.
    normalize  both are first divided by their length along that axis: the result is their cosine
    """

    config = ("axes", "normalize")

    def __init__(self, axes: Ints, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        both = [axes, axes] if index(axes) is not None else items(axes) or ()
        self.axes = tuple(axis for axis in map(index, both) if axis)
        ok = len(self.axes) == len(both) == 2
        require(ok, "Dot: axes", "an axis after the batch's, or two", shown(axes), error=ArgumentError)
        self.normalize = flag("Dot: normalize", normalize)

    def _places(self, shapes) -> list[int]:
        """The summed axes among all, the batch's included."""
        ranks = [len(shape) + 1 for shape in shapes]
        ok = len(shapes) == 2 and all(-r < a < r for a, r in zip(self.axes, ranks, strict=False))
        require(ok, self.name, f"two tensors with axes {self.axes}", ", ".join(map(str, shapes)))
        return [a % r for a, r in zip(self.axes, ranks, strict=True)]

    def merged(self, shapes: list[Shape]) -> Shape:
        i, j = self._places(shapes)
        a, b = shapes
        require(a[i - 1] == b[j - 1], self.name, f"as many entries along axis {i} as along axis {j} of the other",
                f"{a} and {b}")  # fmt: skip
        return (*a[: i - 1], *a[i:], *b[: j - 1], *b[j:]) or (1,)

    def call(self, x: list[Tensor], *, training: bool) -> Tensor:
        a, b = x
        i, j = self._places([a.shape[1:], b.shape[1:]])
        if self.normalize:
            a, b = _unit(a, i), _unit(b, j)
        shape = (a.shape[0], *self.merged([a.shape[1:], b.shape[1:]]))
        n, k = a.shape[0], a.shape[i]
        a = transpose(a, axes=(0, *(axis for axis in range(1, a.ndim) if axis != i), i))
        b = transpose(b, axes=(0, j, *(axis for axis in range(1, b.ndim) if axis != j)))
        a = reshape(a, shape=(n, math.prod(a.shape[1:-1]), k))
        b = reshape(b, shape=(n, k, math.prod(b.shape[2:])))
        return reshape(batch_matmul(a, b), shape=shape)


def _unit(x, axis):
    return x / A.sqrt(A.maximum(total(x * x, axis=axis, keepdims=True), EPSILON))


def _function(cls):
    def merge(inputs, **kwargs):
        return cls(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = cls.__name__.lower()
    merge.__doc__ = f"{cls.__name__}(**kwargs)(inputs)."
    return merge


add, subtract, multiply = map(_function, (Add, Subtract, Multiply))
average, maximum, minimum = map(_function, (Average, Maximum, Minimum))


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """Concatenate(axis, **kwargs)(inputs)."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: Ints = -1, **kwargs: Any) -> Any:
    """Dot(axes, **kwargs)(inputs)."""
    return Dot(axes, **kwargs)(inputs)
