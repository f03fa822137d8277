"""Filters of a convolution, and each filter's response to one image.

    conv = model.layers[0]
    features.draw_filters(conv)                              also before any training
    found = model.activations(x[:1])                         layer name -> output (1, H, W, C)
    features.draw_maps(found[conv.name][0], image=x[0])      one map per filter
    features.draw_maps(found["max_pooling2d"][0])            the same after max-pooling

All tiles of a picture share one scale, so that a filter that finds nothing is white. Source: Zeiler & Fergus 2014.
"""

import functools
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..arguments import array, checked, text, whole
from ..errors import ArgumentError, DataError, require
from .arrays import fractions_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def kernel_of(filters: Any) -> np.ndarray:
    """The kernel (KH, KW, C, O) of a built Conv2D, or the array itself."""
    if hasattr(filters, "get_weights"):
        where, weights = f"features: {filters.name}", filters.get_weights()
        ok, fix = bool(weights), "give its model an Input, or call build"
        require(ok, where, "a built layer with a kernel", "a layer without weights", fix, error=ArgumentError)
        filters = weights[0]
    where = "features: filters"
    kernel = array(where, filters, finite=True, error=DataError)
    expected = "a kernel of shape (KH, KW, C, filters)"
    require(kernel.ndim == 4 and kernel.size, where, expected, f"shape {kernel.shape}", error=DataError)
    return kernel


_title = functools.partial(text, empty=True)


@checked("features.draw_filters", columns=whole, title=_title)
def draw_filters(filters: Any, *, channel: int = 0, columns: int = 8, title: str = "") -> "Figure":
    """The kernel of a Conv2D, or an array (KH, KW, C, O): one tile per filter, for one input channel.

    White is 0, orange positive, blue negative.
    Raises DataError for another shape, ArgumentError for a layer without weights or a channel that is not there.
    """
    kernel = kernel_of(filters)
    channels, count = kernel.shape[2:]
    channel = whole("features.draw_filters: channel", channel, low=0, high=channels - 1)
    if not title:
        of = f", input channel {channel} of {channels}" if channels > 1 else ""
        title = f"{count} filters, {kernel.shape[0]} x {kernel.shape[1]}{of}"
    return _grid(np.moveaxis(kernel[:, :, channel], -1, 0), None, columns, title, "weight")


@checked("features.draw_maps", columns=whole, title=_title)
def draw_maps(maps: np.ndarray, image: np.ndarray | None = None, *, columns: int = 8, title: str = "") -> "Figure":
    """A layer's response (H, W, C) to one image, one tile per filter; `image` (H, W[, C]) is drawn in front.

    White is 0, orange positive, blue negative. Raises DataError for another shape.
    """
    where = "features.draw_maps: maps"
    maps = array(where, maps, finite=True, error=DataError)
    maps = maps[0] if maps.ndim == 4 and len(maps) == 1 else maps
    expected = "the response to one image, (H, W, C)"
    require(maps.ndim == 3 and maps.size, where, expected, f"shape {maps.shape}", "take [0]", error=DataError)
    title = title or f"{maps.shape[2]} responses, {maps.shape[0]} x {maps.shape[1]} px"
    where, first = "features.draw_maps: image", None
    if image is not None:
        image = array(where, image, error=DataError)
        expected = "an image of shape (H, W) or (H, W, 1 or 3)"
        require(image.ndim in (2, 3), where, expected, f"shape {image.shape}", error=DataError)
        first = fractions_of(image[None], where)[0]
    return _grid(np.moveaxis(maps, -1, 0), first, columns, title, "response")


def _grid(tiles: np.ndarray, image: np.ndarray | None, columns: int, title: str, unit: str) -> "Figure":
    """Tiles (N, H, W), numbered from 0, beside the bar of their common scale; the image to their left."""
    from matplotlib.colors import LinearSegmentedColormap

    from .figure import BLUE, FAINT, MUTED, ORANGE, picture, show_image

    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    bound, signed = float(np.abs(tiles).max()) or 1.0, tiles.min() < 0
    # Without negative values the scale may end darker than orange, so that weak responses show.
    colours = LinearSegmentedColormap.from_list("", [BLUE, "white", ORANGE] if signed else ["white", ORANGE, "#4A1A00"])
    size = 0.95  # inches of a tile
    front = 0 if image is None else 2.0
    height = max((size + 0.15) * rows + 0.5, 1.9 if front else 0)
    with picture(max(size * columns + front + 0.9, 4.2), height) as figure:
        cast(Any, figure.get_layout_engine()).set(w_pad=0.08, h_pad=0.05, wspace=0, hspace=0)
        figure.suptitle(title, x=0.01, ha="left")
        right: Any = figure
        if front:
            left, right = cast(Any, figure.subfigures(1, 2, width_ratios=(front, size * columns + 0.9)))
            axes = left.add_subplot()
            show_image(axes, image)
            axes.set_xlabel("image")
        panels = right.subplots(rows, columns, squeeze=False)
        for number, axes in enumerate(panels.flat):
            if number >= len(tiles):
                axes.set_axis_off()
                continue
            limits = {"vmin": -bound if signed else 0, "vmax": bound}
            shown = axes.imshow(tiles[number], cmap=colours, interpolation="nearest", **limits)
            axes.set(xticks=[], yticks=[])
            axes.set_title(str(number), fontsize=7.5, fontweight="normal", loc="left", pad=2, color=MUTED)
            for side in axes.spines.values():
                side.set(visible=True, color=FAINT, linewidth=1)
        bar = right.colorbar(shown, ax=panels, fraction=0.05, pad=0.03, aspect=9 * rows)
        bar.outline.set_visible(False)
        bar.set_label(unit)
    return figure
