"""The class distribution: how often each digit occurs."""

import functools
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import array, checked, text, whole
from ..errors import DataError, require
from .arrays import MOST, classes_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checked("labels.count", classes=functools.partial(whole, high=MOST))
def count(y: np.ndarray, classes: int = 10) -> np.ndarray:
    """Labels (N,) or one-hot rows (N, K) -> how many of each, (classes,). Raises DataError for what is no label."""
    return np.bincount(classes_of(y, "labels.count: y"), minlength=classes)


@checked("labels.draw", title=functools.partial(text, empty=True))
def draw(counts: np.ndarray, title: str = "Training images per digit") -> "Figure":
    """Counts (K,) as bars, each with its number, and their mean as a line."""
    from .figure import BLUE, INK, MUTED, picture

    counts = array("labels.draw: counts", counts, finite=True, error=DataError)
    ok, expected = counts.ndim == 1 and len(counts) > 0, "at least one number, of shape (K,)"
    require(ok, "labels.draw: counts", expected, f"shape {counts.shape}", error=DataError)
    with picture(8, 4.5) as figure:
        axes = figure.add_subplot(title=title, xlabel="digit", ylabel="images")
        bars = axes.bar(range(len(counts)), counts, width=0.72, color=BLUE)
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # keeps the line of the mean off the numbers
        axes.bar_label(bars, [f"{n:,}" for n in counts], padding=4, color=INK, bbox=paper)
        mean = float(np.mean(counts))
        axes.axhline(mean, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
        axes.annotate(f"mean\n{mean:,.0f}", (1, mean), (6, 0), xycoords=("axes fraction", "data"),
                      textcoords="offset points", va="center", color=MUTED)  # fmt: skip
        axes.set_xticks(range(len(counts)))
        axes.tick_params(axis="x", length=0)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.margins(x=0.02, y=0.1)
    return figure
