"""The worst errors: where the network was surest of the wrong digit."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..arguments import array, checked, instance, listed, text, whole
from ..errors import DataError, require
from .arrays import classes_of, fractions_of, same_length

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class WorstError(NamedTuple):
    """One wrong prediction: the image's index, what it is, what it was taken for, and P of every class (K,)."""

    index: int
    label: int
    prediction: int
    probabilities: np.ndarray

    @property
    def gap(self) -> float:
        """P(wrong class) - P(true class), a fraction 0..1."""
        return float(self.probabilities[self.prediction]) - float(self.probabilities[self.label])


@checked("worst.find", count=functools.partial(whole, low=0))
def find(y: np.ndarray, probabilities: np.ndarray, count: int = 6) -> list[WorstError]:
    """The `count` wrong predictions with the largest P(wrong) - P(true), largest first, equals by their index.

    y (N,) or (N, K), probabilities (N, K). Raises DataError when they do not fit together.
    """
    where = "worst.find: probabilities"
    probabilities = array(where, probabilities, finite=True, error=DataError)
    ok, expected = probabilities.ndim == 2 and probabilities.shape[1] > 0, "one row per image, of shape (N, classes)"
    require(ok, where, expected, f"shape {probabilities.shape}", error=DataError)
    y = classes_of(y, "worst.find: y")
    same_length("worst.find", y=y, probabilities=probabilities)
    classes = probabilities.shape[1]
    require(y.max(initial=0) < classes, "worst.find: y", f"labels below {classes}", y.max(initial=0), error=DataError)
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != y)
    errors = [WorstError(int(i), int(y[i]), int(predicted[i]), probabilities[i]) for i in wrong]
    return sorted(errors, key=lambda error: (-error.gap, error.index))[:count]


@checked("worst.draw", title=functools.partial(text, empty=True))
def draw(
    x: np.ndarray, errors: Sequence[WorstError], title: str = "Worst errors, with the probability of each digit"
) -> "Figure":
    """Each error: its image, and P of every class, the true one in blue, the predicted one in orange.

    x (N, H, W[, C]) is what `find` saw; three errors stand in a row.
    """
    from .figure import BLUE, FAINT, MUTED, ORANGE, picture, show_image

    images, where = fractions_of(x, "worst.draw: x"), "worst.draw: errors"
    errors = [instance(where, e, WorstError, "what find returned") for e in listed(where, errors, "what find returned")]
    for error in errors:
        ok, expected = 0 <= error.index < len(images), f"images among the {len(images)} of x"
        require(ok, where, expected, f"image {error.index}", error=DataError)
    columns = min(max(len(errors), 2), 3)
    rows = max(-(-len(errors) // columns), 1)
    with picture(3.2 * columns, (2.75 if errors else 1) * rows + 0.5) as figure:
        figure.suptitle(title, x=0.01, ha="left")
        if not errors:
            figure.text(0.5, 0.35, "Every prediction is right.", ha="center", color=MUTED)
        for place, error in enumerate(errors):
            image, bars = (figure.add_subplot(rows, 2 * columns, 2 * place + 1 + i) for i in (0, 1))
            show_image(image, images[error.index])
            image.set_xlabel(f"image {error.index:,}")
            image.set_title(f"{error.label} taken for {error.prediction}", fontsize=11, pad=6)
            classes = range(len(error.probabilities))
            colours = [{error.label: BLUE, error.prediction: ORANGE}.get(k, FAINT) for k in classes]
            bars.barh(classes, error.probabilities, color=colours)
            for k, colour in ((error.prediction, ORANGE), (error.label, BLUE)):
                p = error.probabilities[k]
                inside = p > 0.5
                bars.text(p + (-0.03 if inside else 0.03), k, f"{p:.3f}", va="center", ha="right" if inside else "left",
                          color="white" if inside else colour, fontsize=8.5)  # fmt: skip
            bars.set(xlim=(0, 1), xticks=[], yticks=classes)
            bars.invert_yaxis()
            bars.tick_params(length=0, labelsize=8.5)
            bars.spines["bottom"].set_visible(False)
    return figure
