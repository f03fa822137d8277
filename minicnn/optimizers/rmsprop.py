"""RMSprop."""

from typing import Any

from ..aliases import RateLike
from ..arguments import flag, number
from .base import Optimizer, fraction


class RMSprop(Optimizer):
    """v = rho v + (1-rho) g^2;  p -= lr g / sqrt(v + eps), eps inside the root.

    centered: a = rho a + (1-rho) g, and v - a^2 takes v's place. momentum mu: m = mu m + step, p -= m.
    Source: Tieleman & Hinton 2012, lecture 6.5; centred: Graves 2013, equations 38-45.
    """

    kernel, kernel_slots = "rmsprop_step", ("v", "m", "a")
    turns = (("v",), ("m",), ("a",))
    config = ("rho", "momentum", "epsilon", "centered")

    def __init__(self, learning_rate: RateLike = 0.001, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7,
                 centered: bool = False, **kwargs: Any):  # fmt: skip
        super().__init__(learning_rate, **kwargs)
        self.rho, self.momentum = fraction("RMSprop: rho", rho), fraction("RMSprop: momentum", momentum)
        self.epsilon, self.centered = number("RMSprop: epsilon", epsilon, low=0), flag("RMSprop: centered", centered)
        self.slots = ("v", *(("m",) if self.momentum else ()), *(("a",) if self.centered else ()))

    def kernel_args(self, lr: float, t: int) -> dict[str, Any]:
        return {"lr": lr, "rho": self.rho, "momentum": self.momentum, "eps": self.epsilon}
