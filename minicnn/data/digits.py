"""1,797 real handwritten digits that come with scikit-learn, brought into MNIST's 28 x 28 frame. No download.

MNIST's own recipe: the digit scaled into a box of 20 x 20 pixels, which is then moved so that the centre of mass of the
ink lies at the centre of the 28 x 28 field. Enlarging 8 -> 20 pixels is cubic convolution in whole numbers, so that
every machine gets the same bytes.

Source: Alpaydin & Kaynak 1998, "Optical recognition of handwritten digits" (UCI), by way of scikit-learn's load_digits;
LeCun et al. 1998 (the frame); Keys 1981, "Cubic convolution interpolation", eq. 15 (a = -1/2).
"""

import functools
from typing import Any

import numpy as np

from ..arguments import whole
from .batches import train_test_split

SIDE, BOX, SMALL, DARKEST = 28, 20, 8, 16  # px of the field, of the box, of scikit-learn's images; their highest value
UNIT = 2000  # Keys' weights at multiples of 1/10 are whole multiples of 1/2000
HELD_OUT = TEST = 180  # images

Split = tuple[np.ndarray, np.ndarray]


def load_data() -> tuple[np.ndarray, np.ndarray]:
    """x uint8 (1797, 28, 28, 1) of 0..255, ink white as in MNIST; y int64 (1797,)."""
    x, y = _arrays()
    return x.copy(), y.copy()


def split(seed: int = 2) -> tuple[Split, Split, Split]:
    """(x, y) to train on (1,437), held out (180) and for the test (180): stratified, by train_test_split."""
    seed = whole("digits.split: seed", seed, low=0, high=2**32 - 1)
    x, y = _arrays()
    x_train, x_rest, y_train, y_rest = train_test_split(x, y, HELD_OUT + TEST, seed, stratify=True)
    x_held, x_test, y_held, y_test = train_test_split(x_rest, y_rest, TEST, seed, stratify=True)
    return (x_train, y_train), (x_held, y_held), (x_test, y_test)


@functools.cache
def _arrays() -> Split:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return enlarge(bunch.images.astype(np.int64))[..., None], bunch.target.astype(np.int64)


def enlarge(images: np.ndarray) -> np.ndarray:
    """int64 (N, 8, 8) of 0..16 -> uint8 (N, 28, 28) of 0..255."""
    weights = _keys_weights()
    box = weights @ images @ weights.T  # (N, 20, 20), times UNIT^2
    scale = DARKEST * UNIT**2
    box = np.clip((2 * 255 * box + scale) // (2 * scale), 0, 255)  # rounded, in whole numbers
    out = np.zeros((len(box), SIDE, SIDE), np.uint8)
    for image, (top, left), into in zip(box, corners(box), out, strict=True):
        into[top : top + BOX, left : left + BOX] = image
    return out


def _keys_weights() -> np.ndarray:
    """int64 (20, 8): output pixel i lies at input coordinate (i + 1/2) 8/20 - 1/2; beyond the edge there is no ink."""
    weights = np.zeros((BOX, SMALL), np.int64)
    for i in range(BOX):
        tenths = 4 * i - 3  # 10 ((i + 1/2) 8/20 - 1/2)
        for j in range(SMALL):
            d = abs(tenths - 10 * j)  # the distance in tenths: w(d) = (3d^3 - 5d^2 + 2)/2, (-d^3 + 5d^2 - 8d + 4)/2
            if d <= 10:
                weights[i, j] = 3 * d**3 - 50 * d**2 + 2000
            elif d < 20:
                weights[i, j] = -(d**3) + 50 * d**2 - 800 * d + 4000
    return weights


def corners(box: np.ndarray) -> np.ndarray:
    """Where each box goes, (N, 2): its centre of mass at the field's centre, as near as whole pixels in it allow."""
    ink = np.maximum(box.sum(axis=(1, 2)), 1)
    along = np.arange(BOX)
    centre = np.stack([(box.sum(axis=2) * along).sum(axis=1), (box.sum(axis=1) * along).sum(axis=1)], axis=1)
    # corner + centre / ink = (SIDE - 1) / 2, rounded in whole numbers
    corner = ((SIDE - 1) * ink[:, None] - 2 * centre + ink[:, None]) // (2 * ink[:, None])
    return np.clip(corner, 0, SIDE - BOX)
