"""CIFAR's binary files: records of labels and a 32 x 32 picture, from a folder, a .tar.gz, the cache, or the network.

    CIFAR-10    <1 label><3072 pixels>               CIFAR-100    <1 coarse label><1 fine label><3072 pixels>

Pixels are three planes, red, green, blue, each row by row. The "python version" of the files is pickled, and not read.
Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images", and the page of the data set.
"""

import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import arguments
from ..errors import DataError, MissingDataError, require
from ..io.files import instead_of_folder
from . import cache
from .download import Limits, fetch

MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
PIXELS = 3 * 32 * 32
MOST_BYTES = 200_000_000

Split = tuple[np.ndarray, np.ndarray]


class Files(NamedTuple):
    """One of the two data sets.  train, test: its files and how many records each has."""

    name: str
    archive: str
    sha256: str  # of the archive
    folder: str  # in it
    train: dict[str, int]
    test: dict[str, int]
    classes: tuple[int, ...]  # how many each label byte counts


CIFAR10 = Files(
    "CIFAR-10", "cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    "cifar-10-batches-bin", {f"data_batch_{i}.bin": 10_000 for i in range(1, 6)}, {"test_batch.bin": 10_000}, (10,),
)  # fmt: skip
CIFAR100 = Files(
    "CIFAR-100", "cifar-100-binary.tar.gz", "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    "cifar-100-binary", {"train.bin": 50_000}, {"test.bin": 10_000}, (20, 100),
)  # fmt: skip


def load(files: Files, path: str | os.PathLike | None, column: int, mirrors: Sequence[str]) -> tuple[Split, Split]:
    """(x_train, y_train), (x_test, y_test).  column: which of the label bytes."""
    where = f"{files.name}: path"
    if path is not None:
        return _read(files, Path(arguments.path(where, path)), column)
    root = os.environ.get("MINICNN_DATA") and arguments.path("MINICNN_DATA", os.environ["MINICNN_DATA"])
    for folder in (Path(root, files.name.lower().replace("-", "")), Path(root)) if root else ():
        if _found(files, folder) is not None:
            return _read(files, folder, column)
    store = cache.folder()
    if store is not None and (_found(files, store / "cifar") is not None or cache.writable(store / "cifar")):
        return _downloaded(files, store / "cifar", column, mirrors)
    with tempfile.TemporaryDirectory(prefix="minicnn-") as folder:  # no cache: this time only
        return _downloaded(files, Path(folder), column, mirrors)


def _found(files: Files, folder: Path) -> Path | None:
    """The folder of the .bin files, or the archive."""
    names = [*files.train, *files.test]
    whole = [one for one in (folder, folder / files.folder) if all(os.path.exists(one / name) for name in names)]
    archive = folder / files.archive
    return whole[0] if whole else archive if os.path.exists(archive) else None


def _read(files: Files, folder: Path, column: int) -> tuple[Split, Split]:
    found = _found(files, folder)
    if found is None:
        pickled = os.path.exists(folder / files.folder.replace("-bin", "-py"))
        received = "the pickled python version" if pickled else instead_of_folder(folder)
        raise MissingDataError(
            f"{folder}: expected a folder with {files.archive}, or with {', '.join([*files.train, *files.test])}, "
            f"received {received}; put the binary version there, or give no path to have it downloaded"
        )
    if found.name == files.archive:
        _verify(files, found)
        raw = _unpacked(files, found)
    else:
        raw = {name: _bytes(found / name, files, n) for name, n in (files.train | files.test).items()}
    train, test = (_split(files, [raw[name] for name in part], folder, column) for part in (files.train, files.test))
    return train, test


def _size(files: Files, records: int) -> int:
    return records * (len(files.classes) + PIXELS)


def _bytes(path: Path, files: Files, records: int) -> bytes:
    size, wanted = os.path.getsize(path), _size(files, records)
    require(size == wanted, str(path), f"{wanted} bytes", size, "get the file again", error=DataError)
    return path.read_bytes()


def _unpacked(files: Files, archive: Path) -> dict[str, bytes]:
    """The .bin files of an archive, by names that we make; nothing is written to disk."""
    wanted = {f"{files.folder}/{name}": (name, n) for name, n in (files.train | files.test).items()}
    found = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name, records = wanted.get(member.name, (None, 0))
                stream = tar.extractfile(member) if name is not None and member.isfile() else None
                if stream is not None and member.size == _size(files, records):
                    found[name] = stream.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as cause:
        raise DataError(f"{archive}: expected a .tar.gz, received a damaged one ({cause}); get it again") from None
    lacking = [name for name, _ in wanted.values() if name not in found]
    require(not lacking, str(archive), f"{files.name}'s files", f"none of {', '.join(lacking)}", error=DataError)
    return found


def _split(files: Files, raw: list[bytes], folder: Path, column: int) -> Split:
    labels = len(files.classes)
    records = np.frombuffer(b"".join(raw), np.uint8).reshape(-1, labels + PIXELS)
    y, most = records[:, column : column + 1].copy(), files.classes[column]
    require(int(y.max()) < most, str(folder), f"labels below {most}", int(y.max()), "get it again", error=DataError)
    return np.ascontiguousarray(records[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), y


def _verify(files: Files, path: Path) -> None:
    """Raises DataError unless `path` is the archive, byte for byte."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    ok, expected = digest == files.sha256, f"{files.name}'s own archive, sha256 {files.sha256[:16]}..."
    require(ok, str(path), expected, f"{digest[:16]}...", "get it again", error=DataError)


def _downloaded(files: Files, folder: Path, column: int, mirrors: Sequence[str]) -> tuple[Split, Split]:
    try:
        return _read(files, folder, column)
    except (MissingDataError, DataError):
        target = folder / files.archive
        fetch(target, mirrors, lambda part: _verify(files, part), Limits(most_bytes=MOST_BYTES))
    return _read(files, folder, column)
