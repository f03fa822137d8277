"""Models whose forward pass is a method of a script's own: class Net(keras.Model) with `call`."""

import numpy as np
import pytest

from minicnn import errors, keras
from minicnn.keras import layers as L
from minicnn.keras import ops

X = np.random.default_rng(0).random((12, 6, 6, 1)).astype(np.float32)
Y = np.arange(12) % 3


class Net(keras.Model):
    """Layers, a list of them, a model and a dropout as attributes; `call` wants to know whether it trains."""

    def __init__(self, classes=3, rate=0.0, **kwargs):
        super().__init__(**kwargs)
        self.stem = keras.Sequential([L.Conv2D(4, 3, activation="relu"), L.BatchNormalization()])
        self.blocks = []
        self.flatten = L.Flatten()
        for _ in range(2):
            self.blocks.append(L.Dense(5, activation="tanh"))
        self.drop = L.Dropout(rate)
        self.head = L.Dense(classes, activation="softmax")

    def call(self, inputs, training=False):
        h = self.flatten(self.stem(inputs, training=training))
        for block in self.blocks:
            h = h + 0 * block(h)[:, :1] if block is self.blocks[0] else block(h)
        return self.head(self.drop(h, training=training))


def compiled(model, **options):
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def as_functional():
    """The same network as a graph."""
    x = keras.Input((6, 6, 1))
    h = L.Flatten()(L.BatchNormalization()(L.Conv2D(4, 3, activation="relu")(x)))
    h = h + 0 * L.Dense(5, activation="tanh")(h)[:, :1]
    return keras.Model(x, L.Dense(3, activation="softmax")(L.Dense(5, activation="tanh")(h)), seed=1)


def test_it_trains_as_the_same_graph_does():
    ours, graph = compiled(Net()), compiled(as_functional())
    ours.build((None, 6, 6, 1))
    names = [w.path for w in ours.weights]
    assert len(set(names)) == len(names) == 12
    by_shape = sorted(graph.weights, key=lambda w: w.shape)
    for own, other in zip(sorted(ours.weights, key=lambda w: w.shape), by_shape, strict=True):
        own.assign(other.numpy())
    both = [m.fit(X, Y, epochs=3, batch_size=4, shuffle=False, verbose=0).history for m in (ours, graph)]
    np.testing.assert_allclose(both[0]["loss"], both[1]["loss"], rtol=1e-4)
    assert both[0]["accuracy"] == both[1]["accuracy"]
    assert ours.count_params() == graph.count_params()
    np.testing.assert_allclose(ours.predict(X, verbose=0), graph.predict(X, verbose=0), atol=1e-4)
    np.testing.assert_allclose(ours.evaluate(X, Y, verbose=0), graph.evaluate(X, Y, verbose=0), rtol=1e-4)


def test_the_first_batch_builds_it():
    model = compiled(Net(name="net"))
    assert not model.built
    assert model.layers[0] is model.stem
    with pytest.raises(errors.MinicnnError, match="built"):
        model.count_params()
    model.fit(X, Y, verbose=0)
    assert model.built
    assert model.output_shape == (None, 3)
    assert model.name == "net"
    assert [one.name for one in model.layers] == [
        one.name for one in (model.stem, *model.blocks, model.flatten, model.drop, model.head)
    ]
    assert model.get_layer(model.head.name) is model.head
    assert isinstance(Net().predict(X[:2], verbose=0), np.ndarray)
    assert Net()(X[:2]).shape == (2, 3)


def test_summary_lists_its_layers():
    lines = []
    model = Net(name="net")
    model.summary(print_fn=lines.append)
    model.build((None, 6, 6, 1))
    model.summary(print_fn=lines.append)
    assert "unbuilt" in lines[0]
    assert 'Model: "net"' in lines[1]
    assert f"{model.head.name} (Dense)" in lines[1]
    assert f"{model.count_params():,}" in lines[1]


def test_dropout_is_at_work_in_training_alone():
    model = Net(rate=0.5)
    np.testing.assert_array_equal(model.predict(X, verbose=0), model(X))
    assert not np.array_equal(model(X, training=True), model(X, training=True))


def test_weights_go_to_a_file_and_back(tmp_path):
    model, other = Net(), Net()
    model.build((None, 6, 6, 1))
    model.save_weights(tmp_path / "net.weights.h5")
    other(X[:1])
    other.load_weights(tmp_path / "net.weights.h5")
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
    other.set_weights(model.get_weights())


@pytest.mark.parametrize("name", ["net.keras", "net.minicnn", "net.h5"])
def test_a_whole_model_is_refused_by_a_sentence(tmp_path, name):
    model = compiled(Net())
    model.fit(X, Y, verbose=0)
    with pytest.raises(errors.UnsupportedError, match=r"Net: .*save_weights"):
        model.save(tmp_path / name)
    with pytest.raises(errors.UnsupportedError, match=r"Net: .*save_weights"):
        model.to_json()


def test_freezing_reaches_the_parts():
    model = compiled(Net())
    model.stem.trainable = False
    model.build((None, 6, 6, 1))
    before = model.stem.get_weights()
    model.fit(X, Y, verbose=0)
    for old, new in zip(before, model.stem.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.trainable = False
    assert model.trainable_weights == []


def test_what_call_adds_to_the_loss():
    class Adding(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = L.Dense(2)

        def call(self, x):
            h = self.dense(x)
            self.add_loss(7.0 + 0 * ops.mean(h))
            return h

    model = Adding()
    model.compile("sgd", "mse")
    x = np.ones((4, 3), np.float32)
    y = model.predict(x, verbose=0)
    assert model.fit(x, y, verbose=0).history["loss"][0] == pytest.approx(7, abs=1e-4)


class Pair(keras.Model):
    """Two inputs."""

    def __init__(self, wanted):
        super().__init__()
        self.wanted, self.a, self.b = wanted, L.Dense(2), L.Dense(2)

    def call(self, inputs):
        x, z = (inputs["x"], inputs["z"]) if self.wanted is dict else inputs
        return self.a(x) + self.b(z)


@pytest.mark.parametrize("wanted", [list, tuple, dict])
def test_several_inputs(wanted):
    x, z = np.ones((4, 3), np.float32), np.ones((4, 5), np.float32)
    model = Pair(wanted)
    model.compile("sgd", "mse")
    given = {"x": x, "z": z} if wanted is dict else wanted([x, z])
    assert len(model.fit(given, np.ones((4, 2)), epochs=2, verbose=0).history["loss"]) == 2
    assert model.predict(given, verbose=0).shape == (4, 2)
    assert model(given).shape == (4, 2)
    by_shape = Pair(wanted)
    shapes = {"x": (None, 3), "z": (None, 5)} if wanted is dict else [(None, 3), (None, 5)]
    by_shape.build(shapes)
    assert by_shape.count_params() == model.count_params()


def test_a_part_of_graphs_and_of_other_models():
    x = keras.Input((6, 6, 1))
    inner = Net()
    outer = compiled(keras.Model(x, L.Dense(3, activation="softmax")(inner(x))))
    outer.fit(X, Y, verbose=0)
    assert outer.count_params() == inner.count_params() + 12

    class Twice(keras.Model):
        def __init__(self):
            super().__init__()
            self.net, self.last = Net(), L.Dense(3, activation="softmax")

        def call(self, x, training=None):
            return self.last(self.net(x, training=training))

    model = compiled(Twice())
    losses = model.fit(X, Y, epochs=2, batch_size=4, verbose=0).history["loss"]
    assert losses[1] != losses[0]
    assert len(model.trainable_weights) == 12
    graph = keras.Model(x, Net().call(x))  # a script's way to its summary
    assert graph.output_shape == (None, 3)


def test_build_of_its_own():
    class Late(keras.Model):
        def build(self, input_shape):
            self.dense = L.Dense(input_shape[-1])
            super().build(input_shape)

        def call(self, x):
            return self.dense(x)

    class Without(Late):
        def build(self, input_shape):
            self.dense = L.Dense(input_shape[-1])
            self.built = True

    for made in (Late(), Without()):
        assert made(np.ones((2, 4), np.float32)).shape == (2, 4)
        assert made.count_params() == 20


class Two(keras.Model):
    def __init__(self):
        super().__init__()
        self.a = L.Dense(2)

    def call(self, x):
        return self.a(x), x


class Taken(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = L.Dense(2)

    def call(self, x):
        return self.first(x)


PART = L.Dense(2)
NAMED = {"plan": [PART], "operations": [PART], "runs": keras.Variable(1.0), "lenient": [[PART]], "metrics": [PART],
         "activations": {"a": PART}, "calls": (PART,), "named": {"a": [PART]}, "loss": PART, "backend": "resnet",
         "guard": 1, "world": 2, "ranks": 3, "streams": [], "programs": None, "first": 64, "plan ": 1, "graph": {},
         "_graph": 1, "seen": [], "compile": None}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), NAMED.items(), ids=NAMED)
def test_a_name_that_the_base_class_uses_is_no_attribute_of_a_script(name, value):
    class Named(keras.Model):
        def __init__(self):
            super().__init__()
            setattr(self, name.strip(), value)

        def call(self, x):
            return x

    with pytest.raises(errors.ArgumentError, match=rf"Named: {name.strip()}: expected another name"):
        Named()


def test_a_graph_of_a_script_s_class_keeps_its_place_too():
    x = keras.Input((4,))
    graph = type("Graph", (keras.Model,), {})(x, L.Dense(1)(x))
    with pytest.raises(errors.ArgumentError, match="Graph: backend: expected another name"):
        graph.backend = "resnet"
    graph.units = 3


def test_what_a_script_may_set_it_may_set():
    model = Net()
    model.config = {"head": L.Dense(3)}  # which is not minicnn's
    assert model.config["head"] in model.layers
    model.stop_training, model.optimizer, model.loss, model.name = True, keras.optimizers.SGD(0.1), "mse", "net"
    model.trainable = False
    with pytest.raises(errors.ReadOnlyError):
        model.steps = 3


def test_refusals():
    two, x = Two(), keras.Input((6, 6, 1))
    with pytest.raises(errors.ArgumentTypeError, match="a call with one output, received 2 outputs"):
        two(np.ones((2, 3), np.float32))
    with pytest.raises(errors.ArgumentTypeError, match="predict_step"):
        type("Steps", (keras.Model,), {"predict_step": lambda self, data: {}})
    with pytest.raises(errors.ArgumentError, match="first: expected another name"):
        Taken()
    both = type("Both", (keras.Model,), {"call": lambda self, x: x})
    with pytest.raises(errors.ArgumentTypeError, match="inputs and outputs, or call"):
        both(x, L.Flatten()(x))
    with pytest.raises(errors.UnsupportedError, match="add_loss: expected a model with call of its own"):
        as_functional().add_loss(1.0)


class Forgot(keras.Model):
    def __init__(self):
        self.rate = 1.0

    def call(self, x):
        return x


@pytest.mark.parametrize("ask", [
    lambda m: m(X), lambda m: m.fit(X, Y), lambda m: m.predict(X), lambda m: m.build((None, 3)),
    lambda m: m.compile("sgd", "mse"), lambda m: m.summary(), lambda m: m.weights, lambda m: m.evaluate(X, Y),
])  # fmt: skip
def test_a_forgotten_constructor_is_told(ask):
    with pytest.raises(errors.OrderError, match=r"Forgot: expected super\(\).__init__\(\) first"):
        ask(Forgot())
    assert not hasattr(Forgot(), "plain")


def test_calls_take_inputs_and_training():
    class Placed(Net):
        def call(self, x, training=False):
            return self.head(self.drop(self.stem.layers[1](self.flatten(x), training), training))

    class Scaled(keras.Model):
        def call(self, x, scale=2.0):
            return x * scale

    class Needs(keras.Model):
        def call(self, x, scale):
            return x * scale

    model = Placed(rate=0.5)
    assert not np.array_equal(model(X, True), model(X, True))
    np.testing.assert_array_equal(model(X, False), model(X))
    np.testing.assert_array_equal(model(inputs=X, mask=None), model(X))
    for ask in (lambda: Scaled()(X, scale=3.0), lambda: Scaled()(X, False, 3.0), lambda: Needs()(X)):
        with pytest.raises(errors.ArgumentTypeError, match=r"call: expected .*training.*, received (scale|3.0)"):
            ask()
    for shape in (5, None, "a"):
        with pytest.raises(errors.ArgumentTypeError, match="build: input_shape: expected the shape of a batch"):
            Net().build(shape)
