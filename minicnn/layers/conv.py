"""The convolution layer. Its arithmetic, forward and backward, is minicnn/ops/conv.py."""

from .. import initializers
from ..arguments import flag, whole
from ..errors import ArgumentError, one_of, require
from ..ops.activation import relu
from ..ops.conv import dilate, grouped_conv2d
from ..ops.geometry import output_size, resolve_pads
from .base import Layer, channels_last, get_activation, image_shape, padding_name, pair


class Conv2D(Layer):
    """`filters` learned KH x KW windows.  Images (N, H, W, C) -> (N, OH, OW, filters); kernel (KH, KW, C, filters).

    Arguments in Keras's order. A ReLU activation runs in the convolution's epilogue.
    algorithm: "auto" lets the kernels choose by the shapes; "im2col"; "winograd" (stride 1, 2x2, 3x3 or 5x5 windows):
    fewer multiplications, rounding errors up to fifteen times as large.
    dilation_rate: the window's cells lie so many px apart.  groups: filters of part g see the channels of part g alone,
    kernel (KH, KW, C / groups, filters).
    Differs from Keras: algorithm is ours.
    """

    config = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "activation", "use_bias",
              "kernel_initializer", "bias_initializer", "algorithm")  # fmt: skip

    def __init__(self, filters, kernel_size, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1),
                 groups=1, activation=None, use_bias=True, kernel_initializer="glorot_uniform",
                 bias_initializer="zeros", *, algorithm="auto", **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        self.filters = whole("Conv2D: filters", filters)
        self.kernel_size = pair("Conv2D: kernel_size", kernel_size)
        self.strides = pair("Conv2D: strides", strides)
        self.padding = padding_name("Conv2D", padding)
        channels_last("Conv2D", data_format)
        self.dilation_rate = dilation("Conv2D", dilation_rate, self.strides)
        self.groups = whole("Conv2D: groups", groups)
        divides, expected = self.filters % self.groups == 0, f"a divisor of the {self.filters} filters"
        require(divides, "Conv2D: groups", expected, groups, error=ArgumentError)
        self.activation = get_activation("Conv2D", activation)
        self.use_bias = flag("Conv2D: use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer, "Conv2D: kernel_initializer")
        self.bias_initializer = initializers.get(bias_initializer, "Conv2D: bias_initializer")
        self.algorithm = one_of("Conv2D: algorithm", algorithm, ("auto", "im2col", "winograd"))
        require(
            algorithm != "winograd" or (self.strides == (1, 1) and self.window in ((2, 2), (3, 3), (5, 5))),
            "Conv2D: algorithm", "strides (1, 1) and kernel_size (2, 2), (3, 3) or (5, 5) for 'winograd'",
            f"strides {self.strides} and kernel_size {self.window}", 'use algorithm="auto"', error=ArgumentError,
        )  # fmt: skip

    def build(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        output_size(self.name, (h, w), self.window, self.strides, self.pads_for((h, w)))
        expected = f"images whose channels are a multiple of {self.groups} groups"
        require(channels % self.groups == 0, self.name, expected, f"{channels} channels")
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_weight("kernel", shape, self.kernel_initializer)
        self.bias = self.add_weight("bias", (self.filters,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def follow(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        mine = self.kernel.shape[2] * self.groups
        require(channels == mine, self.name, f"images of {mine} channels", f"{channels} channels")
        return (*output_size(self.name, (h, w), self.window, self.strides, self.pads_for((h, w))), self.filters)

    @property
    def window(self):
        """How many px the window reaches over, dilated."""
        return reach(self.kernel_size, self.dilation_rate)

    def pads_for(self, size):
        """What "same" adds around images of `size` px."""
        return resolve_pads(self.padding, size, self.window, self.strides)

    @property
    def pads(self):
        """For images of the size that the layer was built for."""
        return self.pads_for(self.input_shape[:2])

    def preactivation(self, x, *, training, relu=False):
        pads = self.pads_for(x.shape[1:3])
        kernel = dilated(self.kernel, self.dilation_rate)
        return grouped_conv2d(x, kernel, self.bias, groups=self.groups, strides=self.strides, pads=pads, relu=relu,
                              algorithm=self.algorithm)  # fmt: skip

    def call(self, x, *, training):
        if self.activation is relu:
            return self.preactivation(x, training=training, relu=True)
        return self.activation(self.preactivation(x, training=training))


def dilation(where, rate, strides):
    """dilation_rate as a pair.  Raises ArgumentError where it and strides are both more than 1, as in Keras."""
    rate = pair(f"{where}: dilation_rate", rate)
    ok = rate == (1, 1) or strides == (1, 1)
    expected = "1 where strides are more than 1"
    require(ok, f"{where}: dilation_rate", expected, rate, "use strides=1", error=ArgumentError)
    return rate


def reach(window, rate):
    """(k - 1) d + 1: how many px a window of k cells, d px apart, reaches over."""
    return tuple((k - 1) * d + 1 for k, d in zip(window, rate, strict=True))


def dilated(kernel, rate):
    return kernel if rate == (1, 1) else dilate(kernel, rate=rate)
