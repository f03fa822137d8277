"""The first run on a machine waits for its kernels to be compiled: it says so, counts them, and takes help."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

EVERY = 5.0  # s between two lines


@contextlib.contextmanager
def told(say: Callable[[str], object] | None) -> Iterator[None]:
    """Say how many kernels Numba compiles within: once it begins, and then every EVERY s. None: silent.

    Those that it finds on disk do not count. How many there will be nobody knows before the first step has ended.
    """
    if say is None or "numba" not in sys.modules:
        yield
        return
    from numba.core import event

    from minicnn.kernels.numba_cpu.codegen.jit import TROUBLE

    class Listener(event.Listener):
        depth, count, began, said = 0, 0, 0.0, 0.0

        def on_start(self, event):
            self.depth += 1
            if self.depth > 1:
                return  # a function within a kernel
            now = time.monotonic()
            self.count += 1
            self.began = self.began or now
            if self.count == 1 or now - self.said >= EVERY:
                self.said = now
                say(f"compiling kernels, once per machine: number {self.count}, after {now - self.began:.0f} s")

        def on_end(self, event):
            self.depth -= 1

    listener = Listener()
    with event.install_listener("numba:compile", listener):
        yield
    if TROUBLE:
        say(f'the cache of compiled kernels: {TROUBLE[0]}; they were compiled; "python -m minicnn doctor" says more')
        TROUBLE.clear()
    elif listener.count:
        say(f"compiled {listener.count} kernels, which are kept for the next run")


@contextlib.contextmanager
def shared(command: Callable[[int, int], list[str]], processes: int) -> Iterator[None]:
    """Within, other processes compile as well, if anything has to be: `python -m *command(k, n)` for k < n = processes.

    They are started by the first kernel that is not on disk and are to call `ahead`. They end with this process.
    """
    if processes < 1 or "numba" not in sys.modules:
        yield
        return
    from minicnn.kernels.numba_cpu.codegen.jit import BEFORE_THE_FIRST

    started: list[subprocess.Popen] = []

    def start():
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        for k in range(processes):
            with contextlib.suppress(OSError):  # then this process compiles alone
                started.append(subprocess.Popen(
                    [sys.executable, "-m", *command(k, processes)], stdin=subprocess.PIPE,
                    env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}, **quiet,
                ))  # fmt: skip

    BEFORE_THE_FIRST.append(start)
    try:
        yield
    finally:
        if start in BEFORE_THE_FIRST:
            BEFORE_THE_FIRST.remove(start)
        for process in started:
            process.kill()  # what it is compiling nobody waits for any more
            process.communicate()


def ahead(step: Callable[[], object], k: int, n: int) -> None:
    """Compile the kernels that step() calls, from the last to the first, as number k of n that do; see `shared`.

    Whoever waits for them comes from the other end. step() gets no results: it must do without, and end.
    """
    from minicnn.kernels.numba_cpu.runtime.ahead import compile_free, needed

    def follow():
        os.read(0, 1)  # which ends with the process that holds the other end
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    kernels = needed(step)[::-1]
    first = k * len(kernels) // (n + 1)
    compile_free(kernels[first:] + kernels[:first])
