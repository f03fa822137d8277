"""Layers, under Keras's names."""

from . import operation  # noqa: F401  (arithmetic on symbols)
from .activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from .axes import Permute, RepeatVector
from .base import Layer
from .conv import Conv2D
from .conv_transpose import Conv2DTranspose
from .dense import Dense
from .depthwise import DepthwiseConv2D, SeparableConv2D
from .dropout import AlphaDropout, Dropout, GaussianDropout, SpatialDropout2D
from .function import Lambda
from .gaussian_noise import GaussianNoise
from .layer_norm import LayerNormalization
from .merge import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
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
from .resize import Cropping2D, Rescaling, UpSampling2D
from .shape import Flatten, Input, InputLayer, Reshape, ZeroPadding2D

Convolution2D, Convolution2DTranspose, Deconvolution2D = Conv2D, Conv2DTranspose, Conv2DTranspose
SeparableConvolution2D = SeparableConv2D

__all__ = [
    "ELU", "Activation", "Add", "AlphaDropout", "Average", "AveragePooling2D", "AvgPool2D", "BatchNormalization",
    "Concatenate", "Conv2D", "Conv2DTranspose", "Convolution2D", "Convolution2DTranspose", "Cropping2D",
    "Deconvolution2D", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "Flatten", "GaussianDropout", "GaussianNoise",
    "GlobalAveragePooling2D", "GlobalAvgPool2D", "GlobalMaxPool2D", "GlobalMaxPooling2D", "Input", "InputLayer",
    "Lambda", "Layer", "LayerNormalization", "LeakyReLU", "MaxPool2D", "MaxPooling2D", "Maximum", "Minimum", "Multiply",
    "PReLU", "Permute", "ReLU", "RepeatVector", "Rescaling", "Reshape", "SeparableConv2D", "SeparableConvolution2D",
    "Softmax", "SpatialDropout2D", "Subtract", "UpSampling2D", "ZeroPadding2D", "add", "average", "concatenate", "dot",
    "maximum", "minimum", "multiply", "subtract",
]  # fmt: skip
