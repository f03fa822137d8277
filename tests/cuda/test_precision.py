"""Matrix products in every precision and variant, emulated: what was rounded, and nothing else, is lost.

A variant of conv.cu takes seconds to compile: plain `pytest` builds those of float32 and tf32 alone.
"""

import numpy as np
import pytest

from minicnn.kernels.cuda import bind
from minicnn.kernels.cuda.launch import PRECISIONS
from tests import reference
from tests.cuda import emulation


def to_tf32(x):
    """To 10 bits of mantissa, ties to even, as sm_90 does it."""
    bits = x.view(np.uint32)
    return ((bits + 0xFFF + (bits >> 13 & 1)) & ~np.uint32(0x1FFF)).view(np.float32)


def to_bf16(x):
    """To 7 bits of mantissa, ties to even."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & ~np.uint32(0xFFFF)).view(np.float32)


ROUND = {"float32": np.copy, "tf32": to_tf32, "bf16": to_bf16, "3xtf32": np.copy}
# Of the largest value: of the sum's rounding, and of what the precision loses against exact operands.
SUM, LOSS = 2e-6, {"float32": 2e-6, "tf32": 2e-3, "bf16": 2e-2, "3xtf32": 4e-6}

SOME = [p if p == "tf32" else pytest.param(p, marks=pytest.mark.slow) for p in PRECISIONS]


@pytest.fixture(scope="module", params=PRECISIONS)
def precision(request):
    return request.param


@pytest.fixture(scope="module")
def kernels(precision):
    def from_host(kernel):
        def call(*args, **how):
            sent = [emulation.to_device(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
            return emulation.to_host(kernel(*sent, **how))

        return call

    return {name: from_host(kernel) for name, kernel in bind(emulation.launcher(precision)).items()}


def check(kernels, precision, name, a, b, *args, **how):
    actual = kernels[name](a, b, *args, **how)
    oracle = getattr(reference, name)

    def error(*operands):
        expected = oracle(*(o.astype(np.float64) for o in operands), *args, **how)
        return np.abs(actual - expected).max() / np.abs(expected).max()

    assert error(ROUND[precision](a), ROUND[precision](b)) < (SUM if precision != "3xtf32" else LOSS[precision])
    loss = error(a, b)
    assert loss < LOSS[precision]
    if precision in ("tf32", "bf16"):
        assert loss > LOSS[precision] / 100, "the operands were not rounded: another variant ran"


# (N, H, W, C), (KH, KW), O, strides, pads: 16-byte reads of both, of one, of none; tiles of 32 and of 64; odd sizes
CONVS = [
    ((2, 9, 8, 4), (3, 3), 36, (1, 1), ((1, 1), (1, 1))),
    ((1, 13, 11, 40), (3, 2), 8, (2, 1), ((1, 0), (0, 1))),
    ((2, 7, 9, 3), (5, 5), 12, (1, 1), ((2, 2), (2, 2))),
    ((2, 8, 7, 8), (3, 3), 5, (2, 3), ((0, 0), (0, 0))),
    ((1, 10, 9, 35), (2, 3), 33, (1, 2), ((1, 1), (2, 0))),
]


@pytest.mark.parametrize("precision", SOME, indirect=True)
@pytest.mark.parametrize("case", CONVS, ids=str)
def test_convolutions(kernels, precision, rng, case):
    shape, window, filters, strides, pads = case
    how = {"strides": strides, "pads": pads}
    x, w = rng.standard_normal(shape).astype("f"), rng.standard_normal((*window, shape[3], filters)).astype("f")
    size = reference.out_size(shape[1:3], window, strides, pads)
    dy = rng.standard_normal((shape[0], *size, filters)).astype("f")
    check(kernels, precision, "conv2d", x, w, None, **how)
    check(kernels, precision, "conv2d_input_grad", dy, w, x.shape, **how)
    check(kernels, precision, "conv2d_weight_grad", x, dy, w.shape, **how)


@pytest.mark.parametrize(("n", "i", "o"), [(130, 300, 36), (3, 260, 9), (5, 17, 64), (70, 33, 7)])
def test_dense(kernels, precision, rng, n, i, o):
    x, w, dy = (rng.standard_normal(shape).astype("f") for shape in ((n, i), (i, o), (n, o)))
    check(kernels, precision, "dense", x, w, None)
    check(kernels, precision, "dense_input_grad", dy, w)
    check(kernels, precision, "dense_weight_grad", x, dy)


def test_infinity_and_nan_come_through(kernels, precision):
    x, w = np.ones((4, 8), np.float32), np.ones((8, 4), np.float32)
    x[1, 3], x[2, 5] = np.inf, np.nan
    y = kernels["dense"](x, w, None)
    np.testing.assert_array_equal(y[[0, 2, 3], 0], [8, np.nan, 8])
    assert not np.isfinite(y[1]).any()  # 3xtf32: infinity less infinity is NaN
    if precision != "3xtf32":
        assert np.isposinf(y[1]).all()


@pytest.mark.parametrize("precision", SOME, indirect=True)
def test_an_image_does_not_depend_on_its_batch(kernels, precision, rng):
    x, w = rng.standard_normal((5, 9, 7, 8)).astype("f"), rng.standard_normal((3, 3, 8, 12)).astype("f")
    how = {"strides": (1, 1), "pads": ((1, 1), (1, 1))}
    np.testing.assert_array_equal(kernels["conv2d"](x, w, None, **how)[3:4], kernels["conv2d"](x[3:4], w, None, **how))
    rows, w = rng.standard_normal((140, 600)).astype("f"), rng.standard_normal((600, 40)).astype("f")
    np.testing.assert_array_equal(kernels["dense"](rows, w, None)[130:], kernels["dense"](rows[130:], w, None))
