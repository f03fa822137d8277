"""A training step as a program: its ops are recorded once, fused by rules, and run without tensors or a tape.

An op is a pure function (be, *arrays, **static) -> (y, vjp). So a step is the list of its calls, and every array in it
has a place of its own, a slot:

      slot    1: x   2: conv2d/kernel   3: conv2d/bias   4: gamma   5: beta   |   6: y   7: z   8, 9: mean, var
      nodes   conv2d (1, 2, 3) -> 6          batch_norm (6, 4, 5) -> 7, 8, 9          ...          scaled_sum -> loss

      forward      for node in nodes:             v[node.output], vjp = node.op(be, *v[node.inputs], **node.static)
      backward     for node in reversed(nodes):   d[node.inputs] += vjp(d[node.output], node.needs)

Any graph that the tape can hold is such a list: a node may have several inputs, a value several readers. What changes
from step to step is an input (x, targets, weights of samples) or is put in when the list runs: parameters' data, and in
every random key the step's number.

Writing it down computes nothing: while a trace is on, `core/op.py` calls every op with `Shapes` for a backend, whose
kernels give empty arrays of the right shape. A function that may do anything (a layer of one's own) is not called then:
it becomes one node, which runs it on the tape in every step.
"""

import collections
import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..backend.base import Backend
from .fuse import Rule, fuse
from .tensor import Parameter, Tensor, constant, is_recording, unbroadcast

_trace: contextvars.ContextVar["Trace | None"] = contextvars.ContextVar("trace", default=None)


def tracing() -> "Trace | None":
    """The trace that is on, if one is."""
    return _trace.get()


class Node(NamedTuple):
    """One call of an op.  inputs, outputs: slots, 0 for None; outputs: y, then what the op hands out aside.

    needs, shapes  of every input: whether its gradient is wanted, and its shape (None: absent)
                   A need that is neither True nor False stands in for the backend in the vjp of an op that has said
                   op.placed = k: the kernel that makes input k's gradient is that one's, and knows where it goes
    layer          whose call it is, or None
    shape          of y
    """

    op: Callable
    inputs: tuple[int, ...]
    static: dict
    outputs: tuple[int, ...]
    needs: tuple[bool, ...]
    shapes: tuple
    layer: Any
    shape: tuple[int, ...]

    name = property(lambda self: self.op.__name__)


class Trace:
    """Writes down what runs inside `with trace:`.

    be      of the step;  params: all parameters that it may read, `trainable` or not
    """

    def __init__(self, be: Any, params: Sequence[Parameter]):
        self.be, self.nodes, self.layer = Shapes(be), [], None
        self.constants: list = [None]  # slot -> array that stays, or None
        self.params: dict[int, Parameter] = {}
        self.outputs: list[tuple[Any, int]] = []  # (layer, slot) in the order of the calls
        self.taped: list = []  # layers that run on the tape
        self._slots, self._alive, self._given = {id(None): 0}, [], list(params)
        for p in self._given:
            self.params[self._new(p)] = p
            self._slots[id(p.data)] = self._slots[id(p)]

    def __enter__(self) -> "Trace":
        self._token = _trace.set(self)
        return self

    def __exit__(self, *error):
        _trace.reset(self._token)

    def _new(self, value, constant=None) -> int:
        """A slot for a tensor or an array, which is kept: its id is its name."""
        self._slots[id(value)] = len(self.constants)
        self.constants.append(constant)
        self._alive.append(value)
        return len(self.constants) - 1

    def slot(self, value: Any) -> int:
        """The slot of a tensor, an array or None; what nobody knows is a constant."""
        known = self._slots.get(id(value))
        if known is None and isinstance(value, Tensor):
            known = self._slots.get(id(value.data))
        if known is None:
            known = self._new(value, value.data if isinstance(value, Tensor) else value)
        return known

    def input(self, shape: tuple) -> Tensor:
        """A tensor that the step is given when it runs."""
        return self._output(shape, False)

    def _output(self, shape, tracked: bool) -> Tensor:
        tensor = Tensor.of(self.be.empty(shape), self.be.real, None)
        tensor.requires_grad = tracked and is_recording()
        self._new(tensor)
        return tensor

    def call(self, op: Callable, args: tuple, static: dict[str, Any], tracked: bool = True) -> Any:
        """`op` on shapes alone, written down: what core/op.py does while this trace is on.

        tracked: whether a gradient may go through it.
        """
        given = [a if a is None or isinstance(a, Tensor) else constant(self.be.real, a) for a in args]
        arrays, static = [a.data if isinstance(a, Tensor) else a for a in given], (op.__kwdefaults__ or {}) | static
        silent: Any = getattr(self.be.xp, "errstate", contextlib.nullcontext)
        with silent(all="ignore"):
            y, _ = op(self.be, *arrays, **static)
        y, *aside = y if isinstance(y, tuple) else (y,)
        needs = tuple(tracked and isinstance(a, Tensor) and a.requires_grad for a in given)
        out, aside = self._output(y.shape, any(needs)), [None if a is None else self.be.empty(a.shape) for a in aside]
        outputs = self._slots[id(out)], *(0 if a is None else self._new(a) for a in aside)
        shapes = tuple(None if a is None else a.shape for a in arrays)
        self.nodes.append(Node(op, tuple(map(self.slot, given)), static, outputs, needs, shapes, self.layer, y.shape))
        return (out, *aside) if aside else out

    def on_tape(self, function: Callable, tensors: Sequence[Tensor | None], shape: tuple,
                tracked: bool = False) -> Tensor:  # fmt: skip
        """A node that calls `function` on tensors, on the tape, in every step.  shape: of what comes of it.

        tracked: it may read parameters whose gradients are wanted.
        """
        needs = tuple(t is not None and t.requires_grad for t in tensors)
        out = self._output(shape, tracked or any(needs))
        inputs, shapes = tuple(map(self.slot, tensors)), tuple(None if t is None else t.shape for t in tensors)
        op, outputs = _taped(function), (self._slots[id(out)],)
        self.nodes.append(Node(op, inputs, {"needs": needs}, outputs, needs, shapes, self.layer, tuple(shape)))
        return out

    def through(self, layer: Any, call: Callable, tensors: Sequence[Tensor], shape: tuple) -> Tensor:
        """A layer's call: written down op by op if it says that it can be, else one node on the tape."""
        self.layer = layer
        if layer.traced:
            y = call(*tensors)
        else:
            self.taped.append(layer)
            y = self.on_tape(call, tensors, shape, any(p.requires_grad for p in self._given))
        self.layer = None
        self.outputs.append((layer, self.slot(y)))
        return y


def _taped(function: Callable) -> Callable:
    """An op that runs `function` on tensors, its backward the tape's: parameters receive their gradients there."""

    def on_tape(be, *arrays, needs):
        tensors = [None if a is None else Tensor.of(a, be, None) for a in arrays]
        for tensor, need in zip(tensors, needs, strict=True):
            if need and tensor is not None:
                tensor.requires_grad = True
        y = function(*tensors)

        def vjp(dy, needs):
            if y.requires_grad:
                y.backward(dy)
            found = [None if t is None else t.grad for t in tensors]
            return [be.xp.zeros_like(a) if need and g is None else g
                    for a, need, g in zip(arrays, needs, found, strict=True)]  # fmt: skip

        return y.data, vjp

    return on_tape


class Program:
    """Nodes in an order in which they can run.

    inputs    slots of what the step is given;  loss, last: of what it is asked for (last: logits or outputs);
              lasts, parts: of all outputs, and of several losses each
    outputs   (layer, slot) of every layer's output, for the unfused nodes
    learns    whether there is a backward
    averages  (parameter, slot, momentum): moving averages and the statistics that they follow
    """

    def __init__(self, trace: Trace, inputs: Sequence[Tensor], last: Tensor | list[Tensor],
                 loss: Tensor | None = None, averages: Sequence[tuple] = (),
                 learns: bool = True, rules: Sequence[Rule] = (), fused: frozenset = frozenset(),
                 parts: Sequence[Tensor] = ()):  # fmt: skip
        self.inputs, self.outputs, self.taped = [trace.slot(tensor) for tensor in inputs], trace.outputs, trace.taped
        self.params, self.constants = list(trace.params.items()), trace.constants
        lasts = last if isinstance(last, list) else [last]
        self.lasts, self.parts = [*map(trace.slot, lasts)], [*map(trace.slot, parts)]
        self.last, self.loss = self.lasts[0], 0 if loss is None else trace.slot(loss)
        self.averages = [(trace.params[trace.slot(a)], trace.slot(b), momentum) for a, b, momentum in averages]
        self.restraints: list = []  # (parameter, constraint): what the parameter is made to be after an update
        self.learns = learns and loss is not None and loss.requires_grad
        self.unfused = trace.nodes
        self.asked = {*self.lasts, *self.parts, self.loss, *(slot for _, slot, _ in self.averages)}
        self.nodes = fuse(trace.nodes, rules, self.asked, training=loss is not None, fused=fused)
        self._key = trace.be.key
        self._new_key = partial(tuple.__new__, self._key)  # Key._make without two calls of Python's
        self._fused = self._prepared(self.nodes, True)
        self.draws = any(keys for _, keys, _, _ in self._fused)
        self.every = self._prepared(self.unfused, False)  # all nodes, and every value is still there afterwards
        reads = collections.Counter(slot for node in self.nodes for slot in node.inputs)
        self._placed = {  # output of a node -> (its input, the parameter) whose gradient nothing is added to
            node.outputs[0]: (node.op.placed, trace.params[slot])
            for node in self.nodes if hasattr(node.op, "placed") and not self.taped
            if (slot := node.inputs[node.op.placed]) in trace.params and reads[slot] == 1 and node.needs[node.op.placed]
        }  # fmt: skip
        self._layers = self._prepared([node for node in self.unfused if node.layer is not None], False)

    def _prepared(self, nodes, free: bool, learns: bool | None = None) -> list[tuple]:
        """What `forward` needs of a node: (node, names of keys, is its vjp wanted, slots that nobody reads later)."""
        last_reader = {slot: k for k, node in enumerate(nodes) for slot in (*node.inputs, *node.outputs)}
        ends: list[list[int]] = [[] for _ in nodes]
        learns = self.learns and free if learns is None else learns
        for slot, k in last_reader.items():
            if free and slot not in self.asked:
                ends[k].append(slot)
        return [
            (node, [name for name, value in node.static.items() if isinstance(value, self._key)],
             learns and (any(node.needs) or node.op.__name__ == "on_tape"), dead)
            for node, dead in zip(nodes, ends, strict=True)
        ]  # fmt: skip

    def forward(self, be: Backend, arrays: Sequence[Any], step: Any, nodes: list | None = None,
                row: int = 0) -> tuple[list, list]:  # fmt: skip
        """Run it: (values by slot, of which only `asked` are still there, and the nodes' vjps).

        step  the number that random draws take, or the place in device memory where it is;  row: as Key's
        """
        values, vjps = self.constants.copy(), []
        for slot, p in self.params:
            values[slot] = p.data
        for slot, array in zip(self.inputs, arrays, strict=nodes is None):
            values[slot] = array
        ndarray, dtype, new_key = be.xp.ndarray, be.dtype, self._new_key
        for node, keys, tracked, dead in nodes or self._fused:
            static = node.static
            for name in keys:
                seed, _, stream, _ = static[name]
                static = static | {name: new_key((seed, step, stream, row))}
            y, vjp = node.op(be, *map(values.__getitem__, node.inputs), **static)
            if type(y) is tuple:
                y, *aside = y
                for slot, array in zip(node.outputs[1:], aside, strict=True):
                    values[slot] = array
            if not (type(y) is ndarray and y.dtype == dtype and y.flags.c_contiguous):
                y = be.asarray(y)
            values[node.outputs[0]] = y
            if tracked:
                vjps.append((node, vjp))
            del vjp
            for slot in dead:
                values[slot] = None
        return values, vjps

    def backward(self, be: Backend, vjps: list, dloss: Any, kept: dict | None = None,
                 placing: Callable | None = None) -> None:  # fmt: skip
        """Gradients of all parameters from dloss, given to them; `vjps` is used up, so that what they keep is free.

        kept: a dict for copies of every slot's gradient; parameters are given none then.
        placing: Backend.placing, if the optimizer, and nobody before it, reads the gradients
        """
        gradients, receivers = {} if kept is None else kept, dict(self.params) if kept is None else {}
        gradients[self.loss], ndarray, dtype = dloss, be.xp.ndarray, be.dtype
        placed = {} if placing is None else self._placed
        while vjps:
            node, vjp = vjps.pop()
            dy = gradients.pop(node.outputs[0], None) if kept is None else kept.get(node.outputs[0])
            if dy is None:
                continue
            if not (type(dy) is ndarray and dy.dtype == dtype and dy.flags.c_contiguous):
                dy = be.asarray(dy)  # a sum's gradient is a broadcast view
            needs = node.needs
            if placing is not None and node.outputs[0] in placed:
                k, p = placed[node.outputs[0]]
                if p.grad_buffer is not None:
                    needs = *needs[:k], placing(p.grad_buffer), *needs[k + 1 :]
            input_gradients = vjp(dy, needs)
            del vjp, dy
            for slot, need, shape, gradient in zip(node.inputs, node.needs, node.shapes, input_gradients, strict=True):
                if not need:
                    continue
                if gradient is None or gradient.shape != shape:
                    gradient = unbroadcast(node.op.__name__, gradient, shape)
                p = receivers.get(slot)
                if p is not None:
                    p.grad = gradient if p.grad is None else p.grad + gradient
                elif slot in gradients:
                    gradients[slot] = gradients[slot] + gradient
                else:
                    gradients[slot] = gradient if kept is None else gradient.copy()

    def record(self, be: Backend, arrays: Sequence[Any], step: Any) -> tuple[list, dict[int, Any]]:
        """Every value, and every gradient of the loss, by slot: the unfused nodes one by one, as the tape runs them.

        Parameters keep the gradients that they hold. Copies: a kernel may write its results to the same place again.
        """
        held = [(p, p.grad) for _, p in self.params]
        for p, _ in held:
            p.grad = None
        try:
            values, vjps = self.forward(be, arrays, step, self._prepared(self.unfused, False, self.learns))
            gradients: dict = {}
            if self.learns:
                self.backward(be, vjps, be.xp.ones_like(values[self.loss]), gradients)
            on_tape = {slot: p.grad for slot, p in self.params if p.grad is not None}
            return values, {slot: be.asarray(g, be.dtype) for slot, g in (gradients | on_tape).items()}
        finally:
            for p, gradient in held:
                p.grad = gradient

    def walk(self, be: Backend, xs: Sequence[Any], step: Any, row: int = 0) -> Iterator[tuple[Any, Any]]:
        """(layer, its output) of every layer for the step's first inputs, each op by itself."""
        values, _ = self.forward(be, xs, step, self._layers, row)
        return ((layer, values[slot]) for layer, slot in self.outputs)


class Shapes:
    """A backend that computes nothing: its kernels give arrays of the right shape that take no memory.

    A forward kernel that is not here falls through to the real backend: it computes on a CPU, a device refuses it.

    real  the backend that it stands in for: whatever is no kernel of a forward pass is that one's
    """

    def __init__(self, be: Any):
        self.real = be

    def __getattr__(self, name):
        return getattr(self.real, name)

    def empty(self, shape: tuple) -> Any:
        return self.real.xp.broadcast_to(self.real.xp.zeros((), self.real.dtype), shape)

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        return array if hasattr(array, "shape") else self.real.asarray(array, dtype)

    def _like(self, x, *_, **__):
        return self.empty(x.shape)

    activate = relu = softmax = dropout = batch_norm = erf = affine_warp = _like

    def conv2d(self, x: Any, w: Any, b: Any, *, strides: tuple[int, int], pads: tuple, **_: Any) -> Any:
        return self.empty((x.shape[0], *self._windows(x, w.shape[:2], strides, pads), w.shape[3]))

    def depthwise_conv2d(self, x: Any, w: Any, *, strides: tuple[int, int], pads: tuple) -> Any:
        return self.empty((x.shape[0], *self._windows(x, w.shape[:2], strides, pads), w.shape[2] * w.shape[3]))

    def conv2d_input_grad(self, dy: Any, w: Any, x_shape: tuple, **_: Any) -> Any:
        return self.empty(x_shape)

    def average_pool(self, x: Any, *, window: tuple[int, int], strides: tuple[int, int], pads: tuple) -> Any:
        return self.empty((x.shape[0], *self._windows(x, window, strides, pads), x.shape[3]))

    def max_pool(self, x: Any, *, window: tuple[int, int], strides: tuple[int, int], pads: tuple) -> Any:
        y = self.average_pool(x, window=window, strides=strides, pads=pads)
        return y, y

    def _windows(self, x, window, strides, pads):
        return [(x.shape[1 + a] + sum(pads[a]) - window[a]) // strides[a] + 1 for a in (0, 1)]

    def dense(self, x: Any, w: Any, b: Any, **_: Any) -> Any:
        return self.empty((x.shape[0], w.shape[1]))

    def batch_norm_stats(self, x: Any) -> Any:
        return self.empty(x.shape[1:2]), self.empty(x.shape[1:2])

    def softmax_cross_entropy(self, z: Any, t: Any) -> Any:
        return self.empty(z.shape[:1]), self.empty(z.shape)

    def philox(self, n: int, key: Any) -> Any:
        return self.real.xp.zeros(n, "uint32")
