"""Regularizers and constraints: formulas, gradients, what they do to loss and weights, and their way into files."""

import numpy as np
import pytest

from minicnn import Tensor, check_grad, constraints, layers, load_model, regularizers
from minicnn.backend.cpu import CPU
from minicnn.errors import MinicnnError
from minicnn.ops import arithmetic as A
from minicnn.training.sequential import Sequential
from tests.cuda.emulation import EmulatedGPU

R, C = regularizers, constraints
REFERENCE = CPU("numpy_ref", "float64")
W = np.array([[0.5, -1.5, 0.25], [2.0, 0.1, -0.7]])


def cosines(w):
    u = w / np.linalg.norm(w, axis=1, keepdims=True)
    products = np.abs(u @ u.T)
    return (products.sum() - np.trace(products)) / 2 / (len(w) * (len(w) - 1) / 2)


@pytest.mark.parametrize(
    ("regularizer", "expected"),
    [
        (R.L1(), 0.01 * np.abs(W).sum()), (R.l1(0.3), 0.3 * np.abs(W).sum()), (R.L2(), 0.01 * (W**2).sum()),
        (R.l2(0.1), 0.1 * (W**2).sum()), (R.L1L2(0.1, 0.2), 0.1 * np.abs(W).sum() + 0.2 * (W**2).sum()),
        (R.l1_l2(l2=0.2), 0.2 * (W**2).sum()), (R.get("l1_l2"), 0.0), (R.get("L2"), 0.01 * (W**2).sum()),
        (R.OrthogonalRegularizer(0.5), 0.5 * cosines(W)),
        (R.OrthogonalRegularizer(0.5, mode="columns"), 0.5 * cosines(W.T)),
    ],
)  # fmt: skip
def test_penalties(rng, regularizer, expected):
    assert float(regularizer(Tensor(W)).numpy()) == pytest.approx(expected, rel=1e-9)
    check_grad(lambda w: regularizer(w), [W], rng=rng)


def norms(w, axis):
    return np.sqrt((w * w).sum(axis=axis, keepdims=True))


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (C.MaxNorm(1.2), W * np.minimum(norms(W, 0), 1.2) / norms(W, 0)),
        (C.MaxNorm(1.0, axis=1), W * np.minimum(norms(W, 1), 1) / norms(W, 1)), (C.get("non_neg"), np.maximum(W, 0)),
        (C.UnitNorm(), W / norms(W, 0)), (C.UnitNorm(axis=[0, 1]), W / norms(W, (0, 1))),
        (C.MinMaxNorm(1.0, 1.6), W * np.clip(norms(W, 0), 1, 1.6) / norms(W, 0)),
        (C.MinMaxNorm(0.5, 1.0, rate=0.4, axis=1), W * (0.4 * np.clip(norms(W, 1), 0.5, 1) / norms(W, 1) + 0.6)),
    ],
)  # fmt: skip
def test_restraints(constraint, expected):
    np.testing.assert_allclose(constraint(Tensor(W)).numpy(), expected, rtol=1e-6)


def mine(w):
    return A.total(A.absolute(w) * w * w) * 0.1


def network(device=REFERENCE):
    return Sequential(
        [
            layers.Input((6, 6, 2)),
            layers.Conv2D(3, 3, activation="relu", kernel_regularizer="l2", bias_regularizer=R.L1(0.1),
                          activity_regularizer=R.L2(0.03)),
            layers.BatchNormalization(gamma_regularizer="l1", beta_constraint="non_neg"),
            layers.DepthwiseConv2D(2, depthwise_regularizer=mine, depthwise_constraint=C.MaxNorm(0.4, axis=[0, 1])),
            layers.SeparableConv2D(3, 2, pointwise_regularizer=R.L1L2(0.01, 0.02)),
            layers.PReLU(alpha_regularizer=R.L1(0.2)),
            layers.Flatten(),
            layers.Dense(4, kernel_regularizer="l2", trainable=False),
            layers.Dense(3, activation="softmax", kernel_constraint=C.UnitNorm(), activity_regularizer="l1"),
        ],
        device=device, seed=1,
    )  # fmt: skip


def data(rng, n=8):
    return rng.standard_normal((n, 6, 6, 2)), np.eye(3)[np.arange(n) % 3]


def penalty(model, x):
    """Written out: every trainable weight's, and each output's over the number of images."""
    conv, norm, depth, separable, prelu, _, _, last = model.layers
    found = 0.01 * (conv.kernel.numpy() ** 2).sum() + 0.1 * np.abs(conv.bias.numpy()).sum()
    found += 0.01 * np.abs(norm.gamma.numpy()).sum() + 0.1 * (np.abs(depth.kernel.numpy()) ** 3).sum()
    point = separable.pointwise_kernel.numpy()
    found += 0.01 * np.abs(point).sum() + 0.02 * (point**2).sum() + 0.2 * np.abs(prelu.alpha.numpy()).sum()
    outputs = model.activations(x)
    return found + (0.03 * (outputs[conv.name] ** 2).sum() + 0.01 * np.abs(outputs[last.name]).sum()) / len(x)


def test_the_loss_of_evaluate(rng):
    model, (x, y) = network(), data(rng)
    model.compile("sgd", "categorical_crossentropy", metrics=["categorical_crossentropy"])
    loss, alone = model.evaluate(x, y, batch_size=8, verbose=0)
    assert loss == pytest.approx(alone + penalty(model, x), rel=1e-9)
    assert model.evaluate(x, y, batch_size=3, verbose=0)[0] == pytest.approx(loss, rel=1e-9)


def test_a_step(rng):
    """The loss of a step and its gradient, by differences of what the same step would report; then the constraints."""
    x, y = data(rng)

    def loss_at(kernel):
        model = network()
        model.layers[0].kernel.assign(kernel)
        model.compile("sgd", "categorical_crossentropy")
        return model.train_on_batch(x, y)

    model = network()
    model.compile("sgd", "categorical_crossentropy")
    before = model.layers[0].kernel.numpy().copy()
    direction = rng.standard_normal(before.shape)
    slope = (loss_at(before + 1e-6 * direction) - loss_at(before - 1e-6 * direction)) / 2e-6
    assert model.train_on_batch(x, y) == pytest.approx(loss_at(before))
    moved = (before - model.layers[0].kernel.numpy()) / 0.01
    assert (moved * direction).sum() == pytest.approx(slope, rel=1e-5)
    depth, last = model.layers[2].kernel.numpy(), model.layers[-1].kernel.numpy()
    assert np.sqrt((depth**2).sum((0, 1))).max() < 0.4 + 1e-6
    np.testing.assert_allclose(norms(last, 0), 1, rtol=1e-5)
    assert model.layers[1].beta.numpy().min() >= 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_on_the_emulated_gpu(rng):
    x, y = data(rng)
    found = []
    for device in (CPU("numpy_ref"), EmulatedGPU()):
        model = network(device)
        model.compile("adam", "categorical_crossentropy")
        losses = model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False).history["loss"]
        found.append((losses, model.evaluate(x, y, verbose=0), *model.get_weights()))
    for cpu, gpu in zip(*found, strict=True):
        np.testing.assert_allclose(gpu, cpu, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("suffix", ["minicnn", "keras", "h5"])
def test_files(tmp_path, rng, suffix):
    if suffix != "minicnn":
        pytest.importorskip("h5py")
    model, (x, y) = network(CPU("numpy_ref")), data(rng)
    model.layers[2].depthwise_regularizer = mine if suffix == "minicnn" else "l2"
    model.compile("sgd", "categorical_crossentropy")
    path = tmp_path / f"model.{suffix}"
    model.save(path)
    twin = load_model(path, custom_objects={"mine": mine}, kernels="numpy_ref")
    for ours, theirs in zip(model.layers, twin.layers, strict=True):
        assert ours.bounds().keys() == theirs.bounds().keys()
    assert twin.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)
    assert twin.train_on_batch(x, y) == pytest.approx(model.train_on_batch(x, y), rel=1e-6)


def test_set_later_and_taken_away(rng):
    model, (x, y) = network(), data(rng)
    model.compile("sgd", "categorical_crossentropy")
    first = model.evaluate(x, y, verbose=0)
    model.layers[0].activity_regularizer = None
    model.layers[0].kernel_regularizer = R.L2(1.0)
    kernel = model.layers[0].kernel.numpy()
    activity = 0.03 * (model.activations(x)[model.layers[0].name] ** 2).sum() / len(x)
    expected = first - activity + 0.99 * (kernel**2).sum()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-9)
    assert model.train_on_batch(x, y) > 0
    before = model.train_on_batch(x, y)
    model.layers[0].kernel_regularizer.l2 = 2.0  # noticed too
    assert model.train_on_batch(x, y) > before


@pytest.mark.parametrize(
    "make",
    [
        lambda: R.get("l3"), lambda: R.get(3), lambda: R.L1(-1), lambda: R.OrthogonalRegularizer(mode="x"),
        lambda: R.OrthogonalRegularizer()(Tensor(np.ones(3))), lambda: C.get("max"), lambda: C.MaxNorm("x"),
        lambda: C.MinMaxNorm(rate=2), lambda: C.UnitNorm(axis="x"), lambda: layers.Dense(3, kernel_constraint=3),
        lambda: layers.Dense(3, gamma_regularizer="l2"),
    ],
)  # fmt: skip
def test_errors(make):
    with pytest.raises(MinicnnError):
        make()


def test_the_traced_loss_is_the_step_s(rng):
    """What model.trace shows is what train_on_batch reports, with the penalties of weights and of outputs."""
    model, (x, y) = network(), data(rng)
    model.compile("sgd", "categorical_crossentropy")
    assert float(model.trace(x, y, training=True).loss) == pytest.approx(model.train_on_batch(x, y), rel=1e-9)
