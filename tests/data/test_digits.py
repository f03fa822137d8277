"""The embedded digits: 28 x 28, the same bytes everywhere, framed as MNIST frames."""

import hashlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from minicnn.data import digits


def test_shapes_values_and_the_bytes_themselves():
    x, y = digits.load_data()
    assert (x.dtype, x.shape, y.dtype, y.shape) == (np.uint8, (1797, 28, 28, 1), np.int64, (1797,))
    assert (x.min(), x.max()) == (0, 255)
    np.testing.assert_array_equal(y, load_digits().target)
    assert hashlib.sha256(x.tobytes()).hexdigest() == "b5675a56fdcc51efb9b0584545f087a84999e6b02bd73edbd06226c3c8a88d87"


def test_each_call_gives_new_arrays():
    x, _ = digits.load_data()
    x[:] = 0
    assert digits.load_data()[0].any()


def test_the_ink_is_centred_in_a_box_of_20():
    x, _ = digits.load_data()
    ink = x[..., 0].astype(float)
    along = np.arange(28)
    for axis in (1, 2):
        centre = (ink.sum(axis=axis) * along).sum(axis=1) / ink.sum(axis=(1, 2))
        assert np.abs(centre - 13.5).max() <= 0.5 + 1e-2  # half a pixel, and the rounding to bytes
        inked = ink.any(axis=axis)
        assert (27 - inked[:, ::-1].argmax(axis=1) - inked.argmax(axis=1)).max() < 20


def test_enlarging_is_keys_cubic_convolution():
    """Against the same formula in floating point, pixel by pixel."""

    def weight(d):
        d = abs(d)
        if d <= 1:
            return 1.5 * d**3 - 2.5 * d**2 + 1
        return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0.0

    small = load_digits().images[17].astype(np.int64)
    box = np.zeros((20, 20))
    for i in range(20):
        for j in range(20):
            for p in range(8):
                for q in range(8):
                    box[i, j] += weight((i + 0.5) * 0.4 - 0.5 - p) * weight((j + 0.5) * 0.4 - 0.5 - q) * small[p, q]
    expected = np.clip(box * 255 / 16, 0, 255)
    image = digits.enlarge(small[None])[0]
    inside = max(
        (image[top : top + 20, left : left + 20] for top in range(9) for left in range(9)),
        key=lambda part: -np.abs(part - expected).max(),
    )
    assert np.abs(inside - expected).max() <= 0.5 + 1e-9
    assert inside.sum() == image.sum()


def test_an_empty_and_a_full_image():
    empty, full = digits.enlarge(np.stack([np.zeros((8, 8), np.int64), np.full((8, 8), 16)]))
    assert not empty.any()
    assert (full[6:22, 6:22] == 255).all()
    assert not full[:4].any()


def test_split_is_the_documented_one():
    parts = digits.split()
    assert [(len(x), len(y)) for x, y in parts] == [(1437, 1437), (180, 180), (180, 180)]
    x, y = digits.load_data()
    rows = np.arange(1797)
    train, rest = train_test_split(rows, test_size=360, random_state=2, stratify=y)
    held, test = train_test_split(rest, test_size=180, random_state=2, stratify=y[rest])
    for (x_part, y_part), expected in zip(parts, (train, held, test), strict=True):
        np.testing.assert_array_equal(x_part, x[expected])
        np.testing.assert_array_equal(y_part, y[expected])
        counts = np.bincount(y_part, minlength=10) / len(y_part)
        assert np.abs(counts - np.bincount(y) / 1797).max() < 0.01
    assert not np.array_equal(digits.split(3)[0][1], parts[0][1])
