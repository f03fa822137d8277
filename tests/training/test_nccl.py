"""What World.nccl asks of CuPy, with a stand-in for it: no device has seen this."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from minicnn import World
from minicnn.backend import nccl
from minicnn.errors import DeviceError


@pytest.fixture
def calls(monkeypatch):
    """Two GPUs, and what was asked of them; a process group in which the other rank's array is all ones."""
    found = []

    def init_process_group(n_devices, rank, *, backend="nccl", host=None, port=None, use_mpi=False):
        found.append(("group", n_devices, rank, use_mpi))

        def all_reduce(in_array, out_array, op="sum", stream=None):
            found.append(("all_reduce", in_array is out_array, op))
            out_array += 1

        return SimpleNamespace(all_reduce=all_reduce)

    cuda = SimpleNamespace(
        runtime=SimpleNamespace(getDeviceCount=lambda: 2), nccl=SimpleNamespace(available=True),
        Device=lambda number: SimpleNamespace(use=lambda: found.append(("use", number))),
    )  # fmt: skip
    monkeypatch.setattr(nccl, "_cupy", lambda: SimpleNamespace(cuda=cuda))
    distributed = ModuleType("cupyx.distributed")
    distributed.init_process_group = init_process_group
    monkeypatch.setitem(sys.modules, "cupyx", ModuleType("cupyx"))
    monkeypatch.setitem(sys.modules, "cupyx.distributed", distributed)
    return SimpleNamespace(found=found, cuda=cuda)


def test_a_process_takes_its_gpu_before_it_joins_and_sums_in_place(calls):
    total = nccl.communicator(rank=3, size=4, near=1)
    array = np.arange(3.0)
    assert total(array) is array
    np.testing.assert_array_equal(array, [1, 2, 3])
    assert calls.found == [("use", 1), ("group", 4, 3, True), ("all_reduce", True, "sum")]


def test_a_world_of_several_sums_there(calls, monkeypatch):
    def several():
        world = World(1, 2)
        world.near = 1
        return world

    monkeypatch.setattr(World, "mpi", several)
    assert World.nccl().on_device(np.zeros(1)) == [1]
    monkeypatch.setattr(World, "mpi", World)
    assert World.nccl().on_device is None  # alone: nothing is asked of a GPU
    assert [call[0] for call in calls.found] == ["use", "group", "all_reduce"]


def test_too_few_gpus_and_a_cupy_without_nccl(calls):
    with pytest.raises(DeviceError, match="a GPU for each process of a machine, received 3 processes or more, and 2"):
        nccl.communicator(rank=2, size=3, near=2)
    calls.cuda.nccl = SimpleNamespace(available=False)
    with pytest.raises(DeviceError, match="expected a CuPy with NCCL, received one without"):
        nccl.communicator(rank=0, size=2, near=0)
    assert calls.found == []
