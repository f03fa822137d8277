"""A model whose forward pass is Python of a script's own: class Net(keras.Model) with `call`.

It is the graph of one layer, its body. The body's call is the model's, its parts are the layers that the model has as
attributes; weights, draws, averages and what is added to the loss are those of a layer of one's own (own.py). As the
shapes are those of the first batch, the graph is made when that comes, or by build.
"""

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..arguments import shown
from ..backend.base import Backend
from ..callbacks import History
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..errors import ArgumentError, ArgumentTypeError, NotYetError, OrderError, UnsupportedError, nearest, require
from ..layers import InputLayer
from ..layers import Layer as _Layer
from ..layers.base import on_symbols, samples
from ..structure import flat, packed, template_of
from . import own, stepped
from .model import Model
from .stack import LayerStack

LATER = frozenset({"_graph", "_templates", "_optimizer", "_loss", "_places", "_trainable", "seen"})  # set after _begin
# Of the names that the base class uses, what a script may set; `config` means nothing to a model whose call is code.
OPEN = frozenset({"metrics", "weighted_metrics", "stop_training", "name", "nan_check", "history"})
_ONE = "give several inputs as one, a list or a dict; set an attribute for what is no input"
_PLACES = frozenset({"guard", "backend", "streams", "operations", "programs", "sample_in"})
_EARLY = _PLACES | {"_optimizer", "_loss"}


class Body(own.Layer):
    """The one layer: held has the model's attributes that are layers, or lists and dicts of them."""

    def __init__(self, function: Callable, name: str, adds: bool):
        super().__init__(name=name)
        self.function, self.template, self.held = function, 0, {}
        self.adds = adds
        takes = inspect.signature(function).parameters
        self.asks = "training" in takes or any(one.kind is one.VAR_KEYWORD for one in takes.values())
        self.further = [name for name, one in [*takes.items()][1:] if one.default is one.empty and name != "training"
                        and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]  # fmt: skip

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The model's call, with inputs in the structure that they came in."""
        require(not self.further, f"{self.name}: call", "call(self, inputs, training)", ", ".join(self.further),
                _ONE, error=ArgumentTypeError)  # fmt: skip
        given = packed(self.template, inputs if isinstance(inputs, list) else [inputs])
        y = self.function(given, **({"training": training} if self.asks else {}))
        expected, fix = "a call with one output", "concatenate the outputs, or write the graph: Model(inputs, outputs)"
        require(isinstance(y, (Tensor, Symbol)), self.name, expected, _outputs(y), fix, error=ArgumentTypeError)
        return y

    def _parts(self):
        return [(name.removeprefix("held."), part) for name, part in super()._parts()]


def _outputs(y: Any) -> str:
    return f"{len(y)} outputs" if isinstance(y, (list, tuple, dict)) else f"a {type(y).__name__}"


def _part(value: Any) -> bool:
    return isinstance(value, (_Layer, LayerStack, own.Variable))


def _layered(value: Any) -> bool:
    """Whether an attribute may hold layers or Variables, now or later."""
    return _part(value) or isinstance(value, (list, tuple, dict))


class Subclassable(stepped.Stepped, Model):
    """Model(inputs, outputs); or, of a class with `call`, what its constructor and `call` make.

    Differs from Keras: a model with `call` of its own has one output, takes inputs and training and nothing else, is
    built for the shapes of the first batch, and goes into files by its weights alone; of steps of its own there are
    train_step and test_step, which run on the tape; fit then knows neither class_weight nor checkpoint nor
    BackupAndRestore.
    """

    hooks: ClassVar = tuple(one for one in LayerStack.hooks if one not in ("call", "train_step", "test_step"))
    _own_names: frozenset = frozenset()
    body: Body | None = None
    call: Callable[..., Any]  # of a class that is_code

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.is_code = hasattr(cls, "call")

    class_name = property(lambda self: type(self).__name__ if self.is_code else "Functional")

    def __init__(self, *args: Any, seed: int | None = None, device: str | Backend = "cpu", kernels: str = "auto",
                 threads: int | None = None, precision: str | None = None, graph: bool = True, nan_check: str = "epoch",
                 **options: Any):  # fmt: skip
        mine = {"seed": seed, "kernels": kernels, "threads": threads, "precision": precision, "graph": graph,
                "nan_check": nan_check}  # fmt: skip
        given = bool(args) or any(name in options for name in ("inputs", "outputs", "input", "output"))
        cls = type(self).__name__
        if not given and Subclassable not in type(self).__bases__:
            vars(self)["is_code"] = True  # without call: it holds parts, which the script calls one by one
        if not self.is_code:
            super().__init__(*args, device=None if device == "cpu" else device, **mine, **options)
            return
        expected = "either inputs and outputs, or call"
        require(not given, cls, expected, "both", "leave one of them out", error=ArgumentTypeError)
        name, trainable = options.pop("name", None), options.pop("trainable", True)
        options.pop("dtype", None)
        require(not options, cls, "name, trainable", ", ".join(options), error=ArgumentTypeError)
        early = [at for key, value in vars(self).items() for at, one in own._each(key, value) if _part(one)]
        require(not early, f"{cls}: {', '.join(early)}", "super().__init__() before layers are set", "it after them",
                "call it first", error=OrderError)  # fmt: skip
        from ..backend.select import select

        self._begin(name, seed, select(device, kernels, threads, precision), graph, nan_check)
        self._inputs, self._outputs, self._entries = (), (), []
        self._own_names = (frozenset(vars(self)) | set(dir(Model)) | LATER) - {"config"}
        code = [one.__code__.co_names for kind in type(self).__mro__[:-1] if kind not in Subclassable.__mro__
                for one in vars(kind).values() if inspect.isfunction(one)]  # fmt: skip
        self.body = Body(getattr(self, "call", self._no_call), self.name, any("add_loss" in names for names in code))
        if not trainable:
            self.trainable = False

    def _no_call(self, inputs):
        raise NotImplementedError(f"{type(self).__name__}: write call(self, inputs)")

    def __getattr__(self, name: str) -> Any:
        if name in _EARLY and name not in vars(self):
            raise OrderError(own.forgotten(type(self)))
        return super().__getattribute__(name)  # raises what it did: the sentence of a property, too

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "metrics" and stepped.says_metrics(self):
            return  # the class says which they are
        if self.body is None or name == "body":
            if name in _PLACES and name in vars(self) and own.by_script():
                self._check_name(name, value)
            super().__setattr__(name, value)
            return
        if name == "built":  # as scripts say in build; it is, once the weights are there
            return
        if name in self._own_names:
            if own.by_script():
                self._check_name(name, value)
            super().__setattr__(name, value)
            return
        super().__setattr__(name, value)
        if _layered(value):
            self.body.held[name] = value
        else:
            self.body.held.pop(name, None)

    def _check_name(self, name: str, value: Any) -> None:
        """Refuse what a script sets under a name of the base class: a part would not train, and a state be lost."""
        takes = name in OPEN or name in self.refused or name in self.without_effect
        takes = takes or name.startswith("__") or isinstance(getattr(type(self), name, None), property)  # has its say
        ok = takes and not any(map(_part, (one for _, one in own._each(name, value))))
        where, expected = f"{type(self).__name__}: {name}", "another name of the attribute"
        require(ok, where, expected, "one that minicnn uses itself", f"call it {name}_", error=ArgumentError)

    @property
    def _code(self) -> Body:
        """The body.  Raises OrderError before super().__init__()."""
        if self.body is None:
            raise OrderError(own.forgotten(type(self)))
        return self.body

    # building --------------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any = None) -> None:
        """Make all weights for batches of input_shape: (None, H, W, C), or a list, tuple or dict of such shapes."""
        if not self.is_code:
            super().build(input_shape)
            return
        if self.built:
            return
        where = f"{self.name}: build: input_shape"
        if not isinstance(input_shape, (list, tuple, Mapping)):
            samples(where, input_shape)  # which refuses it
        several = isinstance(input_shape, Mapping) or (isinstance(input_shape, (list, tuple)) and any(
            isinstance(one, (list, tuple)) for one in input_shape))  # fmt: skip
        names = sorted(input_shape) if isinstance(input_shape, Mapping) else [None] * len(input_shape or ())
        shapes = [input_shape[name] for name in names] if isinstance(input_shape, Mapping) else input_shape
        found = [samples(where, one)[0] for one in (shapes if several else [input_shape])]
        symbols = [InputLayer(shape, name=name).symbol for shape, name in zip(
            found, names if several else [None], strict=True)]  # fmt: skip
        if isinstance(input_shape, Mapping):
            structure: Any = dict(zip(names, symbols, strict=True))
        else:
            structure = type(input_shape)(symbols) if several else symbols[0]
        self._grow(structure, symbols)

    def _grow(self, structure, symbols) -> None:
        """The graph: inputs, the body, its output."""
        body = self._code
        body.template = template_of(structure)
        listed = len(symbols) > 1 or structure is not symbols[0]
        shapes = tuple(one.sample for one in symbols)
        before = [part for _, part in body._parts() if not part.built]
        try:
            self._attach(body, 0, shapes if listed else shapes[0])
            self._connect(structure, body(symbols if listed else symbols[0]))
        except Exception:
            for part in before:
                if isinstance(part, _Layer):
                    part.built = False  # half a network is none
            raise

    def ensure_built(self, x: Any) -> None:
        """Build for the shape of x where no shape has been given."""
        if not self.is_code or self.built:
            super().ensure_built(x)
            return
        with self.guard:
            self._meet(x)

    def _meet(self, x) -> None:
        """Build it for this batch."""
        if not self.is_code or self.built or x is None:
            return
        several = isinstance(x, Mapping) or (isinstance(x, (list, tuple)) and all(np.ndim(one) > 1 for one in flat(x)))
        if not several and not hasattr(x, "shape"):
            return  # batches: each comes by itself
        found = [(None, *np.shape(one)[1:]) for one in flat(x)]
        shape = packed(template_of(x), found) if several else found[0]
        self.build(shape)
        if not self.built:  # a build of the script's own that makes layers, and no more
            Subclassable.build(self, shape)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> History:
        if stepped.has_own(self, "train_step"):
            return stepped.fit(self, x, *args, **kwargs)
        self._meet(x)
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        if stepped.has_own(self, "test_step"):
            return stepped.evaluate(self, x, *args, **kwargs)
        self._meet(x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        self._meet(x)
        return super().predict(x, *args, **kwargs)

    def train_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: dict | None = None,
                       return_dict: bool = False) -> Any:  # fmt: skip
        if stepped.has_own(self, "train_step"):
            require(class_weight is None, "train_on_batch: class_weight", "None beside train_step", shown(class_weight),
                    error=ArgumentTypeError)  # fmt: skip
            return stepped.on_batch(self, "train_step", x, y, sample_weight, return_dict)
        self._meet(x)
        return super().train_on_batch(x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        if stepped.has_own(self, "test_step"):
            return stepped.on_batch(self, "test_step", x, y, sample_weight, return_dict)
        return super().test_on_batch(x, y, sample_weight, return_dict)

    def __call__(self, x: Any = None, training: bool | None = None, *more: Any, **options: Any) -> Any:
        x = options.pop("inputs", None) if x is None else x
        further = [*map(shown, more), *(name for name, value in options.items() if (name, value) != ("mask", None))]
        require(not further, f"{type(self).__name__}: call", "inputs and training", ", ".join(further), _ONE,
                error=ArgumentTypeError)  # fmt: skip
        if self.is_code and not self.built:
            symbols = on_symbols(flat(x)) if isinstance(x, (list, tuple, Mapping)) else on_symbols(x)
            if symbols:
                self.build(packed(template_of(x), [one.shape for one in symbols]))
            elif not isinstance(x, Tensor):
                self._meet(x)
        return super().__call__(x, training)

    # what a model is asked for ---------------------------------------------------------------------------------------

    @property
    def layers(self) -> list:
        """Of a model with a call of its own: the layers that it has as attributes."""
        return [part for _, part in self._code._parts()] if self.is_code else super().layers

    @property
    def shown(self) -> list:
        """The rows of its summary."""
        return self.layers if self.is_code else super().shown

    @property
    def inputs(self) -> list[Symbol]:
        """Symbols of its inputs."""
        self._check_place("inputs")
        return super().inputs

    @property
    def outputs(self) -> list[Symbol]:
        """Symbols of its outputs."""
        self._check_place("outputs")
        return super().outputs

    def _check_place(self, what: str) -> None:
        ok = not self.is_code or self.built
        fix = "call build((None, H, W, C))"
        require(ok, f"{self.name}: {what}", "a built model", "one without weights", fix, error=NotYetError)

    @property
    def weights(self) -> list:
        """All of them; before it is built, those of the parts that are."""
        return self._code.weights if self.is_code and not self.built else super().weights

    @property
    def trainable_weights(self) -> list:
        """Those that training changes."""
        return self._code.trainable_weights if self.is_code and not self.built else super().trainable_weights

    @property
    def non_trainable_weights(self) -> list:
        """All others."""
        return self._code.non_trainable_weights if self.is_code and not self.built else super().non_trainable_weights

    @property
    def sample_out(self) -> Any:
        """Of one sample; None before it is built."""
        return None if self.is_code and not self.built else super().sample_out

    @property
    def output_names(self) -> list[str]:
        """The name of its output."""
        return [self._code.name] if self.is_code else super().output_names

    @property
    def input_names(self) -> list[str]:
        """The names of its inputs; none before it is built."""
        return [] if self.is_code and not self.built else super().input_names

    @property
    def trainable(self) -> bool:
        """Whether any weight may be trained."""
        return super().trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        Model.trainable.__set__(self, value)
        if self.body is not None:
            self.body.trainable = value

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer by its name or its number."""
        if not self.is_code or index is not None:
            return super().get_layer(name, index)
        found = next((one for one in self.layers if one.name == name), None)
        names = [one.name for one in self.layers]
        fix = nearest(name, names) if isinstance(name, str) else ""
        require(found is not None, "get_layer: name", "one of " + ", ".join(names), shown(name), fix,
                error=ArgumentError)  # fmt: skip
        return found

    def add_loss(self, loss: Any) -> None:
        """Add a number to the loss, from within `call`."""
        if not self.is_code:
            raise UnsupportedError(f"{self.name}: add_loss: expected a model with call of its own, received a graph; "
                                   "put it into the call of a layer: class Penalty(keras.layers.Layer)")  # fmt: skip
        self._code.add_loss(loss)

    def add_weight(self, *args: Any, **options: Any) -> Any:
        """A new weight of a model with a call of its own."""
        expected, fix = "a model with call of its own", "write a layer: class Scale(keras.layers.Layer)"
        require(self.is_code, f"{self.name}: add_weight", expected, "a graph", fix, error=UnsupportedError)
        return self._code.add_weight(*args, **options)

    def get_config(self) -> dict:
        """The architecture; of a model with a call of its own there is none but its class."""
        self._check_files()
        return super().get_config()

    def check_savable(self, path: str | os.PathLike) -> dict:
        """The document that save(path) would write."""
        self._check_files()
        return super().check_savable(path)

    def _check_files(self) -> None:
        fix = 'save_weights("name.weights.h5"), and load_weights of a new one after its first batch'
        require(not self.is_code, type(self).__name__, "a model that is a graph of layers", "one whose call is code",
                fix, error=UnsupportedError)  # fmt: skip
