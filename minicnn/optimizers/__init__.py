"""Optimizers, under Keras's names: one algorithm, one class, one file."""

from collections.abc import Callable
from typing import cast

from ..arguments import instance
from ..errors import one_of
from . import schedules
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam
from .adamax import Adamax
from .adamw import AdamW
from .base import Optimizer
from .ftrl import Ftrl
from .lamb import Lamb
from .lion import Lion
from .nadam import Nadam
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Nadam", "Optimizer",
           "RMSprop", "get", "schedules"]  # fmt: skip

_CLASSES = Adadelta, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Nadam, RMSprop, SGD
_BY_NAME = {c.__name__.lower(): c for c in _CLASSES}


def get(identifier: str | Optimizer | type[Optimizer]) -> Optimizer:
    """An optimizer from its name (any case), its class, or itself."""
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return cast(Callable[[], Optimizer], identifier)()  # each has a learning rate of its own
    instance("optimizer", identifier, str, "a name or an Optimizer")
    return _BY_NAME[one_of("optimizer", identifier.lower(), _BY_NAME)]()
