"""The GPU: CuPy arrays, and the kernel set cuda or numpy_ref on them. What is missing here is said in one sentence.

      CUDA()         our kernels, those of them that agree with the definition on this device (selfcheck.py)
      OnReference()  kernels="reference": im2col, one matrix product, col2im as array code, with cuBLAS behind `@`;
                     to be read, in float32 or float64; the oracle of the first, and what takes its failures' place

No GPU has run this file or its kernels yet: the tests run the kernels emulated on the CPU, numpy_ref on arrays as
strict as CuPy's, and this file without a driver.
"""

from functools import partial
from typing import Any

import numpy as np

from minicnn import kernels
from minicnn.kernels import cuda as kernel_set_cuda
from minicnn.kernels.cuda import activation, conv, dense, selfcheck, step
from minicnn.kernels.cuda.launch import PRECISIONS, CuPyLauncher
from minicnn.kernels.numpy_ref.random import words

from ..errors import ArgumentError, DeviceError, one_of, require
from . import gpu_facts, gpu_report
from .base import Backend
from .selfcheck import identity, trusted

DOCTOR = '"python -m minicnn doctor" lists all that is missing here'
SETS = ("auto", "cuda", "reference")


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
    """What a device has that runs training steps by itself, whoever starts its kernels: see training/captured.py.

    wrong  kernels that this device does not run as it should, by name, and why: numpy_ref's take their place
    """

    name = "cuda"

    def __init__(self, launcher: Any, dtype: str = "float32", threads: int | None = None, wrong: dict | None = None):
        self.launcher, self.xp, self.precision, self.wrong = launcher, launcher.xp, launcher.precision, wrong or {}
        own = kernel_set_cuda.bind(launcher)
        if self.wrong:  # what is not checked by itself is made of others
            own = {name: own[name] for name in selfcheck.CHECKED if name not in self.wrong}
            self.batch_invariant = not any(name.startswith(selfcheck.OF_PRODUCTS) for name in self.wrong)
        self.own = tuple(own)
        super().__init__("cuda", dtype, threads, own | _bound(self.xp, self.wrong))
        if selfcheck.RECORDED not in self.wrong:
            self.erf = partial(activation.erf, launcher)
        if self.wrong:  # array code cannot be relied upon to be recorded: the host runs every step
            return
        self.record = launcher.record
        self.epoch = partial(step.Epoch, launcher)
        self.indexable = step.indexable
        self.update_averages, self.blend = partial(step.update_averages, launcher), self._blend
        self.placing = partial(Placing, launcher)
        self.one = self.xp.ones((), self.dtype)
        for name, function in selfcheck.BLOCKS.items():
            setattr(self, name, partial(function, launcher))
        self.fused |= selfcheck.BLOCKS.keys()

    def _blend(self, pairs, averages):
        ready = step.Parts, type(None)
        pairs = [(to, one if isinstance(one, ready) else self.asarray(one)) for to, one in pairs]
        step.blend(self.launcher, pairs, averages)

    def table(self) -> dict[str, str]:
        return dict.fromkeys(kernels.KERNELS, "numpy_ref") | dict.fromkeys(self.own, "cuda")

    def asarray(self, array: Any, dtype: Any = None) -> Any:
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


class Placing:
    """The kernels of weight gradients, whose result goes to `buffer`; a split sum is left in parts, for `blend`."""

    def __init__(self, launcher: Any, buffer: Any):
        self.conv2d_weight_grad = partial(conv.placed_conv2d_weight_grad, launcher, into=buffer)
        self.dense_weight_grad = partial(dense.placed_weight_grad, launcher, into=buffer)


def _bound(xp, names) -> dict:
    """numpy_ref's kernels of these names, on the arrays of xp."""
    found = {name: function for name, function in kernels.load("numpy_ref").items() if name in names}
    return found | ({"philox": partial(words, xp)} if "philox" in names else {})


class OnReference(Backend):
    """A device's arrays, and the definition on them; the host runs every step."""

    name, precision, batch_invariant = "cuda", "float32", False  # BLAS chooses by the number of rows

    def __init__(self, xp: Any, dtype: str = "float32", threads: int | None = None):
        self.xp = xp
        super().__init__("numpy_ref", dtype, threads, _bound(xp, kernels.KERNELS))


class CuPyArrays:
    """What both have of CuPy."""

    cupy: Any
    kernels: str
    dtype: Any
    precision: str

    @property
    def memory_errors(self) -> tuple[type[Exception], ...]:
        return (self.cupy.cuda.memory.OutOfMemoryError,)

    def to_numpy(self, array: Any) -> Any:
        return self.cupy.asnumpy(array)

    def erf(self, x: Any) -> Any:
        from cupyx.scipy.special import erf

        return erf(x)

    def memory(self) -> tuple[int, int]:
        """Bytes of device memory that are free, and that there are."""
        return self.cupy.cuda.Device().mem_info

    def free_memory(self) -> int:
        pool = self.cupy.get_default_memory_pool()
        pool.free_all_blocks()
        return self.memory()[0] + pool.free_bytes()

    def describe(self) -> str:
        device = self.cupy.cuda.Device()
        how = f"matrix products in {self.precision}" if self.kernels == "cuda" else self.dtype.name
        return f"GPU {device.id}, {identity(self.cupy)['device']}, kernel set {self.kernels}, {how}"


class CUDA(CuPyArrays, OnDevice):
    """The current GPU.  Raises DeviceError where there is none: the cause and what to do.

    kernel_set "auto": a kernel that this GPU does not run right is named once and replaced; "cuda": it is an error
    precision  how matrix products read their operands: PRECISIONS in kernels/cuda/launch.py. Weights, statistics and
               all sums are float32.
    """

    def __init__(
        self, kernel_set: str = "auto", dtype: str = "float32", threads: int | None = None, precision: str = "float32"
    ):
        self.cupy = _cupy()
        one_of("kernels", kernel_set, SETS[:2])
        one_of("precision", precision, PRECISIONS)
        require(
            np.dtype(dtype) == np.float32, "dtype", "float32 for the kernels of the GPU", np.dtype(dtype).name,
            'use kernels="reference"', error=ArgumentError,
        )  # fmt: skip
        launcher = CuPyLauncher(precision)
        wrong = trusted(launcher, self.cupy.asnumpy, identity(self.cupy), strict=kernel_set == "cuda")
        super().__init__(launcher, dtype, threads, wrong)


class CUDAReference(CuPyArrays, OnReference):
    """The current GPU with numpy_ref's kernels, float32 or float64.  Raises DeviceError where there is none."""

    def __init__(self, dtype: str = "float32", threads: int | None = None):
        self.cupy = _cupy()
        super().__init__(self.cupy, dtype, threads)
