"""Attributes set on a model, a layer or an optimizer: each works or is refused with a sentence; none is ignored."""

from typing import Any, ClassVar

from .errors import ArgumentError, ArgumentTypeError, ReadOnlyError, require
from .notes import note


class Guarded:
    """Attributes that are known to have no effect here are not taken.  Raises ArgumentTypeError, ArgumentError.

    refused     name -> what to do instead, of attributes that Keras gives a meaning; None and False are let through
    without_effect   names that change how Keras runs and not what it computes: a note says so
    """

    refused: ClassVar[dict[str, str]] = {}
    without_effect: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        cls = type(self)
        where, fix, found = f"{cls.__name__}: {name}", cls.refused.get(name, ""), getattr(cls, name, None)
        if isinstance(found, property):
            if found.fset is None:
                require(False, where, "a value that is read, not set", "an assignment", fix, error=ReadOnlyError)
        elif fix and value is not None and value is not False:
            require(False, where, "None", repr(value), fix, error=ArgumentError)
        elif name == "name":
            require(isinstance(value, str), where, "a string", repr(value), error=ArgumentTypeError)
        elif name in cls.without_effect:
            note(f"{where} has no effect here")
        super().__setattr__(name, value)
