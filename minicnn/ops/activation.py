"""Activations: each with its derivative, written with the output y where that is shorter.

What is written here is the definition. A kernel set may compute some of them by a kernel of its own, in one pass.
"""

import math
from collections.abc import Callable
from typing import Any

from ..aliases import Ints
from ..core.op import op
from .arithmetic import clip, sqrt
from .compare import support
from .reduce import logsumexp, total

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017: fixed point mean 0, variance 1


def _has_kernel(be, x) -> bool:
    """Whether the backend's kernel set computes the activations of kernels.contract.ACTIVATIONS for such an array."""
    return "activate" in be.fused and x.dtype == be.dtype


def _by_kernel(be, x, kind: str, alpha: float = 1.0):
    return be.activate(x, kind=kind, alpha=alpha), lambda dy, needs: (
        be.activate_grad(dy, x, kind=kind, alpha=alpha),
    )


@op
def relu(be: Any, x: Any) -> tuple[Any, Any]:
    """y = max(x, 0);  dx = dy where y > 0.  The gradient at 0 is 0."""
    y = be.relu(x)
    return y, lambda dy, needs: (be.relu_grad(dy, y),)


@op
def relu_general(be: Any, x: Any, *, max_value: float | None = None, negative_slope: float = 0.0,
                 threshold: float = 0.0) -> tuple[Any, Any]:  # fmt: skip
    """y = min(x, max_value) where x > threshold, else negative_slope (x - threshold).  dx = dy times the slope there.

    Source: Keras 3, activations/activations.py, which says x >= threshold in its text and computes x > threshold.
    """
    if _has_kernel(be, x) and not threshold:
        if max_value is None:
            return _by_kernel(be, x, "leaky_relu", negative_slope)
        if not negative_slope and max_value > 0:
            return _by_kernel(be, x, "clipped_relu", max_value)
    xp = be.xp
    above = x > threshold
    slope = xp.where(above, 1.0, negative_slope).astype(x.dtype)
    y = xp.where(above, x, negative_slope * (x - threshold)).astype(x.dtype)
    y = xp.where(xp.isnan(x), x, y)
    if max_value is not None:
        cut = above & (x >= max_value)
        slope = xp.where(cut, 0, slope).astype(x.dtype)
        y = xp.where(cut, x.dtype.type(max_value), y)
    return y, lambda dy, needs: (dy * slope,)


@op
def leaky_relu(be: Any, x: Any, *, negative_slope: float = 0.2) -> tuple[Any, Any]:
    """y = x where x > 0, else negative_slope x.  Source: Maas et al. 2013."""
    if _has_kernel(be, x):
        return _by_kernel(be, x, "leaky_relu", negative_slope)
    slope = be.xp.where(x > 0, 1, negative_slope).astype(x.dtype)
    return x * slope, lambda dy, needs: (dy * slope,)


@op
def prelu(be: Any, x: Any, alpha: Any) -> tuple[Any, Any]:
    """y = x where x > 0, else alpha x, alpha learned and broadcast over x.  Source: He et al. 2015."""
    below = be.xp.minimum(x, 0)  # 0 where x > 0; NaN stays NaN

    def vjp(dy, needs):
        need_x, need_alpha = needs
        return (
            dy * be.xp.where(x > 0, x.dtype.type(1), alpha) if need_x else None,
            dy * below if need_alpha else None,
        )

    return be.xp.maximum(x, 0) + alpha * below, vjp


@op
def elu(be: Any, x: Any, *, alpha: float = 1.0) -> tuple[Any, Any]:
    """y = x where x > 0, else alpha (exp x - 1), whose derivative is y + alpha.  Source: Clevert et al. 2015."""
    if _has_kernel(be, x):
        return _by_kernel(be, x, "elu", alpha)
    y = be.xp.where(x > 0, x, alpha * be.xp.expm1(be.xp.minimum(x, 0))).astype(x.dtype)
    return y, lambda dy, needs: (dy * be.xp.where(x > 0, 1, y + alpha).astype(x.dtype),)


@op
def selu(be: Any, x: Any) -> tuple[Any, Any]:
    """y = scale elu(x, alpha) with the constants that keep mean 0 and variance 1.  Source: Klambauer et al. 2017."""
    if _has_kernel(be, x):
        return _by_kernel(be, x, "selu")
    y = SELU_SCALE * be.xp.where(x > 0, x, SELU_ALPHA * be.xp.expm1(be.xp.minimum(x, 0)))
    y = y.astype(x.dtype)
    slope = be.xp.where(x > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA).astype(x.dtype)
    return y, lambda dy, needs: (dy * slope,)


@op
def sigmoid(be: Any, x: Any) -> tuple[Any, Any]:
    """y = 1 / (1 + exp(-x));  dx = dy y (1 - y).  Computed from exp(-|x|), which cannot overflow."""
    if _has_kernel(be, x):
        return _by_kernel(be, x, "sigmoid")
    e = be.xp.exp(-be.xp.abs(x))
    y = be.xp.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)
    return y, lambda dy, needs: (dy * y * (1 - y),)


@op
def tanh(be: Any, x: Any) -> tuple[Any, Any]:
    """y = tanh x;  dx = dy (1 - y^2)."""
    if _has_kernel(be, x):
        return _by_kernel(be, x, "tanh")
    y = be.xp.tanh(x)
    return y, lambda dy, needs: (dy * (1 - y * y),)


@op
def softmax(be: Any, x: Any) -> tuple[Any, Any]:
    """p = exp(x - max x) / sum exp(x - max x) over the last axis;  dx = p (dy - sum dy p)."""
    p = be.softmax(x)
    return p, lambda dy, needs: (p * (dy - (dy * p).sum(axis=-1, keepdims=True)),)


@op
def log_softmax(be: Any, x: Any) -> tuple[Any, Any]:
    """y = x - max x - log sum exp(x - max x) over the last axis;  dx = dy - exp(y) sum dy."""
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - be.xp.log(be.xp.exp(shifted).sum(axis=-1, keepdims=True))
    return y, lambda dy, needs: (dy - be.xp.exp(y) * dy.sum(axis=-1, keepdims=True),)


@op
def softplus(be: Any, x: Any) -> tuple[Any, Any]:
    """y = log(1 + exp x);  dx = dy sigmoid(x)."""
    if _has_kernel(be, x):
        return _by_kernel(be, x, "softplus")
    y = be.xp.logaddexp(x, x.dtype.type(0))
    return y, lambda dy, needs: (dy * be.xp.exp(x - y),)


@op
def softsign(be: Any, x: Any) -> tuple[Any, Any]:
    """y = x / (1 + |x|);  dx = dy / (1 + |x|)^2."""
    d = 1 + be.xp.abs(x)
    return x / d, lambda dy, needs: (dy / (d * d),)


@op
def silu(be: Any, x: Any) -> tuple[Any, Any]:
    """y = x sigmoid(x);  dx = dy (s + y (1 - s)).  Source: Elfwing et al. 2017."""
    if _has_kernel(be, x):
        return _by_kernel(be, x, "silu")
    e = be.xp.exp(-be.xp.abs(x))
    s = be.xp.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)
    y = x * s
    return y, lambda dy, needs: (dy * (s + y * (1 - s)),)


@op
def gelu(be: Any, x: Any, *, approximate: bool = False) -> tuple[Any, Any]:
    """y = x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2 the standard normal distribution; dx = dy (Phi(x) + x phi(x)).

    approximate: Phi(x) = (1 + tanh u) / 2, u = sqrt(2 / pi) (x + .044715 x^3), and phi its derivative.
    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units"; the exact form is Keras's default.
    """
    if _has_kernel(be, x):
        return _by_kernel(be, x, "gelu_tanh" if approximate else "gelu")
    if approximate:
        scale = math.sqrt(2 / math.pi)
        t = be.xp.tanh(scale * (x + 0.044715 * x * x * x))
        cdf, phi = 0.5 * (1 + t), 0.5 * scale * (1 - t * t) * (1 + 3 * 0.044715 * x * x)
    else:
        phi = be.xp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        cdf = 0.5 * (1 + be.erf(x / math.sqrt(2)))
    return x * cdf, lambda dy, needs: (dy * (cdf + x * phi),)


@op
def exponential(be: Any, x: Any) -> tuple[Any, Any]:
    """y = exp x, its own derivative."""
    y = be.xp.exp(x)
    return y, lambda dy, needs: (dy * y,)


@op
def hard_sigmoid(be: Any, x: Any) -> tuple[Any, Any]:
    """y = clip(x / 6 + 1/2, 0, 1)."""
    if _has_kernel(be, x):
        return _by_kernel(be, x, "hard_sigmoid")
    inside = (x > -3) & (x < 3)
    return be.xp.clip(x / 6 + x.dtype.type(0.5), 0, 1), lambda dy, needs: (dy * inside / 6,)


def pure(function: Callable) -> Callable:
    """A function of tensors that is made of ops alone, the same ones whatever the numbers are: it can be traced."""
    function.traceable = True
    return function


@pure
def relu6(x: Any) -> Any:
    """y = min(max(x, 0), 6).  Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10"."""
    return relu_general(x, max_value=6.0)


@pure
def celu(x: Any, alpha: float = 1.0) -> Any:
    """y = x where x > 0, else alpha (exp(x / alpha) - 1).  Source: Barron 2017."""
    return elu(x / alpha) * alpha


@pure
def log_sigmoid(x: Any) -> Any:
    """y = log sigmoid(x) = -log(1 + exp(-x))."""
    return -softplus(-x)


@pure
def mish(x: Any) -> Any:
    """y = x tanh(log(1 + exp x)).  Source: Misra 2019, "Mish"."""
    return x * tanh(softplus(x))


@pure
def hard_silu(x: Any) -> Any:
    """y = x hard_sigmoid(x).  Source: Howard et al. 2019, "Searching for MobileNetV3"."""
    return x * hard_sigmoid(x)


@pure
def hard_tanh(x: Any) -> Any:
    """y = min(max(x, -1), 1)."""
    return clip(x, low=-1.0, high=1.0)


@pure
def tanh_shrink(x: Any) -> Any:
    """y = x - tanh x."""
    return x - tanh(x)


@pure
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """y = x - threshold above it, x + threshold below -threshold, 0 between."""
    return x - clip(x, low=-threshold, high=threshold)


@pure
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """y = x where |x| > threshold, else 0."""
    return relu_general(x, threshold=threshold) - relu_general(-x, threshold=threshold)


@pure
def squareplus(x: Any, b: float = 4.0) -> Any:
    """y = (x + sqrt(x^2 + b)) / 2.  Source: Barron 2021, "Squareplus"."""
    return (x + sqrt(x * x + b)) * 0.5


@pure
def sparse_sigmoid(x: Any) -> Any:
    """y = min(max((x + 1) / 2, 0), 1)."""
    return clip(x * 0.5 + 0.5, low=0.0, high=1.0)


@pure
def sparse_plus(x: Any) -> Any:
    """y = 0 up to -1, (x + 1)^2 / 4 up to 1, then x: the integral of sparse_sigmoid."""
    inner = sparse_sigmoid(x)
    return inner * inner + relu(x - 1.0)


def sparsemax(x: Any, axis: int = -1) -> Any:
    """y = max(x - tau, 0) with the tau that makes the sum over `axis` 1: the nearest probabilities, some of them 0.

    Source: Martins & Astudillo 2016, "From softmax to sparsemax".
    Differs from Keras: it is the paper's; Keras 3.15 adds up all partial sums, so that its sums are not 1.
    """
    inside = support(x, axis=axis)
    shares = total(inside, axis=axis, keepdims=True)
    return relu(x - (total(x * inside, axis=axis, keepdims=True) - 1.0) / shares)


@pure
def softmax_over(x: Any, axis: Ints = -1) -> Any:
    """softmax over any axis, or several."""
    if axis in (-1, x.ndim - 1):
        return softmax(x)
    return exponential(x - logsumexp(x, axis=axis, keepdims=True))


@pure
def log_softmax_over(x: Any, axis: Ints = -1) -> Any:
    """log_softmax over any axis, or several."""
    return log_softmax(x) if axis in (-1, x.ndim - 1) else x - logsumexp(x, axis=axis, keepdims=True)


@pure
def linear(x: Any) -> Any:
    """y = x."""
    return x


BY_NAME = {
    "celu": celu, "elu": elu, "exponential": exponential, "gelu": gelu, "hard_shrink": hard_shrink,
    "hard_sigmoid": hard_sigmoid, "hard_silu": hard_silu, "hard_swish": hard_silu, "hard_tanh": hard_tanh,
    "leaky_relu": leaky_relu, "linear": linear, "log_sigmoid": log_sigmoid, "log_softmax": log_softmax, "mish": mish,
    "relu": relu, "relu6": relu6, "selu": selu, "sigmoid": sigmoid, "silu": silu, "soft_shrink": soft_shrink,
    "softmax": softmax, "softplus": softplus, "softsign": softsign, "sparse_plus": sparse_plus,
    "sparse_sigmoid": sparse_sigmoid, "sparsemax": sparsemax, "squareplus": squareplus, "swish": silu, "tanh": tanh,
    "tanh_shrink": tanh_shrink,
}  # fmt: skip
