"""Host side of dense.cu: which tile, which precision, and into how many parts a long sum is split."""

from typing import Any, NamedTuple

import numpy as np

from .launch import THREADS, Launcher, blocks, gemm_options

TILE_M, TALL, GEMM_THREADS = 128, 256, 128  # as in dense.cu, conv.cu and gemm.cuh
NOTHING = None, None, None, 0
WAVE = 264  # blocks that a split launch aims at, two per multiprocessor of a large GPU; a constant: same bytes anywhere


def split(tiles, k):
    """Into how many parts a sum of k products is split when there are `tiles` tiles: at least 128 products each.

    Never more blocks than a wave: with one more, one multiprocessor would have three while the others wait.
    """
    return max(1, min(WAVE // max(1, tiles), k // 128)) if k >= 512 else 1  # a launch more costs more than it saves


class Parts(NamedTuple):
    """A sum that is still in parts (count, M, N); shape: of what they add up to.  See step.blend."""

    array: Any
    shape: tuple[int, ...]


class Gemm(NamedTuple):
    """A kernel that is one matrix product."""

    stem: str  # of its file
    kernel: str
    sizes: tuple[int, int]  # the last axes of x and y, which choose the variant
    shape: tuple[int, int]  # (M, N) of the output
    tile_n: int  # columns of a tile
    parts: int = 1  # that a sum is split into
    tall: bool = False  # a tile has TALL rows where conv.cu says so


def product(
    gpu: Launcher, gemm: Gemm, arrays: tuple, numbers: tuple, finish: tuple = NOTHING, into: Any = None
) -> Any:
    """Run a GEMM kernel, and add its parts: the output, an array, or Parts of it.

    arrays: two operands, then bias, scale, shift where the kernel takes them;  finish: bias, scale, shift, relu
    into: the array that the output is, of so many numbers; where there are several parts they stay, and are returned
    """
    stem, kernel, sizes, (m, n), tile_n, parts, tall = gemm
    y = gpu.xp.empty((m, n), np.float32) if into is None else into.reshape(m, n)
    to = y if parts == 1 else gpu.xp.empty((parts, m, n), np.float32)
    options = gemm_options(gpu.precision, *sizes, gpu.aligned(*arrays[:2]))
    tile_m = TALL if tall and tile_n == 32 and "-DV_OUT=4" in options else TILE_M
    grid = blocks(m, tile_m), blocks(n, tile_n), parts
    gpu(stem, kernel, grid, GEMM_THREADS, *arrays, to, *numbers, options=options)
    if parts > 1 and into is not None:
        return Parts(to, into.shape)
    if parts > 1:
        bias, scale, shift, relu = finish
        numbers = parts, m * n, n, relu
        gpu(stem, f"{stem}_add", blocks(m * n, 32), THREADS, to, bias, scale, shift, y, *numbers, options=options)
    return y if into is None else into


def tile(n):
    """Columns of a tile: 32 or 64."""
    return 32 if n <= 32 else 64


def dense(gpu, x, w, b, *, relu=False, affine=None):
    (n, i), o = x.shape, w.shape[1]
    finish = b, *(affine or (None, None)), int(relu)
    parts = split(blocks(o, tile(o)), i)  # not of n: a row's result does not depend on the batch
    arrays, numbers = (x, w, *finish[:3]), (n, i, o, int(relu))
    gemm = Gemm("dense", f"dense_{tile(o)}", (i, o), (n, o), tile(o), parts)
    return product(gpu, gemm, arrays, numbers, finish)


def dense_input_grad(gpu, dy, w):
    (n, o), i = dy.shape, w.shape[0]
    parts = split(blocks(i, 64), o)
    return product(gpu, Gemm("dense", "dense_input_grad", (i, o), (n, i), 64, parts), (dy, w), (n, i, o))


def dense_weight_grad(gpu, x, dy):
    return placed_weight_grad(gpu, x, dy, into=None)


def placed_weight_grad(gpu, x, dy, *, into):
    """dense_weight_grad, as `product` places it."""
    (n, i), o = x.shape, dy.shape[1]
    parts = split(blocks(i, TILE_M) * blocks(o, 64), n)
    return product(gpu, Gemm("dense", "dense_weight_grad", (i, o), (i, o), 64, parts), (x, dy), (n, i, o), into=into)
