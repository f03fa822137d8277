"""A model as an ONNX file: what it computes at inference, for other programs, devices and languages.

    model.export("digits.onnx")                        onnxruntime.InferenceSession("digits.onnx")

The network is written down op by op, as it would run (training/traced.py), and each op in ONNX's operators
(onnx_ops.py). Weights are float32 and stand inside; the number of rows is open, and so are sizes that the model leaves
open, as in Input((None, None, 3)). What depends on constants alone is computed here. Layers that call a function of
yours (Lambda) are refused: no file can hold them.
"""

import functools
import os
from typing import Any

import numpy as np

from .. import arguments
from ..errors import ArgumentError, ArgumentTypeError, MissingPackageError, NotBuiltError, UnsupportedError, require
from .files import atomic_write
from .onnx_ops import SAME, WHOLE, Value, channels_first, form_of

SUFFIX, OPSETS = ".onnx", (17, 23)
IR = 8  # of opset 17's time; a newer file format for newer opsets


def export(model: Any, filepath: str | os.PathLike, *, opset: int = OPSETS[0]) -> None:
    """Write the model at inference to `filepath`, atomically: it ends in .onnx.  opset: of ONNX's operators, 17 to 23.

    Inputs and outputs are named and shaped as the model's, (batch, H, W, C) float32, and preprocessing is the caller's,
    as with predict. onnx.checker has passed before anything is written.
    Raises ArgumentError for another suffix, NotBuiltError, MissingPackageError without the package onnx, and
    UnsupportedError, which names the layer, for what ONNX cannot hold.
    """
    path = arguments.path("export: filepath", filepath)
    require(path.endswith(SUFFIX), "export: filepath", f"a file name that ends in {SUFFIX}", repr(path),
            f'use "{os.path.splitext(path)[0]}{SUFFIX}"', error=ArgumentError)  # fmt: skip
    opset = arguments.whole("export: opset", opset, low=OPSETS[0], high=OPSETS[1])
    require(hasattr(model, "programs"), "export: model", "a model", arguments.shown(model), error=ArgumentTypeError)
    require(model.built, "export: model", "a built model", "one without weights",
            "call build((None, H, W, C)), or fit it", error=NotBuiltError)  # fmt: skip
    try:
        import onnx
    except ImportError:
        raise MissingPackageError("export", "onnx") from None
    proto = _Graph(model, opset).proto(onnx, model)
    onnx.checker.check_model(proto, full_check=True)
    with atomic_write(path) as file:
        file.write(proto.SerializeToString())


class _Graph:
    """Nodes, constants and names, as the ops of one walk through the model add them."""

    def __init__(self, model: Any, opset: int):
        self.dtype = model.backend.dtype
        self.opset, self.nodes, self.constants, self._known = opset, [], {}, {}
        self._count, self._here, self._dilated = 0, model.name, {}
        # What differs depends on the batch, or on open sizes: even and odd, as strides see them.
        first, second = (model.programs.written(rows, size) for rows, size in ((2, 60), (3, 83)))
        self.open = any(None in shape for shape in model.samples_in)
        for layer in first.taped:
            kind = type(layer).__name__
            raise UnsupportedError(
                f"export: {layer.name}: expected a layer whose ops are known, received {kind}, which calls a function "
                "of its own; build the same of minicnn's layers"
            )
        self.inputs = list(zip(model.input_names, first.inputs, first.input_shapes, strict=True))
        self.values: dict[int, Any] = {0: None}
        for name, slot, shape in self.inputs:
            self.values[slot] = self.of(Value(name), (2, *shape))
        for slot, p in first.params.items():
            self.values[slot] = p.numpy()
        self.known, self.other = first.constants, second.constants
        if [node.name for node in first.nodes] != [node.name for node in second.nodes]:
            raise self.depends("ops that differ")
        for node, other in zip(first.nodes, second.nodes, strict=True):
            self._add(model, node, other)
        self.outputs = []
        for name, slot, *shapes in zip(model.output_names, first.outputs, first.output_shapes, second.output_shapes,
                                       strict=True):  # fmt: skip
            shape = tuple(n if n == m else None for n, m in zip(*shapes, strict=True))
            self._name_output(name, self._value(slot), shape)

    def _value(self, slot: int) -> Any:
        """A Value, or an array that is the same in every run."""
        if slot not in self.values:
            self.values[slot] = np.asarray(self.known[slot])
            if self.open and not np.array_equal(self.known[slot], self.other[slot]):
                raise self.depends("a constant")
        return self.values[slot]

    def _add(self, model, node, other) -> None:
        layer = node.layer
        self._here = f"{layer.name if layer is not None else model.name}/{node.name}"
        args = [self._value(slot) for slot in node.inputs]
        if not any(isinstance(a, Value) for a in args):
            y, _ = node.op(model.backend, *args, **node.static)
            self.values[node.outputs[0]] = y = np.asarray(y)
            if node.name == "dilate":
                self._dilated[id(y)] = args[0], node.static["rate"], y
            return
        write, static = form_of(node.op), node.static
        self.op = functools.partial(node.op, model.backend)
        if write is None:
            raise UnsupportedError(
                f"export: {self._here}: expected ops that ONNX has at inference, received {node.name}; call the layer "
                "without training=True, or build the same of others"
            )
        if node.name == "reshape":
            static = {"shape": _open(static["shape"], other.static["shape"])}
        elif static != other.static:
            static = self._for_any_size(node, other)
        self.values[node.outputs[0]] = self.of(write(self, *args, **static), node.shape)

    def depends(self, what: str) -> UnsupportedError:
        """Of an op that is another one for other sizes."""
        sizes, fix = "number of rows", ""
        if self.open:
            sizes, fix = "size of images", "; build it with Input((H, W, C)) and set_weights(model.get_weights())"
        return UnsupportedError(f"export: {self._here}: expected the same op for every {sizes}, received {what}{fix}")

    def _for_any_size(self, node: Any, other: Any) -> dict:
        """The arguments of a window that are SAME or WHOLE where they differ from one open size to another."""
        pads = {"pads": SAME}
        if node.static | pads == other.static | pads and _is_same(node) and _is_same(other):
            return node.static | pads
        if all(one.name in ("max_pool", "average_pool") and one.static["window"] == tuple(one.shapes[0][1:3])
               and one.shape[1:3] == (1, 1) for one in (node, other)):  # fmt: skip
            return node.static | {"window": WHOLE}
        raise self.depends("one that depends on it")

    def of(self, value: Value, shape: Any) -> Value:
        """`value`, of the shape (or with the shape of another value) that it has for two rows."""
        value.shape = tuple(getattr(shape, "shape", shape))
        return value

    # what forms use --------------------------------------------------------------------------------------------------

    def emit(self, operator: str, *inputs: str, **attributes) -> str:
        """Add a node; return the name of its output."""
        name = f"{self._here}_{self._count}"
        self._count += 1
        self.nodes.append([operator, list(inputs), name, attributes])
        return name

    def constant(self, array: Any, dtype=np.float32) -> str:
        """The name of an array that stands in the file, once."""
        array = np.ascontiguousarray(array, dtype) if np.ndim(array) else np.asarray(array, dtype)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = f"{self._here}/constant_{len(self.constants)}"
            self.constants[self._known[key]] = array
        return self._known[key]

    def plain(self, value: Any) -> str:
        """The name of a value as minicnn has it: images are (N, H, W, C)."""
        if not isinstance(value, Value):
            return self.constant(value)
        if value.plain is None:
            assert value.first is not None  # a value has at least one name
            value.plain = self.emit("Transpose", value.first, perm=[0, 2, 3, 1])
        return value.plain

    def first(self, value: Any) -> str:
        """The name of images as (N, C, H, W)."""
        if not isinstance(value, Value):
            return self.constant(channels_first(value))
        if value.first is None:
            assert value.plain is not None
            value.first = self.emit("Transpose", value.plain, perm=[0, 3, 1, 2])
        return value.first

    def undilated(self, w: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
        """A window and the distance of its cells, of one that `dilate` has filled up with zeros."""
        if not isinstance(w, np.ndarray):
            raise UnsupportedError(f"export: {self._here}: expected a kernel of weights, received one that is computed")
        window, rate, _ = self._dilated.get(id(w), (w, (1, 1), w))
        return window, rate

    # the file --------------------------------------------------------------------------------------------------------

    def _name_output(self, name: str, value: Any, shape: tuple) -> None:
        """Give an output the model's name for it, in place of its own, where it has none to keep."""
        self._here = name
        here = self.plain(value)
        made = [node for node in self.nodes if node[2] == here]
        if made and here not in [one for one, _ in self.outputs]:
            made[0][2] = name
            for node in self.nodes:
                node[1] = [name if one == here else one for one in node[1]]
            if isinstance(value, Value):
                value.plain = name
        elif name != here:
            self.nodes.append(["Identity", [here], name, {}])
        self.outputs.append((name, shape))

    def proto(self, onnx: Any, model: Any) -> Any:
        """The model as ONNX's message."""
        h = onnx.helper
        nodes = [h.make_node(operator, inputs, [name], name=name, **attributes)
                 for operator, inputs, name, attributes in self.nodes]  # fmt: skip
        kind = onnx.TensorProto.FLOAT
        inputs = [h.make_tensor_value_info(name, kind, ["batch", *(f"{name}_{i}" if n is None else n for i, n in
                                                                   enumerate(shape, 1))])
                  for name, shape in zip(model.input_names, model.samples_in, strict=True)]  # fmt: skip
        outputs = [h.make_tensor_value_info(name, kind, ["batch", *shape]) for name, shape in self.outputs]
        weights = [onnx.numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = h.make_graph(nodes, model.name, inputs, outputs, weights)
        opsets = [h.make_opsetid("", self.opset)]
        ir = max(IR, h.find_min_ir_version_for(opsets))
        return h.make_model(graph, producer_name="minicnn", opset_imports=opsets, ir_version=ir)


def _is_same(node: Any) -> bool:
    """Whether a window's pads are those of padding="same": as many as there are windows for, one more at the end."""
    if node.name not in ("conv2d", "depthwise_conv2d", "max_pool", "average_pool"):
        return False
    window = node.static.get("window") or node.shapes[1][:2]
    for n, k, s, pads in zip(node.shapes[0][1:3], window, node.static["strides"], node.static["pads"], strict=True):
        total = max((-(-n // s) - 1) * s + k - n, 0)
        if tuple(pads) != (total // 2, total - total // 2):
            return False
    return True


def _open(two: tuple, three: tuple) -> list[int]:
    """A shape of `reshape` for any number of rows, from those for two and three."""
    of_two, of_three = (list(one) if isinstance(one, (tuple, list)) else [one] for one in (two, three))
    differs = [a != b for a, b in zip(of_two, of_three, strict=True)]
    if sum(differs) + (-1 in of_two) > 1:
        raise UnsupportedError(f"export: expected one axis that depends on the rows, received a reshape to {of_two}")
    return [-1 if d else a for a, d in zip(of_two, differs, strict=True)]
