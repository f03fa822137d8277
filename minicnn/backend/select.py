"""From what a user says (device="cpu", kernels="auto") to a backend."""

from ..errors import DeviceError, one_of
from ..notes import note
from .base import Backend
from .cpu import CPU
from .cuda import CUDA

DEVICES = ("cpu", "cuda", "auto")


def select(device: str | Backend = "cpu", kernels: str = "auto", threads: int | None = None) -> Backend:
    """The backend for "cpu", "cuda" or "auto" (the GPU if there is one, else the CPU, with a note that says why).

    A Backend is passed through, which is how a test runs a model in float64: device=CPU("numpy_ref", "float64").
    Raises ArgumentError for an unknown name, DeviceError for "cuda" where there is none.
    """
    if isinstance(device, Backend):
        return device
    one_of("device", device, DEVICES)
    if device == "cpu":
        return CPU(kernels, threads=threads)
    try:
        return CUDA(kernels, threads=threads)
    except DeviceError as cause:
        if device == "cuda":
            raise
        note(f"device \"auto\" is the CPU here ({cause})")
        return CPU(kernels, threads=threads)
