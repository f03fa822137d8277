"""Rows of arrays: splits, slices, and the checks that stop bad data before it trains anything."""

import math
import numbers
from typing import Any, cast

import numpy as np

from ..arguments import flag, named, of_others, scalar, shown, whole
from ..errors import ArgumentError, ArgumentTypeError, DataError, require
from ..labels import check_labels, to_categorical

__all__ = [
    "batch_slices", "check_images", "check_labels", "check_lengths", "to_categorical", "train_test_split",
    "validation_split",
]  # fmt: skip

ROWS = 4096  # checked at once, so that the checks take little memory


@named
def train_test_split(x: Any, y: Any, test_size: float | int, seed: int | None, stratify: bool = False) -> tuple:
    """x_train, x_test, y_train, y_test: exactly the rows of scikit-learn's train_test_split(random_state=seed).

    test_size  a fraction in (0, 1), rounded up, or a number of rows;  stratify: keep each class's share
    """
    where = "train_test_split"
    for name, rows in {"x": x, "y": y}.items():
        ok = hasattr(rows, "__len__") and not isinstance(rows, (str, bytes, dict, set))
        require(ok, f"{where}: {name}", "an array of rows", shown(rows), error=ArgumentTypeError)
    x, y = of_others(x), of_others(y)
    n, stratify = check_lengths(where, x=x, y=y), flag(f"{where}: stratify", stratify)
    size = scalar(test_size)
    number, most = isinstance(size, numbers.Real), n if isinstance(size, numbers.Integral) else 1
    ok = number and not isinstance(size, bool) and 0 < cast(float, size) < most
    expected = f"a fraction between 0 and 1, or a whole number from 1 to {n - 1}"
    require(ok, f"{where}: test_size", expected, shown(test_size), error=ArgumentError)
    seed = whole(f"{where}: seed", seed, low=0, high=2**32 - 1, optional=True)
    classes = None
    if stratify:
        classes = np.asarray(y)
        classes = classes.argmax(axis=-1) if classes.ndim > 1 and classes.shape[-1] > 1 else classes.reshape(-1)
    from sklearn.model_selection import train_test_split as sklearn_split

    try:
        return tuple(sklearn_split(x, y, test_size=size, random_state=seed, stratify=classes))
    except ValueError as cause:
        raise ArgumentError(
            f'train_test_split: expected rows enough for both parts, received {n} and "{cause}"; change test_size'
        ) from None


def validation_split(n: int, fraction: float) -> tuple[slice, slice]:
    """Rows to train on, [0, floor(n (1 - fraction))), and the last rows, to validate on; cut before any shuffling."""
    require(
        isinstance(scalar(fraction), numbers.Real) and 0 < fraction < 1,
        "validation_split", "a fraction between 0 and 1", shown(fraction), error=ArgumentError,
    )  # fmt: skip
    cut = math.floor(n * (1.0 - fraction))
    require(
        0 < cut < n, "validation_split", "a fraction that leaves rows on both sides",
        f"{fraction!r} of {n} rows: {cut} to train on, {n - cut} to validate on", "change it", error=ArgumentError,
    )  # fmt: skip
    return slice(0, cut), slice(cut, n)


def batch_slices(n: int, batch_size: int) -> list[slice]:
    """Consecutive slices of `batch_size` rows; the last one may be shorter."""
    batch_size = whole("batch_size", batch_size)
    return [slice(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]


def check_lengths(where: str, **arrays: Any) -> int:
    """The common number of rows of the named arrays (None is skipped).  Raises ShapeError that lists all lengths."""
    lengths = {}
    for name, array in arrays.items():
        if array is not None:
            if np.ndim(array) == 0:  # the message is made only where it is needed: an array prints slowly
                require(False, where, f"{name} with an axis of rows", f"the single value {shown(array)}")
            require(hasattr(array, "__len__"), where, f"{name} with rows", shown(array), error=ArgumentTypeError)
            lengths[name] = len(array)
    require(
        len(set(lengths.values())) == 1, where, f"{' and '.join(lengths)} with the same number of rows",
        ", ".join(f"{name} with {length}" for name, length in lengths.items()), "give one of each for every image",
    )  # fmt: skip
    return next(iter(lengths.values()))


def check_images(x: np.ndarray, what: str = "x", dtype: Any = np.float32) -> None:
    """Raises DataError that names the first row with a pixel that is NaN, infinite or beyond `dtype`, or no number."""
    x = np.asarray(x)
    require(x.dtype.kind in "buif", what, "numbers", f"an array of {x.dtype}", "convert it", error=DataError)
    if x.dtype.kind != "f":
        return
    for start in range(0, len(x), ROWS):
        bad = ~np.isfinite(x[start : start + ROWS])
        if bad.any():
            place = np.unravel_index(int(bad.argmax()), bad.shape)
            value = x[start : start + ROWS][place]
            raise DataError(
                f"{what}: expected finite pixels, received {value} in row {start + int(place[0])} at "
                f"{tuple(map(int, place[1:]))}; correct or remove that row"
            )
    check_range(x, what, dtype)


def check_range(values: np.ndarray, what: str, dtype: Any) -> np.ndarray:
    """`values`.  Raises DataError that names the first row with a number that would be infinite in `dtype`."""
    limit = np.finfo(dtype).max
    if values.dtype.kind != "f" or np.finfo(values.dtype).max <= limit:
        return values
    for start in range(0, len(values), ROWS):
        bad = np.abs(values[start : start + ROWS]) > limit
        if bad.any():
            place: Any = np.unravel_index(int(bad.argmax()), bad.shape)
            value = values[start : start + ROWS][place]
            inside = f" at {tuple(map(int, place[1:]))}" if len(place) > 1 else ""
            raise DataError(
                f"{what}: expected numbers within {np.dtype(dtype).name}, up to {limit:.3g}, received {value} in row "
                f"{start + int(place[0])}{inside}; scale them"
            )
    return values
