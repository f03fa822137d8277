"""Lion."""

from typing import Any

from ..aliases import RateLike
from .base import Optimizer, fraction


class Lion(Optimizer):
    """p -= lr sign(b1 m + (1-b1) g);  m = b2 m + (1-b2) g.

    Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms", program 1.
    Differs from Keras: beta_1 may be 0, but not 1.
    """

    slots = kernel_slots = ("m",)
    kernel = "lion_step"
    config = ("beta_1", "beta_2")

    def __init__(self, learning_rate: RateLike = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **kwargs: Any):
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = fraction("Lion: beta_1", beta_1), fraction("Lion: beta_2", beta_2)

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        return {"lr": lr, "beta_1": self.beta_1, "beta_2": self.beta_2}
