# ruff: noqa: E501  (tables, a case on each line)

import json
import math
import os
import re

import numpy as np
import pytest

from minicnn import metrics
from minicnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from minicnn.layers import Dense, Input
from minicnn.training.sequential import Sequential

P = np.array([[0.05, 0.95, 0.0], [0.1, 0.8, 0.1]])
ONE_HOT = np.array([[0, 1, 0], [0, 0, 1]])
LABELS = np.array([1, 2])


def result(metric, y_true, y_pred, weights=None):
    metric.update_state(y_true, y_pred, weights)
    return metric.result()


@pytest.mark.parametrize(
    ("y_true", "y_pred", "expected"),
    [
        (ONE_HOT, P, [1, 0]),
        (LABELS, P, [1, 0]),
        (LABELS[:, None], P, [1, 0]),
        (LABELS.astype(np.float32), P, [1, 0]),
        (np.array([[1], [1]]), np.array([[0.6], [0.5]]), [1, 0]),  # .5 itself is class 0
        (np.array([1, 1]), np.array([[0.6], [0.5]]), [1, 0]),
    ],
)
def test_accuracy_is_resolved_by_shape(y_true, y_pred, expected):
    assert metrics.accuracy(y_true, y_pred).tolist() == expected


def test_ties_go_to_the_first_class():
    tied = np.array([[0.4, 0.4, 0.2]] * 2)
    assert metrics.accuracy(np.array([0, 1]), tied).tolist() == [1, 0]
    assert metrics.accuracy(np.array([[1, 0, 0], [0, 1, 0]]), tied).tolist() == [1, 0]


def test_binary_accuracy_of_several_outputs_is_their_mean():
    y, p = np.array([[1, 0, 1, 0]]), np.array([[0.9, 0.9, 0.9, 0.1]])
    assert metrics.binary_accuracy(y, p).tolist() == [[1, 0, 1, 1]]
    assert metrics.binary_accuracy(y, p, threshold=0.95).tolist() == [[0, 1, 0, 1]]
    assert metrics.BinaryAccuracy()(y, p) == 0.75
    assert metrics.BinaryAccuracy()(y, p, sample_weight=[[1, 1, 0, 0]]) == 0.5
    assert metrics.Accuracy()(y, np.array([[1, 1, 1, 0]]), sample_weight=[[1, 1, 0, 2]]) == 0.75


def test_ids_that_are_sorted_are_looked_up():
    ids = np.array([[1, 0, 3], [1, 2, 3]])
    assert metrics.sparse_top_k_categorical_accuracy(np.array([2, 1]), ids, 1, from_sorted_ids=True).tolist() == [0, 1]
    metric = metrics.SparseTopKCategoricalAccuracy(2, from_sorted_ids=True)
    again = metrics.SparseTopKCategoricalAccuracy.from_config(metric.get_config())
    assert again([[0], [5]], ids) == metric([[0], [5]], ids) == 0.5


def test_a_class_that_is_ignored():
    y, p = np.array([0, 1, 2]), np.array([[0.8, 0.1, 0.1], [0.05, 0.95, 0], [0.1, 0.8, 0.1]])
    each = -np.log([1.0, 0.95, 0.1])
    ignoring = metrics.SparseCategoricalCrossentropy(ignore_class=0)
    assert math.isclose(ignoring(y, p), each.sum() / 3, rel_tol=1e-6)
    ignoring.reset_state()
    assert math.isclose(ignoring(y, p, sample_weight=[0.5, 1.5, 2.0]), (1.5 * each[1] + 2 * each[2]) / 3.5, rel_tol=1e-6)
    outside = metrics.SparseCategoricalCrossentropy(ignore_class=-1, from_logits=True)
    assert outside([-1, 1], [[1.0, 1.0], [1.0, 1.0]]) == math.log(2) / 2


VARIABLES = {metrics.Mean: 2, metrics.Sum: 1, metrics.BinaryAccuracy: 2, metrics.TruePositives: 1, metrics.Precision: 2,
             metrics.AUC: 4, metrics.F1Score: 4, metrics.R2Score: 4, metrics.BinaryIoU: 1}  # fmt: skip


@pytest.mark.parametrize(("kind", "count"), VARIABLES.items())
def test_variables_show_what_has_built_up(kind, count):
    assert [bool(v.numpy().any()) for v in kind().variables] == [False] * count


def test_variables_of_ones_own():
    class Own(metrics.Metric):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.a = self.add_weight(name="a")
            self.inner = {"b": [metrics.Precision()]}

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.inner["b"][0].update_state(y_true, y_pred)

    metric = Own(name="own")
    metric.update_state([1, 1], [0.9, 0.1])
    assert metric.variables[0] is metric.a
    assert [v.name for v in metric.variables] == ["a", "true_positives", "false_positives"]
    assert metric.variables[1].numpy().tolist() == [1]
    assert Own.from_config(metric.get_config()).name == "own"


@pytest.mark.parametrize("kind", [k for k in metrics.ALL if k not in (metrics.MeanMetricWrapper,)])
def test_serialize_and_back(kind):
    needed = {metrics.IoU: {"num_classes": 2, "target_class_ids": [0]}, metrics.SensitivityAtSpecificity: {"specificity": 0.5},
              metrics.SpecificityAtSensitivity: {"sensitivity": 0.5}, metrics.PrecisionAtRecall: {"recall": 0.5},
              metrics.RecallAtPrecision: {"precision": 0.5}}  # fmt: skip
    few = (metrics.MeanIoU, metrics.OneHotMeanIoU)
    more = {"num_classes": 2} if kind in few else {"num_classes": 2, "target_class_ids": [0]}
    made = kind(**needed.get(kind, more if issubclass(kind, metrics.IoU) and kind is not metrics.BinaryIoU else {}))
    plain = json.loads(json.dumps(metrics.serialize(made)))
    for again in (metrics.deserialize(plain), metrics.get(plain)):
        assert type(again) is kind
        assert again.get_config() == made.get_config()


def test_thresholds_of_auc_are_all_of_them():
    metric = metrics.AUC(num_thresholds=None, thresholds=[0.5])
    np.testing.assert_allclose(metric.thresholds, [0, 0.5, 1], atol=1e-6)
    assert metric.get_config()["thresholds"] == [0.5]
    assert "thresholds" not in metrics.AUC().get_config()
    assert len(metrics.AUC.from_config(metric.get_config()).thresholds) == 3

    class Own(metrics.AUC):
        def __init__(self, **options):
            super().__init__(**options)

    assert Own(name="own").get_config() == {"name": "own"}


def test_top_k():
    p = np.array([[0.1, 0.2, 0.3, 0.4]] * 4)
    assert metrics.sparse_top_k_categorical_accuracy(np.arange(4), p, k=2).tolist() == [0, 0, 1, 1]
    assert metrics.top_k_categorical_accuracy(np.eye(4), p, k=3).tolist() == [0, 1, 1, 1]
    assert metrics.sparse_top_k_categorical_accuracy(np.array([[0]]), np.array([[math.nan, 1.0]]), k=1).tolist() == [0]


def test_golden_values():
    b, y = np.array([[0.6, 0.4], [0.4, 0.6]]), np.array([[0, 1], [0, 0]])
    assert metrics.categorical_crossentropy(ONE_HOT, P).mean() == pytest.approx(1.1769392, abs=2e-7)
    assert metrics.sparse_categorical_crossentropy(LABELS, P).mean() == pytest.approx(1.1769392, abs=2e-7)
    smoothed = metrics.categorical_crossentropy(ONE_HOT, P, label_smoothing=0.1).mean()
    assert smoothed == pytest.approx(1.4591359, abs=2e-6)
    assert metrics.binary_crossentropy(y, b).mean() == pytest.approx(0.8149245, abs=2e-7)
    assert metrics.binary_crossentropy(y, b, label_smoothing=0.1).mean() == pytest.approx(0.8047878, abs=2e-7)
    assert metrics.mean_squared_error(y, b).mean() == pytest.approx(0.31)
    assert metrics.mean_absolute_error(y, b).mean() == pytest.approx(0.55)
    assert result(metrics.RootMeanSquaredError(), y, b) == pytest.approx(math.sqrt(0.31))


def test_probabilities_are_scaled_to_one_then_kept_from_zero():
    assert metrics.categorical_crossentropy(ONE_HOT, 4 * P) == pytest.approx(
        metrics.categorical_crossentropy(ONE_HOT, P)
    )
    impossible = metrics.sparse_categorical_crossentropy(np.array([2]), P[:1])
    assert impossible == pytest.approx(-np.log(1e-7))
    assert metrics.binary_crossentropy([[1.0]], [[0.0]]) == pytest.approx(-np.log(1e-7))


def test_logits_give_what_their_probabilities_give():
    z = np.array([[1.0, -2.0, 0.5], [1000.0, 999.0, 998.0]])
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    assert metrics.categorical_crossentropy(ONE_HOT, z, True) == pytest.approx(
        metrics.categorical_crossentropy(ONE_HOT, p)
    )
    assert metrics.sparse_categorical_crossentropy(LABELS, z, True) == pytest.approx(-np.log(p[[0, 1], LABELS]))
    z, y = np.array([[2.0], [-3.0]]), np.array([1, 0])
    assert metrics.binary_crossentropy(y, z, True) == pytest.approx(
        metrics.binary_crossentropy(y, 1 / (1 + np.exp(-z)))
    )


def test_a_metric_is_the_mean_over_samples_not_over_batches():
    metric = metrics.get("mse")
    metric.update_state(np.zeros((4, 1)), np.ones((4, 1)))
    metric.update_state(np.zeros((1, 1)), np.full((1, 1), 5.0))
    assert metric.result() == pytest.approx(5.8)
    metric.reset_state()
    assert metric.result() == 0.0


def test_weights_are_divided_by_their_sum():
    assert result(metrics.CategoricalAccuracy(), ONE_HOT, P, [0.7, 0.3]) == pytest.approx(0.7)
    weighted = result(metrics.CategoricalCrossentropy(), ONE_HOT, P, np.array([0.3, 0.7]))
    assert weighted == pytest.approx(1.6271976, abs=2e-7)  # Keras's documented value
    assert result(metrics.CategoricalAccuracy(), ONE_HOT, P, np.zeros(2)) == 0.0
    with pytest.raises(
        ShapeError, match=r"^categorical_accuracy: expected sample_weight of shape \(2,\), received \(3,\)"
    ):
        result(metrics.CategoricalAccuracy(), ONE_HOT, P, np.ones(3))


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("acc", "max"),
        ("accuracy", "max"),
        ("categorical_accuracy", "max"),
        ("CategoricalAccuracy", "max"),
        ("sparse_top_k_categorical_accuracy", "max"),
        ("top_k_categorical_accuracy", "max"),
        ("mse", "min"),
        ("MAE", "min"),
        ("rmse", "min"),
        ("mean_squared_error", "min"),
        ("categorical_crossentropy", "min"),
        ("sparse_categorical_crossentropy", "min"),
        ("bce", "min"),
    ],
)
def test_a_name_stays_as_it_was_given(name, direction):
    metric = metrics.get(name)
    assert (metric.name, metric.direction) == (name, direction)


def test_a_function_of_your_own_may_return_values_or_a_number():
    def per_sample(y_true, y_pred):
        assert type(y_true) is type(y_pred) is np.ndarray
        return y_pred[:, 0]

    def number(y_true, y_pred):
        return float(y_pred.mean())

    for function in (per_sample, number):
        metric = metrics.get(function)
        assert (metric.name, metric.direction) == (function.__name__, None)
        metric.update_state(np.zeros(4), np.ones((4, 1)))
        metric.update_state(np.zeros(1), np.full((1, 1), 6.0))
        assert metric.result() == pytest.approx(2.0)
    assert result(metrics.get(number), np.zeros(2), np.array([[1.0], [3.0]]), [1.0, 3.0]) == pytest.approx(2.0)


def test_a_function_of_the_wrong_length():
    with pytest.raises(ShapeError) as caught:
        result(metrics.MeanMetricWrapper(lambda y_true, y_pred: np.ones(3), "mine"), LABELS, P)
    assert str(caught.value) == "mine: expected one number or one per sample, shape (2,), received (3,)"


def test_instances_classes_and_our_own_functions():
    mine = metrics.TopKCategoricalAccuracy(k=2, name="top2")
    assert metrics.get(mine) is mine
    assert result(mine, ONE_HOT, np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])) == 0.5
    assert type(metrics.get(metrics.BinaryAccuracy)) is metrics.BinaryAccuracy
    assert metrics.get(metrics.accuracy).direction == "max"


def test_the_class_accuracy_compares_labels_as_in_keras():
    assert result(metrics.Accuracy(), np.array([1, 2, 3, 4]), np.array([0, 2, 3, 4])) == 0.75


def test_unknown_names_and_things():
    with pytest.raises(ArgumentError, match=r"^metric: expected one of accuracy, acc, binary_accuracy") as caught:
        metrics.get("acuracy")
    assert str(caught.value).endswith("received 'acuracy'; did you mean \"accuracy\"?")
    with pytest.raises(
        ArgumentTypeError, match=r"expected a name, a function \(y_true, y_pred\) or a Metric, received 3"
    ):
        metrics.get(3)


@pytest.mark.parametrize(
    ("function", "y_true", "text"),
    [
        ("sparse_categorical_accuracy", ONE_HOT, "labels of shape (2,), received (2, 3); one-hot labels go with"),
        ("mean_squared_error", LABELS, "y_true of y_pred's shape (2, 3), received (2,)"),
    ],
)
def test_shapes_that_do_not_fit(function, y_true, text):
    with pytest.raises(ShapeError, match=re.escape(text)):
        getattr(metrics, function)(y_true, P)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("BinaryAccuracy", "binary"),
        ("CategoricalAccuracy", "one-hot"),
        ("SparseCategoricalAccuracy", "sparse"),
        ("TopKCategoricalAccuracy", "one-hot"),
        ("SparseTopKCategoricalAccuracy", "sparse"),
        ("MeanSquaredError", "one-hot"),
        ("MeanAbsoluteError", "one-hot"),
        ("RootMeanSquaredError", "one-hot"),
        ("CategoricalCrossentropy", "one-hot"),
        ("SparseCategoricalCrossentropy", "sparse"),
        ("BinaryCrossentropy", "binary"),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_same_numbers_as_keras(name, labels, weighted):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(3)
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for n in (7, 3):
        p = rng.random((n, 1 if labels == "binary" else 10)).astype(np.float32)
        p = p if labels == "binary" else p / p.sum(axis=1, keepdims=True)
        sparse = rng.integers(0, 10, n)
        y = {"binary": rng.integers(0, 2, (n, 1)), "sparse": sparse, "one-hot": np.eye(10, dtype=np.float32)[sparse]}
        weights = rng.random(n).astype(np.float32) if weighted else None
        ours.update_state(y[labels], p, weights)
        theirs.update_state(y[labels], p, weights)
    assert ours.result() == pytest.approx(float(theirs.result()), rel=2e-6)
    assert {"max": "up", "min": "down"}[ours.direction] == theirs._direction


# counts at thresholds, areas, scores ----------------------------------------------------------------------------------

SCORES = np.array([0.1, 0.4, 0.35, 0.8])
TRUTH = np.array([0, 0, 1, 1])


def in_two(metric, y, p, w=None):
    """The result of two batches, the second into the state that the first left in another metric of the kind."""
    metric.update_state(y[:3], p[:3], None if w is None else w[:3])
    second = metric.independent_copy()
    metric.reset_state()
    second.set_state(second.get_state())
    second.update_state(y[3:], p[3:], None if w is None else w[3:])
    return second.result()


@pytest.mark.parametrize(
    ("metric", "expected", "weighted"),
    [  # by hand; weights 1, 2, 3, 4
        (metrics.TruePositives(0.3), 2, 7), (metrics.FalsePositives(0.3), 1, 2), (metrics.TrueNegatives(0.3), 1, 1),
        (metrics.FalseNegatives(0.3), 0, 0), (metrics.TruePositives(), 1, 4),
        (metrics.TruePositives([0.9, 0.3, 0.5]), [0, 2, 1], [0, 7, 4]),
        (metrics.Precision(0.3), 2 / 3, 7 / 9), (metrics.Recall(), 1 / 2, 4 / 7), (metrics.Recall([0.3, 0.9]), [1, 0], [1, 0]),
        (metrics.AUC(), 3 / 4, 5 / 7),  # the share of pairs in the right order
        (metrics.AUC(curve="pr"), 19 / 24, None),
        (metrics.SensitivityAtSpecificity(0.9), 1 / 2, 4 / 7), (metrics.SpecificityAtSensitivity(0.9), 1 / 2, 1 / 3),
        (metrics.PrecisionAtRecall(0.9), 2 / 3, 7 / 9), (metrics.RecallAtPrecision(0.9), 1 / 2, 4 / 7),
        (metrics.BinaryIoU(threshold=0.38), 1 / 3, (1 / 6 + 4 / 9) / 2),
        (metrics.Sum(), 2, None), (metrics.Mean(), 0.5, None),
        (metrics.LogCoshError(), np.log(np.cosh(SCORES - TRUTH)).mean(), None),
        (metrics.get("kld"), (TRUTH * np.log(1 / SCORES))[2:].sum(), None),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, metrics.Metric) else "",
)  # fmt: skip
def test_counts(metric, expected, weighted):
    if isinstance(metric, (metrics.Sum, metrics.Mean)) and type(metric).__name__ in ("Sum", "Mean"):
        metric.update_state(TRUTH)
        assert metric.result() == expected
        return
    p = SCORES[:, None] if metric.name == "kld" else SCORES
    y = TRUTH[:, None] if metric.name == "kld" else TRUTH
    scale = 4 if metric.name == "kld" else 1
    np.testing.assert_allclose(scale * in_two(metric, y, p), expected, rtol=0.011 if "auc" in metric.name else 1e-5)
    if weighted is not None:
        tolerance = 0.011 if "auc" in metric.name else 1e-5
        np.testing.assert_allclose(in_two(metric, y, p, np.array([1.0, 2, 3, 4])), weighted, rtol=tolerance)


Y3 = np.eye(3)[[0, 1, 2, 2]]
P3 = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [0.1, 0.2, 0.7], [0.5, 0.1, 0.4]])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [  # predicted classes 0, 2, 2, 0
        (metrics.F1Score(), [2 / 3, 0, 1 / 2]), (metrics.F1Score("micro"), 1 / 2), (metrics.F1Score("macro"), 7 / 18),
        (metrics.F1Score("weighted"), (2 / 3 + 2 / 2) / 4), (metrics.F1Score(threshold=0.35), [2 / 3, 0, 4 / 5]),
        (metrics.FBetaScore(beta=2.0), [5 / 6, 0, 1 / 2]), (metrics.OneHotMeanIoU(3), (1 / 2 + 0 + 1 / 3) / 3),
        (metrics.OneHotIoU(3, [0]), 1 / 2), (metrics.MeanIoU(3, sparse_y_true=False, sparse_y_pred=False, ignore_class=1), 1 / 2),
        (metrics.Precision(top_k=1), 1 / 2), (metrics.Recall(top_k=2), 3 / 4), (metrics.Precision(0.3, class_id=2), 2 / 3),
        (metrics.AUC(multi_label=True), (1 + 1 + 7 / 8) / 3),
        (metrics.R2Score(class_aggregation=None), 1 - ((Y3 - P3) ** 2).sum(0) / ((Y3 - Y3.mean(0)) ** 2).sum(0)),
        (metrics.CosineSimilarity(), ((Y3 * P3).sum(1) / np.linalg.norm(P3, axis=1)).mean()),
        (metrics.PearsonCorrelation(), np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(Y3, P3, strict=True)])),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, metrics.Metric) else "",
)  # fmt: skip
def test_scores_of_classes(metric, expected):
    np.testing.assert_allclose(in_two(metric, Y3, P3), expected, rtol=0.011 if "auc" in metric.name else 1e-5)


def test_strings_keep_their_name_and_instances_are_numbered():
    names = ["AUC", "auc", "Precision", "recall", "TruePositives", "f1_score", "huber", "poisson", "kullback_leibler_divergence"]
    assert [metrics.get(name).name for name in names] == names
    first, second = metrics.AUC(), metrics.AUC()
    number = int([*first.name.split("_"), "0"][1])
    assert second.name == f"auc_{number + 1}"
    assert metrics.unique_names([metrics.get("auc"), metrics.get("auc")], []) == ["auc", "auc_1"]
    assert [metrics.get(n).direction for n in ("AUC", "huber", "false_positives", "true_positives")] == ["max", "min", "min", None]


def test_training_with_them(rng):
    """In fit and evaluate, with arrays in the History and nested lists, as Keras takes them."""
    x, y = rng.random((12, 5)), np.eye(3)[np.arange(12) % 3]
    model = Sequential([Input((5,)), Dense(3, activation="softmax")], seed=1)
    model.compile("sgd", "categorical_crossentropy", metrics=[["accuracy", "AUC", metrics.F1Score(), metrics.Recall(top_k=2)]])
    history = model.fit(x, y, epochs=2, batch_size=4, verbose=0).history
    p = model.predict(x)
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    assert found["AUC"] == pytest.approx(result(metrics.AUC(), y, p))
    np.testing.assert_allclose(found["f1_score"], result(metrics.F1Score(), y, p))
    assert len(history["AUC"]) == 2
    assert history["f1_score"][0].shape == (3,)


def test_a_metric_as_keras_scripts_write_it(rng):
    """add_weight, assign_add, result; a state that is reset for every pass."""

    class MyRecall(metrics.Metric):
        def __init__(self, name="my_recall", **kwargs):
            super().__init__(name=name, **kwargs)
            self.tp = self.add_weight(name="tp", initializer="zeros")
            self.all = self.add_weight("all", initializer="zeros")

        def update_state(self, y_true, y_pred, sample_weight=None):
            hits = np.round(y_pred) * y_true
            self.tp.assign_add(hits.sum())
            self.all.assign_add(y_true.sum())

        def result(self):
            return self.tp / (self.all + 1e-7)

    y, p = rng.integers(0, 2, (10, 3)), rng.random((10, 3))
    metric = MyRecall()
    assert float(np.asarray(metric(y, p))) == pytest.approx(result(metrics.Recall(), y, p), rel=1e-6)
    other = MyRecall()
    other.set_state(metric.get_state())
    assert np.asarray(other.result()) == np.asarray(metric.result())
    apart = metric.independent_copy()
    apart.reset_state()
    assert np.asarray(metric.result()) > 0
    x, t = rng.random((12, 4)), rng.integers(0, 2, (12, 3)).astype(float)
    model = Sequential([Input((4,)), Dense(3, activation="sigmoid")], seed=1)
    model.compile("sgd", "binary_crossentropy", metrics=[metric])
    model.fit(x, t, verbose=0)
    expected = result(metrics.Recall(), t, model.predict(x))
    assert model.evaluate(x, t, verbose=0)[1] == pytest.approx(expected, rel=1e-6)
