"""Noise that is added in training."""

from typing import Any

from ..arguments import number
from ..core.tensor import Tensor
from ..ops.dropout import gaussian_noise
from .dropout import Noise


class GaussianNoise(Noise):
    """In training y = x + a normal draw of mean 0 and deviation `stddev`.  Shape unchanged; x itself at inference."""

    config = ("stddev", "seed")

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any):
        self.stddev = number("GaussianNoise: stddev", stddev, low=0, high=1)
        super().__init__(self.stddev, seed, **kwargs)

    def op(self, x: Tensor, *, rate: float, key: Any) -> Tensor:
        return gaussian_noise(x, stddev=rate, key=key)
