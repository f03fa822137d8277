"""Filters and their responses: what is drawn where, on which scale, and what is refused."""

import io
import re

import matplotlib
import numpy as np
import pytest

from minicnn import Sequential, layers
from minicnn.errors import ArgumentError, DataError
from minicnn.reports import features

RNG = np.random.default_rng(0)


def tiles(figure):
    """Arrays of all numbered tiles, in their order, with the limits of their scales."""
    found = {}
    for axes in figure.get_axes():
        number = axes.get_title(loc="left")
        if number.isdigit():
            (image,) = axes.images
            found[int(number)] = (np.asarray(image.get_array()), image.get_clim())
    return [found[i] for i in range(len(found))]


def test_a_tile_per_filter_on_one_scale():
    kernel = RNG.standard_normal((5, 5, 3, 10))
    for channel in (0, 2):
        drawn = tiles(features.draw_filters(kernel, channel=channel))
        assert len(drawn) == 10
        for i, (array, limits) in enumerate(drawn):
            np.testing.assert_array_equal(array, kernel[:, :, channel, i])
            bound = np.abs(kernel[:, :, channel]).max()
            assert limits == (-bound, bound)  # white is 0


def test_a_layer_is_drawn_by_its_kernel_also_untrained():
    model = Sequential([layers.Conv2D(4, 3, input_shape=(8, 8, 1))], seed=1)
    drawn = tiles(features.draw_filters(model.layers[0]))
    np.testing.assert_array_equal([array for array, _ in drawn], np.moveaxis(model.get_weights()[0][:, :, 0], -1, 0))


def test_responses_and_the_image():
    maps, image = RNG.random((14, 14, 5)), RNG.integers(0, 256, (28, 28, 1), dtype=np.uint8)
    figure = features.draw_maps(maps[None], image)  # a batch of one is one
    for i, (array, limits) in enumerate(tiles(figure)):
        np.testing.assert_array_equal(array, maps[..., i])
        assert limits == (0, maps.max())  # nothing below 0: the scale is not half empty
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.get_axes() if axes.get_xlabel() == "image"]
    np.testing.assert_allclose(shown[0], image[..., 0] / 255)
    assert tiles(features.draw_maps(maps - 0.5))[0][1] == (-np.abs(maps - 0.5).max(), np.abs(maps - 0.5).max())


@pytest.mark.parametrize("count", [1, 9, *(pytest.param(count, marks=pytest.mark.slow) for count in (3, 8, 36))])
@pytest.mark.parametrize("image", [None, np.eye(28)])
def test_nothing_is_cut_off(count, image):
    figure = features.draw_maps(RNG.random((6, 6, count)), image)
    pixels = matplotlib.image.imread(io.BytesIO(figure._repr_png_()))[..., :3]
    assert (pixels[[0, -1]] > 0.99).all()
    assert (pixels[:, [0, -1]] > 0.99).all()
    assert (pixels < 0.9).any()


def test_a_dead_layer():
    assert tiles(features.draw_maps(np.zeros((4, 4, 2))))[0][1] == (0, 1)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: features.draw_filters(np.zeros((5, 5))), DataError,
         "features: filters: expected a kernel of shape (KH, KW, C, filters), received shape (5, 5)"),
        (lambda: features.draw_filters(layers.Conv2D(2, 3, name="conv")), ArgumentError,
         "features: conv: expected a built layer with a kernel, received a layer without weights; give its model an "
         "Input, or call build"),
        (lambda: features.draw_filters(np.zeros((3, 3, 2, 4)), channel=2), ArgumentError,
         "features.draw_filters: channel: expected a whole number from 0 to 1, received 2"),
        (lambda: features.draw_maps(np.zeros((2, 4, 4, 3))), DataError,
         "features.draw_maps: maps: expected the response to one image, (H, W, C), received shape (2, 4, 4, 3); "
         "take [0]"),
        (lambda: features.draw_maps(np.zeros((4, 4, 0))), DataError,
         "features.draw_maps: maps: expected the response to one image, (H, W, C), received shape (4, 4, 0); "
         "take [0]"),
    ],
)  # fmt: skip
def test_refused(draw, error, message):
    with pytest.raises(error, match=re.escape(message) + "$"):
        draw()
