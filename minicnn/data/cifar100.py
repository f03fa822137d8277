"""CIFAR-100: 50,000 + 10,000 colour pictures of 32 x 32 pixels in 100 classes, or 20 that gather them."""

import os
from collections.abc import Sequence

from .. import arguments
from .cifar_files import CIFAR100, MIRRORS, Split, load
from .download import addresses

__all__ = ["load_data"]


@arguments.checked(
    "cifar100.load_data", mirrors=addresses,
    label_mode=lambda where, value: arguments.choice(where, value, ("fine", "coarse")),
)  # fmt: skip
def load_data(
    label_mode: str = "fine", path: str | os.PathLike | None = None, *, mirrors: Sequence[str] = MIRRORS
) -> tuple[Split, Split]:
    """(x_train uint8 (50000, 32, 32, 3), y_train uint8 (50000, 1)), (x_test (10000, 32, 32, 3), y_test (10000, 1)).

    label_mode: "fine", of 100 classes, or "coarse", of 20.  `path`, and where the files are looked for: as cifar10's,
    with $MINICNN_DATA/cifar100.
    Raises MissingDataError, DataError.
    Differs from Keras: the binary version is read; `path` is ours; labels are uint8, not int64.
    """
    return load(CIFAR100, path, ("coarse", "fine").index(label_mode), mirrors)
