"""The weights of a model, alone, in one safetensors file.

    8 bytes    length n of the header
    n bytes    JSON: name -> dtype, shape, place; and our metadata {"format": 1, "sha256": "..."}
    the rest   the arrays, back to back

Names are "layer/weight", such as "conv2d/kernel"; any safetensors reader (Netron, PyTorch) can open the file. It holds
no code, and a file cannot ask for more memory than it has bytes.
Source: the safetensors format, https://github.com/huggingface/safetensors (README, "Format").
"""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError, DataError, MissingDataError, WeightsError, require
from .files import atomic_write

FORMAT = 1
SUFFIX = ".safetensors"
HEADER_LIMIT = 100_000_000  # bytes, the format's own limit


def save_weights(model: Any, path: str | os.PathLike, overwrite: bool = True) -> None:
    """Write every weight of `model`, and the digest of all of them, atomically.

    Raises ArgumentError for another suffix or, without `overwrite`, for a file that exists; WeightsError for a model
    without weights or with two of one name.
    Differs from Keras: overwrite=False does not ask on the terminal.
    """
    path = checked(path)
    free = overwrite or not os.path.exists(path)
    require(free, "save_weights", "a new file name", repr(path), "say overwrite=True", error=ArgumentError)
    arrays = {weight.path: np.ascontiguousarray(weight.numpy()) for weight in model.weights}
    where = f"save_weights {path}"
    require(len(arrays) > 0, where, "a model with weights", "none", "build it: give it an Input", error=WeightsError)
    require(
        len(arrays) == len(model.weights), where, "one name per weight",
        f"{len(model.weights)} weights with {len(arrays)} names", "name the layers differently", error=WeightsError,
    )  # fmt: skip
    from safetensors.numpy import save

    # One metadata key: the package writes several in a random order, and equal weights should be equal bytes.
    data = save(arrays, {"minicnn": json.dumps({"format": FORMAT, "sha256": digest(arrays)})})
    with atomic_write(path) as file:
        file.write(data)


def load_weights(model: Any, path: str | os.PathLike) -> None:
    """Read weights into `model`. Names, shapes, types and the digest are checked before the first one is changed.

    Raises ArgumentError for another suffix, MissingDataError without the file, DataError for a file that is damaged or
    not minicnn's, WeightsError (both sides listed) when it holds another model's weights.
    """
    path = checked(path)
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
    where = f"weights {os.fspath(path)}"
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            declared = int.from_bytes(file.read(8), "little")
            require(  # before reading: a wrong length must not cost memory
                2 <= declared <= min(size - 8, HEADER_LIMIT), where, "a safetensors file",
                f"{size} bytes that declare a header of {declared}",
                "it is damaged, incomplete or of another kind: copy it again", error=DataError,
            )  # fmt: skip
            header = file.read(declared)
            file.seek(0)
            data = file.read()
    except FileNotFoundError:
        raise MissingDataError(f"{where}: expected a file, received none") from None
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        note = json.loads(json.loads(header).get("__metadata__", {}).get("minicnn", "{}"))
        version, expected = note.get("format"), note.get("sha256")
        arrays = load(data)
    except (SafetensorError, ValueError, AttributeError, TypeError, RecursionError, KeyError) as cause:
        reason = " ".join(str(cause).split())[:120]
        raise DataError(
            f"{where}: expected a complete safetensors file, received one that cannot be read ({reason}); copy it again"
        ) from None
    require(
        version == FORMAT, where, f"minicnn weights of format {FORMAT}", f"format {version}" if version else "none",
        "use a newer minicnn" if isinstance(version, int) else "write it with minicnn.io.save_weights", error=DataError,
    )  # fmt: skip
    actual = digest(arrays)
    require(
        actual == expected, where, f"the digest {str(expected)[:12]} that the file states", actual[:12],
        "it was changed or damaged: copy it again", error=DataError,
    )  # fmt: skip
    return arrays


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """sha256, in hexadecimal, over the weights in the order of their names: name, dtype, shape, little-endian bytes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return total.hexdigest()


def checked(path: str | os.PathLike) -> str:
    """`path` as a string if its suffix is ours; else an ArgumentError that says which to use."""
    path = os.fspath(path)
    stem, suffix = os.path.splitext(path)
    require(
        suffix == SUFFIX, "weights", f"a file name that ends in {SUFFIX}", repr(path), f'use "{stem}{SUFFIX}"',
        error=ArgumentError,
    )  # fmt: skip
    return path


def description(array: np.ndarray) -> str:
    return f"{tuple(array.shape)} {array.dtype.name}"


def listed(items: list[str], most: int = 4) -> str:
    return "; ".join(items[:most]) + (f"; and {len(items) - most} more" if len(items) > most else "")
