"""Activations as layers."""

from typing import ClassVar

from .. import initializers
from ..arguments import choice, index, items, number, shown
from ..errors import ArgumentError, require
from ..notes import note
from ..ops import activation as ops
from .base import Layer, get_activation


class Activation(Layer):
    """An activation by name or function, as a layer.  Shape unchanged."""

    config = ("activation",)

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = get_activation("Activation", activation)

    def preactivation(self, x, *, training):
        return x

    def call(self, x, *, training):
        return self.activation(x)


class Softmax(Layer):
    """p = softmax(x) over the last axis."""

    config = ("axis",)
    activation = staticmethod(ops.softmax)

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = choice("Softmax: axis", axis, (-1,))

    def preactivation(self, x, *, training):
        return x

    def call(self, x, *, training):
        return ops.softmax(x)


class ReLU(Layer):
    """y = max(x, 0); optionally cut at max_value, with a slope below a threshold."""

    config = ("max_value", "negative_slope", "threshold")

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        self.max_value = number("ReLU: max_value", max_value, low=0, optional=True)
        self.negative_slope = number("ReLU: negative_slope", negative_slope, low=0)
        self.threshold = number("ReLU: threshold", threshold, low=0)

    def call(self, x, *, training):
        if (self.max_value, self.negative_slope, self.threshold) == (None, 0, 0):
            return ops.relu(x)
        return ops.relu_general(
            x, max_value=self.max_value, negative_slope=self.negative_slope, threshold=self.threshold
        )


class LeakyReLU(Layer):
    """y = x where x > 0, else negative_slope x.  The layer's default slope is .3, the function's .2, as in Keras."""

    config = ("negative_slope",)

    def __init__(self, negative_slope=0.3, **kwargs):
        given = "alpha" if "alpha" in kwargs else "negative_slope"
        if given in kwargs:
            negative_slope = kwargs.pop("alpha")
            note("LeakyReLU(alpha=...) is read as negative_slope=")
        super().__init__(**kwargs)
        self.negative_slope = number(f"LeakyReLU: {given}", negative_slope, low=0)

    def call(self, x, *, training):
        return ops.leaky_relu(x, negative_slope=self.negative_slope)


class ELU(Layer):
    """y = x where x > 0, else alpha (exp x - 1)."""

    config = ("alpha",)

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = number("ELU: alpha", alpha)

    def call(self, x, *, training):
        return ops.elu(x, alpha=self.alpha)


class PReLU(Layer):
    """y = x where x > 0, else alpha x; alpha is learned, one per element, shared along `shared_axes` (1 = rows).

    A negative axis counts from the end as in Keras, whose files hold alpha in that shape: -1 is the last but one, and
    no negative number means the channels.
    """

    bound: ClassVar = {"alpha": "alpha"}
    config = ("alpha_initializer", "shared_axes")

    def __init__(self, alpha_initializer="zeros", alpha_regularizer=None, alpha_constraint=None, shared_axes=None,
                 **kwargs):  # fmt: skip
        super().__init__(alpha_regularizer=alpha_regularizer, alpha_constraint=alpha_constraint, **kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer, "PReLU: alpha_initializer")
        axes = () if shared_axes is None else items(shared_axes)
        axes = [index(axis) for axis in ((shared_axes,) if axes is None else axes)]
        ok, expected = all(axes), "axes other than the batch's"
        require(ok, "PReLU: shared_axes", expected, shown(shared_axes), error=ArgumentError)
        self.shared_axes = tuple(axes)

    def build(self, input_shape):
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

    def follow(self, input_shape):
        fits, wanted = self._shared(input_shape) == self.alpha.shape, f"samples that share slopes {self.alpha.shape}"
        require(fits, self.name, wanted, f"shape {tuple(input_shape)}")
        return input_shape

    def call(self, x, *, training):
        return ops.prelu(x, self.alpha)
