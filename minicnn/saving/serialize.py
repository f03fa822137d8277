"""Serialization: layers, optimizers, losses and metrics as plain values that JSON can hold; see deserialize.py.

    Conv2D(8, 3)             {"class_name": "Conv2D", "config": {"filters": 8, ...}}      a class of ours
    MyLayer(8)               the same, with "custom": true                                 a class of yours
    def f1(y_true, y_pred)   {"function": "f1"}                                            a function of yours

What is ours stands in the tables of this file; nothing is ever imported by name.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

from .. import constraints, custom, initializers, layers, losses, metrics, optimizers, regularizers
from ..arguments import parameters
from ..errors import ArgumentError, ArgumentTypeError, require
from ..layers.operation import Operation
from ..ops.activation import BY_NAME as ACTIVATIONS


def _classes(module, base, *others) -> dict[str, type]:
    found = [getattr(module, name) for name in module.__all__]
    return {c.__name__: c for c in found if isinstance(c, type) and issubclass(c, base) and c not in (base, *others)}


TABLES: dict[str, dict[str, type]] = {
    "layer": _classes(layers, layers.Layer, layers.InputLayer) | {"Operation": Operation},
    "optimizer": _classes(optimizers, optimizers.Optimizer),
    "schedule": _classes(optimizers.schedules, optimizers.schedules.LearningRateSchedule),
    "initializer": {c.__name__: c for c in (
        initializers.Zeros, initializers.Ones, initializers.Constant, initializers.Identity, initializers.RandomNormal,
        initializers.TruncatedNormal, initializers.RandomUniform, initializers.VarianceScaling,
        initializers.GlorotUniform, initializers.GlorotNormal, initializers.HeUniform, initializers.HeNormal,
        initializers.LecunUniform, initializers.LecunNormal, initializers.Orthogonal)},
    "regularizer": {c.__name__: c for c in regularizers.ALL},
    "constraint": {c.__name__: c for c in constraints.ALL},
    "loss": {c.__name__: c for c in losses.ALL},
    "metric": {c.__name__: c for c in metrics.ALL},
}  # fmt: skip
BASES = {"layer": layers.Layer, "optimizer": optimizers.Optimizer, "initializer": initializers.Initializer,
         "schedule": optimizers.schedules.LearningRateSchedule, "loss": losses.Loss,
         "metric": metrics.Metric, "regularizer": regularizers.Regularizer,
         "constraint": constraints.Constraint}  # fmt: skip
METRIC_FUNCTIONS = {**metrics.FUNCTIONS, **{n: f for n, f in losses.FUNCTIONS.items() if n not in metrics.FUNCTIONS}}
_GIVEN = ("name", "trainable", "input_shape")  # of every layer: not arguments that a custom layer has to repeat


AnyClass = TypeVar("AnyClass", bound=type)
# class_name -> class of a model. They stand above this file and enter themselves.
MODELS: dict[str, type] = {}


def model_class(cls: AnyClass) -> AnyClass:
    """Enter `cls` as what files mean by its class_name."""
    MODELS[vars(cls)["class_name"]] = cls
    return cls


def is_model(layer: Any) -> bool:
    """Whether what stands among the layers of a model is a model itself."""
    return not isinstance(layer, layers.Layer)


def layer_entry(layer: Any) -> dict:
    """A layer without its weights. Its initializers are entries, its activation a name or a function's."""
    if is_model(layer):
        return {"class_name": layer.class_name, "config": layer.get_config(), "named": layer.named,
                "trainable": layer.trainable}  # fmt: skip
    shape = layer.sample_in
    if isinstance(layer, layers.InputLayer):
        rows = {} if layer.batch_size is None else {"batch_size": layer.batch_size}
        return {"class_name": "InputLayer", "config": {"name": layer.name, "shape": list(shape)} | rows,
                "named": layer.named}  # fmt: skip
    where, found = f"layer {layer.name}", _entry("layer", layer, f"layer {layer.name}")
    config, bounds = found["config"], layer.bounds()
    for key in config:
        value = getattr(layer, key, None)
        kind = key.rpartition("_")[2]
        if key in bounds:
            bound, here = bounds[key], f"{where}: {key}"
            config[key] = _entry(kind, bound, here) if isinstance(bound, BASES[kind]) else function_entry(bound, here)
        elif isinstance(value, initializers.Initializer):
            config[key] = initializer_entry(value, f"{where}: {key}")
        elif callable(value):
            own = ACTIVATIONS.get(getattr(value, "__name__", "")) is value
            config[key] = value.__name__ if own else function_entry(value, f"{where}: {key}")
    portable = {"portable": True} if "custom" in found and layer.portable else {}
    return found | portable | {"config": serialize(config, where), "named": layer.named}


def initializer_entry(initializer: initializers.Initializer, where: str) -> dict:
    if isinstance(initializer, initializers.Custom):
        return function_entry(initializer.function, where)
    return _entry("initializer", initializer, where)


def optimizer_entry(optimizer: optimizers.Optimizer) -> dict:
    """An optimizer with its present learning rate, without its slots."""
    where = f"optimizer {optimizer.name}"
    found = _entry("optimizer", optimizer, where)
    if optimizer.schedule is not None:
        found["config"]["learning_rate"] = schedule_entry(optimizer.schedule, f"{where}: learning_rate")
    return found | {"config": serialize(found["config"] | {"name": optimizer.name}, where)}


def schedule_entry(schedule: Callable, where: str) -> dict:
    """A schedule of ours, or of a class derived from LearningRateSchedule, with arguments; a function by name."""
    ours = isinstance(schedule, optimizers.schedules.LearningRateSchedule)
    return _entry("schedule", schedule, where) if ours else function_entry(schedule, where)


def loss_entry(loss: losses.Loss) -> dict:
    if isinstance(loss, losses.FunctionLoss):
        return function_entry(loss.function, "loss")
    return _entry("loss", loss, f"loss {loss.name}")


def metric_entry(metric: metrics.Metric) -> dict:
    where = f"metric {metric.name}"
    if type(metric) is not metrics.MeanMetricWrapper:
        return _entry("metric", metric, where)
    own = METRIC_FUNCTIONS.get(getattr(metric.fn, "__name__", "")) is metric.fn
    fn = metric.fn.__name__ if own else function_entry(metric.fn, where)
    config = {"fn": fn, "name": metric.name, "direction": metric.direction} | metric.options
    return {"class_name": "MeanMetricWrapper", "config": serialize(config, where)}


def function_entry(function: Callable, where: str) -> dict:
    """A user's function by its name.  Raises ArgumentError for one that has none: nobody could find it again."""
    name = getattr(function, "__name__", "")
    expected, fix = "a function with a name, to be found again by it", "write it with def"
    require(name.isidentifier(), f"save: {where}", expected, name or repr(function), fix, error=ArgumentError)
    return {"function": name}


def _entry(what: str, thing: Any, where: str) -> dict:
    cls = type(thing)
    own = TABLES[what].get(cls.__name__) is cls
    config = dict(thing.get_config())
    # What one of our classes leaves out of its config has one possible value, also in a class derived from it.
    settled = {name for base in cls.__mro__ if TABLES[what].get(base.__name__) is base for name in parameters(base)}
    lost = [name for name in parameters(cls) if name not in {*config, *settled, *_GIVEN}]
    fix = f"write config = {tuple(lost)} in the class" if what == "layer" else "give it a get_config"
    expected = f"{cls.__name__}.get_config() to hold every argument of the constructor"
    require(not lost, f"save: {where}", expected, f"none of {', '.join(lost)}", fix, error=ArgumentError)
    found = {"class_name": cls.__name__,
             "config": config if what in ("layer", "optimizer") else serialize(config, where)}  # fmt: skip
    if own:
        return found
    registered = custom.name_of(cls)
    return found | {"custom": True} | ({"registered": registered} if ">" in registered else {})


def serialize(value: Any, where: str) -> Any:
    """`value` as None, booleans, finite numbers, strings, lists, dicts.  Raises ArgumentTypeError for anything else."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: serialize(item, where) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [serialize(item, where) for item in value]
    item = getattr(value, "item", None)
    if getattr(value, "shape", None) == () and item is not None:
        value = item()  # a NumPy scalar
    ok = value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value))
    expected = "a configuration of numbers, strings, lists and dicts"
    require(ok, f"save: {where}", expected, f"{value!r:.80}", error=ArgumentTypeError)
    return value
