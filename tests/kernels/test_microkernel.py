"""The SIMD convolutions and dense layers: tile choice, edges, exact repeatability, memory bounds, the disk cache."""

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

from minicnn.kernels import numpy_ref
from minicnn.kernels.numba_cpu.codegen import jit, microkernel
from minicnn.kernels.numba_cpu.runtime import memory

conv = importlib.import_module("minicnn.kernels.numba_cpu.conv")  # the package's `dense` is the function
dense = importlib.import_module("minicnn.kernels.numba_cpu.dense")
ROOT = Path(__file__).parents[2]
TOLERANCE = 2e-6  # relative L2 error of float32 against float64


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def relative_error(received, expected):
    return np.linalg.norm(received - expected) / max(np.linalg.norm(expected), 1e-30)


def three_convolutions(x, w, b, dy, kernels=conv, relu=False, **geometry):
    return (
        kernels.conv2d(x, w, b, relu=relu, **geometry),
        kernels.conv2d_input_grad(dy, w, x.shape, **geometry),
        kernels.conv2d_weight_grad(x, dy, w.shape, **geometry),
    )


def everything(x, w, b, dy, **geometry):
    return *three_convolutions(x, w, b, dy, **geometry), *conv.conv2d(x, w, b, stats=True, **geometry)


def three_products(x, w, b, dy, kernels=dense, relu=False):
    return kernels.dense(x, w, b, relu=relu), kernels.dense_input_grad(dy, w), kernels.dense_weight_grad(x, dy)


def conv_case(n, size, channels, window, strides, pads):
    (h, w), (c, o) = size, channels
    oh, ow = ((s + sum(p) - k) // t + 1 for s, p, k, t in zip(size, pads, window, strides, strict=True))
    arrays = draw(1, n, h, w, c), draw(2, *window, c, o), draw(3, o), draw(4, n, oh, ow, o)
    return arrays, {"strides": strides, "pads": pads, "algorithm": "im2col"}


CASES = [  # n, (H, W), (C, O), (KH, KW), strides, pads
    (2, (28, 28), (1, 32), (5, 5), (1, 1), ((2, 2), (2, 2))),
    (3, (14, 14), (32, 64), (3, 3), (1, 1), ((1, 1), (1, 1))),
    (1, (13, 9), (17, 33), (3, 4), (1, 1), ((0, 3), (2, 1))),
    (5, (7, 5), (3, 10), (5, 5), (2, 2), ((2, 2), (1, 3))),
    (9, (11, 12), (33, 48), (2, 3), (3, 2), ((0, 0), (0, 0))),
    (2, (6, 7), (4, 16), (1, 1), (3, 4), ((0, 0), (0, 0))),  # pixels that no window reads
    (1, (1, 1), (8, 3), (1, 1), (1, 1), ((0, 0), (0, 0))),
    (1, (3, 3), (2, 70), (6, 6), (1, 2), ((3, 3), (2, 3))),  # window larger than the image
    (1, (70, 90), (40, 20), (3, 3), (1, 1), ((1, 1), (1, 1))),  # a view larger than the cache: several bands
]
PRODUCTS = [(1, 1, 1), (1, 300, 10), (86, 700, 65), (13, 256, 32), (250, 17, 33), (15, 513, 100)]  # N, I, O


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("relu", [False, True])
def test_convolutions_equal_float64_reference(case, relu):
    arrays, geometry = conv_case(*case)
    expected = three_convolutions(*(a.astype(float) for a in arrays), kernels=numpy_ref, relu=relu, **geometry)
    for y, reference in zip(three_convolutions(*arrays, relu=relu, **geometry), expected, strict=True):
        assert y.dtype == np.float32
        assert y.flags.c_contiguous
        assert y.shape == reference.shape
        assert relative_error(y, reference) < TOLERANCE


@pytest.mark.parametrize("size", PRODUCTS, ids=str)
@pytest.mark.parametrize("relu", [False, True])
def test_products_equal_float64_reference(size, relu):
    n, i, o = size
    arrays = draw(1, n, i), draw(2, i, o), draw(3, o), draw(4, n, o)
    expected = three_products(*(a.astype(float) for a in arrays), kernels=numpy_ref, relu=relu)
    for y, reference in zip(three_products(*arrays, relu=relu), expected, strict=True):
        assert y.dtype == np.float32
        assert y.shape == reference.shape
        assert relative_error(y, reference) < TOLERANCE


def test_random_geometries_equal_float64_reference():
    rng = np.random.default_rng(0)
    for _ in range(60):
        window, strides = rng.integers(1, 6, 2), rng.integers(1, 4, 2)
        pads = rng.integers(0, 4, (2, 2))
        size = [int(rng.integers(max(1, k - sum(p)), 16)) for k, p in zip(window, pads, strict=True)]
        channels = int(rng.choice([1, 3, 16, 17, 33])), int(rng.choice([1, 10, 16, 20, 33, 64]))
        case = int(rng.integers(1, 6)), size, channels, tuple(window), tuple(strides), tuple(map(tuple, pads))
        arrays, geometry = conv_case(*case)
        expected = three_convolutions(*(a.astype(float) for a in arrays), kernels=numpy_ref, **geometry)
        for y, reference in zip(three_convolutions(*arrays, **geometry), expected, strict=True):
            assert relative_error(y, reference) < TOLERANCE, case


@pytest.mark.parametrize("case", CASES[:5], ids=str)
def test_gradients_are_adjoint(case):
    (x, w, _, dy), geometry = conv_case(*case)
    y, dx, dw = (a.astype(float) for a in three_convolutions(x, w, None, dy, **geometry))
    scale = np.linalg.norm(y) * np.linalg.norm(dy)
    assert abs(np.vdot(y, dy) - np.vdot(x, dx)) < 1e-6 * scale
    assert abs(np.vdot(y, dy) - np.vdot(w, dw)) < 1e-6 * scale


# ---- the same bytes, however the work is shared out -----------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 20])
def test_threads_do_not_change_a_bit(threads, monkeypatch):
    case, geometry = conv_case(11, (14, 14), (17, 40), (3, 3), (1, 1), ((1, 1), (1, 1)))
    matrices = draw(1, 86, 300), draw(2, 300, 70), draw(3, 70), draw(4, 86, 70)
    expected = *everything(*case, **geometry), *three_products(*matrices)
    with monkeypatch.context() as patch:  # only the division of the work: more threads than this machine may have
        patch.setattr(numba, "get_num_threads", lambda: threads)
        if threads <= numba.config.NUMBA_NUM_THREADS:
            numba.set_num_threads(threads)
        received = *everything(*case, **geometry), *three_products(*matrices)
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    for y, reference in zip(received, expected, strict=True):
        np.testing.assert_array_equal(y, reference)


@pytest.mark.parametrize("case", CASES[:5], ids=str)
def test_a_row_does_not_depend_on_its_batch(case):
    (x, w, b, dy), geometry = conv_case(*case)
    batch = np.concatenate([draw(5, 4, *x.shape[1:]), x[:1], draw(6, 7, *x.shape[1:])])
    together = conv.conv2d(batch, w, b, relu=True, **geometry)[4]
    np.testing.assert_array_equal(conv.conv2d(x[:1], w, b, relu=True, **geometry)[0], together)
    cotangents = np.concatenate([draw(5, 4, *dy.shape[1:]), dy[:1], draw(6, 7, *dy.shape[1:])])
    together = conv.conv2d_input_grad(cotangents, w, batch.shape, **geometry)[4]
    np.testing.assert_array_equal(conv.conv2d_input_grad(dy[:1], w, (1, *x.shape[1:]), **geometry)[0], together)


def test_a_sample_does_not_depend_on_its_batch():
    x, w, b = draw(1, 1000, 600), draw(2, 600, 70), draw(3, 70)
    together = dense.dense(x, w, b)
    several = [slice(7 * n, 8 * n) for n in range(1, 45)]  # every way to put tall and short tiles together
    for rows in (slice(999, 1000), slice(5, 91), *several):
        np.testing.assert_array_equal(dense.dense(x[rows], w, b), together[rows])


# ---- values, shapes and memory at the edges -------------------------------------------------------------------------


def test_nan_reaches_every_output_that_read_it_and_no_other():
    (x, w, b, dy), geometry = conv_case(3, (9, 9), (3, 20), (3, 3), (1, 1), ((1, 1), (1, 1)))
    x[1, 4, 5, 2] = np.nan
    expected = np.zeros((3, 9, 9, 20), bool)
    expected[1, 3:6, 4:7] = True
    np.testing.assert_array_equal(np.isnan(conv.conv2d(x, w, b, relu=True, **geometry)), expected)
    dw = conv.conv2d_weight_grad(x, dy, w.shape, **geometry)
    np.testing.assert_array_equal(np.isnan(dw).all(axis=(0, 1, 3)), [False, False, True])
    matrix = draw(1, 5, 300)
    matrix[2, 299] = np.nan
    y = dense.dense(matrix, draw(2, 300, 10), draw(3, 10), relu=True)
    np.testing.assert_array_equal(np.isnan(y).all(axis=1), [False, False, True, False, False])
    assert not np.isnan(y[[0, 1, 3, 4]]).any()


def test_relu_is_exact():
    x, w = draw(1, 2, 6, 6, 3), draw(2, 3, 3, 3, 17)
    geometry = {"strides": (1, 1), "pads": ((1, 1), (1, 1))}
    y = conv.conv2d(x, w, None, **geometry)
    np.testing.assert_array_equal(conv.conv2d(x, w, None, relu=True, **geometry), np.maximum(y, 0))


def test_empty_batches():
    (x, w, b, dy), geometry = conv_case(2, (5, 5), (3, 4), (3, 3), (1, 1), ((1, 1), (1, 1)))
    y, dx, dw = three_convolutions(x[:0], w, b, dy[:0], **geometry)
    assert (y.shape, dx.shape) == ((0, 5, 5, 4), (0, 5, 5, 3))
    np.testing.assert_array_equal(dw, np.zeros_like(w))
    y, dx, dw = three_products(draw(1, 0, 6), draw(2, 6, 4), draw(3, 4), draw(4, 0, 4))
    assert (y.shape, dx.shape) == ((0, 4), (0, 6))
    np.testing.assert_array_equal(dw, np.zeros((6, 4)))


def test_any_memory_layout_is_accepted_and_compiles_nothing_new():
    arrays, geometry = conv_case(2, (8, 8), (3, 20), (3, 3), (1, 1), ((1, 1), (1, 1)))
    expected = three_convolutions(*arrays, **geometry)
    compiled = [len(f.compiled.signatures) for f in (conv._correlate, conv._weight_grad)]
    strange = [np.asfortranarray(a) for a in arrays]
    for array in strange:
        array.setflags(write=False)
    for y, reference in zip(three_convolutions(*strange, **geometry), expected, strict=True):
        np.testing.assert_array_equal(y, reference)
    assert compiled == [len(f.compiled.signatures) for f in (conv._correlate, conv._weight_grad)]
    assert compiled[0] == 1


class Fences:
    """Arrays between two fences; outside of its own elements nothing may be read (NaN) or written (still NaN)."""

    def __init__(self):
        self.buffers = []

    def empty(self, shape, dtype=np.float32):
        size = int(np.prod(shape))
        buffer = np.full(size + 512, np.nan, dtype)
        self.buffers.append((buffer, size))
        return buffer[256 : 256 + size].reshape(shape)

    def scratch(self, *sizes):
        return [self.empty(size[:2]) for size in sizes]

    def put_up(self, monkeypatch):
        """Around all that kernels ask the pool for: outputs and scratch memory, uninitialised = NaN."""
        monkeypatch.setattr(memory, "empty", self.empty)
        monkeypatch.setattr(memory, "scratch", self.scratch)

    def around(self, array):
        fenced = self.empty(array.shape)
        fenced[...] = array
        return fenced

    def stand(self):
        outside = [np.delete(buffer, np.s_[256 : 256 + size]) for buffer, size in self.buffers]
        return np.isnan(np.concatenate(outside)).all()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_outside_the_arrays_is_touched(case, monkeypatch):
    arrays, geometry = conv_case(*case)
    fences = Fences()
    fences.put_up(monkeypatch)
    for y in everything(*map(fences.around, arrays), **geometry):
        assert not np.isnan(y).any()
    assert fences.stand()


@pytest.mark.parametrize("size", PRODUCTS, ids=str)
def test_nothing_outside_the_matrices_is_touched(size, monkeypatch):
    n, i, o = size
    fences = Fences()
    fences.put_up(monkeypatch)
    for y in three_products(*map(fences.around, (draw(1, n, i), draw(2, i, o), draw(3, o), draw(4, n, o)))):
        assert not np.isnan(y).any()
    assert fences.stand()


# ---- the tile and the CPU -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triple", "cpu", "features", "tile"),
    [
        ("x86_64-unknown-linux-gnu", "skylake-avx512", "", microkernel.AVX512),
        ("x86_64-unknown-linux-gnu", "znver5", "", microkernel.AVX512),
        ("x86_64-unknown-linux-gnu", "haswell", "", microkernel.AVX2),
        ("x86_64-unknown-linux-gnu", "znver5", "-avx512f", microkernel.AVX2),
        ("x86_64-unknown-linux-gnu", "haswell", "-fma", microkernel.GENERIC),
        ("x86_64-unknown-linux-gnu", "sandybridge", "", microkernel.GENERIC),
        ("x86_64-unknown-linux-gnu", "x86-64", "", microkernel.GENERIC),
        ("aarch64-unknown-linux-gnu", "generic", "", microkernel.NEON),
        ("arm64-apple-darwin", "apple-m1", "", microkernel.NEON),
    ],
)
def test_tile_fits_the_cpu(triple, cpu, features, tile):
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    assert microkernel.choose_tile(triple, cpu, features) == tile


def test_tall_and_short_tiles_cover_all_rows_and_none_is_idle():
    for rows in range(1, 300):
        tall, short = microkernel.tiles.py_func(rows)
        covered = tall * microkernel.ROWS + short * microkernel.SHORT
        assert rows <= covered < rows + (microkernel.SHORT if short else microkernel.ROWS)
        assert covered <= -(-rows // microkernel.ROWS) * microkernel.ROWS


def test_tiles_fit_their_register_files():
    registers = {microkernel.AVX512: 32, microkernel.AVX2: 16, microkernel.NEON: 32, microkernel.GENERIC: 16}
    for tile, count in registers.items():
        product = 0 if tile.fma else 1
        assert tile.rows * tile.vectors + tile.vectors + 1 + product <= count
        assert tile.short < tile.rows


AS_NEON = """
import llvmlite.binding as llvm
real, llvm.TargetMachine.emit_assembly = llvm.TargetMachine.emit_assembly, lambda *_: "fmla"
from minicnn.kernels.numba_cpu.codegen import microkernel  # which asks for assembly to choose its tile
llvm.TargetMachine.emit_assembly = real
"""
SMALL = """
import tests.kernels.test_microkernel as t
print(t.microkernel.TILE)
def empty(shape, fresh=t.memory.empty):
    y = fresh(shape)
    y.fill(t.np.nan)  # what is not written shows
    return y
t.memory.empty = empty
for case in t.CASES[2:6]:
    arrays, geometry = t.conv_case(*case)
    expected = t.three_convolutions(*(a.astype(float) for a in arrays), kernels=t.numpy_ref, **geometry)
    for y, reference in zip(t.three_convolutions(*arrays, **geometry), expected):
        assert t.relative_error(y, reference) < t.TOLERANCE
for n, o in (9, 5), (9, 10), (9, 23), (31, 44):
    arrays = t.draw(1, n, 300), t.draw(2, 300, o), t.draw(3, o), t.draw(4, n, o)
    expected = t.three_products(*(a.astype(float) for a in arrays), kernels=t.numpy_ref)
    for y, reference in zip(t.three_products(*arrays), expected):
        assert t.relative_error(y, reference) < t.TOLERANCE
"""


def run(code, **environment):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=environment["PYTHONPATH"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


@pytest.mark.slow
@pytest.mark.skipif("x86_64" not in llvm.get_process_triple(), reason="other CPUs of the same family: x86-64 only")
@pytest.mark.parametrize(("cpu", "tile"), [("haswell", microkernel.AVX2), ("generic", microkernel.GENERIC)])
def test_other_cpus_compute_the_same(cpu, tile):
    if tile.fma and microkernel.TILE.lanes < tile.lanes:
        pytest.skip(f"this CPU cannot run code for {cpu}")
    assert run(SMALL, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES="")[0] == str(tile)


@pytest.mark.slow
def test_the_tile_of_neon_computes_the_same(tmp_path):
    """In the vectors of this CPU, whatever it is; the code on disk does not know of two tiles for one CPU."""
    assert run(AS_NEON + SMALL, NUMBA_CACHE_DIR=str(tmp_path))[0] == str(microkernel.NEON)


CACHED = """
import numpy as np
from minicnn.kernels.numba_cpu import dense
y = dense(np.ones((300, 5), np.float32), np.ones((5, 7), np.float32), None)
assert (y == 5).all()
import sys
stats = sys.modules["minicnn.kernels.numba_cpu.dense"]._product.compiled.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def test_what_lies_on_disk_is_found_by_the_text_of_all_files():
    """So it is found again only where none has changed; the slow test below tries it."""
    texts = b"".join(path.read_bytes() for path in sorted(Path(conv.__file__).parent.rglob("*.py")))
    assert hashlib.sha256(texts).hexdigest() == jit.STAMP
    for compiled in (dense._product.compiled, conv._pack):
        assert compiled._cache._index_key((numba.int64,), compiled.targetctx.codegen())[-1] == jit.STAMP


@pytest.mark.slow
def test_disk_cache_hits_until_the_generator_or_the_cpu_changes(tmp_path):
    copy = tmp_path / "checkout"
    for package in ("minicnn", "kernels"):
        shutil.copytree(ROOT / package, copy / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    paths = {"PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    hit, miss = "1 0", "0 1"
    assert run(CACHED, **paths)[0] == miss
    assert run(CACHED, **paths)[0] == hit
    assert run(CACHED, **paths, NUMBA_CPU_NAME="generic")[0] == miss
    assert run(CACHED, **paths)[0] == hit
    with open(copy / "kernels/numba_cpu/codegen/microkernel.py", "a") as generator:
        generator.write("\n# edited\n")
    assert run(CACHED, **paths)[0] == miss
    assert run(CACHED, **paths)[0] == hit
