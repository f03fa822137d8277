"""Layers, under Keras's names."""

from .activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from .base import Layer
from .conv import Conv2D
from .dense import Dense
from .dropout import AlphaDropout, Dropout, GaussianDropout, SpatialDropout2D
from .norm import BatchNormalization
from .pool import (
    AveragePooling2D,
    AvgPool2D,
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    GlobalMaxPooling2D,
    MaxPool2D,
    MaxPooling2D,
)
from .shape import Flatten, Input, InputLayer, Reshape, ZeroPadding2D

Convolution2D = Conv2D

__all__ = [
    "ELU", "Activation", "AlphaDropout", "AveragePooling2D", "AvgPool2D", "BatchNormalization", "Conv2D",
    "Convolution2D", "Dense", "Dropout", "Flatten", "GaussianDropout", "GlobalAveragePooling2D", "GlobalAvgPool2D",
    "GlobalMaxPool2D", "GlobalMaxPooling2D", "Input", "InputLayer", "Layer", "LeakyReLU", "MaxPool2D", "MaxPooling2D",
    "PReLU", "ReLU", "Reshape", "Softmax", "SpatialDropout2D", "ZeroPadding2D",
]  # fmt: skip
