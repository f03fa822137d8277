"""Out of memory: free what is only kept, retry once, then report the batch size that would fit."""

import gc
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..backend.memory_message import out_of_memory
from ..errors import DeviceMemoryError

if TYPE_CHECKING:
    from .stack import LayerStack

KEPT = 3  # arrays per layer's output that are there at once: the output, its gradient, and what a kernel works with


def retry_on_oom(model: "LayerStack", batch_size: int, action: Callable, undo: Callable = lambda: None) -> Any:
    """action(); where the device's memory is full, once more after undo() and after all unused memory was given back.

    Raises DeviceMemoryError: the bytes needed, the bytes free, and the batch size that would fit.
    """
    be = model.backend
    try:
        return action()
    except be.memory_errors:
        pass  # outside of this block nothing holds the failed step's arrays any more
    for p in model.weights:
        p.grad = None
    undo()
    gc.collect()
    be.free_memory()
    try:
        return action()
    except be.memory_errors:
        pass
    undo()
    gc.collect()
    needed, per_image = step_bytes(model, batch_size)
    raise DeviceMemoryError(out_of_memory(be.describe(), needed, be.free_memory(), batch_size, per_image))


def step_bytes(model: "LayerStack", batch_size: int) -> tuple[int, int]:
    """About how many bytes a step takes besides weights, optimizer and data; and how many one image more takes."""
    given, made = model.sizes[: len(model.samples_in)], model.sizes[len(model.samples_in) :]
    numbers = sum(map(math.prod, given)) + KEPT * sum(map(math.prod, made))
    per_image = numbers * model.backend.dtype.itemsize
    return per_image * batch_size, per_image
