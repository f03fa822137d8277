"""The user's cache folder: arrays that are quicker to load than to make again. It may be deleted at any time.

An entry is a plain .npy file followed by 32 bytes, the sha256 of the array's bytes; np.load reads it too.
Nothing here raises for want of a cache: without write access everything works, only not as fast.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

DIGEST_SIZE = 32  # bytes


def folder() -> Path | None:
    """$MINICNN_CACHE, else "minicnn" in the platform's cache folder; None without a home. It need not exist."""
    if os.environ.get("MINICNN_CACHE"):
        return Path(os.environ["MINICNN_CACHE"])
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
    try:
        with open(root / name, "rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                return None
            declared, fortran, kind = np.lib.format.read_array_header_1_0(file)
            length = declared[0] if declared else -1
            if fortran or kind != np.dtype(dtype) or declared != (length, *shape):
                return None
            rest = os.fstat(file.fileno()).st_size - file.tell()
            if rest != int(np.prod(declared, dtype=object)) * kind.itemsize + DIGEST_SIZE:
                return None
            array = np.empty(declared, kind)
            whole = file.readinto(memoryview(array).cast("B")) == array.nbytes
            return array if whole and file.read() == hashlib.sha256(array).digest() else None
    except (OSError, ValueError, TypeError):  # not there, not readable, not a .npy header
        return None


def store(name: str, array: np.ndarray) -> bool:
    """Keep `array` as `name`; False if the folder cannot be written, which is no error."""
    array = np.ascontiguousarray(array)

    def write(file: BinaryIO) -> None:
        np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
        file.write(hashlib.sha256(array).digest())

    if (root := folder()) is None:
        return False
    try:
        root.mkdir(parents=True, exist_ok=True)
        write_atomically(root / name, write)
    except OSError:
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


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """`write(file)` to a temporary file in the same folder, flush, fsync, rename: `path` is old or new, never half."""
    with _temporary(path) as (file, temporary):
        write(file)
        file.flush()
        os.fsync(file.fileno())
        file.close()  # Windows renames closed files only
        os.replace(temporary, path)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[BinaryIO, str]]:
    descriptor, temporary = tempfile.mkstemp(prefix=path.name + ".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, temporary
    finally:
        with contextlib.suppress(OSError):  # after the rename there is nothing left to remove
            os.unlink(temporary)
