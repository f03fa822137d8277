"""Every array of one forward and backward, by name: what `model.trace(x, y)` returns.

      trace = model.trace(x[0], y[0])
      trace.values["conv2d"], trace.gradients["conv2d"]      a layer's output, and dL/d of it
      trace.gradients["conv2d/kernel"], trace.gradients["x"]  of a weight, of the image
      print(trace)                                            the table: one line per op, in the order in which they ran
      print(trace.cell("conv2d", 3, 4, 7))                    where one number comes from, and where its gradient does

The ops run one by one on the model's own kernels, as the tape runs them, so the arrays are the engine's to the last
bit. (A training step and predict may run neighbours as one kernel, which rounds sums in another order.)

Names: "x", "y", a layer's name for its output, "layer/kernel" for its weight, "layer/op" for what is computed on the
way, "loss". Of several inputs and outputs "x/left", "y/digit", "loss/digit", by their names. Arrays keep the axis of
the batch. The program is a graph: a value may have several readers.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import arguments
from ..backend.base import Backend
from ..core.program import Program
from ..errors import ArgumentError, NotBuiltError, one_of, require
from ..io.html import html_table

if TYPE_CHECKING:
    from ..core.program import Node
    from .cell import Cell

ASIDE = {"batch_norm": ("mean", "variance")}


class Step(NamedTuple):
    """One op that ran.  layer: whose, "" for the loss's;  inputs: names, "" for None;  node: of the program."""

    layer: str
    op: str
    inputs: tuple[str, ...]
    output: str
    node: "Node"


class Labels(NamedTuple):
    """Names of what a program is given, and of its parts of the loss.  x: how many of them are inputs, not targets."""

    given: tuple[str, ...] = ("x", "y")
    parts: tuple[str, ...] = ()
    x: int = 1


def labels(model: Any) -> Labels:
    """Of a model's inspection."""
    several_x, several_y = isinstance(model.sample_in, list), isinstance(model.sample_out, list)
    xs = [f"x/{name}" for name in model.input_names] if several_x else ["x"]
    ys = [f"y/{name}" for name in model.output_names] if several_y else ["y"]
    both = zip(model.output_names, model.output_losses, strict=False)
    parts = [f"loss/{name}" for name, loss in both if loss is not None]
    return Labels((*xs, *ys), tuple(parts) if several_y else (), len(xs))


class Trace:
    """values, gradients  name -> array;  steps  the ops in the order in which they ran;  inputs  names of the images.

    channels_first  whether images are (N, C, H, W), as layers of the model say.
    """

    def __init__(self, be: Backend, program: Program, values: list, gradients: dict, step: int, only: Any = None,
                 labels: Labels | None = None, channels_first: bool = False):  # fmt: skip
        labels = labels or Labels()
        self.be, self.step, self.inputs, self.channels_first = be, step, labels.given[: labels.x], channels_first
        self._values = {slot: np.array(be.to_numpy(v)) for slot, v in enumerate(values) if v is not None}
        self._gradients = {slot: np.array(be.to_numpy(g)) for slot, g in gradients.items()}
        self.nodes, self.only = program.unfused, None if only is None else only.name
        self.names, self.weights = names(program, labels), {slot for slot, _ in program.params}
        self.outputs = {layer.name: slot for layer, slot in reversed(program.outputs)}
        self.slots = {name: slot for slot, name in self.names.items()} | self.outputs
        shown = [n for n in self.nodes if only is None or n.layer is only]
        seen = {slot for node in shown for slot in (*node.inputs, *node.outputs)}
        keep = {n: s for n, s in self.slots.items() if only is None or s in seen or n == only.name}
        self.values: dict[str, np.ndarray] = {
            n: self._values[s] for n, s in keep.items() if s in self._values and not _constant(n)
        }
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

    def cell(self, layer: Any, *index: int) -> "Cell":
        """Where one number of a layer's output comes from, and where its gradient does.

        layer  a layer or the name of any value;  index: (i, j, o) of an image's cell, (o,) of a vector's; of a weight
               all its axes
        """
        from .cell import Cell

        return Cell(self, *self._at(layer, index))

    def _at(self, layer, index) -> tuple[str, tuple[int, ...]]:
        """(name, index with the first image's 0), checked."""
        name = one_of("cell: layer", getattr(layer, "name", layer), self.values)
        shape = self.values[name].shape
        alone = self.slots[name] in self.weights or not shape  # without a batch
        shape = shape if alone else shape[1:]
        ok = len(index) == len(shape)
        require(ok, f"cell: {name}", f"{len(shape)} numbers, for a shape of {shape}", index, error=ArgumentError)
        found = [arguments.whole(f"cell: {name}", i, low=0, high=n - 1) for i, n in zip(index, shape, strict=True)]
        return name, tuple(found) if alone else (0, *found)

    # pictures of it --------------------------------------------------------------------------------------------------

    def saliency(self, x: str | None = None) -> np.ndarray:
        """|dL/dx|, the largest over the channels: (H, W) of the first image.  Source: Simonyan et al. 2013.

        x: which input, where there are several: one of `inputs`.
        """
        found = np.abs(self._gradient(self._input("saliency", x))[0])
        return found.max(axis=0 if self.channels_first else -1) if found.ndim == 3 else found

    def grad_cam(self, layer: Any) -> np.ndarray:
        """max(sum_c a_c A_c, 0), a_c the mean of -dL/dA_c over the image: (H, W) of the first image, not resized.

        The loss's gradient takes the place of the class score's: what lowers the loss of y speaks for y.
        Source: Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2.
        """
        name = getattr(layer, "name", layer)
        maps, gradient = self[name][0], -self._gradient(name)[0]
        require(maps.ndim == 3, f"grad_cam: {name}", "a layer of images (H, W, C)", maps.shape, error=ArgumentError)
        if self.channels_first:
            maps, gradient = maps.transpose(1, 2, 0), gradient.transpose(1, 2, 0)
        return np.maximum((maps * gradient.mean(axis=(0, 1))).sum(axis=-1), 0)

    def dead_units(self) -> dict[str, tuple[int, int]]:
        """Layer -> (channels that are 0 all over these images, channels): of the layers that end in a ReLU."""
        found, stands, ends = {}, self.stands(), set(self.outputs.values())
        for node in self.nodes:
            relu, slot = node.name == "relu" or node.static.get("relu"), node.outputs[0]
            name = stands.get(slot, self.names[slot])
            if relu and self.names[slot] in self.values:
                y = self.values[self.names[slot]]
                axis = 1 if self.channels_first and y.ndim == 4 and slot in ends else y.ndim - 1
                found[name] = int((y == 0).all(axis=tuple({*range(y.ndim)} - {axis})).sum()), y.shape[axis]
        return found

    def stands(self) -> dict[int, str]:
        """Slot -> the layer whose output it is, moved about at most: channels_first transposes, sequences reshape."""
        found = {slot: name for name, slot in self.outputs.items()}
        for node in reversed(self.nodes):
            name = found.get(node.outputs[0])
            if name is not None and node.name in ("transpose", "reshape") and node.layer.name == name:
                found.setdefault(node.inputs[0], name)
        return found

    def filters(self, layer: Any) -> np.ndarray:
        """The kernel (KH, KW, C, O) of a convolution."""
        return self[f"{getattr(layer, 'name', layer)}/kernel"]

    def receptive_field(self, layer: Any, *index: int, x: str | None = None) -> tuple[slice, ...]:
        """The box of the image that the cell depends on, as slices of x[0] without channels: (rows, columns).

        x: which input, where there are several. Of what is no image a slice for every axis. Empty slices: of none.
        By structure, not by values: windows that hold a zero weight or a dead ReLU count.
        """
        from .receptive import field

        name, at = self._at(layer, index)
        slot = self.slots[self._input("receptive_field", x)]
        box = field(self, self.slots[name], at, slot) or [(0, 0)] * (self._values[slot].ndim - 1)
        slices = tuple(slice(a, b) for a, b in box)
        return slices if len(slices) != 3 else slices[1:] if self.channels_first else slices[:2]

    def _input(self, where: str, name: str | None) -> str:
        if name is None and len(self.inputs) == 1:
            return self.inputs[0]
        return one_of(f"{where}: x", name or "(none)", self.inputs)

    def _gradient(self, name: str) -> np.ndarray:
        fix = "call trace(x, y) with y"
        require(bool(self._gradients), f"trace: gradient of {name}", "a backward", "none", fix, error=NotBuiltError)
        return self.gradients[one_of("trace: gradient", name, self.gradients)]

    # text ------------------------------------------------------------------------------------------------------------

    def table(self) -> list[tuple[str, ...]]:
        """Rows of strings, the first of them heads: one per op."""
        rows: list[tuple[str, ...]] = [("op", "reads", "gives", "shape", "min", "mean", "max", "rms of dL/d")]
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


def names(program: Program, labels: Labels | None = None) -> dict[int, str]:
    """Slot -> name.  A constant's is =, and its number if it is one."""
    labels = labels or Labels()
    found = dict(zip(program.inputs, labels.given, strict=False))
    params, calls = dict(program.params), Counter()
    for layer, slot in program.outputs:  # Dropout at rest hands on what it reads, which keeps its first name
        if slot not in found and slot not in params:
            calls[layer.name] += 1  # a shared layer's
            found[slot] = layer.name + (f"/call_{calls[layer.name]}" if calls[layer.name] > 1 else "")
    if program.loss:
        found[program.loss] = "loss"
    for slot, name in zip(program.parts, labels.parts, strict=False):
        found.setdefault(slot, name)
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
                    found[slot] = f"={value.item():.6g}" if getattr(value, "size", 0) == 1 else "="
        aside = ASIDE.get(node.name, ())
        for k, slot in enumerate(node.outputs):
            if slot and slot not in found:
                found[slot] = free(f"{layer}/{node.name if not k else aside[k - 1] if k <= len(aside) else 'aside'}")
    for slot, p in params.items():
        found.setdefault(slot, free(p.path))
    return found
