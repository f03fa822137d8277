"""Backend: the one object through which ops reach arrays and kernels."""

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from minicnn import kernels

from ..aliases import Array


class Backend:
    """A device as a value.  Every kernel of the contract is an attribute: `be.conv2d(x, w, b, strides=..., pads=...)`.

    name     "cpu" or "cuda"
    xp       the array module, NumPy's interface
    dtype    the float type that parameters and activations have
    kernels  the name of the chosen kernel set; `table()` tells which set serves each kernel
    fused    which of the fused kernels of kernels.FUSED the set has
    batch_invariant  whether a row of a product is the same bytes whatever the other rows are (BLAS: no)
    """

    name: str
    xp: Any
    if TYPE_CHECKING:  # kernels are attributes by name

        def __getattr__(self, name: str) -> Any: ...

    batch_invariant = True
    joins = False  # whether its tensors go to the backend of those that they are put together with
    # On a device, where launches are dear: one for all pairs (to, from) of arrays and for `update_averages`; and what
    # stands in for the backend where a weight's gradient is asked for, and puts it where the optimizer reads.
    blend: Callable | None = None
    one: Any = None  # where a backward begins, () and 1: nobody writes to it, so who meets it need not multiply by it
    placing: Callable | None = None
    record: Callable | None = None  # a device's own way to run training steps: backend/cuda.py, training/captured.py

    def __init__(self, kernel_set: str, dtype: str, threads: int | None = None, own: dict | None = None):
        """own: the set's kernels, where they are bound to something that `kernels.load` does not know of."""
        self.kernels = kernel_set
        self.dtype = self.xp.dtype(dtype)
        self.threads = threads
        own = own or kernels.load(kernel_set)
        for kernel, function in {**kernels.load("numpy_ref"), **own}.items():
            setattr(self, kernel, function)
        self.fused = frozenset(kernels.FUSED) & own.keys()

    key = kernels.Key
    as_acb = staticmethod(kernels.as_acb)

    def table(self) -> dict[str, str]:
        """Which kernel set serves each kernel."""
        return kernels.table(self.kernels)

    def plan_conv2d(self, x_shape: tuple, w_shape: tuple, strides: tuple[int, int], pads: tuple,
                    algorithm: str = "auto", pool: dict[str, Any] | None = None) -> Any:  # fmt: skip
        """What the kernel set will do for a convolution and its two gradients; None: it has one way only.

        pool: max_pool's arguments, where the convolution and a pooling right behind it are one kernel.
        """
        return kernels.plan_conv2d(self.kernels, x_shape, w_shape, strides, pads, algorithm, pool)

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        """`array` on this device, C-contiguous; floats of any width become `self.dtype` unless `dtype` is given."""
        if type(array) is self.xp.ndarray and array.dtype == (dtype or self.dtype) and array.flags.c_contiguous:
            return array  # nothing to do, as almost always
        array = self.xp.asarray(array)
        if dtype is None and array.dtype.kind == "f":
            dtype = self.dtype
        return self.xp.ascontiguousarray(array, dtype=dtype) if array.ndim else array.astype(dtype or array.dtype)

    def zeros(self, size: int) -> Any:
        """A flat buffer of `size` zeros that starts on a cache line."""
        return self.xp.zeros(size, self.dtype)

    def update_averages(self, averages: Iterable[tuple]) -> None:
        """average = momentum average + (1 - momentum) batch, in place, for each (average, batch, momentum)."""
        for average, batch, momentum in averages:
            average *= momentum
            average += (1 - momentum) * batch

    def erf(self, x: Any) -> Any:
        """The error function of every element."""
        raise NotImplementedError

    def to_numpy(self, array: Any) -> Array:
        raise NotImplementedError

    memory_errors: tuple[type[Exception], ...] = ()  # what the device raises when its memory is full

    def free_memory(self) -> int:
        """Give back what is kept for later use; how many bytes are free then."""
        return 0

    def running(self) -> contextlib.AbstractContextManager:
        """Hold the device's threads to `self.threads` while a model runs."""
        return contextlib.nullcontext()

    def describe(self) -> str:
        """One line for people: device, kernel set, float type, threads."""
        raise NotImplementedError
