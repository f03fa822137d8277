"""Facts about this machine, a function per subject. `gather` never raises: what cannot be asked has an `error`."""

import contextlib
import importlib.machinery
import importlib.metadata
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..backend import gpu_facts
from ..backend.cores import quota

OPTIONAL = ("h5py", "matplotlib", "pandas", "safetensors", "scikit-learn", "tqdm")  # each loaded where it is used
TRAINING_FILES = ("train.csv", "train.csv.gz")


def gather() -> dict:
    """Every subject by name; one that fails in a way that nobody thought of is {"error": ...}."""
    subjects = {"minicnn": package, "system": system, "numpy": numpy, "numba": numba, "packages": packages,
                "data": data, "gpu": gpu_facts.gather}  # fmt: skip
    return {name: safely(ask) for name, ask in subjects.items()}


def safely(ask: Callable[[], dict]) -> dict:
    """What `ask` returns, or {"error": "ValueError: ..."}."""
    try:
        return ask()
    except Exception as cause:
        return {"error": gpu_facts.first_line(cause)}


def value(ask: Callable[[], Any], default: Any = None) -> Any:
    """What `ask` returns, `default` if it raises."""
    try:
        return ask()
    except Exception:
        return default


def package() -> dict:
    """version, origin ("checkout" or "installed"), folder (its last two names), commit of a checkout, strangers,
    hidden: whether `python` started in this folder finds another.
    """
    folder = Path(__file__).resolve().parents[1]
    checkout = not (folder / "kernels").is_dir()
    return {
        "version": sys.modules["minicnn"].__version__,
        "origin": "checkout" if checkout else "installed",
        "folder": short(folder),
        "commit": value(lambda: machine().commit()) if checkout else None,
        "strangers": value(lambda: strangers(folder), []),
        "hidden": value(lambda: hidden(Path.cwd()), False),
    }


def hidden(here: Path) -> bool:
    """Whether Python, started in this folder, takes a folder named minicnn for the package: a checkout's own, say.

    A folder without __init__.py is a package too (PEP 420), and found before the finder of an editable install.
    """
    rest = [entry for entry in sys.path if entry and Path(entry).resolve() != here]
    spec = importlib.machinery.PathFinder.find_spec("minicnn", [str(here), *rest])
    return spec is not None and spec.origin is None


def strangers(here: Path) -> list[str]:
    """What else is called minicnn: packages that are no copy of this one, and the distribution of that name.

    PyPI's `minicnn` is another project's. Installed beside this one it may be what `import minicnn` finds; installed
    into the same folder it has overwritten files.
    """
    places = dict.fromkeys(Path(entry or ".").resolve() / "minicnn" for entry in sys.path)
    packages = [place for place in places if place != here and (place / "__init__.py").is_file()]
    found = [f"the package .../{short(place)}" for place in packages if not (place / "diagnosis").is_dir()]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        installed = importlib.metadata.distribution("minicnn")
        place = Path(str(installed.locate_file("")))
        if place.resolve() != here.parent:  # there it is what building an old checkout left
            found.append(f"the distribution minicnn {installed.version}")
        elif here.parent.name in ("site-packages", "dist-packages"):
            found.append(f"the distribution minicnn {installed.version}, in the same folder")
    return found


def machine():
    """reports.machine, late: it needs NumPy, which may be what is broken."""
    from ..reports import machine

    return machine


def short(folder: Path) -> str:
    """The last two names of a path: enough to tell two checkouts apart, and nobody's home folder."""
    return "/".join(folder.parts[-2:])


def system() -> dict:
    """python, platform, cpu, cores (that this process may use), cores_in_all, quota (cores; None: no limit), memory."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": value(lambda: machine().cpu(), platform.machine()),
        "cores": usable or 1,
        "cores_in_all": os.cpu_count() or 1,
        "quota": quota(),
        "memory": value(lambda: os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "memory_free": value(memory_free),
    }


def memory_free() -> int:
    """Bytes that can be had without swapping (Linux)."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def settings(*prefixes: str) -> dict[str, str]:
    """The environment variables that begin so; a path becomes "(a path)"."""
    found = {name: text for name, text in sorted(os.environ.items()) if name.startswith(prefixes)}
    return {name: "(a path)" if os.sep in text else text for name, text in found.items()}


def numpy() -> dict:
    """version, blas, threads and cores ("Haswell") of a BLAS that can be asked, settings."""
    import numpy as np

    blas = value(lambda: np.show_config(mode="dicts")["Build Dependencies"]["blas"], {})
    pool = value(blas_pool, {})
    return {
        "version": np.__version__,
        "blas": " ".join(filter(None, (blas.get("name"), blas.get("version")))) or "unknown",
        "threads": pool.get("num_threads"),
        "architecture": pool.get("architecture"),
        "settings": settings("OPENBLAS_", "OMP_", "MKL_"),
    }


def blas_pool() -> dict:
    """What threadpoolctl, which scikit-learn brings, says of NumPy's BLAS."""
    import threadpoolctl

    return next(pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")


def numba() -> dict:
    """version, threads, layer, cpu, tile, cache, settings; kernels_error: why the kernel set does not load.

    The threads are started for this, nothing is compiled. `layer_error` says why they do not start.
    """
    found = {"version": machine().version("numba"), "settings": settings("NUMBA_"), "kernels_error": None}
    found |= dict.fromkeys(("threads", "layer", "layer_error", "cpu", "tile", "cache"))
    try:
        from minicnn.kernels import numba_cpu  # noqa: F401  (before Numba: it sets how long idle threads spin)
    except Exception as cause:
        return {**found, "kernels_error": gpu_facts.first_line(cause)}
    import llvmlite.binding
    import numba
    from numba.np.ufunc import parallel

    try:
        found["threads"] = numba.get_num_threads()
        found["layer"] = parallel.threading_layer()
    except Exception as cause:
        found["layer_error"] = gpu_facts.first_line(cause)
    found["cpu"] = value(llvmlite.binding.get_host_cpu_name)
    found["tile"] = value(tile)
    found["cache"] = value(cache)
    return found


def tile() -> str:
    """The register tile of the micro-kernel: "AVX512, 14 x 32 sums"."""
    from minicnn.kernels.numba_cpu.codegen import microkernel

    names = ("AVX512", "AVX2", "NEON", "GENERIC")
    name = next(name for name in names if getattr(microkernel, name) == microkernel.TILE)
    return f"{name}, {microkernel.ROWS} x {microkernel.WIDTH} sums"


def cache() -> dict | None:
    """Where Numba keeps compiled kernels: place, folder, writable, files, bytes. None: no kernel is kept."""
    from minicnn.kernels.numba_cpu import activation

    compiled = (getattr(kernel, "compiled", kernel) for kernel in vars(activation).values())
    kept = (getattr(getattr(function, "stats", None), "cache_path", None) for function in compiled)
    folder = next((Path(path) for path in kept if path), None)
    if folder is None:
        return None
    sizes = [file.stat().st_size for file in folder.glob("*.nbc")]
    named = os.environ.get("NUMBA_CACHE_DIR")
    place = "the user's cache"
    if folder.parent == Path(activation.__file__).parent:
        place = "beside the kernels"
    elif named and folder.is_relative_to(named):
        place = "NUMBA_CACHE_DIR"
    return {"place": place, "folder": short(folder), "writable": writable(folder), "files": len(sizes),
            "bytes": sum(sizes)}  # fmt: skip


def writable(folder: Path) -> bool:
    """Tried, not asked: a read-only file system and a full disk look writable until then."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        return True
    except OSError:
        return False


def kernel_table(name: str) -> dict:
    """set, table (kernel -> the set that serves it; empty if the set does not load)."""
    try:
        from minicnn import kernels

        return {"set": name, "table": kernels.table(name)}
    except Exception:
        return {"set": name, "table": {}}


def packages() -> dict:
    """The packages that minicnn loads only where it uses them: name -> version, None if it is not installed."""
    found = {}
    for name in OPTIONAL:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def data() -> dict:
    """minicnn_data ($MINICNN_DATA is set, and a folder; None: not set), kaggle, mnist, local (./data has digits)."""
    named = os.environ.get("MINICNN_DATA")
    root = Path(named) if named else None
    return {
        "minicnn_data": root.is_dir() if root else None,
        "kaggle": root is not None and any((root / "kaggle" / name).is_file() for name in TRAINING_FILES),
        "mnist": root is not None and any(root.glob("mnist/train-images-idx3-ubyte*")),
        "local": any(Path("data", name).is_file() for name in TRAINING_FILES),
    }
