"""Layers that hand on what they are given."""

from typing import Any

from ..core.tensor import Tensor
from ..regularizers import L1L2
from .base import Layer


class Identity(Layer):
    """y = x.  Any shape."""

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return x


class ActivityRegularization(Layer):
    """y = x, while l1 sum |x| + l2 sum x^2, over the number of samples, goes to the loss.  Any shape."""

    config = ("l1", "l2")

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any):
        penalty = L1L2(l1, l2)
        super().__init__(activity_regularizer=penalty, **kwargs)
        self.l1, self.l2 = penalty.l1, penalty.l2

    def get_config(self) -> dict:
        """The constructor's arguments as plain values, for files: l1 and l2 say what the regularizer is."""
        config = super().get_config()
        del config["activity_regularizer"]
        return config

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return x
