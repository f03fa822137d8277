"""Models from their configs, with weights of a file or new ones. Sizes are checked before memory is taken."""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from ..backend.placeholder import Placeholder
from ..backend.select import select
from ..errors import DataError, MinicnnError, WeightsError, require
from ..layers import Input, InputLayer, Layer
from ..structure import flat, from_file, packed
from .deserialize import Deserializer
from .serialize import MODELS, is_model

LAYER_LIMIT = 1_000
WEIGHT_LIMIT = 2**28  # numbers that a model without a weights file may ask for: 1 GB as float32


class Place(NamedTuple):
    """Where a layer stands in files: path in ours, "model/layer"; group in Keras's, "functional/layers/conv2d_1"."""

    path: str
    group: str


def build(config: Any, deserializer: Deserializer, source: Any = None, *, dtype: Any = None, cls: Any = None,
          **options: Any) -> Any:  # fmt: skip
    """A model from its config.  source(place, layer, name, shape, dtype) -> the values of a weight; None: new ones.

    dtype  the weights' float type, which the device must share
    """
    where = deserializer.where
    deserializer.check_custom(config)
    config = description(config, where)
    name, shape = config.get("name"), config.get("input_shape")
    require(isinstance(name, str), where, "a model's name", f"{name!r:.80}", error=DataError)
    entries = listed(config.get("layers"), where, f"a list of at most {LAYER_LIMIT} layers", LAYER_LIMIT)
    if "steps" in config:
        return _graph(config, deserializer, source, dtype, cls or MODELS["Functional"], options)
    chain = MODELS["Sequential"]
    model = (cls or chain)(name=name, **options)
    here = model.backend.dtype.name
    fix = 'give load_model device=CPU("numpy_ref", "float64") of minicnn.backend.cpu' if dtype == "float64" else ""
    require(dtype in (None, here), where, f"weights of type {here}", f"{dtype!r:.20}", fix, error=WeightsError)
    if source is None:  # shapes first: what asks for too much is refused before the first weight is made
        ours = itertools.takewhile(lambda entry: not (isinstance(entry, dict) and entry.get("custom")), entries)
        counted = chain(name=name, device=Placeholder())
        _add(counted, shape, list(ours), deserializer, WeightBudget(where, placeholders=True))
    _add(model, shape, entries, deserializer, source or WeightBudget(where))
    return model


def _graph(config, deserializer: Deserializer, source, dtype, cls, options):
    """A Model from its config, whose steps are those of graph.py."""
    where = deserializer.where
    be = select(options.get("device", "cpu"), options.get("kernels", "auto"), options.get("threads"),
                options.get("precision"))  # fmt: skip
    require(dtype in (None, be.dtype.name), where, f"weights of type {be.dtype.name}", f"{dtype!r:.20}",
            error=WeightsError)  # fmt: skip
    budget = source or WeightBudget(where)
    if source is None and not any(description(one, where).get("custom") for one in config["layers"]):
        counted = WeightBudget(where, placeholders=True)  # shapes first, as for a chain
        _made(config, deserializer, counted, "", "", cls, {"device": Placeholder()})
    return _made(config, deserializer, budget, "", "", cls, options | {"device": be, "kernels": "auto"})


def _made(config, deserializer: Deserializer, source, path: str, group: str, cls, options):
    """A model and all models in it.  path, group: of the model that it is in, for `Place`."""
    where, made = deserializer.where, []
    try:
        entries = config["layers"]
        for number, entry in enumerate(entries, 1):
            made.append(_part(number, entry, deserializer, source, path, group, made, options))
        if "steps" not in config:
            model = cls(name=config["name"], **options)
            if config["input_shape"] is not None:
                model.add(Input(tuple(config["input_shape"])))
            for layer in made:
                model.add(layer)
            return model
        shapes = config["input_shape"]
        shapes = shapes if len(config["inputs"]) > 1 else [shapes]
        inputs = [Input(tuple(shape)) if number is None else made[_whole(number)].symbol
                  for number, shape in zip(config["inputs"], shapes, strict=True)]  # fmt: skip
        return wired(config, made, inputs, cls, options, where)
    except (DataError, WeightsError):
        raise
    except (MinicnnError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as cause:
        raise DataError(f"{where}: expected a graph of layers, received another: {cause}") from None
    finally:
        for layer in made:
            if isinstance(layer, Layer):
                layer.source = None


def wired(config: Any, made: list, inputs: list, cls: Any, options: Any, where: str) -> Any:
    """The model of a config's steps between layers that are made, from the symbols `inputs`."""
    values = list(inputs)
    for number, given, listed, training in config["steps"]:
        given = [values[_whole(i)] for i in given]
        require(listed or len(given) == 1, where, "one input of a step", len(given), error=DataError)
        layer = made[_whole(number)]
        options_of = {} if training is None else {"training": training}
        if listed and is_model(layer):
            given = packed(layer._templates[0], given)
        y = layer(given if listed else given[0], **options_of)
        values += flat(y)
    outputs = [values[_whole(i)] for i in config["outputs"]]
    structures = [packed(from_file(said, len(found), where), list(found)) for said, found in
                  zip(config.get("keys") or [None, None], (inputs, outputs), strict=True)]  # fmt: skip
    return cls(*structures, name=config["name"], **options)


def _whole(value) -> int:
    ok = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    require(ok, "load: a step", "whole numbers", repr(value)[:40], error=DataError)
    return value


def _part(number: int, entry: dict, deserializer: Deserializer, source, path: str, group: str, before: list, options):
    """Layer `number`, or a model that stands there."""
    kind = entry.get("class_name") if isinstance(entry, dict) else None
    config = entry.get("config") if kind is not None else None
    if kind == "InputLayer" and isinstance(config, dict) and isinstance(config.get("shape"), list):
        made = InputLayer(tuple(config["shape"]), config.get("batch_size"), name=config.get("name"))
        made.named = bool(entry.get("named", True))
        return made
    if kind in ("Sequential", "Functional") and not entry.get("custom"):
        inner = description(config, deserializer.where)
        like = sum(one.kind == kind.lower() for one in before)
        group = f"{group}{kind.lower()}{f'_{like}' if like else ''}/layers/"
        model = _made(inner, deserializer, source, f"{path}{inner['name']}/", group, MODELS[kind], options)
        if entry.get("trainable") is False:
            model.trainable = False
        model.named = entry.get("named", True)
        return model
    layer = deserializer.layer(number, entry)
    like = sum(one.kind == layer.kind for one in before)
    place = Place(path + layer.name, f"{group}{layer.kind}{f'_{like}' if like else ''}")

    def values(name: str, shape: tuple):
        assert layer.be is not None  # a layer that asks has been attached
        return source(place, layer, name, shape, layer.be.dtype)

    layer.source = values
    return layer


def _add(model, shape, entries: list, deserializer: Deserializer, source) -> None:
    """Add the layers of `entries`, with the weights of `source`, to a model for samples of `shape`, or None."""
    where = deserializer.where
    try:
        if shape is not None:
            model.add(Input(tuple(shape)))
    except (MinicnnError, TypeError) as cause:
        raise DataError(f"{where}: input_shape: {cause}") from None
    for number, entry in enumerate(entries, 1):
        options = {"device": model.backend}
        layer = _part(number, entry, deserializer, source, "", "", model.operations, options)
        try:
            model.add(layer)
        except (DataError, WeightsError):  # of the source
            raise
        except (MinicnnError, TypeError, ValueError, ArithmeticError, LookupError) as cause:
            raise DataError(f"{where}: layer {number} ({type(layer).__name__}): {cause}") from None
        finally:
            if isinstance(layer, Layer):
                layer.source = None


class WeightBudget:
    """The source of new values, but not of more of them than `limit`: of a model without a file, or what its file has.

    placeholders: one zero that is seen at every index, instead of new values.
    """

    def __init__(self, where: str, placeholders: bool = False, limit: int | None = None):
        self.where, self.count, self.placeholders, self.limit = where, 0, placeholders, limit

    def __call__(self, place: Place, layer: Layer, name: str, shape: tuple, dtype: Any) -> np.ndarray | None:
        self.count += math.prod(map(int, shape))
        received = f"{self.count:,} up to {layer.name}/{name}"
        if self.limit is not None:
            expected = f"the file's {self.limit:,} numbers of weights"
            require(self.count <= self.limit, self.where, expected, received, error=WeightsError)
            return np.zeros(shape, dtype)  # which all of the file's take the place of: nothing is drawn
        fix = "build a model as large as that in Python"
        expected = f"at most {WEIGHT_LIMIT:,} weights"
        require(self.count <= WEIGHT_LIMIT, self.where, expected, received, fix, error=DataError)
        return np.broadcast_to(np.zeros((), dtype), shape) if self.placeholders else None


def listed(value: Any, where: str, expected: str, most: float = math.inf) -> list:
    """`value`, if it is a list of at most so many."""
    ok = isinstance(value, list) and len(value) <= most
    received = f"{len(value)} of them" if isinstance(value, list) else f"{value!r:.80}"
    require(ok, where, expected, received, error=DataError)
    return value


def description(value: Any, where: str) -> dict:
    require(isinstance(value, dict), where, "a model's description", f"{value!r:.80}", error=DataError)
    return value
