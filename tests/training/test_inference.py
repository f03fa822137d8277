"""The inference path folds batch norm and records nothing, and says what the layers say one by one."""

import numpy as np
import pytest

import minicnn
from minicnn import Sequential, Tensor, layers
from minicnn.backend.cpu import CPU
from minicnn.core.tensor import no_grad
from minicnn.training import inference

SETS = {"float64": ("numpy_ref", "float64", 1e-12), "float32": ("numba_cpu", "float32", 2e-5)}


def network(backend):
    """Every place in which a batch norm may stand: after linear, ReLU and tanh, after dense, along another axis."""
    return Sequential(
        [
            minicnn.Input((9, 8, 2)),
            layers.Conv2D(5, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(4, 3, activation="tanh"),
            layers.BatchNormalization(),
            layers.Conv2D(6, 1, strides=2, use_bias=False),
            layers.BatchNormalization(center=False),
            layers.Conv2D(3, 1, activation="relu"),
            layers.BatchNormalization(axis=1),
            layers.Flatten(),
            layers.Dense(7, activation="relu"),
            layers.BatchNormalization(axis=1, scale=False),
            layers.Dense(3, activation="softmax"),
        ],
        seed=3,
        device=backend,
    )


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("logits", [False, True])
def test_folded_equals_layer_by_layer(kind, logits, rng):
    kernels, dtype, tolerance = SETS[kind]
    model = network(CPU(kernels, dtype))
    model.set_weights([rng.uniform(0.5, 1.5, w.shape).astype(dtype) for w in model.get_weights()])
    x = rng.standard_normal((4, 9, 8, 2)).astype(dtype)
    with no_grad():
        expected = model.forward(Tensor(x, model.backend), training=False, logits=logits).numpy()
        y = x
        steps = inference.steps(model, logits=logits)
        for step in steps:
            y = step(y)
    assert len(steps) == len(model.layers) - 3  # three batch norms run in an epilogue
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_nothing_is_out_of_date_after_set_weights(rng):
    model = network(CPU("numba_cpu"))
    x = rng.standard_normal((3, 9, 8, 2)).astype(np.float32)
    before = model.predict(x, verbose=0)
    weights = model.get_weights()
    model.set_weights([w + np.float32(0.1) for w in weights])
    assert not np.allclose(before, model.predict(x, verbose=0))
    model.set_weights(weights)
    assert np.array_equal(before, model.predict(x, verbose=0))
