"""A whole model in one file, .minicnn: a safetensors file (container.py) whose note holds the rest as JSON.

    note       {"format": 1, "sha256": "...", "model": document}
    document   class_name   "Sequential"
               config       name, input_shape (of one sample), layers: each class_name, config, named
               dtype        of the weights: "float32" or "float64"
               compiled     optimizer, loss, metrics, weighted_metrics as class_name and config; null if never compiled
               training     seed, step, epoch: all of the random state; iterations: steps of the optimizer;
                            parameters: names of the weights it steps; slots: names of its state
    arrays     weights/LAYER/WEIGHT            every weight, moving averages too
               optimizer/SLOT/LAYER/WEIGHT     the optimizer's state

The digest covers the document (as JSON with sorted names and no spaces) and every array. Classes and functions of the
user's are marked "custom" or "function": they stand in the file by name alone.
"""

import json
import os
import re

import numpy as np

from .. import arguments
from ..errors import ArgumentError, DataError, require
from . import container
from .files import atomic_write

FORMAT = 1
SUFFIX, KERAS = ".minicnn", ".keras"
LEGACY = (".h5", ".hdf5", ".hdf")  # Keras 2's: legacy_h5.py


def write(path: str | os.PathLike, document: dict, arrays: dict[str, np.ndarray]) -> None:
    """Write a model atomically."""
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    note = {"format": FORMAT, "sha256": container.digest(arrays, _canonical(document)), "model": document}
    data = container.pack(arrays, note)
    with atomic_write(path) as file:
        file.write(data)


def read(path: str | os.PathLike) -> tuple[dict, dict[str, np.ndarray]]:
    """(document, arrays), with the digest checked; what the document says is not.

    Raises MissingDataError without the file, DataError for a file that is damaged or of another kind or version.
    """
    where = f"load_model {path}"
    note, arrays = container.unpack(path, where)
    version, document = note.get("format"), note.get("model")
    weights_alone = version is not None and document is None
    fix = "build the model and call load_weights on it" if weights_alone else "write it with model.save"
    require(
        version is not None and document is not None, where, "a whole model of minicnn's",
        "weights alone" if weights_alone else "another program's arrays", fix, error=DataError,
    )  # fmt: skip
    require(
        version == FORMAT, where, f"a model file of format {FORMAT}", f"format {version!r:.20}", "use a newer minicnn",
        error=DataError,
    )  # fmt: skip
    if not isinstance(document, dict):
        require(False, where, "a document", type(document).__name__, error=DataError)
    container.check_digest(where, note.get("sha256"), container.digest(arrays, _canonical(document)))
    return document, arrays


def _canonical(document: dict) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def checked(path: str | os.PathLike, where: str) -> str:
    """`path` as a string if it ends in .minicnn, .keras or .h5; else an ArgumentError that says what to use."""
    path = arguments.path(where, path)
    stem = re.sub(r"(\.weights)?\.[A-Za-z]\w*$", "", path)
    fix = f'use "{stem}{SUFFIX}"'
    if path.endswith((".safetensors", ".weights.h5")):
        fix += ", or save_weights and load_weights for weights alone"
    expected = f"a file name that ends in {SUFFIX}, or in {KERAS} or .h5 for Keras"
    ok = path.endswith((SUFFIX, KERAS, *LEGACY)) and not path.endswith(".weights.h5")
    require(ok, where, expected, repr(path), fix, error=ArgumentError)
    return path
