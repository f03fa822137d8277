"""The layers of a model and their weights: adding, building, naming, counting, and the forward pass."""

import collections
import contextlib
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from .. import arguments, losses, optimizers, regularizers
from ..aliases import ArrayLike
from ..attributes import Guarded
from ..backend.base import Backend
from ..backend.streams import Draws, Streams
from ..core.program import tracing
from ..core.symbol import Call, Symbol
from ..core.tensor import Parameter, Tensor, is_recording, no_grad, tapes
from ..data.batches import check_lengths, check_range
from ..data.dataset import Array
from ..errors import ArgumentError, ArgumentTypeError, NotBuiltError, nearest, require
from ..layers import InputLayer, Layer
from ..layers.base import Shape, assign_all, lacking, on_symbols, samples, within
from ..layers.open_sizes import is_open
from ..layers.operation import Operation
from ..losses import Loss
from ..notes import note
from ..ops.join import concatenate
from ..ops.shape import reshape
from ..structure import answer
from ..teaching.trace import Trace, labels
from . import lenient
from .graph import Step
from .guard import Guard, changes, reads
from .inputs import check_x
from .plan import Plan, plan
from .several import Losses, Several, only_one, parts, per_input, per_place
from .summary import html, readable, table
from .traced import Programs

_FLOATS = 'give Sequential device=CPU("numpy_ref", "float64") of minicnn.backend.cpu'
_STEPS = (
    "write the loop in Python: forward with model(Tensor(x), training=True), loss.backward(), optimizer.apply(); "
    "or with tf.GradientTape of minicnn.keras"
)
VISIT = 11  # bits of a layer's index; above them stands the number of the call, of a layer that a step calls twice
_HOOKS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "call")


class LayerStack(Guarded):
    """Layers, and the order in which x passes through them, `steps`; of a Sequential one after the other.

    A model is a layer of another one where it is added or called: it has a layer's names (attach, follow, params, ...).
    The constructors of Sequential and Model set the attributes that are declared here.
    """

    refused: ClassVar[dict[str, str]] = dict.fromkeys(_HOOKS, _STEPS) | {
        "dtype": _FLOATS, "dtype_policy": _FLOATS, "compute_dtype": _FLOATS, "variable_dtype": _FLOATS,
        "seed": "give it to the constructor", "built": "call build((None, H, W, C))",
        "output_shape": "the layers decide it", "input_shape": "use Input", "loss_weights": "give it to compile",
        "weights": "use set_weights", "trainable_weights": "set a layer's trainable", "input_spec": "use Input",
        "non_trainable_weights": "set a layer's trainable", "activity_regularizer": "add its gradient in a layer",
        "layers": "call it otherwise; a Sequential has add and pop",
    }  # fmt: skip
    without_effect: ClassVar[tuple[str, ...]] = (
        "run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss", "train_function", "test_function",
        "predict_function",
    )  # fmt: skip

    quantize = lacking("quantization")
    get_state_tree = set_state_tree = lacking("trees of a model's state: get_weights, and a checkpoint, hold it")

    hooks: ClassVar[tuple[str, ...]] = _HOOKS  # methods of Keras's that a class of a script's own may not have
    backend: Backend
    streams: Draws
    guard: Guard
    name: str
    operations: list  # layers and models, and what is between them on symbols, x + y
    sample_in: tuple[Any, ...] | list | None  # of one sample, as every layer's: a list where there are several inputs
    programs: Programs
    first: int  # the number of its first layer, which another model may have given it
    named: bool
    calls: list[Call]  # of the model itself, as a layer
    # What Trainer, Model and Sequential say of themselves.
    class_name: str
    kind: str
    steps: list[Step]
    ends: tuple[int, ...]
    inputs: list[Symbol]
    outputs: list[Symbol]
    input_names: list[str]
    output_names: list[str]
    lenient: bool
    optimizer: optimizers.Optimizer | None
    loss: Loss | Losses | None
    output_losses: list[Loss | None]
    fusing: tuple[bool, ...]
    _trainable = True
    _templates: tuple = (0, 0)  # of inputs and outputs: structure.py
    seen: list[Shape] | None = None  # of a model with open sizes: the latest x
    config: ClassVar[tuple[str, ...]] = ()
    is_code: ClassVar[bool] = False  # a class with a call of its own, whose attributes are parts: subclassed.py

    def __setattr__(self, name: str, value: Any) -> None:
        several = value if isinstance(value, (list, tuple)) else [value]
        given = [] if self.is_code else [one for one in several if isinstance(one, Parameter)]
        mine = self.weights if given and "operations" in vars(self) else []  # none before super().__init__()
        if {*map(id, given)} - {*map(id, mine)}:
            expected, fix = "weights that layers have", "put it into a layer of your own, and that into the model"
            require(False, f"{type(self).__name__}: {name}", expected, "a Variable", fix, error=ArgumentTypeError)
        super().__setattr__(name, value)

    def build(self, input_shape: Any = None) -> None:
        """Make all weights for batches of input_shape (None, H, W, C)."""
        raise NotImplementedError

    @property
    def layers(self) -> list:
        """Its layers and the models among them. What stands between them on symbols, x + y, `operations` holds too."""
        return [one for one in self.operations if not isinstance(one, Operation)]

    shown = property(lambda self: self.operations)  # the rows of its summary
    params = property(lambda self: self.weights)

    seed = property(lambda self: self.streams.seed)
    built = property(lambda self: bool(self.operations) and all(layer.built for layer in self.operations))
    sample_out: Shape | list | None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        own = [name for name in cls.hooks if name in vars(cls)]
        expected = "a model without steps of its own"
        require(not own, cls.__name__, expected, ", ".join(own), _STEPS, error=ArgumentTypeError)

    def _attach(self, layer: Any, index: int, shape) -> None:
        if layer.built and not isinstance(layer, LayerStack) and layer.alone:
            layer.move(self.backend, self.streams, self.first + len(leaves(self.operations[:index])), shape)
        elif layer.built:  # by another model, whose weights it goes on sharing
            expected = f"samples of the shape {layer.sample_in} that it is built for"
            same = layer.sample_in == (list(shape) if isinstance(layer.sample_in, list) else shape)
            require(same, f"add: {layer.name}", expected, shape)
            require(layer.be.dtype == self.backend.dtype and layer.be.name == self.backend.name, f"add: {layer.name}",
                    f"a model on {layer.be.describe()}", self.backend.describe(), error=ArgumentError)  # fmt: skip
            return
        else:
            layer.attach(self.backend, self.streams, self.first + len(leaves(self.operations[:index])), shape)
        if isinstance(layer, LayerStack):
            return
        kind = layer.kind
        before = sum(known.kind == kind for known in self.operations[:index])
        prefix = layer.name if layer.named else f"{kind}_{before}" if before else kind
        for p in layer.params:  # names in files do not depend on what else the process has built
            p.path = f"{prefix}/{p.path.rpartition('/')[2]}"

    # a model as a layer ----------------------------------------------------------------------------------------------

    def attach(self, be: Backend, streams: Draws, index: int, input_shape: Any) -> Any:
        """Build a model without weights as part of another: on its backend, with its random streams."""
        self.backend, self.streams, self.first = be, streams, index
        self.build((None, *input_shape))
        return self.sample_out

    be = property(lambda self: self.backend)

    def shapes_for(self, shapes: list[Shape]) -> list[Shape]:
        """The outputs' shapes, of one sample, for inputs of these."""
        values = self._value_shapes(shapes)
        return [values[end] for end in self.ends]

    def _value_shapes(self, shapes: list[Shape]) -> list[Shape]:
        """Those of the inputs, and of what every step makes of them."""
        values = list(shapes)
        for step in self.steps:
            given = tuple(values[i] for i in step.inputs)
            if isinstance(step.layer, LayerStack):
                values += step.layer.shapes_for(list(given))
            else:
                values.append(step.layer.shape_for(given if step.listed else given[0]))
        return values

    def _all_shapes(self, shapes: list[Shape]) -> list[Shape]:
        """The same, and what the layers of models within make of them."""
        values = self._value_shapes(shapes)
        within = [step.layer._all_shapes([values[i] for i in step.inputs]) for step in self.steps
                  if isinstance(step.layer, LayerStack)]  # fmt: skip
        return [*values, *(shape for found in within for shape in found)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of a batch of outputs for a batch of inputs, (None, H, W, C), or structures of such shapes."""
        where, names = f"{self.name}: compute_output_shape: input_shape", self.input_names
        first = next(iter(arguments.items(input_shape) or ()), None)
        nested = isinstance(input_shape, Mapping) or isinstance(first, (tuple, list))
        given = per_place(where, input_shape, names or [self.name]) if nested else [input_shape]
        found = [samples(where, one) for one in given]
        expected = f"{max(len(names), 1)} shapes"
        require(len(found) == max(len(names), 1), where, expected, len(found), error=ArgumentTypeError)
        rows = next((n for _, n in found if n is not None), None)
        return self._answer([(rows, *one) for one in self.shapes_for([shape for shape, _ in found])])

    def shape_for(self, input_shape: Any) -> Shape:
        """The shape of its one output."""
        listed = bool(input_shape) and isinstance(input_shape[0], tuple)
        return self.shapes_for(list(input_shape) if listed else [input_shape])[0]

    follow = shape_for

    def moved(self) -> list[tuple]:
        return [moved for layer in self.operations for moved in layer.moved()]

    @property
    def leaves(self) -> list[Layer]:
        """Every layer once, in place of models among them their layers."""
        return leaves(self.operations)

    @property
    def unasked(self) -> bool:
        """Whether a call by hand trains where nobody says it, once the model is built: a block of augmentation does."""
        return not self.params and any(layer.unasked for layer in self.leaves)

    @property
    def channels_first(self) -> bool:
        """Whether images are (C, H, W), as any layer says."""
        return any(getattr(layer, "data_format", "") == "channels_first" for layer in self.leaves)

    def _given(self, x):
        """What a call is given, as one or a list, in the order of the inputs."""
        x = lenient.inputs(self, x)
        several = isinstance(x, (Mapping, list, tuple)) and not isinstance(self._templates[0], int)
        one = isinstance(x, Mapping) and only_one(x, self.input_names)
        found = per_input(f"{self.name}: inputs", x, self.input_names) if several or one else [x]
        return found if len(found) > 1 else found[0]

    def _answer(self, ys):
        """One output, or a list of them, in the structure that the model was made from."""
        return answer(self._templates[1], ys if isinstance(ys, list) else [ys])

    def _on_symbols(self, symbols: tuple[Symbol, ...], training):
        """The outputs of a call on symbols, in their structure."""
        wanted = len(self.sample_in) if isinstance(self.sample_in, list) else 1
        require(len(symbols) == wanted, f"{self.name}: inputs", f"{wanted} of them", len(symbols), error=ArgumentError)
        shapes = self.shapes_for([one.sample for one in symbols])
        self.calls.append(Call(self, symbols, shapes, len(symbols) > 1, training))
        return self._answer(list(self.calls[-1].outputs))

    # symbols of its own ----------------------------------------------------------------------------------------------

    @property
    def samples_in(self) -> list:
        """One per input."""
        return self.sample_in if isinstance(self.sample_in, list) else [self.sample_in]

    @property
    def samples_out(self) -> list:
        """One per output."""
        return self.sample_out if isinstance(self.sample_out, list) else [self.sample_out]

    @property
    def sizes(self) -> list:
        """Of one sample: the inputs' shapes, and those of all layers; where sizes are open, as x had them last."""
        if is_open(self.samples_in):
            return self._all_shapes(self.seen or [tuple(n or 1 for n in shape) for shape in self.samples_in])
        return [*self.samples_in, *(layer.sample_out for layer in self.leaves)]

    @property
    def last_layers(self) -> list:
        """The layer of each output; None where that is a model, or where somebody else reads the output too."""
        count = len(self.sample_in) if isinstance(self.sample_in, list) else 1
        read, ends, made = {i for step in self.steps for i in step.inputs}, self.ends, {}
        for step in self.steps:
            model = isinstance(step.layer, LayerStack)
            made |= {} if model else {count: step.layer}
            count += len(step.layer.ends) if model else 1
        return [made.get(end) if end not in read and ends.count(end) == 1 else None for end in ends]

    def ensure_built(self, x: Any) -> None:
        """Build for the shape of x where no shape has been given."""
        if self.built:
            return
        with self.guard:  # the thread that comes second finds it built
            self.build((self.sample_in and (None, *self.sample_in)) or x.shape)

    @property
    def trainable(self) -> bool:
        """Whether any weight may be trained; setting it sets every layer's, as in Keras, and counts at once."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.operations:
            layer.trainable = value

    @property
    def weights(self) -> list[Parameter]:
        """Layer by layer, trainable first: the order of get_weights, set_weights and files."""
        return _once(p for layer in self.operations for p in layer.weights)

    @property
    def trainable_weights(self) -> list[Parameter]:
        return _once(p for layer in self.operations for p in layer.trainable_weights) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        if not self.trainable:
            return self.weights
        return _once(p for layer in self.operations for p in layer.non_trainable_weights)

    def count_params(self) -> int:
        """How many numbers the weights hold."""
        require(self.built, self.name, "a built model", "none", "call build((None, H, W, C))", error=NotBuiltError)
        return sum(p.data.size for p in self.weights)

    @reads
    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights."""
        return [p.numpy() for p in self.weights]

    @changes
    def set_weights(self, values: Sequence[ArrayLike]) -> None:
        """Replace all weights: every shape is checked before any weight changes."""
        assign_all(self.name, self.weights, values)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name or its number."""
        require(self.operations, "get_layer", "a model with layers", "an empty one", error=NotBuiltError)
        if index is not None:
            n = len(self.layers)
            return self.layers[arguments.whole("get_layer: index", index, low=-n, high=n - 1)]
        for layer in self.operations:
            if isinstance(name, str) and layer.name == name:
                return layer
        names = [layer.name for layer in self.operations]
        fix = nearest(name, names) if isinstance(name, str) else ""
        require(False, "get_layer: name", "one of " + ", ".join(names), arguments.shown(name), fix, error=ArgumentError)

    def plan(self, batch_size: int = 32) -> Plan:
        """Which algorithm each convolution and dense layer will use, with its tile, memory and arithmetic."""
        require(self.built, self.name, "a built model", "none", "call build((None, H, W, C))", error=NotBuiltError)
        expected, fix = "a model of known sizes", "build it with Input((H, W, C)) for a plan of one size"
        require(not is_open(self.samples_in), f"{self.name}: plan", expected, self.sample_in, fix)
        return plan(self, arguments.whole("plan: batch_size", batch_size))

    def _repr_html_(self):
        return html(self)

    def summary(self, line_length: int | None = None, print_fn: Callable[[str], Any] | None = None,
                show_trainable: bool = False) -> "_Printed":  # fmt: skip
        """Print Keras's table of layers, shapes and parameter counts."""
        line_length = arguments.whole("summary: line_length", line_length, optional=True)
        arguments.function("summary: print_fn", print_fn, of="a string", optional=True)
        text = table(self, line_length, arguments.flag("summary: show_trainable", show_trainable))
        print_fn(text) if print_fn else print(readable(text, sys.stdout))
        return _Printed()

    def forward(self, x: Any, *, training: bool, logits: Any = False, visits: collections.Counter | None = None) -> Any:
        """x, a tensor or one per input, through all layers: a tensor, or a list of one per output.

        logits: stop before the last layer's activation; of several outputs, a flag for each.
        visits: how often each layer has been called in this walk. A shared one draws other numbers every time.

        The one walk over the layers: on the tape, or written down as a program while a trace is on.
        """
        if visits is None:
            visits = collections.Counter()
            self.moved()  # what a step that failed may have left
        given = list(x) if isinstance(x, (list, tuple)) else [x]
        shapes = self.samples_in
        require(len(given) == len(shapes), f"{self.name}: x", f"{len(shapes)} inputs", len(given))
        for one, shape in zip(given, shapes, strict=True):
            expected = f"samples of {len(shape)} axes, like {shape}"
            require(one.ndim == len(shape) + 1, f"{self.name}: x", expected, one.shape[1:])
        flags = logits if isinstance(logits, (list, tuple)) else [logits] * len(self.ends)
        raw = {end for end, flag in zip(self.ends, flags, strict=True) if flag}
        values = given
        for step in self.steps:
            layer, tensors = step.layer, [values[i] for i in step.inputs]
            mode = training if step.training is None else step.training
            if isinstance(layer, LayerStack):
                y = layer.forward(tensors, training=mode, visits=visits)
                values += y if isinstance(y, list) else [y]
            else:
                call = layer.preactivation if len(values) in raw else layer.call
                values.append(_call(layer, step, tensors, call, mode, visits))
        found = [values[end] for end in self.ends]
        return found if len(found) > 1 else found[0]

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """Outputs for a batch: a Tensor for a Tensor, a NumPy array for anything else; under a GradientTape a Tensor.

        training: None is False, and within the call of a layer of one's own what that is called with; a block of
        augmentation, whose layers have no weights, is at work then, as each of them by itself.
        Samples may have another size than the model was built for, as long as every layer's weights allow it.
        """
        x = self._given(x)
        symbols = on_symbols(x)
        if symbols:
            return self._on_symbols(symbols, training or None)
        outer = within.get()
        training = outer[1] if training is None and outer is not None else training
        training = training if training is None else arguments.flag(f"{self.name}: training", training)
        if outer is None and isinstance(x, Tensor):
            self.ensure_built(x)
        by_hand = outer is None and not (self.unasked if training is None else training)
        with self.streams.inference() if by_hand else contextlib.nullcontext() as inference:
            y = self._called(x, outer, training)
        if inference is not None:
            self.streams.inferred(inference)  # a dropout that is always at work draws anew
        elif outer is None:  # else the step is the outer layer's
            with self.guard.changing():
                self.commit()
        return self._answer(y)

    def _called(self, x: Any, outer: Any, training: bool | None) -> Any:
        """Outputs for what is no symbol: Tensors for Tensors, or on a tape, else arrays.  outer: the call around it."""
        if isinstance(x, Tensor):
            if outer is not None and not self.built:
                outer[0].adopt(self, x.shape[1:])
            self.ensure_built(x)
            training = self.unasked if training is None else training
            y = self.forward(x, training=training)
        elif isinstance(x, (list, tuple)) and any(isinstance(one, Tensor) for one in x):
            training = self.unasked if training is None else training
            xs = [one if isinstance(one, Tensor) else Tensor(one, self.backend) for one in x]
            y = self.forward(xs, training=training)
        else:
            taped = bool(tapes()) and is_recording()
            with contextlib.nullcontext() if taped else no_grad(), self.guard:
                x = Several(x) if isinstance(x, list) and isinstance(self.sample_in, list) else x
                xs = [Tensor(one, self.backend) for one in parts(check_x(self, x, "x", any_size=True))]
                training = self.unasked if training is None else training
                y = self.forward(xs, training=training)
                if not taped:
                    y = [self._array(one) for one in y] if isinstance(y, list) else self._array(y)
        return y

    def _array(self, y: Tensor) -> np.ndarray:
        """The numbers of an output; where the model is `lenient`, an array that may be asked for numpy()."""
        return y.numpy().view(Array) if getattr(self, "lenient", False) else y.numpy()

    @reads
    def activations(self, x: Any) -> dict[str, np.ndarray]:
        """The output of every layer for images x at inference: layer name -> (N, *its sample_out)."""
        xs = [self.backend.asarray(one, self.backend.dtype) for one in parts(check_x(self, x, "x"))]
        self.programs.refresh()
        with no_grad(), self.backend.running():
            program, number = self.programs.prediction(tuple(x.shape for x in xs), False), self.streams.inferences
            with self.streams.inference(number):
                walk = list(program.walk(self.backend, xs, number))
            return {layer.name: self.backend.to_numpy(y).copy() for layer, y in walk}

    @reads
    def trace(self, x: Any, y: Any = None, layer: Any = None, *, training: bool = False) -> Trace:
        """Every array of forward for image x and, given y, of backward: see teaching/trace.py.

        x (H, W, C), or a batch (N, H, W, C);  y: as fit takes it for these images, or one class number;
                  of several inputs and outputs each a list, or a dict by their names
        layer     a layer, its name or its number: only what it reads, computes and hands on; None: everything
        training  False: the network as predict runs it;  True: as the next training step will, with its draws
        """
        training = arguments.flag("trace: training", training)
        if layer is not None:
            known = [one for one in self.leaves if layer is one or layer == one.name]
            number = None if isinstance(layer, str) else arguments.index(layer)
            layer = known[0] if known else self.get_layer(layer) if number is None else self.get_layer(index=number)
        xs, ts = self.looked_at("trace", x, y)
        self.programs.refresh()
        be = self.backend
        with be.running():
            x_shapes, t_shapes = shapes_of(xs, ts)
            program = self.programs.inspection(x_shapes, t_shapes, training)
            arrays = [be.asarray(a, be.dtype) for a in (*xs, *ts)]
            step = self.streams.step if training else self.streams.inferences
            with contextlib.nullcontext() if training else self.streams.inference(step):
                values, gradients = program.record(be, arrays, step)
            return Trace(be, program, values, gradients, step, layer, labels(self), self.channels_first)

    def looked_at(self, where: str, x: Any, y: Any) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        """(images of every input, the losses' targets of every output, none without y).

        Of one image (H, W, C) or a batch, of targets as fit takes them or one class; of several inputs and outputs
        lists, or dicts by their names.  where: the caller, for messages.
        """
        arguments.text("looked_at: where", where)
        if isinstance(self.sample_in, list):
            given = per_input(f"{where}: x", x, self.input_names)
            x = Several(_batched(one, shape) for one, shape in zip(given, self.sample_in, strict=True))
        else:
            x = _batched(x, self.sample_in)
        x = check_x(self, x, f"{where}: x")
        return parts(x), () if y is None else _targets(self, y, len(x), where)

    def update_moving_averages(self) -> None:
        """All layers' moving averages take over what the latest training call has left."""
        self.backend.update_averages(self.moved())

    def penalties(self, walk: Callable = lambda: None) -> tuple[Any, list[Tensor]]:
        """What `walk` returns, which calls the layers; what regularizers add to the loss: of weights, of outputs."""
        active = [layer for layer in self.leaves if layer.adding]
        for layer in active:
            layer.activities = []
        try:
            y = walk()
            found = [penalty(one, p) for layer in self.leaves for p, one in layer.penalties()]
            return y, found + [one for layer in active for one in layer.activities or ()]
        finally:
            for layer in active:
                layer.activities = None

    @property
    def losses(self) -> list[Tensor]:
        """What its layers add to a loss, with gradients: by the latest call by hand; the regularizers' of weights."""
        added = [one for layer in self.leaves for one in layer.added]
        return added + [penalty(one, p) for layer in self.leaves for p, one in layer.penalties()]

    @property
    def penalised(self) -> bool:
        """Whether anything is added to the loss."""
        return any(layer.adding or layer.penalties() for layer in self.leaves)

    def commit(self) -> None:
        """End a step: moving averages move, the next one draws other random numbers."""
        self.update_moving_averages()
        for one in self._all_streams():
            one.step += 1

    def _all_streams(self) -> list[Streams]:
        """Its own, and those of models in it that had their weights before: a call by hand reads these."""
        others = [layer.streams for layer in self.leaves if type(layer.streams) is Streams]
        return list({id(one): one for one in [self.streams, *others]}.values())


def leaves(layers: Iterable[Any]) -> list[Layer]:
    """Layers that compute something, each once, in place of models their layers."""
    found: dict = {}
    for layer in layers:
        if not isinstance(layer, InputLayer):
            found |= dict.fromkeys(leaves(layer.operations) if isinstance(layer, LayerStack) else [layer])
    return list(found)


def _once(parameters) -> list[Parameter]:
    """Each parameter once: layers and models may be shared."""
    return list({id(p): p for p in parameters}.values())


def _call(layer: Any, step: Step, tensors: list[Tensor], call, training: bool, visits) -> Tensor:
    """One step of the walk, on a layer."""
    trace, visit = tracing(), visits[layer]
    visits[layer] += 1
    shape = tuple(one.shape[1:] for one in tensors) if step.listed else tensors[0].shape[1:]

    def listed(*tensors):
        before, layer.index = layer.index, layer.index | visit << VISIT
        try:
            return call(list(tensors) if step.listed else tensors[0], training=training)
        finally:
            layer.index = before

    if layer.adds and layer.activities is not None:
        return _adding(layer, step, tensors, training, shape)
    run = listed if visit or step.listed else partial(call, training=training)
    if trace is not None:
        y = trace.through(layer, run, tensors, (tensors[0].shape[0], *layer.shape_for(shape)))
    else:
        if shape != layer.sample_in:
            layer.follow(shape)
        before, layer.added = layer.added if visit else [], []
        y = run(*tensors)
        layer.added = [*before, *layer.added]
    if layer.activities is not None:
        out = layer.activation(y) if call == getattr(layer, "preactivation", None) else y
        layer.activities.append(penalty(layer.activity_regularizer, out) * (1.0 / out.shape[0]))
    elif layer.activity_regularizer is not None and trace is None:
        found = penalty(layer.activity_regularizer, y) * (1.0 / y.shape[0])
        if within.get() is not None:  # of a model that is a layer's part
            layer.gather_loss(found)
        else:
            layer.added.append(found)
    return y


def _adding(layer: Any, step: Step, tensors: list[Tensor], training: bool, shape) -> Tensor:
    """The call of a layer that adds to the loss: one node of both, y behind what is added, taken apart by ops."""
    whole = (tensors[0].shape[0], *layer.shape_for(shape))

    def both(*tensors):
        y, added = layer.call_and_add(list(tensors) if step.listed else tensors[0], training)
        return concatenate(reshape(added, shape=(1,)), reshape(y, shape=(-1,)), axis=0)

    trace = tracing()
    packed = both(*tensors) if trace is None else trace.through(layer, both, tensors, (1 + math.prod(whole),))
    layer.activities.append(reshape(packed[:1], shape=()))
    y = reshape(packed[1:], shape=whole)
    if layer.activity_regularizer is not None:
        layer.activities.append(penalty(layer.activity_regularizer, y) * (1.0 / whole[0]))
    return y


def penalty(regularizer: Callable, x: Tensor) -> Tensor:
    """regularizer(x): in a program op by op where it is ours, else one node on the tape."""
    trace, ours = tracing(), type(regularizer).__module__ == regularizers.__name__
    return regularizer(x) if trace is None or ours else trace.on_tape(regularizer, (x,), ())


def _batched(x, shape):
    """A batch of one from one image of this shape; its last axis of 1 may be missing, as in a batch."""
    found = np.shape(x) if hasattr(x, "ndim") else ()
    whole = bool(shape) and len(found) == len(shape) and all(n in (None, m) for n, m in zip(shape, found, strict=True))
    return x[None] if whole else x[None, ..., None] if found and (*found, 1) == shape else x


def shapes_of(xs: Sequence[Any], ts: Sequence[Any]) -> tuple:
    """Shapes of all inputs, and of all targets or None, as Programs.inspection takes them."""
    return tuple(one.shape for one in xs), tuple(one.shape for one in ts) or None


def _targets(model, y, n: int, where: str) -> tuple[np.ndarray, ...]:
    """The losses' targets for n images, from what fit takes or from one class number."""
    expected, fix = "a compiled model, whose loss is differentiated", 'call compile("adam", "categorical_crossentropy")'
    require(model.loss is not None, f"{where}: y", expected, "one without a loss", fix, error=NotBuiltError)
    if not isinstance(model.sample_out, list):
        return (_target(model, model.output_losses[0], model.sample_out, y, n, f"{where}: y"),)
    given = per_place(f"{where}: y", y, model.output_names, fill=True)
    every = zip(model.output_losses, model.sample_out, given, model.output_names, strict=True)
    return tuple(_target(model, loss, shape, one, n, f"{where}: y of {name}") for loss, shape, one, name in every)


def _target(model, loss, shape, y, n: int, where: str) -> np.ndarray:
    """Of one output."""
    if loss is None:
        return np.zeros((n, *shape), np.float32)  # nobody looks at it
    classes = shape[-1]
    if arguments.index(y) is not None:
        label = arguments.whole(where, y, low=0, high=max(classes - 1, 1))
        y = np.full(n, label)
        if classes > 1 and not isinstance(loss, losses.SparseCategoricalCrossentropy):
            y = np.eye(classes)[y]
    else:
        y = arguments.array(where, y)
        y = y[None] if n == 1 and y.shape == tuple(shape) else y
    check_lengths(where.partition(":")[0], x=range(n), y=y)
    found = lenient.prepare(loss, y, shape) if model.lenient else loss.prepare(y, shape)
    return check_range(found, "y", model.backend.dtype)


class _Printed:
    """What summary() returns, so that print(model.summary()) does not end with "None"."""

    def __str__(self):
        note("summary() prints the table itself; print(...) around it is not needed")
        return ""

    def __repr__(self):
        return ""

    def _ipython_display_(self):
        """Nothing: else a notebook shows an empty Out[]."""
