"""Initializers: the first values of weights. Called as `initializer(shape, rng)`, they return float64.

The rng is the model's: a counter-based generator keyed by its seed and the layer. An initializer with a seed of its
own ignores it and gives the same values at each call; one with neither draws a seed once and keeps to it.

Source: Keras 3, initializers/.
Differs from Keras: the same distributions from other random streams; values are float64, the layer casts them.
"""

import inspect
import math
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from . import custom
from .aliases import ArrayLike, DTypeLike, Ints
from .arguments import Named, array, configured, float_type, index, instance, items, named, number, shown, wholes
from .arguments import function as checked_function
from .arguments import seed as checked_seed
from .errors import ArgumentError, ArgumentTypeError, ShapeError, nearest, one_of, require

# The standard deviation of N(0, 1) cut at +-2.
_CUT_STD = 0.87962566103423978


@named
def fans(shape: tuple[int, ...], input_axes: Ints | None = None, output_axes: Ints | None = None) -> tuple[int, int]:
    """(fan_in, fan_out): how many inputs meet in one output, and how many outputs one input reaches.

    (n,) -> n, n;  (in, out) -> in, out;  (KH, KW, C, O) -> KH*KW*C, KH*KW*O.
    input_axes, output_axes   of a weight in another order: whose entries count as inputs, whose as outputs
    """
    shape = wholes("fans: shape", shape, low=0)
    ins, outs = _listed("fans: input_axes", input_axes), _listed("fans: output_axes", output_axes)
    if ins is not None and outs is not None:
        ok = all(-len(shape) <= axis < len(shape) for axis in (*ins, *outs))
        require(ok, "fans", f"axes of a shape of {len(shape)}", f"{input_axes} and {output_axes}", error=ArgumentError)
        return math.prod(shape[axis] for axis in ins), math.prod(shape[axis] for axis in outs)
    if len(shape) < 2:
        n = shape[0] if shape else 1
        return n, n
    receptive = math.prod(shape[:-2])
    return receptive * shape[-2], receptive * shape[-1]


def _listed(where: str, axes) -> list[int] | None:
    """A list of axes, or None."""
    if axes is None:
        return None
    given = items(axes) or []
    found = [axis for axis in map(index, given) if axis is not None]
    ok = 0 < len(found) == len(given)
    require(ok, where, "a list of axes, or None", shown(axes), error=ArgumentTypeError)
    return found


def _cut_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """N(0, 1) with every value beyond +-2 drawn again."""
    values = rng.standard_normal(shape)
    while (far := np.abs(values) > 2).any():
        values[far] = rng.standard_normal(int(far.sum()))
    return values


class Initializer(Named):
    """Subclass it with `values(shape, rng)`; the arguments of __init__ become the config."""

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator | None = None,
                 dtype: DTypeLike = None) -> np.ndarray:  # fmt: skip
        """The values, in float64 or in the type that dtype names, which may stand in the place of rng, as in Keras."""
        who = type(self).__name__
        if isinstance(rng, str) and rng.startswith("float"):
            rng, dtype = None, rng
        float_type(who, dtype)
        instance(f"{who}: rng", rng, np.random.Generator, "a numpy.random.Generator", optional=True)
        return np.asarray(self.values(wholes(f"{who}: shape", shape, low=0), rng), dtype=dtype or np.float64)

    def values(self, shape: tuple[int, ...], rng: np.random.Generator | None) -> np.ndarray:
        raise NotImplementedError

    def get_config(self) -> dict:
        """The arguments that make the same initializer again, as plain JSON values."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    @classmethod
    def from_config(cls, config: dict) -> "Initializer":
        """The initializer that get_config described."""
        return configured("initializer", cls, config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


class Zeros(Initializer):
    """0"""

    def values(self, shape: tuple[int, ...], rng: np.random.Generator | None) -> np.ndarray:
        return np.zeros(shape)


class Ones(Initializer):
    """1"""

    def values(self, shape: tuple[int, ...], rng: np.random.Generator | None) -> np.ndarray:
        return np.ones(shape)


class Constant(Initializer):
    """value: a number, or an array of the weight's shape or one that broadcasts to it."""

    def __init__(self, value: ArrayLike = 0.0):
        where, whole = "Constant: value", isinstance(value, (list, tuple)) or getattr(value, "ndim", 0)
        self.value = array(where, value, finite=True) if whole else number(where, value)

    def values(self, shape: tuple[int, ...], rng: np.random.Generator | None) -> np.ndarray:
        given = np.shape(self.value)
        fits = all(n in (1, m) for n, m in zip(given[::-1], shape[::-1], strict=False)) and len(given) <= len(shape)
        require(fits, "Constant", f"an array of a shape that broadcasts to {shape}", given)
        return np.full(shape, self.value, np.float64)

    def get_config(self) -> dict:
        return {"value": np.asarray(self.value).tolist()}


class Identity(Initializer):
    """gain * I, for (in, out) alone."""

    def __init__(self, gain: float = 1.0):
        self.gain = number("Identity: gain", gain)

    def values(self, shape: tuple[int, ...], rng: np.random.Generator | None) -> np.ndarray:
        require(len(shape) == 2, "Identity", "a shape of 2 axes", shape)
        return self.gain * np.eye(shape[0], shape[1])


class RandomInitializer(Initializer):
    """Subclass it with `draw(shape, rng)`.

    seed   a number, or a keras.random.SeedGenerator: other values at each call; get_config holds its seed alone
    """

    def __init__(self, seed: Any = None):
        self._counting = seed if callable(getattr(seed, "next", None)) else None
        seed = seed if self._counting is None else seed.seed
        self.seed = checked_seed(f"{type(self).__name__}: seed", seed)
        self._drawn_seed: int | None = None

    def values(self, shape: tuple[int, ...], rng: np.random.Generator | None) -> np.ndarray:
        if self._counting is not None:
            key, count = self._counting.next()
            rng = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, count, 0]))
        elif self.seed is not None or rng is None:
            if self.seed is None and self._drawn_seed is None:
                self._drawn_seed = random.randint(1, 10**9)  # Python's stream, as Keras: random.seed() governs it
            rng = np.random.Generator(np.random.Philox(key=self._drawn_seed if self.seed is None else self.seed))
        return self.draw(shape, rng)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        raise NotImplementedError


class RandomNormal(RandomInitializer):
    """N(mean, stddev^2)"""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None):
        super().__init__(seed)
        self.mean, self.stddev = number("RandomNormal: mean", mean), number("RandomNormal: stddev", stddev, low=0)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return self.mean + self.stddev * rng.standard_normal(shape)


class TruncatedNormal(RandomInitializer):
    """N(mean, stddev^2), drawn again beyond 2 stddev: its own standard deviation is .88 stddev."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None):
        super().__init__(seed)
        self.mean, self.stddev = number("TruncatedNormal: mean", mean), number("TruncatedNormal: stddev", stddev, low=0)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return self.mean + self.stddev * _cut_normal(rng, shape)


class RandomUniform(RandomInitializer):
    """U(minval, maxval)"""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None):
        super().__init__(seed)
        self.minval = number("RandomUniform: minval", minval)
        self.maxval = number("RandomUniform: maxval", maxval)
        ordered = self.minval <= self.maxval
        require(ordered, "RandomUniform", "minval <= maxval", f"{minval}, {maxval}", error=ArgumentError)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(self.minval, self.maxval, shape)


class VarianceScaling(RandomInitializer):
    """Variance scale / n, with n = fan_in, fan_out or fan_avg, their mean.

    uniform: U(-a, a), a = sqrt(3 scale / n). truncated_normal (or normal): N(0, s^2) cut at 2 s, with s chosen so that
    the result has variance scale / n. untruncated_normal: N(0, scale / n).
    input_axes, output_axes: which axes of a weight count for fan_in and fan_out; None: see fans.
    """

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
                 seed: int | None = None, input_axes: Ints | None = None, output_axes: Ints | None = None):  # fmt: skip
        super().__init__(seed)
        who = type(self).__name__
        self.input_axes = _listed(f"{who}: input_axes", input_axes)
        self.output_axes = _listed(f"{who}: output_axes", output_axes)
        self.scale = number(f"{who}: scale", scale, above=0)
        self.mode = one_of(f"{who}: mode", mode, ("fan_in", "fan_out", "fan_avg"))
        known = ("uniform", "truncated_normal", "untruncated_normal", "normal")
        distribution = one_of(f"{who}: distribution", distribution, known)
        self.distribution = "truncated_normal" if distribution == "normal" else distribution

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        fan_in, fan_out = fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        std = math.sqrt(self.scale / max(1.0, n))
        if self.distribution == "uniform":
            return rng.uniform(-math.sqrt(3) * std, math.sqrt(3) * std, shape)
        if self.distribution == "untruncated_normal":
            return std * rng.standard_normal(shape)
        return std / _CUT_STD * _cut_normal(rng, shape)

    def get_config(self) -> dict:
        """As of every initializer; axes that are None are left out: Keras before 3.15 does not know them."""
        config = super().get_config()
        return {key: value for key, value in config.items() if value is not None or not key.endswith("_axes")}


class FixedScaling(VarianceScaling):
    """VarianceScaling with the (scale, mode, distribution) of a paper; only the seed and the axes are free."""

    recipe: tuple[float, str, str]

    def __init__(self, seed: int | None = None, input_axes: Ints | None = None, output_axes: Ints | None = None):
        super().__init__(*self.recipe, seed=seed, input_axes=input_axes, output_axes=output_axes)


class GlorotUniform(FixedScaling):
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out)). Source: Glorot and Bengio, 2010, eq. 16."""

    recipe = (1.0, "fan_avg", "uniform")


class GlorotNormal(FixedScaling):
    """Truncated normal of variance 2 / (fan_in + fan_out). Source: Glorot and Bengio, 2010, eq. 12."""

    recipe = (1.0, "fan_avg", "truncated_normal")


class HeUniform(FixedScaling):
    """U(-a, a), a = sqrt(6 / fan_in). Source: He et al., 2015, eq. 10."""

    recipe = (2.0, "fan_in", "uniform")


class HeNormal(FixedScaling):
    """Truncated normal of variance 2 / fan_in. Source: He et al., 2015, eq. 10."""

    recipe = (2.0, "fan_in", "truncated_normal")


class LecunUniform(FixedScaling):
    """U(-a, a), a = sqrt(3 / fan_in). Source: LeCun et al., Efficient BackProp, 1998, section 4.6."""

    recipe = (1.0, "fan_in", "uniform")


class LecunNormal(FixedScaling):
    """Truncated normal of variance 1 / fan_in; selu's partner. Source: Klambauer et al., 2017, section 2."""

    recipe = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """gain * Q of a normal matrix's QR, as (everything but the last axis, last axis): orthogonal rows or columns.

    The signs of R's diagonal go into Q, which makes it uniform over the orthogonal matrices.
    Source: Saxe et al., 2014.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None):
        super().__init__(seed)
        self.gain = number("Orthogonal: gain", gain)

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        require(len(shape) >= 2, "Orthogonal", "a shape of 2 or more axes", shape)
        rows, cols = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, cols), min(rows, cols))))
        q *= np.sign(np.diag(r))
        return self.gain * (q.T if rows < cols else q).reshape(shape)


class Custom(Initializer):
    """A function of your own: f(shape), and f(shape, rng=...) if it has such an argument."""

    def __init__(self, function: Callable):
        self.function = checked_function("Custom: function", function, of="a shape")

    def values(self, shape: tuple[int, ...], rng: np.random.Generator | None) -> np.ndarray:
        takes = inspect.signature(self.function).parameters
        given = {name: value for name, value in {"rng": rng, "dtype": "float64"}.items() if name in takes}
        result = np.asarray(self.function(shape, **given))
        name = getattr(self.function, "__name__", "initializer")
        require(result.shape == shape, name, f"an array of shape {shape}", result.shape, error=ShapeError)
        return result

    def get_config(self) -> dict:
        name = getattr(self.function, "__name__", repr(self.function))
        raise ArgumentTypeError(f"expected an initializer that can be saved, received the function {name}")

    def __repr__(self):
        return f"Custom({self.function!r})"


_CLASSES = (Zeros, Ones, Constant, Identity, RandomNormal, TruncatedNormal, RandomUniform, VarianceScaling,
            GlorotUniform, GlorotNormal, HeUniform, HeNormal, LecunUniform, LecunNormal, Orthogonal)  # fmt: skip
_NAMES = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", c.__name__).lower(): c for c in _CLASSES}
_ALIASES = {c.__name__: c for c in _CLASSES} | {
    "normal": RandomNormal,
    "uniform": RandomUniform,
    "zero": Zeros,
    "one": Ones,
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
}


def get(identifier: Any, where: str = "initializer") -> Initializer | None:
    """An initializer from a name, a class, {"class_name", "config"}, a function, an array or itself; None stays None.

    where: what the errors call it.

    Raises: ArgumentError for an unknown name, ArgumentTypeError for anything else.
    """
    if identifier is None or isinstance(identifier, Initializer):
        return identifier
    if isinstance(identifier, dict):
        return configured(where, _named(where, identifier.get("class_name")), identifier.get("config"))
    own = custom.find(identifier)
    if own is not None:
        return get(own, where)
    if isinstance(identifier, str):
        return _named(where, identifier)()
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if hasattr(identifier, "shape") and not callable(identifier):
        return Constant(identifier)
    expected = "a name, an Initializer, a function or an array"
    ok = callable(identifier) and not isinstance(identifier, type)
    require(ok, where, expected, shown(identifier), error=ArgumentTypeError)
    return Custom(identifier)


def _named(where: str, name) -> type[Initializer]:
    found: Any = (_ALIASES.get(name) or _NAMES.get(name)) if isinstance(name, str) else None
    expected = "one of " + ", ".join(_NAMES)
    require(found is not None, where, expected, shown(name), nearest(name, _NAMES), error=ArgumentError)
    return found


def __getattr__(name: str):
    """Keras's second spelling: initializers.he_normal(seed=1) is HeNormal(seed=1)."""
    found = _NAMES.get(name) or (_ALIASES.get(name) if name.endswith("Initializer") else None)
    if found is not None:
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
