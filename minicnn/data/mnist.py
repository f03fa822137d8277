"""MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 pixels, from a folder, the cache, or the network.

Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition".
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import arguments
from ..errors import ArgumentTypeError, DataError, MissingDataError, require
from ..io.files import instead_of_folder
from . import cache
from .download import Limits, addresses, fetch
from .idx import read_idx, read_with_digest

__all__ = ["FILES", "MIRRORS", "load_data", "load_idx", "read_idx"]

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
FILES = {  # name -> sha256 of the uncompressed bytes; the gzip headers differ between mirrors
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MOST_BYTES = 20_000_000  # the largest .gz has 9,912,422

Split = tuple[np.ndarray, np.ndarray]


def _digests(where: str, value) -> dict[str, str] | None:
    ok = value is None or (isinstance(value, dict) and all(isinstance(value.get(name), str) for name in FILES))
    expected = f"None, or a dict from each of {', '.join(FILES)} to its sha256"
    require(ok, where, expected, arguments.shown(value), error=ArgumentTypeError)
    return value


@arguments.checked("mnist.load_data", mirrors=addresses)
def load_data(path: str | os.PathLike | None = None, *, mirrors: Sequence[str] = MIRRORS) -> tuple[Split, Split]:
    """(x_train uint8 (60000, 28, 28), y_train uint8 (60000,)), (x_test (10000, 28, 28), y_test (10000,)).

    The four IDX files, plain or .gz, are taken from the folder `path`; without one from $MINICNN_DATA/mnist or
    $MINICNN_DATA, else the cache folder, else they are downloaded into it. Their sha256 is checked wherever they lie.
    Raises MissingDataError, DataError.
    Differs from Keras: `path` is a folder with the IDX files, not the name of an .npz file.
    """
    if path is not None:
        return load_idx(path, digests=FILES)
    root = os.environ.get("MINICNN_DATA") and arguments.path("MINICNN_DATA", os.environ["MINICNN_DATA"])
    for folder in (Path(root, "mnist"), Path(root)) if root else ():
        if all(_file(folder, name) for name in FILES):
            return load_idx(folder, digests=FILES)
    store = cache.folder()
    if store is not None and (all(_file(store / "mnist", name) for name in FILES) or cache.writable(store / "mnist")):
        return _downloaded(store / "mnist", mirrors)
    with tempfile.TemporaryDirectory(prefix="minicnn-") as folder:  # no cache: this time only
        return _downloaded(Path(folder), mirrors)


@arguments.checked("load_idx", digests=_digests)
def load_idx(folder: str | os.PathLike, *, digests: dict[str, str] | None = None) -> tuple[Split, Split]:
    """The four files of `folder` as they are: (x_train, y_train), (x_test, y_test); uint8.

    digests  file name -> sha256 of the uncompressed bytes, checked if given (without, any data set in MNIST's format)
    """
    folder, arrays = Path(arguments.path("load_idx: folder", folder)), []
    for name in FILES:
        path = _file(folder, name)
        if path is None:
            received = instead_of_folder(folder)
            raise MissingDataError(
                f"{folder}: expected a folder with {name} or {name}.gz, received {received}; put MNIST's four files "
                "there, or give no path to have them downloaded"
            )
        array, digest = read_with_digest(path)
        if digests and digest != digests[name]:
            raise DataError(
                f"{path}: expected MNIST's own file, sha256 {digests[name][:16]}..., received {digest[:16]}...; get it "
                f"again, or read another data set with load_idx"
            )
        _check_rank(path, array, 3 if "images" in name else 1)
        arrays.append(array)
    for x, y, kind in ((*arrays[:2], "train"), (*arrays[2:], "t10k")):
        if len(x) != len(y):
            raise DataError(
                f"{folder}: expected as many {kind} labels as images, received {len(x)} images and {len(y)} labels; "
                "get both files from one place"
            )
    return (arrays[0], arrays[1]), (arrays[2], arrays[3])


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / (name + ".gz")) if os.path.exists(path)), None)


def _check_rank(path: Path, array: np.ndarray, rank: int) -> None:
    if array.ndim != rank:
        raise DataError(f"{path}: expected an array of rank {rank}, received {array.shape}; is the file's name right?")


def _verify(path: Path, name: str) -> None:
    """Raises DataError unless `path` holds the file `name`, byte for byte when uncompressed."""
    if read_with_digest(path)[1] != FILES[name]:
        raise DataError(f"{path}: expected MNIST's {name}, received other bytes; get it again")


def _downloaded(folder: Path, mirrors: Sequence[str]) -> tuple[Split, Split]:
    """The files of our own folder; those that are missing or damaged are fetched."""
    try:
        return load_idx(folder, digests=FILES)
    except (MissingDataError, DataError):
        for name in FILES:
            target = folder / (name + ".gz")
            try:
                _verify(target, name)
            except (MissingDataError, DataError):
                fetch(target, mirrors, lambda part, name=name: _verify(part, name), Limits(most_bytes=MOST_BYTES))
    return load_idx(folder, digests=FILES)
