"""A drawing, brought into the frame in which MNIST's digits stand: see data/digits.py.

      drawn (S, S)  ->  cropped to its ink  ->  scaled into 20 x 20  ->  its centre of mass in the middle of 28 x 28

Source: LeCun et al. 1998, http://yann.lecun.com/exdb/mnist/: "size normalized to fit in a 20x20 pixel box while
preserving their aspect ratio", then centred by the centre of mass.
"""

from typing import NamedTuple

import numpy as np

from ..data.digits import BOX, SIDE, corners

INK = 16  # of 255: fainter pixels are the soft edge of a stroke


class Framed(NamedTuple):
    """Four stages, uint8 (height, width), 0 paper, 255 ink; without any ink all of them are empty."""

    drawn: np.ndarray
    cropped: np.ndarray
    scaled: np.ndarray
    centred: np.ndarray


def frame(drawn: np.ndarray) -> Framed:
    """uint8 (S, S) of any size -> the four stages, the last of them (28, 28)."""
    rows, columns = (np.flatnonzero((drawn > INK).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        empty = np.zeros((SIDE, SIDE), np.uint8)
        return Framed(drawn, drawn, np.zeros((BOX, BOX), np.uint8), empty)
    cropped = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(cropped.shape)
    scaled = resized(cropped, *(max(1, round(n * scale)) for n in cropped.shape))
    height, width = scaled.shape
    box, centred = np.zeros((BOX, BOX), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    y, x = (BOX - height) // 2, (BOX - width) // 2
    box[y : y + height, x : x + width] = scaled
    ((top, left),) = corners(box[None].astype(np.int64))
    centred[top : top + BOX, left : left + BOX] = box
    return Framed(drawn, cropped, scaled, centred)


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 (height, width): the mean of the pixels that each new one covers, or between pixels where it grows."""
    from PIL import Image

    way = Image.Resampling.BOX if height <= image.shape[0] and width <= image.shape[1] else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image).resize((width, height), way))
