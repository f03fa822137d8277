"""Kernel sets: one contract, written once to be read (`numpy_ref`) and again to be run (`numba_cpu`, `cuda`).

`table("numba_cpu")` lists which set each kernel of a backend comes from. Nothing here imports the rest of minicnn.
"""

import importlib
from collections.abc import Callable

from .contract import FUSED, KERNELS, Key, as_acb

__all__ = ["FUSED", "KERNELS", "SETS", "Key", "as_acb", "load", "plan_conv2d", "table"]

SETS = ("numpy_ref", "numba_cpu", "cuda")


def load(name: str) -> dict[str, Callable]:
    """The kernels that the set `name` itself defines, by name.  Raises ImportError if its packages are missing."""
    if name not in SETS:
        raise ValueError(f"kernels: expected one of {SETS}, received {name!r}")
    module = importlib.import_module(f"{__name__}.{name}")
    return {kernel: getattr(module, kernel) for kernel in (*KERNELS, *FUSED) if hasattr(module, kernel)}


def plan_conv2d(name: str, x_shape, w_shape, strides, pads, algorithm: str = "auto", pool=None):
    """What the set `name` will do for a convolution and its two gradients; None: it has one way only.

    pool: max_pool's arguments, for conv2d_max_pool and its gradients.
    """
    decide = getattr(importlib.import_module(f"{__name__}.{name}"), "plan_conv2d", None)
    return None if decide is None else decide(x_shape, w_shape, strides, pads, algorithm, pool)


def table(name: str) -> dict[str, str]:
    """Which set serves each kernel when `name` is chosen: its own, or `numpy_ref` where it has none; and its FUSED."""
    own = load(name)
    return {kernel: name if kernel in own else "numpy_ref" for kernel in (*KERNELS, *own)}
