"""Differentiable functions of tensors: forward and backward of each on one screen, in the file of its subject."""

from ..core.tensor import Tensor
from . import (
    activation,
    arithmetic,
    augment,
    block,
    color,
    compare,
    conv,
    dense,
    dropout,
    geometry,
    join,
    loss,
    mixing,
    norm,
    pool,
    reduce,
    resize,
    shape,
)

__all__ = [
    "Tensor", "activation", "arithmetic", "augment", "block", "color", "compare", "conv", "dense", "dropout",
    "geometry", "join", "loss", "mixing", "norm", "pool", "reduce", "resize", "shape",
]  # fmt: skip
