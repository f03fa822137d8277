"""MiniCNNClassifier and MiniCNNRegressor: scikit-learn's own checks, and what its users do with an estimator."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import minicnn
from minicnn import layers
from minicnn.errors import ArgumentTypeError, DataError, ShapeError
from minicnn.sklearn import MiniCNNClassifier, MiniCNNRegressor

ROOT, SWITCH = Path(__file__).parents[2], "SCIPY_ARRAY_API"
FAST = {"epochs": 20, "optimizer__learning_rate": 0.05}


def build(input_shape, outputs, filters=3):
    """A network whose seed, like most people's, is not stated."""
    return minicnn.Sequential([
        layers.Input(input_shape), layers.Conv2D(filters, 3, activation="relu"), layers.Flatten(),
        layers.Dense(outputs, activation="softmax"),
    ])  # fmt: skip


def logits(input_shape, classes):
    model = minicnn.Sequential([layers.Input(input_shape), layers.Dense(1 if classes == 2 else classes)])
    kind = minicnn.losses.BinaryCrossentropy if classes == 2 else minicnn.losses.CategoricalCrossentropy
    model.compile("sgd", kind(from_logits=True))
    return model


@pytest.fixture
def blobs(rng):
    """90 rows of 6 numbers in 3 classes that a line divides."""
    y = np.arange(90) % 3
    return np.eye(6)[y] * 3 + rng.normal(size=(90, 6)) * 0.3, np.array(["ant", "bee", "cat"])[y]


@pytest.fixture(scope="module")
def digits():
    (x, y), _, _ = minicnn.data.digits.split(seed=0)
    return np.ascontiguousarray(x[:300, ::4, ::4, 0]) / 255, y[:300]


@pytest.mark.slow
@parametrize_with_checks([MiniCNNClassifier(**FAST), MiniCNNRegressor(**FAST)])
def test_scikit_learn_s_checks(estimator, check, request):
    """All of them: those of other array types skip themselves unless SciPy was started with SWITCH."""
    if "array_api" not in request.node.name or os.environ.get(SWITCH) == "1":
        check(estimator)
        return
    again = [sys.executable, "-m", "pytest", request.node.nodeid, "-q", "-p", "no:cacheprovider", "-m", "slow"]
    done = subprocess.run(again, cwd=ROOT, env=os.environ | {SWITCH: "1"}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "skipped" not in done.stdout


def test_labels_come_back_as_they_went_in(blobs):
    x, y = blobs
    model = MiniCNNClassifier(epochs=20, optimizer__learning_rate=0.05, random_state=0).fit(x, y)
    assert list(model.classes_) == ["ant", "bee", "cat"]
    assert model.score(x, y) == 1
    p = model.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert (model.classes_[p.argmax(axis=1)] == y).all()
    assert len(model.history_["loss"]) == model.n_iter_ == 20


def test_rows_in_another_order_train_the_same_network(blobs, rng):
    x, y = blobs
    order = rng.permutation(len(x))
    model = MiniCNNClassifier(epochs=2, random_state=3, validation_split=0.2)
    first = clone(model).fit(x, y)
    second = clone(model).fit(x[order], y[order])
    assert (first.predict_proba(x) == second.predict_proba(x)).all()
    assert first.history_ == second.history_
    assert (clone(model).set_params(random_state=4).fit(x, y).predict_proba(x) != first.predict_proba(x)).any()


def test_whole_weights_are_so_many_rows(blobs, rng):
    x, y = blobs
    weights = rng.integers(0, 3, len(x))
    model = MiniCNNClassifier(epochs=2, random_state=3)
    weighted, repeated = clone(model).fit(x, y, weights), clone(model).fit(x.repeat(weights, 0), y.repeat(weights))
    assert (weighted.predict_proba(x) == repeated.predict_proba(x)).all()
    first, second = (clone(model).fit(x, y, (weights + 0.5) * scale) for scale in (1, 7.5))  # whose scale says nothing
    np.testing.assert_allclose(second.predict_proba(x), first.predict_proba(x), rtol=1e-4)
    assert (first.predict_proba(x) != weighted.predict_proba(x)).any()


def test_class_weight_moves_the_decision(blobs):
    x, y = blobs
    x = x * 0  # nothing to tell them apart by
    model = MiniCNNClassifier(epochs=30, optimizer__learning_rate=0.05, class_weight={"bee": 20.0}, random_state=0)
    assert set(model.fit(x, y).predict(x)) == {"bee"}


def test_a_function_s_own_arguments_and_seed(digits):
    x, y = digits
    model = MiniCNNClassifier(build, model__filters=5, optimizer="sgd", optimizer__learning_rate=0.25,
                              loss__label_smoothing=0.1, loss="categorical_crossentropy", epochs=1,
                              random_state=1).fit(x, y)  # fmt: skip
    assert model.model_.layers[0].filters == 5
    assert type(model.model_.optimizer) is minicnn.optimizers.SGD
    assert (model.model_.optimizer.learning_rate, model.model_.loss.label_smoothing) == (0.25, 0.1)
    assert (clone(model).fit(x, y).predict_proba(x) == model.predict_proba(x)).all()
    assert model.get_params()["model__filters"] == 5
    assert "model__filters=5" in repr(model)
    assert model.set_params(model__filters=6).get_params()["model__filters"] == 6


@pytest.mark.parametrize("classes", [2, 3])
def test_a_compiled_function_keeps_what_it_compiled_and_logits_become_probabilities(blobs, classes):
    x, y = blobs
    x, y = (x[y != "cat"], y[y != "cat"]) if classes == 2 else (x, y)
    model = MiniCNNClassifier(logits, epochs=60, random_state=0).fit(x, y)
    assert type(model.model_.optimizer) is minicnn.optimizers.SGD
    p = model.predict_proba(x)
    assert p.shape == (len(x), classes)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert model.score(x, y) == 1


def test_a_model_is_copied_with_its_weights(digits):
    x, y = digits
    given = build((*x.shape[1:], 1), 10)
    before = given.get_weights()
    model = MiniCNNClassifier(given, epochs=1, optimizer="sgd", optimizer__learning_rate=0.0).fit(x, y)
    assert model.model_ is not given
    assert given.optimizer is None
    for a, b in zip(before, model.model_.get_weights(), strict=True):
        assert (a == b).all()


def test_a_graph_of_layers_is_fitted(blobs):
    def graph(input_shape, outputs):
        x = layers.Input(input_shape)
        return minicnn.Model(x, layers.Dense(outputs, activation="softmax")(x))

    x, y = blobs
    assert MiniCNNClassifier(graph, epochs=60, optimizer="sgd", random_state=0).fit(x, y).score(x, y) == 1


def test_rows_of_numbers_become_images(digits):
    x, y = digits
    flat = MiniCNNClassifier(build, input_shape=(7, 7, 1), epochs=1, random_state=0).fit(x.reshape(len(x), -1), y)
    images = MiniCNNClassifier(build, epochs=1, random_state=0).fit(x, y)
    assert (flat.predict_proba(x.reshape(len(x), -1)) == images.predict_proba(x)).all()
    with pytest.raises(ShapeError, match="input_shape: expected a shape of 49 numbers, as X has, received"):
        flat.set_params(input_shape=(8, 8, 1)).fit(x.reshape(len(x), -1), y)


def test_several_numbers_at_once(rng):
    x = rng.normal(size=(100, 3))
    y = np.stack([x[:, 0] - x[:, 1], 2 * x[:, 2]], axis=1)
    model = MiniCNNRegressor(epochs=40, optimizer__learning_rate=0.01, random_state=0)
    assert model.fit(x, y).score(x, y) > 0.95
    assert model.predict(x).shape == (100, 2)
    assert model.fit(x, y[:, 0]).predict(x).shape == (100,)


def test_callbacks_serve_every_fit(blobs):
    x, y = blobs
    stop = minicnn.callbacks.EarlyStopping("loss", patience=0, min_delta=100)
    model = MiniCNNClassifier(epochs=5, callbacks=[stop])
    assert [model.fit(x, y).n_iter_ for _ in range(2)] == [2, 2]
    assert stop.model is None
    made = MiniCNNClassifier(epochs=5, callbacks=lambda: [minicnn.callbacks.EarlyStopping("loss", min_delta=100)])
    assert made.fit(x, y).n_iter_ == 2


def test_a_fitted_estimator_is_pickled(blobs):
    x, y = blobs
    model = MiniCNNClassifier(epochs=1).fit(x, y)
    copied = pickle.loads(pickle.dumps(model))
    assert (copied.predict_proba(x) == model.predict_proba(x)).all()


def test_what_is_wrong_is_said(blobs):
    x, y = blobs
    with pytest.raises(ArgumentTypeError, match=r"MiniCNNClassifier: expected .*, received 'epoch'; did you mean"):
        MiniCNNClassifier(epoch=3)
    with pytest.raises(ValueError, match="Invalid parameter 'epoch'"):
        MiniCNNClassifier().set_params(epoch=3)
    with pytest.raises(ArgumentTypeError, match="optimizer: Adam: expected arguments of the optimizer"):
        MiniCNNClassifier(optimizer__learning_rat=1).fit(x, y)
    with pytest.raises(ShapeError, match="model: expected a model with 3 outputs, one a class, received outputs"):
        MiniCNNClassifier(lambda input_shape: logits(input_shape, 5)).fit(x, y)
    with pytest.raises(DataError, match="sample_weight: expected numbers of at least 0, received -1"):
        MiniCNNClassifier().fit(x, y, -np.ones(len(x)))


@pytest.mark.slow
def test_in_a_pipeline_a_search_a_calibration_and_a_cross_validation(digits):
    x, y = digits
    rows = x.reshape(len(x), -1) * 16
    model = MiniCNNClassifier(build, input_shape=(7, 7, 1), epochs=8, random_state=0, optimizer__learning_rate=0.02)
    line = make_pipeline(MinMaxScaler(), model)
    grid = {"minicnnclassifier__model__filters": [4], "minicnnclassifier__optimizer__learning_rate": [1e-6, 0.02]}
    search = GridSearchCV(line, grid, n_jobs=2, cv=2).fit(rows, y)
    assert search.best_params_["minicnnclassifier__optimizer__learning_rate"] == 0.02
    assert search.best_score_ > 0.5
    p = CalibratedClassifierCV(line, cv=2).fit(rows, y).predict_proba(rows)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    held_out = cross_val_predict(line, rows, y, cv=2, n_jobs=2)
    assert (held_out == y).mean() > 0.5
