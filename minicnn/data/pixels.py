"""A picture brought to another size as TensorFlow and JAX do it: by a kernel about each new pixel's centre.

Source: Keigo Keys 1981 for cubic convolution; Turkowski 1990 for Lanczos windows; centres at half pixels, weights that
sum to 1 at the edges, no average over what a smaller picture leaves out.
"""

import numpy as np


def _cubic(d):
    return np.where(d < 1, (1.5 * d - 2.5) * d * d + 1, np.where(d < 2, ((-0.5 * d + 2.5) * d - 4) * d + 2, 0))


def _lanczos(radius: int):
    return lambda d: np.where(d < radius, np.sinc(d) * np.sinc(d / radius), 0)


KERNELS = {
    "bilinear": lambda d: np.maximum(1 - d, 0), "nearest": None, "bicubic": _cubic, "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}  # fmt: skip


def weights(old: int, new: int, interpolation: str) -> np.ndarray:
    """(new, old): how much of each old pixel a new one has, along one axis."""
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    kernel = KERNELS[interpolation]
    if kernel is None:
        return np.eye(old)[np.floor(centres + 0.5).astype(int).clip(0, old - 1)]
    found = kernel(np.abs(centres[:, None] - np.arange(old)))
    return found / found.sum(axis=1, keepdims=True)


def resized(picture: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """(h, w, C) -> float32 (H, W, C)."""
    for axis, new in enumerate(size):
        old = picture.shape[axis]
        if old != new:
            turned = np.tensordot(weights(old, new, interpolation).astype(np.float32),
                                  picture.astype(np.float32), (1, axis))  # fmt: skip
            picture = np.moveaxis(turned, 0, axis)
    return np.ascontiguousarray(picture, np.float32)


def fitted(picture: np.ndarray, size: tuple[int, int], interpolation: str, crop: bool, pad: bool) -> np.ndarray:
    """resized; crop: of the largest middle part of the new shape; pad: with 0 on both sides until it has it."""
    (h, w), (height, width) = picture.shape[:2], size
    if crop:
        tall, wide = max(min(h, int(w * height / width)), 1), max(min(w, int(h * width / height)), 1)
        top, left = int((h - tall) / 2), int((w - wide) / 2)
        picture = picture[top : top + tall, left : left + wide]
    elif pad:
        tall, wide = max(h, int(w * height / width)), max(w, int(h * width / height))
        top, left = int((tall - h) / 2), int((wide - w) / 2)
        picture = np.pad(picture, ((top, tall - h - top), (left, wide - w - left), (0, 0)))
    return resized(picture, size, interpolation)
