"""Model(inputs, outputs): graphs with branches, shared layers and models in models, against the tape in float64."""

import numpy as np
import pytest

import minicnn
from minicnn import Input, Model, Sequential, Tensor, errors, no_grad
from minicnn import layers as L
from minicnn.backend.cpu import CPU

ORACLE = CPU("numpy_ref", "float64")
REF = {"kernels": "reference"}


def residual(**options):
    x = Input((6, 6, 2))
    a = L.Conv2D(3, 3, padding="same", activation="tanh")(x)
    b = L.BatchNormalization()(L.Conv2D(3, 3, padding="same")(a))
    c = L.Activation("sigmoid")(a + b * 2)
    y = L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(L.Concatenate()([c, a, x])))
    return Model(x, y, seed=1, **options)


def siamese(**options):
    x = Input((6, 6, 2))
    arm = Sequential([L.Conv2D(2, 3, padding="same"), L.BatchNormalization(), L.Dropout(0.3)])
    c = L.Average()([arm(arm(x)), L.Maximum()([x, arm(x)])])
    return Model(x, L.Dense(3, activation="softmax")(L.Flatten()(c)), seed=1, **options)


def inception(**options):
    x = Input((6, 6, 2))
    a, b = L.Conv2D(2, 1, padding="same")(x), L.Conv2D(3, 3, padding="same")(x)
    c = L.AveragePooling2D(3, 1, padding="same")(x)
    inner = Model(x, [L.Concatenate()([a, b, c]), L.Flatten()(c)], name="inner")
    y, flat = inner(z := Input((6, 6, 2)))
    both = L.Multiply()([L.Flatten()(L.Conv2D(2, 3, padding="same")(y)), flat])
    return Model(z, L.Dense(3, activation="softmax")(both), seed=1, **options)


NETWORKS = {"residual": residual, "siamese": siamese, "inception": inception}
networks = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def data(n=8):
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 6, 6, 2)).astype("f4"), np.arange(n) % 3


@networks
def test_gradients_of_the_step(network, monkeypatch):
    """The program's gradients are the differences of its own loss, along a random direction."""
    if network is inception:
        monkeypatch.setattr("minicnn.backend.select.CPU", lambda *a, **k: ORACLE)
    model = network(device=ORACLE)
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = data()
    t = np.eye(3)[y]
    rng = np.random.default_rng(1)

    def loss():
        program = model.programs.training(x.shape, t.shape)
        values, vjps = program.forward(ORACLE, (np.asarray(x, "f8"), t), 0)
        return program, values, vjps

    for p in model.trainable_weights:
        program, values, vjps = loss()
        for q in model.weights:
            q.grad = None
        program.backward(ORACLE, vjps, np.ones(()))
        v, start, h = rng.standard_normal(p.shape), p.numpy().copy(), 1e-5
        ends = []
        for side in (h, -h):
            p.assign(start + side * v)
            program, values, _ = loss()
            ends.append(float(values[program.loss]))
        p.assign(start)
        assert (p.grad * v).sum() == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-9), p.path


@networks
def test_the_program_is_the_tape(network):
    model = network(**REF)
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = data()
    with no_grad():
        here = model.forward(Tensor(x, model.backend), training=True).numpy()
    assert model(x).shape == (8, 3)
    before = model.get_weights()
    program = model.programs.training(x.shape, (8, 3))
    values, _ = program.forward(model.backend, (x, np.eye(3, dtype="f4")[y]), 0)
    z = values[program.last]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    np.testing.assert_allclose(e / e.sum(axis=1, keepdims=True), here, rtol=1e-4, atol=1e-6)
    model.fit(x, y, epochs=8, batch_size=4, verbose=0)
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, model.get_weights(), strict=True) if b.size > 3)
    assert model.history.history["loss"][-1] < model.history.history["loss"][0]
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-4, atol=1e-6)
    assert "Total params" in str_of_summary(model)


def str_of_summary(model):
    lines = []
    model.summary(print_fn=lines.append)
    return "\n".join(lines)


@networks
def test_saved_and_loaded_it_trains_on_with_the_same_bytes(network, tmp_path):
    model = network(**REF)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = data()
    model.fit(x, y, epochs=1, batch_size=4, verbose=0)
    model.save(tmp_path / "a.minicnn")
    twin = minicnn.load_model(tmp_path / "a.minicnn", **REF)
    assert twin.get_config() == model.get_config()
    for one in (model, twin):
        one.fit(x, y, epochs=2, batch_size=4, verbose=0)
    assert twin.predict(x, verbose=0).tobytes() == model.predict(x, verbose=0).tobytes()
    again = minicnn.model_from_json(model.to_json(), seed=1, **REF)
    assert [w.shape for w in again.get_weights()] == [w.shape for w in model.get_weights()]


def test_shared_batch_norm_moves_once_per_call():
    x, norm = Input((2,)), L.BatchNormalization(momentum=0.5)
    model = Model(x, norm(norm(x)), seed=0, **REF)
    model.compile("sgd", "mse")
    data = np.array([[0, 2], [4, 6]], "f4")
    model.train_on_batch(data, data)
    np.testing.assert_allclose(norm.moving_mean.numpy(), [0.5, 1.0], atol=1e-5)  # 0 -> (2, 4) / 2 -> half of it


def test_shared_dropout_draws_anew():
    x, drop = Input((400,)), L.Dropout(0.5)
    model = Model(x, [drop(x), drop(x)], seed=0, **REF)
    a, b = model([Tensor(np.ones((1, 400), "f4"), model.backend)], training=True)
    assert (a.numpy() != b.numpy()).mean() > 0.3


def test_feature_extractors_share_weights():
    for model in (residual(**REF), Sequential([Input((6, 6, 2)), L.Conv2D(3, 3), L.Flatten(), L.Dense(3)], **REF)):
        layer = next(one for one in model.layers if isinstance(one, L.Conv2D))
        part = Model(model.inputs, model.get_layer(layer.name).output)
        assert (part.layers[-1], part.seed) == (layer, model.seed)
        x = data()[0]
        np.testing.assert_array_equal(part.predict(x, verbose=0), model.activations(x)[layer.name])
        assert Model(model.input, model.output).predict(x, verbose=0).shape == (8, 3)


def test_a_chain_of_calls_is_a_sequential():
    x = Input((6, 6, 2))
    chain = [L.Conv2D(3, 3, name="c"), L.ReLU(name="r"), L.Flatten(name="f"), L.Dense(2, name="d")]
    y = x
    for layer in chain:
        y = layer(y)
    model = Model(x, y, seed=5, **REF)
    like = Sequential([Input((6, 6, 2)), *(type(one)(**one.get_config()) for one in chain)], seed=5, **REF)
    assert [a.tobytes() for a in model.get_weights()] == [a.tobytes() for a in like.get_weights()]


def test_calls_fixed_in_inference_mode():
    x, norm = Input((2,)), L.BatchNormalization()
    model = Model(x, L.Dense(1)(norm(x, training=False)), seed=0, **REF)
    model.compile("sgd", "mse")
    model.train_on_batch(np.full((4, 2), 9.0), np.ones((4, 1)))
    assert norm.moving_mean.numpy().tolist() == [0, 0]


def test_errors():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    with pytest.raises(errors.ArgumentError, match="every Input that the outputs depend on, received none for b"):
        Model(a, L.Add()([a, b]))
    with pytest.raises(errors.ShapeError, match="samples of one shape, or of shapes that broadcast"):
        L.Add()([a, Input((4,))])
    with pytest.raises(errors.ArgumentTypeError, match="expected numbers, received a symbol"):
        np.asarray(a)
    with pytest.raises(errors.ArgumentError, match="two of 'd'"):
        Model(a, L.Dense(2, name="d")(L.Dense(2, name="d")(a)))
    with pytest.raises(errors.ArgumentTypeError, match="call it on a list"):
        L.Add()(a)


def two_by_two(**options):
    image, vector = Input((6, 6, 2), name="image"), Input((4,), name="vector")
    shared = L.Dense(3, activation="tanh")
    h = L.Concatenate()([shared(L.Flatten()(L.Conv2D(1, 3)(image))[:, :4]), shared(vector)])
    outputs = [L.Dense(3, activation="softmax", name="digit")(h), L.Dense(1, name="amount")(h)]
    return Model([image, vector], outputs, seed=1, **options)


def two_data():
    x, y = data()
    return [x, np.random.default_rng(3).standard_normal((8, 4)).astype("f4")], [y, x.sum(axis=(1, 2, 3))]


def test_several_inputs_and_outputs(tmp_path):
    (x, v), (y, r) = two_data()
    model = two_by_two(**REF)
    losses = {"digit": "sparse_categorical_crossentropy", "amount": "mse"}
    model.compile("adam", losses, metrics={"digit": ["accuracy"]}, loss_weights={"digit": 2.0, "amount": 0.5})
    assert model.metrics_names == ["loss", "digit_accuracy", "digit_loss", "amount_loss"]
    twin = two_by_two(**REF)
    twin.compile("adam", [*losses.values()], metrics=[["accuracy"], []], loss_weights=[2.0, 0.5])
    model.fit([x, v], [y, r], epochs=3, batch_size=4, verbose=0, validation_split=0.25)
    twin.fit({"vector": v[:6], "image": x[:6]}, {"digit": y[:6], "amount": r[:6]}, epochs=3, batch_size=4, verbose=0,
             validation_data=([x[6:], v[6:]], [y[6:], r[6:]]))  # fmt: skip
    assert twin.history.history == model.history.history
    logs = model.evaluate([x, v], [y, r], verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(2 * logs["digit_loss"] + 0.5 * logs["amount_loss"], rel=1e-6)
    assert logs["amount_loss"] == pytest.approx(((model.predict([x, v], verbose=0)[1][:, 0] - r) ** 2).mean(), rel=1e-5)
    before = model.evaluate([x, v], [y, r], verbose=0)
    assert model.train_on_batch([x, v], [y, r]) == pytest.approx(before, rel=1e-5)
    model.save(tmp_path / "a.minicnn")
    again = minicnn.load_model(tmp_path / "a.minicnn", **REF)
    for one in (model, again):
        one.fit(iter([([x, v], [y, r])] * 2), steps_per_epoch=2, verbose=0)
    assert again.evaluate([x, v], [y, r], verbose=0) == model.evaluate([x, v], [y, r], verbose=0)
    with pytest.raises(errors.ArgumentError, match="none for vector"):
        model.predict({"image": x})
    with pytest.raises(errors.ArgumentTypeError, match="a list of 2, or a dict by image, vector"):
        model.predict([x])
    with pytest.raises(errors.MinicnnError, match="the same number of rows"):
        model.predict([x, v[:3]])


def test_the_loss_of_an_output_may_be_in_a_list_and_its_metrics_in_a_dict():
    (x, v), (y, r) = two_data()
    image = Input((6, 6, 2))
    plain = Model(image, L.Dense(1, name="amount")(L.Flatten()(image)), seed=1, **REF)
    for loss in ("mse", ["mse"], {"amount": "mse"}, {"amount": ["mse"]}):
        plain.compile("sgd", loss, metrics={"amount": ["mae", "mse"]}, weighted_metrics={"amount": "mse"})
        assert plain.metrics_names == ["loss", "mae", "mse", "weighted_mse"]
        found = plain.evaluate(x, r, verbose=0)
        assert found[0] == pytest.approx(found[2], rel=1e-6)
    with pytest.raises(errors.ArgumentError, match="compile: metrics: expected names of amount, received 'other'"):
        plain.compile("sgd", "mse", metrics={"other": ["mae"]})
    model = two_by_two(**REF)
    model.compile("sgd", ["sparse_categorical_crossentropy", ["mse"]])
    one = model.evaluate([x, v], [y, r], verbose=0)
    model.compile("sgd", {"digit": ["sparse_categorical_crossentropy"], "amount": "mse"})
    assert model.evaluate([x, v], [y, r], verbose=0) == one
    with pytest.raises(errors.UnsupportedError, match="minicnn has no losses of several outputs together, nor several"):
        model.compile("sgd", ["sparse_categorical_crossentropy", ["mse", "mae"]])


def test_names_of_several_outputs_metrics_are_keras_s():
    """weighted_ where the output's metrics have the name too; one loss alone is the whole one."""
    (x, v), (y, r) = two_data()
    model = two_by_two(**REF)
    model.compile("sgd", {"amount": "mse"}, metrics={"amount": ["mae"]}, weighted_metrics={"amount": ["mae", "mse"]})
    assert model.metrics_names == ["loss", "amount_mae", "amount_weighted_mae", "amount_mse"]
    history = model.fit([x, v], {"digit": y, "amount": r}, verbose=0).history
    assert {*model.metrics_names} == {*history} - {"learning_rate"}
    found = model.evaluate([x, v], {"digit": y, "amount": r}, verbose=0)
    assert found[0] == pytest.approx(found[3], rel=1e-6)


def test_a_class_of_mine_gets_what_its_get_config_added():
    class Mine(Model):
        def __init__(self, *args, power=1, **kwargs):
            super().__init__(*args, **kwargs)
            self.power = power

        def get_config(self):
            return super().get_config() | {"power": self.power}

    x = Input((3,))
    again = Mine.from_config(Mine(x, L.Dense(2)(x), power=3).get_config())
    assert (type(again), again.power) == (Mine, 3)
    for missing in (again.quantize, again.get_state_tree, again.set_state_tree):
        with pytest.raises(errors.UnsupportedError, match="minicnn has no"):
            missing()
    with pytest.raises(errors.UnsupportedError, match="minicnn has no export to tf_saved_model"):
        again.export("here", "tf_saved_model")


def test_gradients_of_several_losses():
    model = two_by_two(device=ORACLE)
    model.compile("sgd", ["sparse_categorical_crossentropy", "mae"], loss_weights=[1.0, 3.0])
    (x, v), (y, r) = two_data()
    arrays = [x.astype("f8"), v.astype("f8"), np.eye(3)[y], r[:, None].astype("f8")]
    program = model.programs.training((x.shape, v.shape), ((8, 3), (8, 1)))
    _, vjps = program.forward(ORACLE, arrays, 0)
    program.backward(ORACLE, vjps, np.ones(()))
    rng = np.random.default_rng(1)
    for p in model.weights:
        u, start, ends = rng.standard_normal(p.shape), p.numpy().copy(), []
        for side in (1e-6, -1e-6):
            p.assign(start + side * u)
            ends.append(float(program.forward(ORACLE, arrays, 0)[0][program.loss]))
        p.assign(start)
        assert (p.grad * u).sum() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-8), p.path


MERGES = {
    "add": (L.Add(), lambda a, b: a + b), "subtract": (L.Subtract(), lambda a, b: a - b),
    "multiply": (L.Multiply(), lambda a, b: a * b), "average": (L.Average(), lambda a, b: (a + b) / 2),
    "maximum": (L.Maximum(), np.maximum), "minimum": (L.Minimum(), np.minimum),
    "concatenate": (L.Concatenate(axis=1), lambda a, b: np.concatenate([a, b], 1)),
    "dot": (L.Dot((1, 2)), lambda a, b: np.einsum("nkc,nik->nci", a, b)),
    "cosine": (L.Dot(-1, normalize=True), lambda a, b: np.einsum(
        "nik,njk->nij", a / np.linalg.norm(a, axis=-1, keepdims=True), b / np.linalg.norm(b, axis=-1, keepdims=True))),
}  # fmt: skip


@pytest.mark.parametrize(("layer", "like"), MERGES.values(), ids=MERGES)
def test_merges(layer, like):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 4, 4))
    y = layer([Tensor(a, ORACLE), Tensor(b, ORACLE)])
    np.testing.assert_allclose(y.numpy(), like(a, b), rtol=1e-12)
    assert layer.sample_out == y.shape[1:]
    minicnn.check_grad(lambda a, b: layer.call([a, b], training=True), [a, b], rng=rng, rtol=1e-6)
    x, z = Input((4, 4)), Input((4, 4))
    function = getattr(L, type(layer).__name__.lower())
    made = function([x, z], **{k: v for k, v in layer.get_config().items() if k in layer.config})
    assert made.shape == (None, *y.shape[1:])
    np.testing.assert_allclose(Model([x, z], made)([a, b]), like(a, b), rtol=1e-4)


def test_merges_broadcast():
    a, b = Input((1, 4)), Input((4,))
    y = Model([a, b], L.Add()([a, b]))([np.ones((2, 1, 4)), np.ones((2, 4))])
    assert y.tolist() == np.full((2, 1, 4), 2).tolist()


@pytest.mark.parametrize("name", ["m.minicnn", "m.keras", "m.h5"])
def test_a_layer_of_a_model_and_of_a_model_inside_it_is_refused_by_save(name, tmp_path):
    """A file would hold it twice, with its weights once."""
    shared = L.Dense(6, name="s")
    a, b = Input((6,)), Input((6,))
    inner = Model(a, shared(a), name="inner")
    model = Model(b, L.Add()([shared(b), inner(b)]), seed=0)
    with pytest.raises(errors.MinicnnError, match="save"):
        model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    again = Model(b, L.Add()([inner(b), inner(shared(b) * 0.5)]), seed=0)  # called twice, in one place: fine
    assert again.predict(np.ones((2, 6)), verbose=0).shape == (2, 6)


def test_a_batch_norm_that_is_called_twice_updates_its_averages_in_keras_s_order():
    """Of two calls at one distance that one comes first which the walk back from the output meets first.

    Keras 3.15: the call on x, whose branch is the last one joined.
    """
    x, norm = Input((3,)), L.BatchNormalization(momentum=0.9)
    ends = [L.ReLU()(norm(L.Rescaling(5.0, offset=2.0)(x))), L.ReLU()(L.UnitNormalization()(norm(x)))]
    model = Model(x, L.Concatenate()(ends), device=ORACLE)
    data = np.random.default_rng(0).normal(size=(8, 3))
    model.compile("sgd", "mse")
    model.train_on_batch(data, np.zeros((8, 6)))
    expected = 0.1 * (0.9 * data.mean(axis=0) + (5 * data + 2).mean(axis=0))
    np.testing.assert_allclose(model.get_weights()[2], expected, rtol=1e-12)
