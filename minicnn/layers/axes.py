"""Layers that exchange or repeat axes."""

from collections.abc import Sequence
from typing import Any

from ..aliases import Shape
from ..arguments import whole, wholes
from ..core.tensor import Tensor
from ..errors import ArgumentError, require
from ..ops.join import tile
from ..ops.shape import reshape, transpose
from .base import Layer


class Permute(Layer):
    """The axes of each sample in another order: dims counts from 1, (2, 1) exchanges two."""

    config = ("dims",)

    def __init__(self, dims: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = wholes("Permute: dims", dims)
        ok = sorted(self.dims) == list(range(1, len(self.dims) + 1))
        require(ok, "Permute: dims", f"each of 1 to {len(self.dims)} once", dims, error=ArgumentError)

    def follow(self, input_shape: Shape) -> Shape:
        n = len(self.dims)
        require(len(input_shape) == n, self.name, f"samples of {n} axes", input_shape)
        return tuple(input_shape[d - 1] for d in self.dims)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return transpose(x, axes=(0, *self.dims))


class RepeatVector(Layer):
    """Vectors n times one after the other.  (N, C) -> (N, n, C)."""

    config = ("n",)

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = whole("RepeatVector: n", n)

    def follow(self, input_shape: Shape) -> Shape:
        require(len(input_shape) == 1, self.name, "vectors of shape (C,)", input_shape)
        return (self.n, *input_shape)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return tile(reshape(x, shape=(x.shape[0], 1, x.shape[1])), repeats=(1, self.n, 1))
