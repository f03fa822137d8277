import json
import math
import os
import random

import numpy as np
import pytest

from minicnn import initializers, keras
from minicnn.errors import ArgumentError, ArgumentTypeError, ShapeError

CONV = (5, 5, 32, 64)  # fan_in 800, fan_out 1600


def stream(key=7):
    return np.random.Generator(np.random.Philox(key=key))


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((), (1, 1)), ((7,), (7, 7)), ((3, 5), (3, 5)), (CONV, (800, 1600)), ((3, 8, 16), (24, 48))],
)
def test_fans(shape, fans):
    assert initializers.fans(shape) == fans


@pytest.mark.parametrize(
    ("name", "shape", "limit"),
    [
        ("glorot_uniform", CONV, math.sqrt(6 / 2400)),
        ("glorot_uniform", (300, 700), math.sqrt(6 / 1000)),
        ("glorot_uniform", (5000,), math.sqrt(6 / 10000)),
        ("he_uniform", CONV, math.sqrt(6 / 800)),
        ("lecun_uniform", CONV, math.sqrt(3 / 800)),
        ("random_uniform", CONV, 0.05),
    ],
)
def test_uniform_limits(name, shape, limit):
    values = initializers.get(name)(shape, stream())
    assert values.dtype == np.float64
    assert values.shape == shape
    assert limit * 0.995 < values.max() <= limit
    assert -limit <= values.min() < -limit * 0.995
    assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.03)
    assert abs(values.mean()) < 4 * limit / math.sqrt(3 * values.size)


@pytest.mark.parametrize(
    ("name", "std"),
    [
        ("glorot_normal", math.sqrt(2 / 2400)),
        ("he_normal", math.sqrt(2 / 800)),
        ("lecun_normal", math.sqrt(1 / 800)),
        ("truncated_normal", 0.05 * 0.87962566),
    ],
)
def test_truncated_normals(name, std):
    values = initializers.get(name)(CONV, stream())
    limit = 2 * std / 0.87962566103423978
    assert values.std() == pytest.approx(std, rel=0.01)
    assert limit * 0.99 < np.abs(values).max() <= limit
    assert abs(values.mean()) < 4 * std / math.sqrt(values.size)


def test_he_normal_as_measured_in_keras():
    values = initializers.HeNormal(seed=0)(CONV)
    assert values.std() == pytest.approx(0.0501, abs=2e-4)
    assert np.abs(values).max() == pytest.approx(0.1137, abs=2e-4)


def test_plain_normals_have_tails():
    values = initializers.RandomNormal(mean=1.0, stddev=0.5)(CONV, stream())
    assert values.mean() == pytest.approx(1.0, abs=0.01)
    assert values.std() == pytest.approx(0.5, rel=0.02)
    assert np.abs(values - 1.0).max() > 4 * 0.4
    untruncated = initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")(CONV, stream())
    assert untruncated.std() == pytest.approx(math.sqrt(2 / 1600), rel=0.02)
    assert np.abs(untruncated).max() > 3 * math.sqrt(2 / 1600)


def test_constants():
    assert np.array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3)))
    assert np.array_equal(initializers.Ones()((2, 3), stream()), np.ones((2, 3)))
    assert np.array_equal(initializers.Constant(0.25)((4,)), np.full(4, 0.25))
    given = np.ones(2)
    values = initializers.Constant(given)((3, 2))
    values[0] = 7  # of the caller's own
    assert given.tolist() == [1, 1]
    assert np.array_equal(initializers.Identity(2.0)((2, 3)), [[2.0, 0, 0], [0, 2.0, 0]])


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5), (3, 3, 2, 7)])
def test_orthogonal(shape):
    flat = initializers.Orthogonal(gain=3.0, seed=1)(shape).reshape(-1, shape[-1])
    square = flat @ flat.T if flat.shape[0] < flat.shape[1] else flat.T @ flat
    assert square == pytest.approx(9.0 * np.eye(len(square)), abs=1e-12)


def test_orthogonal_is_uniform():
    # Without the signs of R's diagonal, LAPACK's Q has a first entry that is never positive.
    first = [initializers.Orthogonal(seed=seed)((3, 3))[0, 0] for seed in range(40)]
    assert 10 <= sum(value > 0 for value in first) <= 30


def test_the_models_stream_decides_and_moves_on():
    initializer, rng = initializers.HeNormal(), stream()
    first, second = initializer((3, 3), rng), initializer((3, 3), rng)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, initializers.HeNormal()((3, 3), stream()))
    assert not np.array_equal(first, initializer((3, 3), stream(8)))


def test_a_seed_of_its_own_decides_over_the_stream():
    initializer = initializers.HeNormal(seed=5)
    first = initializer((3, 3))
    assert np.array_equal(first, initializer((3, 3)))
    assert np.array_equal(first, initializer((3, 3), stream()))
    assert np.array_equal(first, math.sqrt(2 / 3) / 0.87962566103423978 * cut_normals(5, 9).reshape(3, 3))
    assert not np.array_equal(first, initializers.HeNormal(seed=6)((3, 3)))


def cut_normals(seed, n):
    rng = np.random.Generator(np.random.Philox(key=seed))
    values = rng.standard_normal(n)
    while (far := np.abs(values) > 2).any():
        values[far] = rng.standard_normal(far.sum())
    return values


def test_without_seed_and_stream_one_seed_is_drawn_and_kept():
    initializer = initializers.RandomNormal()
    first = initializer((4,))
    assert np.array_equal(first, initializer((4,)))
    assert not np.array_equal(first, initializers.RandomNormal()((4,)))
    assert initializer.get_config()["seed"] is None
    state = random.getstate()
    try:
        random.seed(3)
        again = initializers.RandomNormal()((4,))
        random.seed(3)
        assert np.array_equal(again, initializers.RandomNormal()((4,)))
    finally:
        random.setstate(state)


def test_a_seed_generator_gives_other_values_at_each_call():
    initializer = initializers.HeNormal(seed=keras.random.SeedGenerator(5))
    first, second = initializer((3, 3)), initializer((3, 3), stream())
    assert not np.array_equal(first, second)
    again = initializers.HeNormal(seed=keras.random.SeedGenerator(5))
    assert np.array_equal(first, again((3, 3)))
    assert np.array_equal(second, again((3, 3)))
    assert initializer.get_config() == {"seed": 5}


ALL = [
    initializers.Zeros(),
    initializers.Ones(),
    initializers.Constant(0.5),
    initializers.Identity(2.0),
    initializers.RandomNormal(1.0, 2.0, seed=1),
    initializers.TruncatedNormal(1.0, 2.0, seed=1),
    initializers.RandomUniform(-1.0, 2.0, seed=1),
    initializers.VarianceScaling(3.0, "fan_out", "uniform", seed=1),
    initializers.GlorotUniform(seed=1),
    initializers.GlorotNormal(seed=1),
    initializers.HeUniform(seed=1),
    initializers.HeNormal(seed=1),
    initializers.LecunUniform(seed=1),
    initializers.LecunNormal(seed=1),
    initializers.Orthogonal(2.0, seed=1),
]


@pytest.mark.parametrize("initializer", ALL, ids=lambda i: type(i).__name__)
def test_a_config_makes_the_same_initializer_again(initializer):
    config = json.loads(json.dumps(initializer.get_config()))
    again = initializers.get({"class_name": type(initializer).__name__, "config": config})
    assert repr(again) == repr(initializer)
    assert np.array_equal(again((4, 6)), initializer((4, 6)))


@pytest.mark.parametrize("initializer", ALL, ids=lambda i: type(i).__name__)
def test_names_classes_and_instances(initializer):
    cls = type(initializer)
    snake = "".join("_" * (i > 0 and c.isupper()) + c.lower() for i, c in enumerate(cls.__name__))
    assert type(initializers.get(snake)) is cls
    assert type(initializers.get(cls.__name__)) is cls
    assert type(initializers.get(cls)) is cls
    assert initializers.get(initializer) is initializer
    assert getattr(initializers, snake) is cls


def test_other_spellings():
    assert type(initializers.get("normal")) is initializers.RandomNormal
    assert type(initializers.get("uniform")) is initializers.RandomUniform
    assert type(initializers.get("zero")) is initializers.Zeros
    assert type(initializers.get("one")) is initializers.Ones
    assert initializers.get(None) is None
    keras_config = {"scale": 2.0, "mode": "fan_in", "distribution": "normal", "seed": None, "input_axes": None}
    scaled = initializers.get({"class_name": "VarianceScaling", "config": keras_config})
    assert (scaled.scale, scaled.distribution) == (2.0, "truncated_normal")


def test_a_function_of_your_own():
    assert initializers.get(lambda shape: np.full(shape, 2, dtype=np.float32))((2,)).dtype == np.float64
    assert initializers.get(lambda shape, dtype=None: np.ones(shape, dtype))((2,)).tolist() == [1, 1]
    drawn = initializers.get(lambda shape, rng: rng.random(shape))((3,), stream())
    assert np.array_equal(drawn, stream().random(3))

    def wrong(shape):
        return np.ones(3)

    with pytest.raises(ShapeError, match=r"^wrong: expected an array of shape \(2, 3\), received \(3,\)$"):
        initializers.get(wrong)((2, 3))
    with pytest.raises(ArgumentTypeError, match="received the function wrong"):
        initializers.get(wrong).get_config()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: initializers.get("he_norml"), ArgumentError, "received 'he_norml'; did you mean \"he_normal\"?"),
        (lambda: initializers.get(3), ArgumentTypeError, "a name, an Initializer, a function or an array, received 3"),
        (
            lambda: initializers.get({"class_name": "Ones", "config": {"vlaue": 1}}),
            ArgumentTypeError,
            "Ones: expected no config, received vlaue",
        ),
        (
            lambda: initializers.HeNormal(seed="a"),
            ArgumentTypeError,
            "HeNormal: seed: expected a whole number from 0 to 2^64 - 1, or None",
        ),
        (lambda: initializers.HeNormal(seed=-1), ArgumentError, "HeNormal: seed: expected a whole number from 0"),
        (lambda: initializers.VarianceScaling(0), ArgumentError, "scale: expected a finite number above 0, received 0"),
        (lambda: initializers.VarianceScaling(mode="fan_inn"), ArgumentError, 'did you mean "fan_in"?'),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), ArgumentError, "received 'cauchy'"),
        (
            lambda: initializers.RandomNormal(stddev=-1),
            ArgumentError,
            "RandomNormal: stddev: expected a finite number of at least 0, received -1",
        ),
        (lambda: initializers.RandomUniform(1, 0), ArgumentError, "RandomUniform: expected minval <= maxval"),
        (lambda: initializers.Constant("a"), ArgumentTypeError, "Constant: value: expected a finite number"),
        (lambda: initializers.Constant(math.nan), ArgumentError, "Constant: value: expected a finite number"),
        (lambda: initializers.Identity()((2, 2, 2)), ShapeError, "Identity: expected a shape of 2 axes"),
        (lambda: initializers.Orthogonal()((4,)), ShapeError, "Orthogonal: expected a shape of 2 or more axes"),
        (lambda: initializers.he_norml, AttributeError, "has no attribute 'he_norml'"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)


@pytest.mark.parity
@pytest.mark.parametrize("initializer", [i for i in ALL if hasattr(i, "seed")], ids=lambda i: type(i).__name__)
@pytest.mark.parametrize("shape", [(200, 300), (3, 3, 40, 80)])
def test_same_distribution_as_keras(initializer, shape):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    theirs = np.sort(
        np.asarray(getattr(keras.initializers, type(initializer).__name__)(**initializer.get_config())(shape)).ravel()
    )
    ours = np.sort(initializer(shape).ravel())
    n = len(ours)
    at = np.concatenate([ours, theirs])
    gap = np.abs(np.searchsorted(ours, at, "right") - np.searchsorted(theirs, at, "right")).max() / n
    assert gap < 2.3 * math.sqrt(2 / n)  # Kolmogorov and Smirnov: equal distributions pass but once in 20,000
