"""Types that public signatures share, under the names that they have there."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numpy import ndarray as Array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike as ArrayLike
else:  # NumPy's own is a long union, which help() would print
    ArrayLike = Any

__all__ = ["ActivationLike", "Array", "ArrayLike", "ConstraintLike", "DTypeLike", "Floats", "InitializerLike", "Ints",
           "RateLike", "RegularizerLike", "Shape"]  # fmt: skip

Shape = tuple[int, ...]  # of one sample: without the batch's axis
Ints = int | Sequence[int]  # one whole number for all axes, or one for each
Floats = float | Sequence[float]
# A name, what get_config describes, a class, an instance or a function; None: the default, or none.
ActivationLike = str | Callable | None
InitializerLike = str | dict | Callable | None
RegularizerLike = str | dict | Callable | None
ConstraintLike = str | dict | Callable | None
DTypeLike = str | type | None  # "float32", numpy.float32
RateLike = float | dict | Callable[..., Any]  # a learning rate, or a schedule of it
