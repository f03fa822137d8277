"""Loading: models from files. Sizes are compared with the file before memory is taken; names choose no code."""

import os
from collections import Counter
from typing import Any

import numpy as np

from ..arguments import flag
from ..backend.base import Backend
from ..backend.select import select
from ..backend.streams import Streams
from ..errors import DataError, WeightsError, require
from ..io import keras_config, keras_files, legacy_h5, model_file, strict_json
from ..layers import Layer
from ..notes import note
from ..training.sequential import Model  # and with it both classes in serialize.MODELS
from ..training.several import Losses
from ..training.underway import Underway
from . import save
from .build import Place, WeightBudget, build, description, listed
from .deserialize import Deserializer

JSON_LIMIT = 10_000_000  # characters


def load_model(path: str | os.PathLike, custom_objects: dict[str, Any] | None = None, compile: bool = True, *,
               device: str | Backend = "cpu", kernels: str = "auto", threads: int | None = None,
               precision: str | None = None) -> Model:  # fmt: skip
    """The model of a .minicnn file, or of a .keras or .h5 file of layers that minicnn has.

    custom_objects  {"name": class or function} for layers, losses, metrics, schedules of your own
    compile         False: without optimizer, loss and metrics, for predictions alone
    device, kernels, threads, precision   as Sequential's
    Raises ArgumentError, MissingDataError, DataError, WeightsError; no code runs that custom_objects does not bring.
    """
    path, compile = model_file.checked(path, "load_model: path"), flag("load_model: compile", compile)
    deserializer = Deserializer(f"load_model {path}", custom_objects)
    options = {"device": select(device, kernels, threads, precision)}
    legacy = path.endswith(legacy_h5.ENDINGS)
    load = _load_legacy if legacy else _load_keras if path.endswith(model_file.KERAS) else _load_minicnn
    return load(path, deserializer, compile, options)


def model_from_json(text: str, custom_objects: dict[str, Any] | None = None, *, seed: int | None = None,
                    device: str | Backend = "cpu", kernels: str = "auto",
                    threads: int | None = None) -> Model:  # fmt: skip
    """The architecture that to_json wrote, minicnn's or Keras's, with new weights."""
    deserializer = Deserializer("model_from_json", custom_objects)
    where = deserializer.where
    ok = isinstance(text, str) and len(text) <= JSON_LIMIT
    expected = f"at most {JSON_LIMIT:,} characters of JSON"
    require(ok, f"{where}: text", expected, f"{text!r:.40}", error=DataError)
    try:
        document = strict_json.parse(text)
    except ValueError as cause:
        raise DataError(f"{where}: text: expected JSON, received text that is none ({cause})") from None
    document = description(document, f"{where}: text")
    if "module" in document:
        document = keras_config.to_document(document, where, strict=True)
    else:
        version = document.get("format")
        expected = f"an architecture of format {save.FORMAT}"
        require(
            version == save.FORMAT, f"{where}: text", expected, f"{version!r:.20}", "use to_json", error=DataError
        )
    return build(document.get("config"), deserializer, seed=seed, device=device, kernels=kernels, threads=threads)


def _load_minicnn(path: str, deserializer: Deserializer, compile: bool, options: dict):
    document, arrays = model_file.read(path)
    state = _training(document.get("training"), deserializer.where)
    left = {name: array for name, array in arrays.items() if "run" not in document or not name.startswith("run/")}
    underway = document["training"].get("underway")
    underway = None if underway is None else Underway.of(underway, left, deserializer.where)

    def source(place: Place, layer: Layer, name: str, shape: tuple, dtype: np.dtype):
        return _take(left, f"weights/{place.path}/{name}", shape, dtype, deserializer.where)

    deserializer.check_custom([document.get("config"), document.get("compiled") if compile else None])
    options = options | {"dtype": document.get("dtype"), "seed": state["seed"]}
    model = build(document.get("config"), deserializer, source, **options)
    model.streams.step, model.streams.epoch, model.streams.inferences = (
        state["step"], state["epoch"], state["inferences"])  # fmt: skip
    _place_streams(model, document.get("streams"), deserializer.where)
    names = save.weight_names(model)
    weights = {names[id(p)]: p for p in model.weights}
    params = [weights[name] for name in state["parameters"] if name in weights]
    ok = len(params) == len(state["parameters"]) == len(set(state["parameters"]))
    expected = "parameters that are weights of the model, each once"
    require(ok, deserializer.where, expected, f"{state['parameters']!r:.80}", error=DataError)
    slots = {
        s: [_take(left, f"optimizer/{s}/{name}", p.shape, p.dtype, deserializer.where)
            for name, p in zip(state["parameters"], params, strict=True)]
        for s in state["slots"]
    }  # fmt: skip
    _nothing_left(left, deserializer.where)
    if compile:
        keys = description(document.get("config"), deserializer.where).get("keys")
        said = keys[1] if isinstance(keys, list) and len(keys) == 2 else None
        compile_model(model, document.get("compiled"), deserializer, said if isinstance(said, list) else [])
        if model.optimizer is not None:
            fits = not params or tuple(slots) == model.optimizer.kept
            expected = f"the slots {', '.join(model.optimizer.kept) or 'none'} of {type(model.optimizer).__name__}"
            require(fits, deserializer.where, expected, ", ".join(slots) or "none", error=DataError)
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
    here, own = save.streams(model), {model.seed: model.streams}
    limits = (2**64, 1 << 11)
    ok = isinstance(given, dict) and given.keys() == here.keys() and all(
        isinstance(both, list) and len(both) == 2 and
        all(type(n) is int and 0 <= n < most for n, most in zip(both, limits, strict=True))
        for both in given.values()
    )  # fmt: skip
    require(ok, where, "streams: a seed and a number of every layer", f"{given!r:.80}", error=DataError)

    for path, layer in save.placed(model):
        if path in given:
            seed, layer.index = given[path]
            layer.streams = own.setdefault(seed, Streams(seed))


def _load_keras(path: str, deserializer: Deserializer, compile: bool, options: dict):
    with keras_files.open_model(path) as file:
        document = keras_config.to_document(file.config, deserializer.where, strict=compile)
        deserializer.check_custom([document.get("config"), document.get("compiled")])
        read: Counter[str] = Counter()

        def source(place: Place, layer: Layer, name: str, shape: tuple, dtype: np.dtype):
            read[place.group] += 1
            return file.weight(place.group, read[place.group] - 1, shape, dtype, f"{layer.name}/{name}")

        model = build(document["config"], deserializer, source, dtype=document["dtype"], **options)
        file.check_rest(read)
        if compile:
            compile_model(model, document["compiled"], deserializer)
            if model.optimizer is not None and model.trainable_weights:
                _keras_state(model, file)
    return model


def _load_legacy(path: str, deserializer: Deserializer, compile: bool, options: dict):
    where = deserializer.where
    with legacy_h5.open_file(path, where, whole=True) as file:
        document = keras_config.to_document(file.config, where, strict=compile)
        deserializer.check_custom([document.get("config"), document.get("compiled")])
        source = WeightBudget(where, limit=sum(array.size for _, arrays in file.layers for array in arrays))
        model = build(document["config"], deserializer, source, dtype=document["dtype"], **options)
        legacy_h5.assign(where, model, file.layers)
        if compile:
            compile_model(model, document["compiled"], deserializer)
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


def compile_model(model: Any, compiled: Any, deserializer: Deserializer, keys: list | tuple = ()) -> None:
    """compile with what a document says.  keys: of a dict of outputs, in the order in which the document lists them."""
    if compiled is None:
        return
    compiled = description(compiled, deserializer.where)
    loss = compiled.get("loss")
    lists = {}
    for key in ("metrics", "weighted_metrics"):
        entries = listed(compiled.get(key), deserializer.where, f"a list of {key}")
        lists[key] = [deserializer.metric(entry) for entry in entries]
    optimizer = deserializer.optimizer(compiled.get("optimizer"))
    if isinstance(loss, dict) and "outputs" in loss:
        names = model.output_names
        ok = isinstance(loss["outputs"], list) and isinstance(loss.get("weights"), list)
        ok = ok and len(loss["outputs"]) == len(loss["weights"]) == len(names)
        ok = ok and all(isinstance(w, (int, float)) for w in loss["weights"])
        require(ok, deserializer.where, f"a loss for each of {len(names)} outputs", f"{loss!r:.80}", error=DataError)
        order = sorted(range(len(keys)), key=lambda k: keys[k]) or range(len(names))  # which once was not sorted
        loss = Losses([one and deserializer.loss(one) for one in (loss["outputs"][k] for k in order)],
                      [loss["weights"][k] for k in order])  # fmt: skip
    else:
        loss = None if loss is None else deserializer.loss(loss)
    places = compiled.get("metric_places")
    if places is None:
        model.compile(optimizer, loss, **lists)
        return
    ok = isinstance(places, list) and [len(one) for one in places] == [len(one) for one in lists.values()] and all(
        type(k) is int and 0 <= k < len(model.samples_out) for one in places for k in one)  # fmt: skip
    require(ok, deserializer.where, "an output of every metric", f"{places!r:.80}", error=DataError)
    model.compile(optimizer, loss)
    ranks = sorted(keys)
    places = [[ranks.index(keys[k]) for k in one] for one in places] if ranks else places
    (model.metrics, model.weighted_metrics), model._places = lists.values(), places


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
    state = description(state, where)
    limits = {"seed": 2**64, "step": 2**53, "epoch": 2**53, "iterations": 2**53, "inferences": 2**53}
    state = {"inferences": 0} | state  # which older files, and those of models that draw nothing there, do not have
    for key, limit in limits.items():
        value = state.get(key)
        ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit
        require(ok, where, f"training: {key} from 0 to {limit - 1}", f"{value!r:.40}", error=DataError)
    for key in ("parameters", "slots"):
        value = state.get(key)
        ok = isinstance(value, list) and all(isinstance(item, str) for item in value)
        require(ok, where, f"training: {key}, a list of names", f"{value!r:.40}", error=DataError)
    return state
