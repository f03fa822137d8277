"""Every optimizer against Keras's numbers and the formulas of its own docstring, through Parameter, build and apply."""

# ruff: noqa: E501  (messages are compared word for word, each on its line)

import copy
import math
import pickle

import numpy as np
import pytest

from minicnn import Input, Parameter, Sequential, errors, layers, optimizers
from minicnn.backend.cpu import CPU

O = optimizers  # noqa: E741
START, GRADIENT = np.array([1.0, -2, 0.5]), np.array([0.1, -0.2, 0.3])
BACKENDS = [pytest.param(CPU("numpy_ref", "float64"), id="float64"), pytest.param(CPU("numba_cpu"), id="float32")]


def run(optimizer, be, steps=3, start=START, gradients=None):
    """Parameters [w] after `steps` with gradient t * GRADIENT."""
    p = Parameter(start.copy(), be, "layer/w")
    optimizer.build([p])
    for t in range(1, steps + 1):
        p.receive(be.asarray(GRADIENT * t if gradients is None else gradients[t - 1]))
        optimizer.apply()
    assert optimizer.iterations == steps
    return p.numpy().astype(float)


GOLDEN = [
    (O.SGD(), [0.994, -1.988, 0.482]),
    (O.SGD(momentum=0.9), [0.99049, -1.98098, 0.47147]),
    (O.SGD(momentum=0.9, nesterov=True), [0.985441, -1.970882, 0.456323]),
    (O.RMSprop(), [0.99139014, -1.99138999, 0.49138996]),
    (O.RMSprop(momentum=0.9), [0.98341151, -1.98341114, 0.48341107]),
    (O.RMSprop(centered=True), [0.99056635, -1.99056617, 0.49056614]),
    (O.Adam(), [0.99707687, -1.99707684, 0.49707683]),
    (O.AdamW(), [0.99706488, -1.99705286, 0.49707085]),
    (O.Adagrad(), [0.99856972, -1.99799663, 0.49773097]),
    (O.Adadelta(), [0.99999462, -1.99999462, 0.49999462]),
    (O.Adamax(), [0.99754681, -1.99754681, 0.49754681]),
    (O.Nadam(), [0.99706768, -1.99706768, 0.49706768]),
]


def config_id(value):
    return (
        f"{type(value).__name__}-{'-'.join(map(str, value.get_config().values()))}" if hasattr(value, "apply") else ""
    )


@pytest.mark.parametrize("be", BACKENDS)
@pytest.mark.parametrize(("optimizer", "expected"), GOLDEN, ids=config_id)
def test_golden_vectors(be, optimizer, expected):
    twin = type(optimizer)(**optimizer.get_config())
    np.testing.assert_allclose(run(twin, be), expected, atol=2e-7 if be.dtype == np.float64 else 4e-7)


def test_clipnorm_golden(oracle):
    first = run(O.SGD(1.0, clipnorm=0.1), oracle, steps=1)
    np.testing.assert_allclose(first, [0.9732739, -1.9465477, 0.4198216], atol=5e-8)


def scalar(update, w, steps=3):
    """The formulas once more, one number at a time, in Python."""
    out = []
    for w0, g in zip(w, GRADIENT, strict=True):
        out.append(update(float(w0), [t * float(g) for t in range(1, steps + 1)]))
    return out


def adam(w, gs, lr=0.001, b1=0.9, b2=0.999, eps=1e-7, amsgrad=False):
    m = v = top = 0.0
    for t, g in enumerate(gs, start=1):
        m, v = m + (g - m) * (1 - b1), v + (g * g - v) * (1 - b2)
        top = max(top, v)
        w -= lr * math.sqrt(1 - b2**t) / (1 - b1**t) * m / (math.sqrt(top if amsgrad else v) + eps)
    return w


def nadam(w, gs, lr=0.001, b1=0.9, b2=0.999, eps=1e-7):
    m = v = 0.0
    product = 1.0
    for t, g in enumerate(gs, start=1):
        mu, after = (b1 * (1 - 0.5 * 0.96**s) for s in (t, t + 1))
        product *= mu
        m, v = m + (g - m) * (1 - b1), v + (g * g - v) * (1 - b2)
        step = after * m / (1 - product * after) + (1 - mu) * g / (1 - product)
        w -= lr * step / (math.sqrt(v / (1 - b2**t)) + eps)
    return w


def adadelta(w, gs, lr=0.001, rho=0.95, eps=1e-7):
    a = d = 0.0
    for g in gs:
        a = rho * a + (1 - rho) * g * g
        u = math.sqrt(d + eps) / math.sqrt(a + eps) * g
        d = rho * d + (1 - rho) * u * u
        w -= lr * u
    return w


def adamax(w, gs, lr=0.001, b1=0.9, b2=0.999, eps=1e-7):
    m = u = 0.0
    for t, g in enumerate(gs, start=1):
        m, u = m + (g - m) * (1 - b1), max(b2 * u, abs(g))
        w -= lr * m / ((1 - b1**t) * (u + eps))
    return w


def adagrad(w, gs, lr=0.001, a=0.1, eps=1e-7):
    for g in gs:
        a += g * g
        w -= lr * g / math.sqrt(a + eps)
    return w


def rmsprop(w, gs, lr=0.001, rho=0.9, momentum=0.0, eps=1e-7, centered=False):
    v = a = m = 0.0
    for g in gs:
        v, a = rho * v + (1 - rho) * g * g, rho * a + (1 - rho) * g
        m = momentum * m + lr * g / math.sqrt(v - (a * a if centered else 0) + eps)
        w -= m
    return w


def lion(w, gs, lr=0.001, b1=0.9, b2=0.99):
    m = 0.0
    for g in gs:
        way = b1 * m + (1 - b1) * g
        w -= lr * math.copysign(1, way)
        m = b2 * m + (1 - b2) * g
    return w


def ftrl(w, gs, lr=0.001, power=-0.5, a=0.1, l1=0.0, l2=0.0, shrinkage=0.0, beta=0.0):
    z, l2 = 0.0, l2 + beta / (2 * lr)
    for g in gs:
        sigma = ((a + g * g) ** -power - a**-power) / lr
        z += g + 2 * shrinkage * w - sigma * w
        a += g * g
        w = (min(max(z, -l1), l1) - z) / (a**-power / lr + 2 * l2)
    return w


@pytest.mark.parametrize("be", BACKENDS)
@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (O.Lion, lion), (O.Ftrl, ftrl), (lambda: O.Lion(0.1, 0.3, 0.6), lambda w, gs: lion(w, gs, 0.1, 0.3, 0.6)),
        (lambda: O.Ftrl(0.5, -0.7, 0.2, 0.01, 0.3, 0.1, 0.4),
         lambda w, gs: ftrl(w, gs, 0.5, -0.7, 0.2, 0.01, 0.3, 0.1, 0.4)),
        (O.Adam, adam), (O.Nadam, nadam), (O.Adadelta, adadelta), (O.Adamax, adamax), (O.Adagrad, adagrad),
        (O.RMSprop, rmsprop),
        (lambda: O.Adam(amsgrad=True, beta_2=0.5), lambda w, gs: adam(w, gs[::-1], b2=0.5, amsgrad=True)),
        (lambda: O.RMSprop(0.1, 0.5, 0.8, 1e-3, True), lambda w, gs: rmsprop(w, gs, 0.1, 0.5, 0.8, 1e-3, True)),
        (lambda: O.Nadam(0.01, 0.8, 0.9, 1e-3), lambda w, gs: nadam(w, gs, 0.01, 0.8, 0.9, 1e-3)),
    ],
)  # fmt: skip
def test_formulas(be, make, formula):
    steps = 12
    gradients = [GRADIENT * t for t in range(1, steps + 1)]
    optimizer = make()
    if getattr(optimizer, "amsgrad", False):
        gradients = gradients[::-1]  # falling, so that the greatest v matters
    actual = run(optimizer, be, steps, gradients=gradients)
    tolerance = {"rtol": 1e-12} if be.dtype == np.float64 else {"rtol": 2e-6}
    np.testing.assert_allclose(actual, scalar(formula, START, steps), **tolerance)


@pytest.mark.parametrize("be", BACKENDS)
def test_lamb(be, rng):
    """Each weight's step is as long as lr times the weight, except where one of them is nothing."""
    starts = [rng.standard_normal((3, 5)), rng.standard_normal(4), np.zeros(3)]
    gradients = [[rng.standard_normal(s.shape) for s in starts] for _ in range(4)]
    params = [Parameter(s, be, f"layer/{i}") for i, s in enumerate(starts)]
    optimizer = O.Lamb(0.1, 0.8, 0.9, 1e-3)
    optimizer.build(params)
    expected, m, v = [s.copy() for s in starts], [0.0] * 3, [0.0] * 3
    for t, step in enumerate(gradients, 1):
        for i, g in enumerate(step):
            params[i].receive(be.asarray(g))
            m[i], v[i] = 0.8 * m[i] + 0.2 * g, 0.9 * v[i] + 0.1 * g * g
            u = m[i] / (1 - 0.8**t) / (np.sqrt(v[i] / (1 - 0.9**t)) + 1e-3)
            size = np.linalg.norm(expected[i])
            expected[i] = expected[i] - 0.1 * (size / np.linalg.norm(u) if size else 1.0) * u
        optimizer.apply()
    for p, e in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.numpy(), e, rtol=1e-12 if be.dtype == np.float64 else 1e-5)


@pytest.mark.parametrize("be", BACKENDS)
def test_adafactor(be, rng):
    """Rows and columns stand for the squares of a matrix; a vector keeps its own."""
    starts = [rng.standard_normal((2, 3, 5)), rng.standard_normal(4), rng.standard_normal((4, 3))]
    params = [Parameter(s, be, f"layer/{i}") for i, s in enumerate(starts)]
    dead = Parameter(np.ones((2, 3)), CPU("numpy_ref", "float32"), "w")
    O.Adafactor().apply([[[0.0, 0, 0], [0, 1, 2]]], [dead])
    assert np.isfinite(dead.numpy()).all()
    assert (dead.numpy()[0] == 1).all()
    optimizer = O.Adafactor(0.3, beta_2_decay=-0.6, epsilon_1=1e-6, epsilon_2=1e-2, clip_threshold=0.8)
    optimizer.build(params)
    expected, r, c, v = [s.copy() for s in starts], [0.0] * 3, [0.0] * 3, [0.0] * 3
    for t in range(1, 7):
        kept = 1 - t**-0.6
        for i, p in enumerate(params):
            g = rng.standard_normal(p.shape)
            p.receive(be.asarray(g))
            square = g * g + 1e-6
            if g.ndim > 1:
                r[i] = kept * r[i] + (1 - kept) * square.mean(-1)
                c[i] = kept * c[i] + (1 - kept) * square.mean(-2)
                v[i] = (r[i] / r[i].mean(-1, keepdims=True))[..., None] * c[i][..., None, :]
            else:
                v[i] = kept * v[i] + (1 - kept) * square
            u = g / np.sqrt(v[i])
            rate = min(0.3, t**-0.5) * max(1e-2, np.sqrt(np.mean(expected[i] ** 2)))
            expected[i] = expected[i] - rate * u / max(1, np.sqrt(np.mean(u * u)) / 0.8)
        optimizer.apply()
    for p, e in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.numpy(), e, rtol=1e-12 if be.dtype == np.float64 else 1e-4, atol=1e-5)


# common to all --------------------------------------------------------------------------------------------------------

def test_a_step_of_ones_own_with_the_arguments_that_it_had():
    """Averages are handed over only where the device moves them in the same launch."""
    steps = []

    class Mine(O.SGD):
        def step(self, device_args=None, phase=None):
            steps.append(phase)
            super().step(device_args, phase)

    model = Sequential([Input((3,)), layers.Dense(2)], seed=1, kernels="numpy_ref")
    model.compile(Mine(), "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), batch_size=2, verbose=0)
    assert len(steps) == 2


ALL = [O.SGD, O.RMSprop, O.Adam, O.AdamW, O.Adagrad, O.Adadelta, O.Adamax, O.Ftrl, O.Lamb, O.Lion, O.Nadam,
       O.Adafactor]
everyone = pytest.mark.parametrize("cls", ALL, ids=lambda c: c.__name__)


def test_all_are_listed():
    found = {v for v in vars(O).values() if isinstance(v, type) and issubclass(v, O.Optimizer)} - {O.Optimizer}
    assert found == set(ALL)


@everyone
def test_names(cls):
    for name in (cls.__name__, cls.__name__.lower(), cls, cls()):
        assert isinstance(O.get(name), cls)
    instance = cls()
    assert O.get(instance) is instance
    assert instance.name == cls.__name__.lower()


@everyone
def test_defaults_are_keras_s(cls):
    config = {k: v for k, v in cls().get_config().items() if v is not None}
    rates = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
    assert (
        config
        == {
            O.SGD: {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False},
            O.RMSprop: {"learning_rate": 0.001, "rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False},
            O.Adam: {"learning_rate": 0.001, **rates, "amsgrad": False},
            O.AdamW: {"learning_rate": 0.001, "weight_decay": 0.004, **rates, "amsgrad": False},
            O.Adagrad: {"learning_rate": 0.001, "initial_accumulator_value": 0.1, "epsilon": 1e-7},
            O.Adadelta: {"learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7},
            O.Adamax: {"learning_rate": 0.001, **rates},
            O.Nadam: {"learning_rate": 0.001, **rates},
            O.Lamb: {"learning_rate": 0.001, **rates},
            O.Lion: {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.99},
            O.Ftrl: {"learning_rate": 0.001, "learning_rate_power": -0.5, "initial_accumulator_value": 0.1,
                     "l1_regularization_strength": 0.0, "l2_regularization_strength": 0.0,
                     "l2_shrinkage_regularization_strength": 0.0, "beta": 0.0},
            O.Adafactor: {"learning_rate": 0.001, "beta_2_decay": -0.8, "epsilon_1": 1e-30, "epsilon_2": 1e-3,
                          "clip_threshold": 1.0, "relative_step": True},
        }[cls]
    )


@everyone
@pytest.mark.parametrize("be", BACKENDS)
def test_two_parameters_are_two_problems(cls, be, rng):
    """Of any sizes: each steps as it would alone, and the padding between them does not matter."""
    shapes = [(3, 5), (), (17,), (2, 2, 2)]
    starts, gradients = ([rng.standard_normal(s) for s in shapes] for _ in range(2))
    params = [Parameter(s, be, f"layer/{i}") for i, s in enumerate(starts)]
    together = cls()
    together.build(params)
    for _ in range(3):
        for p, g in zip(params, gradients, strict=True):
            p.receive(be.asarray(g))
        together.apply()
    for p, start, g in zip(params, starts, gradients, strict=True):
        alone = Parameter(start, be, "alone/w")
        optimizer = cls()
        optimizer.build([alone])
        for _ in range(3):
            alone.receive(be.asarray(g))
            optimizer.apply()
        np.testing.assert_array_equal(p.numpy(), alone.numpy())
        assert p.shape == start.shape


@everyone
def test_no_gradient_is_a_gradient_of_zero(cls, oracle):
    p, q = (Parameter(START, oracle, f"layer/{name}") for name in "pq")
    optimizer = cls(weight_decay=None)
    optimizer.build([p, q])
    for _ in range(3):
        p.receive(GRADIENT)
        optimizer.apply()
    if cls is O.Ftrl:  # which starts anew from its sums of gradients, as Keras's
        assert not q.numpy().any()
    else:
        np.testing.assert_array_equal(q.numpy(), START)
    assert (p.numpy() != START).all()
    assert p.grad is None


def test_an_old_gradient_is_not_used_again(oracle):
    p = Parameter(START, oracle, "layer/w")
    optimizer = O.SGD(1.0)
    optimizer.build([p])
    p.receive(np.ones(3))
    for _ in range(3):
        optimizer.apply()
    np.testing.assert_array_equal(p.numpy(), START - 1)


def test_weights_and_gradients_are_slices_of_flat_buffers(oracle):
    p, q = Parameter(START, oracle, "a/p"), Parameter(np.ones((2, 2)), oracle, "a/q")
    optimizer = O.SGD(1.0)
    optimizer.build([p, q])
    for own, buffer in ((p.data, optimizer.flat), (q.data, optimizer.flat), (q.grad_buffer, optimizer.flat_grad)):
        assert np.shares_memory(own, buffer)
    p.assign([5.0, 6, 7])  # set_weights after build
    p.receive(np.ones(3))
    q.receive(np.ones((2, 2)))
    q.receive(np.ones((2, 2)))
    optimizer.apply()
    assert p.numpy().tolist() == [4, 5, 6]
    assert q.numpy().tolist() == [[-1, -1], [-1, -1]]


class Own(O.SGD):
    """An optimizer with arithmetic of its own, on all weights together."""

    def update(self, be, p, g, slot, lr, t):
        p -= lr * g / abs(g).max()


class Clipped(O.SGD):
    """A bound that is set when the weights have long been taken over."""

    def build(self, params):
        super().build(params)
        self.global_clipnorm = 0.1


class Slotted(O.Optimizer):
    """Arithmetic of its own that begins with a slot, which nothing but a step may change."""

    slots, start = ("m",), 1.0

    def update(self, be, p, g, slot, lr, t):
        slot.m *= 0.5
        p -= lr * slot.m * g


class Looking(O.SGD):
    """Refuses what is no gradient, and counts how often it is asked."""

    calls = 0

    def update(self, be, p, g, slot, lr, t):
        if g is None or not np.isfinite(g).all():
            raise ValueError(f"step {t}: gradient {g}")
        self.calls += 1
        assert (t, len(p)) == (self.calls, len(g))
        super().update(be, p, g, slot, lr, t)


def test_an_update_of_ones_own_sees_real_gradients_once_per_step(fast):
    own, plain = Looking(0.1, momentum=0.9), O.SGD(0.1, momentum=0.9)
    assert run(own, fast).tolist() == run(plain, fast).tolist()
    assert own.calls == 3
    assert (own.declared, plain.declared) == (False, True)
    assert own.device_args(0) is None
    with pytest.raises(NotImplementedError, match="declare `kernel`"):
        run(O.Optimizer(0.1), fast)


@pytest.mark.parametrize(
    ("make", "stays"),
    [
        (O.Adam, True),
        (lambda: O.SGD(0.1, momentum=0.9, weight_decay=0.01), True),
        (lambda: O.SGD(0.1, clipnorm=0.1), True),
        (lambda: Clipped(0.1), True),
        (lambda: Own(0.1), False),
        (lambda: Slotted(0.1), False),
    ],
)
def test_large_gradients_stay_where_they_are_and_change_nothing(make, stays, oracle, monkeypatch):
    sizes, rng = (3, 40, 5, 7, 50), np.random.default_rng(0)
    gradients = {(n, step): rng.standard_normal(n) for n in sizes for step in range(3)}

    def trained(large, stays):
        monkeypatch.setattr("minicnn.optimizers.base.LARGE", large)
        params = [Parameter(np.ones(n), oracle, f"layer/{n}") for n in sizes]
        optimizer = make()
        optimizer.build(params)
        for step in range(3):
            for n, p in zip(sizes, params, strict=True):
                if (n, step) != (40, 1):  # once there is no path from the loss to it
                    p.receive(gradients[n, step])
                if (n, step) == (50, 2):  # and once there are two
                    p.receive(gradients[n, 0])
            if step == 0:
                assert [p.separate_update for p in params] == [stays and p.data.size > large for p in params]
            optimizer.apply()
        return np.concatenate([p.numpy() for p in params])

    np.testing.assert_array_equal(trained(30, stays), trained(1000, False))


def test_building_changes_no_slot(oracle):
    optimizer = Slotted(0.1)
    optimizer.build([Parameter(np.ones(4), oracle, "layer/w")])
    assert (optimizer.slot.m == 1).all()


def test_a_large_gradient_of_another_type_is_cast(monkeypatch):
    monkeypatch.setattr("minicnn.optimizers.base.LARGE", 2)
    optimizer, seen = O.SGD(0.1), []
    p = Parameter(np.ones(3), CPU("numpy_ref", "float32"), "layer/w")
    optimizer.build([p])
    monkeypatch.setattr(optimizer, "update", lambda be, p, g, *rest: seen.append(g.dtype))
    p.receive(np.ones(3))
    optimizer.apply()
    assert seen == [np.float32]


@pytest.mark.parametrize("cls", [O.Adam, O.SGD])
def test_state_is_kept_when_the_trainable_set_changes(cls, oracle):
    make = (lambda: cls(momentum=0.9)) if cls is O.SGD else cls
    p, q = (Parameter(START, oracle, f"layer/{name}") for name in "pq")
    optimizer, alone = make(), make()
    expected = Parameter(START, oracle, "layer/alone")
    alone.build([expected])
    for trainable in ([p, q], [p], [q, p], [p, q]):
        optimizer.build(trainable)
        p.receive(GRADIENT)
        expected.receive(GRADIENT)
        optimizer.apply()
        alone.apply()
        np.testing.assert_array_equal(p.numpy(), expected.numpy())
    optimizer.build([p, q])  # nothing changed: the buffers stay
    flat = optimizer.flat
    optimizer.build([p, q])
    assert optimizer.flat is flat


def test_another_optimizer_may_take_over_and_give_back(oracle):
    p = Parameter(START, oracle, "layer/w")
    first, second = O.SGD(1.0), O.SGD(1.0)
    for optimizer in (first, second, first):
        optimizer.build([p])
        p.receive(np.ones(3))
        optimizer.apply()
    np.testing.assert_array_equal(p.numpy(), START - 3)


# clipping, decay, rates -----------------------------------------------------------------------------------------------


def stepped(optimizer, be, gradients):
    params = [Parameter(np.zeros_like(g), be, f"layer/{i}") for i, g in enumerate(gradients)]
    optimizer.build(params)
    for p, g in zip(params, gradients, strict=True):
        p.receive(be.asarray(g))
    optimizer.apply()
    return [-p.numpy() for p in params]  # SGD at rate 1: the gradient that was used


@pytest.mark.parametrize("be", BACKENDS)
def test_clipping(be):
    g = [np.array([3.0, 4]), np.array([0.3, 0.4])]
    norm, total = (5, 0.5), math.sqrt(25.25)

    def check(actual, expected):
        for a, e in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, e, rtol=1e-6)

    check(stepped(O.SGD(1.0, clipnorm=1.0), be, g), [g[0] / norm[0], g[1]])
    check(stepped(O.SGD(1.0, global_clipnorm=1.0), be, g), [g[0] / total, g[1] / total])
    check(stepped(O.SGD(1.0, global_clipnorm=10.0), be, g), g)
    check(stepped(O.SGD(1.0, clipvalue=0.35), be, [-g[0], g[1]]), [[-0.35, -0.35], [0.3, 0.35]])


@pytest.mark.parametrize("be", BACKENDS)
def test_weight_decay_comes_before_the_update(be):
    w = run(O.SGD(0.5, weight_decay=0.1), be, steps=2, gradients=[GRADIENT, GRADIENT])
    expected = START
    for _ in range(2):
        expected = expected - 0.1 * 0.5 * expected - 0.5 * GRADIENT
    np.testing.assert_allclose(w, expected, rtol=1e-6)


@pytest.mark.parametrize("be", BACKENDS)
def test_some_weights_are_left_out_of_the_decay(be):
    names = ("a/kernel", "a/bias", "b/kernel", "b/gamma")
    params = [Parameter(START, be, name) for name in names]
    optimizer = O.SGD(0.5, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_list=[params[2]], var_names=["bias", "^gam"])
    optimizer.build(params)
    for p in params:
        p.receive(be.asarray(GRADIENT))
    optimizer.apply()
    for p, decays in zip(params, (True, False, False, False), strict=True):
        expected = START * (1 - 0.05 * decays) - 0.5 * GRADIENT
        np.testing.assert_allclose(p.numpy(), expected, rtol=1e-6)
    with pytest.raises(errors.ArgumentError, match="an optimizer before its first step"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


@pytest.mark.parametrize("be", BACKENDS)
@pytest.mark.parametrize(
    "make",
    [lambda **k: O.SGD(0.1, momentum=0.9, **k), lambda **k: O.Adam(0.1, weight_decay=0.1, **k),
     lambda **k: O.Lion(0.1, clipnorm=0.2, **k), lambda **k: O.RMSprop(0.1, gradient_accumulation_steps=2, **k)],
)  # fmt: skip
def test_steps_of_some_weights_are_longer(be, make):
    """What has a factor goes the way of an optimizer with that rate; the rest are the same bytes as ever."""

    def after(optimizer):
        params = [Parameter(START.copy(), be, path) for path in ("first/kernel", "first/bias", "dense/kernel")]
        optimizer.build(params)
        for t in range(1, 5):
            for p in params:
                p.receive(be.asarray(GRADIENT * t))
            optimizer.apply()
        return [p.numpy() for p in params]

    plain = after(make())
    some = after(make(learning_rate_factors={"^first/": 0.25, "bias$": 3}))
    tenth, thrice = make(), make()
    tenth.learning_rate, thrice.learning_rate = 0.025, 0.3
    rtol = 1e-12 if be.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(some[0], after(tenth)[0], rtol=rtol)
    np.testing.assert_allclose(some[1], after(thrice)[1], rtol=rtol)
    assert some[2].tobytes() == plain[2].tobytes()


def test_factors_are_kept_and_a_name_that_nobody_has_is_told(notes):
    factors = {"^first/": 0.25, "kernal": 2.0}
    optimizer = O.SGD(learning_rate_factors=factors)
    assert O.SGD.from_config(optimizer.get_config()).learning_rate_factors == factors
    assert "learning_rate_factors" not in O.SGD().get_config()
    run(optimizer, CPU("numba_cpu"))
    assert [note for note in notes() if "'kernal' is in the name of no trainable weight" in note]


def test_decay_is_keras_2_s(oracle):
    optimizer = O.SGD(0.5, decay=0.25)
    w = run(optimizer, oracle, gradients=[np.ones(3)] * 3)
    np.testing.assert_allclose(w, START - 0.5 - 0.5 / 1.25 - 0.5 / 1.5, rtol=1e-15)
    assert optimizer.learning_rate == 0.5, "what ReduceLROnPlateau reads and sets"
    optimizer.learning_rate = 0.1
    assert optimizer.device_args(4)[0] == 0.05
    assert optimizer.get_config()["decay"] == 0.25


def oracle_of_extras(g, each=None, beta=None, every=None, lr=0.1, mu=0.9):
    """Momentum with averages of weights and of gradients, as Keras's formulas say it, step by step."""
    w, m, held, average = START.copy(), 0.0, 0.0, 0.0
    for step, gradient in enumerate(g):
        updates = step // (each or 1)
        if each is None or (step + 1) % each == 0:
            mean = (held + gradient) / (each or 1)
            m = mu * m - lr * mean
            w, held = w + m, 0.0
        else:
            held = held + gradient
        if beta is not None:
            b = beta if updates else 0.0
            average = b * average + (1 - b) * w
            if every and (updates + 1) % every == 0:
                w = average.copy()
    return w, average


@pytest.mark.parametrize("be", BACKENDS)
@pytest.mark.parametrize(
    ("each", "beta", "every"), [(3, None, None), (None, 0.9, None), (None, 0.8, 2), (2, 0.7, 3), (2, 0.7, None)]
)
def test_moving_averages_and_sums_of_gradients(be, each, beta, every, rng):
    gradients = [rng.standard_normal(3) for _ in range(11)]
    expected, average = oracle_of_extras(gradients, each, beta, every)
    how = {"gradient_accumulation_steps": each, "ema_overwrite_frequency": every}
    how |= {} if beta is None else {"use_ema": True, "ema_momentum": beta}
    optimizer = O.SGD(0.1, momentum=0.9, **how)
    twin = O.SGD.from_config(optimizer.get_config())
    assert twin.get_config() == optimizer.get_config()
    tolerance = {"rtol": 1e-12} if be.dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(run(optimizer, be, 11, gradients=gradients), expected, **tolerance)
    assert optimizer.kept == ("average",) * (beta is not None) + ("accumulated",) * (each is not None) + ("m",)
    state = optimizer.get_state()
    if beta is not None:
        np.testing.assert_allclose(state["average"][0], average, **tolerance)
    # a twin that takes over the state goes on with the same bytes
    p = optimizer.params[0]
    q = Parameter(p.numpy(), be, "layer/w")
    twin.set_state([q], state, 11)
    for one, w in ((optimizer, p), (twin, q)):
        w.receive(be.asarray(GRADIENT))
        one.apply()
    assert p.numpy().tobytes() == q.numpy().tobytes()
    optimizer.end_training()
    if beta is not None:
        np.testing.assert_array_equal(p.numpy(), optimizer.get_state()["average"][0])


def test_bias_correction_counts_updates(oracle):
    """Two equal gradients, added up, are one: Adam's step is that of half as many."""
    gradients = [GRADIENT * t for t in (1, 1, 2, 2, 3, 3)]
    twice = run(O.Adam(gradient_accumulation_steps=2), oracle, 6, gradients=gradients)
    np.testing.assert_allclose(twice, run(O.Adam(), oracle, 3), rtol=1e-14)


def test_schedule_counts_steps_from_0(oracle):
    seen = []
    optimizer = O.SGD(lambda step: seen.append(step) or 1.0 / (1 + step))
    w = run(optimizer, oracle, gradients=[np.ones(3)] * 3)
    assert seen == [0, 1, 2]
    np.testing.assert_allclose(w, START - 1 - 1 / 2 - 1 / 3)
    assert optimizer.learning_rate == 0.25
    with pytest.raises(
        TypeError, match=r"SGD: learning_rate: expected no assignment while a schedule sets it, received 0.1"
    ):
        optimizer.learning_rate = 0.1


def test_the_rate_can_be_set(oracle):
    optimizer = O.SGD(1.0)
    optimizer.learning_rate = np.float32(0.5)
    assert optimizer.lr == 0.5
    optimizer.lr = 2
    assert run(optimizer, oracle, steps=1).tolist() == (START - 2 * GRADIENT).tolist()


def test_old_spellings(notes):
    optimizer = O.Adam(lr=0.01, decay=0.0)
    assert optimizer.learning_rate == 0.01
    O.Adam(lr=0.02, epsilon=None, decay=0.0)  # said once
    assert notes() == ["Adam(lr=...) is read as learning_rate="]
    O.Adam(loss_scale_factor=8)
    assert notes() == ["Adam(loss_scale_factor=...) has no effect on fit: its gradients are of float32 or wider"]
    assert O.Adam(epsilon=None).epsilon == 1e-7


def test_count_params(oracle):
    """Keras's count: Adam on 8,050 weights has 16,102 numbers of state."""
    optimizer = O.Adam()
    optimizer.build([Parameter(np.zeros(8050), oracle, "layer/w")])
    assert optimizer.count_params() == 16102


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: O.Adam(-0.1), ValueError, "Adam: learning_rate: expected a finite number of at least 0, received -0.1"),
        (lambda: O.Adam(math.nan), ValueError, "Adam: learning_rate: expected a finite number of at least 0, received nan"),
        (lambda: O.Adam("0.1"), TypeError, "Adam: learning_rate: expected a number or a schedule, received '0.1'"),
        (lambda: O.Adam(beta_1=1), ValueError, "Adam: beta_1: expected a number from 0 to below 1, received 1"),
        (lambda: O.SGD(momentum=-1), ValueError, "SGD: momentum: expected a number from 0 to below 1, received -1"),
        (lambda: O.SGD(clipnorm=1, clipvalue=1), ValueError, "SGD: expected at most one of clipnorm, clipvalue, global_clipnorm, received 2 of them"),
        (lambda: O.SGD(clipnorm=0), ValueError, "SGD: clipnorm: expected a finite number above 0, or None, received 0"),
        (lambda: O.SGD(weight_decay=-1), ValueError, "SGD: weight_decay: expected a finite number of at least 0, or None, received -1"),
        (lambda: O.SGD(decay=-1), ValueError, "SGD: decay: expected a finite number of at least 0, or None, received -1"),
        (lambda: O.SGD(lambda step: 0.1, decay=0.1), ValueError, "SGD: learning_rate: expected a number beside decay, received a schedule; leave out decay, or the schedule"),
        (lambda: O.SGD(gradient_accumulation_steps=1), ValueError, "SGD: gradient_accumulation_steps: expected a whole number of at least 2, or None, received 1"),
        (lambda: O.SGD(ema_momentum=1.5), ValueError, "SGD: ema_momentum: expected a number from 0 to 1, received 1.5"),
        (lambda: O.SGD(use_ema=True, ema_overwrite_frequency=0), ValueError, "SGD: ema_overwrite_frequency: expected a whole number of at least 1, or None, received 0"),
        (lambda: O.SGD(loss_scale_factor=0), ValueError, "SGD: loss_scale_factor: expected a finite number above 0, or None, received 0"),
        (lambda: O.SGD().exclude_from_weight_decay(var_names=["("]), ValueError, "SGD: exclude_from_weight_decay: var_names: expected regular expressions, received ['('] (missing ), unterminated subpattern at position 0)"),
        (lambda: setattr(O.SGD(), "use_ema", True), ValueError, "SGD: use_ema: expected a change that keeps the state that it has, received True; make a new optimizer"),
        (lambda: O.Lion(beta_1=1), ValueError, "Lion: beta_1: expected a number from 0 to below 1, received 1"),
        (lambda: O.Ftrl(learning_rate_power=0.5), ValueError, "Ftrl: learning_rate_power: expected a finite number of at most 0, received 0.5"),
        (lambda: O.SGD(rate=1), TypeError, "SGD: expected arguments of the optimizer, received 'rate'"),
        (lambda: O.get("addam"), ValueError, """optimizer: expected one of adadelta, adafactor, adagrad, adam, adamw, adamax, ftrl, lamb, lion, nadam, rmsprop, sgd, received 'addam'; did you mean "adam"?"""),
        (lambda: O.get(3), TypeError, "optimizer: expected a name or an Optimizer, received 3"),
        (lambda: O.Adagrad(initial_accumulator_value=-1), ValueError, "Adagrad: initial_accumulator_value: expected a finite number of at least 0, received -1"),
    ],
)  # fmt: skip
def test_errors(make, error, message):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message
    assert isinstance(caught.value, errors.MinicnnError)


def test_a_refused_rate_changes_nothing():
    optimizer = O.Adam(0.5)
    with pytest.raises(ValueError, match="learning_rate"):
        optimizer.learning_rate = -1
    assert optimizer.learning_rate == 0.5


@pytest.mark.parametrize("make", [lambda r: optimizers.Adam(beta_1=r), lambda r: optimizers.RMSprop(rho=r)])
def test_a_decay_rate_is_below_1(make):
    make(0.999)
    with pytest.raises(errors.ArgumentError, match="expected a number from 0 to below 1, received 1"):
        make(1.0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))])
@pytest.mark.parametrize("steps", [0, 2])
def test_a_copy_goes_on_with_buffers_of_its_own(copied, steps):
    """Its parameters are slices of its own buffer: a copy of both, one by one, would step what nobody reads."""
    optimizer, p = O.Adam(lambda t: 0.1 / (t + 1)) if copied is copy.deepcopy else O.Adam(0.1), None
    p = Parameter(START.copy(), CPU("numpy_ref", "float64"), "layer/w")
    if steps:
        optimizer.build([p])
    for _ in range(steps):
        p.receive(GRADIENT.copy())
        optimizer.apply()
    other, q = copied((optimizer, p))
    for which, weight in ((optimizer, p), (other, q)):
        which.build([weight])
        weight.receive(GRADIENT.copy())
        which.apply()
    assert other.iterations == steps + 1
    assert (q.numpy() == p.numpy()).all()
    assert (p.numpy() != START).all()
    assert not np.shares_memory(p.data, q.data)
