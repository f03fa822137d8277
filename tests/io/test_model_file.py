"""A .minicnn file that is damaged, of another version, or made to hurt: one sentence each, and no memory taken."""

import copy
import json
import re
import tracemalloc

import numpy as np
import pytest
import safetensors

import minicnn as mc
from minicnn.errors import DataError, MinicnnError, WeightsError
from minicnn.io import container, model_file

nn = mc.layers


@pytest.fixture(scope="module")
def trained():
    model = mc.Sequential(
        [
            nn.Conv2D(2, 3, activation="relu", input_shape=(6, 6, 1), name="conv"), nn.BatchNormalization(name="norm"),
            nn.Flatten(name="flat"), nn.Dense(3, activation="softmax", name="out"),
        ],
        name="net", seed=1, kernels="numpy_ref",
    )  # fmt: skip
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.random.default_rng(0).random((8, 6, 6, 1)), np.eye(3)[np.arange(8) % 3], verbose=0)
    return model


@pytest.fixture
def saved(trained, tmp_path):
    path = tmp_path / "m.minicnn"
    trained.save(path)
    return path


def test_what_the_file_holds(saved):
    """The format as the docstring states it, read with nothing of minicnn's."""
    with safetensors.safe_open(saved, "numpy") as file:
        note = json.loads(file.metadata()["minicnn"])
        names = set(file.keys())
    weights = {"conv/kernel", "conv/bias", "norm/gamma", "norm/beta", "out/kernel", "out/bias"}
    assert names == {
        *(f"weights/{w}" for w in weights), "weights/norm/moving_mean", "weights/norm/moving_variance",
        *(f"optimizer/{slot}/{w}" for slot in "mv" for w in weights),
    }  # fmt: skip
    assert set(note) == {"format", "sha256", "model"}
    assert note["format"] == 1
    document = note["model"]
    assert set(document) == {"class_name", "config", "dtype", "compiled", "training"}
    assert [layer["class_name"] for layer in document["config"]["layers"]] == [
        "Conv2D", "BatchNormalization", "Flatten", "Dense",
    ]  # fmt: skip
    assert document["training"] | {"parameters": None} == {
        "seed": 1, "step": 1, "epoch": 1, "iterations": 1, "parameters": None, "slots": ["m", "v"],
    }  # fmt: skip
    assert document["compiled"]["loss"]["class_name"] == "CategoricalCrossentropy"


def forge(path, change):
    """Change document and arrays, with a digest that fits again: what an attacker would do."""
    document, arrays = model_file.read(path)
    document = copy.deepcopy(document)
    change(document, arrays)
    model_file.write(path, document, arrays)


def refuse(path, error, message, whole=True, **options):
    with pytest.raises(error) as caught:
        mc.load_model(path, kernels="numpy_ref", **options)
    text = str(caught.value)
    assert text.startswith(f"load_model {path}: ")
    said = text.removeprefix(f"load_model {path}: ")
    assert re.fullmatch(message, said) if whole else re.search(message, said), said
    assert isinstance(caught.value, MinicnnError)


def test_truncated_anywhere(saved):
    data = saved.read_bytes()
    for length in [*range(0, len(data), 97), len(data) - 1]:
        saved.write_bytes(data[:length])
        refuse(saved, DataError, r"expected a (complete )?safetensors file, received .*copy it again")


def test_every_flipped_bit_is_noticed(saved):
    """Header, document and arrays: there is no byte that nothing protects."""
    data = bytearray(saved.read_bytes())
    for place in range(0, len(data), 7):
        data[place] ^= 1 << place % 8
        saved.write_bytes(data)
        data[place] ^= 1 << place % 8
        with pytest.raises(MinicnnError, match=f"^load_model {saved}: "):
            mc.load_model(saved, kernels="numpy_ref")


def test_garbage_and_folders(saved, tmp_path):
    saved.write_bytes(np.random.default_rng(0).bytes(5000))
    refuse(saved, DataError, "expected a safetensors file, received 5000 bytes that declare a header of .*")
    saved.write_bytes(b"")
    refuse(saved, DataError, "expected a safetensors file, received 0 bytes .*")
    saved.unlink()
    saved.mkdir()
    refuse(saved, DataError, "expected a file, received a folder")


def test_a_changed_weight_and_a_changed_document(saved):
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    digests = "expected the digest [0-9a-f]{12} that the file states, received [0-9a-f]{12}; it was changed or damaged"
    refuse(saved, DataError, f"{digests}: copy it again")
    data[-1] ^= 1
    place = data.index(b'\\"filters\\": 2') + len(b'\\"filters\\": ')
    data[place : place + 1] = b"3"
    saved.write_bytes(data)
    refuse(saved, DataError, f"{digests}: copy it again")


def test_another_version(saved, trained, monkeypatch):
    monkeypatch.setattr(model_file, "FORMAT", 2)
    trained.save(saved)
    monkeypatch.undo()
    refuse(saved, DataError, "expected a model file of format 1, received format 2; use a newer minicnn")


def test_weights_alone_and_a_model_as_weights(saved, trained, tmp_path):
    weights = tmp_path / "w.safetensors"
    trained.save_weights(weights)
    model = tmp_path / "renamed.minicnn"
    weights.rename(model)
    refuse(
        model, DataError, "expected a whole model of minicnn's, received weights alone; "
        "build the model and call load_weights on it",
    )  # fmt: skip
    saved.rename(weights)
    with pytest.raises(DataError, match=r"expected weights alone, received a whole model; use minicnn\.load_model$"):
        trained.load_weights(weights)
    safetensors.numpy.save_file({"a": np.zeros(3)}, model, {"format": "pt"})
    refuse(
        model, DataError, "expected a whole model of minicnn's, received another program's arrays; "
        "write it with model.save",
    )  # fmt: skip


def layer(document, i):
    return document["config"]["layers"][i]


HOSTILE = {
    "huge dense layer": (
        lambda d, a: layer(d, 3)["config"].update(units=10**12), WeightsError,
        r"expected weights/out/kernel: model \(32, 1000000000000\) float32, received file \(32, 3\) float32",
    ),
    "huge convolution": (
        lambda d, a: layer(d, 0)["config"].update(filters=10**15), WeightsError,
        r"expected weights/conv/kernel: model \(3, 3, 1, 1000000000000000\) float32, received file \(3, 3, 1, 2\) .*",
    ),
    "huge batch norm without weights": (
        lambda d, a: (layer(d, 1)["config"].update(scale=False, center=False, axis=1),
                      d["config"].update(input_shape=[10**12, 6, 1])), WeightsError,
        r"expected weights/norm/moving_mean: model \(999999999998,\) float32, received file \(2,\) float32",
    ),
    "another shape": (
        lambda d, a: a.update({"weights/out/bias": np.zeros(4, np.float32)}), WeightsError,
        r"expected weights/out/bias: model \(3,\) float32, received file \(4,\) float32",
    ),
    "another type": (
        lambda d, a: a.update({"weights/out/bias": np.zeros(3, np.float64)}), WeightsError,
        r"expected weights/out/bias: model \(3,\) float32, received file \(3,\) float64",
    ),
    "a weight is missing": (
        lambda d, a: a.pop("weights/norm/moving_mean"), WeightsError,
        r"expected weights/norm/moving_mean: model \(2,\) float32, received file none",
    ),
    "a weight too many": (
        lambda d, a: a.update({"weights/more/kernel": np.zeros(4, np.float32)}), WeightsError,
        r"expected arrays that all belong to the model, received 1 more \(weights/more/kernel \(4,\) float32\)",
    ),
    "a slot is missing": (
        lambda d, a: a.pop("optimizer/m/out/bias"), WeightsError,
        r"expected optimizer/m/out/bias: model \(3,\) float32, received file none",
    ),
    "other slots": (
        lambda d, a: d["compiled"]["optimizer"].update(class_name="SGD", config={"learning_rate": 0.1}), DataError,
        "expected the slots none of SGD, received m, v",
    ),
    "unknown class": (
        lambda d, a: layer(d, 0).update(class_name="Conv3D"), DataError,
        "layer 1: expected a class of minicnn's: .*Conv2D.*, received 'Conv3D'.*",
    ),
    "a class of the standard library": (
        lambda d, a: layer(d, 0).update(class_name="subprocess.Popen"), DataError,
        "layer 1: expected a class of minicnn's: .*, received 'subprocess.Popen'",
    ),
    "unknown argument": (
        lambda d, a: layer(d, 0)["config"].update(colour="red"), DataError,
        r"layer 1 \(Conv2D\): Conv2D: expected arguments of the layer, received 'colour'",
    ),
    "a missing argument": (
        lambda d, a: layer(d, 3)["config"].pop("units"), DataError,
        r"layer 4 \(Dense\): Dense: expected arguments of units, .*, received no 'units'",
    ),
    "an argument of another type": (
        lambda d, a: layer(d, 0)["config"].update(filters=[1, {}]), DataError,
        r"layer 1 \(Conv2D\): Conv2D: filters: expected a whole number of at least 1, received \[1, \{\}\]",
    ),
    "unknown activation": (
        lambda d, a: layer(d, 0)["config"].update(activation="system"), DataError,
        r"layer 1 \(Conv2D\): Conv2D: activation: expected one of .*, received 'system'.*",
    ),
    "unknown initializer": (
        lambda d, a: layer(d, 0)["config"].update(kernel_initializer={"class_name": "eval", "config": {}}), DataError,
        "initializer: expected a class of minicnn's: .*, received 'eval'.*",
    ),
    "two layers of one name": (
        lambda d, a: layer(d, 1)["config"].update(name="conv"), DataError,
        r"layer 2 \(BatchNormalization\): add: expected a name that no other layer has, received 'conv'",
    ),
    "a layer that does not fit": (
        lambda d, a: layer(d, 0)["config"].update(kernel_size=[9, 9]), DataError, r"layer 1 \(Conv2D\): conv: .*",
    ),
    "too many layers": (
        lambda d, a: d["config"].update(layers=d["config"]["layers"] * 300), DataError,
        "expected a list of at most 1000 layers, received 1200 of them",
    ),
    "no layers": (
        lambda d, a: d["config"].update(layers="Conv2D"), DataError,
        "expected a list of at most 1000 layers, received 'Conv2D'",
    ),
    "a name that is none": (
        lambda d, a: d["config"].update(name=["net"]), DataError, r"expected a model's name, received \['net'\]",
    ),
    "an input that is none": (
        lambda d, a: d["config"].update(input_shape=[6, -6, 1]), DataError,
        r"input_shape: Input: shape: expected a tuple of whole numbers of at least 1, received \(6, -6, 1\)",
    ),
    "an input that is a number": (
        lambda d, a: d["config"].update(input_shape=6), DataError, "input_shape: .*",
    ),
    "a negative step": (
        lambda d, a: d["training"].update(step=-1), DataError,
        "expected training: step from 0 to 9007199254740991, received -1",
    ),
    "a seed that is none": (
        lambda d, a: d["training"].update(seed=1.5), DataError, "expected training: seed from 0 to .*, received 1.5",
    ),
    "parameters that are no weights": (
        lambda d, a: d["training"].update(parameters=["conv/kernel", "x/y"]), DataError,
        r"expected parameters that are weights of the model, each once, received \['conv/kernel', 'x/y'\]",
    ),
    "parameters twice": (
        lambda d, a: d["training"]["parameters"].append("conv/kernel"), DataError,
        "expected parameters that are weights of the model, each once, received .*",
    ),
    "unknown optimizer": (
        lambda d, a: d["compiled"]["optimizer"].update(class_name="Adam2"), DataError,
        "optimizer: expected a class of minicnn's: .*, received 'Adam2'; did you mean .*",
    ),
    "a rate that is none": (
        lambda d, a: d["compiled"]["optimizer"]["config"].update(learning_rate=-1), DataError,
        r"optimizer \(Adam\): Adam: learning_rate: expected a finite number of at least 0, received -1",
    ),
    "unknown loss": (
        lambda d, a: d["compiled"].update(loss={"class_name": "Loss", "config": {}}), DataError,
        "loss: expected a class of minicnn's: .*, received 'Loss'.*",
    ),
    "unknown loss name": (lambda d, a: d["compiled"].update(loss="cross"), DataError, "loss: expected one of .*"),
    "unknown metric": (
        lambda d, a: d["compiled"].update(metrics=[{"class_name": "Metric", "config": {"name": "a"}}]), DataError,
        "metric: expected a class of minicnn's: .*, received 'Metric'.*",
    ),
    "a metric's function": (
        lambda d, a: d["compiled"]["metrics"][0]["config"].update(fn="exec"), DataError,
        "metric: expected one of accuracy, .*, received 'exec'",
    ),
    "no metrics": (lambda d, a: d["compiled"].update(metrics=3), DataError, "expected a list of metrics, received 3"),
    "no description": (lambda d, a: d.update(config=[]), DataError, r"expected a model's description, received \[\]"),
    "an entry that is none": (
        lambda d, a: d["config"]["layers"].append(7), DataError,
        "layer 5: expected an object with class_name and config, received 7",
    ),
    "another float type": (
        lambda d, a: d.update(dtype="float16"), WeightsError,
        "expected weights of type float32, received 'float16'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "error", "message"), HOSTILE.values(), ids=HOSTILE)
def test_documents_made_to_hurt(saved, change, error, message):
    forge(saved, change)
    tracemalloc.start()
    refuse(saved, error, message)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6  # bytes


def test_the_forger_is_no_cause(saved):
    forge(saved, lambda d, a: None)
    assert mc.load_model(saved, kernels="numpy_ref").optimizer.iterations == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"units": 3', '"units": NaN', "NaN is not a number of JSON"),
        ('"units": 3', '"units": 1e999', "1e999 is too large for a number"),
        ('"units": 3', '"units": 3, "units": 4', "the name 'units' stands twice in one object"),
        ('"units": 3', '"units": ' + "[" * 1000 + "]" * 1000, "nested more than 100 deep"),
    ],
)
def test_a_note_that_is_not_strict_json(saved, old, new, message):
    with safetensors.safe_open(saved, "numpy") as file:
        note = file.metadata()["minicnn"]
    arrays = safetensors.numpy.load_file(saved)
    assert old in note
    safetensors.numpy.save_file(arrays, saved, {"minicnn": note.replace(old, new)})
    message = rf"received one that cannot be read \({re.escape(message)}\); copy it again"
    refuse(saved, DataError, f"expected a complete safetensors file, {message}")


def test_two_arrays_of_one_name(saved):
    data = saved.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(b'"weights/out/bias":', b'"weights/conv/bias":')
    assert header != data[8 : 8 + length]
    saved.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])
    refuse(saved, DataError, ".*the name 'weights/conv/bias' stands twice in one object.*")


def test_a_header_that_is_too_long(saved):
    saved.write_bytes((container.HEADER_LIMIT + 1).to_bytes(8, "little") + b"{" * (container.HEADER_LIMIT + 20))
    refuse(saved, DataError, "expected a safetensors file, received .* bytes that declare a header of 16000001; .*")


def test_the_model_in_hand_stays_as_it_was(saved, trained):
    """A refused load leaves no trace, not even in names that are counted."""
    before = [w.tobytes() for w in trained.get_weights()]
    forge(saved, lambda d, a: layer(d, 3)["config"].update(units=4))
    refuse(saved, WeightsError, "expected weights/out/kernel: .*")
    assert [w.tobytes() for w in trained.get_weights()] == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected JSON, received text that is none"),
        ("{", "expected JSON, received text that is none"),
        ("[]", r"expected a model's description, received \[\]"),
        ("[" * 10**6, r"expected JSON, received text that is none \(nested more than 100 deep\)"),
        ("{}", "expected an architecture of format 1, received None; use to_json"),
        ('{"format": 2}', "expected an architecture of format 1, received 2; use to_json"),
        ('{"format": 1}', "expected a model's description, received None"),
        ('{"format": NaN}', "NaN is not a number of JSON"),
        (None, "expected at most 10,000,000 characters of JSON, received None"),
    ],
)
def test_texts_that_are_no_architecture(text, message):
    with pytest.raises(DataError, match=f"^model_from_json: .*{message}"):
        mc.model_from_json(text)


@pytest.mark.parametrize("units", [10**9, 10**12, 10**30])
def test_an_architecture_that_is_too_large(units):
    """Refused before any memory: an architecture has no file whose size could bound it."""
    text = mc.Sequential([nn.Input((4,)), nn.Dense(7, name="wide")]).to_json()
    tracemalloc.start()
    with pytest.raises(DataError) as caught:
        mc.model_from_json(text.replace('"units": 7', f'"units": {units}'))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(caught.value) == (
        "model_from_json: expected at most 268,435,456 weights, received "
        f"{4 * units:,} up to wide/kernel; build a model as large as that in Python"
    )
    assert peak < 10e6  # bytes
