"""Training's way through the layers: neighbours that make a convolution block go through one op, ops/block.py.

      Conv2D with ReLU, or Conv2D -> Activation("relu")
          -> BatchNormalization along the channels       none, one or
          -> MaxPooling2D -> Dropout                     both of these lines

Layers of one's own, frozen batch norms and everything else are called one by one. The result is the same up to the
order in which sums are rounded; tests/training/test_blocks.py holds one against the other.
"""

from collections.abc import Callable, Iterator
from functools import partial

from ..core.tensor import Tensor
from ..layers import Activation, BatchNormalization, Conv2D, Dropout, Layer, MaxPooling2D
from ..ops.activation import linear, relu
from ..ops.block import conv_block

Step = Callable[[Tensor], Tensor]


def steps(layers: list[Layer], training: bool) -> Iterator[Step]:
    """What to do to x, one after the other, on the way through these layers; blocks in training only."""
    rest = list(layers)
    while rest:
        block = _block(rest) if training else None
        yield block.call if block else partial(rest[0].call, training=training)
        del rest[: len(block.layers) if block else 1]


class Block:
    """A convolution, its ReLU, and what follows of batch norm, pooling and dropout."""

    def __init__(self, layers, conv, norm, pool, dropout):
        self.layers, self.conv, self.norm, self.pool, self.dropout = layers, conv, norm, pool, dropout

    def call(self, x: Tensor) -> Tensor:
        conv, norm, pool, dropout = self.conv, self.norm, self.pool, self.dropout
        if not (norm or pool):
            return conv.preactivation(x, training=True, relu=True)
        y, *stats = conv_block(
            x, conv.kernel, conv.bias, *((norm.gamma, norm.beta) if norm else (None, None)),
            strides=conv.strides, pads=conv.pads, algorithm=conv.algorithm, eps=norm.epsilon if norm else None,
            pool={"window": pool.pool_size, "strides": pool.strides, "pads": pool.pads} if pool else None,
            rate=dropout.rate if dropout else 0.0, key=dropout.key() if dropout else None,
        )  # fmt: skip
        if norm:
            norm.batch_stats = stats
        return y


def _block(layers: list[Layer]) -> Block | None:
    """The block that the first layers make, if they make one."""
    rest = list(layers)

    def take(kind, fits=lambda layer: True):
        """The next layer, if it is exactly of that kind, with no `call` of its own."""
        here = rest and type(rest[0]) is kind and "call" not in vars(rest[0]) and fits(rest[0])
        return rest.pop(0) if here else None

    conv = take(Conv2D, lambda layer: layer.activation in (relu, linear))
    if conv is None or (conv.activation is linear and not take(Activation, lambda layer: layer.activation is relu)):
        return None
    norm = take(BatchNormalization, lambda layer: layer.trainable and layer.axis in (-1, 3))
    pool = take(MaxPooling2D)
    dropout = take(Dropout, lambda layer: layer.rate < 1) if pool else None
    used = layers[: len(layers) - len(rest)]
    return Block(used, conv, norm, pool, dropout) if len(used) > 1 else None
