"""Reverse-mode differentiation in one screen: a tensor knows the node that made it; backward walks them in reverse.

      x --\\
            conv2d --> y --> relu --> z          each arrow into an op is an input,
      w --/                                      each op keeps a closure vjp: dy -> (dx, dw, ...)

There are no second-order gradients: vjp works on arrays, not on tensors.
"""

import contextlib
import contextvars
import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Any

from .. import arguments
from ..aliases import Array
from ..backend.base import Backend
from ..backend.cpu import CPU
from ..errors import ArgumentError, ArgumentTypeError, MinicnnError, ShapeError, require
from .operators import Operators
from .tensor_shape import TensorShape

_recording = contextvars.ContextVar("recording", default=True)
_tapes: contextvars.ContextVar[tuple] = contextvars.ContextVar("tapes", default=())
_serial = itertools.count()


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Inside, ops compute and record nothing."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


def is_recording() -> bool:
    return _recording.get()


def tapes() -> tuple:
    """The tapes with a beginning and an end (training/gradient_tape.py) that are on: every new node tells them."""
    return _tapes.get()


def start(tape: Any) -> None:
    """From now on nodes of this thread tell `tape`, by its `record`."""
    _tapes.set((*_tapes.get(), tape))


def stop(tape: Any) -> None:
    """From now on they do not."""
    _tapes.set(tuple(one for one in _tapes.get() if one is not tape))


class Node:
    """One op on the tape: its name, its inputs and the closure that turns dy into their gradients.

    holders  how many tapes keep it; the last one that lets it go takes its inputs away: then its output is a constant
    """

    __slots__ = ("holders", "inputs", "name", "serial", "vjp")

    def __init__(self, name: str, inputs: tuple, vjp: Callable | None):
        self.name, self.inputs, self.vjp, self.holders = name, inputs, vjp, 0
        self.serial = next(_serial)  # an op is always younger than what it reads: an order for backward
        for tape in _tapes.get():
            tape.record(self)

    def let_go(self) -> None:
        """One tape less keeps it."""
        self.holders -= 1
        if not self.holders:
            self.vjp, self.inputs = None, ()

    def __lt__(self, other):
        return self.serial > other.serial


def _numbers(where: str, value, be: Backend | None):
    """`value`, if it is an array of numbers on the backend; else as one of NumPy's."""
    there = be is not None and isinstance(value, be.xp.ndarray) and value.dtype.kind in "buif"
    return value if there else arguments.array(where, value)


class Tensor(Operators):
    """An array on a backend that can stand on the tape.

    data           the array, of the backend's array type; one that has the backend's float type already is not copied,
                   be it NumPy's, PyTorch's (without its own tape) or JAX's
    be             the backend; None: the CPU's numpy_ref kernels in the array's own float type
    requires_grad  whether backward should reach it
    grad           after backward, for tensors that no op made: the gradient, an array like data
    """

    __slots__ = ("__weakref__", "be", "data", "grad", "node", "requires_grad")
    __array_priority__ = 100  # array + tensor asks the tensor first

    def __init__(self, data: Any, be: Backend | None = None, requires_grad: bool = False):
        arguments.instance("Tensor: be", be, Backend, "a Backend", optional=True)
        data = _numbers("Tensor: data", data, be)
        requires_grad = arguments.flag("Tensor: requires_grad", requires_grad)
        if be is None:
            dtype = getattr(data, "dtype", None)
            be = CPU("numpy_ref", dtype if dtype is not None and dtype.kind == "f" else "float64")
        self.data = be.asarray(data, be.dtype)
        self.be = be
        self.requires_grad = requires_grad
        self.node: Node | None = None
        self.grad: Any = None

    @classmethod
    def of(cls, array: Any, be: Backend, node: Node | None) -> "Tensor":
        """What an op returns: an array that already lives on `be`, and the node that made it (None: not recorded)."""
        tensor = cls.__new__(cls)
        tensor.data, tensor.be, tensor.node, tensor.requires_grad, tensor.grad = array, be, node, node is not None, None
        return tensor

    @property
    def tracked(self) -> bool:
        """Whether ops record it: it is to have a gradient, or a node that is still kept made it from what is to."""
        return self.requires_grad and (self.node is None or bool(self.node.inputs))

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    dtype = property(lambda self: self.data.dtype)

    def numpy(self) -> Array:
        """The data as a NumPy array."""
        return self.be.to_numpy(self.data)

    def get_shape(self) -> TensorShape:
        """The shape as TensorFlow's, which has as_list()."""
        return TensorShape(self.shape)

    def __array__(self, dtype=None, copy=None):
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def __dlpack__(self, **options):
        """The data for other libraries: torch.from_dlpack(tensor), jax.numpy.from_dlpack(tensor), numpy.from_dlpack.

        They share the memory: what they write, the tensor has, and a weight as well. The tape stays here: what they
        compute has no gradient here, also where requires_grad is set.  options: as in the array API standard.
        """
        return self.data.__dlpack__(**{name: value for name, value in options.items() if value is not None})

    def __dlpack_device__(self):
        """(kind, number) of the device that the data is on: (1, 0) is the computer's memory."""
        return self.data.__dlpack_device__()

    def backward(self, dy: Any = None) -> None:
        """Add the gradient of <dy, self> to `.grad` of every tensor that it was computed from.

        dy has self's shape; None means 1 and asks for a scalar. The tape is used up: a second call raises.
        """
        if dy is None:
            require(self.data.size == 1, "backward", "a scalar, or the argument dy", f"shape {self.shape}")
            dy = self.be.xp.ones_like(self.data)
        else:
            dy = _numbers("backward: dy", dy, self.be)
            dy = self.be.asarray(dy, self.be.dtype)
            require(dy.shape == self.shape, "backward", f"dy of shape {self.shape}", dy.shape)
        expected = "a tensor made by ops from one with requires_grad=True"
        require(self.requires_grad, "backward", expected, "one without a tape", error=MinicnnError)
        if self.node is None:
            self.receive(dy)
            return
        gradients: dict[Any, Any] = {self.node: dy}
        ready: list[Node] = [self.node]
        while ready:
            node = heapq.heappop(ready)  # the youngest: every op that read its output has been visited
            dy = gradients.pop(node)
            if node.vjp is None:
                raise MinicnnError(
                    f"backward: the tape through {node.name} was used up by an earlier backward; run forward again"
                )
            needs = tuple([isinstance(t, Tensor) and t.requires_grad for t in node.inputs])
            input_gradients = node.vjp(dy, needs)
            node.vjp = None  # lets go of what it kept for backward
            for tensor, need, gradient in zip(node.inputs, needs, input_gradients, strict=True):
                if not need:
                    continue
                if tensor.node is None:
                    tensor.receive(gradient)
                elif tensor.node in gradients:
                    gradients[tensor.node] = gradients[tensor.node] + gradient
                else:
                    gradients[tensor.node] = gradient
                    heapq.heappush(ready, tensor.node)

    def receive(self, gradient: Any) -> None:
        """Add a gradient to a leaf's own."""
        self.grad = gradient if self.grad is None else self.grad + gradient

    def __repr__(self):
        made_by = f", made by {self.node.name}" if self.node else ""
        return f"Tensor(shape={self.shape}, dtype={self.dtype}, be={self.be.name}{made_by})"

    def item(self) -> float:
        """The one number that the tensor holds, as Python's."""
        require(self.data.size == 1, "Tensor: one number", "a tensor of one element", f"one of shape {self.shape}",
                "use .numpy()", error=ArgumentTypeError)  # fmt: skip
        return self.numpy().item()

    def __bool__(self):
        return bool(self.item())

    def __int__(self):
        return int(self.item())

    def __float__(self):
        return float(self.item())

    def __format__(self, form):
        return format(self.item(), form) if form else str(self)


def constant(be: Backend, a: Any) -> Any:
    """An argument that is no tensor, as an op sees it. A plain number takes the float type: it must widen nothing."""
    return a if a is None else be.asarray(a, be.dtype if isinstance(a, (int, float)) else None)


def unbroadcast(name: str, gradient: Any, shape: tuple[int, ...]) -> Any:
    """Sum a gradient over the axes along which its argument was repeated: (N, K) -> (1, K), (K,) or ()."""
    if gradient is None:
        raise ShapeError(f"{name}: expected a gradient of shape {shape}, received None; return it from vjp")
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    if extra < 0 or any(n not in (1, g) for n, g in zip(shape, gradient.shape[extra:], strict=True)):
        raise ShapeError(f"{name}: expected a gradient of shape {shape}, received {gradient.shape}")
    repeated = tuple(range(extra)) + tuple(extra + i for i, n in enumerate(shape) if n == 1)
    return gradient.sum(axis=repeated, keepdims=True).reshape(shape)


class Parameter(Tensor):
    """A named tensor that a layer owns and an optimizer changes in place.

    `path` is "layer/name". `grad_buffer`, set by the optimizer, is a slice of one flat buffer. The optimizer copies
    small gradients into it; large ones (`separate_update`) stay where backward left them.
    """

    __slots__ = ("_constraint", "grad_buffer", "of_layer", "path", "separate_update", "trainable")

    def __init__(self, data: Any, be: Backend, path: str, trainable: bool = True):
        arguments.instance("Parameter: be", be, Backend, "a Backend")
        arguments.text("Parameter: path", path)
        trainable = arguments.flag("Parameter: trainable", trainable)
        super().__init__(data, be, requires_grad=trainable)
        shared = not getattr(self.data.flags, "writeable", True)  # as JAX's are, whose memory it would share
        if shared and 0 not in self.data.strides:  # one number that stands for a shape stays one number
            self.data = self.data.copy()
        self.path, self.trainable, self.separate_update = path, trainable, False
        self.grad_buffer: Any = None
        self._constraint: Any = None
        self.of_layer = False  # whether a layer says what its constraint is

    @property
    def name(self) -> str:
        """Its name within the layer: "kernel", as in Keras."""
        return self.path.rpartition("/")[2]

    def numpy(self) -> Array:
        """A copy of the values, which training does not change."""
        found = super().numpy()
        return found.copy() if found is self.data else found

    @property
    def constraint(self) -> Any:
        """What it is made to be after a step: a constraint, or None.  A layer's weight has it of the layer's arguments.

        Raises ArgumentError where it is set on a layer's weight.
        """
        return self._constraint

    @constraint.setter
    def constraint(self, value: Callable | None) -> None:
        fix = f"set the layer's {self.name}_constraint, or give add_weight a constraint"
        where = f"{self.path}: constraint"
        require(not self.of_layer, where, "no change: it is the layer's", repr(value)[:40], fix, error=ArgumentError)
        self._constraint = arguments.function(where, value, of="a tensor", optional=True)

    def restrain(self, constraint: Callable) -> None:
        """Make it what a constraint makes of it, a tensor or an array of the same shape."""
        found = constraint(Tensor.of(self.data, self.be, None))
        found = found.data if isinstance(found, Tensor) else found
        expected = f"weights of shape {self.shape}"
        require(found.shape == self.shape, f"constraint of {self.path}", expected, found.shape)
        self.data[...] = self.be.asarray(found, self.dtype)

    @property
    def value(self) -> "Parameter":
        """Itself: the tensor, as Keras's programs ask for it."""
        return self

    def assign(self, value: Any) -> "Parameter":
        """Copy an array of the same shape into the parameter."""
        self.data[...] = self._like(value, (self.shape,))
        return self

    def assign_add(self, value: Any) -> "Parameter":
        """Add an array of the same shape, or one number."""
        self.data[...] = self.data + self._like(value, (self.shape, ()))
        return self

    def assign_sub(self, value: Any) -> "Parameter":
        """Subtract an array of the same shape, or one number."""
        self.data[...] = self.data - self._like(value, (self.shape, ()))
        return self

    def _like(self, value, shapes: tuple):
        """`value` as an array of one of these shapes, of the parameter's type and on its backend."""
        where = f"{self.path}: value"
        value = self.be.asarray(_numbers(where, value, self.be), self.dtype)
        require(value.shape in shapes, where, f"weights of shape {self.shape}", value.shape)
        return value
