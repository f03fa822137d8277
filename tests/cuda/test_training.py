"""A network trained on the emulated GPU: the same tape, layers and optimizers, and the same numbers as on the CPU."""

import numpy as np
import pytest

from minicnn import layers, optimizers
from minicnn.backend.cpu import CPU
from minicnn.kernels import KERNELS
from minicnn.training.sequential import Sequential
from tests.cuda.emulation import EmulatedGPU


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


def test_the_same_bytes_twice(rng):
    x, y = rng.random((20, 8, 8, 1)).astype("f"), np.eye(10, dtype=np.float32)[rng.integers(0, 10, 20)]
    (_, a, _), (_, b, _) = (trained(EmulatedGPU("tf32"), x, y) for _ in range(2))
    assert a.tobytes() == b.tobytes()


def test_every_kernel_comes_from_the_set():
    gpu = EmulatedGPU()
    for name in KERNELS:
        assert getattr(gpu, name).func.__module__.startswith("minicnn.kernels.cuda."), name
