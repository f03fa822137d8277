"""Adamax."""

from typing import Any

from ..aliases import RateLike
from ..arguments import number
from .base import Optimizer, fraction


class Adamax(Optimizer):
    """m += (1-b1)(g - m);  u = max(b2 u, |g|);  p -= lr / (1 - b1^t) m / (u + eps).

    Source: Kingma & Ba 2015, section 7.
    """

    slots = kernel_slots = ("m", "u")
    kernel = "adamax_step"
    config = ("beta_1", "beta_2", "epsilon")

    def __init__(self, learning_rate: RateLike = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, **kwargs: Any):  # fmt: skip
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = fraction("Adamax: beta_1", beta_1), fraction("Adamax: beta_2", beta_2)
        self.epsilon = number("Adamax: epsilon", epsilon, low=0)

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        rate = lr / (1 - self.beta_1**t)
        return {"rate": rate, "beta_1": self.beta_1, "beta_2": self.beta_2, "eps": self.epsilon}
