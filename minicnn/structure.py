"""In what a model's inputs or outputs were given: one, a list, a tuple, a dict, and any of these within one another.

    Model({"image": a, "others": (b, c)}, ...)      template  {"image": 0, "others": (1, 2)}
                                                    names     image, others/b, others/c

A template is that structure with numbers in place of the symbols, which count from left to right, in a dict by sorted
keys: Keras's order, on which the order of layers, and so of weights in files, depends.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from . import arguments
from .errors import ArgumentTypeError, DataError, require

DEPTH = 20  # of structures in files


class Places(list):
    """Names of inputs or outputs, in order, with the template that they stand in."""

    def __init__(self, names: Iterable[str], template: Any = None):
        super().__init__(names)
        self.template = template


def flat(value: Any) -> list:
    """What lists, tuples and dicts hold, from left to right."""
    if isinstance(value, Mapping):
        return [leaf for key in _keys(value) for leaf in flat(value[key])]
    return [leaf for one in value for leaf in flat(one)] if isinstance(value, (list, tuple)) else [value]


def _keys(value: Mapping) -> list[str]:
    ok = all(isinstance(key, str) for key in value)
    require(ok, "inputs or outputs", "names as keys of a dict", arguments.shown(value), error=ArgumentTypeError)
    return sorted(value)


def template_of(value: Any) -> Any:
    """The template of inputs or outputs."""
    return _numbered(value, iter(range(len(flat(value)))))


def _numbered(value: Any, numbers) -> Any:
    if isinstance(value, Mapping):
        found = {key: _numbered(value[key], numbers) for key in _keys(value)}
        return {key: found[key] for key in value}  # in their own order
    return _like(value, [_numbered(one, numbers) for one in value]) if isinstance(value, (list, tuple)) else \
        next(numbers)  # fmt: skip


def _like(value: Any, items: list) -> Any:
    """A list, a tuple, or a tuple with names."""
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def packed(template: Any, values: list) -> Any:
    """The structure, with values in the places of the numbers."""
    if isinstance(template, Mapping):
        return {key: packed(one, values) for key, one in template.items()}
    return _like(template, [packed(one, values) for one in template]) if isinstance(template, (list, tuple)) else \
        values[template]  # fmt: skip


def answer(template: Any, values: list) -> Any:
    """What a model answers: the structure; of a list of one that one alone."""
    single = isinstance(template, (list, tuple)) and len(template) == 1
    return answer(template[0], values) if single else packed(template, values)


def is_deep(template: Any) -> bool:
    """Whether structures stand within others."""
    parts = template.values() if isinstance(template, Mapping) else template if _listed(template) else ()
    return any(isinstance(one, (Mapping, list, tuple)) for one in parts)


def _listed(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def opened(template: Any, value: Any) -> Any:
    """A value of a deep template's structure as a list in the order of its numbers; any other value as it is."""
    if not is_deep(template):
        return value
    found: dict[int, Any] = {}
    return [found[i] for i in range(len(found))] if _matched(template, value, found) else value


def _matched(template: Any, value: Any, found: dict) -> bool:
    if isinstance(template, Mapping):
        return isinstance(value, Mapping) and template.keys() == value.keys() and all(
            _matched(one, value[key], found) for key, one in template.items())  # fmt: skip
    if _listed(template):
        return _listed(value) and len(template) == len(value) and all(
            _matched(one, given, found) for one, given in zip(template, value, strict=True))  # fmt: skip
    found[template] = value
    return True


def names_of(template: Any, symbols: list[str]) -> Places:
    """A dict's keys, with / between them; in lists and tuples the symbols' own names."""
    found: dict[int, str] = {}

    def look(part, path):
        if isinstance(part, Mapping):
            for key, one in part.items():
                look(one, [*path, key])
        elif _listed(part):
            for one in part:
                if isinstance(one, (Mapping, list, tuple)):
                    look(one, path)
                else:
                    found[one] = "/".join([*path, symbols[one]])
        else:
            found[part] = "/".join(path) or symbols[part]

    look(template, [])
    return Places([found[i] for i in range(len(found))], template)


def call_numbers(steps: list[tuple[Any, Any, int]], ends: Iterable[int], first: int) -> list[int]:
    """Which call of its layer each step is, as Keras counts them: from the outputs back, what a call reads before it.

    steps   (layer, the values that it reads, how many it makes), in the order in which they run
    ends    the outputs' values;  first: how many values are inputs
    """
    maker = [None] * first + [k for k, (_, _, count) in enumerate(steps) for _ in range(count)]
    found: dict[int, int] = {}
    calls: Counter = Counter()
    stack = [(maker[end], False) for end in reversed([*ends])]
    while stack:  # not recursion: a graph may be deeper than Python's stack
        k, seen = stack.pop()
        if k is None or k in found:
            continue
        layer, given, _ = steps[k]
        if seen:
            found[k], calls[layer] = calls[layer], calls[layer] + 1
        else:
            stack += [(k, True), *((maker[i], False) for i in reversed([*given]))]
    return [found[k] for k in range(len(steps))]


# in files -------------------------------------------------------------------------------------------------------------


def to_file(template: Any) -> Any:
    """Plain values: None of one or a list, the keys of a dict in sorted order; of all others {"dict": ...}, ..."""
    if not is_deep(template):
        if isinstance(template, int) or type(template) is list:
            return None
        if isinstance(template, Mapping) and list(template) == sorted(template):
            return list(template)
    return _plain(template)


def _plain(template: Any) -> Any:
    if isinstance(template, Mapping):
        return {"dict": [[key, _plain(one)] for key, one in template.items()]}
    if _listed(template):
        return {"tuple" if isinstance(template, tuple) else "list": [_plain(one) for one in template]}
    return template


def from_file(said: Any, count: int, where: str) -> Any:
    """The way back, of `count` inputs or outputs; a list of keys names them in their order."""
    if said is None:
        return 0 if count == 1 else list(range(count))
    ok = not isinstance(said, list) or (all(isinstance(key, str) for key in said) and len(set(said)) == count)
    template = dict(zip(said, range(count), strict=True)) if isinstance(said, list) and ok else \
        _template(said, 0) if ok and isinstance(said, dict) else None  # fmt: skip
    ok = template is not None and sorted(flat(template), key=repr) == sorted(range(count), key=repr)
    require(ok, where, f"a structure of {count} inputs or outputs", f"{said!r:.80}", error=DataError)
    return template


def _template(said: Any, depth: int) -> Any:
    if type(said) is int:
        return said
    kind, items = next(iter(said.items())) if isinstance(said, dict) and len(said) == 1 else ("", [])
    ok = kind in ("dict", "list", "tuple") and isinstance(items, list) and depth < DEPTH
    ok = ok and (kind != "dict" or all(isinstance(one, list) and len(one) == 2 and isinstance(one[0], str)
                                       for one in items))  # fmt: skip
    require(ok, "load", "a structure of inputs or outputs", f"{said!r:.80}", error=DataError)
    if kind == "dict":
        return {key: _template(one, depth + 1) for key, one in items}
    return (tuple if kind == "tuple" else list)(_template(one, depth + 1) for one in items)
