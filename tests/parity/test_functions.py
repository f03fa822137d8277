"""Activations and the functions of keras.ops and keras.backend against Keras: values and gradients."""

import functools

import numpy as np
import pytest

import minicnn as mc
from minicnn import keras as mine

from .conftest import device
from .functions import FUNCTIONS, LISTED
from .wire import pack, unpack

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("what", FUNCTIONS)
def test_function(keras64, what, yardstick):
    path, arrays, options = FUNCTIONS[what]
    function, listed = functools.reduce(getattr, path.split("."), mine), path.rpartition(".")[2] in LISTED
    tensors = [mc.Tensor(x, device("float64"), requires_grad=True) for x in arrays]
    value = function(tensors, **options) if listed else function(*tensors, **options)
    cotangent = np.random.default_rng(1).standard_normal(value.shape)
    sent = pack("x", arrays) | {"cotangent": cotangent}
    options = {name: np.asarray(value).tolist() if isinstance(value, np.ndarray) else value
               for name, value in options.items()}  # fmt: skip
    _, theirs = keras64("function_values", sent, path=path, options=options, listed=listed)
    yardstick.absolute("functions float64: values", what, value.numpy(), theirs["value"], 1e-9)
    if value.requires_grad:
        value.backward(cotangent)
    for t, theirs_grad in zip(tensors, unpack("g", theirs), strict=True):
        mine_grad = np.zeros(t.shape) if t.grad is None else t.grad
        yardstick.absolute("functions float64: gradients", what, mine_grad, theirs_grad, 1e-9)
