"""On what a figure was measured: a figure without its machine, versions and settings cannot be repeated."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from ..arguments import text

SOURCE = Path(__file__).resolve().parents[2]  # the checkout, if this is one
LIBRARIES = ("numpy", "numba", "scikit-learn")
STEERING = ("OPENBLAS_", "OMP_", "MKL_", "NUMBA_", "CUDA_")  # environment variables that choose kernels and threads


def describe() -> dict:
    """cpu, cores that this process may use, memory (bytes), system, python, versions, settings, commit."""
    return {
        "cpu": cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
        "settings": settings(),
        "commit": commit(),
    }


def cpu() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def version(name: str) -> str | None:
    """The version of an installed package, None if it is not installed."""
    name = text("machine.version: name", name)
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def settings() -> dict[str, str]:
    """The environment variables that steer threads and kernels; a path is nobody's business."""
    found = {name: value for name, value in sorted(os.environ.items()) if name.startswith(STEERING)}
    return {name: "(a path)" if os.sep in value else value for name, value in found.items()}


def commit() -> str | None:
    """The checkout's git commit, with + if its code differs from it; None where minicnn is no checkout.

    Code is minicnn, kernels and examples: a result file or a README that has changed moves no figure.
    """

    def git(*words: str) -> str:
        run = subprocess.run(["git", "-C", str(SOURCE), *words], capture_output=True, text=True, check=True, timeout=20)
        return run.stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != SOURCE:
            return None  # installed into somebody else's repository
        changed = git("status", "--porcelain", "-uno", "--", "minicnn", "kernels", "examples")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None
