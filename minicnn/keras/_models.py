"""Sequential as Keras's scripts call it: the same model, which goes on with a note where minicnn would stop."""

import random

from ..training.loading import load_model as _load_model
from ..training.sequential import Sequential as _Sequential


class Sequential(_Sequential):
    """minicnn.Sequential with a seed of Python's `random`, which keras.utils.set_random_seed sets."""

    def __init__(self, layers=None, trainable=True, name=None, **options):
        options.setdefault("seed", random.getrandbits(63))
        super().__init__(layers, name, **options)
        if not trainable:
            self.trainable = False


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """A model from a file that minicnn or Keras wrote; safe_mode has nothing to add: no file brings code."""
    return _load_model(filepath, custom_objects=custom_objects, compile=compile)


def save_model(model, filepath, overwrite=True, **options) -> None:
    """model.save(filepath)."""
    model.save(filepath, **({} if overwrite else {"overwrite": False}))
