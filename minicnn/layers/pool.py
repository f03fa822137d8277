"""Pooling layers."""

from ..arguments import flag
from ..ops.geometry import output_size, resolve_pads
from ..ops.pool import average_pool, max_pool
from ..ops.shape import reshape
from .base import Layer, channels_last, image_shape, padding_name, pair


class _Pooling2D(Layer):
    """Windows of pool_size px every `strides` px (None: pool_size).  Images (N, H, W, C) -> (N, OH, OW, C)."""

    config = ("pool_size", "strides", "padding")

    def __init__(self, pool_size=(2, 2), strides=None, padding="valid", data_format=None, **kwargs):
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.pool_size = pair(f"{kind}: pool_size", pool_size)
        self.strides = self.pool_size if strides is None else pair(f"{kind}: strides", strides)
        self.padding = padding_name(kind, padding)
        channels_last(kind, data_format)

    def follow(self, input_shape):
        h, w, channels = image_shape(self.name, input_shape)
        return (*output_size(self.name, (h, w), self.pool_size, self.strides, self.pads_for((h, w))), channels)

    def pads_for(self, size):
        """What "same" adds around images of `size` px."""
        return resolve_pads(self.padding, size, self.pool_size, self.strides)

    @property
    def pads(self):
        """For images of the size that the layer was built for."""
        return self.pads_for(self.input_shape[:2])


class MaxPooling2D(_Pooling2D):
    __doc__ = f"The greatest cell of each window, the first on ties.\n\n    {_Pooling2D.__doc__}"

    def call(self, x, *, training):
        return max_pool(x, window=self.pool_size, strides=self.strides, pads=self.pads_for(x.shape[1:3]))


class AveragePooling2D(_Pooling2D):
    __doc__ = f"The mean of each window's cells inside the image.\n\n    {_Pooling2D.__doc__}"

    def call(self, x, *, training):
        return average_pool(x, window=self.pool_size, strides=self.strides, pads=self.pads_for(x.shape[1:3]))


class _GlobalPooling2D(Layer):
    """One number per channel.  Images (N, H, W, C) -> (N, C), or (N, 1, 1, C) with keepdims."""

    config = ("keepdims",)

    def __init__(self, data_format=None, keepdims=False, **kwargs):
        super().__init__(**kwargs)
        channels_last(type(self).__name__, data_format)
        self.keepdims = flag(f"{type(self).__name__}: keepdims", keepdims)

    def follow(self, input_shape):
        *_, channels = image_shape(self.name, input_shape)
        return (1, 1, channels) if self.keepdims else (channels,)

    def call(self, x, *, training):
        pooled = self.pool(x, window=x.shape[1:3], strides=x.shape[1:3])
        return pooled if self.keepdims else reshape(pooled, shape=(x.shape[0], x.shape[3]))


class GlobalMaxPooling2D(_GlobalPooling2D):
    __doc__ = f"The greatest pixel of each channel.\n\n    {_GlobalPooling2D.__doc__}"
    pool = staticmethod(max_pool)


class GlobalAveragePooling2D(_GlobalPooling2D):
    __doc__ = f"The mean of each channel.\n\n    {_GlobalPooling2D.__doc__}"
    pool = staticmethod(average_pool)


MaxPool2D, AvgPool2D = MaxPooling2D, AveragePooling2D
GlobalMaxPool2D, GlobalAvgPool2D = GlobalMaxPooling2D, GlobalAveragePooling2D
