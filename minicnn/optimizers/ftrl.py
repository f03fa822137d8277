"""FTRL-Proximal."""

from typing import Any

from ..aliases import RateLike
from ..arguments import number
from .base import Optimizer


class Ftrl(Optimizer):
    """Follow the regularized leader.  With e = -learning_rate_power, h = l2_shrinkage_regularization_strength:

        b = a + g^2;   z += g + 2 h p - (b^e - a^e) / lr p;   a = b
        p = (clip(z, -l1, l1) - z) / ((b^e + beta) / lr + 2 l2)

    a starts at initial_accumulator_value; l1, l2: l1_ and l2_regularization_strength.
    Source: McMahan et al. 2013, "Ad click prediction: a view from the trenches", algorithm 1.
    Differs from Keras: lr = 0 is an error.
    """

    slots = kernel_slots = ("a", "z")
    kernel = "ftrl_step"
    config = ("learning_rate_power", "initial_accumulator_value", "l1_regularization_strength",
              "l2_regularization_strength", "l2_shrinkage_regularization_strength", "beta")  # fmt: skip

    def __init__(self, learning_rate: RateLike = 0.001, learning_rate_power: float = -0.5,
                 initial_accumulator_value: float = 0.1, l1_regularization_strength: float = 0.0,
                 l2_regularization_strength: float = 0.0, l2_shrinkage_regularization_strength: float = 0.0,
                 beta: float = 0.0, **kwargs: Any):  # fmt: skip
        super().__init__(learning_rate, **kwargs)
        self.learning_rate_power = number("Ftrl: learning_rate_power", learning_rate_power, high=0)
        start = number("Ftrl: initial_accumulator_value", initial_accumulator_value, low=0)
        self.initial_accumulator_value = start
        where = "Ftrl: l1_regularization_strength"
        self.l1_regularization_strength = number(where, l1_regularization_strength, low=0)
        where = "Ftrl: l2_regularization_strength"
        self.l2_regularization_strength = number(where, l2_regularization_strength, low=0)
        where = "Ftrl: l2_shrinkage_regularization_strength"
        self.l2_shrinkage_regularization_strength = number(where, l2_shrinkage_regularization_strength, low=0)
        self.beta = number("Ftrl: beta", beta, low=0)

    def start_of(self, slot: str) -> float:
        return self.initial_accumulator_value if slot == "a" else 0.0

    def _rate_at(self, iterations):
        return number("Ftrl: learning_rate", super()._rate_at(iterations), above=0)

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        penalties = (self.l1_regularization_strength, self.l2_regularization_strength,
                     self.l2_shrinkage_regularization_strength)  # fmt: skip
        return {"lr": lr, "power": -self.learning_rate_power, "penalties": penalties, "beta": self.beta}
