"""Losses: Keras's numbers, fused against unfused, reductions, smoothing, weights, refused targets."""

# ruff: noqa: E501  (messages are compared word for word, each on its line)

import numpy as np
import pytest

from minicnn import Tensor, check_grad, errors, losses, ops
from minicnn.backend.cpu import CPU
from minicnn.layers import Dense, Input
from minicnn.ops.activation import sigmoid, softmax
from minicnn.optimizers import SGD
from minicnn.training.sequential import Sequential

L = losses
P = np.array([[0.05, 0.95, 0], [0.1, 0.8, 0.1]])
ONE_HOT = np.eye(3)[[1, 2]]
B = np.array([[0.6, 0.4], [0.4, 0.6]])
YB = np.array([[0.0, 1], [0, 0]])
BACKENDS = [pytest.param(CPU("numpy_ref", "float64"), id="float64"), pytest.param(CPU("numba_cpu"), id="float32")]


@pytest.mark.parametrize(
    ("loss", "y", "p", "expected"),
    [
        (L.CategoricalCrossentropy(), ONE_HOT, P, 1.1769392),
        (L.CategoricalCrossentropy(label_smoothing=0.1), ONE_HOT, P, 1.4591359),
        (L.SparseCategoricalCrossentropy(), [1, 2], P, 1.1769392),
        (L.SparseCategoricalCrossentropy(), [[1], [2]], P, 1.1769392),
        (L.BinaryCrossentropy(), YB, B, 0.8149245),
        (L.BinaryCrossentropy(label_smoothing=0.1), YB, B, 0.8047878),
        (L.MeanSquaredError(), YB, B, 0.31),
        (L.MeanAbsoluteError(), YB, B, 0.55),
    ],
)
def test_golden(loss, y, p, expected):
    assert loss(y, p) == pytest.approx(expected, abs=1e-7)
    assert loss(y, p.astype(np.float32)) == pytest.approx(expected, rel=1e-6)
    assert isinstance(loss(Tensor(np.asarray(y)), Tensor(p)), Tensor)


def test_smoothed_targets_are_targets():
    """With outputs that are not symmetric about 1/2: there a shift of all targets cancels."""
    y, p = np.array([[1.0, 0.0]]), np.array([[0.9, 0.3]])
    expected = L.BinaryCrossentropy()(np.array([[0.95, 0.05]]), p)
    assert L.BinaryCrossentropy(label_smoothing=0.1)(y, p) == pytest.approx(expected, rel=1e-12)
    z = np.log(p / (1 - p))
    assert L.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)(y, z) == pytest.approx(expected, rel=1e-12)
    y, p = np.array([[1.0, 0.0, 0.0]]), np.array([[0.6, 0.3, 0.1]])
    expected = L.CategoricalCrossentropy()(np.array([[0.8, 0.1, 0.1]]), p)
    assert L.CategoricalCrossentropy(label_smoothing=0.3)(y, p) == pytest.approx(expected, rel=1e-12)


def test_whole_numbers_are_no_trap():
    assert L.MeanSquaredError()([[0.5]], [[1]]) == 0.25
    assert L.MeanAbsoluteError()([[1]], [[0.5]]) == 0.5


def test_probabilities_are_normalised_and_clipped():
    assert L.CategoricalCrossentropy()([[1, 0]], [[2.0, 6]]) == pytest.approx(np.log(4))
    assert L.CategoricalCrossentropy()([[1, 0]], [[0.0, 1]]) == pytest.approx(-np.log(1e-7))


@pytest.mark.parametrize("be", BACKENDS)
@pytest.mark.parametrize(("cls", "activation"), [(L.CategoricalCrossentropy, softmax), (L.BinaryCrossentropy, sigmoid)])
@pytest.mark.parametrize("smoothing", [0, 0.2])
def test_fused_equals_unfused(rng, be, cls, activation, smoothing):
    z, t = rng.standard_normal((6, 4)), np.eye(4)[rng.integers(0, 4, 6)]
    loss, both = cls(label_smoothing=smoothing), []
    assert loss.fused is activation
    for logits in (True, False):
        x = Tensor(z, be, requires_grad=True)
        values = loss.values(be.asarray(t), x if logits else activation(x), logits=logits)
        loss.reduce(values).backward()
        both.append((values.numpy(), x.grad))
    tolerance = 1e-6 if be.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(both[0][0], both[1][0], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(both[0][1], both[1][1], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(cls(from_logits=True, label_smoothing=smoothing)(t, z), both[0][0].mean(), rtol=1e-5)


@pytest.mark.parametrize("be", BACKENDS)
@pytest.mark.parametrize("cls", [L.CategoricalCrossentropy, L.BinaryCrossentropy])
def test_fused_is_finite_and_exact_far_out(be, cls):
    z = Tensor(np.array([[1e4, -1e4], [-1e4, 1e4]]), be, requires_grad=True)
    loss = cls()
    values = loss.values(be.asarray([[0.0, 1], [0, 1]]), z, logits=True)
    loss.reduce(values).backward()
    np.testing.assert_allclose(values.numpy(), [2e4 if cls is L.CategoricalCrossentropy else 1e4, 0])
    share = 2 if cls is L.CategoricalCrossentropy else 4
    np.testing.assert_allclose(z.grad, np.array([[1, -1], [0, 0]]) / share, atol=1e-12)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", None])
def test_reductions(rng, reduction):
    y, p, w = rng.random((4, 3)), rng.random((4, 3)), np.array([1.0, 0, 2, 0.5])
    values = ((y - p) ** 2).mean(axis=1)
    loss = L.MeanSquaredError(reduction=reduction)
    plain, weighted = {
        "sum_over_batch_size": (values.mean(), (values * w).mean()),  # divided by the number of values, not by sum w
        "sum": (values.sum(), (values * w).sum()),
        "mean_with_sample_weight": (values.mean(), (values * w).sum() / w.sum()),
        None: (values, values * w),
    }[reduction]
    np.testing.assert_allclose(loss(y, p), plain)
    np.testing.assert_allclose(loss(y, p, w), weighted)
    np.testing.assert_allclose(loss(y, p, w[:, None]), weighted)


def test_reductions_of_images(rng):
    """Targets with more axes: a value per pixel, and a weight per image."""
    y, p, w = rng.random((2, 3, 4)), rng.random((2, 3, 4)), np.array([1.0, 3])
    values = ((y - p) ** 2).mean(axis=-1)  # (2, 3)
    assert L.MeanSquaredError()(y, p, w) == pytest.approx((values * w[:, None]).mean())
    mean = (values * w[:, None]).sum() / (3 * w.sum())
    assert L.MeanSquaredError("mean_with_sample_weight")(y, p, w) == pytest.approx(mean)


@pytest.mark.parametrize(
    ("loss", "t", "y"),
    [
        (L.CategoricalCrossentropy(label_smoothing=0.1), np.eye(3)[[0, 2]], [[0.2, 0.3, 0.6], [0.4, 0.4, 0.1]]),
        (L.CategoricalCrossentropy(from_logits=True), np.eye(3)[[0, 2]], [[2.0, 0.3, -0.6], [0.4, 0.4, 0.1]]),
        (L.BinaryCrossentropy(), YB, B),
        (L.MeanSquaredError("sum"), YB, B),
        (L.MeanAbsoluteError(), YB, B),
    ],
)
def test_gradients(rng, loss, t, y):
    w = np.array([1.0, 2.5])
    check_grad(lambda p: loss.reduce(loss.values(t, p), w), [np.array(y)], rng=rng)


def test_shapes_of_one_output():
    """(N,) targets for outputs (N, 1)."""
    assert L.MeanSquaredError()([1, 2], [[1.0], [4]]) == 2
    assert L.BinaryCrossentropy()([1, 0], [[0.5], [0.5]]) == pytest.approx(np.log(2))


def test_dense_predictions_over_images(rng):
    """Class numbers per pixel, fused through a reshape."""
    z, y = rng.standard_normal((2, 3, 4)), rng.integers(0, 4, (2, 3))
    loss = L.SparseCategoricalCrossentropy(from_logits=True, reduction="none")
    log_p = z - np.log(np.exp(z).sum(-1, keepdims=True))
    np.testing.assert_allclose(loss(y, z), -np.take_along_axis(log_p, y[..., None], -1)[..., 0], rtol=1e-12)


# every other loss, from its formula -------------------------------------------------------------------------------------

EPS = 1e-7
SCORES = np.array([[0.3, -1.4, 2.2], [-0.1, 0.6, -2.5]])
TARGETS = np.array([[0.1, 0.9, 2.0], [-0.7, 0.4, 0.8]])
PAIRS = np.array([[1.0, -1, 1], [-1, 1, 1]])
Q = np.array([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2]])
T01 = np.array([[1.0, 0, 1], [0, 0, 1]])
SOFT = np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])


def norm(x, axis=-1):
    return x / np.sqrt((x * x).sum(axis=axis, keepdims=True))


def short(t, y):
    return np.maximum(1 - t * y, 0)


def focal(t, p, gamma=2.0, alpha=None):
    p_t = t * p + (1 - t) * (1 - p)
    return (-((1 - p_t) ** gamma) * np.log(p_t) * (1 if alpha is None else t * alpha + (1 - t) * (1 - alpha))).mean(-1)


def overlap(t, y, axis=None):
    return 1 - 2 * (t * y).sum(axis) / (t.sum(axis) + y.sum(axis) + EPS)


FORMULAS = [
    (L.MeanAbsolutePercentageError, {}, TARGETS, SCORES, lambda t, y: 100 * (np.abs(y - t) / np.abs(t)).mean(-1)),
    (L.MeanSquaredLogarithmicError, {}, T01 * 3, Q, lambda t, y: ((np.log1p(np.maximum(t, EPS)) - np.log1p(y)) ** 2).mean(-1)),
    (L.Huber, {}, TARGETS, SCORES, lambda t, y: np.where(np.abs(y - t) <= 1, (y - t) ** 2 / 2, np.abs(y - t) - 0.5).mean(-1)),
    (L.Huber, {"delta": 0.3}, TARGETS, SCORES, lambda t, y: np.where(np.abs(y - t) <= 0.3, (y - t) ** 2 / 2, 0.3 * np.abs(y - t) - 0.045).mean(-1)),
    (L.LogCosh, {}, TARGETS, SCORES, lambda t, y: np.log(np.cosh(y - t)).mean(-1)),
    (L.CosineSimilarity, {}, TARGETS, SCORES, lambda t, y: -(norm(t) * norm(y)).sum(-1)),
    (L.CosineSimilarity, {"axis": 1}, TARGETS, SCORES, lambda t, y: -(norm(t) * norm(y)).sum(-1)),
    (L.KLDivergence, {}, SOFT, Q, lambda t, y: (np.maximum(t, EPS) * np.log(np.maximum(t, EPS) / y)).sum(-1)),
    (L.Poisson, {}, T01 * 3, Q, lambda t, y: (y - t * np.log(y + EPS)).mean(-1)),
    (L.Hinge, {}, PAIRS, SCORES, lambda t, y: short(t, y).mean(-1)),
    (L.Hinge, {}, T01, SCORES, lambda t, y: short(2 * t - 1, y).mean(-1)),
    (L.SquaredHinge, {}, PAIRS, SCORES, lambda t, y: (short(t, y) ** 2).mean(-1)),
    (L.CategoricalHinge, {}, ONE_HOT, SCORES, lambda t, y: np.maximum(((1 - t) * y).max(-1) - (t * y).sum(-1) + 1, 0)),
    (L.BinaryFocalCrossentropy, {}, T01, Q, focal),
    (L.BinaryFocalCrossentropy, {"gamma": 0}, T01, Q, lambda t, y: focal(t, y, 0)),
    (L.BinaryFocalCrossentropy, {"apply_class_balancing": True, "gamma": 1.5, "alpha": 0.3}, T01, Q, lambda t, y: focal(t, y, 1.5, 0.3)),
    (L.CategoricalFocalCrossentropy, {}, ONE_HOT, Q, lambda t, y: -(0.25 * t * (1 - y) ** 2 * np.log(y)).sum(-1)),
    (L.CategoricalFocalCrossentropy, {"alpha": [0.1, 0.2, 0.7], "gamma": 1}, ONE_HOT, Q, lambda t, y: -([0.1, 0.2, 0.7] * t * (1 - y) * np.log(y)).sum(-1)),
    (L.CategoricalGeneralizedCrossEntropy, {"q": 0.7}, ONE_HOT.argmax(1), Q, lambda t, y: (1 - y[[0, 1], t] ** 0.7) / 0.7),
    (L.Dice, {}, T01, Q, overlap),
    (L.Dice, {"axis": 1}, T01, Q, lambda t, y: overlap(t, y, 1)),
    (L.Dice, {"axis": [0, 1]}, T01, Q, lambda t, y: overlap(t, y)),
    (L.Tversky, {}, T01, Q, overlap),
    (L.Tversky, {"alpha": 0.2, "beta": 0.9, "axis": -1}, T01, Q, lambda t, y: 1 - (t * y).sum(1) / ((t * y).sum(1) + 0.2 * (t * (1 - y)).sum(1) + 0.9 * ((1 - t) * y).sum(1))),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "options", "t", "y", "formula"), FORMULAS, ids=lambda v: getattr(v, "__name__", ""))
def test_formulas(rng, cls, options, t, y, formula):
    expected = formula(t, y)
    np.testing.assert_allclose(cls(reduction="none", **options)(t, y), expected, rtol=2e-6)
    np.testing.assert_allclose(cls(**options)(t, y), np.mean(expected), rtol=2e-6)
    loss, w = cls(**options), np.array([1.0, 2.5])
    np.testing.assert_allclose(loss(t, y, w), np.mean(expected * w), rtol=2e-6)
    target = loss.prepare(t, y.shape[1:]).astype(np.float64)
    check_grad(lambda p: loss.reduce(loss.values(target, p), w), [np.array(y)], rng=rng)
    function = next(f for f, its in L.BY_FUNCTION.items() if its is cls)
    np.testing.assert_allclose(function(t, y, **options), expected, rtol=2e-6)
    np.testing.assert_allclose(function(Tensor(t * 1.0), Tensor(y), **options).numpy(), expected, rtol=2e-6)


@pytest.mark.parametrize(("cls", "options", "t", "y", "formula"), FORMULAS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_step_of_the_program_is_the_tape_s(rng, cls, options, t, y, formula):
    """Written down, and with sample weights: no node runs on the tape, and the weights move as they should."""
    model = Sequential([Input((2,)), Dense(3, activation="sigmoid")], device=BACKENDS[0].values[0], seed=3)
    loss = cls(**options)
    model.compile(SGD(1.0), loss)
    x, w = rng.standard_normal((2, 2)), np.array([0.5, 2.0])
    kernel, bias = (Tensor(p.numpy().copy(), requires_grad=True) for p in model.weights)
    expected = loss(t, sigmoid(Tensor(x) @ kernel + bias), w)
    expected.backward()
    assert model.train_on_batch(x, t, sample_weight=w) == pytest.approx(float(expected.numpy()), rel=1e-9)
    (program,) = model.programs.made.values()
    assert "on_tape" not in {node.name for node in program.nodes}
    for p, before in zip(model.weights, (kernel, bias), strict=True):
        np.testing.assert_allclose(p.numpy(), before.numpy() - before.grad, rtol=1e-9, atol=1e-12)


def test_a_function_of_ours_trains_as_its_class():
    """loss=losses.categorical_crossentropy is fused with the softmax, as the name is."""
    for given in (L.categorical_crossentropy, "CategoricalCrossentropy"):
        model = Sequential([Input((2,)), Dense(3, activation="softmax")], seed=3)
        model.compile("sgd", given)
        assert model.fused


def test_logits_of_focal_losses():
    z = np.log(Q)
    for cls, t, p in ((L.CategoricalFocalCrossentropy, ONE_HOT, Q), (L.BinaryFocalCrossentropy, T01, Q / (1 + Q))):
        assert cls(from_logits=True)(t, z) == pytest.approx(cls()(t, p), rel=1e-9)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "sum", "none"])
@pytest.mark.parametrize("logits", [False, True])
def test_an_ignored_class_counts_nowhere(rng, reduction, logits):
    y, z = np.array([[0, 3], [255, 1]]), rng.standard_normal((2, 2, 4))
    z = z if logits else softmax(Tensor(z)).numpy()
    rows = L.sparse_categorical_crossentropy([0, 3, 1], z.reshape(4, 4)[[0, 1, 3]], from_logits=logits)
    loss = L.SparseCategoricalCrossentropy(logits, ignore_class=255, reduction=reduction)
    expected = {"sum": rows.sum(), "none": [[rows[0], rows[1]], [0, rows[2]]]}.get(reduction, rows.mean())
    np.testing.assert_allclose(loss(y, z), expected, rtol=1e-9)
    np.testing.assert_allclose(L.SparseCategoricalCrossentropy(ignore_class=0)([0, 0], Q), 0)
    both = Tensor(y * 1.0), Tensor(z)
    each = L.sparse_categorical_crossentropy(*both, from_logits=logits, ignore_class=255).numpy()
    np.testing.assert_allclose(each, [[rows[0], rows[1]], [0, rows[2]]], rtol=1e-9)


def test_classes_on_another_axis(rng):
    y, p = rng.integers(0, 3, (2, 4)), rng.dirichlet(np.ones(3), (2, 4))
    swapped = np.moveaxis(p, -1, 1)
    for axis in (1, -2):
        loss = L.SparseCategoricalCrossentropy(axis=axis)
        assert loss.fused is None
        assert loss(y, swapped) == pytest.approx(L.SparseCategoricalCrossentropy()(y, p), rel=1e-12)
        hot = L.CategoricalCrossentropy(axis=axis, label_smoothing=0.1)(np.moveaxis(np.eye(3)[y], -1, 1), swapped)
        assert hot == pytest.approx(L.CategoricalCrossentropy(label_smoothing=0.1)(np.eye(3)[y], p), rel=1e-12)
    z = np.log(swapped)
    assert L.SparseCategoricalCrossentropy(True, axis=1)(y, z) == pytest.approx(loss(y, swapped), rel=1e-9)


def test_a_class_of_your_own():
    """Keras's way: call(y_true, y_pred), with targets of any shape."""

    class Mine(L.Loss):
        def __init__(self, factor=2.0, **kwargs):
            super().__init__(**kwargs)
            self.factor = factor

        def call(self, y_true, y_pred):
            return L.sparse_categorical_crossentropy(y_true, y_pred) * self.factor

    assert not Mine().traced
    assert Mine(name="mine")([1, 2], P) == pytest.approx(2 * 1.1769392, abs=1e-6)
    assert L.Huber().traced
    with pytest.raises(NotImplementedError, match=r"Loss: write call\(self, y_true, y_pred\)"):
        L.Loss()(YB, B)


def test_a_far_error_stays_finite():
    e = Tensor(np.array([1e4, -1e4]), requires_grad=True)
    y = ops.loss.log_cosh(e)
    y.sum().backward()
    np.testing.assert_allclose(y.numpy(), 1e4 - np.log(2))
    np.testing.assert_allclose(e.grad, [1, -1])


# names and functions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("categorical_crossentropy", L.CategoricalCrossentropy), ("CategoricalCrossentropy", L.CategoricalCrossentropy),
        ("sparse_categorical_crossentropy", L.SparseCategoricalCrossentropy), ("mse", L.MeanSquaredError),
        ("MSE", L.MeanSquaredError), ("mean_squared_error", L.MeanSquaredError), ("mae", L.MeanAbsoluteError),
        ("kullback_leibler_divergence", L.KLDivergence), ("KLD", L.KLDivergence), ("kld", L.KLDivergence),
        ("huber", L.Huber), ("huber_loss", L.Huber), ("logcosh", L.LogCosh), ("log_cosh", L.LogCosh), ("Huber", L.Huber),
        ("mape", L.MeanAbsolutePercentageError), ("msle", L.MeanSquaredLogarithmicError), ("poisson", L.Poisson),
        ("hinge", L.Hinge), ("cosine_similarity", L.CosineSimilarity), ("dice", L.Dice), (L.huber, L.Huber),
        (L.categorical_crossentropy, L.CategoricalCrossentropy), (L.mse, L.MeanSquaredError),
        ("binary_crossentropy", L.BinaryCrossentropy), ("bce", L.BinaryCrossentropy), (L.MeanSquaredError, L.MeanSquaredError),
    ],
)  # fmt: skip
def test_names(name, cls):
    assert type(L.get(name)) is cls


def test_a_function_is_a_loss():
    def cubic(y_true, y_pred):
        assert isinstance(y_true, Tensor)
        return ops.arithmetic.absolute(y_true - y_pred) ** 3

    loss = L.get(cubic)
    assert loss.name == "cubic"
    assert L.get(loss) is loss
    assert loss([[0.0, 1]], [[2.0, 1]]) == 4  # the mean of 8 and 0
    check_grad(lambda y: loss.reduce(loss.values(YB, y)), [B])


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda t, y: np.mean(y.numpy()), TypeError, "loss <lambda>: expected a Tensor made from y_pred, received float64"),
        (lambda t, y: t * 2, ValueError, "loss <lambda>: expected a Tensor made from y_pred by ops, received one that does not depend on it; nothing could be learned from it"),
    ],
)  # fmt: skip
def test_a_function_must_use_its_tensor(function, error, message):
    with pytest.raises(error) as caught:
        L.get(function).values(YB, Tensor(B, requires_grad=True))
    assert str(caught.value) == message


# refused --------------------------------------------------------------------------------------------------------------

SPARSE, CATEGORICAL = "sparse_categorical_crossentropy", "categorical_crossentropy"


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        (SPARSE, ONE_HOT, f'{SPARSE}: expected class numbers of shape (N,), received one-hot targets of shape (2, 3); use loss="categorical_crossentropy", or y.argmax(axis=-1)'),
        (CATEGORICAL, [1, 2], f'{CATEGORICAL}: expected one-hot targets of shape (N, 3), received class numbers of shape (2,); use to_categorical(y, 3), or loss="sparse_categorical_crossentropy"'),
        (CATEGORICAL, [[1], [2]], f'{CATEGORICAL}: expected one-hot targets of shape (N, 3), received class numbers of shape (2, 1); use to_categorical(y, 3), or loss="sparse_categorical_crossentropy"'),
        (CATEGORICAL, np.eye(4)[:2], f"{CATEGORICAL}: expected one-hot targets of shape (N, 3), received (2, 4)"),
        (CATEGORICAL, [[1, 0, 0], [0, np.nan, 1]], f"{CATEGORICAL}: expected targets from 0 to 1, received nan in row 1; correct or remove that row"),
        (CATEGORICAL, [[1, 0, 0], [0, 2, 0]], f"{CATEGORICAL}: expected targets from 0 to 1, received 2 in row 1; correct or remove that row"),
        (CATEGORICAL, [["a", "b", "c"]] * 2, f"{CATEGORICAL}: y_true: expected an array of numbers, received dtype <U1"),
        (SPARSE, [1, 3], "y: expected whole numbers from 0 to 2, received 3 in row 1; correct that label or the number of classes"),
        (SPARSE, [-1, 2], "y: expected whole numbers from 0 to 2, received -1 in row 0; correct that label or the number of classes"),
        (SPARSE, [1, 1.5], "y: expected whole numbers from 0 to 2, received 1.5 in row 1; correct that label or the number of classes"),
        (SPARSE, [1, np.nan], "y: expected whole numbers from 0 to 2, received nan in row 1; correct that label or the number of classes"),
        ("binary_crossentropy", [[0, 1, -1], [0, 0, 0]], "binary_crossentropy: expected targets from 0 to 1, received -1 in row 0; correct or remove that row"),
        ("mse", [[0, 1, np.inf], [0, 0, 0]], "mean_squared_error: expected finite targets, received inf in row 0; correct or remove that row"),
        ("mse", [1, 2], "mean_squared_error: expected targets of shape (N, 3), received (2,)"),
    ],
)  # fmt: skip
def test_targets_are_checked(loss, y, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared)
        L.get(loss)(np.asarray(y), P)
    assert str(caught.value) == message
    assert isinstance(caught.value, errors.MinicnnError)


ELEMENTWISE = ("MeanSquaredError", "Hinge", "BinaryCrossentropy", "BinaryFocalCrossentropy")


@pytest.mark.parametrize(("cls", "y", "classes"), [
    *((cls, y, 1) for cls in ELEMENTWISE for y in ([[np.nan], [1]], [[1], [np.inf]])),
    ("CategoricalCrossentropy", [[np.nan, 1], [1, 0]], 2), ("CategoricalCrossentropy", [[5, 0], [1, 0]], 2),
    ("SparseCategoricalCrossentropy", [[7], [0]], 1), ("SparseCategoricalCrossentropy", [[7], [0]], 2),
    ("SparseCategoricalCrossentropy", [[0.5], [0]], 1), ("CategoricalGeneralizedCrossEntropy", [[7], [0]], 1),
])  # fmt: skip
def test_targets_that_a_program_computes_are_checked_as_well(cls, y, classes):
    p = np.array([[0.2, 0.8], [0.7, 0.3]])[:, :classes]
    with pytest.raises(errors.DataError):
        getattr(L, cls)()(Tensor(np.array(y, float)), Tensor(p))


@pytest.mark.parametrize("loss", [L.BinaryCrossentropy(), L.BinaryFocalCrossentropy(gamma=0)])
def test_yes_or_no_labels_that_a_program_computes_may_leave_0_to_1(loss):
    """One-sided noise of a GAN. The formula has no such bounds; a column of data has."""
    t, p = np.array([[1.05], [-0.1]]), np.array([[0.2], [0.7]])
    expected = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
    np.testing.assert_allclose(loss(Tensor(t), Tensor(p)).numpy(), expected, rtol=1e-6)
    with pytest.raises(errors.DataError, match="targets from 0 to 1"):
        loss(t, p)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: L.get("categorical_crossentropie"), ValueError, 'did you mean "categorical_crossentropy"?'),
        (lambda: L.get(3), TypeError, "loss: expected a name, a function or a Loss, received 3"),
        (lambda: L.CategoricalCrossentropy(label_smoothing=2), ValueError, "CategoricalCrossentropy: label_smoothing: expected a number from 0 to 1, received 2"),
        (lambda: L.MeanSquaredError("median"), ValueError, "MeanSquaredError: reduction: expected one of sum_over_batch_size, mean, sum, mean_with_sample_weight, none, received 'median'"),
        (lambda: L.CategoricalCrossentropy(axis=2)(ONE_HOT, P), ValueError, "categorical_crossentropy: axis: expected axes of samples, up to 1, received 2"),
        (lambda: L.Huber(delta=0), ValueError, "Huber: delta: expected a finite number above 0, received 0"),
        (lambda: L.SparseCategoricalCrossentropy(ignore_class=-1)([-2, 1], P), ValueError, "received -2 in row 0"),
        (lambda: L.huber(ONE_HOT, P, delta="x"), TypeError, "Huber: delta"),
        (lambda: L.huber(ONE_HOT), TypeError, "huber: expected arguments of y_true, y_pred, delta, received no 'y_pred'"),
        (lambda: L.huber(ONE_HOT, P, dalta=2), TypeError, "huber: expected arguments of y_true, y_pred, delta, received 'dalta'; did you mean \"delta\"?"),
    ],
)  # fmt: skip
def test_errors(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
    assert isinstance(caught.value, errors.MinicnnError)
