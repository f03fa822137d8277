"""Every array of one forward and backward, by name: what `model.trace(x, y)` returns.

      trace = model.trace(x[0], y[0])
      trace.values["conv2d"], trace.gradients["conv2d"]      a layer's output, and dL/d of it
      trace.gradients["conv2d/kernel"], trace.gradients["x"]  of a weight, of the image
      print(trace)                                            the table: one line per op, in the order in which they ran
      print(trace.cell("conv2d", 3, 4, 7))                    where one number comes from, and where its gradient does

The ops run one by one on the model's own kernels, as the tape runs them, so the arrays are the engine's to the last
bit. (A training step and predict may run neighbours as one kernel, which rounds sums in another order.)

Names: "x", "y", a layer's name for its output, "layer/kernel" for its weight, "layer/op" for what is computed on the
way, "loss". Arrays keep the axis of the batch. The program is a graph: a value may have several readers.
"""

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import arguments
from ..errors import ArgumentError, NotBuiltError, one_of, require
from ..io.html import html_table

if TYPE_CHECKING:
    from .cell import Cell

ASIDE = {"batch_norm": ("mean", "variance")}


class Step(NamedTuple):
    """One op that ran.  layer: whose, "" for the loss's;  inputs: names, "" for None;  node: of the program."""

    layer: str
    op: str
    inputs: tuple[str, ...]
    output: str
    node: object


class Trace:
    """values, gradients  name -> array;  steps  the ops in the order in which they ran."""

    def __init__(self, be, program, values: list, gradients: dict, step: int, only=None):
        self.be, self.step = be, step
        self._values = [None if v is None else np.array(be.to_numpy(v)) for v in values]
        self._gradients = {slot: np.array(be.to_numpy(g)) for slot, g in gradients.items()}
        self.nodes, self.only = program.unfused, None if only is None else only.name
        self.names = names(program)
        self.outputs = {layer.name: slot for layer, slot in reversed(program.outputs)}
        self.slots = {name: slot for slot, name in self.names.items()} | self.outputs
        shown = [n for n in self.nodes if only is None or n.layer is only]
        seen = {slot for node in shown for slot in (*node.inputs, *node.outputs)}
        keep = {n: s for n, s in self.slots.items() if only is None or s in seen or n == only.name}
        self.values: dict[str, np.ndarray] = {n: self._values[s] for n, s in keep.items() if not _constant(n)}
        self.gradients: dict[str, np.ndarray] = {
            n: self._gradients[s] for n, s in keep.items() if s in self._gradients and not _constant(n)
        }
        self.steps = [
            Step(n.layer.name if n.layer else "", n.name, tuple(self.names.get(s, "") for s in n.inputs),
                 self.names[n.outputs[0]], n) for n in shown
        ]  # fmt: skip

    loss = property(lambda self: float(self._values[self.slots["loss"]]) if "loss" in self.slots else None)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.values[one_of("trace: name", name, self.values)]

    def cell(self, layer, *index: int) -> "Cell":
        """Where one number of a layer's output comes from, and where its gradient does.

        layer  a layer or the name of any value;  index: (i, j, o) of an image's cell, (o,) of a vector's
        """
        from .cell import Cell

        return Cell(self, *self._at(layer, index))

    def _at(self, layer, index) -> tuple[str, tuple[int, ...]]:
        """(name, index with the first image's 0), checked."""
        name = one_of("cell: layer", getattr(layer, "name", layer), self.values)
        shape = self.values[name].shape[1:]
        ok = len(index) == len(shape)
        require(ok, f"cell: {name}", f"{len(shape)} numbers, for a shape of {shape}", index, error=ArgumentError)
        found = [arguments.whole(f"cell: {name}", i, low=0, high=n - 1) for i, n in zip(index, shape, strict=True)]
        return name, (0, *found)

    # pictures of it --------------------------------------------------------------------------------------------------

    def saliency(self) -> np.ndarray:
        """|dL/dx|, the largest over the channels: (H, W) of the first image.  Source: Simonyan et al. 2013."""
        return np.abs(self._gradient("x")[0]).max(axis=-1)

    def grad_cam(self, layer) -> np.ndarray:
        """max(sum_c a_c A_c, 0), a_c the mean of -dL/dA_c over the image: (H, W) of the first image, not resized.

        The loss's gradient takes the place of the class score's: what lowers the loss of y speaks for y.
        Source: Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2.
        """
        name = getattr(layer, "name", layer)
        maps, gradient = self[name][0], -self._gradient(name)[0]
        require(maps.ndim == 3, f"grad_cam: {name}", "a layer of images (H, W, C)", maps.shape, error=ArgumentError)
        return np.maximum((maps * gradient.mean(axis=(0, 1))).sum(axis=-1), 0)

    def dead_units(self) -> dict[str, tuple[int, int]]:
        """Layer -> (channels that are 0 all over these images, channels): of the layers that end in a ReLU."""
        found = {}
        for node in self.nodes:
            relu = node.name == "relu" or node.static.get("relu")
            name = self.names[node.outputs[0]]
            if relu and name in self.values:
                y = self.values[name]
                found[name] = int((y == 0).all(axis=tuple(range(y.ndim - 1))).sum()), y.shape[-1]
        return found

    def filters(self, layer) -> np.ndarray:
        """The kernel (KH, KW, C, O) of a convolution."""
        return self[f"{getattr(layer, 'name', layer)}/kernel"]

    def receptive_field(self, layer, *index: int) -> tuple[slice, ...]:
        """The box of the image that the cell depends on, as slices of x[0] without channels: (rows, columns).

        By structure, not by values: windows that hold a zero weight or a dead ReLU count.
        """
        from .receptive import field

        name, at = self._at(layer, index)
        return field(self, self.slots[name], at)

    def _gradient(self, name: str) -> np.ndarray:
        fix = "call trace(x, y) with y"
        require(bool(self._gradients), f"trace: gradient of {name}", "a backward", "none", fix, error=NotBuiltError)
        return self.gradients[one_of("trace: gradient", name, self.gradients)]

    # text ------------------------------------------------------------------------------------------------------------

    def table(self) -> list[tuple[str, ...]]:
        """Rows of strings, the first of them heads: one per op."""
        rows = [("op", "reads", "gives", "shape", "min", "mean", "max", "rms of dL/d")]
        for step in self.steps:
            slot = step.node.outputs[0]
            y, g = self._values[slot], self._gradients.get(slot)
            numbers = (f"{f(y):.3g}" for f in (np.min, np.mean, np.max))
            rms = "-" if g is None else f"{np.sqrt(np.mean(np.square(g, dtype=np.float64))):.2e}"
            reads = ", ".join(n.rpartition("/")[2] if n.startswith(step.layer + "/") else n for n in step.inputs
                              if n and not _constant(n))  # fmt: skip
            rows.append((step.op, reads, step.output, "x".join(map(str, y.shape)) or "scalar", *numbers, rms))
        return rows

    def __str__(self):
        rows = [[row[0], *row[2:]] for row in self.table()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        widths[1] = max(min(widths[1], 100 - 2 * 6 - sum(widths) + widths[1]), 8)  # names give way
        rows = [[c if len(c) <= w else c[: w - 3] + "..." for c, w in zip(row, widths, strict=True)] for row in rows]
        aligned = [str.ljust] * 3 + [str.rjust] * 4
        lines = ["  ".join(a(c, w) for a, c, w in zip(aligned, row, widths, strict=True)) for row in rows]
        end = [] if self.loss is None else [f"loss {self.loss:.6g}"]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *end])

    def __repr__(self):
        return f"<Trace: {len(self.steps)} ops, {len(self.values)} values, {len(self.gradients)} gradients>"

    def _repr_html_(self):
        return html_table(self.table())


def _constant(name: str) -> bool:
    return name.startswith("=")


def names(program) -> dict[int, str]:
    """Slot -> name.  A constant's is =, and its number if it is one."""
    found = dict(zip(program.inputs, ("x", "y"), strict=False))
    params, calls = dict(program.params), Counter()
    for layer, slot in program.outputs:  # Dropout at rest hands on what it reads, which keeps its first name
        if slot not in found and slot not in params:
            calls[layer.name] += 1  # a shared layer's
            found[slot] = layer.name + (f"/call_{calls[layer.name]}" if calls[layer.name] > 1 else "")
    if program.loss:
        found[program.loss] = "loss"
    taken = set(found.values())

    def free(name):
        one, k = name, 0
        while one in taken:
            k += 1
            one = f"{name}_{k}"
        taken.add(one)
        return one

    for node in program.unfused:
        layer = node.layer.name if node.layer else "loss"
        for slot in node.inputs:
            if slot and slot not in found:
                if slot in params:
                    found[slot] = free(f"{layer}/{params[slot].path.rpartition('/')[2]}")
                else:
                    value = program.constants[slot]
                    found[slot] = f"={float(value):.6g}" if getattr(value, "size", 0) == 1 else "="
        aside = ASIDE.get(node.name, ())
        for k, slot in enumerate(node.outputs):
            if slot and slot not in found:
                found[slot] = free(f"{layer}/{node.name if not k else aside[k - 1] if k <= len(aside) else 'aside'}")
    for slot, p in params.items():
        found.setdefault(slot, free(p.path))
    return found
