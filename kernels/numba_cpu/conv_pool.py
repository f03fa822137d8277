"""Convolution, its epilogue and max-pooling by 2x2 windows side by side in one pass.

      x --> products --> bias, ReLU, affine --> max of 2x2 --> dropout --> y         + a byte per output: the argmax
            '-------- stays in the cache ---------------'     (or none)

Why it is fast: memory is what limits a convolution of few channels. Apart, these steps write the convolution's output
and read it again, five times as much as y and its argmax, and in training nothing ever asks for it: backward needs y,
the argmax and the input. What no window reads, an odd last row or column, is not computed at all, so an 11 x 11 image
is a convolution of 10 x 10 pixels, for which Winograd has less to do.

A task of `conv.py` or `winograd.py` leaves its part of the image where the pooling follows at once:

      im2col               a band of rows of one image, here an even number of them      in the L2 cache
      winograd, even tiles a tile, 2x2 windows                                           in the L1 cache
      winograd, odd tiles  all tiles of some images: windows lie across tiles' edges     in the L2 cache

Other windows, and odd tiles of images larger than a block: conv2d, then max_pool.

Backward, the gradient before the pooling is four times as large as the one after it. Where two kernels read it, for dx
and dw, it is written. A first layer needs no dx: there a band of it is made in the L2 cache and read by dw at once.
"""

import numba
import numpy as np

from . import pool2x2, winograd
from .conv import (
    Geometry,
    conv2d_folded,
    conv2d_input_grad,
    conv2d_weight_grad,
    correlate_band,
    filled_by,
    forward_plan,
    integers,
    least_bands,
    output_shape,
    packed,
    weight_grad_alone,
)
from .epilogue import NO_AFFINE, epilogue
from .plan import choose
from .pool import max_pool, max_pool_grad
from .pool2x2 import Pooling, Scatter, drop_rows, pool_rows, scatter_rows
from .random import dropping
from .runtime import memory
from .runtime.memory import OWN, flats
from .runtime.thread_pool import kernel
from .winograd import NO_SUMS, finish
from .winograd_loops import correlate

BAND = 1 << 14  # floats of a band: 64 KiB, in the L2 cache; smaller ones cost more sweeps than they save


@filled_by(Scatter)
def _before_pooling(dy, behind, into, start, rows, columns, filters):  # rows and columns are even
    scatter_rows(dy, behind, into, start // 4, rows // 2, columns, filters)


@kernel
def _bands(task, thread, x, c, epilogue, y, pooling, room):
    s, (views, outputs) = c.sizes, room
    n, band, z, line = task // s.bands, task % s.bands, outputs[thread], s.y_width // 2 * s.filters
    correlate_band(x, n, band, c, epilogue, z, 0, views[thread])
    rows = min(s.band, s.y_height - band * s.band)
    to = (n * s.y_height + band * s.band) // 2 * line
    pool_rows(z, s.y_width, s.filters, band * s.band, rows, y, pooling, to)
    if pooling.dropout.on:
        drop_rows(y, pooling.argmax, to, line, rows // 2, pooling.dropout)


def _row_vectors(rows, count) -> tuple[np.ndarray, np.ndarray]:
    """A scale and a shift for each of the first rows of an image; two empty arrays for None."""
    if rows is None:
        return NO_AFFINE
    scale, shift = rows
    return flats(scale.reshape(-1)[:count], shift.reshape(-1)[:count])


def _im2col(x, w, shape, windows: Geometry, epilogue, y, pooling):
    threads = numba.get_num_threads()
    plan = forward_plan(x.shape[1:], shape[1:], w.shape[:2], *windows, least_bands(len(x), threads), 2)
    sizes, view = plan[0], plan[5]
    scratch = (1, plan[4]), (threads, view, OWN), (threads, sizes.band * sizes.y_width * sizes.filters, OWN)
    c, *room = packed(plan, scratch, w, False)
    _bands(len(x) * sizes.bands, *flats(x), c, epilogue, y, pooling, tuple(room))


def _winograd(x, w, shape, pads, finish, y, kept):
    """Whether there is a way: odd tiles need whole images in a block."""
    tiling, x, room = winograd.prepared(x, w, shape, pads, images=True, kept=kept)
    if tiling.yg.tile % 2 and tiling.block % (tiling.yg.rows * tiling.yg.columns):
        return False
    correlate(-(-tiling.count // tiling.block), x, y, tiling, finish, room, NO_SUMS)
    return True


def even(shape):
    """The shape without an odd last row or column."""
    n, height, width, channels = shape
    return n, height // 2 * 2, width // 2 * 2, channels


def _pool_of(z, rows, pool):
    """max_pool, after a scale and a shift for each row if `rows` is not None."""
    if rows is not None:
        scale, shift = (part[: z.shape[1]] for part in rows)
        z = scale * z + shift
    return max_pool(z, **pool)


def conv2d_max_pool(x, w, b, *, conv, pool):
    (strides, pads), relu = integers(conv["strides"], conv["pads"]), conv.get("relu", False)
    affine, kept = conv.get("affine"), conv.get("kept")
    n, oh, ow, filters = shape = even(output_shape(x.shape, w.shape, strides, pads))
    by_row = affine is not None and affine[0].ndim == 3
    by_filter, rows = (None, affine) if by_row else (affine, None)
    if not pool2x2.fits(*pool2x2.geometry(pool)) or 0 in shape:
        conv_args = {name: value for name, value in conv.items() if name not in ("affine", "kept")}
        return _pool_of(conv2d_folded(x, w, b, by_filter, conv=conv_args, kept=kept), rows, pool)
    chosen = choose(conv.get("algorithm", "auto"), shape[1:3], w.shape[:2], strides, x.shape[3], filters)
    y, argmax = (memory.empty((n, oh // 2, ow // 2, filters), kind) for kind in (np.float32, np.uint8))
    dropout = dropping(pool.get("rate", 0.0), pool.get("key"), y.shape)
    pooling = Pooling(argmax.reshape(-1), *_row_vectors(rows, shape[1]), dropout)
    if chosen == "im2col":
        behind = epilogue(filters, b, relu, by_filter)
        _im2col(x, w, shape, (strides, pads), behind, y.reshape(-1), pooling)
        return y, argmax
    behind = finish(filters, b, relu, by_filter)
    if not _winograd(x, w, shape, pads, behind._replace(pooling=pooling), y.reshape(-1), kept):
        return _pool_of(winograd.convolve(x, w, memory.empty(shape), behind, pads=pads, kept=kept), rows, pool)
    return y, argmax


def conv2d_max_pool_grad(dy, argmax, y, x, w, *, conv, pool, needs=(True, True)):
    strides, pads = integers(conv["strides"], conv["pads"])
    shape = output_shape(x.shape, w.shape, strides, pads)
    whole = even(shape)
    if pool2x2.fits(*pool2x2.geometry(pool)) and 0 not in (*whole, x.size):
        shape = whole  # nothing flows to an odd last row or column
        sizes = shape[1:3], w.shape[:2], strides, x.shape[3], shape[3]
        if needs == (False, True) and choose(conv.get("algorithm", "auto"), *sizes, "weight_grad") == "im2col":
            (dy, y), (argmax,) = flats(dy, y), flats(argmax, dtype=np.uint8)
            behind = Scatter(argmax, y, np.float32(1 / (1 - pool.get("rate", 0.0))))
            return None, *weight_grad_alone(behind, dy, x, shape, w.shape, strides, pads, (BAND, 2))
    dz, db = max_pool_grad(dy, argmax, shape, **pool, y=y)
    dx = conv2d_input_grad(dz, w, x.shape, **conv) if needs[0] else None
    dw = conv2d_weight_grad(x, dz, w.shape, **conv) if needs[1] else None
    return dx, dw, db
