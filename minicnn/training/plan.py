"""model.plan(): the nodes of a training step's program, and the algorithm of every product among them.

It is read off the program that runs, so it cannot say anything else.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

from ..backend.memory_message import amount
from ..io.html import html_table

if TYPE_CHECKING:
    from .stack import LayerStack

KERNELS = ("forward", "input_grad", "weight_grad")
CONVOLUTIONS, DENSE = ("conv2d", "conv_block"), ("dense",)


class Row(NamedTuple):
    """One kernel of one node.

    layer, node      whose it is, and the op that runs: what a rule has made of several goes by its own name
    algorithm, tile  of a product; for others the node's kernels as they are
    workspace_bytes  besides inputs and outputs;  kept_bytes: of what the node leaves for backward
    flops            multiplications and additions of products
    """

    layer: str
    node: str
    kernel: str
    algorithm: str
    tile: str
    workspace_bytes: int
    kept_bytes: int
    flops: int


class Plan(list):
    """Rows, one per product of a training step and one for every other node; prints as a table.

    memory_bytes  about what a step takes besides weights and optimizer: outputs that wait for backward, the largest
                  gradient with what it is made of, and the largest workspace
    """

    memory_bytes = 0

    def table(self) -> list[tuple[str, ...]]:
        """Rows of strings, the first of them heads."""
        heads = ("layer", "node", "kernel", "algorithm", "tile", "workspace", "kept", "MFLOP")
        return [heads] + [
            (*row[:5], f"{row.workspace_bytes / 1024:,.0f} KiB", f"{row.kept_bytes / 1024:,.0f} KiB",
             f"{row.flops / 1e6:,.1f}") for row in self
        ]  # fmt: skip

    def total(self) -> str:
        flops = sum(row.flops for row in self) / 1e9
        return f"{flops:,.2f} GFLOP and about {amount(self.memory_bytes)} of memory in a training step"

    def __str__(self):
        cells = self.table()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        aligned = [str.ljust] * 5 + [str.rjust] * 3
        lines = ["  ".join(a(c, w) for a, c, w in zip(aligned, row, widths, strict=True)) for row in cells]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], self.total()])

    __repr__ = __str__

    def _repr_html_(self):
        return f"{html_table(self.table())}<p>{self.total()}</p>"


def plan(model: "LayerStack", batch_size: int) -> Plan:
    """The plan of `model` for batches of `batch_size`, as its layers are now."""
    be, rows = model.backend, Plan()
    model.programs.refresh()
    program = model.programs.outline(tuple((batch_size, *shape) for shape in model.samples_in))
    for node in program.nodes:
        kept, layer = math.prod(node.shape) * be.dtype.itemsize, node.layer.name
        products = _products(be, node)
        if products is None:
            rows.append(Row(layer, node.name, "forward and backward", "-", "-", 0, kept, 0))
            continue
        if node.name == "conv_block" and node.static["pool"]:  # a byte per output, and what batch norm reads again
            normed = len(node.inputs) > 3 and node.inputs[3]
            kept += math.prod(node.shape) + (kept * math.prod(node.static["pool"]["strides"]) if normed else 0)
        wanted = True, node.needs[0], node.needs[1]
        for kernel, product, asked in zip(KERNELS, products, wanted, strict=True):
            if asked:
                algorithm, tile, workspace, flops = product
                left = kept if kernel == "forward" else 0
                rows.append(Row(layer, node.name, kernel, algorithm, tile, int(workspace), left, int(flops)))
    largest = max((row.kept_bytes for row in rows), default=0)
    workspace = max((row.workspace_bytes for row in rows), default=0)
    rows.memory_bytes = sum(row.kept_bytes for row in rows) + 2 * largest + workspace
    return rows


def _products(be, node):
    """(algorithm, tile, workspace, flops) of a product's three kernels; None: the node multiplies no matrices."""
    if node.name in DENSE:
        flops = 2 * math.prod(node.shapes[0][:-1]) * math.prod(node.shapes[1])
        return [("product", "BLAS" if be.kernels == "numpy_ref" else "SIMD", 0, flops)] * 3
    if node.name not in CONVOLUTIONS:
        return None
    (x_shape, w_shape), static = node.shapes[:2], node.static
    normed = len(node.inputs) > 3 and node.inputs[3]
    # A batch norm reads the whole image, a pooling the part in its windows.
    pool = None if normed else static.get("pool")
    decided = be.plan_conv2d(x_shape, w_shape, static["strides"], static["pads"], static["algorithm"], pool)
    if decided is not None:
        return decided
    # numpy_ref: the matrix of all windows, and one product with it, three times
    size = [(x_shape[1 + a] + sum(static["pads"][a]) - w_shape[a]) // static["strides"][a] + 1 for a in (0, 1)]
    cols = x_shape[0] * math.prod(size) * math.prod(w_shape[:3])
    return [("im2col", "BLAS", cols * be.dtype.itemsize, 2 * cols * w_shape[3])] * 3
