"""Layers that move elements and compute nothing, and the input's description."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from ..aliases import DTypeLike, Ints, Shape
from ..arguments import index, items, named, shown, sizes, text, whole
from ..core.symbol import Call, Symbol
from ..core.tensor import Tensor
from ..errors import ArgumentError, ArgumentTypeError, require
from ..ops.geometry import Pads
from ..ops.shape import flatten, reshape, transpose, zero_pad
from .base import Layer, check_dtype, image_shape, two
from .images import FORMATS, Images, two_sides


class InputLayer(Layer):
    """The shape of one sample; a model does not list it among its layers.

    Differs from Keras: input_shape is taken without a warning.
    """

    lacks: ClassVar = Layer.lacks | {
        "sparse": "sparse tensors", "ragged": "ragged tensors", "optional": "inputs that may be left out",
        "input_tensor": "inputs around a tensor",
    }  # fmt: skip
    sparse = ragged = False

    def __init__(self, shape: Sequence[int | None] | None = None, batch_size: int | None = None, *,
                 name: str | None = None, dtype: DTypeLike = None, batch_shape: Sequence[int | None] | None = None,
                 input_shape: Sequence[int | None] | None = None, trainable: bool = True, **kwargs: Any):  # fmt: skip
        self._refuse_lacking(kwargs)
        check_dtype("Input", dtype)
        self.batch_size = whole("Input: batch_size", batch_size, optional=True)
        if batch_shape is not None:
            self.batch_size, *batch_shape = _batch_shape(batch_shape)
            once, what = "shape, or batch_shape in its place", "shape" if shape is not None else "batch_size"
            ok = shape is None and batch_size is None
            require(ok, "Input: batch_shape", once, f"batch_shape and {what}", error=ArgumentError)
        shape = shape if shape is not None else input_shape if batch_shape is None else batch_shape
        name = text("Input: name", name, optional=True)
        if input_shape is not None:  # of files; where shape is given, too, it says nothing new
            input_shape = sizes("Input: input_shape", input_shape)
        require(shape is not None, "Input: shape", "whole numbers (H, W, C)", "None", error=ArgumentError)
        super().__init__(name=name, trainable=trainable, input_shape=sizes("Input: shape", shape), **kwargs)

    sample_in: tuple[Any, ...]  # always known

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """(None, H, W, C), or with the batch's size in front."""
        return (self.batch_size, *self.sample_in)

    output = input = property(lambda self: self.symbol)

    def get_config(self) -> dict:
        """The constructor's arguments as plain values, for files."""
        return super().get_config() | {"input_shape": list(self.sample_in), "batch_size": self.batch_size}

    @property
    def symbol(self) -> Symbol:
        """What it stands for in Model(inputs, outputs): always the same one."""
        if not self.calls:
            self.calls.append(Call(self, (), [self.sample_in], rows=self.batch_size))
        return self.calls[0].outputs[0]

    def call(self, x: Any = None, *, training: bool = False) -> Any:
        return x


def _batch_shape(given) -> tuple[int | None, ...]:
    """A batch's shape, whose sizes may be None."""
    where = "Input: batch_shape"
    ok = isinstance(given, (tuple, list)) and len(given) > 0
    sizes = [index(one) for one in given] if ok else []
    ok = ok and all(one is None or (size is not None and size > 0) for one, size in zip(given, sizes, strict=True))
    require(ok, where, "a tuple (None, H, W, C)", shown(given), error=ArgumentTypeError)
    return tuple(sizes)


@named
def Input(shape: Sequence[int | None] | None = None, batch_size: int | None = None, dtype: DTypeLike = None, *,
          name: str | None = None, batch_shape: Sequence[int | None] | None = None, sparse: bool = False,
          ragged: bool = False, optional: bool = False) -> Symbol:  # fmt: skip
    """What a model is given, by the shape of one sample: Input((28, 28, 1)); None leaves a size open: (None, None, 3).

    The first entry of a Sequential; or what layers are called on, and then `inputs` of Model(inputs, outputs).
    sparse, ragged, optional: not there, False.
    """
    return InputLayer(shape, batch_size, name=name, dtype=dtype, batch_shape=batch_shape, sparse=sparse, ragged=ragged,
                      optional=optional).symbol  # fmt: skip


class Flatten(Layer):
    """(N, ...) -> (N, product of the rest), row-major; of channels_first, with the channels moved to the end first."""

    config = ("data_format",)
    refused = Images.refused
    data_format = FORMATS[0]
    _order = Images._order

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._order(data_format)

    def follow(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if self.data_format == FORMATS[1] and x.ndim > 2:
            x = transpose(x, axes=(0, *range(2, x.ndim), 1))
        return flatten(x)


class Reshape(Layer):
    """(N, ...) -> (N, *target_shape); one entry may be -1."""

    config = ("target_shape",)

    def __init__(self, target_shape: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        sizes = [index(n) for n in items(target_shape) or (None,)]
        ok = all(n is not None and (n == -1 or n >= 1) for n in sizes) and sizes.count(-1) <= 1
        expected = "whole numbers of at least 1, of which one may be -1"
        require(ok, "Reshape: target_shape", expected, shown(target_shape), error=ArgumentError)
        self.target_shape = tuple(n for n in sizes if n is not None)

    def follow(self, input_shape: Shape) -> Shape:
        size, known = math.prod(input_shape), math.prod(n for n in self.target_shape if n != -1)
        free = self.target_shape.count(-1)
        ok = known > 0 and ((free == 0 and size == known) or (free == 1 and size % known == 0))
        require(ok, self.name, f"a shape of {size} elements", self.target_shape)
        return tuple(size // known if n == -1 else n for n in self.target_shape)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return reshape(x, shape=(x.shape[0], *self.follow(x.shape[1:])))


class ZeroPadding2D(Images):
    """Zeros around each image: one number, (rows, columns), or ((top, bottom), (left, right)), in px."""

    config = ("padding", "data_format")

    def __init__(self, padding: int | Sequence[Any] = (1, 1), data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._order(data_format)
        self.padding = _margins(padding)

    def follow(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        return (h + sum(self.padding[0]), w + sum(self.padding[1]), channels)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return zero_pad(x, pads=self.padding)


class ZeroPadding1D(Images):
    """Zeros before and after each sequence: one number of steps, or (before, after).  (N, L, C) -> (N, OL, C)."""

    rank = 1
    config = ("padding", "data_format")

    def __init__(self, padding: Ints = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self._order(data_format)
        self.padding = two_sides("ZeroPadding1D: padding", padding)

    def follow(self, input_shape: Shape) -> Shape:
        steps, _, channels = input_shape
        return (steps + sum(self.padding), 1, channels)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return zero_pad(x, pads=(self.padding, (0, 0)))


def _margins(padding) -> Pads:
    """((top, bottom), (left, right)) from one number, from (rows, columns), or as it is."""

    def sides(value):
        return [value, value] if index(value) is not None else items(value) or []

    found = [pair for pair in map(two, map(sides, sides(padding))) if pair is not None and min(pair) >= 0]
    ok = len(found) == len(sides(padding)) == 2
    expected = "whole numbers of at least 0"
    require(ok, "ZeroPadding2D: padding", expected, shown(padding), error=ArgumentError)
    return found[0], found[1]
