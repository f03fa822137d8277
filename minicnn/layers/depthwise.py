"""Depthwise and separable convolution layers. Their arithmetic is depthwise_conv2d in minicnn/ops/conv.py."""

from typing import Any, ClassVar

from .. import initializers
from ..aliases import ActivationLike, InitializerLike, Ints, Shape
from ..arguments import flag, whole
from ..core.tensor import Parameter, Tensor
from ..errors import require
from ..ops.conv import conv2d, depthwise_conv2d
from ..ops.geometry import Pads, Pair, output_size, resolve_pads
from .base import get_activation, image_shape, padding_name
from .conv import dilated, dilation, reach
from .images import Images


class _Depthwise(Images):
    """What both have: windows of each channel alone, depth_multiplier of them."""

    @property
    def windows(self) -> Parameter:
        """(KH, KW, C, M), or of sequences (K, C, M)."""
        raise NotImplementedError

    @property
    def channels(self) -> int:
        """Of the output."""
        raise NotImplementedError

    def _windows(self, kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate):
        where = type(self).__name__
        self.kernel_size = self._both(f"{where}: kernel_size", kernel_size)
        self.strides = self._both(f"{where}: strides", strides)
        self.padding = padding_name(where, padding)
        self.depth_multiplier = whole(f"{where}: depth_multiplier", depth_multiplier)
        self._order(data_format)
        self.dilation_rate = dilation(where, self._both(f"{where}: dilation_rate", dilation_rate), self.strides)

    def follow(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        mine = self.windows.shape[-2]
        require(channels == mine, self.name, f"{self.what} of {mine} channels", f"{channels} channels")
        return (*self._size((h, w)), self.channels)

    def _size(self, size):
        return output_size(self.name, size, self.reach, self._wide(self.strides), self.pads_for(size))

    @property
    def reach(self) -> Pair:
        """How many px the window reaches over, dilated."""
        return reach(self._wide(self.kernel_size), self._wide(self.dilation_rate))

    def pads_for(self, size: Pair) -> Pads:
        """What "same" adds around images of `size` px."""
        return resolve_pads(self.padding, size, self.reach, self._wide(self.strides))

    def _by_channel(self, x):
        kernel = dilated(self._image_kernel(self.windows), self._wide(self.dilation_rate))
        return depthwise_conv2d(x, kernel, strides=self._wide(self.strides), pads=self.pads_for(x.shape[1:3]))


class _DepthwiseConv(_Depthwise):
    bound: ClassVar = {"depthwise": "kernel", "bias": "bias"}
    config = ("kernel_size", "strides", "padding", "depth_multiplier", "data_format", "dilation_rate", "activation",
              "use_bias", "depthwise_initializer", "bias_initializer")  # fmt: skip

    def _set_up(self, kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias,
                depthwise_initializer, bias_initializer):  # fmt: skip
        where = type(self).__name__
        self._windows(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate)
        self.activation, self.use_bias = get_activation(where, activation), flag(f"{where}: use_bias", use_bias)
        self.depthwise_initializer = initializers.get(depthwise_initializer, f"{where}: depthwise_initializer")
        self.bias_initializer = initializers.get(bias_initializer, f"{where}: bias_initializer")

    @property
    def windows(self) -> Parameter:
        return self.kernel

    @property
    def channels(self) -> int:
        return self.kernel.shape[-2] * self.kernel.shape[-1]

    def build(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        self._size((h, w))
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = self.add_weight("kernel", shape, self.depthwise_initializer)
        self.bias = self.add_weight("bias", (self.channels,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        y = self._by_channel(x)
        return self.activation(y if self.bias is None else y + self.bias)


class DepthwiseConv2D(_DepthwiseConv):
    """depth_multiplier learned KH x KW windows for each channel alone, and no sum over channels.

    Images (N, H, W, C) -> (N, OH, OW, C M); kernel (KH, KW, C, M), M = depth_multiplier; filter m of channel c is
    output c M + m.
    Source: Chollet 2017, "Xception: Deep learning with depthwise separable convolutions".
    """

    def __init__(self, kernel_size: Ints, strides: Ints = (1, 1), padding: str = "valid", depth_multiplier: int = 1,
                 data_format: str | None = None, dilation_rate: Ints = (1, 1), activation: ActivationLike = None,
                 use_bias: bool = True, depthwise_initializer: InitializerLike = "glorot_uniform",
                 bias_initializer: InitializerLike = "zeros", **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias,
                     depthwise_initializer, bias_initializer)  # fmt: skip


class DepthwiseConv1D(_DepthwiseConv):
    """DepthwiseConv2D of sequences (N, L, C) -> (N, OL, C M); kernel (K, C, M)."""

    rank = 1

    def __init__(self, kernel_size: Ints, strides: Ints = 1, padding: str = "valid", depth_multiplier: int = 1,
                 data_format: str | None = None, dilation_rate: Ints = 1, activation: ActivationLike = None,
                 use_bias: bool = True, depthwise_initializer: InitializerLike = "glorot_uniform",
                 bias_initializer: InitializerLike = "zeros", **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation, use_bias,
                     depthwise_initializer, bias_initializer)  # fmt: skip


class _SeparableConv(_Depthwise):
    bound: ClassVar = {"depthwise": "depthwise_kernel", "pointwise": "pointwise_kernel", "bias": "bias"}
    config = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier",
              "activation", "use_bias", "depthwise_initializer", "pointwise_initializer",
              "bias_initializer")  # fmt: skip

    def _set_up(self, filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier, activation,
                use_bias, depthwise_initializer, pointwise_initializer, bias_initializer):  # fmt: skip
        where = type(self).__name__
        self.filters = whole(f"{where}: filters", filters)
        self._windows(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate)
        self.activation, self.use_bias = get_activation(where, activation), flag(f"{where}: use_bias", use_bias)
        self.depthwise_initializer = initializers.get(depthwise_initializer, f"{where}: depthwise_initializer")
        self.pointwise_initializer = initializers.get(pointwise_initializer, f"{where}: pointwise_initializer")
        self.bias_initializer = initializers.get(bias_initializer, f"{where}: bias_initializer")

    @property
    def windows(self) -> Parameter:
        return self.depthwise_kernel

    @property
    def channels(self) -> int:
        return self.filters

    def build(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        self._size((h, w))
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = self.add_weight("depthwise_kernel", shape, self.depthwise_initializer)
        shape = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = self.add_weight("pointwise_kernel", shape, self.pointwise_initializer)
        self.bias = self.add_weight("bias", (self.filters,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return self.activation(conv2d(self._by_channel(x), self._image_kernel(self.pointwise_kernel), self.bias))


class SeparableConv2D(_SeparableConv):
    """A depthwise convolution, then `filters` sums over its channels: a 1x1 convolution.

    Images (N, H, W, C) -> (N, OH, OW, filters); depthwise_kernel (KH, KW, C, M), M = depth_multiplier, and
    pointwise_kernel (1, 1, C M, filters), which together are far fewer numbers than KH KW C filters.
    Source: Chollet 2017, "Xception: Deep learning with depthwise separable convolutions".
    """

    def __init__(self, filters: int, kernel_size: Ints, strides: Ints = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Ints = (1, 1), depth_multiplier: int = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 depthwise_initializer: InitializerLike = "glorot_uniform",
                 pointwise_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier, activation,
                     use_bias, depthwise_initializer, pointwise_initializer, bias_initializer)  # fmt: skip


class SeparableConv1D(_SeparableConv):
    """SeparableConv2D of sequences (N, L, C) -> (N, OL, filters); kernels (K, C, M) and (1, C M, filters)."""

    rank = 1

    def __init__(self, filters: int, kernel_size: Ints, strides: Ints = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Ints = 1, depth_multiplier: int = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 depthwise_initializer: InitializerLike = "glorot_uniform",
                 pointwise_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier, activation,
                     use_bias, depthwise_initializer, pointwise_initializer, bias_initializer)  # fmt: skip
