"""Adagrad."""

from ..errors import ArgumentError, require
from .base import Optimizer


class Adagrad(Optimizer):
    """a += g^2;  p -= lr g / sqrt(a + eps);  a starts at initial_accumulator_value.  Source: Duchi et al. 2011."""

    slots = kernel_slots = ("a",)
    kernel = "adagrad_step"
    config = ("initial_accumulator_value", "epsilon")

    def __init__(self, learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7, **kwargs):
        super().__init__(learning_rate, **kwargs)
        require(initial_accumulator_value >= 0, "Adagrad: initial_accumulator_value", "at least 0",
                initial_accumulator_value, error=ArgumentError)  # fmt: skip
        self.initial_accumulator_value = self.start = float(initial_accumulator_value)
        self.epsilon = float(epsilon)

    def kernel_args(self, lr, t):
        return {"lr": lr, "eps": self.epsilon}
