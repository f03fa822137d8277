"""IDX files, plain or gzip: two zero bytes, a type, a rank, big-endian sizes, then the values.

Source: http://yann.lecun.com/exdb/mnist/ (LeCun, Cortes & Burges), "the IDX file format".
"""

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .. import arguments
from ..errors import DataError
from ..io.files import opened, unpacked

UINT8 = 0x08
MOST_BYTES = 1 << 30
CHUNK = 1 << 20


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """The array in one IDX file of unsigned bytes, with the rank and sizes that it declares.

    Raises MissingDataError, or DataError if magic number, declared sizes and actual size do not agree.
    """
    return read_with_digest(Path(arguments.path("read_idx", path)))[0]


def read_with_digest(path: Path) -> tuple[np.ndarray, str]:
    """The array and the sha256 (hex) of the whole uncompressed content."""
    missing, folder = "no such file; check the path", "a folder; give the file's own name"
    with opened(path, str(path), "an IDX file", missing, folder) as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        size = os.fstat(file.fileno()).st_size
        room = unpacked(size) if packed else size
        try:
            return _read(path, gzip.GzipFile(fileobj=file) if packed else file, min(room, MOST_BYTES))
        except EOFError:
            what = "a complete gzip file, received one that ends early"
        except (gzip.BadGzipFile, zlib.error):
            what = "an intact gzip file, received a damaged one"
    raise DataError(f"{path}: expected {what}; get it again")


def _read(path: Path, stream: Any, room: int) -> tuple[np.ndarray, str]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != UINT8 or not 1 <= magic[3] <= 4:
        received = f"0x{magic.hex()}" if magic else "an empty file"
        raise DataError(
            f"{path}: expected an IDX file of bytes (magic number 0x00000801 for labels, 0x00000803 for images), "
            f"received {received}; get it again"
        )
    sizes = stream.read(4 * magic[3])
    shape = tuple(int(size) for size in np.frombuffer(sizes[: len(sizes) // 4 * 4], ">u4"))
    count = math.prod(shape)
    span = math.prod(max(size, 1) for size in shape)  # which NumPy bounds also for an array without values
    if len(shape) == magic[3] and count <= room and span <= MOST_BYTES:  # before memory is taken
        values: Any = np.empty(count, np.uint8)
        got = _fill(stream, memoryview(values))
        if got == count and not stream.read(1):
            digest = hashlib.sha256(magic + sizes)
            digest.update(values)
            return values.reshape(shape), digest.hexdigest()
        received = f"{got}" if got < count else "more"
    else:
        empty = count == 0 and span > MOST_BYTES
        received = f"sizes beyond {MOST_BYTES}" if empty else f"a file that holds {room} at most"
    raise DataError(
        f"{path}: expected {count} bytes of values as its header {shape} declares, received {received}; get it again"
    )


def _fill(stream: Any, target: memoryview) -> int:
    """Read until `target` is full or the stream ends; how much was read."""
    got = 0
    while got < len(target) and (count := stream.readinto(target[got : got + CHUNK])):
        got += count
    return got
