"""Regularizers: a number that is added to the loss, of a weight or of a layer's output.

    Conv2D(8, 3, kernel_regularizer="l2")     Dense(3, kernel_regularizer=regularizers.L1L2(1e-5, 1e-4))

The loss of a batch, reported and differentiated, is the loss itself and the sum of these, not divided by the batch's
size; an activity_regularizer's is.  Weights that are not trainable add nothing.
"""

from collections.abc import Callable

from .activations import tensor
from .aliases import ArrayLike, RegularizerLike
from .arguments import Configured, choice, described, number
from .core.tensor import Tensor
from .errors import require
from .ops import arithmetic as A
from .ops.shape import transpose


class Regularizer(Configured):
    """regularizer(x) -> a scalar tensor, of an array too.  One of your own overrides __call__ and get_config."""

    def __call__(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__}: write __call__(self, x)")


class L1(Regularizer):
    """l1 sum |x|."""

    def __init__(self, l1: float | None = 0.01):
        self.l1 = 0.01 if l1 is None else number("L1: l1", l1, low=0)

    def __call__(self, x: ArrayLike) -> Tensor:
        return A.total(A.absolute(tensor("L1: x", x))) * self.l1


class L2(Regularizer):
    """l2 sum x^2, without a half: the gradient is 2 l2 x."""

    def __init__(self, l2: float | None = 0.01):
        self.l2 = 0.01 if l2 is None else number("L2: l2", l2, low=0)

    def __call__(self, x: ArrayLike) -> Tensor:
        x = tensor("L2: x", x)
        return A.total(x * x) * self.l2


class L1L2(Regularizer):
    """l1 sum |x| + l2 sum x^2."""

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0):
        self.l1 = 0.0 if l1 is None else number("L1L2: l1", l1, low=0)
        self.l2 = 0.0 if l2 is None else number("L1L2: l2", l2, low=0)

    def __call__(self, x: ArrayLike) -> Tensor:
        x = tensor("L1L2: x", x)
        return A.total(A.absolute(x)) * self.l1 + A.total(x * x) * self.l2


class OrthogonalRegularizer(Regularizer):
    """factor times the mean |cosine| between different rows (or columns) of a matrix x."""

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        self.factor = number("OrthogonalRegularizer: factor", factor, low=0)
        self.mode = choice("OrthogonalRegularizer: mode", mode, ("rows", "columns"))

    def __call__(self, x: ArrayLike) -> Tensor:
        matrix = tensor("OrthogonalRegularizer: x", x)
        require(matrix.ndim == 2, "OrthogonalRegularizer", "a matrix", matrix.shape)
        rows = matrix if self.mode == "rows" else transpose(matrix, axes=(1, 0))
        rows = rows / A.sqrt(A.maximum(A.total(rows * rows, axis=1, keepdims=True), 1e-14))
        n = rows.shape[0]
        apart = A.absolute(rows @ transpose(rows, axes=(1, 0))) * (1 - rows.be.xp.eye(n, dtype=rows.be.dtype))
        return A.total(apart) * (self.factor * 0.5 / (n * (n - 1) / 2))


l1, l2, l1_l2, l1l2, orthogonal_regularizer = L1, L2, L1L2, L1L2, OrthogonalRegularizer
WeightRegularizer = L1L2  # Keras 1
ALL = (L1, L2, L1L2, OrthogonalRegularizer)
_BY_NAME = {"l1": L1, "l2": L2, "l1_l2": L1L2, "l1l2": L1L2, "orthogonal_regularizer": OrthogonalRegularizer,
            "orthogonal": OrthogonalRegularizer}  # fmt: skip


def get(identifier: RegularizerLike, where: str = "regularizer") -> Callable | None:
    """A regularizer from None, a name, a class, a function of a tensor, {"class_name", "config"}, or itself."""
    return described(where, identifier, Regularizer, _BY_NAME)


__all__ = ["ALL", "L1", "L1L2", "L2", "OrthogonalRegularizer", "Regularizer", "get", "l1", "l1_l2", "l2",
           "orthogonal_regularizer"]  # fmt: skip
