"""Dropout layers: identities at inference."""

from ..backend.streams import DROPOUT
from ..errors import ArgumentError, require
from ..ops.dropout import dropout
from .base import Layer


class Dropout(Layer):
    """In training each element is 0 with probability `rate`, else x / (1 - rate).  Shape unchanged.

    Which ones is a function of the model's seed, its step and the layer's number alone, so that a run can be repeated.
    Differs from Keras: noise_shape is not there; `seed` replaces the model's for this layer.
    """

    config = ("rate", "seed")

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        ok = isinstance(rate, (int, float)) and 0 <= rate <= 1
        require(ok, "Dropout: rate", "a number from 0 to 1", repr(rate), error=ArgumentError)
        require(noise_shape is None, "Dropout: noise_shape", "None", noise_shape, error=ArgumentError)
        ok = seed is None or (hasattr(seed, "__index__") and 0 <= int(seed) < 2**64)
        require(ok, "Dropout: seed", "a whole number from 0 to 2^64 - 1, or None", repr(seed), error=ArgumentError)
        self.rate, self.seed = float(rate), None if seed is None else int(seed)

    def call(self, x, *, training):
        if not training or self.rate == 0:
            return x
        return dropout(x, rate=self.rate, key=self.key())

    def key(self):
        """Where this step's draws lie in the counted random stream."""
        key = self.streams.key(DROPOUT, self.index)
        return key if self.seed is None else key._replace(seed=self.seed)
