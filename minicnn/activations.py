"""Activations as functions of tensors, arrays and numbers, with Keras's arguments.

    Dense(64, activation=activations.relu)      activations.relu(x, negative_slope=0.1, max_value=6)

Arrays and numbers are taken as float32; then the answer is a tensor without a tape, which NumPy reads as an array.
Formulas and derivatives: minicnn/ops/activation.py.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from . import custom
from .aliases import ActivationLike, ArrayLike, Ints
from .arguments import array, axes, checked, number
from .arguments import flag as boolean
from .core.symbol import Symbol
from .core.tensor import Tensor
from .errors import ArgumentTypeError, one_of, require, shown
from .ops import activation as ops
from .ops.compare import greater, where
from .ops.join import part


def tensor(where: str, x: Any) -> Tensor | Symbol:
    """x as a tensor, of float32 if it is none."""
    return x if isinstance(x, (Tensor, Symbol)) else Tensor(np.asarray(array(where, x), np.float32))


def _activation(plain: Callable | None = None, **checks) -> Callable:
    """A public function of x.  plain: what a layer calls in its place, with no argument but x."""

    def decorate(function):
        name = function.__name__
        inner = checked(name, **checks)(function)

        @functools.wraps(function)
        def call(*args, **kwargs):
            if args:
                args = (tensor(f"{name}: x", args[0]), *args[1:])
            elif "x" in kwargs:
                kwargs["x"] = tensor(f"{name}: x", kwargs["x"])
            return inner(*args, **kwargs)

        if plain is not None:
            setattr(call, "plain", plain)  # noqa: B010  (a type checker knows no attributes of functions)
        return call

    return decorate


def _named(name: str) -> Callable:
    """A public function without arguments."""
    plain = ops.BY_NAME[name]

    def function(x):
        return plain(x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = plain.__doc__
    return _activation(plain)(function)


exponential, hard_sigmoid, hard_silu, hard_tanh = map(_named, ("exponential", "hard_sigmoid", "hard_silu", "hard_tanh"))
linear, log_sigmoid, mish, relu6 = map(_named, ("linear", "log_sigmoid", "mish", "relu6"))
selu, sigmoid, silu, softplus = map(_named, ("selu", "sigmoid", "silu", "softplus"))
softsign, sparse_plus, sparse_sigmoid = map(_named, ("softsign", "sparse_plus", "sparse_sigmoid"))
tanh, tanh_shrink = map(_named, ("tanh", "tanh_shrink"))
hard_swish, swish = hard_silu, silu


def _limit(where: str, value):
    return number(where, value, optional=True)


@_activation(ops.relu, negative_slope=number, max_value=_limit, threshold=number)
def relu(x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """y = min(x, max_value) where x > threshold, else negative_slope (x - threshold)."""
    if (negative_slope, max_value, threshold) == (0, None, 0):
        return ops.relu(x)
    return ops.relu_general(x, negative_slope=negative_slope, max_value=max_value, threshold=threshold)


@_activation(ops.leaky_relu, negative_slope=number)
def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> Tensor:
    """y = x where x > 0, else negative_slope x."""
    return ops.leaky_relu(x, negative_slope=negative_slope)


@_activation(ops.elu, alpha=number)
def elu(x: ArrayLike, alpha: float = 1.0) -> Tensor:
    """y = x where x > 0, else alpha (exp x - 1)."""
    return ops.elu(x, alpha=alpha)


def _positive(where: str, value):
    return number(where, value, above=0)


celu = _activation(ops.celu, alpha=_positive)(ops.celu)


@_activation(ops.gelu, approximate=boolean)
def gelu(x: ArrayLike, approximate: bool = False) -> Tensor:
    """y = x Phi(x), Phi the standard normal distribution; approximate: by a tanh."""
    return ops.gelu(x, approximate=approximate)


@_activation(ops.softmax, axis=axes)
def softmax(x: ArrayLike, axis: Ints = -1) -> Tensor:
    """p = exp x / sum exp x over `axis`, or several."""
    return ops.softmax_over(x, axis=axis)


@_activation(ops.log_softmax, axis=axes)
def log_softmax(x: ArrayLike, axis: Ints = -1) -> Tensor:
    """y = x - log sum exp x over `axis`, or several."""
    return ops.log_softmax_over(x, axis=axis)


@_activation(ops.sparsemax)
def sparsemax(x: ArrayLike, axis: Ints = -1) -> Tensor:
    """y = max(x - tau, 0), with the tau that makes the sum over `axis` 1."""
    axis = axes("sparsemax: axis", axis)
    if not isinstance(axis, int):
        require(False, "sparsemax: axis", "an axis", shown(axis), error=ArgumentTypeError)
    return ops.sparsemax(x, axis=axis)


hard_shrink = _activation(ops.hard_shrink, threshold=number)(ops.hard_shrink)
soft_shrink = _activation(ops.soft_shrink, threshold=number)(ops.soft_shrink)
squareplus = _activation(ops.squareplus, b=number)(ops.squareplus)


@_activation(threshold=number, default_value=number)
def threshold(x: ArrayLike, threshold: float, default_value: float) -> Tensor:
    """y = x where x > threshold, else default_value."""
    return where(greater(x, threshold), x, default_value)


@_activation()
def glu(x: Any, axis: Ints = -1) -> Tensor:
    """y = a sigmoid(b), a and b the halves of x along `axis`.  Source: Dauphin et al. 2017."""
    axis = axes("glu: axis", axis)
    ok = isinstance(axis, int) and -x.ndim <= axis < x.ndim and x.shape[axis] % 2 == 0
    require(ok, "glu: x", f"an even length along axis {axis}", f"shape {x.shape}")
    half, before = x.shape[axis] // 2, (slice(None),) * (axis % x.ndim)
    a, b = (part(x, key=(*before, slice(i * half, (i + 1) * half))) for i in (0, 1))
    return a * ops.sigmoid(b)


FUNCTIONS = {f.__name__: f for f in (
    celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear, log_sigmoid,
    log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign, sparse_plus,
    sparse_sigmoid, sparsemax, squareplus, tanh, tanh_shrink, threshold)}  # fmt: skip


def get(identifier: ActivationLike) -> Callable:
    """An activation from its name, None (linear), or any function of a tensor."""
    if identifier is None:
        return linear
    if callable(identifier):
        return identifier
    require(isinstance(identifier, str), "activation", "a name, a function of a tensor, or None", shown(identifier),
            error=ArgumentTypeError)  # fmt: skip
    own = custom.find(identifier)
    if own is not None:
        return get(own)
    known = FUNCTIONS | {"hard_swish": hard_silu, "swish": silu}
    return known[one_of("activation", identifier, known)]


def serialize(activation: Callable) -> str:
    """Its name."""
    name = getattr(activation, "__name__", "")
    require(name in FUNCTIONS, "activation", "one of " + ", ".join(FUNCTIONS), shown(activation),
            error=ArgumentTypeError)  # fmt: skip
    return name


deserialize = get
__all__ = [*FUNCTIONS, "get", "hard_swish", "serialize", "swish"]
