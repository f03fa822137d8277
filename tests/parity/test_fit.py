"""fit, evaluate and predict against Keras's, on a fixed order of rows: history, validation, weights of samples."""

import numpy as np
import pytest

import minicnn as mc

from .conftest import images, model_in
from .wire import pack, unpack

pytestmark = pytest.mark.parity

SGD = {"name": "SGD", "learning_rate": 0.05}


def compare(keras64, what, loss, options, yardstick, one_hot=True, sample_weight=None, metrics=("accuracy", "mse")):
    x, y = images(24)
    y = y if one_hot else y.argmax(1)
    model = model_in("float64", what)
    arrays = pack("w", model.get_weights()) | {"x": x, "y": y}
    arrays |= {} if sample_weight is None else {"sample_weight": sample_weight}
    header, theirs = keras64("fit", arrays, what=what, optimizer=SGD, loss=loss, metrics=metrics, options=options)
    model.compile(mc.optimizers.SGD(0.05), loss, metrics=list(metrics))
    history = model.fit(x, y, shuffle=False, verbose=0, sample_weight=sample_weight, **options).history
    kind = "fit float64"
    assert set(history) == set(header["history"])
    for name, values in header["history"].items():
        yardstick.absolute(f"{kind}: history", f"{what} {name}", history[name], values, 1e-9)
    evaluated = model.evaluate(x, y, batch_size=7, verbose=0)
    yardstick.absolute(f"{kind}: evaluate", what, evaluated, header["evaluated"], 1e-9)
    yardstick.relative(f"{kind}: predict", what, model.predict(x, verbose=0), theirs["predicted"], 1e-9)
    for p, a, b in zip(model.weights, model.get_weights(), unpack("w", theirs), strict=True):
        yardstick.relative(f"{kind}: weights", f"{what} {p.path}", a, b, 1e-9)


def test_one_hot_with_a_partial_batch_and_validation_split(keras64, yardstick):
    options = {"epochs": 3, "batch_size": 8, "validation_split": 0.25, "validation_freq": 2}
    compare(keras64, "d", "categorical_crossentropy", options, yardstick)


def test_class_numbers_and_class_weights(keras64, yardstick):
    options = {"epochs": 2, "batch_size": 10, "class_weight": {0: 2.0, 3: 0.5}}
    compare(keras64, "e", "sparse_categorical_crossentropy", options, yardstick, one_hot=False, metrics=("accuracy",))


def test_mean_squared_error_and_sample_weights(keras64, yardstick):
    weights = np.random.default_rng(0).uniform(0, 2, 24).astype(np.float32)
    compare(keras64, "d", "mean_squared_error", {"epochs": 2, "batch_size": 10}, yardstick, sample_weight=weights)
