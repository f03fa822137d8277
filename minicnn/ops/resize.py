"""Images of another size: each pixel repeated, a frame cut off, or straight lines between neighbours."""

from ..core.op import op
from ..errors import require


@op
def repeat_pixels(be, x, *, size):
    """y[n,i,j,c] = x[n, i // SH, j // SW, c];  dx = the sum over the copies.  x (N, H, W, C), size (SH, SW)."""
    require(x.ndim == 4, "repeat_pixels", "x of shape (N, H, W, C)", x.shape)
    (sh, sw), (n, h, w, c) = size, x.shape
    y = be.xp.broadcast_to(x[:, :, None, :, None], (n, h, sh, w, sw, c)).reshape(n, h * sh, w * sw, c)
    return y, lambda dy, needs: (dy.reshape(n, h, sh, w, sw, c).sum(axis=(2, 4)),)


@op
def crop(be, x, *, edges):
    """The middle of each image, without ((top, bottom), (left, right)) px;  dx = dy there, 0 on the frame."""
    (top, bottom), (left, right) = edges
    _, h, w, _ = x.shape
    inside = (slice(None), slice(top, h - bottom), slice(left, w - right))
    require(h > top + bottom and w > left + right, "crop", f"images of more than {edges} px", (h, w))
    return be.xp.ascontiguousarray(x[inside]), lambda dy, needs: (be.xp.pad(dy, ((0, 0), *edges, (0, 0))),)


@op
def bilinear(be, x, *, size):
    """Images brought to `size` (OH, OW) along straight lines between pixels' centres: y = A x B', with dx = A' dy B.

    x (N, H, W, C).  The centre of output pixel i lies at (i + 1/2) H / OH - 1/2, kept inside the image.
    """
    require(x.ndim == 4, "bilinear", "x of shape (N, H, W, C)", x.shape)
    a, b = (_weights(be, n, m) for n, m in zip(x.shape[1:3], size, strict=True))
    y = _both(be.xp, x, a, b)
    return y, lambda dy, needs: (_both(be.xp, dy, a.T, b.T),)


def _both(xp, x, a, b):
    """(N, H, W, C) -> (N, OH, OW, C) by a (OH, H) and b (OW, W)."""
    rows = xp.tensordot(a, x, axes=(1, 1))  # (OH, N, W, C)
    return xp.ascontiguousarray(xp.tensordot(b, rows, axes=(1, 2)).transpose(2, 1, 0, 3))  # from (OW, OH, N, C)


def _weights(be, n: int, m: int):
    """(m, n): how much of each of n pixels is in each of m."""
    xp = be.xp
    at = xp.clip((xp.arange(m, dtype="float64") + 0.5) * n / m - 0.5, 0, n - 1)[:, None]
    low, pixels = xp.floor(at), xp.arange(n)
    high = xp.minimum(low + 1, n - 1)
    return be.asarray((low == pixels) * (1 - (at - low)) + (high == pixels) * (at - low), be.dtype)
