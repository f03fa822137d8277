"""Targets and inputs that Keras takes and minicnn refuses: models of minicnn.keras take them, and say so in one line.

Differs from Keras: class numbers beyond the classes, one number per sample for several outputs, and a dict of inputs
with further names, are errors, except in models of minicnn.keras.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import losses
from ..errors import MinicnnError
from ..notes import note

if TYPE_CHECKING:
    from .stack import LayerStack


def inputs(model: "LayerStack", x: Any) -> Any:
    """x, of a dict with names that no input of the model has without them."""
    if model.lenient and isinstance(x, Mapping):
        names = model.input_names
        extra = [key for key in x if key not in names]
        if extra and names and all(name in x for name in names):
            note(f"{model.name}: inputs named {', '.join(map(str, extra))} are left out: the model has "
                 f"{', '.join(names)}")  # fmt: skip
            return {name: x[name] for name in names}
    return x


def prepare(loss: losses.Loss, y: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """loss.prepare(y, shape), or what Keras makes of a y that it refuses.

    Class numbers beyond the classes add nothing to the loss, as on JAX; one number per sample stands for all outputs
    of a loss that compares them one by one.
    """
    try:
        return loss.prepare(y, shape)
    except MinicnnError:
        found = _as_keras(loss, y, shape)
        if found is None:
            raise
        return found


def _as_keras(loss, y, shape):
    flat = y.reshape(-1) if y.shape[1:] in ((), (1,)) else None
    if flat is None or len(shape) != 1 or y.dtype.kind not in "biuf" or not np.isfinite(flat).all():
        return None
    if type(loss) is losses.SparseCategoricalCrossentropy and (flat == np.floor(flat)).all():
        there = (flat >= 0) & (flat < shape[0])
        found = loss.prepare(np.where(there, flat, 0), shape) * there[:, None]
        range_, lost = f"from {flat.min():g} to {flat.max():g} for {shape[0]} classes", (~there).sum()
        note(f"fit: class numbers {range_}: {lost} samples add nothing to the loss, as in Keras; classes count from 0")
        return found
    if isinstance(loss, losses.base.Elementwise):
        found = loss.prepare(np.repeat(flat[:, None], shape[0], axis=1), shape)
        note(f"fit: y of shape {y.shape} for {shape[0]} outputs: each of them is compared with it, as in Keras")
        return found
    return None
