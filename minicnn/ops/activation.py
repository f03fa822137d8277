"""Activations: each with its derivative, written with the output y where that is shorter."""

import math

from ..core.op import op

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017: fixed point mean 0, variance 1


@op
def relu(be, x):
    """y = max(x, 0);  dx = dy where y > 0.  The gradient at 0 is 0."""
    y = be.relu(x)
    return y, lambda dy, needs: (be.relu_grad(dy, y),)


@op
def relu_general(be, x, *, max_value=None, negative_slope=0.0, threshold=0.0):
    """y = min(x, max_value) where x > threshold, else negative_slope (x - threshold).  dx = dy times the slope there.

    Source: Keras 3, activations/activations.py, which says x >= threshold in its text and computes x > threshold.
    """
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
def leaky_relu(be, x, *, negative_slope=0.2):
    """y = x where x > 0, else negative_slope x.  Source: Maas et al. 2013."""
    slope = be.xp.where(x > 0, 1, negative_slope).astype(x.dtype)
    return x * slope, lambda dy, needs: (dy * slope,)


@op
def prelu(be, x, alpha):
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
def elu(be, x, *, alpha=1.0):
    """y = x where x > 0, else alpha (exp x - 1), whose derivative is y + alpha.  Source: Clevert et al. 2015."""
    y = be.xp.where(x > 0, x, alpha * be.xp.expm1(be.xp.minimum(x, 0))).astype(x.dtype)
    return y, lambda dy, needs: (dy * be.xp.where(x > 0, 1, y + alpha).astype(x.dtype),)


@op
def selu(be, x):
    """y = scale elu(x, alpha) with the constants that keep mean 0 and variance 1.  Source: Klambauer et al. 2017."""
    y = SELU_SCALE * be.xp.where(x > 0, x, SELU_ALPHA * be.xp.expm1(be.xp.minimum(x, 0)))
    y = y.astype(x.dtype)
    slope = be.xp.where(x > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA).astype(x.dtype)
    return y, lambda dy, needs: (dy * slope,)


@op
def sigmoid(be, x):
    """y = 1 / (1 + exp(-x));  dx = dy y (1 - y).  Computed from exp(-|x|), which cannot overflow."""
    e = be.xp.exp(-be.xp.abs(x))
    y = be.xp.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)
    return y, lambda dy, needs: (dy * y * (1 - y),)


@op
def tanh(be, x):
    """y = tanh x;  dx = dy (1 - y^2)."""
    y = be.xp.tanh(x)
    return y, lambda dy, needs: (dy * (1 - y * y),)


@op
def softmax(be, x):
    """p = exp(x - max x) / sum exp(x - max x) over the last axis;  dx = p (dy - sum dy p)."""
    p = be.softmax(x)
    return p, lambda dy, needs: (p * (dy - (dy * p).sum(axis=-1, keepdims=True)),)


@op
def log_softmax(be, x):
    """y = x - max x - log sum exp(x - max x) over the last axis;  dx = dy - exp(y) sum dy."""
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - be.xp.log(be.xp.exp(shifted).sum(axis=-1, keepdims=True))
    return y, lambda dy, needs: (dy - be.xp.exp(y) * dy.sum(axis=-1, keepdims=True),)


@op
def softplus(be, x):
    """y = log(1 + exp x);  dx = dy sigmoid(x)."""
    y = be.xp.logaddexp(x, x.dtype.type(0))
    return y, lambda dy, needs: (dy * be.xp.exp(x - y),)


@op
def softsign(be, x):
    """y = x / (1 + |x|);  dx = dy / (1 + |x|)^2."""
    d = 1 + be.xp.abs(x)
    return x / d, lambda dy, needs: (dy / (d * d),)


@op
def silu(be, x):
    """y = x sigmoid(x);  dx = dy (s + y (1 - s)).  Source: Elfwing et al. 2017."""
    e = be.xp.exp(-be.xp.abs(x))
    s = be.xp.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype)
    y = x * s
    return y, lambda dy, needs: (dy * (s + y * (1 - s)),)


@op
def gelu(be, x):
    """y = x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2 the standard normal distribution; dx = dy (Phi(x) + x phi(x)).

    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units", the exact form, as Keras's default.
    """
    phi = be.xp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    cdf = 0.5 * (1 + be.erf(x / math.sqrt(2)))
    return x * cdf, lambda dy, needs: (dy * (cdf + x * phi),)


@op
def exponential(be, x):
    """y = exp x, its own derivative."""
    y = be.xp.exp(x)
    return y, lambda dy, needs: (dy * y,)


@op
def hard_sigmoid(be, x):
    """y = clip(x / 6 + 1/2, 0, 1)."""
    inside = (x > -3) & (x < 3)
    return be.xp.clip(x / 6 + x.dtype.type(0.5), 0, 1), lambda dy, needs: (dy * inside / 6,)


def linear(x):
    """y = x."""
    return x


BY_NAME = {
    "elu": elu, "exponential": exponential, "gelu": gelu, "hard_sigmoid": hard_sigmoid, "leaky_relu": leaky_relu,
    "linear": linear, "log_softmax": log_softmax, "relu": relu, "selu": selu, "sigmoid": sigmoid, "silu": silu,
    "softmax": softmax, "softplus": softplus, "softsign": softsign, "swish": silu, "tanh": tanh,
}  # fmt: skip
