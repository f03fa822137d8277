"""Compiling and launching CUDA kernels: read the .cu file, compile it once, check and convert the arguments.

      activation.cu --source()--> text --Launcher.module()--> compiled, kept per (file, options)
      extern "C" __global__ void relu(const float* x, float* y, int n)
                    --signatures()--> relu: x float*, y float*, n int

The declaration in the .cu file is the only list of a kernel's arguments. A call is held to it before it starts: the
number of arguments, the type of every array, C order. A GPU checks nothing of this and would read on in silence.

A training step is the same launches every time, so it can be recorded once and started again as a whole:

      replay = launcher.record(body)      body() starts nothing here: its launches are written down, memory included
      replay(), replay(), ...             each starts them all, in order; on a GPU as one CUDA graph

Two launchers exist: `CuPyLauncher` here compiles with NVRTC and runs on a GPU; the tests' emulation compiles the same
text with a C++ compiler and runs it on the CPU. Everything else, geometry and scratch arrays included, is shared.
"""

import contextlib
import re
import traceback
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).parent
STEMS = ("activation", "conv", "dense", "depthwise", "im2col", "loss", "norm", "optimizer", "pool", "random", "step",
         "warp")
PRECISIONS = ("float32", "tf32", "bf16", "3xtf32")
"""How matrix products read their operands; all add in float32, and all other kernels are float32 throughout.

float32  as they are, on the FFMA units (strict; the numbers of a CPU but for the order of the sum, for multiplications
         and additions contracted to one rounding, and for subnormals, see NVRTC_OPTIONS)
tf32     rounded to 10 bits of mantissa, on the tensor cores: relative error about 5e-4 per product (ties to even from
         sm_90 on, before away from zero: last bits differ between such devices)
bf16     rounded to 7 bits of mantissa, on the tensor cores: about 4e-3 per product
3xtf32   each as the sum of two TF32 numbers, three products on the tensor cores: about 1e-6
"""


def gemm_options(precision: str, inputs: int, outputs: int, aligned: bool = True) -> tuple[str, ...]:
    """Which variant of dense.cu or conv.cu serves rows of `inputs` and `outputs` numbers.

    16 bytes are read at a time where the rows allow it and all arrays start at a multiple of 16 bytes (`aligned`).
    """
    v_out = 4 if aligned and outputs % 4 == 0 else 1
    v_in = 4 if v_out == 4 and inputs % 4 == 0 else 1  # three variants, not four: each is seconds of compiling
    return f"-DMODE={PRECISIONS.index(precision)}", f"-DV_IN={v_in}", f"-DV_OUT={v_out}"


_GEMM = tuple(gemm_options(p, *sizes) for p in PRECISIONS for sizes in ((4, 4), (1, 4), (1, 1)))
VARIANTS = {stem: _GEMM if stem in ("conv", "dense") else ((),) for stem in STEMS}
"""Every way in which a file is compiled: the tests build them all, and a launch with other options is refused."""

CPP = ("-std=c++17",)  # what every compilation is asked for
NVRTC_OPTIONS = (*CPP, "-ftz=true", "--device-as-default-execution-space")
"""What a file is compiled with in the end: CuPy adds the last two to every compilation (cupy/cuda/compiler.py, 14.2).

-ftz=true counts a float below 1.18e-38 as zero, as an operand and as a result. So the promises hold to 1.2e-38 at
best: a ReLU's output that small passes no gradient, and of Adam's v, a moving average of g^2, nothing is left once all
gradients are below 1e-19; the update is then rate m / eps, as it almost is in any float32. Numbers that are only
copied, gathered or compared by their bits stay as they are. The emulation does the same, tests/cuda/cuda_on_cpu.h.
"""

THREADS = 256  # of a block, for kernels that take one element, pixel or row per thread
NULL = np.uint64(0)  # the pointer that an absent array is
MOST = 2**31 - 1  # elements of one array: the kernels count in int

TYPES = {"float": np.float32, "double": np.float64, "int": np.int32, "unsigned": np.uint32,
         "unsigned char": np.uint8, "unsigned long long": np.uint64}  # fmt: skip
KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\(([^)]*)\)')
PARAMETER = re.compile(r"(const )?([a-z ]+?)\s*(\*(?: ?__restrict__)?)?\s*(\w+)")
INCLUDE = re.compile(r'^#include "(\w+\.cuh)"\n', re.MULTILINE)


class Parameter(NamedTuple):
    """One argument of a kernel: a scalar of `type`, or an array of it; `constant`: the kernel only reads the array."""

    name: str
    type: type
    array: bool
    constant: bool


@cache
def source(stem: str) -> str:
    """The text of `stem`.cu with its includes put in, once each: what is compiled, and what a cache has to compare."""
    seen = set()

    def include(match):
        if match[1] in seen:
            return ""
        seen.add(match[1])
        text = (FOLDER / match[1]).read_text("utf-8").replace("#pragma once\n", "")  # `seen` sees to that
        return INCLUDE.sub(include, text)

    return INCLUDE.sub(include, (FOLDER / f"{stem}.cu").read_text("utf-8"))


@cache
def signatures(stem: str) -> dict[str, tuple[Parameter, ...]]:
    """The kernels of `stem`.cu and their parameters, from the declarations."""
    found = {}
    for name, text in KERNEL.findall((FOLDER / f"{stem}.cu").read_text("utf-8")):
        parameters = []
        for piece in text.split(","):
            match = PARAMETER.fullmatch(" ".join(piece.split()))
            if match is None or match[2] not in TYPES:
                raise ValueError(f"{stem}.cu, {name}: cannot read the parameter {piece.strip()!r}")
            parameters.append(Parameter(match[4], TYPES[match[2]], match[3] is not None, match[1] is not None))
        found[name] = tuple(parameters)
    return found


def blocks(n: int, each: int = THREADS) -> int:
    """How many blocks of `each` cover n."""
    return -(-n // each)


class Launcher:
    """A place where kernels run: an array module and a way to start compiled code.

    xp         NumPy's interface for the arrays of that place
    precision  one of PRECISIONS, for the matrix products
    """

    def __init__(self, xp, precision: str = "float32"):
        if precision not in PRECISIONS:
            raise ValueError(f"precision: expected one of {PRECISIONS}, received {precision!r}")
        self.xp, self.precision = xp, precision
        self.modules = {}
        self.recording = False
        self.arrivals = []  # of `arrived`: all of them, since recordings go on using them

    def __call__(self, stem, kernel, grid, block, *args, options=()):
        """Run `kernel` of `stem`.cu over grid (x, y, z) blocks of `block` threads. An empty grid runs nothing."""
        grid = (grid, 1, 1) if isinstance(grid, int) else (*grid, 1, 1)[:3]
        block = (block, 1, 1) if isinstance(block, int) else (*block, 1, 1)[:3]
        args = self.convert(stem, kernel, args)
        if options not in VARIANTS[stem]:
            raise ValueError(f"{kernel}: expected options among VARIANTS[{stem!r}], received {options}")
        if all(grid):
            if grid[1] > 65535 or grid[2] > 65535:
                raise ValueError(f"{kernel}: expected at most 65535 blocks along y and z, received {grid}")
            self.start(stem, options, kernel, grid, block, args)

    def convert(self, stem, kernel, args):
        """The arguments as the .cu file declares them.  Raises TypeError where a call does not fit the declaration."""
        parameters = signatures(stem)[kernel]
        if len(args) != len(parameters):
            raise TypeError(f"{kernel}: expected {[p.name for p in parameters]}, received {len(args)} arguments")
        return [self._convert(kernel, p, arg) for p, arg in zip(parameters, args, strict=True)]

    def _convert(self, kernel, p, arg):
        if not p.array:
            if hasattr(arg, "shape") and arg.shape:
                raise TypeError(f"{kernel}: expected a number for {p.name}, received an array of shape {arg.shape}")
            value = p.type(arg)
            if value.dtype.kind in "iu" and int(value) != arg:
                raise TypeError(f"{kernel}: expected {p.name} to be a {value.dtype.name}, received {arg!r}")
            return value
        if arg is None:
            return None
        if isinstance(arg, np.ndarray) and not isinstance(arg, self.xp.ndarray):
            # CuPy refuses one too, but one of size 1 it sends by value: the kernel takes a number for an address
            raise TypeError(
                f"{kernel}: expected {p.name} to be an array on the device, received a numpy.ndarray of the host"
            )
        if not isinstance(arg, self.xp.ndarray) or arg.dtype != p.type or not arg.flags.c_contiguous or arg.size > MOST:
            received = f"{arg.dtype}, strides {arg.strides}" if hasattr(arg, "dtype") else repr(arg)
            wanted = f"a C-contiguous {np.dtype(p.type).name} array of at most {MOST} elements"
            raise TypeError(f"{kernel}: expected {p.name} to be {wanted}, received {received}")
        return arg

    def aligned(self, *arrays):
        """Whether all start at a multiple of 16 bytes. New arrays do, slices may not."""
        return all(self.address(array) % 16 == 0 for array in arrays)

    def arrived(self, columns: int = 4096):
        """Zeros that the blocks of a launch count themselves in, and leave as zeros: columns.cuh, last_block."""
        if not self.arrivals or self.arrivals[-1].size < columns:
            self.arrivals.append(self.xp.zeros(max(columns, 4096), np.uint32))
        return self.arrivals[-1]

    def module(self, stem, options):
        """The compiled file, compiled on first use."""
        if (stem, options) not in self.modules:
            try:
                self.modules[stem, options] = self.compile(stem, options)
            except Exception as cause:
                cause.__dict__["compiling"] = stem, options  # for selfcheck.py, which says what failed
                raise
        return self.modules[stem, options]

    def record(self, body: Callable[[], None]) -> Callable[[], None]:
        """Write down what body() would start on the device; the function returned starts it, as often as it is called.

        body must have run before, so that all it needs is compiled. Its arrays stay where they are as long as the
        function lives. What needs the host in between (reading a number, sending an array) raises.
        """
        self.arrived()  # not in the memory of a recording
        self.recording = True
        try:
            return self._record(body)
        finally:
            self.recording = False

    def address(self, array):
        raise NotImplementedError

    def _record(self, body):
        raise NotImplementedError

    def compile(self, stem, options):
        raise NotImplementedError

    def start(self, stem, options, kernel, grid, block, args):
        raise NotImplementedError


class CuPyLauncher(Launcher):
    """The current GPU, through CuPy.  Raises ImportError without CuPy."""

    def __init__(self, precision: str = "float32"):
        import cupy

        super().__init__(cupy, precision)
        self.cupy = cupy
        self.device = cupy.cuda.Device()  # which a thread that compiles does not know
        self.functions = {}  # (stem, options, kernel): get_function makes a new object and asks the driver each time

    def address(self, array):
        return array.data.ptr

    def compile(self, stem, options):
        with self.device:
            module = self.cupy.RawModule(code=source(stem), options=(*CPP, *options))
            module.compile()  # else the first launch would
        return module

    def start(self, stem, options, kernel, grid, block, args):
        function = self.functions.get((stem, options, kernel))
        if function is None:
            function = self.functions[stem, options, kernel] = self.module(stem, options).get_function(kernel)
        function(grid, block, tuple(NULL if arg is None else arg for arg in args))

    def _record(self, body):
        """A CUDA graph: captured on a stream of its own, launched on whatever stream is current then.

        The memory comes from a pool of its own: what body lets go of may be used again inside the graph, in the order
        of the recording, but by nobody outside. It goes back to the device when the recording does.
        """
        cuda = self.cupy.cuda
        pool, stream = cuda.MemoryPool(), cuda.Stream(non_blocking=True)
        try:
            with cuda.using_allocator(pool.malloc), stream:
                stream.begin_capture()
                try:
                    body()
                except BaseException:
                    with contextlib.suppress(Exception):  # the capture is broken; what broke it is the news
                        stream.end_capture()
                    raise
                return Recording(cuda, stream.end_capture(), pool)
        except BaseException as cause:
            traceback.clear_frames(cause.__traceback__)  # which hold arrays of the pool
            pool.free_all_blocks()
            raise


class Recording:
    """A CUDA graph and the memory it works in: a call launches it on the current stream.

    Since CuPy 14.1 a pool that is dropped keeps its free blocks for good (cupy/cuda/memory.pyx, _Arena); so they are
    given back as this object goes, after the graph.
    """

    def __init__(self, cuda, graph, pool):
        self.cuda, self.held = cuda, [graph]
        weakref.finalize(self, _give_back, self.held, pool).atexit = False  # the driver may be gone by then

    def __call__(self):
        self.held[0].launch(self.cuda.get_current_stream())


def _give_back(held, pool):
    held.clear()
    pool.free_all_blocks()
