"""Test-time augmentation: the mean of a network's predictions for a picture and for copies of it.

      "shifts"         as it is, and moved by one pixel up, down, left and right; the edge is repeated
      "flips"          as it is, and mirrored left to right: not for digits
      "shifts+flips"   all of the first, each mirrored too

Source: Simonyan & Zisserman 2014, "Very deep convolutional networks", section 3.2, for the average over copies.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ArgumentError, one_of, require

WAYS = ("shifts", "flips", "shifts+flips")
MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))


def copies(x: Any, tta: str) -> Iterator[np.ndarray]:
    """Images x (N, H, W, C) as each of the copies, the first of them x itself.  Raises ArgumentError."""
    one_of("predict: tta", tta, WAYS)
    images = getattr(x, "ndim", 0) == 4
    expected = "an array of images (N, H, W, C)"
    require(images, f"predict: x, with tta={tta!r}", expected, type(x).__name__, error=ArgumentError)
    x = np.asarray(x)
    h, w = x.shape[1:3]
    for down, right in MOVES if "shifts" in tta else MOVES[:1]:
        moved = x
        if down or right:
            moved = x[:, np.clip(np.arange(h) - down, 0, h - 1)][:, :, np.clip(np.arange(w) - right, 0, w - 1)]
        yield moved
        if "flips" in tta:
            yield moved[:, :, ::-1]
