"""Host side of step.cu, and of warp.cu where it reads through the order of an epoch: what a training step needs besides
the contract so that it can run without the host. `Epoch` holds the tables.
"""

import math

import numpy as np

from ..contract import FILL_MODES
from .dense import Parts
from .launch import MOST, THREADS, blocks
from .loss import rows_of

NEXT, NOW, DONE, BAD = range(4)  # places in `progress`
PAIRS = 32  # arrays that one launch of blend_pairs takes


class Epoch:
    """Tables of an epoch on the device, at addresses that stay: steps that were recorded read them there.

    progress (4,)      the next step, this one, how many are finished, the first bad one or -1
    order (rows,)      numbers of rows, in their turn
    starts, counters (steps,), rates (steps, R)    of every step; `start`, `counter`, `rate` those of the present one
    matrices (rows, 2, 3) or None                  of the augmentation, for every place in `order`
    losses, right (steps,)                         what came of every step
    """

    def __init__(self, gpu, rows: int, steps: int, rates: int, augmented: bool):
        empty = gpu.xp.empty
        self.gpu = gpu
        self.progress, self.order = empty(4, np.int32), empty(rows, np.int32)
        self.starts, self.counters = empty(steps, np.int32), empty(steps, np.uint32)
        self.rates, self.rate = empty((steps, rates), np.float32), empty(rates, np.float32)
        self.start, self.counter = empty(1, np.int32), empty(1, np.uint32)
        self.matrices = empty((rows, 2, 3), np.float64) if augmented else None
        self.losses, self.right = empty(steps, np.float32), empty(steps, np.int32)

    def begin(self):
        """Begin the next step."""
        rates, arrays = self.rates.shape[1], (self.progress, self.counters, self.starts, self.rates)
        self.gpu("step", "begin_step", 1, THREADS, *arrays, rates, self.counter, self.start, self.rate)

    def gather(self, table, n: int):
        """The present batch's n rows of `table` (rows, ...), uint8 or float32, as float32."""
        y = self.gpu.xp.empty((n, *table.shape[1:]), np.float32)
        kernel = "gather_bytes" if table.dtype == np.uint8 else "gather_floats"
        width = math.prod(table.shape[1:])
        self.gpu("step", kernel, blocks(y.size), THREADS, table, self.order, self.start, y, y.size, width)
        return y

    def warp(self, images, n: int, *, fill_mode, cval, scale):
        """affine_warp of the present batch's n images."""
        y = self.gpu.xp.empty((n, *images.shape[1:]), np.float32)
        kernel = "affine_warp_bytes" if images.dtype == np.uint8 else "affine_warp_floats"
        numbers = y.size, *images.shape[1:], FILL_MODES.index(fill_mode), cval, scale, self.order, self.start
        self.gpu("warp", kernel, blocks(y.size), THREADS, images, self.matrices, y, *numbers)
        return y

    def end(self, loss, outputs, answers, logits: bool = False):
        """End the step: its loss, and how many rows of outputs (N, K) are right; outputs None: nobody asks.

        logits: the outputs are the softmax of what is given
        """
        (n, k), grid = ((0, 0), 1) if outputs is None else (outputs.shape, rows_of(len(outputs)))
        arrays = self.progress, loss, outputs, answers, self.order, self.start
        counts, arrived = self.gpu.xp.empty(grid, np.float32), self.gpu.arrived(1)
        last = counts, arrived, self.losses, self.right
        self.gpu("step", "end_step", (1, grid), THREADS, *arrays, n, k, int(logits), *last)


def indexable(*arrays) -> bool:
    """Whether the kernels can count the elements of each."""
    return all(array.size <= MOST for array in arrays)


def blend(gpu, pairs, averages=()) -> None:
    """What a backward leaves behind, in as few launches as may be.

    pairs: (to, from) of float32 arrays of equal size: to[...] = from, or 0 where from is None; from may be Parts, then
    their sum.  averages: (average, batch, momentum): average = momentum average + (1 - momentum) batch, in place
    """
    every = [(to, None, to.size, 1, 0.0, 0.0) if source is None else
             (to, source.array, to.size, len(source.array), 0.0, 1.0) if isinstance(source, Parts) else
             (to, source, to.size, 1, 0.0, 1.0) for to, source in pairs]  # fmt: skip
    every += [(average, batch, average.size, 1, momentum, 1 - momentum) for average, batch, momentum in averages]
    for start in range(0, len(every), PAIRS):
        some = every[start : start + PAIRS]
        arguments = [value for one in some + [(None, None, 0, 1, 0.0, 0.0)] * (PAIRS - len(some)) for value in one]
        grid = sum(blocks(n, 32 if parts > 1 else THREADS) for _, _, n, parts, _, _ in some)
        gpu("step", "blend_pairs", grid, THREADS, *arguments)


def update_averages(gpu, averages) -> None:
    """`blend` of moving averages alone."""
    blend(gpu, (), averages)
