"""Transposed convolution layers. Their arithmetic is conv2d_transpose in minicnn/ops/conv.py."""

from typing import Any, ClassVar

from .. import initializers
from ..aliases import ActivationLike, InitializerLike, Ints, Shape
from ..arguments import flag, index, items, shown, whole
from ..core.tensor import Tensor
from ..errors import ArgumentError, require
from ..ops.conv import conv2d_transpose
from ..ops.geometry import Pads, Pair
from .base import get_activation, image_shape, padding_name
from .conv import dilated, dilation, reach
from .images import Images


class _ConvTranspose(Images):
    """What transposed convolutions of images and of sequences share."""

    bound: ClassVar = {"kernel": "kernel", "bias": "bias"}
    config = ("filters", "kernel_size", "strides", "padding", "output_padding", "data_format", "dilation_rate",
              "activation", "use_bias", "kernel_initializer", "bias_initializer")  # fmt: skip

    def _set_up(self, filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, activation,
                use_bias, kernel_initializer, bias_initializer):  # fmt: skip
        where = type(self).__name__
        self.filters = whole(f"{where}: filters", filters)
        self.kernel_size = self._both(f"{where}: kernel_size", kernel_size)
        self.strides = self._both(f"{where}: strides", strides)
        self.padding = padding_name(where, padding)
        self.output_padding = self._more(f"{where}: output_padding", output_padding)
        self._order(data_format)
        self.dilation_rate = dilation(where, self._both(f"{where}: dilation_rate", dilation_rate), self.strides)
        self.activation, self.use_bias = get_activation(where, activation), flag(f"{where}: use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer, f"{where}: kernel_initializer")
        self.bias_initializer = initializers.get(bias_initializer, f"{where}: bias_initializer")

    def _more(self, where, value):
        """output_padding, one number for each axis; None stays None."""
        if value is None:
            return None
        given = [value] * self.rank if index(value) is not None else items(value) or []
        found = tuple(number for number in map(index, given) if number is not None)
        ok = len(found) == len(given) == self.rank
        ok = ok and all(0 <= n < s for n, s in zip(found, self.strides, strict=True))
        expected = f"whole numbers from 0 to below the strides {self.strides}, or None"
        require(ok, where, expected, shown(value), error=ArgumentError)
        return found

    def build(self, input_shape: Shape) -> Shape:
        *_, channels = image_shape(self.name, input_shape)
        shape = (*self.kernel_size, self.filters, channels)
        self.kernel = self.add_weight("kernel", shape, self.kernel_initializer)
        self.bias = self.add_weight("bias", (self.filters,), self.bias_initializer) if self.use_bias else None
        return self.follow(input_shape)

    def follow(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        mine = self.kernel.shape[-1]
        require(channels == mine, self.name, f"{self.what} of {mine} channels", f"{channels} channels")
        return (*self.larger((h, w))[0], self.filters)

    def larger(self, size: Pair) -> tuple[Pair, Pads]:
        """The output's size for images of `size`, and the pads of the convolution that goes back from there.

        Along an axis of n px with window k and stride s, the first window begins k - 1 - first px before the output.
        """
        sizes, pads = [], []
        given = self._wide(self.output_padding) if self.output_padding else (None, None)
        given = given if self.rank == 2 or given[1] is None else (given[0], None)
        windows = reach(self._wide(self.kernel_size), self._wide(self.dilation_rate))
        for n, k, s, p in zip(size, windows, self._wide(self.strides), given, strict=True):
            if self.padding == "valid":
                sizes.append((n - 1) * s + k + (max(s - k, 0) if p is None else p))
                pads.append((0, 0))
                continue
            total = s + k - 2 if p is None else k + k % 2 - 2 + p
            first = min(-(-total // 2), k - 1)
            sizes.append(n * s if p is None else (n - 1) * s + k % 2 + p)
            pads.append((k - 1 - first, max(k - 1 - (total - first), 0)))
        return (sizes[0], sizes[1]), (pads[0], pads[1])

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        size, pads = self.larger(x.shape[1:3])
        kernel = dilated(self._image_kernel(self.kernel), self._wide(self.dilation_rate))
        strides = self._wide(self.strides)
        return self.activation(conv2d_transpose(x, kernel, self.bias, size=size, strides=strides, pads=pads))


class Conv2DTranspose(_ConvTranspose):
    """A convolution backwards: `filters` learned KH x KW windows are added up, strides apart, into a larger image.

    Images (N, H, W, C) -> (N, OH, OW, filters); kernel (KH, KW, filters, C).
    padding "same": OH = H SH;  "valid": OH = H SH + max(KH - SH, 0), with KH what the dilated window reaches over.
    With output_padding P: "same" OH = (H - 1) SH + KH % 2 + P;  "valid" OH = (H - 1) SH + KH + P.
    """

    def __init__(self, filters: int, kernel_size: Ints, strides: Ints = (1, 1), padding: str = "valid",
                 output_padding: Ints | None = None, data_format: str | None = None, dilation_rate: Ints = (1, 1),
                 activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, activation,
                     use_bias, kernel_initializer, bias_initializer)  # fmt: skip


class Conv1DTranspose(_ConvTranspose):
    """Conv2DTranspose of sequences (N, L, C) -> (N, OL, filters); kernel (K, filters, C)."""

    rank = 1

    def __init__(self, filters: int, kernel_size: Ints, strides: Ints = 1, padding: str = "valid",
                 output_padding: Ints | None = None, data_format: str | None = None, dilation_rate: Ints = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, activation,
                     use_bias, kernel_initializer, bias_initializer)  # fmt: skip
