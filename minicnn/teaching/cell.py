"""One cell of a layer's output, written out: the products that it sums, and the parts of its gradient.

Forward, op by op from the layer's inputs to the cell y[k]:

      product    conv2d, dense, a mean, a padding, ...: linear in x     y[k] = sum_m w[m] x[m] + b;  parts w[m] x[m]
      pointwise  tanh, a + b, dropout, ...: of the same cell              y[k] = f(x[k], ...)
      function   a maximum, softmax, a batch's statistics, ...            y[k] = f(x)           slopes dy[k] / dx[m]

Backward, for every op that reads the cell, one contribution per cell of its output:

      dL/dy[k] = sum over readers, sum_j  dL/dz[j]  dz[j] / dy[k]

The coefficients come from the ops themselves, on the reference kernels in float64: w[m] is the vjp of a one-hot
cotangent, dz[j] / dy[k] the op of a one-hot image (or, where it is not linear, one-hot cotangents again). So what is
written out is an account of its own of the engine's number, and `bound` is how far rounding may part the two:
float32's eps times (parts + 8) times the sum of the magnitudes; sixteen times that for a fast convolution (Winograd).
"""

from typing import Any, NamedTuple

import numpy as np

from ..backend.cpu import CPU

LINEAR = {"adaptive_average_pool", "average_pool", "bilinear", "conv2d", "conv2d_transpose", "crop", "cumulative_sum",
          "dense", "depthwise_conv2d", "flatten", "mean", "part", "repeat_pixels", "reshape", "scaled_sum", "tile",
          "total", "transpose", "zero_pad"}  # fmt: skip
AFFINE = {"alpha_dropout", "dropout", "gaussian_dropout", "gaussian_noise", "shared_dropout"}  # with a draw for each
POINTWISE = {"absolute", "add", "arctan", "batch_norm_fixed", "clip", "cos", "divide", "elu", "erf", "exp", "expm1",
             "exponential", "gelu", "hard_sigmoid", "leaky_relu", "log", "log1p", "maximum", "minimum", "multiply",
             "negative", "power", "prelu", "relu", "relu_general", "selu", "sigmoid", "sigmoid_cross_entropy", "silu",
             "sin", "softplus", "softsign", "sqrt", "subtract", "tanh", "where"}  # fmt: skip
BIASED = ("conv2d", "conv2d_transpose", "dense")
MOST = 4096  # cells of a reader that are asked one by one


class Source(NamedTuple):
    """Cells of one input of an op that the cell depends on.

    name, cells  which: (M, axes), with the batch's axis where there is one;  x: their values (M,)
    weights      of a product the factor of each, else the slope dy/dx (M,);  parts: weights * x
    """

    name: str
    cells: np.ndarray
    x: np.ndarray
    weights: np.ndarray

    parts = property(lambda self: self.x * self.weights)


class Term(NamedTuple):
    """One op on the way to the cell.

    kind     "product", "pointwise", "function" or "layer of its own"
    sources  of the inputs;  bias: added to a product, 0 if there is none;  relu: whether max(sum, 0) follows
    patch, kernel  of a conv2d: the window (KH, KW, C) with its zeros outside the image, and the weights of the filter
    computed from the parts, in float64;  value: the engine's;  bound: on their difference;  gradient: dL/d of it
    """

    op: str
    name: str
    index: tuple[int, ...]
    kind: str
    sources: list[Source]
    bias: float
    relu: bool
    patch: np.ndarray | None
    kernel: np.ndarray | None
    computed: float
    value: float
    bound: float
    gradient: float | None


class Reader(NamedTuple):
    """What one op that reads the cell hands back.

    name   of the op's output;  cells: of it (M, axes) that depend on the cell;  dz: dL/d of them;
    slopes dz/dy of them;  parts: dz * slopes;  split: False where only the sum of the parts is known
    """

    op: str
    name: str
    cells: np.ndarray
    dz: np.ndarray
    slopes: np.ndarray
    parts: np.ndarray
    split: bool
    relu: bool


def _unsplit(op: str, name: str, axes: int, relu: bool) -> Reader:
    """A reader whose parts are not known one by one."""
    nothing = np.zeros(0)
    return Reader(op, name, np.zeros((0, axes), np.intp), nothing, nothing, nothing, False, relu)


class Cell:
    """terms, readers  as above;  value, gradient: the engine's (gradient: None without a backward)

    gradient_computed, gradient_bound: the sum of all readers' parts, and how far rounding may part it from `gradient`.
    """

    def __init__(self, trace: Any, name: str, index: tuple[int, ...]):
        self.name, self.index, self.alone = name, index, trace.slots[name] in trace.weights
        self._trace, self._be = trace, CPU("numpy_ref", "float64")
        self._eps = float(np.finfo(trace.be.dtype).eps)
        self._producer = {node.outputs[0]: node for node in trace.nodes}
        slot = trace.slots[name]
        self.value = float(trace._values[slot][index])
        self.terms: list[Term] = []
        if slot in self._producer:
            self._explain(slot, index, self._producer[slot].layer)
        g = trace._gradients.get(slot)
        self.gradient = None if g is None else float(g[index])
        self.readers: list[Reader] = []
        self.gradient_computed = self.gradient_bound = None
        if g is not None:
            reads = [node for node in trace.nodes if slot in node.inputs and node.outputs[0] in trace._gradients]
            self.readers = [self._reader(node, slot, index) for node in reads]
            self._sum()

    patch = property(lambda self: self._first("patch"))
    kernel = property(lambda self: self._first("kernel"))
    bias = property(lambda self: self._first("bias"))
    products = property(lambda self: None if self.patch is None else self.patch.astype(np.float64) * self.kernel)

    def _first(self, field):
        return next((getattr(t, field) for t in self.terms if t.kind == "product"), None)

    # forward ---------------------------------------------------------------------------------------------------------

    def _explain(self, slot: int, at, layer) -> None:
        """Terms for the cell of `slot` and, through what is pointwise, for the cells of the same layer behind it."""
        node, trace = self._producer[slot], self._trace
        if any(t.name == trace.names[slot] and t.index == at for t in self.terms):
            return
        term = self._term(node, at)
        if term.kind != "product":
            for k, source in enumerate(node.inputs):
                behind = self._producer.get(source)
                if behind is not None and behind.layer is layer and node.shapes[k] is not None:
                    where = _broadcast(at, node.shapes[k]) if term.kind == "pointwise" else None
                    if where is not None:
                        self._explain(source, where, layer)
                    elif len(term.sources) == 1 and len(term.sources[0].cells) == 1:
                        self._explain(source, tuple(term.sources[0].cells[0]), layer)
        self.terms.append(term)

    def _term(self, node, at) -> Term:
        trace = self._trace
        slot = node.outputs[0]
        value, name = float(trace._values[slot][at]), trace.names[slot]
        gradient = float(trace._gradients[slot][at]) if slot in trace._gradients else None
        kind = ("layer of its own" if node.name == "on_tape" else "pointwise" if node.name in POINTWISE | AFFINE else
                "product" if node.name in LINEAR else "function")  # fmt: skip
        relu, patch, kernel, bias, sources = bool(node.static.get("relu")), None, None, 0.0, []
        if kind == "layer of its own":
            return Term(node.name, name, at, kind, [], 0.0, False, None, None, value, value, 0.0, gradient)
        arrays = self._arrays(node)
        wanted = tuple(i == 0 for i in range(len(arrays))) if kind == "product" else tuple(
            node.inputs[i] != 0 and a is not None for i, a in enumerate(arrays))  # fmt: skip
        if kind == "product" and node.name in BIASED:
            bias = float(arrays[2][at[-1]]) if arrays[2] is not None else 0.0
        y, vjp = self._run(node, arrays)
        one = np.zeros_like(y)
        one[at] = 1
        for i, slopes in enumerate(vjp(one, wanted)):
            if not wanted[i] or slopes is None:
                continue
            slopes = _fit(np.asarray(slopes), arrays[i].shape)
            if kind == "pointwise" and node.shapes[i] == node.shape:
                reach = [at]
            elif node.name == "max_pool":
                reach = np.argwhere(self._window(node, arrays, at))
            elif node.name == "conv2d":
                reach = np.argwhere(self._window(node, [arrays[0], np.ones_like(arrays[1]), None], at))
            elif node.name in ("softmax", "log_softmax"):
                reach = [(*at[:-1], k) for k in range(node.shape[-1])]
            else:
                reach = np.argwhere(slopes)
            axes = arrays[i].ndim
            cells = np.array(reach, np.intp).reshape(-1, axes) if axes else np.zeros((1, 0), np.intp)
            pick = tuple(cells.T)
            sources.append(Source(self._name(node.inputs[i]), cells, arrays[i][pick].reshape(-1),
                                  slopes[pick].reshape(-1)))  # fmt: skip
        if node.name == "batch_norm_fixed":  # constants, for which no vjp asks
            channel = (at[node.static["axis"]],)
            for i, slope in ((3, -float(sources[0].weights[0])), (4, 0.0)):
                given = arrays[i][channel]
                where = np.array([channel], np.intp)
                sources.append(Source(self._name(node.inputs[i]), where, np.array([given]), np.array([slope])))
        if kind == "product":
            computed = float(sources[0].parts.sum()) + bias
            computed = max(computed, 0.0) if relu else computed
        else:
            computed = float(y[at])
        if node.name == "conv2d":
            patch, kernel = self._patch(node, arrays, at)
        size = sum(float(np.abs(s.parts).sum()) for s in sources) + abs(bias) + abs(value)
        loose = 16 if node.name == "conv2d" and trace.be.kernels != "numpy_ref" else 1
        bound = loose * self._eps * (sum(len(s.x) for s in sources) + 8) * size
        return Term(node.name, name, at, kind, sources, bias, relu, patch, kernel, computed, value, bound, gradient)

    def _window(self, node, arrays, at):
        """Where the window lies that gives the cell at `at`: the vjp of an average, or of a kernel of ones."""
        if node.name == "max_pool":
            from ..ops.pool import average_pool

            y, vjp = average_pool.__wrapped__(self._be, arrays[0], **node.static)
        else:
            y, vjp = self._run(node, arrays)
        one = np.zeros_like(y)
        one[at] = 1
        return np.asarray(vjp(one, (True, False, False))[0])

    def _patch(self, node, arrays, at):
        """(KH, KW, C) of the padded image and of the kernel; None, None for convolutions of another form."""
        x, w = arrays[:2]
        static = {k: v for k, v in node.static.items() if k not in ("strides", "pads", "relu", "algorithm")}
        if any(v not in (1, (1, 1), None) for v in static.values()) or w.shape[2] != x.shape[3]:
            return None, None
        (kh, kw), (sh, sw) = w.shape[:2], node.static["strides"]
        padded = np.pad(self._trace._values[node.inputs[0]][at[0]], (*node.static["pads"], (0, 0)))
        rows, columns = at[1] * sh, at[2] * sw
        kernel = self._trace._values[node.inputs[1]][..., at[3]]
        return padded[rows : rows + kh, columns : columns + kw], kernel

    # backward --------------------------------------------------------------------------------------------------------

    def _reader(self, node, slot: int, at) -> Reader:
        """What the node hands back to the cell `at` of `slot`, from all inputs that are this slot."""
        trace, out = self._trace, node.outputs[0]
        name, dy = trace.names[out], trace._gradients[out].astype(np.float64)
        relu = bool(node.static.get("relu"))
        if node.name == "on_tape":
            return _unsplit(node.name, name, dy.ndim, False)
        if relu:
            dy = dy * (trace._values[out] > 0)
        arrays = self._arrays(node)
        first = node.inputs[0] == slot and node.inputs.count(slot) == 1
        place = node.inputs.index(slot)
        if (first and node.name in LINEAR) or (node.name in BIASED and node.inputs.count(slot) == 1):
            one = np.zeros_like(arrays[place])
            one[at] = 1
            given = [*arrays[:place], one, *arrays[place + 1 :]]  # linear in each of its arguments
            if node.name in BIASED:
                given = [given[0], given[1], None] if place < 2 else [np.zeros_like(arrays[0]), *given[1:]]
            slopes = np.asarray(self._run(node, given)[0])
        else:
            slopes = self._slopes(node, slot, at, arrays, dy)
            if slopes is None:
                return _unsplit(node.name, name, dy.ndim, relu)
        cells = np.argwhere(slopes)
        pick = tuple(cells.T)
        return Reader(node.name, name, cells, dy[pick], slopes[pick], dy[pick] * slopes[pick], True, relu)

    def _slopes(self, node, slot, at, arrays, dy):
        """dz[j] / dy[at] for all j, by one-hot cotangents; None where too many would have to be asked."""
        wanted = tuple(s == slot for s in node.inputs)
        _, vjp = self._run(node, arrays)
        shape = self._trace._values[slot].shape
        local = node.name in POINTWISE | AFFINE and shape == node.shape
        if local:
            asked = [at]
        elif node.name == "max_pool":
            from ..ops.pool import average_pool

            one = np.zeros(shape)
            one[at] = 1
            asked = np.argwhere(average_pool.__wrapped__(self._be, one, **node.static)[0])
        else:
            asked = np.argwhere(dy) if node.name != "batch_norm" else _channel(node, at, dy)
        if len(asked) > MOST:
            return None
        slopes = np.zeros(node.shape)
        for j in map(tuple, asked):
            one = np.zeros(node.shape)
            one[j] = 1
            for g, want in zip(vjp(one, wanted), wanted, strict=True):
                if want:
                    slopes[j] += _fit(np.asarray(g), shape)[at]
        return slopes

    def _sum(self) -> None:
        if self.gradient is None or not self.readers or not all(r.split for r in self.readers):
            return  # of the loss, whose gradient is 1; or of a layer of one's own, whose parts nobody knows
        self.gradient_computed = float(sum(r.parts.sum() for r in self.readers))
        n, size = sum(len(r.parts) for r in self.readers), sum(float(np.abs(r.parts).sum()) for r in self.readers)
        fast = any(r.op == "conv2d" for r in self.readers) and self._trace.be.kernels != "numpy_ref"
        widest = max((float(np.abs(r.dz).max(initial=0)) for r in self.readers), default=0)
        self.gradient_bound = (16 if fast else 1) * self._eps * (n + 8) * (size + abs(self.gradient) + widest)

    # arrays ----------------------------------------------------------------------------------------------------------

    def _arrays(self, node) -> list:
        """The node's inputs in float64, as the engine had them."""
        found = [self._trace._values.get(s) for s in node.inputs]
        return [a.astype(np.float64) if a is not None and a.dtype.kind == "f" else a for a in found]

    def _run(self, node, arrays):
        """(y, vjp) of the node in float64 on the reference kernels, its ReLU left out, with the step's own draws."""
        static = dict(node.static)
        for key, value in static.items():
            if isinstance(value, self._be.key):
                static[key] = value._replace(step=self._trace.step)
        if "relu" in static:
            static["relu"] = False
        y, vjp = node.op(self._be, *arrays, **static)
        return np.asarray(y[0] if isinstance(y, tuple) else y), vjp

    def _name(self, slot: int) -> str:
        return self._trace.names.get(slot, "")

    def __str__(self):
        from .explain import cell_text

        return cell_text(self)

    __repr__ = __str__

    def _repr_html_(self):
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def _broadcast(at, shape) -> tuple[int, ...] | None:
    """The cell of an array of `shape` that stands at `at` of what it is broadcast to."""
    if len(shape) > len(at):
        return None
    return tuple(0 if n == 1 else i for i, n in zip(at[len(at) - len(shape) :], shape, strict=True))


def _fit(gradient, shape):
    """A gradient summed to the shape of its argument, as core/tensor.py does."""
    from ..core.tensor import unbroadcast

    return unbroadcast("cell", gradient, shape)


def _channel(node, at, dy):
    """Cells that share a batch norm's statistics with `at`."""
    axis = node.static["axis"] % dy.ndim
    mask = np.zeros(dy.shape, bool)
    mask[(*[slice(None)] * axis, at[axis])] = True
    return np.argwhere(mask)
