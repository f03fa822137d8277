"""Dropout and its relatives: every draw is a word of the counted random stream at key (seed, step, stream).

Where backward needs the draws again it reads the same words again; no mask is kept.
"""

import math
from typing import Any

from ..core.op import op
from ..errors import ArgumentError, require
from .activation import SELU_ALPHA, SELU_SCALE


@op
def dropout(be: Any, x: Any, *, rate: float, key: Any) -> tuple[Any, Any]:
    """y = x / (1 - rate) with probability 1 - rate, else 0, element by element.  x any shape.

    key (seed, step, stream) fixes every decision. Kept for backward: the key alone.
    Source: Srivastava et al. 2014, "Dropout"; scaled in training, so that inference is the identity.
    """
    require(0 <= rate <= 1, "dropout", "a rate from 0 to 1", rate, error=ArgumentError)
    if rate == 1:
        return be.xp.zeros_like(x), lambda dy, needs: (be.xp.zeros_like(dy),)
    return be.dropout(x, rate=rate, key=key), lambda dy, needs: (be.dropout(dy, rate=rate, key=key),)


@op
def shared_dropout(be: Any, x: Any, *, rate: float, key: Any, noise_shape: Any) -> tuple[Any, Any]:
    """dropout with one decision for all elements along every axis where noise_shape has 1.  x any shape.

    noise_shape  a size for each axis of x: 1, or None or the axis's own for a decision per element
    Kept for backward: the factors 0 or 1 / (1 - rate), of noise_shape.
    """
    require(0 <= rate <= 1, "shared_dropout", "a rate from 0 to 1", rate, error=ArgumentError)
    shape, key = _shared("shared_dropout", x.shape, noise_shape, key)
    ones = be.xp.ones(shape, x.dtype)
    factors = ones * 0 if rate == 1 else be.dropout(ones, rate=rate, key=key)
    return x * factors, lambda dy, needs: (dy * factors,)


def spatial_dropout(x: Any, *, rate: float, key: Any) -> Any:
    """dropout with one decision per image and channel, for all of its pixels.  x (N, H, W, C).

    Source: Tompson et al. 2015, "Efficient object localization using convolutional networks".
    """
    require(x.ndim == 4, "spatial_dropout", "x of shape (N, H, W, C)", x.shape)
    require(0 <= rate <= 1, "spatial_dropout", "a rate from 0 to 1", rate, error=ArgumentError)
    return shared_dropout(x, rate=rate, key=key, noise_shape=(None, 1, 1, None))


def _shared(where: str, shape, noise_shape, key):
    """noise_shape with x's own sizes for None, and the key: one decision for a batch is the same for each part of it.

    Raises ShapeError where an axis is neither 1 nor x's.
    """
    sizes = tuple(n if given is None else given for n, given in zip(shape, noise_shape, strict=False))
    ok = len(noise_shape) == len(shape) and all(m in (1, n) for n, m in zip(shape, sizes, strict=True))
    require(ok, where, f"a noise_shape of 1, None or the axis's size for each axis of {tuple(shape)}", noise_shape)
    return sizes, key._replace(row=0) if noise_shape[0] == 1 else key


@op
def alpha_dropout(be: Any, x: Any, *, rate: float, key: Any, noise_shape: Any = None) -> tuple[Any, Any]:
    """y = a x + b with probability 1 - rate, else a low + b: mean 0 and variance 1 of a SELU's output stay as they are.

    low = -scale alpha is what SELU tends to at -infinity, and a = ((1 - rate) (1 + rate low^2))^(-1/2),
    b = -a rate low.  dx = a dy where x was kept.  Kept for backward: the key alone.
    noise_shape  as shared_dropout's: 1 where one decision is for all elements along an axis; None: each has its own
    Source: Klambauer et al. 2017, "Self-normalizing neural networks".
    """
    require(0 <= rate < 1, "alpha_dropout", "a rate from 0, below 1", rate, error=ArgumentError)
    low = -SELU_SCALE * SELU_ALPHA
    a = ((1 - rate) * (1 + rate * low**2)) ** -0.5
    b = -a * rate * low
    shape = x.shape
    if noise_shape is not None:
        shape, key = _shared("alpha_dropout", x.shape, noise_shape, key)

    def factors():
        return be.dropout(be.xp.ones(shape, x.dtype), rate=rate, key=key)

    y = be.xp.where(factors() > 0, a * x + b, x.dtype.type(a * low + b))
    return y, lambda dy, needs: (a * (1 - rate) * factors() * dy,)


@op
def gaussian_dropout(be: Any, x: Any, *, rate: float, key: Any) -> tuple[Any, Any]:
    """y = x (1 + deviation z) with z from N(0, 1): mean and variance of a dropout's factors, without its zeros.

    deviation = sqrt(rate / (1 - rate)).  Kept for backward: the factors, of x's shape.
    Source: Srivastava et al. 2014, "Dropout", section 10.
    """
    require(0 <= rate < 1, "gaussian_dropout", "a rate from 0, below 1", rate, error=ArgumentError)
    factors = 1 + math.sqrt(rate / (1 - rate)) * _normal(be, x.shape, x.dtype, key)
    return x * factors, lambda dy, needs: (dy * factors,)


@op
def gaussian_noise(be: Any, x: Any, *, stddev: float, key: Any) -> tuple[Any, Any]:
    """y = x + stddev z with z from N(0, 1);  dx = dy.  x any shape."""
    return x + x.dtype.type(stddev) * _normal(be, x.shape, x.dtype, key), lambda dy, needs: (dy,)


def _normal(be, shape, dtype, key):
    """Draws from N(0, 1), in pairs: with u, v uniform in (0, 1], sqrt(-2 log u) times cos and sin of 2 pi v.

    Neighbours are a pair, of two neighbouring words, so that a part of the rows has the draws that it has in the whole.

    Source: Box & Muller 1958, "A note on the generation of random normal deviates".
    """
    n = math.prod(shape)
    words = be.philox(n + n % 2, key._replace(row=key.first(shape)))
    u = (words.astype(dtype).reshape(-1, 2) + 0.5) * 2.0**-32
    radius, angle = be.xp.sqrt(-2 * be.xp.log(u[:, 0])), 2 * math.pi * u[:, 1]
    return be.xp.stack([radius * be.xp.cos(angle), radius * be.xp.sin(angle)], axis=1).reshape(-1)[:n].reshape(shape)
