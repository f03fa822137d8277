"""Learning curves: accuracy and loss per epoch, training against validation, above the learning rate."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..arguments import checked, text
from ..io.history import columns_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@checked("curves.best", name=text)
def best(history: Any, name: str = "val_accuracy") -> tuple[int, float] | None:
    """(epoch, value) of the highest `name`, epochs counted from 1, the first of equals; None if there is none.

    history is a History, or its dict name -> one value per epoch.
    """
    values = columns_of(history, "curves.best: history").get(name, [])
    return max(enumerate(values, 1), key=lambda pair: pair[1], default=None)


@checked("curves.draw", title=functools.partial(text, empty=True))
def draw(history: Any, title: str = "Learning curves") -> "Figure":
    """A History, or its dict, as curves; a curve that was not measured is left out, and so is a rate nobody changed."""
    from matplotlib.ticker import MaxNLocator

    from .figure import BLUE, INK, MUTED, ORANGE, picture

    values = columns_of(history, "curves.draw: history")
    epochs = max((len(column) for column in values.values()), default=0)
    rates = values.get("learning_rate")
    with picture(8, 7.6 if rates else 6.2) as figure:
        figure.suptitle(title, x=0.01, ha="left")
        names = ("accuracy", "loss", *(["learning_rate"] if rates else []))
        panels = figure.subplots(len(names), 1, sharex=True, height_ratios=(3, 3, 1.1)[: len(names)])
        for axes, name in zip(panels, names, strict=True):
            axes.set_ylabel(name.replace("_", " "))
            axes.grid(axis="y")
        for axes, name in zip(panels, ("accuracy", "loss"), strict=False):
            for key, label, colour, dots in ((name, "training", BLUE, "o"), (f"val_{name}", "validation", ORANGE, "s")):
                if values.get(key):
                    numbers = range(1, len(values[key]) + 1)
                    axes.plot(numbers, values[key], color=colour, marker=dots, markersize=4, label=label)
        if panels[0].lines:
            figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        top = best(values)
        if top:
            panels[0].plot(*top, marker="o", markersize=11, markerfacecolor="none", markeredgecolor=INK, linewidth=0)
            text = f"best validation accuracy: {top[1]:.4f} in epoch {top[0]}"
            panels[0].set_title(text, fontsize=10, fontweight="normal", color=INK)
        if rates:
            draw_rates(panels[2], rates)
        for axes in panels:
            if not axes.lines:
                axes.set_yticks([])
                axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color=MUTED)
        panels[-1].set(xlabel="epoch", xlim=(0.5, max(epochs, 1) + 0.5))
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        figure.align_ylabels()
    return figure


def draw_rates(axes: "Axes", rates: Sequence[float]) -> None:
    """The learning rate of each epoch as steps on a logarithmic scale; a few rates are named one by one."""
    from matplotlib.ticker import NullLocator

    from .figure import MUTED

    axes.step(range(1, len(rates) + 1), rates, where="mid", color=MUTED, marker="o", markersize=3)
    axes.set_yscale("log")
    different = sorted(set(rates))
    if len(different) <= 4:
        axes.set_yticks(different, [f"{rate:g}" for rate in different])
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(different[0] / 1.6, different[-1] * 1.6)
