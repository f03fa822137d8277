"""Event files, which TensorBoard reads: records of numbers, histograms, pictures and texts, each with a tag and a step.

A record is its length, a checksum, an Event in protobuf, a checksum (the TFRecord format). What an Event holds is made
by tensorboardX; each group of events is one write at the file's end.
"""

import math
import os
import socket
import struct
import time
from collections import Counter
from typing import Any

import numpy as np

from .files import append, complaints, open_log

BINS = 30  # of a histogram, as many as TensorFlow's summaries have
FILTERS, CHANNELS = 64, 32  # of a kernel's picture, at most


class EventFile:
    """A new file in `folder` whose name ends in `ending`; made, with the folder, at the first write."""

    def __init__(self, folder: str, ending: str):
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{ending}"
        self.path, self._file = os.path.join(folder, name), None

    def write(self, step: int, *summaries: Any, graph: bytes | None = None) -> None:
        """Add summaries, and a GraphDef, at `step`."""
        from tensorboardX.proto.event_pb2 import Event

        events = [Event(wall_time=time.time(), step=step, summary=one) for one in summaries]
        if graph is not None:
            events.append(Event(wall_time=time.time(), graph_def=graph))
        if self._file is None:
            self._file = open_log(self.path)
            events.insert(0, Event(wall_time=time.time(), file_version="brain.Event:2"))
        append(self._file, self.path, b"".join(_record(event.SerializeToString()) for event in events))

    @property
    def size(self) -> int:
        """Bytes so far."""
        return 0 if self._file is None else self._file.tell()

    def close(self) -> None:
        if self._file is not None:
            with complaints(self.path):
                os.fsync(self._file.fileno())
            self._file.close()
        self._file = None


def _record(data: bytes) -> bytes:
    from tensorboardX.record_writer import masked_crc32c

    size = struct.pack("<Q", len(data))
    return size + struct.pack("<I", masked_crc32c(size)) + data + struct.pack("<I", masked_crc32c(data))


def scalar(tag: str, value: float) -> Any:
    """A number."""
    from tensorboardX import summary

    return summary.scalar(tag, value)


def histogram(tag: str, values: np.ndarray) -> Any:
    """How often values lie in each of BINS equal intervals; only those that are finite, None where none is."""
    from tensorboardX import summary

    values = values[np.isfinite(values)].astype(np.float64)
    return summary.histogram(tag, values, BINS) if values.size else None


def text(tag: str, lines: str) -> Any:
    """Lines that are shown as they are, in a font of one width (Markdown's code)."""
    from tensorboardX import summary

    return summary.text(tag, "\n".join("    " + line for line in lines.splitlines()))


def image(tag: str, picture: np.ndarray) -> Any:
    """A picture (H, W, 1 or 3) of whole numbers from 0 to 255."""
    from tensorboardX import summary

    return summary.image(tag, picture, dataformats="HWC")


def picture_of(weight: np.ndarray) -> np.ndarray | None:
    """A weight as a picture (H, W, 1 or 3), its smallest number black, its largest white; None for other shapes.

    A kernel (KH, KW, C, O) is a grid with a row per input channel and a column per filter, of the first CHANNELS and
    FILTERS; one of 3 channels is a square of coloured filters; a matrix is itself, lying; a vector is a row.
    """
    w = np.nan_to_num(weight.astype(np.float64), posinf=0, neginf=0)
    if w.ndim not in (1, 2, 4) or not w.size:
        return None
    span = w.max() - w.min()
    w = np.round((w - w.min()) / (span or 1) * 255).astype(np.uint8)
    if w.ndim < 4:
        w = np.atleast_2d(w)
        return (w.T if w.shape[0] > w.shape[1] else w)[..., None]
    h, w_, c, m = w.shape
    if c == 3:
        tiles = np.moveaxis(w[..., :FILTERS], 3, 0)
    else:
        tiles = w[:, :, :CHANNELS, :FILTERS].transpose(2, 3, 0, 1).reshape(-1, h, w_, 1)
    columns = math.ceil(math.sqrt(len(tiles))) if c == 3 or 1 in (c, m) else min(m, FILTERS)
    rows = -(-len(tiles) // columns)
    grid = np.zeros((rows * columns, h + 1, w_ + 1, tiles.shape[-1]), np.uint8)  # with black lines between them
    grid[: len(tiles), :h, :w_] = tiles
    grid = grid.reshape(rows, columns, h + 1, w_ + 1, -1).swapaxes(1, 2)
    return grid.reshape(rows * (h + 1), columns * (w_ + 1), -1)[:-1, :-1]


def graph_of(model: Any) -> bytes:
    """The model's layers as a GraphDef: a node per call, named as the layer, and the shape of its output."""
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef

    shapes = zip(model.input_names, model.samples_in, strict=True)
    nodes = [NodeDef(name=name, op="Input", attr=_shape_of(shape)) for name, shape in shapes]
    _add_calls(model, [node.name for node in nodes], "", nodes, NodeDef)
    return GraphDef(node=nodes).SerializeToString()


def _add_calls(model: Any, given: list[str], prefix: str, nodes: list, kind: Any) -> list[str]:
    """Add a node for every layer that `model` calls on values of these names; the names of its outputs."""
    values, calls = list(given), Counter(given)
    for layer, inputs, *_ in model.steps:
        name = prefix + layer.name
        calls[name] += 1
        name += f"_{calls[name] - 1}" if calls[name] > 1 else ""
        read = [values[i] for i in inputs]
        if hasattr(layer, "steps"):
            values += _add_calls(layer, read, name + "/", nodes, kind)
        else:
            nodes.append(kind(name=name, op=type(layer).__name__, input=read, attr=_shape_of(layer.sample_out)))
            values.append(name)
    return [values[end] for end in model.ends]


def _shape_of(shape: tuple) -> dict:
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto

    sizes = [TensorShapeProto.Dim(size=-1 if n is None else n) for n in (None, *shape)]
    return {"_output_shapes": AttrValue(list=AttrValue.ListValue(shape=[TensorShapeProto(dim=sizes)]))}
