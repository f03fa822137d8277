"""The user's cache folder: arrays that are quicker to load than to make again. It may be deleted at any time.

An entry is a plain .npy file followed by 32 bytes, the sha256 of the array's bytes; np.load reads it too.
Nothing here raises for want of a cache: without write access everything works, only not as fast.
"""

import hashlib
import io
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np

from .. import arguments
from ..errors import ArgumentError, DataError
from ..io.files import atomic_write, opened

DIGEST_SIZE = 32  # bytes


def folder() -> Path | None:
    """$MINICNN_CACHE, else "minicnn" in the platform's cache folder; None without a home. It need not exist."""
    if os.environ.get("MINICNN_CACHE"):
        return Path(arguments.path("MINICNN_CACHE", os.environ["MINICNN_CACHE"]))
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # Path.home() found none
        return None
    return base / "minicnn"


def load(name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """The entry `name`, of this type and of shape (any, *shape); None if it is missing, damaged or something else.

    The file's declared size is compared with its real one before memory is taken.
    """
    if (root := folder()) is None:
        return None
    kind = np.dtype(dtype)
    try:
        with opened(root / name, name) as file:
            size, start = os.fstat(file.fileno()).st_size, file.read(10)
            left = size - len(start) - int.from_bytes(start[8:], "little") - DIGEST_SIZE
            declared = (left // (math.prod(shape) * kind.itemsize), *shape)
            head = _head(declared, kind)  # compared, not parsed: the parser is made for more than our own files
            if left < 0 or start + file.read(len(head) - len(start)) != head:
                return None
            array = np.empty(declared, kind)
            values, stream = memoryview(cast(Any, array.reshape(-1))), cast(io.BufferedIOBase, file)
            whole = stream.readinto(values.cast("B")) == array.nbytes if array.size else True
            return array if whole and file.read() == hashlib.sha256(cast(Any, array)).digest() else None
    except (OSError, DataError):  # not there, not readable
        return None


def _head(shape: tuple[int, ...], kind: np.dtype) -> bytes:
    """What a .npy file of such an array begins with."""
    head = io.BytesIO()
    what = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, what)
    return head.getvalue()


def store(name: str, array: np.ndarray) -> bool:
    """Keep `array` as `name`; False if the folder cannot be written, which is no error."""
    array = np.ascontiguousarray(array)
    if (root := folder()) is None:
        return False
    try:
        with atomic_write(root / name) as file:
            np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
            file.write(hashlib.sha256(cast(Any, array)).digest())
    except (OSError, ArgumentError):  # a full disk, no permission, a folder of that name
        return False
    return True


def writable(directory: Path) -> bool:
    """Whether files can be made in `directory`, which is made if need be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False
