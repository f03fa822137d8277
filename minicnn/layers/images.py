"""Base classes of layers of images and of sequences: inside, channels are last and two axes precede them.

      given                              inside                 handed back
      images (N, H, W, C)                as they are
      channels_first (N, C, H, W)        (N, H, W, C)           (N, O, OH, OW): a transposition there and one back
      sequences (N, L, C), rank 1        (N, L, 1, C)           (N, OL, O): the same numbers in the same places

So a layer of sequences is the layer of images whose width is 1, and no kernel knows of either.
"""

import functools
from typing import Any, ClassVar

from ..arguments import choice, index, shown, whole
from ..errors import ArgumentError, UnsupportedError, require
from ..notes import note
from ..ops.shape import reshape, transpose
from .base import Layer, Shape, on_symbols, pair, two

FORMATS = ("channels_last", "channels_first")
default = {"data_format": "channels_last"}  # what data_format=None means; minicnn.keras.backend may set it


class Inside(tuple):
    """The shape of a sample that already has channels last and two axes."""


class Images(Layer):
    """rank: the axes of a sample besides its channels.  build, follow, call and preactivation of a subclass see images
    with channels last alone.
    """

    refused: ClassVar[dict[str, str]] = {key: fix for key, fix in Layer.refused.items() if key != "data_format"}
    rank = 2
    data_format = FORMATS[0]

    def __init_subclass__(cls, **kwargs):
        for name, border in (("build", _shapes), ("follow", _shapes), ("call", _tensors), ("preactivation", _tensors)):
            if name in vars(cls):
                setattr(cls, name, border(vars(cls)[name]))
        super().__init_subclass__(**kwargs)  # around the border: a script calls build with a batch's shape

    what = property(lambda self: "images" if self.rank == 2 else "sequences")

    def _order(self, data_format) -> None:
        """Take over the argument data_format; None is what it is by default."""
        where, given = type(self).__name__, data_format
        given = choice(f"{where}: data_format", given, (*FORMATS, None)) or default["data_format"]
        self.data_format = given
        if given == FORMATS[1]:
            note('data_format="channels_first": layers transpose to channels last and back; channels_last is faster')

    def _both(self, where: str, value) -> tuple[int, ...]:
        """An argument of one number for all axes or one for each, as a tuple of `rank` numbers."""
        if self.rank == 2:
            return pair(where, value)
        found = value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value
        return (whole(where, found),)

    def _wide(self, value: tuple[int, ...]) -> tuple[int, int]:
        """Numbers of each axis as (rows, columns)."""
        return (value[0], value[1]) if self.rank == 2 else (value[0], 1)

    def _image_kernel(self, kernel):
        """A kernel as the ops take it: (K, ...) of sequences as (K, 1, ...)."""
        return kernel if self.rank == 2 else reshape(kernel, shape=(kernel.shape[0], 1, *kernel.shape[1:]))

    def _inward(self, shape: Shape) -> Shape:
        first = self.data_format == FORMATS[1]
        axes = ["L"] if self.rank == 1 else ["H", "W"]
        axes = ["C", *axes] if first else [*axes, "C"]
        require(len(shape) == self.rank + 1, self.name, f"{self.what} of shape ({', '.join(axes)})", shape)
        shape = (*shape[1:], shape[0]) if first else shape
        return Inside(shape if self.rank == 2 else (shape[0], 1, shape[1]))

    def _outward(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            return shape
        shape = shape if self.rank == 2 else (shape[0], shape[2])
        return (shape[-1], *shape[:-1]) if self.data_format == FORMATS[1] else shape


def _shapes(function):
    @functools.wraps(function)
    def at_border(self, input_shape):
        if isinstance(input_shape, Inside):
            return function(self, input_shape)
        if self.rank == 2 and self.data_format == FORMATS[0]:
            return tuple(function(self, input_shape))
        return self._outward(tuple(function(self, self._inward(input_shape))))

    return at_border


def _tensors(function):
    @functools.wraps(function)
    def at_border(self, x, **kwargs):
        first = self.data_format == FORMATS[1]
        if self.rank == 2 and not first:
            return function(self, x, **kwargs)
        if first:
            x = transpose(x, axes=(0, *range(2, self.rank + 2), 1))
        y = function(self, x if self.rank == 2 else reshape(x, shape=(x.shape[0], x.shape[1], 1, x.shape[2])), **kwargs)
        if self.rank == 1 and y.ndim == 4:
            y = reshape(y, shape=(y.shape[0], y.shape[1], y.shape[3]))
        return transpose(y, axes=(0, y.ndim - 1, *range(1, y.ndim - 1))) if first and y.ndim == self.rank + 2 else y

    return at_border


class Prepared(Images):
    """Images that are prepared for a network: a single one (H, W, C) that a layer is called with comes back as one."""

    def __init__(self, **kwargs: Any):
        boxes = kwargs.pop("bounding_box_format", None)
        super().__init__(**kwargs)
        expected, fix = "None: minicnn has no bounding boxes", "move the boxes yourself"
        where = f"{type(self).__name__}: bounding_box_format"
        require(boxes is None, where, expected, shown(boxes), fix, error=UnsupportedError)

    def _answer(self, x, training):
        if isinstance(x, dict):
            return self._of_dict(x, training)
        if on_symbols(x) or getattr(x, "ndim", None) != 3:
            return super()._answer(x, training)
        x = self._tensor(x)
        y = super()._answer(reshape(x, shape=(1, *x.shape)), training)
        return reshape(y, shape=y.shape[1:])

    def _of_dict(self, x: dict, training: bool | None) -> dict:
        """{"images", "labels"}, changed; a layer that changes no labels hands them on."""
        expected = "images and labels: minicnn has no layers of dicts with masks or boxes, nor of dicts of symbols"
        ok = "images" in x and set(x) <= {"images", "labels"} and not on_symbols(x["images"])
        fix = 'give it the ones under "images"'
        require(ok, self.name, expected, f"a dict of {', '.join(map(str, x))}"[:80], fix, error=UnsupportedError)
        y = self._answer(x["images"], training)
        return {"images": y} | ({"labels": self._labels(x["labels"])} if "labels" in x else {})

    def _labels(self, labels: Any) -> Any:
        """What they are once the latest call has changed their images."""
        return labels


def two_sides(where: str, value: Any) -> tuple[int, int]:
    """(before, after) along a sequence, from one number for both, or two."""
    before, after = two([value] * 2 if index(value) is not None else value) or (-1, -1)
    ok = before >= 0 and after >= 0
    require(ok, where, "a whole number of at least 0, or two", shown(value), error=ArgumentError)
    return before, after
