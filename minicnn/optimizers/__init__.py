"""Optimizers, under Keras's names: one algorithm, one class, one file."""

from collections.abc import Callable
from typing import cast

from ..arguments import deserialized, instance, named, serialized
from ..errors import one_of
from . import schedules
from .adadelta import Adadelta
from .adafactor import Adafactor
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

__all__ = ["SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Nadam",
           "Optimizer", "RMSprop", "deserialize", "get", "schedules", "serialize"]  # fmt: skip

_CLASSES = Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Nadam, RMSprop, SGD
_BY_NAME = {c.__name__.lower(): c for c in _CLASSES}


def get(identifier: str | dict | Optimizer | type[Optimizer]) -> Optimizer:
    """An optimizer from its name (any case), its class, {"class_name", "config"}, or itself."""
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Optimizer):
        return cast(Callable[[], Optimizer], identifier)()  # each has a learning rate of its own
    if isinstance(identifier, dict) and "class_name" in identifier:
        return deserialize(identifier)
    instance("optimizer", identifier, str, "a name or an Optimizer")
    return _BY_NAME[one_of("optimizer", str(identifier).lower(), _BY_NAME)]()


@named
def serialize(optimizer: Optimizer) -> dict:
    """Keras's description of an optimizer as plain values, without its state."""
    return serialized("optimizers", instance("optimizers.serialize: optimizer", optimizer, Optimizer, "an Optimizer"))


@named
def deserialize(config: dict, custom_objects: dict | None = None) -> Optimizer:
    """The optimizer that `serialize` described.  custom_objects: name -> class of yours."""
    instance("optimizers.deserialize: config", config, dict, 'a dict {"class_name": ..., "config": {...}}')
    name = config.get("class_name")
    if isinstance(name, str) and name.lower() in _BY_NAME:
        config = config | {"class_name": name.lower()}
    return deserialized("optimizers.deserialize", config, _BY_NAME, custom_objects)
