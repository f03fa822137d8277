"""The way from a call to a kernel: declarations are read, calls are held to them, files are compiled once."""

import contextlib
import math
import re
import sys
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn.kernels import FUSED, KERNELS, Key, cuda
from minicnn.kernels.cuda import launch, selfcheck
from minicnn.kernels.cuda.launch import FOLDER, PRECISIONS, STEMS, VARIANTS, Launcher, Parameter, signatures, source
from tests.kernels.test_contract import Kernels, a_case


class Recorder(Launcher):
    """Checks every launch and runs none."""

    def __init__(self, precision="float32"):
        super().__init__(np, precision)
        self.compiled, self.launches = [], []

    def address(self, array):
        return array.ctypes.data

    def compile(self, stem, options):
        self.compiled.append((stem, options))

    def start(self, stem, options, kernel, grid, block, args):
        self.module(stem, options)
        self.launches.append((stem, kernel, options, grid, block, args))


@pytest.fixture
def gpu():
    return Recorder()


def x(*shape):
    return np.ones(shape, np.float32)


def test_the_declarations_are_read():
    assert signatures("activation")["relu"] == (
        Parameter("x", np.float32, True, True),
        Parameter("y", np.float32, True, False),
        Parameter("n", np.int32, False, False),
    )
    assert signatures("random")["dropout"][3] == Parameter("threshold", np.uint64, False, False)


@pytest.mark.parametrize("stem", STEMS)
def test_no_kernel_is_overlooked(stem):
    text = (FOLDER / f"{stem}.cu").read_text()
    assert len(signatures(stem)) == len(re.findall("__global__", text)) > 0


def test_every_kernel_is_launched_by_the_contract_and_fits_its_declaration(rng):
    """The signature check: every call of the host code is converted as its kernel declares it, without running."""
    ks = Kernels("numpy_ref", "float32")  # for its casts
    fused = [kernel for kernel in FUSED if kernel in cuda.bind(Recorder("float32"))]
    cases = [(kernel, {}) for kernel in (*KERNELS, *fused)] + [("batch_norm_grad", {"relu": True})]
    for kernel, more in cases:
        for precision in PRECISIONS if kernel.startswith(("conv", "dense")) else ("float32",):
            gpu = Recorder(precision)
            ks.own = cuda.bind(gpu)
            args, kwargs = a_case(ks, rng, kernel)
            if kernel.endswith("_step"):
                args = *args[:2], tuple(args[2:])
            ks.own[kernel](*args, **kwargs | more)
            assert gpu.launches, kernel
            EVERY.update(launched[:2] for launched in gpu.launches)
    for name, function in selfcheck.BLOCKS.items():
        gpu = Recorder()
        for args, kwargs in selfcheck.cases(name, rng):
            function(gpu, *(arg.astype(np.float32) for arg in args), **kwargs)
        EVERY.update(launched[:2] for launched in gpu.launches)
    everything = {(stem, kernel) for stem in STEMS for kernel in signatures(stem)}
    assert everything - EVERY == RARE


EVERY = set()
RARE = {  # for other shapes, or on request; tests/kernels/test_contract.py and test_precision.py run them emulated
    ("conv", "conv2d_64"), ("conv", "conv2d_input_grad_64"), ("conv", "conv2d_weight_grad_64"), ("dense", "dense_32"),
    ("im2col", "im2col"), ("im2col", "col2im"), ("pool", "max_pool_large"), ("pool", "max_pool_grad_large"),
    ("warp", "affine_warp_bytes"),
    # not of the contract; tests/cuda/test_captured.py runs them emulated
    ("activation", "error_function"), *(("step", kernel) for kernel in signatures("step")),
}  # fmt: skip


def test_a_file_is_compiled_once_per_variant(gpu):
    kernels = cuda.bind(gpu)
    for _ in range(3):
        kernels["dense"](x(2, 8), x(8, 4), None)
        kernels["dense"](x(2, 7), x(7, 4), None)
    assert gpu.compiled == [("dense", ("-DMODE=0", "-DV_IN=4", "-DV_OUT=4")),
                            ("dense", ("-DMODE=0", "-DV_IN=1", "-DV_OUT=4"))]  # fmt: skip


def test_arrays_that_do_not_start_at_16_bytes_are_read_4_at_a_time(gpu):
    buffer = x(8 * 4 + 1)
    w = buffer[1:].reshape(8, 4) if gpu.aligned(buffer) else buffer[:-1].reshape(8, 4)
    cuda.bind(gpu)["dense"](x(2, 8), w, None)
    assert gpu.compiled == [("dense", ("-DMODE=0", "-DV_IN=1", "-DV_OUT=1"))]


def test_an_empty_grid_starts_nothing(gpu):
    cuda.bind(gpu)["relu"](x(0, 3))
    assert gpu.launches == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((x(4), x(4)), r"relu: expected \['x', 'y', 'n'\], received 2 arguments"),
        ((x(4).astype(float), x(4), 4), r"relu: expected x to be a C-contiguous float32 array .*, received float64"),
        ((x(4, 4).T[1:], x(4), 4), r"relu: expected x to be a C-contiguous float32 array .*strides"),
        ((x(4), 3, 4), r"relu: expected y to be a C-contiguous float32 array .*, received 3"),
        ((x(4), x(4), 4.5), r"relu: expected n to be a int32, received 4.5"),
        ((x(4), x(4), x(4)), r"relu: expected a number for n, received an array of shape \(4,\)"),
    ],
)
def test_a_call_that_does_not_fit(gpu, args, message):
    with pytest.raises(TypeError, match=message):
        gpu("activation", "relu", 1, 32, *args)
    assert gpu.launches == []


class Elsewhere(np.ndarray):
    """Arrays of a device."""


@pytest.mark.parametrize("size", [1, 4])  # CuPy sends one of size 1 by value
def test_an_array_of_the_host_is_refused(gpu, size):
    gpu.xp = SimpleNamespace(ndarray=Elsewhere)
    here, there = x(size), x(size).view(Elsewhere)
    gpu("activation", "relu", 1, 32, there, there, size)
    for args in ((here, there), (there, here)):
        with pytest.raises(TypeError, match="to be an array on the device, received a numpy"):
            gpu("activation", "relu", 1, 32, *args, size)
    assert len(gpu.launches) == 1


# CuPy, as far as a launcher sees it ----------------------------------------------------------------------------------


class FakePool:
    """Blocks that are in use, and those that only free_all_blocks gives back, as with CuPy since 14.1."""

    def __init__(self, device):
        self.device, self.free = device, 0

    def malloc(self, size):
        self.device.used += size
        memory = np.empty(1).view(Elsewhere)  # a class of Python's own: it can be followed
        weakref.finalize(memory, self.take_back, size)
        return memory

    def take_back(self, size):
        self.free += size

    def free_all_blocks(self):
        assert not self.device.graphs, "memory that a graph still uses"
        self.device.used -= self.free
        self.free = 0


class FakeGraph:
    def __init__(self, device):
        self.device, self.launched = device, []
        device.graphs.add(id(self))
        weakref.finalize(self, device.graphs.discard, id(self))

    def launch(self, stream):
        self.launched.append(stream)


class FakeCuPy:
    """What CuPyLauncher asks of CuPy."""

    ndarray, zeros = np.ndarray, staticmethod(np.zeros)

    def __init__(self):
        self.used, self.graphs, self.asked, self.ran = 0, set(), [], []
        device, self.allocator = self, None

        class Stream(contextlib.nullcontext):
            def __init__(self, non_blocking=False):
                super().__init__()

            def begin_capture(self):
                pass

            def end_capture(self):
                return FakeGraph(device)

        @contextlib.contextmanager
        def using_allocator(malloc):
            device.allocator = malloc
            yield
            device.allocator = None

        self.cuda = SimpleNamespace(
            Device=contextlib.nullcontext, Stream=Stream, MemoryPool=lambda: FakePool(device),
            using_allocator=using_allocator, get_current_stream=lambda: "current",
        )  # fmt: skip

    def RawModule(self, code, options):
        def get_function(kernel):
            self.asked.append(kernel)
            return lambda grid, block, args: self.ran.append((kernel, args))

        return SimpleNamespace(get_function=get_function, compile=lambda: None)


@pytest.fixture
def cupy(monkeypatch):
    cupy = FakeCuPy()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    return cupy


def test_the_driver_is_asked_for_a_kernel_once(cupy):
    gpu = launch.CuPyLauncher()
    for _ in range(3):
        gpu("activation", "relu", 1, 32, x(4), x(4), 4)
    assert cupy.asked == ["relu"]
    assert len(cupy.ran) == 3


def test_a_recording_gives_its_memory_back(cupy):
    gpu = launch.CuPyLauncher()
    for _ in range(10):
        replay = gpu.record(lambda: [cupy.allocator(1000) for _ in range(5)] and None)
        replay()
        assert cupy.used == 5000
        del replay
        assert cupy.used == 0


def test_so_does_one_that_fails(cupy):
    gpu = launch.CuPyLauncher()

    def body():
        memory = cupy.allocator(1000)
        raise RuntimeError(f"with {memory.size} array in a frame of the traceback")

    with pytest.raises(RuntimeError, match="with 1 array"):
        gpu.record(body)
    assert cupy.used == 0


def test_limits(gpu):
    with pytest.raises(ValueError, match="at most 65535 blocks along y and z"):
        gpu("activation", "relu", (1, 65536), 32, x(4), x(4), 4)
    with pytest.raises(ValueError, match="expected options among VARIANTS"):
        gpu("activation", "relu", 1, 32, x(4), x(4), 4, options=("-DMODE=1",))
    with pytest.raises(ValueError, match="precision: expected one of"):
        Recorder("float16")


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_a_large_batch_stays_within_a_grid(precision):
    """Grids, blocks and the counters of last blocks, for 1,024 images of 32 x 32 x 64, whose memory nobody touches."""
    gpu = Recorder(precision)
    run, n, c = cuda.bind(gpu), 1024, 64
    images, w, v = np.empty((n, 32, 32, c), "f"), np.empty((3, 3, c, c), "f"), np.empty(c, "f")
    same = {"strides": (1, 1), "pads": ((1, 1), (1, 1))}
    pool = {"window": (2, 2), "strides": (2, 2), "pads": ((0, 0), (0, 0))}
    norm, drop = (v, v, v, 1e-3, -1), {"rate": 0.5, "key": Key(1, 2, 3)}
    columns, wide = images.reshape(-1, c, 1), images.reshape(n, -1)
    run["conv2d"](images, w, v, relu=True, stats=True, **same)
    run["conv2d_folded"](images, w, v, (v, v), conv={**same, "relu": True})
    run["conv2d_input_grad"](images, w, images.shape, **same)
    run["conv2d_weight_grad"](images, images, w.shape, **same)
    run["conv2d"](images, w, v, algorithm="im2col", **same)
    run["depthwise_conv2d"](images, w[..., :1].copy(), **same)
    run["depthwise_conv2d_input_grad"](images, w[..., :1].copy(), images.shape, **same)
    run["depthwise_conv2d_weight_grad"](images, images, (3, 3, c, 1), **same)
    half, argmax = run["batch_norm_max_pool"](images, (v, *norm), pool={**pool, **drop})
    run["batch_norm_max_pool_grad"](half, argmax, images, norm, pool={**pool, "rate": 0.5})
    run["batch_norm_grad"](columns, columns, v, v, v, batch_stats=True, relu=True, eps=1e-3)
    run["relu_bias_grad"](images, images)
    run["dense_weight_grad"](wide, run["dense"](wide, np.empty((wide.shape[1], 10), "f"), None))
    run["dropout"](images, **drop)
    run["softmax_cross_entropy"](images.reshape(-1, c), images.reshape(-1, c))
    selfcheck.BLOCKS["summed_cross_entropy"](gpu, images.reshape(-1, c), images.reshape(-1, c), scale=1.0)
    flat = images.reshape(-1)
    run["lion_step"](flat, flat, (flat,), lr=0.1, beta_1=0.9, beta_2=0.99)
    run["ftrl_step"](flat, flat, (flat, flat), lr=0.1, power=0.5, penalties=(0.1, 0.2, 0.3), beta=0.4)
    assert len(gpu.launches) > 25
    for _, kernel, _, grid, block, args in gpu.launches:
        assert grid[0] < 2**31, kernel
        assert max(grid[1:]) < 2**16, kernel
        assert math.prod(block) in (128, 256), kernel
        counters = [a for a in args if getattr(a, "dtype", None) == np.uint32 and np.shape(a)]
        assert all(grid[0] <= a.size for a in counters), kernel


def test_a_declaration_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "odd.cu").write_text('extern "C" __global__ void odd(short* x) {}')
    monkeypatch.setattr(launch, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"odd.cu, odd: cannot read the parameter 'short\* x'"):
        signatures.__wrapped__("odd")


@pytest.mark.parametrize("stem", STEMS)
def test_the_source_is_whole(stem):
    text = source(stem)
    assert '#include "' not in text
    assert text.count("struct Divisor {") == 1, "an include comes in once"
    assert len(VARIANTS[stem]) in (1, 12)


def test_without_cupy_the_set_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    cuda._default.cache_clear()
    with pytest.raises(ImportError):
        _ = cuda.relu
    with pytest.raises(AttributeError, match="has no attribute 'abacus'"):
        _ = cuda.abacus
