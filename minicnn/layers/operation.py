"""An op between layers: what arithmetic on symbols makes, x + y or 2 * x, as a layer without weights."""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

from .. import arguments
from ..aliases import Shape
from ..backend.placeholder import Placeholder
from ..core import symbol
from ..core.program import Trace
from ..core.symbol import Call, Symbol
from ..core.tensor import Tensor, no_grad
from ..errors import ArgumentError, ArgumentTypeError, require
from ..naming import auto_name
from ..ops import activation, arithmetic, compare, geometry, join, reduce, shape
from .base import ROWS, Layer
from .open_sizes import probed

OPS: dict[str, Callable] = {
    name: function for module in (activation, arithmetic, geometry, join, reduce, shape)
    for name, function in vars(module).items() if getattr(function, "is_op", False)
}  # fmt: skip
COMPARISONS: dict[str, Callable] = compare.UNTRACKED | {"where": compare.where}
_CALLED = OPS | COMPARISONS


class Operation(Layer):
    """y = op(*arguments, **static).

    op         an op of minicnn's, by name
    arguments  a number or an array as nested lists, or None where the next symbol goes
    static     keyword arguments of the op
    """

    config = ("op", "arguments", "static")

    def __init__(self, op: str, arguments: Sequence[Any] = (None,), static: dict[str, Any] | None = None,
                 **kwargs: Any):  # fmt: skip
        name = kwargs.pop("name", None)
        require(isinstance(op, str) and op in _CALLED, "Operation: op", "an op of minicnn's", repr(op)[:40],
                error=ArgumentError)  # fmt: skip
        super().__init__(name=name or auto_name(op), **kwargs)
        self.named = name is not None
        self.op, self.arguments = op, list(arguments)
        self.static = {key: _static(value) for key, value in (static or {}).items()}

    kind = property(lambda self: self.op)

    @property
    def traced(self) -> bool:
        return True

    def build(self, input_shape: Any) -> Shape:
        return self.follow(input_shape)

    def follow(self, input_shape: Any) -> Shape:
        return probed(self._tried, input_shape)

    def _tried(self, input_shape):
        be = Placeholder()
        shapes = input_shape if input_shape and isinstance(input_shape[0], tuple) else (input_shape,)
        with no_grad(), Trace(be, ()) as trace:
            y = self.call([trace.input((ROWS, *one)) for one in shapes], training=False)
        expected = f"an op that keeps the {ROWS} samples apart"
        require(y.shape[:1] == (ROWS,), f"{self.name}: {self.op}", expected, f"outputs of shape {y.shape}")
        return y.shape[1:]

    def call(self, x: Any, *, training: bool) -> Tensor:
        given = [x] if isinstance(x, Tensor) else list(x)
        be, symbols, operands = given[0].be, iter(given), []
        for one in self.arguments:
            operands.append(next(symbols) if one is None else one if isinstance(one, numbers.Number)
                            else be.xp.asarray(be.asarray(arguments.array(self.name, one))))  # fmt: skip
        static = {key: _slices(value) for key, value in self.static.items()}
        return _CALLED[self.op](*operands, **static)


def _static(value: Any) -> Any:
    """An op's keyword argument as plain values: a slice as {"slice": [start, stop, step]}, ... as {"slice": "..."}."""
    if isinstance(value, (tuple, list)):
        return [_static(one) for one in value]
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    return {"slice": "..."} if value is Ellipsis else value


def _slices(value: Any) -> Any:
    """The inverse of `_static`."""
    if isinstance(value, list):
        return tuple(map(_slices, value))
    if isinstance(value, dict):
        return Ellipsis if value["slice"] == "..." else slice(*value["slice"])
    return value


def _of_samples(wanted: tuple, given: tuple) -> tuple:
    """A shape to reshape to, whose first size is the batch's: None, as x.shape[0] is, or the number that Input said."""
    if None in (*wanted[1:], *given[1:]) or wanted[:1] != given[:1]:
        return tuple(-1 if n is None else n for n in wanted)
    known = math.prod(n for n in wanted[1:] if n != -1)
    return (-1, *(math.prod(given[1:]) // known if n == -1 and known else n for n in wanted[1:]))


def _operation(apply: Callable, args, static) -> Symbol:
    name = apply.__name__
    expected = "an op of minicnn's, or a Lambda layer"
    require(_CALLED.get(name) is apply, name, expected, "an op of your own on a symbol", error=ArgumentTypeError)
    symbols = tuple(a for a in args if isinstance(a, Symbol))
    if name == "reshape":
        static = static | {"shape": _of_samples(tuple(static["shape"]), symbols[0].shape)}
    kept = [None if isinstance(a, Symbol) else a if isinstance(a, numbers.Number) else
            arguments.array(name, a).tolist() for a in args]  # fmt: skip
    layer = Operation(name, kept, static)
    listed = len(symbols) > 1
    shapes = tuple(one.sample for one in symbols)
    layer.calls.append(Call(layer, symbols, [layer.shape_for(shapes if listed else shapes[0])], listed))
    return layer.calls[0].outputs[0]


symbol.operation = _operation
