"""A launcher without a GPU: the .cu files compiled by g++ and run on the CPU, block by block (see cuda_on_cpu.h).

Around every launch each array is copied to pages of its own and back:

      | protected | 0xff ... | array | up to 15 bytes 0xff | protected |

It starts where it did, modulo 16: not every slice can be read as vectors. New arrays hold 0xff, too.
A kernel that goes beyond an array meets protected pages, or (just before its start, and in those last bytes) reads
NaN and leaves a mark that is found after the launch. Arrays that a kernel declares `const` may not have changed.
"""

import ctypes
import hashlib
import mmap
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from scipy.special import erf

from minicnn.backend.cuda import OnDevice, OnReference
from minicnn.kernels.cuda import bind
from minicnn.kernels.cuda.launch import Launcher, signatures, source
from tests.cuda import device_array

COMPILER = shutil.which("g++")
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-U_FORTIFY_SOURCE", "-w")
HEADER = Path(__file__).with_name("cuda_on_cpu.h")
PAGE, FILL = mmap.PAGESIZE, 0xFF
FENCE = 256 * PAGE  # protected on either side: addresses alone, no memory

LAUNCH = """
extern "C" const char* launch_{name}(const unsigned* grid, const unsigned* block, int reversed, void** arguments,
                                     void** address) {{
    emulation::arguments = arguments;
    return emulation::launch([] {{ emulation::call({name}); }}, grid, block, reversed, address);
}}
"""


def translate(stem):
    """The C++ file that is compiled: header, kernels (without linkage of their own), one entry for each."""
    entries = "".join(LAUNCH.format(name=name) for name in signatures(stem))
    return f'{HEADER.read_text("utf-8")}\nnamespace {{\n{source(stem)}\n}}\n{entries}'


LIBC = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
_rooms: dict[int, list] = {}  # by pages: those that nobody uses


def _room(pages):
    """(memory, its bytes between the fences, the first one's address): protected pages before and after."""
    if _rooms.get(pages):
        return _rooms[pages].pop()
    memory = mmap.mmap(-1, pages * PAGE + 2 * FENCE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for fence in (start, start + FENCE + pages * PAGE):
        if LIBC.mprotect(ctypes.c_void_p(fence), ctypes.c_size_t(FENCE), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    return memory, np.frombuffer(memory, np.uint8, pages * PAGE, FENCE), start + FENCE


class Guarded:
    """A copy of an array between protected pages."""

    def __init__(self, array):
        self.array = array = array.view(np.ndarray)
        pages, shift = -(-(array.nbytes + 32) // PAGE), array.ctypes.data % 16
        self.room = _room(pages)
        _, self.inner, start = self.room
        self.first = (pages * PAGE - array.nbytes - shift) // 16 * 16 + shift  # 16: what a vector load asks for
        self.last = self.first + array.nbytes
        self.inner[: self.first] = FILL
        self.inner[self.last :] = FILL
        self.inner[self.first : self.last] = np.frombuffer(array.tobytes(), np.uint8)
        self.address = start + self.first

    def give_back(self, where, constant):
        """Check the surroundings and copy the array back."""
        assert (self.inner[: self.first] == FILL).all(), f"{where}: written before the start"
        assert (self.inner[self.last :] == FILL).all(), f"{where}: written beyond the end"
        if constant:
            assert self.inner[self.first : self.last].tobytes() == self.array.tobytes(), f"{where}: const, but written"
        else:
            bytes_ = self.inner[self.first : self.last].view(self.array.dtype)
            self.array[...] = bytes_.reshape(self.array.shape)
        _rooms.setdefault(self.inner.size // PAGE, []).append(self.room)  # a sound one may serve again


class EmulatedLauncher(Launcher):
    """Arrays are device_array.py's. `reverse` runs blocks and threads from last to first, which must change nothing.

    folder   where compiled files are kept; their names are hashes of all that went into them
    started  (stem, kernel, options) of every launch so far
    """

    def __init__(self, folder, precision="float32", reverse=False):
        super().__init__(device_array.Unwritten(FILL), precision)
        self.folder, self.reverse, self.started = Path(folder), reverse, set()

    def address(self, array):
        return array.ctypes.data

    def compile(self, stem, options):
        text = translate(stem)
        name = hashlib.sha256("\0".join([text, *FLAGS, *options]).encode()).hexdigest()[:24]
        library = self.folder / f"{stem}-{name}.so"
        if not library.exists():
            code = library.with_suffix(f".{os.getpid()}.cpp")
            code.write_text(text, "utf-8")
            built = code.with_suffix(".so")
            command = [COMPILER, *FLAGS, *options, "-o", built, code]
            run = subprocess.run(command, capture_output=True, text=True)
            assert run.returncode == 0, f"{stem}.cu {options}: {run.stderr[:3000]}"
            built.replace(library)
            code.unlink()
        return ctypes.CDLL(str(library))

    def _record(self, body):
        device_array.tape = tape = []
        try:
            body()
        finally:
            device_array.tape = None

        def replay():
            for launch in tape:
                launch()

        return replay

    def start(self, *launch):
        device_array.done(lambda: self._start(*launch))

    def _start(self, stem, options, kernel, grid, block, args):
        self.started.add((stem, kernel, options))
        function = getattr(self.module(stem, options), f"launch_{kernel}")
        function.restype = ctypes.c_char_p
        parameters, guarded, cells = signatures(stem)[kernel], [], []
        for p, arg in zip(parameters, args, strict=True):
            if not p.array:
                cells.append(np.array([arg]))
                continue
            if arg is not None:
                arg = Guarded(arg)
                guarded.append((p, arg))
            cells.append(np.array([0 if arg is None else arg.address], np.uint64))
        pointers = (ctypes.c_void_p * len(cells))(*[cell.ctypes.data for cell in cells])
        address = ctypes.c_void_p()
        error = function(
            (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block), int(self.reverse), pointers, ctypes.byref(address)
        )
        if error is not None:
            raise AssertionError(f"{stem}.cu, {kernel}: {error.decode()}{self._near(address.value, guarded)}")
        for p, arg in guarded:
            arg.give_back(f"{kernel}: {p.name}", p.constant)

    @staticmethod
    def _near(address, guarded):
        """Which array a bad address belongs to, in words."""
        for p, arg in guarded:
            offset = (address or 0) - arg.address
            if -arg.first - FENCE <= offset < arg.array.nbytes + FENCE + 16:
                return f"; {offset} bytes into {p.name}, which has {arg.array.nbytes}"
        return ""


def folder():
    """Where compiled files are kept from one run to the next: this user's alone."""
    path = Path(tempfile.gettempdir()) / f"minicnn-emulation-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if path.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return Path(tempfile.mkdtemp())
    return path


def launcher(precision="float32", reverse=False):
    """An emulated GPU.  Skips the test where there is no C++ compiler."""
    if COMPILER is None or os.name != "posix":
        pytest.skip("the emulation of the CUDA kernels needs g++")
    return EmulatedLauncher(folder(), precision, reverse)


def kernel_set(precision="float32"):
    return bind(launcher(precision))


def to_device(array):
    """What cupy.asarray is: a copy on the device."""
    return device_array.DeviceNumPy.asarray(array)


def to_host(array):
    """What cupy.asnumpy is."""
    return np.array(array)


class EmulatedGPU(OnDevice):
    """What minicnn/backend/cuda.py is on CuPy."""

    def __init__(self, precision="float32", reverse=False, wrong=None):
        super().__init__(launcher(precision, reverse), wrong=wrong)

    def to_numpy(self, array):
        if device_array.tape is not None:
            raise device_array.RecordingError("to_numpy: an array is read by the host in a recorded step")
        return to_host(array)

    def describe(self):
        return "GPU, emulated"


class StrictReference(OnReference):
    """What CUDAReference in minicnn/backend/cuda.py is on CuPy."""

    def __init__(self, dtype="float32"):
        super().__init__(device_array.DeviceNumPy(), dtype)

    def to_numpy(self, array):
        return to_host(array)

    def erf(self, x):
        return device_array.DeviceNumPy.asarray(erf(to_host(x)))
