"""Noise that is added in training."""

from ..arguments import number
from ..ops.dropout import gaussian_noise
from .dropout import Noise


class GaussianNoise(Noise):
    """In training y = x + a normal draw of mean 0 and deviation `stddev`.  Shape unchanged; x itself at inference."""

    config = ("stddev", "seed")

    def __init__(self, stddev, seed=None, **kwargs):
        self.stddev = number("GaussianNoise: stddev", stddev, low=0, high=1)
        super().__init__(self.stddev, seed, **kwargs)

    def op(self, x, *, rate, key):
        return gaussian_noise(x, stddev=rate, key=key)
