"""Batches whose images are mixed with each other; draws as in augment.py, the same for images and labels of one key."""

import math
from typing import Any

from ..core.op import op
from .augment import between, images, uniforms
from .geometry import Pair


def symmetric_beta(xp: Any, u: Any, v: Any, alpha: Any) -> Any:
    """Beta(alpha, alpha) from two draws of U(0, 1): (1 + t / sqrt(2 alpha + t^2)) / 2 of Student's t, 2 alpha degrees.

    t = sqrt(2 alpha (u^(-1 / alpha) - 1)) cos 2 pi v; here nothing grows without bounds where alpha is small.
    Source: Bailey 1994, "Polar generation of random variates with the t-distribution".
    """
    left, across = xp.exp(xp.maximum(xp.log(u) / alpha, -700.0)), xp.cos(2 * math.pi * v)  # u^(1 / alpha)
    square = (1 - left) * across**2
    return (1 + xp.sign(across) * xp.sqrt(square / (square + left))) / 2


def _partners(xp: Any, draws: Any) -> tuple[Any, Any]:
    """Whose turn each image is mixed with: an order of the batch, and its inverse."""
    order = xp.argsort(draws)
    return order, xp.argsort(order)


@op
def mix_up(be: Any, x: Any, *, key: Any, alpha: Any) -> tuple[Any, Any]:
    """y[n] = w_n x[n] + (1 - w_n) x[order[n]], w ~ Beta(alpha, alpha) and the order drawn.  x (N, ...).

    dx[n] = w_n dy[n], and (1 - w_m) dy[m] of the image m that n was mixed into.
    Source: Zhang et al. 2018, "mixup: Beyond empirical risk minimization".
    """
    xp, draws = be.xp, uniforms(be, len(x), 3, key)
    order, inverse = _partners(xp, draws[:, 0])
    w = symmetric_beta(xp, draws[:, 1], draws[:, 2], alpha).astype(x.dtype).reshape(-1, *[1] * (x.ndim - 1))

    def vjp(dy, needs):
        return (w * dy + ((1 - w) * dy)[inverse],)

    return w * x + (1 - w) * x[order], vjp


def _cut(be: Any, n: int, key: Any, factor: Any, size: Pair) -> tuple[Any, Any, Any]:
    """(N, H, W) which pixels are another image's, and the order of the batch with its inverse."""
    xp, (h, w), draws = be.xp, size, uniforms(be, n, 6, key)
    share = 1 - symmetric_beta(xp, draws[:, 1], draws[:, 2], between(draws[:, 3], factor) + 1e-6)
    lines = []
    for draw, length in ((draws[:, 4], h), (draws[:, 5], w)):
        side = xp.sqrt(share) * length
        start = (draw * (length - side))[:, None]
        at = xp.arange(length, dtype="float64")
        lines.append((at >= start) & (at < start + side[:, None]))
    return lines[0][:, :, None] & lines[1][:, None, :], *_partners(xp, draws[:, 0])


@op
def cut_mix(be: Any, x: Any, *, key: Any, factor: Any) -> tuple[Any, Any]:
    """y[n] = x[order[n]] in a rectangle, x[n] elsewhere; its share of the area is 1 - w, w ~ Beta(a, a).

    a ~ U(*factor). The sides are sqrt(1 - w) of the image's, place and order are drawn too.  x (N, H, W, C).
    dx[n] = dy[n] outside, and dy[m] inside of the image m that n was put into.
    Source: Yun et al. 2019, "CutMix: Regularization strategy to train strong classifiers with localizable features".
    """
    images("cut_mix", x)
    xp = be.xp
    taken, order, inverse = _cut(be, len(x), key, factor, x.shape[1:3])
    taken = taken[..., None]

    def vjp(dy, needs):
        return (xp.where(taken, 0, dy) + xp.where(taken, dy, 0)[inverse],)

    return xp.where(taken, x[order], x), vjp


@op
def cut_mix_labels(be: Any, x: Any, *, key: Any, factor: Any, size: Pair) -> tuple[Any, Any]:
    """y[n] = (1 - s_n) x[n] + s_n x[order[n]], s the share of pixels that cut_mix takes from images of `size` (H, W).

    x (N, classes).  dx[n] = (1 - s_n) dy[n], and s_m dy[m] of the row m that n was mixed into.
    """
    taken, order, inverse = _cut(be, len(x), key, factor, size)
    s = taken.mean(axis=(1, 2)).astype(x.dtype)[:, None]
    return (1 - s) * x + s * x[order], lambda dy, needs: ((1 - s) * dy + (s * dy)[inverse],)
