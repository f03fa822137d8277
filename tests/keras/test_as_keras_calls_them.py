"""Layers, initializers and constraints called as Keras's own tests call them; what minicnn lacks says so."""

import json

import numpy as np
import pytest

from minicnn import Tensor, keras
from minicnn.errors import ArgumentError, ArgumentTypeError, ShapeError, UnsupportedError

layers, initializers = keras.layers, keras.initializers


# Symbols and inputs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{"shape": (3, 4), "batch_size": 2}, {"batch_shape": (2, 3, 4)}], ids=str)
def test_a_batch_s_size_goes_through_a_graph(given):
    x = keras.Input(**given)
    assert x.shape == (2, 3, 4)
    assert x.call.layer.batch_shape == (2, 3, 4)
    assert layers.InputLayer(**given).output.shape == (2, 3, 4)
    assert layers.Flatten()(x).shape == (2, 12)
    assert (layers.Dense(5)(x) * 2.0).shape == (2, 3, 5)
    assert layers.Add()([keras.Input((3, 4)), x]).shape == (2, 3, 4)
    model = keras.Model(x, keras.ops.reshape(x, (x.shape[0], -1)))
    assert model.predict(np.zeros((3, 3, 4)), verbose=0).shape == (3, 12)  # said, and not demanded


def test_an_open_batch_is_reshaped_by_its_own_size():
    x = keras.Input((3, 4))
    model = keras.Model(x, keras.ops.reshape(x, (x.shape[0], -1)))
    assert model.predict(np.zeros((5, 3, 4)), verbose=0).shape == (5, 12)


@pytest.mark.parametrize("given", [{"shape": (3,), "batch_shape": (2, 3)}, {"batch_size": 2, "batch_shape": (2, 3)}])
def test_an_input_s_shape_is_said_once(given):
    with pytest.raises(ArgumentError, match="batch_shape"):
        layers.InputLayer(**given)


def test_comparisons_of_symbols_are_layers(tmp_path):
    x, ops = keras.Input((3,)), keras.ops
    kernel = np.random.default_rng(0).normal(size=(3, 2))
    y = layers.Dense(2, use_bias=False, name="d")(x)
    both = [y * (y > 0.0), ops.where(ops.less_equal(0.0, y), y, 0.0), y * (y > x[:, :2]), ops.relu(y)]
    model = keras.Model(x, both)
    model.set_weights([kernel])
    data = np.random.default_rng(1).normal(size=(8, 3)).astype("f4")
    masked, chosen, larger, relu = model.predict(data, verbose=0)
    np.testing.assert_array_equal(masked, relu)
    np.testing.assert_array_equal(chosen, relu)
    z = (data @ kernel).astype("f4")
    np.testing.assert_allclose(larger, z * (z > data[:, :2]), rtol=1e-5)
    trained = []
    for out in both[0], both[1], both[3]:
        one = keras.Model(x, out)
        one.set_weights([kernel])
        one.compile("sgd", "mse")
        one.fit(data, np.zeros((8, 2)), verbose=0)
        trained.append(one.get_weights()[0])
    np.testing.assert_allclose(trained[:2], trained[2:] * 2, rtol=1e-6)
    model.save(tmp_path / "m.minicnn")
    again = keras.models.load_model(tmp_path / "m.minicnn")
    for a, b in zip(again.predict(data, verbose=0), model.predict(data, verbose=0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_input_cannot_be_left_out():
    with pytest.raises(UnsupportedError, match="minicnn has no inputs that may be left out"):
        keras.Input((3,), optional=True)
    assert keras.Input((3,), optional=False, sparse=None).shape == (None, 3)


def test_inputs_is_another_name_of_what_a_layer_is_given():
    x = np.float32([[-1, 2]])
    np.testing.assert_array_equal(layers.ReLU()(inputs=x), [[0, 2]])


@pytest.mark.parametrize("layer", [layers.UpSampling2D(2), layers.ReLU(), layers.Flatten(), layers.MaxPooling2D()])
def test_a_layer_without_weights_is_built_for_a_batch_s_shape(layer):
    layer.build((None, 4, 6, 3))
    assert layer.input_shape == (None, 4, 6, 3)


@pytest.mark.parametrize("name", ["LayerNormalization", "RMSNormalization"])
def test_an_axis_from_the_end_fits_data_of_any_rank(name, rng):
    layer = getattr(layers, name)()
    layer.build((None, 2, 3))
    x = rng.standard_normal((4, 5, 2, 3))
    np.testing.assert_allclose(layer(x), np.stack([layer(x[:, i]) for i in range(5)], 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("last", ["MaxPooling2D", "ActivityRegularization"])
def test_the_last_layer_s_outputs_are_regularized(last):
    layer = getattr(layers, last)(**({"l2": 0.5} if last[0] == "A" else {"activity_regularizer": "l2"}))
    model = keras.Sequential([keras.Input((4, 4, 1)), layer])
    model.compile("sgd", "mse")
    x = np.ones((3, 4, 4, 1))
    factor, n = (0.5, 16) if last[0] == "A" else (0.01, 4)
    assert model.evaluate(x, model.predict(x, verbose=0), verbose=0) == pytest.approx(factor * n)


@pytest.mark.parametrize("interpolation", ["bicubic", "lanczos3", "lanczos5"])
def test_upsampling_by_other_windows(interpolation, rng):
    x = rng.standard_normal((2, 3, 4, 2))
    y = layers.UpSampling2D((2, 1), interpolation=interpolation)(x)
    np.testing.assert_allclose(y, layers.Resizing(6, 4, interpolation)(x), rtol=1e-6)


def test_numbers_of_the_wrong_type_are_type_errors_too():
    for make in (lambda: layers.RepeatVector(3.5), lambda: layers.UnitNormalization({"axis": 1})):
        with pytest.raises(ArgumentTypeError):
            make()


def test_a_layer_says_its_type():
    assert layers.Dense(3).dtype == layers.ReLU().compute_dtype == layers.InputLayer((3,)).dtype == "float32"


# What is lacking ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: layers.ReLU()(np.ones((2, 3)), mask=np.ones(2)), "re_lu.*: minicnn has no masks"),
        (lambda: layers.Add().compute_mask([], [None, 1]), "minicnn has no masks"),
        (lambda: layers.Lambda(abs, mask=np.ones(3)), "Lambda: minicnn has no masks"),
        (lambda: layers.Dense(3).quantize("int8"), "dense.*: minicnn has no quantization"),
        (lambda: layers.Conv2D(3, 2).enable_lora(4), "minicnn has no low-rank adaptation"),
        (lambda: layers.Dense(3, lora_rank=2), "Dense: minicnn has no low-rank .* expected lora_rank=None, received 2"),
        (lambda: layers.BatchNormalization(renorm=True), "minicnn has no batch renormalization"),
        (lambda: layers.LayerNormalization(rms_scaling=True), "use RMSNormalization"),
        (lambda: layers.InputLayer((3,), sparse=True), "minicnn has no sparse tensors"),
        (lambda: layers.InputLayer((3,), ragged=True), "minicnn has no ragged tensors"),
    ],
)
def test_what_minicnn_lacks_says_so(asked, said):
    with pytest.raises(UnsupportedError, match=said):
        asked()


def test_arguments_that_ask_for_nothing_are_let_through():
    """As Keras's get_config holds them."""
    assert layers.Dense(3, lora_rank=None, quantization_config=None).units == 3
    assert layers.BatchNormalization(renorm=False, renorm_clipping=None, renorm_momentum=0.99).momentum == 0.99
    assert layers.InputLayer((3,), sparse=False, ragged=False, optional=False).sparse is False
    with pytest.raises(ArgumentTypeError, match="renorm_momentun"):
        layers.BatchNormalization(renorm_momentun=0.9)


# Regularizers, constraints, initializers ------------------------------------------------------------------------------


def test_activity_regularization_adds_to_the_loss():
    layer = layers.ActivityRegularization(l1=0.2, l2=0.3)
    layer(2 * np.ones((2, 3)))
    (loss,) = layer.losses
    assert float(loss.numpy()) == pytest.approx(3 * (4 * 0.3 + 2 * 0.2))
    again = layers.ActivityRegularization.from_config(json.loads(json.dumps(layer.get_config())))
    assert (again.l1, again.l2) == (0.2, 0.3)


def test_root_mean_square_norm():
    y = layers.RMSNormalization()(np.arange(10, dtype=np.float32)[None])
    np.testing.assert_allclose(y, np.arange(10)[None] / np.sqrt(np.mean(np.arange(10) ** 2)), rtol=1e-5)


@pytest.mark.parametrize("name", ["MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"])
def test_constraints_of_arrays(name, rng):
    w, constraint = rng.standard_normal((5, 4)), getattr(keras.constraints, name)()
    found = constraint(w)
    assert isinstance(found, Tensor)
    np.testing.assert_allclose(found, constraint(Tensor(w.astype(np.float32))), rtol=1e-6)


@pytest.mark.parametrize("name", ["L1", "L2", "L1L2", "OrthogonalRegularizer"])
def test_regularizers_of_arrays(name, rng):
    w, regularizer = rng.standard_normal((5, 4)), getattr(keras.regularizers, name)(0.1)
    assert float(regularizer(w).numpy()) == pytest.approx(float(regularizer(Tensor(w.astype(np.float32))).numpy()))
    assert float(regularizer(w.tolist()).numpy()) > 0


def test_the_base_constraint_does_nothing():
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(keras.constraints.Constraint()(x), x)


def test_initializers_from_arrays(rng):
    values = rng.standard_normal((3, 4))
    for one in (initializers.Constant(values), initializers.get(values), initializers.get(Tensor(values)),
                initializers.Constant(values.tolist())):  # fmt: skip
        np.testing.assert_array_equal(one((3, 4)), values)
        again = type(one).from_config(json.loads(json.dumps(one.get_config())))
        np.testing.assert_array_equal(again((3, 4)), values)
        with pytest.raises(ShapeError, match=r"\(10, 10\)"):
            one((10, 10))
    np.testing.assert_array_equal(initializers.Constant([1, 2])((3, 2)), [[1, 2]] * 3)
    layer = layers.Dense(4, kernel_initializer=values)
    layer(np.zeros((1, 3)))
    np.testing.assert_allclose(layer.kernel, values, rtol=1e-6)


def test_initializers_in_keras_s_words():
    assert initializers.Zeros()((2, 3), "float32").dtype == np.float32
    assert initializers.Ones()(shape=(2,), dtype="float32").dtype == np.float32
    assert isinstance(initializers.get("IdentityInitializer"), initializers.Identity)
    assert initializers.OrthogonalInitializer is initializers.Orthogonal
    again = initializers.RandomNormal.from_config(initializers.RandomNormal(1.0, seed=3).get_config())
    np.testing.assert_array_equal(again((4,)), initializers.RandomNormal(1.0, seed=3)((4,)))


def test_fans_of_chosen_axes():
    fans = initializers.VarianceScaling(2.0, seed=1, input_axes=[0], output_axes=[1, 2])
    values = fans((32, 40, 16))
    assert values.std() == pytest.approx(np.sqrt(2 / 32), rel=0.02)
    assert fans.get_config()["input_axes"] == [0]
    assert "input_axes" not in initializers.HeNormal(seed=1).get_config()  # Keras before 3.15 does not know it
    with pytest.raises(ArgumentError, match="axes of a shape of 2"):
        fans((3, 4))


class Always(layers.Dropout):
    """Dropout that is at work in predict, too: Monte Carlo dropout."""

    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


def with_dropout(how):
    x = keras.Input((40,))
    parts = keras.Sequential([keras.Input((40,)), layers.Dropout(0.5)])
    y = {"call": lambda: layers.Dropout(0.5)(x, training=True), "class": lambda: Always(0.5)(x),
         "model": lambda: parts(x, training=True), "none": lambda: layers.Dropout(0.5)(x)}[how]()  # fmt: skip
    return keras.Model(x, y)


@pytest.mark.parametrize("how", ["call", "class", "model", "none"])
def test_each_predict_of_what_draws_draws_anew(how):
    """Bayesian averages: np.stack([model.predict(x) for _ in range(100)]).mean(axis=0)."""
    model, x = with_dropout(how), np.ones((3, 40), np.float32)
    y = np.random.default_rng(0).random(x.shape)
    model.compile("sgd", "mse")
    asks = {"predict": lambda: model.predict(x, verbose=0), "call": lambda: model(x),
            "evaluate": lambda: model.evaluate(x, y, verbose=0)}  # fmt: skip
    for name, ask in asks.items():
        before = model.streams.step
        assert np.array_equal(ask(), ask()) == (how == "none"), name
        assert model.streams.step == before
    assert (model.streams.inferences > 0) == (how != "none")


@pytest.mark.parametrize("how", ["call", "class", "model"])
def test_each_row_of_a_predict_has_draws_of_its_own(how):
    """However many tiles they are, which on a set that fills the last tile up are of 32."""
    model, x = with_dropout(how), np.ones((500, 40), np.float32)
    y = model.predict(x, verbose=0)
    assert len(np.unique(y, axis=0)) > 490


def test_what_looks_at_a_model_changes_nothing_of_its_training(tmp_path):
    x = np.random.default_rng(0).random((9, 40)).astype(np.float32)

    def fitted(*looks):
        model = keras.Sequential([keras.Input((40,)), layers.Dense(5), Always(0.5), layers.Dense(2)], seed=3)
        model.compile("sgd", "mse")
        ask = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: [look(model) for look in looks])
        model.fit(x, x[:, :2], epochs=2, verbose=0, callbacks=[ask])
        return model

    looked = fitted(lambda model: model.predict(x, verbose=0), lambda model: model(x))
    plain = fitted()
    assert all(map(np.array_equal, looked.get_weights(), plain.get_weights()))
    assert (looked.streams.step, looked.streams.inferences, plain.streams.inferences) == (2, 4, 0)
    looked.save(tmp_path / "model.minicnn")
    read = keras.models.load_model(tmp_path / "model.minicnn", custom_objects={"Always": Always})
    assert np.array_equal(read.predict(x, verbose=0), looked.predict(x, verbose=0))
