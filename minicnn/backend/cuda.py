"""The GPU: CuPy arrays and the kernel set cuda. What is missing on this machine is said in one sentence.

No GPU has run this file or its kernels yet: the tests run the kernels emulated on the CPU, and this file without a
driver.
"""

from functools import partial

import numpy as np

from minicnn.kernels import cuda as kernel_set_cuda
from minicnn.kernels.cuda import activation, step
from minicnn.kernels.cuda.launch import PRECISIONS, CuPyLauncher

from ..errors import ArgumentError, DeviceError, one_of, require
from . import gpu_facts, gpu_report
from .base import Backend

DOCTOR = '"python -m minicnn doctor" lists all that is missing here'
SETS = ("auto", "cuda")


def _cupy():
    """CuPy, with a GPU that it can use.  Raises DeviceError: the first thing that is missing, and what to do."""
    try:
        import cupy

        found = "" if cupy.is_available() else f"a CuPy {cupy.__version__} that finds none"
    except ImportError as cause:
        found = f'no CuPy: "{cause}"'
    if not found:
        return cupy
    # From the hardware up: who has no GPU is not sent to install CuPy's 400 MB.
    facts = gpu_facts.gather()
    found, fix = next(((what, fix) for what, fix, stops in gpu_report.problems(facts) if stops),
                      (found, gpu_report.install(facts)))  # fmt: skip
    fix += "" if gpu_report.CPU_INSTEAD in fix else f", or {gpu_report.CPU_INSTEAD}"
    wanted = "an NVIDIA GPU, its driver and CuPy"
    raise DeviceError(f'device "cuda": expected {wanted}, received: {found}; {fix}; {DOCTOR}', found)


class OnDevice(Backend):
    """What a device has that runs training steps by itself, whoever starts its kernels: see training/captured.py."""

    name = "cuda"

    def __init__(self, launcher, dtype: str = "float32", threads: int | None = None):
        self.launcher, self.xp, self.precision = launcher, launcher.xp, launcher.precision
        super().__init__("cuda", dtype, threads, kernel_set_cuda.bind(launcher))
        self.record = launcher.record
        self.epoch = partial(step.Epoch, launcher)
        self.holds = step.fits
        self.copy, self.follow = partial(step.copy, launcher), partial(step.follow, launcher)
        self.erf = partial(activation.erf, launcher)

    def asarray(self, array, dtype=None):
        if isinstance(array, (int, float)):  # written by the device: to send it would be no part of a recorded step
            return self.xp.full((), array, dtype or (self.dtype if isinstance(array, float) else None))
        here = isinstance(array, self.xp.ndarray)
        if here and array.ndim == 0 and array.dtype == (dtype or self.dtype):
            return array  # no copy: it would be one more launch
        if self.launcher.recording and not here:
            raise DeviceError(
                f"a recorded step: expected arrays on the device, received a {type(array).__name__} of the host"
            )
        return super().asarray(array, dtype)


class CUDA(OnDevice):
    """The current GPU.  Raises DeviceError where there is none: the cause and what to do.

    precision  how matrix products read their operands: PRECISIONS in kernels/cuda/launch.py. Weights, statistics and
               all sums are float32.
    """

    def __init__(
        self, kernel_set: str = "auto", dtype: str = "float32", threads: int | None = None, precision: str = "float32"
    ):
        self.cupy = _cupy()
        one_of("kernels", kernel_set, SETS)
        one_of("precision", precision, PRECISIONS)
        require(
            np.dtype(dtype) == np.float32, "dtype", "float32 on the GPU", np.dtype(dtype).name,
            'use device="cpu" with kernels="numpy_ref"', error=ArgumentError,
        )  # fmt: skip
        super().__init__(CuPyLauncher(precision), dtype, threads)
        self.memory_errors = (self.cupy.cuda.memory.OutOfMemoryError,)

    def to_numpy(self, array):
        return self.cupy.asnumpy(array)

    def memory(self) -> tuple[int, int]:
        """Bytes of device memory that are free, and that there are."""
        return self.cupy.cuda.Device().mem_info

    def free_memory(self) -> int:
        pool = self.cupy.get_default_memory_pool()
        pool.free_all_blocks()
        return self.memory()[0] + pool.free_bytes()

    def describe(self) -> str:
        device = self.cupy.cuda.Device()
        name = self.cupy.cuda.runtime.getDeviceProperties(device.id)["name"].decode()
        return f"GPU {device.id}, {name}, kernel set {self.kernels}, matrix products in {self.precision}"
