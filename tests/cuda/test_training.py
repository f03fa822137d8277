"""A network trained on the emulated GPU: the same tape, layers and optimizers, and the same numbers as on the CPU."""

import functools
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import layers, optimizers
from minicnn.backend.cpu import CPU
from minicnn.kernels import KERNELS
from minicnn.training.model import Model
from minicnn.training.sequential import Sequential
from tests.cuda.emulation import EmulatedGPU
from tests.parity import graphs


def trained(device, x, y):
    model = Sequential(
        [
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(12, 3, strides=2, padding="same", activation="relu"),
            layers.AveragePooling2D(),
            layers.Flatten(),
            layers.Dropout(0.1),
            layers.Dense(10, activation="softmax"),
        ],
        device=device,
        seed=7,
    )
    model.compile(optimizers.Adam(0.01), loss="categorical_crossentropy", metrics=["accuracy"])
    losses = model.fit(x, y, batch_size=16, epochs=2, verbose=0).history["loss"]
    return losses, model.predict(x), [np.array(w) for w in model.get_weights()]


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 2e-4), ("tf32", 5e-3)])
def test_training_agrees_with_the_cpu(rng, precision, tolerance):
    x = rng.random((40, 12, 10, 1)).astype("f")  # the last batch is smaller
    y = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 40)]
    gpu = EmulatedGPU(precision)
    losses, outputs, weights = trained(gpu, x, y)
    expected_losses, expected_outputs, expected_weights = trained(CPU("numpy_ref"), x, y)
    np.testing.assert_allclose(losses, expected_losses, rtol=tolerance)
    np.testing.assert_allclose(outputs, expected_outputs, atol=10 * tolerance)
    for a, e in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(a, e, atol=10 * tolerance * max(1, np.abs(e).max()))
    ran = {kernel for _, kernel, _ in gpu.launcher.started}
    assert {"conv2d_32", "conv2d_input_grad_32", "conv2d_weight_grad_32", "max_pool_small", "moment_parts", "dropout",
            "adam_step", "summed_cross_entropy"} <= ran  # fmt: skip


def inception(lib):
    """Three branches of other windows, a bottleneck, a pool, and a residual block over their join."""
    L = lib.layers
    x = lib.Input((9, 8, 3))
    y = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)))
    branches = [L.Conv2D(4, 1, activation="relu")(y), L.Conv2D(6, 5, padding="same", activation="relu")(
                L.Conv2D(3, 1, activation="relu")(y)), L.Conv2D(4, 1)(L.AveragePooling2D(3, 1, "same")(y)),
                L.DepthwiseConv2D(3, padding="same")(L.MaxPooling2D(3, 1, "same")(y))]  # fmt: skip
    y = L.Concatenate()(branches)
    z = L.Conv2D(22, 3, padding="same")(L.ReLU()(L.BatchNormalization()(y)))
    y = L.GlobalAveragePooling2D()(L.ReLU()(L.Add()([y, z])))
    return lib.Model(x, L.Dense(3, activation="softmax")(y), name="inception")


def stepped(make, device):
    """The losses of three steps, what the first one made of every weight, and the outputs after the last one."""
    made = {"device": device, "seed": 7}
    lib = SimpleNamespace(layers=layers, Input=layers.Input, Model=functools.partial(Model, **made),
                          Sequential=functools.partial(Sequential, **made))  # fmt: skip
    model = make(lib)
    model.compile(optimizers.SGD(1.0), loss="categorical_crossentropy")  # the first step is the gradient itself
    x, y = graphs.data(model.sample_in, model.sample_out)
    start = model.get_weights()
    losses = [float(np.ravel(model.train_on_batch(x, y))[0])]
    moved = [a - b for a, b in zip(start, model.get_weights(), strict=True)]
    model.optimizer.learning_rate = 0.05
    losses += [float(np.ravel(model.train_on_batch(x, y))[0]) for _ in range(2)]
    return losses, moved, model.predict(x, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("make", [inception, graphs.branches, graphs.residual, graphs.shared, graphs.nested])
def test_graphs_with_branches_agree_with_the_cpu(make):
    gpu = EmulatedGPU("float32")
    (losses, moved, outputs), expected = stepped(make, gpu), stepped(make, CPU("numpy_ref"))
    np.testing.assert_allclose(losses, expected[0], rtol=1e-4)
    largest = max(np.abs(e).max() for e in expected[1])
    for a, e in zip(moved, expected[1], strict=True):
        np.testing.assert_allclose(a, e, atol=1e-4 * largest)
    np.testing.assert_allclose(outputs, expected[2], atol=1e-3)
    assert {"conv2d_32", "conv2d_weight_grad_32"} <= {kernel for _, kernel, _ in gpu.launcher.started}
    assert largest > 1e-3


def test_the_same_bytes_twice(rng):
    x, y = rng.random((20, 8, 8, 1)).astype("f"), np.eye(10, dtype=np.float32)[rng.integers(0, 10, 20)]
    (_, a, _), (_, b, _) = (trained(EmulatedGPU("tf32"), x, y) for _ in range(2))
    assert a.tobytes() == b.tobytes()


def test_every_kernel_comes_from_the_set():
    gpu = EmulatedGPU()
    for name in KERNELS:
        assert getattr(gpu, name).func.__module__.startswith("minicnn.kernels.cuda."), name
