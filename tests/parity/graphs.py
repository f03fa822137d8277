"""Graphs of layers, each defined once for both libraries: `GRAPHS[what](lib)`, lib = keras or minicnn."""

import numpy as np


def branches(lib):
    L = lib.layers
    x = lib.Input((8, 8, 2), name="image")
    a = L.Conv2D(3, 3, padding="same", activation="relu", name="wide")(x)
    b = L.Conv2D(3, 1, use_bias=False, name="narrow")(x)
    c = L.MaxPooling2D(3, strides=1, padding="same", name="pool")(x)
    y = L.Concatenate(name="join")([b, a, c])
    y = L.GlobalAveragePooling2D(name="mean")(L.BatchNormalization(name="norm")(y))
    return lib.Model(x, L.Dense(3, activation="softmax", name="out")(y), name="branches")


def residual(lib):
    L = lib.layers
    x = lib.Input((6, 6, 1), name="image")
    y = L.Conv2D(4, 3, padding="same", name="stem")(x)
    for i in range(2):
        z = L.ReLU(name=f"relu{i}")(L.BatchNormalization(name=f"norm{i}")(y))
        y = L.Add(name=f"add{i}")([y, L.Conv2D(4, 3, padding="same", name=f"conv{i}")(z)])
    return lib.Model(x, L.Dense(3, activation="softmax", name="out")(L.Flatten(name="flat")(y)), name="residual")


def shared(lib):
    """One layer, and one model, at two places each."""
    L = lib.layers
    a, b = lib.Input((5, 5, 1), name="left"), lib.Input((5, 5, 1), name="right")
    conv = L.Conv2D(2, 2, activation="tanh", name="eye")
    inner = lib.Sequential([lib.Input((4, 4, 2)), L.Flatten(name="flat"), L.Dense(4, name="hidden")], name="tower")
    y = L.Subtract(name="difference")([inner(conv(a)), inner(conv(b))])
    return lib.Model([a, b], L.Dense(3, activation="softmax", name="out")(y), name="shared")


def several(lib):
    """Two inputs and two outputs, of which one lies on the way to the other."""
    L = lib.layers
    image, extra = lib.Input((6, 6, 1), name="image"), lib.Input((3,), name="extra")
    y = L.Flatten(name="flat")(L.Conv2D(2, 3, name="conv")(image))
    y = L.Concatenate(name="join")([y, L.Dense(2, name="first")(extra)])
    early = L.Dense(2, activation="sigmoid", name="early")(y)
    late = L.Dense(3, activation="softmax", name="late")(L.Concatenate(name="again")([early, y]))
    return lib.Model([image, extra], [early, late], name="several")


def nested(lib):
    """A graph in a graph, which has a Sequential in it, and a layer of its own name outside."""
    L = lib.layers
    chain = lib.Sequential([lib.Input((4, 4, 2)), L.Conv2D(2, 2, name="conv")], name="chain")
    a = lib.Input((5, 5, 1), name="inside")
    b = L.Conv2D(2, 2, name="conv")(a)
    block = lib.Model(a, L.Concatenate(name="join")([chain(b), L.MaxPooling2D(2, strides=1, name="pool")(b)]),
                      name="block")  # fmt: skip
    x = lib.Input((5, 5, 1), name="image")
    y = L.Flatten(name="flat")(L.BatchNormalization(name="norm")(block(x)))
    return lib.Model(x, L.Dense(3, activation="softmax", name="out")(y), name="nested")


def outputs_of_models(lib):
    """A model with two inputs and two outputs as a layer, called on one list."""
    L = lib.layers
    a, b = lib.Input((3,), name="a"), lib.Input((4,), name="b")
    y = L.Dense(4, name="one")(a)
    pair = lib.Model([a, b], [L.Add(name="sum")([y, b]), L.Multiply(name="product")([y, b])], name="pair")
    x, z = lib.Input((3,), name="x"), lib.Input((4,), name="z")
    first, second = pair([x, z])
    y = L.Average(name="average")([second, first])
    return lib.Model([x, z], L.Dense(3, activation="softmax", name="out")(y), name="outputs_of_models")


def models_at_the_end(lib):
    """A graph called twice, whose calls are outputs of the whole: their numbers count from 1 there."""
    L = lib.layers
    a = lib.Input((4,), name="a")
    inner = lib.Model(a, [L.Dense(4, name="one")(a), L.ReLU(name="two")(a)], name="inner")
    x = lib.Input((4,), name="x")
    first = inner(x)
    second = inner(first[0])
    return lib.Model(x, [second[0], first[1], L.Add(name="sum")([second[1], first[0]])], name="models_at_the_end")


def frozen(lib):
    """A frozen model inside, dropout that its call switches off, and an Input that is an output."""
    L = lib.layers
    inner = lib.Sequential([lib.Input((4,)), L.Dense(4, name="kept"), L.BatchNormalization(name="norm")], name="base")
    inner.trainable = False
    x = lib.Input((4,), name="x")
    y = L.Dropout(0.5, name="drop")(inner(x), training=False)
    return lib.Model(x, L.Dense(3, activation="softmax", name="out")(y), name="frozen")


def features(lib):
    """A part of a model, from its input to a layer in its midst."""
    whole = residual(lib)
    return lib.Model(whole.input, whole.get_layer("add0").output, name="features")


GRAPHS = {f.__name__: f for f in (branches, residual, shared, several, nested, outputs_of_models, models_at_the_end,
                                frozen, features)}  # fmt: skip


def arithmetic(lib):
    """Operations between layers, with numbers: for .keras files alone."""
    L = lib.layers
    x = lib.Input((5, 4, 2), name="image")
    y = L.Conv2D(2, 1, name="conv")(x)
    y = 1.0 - y * 2.0 + x / 4.0
    y = (-y) ** 2 + y[:, 1:2, ..., :1] - abs(x)
    y = L.Flatten(name="flat")(y)
    return lib.Model(x, L.Dense(3, activation="softmax", name="out")(y), name="arithmetic")


def data(input_shape, output_shape, n: int = 6, seed: int = 0):
    """(x, y) of n samples for shapes without the batch axis, or lists of them: one array each, or a list."""
    rng = np.random.default_rng(seed)

    def arrays(shapes):
        many = isinstance(shapes, list)
        made = [rng.normal(0, 0.3, (n, *shape)).astype(np.float32) for shape in (shapes if many else [shapes])]
        return made if many else made[0]

    def target(a):
        return np.eye(a.shape[-1], dtype=np.float32)[np.arange(n) % a.shape[-1]] if a.ndim == 2 else a

    x, y = arrays(input_shape), arrays(output_shape)
    return x, [*map(target, y)] if isinstance(y, list) else target(y)
