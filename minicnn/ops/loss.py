"""Losses fused with the activation that precedes them, per sample, and their sum; parts of other losses."""

import math
from typing import Any

from ..core.op import op
from ..errors import require


@op
def softmax_cross_entropy(be: Any, z: Any, t: Any) -> tuple[Any, Any]:
    """loss[n] = -sum_k t[n,k] log softmax(z)[n,k];  dz = dloss (softmax(z) sum_k t - t),  dt = -dloss log softmax(z).

    Logits z (N, K), targets t (N, K) -> loss (N,). Finite for any finite z: no probability is rounded before its
    logarithm.
    Kept for backward: dz, which the kernel computes on the way.
    """
    require(z.shape == t.shape, "softmax_cross_entropy", f"targets of shape {z.shape}", t.shape)
    loss, dz = be.softmax_cross_entropy(z, t)

    def vjp(dloss, needs):
        dt = None
        if needs[1]:
            low = z - z.max(axis=1, keepdims=True)
            dt = dloss[:, None] * (be.xp.log(be.xp.exp(low).sum(axis=1, keepdims=True)) - low)
        return dloss[:, None] * dz, dt

    return loss, vjp


@op
def scaled_sum(be: Any, values: Any, *, scale: float) -> tuple[Any, Any]:
    """y = scale times the sum of all values, a scalar: 1 / their number makes it the mean.  dvalues = scale dy."""
    shape = values.shape
    return values.sum() * scale, lambda dy, needs: (be.xp.broadcast_to(dy, shape) * scale,)


def summed_cross_entropy(be: Any, z: Any, t: Any, *, scale: float) -> tuple[Any, Any]:
    """scaled_sum(softmax_cross_entropy(z, t)), and dz for it, from one kernel: a rule of block.py puts it there."""
    loss, dz = be.summed_cross_entropy(z, t, scale=scale)
    return loss, lambda dy, needs: (dz if dy is be.one else dy * dz, None)


@op
def sigmoid_cross_entropy(be: Any, z: Any, t: Any) -> tuple[Any, Any]:
    """loss = -[t log s + (1 - t) log(1 - s)] with s = sigmoid(z);  dz = dloss (s - t),  dt = -dloss z.  Any shape.

    Computed as max(z, 0) - z t + log(1 + exp(-|z|)), which is finite for any finite z.
    """
    require(z.shape == t.shape, "sigmoid_cross_entropy", f"targets of shape {z.shape}", t.shape)
    xp = be.xp
    e = xp.exp(-xp.abs(z))
    loss = xp.maximum(z, 0) - z * t + xp.log1p(e)
    s = xp.where(z >= 0, 1 / (1 + e), e / (1 + e)).astype(z.dtype)
    return loss, lambda dloss, needs: (dloss * (s - t), -dloss * z if needs[1] else None)


@op
def huber(be: Any, e: Any, *, delta: float) -> tuple[Any, Any]:
    """y = e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2;  de = dy clip(e, -delta, delta)."""
    slope = be.xp.clip(e, -delta, delta)
    return slope * (e - 0.5 * slope), lambda dy, needs: (dy * slope,)


@op
def log_cosh(be: Any, e: Any) -> tuple[Any, Any]:
    """y = log cosh e = |e| + log(1 + exp(-2|e|)) - log 2, which cannot overflow;  de = dy tanh e."""
    size = be.xp.abs(e)
    y = size + be.xp.log1p(be.xp.exp(-2 * size)) - math.log(2)
    return y, lambda dy, needs: (dy * be.xp.tanh(e),)


@op
def plus_minus_one(be: Any, t: Any) -> tuple[Any, Any]:
    """2 t - 1 where all of t are 0 or 1, else t;  dt = 2 dy, or dy."""
    xp = be.xp
    binary = ((t == 0) | (t == 1)).all()
    return xp.where(binary, 2 * t - 1, t).astype(t.dtype), lambda dy, needs: (xp.where(binary, 2 * dy, dy),)


@op
def valid_share(be: Any, t: Any) -> tuple[Any, Any]:
    """The factor that makes a mean over all rows one over those in which t (..., K) holds a class: total / valid."""
    xp = be.xp
    valid = (t.max(axis=-1) > 0).astype(t.dtype).sum()
    y = xp.where(valid > 0, t[..., 0].size / xp.maximum(valid, 1), 0).astype(t.dtype)
    return y, lambda dy, needs: (xp.zeros_like(t),)
