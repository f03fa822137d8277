"""Fashion-MNIST: 60,000 + 10,000 grey pictures of clothes, 28 x 28 pixels, 10 classes, in MNIST's format.

Source: Xiao, Rasul & Vollgraf 2017 (arXiv 1708.07747).
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .. import arguments
from ..errors import DataError, MissingDataError, require
from . import cache, mnist
from .download import Limits, addresses, fetch
from .idx import read_with_digest

__all__ = ["load_data"]

MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)
FILES = {  # name -> sha256 of the .gz
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
MOST_BYTES = 40_000_000


@arguments.checked("fashion_mnist.load_data", mirrors=addresses)
def load_data(
    path: str | os.PathLike | None = None, *, mirrors: Sequence[str] = MIRRORS
) -> tuple[mnist.Split, mnist.Split]:
    """(x_train uint8 (60000, 28, 28), y_train uint8 (60000,)), (x_test (10000, 28, 28), y_test (10000,)).

    The four IDX files, plain or .gz, are taken from the folder `path`; without one from $MINICNN_DATA/fashion-mnist or
    fashion_mnist, else the cache folder, else they are downloaded into it, where their sha256 is checked. MNIST's own
    files, which have the same names, are refused.
    Raises MissingDataError, DataError.
    Differs from Keras: `path` is ours.
    """
    if path is not None:
        return _read(Path(arguments.path("fashion_mnist.load_data: path", path)))
    root = os.environ.get("MINICNN_DATA") and arguments.path("MINICNN_DATA", os.environ["MINICNN_DATA"])
    for folder in (Path(root, "fashion-mnist"), Path(root, "fashion_mnist")) if root else ():
        if folder.exists():
            return _read(folder)
    store = cache.folder()
    if store is not None and cache.writable(store / "fashion-mnist"):
        return _downloaded(store / "fashion-mnist", mirrors)
    with tempfile.TemporaryDirectory(prefix="minicnn-") as folder:  # no cache: this time only
        return _downloaded(Path(folder), mirrors)


def _read(folder: Path) -> tuple[mnist.Split, mnist.Split]:
    found = mnist.load_idx(folder)
    name = "train-labels-idx1-ubyte"
    path = next(one for one in (folder / name, folder / f"{name}.gz") if one.exists())
    other = read_with_digest(path)[1] != mnist.FILES[name]
    require(other, str(folder), "Fashion-MNIST", "MNIST itself", "use mnist.load_data", error=DataError)
    return found


def _verify(path: Path, name: str) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    ok, expected = digest == FILES[name], f"Fashion-MNIST's {name}, sha256 {FILES[name][:16]}..."
    require(ok, str(path), expected, f"{digest[:16]}...", "get it again", error=DataError)


def _downloaded(folder: Path, mirrors: Sequence[str]) -> tuple[mnist.Split, mnist.Split]:
    for name in FILES:
        target = folder / name
        try:
            _verify(target, name)
        except (DataError, MissingDataError, OSError):
            fetch(target, mirrors, lambda part, name=name: _verify(part, name), Limits(most_bytes=MOST_BYTES))
    return _read(folder)
