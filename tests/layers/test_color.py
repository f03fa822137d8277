"""Augmentation of colours: each number against one that is reached another way, and what is drawn."""

import colorsys
import math

import numpy as np
import pytest

from minicnn import Tensor, errors, layers
from minicnn.backend.cpu import CPU
from minicnn.backend.streams import Streams

X = np.random.default_rng(0).random((6, 5, 4, 3))


def applied(layer, x=X, seed=3, training=True):
    be = CPU("numpy_ref", "float64")
    layer.attach(be, Streams(seed), 0, x.shape[1:])
    return be.to_numpy(layer(Tensor(x, be), training=training).data)


def by_hsv(x, change):
    """Each pixel through colorsys and back."""
    pixels = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*rgb))) for rgb in x.reshape(-1, 3)]
    return np.array(pixels).reshape(x.shape)


def test_a_hue_turns_either_way_round_the_circle():
    y = applied(layers.RandomHue((0.5, 0.5), (0, 1)))
    ways = [by_hsv(X, lambda h, s, v, sign=sign: ((h + sign * 0.25) % 1, s, v)) for sign in (1, -1)]
    which = [[np.allclose(a, b, atol=1e-12) for b in (one, other)] for a, one, other in zip(y, *ways, strict=True)]
    assert all(sum(pair) == 1 for pair in which)
    assert len({tuple(pair) for pair in which}) == 2
    np.testing.assert_allclose(applied(layers.RandomHue((0, 0), (0, 1))), X, atol=1e-12)
    grey = np.repeat(X[..., :1], 3, axis=3)
    np.testing.assert_array_equal(applied(layers.RandomHue((0.7, 0.7), (0, 1)), grey), grey)


@pytest.mark.parametrize("f", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_a_saturation_is_that_of_hsv(f):
    y = applied(layers.RandomSaturation((f, f), (0, 1)))
    k = f / (1 - f + 1e-7)
    np.testing.assert_allclose(y, by_hsv(X, lambda h, s, v: (h, min(s * k, 1), v)), atol=1e-6)


def test_grey_has_the_brightness_of_the_colors():
    gray = (X @ [0.2989, 0.5870, 0.1140])[..., None]
    np.testing.assert_allclose(applied(layers.RandomGrayscale(1)), np.repeat(gray, 3, axis=3))
    np.testing.assert_array_equal(applied(layers.RandomGrayscale(0)), X)
    x = np.tile(X[:1], (400, 1, 1, 1))
    share = (applied(layers.RandomGrayscale(0.25), x) != x).any(axis=(1, 2, 3)).mean()
    assert 0.2 < share < 0.3
    y = applied(layers.RandomColorDegeneration((0.3, 0.3), (0.1, 0.7)))
    np.testing.assert_allclose(y, np.clip(0.7 * X + 0.3 * gray, 0.1, 0.7))
    one = X[..., :1]
    for layer in (layers.RandomGrayscale(1), layers.RandomSaturation(0.9), layers.RandomHue(0.9, (0, 1))):
        np.testing.assert_array_equal(applied(layer, one), one)
    with pytest.raises(errors.ShapeError, match="images of 3 channels, red, green and blue, or of 1, received 2"):
        layers.RandomGrayscale()(X[..., :2])


def test_inverted_posterized_solarized():
    np.testing.assert_allclose(applied(layers.RandomInvert((1, 1), (0, 1))), 1 - X)
    x = np.tile(X[:1], (400, 1, 1, 1))
    assert 0.42 < (applied(layers.RandomInvert(1.0), x) != x).any(axis=(1, 2, 3)).mean() < 0.58  # U(0, 1) of the time
    whole = np.random.default_rng(1).integers(0, 256, (3, 9, 9, 2))
    for bits in range(1, 9):
        y = applied(layers.RandomPosterization((bits, bits)), whole.astype(float))
        np.testing.assert_array_equal(y, whole >> (8 - bits) << (8 - bits))
    found = {len(np.unique(one)) for one in applied(layers.RandomPosterization(4), np.tile(np.arange(256.0).reshape(
        1, 16, 16, 1), (60, 1, 1, 1)))}  # fmt: skip
    assert found == {2, 4, 8}  # 1 to 3 bits
    y = applied(layers.Solarization((0.1, 0.1), (0.5, 0.5), (0, 2)))
    z = np.minimum(X + 0.2, 2)
    np.testing.assert_allclose(y, np.where(z < 1, z, 2 - z))


def smoothed(x, window):
    """A correlation with zeros around, pixel by pixel."""
    kh, kw = window.shape
    y = np.zeros_like(x)
    for (n, i, j), _ in np.ndenumerate(x[..., 0]):
        for p in range(kh):
            for q in range(kw):
                r, s = i + p - kh // 2, j + q - kw // 2
                if 0 <= r < x.shape[1] and 0 <= s < x.shape[2]:
                    y[n, i, j] += window[p, q] * x[n, r, s]
    return y


def test_sharper_and_smoother():
    window = np.ones((3, 3))
    window[1, 1] = 5
    smooth = smoothed(X, window / 13)
    for f in (0.0, 0.5, 0.9):
        y = applied(layers.RandomSharpness((f, f), (0, 1)))
        np.testing.assert_allclose(y, np.clip(X + (1 - 2 * f) * (smooth - X), 0, 1), atol=1e-12)
    rows, columns = (np.array([math.exp(-0.5 * ((k - n // 2) / 0.700001) ** 2) for k in range(n)]) for n in (5, 3))
    window = np.outer(rows / rows.sum(), columns / columns.sum())
    y = applied(layers.RandomGaussianBlur((1, 1), (3, 5), (0.7, 0.7), (0, 1)))
    np.testing.assert_allclose(y, smoothed(X, window), atol=1e-12)
    y = applied(layers.RandomGaussianBlur(1.0, 3, (0.7, 0.7)), np.tile(X[:1], (400, 1, 1, 1)))
    assert 0.42 < (y != X[:1]).any(axis=(1, 2, 3)).mean() < 0.58


def test_contrast_is_stretched_at_inference_too():
    x = X.copy()
    x[1, :, :, 2] = 0.3
    for training in (True, False):
        y = applied(layers.AutoContrast((0, 255)), x, training=training)
        np.testing.assert_allclose(y.min(axis=(1, 2))[0], 0)
        np.testing.assert_allclose(y.max(axis=(1, 2))[0], 255)
        np.testing.assert_array_equal(y[1, :, :, 2], 0.3)
        part = X[0, :, :, 1]
        np.testing.assert_allclose(y[0, :, :, 1], 255 * (part - part.min()) / (part.max() - part.min()))


def test_a_histogram_is_equalized():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, (2, 16, 16, 3)) ** 2 / 255.0
    x[1, :, :, 2] = 70
    y = applied(layers.Equalization(), x)
    for n in range(2):
        for c in range(3 - n):
            part = np.floor(x[n, :, :, c])
            counts = [(part <= v).sum() for v in range(256)]
            first = next(count for count in counts if count)
            table = np.round((np.array(counts) - first) * 255 / (part.size - first))
            np.testing.assert_array_equal(y[n, :, :, c], table[part.astype(int)])
    np.testing.assert_array_equal(y[1, :, :, 2], 70)
    np.testing.assert_array_equal(applied(layers.Equalization(), x, training=False), x)


def test_the_parts_of_a_jitter_are_the_layers_and_draw_apart():
    within = {"value_range": (-9, 9)}
    for what, single in (("brightness", layers.RandomBrightness), ("contrast", layers.RandomContrast),
                         ("saturation", layers.RandomSaturation), ("hue", layers.RandomHue)):  # fmt: skip
        jitter = layers.RandomColorJitter(**within, **{f"{what}_factor": (0.4, 0.4)}, seed=3)
        np.testing.assert_allclose(applied(jitter), applied(single((0.4, 0.4), **within, seed=3)), atol=1e-12)
    x = np.tile(X[:1], (500, 1, 1, 1))
    y = applied(layers.RandomColorJitter(**within, brightness_factor=0.3, contrast_factor=0.5), x)
    moved, stretched = y.mean(axis=(1, 2, 3)) - x[0].mean(), y.std(axis=(1, 2, 3)) / x[0].std()
    assert moved.std() > 1
    assert abs(np.corrcoef(moved, stretched)[0, 1]) < 0.15


def test_a_shear_slides_whole_pixels():
    x = np.random.default_rng(0).random((8, 4, 6, 2))
    y = applied(layers.RandomShear((1, 1), fill_mode="wrap"), x)
    found = set()
    for one, moved in zip(x, y, strict=True):
        ways = {sign: np.stack([np.roll(row, -sign * i, axis=0) for i, row in enumerate(one)]) for sign in (1, -1)}
        found |= {sign for sign, way in ways.items() if np.allclose(moved, way)}
        assert any(np.allclose(moved, way) for way in ways.values())
    assert found == {1, -1}


def test_changes_are_drawn_for_each_image_one_after_the_other():
    x = np.tile(X[:1], (300, 1, 1, 1))
    one = applied(layers.RandAugment((0, 1), 1, (0.3, 0.3)), x)
    fixed = [layers.AutoContrast((0, 1)), layers.Equalization((0, 1)), layers.RandomSharpness((0.3, 0.3), (0, 1)),
             layers.RandomColorDegeneration((0.3, 0.3), (0, 1)), layers.RandomBrightness((0.3, 0.3), (0, 1)),
             layers.RandomRotation((0.3, 0.3)), layers.RandomTranslation((0.3, 0.3), (0.3, 0.3))]  # fmt: skip
    for layer in fixed:  # a change without a draw of its own
        share = np.isclose(one, applied(layer, X[:1]), atol=1e-9).all(axis=(1, 2, 3)).mean()
        assert 0.04 < share < 0.15, layer.name
    assert len(np.unique(applied(layers.RandAugment((0, 1), 2, (0.3, 0.3)), x), axis=0)) > 60
    assert len(np.unique(one, axis=0)) < 60  # contrasts and a shear's signs are drawn besides
