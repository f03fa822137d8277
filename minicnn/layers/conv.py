"""The convolution layer. Its arithmetic, forward and backward, is minicnn/ops/conv.py."""

from .. import initializers
from ..arguments import choice, flag, shown, whole
from ..errors import ArgumentError, one_of, require
from ..ops.activation import relu
from ..ops.conv import conv2d
from ..ops.geometry import output_size, resolve_pads
from .base import Layer, channels_last, get_activation, image_shape, padding_name, pair


class Conv2D(Layer):
    """`filters` learned KH x KW windows.  Images (N, H, W, C) -> (N, OH, OW, filters); kernel (KH, KW, C, filters).

    Arguments in Keras's order. A ReLU activation runs in the convolution's epilogue.
    algorithm: "auto" lets the kernels choose by the shapes; "im2col"; "winograd" (stride 1, 2x2, 3x3 or 5x5 windows):
    fewer multiplications, rounding errors up to fifteen times as large.
    Differs from Keras: dilation_rate and groups other than 1 are errors; regularizers and constraints do not exist;
    algorithm is ours.
    """

    config = ("filters", "kernel_size", "strides", "padding", "activation", "use_bias", "kernel_initializer",
              "bias_initializer", "algorithm")  # fmt: skip

    def __init__(self, filters, kernel_size, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1),
                 groups=1, activation=None, use_bias=True, kernel_initializer="glorot_uniform",
                 bias_initializer="zeros", *, algorithm="auto", **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters = whole("Conv2D: filters", filters)
        self.kernel_size = pair("Conv2D: kernel_size", kernel_size)
        self.strides = pair("Conv2D: strides", strides)
        self.padding = padding_name("Conv2D", padding)
        channels_last("Conv2D", data_format)
        dense = pair("Conv2D: dilation_rate", dilation_rate) == (1, 1)
        require(dense, "Conv2D: dilation_rate", "1", shown(dilation_rate), error=ArgumentError)
        choice("Conv2D: groups", groups, (1,))
        self.activation = get_activation("Conv2D", activation)
        self.use_bias = flag("Conv2D: use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer, "Conv2D: kernel_initializer")
        self.bias_initializer = initializers.get(bias_initializer, "Conv2D: bias_initializer")
        self.algorithm = one_of("Conv2D: algorithm", algorithm, ("auto", "im2col", "winograd"))
        require(
            algorithm != "winograd" or (self.strides == (1, 1) and self.kernel_size in ((2, 2), (3, 3), (5, 5))),
            "Conv2D: algorithm", "strides (1, 1) and kernel_size (2, 2), (3, 3) or (5, 5) for 'winograd'",
            f"strides {self.strides} and kernel_size {self.kernel_size}", 'use algorithm="auto"', error=ArgumentError,
        )  # fmt: skip

    def build(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        output_size(self.name, (h, w), self.kernel_size, self.strides, self.pads_for((h, w)))
        self.kernel = self.add_weight("kernel", (*self.kernel_size, channels, self.filters), self.kernel_initializer)
        self.bias = self.add_weight("bias", (self.filters,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def follow(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        mine = self.kernel.shape[2]
        require(channels == mine, self.name, f"images of {mine} channels", f"{channels} channels")
        return (*output_size(self.name, (h, w), self.kernel_size, self.strides, self.pads_for((h, w))), self.filters)

    def pads_for(self, size):
        """What "same" adds around images of `size` px."""
        return resolve_pads(self.padding, size, self.kernel_size, self.strides)

    @property
    def pads(self):
        """For images of the size that the layer was built for."""
        return self.pads_for(self.input_shape[:2])

    def preactivation(self, x, *, training, relu=False):
        pads = self.pads_for(x.shape[1:3])
        return conv2d(x, self.kernel, self.bias, strides=self.strides, pads=pads, relu=relu, algorithm=self.algorithm)

    def call(self, x, *, training):
        if self.activation is relu:
            return self.preactivation(x, training=training, relu=True)
        return self.activation(self.preactivation(x, training=training))
