"""The transposed convolution layer. Its arithmetic is conv2d_transpose in minicnn/ops/conv.py."""

from .. import initializers
from ..arguments import choice, flag, whole
from ..errors import require
from ..ops.conv import conv2d_transpose
from ..ops.geometry import resolve_pads
from .base import Layer, channels_last, get_activation, image_shape, padding_name, pair
from .conv import dilated, dilation, reach


class Conv2DTranspose(Layer):
    """A convolution backwards: `filters` learned KH x KW windows are added up, strides apart, into a larger image.

    Images (N, H, W, C) -> (N, OH, OW, filters); kernel (KH, KW, filters, C).
    padding "same": OH = H SH;  "valid": OH = H SH + max(KH - SH, 0), with KH what the dilated window reaches over.
    Differs from Keras: output_padding None is the only one; dilation needs strides of 1.
    """

    config = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "activation", "use_bias",
              "kernel_initializer", "bias_initializer")  # fmt: skip

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
        self.dilation_rate = dilation(where, dilation_rate, self.strides)
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

    @property
    def window(self):
        """How many px the window reaches over, dilated."""
        return reach(self.kernel_size, self.dilation_rate)

    def larger(self, size):
        """The size of the output for images of `size`."""
        more = [0 if self.padding == "same" else max(k - s, 0)
                for k, s in zip(self.window, self.strides, strict=True)]  # fmt: skip
        return tuple(n * s + m for n, s, m in zip(size, self.strides, more, strict=True))

    def call(self, x, *, training):
        size = self.larger(x.shape[1:3])
        pads = resolve_pads(self.padding, size, self.window, self.strides)
        kernel = dilated(self.kernel, self.dilation_rate)
        return self.activation(conv2d_transpose(x, kernel, self.bias, size=size, strides=self.strides, pads=pads))
