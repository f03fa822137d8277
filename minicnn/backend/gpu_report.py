"""The report on those facts: lines for people, and for each fault the one line that mends it.

`problems` goes from the hardware up and stops where the next step needs the one before. Which wheel is right follows
from the driver, which serves programs of its own CUDA version and older ones, and from the device: CUDA 13 has
dropped everything before compute capability 7.5.

      driver 13.x, device 7.5 and later    cupy-cuda13x
      driver 12.x, or an older device      cupy-cuda12x
      driver 11.x and older                a new driver first
      no driver yet                        cupy-cuda13x, for that is what today's driver serves
"""

OLDEST_FOR_13 = (7, 5)  # compute capability
TENSOR_CORES = (8, 0)  # what mma.sync with tf32 and bf16 needs
CPU_INSTEAD = 'use device="cpu"'
GIB = 2**30
UNSEEN = "the project's own tests have not run on a GPU: each GPU checks the kernels for itself"

DRIVER_ERRORS = {
    "CUDA_ERROR_STUB_LIBRARY": "take the toolkit's folder stubs/ out of LD_LIBRARY_PATH: it holds no real driver",
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": "restart the machine: the driver was updated while it ran",
    "CUDA_ERROR_SYSTEM_NOT_READY": "start NVIDIA's fabric manager: systemctl start nvidia-fabricmanager",
}


def wheel(facts: dict) -> str:
    """The CuPy package that fits the driver and the devices, with the parts of CUDA it needs."""
    driver = facts["driver"]
    old_driver = (driver.get("cuda") or (13, 0))[0] == 12  # what is older still is replaced first
    old_device = any(device["capability"] < OLDEST_FOR_13 for device in driver.get("devices", ()))
    return f"cupy-cuda{12 if old_driver or old_device else 13}x"


def install(facts: dict) -> str:
    """The line that installs CuPy or completes it. -U: the extra [ctk] came with CuPy 14, older ones ignore it."""
    return f"pip install -U '{wheel(facts)}[ctk]'"


def replace(facts: dict) -> str:
    """The line that puts the right CuPy in the place of those installed: two overwrite each other's files."""
    return f"pip uninstall -y {' '.join(facts['wheels'])} && {install(facts)}"


def problems(facts: dict) -> list[tuple[str, str, bool]]:
    """(what is wrong, the line that mends it, whether the GPU cannot be used so) for each thing, in order of repair."""
    if facts["platform"] == "darwin":
        return [("macOS has no CUDA", CPU_INSTEAD, True)]
    driver = facts["driver"]
    below = [(what, fix, True) for what, fix in _driver(facts)]
    if not driver and facts["hardware"] is False and not facts["wheels"]:
        return below  # nothing to install on a machine without a GPU
    return below + _cupy(facts, usable=not below) + _devices(driver.get("devices", []))


def _driver(facts: dict):
    driver = facts["driver"]
    if not driver:
        if facts["hardware"] is False:
            yield "no NVIDIA GPU in this machine", f"{CPU_INSTEAD}, or a machine with a GPU"
        elif facts["container"]:
            yield "no NVIDIA driver in this container", "start the container with --gpus all (NVIDIA Container Toolkit)"
        else:
            yield "no NVIDIA driver", "install NVIDIA's driver, so that nvidia-smi lists the GPU, and restart"
        return
    if driver["cuda"] and driver["cuda"] < (12, 0):
        yield f"the driver serves CUDA {_dots(driver['cuda'])}; expected 12.0 or later", "install a new NVIDIA driver"
    elif driver["error"] in (None, "CUDA_ERROR_NO_DEVICE"):
        if driver["devices"]:
            return
        if facts["visible"] is not None:
            yield f"CUDA_VISIBLE_DEVICES={facts['visible']!r} hides every GPU", "unset CUDA_VISIBLE_DEVICES"
        elif facts["container"]:
            yield "the driver finds no GPU", "start the container with --gpus all"
        else:
            yield "the driver finds no GPU", "run nvidia-smi, which says why; else restart the machine"
    else:
        default = "run nvidia-smi, which says why; else restart the machine or install the driver again"
        yield f"the driver does not start: {driver['error']}", DRIVER_ERRORS.get(driver["error"], default)


def _cupy(facts: dict, usable: bool) -> list[tuple[str, str, bool]]:
    """usable: the driver works, so that what CuPy says of the device is CuPy's own fault."""
    installed, cupy, right = facts["wheels"], facts["cupy"], wheel(facts)
    if not cupy:
        what = "CuPy is not installed" if not installed else f"{', '.join(installed)}: installed, but not found"
        return [(what, install(facts) if not installed else replace(facts), True)]
    if len(installed) > 1:
        return [(f"more than one CuPy: {', '.join(installed)}", replace(facts), True)]
    name = next(iter(installed), "")
    if right == "cupy-cuda12x" and name == "cupy-cuda13x":
        reason = _reason(facts["driver"])
        return [(f"{name} does not fit {reason}", replace(facts), True)]
    if "version" not in cupy:
        return [(f"CuPy does not load: {cupy['error']}", replace(facts) if installed else install(facts), True)]
    own = f"pip install -U '{name}[ctk]'" if name.startswith("cupy-cuda") else "conda install -c conda-forge cupy"
    if cupy["nvrtc"] is None:
        return [(f"NVRTC, CUDA's compiler, does not load: {cupy['nvrtc_error'].split(':')[0]}", own, True)]
    if cupy["headers"] is False:
        return [("CUDA's header files are missing, CuPy cannot compile", own, True)]
    serves = facts["driver"].get("cuda")
    if serves and serves >= (12, 0) and cupy["nvrtc"][0] > serves[0]:
        what = f"NVRTC {_dots(cupy['nvrtc'])} is newer than the driver, which serves CUDA {_dots(serves)}"
        return [(what, f"pip uninstall -y nvidia-cuda-nvrtc && {install(facts)}", True)]
    if cupy["error"] and usable:
        if "Memory" in cupy["error"]:
            return [(f"the GPU's memory is taken: {cupy['error']}", "end the programs that nvidia-smi lists", True)]
        return [(f"CuPy does not reach the GPU: {cupy['error']}", replace(facts) if installed else own, True)]
    return []


def _devices(devices: list[dict]) -> list[tuple[str, str, bool]]:
    if devices and devices[0]["capability"] < TENSOR_CORES:
        what = f"{devices[0]['name']} has compute capability {_dots(devices[0]['capability'])}: tf32 and bf16 need 8.0"
        return [(what, 'use precision="float32"', False)]
    return []


def _reason(driver: dict) -> str:
    if driver.get("cuda") and driver["cuda"] < (13, 0):
        return f"the driver, which serves CUDA {_dots(driver['cuda'])}"
    old = next(device for device in driver["devices"] if device["capability"] < OLDEST_FOR_13)
    return f"{old['name']}: CUDA 13 needs compute capability 7.5, it has {_dots(old['capability'])}"


def lines(facts: dict) -> list[str]:
    """Driver, CuPy, NVRTC, and each device on a line."""
    driver, cupy = facts["driver"], facts["cupy"]
    found = ["no NVIDIA driver"]
    if driver:
        found = [f"driver for CUDA {_dots(driver['cuda'])}" + (f", {driver['error']}" if driver["error"] else "")]
        if facts["visible"] is not None:
            found[0] += f", CUDA_VISIBLE_DEVICES={facts['visible']}"
    named = ", ".join(f"{name} {number}" for name, number in facts["wheels"].items())
    if "version" in cupy:
        nvrtc = f"NVRTC {_dots(cupy['nvrtc'])}" if cupy["nvrtc"] else "no NVRTC"
        found.append(f"{named or 'CuPy ' + cupy['version']}, runtime {_dots(cupy['runtime'])}, {nvrtc}")
    else:
        found.append(f"{named}, does not load" if named or cupy else "no CuPy")
    for index, device in enumerate(driver.get("devices", ())):
        free = f", {cupy['free'] / GIB:.1f} free" if index == 0 and cupy.get("free") is not None else ""
        capability = _dots(device["capability"])
        found.append(
            f"GPU {index}: {device['name']}, compute capability {capability}, {device['total'] / GIB:.1f} GiB{free}"
        )
    if driver.get("devices"):
        found.append(UNSEEN)
        found += _checked(cupy.get("checked") or {})
    return found


def _checked(checked: dict):
    """What the self-check of backend/selfcheck.py has found, a line per precision that was asked."""
    for precision, wrong in checked.items():
        if wrong is not None:
            named = "; ".join(f"{kernel} {reason}" for kernel, reason in wrong.items())
            yield f"self-check, {precision}: " + (f"replaced: {named}" if wrong else "all agree with the reference")
    if not any(wrong is not None for wrong in checked.values()):
        yield "self-check: not run yet; the first model on the GPU runs it"


def _dots(version: tuple[int, int] | None) -> str:
    return "?" if version is None else ".".join(map(str, version))
