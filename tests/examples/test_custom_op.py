"""The tutorial in code runs, and its check would find a mistake."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from minicnn import Tensor, check_grad, op
from minicnn.errors import GradientError

PATH = Path(__file__).parents[2] / "examples" / "custom_op.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("custom_op", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_runs(example, capsys):
    assert example.main() > 0.95
    assert capsys.readouterr().out.startswith("squared_relu passes its gradient check; a layer made of it fits")


def test_the_op_on_every_kernel_set(example, oracle, fast, rng):
    x = rng.standard_normal((3, 4))
    for be in (oracle, fast):
        np.testing.assert_allclose(example.squared_relu(Tensor(x, be)).numpy(), np.maximum(x, 0) ** 2, rtol=1e-6)
    check_grad(lambda x, s: example.squared_relu(x) * s, [x, rng.standard_normal(4)])


def test_a_mistake_in_it_is_found(example):
    @op
    def mistaken(be, x):
        y, _ = example.squared_relu.__wrapped__(be, x)
        return y, lambda dy, needs: (dy * 2 * x,)  # forgets the ReLU

    with pytest.raises(GradientError, match="mistaken: gradient of argument 0"):
        check_grad(mistaken, [np.array([-1.0, 2.0])])


def test_it_is_short():
    assert len(PATH.read_text("utf-8").splitlines()) < 70
