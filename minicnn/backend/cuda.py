"""The GPU's seat. Its kernels are not written yet; what is missing on this machine is said in one sentence."""

from ..errors import DeviceError
from .base import Backend

INSTALL = 'pip install "minicnn[cuda13]" (CUDA 13) or pip install "minicnn[cuda12]" (CUDA 12)'


class CUDA(Backend):
    """CuPy arrays and the kernel set `cuda`.  Raises DeviceError: the cause and what to do."""

    name = "cuda"

    def __init__(self, kernel_set: str = "auto", dtype: str = "float32", threads: int | None = None):
        try:
            import cupy
        except ImportError as cause:
            raise DeviceError(
                f'device "cuda": expected CuPy to be installed, received "{cause}"; run {INSTALL}, or use the CPU'
            ) from None
        if not cupy.is_available():
            raise DeviceError(
                f'device "cuda": expected an NVIDIA GPU with its driver, received none that CuPy {cupy.__version__} '
                f"can use; install the driver, check that CuPy matches its CUDA version ({INSTALL}), or use the CPU"
            )
        raise DeviceError(
            'device "cuda": expected a version of minicnn with CUDA kernels, received one without; use the CPU'
        )
