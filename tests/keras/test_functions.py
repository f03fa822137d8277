"""keras.ops, keras.backend and tf: gradients of every function, values that NumPy has, losses as scripts write them."""

import functools
import math
import re

import numpy as np
import pytest

from minicnn import Tensor, check_grad, keras
from minicnn.backend.cpu import CPU
from minicnn.errors import ArgumentError, DataError, UnsupportedError
from minicnn.keras import backend as K
from minicnn.keras import ops, tf
from tests.parity.functions import CUBE, EINSUMS, FUNCTIONS, IMAGES, LISTED, OPS, P, V, X, Y

JUMPS = {"all", "any", "argmax", "argmin", "argsort", "ceil", "count_nonzero", "equal", "floor", "floor_divide",
         "full_like", "greater", "greater_equal", "isclose", "isfinite", "isinf", "isnan", "less", "less_equal",
         "logical_and", "logical_not", "logical_or", "logical_xor", "not_equal", "one_hot", "ones_like", "round",
         "sign", "trunc", "zeros_like"}  # fmt: skip
NUMPY = {"abs", "absolute", "add", "all", "any", "arctan", "argmax", "argmin", "argsort", "average", "broadcast_to",
         "ceil", "concatenate", "cos", "cosh", "count_nonzero", "cumprod", "cumsum", "diag", "diagonal", "diff",
         "divide", "dot", "equal", "exp", "exp2", "expand_dims", "expm1", "flip", "floor", "floor_divide",
         "full_like", "greater", "greater_equal", "hstack", "inner", "isclose", "isfinite", "isinf", "isnan", "less",
         "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and", "logical_not", "logical_or",
         "logical_xor", "matmul", "max", "maximum", "mean", "median", "min", "minimum", "mod", "moveaxis", "multiply",
         "nan_to_num", "negative", "not_equal", "ones_like", "outer", "pad", "prod", "ravel", "reciprocal", "repeat",
         "roll", "round", "sign", "sin", "sinh", "sort", "sqrt", "square", "squeeze", "stack", "std", "subtract",
         "sum", "swapaxes", "take", "take_along_axis", "tan", "tensordot", "trace", "transpose", "tril", "triu",
         "trunc", "var", "vdot", "vstack", "where", "zeros_like"}  # fmt: skip


@pytest.mark.parametrize("what", [name for name in FUNCTIONS if name.startswith("ops.")])
def test_values_and_gradients(rng, what):
    path, arrays, options = FUNCTIONS[what]
    name = path.rpartition(".")[2]
    function = functools.partial(functools.reduce(getattr, path.split("."), keras), **options)
    run = (lambda *xs: function(list(xs))) if name in LISTED else function
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    if name in NUMPY:
        expected = getattr(np, name)(arrays, **options) if name in LISTED else getattr(np, name)(*arrays, **options)
        np.testing.assert_allclose(run(*map(Tensor, arrays)).numpy(), expected, rtol=1e-9, atol=1e-12)
    if name in JUMPS:
        assert not run(*(Tensor(a, requires_grad=True) for a in arrays)).requires_grad
    else:
        check_grad(run, [np.asarray(a, float) for a in arrays], rng=rng, rtol=2e-6)


@pytest.mark.parametrize("case", EINSUMS, ids=lambda case: case[0])
def test_einsum(rng, case):
    letters, *shapes = case
    arrays = [rng.normal(size=shape) for shape in shapes]
    y = ops.einsum(letters, *map(Tensor, arrays))
    np.testing.assert_allclose(y.numpy(), np.einsum(letters, *arrays), rtol=1e-9, atol=1e-12)
    check_grad(lambda *xs: ops.einsum(letters, *xs), arrays, rng=rng, rtol=2e-6)


@pytest.mark.parametrize(("letters", "shapes"), [
    ("ii->i", [(3, 3)]), ("ij,jk->ik", [(3, 4)]), ("ij->k", [(3, 4)]), ("ijk->i", [(3, 4)]),
])  # fmt: skip
def test_einsum_says_what_it_cannot_do(letters, shapes):
    with pytest.raises(ArgumentError, match="einsum: expected"):
        ops.einsum(letters, *map(np.ones, shapes))


def test_what_makes_places_and_grids(rng):
    x = rng.permutation(24).reshape(4, 6) / 10
    largest, places = ops.top_k(Tensor(x), 3)
    assert np.array_equal(largest.numpy(), -np.sort(-x)[:, :3])
    assert np.array_equal(np.take_along_axis(x, places.numpy().astype(int), -1), largest.numpy())
    check_grad(lambda x: ops.top_k(x, 3)[0], [x], rng=rng)
    for indexing in ("xy", "ij"):
        mine = ops.meshgrid(V, [1.0, 2.0], [3.0, 4.0, 5.0], indexing=indexing)
        for a, b in zip(mine, np.meshgrid(V, [1.0, 2.0], [3.0, 4.0, 5.0], indexing=indexing), strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=1e-6)
    assert np.array_equal(ops.tri(3, 4, 1).numpy(), np.tri(3, 4, 1))
    assert np.array_equal(ops.argsort([3.0, 1.0, 2.0]).numpy(), [1, 2, 0])
    assert ops.segment_sum([[1.0], [2.0], [4.0]], [1, 1, 0]).numpy().tolist() == [[4], [3]]
    assert ops.size(x) == 24
    assert ops.cond(Tensor(1.0) > 0, lambda: "yes", lambda: "no") == "yes"
    assert K.get_value(K.cumprod([1.0, 2.0, 3.0])).tolist() == [1, 2, 6]


def test_constants_go_to_the_tensors_that_they_meet(rng):
    x = rng.normal(size=(2, 3))
    constant = K.constant(np.ones((2, 3))) * 2.0
    y = constant * Tensor(x) + ops.ones((3,))
    assert y.dtype == np.float64
    assert np.array_equal(y.numpy(), 2 * x + 1)
    assert np.array_equal(ops.where(ops.greater(constant, Tensor(x)), constant, Tensor(x)).numpy(), np.maximum(x, 2))
    check_grad(lambda x: K.constant([1.0, 2.0, 3.0]) * x, [x], rng=rng)
    with pytest.raises(TypeError, match="expected all tensors on"):
        Tensor(x) + Tensor(x.astype("f4"))
    with pytest.raises(TypeError, match="expected all tensors on"):
        constant + Tensor(x) + Tensor(x.astype("f4"))


def test_every_function_of_the_table_is_a_name():
    assert set(OPS) <= set(dir(ops))
    assert not (JUMPS | NUMPY) - set(OPS)


def values(x):
    return K.get_value(x)


def test_the_backend_s_own_words():
    np.testing.assert_allclose(values(K.batch_dot(X, Y)), (X * Y).sum(1, keepdims=True), rtol=1e-5)
    twice = values(K.batch_dot(CUBE, CUBE, axes=(2, 2)))
    np.testing.assert_allclose(twice, CUBE @ CUBE.transpose(0, 2, 1), rtol=1e-5)
    np.testing.assert_allclose(values(K.gather(X, [2, 0, 2])), X[[2, 0, 2]].astype("f4"))
    np.testing.assert_allclose(values(K.reverse(X, 0)), X[::-1].astype("f4"))
    np.testing.assert_allclose(values(K.repeat_elements(X, 2, axis=0)), X.repeat(2, 0).astype("f4"))
    assert values(K.repeat(X, 3)).shape == (4, 3, 6)
    assert values(K.spatial_2d_padding(IMAGES, ((1, 0), (0, 2)))).shape == (2, 6, 8, 3)
    assert values(K.in_top_k(np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]]), np.array([2, 2]), 2)).tolist() == [1, 0]
    assert values(K.map_fn(lambda x: x * 2, X)).shape == X.shape
    assert values(K.in_train_phase(1.0, lambda: 2.0)) == 2
    assert (K.count_params(K.zeros((2, 3))), K.dtype(K.ones(2))) == (6, "float32")
    assert values(K.arange(3)).tolist() == [0, 1, 2]
    assert values(K.clip(X, Tensor(np.float32(-0.1)), 0.2)).max() == np.float32(0.2)
    np.testing.assert_allclose(values(K.pow(P, Tensor(P.astype("f4")))), P**P, rtol=1e-5)
    sparse = values(K.sparse_categorical_crossentropy(np.array([1, 0]), np.array([[0.2, 0.8], [0.5, 0.5]])))
    np.testing.assert_allclose(sparse, -np.log([0.8, 0.5]), rtol=1e-5)
    keras.utils.set_random_seed(3)
    first = values(K.random_normal((500,), stddev=2.0))
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(values(keras.random.normal((500,), stddev=2.0)), first)
    assert 1.8 < first.std() < 2.2
    with pytest.raises(UnsupportedError, match=r"optimizer\.learning_rate"):
        K.set_value(0.1, 0.2)


def test_function_gives_arrays_for_arrays(rng):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)])
    features = K.function([model.layers[0].input, K.learning_phase()], [model.layers[0].output, model.output])
    x = rng.standard_normal((5, 6)).astype("f4")
    hidden, last = features([x, 0])
    assert hidden.shape == (5, 4)
    np.testing.assert_allclose(last, model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_tf():
    assert tf.zeros([2, 3]).shape == (2, 3)
    assert tf.range(3).numpy().tolist() == [0, 1, 2]
    assert tf.fill([2], 7.0).numpy().tolist() == [7, 7]
    assert tf.math.confusion_matrix([0, 1, 1], [0, 1, 2], num_classes=3).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    a, b = tf.split(X, [2, 4], axis=1)
    assert (a.shape, b.shape) == ((4, 2), (4, 4))
    np.testing.assert_allclose(tf.norm(X, axis=1).numpy(), np.linalg.norm(X, axis=1), rtol=1e-6)
    np.testing.assert_allclose(tf.nn.leaky_relu(X, alpha=0.1).numpy(), np.where(X > 0, X, 0.1 * X), rtol=1e-6)
    exact, near = (keras.activations.gelu(X, approximate=one).numpy() for one in (False, True))
    assert (tf.nn.gelu(X).numpy() == exact).all()  # each library has its own default
    assert (ops.gelu(X).numpy() == near).all()
    assert tf.nn.max_pool2d(IMAGES, 2, 2, "VALID").shape == (2, 2, 3, 3)
    assert tf.random.normal([3, 4], stddev=0.1).shape == (3, 4)
    assert tf.boolean_mask(X, X[:, 0] > 0).shape == ((X[:, 0] > 0).sum(), 6)


def test_what_keras_and_tensorflow_make_of_other_arguments():
    np.testing.assert_array_equal(ops.take(X, [0, 7]).numpy(), X.astype("f4").ravel()[[0, 7]])
    np.testing.assert_array_equal(tf.boolean_mask(X, X > 0).numpy(), X.astype("f4")[X > 0])
    np.testing.assert_array_equal(tf.boolean_mask(CUBE, CUBE[..., 0] > 0).numpy(), CUBE.astype("f4")[CUBE[..., 0] > 0])
    assert tf.boolean_mask(X, np.zeros(4, bool)).shape == (0, 6)
    check_grad(lambda x: tf.boolean_mask(x, X > 0), [np.asarray(X, float)])
    for order in (None, "fro", 1, math.inf):
        np.testing.assert_allclose(ops.norm(X, ord=order).numpy(), np.linalg.norm(X, order), rtol=1e-6)
        got = ops.norm(CUBE, ord=order, axis=(1, 2)).numpy()
        np.testing.assert_allclose(got, np.linalg.norm(CUBE, order, axis=(1, 2)), rtol=1e-6)
        np.testing.assert_allclose(ops.norm(V, ord=None if order == "fro" else order).numpy(),
                                   np.linalg.norm(V, None if order == "fro" else order), rtol=1e-6)  # fmt: skip
    with pytest.raises(UnsupportedError, match="spectral"):
        ops.norm(X, ord=2)
    np.testing.assert_allclose(tf.norm(X, ord=1).numpy(), np.abs(X).sum(), rtol=1e-6)  # all as one vector
    small = np.float32([1e-4, -3e-6, 0.2, 0])
    np.testing.assert_allclose(ops.sinh(small).numpy(), np.sinh(small.astype(float)), rtol=1e-6)
    broken = np.float32([1, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(ops.nan_to_num(broken).numpy(), np.nan_to_num(broken))
    np.testing.assert_array_equal(ops.nan_to_num(broken, 5.0, 6.0, -7.0).numpy(), [1, 5, 6, -7])


@pytest.mark.parametrize(("labels", "predictions"), [([0], [3]), ([0], [-1]), ([-1], [1]), ([0, 1], [1])])
def test_labels_that_no_cell_is_for_are_refused(labels, predictions):
    with pytest.raises(DataError, match="confusion_matrix"):
        tf.math.confusion_matrix(labels, predictions, num_classes=2)


def test_windows_in_tensorflows_words():
    kernel = np.ones((3, 2, 3, 4))
    same = tf.nn.conv2d(IMAGES, kernel, strides=[1, 1, 1, 1], padding="SAME").numpy()
    np.testing.assert_array_equal(same, K.conv2d(IMAGES, kernel, padding="same").numpy())
    pooled = tf.nn.max_pool(IMAGES, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID").numpy()
    np.testing.assert_array_equal(pooled, ops.max_pool(IMAGES, 2, 2).numpy())
    assert tf.nn.avg_pool(IMAGES, 2, 1, "SAME").shape == IMAGES.shape
    with pytest.raises(ArgumentError, match="window"):
        tf.nn.max_pool(IMAGES, [1, 2, 2, 2], 1, "SAME")


def test_products_of_layers_outputs():
    x = keras.Input((4,))
    weights = np.arange(12.0).reshape(4, 3)
    model = keras.Model(x, K.dot(x, weights))
    rows = np.float32([[1, 2, 3, 4], [0, 1, 0, 0]])
    np.testing.assert_allclose(model.predict(rows, verbose=0), rows @ weights, rtol=1e-6)
    model = keras.Model(x, K.clip(K.pow(x, x), x, 9.0))
    np.testing.assert_allclose(model.predict(rows[:1], verbose=0), [[1, 4, 9, 9]], rtol=1e-5)


def tversky(y_true, y_pred, alpha=0.7, smooth=1.0):
    t, p = K.flatten(y_true), K.flatten(y_pred)
    right, missed, wrong = K.sum(t * p), K.sum(t * (1 - p)), K.sum((1 - t) * p)
    return 1 - (right + smooth) / (right + alpha * missed + (1 - alpha) * wrong + smooth)


def iou(y_true, y_pred):
    both = K.sum(K.abs(y_true * y_pred), axis=-1)
    return K.mean(1 - (both + K.epsilon()) / (K.sum(y_true, -1) + K.sum(y_pred, -1) - both + K.epsilon()))


def focal(y_true, y_pred):
    y_true = tf.cast(y_true, tf.float32)
    alpha_t = y_true * 0.25 + (tf.ones_like(y_true) - y_true) * 0.75
    p_t = tf.where(tf.equal(y_true, 1.0), y_pred, 1 - y_pred)
    return tf.reduce_mean(-alpha_t * tf.pow(1 - p_t, 2.0) * tf.math.log(p_t + 1e-7))


def contrastive(y_true, y_pred):
    return K.mean(y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(1.0 - y_pred, 0)))


def log_cosh_and_cosine(y_true, y_pred):
    d = y_pred - y_true
    return ops.mean(ops.log(ops.cosh(d))) - ops.mean(ops.sum(ops.normalize(y_true) * ops.normalize(y_pred), axis=-1))


@pytest.mark.parametrize("loss", [tversky, iou, focal, contrastive, log_cosh_and_cosine])
def test_losses_as_scripts_write_them(rng, loss):
    """The gradient, and a few steps that make it smaller."""
    t, p = (rng.random((4, 3)) > 0.5) * 1.0 + 0.0, rng.uniform(0.2, 0.8, (4, 3))
    t[:, 0] = 1.0
    check_grad(lambda y: loss(Tensor(t, y.be), y), [p], rng=rng, rtol=2e-6)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, activation="sigmoid")], seed=1)
    model.compile(keras.optimizers.Adam(0.05), loss)
    x = rng.standard_normal((16, 5))
    history = model.fit(x, t[np.arange(16) % 4], epochs=6, batch_size=16, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_infinity_beside_what_is_not_chosen(rng):
    inf, nan = np.inf, np.nan
    numbers = np.array([1.0, inf, 2.0])
    np.testing.assert_array_equal(ops.triu(np.full((3, 3), -inf), 1), np.triu(np.full((3, 3), -inf), 1))
    np.testing.assert_array_equal(ops.tril(np.full((2, 3), inf)), np.tril(np.full((2, 3), inf)))
    np.testing.assert_array_equal(ops.diag(numbers, k=-1), np.diag(numbers, k=-1))
    np.testing.assert_array_equal(ops.diag(numbers, k=2), np.diag(numbers, k=2))
    np.testing.assert_array_equal(ops.take_along_axis(numbers, np.array([0, -1])), [1, 2])
    np.testing.assert_array_equal(ops.segment_sum(numbers, [0, 1, 0]), [3, inf])
    assert ops.segment_sum(np.zeros((0, 3)), [], 2).shape == (2, 3)
    assert np.isnan(ops.median(np.array([1.0, nan, 3.0, 4.0, 5.0])).numpy())
    np.testing.assert_array_equal(ops.median(np.array([[1.0, nan], [3.0, 5.0]]), axis=0), [2, nan])
    pairs = np.array([-inf, 0.0, -inf, inf, inf, 3.0, nan, 1.0]), np.array([-inf, -inf, 0.0, -inf, inf, 3.0, 1.0, nan])
    with np.errstate(invalid="ignore"):  # NumPy's own word on NaN
        np.testing.assert_allclose(ops.logaddexp(*pairs), np.logaddexp(*pairs), rtol=1e-6)
    largest, places = ops.top_k(np.array([[1.0, nan, inf, 4.0], [0.0, 2.0, -inf, 1.0]]), 3)
    np.testing.assert_array_equal(places, [[1, 2, 3], [1, 3, 0]])  # as in JAX
    np.testing.assert_array_equal(largest, [[nan, inf, 4], [2, 1, 0]])
    np.testing.assert_array_equal(ops.isclose(np.array([1.0, inf, inf]), np.array([inf, inf, -inf])), [0, 1, 0])
    assert not ops.allclose(np.ones(2), np.full(2, inf))
    np.testing.assert_array_equal(ops.sort(np.array([[3.0, 1.0], [2.0, 0.0]]), axis=None), [0, 1, 2, 3])


@pytest.mark.parametrize(("call", "said"), [
    (lambda: keras.ops.take_along_axis(np.ones((1, 3)), np.array([[4]]), 1), "places from -3 to 2"),
    (lambda: keras.ops.diff(np.ones(3), n=-1), "diff: n: expected a number of at least 0, received -1"),
    (lambda: keras.ops.einsum("ij,jk->ik", np.ones((2, 4)), np.ones((3, 2))), "einsum: expected one size of j"),
])  # fmt: skip
def test_what_order_and_sums_refuse(call, said):
    with pytest.raises(ArgumentError, match=re.escape(said)):
        call()


def test_class_numbers_in_a_tensor_become_a_tensor():
    found = keras.utils.to_categorical(Tensor(np.float32([0, 2])), 3)
    assert isinstance(found, Tensor)
    np.testing.assert_array_equal(found, [[1, 0, 0], [0, 0, 1]])
    assert isinstance(keras.utils.to_categorical([0, 2]), np.ndarray)


OF_SYMBOLS = {
    "sign": ops.sign, "round": ops.round, "floor": ops.floor, "ceil": ops.ceil, "trunc": ops.trunc,
    "argmax": lambda x: ops.argmax(x, axis=-1), "argmin": lambda x: ops.argmin(x, axis=1), "isnan": ops.isnan,
    "isfinite": ops.isfinite, "isinf": ops.isinf, "isclose": lambda x: ops.isclose(x, 0.5, atol=0.4),
    "mod": lambda x: ops.mod(x, 0.4), "floor_divide": lambda x: ops.floor_divide(x, 0.4),
    "cast": lambda x: ops.cast(3.0 * x, "int32"), "bool": lambda x: ops.cast(x, "bool"), "ones_like": ops.ones_like,
    "zeros_like": ops.zeros_like, "where": lambda x: ops.where(x > 0.2, x, -2.0 * x),
    "logical_and": lambda x: ops.logical_and(x > 0, x < 1), "logical_or": lambda x: ops.logical_or(x > 1, x < 0),
    "logical_not": ops.logical_not, "divide_no_nan": lambda x: ops.divide_no_nan(x, ops.round(x)),
    "nan_to_num": ops.nan_to_num, "one_hot": lambda x: ops.one_hot(ops.argmax(x, axis=-1), 6),
    "sparsemax": keras.activations.sparsemax,
}  # fmt: skip


@pytest.mark.parametrize("name", OF_SYMBOLS)
def test_what_asks_is_an_operation_of_symbols_too(name, tmp_path, rng):
    """In a model, which writes it down, trains through what has a gradient, and comes back from a file."""
    x = rng.standard_normal((4, 6)).astype("f4")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, OF_SYMBOLS[name](inputs))
    expected = OF_SYMBOLS[name](x).numpy()
    assert model.output_shape == (None, *expected.shape[1:])
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    assert not model.programs.prediction((x.shape,), False).taped
    model.save(tmp_path / "m.minicnn")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "m.minicnn").predict(x, verbose=0), expected)


def test_no_gradient_goes_through_what_asks_and_all_others_are_there(rng):
    """In fit's program as on the tape."""
    def net():
        x = keras.Input((6,))
        h = keras.layers.Dense(5)(x)
        y = ops.where(h > 0.1, h * ops.sign(h), -0.5 * h) + ops.floor(h) * h
        return keras.Model(x, keras.layers.Dense(2)(y), seed=1, device=CPU("numpy_ref", "float64"))

    x, y = rng.standard_normal((8, 6)), rng.standard_normal((8, 2))
    ours, taped = net(), net()
    ours.compile(keras.optimizers.SGD(0.1), "mse")
    ours.fit(x, y, batch_size=8, epochs=3, verbose=0)
    assert not ours.programs.training((x.shape,), (y.shape,)).taped
    optimizer = keras.optimizers.SGD(0.1)
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = keras.losses.MeanSquaredError()(y, taped(x, training=True))
        weights = taped.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    for a, b in zip(ours.get_weights(), taped.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_ones_and_zeros_like_numbers_that_are_none():
    x = np.array([np.nan, np.inf, 2.0])
    assert ops.ones_like(x).numpy().tolist() == [1, 1, 1]
    assert ops.zeros_like(x).numpy().tolist() == [0, 0, 0]
    assert (int(ops.argmax([[1.0, 2.0], [9.0, 3.0]])), int(ops.argmin([[1.0, 2.0], [9.0, 3.0]]))) == (2, 0)
    assert K.argmax(np.array([[1.0, 2.0], [9.0, 3.0]])).numpy().tolist() == [1, 0]
