"""Class labels: whole numbers or one-hot rows, checked before they train anything.

Differs from Keras: a label outside 0 .. classes-1, a fraction or a NaN is an error; there it trains without a word, or
sets the last column.
"""

from typing import Any

import numpy as np

from .aliases import ArrayLike
from .arguments import array, named, of_others, whole
from .errors import DataError, ShapeError, require

MOST_CLASSES = 1 << 20  # when nobody says how many there are


@named
def to_categorical(y: ArrayLike, num_classes: int | None = None) -> np.ndarray:
    """Whole numbers (...) or (..., 1) -> one-hot float64 (..., num_classes); None means the highest label + 1."""
    y = array("to_categorical: y", y, error=DataError)
    if y.ndim > 1 and y.shape[-1] == 1:
        y = y[..., 0]
    num_classes = whole("to_categorical: num_classes", num_classes, optional=True)
    require(y.size > 0, "to_categorical: y", "at least one label", "none", error=DataError)
    labels = _whole(y.reshape(-1), num_classes, "to_categorical: y")
    classes = num_classes or int(labels.max()) + 1
    out = np.zeros((len(labels), classes))
    out[np.arange(len(labels)), labels] = 1
    return out.reshape(*y.shape, classes)


def check_labels(y: ArrayLike, classes: int, what: str = "y") -> np.ndarray:
    """Labels (n,) or (n, 1) of 0 .. classes-1 as int64 (n,); one-hot or probability rows (n, classes) as they came.

    Raises DataError with the row and the value, ShapeError for any other shape.
    """
    y = np.asarray(of_others(y))
    _numbers(y, what)
    if y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
        return _whole(y.reshape(-1), classes, what)
    require(
        y.ndim == 2 and y.shape[1] == classes,
        what, f"labels of shape (n,) or one-hot rows (n, {classes})", y.shape, error=ShapeError,
    )  # fmt: skip
    outside = ~((y >= 0) & (y <= 1))  # NaN too
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise DataError(
            f"{what}: expected one-hot rows of values from 0 to 1, received {y[row, column]} in row {row}, column "
            f"{column}; use to_categorical"
        )
    sums = y.sum(axis=1, dtype=np.float64)
    wrong = np.abs(sums - 1) > 1e-3
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{what}: expected one-hot rows that sum to 1, received a sum of {sums[row]:g} in row {row}; "
            "use to_categorical"
        )
    return y


def _numbers(y: np.ndarray, what: str) -> None:
    received, fix = f"an array of {y.dtype}", "encode the names as numbers"
    require(y.dtype.kind in "buif", what, "numbers", received, fix, error=DataError)


def _whole(y: np.ndarray, classes: int | None, what: str) -> np.ndarray:
    """`y` (n,) as int64, if each value is a whole number of 0 .. classes-1."""
    _numbers(y, what)
    most = MOST_CLASSES - 1 if classes is None else classes - 1
    wrong = ~((y >= 0) & (y <= most))  # NaN fails both
    if y.dtype.kind == "f":
        wrong |= (y != np.floor(y)) | np.isinf(y)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{what}: expected whole numbers from 0 to {most}, received {y[row]} in row {row}; correct that label"
            + ("" if classes is None else " or the number of classes")
        )
    return y.astype(np.int64)


def believed(loss: Any, y: np.ndarray) -> Any:
    """Targets for which what the model says is right: its likeliest class, or the numbers themselves."""
    if "sparse" in getattr(loss, "name", ""):
        return int(y.argmax()) if y.ndim == 1 else y.argmax(axis=-1)[None]
    return y[None]
