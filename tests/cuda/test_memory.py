"""A device whose memory is full: once more with all that can be freed, then one sentence, and nothing has changed."""

import numpy as np
import pytest

from minicnn.errors import DeviceMemoryError
from minicnn.training.sequential import Sequential
from tests.cuda.emulation import EmulatedGPU
from tests.cuda.test_captured import bytes_of, counters, flow, images, network, trained


class Full(Exception):
    """What CuPy's OutOfMemoryError is."""


class SmallGPU(EmulatedGPU):
    """Refuses the arrays whose turns are in `refused`; counts how often unused memory was asked back."""

    memory_errors = (Full,)

    def __init__(self, refused=()):
        super().__init__()
        self.refused, self.freed, self.turn = refused, 0, 0
        make = self.xp.empty

        def empty(shape, dtype=float):
            self.turn += 1
            if self.turn in self.refused:
                raise Full
            return make(shape, dtype)

        self.xp.empty = empty  # of this device's own module

    def free_memory(self):
        self.freed += 1
        return 20_000


@pytest.mark.parametrize("places", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_it_is_tried_once_more(rng, places):
    """Wherever it happens in two epochs."""
    x, y = images(rng)
    expected, history = trained(EmulatedGPU(), x, y, epochs=2)
    counted = SmallGPU()
    trained(counted, x, y, epochs=2)
    for turn in np.linspace(1, counted.turn - 5, places).astype(int):
        gpu = SmallGPU({int(turn)})
        model, said = trained(gpu, x, y, epochs=2)
        assert gpu.freed == 1
        assert bytes_of(model) == bytes_of(expected)
        assert counters(model) == counters(expected)
        assert said == history


def test_so_it_is_where_the_host_runs_every_step(rng, monkeypatch):
    x, y = images(rng)
    expected, _ = trained(EmulatedGPU(), x, y, epochs=1, by_host=True)
    gpu, forward = SmallGPU(), Sequential.forward

    def refusing(model, *args, **how):
        gpu.refused = {gpu.turn + 20} if not gpu.freed else ()
        return forward(model, *args, **how)

    monkeypatch.setattr(Sequential, "forward", refusing)
    model, _ = trained(gpu, x, y, epochs=1, by_host=True)
    assert gpu.freed == 1
    assert bytes_of(model) == bytes_of(expected)
    assert counters(model) == counters(expected)


def test_then_it_is_said_and_the_model_is_as_after_the_last_step(rng):
    x, y = images(rng)
    expected = network(EmulatedGPU())
    expected.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    expected.fit(flow(x, y), epochs=1, steps_per_epoch=1, verbose=0)
    counted = SmallGPU()
    model = network(counted)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(flow(x, y), epochs=1, steps_per_epoch=1, verbose=0)
    gpu = SmallGPU()
    model = network(gpu)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    gpu.refused = range(counted.turn + 3, 10**9)  # in the second step
    message = r"GPU, emulated: expected [\d.]+ KiB of memory for a step of 8 images, received 19.5 KiB free; use batch_"
    with pytest.raises(DeviceMemoryError, match=message):
        model.fit(flow(x, y), epochs=1, verbose=0)
    assert bytes_of(model) == bytes_of(expected)
    assert counters(model) == (1, 0, 1)
