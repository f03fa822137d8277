"""The weights of a model, alone, in one safetensors file.

Names are "layer/weight", such as "conv2d/kernel". Our metadata is {"format": 1, "sha256": "..."}, with the digest of
container.py. `load_weights` also reads Keras's .weights.h5 and .keras (keras_files.py), and Keras 2's .h5
(legacy_h5.py).
"""

import os
import re
from typing import Any

import numpy as np

from .. import arguments
from ..arguments import flag
from ..errors import ArgumentError, ArgumentTypeError, DataError, WeightsError, require
from . import container, keras_files, legacy_h5
from .container import description, digest, listed
from .files import atomic_write

FORMAT = 1
SUFFIX, KERAS = ".safetensors", ".weights.h5"


def _model(where: str, value: Any) -> Any:
    require(hasattr(value, "weights"), where, "a model", arguments.shown(value), error=ArgumentTypeError)
    return value


@arguments.checked("save_weights", model=_model, overwrite=flag)
def save_weights(model: Any, path: str | os.PathLike, overwrite: bool = True) -> None:
    """Write every weight of `model`, and the digest of all of them, atomically.

    Raises ArgumentError for another suffix or, without `overwrite`, for a file that exists; WeightsError for a model
    without weights or with two of one name.
    Differs from Keras: overwrite=False does not ask on the terminal.
    """
    path = checked(path)
    free = overwrite or not os.path.exists(path)
    require(free, "save_weights", "a new file name", repr(path), "say overwrite=True", error=ArgumentError)
    if path.endswith(KERAS):
        return keras_files.save_weights(model, path)
    if path.endswith(legacy_h5.ENDINGS):
        return legacy_h5.save_weights(model, path)
    arrays = {weight.path: np.asarray(weight.numpy(), order="C") for weight in model.weights}
    where = f"save_weights {path}"
    require(len(arrays) > 0, where, "a model with weights", "none", "build it: give it an Input", error=WeightsError)
    require(
        len(arrays) == len(model.weights), where, "one name per weight",
        f"{len(model.weights)} weights with {len(arrays)} names", "name the layers differently", error=WeightsError,
    )  # fmt: skip
    data = container.pack(arrays, {"format": FORMAT, "sha256": digest(arrays)})
    with atomic_write(path) as file:
        file.write(data)


@arguments.checked("load_weights", model=_model)
def load_weights(model: Any, path: str | os.PathLike) -> None:
    """Read weights into `model`. Names, shapes, types and the digest are checked before the first one is changed.

    Raises ArgumentError for another suffix, MissingDataError without the file, DataError for a file that is damaged or
    not minicnn's, WeightsError (both sides listed) when it holds another model's weights.
    """
    given = arguments.path("weights: path", path)
    path = given if given.endswith(".keras") else _checked(path, ", .keras")
    if path.endswith((KERAS, ".keras")):
        return keras_files.load_weights(model, path)
    if path.endswith(legacy_h5.ENDINGS):
        return legacy_h5.load_weights(model, path)
    arrays = read(path)
    have = {weight.path: description(weight.numpy()) for weight in model.weights}
    found = {name: description(array) for name, array in arrays.items()}
    differences = [
        f"{name}: model {have.get(name, 'none')}, file {found.get(name, 'none')}"
        for name in [*have, *(name for name in found if name not in have)]
        if have.get(name) != found.get(name)
    ]
    require(
        not differences, f"load_weights {path}", f"the {len(have)} weights of the model",
        f"{len(found)} weights of which {len(differences)} differ ({listed(differences)})",
        "build the model that the file was saved from", error=WeightsError,
    )  # fmt: skip
    for weight in model.weights:
        weight.assign(arrays[weight.path])


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a weights file, name -> array, verified. Raises MissingDataError or DataError."""
    where = f"weights {path}"
    note, arrays = container.unpack(path, where)
    version = note.get("format")
    require("model" not in note, where, "weights alone", "a whole model", "use minicnn.load_model", error=DataError)
    require(
        version == FORMAT, where, f"minicnn weights of format {FORMAT}", f"format {version}" if version else "none",
        "use a newer minicnn" if isinstance(version, int) else "write it with minicnn.io.save_weights", error=DataError,
    )  # fmt: skip
    container.check_digest(where, note.get("sha256"), digest(arrays))
    return arrays


def checked(path: str | os.PathLike) -> str:
    """`path` as a string if its suffix is one of ours; else an ArgumentError that says which to use."""
    return _checked(path)


def _checked(path: str | os.PathLike, more: str = "") -> str:
    """The same; `more` is what else may be read."""
    path = arguments.path("weights: path", path)
    expected = f"a file name that ends in {SUFFIX}, or in {KERAS}{more} or .h5 for Keras"
    stem = re.sub(r"(\.weights)?\.[A-Za-z]\w*$", "", path)
    whole = ', or save(...) and minicnn.load_model for a whole model' if path.endswith((".minicnn", ".keras")) else ""
    ok = path.endswith((SUFFIX, KERAS, *legacy_h5.ENDINGS))
    require(ok, "weights: path", expected, repr(path), f'use "{stem}{SUFFIX}"{whole}', error=ArgumentError)
    return path
