"""Loading: models from files. Sizes are compared with the file before memory is taken; names choose no code."""

import itertools
import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from ..arguments import flag
from ..backend.placeholder import Placeholder
from ..backend.select import select
from ..backend.streams import Streams
from ..errors import DataError, MinicnnError, WeightsError, require
from ..io import keras_config, keras_files, legacy_h5, model_file, strict_json
from ..layers import Input, InputLayer, Layer
from ..notes import note
from . import saving
from .model import Model
from .restorer import Restorer
from .sequential import Sequential
from .several import Losses
from .underway import Underway

LAYER_LIMIT = 1_000
WEIGHT_LIMIT = 2**28  # numbers that a model without a weights file may ask for: 1 GB as float32
JSON_LIMIT = 10_000_000  # characters


def load_model(
    path, custom_objects=None, compile: bool = True, *, device="cpu", kernels="auto", threads=None, precision=None
):
    """The model of a .minicnn file, or of a .keras or .h5 file of layers that minicnn has.

    custom_objects  {"name": class or function} for layers, losses, metrics, schedules of your own
    compile         False: without optimizer, loss and metrics, for predictions alone
    device, kernels, threads, precision   as Sequential's
    Raises ArgumentError, MissingDataError, DataError, WeightsError; no code runs that custom_objects does not bring.
    """
    path, compile = model_file.checked(path, "load_model: path"), flag("load_model: compile", compile)
    restorer = Restorer(f"load_model {path}", custom_objects)
    options = {"device": select(device, kernels, threads, precision)}
    legacy = path.endswith(legacy_h5.ENDINGS)
    load = _load_legacy if legacy else _load_keras if path.endswith(model_file.KERAS) else _load_minicnn
    return load(path, restorer, compile, options)


def model_from_json(text: str, custom_objects=None, *, seed=None, device="cpu", kernels="auto", threads=None):
    """The architecture that to_json wrote, minicnn's or Keras's, with new weights."""
    restorer = Restorer("model_from_json", custom_objects)
    where = restorer.where
    ok = isinstance(text, str) and len(text) <= JSON_LIMIT
    expected = f"at most {JSON_LIMIT:,} characters of JSON"
    require(ok, f"{where}: text", expected, f"{text!r:.40}", error=DataError)
    try:
        document = strict_json.parse(text)
    except ValueError as cause:
        raise DataError(f"{where}: text: expected JSON, received text that is none ({cause})") from None
    document = _object(document, f"{where}: text")
    if "module" in document:
        document = keras_config.to_document(document, where, strict=True)
    else:
        version = document.get("format")
        expected = f"an architecture of format {saving.FORMAT}"
        require(
            version == saving.FORMAT, f"{where}: text", expected, f"{version!r:.20}", "use to_json", error=DataError
        )
    return build(document.get("config"), restorer, seed=seed, device=device, kernels=kernels, threads=threads)


def _load_minicnn(path: str, restorer: Restorer, compile: bool, options: dict):
    document, arrays = model_file.read(path)
    state = _training(document.get("training"), restorer.where)
    left = {name: array for name, array in arrays.items() if "run" not in document or not name.startswith("run/")}
    underway = document["training"].get("underway")
    underway = None if underway is None else Underway.of(underway, left, restorer.where)

    def source(place: Place, layer: Layer, name: str, shape: tuple, dtype: np.dtype):
        return _take(left, f"weights/{place.path}/{name}", shape, dtype, restorer.where)

    restorer.check_custom([document.get("config"), document.get("compiled") if compile else None])
    model = build(document.get("config"), restorer, source, dtype=document.get("dtype"), seed=state["seed"], **options)
    model.streams.step, model.streams.epoch = state["step"], state["epoch"]
    _place_streams(model, document.get("streams"), restorer.where)
    names = saving.weight_names(model)
    weights = {names[id(p)]: p for p in model.weights}
    params = [weights.get(name) for name in state["parameters"]]
    ok = all(p is not None for p in params) and len(set(state["parameters"])) == len(params)
    expected = "parameters that are weights of the model, each once"
    require(ok, restorer.where, expected, f"{state['parameters']!r:.80}", error=DataError)
    slots = {
        s: [_take(left, f"optimizer/{s}/{name}", p.shape, p.dtype, restorer.where)
            for name, p in zip(state["parameters"], params, strict=True)]
        for s in state["slots"]
    }  # fmt: skip
    _nothing_left(left, restorer.where)
    if compile:
        compile_model(model, document.get("compiled"), restorer)
        if model.optimizer is not None:
            fits = not params or tuple(slots) == model.optimizer.kept
            expected = f"the slots {', '.join(model.optimizer.kept) or 'none'} of {type(model.optimizer).__name__}"
            require(fits, restorer.where, expected, ", ".join(slots) or "none", error=DataError)
            if params:
                model.optimizer.set_state(params, slots, state["iterations"])
            else:
                model.optimizer.iterations = state["iterations"]
        model.underway = underway
    return model


def _place_streams(model, given, where: str) -> None:
    """Give every layer the seed and the number that it had: models in models may bring their own."""
    if given is None:
        return
    here, own = saving.streams(model), {model.seed: model.streams}
    limits = (2**64, 1 << 11)
    ok = isinstance(given, dict) and given.keys() == here.keys() and all(
        isinstance(both, list) and len(both) == 2 and
        all(type(n) is int and 0 <= n < most for n, most in zip(both, limits, strict=True))
        for both in given.values()
    )  # fmt: skip
    require(ok, where, "streams: a seed and a number of every layer", f"{given!r:.80}", error=DataError)

    for path, layer in saving.placed(model):
        if path in given:
            seed, layer.index = given[path]
            layer.streams = own.setdefault(seed, Streams(seed))


def _load_keras(path: str, restorer: Restorer, compile: bool, options: dict):
    with keras_files.open_model(path) as file:
        document = keras_config.to_document(file.config, restorer.where, strict=compile)
        restorer.check_custom([document.get("config"), document.get("compiled")])
        read: Counter[str] = Counter()

        def source(place: Place, layer: Layer, name: str, shape: tuple, dtype: np.dtype):
            read[place.group] += 1
            return file.weight(place.group, read[place.group] - 1, shape, dtype, f"{layer.name}/{name}")

        model = build(document["config"], restorer, source, dtype=document["dtype"], **options)
        file.check_rest(read)
        if compile:
            compile_model(model, document["compiled"], restorer)
            if model.optimizer is not None and model.trainable_weights:
                _keras_state(model, file)
    return model


def _load_legacy(path: str, restorer: Restorer, compile: bool, options: dict):
    where = restorer.where
    with legacy_h5.open_file(path, where, whole=True) as file:
        document = keras_config.to_document(file.config, where, strict=compile)
        restorer.check_custom([document.get("config"), document.get("compiled")])
        source = _Budget(where, limit=sum(array.size for _, arrays in file.layers for array in arrays))
        model = build(document["config"], restorer, source, dtype=document["dtype"], **options)
        legacy_h5.assign(where, model, file.layers)
        if compile:
            compile_model(model, document["compiled"], restorer)
            if model.optimizer is not None and model.trainable_weights:
                _keras_state(model, file)
    return model


def _keras_state(model, file) -> None:
    """Iterations, learning rate and slots, if the file has them; else a note, as in Keras."""
    optimizer, params = model.optimizer, model.trainable_weights
    shapes, scheduled = [p.shape for p in params], optimizer.schedule is not None
    state = file.optimizer(type(optimizer).__name__, optimizer.kept, shapes, model.backend.dtype, scheduled)
    if state is None:
        note("the file holds no state of the optimizer's that fits: it starts anew")
        return
    optimizer.set_state(params, state["slots"], state["iterations"])
    if not scheduled and np.float32(optimizer.learning_rate) != np.float32(state["learning_rate"]):
        optimizer.learning_rate = state["learning_rate"]


class Place(NamedTuple):
    """Where a layer stands in files: path in ours, "model/layer"; group in Keras's, "functional/layers/conv2d_1"."""

    path: str
    group: str


def build(config, restorer: Restorer, source=None, *, dtype=None, cls=Sequential, **options):
    """A model from its config.  source(place, layer, name, shape, dtype) -> the values of a weight; None: new ones.

    dtype  the weights' float type, which the device must share
    """
    where = restorer.where
    restorer.check_custom(config)
    config = _object(config, where)
    name, shape, entries = (config.get(key) for key in ("name", "input_shape", "layers"))
    require(isinstance(name, str), where, "a model's name", f"{name!r:.80}", error=DataError)
    ok = isinstance(entries, list) and len(entries) <= LAYER_LIMIT
    expected = f"a list of at most {LAYER_LIMIT} layers"
    received = f"{len(entries)} of them" if isinstance(entries, list) else f"{entries!r:.80}"
    require(ok, where, expected, received, error=DataError)
    if "steps" in config:
        return _graph(config, restorer, source, dtype, cls if cls is not Sequential else Model, options)
    model = cls(name=name, **options)
    here = model.backend.dtype.name
    fix = 'give load_model device=CPU("numpy_ref", "float64") of minicnn.backend.cpu' if dtype == "float64" else ""
    require(dtype in (None, here), where, f"weights of type {here}", f"{dtype!r:.20}", fix, error=WeightsError)
    if source is None:  # shapes first: what asks for too much is refused before the first weight is made
        ours = itertools.takewhile(lambda entry: not (isinstance(entry, dict) and entry.get("custom")), entries)
        counted = Sequential(name=name, device=Placeholder())
        _add(counted, shape, list(ours), restorer, _Budget(where, placeholders=True))
    _add(model, shape, entries, restorer, source or _Budget(where))
    return model


def _graph(config, restorer: Restorer, source, dtype, cls, options):
    """A Model from its config, whose steps are those of graph.py."""
    where = restorer.where
    be = select(options.get("device", "cpu"), options.get("kernels", "auto"), options.get("threads"),
                options.get("precision"))  # fmt: skip
    require(dtype in (None, be.dtype.name), where, f"weights of type {be.dtype.name}", f"{dtype!r:.20}",
            error=WeightsError)  # fmt: skip
    budget = source or _Budget(where)
    if source is None and not any(_object(one, where).get("custom") for one in config["layers"]):
        counted = _Budget(where, placeholders=True)  # shapes first, as for a chain
        _made(config, restorer, counted, "", "", cls, {"device": Placeholder()})
    return _made(config, restorer, budget, "", "", cls, options | {"device": be, "kernels": "auto"})


def _made(config, restorer: Restorer, source, path: str, group: str, cls, options):
    """A model and all models in it.  path, group: of the model that it is in, for `Place`."""
    where, made = restorer.where, []
    try:
        entries = config["layers"]
        for number, entry in enumerate(entries, 1):
            made.append(_part(number, entry, restorer, source, path, group, made, options))
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


def wired(config, made: list, inputs: list, cls, options, where: str):
    """The model of a config's steps between layers that are made, from the symbols `inputs`."""
    values = list(inputs)
    for number, given, listed, training in config["steps"]:
        given = [values[_whole(i)] for i in given]
        require(listed or len(given) == 1, where, "one input of a step", len(given), error=DataError)
        layer = made[_whole(number)]
        options_of = {} if training is None else {"training": training}
        y = layer(given if listed else given[0], **options_of)
        values += y if isinstance(y, list) else [y]
    outputs = [values[_whole(i)] for i in config["outputs"]]
    keys = config.get("keys") or [None, None]
    named = [dict(zip(k, v, strict=True)) if k else list(v) if len(v) > 1 else v[0]
             for k, v in zip(keys, (inputs, outputs), strict=True)]  # fmt: skip
    return cls(*named, name=config["name"], **options)


def _whole(value) -> int:
    ok = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    require(ok, "load: a step", "whole numbers", repr(value)[:40], error=DataError)
    return value


def _part(number: int, entry: dict, restorer: Restorer, source, path: str, group: str, before: list, options):
    """Layer `number`, or a model that stands there."""
    kind = entry.get("class_name") if isinstance(entry, dict) else None
    config = entry.get("config") if kind is not None else None
    if kind == "InputLayer" and isinstance(config, dict) and isinstance(config.get("shape"), list):
        made = InputLayer(tuple(config["shape"]), name=config.get("name"))
        made.named = bool(entry.get("named", True))
        return made
    if kind in ("Sequential", "Functional") and not entry.get("custom"):
        inner = _object(config, restorer.where)
        like = sum(one.kind == kind.lower() for one in before)
        group = f"{group}{kind.lower()}{f'_{like}' if like else ''}/layers/"
        cls = Sequential if kind == "Sequential" else Model
        model = _made(inner, restorer, source, f"{path}{inner['name']}/", group, cls, options)
        if entry.get("trainable") is False:
            model.trainable = False
        model.named = entry.get("named", True)
        return model
    layer = restorer.layer(number, entry)
    like = sum(one.kind == layer.kind for one in before)
    place = Place(path + layer.name, f"{group}{layer.kind}{f'_{like}' if like else ''}")
    layer.source = lambda name, shape: source(place, layer, name, shape, layer.be.dtype)
    return layer


def _add(model, shape, entries: list, restorer: Restorer, source) -> None:
    """Add the layers of `entries`, with the weights of `source`, to a model for samples of `shape`, or None."""
    where = restorer.where
    try:
        if shape is not None:
            model.add(Input(tuple(shape)))
    except (MinicnnError, TypeError) as cause:
        raise DataError(f"{where}: input_shape: {cause}") from None
    for number, entry in enumerate(entries, 1):
        options = {"device": model.backend}
        layer = _part(number, entry, restorer, source, "", "", model.layers, options)
        try:
            model.add(layer)
        except (DataError, WeightsError):  # of the source
            raise
        except (MinicnnError, TypeError, ValueError, ArithmeticError, LookupError) as cause:
            raise DataError(f"{where}: layer {number} ({type(layer).__name__}): {cause}") from None
        finally:
            if isinstance(layer, Layer):
                layer.source = None


def compile_model(model, compiled, restorer: Restorer) -> None:
    """compile with what a document says."""
    if compiled is None:
        return
    compiled = _object(compiled, restorer.where)
    loss = compiled.get("loss")
    lists = {}
    for key in ("metrics", "weighted_metrics"):
        given = compiled.get(key)
        require(isinstance(given, list), restorer.where, f"a list of {key}", f"{given!r:.80}", error=DataError)
        lists[key] = [restorer.metric(entry) for entry in given]
    optimizer = restorer.optimizer(compiled.get("optimizer"))
    if isinstance(loss, dict) and "outputs" in loss:
        names = model.output_names
        ok = isinstance(loss["outputs"], list) and isinstance(loss.get("weights"), list)
        ok = ok and len(loss["outputs"]) == len(loss["weights"]) == len(names)
        ok = ok and all(isinstance(w, (int, float)) for w in loss["weights"])
        require(ok, restorer.where, f"a loss for each of {len(names)} outputs", f"{loss!r:.80}", error=DataError)
        loss = Losses([one and restorer.loss(one) for one in loss["outputs"]], loss["weights"])
    else:
        loss = None if loss is None else restorer.loss(loss)
    places = compiled.get("metric_places")
    if places is None:
        model.compile(optimizer, loss, **lists)
        return
    ok = isinstance(places, list) and [len(one) for one in places] == [len(one) for one in lists.values()] and all(
        type(k) is int and 0 <= k < len(model.samples_out) for one in places for k in one)  # fmt: skip
    require(ok, restorer.where, "an output of every metric", f"{places!r:.80}", error=DataError)
    model.compile(optimizer, loss)
    (model.metrics, model.weighted_metrics), model._places = lists.values(), places


class _Budget:
    """The source of new values, but not of more of them than `limit`: of a model without a file, or what its file has.

    placeholders: one zero that is seen at every index, instead of new values.
    """

    def __init__(self, where: str, placeholders: bool = False, limit: int | None = None):
        self.where, self.count, self.placeholders, self.limit = where, 0, placeholders, limit

    def __call__(self, place: Place, layer: Layer, name: str, shape: tuple, dtype) -> np.ndarray | None:
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


def _take(left: dict, name: str, shape: tuple, dtype, where: str) -> np.ndarray:
    """The array `name`, which is taken out of `left`, as a copy that may be written to."""
    array = left.pop(name, None)
    model = f"{tuple(shape)} {np.dtype(dtype).name}"
    file = "none" if array is None else f"{array.shape} {array.dtype.name}"
    require(model == file, where, f"{name}: model {model}", f"file {file}", error=WeightsError)
    return np.array(array)


def _nothing_left(left: dict, where: str) -> None:
    names = [f"{name} {array.shape} {array.dtype.name}" for name, array in list(left.items())[:4]]
    expected = "arrays that all belong to the model"
    require(not left, where, expected, f"{len(left)} more ({'; '.join(names)})", error=WeightsError)


def _training(state, where: str) -> dict:
    state = _object(state, where)
    limits = {"seed": 2**64, "step": 2**53, "epoch": 2**53, "iterations": 2**53}
    for key, limit in limits.items():
        value = state.get(key)
        ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit
        require(ok, where, f"training: {key} from 0 to {limit - 1}", f"{value!r:.40}", error=DataError)
    for key in ("parameters", "slots"):
        value = state.get(key)
        ok = isinstance(value, list) and all(isinstance(item, str) for item in value)
        require(ok, where, f"training: {key}, a list of names", f"{value!r:.40}", error=DataError)
    return state


def _object(value, where: str) -> dict:
    require(isinstance(value, dict), where, "a model's description", f"{value!r:.80}", error=DataError)
    return value
