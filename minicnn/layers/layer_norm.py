"""Layer normalisation, by mean and variance or by the mean square, from minicnn/ops/reduce.py and arithmetic.py."""

from typing import Any, ClassVar

from ..aliases import InitializerLike, Ints, Shape
from ..arguments import listed, number, whole
from ..core.tensor import Tensor
from ..errors import ArgumentError, require
from ..ops.arithmetic import sqrt
from ..ops.reduce import mean, variance
from .base import Layer
from .norm import Affine


class OverAxes(Layer):
    """What these layers share: `axis`, one axis or several of a sample, and weights of their sizes."""

    def _samples_axes(self, axis) -> None:
        where = f"{type(self).__name__}: axis"
        axes = listed(where, axis, "axes") if hasattr(axis, "__len__") else [axis]
        axes = [whole(where, a, low=None) for a in axes]
        require(axes and 0 not in axes, where, "axes other than the batch's", axis, error=ArgumentError)
        self.axis = axes[0] if len(axes) == 1 else axes

    def _sizes(self, input_shape) -> tuple:
        """The shape of the weights."""
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        self.wanted = tuple(input_shape[a - 1] for a in self._over(len(input_shape) + 1))
        return tuple((None, *input_shape)[a] for a in sorted(axes))  # Keras's order: -1 comes before 1

    def _over(self, rank: int) -> tuple[int, ...]:
        """The axes of data of so many."""
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        ok = all(-rank < a < rank for a in axes)
        require(ok, f"{self.name}: axis", f"axes of {rank}-dimensional data", self.axis, error=ArgumentError)
        return tuple(a % rank for a in axes)

    def _wide(self, x) -> tuple:
        """The shape of the weights beside x."""
        axes = self._over(x.ndim)
        return tuple(n if i in axes else 1 for i, n in enumerate(x.shape))

    def follow(self, input_shape: Shape) -> Shape:
        axes = self._over(len(input_shape) + 1)
        received = tuple(input_shape[a - 1] for a in axes)
        require(received == self.wanted, self.name, f"{self.wanted} entries along axes {axes}", received)
        return input_shape


class LayerNormalization(OverAxes, Affine):
    """y = gamma (x - mean) / sqrt(var + epsilon) + beta, mean and variance of each sample over `axis`.

    Shape unchanged.
    axis  one axis or several, from the end if negative; never the batch's
    Source: Ba et al. 2016, "Layer normalization".
    """

    config = ("axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer")
    lacks: ClassVar = Layer.lacks | {"rms_scaling": "rms_scaling: use RMSNormalization"}

    def __init__(self, axis: Ints = -1, epsilon: float = 0.001, center: bool = True, scale: bool = True,
                 beta_initializer: InitializerLike = "zeros", gamma_initializer: InitializerLike = "ones",
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._samples_axes(axis)
        self._affine("LayerNormalization", epsilon, center, scale, beta_initializer, gamma_initializer)

    def build(self, input_shape: Shape) -> Shape:
        self._add_affine(self._sizes(input_shape))
        return input_shape

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        axes = self._over(x.ndim)
        centred = x - mean(x, axis=axes, keepdims=True)
        y = centred / sqrt(variance(x, axis=axes, keepdims=True) + self.epsilon)
        return self._scaled(y, self._wide(x))


class RMSNormalization(OverAxes):
    """y = scale x / sqrt(mean(x^2) + epsilon), the mean of each sample over `axis`; scale is learned, at first 1.

    Shape unchanged.
    Source: Zhang & Sennrich 2019, "Root mean square layer normalization".
    """

    config = ("axis", "epsilon")

    def __init__(self, axis: Ints = -1, epsilon: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self._samples_axes(axis)
        self.epsilon = number("RMSNormalization: epsilon", epsilon, above=0)

    def build(self, input_shape: Shape) -> Shape:
        self.scale = self.add_weight("scale", self._sizes(input_shape), "ones")
        return input_shape

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        y = x / sqrt(mean(x * x, axis=self._over(x.ndim), keepdims=True) + self.epsilon)
        return y * self.scale.reshape(*self._wide(x))
