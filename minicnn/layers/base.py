"""Layer: `build(shape)` makes weights and returns the output shape, `call(x)` computes with ops."""

import contextvars
import copy
import functools
import inspect
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from .. import arguments, constraints, custom, initializers, regularizers
from ..aliases import ArrayLike, InitializerLike
from ..attributes import Guarded
from ..backend.base import Backend
from ..backend.cpu import CPU
from ..backend.placeholder import Placeholder
from ..backend.streams import Draws, Streams
from ..core.program import Trace
from ..core.symbol import Call, Symbol
from ..core.tensor import Parameter, Tensor, no_grad
from ..errors import ArgumentError, ArgumentTypeError, NotBuiltError, UnsupportedError, WeightsError, one_of, require
from ..naming import auto_name, snake_case
from ..notes import note
from ..ops import activation as activations
from . import keras1
from .open_sizes import closed, is_open, opened, probed

Shape = tuple[int, ...]  # without the batch axis

ROWS = 3  # of a batch that shapes are tried with: a number that hardly any other axis has
OWN = {"call", "preactivation", "key", "op"}  # what an instance may have of its own, and then is not as its class

# The layer made of layers (own.py) whose `call` or `build` is under way, whether it trains, and the outermost one of
# those around it, which gathers what they all add to the loss.
within: contextvars.ContextVar[tuple[Any, bool, Any] | None] = contextvars.ContextVar("within", default=None)

_HERE = __name__.rpartition(".")[0]
_CONSTRUCTOR = "give it to the constructor of a new layer"
_MISSING = "it does not exist here; write a layer of your own"


def of_batch(shape: Any) -> Any:
    """The shape of one sample, or a list of them, as Keras says it: (28, 28, 1) is (None, 28, 28, 1)."""
    if shape is None:
        return None
    several = isinstance(shape, list) or (shape and isinstance(shape[0], tuple))
    return [(None, *one) for one in shape] if several else (None, *shape)


def lacking(what: str) -> Callable:
    """A method of Keras's layers that minicnn has nothing for."""

    def method(self, *args, **kwargs):
        """Not there: raises UnsupportedError."""
        raise UnsupportedError(f"{self.name}: minicnn has no {what}")

    return method


class _OfBatch:
    """An attribute's of_batch.  No property: a layer of somebody's own may set the name."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, layer, owner=None):
        return self if layer is None else of_batch(getattr(layer, self.name))


def _askable(build: Callable) -> Callable:
    """`build`, which a script may call itself, with a batch's shape: (None, H, W, C), as a model's."""

    @functools.wraps(build)
    def asked(self, input_shape):
        if self.attaching:
            return build(self, input_shape)
        if not self.built:
            self.stand_alone(None, samples(f"{self.name}: build: input_shape", input_shape)[0])

    return asked
class _Type:
    """The name of the type that a layer computes in.  No property, as _OfBatch."""

    def __get__(self, layer, owner=None):
        return self if layer is None else "float32" if layer.be is None else layer.be.dtype.name


class Layer(arguments.Named, Guarded):
    """A step of a network, with weights or without.

    name         unique in a model; None counts up per class: conv2d, conv2d_1, ...
    trainable    False: backward computes no gradients for its weights (and batch norm uses its moving averages)
    input_shape  of one sample; on a first layer it makes the model build its weights while layers are added
                 (read, it is a batch's, as output_shape is: (None, 28, 28, 1); one sample's are sample_in, sample_out)
    activity_regularizer  of the outputs' sum over a batch is added to its loss, over the number of samples: "l2", a
                 regularizer or a function of a tensor; layers with weights take the same for each: kernel_regularizer,
                 and kernel_constraint, what the weight is made to be after every step
    Differs from Keras: get_config writes tuples as lists, as they are in files, and no dtype; called on symbols
    a layer has no weights before it is in a model, which refuses shapes that disagree.
    """

    config: tuple[str, ...] = ()  # constructor arguments that get_config writes down
    # Of those, what every call reads, so that it may be set at any time; the others are fixed once weights are made.
    settable = ("rate", "seed", "momentum", "epsilon", "negative_slope", "threshold", "max_value", "alpha", "algorithm",
                "activation")  # fmt: skip
    refused: ClassVar[dict[str, str]] = {
        "dtype": "the model's device decides it", "dtype_policy": "the model's device decides it",
        "input_shape": _CONSTRUCTOR, "output_shape": "the layer decides it",
        "data_format": _CONSTRUCTOR, "noise_shape": _CONSTRUCTOR,
        "weights": "use set_weights", "trainable_weights": "set trainable", "non_trainable_weights": "set trainable",
    } | {f"{what}_{how}": _MISSING for how in ("regularizer", "constraint") for what in (
         "kernel", "bias", "gamma", "beta", "alpha", "depthwise", "pointwise")}  # fmt: skip
    # Arguments of Keras's that minicnn has nothing for -> what it lacks; None and False are let through.
    lacks: ClassVar[dict[str, str]] = {
        "lora_rank": "low-rank adaptation (LoRA)", "lora_alpha": "low-rank adaptation (LoRA)",
        "quantization_config": "quantization",
    }  # fmt: skip
    # Weights that may have a regularizer and a constraint: what their arguments begin with -> the weight's attribute.
    bound: ClassVar[dict[str, str]] = {}
    activity_regularizer: Callable | None = None
    portable: ClassVar[bool] = False  # a class of one's own that is written as for Keras, and may go to its files
    adds = False  # its `call` adds to the loss
    unasked = False  # whether a call by hand trains where nobody says it
    # Whether its outputs have to be seen for what the loss gets.
    adding = property(lambda self: self.adds or self.activity_regularizer is not None)
    activities: list | None = None  # what activity_regularizer made of the outputs since somebody began to ask
    # The snake-case class name, as used in default layer names and Keras files.
    kind = property(lambda self: snake_case(type(self).__name__))
    # Does `call` nothing but call ops, the same ones whatever the numbers are? None: of our own classes yes, else no.
    traceable: bool | None = None
    input_shape, output_shape = _OfBatch("sample_in"), _OfBatch("sample_out")
    dtype = compute_dtype = variable_dtype = _Type()
    # Where a model that is loaded takes its weights from: (name, shape) -> values, or None for initial ones.
    source: Callable[[str, Shape], object] | None = None

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if "__init__" in vars(cls) and cls.__module__.startswith(_HERE):
            cls.__init__ = keras1.understood(cls.__init__, cls._bounds())
        if "build" in vars(cls):
            cls.build = _askable(cls.build)
        if "call" in vars(cls) and not cls.__module__.startswith(_HERE):
            cls.call = _lenient(cls.call)

    def __init__(self, *, name: str | None = None, trainable: bool = True,
                 input_shape: Sequence[int | None] | None = None, **unknown: Any):  # fmt: skip
        kind = type(self).__name__
        for old in set(unknown) & {"dtype", "input_dim", "batch_input_shape"}:
            value = unknown.pop(old)
            if old == "dtype":
                check_dtype(kind, value)
            elif old == "batch_input_shape" and value is not None:
                whole = arguments.items(value)
                where, expected = f"{kind}: batch_input_shape", "a tuple (None, H, W, C)"
                if not whole:
                    require(False, where, expected, arguments.shown(value), error=ArgumentTypeError)
                input_shape = tuple(whole[1:])
            elif value is not None:
                input_shape = (arguments.whole(f"{kind}: input_dim", value),)
        for key in self._bounds():
            if key in unknown:
                self._bind(key, unknown.pop(key))
        self._refuse_lacking(unknown)
        if unknown:
            names = ", ".join(map(repr, unknown))
            raise ArgumentTypeError(f"{kind}: expected arguments of the layer, received {names}")
        arguments.text(f"{kind}: name", name, optional=True)
        ok = name is None or "/" not in name  # which divides layer and weight in files
        require(ok, f"{kind}: name", "a name without /", repr(name), error=ArgumentError)
        self.name = name or auto_name(kind)
        self.named = name is not None
        where = f"{kind}: input_shape"
        self.sample_in: tuple[Any, ...] | None = None if input_shape is None else arguments.sizes(where, input_shape)
        self.sample_out: Shape | None = None
        self.built = self.attaching = False
        self.alone = False  # built, and in no model: the first one takes its weights over to its own backend
        self.added: list[Tensor] = []  # to the loss, by the latest call
        self.params: list[Parameter] = []
        self.trainable = trainable
        self.be: Backend | None = None
        self.streams: Draws | None = None
        self.index = 0
        self.calls: list[Call] = []  # on symbols

    def __setattr__(self, name: str, value) -> None:
        if not type(self).__module__.startswith(_HERE):  # a layer of yours calls its attributes what it likes
            object.__setattr__(self, name, value)
            return
        if name.endswith(("_regularizer", "_constraint")) and name in self._bounds():
            self._bind(name, value)
            return
        held = vars(self)
        if held.get("built"):
            where, now = f"{type(self).__name__}: {name}", held.get(name)
            if name in self.config and name not in self.settable and now != value:
                expected = "no change once the weights are made"
                require(False, where, expected, repr(value), _CONSTRUCTOR, error=ArgumentError)
            if isinstance(now, Tensor) and not isinstance(value, Tensor):
                fix = f"use layer.{name}.assign(values), or set_weights"
                require(False, where, "the layer's own weight", type(value).__name__, fix, error=ArgumentTypeError)
        super().__setattr__(name, get_activation(type(self).__name__, value) if name == "activation" else value)

    @classmethod
    def _refuse_lacking(cls, unknown: dict) -> None:
        """Take what minicnn has nothing for out of `unknown`."""
        for key in [key for key in unknown if key in cls.lacks]:
            value = unknown.pop(key)
            if value is not None and value is not False:
                raise UnsupportedError(f"{cls.__name__}: minicnn has no {cls.lacks[key]}: expected {key}=None, "
                                       f"received {arguments.shown(value)}")  # fmt: skip

    # regularizers and constraints ------------------------------------------------------------------------------------

    @classmethod
    def _bounds(cls) -> list[str]:
        """The arguments of this kind that the layer takes."""
        own = [f"{what}_{how}" for what in cls.bound for how in ("regularizer", "constraint")]
        return ["activity_regularizer", *own]

    def _bind(self, key: str, value) -> None:
        home = constraints if key.endswith("_constraint") else regularizers
        value = home.get(value, f"{type(self).__name__}: {key}")
        vars(self).pop(key, None)
        if value is not None:
            vars(self)[key] = value
        if home is constraints and vars(self).get("built"):
            self._tell_weights()

    def _tell_weights(self) -> None:
        """The constraints to the weights themselves: somebody may step by hand."""
        for what, at in self.bound.items():
            p = getattr(self, at, None)
            if isinstance(p, Parameter):
                p._constraint, p.of_layer = vars(self).get(f"{what}_constraint"), True

    def bounds(self) -> dict[str, Callable]:
        """Regularizers and constraints that are there, by their arguments' names."""
        return {key: vars(self)[key] for key in self._bounds() if key in vars(self)}

    def _each(self, how: str) -> list[tuple[Parameter, Callable]]:
        found = [(getattr(self, at, None), vars(self).get(f"{what}_{how}")) for what, at in self.bound.items()]
        return [(p, one) for p, one in found if p is not None and one is not None and p.requires_grad]

    def penalties(self) -> list[tuple[Parameter, Callable]]:
        """(weight, regularizer) of every trainable weight that has one."""
        return self._each("regularizer")

    def restraints(self) -> list[tuple[Parameter, Callable]]:
        """(weight, constraint) of every trainable weight that has one."""
        return self._each("constraint")

    quantize, quantized_build, quantized_call = map(lacking, ("quantization",) * 3)
    enable_lora = lacking("low-rank adaptation (LoRA)")

    def compute_mask(self, inputs: Any = None, previous_mask: Any = None) -> None:
        """None: there are no masks.  Raises UnsupportedError where one is given."""
        given = previous_mask if isinstance(previous_mask, (list, tuple)) else [previous_mask]
        if any(mask is not None for mask in given):
            raise UnsupportedError(f"{self.name}: minicnn has no masks: expected None")

    # to be overridden ------------------------------------------------------------------------------------------------

    @_askable
    def build(self, input_shape: Shape) -> Shape:
        """Make the weights for samples of `input_shape`; return the shape of one output sample."""
        return self.follow(input_shape)

    def follow(self, input_shape: Shape) -> Shape:
        """The shape of one output sample for samples of `input_shape`, of any size that the weights allow.

        Called for samples of another shape than the layer was built for.  Raises ShapeError for those it cannot take.
        """
        return input_shape

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        raise NotImplementedError

    def moved(self) -> list[tuple]:
        """(moving average, the latest training call's, momentum) of each, once: its loss is known to be good."""
        return []

    # given -----------------------------------------------------------------------------------------------------------

    @property
    def traced(self) -> bool:
        """Whether `call` may be written down once and run from then on as a list of ops: see core/program.py.

        True of our own layers with activations that are ops, and of a class that says `traceable = True` itself.
        """
        said, ours = vars(type(self)).get("traceable"), type(self).__module__.startswith(__name__.rpartition(".")[0])
        activation = getattr(self, "activation", activations.linear)
        pure = getattr(activation, "is_op", False) or getattr(activation, "traceable", False)
        return pure and not OWN & vars(self).keys() and (ours if said is None else said)

    def attach(self, be: Backend, streams: Draws, index: int, input_shape: Shape) -> Shape:
        """Place the layer on a backend as number `index` of a model and build it for samples of `input_shape`."""
        self.be, self.streams, self.index = be, streams, index
        self.params.clear()
        self.attaching, shape = True, opened(tuple(input_shape))
        try:
            found = self.build(shape)
        finally:
            self.attaching = False
        self.sample_out = made = closed(probed(self._shape_of_call, shape) if found is None else found)
        self.sample_in, self.built = tuple(input_shape), True
        self._tell_weights()
        return made

    @property
    def _home(self) -> Backend:
        """Its backend.  Raises NotBuiltError where it has none yet."""
        if self.be is None:
            raise self._homeless()
        return self.be

    @property
    def _own_streams(self) -> Draws:
        """The random streams that it draws from.  Raises NotBuiltError where it has none yet."""
        if self.streams is None:
            raise self._homeless()
        return self.streams

    def _homeless(self) -> NotBuiltError:
        fix = "call it, or add it to a model"
        return NotBuiltError(f"{self.name}: expected a layer that has a place, received one without; {fix}")

    def _shape_of_call(self, input_shape) -> Shape:
        """The shape of one output sample, by a call that computes nothing."""
        several = bool(input_shape) and isinstance(input_shape[0], tuple)
        with no_grad(), Trace(self.be, self.params) as trace:
            given = [trace.input((ROWS, *one)) for one in (input_shape if several else [input_shape])]
            x: Any = given if several else given[0]  # `call` knows what it is called on
            y = self.call(x, training=False)
        expected = f"a Tensor of as many samples as it is given, {ROWS}"
        received = f"one of shape {y.shape}" if isinstance(y, Tensor) else arguments.shown(y)
        ok = isinstance(y, Tensor) and y.shape[:1] == (ROWS,)
        require(ok, f"{self.name}: call", expected, received)
        return y.shape[1:]

    def stand_alone(self, be: Backend | None, input_shape: Any) -> None:
        """Build it outside of a model, or as part of the layer whose call this is."""
        outer = within.get()
        if outer is not None:
            outer[0].adopt(self, input_shape)
            return
        self.attach(CPU("numpy_ref", "float32") if be is None else be, Streams(), 0, input_shape)
        self.alone = True

    def move(self, be: Backend, streams: Draws, index: int, input_shape: Shape) -> None:
        """Go with all weights, where no model has them yet, to number `index` of a model for `input_shape`."""
        self.sample_out = self.shape_for(tuple(input_shape))
        for p in self.params:
            p.data, p.be = be.asarray(p.numpy(), be.dtype), be
        self.be, self.streams, self.index, self.alone = be, streams, index, False
        self.sample_in = tuple(input_shape)

    def __call__(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """On a Tensor or array, or a list of them, at once: a Tensor; on a Symbol, or a list, a Symbol for Model.

        training: None is False, and True of layers of augmentation, where no layer or model around them says it.
        mask: not there, None.
        """
        if mask is not None:
            raise UnsupportedError(f"{self.name}: minicnn has no masks: expected mask=None")
        return self._answer(inputs, training)

    def _answer(self, x, training):
        training = None if training is None else arguments.flag(f"{self.name}: training", training)
        symbols = on_symbols(x)
        if symbols:
            listed = isinstance(x, (list, tuple))
            shapes = tuple(one.sample for one in symbols)
            shape = self.shape_for(shapes if listed else shapes[0])
            self.calls.append(Call(self, symbols, [shape], listed, training))
            return self.calls[-1].outputs[0]
        several = isinstance(x, (list, tuple)) and len(x) and not all(isinstance(one, numbers.Number) for one in x)
        given = [self._tensor(one) for one in (x if several else [x])]
        x = given if several else given[0]
        shape = tuple(one.shape[1:] for one in given) if several else given[0].shape[1:]
        outer = within.get()
        if not self.built:
            self.stand_alone(given[0].be, shape)
        if shape != self.sample_in:
            self.follow(shape)
        if outer is not None:  # whose step it is
            return self._called(x, outer[1] if training is None else training)
        self.moved()  # of a call that nobody committed
        self.added = []
        training = self.unasked if training is None else training
        y = self._called(x, training)
        self._home.update_averages(self.moved())
        if self.alone and training:
            self._own_streams.step += 1  # the next call draws other numbers, as a model's next step does
        return y

    def _called(self, x, training: bool) -> Tensor:
        y = self.call(x, training=training)
        if self.activity_regularizer is not None:
            self.gather_loss(self.activity_regularizer(y) * (1.0 / y.shape[0]))
        return y

    def gather_loss(self, loss: Tensor) -> None:
        """A number to the loss: to what the outermost layer around it has added."""
        outer = within.get()
        home = self if outer is None else outer[2]
        if outer is not None:
            home.adds = True
        home.added.append(loss)

    @property
    def losses(self) -> list[Tensor]:
        """What it adds to a model's loss: by its latest call on numbers, and the regularizers' of its weights."""
        return [*self.added, *(regularizer(p) for p, regularizer in self.penalties())]

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The shape of a batch of outputs for a batch of inputs, (None, H, W, C), or a list of such shapes."""
        shape, rows = samples(f"{self.name}: compute_output_shape: input_shape", input_shape)
        return (rows, *self.shape_for(shape))

    def _tensor(self, x) -> Tensor:
        """x, an array on the layer's backend, or in float32 on the CPU before there is one."""
        if isinstance(x, Tensor):
            return x
        try:
            array = arguments.array("x", x)
        except ArgumentTypeError:
            array = None
        if array is None or array.ndim == 0 or not (array.size > 0 or hasattr(x, "shape")):
            expected = "a Tensor or an array of numbers"
            require(False, f"{self.name}: inputs", expected, arguments.shown(x), error=ArgumentTypeError)
        return Tensor(array, self.be) if self.be is not None else Tensor(array.astype("float32"))

    def shape_for(self, input_shape: Any) -> Shape:
        """The shape of one output sample for samples of `input_shape`; a layer without weights yet stays without."""
        if self.built:
            known = self.sample_out if input_shape == self.sample_in else None
            return closed(self.follow(opened(input_shape))) if known is None else known
        tried, be = copy.copy(self), Placeholder()
        tried.params = []
        tried.source = lambda name, shape: be.like(shape)
        return tried.attach(be, Streams(0), 0, input_shape)

    @property
    def output(self) -> Symbol:
        """What its first call in a model gives: Model(model.inputs, layer.output) computes it."""
        return self._first_call("output").outputs[0]

    @property
    def input(self) -> Any:
        """What its first call in a model was given: a Symbol, or a list."""
        call = self._first_call("input")
        return list(call.inputs) if call.listed else call.inputs[0] if call.inputs else call.outputs[0]

    def _first_call(self, what: str) -> Call:
        fix = "add it to a model whose input has a shape, or call it on an Input"
        require(self.calls, f"{self.name}: {what}", "a layer of a model", "one that was never called", fix,
                error=NotBuiltError)  # fmt: skip
        return self.calls[0]

    def add_weight(self, name: str, shape: Shape, initializer: InitializerLike, *, trainable: bool = True) -> Parameter:
        """A new weight; its initial values depend on the model's seed, the layer's number and the weight's."""
        self.params.append(self._weight(name, shape, initializer, trainable, len(self.params)))
        return self.params[-1]

    def _weight(self, name: str, shape: Shape, initializer, trainable: bool, number: int) -> Parameter:
        fix = "give Input that size, or a layer such as GlobalAveragePooling2D before it"
        require(not is_open(shape), f"{self.name}: {name}", "a weight of known size", tuple(shape), fix)
        values = None if self.source is None else self.source(name, shape)
        if values is None:
            rng = self._own_streams.generator(self.index << 8 | number)
            values = (initializers.get(initializer) or initializers.GlorotUniform())(shape, rng)
        be = self._home
        param = Parameter(be.asarray(values, be.dtype), be, f"{self.name}/{name}", trainable)
        param.requires_grad = trainable and self.trainable
        return param

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = arguments.flag(f"{self.name}: trainable", value)
        for p in self.params:
            p.requires_grad = self._trainable and p.trainable

    @property
    def weights(self) -> list[Parameter]:
        """Trainable weights first, then the others: the order of get_weights and of files."""
        return sorted(self.params, key=lambda p: not p.trainable)

    @property
    def trainable_weights(self) -> list[Parameter]:
        return [p for p in self.params if p.trainable and self.trainable]

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        trainable = {id(p) for p in self.trainable_weights}
        return [p for p in self.weights if id(p) not in trainable]

    variables = property(lambda self: self.weights)
    trainable_variables = property(lambda self: self.trainable_weights)
    non_trainable_variables = property(lambda self: self.non_trainable_weights)

    def get_weights(self) -> list:
        """Copies of the weights as NumPy arrays."""
        return [p.numpy() for p in self.weights]

    def set_weights(self, values: Sequence[ArrayLike]) -> None:
        """Replace all weights: all shapes are checked before any weight changes."""
        assign_all(self.name, self.weights, values)

    def count_params(self) -> int:
        """How many numbers the weights hold."""
        return sum(p.data.size for p in self.params)

    def get_config(self) -> dict:
        """The constructor's arguments as plain values, for files."""
        common = {"name": self.name, "trainable": self.trainable}
        common |= {key: _plain(getattr(self, key)) for key in self.config}
        return common | {key: _plain(value) for key, value in self.bounds().items()}

    @classmethod
    def from_config(cls, config: dict) -> "Layer":
        """The layer that get_config described, without its weights."""
        arguments.instance(f"{cls.__name__}.from_config: config", config, dict, "a dict")
        return cls(**config)

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}: {self.sample_in} -> {self.sample_out}>"


def _lenient(call: Callable) -> Callable:
    """The `call` of a class of yours, which may do without `training`."""
    if any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in inspect.signature(call).parameters.values()):
        return call

    @functools.wraps(call)
    def without(self, *args, training=None, **kwargs):
        return call(self, *args, **kwargs)

    return without


def samples(where: str, input_shape: Any) -> tuple:
    """(the shape of a sample, how many a batch has or None) from a batch's shape, or of several from a list."""
    given = arguments.items(input_shape)
    if given and all(isinstance(one, (tuple, list)) for one in given):
        each = [samples(where, one) for one in given]
        return tuple(shape for shape, _ in each), next((rows for _, rows in each if rows is not None), None)
    expected = "the shape of a batch, as (None, H, W, C)"
    if not given:
        require(False, where, expected, arguments.shown(input_shape), error=ArgumentTypeError)
    found = [None if one is None else arguments.index(one) or 0 for one in given]
    ok = all(one is None or one > 0 for one in found)
    require(ok, where, expected, arguments.shown(input_shape), error=ArgumentTypeError)
    return tuple(found[1:]), found[0]


def assign_all(where: str, params: list[Parameter], values: Sequence[ArrayLike]) -> None:
    """Copy `values` into `params`, after checking that their number and every shape agree."""
    ok = isinstance(values, Iterable) and not isinstance(values, (str, bytes, Mapping))
    where, expected = f"{where}: values", f"{len(params)} weight arrays"
    if not ok:  # to show values takes 50 ms: only where they are refused
        require(False, where, expected, arguments.shown(values), error=ArgumentTypeError)
    values = list(values)
    fix = "" if params else "build the model first: give it an Input"
    require(len(values) == len(params), where, expected, len(values), fix, error=WeightsError)
    values = [value if isinstance(value, type(p.data)) else arguments.array(f"{where} of {p.path}", value)
              for p, value in zip(params, values, strict=True)]  # fmt: skip
    values = [_fitting(where, param, value) for param, value in zip(params, values, strict=True)]
    for param, value in zip(params, values, strict=True):
        require(value.shape == param.shape, f"{where} of {param.path}", f"weights of shape {param.shape}", value.shape,
                error=WeightsError)  # fmt: skip
    for param, value in zip(params, values, strict=True):
        param.assign(value)


def _fitting(where: str, param: Parameter, value):
    """`value` as an array of the parameter's backend, if none of its numbers becomes infinite there."""
    value = param.be.xp.asarray(value)
    if value.dtype.kind == "f" and value.dtype.itemsize > param.dtype.itemsize:
        xp = param.be.xp
        largest = float(xp.where(xp.isfinite(value), xp.abs(value), 0).max(initial=0))
        ok, expected = largest <= float(xp.finfo(param.dtype).max), f"numbers within {param.dtype.name}"
        require(ok, f"{where} of {param.path}", expected, f"up to {largest:.3g}", error=WeightsError)
    return param.be.asarray(value)


def on_symbols(x: Any) -> tuple[Symbol, ...]:
    """The symbols that x is or lists, () where it is something else.  An InputLayer stands for its own."""
    given = x if isinstance(x, (list, tuple)) else [x]
    found = tuple(getattr(one, "symbol", one) for one in given)
    return found if any(isinstance(one, Symbol) for one in found) else ()


def get_activation(where: str, identifier: Any) -> Callable[..., Any]:
    """An activation by name, None (linear), or any function of a tensor."""
    if identifier is None:
        return activations.linear
    identifier = custom.find(identifier) or identifier
    if callable(identifier) and not (isinstance(identifier, type) and not issubclass(identifier, Layer)):
        return identifier() if isinstance(identifier, type) else getattr(identifier, "plain", identifier)
    where = f"{where}: activation"
    expected = "a name, a function of a tensor, or None"
    return activations.BY_NAME[one_of(where, arguments.instance(where, identifier, str, expected), activations.BY_NAME)]


positive_int, positive_ints = arguments.whole, arguments.wholes
check_dtype = arguments.float_type


def pair(where: str, value: Any) -> tuple[int, int]:
    """(rows, columns) from one number for both, or two."""
    if isinstance(arguments.scalar(value), numbers.Number):
        both = arguments.whole(where, value)
        return both, both
    expected = "a whole number of at least 1, or two of them"
    high, wide = two(value) or (0, 0)
    require(high > 0 and wide > 0, where, expected, arguments.shown(value), error=ArgumentError)
    return high, wide


def two(value: Any) -> tuple[int, int] | None:
    """Two whole numbers, from a list of them; else None."""
    given = arguments.items(value) or []
    found = [number for number in map(arguments.index, given) if number is not None]
    return (found[0], found[1]) if len(found) == len(given) == 2 else None


def padding_name(where: str, value: Any, known: tuple[str, ...] = ("valid", "same")) -> str:
    """ "valid" or "same"; old notebooks' "Same" works with a note."""
    lower = value.lower() if isinstance(value, str) else value
    lower = arguments.choice(f"{where}: padding", lower, known)
    if lower != value:
        note(f'padding="{value}" is read as "{lower}"')
    return lower


def image_shape(where: str, shape: Shape) -> Shape:
    fix = "reshape the data, e.g. x.reshape(-1, 28, 28, 1)"
    require(len(shape) == 3, where, "images of shape (H, W, C)", shape, fix)
    return shape


def _plain(value):
    """Tuples, names and numbers as they are; initializers as name and arguments; functions by name."""
    if isinstance(value, initializers.Custom):
        value = value.function
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if callable(value):
        return getattr(value, "__name__", repr(value))
    return list(value) if isinstance(value, tuple) else value
