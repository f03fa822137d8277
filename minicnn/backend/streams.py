"""Where randomness comes from: nowhere but three integers, the seed, the step and the epoch of a model's life."""

import secrets
from dataclasses import dataclass, field

import numpy as np

from minicnn.kernels import Key

INIT, SHUFFLE, DROPOUT, AUGMENT = range(4)  # purposes


@dataclass
class Streams:
    """The random state of a model: saving these integers is saving all of it.

    seed   64 bits; None draws one, which `seed` then reports
    step   training steps over the life of the model
    epoch  training epochs over the life of the model
    """

    seed: int | None = None
    step: int = 0
    epoch: int = 0
    drawn: bool = field(init=False)

    def __post_init__(self):
        self.drawn = self.seed is None
        if self.drawn:
            self.seed = secrets.randbits(32)

    def key(self, purpose: int, index: int = 0, step: int | None = None) -> Key:
        """The stream of a purpose and a layer index at this step (or epoch, for the order of the rows)."""
        return Key(self.seed, self.step if step is None else step, purpose << 16 | index)

    def generator(self, index: int) -> np.random.Generator:
        """NumPy's own counted generator for the initial weights, which are always drawn on the host."""
        return np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, index, INIT]))
