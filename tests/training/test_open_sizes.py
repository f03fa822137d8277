"""Models whose image sizes are left open: each size as a model of known sizes with the same weights."""

import itertools

import numpy as np
import pytest

from minicnn import Input, Model, Sequential, check_grad, errors, layers, load_model


def stack(shape, name="open", **options):
    return Sequential([
        Input(shape), layers.Conv2D(4, 3, padding="same", activation="relu", name="c"), layers.MaxPooling2D(name="p"),
        layers.BatchNormalization(name="b"), layers.Conv2D(5, 2, strides=2, name="c2"),
        layers.GlobalAveragePooling2D(name="g"), layers.Dense(3, activation="softmax", name="d"),
    ], name=name, seed=1, **options)  # fmt: skip


def graph(shape):
    x = Input(shape, name="x")
    a = layers.Conv2D(4, 3, padding="same", name="a")(x)
    y = layers.Concatenate(name="j")([layers.Add(name="s")([a, layers.Conv2D(4, 1, name="b")(x)]), a * 2])
    y = layers.UpSampling2D(name="u")(y)
    return Model(x, layers.Conv2DTranspose(2, 2, strides=2, activation="sigmoid", name="t")(y), name="g", seed=1)


@pytest.mark.parametrize("make", [stack, graph])
def test_every_size_is_that_of_a_model_of_its_own(make, rng):
    model = make((None, None, 3))
    assert None in model.sample_in
    loss = "sparse_categorical_crossentropy" if make is stack else "mse"
    model.compile("sgd", loss)
    for size in ((6, 7), (9, 6)):
        own = make((*size, 3))
        own.compile("sgd", loss)
        own.set_weights(model.get_weights())
        x = rng.random((6, *size, 3)).astype(np.float32)
        y = np.arange(6) % 3 if make is stack else rng.random((6, *own.sample_out)).astype(np.float32)
        np.testing.assert_array_equal(model.predict(x, verbose=0), own.predict(x, verbose=0))
        assert model.evaluate(x, y, verbose=0) == own.evaluate(x, y, verbose=0)
        histories = [one.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0).history for one in (model, own)]
        assert histories[0] == histories[1]
        for a, b in zip(model.get_weights(), own.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_batches_of_different_sizes_train_in_one_epoch(rng):
    model = stack((None, None, 3))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    batches = [(rng.random((4, n, n + 1, 3)), np.arange(4) % 3) for n in (8, 11, 14)]
    before = model.get_weights()[0]
    history = model.fit(batches, epochs=3, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert np.abs(model.get_weights()[0] - before).max() > 0
    expected = np.concatenate([model.predict(x, verbose=0) for x, _ in batches])
    np.testing.assert_array_equal(model.predict(iter(batches), verbose=0), expected)


@pytest.mark.parametrize("ending", ["minicnn", "keras", "h5"])
def test_open_sizes_are_saved(ending, tmp_path, rng):
    if ending == "h5":
        pytest.importorskip("h5py")
    model = stack((None, 9, 3))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.save(tmp_path / f"m.{ending}")
    again = load_model(tmp_path / f"m.{ending}")
    assert again.sample_in == (None, 9, 3)
    x = rng.random((2, 12, 9, 3)).astype(np.float32)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_what_cannot_be_open(rng):
    with pytest.raises(errors.ShapeError, match=r"expected a weight of known size.*GlobalAveragePooling2D before it"):
        Sequential([Input((None, None, 3)), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(errors.ShapeError, match="kernel: expected a weight of known size"):
        Sequential([Input((8, 8, None)), layers.Conv2D(3, 3)])
    model = stack((None, None, 3))
    model.compile("adam", "sparse_categorical_crossentropy")
    weights = model.get_weights()
    for x, says in (((2, 3, 3, 3), "at least the window's"), ((2, 8, 8, 4), r"expected shape \(N, None, None, 3\)"),
                    ((2, 8, 3), r"expected shape \(N, None, None, 3\)")):  # fmt: skip
        for call in (model.predict, lambda x: model.fit(x, np.zeros(2), verbose=0)):
            with pytest.raises(errors.ShapeError, match=says):
                call(np.ones(x))
    with pytest.raises(errors.ShapeError, match="plan: expected a model of known sizes"):
        model.plan()
    for a, b in itertools.zip_longest(weights, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_gradients_at_two_sizes(oracle, rng):
    model = Sequential([Input((None, None, 2)), layers.Conv2D(3, 3, padding="same", activation="tanh", name="k"),
                        layers.AveragePooling2D(2, name="v"), layers.GlobalAveragePooling2D(name="w")],
                       device=oracle, seed=0)  # fmt: skip
    for size in ((5, 4), (6, 7)):
        check_grad(model, [rng.standard_normal((2, *size, 2))], backend=oracle, rng=rng)
