"""Models as Keras's scripts make them: the same ones, which go on with a note where minicnn would stop.

Without seed= they take one from Python's `random`, which keras.utils.set_random_seed sets.
"""

import contextlib
import random
from collections.abc import Mapping

from .. import custom
from ..core.symbol import Symbol
from ..errors import UnsupportedError, require, shown
from ..notes import note
from ..optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, Ftrl, Nadam, RMSprop
from ..saving.load import load_model as _load_model
from ..saving.load import model_from_json as _model_from_json
from ..training.sequential import Sequential as _Sequential
from ..training.stack import LayerStack
from ..training.subclassed import Subclassable

LOWER = {c.__name__.lower(): c for c in (SGD, Adadelta, Adagrad, Adam, Adamax, Ftrl, Nadam, RMSprop)}  # Keras 1 and 2


class _AnySymbol(type):
    """What Input and layers called on it give is a KerasTensor."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Symbol)


class KerasTensor(metaclass=_AnySymbol):
    """isinstance(x, KerasTensor): whether x stands for a layer's output.  They are made by Input, not by hand."""

    def __new__(cls, *args: object, **kwargs: object) -> "KerasTensor":
        raise UnsupportedError("KerasTensor: expected one that Input or a layer made, received a call; write "
                               "keras.Input(shape)")  # fmt: skip


class Summary(LayerStack):
    """Keras's order of arguments for summary."""

    def summary(self, line_length=None, positions=None, print_fn=None, expand_nested=False, show_trainable=False,
                layer_range=None):  # fmt: skip
        """minicnn's summary; columns stand where they fit, and models within it are one line each."""
        for name, value in {"positions": positions, "expand_nested": expand_nested, "layer_range": layer_range}.items():
            if value:
                note(f"summary({name}=...) has no effect here")
        return super().summary(line_length, print_fn, show_trainable)


class Model(Summary, Subclassable):
    """minicnn.Model, which goes on where Keras does."""

    lenient = True
    drawn_seed = staticmethod(lambda: random.getrandbits(63))

    @classmethod
    def from_config(cls, config, custom_objects=None, **options):
        """minicnn.Model.from_config, which finds what is registered, too."""
        return super().from_config(config, _known(custom_objects), **options)


class Sequential(Summary, _Sequential):
    """minicnn.Sequential, which goes on where Keras does."""

    lenient = True
    drawn_seed = staticmethod(lambda: random.getrandbits(63))

    def __init__(self, layers=None, trainable=True, name=None, **options):
        super().__init__(layers, name, **options)
        if not trainable:
            self.trainable = False

    @classmethod
    def from_config(cls, config, custom_objects=None, **options):
        """minicnn.Sequential.from_config, which finds what is registered, too."""
        return super().from_config(config, _known(custom_objects), **options)


def _known(custom_objects):
    """What is registered, and what the call says; what is no dict, its receiver refuses."""
    given = {} if custom_objects is None else custom_objects
    return custom.known() | dict(given) if isinstance(given, Mapping) else given


def function(inputs, outputs, updates=None, name=None):
    """K.function: arrays for the inputs -> arrays of the outputs, as predict computes them.

    The learning phase among the inputs, and its value among the arrays, have no effect.
    """
    require(not updates, "function: updates", "none", shown(updates), error=UnsupportedError)
    single = not isinstance(outputs, (list, tuple))
    inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    places = [i for i, one in enumerate(inputs) if isinstance(one, Symbol)]
    model = Model([inputs[i] for i in places], [outputs] if single else list(outputs))

    def call(arrays):
        arrays = list(arrays) if isinstance(arrays, (list, tuple)) else [arrays]
        given = [arrays[i] for i in places]
        found = model.predict(given if len(given) > 1 else given[0], verbose=0)
        found = found if isinstance(found, list) else [found]
        return found[0] if single else found

    return call


def register_keras_serializable(package="Custom", name=None):
    """A decorator: load_model finds the class or function as "package>name" without custom_objects."""

    def register(thing):
        custom.OBJECTS[f"{package}>{name or thing.__name__}"] = thing
        return thing

    return register


def get_custom_objects() -> dict:
    """Name -> class or function that is known beside minicnn's own; the program may add to it."""
    return custom.OBJECTS


def get_registered_name(obj) -> str:
    """ "package>name" of what was registered, else its own name."""
    return custom.name_of(obj)


def get_registered_object(name, custom_objects=None, module_objects=None):
    """What is registered under "package>name" or stands in the dictionaries; None for nothing."""
    return (custom.OBJECTS | (custom_objects or {}) | (module_objects or {})).get(name)


class CustomObjectScope(contextlib.ContextDecorator):
    """with CustomObjectScope({"iou": iou}): inside, these names are known to load_model and to arguments."""

    def __init__(self, *custom_objects):
        self._named, self._open = custom_objects, contextlib.ExitStack()

    def __enter__(self) -> "CustomObjectScope":
        self._open.enter_context(custom.scope(*self._named))
        return self

    def __exit__(self, *error) -> None:
        self._open.close()


REGISTRY = {f.__name__: f for f in (register_keras_serializable, get_custom_objects, get_registered_name,
                                    get_registered_object, CustomObjectScope)} | {
    "custom_object_scope": CustomObjectScope}  # fmt: skip


def get_or_none(get):
    """`get`, to which None is no error, as in Keras."""

    def get_it(identifier):
        return None if identifier is None else get(identifier)

    get_it.__doc__ = get.__doc__
    return get_it


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True):
    """A model from a file that minicnn or Keras wrote; safe_mode has nothing to add: no file brings code."""
    model = _load_model(filepath, custom_objects=_known(custom_objects), compile=compile)
    model.lenient = True
    return model


def model_from_json(json_string, custom_objects=None, **options):
    """minicnn.model_from_json, which finds what is registered, too."""
    model = _model_from_json(json_string, _known(custom_objects), **options)
    model.lenient = True
    return model


def save_model(model, filepath, overwrite=True, **options) -> None:
    """model.save(filepath)."""
    model.save(filepath, **({} if overwrite else {"overwrite": False}))
