"""The confusion matrix: which digits are taken for which.

Rows are labels, columns are predictions: table.loc[5, 3] counts the fives that were predicted as three.
"""

import functools
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import array, checked, flag, shown, text, whole
from ..errors import ArgumentError, ArgumentTypeError, DataError, require
from .arrays import classes_of, same_length

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure


LARGEST = 4096  # classes of a table: 128 MiB


@checked("confusion.table", classes=whole, normalise=flag)
def table(y: np.ndarray, prediction: np.ndarray, classes: int = 10, *, normalise: bool = False) -> "pandas.DataFrame":
    """Labels and predictions, each (N,) or (N, K), -> counts (classes, classes); `normalise`: fractions of each row.

    A row without any label stays 0. Raises DataError when the lengths differ or a label is none.
    """
    import pandas

    y, prediction = classes_of(y, "confusion.table: y"), classes_of(prediction, "confusion.table: prediction")
    same_length("confusion.table", y=y, prediction=prediction)
    size = max(classes, *(int(a.max(initial=-1)) + 1 for a in (y, prediction)))
    require(size <= LARGEST, "confusion.table: classes", f"at most {LARGEST}", size, error=ArgumentError)
    counts = np.bincount(y * size + prediction, minlength=size * size).reshape(size, size)
    if normalise:
        counts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = pandas.RangeIndex(size)
    return pandas.DataFrame(counts, names.rename("label"), names.rename("prediction"))


@checked("confusion.where", label=functools.partial(whole, low=0), prediction=functools.partial(whole, low=0))
def where(y: np.ndarray, predicted: np.ndarray, *, label: int, prediction: int) -> np.ndarray:
    """The indices of the images with this label and this prediction: where(y, p, label=5, prediction=3)."""
    y, predicted = classes_of(y, "confusion.where: y"), classes_of(predicted, "confusion.where: predicted")
    same_length("confusion.where", y=y, predicted=predicted)
    return np.flatnonzero((y == label) & (predicted == prediction))


@checked("confusion.draw", title=functools.partial(text, empty=True))
def draw(table: "pandas.DataFrame", title: str = "Confusion matrix") -> "Figure":
    """A table (counts or fractions) with its numbers: right answers in blue, mistakes in orange on their own scale.

    On one common scale 400 right answers would make 5 mistakes invisible.
    """
    from matplotlib.colors import LinearSegmentedColormap

    from .figure import BLUE, FAINT, INK, MUTED, ORANGE, picture

    where, expected = "confusion.draw: table", "a square table, as confusion.table returns it"
    require(hasattr(table, "to_numpy"), where, expected, shown(table), error=ArgumentTypeError)
    values = array(where, table.to_numpy(), finite=True)
    size = len(values)
    require(values.shape == (size, size) and size > 0, where, expected, f"shape {values.shape}", error=DataError)
    counts = values.dtype.kind in "iu"
    right = np.eye(size, dtype=bool)
    with picture(0.62 * size + 1.3, 0.56 * size + 1.5) as figure:
        axes = figure.add_subplot(xlabel="prediction", ylabel="label")
        for colour, cells, strength in ((BLUE, right, 0.9), (ORANGE, ~right, 1)):
            scale = LinearSegmentedColormap.from_list("", ["white", colour])
            shades = np.where(cells, values / max(values[cells].max(initial=0), 1e-9) * strength, 0)
            axes.imshow(np.where(cells[..., None], scale(shades), [0, 0, 0, 0]), aspect="auto")
            for row, column in np.argwhere(cells & (values > 0)):  # an empty cell says 0 more clearly than 0
                number = values[row, column]
                text = f"{number:,}" if counts else f"{number:.3f}".lstrip("0")
                ink = "white" if shades[row, column] > 0.7 else INK
                axes.text(column, row, text, ha="center", va="center", color=ink)
        if counts:
            total, correct = int(values.sum()), int(np.trace(values))
            title += f": {correct:,} of {total:,} right ({correct / max(total, 1):.2%})"
        axes.set_title(title)
        axes.set_xticks(range(size), table.columns)
        axes.set_yticks(range(size), table.index)
        axes.tick_params(length=0, labelcolor=MUTED)
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=FAINT, linewidth=0.8)
        axes.tick_params(which="minor", length=0)
        axes.spines[:].set_visible(False)
    return figure
