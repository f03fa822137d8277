"""ImageDataGenerator: random rotations, shifts, shears, zooms, flips of images, in Keras's names and order.

One bilinear warp of the whole batch does all of the geometry and `rescale`; what it drew depends on (seed, step, position
in the batch) alone, so any batch can be made again, in any order, on any device.
"""

import secrets

import numpy as np

from ..errors import ArgumentError, ShapeError, require
from .draws import STREAM, WORDS, draw, matrices, recolour
from .flow import Flow, host
from .ranges import check_options
from .standardize import Standardizer


class ImageDataGenerator:
    """Options of augmentation; `flow(x, y)` gives the batches.

    rotation_range, shear_range          degrees: U(-r, r); a positive angle turns counter-clockwise on the screen
    width_shift_range, height_shift_range  a float < 1: a fraction of the size, else px: U(-s, s); an int: whole px below
                                         it; a sequence: one of its elements; the last two with either sign
    zoom_range                           z: U(1-z, 1+z); (low, high); rows and columns by themselves; > 1 shrinks
    fill_mode, cval                      "nearest", "constant" (cval), "reflect", "wrap", beyond the edge
    channel_shift_range, brightness_range  added; (low, high) multiplied; in units of the pixels, 0..255
    rescale and the rest                 see `standardize`
    keras_compat                         True: width_shift_range moves along the height and the other way round

    Raises ArgumentError for a value outside its range.
    Source: Keras 3.15, keras/src/legacy/preprocessing/image.py.
    Differs from Keras: the shifts go where their names say, and images that are not square keep their centre; counted
    draws; brightness keeps fractions; channels last, bilinear and float32 only.
    """

    def __init__(
        self, featurewise_center=False, samplewise_center=False, featurewise_std_normalization=False,
        samplewise_std_normalization=False, zca_whitening=False, zca_epsilon=1e-6, rotation_range=0,
        width_shift_range=0.0, height_shift_range=0.0, brightness_range=None, shear_range=0.0, zoom_range=0.0,
        channel_shift_range=0.0, fill_mode="nearest", cval=0.0, horizontal_flip=False, vertical_flip=False, rescale=None,
        preprocessing_function=None, data_format=None, validation_split=0.0, interpolation_order=1, dtype=None, *,
        keras_compat=False,
    ):  # fmt: skip
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.zoom_range = (1 - zoom_range, 1 + zoom_range) if np.isscalar(zoom_range) else zoom_range
        self.channel_shift_range, self.brightness_range = channel_shift_range, brightness_range
        self.fill_mode, self.cval = fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.validation_split, self.keras_compat = validation_split, keras_compat
        self.data_format, self.interpolation_order, self.dtype = data_format, interpolation_order, dtype
        check_options(self)
        self._standardizer = Standardizer(
            preprocessing_function, rescale, samplewise_center, samplewise_std_normalization, featurewise_center,
            featurewise_std_normalization, zca_whitening, zca_epsilon,
        )  # fmt: skip
