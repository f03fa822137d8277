"""Facts about this machine's GPU: hardware, driver, CuPy, NVRTC, devices. Nothing here raises or compiles.

      hardware()   does the bus show an NVIDIA device?
      driver()     asked through its own C interface, so that it answers where CuPy is missing: CUDA version, devices
      wheels()     which CuPy packages are installed, without importing one
      cupy()       CuPy imported: versions, NVRTC, headers, free memory

A GPU needs all four; gpu_report.py says which is missing and what to do.
"""

import ctypes
import importlib
import importlib.metadata
import os
import platform
import re
import sys
import warnings
from pathlib import Path
from typing import Any

NVIDIA = "0x10de"  # the vendor number on the PCI bus
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


def gather() -> dict:
    """hardware, visible ($CUDA_VISIBLE_DEVICES, None if unset), container, platform, driver, wheels, cupy."""
    installed = wheels()
    return {
        "platform": sys.platform,
        "hardware": hardware(),
        "container": Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "driver": driver(),
        "wheels": installed,
        "cupy": cupy(),
    }


def hardware(bus: Path = Path("/sys/bus/pci/devices")) -> bool | None:
    """Whether an NVIDIA device is on the PCI bus; None where that cannot be seen (other systems, WSL, Jetson)."""
    try:
        vendors = [(device / "vendor").read_text().strip() for device in bus.iterdir()]
    except OSError:
        return None
    if NVIDIA in vendors:
        return True
    hidden = not vendors or "microsoft" in platform.release().lower() or platform.machine() == "aarch64"
    return None if hidden else False


def open_driver() -> Any:
    """The driver's C library.  Raises OSError where there is none."""
    if sys.platform == "win32":
        return ctypes.WinDLL("nvcuda.dll")
    return ctypes.CDLL("libcuda.so.1")


def driver() -> dict:
    """cuda (the newest version it serves, (13, 0)), devices, error (None, or why it does not work); {} without one."""
    try:
        library = open_driver()
    except (OSError, AttributeError):
        return {}
    found = {"cuda": None, "devices": [], "error": None}
    try:
        number = ctypes.c_int()
        if library.cuDriverGetVersion(ctypes.byref(number)) == 0:
            found["cuda"] = version(number.value)
        found["error"] = _error(library, library.cuInit(0))
        if found["error"] is None and library.cuDeviceGetCount(ctypes.byref(number)) == 0:
            found["devices"] = [_device(library, index) for index in range(number.value)]
    except Exception as cause:  # a library of that name which is none
        found["error"] = str(cause)
    return found


def version(number: int) -> tuple[int, int]:
    """13000 -> (13, 0): CUDA writes 1000 * major + 10 * minor."""
    return number // 1000, number % 1000 // 10


def _error(library, code: int) -> str | None:
    """The name of a driver error, as CUDA spells it; None for success."""
    if code == 0:
        return None
    name = ctypes.c_char_p()
    library.cuGetErrorName(code, ctypes.byref(name))
    return name.value.decode() if name.value else f"CUDA error {code}"


def _device(library, index: int) -> dict:
    """name, capability (9, 0), total (bytes); no context is made, so no memory is taken."""
    handle, name, total = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    library.cuDeviceGet(ctypes.byref(handle), index)
    library.cuDeviceGetName(name, len(name), handle)
    library.cuDeviceTotalMem_v2(ctypes.byref(total), handle)
    capability = []
    for attribute in (MAJOR, MINOR):
        number = ctypes.c_int()
        library.cuDeviceGetAttribute(ctypes.byref(number), attribute, handle)
        capability.append(number.value)
    return {"name": name.value.decode(errors="replace"), "capability": tuple(capability), "total": total.value}


def wheels() -> dict[str, str]:
    """The installed packages that bring CuPy, name -> version: one for each CUDA, or "cupy" (conda, own build)."""
    found = {}
    for package in importlib.metadata.distributions():
        name = str(package.metadata["Name"] or "").lower().replace("_", "-")
        if re.fullmatch(r"cupy(-cuda\d+x?|-rocm.*)?", name):
            found[name] = package.version
    return dict(sorted(found.items()))


def cupy() -> dict:
    """version, runtime (CUDA that it was built for), nvrtc, nvrtc_error, headers, free (bytes), error; {} without it.

    checked  with a device: per precision what its self-check found (backend/selfcheck.py), None: it has not run
    free     on the first device, None without one. This starts the device: some 300 MB of its memory until the end
    headers  whether CUDA's own .h files are found, which CuPy compiles with; None: this CuPy cannot be asked
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about two wheels at once, which the report says better
            module = importlib.import_module("cupy")
    except ModuleNotFoundError as cause:
        return {} if cause.name == "cupy" else {"error": first_line(cause)}
    except Exception as cause:  # half an installation raises anything
        return {"error": first_line(cause)}
    found = {"version": str(getattr(module, "__version__", "?")), "error": None, "free": None}
    found["runtime"] = _try(lambda: version(module.cuda.runtime.runtimeGetVersion()))
    try:
        found["nvrtc"], found["nvrtc_error"] = tuple(module.cuda.nvrtc.getVersion()), None
    except Exception as cause:
        found["nvrtc"], found["nvrtc_error"] = None, first_line(cause)
    found["headers"] = _try(_headers)
    try:
        if module.cuda.runtime.getDeviceCount():
            found["free"] = int(module.cuda.Device(0).mem_info[0])
            found["checked"] = _try(lambda: _checked(module))
    except Exception as cause:
        found["error"] = first_line(cause)
    return found


def _checked(module) -> dict:
    from . import selfcheck  # late: it needs NumPy, which may be what is broken

    return selfcheck.table(module)


def _headers() -> bool | None:
    """Whether cuda-pathfinder, which CuPy 14 and later ask, finds CUDA's runtime headers."""
    try:
        pathfinder = importlib.import_module("cuda.pathfinder")
    except ImportError:
        return None
    return pathfinder.find_nvidia_header_directory("cudart") is not None


def first_line(cause: BaseException) -> str:
    """The error's kind and the first line of its text, at most 120 characters: paths and advice follow below it."""
    text = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {text[0]}"[:120] if text else type(cause).__name__


def _try(function):
    try:
        return function()
    except Exception:
        return None
