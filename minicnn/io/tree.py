"""Plain values and arrays, nested, as JSON and a flat table of arrays; and back.

    {"best": nan, "weights": [array, array]}
    ->  {"best": {"float": "nan"}, "weights": [{"array": "weights/0"}, {"array": "weights/1"}]},
        {"weights/0": array, "weights/1": array}

Values: None, bool, int, float (NaN and infinity too), str, lists, dicts with string keys, NumPy arrays. Tuples come
back as lists, NumPy's scalars as Python's numbers. A dict whose one entry is named like a mark goes into {"dict": ...}.
"""

import math
from typing import Any

import numpy as np

from ..errors import ArgumentTypeError, DataError, require

MARKS = ("float", "array", "dict")
KINDS = "biuf"  # of arrays that a file holds


def flatten(value: Any, where: str, prefix: str = "") -> tuple[Any, dict[str, np.ndarray]]:
    """(what JSON can hold, arrays by name, each name beginning with `prefix`).

    Raises ArgumentTypeError, which names the place in `value`, for anything that is not listed above.
    """
    arrays: dict[str, np.ndarray] = {}

    def walk(item: Any, path: tuple[str, ...]) -> Any:
        if getattr(item, "shape", None) == () and hasattr(item, "item"):
            item = item.item()
        if item is None or isinstance(item, (bool, int, str)):
            return item
        if isinstance(item, float):
            return item if math.isfinite(item) else {"float": repr(float(item))}
        if isinstance(item, (list, tuple)):
            return [walk(inner, (*path, str(i))) for i, inner in enumerate(item)]
        if isinstance(item, dict) and all(isinstance(key, str) for key in item):
            inner = {key: walk(one, (*path, key)) for key, one in item.items()}
            return {"dict": inner} if len(inner) == 1 and next(iter(inner)) in MARKS else inner
        if not isinstance(item, np.ndarray) or item.dtype.kind not in KINDS:
            expected = "numbers, strings, None, lists, dicts with string keys and arrays of numbers"
            place = "".join(f"[{key!r}]" for key in path)
            require(False, where + place, expected, f"{item!r:.80}", "return plain values", error=ArgumentTypeError)
        name = prefix + "/".join(path)
        arrays[name] = np.array(item, item.dtype.newbyteorder("="), order="C")  # as it is now
        return {"array": name}

    return walk(value, ()), arrays


def restore(value: Any, arrays: dict[str, np.ndarray], where: str) -> Any:
    """What flatten was given. Raises DataError for a mark that says nothing, or an array that is not there."""
    if isinstance(value, list):
        return [restore(item, arrays, where) for item in value]
    if not isinstance(value, dict):
        return value
    mark, held = next(iter(value.items())) if len(value) == 1 else (None, None)
    if mark not in MARKS:
        return {key: restore(item, arrays, where) for key, item in value.items()}
    if mark == "dict" and isinstance(held, dict):
        return {key: restore(item, arrays, where) for key, item in held.items()}
    if mark == "float" and held in ("nan", "inf", "-inf"):
        return float(held)
    if mark != "array" or not isinstance(held, str) or held not in arrays:
        require(False, where, "an array of the file", f"{held!r:.80}", error=DataError)
    return arrays[held].copy()
