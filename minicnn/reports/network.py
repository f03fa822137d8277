"""A network as boxes and arrows: its layers in rows, each below everything that it reads.

    network.draw(model, show_shapes=True)                a figure, which a notebook shows
    network.plot_model(model, "model.png")               the same, written to a file

No graphviz is needed: rows are longest ways from the inputs; within a row, boxes are in the order of the middle of what
they read (the barycentre rule of Sugiyama et al. 1981, "Methods for visual understanding of hierarchical system
structures").
"""

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ..arguments import flag, path, whole
from ..errors import ArgumentTypeError, NotBuiltError, one_of, require, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIRECTIONS = ("TB", "LR")
LONGEST = 32_000  # px: a picture's longest side


class _Box(NamedTuple):
    """A call of a layer.  feeds: numbers of the boxes that it reads."""

    name: str
    kind: str
    layer: Any
    feeds: tuple[int, ...]


def _boxes(model: Any, expand_nested: bool = False) -> list[_Box]:
    """The inputs and every call of a layer, in an order in which they can run; of a model within, its layers too."""
    ok = all(hasattr(model, name) for name in ("layers", "summary", "built"))
    require(ok, "network: model", "a model", shown(model), error=ArgumentTypeError)
    fix = "give it an Input, or call build"
    require(model.built, "network: model", "a built model", "one without weights", fix, error=NotBuiltError)
    found = [_Box(one.name, "InputLayer", one.call.layer, ()) for one in model.inputs]
    _walk(model, list(range(len(found))), found, flag("network: expand_nested", expand_nested))
    return found


def _walk(model, values: list[int], found: list[_Box], expand: bool) -> list[int]:
    """Add the boxes of a model that reads the boxes `values`; the boxes of its outputs."""
    for step in model.steps:
        layer, feeds = step.layer, tuple(values[i] for i in step.inputs)
        if expand and hasattr(layer, "ends"):
            values += _walk(layer, list(feeds), found, expand)
            continue
        kind = getattr(layer, "class_name", type(layer).__name__)
        found.append(_Box(layer.name, kind, layer, feeds))
        values += [len(found) - 1] * (len(layer.ends) if hasattr(layer, "ends") else 1)
    return [values[end] for end in model.ends]


NARROW = 0.25  # of a box's width: what an arrow takes that passes a row


def _places(found: list[_Box]) -> tuple[list[tuple[float, int]], dict[tuple[int, int], list[tuple[float, int]]]]:
    """(place within its row, row) of every box, and the places through which arrows (from, to) pass on their way."""
    rows: list[int] = []
    for box in found:
        rows.append(max((rows[i] + 1 for i in box.feeds), default=0))
    edges = dict.fromkeys((i, n) for n, box in enumerate(found) for i in box.feeds)
    at: Any = {}  # of boxes by number, of arrows by (from, to, row)
    for row in range(max(rows) + 1):
        wanted: Any = {n: _middle([at.get((i, n, row - 1), at[i]) for i in box.feeds])
                       for n, box in enumerate(found) if rows[n] == row}  # fmt: skip
        wanted |= {(i, n, row): at.get((i, n, row - 1), at[i]) for i, n in edges if rows[i] < row < rows[n]}
        members = sorted(wanted, key=lambda one: (wanted[one], isinstance(one, tuple)))
        widths = [NARROW if isinstance(one, tuple) else 1 for one in members]
        right = -sum(widths) / 2
        for one, width in zip(members, widths, strict=True):
            at[one] = right + width / 2
            right += width
    ways = {(i, n): [(at[i, n, row], row) for row in range(rows[i] + 1, rows[n])] for i, n in edges}
    return [(at[n], row) for n, row in enumerate(rows)], ways


def _middle(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _lines(box: _Box, shapes: bool, dtype: bool, names: bool, activations: bool, trainable: bool) -> list[str]:
    layer, lines = box.layer, [f"{box.name} ({box.kind})" if names else box.kind]
    activation = getattr(layer, "activation", None)
    if activations and activation is not None:
        lines.append(f"activation: {getattr(activation, '__name__', type(activation).__name__)}")
    if shapes:
        lines += [f"input: {_shape(layer.sample_in)}", f"output: {_shape(layer.sample_out or layer.sample_in)}"]
    if dtype:
        lines.append(f"dtype: {layer.be.dtype.name if layer.be else 'float32'}")
    if trainable:
        lines.append("trainable" if layer.trainable else "not trainable")
    return lines


def _shape(shape) -> str:
    listed = bool(shape) and isinstance(shape[0], tuple)
    return ", ".join(f"({', '.join(['None', *map(str, one)])})" for one in (shape if listed else [shape]))


def draw(model: Any, *, show_shapes: bool = False, show_dtype: bool = False, show_layer_names: bool = True,
         rankdir: str = "TB", expand_nested: bool = False, dpi: int = 200, show_layer_activations: bool = False,
         show_trainable: bool = False) -> "Figure":  # fmt: skip
    """The network of a built model.  rankdir: "TB" from top to bottom, "LR" from left to right; dpi: px per inch.

    Raises NotBuiltError for a model without weights.
    """
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
    from matplotlib.path import Path

    from .figure import BLUE, FAINT, INK, MUTED, picture

    flags = {"show_shapes": show_shapes, "show_dtype": show_dtype, "show_layer_names": show_layer_names,
             "show_layer_activations": show_layer_activations, "show_trainable": show_trainable}  # fmt: skip
    what = [flag(f"network: {name}", value) for name, value in flags.items()]
    across = one_of("network: rankdir", rankdir, DIRECTIONS) == "LR"
    dpi = whole("network: dpi", dpi)
    found = _boxes(model, expand_nested)
    (at, ways), texts = _places(found), [_lines(box, *what) for box in found]
    wide = 0.35 + 0.088 * max(len(line) for lines in texts for line in lines)  # inches, of 9 point letters
    high = 0.22 + 0.17 * max(map(len, texts))
    column, row = (high + 0.25, wide + 0.45) if across else (wide + 0.3, high + 0.4)
    passed = [place for way in ways.values() for place in way]
    lowest, highest = min(x for x, _ in at + passed), max(x for x, _ in at + passed)
    rows = max(y for _, y in at) + 1
    size = ((highest - lowest) * column + (high if across else wide) + 0.3,
            (rows - 1) * row + (wide if across else high) + 0.3)  # fmt: skip

    def inches(place: tuple[float, int]) -> tuple[float, float]:
        x, y = (place[0] - lowest) * column, place[1] * row
        return (y, -x) if across else (x, -y)

    middles, size = [inches(place) for place in at], size[::-1] if across else size
    size = max(size[0], 2.2), max(size[1], 1.3)
    with picture(*size) as figure:
        figure.set_dpi(max(1, min(dpi, int(LONGEST / max(size)))))
        figure.set_layout_engine(None)
        axes = figure.add_axes((0, 0, 1, 1))
        xs, ys = zip(*middles, *map(inches, passed), strict=True)
        for limits, values, extent in ((axes.set_xlim, xs, size[0]), (axes.set_ylim, ys, size[1])):
            centre = (min(values) + max(values)) / 2
            limits(centre - extent / 2, centre + extent / 2)
        axes.set_axis_off()
        before, after = ((-wide / 2, 0), (wide / 2, 0)) if across else ((0, high / 2), (0, -high / 2))
        for (i, n), way in ways.items():
            points = [_moved(middles[i], after)]
            for place in map(inches, way):
                points += [_moved(place, before), _moved(place, after)]
            points.append(_moved(middles[n], before))
            line = Path(points)
            axes.add_patch(FancyArrowPatch(path=line, arrowstyle="-|>", mutation_scale=9, color=MUTED, fill=False))
        for (x, y), box, lines in zip(middles, found, texts, strict=True):
            face = FAINT if box.kind == "InputLayer" else "white"
            corner = (x - wide / 2 + 0.05, y - high / 2 + 0.05)
            axes.add_patch(FancyBboxPatch(corner, wide - 0.1, high - 0.1, boxstyle="round,pad=0.05", facecolor=face,
                                          edgecolor=BLUE, linewidth=1))  # fmt: skip
            for n, line in enumerate(lines):
                below = y + 0.17 * ((len(lines) - 1) / 2 - n)
                axes.text(x, below, line, ha="center", va="center", fontsize=9, color=MUTED if n else INK)
    return figure


def _moved(point: tuple[float, float], by: tuple[float, float]) -> tuple[float, float]:
    return point[0] + by[0], point[1] + by[1]


def plot_model(model: Any, to_file: str | os.PathLike | None = "model.png", show_shapes: bool = False,
               show_dtype: bool = False, show_layer_names: bool = False, rankdir: str = "TB",
               expand_nested: bool = False, dpi: int = 200, show_layer_activations: bool = False,
               show_trainable: bool = False) -> "Figure":  # fmt: skip
    """`draw`, with Keras's arguments in Keras's order, written to `to_file` (.png, .svg or .pdf; None: nowhere).

    Raises NotBuiltError for a model without weights, ArgumentError for another kind of file.
    Differs from Keras: needs neither graphviz nor pydot, and returns the figure.
    """
    from . import figure as pictures

    if to_file is not None:
        pictures.picture_format(path("plot_model: to_file", to_file))  # before the work
    drawn = draw(model, show_shapes=show_shapes, show_dtype=show_dtype, show_layer_names=show_layer_names,
                 rankdir=rankdir, expand_nested=expand_nested, dpi=dpi, show_layer_activations=show_layer_activations,
                 show_trainable=show_trainable)  # fmt: skip
    if to_file is not None:
        pictures.save(drawn, to_file)
    return drawn
