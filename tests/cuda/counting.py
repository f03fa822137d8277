"""The launches of a training step, written down; none is run."""

import numpy as np

import minicnn
from minicnn import recipes
from minicnn.backend.cuda import OnDevice
from minicnn.kernels.cuda.launch import Launcher
from minicnn.training import captured
from minicnn.training.inputs import source
from tests.cuda import device_array


class Counting(Launcher):
    """Writes launches down and runs none."""

    def __init__(self, precision):
        super().__init__(device_array.DeviceNumPy(), precision)
        self.launches = []

    def address(self, array):
        return array.ctypes.data

    def compile(self, stem, options):
        return None

    def start(self, stem, options, kernel, grid, block, args):
        if device_array.tape is not None:
            device_array.tape.append((kernel, grid, options, stem, [a for a in args if getattr(a, "shape", ())]))

    def _record(self, body):
        device_array.tape = tape = []
        try:
            body()
        finally:
            device_array.tape = None
        self.launches = tape


class Device(OnDevice):
    def to_numpy(self, array):
        return np.array(array)

    def describe(self):
        return "launches are counted"


def launches(batch: int, precision: str = "tf32") -> list:
    """(kernel, grid, options, stem, arrays) of every node of network A's recorded step; CuPy's own: a function."""
    device = Device(Counting(precision))
    model = recipes.kaggle_bn.build(minicnn, device=device, seed=0)
    model.compile(recipes.kaggle_bn.make_optimizer(minicnn), "categorical_crossentropy", metrics=["accuracy"])
    x, y = np.zeros((2 * batch, 28, 28, 1), np.uint8), np.eye(10, dtype=np.float32)[np.zeros(2 * batch, int)]
    flow = minicnn.data.ImageDataGenerator(**recipes.AUGMENTATION, rescale=1 / 255).flow(x, y, batch)
    model.optimizer.build(model.trainable_weights)
    steps = captured.Captured(model, source(model, flow, None, None), 2)
    steps._program(batch)  # traced outside of what is counted
    device.launcher.record(lambda: steps._step(batch, model.optimizer.phase(0)))
    return device.launcher.launches
