"""Differentiable functions of tensors: forward and backward of each on one screen, in the file of its subject."""

from ..core.tensor import Tensor
from . import activation, arithmetic, block, conv, dense, dropout, geometry, loss, norm, pool, shape

__all__ = [
    "Tensor", "activation", "arithmetic", "block", "conv", "dense", "dropout", "geometry", "loss", "norm", "pool",
    "shape",
]  # fmt: skip
