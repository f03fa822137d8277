"""fit, evaluate and predict: which rows, which steps, which numbers, in Keras's sense."""

import itertools

import numpy as np
import pytest

from minicnn import Sequential, Tensor, callbacks, layers, losses, metrics, optimizers
from minicnn.core.program import Program
from minicnn.data import ImageDataGenerator
from minicnn.training import loop

from .networks import network_a, small, state, toy

X, Y = toy(50)


class Spy(callbacks.Callback):
    """Writes down every hook, and what batches held."""

    def __init__(self):
        super().__init__()
        self.calls, self.logs = [], []

    def __getattribute__(self, name):
        if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end"):
            return lambda *args, logs=None: self.calls.append((name, *[a for a in args if isinstance(a, int)]))
        return super().__getattribute__(name)


class Recorder(metrics.Metric):
    """A metric that keeps what it is shown."""

    def __init__(self):
        self.seen = []
        super().__init__("recorder")

    def reset_state(self):
        self.seen.append([])

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.seen[-1].append((y_true, y_pred, sample_weight))

    def result(self):
        return 0.0


def linear(weight=0.0, rate=0.0, loss="mse", **kwargs):
    """y = w x, whose loss anybody can compute; at rate 0 nothing moves."""
    model = Sequential([layers.Dense(1, use_bias=False, input_shape=(1,))], seed=0)
    model.set_weights([[[weight]]])
    model.compile(optimizers.SGD(rate), loss, **kwargs)
    return model


def joined(batches):
    return list(itertools.chain.from_iterable(batches))


def rows_of(recorder, epoch=0):
    return [batch[0].ravel().tolist() for batch in recorder.seen[epoch] if len(batch[0])]


# rows and steps -------------------------------------------------------------------------------------------------------


def test_the_last_batch_may_be_smaller_and_every_row_is_seen_once():
    recorder = Recorder()
    model = linear(metrics=[recorder])
    n = 10
    model.fit(np.arange(n)[:, None], np.arange(n)[:, None], batch_size=4, epochs=3, verbose=0)
    epochs = [rows for e in range(len(recorder.seen)) if (rows := rows_of(recorder, e))]
    assert [[len(batch) for batch in epoch] for epoch in epochs] == [[4, 4, 2]] * 3
    flat = [joined(epoch) for epoch in epochs]
    assert all(sorted(order) == list(range(n)) for order in flat)
    assert len({tuple(order) for order in flat}) == 3  # a fresh order each epoch
    assert list(range(n)) not in flat
    assert (model.optimizer.iterations, model.streams.step, model.streams.epoch) == (9, 9, 3)


def test_shuffle_off_keeps_the_order():
    recorder = Recorder()
    linear(metrics=[recorder]).fit(np.arange(5)[:, None], np.arange(5)[:, None], 2, shuffle=False, verbose=0)
    assert [rows for rows in map(rows_of_epoch, recorder.seen) if rows] == [[[0, 1], [2, 3], [4]]]


def rows_of_epoch(seen):
    return [batch[0].ravel().tolist() for batch in seen]


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    """Not of the steps so far: another batch size, or batches by hand, change no order."""
    orders = []
    for steps, batch_size in ((0, 4), (3, 4), (0, 10)):
        recorder = Recorder()
        model = linear(metrics=[recorder])
        for _ in range(steps):
            model.train_on_batch(np.ones((2, 1)), np.ones((2, 1)))
        del recorder.seen[:]
        model.fit(np.arange(10)[:, None], np.arange(10)[:, None], batch_size, epochs=2, verbose=0)
        orders.append([joined(rows) for rows in map(rows_of_epoch, recorder.seen) if rows])
    assert orders[0] == orders[1] == orders[2]


def test_default_batch_size_is_32():
    model = linear()
    model.fit(np.ones((70, 1)), np.ones((70, 1)), verbose=0)
    assert model.optimizer.iterations == 3


def test_validation_split_takes_the_last_rows_before_shuffling():
    recorder = Recorder()
    model = linear(metrics=[recorder])
    history = model.fit(np.arange(10)[:, None], np.arange(10)[:, None], 4, validation_split=0.25, verbose=0)
    train, validation = [rows for rows in map(rows_of_epoch, recorder.seen) if rows]
    assert sorted(joined(train)) == list(range(7))  # floor(10 * .75)
    assert validation == [[7, 8, 9]]
    assert history.history["val_loss"] == [pytest.approx((49 + 64 + 81) / 3)]


def test_loss_is_weighted_by_batch_size():
    """Batches of 4 and 1 with losses 1 and 25 report 5.8, as Keras does."""
    model = linear()
    y = np.array([1.0, 1, 1, 1, 5])[:, None]
    history = model.fit(np.ones((5, 1)), y, 4, shuffle=False, verbose=0)
    assert history.history["loss"] == [pytest.approx(5.8)]
    assert model.evaluate(np.ones((5, 1)), y, 4, verbose=0) == pytest.approx(5.8)


def test_batch_logs_are_running_means():
    seen = []
    spy = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    linear().fit(np.ones((5, 1)), np.array([1.0, 1, 1, 1, 5])[:, None], 4, shuffle=False, verbose=0, callbacks=[spy])
    assert seen == [1, pytest.approx(5.8)]


def test_metrics_see_the_outputs_before_the_update():
    model = linear(rate=0.5, metrics=["mse"])
    history = model.fit(np.ones((4, 1)), np.ones((4, 1)), 4, verbose=0).history
    assert history == {"mse": [1.0], "loss": [1.0]}
    assert model.get_weights()[0] == 1  # 0 - .5 * 2 (0 - 1)


def shown_to_metrics(*hooks):
    """What metrics see of four batches, and after how many steps: (steps, truth, outputs, weights) of each."""
    found = []

    class Shown(metrics.MeanMetricWrapper):
        def update_state(self, y_true, y_pred, sample_weight=None):
            found.append((model.optimizer.iterations, y_true.tolist(), y_pred.tolist(), sample_weight.tolist()))

    model = Sequential([layers.Dense(1, use_bias=False, input_shape=(2,))], seed=0)
    model.compile(optimizers.SGD(1e-4), "mse", weighted_metrics=[Shown(metrics.mean_squared_error)])
    x = np.arange(40.0).reshape(20, 2)
    given = {"sample_weight": np.arange(20), "shuffle": False, "verbose": 0, "callbacks": hooks}
    model.fit(x, x.sum(axis=1), batch_size=5, **given)
    return [steps for steps, *_ in found], [batch for _, *batch in found]


def test_metrics_may_wait_but_see_every_batch_as_it_was(monkeypatch):
    steps, expected = shown_to_metrics(callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: None))
    assert steps == [1, 2, 3, 4], "somebody acts on batches: none waits"
    assert [weights for _, _, weights in expected] == np.arange(20).reshape(4, 5).tolist()
    steps, received = shown_to_metrics()
    assert steps == [1, 4, 4, 4], "nobody does: all but the first, which shows whether the metric fits"
    assert received == expected
    safe = callbacks.Callback()
    safe.async_safe, safe.on_train_batch_end = True, lambda batch, logs: batch == 1 and logs["loss"]
    steps, received = shown_to_metrics(safe)
    assert steps == [1, 2, 4, 4], "it reads the second batch's logs"
    assert received == expected
    monkeypatch.setattr(loop, "PENDING", 100)  # a batch is 60 bytes
    steps, received = shown_to_metrics()
    assert steps == [1, 3, 3, 4], "too much would wait"
    assert received == expected


def test_what_callbacks_do_to_layers_counts_from_the_next_batch_on():
    model = Sequential([layers.Conv2D(2, 3, activation="relu"), layers.BatchNormalization(), layers.Flatten(),
                        layers.Dense(4, activation="softmax")], seed=0)  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy")
    norm, moved = model.layers[1], []

    class Freeze(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            norm.trainable = batch < 2
            self.before = norm.moving_mean.numpy().copy()

        def on_train_batch_end(self, batch, logs=None):
            moved.append(bool((norm.moving_mean.numpy() != self.before).any()))

    rng = np.random.default_rng(0)
    model.fit(rng.random((20, 6, 6, 1)), rng.integers(0, 4, 20), batch_size=5, verbose=0, callbacks=[Freeze()])
    assert moved == [True, True, False, False]


def test_class_weight_and_sample_weight():
    x, y = np.ones((4, 1)), np.array([0, 1, 2, 1])
    model = Sequential([layers.Dense(3, activation="softmax", kernel_initializer="zeros", input_shape=(1,))])
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    loss = np.log(3)

    def reported(**weights):
        return model.fit(x, y, verbose=0, **weights).history

    assert reported()["loss"] == [pytest.approx(loss)]
    assert reported(class_weight={1: 3.0})["loss"] == [
        pytest.approx(loss * (1 + 3 + 1 + 3) / 4)
    ]  # class 0 and 2 weigh 1
    assert reported(sample_weight=[1, 0, 2, 0])["loss"] == [pytest.approx(loss * 3 / 4)]
    assert reported(sample_weight=[1, 0, 2, 0])["accuracy"] == [pytest.approx(1 / 3)]  # weighted: row 0 of 1 and 2
    one_hot = Sequential(model.layers)
    one_hot.compile(optimizers.SGD(0.0), "categorical_crossentropy")
    history = one_hot.fit(x, np.eye(3)[y], class_weight={1: 3.0}, verbose=0).history
    assert history["loss"] == [pytest.approx(loss * 2)]
    assert model.evaluate(x, y, sample_weight=np.array([1, 0, 2, 0]), verbose=0)[0] == pytest.approx(loss * 3 / 4)


def test_validation_data_with_weights_and_frequency():
    model = linear()
    data = (np.ones((3, 1)), np.array([[1.0], [2], [3]]), np.array([1.0, 0, 0]))
    history = model.fit(np.ones((2, 1)), np.ones((2, 1)), epochs=5, validation_data=data, validation_freq=2, verbose=0)
    assert history.history["val_loss"] == [pytest.approx(1 / 3)] * 2
    assert len(history.history["loss"]) == 5


def test_steps_per_epoch_goes_round():
    recorder = Recorder()
    model = linear(metrics=[recorder])
    model.fit(np.arange(5)[:, None], np.arange(5)[:, None], 2, steps_per_epoch=5, verbose=0)
    (epoch,) = [rows for rows in map(rows_of_epoch, recorder.seen) if rows]
    assert [len(batch) for batch in epoch] == [2, 2, 1, 2, 2]
    assert sorted(joined(epoch[:3])) == list(range(5))
    assert model.optimizer.iterations == 5


# batches --------------------------------------------------------------------------------------------------------------


def endless(n=3):
    value = 0
    while True:
        yield np.full((n, 1), value), np.full((n, 1), value)
        value += 1


def test_generators_go_on_where_they_were():
    recorder = Recorder()
    model = linear(metrics=[recorder])
    model.fit(endless(), steps_per_epoch=2, epochs=2, verbose=0)
    assert [rows for rows in map(rows_of_epoch, recorder.seen) if rows] == [[[0] * 3, [1] * 3], [[2] * 3, [3] * 3]]


def test_lists_of_batches_start_again():
    recorder = Recorder()
    batches = [(np.full((2, 1), v), np.full((2, 1), v), np.ones(2)) for v in range(3)]
    linear(metrics=[recorder]).fit(batches, epochs=2, verbose=0, validation_data=iter(batches[:1]), validation_steps=1,
                                   validation_freq=2)  # fmt: skip
    epochs = [rows for rows in map(rows_of_epoch, recorder.seen) if rows]
    assert epochs == [[[0] * 2, [1] * 2, [2] * 2]] * 2 + [[[0] * 2]]


def test_a_generator_that_ends_gives_an_epoch_without_steps():
    recorder = Recorder()
    linear(metrics=[recorder]).fit((b for b in [next(endless())] * 4), verbose=0)
    assert [len(rows) for rows in recorder.seen if rows] == [4]


def test_flows_are_evaluated_as_they_come():
    """A flow that rescales: fit, validation, evaluate and predict all see its pictures, not those it was given."""
    x, y = np.full((6, 2, 2, 1), 255.0), np.ones(6)
    model = Sequential(
        [layers.Flatten(input_shape=(2, 2, 1)), layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile(optimizers.SGD(0.0), "mse")
    data = ImageDataGenerator(rescale=1 / 255)
    make = lambda: data.flow(x, y, batch_size=4, shuffle=False, seed=1)  # noqa: E731
    history = model.fit(make(), validation_data=make(), verbose=0).history
    assert history["loss"] == [pytest.approx(9)]  # (4 - 1)^2
    assert history["val_loss"] == [pytest.approx(9)]
    assert model.optimizer.iterations == 2
    assert model.evaluate(make(), verbose=0) == pytest.approx(9)
    np.testing.assert_allclose(model.predict(make(), verbose=0), np.full((6, 1), 4), rtol=1e-6)
    np.testing.assert_allclose(
        model.predict(iter([x[:2] / 255, x[:1] / 255]), verbose=0), np.full((3, 1), 4), rtol=1e-6
    )


# going on, stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", ["numba_cpu", "numpy_ref"])
def test_two_fits_are_one_longer_fit(kernels):
    data = ImageDataGenerator(rotation_range=10, width_shift_range=0.2)
    twice, once, flown, flown_once = (small(kernels=kernels) for _ in range(4))
    for _ in range(2):
        twice.fit(X, Y, 16, epochs=2, verbose=0)
        flown.fit(data.flow(X, Y, 16), epochs=2, verbose=0)
    once.fit(X, Y, 16, epochs=4, verbose=0)
    flown_once.fit(data.flow(X, Y, 16), epochs=4, verbose=0)
    assert state(twice) == state(once)
    assert state(flown) == state(flown_once)
    assert state(flown) != state(once)
    assert (once.optimizer.iterations, once.streams.step, once.streams.epoch) == (16, 16, 4)


def test_train_on_batch_is_fit_without_shuffling():
    a, b = small(), small()
    a.fit(X[:32], Y[:32], 16, shuffle=False, verbose=0)
    values = [b.train_on_batch(X[i : i + 16], Y[i : i + 16], return_dict=True) for i in (0, 16)]
    assert state(a)[:4] == state(b)[:4]
    assert set(values[0]) == {"loss", "accuracy"}
    assert b.test_on_batch(X, Y) == b.evaluate(X, Y, batch_size=50, verbose=0)
    np.testing.assert_array_equal(b.predict_on_batch(X), b.predict(X, verbose=0))


def test_stop_training_is_looked_at_after_every_batch_and_epoch():
    model = small()
    stop = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: setattr(model, "stop_training", batch == 1))
    history = model.fit(X, Y, 10, epochs=5, verbose=0, callbacks=[stop])
    assert model.optimizer.iterations == 2
    assert history.epoch == [0]
    stop = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
    assert model.fit(X, Y, 10, epochs=5, verbose=0, callbacks=[stop]).epoch == [0, 1]
    model.stop_training = True
    assert model.fit(X, Y, 10, epochs=2, verbose=0).epoch == [0, 1]  # it is reset


def test_order_of_hooks():
    spy = Spy()
    small().fit(X, Y, 25, epochs=2, initial_epoch=1, validation_data=(X[:30], Y[:30]), verbose=0, callbacks=[spy])
    test = ["on_test_begin", ("on_test_batch_begin", 0), ("on_test_batch_end", 0),
            ("on_test_batch_begin", 1), ("on_test_batch_end", 1), "on_test_end"]  # fmt: skip
    expected = ["on_train_begin", ("on_epoch_begin", 1), ("on_train_batch_begin", 0), ("on_train_batch_end", 0),
                ("on_train_batch_begin", 1), ("on_train_batch_end", 1), *test, ("on_epoch_end", 1),
                "on_train_end"]  # fmt: skip
    assert spy.calls == [e if isinstance(e, tuple) else (e,) for e in expected]
    spy = Spy()
    small().predict(X, 40, verbose=0, callbacks=[spy])
    assert [c[0] for c in spy.calls] == [
        "on_predict_begin",
        *["on_predict_batch_begin", "on_predict_batch_end"] * 2,
        "on_predict_end",
    ]


def test_history_is_returned_and_kept():
    model = small()
    history = model.fit(X, Y, epochs=2, validation_split=0.2, verbose=0)
    assert model.history is history
    assert set(history.history) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert all(len(v) == 2 and all(type(n) is float for n in v) for v in history.history.values())
    assert history.params == {"verbose": 0, "epochs": 2, "steps": 2}


@pytest.mark.parametrize("where", ["on_train_batch_end", "on_train_batch_begin", "on_epoch_end", "on_test_begin"])
def test_ctrl_c_leaves_a_usable_model(where):
    model, calls = small(), []

    def interrupt(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(
            X,
            Y,
            16,
            epochs=3,
            validation_split=0.2,
            verbose=0,
            callbacks=[callbacks.LambdaCallback(**{where: interrupt})],
        )
    assert model.optimizer.iterations == model.streams.step > 0
    assert np.isfinite(model.predict(X, verbose=0)).all()
    model.fit(X, Y, 16, epochs=10, verbose=0)
    assert model.evaluate(X, Y, verbose=0)[0] < 1.2


def test_ctrl_c_in_the_middle_of_backward_leaves_no_gradient_behind(monkeypatch):
    model, twin = small(), small()
    for m in (model, twin):
        m.train_on_batch(X[:16], Y[:16])
    backward = Program.backward

    def interrupted(self, *given, **named):
        backward(self, *given, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(Program, "backward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.train_on_batch(X[16:32], Y[16:32])
    monkeypatch.undo()
    assert state(model) == state(twin)
    for m in (model, twin):
        m.train_on_batch(X[32:], Y[32:])
    assert state(model) == state(twin)


def test_a_model_learns():
    model = small()
    history = model.fit(X, Y, 8, epochs=30, verbose=0, validation_data=toy(60, seed=9))
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert history.history["val_accuracy"][-1] > 0.75  # .33 by chance


# losses, metrics, freezing --------------------------------------------------------------------------------------------


def test_fused_and_unfused_models_agree():
    """Softmax as activation, as layer, as Activation, and logits with from_logits: one loss, one gradient."""
    heads = {
        "argument": [layers.Dense(3, activation="softmax")],
        "layer": [layers.Dense(3), layers.Softmax()],
        "Activation": [layers.Dense(3), layers.Activation("softmax")],
        "unfused": [layers.Dense(3), layers.Softmax(), layers.Activation("linear")],
        "logits": [layers.Dense(3)],
    }
    results = {}
    for name, head in heads.items():
        model = Sequential([layers.Flatten(input_shape=(6, 6, 1)), *head], seed=1)
        model.compile(
            optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy(from_logits=name == "logits"), ["accuracy"]
        )
        assert model.fused == (name in ("argument", "layer", "Activation"))
        history = model.fit(X, Y, 10, epochs=3, verbose=0).history
        results[name] = history["loss"], history["accuracy"], model.get_weights()[0]
        p = model.predict(X, verbose=0)
        np.testing.assert_allclose(p.sum(axis=1), 1 if name != "logits" else p.sum(axis=1), rtol=1e-5)
    for loss, accuracy, kernel in results.values():
        np.testing.assert_allclose(loss, results["argument"][0], rtol=1e-5)
        assert accuracy == results["argument"][1]
        np.testing.assert_allclose(kernel, results["argument"][2], atol=1e-5)


def test_a_custom_metric_receives_numpy():
    def share(y_true, y_pred):
        assert type(y_true) is type(y_pred) is np.ndarray
        assert y_pred.shape[1:] == (3,)
        assert y_true.dtype.kind == "i"
        return np.mean(y_pred.argmax(axis=-1) == y_true)

    model = small(compiled=False)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", share])
    assert model.metrics_names == ["loss", "accuracy", "share"]
    history = model.fit(X, Y, 16, verbose=0, validation_split=0.2).history
    assert history["share"] == pytest.approx(history["accuracy"])
    values = model.evaluate(X, Y, verbose=0)
    assert values[1] == pytest.approx(values[2])
    assert model.evaluate(X, Y, verbose=0, return_dict=True) == dict(zip(model.metrics_names, values, strict=True))


def test_a_custom_loss_trains():
    def squared(y_true, y_pred):
        return (y_true - y_pred) ** 2

    a, b = linear(rate=0.1, loss=squared), linear(rate=0.1, loss="mse")
    for model in (a, b):
        model.fit(np.ones((5, 1)), np.arange(5.0)[:, None], 2, epochs=3, verbose=0)
    assert a.get_weights()[0] == b.get_weights()[0]


@pytest.mark.parametrize("loss", [losses.MeanSquaredError, "mean_squared_error", losses.MeanSquaredError()])
def test_losses_by_name_class_and_instance(loss):
    model = linear(loss=loss)
    assert model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0).history["loss"] == [1]


def test_frozen_layers_stay_and_state_survives():
    model = small()
    model.fit(X, Y, verbose=0)
    conv, norm = model.layers[:2]
    conv.trainable = norm.trainable = False
    before, state_before = [*conv.get_weights(), *norm.get_weights()], model.optimizer.iterations
    model.fit(X, Y, epochs=2, verbose=0)
    for a, b in zip(before, [*conv.get_weights(), *norm.get_weights()], strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer.iterations == state_before + 4
    assert all(p.grad is None for p in (*conv.params, *norm.params))
    conv.trainable = norm.trainable = True
    model.fit(X, Y, verbose=0)
    assert (conv.get_weights()[0] != before[0]).any()
    assert (norm.get_weights()[2] != before[4]).any()


def test_a_model_without_anything_to_train():
    for model in (
        Sequential([layers.Flatten(input_shape=(2, 2))]),
        Sequential([layers.Dense(4, trainable=False, input_shape=(4,))]),
    ):
        model.compile("adam", "mse")
        before = model.get_weights()
        x = np.ones((3, *model.sample_in))
        model.fit(x, np.ones((3, 4)), epochs=2, verbose=0)
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_training_calls_by_hand_move_what_steps_move():
    """model(x, training=True) outside fit: averages move, and the next call draws other units."""
    model = small()
    x = Tensor(X, model.backend)
    first, second = model(x, training=True).numpy(), model(X, training=True)
    assert (first != second).any()
    assert (model.layers[1].moving_mean.numpy() != 0).all()
    np.testing.assert_array_equal(model(X), model(X))


# reproducibility ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernels", ["numba_cpu", "numpy_ref"])
def test_a_seed_fixes_every_byte(kernels):
    def run(seed, **kwargs):
        model = small(seed=seed, kernels=kernels, **kwargs)
        history = model.fit(
            ImageDataGenerator(zoom_range=0.1).flow(X, Y, 16), epochs=2, verbose=0, validation_data=(X, Y)
        )
        return state(model), history.history, model.predict(X, verbose=0).tobytes()

    first = run(5)
    assert run(5) == first
    if kernels == "numba_cpu":
        assert run(5, threads=2) == run(5, threads=None) == first
    assert run(6) != first


def test_threads_do_not_change_network_a():
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 28, 28, 1), np.float32), rng.integers(0, 10, 20)
    runs = []
    for threads in (1, 2):
        model = network_a(seed=1, threads=threads)
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, 7, verbose=0)
        runs.append((state(model), model.predict(x, verbose=0).tobytes()))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("kernels", ["numba_cpu", "numpy_ref"])
def test_predictions_do_not_depend_on_the_batch(kernels):
    x, y = toy(71)
    model = small(kernels=kernels)
    model.fit(x, y, verbose=0)
    whole = model.predict(x, verbose=0)
    for batch_size in (1, 2, 7, 32, 33, 71, 500):
        np.testing.assert_array_equal(model.predict(x, batch_size, verbose=0), whole)
    for rows in (slice(0, 1), slice(3, 10), slice(40, 71)):
        np.testing.assert_array_equal(model.predict(x[rows], verbose=0), whole[rows])
    losses_ = {model.evaluate(x, y, b, verbose=0)[1] for b in (1, 7, 71)}
    assert len(losses_) == 1
    np.testing.assert_allclose(model(x), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernels", ["numba_cpu", "numpy_ref"])
def test_predictions_do_not_depend_on_the_batch_where_products_do(kernels):
    """BLAS adds up a product of one row in another order than one of 32: wide enough for that to show.

    numpy_ref promises it for an image's place among 32, numba_cpu for any place.
    """
    x = np.random.default_rng(0).standard_normal((33, 28, 28, 1)).astype(np.float32)
    model = network_a((4, 8), 32, seed=1, kernels=kernels)
    whole = model.predict(x, verbose=0)
    for start, stop in ((0, 1), (0, 7), (32, 33), *([(30, 33)] if kernels == "numba_cpu" else [])):
        np.testing.assert_array_equal(model.predict(x[start:stop], verbose=0), whole[start:stop])


def test_terminate_on_nan_sees_the_loss_where_fit_would_raise(capsys):
    x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    model = Sequential([layers.Dense(2, input_shape=(3,))], seed=0)
    model.compile("sgd", "mse")
    model.set_weights([np.zeros((3, 2), np.float32), np.full(2, np.inf, np.float32)])
    before = model.get_weights()
    fitted = model.fit(x, y, epochs=3, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert "Invalid loss, terminating training" in capsys.readouterr().out
    assert len(fitted.history["loss"]) == 1
    assert np.isinf(fitted.history["loss"][0])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
