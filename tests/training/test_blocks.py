"""Which layers make a block, and that a training step through blocks is one through their layers one by one."""

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, layers, recipes
from minicnn.backend.cpu import CPU
from minicnn.training import blocks

RELU, LINEAR = {"activation": "relu"}, {}


def conv(**kwargs):
    return layers.Conv2D(3, 3, padding="same", **kwargs)


def sizes(*stack):
    """How many layers each step of a training pass takes."""
    model = minicnn.Sequential([minicnn.Input((8, 8, 2)), *stack], seed=1, kernels="numpy_ref")
    owners = (getattr(step, "__self__", None) for step in blocks.steps(model.layers, True))
    merged = blocks.Block, blocks.DenseRelu
    return [len(owner.layers) if isinstance(owner, merged) else 1 for owner in owners]


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ([conv(**RELU), layers.BatchNormalization(), layers.MaxPool2D(), layers.Dropout(0.2)], [4]),
        ([conv(), layers.Activation("relu"), layers.MaxPool2D(), layers.Flatten()], [3, 1]),
        ([conv(**RELU), layers.BatchNormalization(), conv(**RELU), layers.BatchNormalization(axis=3)], [2, 2]),
        ([conv(), layers.Activation("relu"), layers.Dropout(0.2)], [2, 1]),
        ([conv(**RELU), layers.Dropout(0.2)], [1, 1]),  # nothing to merge
        ([conv(**RELU), layers.BatchNormalization(), layers.Dropout(0.2)], [2, 1]),  # dropout follows a pool
        ([conv(**RELU), layers.MaxPool2D(), layers.Dropout(1.0)], [2, 1]),  # 1 / (1 - rate) is no number
        ([conv(**RELU), layers.BatchNormalization(axis=1), layers.MaxPool2D(), layers.Dropout(0.2)], [4]),
        ([conv(), layers.Activation("relu"), layers.BatchNormalization(axis=-3), layers.MaxPool2D(3)], [4]),
        ([conv(**RELU), layers.BatchNormalization(axis=1), conv(**RELU)], [1, 1, 1]),  # along the rows, no pool
        ([conv(**RELU), layers.BatchNormalization(axis=1, trainable=False), layers.MaxPool2D()], [1, 1, 1]),
        ([conv(**RELU), layers.BatchNormalization(axis=2), layers.MaxPool2D()], [1, 1, 1]),
        ([conv(**RELU), layers.BatchNormalization(trainable=False), layers.MaxPool2D()], [1, 1, 1]),
        ([conv(activation="elu"), layers.BatchNormalization(), layers.MaxPool2D()], [1, 1, 1]),
        ([conv(), layers.BatchNormalization(), layers.Activation("relu"), layers.MaxPool2D()], [1, 1, 1, 1]),
        ([conv(**RELU), layers.AveragePooling2D()], [1, 1]),
        ([layers.ZeroPadding2D(1), conv(**RELU), layers.MaxPool2D()], [3]),
        ([layers.ZeroPadding2D(1), conv(), layers.Activation("relu"), layers.Dropout(0.2)], [3, 1]),
        ([layers.ZeroPadding2D(1), conv(activation="elu")], [1, 1]),
        ([layers.ZeroPadding2D(1), layers.ZeroPadding2D(2), conv(**RELU)], [1, 2]),
        ([layers.ZeroPadding2D(1), layers.MaxPool2D(), conv(**RELU)], [1, 1, 1]),
        ([layers.Dense(3), layers.Activation("relu"), layers.Dense(2, activation="relu")], [2, 1]),
        ([layers.Dense(3), layers.Activation("elu"), layers.Dense(3), layers.Dropout(0.5)], [1, 1, 1, 1]),
    ],
)  # fmt: skip
def test_which_layers_make_a_block(stack, expected):
    assert sizes(*stack) == expected


def test_a_subclass_and_a_replaced_call_stay_by_themselves():
    class Mine(layers.Conv2D):
        pass

    assert sizes(Mine(3, 3, **RELU), layers.MaxPool2D()) == [1, 1]
    pool = layers.MaxPool2D()
    pool.call = lambda x, *, training: x
    assert sizes(conv(**RELU), pool) == [1, 1]


def gradients(model, x, t, forward, of_x):
    """The outputs, the loss's gradients of x (if `of_x`) and of all weights; and the statistics of batch norms."""
    x = Tensor(x, model.backend, requires_grad=of_x)
    y = forward(x)
    model.loss.reduce(model.loss.values(t, y, logits=model.fused), None).backward()
    found = [y.numpy(), *([x.grad] if of_x else []), *(p.grad for p in model.trainable_weights)]
    for p in model.trainable_weights:
        p.grad = None
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    return found, [np.array(layer.batch_stats) for layer in norms]


@pytest.mark.parametrize(("kernels", "bound"), [("numpy_ref", 1e-12), ("numba_cpu", 3e-4)])
@pytest.mark.parametrize("of_x", [True, False])  # a first layer's input asks for no gradient
@pytest.mark.parametrize("name", recipes.BY_NAME)
def test_a_block_is_its_layers(rng, name, of_x, kernels, bound):
    """float32: four images leave variances near 0, where batch norm makes a rounding two hundred times larger."""
    recipe = recipes.BY_NAME[name]
    dtype = "float64" if kernels == "numpy_ref" else "float32"
    model = recipe.build(minicnn, seed=3, device=CPU(kernels, dtype))
    model.compile("adam", "categorical_crossentropy")
    x, t = rng.random((4, 28, 28, 1)), np.eye(10)[rng.integers(0, 10, 4)]

    def one_by_one(x):
        *body, last = model.layers
        for layer in body:
            x = layer.call(x, training=True)
        return last.preactivation(x, training=True) if model.fused else last.call(x, training=True)

    expected = gradients(model, x, t, one_by_one, of_x)
    found = gradients(model, x, t, lambda x: model.forward(x, training=True, logits=model.fused), of_x)
    for kind in (0, 1):
        for a, b in zip(found[kind], expected[kind], strict=True):
            assert np.linalg.norm(a - b) <= bound * np.linalg.norm(b)


@pytest.mark.parametrize("trainable", [True, False])
def test_a_frozen_first_convolution_costs_no_weight_gradient(rng, monkeypatch, trainable):
    model = minicnn.Sequential(
        [minicnn.Input((8, 8, 2)), conv(**RELU), layers.BatchNormalization(), layers.MaxPool2D(), layers.Flatten(),
         layers.Dense(3, activation="softmax")], seed=1, kernels="numpy_ref")  # fmt: skip
    model.layers[0].trainable = trainable
    model.compile("sgd", "categorical_crossentropy")
    called = []
    for name in ("conv2d_weight_grad", "batch_norm_conv2d_weight_grad"):
        kernel = getattr(model.backend, name)
        counted = lambda *a, _k=kernel, _n=name, **k: (called.append(_n), _k(*a, **k))[1]  # noqa: E731
        monkeypatch.setattr(model.backend, name, counted)
    model.train_on_batch(rng.random((4, 8, 8, 2)), np.eye(3)[[0, 1, 2, 0]])
    assert called == ["batch_norm_conv2d_weight_grad"] * trainable


@pytest.mark.parametrize("axis", [-1, 1])
def test_statistics_reach_the_moving_averages(rng, axis):
    model = minicnn.Sequential(
        [minicnn.Input((8, 8, 2)), conv(**RELU), layers.BatchNormalization(axis=axis), layers.MaxPool2D(),
         layers.Flatten(), layers.Dense(3, activation="softmax")], seed=1, kernels="numpy_ref")  # fmt: skip
    model.compile("sgd", "categorical_crossentropy")
    x, before = rng.random((5, 8, 8, 2)), model.layers[1].moving_mean.numpy().copy()
    z = model.layers[0].call(Tensor(x, model.backend), training=True).numpy()
    model.train_on_batch(x, np.eye(3)[[0, 1, 2, 0, 1]])
    mean = z.mean(axis=(0, 1, 2) if axis == -1 else (0, 2, 3))
    np.testing.assert_allclose(model.layers[1].moving_mean.numpy(), 0.99 * before + 0.01 * mean, rtol=1e-5)
