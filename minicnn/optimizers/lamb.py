"""Lamb."""

from typing import Any

from ..aliases import RateLike
from ..arguments import number
from .base import Optimizer, fraction


class Lamb(Optimizer):
    """m, v as Adam's;  u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps);  p -= lr |p| / |u| u, for each weight.

    |.| is the norm of the whole weight; where either is 0 their quotient is 1.
    Source: You et al. 2020, "Large batch optimization for deep learning", algorithm 2 without its weight decay.
    """

    slots = ("m", "v")
    config = ("beta_1", "beta_2", "epsilon")

    def __init__(self, learning_rate: RateLike = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, **kwargs: Any):  # fmt: skip
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = fraction("Lamb: beta_1", beta_1), fraction("Lamb: beta_2", beta_2)
        self.epsilon = number("Lamb: epsilon", epsilon, low=0)

    def update(self, be: Any, p: Any, g: Any, slot: Any, lr: float, t: int) -> None:
        xp, m, v = be.xp, slot.m, slot.v
        m += (1 - self.beta_1) * (g - m)
        v += (1 - self.beta_2) * (xp.square(g) - v)
        u = m / (1 - self.beta_1**t) / (xp.sqrt(v / (1 - self.beta_2**t)) + self.epsilon)
        for i in range(len(self.params)):
            weight, step = self._piece(p, i), self._piece(u, i)
            size, length = (xp.sqrt((a * a).sum()) for a in (weight, step))
            ratio = xp.where((size > 0) & (length > 0), size / xp.where(length > 0, length, 1), 1)
            weight -= lr * ratio.astype(be.dtype) * step
