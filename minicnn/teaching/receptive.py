"""Receptive fields: the box of an input that a cell depends on, found by walking the program back to x.

A box is a range (first, last + 1) for every axis but the batch's. Ops that mix or move cells in other ways than those
below count as reading everything, and so does a layer that is not written in ops.
"""

import math
from typing import Any

import numpy as np

from .cell import AFFINE, POINTWISE

WINDOWED = ("conv2d", "depthwise_conv2d", "max_pool", "average_pool")
ELEMENTWISE = POINTWISE | AFFINE
LAST = ("dense", "softmax", "log_softmax")  # which mix the last axis alone


def field(trace: Any, slot: int, at: tuple[int, ...], x: int) -> tuple[tuple[int, int], ...] | None:
    """The box of the input in slot x that the cell `at` of `slot` depends on; None if it depends on none of it."""
    producer = {node.outputs[0]: node for node in trace.nodes}
    boxes, found, done = [(slot, tuple((i, i + 1) for i in at[1:]))], None, set()
    while boxes:
        slot, box = boxes.pop()
        if (slot, box) in done:
            continue
        done.add((slot, box))
        if slot == x:
            found = box if found is None else tuple((min(a, c), max(b, d)) for (a, b), (c, d) in
                                                    zip(found, box, strict=True))  # fmt: skip
        elif slot in producer:
            node = producer[slot]
            for k, source in enumerate(node.inputs):
                if source == x or source in producer:
                    before = _through(node, box, k)
                    if before is not None:
                        boxes.append((source, before))
    return found


def _through(node, box, k: int):
    """The box of input k for a box of the output; None if it reads none of it."""
    shape, name, static = node.shapes[k], node.name, node.static
    full, rank = tuple((0, n) for n in shape[1:]), len(shape)
    if name in WINDOWED and k == 0:
        window = static.get("window") or node.shapes[1][:2]
        dilation = static.get("dilation") or (1, 1)
        every = zip(box, window, static["strides"], static["pads"], dilation, shape[1:3], strict=False)
        within = tuple((max(a * s - p[0], 0), min((b - 1) * s - p[0] + (k - 1) * d + 1, n))
                       for (a, b), k, s, p, d, n in every)  # fmt: skip
        channels = box[2]
        if name == "conv2d":
            channels = full[2]
        elif name == "depthwise_conv2d":
            several = node.shapes[1][3]
            channels = channels[0] // several, (channels[1] - 1) // several + 1
        return _some((*within, channels))
    if name == "zero_pad":
        every = zip(box, static["pads"], shape[1:3], strict=False)
        return _some((*(_clipped(a - p[0], b - p[0], n) for (a, b), p, n in every), box[2]))
    if name == "crop":
        return (*((a + e[0], b + e[0]) for (a, b), e in zip(box, static["edges"], strict=False)), box[2])
    if name == "repeat_pixels":
        return (*((a // s, (b - 1) // s + 1) for (a, b), s in zip(box, static["size"], strict=False)), box[2])
    if name == "transpose":
        axes = static.get("axes") or tuple(reversed(range(rank)))
        return tuple(box[list(axes).index(j) - 1] for j in range(1, rank)) if axes[0] == 0 else full
    if name in ("reshape", "flatten"):
        return _reshaped(box, node.shape[1:], shape[1:]) if node.shape[0] == shape[0] else full
    if name in LAST and k == 0 and rank == len(node.shape):
        return (*box[:-1], full[-1])
    if name == "concatenate":
        axis = static["axis"] % rank - 1
        before = sum(one[axis + 1] for one in node.shapes[:k])
        part = _clipped(box[axis][0] - before, box[axis][1] - before, shape[axis + 1])
        return _some((*box[:axis], part, *box[axis + 1 :])) if axis >= 0 else full
    if name in ("total", "mean", "amax", "amin") and len(node.shape) == rank - _count(static, rank):
        gone = _axes(static, rank)
        rest = iter(box if not static.get("keepdims") else [one for j, one in enumerate(box, 1) if j not in gone])
        return tuple(full[j - 1] if j in gone else next(rest) for j in range(1, rank)) if 0 not in gone else full
    if name in ELEMENTWISE and rank == len(node.shape):
        return tuple((0, 1) if n == 1 else one for n, one in zip(shape[1:], box, strict=True))
    return full


def _clipped(a: int, b: int, n: int) -> tuple[int, int]:
    return min(max(a, 0), n), min(max(b, 0), n)


def _some(box):
    """The box, or None where a range of it is empty: padding alone, another part of a concatenation."""
    return box if all(a < b for a, b in box) else None


def _axes(static, rank: int) -> set[int]:
    axis = static.get("axis")
    given = range(rank) if axis is None else axis if isinstance(axis, (tuple, list)) else [axis]
    return {int(i) % rank for i in given}


def _count(static, rank: int) -> int:
    """Axes that are gone."""
    return 0 if static.get("keepdims") else len(_axes(static, rank))


def _reshaped(box, shape, before):
    """The box of what had the shape `before` for a box of what has `shape`: exact where only axes of 1 came or went."""
    wide = [one for one, n in zip(box, shape, strict=True) if n != 1]
    if [n for n in shape if n != 1] == [n for n in before if n != 1]:
        rest = iter(wide)
        return tuple((0, 1) if n == 1 else next(rest) for n in before)
    first = int(np.ravel_multi_index([a for a, _ in box], shape)) if shape else 0
    last = int(np.ravel_multi_index([b - 1 for _, b in box], shape)) if shape else 0
    low, high = np.unravel_index(first, before), np.unravel_index(last, before)
    found = []  # cells between two places in row-major order: axes that are the same, one that differs, all of the rest
    for n, a, b in zip(before, low, high, strict=True):
        same = all(c + 1 == d for c, d in found)
        found.append((int(a), int(b) + 1) if same else (0, n))
    return tuple(found) if math.prod(before) else tuple((0, n) for n in before)
