"""Sums of device arrays over the processes of a training, from one GPU's memory to another's: NCCL, through CuPy.

MPI starts the processes and hands NCCL's identifier round; each process uses a GPU of its own.
No device has run this file: the tests give Ranks a communicator of their own, on arrays as strict as CuPy's.
"""

from collections.abc import Callable

from ..errors import DeviceError, require
from .cuda import DOCTOR, _cupy


def communicator(rank: int, size: int, near: int) -> Callable:
    """array on this process's GPU -> the sum of all ranks' arrays, in its place.

    near: this process's number among those of its machine, which is the number of its GPU.
    Raises DeviceError: no GPU for this process, or a CuPy without NCCL.
    """
    cupy = _cupy()
    count = cupy.cuda.runtime.getDeviceCount()
    expected = "a GPU for each process of a machine"
    fix = "start fewer processes, or use World.mpi(), which sums on the host"
    require(near < count, "World.nccl", expected, f"{near + 1} processes or more, and {count} GPUs", fix,
            error=DeviceError)  # fmt: skip
    require(getattr(cupy.cuda.nccl, "available", False), "World.nccl", "a CuPy with NCCL", "one without", DOCTOR,
            error=DeviceError)  # fmt: skip
    from cupyx.distributed import init_process_group

    cupy.cuda.Device(near).use()
    group = init_process_group(size, rank, use_mpi=True)

    def total(array):
        group.all_reduce(array, array, "sum")
        return array

    return total
