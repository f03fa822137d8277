"""Scripts as they were written for Keras 1 and 2, and Keras's leniency, which minicnn itself does not have."""

import numpy as np
import pytest

import minicnn as mc
from minicnn import keras
from minicnn.errors import ArgumentError, ArgumentTypeError, MinicnnError
from minicnn.keras import backend as K
from minicnn.keras import callbacks, optimizers
from minicnn.keras import layers as L

X = np.random.default_rng(0).random((8, 6, 6, 1), np.float32)
Y = np.eye(3, dtype=np.float32)[np.arange(8) % 3]


def model(lib=keras, optimizer="sgd", **metrics):
    made = lib.Sequential([L.Input((6, 6, 1)), L.Flatten(), L.Dense(3, activation="softmax")], seed=1)
    made.compile(optimizer, "categorical_crossentropy", **metrics)
    return made


LAYERS = {
    "words": (lambda: L.Conv2D(nb_filter=2, nb_row=3, nb_col=5, border_mode="same", subsample=(2, 1), init="normal"),
              lambda: L.Conv2D(2, (3, 5), (2, 1), "same", kernel_initializer="random_normal")),
    "three numbers": (lambda: L.Convolution2D(2, 3, 5, border_mode="same", bias=False),
                      lambda: L.Conv2D(2, (3, 5), padding="same", use_bias=False)),
    "dim_ordering": (lambda: L.Conv2D(2, (3, 3), dim_ordering="tf"),
                     lambda: L.Conv2D(2, 3, data_format="channels_last")),
    "dense": (lambda: L.Dense(output_dim=4, init="uniform", bias=False),
              lambda: L.Dense(4, kernel_initializer="random_uniform", use_bias=False)),
    "pool": (lambda: L.MaxPooling2D(pool_size=(2, 2), border_mode="same"), lambda: L.MaxPooling2D(padding="same")),
    "dropout": (lambda: L.Dropout(p=0.25), lambda: L.Dropout(0.25)),
    "noise": (lambda: L.GaussianNoise(sigma=0.5), lambda: L.GaussianNoise(0.5)),
    "leak": (lambda: L.LeakyReLU(alpha=0.2), lambda: L.LeakyReLU(0.2)),
    "norm": (lambda: L.BatchNormalization(gamma_init="one"), lambda: L.BatchNormalization(gamma_initializer="ones")),
    "bounds": (lambda: L.Convolution2D(2, 3, 3, W_regularizer="l2", b_regularizer="l1", W_constraint="max_norm"),
               lambda: L.Conv2D(2, 3, kernel_regularizer="l2", bias_regularizer="l1", kernel_constraint="max_norm")),
    "dense's bounds": (lambda: L.Dense(2, W_regularizer="l2", W_constraint="non_neg", b_constraint="non_neg"),
                       lambda: L.Dense(2, kernel_regularizer="l2", kernel_constraint="non_neg",
                                       bias_constraint="non_neg")),
    "mode": (lambda: L.BatchNormalization(mode=0, beta_init="zero"), lambda: L.BatchNormalization()),
    "new alone": (lambda: L.Conv2D(2, 3, 3), lambda: L.Conv2D(2, (3, 3), strides=(3, 3))),
}  # fmt: skip


@pytest.mark.parametrize("what", LAYERS)
def test_layers_of_keras_1(what, notes):
    old, new = (make() for make in LAYERS[what])
    plain = [{k: v for k, v in one.get_config().items() if k != "name"} for one in (old, new)]
    assert plain[0] == plain[1]
    assert (notes() == []) == (what == "new alone")


def test_batch_norm_of_keras_1_by_sample():
    with pytest.raises(MinicnnError, match="mode: expected 0, the only one since Keras 2, received 1"):
        L.BatchNormalization(mode=1)


def test_lambda_of_several():
    """A siamese net's distance: layers called on a list of tensors."""
    def distance(pair):
        a, b = pair
        return K.sqrt(K.maximum(K.sum(K.square(a - b), axis=1, keepdims=True), K.epsilon()))

    a, b, base = L.Input((6, 6, 1)), L.Input((6, 6, 1)), keras.Sequential([L.Flatten(), L.Dense(3)])
    net = keras.Model([a, b], L.Lambda(distance, output_shape=lambda shapes: (shapes[0][0], 1))([base(a), base(b)]))
    assert net.output_shape == (None, 1)
    net.compile("sgd", lambda t, y: K.mean(t * y))
    ends = [base.predict(x, verbose=0) for x in (X, X[::-1])]
    expected = np.linalg.norm(ends[0] - ends[1], axis=1, keepdims=True)
    np.testing.assert_allclose(net.predict([X, X[::-1]], verbose=0), expected, rtol=1e-4, atol=1e-4)
    before = base.get_weights()
    net.fit([X, X[::-1]], np.ones(8), verbose=0)
    assert any((a != b).any() for a, b in zip(before, base.get_weights(), strict=True))
    crops = L.Lambda(lambda pair: pair[0][:, :2] + pair[1][:, :2])
    assert crops([L.Input((None, 5, 1)), L.Input((7, 5, 1))]).shape == (None, 2, 5, 1)


@pytest.mark.parametrize("name", ["Sequence", "PyDataset"])
def test_batches_of_a_sequence(name):
    class Batches(getattr(keras.utils, name)):
        def __init__(self, rows, **options):
            super().__init__(**options)
            self.rows, self.begun, self.ended = rows, 0, 0

        def __len__(self):
            return len(self.rows) // 3

        def __getitem__(self, i):
            rows = self.rows[3 * i : 3 * i + 3]
            return X[rows], Y[rows]

        def on_epoch_begin(self):
            self.begun += 1

        def on_epoch_end(self):
            self.ended += 1

    data, made = Batches(list(range(7)), workers=2), model()
    history = made.fit(data, epochs=3, shuffle=False, validation_data=data, verbose=0).history
    assert data.ended == 6 <= data.begun  # the last epoch's end, too
    other = model()
    expected = other.fit(X[:6], Y[:6], epochs=3, batch_size=3, shuffle=False, validation_data=(X[:6], Y[:6]), verbose=0)
    assert {key: pytest.approx(values) for key, values in history.items()} == expected.history
    np.testing.assert_array_equal(made.predict(data, verbose=0), made.predict(X[:6], verbose=0))
    assert made.evaluate(data, verbose=0) == pytest.approx(made.evaluate(X[:6], Y[:6], verbose=0))
    assert [len(y) for _, y in data] == [3, 3]
    with pytest.raises(NotImplementedError, match="Nothing: expected __len__"):
        made.fit(type("Nothing", (keras.utils.Sequence,), {})())


class Numbered(keras.utils.Sequence):
    """Six batches, which say in what order they were asked for."""

    def __init__(self, **options):
        super().__init__(**options)
        self.asked = []

    def __len__(self):
        return 6

    def __getitem__(self, i):
        self.asked.append(i)
        return X[i : i + 1], Y[i : i + 1]


def test_fit_takes_a_sequence_s_batches_in_another_order_in_each_epoch(tmp_path):
    def orders(epochs, shuffle=True, **options):
        data, made = Numbered(), model()
        made.fit(data, epochs=epochs, shuffle=shuffle, verbose=0, **options)
        return [data.asked[i : i + 6] for i in range(0, len(data.asked), 6)]

    found = orders(3)
    assert all(sorted(order) == list(range(6)) for order in found)
    assert len(set(map(tuple, found))) == 3
    assert orders(3) == found  # of the model's seed
    assert orders(2, shuffle=False) == [list(range(6))] * 2
    data, made = Numbered(), model()
    made.fit(data, epochs=1, verbose=0)
    data.asked.clear()
    made.evaluate(data, verbose=0)
    made.predict(data, verbose=0)
    assert data.asked == [*range(6)] * 2
    data.asked.clear()
    made.fit(data, epochs=1, verbose=0)  # goes on where the first fit ended
    assert data.asked == found[1]
    path = tmp_path / "run"
    orders(2, checkpoint=path)
    data, made = Numbered(), model()
    made.fit(data, epochs=3, verbose=0, checkpoint=path)
    assert data.asked[-6:] == found[2]


def test_shapes_that_are_read_begin_with_the_batch():
    model = keras.Sequential([L.Conv2D(2, 3, input_shape=(6, 6, 1)), L.Flatten(), L.Dense(3)])
    assert (model.input_shape, model.output_shape) == ((None, 6, 6, 1), (None, 3))
    assert [layer.output_shape for layer in model.layers] == [(None, 4, 4, 2), (None, 32), (None, 3)]
    assert [layer.input_shape for layer in model.layers] == [(None, 6, 6, 1), (None, 4, 4, 2), (None, 32)]
    a, b = L.Input((3,)), L.Input((None, None, 4))
    pooled, join = L.GlobalAveragePooling2D()(b), L.Concatenate()
    model = keras.Model([a, b], [join([a, pooled]), pooled])
    assert (model.input_shape, model.output_shape) == ([(None, 3), (None, None, None, 4)], [(None, 7), (None, 4)])
    assert (join.input_shape, join.output_shape) == ([(None, 3), (None, 4)], (None, 7))
    assert (L.Dense(3).output_shape, L.Dense(3, input_dim=7).input_shape) == (None, (None, 7))
    for owner, name in ((model, "input_shape"), (model, "output_shape"), (join, "input_shape"), (join, "output_shape")):
        with pytest.raises(MinicnnError, match=name):
            setattr(owner, name, (3,))


def test_a_layer_of_somebodys_own_may_call_its_attributes_so():
    class Own(L.Layer):
        def __init__(self):
            super().__init__()
            self.output_shape, self.input_shape = 7, 4

    assert (Own().output_shape, Own().input_shape) == (7, 4)


def test_batch_input_shape():
    assert keras.Sequential([L.Dense(2, batch_input_shape=(None, 4))]).input_shape == (None, 4)
    with pytest.raises(ArgumentTypeError, match="batch_input_shape: expected a tuple"):
        L.Dense(2, batch_input_shape=4)


def test_a_layer_of_ones_own_may_call_its_arguments_what_it_likes():
    class Mine(mc.layers.Dense):
        def __init__(self, units, init=3, **kwargs):
            super().__init__(units, **kwargs)
            self.init = init

    assert Mine(2, init=7).init == 7


def test_fit_of_keras_1_and_2(notes):
    made = model()
    history = made.fit(X, Y, nb_epoch=2, batch_size=4, verbose=0, workers=4, max_queue_size=10)
    assert len(history.history["loss"]) == 2
    assert notes() == ["fit(nb_epoch=...) is read as epochs=", "fit(workers=...) has no effect",
                       "fit(max_queue_size=...) has no effect"]  # fmt: skip
    with pytest.raises(ArgumentTypeError, match="fit: expected arguments of"):
        made.fit(X, Y, nb_epochs=2)
    with pytest.raises(ArgumentTypeError, match="expected epochs= or nb_epoch=, its old name, received both"):
        made.fit(X, Y, nb_epoch=2, epochs=2)


def batches():
    while True:
        for i in range(0, 8, 4):
            yield X[i : i + 4], Y[i : i + 4]


def test_generators_of_keras_1():
    """samples_per_epoch counts images: the first batch says how many batches that are, and is not lost."""
    old, new = model(), model()
    flow = keras.preprocessing.image.ImageDataGenerator().flow
    old.fit_generator(batches(), samples_per_epoch=8, nb_epoch=2, verbose=0, validation_data=batches(),
                      nb_val_samples=4, nb_worker=1)  # fmt: skip
    new.fit(batches(), steps_per_epoch=2, epochs=2, verbose=0, validation_data=batches(), validation_steps=1)
    assert old.history.history == new.history.history
    assert old.optimizer.iterations == 4
    old.fit_generator(flow(X, Y, batch_size=3), samples_per_epoch=8, verbose=0, callbacks=[], workers=2)
    assert old.optimizer.iterations == 4 + 3
    assert old.evaluate_generator(batches(), val_samples=8, verbose=0) == old.evaluate(X, Y, batch_size=4, verbose=0)
    np.testing.assert_array_equal(old.predict_generator(flow(X, Y, batch_size=4, shuffle=False), steps=2, verbose=0),
                                  old.predict(X, verbose=0))  # fmt: skip


def test_names_of_models_and_weights():
    made = model()
    assert made.compiled
    assert not keras.Sequential([L.Dense(2)]).compiled
    assert made.reset_states() is None
    assert [w.name for w in made.variables] == ["kernel", "bias"]
    assert [w.shape for w in made.trainable_variables] == [(36, 3), (3,)]
    assert made.non_trainable_variables == []
    x = L.Input((4,))
    assert keras.Model(input=x, output=L.Dense(2)(x)).count_params() == 10


def test_lower_case_optimizers():
    assert optimizers.adam is mc.optimizers.Adam
    model(optimizer=optimizers.sgd(0.1)).fit(X, Y, verbose=0)


WATCHERS = [
    lambda f: callbacks.EarlyStopping(monitor="val_loss"), lambda f: callbacks.ReduceLROnPlateau(monitor="val_acc"),
    lambda f: callbacks.ModelCheckpoint(f / "m.minicnn", monitor="val_loss", save_best_only=True),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", WATCHERS)
def test_a_monitor_without_validation_data(make, tmp_path, notes):
    with pytest.raises(ArgumentError, match="there is no validation data"):
        model(mc).fit(X, Y, verbose=0, callbacks=[make(tmp_path)])
    made = model()
    made.fit(X, Y, epochs=3, verbose=0, callbacks=[make(tmp_path)])
    assert made.optimizer.iterations == 3
    assert [text for text in notes() if "is not logged, so it has no effect; there is no validation data" in text]


def test_class_weights(notes):
    three = np.array([1.0, 2.0, 3.0])
    for weights in ([1.0, 2.0, 3.0], three, "auto"):
        with pytest.raises(MinicnnError, match="a dict from class number"):
            model(mc).fit(X, Y, class_weight=weights, verbose=0)
    pairs = (([1.0, 2.0, 3.0], {0: 1.0, 1: 2.0, 2: 3.0}), (three, {0: 1.0, 1: 2.0, 2: 3.0}), ("auto", None))
    for lenient, strict in pairs:
        one, other = model(), model()
        one.fit(X, Y, class_weight=lenient, verbose=0)
        other.fit(X, Y, class_weight=strict, verbose=0)
        assert one.history.history == other.history.history
    assert notes() == ["fit(class_weight=[...]) is read as {0: ..., 1: ...}",
                       "fit(class_weight='auto') has no effect, as in Keras 2"]  # fmt: skip


def test_inputs_that_no_input_is_named_after_are_left_out(notes):
    given = {"a": np.ones((2, 3)), "b": np.ones((2, 1))}
    a = mc.Input((3,), name="a")
    with pytest.raises(MinicnnError, match="received"):
        mc.Model({"a": a}, a * 5.0).predict(given, verbose=0)
    made = keras.Model({"a": a}, a * 5.0, name="times")
    for y in (made(given), made.predict(given, verbose=0)):
        np.testing.assert_array_equal(y, np.full((2, 3), 5.0))
    assert made({"a": keras.Input((3,)), "b": keras.Input((1,))}).shape == (None, 3)
    assert notes() == ["times: inputs named b are left out: the model has a"]


def test_what_is_registered_is_found_in_a_description():
    class Twice(L.Layer):
        def call(self, x):
            return x * 2.0

    made = keras.Sequential([keras.Input((3,)), Twice()])
    graph = keras.Model(made.inputs, made.outputs)
    config, text, deep = made.get_config(), made.to_json(), graph.get_config()
    with pytest.raises(ArgumentError, match="custom_objects with Twice"):
        keras.Sequential.from_config(config)
    with keras.saving.custom_object_scope({"Twice": Twice}):
        found = keras.Sequential.from_config(config), keras.models.model_from_json(text), keras.Model.from_config(deep)
    for one in found:
        assert one.lenient
        np.testing.assert_array_equal(one.predict(np.ones((1, 3)), verbose=0), np.full((1, 3), 2.0))


@pytest.mark.parametrize("name", ["w", "cp.ckpt", "w.h5", "w.hdf5", "w.weights.h5"])
def test_weights_as_hdf5(name, tmp_path, notes):
    pytest.importorskip("h5py")
    made, twin = model(), model()
    path = str(tmp_path / name)
    made.fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(path, monitor="loss", save_weights_only=True)])
    twin.set_weights([0 * w for w in twin.get_weights()])
    twin.load_weights(path)
    for a, b in zip(made.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    if "." not in name:
        with pytest.raises(ArgumentError, match=r"expected filepath to end .* received '.*w'"):
            model(mc).fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(path, save_weights_only=True)])
        with pytest.raises(ArgumentError, match="a file name that ends in"):
            model(mc).save_weights(path)


@pytest.mark.parametrize("ending", ["h5", "hdf5"])
def test_models_as_hdf5(ending, tmp_path):
    pytest.importorskip("h5py")
    made = model()
    path = str(tmp_path / ("{epoch:02d}." + ending))
    made.fit(X, Y, epochs=5, verbose=0, callbacks=[callbacks.ModelCheckpoint(path, monitor="loss", period=2)])
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"02.{ending}", f"04.{ending}"]
    again = keras.models.load_model(str(tmp_path / f"04.{ending}"))
    assert again.lenient
    assert again.optimizer.iterations == 4


def test_class_numbers_beyond_the_classes(notes):
    """As on JAX: they add nothing, neither loss nor gradient."""
    y = np.array([1, 2, 3, 1, 2, 3, 1, 2])
    strict = model(mc)
    strict.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(MinicnnError, match="expected whole numbers from 0 to 2, received 3"):
        strict.fit(X, y, verbose=0)
    made, twin = model(), model()
    made.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    p = made.predict(X, verbose=0)
    loss = made.fit(X, y, verbose=0, batch_size=8).history["loss"][0]
    there = y < 3
    assert loss == pytest.approx(-np.log(p[there, y[there]]).sum() / 8, rel=1e-5)
    twin.compile("sgd", "categorical_crossentropy")
    twin.fit(X, np.eye(4, dtype=np.float32)[y][:, :3], verbose=0, batch_size=8)
    for a, b in zip(made.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert notes() == ["fit: class numbers from 1 to 3 for 3 classes: 2 samples add nothing to the loss, as in Keras; "
                       "classes count from 0"]  # fmt: skip


def test_one_target_for_two_outputs():
    y = (np.arange(8) % 2).astype(np.float32)
    strict, made = (lib.Sequential([L.Input((6, 6, 1)), L.Flatten(), L.Dense(2, activation="softmax")], seed=1)
                    for lib in (mc, keras))  # fmt: skip
    for one in (strict, made):
        one.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    with pytest.raises(MinicnnError, match="expected targets of shape"):
        strict.fit(X, y, verbose=0)
    p = made.predict(X, verbose=0).astype(float)
    loss = made.fit(X, y, verbose=0, batch_size=8).history["loss"][0]
    t = y[:, None]
    assert loss == pytest.approx(-(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(), rel=1e-5)
    with pytest.raises(MinicnnError):
        made.fit(X, np.full(8, 2.0), verbose=0)


# Names that Keras 3 lacks --------------------------------------------------------------------------------------------


def test_merge_of_keras_1():
    from minicnn.keras.layers import merge

    a, b = keras.Input((4,)), keras.Input((4,))
    given = np.random.default_rng(0).random((2, 3, 4)).astype(np.float32)
    wanted = {"sum": given.sum(0), "mul": given.prod(0), "ave": given.mean(0), "max": given.max(0),
              "concat": np.concatenate(list(given), -1), "dot": given.prod(0).sum(-1, keepdims=True)}  # fmt: skip
    for mode, expected in wanted.items():
        found = keras.Model([a, b], merge([a, b], mode=mode)).predict(list(given), verbose=0)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    difference = merge([a, b], mode=lambda pair: pair[0] - pair[1], output_shape=(4,))
    np.testing.assert_allclose(keras.Model([a, b], difference).predict(list(given), verbose=0), given[0] - given[1])
    with pytest.raises(ArgumentError, match="merge: mode: expected 'sum'"):
        merge([a, b], mode="join")
    with pytest.raises(TypeError, match="is a module"):
        keras.losses()


def test_layers_of_keras_1_and_2():
    assert L.AtrousConvolution2D(4, 3, 3, atrous_rate=(2, 2)).dilation_rate == (2, 2)
    x = np.array([[0.5, 1.5, -2.0]], np.float32)
    np.testing.assert_array_equal(L.ThresholdedReLU(theta=1.0)(x), [[0, 1.5, 0]])
    from minicnn.keras.utils.visualize_util import plot_model

    assert plot_model is keras.utils.plot_model


def test_shapes_as_tensorflow_s():
    seen = []

    class Old(L.Layer):
        def build(self, input_shape):
            seen.append(input_shape.as_list())
            self.w = self.add_weight("w", [input_shape[-1], 2])

        def call(self, x):
            self.add_loss(0 * K.sum(x), inputs=x)
            return K.dot(x, self.w)

        def compute_output_shape(self, input_shape):
            return keras.tf.TensorShape([*input_shape.as_list()[:-1], 2])

    x = keras.Input((3,))
    assert x.get_shape().as_list() == [None, 3]
    assert keras.Model(x, Old()(x)).output_shape == (None, 2)
    assert seen == [[None, 3]] * len(seen) != []
    assert keras.tf.constant([[1.0, 2.0]]).get_shape().num_elements() == 2
    with pytest.raises(MinicnnError, match=r"add_metric: .*compile\(metrics"):
        Old().add_metric(1, name="m")


def test_summary_in_keras_s_order(notes):
    lines = []
    model().summary(60, None, lines.append, True)
    assert "Dense" in lines[0]
    assert any("expand_nested" in one for one in notes())


def test_helpers_of_utils(capsys):
    bar = keras.utils.Progbar(3, stateful_metrics=["acc"])
    for step, loss in enumerate((4.0, 2.0, 3.0), 1):
        bar.update(step, values=[("loss", loss), ("acc", step)])
    assert capsys.readouterr().out.endswith("3/3 - loss: 3.0000 - acc: 3.0000\n")
    utils = keras.utils
    assert utils.unpack_x_y_sample_weight(utils.pack_x_y_sample_weight(1, 2)) == (1, 2, None)
    left, right = utils.split_dataset((X, Y), left_size=0.75, shuffle=True, seed=0)
    assert (len(left), len(right)) == (6, 2)
    assert [one.shape for one in next(iter(left))] == [(6, 6, 1), (3,)]
    with pytest.raises(ArgumentError, match="two parts of 8 samples"):
        utils.split_dataset(X, left_size=9)


def test_what_is_asked_for_numpy():
    losses = keras.losses
    y, p = np.array([[0.0, 1.0]]), np.array([[0.4, 0.6]], np.float32)
    one, each = losses.MeanSquaredError()(y, p), losses.mse(y, p)
    assert (one.shape, one.dtype) == ((), np.float32)
    assert type(one.numpy()) is np.float32
    assert type(each.numpy()) is np.ndarray
    assert one.numpy() == one == pytest.approx(0.16)
    assert f"{one:.2f} {float(each[0]):.2f}" == "0.16 0.16"
    none = losses.BinaryCrossentropy(reduction=losses.Reduction.NONE)(y, p)
    assert none.numpy().shape == (1,)
    assert losses.Huber(reduction=losses.Reduction.AUTO).reduction == "sum_over_batch_size"


def test_to_categorical_in_another_type_and_reset_metrics():
    assert keras.utils.to_categorical([0, 2], 3, dtype="uint8").dtype == np.uint8
    m = model(metrics=["accuracy"])
    m.evaluate(X, Y, verbose=0)
    m.reset_metrics()
    assert m.metrics[0].result() == 0
