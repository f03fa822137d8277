"""Layers of a script's own, as Keras's users write them: they run, train, have the right gradients, save and load."""

import copy

import numpy as np
import pytest

from minicnn import Sequential as Plain
from minicnn import errors, keras, layers
from minicnn.backend.cpu import CPU
from minicnn.keras import layers as L
from minicnn.keras import ops
from minicnn.teaching.gradcheck import gradcheck

X = np.random.default_rng(0).random((12, 5)).astype(np.float32)
Y = np.arange(12) % 3


class Linear(L.Layer):
    """No `training`, no name of the weight, a build that returns nothing."""

    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        assert input_shape[0] is None
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True)
        self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")
        super().build(input_shape)
        self.built = True

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b

    def get_config(self):
        config = super().get_config()
        config.update({"units": self.units})
        return config


class Early(L.Layer):
    """Weights made in the constructor, which takes no name; no get_config."""

    def __init__(self, units=3, input_dim=4):
        super(Early, self).__init__()  # noqa: UP008  (as scripts write it)
        self.units, self.input_dim = units, input_dim
        self.w = self.add_weight(shape=(input_dim, units), initializer="random_normal")

    def call(self, x):
        return ops.matmul(x, self.w)


class Block(L.Layer):
    """Layers, a list of them and a model as parts."""

    def __init__(self, n=6, rate=0.5, **kwargs):
        super().__init__(**kwargs)
        self.n, self.rate = n, rate
        self.first, self.norm, self.drop = L.Dense(n, activation="tanh"), L.BatchNormalization(), L.Dropout(rate)
        self.more = [Linear(n), keras.Sequential([L.Dense(n), L.Dense(4)])]

    def call(self, x, training=False):
        y = self.drop(self.norm(self.first(x)), training=training)
        for layer in self.more:
            y = layer(y)
        return y

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 4)

    def get_config(self):
        return {**super().get_config(), "n": self.n, "rate": self.rate}


class Penalised(L.Layer):
    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, x, training=None):
        if training:
            self.add_loss(0.5 * ops.sum(ops.square(self.w)))
        return x * self.w


class Gate(L.Layer):
    """Two arguments."""

    def call(self, x, gate):
        return x * ops.sigmoid(gate)


OWN = {"Linear": Linear, "Early": Early, "Block": Block, "Penalised": Penalised}


def network(graph: bool, rate=0.5, **options):
    keras.utils.set_random_seed(1)
    made = [Linear(), Block(rate=rate), Early(), L.Dense(3, activation="softmax")]
    if not graph:
        return keras.Sequential([keras.Input((5,)), *made], **options)
    x = y = keras.Input((5,))
    for layer in made:
        y = layer(y)
    return keras.Model(x, y, **options)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("ending", ["minicnn", "keras"])
def test_as_written_they_train_save_and_load(graph, ending, tmp_path):
    if ending == "keras":
        pytest.importorskip("h5py")
    model = network(graph)
    model.compile("adam", "sparse_categorical_crossentropy")
    before = [p.numpy().copy() for p in model.trainable_weights]
    model.fit(X, Y, epochs=2, batch_size=4, verbose=0)
    assert all((a != p.numpy()).any() for a, p in zip(before, model.trainable_weights, strict=True))
    assert len(model.weights) == 17
    assert len(model.trainable_weights) == 15
    model.save(tmp_path / f"m.{ending}")
    again = keras.models.load_model(tmp_path / f"m.{ending}", custom_objects=OWN)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    with pytest.raises(errors.ArgumentTypeError, match="custom_objects: expected a dict"):
        keras.models.load_model(tmp_path / f"m.{ending}", custom_objects=[Linear])
    with pytest.raises(errors.ArgumentError, match="custom_objects"):
        keras.models.load_model(tmp_path / f"m.{ending}")


def test_their_gradients_are_those_of_differences():
    found = gradcheck(network(False, rate=0.0, kernels="numpy_ref"))
    assert found.ok, found.culprits


def test_a_loss_of_a_call_is_reported_and_differentiated():
    model = keras.Sequential([keras.Input((5,)), Penalised()], device=CPU("numpy_ref", "float64"))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    history = model.fit(X, np.zeros_like(X), batch_size=12, verbose=0)
    x = X.astype(np.float64)
    assert history.history["loss"][0] == pytest.approx(2.5 + (x**2).mean(), rel=1e-12)
    np.testing.assert_allclose(model.get_weights()[0], 1 - 0.1 * (1 + 2 * (x**2).mean(0) / 5), rtol=1e-12)


def test_a_loss_of_a_call_is_there_when_evaluated():
    class Always(Penalised):
        def call(self, x):
            return super().call(x, training=True)

    model = keras.Sequential([keras.Input((5,)), Always()], device=CPU("numpy_ref", "float64"))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    zeros = np.zeros_like(X)
    history = model.fit(X, zeros, batch_size=12, validation_data=(X, zeros), verbose=0).history
    x = X.astype(np.float64)
    for loss in (model.evaluate(X, zeros, batch_size=5, verbose=0), history["val_loss"][0]):
        assert loss == pytest.approx(2.5 + (x**2).mean(), rel=1e-12)


class Around(L.Layer):
    """A part that is given."""

    def __init__(self, part, **kwargs):
        super().__init__(**kwargs)
        self.part = part

    def call(self, x):
        return self.part(x)


def dropped(how):
    part = L.Dropout(0.5)
    if how == "called":
        part(np.ones((2, 40)))
    return part if how in ("new", "called") else keras.Sequential([keras.Input((40,)), part][how == "open":])


@pytest.mark.parametrize("how", ["new", "called", "model", "open"])
def test_a_part_drops_others_at_every_step_and_none_at_inference(how):
    ones = np.ones((6, 40))
    model = keras.Sequential([keras.Input((40,)), Around(dropped(how))], seed=3, device=CPU("numpy_ref", "float64"))
    first, second = model(ones, training=True), model(ones, training=True)
    assert 0.3 < (first == 0).mean() < 0.7
    assert 0.3 < (first != second).mean() < 0.7
    np.testing.assert_array_equal(model(ones), ones)
    assert model.streams.step == 2
    assert model.layers[0].part.weights == []


class Halving(L.Layer):
    """Adds half the sum of its squared inputs, and says so only when it trains."""

    def call(self, x, training=False):
        if training:
            self.add_loss(0.5 * ops.sum(ops.square(x)))
        return x


def adding(how):
    """A layer that adds 0.5 sum x^2 (of a batch of 12 where it is a regularizer: over 12)."""
    if how == "add_loss":
        return Halving()
    part = L.Activation("linear", activity_regularizer=keras.regularizers.L2(6.0))
    return keras.Sequential([keras.Input((5,)), part if how == "model" else Around(part)]) if "model" in how else part


@pytest.mark.parametrize("how", ["add_loss", "regularizer", "model", "model of own"])
@pytest.mark.parametrize("depth", [1, 3])
def test_what_a_part_adds_to_the_loss_arrives_once_from_any_depth(how, depth):
    layer = adding(how)
    for _ in range(depth):
        layer = Around(layer)
    model = keras.Sequential([keras.Input((5,)), layer], device=CPU("numpy_ref", "float64"))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = X.astype(np.float64)
    history = model.fit(X, X, batch_size=12, epochs=3, verbose=0).history
    np.testing.assert_allclose(history["loss"], 3 * [0.5 * (x**2).sum()], rtol=1e-12)
    layer(x, training=True)
    assert float(sum(one.numpy() for one in layer.losses)) == pytest.approx(0.5 * (x**2).sum(), rel=1e-12)


def test_losses_of_predictions_do_not_pile_up():
    class Always(L.Layer):
        def call(self, x):
            self.add_loss(ops.sum(x))
            return x

    inner = Always()
    around = Around(inner)
    model = keras.Sequential([keras.Input((5,)), around, other := Always()])
    for _ in range(4):
        model.predict(X, verbose=0)
        model(X)
    assert (len(around.added), len(inner.added), len(other.added)) == (1, 0, 1)


def test_a_model_that_is_a_part_goes_on_by_itself_and_can_be_copied():
    ones, part = np.ones((6, 40)), dropped("model")
    model = keras.Sequential([keras.Input((40,)), Around(part)], seed=3)
    copied = copy.deepcopy(model.layers[0])
    for twice in (part, model, copied.part):
        first, second = twice(ones, training=True), twice(ones, training=True)
        assert 0.3 < (first != second).mean() < 0.7


def test_averages_of_a_model_that_is_a_part_move_once_a_step():
    part = keras.Sequential([keras.Input((5,)), L.BatchNormalization(momentum=0.5)])
    model = keras.Sequential([keras.Input((5,)), Around(part)], device=CPU("numpy_ref", "float64"))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(X, np.zeros_like(X), batch_size=12, verbose=0)
    np.testing.assert_allclose(part.get_weights()[2], 0.5 * X.astype(float).mean(0), rtol=1e-12)


def test_a_description_is_what_the_constructor_was_given():
    class Doubled(L.Layer):
        def __init__(self, k=1.0, units=3):
            super().__init__()
            self.k = k * 2
            self.part = L.Dense(units)

        def call(self, x):
            return self.part(x) * self.k

    layer = Doubled(units=4)
    config = layer.get_config()
    assert (config["k"], config["units"]) == (1.0, 4)
    again = Doubled.from_config(config)
    assert (again.k, again.part.units) == (2.0, 4)
    model = keras.Sequential([keras.Input((5,)), layer])
    twin = keras.models.clone_model(model)
    assert (twin.layers[0].k, twin.output_shape) == (2.0, (None, 4))
    with pytest.raises(TypeError, match="unknown"):
        Doubled(unknown=1)


def test_a_part_that_its_constructor_froze_stays_so():
    class Frozen(L.Layer):
        def __init__(self):
            super().__init__()
            self.part = L.Dense(2)
            self.part.trainable = False

        def call(self, x):
            return self.part(x)

    again = Frozen.from_config(Frozen().get_config())
    assert again.trainable
    assert not again.part.trainable


def test_parts_are_weights_and_frozen_with_the_whole():
    block = Block()
    y = block(X, training=True)
    assert y.shape == (12, 4)
    assert len(block.weights) == 12
    block.trainable = False
    assert block.trainable_weights == []
    assert not any(p.requires_grad for p in block.weights)
    model = keras.Sequential([keras.Input((5,)), L.Dense(5), block, L.Dense(2)])
    model.compile("adam", "mse")
    before = block.get_weights()
    model.fit(X, np.zeros((12, 2)), verbose=0)
    for a, b in zip(before, block.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_moving_averages_of_parts_move_once_a_step():
    keras.utils.set_random_seed(0)
    block = Block(rate=0.0)
    model = keras.Sequential([keras.Input((5,)), block])
    model.compile("sgd", "mse")
    z = np.tanh(X @ block.first.kernel.numpy())
    model.train_on_batch(X, np.zeros((12, 4)))
    np.testing.assert_allclose(block.norm.moving_mean.numpy(), 0.01 * z.mean(0), rtol=1e-4)


def test_several_inputs_open_sizes_and_shapes():
    a, b = keras.Input((4, None, 2)), keras.Input((4, None, 2))
    y = Gate()(a, b)
    assert y.shape == (None, 4, None, 2)
    x = np.random.default_rng(1).random((3, 4, 7, 2)).astype(np.float32)
    out = keras.Model([a, b], y).predict([x, x], verbose=0)
    np.testing.assert_allclose(out, x / (1 + np.exp(-x)), rtol=1e-5)


def test_every_layer_is_a_layer():
    assert isinstance(L.Dense(3), L.Layer)
    assert issubclass(L.Conv2D, keras.layers.Layer)
    assert not isinstance(3, L.Layer)
    assert not isinstance(L.Dense(3), Linear)


def test_minicnns_own_base_takes_a_call_without_training_too():
    class Twice(layers.Layer):
        def build(self, input_shape):
            self.k = self.add_weight("k", input_shape[-1:], "ones")

        def call(self, x):
            return x * self.k * 2.0

    model = Plain([layers.Input((5,)), Twice()], seed=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), 2 * X, rtol=1e-6)


def test_build_of_a_batchs_shape_and_compute_output_shape():
    dense = L.Dense(4)
    dense.build((None, 5))
    kept = dense.kernel.numpy().copy()
    model = keras.Sequential([keras.Input((5,)), dense])
    np.testing.assert_allclose(model.predict(X, verbose=0), X @ kept, rtol=1e-4)
    assert L.Conv2D(8, 3).compute_output_shape((None, None, 28, 1)) == (None, None, 26, 8)
    assert L.Add().compute_output_shape([(2, 3), (2, 3)]) == (2, 3)
    with pytest.raises(errors.ArgumentTypeError, match="the shape of a batch"):
        L.Dense(4).build(())


@pytest.mark.parametrize("told", [True, False])
def test_a_weight_that_call_sets_may_be_in_a_graph(told):
    class Count(L.Layer):
        def build(self, input_shape):
            self.n = self.add_weight(shape=(1,), initializer="zeros", trainable=False, name="n")

        def call(self, x):
            self.n.assign(self.n + 1.0)
            return x * 2.0

        if told:
            compute_output_shape = staticmethod(lambda shape: shape)

    x = keras.Input((5,))
    model = keras.Model(x, Count()(x))
    assert model.get_weights()[0] == 0
    np.testing.assert_allclose(model(X), 2 * X)
    assert model.get_weights()[0] == 1


def test_compute_output_spec_is_asked_where_the_call_does_not_run_on_shapes():
    class Numbers(L.Layer):
        def call(self, x, training):
            assert training
            return x[:, :2]

        def compute_output_spec(self, x, training=False):
            return keras.Input((*x.shape[1:-1], 2))

    x = keras.Input((5,))
    y = Numbers()(x)
    assert y.shape == (None, 2)
    np.testing.assert_allclose(keras.Model(x, y)(X, training=True), X[:, :2])
    assert Numbers()(keras.Input((None, 5))).shape == (None, None, 2)

    class Silent(L.Layer):
        def call(self, x):
            return {}[x]

        def compute_output_spec(self, x):
            raise NotImplementedError

    with pytest.raises(KeyError):
        Silent()(x)


def test_a_layer_with_a_part_may_be_called_on_symbols_before_it_has_weights():
    class Around(keras.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.dense = keras.layers.Dense(units)

        def call(self, x):
            return self.dense(x)

    x = keras.Input((4,))
    model = keras.Model(x, Around(10)(x))
    again = keras.Model.from_config(model.get_config(), custom_objects={"Around": Around})
    assert again.output_shape == model.output_shape == (None, 10)
    assert [w.shape for w in again.weights] == [(4, 10), (10,)]


@pytest.mark.parametrize("name", ["calls", "source", "streams", "params", "added", "index", "be", "sample_in"])
def test_a_name_of_the_base_class_is_no_attribute_of_a_script(name):
    class Named(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            setattr(self, name, [keras.layers.Dense(2)])

    with pytest.raises(errors.ArgumentError, match=f"Named: {name}: expected another name"):
        Named()


def test_a_call_takes_inputs_and_training():
    class Scale(keras.layers.Layer):
        def call(self, x, scale=2.0, training=None):
            return x * scale + (1.0 if training else 0.0)

    class Sum(keras.layers.Layer):
        def call(self, a, b, training=None):
            return a + b + (1.0 if training else 0.0)

    class Forgot(keras.layers.Layer):
        def __init__(self):
            self.rate = 1.0

    x = np.ones((2, 3), np.float32)
    assert np.all(Sum()(x, x, True).numpy() == 3.0)
    assert np.all(Sum()(x, x).numpy() == Sum()([x, x]).numpy())
    assert np.all(Scale()(inputs=x).numpy() == 2.0)
    drop = L.Dropout(0.5)
    assert (drop(x, True).numpy() != drop(x, False).numpy()).any()
    for more, options in (((3.0,), {}), ((x,), {}), ((), {"scale": 3.0})):
        with pytest.raises(errors.ArgumentTypeError, match="call: expected inputs and training, received"):
            Scale()(x, *more, **options)
    with pytest.raises(errors.OrderError, match=r"Forgot: expected super\(\).__init__\(\) first"):
        Forgot()(x)
