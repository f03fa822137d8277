"""Images as a network sees them: a grid with titles, and the same images before and after augmentation."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import checked, listed, text, whole
from ..errors import DataError, require
from .arrays import classes_of, fractions_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def one_of_each(y: np.ndarray) -> np.ndarray:
    """The index of the first image of every class that occurs, in the order of the classes."""
    return np.unique(classes_of(y, "samples.one_of_each: y"), return_index=True)[1]


_titles, _title = functools.partial(listed, of="titles"), functools.partial(text, empty=True)


@checked("samples.draw", titles=_titles, columns=whole, title=_title)
def draw(
    x: np.ndarray, titles: Sequence[object] | np.ndarray = (), *, columns: int = 8, title: str = "Samples"
) -> "Figure":
    """Images (N, H, W[, C]) in rows of `columns`, each under its title. Raises DataError, ArgumentError."""
    from .figure import picture, show_image

    images = fractions_of(x, "samples.draw: x")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    with picture(max(1.0 * columns, 4), (1.25 if len(titles) else 1.0) * rows + 0.5) as figure:
        figure.suptitle(title, x=0.01, ha="left")
        for i, image in enumerate(images):
            axes = figure.add_subplot(rows, columns, i + 1)
            show_image(axes, image)
            if i < len(titles):
                axes.set_title(str(titles[i]), fontsize=10, fontweight="normal", loc="center", pad=4)
    return figure


@checked("samples.draw_augmented", titles=_titles, title=_title)
def draw_augmented(
    before: np.ndarray,
    *after: np.ndarray,
    titles: Sequence[object] | np.ndarray = (),
    title: str = "Training images, as given and as augmented",
) -> "Figure":
    """Images (N, H, W[, C]) above one or more augmented versions of themselves, column by column."""
    from .figure import MUTED, picture, show_image

    where = "samples.draw_augmented: "
    bands = [fractions_of(x, f"{where}{'after' if number else 'before'}") for number, x in enumerate((before, *after))]
    columns, most = len(bands[0]), max(map(len, bands))
    require(most == columns, f"{where}after", f"at most as many images as before, {columns}", most, error=DataError)
    with picture(0.98 * columns + 1.2, 1.0 * len(bands) + 0.9) as figure:
        figure.suptitle(title, x=0.01, ha="left")
        for row, band in enumerate(bands):
            for column, image in enumerate(band):
                axes = figure.add_subplot(len(bands), columns, row * columns + column + 1)
                show_image(axes, image)
                if row == 0 and column < len(titles):
                    axes.set_title(str(titles[column]), fontsize=10, fontweight="normal", loc="center", pad=4)
                if column == 0:
                    name = "as given" if row == 0 else "augmented"
                    axes.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8, color=MUTED)
    return figure
