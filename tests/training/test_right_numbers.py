"""Numbers that were wrong without a word, each with the right one: public reports against Keras, and their siblings."""

import numpy as np
import pytest

from minicnn import Sequential, Tensor, callbacks, errors, layers, losses, metrics, optimizers
from minicnn.data import ImageDataGenerator
from minicnn.training import loop

rng = np.random.default_rng(0)
X, Y = rng.random((70, 8, 8, 1)).astype("f4"), rng.integers(0, 10, 70)
W = rng.random(70)


def net(**compiled):
    """Rate 0: the weights stay, so that every loss can be told beforehand."""
    model = Sequential(
        [layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")], seed=0, threads=1
    )
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy", **compiled)
    return model


def loss_of(rows, model=None, **kwargs):
    return (model or net()).evaluate(X[rows], Y[rows], batch_size=10, verbose=0, **kwargs)


def close(value):
    return pytest.approx(value, rel=1e-6)


# steps: how much of the data ------------------------------------------------------------------------------------------


def test_steps_of_evaluate():
    assert net().evaluate(X, Y, batch_size=10, steps=1, verbose=0) == close(loss_of(slice(10)))
    assert net().evaluate(X, Y, batch_size=10, steps=1, verbose=0) == pytest.approx(3.13975, abs=1e-5)


@pytest.mark.parametrize("n", [2, 7])
def test_steps_of_evaluate_with_weights_and_metrics(n):
    compiled = {"metrics": ["accuracy"], "weighted_metrics": ["mse"]}
    model = Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(1)], seed=0, threads=1)
    model.compile("sgd", "mse", **compiled)
    rows = slice(10 * n)
    expected = model.evaluate(X[rows], Y[rows], batch_size=10, sample_weight=W[rows], verbose=0)
    assert model.evaluate(X, Y, batch_size=10, steps=n, sample_weight=W, verbose=0) == close(expected)


def test_more_steps_than_there_is_data_are_one_pass():
    """As in Keras, which says that the data ran out."""
    model, flow = net(), ImageDataGenerator().flow(X, Y, batch_size=10)
    whole = loss_of(slice(None))
    assert model.evaluate(X, Y, batch_size=10, steps=100, verbose=0) == close(whole)
    assert model.evaluate(flow, steps=100, verbose=0) == close(whole)
    batches = [(X[i : i + 10], Y[i : i + 10]) for i in range(0, 70, 10)]
    assert model.evaluate(batches, steps=100, verbose=0) == close(whole)
    assert len(model.predict(X, batch_size=10, steps=100, verbose=0)) == 70
    assert len(model.predict(flow, steps=100, verbose=0)) == 70
    history = model.fit(X, Y, batch_size=10, validation_data=(X, Y), validation_steps=100, verbose=0).history
    assert history["val_loss"] == [close(whole)]


@pytest.mark.parametrize("data", ["arrays", "flow", "list", "generator"])
def test_validation_steps(data):
    batches = [(X[i : i + 10], Y[i : i + 10]) for i in range(0, 70, 10)]
    flow = ImageDataGenerator().flow(X, Y, batch_size=10)
    given = {"arrays": (X, Y), "flow": flow, "list": batches, "generator": (b for b in batches)}[data]
    size = {"validation_batch_size": 10} if data == "arrays" else {}
    model = net()
    history = model.fit(X, Y, epochs=3, validation_data=given, validation_steps=2, verbose=0, **size).history
    first = loss_of(slice(20))
    later = [loss_of(slice(20, 40)), loss_of(slice(40, 60))] if data == "generator" else [first] * 2
    assert history["val_loss"] == [close(first), *map(close, later)]


def test_validation_steps_of_a_validation_split():
    history = net().fit(X, Y, batch_size=10, validation_split=0.5, validation_steps=1, verbose=0).history
    assert history["val_loss"] == [close(loss_of(slice(35, 45)))]


@pytest.mark.parametrize("given", ["array", "flow", "list", "generator"])
def test_steps_of_predict(given):
    model, batches = net(), [X[i : i + 10] for i in range(0, 70, 10)]
    flow = ImageDataGenerator().flow(X, batch_size=10, shuffle=False)
    x = {"array": X, "flow": flow, "list": iter(batches), "generator": (b for b in batches)}[given]
    size = {"batch_size": 10} if given == "array" else {}
    np.testing.assert_array_equal(model.predict(x, steps=2, verbose=0, **size), model.predict(X[:20], verbose=0))


def test_hooks_and_progress_count_the_steps_that_are_made():
    steps = []
    count = callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: steps.append(batch))
    count.on_test_begin = lambda logs=None: steps.append(("of", count.params["steps"]))
    net().evaluate(X, Y, batch_size=10, steps=3, verbose=0, callbacks=[count])
    assert steps == [("of", 3), 0, 1, 2]


# flows ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drawn", [0, 1, 3, 4])
def test_predict_of_a_flow_begins_at_its_first_row(shuffle, drawn):
    model, flow = net(), ImageDataGenerator().flow(X, Y, batch_size=32, shuffle=shuffle)
    for _ in range(drawn):
        next(flow)
    expected = model.predict(X, verbose=0)
    np.testing.assert_array_equal(model.predict(flow, verbose=0), expected)
    model.evaluate(flow, verbose=0), model.fit(flow, verbose=0)
    np.testing.assert_array_equal(model.predict(flow, verbose=0), expected)


def test_predict_of_an_augmenting_flow_draws_anew_each_time():
    """Predictions under many augmentations are averaged by calling predict again and again."""
    model = net()
    flow = ImageDataGenerator(rotation_range=30, width_shift_range=2).flow(X, batch_size=32, shuffle=False, seed=1)
    first, second = (model.predict(flow, verbose=0) for _ in range(2))
    assert not np.array_equal(first, second)
    flow.reset()
    np.testing.assert_array_equal(model.predict(flow, verbose=0), first)
    flow.reset()
    by_hand = np.concatenate([flow[i] for i in range(len(flow))])
    np.testing.assert_allclose(model.predict(by_hand, verbose=0), first, rtol=1e-6)


def test_evaluate_of_an_augmenting_flow_draws_for_every_batch():
    x = np.repeat(X[:1], 8, axis=0)
    flow = ImageDataGenerator(rotation_range=40).flow(x, np.zeros(8, int), batch_size=2, shuffle=False)
    seen = []
    model = net(metrics=[lambda t, y: seen.append(y) or 0.0])
    model.evaluate(flow, verbose=0)
    assert len({batch.tobytes() for batch in seen}) == 4


# metrics of one name --------------------------------------------------------------------------------------------------


def test_metrics_of_one_name_are_all_reported():
    top = metrics.SparseTopKCategoricalAccuracy
    model = net(metrics=[top(k=1), top(k=5)])
    assert model.evaluate(X, Y, verbose=0)[1:] == [close(9 / 70), close(33 / 70)]
    history = model.fit(X, Y, validation_data=(X, Y), verbose=0).history
    assert history["sparse_top_k_categorical_accuracy"] == [close(9 / 70)]
    assert history["sparse_top_k_categorical_accuracy_1"] == [close(33 / 70)]
    assert history["val_sparse_top_k_categorical_accuracy_1"] == [close(33 / 70)]


@pytest.mark.parametrize(
    ("given", "weighted", "names"),
    [
        (["accuracy"] * 3, None, ["accuracy", "accuracy_1", "accuracy_2"]),  # Keras's names
        (["accuracy"], ["accuracy"], ["accuracy", "weighted_accuracy"]),
        (["accuracy"] * 2, ["accuracy"] * 2, ["accuracy", "accuracy_1", "weighted_accuracy", "weighted_accuracy_1"]),
        ([metrics.SparseCategoricalAccuracy(n) for n in ("a", "a_1", "a")], None, ["a", "a_1", "a_2"]),
        ([metrics.SparseCategoricalAccuracy("loss")], None, ["loss_1"]),
        ([metrics.SparseCategoricalAccuracy(n) for n in ("val_loss", "b", "val_b")], None,
         ["val_loss_1", "b", "val_b_1"]),
    ],
)  # fmt: skip
def test_names_of_metrics(given, weighted, names, tmp_path):
    model = net(metrics=given, weighted_metrics=weighted)
    assert model.metrics_names == ["loss", *names]
    assert len(model.evaluate(X, Y, verbose=0)) == 1 + len(names)
    assert list(model.evaluate(X, Y, verbose=0, return_dict=True)).sort() == model.metrics_names.sort()
    assert {model.metric_direction(name) for name in names} == {"max"}
    model.save(tmp_path / "m.minicnn")
    from minicnn import load_model

    assert load_model(tmp_path / "m.minicnn").metrics_names == model.metrics_names


def test_weighted_metrics_of_the_same_name_use_the_weights():
    model = net(metrics=["accuracy"], weighted_metrics=["accuracy"])
    right = model.predict(X, verbose=0).argmax(1) == Y
    _, plain, weighted = model.evaluate(X, Y, sample_weight=W, verbose=0)
    assert (plain, weighted) == (close(right.mean()), close((right * W).sum() / W.sum()))


# the place in the pass ------------------------------------------------------------------------------------------------


def test_steps_per_epoch_goes_on_through_the_rows():
    given = {"batch_size": 10, "shuffle": False, "verbose": 0}
    losses_ = net().fit(X, Y, steps_per_epoch=2, epochs=3, **given).history["loss"]
    assert losses_ == [close(loss_of(slice(a, a + 20))) for a in (0, 20, 40)]
    losses_ = net().fit(X, Y, steps_per_epoch=3, epochs=5, **given).history["loss"]
    for epoch, loss in enumerate(losses_):
        assert loss == close(loss_of(np.arange(30 * epoch, 30 * epoch + 30) % 70)), epoch


class Rows(metrics.Metric):
    """Writes down the numbers of the rows, which are the targets."""

    def __init__(self):
        super().__init__("rows")
        self.seen = []

    def reset_state(self):
        pass

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.seen += y_true.ravel().tolist()

    def result(self):
        return 0.0


def counted(rows=None):
    model = Sequential([layers.Dense(1, input_shape=(1,))], seed=3, threads=1)
    rows = rows or Rows()
    model.compile(optimizers.SGD(0.0), "mse", metrics=[rows])
    return model, rows.seen


@pytest.mark.parametrize(("steps", "epochs"), [(2, 7), (3, 7), (5, 4), (9, 3), (14, 2)])
@pytest.mark.parametrize("flow", [False, True])
def test_every_pass_holds_every_row_once_in_an_order_of_its_own(steps, epochs, flow):
    n = np.arange(13.0)
    given = {"steps_per_epoch": steps, "epochs": epochs, "verbose": 0}
    model, seen = counted()
    if flow:
        model = Sequential([layers.Flatten(input_shape=(1, 1, 1)), layers.Dense(1)], seed=3, threads=1)
        rows = Rows()
        seen = rows.seen
        model.compile(optimizers.SGD(0.0), "mse", metrics=[rows])
        model.fit(ImageDataGenerator().flow(n.reshape(-1, 1, 1, 1), n, batch_size=2), **given)
    else:
        model.fit(n[:, None], n, batch_size=2, **given)
    passes = [seen[i : i + 13] for i in range(0, len(seen), 13)]
    assert len(passes) >= 2
    assert all(sorted(one) == n.tolist() for one in passes if len(one) == 13)
    assert len({tuple(one) for one in passes}) == len(passes)


def test_without_steps_the_order_is_that_of_full_passes():
    n = np.arange(13.0)
    orders = []
    for steps in (None, 7):
        model, seen = counted()
        model.fit(n[:, None], n, batch_size=2, steps_per_epoch=steps, epochs=3, verbose=0)
        orders.append(list(seen))
    assert orders[0] == orders[1]


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
@pytest.mark.parametrize("steps", [3, 9])
def test_a_resumed_run_goes_on_at_its_place_in_the_pass(cut, steps, tmp_path):
    from minicnn import load_model

    n = np.arange(13.0)
    given = {"batch_size": 2, "steps_per_epoch": steps, "verbose": 0}
    model, seen = counted()
    model.fit(n[:, None], n, epochs=5, **given)
    whole = list(seen)
    model, seen = counted()
    model.fit(n[:, None], n, epochs=cut, **given)
    model.compile(optimizers.SGD(0.0), "mse")
    model.save(tmp_path / "m.minicnn")
    loaded, rows = load_model(tmp_path / "m.minicnn"), Rows()
    loaded.compile(optimizers.SGD(0.0), "mse", metrics=[rows])
    loaded.fit(n[:, None], n, epochs=5, initial_epoch=cut, **given)
    assert seen + rows.seen == whole


# passes inside passes -------------------------------------------------------------------------------------------------

HOOKS = [
    "on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_test_begin",
    "on_test_batch_begin", "on_test_batch_end", "on_test_end", "on_epoch_end", "on_train_end",
]  # fmt: skip
INNER = {
    "evaluate": lambda m: m.evaluate(X[:5], Y[:5], verbose=0),
    "test_on_batch": lambda m: m.test_on_batch(X[:5], Y[:5]),
    "predict": lambda m: m.predict(X[:5], verbose=0),
    "fit": lambda m: m.fit(X[:5], Y[:5], verbose=0, epochs=2, callbacks=[Stops()]),
    "train_on_batch": lambda m: m.train_on_batch(X[:5], Y[:5]),
}


class Stops(callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_pass_inside_a_hook_leaves_the_pass_around_it_alone(hook, inner):
    class Own(metrics.Metric):  # state that reset_state empties in place
        def __init__(self):
            self.right = np.zeros(2)
            super().__init__("own")

        def reset_state(self):
            self.right[:] = 0

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.right += (y_pred.argmax(-1) == y_true).sum(), len(y_true)

        def result(self):
            return self.right[0] / self.right[1]

    def run(act):
        model = net(metrics=["accuracy", Own()])
        one = callbacks.Callback()
        setattr(one, hook, lambda *args, logs=None: act(model))
        history = model.fit(X, Y, batch_size=10, epochs=2, shuffle=False, validation_data=(X[:30], Y[:30]), verbose=0,
                            callbacks=[one])  # fmt: skip
        assert model.history is history
        return history.history, history.epoch

    received, expected = run(INNER[inner]), run(lambda model: None)
    assert received == expected
    assert received[0]["accuracy"] == [close(9 / 70)] * 2 == received[0]["own"]


@pytest.mark.parametrize("hook", ["on_test_begin", "on_test_batch_end", "on_predict_batch_end"])
@pytest.mark.parametrize("inner", ["evaluate", "predict", "fit"])
def test_a_pass_inside_evaluate_or_predict(hook, inner):
    model = net(metrics=["accuracy"])
    one = callbacks.Callback()
    setattr(one, hook, lambda *args, logs=None: INNER[inner](model))
    run = model.predict if "predict" in hook else lambda x, **kwargs: model.evaluate(x, Y, **kwargs)
    expected = run(X, batch_size=10, verbose=0)
    np.testing.assert_array_equal(run(X, batch_size=10, verbose=0, callbacks=[one]), expected)


def test_a_metric_instance_still_shows_the_latest_pass():
    metric = metrics.SparseCategoricalAccuracy()
    model = net(metrics=[metric])
    model.evaluate(X, Y, verbose=0)
    assert metric.result() == close(9 / 70)


# what Keras users set -------------------------------------------------------------------------------------------------


def deep():
    model = Sequential([layers.Conv2D(2, 3, input_shape=(8, 8, 1)), layers.BatchNormalization(), layers.Flatten(),
                        layers.Dense(10, activation="softmax")], seed=0, threads=1)  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def bytes_of(model):
    return [w.tobytes() for w in model.get_weights()]


def test_a_model_that_is_not_trainable_trains_nothing():
    model = deep()
    before = bytes_of(model)
    model.trainable = False
    assert model.trainable is False
    assert not any(layer.trainable for layer in model.layers)
    assert model.trainable_weights == []
    assert len(model.non_trainable_weights) == len(model.weights)
    model.fit(X, Y, verbose=0)
    assert bytes_of(model) == before
    model.train_on_batch(X, Y)
    assert bytes_of(model) == before
    model.trainable = True
    assert all(layer.trainable for layer in model.layers)
    model.fit(X, Y, verbose=0)
    assert all(a != b for a, b in zip(bytes_of(model), before, strict=True))


@pytest.mark.parametrize("hook", ["on_epoch_end", "on_train_batch_end"])
@pytest.mark.parametrize("what", ["model", "layer"])
def test_freezing_in_a_hook_freezes_at_once(hook, what):
    """Adam goes on moving a weight whose gradient is 0, so a frozen one must not be its own any more."""
    model, kept = deep(), []

    def freeze(*args, logs=None):
        if not kept:
            (model if what == "model" else model.layers[0]).trainable = False
            kept.append(bytes_of(model))

    one = callbacks.Callback()
    setattr(one, hook, freeze)
    model.fit(X, Y, batch_size=10, epochs=3, verbose=0, callbacks=[one])
    frozen = slice(None) if what == "model" else slice(0, 2)
    assert bytes_of(model)[frozen] == kept[0][frozen]
    if what == "layer":
        assert bytes_of(model)[-1] != kept[0][-1]


def test_train_on_batch_after_freezing():
    model = deep()
    model.train_on_batch(X, Y)
    model.layers[0].trainable = False
    before = bytes_of(model)
    model.train_on_batch(X, Y)
    assert bytes_of(model)[:2] == before[:2]
    assert bytes_of(model)[-2:] != before[-2:]


# another size ---------------------------------------------------------------------------------------------------------


def on(*shape, start=0.0):
    return Tensor((np.arange(np.prod(shape), dtype=np.float64) + start).reshape(shape))


def same_as_fresh(make, small, large):
    """A layer built on one size does on another what a new one does, at inference."""
    layer, fresh = make(), make()
    layer(small, training=False)
    y = fresh(large, training=False)
    if layer.weights:
        fresh.set_weights(layer.get_weights())
        y = fresh(large, training=False)
    np.testing.assert_array_equal(layer(large, training=False).numpy(), y.numpy())
    x = Tensor(large.numpy(), large.be, requires_grad=True)
    (layer(x, training=True) * 1.0).sum().backward()
    assert x.grad.shape == large.shape


FOLLOWS = [
    lambda: layers.GlobalAveragePooling2D(), lambda: layers.GlobalMaxPooling2D(),
    lambda: layers.GlobalAveragePooling2D(keepdims=True), lambda: layers.GlobalMaxPooling2D(keepdims=True),
    lambda: layers.Conv2D(2, 3), lambda: layers.Conv2D(1, 3, 2, "same"), lambda: layers.Conv2D(2, 2, (1, 2), "same"),
    lambda: layers.MaxPooling2D(), lambda: layers.MaxPooling2D(3, 2, "same"), lambda: layers.MaxPooling2D(2, 2, "same"),
    lambda: layers.AveragePooling2D(), lambda: layers.AveragePooling2D(3, 2, "same"), lambda: layers.ZeroPadding2D(),
    lambda: layers.Flatten(), lambda: layers.Reshape((-1, 2)), lambda: layers.Dense(3),
    lambda: layers.BatchNormalization(), lambda: layers.Dropout(0.0), lambda: layers.SpatialDropout2D(0.0),
    lambda: layers.AlphaDropout(0.0), lambda: layers.GaussianDropout(0.0), lambda: layers.Activation("tanh"),
    lambda: layers.Softmax(), lambda: layers.ReLU(), lambda: layers.LeakyReLU(), lambda: layers.ELU(),
    lambda: layers.PReLU(shared_axes=[1, 2]), lambda: layers.Permute((2, 1, 3)), lambda: layers.Rescaling(2.0, 1.0),
    lambda: layers.Conv2DTranspose(2, 3, 2, "same"), lambda: layers.Conv2DTranspose(1, (3, 2), (1, 3)),
    lambda: layers.Conv2D(2, 2, dilation_rate=2, padding="same"), lambda: layers.Conv2D(2, 2, groups=2),
    lambda: layers.DepthwiseConv2D(3, 2, "same", 2), lambda: layers.SeparableConv2D(3, 2, dilation_rate=(1, 2)),
    lambda: layers.Conv2DTranspose(1, 2, 3, output_padding=1), lambda: layers.Flatten("channels_first"),
    lambda: layers.RandomFlip(seed=1), lambda: layers.RandomRotation(0.2, seed=1),
    lambda: layers.RandomZoom(0.2, seed=1), lambda: layers.RandomTranslation(0.2, 0.1, seed=1),
    lambda: layers.RandomContrast(0.2, seed=1),
    lambda: layers.RandomBrightness(0.2, seed=1), lambda: layers.RandomCrop(4, 3, seed=1),
    lambda: layers.RandomErasing((0.5, 1.0), seed=1), lambda: layers.RandomShift(2, seed=1),
    lambda: layers.RandomShear(0.3, seed=1), lambda: layers.RandomPerspective(1.0, 0.3, seed=1),
    lambda: layers.MixUp(0.5, seed=1), lambda: layers.CutMix(seed=1),
    lambda: layers.RandomInvert(seed=1),
    lambda: layers.RandomPosterization(5, (-50, 50), seed=1), lambda: layers.Solarization(0.2, 0.4, seed=1),
    lambda: layers.RandomSharpness(0.9, seed=1), lambda: layers.RandomGaussianBlur(seed=1),
    lambda: layers.AutoContrast(), lambda: layers.Equalization((-50, 50)),
    lambda: layers.CenterCrop(4, 3), lambda: layers.Resizing(4, 9),
    lambda: layers.UpSampling2D(), lambda: layers.UpSampling2D((1, 2), interpolation="bilinear"),
    lambda: layers.Cropping2D(1), lambda: layers.LayerNormalization(), lambda: layers.GaussianNoise(0.0),
    lambda: layers.GroupNormalization(-1), lambda: layers.UnitNormalization(), lambda: layers.Normalization(),
    lambda: layers.AdaptiveMaxPooling2D(3), lambda: layers.AdaptiveAveragePooling2D((2, 3)),
    lambda: layers.RMSNormalization(), lambda: layers.Identity(), lambda: layers.ActivityRegularization(),
    lambda: layers.Lambda(lambda x: x * 2.0),
]  # fmt: skip


OF_COLORS = [
    lambda: layers.RandAugment((-50, 50), seed=1),
    lambda: layers.RandomGrayscale(), lambda: layers.RandomColorDegeneration(0.5, seed=1),
    lambda: layers.RandomSaturation(0.5, seed=1), lambda: layers.RandomHue(0.5, (-50, 50), seed=1),
    lambda: layers.RandomColorJitter((-50, 50), 0.1, 0.2, 0.3, 0.4, seed=1),
]  # fmt: skip


OF_SEQUENCES = [
    lambda: layers.Conv1D(2, 3, 2, "same"), lambda: layers.Conv1DTranspose(2, 3, 2), lambda: layers.DepthwiseConv1D(3),
    lambda: layers.SeparableConv1D(3, 2), lambda: layers.MaxPooling1D(3, 2, "same"), lambda: layers.AveragePooling1D(),
    lambda: layers.GlobalMaxPooling1D(), lambda: layers.GlobalAveragePooling1D(), lambda: layers.ZeroPadding1D(),
    lambda: layers.AdaptiveMaxPooling1D(2), lambda: layers.AdaptiveAveragePooling1D(2),
    lambda: layers.UpSampling1D(), lambda: layers.Cropping1D(), lambda: layers.SpatialDropout1D(0.0),
]  # fmt: skip


@pytest.mark.parametrize("make", OF_SEQUENCES)
def test_layers_follow_another_length(make):
    same_as_fresh(make, on(2, 6, 2), on(2, 9, 2, start=3.0))


@pytest.mark.parametrize("make", OF_COLORS)
def test_layers_of_colors_follow_another_size(make):
    same_as_fresh(make, on(2, 6, 5, 3), on(2, 7, 8, 3, start=3.0))


@pytest.mark.parametrize("make", FOLLOWS)
@pytest.mark.parametrize("sizes", [((6, 6), (8, 8)), ((8, 8), (7, 7)), ((5, 8), (9, 6))])
def test_layers_follow_another_size(make, sizes):
    (a, b), (c, d) = sizes
    same_as_fresh(make, on(2, a, b, 2), on(2, c, d, 2, start=3.0))


def test_the_numbers_of_the_report():
    layer = layers.GlobalAveragePooling2D()
    layer(Tensor(np.ones((1, 6, 6, 1))))
    assert layer(Tensor(np.pad(np.full((1, 2, 8, 1), 36.0), ((0, 0), (6, 0), (0, 0), (0, 0))))).numpy() == [[9.0]]
    conv = layers.Conv2D(1, 3, 2, "same")
    conv(Tensor(np.ones((1, 8, 8, 1))))
    assert conv(Tensor(np.ones((1, 7, 7, 1)))).shape == (1, 4, 4, 1)


@pytest.mark.parametrize(
    ("make", "other", "words"),
    [
        (lambda: layers.Conv2D(1, 3), (1, 6, 6, 3), "2 channels"),
        (lambda: layers.Conv2D(1, 3), (1, 2, 6, 2), "3 x 3 px"),
        (lambda: layers.Conv2D(2, 2, groups=2), (1, 6, 6, 3), "2 channels"),
        (lambda: layers.Conv2D(1, 3, dilation_rate=2), (1, 4, 6, 2), "5 x 5 px"),
        (lambda: layers.DepthwiseConv2D(3), (1, 6, 6, 3), "2 channels"),
        (lambda: layers.SeparableConv2D(1, 3), (1, 6, 6, 3), "2 channels"),
        (lambda: layers.Dense(1), (1, 6, 6, 3), "2"),
        (lambda: layers.BatchNormalization(), (1, 6, 6, 3), "2"),
        (lambda: layers.BatchNormalization(axis=1), (1, 8, 6, 2), "6"),
        (lambda: layers.PReLU(), (1, 8, 8, 2), "(6, 6, 2)"),
        (lambda: layers.PReLU(shared_axes=[1, 2]), (1, 6, 6, 3), "(1, 1, 2)"),
        (lambda: layers.Reshape((8, 9)), (1, 8, 8, 2), "128 elements"),
        (lambda: layers.Reshape((-1, 9)), (1, 5, 5, 2), "elements"),
        (lambda: layers.GlobalMaxPooling2D(), (1, 6), "(H, W, C)"),
        (lambda: layers.MaxPooling2D(), (1, 6, 6), "(H, W, C)"),
        (lambda: layers.ZeroPadding2D(), (1, 6, 6), "(H, W, C)"),
        (lambda: layers.SpatialDropout2D(0.5), (1, 6, 6), "(H, W, C)"),
        (lambda: layers.BatchNormalization(), (1, 2), "axes"),
        (lambda: layers.Conv2DTranspose(1, 3), (1, 6, 6, 3), "2 channels"),
        (lambda: layers.Permute((2, 1, 3)), (1, 6, 6), "3 axes"),
        (lambda: layers.Cropping2D(2), (1, 4, 6, 2), "4 x 6 px"),
        (lambda: layers.LayerNormalization(), (1, 6, 6, 3), "(2,) entries"),
        (lambda: layers.LayerNormalization([1, 2]), (1, 6, 5, 2), "(6, 6) entries"),
        (lambda: layers.UpSampling2D(), (1, 6, 6), "(H, W, C)"),
    ],
)  # fmt: skip
def test_layers_refuse_what_their_weights_do_not_fit(make, other, words):
    layer = make()
    layer(on(2, 6, 6, 2))
    with pytest.raises(errors.ShapeError) as caught:
        layer(on(*other))
    assert words in str(caught.value)
    assert layer.name in str(caught.value)


@pytest.mark.parametrize("training", [False, True])
def test_a_model_called_with_a_tensor_of_another_size(training):
    def make():
        return Sequential([layers.Conv2D(2, 3, 2, "same", activation="relu"), layers.BatchNormalization(),
                           layers.MaxPooling2D(2, 2, "same"), layers.GlobalAveragePooling2D(), layers.Dense(3)],
                          seed=0, device="cpu", kernels="numpy_ref")  # fmt: skip

    model, fresh = make(), make()
    small, large = (Tensor(X[:4, :n, :n], model.backend) for n in (8, 7))
    model(small)
    fresh(large)
    fresh.set_weights(model.get_weights())
    expected = fresh(large, training=training).numpy()
    np.testing.assert_allclose(model(large, training=training).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(model(X[:4, :7, :7], training=training), expected, rtol=1e-5)
    flat = Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(2)])
    for x in (Tensor(X[:, :7], flat.backend), X[:, :7]):
        with pytest.raises(errors.ShapeError, match=r"expected .*64.*, received .*56|shape \(N, 8, 8, 1\)"):
            flat(x)


# losses ---------------------------------------------------------------------------------------------------------------


def test_sample_weights_of_losses_as_in_keras():
    mse, mae = losses.MeanSquaredError(), losses.MeanAbsoluteError()
    assert mse(np.zeros((1, 3, 1)), [[[1], [2], [3]]], sample_weight=[[3, 6, 5]]) == close(24.0)
    t, p = np.reshape([1, 9, 2, -5, -2, 6], (2, 3, 1)), np.reshape([4, 8, 12, 8, 1, 3], (2, 3, 1)).astype(float)
    w = np.reshape([3, 6, 5, 0, 4, 2], (2, 3))
    assert mse(t, p, sample_weight=w) == close(97.833336)
    assert mae(t, p, sample_weight=w) == close(13.833333)
    assert mse(t, p, sample_weight=2.3) == close(2.3 * mse(t, p))
    with pytest.raises(errors.ShapeError):
        mse([[0.0]], [[1.0]], sample_weight=[1, 2, 3, 4])


def test_relu_with_a_threshold():
    assert layers.ReLU(max_value=8, threshold=5)(Tensor(np.array([5.0]))).numpy() == [0.0]


@pytest.mark.parametrize("fused", [False, True])
def test_evaluate_shows_one_number_for_one_formula(fused):
    """Saturated and wrong: the loss is far from the other one's, where both are clipped or not in different places."""
    last = [layers.Dense(1, activation="sigmoid")] if fused else [layers.Dense(1)]
    model = Sequential([layers.Input((1,)), *last], seed=0)
    model.set_weights([[[1.0]], [0.0]])
    model.compile("sgd", "binary_crossentropy", metrics=["binary_crossentropy"], weighted_metrics=["bce"])
    x = np.array([[-60.0], [60.0], [0.3], [-20.0]]) if fused else np.array([[0.0], [1.0], [0.3], [1 - 1e-7]])
    loss, metric, weighted = model.evaluate(x, [1, 0, 1, 0], verbose=0)
    assert metric == pytest.approx(loss, rel=1e-6) == weighted


# the first data decide ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "adagrad", "adadelta", "adamax", "nadam", "rmsprop"])
@pytest.mark.parametrize("data", ["list", "generator", "flow", "arrays"])
def test_a_model_without_input_is_built_by_the_first_batch(optimizer, data):
    x, y = np.ones((15, 4)), np.zeros((15, 3))
    model = Sequential([layers.Flatten(), layers.Dense(3)], seed=0, threads=1)
    model.compile(optimizer, "mse")
    batches = [(x[i : i + 5], y[i : i + 5]) for i in range(0, 15, 5)]
    flow = ImageDataGenerator().flow(x.reshape(15, 2, 2, 1), y, batch_size=5)
    given = {"list": (batches,), "generator": ((b for b in batches),), "flow": (flow,), "arrays": (x, y, 5)}[data]
    model.fit(*given, verbose=0)
    assert model.optimizer.iterations == 3
    twin = Sequential([layers.Input((4,)), layers.Flatten(), layers.Dense(3)], seed=0, threads=1)
    twin.compile(optimizer, "mse")
    twin.fit(x, y, 5, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], twin.get_weights()[0], rtol=1e-4, atol=1e-7)


def test_evaluate_and_predict_build_too():
    for use in (lambda m: m.evaluate([(np.ones((5, 4)), np.zeros((5, 3)))], verbose=0),
                lambda m: m.predict((np.ones((5, 4)) for _ in range(2)), verbose=0)):  # fmt: skip
        model = Sequential([layers.Dense(3)])
        model.compile("sgd", "mse")
        use(model)
        assert model.built


def test_a_network_without_weights():
    model = Sequential([layers.Input((2, 2)), layers.Flatten()])
    model.compile("adam", "mse")
    assert model.fit(np.ones((4, 2, 2)), np.zeros((4, 4)), verbose=0).history["loss"] == [1.0]
    assert model.train_on_batch(np.ones((4, 2, 2)), np.zeros((4, 4))) == 1.0


def test_a_model_of_single_numbers_is_saved_and_loaded(tmp_path):
    from minicnn import load_model

    model = Sequential([layers.Input(()), layers.Flatten()])
    for name in ("a.keras", "a.minicnn"):
        model.save(tmp_path / name)
        np.testing.assert_array_equal(load_model(tmp_path / name).predict([1.0, 2], verbose=0), [[1.0], [2.0]])


def test_predict_names_the_batch_that_does_not_fit():
    with pytest.raises(errors.ShapeError, match=r"batch 2: .*expected shape \(N, 8, 8, 1\), received \(3, 7, 7, 1\)"):
        net().predict(iter([X[:3], X[:3, :7, :7]]), verbose=0)


def test_a_learning_rate_without_arguments():
    model = Sequential([layers.Dense(1, use_bias=False, input_shape=(1,))])
    model.set_weights([[[0.0]]])
    model.compile(optimizers.SGD(lambda: 0.5), "mse")
    model.fit(np.ones((4, 1)), np.ones((4, 1)), epochs=1, verbose=0)
    assert model.get_weights()[0] == 1.0
    with pytest.raises(errors.ArgumentTypeError, match="a function of the step, or of nothing"):
        optimizers.SGD(lambda step, epoch: 0.1)


# numbers beyond float32 -----------------------------------------------------------------------------------------------

BEYOND = np.float64(1e39)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda m: m.fit(X.astype("f8") + BEYOND * (X[3, 2, 1] == X), Y), r"x: .*float32.*1e\+39 in row 3 at \(2, 1"),
        (lambda m: m.predict(np.full((2, 8, 8, 1), -BEYOND)), r"x: .*float32.*-1e\+39 in row 0"),
        (lambda m: m.evaluate(np.full((2, 8, 8, 1), BEYOND), Y[:2]), r"x: .*float32.*1e\+39"),
        (lambda m: m(np.full((2, 8, 8, 1), BEYOND)), r"x: .*float32.*1e\+39"),
        (lambda m: m.fit(X, Y, sample_weight=np.full(70, BEYOND)), r"sample_weight: .*float32.*1e\+39"),
        (lambda m: m.fit(X, Y, class_weight={3: BEYOND}), r"class_weight: .*float32.*1e\+39"),
        (lambda m: ImageDataGenerator().flow(np.full((2, 8, 8, 1), BEYOND)), r"x: .*float32.*1e\+39"),
    ],
)  # fmt: skip
def test_numbers_beyond_float32_are_called_that(use, words):
    with pytest.raises(errors.DataError, match=words):
        use(net())


def test_targets_beyond_float32():
    model = Sequential([layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse")
    with pytest.raises(errors.DataError, match=r"float32.*1e\+39 in row 1"):
        model.fit(np.ones((2, 1)), [0.0, BEYOND], verbose=0)


def test_weights_beyond_float32():
    model = net()
    with pytest.raises(errors.WeightsError, match=r"float32, received up to 1e\+39"):
        model.set_weights([np.full((64, 10), BEYOND), np.zeros(10)])


def test_float64_models_hold_them():
    from minicnn.backend.cpu import CPU

    model = Sequential([layers.Dense(1, input_shape=(1,))], device=CPU("numpy_ref", "float64"))
    assert np.isfinite(model.predict(np.full((2, 1), BEYOND), verbose=0)).all()


# attributes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dtype", "dtype_policy", "train_step", "compute_loss", "call", "inputs", "seed",
                                  "weights", "output_shape", "built", "trainable_weights", "metrics_names",
                                  "loss_weights"])  # fmt: skip
def test_attributes_of_a_model_that_would_be_ignored_are_refused(name):
    with pytest.raises(errors.MinicnnError, match=f"Sequential: {name}: expected .*, received"):
        setattr(net(), name, "float16")


def test_attributes_of_a_model_that_work():
    model = net(metrics=["accuracy"])
    model.optimizer = "adam"
    assert isinstance(model.optimizer, optimizers.Adam)
    model.fit(X, Y, verbose=0)
    assert model.optimizer.iterations == 3
    model.loss, model.name, model.my_note = losses.MeanSquaredError("sum"), "digits", 3
    assert model.loss.reduction == "sum"
    assert "digits" in repr(model.get_layer(index=0)) or model.name == "digits"
    for wrong in ("addam", 3):
        with pytest.raises(errors.MinicnnError):
            model.optimizer = wrong
        with pytest.raises(errors.MinicnnError):
            model.loss = wrong


@pytest.mark.parametrize("name", ["run_eagerly", "jit_compile", "steps_per_execution", "train_function"])
def test_attributes_that_change_how_keras_runs_get_a_note(name, capsys, monkeypatch):
    monkeypatch.setattr("minicnn.notes._said", set())
    setattr(net(), name, True)
    assert f"Sequential: {name} has no effect here" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train_step", "test_step", "predict_step", "compute_loss", "call"])
def test_models_with_steps_of_their_own_are_refused(name):
    with pytest.raises(errors.ArgumentTypeError, match=f"Mine: expected a model without .*, received {name}"):
        type("Mine", (Sequential,), {name: lambda self, *args: None})


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: layers.Conv2D(2, 3), "filters", 3), (lambda: layers.Conv2D(2, 3), "strides", (2, 2)),
        (lambda: layers.Conv2D(2, 3), "padding", "same"), (lambda: layers.Conv2D(2, 3), "kernel", np.zeros(36)),
        (lambda: layers.Conv2D(2, 3), "bias", None), (lambda: layers.Flatten(), "kernel_regularizer", "l2"),
        (lambda: layers.Conv2D(2, 3), "dilation_rate", 2), (lambda: layers.Dense(2), "units", 3),
        (lambda: layers.Dense(2), "use_bias", False), (lambda: layers.Dense(2), "kernel_initializer", "zeros"),
        (lambda: layers.Dense(2), "dtype", "float16"), (lambda: layers.Dense(2), "weights", []),
        (lambda: layers.BatchNormalization(), "axis", 1), (lambda: layers.BatchNormalization(), "scale", False),
        (lambda: layers.MaxPooling2D(), "pool_size", 3), (lambda: layers.Reshape((-1, 2)), "target_shape", (72,)),
        (lambda: layers.GlobalMaxPooling2D(), "keepdims", True), (lambda: layers.Dense(2), "activation", "reluu"),
        (lambda: layers.ZeroPadding2D(), "padding", 2), (lambda: layers.PReLU(), "shared_axes", (1,)),
    ],
)  # fmt: skip
def test_attributes_of_a_layer_that_would_be_ignored_are_refused(make, name, value):
    layer = make()
    layer(on(2, 6, 6, 2))
    with pytest.raises(errors.MinicnnError, match=name):
        setattr(layer, name, value)


def test_attributes_of_layers_that_work():
    x = on(2, 6, 6, 2, start=-30.0)
    dense = layers.Dense(3)
    dense(x)
    dense.activation = "relu"
    assert dense(x).numpy().min() == 0
    drop = layers.Dropout(0.0)
    drop(x)
    drop.rate = 0.5
    assert (drop(x, training=True).numpy() == 0).mean() > 0.2
    leaky = layers.LeakyReLU()
    leaky(x)
    leaky.negative_slope = 1.0
    np.testing.assert_array_equal(leaky(x).numpy(), x.numpy())

    class Mine(layers.Layer):
        def __init__(self):
            super().__init__()
            self.dtype, self.kernel_regularizer, self.weights_ = "float16", "l2", 3

        def call(self, x, *, training):
            return x

    assert Mine().dtype == "float16"


@pytest.mark.parametrize(
    ("optimizer", "name", "value"),
    [(optimizers.SGD(), "momentum", 0.9), (optimizers.Adam(), "amsgrad", True),
     (optimizers.RMSprop(), "centered", True), (optimizers.Adam(), "use_ema", True),
     (optimizers.Adam(), "gradient_accumulation_steps", 4)],
)  # fmt: skip
def test_attributes_of_an_optimizer_that_would_be_ignored_are_refused(optimizer, name, value):
    with pytest.raises(errors.ArgumentError, match=name):
        setattr(optimizer, name, value)


def test_attributes_of_optimizers_losses_and_flows_that_work():
    model = net()
    model.optimizer.learning_rate = 0.5
    assert model.optimizer.learning_rate == model.optimizer.lr == 0.5
    model.loss.reduction = "sum"
    assert model.evaluate(X[:10], Y[:10], verbose=0) == close(10 * loss_of(slice(10)))
    with pytest.raises(errors.ArgumentError, match="reduction: expected one of"):
        model.loss.reduction = "mena"
    flow = ImageDataGenerator().flow(X, Y, batch_size=32, shuffle=False)
    flow.batch_size = 50
    assert [len(flow[i][0]) for i in range(len(flow))] == [50, 20]


def test_a_frozen_model_stays_frozen_when_a_layer_is_not():
    """Keras's rule: the layers of a model that is not trainable do not train, whatever they say themselves."""
    model = deep()
    model.trainable = False
    model.layers[-1].trainable = True
    before = bytes_of(model)
    model.fit(X, Y, verbose=0)
    assert bytes_of(model) == before
    assert model.trainable_weights == []


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize(("steps", "epoch", "step"), [(3, 1, 2), (5, 2, 1), (9, 1, 4), (7, 2, 3)])
def test_a_model_saved_in_the_middle_of_an_epoch_goes_on_in_its_pass(told, steps, epoch, step, tmp_path):
    """Whether or not initial_epoch says which epoch it is: the file knows where in the pass it began."""
    from minicnn import load_model

    class Save(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if (self.model.streams.epoch, batch + 1) == (epoch, step):
                self.model.save(tmp_path / "m.minicnn")

    n = np.arange(13.0)
    given = {"batch_size": 2, "steps_per_epoch": steps, "verbose": 0}
    model, whole = counted()
    model.fit(n[:, None], n, epochs=4, **given)
    saved = Sequential([layers.Dense(1, input_shape=(1,))], seed=3, threads=1)
    saved.compile(optimizers.SGD(0.0), "mse")
    saved.fit(n[:, None], n, epochs=4, callbacks=[Save()], **given)
    loaded, rows = load_model(tmp_path / "m.minicnn"), Rows()
    loaded.metrics = [rows]
    last = {"epochs": 4, "initial_epoch": epoch} if told else {"epochs": 4 - epoch}
    loaded.fit(n[:, None], n, **given, **last)
    assert rows.seen == whole[-len(rows.seen) :]
    assert len(rows.seen) >= 13
    assert loaded.streams.step == 4 * steps


# weights of samples, in fit -------------------------------------------------------------------------------------------


def over_time(loss="mse", units=2, **compiled):
    model = Sequential([layers.Input((3, 4)), layers.Dense(units)], seed=0, threads=1)
    model.compile(optimizers.SGD(0.0), loss, **compiled)
    return model


def test_timestep_weights_in_fit_and_evaluate():
    x, y, w = rng.random((10, 3, 4)), rng.random((10, 3, 2)), rng.random((10, 3))
    model = over_time(weighted_metrics=["mae"])
    p = model.predict(x, verbose=0)
    mse, mae = ((p - y) ** 2).mean(-1), np.abs(p - y).mean(-1)
    expected = [close((mse * w).mean()), close((mae * w).sum() / w.sum())]
    assert model.evaluate(x, y, batch_size=10, sample_weight=w, verbose=0) == expected
    history = model.fit(x, y, batch_size=10, sample_weight=w, verbose=0).history
    assert [history["loss"][0], history["mae"][0]] == expected
    each = model.evaluate(x, y, batch_size=10, sample_weight=w[:, 0], verbose=0)
    assert each == [close((mse * w[:, :1]).mean()), close((mae.mean(1) * w[:, 0]).sum() / w[:, 0].sum())]
    assert model.evaluate(x, y, batch_size=10, sample_weight=w[:, :1], verbose=0) == [close(v) for v in each]
    for shape in ((10, 2), (10, 3, 2), (9,), (3,), ()):
        with pytest.raises(errors.MinicnnError, match="sample_weight"):
            model.evaluate(x, y, sample_weight=np.ones(shape), verbose=0)
    with pytest.raises(errors.ArgumentError, match="class_weight: expected one class per sample"):
        over_time("sparse_categorical_crossentropy").fit(x, np.zeros((10, 3), int), class_weight={0: 1.0})


@pytest.mark.parametrize("weights", ["sample_weight", "class_weight"])
@pytest.mark.parametrize("data", ["arrays", "flow", "list", "generator"])
def test_weights_with_steps(data, weights):
    by_class = {k: 1.0 + k for k in range(10)}
    w = W if weights == "sample_weight" else np.array([by_class[k] for k in Y])
    batches = [(X[i : i + 10], Y[i : i + 10], *([W[i : i + 10]] if weights == "sample_weight" else []))
               for i in range(0, 70, 10)]  # fmt: skip
    own = {"sample_weight": W} if weights == "sample_weight" else {}
    flow = ImageDataGenerator().flow(X, Y, batch_size=10, shuffle=False, **own)
    given = {"arrays": (X, Y, 10), "flow": (flow,), "list": (batches,), "generator": ((b for b in batches),)}[data]
    how = {"class_weight": by_class} if weights == "class_weight" else own if data == "arrays" else {}
    history = net().fit(*given, steps_per_epoch=2, epochs=3, shuffle=False, verbose=0, **how).history
    for epoch, loss in enumerate(history["loss"]):
        rows = slice(20 * epoch, 20 * epoch + 20)
        assert loss == close(loss_of(rows, sample_weight=w[rows])), epoch


def test_float64_models_weigh_in_float64():
    from minicnn.backend.cpu import CPU

    model = Sequential([layers.Dense(1, input_shape=(1,))], device=CPU("numpy_ref", "float64"))
    model.set_weights([[[1.0]], [0.0]])
    model.compile("sgd", "mse")
    assert model.evaluate([[0.0]], [1.0], sample_weight=[0.1], verbose=0) == 0.1


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda: losses.MeanSquaredError()([[0.0], [1.0]], [[1.0]]), "as many rows as y_pred"),  # was .5
        (lambda: losses.CategoricalCrossentropy()([[0.0, 1.0]] * 3, [[0.5, 0.5]] * 2), "as many rows as y_pred"),
        (lambda: losses.SparseCategoricalCrossentropy()([0, 1, 1], [[0.5, 0.5]] * 2), "as many rows as y_pred"),
        (lambda: metrics.categorical_accuracy([[0, 1, 0]] * 2, [[0, 1]] * 2), r"y_pred's shape \(2, 2\)"),  # was 1
        (lambda: metrics.categorical_accuracy([[0, 1]] * 3, [[0, 1]] * 2), r"y_pred's shape \(2, 2\)"),
        (lambda: metrics.top_k_categorical_accuracy([[0, 1, 0]] * 2, [[0, 1]] * 2, 1), r"y_pred's shape \(2, 2\)"),
        (lambda: metrics.categorical_crossentropy([[0, 1]], [[0.1, 0.9]] * 2), r"y_pred's shape \(2, 2\)"),  # was .1
        (lambda: metrics.sparse_categorical_crossentropy([7], [[0.5, 0.5]]), "whole numbers from 0 to 1, received 7"),
        (lambda: metrics.sparse_top_k_categorical_accuracy([-1], [[0.1, 0.9]], 1), "from 0 to 1, received -1"),  # was 1
        (lambda: metrics.sparse_top_k_categorical_accuracy([0.7], [[0.9, 0.1]], 1), "from 0 to 1, received 0.7"),
        (lambda: net().predict([(X[:3], Y[:3])], verbose=0), "x: expected an array of numbers, received samples of"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(use, words):
    with pytest.raises(errors.MinicnnError, match=words):
        use()


def test_names_that_a_file_could_not_hold(tmp_path):
    model = net()
    model.layers[0].name = model.layers[1].name = "head"
    with pytest.raises(errors.ArgumentError, match="a name of its own for every layer, received two of 'head'"):
        model.save(tmp_path / "m.minicnn")
    for thing in (model, model.layers[0], model.optimizer):
        with pytest.raises(errors.ArgumentTypeError, match="name: expected a string, received 3"):
            thing.name = 3
    assert list(tmp_path.iterdir()) == []


def test_every_layer_is_tried_at_another_size():
    """A new layer without a line above fails here."""
    tried = {type(make()) for make in FOLLOWS + OF_COLORS + OF_SEQUENCES}
    elsewhere = {layers.Layer, layers.InputLayer, layers.RepeatVector}  # vectors alone
    known = {c for n in layers.__all__ if isinstance(c := getattr(layers, n), type) and issubclass(c, layers.Layer)}
    known = {c for c in known if not issubclass(c, layers.Add.__mro__[1])}  # of several tensors: test_model.py
    assert known - elsewhere == tried, "add it to FOLLOWS, OF_COLORS or OF_SEQUENCES above"


def test_one_metric_in_two_places():
    metric = metrics.SparseCategoricalAccuracy()
    model, other = net(metrics=[metric], weighted_metrics=[metric]), net(metrics=[metric])
    _, plain, weighted = model.evaluate(X, Y, sample_weight=W, verbose=0)
    right = model.predict(X, verbose=0).argmax(1) == Y
    assert (plain, weighted) == (close(9 / 70), close((right * W).sum() / W.sum()))
    look = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: other.evaluate(X[:5], Y[:5], verbose=0))
    history = model.fit(X, Y, batch_size=10, verbose=0, callbacks=[look]).history
    assert history["sparse_categorical_accuracy"] == [close(9 / 70)]


def test_threads_count_for_themselves():
    import threading

    model, found = net(metrics=["accuracy"]), []
    expected = model.evaluate(X, Y, batch_size=5, verbose=0)
    threads = [threading.Thread(target=lambda: found.append(model.evaluate(X, Y, batch_size=5, verbose=0)))
               for _ in range(8)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_test_batch_end", "on_epoch_begin"])
def test_a_pass_that_fails_gives_its_metrics_back(hook):
    model = net(metrics=["accuracy"])

    def fail(*args, logs=None):
        raise KeyError

    one = callbacks.Callback()
    setattr(one, hook, fail)
    with pytest.raises(KeyError):
        model.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[one])
    assert not loop._MEASURED
    assert not model.fitting


def test_sequences_of_batches():
    """Keras's Sequence: a length and batches by number, with no end of their own."""

    class Batches:
        ended = 0

        def __len__(self):
            return 7

        def __getitem__(self, i):
            return X[10 * i : 10 * i + 10], Y[10 * i : 10 * i + 10]

        def on_epoch_end(self):
            self.ended += 1

    model, data = net(), Batches()
    assert model.evaluate(data, verbose=0) == close(loss_of(slice(None)))
    np.testing.assert_array_equal(model.predict(data, verbose=0), model.predict(X, verbose=0))
    history = model.fit(data, epochs=2, validation_data=data, validation_steps=1, verbose=0).history
    assert history["loss"] == [close(loss_of(slice(None)))] * 2
    assert history["val_loss"] == [close(loss_of(slice(10)))] * 2
