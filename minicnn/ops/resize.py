"""Images of another size: each pixel repeated, a frame cut off, or straight lines between neighbours."""

import math
from typing import Any

from ..core.op import op
from ..errors import require
from .geometry import Pair


@op
def repeat_pixels(be: Any, x: Any, *, size: Pair) -> tuple[Any, Any]:
    """y[n,i,j,c] = x[n, i // SH, j // SW, c];  dx = the sum over the copies.  x (N, H, W, C), size (SH, SW)."""
    require(x.ndim == 4, "repeat_pixels", "x of shape (N, H, W, C)", x.shape)
    (sh, sw), (n, h, w, c) = size, x.shape
    y = be.xp.broadcast_to(x[:, :, None, :, None], (n, h, sh, w, sw, c)).reshape(n, h * sh, w * sw, c)
    return y, lambda dy, needs: (dy.reshape(n, h, sh, w, sw, c).sum(axis=(2, 4)),)


@op
def crop(be: Any, x: Any, *, edges: Any) -> tuple[Any, Any]:
    """The middle of each image, without ((top, bottom), (left, right)) px;  dx = dy there, 0 on the frame."""
    (top, bottom), (left, right) = edges
    _, h, w, _ = x.shape
    inside = (slice(None), slice(top, h - bottom), slice(left, w - right))
    require(h > top + bottom and w > left + right, "crop", f"images of more than {edges} px", (h, w))
    return be.xp.ascontiguousarray(x[inside]), lambda dy, needs: (be.xp.pad(dy, ((0, 0), *edges, (0, 0))),)


@op
def bilinear(be: Any, x: Any, *, size: Pair) -> tuple[Any, Any]:
    """Images brought to `size` (OH, OW) along straight lines between pixels' centres: `resample`, not antialiased."""
    return _resampled(be, x, size, "bilinear", False)


@op
def resample(be: Any, x: Any, *, size: Pair, interpolation: str, antialias: bool = False) -> tuple[Any, Any]:
    """Images brought to `size` (OH, OW): y = A x B', with dx = A' dy B; rows of A and B are the weights of pixels.

    x (N, H, W, C).  The centre of output pixel i lies at (i + 1/2) H / OH - 1/2.
    interpolation  a key of KERNELS;  antialias: a smaller picture averages all pixels that its own cover
    Source: Keys 1981, "Cubic convolution interpolation for digital image processing"; Lanczos windows: Turkowski 1990.
    """
    return _resampled(be, x, size, interpolation, antialias)


def _resampled(be, x, size, interpolation, antialias):
    require(x.ndim == 4, interpolation, "x of shape (N, H, W, C)", x.shape)
    a, b = (_weights(be, n, m, interpolation, antialias) for n, m in zip(x.shape[1:3], size, strict=True))
    y = along_both(be.xp, x, a, b)
    return y, lambda dy, needs: (along_both(be.xp, dy, a.T, b.T),)


def along_both(xp: Any, x: Any, a: Any, b: Any) -> Any:
    """(N, H, W, C) -> (N, OH, OW, C) by a (OH, H) and b (OW, W)."""
    rows = xp.tensordot(a, x, axes=(1, 1))  # (OH, N, W, C)
    return xp.ascontiguousarray(xp.tensordot(b, rows, axes=(1, 2)).transpose(2, 1, 0, 3))  # from (OW, OH, N, C)


def _triangle(xp, d):
    return xp.maximum(1 - d, 0)


def _cubic(xp, d):
    near, far = ((1.5 * d - 2.5) * d) * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2
    return xp.where(d >= 2, 0.0, xp.where(d >= 1, far, near))


def _lanczos(radius):
    def kernel(xp, d):
        at = xp.maximum(d, 1e-3) * math.pi
        y = radius * xp.sin(at) * xp.sin(at / radius) / at**2
        return xp.where(d > radius, 0.0, xp.where(d > 1e-3, y, 1.0))

    return kernel


# What a pixel weighs at a distance in px.
KERNELS = {"bilinear": _triangle, "bicubic": _cubic, "lanczos3": _lanczos(3), "lanczos5": _lanczos(5), "nearest": None}


def _weights(be, n: int, m: int, interpolation: str, antialias: bool):
    """(m, n): how much of each of n pixels is in each of m; every row sums to 1."""
    xp = be.xp
    centre = (xp.arange(m, dtype="float64") + 0.5) * n / m
    if interpolation == "nearest":
        return be.asarray((xp.floor(centre)[:, None] == xp.arange(n)) * 1.0, be.dtype)
    distance = abs(centre[:, None] - 0.5 - xp.arange(n)) / (max(n / m, 1) if antialias else 1)
    weights = KERNELS[interpolation](xp, distance)
    return be.asarray(weights / weights.sum(axis=1, keepdims=True), be.dtype)
