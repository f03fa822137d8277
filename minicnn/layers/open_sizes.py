"""Sizes that a model leaves open, None in (None, None, 3), while layers compute with shapes.

      Input((None, None, 3))    opened    (OPEN, OPEN, 3)
      Conv2D(8, 3).follow       OPEN - 3 + 1 = OPEN, so (OPEN, OPEN, 8)
      output_shape              closed    (None, None, 8)

So no layer knows of them: what a layer does with a size it can do with OPEN, and a weight of that size is refused.
"""

from collections.abc import Callable
from typing import Any


class _Open:
    """A size that nobody knows yet: larger than every number; arithmetic with it gives no other."""

    def _same(self, *others):
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __floordiv__ = __mod__ = __neg__ = _same

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __gt__(self, other):
        return other is not self

    def __ge__(self, other):
        return True

    def __lt__(self, other):
        return False

    def __le__(self, other):
        return other is self

    def __repr__(self):
        return "None"


OPEN = _Open()
PROBES = 60, 84  # px: sizes that most strides and windows divide or fit into


def is_open(shape: Any) -> bool:
    """Whether a shape, or one of several, has an open size."""
    return any(n is None or n is OPEN or (isinstance(n, (tuple, list)) and is_open(n)) for n in shape or ())


def opened(shape: Any) -> Any:
    """The shape, or a tuple of them, with OPEN for None."""
    if not is_open(shape):
        return shape
    return tuple(opened(n) if isinstance(n, (tuple, list)) else OPEN if n is None else n for n in shape)


def closed(shape: Any) -> Any:
    """The inverse of `opened`: None for OPEN."""
    return tuple(None if n is OPEN else n for n in shape)


def fits(shape: Any, wanted: Any) -> bool:
    """Whether a shape is one of those that `wanted` leaves open."""
    return len(shape) == len(wanted) and all(w is None or n == w for n, w in zip(shape, wanted, strict=True))


def probed(function: Callable, shape: Any) -> Any:
    """function(shape), where it needs numbers: tried with two sizes, an axis of the answer that moves is open too."""
    if not is_open(shape):
        return function(shape)

    def tried(size, part=shape):
        return tuple(tried(size, n) if isinstance(n, tuple) else size if n is OPEN else n for n in part)

    a, b = (tuple(function(tried(size))) for size in PROBES)
    return tuple(OPEN if m != n else n for m, n in zip(a, b, strict=True)) if len(a) == len(b) else a
