"""Every loss in a training step on the emulated GPU: the CPU's number and the CPU's weights."""

import numpy as np
import pytest

from minicnn import losses
from minicnn.backend.cpu import CPU
from minicnn.layers import Dense, Input
from minicnn.training.sequential import Sequential
from tests.cuda.emulation import EmulatedGPU

CPU_AND_GPU = CPU("numpy_ref"), EmulatedGPU()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a step is written down with zeros
@pytest.mark.parametrize("cls", losses.ALL)
def test_a_step(rng, cls):
    x, y = rng.standard_normal((6, 4)).astype("f"), np.eye(3, dtype="f")[rng.integers(0, 3, 6)]
    y = y.argmax(1) if issubclass(cls, losses.SparseCategoricalCrossentropy) else y
    found = []
    for device in CPU_AND_GPU:
        model = Sequential([Input((4,)), Dense(3, activation="sigmoid")], device=device, seed=3)
        model.compile("sgd", cls())
        loss = model.train_on_batch(x, y, sample_weight=np.linspace(0.5, 2, 6))
        found.append((loss, model.evaluate(x, y, verbose=0), *model.get_weights()))
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
