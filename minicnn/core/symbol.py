"""Symbolic tensors: what a layer returns when it is called on one; Model(inputs, outputs) is made from them.

      x = Input((28, 28, 1))           Symbol (None, 28, 28, 1), made by an InputLayer
      y = Conv2D(8, 3)(x)              Symbol (None, 26, 26, 8), made by Call(conv2d, (x,))
      z = y + y                        Symbol, made by Call(operation, (y, y)): an op is a layer without weights

Symbols and calls are a graph and nothing else: no backend, no weights. training/graph.py puts it in an order in which
it can run, and the walk over that order is the one that every model makes.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentTypeError
from .operators import Operators
from .tensor_shape import TensorShape


class Symbol(Operators):
    """shape (None, ...): of a batch, or the size that Input said in front;  call, index: which output of which call."""

    __slots__ = ("__weakref__", "call", "index", "shape")
    __array_priority__ = 200  # array + symbol asks the symbol first

    def __init__(self, shape: tuple, call: "Call", index: int = 0, rows: int | None = None):
        self.shape, self.call, self.index = (rows, *shape), call, index

    name = property(lambda self: self.call.layer.name)
    ndim = property(lambda self: len(self.shape))
    dtype = property(lambda self: "float32")
    sparse = ragged = property(lambda self: False)
    sample = property(lambda self: self.shape[1:])

    def get_shape(self) -> TensorShape:
        """The shape as TensorFlow's, which has as_list()."""
        return TensorShape(self.shape)

    def __array__(self, dtype=None, copy=None):
        raise ArgumentTypeError(
            f"{self.name}: expected numbers, received a symbol of shape {self.shape}, which has none before the model "
            "runs; use ops or a Lambda layer"
        )

    def __bool__(self):
        raise ArgumentTypeError(f"{self.name}: expected a decision on numbers, received a symbol; use ops of it")

    def __iter__(self):
        raise ArgumentTypeError(f"{self.name}: expected one symbol, received a walk over its entries; use x[:, i]")

    def __repr__(self):
        return f"<Symbol {self.name} {self.shape}>"


class Call:
    """One call of a layer on symbols.

    inputs   the symbols, in order;  listed: they were given as a list, and `call` of the layer takes one
    training what the call said, or None: what the model says
    outputs  its symbols: one, or as many as a model that is called has
    rows     the size of a batch, where it begins a graph and Input has said it
    """

    def __init__(self, layer: Any, inputs: tuple[Symbol, ...], shapes: Sequence[tuple], listed: bool = False,
                 training: bool | None = None, rows: int | None = None):  # fmt: skip
        self.layer, self.inputs, self.listed, self.training = layer, inputs, listed, training
        rows = next((one.shape[0] for one in inputs if one.shape[0] is not None), rows)
        self.outputs = tuple(Symbol(shape, self, i, rows) for i, shape in enumerate(shapes))


# (op, arguments, static) -> Symbol: an op as a layer. layers/operation.py sets it: the core knows no layer.
operation: Callable[..., Any] | None = None


def called(apply: Callable, args: tuple, static: dict[str, Any]) -> Any:
    """What core/op.py does with symbols among the arguments of an op."""
    if operation is None:
        raise ArgumentTypeError(f"{apply.__name__}: expected a Tensor, received a symbol; import minicnn.layers first")
    return operation(apply, args, static)
