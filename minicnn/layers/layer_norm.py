"""Layer normalisation, from the ops of minicnn/ops/reduce.py and arithmetic.py."""

from ..arguments import listed, whole
from ..errors import ArgumentError, require
from ..ops.arithmetic import sqrt
from ..ops.reduce import mean, variance
from .norm import Affine


class LayerNormalization(Affine):
    """y = gamma (x - mean) / sqrt(var + epsilon) + beta, mean and variance of each sample over `axis`.

    Shape unchanged.
    axis  one axis or several, from the end if negative; never the batch's
    Source: Ba et al. 2016, "Layer normalization".
    """

    config = ("axis", "epsilon", "center", "scale", "beta_initializer", "gamma_initializer")

    def __init__(self, axis=-1, epsilon=0.001, center=True, scale=True, beta_initializer="zeros",
                 gamma_initializer="ones", **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        where = "LayerNormalization"
        axes = listed(f"{where}: axis", axis, "axes") if hasattr(axis, "__len__") else [axis]
        axes = [whole(f"{where}: axis", a, low=None) for a in axes]
        require(axes and 0 not in axes, f"{where}: axis", "axes other than the batch's", axis, error=ArgumentError)
        self.axis = axes[0] if len(axes) == 1 else axes
        self._affine(where, epsilon, center, scale, beta_initializer, gamma_initializer)

    def build(self, input_shape):
        rank = len(input_shape) + 1
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        ok = all(-rank < a < rank for a in axes)
        require(ok, f"{self.name}: axis", f"axes of {rank}-dimensional data", self.axis, error=ArgumentError)
        self.axes = tuple(a % rank for a in axes)
        shape = tuple((None, *input_shape)[a] for a in sorted(axes))  # Keras's order: -1 comes before 1
        self._add_affine(shape)
        self.wanted = tuple(input_shape[a - 1] for a in self.axes), rank
        return input_shape

    def follow(self, input_shape):
        sizes, rank = self.wanted
        require(len(input_shape) + 1 == rank, self.name, f"data of {rank} axes", len(input_shape) + 1)
        received = tuple(input_shape[a - 1] for a in self.axes)
        require(received == sizes, self.name, f"{sizes} entries along axes {self.axes}", received)
        return input_shape

    def call(self, x, *, training):
        centred = x - mean(x, axis=self.axes, keepdims=True)
        y = centred / sqrt(variance(x, axis=self.axes, keepdims=True) + self.epsilon)
        wide = tuple(n if i in self.axes else 1 for i, n in enumerate(x.shape))
        return self._scaled(y, wide)
