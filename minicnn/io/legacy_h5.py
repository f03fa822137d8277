"""Keras 2's HDF5 files, which Keras 3 calls legacy: weights alone, and whole models.

    /                 attributes model_config, training_config (JSON), keras_version, backend      (of whole models)
    /model_weights    attribute layer_names, and a group for each layer:                    (the root, of weights alone)
        conv2d            attribute weight_names = ["conv2d/kernel:0", "conv2d/bias:0"], which name its data sets
    /optimizer_weights    attribute weight_names, in the order of the optimizer's variables

Layers meet the model's by their order, as in Keras. Names within a file are followed through hard links alone.
Source: Keras 3.15, legacy/saving/legacy_h5_format.py.
Differs from Keras: the state of the optimizers of Keras 2.0 to 2.10, which lies in another order, is not taken over.
"""

import contextlib
import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import DataError, WeightsError, require
from . import hdf5, keras_config, keras_graph, strict_json
from .container import description, listed
from .files import atomic_write, opened
from .keras_files import KERAS_VERSION, optimizer_values
from .model_file import LEGACY

ENDINGS = LEGACY
CHUNK = 64_000  # bytes of names that one attribute of an HDF5 object takes
NAMES = 10_000  # names of layers, or of weights, that a file may list
JSON_LIMIT = 10_000_000  # bytes


# writing --------------------------------------------------------------------------------------------------------------


def save_weights(model: Any, path: str) -> None:
    """Write the weights of a built model, atomically."""
    built = len(model.weights) > 0
    fix = "build it: give it an Input"
    require(built, f"save_weights {path}", "a model with weights", "none", fix, error=WeightsError)
    _write(path, lambda file: _add_weights(file, model.layers))


def save_model(path: str, document: dict, layers: list[Any], state: dict | None) -> None:
    """Write a whole model, atomically.  document, state: as keras_files.save_model's.

    Raises ArgumentError for what Keras has not.
    """
    config = keras_config.from_document(document)
    compiled = config["compile_config"]

    def fill(file):
        file.attrs["keras_version"], file.attrs["backend"] = KERAS_VERSION, "minicnn"
        file.attrs["model_config"] = json.dumps(_old(config), allow_nan=False)
        _add_weights(file.create_group("model_weights"), layers)
        if compiled is not None:
            file.attrs["training_config"] = json.dumps(_training_config(compiled), allow_nan=False)
            if state is not None:
                group = file.create_group("optimizer_weights")
                values = optimizer_values(state, compiled["optimizer"])
                names = [f"optimizer/{i}" for i in range(len(values))]
                _set_names(group, "weight_names", names)
                for name, value in zip(names, values, strict=True):
                    group.create_dataset(name, data=value)

    _write(path, fill)


def _write(path: str, fill) -> None:
    buffer = io.BytesIO()
    with hdf5.h5py().File(buffer, "w") as file:
        fill(file)
    with atomic_write(path) as out:
        out.write(buffer.getvalue())


def _add_weights(group: Any, layers: list[Any]) -> None:
    _set_names(group, "layer_names", [layer.name for layer in layers])
    group.attrs["keras_version"], group.attrs["backend"] = KERAS_VERSION, "minicnn"
    for layer in layers:
        inner, weights = group.create_group(layer.name), in_order(layer)
        model = hasattr(layer, "layers")  # two of whose weights may have one name
        names = [f"{layer.name}/{f'{i}/' if model else ''}{weight.path.rpartition('/')[2]}:0"
                 for i, weight in enumerate(weights)]  # fmt: skip
        _set_names(inner, "weight_names", names)
        for name, weight in zip(names, weights, strict=True):
            inner.create_dataset(name, data=weight.numpy())
    _set_names(group.create_group("top_level_model_weights"), "weight_names", [])


def in_order(layer: Any) -> list:
    """The weights of a layer, or of a model that stands there, in Keras's order: the trainable ones first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _set_names(group: Any, name: str, values: list[str]) -> None:
    """An attribute that is a list of names; one that is too long for HDF5 goes into name0, name1, ..."""
    data = np.array([value.encode() for value in values] or np.zeros(0, "S1"))
    parts = np.array_split(data, -(-max(data.nbytes, 1) // CHUNK))
    for i, part in enumerate(parts):
        group.attrs[name if len(parts) == 1 else f"{name}{i}"] = part


def _old(entry: Any) -> Any:
    """Keras 3's description in the words of Keras 2, which Keras 3 reads as well."""
    if isinstance(entry, list):
        return [_old(item) for item in entry]
    if not isinstance(entry, dict):
        return entry
    if entry.get("class_name") == "DTypePolicy":
        return entry["config"]["name"]
    if entry.get("class_name") == "function":
        return entry["config"]
    if "class_name" in entry and "config" in entry:
        inner = keras_graph.old(entry["config"]) if "input_layers" in entry["config"] else entry["config"]
        config = {("batch_input_shape" if key == "batch_shape" else key): _old(value)
                  for key, value in inner.items() if key != "build_input_shape"}  # fmt: skip
        return {key: _old(entry[key]) for key in ("name", "inbound_nodes") if key in entry} | {
            "class_name": entry["class_name"], "config": config}  # fmt: skip
    return {key: _old(value) for key, value in entry.items()}


def _training_config(compiled: dict) -> dict:
    metrics = {key: _old(compiled[key]) for key in ("metrics", "weighted_metrics")}
    return {"loss": _old(compiled["loss"]), "loss_weights": compiled["loss_weights"], **metrics,
            "optimizer_config": _old(compiled["optimizer"])}  # fmt: skip


# reading --------------------------------------------------------------------------------------------------------------


class Legacy(hdf5.Weights):
    """An open legacy file: `config` in Keras 3's words (None: weights alone), and the layers that have weights."""

    layers: list[tuple[str, list[np.ndarray]]]

    def read(self, whole: bool) -> "Legacy":
        """Take in everything: config, names, arrays.  whole: a model's file is wanted."""
        text = self.text(self.file, "model_config")
        fix = "build the model and call load_weights on it"
        require(text is not None or not whole, self.where, "a whole model", "weights alone", fix, error=DataError)
        if text is not None and whole:
            self.config = self._config(text)
        group = self._group("model_weights") if "model_weights" in self.file else self.file
        require(group is not None, self.where, "the group model_weights", "another thing", error=DataError)
        prefix = "model_weights/" if "model_weights" in self.file else ""
        self.layers = []
        for layer in self.names(group, "layer_names"):
            inner = self._group(f"{prefix}{_path(layer, self.where)}")
            require(inner is not None, self.where, f"a group for layer {layer!r:.60}", "none", error=DataError)
            names = self.names(inner, "weight_names")
            arrays = [self.array(f"{prefix}{layer}/{_path(name, self.where)}") for name in names]
            if arrays:
                self.layers.append((layer, arrays))
        return self

    def array(self, path: str) -> np.ndarray:
        """A data set that keeps its bytes in this file."""
        found = self._dataset(path)
        require(found is not None, self.where, f"a data set {path:.80}", "none", error=DataError)
        return self._read(found, path[:80])

    def names(self, group: Any, name: str) -> list[str]:
        """An attribute that is a list of names, which may be in parts."""
        parts = [group.attrs[name]] if name in group.attrs else []
        while not parts or f"{name}{len(parts)}" in group.attrs:
            part = group.attrs.get(f"{name}{len(parts)}")
            if part is None:
                break
            parts.append(part)
        require(parts, self.where, f"the attribute {name}", "none", "is it a file of Keras's?", error=DataError)
        flat = [value.decode("utf-8") if isinstance(value, bytes) else value
                for part in parts for value in np.ravel(part).tolist()]  # fmt: skip
        ok = len(flat) <= NAMES and all(isinstance(value, str) for value in flat)
        require(ok, f"{self.where}: {name}", f"at most {NAMES:,} names", len(flat), error=DataError)
        return flat

    def text(self, group: Any, name: str) -> str | None:
        """An attribute that is a text, or None."""
        value = group.attrs.get(name)
        if isinstance(value, np.ndarray) and value.shape == ():
            value = value.item()
        value = value.decode("utf-8") if isinstance(value, bytes) else value
        ok = value is None or (isinstance(value, str) and len(value) <= JSON_LIMIT)
        require(ok, f"{self.where}: {name}", f"a text of at most {JSON_LIMIT:,} bytes", type(value).__name__,
                error=DataError)  # fmt: skip
        return value if isinstance(value, str) else None

    def _config(self, text: str) -> dict:
        config = strict_json.parse(text)
        require(isinstance(config, dict), self.where, "a model_config", f"{config!r:.60}", error=DataError)
        if isinstance(config.get("config"), list):  # Keras up to 2.2.2
            config["config"] = {"name": "sequential", "layers": config["config"]}
        training = self.text(self.file, "training_config")
        if training is not None:
            config["compile_config"] = _compile_config(strict_json.parse(training), self.where)
        return config

    @hdf5.sound
    def optimizer(self, kind: str, slots: Sequence[str], shapes: Sequence[tuple], dtype: Any,
                  scheduled: bool) -> dict | None:  # fmt: skip
        """As Weights.optimizer: None where there is no state in Keras 3's order."""
        group = self._group("optimizer_weights")
        names = [] if group is None else self.names(group, "weight_names")
        wanted, first = hdf5.order(kind, slots, len(shapes)), 1 if scheduled else 2
        old = any(name.endswith(":0") for name in names)  # Keras 2's
        if old or len(names) != first + len(wanted) + (kind == "Nadam"):
            return None
        arrays = [self.array(f"optimizer_weights/{_path(name, self.where)}") for name in names]
        numbers = [a.item() for a in arrays[:first] if a.size == 1]
        fits = len(numbers) == first and arrays[0].dtype.kind in "iu" and all(0 <= n < math.inf for n in numbers)
        pairs = list(zip(wanted, arrays[first:], strict=False))
        if not fits or any(a.shape != shapes[i] or a.dtype != np.dtype(dtype) for (_, i), a in pairs):
            return None
        state: dict[str, list] = {slot: [None] * len(shapes) for slot in slots}
        for (slot, i), array in pairs:
            state[slot][i] = array
        return {"iterations": numbers[0], "learning_rate": None if scheduled else numbers[1], "slots": state}


def _path(name: str, where: str) -> str:
    ok = name and all(part not in ("", ".", "..") for part in name.split("/"))
    require(ok, where, "names of layers and weights", f"{name!r:.60}", error=DataError)
    return name


def _compile_config(training: Any, where: str) -> dict:
    """What compile needs, in Keras 3's words, of a training_config."""
    require(isinstance(training, dict), where, "a training_config", f"{training!r:.60}", error=DataError)
    optimizer = training.get("optimizer_config") or training.get("optimizer")
    require(isinstance(optimizer, dict), where, "an optimizer_config", f"{optimizer!r:.60}", error=DataError)
    config = dict(optimizer.get("config") or {})
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    name = str(optimizer.get("class_name")).removeprefix("Custom>")
    entry = {"class_name": name, "config": {k: v for k, v in config.items() if v is not None}}
    return {"optimizer": entry, "loss": training.get("loss"), "loss_weights": training.get("loss_weights"),
            **{key: _metrics(training.get(key)) for key in ("metrics", "weighted_metrics")}}  # fmt: skip


def _metrics(given: Any) -> Any:
    """Keras 2.3 and later write metrics by name as wrappers around a function."""
    if isinstance(given, dict) and given.get("class_name") == "MeanMetricWrapper" and isinstance(given["config"], dict):
        return given["config"].get("name")
    if isinstance(given, dict) and "class_name" not in given:
        return {key: _metrics(one) for key, one in given.items()}
    return [_metrics(one) for one in given] if isinstance(given, list) else given


@contextlib.contextmanager
def open_file(path: str, where: str, whole: bool) -> Iterator[Legacy]:
    """A legacy file, read.  Raises MissingDataError, DataError."""
    hdf5.h5py()
    with opened(path, where) as file, hdf5.weights(file, os.fstat(file.fileno()).st_size, where, Legacy) as found:
        yield hdf5.sound(Legacy.read)(found, whole)


def load_weights(model: Any, path: str) -> None:
    """Read weights into a built model, layer by layer in their order; all are checked before the first changes."""
    where = f"load_weights {path}"
    with open_file(path, where, whole=False) as file:
        assign(where, model, file.layers)


def assign(where: str, model: Any, found: list) -> None:
    """The arrays of a file's layers to those of a model that have weights."""
    wanted = [(layer.name, in_order(layer)) for layer in model.layers if layer.weights]
    for weight, array in check(where, wanted, found):
        weight.assign(array)


def check(where: str, wanted: list, found: list) -> list[tuple[Any, np.ndarray]]:
    """(weight, array) of everything.  wanted: (layer, its weights), found: (layer, its arrays), both in order."""
    differences = [f"{a[0]}: model {len(a[1])} weights, file {b[0]} with {len(b[1])}"
                   for a, b in zip(wanted, found, strict=False) if len(a[1]) != len(b[1])]  # fmt: skip
    if not differences:
        both = [(w.path, description(w.numpy()), description(array.astype(w.dtype) if hdf5.is_count(array) else array))
                for (_, ours), (_, theirs) in zip(wanted, found, strict=False)
                for w, array in zip(ours, theirs, strict=True)]  # fmt: skip
        differences = [f"{name}: model {a}, file {b}" for name, a, b in both if a != b]
    ok = len(wanted) == len(found) and not differences
    received = f"{len(found)} layers, {len(differences)} differences ({listed(differences)})"
    fix = "build the model that the file was saved from"
    require(ok, where, f"the {len(wanted)} layers of the model that have weights", received, fix, error=WeightsError)
    return [(w, array) for (_, ours), (_, theirs) in zip(wanted, found, strict=True)
            for w, array in zip(ours, theirs, strict=True)]  # fmt: skip
