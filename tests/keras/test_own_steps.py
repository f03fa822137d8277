"""class GAN(keras.Model) with a train_step of its own: fit hands it batches, calls callbacks, shows its logs."""

import numpy as np
import pytest

from minicnn import errors, keras
from minicnn.backend.cpu import CPU
from minicnn.keras import layers as L
from minicnn.keras import tf

DOUBLE = CPU("numpy_ref", "float64")
X = np.random.default_rng(0).standard_normal((10, 4))
Y = np.random.default_rng(1).standard_normal((10, 1))


class Regression(keras.Model):
    """The step of Keras's guide."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


class Older(Regression):
    """The step of Keras 2's guide, and its test."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compiled_loss(y, y_pred, regularization_losses=self.losses)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.compiled_metrics.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        self.compiled_loss(y, y_pred, regularization_losses=self.losses)
        self.compiled_metrics.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


def made(cls=Regression, **options):
    x = L.Input((4,))
    h = L.Dropout(0.3)(L.BatchNormalization()(L.Dense(5, activation="tanh", kernel_regularizer="l2")(x)))
    model = cls(x, L.Dense(1)(h), seed=1, device=DOUBLE, **options)
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize("cls", [Regression, Older])
def test_the_step_of_a_guide_is_fit_s_own(cls):
    ours, oracle = made(cls), made(keras.Model)
    history, expected = (m.fit(X, Y, batch_size=5, epochs=3, verbose=0).history for m in (ours, oracle))
    for a, b in zip(ours.get_weights(), oracle.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
    assert set(history) == {"loss", "mae"}
    for name, values in history.items():
        assert values == pytest.approx(expected[name], rel=1e-10)
    assert [m.name for m in ours.metrics] == ["mae"]  # as they were compiled
    assert ours.evaluate(X, Y, verbose=0) == pytest.approx(oracle.evaluate(X, Y, verbose=0), rel=1e-10)
    np.testing.assert_allclose(ours.predict(X, verbose=0), oracle.predict(X, verbose=0), rtol=1e-10)
    found = ours.train_on_batch(X, Y, return_dict=True)
    assert found["loss" if "loss" in found else "mae"] > 0
    assert (ours.fitting, ours.streams.epoch) == (False, 3)


class GAN(keras.Model):
    """Two networks, two optimizers, metrics that the class says, no call."""

    def __init__(self, generator, discriminator):
        super().__init__(name="gan")
        self.generator, self.discriminator = generator, discriminator
        self.shown_images = []

    def compile(self, g_optimizer, d_optimizer, loss_fn):
        super().compile()
        self.g_optimizer, self.d_optimizer, self.loss_fn = g_optimizer, d_optimizer, loss_fn
        self.g_metric, self.d_metric = keras.metrics.Mean(name="g_loss"), keras.metrics.Mean(name="d_loss")

    @property
    def metrics(self):
        return [self.g_metric, self.d_metric]

    def train_step(self, images):
        self.shown_images.append(np.asarray(images))
        n = tf.shape(images)[0]
        fake = self.generator(tf.random.normal(shape=(n, 2)))
        both = tf.concat([fake, images], axis=0)
        labels = tf.concat([tf.ones((n, 1)), tf.zeros((n, 1))], axis=0)
        labels += 0.05 * tf.random.uniform(tf.shape(labels))  # above 1, as Keras's example has it
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(both))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            g_loss = self.loss_fn(tf.zeros((n, 1)), self.discriminator(self.generator(tf.random.normal(shape=(n, 2)))))
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        self.d_metric.update_state(d_loss)
        self.g_metric.update_state(g_loss)
        return {"d_loss": self.d_metric.result(), "g_loss": self.g_metric.result()}


def gan():
    model = GAN(keras.Sequential([L.Input((2,)), L.Dense(4)], seed=1),
                keras.Sequential([L.Input((4,)), L.Dense(3, activation="tanh"), L.Dense(1, activation="sigmoid")],
                                 seed=2))  # fmt: skip
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy())
    return model


class Watch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append((epoch, sorted(logs), self.model.generator(np.zeros((2, 2))).numpy().shape))

    def on_train_batch_end(self, batch, logs=None):
        self.calls.append((batch, sorted(logs)))


@pytest.mark.parametrize("how", ["array", "dataset", "generator"])
def test_a_gan(how):
    model, watch, x = gan(), Watch(), X.astype(np.float32)
    before = model.get_weights()
    data = {"array": x, "dataset": tf.data.Dataset.from_tensor_slices(x).batch(4),
            "generator": (x[i % 8 : i % 8 + 4] for i in range(0, 80, 4))}[how]  # fmt: skip
    steps = {"steps_per_epoch": 3} if how == "generator" else {}
    history = model.fit(data, epochs=2, verbose=0, callbacks=[watch], **{"batch_size": 4} if how == "array" else steps)
    assert watch.calls[:4] == [*((i, ["d_loss", "g_loss"]) for i in range(3)), (0, ["d_loss", "g_loss"], (2, 4))]
    assert len(history.history["d_loss"]) == 2
    assert len(model.weights) == 6
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    if how == "array":  # every row once in each epoch, in another order
        passes = [np.concatenate(model.shown_images[i : i + 3]) for i in (0, 3)]
        for one in passes:
            np.testing.assert_array_equal(np.sort(one, axis=0), np.sort(x, axis=0))
        assert (passes[0] != passes[1]).any()


def test_epochs_of_steps_go_on_through_the_rows():
    model = gan()
    model.fit(X[:, :4], epochs=4, batch_size=5, steps_per_epoch=1, shuffle=False, verbose=0)
    for i, seen in enumerate(model.shown_images):
        np.testing.assert_array_equal(seen, X[5 * (i % 2) : 5 * (i % 2) + 5])


def test_a_test_step_validates():
    model = made(Older)
    stop = keras.callbacks.EarlyStopping("val_mae", patience=1, min_delta=100.0)
    history = model.fit(X, Y, batch_size=4, epochs=9, validation_split=0.2, callbacks=[stop], verbose=0).history
    assert len(history["val_mae"]) == 2
    assert set(history) == {"loss", "mae", "val_loss", "val_mae"}
    logs = model.evaluate(X[8:], Y[8:], verbose=0, return_dict=True)
    assert {f"val_{name}": [pytest.approx(value)] for name, value in logs.items()} == {
        name: values[-1:] for name, values in history.items() if name.startswith("val_")}  # fmt: skip
    assert model.test_on_batch(X[8:], Y[8:], return_dict=True)["mae"] == pytest.approx(logs["mae"])
    compiled = made()
    history = compiled.fit(X, Y, batch_size=5, validation_data=(X, Y), verbose=0).history
    assert history["val_loss"] == [pytest.approx(compiled.evaluate(X, Y, verbose=0)[0])]


def test_what_steps_of_one_s_own_cannot_have_is_refused():
    model = made()
    with pytest.raises(errors.UnsupportedError, match="with train_step, received class_weight; weigh in train_step"):
        model.fit(X, Y, class_weight={0: 1.0}, verbose=0)
    with pytest.raises(errors.UnsupportedError, match="received checkpoint"):
        model.fit(X, Y, checkpoint="run", verbose=0)
    with pytest.raises(errors.UnsupportedError, match="test_step, or a compiled loss, received neither"):
        gan().fit(X, validation_data=X, verbose=0)
    with pytest.raises(errors.ShapeError, match=r"Regression.fit: expected array 0 and array 1 with the same number"):
        model.fit(X, Y[:3], verbose=0)
    with pytest.raises(errors.DataError, match="expected 9 batches, received"):
        gan().fit(iter([X[:4]]), steps_per_epoch=9, verbose=0)
    lost = type("Lost", (Regression,), {"train_step": lambda self, data: {"loss": tf.constant(np.nan)}})
    with pytest.raises(errors.NonFiniteError, match=r"Lost.train_step: expected a finite loss, received nan"):
        made(lost).fit(X, Y, verbose=0)
    nan = keras.callbacks.TerminateOnNaN()
    assert len(made(lost).fit(X, Y, epochs=3, callbacks=[nan], verbose=0).history["loss"]) == 1
    bad = type("Bad", (Regression,), {"train_step": lambda self, data: 3.0})
    with pytest.raises(errors.ArgumentTypeError, match=r"Bad.train_step: expected a dict of logs, received 3.0"):
        made(bad).fit(X, Y, verbose=0)


class Parts(keras.Model):
    """As guides have it: a part, and a metric that is an attribute."""

    def __init__(self):
        super().__init__(seed=1, device=DOUBLE)
        self.dense, self.aux = L.Dense(1), keras.metrics.Mean(name="aux")

    def call(self, x):
        return self.dense(x)


class Guide(Parts):
    def train_step(self, data):
        logs = super().train_step(data)
        self.aux.update_state(7.0)
        return logs | {"aux": self.aux.result()}

    def test_step(self, data):
        return super().test_step(data)


def test_compiled_metrics_are_shown_the_outputs_and_weighted_ones_the_weights():
    w = np.r_[np.ones(3), np.zeros(7)]
    histories = []
    for cls in (Guide, Parts):
        model = cls()
        model.build((None, 4))
        model.set_weights([np.ones((4, 1)), np.ones(1)])
        model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"], weighted_metrics=["mae", "mse"])
        histories.append(model.fit(X, Y, batch_size=10, epochs=2, verbose=0, sample_weight=w).history)
        tested = model.evaluate(X, Y, verbose=0, sample_weight=w, return_dict=True)
        histories[-1] |= {f"test_{name}": [value] for name, value in tested.items()}
        assert [one.name for one in model.weighted_metrics] == ["mae", "mse"]
    ours, expected = histories
    assert (ours.pop("aux"), ours.pop("test_aux")) == ([7.0, 7.0], [0.0])
    assert set(ours) == set(expected) >= {"loss", "mae", "weighted_mae", "mse"}
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, rel=1e-9), name


def test_an_attribute_s_metric_is_the_script_s_own():
    model = Guide()
    model.compile("sgd", "mse", metrics=["mae"])
    assert model.fit(X, Y, epochs=2, batch_size=5, verbose=0).history["aux"] == [7.0, 7.0]


def test_batches_may_be_lists():
    model = Guide()
    model.compile("sgd", "mse")
    assert model.fit([[X, Y], [X, Y]], verbose=0).history["loss"][0] > 0


def test_single_batches_have_the_loss_too():
    model = made()
    first, second = (model.train_on_batch(X, Y, return_dict=True) for _ in range(2))
    assert set(first) == set(second) == {"loss", "mae"}
    one = made()
    one.compile("sgd", "mse")
    assert isinstance(one.train_on_batch(X, Y), float)
    assert [m.name for m in model.metrics] == ["mae"]
    with pytest.raises(errors.ArgumentTypeError, match="sample_weight: expected y beside it"):
        model.train_on_batch(X, sample_weight=np.ones(10))


def test_a_step_may_have_nothing_to_say():
    empty = made(type("Empty", (Older,), {"train_step": lambda self, data: {}, "test_step": lambda self, data: {}}))
    assert empty.fit(X, Y, epochs=2, verbose=0).epoch == [0, 1]
    assert empty.evaluate(X, Y, verbose=0, return_dict=True) == {}
    assert empty.train_on_batch(X, Y) == []


def test_a_split_is_tested_by_the_compiled_loss():
    split, given = made(), made()
    a = split.fit(X, Y, batch_size=4, validation_split=0.2, verbose=0).history
    b = given.fit(X[:8], Y[:8], batch_size=4, validation_data=(X[8:], Y[8:]), verbose=0).history
    assert a == b
    with pytest.raises(errors.UnsupportedError, match="validation_split: expected a model with test_step, or a compil"):
        gan().fit(X, validation_split=0.2, verbose=0)
    with pytest.raises(errors.ArgumentError, match="expected arrays and no validation_data, received batches"):
        split.fit([(X, Y)], validation_split=0.2, verbose=0)


def test_checkpoints_of_a_run_are_refused_with_what_there_is_instead(tmp_path):
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(errors.UnsupportedError, match=r"received BackupAndRestore; .*ModelCheckpoint\(path, save_w"):
        made().fit(X, Y, callbacks=[backup], verbose=0)
    with pytest.raises(errors.UnsupportedError, match=r"received checkpoint; .*ModelCheckpoint\(path, save_weights"):
        made().fit(X, Y, checkpoint=str(tmp_path), verbose=0)
    with pytest.raises(errors.ArgumentTypeError, match=r"grads_and_vars: expected"):
        keras.optimizers.SGD(0.1).apply_gradients(5)
    with pytest.raises(errors.ArgumentTypeError, match=r"grads_and_vars: expected pairs"):
        keras.optimizers.SGD(0.1).apply_gradients([5])
