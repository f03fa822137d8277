"""Activations as functions: Keras's arguments, gradients, arrays and numbers, in layers and in losses."""

import inspect

import numpy as np
import pytest

from minicnn import Sequential, Tensor, activations, check_grad, layers, load_model
from minicnn.errors import MinicnnError
from minicnn.keras import activations as theirs
from minicnn.ops.activation import BY_NAME
from tests.parity.functions import ACTIVATIONS, X

CASES = [pytest.param(name, options, id=f"{name}-{i}")
         for name, cases in ACTIVATIONS.items() for i, options in enumerate(cases)]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), CASES)
def test_gradients(rng, name, options):
    check_grad(lambda x: getattr(theirs, name)(x, **options), [X], rng=rng)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_name_a_function_and_a_layer_are_one(rng, name):
    """By name, as a function of Keras's path, as Activation: the same op runs, and it is traced."""
    by_name, by_function = (layers.Activation(given) for given in (name, getattr(theirs, name)))
    assert by_name.activation is by_function.activation is BY_NAME[name]
    assert by_name.traced == by_function.traced == (name != "sparsemax")
    y = getattr(activations, name)(X.astype("float32"))
    np.testing.assert_array_equal(by_name(Tensor(X.astype("float32"))).numpy(), y)
    assert activations.get(name) is getattr(activations, name)
    assert activations.deserialize(activations.serialize(activations.get(name))) is activations.get(name)


def test_every_function_is_checked():
    assert set(activations.FUNCTIONS) <= set(ACTIVATIONS)
    assert list(inspect.signature(activations.relu).parameters) == ["x", "negative_slope", "max_value", "threshold"]


def test_of_arrays_and_numbers():
    assert np.asarray(activations.relu([-1, 2])).tolist() == [0, 2]
    assert float(activations.relu(7.0, max_value=6).numpy()) == 6
    assert activations.relu(-2.0, 0.5).numpy() == -1
    assert activations.get(None) is activations.linear
    np.testing.assert_allclose(np.asarray(activations.sparsemax([[2.0, 1.9, -3.0]])), [[0.55, 0.45, 0]], rtol=1e-6)
    np.testing.assert_allclose(activations.softmax(X, axis=(0, 1)).numpy().sum(), 1, rtol=1e-6)


def clipped(x):
    return activations.relu(x, negative_slope=0.1, max_value=1.0)


def loss(y_true, y_pred):
    return activations.squareplus(y_true - y_pred).mean(axis=-1)


def test_in_layers_losses_and_files(tmp_path, rng):
    """Functions with arguments, a loss of them, training; the file gives the same network."""
    model = Sequential(
        [layers.Input((6,)), layers.Dense(8, activation=clipped), layers.Dense(8, activation=activations.celu),
         layers.Activation("hard_swish"), layers.Dense(6, activation="sparsemax")], seed=1,
    )  # fmt: skip
    assert [layer.traced for layer in model.layers] == [False, True, True, False]
    model.compile("adam", loss)
    x, y = rng.standard_normal((32, 6)), rng.dirichlet(np.ones(6), 32)
    history = model.fit(x, y, epochs=8, batch_size=8, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "m.minicnn")
    twin = load_model(tmp_path / "m.minicnn", custom_objects={"clipped": clipped, "loss": loss})
    np.testing.assert_array_equal(twin.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("make", [
    lambda: activations.relu("x"), lambda: activations.relu(1.0, "x"), lambda: activations.gelu(1.0, approximate=2),
    lambda: activations.glu(np.ones((2, 3))), lambda: activations.get("rleu"), lambda: layers.Activation("glu"),
    lambda: activations.softmax(X, axis="x"),
])  # fmt: skip
def test_errors(make):
    with pytest.raises(MinicnnError):
        make()
