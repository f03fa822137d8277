"""Activations as layers."""

from .. import initializers
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
        require(axis == -1, "Softmax: axis", "-1", axis, error=ArgumentError)
        self.axis = axis

    def preactivation(self, x, *, training):
        return x

    def call(self, x, *, training):
        return ops.softmax(x)


class ReLU(Layer):
    """y = max(x, 0); optionally cut at max_value, with a slope below a threshold."""

    config = ("max_value", "negative_slope", "threshold")

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        ok = max_value is None or max_value >= 0
        require(ok, "ReLU: max_value", "None or at least 0", max_value, error=ArgumentError)
        require(negative_slope >= 0, "ReLU: negative_slope", "at least 0", negative_slope, error=ArgumentError)
        require(threshold >= 0, "ReLU: threshold", "at least 0", threshold, error=ArgumentError)
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

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
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            note("LeakyReLU(alpha=...) is read as negative_slope=")
        super().__init__(**kwargs)
        require(negative_slope >= 0, "LeakyReLU: negative_slope", "at least 0", negative_slope, error=ArgumentError)
        self.negative_slope = float(negative_slope)

    def call(self, x, *, training):
        return ops.leaky_relu(x, negative_slope=self.negative_slope)


class ELU(Layer):
    """y = x where x > 0, else alpha (exp x - 1)."""

    config = ("alpha",)

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = float(alpha)

    def call(self, x, *, training):
        return ops.elu(x, alpha=self.alpha)


class PReLU(Layer):
    """y = x where x > 0, else alpha x; alpha is learned, one per element, shared along `shared_axes` (1 = rows)."""

    config = ("alpha_initializer", "shared_axes")

    def __init__(self, alpha_initializer="zeros", alpha_regularizer=None, alpha_constraint=None, shared_axes=None,
                 **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        require(alpha_regularizer is None and alpha_constraint is None, "PReLU", "no regularizer and no constraint",
                "one", error=ArgumentError)  # fmt: skip
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.shared_axes = (shared_axes,) if isinstance(shared_axes, int) else tuple(shared_axes or ())

    def build(self, input_shape):
        ok = all(isinstance(a, int) and 1 <= a <= len(input_shape) for a in self.shared_axes)
        expected = f"axes from 1 to {len(input_shape)}"
        require(ok, f"{self.name}: shared_axes", expected, self.shared_axes, error=ArgumentError)
        self.alpha = self.add_weight("alpha", self._shared(input_shape), self.alpha_initializer)
        return input_shape

    def _shared(self, input_shape):
        return tuple(1 if i in self.shared_axes else n for i, n in enumerate(input_shape, start=1))

    def follow(self, input_shape):
        fits, wanted = self._shared(input_shape) == self.alpha.shape, f"samples that share slopes {self.alpha.shape}"
        require(fits, self.name, wanted, f"shape {tuple(input_shape)}")
        return input_shape

    def call(self, x, *, training):
        return ops.prelu(x, self.alpha)
