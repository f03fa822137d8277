"""keras.random, and the draws of keras.backend and tf: each is a function of two numbers, a seed and a count.

    seed=5                  the same draws in every call
    seed=SeedGenerator(5)   the generator counts: other draws in each call, the same ones when the program runs again
    seed=None               of a generator that all such calls share; keras.utils.set_random_seed lets it begin anew

The numbers are those of NumPy's counted generator; dropout reads the engine's own stream, on the tensor's device.
"""

import random

import numpy as np

from ..arguments import number, text, whole
from ..arguments import seed as checked_seed
from ..backend.streams import DROPOUT, stream
from ..core.tensor import Tensor
from ..errors import ArgumentError, require
from ..naming import auto_name
from ..ops import join as J
from ..ops.dropout import dropout as dropped
from . import _backend as B

_shared: list = []  # the generator of draws without a seed, once there is one
_streams: dict[int, np.random.Generator] = {}  # of tf.image's seeds, each of which goes on from call to call


class SeedGenerator:
    """Seeds that count: next() is (seed, 0), then (seed, 1), and so on.  None: a seed from Python's `random`."""

    def __init__(self, seed=None, name=None, **options):
        self._given = checked_seed("SeedGenerator: seed", seed)
        self.name = text("SeedGenerator: name", name, optional=True) or auto_name("SeedGenerator")
        self.seed, self.count = random.randint(1, 10**9) if self._given is None else self._given, 0

    @property
    def state(self) -> np.ndarray:
        """(seed, how many were taken)."""
        return np.array([self.seed, self.count], np.uint64)

    def next(self, ordered=True) -> tuple[int, int]:
        """A pair of numbers that every draw takes as its seed."""
        self.count += 1
        return self.seed, self.count - 1

    def get_config(self) -> dict:
        return {"seed": self._given, "name": self.name}

    @classmethod
    def from_config(cls, config: dict) -> "SeedGenerator":
        return cls(**config)


def forget() -> None:
    """Draws without a seed begin anew, by Python's `random`; so do the streams of tf.image's seeds."""
    _shared.clear()
    _streams.clear()


def stream_of(where: str, seed) -> np.random.Generator:
    """The stream of a seed, which goes on until `forget`."""
    found = checked_seed(where, seed)
    assert found is not None
    return _streams.setdefault(found, np.random.default_rng(found))


def _pair(where: str, seed) -> tuple[int, int]:
    """(seed, count) of a draw."""
    if seed is None:
        if not _shared:
            _shared.append(SeedGenerator())
        seed = _shared[0]
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if np.ndim(seed) == 1 and len(seed) == 2:
        return int(seed[0]), int(seed[1])
    found = checked_seed(f"{where}: seed", seed)
    assert found is not None
    return found, 0


def drawn(where: str, seed) -> np.random.Generator:
    """NumPy's counted generator at a draw's place."""
    own, count = _pair(where, seed)
    return np.random.Generator(np.random.Philox(key=own, counter=[0, 0, count, 0]))


def sizes(shape) -> tuple[int, ...]:
    """A shape that may be a tensor or have tensors in it."""
    return tuple(int(n) for n in (shape if isinstance(shape, (tuple, list)) else np.asarray(shape).reshape(-1)))


def made(numbers) -> Tensor:
    """Numbers of any kind as a tensor."""
    return B.tensor(np.asarray(numbers, np.float32))


def _array(x):
    return B.get_value(x) if isinstance(x, Tensor) else x


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Draws from N(mean, stddev^2)."""
    return made(drawn("normal", seed).normal(_array(mean), _array(stddev), sizes(shape)))


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Draws from N(mean, stddev^2), those further than 2 stddev from the mean drawn again."""
    from_zero, draw = np.empty(sizes(shape)), drawn("truncated_normal", seed)
    missing = np.ones(from_zero.shape, bool)
    while missing.any():
        from_zero[missing] = draw.normal(size=missing.sum())
        missing = abs(from_zero) > 2
    return made(from_zero * stddev + mean)


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Draws from minval to below maxval."""
    low, high, float32 = _array(minval), _array(maxval), np.float32
    found = drawn("uniform", seed).random(sizes(shape), float32) * float32(np.subtract(high, low)) + float32(low)
    return made(np.where(found < high, found, low))  # rounding up reached maxval


def randint(shape, minval, maxval, dtype="int32", seed=None):
    """Whole numbers from minval to below maxval, each as often."""
    low, high = whole("randint: minval", minval, low=None), whole("randint: maxval", maxval, low=None)
    require(low < high, "randint: maxval", f"a number above minval, {low}", high, error=ArgumentError)
    return made(drawn("randint", seed).integers(low, high, sizes(shape)))


def categorical(logits, num_samples, dtype="int32", seed=None):
    """(N, C) logs of probabilities -> (N, num_samples) numbers of classes, class c with probability softmax(l)_c."""
    logits = np.asarray(_array(logits), float)
    require(logits.ndim == 2, "categorical: logits", "shape (N, C)", logits.shape)
    noise = drawn("categorical", seed).gumbel(size=(len(logits), whole("categorical: num_samples", num_samples),
                                                    logits.shape[1]))  # fmt: skip
    return made(np.argmax(logits[:, None] + noise, axis=-1))


def bernoulli(shape, p=0.0, dtype=None, seed=None):
    """1 with probability p, else 0."""
    return made(drawn("bernoulli", seed).random(sizes(shape)) < p)


def binomial(shape, counts, probabilities, dtype=None, seed=None):
    """How many of `counts` trials succeed, each with a probability."""
    return made(drawn("binomial", seed).binomial(np.asarray(_array(counts), int), _array(probabilities), sizes(shape)))


def gamma(shape, alpha, dtype=None, seed=None):
    """Draws with density x^(alpha - 1) exp(-x) / Gamma(alpha)."""
    return made(drawn("gamma", seed).standard_gamma(_array(alpha), sizes(shape)))


def beta(shape, alpha, beta, dtype=None, seed=None):
    """Draws with density x^(alpha - 1) (1 - x)^(beta - 1) / B(alpha, beta)."""
    return made(drawn("beta", seed).beta(_array(alpha), _array(beta), sizes(shape)))


def shuffle(x, axis=0, seed=None):
    """The slices of x along `axis` in another order; dx goes back to where each came from."""
    x = B.tensor(x)
    order = drawn("shuffle", seed).permutation(x.shape[axis])
    return J.part(x, key=(slice(None),) * (axis % x.ndim) + (x.be.xp.asarray(order),))


def dropout(inputs, rate, noise_shape=None, seed=None):
    """x / (1 - rate) with probability 1 - rate, else 0; one decision along axes where noise_shape has 1."""
    x, rate = B.tensor(inputs), number("dropout: rate", rate, low=0, high=1)
    if rate == 0:
        return x
    own, count = _pair("dropout", seed)
    key = x.be.key(own, count, stream(DROPOUT))
    if noise_shape is None:
        return dropped(x, rate=rate, key=key)
    shape = [n if given is None else int(given) for n, given in zip(x.shape, noise_shape, strict=True)]
    return x * dropped(Tensor(np.ones(shape), x.be), rate=rate, key=key)


RANDOM = {f.__name__: f for f in (SeedGenerator, normal, truncated_normal, uniform, randint, categorical, binomial,
                                  gamma, beta, shuffle, dropout)}  # fmt: skip
BACKEND = {
    "random_normal": normal, "random_uniform": uniform, "truncated_normal": truncated_normal,
    "random_bernoulli": bernoulli, "random_binomial": bernoulli,
    "dropout": lambda x, level, noise_shape=None, seed=None: dropout(x, level, noise_shape, seed),
}  # fmt: skip
