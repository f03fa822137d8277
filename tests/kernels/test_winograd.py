"""Winograd's convolution: exact matrices, float64 accuracy, edges, repeatability, the choice between the algorithms."""

import importlib
import math
import shutil
from fractions import Fraction
from pathlib import Path

import numba
import numpy as np
import pytest

from minicnn.errors import ArgumentError
from minicnn.kernels import numpy_ref
from minicnn.kernels.numba_cpu import plan_report, winograd
from minicnn.kernels.numba_cpu.codegen import microkernel, winograd_transforms
from minicnn.kernels.numba_cpu.runtime import memory
from minicnn.layers import Conv2D
from tests.kernels.test_microkernel import AS_NEON, Fences, draw, llvm, relative_error, run

conv = importlib.import_module("minicnn.kernels.numba_cpu.conv")  # the package's `conv2d` is the function
ROOT = Path(__file__).parents[2]
KERNELS = ("forward", "input_grad", "weight_grad")  # what three_convolutions returns
TOLERANCE = {  # relative L2 error of float32 against float64
    **{"F(7x7, 2x2)": 6e-6, "F(3x3, 3x3)": 3e-6, "F(4x4, 3x3)": 3e-6, "F(5x5, 3x3)": 3e-6, "F(7x7, 3x3)": 1.1e-5},
    **{"F(4x4, 5x5)": 1.2e-5, "F(5x5, 5x5)": 1.2e-5, "F(6x6, 5x5)": 2.4e-5, "F(7x7, 5x5)": 6e-5},
}
HOW = {"strides": (1, 1), "algorithm": "winograd"}

CASES = [  # n, (H, W), (C, O), window, pads
    (3, (28, 28), (32, 32), 5, ((2, 2), (2, 2))),
    (5, (14, 14), (32, 64), 3, ((1, 1), (1, 1))),
    (2, (14, 14), (64, 64), 3, ((1, 1), (1, 1))),
    (1, (13, 9), (17, 33), 5, ((0, 3), (2, 1))),
    (1, (11, 18), (33, 17), 3, ((2, 0), (0, 1))),
    (7, (7, 5), (3, 10), 5, ((2, 2), (1, 3))),
    (9, (6, 7), (3, 64), 3, ((0, 0), (0, 0))),
    (2, (5, 8), (64, 3), 5, ((0, 0), (0, 0))),  # a single row of outputs
    (1, (3, 3), (1, 1), 3, ((0, 0), (0, 0))),  # a single output
    (2, (2, 3), (16, 48), 5, ((2, 2), (2, 2))),  # a window larger than the image
    (2, (4, 5), (20, 16), 3, ((5, 4), (3, 6))),  # outputs that see nothing but padding
    (1, (6, 9), (8, 40), 5, ((6, 5), (9, 4))),
    (1, (61, 45), (40, 20), 3, ((1, 1), (1, 1))),
    (64, (6, 6), (48, 64), 2, ((1, 1), (1, 1))),
    (2, (9, 5), (17, 33), 2, ((0, 1), (2, 0))),
    (3, (14, 14), (16, 36), 5, ((2, 2), (2, 2))),
]
VARIANT_CASES = [(v, case) for v in winograd.VARIANTS for case in CASES if case[3] == v.taps]


@pytest.fixture(params=VARIANT_CASES, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def case(request, monkeypatch):
    """A case, computed with a variant that might not be the best for it."""
    variant, case = request.param
    monkeypatch.setattr(winograd, "variant", lambda size, taps, kernel: variant)
    winograd._plan.cache_clear()  # plans with the usual variant
    yield case
    winograd._plan.cache_clear()


def conv_case(n, size, channels, window, pads):
    (h, w), (c, o) = size, channels
    oh, ow = (s + sum(p) - window + 1 for s, p in zip(size, pads, strict=True))
    arrays = draw(1, n, h, w, c), draw(2, window, window, c, o), draw(3, o), draw(4, n, oh, ow, o)
    return arrays, {"pads": pads, **HOW}


def three_convolutions(x, w, b, dy, kernels=conv, relu=False, **how):
    return (
        kernels.conv2d(x, w, b, relu=relu, **how),
        kernels.conv2d_input_grad(dy, w, x.shape, **how),
        kernels.conv2d_weight_grad(x, dy, w.shape, **how),
    )


def everything(x, w, b, dy, **how):
    return *three_convolutions(x, w, b, dy, **how), *conv.conv2d(x, w, b, stats=True, **how)


def check(arrays, how, received, expected):
    """Every result within the tolerance of the tile that computes it."""
    steps = plan_report.plan_conv2d(arrays[0].shape, arrays[1].shape, **how)
    for step, y, reference in zip(steps, received, expected, strict=True):
        assert relative_error(y, reference) < TOLERANCE[step.tile], (step, how)


@pytest.mark.parametrize(("kernel", "most"), list(zip(KERNELS, (1.2e-5, 2.4e-5, 6e-5), strict=True)))
def test_no_kernel_may_use_a_tile_with_too_large_an_error(kernel, most):
    assert max(TOLERANCE[str(v)] for v in winograd.VARIANTS if kernel in v.kernels) <= most


# ---- the matrices ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("v", winograd.VARIANTS, ids=str)
def test_matrices_compute_correlation_exactly(v):
    a_t, g, b_t = winograd_transforms.cook_toom(v.finite, v.tile)
    assert len(b_t) == v.side
    for i in range(v.tile):
        for tap in range(v.taps):
            for d in range(v.side):
                weight = sum(a_t[i][p] * g[p][tap] * b_t[p][d] for p in range(v.side))
                assert weight == Fraction(int(d == i + tap))


@pytest.mark.parametrize("v", winograd.VARIANTS, ids=str)
def test_transforms_of_images_have_no_rounded_factor(v):
    a_t, _, b_t = winograd_transforms.cook_toom(v.finite, v.tile)
    assert all(Fraction(float(np.float32(float(c)))) == c for row in (*a_t, *b_t) for c in row)


@pytest.mark.parametrize("v", winograd.VARIANTS, ids=str)
def test_opposite_points_are_neighbours(v):
    """Or nothing is saved: each pair of rows of B' and G, and of columns of A', is computed together."""
    a_t, g, b_t = winograd_transforms.cook_toom(v.finite, v.tile)
    for rows in (b_t, g, winograd_transforms.transposed(a_t)):
        assert len(winograd_transforms._pairs(rows)) == len(v.finite) // 2


# ---- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("relu", [False, True])
def test_convolutions_equal_float64_reference(case, relu):
    arrays, how = conv_case(*case)
    expected = three_convolutions(*(a.astype(float) for a in arrays), kernels=numpy_ref, relu=relu, **how)
    received = three_convolutions(*arrays, relu=relu, **how)
    for y, reference in zip(received, expected, strict=True):
        assert y.dtype == np.float32
        assert y.flags.c_contiguous
        assert y.shape == reference.shape
    check(arrays, how, received, expected)


def test_random_geometries_equal_float64_reference():
    rng = np.random.default_rng(0)
    for _ in range(60):
        window, pads = int(rng.choice([2, 3, 5])), rng.integers(0, 6, (2, 2))
        size = [int(rng.integers(max(1, window - sum(p)), 20)) for p in pads]
        channels = int(rng.choice([1, 3, 16, 17, 33])), int(rng.choice([1, 10, 16, 20, 33, 64]))
        case = int(rng.integers(1, 6)), size, channels, window, tuple(map(tuple, pads))
        arrays, how = conv_case(*case)
        expected = three_convolutions(*(a.astype(float) for a in arrays), kernels=numpy_ref, **how)
        check(arrays, how, three_convolutions(*arrays, **how), expected)


@pytest.mark.parametrize("images", ["normal", "relu"])
@pytest.mark.parametrize(
    ("name", "size", "rms", "largest"),
    [
        ("F(7x7, 2x2)", 14, 3.5e-6, 1.5e-5),
        ("F(3x3, 3x3)", 3, 6e-7, 1.5e-6),
        ("F(4x4, 3x3)", 16, 1.0e-6, 2.5e-6),
        ("F(5x5, 3x3)", 15, 1.6e-6, 5.0e-6),
        ("F(7x7, 3x3)", 14, 8.0e-6, 2.5e-5),
        ("F(4x4, 5x5)", 8, 3.5e-6, 1.0e-5),
        ("F(5x5, 5x5)", 15, 8.0e-6, 2.5e-5),
        ("F(6x6, 5x5)", 18, 1.5e-5, 4.5e-5),
        ("F(7x7, 5x5)", 14, 4.5e-5, 1.5e-4),
    ],
)
def test_error_is_what_the_docstring_states(name, size, rms, largest, images):
    window, v = int(name[-2]), winograd.variant((size, size), int(name[-2]), "weight_grad")
    assert str(v) == name
    (x, w, b, dy), how = conv_case(8, (size, size), (32, 32), window, ((window // 2,) * 2,) * 2)
    if images == "relu":
        x, dy = np.maximum(x, 0), np.maximum(dy, 0)
    expected = three_convolutions(*(a.astype(float) for a in (x, w, b, dy)), kernels=numpy_ref, **how)
    for kernel, y, reference in zip(KERNELS, three_convolutions(x, w, b, dy, **how), expected, strict=True):
        if kernel in v.kernels:
            assert relative_error(y, reference) < rms
            assert np.abs(y - reference).max() < largest * np.abs(reference).max()


@pytest.mark.parametrize("case", CASES[:7], ids=str)
def test_gradients_are_adjoint(case):
    (x, w, _, dy), how = conv_case(*case)
    y, dx, dw = (a.astype(float) for a in three_convolutions(x, w, None, dy, **how))
    scale = np.linalg.norm(y) * np.linalg.norm(dy)
    assert abs(np.vdot(y, dy) - np.vdot(x, dx)) < 1e-6 * scale
    assert abs(np.vdot(y, dy) - np.vdot(w, dw)) < 1e-6 * scale


@pytest.mark.parametrize("case", CASES[:4], ids=str)
def test_epilogue_is_exact(case):
    (x, w, b, _), how = conv_case(*case)
    scale, shift = draw(7, len(b)), draw(8, len(b))
    y = np.maximum(conv.conv2d(x, w, b, **how), 0)
    np.testing.assert_array_equal(conv.conv2d(x, w, b, relu=True, **how), y)
    received = conv.conv2d_folded(x, w, b, (scale, shift), conv={"relu": True, **how})
    np.testing.assert_allclose(received, scale * y + shift, rtol=1e-6, atol=1e-6)


# ---- the same bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 20])
@pytest.mark.parametrize("case", [(11, (14, 15), (17, 40), 3, ((1, 1),) * 2), (6, (9, 13), (32, 32), 5, ((2, 2),) * 2)])
def test_threads_and_repeats_do_not_change_a_bit(threads, case, monkeypatch):
    arrays, how = conv_case(*case)
    expected = everything(*arrays, **how)
    with monkeypatch.context() as patch:  # only the division of the work: more threads than this machine may have
        patch.setattr(numba, "get_num_threads", lambda: threads)
        if threads <= numba.config.NUMBA_NUM_THREADS:
            numba.set_num_threads(threads)
        received = everything(*arrays, **how)
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    for y, reference in zip(received, expected, strict=True):
        np.testing.assert_array_equal(y, reference)


@pytest.mark.parametrize("algorithm", ["winograd", "auto"])
@pytest.mark.parametrize("case", CASES[:6], ids=str)
def test_an_image_does_not_depend_on_its_batch(case, algorithm):
    (x, w, b, dy), how = conv_case(*case)
    how["algorithm"] = algorithm
    batch = np.concatenate([draw(5, 4, *x.shape[1:]), x[:1], draw(6, 7, *x.shape[1:])])
    together = conv.conv2d(batch, w, b, relu=True, **how)[4]
    np.testing.assert_array_equal(conv.conv2d(x[:1], w, b, relu=True, **how)[0], together)
    cotangents = np.concatenate([draw(5, 4, *dy.shape[1:]), dy[:1], draw(6, 7, *dy.shape[1:])])
    together = conv.conv2d_input_grad(cotangents, w, batch.shape, **how)[4]
    np.testing.assert_array_equal(conv.conv2d_input_grad(dy[:1], w, (1, *x.shape[1:]), **how)[0], together)


# ---- the edges ------------------------------------------------------------------------------------------------------


def test_nothing_outside_the_arrays_is_touched(case, monkeypatch):
    arrays, how = conv_case(*case)
    fences = Fences()
    fences.put_up(monkeypatch)
    for y in everything(*map(fences.around, arrays), **how):
        assert not np.isnan(y).any()
    assert fences.stand()


def test_nan_stays_in_the_tiles_whose_patches_hold_it():
    (x, w, b, dy), how = conv_case(3, (16, 16), (3, 20), 3, ((1, 1), (1, 1)))
    assert winograd.variant((16, 16), 3, "forward").tile == 4
    x[1, 4, 9, 2] = np.nan  # read by the patches of rows 3..8 (tile 1) and -1..4 (tile 0), columns 7..12 (tile 2)
    nan = np.isnan(conv.conv2d(x, w, b, relu=True, **how))
    assert nan[1, 3:6, 8:11].all()  # all that read it
    nan[1, :8, 8:12] = False  # rows 4..7 of tile 1 see it at all points, tile 0 only at the last
    assert not nan.any()
    dw = conv.conv2d_weight_grad(x, dy, w.shape, **how)
    np.testing.assert_array_equal(np.isnan(dw).all(axis=(0, 1, 3)), [False, False, True])


def test_empty_batches():
    (x, w, b, dy), how = conv_case(2, (5, 5), (3, 4), 3, ((1, 1), (1, 1)))
    y, dx, dw = three_convolutions(x[:0], w, b, dy[:0], **how)
    assert (y.shape, dx.shape) == ((0, 5, 5, 4), (0, 5, 5, 3))
    np.testing.assert_array_equal(dw, np.zeros_like(w))


def test_any_memory_layout_is_accepted_and_compiles_nothing_new():
    arrays, how = conv_case(2, (8, 8), (3, 20), 3, ((1, 1), (1, 1)))
    expected = three_convolutions(*arrays, **how)
    strange = [np.asfortranarray(a) for a in arrays]
    for array in strange:
        array.setflags(write=False)
    for y, reference in zip(three_convolutions(*strange, **how), expected, strict=True):
        np.testing.assert_array_equal(y, reference)
    assert [len(f.compiled.signatures) for f in (winograd.loops.correlate, winograd.loops.weight_grad)] == [1, 1]


# ---- the choice -----------------------------------------------------------------------------------------------------

NETWORK_A = [  # x, w: what "auto" takes for the three kernels, with AVX-512 vectors
    ((86, 28, 28, 32), (5, 5, 32, 32)),
    ((86, 14, 14, 32), (3, 3, 32, 64)),
    ((86, 14, 14, 64), (3, 3, 64, 64)),
]


def half_pads(w_shape):
    return tuple((k // 2, k // 2) for k in w_shape[:2])


@pytest.mark.parametrize("shapes", NETWORK_A, ids=str)
def test_auto_takes_winograd_where_it_pays(shapes):
    steps = plan_report.plan_conv2d(*shapes, (1, 1), half_pads(shapes[1]))
    assert [step.algorithm for step in steps] == ["winograd"] * 3
    expected = {5: ["F(4x4, 5x5)", "F(6x6, 5x5)", "F(7x7, 5x5)"], 3: ["F(5x5, 3x3)", "F(7x7, 3x3)", "F(7x7, 3x3)"]}
    assert [step.tile for step in steps] == expected[shapes[1][0]]


@pytest.mark.parametrize(
    ("kernel", "size", "tile", "products"),
    [
        *[("forward", 28, 4, 49 * 36), ("forward", 26, 4, 49 * 36), ("forward", 14, 5, 9 * 49)],
        *[("forward", 13, 5, 9 * 49), ("forward", 11, 4, 9 * 36), ("forward", 5, 5, 49)],
        *[("input_grad", 28, 7, 16 * 81), ("weight_grad", 14, 7, 4 * 81), ("weight_grad", 15, 5, 9 * 49)],
        *[("input_grad", 11, 4, 9 * 36), ("weight_grad", 24, 4, 36 * 36)],
    ],
)
def test_the_variant_with_fewest_products_is_taken(kernel, size, tile, products):
    v = winograd.variant((size, size), 3, kernel)
    assert (v.tile, v.products((size, size))) == (tile, products)
    steps = plan_report.plan_conv2d((2, size, size, 64), (3, 3, 64, 64), (1, 1), ((1, 1), (1, 1)), "winograd")
    step = getattr(steps, kernel)
    assert (step.tile, step.flops) == (f"F({tile}x{tile}, 3x3)", 2 * 2 * products * 64 * 64)


@pytest.mark.parametrize(("count", "per_image"), [(900, 9), (63, 9), (9, 9), (576, 4), (64, 1)])
def test_a_block_for_poolings_is_whole_images(count, per_image):
    block = winograd._block(count, per_image)
    assert block % per_image == 0
    assert per_image <= block <= winograd.BLOCK


def test_pooling_across_odd_tiles_is_fused(monkeypatch):
    """Of seven images too, for which a block would otherwise not be a whole one."""
    conv_pool = importlib.import_module("minicnn.kernels.numba_cpu.conv_pool")
    called, original = [], conv_pool.max_pool
    monkeypatch.setattr(conv_pool, "max_pool", lambda *a, **k: (called.append(1), original(*a, **k))[1])
    w, pool = draw(2, 3, 3, 33, 17), {"window": (2, 2), "strides": (2, 2), "pads": ((0, 0), (0, 0))}
    assert winograd.variant((14, 14), 3, "forward").tile % 2
    for n in (1, 7):
        conv_pool.conv2d_max_pool(draw(1, n, 14, 14, 33), w, None, conv={"pads": ((1, 1), (1, 1)), **HOW}, pool=pool)
    assert bool(called) == (winograd.BLOCK < 9), "if it is called, it pools what the convolution has written"


def test_auto_takes_im2col_where_it_must_or_pays():
    for x_shape, w_shape, strides in [
        ((86, 28, 28, 1), (5, 5, 1, 32), (1, 1)),  # one channel
        ((86, 28, 28, 32), (5, 5, 32, 32), (2, 2)),
        ((86, 28, 28, 32), (4, 4, 32, 32), (1, 1)),
        ((86, 28, 28, 32), (3, 5, 32, 32), (1, 1)),
        ((86, 28, 28, 32), (1, 1, 32, 32), (1, 1)),
        ((86, 2, 2, 8), (3, 3, 8, 8), (1, 1)),  # a tile of 16 pixels for 4
    ]:
        assert plan_report.plan_conv2d(x_shape, w_shape, strides, half_pads(w_shape)).forward.algorithm == "im2col"


@pytest.mark.parametrize("algorithm", ["auto", "im2col", "winograd"])
@pytest.mark.parametrize("case", CASES[:7], ids=str)
def test_plan_and_reality_are_the_same(case, algorithm, monkeypatch):
    (x, w, b, dy), how = conv_case(*case)
    how["algorithm"] = algorithm
    steps = plan_report.plan_conv2d(x.shape, w.shape, how["strides"], how["pads"], algorithm)
    calls, floats, scratch = [], [], memory.scratch
    for name in ("convolve", "weight_gradient"):
        original = getattr(winograd, name)
        monkeypatch.setattr(winograd, name, lambda *a, _f=original, _n=name, **k: (calls.append(_n), _f(*a, **k))[1])
    monkeypatch.setattr(memory, "scratch", lambda *sizes: (floats.extend(map(math.prod, sizes)), scratch(*sizes))[1])
    for step, kernel, args, loop in (
        (steps.forward, "conv2d", (x, w, b), "convolve"),
        (steps.input_grad, "conv2d_input_grad", (dy, w, x.shape), "convolve"),
        (steps.weight_grad, "conv2d_weight_grad", (x, dy, w.shape), "weight_gradient"),
    ):
        calls.clear()
        floats.clear()
        getattr(conv, kernel)(*args, **how)
        assert calls == ([loop] if step.algorithm == "winograd" else [])
        assert step.workspace_bytes == 4 * sum(floats)
        assert step.flops > 0
        assert step.tile


def test_no_workspace_is_the_size_of_an_im2col_matrix(monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)
    for x_shape, w_shape in NETWORK_A:
        cols = 4 * np.prod(x_shape[:3]) * np.prod(w_shape[:3])
        for step in plan_report.plan_conv2d(x_shape, w_shape, (1, 1), half_pads(w_shape)):
            assert step.workspace_bytes < cols / 5


def test_what_does_not_exist_is_refused():
    x, w = draw(1, 1, 8, 8, 3), draw(2, 4, 4, 3, 2)
    with pytest.raises(
        ValueError, match=r"conv2d: expected strides \(1, 1\) and a 2x2, 3x3 or 5x5 .* a 4x4 window; use"
    ):
        conv.conv2d(x, w, None, strides=(1, 1), pads=((0, 0), (0, 0)), algorithm="winograd")
    with pytest.raises(ValueError, match=r"conv2d: expected algorithm one of auto, im2col, winograd, received 'fft'"):
        conv.conv2d(x, w, None, strides=(1, 1), pads=((0, 0), (0, 0)), algorithm="fft")
    with pytest.raises(ArgumentError, match=r"Conv2D: algorithm: expected strides \(1, 1\) and kernel_size \(2, 2\),"):
        Conv2D(8, 3, strides=2, algorithm="winograd")
    with pytest.raises(ArgumentError, match=r'Conv2D: algorithm: expected one of .*; did you mean "winograd"\?'):
        Conv2D(8, 3, algorithm="winogard")
    assert Conv2D(8, 3, algorithm="winograd").get_config()["algorithm"] == "winograd"


# ---- other CPUs, the disk cache -------------------------------------------------------------------------------------

SMALL = """
import tests.kernels.test_winograd as t
print(t.microkernel.TILE)
for case in t.CASES[3:7]:
    arrays, how = t.conv_case(*case)
    expected = t.three_convolutions(*(a.astype(float) for a in arrays), kernels=t.numpy_ref, **how)
    t.check(arrays, how, t.three_convolutions(*arrays, **how), expected)
"""


@pytest.mark.slow
@pytest.mark.skipif("x86_64" not in llvm.get_process_triple(), reason="other CPUs of the same family: x86-64 only")
@pytest.mark.parametrize(("cpu", "tile"), [("haswell", microkernel.AVX2), ("generic", microkernel.GENERIC)])
def test_other_cpus_compute_the_same(cpu, tile):
    if tile.fma and microkernel.TILE.lanes < tile.lanes:
        pytest.skip(f"this CPU cannot run code for {cpu}")
    assert run(SMALL, NUMBA_CPU_NAME=cpu, NUMBA_CPU_FEATURES="")[0] == str(tile)


@pytest.mark.slow
def test_the_tile_of_neon_computes_the_same(tmp_path):
    assert run(AS_NEON + SMALL, NUMBA_CACHE_DIR=str(tmp_path))[0] == str(microkernel.NEON)


CACHED = """
import numpy as np
from minicnn.kernels.numba_cpu import conv2d, winograd
x, w = np.ones((1, 6, 6, 16), np.float32), np.ones((3, 3, 16, 16), np.float32)
y = conv2d(x, w, None, strides=(1, 1), pads=((0, 0), (0, 0)), algorithm="winograd")
np.testing.assert_allclose(y, 144, rtol=1e-5)
stats = winograd.loops.correlate.compiled.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


@pytest.mark.slow
def test_disk_cache_hits_until_a_generator_changes(tmp_path):
    copy = tmp_path / "checkout"
    for package in ("minicnn", "kernels"):
        shutil.copytree(ROOT / package, copy / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    paths = {"PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    hit, miss = "1 0", "0 1"
    assert run(CACHED, **paths)[0] == miss
    assert run(CACHED, **paths)[0] == hit
    for generator in ("codegen/llvm_ir.py", "codegen/microkernel_gemm.py", "winograd_loops.py", "codegen/jit.py"):
        with open(copy / "kernels/numba_cpu" / generator, "a") as text:
            text.write("\n# edited\n")
        assert run(CACHED, **paths)[0] == miss
