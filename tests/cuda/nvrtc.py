"""NVRTC, the compiler that CuPy uses, called directly: it needs neither a GPU nor a driver nor CuPy.

It comes with the package nvidia-cuda-nvrtc (extra `test`) or with a CUDA toolkit.
"""

import ctypes
import ctypes.util
import importlib.util
from functools import cache
from pathlib import Path


@cache
def library():
    """libnvrtc, or None where there is none."""
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in spec.submodule_search_locations] if spec else []
    found = [path for folder in folders for path in sorted(folder.glob("*/lib/libnvrtc.so.*"))]
    found = [str(path) for path in found if "alt" not in path.name]
    for name in [*found, ctypes.util.find_library("nvrtc")]:
        if name:
            return ctypes.CDLL(name)
    return None


def compile(text: str, options: tuple[str, ...]) -> tuple[bool, str]:
    """Whether the program compiles, and the compiler's log."""
    return build(text, options)[:2]


def build(text: str, options: tuple[str, ...]) -> tuple[bool, str, bytes]:
    """Whether the program compiles, the compiler's log, and the machine code for an architecture sm_*."""
    nvrtc, program, size = library(), ctypes.c_void_p(), ctypes.c_size_t()
    code = nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernels.cu", 0, None, None)
    assert code == 0, f"nvrtcCreateProgram: {code}"
    try:
        flags = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        code = nvrtc.nvrtcCompileProgram(program, len(options), flags)
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        cubin = b""
        if code == 0 and nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)) == 0:
            memory = ctypes.create_string_buffer(size.value)
            nvrtc.nvrtcGetCUBIN(program, memory)
            cubin = memory.raw
        return code == 0, log.value.decode(), cubin
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
