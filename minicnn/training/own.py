"""keras.layers.Layer: a layer as Keras's users write one.

    class Linear(keras.layers.Layer):
        def __init__(self, units=32, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def build(self, input_shape):                       of a batch: (None, 784); a list of them for a list
            self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal")

        def call(self, inputs):                             with `training` or without
            return ops.matmul(inputs, self.w)

It is minicnn's Layer, which every other layer here is too, plus what such a class takes for granted: `build` is given a
batch's shape and returns nothing, weights may be made in the constructor, layers and models that are its attributes are
parts of it, whose weights are its weights.
"""

import copy
import functools
import inspect
import itertools
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .. import arguments, constraints, initializers, regularizers
from ..aliases import ConstraintLike, DTypeLike, InitializerLike, RegularizerLike
from ..backend.base import Backend
from ..backend.cpu import CPU
from ..backend.placeholder import Placeholder
from ..backend.streams import Streams
from ..core.symbol import Symbol
from ..core.tensor import Parameter, Tensor
from ..core.tensor_shape import TensorShape
from ..errors import ArgumentError, ArgumentTypeError, OrderError, UnsupportedError, require
from ..layers import InputLayer
from ..layers import Layer as _Layer
from ..layers.base import samples, within
from ..layers.open_sizes import closed, opened, probed
from ..naming import auto_name
from ..ops import arithmetic
from .stack import LayerStack, leaves

_CONFIG = ("name", "trainable", "dtype")
_HERE = __name__.partition(".")[0] + "."
# What the base class keeps about itself: a script's value would be lost, and a part there not train.
_STATE = (frozenset(vars(_Layer(name="state"))) | {"source"}) - {"name", "trainable", "_trainable", "built"}


class Within:
    """The random streams of a layer's part: the layer's own, whose step it counts, under another seed."""

    layer: "Layer"
    number: int
    step: int  # and all else that it does not say itself: the layer's
    epoch: int
    inferences: int
    row: int
    inference: Callable[..., Any]
    inferred: Callable[..., Any]

    def __init__(self, layer: "Layer", number: int):
        vars(self).update(layer=layer, number=number)

    @property
    def seed(self) -> int:
        """Of the layer's seed, its number and the part's."""
        words = [self.layer._own_streams.seed or 0, self.layer.index, self.number]
        return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])

    def key(self, purpose: int, index: int = 0, step: int | None = None) -> Any:
        """As Streams.key."""
        return self.layer._own_streams.key(purpose, index, step)._replace(seed=self.seed)

    def generator(self, index: int) -> np.random.Generator:
        """As Streams.generator."""
        return Streams(self.seed).generator(index)

    def __getattr__(self, name: str):
        if "layer" not in vars(self):  # of a copy that is under way
            raise AttributeError(name)
        return getattr(self.layer.streams, name)

    def __setattr__(self, name: str, value) -> None:
        setattr(self.layer.streams, name, value)


class Variable(Parameter):
    """keras.Variable: numbers that a program changes, and of a layer whose attribute it is a weight.

    initializer  the numbers, or the name of an initializer, one, or a function (shape, dtype), which need `shape`
    dtype        of whole numbers: they are held as the engine's floats
    constraint   what it is made to be after a step, as tf.Variable has it

    Differs from Keras: the float type is the engine's own, whatever dtype says.
    """

    __slots__ = ()

    @arguments.named
    def __init__(self, initializer: Any, shape: Any = None, dtype: DTypeLike = None, trainable: bool = True,
                 autocast: bool = True, aggregation: Any = None, synchronization: Any = None, name: str | None = None,
                 constraint: ConstraintLike = None):  # fmt: skip
        name = arguments.text("Variable: name", name, optional=True) or auto_name("Variable")
        if isinstance(initializer, str) or callable(initializer):
            expected = "a shape, as the first argument says how to make the numbers"
            require(shape is not None, "Variable: shape", expected, None, error=ArgumentTypeError)
            draw = Streams(random.getrandbits(63)).generator(0)
            found = initializers.get(initializer, "Variable: initializer") or initializers.Zeros()
            initializer = found(arguments.wholes("Variable: shape", shape, low=0), draw)
        be = CPU("numpy_ref", "float32")
        be.joins = True  # it goes to the device and float type of the model that it is put together with
        trainable, constraint = arguments.flag("Variable: trainable", trainable), constraints.get(
            constraint, "Variable: constraint")  # fmt: skip
        super().__init__(arguments.array("Variable: initializer", initializer), be, name, trainable)
        self._constraint = constraint


class _Any(type):
    """Every layer is a keras.layers.Layer, and so is every model."""

    def __instancecheck__(cls, instance) -> bool:
        return cls.__subclasscheck__(type(instance))

    def __subclasscheck__(cls, subclass) -> bool:
        return issubclass(subclass, (_Layer, LayerStack)) if cls is Layer else type.__subclasscheck__(cls, subclass)


class Layer(_Layer, metaclass=_Any):
    """What a class of a script's own derives from.

    Differs from Keras: a layer has one output; its call takes inputs and training, and no further argument, as `scale`
    or `mask`; `call` may need `training`, which it is always given; masks are not
    there; a .keras file holds the weights of a layer's parts behind its own, where minicnn finds them and Keras does
    not.
    """

    supports_masking, portable = False, True

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        own = [one.__code__.co_names for one in vars(cls).values() if inspect.isfunction(one)]
        if any("add_loss" in names for names in own):
            cls.adds = True
        if "call" in vars(cls):
            cls.call = _within_itself(cls.call)

    def __new__(cls, *args, **kwargs):
        made, signature = super().__new__(cls), inspect.signature(cls.__init__)
        try:
            bound = signature.bind(made, *args, **kwargs)
        except TypeError:  # of a copy, which brings its own; or the constructor itself will say it
            return made
        bound.apply_defaults()
        named = [n for n, p in signature.parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        vars(made)["_given"] = {name: bound.arguments[name] for name in named[1:]}
        return made

    def __init__(self, *, autocast: bool = True, **kwargs: Any):
        early = [name for name, one in self._held_by_attributes() if isinstance(one, Variable)]
        expected, fix = "super().__init__() before Variables are set", "call it first"
        where = f"{type(self).__name__}: {', '.join(early)}"
        require(not early, where, expected, "it after them", fix, error=OrderError)
        self._own_weights, self._attached, self._settled = [], False, False
        super().__init__(**kwargs)

    def __getattr__(self, name: str) -> Any:
        if (name == "name" or name in _STATE - {"source", "params"}) and name not in vars(self):
            raise OrderError(forgotten(type(self)))
        return super().__getattribute__(name)  # raises what it did

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _STATE and by_script():
            where, expected = f"{type(self).__name__}: {name}", "another name of the attribute"
            require(False, where, expected, "one that minicnn uses itself", f"call it {name}_", error=ArgumentError)
        super().__setattr__(name, value)

    @property
    def _own(self) -> list[Parameter]:
        """Weights of its own: of add_weight, and the Variables that are its attributes, or in lists and dicts, now."""
        there = {id(one): one for name, one in self._held_by_attributes() if isinstance(one, Variable)}
        kept = vars(self).setdefault("_own_weights", [])
        kept[:] = [p for p in kept if not isinstance(p, Variable) or id(p) in there]
        for one in there.values():
            if not any(one is p for p in kept):
                kept.append(one)
                one.requires_grad = one.trainable and vars(self).get("_trainable", True)
                one.path = f"{vars(self).get('name', type(self).__name__)}/{one.name}"
                if vars(self).get("_attached"):
                    one.data, one.be = self._home.asarray(one.numpy(), self._home.dtype), self._home
        return kept

    # its parts -------------------------------------------------------------------------------------------------------

    def _parts(self) -> list[tuple[str, Any]]:
        """(attribute, layer or model) of every part once: "dense", of a list "blocks.0"."""
        found: dict[int, tuple[str, Any]] = {}
        for name, one in self._held_by_attributes():
            if isinstance(one, (_Layer, LayerStack)):
                found.setdefault(id(one), (name, one))
        return list(found.values())

    def _held_by_attributes(self) -> Iterator[tuple[str, Any]]:
        """(name, value) of every attribute, and of what stands in lists, tuples and dicts: "blocks.0"."""
        for name, value in list(vars(self).items()):
            if name not in ("calls", "source", "params", "_own_weights", "streams", "_given"):
                yield from _each(name, value)

    def adopt(self, part: Any, input_shape: Any) -> None:
        """Build a part for samples of `input_shape`: on the same backend, with random streams of its own."""
        parts = [one for _, one in self._parts()]
        number = next((i for i, one in enumerate(parts) if one is part), len(parts))
        if isinstance(part, _Layer):
            part.source = self.source
        part.attach(self._home, Within(self, number), 0, input_shape)
        if not self.trainable:
            part.trainable = False
        self._ask_parts()
        self._name_weights()

    def _name_weights(self) -> None:
        """Names in files: "layer/attribute.weight", which do not depend on what else the process has built."""
        for attribute, part in self._parts():
            for p in part.weights:
                inner = p.path if isinstance(part, LayerStack) else p.path.rpartition("/")[2]
                own = f"{self.name}/{attribute}."
                p.path = p.path if p.path.startswith(own) else own + inner.replace("/", ".")

    @property
    def params(self) -> list[Parameter]:
        """All weights, those of its parts behind its own."""
        return _once(itertools.chain(self._own, *(part.params for _, part in self._parts())))

    @params.setter
    def params(self, value: Any) -> None:
        self._own_weights = list(value)

    @property
    def weights(self) -> list[Parameter]:
        own = sorted(self._own, key=lambda p: not p.trainable)
        return _once(itertools.chain(own, *(part.weights for _, part in self._parts())))

    @property
    def trainable_weights(self) -> list[Parameter]:
        if not self.trainable:
            return []
        own = [p for p in self._own if p.trainable]
        return _once(itertools.chain(own, *(part.trainable_weights for _, part in self._parts())))

    @_Layer.trainable.setter
    def trainable(self, value: bool) -> None:
        _Layer.trainable.__set__(self, value)
        for _, part in self._parts():
            part.trainable = value

    def moved(self) -> list[tuple]:
        return [one for _, part in self._parts() for one in part.moved()]

    def penalties(self) -> list[tuple[Parameter, Callable]]:
        """(weight, regularizer) of every trainable weight that has one, those of its parts too."""
        return self._held(0, "penalties")

    def restraints(self) -> list[tuple[Parameter, Callable]]:
        """(weight, constraint) of every trainable weight that has one, those of its parts too."""
        return self._held(1, "restraints")

    def _held(self, which: int, name: str) -> list:
        rules = [(p, self._rules.get(id(p), (None, p._constraint))[which]) for p in self._own if p.requires_grad]
        own = [(p, rule) for p, rule in rules if rule is not None]
        return own + [found for layer in self._leaves() for found in getattr(layer, name)()]

    def _leaves(self) -> list[_Layer]:
        """Its parts, in place of models their layers."""
        return leaves([part for _, part in self._parts()])

    def _ask_parts(self) -> None:
        """What a part adds to the loss, the layer adds."""
        self.adds = self.adds or any(layer.adding for layer in self._leaves())

    @property
    def _rules(self) -> dict:
        return vars(self).setdefault("_rules_of", {})

    # building --------------------------------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether its weights are there. That `build` sets it changes nothing."""
        return self._attached

    @built.setter
    def built(self, value: bool) -> None:
        self._attached = self._attached and bool(value)

    def build(self, input_shape: Any) -> None:
        """Make weights for batches of `input_shape`, (None, H, W, C); to be overridden."""

    def attach(self, be: Backend, streams: Any, index: int, input_shape: Any) -> Any:
        """Make the weights, of its parts too, on a backend."""
        shape = tuple(input_shape)
        self._take(be)
        self.be, self.streams, self.index = be, streams, index
        source, placeholder = self.source, isinstance(be, Placeholder)
        if not placeholder:
            self.source = None  # the file's weights take their places below, in the order of `weights`
        if not placeholder:
            self._join(be)
        token = within.set((self, False, self))
        self.attaching = True
        try:
            if not self._settled:
                self.build(_batch(shape))
            self._settled = True
            self.sample_out = closed(self._shapes(opened(shape)))
        finally:
            self.attaching = False
            within.reset(token)
            self.source = source
        self._ask_parts()
        self._name_weights()
        if source is not None and not placeholder:
            for p in self.weights:
                values = source(p.name, p.shape)
                if values is not None:
                    p.assign(values)
        self.sample_in, self._attached, self.added = shape, True, []
        return self.sample_out

    def _take(self, be) -> None:
        """Weights that the constructor made go to the backend of the model."""
        for p in self._own:
            p.data, p.be = be.asarray(p.numpy() if p.be is not be else p.data, be.dtype), be

    def move(self, be: Backend, streams: Any, index: int, input_shape: Any) -> None:
        super().move(be, streams, index, input_shape)
        self._join(be)

    def _join(self, be) -> None:
        """Parts that are built already: on the layer's backend, and with its random streams, which count its steps."""
        for number, (_, part) in enumerate(self._parts()):
            if not part.built:
                continue
            streams = Within(self, number)
            if isinstance(part, LayerStack):
                for leaf in part.leaves:
                    leaf.move(be, streams, leaf.index, leaf.sample_in or ())
                part.backend, part.streams = be, streams
            else:
                part.move(be, streams, 0, part.sample_in)

    def _shapes(self, shape):
        """The shape of one output sample. A call that computes nothing builds the parts, too."""
        told = type(self).compute_output_shape is not Layer.compute_output_shape
        held, added = [(p, p.data.copy()) for p in self._own if not p.trainable], self.added
        token, self.added = within.set((self, False, self)), []  # what this call adds goes nowhere
        try:
            if not told or any(not part.built for _, part in self._parts()):
                found = probed(self._shape_of_call, shape)
        finally:
            within.reset(token)
            self.added = added
            for p, values in held:
                p.data[...] = values
        return self._told(shape) if told else found

    def _shape_of_call(self, input_shape):
        """As the call says; where it needs numbers, or asks for more than shapes, as compute_output_spec does."""
        try:
            return super()._shape_of_call(input_shape)
        except Exception:
            spec = getattr(self, "compute_output_spec", None)
            if spec is None:
                raise
            several = bool(input_shape) and isinstance(input_shape[0], tuple)
            given = [InputLayer(one, name="inputs").symbol for one in (input_shape if several else [input_shape])]
            try:
                found = spec(given if several else given[0])
            except NotImplementedError:
                found = None
            if not isinstance(found, Symbol):
                raise
            return found.sample

    def _told(self, shape):
        found = self.compute_output_shape(_batch(closed_all(shape)))
        return opened(samples(f"{self.name}: compute_output_shape", tuple(found))[0])

    def follow(self, input_shape: Any) -> Any:
        return self._shapes(input_shape)

    def shape_for(self, input_shape: Any) -> Any:
        """The shape of one output sample; a layer without weights stays without."""
        if self.built or type(self).compute_output_shape is not Layer.compute_output_shape:
            same = self.built and input_shape == self.sample_in
            return self.sample_out if same else closed(self.follow(opened(input_shape)) if self.built else
                                                         self._told(opened(input_shape)))  # fmt: skip
        tried, be = copy.deepcopy(self, self._kept({})), Placeholder()
        tried.source = lambda name, shape: be.xp.zeros(shape, be.dtype)  # which `call` may write to
        return tried.attach(be, Streams(0), 0, input_shape)

    def _kept(self, memo: dict) -> dict:
        """What a copy of the layer does not copy: graphs that it is in, and backends."""
        for layer in (self, *(part for _, part in self._parts())):
            memo[id(layer.calls)] = []
            if layer is not self and hasattr(layer, "_kept"):  # one of these: every layer is an instance of Layer
                layer._kept(memo)
        for p in self.params:
            memo[id(p.be)] = p.be
        return memo

    def add_weight(self, name: str | None = None, shape: Any = (), initializer: InitializerLike = None,
                   dtype: DTypeLike = None, trainable: bool = True, *args: Any, regularizer: RegularizerLike = None,
                   constraint: ConstraintLike = None, autocast: bool = True, aggregation: Any = None,
                   **others: Any) -> Parameter:  # fmt: skip
        """A new weight, in the constructor or in `build`.  Keras 3's order of arguments too: shape first."""
        where = f"{self.name}: add_weight"
        if name is not None and not isinstance(name, str):  # (shape, initializer, dtype, trainable)
            name, shape, initializer = None, name, initializer if shape == () else shape
        arguments.float_type(where, dtype)
        name = name or ("variable" if not self._own else f"variable_{len(self._own)}")
        shape = (shape,) if arguments.index(shape) is not None else tuple(shape or ())
        if self.be is None:
            self.be, self.streams = CPU("numpy_ref", "float32"), Streams(random.getrandbits(63))
        p = self._weight(name, shape, initializer, arguments.flag(f"{where}: trainable", trainable), len(self._own))
        both = (regularizers.get(regularizer, f"{where}: regularizer"),
                constraints.get(constraint, f"{where}: constraint"))  # fmt: skip
        if both != (None, None):
            self._rules[id(p)] = both
        p._constraint, p.of_layer = both[1], True
        self._own.append(p)
        return p

    add_variable = add_weight

    def add_loss(self, loss: Any, inputs: Any = None) -> None:
        """Add a number to the loss of the model, from within `call`.  inputs: Keras 2's word, which is not needed."""
        self.adds = True
        for one in loss if isinstance(loss, (list, tuple)) else [loss]:
            self.gather_loss(one if isinstance(one, Tensor) else Tensor(one, self.be))

    def add_metric(self, *args: Any, **options: Any) -> None:
        """Keras 2's, which Keras 3 lacks as well.  Raises UnsupportedError."""
        raise UnsupportedError(f"{self.name}: add_metric: minicnn has metrics of outputs: compile(metrics=[...]); what "
                               "is inside of a layer, an output of the model can show")  # fmt: skip

    def call_and_add(self, x: Any, training: bool) -> tuple[Tensor, Tensor]:
        """(y, the sum of what the call has added to the loss)."""
        call: Any = self.call  # which _within_itself has given a `training`
        y = call(x, training=training)
        return y, functools.reduce(lambda a, b: a + b, map(arithmetic.total, self.added), Tensor(0.0, y.be))

    # calls -----------------------------------------------------------------------------------------------------------

    def __call__(self, *inputs: Any, training: bool | None = None, mask: Any = None, **others: Any) -> Any:
        inputs = (others.pop("inputs"),) if not inputs and "inputs" in others else inputs
        inputs, training = self._taken(inputs, training, others)
        x = inputs[0] if len(inputs) == 1 else list(inputs)
        return super().__call__(x, training=training, mask=mask)

    def _taken(self, inputs: tuple, training: bool | None, others: dict) -> tuple[tuple, bool | None]:
        """(the inputs, training), which may be given by its place; further arguments are refused."""
        where = f"{self.name}: call"
        fix = "an input has no default: call(self, x, y); else set an attribute before, self.scale = 0.5"
        require(not others, where, "inputs and training", ", ".join(others), fix, error=ArgumentTypeError)
        if len(inputs) < 2:
            return inputs, training
        takes = [one for one in inspect.signature(self.call).parameters.values() if one.kind is not one.VAR_KEYWORD]
        names = [one.name for one in takes]
        at = names.index("training") if "training" in names else len(inputs)
        if at < len(inputs) and (inputs[at] is None or isinstance(inputs[at], (bool, np.bool_))):
            inputs, training = inputs[:at] + inputs[at + 1 :], inputs[at]
        needed = [one for one in takes if one.default is one.empty and one.name != "training"]
        several = len(needed) > 1 or any(one.kind is one.VAR_POSITIONAL for one in takes)
        odd = [arguments.shown(one) for one in inputs[1:] if not several or one is None or isinstance(one, str)]
        require(not odd, where, "inputs and training", f"further arguments: {', '.join(odd)}", fix,
                error=ArgumentTypeError)  # fmt: skip
        return inputs, training

    def call(self, inputs: Any) -> Any:
        """To be overridden."""
        raise NotImplementedError(f"{type(self).__name__}: write call(self, inputs)")

    # files -----------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict:
        """name and trainable; of a class that does not override this, what its constructor was given as well."""
        config = super().get_config()
        if type(self).get_config is not Layer.get_config:
            return config
        return vars(self).get("_given", {}) | config

    @classmethod
    def from_config(cls, config: dict) -> "Layer":
        """The layer that get_config described, also where the constructor takes no name."""
        takes = inspect.signature(cls.__init__).parameters
        if any(one.kind is one.VAR_KEYWORD for one in takes.values()):
            return cls(**config)
        made = cls(**{key: value for key, value in config.items() if key in takes or key not in _CONFIG})
        for key in ("name", "trainable"):
            if key in config and key not in takes and getattr(made, key) != config[key]:
                setattr(made, key, config[key])  # trainable reaches all parts, also one that its constructor froze
        return made


def forgotten(cls: type) -> str:
    """What is said where the base class's constructor has not run."""
    return f"{cls.__name__}: expected super().__init__() first, received none; call it"


def by_script() -> bool:
    """Whether the caller's caller, who sets an attribute, is a script and not minicnn."""
    return not sys._getframe(2).f_globals.get("__name__", "").startswith(_HERE)


def _each(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of it and of all that lists, tuples and dicts hold."""
    yield name, value
    inner = enumerate(value) if isinstance(value, (list, tuple)) else value.items() if isinstance(value, dict) else ()
    for key, one in inner:
        yield from _each(f"{name}.{key}", one)


def _once(weights: Iterable[Parameter]) -> list[Parameter]:
    return list({id(p): p for p in weights}.values())


def closed_all(shape: Any) -> Any:
    """closed, of one shape or of several."""
    return tuple(map(closed, shape)) if shape and isinstance(shape[0], tuple) else closed(shape)


def _batch(shape):
    """(None, H, W, C) of a sample's shape, a list of them of several."""
    several = shape and isinstance(shape[0], tuple)
    return [TensorShape((None, *one)) for one in shape] if several else TensorShape((None, *shape))


def _within_itself(call):
    """`call`, inside of which the layer's parts train as it does and leave its step to it."""
    parameters = list(inspect.signature(call).parameters.values())[1:]
    wants = any(p.name == "training" for p in parameters)
    needed = [p for p in parameters if p.name not in ("training", "mask") and p.default is p.empty
              and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]  # fmt: skip

    @functools.wraps(call)
    def run(self, *args, training=None, **kwargs):
        outer = within.get()
        training = bool(outer is not None and outer[1]) if training is None else training
        if len(needed) > 1 and len(args) == 1 and isinstance(args[0], (list, tuple)):
            args = tuple(args[0])
        if outer is None:
            self.added = []
        token = within.set((self, training, self if outer is None else outer[2]))
        try:
            return call(self, *args, **kwargs, **({"training": training} if wants else {}))
        finally:
            within.reset(token)

    return run
