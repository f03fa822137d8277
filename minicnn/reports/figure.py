"""The style of all pictures. Imported when the first one is drawn, because matplotlib takes a while to load."""

import contextlib
import io
import os
from collections.abc import Iterator
from typing import Any, cast

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .. import arguments
from ..errors import ArgumentTypeError, one_of, require
from ..io.files import atomic_write

# Okabe & Ito's blue and vermilion: told apart with every common colour blindness, and in grey.
BLUE, ORANGE, INK, MUTED, FAINT = "#0072B2", "#D55E00", "#1A1A1A", "#666666", "#E3E3E3"
DPI = 120  # pixels per inch: 8 inches are 960 px

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "font.size": 10,
    "text.color": INK,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
LOOK = ["default", STYLE]  # first undo whatever the reader's own matplotlibrc says


class Picture(Figure):
    """A Figure that keeps its look when it is drawn later, and that a notebook shows without pyplot."""

    def draw(self, renderer: Any) -> None:
        with matplotlib.style.context(LOOK):  # ticks are made while drawing
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


@contextlib.contextmanager
def picture(width: float, height: float) -> Iterator[Picture]:
    """A new picture, sizes in inches; what is added within the block gets the common look."""
    with matplotlib.style.context(LOOK):
        figure = Picture(figsize=(width, height), dpi=DPI, layout="constrained")
        # inches of air around and between
        cast(Any, figure.get_layout_engine()).set(w_pad=0.1, h_pad=0.1)
        yield figure


def picture_format(path: str | os.PathLike) -> str:
    path = arguments.path("picture: path", path)
    suffix = os.path.splitext(path)[1].lower()
    return one_of(f"picture: path {path}: suffix", suffix, (".png", ".svg", ".pdf"))[1:]


def save(figure: Figure, path: str | os.PathLike) -> None:
    require(hasattr(figure, "savefig"), "reports.save: figure", "a figure, as every draw returns it",
            arguments.shown(figure), error=ArgumentTypeError)  # fmt: skip
    kind = picture_format(path)
    with atomic_write(path) as file:
        figure.savefig(file, format=kind)


def show_image(axes: Axes, image: Any) -> None:
    """An image (H, W) or (H, W, 3) of fractions 0..1 without ticks; one channel is drawn as ink on paper."""
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set(visible=True, color=FAINT, linewidth=1)
