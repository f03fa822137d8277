"""Random changes of images' colours and sharpness, an image at a time; draws are as in augment.py.

The hue turns and the saturation grows without a way through HSV: of the largest and smallest of red, green and blue,
V and m, a pixel of full saturation has m = 0, and a grey one m = V.

Source: Smith 1978, "Color gamut transform pairs" (HSV); Cubuk et al. 2020, "RandAugment" (posterize, solarize, ...).
"""

from typing import Any

from ..core.op import op
from ..errors import require
from .augment import between, clipped, images, uniforms

GRAY = (0.2989, 0.5870, 0.1140)  # of red, green and blue in a grey of the same brightness: ITU-R BT.601
TINY = 1e-7  # keeps 1 - f above 0, as in Keras


def colors(where: str, x: Any) -> None:
    """Raises ShapeError where x is no batch of images of red, green and blue."""
    require(x.ndim == 4 and x.shape[3] == 3, where, "x of shape (N, H, W, 3): red, green and blue", x.shape)


def _each(draws, x):
    """A draw of each image, (N,), as factors of x."""
    return draws.astype(x.dtype).reshape(-1, 1, 1, 1)


def _chosen(be, x, key, factor, more: int = 0):
    """(N, 1, 1, 1) whether an image is changed, with a probability p ~ U(*factor), and (N, more) further draws."""
    draws = uniforms(be, len(x), 2 + more, key)
    return (draws[:, 1] < between(draws[:, 0], factor)).reshape(-1, 1, 1, 1), draws[:, 2:]


@op
def random_gray(be: Any, x: Any, *, key: Any, factor: Any, value_range: Any = None,
                entire: bool = False) -> tuple[Any, Any]:  # fmt: skip
    """y = x + f (gray - x), gray = 0.2989 red + 0.587 green + 0.114 blue, f ~ U(*factor) for each image.

    entire  f is 1 with a probability p ~ U(*factor), else 0;  value_range: what y is clipped to, None: nothing
    x (N, H, W, 3).  dx_c = (1 - f) g_c + f w_c (g_red + g_green + g_blue), with g = dy where nothing was clipped.
    """
    colors("random_gray", x)
    xp = be.xp
    f = _chosen(be, x, key, factor)[0].astype(x.dtype) if entire else _each(
        between(uniforms(be, len(x), 1, key)[:, 0], factor), x)  # fmt: skip
    gray = sum(w * x[..., c : c + 1] for c, w in enumerate(GRAY))
    y, inside = x + f * (gray - x), True
    if value_range is not None:
        y, inside = clipped(xp, y, value_range)

    def vjp(dy, needs):
        g = dy * inside
        every = f * g.sum(axis=3, keepdims=True)
        return ((1 - f) * g + xp.concatenate([w * every for w in GRAY], axis=3),)

    return y, vjp


@op
def random_saturation(be: Any, x: Any, *, key: Any, factor: Any) -> tuple[Any, Any]:
    """y_c = V - k (V - x_c) with V = max(red, green, blue): the saturation 1 - min / V times k, and at most 1.

    k = f / (1 - f) with f ~ U(*factor) for each image: f = 0 is grey, 0.5 changes nothing, 1 is the full colour.
    x (N, H, W, 3), at least 0.
    """
    colors("random_saturation", x)
    xp = be.xp
    f = between(uniforms(be, len(x), 1, key)[:, 0], factor)
    k = _each(f / (1 - f + TINY), x)
    top, low, of_top, of_low = _ends(xp, x)
    chroma = top - low
    safe = xp.where(chroma > 0, chroma, 1)
    full = (chroma > 0) & (k * chroma > top)  # more than 1: V / chroma takes k's place
    slope = xp.where(full, top / safe, k)
    away = top - x
    y = top - slope * away

    def vjp(dy, needs):
        share = away / safe
        dtop = (dy * xp.where(full, (1 - slope) * (1 - share), 1 - k)).sum(axis=3, keepdims=True)
        dlow = (dy * xp.where(full, -slope * share, 0)).sum(axis=3, keepdims=True)
        return (dy * slope + of_top * dtop + of_low * dlow,)

    return y, vjp


@op
def random_hue(be: Any, x: Any, *, key: Any, factor: Any, value_range: Any) -> tuple[Any, Any]:
    """Each image's hue turned by +-f / 2 of the circle, f ~ U(*factor), the sign a coin's.

    y_c = V - (V - m) t(5 - 2 c + h mod 6), with t(k) = min(k, 4 - k) between 0 and 1, and h, in sixths of the circle,
    of the largest channel a: 2 a + (x_(a+1) - x_(a+2)) / (V - m).  value_range: what y is clipped to.  x (N, H, W, 3).
    """
    colors("random_hue", x)
    xp, draws = be.xp, uniforms(be, len(x), 2, key)
    turn = xp.where(draws[:, 0] > 0.5, -3.0, 3.0) * between(draws[:, 1], factor)  # in sixths
    top, low, of_top, of_low = _ends(xp, x)
    chroma = top - low
    rest = (of_top * (xp.roll(x, -1, axis=3) - xp.roll(x, -2, axis=3))).sum(axis=3, keepdims=True)
    rest = rest / xp.where(chroma > 0, chroma, 1)
    numbers = xp.arange(3, dtype=x.dtype)
    hue = rest + 2 * (of_top * numbers).sum(axis=3, keepdims=True) + _each(turn, x)
    k = (5 - 2 * numbers + hue) % 6
    t = xp.clip(xp.minimum(k, 4 - k), 0, 1)
    y, inside = clipped(xp, top - chroma * t, value_range)

    def vjp(dy, needs):
        g = dy * inside
        slope = ((k < 1).astype(x.dtype) - ((k > 3) & (k < 4))).astype(x.dtype)
        turned = (g * slope).sum(axis=3, keepdims=True)
        dchroma = turned * rest - (g * t).sum(axis=3, keepdims=True)
        dtop = g.sum(axis=3, keepdims=True) + dchroma
        return (of_top * dtop - of_low * dchroma
                - turned * (xp.roll(of_top, 1, axis=3) - xp.roll(of_top, 2, axis=3)),)  # fmt: skip

    return y, vjp


def _ends(xp, x):
    """(N, H, W, 1) the largest and the smallest channel, and (N, H, W, 3) where they are: 1, else 0."""
    numbers = xp.arange(3)
    places = [(f(x, axis=3)[..., None] == numbers).astype(x.dtype) for f in (xp.argmax, xp.argmin)]
    return x.max(axis=3, keepdims=True), x.min(axis=3, keepdims=True), *places


@op
def random_invert(be: Any, x: Any, *, key: Any, factor: Any, high: Any) -> tuple[Any, Any]:
    """y = high - x with a probability p ~ U(*factor), drawn for each image, else x.  x (N, H, W, C);  dx = -+dy."""
    images("random_invert", x)
    xp = be.xp
    chosen, _ = _chosen(be, x, key, factor)
    return xp.where(chosen, high - x, x), lambda dy, needs: (xp.where(chosen, -dy, dy),)


@op
def random_posterize(be: Any, x: Any, *, key: Any, bits: Any, value_range: Any) -> tuple[Any, Any]:
    """Of each number, one of 256 steps of value_range, the first b bits: y = s floor(x / s) with s = 2^(8 - b).

    b  bits[0] to bits[1] - 1, drawn for each image; bits[0] if they are equal
    x (N, H, W, C), cut to value_range.  dx = 0: y is made of steps.
    """
    images("random_posterize", x)
    xp, (low, high) = be.xp, value_range
    b = xp.floor(between(uniforms(be, len(x), 1, key)[:, 0], bits))
    step, unit = _each(2.0 ** (8 - b), x), 255 / (high - low)
    whole = xp.floor((xp.clip(x, low, high) - low) * unit)
    kept = (xp.floor(whole / step) * step).astype("float64")  # so that what is left of low is no rounding
    return (kept / unit + low).astype(x.dtype), lambda dy, needs: (xp.zeros_like(dy),)


@op
def random_solarize(be: Any, x: Any, *, key: Any, addition: Any, threshold: Any, value_range: Any) -> tuple[Any, Any]:
    """y = low + high - z where z >= t, else z, with z = x + a cut to value_range (low, high).

    a = (high - low) U(*addition) and t = low + (high - low) U(*threshold), drawn for each image.  x (N, H, W, C);
    dx = dy with the sign of z in y, 0 where z was cut.
    """
    images("random_solarize", x)
    xp, (low, high), draws = be.xp, value_range, uniforms(be, len(x), 2, key)
    a, t = (_each((high - low) * between(draws[:, k], share), x) for k, share in enumerate((addition, threshold)))
    z, inside = clipped(xp, x + a, value_range)
    below = z < low + t
    return xp.where(below, z, low + high - z), lambda dy, needs: (xp.where(below, dy, -dy) * inside,)


@op
def random_sharpness(be: Any, x: Any, *, key: Any, factor: Any, value_range: Any) -> tuple[Any, Any]:
    """y = x + (1 - 2 f) (smooth - x), f ~ U(*factor) for each image: 0 is smooth, 0.5 is x, 1 is sharper.

    smooth = (the sum of the 9 px around, of zeros beyond the edge, + 4 x) / 13.  value_range: what y is clipped to.
    x (N, H, W, C).
    """
    images("random_sharpness", x)
    xp = be.xp
    f = _each(1 - 2 * between(uniforms(be, len(x), 1, key)[:, 0], factor), x)
    ones = xp.ones((1, 3), x.dtype)

    def changed(z):  # symmetric: its own adjoint
        return z + f * ((_along(xp, _along(xp, z, ones, 1), ones, 2) + 4 * z) / 13 - z)

    y, inside = clipped(xp, changed(x), value_range)
    return y, lambda dy, needs: (changed(dy * inside),)


@op
def random_blur(be: Any, x: Any, *, key: Any, factor: Any, size: Any, sigma: Any, value_range: Any) -> tuple[Any, Any]:
    """Each image smoothed by a Gaussian with a probability p ~ U(*factor), zeros beyond its edge.

    size   (rows, columns) of the window in px, odd
    sigma  (low, high) of the deviation in px, drawn for each image, along rows and columns apart
    value_range: what y is clipped to.  x (N, H, W, C).
    """
    images("random_blur", x)
    xp = be.xp
    chosen, draws = _chosen(be, x, key, factor, 2)
    windows = []
    for draw, count in zip(draws.T, size, strict=True):
        deviation = between(draw, sigma)[:, None] + 1e-6
        window = xp.exp(-0.5 * ((xp.arange(count) - count // 2) / deviation) ** 2)
        windows.append((window / window.sum(axis=1, keepdims=True)).astype(x.dtype))

    def changed(z):  # symmetric: its own adjoint
        return xp.where(chosen, _along(xp, _along(xp, z, windows[0], 1), windows[1], 2), z)

    y, inside = clipped(xp, changed(x), value_range)
    return y, lambda dy, needs: (changed(dy * inside),)


def _along(xp, x, window, axis: int):
    """sum_d window[n, d] x[n, .. i + d - K // 2 ..] along an axis, of zeros beyond the edge; window (N or 1, K)."""
    reach, size = window.shape[1] // 2, x.shape[axis]
    padded = xp.pad(x, [(reach, reach) if a == axis else (0, 0) for a in range(4)])
    before = (slice(None),) * axis
    return sum(window[:, d].reshape(-1, 1, 1, 1) * padded[(*before, slice(d, d + size))]
               for d in range(window.shape[1]))  # fmt: skip


@op
def auto_contrast(be: Any, x: Any, *, value_range: Any) -> tuple[Any, Any]:
    """y = low + (high - low) (x - a) / (b - a), a and b the least and the largest number of each image's channel.

    value_range (low, high); a channel of one value stays as it is.  x (N, H, W, C).
    dx = k g, and what a and b take of it: k = (high - low) / (b - a), da = sum k g (s - 1), db = -sum k g s, where
    s = (x - a) / (b - a); of several such pixels each takes an equal part.
    """
    images("auto_contrast", x)
    xp, (low, high) = be.xp, value_range
    a, b = x.min(axis=(1, 2), keepdims=True), x.max(axis=(1, 2), keepdims=True)
    varied = b > a
    spread = xp.where(varied, b - a, 1)
    share = (x - a) / spread

    def vjp(dy, needs):
        g = dy * (high - low) / spread
        dx = g
        for end, d in ((a, g * (share - 1)), (b, -g * share)):
            at = (x == end).astype(x.dtype)
            dx = dx + at * (d.sum(axis=(1, 2), keepdims=True) / at.sum(axis=(1, 2), keepdims=True))
        return (xp.where(varied, dx, dy),)

    return xp.where(varied, low + (high - low) * share, x), vjp


@op
def equalize(be: Any, x: Any, *, value_range: Any, bins: int) -> tuple[Any, Any]:
    """Each image's channel with all values about as frequent: y = 255 (F(bin of x) - F_1) / (pixels - F_1), rounded.

    F  the number of pixels up to a bin of `bins` over value_range, F_1 that of the first bin that has any; 0 to 255
    stand for value_range.  A channel in one bin stays as it is.  x (N, H, W, C).  dx = 0: y is made of steps.
    """
    images("equalize", x)
    xp, (low, high), (n, h, w, c) = be.xp, value_range, x.shape
    bin_of = xp.clip(((x - low) * ((bins - 1) / (high - low))).astype("int64"), 0, bins - 1)
    bin_of = bin_of.transpose(0, 3, 1, 2).reshape(n * c, h * w)
    row = xp.arange(n * c)[:, None]
    # Sorted and counted up to the end of each bin: no sum over pixels in an order that a device may choose.
    every = xp.sort((bin_of + row * bins).reshape(-1))
    ends = (xp.arange(bins) + row * bins).reshape(-1)
    up_to = xp.searchsorted(every, ends, side="right").reshape(n * c, bins) - row * (h * w)
    first = xp.where(up_to > 0, up_to, h * w).min(axis=1, keepdims=True)
    table = xp.rint((up_to - first) * 255 / xp.maximum(h * w - first, 1))
    found = xp.clip(table[row, bin_of], 0, 255) * ((high - low) / 255) + low
    y = found.reshape(n, c, h, w).transpose(0, 2, 3, 1).astype(x.dtype)
    constant = (first == h * w).reshape(n, 1, 1, c)
    return xp.where(constant, x, y), lambda dy, needs: (xp.where(constant, dy, 0),)
