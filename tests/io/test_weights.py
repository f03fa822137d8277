"""Weights files: bit-equal round trips, equal bytes for equal weights, and one sentence for every damaged file."""

import json
import os
import re
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy

import minicnn
from minicnn.errors import ArgumentError, DataError, MissingDataError, WeightsError
from minicnn.io import load_weights, save_weights, weights


class Weight:
    def __init__(self, path, array):
        self.path, self.array = path, array

    shape = property(lambda self: self.array.shape)

    def numpy(self):
        return self.array

    def assign(self, array):
        self.array = array


def model(rng, **changes):
    shapes = {"conv2d/kernel": (3, 3, 1, 4), "conv2d/bias": (4,), "dense/kernel": (16, 10), **changes}
    return SimpleNamespace(
        weights=[Weight(path, rng.standard_normal(s).astype(np.float32)) for path, s in shapes.items() if s]
    )


def bytes_of(net):
    return [weight.numpy().tobytes() for weight in net.weights]


@pytest.fixture
def saved(tmp_path, rng):
    net, path = model(rng), tmp_path / "weights.safetensors"
    save_weights(net, path)
    return net, path


def test_round_trip_is_bit_equal(saved, rng):
    net, path = saved
    other = model(rng)
    assert bytes_of(other) != bytes_of(net)
    load_weights(other, path)
    assert bytes_of(other) == bytes_of(net)


def test_nan_and_negative_zero_survive(tmp_path, rng):
    net = model(rng)
    net.weights[1].array[:] = [np.nan, -0.0, np.inf, 1e-45]
    save_weights(net, tmp_path / "w.safetensors")
    other = model(rng)
    load_weights(other, tmp_path / "w.safetensors")
    assert bytes_of(other) == bytes_of(net)


def test_equal_weights_are_equal_bytes(saved, tmp_path):
    net, path = saved
    for i in range(8):
        save_weights(net, tmp_path / f"{i}.safetensors")
        assert (tmp_path / f"{i}.safetensors").read_bytes() == path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == sorted([*(f"{i}.safetensors" for i in range(8)), "weights.safetensors"])


def test_any_safetensors_reader_can_open_it(saved):
    net, path = saved
    arrays = safetensors.numpy.load_file(path)
    assert {name: array.shape for name, array in arrays.items()} == {w.path: w.shape for w in net.weights}
    with safetensors.safe_open(path, "numpy") as file:
        note = json.loads(file.metadata()["minicnn"])
    assert note == {"format": 1, "sha256": weights.digest(arrays)}


def test_float64_is_kept(tmp_path):
    net = SimpleNamespace(weights=[Weight("a/b", np.array([1 / 3]))])
    save_weights(net, tmp_path / "w.safetensors")
    assert weights.read(tmp_path / "w.safetensors")["a/b"].dtype == np.float64


WHOLE = ", or save(...) and minicnn.load_model for a whole model"


@pytest.mark.parametrize(
    ("name", "use", "more"),
    [("w.keras", "w", WHOLE), ("w.minicnn", "w", WHOLE), ("w", "w", ""), ("w.pkl", "w", ""),
     ("w.weights", "w", ""), ("epoch-0.5", "epoch-0.5", "")],
)  # fmt: skip
def test_suffix(tmp_path, saved, name, use, more):
    for function, theirs in ((save_weights, ".weights.h5 or .h5"), (load_weights, ".weights.h5, .keras or .h5")):
        if function is load_weights and name == "w.keras":  # whose weights can be read
            continue
        message = (
            f"weights: path: expected a file name that ends in .safetensors, or in {theirs} for Keras, received "
            f"'{name}'; use \"{use}.safetensors\"{more}"
        )
        with pytest.raises(ArgumentError, match=re.escape(message) + "$"):
            function(saved[0], name)


def test_models_that_cannot_be_saved(tmp_path, rng):
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match="expected a model with weights, received none; build it"):
        save_weights(SimpleNamespace(weights=[]), path)
    twice = SimpleNamespace(weights=[Weight("a/b", np.zeros(1)), Weight("a/b", np.ones(1))])
    with pytest.raises(WeightsError, match="expected one name per weight, received 2 weights with 1 names"):
        save_weights(twice, path)
    assert not path.exists()


def test_without_overwrite(saved):
    net, path = saved
    before = path.read_bytes()
    net.weights[0].array = net.weights[0].array + 1
    with pytest.raises(ArgumentError, match=r"save_weights: expected a new file name, received .*; say overwrite=True"):
        save_weights(net, path, overwrite=False)
    assert path.read_bytes() == before
    save_weights(net, path)
    assert path.read_bytes() != before


def refuse(net, path, error, message):
    """Loading raises exactly this message, and changes no weight."""
    before = bytes_of(net)
    with pytest.raises(error, match=re.escape(message) + "$"):
        load_weights(net, path)
    assert bytes_of(net) == before


def test_another_model(saved, rng):
    path = saved[1]
    refuse(
        model(rng, **{"dense/kernel": (16, 12)}), path, WeightsError,
        f"load_weights {path}: expected the 3 weights of the model, received 3 weights of which 1 differ (dense/kernel"
        ": model (16, 12) float32, file (16, 10) float32); build the model that the file was saved from",
    )  # fmt: skip
    refuse(
        model(rng, **{"dense/kernel": None, "out/kernel": (16, 10)}), path, WeightsError,
        f"load_weights {path}: expected the 3 weights of the model, received 3 weights of which 2 differ (out/kernel: "
        "model (16, 10) float32, file none; dense/kernel: model none, file (16, 10) float32); "
        "build the model that the file was saved from",
    )  # fmt: skip


def test_another_type_and_a_long_list(saved):
    net, path = saved
    for weight in net.weights:
        weight.array = weight.array.astype(np.float64)
    net.weights += [Weight(f"x{i}/kernel", np.zeros(1)) for i in range(5)]
    message = r"8 differ \(conv2d/kernel: model \(3, 3, 1, 4\) float64, file .*; and 4 more\)"
    with pytest.raises(WeightsError, match=message):
        load_weights(net, path)


HTML = b"<!DOCTYPE html><html><body>Sign in to download</body></html>"


@pytest.mark.parametrize("content", [b"", b"\x01\x02", HTML, b"PK\x03\x04" + b"\0" * 40])
def test_not_safetensors(tmp_path, rng, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    declared = int.from_bytes(content[:8], "little")
    refuse(
        model(rng), path, DataError,
        f"weights {path}: expected a safetensors file, received {len(content)} bytes that declare a header of "
        f"{declared}; it is damaged, incomplete or of another kind: copy it again",
    )  # fmt: skip


def test_truncated_anywhere(saved, tmp_path, rng):
    net, path = saved
    data = path.read_bytes()
    for length in range(0, len(data), 37):
        (tmp_path / "cut.safetensors").write_bytes(data[:length])
        with pytest.raises(DataError, match=r"^weights .*cut.safetensors: expected .* copy it again$"):
            load_weights(net, tmp_path / "cut.safetensors")


def test_every_flipped_bit_is_noticed(saved, tmp_path, rng):
    net, path = saved
    data = bytearray(path.read_bytes())
    for place in range(0, len(data), 5):
        data[place] ^= 1 << place % 8
        (tmp_path / "bad.safetensors").write_bytes(data)
        data[place] ^= 1 << place % 8
        with pytest.raises((DataError, WeightsError), match="expected"):
            load_weights(net, tmp_path / "bad.safetensors")


def test_a_changed_weight_is_noticed(saved):
    net, path = saved
    expected = weights.digest({w.path: w.numpy() for w in net.weights})
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    arrays = safetensors.numpy.load(bytes(data))
    refuse(
        net, path, DataError,
        f"weights {path}: expected the digest {expected[:12]} that the file states, received "
        f"{weights.digest(arrays)[:12]}; it was changed or damaged: copy it again",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "received", "fix"),
    [
        (None, "none", "write it with minicnn.io.save_weights"),
        ({"format": "pt"}, "none", "write it with minicnn.io.save_weights"),
        ({"minicnn": '{"format": 2, "sha256": ""}'}, "format 2", "use a newer minicnn"),
    ],
)
def test_foreign_files(tmp_path, rng, metadata, received, fix):
    path = tmp_path / "w.safetensors"
    safetensors.numpy.save_file({"a/b": np.zeros(3, np.float32)}, path, metadata)
    refuse(
        model(rng), path, DataError, f"weights {path}: expected minicnn weights of format 1, received {received}; {fix}"
    )


def with_header(text):
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{nonsense}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"__metadata__":{"minicnn":"[]"}}',
        b'{"__metadata__":{"minicnn":"{"}}',
        b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}',  # more than the file has
        b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"S9","shape":[1],"data_offsets":[0,4]}}',
    ],
)
def test_hostile_headers(tmp_path, rng, header):
    path = tmp_path / "w.safetensors"
    path.write_bytes(with_header(header) + b"\0" * 4)
    message = r"expected a complete safetensors file, received one that cannot be read \(.*\); copy"
    with pytest.raises(DataError, match=message):
        load_weights(model(rng), path)


def test_a_header_as_long_as_memory(tmp_path, rng):
    path = tmp_path / "w.safetensors"
    path.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    with pytest.raises(DataError, match=f"received 10 bytes that declare a header of {1 << 60};"):
        load_weights(model(rng), path)


def test_no_file(tmp_path, rng):
    refuse(
        model(rng), tmp_path / "w.safetensors", MissingDataError,
        f"weights {tmp_path / 'w.safetensors'}: expected a file, received none",
    )  # fmt: skip


def small_network(seed):
    nn = minicnn.layers
    return minicnn.Sequential(
        [
            minicnn.Input((6, 6, 1)), nn.Conv2D(4, 3), nn.BatchNormalization(), nn.PReLU(), nn.Flatten(),
            nn.Dense(3, name="digits"),
        ],
        seed=seed, kernels="numpy_ref",
    )  # fmt: skip


def test_a_model_saved_and_loaded_predicts_the_same_bytes(tmp_path, rng):
    path, x = tmp_path / "w.safetensors", rng.random((5, 6, 6, 1), np.float32)
    first, second = small_network(1), small_network(2)
    first.save_weights(path)
    assert set(weights.read(path)) == {
        "conv2d/kernel", "conv2d/bias", "batch_normalization/gamma", "batch_normalization/beta",
        "batch_normalization/moving_mean", "batch_normalization/moving_variance", "p_re_lu/alpha", "digits/kernel",
        "digits/bias",
    }  # fmt: skip
    second.load_weights(path)
    assert first.predict(x, verbose=0).tobytes() == second.predict(x, verbose=0).tobytes()
    second.save_weights(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
