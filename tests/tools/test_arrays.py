"""Arrays of JAX, and columns of Hugging Face's datasets, wherever arrays go; what lies on a GPU is told."""

import importlib

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, arguments
from minicnn import layers as nn
from minicnn.backend.cpu import CPU
from minicnn.core.tensor import Parameter
from minicnn.errors import ArgumentTypeError
from tests.tools.arrays import X, Y, made, takes

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def jnp():
    pytest.importorskip("jax", reason='needs the package jax: pip install -e ".[parity]"')
    import jax.numpy

    return jax.numpy


@pytest.fixture(scope="module")
def rows():
    datasets = pytest.importorskip("datasets", reason='needs the package datasets: pip install -e ".[datasets]"')
    from PIL import Image

    pictures = [Image.fromarray(np.uint8(one[..., [0, 0, 1]] * 255)) for one in X]
    return datasets.Dataset.from_dict({"image": pictures, "label": Y.tolist()})


def test_jax(jnp):
    x = jnp.asarray(X)
    takes(x, jnp.asarray(Y), jnp.ones(24))
    assert Tensor(x).data.ctypes.data == x.unsafe_buffer_pointer()
    shared = jnp.from_dlpack(Tensor(X))
    np.testing.assert_array_equal(shared, X)
    for name, wanted in {"bfloat16": "float32", "float16": "float16", "int8": "int8", "bool": "bool"}.items():
        assert arguments.array("x", jnp.ones(3, name)).dtype == wanted
    model = made()
    model.set_weights([jnp.asarray(w, "bfloat16") for w in model.get_weights()])
    model.fit(x, Y, verbose=0)


def test_a_weight_owns_memory_that_it_may_write(jnp):
    x = jnp.zeros(3, jnp.float32)
    weight = Parameter(x, CPU("numpy_ref"), "layer/kernel")
    weight.assign(np.ones(3))
    assert not x.any()


def test_columns(rows):
    x = np.uint8(X[..., [0, 0, 1]] * 255)
    model = small()
    model.fit(x, Y, 8, verbose=0)
    want = model.predict(x, verbose=0)
    for form in (None, "numpy"):
        given, model = rows.with_format(form), small()
        found = arguments.array("x", given["image"])
        assert (found.shape, found.dtype) == ((24, 6, 6, 3), np.uint8)
        np.testing.assert_array_equal(arguments.array("y", given["label"]), Y)
        model.fit(given["image"], given["label"], 8, verbose=0, validation_data=(given["image"], given["label"]))
        np.testing.assert_array_equal(model.predict(given["image"], verbose=0), want)


def small():
    model = minicnn.Sequential([nn.Input((6, 6, 3)), nn.Rescaling(1 / 255), nn.Flatten(), nn.Dense(3)], seed=1)
    model.compile("sgd", minicnn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def test_a_whole_dataset_is_told_to_name_its_columns(rows):
    with pytest.raises(ArgumentTypeError, match="fit: expected targets y, received None; give two of its columns"):
        small().fit(rows, verbose=0)
    with pytest.raises(ArgumentTypeError, match="received a Dataset with the columns image, label; give one of its"):
        small().predict(rows, verbose=0)
    with pytest.raises(ArgumentTypeError, match=r"received dict; name its columns: \(\(b\[...\], b\[...\]\) for b in"):
        small().fit(rows.iter(8), verbose=0)


class OnGPU:
    """What an array of CuPy, or PyTorch's on a GPU, shows; no device has seen this."""

    shape, dtype, ndim, device = (24, 6, 6, 2), np.dtype("float32"), 4, "cuda:0"

    def __len__(self):
        return 24

    def __dlpack_device__(self):
        return 2, 0

    def __dlpack__(self, **how):
        raise BufferError

    def __array__(self, *args, **how):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


def test_what_lies_on_a_gpu_is_told():
    message = r"expected an array of numbers, received an array on the device cuda:0; copy it .*, x.get\(\) of others"
    for call in (made().predict, lambda x: made().fit(x, Y), lambda x: made().fit(X, x), Tensor,
                 lambda x: made().set_weights([x] * 4)):  # fmt: skip
        with pytest.raises(ArgumentTypeError, match=message):
            call(OnGPU())


def test_ours_in_numpy():
    ours = Tensor(X, requires_grad=True)
    shared = np.from_dlpack(ours)
    assert shared.ctypes.data == X.ctypes.data
    assert ours.__dlpack_device__() == (1, 0)


def test_the_example(rows, capsys, monkeypatch):
    monkeypatch.syspath_prepend("examples")
    importlib.import_module("hugging_face").main(["--epochs", "2", "--limit", "640"])
    found = [float(line.split()[2]) for line in capsys.readouterr().out.splitlines()]
    assert len(found) == 2
    assert min(found) > 0.5
