"""Files that the real Keras wrote and reads: equal bytes of every weight and slot, predictions within rounding."""

import numpy as np
import pytest

import minicnn as mc

from .conftest import device, images
from .networks import LAYERS, build
from .wire import pack, unpack

pytestmark = pytest.mark.parity

RECIPES = list(mc.recipes.BY_NAME)
OPTIMIZERS = {
    "sgd": {"name": "SGD", "learning_rate": 0.1},
    "sgd, momentum": {"name": "SGD", "momentum": 0.9, "nesterov": True},
    "rmsprop": {"name": "RMSprop", "rho": 0.8},
    "rmsprop, all": {"name": "RMSprop", "momentum": 0.5, "centered": True, "clipnorm": 1.0},
    "adam": {"name": "Adam", "learning_rate": 0.01, "beta_1": 0.8},
    "adam, amsgrad": {"name": "Adam", "amsgrad": True, "global_clipnorm": 1.0},
    "adam, cosine": {"name": "Adam", "schedule": ("CosineDecay", 0.01, 15, 0.1)},
    "adamw": {"name": "AdamW", "weight_decay": 0.1, "clipvalue": 0.5},
    "adamax": {"name": "Adamax"},
    "nadam": {"name": "Nadam"},
    "adagrad": {"name": "Adagrad"},
    "adadelta": {"name": "Adadelta", "learning_rate": 1.0},
    "lion": {"name": "Lion"},
    "ftrl": {"name": "Ftrl", "beta": 0.1},
    "lamb": {"name": "Lamb"},
    "adam, averages": {"name": "Adam", "use_ema": True, "gradient_accumulation_steps": 3},
}


def batches(n=3, rows=8):
    both = [images(rows, seed) for seed in range(n)]
    return pack("x", [x for x, _ in both]) | pack("y", [y for _, y in both])


def trained(what, dtype, optimizer, steps=2):
    """A minicnn model after a few steps, so that moving averages and slots are neither 0 nor 1."""
    recipe = mc.recipes.BY_NAME.get(what)
    options = {"seed": 3, "device": device(dtype)}
    model = build(mc, what, **options) if recipe is None else recipe.build(mc, **options)
    name, arguments = optimizer["name"], {k: v for k, v in optimizer.items() if k not in ("name", "schedule")}
    if "schedule" in optimizer:
        kind, *values = optimizer["schedule"]
        arguments["learning_rate"] = getattr(mc.optimizers.schedules, kind)(*values)
    model.compile(getattr(mc.optimizers, name)(**arguments), "categorical_crossentropy", metrics=["accuracy", "mse"])
    data = batches()
    for i in range(steps):
        model.train_on_batch(data[f"x{i}"], data[f"y{i}"])
    return model


def published(what):
    name, arguments = mc.recipes.BY_NAME[what].optimizer
    return {"name": name, **arguments}


def state_of(optimizer):
    """Keras's order of variables, from minicnn's slots: spelled out here, independently of the code under test."""
    take_turns = {"Adam": ["m", "v"], "AdamW": ["m", "v"], "Nadam": ["m", "v"], "Adamax": ["m", "u"],
                  "Adadelta": ["a", "d"], "Ftrl": ["a", "z"],
                  "Lamb": ["m", "v"]}.get(type(optimizer).__name__, [])  # fmt: skip
    slots, count = optimizer.get_state(), len(optimizer.params)
    values = [value for name in ("average", "accumulated") for value in slots.get(name, [])]
    values += [slots[name][i] for i in range(count) for name in take_turns]
    return values + [value for name in optimizer.slots if name not in take_turns for value in slots[name]]


def same_bytes(ours, theirs):
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.tobytes() == b.tobytes()


def same_optimizer(model, header, arrays):
    optimizer, theirs = model.optimizer, unpack("o", arrays)
    assert type(optimizer).__name__ == header["optimizer"]
    assert optimizer.iterations == int(theirs[0]) > 0
    if optimizer.schedule is None:
        assert np.float32(optimizer.learning_rate) == np.float32(theirs[1])
    else:  # no variable, and Keras made the schedule again with the same arguments
        assert optimizer.schedule.get_config() == header["config"]["learning_rate"]["config"]
        theirs.insert(1, None)
    config = optimizer.get_config()
    for key in set(config) - {"learning_rate"}:
        assert config[key] == header["config"][key], key
    slots = state_of(optimizer)
    if slots:
        same_bytes(slots, theirs[2 : 2 + len(slots)])
    extra = theirs[2 + len(slots) :]
    if header["optimizer"] == "Nadam":
        beta = config["beta_1"]
        product = np.prod([beta * (1 - 0.5 * 0.96**t) for t in range(1, optimizer.iterations + 1)])
        assert float(extra[0]) == pytest.approx(product, rel=1e-5)
    else:
        assert not extra


@pytest.mark.parametrize("what", RECIPES)
def test_from_keras(keras32, what, tmp_path, yardstick):
    recipe, path = mc.recipes.BY_NAME[what], str(tmp_path / "model")
    start = recipe.build(mc, seed=9)
    header, arrays = keras32(
        "write_files", pack("w", start.get_weights()) | batches(), what=what, path=path, optimizer=published(what),
        options={"loss": "categorical_crossentropy", "metrics": ["accuracy"]},
    )  # fmt: skip
    model = mc.load_model(path + ".keras")
    assert [[type(a).__name__, a.name, list(a.sample_out)] for a in model.layers] == header["layers"]
    same_bytes(model.get_weights(), unpack("w", arrays))
    assert any(a.tobytes() != b.tobytes() for a, b in zip(model.get_weights(), start.get_weights(), strict=True))
    mine = model.predict(batches()["x0"], verbose=0)
    yardstick.absolute("files float32: predictions", what, mine, arrays["y"], 1e-5)
    same_optimizer(model, header, arrays)
    assert model.metrics_names == ["loss", "accuracy"]

    weights = recipe.build(mc, seed=1)  # the weights alone
    weights.load_weights(path + ".weights.h5")
    same_bytes(weights.get_weights(), unpack("w", arrays))

    twin = mc.model_from_json(header["json"])  # the architecture alone
    assert [w.shape for w in twin.get_weights()] == [w.shape for w in model.get_weights()]


@pytest.mark.parametrize("what", RECIPES)
def test_to_keras_and_back(keras32, what, tmp_path, yardstick):
    path, data = str(tmp_path / "model.keras"), batches()
    model = trained(what, "float32", published(what))
    model.save(path)
    header, arrays = keras32("read_file", data, path=path)
    assert [[type(a).__name__, a.name, list(a.sample_out)] for a in model.layers] == header["layers"]
    same_bytes(model.get_weights(), unpack("w", arrays))
    mine = model.predict(data["x0"], verbose=0)
    yardstick.absolute("files float32: predictions", what, mine, arrays["y"], 1e-5)
    same_optimizer(model, header, arrays)

    again = mc.load_model(str(tmp_path / "model.again.keras"))
    same_bytes(again.get_weights(), model.get_weights())
    same_bytes([*state_of(again.optimizer)], [*state_of(model.optimizer)])
    assert again.predict(data["x0"], verbose=0).tobytes() == mine.tobytes()
    assert again.metrics_names == ["loss", "accuracy", "mse"]

    weights = str(tmp_path / "model.weights.h5")
    model.save_weights(weights)
    _, arrays = keras32("read_file", data, path=weights, what=what)
    same_bytes(model.get_weights(), unpack("w", arrays))


@pytest.mark.parametrize("options", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_both_ways_and_on(keras64, options, tmp_path, yardstick):
    """Network E has no dropout: the next steps after loading agree too, so the state means the same to both."""
    path, data = str(tmp_path / "model.keras"), batches()
    model = trained("valid_conv", "float64", options)
    model.save(path)
    header, arrays = keras64("read_file", data, path=path, more=2)
    same_optimizer(model, header, arrays)
    back = mc.load_model(str(tmp_path / "model.again.keras"), device=device("float64"))  # after Keras's two steps
    mine = [model.train_on_batch(data["x0"], data["y0"])[0] for _ in range(2)]
    yardstick.relative("files float64: loss of the next steps", options["name"], mine, header["losses"], 1e-6)
    assert back.optimizer.iterations == model.optimizer.iterations == 4
    for p, a, b in zip(model.weights, model.get_weights(), back.get_weights(), strict=True):
        yardstick.relative("files float64: weights after them", f"{options['name']} {p.path}", b, a, 1e-6)


@pytest.mark.parametrize("what", LAYERS)
def test_every_layer_both_ways(keras64, what, tmp_path, yardstick):
    shape = LAYERS[what][0]
    x = np.random.default_rng(1).standard_normal((3, *shape))
    model = build(mc, what, seed=2, device=device("float64"))
    model.set_weights([w + np.random.default_rng(2).uniform(0.1, 0.2, w.shape) if w.shape else w
                       for w in model.get_weights()])  # a single number is Normalization's count, a whole one in Keras
    arrays = pack("w", model.get_weights()) | {"x0": x}
    _, theirs = keras64("write_files", arrays, what=what, path=str(tmp_path / "theirs"))
    loaded = mc.load_model(str(tmp_path / "theirs.keras"), device=device("float64"))
    assert [a.tobytes() for a in loaded.get_weights()] == [b.astype(float).tobytes() for b in unpack("w", theirs)]
    yardstick.absolute("files float64: layers from Keras", what, loaded.predict(x, verbose=0), theirs["y"], 1e-9)
    model.save(str(tmp_path / "ours.keras"))
    _, theirs = keras64("read_file", {"x0": x}, path=str(tmp_path / "ours.keras"))
    assert [a.tobytes() for a in model.get_weights()] == [b.astype(float).tobytes() for b in unpack("w", theirs)]
    yardstick.absolute("files float64: layers to Keras", what, model.predict(x, verbose=0), theirs["y"], 1e-9)
