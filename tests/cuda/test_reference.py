"""numpy_ref on arrays of a device, which refuse to be mixed with NumPy's: what kernels="reference" runs on a GPU."""

import array_api_strict
import numpy as np
import pytest

from minicnn import layers
from minicnn.backend.cpu import CPU
from minicnn.backend.select import select
from minicnn.errors import ArgumentError
from minicnn.kernels import numpy_ref
from minicnn.kernels.cuda import selfcheck
from minicnn.kernels.numpy_ref.namespace import namespace
from minicnn.training.sequential import Sequential
from tests.cuda import emulation
from tests.cuda.device_array import DeviceArray, DeviceNumPy
from tests.cuda.emulation import StrictReference


def test_the_module_of_an_array():
    assert namespace(np.zeros(3)) is np
    assert isinstance(namespace(emulation.to_device(np.zeros(3))), DeviceNumPy)
    assert namespace(array_api_strict.zeros(3)) is array_api_strict


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*selfcheck.CHECKED])
def test_every_kernel_stays_among_the_arrays_of_the_device(name, dtype):
    gpu = emulation.launcher()
    function = selfcheck.definition(gpu, name)
    for args, how in selfcheck.cases(name, np.random.default_rng(3)):
        given = [selfcheck._sent(gpu, value, dtype) for value in args]
        rest = {key: selfcheck._sent(gpu, value, dtype) for key, value in how.items()}
        found = function(*given, **rest)
        results = found if isinstance(found, (tuple, list)) else [found]
        if name.endswith("_step"):
            results = [*given[:2], *given[2]]
        for result in results:
            assert type(result) is DeviceArray
            assert result.dtype.kind != "f" or result.dtype == dtype or given[0].dtype == np.uint8


@pytest.mark.parametrize("name", ["dense_input_grad", "dense_weight_grad"])
def test_what_the_array_api_standard_reaches(name):
    """The products; most kernels use what NumPy and CuPy have and the standard does not: x.max(), pad, windows."""
    a, b = np.random.default_rng(0).standard_normal((2, 4, 3))
    kernel = getattr(numpy_ref, name)
    actual = kernel(*map(array_api_strict.asarray, (a, b)))
    np.testing.assert_allclose(np.asarray(actual), kernel(a, b))


def trained(device, x, y):
    """Every layer that has a kernel, two epochs."""
    model = Sequential(
        [
            layers.Conv2D(4, 3, padding="same", activation="relu", input_shape=(8, 8, 1)),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(6, 3, strides=2, padding="same", activation="gelu"),
            layers.AveragePooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ],
        device=device,
        seed=7,
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    losses = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history["loss"]
    return losses, model.predict(x, verbose=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_on_them_is_training_on_the_cpu(rng, dtype):
    x, y = rng.random((20, 8, 8, 1)), np.eye(10)[rng.integers(0, 10, 20)]
    device = StrictReference(dtype)
    losses, outputs = trained(device, x, y)
    expected_losses, expected_outputs = trained(CPU("numpy_ref", dtype), x, y)
    assert losses == expected_losses
    np.testing.assert_array_equal(outputs, expected_outputs)
    assert device.table() == dict.fromkeys(device.table(), "numpy_ref")


def test_the_name_reference():
    assert select("cpu", "reference").kernels == "numpy_ref"
    with pytest.raises(ArgumentError, match=r'^precision: expected float32 for kernels="reference", received \'tf32\''):
        select("cuda", "reference", precision="tf32")
