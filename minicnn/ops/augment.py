"""Random changes of images, an image at a time: every draw is a word of the counted stream at key (seed, step, stream).

The same bytes come out whatever the number of threads; what was drawn is a function of the key and of the image's place
in the batch.
"""

import math
from typing import Any

from ..core.op import op
from ..errors import require
from .geometry import Pair


def uniforms(be: Any, n: int, each: int, key: Any) -> Any:
    """(N, each) float64 draws from U(0, 1)."""
    key = key._replace(row=key.first((n, each)))
    return (be.philox(n * each, key).reshape(n, each).astype("float64") + 0.5) * 2.0**-32


def between(draws: Any, low_high: Any) -> Any:
    """U(low, high) from draws of U(0, 1)."""
    low, high = low_high
    return low + (high - low) * draws


def clipped(xp: Any, y: Any, value_range: Any) -> Any:
    """y within value_range, and where it was."""
    low, high = value_range
    return xp.clip(y, low, high), (y >= low) & (y <= high)


@op
def random_flip(be: Any, x: Any, *, key: Any, horizontal: bool, vertical: bool) -> tuple[Any, Any]:
    """Each image mirrored with probability 1/2, along its width, its height or, drawn apart, both.  x (N, H, W, C)."""
    images("random_flip", x)
    xp, draws = be.xp, uniforms(be, len(x), 2, key).reshape(-1, 2, 1, 1, 1) < 0.5
    across, down = draws[:, 0], draws[:, 1]

    def flipped(images):
        images = xp.where(across, images[:, :, ::-1], images) if horizontal else images
        images = xp.where(down, images[:, ::-1], images) if vertical else images
        return xp.ascontiguousarray(images)

    return flipped(x), lambda dy, needs: (flipped(dy),)


@op
def random_warp(be: Any, x: Any, *, key: Any, angle: Any = (0, 0), shift: Any = ((0, 0), (0, 0)),
                zoom: Any = ((0, 0), (0, 0)), fill_mode: str = "reflect", fill_value: Any = 0.0,
                nearest: bool = False) -> tuple[Any, Any]:  # fmt: skip
    """Each image turned, moved and scaled about its centre: y[n,i,j,c] = x[n, ..., c] at (row, column) = M_n (i, j, 1).

    angle  (low, high) in radians, counter-clockwise;  shift  of rows, of columns: shares of the size, down and right;
    zoom   of rows, of columns: 1 + draw, above 1 shrinks the picture; None for columns: as the rows
    nearest  the nearest pixel instead of the four around it
    dx = the adjoint: dy added to the pixels that were read, with the weights they had.  x (N, H, W, C).
    """
    images("random_warp", x)
    xp, (n, h, w, _) = be.xp, x.shape
    draws = uniforms(be, n, 5, key).T
    theta, down, right = between(draws[0], angle), between(draws[1], shift[0]) * h, between(draws[2], shift[1]) * w
    tall = 1 + between(draws[3], zoom[0])
    wide = tall if zoom[1] is None else 1 + between(draws[4], zoom[1])
    c, s = (xp.rint(f(theta) * 1e15) * 1e-15 for f in (xp.cos, xp.sin))  # rounded: 90 degrees move whole pixels
    middle_h, middle_w = (h - 1) / 2, (w - 1) / 2
    above, before = middle_h + down, middle_w + right
    rows = xp.stack([c * tall, s * wide, middle_h - c * tall * above - s * wide * before], axis=1)
    columns = xp.stack([-s * tall, c * wide, middle_w + s * tall * above - c * wide * before], axis=1)
    return _mapped(be, x, rows, columns, fill_mode, fill_value, nearest)


@op
def random_shear(be: Any, x: Any, *, key: Any, across: Any = (0, 0), down: Any = (0, 0), fill_mode: str = "reflect",
                 fill_value: Any = 0.0, nearest: bool = False) -> tuple[Any, Any]:  # fmt: skip
    """y[n,i,j,c] = x[n, i + b_n j, j + a_n i, c]: rows slide along the width, columns along the height.

    across, down  (low, high) of a and b: px per px from the upper left corner; a coin turns the sign of both
    fill_mode, nearest, dx  as random_warp's.  x (N, H, W, C).
    """
    images("random_shear", x)
    xp, draws = be.xp, uniforms(be, len(x), 3, key).T
    sign = xp.where(draws[0] > 0.5, -1.0, 1.0)
    a, b = (sign * between(draws[1 + k], low_high) for k, low_high in enumerate((across, down)))
    one, zero = xp.ones_like(a), xp.zeros_like(a)
    rows, columns = xp.stack([one, b, zero], axis=1), xp.stack([a, one, zero], axis=1)
    return _mapped(be, x, rows, columns, fill_mode, fill_value, nearest)


def _mapped(be, x, rows, columns, fill_mode: str, fill_value: float, nearest: bool):
    """(y, vjp) of images whose pixel (i, j) reads (rows . (i, j, 1), columns . (i, j, 1)); rows, columns (N, 3)."""
    xp, (_, h, w, _) = be.xp, x.shape
    maps = xp.ascontiguousarray(xp.stack([rows, columns], axis=1))
    if nearest:
        cells = list(_cells(xp, maps, h, w, fill_mode, True))
        y = sum(_read(xp, x, *cell, fill_value) for cell in cells)
    else:
        y = be.affine_warp(x, maps, fill_mode=fill_mode, cval=float(fill_value), scale=1.0)

    def vjp(dy, needs):
        dx: Any = sum(_added(xp, dy, *cell) for cell in _cells(xp, maps, h, w, fill_mode, nearest))
        return (xp.ascontiguousarray(dx.astype(x.dtype)),)

    return y, vjp


@op
def random_perspective(be: Any, x: Any, *, key: Any, factor: Any, scale: Any, fill_value: Any = 0.0,
                       nearest: bool = False) -> tuple[Any, Any]:  # fmt: skip
    """Each image, with a probability p ~ U(*factor), as a plane seen from aside: its corners move, lines stay lines.

    On the unit square the upper left corner stays, the others go to (p, 0), (0, q) and (r, s), with p, q, r, s drawn
    from U(1 - scale / 2, 1 + scale / 2). Output pixel (u, v), to the right and down, reads (u / a, v / e) / z with
    z = 1 - g u / a - h v / e, where a = p (1 + g), e = q (1 + h), and g, h solve the corner (r, s).
    nearest, dx  as random_warp's; beyond the edge is fill_value.  x (N, H, W, C).
    Source: Heckbert 1989, "Fundamentals of texture mapping and image warping", section 2.2.3.
    """
    images("random_perspective", x)
    xp, (n, h, w, _) = be.xp, x.shape
    draws = uniforms(be, n, 6, key)
    chosen = (draws[:, 1] < between(draws[:, 0], factor)).reshape(-1, 1, 1, 1)
    p, q, r, s = between(draws[:, 2:], (1 - scale / 2, 1 + scale / 2)).T[..., None, None]
    whole = (p - r) * (q - s) - r * s
    whole = xp.where(whole == 0, 1e-9, whole)
    right, down = ((r - p) * (q - s) + r * (s - q)) / whole, ((p - r) * (s - q) + (r - p) * s) / whole
    u = xp.arange(w, dtype="float64") / max(w - 1, 1) / (p * (1 + right))
    v = xp.arange(h, dtype="float64")[:, None] / max(h - 1, 1) / (q * (1 + down))
    z = 1 - right * u - down * v
    z = xp.where(abs(z) < 1e-6, 1e-6, z)
    # A corner within the triangle of the others sends pixels to infinity: beyond the edge is near enough.
    row, column = (xp.clip(at / z * (size - 1), -9 * size, 9 * size) for at, size in ((v, h), (u, w)))
    cells = list(_around(xp, row, column, h, w, "constant", nearest))
    y = xp.where(chosen, sum(_read(xp, x, *cell, fill_value) for cell in cells), x)

    def vjp(dy, needs):
        dx: Any = sum(_added(xp, dy * chosen, *cell) for cell in cells)
        return (xp.where(chosen, dx.astype(x.dtype), dy),)

    return y, vjp


def _cells(xp, maps, h: int, w: int, fill_mode: str, nearest: bool):
    """_around what the maps (N, 2, 3) make of each pixel."""
    i, j = xp.arange(h, dtype="float64")[None, :, None], xp.arange(w, dtype="float64")[None, None, :]
    r, s = (maps[:, a, 0, None, None] * i + maps[:, a, 1, None, None] * j + maps[:, a, 2, None, None] for a in (0, 1))
    return _around(xp, r, s, h, w, fill_mode, nearest)


def _around(xp, r, s, h: int, w: int, fill_mode: str, nearest: bool):
    """(row, column, inside, weight) of each pixel that an output pixel reads: (N, H, W) arrays, one or four of them.

    weight None: 1.
    """
    if nearest:
        yield *_placed(xp, xp.floor(r + 0.5), xp.floor(s + 0.5), h, w, fill_mode), None
        return
    for p in (0, 1):
        for q in (0, 1):
            row, column = xp.floor(r) + p, xp.floor(s) + q
            weight = (1 - abs(r - row)) * (1 - abs(s - column))
            yield *_placed(xp, row, column, h, w, fill_mode), weight


def _placed(xp, row, column, h: int, w: int, fill_mode: str):
    """Rows and columns inside the image, and which of them were: beyond a constant's edge there is no pixel.

    None: all were.
    """
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w) if fill_mode == "constant" else None
    row, column = (_edge(xp, index.astype("int64"), size, fill_mode) for index, size in ((row, h), (column, w)))
    return row, column, inside


def _edge(xp, index, size: int, fill_mode: str):
    if fill_mode == "reflect":  # dcba|abcd|dcba: period 2 size
        index = index % (2 * size)
        return xp.minimum(index, 2 * size - 1 - index)
    return index % size if fill_mode == "wrap" else xp.clip(index, 0, size - 1)


def _pixel(xp, shape, row, column):
    """(N, H, W): the number of the pixel at (row, column) of each image in the batch."""
    n, h, w, _ = shape
    return (xp.arange(n)[:, None, None] * h + row) * w + column


def _read(xp, x, row, column, inside, weight, fill_value):
    """(N, H, W, C): the pixels at (row, column) times their weight."""
    pixels = xp.take(x.reshape(-1, x.shape[3]), _pixel(xp, x.shape, row, column), axis=0)
    if inside is not None:
        pixels = xp.where(inside[..., None], pixels, x.dtype.type(fill_value))
    return pixels if weight is None else (pixels * weight[..., None]).astype(x.dtype)


def _added(xp, dy, row, column, inside, weight):
    """(N, H, W, C): dy times its weight, added up at (row, column)."""
    place = _pixel(xp, dy.shape, row, column)[..., None] * dy.shape[3] + xp.arange(dy.shape[3])
    shares = dy if weight is None else dy * weight[..., None]
    if inside is not None:
        shares = shares * inside[..., None]
    return xp.bincount(place.reshape(-1), weights=shares.reshape(-1), minlength=dy.size).reshape(dy.shape)


@op
def random_contrast(be: Any, x: Any, *, key: Any, factor: Any, value_range: Any) -> tuple[Any, Any]:
    """y = clip((x - mean) f + mean, *value_range), mean of each image's channel, f ~ U(1 - factor[0], 1 + factor[1]).

    x (N, H, W, C).  dx = f g + (1 - f) mean(g), with g = dy where nothing was clipped.
    """
    images("random_contrast", x)
    xp = be.xp
    f = between(uniforms(be, len(x), 1, key), (1 - factor[0], 1 + factor[1])).astype(x.dtype).reshape(-1, 1, 1, 1)
    mean = x.mean(axis=(1, 2), keepdims=True)
    y, inside = clipped(xp, (x - mean) * f + mean, value_range)

    def vjp(dy, needs):
        g = dy * inside
        return (g * f + (1 - f) * g.mean(axis=(1, 2), keepdims=True),)

    return y, vjp


@op
def random_brightness(be: Any, x: Any, *, key: Any, factor: Any, value_range: Any) -> tuple[Any, Any]:
    """y = clip(x + f (high - low), low, high), f ~ U(*factor) for each image.  x (N, H, W, C);  dx = dy inside."""
    images("random_brightness", x)
    low, high = value_range
    f = (between(uniforms(be, len(x), 1, key), factor) * (high - low)).astype(x.dtype).reshape(-1, 1, 1, 1)
    y, inside = clipped(be.xp, x + f, value_range)
    return y, lambda dy, needs: (dy * inside,)


@op
def random_crop(be: Any, x: Any, *, key: Any, size: Pair) -> tuple[Any, Any]:
    """The same `size` (OH, OW) px of every image of the batch, from a place that is drawn.  dx = dy there, else 0."""
    images("random_crop", x)
    xp, (_, h, w, _), (oh, ow) = be.xp, x.shape, size
    require(h >= oh and w >= ow, "random_crop", f"images of at least {oh} x {ow} px", f"{h} x {w} px")
    draws = uniforms(be, 2, 1, key._replace(row=0))  # one place, whichever part of the batch this is
    top, left = (xp.floor(draws[a] * (n - m + 1)).astype("int64") for a, n, m in ((0, h, oh), (1, w, ow)))
    rows, columns = top + xp.arange(oh)[:, None], left + xp.arange(ow)

    def vjp(dy, needs):
        dx = xp.zeros(x.shape, x.dtype)
        dx[:, rows, columns] = dy
        return (dx,)

    return xp.ascontiguousarray(x[:, rows, columns]), vjp


@op
def random_shift(be: Any, x: Any, *, key: Any, most: Any, fill_mode: str, fill_value: Any = 0.0) -> tuple[Any, Any]:
    """Each image moved by whole pixels, up to `most` (rows, columns) each way: padded on all sides, and cropped.

    y[n,i,j] = x[n, i - down_n, j - right_n], down_n and right_n of -most .. most, all as likely.  x (N, H, W, C);
    dx = dy moved back, added up where a pixel was read more than once.
    """
    images("random_shift", x)
    xp, (n, h, w, _) = be.xp, x.shape
    draws = uniforms(be, n, 4, key)
    down, right = (xp.floor(draws[:, a] * (2 * most[a] + 1)) - most[a] for a in (0, 1))
    rows = xp.arange(h, dtype="float64")[None, :, None] - down[:, None, None]
    columns = xp.arange(w, dtype="float64")[None, None, :] - right[:, None, None]
    cell = *_placed(xp, rows, columns, h, w, fill_mode), None

    def vjp(dy, needs):
        return (xp.ascontiguousarray(_added(xp, dy, *cell).astype(x.dtype)),)

    return _read(xp, x, *cell, fill_value), vjp


@op
def random_pick(be: Any, *candidates: Any, key: Any) -> tuple[Any, Any]:
    """y[n] = candidates[k_n][n], k_n drawn for each image, all as likely;  each dx = dy where it was taken, else 0."""
    xp, x = be.xp, candidates[0]
    drawn = xp.floor(uniforms(be, len(x), 1, key) * len(candidates)).reshape(-1, 1, 1, 1)
    y = x
    for k, one in enumerate(candidates[1:], 1):
        y = xp.where(drawn == k, one, y)
    return y, lambda dy, needs: tuple(dy * (drawn == k) for k in range(len(candidates)))


@op
def random_erasing(be: Any, x: Any, *, key: Any, factor: Any, scale: Any, value_range: Any,
                   fill_value: Any = None) -> tuple[Any, Any]:  # fmt: skip
    """In each image, with a probability p ~ U(*factor), the pixels of one rectangle become fill_value.

    Height and width are sqrt(U(*scale)) of the image's, drawn apart; the place is drawn too. fill_value: a number, or
    one per channel; None: value_range[1] times N(0, 1) in every number, clipped to value_range.  x (N, H, W, C).
    dx = dy outside of the rectangle, 0 within.
    Source: Zhong et al. 2017, "Random erasing data augmentation".
    """
    images("random_erasing", x)
    xp, (n, h, w, c) = be.xp, x.shape
    numbers = h * w * c if fill_value is None else 0
    draws = uniforms(be, n, 8 + numbers + numbers % 2, key)  # even: two make two normal numbers
    tall, wide = (xp.sqrt(between(draws[:, a], scale)) * size for a, size in ((0, h), (1, w)))
    top, left = draws[:, 2] * (h - tall), draws[:, 3] * (w - wide)
    chosen = draws[:, 5] < between(draws[:, 4], factor)
    y, x_ = (xp.arange(size, dtype="float64") for size in (h, w))
    inside = (y >= top[:, None]) & (y < (top + tall)[:, None])
    across = (x_ >= left[:, None]) & (x_ < (left + wide)[:, None])
    erased = (chosen[:, None, None] & inside[:, :, None] & across[:, None, :])[..., None]
    if fill_value is None:
        radius, angle = xp.sqrt(-2 * xp.log(draws[:, 8::2])), 2 * math.pi * draws[:, 9::2]
        normal = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=2).reshape(n, -1)[:, :numbers]
        fill = normal.reshape(x.shape) * value_range[1]
    else:
        fill = xp.zeros(x.shape)
        for channel in range(c):
            fill[..., channel] = fill_value[channel] if isinstance(fill_value, tuple) else fill_value
    fill = xp.clip(fill, *value_range).astype(x.dtype)
    return xp.where(erased, fill, x), lambda dy, needs: (xp.where(erased, dy.dtype.type(0), dy),)


def images(where: str, x: Any) -> None:
    """Raises ShapeError where x is no batch of images."""
    require(x.ndim == 4, where, "x of shape (N, H, W, C)", x.shape)
