"""JSON from files: objects name nothing twice, numbers are finite, nesting is shallow, values are few."""

import collections
import json
import math
from typing import Any

DEPTH_LIMIT = 100
MOST_COMMAS = 200_000  # each value but the first has one before it; as Python objects they take 100 times the text


def parse(text: str | bytes) -> Any:
    """The value that `text` holds. Raises ValueError, which says what is wrong, for all that is not strict JSON."""
    if isinstance(text, bytes):
        text = text.decode()
    if text.count(",") > MOST_COMMAS:
        raise ValueError(f"more than {MOST_COMMAS:,} values")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_number)
    except RecursionError:
        raise ValueError(f"nested more than {DEPTH_LIMIT} deep") from None
    return _checked(value)


def _object(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        most = collections.Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the name {most!r} stands twice in one object")
    return found


def _constant(name: str):
    raise ValueError(f"{name} is not a number of JSON")


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large for a number")
    return value


def _checked(value):
    """`value`, if it is nested at most DEPTH_LIMIT deep; without recursion, so that no depth can hurt."""
    level = [value]
    for _ in range(DEPTH_LIMIT):
        inner = []
        for item in level:
            inner += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        level = inner
        if not level:
            return value
    raise ValueError(f"nested more than {DEPTH_LIMIT} deep")
