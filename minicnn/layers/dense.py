"""The dense layer."""

from typing import Any, ClassVar

from .. import initializers
from ..aliases import ActivationLike, InitializerLike, Shape
from ..arguments import flag, whole
from ..core.tensor import Tensor
from ..errors import require
from ..ops.activation import relu
from ..ops.dense import dense
from .base import Layer, get_activation


class Dense(Layer):
    """y = activation(x kernel + bias).  x (N, ..., I) -> (N, ..., units); kernel (I, units).

    Arguments in Keras's order.
    """

    bound: ClassVar = {"kernel": "kernel", "bias": "bias"}
    config = ("units", "activation", "use_bias", "kernel_initializer", "bias_initializer")

    def __init__(self, units: int, activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self.units = whole("Dense: units", units)
        self.activation = get_activation("Dense", activation)
        self.use_bias = flag("Dense: use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer, "Dense: kernel_initializer")
        self.bias_initializer = initializers.get(bias_initializer, "Dense: bias_initializer")

    def build(self, input_shape: Shape) -> Shape:
        require(len(input_shape) >= 1, self.name, "samples of at least one axis", input_shape)
        self.kernel = self.add_weight("kernel", (input_shape[-1], self.units), self.kernel_initializer)
        self.bias = self.add_weight("bias", (self.units,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def follow(self, input_shape: Shape) -> Shape:
        wanted, received = self.kernel.shape[0], input_shape[-1] if input_shape else "no axis"
        require(received == wanted, self.name, f"samples whose last axis has {wanted} entries", received)
        return (*input_shape[:-1], self.units)

    def preactivation(self, x: Tensor, *, training: bool, relu: bool = False) -> Tensor:
        return dense(x, self.kernel, self.bias, relu=relu)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if self.activation is relu:
            return self.preactivation(x, training=training, relu=True)
        return self.activation(self.preactivation(x, training=training))
