"""keras.backend and keras.ops: values against NumPy, gradients against differences, losses and metrics made of them."""

import numpy as np
import pytest

import minicnn as mc
from minicnn import Tensor, check_grad, keras
from minicnn.errors import MinicnnError, UnsupportedError
from minicnn.keras import backend as K

X = np.array([[0.9, -0.4, 0.2], [0.3, 0.7, -0.8]])
VALUES = {
    "sum": (lambda: K.sum(X, axis=1), X.sum(1)),
    "sum of all": (lambda: K.sum(X), X.sum()),
    "mean, kept": (lambda: K.mean(X, axis=-1, keepdims=True), X.mean(-1, keepdims=True)),
    "mean over a list": (lambda: K.mean(X, axis=[0, 1]), X.mean()),
    "max": (lambda: K.max(X, axis=0), X.max(0)),
    "min": (lambda: K.min(X), X.min()),
    "prod": (lambda: K.prod(X, axis=1), X.prod(1)),
    "std": (lambda: K.std(X, axis=0), X.std(0)),
    "var": (lambda: K.var(X), X.var()),
    "square": (lambda: K.square(X), X**2),
    "sqrt": (lambda: K.sqrt(X**2), np.abs(X)),
    "pow": (lambda: K.pow(np.abs(X), 1.5), np.abs(X) ** 1.5),
    "abs": (lambda: K.abs(X), np.abs(X)),
    "exp": (lambda: K.exp(X), np.exp(X)),
    "log": (lambda: K.log(np.abs(X)), np.log(np.abs(X))),
    "clip": (lambda: K.clip(X, 0, 0.5), X.clip(0, 0.5)),
    "round": (lambda: K.round(K.clip(X, 0, 1)), np.rint(X.clip(0, 1))),
    "sign": (lambda: K.sign(X), np.sign(X)),
    "maximum": (lambda: K.maximum(X, 0.1), np.maximum(X, 0.1)),
    "minimum": (lambda: K.minimum(X, 0.1), np.minimum(X, 0.1)),
    "greater": (lambda: K.greater(X, 0.25), X > 0.25),
    "less_equal": (lambda: K.less_equal(X, 0.2), X <= 0.2),
    "equal": (lambda: K.equal(X, X), np.ones_like(X)),
    "cast to int": (lambda: K.cast(10 * X, "int32"), (10 * X).astype(int)),
    "cast to bool": (lambda: K.cast(K.greater(X, 0), "float32"), X > 0),
    "argmax": (lambda: K.argmax(X, axis=-1), X.argmax(-1)),
    "any": (lambda: K.any(K.greater(X, 0.8), axis=-1), (X > 0.8).any(-1)),
    "all": (lambda: K.all(K.greater(X, -0.5), axis=-1), (X > -0.5).all(-1)),
    "flatten": (lambda: K.flatten(X), X.ravel()),
    "batch_flatten": (lambda: K.batch_flatten(X.reshape(2, 3, 1)), X),
    "reshape": (lambda: K.reshape(X, (3, 2)), X.reshape(3, 2)),
    "expand_dims": (lambda: K.expand_dims(X, 1), X[:, None]),
    "squeeze": (lambda: K.squeeze(X[:, None], 1), X),
    "permute": (lambda: K.permute_dimensions(X, (1, 0)), X.T),
    "concatenate": (lambda: K.concatenate([X, X], axis=0), np.concatenate([X, X])),
    "stack": (lambda: K.stack([X, 2 * X], axis=1), np.stack([X, 2 * X], 1)),
    "dot": (lambda: K.dot(X, X.T), X @ X.T),
    "softmax over rows": (lambda: K.softmax(X, axis=0), np.exp(X) / np.exp(X).sum(0)),
    "sigmoid": (lambda: K.sigmoid(X), 1 / (1 + np.exp(-X))),
    "tanh": (lambda: K.tanh(X), np.tanh(X)),
    "relu": (lambda: K.relu(X, alpha=0.1, max_value=0.5), np.where(X > 0, X, 0.1 * X).clip(None, 0.5)),
    "l2_normalize": (lambda: K.l2_normalize(X, axis=1), X / np.linalg.norm(X, axis=1, keepdims=True)),
    "logsumexp": (lambda: K.logsumexp(X, axis=1), np.log(np.exp(X).sum(1))),
    "switch": (lambda: K.switch(K.greater(X, 0), X, lambda: 0 * X), np.where(X > 0, X, 0)),
    "one_hot": (lambda: K.one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]]),
    "ones_like": (lambda: K.ones_like(X), np.ones_like(X)),
    "zeros_like": (lambda: K.zeros_like(X), np.zeros_like(X)),
    "cumsum": (lambda: K.cumsum(X, axis=1), X.cumsum(1)),
    "tile": (lambda: K.tile(X, (2, 1)), np.tile(X, (2, 1))),
    "binary_crossentropy": (
        lambda: K.binary_crossentropy(np.array([1.0, 0.0]), np.array([0.8, 0.4])), -np.log([0.8, 0.6])
    ),
    "categorical_crossentropy": (
        lambda: K.categorical_crossentropy(np.array([[0.0, 1]]), np.array([[0.2, 0.6]])), [-np.log(0.75)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", VALUES)
def test_values(what):
    make, expected = VALUES[what]
    np.testing.assert_allclose(K.get_value(make()), expected, rtol=1e-6, atol=1e-9)


def dice(y_true, y_pred):
    t, p = K.flatten(y_true), K.flatten(y_pred)
    return 1 - (2.0 * K.sum(t * p) + 1.0) / (K.sum(t) + K.sum(p) + 1.0)


def focal(y_true, y_pred, gamma=2.0, alpha=0.25):
    p = K.clip(y_pred, K.epsilon(), 1 - K.epsilon())
    return K.sum(-y_true * alpha * K.pow(1 - p, gamma) * K.log(p), axis=-1)


def root(y_true, y_pred):
    return K.sqrt(K.mean(K.square(y_pred - y_true), axis=-1))


def weighted(y_true, y_pred):
    heavy = K.cast(K.greater(y_true, 0.5), "float32")
    return K.mean((1 + 9 * heavy) * K.abs(y_true - y_pred), axis=-1)


@pytest.mark.parametrize("loss", [dice, focal, root, weighted])
def test_gradients_of_losses(rng, loss):
    t = rng.dirichlet(np.ones(3), 4)
    check_grad(lambda y: loss(mc.Tensor(t, y.be), y), [rng.dirichlet(np.ones(3), 4)], rng=rng, rtol=1e-6)


def f1(y_true, y_pred):
    right = K.sum(K.round(K.clip(y_true * y_pred, 0, 1)))
    wanted, found = K.sum(K.round(K.clip(y_true, 0, 1))), K.sum(K.round(K.clip(y_pred, 0, 1)))
    precision, recall = right / (found + K.epsilon()), right / (wanted + K.epsilon())
    return 2 * precision * recall / (precision + recall + K.epsilon())


@pytest.mark.parametrize("loss", [dice, focal, root, weighted])
def test_training_with_losses_and_metrics_of_ones_own(rng, loss):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")], seed=1)
    model.compile(keras.optimizers.Adam(0.05), loss, metrics=[f1, "accuracy"])
    x = rng.standard_normal((60, 4))
    y = np.eye(3)[(x @ rng.standard_normal((4, 3))).argmax(1)]
    history = model.fit(x, y, epochs=15, batch_size=60, verbose=0).history
    assert history["loss"][-1] < 0.9 * history["loss"][0]
    p = model.predict(x, verbose=0)
    right = np.rint(y * p).sum()
    precision, recall = right / (np.rint(p).sum() + 1e-7), right / 60
    logs = model.evaluate(x, y, batch_size=60, verbose=0, return_dict=True)
    assert logs["f1"] == pytest.approx(2 * precision * recall / (precision + recall + 1e-7), rel=1e-4)


def test_no_gradient_flows_through_jumps(oracle):
    y = mc.Tensor(X, oracle, requires_grad=True)
    assert not K.round(y).requires_grad
    assert not K.stop_gradient(y * 2).requires_grad
    assert not (y > 0).requires_grad


def test_channels_first_is_what_layers_without_a_data_format_take(notes):
    """Keras 2's and Keras 1's words; the same network with channels last has the same outputs."""
    assert (K.image_data_format(), K.image_dim_ordering()) == ("channels_last", "tf")

    def built(shape):
        network = [keras.Input(shape), keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.MaxPooling2D(),
                   keras.layers.Flatten(), keras.layers.Dense(2)]  # fmt: skip
        return keras.Sequential(network)

    last = built((8, 7, 3))
    try:
        K.set_image_dim_ordering("th")
        assert (K.image_data_format(), K.image_dim_ordering()) == ("channels_first", "th")
        first = built((3, 8, 7))
    finally:
        K.set_image_data_format("channels_last")
    assert [layer.output_shape for layer in first.layers] == [(None, 4, 6, 5), (None, 4, 3, 2), (None, 24), (None, 2)]
    assert [note.partition(":")[0] for note in notes()] == ['data_format="channels_first"']
    first.set_weights(last.get_weights())
    x = np.random.default_rng(0).random((2, 3, 8, 7)).astype("f4")
    there = last.predict(x.transpose(0, 2, 3, 1), verbose=0)
    assert np.array_equal(first.predict(x, verbose=0), there)
    first.compile("sgd", "mse")
    first.fit(x, there, verbose=0)


def test_settings():
    assert (K.image_data_format(), K.floatx(), K.backend()) == ("channels_last", "float32", "minicnn")
    assert K.epsilon() == 1e-7
    K.clear_session()
    with pytest.raises(MinicnnError, match="channels_last"):
        K.set_image_data_format("first")
    with pytest.raises(UnsupportedError):
        K.set_floatx("float16")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.25), "mse")
    assert K.get_value(model.optimizer.lr) == 0.25


def test_normalized_tensors_are_tensors():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    found = keras.utils.normalize(Tensor(x))
    assert isinstance(found, Tensor)
    np.testing.assert_allclose(found.numpy(), [[0.6, 0.8], [0, 0]], rtol=1e-6)
    assert isinstance(keras.utils.normalize(x, order=1), np.ndarray)
