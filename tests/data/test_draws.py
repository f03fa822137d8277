"""The random parameters of augmentation: their distributions, and the matrices that they make."""

import numpy as np
import pytest
from scipy.stats import kstest

from minicnn.backend.select import select
from minicnn.data import ImageDataGenerator, draws

N = 100_000
H, W = 20, 50


def drawn(n=N, **options):
    be = select("cpu", "numpy_ref")
    words = be.philox(draws.WORDS * n, be.key(11, 3, draws.STREAM)).reshape(n, -1)
    return draws.draw(ImageDataGenerator(**options), words, H, W)


def assert_uniform(values, low, high):
    assert low <= values.min() < low + (high - low) * 1e-3
    assert high - (high - low) * 1e-3 < values.max() <= high
    assert kstest(values, "uniform", (low, high - low)).pvalue > 1e-3


def test_uniforms_are_strictly_between_0_and_1():
    ends = draws.uniforms(np.array([0, 2**31, 2**32 - 1], np.uint32))
    assert ends.dtype == np.float64
    np.testing.assert_array_equal(ends, [2.0**-33, 0.5 + 2.0**-33, 1 - 2.0**-33])


def test_nothing_is_drawn_without_ranges():
    parameters = drawn(100)
    assert {name: set(values.tolist()) for name, values in parameters.items()} == {
        name: {value} for name, value in draws.NOTHING.items()
    }


def test_ranges():
    p = drawn(rotation_range=10, width_shift_range=0.1, height_shift_range=0.2, shear_range=5, zoom_range=0.1,
              channel_shift_range=30, brightness_range=(0.5, 2))  # fmt: skip
    assert_uniform(p["theta"], -10, 10)
    assert_uniform(p["tx"], -0.1 * W, 0.1 * W)
    assert_uniform(p["ty"], -0.2 * H, 0.2 * H)
    assert_uniform(p["shear"], -5, 5)
    assert_uniform(p["zx"], 0.9, 1.1)
    assert_uniform(p["zy"], 0.9, 1.1)
    assert_uniform(p["channel_shift_intensity"], -30, 30)
    assert_uniform(p["brightness"], 0.5, 2)
    numbers = np.stack([value for value in p.values() if value.dtype == np.float64])
    correlation = np.corrcoef(numbers)
    assert np.abs(correlation - np.eye(len(numbers))).max() < 0.015  # about 5 / sqrt(N): independent, zx and zy too


def test_zoom_pair_and_pixels():
    p = drawn(zoom_range=(0.5, 0.8), width_shift_range=2.5, height_shift_range=1.0)
    assert_uniform(p["zx"], 0.5, 0.8)
    assert_uniform(p["tx"], -2.5, 2.5)  # px
    assert_uniform(p["ty"], -1, 1)


def assert_frequencies(values, expected):
    found, counts = np.unique(values, return_counts=True)
    assert found.tolist() == sorted(expected)
    share = np.array([expected[value] for value in found])
    assert np.abs(counts / N - share).max() < 5 * np.sqrt(share.max() / N)


def test_whole_pixels_and_sequences():
    p = drawn(width_shift_range=3, height_shift_range=[-4, 1])
    assert_frequencies(p["tx"], {-2: 1 / 6, -1: 1 / 6, 0: 1 / 3, 1: 1 / 6, 2: 1 / 6})
    p = drawn(width_shift_range=(0.1, 0.5), height_shift_range=[-4, 1])
    assert_frequencies(p["tx"], {-0.5 * W: 1 / 4, -0.1 * W: 1 / 4, 0.1 * W: 1 / 4, 0.5 * W: 1 / 4})
    assert_frequencies(p["ty"], {-4: 1 / 4, -1: 1 / 4, 1: 1 / 4, 4: 1 / 4})


def test_flips_are_fair_and_independent():
    p = drawn(horizontal_flip=True, vertical_flip=True)
    assert_frequencies(p["flip_horizontal"] + 2 * p["flip_vertical"], {0: 1 / 4, 1: 1 / 4, 2: 1 / 4, 3: 1 / 4})
    assert not drawn(100, horizontal_flip=True)["flip_vertical"].any()


def test_an_option_leaves_the_draws_of_the_others_alone():
    alone, together = drawn(50, zoom_range=0.2), drawn(50, zoom_range=0.2, rotation_range=10, horizontal_flip=True)
    np.testing.assert_array_equal(alone["zx"], together["zx"])


def test_keras_compat_swaps_the_shifts():
    plain = drawn(50, width_shift_range=0.1, height_shift_range=0.3)
    swapped = drawn(50, width_shift_range=0.1, height_shift_range=0.3, keras_compat=True)
    np.testing.assert_array_equal(plain["tx"], swapped["ty"])
    np.testing.assert_array_equal(plain["ty"], swapped["tx"])


@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
def test_matrices_are_the_documented_product(flips):
    rng = np.random.default_rng(0)
    p = {"theta": rng.uniform(-180, 180, 5), "tx": rng.uniform(-9, 9, 5), "ty": rng.uniform(-9, 9, 5),
         "shear": rng.uniform(-30, 30, 5), "zx": rng.uniform(0.5, 2, 5), "zy": rng.uniform(0.5, 2, 5),
         "flip_horizontal": np.full(5, flips[0]), "flip_vertical": np.full(5, flips[1])}  # fmt: skip
    got = draws.matrices(p, H, W)
    assert (got.dtype, got.shape) == (np.float64, (5, 2, 3))
    for i in range(5):
        t, s = np.deg2rad(p["theta"][i]), np.deg2rad(p["shear"][i])
        rotate = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
        shift = np.array([[1, 0, p["tx"][i]], [0, 1, p["ty"][i]], [0, 0, 1]])
        shear = np.array([[1, -np.sin(s), 0], [0, np.cos(s), 0], [0, 0, 1]])
        zoom = np.diag([p["zx"][i], p["zy"][i], 1])
        flip = np.array([[-1, 0, W - 1], [0, 1, 0], [0, 0, 1]]) if flips[0] else np.eye(3)
        if flips[1]:
            flip = flip @ np.array([[1, 0, 0], [0, -1, H - 1], [0, 0, 1]])
        to, back = np.eye(3), np.eye(3)
        to[:2, 2], back[:2, 2] = ((W - 1) / 2, (H - 1) / 2), (-(W - 1) / 2, -(H - 1) / 2)
        xy = to @ rotate @ shift @ shear @ zoom @ back @ flip  # (x, y, 1) -> (x, y, 1)
        swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
        np.testing.assert_allclose(got[i], (swap @ xy @ swap)[:2], rtol=1e-12, atol=1e-12)
