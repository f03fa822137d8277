"""Losses: Keras's numbers, fused against unfused, reductions, smoothing, weights, refused targets."""

# ruff: noqa: E501  (messages are compared word for word, each on its line)

import numpy as np
import pytest

from minicnn import Tensor, check_grad, errors, losses, ops
from minicnn.backend.cpu import CPU
from minicnn.ops.activation import sigmoid, softmax

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


# names and functions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("categorical_crossentropy", L.CategoricalCrossentropy), ("CategoricalCrossentropy", L.CategoricalCrossentropy),
        ("sparse_categorical_crossentropy", L.SparseCategoricalCrossentropy), ("mse", L.MeanSquaredError),
        ("MSE", L.MeanSquaredError), ("mean_squared_error", L.MeanSquaredError), ("mae", L.MeanAbsoluteError),
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


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: L.get("categorical_crossentropie"), ValueError, 'did you mean "categorical_crossentropy"?'),
        (lambda: L.get(3), TypeError, "loss: expected a name, a function or a Loss, received 3"),
        (lambda: L.CategoricalCrossentropy(label_smoothing=2), ValueError, "CategoricalCrossentropy: label_smoothing: expected a number from 0 to 1, received 2"),
        (lambda: L.MeanSquaredError("median"), ValueError, "MeanSquaredError: reduction: expected one of sum_over_batch_size, sum, mean_with_sample_weight, none, received 'median'"),
        (lambda: L.CategoricalCrossentropy(axis=1), ValueError, "CategoricalCrossentropy: axis: expected -1, received 1"),
    ],
)  # fmt: skip
def test_errors(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
    assert isinstance(caught.value, errors.MinicnnError)
