"""keras.random, K.random_* and tf.random: draws that are functions of a seed and a count."""

import re

import numpy as np
import pytest

from minicnn import Tensor, check_grad, keras
from minicnn.errors import ArgumentError, ShapeError
from minicnn.keras import backend as K
from minicnn.keras import tf

R = keras.random
DRAWS = {
    "normal": ((), {"mean": 1.0, "stddev": 0.5}), "truncated_normal": ((), {"mean": 1.0, "stddev": 0.5}),
    "uniform": ((), {"minval": -1.0, "maxval": 2.0}), "randint": ((-2, 4), {}), "gamma": ((2.0,), {}),
    "beta": ((2.0, 3.0), {}), "binomial": ((5, 0.25), {}),
}  # fmt: skip
MEANS = {"normal": 1.0, "truncated_normal": 1.0, "uniform": 0.5, "randint": 0.5, "gamma": 2.0, "beta": 0.4,
         "binomial": 1.25}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
def test_draws_repeat_by_their_seed(name):
    given, options = DRAWS[name]

    def draw(seed=None):
        return getattr(R, name)((2000,), *given, seed=seed, **options).numpy()

    assert (draw(3) == draw(3)).all()
    assert (draw(3) != draw(4)).any()
    one, other = R.SeedGenerator(3), R.SeedGenerator(3)
    first = draw(one)
    assert (first == draw(other)).all()
    assert (draw(one) != first).any()
    assert (draw(one) != draw(other)).any()  # the third draw, and the second
    keras.utils.set_random_seed(5)
    shared = draw(), draw()
    assert (shared[0] != shared[1]).any()
    keras.utils.set_random_seed(5)
    assert (draw() == shared[0]).all()
    spread = 5 * first.std() / np.sqrt(first.size)
    assert abs(first.mean() - MEANS[name]) < spread
    assert first.dtype == np.float32


def test_their_bounds():
    x = R.truncated_normal((4000,), 1.0, 0.5, seed=1).numpy()
    assert 0 <= x.min() < 0.1
    assert 1.9 < x.max() <= 2
    assert np.unique(R.randint((500,), -2, 4, seed=1)).tolist() == [-2, -1, 0, 1, 2, 3]
    y = R.uniform((5000,), 1.0, 1.0 + 2**-22, seed=1).numpy()
    assert set(y) == {np.float32(1), np.float32(1 + 2**-23)}  # never maxval, although rounding goes there
    logits = np.log([[0.1, 0.9], [1.0, 1e-30]])
    classes = R.categorical(logits, 3000, seed=2).numpy()
    assert classes.shape == (2, 3000)
    assert abs(classes[0].mean() - 0.9) < 0.03
    assert not classes[1].any()
    with pytest.raises(ArgumentError, match=re.escape("randint: maxval: expected a number above minval, 3")):
        R.randint((2,), 3, 3)
    with pytest.raises(ShapeError, match="categorical: logits"):
        R.categorical(np.ones(3), 2)


def test_dropout_and_shuffle_have_gradients(rng):
    x = rng.normal(size=(6, 5, 4))
    y = R.dropout(Tensor(x), 0.25, seed=7).numpy()
    kept = y != 0
    np.testing.assert_allclose(y[kept], x[kept] / 0.75, rtol=1e-12)
    assert 0.6 < kept.mean() < 0.9
    rows = R.dropout(Tensor(x), 0.5, noise_shape=(6, 1, None), seed=7).numpy() != 0
    assert (rows == rows[:, :1]).all()
    assert rows.any()
    assert not rows.all()
    assert R.dropout(Tensor(x), 0.0, seed=7).numpy() is not None
    assert not R.dropout(Tensor(x), 1.0, seed=7).numpy().any()
    check_grad(lambda x: R.dropout(x, 0.5, seed=7), [x], rng=rng)
    check_grad(lambda x: R.dropout(x, 0.5, (None, 1, 4), seed=7), [x], rng=rng)
    mixed = R.shuffle(Tensor(x), axis=1, seed=3)
    assert sorted(mixed.numpy()[0, :, 0]) == sorted(x[0, :, 0])
    assert (mixed.numpy() != x).any()
    check_grad(lambda x: R.shuffle(x, axis=1, seed=3), [x], rng=rng)
    generator = R.SeedGenerator(1)
    assert (R.dropout(x, 0.5, seed=generator).numpy() != R.dropout(x, 0.5, seed=generator).numpy()).any()


def test_the_names_of_keras_2_and_tensorflow():
    assert K.random_normal((3, 2), mean=5.0, stddev=0.1).numpy().mean() > 4
    assert abs(K.truncated_normal((50,), 0.0, 1.0).numpy()).max() <= 2
    assert set(np.unique(K.random_bernoulli((60,), p=0.5, seed=3))) == {0, 1}
    assert (K.random_binomial((60,), p=0.5, seed=3).numpy() == K.random_bernoulli((60,), p=0.5, seed=3).numpy()).all()
    assert not K.dropout(np.ones(3), 1.0).numpy().any()
    whole = tf.random.uniform([40], maxval=5, dtype=tf.int32, seed=1).numpy()
    assert set(whole) == {0, 1, 2, 3, 4}
    assert tf.random.uniform([40], 2, 3).numpy().min() >= 2
    assert tf.random.truncated_normal([3]).shape == (3,)
    assert tf.random.categorical(np.zeros((2, 3)), 4).shape == (2, 4)
    assert sorted(tf.random.shuffle(np.arange(5.0)).numpy()) == [0, 1, 2, 3, 4]


class Sampling(keras.layers.Layer):
    """z = mean + exp(log variance / 2) e with e from N(0, 1), as in variational autoencoders."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        mean, log_var = inputs
        noise = keras.random.normal(shape=keras.ops.shape(mean), seed=self.seed_generator)
        return mean + keras.ops.exp(0.5 * log_var) * noise


def test_a_layer_samples_anew_in_every_call(tmp_path):
    def sampler():
        a, b = keras.Input((3,)), keras.Input((3,))
        return keras.Model([a, b], Sampling(11)([a, b]))

    model, again, zeros = sampler(), sampler(), [np.zeros((4, 3))] * 2
    first, second = (model.predict(zeros, verbose=0) for _ in range(2))
    assert (first != second).all()
    assert (again.predict(zeros, verbose=0) == first).all()
    assert sorted(map(abs, first.ravel())) != [0] * 12
    model.save(tmp_path / "m.keras")
    read = keras.models.load_model(tmp_path / "m.keras", custom_objects={"Sampling": Sampling})
    assert read.predict(zeros, verbose=0).shape == (4, 3)
