"""Model: any graph of layers without a circle, with one or several inputs and outputs, as Keras's functional API."""

from typing import Any

from .. import arguments
from ..backend.base import Backend
from ..backend.select import select
from ..backend.streams import Streams
from ..core.symbol import Symbol
from ..errors import one_of
from ..layers import InputLayer
from ..naming import auto_name, snake_case
from ..saving.serialize import model_class
from ..structure import Places, answer, names_of, template_of
from .graph import Step, between, symbols_of
from .guard import Guard
from .keras2 import OldNames
from .savable import Savable
from .traced import Programs


@model_class
class Model(OldNames, Savable):
    """What leads from inputs to outputs, as a model.

        x = Input((28, 28, 1))
        y = Conv2D(8, 3, padding="same", activation="relu")(x)
        y = Add()([y, Conv2D(8, 3, padding="same")(y)])                 or y + Conv2D(...)(y)
        model = Model(x, Dense(10, activation="softmax")(Flatten()(y)))

    inputs, outputs   a symbol, or a list, tuple or dict of them, also within one another: what Input, and layers called
                      on it, give. Data are given, and outputs come, in the same structure; a dict's keys are the names
                      of losses and metrics, {"a": {"b": x}} is "a/b", and in order they are sorted
    Layers, and whole models, may be called several times: their weights are shared. Model(m.inputs,
    m.get_layer("conv2d").output) is a model of its own with the weights of m.
    Differs from Keras: A layer called with training=False keeps to it in fit, as in Keras 2 and its guide to transfer
    learning; Keras 3's fit overrides it. A model without Input is built for the first batch that it sees: it keeps to
    the size of its first batch, where Input((None, None, 3)) leaves it open. Called by hand without `training`, a
    model infers, unless it is a block of augmentation, without weights; there each layer has a default of its own.

    Input((None, None, 3)) leaves sizes open: each batch has its own, and a program of its own, as long as every layer
    takes it. Weights cannot depend on an open size: GlobalAveragePooling2D stands where Flatten would.

    seed, device, kernels, threads, precision, graph, nan_check   as Sequential's; where layers have weights already,
    seed and device are theirs.
    """

    @arguments.older(input="inputs", output="outputs")
    @arguments.named
    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, *, seed: int | None = None,
                 device: str | Backend | None = None, kernels: str = "auto", threads: int | None = None,
                 precision: str | None = None, graph: bool = True, nan_check: str = "epoch",
                 trainable: bool = True):  # fmt: skip
        trainable = arguments.flag("Model: trainable", trainable)
        found = between(symbols_of("inputs", inputs), symbols_of("outputs", outputs))
        there = [layer for layer in found.layers if layer.built and not isinstance(layer, InputLayer)]
        if device is None:
            plain = isinstance(kernels, str) and kernels == "auto" and threads is None and precision is None
            device = there[0].be if there and plain else "cpu"
        if seed is None and there and there[0].streams is not None:
            seed = there[0].streams.seed
        self._begin(name, seed, select(device, kernels, threads, precision), graph, nan_check)
        self._connect(inputs, outputs)
        if not trainable:
            self.trainable = False

    def _connect(self, inputs, outputs) -> None:
        """The graph between symbols as its own, with all weights."""
        self._inputs, self._outputs = symbols_of("inputs", inputs), symbols_of("outputs", outputs)
        self._templates = template_of(inputs), template_of(outputs)
        self._graph = found = between(self._inputs, self._outputs)
        # What another model's layer gives begins this one: its place is an input of its own.
        self._entries = [InputLayer(one.sample).symbol if one.call.inputs else one for one in self._inputs]
        layers = [one.call.layer for one in self._entries if one.call.layer not in found.layers] + found.layers
        shapes = [one.sample for one in self._inputs]
        self.sample_in = shapes if len(shapes) > 1 else shapes[0]
        for index, layer in enumerate(layers):
            if isinstance(layer, InputLayer):
                if not layer.built:
                    layer.attach(self.backend, self.streams, index, layer.sample_in)
            else:
                self.operations = layers[:index]
                self._attach(layer, index, found.shapes[layer])
        self.operations = layers

    def _begin(self, name, seed, backend: Backend, record, nan_check) -> None:
        """What every model begins with."""
        kind = type(self).__name__
        seed = arguments.seed("seed", self.drawn_seed() if seed is None else seed)
        self.backend = backend
        self.guard = Guard()
        self.graph, self.nan_check = arguments.flag("graph", record), one_of("nan_check", nan_check, ("epoch", "step"))
        self.streams = Streams(seed)
        self.name = arguments.text(f"{kind}: name", name, optional=True) or auto_name(self.class_name)
        self.operations, self.named, self.first, self.calls = [], name is not None, 0, []
        self.programs = Programs(self)
        self.sample_in = None
        self.optimizer = None
        self.loss = None
        self.metrics, self._places = [], None
        self.weighted_metrics = []
        self.history = None
        self.stop_training = self.fitting = False
        self.underway = self.checkpoint_failure = None
        self.runs = set()

    def build(self, input_shape: Any = None) -> None:
        """Has no effect: the inputs have shapes, so all weights are there.  For who calls it of any model, as Keras."""

    drawn_seed = staticmethod(lambda: None)  # where none is given; None: the system's
    class_name = "Functional"  # in files and automatic names, as Keras's

    @property
    def kind(self) -> str:
        """The snake-case name of its class, as of a layer."""
        return snake_case(self.class_name)

    @property
    def steps(self) -> list[Step]:
        """The calls, in an order in which they can run: see graph.py."""
        return self._graph.steps

    @property
    def ends(self) -> tuple[int, ...]:
        """The numbers of the values that are outputs."""
        return self._graph.ends

    @property
    def inputs(self) -> list[Symbol]:
        """Symbols of its inputs."""
        return list(self._inputs)

    @property
    def outputs(self) -> list[Symbol]:
        """Symbols of its outputs."""
        return list(self._outputs)

    @property
    def input_shape(self) -> Any:
        """(None, 28, 28, 1), or a list of such shapes: a batch's, whose size Input may have said."""
        found = [one.shape for one in self.inputs]
        return found if len(found) > 1 else found[0]

    @property
    def output_shape(self) -> Any:
        """(None, 10), or a list of such shapes."""
        found = [one.shape for one in self.outputs]
        return found if len(found) > 1 else found[0]

    @property
    def sample_out(self) -> Any:
        """Of one sample: of its output, or a list."""
        shapes = [one.sample for one in self._outputs]
        return shapes if len(shapes) > 1 else shapes[0]

    @property
    def output_names(self) -> Places:
        """The layers' names of its outputs, or the dict's keys."""
        return names_of(self._templates[1], [one.name for one in self._outputs])

    @property
    def input_names(self) -> Places:
        """The names of its inputs, or the dict's keys."""
        return names_of(self._templates[0], [one.name for one in self._inputs])

    @property
    def input(self) -> Any:
        """The symbol of its input, or the structure of them that the model was made from."""
        return answer(self._templates[0], self.inputs)

    @property
    def output(self) -> Any:
        """The symbol of its output, or the structure of them that the model was made from."""
        return answer(self._templates[1], self.outputs)
