"""The inference path folds batch norm and records nothing, and says what the layers say one by one."""

import numpy as np
import pytest

import minicnn
from minicnn import Sequential, Tensor, layers
from minicnn.backend.cpu import CPU
from minicnn.core.tensor import no_grad
from minicnn.training import inference, loop

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


def merging(backend):
    """Every way in which layers become one call: which and how many follows in CALLS."""
    nn = layers
    return Sequential(
        [
            minicnn.Input((23, 21, 2)),
            nn.Conv2D(5, 3), nn.Activation("relu"), nn.BatchNormalization(axis=1), nn.MaxPool2D(),
            nn.ZeroPadding2D(((1, 2), (0, 1))), nn.Conv2D(17, 3, activation="relu"), nn.BatchNormalization(),
            nn.MaxPool2D(),
            nn.Dropout(0.5),
            nn.Conv2D(33, 3, padding="same", activation="relu"), nn.MaxPool2D(2, strides=1, padding="same"),
            nn.ZeroPadding2D(1), nn.Conv2D(6, 3, strides=2), nn.BatchNormalization(axis=-1),
            nn.BatchNormalization(axis=2),
            nn.ZeroPadding2D(1),
            nn.ZeroPadding2D(1), nn.Conv2D(4, 3), nn.Activation("relu"),
            nn.BatchNormalization(axis=1),
            nn.ZeroPadding2D(1),
            nn.Conv2D(4, 3, activation="tanh"),
            nn.MaxPool2D(),
            nn.Flatten(),
            nn.Dense(7), nn.Activation("relu"), nn.BatchNormalization(),
            nn.Dense(5, activation="relu"),
            nn.Dense(3),
            nn.Activation("softmax"),
        ],
        seed=3,
        device=backend,
    )  # fmt: skip


CALLS = {network: 12 - 3, merging: 17}


@pytest.mark.parametrize("network", CALLS)
@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("logits", [False, True])
def test_folded_equals_layer_by_layer(network, kind, logits, rng):
    kernels, dtype, tolerance = SETS[kind]
    model = network(CPU(kernels, dtype))
    model.set_weights([rng.uniform(0.5, 1.5, w.shape).astype(dtype) for w in model.get_weights()])
    x = rng.standard_normal((4, *model.input_shape)).astype(dtype)
    with no_grad():
        expected = model.forward(Tensor(x, model.backend), training=False, logits=logits).numpy()
        y = x
        steps = inference.steps(model, logits=logits)
        for step in steps:
            y = step(y)
    assert len(steps) == CALLS[network]
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


def test_a_subclass_and_a_replaced_call_are_called(rng):
    class Doubled(layers.Activation):
        def call(self, x, *, training):
            return super().call(x, training=training) * 2

    model = Sequential([minicnn.Input((6, 6, 1)), layers.Conv2D(2, 3), Doubled("relu"), layers.MaxPool2D()], seed=1)
    pool = model.layers[2]
    pool.call = lambda x, *, training: -type(pool).call(pool, x, training=training)
    x = rng.standard_normal((2, 6, 6, 1)).astype(np.float32)
    assert len(inference.steps(model, logits=False)) == 3
    with no_grad():
        expected = model.forward(Tensor(x, model.backend), training=False, logits=False).numpy()
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def test_tiles_change_nothing_and_large_images_make_them_small(rng, monkeypatch):
    model = merging(CPU("numba_cpu"))
    x = rng.standard_normal((11, *model.input_shape)).astype(np.float32)
    assert loop.tile_size(model) == loop.TILE
    whole = model.predict(x, verbose=0)
    for largest, size in ((0, 1), (21 * 19 * 5 * 4 * 3, 3)):
        monkeypatch.setattr(loop, "TILE_BYTES", largest)
        assert loop.tile_size(model) == size
        np.testing.assert_array_equal(model.predict(x, verbose=0), whole)
