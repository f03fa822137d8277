"""The CPU: NumPy arrays, and the kernel set numba_cpu (fast, float32) or numpy_ref (the definition, any float type)."""

import contextlib
import importlib.util
import os
import threading
from typing import Any

import numpy as np

from ..arguments import whole
from ..errors import ArgumentError, one_of, require
from . import cores
from .base import Backend

SETS = ("auto", "numba_cpu", "numpy_ref", "reference")


class CPU(Backend):
    """`CPU()` runs numba_cpu in float32; `CPU("numpy_ref", "float64")` is the oracle that the tests compare with."""

    name = "cpu"
    xp = np

    def __init__(self, kernel_set: str = "auto", dtype: str = "float32", threads: int | None = None):
        one_of("kernels", kernel_set, SETS)
        threads = whole("threads", threads, optional=True)
        if kernel_set == "reference":  # the name that the CPU and the GPU share
            kernel_set = "numpy_ref"
        if kernel_set == "auto":
            kernel_set = "numba_cpu" if np.dtype(dtype) == np.float32 else "numpy_ref"
        require(
            kernel_set != "numba_cpu" or np.dtype(dtype) == np.float32,
            "kernels", 'float32 for the set "numba_cpu"', np.dtype(dtype).name, 'use kernels="numpy_ref"',
            error=ArgumentError,
        )  # fmt: skip
        super().__init__(kernel_set, dtype, threads)
        self.batch_invariant = kernel_set == "numba_cpu"

    def zeros(self, size: int) -> Any:
        line = 64  # bytes; NumPy aligns to 16, and a vector across two lines costs two reads
        raw = np.zeros(size * self.dtype.itemsize + line, np.uint8)
        start = -raw.ctypes.data % line
        return raw[start : start + size * self.dtype.itemsize].view(self.dtype)

    def erf(self, x: Any) -> Any:
        from scipy.special import erf  # scikit-learn brings SciPy; NumPy has none

        return erf(x)

    def to_numpy(self, array: Any) -> Any:
        return np.asarray(array)

    @contextlib.contextmanager
    def running(self) -> Any:
        if self.kernels == "numba_cpu":
            import numba

            before = numba.get_num_threads()
            numba.set_num_threads(self.thread_count())
            try:
                yield
            finally:
                numba.set_num_threads(before)
        elif (self.threads is not None or cores.shared()) and importlib.util.find_spec("threadpoolctl"):
            with _limited(self.thread_count()):
                yield
        else:
            yield

    def thread_count(self) -> int:
        """Threads in use: `threads`, but never more than there are."""
        if self.kernels == "numba_cpu":
            from numba.core import config

            from minicnn.kernels.numba_cpu.runtime.thread_pool import alone

            available = 1 if alone() else cores.usable(vars(config)["NUMBA_NUM_THREADS"])
        else:
            available = cores.usable(os.cpu_count() or 1)
        return min(self.threads or available, available)

    def describe(self) -> str:
        return f"CPU, kernel set {self.kernels}, {self.dtype.name}, {self.thread_count()} threads"


_limits: list = []  # of BLAS's threads, by whoever is running
_lock = threading.Lock()


@contextlib.contextmanager
def _limited(threads: int):
    """BLAS on so many threads. The limit is the process's: who comes first sets it, who leaves last takes it back."""
    import threadpoolctl

    with _lock:
        _limits.append(None if _limits else threadpoolctl.threadpool_limits(threads))
    try:
        yield
    finally:
        with _lock:
            limit = _limits.pop()
            if limit is not None:
                limit.restore_original_limits()


def _forked() -> None:
    """In the child, right after a fork: threads that are not here may have held the lock, or been running."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
