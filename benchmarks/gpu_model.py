"""What a step of network A should take on an H200: every launch of it, and an estimate for each. Nothing runs on a GPU.

    python benchmarks/gpu_model.py                       batch 86, 256, 1024 in tf32: totals, and by kind of kernel
    python benchmarks/gpu_model.py --batches 86 --every  every launch
    python benchmarks/gpu_model.py --patch               also with the image patch in shared memory, not written yet
    python benchmarks/gpu_model.py --bf16                also with activations and their gradients stored in bf16,
                                                         not written: half their bytes, the same instructions

The launches are recorded from a training step on the tests' emulated device (none is run); instructions and registers
are read from NVRTC's machine code (cuobjdump, nvdisasm), and where these are missing from the table below.

An estimate is a range, in us. Each launch takes at least
      roofline   the greater of bytes / 4.3 TB/s and operations / 311 TFLOP/s (what mma.sync reaches of 494)
      a node     1.3 (the next one of a graph starts) to 2.5 (a chain of memory latencies in a small kernel)
a matrix product
      issue      instructions of the fullest multiprocessor's blocks / 4 schedulers / IPC; IPC 1 .. .45 (one warp per
                 scheduler), .65 (two), .75 (more)
and a pass over columns
      chain      iterations of a thread x cycles from one to the next, least .. greatest: CHAIN below, guessed once,
                 times COUNTED, the share of instructions that a mend has left
No device has confirmed it. What it is good for is which of two designs is faster, and where the time should go.
"""

import argparse
import math
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.cuda import nvrtc, sass
from tests.cuda.counting import launches

CLOCK, BANDWIDTH, CACHE, TENSOR, SMS = 1.755e9, 4.3e12, 5.5e12, 494e12 * 0.63, 132
NODE = 1.3, 2.5  # us
IPC = {1: 0.45, 2: 0.65}
CHAIN = {  # cycles from one row of a thread to its next, if all goes well, and if not: guesses, one set for all code
    "norm_relu_parts": (480, 800), "pool_norm_relu_parts": (1000, 1700), "pool_norm_parts": (500, 900),
    "norm_grad_parts": (90, 160), "moment_parts": (80, 140), "relu_bias_parts": (120, 220), "bias_parts": (120, 220),
    "dropout_norm_parts": (190, 330), "dropout_norm_relu_parts": (250, 450),  # Philox's ten rounds: some 100 more
}  # fmt: skip
COUNTED = {  # what __restrict__ made of them: instructions per row by now, of those when CHAIN was guessed
    "norm_relu_parts": 64 / 205, "pool_norm_relu_parts": 410 / 763,
}  # fmt: skip
LOOP = {  # instructions of a product's loop (python -m tests.cuda.sass conv dense), and of the rest that a warp runs
    ("conv2d_32", "44"): (289, 2200), ("conv2d_32", "14"): (573, 2500), ("conv2d_64", "44"): (245, 2000),
    ("conv2d_input_grad_32", "44"): (426, 1100), ("conv2d_input_grad_64", "44"): (317, 900),
    ("conv2d_weight_grad_32", "44"): (291, 700), ("conv2d_weight_grad_32", "14"): (736, 1000),
    ("conv2d_weight_grad_64", "44"): (337, 800), ("dense_64", "44"): (236, 600), ("dense_32", "11"): (315, 600),
    ("dense_input_grad", "44"): (242, 500), ("dense_input_grad", "11"): (374, 600),
    ("dense_weight_grad", "44"): (238, 500), ("dense_weight_grad", "11"): (457, 700),
}  # fmt: skip
PATCH_LOOP = 70  # instructions per 32 tensor-core ones where every window cell is an ldmatrix at another offset


def product(kernel, arrays):
    """M, N, K of a matrix product."""
    shapes = [a.shape for a in arrays]
    first, second, last = shapes[0], shapes[1], shapes[-1]
    if kernel.startswith("conv2d_weight"):
        return last[-2], last[-1], math.prod(second[:3])
    if kernel.startswith("conv2d_input"):
        return (*last[-2:], second[0] * second[1] * second[3])
    if kernel.startswith("conv2d"):
        return (*last[-2:], math.prod(second[:3]))
    return (*last[-2:], first[0] if kernel.startswith("dense_weight") else first[1])


def stored(array, batch: int) -> int:
    """Bytes of an array if activations and their gradients, float32 arrays with a row per image or pixel, are bf16."""
    rows = array.shape[0]
    of_images = array.ndim > 1 and (rows == batch or rows % (49 * batch) == 0)
    return array.nbytes // 2 if of_images and array.dtype == "float32" else array.nbytes


def loops(kernel, stem, options):
    """Instructions of a product's loop, and of the rest that a warp runs."""
    variant = "".join(option[-1] for option in options[1:])
    if sass.tools() and nvrtc.library() and "MODE=1" in options[0]:
        return sass.kernels(stem, options)[kernel].loop, LOOP.get((kernel, variant), (0, 1500))[1]
    return LOOP[kernel, variant]


def estimate(node, patch=False, bf16_of=None):
    """(kernel, grid, roofline, least, greatest, why) of a node, in us.

    patch: conv2d and its input gradient so;  bf16_of: a batch size, whose activations are stored in bf16.
    """
    if not isinstance(node, tuple):
        return "CuPy", None, 0.1, NODE[0], 3.0, "an expression of arrays"
    kernel, grid, options, stem, arrays = node
    size, n = sum(stored(a, bf16_of) if bf16_of else a.nbytes for a in arrays), math.prod(grid)
    if options and not kernel.endswith("_add"):
        m, columns, k = product(kernel, arrays)
        loop, rest = loops(kernel, stem, options)
        if patch and kernel.startswith(("conv2d_32", "conv2d_64", "conv2d_input")) and "V_IN=4" in options[1]:
            loop, n = PATCH_LOOP, max(n, 2 * SMS)
        steps, blocks = math.ceil(math.ceil(k / 16) / grid[2]), math.ceil(n / SMS)
        steps *= math.prod(grid) / n
        roof = max(size / BANDWIDTH, 2 * m * columns * k / TENSOR) * 1e6
        cycles = blocks * (steps * loop + rest)  # a block has one warp per scheduler
        least = max(cycles / CLOCK * 1e6, roof, NODE[0])
        greatest = max(cycles / IPC.get(blocks, 0.75), steps * (400 if patch else 1000) + 2500) / CLOCK * 1e6
        return kernel, grid, roof, least, max(greatest, least), f"{steps:.0f} steps x {loop}, {blocks} blocks per SM"
    roof = size / BANDWIDTH * 1e6
    least, greatest, why = max(roof, NODE[0]), max(1.6 * size / CACHE * 1e6, NODE[1]), ""
    if kernel in CHAIN:
        x = arrays[2 if kernel == "pool_norm_relu_parts" else 0]
        rows = math.prod(x.shape[:-1]) if x.shape[-1] > 1 else math.prod(x.shape[:-2])
        rows_of_block = 256 // min(32, 1 << (max(x.shape[-1], x.shape[-2]) - 1).bit_length())
        turns = math.ceil(math.ceil(rows / grid[1]) / max(1, rows_of_block))
        waves = math.ceil(n / (SMS * 5))
        short, long = (cycles * COUNTED.get(kernel, 1) for cycles in CHAIN[kernel])
        least = max(least, waves * (turns * short + 1500) / CLOCK * 1e6)
        greatest = max(greatest, least, waves * (turns * long + 3500) / CLOCK * 1e6)
        why = f"{turns} rows of a thread, {n} blocks"
    return kernel, grid, roof, least, greatest, why


GONE = {"moment_parts", "merge_moments", "norm_grad_parts", "pool_norm_parts", "batch_norm"}


def predict(batch: int, precision: str = "tf32", patch: bool = False, bf16: bool = False) -> list:
    """Every node's estimate.

    patch: statistics come out of the convolutions' epilogues, their map goes into the next one's patch, gradient sums
    into the input gradient's epilogue: the passes GONE of the four convolutions are left out.
    bf16: activations and their gradients are stored in bf16.
    """
    nodes = launches(batch, precision)
    if patch:
        kept = []
        for node in nodes:
            big = isinstance(node, tuple) and node[0] in GONE and max(a.size for a in node[4]) > 2 * batch * 256
            if not big:
                kept.append(node)
        nodes = kept
    return [estimate(node, patch, batch if bf16 else None) for node in nodes]


def total(rows) -> tuple[int, float, float, float]:
    """Nodes, sum of rooflines, least, greatest."""
    return len(rows), *(sum(row[k] for row in rows) for k in (2, 3, 4))


def kind(kernel: str) -> str:
    if kernel.startswith(("conv2d", "conv_")):
        return "convolutions"
    if kernel in CHAIN:
        return "passes over columns"
    return "dense products" if kernel.startswith("dense") else "all others"


NAMES = {"patch": "image patch", "bf16": "bf16 storage"}


def main(argv=None) -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--batches", type=int, nargs="+", default=[86, 256, 1024])
    p.add_argument("--every", action="store_true", help="every launch on a line")
    p.add_argument("--patch", action="store_true", help="also the design with the image patch in shared memory")
    p.add_argument("--bf16", action="store_true", help="also with activations stored in bf16")
    args = p.parse_args(argv)
    designs = [{}, *([{"patch": True}] if args.patch else []), *([{"bf16": True}] if args.bf16 else []),
               *([{"patch": True, "bf16": True}] if args.patch and args.bf16 else [])]  # fmt: skip
    print("ESTIMATES for an H200, tf32, us per step; no device has run this")
    for batch in args.batches:
        for design in designs:
            rows = predict(batch, **design)
            if args.every:
                for kernel, grid, roof, least, greatest, why in rows:
                    print(f"{kernel:24} {grid or ''!s:16} {roof:7.1f} {least:7.1f} {greatest:7.1f}  {why}")
            groups = defaultdict(list)
            for row in rows:
                groups[kind(row[0])].append(row)
            print(", ".join([f"batch {batch}", *(NAMES[name] for name in design)]))
            for name, some in (*sorted(groups.items()), ("all", rows)):
                nodes, roof, least, greatest = total(some)
                print(f"  {name:22} {nodes:3} nodes  roofline {roof:6.0f}  estimate {least:6.0f} to {greatest:6.0f}")


if __name__ == "__main__":
    main()
