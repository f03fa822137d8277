"""Depthwise and separable convolution layers. Their arithmetic is depthwise_conv2d in minicnn/ops/conv.py."""

from .. import initializers
from ..arguments import flag, whole
from ..errors import require
from ..ops.conv import conv2d, depthwise_conv2d
from ..ops.geometry import output_size, resolve_pads
from .base import Layer, channels_last, get_activation, image_shape, padding_name, pair
from .conv import dilated, dilation, reach


class _Depthwise(Layer):
    """What both have: windows of each channel alone, depth_multiplier of them."""

    def _windows(self, kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate):
        where = type(self).__name__
        self.kernel_size, self.strides = pair(f"{where}: kernel_size", kernel_size), pair(f"{where}: strides", strides)
        self.padding = padding_name(where, padding)
        self.depth_multiplier = whole(f"{where}: depth_multiplier", depth_multiplier)
        channels_last(where, data_format)
        self.dilation_rate = dilation(where, dilation_rate, self.strides)

    def follow(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        mine = self.windows.shape[2]
        require(channels == mine, self.name, f"images of {mine} channels", f"{channels} channels")
        return (*output_size(self.name, (h, w), self.reach, self.strides, self.pads_for((h, w))), self.channels)

    @property
    def reach(self):
        """How many px the window reaches over, dilated."""
        return reach(self.kernel_size, self.dilation_rate)

    def pads_for(self, size):
        """What "same" adds around images of `size` px."""
        return resolve_pads(self.padding, size, self.reach, self.strides)

    def _by_channel(self, x):
        kernel = dilated(self.windows, self.dilation_rate)
        return depthwise_conv2d(x, kernel, strides=self.strides, pads=self.pads_for(x.shape[1:3]))


class DepthwiseConv2D(_Depthwise):
    """depth_multiplier learned KH x KW windows for each channel alone, and no sum over channels.

    Images (N, H, W, C) -> (N, OH, OW, C M); kernel (KH, KW, C, M), M = depth_multiplier; filter m of channel c is
    output c M + m.
    Source: Chollet 2017, "Xception: Deep learning with depthwise separable convolutions".
    """

    config = ("kernel_size", "strides", "padding", "depth_multiplier", "dilation_rate", "activation", "use_bias",
              "depthwise_initializer", "bias_initializer")  # fmt: skip

    def __init__(self, kernel_size, strides=(1, 1), padding="valid", depth_multiplier=1, data_format=None,
                 dilation_rate=(1, 1), activation=None, use_bias=True, depthwise_initializer="glorot_uniform",
                 bias_initializer="zeros", **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        where = "DepthwiseConv2D"
        self._windows(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate)
        self.activation, self.use_bias = get_activation(where, activation), flag(f"{where}: use_bias", use_bias)
        self.depthwise_initializer = initializers.get(depthwise_initializer, f"{where}: depthwise_initializer")
        self.bias_initializer = initializers.get(bias_initializer, f"{where}: bias_initializer")

    windows = property(lambda self: self.kernel)
    channels = property(lambda self: self.kernel.shape[2] * self.kernel.shape[3])

    def build(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        output_size(self.name, (h, w), self.reach, self.strides, self.pads_for((h, w)))
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.add_weight("kernel", shape, self.depthwise_initializer)
        self.bias = self.add_weight("bias", (self.channels,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def call(self, x, *, training):
        y = self._by_channel(x)
        return self.activation(y if self.bias is None else y + self.bias)


class SeparableConv2D(_Depthwise):
    """A depthwise convolution, then `filters` sums over its channels: a 1x1 convolution.

    Images (N, H, W, C) -> (N, OH, OW, filters); depthwise_kernel (KH, KW, C, M), M = depth_multiplier, and
    pointwise_kernel (1, 1, C M, filters), which together are far fewer numbers than KH KW C filters.
    Source: Chollet 2017, "Xception: Deep learning with depthwise separable convolutions".
    """

    config = ("filters", "kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier", "activation",
              "use_bias", "depthwise_initializer", "pointwise_initializer", "bias_initializer")  # fmt: skip

    def __init__(self, filters, kernel_size, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1),
                 depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer="glorot_uniform",
                 pointwise_initializer="glorot_uniform", bias_initializer="zeros", **kwargs):  # fmt: skip
        super().__init__(**kwargs)
        where = "SeparableConv2D"
        self.filters = whole(f"{where}: filters", filters)
        self._windows(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate)
        self.activation, self.use_bias = get_activation(where, activation), flag(f"{where}: use_bias", use_bias)
        self.depthwise_initializer = initializers.get(depthwise_initializer, f"{where}: depthwise_initializer")
        self.pointwise_initializer = initializers.get(pointwise_initializer, f"{where}: pointwise_initializer")
        self.bias_initializer = initializers.get(bias_initializer, f"{where}: bias_initializer")

    windows = property(lambda self: self.depthwise_kernel)
    channels = property(lambda self: self.filters)

    def build(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        output_size(self.name, (h, w), self.reach, self.strides, self.pads_for((h, w)))
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self.add_weight("depthwise_kernel", shape, self.depthwise_initializer)
        shape = (1, 1, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self.add_weight("pointwise_kernel", shape, self.pointwise_initializer)
        self.bias = self.add_weight("bias", (self.filters,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def call(self, x, *, training):
        return self.activation(conv2d(self._by_channel(x), self.pointwise_kernel, self.bias))
