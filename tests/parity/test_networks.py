"""Networks A to E against Keras: outputs, gradients, moving averages, optimizer steps; equal weights, equal batches.

In float32 an output is compared in two ways. Its relative L2 distance is at most 1e-5, and so is the distance of every
element in units of the tensor's largest one. Batch norm takes its gain out first: z = gain (x - mean) + beta multiplies
the rounding errors of x by gain = gamma / sqrt(var + epsilon), up to 38 at a dense unit that hardly any image wakes, so
an element of z is compared in units of gain times the largest x, and more strictly (BEHIND_NORM). In units of the
largest z no bound would hold: there, over 40 draws of images and weights, Keras's float32 was .7e-5 to 3.8e-5 from its
own float64. In units of gain times the largest x it was at most .13e-5 (20 draws; minicnn's im2col .16e-5, its Winograd
.36e-5): ours from Keras's float32 can be the sum of both.
"""

import numpy as np
import pytest

import minicnn as mc

from . import ours
from .conftest import images, model_in
from .wire import pack, unpack

pytestmark = pytest.mark.parity

# Outputs and the gradients of all weights are compared for both; the gradients of the layers' outputs for im2col only:
# over an even background the four cells of a max-pool's window tie, rounding decides which of them gets the gradient,
# and Winograd's tiles round differently within a window. The windows before them are equal too: no weight feels it.
ALGORITHMS = ("im2col", "auto")
BEHIND_NORM = {"im2col": 3e-6, "auto": 6e-6}  # largest distance of an element of batch norm's output, see above


def both(keras, dtype, what, training, n, algorithm="auto"):
    """(model, minicnn's passes, Keras's) in one float type; the weights are float32 values in either."""
    x, y = images(n)
    model = model_in(dtype, what)
    for layer in model.layers:
        if hasattr(layer, "algorithm"):
            layer.algorithm = algorithm
    model.set_weights([np.float32(w) for w in model.get_weights()])
    model.compile("sgd", "categorical_crossentropy")
    theirs = ask(keras, model, what, training, x, y)
    return model, ours.passes(model, x, y, training=training, loss="cross-entropy"), theirs


def ask(keras, model, what, training, x, y):
    sent = pack("w", model.get_weights()) | {"x": x, "y": y}
    header, arrays = keras("passes", sent, what=what, training=training, loss="cross-entropy")
    return header | {name: unpack(name, arrays) for name in ("out", "dout", "dw", "moving")}


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_a_in_float64(keras64, training, yardstick):
    model, mine, theirs = both(keras64, "float64", "a", training, 16)
    compare_float64(model, mine, theirs, "A float64", yardstick)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
def test_a_in_float32(keras32, training, algorithm, yardstick):
    model, mine, theirs = both(keras32, "float32", "a", training, 16, algorithm)
    compare_float32(model, mine, theirs, training, algorithm, "A float32", yardstick)


@pytest.mark.parametrize("what", "bcde")
def test_b_to_e_in_float64(keras64, what, yardstick):
    model, mine, theirs = both(keras64, "float64", what, True, 6)
    compare_float64(model, mine, theirs, "B to E float64", yardstick)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("what", "bcde")
def test_b_to_e_in_float32(keras32, what, algorithm, yardstick):
    model, mine, theirs = both(keras32, "float32", what, True, 6, algorithm)
    compare_float32(model, mine, theirs, True, algorithm, "B to E float32", yardstick)


def test_a_keeps_its_batch_statistics_out_of_inference(keras64):
    """Training and inference differ, else comparing both proves nothing; moving averages move in training alone."""
    model, mine, _ = both(keras64, "float64", "a", True, 16)
    before = [p.numpy().copy() for p in model.non_trainable_weights]
    x, y = images(16)
    still = ours.passes(model, x, y, training=False, loss="cross-entropy")
    assert all(np.array_equal(a, b) for a, b in zip(before, still["moving"], strict=True))
    assert not np.allclose(mine["out"][1], still["out"][1], rtol=1e-2)


def compare_float64(model, mine, theirs, title, yardstick):
    yardstick.relative(f"{title}: loss", "loss", mine["loss"], theirs["loss"], 1e-9)
    for kind, where, a, b in tensors(model, mine, theirs):
        yardstick.relative(f"{title}: {kind}", where, a, b, 1e-9)


def compare_float32(model, mine, theirs, training, algorithm, title, yardstick):
    if algorithm != "im2col":
        mine["dout"] = [None] * len(mine["dout"])
    yardstick.relative(f"{title}: loss", "loss", mine["loss"], theirs["loss"], 1e-5)
    scales = scales_of(model, theirs["out"], training, BEHIND_NORM[algorithm])
    for kind, where, a, b in tensors(model, mine, theirs):
        yardstick.l2(f"{title}: {kind}, L2", where, a, b, 1e-4 if "gradients" in kind else 1e-5)
        if kind == "outputs":
            unit, bound = next(scales)
            yardstick.absolute(f"{title}: outputs, element, {algorithm}", where, a / unit, b / unit, bound)


def scales_of(model, outputs, training, behind_norm):
    """For each output the unit that its elements are compared in, and the bound: see the head of this file."""
    for i, (layer, out) in enumerate(zip(model.layers, outputs, strict=True)):
        if isinstance(layer, mc.layers.BatchNormalization):
            x = np.moveaxis(np.float64(outputs[i - 1]), layer.axis, -1)
            variance = x.var(tuple(range(x.ndim - 1))) if training else layer.moving_variance.numpy()
            gain = np.abs(layer.gamma.numpy()) / np.sqrt(variance + layer.epsilon)
            unit = np.moveaxis(np.expand_dims(gain * np.abs(x).max(), tuple(range(x.ndim - 1))), -1, layer.axis)
            bound = behind_norm
        elif not isinstance(layer, mc.layers.Dropout):  # off here: it passes its input on, units and all
            unit, bound = np.abs(out).max(), 1e-5
        yield unit, bound


def tensors(model, mine, theirs):
    """(kind, where, ours, Keras's) for every output, its gradient, every weight's gradient, every moving average."""
    layers = [layer.name for layer in model.layers]
    wheres = {"out": layers, "dout": ["input", *layers], "dw": [p.path for p in model.trainable_weights],
              "moving": [p.path for p in model.non_trainable_weights]}  # fmt: skip
    kinds = {"out": "outputs", "dout": "gradients of outputs", "dw": "gradients of weights",
             "moving": "moving averages"}  # fmt: skip
    for what, names in wheres.items():
        for where, a, b in zip(names, mine[what], theirs[what], strict=True):
            if a is not None:
                yield kinds[what], where, a, b


@pytest.mark.parametrize("name", ["Adam", "RMSprop"])
def test_five_steps(keras64, name, yardstick):
    model = model_in("float64", "a")
    batches = [images(16, seed) for seed in range(5)]
    sent = pack("w", model.get_weights()) | pack("x", [x for x, _ in batches]) | pack("y", [y for _, y in batches])
    header, arrays = keras64("steps", sent, what="a", optimizer={"name": name})
    model.compile(name.lower(), "categorical_crossentropy", metrics=["accuracy"])
    for i, (x, y) in enumerate(batches):
        loss, accuracy = model.train_on_batch(x, y)
        yardstick.relative(f"A float64: {name}, loss", f"step {i + 1}", loss, header["values"][i][0], 1e-7)
        assert accuracy == pytest.approx(header["values"][i][1], abs=1e-6)
        for p, a, b in zip(model.weights, model.get_weights(), unpack(f"step{i}w", arrays), strict=True):
            yardstick.relative(f"A float64: {name}, weights", f"step {i + 1}, {p.path}", a, b, 1e-7)
