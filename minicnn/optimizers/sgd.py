"""Stochastic gradient descent."""

from typing import Any

from ..aliases import RateLike
from ..arguments import flag
from .base import Optimizer, fraction


class SGD(Optimizer):
    """p -= lr g;  with momentum mu:  m = mu m - lr g,  p += m;  with nesterov:  p += mu m - lr g.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
    """

    kernel, kernel_slots = "sgd_step", ("m",)
    config = ("momentum", "nesterov")

    def __init__(self, learning_rate: RateLike = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        self.momentum, self.nesterov = fraction("SGD: momentum", momentum), flag("SGD: nesterov", nesterov)
        self.slots = ("m",) if self.momentum else ()

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        return {"lr": lr, "momentum": self.momentum, "nesterov": self.nesterov}
