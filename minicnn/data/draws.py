"""The random parameters of augmentation, and the matrices that they make; for a whole batch at once.

Image i of a batch owns the words 16 i .. 16 i + 15 of the stream (seed, step, AUGMENT), each with one meaning, so that
switching an option on or off leaves the draws of the others alone.
"""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn.kernels.contract import AUGMENT, stream

STREAM = stream(AUGMENT)
SIDES = stream(AUGMENT, 1)  # which way an image of the data begins that alternates, whatever its step and place
WORDS = 16  # per image; the last ones are free
(THETA, HEIGHT_SHIFT, WIDTH_SHIFT, SHEAR, ZOOM_X, ZOOM_Y, FLIP_HORIZONTAL, FLIP_VERTICAL, CHANNEL_SHIFT, BRIGHTNESS,
 HEIGHT_SIGN, WIDTH_SIGN) = range(12)  # fmt: skip

NOTHING = {"theta": 0.0, "tx": 0.0, "ty": 0.0, "shear": 0.0, "zx": 1.0, "zy": 1.0, "flip_horizontal": False,
           "flip_vertical": False}  # fmt: skip

ALTERNATING = "alternating"

Parameters = dict[str, np.ndarray]  # float64 or bool (N,), under Keras's names


def uniforms(words: np.ndarray) -> np.ndarray:
    """uint32 words -> float64 in (0, 1): (word + 1/2) / 2^32."""
    return (words + 0.5) * 2.0**-32


def draw(options: Any, words: np.ndarray, height: int, width: int, sides: np.ndarray | None = None) -> Parameters:
    """The parameters of N images, from their words (N, 16) and the ranges of `options`, an ImageDataGenerator.

    sides: bool (2, N), which images are mirrored, across and down, where that alternates; None where nothing does.

    theta, shear (degrees); tx, ty (px, to the left and upwards); zx, zy (> 1 shrinks); flip_horizontal, flip_vertical;
    channel_shift_intensity, brightness (only if asked for).
    """
    u = uniforms(words).T  # (16, N)

    def flips(option, u, axis: int):
        return sides[axis] if option == ALTERNATING and sides is not None else (u < 0.5) & bool(option)

    tx = _shift(options.width_shift_range, u[WIDTH_SHIFT], u[WIDTH_SIGN], width)
    ty = _shift(options.height_shift_range, u[HEIGHT_SHIFT], u[HEIGHT_SIGN], height)
    low, high = options.zoom_range
    parameters = {
        "theta": options.rotation_range * (2 * u[THETA] - 1),
        "tx": ty if options.keras_compat else tx,
        "ty": tx if options.keras_compat else ty,
        "shear": options.shear_range * (2 * u[SHEAR] - 1),
        "zx": low + (high - low) * u[ZOOM_X],
        "zy": low + (high - low) * u[ZOOM_Y],
        "flip_horizontal": flips(options.horizontal_flip, u[FLIP_HORIZONTAL], 0),
        "flip_vertical": flips(options.vertical_flip, u[FLIP_VERTICAL], 1),
    }
    if options.channel_shift_range:
        parameters["channel_shift_intensity"] = options.channel_shift_range * (2 * u[CHANNEL_SHIFT] - 1)
    if options.brightness_range is not None:
        low, high = options.brightness_range
        parameters["brightness"] = low + (high - low) * u[BRIGHTNESS]
    return parameters


def _shift(spec: float | int | Sequence, u: np.ndarray, sign: np.ndarray, size: int) -> np.ndarray:
    """Pixels (N,). spec s: a float is U(-s, s), of `size` if s < 1; an int is 0 .. s-1, a sequence its elements, +-."""
    sign = np.where(sign < 0.5, -1.0, 1.0)
    if isinstance(spec, numbers.Integral):
        return np.floor(u * spec) * sign
    if isinstance(spec, numbers.Real):
        return (2 * u - 1) * spec * (size if spec < 1 else 1)
    elements = np.asarray(spec, np.float64)
    return elements[(u * len(elements)).astype(np.int64)] * sign * (size if elements.max() < 1 else 1)


def matrices(parameters: Parameters, height: int, width: int) -> np.ndarray:
    """float64 (N, 2, 3): output (row, column, 1) -> input (row, column), for the kernel affine_warp.

    With x along columns, y along rows, both from the centre ((W-1)/2, (H-1)/2), and F the flips:

        (x, y) <- R(theta) ( S(shear) Z(zx, zy) F (x, y) + (tx, ty) )
        R = | cos -sin |    S = | 1 -sin |    Z = | zx  0 |
            | sin  cos |        | 0  cos |        |  0 zy |

    Differs from Keras: an image that is not square turns about its centre, and the shift of the width moves along the
    width (keras issue 17398).
    """
    theta, shear = np.deg2rad(parameters["theta"]), np.deg2rad(parameters["shear"])
    c, s = np.cos(theta).round(15), np.sin(theta).round(15)  # rounded: 90 degrees move whole pixels
    x_sign = np.where(parameters["flip_horizontal"], -parameters["zx"], parameters["zx"])
    y_sign = np.where(parameters["flip_vertical"], -parameters["zy"], parameters["zy"])
    sin, cos = np.sin(shear), np.cos(shear)
    x_from_x, x_from_y = c * x_sign, -(c * sin + s * cos) * y_sign
    y_from_x, y_from_y = s * x_sign, (c * cos - s * sin) * y_sign
    tx, ty = parameters["tx"], parameters["ty"]
    cx, cy = (width - 1) / 2, (height - 1) / 2
    out = np.empty((len(theta), 2, 3))
    out[:, 0, 0], out[:, 0, 1] = y_from_y, y_from_x
    out[:, 1, 0], out[:, 1, 1] = x_from_y, x_from_x
    out[:, 0, 2] = cy - y_from_y * cy - y_from_x * cx + s * tx + c * ty
    out[:, 1, 2] = cx - x_from_y * cy - x_from_x * cx + c * tx - s * ty
    return out


def recolour(images: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Channel shift (added, kept within the image's own range), then brightness (multiplied, kept within 0..255)."""
    if (shift := parameters.get("channel_shift_intensity")) is not None:
        low, high = images.min(axis=(1, 2, 3), keepdims=True), images.max(axis=(1, 2, 3), keepdims=True)
        images = np.clip(images + shift[:, None, None, None].astype(images.dtype), low, high)
    if (factor := parameters.get("brightness")) is not None:
        images = np.clip(images * factor[:, None, None, None].astype(images.dtype), 0, 255)
    return images
