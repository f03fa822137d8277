"""Which part of the image a cell depends on: boxes through the program, from the cell back to x."""

WINDOWED = ("conv2d", "max_pool", "average_pool")
MIXED = ("batch_norm", "conv2d_transpose", "flatten", "reshape", "transpose")


def field(trace, slot: int, at: tuple[int, ...]) -> tuple[slice, ...]:
    """Slices (rows, columns) of the image.  Ops that mix or move pixels in other ways count as reading everything."""
    producer = {node.outputs[0]: node for node in trace.nodes}
    x = trace.slots["x"]
    size = trace._values[x].shape[1:3]
    boxes, found = [(slot, _box(at, trace._values[slot].shape))], None
    done = set()
    while boxes:
        slot, box = boxes.pop()
        if (slot, box) in done:
            continue
        done.add((slot, box))
        if slot == x:
            box = box or tuple((0, n) for n in size)
            found = box if found is None else tuple((min(a, c), max(b, d)) for (a, b), (c, d) in
                                                    zip(found, box, strict=True))  # fmt: skip
        elif slot in producer:
            node = producer[slot]
            for k, source in enumerate(node.inputs):
                if source and (k == 0 or len(node.shapes[k] or ()) >= 2):
                    boxes.append((source, _through(node, box, node.shapes[k])))
    return tuple(slice(a, b) for a, b in found or ())


def _box(at, shape):
    return tuple((i, i + 1) for i in at[1:3]) if len(shape) == 4 else None


def _through(node, box, shape):
    """The box of an input (None: all of it) for a box of the output."""
    if box is None or len(shape) != 4:
        return None
    if node.name in WINDOWED:
        window = node.static.get("window") or node.shapes[1][:2]
        dilation = node.static.get("dilation") or (1, 1)
        every = zip(box, window, node.static["strides"], node.static["pads"], dilation, shape[1:3], strict=True)
        return tuple((max(a * s - p[0], 0), min((b - 1) * s - p[0] + (k - 1) * d + 1, n))
                     for (a, b), k, s, p, d, n in every)  # fmt: skip
    if node.name == "zero_pad":
        every = zip(box, node.static["pads"], shape[1:3], strict=True)
        return tuple((min(max(a - p[0], 0), n), min(max(b - p[0], 0), n)) for (a, b), p, n in every)
    if node.name == "crop":
        return tuple((a + e[0], b + e[0]) for (a, b), e in zip(box, node.static["edges"], strict=True))
    if node.name == "repeat_pixels":
        return tuple((a // s, (b - 1) // s + 1) for (a, b), s in zip(box, node.static["size"], strict=True))
    return box if shape[1:3] == node.shape[1:3] and node.name not in MIXED else None
