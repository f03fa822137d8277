"""Kernels compiled before they are needed, by a process that does nothing else."""

import contextlib
from collections.abc import Callable
from typing import Any

from ..codegen.jit import OUTER, Taken, _Turn

Kernel = tuple[Any, tuple]  # a function of jit.OUTER, the types of its arguments


def needed(step: Callable[[], object]) -> list[Kernel]:
    """What step() calls, in the order of the first calls. Nothing is compiled and nothing is computed: no kernel
    returns anything, and the arrays that they would have filled hold what memory happened to hold.
    """
    calls: dict[Kernel, None] = {}

    def note(kernel):
        def compile_for(*arguments):
            calls[kernel, tuple(map(kernel.typeof_pyval, arguments))] = None
            return lambda *arguments: None

        return compile_for

    for kernel in OUTER:
        kernel._compile_for_args = note(kernel)
    try:
        step()
    finally:
        for kernel in OUTER:
            del kernel._compile_for_args
    return list(calls)


def compile_free(kernels: list[Kernel]) -> None:
    """Compile them into the cache on disk, but for those that another process is at."""
    wait, _Turn.wait = _Turn.wait, False
    try:
        for kernel, kinds in kernels:
            with contextlib.suppress(Taken):
                kernel.compile(kinds)
    finally:
        _Turn.wait = wait
