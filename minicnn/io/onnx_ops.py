"""Every op of minicnn's in the operators of ONNX: what it takes are values of a graph and constants, see onnx.py.

Images are (N, H, W, C) here and (N, C, H, W) in ONNX's convolutions and pools. A value of the graph may be there in
either layout, or in both: what works element by element stays in the layout that it finds, so that a chain of
convolutions is transposed once at its start and once at its end.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError

FLOAT = 1  # ONNX's number of the type
SAME, WHOLE = "same", "whole"  # pads, and windows, that depend on sizes which are open
FORMS: dict[str, Callable] = {}  # op -> function(graph, *arguments, **static) -> Value


class Value:
    """Names of one value in the graph: as minicnn has it, and `first`, of images with the channels first; or None."""

    __slots__ = ("first", "plain", "shape")

    def __init__(self, plain: str | None = None, first: str | None = None):
        self.plain, self.first, self.shape = plain, first, ()

    rank = property(lambda self: len(self.shape))


def form(function: Callable) -> Callable:
    """Enter a function under the name of its op."""
    FORMS[function.__name__] = function
    return function


def channels_first(array: np.ndarray) -> np.ndarray:
    """A constant that is broadcast over (N, H, W, C), for (N, C, H, W)."""
    return array if array.ndim == 0 else array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(0, 3, 1, 2)


def elementwise(g: Any, operator: str, *args: Any, **attributes: Any) -> Value:
    """An operator whose arguments are broadcast against each other, in the layout that is there."""
    values = [a for a in args if isinstance(a, Value)]
    if all(v.rank == 4 for v in values) and any(v.first for v in values):
        names = [g.first(a) if isinstance(a, Value) else g.constant(channels_first(np.asarray(a))) for a in args]
        return Value(first=g.emit(operator, *names, **attributes))
    return Value(g.emit(operator, *map(g.plain, args), **attributes))


def _elementwise(op: str, operator: str, **attributes) -> None:
    FORMS[op] = lambda g, *args: elementwise(g, operator, *args, **attributes)


for _op, _operator in {
    "relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus", "softsign": "Softsign",
    "exponential": "Exp", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "absolute": "Abs", "negative": "Neg",
    "arctan": "Atan", "erf": "Erf", "sin": "Sin", "cos": "Cos",
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "maximum": "Max",
    "minimum": "Min", "prelu": "PRelu",
}.items():  # fmt: skip
    _elementwise(_op, _operator)
_elementwise("hard_sigmoid", "HardSigmoid", alpha=1 / 6, beta=0.5)
_elementwise("selu", "Selu", alpha=1.6732632423543772, gamma=1.0507009873554805)


def _largest(*args) -> Value:
    """The value of the graph among the arguments that has most axes."""
    return max((a for a in args if isinstance(a, Value)), key=lambda v: v.rank)


def _asked(op: str, operator: str, opposite: bool = False) -> None:
    """What ONNX answers with true and false, as 1 and 0."""

    def write(g, *args):
        like = _largest(*args)
        found = g.of(elementwise(g, operator, *args), like)
        found = g.of(elementwise(g, "Not", found), like) if opposite else found
        return elementwise(g, "Cast", found, to=FLOAT)

    FORMS[op] = write


for _op, _operator in {
    "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less", "less_equal": "LessOrEqual",
    "equal": "Equal", "isnan": "IsNaN", "isinf": "IsInf",
}.items():  # fmt: skip
    _asked(_op, _operator)
_asked("not_equal", "Equal", opposite=True)
for _op, _operator in {"rounded": "Round", "floor": "Floor", "ceil": "Ceil", "sign": "Sign"}.items():
    _elementwise(_op, _operator)


@form
def leaky_relu(g: Any, x: Any, *, negative_slope: float) -> Value:
    return elementwise(g, "LeakyRelu", x, alpha=float(negative_slope))


@form
def elu(g: Any, x: Any, *, alpha: float) -> Value:
    return elementwise(g, "Elu", x, alpha=float(alpha))


@form
def relu_general(g: Any, x: Any, *, max_value: float | None, negative_slope: float, threshold: float) -> Value:
    below = elementwise(g, "Mul", g.of(elementwise(g, "Sub", x, threshold), x), negative_slope)
    above = elementwise(g, "Greater", x, threshold)
    y = g.of(elementwise(g, "Where", g.of(above, x), x, g.of(below, x)), x)
    return y if max_value is None else elementwise(g, "Min", y, max_value)


@form
def silu(g: Any, x: Any) -> Value:
    return elementwise(g, "Mul", x, g.of(elementwise(g, "Sigmoid", x), x))


@form
def gelu(g: Any, x: Any, approximate: bool = False) -> Value:
    half = g.of(elementwise(g, "Mul", x, 0.5), x)
    if approximate:
        cube = g.of(elementwise(g, "Mul", g.of(elementwise(g, "Mul", x, x), x), x), x)
        inner = g.of(elementwise(g, "Add", x, g.of(elementwise(g, "Mul", cube, 0.044715), x)), x)
        tanh = g.of(elementwise(g, "Tanh", g.of(elementwise(g, "Mul", inner, math.sqrt(2 / math.pi)), x)), x)
        return elementwise(g, "Mul", half, g.of(elementwise(g, "Add", tanh, 1.0), x))
    erf = g.of(elementwise(g, "Erf", g.of(elementwise(g, "Mul", x, math.sqrt(0.5)), x)), x)
    return elementwise(g, "Mul", half, g.of(elementwise(g, "Add", erf, 1.0), x))


@form
def log1p(g: Any, x: Any) -> Value:
    return elementwise(g, "Log", g.of(elementwise(g, "Add", x, 1.0), x))


@form
def expm1(g: Any, x: Any) -> Value:
    return elementwise(g, "Sub", g.of(elementwise(g, "Exp", x), x), 1.0)


@form
def softmax(g: Any, x: Any) -> Value:
    return Value(g.emit("Softmax", g.plain(x), axis=-1))


@form
def log_softmax(g: Any, x: Any) -> Value:
    return Value(g.emit("LogSoftmax", g.plain(x), axis=-1))


@form
def power(g: Any, x: Any, *, exponent: Any) -> Value:
    return elementwise(g, "Pow", x, exponent)


@form
def clip(g: Any, x: Any, *, low: Any, high: Any) -> Value:
    return elementwise(g, "Min", g.of(elementwise(g, "Max", x, low), x), high)


@form
def where(g: Any, condition: Any, a: Any, b: Any) -> Value:
    taken = g.emit("Cast", g.plain(condition), to=9)  # bool
    return Value(g.emit("Where", taken, g.plain(a), g.plain(b)))


# products ------------------------------------------------------------------------------------------------------------


def _weights(g, w, axes):
    """The name of a weight with its axes in ONNX's order."""
    if isinstance(w, Value):
        return g.emit("Transpose", g.plain(w), perm=axes)
    return g.constant(w.transpose(axes))


def _edges(pads) -> dict:
    """A window's pads, as attributes."""
    if pads == SAME:
        return {"auto_pad": "SAME_UPPER"}
    (top, bottom), (left, right) = pads
    return {"pads": [top, left, bottom, right]}


def _ended(g, y: str, relu: bool, b=None) -> Value:
    return Value(first=g.emit("Relu", y) if relu else y)


@form
def conv2d(g: Any, x: Any, w: Any, b: Any, *, strides: tuple[int, int], pads: tuple, relu: bool,
           algorithm: str) -> Value:  # fmt: skip
    shape, rate = g.undilated(w)
    names = [g.first(x), _weights(g, shape, (3, 2, 0, 1)), *([] if b is None else [g.plain(b)])]
    y = g.emit("Conv", *names, strides=list(strides), **_edges(pads), dilations=list(rate),
               kernel_shape=list(shape.shape[:2]))  # fmt: skip
    return _ended(g, y, relu)


@form
def depthwise_conv2d(g: Any, x: Any, w: Any, *, strides: tuple[int, int], pads: tuple) -> Value:
    w, rate = g.undilated(w)
    kh, kw, c, m = w.shape
    name = g.constant(w.transpose(2, 3, 0, 1).reshape(c * m, 1, kh, kw))
    return _ended(g, g.emit("Conv", g.first(x), name, strides=list(strides), **_edges(pads), group=c,
                            dilations=list(rate), kernel_shape=[kh, kw]), False)  # fmt: skip


@form
def conv2d_transpose(g: Any, x: Any, w: Any, b: Any, *, size: Any, strides: tuple[int, int], pads: tuple) -> Value:
    w, rate = g.undilated(w)
    least = [s * (n - 1) + (k - 1) * d + 1 - sum(p) for s, n, k, d, p in
             zip(strides, x.shape[1:3], w.shape[:2], rate, pads, strict=True)]  # fmt: skip
    names = [g.first(x), _weights(g, w, (3, 2, 0, 1)), *([] if b is None else [g.plain(b)])]
    more = [n - m for n, m in zip(size, least, strict=True)]
    y = g.emit("ConvTranspose", *names, strides=list(strides), **_edges(pads), dilations=list(rate),
               kernel_shape=list(w.shape[:2]), output_padding=more)  # fmt: skip
    return _ended(g, y, False)


@form
def dense(g: Any, x: Any, w: Any, b: Any, *, relu: bool) -> Value:
    if x.rank == 2:
        y = g.emit("Gemm", g.plain(x), g.plain(w), *([] if b is None else [g.plain(b)]))
    else:
        y = g.emit("MatMul", g.plain(x), g.plain(w))
        y = y if b is None else g.emit("Add", y, g.plain(b))
    return Value(g.emit("Relu", y) if relu else y)


@form
def matmul(g: Any, a: Any, b: Any) -> Value:
    return Value(g.emit("MatMul", g.plain(a), g.plain(b)))


FORMS["batch_matmul"] = matmul


@form
def batch_norm_fixed(g: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any, *, axis: Any, eps: float) -> Value:
    axis %= x.rank
    if axis == 1 or (x.rank == 4 and axis == 3):  # ONNX's channels are axis 1
        names = [g.plain(x) if axis == 1 else g.first(x), *(g.constant(one) for one in (gamma, beta, mean, var))]
        y = g.emit("BatchNormalization", *names, epsilon=float(eps))
        return Value(y) if axis == 1 else Value(first=y)
    wide = [-1 if i == axis else 1 for i in range(x.rank)]
    scale = gamma / np.sqrt(var + eps)
    scaled = g.of(elementwise(g, "Mul", x, scale.reshape(wide)), x)
    return elementwise(g, "Add", scaled, (beta - mean * scale).reshape(wide))


# windows -------------------------------------------------------------------------------------------------------------


def _pool(op: str, operator: str, **attributes) -> None:
    FORMS[op] = lambda g, x, *, window, strides, pads: Value(first=g.emit(
        f"Global{operator}", g.first(x)) if window == WHOLE else g.emit(
        operator, g.first(x), kernel_shape=list(window), strides=list(strides), **_edges(pads), **attributes
    ))  # fmt: skip


_pool("max_pool", "MaxPool")
_pool("average_pool", "AveragePool", count_include_pad=0)


@form
def zero_pad(g: Any, x: Any, *, pads: tuple) -> Value:
    (top, bottom), (left, right) = pads
    return Value(first=g.emit("Pad", g.first(x), g.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)))


@form
def crop(g: Any, x: Any, *, edges: Any) -> Value:
    (top, bottom), (left, right) = edges
    bounds = [top, left], [-bottom or 2**62, -right or 2**62], [2, 3]
    return Value(first=g.emit("Slice", g.first(x), *(g.constant(one, np.int64) for one in bounds)))


@form
def repeat_pixels(g: Any, x: Any, *, size: Any) -> Value:
    y = g.emit("Resize", g.first(x), "", g.constant([1, 1, *size]), mode="nearest", nearest_mode="floor",
               coordinate_transformation_mode="asymmetric")  # fmt: skip
    return Value(first=y)


@form
def bilinear(g: Any, x: Any, *, size: Any, **static: Any) -> Value:
    """Two products, as the op is: exact for every pair of sizes, where operators of ONNX round scales."""
    if g.open:
        raise g.depends("one whose sizes are known")
    a, b = (_lines(g, n, m, static) for n, m in zip(x.shape[1:3], size, strict=True))
    rows = g.emit("MatMul", g.constant(a), g.first(x))  # (OH, H) (N, C, H, W)
    return Value(first=g.emit("MatMul", rows, g.constant(b.T)))


FORMS["resample"] = bilinear


def _lines(g, n: int, m: int, static: dict) -> np.ndarray:
    """(m, n): how much of each of n pixels is in each of m, from the op itself: n columns, each one pixel bright."""
    y, _ = g.op(np.eye(n, dtype=g.dtype).reshape(1, n, 1, n), size=(m, 1), **static)
    return np.asarray(y).reshape(m, n)


@form
def adaptive_average_pool(g: Any, x: Any, *, size: Any) -> Value:
    return bilinear(g, x, size=size)


@form
def adaptive_max_pool(g: Any, x: Any, *, size: Any) -> Value:
    """The greatest rows of each part side by side, then of those the greatest columns."""
    if g.open:
        raise g.depends("one whose sizes are known")
    y = g.first(x)
    for axis, n, m in zip((2, 3), x.shape[1:3], size, strict=True):
        cells = [np.flatnonzero(line) for line in _lines(g, n, m, {})]
        parts = [g.emit("Slice", y, *(g.constant([one], np.int64) for one in (part[0], part[-1] + 1, axis)))
                 for part in cells]  # fmt: skip
        how = ([g.constant([axis], np.int64)], {}) if g.opset >= 18 else ([], {"axes": [axis]})
        parts = [g.emit("ReduceMax", part, *how[0], **how[1], keepdims=1) for part in parts]
        y = g.emit("Concat", *parts, axis=axis)
    return Value(first=y)


# shapes --------------------------------------------------------------------------------------------------------------


@form
def reshape(g: Any, x: Any, *, shape: Any) -> Value:
    return Value(g.emit("Reshape", g.plain(x), g.constant(shape, np.int64)))


@form
def flatten(g: Any, x: Any) -> Value:
    return Value(g.emit("Flatten", g.plain(x), axis=1))


@form
def transpose(g: Any, x: Any, *, axes: Any) -> Value:
    axes = [a % x.rank for a in axes or reversed(range(x.rank))]
    if axes == [0, 2, 3, 1] and x.plain:  # channels that came first
        return Value(first=x.plain)
    if axes == [0, 3, 1, 2]:
        return Value(g.first(x))
    return Value(g.emit("Transpose", g.plain(x), perm=axes))


@form
def concatenate(g: Any, *arrays: Any, axis: Any) -> Value:
    values = [a for a in arrays if isinstance(a, Value)]
    if all(v.rank == 4 for v in values) and all(v.first for v in values) and len(values) == len(arrays):
        return Value(first=g.emit("Concat", *map(g.first, arrays), axis=(0, 2, 3, 1)[axis % 4]))
    return Value(g.emit("Concat", *map(g.plain, arrays), axis=axis))


@form
def stack(g: Any, *arrays: Any, axis: Any) -> Value:
    at = axis % (arrays[0].rank + 1)
    return Value(g.emit("Concat", *(g.emit("Unsqueeze", g.plain(a), g.constant([at], np.int64)) for a in arrays),
                        axis=at))  # fmt: skip


@form
def part(g: Any, x: Any, *, key: Any) -> Value:
    keys = list(key) if isinstance(key, tuple) else [key]
    if not all(one is None or one is Ellipsis or isinstance(one, (int, slice)) for one in keys):
        raise UnsupportedError(f"export: expected numbers and slices in x[...], received {key!r:.60}; write it so")
    taken = sum(one is not None and one is not Ellipsis for one in keys)
    if Ellipsis not in keys:
        keys.append(Ellipsis)
    at = keys.index(Ellipsis)
    keys[at : at + 1] = [slice(None)] * (x.rank - taken)
    first = x.first and keys[:3] == [slice(None)] * 3 and len(keys) == 4 and isinstance(keys[3], slice)
    bounds, single, new, axis = [], [], [], 0
    for one in keys:
        if one is None:
            new.append(axis + len(new) - len(single))
            continue
        if isinstance(one, slice) and one != slice(None):
            step = one.step or 1
            start = (0 if step > 0 else 2**62) if one.start is None else one.start
            stop = (2**62 if step > 0 else -(2**62)) if one.stop is None else one.stop
            bounds.append((start, stop, 1 if first else axis, step))
        elif not isinstance(one, slice):
            bounds.append((one, one + 1 if one != -1 else 2**62, axis, 1))
            single.append(axis)
        axis += 1
    y = g.first(x) if first else g.plain(x)
    if bounds:
        y = g.emit("Slice", y, *(g.constant(one, np.int64) for one in zip(*bounds, strict=True)))
    y = g.emit("Squeeze", y, g.constant(single, np.int64)) if single else y
    y = g.emit("Unsqueeze", y, g.constant(new, np.int64)) if new else y
    return Value(first=y) if first else Value(y)


@form
def segment_sum(g: Any, x: Any, *, ids: Any, count: int) -> Value:
    ids = np.asarray(ids)
    ids = np.where((ids >= 0) & (ids < count), ids, count)  # the last segment is left out
    rest = g.emit("Slice", g.emit("Shape", g.plain(x)), *(g.constant([at], np.int64) for at in (1, 2**62)))
    shape = g.emit("Concat", g.constant([count + 1], np.int64), rest, axis=0)
    sums = g.emit("ScatterND", g.emit("Expand", g.constant(0), shape), g.constant(ids[:, None], np.int64), g.plain(x),
                  reduction="add")  # fmt: skip
    return Value(g.emit("Slice", sums, *(g.constant([at], np.int64) for at in (0, count, 0))))


@form
def tile(g: Any, x: Any, *, repeats: Any) -> Value:
    repeats = (1,) * (x.rank - len(repeats)) + tuple(repeats)
    return Value(g.emit("Tile", g.plain(x), g.constant(repeats, np.int64)))


# fewer numbers -------------------------------------------------------------------------------------------------------


def _axes(x, axis) -> list[int]:
    given = range(x.rank) if axis is None else axis if isinstance(axis, (tuple, list)) else [axis]
    return [int(a) % x.rank for a in given]


def _reduce(g, operator: str, x, axis, keepdims) -> Value:
    axes, attributes = _axes(x, axis), {"keepdims": int(keepdims)}
    if operator == "ReduceSum" or g.opset >= 18:
        return Value(g.emit(operator, g.plain(x), g.constant(axes, np.int64), **attributes))
    return Value(g.emit(operator, g.plain(x), axes=axes, **attributes))


def _reduction(op: str, operator: str) -> None:
    FORMS[op] = lambda g, x, *, axis, keepdims: _reduce(g, operator, x, axis, keepdims)


for _op, _operator in {"total": "ReduceSum", "mean": "ReduceMean", "amax": "ReduceMax", "amin": "ReduceMin",
                       "product": "ReduceProd", "logsumexp": "ReduceLogSumExp"}.items():  # fmt: skip
    _reduction(_op, _operator)


@form
def variance(g: Any, x: Any, *, axis: Any, keepdims: bool) -> Value:
    centred = g.emit("Sub", g.plain(x), _reduce(g, "ReduceMean", x, axis, True).plain)
    square = g.of(Value(g.emit("Mul", centred, centred)), x)
    return _reduce(g, "ReduceMean", square, axis, keepdims)


@form
def auto_contrast(g: Any, x: Any, *, value_range: Any) -> Value:
    low, high = value_range
    plain = g.plain(x)
    a, b = (_reduce(g, operator, x, (1, 2), True).plain for operator in ("ReduceMin", "ReduceMax"))
    spread, scale = g.emit("Sub", b, a), g.constant(np.asarray(high - low, np.float32))
    share = g.emit("Mul", g.emit("Div", g.emit("Sub", plain, a), spread), scale)
    y = g.emit("Add", share, g.constant(np.asarray(low, np.float32)))  # NaN in a channel of one value
    return Value(g.emit("Where", g.emit("Greater", b, a), y, plain))


@form
def cumulative_sum(g: Any, x: Any, *, axis: Any) -> Value:
    return Value(g.emit("CumSum", g.plain(x), g.constant(int(axis), np.int64)))


def form_of(op: Any) -> Callable | None:
    """The function for an op, by its name, if it is one of minicnn's own."""
    ours = op.__module__.startswith(f"{__name__.partition('.')[0]}.ops.")
    return FORMS.get(op.__name__) if ours else None
