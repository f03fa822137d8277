"""The way to a prediction: no tape, and what stands around a convolution or a dense layer costs no pass of its own.

      ZeroPadding2D ->  Conv2D  -> Activation("relu") -> BatchNormalization -> MaxPooling2D
                         Dense  -> Activation("relu") -> BatchNormalization

becomes one kernel call; all but Conv2D and Dense may be absent, and the ReLU may be theirs. The zeros around an image
are the convolution's own padding. A batch norm that uses its moving averages is an affine map,

      y = scale max(x w + b, 0) + shift        scale = gamma / sqrt(variance + eps),  shift = beta - mean scale

with a scale and a shift for every channel, or, where a pooling follows, for every row of the images (axis=1).

Scale and shift are a few hundred numbers, computed anew for every call from the weights as they are: nothing has to be
rebuilt after fit, set_weights or load_weights, and nothing that could be out of date.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from ..core.tensor import Tensor
from ..layers import BatchNormalization, Conv2D, Dense, Layer, MaxPooling2D, ZeroPadding2D
from .blocks import all_pads, pooling, take, take_product

Step = Callable  # array -> array


class Product(NamedTuple):
    """A layer that multiplies, and what its kernel does besides."""

    zeros: ZeroPadding2D | None
    layer: Conv2D | Dense
    relu: bool
    norm: BatchNormalization | None
    pool: MaxPooling2D | None


def steps(model, *, logits: bool) -> list[Step]:
    """What to do to an array of inputs, one after the other.  logits: stop before the last layer's activation."""
    made, rest = [], list(model.layers)
    last = rest.pop() if logits else None
    while rest:
        product = _product(rest)
        made.append(_step(product) if product else _through(rest[0], rest.pop(0).call))
    return [*made, _through(last, last.preactivation)] if logits else made


def _through(layer: Layer, call) -> Step:
    return lambda x: call(Tensor.of(x, layer.be, None), training=False).data


def _product(layers: list[Layer]) -> Product | None:
    """The product that the first layers make, if they make one; they are taken away."""
    rest = list(layers)
    zeros, layer, relu = take_product(rest, Conv2D, Dense)
    if layer is None:
        return None
    norm = take(rest, BatchNormalization, lambda norm: norm.axis in (-1, len(norm.input_shape)))
    pool = None
    if type(layer) is Conv2D:
        after = rest.copy()
        by_row = None if norm else take(after, BatchNormalization, lambda norm: norm.axis in (1, -3))
        pool = take(after, MaxPooling2D)
        if pool:
            rest, norm = after, norm or by_row
    del layers[: len(layers) - len(rest)]
    return Product(zeros, layer, relu, norm, pool)


def _affine(norm: BatchNormalization | None):
    """A batch norm with its moving averages as scale and shift, (C,) both, or (H, 1, 1) for the rows of images."""
    if norm is None:
        return None
    be = norm.be
    gamma, beta = (w.data if isinstance(w, Tensor) else w for w in (norm.gamma, norm.beta))
    scale = gamma / be.xp.sqrt(norm.moving_variance.data + norm.epsilon)
    shift = beta - norm.moving_mean.data * scale
    shape = (-1,) if norm.axis in (-1, len(norm.input_shape)) else (-1, 1, 1)
    return tuple(be.asarray(vector, be.dtype).reshape(shape) for vector in (scale, shift))


def _step(product: Product) -> Step:
    layer, pool, be = product.layer, product.pool, product.layer.be
    w, b = layer.kernel.data, None if layer.bias is None else layer.bias.data
    how = {"relu": product.relu, "affine": _affine(product.norm)}
    if type(layer) is Conv2D:
        how |= {"strides": layer.strides, "pads": all_pads(product.zeros, layer), "algorithm": layer.algorithm}
        if pool is None:
            return lambda x: be.conv2d(x, w, b, **how)
        return lambda x: be.conv2d_max_pool(x, w, b, pool=pooling(pool), **how)[0]
    return partial(_dense, be, w, b, how)


def _dense(be, w, b, how, x):
    y = be.dense(x.reshape(-1, x.shape[-1]), w, b, **how)
    return y.reshape(*x.shape[:-1], y.shape[-1])
