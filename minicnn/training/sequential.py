"""Sequential: a list of layers that can be compiled, fitted, evaluated and asked for predictions, as in Keras."""

from collections.abc import Sequence
from typing import Any

from .. import arguments
from ..backend.base import Backend
from ..backend.select import select
from ..core.symbol import Call, Symbol
from ..errors import ArgumentError, ArgumentTypeError, MinicnnError, NotBuiltError, NotYetError, require
from ..layers import InputLayer, Layer
from ..layers.base import of_batch
from ..layers.open_sizes import fits
from ..saving.serialize import model_class
from .graph import Step
from .guard import changes, rebuilds
from .model import Model
from .stack import LayerStack, leaves


@model_class
class Sequential(Model):
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

    Differs from Keras: without an Input it is built for samples of the first batch's shape, and fit and predict take
    no others.
    """

    @arguments.named
    def __init__(self, layers: Sequence[Any] | Any | None = None, name: str | None = None, *, seed: int | None = None,
                 device: str | Backend = "cpu", kernels: str = "auto", threads: int | None = None,
                 precision: str | None = None, graph: bool = True, nan_check: str = "epoch"):  # fmt: skip
        listed = () if layers is None else layers
        ok = isinstance(listed, (list, tuple)) or hasattr(listed, "__next__")
        expected = "a list, of which each is a layer"
        require(ok, "Sequential: layers", expected, arguments.shown(layers), error=ArgumentTypeError)
        self._begin(name, seed, select(device, kernels, threads, precision), graph, nan_check)
        self._entry, self._linked = None, []
        for layer in listed:
            with arguments.within("layers"):
                self.add(layer)

    class_name = "Sequential"
    sample_out = property(lambda self: self.operations[-1].sample_out if self.operations else self.sample_in)
    output_names = property(lambda self: [layer.name for layer in self.operations[-1:]])
    input_names = property(lambda self: [self._entry.name] if self._entry is not None else [])

    @property
    def last_layers(self) -> list:
        chain = self.operations and not isinstance(self.operations[-1], LayerStack)
        return [self.operations[-1]] if chain else super().last_layers  # whose output nobody else reads

    @rebuilds
    def add(self, layer: Any) -> None:
        """Append a layer; once the input's shape is known its weights are made at once."""
        layer = _of_input(layer)
        if isinstance(layer, type) and issubclass(layer, Layer):
            raise ArgumentTypeError(
                f"add: expected a layer, received the class {layer.__name__}; write {layer.__name__}(...)"
            )
        ok = isinstance(layer, (Layer, LayerStack)) and layer is not self
        require(ok, "add", "a layer", arguments.shown(layer), error=ArgumentTypeError)
        if isinstance(layer, InputLayer):
            first = self.sample_in is None and not self.operations
            require(first, "add: layer", "Input as the first entry", "a second or late one", error=ArgumentError)
            self.sample_in, self._entry = layer.sample_in, layer.symbol
            return
        taken = any(layer is known or layer.name == known.name for known in self.operations)
        require(not taken, "add", "a name that no other layer has", repr(layer.name), error=ArgumentError)
        one = not isinstance(layer.sample_in, list) and not isinstance(layer.sample_out, list)
        require(one, "add", "a layer with one input and one output", f"{layer.name}, which has several",
                "use Model(inputs, outputs)", error=ArgumentError)  # fmt: skip
        first = layer.sample_in if not self.operations and self.sample_in is None else self.sample_in
        empty = isinstance(layer, Sequential) and not layer.operations  # what it will hold is added later
        if first is not None and not empty and all(known.built for known in self.operations):
            self._attach(layer, len(self.operations), self.sample_out if self.operations else first)
        self.sample_in = first
        self.operations.append(layer)
        self._link()

    @rebuilds
    def pop(self) -> Layer:
        """Remove the last layer and return it."""
        require(self.operations, "pop", "at least one layer", "none", error=NotBuiltError)
        if self._linked:
            call = self._linked.pop()
            call.layer.calls.remove(call)
        return self.operations.pop()

    @changes
    def build(self, input_shape: Any = None) -> None:
        """Make all weights for batches of input_shape (None, H, W, C)."""
        require(self.operations, f"{self.name}", "at least one layer", "none", error=NotBuiltError)
        shape = self.sample_in if input_shape is None else _of_one(input_shape)
        if self.sample_in is not None and shape is not None:
            fix = "a model of another size is another model: make a new one"
            require(fits(shape, self.sample_in), f"{self.name}: build: input_shape", of_batch(self.sample_in),
                    of_batch(shape), fix)  # fmt: skip
            shape = self.sample_in
        if self.built:
            return
        require(shape is not None, f"{self.name}: build", "input_shape=(None, H, W, C)", "none", error=NotBuiltError)
        new = [layer for layer in leaves(self.operations) if not layer.built]
        try:
            size = shape
            for index, layer in enumerate(self.operations):
                self._attach(layer, index, size)
                size = layer.sample_out
        except MinicnnError:
            for layer in new:
                layer.built = False  # half a network is none: the next shape starts afresh
            raise
        self.sample_in = shape
        self._link()

    def _link(self) -> None:
        """Let a chain's layers know their place, so that they have an output: Model(model.inputs, layer.output)."""
        if self.sample_in is None or not all(layer.built for layer in self.operations):
            return
        if self._entry is None:
            self._entry = InputLayer(self.sample_in).symbol
        for layer in self.operations[len(self._linked) :]:
            x = self._linked[-1].outputs[0] if self._linked else self._entry
            call = Call(layer, (x,), [layer.sample_out])
            layer.calls.append(call)
            self._linked.append(call)

    @property
    def inputs(self) -> list[Symbol]:
        """Symbols of its inputs."""
        if self._entry is None:
            require(False, f"{self.name}: inputs", "a built model", "none", "call build((None, H, W, C))",
                    error=NotYetError)  # fmt: skip
        return [self._entry]

    @property
    def outputs(self) -> list[Symbol]:
        """Symbols of its outputs."""
        return [self._linked[-1].outputs[0]] if self._linked else self.inputs

    @property
    def steps(self) -> list[Step]:
        """The calls, in an order in which they can run: see graph.py."""
        return [Step(layer, (i,)) for i, layer in enumerate(self.operations)]

    @property
    def ends(self) -> tuple[int, ...]:
        """The numbers of the values that are outputs."""
        return (len(self.operations),)


def _of_input(layer: Any) -> Any:
    """The InputLayer behind what Input returns; anything else as it is."""
    return layer.call.layer if isinstance(layer, Symbol) and not layer.call.inputs else layer


def _of_one(input_shape) -> tuple[int | None, ...]:
    """The sizes of one sample, from a batch's (None, H, W, C)."""
    given = arguments.items(input_shape) or []
    ok = given and (given[0] is None or arguments.index(given[0]) is not None)
    sizes = tuple(arguments.index(one) for one in given[1:]) if ok else ()
    ok = ok and sizes and all(n is None or (one or 0) > 0 for n, one in zip(given[1:], sizes, strict=True))
    expected = "a tuple (None, H, W, C) of whole numbers of at least 1"
    require(ok, "build: input_shape", expected, arguments.shown(input_shape), error=ArgumentTypeError)
    return sizes
