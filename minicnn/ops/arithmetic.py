"""Arithmetic on tensors, with broadcasting; core/op.py sums gradients back to each argument's shape."""

import math
from typing import Any

from ..core.op import op
from ..core.symbol import Symbol
from ..core.tensor import Tensor
from ..errors import ArgumentTypeError, require
from .join import part
from .reduce import mean, total
from .shape import reshape


@op
def add(be: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """y = a + b."""
    return a + b, lambda dy, needs: (dy, dy)


@op
def subtract(be: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """y = a - b."""
    return a - b, lambda dy, needs: (dy, -dy if needs[1] else None)


@op
def multiply(be: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """y = a b;  da = dy b,  db = dy a."""
    return a * b, lambda dy, needs: (dy * b if needs[0] else None, dy * a if needs[1] else None)


@op
def divide(be: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """y = a / b;  da = dy / b,  db = -dy y / b."""
    y = a / b
    return y, lambda dy, needs: (dy / b if needs[0] else None, -dy * y / b if needs[1] else None)


@op
def power(be: Any, x: Any, *, exponent: Any) -> tuple[Any, Any]:
    """y = x^exponent for a number exponent;  dx = dy exponent x^(exponent-1)."""
    return x**exponent, lambda dy, needs: (dy * exponent * x ** (exponent - 1),)


@op
def negative(be: Any, x: Any) -> tuple[Any, Any]:
    """y = -x."""
    return -x, lambda dy, needs: (-dy,)


@op
def matmul(be: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """y = a b.  a (N, K), b (K, M) -> y (N, M);  da = dy b',  db = a' dy."""
    require(a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0], "matmul", f"b of shape ({a.shape[-1]}, M)", b.shape)
    return be.dense(a, b, None), lambda dy, needs: (
        be.dense_input_grad(dy, b) if needs[0] else None,
        be.dense_weight_grad(a, dy) if needs[1] else None,
    )


@op
def exp(be: Any, x: Any) -> tuple[Any, Any]:
    """y = exp x."""
    y = be.xp.exp(x)
    return y, lambda dy, needs: (dy * y,)


@op
def log(be: Any, x: Any) -> tuple[Any, Any]:
    """y = log x;  dx = dy / x."""
    return be.xp.log(x), lambda dy, needs: (dy / x,)


@op
def log1p(be: Any, x: Any) -> tuple[Any, Any]:
    """y = log(1 + x), exact for small x;  dx = dy / (1 + x)."""
    return be.xp.log1p(x), lambda dy, needs: (dy / (1 + x),)


@op
def expm1(be: Any, x: Any) -> tuple[Any, Any]:
    """y = exp(x) - 1, exact for small x;  dx = dy (y + 1)."""
    y = be.xp.expm1(x)
    return y, lambda dy, needs: (dy * (y + 1),)


@op
def arctan(be: Any, x: Any) -> tuple[Any, Any]:
    """y = arctan x;  dx = dy / (1 + x^2)."""
    return be.xp.arctan(x), lambda dy, needs: (dy / (1 + x * x),)


@op
def erf(be: Any, x: Any) -> tuple[Any, Any]:
    """y = 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x;  dx = dy 2 / sqrt(pi) exp(-x^2)."""
    return be.erf(x), lambda dy, needs: (dy * be.xp.exp(-x * x) * (2 / math.sqrt(math.pi)),)


@op
def sqrt(be: Any, x: Any) -> tuple[Any, Any]:
    """y = sqrt x;  dx = dy / (2 y)."""
    y = be.xp.sqrt(x)
    return y, lambda dy, needs: (dy / (2 * y),)


@op
def absolute(be: Any, x: Any) -> tuple[Any, Any]:
    """y = |x|;  dx = dy sign x."""
    return be.xp.abs(x), lambda dy, needs: (dy * be.xp.sign(x),)


@op
def clip(be: Any, x: Any, *, low: Any, high: Any) -> tuple[Any, Any]:
    """y = min(max(x, low), high);  dx = dy inside, 0 outside."""
    inside = (x >= low) & (x <= high)
    return be.xp.clip(x, low, high), lambda dy, needs: (dy * inside,)


@op
def maximum(be: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """y = max(a, b);  dy goes to the larger one, to a on ties."""
    first = a >= b
    return be.xp.maximum(a, b), lambda dy, needs: (dy * first, dy * ~first)


@op
def minimum(be: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """y = min(a, b);  dy goes to the smaller one, to a on ties."""
    first = a <= b
    return be.xp.minimum(a, b), lambda dy, needs: (dy * first, dy * ~first)


@op
def sin(be: Any, x: Any) -> tuple[Any, Any]:
    """y = sin x;  dx = dy cos x."""
    return be.xp.sin(x), lambda dy, needs: (dy * be.xp.cos(x),)


@op
def cos(be: Any, x: Any) -> tuple[Any, Any]:
    """y = cos x;  dx = -dy sin x."""
    return be.xp.cos(x), lambda dy, needs: (-dy * be.xp.sin(x),)


def _product(a, b):
    """a b; leading axes of a tensor a, (..., N, K), are rows too."""
    if not isinstance(a, Tensor) or a.ndim < 3 or getattr(b, "ndim", 0) != 2:
        return matmul(a, b)
    return reshape(matmul(reshape(a, shape=(-1, a.shape[-1])), b), shape=(*a.shape[:-1], b.shape[1]))


def _place(x) -> int:
    """The whole number of a tensor, whose numbers are floats."""
    n = float(x)
    require(n.is_integer(), "x[...]", "a whole number", n, "tf.cast(i, tf.int32)", error=ArgumentTypeError)
    return int(n)


def _places(key):
    """A key in which tensors of one number are whole numbers: x[:, tf.argmax(p)]."""
    parts = key if isinstance(key, tuple) else (key,)
    if not any(isinstance(one, Tensor) and one.ndim == 0 for one in parts):
        return key
    found = tuple(_place(one) if isinstance(one, Tensor) and one.ndim == 0 else one for one in parts)
    return found if isinstance(key, tuple) else found[0]


# Operators live here, above the core, so that core/tensor.py needs to know no op.
for _kind in (Tensor, Symbol):
    _kind.__add__ = _kind.__radd__ = lambda a, b: add(a, b)
    _kind.__sub__ = lambda a, b: subtract(a, b)
    _kind.__rsub__ = lambda a, b: subtract(b, a)
    _kind.__mul__ = _kind.__rmul__ = lambda a, b: multiply(a, b)
    _kind.__truediv__ = lambda a, b: divide(a, b)
    _kind.__rtruediv__ = lambda a, b: divide(b, a)
    _kind.__pow__ = lambda x, exponent: power(x, exponent=exponent)
    _kind.__neg__ = lambda x: negative(x)
    _kind.__matmul__ = lambda a, b: _product(a, b)
    _kind.__rmatmul__ = lambda a, b: matmul(b, a)
    _kind.sum = lambda x, axis=None, keepdims=False: total(x, axis=axis, keepdims=keepdims)
    _kind.mean = lambda x, axis=None, keepdims=False: mean(x, axis=axis, keepdims=keepdims)
    _kind.reshape = lambda x, *shape: reshape(x, shape=shape[0] if isinstance(shape[0], tuple) else shape)
    _kind.__getitem__ = lambda x, key: part(x, key=_places(key))
    _kind.__abs__ = lambda x: absolute(x)
