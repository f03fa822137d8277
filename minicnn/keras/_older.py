"""What Keras 1 and 2 had and Keras 3 has not, and small helpers of keras.utils, by what is here."""

import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import layers as L
from ..data.dataset import Dataset
from ..errors import ArgumentError, require
from ..notes import note


def merge(inputs, mode: Any = "sum", concat_axis=-1, dot_axes=-1, output_shape=None, arguments=None, name=None,
          **options) -> Any:  # fmt: skip
    """Keras 1's merge of a list of symbols: mode "sum", "mul", "concat", "ave", "max", "dot", "cos" or a function."""
    kinds: dict[str, Callable] = {
        "sum": L.Add, "mul": L.Multiply, "ave": L.Average, "max": L.Maximum,
        "concat": lambda name: L.Concatenate(axis=concat_axis, name=name),
        "dot": lambda name: L.Dot(dot_axes, name=name),
        "cos": lambda name: L.Dot(dot_axes, normalize=True, name=name)}  # fmt: skip
    if callable(mode):
        return L.Lambda(mode, output_shape=output_shape, arguments=arguments, name=name)(list(inputs))
    ok = isinstance(mode, str) and mode in kinds
    require(ok, "merge: mode", ", ".join(map(repr, kinds)), repr(mode), error=ArgumentError)
    note(f'merge(mode="{mode}") is {"concatenate, add, multiply and their kin" if ok else mode}')
    return kinds[mode](name=name)(list(inputs))


def thresholded_relu(theta=1.0, **options) -> L.ReLU:
    """Keras 2's ThresholdedReLU: x above theta, else 0."""
    note("ThresholdedReLU(theta) is ReLU(threshold=theta)")
    return L.ReLU(threshold=theta, **options)


class Progbar:
    """A line that tells how far a loop is, with the means of what it is told.

    target  steps, or None: unknown;  stateful_metrics  names whose latest value is shown, not the mean
    """

    def __init__(self, target, width=20, verbose=1, interval=0.05, stateful_metrics=None, unit_name="step"):
        self.target, self.width, self.verbose, self.interval = target, width, verbose, interval
        self.stateful_metrics, self.unit_name = set(stateful_metrics or ()), unit_name
        self._sums: dict[str, tuple[float, float]] = {}
        self._seen, self._told = 0, 0.0

    def update(self, current, values=None, finalize=None) -> None:
        """At step `current`; values: (name, value) of the steps since the last time."""
        steps = max(current - self._seen, 1)
        for key, value in values or ():
            total, count = self._sums.get(key, (0.0, 0.0))
            value = float(np.asarray(value))
            fresh = key in self.stateful_metrics
            self._sums[key] = (value, 1) if fresh else (total + value * steps, count + steps)
        self._seen = current
        finalize = current == self.target if finalize is None else finalize
        now = time.monotonic()
        if (self.verbose != 1 and not (self.verbose == 2 and finalize)) or (
            now - self._told < self.interval and not finalize
        ):
            return
        self._told = now
        means = "".join(f" - {key}: {total / count:.4f}" for key, (total, count) in self._sums.items())
        end = "\n" if finalize else "\r"
        sys.stdout.write(f"{current}/{'?' if self.target is None else self.target}{means}{end}")
        sys.stdout.flush()

    def add(self, n, values=None) -> None:
        """n steps further."""
        self.update(self._seen + n, values)


def pack_x_y_sample_weight(x, y=None, sample_weight=None) -> Any:
    """x, or (x, y), or (x, y, sample_weight): what a batch of data is."""
    if y is None:
        return (x,) if isinstance(x, (tuple, list)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data) -> tuple:
    """(x, y, sample_weight) of a batch, None for what it lacks."""
    data = data if isinstance(data, (tuple, list)) else (data,)
    require(1 <= len(data) <= 3, "unpack_x_y_sample_weight", "x, y and sample_weight", len(data), error=ArgumentError)
    return (*data, *[None] * (3 - len(data)))


def split_dataset(dataset, left_size=None, right_size=None, shuffle=False, seed=None) -> tuple[Dataset, Dataset]:
    """Arrays, a tuple of them or a Dataset in two: sizes are counts, or shares of 1; one of them may be missing."""
    whole = list(dataset) if isinstance(dataset, Dataset) else list(Dataset.from_tensor_slices(
        tuple(map(np.asarray, dataset)) if isinstance(dataset, (tuple, list)) else dataset))  # fmt: skip
    n = len(whole)
    given = left_size if left_size is not None else right_size
    require(given is not None, "split_dataset", "left_size or right_size", "neither", error=ArgumentError)
    left, right = (n if one is None else round(n * one) if isinstance(one, float) else int(one)
                   for one in (left_size, right_size))  # fmt: skip
    left, right = (n - right if left_size is None else left), (n - left if right_size is None else right)
    ok = left > 0 and right > 0 and left + right <= n
    require(ok, "split_dataset", f"two parts of {n} samples", f"{left} and {right}", error=ArgumentError)
    if shuffle:
        whole = [whole[i] for i in np.random.default_rng(seed).permutation(n)]
    parts = whole[:left], whole[left : left + right]
    first, second = (Dataset(lambda _, part=part: iter(part), len(part)) for part in parts)
    return first, second


LAYERS = {"AtrousConvolution2D": L.Conv2D, "AtrousConv2D": L.Conv2D, "ThresholdedReLU": thresholded_relu}
UTILS = {f.__name__: f for f in (Progbar, pack_x_y_sample_weight, unpack_x_y_sample_weight, split_dataset)}
LOSSES = {"Reduction": types.SimpleNamespace(AUTO="sum_over_batch_size", SUM_OVER_BATCH_SIZE="sum_over_batch_size",
                                             SUM="sum", NONE="none")}  # fmt: skip
