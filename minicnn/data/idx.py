"""IDX files, plain or gzip: two zero bytes, a type, a rank, big-endian sizes, then the values.

Source: http://yann.lecun.com/exdb/mnist/ (LeCun, Cortes & Burges), "the IDX file format".
"""

import gzip
import hashlib
import math
import os
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import DataError, MissingDataError

UINT8 = 0x08
MOST_BYTES = 1 << 30
DEFLATE_RATIO = 1032  # the most that one byte of gzip can unpack to
CHUNK = 1 << 20


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """The array in one IDX file of unsigned bytes, with the rank and sizes that it declares.

    Raises MissingDataError, or DataError if magic number, declared sizes and actual size do not agree.
    """
    return read_with_digest(Path(path))[0]


def read_with_digest(path: Path) -> tuple[np.ndarray, str]:
    """The array and the sha256 (hex) of the whole uncompressed content."""
    if path.is_dir():
        raise DataError(f"{path}: expected an IDX file, received a folder; give the file's own name")
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            room = os.fstat(file.fileno()).st_size * (DEFLATE_RATIO if packed else 1)
            return _read(path, gzip.GzipFile(fileobj=file) if packed else file, min(room, MOST_BYTES))
    except FileNotFoundError:
        raise MissingDataError(f"{path}: expected an IDX file, received no such file; check the path") from None
    except EOFError:
        raise DataError(f"{path}: expected a complete gzip file, received one that ends early; get it again") from None
    except (gzip.BadGzipFile, zlib.error):
        raise DataError(f"{path}: expected an intact gzip file, received a damaged one; get it again") from None
    except OSError as cause:
        raise DataError(
            f'{path}: expected a file that can be read, received "{cause.strerror}"; check its permissions'
        ) from None


def _read(path: Path, stream: BinaryIO, room: int) -> tuple[np.ndarray, str]:
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
    if len(shape) == magic[3] and count <= room:  # before memory is taken
        values = np.empty(count, np.uint8)
        got = _fill(stream, memoryview(values))
        if got == count and not stream.read(1):
            digest = hashlib.sha256(magic + sizes)
            digest.update(values)
            return values.reshape(shape), digest.hexdigest()
        received = f"{got}" if got < count else "more"
    else:
        received = f"a file that holds {room} at most"
    raise DataError(
        f"{path}: expected {count} bytes of values as its header {shape} declares, received {received}; get it again"
    )


def _fill(stream: BinaryIO, target: memoryview) -> int:
    """Read until `target` is full or the stream ends; how much was read."""
    got = 0
    while got < len(target) and (count := stream.readinto(target[got : got + CHUNK])):
        got += count
    return got
