"""What makes a measurement credible: the machine, who else used it, thread settings; and an atomic result file."""

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = ("OPENBLAS_", "OMP_", "MKL_", "NUMBA_", "XLA_", "TF_NUM_", "TF_ENABLE_", "TF_XLA_", "KMP_", "GOMP_")
ENVIRONMENT = dict(os.environ)  # before any library adds to it: what contestants get, and what is reported


def describe() -> dict:
    """CPU, cores, memory in bytes, operating system."""
    model, memory = platform.processor(), 0
    try:
        info = Path("/proc/cpuinfo").read_text()
        model = next(line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name"))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, StopIteration, ValueError):
        pass
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "memory": memory, "system": platform.platform()}  # fmt: skip


def settings() -> dict[str, str]:
    """The environment variables that steer threads and kernels; paths are nobody's business."""
    found = {name: value for name, value in sorted(ENVIRONMENT.items()) if name.startswith(SETTINGS)}
    return {name: "(a path)" if os.sep in value else value for name, value in found.items()}


def commit() -> str:
    """The source's git commit, with + if the tree differs from it."""

    def git(*words):
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def load() -> list[float]:
    """The load averages over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else []


def busy_seconds() -> float | None:
    """CPU seconds that all processes together have used since the start, stolen time included; None where unknown."""
    try:
        fields = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def others_before(seconds: float = 1.0) -> float | None:
    """The fraction of all cores that is busy now, while this process sleeps."""
    before = busy_seconds()
    time.sleep(seconds)
    after = busy_seconds()
    return None if before is None else (after - before) / (seconds * (os.cpu_count() or 1))


def write_json(path: Path, value: dict) -> None:
    """Whole or not at all: a temporary file in the same folder, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(value, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


NO_MPI = 'there is no mpiexec or no mpi4py: pip install -e ".[mpi]"'


def mpiexec() -> str | None:
    """The command that starts several processes, this environment's before others; None: it or mpi4py is missing."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return shutil.which("mpiexec", path=path) if importlib.util.find_spec("mpi4py") else None


def warn_if_busy() -> tuple[float | None, bool]:
    """The fraction of the CPU that others use now, and whether that and the load average allow a measurement."""
    busy, average = others_before(), load()
    quiet = (busy is None or busy < 0.05) and (not average or average[0] < 0.5)
    if not quiet:
        print(f"\n*** WARNING: THE MACHINE IS NOT IDLE (load {average}, busy {busy:.0%}): only a rehearsal ***\n")
    return busy, quiet
