"""Activations as layers."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

from .. import initializers
from ..aliases import ActivationLike, ConstraintLike, InitializerLike, Ints, RegularizerLike, Shape
from ..arguments import index, items, number, shown
from ..core.tensor import Tensor
from ..errors import ArgumentError, require
from ..notes import note
from ..ops import activation as ops
from ..ops.shape import reshape, transpose
from .base import Layer, get_activation


class Activation(Layer):
    """An activation by name or function, as a layer.  Shape unchanged."""

    config = ("activation",)

    def __init__(self, activation: ActivationLike, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = get_activation("Activation", activation)

    def preactivation(self, x: Tensor, *, training: bool) -> Tensor:
        return x

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return self.activation(x)


class Softmax(Layer):
    """p = softmax(x) over an axis, or over several together: their entries sum to 1.  Shape unchanged."""

    config = ("axis",)

    def __init__(self, axis: Ints = -1, **kwargs: Any):
        super().__init__(**kwargs)
        given = [axis] if index(axis) is not None else items(axis) or [None]
        found = [one for one in map(index, given) if one is not None]
        ok = len(set(found)) == len(given) and 0 not in found
        require(ok, "Softmax: axis", "an axis of samples, -1 the last, or several", shown(axis), error=ArgumentError)
        self.axis: int | tuple[int, ...] = found[0] if index(axis) is not None else tuple(found)

    @property
    def activation(self) -> Callable:
        """The op itself over the last axis, which a loss may take into itself."""
        return ops.softmax if self.axis == -1 else self._along

    def follow(self, input_shape: Shape) -> Shape:
        self._axes(len(input_shape) + 1)
        return input_shape

    def preactivation(self, x: Tensor, *, training: bool) -> Tensor:
        return x

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return self.activation(x)

    def _axes(self, rank: int) -> list[int]:
        given = [self.axis] if isinstance(self.axis, int) else self.axis
        ok = all(-rank < axis < rank for axis in given) and len({axis % rank for axis in given}) == len(given)
        require(ok, f"{self.name}: axis", f"axes of samples, up to {rank - 1}", self.axis)
        return [axis % rank for axis in given]

    def _along(self, x):
        """softmax over the axes, moved to the end as one."""
        axes = self._axes(x.ndim)
        order = [*(axis for axis in range(x.ndim) if axis not in axes), *axes]
        moved = transpose(x, axes=tuple(order))
        wide = reshape(moved, shape=(*moved.shape[: x.ndim - len(axes)], math.prod(moved.shape[x.ndim - len(axes) :])))
        y = reshape(ops.softmax(wide), shape=tuple(moved.shape))
        return transpose(y, axes=tuple(order.index(axis) for axis in range(x.ndim)))

    _along.is_op = True


class ReLU(Layer):
    """y = max(x, 0); optionally cut at max_value, with a slope below a threshold."""

    config = ("max_value", "negative_slope", "threshold")

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0,
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.max_value = number("ReLU: max_value", max_value, low=0, optional=True)
        self.negative_slope = number("ReLU: negative_slope", negative_slope, low=0)
        self.threshold = number("ReLU: threshold", threshold, low=0)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if (self.max_value, self.negative_slope, self.threshold) == (None, 0, 0):
            return ops.relu(x)
        return ops.relu_general(
            x, max_value=self.max_value, negative_slope=self.negative_slope, threshold=self.threshold
        )


class LeakyReLU(Layer):
    """y = x where x > 0, else negative_slope x.  The layer's default slope is .3, the function's .2, as in Keras."""

    config = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        given = "alpha" if "alpha" in kwargs else "negative_slope"
        if given in kwargs:
            negative_slope = kwargs.pop("alpha")
            note("LeakyReLU(alpha=...) is read as negative_slope=")
        super().__init__(**kwargs)
        self.negative_slope = number(f"LeakyReLU: {given}", negative_slope, low=0)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return ops.leaky_relu(x, negative_slope=self.negative_slope)


class ELU(Layer):
    """y = x where x > 0, else alpha (exp x - 1)."""

    config = ("alpha",)

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = number("ELU: alpha", alpha)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return ops.elu(x, alpha=self.alpha)


class PReLU(Layer):
    """y = x where x > 0, else alpha x; alpha is learned, one per element, shared along `shared_axes` (1 = rows).

    A negative axis counts from the end as in Keras, whose files hold alpha in that shape: -1 is the last but one, and
    no negative number means the channels.
    """

    bound: ClassVar = {"alpha": "alpha"}
    config = ("alpha_initializer", "shared_axes")

    def __init__(self, alpha_initializer: InitializerLike = "zeros", alpha_regularizer: RegularizerLike = None,
                 alpha_constraint: ConstraintLike = None, shared_axes: Ints | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(alpha_regularizer=alpha_regularizer, alpha_constraint=alpha_constraint, **kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer, "PReLU: alpha_initializer")
        several = [] if shared_axes is None else items(shared_axes)
        given = [shared_axes] if several is None else several
        axes = [axis for axis in map(index, given) if axis]
        ok, expected = len(axes) == len(given), "axes other than the batch's"
        require(ok, "PReLU: shared_axes", expected, shown(shared_axes), error=ArgumentError)
        self.shared_axes = tuple(axes)

    def build(self, input_shape: Shape) -> Shape:
        rank = len(input_shape)
        ok = all(1 - rank <= axis <= rank for axis in self.shared_axes)
        expected = f"axes from 1 to {rank}" + (f", or from {1 - rank} to -1" if rank > 1 else "")
        require(ok, f"{self.name}: shared_axes", expected, self.shared_axes, error=ArgumentError)
        self.alpha = self.add_weight("alpha", self._shared(input_shape), self.alpha_initializer)
        return input_shape

    def _shared(self, input_shape):
        shape = list(input_shape)
        for axis in self.shared_axes:
            shape[axis - 1] = 1
        return tuple(shape)

    def follow(self, input_shape: Shape) -> Shape:
        fits, wanted = self._shared(input_shape) == self.alpha.shape, f"samples that share slopes {self.alpha.shape}"
        require(fits, self.name, wanted, f"shape {tuple(input_shape)}")
        return input_shape

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return ops.prelu(x, self.alpha)
