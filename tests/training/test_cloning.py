"""clone_model: the same architecture, other weights; and what summary() says of how layers are connected."""

import numpy as np
import pytest

import minicnn as mc
from minicnn import keras
from minicnn.errors import ArgumentError, ArgumentTypeError
from tests.parity.graphs import GRAPHS, arithmetic, data

from .test_saving import EVERY

L = mc.layers
ALL = GRAPHS | {"arithmetic": arithmetic}


def listed(y):
    return y if isinstance(y, list) else [y]


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(listed(a), listed(b), strict=True))


@pytest.mark.parametrize("what", ALL)
def test_every_graph(what):
    model = ALL[what](mc)
    clone = mc.clone_model(model)
    assert clone.to_json() == model.to_json()
    assert clone.optimizer is None
    assert [w.path for w in clone.weights] == [w.path for w in model.weights]
    assert [w.path for w in clone.trainable_weights] == [w.path for w in model.trainable_weights]
    assert not {id(w) for w in clone.weights} & {id(w) for w in model.weights}
    assert not same(clone.get_weights(), model.get_weights())
    clone.set_weights(model.get_weights())
    x, _ = data(model.sample_in, model.sample_out)
    assert same(clone.predict(x, verbose=0), model.predict(x, verbose=0))
    before = model.get_weights()
    clone.set_weights([w * 0 for w in clone.get_weights()])
    assert same(model.get_weights(), before)


@pytest.mark.parametrize("make", [build for _, build in EVERY.values()], ids=EVERY)
def test_every_layer(make):
    layer = make()
    clone = mc.clone_model(mc.Sequential([layer], kernels="numpy_ref")).layers[0]
    assert (type(clone), clone.name, clone.named) == (type(layer), layer.name, layer.named)
    assert clone.get_config() == layer.get_config()
    assert clone is not layer


def test_a_compiled_model_stays_compiled():
    x = mc.Input((3,), name="x")
    a, b = L.Dense(2, name="a")(x), L.Dense(1, name="b")(x)
    rate = mc.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    model = mc.Model(x, [a, b])
    model.compile(mc.optimizers.Adam(rate, clipnorm=1.0), {"a": "mse", "b": mc.losses.Huber(delta=2.0)},
                  metrics={"b": ["mae"]}, loss_weights=[1.0, 0.5])  # fmt: skip
    data, y = np.ones((4, 3)), [np.zeros((4, 2)), np.zeros((4, 1))]
    model.fit(data, y, verbose=0)
    clone = mc.clone_model(model)
    assert clone.optimizer.get_config() == model.optimizer.get_config()
    assert (clone.optimizer.iterations, model.optimizer.iterations) == (0, 1)
    assert not {id(m) for m in clone.metrics} & {id(m) for m in model.metrics}
    clone.set_weights(model.get_weights())
    assert clone.evaluate(data, y, verbose=0) == model.evaluate(data, y, verbose=0)
    clone.fit(data, y, verbose=0)
    assert (clone.optimizer.iterations, model.optimizer.iterations) == (1, 1)


def test_functions_and_initializers_go_along():
    def steep(x):
        return x * 3.0

    start = mc.initializers.Constant(2.0)
    model = mc.Sequential([mc.Input((2,)), L.Dense(2, activation=steep, kernel_initializer=start, name="d"),
                           L.Lambda(lambda x: x + 1.0, name="f")])  # fmt: skip
    clone = mc.clone_model(model)
    x = np.ones((1, 2), "f4")
    assert clone.predict(x, verbose=0).tolist() == model.predict(x, verbose=0).tolist() == [[13.0, 13.0]]


def test_a_layer_of_ones_own_is_made_from_its_config():
    class Mine(L.Dense):
        config = ("units", "more")

        def __init__(self, units, more=1, **kwargs):
            super().__init__(units, **kwargs)
            self.more = more

        def get_config(self):
            return super().get_config() | {"more": self.more}

    class Lost(L.Dense):
        def __init__(self, how, units, **kwargs):
            super().__init__(units, **kwargs)

    clone = mc.clone_model(mc.Sequential([mc.Input((2,)), Mine(3, more=7, name="mine")]))
    assert (clone.layers[0].more, clone.sample_out) == (7, (3,))
    with pytest.raises(ArgumentTypeError, match=r"clone_model: lost: .*get_config to hold every argument of Lost"):
        mc.clone_model(mc.Sequential([mc.Input((2,)), Lost("so", 3, name="lost")]))


def test_other_inputs():
    chain = mc.Sequential([mc.Input((4,)), L.Dense(3, name="d")])
    x = mc.Input((4,), name="x")
    assert mc.clone_model(chain, x).input_names == ["x"]
    inside = L.Activation("relu", name="r")(mc.Input((4,), name="z"))
    clone = mc.clone_model(chain, [inside])
    assert mc.Model(inside.call.inputs[0], clone.output).count_params() == 15
    graph = GRAPHS["several"](mc)
    a, b = mc.Input((6, 6, 1), name="a"), mc.Input((3,), name="b")
    assert mc.clone_model(graph, [a, b]).input_names == ["a", "b"]
    with pytest.raises(ArgumentTypeError, match="clone_model: input_tensors: expected 2 symbols"):
        mc.clone_model(graph, a)
    with pytest.raises(ArgumentTypeError, match="clone_model: input_tensors: expected 1 symbols"):
        mc.clone_model(chain, np.ones((2, 4)))


def test_a_function_that_clones():
    model = GRAPHS["nested"](mc)

    def wider(layer):
        asked.append(layer.name)
        new = type(layer).from_config(layer.get_config()) if not hasattr(layer, "layers") else mc.clone_model(layer)
        if layer.name == "out":
            new = L.Dense(7, name="out")
        return new

    asked = []
    assert mc.clone_model(model, clone_function=wider).sample_out == (7,)
    assert sorted(asked) == ["block", "flat", "norm", "out"]
    asked = []
    mc.clone_model(model, clone_function=wider, recursive=True)
    assert sorted(asked) == ["conv", "conv", "flat", "join", "norm", "out", "pool"]
    with pytest.raises(ArgumentTypeError, match="clone_model: clone_function: expected a layer for "):
        mc.clone_model(model, clone_function=lambda layer: 3)
    with pytest.raises(ArgumentTypeError, match="clone_model: model: expected a model, received 3"):
        mc.clone_model(3)


def test_an_unbuilt_one_stays_so():
    clone = mc.clone_model(mc.Sequential([L.Dense(3)]))
    assert not clone.built
    clone.build((None, 2))
    assert clone.count_params() == 9


def test_models_of_keras_repeat_themselves():
    """Functional ones take their seed where Sequential does: keras.utils.set_random_seed decides."""

    def functional():
        x = keras.Input((4,))
        return keras.Model(x, keras.layers.Dense(3)(x))

    for make in (functional, lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]),
                 lambda: keras.models.clone_model(functional())):  # fmt: skip
        weights = []
        for seed in (3, 3, 4):
            keras.utils.set_random_seed(seed)
            weights.append(make().get_weights())
        assert same(weights[0], weights[1])
        assert not same(weights[0], weights[2])
    assert keras.models.clone_model(functional()).lenient


def test_a_part_keeps_the_seed_of_its_layers():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], seed=5)
    assert keras.Model(model.inputs, model.layers[0].output).seed == 5


# what summary() says --------------------------------------------------------------------------------------------------


def table(model, **options):
    said = []
    model.summary(print_fn=said.append, **options)
    rows = [[cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]] for line in said[0].splitlines()]
    lines = said[0].splitlines()
    assert len({len(line) for line in lines[1:-3]}) == 1  # the columns stand below each other
    return [row for row in rows if row]


def test_connections():
    rows = table(GRAPHS["shared"](mc))
    assert rows[0] == ["Layer (type)", "Output Shape", "Param #", "Connected to"]
    joined = []
    for name, _, _, read in rows[1:]:
        joined += [[name.split()[0], read]] if name else []
        joined[-1][1] += "" if name else read
    assert dict(joined) == {
        "left": "-", "right": "-", "eye": "left[0][0],right[0][0]", "tower": "eye[0][0],eye[1][0]",
        "difference": "tower[0][0],tower[1][0]", "out": "difference[0][0]",
    }  # fmt: skip
    assert ["tower (Sequential)", "(None, 4)", "132", "eye[0][0],"] in rows
    rows = table(GRAPHS["outputs_of_models"](mc), show_trainable=True)
    assert ["average (Average)", "(None, 4)", "0", "pair[0][1],", "-"] in rows
    assert ["pair (Functional)", "[(None, 4), (None, 4)]", "16", "x[0][0],", "Y"] in rows


def test_a_chain_has_no_such_column():
    x = mc.Input((4,), name="x")
    rows = table(mc.Model(x, L.Dense(2)(L.ReLU()(x))))
    assert rows[0] == ["Layer (type)", "Output Shape", "Param #"]
    assert len(rows) == 4


def test_inputs_in_a_dict_are_replaced_by_a_dict():
    x, y = (mc.Input((3,), name=name) for name in "xy")
    model = mc.Model({"a": x, "b": y}, mc.layers.Subtract()([x, y]))
    given = {"b": mc.Input((3,)), "a": mc.Input((3,))}
    again = mc.clone_model(model, given)
    arrays = {"a": np.ones((2, 3)), "b": np.full((2, 3), 0.25)}
    np.testing.assert_array_equal(again.predict(arrays, verbose=0), np.full((2, 3), 0.75))
    with pytest.raises(ArgumentError, match="input_tensors: expected a dict by a, b, as the model's inputs are"):
        mc.clone_model(model, [*given.values()])
