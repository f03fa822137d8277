"""Augmentation layers: which pixels go where, what is drawn, and that inference and other threads change nothing."""

import numba
import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, errors, layers
from minicnn.backend.cpu import CPU
from minicnn.backend.streams import Streams
from minicnn.data.dataset import Dataset
from tests.cuda.emulation import EmulatedGPU

X = np.random.default_rng(0).random((5, 6, 8, 3)).astype(np.float32)
EVERY = {
    "flip": lambda: layers.RandomFlip(),
    "rotation": lambda: layers.RandomRotation(0.2, "wrap"),
    "rotation, nearest": lambda: layers.RandomRotation(0.2, "constant", "nearest", fill_value=0.3),
    "zoom": lambda: layers.RandomZoom(0.3, 0.2),
    "translation": lambda: layers.RandomTranslation(0.3, 0.2, "constant"),
    "contrast": lambda: layers.RandomContrast(0.5, (0, 1)),
    "brightness": lambda: layers.RandomBrightness(0.3, (0, 1)),
    "erasing": lambda: layers.RandomErasing((0.8, 1.0), (0.1, 0.5), None, (0, 1)),
    "erasing by a colour": lambda: layers.RandomErasing((0.8, 1.0), (0.1, 0.5), [0.2, 0.7, 0.1], (0, 1)),
    "shift": lambda: layers.RandomShift((2, 3)),
    "shear": lambda: layers.RandomShear(0.3, (0.1, 0.4), fill_mode="wrap"),
    "mixed": lambda: layers.MixUp(0.7),
    "cut and mixed": lambda: layers.CutMix(),
    "perspective": lambda: layers.RandomPerspective(1.0, 0.5),
    "grey": lambda: layers.RandomGrayscale(),
    "duller colours": lambda: layers.RandomColorDegeneration(0.9, (0, 1)),
    "saturation": lambda: layers.RandomSaturation((0.0, 0.95), (0, 1)),
    "hue": lambda: layers.RandomHue(0.9, (0, 1)),
    "colours": lambda: layers.RandomColorJitter((0, 1), 0.2, 0.3, (0.3, 0.7), 0.2),
    "at random": lambda: layers.RandAugment((0, 1), 1),
    "inversion": lambda: layers.RandomInvert(1.0, (0, 1)),
    "posterization": lambda: layers.RandomPosterization((2, 7), (0, 1)),
    "solarization": lambda: layers.Solarization(0.2, (0.3, 0.7), (0, 1)),
    "sharpness": lambda: layers.RandomSharpness(1.0, (0, 1)),
    "blur": lambda: layers.RandomGaussianBlur(1.0, (3, 5), (0.3, 1.0), (0, 1)),
    "crop": lambda: layers.RandomCrop(4, 5),
}


def applied(layer, x=X, *, be=None, seed=3, step=0, training=True):
    be = be or CPU("numba_cpu")
    layer.attach(be, Streams(seed, step), 0, x.shape[1:])
    return be.to_numpy(layer(Tensor(x, be), training=training).data)


def test_quarter_turns_and_whole_pixels_are_exact():
    square = X[:, :, :6]
    np.testing.assert_array_equal(applied(layers.RandomRotation((0.25, 0.25)), square), np.rot90(square, 1, (1, 2)))
    np.testing.assert_array_equal(applied(layers.RandomRotation((0.5, 0.5))), X[:, ::-1, ::-1])  # also not square
    moved = applied(layers.RandomTranslation((0.5, 0.5), (-0.25, -0.25), "wrap"))
    np.testing.assert_array_equal(moved, np.roll(X, (3, -2), (1, 2)))  # down, and to the left
    filled = applied(layers.RandomTranslation((0.5, 0.5), (0, 0), "constant", fill_value=0.5))
    assert (filled[:, :3] == 0.5).all()
    np.testing.assert_array_equal(filled[:, 3:], X[:, :3])


def test_a_zoom_above_0_shrinks_the_picture():
    y = applied(layers.RandomZoom((1, 1), fill_mode="constant"))
    assert not y[:, [0, -1]].any()
    assert y[:, 2:4, 2:6].all()
    both = applied(layers.RandomZoom((-0.5, 0.5)))
    same = applied(layers.RandomZoom((-0.5, 0.5), (-0.5, 0.5)))
    assert (both != same).any()  # None: one draw for rows and columns


def test_a_perspective_moves_three_corners_and_keeps_lines():
    """A picture of its own coordinates: what an output pixel reads is seen in it, and a homography fits all of them."""
    h, w = 7, 9
    x = np.stack(np.broadcast_arrays(np.arange(w) / (w - 1), np.arange(h)[:, None] / (h - 1), np.ones((h, w))), axis=2)
    be = CPU("numpy_ref", "float64")
    y = applied(layers.RandomPerspective((1, 1), 0.4), np.tile(x, (50, 1, 1, 1)), be=be)
    np.testing.assert_allclose(y[:, 0, 0, :2], 0, atol=1e-12)
    corners = set()
    for one in y:
        inside = one[..., 2] > 1 - 1e-9
        (u, v), (a, b) = x[inside][:, :2].T, one[inside][:, :2].T
        zero = np.zeros_like(u)
        rows = [np.stack([u, v, zero, zero, -u * a, -v * a], 1), np.stack([zero, zero, u, v, -u * b, -v * b], 1)]
        (m, n, o, p, g, k), *_ = np.linalg.lstsq(np.concatenate(rows), np.concatenate([a, b]))
        z = 1 + g * u + k * v
        np.testing.assert_allclose([(m * u + n * v) / z, (o * u + p * v) / z], [a, b], atol=1e-9)
        assert abs(n) < 1e-9  # along the upper edge and the left one corners stay on their lines
        assert abs(o) < 1e-9
        corners |= {round(1 / (m - g), 6), round(1 / (p - k), 6)}  # where the second and the third corner have gone
    assert len(corners) == 100
    assert 0.8 < min(corners) < 0.82
    assert 1.18 < max(corners) < 1.2
    x = np.tile(X[:1], (400, 1, 1, 1))
    assert 0.42 < (applied(layers.RandomPerspective(), x) != x).any(axis=(1, 2, 3)).mean() < 0.58


def test_flips_of_the_two_axes_are_drawn_apart():
    x = np.tile(X[:1], (400, 1, 1, 1))
    y = applied(layers.RandomFlip(), x)
    turned = [x[0], x[0][:, ::-1], x[0][::-1], x[0][::-1, ::-1]]
    counts = [sum(np.array_equal(one, other) for one in y) for other in turned]
    assert sum(counts) == 400
    assert min(counts) > 70
    y = applied(layers.RandomFlip("horizontal"), x)
    assert all(np.array_equal(one, turned[0]) or np.array_equal(one, turned[1]) for one in y)


def test_contrast_and_brightness_have_their_ranges():
    x = np.tile(X[:1], (2000, 1, 1, 1))
    y = applied(layers.RandomContrast((0.2, 0.4), (-5, 5)), x).astype(np.float64)
    mean = x[0].mean(axis=(0, 1))
    factors = ((y - mean) * (x[0] - mean)).sum(axis=(1, 2, 3)) / ((x[0] - mean) ** 2).sum()
    assert 0.79 < factors.min() < 0.81
    assert 1.39 < factors.max() < 1.41
    np.testing.assert_allclose(y.mean(axis=(1, 2)), np.tile(mean, (2000, 1)), rtol=1e-5)
    y = applied(layers.RandomBrightness((-0.1, 0.3), (0, 2)), x)
    shifts = np.median(y - x, axis=(1, 2, 3))
    assert -0.21 < shifts.min() < -0.19
    assert 0.59 < shifts.max() < 0.61
    assert y.min() >= 0


def test_a_crop_is_a_part_of_the_image_and_moves_with_the_step():
    found = set()
    for step in range(40):
        y = applied(layers.RandomCrop(4, 5), step=step)
        at = [(i, j) for i in range(3) for j in range(4) if np.array_equal(y, X[:, i : i + 4, j : j + 5])]
        found |= set(at)
        assert len(at) == 1
    assert len(found) == 12


@pytest.mark.parametrize("name", EVERY)
def test_draws_are_a_function_of_seed_step_and_layer(name):
    make = EVERY[name]
    first = applied(make())
    np.testing.assert_array_equal(first, applied(make()))
    assert any((first != applied(make(), step=step)).any() for step in (1, 2, 3))
    assert any((first != applied(make(), seed=seed)).any() for seed in (4, 5, 6))
    own = make()
    own.seed = 9
    np.testing.assert_array_equal(applied(own), applied(own, seed=77))
    quiet = applied(make(), training=False)
    np.testing.assert_array_equal(quiet, applied(make(), training=False, step=5))
    if name != "crop":
        np.testing.assert_array_equal(quiet, X)


@pytest.mark.parametrize("name", EVERY)
def test_same_on_every_kernel_set_and_for_any_number_of_threads(name):
    make = EVERY[name]
    exact = applied(make(), be=CPU("numpy_ref", "float64"))
    first = applied(make())
    np.testing.assert_allclose(first, exact, atol=2e-6)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert applied(make()).tobytes() == first.tobytes()
    finally:
        numba.set_num_threads(before)
    np.testing.assert_allclose(applied(make(), be=EmulatedGPU()), exact, atol=2e-6)


def test_a_step_on_a_device_is_recorded_with_its_draws(notes):
    """Every epoch other ones, as from Python; a depthwise convolution beside them."""

    def run(be):
        changes = [make() for make in EVERY.values()]
        network = [*changes, layers.DepthwiseConv2D(3, 2), layers.Flatten(), layers.Dense(2, activation="softmax")]
        model = mc.Sequential([layers.Input((6, 8, 3)), *network], seed=1, device=be)
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model.fit(X, np.arange(5) % 2, epochs=3, batch_size=3, verbose=0).history["loss"]

    np.testing.assert_allclose(run(EmulatedGPU()), run("cpu"), rtol=1e-5)
    assert notes() == []


def test_a_model_trains_on_changed_images_and_predicts_on_these():
    """Twice the same run; a Sequential within a Sequential, as notebooks have it."""

    def run():
        block = mc.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.1)])
        model = mc.Sequential([layers.Input((6, 8, 3)), block, layers.Rescaling(2.0), layers.Conv2D(3, 3),
                               layers.GlobalAveragePooling2D(), layers.Dense(1)], seed=1)  # fmt: skip
        model.compile("sgd", "mse")
        losses = model.fit(X, np.arange(5.0), epochs=4, batch_size=2, verbose=0).history["loss"]
        return losses, model.predict(X, verbose=0)

    (losses, y), (again, z) = run(), run()
    assert losses == again
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(y, z)


SINGLE = {
    "flip": lambda: layers.RandomFlip(seed=1), "rotation": lambda: layers.RandomRotation((0.5, 0.5)),
    "crop": lambda: layers.RandomCrop(3, 4, seed=1), "centre": lambda: layers.CenterCrop(3, 4),
    "resizing": lambda: layers.Resizing(3, 4), "first": lambda: layers.Resizing(3, 4, data_format="channels_first"),
}  # fmt: skip


@pytest.mark.parametrize("name", SINGLE)
def test_a_single_image_comes_back_as_one(name):
    one, batch = SINGLE[name]()(X[0]), SINGLE[name]()(X[:1])
    assert one.ndim == 3
    np.testing.assert_array_equal(one.numpy(), batch.numpy()[0])
    found = SINGLE[name]()({"images": X[0], "labels": [1, 0]})
    np.testing.assert_array_equal(found["images"].numpy(), one.numpy())
    assert found["labels"] == [1, 0]
    for more in ({"images": X, "bounding_boxes": X}, {"labels": X}):
        with pytest.raises(errors.UnsupportedError, match="minicnn has no layers of dicts with masks or boxes"):
            SINGLE[name]()(more)
    with pytest.raises(errors.UnsupportedError, match="minicnn has no bounding boxes"):
        layers.RandomFlip(bounding_box_format="xyxy")


def test_called_by_hand_augmentation_is_at_work_and_draws_anew():
    for layer in (layers.RandomFlip(), mc.Sequential([layers.Rescaling(1.0), layers.RandomFlip()])):
        drawn = [np.asarray(getattr(y, "data", y)).tobytes() for y in (layer(X) for _ in range(4))]
        assert len(set(drawn)) > 1
        np.testing.assert_array_equal(np.asarray(getattr(y := layer(X, training=False), "data", y)), X)
    network = mc.Sequential([layers.RandomFlip(), layers.Flatten(), layers.Dense(2)])
    np.testing.assert_array_equal(network(X), network(X))  # one that has weights infers
    dropout = layers.Dropout(0.5)
    assert not np.array_equal(dropout(X, training=True).data, dropout(X, training=True).data)


def test_a_dataset_may_be_mapped_by_augmentation():
    flipped = list(Dataset.from_tensor_slices(X).map(layers.RandomFlip("horizontal", seed=3)))
    turned = [bool((one != x).any()) for one, x in zip(flipped, X, strict=True)]
    assert any(turned)
    assert not all(turned)
