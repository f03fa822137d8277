"""Optimizers against Keras's: the same gradients of network D for 20 steps, every option that has its own formula."""

import numpy as np
import pytest

import minicnn as mc

from .conftest import device, images, model_in
from .wire import pack, unpack

pytestmark = pytest.mark.parity

STEPS = 20
CASES = [
    {"name": "SGD"},
    {"name": "SGD", "momentum": 0.9},
    {"name": "SGD", "momentum": 0.9, "nesterov": True},
    {"name": "RMSprop"},
    {"name": "RMSprop", "momentum": 0.5, "centered": True},
    {"name": "Adagrad"},
    {"name": "Adadelta", "learning_rate": 1.0},
    {"name": "Adam"},
    {"name": "Adam", "amsgrad": True, "learning_rate": 0.01},
    {"name": "AdamW"},
    {"name": "Adamax"},
    {"name": "Nadam"},
    {"name": "Adam", "clipnorm": 0.05},
    {"name": "Adam", "global_clipnorm": 0.05},
    {"name": "RMSprop", "clipvalue": 0.002},
    {"name": "SGD", "weight_decay": 0.1, "momentum": 0.9},
    {"name": "Lion"},
    {"name": "Lion", "beta_1": 0.5, "beta_2": 0.7, "weight_decay": 0.1},
    {"name": "Ftrl"},
    {"name": "Ftrl", "learning_rate_power": -0.7, "l1_regularization_strength": 0.001, "beta": 0.1,
     "l2_regularization_strength": 0.1, "l2_shrinkage_regularization_strength": 0.01, "learning_rate": 0.1},
    {"name": "Lamb"},
    # With the usual 1e-30 Keras's float32 is not a number where a row and a column of gradients are 0.
    {"name": "Adafactor", "epsilon_1": 1e-15},
    {"name": "Adafactor", "learning_rate": 0.1, "beta_2_decay": -0.6, "clip_threshold": 0.8, "weight_decay": 0.01,
     "epsilon_1": 1e-15},
    {"name": "Lamb", "learning_rate": 0.1, "epsilon": 0.001, "clipnorm": 0.05},
    {"name": "Adam", "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    {"name": "SGD", "momentum": 0.9, "gradient_accumulation_steps": 3, "weight_decay": 0.1},
    {"name": "Adam", "gradient_accumulation_steps": 4, "use_ema": True, "ema_overwrite_frequency": 2},
    {"name": "SGD", "gradient_accumulation_steps": 2, "schedule": ("ExponentialDecay", 0.1, 7, 0.5)},
    {"name": "SGD", "schedule": ("ExponentialDecay", 0.1, 7, 0.5)},
    {"name": "Adam", "schedule": ("CosineDecay", 0.01, 15, 0.1)},
]


@pytest.fixture(scope="module")
def gradients():
    """20 gradients of network D's weights along an SGD path, and where it starts; of each tensor the first 100 rows."""
    model = model_in("float64", "d")
    model.compile(mc.optimizers.SGD(0.1), "categorical_crossentropy")
    start, path = [w[:100] for w in model.get_weights()], []
    for step in range(STEPS):
        before = model.get_weights()
        model.train_on_batch(*images(8, step))
        path.append([(b - a)[:100] / 0.1 for b, a in zip(before, model.get_weights(), strict=True)])
    return start, path


@pytest.mark.parametrize("case", CASES, ids=lambda case: " ".join(map(str, case.values())))
def test_twenty_steps(keras, dtype, case, gradients, yardstick):
    start, path = gradients
    sent = pack("p", [p.astype(dtype) for p in start])
    for t, step in enumerate(path):
        sent |= pack(f"g{t}_", [g.astype(dtype) for g in step])
    _, theirs = keras("optimize", sent, optimizer=case)
    for t, values in enumerate(walk(device(dtype), start, path, **case)):
        for i, (a, b) in enumerate(zip(values, unpack(f"p{t}_", theirs), strict=True)):
            bound = 1e-5 if dtype == "float32" else 1e-9
            yardstick.absolute(f"optimizers {dtype}", f"{case['name']} {case}, step {t + 1}, weight {i}", a, b, bound)
    assert max(np.abs(a - b).max() for a, b in zip(values, start, strict=True)) > 1e-3  # it did move


def walk(be, start, path, name, schedule=None, **options):
    """minicnn's parameters after each step."""
    if schedule:
        kind, *arguments = schedule
        options["learning_rate"] = getattr(mc.optimizers.schedules, kind)(*arguments)
    optimizer = getattr(mc.optimizers, name)(**options)
    params = [mc.Parameter(be.asarray(p), be, f"p{i}") for i, p in enumerate(start)]
    optimizer.build(params)
    for step in path:
        for p, g in zip(params, step, strict=True):
            p.receive(be.asarray(g))
        optimizer.apply()
        yield [p.numpy().copy() for p in params]
