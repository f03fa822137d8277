"""safetensors files: arrays, and a note about them in the metadata.

    8 bytes    length n of the header, little-endian
    n bytes    JSON: name -> dtype, shape, place; and {"__metadata__": {"minicnn": our note, as JSON text}}
    the rest   the arrays, back to back

Any safetensors reader (Netron, PyTorch) can open it. It holds no code, and it cannot ask for more memory than it has
bytes. The note states a format version and the sha256 of everything that matters.
Source: the safetensors format, https://github.com/huggingface/safetensors (README, "Format").
"""

import hashlib
import json
import os
from collections.abc import Mapping

import numpy as np

from ..errors import DataError, require
from . import strict_json
from .files import opened

HEADER_LIMIT = 16_000_000  # bytes


def pack(arrays: Mapping[str, np.ndarray], note: dict) -> bytes:
    """The file's bytes. Equal arrays and notes are equal bytes."""
    from safetensors.numpy import save

    # One metadata key: the package writes several in a random order.
    return save(dict(arrays), {"minicnn": json.dumps(note, allow_nan=False)})


def unpack(path: str | os.PathLike, where: str) -> tuple[dict, dict[str, np.ndarray]]:
    """(note, arrays) of a file; the note is {} where there is none of ours, its digest is not yet checked.

    Raises MissingDataError without the file, DataError for one that is damaged or of another kind.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    with opened(path, where) as file:
        size = os.fstat(file.fileno()).st_size
        declared = int.from_bytes(file.read(8), "little")
        require(  # before reading: a wrong length must not cost memory
            2 <= declared <= min(size - 8, HEADER_LIMIT), where, "a safetensors file",
            f"{size} bytes that declare a header of {declared}",
            "it is damaged, incomplete or of another kind: copy it again", error=DataError,
        )  # fmt: skip
        try:
            header = strict_json.parse(file.read(declared))
            text = header.get("__metadata__", {}).get("minicnn", "{}")
            note = strict_json.parse(text)
            note.get("format")  # a note is an object
            if json.dumps(note) != text:  # 1e-05 as 1E-05, a flipped bit: the same number, but not what was written
                raise ValueError("its note is not as it was written")
            file.seek(0)
            arrays = load(file.read())
        except (SafetensorError, ValueError, AttributeError, TypeError, KeyError) as cause:
            reason = " ".join(str(cause).split())[:120]
            raise DataError(
                f"{where}: expected a complete safetensors file, received one that cannot be read ({reason}); "
                "copy it again"
            ) from None
    return note, arrays


def digest(arrays: Mapping[str, np.ndarray], text: str = "") -> str:
    """sha256, in hexadecimal, over `text`, then the arrays in the order of their names.

    Of each array: a line "name dtype shape", and its little-endian bytes.
    """
    total = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return total.hexdigest()


def check_digest(where: str, stated: object, actual: str) -> None:
    require(
        actual == stated, where, f"the digest {str(stated)[:12]} that the file states", actual[:12],
        "it was changed or damaged: copy it again", error=DataError,
    )  # fmt: skip


def description(array: np.ndarray) -> str:
    return f"{tuple(array.shape)} {array.dtype.name}"


def listed(items: list[str], most: int = 4) -> str:
    return "; ".join(items[:most]) + (f"; and {len(items) - most} more" if len(items) > most else "")
