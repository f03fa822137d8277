"""Network A against Keras: outputs, gradients, moving averages, optimizer steps; equal weights, equal batches."""

import numpy as np
import pytest

from . import ours
from .conftest import images, model_in
from .wire import pack, unpack

pytestmark = pytest.mark.parity


@pytest.fixture(params=[True, False], ids=["training", "inference"])
def training(request):
    return request.param


def both(keras, dtype, what, training, n=6):
    x, y = images(n)
    model = model_in(dtype, what)
    model.compile("sgd", "categorical_crossentropy")
    header, arrays = keras("passes", pack("w", model.get_weights()) | {"x": x, "y": y}, what=what, training=training,
                           loss="cross-entropy")  # fmt: skip
    return model, ours.passes(model, x, y, training=training, loss="cross-entropy"), header, arrays


def test_every_output_gradient_and_average(keras, dtype, training, yardstick):
    compare(*both(keras, dtype, "a", training), f"A {dtype}", dtype, yardstick)


@pytest.mark.parametrize("what", "bcde")
def test_the_other_networks(keras, dtype, what, yardstick):
    compare(*both(keras, dtype, what, True), f"B to E {dtype}", dtype, yardstick)


def compare(model, mine, header, arrays, title, dtype, yardstick):
    exact = dtype == "float64"
    yardstick.relative(f"{title}: loss", "loss", mine["loss"], header["loss"], 1e-9 if exact else 1e-5)
    names = ["input", *(layer.name for layer in model.layers)]
    theirs = unpack("out", arrays)
    assert len(mine["out"]) == len(theirs) == len(model.layers)
    for name, a, b in zip(names[1:], mine["out"], theirs, strict=True):
        if exact:
            yardstick.relative(f"{title}: outputs", name, a, b, 1e-9)
        else:
            yardstick.absolute(f"{title}: outputs", name, a, b, 1e-5 * max(1, np.abs(b).max()))
    for name, a, b in zip(names, mine["dout"], unpack("dout", arrays), strict=True):
        if a is not None:
            compare_gradient(f"{title}: gradients of outputs", name, a, b, exact, yardstick)
    paths = [p.path for p in model.trainable_weights]
    for path, a, b in zip(paths, mine["dw"], unpack("dw", arrays), strict=True):
        compare_gradient(f"{title}: gradients of weights", path, a, b, exact, yardstick)
    moving = [p.path for p in model.non_trainable_weights]
    for path, a, b in zip(moving, mine["moving"], unpack("moving", arrays), strict=True):
        yardstick.relative(f"{title}: moving averages", path, a, b, 1e-9 if exact else 1e-5)


def compare_gradient(kind, where, a, b, exact, yardstick):
    if exact:
        yardstick.relative(kind, where, a, b, 1e-9)
    else:
        yardstick.l2(kind, where, a, b, 1e-4)


@pytest.mark.parametrize("name", ["Adam", "RMSprop"])
def test_five_steps(keras64, name, yardstick):
    model = model_in("float64", "a")
    batches = [images(6, seed) for seed in range(5)]
    sent = pack("w", model.get_weights()) | pack("x", [x for x, _ in batches]) | pack("y", [y for _, y in batches])
    header, arrays = keras64("steps", sent, what="a", optimizer={"name": name})
    model.compile(name.lower(), "categorical_crossentropy", metrics=["accuracy"])
    for i, (x, y) in enumerate(batches):
        loss, accuracy = model.train_on_batch(x, y)
        yardstick.relative(f"A float64: {name} losses", f"step {i + 1}", loss, header["values"][i][0], 1e-7)
        assert accuracy == pytest.approx(header["values"][i][1], abs=1e-6)
        for p, a, b in zip(model.weights, model.get_weights(), unpack(f"step{i}w", arrays), strict=True):
            yardstick.relative(f"A float64: {name} weights", f"step {i + 1}, {p.path}", a, b, 1e-7)
