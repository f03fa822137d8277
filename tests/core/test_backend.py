"""A device is a value: which kernels it has, which it takes over, and what it refuses."""

import numpy as np
import pytest

from minicnn.backend.base import Backend
from minicnn.backend.cpu import CPU
from minicnn.backend.select import select
from minicnn.backend.streams import DROPOUT, SHUFFLE, Streams
from minicnn.errors import ArgumentError, DeviceError
from minicnn.kernels import KERNELS


def test_sets_and_types():
    assert (CPU().kernels, CPU().dtype) == ("numba_cpu", np.float32)
    assert CPU("auto", "float64").kernels == "numpy_ref"
    assert CPU("numpy_ref").dtype == np.float32
    message = """^kernels: expected float32 for the set "numba_cpu", received float64; use kernels="numpy_ref"$"""
    with pytest.raises(ArgumentError, match=message):
        CPU("numba_cpu", "float64")


def test_every_kernel_comes_from_the_chosen_set(fast, oracle):
    for be in (fast, oracle):
        assert be.table() == dict.fromkeys([*KERNELS, *be.fused], be.kernels)  # no silent fallback
        for name in KERNELS:
            assert getattr(be, name).__module__.startswith(f"minicnn.kernels.{be.kernels}"), name


def test_describe(fast, oracle):
    assert oracle.describe().startswith("CPU, kernel set numpy_ref, float64, ")
    assert CPU("numba_cpu", threads=1).describe() == "CPU, kernel set numba_cpu, float32, 1 threads"


def test_asarray(fast):
    a = np.asfortranarray(np.ones((2, 3)))
    b = fast.asarray(a)
    assert b.flags.c_contiguous
    assert b.dtype == np.float32
    assert fast.asarray(np.arange(3)).dtype.kind == "i"
    assert fast.asarray(1.5).shape == ()
    kept = np.ones(3, np.float32)
    assert fast.asarray(kept) is kept


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_threads(threads):
    with pytest.raises(
        ArgumentError, match=r"^threads: expected a whole number of at least 1, or None, received"
    ):
        CPU(threads=threads)


def test_running_restores_the_threads():
    import numba

    before, during = numba.get_num_threads(), []
    with pytest.raises(ZeroDivisionError), CPU(threads=1).running():
        during.append(numba.get_num_threads()) or 1 / 0
    assert during == [1]
    assert numba.get_num_threads() == before


def test_select(fast):
    assert select(fast) is fast
    assert select("cpu", "numpy_ref").kernels == "numpy_ref"
    with pytest.raises(ArgumentError, match=r"""^device: expected one of cpu, cuda, auto, received 'gpu'"""):
        select("gpu")
    with pytest.raises(
        ArgumentError, match=r"""^kernels: expected one of .*, received 'numba'; did you mean "numba_cpu"\?$"""
    ):
        select("cpu", "numba")


NO_GPU = {"platform": "linux", "hardware": False, "container": False, "visible": None, "driver": {}, "wheels": {},
          "cupy": {}}  # fmt: skip
NO_CUPY = NO_GPU | {"hardware": True, "driver": {
    "cuda": (13, 0), "devices": [{"name": "H200", "capability": (9, 0), "total": 2**37}], "error": None}}  # fmt: skip
WITHOUT = {
    "GPU": (NO_GPU, "no NVIDIA GPU in this machine", 'use device="cpu", or a machine with a GPU'),
    "driver": (NO_GPU | {"hardware": True}, "no NVIDIA driver", "install NVIDIA's driver, so that nvidia-smi lists the "
               'GPU, and restart, or use device="cpu"'),
    "CuPy": (NO_CUPY, "CuPy is not installed", "pip install -U 'cupy-cuda13x[ctk]', or use device=\"cpu\""),
}  # fmt: skip


@pytest.mark.parametrize("missing", WITHOUT)
def test_cuda_says_what_is_missing_from_the_hardware_up(missing, monkeypatch, notes):
    found, what, fix = WITHOUT[missing]
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)  # import cupy raises ImportError
    monkeypatch.setattr("minicnn.backend.gpu_facts.gather", lambda: found)
    with pytest.raises(DeviceError) as raised:
        select("cuda")
    assert str(raised.value) == (
        f'device "cuda": expected an NVIDIA GPU, its driver and CuPy, received: {what}; {fix}; "python -m minicnn '
        'doctor" lists all that is missing here'
    )
    assert isinstance(select("auto"), Backend)
    assert notes() == [f'device "auto" is the CPU here: {what}']


def test_auto_says_that_it_found_a_gpu(monkeypatch, notes, fast):
    monkeypatch.setattr("minicnn.backend.select.CUDA", lambda kernels, threads, precision: fast)
    assert select("auto") is fast
    assert notes() == [f'device "auto" is the GPU here: {fast.describe()}']
    assert select("cuda") is fast
    assert notes() == []


def test_precision_belongs_to_the_gpu(fast, monkeypatch, notes):
    assert select("cpu", precision="float32").dtype == np.float32
    message = r"""^precision: expected float32 on the CPU, received 'tf32'; use device="cuda", or leave"""
    with pytest.raises(ArgumentError, match=message):
        select("cpu", precision="tf32")
    with pytest.raises(ArgumentError, match=r"""^precision: expected one of float32, .*did you mean "tf32"\?$"""):
        select("auto", precision="tf23")
    with pytest.raises(ArgumentError, match=r"^precision: expected float32, which the device given has, received"):
        select(fast, precision="bf16")
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    assert select("auto", precision="bf16").name == "cpu"
    assert notes()[0].startswith('device "auto" is the CPU here, in float32 instead of bf16: ')


def test_a_key_may_name_a_place_instead_of_a_step():
    streams, place = Streams(seed=3), np.zeros(1, np.uint32)
    with streams.step_from_device(place):
        assert streams.key(DROPOUT, 2).step is place
        assert streams.key(SHUFFLE, step=5).step == 5
    assert streams.key(DROPOUT, 2).step == 0


def test_streams_do_not_meet():
    streams = Streams(seed=3)
    keys = {streams.key(DROPOUT, 0), streams.key(DROPOUT, 1), streams.key(SHUFFLE, 0), streams.key(DROPOUT, 0, step=1)}
    with streams.inference(0):  # of the same number as a step, and is another stream
        keys |= {streams.key(DROPOUT, 0), streams.key(DROPOUT, 1)}
    assert len(keys) == 6
    assert (streams.generator(0).random(), streams.generator(1).random()) == (
        Streams(seed=3).generator(0).random(), Streams(seed=3).generator(1).random(),
    )  # fmt: skip
    assert streams.generator(0).random() != streams.generator(1).random()


def test_no_seed_draws_one():
    a, b = Streams(), Streams()
    assert a.seed != b.seed
    assert a.drawn
    assert not Streams(0).drawn
