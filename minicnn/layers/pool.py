"""Pooling layers."""

from collections.abc import Callable
from typing import Any

from ..aliases import Ints, Shape
from ..arguments import flag
from ..core.tensor import Tensor
from ..ops.geometry import output_size, resolve_pads
from ..ops.pool import adaptive_average_pool, adaptive_max_pool, average_pool, max_pool
from ..ops.shape import reshape
from .base import image_shape, padding_name
from .images import Images


class _Pooling(Images):
    """Windows of pool_size px every `strides` px (None: pool_size)."""

    config = ("pool_size", "strides", "padding", "data_format")
    pool: Callable[..., Tensor]

    def _set_up(self, pool_size, strides, padding, data_format):
        kind = type(self).__name__
        self.pool_size = self._both(f"{kind}: pool_size", pool_size)
        self.strides = self.pool_size if strides is None else self._both(f"{kind}: strides", strides)
        self.padding = padding_name(kind, padding)
        self._order(data_format)

    def follow(self, input_shape: Shape) -> Shape:
        h, w, channels = image_shape(self.name, input_shape)
        windows = self._windows_on((h, w))
        return (*output_size(self.name, (h, w), windows["window"], windows["strides"], windows["pads"]), channels)

    def _windows_on(self, size):
        """Window, strides and what "same" adds around images of `size` px."""
        window, strides = self._wide(self.pool_size), self._wide(self.strides)
        return {"window": window, "strides": strides, "pads": resolve_pads(self.padding, size, window, strides)}

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return self.pool(x, **self._windows_on(x.shape[1:3]))


class _Pooling2D(_Pooling):
    """Windows of pool_size px every `strides` px (None: pool_size).  Images (N, H, W, C) -> (N, OH, OW, C)."""

    def __init__(self, pool_size: Ints = (2, 2), strides: Ints | None = None, padding: str = "valid",
                 data_format: str | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(pool_size, strides, padding, data_format)


class _Pooling1D(_Pooling):
    """Windows of pool_size steps every `strides` steps (None: pool_size).  Sequences (N, L, C) -> (N, OL, C)."""

    rank = 1

    def __init__(self, pool_size: Ints = 2, strides: Ints | None = None, padding: str = "valid",
                 data_format: str | None = None, **kwargs: Any):  # fmt: skip
        super().__init__(**kwargs)
        self._set_up(pool_size, strides, padding, data_format)


class MaxPooling2D(_Pooling2D):
    __doc__ = f"The greatest cell of each window, the first on ties.\n\n    {_Pooling2D.__doc__}"
    pool = staticmethod(max_pool)


class AveragePooling2D(_Pooling2D):
    __doc__ = f"The mean of each window's cells inside the image.\n\n    {_Pooling2D.__doc__}"
    pool = staticmethod(average_pool)


class MaxPooling1D(_Pooling1D):
    __doc__ = f"The greatest step of each window, the first on ties.\n\n    {_Pooling1D.__doc__}"
    pool = staticmethod(max_pool)


class AveragePooling1D(_Pooling1D):
    __doc__ = f"The mean of each window's steps inside the sequence.\n\n    {_Pooling1D.__doc__}"
    pool = staticmethod(average_pool)


class _GlobalPooling(Images):
    """One number per channel."""

    config = ("data_format", "keepdims")
    pool: Callable[..., Tensor]

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self._order(data_format)
        self.keepdims = flag(f"{type(self).__name__}: keepdims", keepdims)

    def follow(self, input_shape: Shape) -> Shape:
        *_, channels = image_shape(self.name, input_shape)
        return (1, 1, channels) if self.keepdims else (channels,)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        pooled = self.pool(x, window=x.shape[1:3], strides=x.shape[1:3])
        return pooled if self.keepdims else reshape(pooled, shape=(x.shape[0], x.shape[3]))


_IMAGES = "Images (N, H, W, C) -> (N, C), or (N, 1, 1, C) with keepdims."
_SEQUENCES = "Sequences (N, L, C) -> (N, C), or (N, 1, C) with keepdims."


class GlobalMaxPooling2D(_GlobalPooling):
    __doc__ = f"The greatest pixel of each channel.\n\n    {_IMAGES}"
    pool = staticmethod(max_pool)


class GlobalAveragePooling2D(_GlobalPooling):
    __doc__ = f"The mean of each channel.\n\n    {_IMAGES}"
    pool = staticmethod(average_pool)


class GlobalMaxPooling1D(_GlobalPooling):
    __doc__ = f"The greatest step of each channel.\n\n    {_SEQUENCES}"
    rank = 1
    pool = staticmethod(max_pool)


class GlobalAveragePooling1D(_GlobalPooling):
    __doc__ = f"The mean of each channel.\n\n    {_SEQUENCES}"
    rank = 1
    pool = staticmethod(average_pool)


class _AdaptivePooling(Images):
    """The image is parted into output_size, and one number comes of each part; neighbours may share cells."""

    config = ("output_size", "data_format")
    pool: Callable[..., Tensor]

    def __init__(self, output_size: Ints, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.output_size = self._both(f"{type(self).__name__}: output_size", output_size)
        self._order(data_format)

    def follow(self, input_shape: Shape) -> Shape:
        *_, channels = image_shape(self.name, input_shape)
        return (*self._wide(self.output_size), channels)

    def call(self, x: Tensor, *, training: bool) -> Tensor:
        return self.pool(x, size=self._wide(self.output_size))


_PARTS = "{} (N, {}, C) -> (N, {}, C).  {} of part i of {}: floor(i {} / {}) to ceil((i + 1) {} / {}) - 1."
_IMAGE_PARTS = _PARTS.format("Images", "H, W", "OH, OW", "Rows", "OH", "H", "OH", "H", "OH")
_SEQUENCE_PARTS = _PARTS.format("Sequences", "L", "OL", "Steps", "OL", "L", "OL", "L", "OL")


class AdaptiveMaxPooling2D(_AdaptivePooling):
    __doc__ = f"The greatest pixel of each part of an image, whatever its size.\n\n    {_IMAGE_PARTS}"
    pool = staticmethod(adaptive_max_pool)


class AdaptiveAveragePooling2D(_AdaptivePooling):
    __doc__ = f"The mean of each part of an image, whatever its size.\n\n    {_IMAGE_PARTS}"
    pool = staticmethod(adaptive_average_pool)


class AdaptiveMaxPooling1D(_AdaptivePooling):
    __doc__ = f"The greatest step of each part of a sequence, whatever its length.\n\n    {_SEQUENCE_PARTS}"
    rank = 1
    pool = staticmethod(adaptive_max_pool)


class AdaptiveAveragePooling1D(_AdaptivePooling):
    __doc__ = f"The mean of each part of a sequence, whatever its length.\n\n    {_SEQUENCE_PARTS}"
    rank = 1
    pool = staticmethod(adaptive_average_pool)


MaxPool2D, AvgPool2D, MaxPool1D, AvgPool1D = MaxPooling2D, AveragePooling2D, MaxPooling1D, AveragePooling1D
GlobalMaxPool2D, GlobalAvgPool2D = GlobalMaxPooling2D, GlobalAveragePooling2D
GlobalMaxPool1D, GlobalAvgPool1D = GlobalMaxPooling1D, GlobalAveragePooling1D
