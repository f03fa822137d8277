"""The table that `model.summary()` prints, in Keras's columns."""

import shutil
from html import escape

from ..callbacks.console import printable
from ..io.html import html_table
from ..layers import Layer

ASCII = str.maketrans("│┃─━├┼┤┏┳┓┡╇┩└┴┘", "||-=" + 12 * "+")


def table(model, width: int | None = None, show_trainable: bool = False) -> str:
    """Layer (type), Output Shape, Param #; then the totals with their sizes.  One string without a final newline.

    width  in characters; None: the terminal's, at most 88. Columns end at 45 %, 80 % and 100 % of it, later if need be.
    """
    width = width or min(88, shutil.get_terminal_size().columns - 4)
    heads, *rows = cells_of(model)
    marks = [("Y" if layer.trainable else "N") if layer.params else "-" for layer in model.layers]
    cuts = [max(len(text) for text in column) for column in zip(heads, *rows, strict=True)]
    shares = (width * 45 // 100 - 3, width * 80 // 100 - width * 45 // 100 - 4, width - width * 80 // 100 - 3)
    cuts = [max(cut, share) for cut, share in zip(cuts, shares, strict=True)]

    def line(cells, mark):
        left, middle, right = cells
        text = f"│ {left:<{cuts[0]}} │ {middle:<{cuts[1]}} │ {right:>{cuts[2]}} │"
        return text + (f" {mark:^9} │" if show_trainable else "")

    def rule(ends, bar="─"):
        spans = [*cuts, *([9] if show_trainable else [])]
        return ends[0] + ends[1].join(bar * (n + 2) for n in spans) + ends[2]

    body = f"\n{rule('├┼┤')}\n".join(line(row, mark) for row, mark in zip(rows, marks, strict=True))
    heavy = f"{rule('┏┳┓', '━')}\n{line(heads, 'Trainable').replace('│', '┃')}\n{rule('┡╇┩', '━')}"
    return f'Model: "{model.name}"\n{heavy}\n{body}\n{rule("└┴┘")}\n{totals(model)}'


def cells_of(model) -> list[tuple[str, str, str]]:
    """Rows of the table, the first of them heads."""
    rows = [(f"{layer.name} ({type(layer).__name__})", _shape(layer), _count(layer)) for layer in model.layers]
    return [("Layer (type)", "Output Shape", "Param #"), *rows]


def html(model) -> str:
    """The same for a notebook."""
    end = "".join(f"<div>{escape(line)}</div>" for line in totals(model).splitlines())
    return f"<div><b>{escape(model.name)}</b></div>{html_table(cells_of(model))}{end}"


def readable(text: str, stream) -> str:
    """A table for a stream: its lines of - = | + where the stream cannot encode the drawn ones, as with LANG=C."""
    return text if printable(text, stream) == text else printable(text.translate(ASCII), stream)


def totals(model) -> str:
    """Total, trainable, non-trainable and, once there is one, optimizer parameters, each with its size."""
    trainable = sum(p.data.size for layer in model.layers for p in layer.trainable_weights)
    frozen = sum(p.data.size for layer in model.layers for p in layer.non_trainable_weights)
    counts = {"Trainable": trainable, "Non-trainable": frozen}
    if model.optimizer is not None and model.optimizer.params:
        counts["Optimizer"] = model.optimizer.count_params()
    counts = {"Total": sum(counts.values())} | counts
    itemsize = model.backend.dtype.itemsize
    return "\n".join(f" {name} params: {n:,} ({_size(n * itemsize)})" for name, n in counts.items())


def _shape(layer: Layer) -> str:
    return "?" if layer.output_shape is None else f"({', '.join(['None', *map(str, layer.output_shape)])})"


def _count(layer: Layer) -> str:
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _size(nbytes: int) -> str:
    size, unit = float(nbytes), "B"
    for larger in ("KB", "MB", "GB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.2f} {unit}"
