"""select: the backend that a user's device, kernels and precision name."""

from ..arguments import whole
from ..errors import ArgumentError, DeviceError, one_of, require
from ..notes import note
from .base import Backend
from .cpu import CPU
from .cuda import CUDA, PRECISIONS, CUDAReference

DEVICES = ("cpu", "cuda", "auto")


def select(
    device: str | Backend = "cpu", kernels: str = "auto", threads: int | None = None, precision: str | None = None
) -> Backend:
    """The backend for "cpu", "cuda" or "auto" (the GPU if there is one, else the CPU; a note says which and why).

    kernels: of the CPU "numba_cpu" or "numpy_ref", of the GPU "cuda"; "reference" is numpy_ref on either; "auto" the
    fast ones, of the GPU those that pass their self-check.
    precision: of the GPU's matrix products, one of PRECISIONS of backend/cuda.py; None: float32, which is all that the
    CPU has.
    A Backend is passed through, which is how a test runs a model in float64: device=CPU("numpy_ref", "float64").
    Raises ArgumentError for an unknown name, DeviceError for "cuda" where there is none.
    """
    if isinstance(device, Backend):
        given = getattr(device, "precision", "float32")
        require(precision in (None, given), "precision", f"{given}, which the device given has", repr(precision),
                "choose it where that is made", error=ArgumentError)  # fmt: skip
        return device
    one_of("device", device, DEVICES)
    whole("threads", threads, optional=True)
    one_of("precision", "float32" if precision is None else precision, PRECISIONS)
    if device == "cpu":
        require(precision in (None, "float32"), "precision", "float32 on the CPU", repr(precision),
                'use device="cuda", or leave precision out', error=ArgumentError)  # fmt: skip
        return CPU(kernels, threads=threads)
    if kernels == "reference":
        require(precision in (None, "float32"), "precision", 'float32 for kernels="reference"', repr(precision),
                "leave one of them out", error=ArgumentError)  # fmt: skip
    try:
        if kernels == "reference":
            chosen = CUDAReference(threads=threads)
        else:
            chosen = CUDA(kernels, threads=threads, precision=precision or "float32")
        if device == "auto":
            note(f'device "auto" is the GPU here: {chosen.describe()}')
        return chosen
    except DeviceError as cause:
        if device == "cuda":
            raise
        lost = f", in float32 instead of {precision}" if precision not in (None, "float32") else ""
        note(f'device "auto" is the CPU here{lost}: {cause.found}')
        return CPU(kernels, threads=threads)
