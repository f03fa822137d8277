"""The convolution layer. Its arithmetic, forward and backward, is minicnn/ops/conv.py."""

from typing import Any, ClassVar

from .. import initializers
from ..aliases import ActivationLike, InitializerLike, Ints, Shape
from ..arguments import flag, whole
from ..core.tensor import Tensor
from ..errors import ArgumentError, one_of, require
from ..ops.activation import relu
from ..ops.conv import dilate, grouped_conv2d
from ..ops.geometry import Pads, Pair, output_size, resolve_pads
from .base import get_activation, image_shape, padding_name
from .images import Images


class _Conv(Images):
    """What convolutions of images and of sequences share."""

    bound: ClassVar = {"kernel": "kernel", "bias": "bias"}
    algorithm = "auto"

    def _set_up(self, filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation, use_bias,
                kernel_initializer, bias_initializer, paddings=("valid", "same")):  # fmt: skip
        where = type(self).__name__
        self.filters = whole(f"{where}: filters", filters)
        self.kernel_size = self._both(f"{where}: kernel_size", kernel_size)
        self.strides = self._both(f"{where}: strides", strides)
        self.padding = padding_name(where, padding, paddings)
        self._order(data_format)
        self.dilation_rate = dilation(where, self._both(f"{where}: dilation_rate", dilation_rate), self.strides)
        self.groups = whole(f"{where}: groups", groups)
        divides, expected = self.filters % self.groups == 0, f"a divisor of the {self.filters} filters"
        require(divides, f"{where}: groups", expected, groups, error=ArgumentError)
        self.activation = get_activation(where, activation)
        self.use_bias = flag(f"{where}: use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer, f"{where}: kernel_initializer")
        self.bias_initializer = initializers.get(bias_initializer, f"{where}: bias_initializer")

    def build(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        output_size(self.name, (h, w), self.window, self._stride_pair, self.pads_for((h, w)))
        expected = f"{self.what} whose channels are a multiple of {self.groups} groups"
        require(channels % self.groups == 0, self.name, expected, f"{channels} channels")
        shape = (*self.kernel_size, channels // self.groups, self.filters)
        self.kernel = self.add_weight("kernel", shape, self.kernel_initializer)
        self.bias = self.add_weight("bias", (self.filters,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def follow(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        mine = self.kernel.shape[-2] * self.groups
        require(channels == mine, self.name, f"{self.what} of {mine} channels", f"{channels} channels")
        return (*output_size(self.name, (h, w), self.window, self._stride_pair, self.pads_for((h, w))), self.filters)

    @property
    def window(self) -> Pair:
        """How many px the window reaches over, dilated."""
        return reach(self._wide(self.kernel_size), self._wide(self.dilation_rate))

    _stride_pair = property(lambda self: self._wide(self.strides))

    def pads_for(self, size: Pair) -> Pads:
        """What "same" adds around images of `size` px; "causal" adds it before a sequence."""
        if self.padding == "causal":
            return (self.window[0] - 1, 0), (0, 0)
        return resolve_pads(self.padding, size, self.window, self._stride_pair)

    @property
    def pads(self) -> Pads:
        """For images of the size that the layer was built for.  Raises NotBuiltError before."""
        if self.sample_in is None:
            raise self._homeless()
        return self.pads_for((self.sample_in[0], self.sample_in[1]))

    def _products(self, x, relu=False):
        kernel = dilated(self._image_kernel(self.kernel), self._wide(self.dilation_rate))
        return grouped_conv2d(x, kernel, self.bias, groups=self.groups, strides=self._stride_pair,
                              pads=self.pads_for(x.shape[1:3]), relu=relu, algorithm=self.algorithm)  # fmt: skip

    def preactivation(self, x: Tensor, *, training: bool, relu: bool = False) -> Tensor:
        return self._products(x, relu)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        if self.activation is relu:
            return self._products(x, relu=True)
        return self.activation(self._products(x))


class Conv2D(_Conv):
    """`filters` learned KH x KW windows.  Images (N, H, W, C) -> (N, OH, OW, filters); kernel (KH, KW, C, filters).

    Arguments in Keras's order. A ReLU activation runs in the convolution's epilogue.
    algorithm: "auto" lets the kernels choose by the shapes; "im2col"; "winograd" (stride 1, 2x2, 3x3 or 5x5 windows):
    fewer multiplications, rounding errors up to fifteen times as large.
    dilation_rate: the window's cells lie so many px apart.  groups: filters of part g see the channels of part g alone,
    kernel (KH, KW, C / groups, filters).
    Differs from Keras: algorithm is ours.
    """

    config = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation",
              "use_bias", "kernel_initializer", "bias_initializer", "algorithm")  # fmt: skip

    def __init__(self, filters: int, kernel_size: Ints, strides: Ints = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Ints = (1, 1), groups: int = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros", *,
                 algorithm: str = "auto", **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation, use_bias,
                     kernel_initializer, bias_initializer)  # fmt: skip
        self.algorithm = one_of("Conv2D: algorithm", algorithm, ("auto", "im2col", "winograd"))
        require(
            algorithm != "winograd" or (self.strides == (1, 1) and self.window in ((2, 2), (3, 3), (5, 5))),
            "Conv2D: algorithm", "strides (1, 1) and kernel_size (2, 2), (3, 3) or (5, 5) for 'winograd'",
            f"strides {self.strides} and kernel_size {self.window}", 'use algorithm="auto"', error=ArgumentError,
        )  # fmt: skip


class Conv1D(_Conv):
    """`filters` learned windows of K steps.  Sequences (N, L, C) -> (N, OL, filters); kernel (K, C, filters).

    padding "causal": an output sees its own step and earlier ones alone.  The other arguments are Conv2D's.
    """

    rank = 1
    config = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation",
              "use_bias", "kernel_initializer", "bias_initializer")  # fmt: skip

    def __init__(self, filters: int, kernel_size: Ints, strides: Ints = 1, padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Ints = 1, groups: int = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation, use_bias,
                     kernel_initializer, bias_initializer, ("valid", "same", "causal"))  # fmt: skip


def dilation(where: str, rate: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    """dilation_rate, a number for each axis.  Raises ArgumentError where it and strides are both above 1, as Keras."""
    ok = max(rate) == 1 or max(strides) == 1
    expected = "1 where strides are more than 1"
    require(ok, f"{where}: dilation_rate", expected, rate, "use strides=1", error=ArgumentError)
    return rate


def reach(window: Pair, rate: Pair) -> Pair:
    """(k - 1) d + 1: how many px a window of k cells, d px apart, reaches over."""
    return (window[0] - 1) * rate[0] + 1, (window[1] - 1) * rate[1] + 1


def dilated(kernel: Any, rate: Pair) -> Any:
    return kernel if rate == (1, 1) else dilate(kernel, rate=rate)
