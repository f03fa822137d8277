"""@op: a pure function of arrays that returns (y, vjp) becomes a function of tensors that records itself.

      @op
      def square(be, x):
          def vjp(dy, needs):              # needs[i]: is the gradient of argument i wanted?
              return (2 * x * dy,)         # one gradient, or None, per array argument
          return x * x, vjp

Done here once for every op: finding the backend, checking gradients' shapes, undoing broadcasting, recording.
"""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, cast

from .. import arguments
from ..backend.base import Backend
from ..errors import ArgumentTypeError, ShapeError
from .program import tracing
from .symbol import Symbol, called
from .tensor import Node, Parameter, Tensor, constant, is_recording, tapes, unbroadcast

Arguments = ParamSpec("Arguments")


class Op(Protocol[Arguments]):
    """What @op makes: it takes the function's arguments but `be`, tensors where that takes arrays."""

    __name__: str
    __wrapped__: Callable

    def __call__(self, *args: Arguments.args, **static: Arguments.kwargs) -> Any: ...


def op(function: Callable[Concatenate[Any, Arguments], tuple[Any, Any]]) -> Op[Arguments]:
    """Turn `function(be, *arrays, **static) -> (y, vjp)` into `function(*tensors, **static) -> Tensor`.

    Arguments may be tensors, arrays or numbers (constants), or None (absent). If y is a tuple, its first element is the
    output; the others are handed out as plain arrays, without gradients (batch_norm's statistics).
    """
    arguments.function("op: function", function, of="(be, *arrays, **static)")
    name, run = function.__name__, cast("Callable", function)

    @functools.wraps(function)
    def apply(*args, **static):
        tensors = [a for a in args if isinstance(a, Tensor)]
        if any([type(a) is Symbol for a in args]):
            return called(wrapped, args, static)
        if not tensors:
            raise ArgumentTypeError(f"{name}: expected at least one Tensor, received none; wrap the input: Tensor(x)")
        be = tensors[0].be
        for t in tensors:
            if t.be is not be and (t.be.joins or be.joins or elsewhere(t, be)):
                be, args = joined(name, args, tensors)
                break
        trace = tracing()
        if trace is not None:
            return trace.call(function, args, static)
        arrays = [a.data if isinstance(a, Tensor) else constant(be, a) for a in args]
        tracked = is_recording() and any([t.tracked for t in tensors])
        if tracked and tapes():  # which may ask after an optimizer's step: the weights as they are now
            arrays = [a.copy() if isinstance(t, Parameter) else a for t, a in zip(args, arrays, strict=True)]
        y, vjp = run(be, *arrays, **static)
        y, *aside = y if isinstance(y, tuple) else (y,)
        node = Node(name, args, _checked(name, be, vjp, arrays)) if tracked else None
        out = Tensor.of(be.asarray(y), be, node)  # asarray: kernels want C order and one float type
        return (out, *aside) if aside else out

    wrapped = cast("Op[Arguments]", apply)
    apply.__dict__["is_op"] = True  # pure by contract: a layer that calls it can be traced
    return wrapped


def joined(name: str, args: tuple, tensors: list) -> tuple:
    """(backend, arguments on it): tensors of a backend that `joins` go to that of the others, gradients come back.

    Raises ArgumentTypeError for tensors of several others.
    """
    fixed = [t for t in tensors if not t.be.joins] or tensors[:1]
    be = fixed[0].be
    for t in fixed:
        if elsewhere(t, be):
            here, there = be.describe(), t.be.describe()
            raise ArgumentTypeError(f"{name}: expected all tensors on {here}, received one on {there}")
    return be, tuple(moved(a, be) if isinstance(a, Tensor) and elsewhere(a, be) else a for a in args)


def moved(a: Tensor, be: Backend) -> Tensor:
    """`a` on another backend;  da = dy, there where a is."""

    def back(dy, needs):
        return [a.be.asarray(be.to_numpy(dy), a.be.dtype)]

    node = Node("moved", (a,), back) if is_recording() and tracing() is None and a.tracked else None
    return Tensor.of(be.asarray(a.data if a.be.name == be.name else a.numpy(), be.dtype), be, node)


def elsewhere(t: Tensor, be: Backend) -> bool:
    """Whether t lies on another kind of device than `be`, or is of another float type."""
    return t.be is not be and (t.be.name, t.dtype) != (be.name, be.dtype)


def _checked(name, be, vjp, arrays):
    """vjp with un-broadcasting and the engine's own checks: one gradient per argument, each in its argument's shape."""

    def checked(dy, needs):
        gradients = vjp(be.asarray(dy), needs)  # a sum's gradient is a broadcast view
        if len(gradients) != len(arrays):
            raise ShapeError(f"{name}: expected {len(arrays)} gradients from vjp, received {len(gradients)}")
        return [
            unbroadcast(name, g, a.shape) if need else None
            for g, a, need in zip(gradients, arrays, needs, strict=True)
        ]

    return checked
