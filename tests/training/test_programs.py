"""A model's programs: which layers become which nodes, and that they compute what the layers say one by one."""

import numpy as np
import pytest

import minicnn
from minicnn import Sequential, Tensor, layers, op, recipes
from minicnn.backend.cpu import CPU
from minicnn.core.program import Trace
from minicnn.core.tensor import no_grad
from minicnn.training import loop

RELU = {"activation": "relu"}
SETS = {"float64": ("numpy_ref", "float64", 1e-12), "float32": ("numba_cpu", "float32", 2e-5)}


def conv(filters=3, **kwargs):
    return layers.Conv2D(filters, 3, padding="same", **kwargs)


def names(model, training=True, logits=False):
    """The program's ops up to the last layer."""
    shape = (4, *model.sample_in)
    if training:
        model.compile("sgd", "mse")
        program = model.programs.training(shape, (4, *model.sample_out))
    else:
        program = model.programs.prediction(shape, logits)
    return [node.name for node in program.nodes if node.layer is not None]


def stack(*of, shape=(8, 8, 2), **kwargs):
    return Sequential([minicnn.Input(shape), *of], seed=1, **kwargs)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ([conv(**RELU), layers.BatchNormalization(), layers.MaxPool2D(), layers.Dropout(0.2)], ["conv_block"]),
        ([conv(), layers.Activation("relu"), layers.MaxPool2D(), layers.Flatten()], ["conv_block", "flatten"]),
        ([conv(), layers.ReLU(), layers.MaxPool2D()], ["conv_block"]),
        ([conv(**RELU), layers.BatchNormalization(), conv(**RELU), layers.BatchNormalization(axis=3)],
         ["conv_block", "conv_block"]),
        ([conv(), layers.Activation("relu"), layers.Dropout(0.2)], ["conv2d", "dropout"]),
        ([conv(**RELU), layers.Dropout(0.2)], ["conv2d", "dropout"]),  # nothing to merge
        ([conv(**RELU), layers.BatchNormalization(), layers.Dropout(0.2)], ["conv_block", "dropout"]),
        ([conv(**RELU), layers.MaxPool2D(), layers.Dropout(1.0)], ["conv_block", "dropout"]),  # 1 / 0 is no number
        ([conv(**RELU), layers.BatchNormalization(axis=1), layers.MaxPool2D(), layers.Dropout(0.2)], ["conv_block"]),
        ([conv(), layers.Activation("relu"), layers.BatchNormalization(axis=-3), layers.MaxPool2D(3)], ["conv_block"]),
        ([conv(**RELU), layers.BatchNormalization(axis=1), conv(**RELU)], ["conv2d", "batch_norm", "conv2d"]),
        ([conv(**RELU), layers.BatchNormalization(axis=1, trainable=False), layers.MaxPool2D()],
         ["conv2d", "batch_norm_fixed", "max_pool"]),
        ([conv(**RELU), layers.BatchNormalization(axis=2), layers.MaxPool2D()], ["conv2d", "batch_norm", "max_pool"]),
        ([conv(activation="elu"), layers.BatchNormalization(), layers.MaxPool2D()],
         ["conv2d", "elu", "batch_norm", "max_pool"]),
        ([conv(), layers.BatchNormalization(), layers.Activation("relu"), layers.MaxPool2D()],
         ["conv2d", "batch_norm", "relu", "max_pool"]),
        ([conv(**RELU), layers.AveragePooling2D()], ["conv2d", "average_pool"]),
        ([layers.ZeroPadding2D(1), conv(**RELU), layers.MaxPool2D()], ["conv_block"]),
        ([layers.ZeroPadding2D(1), conv(), layers.Activation("relu"), layers.Dropout(0.2)], ["conv2d", "dropout"]),
        ([layers.ZeroPadding2D(1), conv(activation="elu")], ["zero_pad", "conv2d", "elu"]),
        ([layers.ZeroPadding2D(1), layers.ZeroPadding2D(2), conv(**RELU)], ["zero_pad", "conv2d"]),
        ([layers.ZeroPadding2D(1), layers.MaxPool2D(), conv(**RELU)], ["zero_pad", "max_pool", "conv2d"]),
        ([layers.Dense(3), layers.Activation("relu"), layers.Dense(2, activation="relu")], ["dense", "dense"]),
        ([layers.Dense(3), layers.Activation("elu"), layers.Dense(3), layers.Dropout(0.5)],
         ["dense", "elu", "dense", "dropout"]),
    ],
)  # fmt: skip
def test_which_layers_make_a_block(of, expected):
    assert names(stack(*of)) == expected


def test_a_set_without_fused_kernels_runs_op_by_op():
    model = stack(conv(**RELU), layers.BatchNormalization(), layers.MaxPool2D(), kernels="numpy_ref")
    assert names(model) == ["conv2d", "batch_norm", "max_pool"]


class Mine(layers.Conv2D):
    pass


class Doubled(layers.Activation):
    calls = 0

    def call(self, x, *, training):
        type(self).calls += 1
        return super().call(x, training=training) * 2


class Square(layers.Layer):
    traceable = True

    def call(self, x, *, training):
        return x * x


def test_layers_of_ones_own_stay_on_the_tape_unless_they_say_that_they_can_be_traced():
    pool = layers.MaxPool2D()
    pool.call = lambda x, *, training: x
    assert names(stack(Mine(3, 3, **RELU), layers.MaxPool2D())) == ["on_tape", "max_pool"]
    assert names(stack(conv(**RELU), pool)) == ["conv2d", "on_tape"]
    assert names(stack(conv(activation=lambda x: x), Square())) == ["on_tape", "multiply"]

    class Cubed(Square):  # what a class says holds for its own call alone
        pass

    assert names(stack(Cubed())) == ["on_tape"]


def test_an_activation_that_is_an_op_is_traced():
    @op
    def negated(be, x):
        return -x, lambda dy, needs: (-dy,)

    assert names(stack(conv(activation=negated))) == ["conv2d", "negated"]


def test_a_call_of_ones_own_runs_once_per_step(rng):
    model = stack(conv(**RELU), Doubled("relu"), layers.Flatten(), layers.Dense(2))
    model.compile("sgd", "mse")
    Doubled.calls = 0
    model.fit(rng.random((12, 8, 8, 2)), rng.random((12, 2)), batch_size=4, epochs=2, verbose=0)
    assert Doubled.calls == 6
    model.predict(rng.random((12, 8, 8, 2)), verbose=0)
    assert Doubled.calls == 7


# programs against the tape -------------------------------------------------------------------------------------------


def on_the_tape(model, x, t, of_x):
    """Outputs, gradients of x (if `of_x`) and of all weights, statistics: layer by layer."""
    x = Tensor(x, model.backend, requires_grad=of_x)
    y = model.forward(x, training=True, logits=model.fused)
    model.loss.reduce(model.loss.values(t, y, logits=model.fused), None).backward()
    return [y.numpy(), *([x.grad] if of_x else []), *gradients_of(model)], statistics(model)


def gradients_of(model):
    found = [p.grad for p in model.trainable_weights]
    for p in model.trainable_weights:
        p.grad = None
    return found


def statistics(model):
    return [b for layer in model.layers for _, b, _ in layer.moved()]


@pytest.mark.parametrize(("kernels", "bound"), [("numpy_ref", 1e-12), ("numba_cpu", 3e-4)])
@pytest.mark.parametrize("name", recipes.BY_NAME)
def test_a_step_is_its_layers(rng, name, kernels, bound):
    """float32: four images leave variances near 0, where batch norm makes a rounding two hundred times larger."""
    dtype = "float64" if kernels == "numpy_ref" else "float32"
    model = recipes.BY_NAME[name].build(minicnn, seed=3, device=CPU(kernels, dtype))
    model.compile("adam", "categorical_crossentropy")
    x, t = rng.random((4, 28, 28, 1)).astype(dtype), np.eye(10, dtype=dtype)[rng.integers(0, 10, 4)]
    expected, expected_stats = on_the_tape(model, x, t, False)
    program = model.programs.training(x.shape, t.shape)
    values, _ = loop.gradients(model, program, (x, t), model.streams.step)
    found = [values[program.last], *gradients_of(model)]
    stats = [values[slot] for _, slot, _ in program.averages]
    assert len(stats) == len(expected_stats)
    for a, b in zip(found + stats, expected + expected_stats, strict=True):
        assert np.linalg.norm(a - b) <= bound * np.linalg.norm(b)


def test_any_graph(rng):
    """Two inputs, a value read twice, weights that are shared, an output that is read further on."""
    from minicnn import Parameter
    from minicnn.ops.arithmetic import add, multiply, total
    from minicnn.ops.conv import conv2d
    from minicnn.ops.pool import max_pool

    be = CPU("numba_cpu")
    w, b = (Parameter(rng.standard_normal(shape), be, f"a/{shape}") for shape in ((3, 3, 2, 2), (2,)))
    how = {"pads": ((1, 1), (1, 1))}

    def loss(x, z):
        first = conv2d(x, w, b, relu=True, **how)
        second = conv2d(first, w, b, relu=True, **how)  # `first` has two readers: no block takes it in
        pooled = max_pool(second, window=(2, 2), strides=(2, 2))
        joined = add(first, multiply(z, second))
        return add(total(multiply(joined, joined)), total(pooled))

    arrays = [rng.standard_normal((3, 6, 6, 2)).astype(np.float32) for _ in range(2)]
    value = loss(*(Tensor(a, be) for a in arrays))
    value.backward()
    expected, w.grad, b.grad = (w.grad, b.grad), None, None
    from minicnn.core.program import Program
    from minicnn.ops.block import RULES

    with Trace(be, [w, b]) as trace:
        given = [trace.input(a.shape) for a in arrays]
        y = loss(*given)
    program = Program(trace, given, y, y, rules=RULES, fused=be.fused)
    assert [node.name for node in program.nodes].count("conv2d") == 2  # `second` too is read twice
    values, vjps = program.forward(be, arrays, 0)
    program.backward(be, vjps, np.ones((), np.float32))
    assert vjps == []
    np.testing.assert_array_equal(values[program.last], value.numpy())
    for a, e in zip((w.grad, b.grad), expected, strict=True):
        np.testing.assert_array_equal(a, e)


@pytest.mark.parametrize("trainable", [True, False])
def test_a_frozen_first_convolution_costs_no_weight_gradient(rng, monkeypatch, trainable):
    model = stack(conv(**RELU), layers.BatchNormalization(), layers.MaxPool2D(), layers.Flatten(),
                  layers.Dense(3, activation="softmax"))  # fmt: skip
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
    model = stack(conv(**RELU), layers.BatchNormalization(axis=axis), layers.MaxPool2D(), layers.Flatten(),
                  layers.Dense(3, activation="softmax"))  # fmt: skip
    model.compile("sgd", "categorical_crossentropy")
    x, before = rng.random((5, 8, 8, 2)), model.layers[1].moving_mean.numpy().copy()
    z = model.layers[0].call(Tensor(x, model.backend), training=True).numpy()
    model.train_on_batch(x, np.eye(3)[[0, 1, 2, 0, 1]])
    mean = z.mean(axis=(0, 1, 2) if axis == -1 else (0, 2, 3))
    np.testing.assert_allclose(model.layers[1].moving_mean.numpy(), 0.99 * before + 0.01 * mean, rtol=1e-5)


@pytest.mark.parametrize("change", ["rate", "trainable", "call", "momentum"])
def test_a_network_that_changed_has_a_new_program(rng, change):
    """As a new model that was like that from the start."""

    def changed(model):
        norm, drop = model.layers[1], model.layers[2]
        if change == "rate":
            drop.rate = 0.5
        elif change == "trainable":
            norm.trainable = False
        elif change == "momentum":
            norm.momentum = 0.5
        else:
            drop.call = lambda x, *, training: x * 3.0
        return model

    def fresh():
        model = stack(conv(**RELU), layers.BatchNormalization(), layers.Dropout(0.1), layers.Flatten(), layers.Dense(2))
        model.compile("sgd", "mse")
        return model

    x, y = rng.random((4, 8, 8, 2)), rng.random((4, 2))
    late, early = fresh(), changed(fresh())
    start = late.get_weights()
    late.train_on_batch(x, y)
    changed(late)
    late.set_weights(start)
    late.streams.step = 0
    for model in (late, early):
        model.train_on_batch(x, y)
    for a, b in zip(late.get_weights(), early.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# inference ------------------------------------------------------------------------------------------------------------


def network(backend):
    """Every place in which a batch norm may stand: after linear, ReLU and tanh, after dense, along another axis."""
    nn = layers
    return Sequential(
        [
            minicnn.Input((9, 8, 2)),
            nn.Conv2D(5, 3, padding="same", activation="relu", algorithm="winograd"), nn.BatchNormalization(),
            nn.Conv2D(4, 3, activation="tanh"), nn.BatchNormalization(),
            nn.Conv2D(6, 1, strides=2, use_bias=False), nn.BatchNormalization(center=False),
            nn.Conv2D(3, 1, activation="relu"), nn.BatchNormalization(axis=1),
            nn.Flatten(),
            nn.Dense(7, activation="relu"), nn.BatchNormalization(axis=1, scale=False),
            nn.Dense(3, activation="softmax"),
        ],
        seed=3,
        device=backend,
    )  # fmt: skip


def merging(backend):
    """Every way in which layers become one call: which and how many follows in CALLS."""
    nn = layers
    return Sequential(
        [
            minicnn.Input((23, 21, 2)),
            nn.Conv2D(5, 3), nn.Activation("relu"), nn.BatchNormalization(axis=1), nn.MaxPool2D(),
            nn.ZeroPadding2D(((1, 2), (0, 1))), nn.Conv2D(17, 3, activation="relu"), nn.BatchNormalization(),
            nn.MaxPool2D(),
            nn.Dropout(0.5),
            nn.Conv2D(33, 3, padding="same", activation="relu"), nn.MaxPool2D(2, strides=1, padding="same"),
            nn.ZeroPadding2D(1), nn.Conv2D(6, 3, strides=2), nn.BatchNormalization(axis=-1),
            nn.BatchNormalization(axis=2),
            nn.ZeroPadding2D(1),
            nn.ZeroPadding2D(1), nn.Conv2D(4, 3), nn.Activation("relu"),
            nn.BatchNormalization(axis=1),
            nn.ZeroPadding2D(1),
            nn.Conv2D(4, 3, activation="tanh"),
            nn.MaxPool2D(),
            nn.Flatten(),
            nn.Dense(7), nn.Activation("relu"), nn.BatchNormalization(),
            nn.Dense(5, activation="relu"),
            nn.Dense(3),
            nn.Activation("softmax"),
        ],
        seed=3,
        device=backend,
    )  # fmt: skip


CALLS = {network: {"float32": 11, "float64": 11}, merging: {"float32": 16, "float64": 20}}


@pytest.mark.parametrize("network", CALLS)
@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("logits", [False, True])
def test_folded_equals_layer_by_layer(network, kind, logits, rng):
    kernels, dtype, tolerance = SETS[kind]
    model = network(CPU(kernels, dtype))
    model.set_weights([rng.uniform(0.5, 1.5, w.shape).astype(dtype) for w in model.get_weights()])
    x = rng.standard_normal((4, *model.sample_in)).astype(dtype)
    with no_grad():
        expected = model.forward(Tensor(x, model.backend), training=False, logits=logits).numpy()
    program = model.programs.prediction(x.shape, logits)
    values, vjps = program.forward(model.backend, (x,), 0)
    assert len(program.nodes) == CALLS[network][kind] - logits
    assert vjps == []
    np.testing.assert_allclose(values[program.last], expected, rtol=0, atol=tolerance * np.abs(expected).max())


def changes(path):
    """Every way in which weights change."""
    from minicnn import optimizers

    def fit(model, x):
        model.compile(optimizers.Adam(0.1), "mse")
        model.fit(x, np.zeros((len(x), 3), np.float32), verbose=0)

    def train_on_batch(model, x):
        model.compile("sgd", "mse")
        model.train_on_batch(x, np.zeros((len(x), 3), np.float32))

    def load_weights(model, x):
        other = type(model)([minicnn.Input(model.sample_in), *network(CPU("numba_cpu")).layers], seed=9)
        other.set_weights([w + np.float32(0.1) for w in model.get_weights()])
        other.save_weights(path)
        model.load_weights(path)

    def one(model, index):
        p = model.weights[index]
        p.assign(p.numpy() + np.float32(0.1))

    return {
        "set_weights": lambda model, x: model.set_weights([w + np.float32(0.1) for w in model.get_weights()]),
        "of a layer": lambda model, x: model.layers[0].set_weights([w + 1 for w in model.layers[0].get_weights()]),
        "moving averages": lambda model, x: model(x, training=True),
        "in place": lambda model, x: model.layers[0].kernel.data.__imul__(1.5),
        "fit": fit, "train_on_batch": train_on_batch, "load_weights": load_weights,
        **{f"weight {k}": lambda model, x, k=k: one(model, k) for k in (0, 1, 2, 3, 4, 5, 12, 18)},
    }  # fmt: skip


@pytest.mark.parametrize("way", changes(None))
def test_nothing_is_out_of_date(rng, tmp_path, way):
    """Predictions after every kind of change are those of a model that was never asked before."""
    model, x = network(CPU("numba_cpu")), rng.standard_normal((3, 9, 8, 2)).astype(np.float32)
    before = model.predict(x, verbose=0)
    assert np.array_equal(before, model.predict(x, verbose=0))
    changes(tmp_path / "w.safetensors")[way](model, x)
    after = model.predict(x, verbose=0)
    assert not np.array_equal(before, after)
    fresh = network(CPU("numba_cpu"))
    fresh.set_weights(model.get_weights())
    np.testing.assert_array_equal(after, fresh.predict(x, verbose=0))


def test_a_subclass_and_a_replaced_call_are_called(rng):
    model = stack(layers.Conv2D(2, 3), Doubled("relu"), layers.MaxPool2D(), shape=(6, 6, 1))
    pool = model.layers[2]
    pool.call = lambda x, *, training: -type(pool).call(pool, x, training=training)
    x = rng.standard_normal((2, 6, 6, 1)).astype(np.float32)
    assert names(model, training=False) == ["conv2d_folded", "on_tape", "on_tape"]
    with no_grad():
        expected = model.forward(Tensor(x, model.backend), training=False, logits=False).numpy()
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


def test_tiles_change_nothing_and_large_images_make_them_small(rng, monkeypatch):
    model = merging(CPU("numba_cpu"))
    x = rng.standard_normal((11, *model.sample_in)).astype(np.float32)
    assert loop.tile_size(model) == loop.TILE
    whole = model.predict(x, verbose=0)
    for largest, size in ((0, 1), (21 * 19 * 5 * 4 * 3, 2)):
        monkeypatch.setattr(loop, "TILE_BYTES", largest)
        assert loop.tile_size(model) == size
        np.testing.assert_array_equal(model.predict(x, verbose=0), whole)
