"""Functional models in Keras's files, without Keras: our round trip, what is refused, and files made to hurt.

That the real Keras agrees about them is tests/parity/test_graphs.py.
"""

import io
import json
import zipfile

import numpy as np
import pytest

import minicnn as mc
from minicnn.errors import ArgumentError, DataError, MinicnnError
from tests.parity.graphs import GRAPHS, arithmetic, data

h5py = pytest.importorskip("h5py", reason='could not import "h5py": pip install -e ".[test]"')
L = mc.layers
ALL = GRAPHS | {"arithmetic": arithmetic}


def trained(what):
    model = ALL[what](mc)
    x, y = data(model.sample_in, model.sample_out)
    several = what == "several"
    model.compile(mc.optimizers.Adam(0.01), ["mse", "categorical_crossentropy"] if several else "mse",
                  loss_weights=[0.5, 2.0] if several else None,
                  metrics=[["mae"], ["accuracy"]] if several else ["mae"])  # fmt: skip
    model.train_on_batch(x, y)
    return model, x, y


def listed(y):
    return [one.tobytes() for one in (y if isinstance(y, list) else [y])]


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("what", GRAPHS)
def test_round_trip(what, ending, tmp_path):
    model, x, y = trained(what)
    path = tmp_path / f"m{ending}"
    model.save(path)
    twin = mc.load_model(path)
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    assert [w.path for w in twin.weights] == [w.path for w in model.weights]
    assert listed(twin.get_weights()) == listed(model.get_weights())
    assert listed(twin.predict(x, verbose=0)) == listed(model.predict(x, verbose=0))
    assert (twin.optimizer.iterations, twin.metrics_names) == (1, model.metrics_names)
    assert listed(twin.optimizer.get_state()["m"]) == listed(model.optimizer.get_state()["m"])
    assert [p.path for p in twin.trainable_weights] == [p.path for p in model.trainable_weights]
    assert np.array_equal(twin.train_on_batch(x, y), model.train_on_batch(x, y))
    again = tmp_path / f"again{ending}"
    mc.load_model(path).save(again)
    assert listed(mc.load_model(again).get_weights()) == listed(mc.load_model(path).get_weights())


def test_arithmetic_between_layers(tmp_path):
    model, x, _ = trained("arithmetic")
    model.save(tmp_path / "m.keras")
    assert listed(mc.load_model(tmp_path / "m.keras").predict(x, verbose=0)) == listed(model.predict(x, verbose=0))
    before = sorted(tmp_path.iterdir())
    message = r"save: .*: expected layers alone, received an operation between them; save as .keras or .minicnn"
    with pytest.raises(ArgumentError, match=message):
        model.save(tmp_path / "m.h5")
    assert sorted(tmp_path.iterdir()) == before


def test_a_legacy_file_says_calls_in_keras_2s_words(tmp_path):
    trained("shared")[0].save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        config = json.loads(file.attrs["model_config"])["config"]
    calls = {layer["name"]: layer["inbound_nodes"] for layer in config["layers"]}
    assert calls["eye"] == [[["left", 0, 0, {}]], [["right", 0, 0, {}]]]
    assert calls["tower"] == [[["eye", 0, 0, {}]], [["eye", 1, 0, {}]]]
    assert calls["difference"] == [[["tower", 0, 0, {}], ["tower", 1, 0, {}]]]
    assert [one["class_name"] for one in config["layers"]][:2] == ["InputLayer", "InputLayer"]


def test_a_call_keeps_its_training_and_dicts_their_names(tmp_path):
    a, b = mc.Input((3,), name="a"), mc.Input((3,), name="b")
    y = L.Dropout(0.9, name="drop")(L.Add(name="sum")([a, b]), training=True)
    model = mc.Model({"left": a, "right": b}, {"end": L.Dense(2, name="out")(y)}, name="m", seed=1)
    x = {"left": np.ones((4, 3), "f4"), "right": np.ones((4, 3), "f4")}
    for ending in (".keras", ".h5"):
        model.save(tmp_path / f"m{ending}")
        twin = mc.load_model(tmp_path / f"m{ending}")
        assert (twin.input_names, twin.output_names) == (["left", "right"], ["end"])
        assert [step.training for step in twin.steps] == [None, True, None]
        assert twin.count_params() == 8
        twin.predict(x, verbose=0)


# files that are no model's -------------------------------------------------------------------------------------------


def rewritten(path, change, legacy):
    """Another config in the same file."""
    if legacy:
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
        return
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(held["config.json"])
    change(config)
    held["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in held.items():
            archive.writestr(name, value)


def layer(config, name):
    return next(one for one in config["config"]["layers"] if one["name"] == name)


def node(config, name):
    return layer(config, name)["inbound_nodes"][0]


def history(config, name, to):
    """Let the first argument of a layer's first call come from elsewhere."""
    call = node(config, name)
    if isinstance(call, dict):
        first = call["args"][0][0] if isinstance(call["args"][0], list) else call["args"][0]
        first["config"]["keras_history"] = to
    else:
        call[0][:3] = to


HOSTILE = {
    "a circle": (lambda c: history(c, "wide", ["join", 0, 0]),
                 "expected calls that follow from the inputs, received 5 that do not"),
    "a call of nothing": (lambda c: history(c, "wide", ["nobody", 0, 0]), "expected calls that follow from the inputs"),
    "a call that never was": (lambda c: history(c, "mean", ["norm", 5, 0]),
                              "expected calls that follow from the inputs"),
    "a history of other things": (lambda c: history(c, "wide", [{"a": 1}, 0, 0]), "expected Keras's description"),
    "no calls": (lambda c: layer(c, "wide").update(inbound_nodes=5), "expected Keras's description"),
    "an output of nobody": (lambda c: c["config"].update(output_layers=["nobody", 0, 0]),
                            "expected Keras's description"),
    "an input of nobody": (lambda c: c["config"].update(input_layers=["nobody", 0, 0]),
                           "expected Keras's description"),
    "no inputs": (lambda c: c["config"].update(input_layers=[]), "expected Keras's description"),
    "an input that is none": (lambda c: c["config"].update(input_layers=["wide", 0, 0]), "expected "),
    "two of one name": (lambda c: layer(c, "narrow").update(name="wide"), "expected layers of different names"),
    "too many": (lambda c: c["config"].update(layers=c["config"]["layers"] * 200), "expected at most 1000 layers"),
    "an unknown layer": (lambda c: layer(c, "norm").update(class_name="LSTM"),
                         "expected one of Keras's .*, received 'LSTM'; minicnn has no such layer"),
    "shapes that do not meet": (lambda c: layer(c, "narrow")["config"].update(strides=[2, 2]),
                                "expected a graph of layers, received another: .*join"),
    "a merge of one": (lambda c: layer(c, "join").update(inbound_nodes=layer(c, "mean")["inbound_nodes"]),
                       "expected "),
    "a layer of a million units": (lambda c: layer(c, "out")["config"].update(units=10**9), "expected "),
}  # fmt: skip


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_is_no_graph(saved, what, ending, tmp_path):
    path = tmp_path / f"m{ending}"
    path.write_bytes(saved[ending])
    change, message = HOSTILE[what]
    rewritten(path, change, ending == ".h5")
    with pytest.raises(MinicnnError, match=message) as caught:
        mc.load_model(path)
    assert str(path) in str(caught.value)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Ending -> the bytes of the graph `branches`."""
    folder = tmp_path_factory.mktemp("graphs")
    model = GRAPHS["branches"](mc)
    for ending in (".keras", ".h5"):
        model.save(folder / f"m{ending}")
    return {ending: (folder / f"m{ending}").read_bytes() for ending in (".keras", ".h5")}


def test_calls_that_ask_for_more(saved, tmp_path):
    path = tmp_path / "m.keras"
    for change, message in [
        (lambda c: node(c, "wide")["kwargs"].update(initial_state=[1]), "expected calls of layers with a tensor and "
         "training, received initial_state"),
        (lambda c: node(c, "wide")["kwargs"].update(mask=[[True]]), "received mask"),
        (lambda c: node(c, "wide")["kwargs"].update(training="yes"), "expected training to be true or false"),
        (lambda c: layer(c, "norm").update(class_name="Einsum", module="keras.src.ops.numpy"),
         "expected one of the operations .*, received 'Einsum'; minicnn reads no such one"),
    ]:  # fmt: skip
        path.write_bytes(saved[".keras"])
        rewritten(path, change, False)
        with pytest.raises(DataError, match=message):
            mc.load_model(path)
    path.write_bytes(saved[".keras"])
    rewritten(path, lambda c: node(c, "wide")["kwargs"].update(mask=[None], training=None), False)
    assert mc.load_model(path).count_params() == GRAPHS["branches"](mc).count_params()


def test_models_within_models_without_end(tmp_path, saved):
    path = tmp_path / "m.keras"
    path.write_bytes(saved[".keras"])

    def deep(config):
        inner = json.loads(json.dumps(config))
        for _ in range(60):
            outer = json.loads(json.dumps(config))
            layer(outer, "narrow").update(class_name="Functional", module="keras.src.models.functional",
                                          registered_name="Functional", config=inner["config"])  # fmt: skip
            inner = outer
        config.clear()
        config.update(inner)

    rewritten(path, deep, False)
    with pytest.raises(MinicnnError):
        mc.load_model(path)


def test_damage_anywhere(saved, tmp_path):
    """Every member of a description, taken away or of another kind, is a DataError or a sound model."""
    with zipfile.ZipFile(io.BytesIO(saved[".keras"])) as archive:
        config = json.loads(archive.read("config.json"))
    config["compile_config"] = None
    places = []

    def walk(value, way):
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, one in list(items):
            places.append((*way, key))
            walk(one, (*way, key))

    walk(config, ())
    rng, refused = np.random.default_rng(0), 0
    chosen = rng.permutation(len(places))[:150]
    for i in chosen:
        broken = json.loads(json.dumps(config))
        *way, last = places[i]
        inner = broken
        for key in way:
            inner = inner[key]
        inner[last] = [None, 3, "x", [], {}, [[[]]], -1][int(rng.integers(7))]
        try:
            mc.model_from_json(json.dumps(broken), kernels="numpy_ref")
        except MinicnnError:
            refused += 1
    assert 40 < refused < len(chosen)
