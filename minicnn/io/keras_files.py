"""Keras 3's files: .weights.h5 (HDF5) and .keras (a ZIP of config.json, metadata.json and model.weights.h5).

    layers/conv2d/vars/0, 1       kernel, bias; the second layer of a class is conv2d_1, whatever its name
    layers/batch_normalization/vars/0 to 3      gamma, beta, moving mean, moving variance
    optimizer/vars/0, 1, 2, ...   iterations, learning rate, then the slots

Nothing is unpacked to disk, and no name or path of a file is used: what is read is asked for by names that we make.
Members and data sets are compared with the model and with the file's own length before memory is taken.
Source: Keras 3, saving/saving_lib.py and optimizers/*.py.
"""

import contextlib
import errno
import io
import json
import math
import os
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np

from ..errors import DataError, MinicnnError, WeightsError, require
from . import hdf5, keras_config, strict_json
from .container import listed
from .files import atomic_write, opened

JSON_LIMIT = 10_000_000  # bytes
MOST_MEMBERS, END_LIMIT = 1_000, 1 << 17  # of a ZIP; bytes of its list of members, and of its end
WEIGHTS, CONFIG, METADATA = "model.weights.h5", "config.json", "metadata.json"
KERAS_VERSION = "3.8.0"  # whose files these are; no later one reads them differently


def groups(layers: Iterable[Any]) -> list[str]:
    """Keras's name for each layer, which counts classes: conv2d, max_pooling2d, conv2d_1, ..."""
    counts: Counter[str] = Counter()
    names = []
    for layer in layers:
        n = counts[layer.kind]
        counts[layer.kind] += 1
        names.append(f"{layer.kind}_{n}" if n else layer.kind)
    return names


def placed(layers: Iterable[Any]) -> list[tuple[str, Any]]:
    """(Keras's name, layer) of every layer, of those in models "functional/layers/conv2d"; each layer once."""
    layers, found = list(layers), []
    for name, layer in zip(groups(layers), layers, strict=True):
        inner = getattr(layer, "layers", None)
        found += [(name, layer)] if inner is None else [(f"{name}/layers/{n}", one) for n, one in placed(inner)]
    return list({id(layer): (name, layer) for name, layer in reversed(found)}.values())[::-1]


# writing --------------------------------------------------------------------------------------------------------------


def save_weights(model: Any, path: str) -> None:
    """Write the weights of a built model as .weights.h5, atomically."""
    where = f"save_weights {path}"
    built = len(model.weights) > 0
    require(built, where, "a model with weights", "none", "build it: give it an Input", error=WeightsError)
    data = _weights_bytes(model.layers, None, None)
    with atomic_write(path) as file:
        file.write(data)


def save_model(path: str, document: dict, layers: list[Any], state: dict | None) -> None:
    """Write a .keras file, atomically.  state: the optimizer's iterations, slots and count of parameters, or None."""
    config = keras_config.from_document(document)
    members = {
        METADATA: json.dumps({"keras_version": KERAS_VERSION, "made_by": "minicnn"}),
        CONFIG: json.dumps(config, allow_nan=False),
        WEIGHTS: _weights_bytes(layers, state, config["compile_config"] and config["compile_config"]["optimizer"]),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # of 1980: equal models are equal bytes
    with atomic_write(path) as file:
        file.write(packed.getbuffer())


def _weights_bytes(layers: list[Any], state: dict | None, optimizer: dict | None) -> bytes:
    buffer = io.BytesIO()
    with hdf5.h5py().File(buffer, "w") as file:
        for name, layer in placed(layers):
            target = file.create_group(f"layers/{name}/vars")
            target.attrs["name"] = layer.name
            for i, weight in enumerate(layer.weights):
                target.create_dataset(str(i), data=weight.numpy())
        file.create_group("vars")
        if state is not None and optimizer is not None:
            target = file.create_group("optimizer/vars")
            for i, value in enumerate(optimizer_values(state, optimizer)):
                target.create_dataset(str(i), data=value)
    return buffer.getvalue()


def optimizer_values(state: dict, optimizer: dict) -> list:
    kind, config, slots = optimizer["class_name"], optimizer["config"], state["slots"]
    values: list[np.ndarray | np.generic] = [np.int32(state["iterations"])]
    if not isinstance(config["learning_rate"], dict):  # the rate of a schedule is no variable
        values.append(np.float32(config["learning_rate"]))
    if kind == "Adafactor":  # rows and columns without the axis along which they are the same
        common = {slot: values for slot, values in slots.items() if (slot,) in hdf5.COMMON}
        values += [common[slot][i] for slot, i in hdf5.order(kind, common, state["count"])]
        for r, c, v in zip(slots["r"], slots["c"], slots["v"], strict=True):
            values += [r[..., 0], c[..., 0, :], v] if v.ndim > 1 else [v]
        return values
    values += [slots[slot][i] for slot, i in hdf5.order(kind, slots, state["count"])]
    if kind == "Nadam":  # the product of its momenta so far, which minicnn computes from the step
        momenta = (config["beta_1"] * (1 - 0.5 * 0.96**t) for t in range(1, min(state["iterations"], 10**5) + 1))
        values.append(np.float32(math.prod(momenta)))
    return values


# reading --------------------------------------------------------------------------------------------------------------


def load_weights(model: Any, path: str) -> None:
    """Read a .weights.h5, or a .keras file's, into a built model; all is checked before the first weight changes."""
    with (open_model if path.endswith(".keras") else open_weights)(path) as file:
        wanted = [(name, i, weight) for name, layer in placed(model.layers)
                  for i, weight in enumerate(layer.weights)]  # fmt: skip
        differences = [d for name, i, w in wanted if (d := file.difference(name, i, w.shape, w.dtype, w.path))]
        differences += file.others(Counter(name for name, _, _ in wanted))
        require(
            not differences, file.where, f"the {len(wanted)} weights of the model",
            f"{file.count()} weights and {len(differences)} differences ({listed(differences)})",
            "build the model that the file was saved from", error=WeightsError,
        )  # fmt: skip
        values = [file.weight(name, i, w.shape, w.dtype, w.path) for name, i, w in wanted]
    for (_, _, weight), value in zip(wanted, values, strict=True):
        weight.assign(value)


@contextlib.contextmanager
def open_weights(path: str) -> Iterator[hdf5.Weights]:
    where = f"load_weights {path}"
    with opened(path, where) as file, hdf5.weights(file, os.fstat(file.fileno()).st_size, where) as found:
        yield found


@contextlib.contextmanager
def open_model(path: str) -> Iterator[hdf5.Weights]:
    """The weights of a .keras file, with its config.json as `config`."""
    where = f"load_model {path}"
    hdf5.h5py()
    with opened(path, where) as file:
        size = os.fstat(file.fileno()).st_size
        _check_end(file, size, where)
        try:
            with zipfile.ZipFile(file) as archive:
                config = strict_json.parse(_member(archive, CONFIG, JSON_LIMIT, size, where))
                data = _member(archive, WEIGHTS, size, size, where)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, OSError) as cause:
            disk = isinstance(cause, OSError) and cause.errno != errno.EINVAL  # EINVAL: sent to a place before the file
            if isinstance(cause, MinicnnError) or disk:
                raise
            raise DataError(
                f"{where}: expected a complete .keras file, received one that cannot be read ({str(cause)[:120]}); "
                "copy it again"
            ) from None
    with hdf5.weights(io.BytesIO(data), len(data), where) as found:
        found.config = config
        yield found


def _check_end(file: IO[bytes], size: int, where: str) -> None:
    """Refuse a directory that is too long for the few members of a .keras file: it would be read as a whole."""
    file.seek(max(size - END_LIMIT, 0))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    members, length = struct.unpack("<HL", tail[at + 10 : at + 16]) if 0 <= at <= len(tail) - 16 else (0, 0)
    far = b"PK\6\7" in tail[max(at - 20, 0) : max(at, 0)] and size < 1 << 32  # a second end record, of larger numbers
    few = members <= MOST_MEMBERS and length <= END_LIMIT and not far
    received = f"{members} members, listed in {length} bytes" + (" and once more" if far else "")
    require(few, where, f"a .keras file of at most {MOST_MEMBERS} members", received, "save it again with Keras",
            error=DataError)  # fmt: skip
    file.seek(0)


def _member(archive: zipfile.ZipFile, name: str, limit: int, size: int, where: str) -> bytes:
    """A member's bytes. Keras stores them as they are: one that declares to be compressed may be a bomb."""
    found = [info for info in archive.infolist() if info.filename == name]
    require(len(found) == 1, where, f"one member {name}", f"{len(found)}", "save it with Keras 3", error=DataError)
    info = found[0]
    stored = info.compress_type == zipfile.ZIP_STORED and info.file_size == info.compress_size <= size
    fix = "save it again with Keras"
    require(stored, where, f"{name} stored, not compressed", f"{info.file_size} bytes in {info.compress_size}", fix,
            error=DataError)  # fmt: skip
    require(info.file_size <= limit, where, f"{name} of at most {limit} bytes", info.file_size, error=DataError)
    return archive.read(info)
