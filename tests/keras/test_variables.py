"""keras.Variable, tensors of one number as numbers, and names that a program registers."""

import math

import numpy as np
import pytest

from minicnn import Tensor, errors, keras
from minicnn.keras import backend as K
from minicnn.keras import ops, tf

X = np.random.default_rng(0).random((12, 5)).astype(np.float32)


def test_a_variable_holds_numbers():
    v = keras.Variable([[1.0, 2.0]], name="pair")
    assert (v.name, v.shape, v.trainable, v.dtype) == ("pair", (1, 2), True, np.float32)
    assert v.assign([[3.0, 4.0]]) is v
    assert v.assign_add(np.ones((1, 2))).numpy().tolist() == [[4, 5]]
    v.assign_sub(2.0)
    assert v.value.numpy().tolist() == v.numpy().tolist() == [[2, 3]]
    assert (v * 2 + ops.ones((1, 2))).numpy().tolist() == [[5, 7]]
    assert K.get_value(v).tolist() == [[2, 3]]
    before = v.numpy()
    v.assign(v + 1)
    assert before.tolist() == [[2, 3]]
    assert ops.sum(v).numpy() == 7
    assert abs(keras.Variable("glorot_uniform", shape=(30, 20)).numpy()).max() > 0.1
    assert keras.Variable(keras.initializers.Ones(), (2,), trainable=False).numpy().tolist() == [1, 1]
    assert keras.Variable(lambda shape, dtype: np.full(shape, 7.0), shape=(2,)).numpy().tolist() == [7, 7]
    assert int(keras.Variable(0, dtype="int32").assign_add(3)) == 3
    assert tf.Variable(2.0, trainable=False, name="step").assign_add(1.0).numpy() == 3
    with pytest.raises(errors.ShapeError, match="pair: value: expected weights of shape"):
        v.assign([1.0])
    with pytest.raises(errors.ArgumentTypeError, match="Variable: shape: expected a shape"):
        keras.Variable("zeros")


class Scaled(keras.layers.Layer):
    """y = gain x, and how often it was called in training."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.gain = keras.Variable(np.full(5, 2.0), name="gain")
        self.count = keras.Variable(0.0, trainable=False, name="count")
        self.more = [keras.Variable([1.0], name="shift")]

    def call(self, x, training=False):
        if training:
            self.count.assign_add(1.0)
        return x * self.gain + self.more[0]


def test_a_layer_s_variables_are_its_weights(tmp_path):
    model = keras.Sequential([keras.Input((5,)), Scaled(name="scaled")])
    layer = model.layers[0]
    assert [w.path for w in model.weights] == ["scaled/gain", "scaled/shift", "scaled/count"]
    assert model.count_params() == 7
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, np.zeros((12, 5)), batch_size=4, epochs=2, verbose=0)
    assert float(layer.count) == 6
    assert (layer.gain.numpy() < 2).all()
    model.save(tmp_path / "m.keras")
    read = keras.models.load_model(tmp_path / "m.keras", custom_objects={"Scaled": Scaled})
    assert [a.tolist() for a in read.get_weights()] == [a.tolist() for a in model.get_weights()]
    np.testing.assert_array_equal(read.predict(X, verbose=0), model.predict(X, verbose=0))
    layer.trainable = False
    assert not model.trainable_weights


class Many(keras.layers.Layer):
    """Variables that are appended to a list, in a dict, one that another takes the place of."""

    def __init__(self, n=2, **kwargs):
        super().__init__(**kwargs)
        self.gains, self.others = [], {}
        for i in range(n):
            self.gains.append(keras.Variable(np.full(5, 1.0 + i), name=f"gain_{i}"))
        self.others["shift"] = keras.Variable(np.zeros(5), name="shift")
        self.only = keras.Variable(1.0, name="old")
        self.only = keras.Variable(2.0, name="only")

    def call(self, x):
        for gain in self.gains:
            x = x * gain
        return (x + self.others["shift"]) * self.only


def test_variables_in_lists_and_dicts_are_weights(tmp_path):
    model = keras.Sequential([keras.Input((5,)), Many(name="many")])
    layer = model.layers[0]
    assert [w.path for w in model.weights] == ["many/gain_0", "many/gain_1", "many/shift", "many/only"]
    assert [w.path for w in layer.trainable_variables] == [w.path for w in model.weights]
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, np.zeros((12, 5)), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "m.keras")
    read = keras.models.load_model(tmp_path / "m.keras", custom_objects={"Many": Many})
    np.testing.assert_array_equal(read.predict(X, verbose=0), model.predict(X, verbose=0))
    layer.only = keras.Variable(3.0, name="new")
    assert [w.path for w in layer.weights] == ["many/gain_0", "many/gain_1", "many/shift", "many/new"]
    layer.trainable = False
    assert not any(w.requires_grad for w in layer.weights)
    layer.gains.append(keras.Variable(np.ones(5), name="late"))
    assert [w.name for w in layer.weights][-1] == "late"
    assert not layer.gains[-1].requires_grad


def test_variables_come_after_super_init():
    class Early(keras.layers.Layer):
        def __init__(self):
            self.more = [keras.Variable(1.0)]
            super().__init__()

    with pytest.raises(errors.OrderError, match=r"Early: more.0: expected super\(\).__init__\(\) before Variables"):
        Early()


def test_a_model_has_no_variables_of_its_own():
    model = keras.Sequential([keras.Input((5,)), Scaled()])
    with pytest.raises(errors.ArgumentTypeError, match="Sequential: scale: expected weights that layers have"):
        model.scale = keras.Variable(1.0)
    with pytest.raises(errors.ArgumentTypeError, match="Sequential: several: expected weights that layers have"):
        model.several = [*model.weights, keras.Variable(1.0)]

    class Early(keras.Sequential):
        def __init__(self):
            self.scale = keras.Variable(1.0)

    with pytest.raises(errors.ArgumentTypeError, match="Early: scale: expected weights that layers have"):
        Early()


def test_a_model_may_remember_its_own_weights():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(5), Scaled()])
    model.probe, model.saved = model.layers[0].kernel, model.weights
    model.pair = tuple(model.layers[0].weights)
    assert model.probe is model.weights[0]
    assert len(model.weights) == len(model.saved)
    other = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    with pytest.raises(errors.ArgumentTypeError, match="other: expected weights that layers have"):
        model.other = other.weights


def test_keras_tensors_have_their_name():
    x = keras.Input((5,))
    assert isinstance(x, keras.KerasTensor)
    assert isinstance(keras.layers.Dense(2)(x), keras.KerasTensor)
    assert not isinstance(X, keras.KerasTensor)
    assert [K.is_keras_tensor(x), keras.utils.is_keras_tensor(ops.ones(2))] == [True, False]
    with pytest.raises(errors.UnsupportedError, match=r"write keras\.Input"):
        keras.KerasTensor((None, 3))


def test_tensors_of_one_number_are_numbers():
    one = Tensor(np.array([[2.5]]))
    assert (float(one), int(one), bool(one), one.item()) == (2.5, 2, True, 2.5)
    assert (f"{one:.3f}", f"{one:8.1e}", "%.2f" % one) == ("2.500", " 2.5e+00", "2.50")  # noqa: UP031
    assert f"{one}" == str(one)
    assert math.sqrt(Tensor(4.0)) == 2
    assert not Tensor(0.0)
    assert not ops.any(np.zeros(3))
    assert [n for n in (1, 3) if Tensor(2.0) > n] == [1]
    many = Tensor(np.ones(2))
    for use in (float, int, bool, lambda x: f"{x:.2f}", lambda x: x.item()):
        with pytest.raises(errors.ArgumentTypeError, match=r"a tensor of one element, received one of shape \(2,\)"):
            use(many)


class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x


def test_what_is_registered_has_its_package(tmp_path):
    with keras.saving.custom_object_scope({}):  # so that nothing stays
        keras.saving.register_keras_serializable(package="mine")(Twice)
        assert keras.saving.get_registered_name(Twice) == "mine>Twice"
        assert keras.utils.get_registered_object("mine>Twice") is Twice
        assert keras.utils.get_registered_object("Twice") is None
        assert keras.utils.get_custom_objects()["mine>Twice"] is Twice
        model = keras.Sequential([keras.Input((5,)), Twice()])
        for ending in (".keras", ".minicnn"):
            model.save(tmp_path / f"m{ending}")
        other = type("Twice", (keras.layers.Layer,), {"call": lambda self, x: 3 * x})
        keras.saving.register_keras_serializable("yours")(other)
        for ending in (".keras", ".minicnn"):
            read = keras.models.load_model(tmp_path / f"m{ending}")
            assert type(read.layers[0]) is Twice
    assert keras.saving.get_registered_name(Twice) == "Twice"
    assert not keras.utils.get_custom_objects()
    with pytest.raises(errors.ArgumentError, match="custom_objects"):
        keras.models.load_model(tmp_path / "m.keras")


def test_names_of_custom_objects_are_arguments():
    def steep(x):
        return ops.tanh(3 * x)

    def off(y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred), axis=-1)

    with keras.utils.CustomObjectScope({"steep": steep, "off": off}):
        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2, activation="steep"),
                                  keras.layers.Activation("steep")])  # fmt: skip
        model.compile("sgd", loss="off", metrics=["off"])
        logs = model.evaluate(X, np.zeros((12, 2)), verbose=0, return_dict=True)
        assert logs["off"] == pytest.approx(logs["loss"])
        assert keras.activations.get("steep") is steep
        assert keras.layers.Dense(1, kernel_initializer="zeros").kernel_initializer is not None
    with pytest.raises(errors.ArgumentError, match="activation"):
        keras.layers.Dense(2, activation="steep")


class Warm(keras.Model):
    """A model with a call of its own, and Variables beside its layers."""

    def __init__(self):
        super().__init__()
        self.dense, self.heat = keras.layers.Dense(2), keras.Variable(2.0, name="heat")
        self.more = [keras.Variable(np.ones(2), name="shift")]

    def call(self, x):
        return self.dense(x) / self.heat + self.more[0]


def test_the_variables_of_a_model_with_a_call_of_its_own_are_its_weights():
    model = Warm()
    y = model(X)
    assert [w.path for w in model.trainable_variables] == ["warm/heat", "warm/shift", "warm/dense.kernel",
                                                           "warm/dense.bias"]  # fmt: skip
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    model.fit(X, np.zeros((12, 2)), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    assert y.shape == (12, 2)


@pytest.mark.parametrize("late", [False, True])
def test_a_variable_s_constraint_holds_in_fit_and_by_hand(late):
    class Bounded(keras.Model):
        def __init__(self):
            super().__init__()
            self.heat = tf.Variable([0.1], constraint=None if late else tf.keras.constraints.NonNeg())
            if late:
                self.heat.constraint = tf.keras.constraints.NonNeg()

        def call(self, x):
            return x * self.heat

    model = Bounded()
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(X, -9 * X, epochs=2, verbose=0)
    assert model.heat.numpy() == 0.0
    alone = tf.Variable([0.1], constraint=lambda w: tf.clip_by_value(w, 0.0, 1.0))
    keras.optimizers.SGD(1.0).apply_gradients([(np.ones(1), alone)])
    assert alone.numpy() == 0.0


def test_unknown_options_of_a_variable_are_refused():
    with pytest.raises(errors.ArgumentTypeError, match="trainabel"):
        keras.Variable(1.0, trainabel=False)
    with pytest.raises(errors.MinicnnError, match="constraint"):
        keras.Variable(1.0, constraint="bogus")
