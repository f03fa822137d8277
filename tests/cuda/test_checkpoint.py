"""Checkpoints of epochs that the device runs by itself, emulated: written between two launches, gone on from there."""

import numpy as np
import pytest

from minicnn import CheckpointOptions, callbacks
from minicnn.errors import NonFiniteError
from tests.cuda.emulation import EmulatedGPU

from .test_captured import Rates, bytes_of, counters, flow, images, network, slow

STEPS, EPOCHS = 3, 3  # 21 images in batches of 8


def trained(x, y, folder=None, stop_after=None, **how):
    """(weights and slots, counters, history); stop_after: so many steps are done in this call, then it is left."""
    model = network(EmulatedGPU(), **how)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    left = [stop_after]

    def stop():
        left[0] = left[0] and left[0] - 1
        return left[0] == 0

    kept = folder and CheckpointOptions(folder, save_every=None, stop_when=stop)
    history = model.fit(flow(x, y), epochs=EPOCHS, verbose=0, checkpoint=kept,
                        callbacks=[Rates(), callbacks.ReduceLROnPlateau("loss", patience=1)])  # fmt: skip
    return bytes_of(model), counters(model), history.history


@pytest.fixture(scope="module")
def whole():
    x, y = images(np.random.default_rng(0))
    return x, y, trained(x, y)


@pytest.mark.parametrize("graph", [True, *slow(False)])
@pytest.mark.parametrize("after", [4, *slow(1, 2, 3, 5, 8)])
def test_stopped_after_any_step_it_goes_on_to_the_same_bytes(whole, tmp_path, after, graph):
    x, y, expected = whole
    first = trained(x, y, tmp_path, after, graph=graph)
    assert first[1] == (after, (after - 1) // STEPS, after)
    assert trained(x, y, tmp_path, graph=graph) == expected


def test_stopped_step_by_step(whole, tmp_path):
    x, y, expected = whole
    for step in range(1, STEPS * EPOCHS, 2):
        assert trained(x, y, tmp_path, 2)[1][0] == step + 1
    assert trained(x, y, tmp_path) == expected


def test_the_host_goes_on_with_what_the_device_wrote(whole, tmp_path):
    x, y, expected = whole
    trained(x, y, tmp_path, 5)
    assert trained(x, y, tmp_path, nan_check="step") == expected


def test_a_checkpoint_behind_a_bad_loss_is_none(tmp_path):
    """The second epoch's first step is bad: the newest checkpoint is the first epoch's end."""
    x, y = images(np.random.default_rng(0))
    model = network(EmulatedGPU())
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])

    class Break(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.optimizer.learning_rate = 1e30

    kept = CheckpointOptions(tmp_path, save_every=0.0)
    with pytest.raises(NonFiniteError):
        model.fit(flow(x, y), epochs=3, verbose=0, callbacks=[Break()], checkpoint=kept)
    newest = sorted(tmp_path.rglob("epoch_*"))[-1].name
    assert newest in ("epoch_00001_step_0000000.minicnn", "epoch_00001_step_0000001.minicnn")
