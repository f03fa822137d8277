"""What the page shows is what the engine computes, of any model with one image in and one vector out."""

import base64
import json

import numpy as np
import pytest

import minicnn
from minicnn import layers as L
from minicnn.errors import ArgumentError, MinicnnError
from minicnn.play.questions import reply
from minicnn.play.session import Session
from minicnn.structure import flat

from .drawings import drawings, painted

DRAWN = painted(drawings()[6][1])


def like_mnist(loss="categorical_crossentropy"):
    parts = [L.Input((28, 28, 1)), L.Conv2D(4, 3, activation="relu"), L.BatchNormalization(), L.MaxPooling2D(),
             L.Flatten(), L.Dense(10, activation="softmax")]  # fmt: skip
    return compiled(minicnn.Sequential(parts, seed=1), loss)


def residual(loss="sparse_categorical_crossentropy"):
    x = L.Input((12, 10, 3))
    y = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = L.Add()([y, L.Conv2D(4, 1)(x)])
    return compiled(minicnn.Model(x, L.Dense(5, activation="softmax")(L.GlobalAveragePooling2D()(y)), seed=1), loss)


def one_output(loss="binary_crossentropy"):
    parts = [L.Input((9, 9, 1)), L.Conv2D(2, 3), L.Flatten(), L.Dense(1, activation="sigmoid")]
    return compiled(minicnn.Sequential(parts, seed=1), loss)


def compiled(model, loss):
    model.compile("adam", loss, metrics=["accuracy"])
    return model


MODELS = [like_mnist, residual, one_output]


def channels_first():
    how = {"activation": "relu", "data_format": "channels_first"}
    parts = [L.Input((1, 28, 28)), L.Conv2D(3, 5, **how), L.MaxPooling2D(data_format="channels_first"),
             L.Flatten(data_format="channels_first"), L.Dense(10, activation="softmax")]  # fmt: skip
    return compiled(minicnn.Sequential(parts, seed=1), "categorical_crossentropy")


def without_channels():
    parts = [L.Input((28, 28)), L.Reshape((28, 28, 1)), L.Conv2D(3, 5, activation="relu"), L.MaxPooling2D(),
             L.Flatten(), L.Dense(10, activation="softmax")]  # fmt: skip
    return compiled(minicnn.Sequential(parts, seed=1), "sparse_categorical_crossentropy")


def vector():
    parts = [L.Input((784,)), L.Reshape((28, 28, 1)), L.Conv2D(3, 5, activation="relu"), L.Flatten(),
             L.Dense(10, activation="softmax")]  # fmt: skip
    return compiled(minicnn.Sequential(parts, seed=1), "categorical_crossentropy")


def odd_vector():
    return compiled(minicnn.Sequential([L.Input((30,)), L.Dense(4, activation="relu"), L.Dense(2)], seed=1), "mse")


def steps():
    parts = [L.Input((20, 6)), L.Conv1D(4, 3, activation="relu"), L.GlobalMaxPooling1D(), L.Dense(3)]
    return compiled(minicnn.Sequential(parts, seed=1), "mse")


def nested():
    inner = minicnn.Sequential([L.Input((14, 11, 3)), L.Conv2D(3, 3, padding="same", name="inside")], seed=1)
    x = L.Input((14, 11, 3))
    y = L.GlobalAveragePooling2D()(inner(inner(x)))
    return compiled(minicnn.Model(x, L.Dense(4, activation="softmax")(y), seed=1), "categorical_crossentropy")


def two_ends():
    x = L.Input((9, 9, 1))
    y = L.Flatten()(L.Conv2D(2, 3, activation="relu")(x))
    ends = L.Reshape((2, 2))(L.Dense(4)(y)), L.Dense(3, activation="softmax", name="digit")(y)
    model = minicnn.Model(x, ends, seed=1)
    model.compile("adam", ["mse", "sparse_categorical_crossentropy"])
    return model


def images_out():
    parts = [L.Input((8, 8, 1)), L.Conv2D(2, 3, padding="same", activation="relu"), L.Conv2D(1, 1)]
    return compiled(minicnn.Sequential(parts, seed=0), "mse")


@pytest.mark.parametrize("build", [channels_first, without_channels, vector, odd_vector, steps, nested, two_ends,
                                   images_out])  # fmt: skip
def test_a_drawing_becomes_the_input_of_any_shape(build):
    """Every cell that is shown is the trace's, whatever the layer's shape; its number can be asked for."""
    model = build()
    session = Session(model)
    found, trace = session.draw(DRAWN), session._now()
    assert session.x.shape == model.sample_in
    assert session.x.max() > 0.1
    predicted = model.predict(session.x[None], verbose=0)
    ends = flat(predicted)
    wanted = next((end[0] for end in ends if end.ndim == 2), np.zeros(0))
    np.testing.assert_allclose(found["outputs"], wanted, rtol=1e-5, atol=1e-6)
    names = {layer["name"] for layer in session.about()["layers"]}
    assert {layer["of"] for layer in found["layers"]} == names
    for layer in found["layers"]:
        index = [n // 2 for n in layer["shape"]]
        cell = session.cell(layer["name"], index)
        values = trace[layer["name"]][0]
        if values.ndim == 3:
            values = values.transpose(1, 2, 0) if build is channels_first else values
        assert values.size == np.prod(layer["shape"])
        assert cell["value"] == values.reshape(layer["shape"])[tuple(index)]
        for (a, b), n in zip(cell["field"], session.about()["input"][:2], strict=True):
            assert 0 <= a < b <= n
    if build is nested:
        assert [layer["name"] for layer in found["layers"]][:2] == ["inside", "inside/call_2"]
    flows = sum("gradient" in layer for layer in found["layers"])
    assert (flows > 0) == (build is not images_out)
    if build is two_ends:
        assert session.about()["of"] == " of digit"
        assert found["loss"] == pytest.approx(-np.log(found["outputs"][found["label"]]), rel=1e-4)
        other = next(layer for layer in found["layers"] if layer["name"].startswith("dense"))
        middle = np.frombuffer(base64.b64decode(other["gradient"]), np.uint8)
        assert set(middle) == {128}  # nothing flows from it: neither blue nor red
    if session.about()["trains"] == "":
        session.trainer.command("step")
        assert session.look()["step"] == 1
    assert (session.about()["trains"] == "") == (build in (channels_first, without_channels, vector))


def test_a_window_of_a_vector_is_rows_of_the_drawing():
    session = Session(vector())
    session.draw(DRAWN)
    name = session.about()["layers"][1]["name"]
    assert session.cell(name, [3, 4, 1])["field"] == [[3, 8], [0, 28]]


@pytest.mark.parametrize("build", MODELS)
def test_outputs_maps_and_gradients_are_the_engines(build):
    model = build()
    session = Session(model)
    found = session.draw(DRAWN)
    assert session.x.shape == model.sample_in
    assert 0.1 < session.x.max() <= 1
    np.testing.assert_allclose(found["outputs"], model.predict(session.x[None], verbose=0)[0], rtol=1e-5, atol=1e-6)
    label = found["label"]
    y = [label] if "sparse" in model.loss.name else [[label]] if len(found["outputs"]) == 1 else np.eye(10)[[label]]
    trace = model.trace(session.x, np.array(y))
    assert found["loss"] == pytest.approx(trace.loss)
    assert {layer["name"] for layer in found["layers"]} == {layer.name for layer in model.leaves}
    for layer in found["layers"]:
        values = trace[layer["name"]][0]
        assert (layer["low"], layer["high"]) == (float(values.min()), float(values.max()))
        pixels = np.frombuffer(base64.b64decode(layer["pixels"]), np.uint8)
        planes = values if values.ndim == 1 else values.transpose(2, 0, 1)
        wanted = np.rint((planes - planes.min()) * (255 / max(planes.max() - planes.min(), 1e-30)))
        assert np.abs(pixels - wanted.reshape(-1)).max() <= 1
        if layer["name"] in trace.gradients:  # not of a softmax whose loss is computed from logits
            assert layer["most"] == float(np.abs(trace.gradients[layer["name"]]).max())
    assert sum("gradient" in layer for layer in found["layers"]) >= len(found["layers"]) - 1
    assert found["cam"]["layer"] in trace.values


@pytest.mark.parametrize("build", MODELS)
def test_a_cell_is_the_traces(build):
    model = build()
    session = Session(model)
    session.draw(DRAWN)
    index = [2, 3, 1]
    name = next(layer.name for layer in model.leaves if isinstance(layer, L.Conv2D))
    found, trace = session.cell(name, index), session._now()
    assert found["value"] == float(trace[name][0, 2, 3, 1])
    assert found["gradient"] == float(trace.gradients[name][0, 2, 3, 1])
    parts = np.sum(found["products"]) + found["bias"]
    assert max(parts, 0) == pytest.approx(max(found["value"], 0), abs=1e-5)
    assert np.shape(found["patch"]) == np.shape(found["kernel"])
    assert f"{name}[2, 3, 1]" in found["text"]
    (top, bottom), (left, right) = found["field"]
    assert bottom - top <= 3
    assert right - left <= 3


def test_the_chosen_label_flows_back_until_another_is_chosen():
    session = Session(like_mnist())
    believed = session.draw(DRAWN)["label"]
    other = (believed + 1) % 10
    found = session.backward(other)
    assert found["label"] == other
    assert found["loss"] == pytest.approx(-np.log(found["outputs"][other]), rel=1e-4)
    assert session.draw(DRAWN)["label"] == other
    assert session.backward(None)["label"] == believed


def test_without_a_loss_there_is_forward_alone():
    parts = [L.Input((28, 28, 1)), L.Flatten(), L.Dense(10)]
    session = Session(minicnn.Sequential(parts, seed=0))
    found = session.draw(DRAWN)
    assert (found["loss"], found["cam"]) == (None, None)
    assert "gradient" not in found["layers"][0]
    assert session.about()["loss"] == "none"
    assert session.about()["trains"].startswith("the model has no optimizer")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_told_by_the_layer_that_they_begin_in(value):
    model = like_mnist()
    session, name = Session(model), model.leaves[1].name
    session.draw(DRAWN)
    weights = model.get_weights()
    weights[2][:] = value  # the batch norm's gamma
    model.set_weights(weights)
    for question, body in (("look", b""), ("backward", b'{"label": 3}'),
                           ("cell", json.dumps({"name": name, "index": [9, 9, 0]}).encode())):  # fmt: skip
        ok, text = reply(session, question, body)
        assert not ok
        assert f"received NaN or infinity in {name}: the weights have diverged" in json.loads(text)["error"]
    assert reply(session, "progress", b"")[0]


def test_what_cannot_be_shown_or_asked_is_refused():
    a, b = L.Input((4, 4, 1)), L.Input((4, 4, 1))
    two = minicnn.Model([a, b], L.Dense(2)(L.Flatten()(L.Add()([a, b]))), seed=0)
    with pytest.raises(ArgumentError, match=r"play: .* one input that can be drawn.*received 2 inputs"):
        Session(two)
    with pytest.raises(ArgumentError, match="play: label: expected none: no output is a vector, received 0"):
        Session(images_out()).backward(0)
    session = Session(like_mnist())
    for wrong in (-1, 10):
        with pytest.raises(ArgumentError, match="play: label: expected 0 to 9"):
            session.backward(wrong)
    for name, index in (("nothing", [0]), ("conv2d", [0]), ("conv2d", [0, 0, 99]), ("conv2d", [-1, 0, 0])):
        with pytest.raises(MinicnnError):
            session.cell(name, index)


def test_training_moves_the_weights_and_what_is_shown():
    model = like_mnist()
    session = Session(model)
    before = session.draw(DRAWN)
    session.trainer.command("step", rate=0.01)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    after = session.look()
    assert after["step"] == model.steps_done == 1
    assert after["outputs"] != before["outputs"]
    for _ in range(30):
        session.trainer.once()
    state = session.trainer.state()
    assert np.mean(state["losses"][-5:]) < np.mean(state["losses"][:5])
    assert len(state["accuracies"]) == state["step"] == 31
    for wrong in ({"what": "fly"}, {"what": "run", "rate": -1.0}, {"what": "step", "rate": float("nan")}):
        with pytest.raises(ArgumentError):
            session.trainer.command(**wrong)


def test_it_trains_until_somebody_says_pause():
    session = Session(like_mnist())
    session.draw(DRAWN)
    session.trainer.command("run")
    while session.trainer.step < 3:
        session.look()
    session.trainer.command("pause")
    with session.trainer._one:
        steps = session.trainer.step
    session.trainer._thread.join(0.05)
    assert session.trainer.step == steps
    session.trainer.close()
    session.trainer._thread.join(10)
    assert not session.trainer._thread.is_alive()


def test_a_model_of_another_shape_says_why_it_does_not_train_here():
    session = Session(residual())
    assert "another shape" in session.about()["trains"]
    with pytest.raises(ArgumentError, match="another shape"):
        session.trainer.command("run")
