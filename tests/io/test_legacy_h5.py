"""Keras 2's HDF5 files: written, read back, read as Keras 2 wrote them, damaged. The real Keras: tests/parity."""

import json

import numpy as np
import pytest

import minicnn as mc
from minicnn import layers as nn
from minicnn.errors import ArgumentError, DataError, MinicnnError, WeightsError

h5py = pytest.importorskip("h5py")
REF = {"kernels": "numpy_ref"}


def network(**options):
    model = mc.Sequential(seed=1, **REF, **options)
    model.add(nn.Conv2D(2, 3, activation="relu", input_shape=(5, 5, 1), name="c"))
    model.add(nn.BatchNormalization(name="n"))
    model.add(nn.Flatten(name="f"))
    model.add(nn.Dense(3, activation="softmax", name="d"))
    return model


def trained(optimizer="adam"):
    model = network()
    if optimizer == "scheduled":
        optimizer = mc.optimizers.Nadam(mc.optimizers.schedules.CosineDecay(0.1, 9))
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    model.fit(rng.random((6, 5, 5, 1)), np.eye(3)[[0, 1, 2, 0, 1, 2]], epochs=2, batch_size=3, verbose=0)
    return model


def same(a, b):
    for x, y in zip(a, b, strict=True):
        assert x.tobytes() == y.tobytes()


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "scheduled"])
def test_a_whole_model(tmp_path, name, optimizer):
    model = trained(optimizer)
    model.save(tmp_path / name)
    twin = mc.load_model(tmp_path / name, **REF)
    same(twin.get_weights(), model.get_weights())
    assert [layer.name for layer in twin.layers] == ["c", "n", "f", "d"]
    assert (twin.optimizer.iterations, twin.metrics_names) == (4, ["loss", "accuracy"])
    assert type(twin.optimizer) is type(model.optimizer)
    for slot, values in model.optimizer.get_state().items():
        same(twin.optimizer.get_state()[slot], values)
    assert mc.load_model(tmp_path / name, compile=False, **REF).optimizer is None


def test_weights_alone_and_of_a_whole_model(tmp_path):
    model = trained()
    model.save_weights(tmp_path / "w.h5")
    model.save(tmp_path / "m.h5")
    for name in ("w.h5", "m.h5"):
        twin = network()
        twin.load_weights(tmp_path / name)
        same(twin.get_weights(), model.get_weights())
    with pytest.raises(DataError, match="expected a whole model, received weights alone"):
        mc.load_model(tmp_path / "w.h5")


def keras2(path, weights, config=None, training=None, wrap=lambda layers: {"name": "sequential", "layers": layers}):
    """A file as TensorFlow 2.4 wrote it: names end in :0, metrics are wrappers, the state is in its order."""
    layers = [
        {"class_name": "Conv2D", "config": {"name": "conv2d", "trainable": True, "batch_input_shape": [None, 5, 5, 1],
                                            "dtype": "float32", "filters": 2, "kernel_size": [3, 3], "strides": [1, 1],
                                            "padding": "valid", "data_format": "channels_last", "groups": 1,
                                            "dilation_rate": [1, 1], "activation": "relu", "use_bias": True,
                                            "kernel_initializer": {"class_name": "GlorotUniform",
                                                                   "config": {"seed": None}}}},
        {"class_name": "Flatten", "config": {"name": "flatten", "trainable": True, "dtype": "float32"}},
        {"class_name": "Dense", "config": {"name": "dense", "trainable": True, "dtype": "float32", "units": 3,
                                           "activation": "softmax", "use_bias": True}},
    ]  # fmt: skip
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.4.0", "tensorflow"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": wrap(layers)})
        if training:
            file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"conv2d", b"flatten", b"dense"]
        for layer, values in {"conv2d": weights[:2], "flatten": [], "dense": weights[2:]}.items():
            inner = group.create_group(layer)
            names = [f"{layer}/{n}:0" for n in ("kernel", "bias")][: len(values)]
            inner.attrs["weight_names"] = [n.encode() for n in names]
            for n, value in zip(names, values, strict=True):
                inner.create_dataset(n, data=value)
        state = file.create_group("optimizer_weights")
        state.attrs["weight_names"] = [b"Adam/iter:0"]
        state.create_dataset("Adam/iter:0", data=np.int64(3))


TRAINING = {
    "loss": "categorical_crossentropy", "loss_weights": None, "weighted_metrics": None, "sample_weight_mode": None,
    "metrics": [[{"class_name": "MeanMetricWrapper",
                  "config": {"name": "accuracy", "dtype": "float32", "fn": "categorical_accuracy"}}]],
    "optimizer_config": {"class_name": "Adam", "config": {"name": "Adam", "lr": 0.002, "decay": 0.0, "beta_1": 0.9,
                                                          "beta_2": 0.999, "epsilon": 1e-07, "amsgrad": False}},
}  # fmt: skip


@pytest.mark.parametrize("wrap", [lambda layers: {"name": "sequential", "layers": layers}, lambda layers: layers])
def test_as_keras_2_wrote_it(tmp_path, rng, notes, wrap):
    weights = [rng.standard_normal(s).astype("f4") for s in ((3, 3, 1, 2), (2,), (18, 3), (3,))]
    keras2(tmp_path / "old.h5", weights, training=TRAINING, wrap=wrap)
    model = mc.load_model(tmp_path / "old.h5", **REF)
    same(model.get_weights(), weights)
    assert model.optimizer.learning_rate == 0.002
    assert model.metrics_names == ["loss", "accuracy"]
    assert any("it starts anew" in line for line in notes())


def test_long_lists_of_names(tmp_path):
    model = mc.Sequential(seed=1, **REF)
    model.add(nn.Input((2,)))
    for i in range(600):
        model.add(nn.ReLU(name=f"{'r' * 190}{i}"))
    model.add(nn.Dense(1))
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert "layer_names1" in file.attrs
    before = model.get_weights()
    model.set_weights([w * 0 for w in before])
    model.load_weights(tmp_path / "w.h5")
    same(model.get_weights(), before)


def test_another_model_s_weights(tmp_path):
    network().save_weights(tmp_path / "w.h5")
    other = mc.Sequential([nn.Input((5, 5, 1)), nn.Flatten(), nn.Dense(3, name="d")], seed=1, **REF)
    before = other.get_weights()
    with pytest.raises(WeightsError, match="expected the 1 layers of the model that have weights, received 3 layers"):
        other.load_weights(tmp_path / "w.h5")
    wide = network()
    wide.pop()
    wide.add(nn.Dense(4, name="d"))
    with pytest.raises(WeightsError, match=r"d/kernel: model .*\(18, 4\).*, file .*\(18, 3\)"):
        wide.load_weights(tmp_path / "w.h5")
    same(other.get_weights(), before)


def test_what_keras_has_not(tmp_path):
    model = mc.Sequential([nn.Input((2,)), nn.Lambda(lambda x: x * 2)], seed=1, **REF)
    with pytest.raises(ArgumentError):
        model.save(tmp_path / "m.h5")
    assert not (tmp_path / "m.h5").exists()
    with pytest.raises(ArgumentError, match=r"expected a file name that ends in .minicnn, or in .keras or .h5"):
        network().save(tmp_path / "m.weights.h5")


def links(path):
    """A file whose data set lies in another file."""
    with h5py.File(path, "a") as file:
        del file["model_weights/d/d/bias:0"]
        file["model_weights/d/d/bias:0"] = h5py.ExternalLink("other.h5", "/x")


def names(path, values):
    with h5py.File(path, "a") as file:
        file["model_weights/d"].attrs["weight_names"] = values


def attribute(path, name, value):
    with h5py.File(path, "a") as file:
        file.attrs[name] = value


@pytest.mark.parametrize(
    "damage",
    [
        links,
        lambda p: names(p, [b"../c/c/kernel:0", b"d/bias:0"]),
        lambda p: names(p, [b"d/kernel:0", b"d/none:0"]),
        lambda p: names(p, np.arange(3)),
        lambda p: names(p, [b""]),
        lambda p: attribute(p, "model_config", "{"),
        lambda p: attribute(p, "model_config", "[]"),
        lambda p: attribute(p, "model_config", 3),
        lambda p: attribute(p, "model_config", b"\xff"),
        lambda p: attribute(p, "training_config", "3"),
        lambda p: attribute(p, "training_config", '{"optimizer_config": 3}'),
        lambda p: attribute(p, "training_config", '{"optimizer_config": {"class_name": "None"}, "loss": "mse"}'),
        lambda p: p.write_bytes(p.read_bytes()[:3000]),
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(b"no HDF5"),
    ],
)
def test_damage_is_one_sentence(tmp_path, damage):
    path = tmp_path / "m.h5"
    trained().save(path)
    damage(path)
    with pytest.raises(MinicnnError, match=f"load_model {path}"):
        mc.load_model(path, **REF)


def test_flipped_bytes_never_escape(tmp_path, rng):
    path = tmp_path / "m.h5"
    trained().save(path)
    whole, refused = path.read_bytes(), 0
    for _ in range(150):
        changed = bytearray(whole)
        for place in rng.integers(0, len(whole), 12):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            mc.load_model(path, **REF)
        except MinicnnError:
            refused += 1
    assert refused > 20
