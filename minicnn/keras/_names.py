"""Name lookup in minicnn.keras: a name of minicnn's, or an object that says that minicnn lacks it."""

import importlib
import types
from typing import Any

from ..errors import UnsupportedError, nearest
from ._known import KNOWN


class Missing:
    """Stands for what Keras has and minicnn lacks: it can be imported and asked about; using it raises."""

    def __init__(self, name: str, fix: str = ""):
        self.__name__ = self.__qualname__ = name
        self._why = f"minicnn.keras: minicnn has no {name}" + (f"; {fix}" if fix else "")

    def __call__(self, *args, **kwargs):
        raise UnsupportedError(self._why)

    def __mro_entries__(self, bases):
        raise UnsupportedError(self._why)

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnsupportedError(self._why)

    def __instancecheck__(self, instance) -> bool:
        return False  # nothing can be one

    def __repr__(self):
        return f"<{self._why}>"


class Names(types.ModuleType):
    """The module that Keras calls `path`.

    homes  the modules of minicnn, "layers", that have its names
    own    names with a meaning of their own here
    """

    def __init__(self, path: str, homes: tuple[str, ...], own: dict[str, Any]):
        super().__init__(f"minicnn.keras.{path}", f"Keras's {path}, from {', '.join(homes) or 'minicnn.keras'}.")
        self.__package__ = self.__name__
        self.__path__ = []  # a package: Keras's own paths go deeper
        self.__dict__.update(own)
        self._keras, self._homes, self._own = path, homes, tuple(own)

    called: Any = None  # what a name of Keras 1's that is a module here does when it is called

    def __call__(self, *args, **kwargs):
        if self.called is None:
            raise TypeError(f"'{self.__name__}' is a module, which cannot be called")
        return self.called(*args, **kwargs)

    def __getattr__(self, name: str):
        if name == "__all__":
            return self.__dir__()
        if name.startswith("_"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        known = KNOWN.get(self._keras, "").split()
        found = self._home(name) if name in known else None
        if found is None and name in known:
            return Missing(f"keras.{self._keras}.{name}", nearest(name, self.__dir__()))
        if found is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        setattr(self, name, found)
        return found

    def __dir__(self):
        known = KNOWN.get(self._keras, "").split()
        return sorted({*self._own, *(name for name in known if self._home(name) is not None)})

    def _home(self, name: str):
        for home in self._homes:
            found = getattr(importlib.import_module(f"minicnn.{home}".rstrip(".")), name, None)
            if found is not None and not isinstance(found, types.ModuleType):
                return found
        return None
