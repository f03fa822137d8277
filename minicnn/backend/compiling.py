"""Kernels that are being compiled, counted: the first run on a machine waits for them, and should say so."""

import contextlib
import sys
import time
from collections.abc import Callable

EVERY = 5.0  # s between two lines


@contextlib.contextmanager
def told(say: Callable[[str], object] | None):
    """Say how many kernels Numba compiles within: once it begins, and then every EVERY s. None: silent.

    Those that it finds on disk do not count. How many there will be nobody knows before the first step has ended.
    """
    if say is None or "numba" not in sys.modules:
        yield
        return
    from numba.core import event

    from minicnn.kernels.numba_cpu.jit import TROUBLE

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
