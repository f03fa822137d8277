"""The cores that this process may use: what the machine has, a container grants, and other ranks leave."""

import contextlib
import math
import os
from pathlib import Path

from ..notes import note

_ranks = 1  # processes of one training that share these cores


def share(processes: int) -> None:
    """From here on so many processes, of which this is one, share the cores between them."""
    global _ranks
    _ranks = processes


def shared() -> bool:
    """Whether other processes of the same training use these cores too."""
    return _ranks > 1


def usable(threads: int) -> int:
    """Of so many threads those that this process should run: no more than its share of the cores that it may use.

    A note says once where the container's quota decides.
    """
    granted = quota()
    found = threads if granted is None else min(threads, max(1, math.ceil(granted)))
    if found < threads:
        note(f"{found} of {threads} threads are used: the container grants the time of {granted:.1f} cores (cpu.max)")
    return found if _ranks == 1 else max(1, min(found, len(mine())) // _ranks)


def mine() -> set[int]:
    """The numbers of the cores that this process may run on."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """How many cores' time the container may take; None: no limit. Affinity does not show it."""
    with contextlib.suppress(OSError, ValueError):
        granted, period = (root / "cpu.max").read_text().split()
        return None if granted == "max" else int(granted) / int(period)
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # control groups, version 1
        granted = int((root / "cpu/cpu.cfs_quota_us").read_text())
        return granted / int((root / "cpu/cpu.cfs_period_us").read_text()) if granted > 0 else None
    return None
