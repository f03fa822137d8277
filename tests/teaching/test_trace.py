"""A trace's arrays are the engine's to the last bit; a cell's parts add up to its numbers, for every type of layer."""

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, errors, layers, teaching
from minicnn.backend.cpu import CPU
from minicnn.teaching.explain import steps_text
from tests.layers.test_layers import CASES

SETS = {"numpy_ref": "float64", "numba_cpu": "float32"}


def small(kernels="numpy_ref", seed=0):
    model = minicnn.Sequential([
        layers.Input((9, 8, 2)), layers.Conv2D(5, 3, padding="same", activation="relu", name="first"),
        layers.BatchNormalization(name="norm"), layers.MaxPooling2D(name="pool"), layers.Dropout(0.3, name="drop"),
        layers.Conv2D(3, 2, activation="tanh", name="second"), layers.Flatten(name="flat"),
        layers.Dense(3, activation="softmax", name="last"),
    ], seed=seed, device=CPU(kernels, SETS[kernels]))  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@pytest.fixture
def batch(rng):
    return rng.random((4, 9, 8, 2)), np.arange(4) % 3


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("training", [False, True])
def test_equal_to_the_tape_bit_for_bit(batch, kernels, training):
    model, (x, y) = small(kernels), batch
    trace = model.trace(x, y, training=training)
    t = Tensor(x, model.backend, requires_grad=True)
    z = model.forward(t, training=training, logits=True)
    loss = model.loss.reduce(model.loss.values(model.loss.prepare(y, (3,)), z, logits=True), None)
    loss.backward()
    np.testing.assert_array_equal(trace["loss"], loss.numpy())
    np.testing.assert_array_equal(trace["last/dense"], z.numpy())
    np.testing.assert_array_equal(trace.gradients["x"], t.grad)
    for p in model.trainable_weights:
        np.testing.assert_array_equal(trace.gradients[p.path], p.grad, err_msg=p.path)
        p.grad = None
    for name, gradient in trace.gradients.items():
        assert gradient.shape == trace[name].shape


@pytest.mark.parametrize("kernels", SETS)
def test_forward_is_activations_and_changes_nothing(batch, kernels):
    model, (x, y) = small(kernels), batch
    before = model.get_weights(), model.streams.step
    trace = model.trace(x[1], 2)
    for name, values in model.activations(x[1:2]).items():
        np.testing.assert_array_equal(trace[name], values)
    model.trace(x, y, training=True)
    for a, b in zip(before[0], model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.streams.step == before[1]
    assert all(p.grad is None for p in model.weights)


def test_one_layer_only(batch):
    model, (x, _) = small(), batch
    trace = model.trace(x[0], 1, layer="second")
    assert set(trace.values) == {"drop", "pool", "second", "second/conv2d", "second/kernel", "second/bias"}
    assert {step.op for step in trace.steps} == {"conv2d", "tanh"}
    np.testing.assert_array_equal(trace.gradients["second"], model.trace(x[0], 1).gradients["second"])


def test_errors_say_what_to_do(batch):
    model, (x, _) = small(), batch
    trace = model.trace(x[0])
    with pytest.raises(errors.ArgumentError, match="first"):
        trace.cell("frist", 0, 0, 0)
    with pytest.raises(errors.ArgumentError, match=r"3 numbers, for a shape of \(9, 8, 5\)"):
        trace.cell("first", 0, 0)
    with pytest.raises(errors.ArgumentError, match="from 0 to 8"):
        trace.cell("first", 9, 0, 0)
    with pytest.raises(errors.NotBuiltError, match="call trace"):
        trace.saliency()
    bare = minicnn.Sequential([layers.Input((4,)), layers.Dense(2)])
    with pytest.raises(errors.NotBuiltError, match="compile"):
        bare.trace(np.zeros(4), 1)


def around(cell):
    for term in cell.terms:
        assert abs(term.computed - term.value) <= term.bound, (cell.name, cell.index, term)
        if term.patch is not None:
            whole = float((term.patch.astype(np.float64) * term.kernel).sum()) + term.bias
            assert abs((max(whole, 0) if term.relu else whole) - term.value) <= term.bound
    if cell.gradient_computed is not None:
        assert abs(cell.gradient_computed - cell.gradient) <= cell.gradient_bound, (cell.name, cell.index)
    assert max(map(len, str(cell).splitlines())) <= 100


@pytest.mark.parametrize(("build", "shape", "out", "x", "weights"), CASES)
@pytest.mark.parametrize("training", [False, True])
def test_cells_of_every_layer(rng, build, shape, out, x, weights, training):
    """The layer between two others, so that its cells are read and its input's gradient comes through it."""
    layer = build()
    if isinstance(layer, layers.InputLayer):
        return
    first, last = layers.Lambda(lambda x: x * 1, name="before"), layers.Activation("tanh", name="after")
    model = minicnn.Sequential([layers.Input(shape), layers.Activation("linear", name="zeroth"), layer, last], seed=1,
                               device=CPU("numpy_ref", "float32"))  # fmt: skip
    assert first.name == "before"
    model.compile("sgd", "mean_squared_error")
    for p in model.weights:
        p.assign(p.numpy() + 0.1 * rng.standard_normal(p.shape))
    values = x(rng, shape)
    trace = model.trace(values, rng.standard_normal((3, *out)), training=training)
    for _ in range(4):
        at = [int(rng.integers(n)) for n in out]
        cell = trace.cell(layer, *at)
        around(cell)
        assert cell.value == trace[layer.name][(0, *at)]
        assert cell.gradient == trace.gradients[layer.name][(0, *at)]
        assert cell.gradient_computed is not None
        given = trace.cell("x", *(int(rng.integers(n)) for n in shape))
        around(given)
        assert given.gradient_computed is not None or isinstance(layer, layers.Lambda)


@pytest.mark.parametrize("kernels", SETS)
def test_cells_of_a_network(rng, batch, kernels):
    model, (x, y) = small(kernels), batch
    for training in (False, True):
        trace = model.trace(x, y, training=training)
        for name in ("x", "first", "norm", "pool", "second", "flat", "last", "last/dense"):
            around(trace.cell(name, *(int(rng.integers(n)) for n in trace[name].shape[1:])))


def test_a_convolution_by_hand():
    model = minicnn.Sequential([layers.Input((3, 3, 1)), layers.Conv2D(1, 2, activation="relu", name="conv")], seed=0)
    model.compile("sgd", "mean_squared_error")
    model.set_weights([np.array([[1.0, 2], [3, 4]]).reshape(2, 2, 1, 1), np.array([0.5])])
    trace = model.trace(np.arange(9.0).reshape(3, 3, 1), np.zeros((1, 2, 2, 1)))
    cell = trace.cell("conv", 0, 1, 0)  # window 1 2 / 4 5
    np.testing.assert_array_equal(cell.patch[:, :, 0], [[1, 2], [4, 5]])
    np.testing.assert_array_equal(cell.products[:, :, 0], [[1, 4], [12, 20]])
    assert (cell.bias, cell.value) == (0.5, 37.5)
    assert cell.gradient == pytest.approx(2 * 37.5 / 4)
    text = str(cell)
    assert "sum of 4 products = 37" in text
    assert "ReLU: max(37.5, 0) = 37.5" in text


def test_pictures(batch):
    model, (x, y) = small(), batch
    trace = model.trace(x[0], int(y[0]))
    assert trace.saliency().shape == (9, 8)
    np.testing.assert_array_equal(trace.saliency(), np.abs(trace.gradients["x"][0]).max(-1))
    cam, a, g = trace.grad_cam("second"), trace["second"][0], trace.gradients["second"][0]
    np.testing.assert_allclose(cam, np.maximum((a * -g.mean((0, 1))).sum(-1), 0))
    assert trace.filters("first").shape == (3, 3, 2, 5)
    layer = model.get_layer("first")
    layer.set_weights([layer.get_weights()[0] * 0, np.array([-1.0, 1, 1, -1, 1])])
    assert model.trace(x[0]).dead_units() == {"first": (2, 5)}


def test_the_receptive_field_is_what_moves_the_cell(rng, batch):
    """Pixels outside leave the cell as it is, pixels inside move it (average pooling: no pixel loses)."""
    model = minicnn.Sequential([
        layers.Input((11, 12, 1)), layers.ZeroPadding2D(1), layers.Conv2D(2, 3, 2, "same"), layers.AveragePooling2D(2),
        layers.UpSampling2D(2), layers.Conv2D(2, 2, name="end"),
    ], seed=0, device=CPU("numpy_ref", "float64"))  # fmt: skip
    x = rng.random((1, 11, 12, 1))
    trace = model.trace(x)
    for at in ((0, 0, 1), (1, 2, 0), tuple(n - 1 for n in trace["end"].shape[1:])):
        rows, columns = trace.receptive_field("end", *at)
        moved = np.zeros((11, 12), bool)
        for i, j in np.ndindex(11, 12):
            other = x.copy()
            other[0, i, j] += 1
            moved[i, j] = model.activations(other)["end"][(0, *at)] != trace["end"][(0, *at)]
        inside = np.zeros_like(moved)
        inside[rows, columns] = True
        np.testing.assert_array_equal(moved, inside)


def residual():
    image = layers.Input((8, 8, 2))
    first = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    y = layers.Add()([shared(layers.ReLU()(shared(first))), first])
    y = layers.GlobalAveragePooling2D()(layers.Concatenate()([y, image]))
    return minicnn.Model(image, layers.Dense(3, activation="softmax", name="last")(y), seed=1)


def nested():
    """A model as a layer, called twice."""
    inner = minicnn.Sequential([layers.Input((8, 8, 2)), layers.Conv2D(2, 3, padding="same", name="inside")], seed=1)
    image = layers.Input((8, 8, 2))
    y = layers.Flatten()(layers.Multiply()([inner(inner(image)), image]))
    return minicnn.Model(image, layers.Dense(1, activation="sigmoid", name="last")(y), seed=1)


@pytest.mark.parametrize(("build", "twice"), [(residual, "shared"), (nested, "inside")])
def test_graphs_with_layers_called_twice(rng, build, twice):
    model = build()
    model.compile("adam", "binary_crossentropy" if build is nested else "categorical_crossentropy")
    trace = model.trace(rng.random((8, 8, 2)), 1, training=True)
    assert {twice, f"{twice}/call_2"} < set(trace.values)
    for name, array in trace.values.items():
        if not name.endswith(("kernel", "bias")) and name in trace.gradients and array.ndim > 1:
            around(trace.cell(name, *(int(rng.integers(n)) for n in array.shape[1:])))
    checked = teaching.gradcheck(model)
    assert checked.ok, checked.culprits


def test_a_screen_a_layer(batch):
    model, (x, y) = small(), batch
    screens = steps_text(model.trace(x[0], int(y[0])))
    heads = [screen.splitlines()[0] for screen in screens]
    assert [head.split(None, 1)[1] for head in heads] == [
        "first", "norm", "pool", "second", "flat", "last", "the loss", "last"]  # fmt: skip
    for screen in screens:
        assert max(map(len, screen.splitlines())) <= 100
        assert len(screen.splitlines()) <= 40
    assert "conv2d(x, first/kernel, first/bias) -> first" in screens[0]


def test_texts_fit(batch):
    model, (x, y) = small(), batch
    trace = model.trace(x[0], int(y[0]))
    assert max(map(len, str(trace).splitlines())) <= 100
    assert "<table>" in trace._repr_html_()
