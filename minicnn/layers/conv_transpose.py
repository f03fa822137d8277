"""The transposed convolution layer. Its arithmetic is conv2d_transpose in minicnn/ops/conv.py."""

from .. import initializers
from ..arguments import choice, flag, whole
from ..errors import ArgumentError, require
from ..ops.conv import conv2d_transpose
from ..ops.geometry import resolve_pads
from .base import Layer, channels_last, get_activation, image_shape, padding_name, pair


class Conv2DTranspose(Layer):
    """A convolution backwards: `filters` learned KH x KW windows are added up, strides apart, into a larger image.

    Images (N, H, W, C) -> (N, OH, OW, filters); kernel (KH, KW, filters, C).
    padding "same": OH = H SH;  "valid": OH = H SH + max(KH - SH, 0).
    Differs from Keras: output_padding None, dilation_rate 1 and groups 1 are the only ones.
    """

    config = ("filters", "kernel_size", "strides", "padding", "activation", "use_bias", "kernel_initializer",
              "bias_initializer")  # fmt: skip

    def __init__(self, filters, kernel_size, strides=(1, 1), padding="valid", output_padding=None, data_format=None,
                 dilation_rate=(1, 1), activation=None, use_bias=True, kernel_initializer="glorot_uniform",
                 bias_initializer="zeros", **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        where = "Conv2DTranspose"
        self.filters = whole(f"{where}: filters", filters)
        self.kernel_size, self.strides = pair(f"{where}: kernel_size", kernel_size), pair(f"{where}: strides", strides)
        self.padding = padding_name(where, padding)
        channels_last(where, data_format)
        choice(f"{where}: output_padding", output_padding, (None,))
        ok = pair(f"{where}: dilation_rate", dilation_rate) == (1, 1)
        require(ok, f"{where}: dilation_rate", "1", dilation_rate, error=ArgumentError)
        self.activation, self.use_bias = get_activation(where, activation), flag(f"{where}: use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer, f"{where}: kernel_initializer")
        self.bias_initializer = initializers.get(bias_initializer, f"{where}: bias_initializer")

    def build(self, input_shape):
        *_, channels = image_shape(self.name, input_shape)
        shape = (*self.kernel_size, self.filters, channels)
        self.kernel = self.add_weight("kernel", shape, self.kernel_initializer)
        self.bias = self.add_weight("bias", (self.filters,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def follow(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        mine = self.kernel.shape[3]
        require(channels == mine, self.name, f"images of {mine} channels", f"{channels} channels")
        return (*self.larger((h, w)), self.filters)

    def larger(self, size):
        """The size of the output for images of `size`."""
        more = [0 if self.padding == "same" else max(k - s, 0)
                for k, s in zip(self.kernel_size, self.strides, strict=True)]  # fmt: skip
        return tuple(n * s + m for n, s, m in zip(size, self.strides, more, strict=True))

    def call(self, x, *, training):
        size = self.larger(x.shape[1:3])
        pads = resolve_pads(self.padding, size, self.kernel_size, self.strides)
        return self.activation(conv2d_transpose(x, self.kernel, self.bias, size=size, strides=self.strides, pads=pads))
