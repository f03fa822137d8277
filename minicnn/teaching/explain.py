"""A cell and a network in numbers, for the terminal: at most 100 columns, no colour, to be copied into a notebook."""

from typing import Any

import numpy as np

WIDTH = 100
MOST_ROWS, MOST_CHANNELS, MOST_PARTS = 7, 2, 8  # of what is printed; the sums are of everything


def number(value: Any) -> str:
    return f"{float(value): .6g}"


def plain(value: Any) -> str:
    return f"{float(value):.6g}"


def _index(at) -> str:
    return "[" + ", ".join(str(int(i)) for i in at[1:]) + "]"


def _place(source) -> str:
    """A cell's name: of a number its digits, of a weight all its indices, of an array without the batch's."""
    if source.name.startswith("="):
        return source.name[1:] or "constant"
    at = source.cells[0]
    return source.name + (_index([0, *at]) if len(at) == 1 else _index(at))


def _grid(array, columns: int = 9) -> list[str]:
    """Rows of a matrix, with its left upper corner where it is large."""
    rows = array[:MOST_ROWS, :columns]
    lines = [" ".join(f"{v + 0.0:9.4f}" for v in row) + (" ..." if array.shape[1] > columns else "") for row in rows]
    return lines + (["..."] if len(array) > MOST_ROWS else [])


def _beside(blocks: list[tuple[str, list[str]]]) -> list[str]:
    """Blocks of lines side by side with their heads, or one below the other where that is too wide."""
    widths = [max(map(len, [head, *lines])) for head, lines in blocks]
    if sum(widths) + 3 * len(widths) + 4 > WIDTH:
        return [line for head, lines in blocks for line in ["    " + head, *("    " + x for x in lines)]]
    height = max(len(lines) for _, lines in blocks)
    rows = [[head, *lines, *[""] * (height - len(lines))] for head, lines in blocks]
    return ["    " + "   ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in zip(*rows, strict=True)]  # fmt: skip


def _patch(term) -> list[str]:
    """The window, the filter and their products, by channel; then the im2col row."""
    lines, channels = [], term.patch.shape[2]
    products = term.patch.astype(np.float64) * term.kernel
    for c in range(min(channels, MOST_CHANNELS)):
        lines.append(f"  input channel {c} of {channels}: window x filter = products (zeros outside the image)")
        blocks = zip(("window", "filter", "products"), (term.patch, term.kernel, products), strict=True)
        lines += _beside([(head, _grid(a[:, :, c])) for head, a in blocks])
    if channels > MOST_CHANNELS:
        sums = products.sum(axis=(0, 1))
        lines.append(f"  sums of the products of all {channels} input channels")
        lines += _wrapped([f"{c}: {plain(v)}" for c, v in enumerate(sums)])
    lines.append(f"  as a row of im2col, {term.patch.size} numbers, times a column of the filters:")
    return lines + _wrapped([plain(v) for v in term.patch.reshape(-1)], 18)


def _wrapped(items: list[str], most: int = 64) -> list[str]:
    """Items in lines of at most WIDTH."""
    lines, line = [], "   "
    for item in items[:most]:
        if len(line) + len(item) + 2 > WIDTH:
            lines.append(line)
            line = "   "
        line += " " + item + ";"
    return [*lines, line[:-1] + ("; ..." if len(items) > most else "")]


def _parts(name, cells, factors, weights, parts, heads) -> list[str]:
    """A list of products, the largest first."""
    order = np.argsort(-np.abs(parts), kind="stable")[:MOST_PARTS]
    rows = [(name + _index(cells[m]), number(factors[m]), number(weights[m]), number(parts[m])) for m in order]
    lines = [f"    {place:<34}{a:>14} x{b:>14} ={c:>14}" for place, a, b, c in rows]
    left = len(parts) - len(order)
    if left:
        rest = parts.sum() - parts[order].sum()
        lines.append(f"    {f'{left} more':<34}{'':>14}  {'':>14} = {plain(rest):>14}")
    return [f"    {heads[0]:<34}{heads[1]:>14}  {heads[2]:>14}  {heads[3]:>14}", *lines]


def _term(term) -> list[str]:
    at = f"{term.name}{_index(term.index)}"
    lines = [f"{term.op}: {at}"]
    if term.kind == "layer of its own":
        return [*lines, f"  {at} = {plain(term.value)}, computed by a layer that is not written in ops"]
    if term.patch is not None:
        lines += _patch(term)
    else:
        for s in term.sources:
            if term.kind == "product" or len(s.x) > 1:
                heads = ("cell", "x", "weight" if term.kind == "product" else "dy/dx", "product")
                lines += _parts(s.name, s.cells, s.x, s.weights, s.parts, heads)
            elif len(s.x):
                lines.append(f"    {_place(s)} = {plain(s.x[0])}, dy/dx = {plain(s.weights[0])}")
    if term.kind == "product":
        total = sum(float(s.parts.sum()) for s in term.sources)
        lines.append(f"  sum of {sum(len(s.parts) for s in term.sources)} products = {plain(total)}")
        lines.append(f"  + bias = {plain(term.bias)}  -> {plain(total + term.bias)}")
        if term.relu:
            lines.append(f"  ReLU: max({plain(total + term.bias)}, 0) = {plain(term.computed)}")
    return [*lines, _agreement(term.computed, term.value, term.bound)]


def _agreement(computed, value, bound) -> str:
    return f"  written out {computed:.9g}, the engine has {value:.9g}, rounding allows {bound:.1e}"


def cell_text(cell: Any) -> str:
    """Where the number comes from, and where its gradient does."""
    at = cell.name + _index([0, *cell.index] if cell.alone else cell.index)
    lines = [f"FORWARD  {at} = {cell.value:.9g}"]
    for term in cell.terms:
        lines += ["", *_term(term)]
    if not cell.terms:
        lines.append("  given, not computed")
    if cell.gradient is None:
        return "\n".join([*lines, "", f"BACKWARD  no gradient of {at}: trace with y, or nothing of the loss reads it"])
    lines += ["", f"BACKWARD  dL/d {at} = {cell.gradient:.9g}"]
    for r in cell.readers:
        mask = ", where its ReLU is open" if r.relu else ""
        lines += ["", f"read by {r.op} -> {r.name}: dL/d of its cells{mask}, times their slopes"]
        if not r.split:
            lines.append("    its parts are not written out: a layer of one's own, or too many cells")
        elif len(r.parts):
            lines += _parts(r.name, r.cells, r.dz, r.slopes, r.parts, ("cell", "dL/dz", "dz/d cell", "product"))
        else:
            lines.append("    no cell of it depends on this one: 0")
    if cell.gradient_computed is not None:
        lines.append(_agreement(cell.gradient_computed, cell.gradient, cell.gradient_bound))
    lines += _onward(cell)
    return "\n".join(line[:WIDTH] for line in lines)


def _onward(cell) -> list[str]:
    """What the cell's gradient gives to the layer's weights and input."""
    term = next((t for t in cell.terms if t.kind == "product" and t.patch is not None), None)
    if term is None or term.gradient is None:
        return []
    dz = term.gradient * (term.value > 0 if term.relu else 1)
    lines = ["", f"HANDED ON  dz = {plain(dz)}" + (" (0 where the ReLU is closed)" if term.relu else "")]
    lines.append(f"  to the bias dz; to the filter's gradient dz x window; to the window dz x filter; channel 0 of "
                 f"{term.patch.shape[2]}:")  # fmt: skip
    blocks = [("dz x window", _grid(dz * term.patch[:, :, 0])), ("dz x filter", _grid(dz * term.kernel[:, :, 0]))]
    return lines + _beside(blocks)


def steps_text(trace: Any) -> list[str]:
    """One screen per layer: what it reads, computes and hands on, and the gradients of the backward pass."""
    screens, groups = [], []
    for step in trace.steps:
        if not groups or groups[-1][0] != step.layer:
            groups.append((step.layer, []))
        groups[-1][1].append(step)
    for k, (layer, steps) in enumerate(groups):
        lines = [f"{k + 1}/{len(groups)}  {layer or 'the loss'}"]
        shown: list[str] = []
        for step in steps:
            lines.append(f"  {step.op}({', '.join(n.lstrip('=') for n in step.inputs if n)}) -> {step.output}"[:WIDTH])
            shown += [n for n in (*step.inputs, step.output) if n in trace.values and n not in shown]
        lines.append(f"  {'array':<30}{'shape':<18}{'min':>11}{'mean':>11}{'max':>11}{'rms dL/d':>11}")
        for name in shown:
            y, g = trace.values[name], trace.gradients.get(name)
            rms = "-" if g is None else f"{np.sqrt(np.mean(np.square(g, dtype=np.float64))):.3e}"
            shape = "x".join(map(str, y.shape)) or "scalar"
            lines.append(f"  {name:<30.30}{shape:<18}{y.min():>11.4g}{y.mean():>11.4g}{y.max():>11.4g}{rms:>11}")
        y = trace.values.get(steps[-1].output)
        if y is not None and y.ndim == 4:
            c = int(np.abs(y[0]).sum(axis=(0, 1)).argmax())
            lines += [f"  channel {c}, which responds most", *("    " + x for x in _shaded(y[0, :, :, c]))]
        elif y is not None and y.ndim == 2:
            lines += _wrapped([f"{i}: {plain(v)}" for i, v in enumerate(y[0])])
        screens.append("\n".join(lines))
    return screens


def _shaded(image) -> list[str]:
    """Small images by characters, light to dark, from the least to the largest value."""
    image = image[:28, :96]
    low, high = float(image.min()), float(image.max())
    levels = ((image - low) / ((high - low) or 1) * 9).astype(int)
    return ["".join(" .:-=+*#%@"[v] for v in row).rstrip() for row in levels]
