"""Sequential: a list of layers that can be compiled, fitted, evaluated and asked for predictions, as in Keras."""

from .. import arguments
from ..backend.base import Backend
from ..backend.select import select
from ..backend.streams import Streams
from ..errors import ArgumentTypeError, one_of, require
from ..layers.base import auto_name
from .guard import Guard
from .keras2 import OldNames
from .saving import Savable
from .traced import Programs
from .trainer import Trainer


class Sequential(OldNames, Savable, Trainer):
    """Layers one after the other.

    layers   the first entry may be Input(shape), or the first layer may say input_shape=; else the first data decide
    seed     of every random decision (initial weights, order, dropout, augmentation); None draws one: see model.seed
    device   "cpu", "cuda", "auto", or a Backend;  kernels  "auto", "numba_cpu", "cuda" or "reference" (numpy_ref)
    threads  at most so many on the CPU; None: all cores. Results do not depend on it (kernels="numba_cpu")

    On a GPU:
    precision  of matrix products: "float32" (the default), "3xtf32", "tf32", "bf16"; weights and sums stay float32
    graph      True: a training step is recorded once and replayed as a whole; False: kernel by kernel, the same bytes
    nan_check  "epoch": losses are read at the end of an epoch, which then stops as if it had been noticed at once;
               "step": they are read after every step, which costs time
    """

    @arguments.named
    def __init__(
        self, layers=None, name=None, *, seed=None, device: str | Backend = "cpu", kernels="auto", threads=None,
        precision=None, graph=True, nan_check="epoch",
    ):  # fmt: skip
        seed = arguments.seed("seed", seed)
        listed = () if layers is None else layers
        ok = isinstance(listed, (list, tuple)) or hasattr(listed, "__next__")
        expected = "a list, of which each is a layer"
        require(ok, "Sequential: layers", expected, arguments.shown(layers), error=ArgumentTypeError)
        self.backend = select(device, kernels, threads, precision)
        self.guard = Guard()
        self.graph, self.nan_check = arguments.flag("graph", graph), one_of("nan_check", nan_check, ("epoch", "step"))
        self.streams = Streams(seed)
        self.name = arguments.text("Sequential: name", name, optional=True) or auto_name("Sequential")
        self.layers = []
        self.programs = Programs(self)
        self.input_shape = None
        self.optimizer = None
        self.loss = None
        self.metrics = []
        self.weighted_metrics = []
        self.history = None
        self.stop_training = self.fitting = False
        self.underway = self.checkpoint_failure = None
        self.runs = set()
        for layer in listed:
            with arguments.within("layers"):
                self.add(layer)
