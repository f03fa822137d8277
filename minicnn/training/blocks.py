"""Training's way through the layers: neighbours that make a convolution block go through one op, ops/block.py.

      ZeroPadding2D                                      or none: the zeros are the convolution's own padding
          -> Conv2D with ReLU, or Conv2D -> Activation("relu")
          -> BatchNormalization along the channels       none, one or both of these lines; with the
          -> MaxPooling2D -> Dropout                     pooling the batch norm may be along the rows

So does Dense -> Activation("relu"), through ops/dense.py.
Layers of one's own, frozen batch norms and everything else are called one by one. The result is the same up to the
order in which sums are rounded; tests/training/test_blocks.py holds one against the other.
"""

from collections.abc import Callable, Iterator
from functools import partial

from ..core.tensor import Tensor
from ..layers import Activation, BatchNormalization, Conv2D, Dense, Dropout, Layer, MaxPooling2D, ZeroPadding2D
from ..ops.activation import linear, relu
from ..ops.block import conv_block
from ..ops.conv import conv2d

Step = Callable[[Tensor], Tensor]
ROWS = (1, -3)  # the axis of a batch norm along the rows of the images


def steps(layers: list[Layer], training: bool) -> Iterator[Step]:
    """What to do to x, one after the other, on the way through these layers; blocks in training only."""
    rest = list(layers)
    while rest:
        block = (_block(rest) or _dense_relu(rest)) if training else None
        yield block.call if block else partial(rest[0].call, training=training)
        del rest[: len(block.layers) if block else 1]


class Block:
    """A convolution, zeros around its images, its ReLU, and what follows of batch norm, pooling and dropout."""

    def __init__(self, layers, zeros, conv, norm, pool, dropout):
        self.layers, self.norm, self.dropout, self.alone = layers, norm, dropout, not (norm or pool)
        self.weights = conv.kernel, conv.bias, *((norm.gamma, norm.beta) if norm else (None, None))
        self.how = {"strides": conv.strides, "pads": all_pads(zeros, conv), "algorithm": conv.algorithm}
        if not self.alone:
            self.how |= {"axis": 1 if norm and norm.axis in ROWS else -1, "eps": norm.epsilon if norm else None,
                         "pool": pooling(pool) if pool else None, "rate": dropout.rate if dropout else 0.0}  # fmt: skip

    def call(self, x: Tensor) -> Tensor:
        if self.alone:
            return conv2d(x, *self.weights[:2], **self.how, relu=True)
        y, *stats = conv_block(x, *self.weights, **self.how, key=self.dropout.key() if self.dropout else None)
        if self.norm:
            self.norm.batch_stats = stats
        return y


def _block(layers: list[Layer]) -> Block | None:
    """The block that the first layers make, if they make one."""
    rest = list(layers)
    zeros, conv, bends = take_product(rest, Conv2D)
    if not bends:
        return None
    norm = take(rest, BatchNormalization, lambda layer: layer.trainable and layer.axis in (-1, 3))
    after = rest.copy()
    by_row = None if norm else take(after, BatchNormalization, lambda layer: layer.trainable and layer.axis in ROWS)
    pool = take(after, MaxPooling2D)
    if pool:
        rest, norm = after, norm or by_row
    dropout = take(rest, Dropout, lambda layer: layer.rate < 1) if pool else None
    used = layers[: len(layers) - len(rest)]
    return Block(used, zeros, conv, norm, pool, dropout) if len(used) > 1 else None


class DenseRelu:
    """A dense layer and the Activation("relu") after it: one pass, and the bias gradient with the ReLU's."""

    def __init__(self, dense, activation):
        self.layers, self.dense = [dense, activation], dense

    def call(self, x: Tensor) -> Tensor:
        return self.dense.preactivation(x, training=True, relu=True)


def _dense_relu(layers: list[Layer]) -> DenseRelu | None:
    rest = list(layers)
    bends = take_product(rest, Dense)[2]
    return DenseRelu(*layers[:2]) if bends and len(layers) - len(rest) == 2 else None


def take(rest: list[Layer], kind: type[Layer], fits=lambda layer: True) -> Layer | None:
    """The next layer, taken away, if it fits and is exactly of that kind, with no `call` of its own; else None."""
    here = rest and type(rest[0]) is kind and "call" not in vars(rest[0]) and fits(rest[0])
    return rest.pop(0) if here else None


def take_product(rest: list[Layer], *kinds: type[Layer]):
    """(zero padding or None, a layer of these kinds that is linear or a ReLU, whether a ReLU comes at its end).

    All are taken away, with an Activation("relu") that makes a linear layer a ReLU. (None, None, False): there is none.
    """
    left = list(rest)
    zeros = take(left, ZeroPadding2D) if len(left) > 1 and type(left[1]) is Conv2D else None
    found = (take(left, kind, lambda layer: layer.activation in (relu, linear)) for kind in kinds)
    layer = next((layer for layer in found if layer), None)
    if layer is None:
        return None, None, False
    bends = layer.activation is relu or bool(take(left, Activation, lambda layer: layer.activation is relu))
    del rest[: len(rest) - len(left)]
    return zeros, layer, bends


def all_pads(zeros: ZeroPadding2D | None, conv: Conv2D):
    """The convolution's pads, with those of a padding before it."""
    if zeros is None:
        return conv.pads
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(zeros.padding, conv.pads, strict=True))


def pooling(pool: MaxPooling2D) -> dict:
    """The arguments of the kernels."""
    return {"window": pool.pool_size, "strides": pool.strides, "pads": pool.pads}
