"""Standardisation, the last step of augmentation: a user's function, rescaling, standardising, whitening."""

from typing import Any

import numpy as np

from ..arguments import array
from ..errors import DataError, NotBuiltError, require

EPSILON = 1e-6  # added to deviations, as Keras does


def standardize(options: Any, x: np.ndarray) -> np.ndarray:
    """Images (N, H, W, C) or one (H, W, C) -> new float32 ones of the same shape, in this order:

    preprocessing_function(image); times rescale; samplewise: minus the image's mean, / its deviation; featurewise:
    minus the data's mean, / its deviation, per channel; ZCA: the flat image times the whitening matrix.
    Raises NotBuiltError if an option needs `fit` first.
    Differs from Keras: x is left alone, samplewise figures are each image's own, and want of `fit` is an error.
    """
    x = array("standardize: x", x, error=DataError)
    expected = "images of shape (N, H, W, C), or one (H, W, C)"
    require(x.ndim in (3, 4), "standardize: x", expected, f"shape {x.shape}")
    batch = np.array(x, np.float32, ndmin=4)
    if options.preprocessing_function:
        batch = np.stack([_preprocessed(options.preprocessing_function, image) for image in batch])
    if options.rescale:
        batch *= np.float32(options.rescale)
    if options.samplewise_center:
        batch -= batch.mean(axis=(1, 2, 3), keepdims=True)
    if options.samplewise_std_normalization:
        batch /= batch.std(axis=(1, 2, 3), keepdims=True) + EPSILON
    if options.featurewise_center:
        batch -= _fitted(options.mean, "featurewise_center")
    if options.featurewise_std_normalization:
        batch /= _fitted(options.std, "featurewise_std_normalization") + np.float32(EPSILON)
    if options.zca_whitening:
        matrix = _fitted(options.zca_whitening_matrix, "zca_whitening")
        batch = (batch.reshape(len(batch), -1) @ matrix).reshape(batch.shape)
    return batch if np.ndim(x) == 4 else batch[0]


def _preprocessed(function, image: np.ndarray) -> np.ndarray:
    """What a user's function makes of an image (H, W, C): another one of that shape."""
    found = array("preprocessing_function's image", function(image), error=DataError)
    same, expected = found.shape == image.shape, f"an image of shape {image.shape}"
    require(same, "preprocessing_function", expected, f"shape {found.shape}", "return the image")
    return found.astype(np.float32)


def _fitted(value: np.ndarray | None, name: str) -> np.ndarray:
    if value is None:
        expected, fix = f"fit(x) before images are made with {name}", "call fit with the images to train on"
        require(False, "ImageDataGenerator", expected, "no fit", fix, error=NotBuiltError)
    return value


def fit_statistics(options: Any, x: np.ndarray) -> None:
    """Set options.mean, .std (1, 1, C) and .zca_whitening_matrix (H*W*C, H*W*C) from images x (N, H, W, C), float32.

    ZCA: U diag(sqrt(N) / (s + eps)) U', where U s V' is the singular value decomposition of the flat images' transpose.
    """
    x = np.array(x, np.float32)
    if options.rescale:
        x *= np.float32(options.rescale)
    if options.featurewise_center:
        options.mean = x.mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)[None, None]
        x -= options.mean
    if options.featurewise_std_normalization:
        options.std = x.std(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)[None, None]
        x /= options.std + np.float32(EPSILON)
    if options.zca_whitening:
        flat = x.reshape(len(x), -1)
        u, s, _ = np.linalg.svd(flat.T, full_matrices=False)
        options.zca_whitening_matrix = (u * (np.sqrt(len(x)) / (s + options.zca_epsilon))) @ u.T
