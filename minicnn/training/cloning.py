"""clone_model: a model of the same architecture with weights of its own."""

import copy
from collections.abc import Callable
from typing import Any

from .. import arguments
from ..errors import ArgumentError, ArgumentTypeError, require
from ..layers import Input, InputLayer, Layer
from ..layers.base import on_symbols
from ..saving.build import wired
from ..structure import flat
from .model import Model
from .sequential import Sequential
from .several import per_place
from .stack import LayerStack


def clone_model(model: Any, input_tensors: Any = None, clone_function: Callable | None = None, *,
                recursive: bool = False) -> Any:  # fmt: skip
    """The same layers, newly made and with new weights, in the same order or graph; compiled if the model is.

    input_tensors   symbols that take the place of its inputs, in a list, alone, or in a dict where the inputs are one;
                    they may come from other layers
    clone_function  layer -> the layer that stands in its place; None: a new one with the same arguments. It is asked
                    about every layer once, also where that is shared, about no input, and about models that are
                    layers as a whole, or, if `recursive`, about their layers instead
    Layers keep their names and `trainable`; initializers and functions are shared, weights are not, nor what the
    optimizer and the metrics hold.
    Raises ArgumentTypeError for another model or a clone_function that gives no layer.
    Differs from Keras: call_function is not there; a layer that is shared by a model and by a model in it stays shared.
    """
    require(isinstance(model, (Model, Sequential)), "clone_model: model", "a model", arguments.shown(model),
            error=ArgumentTypeError)  # fmt: skip
    arguments.function("clone_model: clone_function", clone_function, of="a layer", optional=True)
    recursive = arguments.flag("clone_model: recursive", recursive)
    names = getattr(model.input_names, "template", None)
    if isinstance(names, dict) and input_tensors is not None:
        expected = f"a dict by {', '.join(names)}, as the model's inputs are"
        ok, received = isinstance(input_tensors, dict), arguments.shown(input_tensors)
        require(ok, "clone_model: input_tensors", expected, received, error=ArgumentError)
        input_tensors = per_place("clone_model: input_tensors", input_tensors, model.input_names)
    inputs = None if input_tensors is None else on_symbols(input_tensors)
    expected, count = "symbols, as Input and layers called on it give", len(model.samples_in)
    require(inputs is None or len(inputs) == count, "clone_model: input_tensors", f"{count} {expected}",
            arguments.shown(input_tensors), error=ArgumentTypeError)  # fmt: skip
    return _Clone(clone_function, recursive).model(model, inputs)


class _Clone:
    """function: the caller's, or None;  made: layer -> its clone, in all models of one call."""

    def __init__(self, function: Callable | None, recursive: bool):
        self.function, self.recursive, self.made = function, recursive, {}

    def model(self, model: Any, inputs: tuple | None = None) -> Any:
        options = {"device": model.backend, "graph": model.graph, "nan_check": model.nan_check}
        cls = type(model) if type(model).__module__.startswith(__name__.partition(".")[0]) else \
            Sequential if isinstance(model, Sequential) else Model  # fmt: skip
        if not isinstance(model, Sequential):
            layers = [layer if inputs and isinstance(layer, InputLayer) else self.layer(layer)
                      for layer in model.operations]  # fmt: skip
            starts = inputs or [layers[n].symbol if n is not None else Input(shape) for n, shape in
                                zip(model.get_config()["inputs"], model.samples_in, strict=True)]  # fmt: skip
            clone: Any = wired(model.get_config(), layers, list(starts), cls, options, "clone_model")
        elif inputs and inputs[0].call.inputs:  # what another layer gives: a chain cannot begin so
            y = inputs[0]
            for layer in model.operations:
                y = flat(self.layer(layer)(y))[0]
            clone = Model(inputs[0], y, name=model.name, **options)
        else:
            clone = cls(name=model.name, **options)
            if model.sample_in is not None:
                clone.add(inputs[0] if inputs else Input(model.sample_in, name=_of_entry(model)))
            for layer in model.operations:
                clone.add(self.layer(layer))
        clone.named, clone._trainable = model.named, model._trainable
        if model.lenient:
            clone.lenient = True
        if model.compiled:
            _compile(clone, model)
        return clone

    def layer(self, layer: Any) -> Any:
        if layer not in self.made:
            self.made[layer] = self._layer(layer)
        return self.made[layer]

    def _layer(self, layer: Any) -> Any:
        if isinstance(layer, InputLayer):
            new = InputLayer(layer.sample_in, layer.batch_size, name=layer.name)
            new.named = layer.named
            return new
        if isinstance(layer, LayerStack) and (self.recursive or self.function is None):
            return self.model(layer)
        if self.function is None:
            return _same(layer)
        new = self.function(layer)
        require(isinstance(new, (Layer, LayerStack)), "clone_model: clone_function", f"a layer for {layer.name}",
                arguments.shown(new), error=ArgumentTypeError)  # fmt: skip
        return new


def _compile(clone: Any, model: Any) -> None:
    """As `model` is: its losses, and an optimizer and metrics with the same arguments, which have seen nothing."""
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    optimizer.name = model.optimizer.name
    clone.compile(optimizer, model.loss)
    clone.metrics, clone.weighted_metrics = map(copy.deepcopy, (model.metrics, model.weighted_metrics))
    for metric in (*clone.metrics, *clone.weighted_metrics):
        metric.reset_state()
    clone._places = copy.deepcopy(model._places)


def _of_entry(model) -> str | None:
    return model._entry.name if model._entry is not None and model._entry.call.layer.named else None


def _same(layer: Any) -> Layer:
    """A new layer with the same arguments."""
    cls = type(layer)
    try:
        if cls.get_config is Layer.get_config:  # what files write down of functions is their names alone
            new = cls(**{key: getattr(layer, key) for key in layer.get_config()})
        else:
            new = cls.from_config(layer.get_config())
    except TypeError as cause:
        raise ArgumentTypeError(f"clone_model: {layer.name}: expected get_config to hold every argument of "
                                f"{cls.__name__}, received others ({cause})") from None  # fmt: skip
    new.named = layer.named
    return new
