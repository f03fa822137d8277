"""CIFAR-10: 50,000 + 10,000 colour pictures of 32 x 32 pixels in 10 classes."""

import os
from collections.abc import Sequence

from .. import arguments
from .cifar_files import CIFAR10, MIRRORS, Split, load
from .download import addresses

__all__ = ["load_data"]


@arguments.checked("cifar10.load_data", mirrors=addresses)
def load_data(path: str | os.PathLike | None = None, *, mirrors: Sequence[str] = MIRRORS) -> tuple[Split, Split]:
    """(x_train uint8 (50000, 32, 32, 3), y_train uint8 (50000, 1)), (x_test (10000, 32, 32, 3), y_test (10000, 1)).

    The binary version, as .tar.gz or unpacked, is taken from the folder `path`; without one from $MINICNN_DATA/cifar10
    or $MINICNN_DATA, else the cache folder, else it is downloaded into it (170 MB). An archive's sha256 is checked.
    Raises MissingDataError, DataError.
    Differs from Keras: the binary version is read, which holds the same pictures in the same order, not the pickled
    one; `path` is ours; labels of both parts are uint8.
    """
    return load(CIFAR10, path, 0, mirrors)
