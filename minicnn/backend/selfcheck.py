"""The self-check of a GPU's kernels against numpy_ref, once per device, driver, CuPy and sources; then cached.

      the first time    one line before, one after: compiled, how many kernels agree, in how many seconds
      later             the answer is read from the cache folder: gpu-check-<hash>.json
      something wrong   the kernel is named, and numpy_ref's takes its place; kernels="cuda" makes it an error

The file holds names and reasons and chooses nothing else: an unknown name is ignored, a damaged file is made again.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from minicnn.kernels.cuda import selfcheck
from minicnn.kernels.cuda.launch import STEMS, Launcher, source

from ..data import cache
from ..errors import DeviceError
from ..io import strict_json
from ..io.files import atomic_write
from ..notes import note

LARGEST = 64 * 1024  # bytes of a cached answer


def trusted(gpu: Launcher, to_numpy: Callable, identity: dict, strict: bool = False) -> dict[str, str]:
    """What is wrong with which kernel on this device, by name; {}: nothing.

    identity: what the answer depends on besides the sources and the precision: device, driver, versions.
    Raises DeviceError if a kernel has ended the device's work, or, if `strict`, for anything wrong.
    """
    name = f"gpu-check-{key(identity, gpu.precision)}.json"
    wrong = read(name)
    if wrong is None:
        wrong = _first_time(gpu, to_numpy, identity, name)
    if wrong:
        named = "; ".join(f"{kernel} {reason}" for kernel, reason in wrong.items())
        if strict:
            raise DeviceError(
                f'kernels "cuda": expected every kernel to agree with the reference on this GPU, received: {named}; '
                'leave kernels out, and those are replaced, or use kernels="reference"'
            )
        note(f"GPU self-check: {named}; the reference kernels take their place: slower, the same numbers")
    return wrong


def _first_time(gpu, to_numpy, identity, name) -> dict[str, str]:
    files, began = selfcheck.files(gpu.precision), time.perf_counter()
    note(f"GPU self-check, once per machine and version: compiling {len(files)} files, then every kernel runs once")
    selfcheck.compile_all(gpu, files, _counter)
    compiled = time.perf_counter()
    wrong, alive = selfcheck.check(gpu, to_numpy)
    write(name, identity, wrong)
    if not alive:
        kernel, reason = list(wrong.items())[-1]
        raise DeviceError(
            f"GPU self-check: the kernel {kernel} {reason}, and the device takes no more work in this process; start "
            "again, and the reference kernel takes its place"
        )
    seconds = f"{compiled - began:.1f} s to compile, {time.perf_counter() - compiled:.1f} s to run"
    good = len({*selfcheck.CHECKED, selfcheck.RECORDED} - wrong.keys())
    note(f"GPU self-check: {good} of {len(selfcheck.CHECKED) + 1} agree with the reference ({seconds})")
    return wrong


def _counter(done: int, total: int) -> None:
    """A line that counts, where somebody looks."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"\rcompiled {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def identity(cupy: Any) -> dict:
    """What a GPU's answers depend on: device, driver, CuPy, compiler."""
    device, runtime = cupy.cuda.Device(), cupy.cuda.runtime
    return {
        "device": runtime.getDeviceProperties(device.id)["name"].decode(), "capability": device.compute_capability,
        "driver": runtime.driverGetVersion(), "cupy": cupy.__version__, "nvrtc": list(cupy.cuda.nvrtc.getVersion()),
    }  # fmt: skip


def table(cupy: Any) -> dict[str, dict[str, str] | None]:
    """What is cached for the current GPU, per precision: what is wrong with which kernel; None: it was not asked."""
    here = identity(cupy)
    return {precision: read(f"gpu-check-{key(here, precision)}.json") for precision in selfcheck.PRECISIONS}


def key(identity: dict, precision: str) -> str:
    """What names a cached answer: all that could change it."""
    digest = hashlib.sha256(json.dumps([identity, precision], sort_keys=True).encode())
    for text in map(source, STEMS):
        digest.update(text.encode())
    for module in (selfcheck, selfcheck.step, selfcheck.activation):
        with open(str(module.__file__), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:24]


def read(name: str) -> dict[str, str] | None:
    """A cached answer; None: there is none that can be used."""
    if (root := cache.folder()) is None:
        return None
    try:
        with open(root / name, "rb") as file:
            found = strict_json.parse(file.read(LARGEST))["wrong"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known = {*selfcheck.CHECKED, selfcheck.RECORDED}
    if not isinstance(found, dict):
        return None
    return {k: reason for k, reason in found.items() if k in known and isinstance(reason, str)}


def write(name: str, identity: dict, wrong: dict[str, str]) -> None:
    """Keep an answer, if there is a folder for it."""
    if (root := cache.folder()) is None:
        return
    try:
        with atomic_write(root / name, text=True) as file:
            json.dump({"device": identity, "wrong": wrong}, file, indent=1)
    except OSError:
        pass  # it is found out again next time
