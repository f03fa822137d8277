"""Features brought to mean 0 and variance 1 by figures of a data set, from the ops of minicnn/ops/arithmetic.py."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from ..aliases import ArrayLike, Ints, Shape
from ..arguments import array, flag, index, items, shown
from ..core.tensor import Parameter, Tensor
from ..errors import ArgumentError, ArgumentTypeError, DataError, require
from ..ops.arithmetic import maximum, sqrt
from ..ops.shape import reshape
from .base import Layer
from .open_sizes import is_open

EPSILON = 1e-7  # the least that is divided by


class Normalization(Layer):
    """y = (x - mean) / sqrt(variance), of each entry along `axis`; with invert y = x sqrt(variance) + mean.

    Shape unchanged.  mean and variance are given, or found by `adapt` in data: then they are weights that no training
    changes, and files hold them.  A standard deviation below 1e-7 counts as 1e-7.
    axis   one axis or several that keep figures of their own, from the end if negative; None: two for all numbers
    Differs from Keras: figures that set_weights sets are used at once, there only after adapt or loading.
    """

    config = ("axis", "invert")  # and the figures: get_config

    def __init__(self, axis: Ints | None = -1, mean: ArrayLike | None = None, variance: ArrayLike | None = None,
                 invert: bool = False, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        where = "Normalization"
        several = [] if axis is None else items(axis)
        given = [axis] if several is None else several
        found = [one for one in map(index, given) if one]
        ok = len(found) == len(given)
        require(ok, f"{where}: axis", "axes other than the batch's, or None", shown(axis), error=ArgumentError)
        self.axis = tuple(found)
        figures = [array(f"{where}: {name}", one, finite=True).astype("float64")
                   for name, one in (("mean", mean), ("variance", variance)) if one is not None]  # fmt: skip
        received = f"mean={shown(mean)} and variance={shown(variance)}"
        require(len(figures) != 1, where, "both mean and variance, or neither", received, error=ArgumentError)
        self.input_mean = self.input_variance = None
        if figures:
            shapes = [one.shape for one in figures]
            expected = f"the same shape, of at most {len(found)} axes, as axis={axis}"
            ok = shapes[0] == shapes[1] and len(shapes[0]) <= len(found)
            require(ok, f"{where}: mean and variance", expected, f"{shapes[0]} and {shapes[1]}", error=ArgumentError)
            require((figures[1] >= 0).all(), f"{where}: variance", "numbers of at least 0", shown(variance),
                    error=ArgumentError)  # fmt: skip
            self.input_mean, self.input_variance = (one.tolist() for one in figures)
        self.invert = flag(f"{where}: invert", invert)

    def build(self, input_shape: Shape) -> Shape:
        rank = len(input_shape) + 1
        ok = all(-rank < a < rank for a in self.axis)
        require(ok, f"{self.name}: axis", f"axes of {rank}-dimensional data", self.axis, error=ArgumentError)
        kept = sorted({a % rank for a in self.axis})
        sizes = tuple(input_shape[a - 1] for a in kept)
        require(not is_open(sizes), f"{self.name}: axis", "axes of known size", sizes)
        self.kept, self.sizes, self.rank = kept, sizes, rank
        self.wide = tuple(input_shape[a - 1] if a in kept else 1 for a in range(rank))
        if self.input_mean is None:
            self.adapt_mean = self.add_weight("mean", sizes, "zeros", trainable=False)
            self.adapt_variance = self.add_weight("variance", sizes, "ones", trainable=False)
            self.count = self.add_weight("count", (), "zeros", trainable=False)  # in Keras's files too, always 0
        return self.follow(input_shape)

    def follow(self, input_shape: Shape) -> Shape:
        rank = len(input_shape) + 1
        require(rank >= self.rank, self.name, f"data of {self.rank} axes", rank)  # of more: figures lie along the last
        received = tuple((None, *input_shape)[a - self.rank] for a in self.kept)
        require(received == self.sizes, self.name, f"{self.sizes} entries along axes {self.kept}", received)
        return input_shape

    def _figure(self, given, adapted) -> Tensor:
        """Mean or variance, in a shape that goes with a batch."""
        if given is None:
            return reshape(adapted, shape=self.wide)
        be = self._home
        values = be.xp.asarray(given, dtype="float64")
        shape = [1] * self.rank
        for axis, size in zip(reversed(self.kept), reversed(values.shape), strict=False):
            shape[axis] = size
        fits = all(n in (1, m) for n, m in zip(shape, self.wide, strict=True))
        require(fits, f"{self.name}: mean", f"figures for {self.sizes} entries along axes {self.kept}", values.shape)
        values = be.xp.broadcast_to(values.reshape(shape), self.wide)
        return Tensor(be.asarray(values, be.dtype), be)

    @property
    def mean(self) -> Tensor | None:
        """In a shape that goes with a batch, (1, 1, 1, C); None before the layer is built."""
        return self._figure(self.input_mean, self.adapt_mean) if self.built else None

    @property
    def variance(self) -> Tensor | None:
        """In a shape that goes with a batch, (1, 1, 1, C); None before the layer is built."""
        return self._figure(self.input_variance, self.adapt_variance) if self.built else None

    adapt_mean: Parameter | None = None
    adapt_variance: Parameter | None = None

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        mean = self._figure(self.input_mean, self.adapt_mean)
        deviation = maximum(sqrt(self._figure(self.input_variance, self.adapt_variance)), EPSILON)
        return x * deviation + mean if self.invert else (x - mean) / deviation

    def get_config(self) -> dict:
        figures = {"mean": self.input_mean, "variance": self.input_variance}
        return Layer.get_config(self) | {"axis": list(self.axis) or None} | figures

    def adapt(self, data: Any) -> None:
        """Find mean and variance in `data`: an array, or batches: a Dataset, a Sequence, a list, a generator.

        Of batches that are tuples, (x, y), x counts.  Figures are computed in float64, and what was found before is
        forgotten.
        """
        fix = "make the layer without mean and variance"
        require(self.input_mean is None, f"{self.name}: adapt", "figures to be found", "given ones", fix,
                error=ArgumentError)  # fmt: skip
        count, mean, squares = 0, 0.0, 0.0  # squares: the sum of (x - mean)^2
        for batch in self._batches(data):
            if not self.built:
                self.stand_alone(None, batch.shape[1:])
            self.follow(batch.shape[1:])
            over = tuple(a for a in range(batch.ndim) if a - batch.ndim + self.rank not in self.kept)
            n, own = math.prod(batch.shape[a] for a in over), batch.mean(axis=over, keepdims=True)
            away = own.reshape(self.sizes) - mean
            squares = squares + ((batch - own) ** 2).sum(axis=over) + away**2 * (count * n / (count + n))
            mean, count = mean + away * (n / (count + n)), count + n
        if self.adapt_mean is None or self.adapt_variance is None:  # which the first batch has made
            require(False, f"{self.name}: adapt", "an array or batches", "no batch", error=DataError)
        require(count > 0, f"{self.name}: adapt", "an array or batches", "no batch", error=DataError)
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(squares / count)

    def _batches(self, data) -> Iterator:
        """The batches of `data`, in float64."""
        where = f"{self.name}: adapt: data"
        if hasattr(data, "shape"):
            data = [data]
        elif hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, dict):
            data = map(data.__getitem__, range(len(data)))
        expected = "an array, or batches that are arrays or tuples of arrays"
        ok = isinstance(data, Iterable) and not isinstance(data, dict)
        require(ok, where, expected, shown(data), error=ArgumentTypeError)
        for batch in data:
            x = batch[0] if isinstance(batch, tuple) else batch
            require(hasattr(x, "shape"), where, expected, f"a batch that is {shown(x)}", error=ArgumentTypeError)
            x = array(where, x, finite=True).astype("float64")
            require(x.ndim > 0 and len(x) > 0, where, "batches of at least one sample", x.shape, error=DataError)
            yield x
