"""A trace's arrays are the engine's to the last bit; a cell's parts add up to its numbers, for every type of layer."""

import inspect

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, errors, layers, teaching
from minicnn.backend.cpu import CPU
from minicnn.layers.operation import OPS
from minicnn.teaching.cell import AFFINE, LINEAR, POINTWISE
from minicnn.teaching.explain import steps_text
from tests.layers.test_layers import CASES

SETS = {"numpy_ref": "float64", "numba_cpu": "float32"}


MERGES = {
    "Add": lambda: layers.Add(), "Subtract": lambda: layers.Subtract(), "Multiply": lambda: layers.Multiply(),
    "Average": lambda: layers.Average(), "Maximum": lambda: layers.Maximum(), "Minimum": lambda: layers.Minimum(),
    "Concatenate": lambda: layers.Concatenate(), "Concatenate, rows": lambda: layers.Concatenate(axis=1),
    "Dot": lambda: layers.Dot(2), "Dot, normalized": lambda: layers.Dot((1, 1), normalize=True),
    "Lambda": lambda: layers.Lambda(lambda x: x[0] * x[1] - x[1]),
}


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
    like_the_tape(model, trace, [x], y, training)
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


def like_the_tape(model, trace, xs, y, training):
    """Outputs of every layer, the loss, and the gradients of inputs and weights, against the tape itself."""
    tensors = [Tensor(x, model.backend, requires_grad=True) for x in xs]
    logits = "crossentropy" in model.loss.name
    xs = tensors if len(tensors) > 1 else tensors[0]
    z, added = model.penalties(lambda: model.forward(xs, training=training, logits=logits))
    loss = model.loss.reduce(model.loss.values(model.loss.prepare(y, z.shape[1:]), z, logits=logits), None)
    loss = sum(added, loss)
    loss.backward()
    np.testing.assert_array_equal(trace["loss"], loss.numpy())
    for name, t in zip(trace.inputs, tensors, strict=True):
        np.testing.assert_array_equal(trace[name], t.numpy())
        assert (t.grad is None) == (name not in trace.gradients)
        if t.grad is not None:
            np.testing.assert_array_equal(trace.gradients[name], t.grad, err_msg=name)
    for layer in model.leaves:
        for p in layer.trainable_weights:
            name = f"{layer.name}/{p.path.rpartition('/')[2]}"
            np.testing.assert_array_equal(trace.gradients[name], p.grad, err_msg=name)
            p.grad = None


def takes_one_array(name):
    _, first, *more = inspect.signature(OPS[name].__wrapped__).parameters.values()
    return first.kind != first.VAR_POSITIONAL and not any(one.default is one.empty for one in more)


@pytest.mark.parametrize("name", sorted(filter(takes_one_array, set(OPS) - POINTWISE - AFFINE - LINEAR)))
def test_an_op_that_is_called_a_function_reads_more_than_its_own_cell(rng, name):
    """Of those that take one array and nothing else: what works cell by cell has its own cell as receptive field."""
    x = rng.uniform(0.2, 0.8, (3, 4))
    moved = x.copy()
    moved[1, 2] += 0.01
    y, z = (OPS[name].__wrapped__(CPU("numpy_ref", "float64"), one)[0] for one in (x, moved))
    assert y.shape != x.shape or np.argwhere(y != z).tolist() != [[1, 2]]


def test_no_layer_is_left_out():
    """Of those that minicnn.layers has: every one is traced below, alone or as the merge of two."""
    known = {one for one in vars(layers).values() if isinstance(one, type) and issubclass(one, layers.Layer)}
    traced = {type(case.values[0]()) for case in CASES} | {type(build()) for build in MERGES.values()}
    assert known - traced == {layers.Layer}


@pytest.mark.parametrize("build", MERGES.values(), ids=MERGES)
@pytest.mark.parametrize("shared", [False, True])
def test_cells_of_every_merge(rng, build, shared):
    """Of two inputs and what a layer makes of them: a layer of its own for each, or one that is called twice."""
    left, right = layers.Input((4, 3), name="left"), layers.Input((4, 3), name="right")
    first = layers.Dense(3, name="first")
    second = first if shared else layers.Dense(3, activation="tanh", name="second")
    layer = build()
    y = layer([first(left), second(right)])
    model = minicnn.Model([left, right], layers.Activation("tanh", name="after")(y), seed=1,
                          device=CPU("numpy_ref", "float32"))  # fmt: skip
    model.compile("sgd", "mean_squared_error")
    xs = [rng.standard_normal((3, 4, 3)).astype(np.float32) for _ in range(2)]
    y = rng.standard_normal((3, *model.samples_out[0])).astype(np.float32)
    trace = model.trace(xs, y)
    like_the_tape(model, trace, xs, y, training=False)
    calls = ("first", "first/call_2") if shared else ("first", "second")
    for name in (layer.name, *calls, "x/left", "x/right", "first/kernel", "first/bias"):
        alone = trace.slots[name] in trace.weights
        for _ in range(2):
            cell = trace.cell(name, *(int(rng.integers(n)) for n in trace[name].shape[not alone :]))
            around(cell)
            assert cell.value == trace[name][cell.index]
            assert cell.gradient == trace.gradients[name][cell.index]
            assert cell.gradient_computed is not None or isinstance(layer, layers.Lambda)


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
    values, y = x(rng, shape), rng.standard_normal((3, *out))
    trace = model.trace(values, y, training=training)
    like_the_tape(model, trace, [values], y, training)
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


def sequence():
    parts = [layers.Input((9, 2)), layers.Conv1D(3, 3, padding="same", name="conv"), layers.AveragePooling1D(2),
             layers.Conv1D(2, 2, name="end")]  # fmt: skip
    return parts


def first():
    return [layers.Input((2, 9, 8)), layers.Conv2D(3, 3, 2, data_format="channels_first"),
            layers.BatchNormalization(axis=1), layers.AveragePooling2D(2, data_format="channels_first", name="end")]


def without_channels():
    return [layers.Input((7, 6)), layers.Reshape((7, 6, 1)), layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.Permute((2, 1, 3)), layers.Flatten(name="end")]  # fmt: skip


def flat():
    return [layers.Input((36,)), layers.Reshape((6, 6, 1)), layers.Conv2D(2, 2, name="conv"), layers.Flatten(),
            layers.Dense(3, name="end")]  # fmt: skip


def side_by_side():
    image = layers.Input((6, 5, 2))
    left, right = layers.Conv2D(2, 3, padding="same")(image), layers.Conv2D(1, 1)(image)
    mean = layers.GlobalAveragePooling2D(keepdims=True)(right)
    return minicnn.Model(image, layers.Add(name="end")([layers.Concatenate()([left, right]), 0 * mean]))


@pytest.mark.parametrize(("build", "names"), [(sequence, ("conv", "end")), (first, ("end",)), (flat, ("conv", "end")),
                                              (without_channels, ("end",)), (side_by_side, ("concatenate",))])
def test_a_field_holds_what_moves_a_cell(rng, build, names):
    """Of sequences, of channels first, of images without channels, of vectors: it is the box of all that moves it."""
    minicnn.keras.backend.clear_session()
    oracle = CPU("numpy_ref", "float64")
    parts = build()
    model = minicnn.Sequential(parts, seed=0, device=oracle) if isinstance(parts, list) else parts
    for p in model.weights:
        p.assign(np.abs(p.numpy()) + 0.1)  # nothing cancels
    x = rng.random((1, *model.sample_in))
    trace = model.trace(x)
    for name in names:
        at = tuple(int(rng.integers(n)) for n in trace[name].shape[1:])
        moved = np.zeros(model.sample_in, bool)
        for place in np.ndindex(*model.sample_in):
            other = x.copy()
            other[(0, *place)] += 1
            moved[place] = abs(model.trace(other)[name][(0, *at)] - trace[name][(0, *at)]) > 1e-5
        if moved.ndim == 3:
            moved = moved.any(axis=0 if build is first else -1)
        places = np.argwhere(moved)
        box = tuple(slice(a, b + 1) for a, b in zip(places.min(0).tolist(), places.max(0).tolist(), strict=True))
        assert trace.receptive_field(name, *at) == box, (name, at)


def test_pictures_of_channels_first_are_those_of_channels_last(rng):
    one = minicnn.Sequential([
        layers.Input((2, 7, 6)), layers.Conv2D(4, 3, activation="relu", data_format="channels_first", name="conv"),
        layers.Flatten(data_format="channels_first"), layers.Dense(3)], seed=0)  # fmt: skip
    other = minicnn.Sequential([layers.Input((7, 6, 2)), layers.Conv2D(4, 3, activation="relu", name="conv"),
                                layers.Flatten(), layers.Dense(3)], seed=0)  # fmt: skip
    other.set_weights(one.get_weights())
    x, y = rng.random((2, 7, 6)), np.array([1.0, 0, 2])
    for model in (one, other):
        model.compile("sgd", "mse")
    found, expected = one.trace(x, y), other.trace(x.transpose(1, 2, 0), y)
    assert (found.channels_first, expected.channels_first) == (True, False)
    for name in ("saliency", "dead_units"):
        np.testing.assert_equal(getattr(found, name)(), getattr(expected, name)())
    np.testing.assert_allclose(found.grad_cam("conv"), expected.grad_cam("conv"), rtol=1e-6, atol=1e-9)
    assert found.receptive_field("conv", 3, 1, 2) == expected.receptive_field("conv", 1, 2, 3)


def branched():
    """Two images and a vector in, two answers out."""
    left, right = layers.Input((8, 7, 2), name="left"), layers.Input((5,), name="right")
    y = layers.Flatten()(layers.Conv2D(4, 3, activation="relu", name="conv")(left))
    y = layers.Concatenate()([y, layers.Dense(3, activation="tanh", name="beside")(right)])
    ends = layers.Dense(3, activation="softmax", name="digit")(y), layers.Dense(2, name="angle")(y)
    model = minicnn.Model([left, right], ends, seed=1)
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"], loss_weights=[1, 0.5])
    return model


def test_several_inputs_and_outputs(rng):
    model = branched()
    x, y = [rng.random((2, 8, 7, 2)), rng.random((2, 5))], [np.array([1, 2]), rng.random((2, 2))]
    trace = model.trace(x, y)
    assert trace.inputs == ("x/left", "x/right")
    for given, name in zip(x, trace.inputs, strict=True):
        np.testing.assert_array_equal(trace[name], given.astype(np.float32))
    for name, values in zip(("digit", "angle"), model.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(trace[name], values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trace.loss, trace["loss/digit"] + 0.5 * trace["loss/angle"], rtol=1e-6)
    np.testing.assert_allclose(trace.loss, model.evaluate(x, y, verbose=0)[0], rtol=1e-5)
    by_name = model.trace(dict(left=x[0][0], right=x[1][0]), dict(angle=y[1][0], digit=1))  # one sample
    np.testing.assert_allclose(by_name["digit"], trace["digit"][:1], rtol=1e-6)
    for name, array in trace.values.items():
        if name in trace.gradients and array.ndim > 1:
            alone = trace.slots[name] in trace.weights
            around(trace.cell(name, *(int(rng.integers(n)) for n in array.shape[not alone :])))
    assert trace.saliency("x/left").shape == (8, 7)
    assert trace.saliency("x/right").shape == (5,)
    assert trace.receptive_field("conv", 1, 2, 3, x="x/left") == (slice(1, 4), slice(2, 5))
    assert trace.receptive_field("conv", 1, 2, 3, x="x/right") == (slice(0, 0),)
    for ask in (trace.saliency, lambda: trace.receptive_field("conv", 0, 0, 0), lambda: trace.saliency("left")):
        with pytest.raises(errors.ArgumentError, match="expected one of x/left, x/right"):
            ask()
    checked = teaching.gradcheck(model)
    assert checked.ok, checked.culprits
    assert {row.argument for row in checked if row.layer == "model"} == {"x/left", "x/right"}
    model.compile("adam", {"angle": "mse"})
    assert model.trace(x, {"angle": y[1]}).loss == pytest.approx(float(trace["loss/angle"]), rel=1e-5)
    with pytest.raises(errors.ArgumentError, match="trace: y of digit: expected a whole number from 0 to 2"):
        branched().trace(x, [3, y[1]])


def test_a_loss_with_a_weight_and_an_image_without_its_channel(rng):
    last = layers.Dense(2, activation="softmax", name="last")
    model = minicnn.Sequential([layers.Input((4, 4, 1)), layers.Flatten(), last])
    model.compile("sgd", "sparse_categorical_crossentropy", loss_weights=[0.25])
    image = rng.random((4, 4))
    whole, bare = model.trace(image[..., None], 1), model.trace(image, 1)
    assert whole.loss == bare.loss == pytest.approx(-0.25 * np.log(whole["last"][0, 1]), rel=1e-5)


@pytest.mark.parametrize("kernels", SETS)
def test_cells_of_weights(rng, batch, kernels):
    """The gradient of a weight, as the sum of what each cell that it takes part in hands back."""
    model, (x, y) = small(kernels), batch
    for training in (False, True):
        trace = model.trace(x, y, training=training)
        for name in ("first/kernel", "first/bias", "second/kernel", "last/kernel", "last/bias"):
            cell = trace.cell(name, *(int(rng.integers(n)) for n in trace[name].shape))
            around(cell)
            assert cell.gradient_computed is not None
            assert cell.gradient == trace.gradients[name][cell.index]
        assert str(trace.cell("last/bias", 2)).startswith("FORWARD  last/bias[2] = ")
        around(trace.cell("loss"))


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
