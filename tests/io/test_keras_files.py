"""Keras's files without Keras: our own round trip, what is refused, and files that are damaged or made to hurt.

That the real Keras agrees about them is tests/parity/test_files.py.
"""

import io
import json
import os
import re
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

import minicnn as mc
from minicnn.errors import ArgumentError, DataError, MinicnnError, MissingDataError, WeightsError
from minicnn.io import hdf5, keras_config

h5py = pytest.importorskip("h5py", reason='could not import "h5py": pip install -e ".[test]"')
nn = mc.layers
KERNELS = {"kernels": "numpy_ref"}


def network(seed=1, units=3):
    model = mc.Sequential(
        [
            nn.Conv2D(2, 3, activation="relu", input_shape=(6, 6, 1), name="first"),
            nn.BatchNormalization(synchronized=True), nn.Conv2D(2, 2, algorithm="im2col"), nn.Flatten(),
            nn.Dense(units, activation="softmax", name="dense"),
        ],
        name="net", seed=seed, **KERNELS,
    )  # fmt: skip
    model.compile(mc.optimizers.Adam(0.002), "categorical_crossentropy", metrics=["accuracy", "mse"])
    return model


@pytest.mark.parametrize(
    ("optimizer", "slots", "expected"),
    [
        ("SGD", ("m",), "m0 m1"),
        ("Adam", ("m", "v"), "m0 v0 m1 v1"),
        ("Adam", ("m", "v", "vhat"), "m0 v0 m1 v1 vhat0 vhat1"),
        ("RMSprop", ("v", "m", "a"), "v0 v1 m0 m1 a0 a1"),
        ("RMSprop", ("v", "a"), "v0 v1 a0 a1"),
        ("Adadelta", ("a", "d"), "a0 d0 a1 d1"),
    ],
)
def test_the_order_of_an_optimizers_variables_is_keras(optimizer, slots, expected):
    """Keras 3, optimizers/*.py, `build`: what our own round trip cannot tell."""
    assert [f"{slot}{i}" for slot, i in hdf5.order(optimizer, slots, 2)] == expected.split()


@pytest.fixture(scope="module")
def trained():
    model = network()
    model.fit(np.random.default_rng(0).random((8, 6, 6, 1)), np.eye(3)[np.arange(8) % 3], verbose=0)
    return model


@pytest.fixture
def saved(trained, tmp_path):
    trained.save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


def everything(model):
    slots = model.optimizer.get_state()
    return [w.tobytes() for w in model.get_weights()], [s.tobytes() for name in slots for s in slots[name]]


def test_round_trip(trained, saved, tmp_path):
    twin = mc.load_model(saved, **KERNELS)
    assert everything(twin) == everything(trained)
    assert twin.optimizer.get_config() == trained.optimizer.get_config()
    assert (twin.optimizer.iterations, twin.metrics_names) == (1, ["loss", "accuracy", "mse"])
    assert [layer.name for layer in twin.layers] == [layer.name for layer in trained.layers]
    assert twin.layers[1].synchronized is True
    trained.save_weights(tmp_path / "w.weights.h5")
    other = network(seed=2)
    other.load_weights(tmp_path / "w.weights.h5")
    assert [w.tobytes() for w in other.get_weights()] == everything(trained)[0]
    assert mc.load_model(saved, compile=False, **KERNELS).optimizer is None


def test_what_the_file_holds(saved):
    with zipfile.ZipFile(saved) as archive:
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
        config = json.loads(archive.read("config.json"))
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            found = {name: file[f"layers/{name}/vars"].attrs["name"] for name in file["layers"]}
            assert found["conv2d"] == "first"
            assert set(found) == {"conv2d", "conv2d_1", "batch_normalization", "flatten", "dense"}
            assert file["layers/conv2d_1/vars/0"].shape == (2, 2, 2, 2)
            assert len(file["optimizer/vars"]) == 2 + 2 * 8
    assert "algorithm" not in json.dumps(config)  # ours alone
    assert config["config"]["layers"][0]["config"]["batch_shape"] == [None, 6, 6, 1]
    assert config["config"]["layers"][2]["config"]["synchronized"] is True


def test_equal_models_are_equal_bytes(trained, saved, tmp_path):
    trained.save(tmp_path / "n.keras")
    assert (tmp_path / "n.keras").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
def test_without_h5py(monkeypatch, tmp_path, name, trained):
    monkeypatch.setitem(sys.modules, "h5py", None)
    path = tmp_path / name
    weights = name.endswith(".h5")
    calls = [trained.save_weights, trained.load_weights] if weights else [trained.save, mc.load_model]
    if weights:
        path.write_bytes(b"x")
    for call in calls:
        with pytest.raises(ImportError) as caught:
            call(path)
        assert str(caught.value) == (
            'Keras\'s files: expected the package h5py to be installed, received none; run pip install h5py'
        )
        assert isinstance(caught.value, MinicnnError)
    assert weights or not path.exists()


def own_loss(t, y):
    return y - t


def own_activation(x):
    return x * 2.0


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.minicnn"])
def test_functions_of_ones_own_go_by_name(tmp_path, name):
    model = network()
    model.add(nn.Dense(2, activation=own_activation, name="d"))
    model.compile("sgd", own_loss, metrics=[own_loss, "mae"])
    model.save(tmp_path / name)
    own = {"own_loss": own_loss, "own_activation": own_activation}
    again = mc.load_model(tmp_path / name, custom_objects=own)
    x = np.random.default_rng(0).random((3, 6, 6, 1))
    y = np.ones((3, 2))
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    np.testing.assert_allclose(again.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-6)
    for lacking in own:
        with pytest.raises(MinicnnError, match=lacking):
            mc.load_model(tmp_path / name, custom_objects={key: own[key] for key in own if key != lacking})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.add(type("Mine", (nn.Flatten,), {})(name="d")),
            "save: layer d: expected a layer that Keras has, received your own Mine",
        ),
        (
            lambda m: m.compile(mc.optimizers.SGD(abs), "mse"),
            "save: optimizer: learning_rate: expected a schedule that Keras has, received your own abs",
        ),
    ],
)
def test_what_keras_has_not(tmp_path, change, message):
    model = network()
    change(model)
    with pytest.raises(ArgumentError) as caught:
        model.save(tmp_path / "m.keras")
    assert str(caught.value) == f"{message}; save as .minicnn"
    assert os.listdir(tmp_path) == []


def rewrite(path, members=None, weights=None, compression=zipfile.ZIP_STORED, more=()):
    """The archive again: config.json changed by a function, weights by one of the open HDF5 file."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    if members:
        config = json.loads(held["config.json"])
        members(config)
        held["config.json"] = json.dumps(config).encode()
    if weights:
        buffer = io.BytesIO(held["model.weights.h5"])
        with h5py.File(buffer, "r+") as file:
            weights(file)
        held["model.weights.h5"] = buffer.getvalue()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in [*held.items(), *more]:
            archive.writestr(name, data)


def refuse(path, error, message, **options):
    tracemalloc.start()
    with pytest.raises(error) as caught:
        mc.load_model(path, **KERNELS, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    said = str(caught.value)
    assert said.startswith(f"load_model {path}: ")
    assert re.fullmatch(message, said.removeprefix(f"load_model {path}: ")), said
    assert peak < 20e6  # bytes


def test_nothing_there_and_garbage(tmp_path, saved):
    with pytest.raises(MissingDataError, match=r"none\.keras: expected a file, received none"):
        mc.load_model(tmp_path / "none.keras")
    saved.write_bytes(b"<html>" * 100)
    refuse(saved, DataError, r"expected a complete .keras file, received one that cannot be read \(.*\); copy it again")


def test_truncated_anywhere_and_flipped_bits(saved):
    data = saved.read_bytes()
    for length in range(0, len(data), 997):
        saved.write_bytes(data[:length])
        refuse(saved, DataError, "expected a complete .keras file, received one that cannot be read .*")
    noticed = 0
    for place in range(0, len(data), 211):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        saved.write_bytes(changed)
        try:
            mc.load_model(saved, **KERNELS)
        except MinicnnError:
            noticed += 1
    assert noticed > 0.95 * len(range(0, len(data), 211))  # not in dates and the like


def test_zip_bombs_and_strange_archives(saved):
    original = saved.read_bytes()
    rewrite(saved, compression=zipfile.ZIP_DEFLATED)
    message = "expected config.json stored, not compressed, received .* bytes in .*; save it again with Keras"
    refuse(saved, DataError, message)
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 10**8)
    refuse(saved, DataError, message)
    saved.write_bytes(original)
    with pytest.warns(UserWarning, match="Duplicate name"):
        rewrite(saved, more=[("config.json", b"{}")])
    refuse(saved, DataError, "expected one member config.json, received 2; save it with Keras 3")
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("config.json", "{}")
    refuse(saved, DataError, "expected one member model.weights.h5, received 0; save it with Keras 3")
    saved.write_bytes(original)
    rewrite(saved, more=[("../../evil.py", b"import os")])
    assert mc.load_model(saved, **KERNELS)  # never looked at
    assert not (saved.parents[2] / "evil.py").exists()


def layer(config, i):
    return config["config"]["layers"][i]


HOSTILE = {
    "huge layer": (
        lambda c: layer(c, 5)["config"].update(units=10**12), WeightsError,
        r"expected weights of the model, received dense/kernel: model \(18, 1000000000000\) float32, file \(18, 3\) "
        r"float32 \(layers/dense/vars/0\)",
    ),
    "functional": (
        lambda c: c.update(class_name="Functional"), DataError,
        "expected Keras's description of a model, received another .KeyError: 'input_layers'.",
    ),
    "unknown layer": (
        lambda c: layer(c, 4).update(class_name="LSTM"), DataError,
        "layer 4: expected one of Keras's .*, received 'LSTM'; minicnn has no such layer",
    ),
    "a lambda layer": (
        lambda c: layer(c, 4).update(class_name="Lambda", config={"function": "x"}), DataError,
        "layer 4: expected one of Keras's .*, received 'Lambda'; minicnn has no such layer",
    ),
    "a class of another package": (
        lambda c: layer(c, 4).update(module="os"), DataError,
        "layer 4: expected one of Keras's .*, received 'Flatten'.*",
    ),
    "a registered class": (
        lambda c: layer(c, 4).update(registered_name="mine>Flatten"), DataError,
        "layer 4: expected one of Keras's .*, received 'Flatten'.*",
    ),
    "a convolution of low rank": (
        lambda c: layer(c, 1)["config"].update(lora_rank=2), DataError,
        r"layer 1 \(Conv2D\): expected lora_rank not to be used, received 2",
    ),
    "channels first": (
        lambda c: layer(c, 1)["config"].update(data_format="channels_first"), DataError,
        r"layer 1 \(Conv2D\): first: expected an image of at least the window's 3 x 3 px, received 6 x 1 px; .*",
    ),
    "a regularizer of one's own": (
        lambda c: layer(c, 1)["config"].update(kernel_regularizer={"module": "mine", "class_name": "L3",
                                                                   "config": {}, "registered_name": "mine>L3"}),
        DataError, "layer 1: expected a regularizer of Keras's, received 'L3'",
    ),
    "a constraint in a regularizer's place": (
        lambda c: layer(c, 1)["config"].update(kernel_regularizer={
            "module": "keras.constraints", "class_name": "MaxNorm", "config": {}, "registered_name": None}),
        DataError, "layer 1: expected a regularizer of Keras's, received 'MaxNorm'",
    ),
    "a constraint of NaN": (
        lambda c: layer(c, 1)["config"].update(kernel_constraint={
            "module": "keras.constraints", "class_name": "MaxNorm", "config": {"max_value": float("nan")},
            "registered_name": None}),
        DataError, "(?s).*(max_value|NaN).*",
    ),
    "mixed precision": (
        lambda c: layer(c, 1)["config"].update(dtype={"config": {"name": "mixed_float16"}}), DataError,
        "layer 1: expected dtype float32 or float64, received 'mixed_float16'",
    ),
    "float64": (
        lambda c: [entry["config"].update(dtype="float64") for entry in c["config"]["layers"]], WeightsError,
        "expected weights of type float32, received 'float64'; give load_model .*",
    ),
    "no input": (
        lambda c: (c["config"]["layers"].pop(0), c["config"].pop("build_input_shape")), DataError,
        "expected a built model, received one without the shape of its input; build it in Keras before saving",
    ),
    "an optimizer with averages": (
        lambda c: c["compile_config"]["optimizer"]["config"].update(use_ema=True, ema_momentum=3), DataError,
        r"optimizer \(Adam\): Adam: ema_momentum: expected a number from 0 to 1, received 3",
    ),
    "a schedule": (
        lambda c: c["compile_config"]["optimizer"]["config"].update(learning_rate={"class_name": "Cosine"}), DataError,
        "optimizer: expected a number or a schedule of Keras's as learning_rate, received 'Cosine'; .*",
    ),
    "another optimizer": (
        lambda c: c["compile_config"]["optimizer"].update(class_name="Muon"), DataError,
        "optimizer: expected a class of minicnn's: .*, received 'Muon'.*",
    ),
    "many losses": (
        lambda c: c["compile_config"].update(loss=["mse", "mse"]), DataError,
        "expected a loss for the one output, received 2",
    ),
    "another loss": (
        lambda c: c["compile_config"].update(loss="ctc"), DataError, "loss: expected one of .*, received 'ctc'.*",
    ),
    "nonsense": (
        lambda c: c.update(config={"layers": [{}]}), DataError,
        "expected (Keras's description of a model, received another|a built model).*",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "error", "message"), HOSTILE.values(), ids=HOSTILE)
def test_configs(saved, change, error, message):
    rewrite(saved, change)
    refuse(saved, error, message)


def test_a_regularizer_of_ones_own_is_left_out_for_predictions(saved, trained):
    own = {"module": "mine", "class_name": "Own", "config": {}}
    rewrite(saved, lambda c: layer(c, 1)["config"].update(kernel_regularizer=own))
    with pytest.raises(DataError, match="Own"):
        mc.load_model(saved, **KERNELS)
    twin = mc.load_model(saved, compile=False, **KERNELS)
    assert [w.tobytes() for w in twin.get_weights()] == everything(trained)[0]


def test_a_custom_metric_of_keras_needs_ours(saved):
    function = {"module": "builtins", "class_name": "function", "config": "f1", "registered_name": "function"}
    rewrite(saved, lambda c: c["compile_config"].update(metrics=[function]))
    with pytest.raises(ArgumentError, match="expected custom_objects with f1, received none"):
        mc.load_model(saved, **KERNELS)
    twin = mc.load_model(saved, {"f1": lambda t, p: 0.5}, **KERNELS)
    assert len(twin.metrics) == 1


def replaced(file, path, **options):
    del file[path]
    file.create_dataset(path, **options)


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    del file["layers/dense/vars/1"]
    file.create_virtual_dataset("layers/dense/vars/1", layout)


def elsewhere(file):
    replaced(file, "layers/dense/vars/1", shape=(3,), dtype="f4", external=[("other.bin", 0, 12)])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda f: replaced(f, "layers/dense/vars/1", data=np.zeros(4, "f4")), WeightsError,
            r"expected weights of the model, received dense/bias: model \(3,\) float32, file \(4,\) float32 .*",
        ),
        (
            lambda f: replaced(f, "layers/dense/vars/1", data=np.zeros(3, "f8")), WeightsError,
            r".*dense/bias: model \(3,\) float32, file \(3,\) float64 .*",
        ),
        (lambda f: f.pop("layers/dense"), WeightsError, r".*dense/kernel: model \(18, 3\) float32, file none .*"),
        (
            lambda f: f.create_dataset("layers/lstm/vars/0", data=np.zeros(3)), WeightsError,
            "expected weights that all belong to the model, received layers/lstm: model none, file 1 variables",
        ),
        (
            lambda f: f.create_dataset("layers/dense/vars/2", data=np.zeros(3)), WeightsError,
            "expected weights that all belong to the model, received layers/dense: model 2, file 3 variables",
        ),
        (virtual, DataError, "dense/bias: expected values that the file holds, received .*"),
        (elsewhere, DataError, "dense/bias: expected values that the file holds, received .*"),
        (  # declared, never written: nothing is stored
            lambda f: replaced(f, "layers/dense/vars/1", shape=(3,), dtype="f4", chunks=(3,)), DataError,
            "dense/bias: expected values that the file holds, received 12 bytes of which it stores 0",
        ),
    ],
)  # fmt: skip
def test_data_sets(saved, change, error, message):
    rewrite(saved, weights=change)
    refuse(saved, error, message)


def test_links_into_other_files_are_not_followed(saved, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.full(3, 7, np.float32)  # would fit

    def external(file):
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")

    rewrite(saved, weights=external)
    refuse(saved, WeightsError, r".*dense/bias: model \(3,\) float32, file none .*")


def test_one_data_set_cannot_be_many_weights(tmp_path):
    """Hard links: a small file that a thousand layers read again and again."""
    model = mc.Sequential([nn.Input((64,)), *(nn.Dense(64, use_bias=False) for _ in range(40))], **KERNELS)
    model.save(tmp_path / "m.keras")

    def link(file):
        for name in list(file["layers"]):
            if name != "dense":
                del file[f"layers/{name}/vars/0"]
                file[f"layers/{name}/vars/0"] = file["layers/dense/vars/0"]

    assert mc.load_model(tmp_path / "m.keras", **KERNELS)
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        data = io.BytesIO(archive.read("model.weights.h5"))
    small = io.BytesIO()
    with h5py.File(data, "r+") as file, h5py.File(small, "w") as target:
        link(file)
        file.copy("layers", target)
    assert len(small.getvalue()) < 40 * 64 * 64 * 4 / 2
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        for name, content in (held | {"model.weights.h5": small.getvalue()}).items():
            archive.writestr(name, content)
    refuse(tmp_path / "m.keras", DataError, ".*: expected values that the file holds, received 16384 bytes .*")


def test_an_optimizer_that_does_not_fit_starts_anew(saved, notes):
    rewrite(saved, weights=lambda f: f.pop("optimizer/vars/5"))
    model = mc.load_model(saved, **KERNELS)
    assert model.optimizer.iterations == 0
    assert notes() == ["the file holds no state of the optimizer's that fits: it starts anew"]


def test_weights_of_another_model(trained, tmp_path):
    path = tmp_path / "w.weights.h5"
    network(units=4).save_weights(path)
    before = everything(trained)
    with pytest.raises(WeightsError) as caught:
        trained.load_weights(path)
    assert str(caught.value) == (
        f"load_weights {path}: expected the 10 weights of the model, received 10 weights and 2 differences "
        "(dense/kernel: model (18, 3) float32, file (18, 4) float32 (layers/dense/vars/0); dense/bias: model (3,) "
        "float32, file (4,) float32 (layers/dense/vars/1)); build the model that the file was saved from"
    )
    path.write_bytes(b"\x89HDF" + b"\0" * 100)
    with pytest.raises(DataError, match=r"expected an HDF5 file, received 104 bytes that are none \(.*\); copy"):
        trained.load_weights(path)
    with pytest.raises(MissingDataError, match="expected a file, received none"):
        trained.load_weights(tmp_path / "none.weights.h5")
    assert everything(trained) == before


def test_a_damaged_weights_file_is_one_sentence_or_another_file(trained, tmp_path, rng):
    """A bare HDF5 file has no checksum: a changed byte of a weight goes unnoticed, the rest is a MinicnnError."""
    path, model = tmp_path / "w.weights.h5", network()
    trained.save_weights(path)
    data, refused = path.read_bytes(), 0
    for _ in range(200):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), 10):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            model.load_weights(path)
        except MinicnnError as error:
            assert str(error).startswith(f"load_weights {path}: expected ")  # noqa: PT017
            refused += 1
    assert refused > 20


def test_every_layer_and_optimizer_of_minicnn_is_known():
    """A new class must be entered in the tables, or be left out here with a reason."""
    others = {"Layer", "InputLayer", "Input", "Lambda", "RandomShift"}  # of Lambda Keras stores the code; ours alone
    layers = {getattr(nn, name).__name__ for name in nn.__all__ if name[0].isupper()} - others
    assert set(keras_config.LAYERS) == layers, "enter it in minicnn/io/keras_config.py, or in `others` with a reason"
    assert set(hdf5.SLOTS) == set(mc.optimizers.__all__) - {"Optimizer", "deserialize", "get", "schedules", "serialize"}
    for name, shared in keras_config.LAYERS.items():
        assert set(getattr(nn, name).config) - set(shared) <= {"algorithm"}


def test_keras_2_configs():
    """batch_input_shape, an axis in a list, a plain dtype: what TensorFlow's .keras files of 2023 hold."""
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "old",
            "layers": [
                {"class_name": "Conv2D", "config": {"name": "c", "batch_input_shape": [None, 6, 6, 1], "filters": 2,
                                                    "kernel_size": [3, 3], "dtype": "float32"}},
                {"class_name": "BatchNormalization", "config": {"name": "b", "axis": [3]}},
            ],
        },
    }  # fmt: skip
    document = keras_config.to_document(config, "here", strict=True)
    assert document["config"]["input_shape"] == [6, 6, 1]
    assert document["config"]["layers"][1]["config"]["axis"] == 3
    model = mc.model_from_json(json.dumps(config | {"module": "keras"}), **KERNELS)
    assert model.count_params() == 28


def test_load_weights_of_a_whole_model(tmp_path):
    """ModelCheckpoint("best.keras", save_best_only=True), then load_weights of it, as scripts do."""
    def made(seed, units=4):
        return mc.Sequential([mc.layers.Input((3,)), mc.layers.Dense(units), mc.layers.Dense(2)], seed=seed)

    model, other, third = made(1), made(2), made(3, units=5)
    model.compile("adam", "mse")
    x = np.ones((4, 3), np.float32)
    model.fit(x, np.ones((4, 2)), verbose=0)  # the file holds an optimizer's state, too
    model.save(tmp_path / "best.keras")
    other.load_weights(tmp_path / "best.keras")
    np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))
    before = other.get_weights()
    third.save(tmp_path / "third.keras")
    with pytest.raises(WeightsError):
        other.load_weights(tmp_path / "third.keras")
    for old, new in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
