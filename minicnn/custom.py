"""Classes and functions of a program's own that it has given names: what keras.saving's registry is.

A name is "package>name" where the program gave a package, and also found by its end.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

OBJECTS: dict[str, Any] = {}


def find(name: Any) -> Any:
    """What is registered under a name, or under a package and that name, the latest first; else None."""
    if not isinstance(name, str):
        return None
    return OBJECTS.get(name, next((one for key, one in reversed(OBJECTS.items()) if key.endswith(f">{name}")), None))


def known() -> dict[str, Any]:
    """Name -> thing, with the names that classes and functions of packages have by themselves."""
    own = {getattr(one, "__name__", key): one for key, one in OBJECTS.items()}
    return own | {key.rpartition(">")[2]: one for key, one in OBJECTS.items()} | OBJECTS


def name_of(thing: Any) -> str:
    """The name under which it is registered, or its own."""
    found = [key for key, one in OBJECTS.items() if one is thing and ">" in key]
    return found[-1] if found else thing.__name__


@contextlib.contextmanager
def scope(*named: dict[str, Any]) -> Iterator[None]:
    """Inside, these names are known too."""
    before = dict(OBJECTS)
    try:
        for one in named:
            OBJECTS.update(one)
        yield
    finally:
        OBJECTS.clear()
        OBJECTS.update(before)
