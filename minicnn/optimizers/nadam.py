"""Nadam."""

from typing import Any

from ..aliases import RateLike
from ..arguments import number
from .base import Optimizer, fraction


class Nadam(Optimizer):
    """Adam with Nesterov's momentum:  mu_t = b1 (1 - .5 * .96^t),  U_t = mu_1 ... mu_t,  m and v as Adam's,
    p -= lr [mu_{t+1} m / (1 - U_{t+1}) + (1 - mu_t) g / (1 - U_t)] / (sqrt(v / (1 - b2^t)) + eps).

    Source: Dozat 2016, "Incorporating Nesterov momentum into Adam".
    """

    slots = kernel_slots = ("m", "v")
    kernel = "nadam_step"
    config = ("beta_1", "beta_2", "epsilon")

    def __init__(self, learning_rate: RateLike = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, **kwargs: Any):  # fmt: skip
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = fraction("Nadam: beta_1", beta_1), fraction("Nadam: beta_2", beta_2)
        self.epsilon = number("Nadam: epsilon", epsilon, low=0)
        self._products = [1.0]  # U_0, U_1, ...: a function of t alone, remembered

    def _mu(self, t):
        return self.beta_1 * (1 - 0.5 * 0.96**t)

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        while len(self._products) <= t:
            self._products.append(self._products[-1] * self._mu(len(self._products)))
        now, ahead = self._mu(t), self._mu(t + 1)
        return {
            "lr": lr, "scales": (ahead / (1 - self._products[t] * ahead), (1 - now) / (1 - self._products[t]),
                                 1 / (1 - self.beta_2**t)),
            "beta_1": self.beta_1, "beta_2": self.beta_2, "eps": self.epsilon,
        }  # fmt: skip
