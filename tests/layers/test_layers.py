"""Every layer: shapes, gradients of its input and weights, Keras's defaults and argument order, names, config, errors."""

# ruff: noqa: E501  (messages are compared word for word, each on its line)

import inspect

import numpy as np
import pytest

from minicnn import Tensor, check_grad, errors, initializers, layers
from minicnn.backend.streams import Streams
from minicnn.layers import merge
from minicnn.layers.augment import Random
from minicnn.layers.base import snake_case
from minicnn.layers.dropout import Noise

IMAGE, VECTOR, SEQUENCE = (6, 5, 2), (4,), (7, 2)
FIRST = {"data_format": "channels_first"}


def smooth(rng, shape):
    return rng.standard_normal((3, *shape))


def distinct(rng, shape):
    """.1 apart and never 0: no ties and no kinks."""
    n = 3 * int(np.prod(shape))
    return (rng.permutation(n).reshape(3, *shape) - n // 2 + 0.5) / 10


def make(cls, *args, shape=IMAGE, out=IMAGE, x=smooth, weights=(), **kwargs):
    text = ", ".join([*(getattr(a, "__name__", repr(a)) for a in args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    return pytest.param(lambda: cls(*args, **kwargs), shape, out, x, weights, id=f"{cls.__name__}({text})")


def halves(x):
    return x * 0.5


CONV = ((3, 3, 2, 4), (4,))
COLORS = {"shape": (6, 5, 3), "out": (6, 5, 3)}
CASES = [
    make(layers.Conv2D, 4, 3, out=(4, 3, 4), weights=CONV),
    make(layers.Conv2D, 4, (3, 2), (2, 1), "same", out=(3, 5, 4), weights=((3, 2, 2, 4), (4,))),
    make(layers.Conv2D, 4, 3, activation="tanh", use_bias=False, out=(4, 3, 4), weights=CONV[:1]),
    make(layers.Conv2D, 4, 3, activation="softmax", out=(4, 3, 4), weights=CONV),
    make(layers.Conv2D, 4, (3, 2), dilation_rate=(2, 1), out=(2, 4, 4), weights=((3, 2, 2, 4), (4,))),
    make(layers.Conv2D, 4, 3, padding="same", groups=2, dilation_rate=2, out=(6, 5, 4), weights=((3, 3, 1, 4), (4,))),
    make(layers.Conv2DTranspose, 3, 2, dilation_rate=(2, 1), out=(8, 6, 3), weights=((2, 2, 3, 2), (3,))),
    make(layers.DepthwiseConv2D, 3, out=(4, 3, 2), weights=((3, 3, 2, 1), (2,))),
    make(layers.DepthwiseConv2D, (3, 2), 2, "same", 3, use_bias=False, out=(3, 3, 6), weights=((3, 2, 2, 3),)),
    make(layers.SeparableConv2D, 5, 3, out=(4, 3, 5), weights=((3, 3, 2, 1), (1, 1, 2, 5), (5,))),
    make(layers.SeparableConv2D, 5, 3, padding="same", dilation_rate=2, depth_multiplier=2, activation="tanh",
         out=(6, 5, 5), weights=((3, 3, 2, 2), (1, 1, 4, 5), (5,))),
    make(layers.Conv2DTranspose, 3, 2, out=(7, 6, 3), weights=((2, 2, 3, 2), (3,))),
    make(layers.Conv2DTranspose, 3, 3, (2, 1), "same", activation="tanh", out=(12, 5, 3), weights=((3, 3, 3, 2), (3,))),
    make(layers.Conv2DTranspose, 3, 2, 3, output_padding=(0, 2), out=(17, 16, 3), weights=((2, 2, 3, 2), (3,))),
    make(layers.Conv2DTranspose, 3, 3, 2, "same", 1, out=(12, 10, 3), weights=((3, 3, 3, 2), (3,))),
    make(layers.Conv1D, 4, 3, shape=SEQUENCE, out=(5, 4), weights=((3, 2, 4), (4,))),
    make(layers.Conv1D, 4, 2, padding="causal", dilation_rate=3, groups=2, shape=SEQUENCE, out=(7, 4),
         weights=((2, 1, 4), (4,))),
    make(layers.Conv1D, 4, 3, 2, "same", "channels_first", activation="tanh", out=(4, 4), shape=(3, 7),
         weights=((3, 3, 4), (4,))),
    make(layers.Conv1DTranspose, 3, 3, 2, "same", shape=SEQUENCE, out=(14, 3), weights=((3, 3, 2), (3,))),
    make(layers.DepthwiseConv1D, 3, depth_multiplier=2, shape=SEQUENCE, out=(5, 4), weights=((3, 2, 2), (4,))),
    make(layers.SeparableConv1D, 5, 3, shape=SEQUENCE, out=(5, 5), weights=((3, 2, 1), (1, 2, 5), (5,))),
    make(layers.MaxPooling1D, shape=SEQUENCE, out=(3, 2), x=distinct),
    make(layers.AveragePooling1D, 3, 2, "same", shape=SEQUENCE, out=(4, 2)),
    make(layers.GlobalMaxPooling1D, shape=SEQUENCE, out=(2,), x=distinct),
    make(layers.GlobalAveragePooling1D, keepdims=True, shape=SEQUENCE, out=(1, 2)),
    make(layers.GlobalAveragePooling1D, shape=SEQUENCE, out=(2,)),
    make(layers.ZeroPadding1D, (1, 2), shape=SEQUENCE, out=(10, 2)),
    make(layers.UpSampling1D, 3, shape=SEQUENCE, out=(21, 2)),
    make(layers.Cropping1D, (2, 1), shape=SEQUENCE, out=(4, 2)),
    make(layers.SpatialDropout1D, 0.4, shape=SEQUENCE, out=SEQUENCE),
    make(layers.Conv2D, 4, (3, 2), (2, 1), "same", **FIRST, out=(4, 3, 2), weights=((3, 2, 6, 4), (4,))),
    make(layers.Conv2DTranspose, 3, 2, **FIRST, out=(3, 6, 3), weights=((2, 2, 3, 6), (3,))),
    make(layers.DepthwiseConv2D, 2, **FIRST, out=(6, 4, 1), weights=((2, 2, 6, 1), (6,))),
    make(layers.SeparableConv2D, 3, 2, **FIRST, out=(3, 4, 1), weights=((2, 2, 6, 1), (1, 1, 6, 3), (3,))),
    make(layers.MaxPooling2D, **FIRST, out=(6, 2, 1), x=distinct),
    make(layers.GlobalAveragePooling2D, **FIRST, out=(6,)),
    make(layers.GlobalMaxPooling2D, **FIRST, keepdims=True, out=(6, 1, 1), x=distinct),
    make(layers.UpSampling2D, **FIRST, out=(6, 10, 4)),
    make(layers.Cropping2D, 1, "channels_first", shape=(2, 5, 4), out=(2, 3, 2)),
    make(layers.ZeroPadding2D, **FIRST, out=(6, 7, 4)),
    make(layers.SpatialDropout2D, 0.4, **FIRST),
    make(layers.Flatten, **FIRST, out=(60,)),
    make(layers.RandomFlip),
    make(layers.RandomFlip, "vertical", 3, **FIRST),
    make(layers.RandomRotation, 0.2),
    make(layers.RandomRotation, (0.1, 0.3), "constant", "nearest", fill_value=0.5),
    make(layers.RandomZoom, 0.3, fill_mode="wrap"),
    make(layers.RandomZoom, 0.3, (0.1, 0.2), "nearest"),
    make(layers.RandomTranslation, 0.3, 0.2, "constant"),
    make(layers.RandomContrast, 0.5, (-50, 50)),
    make(layers.RandomBrightness, 0.2, (-50, 50)),
    make(layers.RandomErasing, 0.9, (0.1, 0.5), None, (-50, 50)),
    make(layers.RandomErasing, (0.9, 1), 0.4, [3, -2], (-50, 50)),
    make(layers.RandomShear, 0.3, (0.1, 0.2)),
    make(layers.RandomShear, (-0.5, 0.5), interpolation="nearest", fill_mode="constant", fill_value=0.5),
    make(layers.MixUp, 0.8),
    make(layers.CutMix, (0.5, 1.0)),
    make(layers.RandomPerspective, (0.5, 0.9), 0.4),
    make(layers.RandomPerspective, (0.5, 0.9), 0.4, "nearest", 0.5),
    make(layers.RandomGrayscale, **COLORS),
    make(layers.RandomGrayscale, 1, shape=(6, 5, 1), out=(6, 5, 1)),
    make(layers.RandomColorDegeneration, 0.8, (-50, 50), **COLORS),
    make(layers.RandomSaturation, 0.8, (-50, 50), **COLORS),
    make(layers.RandomHue, (0.3, 0.8), (-50, 50), **COLORS),
    make(layers.RandomHue, 0.8, (-50, 50), "channels_first", shape=(3, 6, 5), out=(3, 6, 5)),
    make(layers.RandomColorJitter, (-50, 50), 0.1, 0.2, (0.2, 0.7), 0.4, 5, **COLORS),
    make(layers.RandomColorJitter, (-50, 50), 0.1, 0.2, 0.3, 0.4, shape=(6, 5, 1), out=(6, 5, 1)),
    make(layers.RandAugment, (-25.5, 25.5), 1, 0.3, x=distinct, **COLORS),
    make(layers.RandomInvert, (0.5, 0.9), (-50, 50)),
    make(layers.RandomPosterization, 5, (-25.5, 25.5), x=distinct),
    make(layers.Solarization, (0, 0.1), (0.3, 0.6), (-50, 50)),
    make(layers.RandomSharpness, 0.8, (-50, 50)),
    make(layers.RandomGaussianBlur, (0.5, 0.9), (3, 5), 0.8, (-50, 50)),
    make(layers.AutoContrast, (-50, 50)),
    make(layers.Equalization, (-25.5, 25.5), 16, x=distinct),
    make(layers.RandomShift, 2),
    make(layers.RandomShift, (1, 3), "constant", 0.5),
    make(layers.RandomCrop, 3, 4, out=(3, 4, 2)),
    make(layers.RandomCrop, 8, 4, out=(8, 4, 2)),
    make(layers.CenterCrop, 3, 4, out=(3, 4, 2)),
    make(layers.CenterCrop, 3, 7, out=(3, 7, 2)),
    make(layers.Resizing, 4, 8, out=(4, 8, 2)),
    make(layers.Resizing, 8, 3, "bicubic", crop_to_aspect_ratio=True, antialias=True, out=(8, 3, 2)),
    make(layers.Resizing, 4, 8, "nearest", pad_to_aspect_ratio=True, fill_value=2, out=(4, 8, 2)),
    make(layers.UpSampling2D, out=(12, 10, 2)),
    make(layers.UpSampling2D, (1, 3), None, "bilinear", out=(6, 15, 2)),
    make(layers.UpSampling2D, (2, 1), None, "bicubic", out=(12, 5, 2)),
    make(layers.Cropping2D, ((1, 2), (0, 1)), out=(3, 4, 2)),
    make(layers.Rescaling, 0.5, -1),
    make(layers.Rescaling, [0.5, 2], 1),
    make(layers.Permute, (2, 3, 1), out=(5, 2, 6)),
    make(layers.RepeatVector, 3, shape=VECTOR, out=(3, 4)),
    make(layers.LayerNormalization, weights=((2,), (2,))),
    make(layers.LayerNormalization, [1, -1], center=False, weights=((2, 6),)),
    make(layers.Normalization, weights=((2,), (2,), ())),
    make(layers.Normalization, (1, -1), invert=True, weights=((6, 2), (6, 2), ())),
    make(layers.Normalization, None, 0.5, 2.0),
    make(layers.GroupNormalization, 2, weights=((2,), (2,))),
    make(layers.GroupNormalization, -1, 1, 0.01, False, weights=((6,),)),
    make(layers.UnitNormalization),
    make(layers.UnitNormalization, [1, -1]),
    make(layers.RMSNormalization, weights=((2,),)),
    make(layers.RMSNormalization, [1, -1], 0.1, weights=((2, 6),)),
    make(layers.Identity),
    make(layers.ActivityRegularization, 0.1, 0.2),
    make(layers.GaussianNoise, 0.4),
    make(layers.Lambda, halves, out=IMAGE),
    make(layers.Dense, 3, shape=VECTOR, out=(3,), weights=((4, 3), (3,))),
    make(layers.Dense, 3, "sigmoid", shape=IMAGE, out=(6, 5, 3), weights=((2, 3), (3,))),
    make(layers.Dense, 3, use_bias=False, shape=VECTOR, out=(3,), weights=((4, 3),)),
    make(layers.BatchNormalization, weights=((2,),) * 4),
    make(layers.BatchNormalization, 1, weights=((6,),) * 4),
    make(layers.BatchNormalization, axis=-2, center=False, weights=((5,),) * 3),
    make(layers.BatchNormalization, scale=False, shape=VECTOR, out=VECTOR, weights=((4,),) * 3),
    make(layers.MaxPooling2D, out=(3, 2, 2), x=distinct),
    make(layers.MaxPooling2D, (3, 2), 1, "same", x=distinct),
    make(layers.AveragePooling2D, out=(3, 2, 2)),
    make(layers.AveragePooling2D, 3, (2, 1), "same", out=(3, 5, 2)),
    make(layers.GlobalMaxPooling2D, out=(2,), x=distinct),
    make(layers.GlobalAveragePooling2D, out=(2,)),
    make(layers.GlobalAveragePooling2D, keepdims=True, out=(1, 1, 2)),
    make(layers.AdaptiveMaxPooling2D, (4, 2), out=(4, 2, 2), x=distinct),
    make(layers.AdaptiveAveragePooling2D, (4, 2), out=(4, 2, 2)),
    make(layers.AdaptiveAveragePooling2D, 3, **FIRST, out=(6, 3, 3)),
    make(layers.AdaptiveMaxPooling1D, 3, shape=SEQUENCE, out=(3, 2), x=distinct),
    make(layers.AdaptiveAveragePooling1D, [4], shape=SEQUENCE, out=(4, 2)),
    make(layers.Dropout, 0.4),
    make(layers.Dropout, 0.4, (None, 1, None, 2)),
    make(layers.Dropout, 1, [1, None, 1, None]),
    make(layers.SpatialDropout2D, 0.4),
    make(layers.AlphaDropout, 0.4),
    make(layers.AlphaDropout, 0.4, (None, 1, None, 2)),
    make(layers.AlphaDropout, 0.4, shape=VECTOR, out=VECTOR),
    make(layers.GaussianDropout, 0.4),
    make(layers.GaussianDropout, 0.4, shape=(3,), out=(3,)),
    make(layers.Flatten, out=(60,)),
    make(layers.Flatten, shape=VECTOR, out=VECTOR),
    make(layers.Reshape, (5, -1), out=(5, 12)),
    make(layers.ZeroPadding2D, out=(8, 7, 2)),
    make(layers.ZeroPadding2D, ((1, 0), (0, 2)), out=(7, 7, 2)),
    make(layers.InputLayer, IMAGE),
    make(layers.Activation, "relu", x=distinct),
    make(layers.Activation, "selu", x=distinct),
    make(layers.ReLU, x=distinct),
    make(layers.ReLU, 0.5, 0.1, 0.2, x=distinct),
    make(layers.LeakyReLU, x=distinct),
    make(layers.ELU, 0.5, x=distinct),
    make(layers.PReLU, "random_uniform", x=distinct, weights=(IMAGE,)),
    make(layers.PReLU, "he_normal", shared_axes=[1, 2], x=distinct, weights=((1, 1, 2),)),
    make(layers.Softmax),
    make(layers.Softmax, 1),
    make(layers.Softmax, (1, -2)),
]  # fmt: skip
cases = pytest.mark.parametrize(("build", "shape", "out", "x", "weights"), CASES)


def attached(layer, be, shape, seed=1):
    layer.attach(be, Streams(seed), 0, shape)
    return layer


def as_function(layer, training=True):
    """layer(x, *trainable weights): its weights give way to the tensors that are passed."""
    names = [name for p in layer.trainable_weights for name, value in vars(layer).items() if value is p]

    def f(x, *weights):
        for name, w in zip(names, weights, strict=True):
            setattr(layer, name, w)
        return layer.call(x, training=training)

    return f, [p.numpy().copy() for p in layer.trainable_weights]


def test_every_layer_has_a_case():
    classes = {value for value in vars(layers).values() if isinstance(value, type)} - {layers.Layer}
    classes = {one for one in classes if not issubclass(one, merge.Merge)}  # of several tensors: test_merge.py
    assert len(classes) > 15
    assert classes == {type(case.values[0]()) for case in CASES}
    lower = {"add", "average", "concatenate", "dot", "maximum", "minimum", "multiply", "subtract"}
    assert set(layers.__all__) == {name for name in vars(layers) if name[0].isupper()} | lower


@cases
def test_shapes_and_weights(rng, oracle, build, shape, out, x, weights):
    layer = build()
    assert (layer.built, layer.sample_out) == (False, None)
    attached(layer, oracle, shape)
    assert (layer.built, layer.sample_in, layer.sample_out) == (True, shape, out)
    assert tuple(w.shape for w in layer.weights) == weights
    assert layer.count_params() == sum(int(np.prod(w)) for w in weights)
    for training in (False, True):
        y = layer(Tensor(x(rng, shape), oracle), training=training)
        assert y.shape == (3, *out)
        assert y.dtype == np.float64
    one = layer(Tensor(x(rng, shape)[:1], oracle))  # a batch of 1
    assert one.shape == (1, *out)


@cases
def test_built_by_hand_for_the_shape_of_a_batch(build, shape, out, x, weights):
    layer = build()
    layer.build((None, *shape))
    assert (layer.sample_in, layer.sample_out) == (shape, out)
    assert tuple(w.shape for w in layer.weights) == weights


@cases
@pytest.mark.parametrize("training", [True, False])
def test_gradients(rng, oracle, build, shape, out, x, weights, training):
    layer = attached(build(), oracle, shape)
    f, values = as_function(layer, training)
    if isinstance(layer, layers.InputLayer):
        return  # hands x on: nothing to differentiate
    if isinstance(layer, (Noise, Random)) and not training:  # hand x on
        f = (lambda g: lambda x: g(x) * 1)(f)
    values = [v + 0.1 * rng.standard_normal(v.shape) for v in values]
    check_grad(f, [x(rng, shape), *values], rng=rng, rtol=1e-6)


@pytest.mark.parametrize("case", [layers.Conv2D(4, 3, activation="relu"), layers.Dense(5, activation="relu")])
def test_gradients_of_relu_epilogues(rng, oracle, case):
    layer = attached(case, oracle, IMAGE)
    f, values = as_function(layer)
    for _ in range(1000):  # until no pre-activation is near the kink
        x = rng.standard_normal((1, *IMAGE))
        z = layer.preactivation(Tensor(x, oracle), training=True).numpy()
        if np.abs(z).min() > 0.01:
            break
    assert np.abs(z).min() > 0.01  # the check moves z by 2 * 1e-4 |x|
    assert (z < 0).any()
    np.testing.assert_array_equal(layer(Tensor(x, oracle)).numpy(), np.maximum(z, 0))
    check_grad(f, [x, *values], rng=rng)


@cases
def test_config_makes_the_same_layer_again(oracle, build, shape, out, x, weights):
    import json

    layer = build()
    if isinstance(layer, layers.Lambda):
        pytest.skip("its function is found again in custom_objects: tests/training/test_saving.py")
    config = json.loads(json.dumps(layer.get_config()))
    twin = type(layer)(**config)
    assert twin.get_config() == layer.get_config()
    assert twin.name == layer.name
    for a, b in zip(attached(layer, oracle, shape).weights, attached(twin, oracle, shape).weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@cases
def test_trainable_false_freezes(rng, oracle, build, shape, out, x, weights):
    layer = build()
    layer.trainable = False
    attached(layer, oracle, shape)
    before = layer.get_weights()
    t = Tensor(x(rng, shape), oracle, requires_grad=True)
    (layer(t, training=True) * 1).backward(np.ones((3, *out)))
    assert t.grad is not None
    assert all(p.grad is None for p in layer.params)
    assert layer.trainable_weights == []
    assert layer.non_trainable_weights == layer.weights
    for a, b in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    layer.trainable = True
    (layer(t, training=True) * 1).backward(np.ones((3, *out)))
    assert [p.grad is not None for p in layer.params] == [p.trainable for p in layer.params]


# Keras's names, defaults and order ------------------------------------------------------------------------------------

SIGNATURES = {
    layers.Conv2D: "filters kernel_size strides=(1,1) padding='valid' data_format=None dilation_rate=(1,1) groups=1 "
    "activation=None use_bias=True kernel_initializer='glorot_uniform' bias_initializer='zeros'",
    layers.DepthwiseConv2D: "kernel_size strides=(1,1) padding='valid' depth_multiplier=1 data_format=None "
    "dilation_rate=(1,1) activation=None use_bias=True depthwise_initializer='glorot_uniform' bias_initializer='zeros'",
    layers.SeparableConv2D: "filters kernel_size strides=(1,1) padding='valid' data_format=None dilation_rate=(1,1) "
    "depth_multiplier=1 activation=None use_bias=True depthwise_initializer='glorot_uniform' "
    "pointwise_initializer='glorot_uniform' bias_initializer='zeros'",
    layers.Dense: "units activation=None use_bias=True kernel_initializer='glorot_uniform' bias_initializer='zeros'",
    layers.BatchNormalization: "axis=-1 momentum=0.99 epsilon=0.001 center=True scale=True beta_initializer='zeros' "
    "gamma_initializer='ones' moving_mean_initializer='zeros' moving_variance_initializer='ones' "
    "synchronized=False",
    layers.MaxPooling2D: "pool_size=(2,2) strides=None padding='valid' data_format=None",
    layers.AveragePooling2D: "pool_size=(2,2) strides=None padding='valid' data_format=None",
    layers.GlobalMaxPooling2D: "data_format=None keepdims=False",
    layers.GlobalAveragePooling2D: "data_format=None keepdims=False",
    layers.Dropout: "rate noise_shape=None seed=None",
    layers.SpatialDropout2D: "rate data_format=None seed=None",
    layers.AlphaDropout: "rate noise_shape=None seed=None",
    layers.GaussianDropout: "rate seed=None",
    layers.Flatten: "data_format=None",
    layers.Reshape: "target_shape",
    layers.ZeroPadding2D: "padding=(1,1) data_format=None",
    layers.Activation: "activation",
    layers.ReLU: "max_value=None negative_slope=0.0 threshold=0.0",
    layers.LeakyReLU: "negative_slope=0.3",
    layers.ELU: "alpha=1.0",
    layers.PReLU: "alpha_initializer='zeros' alpha_regularizer=None alpha_constraint=None shared_axes=None",
    layers.Softmax: "axis=-1",
    layers.UpSampling2D: "size=(2,2) data_format=None interpolation='nearest'",
    layers.Cropping2D: "cropping=((0,0),(0,0)) data_format=None",
    layers.Rescaling: "scale offset=0.0",
    layers.Permute: "dims",
    layers.RepeatVector: "n",
    layers.GaussianNoise: "stddev seed=None",
    layers.LayerNormalization: "axis=-1 epsilon=0.001 center=True scale=True beta_initializer='zeros' "
    "gamma_initializer='ones'",
    layers.Normalization: "axis=-1 mean=None variance=None invert=False",
    layers.AdaptiveMaxPooling1D: "output_size data_format=None",
    layers.AdaptiveMaxPooling2D: "output_size data_format=None",
    layers.AdaptiveAveragePooling1D: "output_size data_format=None",
    layers.AdaptiveAveragePooling2D: "output_size data_format=None",
    layers.GroupNormalization: "groups=32 axis=-1 epsilon=0.001 center=True scale=True beta_initializer='zeros' "
    "gamma_initializer='ones'",
    layers.UnitNormalization: "axis=-1",
    layers.RMSNormalization: "axis=-1 epsilon=1e-06",
    layers.Identity: "",
    layers.ActivityRegularization: "l1=0.0 l2=0.0",
    layers.RandomFlip: "mode='horizontal_and_vertical' seed=None data_format=None",
    layers.RandomRotation: "factor fill_mode='reflect' interpolation='bilinear' seed=None fill_value=0.0 data_format=None",
    layers.RandomZoom: "height_factor width_factor=None fill_mode='reflect' interpolation='bilinear' seed=None "
    "fill_value=0.0 data_format=None",
    layers.RandomTranslation: "height_factor width_factor fill_mode='reflect' interpolation='bilinear' seed=None "
    "fill_value=0.0 data_format=None",
    layers.RandomContrast: "factor value_range=(0,255) seed=None",
    layers.RandomBrightness: "factor value_range=(0,255) seed=None",
    layers.RandomErasing: "factor=1.0 scale=(0.02,0.33) fill_value=None value_range=(0,255) seed=None data_format=None",
    layers.RandomShear: "x_factor=0.0 y_factor=0.0 interpolation='bilinear' fill_mode='reflect' fill_value=0.0 "
    "data_format=None seed=None",
    layers.MixUp: "alpha=0.2 data_format=None seed=None",
    layers.CutMix: "factor=1.0 seed=None data_format=None",
    layers.RandomPerspective: "factor=1.0 scale=1.0 interpolation='bilinear' fill_value=0.0 seed=None data_format=None",
    **dict.fromkeys((layers.RandomColorDegeneration, layers.RandomPosterization, layers.RandomSaturation,
                     layers.RandomSharpness, layers.RandomHue), "factor value_range=(0,255) data_format=None seed=None"),
    layers.RandomInvert: "factor=1.0 value_range=(0,255) seed=None data_format=None",
    layers.RandAugment: "value_range=(0,255) num_ops=2 factor=0.5 interpolation='bilinear' seed=None "
    "data_format=None",
    layers.RandomGrayscale: "factor=0.5 data_format=None seed=None",
    layers.RandomColorJitter: "value_range=(0,255) brightness_factor=None contrast_factor=None saturation_factor=None "
    "hue_factor=None seed=None data_format=None",
    layers.Solarization: "addition_factor=0.0 threshold_factor=0.0 value_range=(0,255) seed=None",
    layers.RandomGaussianBlur: "factor=1.0 kernel_size=3 sigma=1.0 value_range=(0,255) data_format=None seed=None",
    layers.AutoContrast: "value_range=(0,255)",
    layers.Equalization: "value_range=(0,255) bins=256 data_format=None",
    layers.RandomShift: "pixels fill_mode='reflect' fill_value=0.0 seed=None data_format=None",
    layers.RandomCrop: "height width seed=None data_format=None",
    layers.CenterCrop: "height width data_format=None",
    layers.Resizing: "height width interpolation='bilinear' crop_to_aspect_ratio=False pad_to_aspect_ratio=False "
    "fill_mode='constant' fill_value=0.0 antialias=False data_format=None",
    layers.Conv1D: "filters kernel_size strides=1 padding='valid' data_format=None dilation_rate=1 groups=1 "
    "activation=None use_bias=True kernel_initializer='glorot_uniform' bias_initializer='zeros'",
    layers.Conv1DTranspose: "filters kernel_size strides=1 padding='valid' output_padding=None data_format=None "
    "dilation_rate=1 activation=None use_bias=True kernel_initializer='glorot_uniform' bias_initializer='zeros'",
    layers.DepthwiseConv1D: "kernel_size strides=1 padding='valid' depth_multiplier=1 data_format=None "
    "dilation_rate=1 activation=None use_bias=True depthwise_initializer='glorot_uniform' bias_initializer='zeros'",
    layers.SeparableConv1D: "filters kernel_size strides=1 padding='valid' data_format=None dilation_rate=1 "
    "depth_multiplier=1 activation=None use_bias=True depthwise_initializer='glorot_uniform' "
    "pointwise_initializer='glorot_uniform' bias_initializer='zeros'",
    layers.MaxPooling1D: "pool_size=2 strides=None padding='valid' data_format=None",
    layers.AveragePooling1D: "pool_size=2 strides=None padding='valid' data_format=None",
    layers.GlobalMaxPooling1D: "data_format=None keepdims=False",
    layers.GlobalAveragePooling1D: "data_format=None keepdims=False",
    layers.ZeroPadding1D: "padding=1 data_format=None",
    layers.UpSampling1D: "size=2",
    layers.Cropping1D: "cropping=(1,1)",
    layers.SpatialDropout1D: "rate seed=None",
    layers.Conv2DTranspose: "filters kernel_size strides=(1,1) padding='valid' output_padding=None data_format=None "
    "dilation_rate=(1,1) activation=None use_bias=True kernel_initializer='glorot_uniform' bias_initializer='zeros'",
}


@pytest.mark.parametrize("cls", SIGNATURES, ids=lambda c: c.__name__)
def test_arguments_are_keras_s(cls):
    given = [p for p in inspect.signature(cls).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    text = " ".join(
        p.name if p.default is p.empty else f"{p.name}={str(p.default).replace(', ', ',')!s}" for p in given
    ).replace("'", "")
    assert text == SIGNATURES[cls].replace("'", "")


def test_defaults_in_action(oracle):
    conv = attached(layers.Conv2D(64, 5), oracle, (9, 9, 32))
    limit = np.sqrt(6 / (25 * 32 + 25 * 64))
    assert 0.99 * limit < np.abs(conv.kernel.numpy()).max() < limit
    assert not conv.bias.numpy().any()
    pool = layers.MaxPooling2D(3)
    assert (pool.pool_size, pool.strides, pool.padding) == ((3, 3), (3, 3), "valid")
    prelu = attached(layers.PReLU(), oracle, (3,))
    assert not prelu.alpha.numpy().any()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("Conv2D", "conv2d"), ("BatchNormalization", "batch_normalization"), ("MaxPooling2D", "max_pooling2d"),
     ("PReLU", "p_re_lu"), ("LeakyReLU", "leaky_re_lu"), ("ReLU", "re_lu"), ("ELU", "elu"), ("Dense", "dense"),
     ("GlobalAveragePooling2D", "global_average_pooling2d"), ("ZeroPadding2D", "zero_padding2d"),
     ("InputLayer", "input_layer"), ("AveragePooling2D", "average_pooling2d"),
     ("SpatialDropout2D", "spatial_dropout2d"), ("AlphaDropout", "alpha_dropout")],
)  # fmt: skip
def test_snake_case_is_keras_s(kind, name):
    assert snake_case(kind) == name


def test_auto_names_count(monkeypatch):
    import collections
    import itertools

    monkeypatch.setattr("minicnn.naming.counts", collections.defaultdict(itertools.count))
    names = [
        layer.name
        for layer in (
            layers.Dense(1),
            layers.Conv2D(1, 1),
            layers.Dense(1),
            layers.Dense(1, name="mine"),
            layers.Dense(1),
        )
    ]
    assert names == ["dense", "conv2d", "dense_1", "mine", "dense_2"]


def test_aliases():
    assert layers.MaxPool2D is layers.MaxPooling2D
    assert layers.AvgPool2D is layers.AveragePooling2D
    assert layers.GlobalAvgPool2D is layers.GlobalAveragePooling2D
    assert layers.GlobalMaxPool2D is layers.GlobalMaxPooling2D
    assert layers.Convolution2D is layers.Conv2D
    assert isinstance(layers.Input((3,)).call.layer, layers.InputLayer)
    assert layers.Input(batch_shape=(None, 3)).shape == (None, 3)


def test_old_spellings(notes):
    assert layers.Conv2D(1, 1, padding="Same").padding == "same"
    layers.MaxPooling2D(padding="SAME")
    assert layers.LeakyReLU(alpha=0.1).negative_slope == 0.1
    layers.Conv2D(1, 1, padding="Same")  # said once
    assert layers.Dense(3, input_dim=7).sample_in == (7,)
    assert notes() == [
        'padding="Same" is read as "same"', 'padding="SAME" is read as "same"', "LeakyReLU(alpha=...) is read as negative_slope=",
    ]  # fmt: skip


# single layers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["oracle", "fast"])
def test_batch_norm_moves_its_averages(request, which):
    """Keras's numbers for x = 0..7 as (4, 2), momentum .99."""
    layer = attached(layers.BatchNormalization(), request.getfixturevalue(which), (2,))
    x = Tensor(np.arange(8.0).reshape(4, 2), layer.be)
    y = layer(x, training=True).numpy()
    np.testing.assert_allclose(y[:, 0], [-1.3415067, -0.4471689, 0.4471689, 1.3415067], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_mean.numpy(), [0.03, 0.04], rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), [1.04, 1.04], rtol=1e-6)
    np.testing.assert_allclose(layer(x).numpy()[0], np.array([-0.03, 1 - 0.04]) / np.sqrt(1.041), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), [0.03, 0.04], rtol=1e-6)  # inference moves nothing
    assert [w.path.split("/")[1] for w in layer.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [w.trainable for w in layer.weights] == [True, True, False, False]


def test_frozen_batch_norm_uses_its_averages(oracle, rng):
    layer = attached(layers.BatchNormalization(), oracle, (2,))
    layer.call(Tensor(rng.standard_normal((9, 2)), oracle), training=True)  # leaves statistics that nobody takes over
    layer.trainable = False
    x = rng.standard_normal((9, 2)) + 5
    np.testing.assert_allclose(layer(Tensor(x, oracle), training=True).numpy(), x / np.sqrt(1.001), rtol=1e-12)
    assert layer.moving_mean.numpy().tolist() == [0, 0]


@pytest.mark.parametrize("axis", [-1, [1, -1]])
def test_layer_norm_by_its_formula(oracle, rng, axis):
    x = 3 * rng.standard_normal((4, 5, 6, 2)) + 1
    axes = (3,) if axis == -1 else (1, 3)
    layer = attached(layers.LayerNormalization(axis, epsilon=0.01), oracle, x.shape[1:])
    gamma, beta = (rng.standard_normal(w.shape) for w in layer.weights)
    layer.set_weights([gamma, beta])
    shape = [n if i in axes else 1 for i, n in enumerate(x.shape)]
    mean, var = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    expected = gamma.reshape(shape) * (x - mean) / np.sqrt(var + 0.01) + beta.reshape(shape)
    np.testing.assert_allclose(layer(Tensor(x, oracle)).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("groups", "axis"), [(3, -1), (1, -1), (-1, -1), (2, 1)])
def test_group_norm_by_its_formula(oracle, rng, groups, axis):
    """Group by group, written out."""
    x = 3 * rng.standard_normal((4, 4, 5, 6)) + 1
    layer = attached(layers.GroupNormalization(groups, axis, epsilon=0.01), oracle, x.shape[1:])
    gamma, beta = (rng.standard_normal(w.shape) for w in layer.weights)
    layer.set_weights([gamma, beta])
    last = np.moveaxis(x, axis, -1)
    expected = np.empty_like(last)
    size = last.shape[-1] // (last.shape[-1] if groups == -1 else groups)
    for start in range(0, last.shape[-1], size):
        group = last[..., start : start + size]
        mean, var = (f(group, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.var))
        expected[..., start : start + size] = (group - mean) / np.sqrt(var + 0.01)
    expected = np.moveaxis(expected * gamma + beta, -1, axis)
    np.testing.assert_allclose(layer(Tensor(x, oracle)).numpy(), expected, rtol=1e-10, atol=1e-12)


def test_unit_norm_by_its_formula(oracle, rng):
    x = rng.standard_normal((3, 4, 2))
    x[1, 2] = 0
    y = attached(layers.UnitNormalization(), oracle, x.shape[1:])(Tensor(x, oracle)).numpy()
    assert not y[1, 2].any()
    y[1, 2] = x[1, 2] = 1
    np.testing.assert_allclose(np.linalg.norm(y[:, :], axis=-1)[[0, 2]], 1, rtol=1e-12)
    np.testing.assert_allclose(y[0], x[0] / np.linalg.norm(x[0], axis=-1, keepdims=True), rtol=1e-12)


def test_dropout_trains_and_rests(oracle):
    layer = attached(layers.Dropout(0.5), oracle, (1000,))
    x = Tensor(np.ones((1, 1000)), oracle)
    assert layer(x).numpy().all()
    a, b = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    np.testing.assert_array_equal(a, b)  # a function of seed, step and layer
    assert set(np.unique(a)) == {0, 2}
    assert 400 < (a == 0).sum() < 600
    layer.streams.step += 1
    assert (layer(x, training=True).numpy() != a).any()
    layer.streams.step, layer.index = 0, 1
    assert (layer(x, training=True).numpy() != a).any()
    own = [attached(layers.Dropout(0.5, seed=9), oracle, (1000,), seed=s)(x, training=True).numpy() for s in (1, 2)]
    np.testing.assert_array_equal(*own)
    assert attached(layers.Dropout(0), oracle, (3,)).call(x, training=True) is x


NOISE = [layers.Dropout, layers.SpatialDropout2D, layers.AlphaDropout, layers.GaussianDropout]


@pytest.mark.parametrize("which", ["oracle", "fast"])
@pytest.mark.parametrize("kind", NOISE)
def test_noise_is_a_function_of_seed_step_and_layer(request, kind, which):
    be, shape = request.getfixturevalue(which), (8, 9, 7)
    x = Tensor(np.ones((5, *shape)), be)

    def drawn(*, seed=1, own=None, step=0, index=0):
        layer = attached(kind(0.5, seed=own), be, shape, seed=seed)
        layer.streams.step, layer.index = step, index
        assert layer.call(x, training=False) is x
        return layer(x, training=True).numpy()

    first = drawn()
    np.testing.assert_array_equal(first, drawn())
    for other in ({"seed": 2}, {"step": 1}, {"index": 1}, {"own": 9}):
        assert (drawn(**other) != first).any(), other
    np.testing.assert_array_equal(drawn(own=9), drawn(own=9, seed=2))
    assert attached(kind(0), be, shape).call(x, training=True) is x


def test_alpha_dropout_keeps_selu_s_mean_and_variance(fast, rng):
    """Five layers of SELU and lecun_normal: with AlphaDropout outputs stay near N(0, 1), with Dropout they do not."""

    def after(kind):
        y = Tensor(rng.standard_normal((500, 200)), fast)
        for index in range(5):
            dense = layers.Dense(200, activation="selu", kernel_initializer="lecun_normal")
            noise = kind(0.3, seed=index)
            y = attached(noise, fast, (200,))(attached(dense, fast, (200,), seed=index)(y), training=True)
        return y.numpy().mean(), y.numpy().var()

    mean, variance = after(layers.AlphaDropout)
    assert abs(mean) < 0.1
    assert abs(variance - 1) < 0.2
    assert after(layers.Dropout)[1] > 2


def test_prelu_shares_along_axes(oracle):
    layer = attached(layers.PReLU("ones", shared_axes=1), oracle, (2, 3, 4))
    assert layer.alpha.shape == (1, 3, 4)
    layer.alpha.assign(np.arange(12.0).reshape(1, 3, 4))
    y = layer(Tensor(-np.ones((1, 2, 3, 4)), oracle)).numpy()
    np.testing.assert_array_equal(y, -np.broadcast_to(np.arange(12.0).reshape(3, 4), (1, 2, 3, 4)))


def test_layers_build_themselves_on_first_call(rng):
    layer = layers.Dense(3)
    y = layer(Tensor(rng.standard_normal((2, 4)).astype(np.float32)))
    assert y.shape == (2, 3)
    assert layer.kernel.shape == (4, 3)
    np.testing.assert_array_equal(layer(np.ones((2, 4))).numpy(), layer(Tensor(np.ones((2, 4), np.float32))).numpy())
    total = layers.Add(name="sum")([np.ones((2, 4)), np.full((2, 4), 2)])
    np.testing.assert_array_equal(total.numpy(), np.full((2, 4), 3))
    with pytest.raises(errors.ArgumentTypeError, match="inputs: expected a Tensor or an array of numbers, received 'images'"):
        layer("images")


def test_own_functions_as_activation_and_initializer(oracle):
    layer = layers.Dense(2, activation=lambda x: x * 3, kernel_initializer=lambda shape, rng: np.ones(shape),
                         bias_initializer=initializers.Constant(2))  # fmt: skip
    attached(layer, oracle, (4,))
    assert layer(Tensor(np.ones((1, 4)), oracle)).numpy().tolist() == [[18, 18]]


def test_set_weights_checks_all_before_any(oracle):
    layer = attached(layers.Dense(2, name="d"), oracle, (3,))
    before = layer.get_weights()
    with pytest.raises(
        errors.WeightsError, match=r"^d: values of d/bias: expected weights of shape \(2,\), received \(3,\)$"
    ):
        layer.set_weights([np.ones((3, 2)), np.ones(3)])
    with pytest.raises(errors.WeightsError, match=r"^d: values: expected 2 weight arrays, received 1$"):
        layer.set_weights([np.ones((3, 2))])
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])
    layer.set_weights([[[1, 2], [3, 4], [5, 6]], [7, 8]])  # lists do
    assert layer.get_weights()[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    layer.get_weights()[0][...] = 0  # a copy
    assert layer.kernel.numpy()[0, 0] == 1


# errors ---------------------------------------------------------------------------------------------------------------

L = layers
WHOLE = "a whole number of at least 1"
NOISE = "a tuple of whole numbers of at least 1 or None, one for each axis of a batch"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: L.Conv2D(0, 3), ValueError, f"Conv2D: filters: expected {WHOLE}, received 0"),
        (lambda: L.Conv2D(2.5, 3), ValueError, f"Conv2D: filters: expected {WHOLE}, received 2.5"),
        (lambda: L.Conv2D(True, 3), ValueError, f"Conv2D: filters: expected {WHOLE}, received True"),
        (lambda: L.Conv2D(1, (3, 0)), ValueError, f"Conv2D: kernel_size: expected {WHOLE}, or two of them, received (3, 0)"),
        (lambda: L.Conv2D(1, (3, 3, 3)), ValueError, "Conv2D: kernel_size: expected a whole number of at least 1, or two of them, received (3, 3, 3)"),
        (lambda: L.Conv2D(1, 3, 0), ValueError, f"Conv2D: strides: expected {WHOLE}, received 0"),
        (lambda: L.Conv2D(1, 3, padding="full"), ValueError, """Conv2D: padding: expected "valid" or "same", received 'full'"""),
        (lambda: L.Conv2D(1, 3, data_format="first"), ValueError, """Conv2D: data_format: expected "channels_last" or "channels_first", received 'first'"""),
        (lambda: L.Conv2D(1, 3, 2, dilation_rate=2), ValueError, "Conv2D: dilation_rate: expected 1 where strides are more than 1, received (2, 2); use strides=1"),
        (lambda: L.Conv2D(1, 3, groups=2), ValueError, "Conv2D: groups: expected a divisor of the 1 filters, received 2"),
        (lambda: L.Flatten(kernel_regularizer="l2"), TypeError, "Flatten: expected arguments of the layer, received 'kernel_regularizer'"),
        (lambda: L.Conv2D(1, 3, kernel_regularizer="l3"), ValueError, "Conv2D: kernel_regularizer: expected one of l1, l2, l1_l2, l1l2, orthogonal_regularizer, orthogonal, received 'l3'"),
        (lambda: L.Dense(-1), ValueError, f"Dense: units: expected {WHOLE}, received -1"),
        (lambda: L.Dense(1, name=3), ValueError, "Dense: name: expected a string that is not empty, or None, received 3"),
        (lambda: L.Dense(1, input_shape=(28, 0)), ValueError, "Dense: input_shape: expected a tuple of whole numbers of at least 1, received (28, 0)"),
        (lambda: L.Dense(1, input_shape=28), ValueError, "Dense: input_shape: expected a tuple of whole numbers of at least 1, received 28"),
        (lambda: L.Input(), ValueError, "Input: shape: expected whole numbers (H, W, C), received None"),
        (lambda: L.Input(784), ValueError, "Input: shape: expected a tuple of whole numbers of at least 1, received 784"),
        (lambda: L.Dropout(1.5), ValueError, "Dropout: rate: expected a number from 0 to 1, received 1.5"),
        (lambda: L.Dropout("x"), ValueError, "Dropout: rate: expected a number from 0 to 1, received 'x'"),
        (lambda: L.Dropout(0.5, seed=-1), ValueError, "Dropout: seed: expected a whole number from 0 to 2^64 - 1, or None, received -1"),
        (lambda: L.Dropout(0.5, noise_shape=(1, 0)), ValueError, f"Dropout: noise_shape: expected {NOISE}, received (1, 0)"),
        (lambda: L.AlphaDropout(0.5, 3), TypeError, f"AlphaDropout: noise_shape: expected {NOISE}, received 3"),
        (lambda: L.AlphaDropout(1), ValueError, "AlphaDropout: rate: expected a number from 0 to below 1, received 1"),
        (lambda: L.GaussianDropout(1.0), ValueError, "GaussianDropout: rate: expected a number from 0 to below 1, received 1.0"),
        (lambda: L.SpatialDropout2D(-1), ValueError, "SpatialDropout2D: rate: expected a number from 0 to 1, received -1"),
        (lambda: L.SpatialDropout2D(0.5, "first"), ValueError, """SpatialDropout2D: data_format: expected "channels_last" or "channels_first", received 'first'"""),
        (lambda: L.BatchNormalization(axis=0), ValueError, "BatchNormalization: axis: expected one axis other than the batch's, received 0"),
        (lambda: L.BatchNormalization(momentum=2), ValueError, "BatchNormalization: momentum: expected a number from 0 to 1, received 2"),
        (lambda: L.BatchNormalization(epsilon=0), ValueError, "BatchNormalization: epsilon: expected a finite number above 0, received 0"),
        (lambda: L.ZeroPadding2D(-1), ValueError, "ZeroPadding2D: padding: expected whole numbers of at least 0, received -1"),
        (lambda: L.PReLU(alpha_constraint="x"), ValueError, "PReLU: alpha_constraint: expected one of max_norm, maxnorm, non_neg, nonneg, unit_norm, unitnorm, min_max_norm, received 'x'"),
        (lambda: L.ReLU(negative_slope=-1), ValueError, "ReLU: negative_slope: expected a finite number of at least 0, received -1"),
        (lambda: L.LeakyReLU(-1), ValueError, "LeakyReLU: negative_slope: expected a finite number of at least 0, received -1"),
        (lambda: L.Softmax(axis=0), ValueError, "Softmax: axis: expected an axis of samples, -1 the last, or several, received 0"),
    ],
)  # fmt: skip
def test_constructor_errors(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
    assert isinstance(caught.value, errors.MinicnnError)


def test_unknown_activation_suggests_the_nearest():
    with pytest.raises(
        errors.ArgumentError,
        match=r"""^Dense: activation: expected one of celu, .*, received 'rellu'; did you mean "relu"\?$""",
    ):
        L.Dense(1, activation="rellu")
    with pytest.raises(errors.ArgumentError, match=r"received 'glorot'"):
        L.Dense(1, kernel_initializer="glorot")


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (L.Conv2D(1, 3, name="c"), (784,), "c: expected images of shape (H, W, C), received (784,); reshape the data, e.g. x.reshape(-1, 28, 28, 1)"),
        (L.Conv2D(1, 3, name="c"), (2, 2, 1), 'c: expected an image of at least the window\'s 3 x 3 px, received 2 x 2 px; use padding="same" or a smaller window'),
        (L.MaxPooling2D(3, name="p"), (2, 5, 1), 'p: expected an image of at least the window\'s 3 x 3 px, received 2 x 5 px; use padding="same" or a smaller window'),
        (L.SpatialDropout2D(0.5, name="s"), (784,), "s: expected images of shape (H, W, C), received (784,); reshape the data, e.g. x.reshape(-1, 28, 28, 1)"),
        (L.BatchNormalization(axis=4, name="b"), (2, 2, 1), "b: axis: expected an axis of 4-dimensional data, received 4"),
        (L.PReLU(shared_axes=[4], name="a"), (2, 2, 1),
         "a: shared_axes: expected axes from 1 to 3, or from -2 to -1, received (4,)"),
        (L.Reshape((7,), name="r"), (2, 2), "r: expected a shape of 4 elements, received (7,)"),
        (L.Dense(1, name="d"), (), "d: expected samples of at least one axis, received ()"),
    ],
)  # fmt: skip
def test_build_errors_leave_the_layer_unbuilt(oracle, layer, shape, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared)
        attached(layer, oracle, shape)
    assert str(caught.value) == message
    assert not layer.built
    assert layer.sample_in is None
