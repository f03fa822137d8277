"""The table that `model.summary()` prints, in Keras's columns."""

import shutil
from html import escape
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any

from ..callbacks.console import printable
from ..io.html import html_table
from ..layers import Layer
from ..structure import call_numbers

if TYPE_CHECKING:
    from .stack import LayerStack

ASCII = str.maketrans("│┃─━├┼┤┏┳┓┡╇┩└┴┘", "||-=" + 12 * "+")


def table(model: "LayerStack", width: int | None = None, show_trainable: bool = False) -> str:
    """Layer (type), Output Shape, Param #, of a graph that is no chain also Connected to: name[call][output], ...

    Then the totals with their sizes.  One string without a final newline.

    width  in characters; None: the terminal's, at most 88, of a graph 108. Columns end at 45 %, 80 % and 100 % of it,
           of a graph at 30 %, 56 %, 74 % and 100 %, unless a cell needs more; what a layer is connected to stands in
           one line each.
    """
    heads, *rows = cells_of(model)
    wide = len(heads) == 4
    width = width or min(108 if wide else 88, shutil.get_terminal_size().columns - 4)
    marks = [("Y" if layer.trainable else "N") if layer.params else "-" for layer in model.shown]
    ends = (30, 56, 74, 100) if wide else (45, 80, 100)
    edges = [0, *(width * end // 100 for end in ends)]
    shares = [right - left - 3 - (0 < i < len(ends) - 1) for i, (left, right) in enumerate(pairwise(edges))]
    columns = zip(heads, *rows, strict=True)
    needs = [max(len(part) for cell in column for part in cell.split("\n")) for column in columns]
    cuts = [max(share, need) for share, need in zip(shares, needs, strict=True)]
    for i, need in reversed([*enumerate(needs)]):  # what one column needs beyond its share, others have to spare
        cuts[i] = max(need, cuts[i] - max(0, sum(cuts) + 3 * len(cuts) + 1 - width))

    def line(cells, mark):
        lines = []
        for number, parts in enumerate(zip_longest(*(cell.split("\n") for cell in cells), fillvalue="")):
            texts = [f"{part:>{cut}}" if i == 2 else f"{part:<{cut}}"
                     for i, (part, cut) in enumerate(zip(parts, cuts, strict=True))]  # fmt: skip
            shown = f" {'' if number else mark:^9} │" if show_trainable else ""
            lines.append(f"│ {' │ '.join(texts)} │{shown}")
        return "\n".join(lines)

    def rule(ends, bar="─"):
        spans = [*cuts, *([9] if show_trainable else [])]
        return ends[0] + ends[1].join(bar * (n + 2) for n in spans) + ends[2]

    body = f"\n{rule('├┼┤')}\n".join(line(row, mark) for row, mark in zip(rows, marks, strict=True))
    heavy = f"{rule('┏┳┓', '━')}\n{line(heads, 'Trainable').replace('│', '┃')}\n{rule('┡╇┩', '━')}"
    return f'Model: "{model.name}"\n{heavy}\n{body}\n{rule("└┴┘")}\n{totals(model)}'


def cells_of(model: "LayerStack") -> list[tuple[str, ...]]:
    """Rows of the table, the first of them heads."""
    rows = [(f"{layer.name} ({_kind(layer)})", _shape(layer), _count(layer)) for layer in model.shown]
    heads = ("Layer (type)", "Output Shape", "Param #")
    steps = model.steps if model.shown is model.operations else []
    chain = [step.inputs for step in steps] == [(i,) for i in range(len(steps))]
    if not steps or (chain and model.ends == (len(steps),)):
        return [heads, *rows]
    read = connections(model)
    return [(*heads, "Connected to"), *((*row, ",\n".join(read.get(layer, ())) or "-")
                                       for row, layer in zip(rows, model.operations, strict=True))]  # fmt: skip


def connections(model: "LayerStack") -> dict:
    """Layer -> what it reads, in all of its calls: "conv2d[0][0]", the name, which call's output, and which of them."""
    names = [f"{symbol.name}[0][0]" for symbol in model.inputs]
    shapes = [step.layer.sample_out for step in model.steps]
    steps = [(step.layer, step.inputs, len(shape) if isinstance(shape, list) else 1)
             for step, shape in zip(model.steps, shapes, strict=True)]  # fmt: skip
    read: dict = {}
    for (layer, given, count), call in zip(steps, call_numbers(steps, model.ends, len(names)), strict=True):
        read.setdefault(layer, {})[call] = [names[i] for i in given]
        names += [f"{layer.name}[{call}][{i}]" for i in range(count)]
    return {layer: [one for call in sorted(calls) for one in calls[call]] for layer, calls in read.items()}


def html(model: "LayerStack") -> str:
    """The same for a notebook."""
    end = "".join(f"<div>{escape(line)}</div>" for line in totals(model).splitlines())
    return f"<div><b>{escape(model.name)}</b></div>{html_table(cells_of(model))}{end}"


def readable(text: str, stream: Any) -> str:
    """A table for a stream: its lines of - = | + where the stream cannot encode the drawn ones, as with LANG=C."""
    return text if printable(text, stream) == text else printable(text.translate(ASCII), stream)


def totals(model: "LayerStack") -> str:
    """Total, trainable, non-trainable and, once there is one, optimizer parameters, each with its size."""
    trainable = sum(p.data.size for layer in model.operations for p in layer.trainable_weights)
    frozen = sum(p.data.size for layer in model.operations for p in layer.non_trainable_weights)
    counts = {"Trainable": trainable, "Non-trainable": frozen}
    if model.optimizer is not None and model.optimizer.params:
        counts["Optimizer"] = model.optimizer.count_params()
    counts = {"Total": sum(counts.values())} | counts
    itemsize = model.backend.dtype.itemsize
    return "\n".join(f" {name} params: {n:,} ({_size(n * itemsize)})" for name, n in counts.items())


def _shape(layer: Any) -> str:
    shapes = layer.sample_out if isinstance(layer.sample_out, list) else [layer.sample_out]
    shown = ["?" if one is None else f"({', '.join(['None', *map(str, one)])})" for one in shapes]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _kind(layer: Any) -> str:
    """Its class; of a model that stands there Keras's word, Functional."""
    name = type(layer).__name__
    return layer.class_name if name == "Model" else name


def _count(layer: Layer) -> str:
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _size(nbytes: int) -> str:
    size, unit = float(nbytes), "B"
    for larger in ("KB", "MB", "GB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.2f} {unit}"
