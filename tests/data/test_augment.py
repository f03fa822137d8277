"""Augmented images: against SciPy, in exact cases, and as counted draws."""

import numpy as np
import pytest
import scipy.ndimage

from minicnn.backend.cpu import CPU
from minicnn.backend.select import select
from minicnn.data import ImageDataGenerator, draws
from minicnn.errors import ArgumentError, NotBuiltError, ShapeError

from .conftest import exactly

SHAPES = [(28, 28, 1), (5, 7, 1), (8, 3, 2), (1, 6, 1)]


@pytest.fixture(params=["numpy_ref", "numba_cpu"])
def be(request):
    backend = select("cpu", request.param)
    assert backend.table()["affine_warp"] == request.param  # no silent fallback
    return backend


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (43, 12, 17, 2)).astype(np.uint8)


def image_of(shape):
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.float32)


def moved(image, fill_mode="constant", cval=-1.0, **parameters):
    return ImageDataGenerator(fill_mode=fill_mode, cval=cval).apply_transform(image, parameters)


# exact cases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_half_turns_and_flips_are_permutations(shape):
    image = image_of(shape)
    np.testing.assert_array_equal(moved(image, theta=180), image[::-1, ::-1])
    np.testing.assert_array_equal(moved(image, theta=-180), image[::-1, ::-1])
    np.testing.assert_array_equal(moved(image, theta=360), image)
    np.testing.assert_array_equal(moved(image, flip_horizontal=True), image[:, ::-1])
    np.testing.assert_array_equal(moved(image, flip_vertical=True), image[::-1])
    np.testing.assert_array_equal(moved(image, flip_horizontal=True, flip_vertical=True, theta=180), image)
    np.testing.assert_array_equal(moved(image), image)


@pytest.mark.parametrize("side", [1, 4, 5, 28])
def test_quarter_turns_are_permutations_and_go_counter_clockwise(side):
    image = image_of((side, side, 2))
    np.testing.assert_array_equal(moved(image, theta=90), np.rot90(image))  # rot90 is counter-clockwise
    np.testing.assert_array_equal(moved(image, theta=-90), np.rot90(image, -1))


def test_a_small_positive_angle_turns_counter_clockwise():
    image = np.zeros((21, 21, 1), np.float32)
    image[10, 18] = 1  # at three o'clock
    turned = moved(image, cval=0.0, theta=30)
    row, column = np.unravel_index(turned.argmax(), (21, 21))
    assert row < 10 < column  # between two and three


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("tx", "ty"), [(2, 0), (-2, 0), (0, 1), (0, -1), (1, -3)])
def test_whole_pixel_shifts_are_exact(shape, tx, ty):
    image = image_of(shape)
    padded = np.pad(image, ((9, 9), (9, 9), (0, 0)), constant_values=-1)
    expected = padded[9 + ty : 9 + ty + shape[0], 9 + tx : 9 + tx + shape[1]]
    np.testing.assert_array_equal(moved(image, tx=tx, ty=ty), expected)


def only_bright_pixel(images):
    return {np.unravel_index(image.argmax(), image.shape)[:2] for image in images}


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"width_shift_range": [3]}, {(4, 3), (4, 9)}),
        ({"height_shift_range": [3]}, {(1, 6), (7, 6)}),
        ({"width_shift_range": [3], "keras_compat": True}, {(1, 6), (7, 6)}),
        ({"height_shift_range": [3], "keras_compat": True}, {(4, 3), (4, 9)}),
    ],
)
def test_width_shifts_move_along_the_width(options, places, be):
    dot = np.zeros((64, 9, 13, 1), np.uint8)
    dot[:, 4, 6] = 255
    generator = ImageDataGenerator(fill_mode="constant", **options)
    assert only_bright_pixel(generator.augment(be, dot, seed=1, step=0)) == places


def test_zoom_above_1_shrinks():
    square = np.zeros((31, 31, 1), np.float32)
    square[10:21, 10:21] = 1
    assert moved(square, cval=0.0, zx=2, zy=2).sum() == 25  # of 121: every second pixel from the centre
    wide = moved(square, cval=0.0, zx=0.5)  # x is along the width
    assert wide.any(axis=0).sum() > 19
    assert wide.any(axis=1).sum() == 11


def test_parameters_that_do_nothing():
    image = image_of((5, 7, 1))
    np.testing.assert_array_equal(moved(image, brightness=None, channel_shift_intensity=None), image)


# against SciPy --------------------------------------------------------------------------------------------------------

MODES = {"nearest": "nearest", "reflect": "reflect", "wrap": "grid-wrap", "constant": "grid-constant"}


@pytest.mark.parametrize("fill_mode", MODES)
def test_against_scipy(fill_mode, be, images):
    generator = ImageDataGenerator(
        rotation_range=40, width_shift_range=0.3, height_shift_range=0.3, shear_range=20, zoom_range=0.3,
        horizontal_flip=True, vertical_flip=True, fill_mode=fill_mode, cval=99.0, rescale=1 / 255,
    )  # fmt: skip
    got = generator.augment(be, images, seed=5, step=2)
    assert (got.dtype, got.shape) == (np.float32, images.shape)
    words = be.philox(draws.WORDS * len(images), be.key(5, 2, draws.STREAM)).reshape(len(images), -1)
    where = draws.matrices(draws.draw(generator, words, 12, 17), 12, 17)
    for image, matrix, one in zip(images, where, got, strict=True):
        for channel in range(2):
            expected = scipy.ndimage.affine_transform(
                image[..., channel].astype(float), matrix[:, :2], matrix[:, 2], order=1, mode=MODES[fill_mode],
                cval=99.0,
            )  # fmt: skip
            np.testing.assert_allclose(one[..., channel], expected / 255, atol=2e-5)


# counted draws --------------------------------------------------------------------------------------------------------

ALL = {"rotation_range": 10, "zoom_range": 0.1, "width_shift_range": 0.1, "height_shift_range": 0.1}


def test_the_same_seed_and_step_give_the_same_bytes_in_any_order(be, images):
    generator = ImageDataGenerator(**ALL)
    steps = [generator.augment(be, images, 7, step) for step in range(3)]
    again = [ImageDataGenerator(**ALL).augment(be, images, 7, step) for step in (2, 0, 1)]
    for step, other in zip((2, 0, 1), again, strict=True):
        np.testing.assert_array_equal(steps[step], other)
    assert np.abs(steps[0] - steps[1]).max() > 10
    assert np.abs(steps[0] - generator.augment(be, images, 8, 0)).max() > 10
    np.testing.assert_array_equal(generator.augment(be, images[:5], 7, 0), steps[0][:5])  # by position in the batch


def test_kernel_sets_agree(images):
    generator = ImageDataGenerator(**ALL)
    one, other = (generator.augment(select("cpu", name), images, 7, 3) for name in ("numpy_ref", "numba_cpu"))
    np.testing.assert_allclose(one, other, atol=255e-5)


def test_numpys_own_generator_is_not_touched(images):
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    ImageDataGenerator(**ALL).augment(select("cpu"), images, 7, 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_bytes_stay_0_to_255_without_rescale(be, images):
    got = ImageDataGenerator().augment(be, images, 0, 0)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, images)
    scaled = ImageDataGenerator(rescale=1 / 255).augment(be, images, 0, 0)
    np.testing.assert_allclose(scaled, images / 255, rtol=1e-6)


def test_the_oracle_backend_gets_its_own_float_type(images):
    oracle = CPU("numpy_ref", "float64")
    generator = ImageDataGenerator(**ALL)
    assert generator.augment(oracle, images, 1, 1).dtype == np.float64
    got = generator.augment(oracle, images / 255, 1, 1)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got * 255, generator.augment(oracle, images, 1, 1), atol=1e-3)


@pytest.mark.parametrize("extra", [{}, {"samplewise_center": True}])
def test_one_warp_per_batch(extra, images):
    """With geometry, flips and rescale alone, the kernel's output is returned: no pass over the pixels after it."""
    backend, outputs = CPU("numpy_ref"), []
    warp = backend.affine_warp
    backend.affine_warp = lambda *args, **kwargs: outputs.append(warp(*args, **kwargs)) or outputs[-1]
    got = ImageDataGenerator(**ALL, horizontal_flip=True, rescale=1 / 255, **extra).augment(backend, images, 1, 1)
    assert len(outputs) == 1
    assert (got is outputs[0]) == (not extra)


def test_random_transform():
    generator = ImageDataGenerator(**ALL, brightness_range=(0.5, 1.5))
    image = image_of((12, 17, 2))
    parameters = generator.get_random_transform(image.shape, seed=4)
    assert parameters == generator.get_random_transform(image.shape, seed=4)
    assert parameters != generator.get_random_transform(image.shape)
    assert set(parameters) == {*draws.NOTHING, "brightness"}
    once = generator.random_transform(image, seed=4)
    np.testing.assert_array_equal(once, generator.apply_transform(image, parameters))
    assert (once.dtype, once.shape) == (np.float32, image.shape)


# colours and standardising --------------------------------------------------------------------------------------------


def test_channel_shift_keeps_the_images_own_range():
    image = image_of((6, 6, 2)) * 0.5 + 20
    got = moved(image, fill_mode="nearest", channel_shift_intensity=30.0)
    np.testing.assert_allclose(got, np.clip(image + 30, image.min(), image.max()), rtol=1e-6)


def test_brightness_multiplies():
    image = image_of((6, 6, 2))
    np.testing.assert_allclose(moved(image, brightness=1.5), np.minimum(image * 1.5, 255), rtol=1e-6)
    np.testing.assert_allclose(moved(image, brightness=0.5), image * 0.5, rtol=1e-6)


def test_the_whole_chain_in_its_order(be, images):
    """preprocessing_function, rescale, samplewise; after the geometry."""
    calls = []

    def double(image):
        calls.append(image.shape)
        return image * 2 + 1

    generator = ImageDataGenerator(preprocessing_function=double, rescale=1 / 255, samplewise_std_normalization=True,
                                   horizontal_flip=True)  # fmt: skip
    got = generator.augment(be, images, 3, 1)
    flipped = ImageDataGenerator(horizontal_flip=True).augment(be, images, 3, 1)
    assert (flipped == images).all(axis=(1, 2, 3)).any()
    assert (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3)).any()
    scaled = (flipped * 2 + 1) / 255
    scaled = scaled - scaled.mean(axis=(1, 2, 3), keepdims=True)  # deviation implies centre
    np.testing.assert_allclose(got, scaled / (scaled.std(axis=(1, 2, 3), keepdims=True) + 1e-6), atol=1e-5)
    assert calls == [(12, 17, 2)] * len(images)


def test_featurewise(images):
    generator = ImageDataGenerator(featurewise_std_normalization=True, rescale=1 / 255)
    assert generator.featurewise_center
    says = (
        "ImageDataGenerator: expected fit(x) before images are made with featurewise_center, received no fit; call fit "
        "with the images to train on"
    )
    with pytest.raises(NotBuiltError, match=exactly(says)):
        generator.standardize(images)
    generator.fit(images)
    x = images / 255
    np.testing.assert_allclose(generator.mean, x.mean(axis=(0, 1, 2)).reshape(1, 1, 2), rtol=1e-5)
    got = generator.standardize(images)
    np.testing.assert_allclose(got.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(got.std(axis=(0, 1, 2)), 1, atol=1e-4)
    np.testing.assert_array_equal(generator.standardize(images[3]), got[3])
    assert images.dtype == np.uint8  # x is left alone


def test_zca_whitens():
    x = np.random.default_rng(0).normal(size=(500, 3, 2, 1)).astype(np.float32)
    x[:, 1] += x[:, 0]  # correlated pixels
    generator = ImageDataGenerator(zca_whitening=True)
    generator.fit(x)
    white = generator.standardize(x).reshape(500, 6)
    np.testing.assert_allclose(white.T @ white / 500, np.eye(6), atol=1e-3)
    np.testing.assert_allclose(generator.zca_whitening_matrix, generator.zca_whitening_matrix.T, atol=1e-4)


def test_fit_on_augmented_copies(images):
    plain, augmented = (ImageDataGenerator(featurewise_center=True, **ALL, fill_mode="constant") for _ in range(2))
    plain.fit(images)
    augmented.fit(images, augment=True, rounds=2, seed=1)
    copies = [augmented._move(select("cpu"), images, augmented._draw(select("cpu"), images, 1, r)) for r in range(2)]
    np.testing.assert_allclose(augmented.mean[0, 0], np.concatenate(copies).mean(axis=(0, 1, 2)), rtol=1e-5)
    assert (augmented.mean < plain.mean - 1).all()  # black has come in from the edges


def test_fit_wants_images(images):
    says = "fit: x: expected at least one image, shape (N, H, W, C), received shape (43, 12, 17)"
    with pytest.raises(ShapeError, match=exactly(says)):
        ImageDataGenerator().fit(images[..., 0])


# options --------------------------------------------------------------------------------------------------------------

BAD = {
    "rotation_range": ((-1, "10", None, np.nan, True), "a finite number of at least 0"),
    "shear_range": ((-1,), "a finite number of at least 0"),
    "channel_shift_range": ((np.inf,), "a finite number of at least 0"),
    "width_shift_range": (([], ["a"]), "a number of at least 0 or a sequence of numbers"),
    "height_shift_range": ((-0.1, "a", None), "a finite number of at least 0"),
    "zoom_range": ((1.0, -0.1, 2, (1, 2, 3), (0, 1), "ab", None),
                   "a fraction from 0 to below 1, or two positive numbers"),
    "brightness_range": ((0.5, (1,), (-1, 1)), "two numbers of at least 0, or None"),
    "cval": (("black", None), "a finite number"),
    "rescale": (("1/255",), "a finite number, or None"),
    "preprocessing_function": (("relu",), "a function of an image, or None"),
    "validation_split": ((1.0, -0.1, None), "a number from 0 to below 1"),
    "data_format": (("channels_first",), '"channels_last"'),
    "interpolation_order": ((0, 3), "1"),
    "dtype": (("float16",), '"float32"'),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_options(name):
    values, expected = BAD[name]
    for value in values:
        says = f"ImageDataGenerator: {name}: expected {expected}, received {value!r}"
        with pytest.raises(ArgumentError, match=exactly(says)):
            ImageDataGenerator(**{name: value})


def test_unknown_fill_mode():
    says = (
        "ImageDataGenerator: fill_mode: expected one of nearest, constant, reflect, wrap, received 'reflekt'; did you "
        'mean "reflect"?'
    )
    with pytest.raises(ArgumentError, match=exactly(says)):
        ImageDataGenerator(fill_mode="reflekt")


def test_kerass_positional_order():
    generator = ImageDataGenerator(False, True, False, False, False, 1e-5, 10, 0.1, 0.2, (1, 2), 5, 0.3, 7, "wrap", 9.0,
                                   True, True, 0.5, abs, "channels_last", 0.25, 1, "float32")  # fmt: skip
    got = {name: getattr(generator, name) for name in (
        "samplewise_center", "zca_epsilon", "rotation_range", "width_shift_range", "height_shift_range",
        "brightness_range", "shear_range", "zoom_range", "channel_shift_range", "fill_mode", "cval", "horizontal_flip",
        "vertical_flip", "rescale", "preprocessing_function", "validation_split")}  # fmt: skip
    assert list(got.values()) == [True, 1e-5, 10, 0.1, 0.2, (1, 2), 5, (0.7, 1.3), 7, "wrap", 9.0, True, True, 0.5, abs,
                                  0.25]  # fmt: skip
