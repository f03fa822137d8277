"""Forward values: golden vectors measured on Keras, and direct loops written without the code under test."""

# ruff: noqa: E501  (messages are compared word for word, each on its line)

import math

import numpy as np
import pytest

from minicnn import Tensor, ops
from minicnn.backend.cpu import CPU
from minicnn.errors import ArgumentError, ShapeError
from minicnn.kernels import Key
from minicnn.ops.geometry import output_size, resolve_pads

from .. import reference

V, A = ops.activation, ops.arithmetic
GRID = np.arange(1.0, 17).reshape(1, 4, 4, 1)
BACKENDS = [pytest.param(CPU("numpy_ref", "float64"), id="numpy_ref"), pytest.param(CPU("numba_cpu"), id="numba_cpu")]
backends = pytest.mark.parametrize("be", BACKENDS)


def close(actual, expected, be, **tolerance):
    tolerance = tolerance or ({"rtol": 1e-12} if be.dtype == np.float64 else {"rtol": 2e-6, "atol": 2e-6})
    np.testing.assert_allclose(actual, expected, **tolerance)


def same(window, strides, size=(4, 4)):
    return {"strides": strides, "pads": resolve_pads("same", size, window, strides)}


# conv and pool, Keras's numbers ---------------------------------------------------------------------------------------


@backends
def test_same_convolutions_golden(be):
    ones = lambda k: Tensor(np.ones((k, k, 1, 1)), be)  # noqa: E731
    y = ops.conv.conv2d(Tensor(GRID, be), ones(2), None, **same((2, 2), (1, 1)))
    assert y.numpy()[0, 0, :, 0].tolist() == [14, 18, 22, 12]
    y = ops.conv.conv2d(Tensor(GRID, be), ones(3), None, **same((3, 3), (2, 2)))
    assert y.numpy()[0, :, :, 0].tolist() == [[54, 45], [72, 54]]


@backends
def test_same_pools_golden(be):
    y = ops.pool.average_pool(Tensor(GRID, be), window=(3, 3), **same((3, 3), (2, 2)))
    assert y.numpy()[0, :, :, 0].tolist() == [[6, 7.5], [12, 13.5]]
    y = ops.pool.max_pool(Tensor(GRID, be), window=(3, 3), **same((3, 3), (2, 2)))
    assert y.numpy()[0, :, :, 0].tolist() == [[11, 12], [15, 16]]
    y = ops.pool.max_pool(Tensor(-GRID, be), window=(3, 3), **same((3, 3), (2, 2)))
    assert y.numpy()[0, 1, 1, 0] == -11  # padding never wins


@backends
def test_batch_norm_golden(be):
    x = Tensor(np.arange(8.0).reshape(4, 2), be)
    y, mean, var = ops.norm.batch_norm(x, np.ones(2), np.zeros(2))
    close(y.numpy()[:, 0], [-1.3415067, -0.4471689, 0.4471689, 1.3415067], be, atol=1e-6)
    close(y.numpy()[:, 1], y.numpy()[:, 0], be)
    close(mean, [3, 4], be)
    close(var, [5, 5], be)


@backends
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (2, 3)])
@pytest.mark.parametrize("window", [(1, 1), (3, 3), (3, 2)])
def test_windows_against_loops(rng, be, window, strides, padding):
    x, w, b = (rng.standard_normal(s) for s in ((2, 5, 7, 3), (*window, 3, 4), (4,)))
    static = {"strides": strides, "pads": resolve_pads(padding, (5, 7), window, strides)}
    for relu in (False, True):
        y = ops.conv.conv2d(Tensor(x, be), w, b, relu=relu, **static)
        close(
            y.numpy(),
            reference.conv2d(x, w, b, relu=relu, **static),
            be,
            atol=1e-13 if be.dtype == np.float64 else 1e-5,
        )
        assert y.shape[1:3] == output_size("", (5, 7), window, strides, static["pads"])
    y = ops.pool.max_pool(Tensor(x, be), window=window, **static)
    close(y.numpy(), reference.max_pool(x, window=window, **static)[0], be)
    y = ops.pool.average_pool(Tensor(x, be), window=window, **static)
    close(y.numpy(), reference.average_pool(x, window=window, **static), be)


@backends
def test_dilated_convolution_in_groups_against_loops(rng, be):
    """Filter o of group g sees the g-th third of the channels, in cells (2, 3) px apart."""
    x, w, b = rng.standard_normal((2, 7, 8, 6)), rng.standard_normal((3, 2, 2, 9)), rng.standard_normal(9)
    how = {"strides": (1, 1), "pads": ((1, 0), (0, 2))}
    kernel = ops.conv.dilate(Tensor(w, be), rate=(2, 3))
    y = ops.conv.grouped_conv2d(Tensor(x, be), kernel, Tensor(b, be), groups=3, **how)
    wide = np.zeros((5, 4, 6, 9))
    for p, q, c, o in np.ndindex(w.shape):
        wide[2 * p, 3 * q, o // 3 * 2 + c, o] = w[p, q, c, o]
    close(y.numpy(), reference.conv2d(x, wide, b, **how), be, rtol=1e-5, atol=1e-5)


@backends
@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_batch_norm_axes(rng, be, axis):
    x, c = rng.standard_normal((4, 3, 5, 2)), (4, 3, 5, 2)[axis]
    gamma, beta = rng.standard_normal((2, c))
    moved = np.moveaxis(x, axis, -1).reshape(-1, c)
    mean, var = moved.mean(0), moved.var(0)
    expected = np.moveaxis(gamma * (np.moveaxis(x, axis, -1) - mean) / np.sqrt(var + 0.1) + beta, -1, axis)
    y, m, v = ops.norm.batch_norm(Tensor(x, be), gamma, beta, axis=axis, eps=0.1)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if be.dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-12}
    close(y.numpy(), expected, be, **tolerance)
    close(m, mean, be, **tolerance)
    close(v, var, be, **tolerance)
    fixed = ops.norm.batch_norm_fixed(Tensor(x, be), gamma, beta, mean, var, axis=axis, eps=0.1)
    close(fixed.numpy(), expected, be, **tolerance)


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("k", range(1, 5))
@pytest.mark.parametrize("s", range(1, 4))
def test_same_is_ceil(n, k, s):
    pads = resolve_pads("same", (n, n), (k, k), (s, s))
    assert output_size("", (n, n), (k, k), (s, s), pads) == (math.ceil(n / s),) * 2
    (before, after), _ = pads
    assert after - before in (0, 1)  # the odd px goes after, as in TensorFlow


# activations ----------------------------------------------------------------------------------------------------------

AT = np.array([-2, -0.5, 0, 0.5, 2])
GOLDEN = {
    V.elu: [-0.86466473, -0.39346933, 0, 0.5, 2],
    V.selu: [-1.5201665, -0.6917582, 0, 0.5253505, 2.101402],
    V.gelu: [-0.04550027, -0.15426877, 0, 0.34573123, 1.9544997],
    V.silu: [-0.2384058, -0.1887703, 0, 0.3112297, 1.761594],
}
FORMULAS = {
    V.relu: lambda x: max(x, 0), V.leaky_relu: lambda x: x if x > 0 else 0.2 * x, V.tanh: math.tanh,
    V.sigmoid: lambda x: 1 / (1 + math.exp(-x)), V.softplus: lambda x: math.log(1 + math.exp(x)),
    V.softsign: lambda x: x / (1 + abs(x)), V.exponential: math.exp, V.linear: lambda x: x,
    V.hard_sigmoid: lambda x: min(max(x / 6 + 0.5, 0), 1), V.silu: lambda x: x / (1 + math.exp(-x)),
    V.elu: lambda x: x if x > 0 else math.exp(x) - 1, V.selu: lambda x: 1.0507009873554805 * (
        x if x > 0 else 1.6732632423543772 * (math.exp(x) - 1)),
}  # fmt: skip


@pytest.mark.parametrize(("f", "expected"), GOLDEN.items(), ids=lambda f: getattr(f, "__name__", ""))
def test_activations_golden(oracle, f, expected):
    np.testing.assert_allclose(f(Tensor(AT, oracle)).numpy(), expected, atol=1e-7)


@backends
@pytest.mark.parametrize("f", FORMULAS, ids=lambda f: f.__name__)
def test_activations_against_formulas(be, f):
    x = np.array([-4, -3, -2, -0.5, 0, 0.5, 2, 3, 4], be.dtype)
    y = f(Tensor(x, be)).numpy()
    close(y, [FORMULAS[f](v) for v in x.tolist()], be)
    assert y.dtype == be.dtype


@backends
def test_softmax_and_log_softmax(rng, be):
    x = 3 * rng.standard_normal((4, 3, 5))
    p = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    close(V.softmax(Tensor(x, be)).numpy(), p, be, rtol=1e-5, atol=1e-7)
    close(V.log_softmax(Tensor(x, be)).numpy(), np.log(p), be, rtol=1e-5, atol=1e-5)


@backends
@pytest.mark.parametrize("f", [f for f in V.BY_NAME.values() if f is not V.exponential], ids=lambda f: f.__name__)
def test_activations_do_not_overflow(be, f):
    """Inputs of 1e4 and their gradients stay finite (RuntimeWarnings are errors here)."""
    x = Tensor(np.array([[-1e4, -100, 100, 1e4]]), be, requires_grad=True)
    y = f(x)
    assert np.isfinite(y.numpy()).all()
    if f is not V.linear:
        y.backward(np.ones(y.shape))
        assert np.isfinite(x.grad).all()


def test_relu_general(oracle):
    y = V.relu_general(
        Tensor(np.array([-1, 0.1, 0.2, 0.4, 0.5, 3]), oracle), max_value=0.5, negative_slope=0.1, threshold=0.2
    )
    np.testing.assert_allclose(y.numpy(), [-0.12, -0.01, 0.0, 0.4, 0.5, 0.5])  # at the threshold 0, as Keras computes


KERNELS = [  # an op, its arguments, the kernel's
    (V.relu_general, {"max_value": 6.0}, "clipped_relu"), (V.relu_general, {"negative_slope": 0.1}, "leaky_relu"),
    (V.relu_general, {}, "leaky_relu"), (V.relu_general, {"max_value": 6.0, "negative_slope": 0.1}, None),
    (V.relu_general, {"max_value": 0.0}, None), (V.relu_general, {"threshold": 0.5}, None),
    (V.leaky_relu, {"negative_slope": 0.3}, "leaky_relu"), (V.elu, {"alpha": 0.7}, "elu"), (V.selu, {}, "selu"),
    (V.sigmoid, {}, "sigmoid"), (V.hard_sigmoid, {}, "hard_sigmoid"), (V.tanh, {}, "tanh"),
    (V.softplus, {}, "softplus"), (V.silu, {}, "silu"), (V.gelu, {}, "gelu"),
    (V.gelu, {"approximate": True}, "gelu_tanh"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "static", "kind"), KERNELS)
def test_an_activation_and_its_kernel_are_one_function(rng, oracle, monkeypatch, f, static, kind):
    """Values, gradients and NaN of the op's text, in float64, and of the fast kernel, which really runs."""
    be, ran = CPU("numba_cpu"), []
    for name in ("activate", "activate_grad"):
        kernel = getattr(be, name)
        monkeypatch.setattr(be, name, lambda *a, k=kernel, **how: ran.append(how["kind"]) or k(*a, **how))
    x, dy = 4 * rng.standard_normal((2, 3, 5, 7, 11)).astype(np.float32)
    x.flat[::40] = np.resize([0, -0.0, 6, 3, -3, np.nan], x.flat[::40].size)
    found = []
    for one in (oracle, be):
        given = Tensor(x.astype(one.dtype), one, requires_grad=True)
        with np.errstate(invalid="ignore"):  # NumPy's logaddexp warns of NaN
            y = f(given, **static)
            y.backward(dy.astype(one.dtype))
        found.append((y.numpy(), given.grad))
    for slow, fast in zip(*found, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=2e-6, atol=2e-6)
    assert ran == [kind, kind] if kind else not ran


def test_prelu(oracle):
    y = V.prelu(Tensor(np.array([[-2.0, 3], [4, -5]]), oracle), np.array([0.5, 0.1]))
    np.testing.assert_allclose(y.numpy(), [[-1, 3], [4, -0.5]])
    assert np.isnan(V.prelu(Tensor(np.array([np.nan]), oracle), np.array([0.1])).numpy()).all()


# the rest -------------------------------------------------------------------------------------------------------------


@backends
def test_arithmetic(rng, be):
    a, b = rng.uniform(0.5, 2, (2, 3, 4))
    x, y = Tensor(a, be), Tensor(b, be)
    for actual, expected in [
        (x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b), (x**2, a**2), (-x, -a), (x @ b.T, a @ b.T),
        (A.exp(x), np.exp(a)), (A.log(x), np.log(a)), (A.sqrt(x), np.sqrt(a)), (A.absolute(-x), a),
        (A.clip(x, low=0.7, high=1.5), a.clip(0.7, 1.5)), (A.maximum(x, y), np.maximum(a, b)),
        (x.sum(), a.sum()), (x.sum(axis=0), a.sum(0)), (x.mean(axis=(0, 1), keepdims=True), a.mean(keepdims=True)),
        (x.mean(-1), a.mean(-1)), (x.reshape(2, 6), a.reshape(2, 6)), (x.reshape((6, 2)), a.reshape(6, 2)),
    ]:  # fmt: skip
        close(actual.numpy(), expected, be, rtol=1e-5)
        assert actual.shape == expected.shape


def test_moving_elements(oracle, rng):
    x = rng.standard_normal((2, 3, 4, 5))
    t = Tensor(x, oracle)
    np.testing.assert_array_equal(ops.shape.flatten(t).numpy(), x.reshape(2, -1))
    np.testing.assert_array_equal(ops.shape.transpose(t).numpy(), x.T)
    np.testing.assert_array_equal(ops.shape.transpose(t, axes=(0, -1, 1, 2)).numpy(), x.transpose(0, -1, 1, 2))
    np.testing.assert_array_equal(
        ops.shape.zero_pad(t, pads=((1, 2), (0, 3))).numpy(), np.pad(x, ((0, 0), (1, 2), (0, 3), (0, 0)))
    )


@backends
def test_fused_losses(rng, be):
    z = np.array([[-1e4, 1e4, 0], [3, 1, 2], [0, 0, 0]])
    t = np.array([[1.0, 0, 0], [0.2, 0.3, 0.5], [0, 0, 1]])
    loss = ops.loss.softmax_cross_entropy(Tensor(z, be), t).numpy()
    log_p = z[1] - np.log(np.exp(z[1]).sum())
    close(loss, [2e4, -(t[1] * log_p).sum(), np.log(3)], be)
    loss = ops.loss.sigmoid_cross_entropy(Tensor(z, be), t).numpy()
    close(loss[:, 0], [1e4, 3 - 0.6 + np.log1p(np.exp(-3)), np.log(2)], be)
    assert np.isfinite(loss).all()


@backends
def test_dropout(be):
    x = Tensor(np.ones((100, 100)), be)
    y = ops.dropout.dropout(x, rate=0.25, key=Key(5, 1, 2)).numpy()
    np.testing.assert_array_equal(
        y, reference.dropout(np.ones((100, 100)), rate=0.25, key=Key(5, 1, 2)).astype(y.dtype)
    )
    assert set(np.unique(y).tolist()) == {0, float(y.dtype.type(1 / 0.75))}
    assert abs((y == 0).mean() - 0.25) < 0.02
    assert not ops.dropout.dropout(x, rate=1, key=Key(5, 1, 2)).numpy().any()
    np.testing.assert_array_equal(ops.dropout.dropout(x, rate=0, key=Key(5, 1, 2)).numpy(), x.numpy())


@backends
def test_spatial_dropout_drops_whole_channels(be):
    x = Tensor(np.ones((40, 3, 4, 50)), be)
    y = ops.dropout.spatial_dropout(x, rate=0.25, key=Key(5, 1, 2)).numpy()
    factors = reference.dropout(np.ones((40, 1, 1, 50)), rate=0.25, key=Key(5, 1, 2))
    np.testing.assert_array_equal(y, np.broadcast_to(factors, y.shape).astype(y.dtype))
    assert abs((factors == 0).mean() - 0.25) < 0.04
    assert not ops.dropout.spatial_dropout(x, rate=1, key=Key(5, 1, 2)).numpy().any()


@backends
def test_decisions_are_shared_along_axes_of_1(be):
    x = Tensor(np.ones((40, 6, 50)), be)
    for f, dropped in ((ops.dropout.shared_dropout, 0), (ops.dropout.alpha_dropout, None)):
        y = f(x, rate=0.25, key=Key(5, 1, 2), noise_shape=(None, 1, 50)).numpy()
        np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
        low = y.min() if dropped is None else dropped
        assert abs((y[:, 0] == low).mean() - 0.25) < 0.04
        y = f(x, rate=0.25, key=Key(5, 1, 2), noise_shape=(1, None, None)).numpy()
        np.testing.assert_array_equal(y, np.broadcast_to(y[:1], y.shape))
    with pytest.raises(ShapeError, match="expected a noise_shape of 1, None or the axis's size for each axis of"):
        ops.dropout.shared_dropout(x, rate=0.25, key=Key(5, 1, 2), noise_shape=(40, 2, 50))


@backends
def test_alpha_dropout(rng, be):
    """Keras 3's formula with the decisions of dropout; mean 0 and variance 1 come out as they went in."""
    x, rate, low = rng.standard_normal((200, 500)), 0.2, -1.7580993408473766
    y = ops.dropout.alpha_dropout(Tensor(x, be), rate=rate, key=Key(5, 1, 2)).numpy()
    mask = reference.dropout(np.ones(x.shape), rate=rate, key=Key(5, 1, 2)) > 0
    a = ((1 - rate) * (1 + rate * low**2)) ** -0.5
    b = -a * low * rate
    close(y, a * (x * mask + low * (1 - mask)) + b, be)
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.01
    again = ops.dropout.alpha_dropout(Tensor(x, be), rate=0, key=Key(5, 1, 2)).numpy()
    np.testing.assert_array_equal(again, x.astype(y.dtype))


@backends
@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_gaussian_dropout_has_the_moments_of_a_normal_distribution(be, rate):
    """Mean 1, deviation sqrt(rate / (1 - rate)), skewness 0, kurtosis 3, shares within 1, 2 and 3 deviations."""
    n = 400_000
    y = ops.dropout.gaussian_dropout(Tensor(np.full((2, n // 2), 3.0), be), rate=rate, key=Key(5, 1, 2)).numpy()
    z = (y.astype(np.float64).ravel() / 3 - 1) / math.sqrt(rate / (1 - rate))
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert abs((z**power).mean() - moment) < 5 * math.sqrt((z ** (2 * power)).mean() / n), power
    for bound in (1, 2, 3):
        assert abs((np.abs(z) < bound).mean() - math.erf(bound / math.sqrt(2))) < 0.003
    for lag in (1, 2, n // 2):  # the two of a pair lie n / 2 apart
        assert abs((z[lag:] * z[:-lag]).mean()) < 5 / math.sqrt(n - lag)


def test_gaussian_dropout_is_the_same_on_every_kernel_set(oracle, fast):
    draws = [
        ops.dropout.gaussian_dropout(Tensor(np.ones((11, 9)), be), rate=0.5, key=Key(2**63 + 5, 3, 7)).numpy()
        for be in (oracle, fast)
    ]
    np.testing.assert_allclose(*draws, atol=1e-5)


# errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ops.conv.conv2d(x, np.ones((3, 3, 3, 2)), None), r"conv2d: expected x of shape (N, H, W, 3), received (2, 4, 4, 1); images are channels-last, with the channels that w was made for"),
        (lambda x: ops.conv.conv2d(x, np.ones((5, 5, 1, 2)), None), 'conv2d: expected an image of at least the window\'s 5 x 5 px, received 4 x 4 px; use padding="same" or a smaller window'),
        (lambda x: ops.dense.dense(x, np.ones((3, 2)), None), "dense: expected x of shape (N, 3), received (2, 4, 4, 1); flatten the input, or give the layer the width it was built for"),
        (lambda x: ops.pool.max_pool(x.reshape(2, 16), window=(2, 2), strides=(2, 2)), "max_pool: expected x of shape (N, H, W, C), received (2, 16)"),
        (lambda x: ops.norm.batch_norm(x, np.ones(3), np.ones(3)), "batch_norm: expected x with 3 channels along axis -1, received (2, 4, 4, 1)"),
        (lambda x: ops.loss.softmax_cross_entropy(x, np.ones(3)), "softmax_cross_entropy: expected targets of shape (2, 4, 4, 1), received (3,)"),
        (lambda x: ops.dropout.spatial_dropout(x.reshape(2, 16), rate=0.5, key=Key(1, 1, 1)), "spatial_dropout: expected x of shape (N, H, W, C), received (2, 16)"),
        (lambda x: x.reshape(8, 4) @ np.ones((3, 2)), "matmul: expected b of shape (4, M), received (3, 2)"),
        (lambda x: ops.shape.zero_pad(x.reshape(2, 16), pads=((1, 1), (1, 1))), "zero_pad: expected x of shape (N, H, W, C), received (2, 16)"),
    ],
)  # fmt: skip
def test_shape_errors(call, message):
    with pytest.raises(ShapeError) as error:
        call(Tensor(np.ones((2, 4, 4, 1))))
    assert str(error.value) == message


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_dropout_rate(rate):
    for f, most in (("dropout", " to 1"), ("spatial_dropout", " to 1"), ("alpha_dropout", ", below 1"),
                    ("gaussian_dropout", ", below 1")):  # fmt: skip
        with pytest.raises(ArgumentError, match=f"^{f}: expected a rate from 0{most}, received {rate}$"):
            getattr(ops.dropout, f)(Tensor(np.ones((3, 1, 1, 1))), rate=rate, key=Key(1, 1, 1))
