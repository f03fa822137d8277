"""Backward of convolution + ReLU + batch norm for the first layer (no input gradient), in two passes.

      dy, z --> sums of the batch norm's gradient                                         dgamma, dbeta
      dy, z --> batch norm, ReLU --> dz, a band of it --> products with windows of x      db, dw
                                     '-- L2 cache --'

Why it is fast: dz, the gradient before the ReLU, is as large as z and has one reader. Apart, batch_norm_grad writes it
and conv2d_weight_grad reads it: of seven times that an array of this size crosses the memory's bus (a written line is
read first) four are left. Bands are large, for a tile of the micro-kernel begins and ends once in each: with bands of
16 KiB, for the L1 cache, a layer of 86 images of 28 x 28, 5x5 windows and 32 filters took 7 % longer.
Where Winograd computes dw, which reads dz tile by tile, one step follows the other.

With a 2x2 max-pooling behind the batch norm it is the same, and the two passes are those of pool2x2_grad.py.
"""

from typing import NamedTuple

import numpy as np

from ..contract import as_acb
from . import norm as norms
from . import norm_pool, pool2x2
from .codegen.jit import inner
from .codegen.vector import LANES, load, store, zero
from .conv import conv2d_weight_grad, filled_by, integers, weight_grad_alone
from .norm import before_relu
from .plan import choose
from .pool2x2_grad import Windows, grad_pair
from .runtime.memory import flats

BAND = 1 << 15  # floats of dz: 128 KiB, an eighth of a usual L2 cache


class Normed(NamedTuple):
    """What a convolution's gradient needs to know of the ReLU and the batch norm after it: the ReLU's output, the batch
    norm's mean and factors of its gradient (see norm.py).
    """

    z: np.ndarray
    mean: np.ndarray
    factor: np.ndarray
    a: np.ndarray
    b: np.ndarray


class NormedPooled(NamedTuple):
    """The same of a ReLU, a batch norm and 2x2 max-pooling: what pool2x2_grad.grad takes."""

    windows: Windows
    norm: tuple


@inner
def norm_rows(dy, s, into, at, pixels, channels):
    """dz, `pixels` pixels, from dy[at...] and s.z[at...]; total += their sums.  into: dz, total"""
    z, (dz, total), size = s.z, into, pixels * channels
    whole = channels // LANES * LANES
    for o in range(0, whole, 2 * LANES):  # two vectors at a time: 32 channels are one walk through memory, not two
        two, p = o + LANES < whole, min(o + LANES, whole - LANES)
        first = load(s.mean, o), load(s.factor, o), load(s.a, o), load(s.b, o)
        second = load(s.mean, p), load(s.factor, p), load(s.a, p), load(s.b, p)
        sums, more = zero(first[0]), zero(first[0])  # anew for each band: short chains of additions round less
        for k in range(0, size, channels):
            d = before_relu(load(dy, at + k + o), load(z, at + k + o), first)
            store(dz, k + o, d)
            sums = sums + d
            if two:
                d = before_relu(load(dy, at + k + p), load(z, at + k + p), second)
                store(dz, k + p, d)
                more = more + d
        store(total, o, load(total, o) + sums)
        if two:
            store(total, p, load(total, p) + more)
    for o in range(whole, channels):
        one, number = np.float32(0), (s.mean[o], s.factor[o], s.a[o], s.b[o])
        for k in range(o, size, channels):
            d = before_relu(dy[at + k], z[at + k], number)
            dz[k] = d
            one += d
        total[o] += one


@filled_by(Normed)
def _before_norm(dy, behind, into, start, rows, columns, filters):
    norm_rows(dy, behind, into, start, rows * columns, filters)


@inner
def pooled_rows(s, into, at, rows):
    """dz, `rows` rows from s.windows.x[at] on, an even one of an image; total += their sums.  into: dz, total"""
    size, (dz, total) = s.windows.size, into
    line = size.width * size.channels
    image, row = at // line // size.height, at // line % size.height
    for r in range(row, row + rows, 2):
        grad_pair(s.windows, s.norm, image, r, (dz, at, total))


@filled_by(NormedPooled)
def _before_pooling(dy, behind, into, start, rows, columns, filters):
    pooled_rows(behind, into, start, rows)


def _gradients(dy, z, norm, argmax, pool):
    """dz, dgamma, dbeta, db."""
    if pool is not None:
        return norm_pool.batch_norm_max_pool_grad(dy, argmax, z, norm, pool=pool)
    *values, eps, axis = norm
    given = as_acb(dy, axis), as_acb(z, axis), *values
    dz, *others = norms.batch_norm_grad(*given, eps=eps, batch_stats=True, relu=True)
    return dz.reshape(z.shape), *others


def batch_norm_conv2d_weight_grad(dy, z, norm, x, w_shape, *, conv, argmax=None, pool=None):
    (strides, pads), (mean, var, gamma, eps, _) = integers(conv["strides"], conv["pads"]), norm
    sizes = z.shape[1:3], tuple(w_shape[:2]), strides, x.shape[3], z.shape[3]
    chosen = choose(conv.get("algorithm", "auto"), *sizes, "weight_grad")
    halves = pool is None or pool2x2.fits(*pool2x2.geometry(pool))
    if chosen == "winograd" or 0 in (x.size, z.size) or not halves:
        dz, dgamma, dbeta, db = _gradients(dy, z, norm, argmax, pool)
        return conv2d_weight_grad(x, dz, w_shape, **conv), db, dgamma, dbeta
    if pool is not None:
        windows, rows, dgamma, dbeta = norm_pool.pooled_sums(dy, argmax, z, norm, pool.get("rate", 0.0))
        behind, dy, multiple = NormedPooled(windows, rows), windows.dy, 2
    else:
        dy, flat_z, mean = flats(dy, z, mean)
        sums = norms.grad_sums(dy, flat_z, mean)
        (dgamma, dbeta), factors = norms.grad_factors(sums, var, gamma, eps, z.size // z.shape[3])
        behind, multiple = Normed(flat_z, mean, *factors), 1
    dw, db = weight_grad_alone(behind, dy, x, z.shape, w_shape, strides, pads, (BAND, multiple))
    return dw, db, dgamma, dbeta
