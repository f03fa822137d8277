"""Every layer and activation by itself against Keras: output, and the gradients of input and weights."""

import numpy as np
import pytest

from . import ours
from .conftest import model_in
from .networks import LAYERS
from .wire import pack, unpack

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("what", LAYERS)
def test_layer(keras, dtype, what, yardstick):
    model = model_in(dtype, what)
    rng = np.random.default_rng(1)
    x, cotangent = (rng.standard_normal((4, *shape)).astype(dtype) for shape in (model.sample_in, model.sample_out))
    modes = [True, False] if "batch norm" in what else [True]
    for training in modes:
        sent = pack("w", model.get_weights()) | {"x": x, "y": cotangent}
        _, theirs = keras("passes", sent, what=what, training=training, loss="dot")
        mine = ours.passes(model, x, cotangent, training=training, loss="dot")
        for kind in ("out", "dout", "dw", "moving"):
            if kind == "moving" and what.startswith("random"):
                continue  # Keras's seed, which the layer keeps as a weight
            pairs = list(zip(mine[kind], unpack(kind, theirs), strict=True))
            assert pairs or kind in ("dw", "moving")
            for i, (a, b) in enumerate(pairs):
                bound = 1e-9 if dtype == "float64" else 1e-5
                yardstick.relative(f"layers {dtype}", f"{what}, {kind}{i}", a, b, bound)


def test_max_pool_sends_a_tie_to_the_first_cell(keras, dtype, yardstick):
    model = model_in(dtype, "max pool overlapping")
    x = np.random.default_rng(2).integers(0, 2, (3, *model.sample_in)).astype(dtype)
    cotangent = np.random.default_rng(3).standard_normal((3, *model.sample_out)).astype(dtype)
    _, theirs = keras("passes", {"x": x, "y": cotangent}, what="max pool overlapping", training=True, loss="dot")
    mine = ours.passes(model, x, cotangent, training=True, loss="dot")
    yardstick.relative(f"layers {dtype}", "max pool with ties", mine["dout"][0], theirs["dout0"], 1e-6)
