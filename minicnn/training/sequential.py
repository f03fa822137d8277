"""Sequential: a list of layers that can be compiled, fitted, evaluated and asked for predictions, as in Keras."""

from ..backend.base import Backend
from ..backend.select import select
from ..backend.streams import Streams
from ..errors import ArgumentError, require
from ..layers.base import auto_name
from .keras2 import OldNames
from .saving import Savable
from .trainer import Trainer


class Sequential(OldNames, Savable, Trainer):
    """Layers one after the other.

    layers   the first entry may be Input(shape), or the first layer may say input_shape=; else the first data decide
    seed     of every random decision (initial weights, order, dropout, augmentation); None draws one: see model.seed
    device   "cpu", "cuda", "auto", or a Backend;  kernels  "auto", "numba_cpu" or "numpy_ref"
    threads  at most so many on the CPU; None: all cores. Results do not depend on it (kernels="numba_cpu")
    """

    def __init__(
        self, layers=None, name=None, *, seed=None, device: str | Backend = "cpu", kernels="auto", threads=None
    ):
        ok = seed is None or (hasattr(seed, "__index__") and 0 <= int(seed) < 2**64)
        require(ok, "seed", "a whole number from 0 to 2^64 - 1, or None", repr(seed), error=ArgumentError)
        self.backend = select(device, kernels, threads)
        self.streams = Streams(None if seed is None else int(seed))
        self.name = name or auto_name("Sequential")
        self.layers = []
        self.input_shape = None
        self.optimizer = None
        self.loss = None
        self.metrics = []
        self.weighted_metrics = []
        self.history = None
        self.stop_training = False
        for layer in layers or ():
            self.add(layer)
