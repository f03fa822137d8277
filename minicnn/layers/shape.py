"""Layers that move elements and compute nothing, and the input's description."""

import math

from ..errors import ArgumentError, require
from ..ops.shape import flatten, reshape, zero_pad
from .base import Layer, channels_last, image_shape


class InputLayer(Layer):
    """The shape of one sample; a model does not list it among its layers."""

    config = ("input_shape",)

    def __init__(self, shape=None, batch_size=None, *, name=None, dtype=None, batch_shape=None, input_shape=None,
                 trainable=True):  # fmt: skip
        shape = shape if shape is not None else input_shape if batch_shape is None else batch_shape[1:]
        require(shape is not None, "Input", "shape=(H, W, C)", "none", error=ArgumentError)
        super().__init__(name=name or "input_layer", trainable=trainable, input_shape=shape)

    def call(self, x, *, training):
        return x


def Input(shape=None, batch_size=None, dtype=None, *, name=None, batch_shape=None) -> InputLayer:
    """The first entry of a Sequential: the shape of one sample, e.g. Input((28, 28, 1))."""
    return InputLayer(shape, batch_size, name=name, batch_shape=batch_shape)


class Flatten(Layer):
    """(N, ...) -> (N, product of the rest), row-major."""

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        channels_last("Flatten", data_format)

    def follow(self, input_shape):
        return (math.prod(input_shape),)

    def call(self, x, *, training):
        return flatten(x)


class Reshape(Layer):
    """(N, ...) -> (N, *target_shape); one entry may be -1."""

    config = ("target_shape",)

    def __init__(self, target_shape, **kwargs):
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def follow(self, input_shape):
        size, known = math.prod(input_shape), math.prod(n for n in self.target_shape if n != -1)
        free = self.target_shape.count(-1)
        ok = known > 0 and ((free == 0 and size == known) or (free == 1 and size % known == 0))
        require(ok, self.name, f"a shape of {size} elements", self.target_shape)
        return tuple(size // known if n == -1 else n for n in self.target_shape)

    def call(self, x, *, training):
        return reshape(x, shape=(x.shape[0], *self.follow(x.shape[1:])))


class ZeroPadding2D(Layer):
    """Zeros around each image: one number, (rows, columns), or ((top, bottom), (left, right)), in px."""

    config = ("padding",)

    def __init__(self, padding=(1, 1), data_format=None, **kwargs):
        super().__init__(**kwargs)
        channels_last("ZeroPadding2D", data_format)
        rows, columns = (padding, padding) if isinstance(padding, int) else padding
        sides = [(side, side) if isinstance(side, int) else tuple(side) for side in (rows, columns)]
        ok = all(len(side) == 2 and all(isinstance(n, int) and n >= 0 for n in side) for side in sides)
        require(ok, "ZeroPadding2D: padding", "whole numbers of at least 0", padding, error=ArgumentError)
        self.padding = tuple(sides)

    def follow(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        return (h + sum(self.padding[0]), w + sum(self.padding[1]), channels)

    def call(self, x, *, training):
        return zero_pad(x, pads=self.padding)

