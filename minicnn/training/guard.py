"""The lock of a model that several threads use: who may read and write its arrays, and when.

      thread 1   predict      [tile]      [tile]              [tile]
      thread 2   fit                [step]      [step]
      thread 3   save                                 [ copy ]            one at a time, between steps and tiles

What reads the weights sees them as they are after a whole step, never in the middle of one. A `predict` of several
tiles beside a `fit` may see later weights in a later tile. Two fits at once, or layers that change under a fit, have
no meaning: they are refused.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import cast

from ..arguments import AnyFunction
from ..errors import BusyError


class Guard:
    """A lock that the thread which holds it may take again, and that a forked child finds open.

    version  counts changes of the weights, for whoever has computed something from them
    """

    def __init__(self):
        self.version = 0
        self._renew()

    def _renew(self) -> None:
        self._lock, self._process, self._trainer = threading.RLock(), os.getpid(), None

    def __enter__(self) -> "Guard":
        if os.getpid() != self._process:  # forked: a thread that is not here may have held it
            self._renew()
        self._lock.acquire()
        return self

    def __exit__(self, *error) -> None:
        self._lock.release()

    def __reduce__(self):
        return Guard, ()  # a copy of a model has a guard of its own

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock for something that changes weights."""
        with self:
            try:
                yield
            finally:
                self.version += 1

    def check_idle(self, where: str) -> None:
        """Raise BusyError while another thread trains the model."""
        with self:
            if self._trainer not in (None, threading.get_ident()):
                raise BusyError(
                    f"{where}: expected a model that no other thread is training, received one that is in fit; wait "
                    "for that fit, or use a model of its own in each thread"
                )

    @contextlib.contextmanager
    def training(self, where: str) -> Iterator[None]:
        """For the time of a fit: other threads may read the model, and may not train it.  A fit may call another."""
        with self:
            self.check_idle(where)
            before, self._trainer = self._trainer, threading.get_ident()
        try:
            yield
        finally:
            self._trainer = before


def reads(method: AnyFunction) -> AnyFunction:
    """A method of a model that reads weights, between two steps of whoever changes them."""

    @functools.wraps(method)
    def held(self, *args, **kwargs):
        with self.guard:
            return method(self, *args, **kwargs)

    return cast(AnyFunction, held)


def changes(method: AnyFunction) -> AnyFunction:
    """A method that changes weights in one go, between two steps of other threads."""

    @functools.wraps(method)
    def held(self, *args, **kwargs):
        with self.guard.changing():
            return method(self, *args, **kwargs)

    return cast(AnyFunction, held)


def rebuilds(method: AnyFunction) -> AnyFunction:
    """A method after which the model is another one: not while another thread trains it."""

    @functools.wraps(method)
    def held(self, *args, **kwargs):
        with self.guard.changing():
            self.guard.check_idle(method.__name__)
            return method(self, *args, **kwargs)

    return cast(AnyFunction, held)


def trains(method: AnyFunction) -> AnyFunction:
    """A method that trains for long, step by step."""

    @functools.wraps(method)
    def alone(self, *args, **kwargs):
        with self.guard.training(method.__name__):
            return method(self, *args, **kwargs)

    return cast(AnyFunction, alone)
