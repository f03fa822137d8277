"""The operators of tensors and symbols, for who reads types: ops/arithmetic.py and ops/compare.py put them there.

The core knows no op, so it cannot define them, and nothing of this is there when a program runs.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    _Function = ClassVar[Callable[..., Any]]

    class Operators:
        __add__: _Function
        __radd__: _Function
        __sub__: _Function
        __rsub__: _Function
        __mul__: _Function
        __rmul__: _Function
        __truediv__: _Function
        __rtruediv__: _Function
        __pow__: _Function
        __neg__: _Function
        __matmul__: _Function
        __rmatmul__: _Function
        __getitem__: _Function
        __abs__: _Function
        __gt__: _Function
        __ge__: _Function
        __lt__: _Function
        __le__: _Function
        sum: _Function
        mean: _Function
        reshape: _Function
else:

    class Operators:
        __slots__ = ()
