"""The layers of a model and their weights: adding, building, naming, counting, and the way of x through all of them."""

import sys
from functools import partial
from typing import ClassVar

import numpy as np

from .. import arguments
from ..attributes import Guarded
from ..backend.base import Backend
from ..backend.streams import Streams
from ..core.program import tracing
from ..core.tensor import Parameter, Tensor, no_grad
from ..errors import ArgumentError, ArgumentTypeError, MinicnnError, NotBuiltError, nearest, require
from ..layers import InputLayer, Layer
from ..layers.base import assign_all, snake_case
from ..notes import note
from .guard import Guard, changes, reads, rebuilds
from .inputs import check_x
from .plan import Plan, plan
from .summary import readable, table
from .traced import Programs

_FLOATS = 'give Sequential device=CPU("numpy_ref", "float64") of minicnn.backend.cpu'
_STEPS = "write the loop in Python: forward with model(Tensor(x), training=True), loss.backward(), optimizer.apply()"
_HOOKS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "call")


class LayerStack(Guarded):
    """Layers one after the other.  Sequential's constructor sets the attributes that are declared here."""

    refused: ClassVar[dict[str, str]] = dict.fromkeys(_HOOKS, _STEPS) | {
        "dtype": _FLOATS, "dtype_policy": _FLOATS, "compute_dtype": _FLOATS, "variable_dtype": _FLOATS,
        "seed": "give it to the constructor", "built": "call build((None, H, W, C))", "inputs": "add layers",
        "outputs": "add layers", "output_shape": "the layers decide it", "loss_weights": "scale the loss itself",
        "weights": "use set_weights", "trainable_weights": "set a layer's trainable", "input_spec": "use Input",
        "non_trainable_weights": "set a layer's trainable", "activity_regularizer": "add its gradient in a layer",
    }  # fmt: skip
    without_effect: ClassVar[tuple[str, ...]] = (
        "run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss", "train_function", "test_function",
        "predict_function",
    )  # fmt: skip

    backend: Backend
    streams: Streams
    guard: Guard
    name: str
    layers: list[Layer]
    input_shape: tuple[int, ...] | None
    programs: Programs
    _trainable = True

    seed = property(lambda self: self.streams.seed)
    built = property(lambda self: bool(self.layers) and all(layer.built for layer in self.layers))
    output_shape = property(lambda self: self.layers[-1].output_shape if self.layers else self.input_shape)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        own = [name for name in _HOOKS if name in vars(cls)]
        expected = "a model without steps of its own"
        require(not own, cls.__name__, expected, ", ".join(own), _STEPS, error=ArgumentTypeError)

    @rebuilds
    def add(self, layer: Layer) -> None:
        """Append a layer; once the input's shape is known its weights are made at once."""
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise ArgumentTypeError(
                f"add: expected a layer, received the class {layer.__name__}; write {layer.__name__}(...)"
            )
        require(isinstance(layer, Layer), "add", "a layer", arguments.shown(layer), error=ArgumentTypeError)
        if isinstance(layer, InputLayer):
            first = self.input_shape is None and not self.layers
            require(first, "add: layer", "Input as the first entry", "a second or late one", error=ArgumentError)
            self.input_shape = layer.input_shape
            return
        taken = any(layer is known or layer.name == known.name for known in self.layers)
        require(not taken, "add", "a name that no other layer has", repr(layer.name), error=ArgumentError)
        first = layer.input_shape if not self.layers and self.input_shape is None else self.input_shape
        if first is not None:
            self._attach(layer, len(self.layers), self.output_shape if self.layers else first)
        self.input_shape = first
        self.layers.append(layer)

    @rebuilds
    def pop(self) -> Layer:
        """Remove the last layer and return it."""
        require(self.layers, "pop", "at least one layer", "none", error=NotBuiltError)
        return self.layers.pop()

    def _attach(self, layer: Layer, index: int, shape) -> None:
        if layer.built:  # by another model, whose weights it goes on sharing
            expected = f"samples of the shape {layer.input_shape} that it is built for"
            require(layer.input_shape == shape, f"add: {layer.name}", expected, shape)
            require(layer.be.dtype == self.backend.dtype and layer.be.name == self.backend.name, f"add: {layer.name}",
                    f"a model on {layer.be.describe()}", self.backend.describe(), error=ArgumentError)  # fmt: skip
            return
        layer.attach(self.backend, self.streams, index, shape)
        kind = snake_case(type(layer).__name__)
        before = sum(snake_case(type(known).__name__) == kind for known in self.layers[:index])
        prefix = layer.name if layer.named else f"{kind}_{before}" if before else kind
        for p in layer.params:  # names in files do not depend on what else the process has built
            p.path = f"{prefix}/{p.path.rpartition('/')[2]}"

    @changes
    def build(self, input_shape=None) -> None:
        """Make all weights for batches of input_shape (None, H, W, C)."""
        require(self.layers, f"{self.name}", "at least one layer", "none", error=NotBuiltError)
        if self.built:
            return
        shape = self.input_shape if input_shape is None else _of_one(input_shape)
        require(shape is not None, f"{self.name}: build", "input_shape=(None, H, W, C)", "none", error=NotBuiltError)
        new = [layer for layer in self.layers if not layer.built]
        try:
            size = shape
            for index, layer in enumerate(self.layers):
                self._attach(layer, index, size)
                size = layer.output_shape
        except MinicnnError:
            for layer in new:
                layer.built = False  # half a network is none: the next shape starts afresh
            raise
        self.input_shape = shape

    def ensure_built(self, x) -> None:
        """Build for the shape of x where no shape has been given."""
        if self.built:
            return
        with self.guard:  # the thread that comes second finds it built
            self.build((self.input_shape and (None, *self.input_shape)) or x.shape)

    @property
    def trainable(self) -> bool:
        """Whether any weight may be trained; setting it sets every layer's, as in Keras, and counts at once."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.layers:
            layer.trainable = value

    @property
    def weights(self) -> list[Parameter]:
        """Layer by layer, trainable first: the order of get_weights, set_weights and files."""
        return [p for layer in self.layers for p in layer.weights]

    @property
    def trainable_weights(self) -> list[Parameter]:
        return [p for layer in self.layers for p in layer.trainable_weights] if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        return [p for layer in self.layers for p in layer.non_trainable_weights] if self.trainable else self.weights

    def count_params(self) -> int:
        """How many numbers the weights hold."""
        require(self.built, self.name, "a built model", "none", "call build((None, H, W, C))", error=NotBuiltError)
        return sum(layer.count_params() for layer in self.layers)

    @reads
    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights."""
        return [p.numpy().copy() for p in self.weights]

    @changes
    def set_weights(self, values) -> None:
        """Replace all weights: every shape is checked before any weight changes."""
        assign_all(self.name, self.weights, values)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its number."""
        require(self.layers, "get_layer", "a model with layers", "an empty one", error=NotBuiltError)
        if index is not None:
            n = len(self.layers)
            return self.layers[arguments.whole("get_layer: index", index, low=-n, high=n - 1)]
        for layer in self.layers:
            if isinstance(name, str) and layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        fix = nearest(name, names) if isinstance(name, str) else ""
        require(False, "get_layer: name", "one of " + ", ".join(names), arguments.shown(name), fix, error=ArgumentError)

    def plan(self, batch_size: int = 32) -> Plan:
        """Which algorithm each convolution and dense layer will use, with its tile, memory and arithmetic."""
        require(self.built, self.name, "a built model", "none", "call build((None, H, W, C))", error=NotBuiltError)
        return plan(self, arguments.whole("plan: batch_size", batch_size))

    def summary(self, line_length: int | None = None, print_fn=None, show_trainable: bool = False) -> "_Printed":
        """Print Keras's table of layers, shapes and parameter counts."""
        line_length = arguments.whole("summary: line_length", line_length, optional=True)
        arguments.function("summary: print_fn", print_fn, of="a string", optional=True)
        text = table(self, line_length, arguments.flag("summary: show_trainable", show_trainable))
        print_fn(text) if print_fn else print(readable(text, sys.stdout))
        return _Printed()

    def forward(self, x: Tensor, *, training: bool, logits: bool = False) -> Tensor:
        """x through all layers.  logits: stop before the last layer's activation.

        The one walk over the layers: on the tape, or written down as a program while a trace is on.
        """
        trace = tracing()
        expected = f"samples of {len(self.input_shape)} axes, like {self.input_shape}"
        require(x.ndim == len(self.input_shape) + 1, f"{self.name}: x", expected, x.shape[1:])
        for layer in self.layers:
            if trace is None and x.shape[1:] != layer.input_shape:
                layer.follow(x.shape[1:])
            call = layer.preactivation if logits and layer is self.layers[-1] else layer.call
            call = partial(call, training=training)
            x = call(x) if trace is None else trace.through(layer, call, (x,), (x.shape[0], *layer.output_shape))
        return x

    def __call__(self, x, training: bool = False):
        """Outputs for a batch: a Tensor for a Tensor, a NumPy array for anything else.

        Samples may have another size than the model was built for, as long as every layer's weights allow it.
        """
        training = arguments.flag(f"{self.name}: training", training)
        if isinstance(x, Tensor):
            self.ensure_built(x)
            y = self.forward(x, training=training)
        else:
            with no_grad(), self.guard:
                x = Tensor(check_x(self, x, "x", any_size=True), self.backend)
                y = self.forward(x, training=training).numpy()
        if training:
            with self.guard.changing():
                self.commit()
        return y

    @reads
    def activations(self, x) -> dict[str, np.ndarray]:
        """The output of every layer for images x at inference: layer name -> (N, *its output_shape)."""
        x = self.backend.asarray(check_x(self, x, "x"), self.backend.dtype)
        self.programs.refresh()
        with no_grad(), self.backend.running():
            walk = self.programs.prediction(x.shape, False).walk(self.backend, x, self.streams.step)
            return {layer.name: self.backend.to_numpy(y).copy() for layer, y in walk}

    def move_averages(self) -> None:
        """All layers' moving averages take over what the latest training call has left."""
        self.backend.follow([moved for layer in self.layers for moved in layer.moved()])

    def commit(self) -> None:
        """End a step: moving averages move, the next one draws other random numbers."""
        self.move_averages()
        self.streams.step += 1


def _of_one(input_shape) -> tuple[int, ...]:
    """The sizes of one sample, from a batch's (None, H, W, C)."""
    given = arguments.items(input_shape)
    ok = given and (given[0] is None or arguments.index(given[0]) is not None)
    sizes = tuple(arguments.index(one) for one in given[1:]) if ok else ()
    ok = ok and sizes and all(one is not None and one > 0 for one in sizes)
    expected = "a tuple (None, H, W, C) of whole numbers of at least 1"
    require(ok, "build: input_shape", expected, arguments.shown(input_shape), error=ArgumentTypeError)
    return sizes


class _Printed:
    """What summary() returns, so that print(model.summary()) does not end with "None"."""

    def __str__(self):
        note("summary() prints the table itself; print(...) around it is not needed")
        return ""

    def __repr__(self):
        return ""
