"""Adam with decoupled weight decay."""

from typing import Any

from ..aliases import RateLike
from .adam import Adam


class AdamW(Adam):
    """p -= weight_decay lr p, then Adam's step.  Source: Loshchilov & Hutter 2019.

    Differs from Keras: weight_decay=None decays nothing, there it is an error.
    """

    def __init__(self, learning_rate: RateLike = 0.001, weight_decay: float = 0.004, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float = 1e-7, amsgrad: bool = False, **kwargs: Any):  # fmt: skip
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)
