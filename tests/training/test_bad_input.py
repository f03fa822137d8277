"""What is refused, in which words, and that nothing has changed: the model trains on as if nobody had asked."""

# ruff: noqa: E501  (messages are compared word for word, each on its line)

import numpy as np
import pytest

from minicnn import Sequential, callbacks, errors, layers, losses, optimizers

from .networks import small, state, toy

X, Y = toy(20)
ONE_HOT = np.eye(3)[Y]


def spoiled(value, row=3):
    x = X.copy()
    x[row, 1, 2, 0] = value
    return x


def labelled(value, row=5, dtype=float):
    y = Y.astype(dtype)
    y[row] = value
    return y


SPARSE = "sparse_categorical_crossentropy"
LABELS = "y: expected whole numbers from 0 to 2, received {} in row 5; correct that label or the number of classes"
REFUSED = [
    # shapes
    (lambda m: m.fit(X.reshape(-1, 36), Y), "small: x: expected shape (N, 6, 6, 1), received (20, 36); use x.reshape(-1, 6, 6, 1)"),
    (lambda m: m.fit(np.repeat(X, 3, -1), Y), "small: x: expected shape (N, 6, 6, 1), received (20, 6, 6, 3); the model was built for that shape"),
    (lambda m: m.predict(X[:, :5]), "small: x: expected shape (N, 6, 6, 1), received (20, 5, 6, 1); the model was built for that shape"),
    (lambda m: m.evaluate(X[..., 0].reshape(20, 36), Y), "small: x: expected shape (N, 6, 6, 1), received (20, 36); use x.reshape(-1, 6, 6, 1)"),
    (lambda m: m.predict(X[0]), "small: x: expected shape (N, 6, 6, 1), received (6, 6, 1); the model was built for that shape"),
    (lambda m: m.predict(X[:0]), "small: x: expected at least one sample, received none"),
    (lambda m: m.fit(X, Y[:-1]), "fit: expected x and y with the same number of rows, received x with 20, y with 19; give one of each for every image"),
    (lambda m: m.fit(X, Y, sample_weight=np.ones(3)), "fit: expected x and y and sample_weight with the same number of rows, received x with 20, y with 20, sample_weight with 3; give one of each for every image"),
    (lambda m: m.fit(X, Y, validation_data=(X[:, :5], Y)), "fit: validation_data: small: validation x: expected shape (N, 6, 6, 1), received (20, 5, 6, 1); the model was built for that shape"),
    (lambda m: m.fit(X, Y, validation_data=(X, Y[:3])), "fit: validation_data: arrays: expected x and y with the same number of rows, received x with 20, y with 3; give one of each for every image"),
    # labels
    (lambda m: m.fit(X, labelled(3)), LABELS.format("3.0")),
    (lambda m: m.fit(X, labelled(-1, dtype=int)), LABELS.format("-1")),
    (lambda m: m.fit(X, labelled(0.5)), LABELS.format("0.5")),
    (lambda m: m.fit(X, labelled(np.nan)), LABELS.format("nan")),
    (lambda m: m.fit(X, labelled(np.nan), class_weight={0: 2.0}), LABELS.format("nan")),
    (lambda m: m.evaluate(X, labelled(3)), LABELS.format("3.0")),
    (lambda m: m.train_on_batch(X, labelled(3)), LABELS.format("3.0")),
    (lambda m: m.fit(X, ONE_HOT), f'{SPARSE}: expected class numbers of shape (N,), received one-hot targets of shape (20, 3); use loss="categorical_crossentropy", or y.argmax(axis=-1)'),
    (lambda m: m.fit(X), "fit: expected targets y, received None"),
    # pixels
    (lambda m: m.fit(spoiled(np.nan), Y), "x: expected finite pixels, received nan in row 3 at (1, 2, 0); correct or remove that row"),
    (lambda m: m.predict(spoiled(np.inf)), "x: expected finite pixels, received inf in row 3 at (1, 2, 0); correct or remove that row"),
    (lambda m: m.fit(X, Y, validation_data=(spoiled(np.nan), Y)), "fit: validation_data: validation x: expected finite pixels, received nan in row 3 at (1, 2, 0); correct or remove that row"),
    (lambda m: m.predict(np.full((2, 6, 6, 1), "a")), "x: expected an array of numbers, received dtype <U1"),
    (lambda m: m.fit(X.astype(object), Y), "x: expected an array of numbers, received dtype object"),
    # arguments
    (lambda m: m.fit(X, Y, epochs=0), "fit: epochs: expected a whole number of at least 1, received 0"),
    (lambda m: m.fit(X, Y, epochs=1.5), "fit: epochs: expected a whole number of at least 1, received 1.5"),
    (lambda m: m.fit(X, Y, batch_size=0), "fit: batch_size: expected a whole number of at least 1, received 0"),
    (lambda m: m.fit(X, Y, steps_per_epoch=-1), "fit: steps_per_epoch: expected a whole number of at least 1, received -1"),
    (lambda m: m.predict(X, batch_size=0), "predict: batch_size: expected a whole number of at least 1, received 0"),
    (lambda m: m.evaluate(X, Y, batch_size=-2), "evaluate: batch_size: expected a whole number of at least 1, received -2"),
    (lambda m: m.fit(X, Y, validation_split=1.0), "validation_split: expected a fraction between 0 and 1, received 1.0"),
    (lambda m: m.fit(X, Y, validation_split=0.99), "validation_split: expected a fraction that leaves rows on both sides, received 0.99 of 20 rows: 0 to train on, 20 to validate on; change it"),
    (lambda m: m.fit([(X, Y)], validation_split=0.1), "fit: validation_split: expected arrays x and y and no validation_data, received something else"),
    (lambda m: m.fit(X, Y, class_weight={0: 1}, sample_weight=np.ones(20)), "fit: expected class_weight or sample_weight, received both"),
    (lambda m: m.fit(X, Y, class_weight="balanced"), "class_weight: expected a dict from class number to weight, received 'balanced'"),
    (lambda m: m.fit(X, Y, sample_weight=np.full(20, np.nan)), "sample_weight: expected finite numbers, received NaN or infinity"),
    (lambda m: m.fit([(X, Y)], sample_weight=np.ones(20)), "fit: expected batches that hold their own sample weights, received sample_weight too"),
    (lambda m: m.fit(X, Y, validation_data=X), "fit: validation_data: expected (x, y) or batches, received an array of shape (20, 6, 6, 1)"),
    (lambda m: m.fit([X]), "fit: expected batches (x, y) or (x, y, sample_weight), received ndarray"),
    (lambda m: m.evaluate([X]), "evaluate: expected batches (x, y) or (x, y, sample_weight), received ndarray"),
    (lambda m: m.evaluate([]), "evaluate: expected batches (x, y), received an iterable without any"),
    (lambda m: m.train_on_batch(X), "train_on_batch: expected targets y, received None"),
    (lambda m: m.fit([]), "fit: expected batches (x, y), received an iterable without any"),
    (lambda m: m.fit([(X, labelled(3)), (X, Y)]), "batch 1: " + LABELS.format("3.0")),
    (lambda m: m.fit(iter([(X[:, :5], Y)]), steps_per_epoch=1), "batch 1: small: x: expected shape (N, 6, 6, 1), received (20, 5, 6, 1); the model was built for that shape"),
    (lambda m: m.evaluate([(X, Y), (X, Y), (spoiled(np.nan), Y)]), "batch 3: x: expected finite pixels, received nan in row 3 at (1, 2, 0); correct or remove that row"),
    # callbacks
    (lambda m: m.fit(X, Y, callbacks=[callbacks.EarlyStopping]), "callbacks: expected Callback instances, received the class EarlyStopping; write EarlyStopping() to make one"),
    # names
    (lambda m: m.compile("addam", SPARSE), 'optimizer: expected one of adadelta, adafactor, adagrad, adam, adamw, adamax, ftrl, lamb, lion, nadam, rmsprop, sgd, received \'addam\'; did you mean "adam"?'),
    (lambda m: m.compile("adam", SPARSE, run_eagrly=True), "compile: expected optimizer, loss, metrics, received 'run_eagrly'"),
    (lambda m: m.compile("adam", losses.MeanSquaredError("none")), 'compile: loss: expected a loss that is one number, received reduction "none"'),
    (lambda m: m.compile(optimizers.Adam(-1), SPARSE), "Adam: learning_rate: expected a finite number of at least 0, received -1"),
]  # fmt: skip


@pytest.mark.parametrize(("use", "message"), REFUSED)
def test_refused_and_nothing_has_changed(use, message):
    model, twin = small(name="small"), small()
    for m in (model, twin):
        m.fit(X, Y, 8, verbose=0)
    before, compiled = state(model), (model.optimizer, model.loss, model.metrics)
    with pytest.raises(errors.MinicnnError) as caught:
        use(model)
    assert str(caught.value) == message
    assert isinstance(caught.value, (ValueError, TypeError))
    assert state(model) == before
    assert (model.optimizer, model.loss, model.metrics) == compiled
    for m in (model, twin):
        m.fit(X, Y, 8, verbose=0)
    assert state(model) == state(twin)


@pytest.mark.parametrize("steps", [None, 3])
def test_a_bad_pixel_is_named_by_batch_and_row(steps):
    """The batches before it have been trained on, as the loss of the first epoch would have told."""
    model, good = small(), [(X, Y)] * 2

    def batches():
        yield from good
        yield spoiled(np.inf, row=7), Y

    with pytest.raises(errors.DataError) as caught:
        model.fit(batches(), steps_per_epoch=steps, epochs=2, verbose=0)
    message = "expected finite pixels, received inf in row 7 at (1, 2, 0); correct or remove that row"
    assert str(caught.value) == f"batch 3: x: {message}"
    assert model.streams.step == 2


@pytest.mark.parametrize(
    ("compile_with", "nearest"),
    [
        ({"optimizer": "admm"}, "adam"), ({"loss": "categorical_crossentropie"}, "categorical_crossentropy"),
        ({"metrics": ["acuracy"]}, "accuracy"),
    ],
)  # fmt: skip
def test_unknown_names_suggest_the_nearest(compile_with, nearest):
    with pytest.raises(errors.ArgumentError, match=rf'did you mean "{nearest}"\?$'):
        small(compiled=False).compile(**compile_with)


def test_a_monitor_that_names_no_metric_is_refused_before_training():
    model = small()
    before = state(model)
    for callback in (callbacks.EarlyStopping("val_acuracy"), callbacks.ReduceLROnPlateau("val_acuracy", patience=3)):
        with pytest.raises(errors.ArgumentError, match=r"'?val_acuracy'?.*did you mean \"val_accuracy\"\?"):
            model.fit(X, Y, validation_split=0.2, verbose=0, callbacks=[callback])
    assert state(model) == before


def test_one_hot_targets_for_the_wrong_loss():
    model = small(compiled=False)
    model.compile("adam", "categorical_crossentropy")
    message = (
        "categorical_crossentropy: expected one-hot targets of shape (N, 3), received class numbers of shape (20,); "
        'use to_categorical(y, 3), or loss="sparse_categorical_crossentropy"'
    )
    with pytest.raises(errors.ShapeError) as caught:
        model.fit(X, Y)
    assert str(caught.value) == message
    model.fit(X, ONE_HOT, verbose=0)


@pytest.mark.parametrize("shape", [(20, 6, 6), (20, 6, 6, 1)])
def test_a_missing_last_axis_is_added_as_in_keras(shape):
    model = small()
    whole = model.predict(X, verbose=0)
    np.testing.assert_array_equal(model.predict(X.reshape(shape), verbose=0), whole)
    flat = Sequential([layers.Dense(1, input_shape=(6,))])
    assert flat.predict(np.ones((2, 6, 1)), verbose=0).shape == (2, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64, bool])
def test_numbers_of_any_type(dtype):
    x = (X * 2).astype(dtype)
    np.testing.assert_array_equal(small().predict(x, verbose=0), small().predict(x.astype(np.float32), verbose=0))


# losses that are no numbers -------------------------------------------------------------------------------------------


def exploding(**kwargs):
    """The sum of an image's pixels, normalised: pixels of 3e38 overflow float32 in the first Dense."""
    model = Sequential([
        layers.Flatten(input_shape=(6, 6, 1), name="flat"), layers.Dense(4, kernel_initializer="ones", name="wide"),
        layers.BatchNormalization(name="norm"), layers.Dense(3, activation="softmax", name="last"),
    ], seed=1, **kwargs)  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("kernels", ["numba_cpu", "numpy_ref"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_stops_before_the_step(kernels):
    model, twin = exploding(kernels=kernels), exploding(kernels=kernels)
    batches = [(X[:8], Y[:8]), (X[8:16], Y[8:16])]
    twin.fit(batches, verbose=0)
    x = np.zeros_like(X[:4])
    x[0] = 3e38
    with pytest.raises(errors.NonFiniteError) as caught:
        model.fit([*batches, (x, Y[:4])], epochs=2, verbose=0)
    assert str(caught.value) == (
        "fit: stopped at epoch 1, batch 3: loss is nan: the first layer whose output is not finite is wide "
        "(Dense); lower the learning rate"
    )
    assert isinstance(caught.value, ArithmeticError)
    assert state(model)[:4] == state(twin)[:4]  # weights, moving averages, slots, counters
    model.fit(batches, verbose=0)
    assert np.isfinite(model.predict(X, verbose=0)).all()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_culprit_may_be_a_weight_or_the_loss():
    model = small()
    weights = model.get_weights()
    model.set_weights([np.full_like(w, np.nan) if i == 6 else w for i, w in enumerate(weights)])
    with pytest.raises(errors.NonFiniteError, match=r"batch 1: loss is nan: weight dense/kernel is not finite"):
        model.fit(X, Y, verbose=0)
    model.set_weights(weights)
    model.fit(X, Y, verbose=0)

    tall = Sequential([layers.Flatten(input_shape=(6, 6, 1)), layers.Dense(1, kernel_initializer="ones")])
    tall.compile("sgd", "mse")
    with pytest.raises(
        errors.NonFiniteError, match="loss is inf: every layer's output is finite; the loss itself overflowed"
    ):
        tall.fit(np.full((2, 6, 6, 1), 1e30), np.zeros((2, 1)), verbose=0)


# old notebooks --------------------------------------------------------------------------------------------------------


def test_keras_2_spellings_work_with_one_note_each(notes, capsys):
    model = Sequential()
    model.add(layers.Conv2D(filters=2, kernel_size=(3, 3), padding="Same", activation="relu", input_shape=(6, 6, 1)))
    model.add(layers.MaxPool2D(pool_size=(2, 2), strides=(2, 2)))
    model.add(layers.Flatten())
    model.add(layers.Dense(3, activation="softmax"))
    optimizer = optimizers.RMSprop(lr=0.001, rho=0.9, epsilon=1e-08, decay=0.0)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    plateau = callbacks.ReduceLROnPlateau(monitor="val_acc", patience=3, verbose=0, factor=0.5, min_lr=0.00001)
    batches = [(X, ONE_HOT)]
    for _ in range(2):
        history = model.fit_generator(batches, steps_per_epoch=1, epochs=1, validation_data=(X, ONE_HOT), verbose=0,
                                      callbacks=[plateau], workers=4)  # fmt: skip
    assert history.history["val_acc"] == history.history["val_accuracy"]
    classes = model.predict_classes(X)
    np.testing.assert_array_equal(classes, model.predict(X, verbose=0).argmax(axis=1))
    np.testing.assert_array_equal(model.predict_proba(X), model.predict(X, verbose=0))
    model.evaluate_generator(batches, verbose=0)
    said = notes()
    print(model.summary())
    out, err = capsys.readouterr()
    assert "None" not in out.replace("(None", "")
    assert err == "minicnn: summary() prints the table itself; print(...) around it is not needed\n"
    assert sorted(said) == sorted({
        'padding="Same" is read as "same"', "RMSprop(lr=...) is read as learning_rate=",
        "fit_generator(...) is fit(...)", "predict_classes(x) is predict(x).argmax(axis=-1)", "predict_proba(x) is predict(x)",
        "evaluate_generator(...) is evaluate(...)",
        "ReduceLROnPlateau: 'val_acc' is read as 'val_accuracy', the name that this model logs",
        "History: 'val_acc' is read as 'val_accuracy', the name that this model logs",
    })  # fmt: skip


def test_predict_classes_of_one_output():
    model = Sequential([layers.Dense(1, activation="sigmoid", kernel_initializer="ones", input_shape=(1,))])
    assert model.predict_classes(np.array([[-1.0], [2]])).tolist() == [[0], [1]]
