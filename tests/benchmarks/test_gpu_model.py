"""The time model: it counts the launches of a real step, and its estimates are ranges above the roofline."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model():
    spec = importlib.util.spec_from_file_location("gpu_model", ROOT / "benchmarks" / "gpu_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.sass, "tools", lambda: None)  # the committed table: no compiler is started
        yield module


@pytest.mark.slow
def test_network_a_in_tf32(model):
    nodes, roofline, least, greatest = model.total(model.predict(86))
    assert nodes <= NODES
    assert 50 < roofline < least < greatest
    assert least <= 300, "issue 22: by the model at most 300 us in tf32"
    patched = model.total(model.predict(86, patch=True))
    assert patched[0] < nodes
    assert patched[2] < least
    half = model.total(model.predict(86, bf16=True))
    assert half[0] == nodes
    assert roofline / 2 < half[1] < roofline
    assert half[2] <= least


def test_what_bf16_storage_halves(model):
    batch, zeros = 86, np.zeros
    halved = [(86, 28, 28, 32), (86 * 784, 32), (86 * 784, 32, 1), (86 * 49, 64), (86, 256)]
    kept = [(5, 5, 32, 32), (3136, 256), (86,), (264, 800, 32)]
    for shape in halved + kept:
        full = zeros(shape, "float32")
        assert model.stored(full, batch) == full.nbytes // (1 + (shape in halved)), shape
    assert model.stored(zeros((86, 28, 28, 1), "uint8"), batch) == 86 * 784


NODES = 46  # all of them kernels of ours


def test_the_sizes_of_products(model):
    class Array:
        def __init__(self, *shape):
            self.shape = shape

    x, w, y = Array(2, 8, 8, 3), Array(5, 5, 3, 16), Array(128, 16)
    assert model.product("conv2d_32", [x, w, y]) == (128, 16, 75)
    dy = Array(2, 8, 8, 16)
    assert model.product("conv2d_input_grad_32", [dy, w, Array(128, 3)]) == (128, 3, 400)
    assert model.product("conv2d_weight_grad_32", [x, dy, Array(7, 75, 16)]) == (75, 16, 128)
    assert model.product("dense_64", [Array(86, 300), Array(300, 64), Array(4, 86, 64)]) == (86, 64, 300)
