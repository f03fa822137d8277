"""The way to a prediction: no tape, and a batch norm costs no pass of its own.

      Conv2D or Dense, linear or ReLU  ->  BatchNormalization along the last axis

becomes one kernel call with the moving averages in its epilogue:

      y = scale max(x w + b, 0) + shift        scale = gamma / sqrt(variance + eps),  shift = beta - mean scale

Scale and shift are a few hundred numbers, computed anew for every call from the weights as they are: nothing has to be
rebuilt after fit, set_weights or load_weights, and nothing that could be out of date.
"""

import itertools
from collections.abc import Callable

from ..core.tensor import Tensor
from ..layers import BatchNormalization, Conv2D, Dense, Layer
from ..ops.activation import linear, relu

Step = Callable  # array -> array


def steps(model, *, logits: bool) -> list[Step]:
    """What to do to an array of inputs, one after the other.  logits: stop before the last layer's activation."""
    made, layers = [], list(model.layers)
    pairs = itertools.pairwise([*layers, None])
    for layer, following in pairs:
        if logits and following is None:
            made.append(_through(layer, layer.preactivation))
        elif _takes_epilogue(layer, following):
            made.append(_product(layer, _affine(following)))
            next(pairs)
        else:
            made.append(_through(layer, layer.call))
    return made


def _through(layer: Layer, call) -> Step:
    return lambda x: call(Tensor.of(x, layer.be, None), training=False).data


def _takes_epilogue(layer: Layer, following: Layer | None) -> bool:
    if type(layer) not in (Conv2D, Dense) or layer.activation not in (relu, linear):
        return False
    return type(following) is BatchNormalization and following.axis in (-1, len(following.input_shape))


def _affine(norm: BatchNormalization):
    """scale (C,), shift (C,) of a batch norm that uses its moving averages."""
    be = norm.be
    gamma, beta = (w.data if isinstance(w, Tensor) else w for w in (norm.gamma, norm.beta))
    scale = gamma / be.xp.sqrt(norm.moving_variance.data + norm.epsilon)
    shift = beta - norm.moving_mean.data * scale
    return be.asarray(scale, be.dtype), be.asarray(shift, be.dtype)


def _product(layer: Conv2D | Dense, affine) -> Step:
    be, w, b = layer.be, layer.kernel.data, None if layer.bias is None else layer.bias.data
    floor = layer.activation is relu
    if type(layer) is Conv2D:
        how = {"strides": layer.strides, "pads": layer.pads, "algorithm": layer.algorithm}
        return lambda x: be.conv2d(x, w, b, relu=floor, affine=affine, **how)

    def product(x):
        y = be.dense(x.reshape(-1, x.shape[-1]), w, b, relu=floor, affine=affine)
        return y.reshape(*x.shape[:-1], y.shape[-1])

    return product
