"""A backend for arrays of which nothing but the shape matters: it copies none."""

from typing import Any

from .cpu import CPU


class Placeholder(CPU):
    """numpy_ref, with zeros that are one number seen at every index."""

    def __init__(self):
        super().__init__("numpy_ref")

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        return array if hasattr(array, "shape") else super().asarray(array, dtype)

    def like(self, shape: tuple[int, ...]) -> Any:
        """Zeros that take no memory, whatever their shape."""
        return self.xp.broadcast_to(self.xp.zeros((), self.dtype), tuple(shape))
