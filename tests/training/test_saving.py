"""Whole models: round trips of everything a model is made of, training that goes on to the bit, and custom objects."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import minicnn as mc
from minicnn import layers as nn
from minicnn.backend.cpu import CPU
from minicnn.data import ImageDataGenerator
from minicnn.errors import ArgumentError, ArgumentTypeError, MinicnnError, MissingDataError, NotBuiltError, WeightsError

from .networks import small, state, toy

REF = {"kernels": "numpy_ref"}


def saved(model, tmp_path, **options):
    path = tmp_path / "model.minicnn"
    model.save(path)
    return mc.load_model(path, **options)


def test_a_loaded_model_is_the_same(tmp_path):
    model, (x, y) = small(), toy()
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    twin = saved(model, tmp_path)
    assert state(twin) == state(model)
    assert (twin.name, twin.seed, twin.metrics_names) == (model.name, model.seed, model.metrics_names)
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    assert [p.path for p in twin.weights] == [p.path for p in model.weights]  # so weights files fit both
    assert twin.predict(x, verbose=0).tobytes() == model.predict(x, verbose=0).tobytes()
    assert twin.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    assert twin.get_config() == model.get_config()
    lines = [[], []]
    for model_, found in zip((model, twin), lines, strict=True):
        model_.summary(print_fn=found.append)
    assert lines[0] == lines[1]
    twin.save(tmp_path / "again.minicnn")
    assert (tmp_path / "again.minicnn").read_bytes() == (tmp_path / "model.minicnn").read_bytes()


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop", "nadam", "adadelta", "adamw"])
@pytest.mark.parametrize("augmented", [False, True])
def test_two_and_two_epochs_are_four(tmp_path, name, augmented):
    """Order of rows, dropout, augmentation, slots, bias correction, moving averages: all go on where they stopped."""
    x, y = toy()
    data = ImageDataGenerator(rotation_range=20, zoom_range=0.2, width_shift_range=0.1).flow(x, y, 16, seed=4)
    options = {"x": data, "verbose": 0} if augmented else {"x": x, "y": y, "batch_size": 16, "verbose": 0}
    whole, half = small(seed=3), small(seed=3)
    for model in (whole, half):
        model.compile(name, "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = whole.fit(epochs=4, **options).history
    half.fit(epochs=2, **options)
    twin = saved(half, tmp_path)
    before = state(twin)
    later = twin.fit(epochs=4, initial_epoch=2, **options).history
    assert state(twin) == state(whole)
    assert state(twin) != before
    for key, values in later.items():
        assert values == history[key][2:]
    twin.streams.epoch += 1  # the test can fail: another counter is another order
    twin.fit(epochs=1, **options)
    whole.fit(epochs=1, **options)
    assert state(twin)[0] != state(whole)[0]


def averaged():
    """Five steps do not divide an epoch of four: a file is written in the middle of a sum of gradients."""
    return mc.optimizers.Lion(0.01, decay=0.1, gradient_accumulation_steps=5, use_ema=True, ema_overwrite_frequency=2)


def test_sums_of_gradients_and_averages_go_on(tmp_path):
    x, y = toy()
    whole, half = small(seed=3), small(seed=3)
    for model in (whole, half):
        model.compile(averaged(), "sparse_categorical_crossentropy")
    options = {"batch_size": 16, "verbose": 0}
    for model in (whole, half):
        model.fit(x, y, epochs=2, **options)
    half = saved(half, tmp_path)
    assert set(half.optimizer.get_state()) == {"average", "accumulated", "m"}
    for model in (whole, half):
        model.fit(x, y, epochs=3, **options)
    assert state(half) == state(whole)
    assert half.optimizer.get_config() == whole.optimizer.get_config() == averaged().get_config()
    average = whole.optimizer.get_state()["average"]
    for p, a in zip(whole.optimizer.params, average, strict=True):
        np.testing.assert_array_equal(p.numpy(), a)  # at the end of fit


def test_a_changed_learning_rate_is_kept(tmp_path):
    model, (x, y) = small(), toy()
    model.fit(x, y, verbose=0)
    model.optimizer.learning_rate = 0.1 / 3
    twin = saved(model, tmp_path)
    assert twin.optimizer.learning_rate == 0.1 / 3


def test_a_fit_whose_trainable_weights_changed(tmp_path):
    """Slots belong to the weights that are stepped, by name."""
    model, (x, y) = small(), toy()
    model.fit(x, y, verbose=0)
    model.layers[0].trainable = False
    model.fit(x, y, verbose=0)
    twin = saved(model, tmp_path)
    assert not twin.layers[0].trainable
    assert len(twin.optimizer.params) == len(model.optimizer.params) == 4
    for m in (model, twin):
        m.fit(x, y, epochs=2, verbose=0)
    assert state(twin) == state(model)


def test_not_compiled_not_trained_and_compile_false(tmp_path):
    bare = saved(small(compiled=False), tmp_path)
    assert bare.optimizer is None
    fresh = saved(small(), tmp_path)
    assert fresh.optimizer.iterations == 0
    model, (x, y) = small(), toy()
    model.fit(x, y, verbose=0)
    alone = saved(model, tmp_path, compile=False)
    assert alone.optimizer is None
    assert alone.predict(x, verbose=0).tobytes() == model.predict(x, verbose=0).tobytes()


def test_device_and_kernels_are_chosen_at_loading(tmp_path):
    model, (x, _) = small(), toy()
    twin = saved(model, tmp_path, kernels="numpy_ref", threads=1)
    assert twin.backend.kernels == "numpy_ref"
    assert twin.backend.threads == 1
    np.testing.assert_allclose(twin.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
    with pytest.raises(ArgumentError, match="device"):
        mc.load_model(tmp_path / "model.minicnn", device="gpu")


def test_float64_asks_for_a_float64_device(tmp_path):
    oracle = CPU("numpy_ref", "float64")
    model = small(device=oracle)
    assert saved(model, tmp_path, device=oracle).get_weights()[0].dtype == np.float64
    with pytest.raises(WeightsError) as caught:
        mc.load_model(tmp_path / "model.minicnn")
    assert str(caught.value) == (
        f"load_model {tmp_path / 'model.minicnn'}: expected weights of type float32, received 'float64'; give "
        'load_model device=CPU("numpy_ref", "float64") of minicnn.backend.cpu'
    )


EVERY = {
    "conv": ((7, 9, 3), lambda: nn.Conv2D(4, (3, 2), strides=(2, 1), padding="same", activation="tanh", use_bias=False,
                                          kernel_initializer=mc.initializers.HeNormal(seed=3), algorithm="im2col")),
    "dense": ((5,), lambda: nn.Dense(3, activation="swish", bias_initializer=mc.initializers.Constant(0.5))),
    "norm": ((4, 4, 2), lambda: nn.BatchNormalization(axis=1, momentum=0.5, epsilon=1e-2, scale=False)),
    "norm, no centre": ((4, 4, 2), lambda: nn.BatchNormalization(center=False, synchronized=True)),
    "max pool": ((7, 9, 3), lambda: nn.MaxPool2D((3, 2), strides=(1, 2), padding="same")),
    "average pool": ((7, 9, 3), lambda: nn.AvgPool2D(3)),
    "global max": ((7, 9, 3), lambda: nn.GlobalMaxPool2D(keepdims=True)),
    "global average": ((7, 9, 3), lambda: nn.GlobalAvgPool2D()),
    "dropout": ((5,), lambda: nn.Dropout(0.25, seed=2**63)),
    "spatial dropout": ((7, 9, 3), lambda: nn.SpatialDropout2D(0.25, seed=3)),
    "alpha dropout": ((5,), lambda: nn.AlphaDropout(0.25, (None, 1), seed=3)),
    "gaussian dropout": ((5,), lambda: nn.GaussianDropout(0.25)),
    "flatten": ((7, 9, 3), lambda: nn.Flatten()),
    "reshape": ((6,), lambda: nn.Reshape((2, -1))),
    "zero padding": ((7, 9, 3), lambda: nn.ZeroPadding2D(((1, 2), (0, 3)))),
    "activation": ((5,), lambda: nn.Activation("selu")),
    "softmax": ((5,), lambda: nn.Softmax()),
    "softmax of images": ((4, 3, 2), lambda: nn.Softmax(axis=(1, 2))),
    "relu": ((5,), lambda: nn.ReLU(max_value=1.5, negative_slope=0.1, threshold=0.2)),
    "leaky relu": ((5,), lambda: nn.LeakyReLU(0.2)),
    "elu": ((5,), lambda: nn.ELU(0.7)),
    "prelu": ((7, 9, 3), lambda: nn.PReLU(alpha_initializer="ones", shared_axes=[1, 2])),
    "transposed conv": ((7, 9, 3), lambda: nn.Conv2DTranspose(2, (3, 2), (2, 1), "same", activation="relu")),
    "dilated conv": ((7, 9, 4), lambda: nn.Conv2D(4, 3, dilation_rate=(2, 1), groups=2, activation="relu")),
    "depthwise conv": ((7, 9, 3), lambda: nn.DepthwiseConv2D((3, 2), 2, "same", 2, activation="relu")),
    "separable conv": ((7, 9, 3), lambda: nn.SeparableConv2D(5, (3, 2), dilation_rate=2, depth_multiplier=2)),
    "wider transposed conv": ((7, 9, 3), lambda: nn.Conv2DTranspose(2, 3, 2, "same", 1, "channels_first")),
    "conv of sequences": ((9, 3), lambda: nn.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu")),
    "transposed conv of sequences": ((9, 3), lambda: nn.Conv1DTranspose(4, 3, 2, output_padding=1)),
    "depthwise conv of sequences": ((9, 3), lambda: nn.DepthwiseConv1D(3, 2, "same", 2)),
    "separable conv of sequences": ((9, 3), lambda: nn.SeparableConv1D(4, 3, data_format="channels_first")),
    "max pool of sequences": ((9, 3), lambda: nn.MaxPool1D(3, strides=2, padding="same")),
    "average pool of sequences": ((9, 3), lambda: nn.AvgPool1D(3)),
    "global max of sequences": ((9, 3), lambda: nn.GlobalMaxPool1D(keepdims=True)),
    "global average of sequences": ((9, 3), lambda: nn.GlobalAvgPool1D()),
    "zeros around sequences": ((9, 3), lambda: nn.ZeroPadding1D((2, 1))),
    "upsampling of sequences": ((9, 3), lambda: nn.UpSampling1D(3)),
    "cropping of sequences": ((9, 3), lambda: nn.Cropping1D((2, 1))),
    "spatial dropout of sequences": ((9, 3), lambda: nn.SpatialDropout1D(0.25, seed=3)),
    "random flip": ((7, 9, 3), lambda: nn.RandomFlip("vertical", seed=3)),
    "random rotation": ((7, 9, 3), lambda: nn.RandomRotation(0.2, "constant", "nearest", 5, 0.5)),
    "random zoom": ((7, 9, 3), lambda: nn.RandomZoom((-0.1, 0.2), 0.3)),
    "random translation": ((7, 9, 3), lambda: nn.RandomTranslation(0.1, (0.0, 0.2), "wrap")),
    "random contrast": ((7, 9, 3), lambda: nn.RandomContrast((0.1, 0.3), (0, 1))),
    "random brightness": ((7, 9, 3), lambda: nn.RandomBrightness(0.2, (0, 1), seed=3)),
    "random erasing": ((7, 9, 3), lambda: nn.RandomErasing((0.5, 1.0), 0.2, [1, 2, 3], (0, 1), seed=3)),
    "random shear": ((7, 9, 3), lambda: nn.RandomShear(0.2, (0.1, 0.3), "nearest", "constant", 0.5, seed=3)),
    "mixed images": ((7, 9, 3), lambda: nn.MixUp(0.5, seed=3)),
    "mixed parts": ((7, 9, 3), lambda: nn.CutMix((0.5, 1), seed=3)),
    "random perspective": ((7, 9, 3), lambda: nn.RandomPerspective((0.5, 1), 0.25, "nearest", 0.5, seed=3)),
    "random grey": ((7, 9, 3), lambda: nn.RandomGrayscale(0.25)),
    "random duller colours": ((7, 9, 3), lambda: nn.RandomColorDegeneration((0.25, 0.5), (0, 1), seed=3)),
    "random saturation": ((7, 9, 3), lambda: nn.RandomSaturation(0.25, (0, 1), seed=3)),
    "random hue": ((7, 9, 3), lambda: nn.RandomHue(0.25, (0, 1), seed=3)),
    "random colours": ((7, 9, 3), lambda: nn.RandomColorJitter((0, 1), 0.25, 0.5, (0.25, 0.5), seed=3)),
    "augmentation at random": ((7, 9, 3), lambda: nn.RandAugment((0, 1), 3, (0.25, 0.5), "nearest", seed=3)),
    "random inversion": ((7, 9, 3), lambda: nn.RandomInvert((0.5, 1), (0, 1), seed=3)),
    "random posterization": ((7, 9, 3), lambda: nn.RandomPosterization((2, 5), (0, 1), seed=3)),
    "solarization": ((7, 9, 3), lambda: nn.Solarization(0.25, (0.5, 0.75), (0, 1), seed=3)),
    "random sharpness": ((7, 9, 3), lambda: nn.RandomSharpness((0.25, 0.75), (0, 1), seed=3)),
    "random blur": ((7, 9, 3), lambda: nn.RandomGaussianBlur((0.5, 1), (3, 5), (0.25, 1), (0, 1), seed=3)),
    "auto contrast": ((7, 9, 3), lambda: nn.AutoContrast((0, 1))),
    "equalization": ((7, 9, 3), lambda: nn.Equalization((0, 1), 16)),
    "random shift": ((7, 9, 3), lambda: nn.RandomShift((2, 3), "wrap", seed=3)),
    "random crop": ((7, 9, 3), lambda: nn.RandomCrop(5, 4, seed=3)),
    "centre crop": ((7, 9, 3), lambda: nn.CenterCrop(5, 4)),
    "resizing": ((7, 9, 3), lambda: nn.Resizing(5, 4, "bicubic", True, antialias=True)),
    "layer norm": ((7, 9, 3), lambda: nn.LayerNormalization([1, -1], epsilon=1e-2, center=False)),
    "rescaling of channels": ((7, 9, 3), lambda: nn.Rescaling([1, 2, 3], [0.5, 0.25, 0])),
    "normalization": ((7, 9, 3), lambda: nn.Normalization()),
    "normalization of all": ((7, 9, 3), lambda: nn.Normalization(None, invert=True)),
    "normalization by given figures": ((7, 9, 3), lambda: nn.Normalization((2, 3), [1, 2, 3], [4, 5, 6])),
    "adaptive pooling": ((7, 9, 3), lambda: nn.AdaptiveAveragePooling2D((2, 4))),
    "adaptive max pooling": ((7, 9, 3), lambda: nn.AdaptiveMaxPooling2D(3)),
    "adaptive pooling of sequences": ((7, 3), lambda: nn.AdaptiveAveragePooling1D(2)),
    "adaptive max pooling of sequences": ((7, 3), lambda: nn.AdaptiveMaxPooling1D(2)),
    "group norm": ((7, 9, 6), lambda: nn.GroupNormalization(3, epsilon=1e-2, scale=False)),
    "unit norm": ((7, 9, 3), lambda: nn.UnitNormalization([1, -1])),
    "upsampling by curves": ((7, 9, 3), lambda: nn.UpSampling2D(2, interpolation="lanczos3")),
    "root mean square norm": ((7, 9, 3), lambda: nn.RMSNormalization([1, -1], epsilon=1e-2)),
    "identity": ((7, 9, 3), lambda: nn.Identity()),
    "regularized activity": ((5,), lambda: nn.ActivityRegularization(0.25, 0.5)),
    "upsampling": ((7, 9, 3), lambda: nn.UpSampling2D((1, 2), interpolation="bilinear")),
    "cropping": ((7, 9, 3), lambda: nn.Cropping2D(((1, 2), (0, 3)))),
    "rescaling": ((5,), lambda: nn.Rescaling(0.5, -1.0)),
    "permute": ((7, 9, 3), lambda: nn.Permute((3, 1, 2))),
    "repeat": ((5,), lambda: nn.RepeatVector(3)),
    "noise": ((5,), lambda: nn.GaussianNoise(0.25, seed=3)),
}  # fmt: skip


def test_every_layer_is_listed():
    made = {type(build()) for _, build in EVERY.values()}
    known = {getattr(nn, name) for name in nn.__all__} - {nn.Layer, nn.InputLayer, nn.Input}
    several = {one for one in known if isinstance(one, type) and issubclass(one, nn.Add.__mro__[1])}  # test_model.py
    known = {one for one in known if isinstance(one, type)}
    assert made == known - several - {nn.Lambda}  # whose function is in no file


@pytest.mark.parametrize(("shape", "build"), EVERY.values(), ids=EVERY)
def test_every_layer(tmp_path, shape, build):
    layer = build()
    layer.trainable = False
    model = mc.Sequential([nn.Input(shape), layer], seed=1, **REF)
    twin = saved(model, tmp_path, **REF)
    x = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    assert twin.predict(x, verbose=0).tobytes() == model.predict(x, verbose=0).tobytes()
    assert twin.layers[0].get_config() == layer.get_config()
    assert type(twin.layers[0]) is type(layer)
    again = mc.model_from_json(model.to_json(), seed=1, **REF)
    assert again.layers[0].get_config() == layer.get_config()
    assert [w.tobytes() for w in again.get_weights()] == [w.tobytes() for w in model.get_weights()]  # the same seed
    assert mc.Sequential.from_config(model.get_config(), **REF).get_config() == model.get_config()


@pytest.mark.parametrize(
    "optimizer",
    [
        mc.optimizers.SGD(0.1, momentum=0.8, nesterov=True, clipnorm=2.0),
        mc.optimizers.RMSprop(0.1, rho=0.8, momentum=0.5, epsilon=1e-4, centered=True, weight_decay=0.1),
        mc.optimizers.Adam(0.1, beta_1=0.8, beta_2=0.9, epsilon=1e-4, amsgrad=True, clipvalue=1.0),
        mc.optimizers.AdamW(0.1, weight_decay=0.2, global_clipnorm=3.0),
        mc.optimizers.Adamax(0.1, name="slow"),
        mc.optimizers.Nadam(0.1),
        mc.optimizers.Adagrad(0.1, initial_accumulator_value=0.3),
        mc.optimizers.Adadelta(0.1, rho=0.5),
    ],
    ids=lambda o: type(o).__name__,
)
def test_every_optimizer(tmp_path, optimizer):
    model, (x, y) = small(compiled=False), toy()
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    twin = saved(model, tmp_path)
    assert type(twin.optimizer) is type(optimizer)
    assert (twin.optimizer.get_config(), twin.optimizer.name) == (optimizer.get_config(), optimizer.name)
    assert state(twin) == state(model)


@pytest.mark.parametrize(
    "loss",
    [
        mc.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1, reduction="sum"),
        mc.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight", name="mine"),
        mc.losses.BinaryCrossentropy(label_smoothing=0.2),
        mc.losses.MeanSquaredError(reduction="sum"),
        mc.losses.MeanAbsoluteError(),
        mc.losses.SparseCategoricalCrossentropy(ignore_class=255, axis=1),
        mc.losses.CategoricalFocalCrossentropy(alpha=[0.1, 0.2], gamma=3),
        mc.losses.BinaryFocalCrossentropy(True, alpha=0.3, gamma=1.5),
        mc.losses.Tversky(0.3, 0.7, axis=[1, 2]),
        *(cls(name="mine") for cls in mc.losses.ALL),
    ],
    ids=repr,
)
def test_every_loss(tmp_path, loss):
    model = small(compiled=False)
    model.compile("sgd", loss)
    twin = saved(model, tmp_path).loss
    assert type(twin) is type(loss)
    assert vars(twin) == vars(loss)


def test_every_metric(tmp_path):
    m = mc.metrics
    given = [
        "accuracy", "acc", "mse", m.Accuracy("exact"), m.BinaryAccuracy(threshold=0.7), m.CategoricalAccuracy(),
        m.SparseCategoricalAccuracy(), m.TopKCategoricalAccuracy(k=3), m.SparseTopKCategoricalAccuracy(k=2),
        m.MeanSquaredError(), m.MeanAbsoluteError(), m.RootMeanSquaredError(),
        m.CategoricalCrossentropy(from_logits=True), m.SparseCategoricalCrossentropy(),
        m.BinaryCrossentropy(label_smoothing=0.1), m.MeanMetricWrapper(m.categorical_accuracy, "mine", "min"),
        m.MeanMetricWrapper(m.binary_accuracy, "other", threshold=0.3),
        m.top_k_categorical_accuracy, "AUC", "huber", mc.losses.poisson, m.AUC(50, "PR", thresholds=[0.2, 0.6]),
        m.AUC(multi_label=True, label_weights=[1.0, 2.0]), m.Precision([0.2, 0.6], top_k=2), m.Recall(class_id=1),
        m.TruePositives(0.4), m.SensitivityAtSpecificity(0.3, 50), m.PrecisionAtRecall(0.2), m.F1Score("macro", 0.4),
        m.FBetaScore(beta=0.5), m.IoU(3, [0, 2], ignore_class=1), m.MeanIoU(3), m.OneHotIoU(3, [1]), m.BinaryIoU(),
        m.OneHotMeanIoU(3), m.R2Score(None, 2), m.Mean(), m.Sum(), m.CosineSimilarity(axis=1), m.LogCoshError(),
    ]  # fmt: skip
    model = small(compiled=False)
    model.compile("sgd", "mse", metrics=given, weighted_metrics=["mae"])
    twin = saved(model, tmp_path)
    assert len(twin.metrics) == len(given)
    for ours, theirs in zip(model.metrics + model.weighted_metrics, twin.metrics + twin.weighted_metrics, strict=True):
        assert type(ours) is type(theirs)
        np.testing.assert_equal(vars(ours), vars(theirs))


# custom objects -------------------------------------------------------------------------------------------------------


class Scale(nn.Layer):
    """y = factor gain x + shift; gain is one number."""

    config = ("factor",)

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.shift = self.add_weight("shift", input_shape, "ones")
        self.gain = self.add_weight("gain", (), "ones")
        return input_shape

    def call(self, x, *, training):
        return x * self.factor * self.gain + self.shift


def squash(x):
    return x * 0.5


def my_loss(y_true, y_pred):
    e = y_pred - y_true
    return e * e


def off_by_one(y_true, y_pred):
    return np.abs(y_true[:, 0] - y_pred[:, 0]) <= 1


def falling(step):
    return 0.1 / (1 + step)


def zeros_and_ones(shape):
    return np.arange(np.prod(shape)).reshape(shape) % 2


CUSTOM = {f.__name__: f for f in (Scale, squash, my_loss, off_by_one, falling, zeros_and_ones)}


def custom_model():
    model = mc.Sequential(
        [nn.Input((4,)), nn.Dense(3, activation=squash, kernel_initializer=zeros_and_ones), Scale(2.5)], seed=1, **REF
    )
    model.compile(mc.optimizers.SGD(falling), my_loss, metrics=[off_by_one])
    return model


def test_custom_objects(tmp_path):
    model, x = custom_model(), np.random.default_rng(0).random((8, 4))
    model.fit(x, x[:, :3], epochs=2, verbose=0)
    path = tmp_path / "model.minicnn"
    model.save(path)
    twin = mc.load_model(path, custom_objects=CUSTOM, **REF)
    assert twin.layers[1].factor == 2.5
    assert twin.optimizer.learning_rate == model.optimizer.learning_rate == 0.1 / 3
    for m in (model, twin):
        m.fit(x, x[:, :3], epochs=2, verbose=0)
    assert state(twin) == state(model)
    assert twin.metrics_names == ["loss", "off_by_one"]
    for ending in ("safetensors", "weights.h5", "h5"):  # they keep a weight of no axes, too
        model.save_weights(tmp_path / f"w.{ending}")
        again = custom_model()
        again.load_weights(tmp_path / f"w.{ending}")
        for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other, strict=True)


def test_custom_objects_that_are_missing_or_wrong(tmp_path):
    path = tmp_path / "model.minicnn"
    custom_model().save(path)
    with pytest.raises(ArgumentError) as caught:
        mc.load_model(path)
    assert str(caught.value) == (
        f"load_model {path}: expected custom_objects with squash, zeros_and_ones, Scale, falling, my_loss, off_by_one, "
        'received none; pass custom_objects={"squash": ..., "zeros_and_ones": ..., "Scale": ..., "falling": ..., '
        '"my_loss": ..., "off_by_one": ...}'
    )
    with pytest.raises(ArgumentError, match=r"received none of falling, off_by_one; pass custom_objects=\{"):
        mc.load_model(path, {k: v for k, v in CUSTOM.items() if k not in ("falling", "off_by_one")})
    alone = {k: CUSTOM[k] for k in ("squash", "zeros_and_ones", "Scale")}
    assert mc.load_model(path, alone, compile=False).layers[1].factor == 2.5
    with pytest.raises(ArgumentTypeError, match="to hold 'Scale' as a class derived from Layer"):
        mc.load_model(path, CUSTOM | {"Scale": squash})
    with pytest.raises(ArgumentTypeError, match="expected custom_objects to hold the function 'squash', received 3"):
        mc.load_model(path, CUSTOM | {"squash": 3})
    with pytest.raises(ArgumentTypeError, match=r"custom_objects: expected a dict .*, received \['Scale'\]"):
        mc.load_model(path, ["Scale"])


def test_a_custom_class_may_have_one_of_our_names(tmp_path):
    """It is marked as custom in the file: neither side takes the other's class."""
    Conv2D = type("Conv2D", (Scale,), {})
    model = mc.Sequential([nn.Input((4,)), Conv2D(3.0)], seed=1, **REF)
    model.save(tmp_path / "m.minicnn")
    with pytest.raises(ArgumentError, match="expected custom_objects with Conv2D"):
        mc.load_model(tmp_path / "m.minicnn")
    assert type(mc.load_model(tmp_path / "m.minicnn", {"Conv2D": Conv2D}).layers[0]) is Conv2D


class Forgetful(nn.Layer):
    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)

    def call(self, x, *, training):
        return x


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: m.compile("sgd", lambda t, y: y - t),
            "save: loss: expected a function with a name, to be found again by it, received <lambda>; "
            "write it with def",
        ),
        (
            lambda m: m.compile("sgd", "mse", metrics=[mc.metrics.MeanMetricWrapper(lambda t, p: 1.0, "one")]),
            "save: metric one: expected a function with a name, to be found again by it, received <lambda>; "
            "write it with def",
        ),
        (
            lambda m: m.compile(mc.optimizers.SGD(lambda step: 0.1), "mse"),
            "save: optimizer sgd: learning_rate: expected a function with a name, to be found again by it, received "
            "<lambda>; write it with def",
        ),
        (
            lambda m: m.add(nn.Activation(lambda x: x, name="act")),
            "save: layer act: activation: expected a function with a name, to be found again by it, received <lambda>; "
            "write it with def",
        ),
        (
            lambda m: m.add(Forgetful(3, name="own")),
            "save: layer own: expected Forgetful.get_config() to hold every argument of the constructor, received none "
            "of factor; write config = ('factor',) in the class",
        ),
        (
            lambda m: m.add(Scale(np.ones(3), name="own")),
            "save: layer own: expected a configuration of numbers, strings, lists and dicts, received "
            "array([1., 1., 1.])",
        ),
        (
            lambda m: m.add(Scale(float("nan"), name="own")),
            "save: layer own: expected a configuration of numbers, strings, lists and dicts, received nan",
        ),
    ],
)
def test_what_could_not_be_found_again_is_refused(tmp_path, change, message):
    model = mc.Sequential([nn.Input((4,)), nn.Dense(3)], **REF)
    change(model)
    with pytest.raises((ArgumentError, ArgumentTypeError)) as caught:
        model.save(tmp_path / "m.minicnn")
    assert str(caught.value) == message
    assert not (tmp_path / "m.minicnn").exists()


# paths ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "use", "more"),
    [
        ("model", "model", ""), ("model.pkl", "model", ""),
        ("a.b/model", "a.b/model", ""), ("v0.5", "v0.5", ""),
        ("model.safetensors", "model", ", or save_weights and load_weights for weights alone"),
        ("model.weights.h5", "model", ", or save_weights and load_weights for weights alone"),
    ],
)  # fmt: skip
def test_other_suffixes_are_told_what_to_use(tmp_path, name, use, more, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for where, call in {"save": small().save, "load_model": mc.load_model}.items():
        with pytest.raises(ArgumentError) as caught:
            call(name)
        assert str(caught.value) == (
            f"{where}: path: expected a file name that ends in .minicnn, or in .keras or .h5 for Keras, received "
            f"'{name}'; use \"{use}.minicnn\"{more}"
        )
    assert os.listdir(tmp_path) == []


def test_overwrite(tmp_path):
    path, model = tmp_path / "m.minicnn", small()
    model.save(path)
    before = path.read_bytes()
    model.set_weights([w + 1 for w in model.get_weights()])
    with pytest.raises(ArgumentError, match=r"save: expected a new file name, received .*; say overwrite=True"):
        model.save(path, overwrite=False)
    assert path.read_bytes() == before
    model.save(path)
    assert path.read_bytes() != before
    model.save(tmp_path / "new" / "folder" / "m.minicnn", overwrite=False)  # folders are made


def test_unbuilt_and_missing(tmp_path):
    with pytest.raises(NotBuiltError, match=r"expected a built model, received one without weights; call build\("):
        mc.Sequential([nn.Dense(3)]).save(tmp_path / "m.minicnn")
    with pytest.raises(MissingDataError, match=r"^load_model .*m\.minicnn: expected a file, received none$"):
        mc.load_model(tmp_path / "m.minicnn")


def test_an_unbuilt_model_as_json():
    twin = mc.model_from_json(mc.Sequential([nn.Dense(3), nn.Dense(2)]).to_json(), **REF)
    assert not twin.built
    twin.build((None, 4))
    assert twin.count_params() == 23


def test_json_is_plain_and_readable():
    text = small().to_json(indent=2)
    assert json.loads(text)["class_name"] == "Sequential"
    assert json.loads(text)["format"] == 1
    assert "\n" in text


def test_in_a_fresh_process(tmp_path):
    """Names count up per process; a file does not care."""
    model, (x, y) = small(), toy()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.minicnn")
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np, minicnn\n"
        "model = minicnn.load_model('m.minicnn')\n"
        "np.save('y.npy', model.predict(np.load('x.npy'), verbose=0))\n"
        "print([layer.name for layer in model.layers], [m for m in ('pandas', 'h5py', 'keras') if m in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{[layer.name for layer in model.layers]} []\n"
    assert np.load(tmp_path / "y.npy").tobytes() == model.predict(x, verbose=0).tobytes()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_killed_in_the_middle_of_a_save(tmp_path):
    """kill -9 while the new bytes are half written: the old file is what it was."""
    path = tmp_path / "m.minicnn"
    model = small()
    model.save(path)
    before = path.read_bytes()
    code = (
        "import os, sys, time, minicnn\n"
        "def half(fd, real=os.fsync):\n"
        "    real(fd); print('half', flush=True); time.sleep(3600)\n"
        "model = minicnn.load_model(sys.argv[1])\n"
        "model.set_weights([w + 1 for w in model.get_weights()])\n"
        "os.fsync = half\n"
        "model.save(sys.argv[1])\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code, path], env=environment, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert len(os.listdir(tmp_path)) == 2  # what was killed leaves its temporary file
    assert path.read_bytes() == before
    assert state(mc.load_model(path)) == state(model)


def test_a_checkpoint_in_the_middle_of_fit_resumes_to_the_bit(tmp_path):
    x, y = toy()
    whole = small(seed=5)
    checkpoint = mc.callbacks.ModelCheckpoint(tmp_path / "{epoch}.minicnn")
    whole.fit(x, y, epochs=3, batch_size=16, verbose=0, callbacks=[checkpoint])
    assert sorted(os.listdir(tmp_path)) == ["1.minicnn", "2.minicnn", "3.minicnn"]
    twin = mc.load_model(tmp_path / "1.minicnn")
    twin.fit(x, y, epochs=3, initial_epoch=1, batch_size=16, verbose=0)
    assert state(twin) == state(whole) == state(mc.load_model(tmp_path / "3.minicnn"))


def test_a_checkpoint_that_could_not_be_saved_stops_before_training(tmp_path):
    model, (x, y) = small(), toy()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[lambda t, p: 1.0])
    with pytest.raises(ArgumentError, match="expected a function with a name"):
        model.fit(x, y, verbose=0, callbacks=[mc.callbacks.ModelCheckpoint(tmp_path / "m.minicnn")])
    assert model.streams.step == 0


def test_a_class_derived_from_ours_needs_no_config(tmp_path):
    Mine = type("Mine", (nn.Dense,), {})
    model = mc.Sequential([nn.Input((4,)), Mine(3, activation="tanh")], seed=1, **REF)
    model.save(tmp_path / "m.minicnn")
    twin = mc.load_model(tmp_path / "m.minicnn", {"Mine": Mine}, **REF)
    assert twin.layers[0].get_config() == model.layers[0].get_config()


def test_shared_layers_and_layers_named_alike(tmp_path):
    shared = nn.Dense(3, name="dense_1")
    first = mc.Sequential([nn.Input((4,)), nn.Dense(4), nn.Dense(4), shared], seed=1, **REF)
    second = mc.Sequential([nn.Input((4,)), nn.Dense(4, name="dense_0"), shared], seed=2, **REF)
    x = np.random.default_rng(0).random((2, 4))
    for i, model in enumerate((first, second)):
        model.save(tmp_path / f"{i}.minicnn")
        twin = mc.load_model(tmp_path / f"{i}.minicnn", **REF)
        assert twin.predict(x, verbose=0).tobytes() == model.predict(x, verbose=0).tobytes()


def test_saving_changes_nothing(tmp_path):
    model, (x, y) = small(), toy()
    model.fit(x, y, verbose=0)
    before = state(model)
    model.save(tmp_path / "m.minicnn")
    model.save(tmp_path / "n.minicnn")
    assert state(model) == before
    assert (tmp_path / "m.minicnn").read_bytes() == (tmp_path / "n.minicnn").read_bytes()


def halves(x, by=2):
    return x / by


def test_a_lambda_s_config_has_its_name():
    layer = mc.layers.Lambda(halves, arguments={"by": 4})
    config = layer.get_config()
    for again in (mc.layers.Lambda.from_config(config, {"halves": halves}), _scoped(config)):
        np.testing.assert_array_equal(again(np.ones((2, 3))), layer(np.ones((2, 3))))
    with pytest.raises(ArgumentError, match=r"expected a known name, received 'halves'; .*custom_objects="):
        mc.layers.Lambda.from_config(config)


def _scoped(config):
    with mc.keras.saving.custom_object_scope({"halves": halves}):
        return mc.layers.Lambda.from_config(config)


def test_a_lambda_is_found_again_by_its_name(tmp_path):
    layer = mc.layers.Lambda(halves, arguments={"by": 4}, name="h")
    model = mc.Sequential([mc.layers.Input((3,)), layer, mc.layers.Dense(1)], seed=1)
    model.save(tmp_path / "m.minicnn")
    loaded = mc.load_model(tmp_path / "m.minicnn", custom_objects={"halves": halves})
    x = np.ones((2, 3))
    assert loaded.predict(x, verbose=0).tobytes() == model.predict(x, verbose=0).tobytes()
    assert loaded.layers[0].arguments == {"by": 4}
    with pytest.raises(MinicnnError, match="halves"):
        mc.load_model(tmp_path / "m.minicnn")
