"""What a model will do to a batch, before it does: algorithm, tile, memory and arithmetic of every product."""

import math
from typing import NamedTuple

from ..layers import Conv2D, Dense

KERNELS = ("forward", "input_grad", "weight_grad")


class Row(NamedTuple):
    """One kernel of one layer.  workspace_bytes: besides inputs and outputs; flops: multiplications and additions."""

    layer: str
    kernel: str
    algorithm: str
    tile: str
    workspace_bytes: int
    flops: int


class Plan(list):
    """Rows, one per kernel call of a training step that multiplies; prints as a table."""

    def __str__(self):
        heads = ("layer", "kernel", "algorithm", "tile", "workspace", "MFLOP")
        cells = [heads] + [
            (*row[:4], f"{row.workspace_bytes / 1024:,.0f} KiB", f"{row.flops / 1e6:,.1f}") for row in self
        ]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        aligned = [str.ljust] * 4 + [str.rjust] * 2
        lines = ["  ".join(a(c, w) for a, c, w in zip(aligned, row, widths, strict=True)) for row in cells]
        total = sum(row.flops for row in self) / 1e9
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], f"{total:,.2f} GFLOP in a training step"])

    __repr__ = __str__


def plan(model, batch_size: int) -> Plan:
    """The plan of `model` for batches of `batch_size`, without the first layer's input gradient: nobody needs it."""
    rows = Plan()
    for index, layer in enumerate(model.layers):
        if type(layer) not in (Conv2D, Dense):
            continue
        product = _conv2d if type(layer) is Conv2D else _dense
        for kernel, (algorithm, tile, workspace, flops) in zip(KERNELS, product(layer, batch_size), strict=True):
            if kernel == "forward" or (layer.trainable_weights and (index or kernel == "weight_grad")):
                rows.append(Row(layer.name, kernel, algorithm, tile, int(workspace), int(flops)))
    return rows


def _conv2d(layer: Conv2D, batch_size: int):
    x_shape, w_shape = (batch_size, *layer.input_shape), layer.kernel.shape
    decided = layer.be.plan_conv2d(x_shape, w_shape, layer.strides, layer.pads, layer.algorithm)
    if decided is not None:
        return decided
    # numpy_ref: the matrix of all windows, and one product with it, three times
    windows = batch_size * math.prod(layer.output_shape[:2])
    cols = windows * math.prod(w_shape[:3])
    return [("im2col", "BLAS", cols * layer.be.dtype.itemsize, 2 * cols * layer.filters)] * 3


def _dense(layer: Dense, batch_size: int):
    rows = batch_size * math.prod(layer.input_shape[:-1])
    how = "BLAS" if layer.be.kernels == "numpy_ref" else "SIMD"
    return [("product", how, 0, 2 * rows * layer.kernel.data.size)] * 3
