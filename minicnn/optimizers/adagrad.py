"""Adagrad."""

from typing import Any

from ..aliases import RateLike
from ..arguments import number
from .base import Optimizer


class Adagrad(Optimizer):
    """a += g^2;  p -= lr g / sqrt(a + eps);  a starts at initial_accumulator_value.  Source: Duchi et al. 2011."""

    slots = kernel_slots = ("a",)
    kernel = "adagrad_step"
    config = ("initial_accumulator_value", "epsilon")

    def __init__(self, learning_rate: RateLike = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7,
                 **kwargs: Any):  # fmt: skip
        super().__init__(learning_rate, **kwargs)
        where = "Adagrad: initial_accumulator_value"
        self.initial_accumulator_value = self.start = number(where, initial_accumulator_value, low=0)
        self.epsilon = number("Adagrad: epsilon", epsilon, low=0)

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        return {"lr": lr, "eps": self.epsilon}
