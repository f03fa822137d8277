"""What scripts ask of TensorFlow's runtime and what means little here: strategies, options, checks, logging.

One process computes on one device; a strategy's scope is Python as it stands.
"""

import contextlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..data.dataset import Dataset, element
from ..errors import ArgumentError, UnsupportedError, require
from ..notes import note


class Strategy:
    """tf.distribute's: one replica, this process."""

    num_replicas_in_sync = 1

    def __init__(self, *devices, **options):
        if type(self) is not Strategy:
            note(f"{type(self).__name__}: one replica, this process; several processes: minicnn.World.mpi()")

    def scope(self):
        """Code inside runs as it stands."""
        return contextlib.nullcontext(self)

    def run(self, fn, args=(), kwargs=None) -> Any:
        """fn of the arguments."""
        return fn(*args, **(kwargs or {}))

    def experimental_distribute_dataset(self, dataset) -> Any:
        """The same dataset."""
        return dataset

    def reduce(self, reduce_op, value, axis=None) -> Any:
        """The one replica's value."""
        return value


class MirroredStrategy(Strategy):
    """One replica here."""


class OneDeviceStrategy(Strategy):
    """One replica here."""


def no_tpu(*args, **kwargs):
    """Raises: there is no TPU.  Scripts catch the ValueError and go on with another strategy."""
    raise ArgumentError("tf.distribute: expected a TPU, received none; minicnn runs on CPUs and NVIDIA GPUs")


class Options:
    """tf.data.Options: how TensorFlow would run a pipeline; nothing of it changes what comes out."""

    def __init__(self):
        for name in ("autotune", "distribute", "experimental_distribute", "experimental_optimization", "threading",
                     "experimental_threading"):  # fmt: skip
            setattr(self, name, types.SimpleNamespace())


def _checks(name: str, holds: Callable) -> Callable:
    def check(*values, message=None, **options) -> None:
        require(bool(holds(*map(np.asarray, values[: holds.__code__.co_argcount]))), f"tf.debugging.{name}",
                "values for which it holds", "others", str(message or ""), error=ArgumentError)  # fmt: skip

    return check


DEBUGGING = {name: _checks(name, holds) for name, holds in {
    "assert_equal": lambda x, y: (x == y).all(), "assert_less": lambda x, y: (x < y).all(),
    "assert_greater": lambda x, y: (x > y).all(), "assert_non_negative": lambda x: (x >= 0).all()}.items()}  # fmt: skip


def _policy_name(policy) -> str:
    return getattr(policy, "name", policy)


class Policy:
    """keras.mixed_precision.Policy: its name; what is computed, and how, says minicnn: in float32."""

    compute_dtype = variable_dtype = "float32"
    loss_scale = None

    def __init__(self, name="float32", *args, **options):
        known = ("float32", "mixed_float16", "mixed_bfloat16")
        require(name in known, "mixed_precision: policy", ", ".join(known), repr(name),
                "float64 is chosen with Sequential(device=...)", error=UnsupportedError)  # fmt: skip
        self.name = name

    def __repr__(self):
        return f"<Policy {self.name}>"


_policy = [Policy()]


def set_policy(policy) -> None:
    """Another policy's name, with a note: the numbers stay float32."""
    policy = policy if isinstance(policy, Policy) else Policy(_policy_name(policy))
    if policy.name != "float32":
        note(f"the policy {policy.name} has no effect: minicnn computes in float32; on a GPU Sequential has precision=")
    _policy[:] = [policy]


def policy() -> Policy:
    """The policy that was set last."""
    return _policy[0]


MIXED = {"set_global_policy": set_policy, "set_dtype_policy": set_policy, "set_policy": set_policy,
         "global_policy": policy, "dtype_policy": policy, "Policy": Policy, "DTypePolicy": Policy}  # fmt: skip


def map_to(function, inputs, types_) -> Any:
    """tf.numpy_function and tf.py_function: function(*inputs), its results as arrays."""
    found = function(*(element(one) for one in inputs))
    return tuple(map(element, found)) if isinstance(found, (list, tuple)) else element(found)


def numpy_function(func=None, inp=(), Tout=None, **options) -> Any:
    """func of arrays, at once."""
    return map_to(func, inp, Tout)


def nothing(*args, **kwargs) -> None:
    """A setting of TensorFlow's that means nothing here."""


def cardinality(dataset: Dataset) -> int:
    """How many elements it has, -2 where nobody knows."""
    return dataset.cardinality()
