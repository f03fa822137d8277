"""Adadelta."""

from typing import Any

from ..aliases import RateLike
from ..arguments import number
from .base import Optimizer, fraction


class Adadelta(Optimizer):
    """a = rho a + (1-rho) g^2;  u = g sqrt(d + eps) / sqrt(a + eps);  d = rho d + (1-rho) u^2;  p -= lr u.

    Source: Zeiler 2012, algorithm 1, where lr is 1.
    """

    slots = kernel_slots = ("a", "d")
    kernel = "adadelta_step"
    config = ("rho", "epsilon")

    def __init__(self, learning_rate: RateLike = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        self.rho, self.epsilon = fraction("Adadelta: rho", rho), number("Adadelta: epsilon", epsilon, low=0)

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        return {"lr": lr, "rho": self.rho, "eps": self.epsilon}
