"""Normalisation of groups of channels, and of vectors to length 1, from the ops of minicnn/ops."""

from typing import Any

from ..aliases import InitializerLike, Ints, Shape
from ..arguments import axes as checked_axes
from ..arguments import whole
from ..core.tensor import Tensor
from ..errors import ArgumentError, require
from ..ops.arithmetic import maximum, sqrt
from ..ops.reduce import mean, total, variance
from .base import Layer
from .norm import Affine


class GroupNormalization(Affine):
    """y = gamma (x - mean) / sqrt(var + epsilon) + beta, mean and variance of each sample over a group of channels.

    Shape unchanged; gamma and beta have one entry per channel.
    groups  how many groups of neighbouring channels; -1: each channel by itself ("instance normalization")
    Source: Wu & He 2018, "Group normalization".
    """

    config = ("groups", "axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer")

    def __init__(self, groups: int = 32, axis: int = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
                 beta_initializer: InitializerLike = "zeros", gamma_initializer: InitializerLike = "ones",
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        where = "GroupNormalization"
        self.groups = whole(f"{where}: groups", groups, low=-1)
        require(self.groups != 0, f"{where}: groups", "a whole number of at least 1, or -1", 0, error=ArgumentError)
        self.axis = whole(f"{where}: axis", axis, low=None)
        require(self.axis != 0, f"{where}: axis", "one axis other than the batch's", 0, error=ArgumentError)
        self._affine(where, epsilon, center, scale, beta_initializer, gamma_initializer)

    def build(self, input_shape: Shape) -> Shape:
        rank = len(input_shape) + 1
        ok = -rank < self.axis < rank
        require(ok, f"{self.name}: axis", f"an axis of {rank}-dimensional data", self.axis, error=ArgumentError)
        self.at = self.axis % rank
        channels = input_shape[self.at - 1]
        count = channels if self.groups == -1 else self.groups
        fits = channels is not None and channels % count == 0
        require(fits, f"{self.name}: groups", f"a divisor of {channels} channels", self.groups, error=ArgumentError)
        self.count, self.wanted = count, (channels, rank)
        self._add_affine((channels,))
        return input_shape

    def follow(self, input_shape: Shape) -> Shape:
        channels, rank = self.wanted
        require(len(input_shape) + 1 == rank, self.name, f"data of {rank} axes", len(input_shape) + 1)
        received = input_shape[self.at - 1]
        require(received == channels, self.name, f"{channels} channels along axis {self.at}", received)
        return input_shape

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        shape, at, channels = x.shape, self.at, self.wanted[0]
        grouped = x.reshape(*shape[:at], self.count, channels // self.count, *shape[at + 1 :])
        over = tuple(i for i in range(1, len(shape) + 1) if i != at)
        centred = grouped - mean(grouped, axis=over, keepdims=True)
        y = centred / sqrt(variance(grouped, axis=over, keepdims=True) + self.epsilon)
        y, wide = y.reshape(*shape), [channels if i == at else 1 for i in range(len(shape))]
        return self._scaled(y, wide)


class UnitNormalization(Layer):
    """y = x / |x|, the length over `axis`, an axis or several; 0 stays 0.  Shape unchanged."""

    config = ("axis",)

    def __init__(self, axis: Ints = -1, **kwargs: Any):
        super().__init__(**kwargs)
        axis = checked_axes("UnitNormalization: axis", axis)
        self.axis = list(axis) if isinstance(axis, tuple) else axis

    def follow(self, input_shape: Shape) -> Shape:
        axes, rank = self.axis if isinstance(self.axis, list) else [self.axis], len(input_shape) + 1
        ok = all(-rank < a < rank and a % rank for a in axes)
        expected = f"axes of {rank}-dimensional data other than the batch's"
        require(ok, f"{self.name}: axis", expected, self.axis, error=ArgumentError)
        return input_shape

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        return x / sqrt(maximum(total(x * x, axis=axis, keepdims=True), 1e-24))
