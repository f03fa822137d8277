"""Adam."""

import math
from typing import Any

from ..aliases import RateLike
from ..arguments import flag, number
from .base import Optimizer, fraction


class Adam(Optimizer):
    """m += (1-b1)(g - m);  v += (1-b2)(g^2 - v);  p -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps).

    amsgrad: the greatest v so far takes v's place in the last step.
    Source: Kingma & Ba 2015, algorithm 1 in the form at the end of section 2: eps is its "epsilon hat", as in Keras.
    AMSGrad: Reddi et al. 2018.
    """

    kernel, kernel_slots = "adam_step", ("m", "v", "vhat")
    turns = (("m", "v"), ("vhat",))
    config = ("beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(self, learning_rate: RateLike = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float | None = 1e-7, amsgrad: bool = False, **kwargs: Any):  # fmt: skip
        super().__init__(learning_rate, **kwargs)
        self.beta_1, self.beta_2 = fraction("Adam: beta_1", beta_1), fraction("Adam: beta_2", beta_2)
        self.epsilon = 1e-7 if epsilon is None else number("Adam: epsilon", epsilon, low=0)
        self.amsgrad = flag("Adam: amsgrad", amsgrad)
        self.slots = ("m", "v", "vhat") if self.amsgrad else ("m", "v")

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        rate = lr * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return {"rate": rate, "beta_1": self.beta_1, "beta_2": self.beta_2, "eps": self.epsilon}
