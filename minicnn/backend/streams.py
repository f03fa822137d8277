"""Random streams: every draw is a function of three integers, the model's seed, step and epoch."""

import contextlib
import contextvars
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from minicnn.kernels.contract import AT_INFERENCE, AUGMENT, DROPOUT, INIT, SHUFFLE, Key, stream

__all__ = ["AUGMENT", "DROPOUT", "INIT", "SHUFFLE", "Streams", "drawn_from"]

_source: contextvars.ContextVar = contextvars.ContextVar("source", default=None)
_inference: contextvars.ContextVar = contextvars.ContextVar("inference", default=None)  # the one that is under way


@dataclass
class Inference:
    """A pass of inference.  number: which of the model's;  row: before how many rows it stands;  drew: has anything?"""

    number: int
    row: int
    drew: bool = False


@contextlib.contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """Inside, models that are made without a seed draw theirs from this one, and not from the system."""
    token = _source.set(random.Random(seed))
    try:
        yield
    finally:
        _source.reset(token)


class Draws(Protocol):
    """What a layer draws from: the Streams of its model, or its part of those of a layer that it is a part of."""

    step: int
    epoch: int
    inferences: int
    row: int

    @property
    def seed(self) -> int | None: ...

    def key(self, purpose: int, index: int = 0, step: int | None = None) -> Key: ...

    def generator(self, index: int) -> np.random.Generator: ...

    def inference(self, number: int | None = None, row: int = 0) -> contextlib.AbstractContextManager["Inference"]: ...

    def inferred(self, one: "Inference") -> None: ...


@dataclass
class Streams:
    """The random state of a model: saving these integers is saving all of it.

    seed   64 bits; None draws one, which `seed` then reports
    step   training steps over the life of the model
    epoch  training epochs over the life of the model
    inferences  passes without training in which something drew, as a dropout that is always at work does. They have a
                counter of their own: no look at a model may change what the next training step draws.
    """

    seed: int | None = None
    step: int = 0
    epoch: int = 0
    inferences: int = 0
    drawn: bool = field(init=False)
    device_step: Any = field(default=None, init=False, repr=False, compare=False)
    row: int = field(default=0, init=False, repr=False, compare=False)  # where this process's part of a batch begins

    def __post_init__(self):
        self.drawn = self.seed is None
        if self.drawn:
            source = _source.get()
            self.seed = secrets.randbits(32) if source is None else source.getrandbits(32)

    def key(self, purpose: int, index: int = 0, step: int | None = None) -> Key:
        """The stream of a purpose and a layer index at this step (or epoch, for the order of the rows)."""
        assert self.seed is not None  # __post_init__ has drawn one
        inference = _inference.get()
        if inference is not None and purpose != SHUFFLE:
            inference.drew = True
            return Key(self.seed, inference.number, stream(purpose + AT_INFERENCE, index), inference.row)
        at = step if step is not None else self.step if self.device_step is None else self.device_step
        return Key(self.seed, at, stream(purpose, index), 0 if purpose == SHUFFLE else self.row)

    @contextlib.contextmanager
    def inference(self, number: int | None = None, row: int = 0) -> Iterator[Inference]:
        """Inside, all draws are those of the inference of this number, the next one if None; or of one around this."""
        around = _inference.get()
        one = Inference(self.inferences if number is None else number, row) if around is None else around
        token = _inference.set(one)
        try:
            yield one
        finally:
            _inference.reset(token)

    def inferred(self, one: Inference) -> None:
        """An inference has ended, or a part of it: where it drew, the next one draws anew."""
        if one.drew:
            self.inferences = max(self.inferences, one.number + 1)

    @contextlib.contextmanager
    def step_from_device(self, place: Any) -> Iterator[None]:
        """Inside, keys name the place in device memory where the step's number will be, not the number."""
        self.device_step = place
        try:
            yield
        finally:
            self.device_step = None

    def generator(self, index: int) -> np.random.Generator:
        """NumPy's own counted generator for the initial weights, which are always drawn on the host."""
        return np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, index, INIT]))
