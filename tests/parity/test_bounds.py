"""Regularizers and constraints against Keras: five steps, evaluate, files both ways and on."""

import numpy as np
import pytest

import minicnn as mc

from .conftest import device, images, model_in
from .networks import BOUND
from .wire import pack, unpack

pytestmark = pytest.mark.parity
ADAM = {"name": "Adam", "learning_rate": 0.01}
LOSS = "categorical_crossentropy"


@pytest.mark.parametrize("what", BOUND)
def test_five_steps(keras64, what, yardstick):
    model = model_in("float64", what)
    batches = [images(12, seed) for seed in range(5)]
    arrays = pack("w", model.get_weights()) | pack("x", [x for x, _ in batches]) | pack("y", [y for _, y in batches])
    header, theirs = keras64("steps", arrays, what=what, optimizer=ADAM)
    model.compile(mc.optimizers.Adam(0.01), LOSS, metrics=["accuracy"])
    alone = mc.losses.CategoricalCrossentropy()(batches[0][1], model.predict(batches[0][0], verbose=0))
    for step, (x, y) in enumerate(batches):
        values = model.train_on_batch(x, y)
        yardstick.relative("bounds float64: loss of a step", f"step {step}", values[0], header["values"][step][0], 1e-9)
        assert step or values[0] > float(alone) + 0.1  # what is compared is there
        for p, a, b in zip(model.weights, model.get_weights(), unpack(f"step{step}w", theirs), strict=True):
            yardstick.relative("bounds float64: weights after a step", f"step {step} {p.path}", a, b, 1e-8)


@pytest.mark.parametrize("what", BOUND)
def test_files_both_ways_and_on(keras64, what, tmp_path, yardstick):
    (x, y), names = images(8), [str(tmp_path / name) for name in ("theirs", "ours.keras")]
    start, data = model_in("float64", what), {"x0": x, "y0": y}
    options = {"loss": LOSS, "metrics": ["accuracy"]}
    keras64("write_files", pack("w", start.get_weights()) | data, what=what, path=names[0], optimizer=ADAM,
            options=options)  # fmt: skip
    model = mc.load_model(names[0] + ".keras", device=device("float64"))
    assert [layer.bounds().keys() for layer in model.layers] == [layer.bounds().keys() for layer in start.layers]
    model.save(names[1])
    header, _ = keras64("read_file", data, path=names[1], more=3)
    mine = [model.train_on_batch(x, y)[0] for _ in range(3)]
    yardstick.relative("bounds float64: loss of the next steps", what, mine, header["losses"], 1e-7)
    back = mc.load_model(str(tmp_path / "ours.again.keras"), device=device("float64"))
    for p, a, b in zip(model.weights, model.get_weights(), back.get_weights(), strict=True):
        yardstick.relative("bounds float64: weights after them", p.path, b, a, 1e-6)
    assert np.isfinite(mine).all()
