"""Deserialization: from the entries of serialize.py to layers, optimizers, losses and metrics.

Classes of ours are looked up in the tables of serialize.py, the user's in `custom_objects`. Every entry gives an
object, or one error that names the file, the entry and what is wrong with it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .. import layers, losses, metrics, optimizers
from ..errors import ArgumentError, ArgumentTypeError, DataError, MinicnnError, nearest, require, shown
from . import serialize

_BY_NAME = ("activation", "_initializer", "_regularizer", "_constraint")  # what may be a function of the user's


class Deserializer:
    """Entries -> objects.  where: the file, for messages; custom: the user's classes and functions by name."""

    def __init__(self, where: str, custom: Mapping[str, Any] | None = None):
        ok = custom is None or isinstance(custom, Mapping)
        ok = ok and all(isinstance(name, str) for name in custom or ())
        expected = "a dict from names to classes and functions"
        require(ok, f"{where}: custom_objects", expected, shown(custom), error=ArgumentTypeError)
        self.where, self.custom = where, dict(custom or {})

    def check_custom(self, document: Any) -> None:
        """Raise ArgumentError that lists every class and function of the user's that is not at hand."""
        names = dict.fromkeys(_custom_names(document))
        lacking = [name for name in names if name not in self.custom]
        require(
            not lacking, self.where, "custom_objects with " + ", ".join(names),
            "none of " + ", ".join(lacking) if self.custom else "none",
            "pass custom_objects={" + ", ".join(f'"{name}": ...' for name in lacking) + "}", error=ArgumentError,
        )  # fmt: skip

    def layer(self, number: int, entry: Any) -> layers.Layer:
        where = f"{self.where}: layer {number}"
        cls, config = self._class("layer", entry, where)
        made = self._make(cls.from_config, cls, self._inner(config, where), where)
        named = entry.get("named", True)
        require(isinstance(named, bool), where, "named to be true or false", repr(named), error=DataError)
        made.named = named
        return made

    def optimizer(self, entry: Any) -> optimizers.Optimizer:
        return self._thing("optimizer", entry)

    def loss(self, entry: Any) -> losses.Loss:
        found = self._of_a_name(entry, losses.get, losses.FUNCTIONS, f"{self.where}: loss")
        return self._thing("loss", entry) if found is None else found

    def metric(self, entry: Any) -> metrics.Metric:
        where = f"{self.where}: metric"
        found = self._of_a_name(entry, metrics.get, serialize.METRIC_FUNCTIONS, where)
        if found is not None:
            return found
        fn = entry.get("config", {}).get("fn") if isinstance(entry.get("config"), dict) else None
        if isinstance(fn, str):
            known = serialize.METRIC_FUNCTIONS
            require(fn in known, where, f"one of {', '.join(known)}", repr(fn), nearest(fn, known), error=DataError)
            entry = entry | {"config": entry["config"] | {"fn": known[fn]}}
        return self._thing("metric", entry)

    def _of_a_name(self, entry: Any, get: Callable, known: dict, where: str) -> Any:
        """The loss or metric of an entry that is a name, or holds one of a function; None for any other."""
        if isinstance(entry, str) and entry not in self.custom:
            return self._checked(lambda: get(entry), entry)
        if isinstance(entry, str):
            return get(self._called(entry, known, where))
        if "called" in _dict(entry, where):
            return get(self._called(entry["called"], known, where))
        return get(self._function(entry, where)) if "function" in entry else None

    def _thing(self, what: str, entry: Any):
        where = f"{self.where}: {what}"
        cls, config = self._class(what, entry, where)
        from_config = getattr(cls, "from_config", lambda config: cls(**config))
        return self._make(from_config, cls, self._inner(config, where), where)

    def _inner(self, config: dict, where: str) -> dict:
        """The arguments, with functions, initializers and schedules in place of their entries."""
        made = {}
        for key, value in config.items():
            named = isinstance(value, str) and value in self.custom and key.endswith(_BY_NAME)  # in files of Keras 2
            if named or (isinstance(value, dict) and "function" in value):
                entry = {"function": value} if isinstance(value, str) else value
                value = self._function(entry, f"{where}: {key}")
            elif isinstance(value, dict) and "class_name" in value:
                value = self._thing(_kind(key), value)
            made[key] = value
        return made

    def _class(self, what: str, entry: Any, where: str) -> tuple[type, dict]:
        entry = _dict(entry, where)
        name, config = entry.get("class_name"), _dict(entry.get("config"), where)
        if entry.get("custom") is True:
            full = entry.get("registered")
            cls = self.custom.get(full) if isinstance(full, str) else None
            if cls is None and isinstance(name, str):
                cls = self.custom.get(name)
            if not isinstance(cls, type) or not issubclass(cls, serialize.BASES[what]):
                base = serialize.BASES[what].__name__
                expected = f"custom_objects to hold {name!r:.80} as a class derived from {base}"
                require(False, where, expected, repr(cls), error=ArgumentTypeError)
            return cls, config
        table = serialize.TABLES[what]
        known = isinstance(name, str) and name in table
        expected = f"a class of minicnn's: {', '.join(table)}"
        fix = "" if known else nearest(name, table)
        require(known, where, expected, f"{name!r:.80}", fix, error=DataError)
        return table[name], config

    def _function(self, entry: dict, where: str) -> Callable:
        function = self.custom.get(entry["function"]) if isinstance(entry["function"], str) else None
        if not callable(function):
            expected = f"custom_objects to hold the function {entry['function']!r:.80}"
            require(False, where, expected, repr(function), error=ArgumentTypeError)
        return function

    def _called(self, name: Any, ours: Mapping[str, Callable], where: str) -> Callable:
        """A function of a Keras file, which says no more of the user's than of Keras's own: the user's comes first."""
        known = isinstance(name, str) and (name in self.custom or name in ours)
        fix = f'pass custom_objects={{"{name}": ...}}' if isinstance(name, str) else ""
        expected = "a function of Keras's, or one in custom_objects"
        require(known, where, expected, repr(name)[:80], fix, error=ArgumentError)
        return self._function({"function": name}, where) if name in self.custom else ours[name]

    def _make(self, make: Callable, cls: type, config: dict, where: str):
        """make(config), with every complaint about its arguments as one DataError."""
        try:
            return make(config)
        except (MinicnnError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError) as cause:
            raise DataError(f"{where} ({cls.__name__}): {cause}") from None

    def _checked(self, make: Callable, name: str):
        try:
            return make()
        except MinicnnError as cause:
            fix = f'if it is your own, pass custom_objects={{"{name:.80}": ...}}'
            raise DataError(f"{self.where}: {cause}; {fix}") from None


def _kind(key: str) -> str:
    """What an argument of that name is made of."""
    end = key.rpartition("_")[2]
    return end if end in ("regularizer", "constraint") else "schedule" if key == "learning_rate" else "initializer"


def _dict(value: Any, where: str) -> dict:
    require(isinstance(value, dict), where, "an object with class_name and config", f"{value!r:.80}", error=DataError)
    return value


def _custom_names(value: Any):
    """The names of all custom entries inside a document, in order."""
    if isinstance(value, list):
        for item in value:
            yield from _custom_names(item)
    elif isinstance(value, dict):
        if value.get("custom") is True and isinstance(value.get("class_name"), str):
            yield value["class_name"]
        if isinstance(value.get("function"), str):
            yield value["function"]
        called = value.get("called")
        if isinstance(called, str) and called not in losses.FUNCTIONS | serialize.METRIC_FUNCTIONS:
            yield called
        for item in value.values():
            yield from _custom_names(item)
