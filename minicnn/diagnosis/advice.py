"""Facts -> problems: what is wrong, the one line that mends it, and the device that does not work because of it."""

import sys

from ..backend import gpu_report

REPORT = "report it with this output"


def problems(found: dict) -> list[dict]:
    """{"what", "fix", "stops"} for each: first what stops the CPU, then what stops the GPU, then the rest."""
    listed = [*_minicnn(found["minicnn"]), *_numpy(found["numpy"]), *_numba(found), *_threads(found),
              *_gpu(found["gpu"]), *_packages(found["packages"]), *_data(found["data"])]  # fmt: skip
    order = ("cpu", "cuda", None)
    return sorted(
        ({"what": what, "fix": fix, "stops": stops} for what, fix, stops in listed),
        key=lambda problem: order.index(problem["stops"]),
    )


def _minicnn(package: dict):
    if package.get("strangers"):
        again = "in the checkout: pip install -e ." if package["origin"] == "checkout" else "install this one again"
        what = f"not this project, but called minicnn too: {', '.join(package['strangers'])}"
        yield f"{what}; import minicnn may find it", f"pip uninstall -y minicnn; then {again}", None
    if package.get("hidden"):
        what = "the folder minicnn here is no package, and hides the one that is installed from python started here"
        yield what, "cd minicnn, or start elsewhere", None


def _numpy(numpy: dict):
    if "error" in numpy:
        force = "" if numpy["error"].startswith("ModuleNotFoundError") else "--force-reinstall "
        yield f"NumPy does not load: {numpy['error']}", f"pip install {force}'numpy>=1.26'", "cpu"


def _numba(found: dict):
    """The first thing that stops the fast kernels: what comes after it cannot be seen yet."""
    numba = found["numba"]
    error = numba.get("error") or numba["kernels_error"] or numba["layer_error"]
    set_to = numba.get("settings", {})
    disabled = set_to.get("NUMBA_DISABLE_JIT", "0")
    if "error" in found["numpy"]:
        return
    if disabled not in ("", "0"):
        what = f"NUMBA_DISABLE_JIT={disabled}: the fast kernels do not run uncompiled"
        yield what, f'{unset("NUMBA_DISABLE_JIT")}; to step through a kernel use kernels="numpy_ref"', "cpu"
    elif not error:
        yield from _cache(numba)
    elif numba.get("version") is None:
        yield "Numba is not installed", "pip install 'numba>=0.61'", "cpu"
    elif "cannot cache" in error:
        yield "no folder for compiled kernels can be written", cache_line(), "cpu"
    elif not positive(set_to.get("NUMBA_NUM_THREADS", "1")):
        pass  # _threads says so
    elif "threading layer" in error and "NUMBA_THREADING_LAYER" in set_to:
        layer = set_to["NUMBA_THREADING_LAYER"]
        yield f"NUMBA_THREADING_LAYER={layer} cannot be loaded", unset("NUMBA_THREADING_LAYER"), "cpu"
    else:
        fix = "pip install -U numba" if error.startswith(("ImportError", "ModuleNotFoundError")) else REPORT
        yield f"the fast kernels do not load: {error}", fix, "cpu"


def _cache(numba: dict):
    cache = numba["cache"]
    if cache is None or not cache["writable"]:
        yield "compiled kernels cannot be kept: every start compiles them again", cache_line(), None
    elif "NUMBA_CACHE_DIR" in numba["settings"] and cache["place"] != "NUMBA_CACHE_DIR":
        yield "NUMBA_CACHE_DIR cannot be written and is not used", cache_line(), None


def _threads(found: dict):
    """A number of threads that is none, or more than there are cores: they then wait for each other."""
    numba, cores = found["numba"], found["system"].get("cores")
    set_to = {**numba.get("settings", {}), **found["numpy"].get("settings", {})}
    for name in ("NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        text = set_to.get(name, "1").split(",")[0]  # OpenMP takes a list, a number for each level of nesting
        if not positive(text):
            stops = name.startswith("NUMBA") and (numba.get("kernels_error") or numba.get("layer_error"))
            yield f"{name}={text}: expected a whole number of at least 1", unset(name), "cpu" if stops else None
        elif cores and int(text) > cores:
            yield f"{name}={text}, but {cores} cores are usable", unset(name), None
    quota, threads = found["system"].get("quota"), found["numba"].get("threads")
    if quota and threads and threads > quota + 0.5:
        what = f"the container grants the time of {quota:.1f} cores, and Numba starts {threads} threads"
        yield what, setting("NUMBA_NUM_THREADS", str(max(1, int(quota)))), None


def _gpu(gpu: dict):
    if "error" in gpu:
        yield f"the GPU cannot be asked: {gpu['error']}", REPORT, "cuda"
        return
    for what, fix, stops in gpu_report.problems(gpu):
        yield what, fix, "cuda" if stops else None


def _packages(packages: dict):
    missing = [name for name, version in packages.items() if version is None]
    if missing:
        yield f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}", None


def _data(data: dict):
    if data.get("minicnn_data") is False:
        yield "MINICNN_DATA names no folder", unset("MINICNN_DATA") + ", or create the folder", None


def positive(text: str) -> bool:
    """Whether a setting is a number of threads."""
    return text.isdigit() and int(text) > 0


def unset(name: str) -> str:
    """The shell's line that takes a variable away."""
    return f"set {name}=" if sys.platform == "win32" else f"unset {name}"


def setting(name: str, text: str) -> str:
    """The shell's line that sets a variable."""
    return f"set {name}={text}" if sys.platform == "win32" else f"export {name}={text}"


def cache_line() -> str:
    """A folder for Numba that nobody else can write, for what lies in it is run."""
    if sys.platform == "win32":
        return setting("NUMBA_CACHE_DIR", r"%TEMP%\minicnn-numba")  # already the user's own
    return setting("NUMBA_CACHE_DIR", '"$(mktemp -d)"') + ", or a folder of yours that lasts"
