"""Sequential: how layers come in, when weights exist, what summary prints."""

# ruff: noqa: E501  (messages are compared word for word, each on its line)

import collections
import itertools

import numpy as np
import pytest

from minicnn import Input, Sequential, Tensor, errors, layers
from minicnn.backend.cpu import CPU

from .networks import network_a, small, toy


@pytest.fixture
def fresh_names(monkeypatch):
    monkeypatch.setattr("minicnn.naming.counts", collections.defaultdict(itertools.count))


def test_a_model_within_may_get_its_layers_later():
    inner = Sequential([Input((4,))], name="inner")
    outer = Sequential([inner, layers.Dense(2)])
    with pytest.raises(errors.NotBuiltError, match="inner: expected at least one layer, received none"):
        outer.predict(np.ones((1, 4)), verbose=0)
    inner.add(layers.Dense(3))
    assert outer.predict(np.ones((1, 4)), verbose=0).shape == (1, 2)
    assert [w.shape for w in outer.weights] == [(4, 3), (3,), (3, 2), (2,)]


def test_a_model_within_is_built_after_a_failure_behind_it():
    outer = Sequential([Sequential([layers.Flatten(), layers.Dense(3)]), layers.Conv2D(2, 3)])
    with pytest.raises(errors.ShapeError):
        outer.build((None, 4, 4, 1))
    outer.pop()
    outer.build((None, 4, 4, 1))
    assert outer.count_params() == 51


def test_weights_exist_as_layers_are_added():
    model = Sequential([Input((4,))])
    model.add(layers.Dense(3))
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,)]
    model.add(layers.Dense(2))
    assert model.built
    assert (model.sample_in, model.sample_out, model.count_params()) == ((4,), (2,), 23)
    assert [layer.name.split("_")[0] for layer in model.layers] == ["dense", "dense"]  # the Input is not listed


def test_input_shape_on_the_first_layer_does_the_same():
    for first in (
        layers.Dense(3, input_shape=(4,)),
        layers.Flatten(input_shape=(2, 2)),
        layers.Dropout(0.5, input_shape=(4,)),
    ):
        model = Sequential()
        model.add(first)
        model.add(layers.Dense(2))
        assert model.built


def test_without_an_input_the_first_data_decide():
    x, y = toy(8)
    for use in (
        lambda m: m.fit(x, y, verbose=0), lambda m: m.predict(x, verbose=0), lambda m: m.evaluate(x, y, verbose=0),
        lambda m: m.build((None, 6, 6, 1)), lambda m: m(x), lambda m: m(Tensor(x, m.backend)),
    ):  # fmt: skip
        model = Sequential([layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        assert not model.built
        assert model.get_weights() == []
        with pytest.raises(
            errors.NotBuiltError, match=r"expected a built model, received none; call build\(\(None, H, W, C\)\)"
        ):
            model.count_params()
        use(model)
        assert model.built
        assert [w.shape for w in model.get_weights()] == [(3, 3, 1, 2), (2,), (32, 3), (3,)]


def test_a_wrong_first_shape_does_not_stick():
    model = Sequential([layers.Conv2D(2, 3, name="c"), layers.Flatten(), layers.Dense(3)])
    for wrong in ((4, 36), (4, 2, 2, 1)):
        with pytest.raises(errors.ShapeError, match=r"^c: expected"):
            model.predict(np.zeros(wrong), verbose=0)
        assert not model.built
    assert model.predict(np.zeros((4, 6, 6, 1)), verbose=0).shape == (4, 3)

    late = Sequential([layers.Dense(2), layers.Conv2D(2, 3, name="c")])
    with pytest.raises(errors.ShapeError, match=r"^c: expected images"):
        late.build((None, 5))
    late.build((None, 6, 6, 1))
    assert late.layers[0].kernel.shape == (1, 2)


def test_a_layer_that_does_not_fit_is_not_added():
    model = Sequential([Input((4,)), layers.Dense(3)])
    with pytest.raises(errors.ShapeError, match=r"^c: expected images of shape \(H, W, C\), received \(3,\)"):
        model.add(layers.Conv2D(1, 3, name="c"))
    empty = Sequential()
    with pytest.raises(errors.ShapeError, match=r"^c: expected an image of at least"):
        empty.add(layers.Conv2D(1, 3, name="c", input_shape=(2, 2, 1)))
    empty.add(layers.Dense(1, input_shape=(7,)))
    assert (len(model.layers), empty.sample_in) == (1, (7,))


def test_pop():
    model = Sequential([Input((4,)), layers.Dense(3), layers.Dense(2)])
    popped = model.pop()
    assert popped.units == 2
    assert model.sample_out == (3,)
    assert len(model.get_weights()) == 2
    model.add(layers.Dense(5))
    assert model.predict(np.ones((2, 4)), verbose=0).shape == (2, 5)
    with pytest.raises(errors.NotBuiltError, match=r"^pop: expected at least one layer, received none$"):
        Sequential().pop()


def test_a_part_of_a_model_shares_its_weights():
    """The idiom for looking at filters: Sequential(model.layers[:k]) computes what the whole computes on its way."""
    x, y = toy(8)
    model = small()
    model.fit(x, y, verbose=0)
    before = model.get_weights()
    for part in (Sequential(model.layers[:2]), Sequential([Input((6, 6, 1)), *model.layers[:2]])):
        with_layers = Tensor(x, model.backend)
        for layer in model.layers[:2]:
            with_layers = layer(with_layers)
        # predict folds the batch norm into the convolution, so the last bits differ
        np.testing.assert_allclose(part.predict(x, verbose=0), with_layers.numpy(), rtol=1e-5, atol=1e-6)
        assert part.weights[0] is model.weights[0]
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(
        errors.ShapeError, match=r"expected samples of the shape \(6, 6, 1\) that it is built for, received \(5, 5, 1\)"
    ):
        Sequential([Input((5, 5, 1)), model.layers[0]])
    with pytest.raises(errors.ArgumentError, match="expected a model on CPU, kernel set numba_cpu, float32"):
        Sequential(model.layers[:1], device=CPU("numpy_ref", "float64"))


@pytest.mark.parametrize(
    ("add", "error", "message"),
    [
        (lambda m: m.add(Input((4,))), ValueError, "add: layer: expected Input as the first entry, received a second or late one"),
        (lambda m: m.add(layers.Dense), TypeError, "add: expected a layer, received the class Dense; write Dense(...)"),
        (lambda m: m.add("dense"), TypeError, "add: expected a layer, received 'dense'"),
        (lambda m: m.add(m.layers[0]), ValueError, "add: expected a name that no other layer has, received 'first'"),
        (lambda m: m.add(layers.Dense(1, name="first")), ValueError, "add: expected a name that no other layer has, received 'first'"),
        (lambda m: m.get_layer("last"), ValueError, "get_layer: name: expected one of first, received 'last'"),
    ],
)  # fmt: skip
def test_refused_layers(add, error, message):
    model = Sequential([Input((4,)), layers.Dense(3, name="first")])
    with pytest.raises(error) as caught:
        add(model)
    assert str(caught.value) == message
    assert len(model.layers) == 1
    assert model.get_layer("first") is model.get_layer(index=0)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda m: m.fit(np.ones((2, 3)), [0, 1]), "fit: expected a model with layers, received an empty one"),
        (lambda m: m.predict(np.ones((2, 3))), "predict: expected a model with layers, received an empty one"),
        (lambda m: m.build((None, 3)), "empty: expected at least one layer, received none"),
    ],
)
def test_an_empty_model(use, message):
    with pytest.raises(errors.NotBuiltError) as caught:
        use(Sequential(name="empty"))
    assert str(caught.value) == message


def test_a_model_that_was_not_compiled():
    model = Sequential([layers.Dense(3)])
    message = (
        """^fit: expected a compiled model, received none; call compile\\("adam", "categorical_crossentropy"\\)$"""
    )
    with pytest.raises(errors.NotBuiltError, match=message):
        model.fit(np.ones((2, 3)), np.ones((2, 3)))
    model.compile("adam")
    with pytest.raises(errors.NotBuiltError, match=message):
        model.fit(np.ones((2, 3)), np.ones((2, 3)))
    assert model.predict(np.ones((2, 3)), verbose=0).shape == (2, 3)  # needs none


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1"])
def test_seeds(seed):
    with pytest.raises(
        errors.ArgumentError, match=r"^seed: expected a whole number from 0 to 2\^64 - 1, or None, received"
    ):
        Sequential(seed=seed)


def test_a_seed_fixes_the_weights():
    a, b, c = (network_a((2, 3), 4, size=8, seed=seed) for seed in (1, 1, 2))
    for p, q, r in zip(a.weights, b.weights, c.weights, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
        assert p.path == q.path  # not counted over the process
        if p.path.endswith("kernel"):
            assert (p.numpy() != r.numpy()).any()
    unseeded = [network_a((2, 3), 4, size=8) for _ in range(2)]
    assert unseeded[0].seed != unseeded[1].seed
    again = network_a((2, 3), 4, size=8, seed=unseeded[0].seed)
    np.testing.assert_array_equal(again.get_weights()[0], unseeded[0].get_weights()[0])


def test_equal_layers_start_differently():
    model = Sequential([Input((4,)), layers.Dense(4), layers.Dense(4)], seed=1)
    assert (model.get_weights()[0] != model.get_weights()[2]).all()


def test_set_weights_checks_all_before_any():
    model = network_a((2, 3), 4, size=8, seed=1)
    values, before = [np.ones_like(w) for w in model.get_weights()], model.get_weights()
    values[-1] = np.ones(3)
    with pytest.raises(errors.WeightsError, match=r"dense_1/bias: expected weights of shape \(10,\), received \(3,\)$"):
        model.set_weights(values)
    with pytest.raises(errors.WeightsError, match="expected 32 weight arrays, received 31"):
        model.set_weights(values[:-1])
    with pytest.raises(
        errors.WeightsError, match="expected 0 weight arrays, received 1; build the model first: give it an Input"
    ):
        Sequential([layers.Dense(1)]).set_weights([np.ones(1)])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_order_of_weights_is_keras_s():
    paths = [w.path for w in network_a((2, 3), 4, size=8).weights]
    assert paths[:6] == ["conv2d/kernel", "conv2d/bias", "batch_normalization/gamma", "batch_normalization/beta",
                         "batch_normalization/moving_mean", "batch_normalization/moving_variance"]  # fmt: skip
    assert paths[-2:] == ["dense_1/kernel", "dense_1/bias"]
    assert len(set(paths)) == len(paths)


# summary --------------------------------------------------------------------------------------------------------------

TABLE = """\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┓
┃ Layer (type)                               ┃ Output Shape       ┃ Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━┩
│ conv2d (Conv2D)                            │ (None, 28, 28, 32) │     832 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ batch_normalization (BatchNormalization)   │ (None, 28, 28, 32) │     128 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ conv2d_1 (Conv2D)                          │ (None, 28, 28, 32) │  25,632 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ batch_normalization_1 (BatchNormalization) │ (None, 28, 28, 32) │     128 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ max_pooling2d (MaxPooling2D)               │ (None, 14, 14, 32) │       0 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ dropout (Dropout)                          │ (None, 14, 14, 32) │       0 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ conv2d_2 (Conv2D)                          │ (None, 14, 14, 64) │  18,496 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ batch_normalization_2 (BatchNormalization) │ (None, 14, 14, 64) │     256 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ conv2d_3 (Conv2D)                          │ (None, 14, 14, 64) │  36,928 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ batch_normalization_3 (BatchNormalization) │ (None, 14, 14, 64) │     256 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ max_pooling2d_1 (MaxPooling2D)             │ (None, 7, 7, 64)   │       0 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ dropout_1 (Dropout)                        │ (None, 7, 7, 64)   │       0 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ flatten (Flatten)                          │ (None, 3136)       │       0 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ dense (Dense)                              │ (None, 256)        │ 803,072 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ batch_normalization_4 (BatchNormalization) │ (None, 256)        │   1,024 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ dropout_2 (Dropout)                        │ (None, 256)        │       0 │
├────────────────────────────────────────────┼────────────────────┼─────────┤
│ dense_1 (Dense)                            │ (None, 10)         │   2,570 │
└────────────────────────────────────────────┴────────────────────┴─────────┘
"""
BEFORE_FIT = """\
 Total params: 889,322 (3.39 MB)
 Trainable params: 888,426 (3.39 MB)
 Non-trainable params: 896 (3.50 KB)
"""
AFTER_FIT = """\
 Total params: 2,666,176 (10.17 MB)
 Trainable params: 888,426 (3.39 MB)
 Non-trainable params: 896 (3.50 KB)
 Optimizer params: 1,776,854 (6.78 MB)
"""


def test_summary_of_network_a(fresh_names, capsys):
    model = network_a(seed=1)
    model.compile("adam", "categorical_crossentropy")
    assert model.summary() is not None
    assert capsys.readouterr().out == TABLE + BEFORE_FIT
    model.optimizer.build(model.trainable_weights)  # as fit does
    seen = []
    model.summary(print_fn=seen.append)
    assert seen == [(TABLE + AFTER_FIT).rstrip("\n")]
    assert capsys.readouterr().out == ""


def test_summary_of_an_unbuilt_model_and_of_frozen_layers(fresh_names):
    seen = []
    Sequential([layers.Dense(3), layers.Flatten()]).summary(print_fn=seen.append)
    model = Sequential([Input((4,)), layers.Dense(3, trainable=False), layers.Flatten(), layers.Dense(1)])
    model.summary(print_fn=seen.append, show_trainable=True)
    unbuilt, frozen = seen
    assert "│ dense (Dense)                   │ ?                      │   0 (unbuilt) │" in unbuilt
    assert " Total params: 0 (0.00 B)" in unbuilt
    assert [line.split("│")[-2].strip() for line in frozen.splitlines() if "(None" in line] == ["N", "-", "Y"]
    assert " Trainable params: 4 (16.00 B)\n Non-trainable params: 15 (60.00 B)" in frozen
