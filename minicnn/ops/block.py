"""Fused ops, which core/fuse.py puts in place of chains: the same arithmetic with fewer passes over memory.

      conv2d -> ReLU -> batch norm -> max pool -> dropout          the last three, or some of them

What is computed is the chain of ops/conv.py, norm.py, pool.py and dropout.py; merged is only who reads and writes what:

      forward    the convolution's epilogue takes the ReLU and the sums for the batch's statistics, if by channel;
                 normalise, pool and drop are one read of the images and one write of a quarter of them;
                 without a batch norm, nothing but that quarter is ever written
      backward   the gradients of dropout, pool, batch norm, ReLU and bias are two reads and one write of the images;
                 of a first layer (im2col, 2x2 windows) only the reads, and without a batch norm not even these
      kept       x, w, a byte per pooled pixel, and z = relu(conv2d(x)) for a batch norm: no normalised image, no mask
"""

from functools import partial
from typing import Any

from ..core.fuse import Rule
from .activation import relu
from .conv import conv2d
from .dense import dense
from .dropout import dropout
from .geometry import Pads, Pair
from .loss import scaled_sum, softmax_cross_entropy, summed_cross_entropy
from .norm import batch_norm, batch_norm_fixed
from .pool import max_pool
from .shape import zero_pad


def conv_block(be: Any, x: Any, w: Any, b: Any, gamma: Any, beta: Any, *, strides: Pair,
               pads: Pads, algorithm: str = "auto", eps: float = 1e-3,
               axis: int = -1, pool: Any = None, rate: float = 0.0, key: Any = None) -> tuple[Any, Any]:  # fmt: skip
    """y = dropout(max_pool(batch_norm(max(conv2d(x, w, b), 0)))) with the batch's own statistics: training only.

    x (N, H, W, C), w (KH, KW, C, O), b (O,) or None; gamma, beta (O,), or None, None: no batch norm.
    axis=1, with a pooling only: the batch norm is along the rows of the images, gamma, beta, mean and var are (OH,).
    pool: the window, strides and pads of max_pool, or None: no pooling, and then no dropout; rate, key: of the dropout.
    -> y (N, OH, OW, O), smaller by the pooling; aside: mean and var of the ReLU's output, (O,) or (OH,), or None, None.
    Shapes are not checked: the ops that a rule has replaced were, when they were written down.
    """
    normed, conv_args = gamma is not None, {"strides": strides, "pads": pads, "algorithm": algorithm}
    ending: Any = None if pool is None else {**pool, "rate": rate}
    mean = var = argmax = None
    if normed and axis == 1:
        z = be.conv2d(x, w, b, **conv_args, relu=True)
        mean, var = be.batch_norm_stats(z.reshape(*z.shape[:2], z.shape[2] * z.shape[3]))  # (N, OH, OW*O)
    elif normed:
        z, mean, var = be.conv2d(x, w, b, **conv_args, relu=True, stats=True)
    if normed and pool:
        y, argmax = be.batch_norm_max_pool(z, (mean, var, gamma, beta, eps, axis), pool={**ending, "key": key})
    elif normed:
        y = be.batch_norm(z.reshape(-1, z.shape[3], 1), mean, var, gamma, beta, eps=eps).reshape(z.shape)
    elif "conv2d_max_pool" not in be.fused:
        z_shape = (z := be.conv2d(x, w, b, **conv_args, relu=True)).shape
        y, argmax = be.max_pool(z, **ending, key=key)
    else:
        y, argmax = be.conv2d_max_pool(x, w, b, conv={**conv_args, "relu": True}, pool={**ending, "key": key})

    def vjp(dy, needs):
        if normed and needs[1] and not needs[0] and "batch_norm_conv2d_weight_grad" in be.fused:  # a first layer
            norm_args = dy, z, (mean, var, gamma, eps, axis), x, w.shape
            return None, *be.batch_norm_conv2d_weight_grad(*norm_args, conv=conv_args, argmax=argmax, pool=ending)
        if normed and pool:
            norm_args = dy, argmax, z, (mean, var, gamma, eps, axis)
            dz, dgamma, dbeta, db = be.batch_norm_max_pool_grad(*norm_args, pool=ending)
        elif normed:
            norm_args = dy.reshape(-1, z.shape[3], 1), z.reshape(-1, z.shape[3], 1), mean, var, gamma
            dz, dgamma, dbeta, db = be.batch_norm_grad(*norm_args, eps=eps, batch_stats=True, relu=True)
            dz = dz.reshape(z.shape)
        elif "conv2d_max_pool_grad" not in be.fused:
            dz, db = be.max_pool_grad(dy, argmax, z_shape, **ending, y=y)
        else:
            wanted = bool(needs[0]), bool(needs[1])
            dx, dw, db = be.conv2d_max_pool_grad(dy, argmax, y, x, w, conv=conv_args, pool=ending, needs=wanted)
            return dx, dw, db, None, None
        dx = be.conv2d_input_grad(dz, w, x.shape, **conv_args) if needs[0] else None
        dw = None
        if needs[1]:
            dw = (be if needs[1] is True else needs[1]).conv2d_weight_grad(x, dz, w.shape, **conv_args)
        return dx, dw, db, dgamma if normed else None, dbeta if normed else None

    return (y, mean, var), vjp


def dense_block(be: Any, x: Any, w: Any, b: Any, gamma: Any, beta: Any, *, eps: float = 1e-3, rate: float = 0.0,
                key: Any = None) -> tuple[Any, Any]:  # fmt: skip
    """y = dropout(batch_norm(max(dense(x, w, b), 0))) with the batch's own statistics: training only, on a device.

    x (N, I), w (I, O), b (O,) or None, gamma, beta (O,); rate, key: of the dropout, 0 for none.
    -> y (N, O); aside: mean and var of the ReLU's output, (O,).
    """
    z = be.dense(x, w, b, relu=True).reshape(len(x), -1, 1)
    mean, var = be.batch_norm_stats(z)
    if rate:
        y = be.batch_norm_dropout(z, mean, var, gamma, beta, eps=eps, rate=rate, key=key)
    else:
        y = be.batch_norm(z, mean, var, gamma, beta, eps=eps)

    def vjp(dy, needs):
        norm_args = dy.reshape(z.shape), z, mean, var, gamma
        if rate:
            dz, dgamma, dbeta, db = be.batch_norm_dropout_grad(*norm_args, eps=eps, rate=rate, key=key)
        else:
            dz, dgamma, dbeta, db = be.batch_norm_grad(*norm_args, eps=eps, batch_stats=True, relu=True)
        dz = dz.reshape(z.shape[:2])
        dx = be.dense_input_grad(dz, w) if needs[0] else None
        dw = (be if needs[1] is True else needs[1]).dense_weight_grad(x, dz) if needs[1] else None
        return dx, dw, db, dgamma, dbeta

    return (y.reshape(z.shape[:2]), mean, var), vjp


conv_block.placed = dense_block.placed = 1  # see core/program.py, Node


# without gradients ----------------------------------------------------------------------------------------------------


def conv2d_folded(be: Any, x: Any, w: Any, b: Any, gamma: Any, beta: Any, mean: Any, var: Any, *,
                  strides: Pair, pads: Pads, relu: bool = False,
                  algorithm: str = "auto", axis: int = -1, eps: float = 0.0, pool: dict[str, Any] | None = None,
                  kept: dict | None = None) -> tuple[Any, Any]:  # fmt: skip
    """y = max_pool(batch_norm_fixed(max(conv2d(x, w, b), 0))), the batch norm as the affine map that it is:

        y = scale max(x w + b, 0) + shift       scale = gamma / sqrt(var + eps),  shift = beta - mean scale

    relu, gamma (None) and pool (None) may be absent; axis=1, with a pooling only: along the rows of the images.
    scale and shift are a few hundred numbers: computed anew in every call, they cannot be out of date. kept: as the
    kernel's, for what it makes of w.
    """
    conv_args = {"strides": strides, "pads": pads, "relu": relu, "algorithm": algorithm}
    affine = _affine(be, gamma, beta, mean, var, eps, (-1,) if axis == -1 else (-1, 1, 1))
    if pool is None:
        return be.conv2d_folded(x, w, b, affine, conv=conv_args, kept=kept), None
    y, _ = be.conv2d_max_pool(x, w, b, conv={**conv_args, "affine": affine, "kept": kept}, pool=pool)
    return y, None


def dense_folded(be: Any, x: Any, w: Any, b: Any, gamma: Any, beta: Any, mean: Any, var: Any, *, relu: bool = False,
                 eps: float = 0.0) -> tuple[Any, Any]:  # fmt: skip
    """y = batch_norm_fixed(max(dense(x, w, b), 0)), folded as in conv2d_folded; relu and gamma may be absent."""
    y = be.dense(x.reshape(-1, x.shape[-1]), w, b, relu=relu, affine=_affine(be, gamma, beta, mean, var, eps, (-1,)))
    return y.reshape(*x.shape[:-1], y.shape[-1]), None


def _affine(be, gamma, beta, mean, var, eps, shape):
    if gamma is None:
        return None
    scale = gamma / be.xp.sqrt(var + eps)
    return tuple(be.asarray(vector, be.dtype).reshape(shape) for vector in (scale, beta - mean * scale))


# rules ----------------------------------------------------------------------------------------------------------------

OPS = {f.__name__: f.__wrapped__ for f in
       (zero_pad, conv2d, dense, relu, batch_norm, batch_norm_fixed, max_pool, dropout, softmax_cross_entropy,
        scaled_sum)}  # fmt: skip
IMAGE_AXES = {-1: -1, 3: -1, 1: 1, -3: 1}  # a batch norm's axis -> the kernels': along the channels, along the rows


def _product(found, name: str):
    """Of a chain around a product: (inputs, arguments, needs, shapes), its zeros and its ReLU taken in."""
    node = found[name]
    (first, *others), static = node.inputs, node.static | {"relu": node.static.get("relu", False) or "relu" in found}
    needs, shapes = node.needs, node.shapes
    if zeros := found.get("zero_pad"):
        pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(zeros.static["pads"], static["pads"], strict=True))
        first, static, needs, shapes = zeros.inputs[0], static | {"pads": pads}, (zeros.needs[0], *needs[1:]), (
            zeros.shapes[0], *shapes[1:])  # fmt: skip
    return (first, *others), static, needs, shapes


def _to_block(found, fused):
    """A convolution with a ReLU, and what follows, as training runs it."""
    (inputs, static, needs, shapes), last = _product(found, "conv2d"), list(found.values())[-1]
    norm, pool, drop = (found.get(name) for name in ("batch_norm", "max_pool", "dropout"))
    axis = IMAGE_AXES.get(norm.static["axis"]) if norm else -1
    if not static["relu"] or axis is None or (axis == 1 and not pool):
        return None
    if drop and (not pool or drop.static["rate"] == 1):
        return None
    if not (norm or pool):
        return last._replace(op=OPS["conv2d"], inputs=inputs, static=static, needs=needs, shapes=shapes)
    needed = {"batch_norm_max_pool", "batch_norm_max_pool_grad"} if norm and pool else set()
    if not fused or not needed <= fused:
        return None
    del static["relu"]
    more = (norm.inputs[1:], norm.needs[1:], norm.shapes[1:]) if norm else ((0, 0), (False, False), (None, None))
    static |= {"axis": axis, "eps": norm.static["eps"] if norm else None, "pool": dict(pool.static) if pool else None}
    static |= drop.static if drop else {}
    outputs = last.outputs[0], *(norm.outputs[1:] if norm else (0, 0))
    inputs, needs, shapes = (a + b for a, b in zip((inputs, needs, shapes), more, strict=True))
    block = {"inputs": inputs, "static": static, "needs": needs, "shapes": shapes, "outputs": outputs}
    return last._replace(op=conv_block, layer=found["conv2d"].layer, **block)


def _to_folded(op, name, found, fused):
    """A product and the affine map that a batch norm at rest is."""
    (inputs, static, needs, shapes), last = _product(found, name), list(found.values())[-1]
    norm, pool, product = found.get("batch_norm_fixed"), found.get("max_pool"), found[name]
    axes = IMAGE_AXES if name == "conv2d" else {-1: -1, len(product.shape) - 1: -1}
    axis = axes.get(norm.static["axis"]) if norm else -1
    if axis is None or (axis == 1 and not pool) or (pool and "conv2d_max_pool" not in fused):
        return None
    static |= {"eps": norm.static["eps"]} if norm else {}
    if name == "conv2d":
        static |= {"axis": axis, "pool": dict(pool.static) if pool else None, "kept": {}}
    more = (norm.inputs[1:], norm.needs[1:], norm.shapes[1:]) if norm else ((0,) * 4, (False,) * 4, (None,) * 4)
    inputs, needs, shapes = (a + b for a, b in zip((inputs, needs, shapes), more, strict=True))
    merged = {"inputs": inputs, "static": static, "needs": needs, "shapes": shapes, "outputs": last.outputs}
    return last._replace(op=op, layer=product.layer, **merged)


def _to_dense(found, fused):
    inputs, static, needs, shapes = _product(found, "dense")
    return found["relu"]._replace(op=OPS["dense"], inputs=inputs, static=static, needs=needs, shapes=shapes)


def _to_dense_block(found, fused):
    """A dense layer with a ReLU, and what follows, as training on a device runs it."""
    (inputs, static, needs, shapes), last = _product(found, "dense"), list(found.values())[-1]
    norm, drop = found.get("batch_norm"), found.get("dropout")
    if norm is None:
        return None
    flat = len(found["dense"].shape) == 2 and norm.static["axis"] in (1, -1)
    needed = {"batch_norm_dropout", "batch_norm_dropout_grad"}
    if not needed <= fused or not (flat and static["relu"]) or (drop and drop.static["rate"] == 1):
        return None
    static = {"eps": norm.static["eps"], **(drop.static if drop else {})}
    outputs = last.outputs[0], *norm.outputs[1:]
    more = norm.inputs[1:], norm.needs[1:], norm.shapes[1:]
    inputs, needs, shapes = (a + b for a, b in zip((inputs, needs, shapes), more, strict=True))
    block = {"inputs": inputs, "static": static, "needs": needs, "shapes": shapes, "outputs": outputs}
    return last._replace(op=dense_block, layer=found["dense"].layer, **block)


def _to_loss(found, fused):
    if "summed_cross_entropy" not in fused:
        return None
    of, last = found["softmax_cross_entropy"], found["scaled_sum"]
    return last._replace(op=summed_cross_entropy, inputs=of.inputs, needs=of.needs, shapes=of.shapes)


RULES = (
    Rule("zero_pad? conv2d relu? batch_norm? max_pool? dropout?", OPS, _to_block, training=True),
    Rule("dense relu? batch_norm dropout?", OPS, _to_dense_block, training=True),
    Rule("dense relu", OPS, _to_dense, training=True),
    Rule("softmax_cross_entropy scaled_sum", OPS, _to_loss, training=True),
    Rule("zero_pad? conv2d relu? batch_norm_fixed? max_pool?", OPS, partial(_to_folded, conv2d_folded, "conv2d"),
         inference=True, least=1),
    Rule("dense relu? batch_norm_fixed?", OPS, partial(_to_folded, dense_folded, "dense"), inference=True, least=1),
)  # fmt: skip
