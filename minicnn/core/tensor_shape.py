"""A shape as a tuple that answers as TensorFlow's do, for scripts that ask x.get_shape().as_list()."""

import math
from collections.abc import Iterable


class TensorShape(tuple):
    """A shape that is asked as TensorFlow's: as_list, rank, num_elements."""

    def __new__(cls, dims: Iterable[int | None] | None = ()) -> "TensorShape":
        found = super().__new__(cls, () if dims is None else dims)
        found.unknown = dims is None
        return found

    unknown: bool  # made of None: of any rank
    rank = ndims = property(lambda self: None if self.unknown else len(self))

    def as_list(self) -> list[int | None]:
        """The sizes as a list."""
        return list(self)

    def num_elements(self) -> int | None:
        """Their product; None where a size is open."""
        return None if None in self else math.prod(self)

    def is_fully_defined(self) -> bool:
        """Whether all sizes are known."""
        return None not in self

    def concatenate(self, other: Iterable[int | None]) -> "TensorShape":
        """These sizes, then the other's."""
        return TensorShape((*self, *other))
