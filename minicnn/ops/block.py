"""A convolution block as one op: the arithmetic of its layers one by one, with fewer passes over memory.

      conv2d -> ReLU -> batch norm -> max pool -> dropout          the last three, or some of them

What is computed is the chain of ops/conv.py, norm.py, pool.py and dropout.py; merged is only who reads and writes what:

      forward    the convolution's epilogue takes the ReLU and the sums for the batch's statistics, if by channel;
                 normalise, pool and drop are one read of the images and one write of a quarter of them;
                 without a batch norm, nothing but that quarter is ever written
      backward   the gradients of dropout, pool, batch norm, ReLU and bias are two reads and one write of the images;
                 of a first layer (im2col, 2x2 windows) only the reads, and without a batch norm not even these
      kept       x, w, a byte per pooled pixel, and z = relu(conv2d(x)) for a batch norm: no normalised image, no mask
"""

from ..core.op import op
from ..errors import ArgumentError, require
from .conv import check


@op
def conv_block(
    be, x, w, b, gamma, beta, *, strides, pads, algorithm="auto", eps=1e-3, axis=-1, pool=None, rate=0.0, key=None
):
    """y = dropout(max_pool(batch_norm(max(conv2d(x, w, b), 0)))) with the batch's own statistics: training only.

    x (N, H, W, C), w (KH, KW, C, O), b (O,) or None; gamma, beta (O,), or None, None: no batch norm.
    axis=1, with a pooling only: the batch norm is along the rows of the images, gamma, beta, mean and var are (OH,).
    pool: the window, strides and pads of max_pool, or None: no pooling, and then no dropout; rate, key: of the dropout.
    -> y (N, OH, OW, O), smaller by the pooling; aside: mean and var of the ReLU's output, (O,) or (OH,), or None, None.
    Raises ShapeError as conv2d does, ArgumentError for another axis.
    """
    check(x, w, strides, pads)
    ok = axis == -1 or (axis == 1 and pool is not None)
    require(ok, "conv_block: axis", "-1, or 1 before a pooling", axis, error=ArgumentError)
    normed, how = gamma is not None, {"strides": strides, "pads": pads, "algorithm": algorithm}
    ending = None if pool is None else {**pool, "rate": rate}
    mean = var = None
    if normed and axis == 1:
        z = be.conv2d(x, w, b, **how, relu=True)
        mean, var = be.batch_norm_stats(z.reshape(*z.shape[:2], z.shape[2] * z.shape[3]))  # (N, OH, OW*O)
    elif normed:
        z, mean, var = be.conv2d(x, w, b, **how, relu=True, stats=True)
    if normed and pool:
        y, argmax = be.batch_norm_max_pool(z, mean, var, gamma, beta, eps=eps, axis=axis, **ending, key=key)
    elif normed:
        y = be.batch_norm(_as_acb(z), mean, var, gamma, beta, eps=eps).reshape(z.shape)
    else:
        y, argmax = be.conv2d_max_pool(x, w, b, **how, relu=True, pool=pool, rate=rate, key=key)

    def vjp(dy, needs):
        if normed and needs[1] and not needs[0]:  # a first layer
            given = dy, z, mean, var, gamma, x, w.shape
            pooled = {"argmax": argmax, "pool": pool, "axis": axis, "rate": rate} if pool else {}
            return None, *be.batch_norm_conv2d_weight_grad(*given, eps=eps, **how, **pooled)
        if normed and pool:
            given = dy, argmax, z, mean, var, gamma
            dz, dgamma, dbeta, db = be.batch_norm_max_pool_grad(*given, eps=eps, axis=axis, **ending)
        elif normed:
            given = _as_acb(dy), _as_acb(z), mean, var, gamma
            dz, dgamma, dbeta, db = be.batch_norm_grad(*given, eps=eps, batch_stats=True, relu=True)
            dz = dz.reshape(z.shape)
        else:
            wanted = bool(needs[0]), bool(needs[1])
            dx, dw, db = be.conv2d_max_pool_grad(dy, argmax, y, x, w, **how, pool=pool, rate=rate, needs=wanted)
            return dx, dw, db, None, None
        dx = be.conv2d_input_grad(dz, w, x.shape, **how) if needs[0] else None
        dw = be.conv2d_weight_grad(x, dz, w.shape, **how) if needs[1] else None
        return dx, dw, db, dgamma, dbeta

    return (y, mean, var), vjp


def _as_acb(images):
    """(N, H, W, C) as (A, C, 1), a view."""
    return images.reshape(-1, images.shape[3], 1)
