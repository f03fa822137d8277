"""The competition's submission file: one line per test image.

ImageId,Label
1,2
2,0
"""

import os

import numpy as np

from ..arguments import array, whole
from ..errors import DataError, require
from .files import atomic_write, opened

HEADER = "ImageId,Label"
LABELS = tuple("0123456789")
LINE = 64  # bytes that a line takes at most, with room to spare
FIX = "write it again with minicnn.io.submission.write"


def write(path: str | os.PathLike, labels: np.ndarray) -> None:
    """Write class labels (N,), whole numbers 0..9, as rows with ids 1..N and LF line ends.

    Raises DataError for probabilities, other labels or none at all; nothing is written then.
    """
    where, labels = f"submission {path}", array(f"submission {path}: labels", labels, error=DataError)
    require(
        labels.ndim == 1 and labels.size > 0, where, "labels of shape (N,), one per image", f"shape {labels.shape}",
        "take probabilities.argmax(axis=1)" if labels.ndim == 2 else "", error=DataError,
    )  # fmt: skip
    require(labels.dtype.kind in "iu", where, "integer labels", labels.dtype, error=DataError)
    for row in np.flatnonzero((labels < 0) | (labels > 9))[:1]:
        require(False, where, "labels 0 to 9", f"{labels[row]} in row {row}", error=DataError)
    with atomic_write(path, text=True) as file:
        file.write(HEADER + "\n")
        file.writelines(f"{i},{label}\n" for i, label in enumerate(labels.tolist(), 1))


def check(path: str | os.PathLike, rows: int) -> None:
    """Read a submission back: header, `rows` rows, ids 1..rows in order, integer labels 0..9.

    Raises MissingDataError without the file, DataError with the first line that is wrong.
    """
    where, rows = f"submission {path}", whole("submission: rows", rows, low=0)
    with opened(path, where, missing=f"none; {FIX}") as file:
        size, most = os.fstat(file.fileno()).st_size, 1_000 + LINE * rows
        require(size <= most, where, f"{rows} rows", f"{size:,} bytes, more than they can take", FIX, error=DataError)
        lines = file.read().decode("utf-8", "replace").splitlines()
    header = lines[0] if lines else "an empty file"
    require(header == HEADER, where, f"the header {HEADER}", shown(header), FIX, error=DataError)
    for number, line in enumerate(lines[1 : rows + 1], 1):
        at, (image, _, label) = f"{where}, line {number + 1}", line.partition(",")
        require(image == str(number), at, f"ImageId {number}", shown(image), FIX, error=DataError)
        require(label in LABELS, at, "a label 0 to 9", shown(label), FIX, error=DataError)
    require(len(lines) - 1 == rows, where, f"{rows} rows", len(lines) - 1, FIX, error=DataError)


def shown(text: str) -> str:
    """A cell for a message: quoted, on one line, and short."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
