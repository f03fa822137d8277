"""The table of errors that minicnn must better, row by row: the exact message, and what the row says about afterwards.

What Keras 3.15 does with each stands beside the row; test_bad_input.py holds many more refusals.
"""

import numpy as np
import pytest

from minicnn import Sequential, callbacks, errors, layers, optimizers

SPARSE = "sparse_categorical_crossentropy"
RNG = np.random.default_rng(0)
X, Y = RNG.random((12, 28, 28, 1), np.float32), np.arange(12) % 10


def digits(**compiled):
    """A small network of 28 x 28 images and 10 classes."""
    model = Sequential([
        layers.Conv2D(2, 5, strides=3, activation="relu", input_shape=(28, 28, 1), name="conv"),
        layers.Flatten(name="flatten"), layers.Dense(10, activation="softmax", name="dense"),
    ], name="digits", seed=1, threads=1)  # fmt: skip
    model.compile(**{"optimizer": "adam", "loss": SPARSE, "metrics": ["accuracy"], **compiled})
    return model


def snapshot(model):
    return [weights.tobytes() for weights in model.get_weights()], model.streams.step, model.streams.epoch


def refused(use, kind, message, model=None):
    """`use` raises exactly this, nothing has changed, and the next valid call works as if it had not been asked."""
    model, twin = model or digits(), digits()
    before, learning = snapshot(model), (model.optimizer, model.loss)
    with pytest.raises(kind) as caught:
        use(model)
    assert str(caught.value) == message
    assert snapshot(model) == before
    assert (model.optimizer, model.loss) == learning
    for m in (model, twin):
        m.fit(X, Y, 4, verbose=0)
    assert snapshot(model) == snapshot(twin)


CALLS = {  # everything that takes images
    "fit": lambda m, x: m.fit(x, Y, verbose=0), "evaluate": lambda m, x: m.evaluate(x, Y, verbose=0),
    "predict": lambda m, x: m.predict(x, verbose=0), "call": lambda m, x: m(x),
    "train_on_batch": lambda m, x: m.train_on_batch(x, Y), "test_on_batch": lambda m, x: m.test_on_batch(x, Y),
    "predict_on_batch": lambda m, x: m.predict_on_batch(x),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_row_1_flat_images(call):
    """Keras: "Invalid input shape for input JitTracer...", and the next valid call fails too."""
    message = "digits: x: expected shape (N, 28, 28, 1), received (12, 784); use x.reshape(-1, 28, 28, 1)"
    refused(lambda m: CALLS[call](m, X.reshape(12, 784)), ValueError, message)


@pytest.mark.parametrize("call", CALLS)
def test_row_2_three_channels(call):
    """Keras: names axis -1, then the same broken state."""
    message = "digits: x: expected shape (N, 28, 28, 1), received (12, 28, 28, 3); the model was built for that shape"
    if call == "call":  # which takes images of any size, and says what no size mends
        message = "conv: expected images of 1 channels, received 3 channels"
    refused(lambda m: CALLS[call](m, np.repeat(X, 3, axis=-1)), ValueError, message)


@pytest.mark.parametrize("call", ["fit", "evaluate", "train_on_batch", "test_on_batch", "validation_data"])
@pytest.mark.parametrize(("label", "shown"), [(10, "10.0"), (-1, "-1.0"), (2.5, "2.5"), (np.nan, "nan")])
def test_row_3_labels_that_are_none(call, label, shown):
    """Keras: accepted, and the loss is silently wrong."""
    y = Y.astype(float)
    y[7] = label
    where = "fit: validation_data: y" if call == "validation_data" else "y"
    message = (
        f"{where}: expected whole numbers from 0 to 9, received {shown} in row 7; correct that label or the number of "
        "classes"
    )
    uses = {
        "fit": lambda m: m.fit(X, y, verbose=0), "evaluate": lambda m: m.evaluate(X, y, verbose=0),
        "train_on_batch": lambda m: m.train_on_batch(X, y), "test_on_batch": lambda m: m.test_on_batch(X, y),
        "validation_data": lambda m: m.fit(X, Y, validation_data=(X, y), verbose=0),
    }  # fmt: skip
    refused(uses[call], ValueError, message)


def test_row_4_one_hot_labels_for_the_sparse_loss():
    """Keras: "same shape up until the last dimension"."""
    message = (
        f"{SPARSE}: expected class numbers of shape (N,), received one-hot targets of shape (12, 10); "
        'use loss="categorical_crossentropy", or y.argmax(axis=-1)'
    )
    refused(lambda m: m.fit(X, np.eye(10)[Y], verbose=0), ValueError, message)


def test_row_5_nan_in_x():
    """Keras: history [nan, nan], no exception. Here the row and the pixel, before the first step."""
    x = X.copy()
    x[9, 3, 4, 0] = np.nan
    message = "x: expected finite pixels, received nan in row 9 at (3, 4, 0); correct or remove that row"
    refused(lambda m: m.fit(x, Y, 4, verbose=0), ValueError, message)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_row_5_the_first_loss_that_is_nan():
    """Where NaN comes up in training: the epoch, the batch, the layer and its kind; the step is not made."""
    model = digits(optimizer=optimizers.SGD(1e30))
    with pytest.raises(errors.NonFiniteError) as caught:
        model.fit(X, Y, batch_size=4, epochs=2, verbose=0)
    assert str(caught.value) == (
        "fit: stopped at epoch 1, batch 2: loss is nan: the first layer whose output is not finite is dense (Dense); "
        "lower the learning rate"
    )
    assert model.streams.step == 1  # batch 1 alone
    assert all(np.isfinite(weights).all() for weights in model.get_weights())


MONITORS = {
    "EarlyStopping": lambda: callbacks.EarlyStopping("val_acuracy"),
    "ReduceLROnPlateau": lambda: callbacks.ReduceLROnPlateau("val_acuracy"),
    "ModelCheckpoint": lambda: callbacks.ModelCheckpoint("x.weights.safetensors", "val_acuracy", save_best_only=True,
                                                         save_weights_only=True),
}  # fmt: skip


@pytest.mark.parametrize("kind", MONITORS)
def test_row_6_a_monitor_that_is_misspelt(kind, tmp_path, monkeypatch):
    """Keras: at the end of the first epoch. Here before the first batch."""
    monkeypatch.chdir(tmp_path)
    message = (
        f"{kind}: expected monitor to be one of accuracy, loss, val_accuracy, val_loss, received 'val_acuracy'; "
        'did you mean "val_accuracy"?'
    )
    refused(lambda m: m.fit(X, Y, validation_split=0.25, callbacks=[MONITORS[kind]()], verbose=0), ValueError, message)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", MONITORS)
def test_row_6_a_validation_monitor_without_validation_data(kind):
    message = (
        f"{kind}: expected monitor to be one of accuracy, loss, received 'val_acuracy'; there is no validation data: "
        "pass validation_data= or validation_split= to fit"
    )
    refused(lambda m: m.fit(X, Y, callbacks=[MONITORS[kind]()], verbose=0), ValueError, message)
