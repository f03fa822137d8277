"""A drawing in MNIST's frame."""

import numpy as np
import pytest

from minicnn.data import digits
from minicnn.play.frame import frame, resized

from .drawings import drawings, painted


@pytest.mark.parametrize(("digit", "strokes"), drawings())
def test_a_drawing_fills_the_box_and_lies_by_its_centre_of_mass(digit, strokes):
    stages = frame(painted(strokes))
    assert stages.centred.shape == (28, 28)
    assert max(stages.scaled.shape) == 20
    height, width = stages.cropped.shape
    assert stages.scaled.shape == tuple(max(1, round(n * 20 / max(height, width))) for n in (height, width))
    ink = stages.centred.sum()
    for axis in (0, 1):
        centre = (stages.centred.sum(axis=1 - axis) * np.arange(28)).sum() / ink
        assert abs(centre - 13.5) <= 0.5 + 1e-9, digit
    assert stages.centred.sum() == stages.scaled.sum()  # nothing is cut off


def test_where_it_is_drawn_and_how_large_does_not_matter():
    small = np.zeros((140, 140), np.uint8)
    small[5:25, 100:110] = 255
    large = np.zeros((140, 140), np.uint8)
    large[60:120, 10:40] = 255
    assert np.array_equal(frame(small).centred, frame(large).centred)


@pytest.mark.parametrize("pixel", [(0, 0), (139, 139), (70, 3)])
def test_a_dot(pixel):
    drawn = np.zeros((140, 140), np.uint8)
    drawn[pixel] = 255
    assert frame(drawn).centred.sum() > 0


def test_an_empty_field_is_an_empty_image():
    stages = frame(np.zeros((140, 140), np.uint8))
    assert stages.centred.shape == (28, 28)
    assert not stages.centred.any()


def test_a_digit_that_is_in_the_frame_stays_there():
    x, _ = digits.load_data()
    for image in x[:50, ..., 0]:
        again = frame(image).centred.astype(int)
        best = min(np.abs(np.roll(again, (i, j), (0, 1)) - image).mean() for i in (-1, 0, 1) for j in (-1, 0, 1))
        assert best < 12  # its faint edge is cropped, so it may grow by a pixel


def test_growing_and_shrinking_keep_the_mean():
    image = np.random.default_rng(0).integers(0, 256, (60, 60), np.uint8)
    for size in ((30, 30), (120, 120), (7, 13)):
        assert resized(image, *size).shape == size
        assert abs(resized(image, *size).mean() - image.mean()) < 4
