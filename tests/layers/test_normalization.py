"""Normalization: what adapt finds, in arrays and in batches, and that a network and its files keep it."""

import numpy as np
import pytest

import minicnn
from minicnn import errors, layers
from minicnn.data.dataset import Dataset
from minicnn.data.sequence import Sequence
from minicnn.layers import Normalization

X = np.random.default_rng(0).normal(3, 2, (23, 5, 4, 3))


class Batches(Sequence):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return X[6 * i : 6 * i + 6], np.zeros(6)


SOURCES = {
    "array": lambda: X,
    "tensor": lambda: minicnn.Tensor(X),
    "list of batches": lambda: [X[:20], X[20:]],
    "generator of (x, y)": lambda: ((X[i : i + 7], None) for i in range(0, 23, 7)),
    "dataset": lambda: Dataset.from_tensor_slices((X, np.zeros(23))).batch(8),
    "sequence": Batches,
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("axis", "over"), [(-1, (0, 1, 2)), ((1, 2), (0, 3)), (None, (0, 1, 2, 3)), ([3, -2], (0, 1))])
def test_adapt_finds_mean_and_variance(source, axis, over):
    layer = Normalization(axis)
    layer.adapt(SOURCES[source]())
    np.testing.assert_allclose(layer.mean.numpy(), X.mean(over, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(layer.variance.numpy(), X.var(over, keepdims=True), rtol=1e-6)
    y = layer(X).numpy()
    np.testing.assert_allclose(y.mean(over), 0, atol=1e-5)
    np.testing.assert_allclose(y.var(over), 1, atol=1e-5)
    back = Normalization(axis, invert=True)
    back.adapt(X)
    np.testing.assert_allclose(back(y).numpy(), X, rtol=1e-4, atol=1e-4)


def test_figures_lie_along_the_axes_that_are_kept():
    rows = Normalization((1, 2), [1, 2, 3, 4], np.ones(4))
    np.testing.assert_allclose(rows(X).numpy(), X - np.reshape([1, 2, 3, 4], (4, 1)), rtol=1e-6, atol=1e-6)
    assert rows.mean.shape == (1, 5, 4, 1)
    constant = Normalization(mean=2.0, variance=0.0)  # 1e-7 is the least that is divided by
    np.testing.assert_allclose(constant(np.full((2, 3), 2.0)).numpy(), 0)
    assert Normalization(None, 1, 4).get_config() | {"name": ""} == {
        "name": "", "trainable": True, "axis": None, "mean": 1.0, "variance": 4.0, "invert": False}  # fmt: skip


def test_a_network_takes_over_what_was_found_and_trains_around_it(tmp_path):
    layer = Normalization()
    layer.adapt(X)
    found = [w.copy() for w in layer.get_weights()]
    model = minicnn.Sequential([layer, layers.Flatten(), layers.Dense(2)], seed=1)
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((23, 2)), epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), found, strict=True))
    assert [w.shape for w in layer.trainable_weights] == []
    y = model.predict(X, verbose=0)
    model.save(tmp_path / "m.minicnn")
    np.testing.assert_array_equal(minicnn.load_model(tmp_path / "m.minicnn").predict(X, verbose=0), y)
    layer.adapt(X + 1)  # of a network too
    np.testing.assert_allclose(model.predict(X + 1, verbose=0), y, rtol=1e-3, atol=1e-4)


def test_figures_of_single_images_serve_batches():
    layer = Normalization()
    layer.adapt([X[0], X[1]])  # each (5, 4, 3)
    np.testing.assert_allclose(layer(X[:2]).numpy().mean((0, 1, 2)), 0, atol=1e-5)
    with pytest.raises(errors.ShapeError, match="data of 3 axes"):
        layer(X[0, 0])


@pytest.mark.parametrize(("make", "data", "error", "message"), [
    (lambda: Normalization(), [], errors.DataError, "an array or batches, received no batch"),
    (lambda: Normalization(), iter(()), errors.DataError, "an array or batches, received no batch"),
    (lambda: Normalization(), [42], errors.ArgumentTypeError, "a batch that is"),
    (lambda: Normalization(), {"x": X}, errors.ArgumentTypeError, "an array, or batches"),
    (lambda: Normalization(), [X, X[..., :2]], errors.ShapeError, r"\(3,\) entries along axes"),
    (lambda: Normalization(), np.full((2, 3), np.nan), errors.DataError, "finite"),
    (lambda: Normalization(mean=1, variance=2), X, errors.ArgumentError, "figures to be found"),
])  # fmt: skip
def test_what_adapt_cannot_take(make, data, error, message):
    with pytest.raises(error, match=message):
        make().adapt(data)


@pytest.mark.parametrize("how", [{"mean": 1}, {"variance": 1}, {"mean": 1, "variance": [1, 2]}, {"axis": 0},
                                 {"mean": [[1, 2]], "variance": [[1, 2]]}, {"mean": 1, "variance": -1}])  # fmt: skip
def test_what_the_constructor_refuses(how):
    with pytest.raises(errors.ArgumentError):
        Normalization(**how)


@pytest.mark.parametrize(("axis", "shape"), [(3, (2, 2)), (-4, (2, 3, 4)), (1, (None, None))])
def test_axes_that_the_data_lacks(axis, shape):
    with pytest.raises(errors.MinicnnError, match="axis"):
        Normalization(axis).build(shape)


@pytest.mark.parametrize("given", [{}, {"mean": 0.5, "variance": 2.0}])
def test_a_program_is_kept_from_one_call_to_the_next(given):
    model = minicnn.Sequential([layers.Input((4,)), Normalization(**given), layers.Dense(2)])
    x = np.zeros((3, 4), np.float32)
    model.predict(x, verbose=0)
    before = dict(model.programs.made)
    model.predict(x, verbose=0)
    assert before
    assert all(model.programs.made[key] is one for key, one in before.items())


def test_data_of_more_axes_than_the_first_is_averaged_over_all_of_them():
    layer = Normalization()
    layer.adapt([X[:, 0, 0], X[:, 0]])
    rows = np.concatenate([X[:, 0, 0], X[:, 0].reshape(-1, 3)])
    np.testing.assert_allclose(layer.mean.numpy(), rows.mean(0, keepdims=True), rtol=1e-6)
