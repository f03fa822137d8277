"""The kernel contract, held against every kernel of every set.

Each test runs for each set in each of its float types. Expected values are the direct loops of tests/reference.py, in
float64. `Kernels` also checks, at every call, what the contract promises everywhere: inputs untouched, outputs
C-contiguous and of the right type.

A set whose algorithms are fewer than their names is tried with those it has (WAYS); one test holds the others to them,
to the bit. numpy_ref in float32 is NumPy's own arithmetic: what could differ from float64 is in EVERY_TYPE, the rest
is `slow`.
"""

import importlib.util
import inspect
import warnings

import numba
import numpy as np
import pytest

from minicnn import kernels
from minicnn.kernels import FUSED, KERNELS, Key
from minicnn.kernels.contract import ACTIVATIONS, ALGORITHMS, Fused, KernelSet
from tests import reference
from tests.cuda import emulation

# The largest error allowed, as a fraction of the largest expected value; a kernel not named here has the default. Sums
# in float32 lose 1e-7 per rounding; conv2d has room for Winograd's transforms; what only selects or compares is exact.
FLOAT64 = {"default": 1e-12, "affine_warp": 1e-10}
FLOAT32 = {
    "default": 2e-6,
    "conv2d": 2e-5,
    "conv2d_folded": 2e-5,
    "conv2d_input_grad": 2e-5,
    "conv2d_max_pool": 2e-5,
    "conv2d_max_pool_grad": 2e-5,
    "conv2d_weight_grad": 2e-5,
    "depthwise_conv2d": 1e-5,
    "depthwise_conv2d_input_grad": 1e-5,
    "depthwise_conv2d_weight_grad": 1e-5,
    "dense": 1e-5,
    "dense_input_grad": 1e-5,
    "dense_weight_grad": 1e-5,
    "bias_grad": 1e-5,
    "relu_bias_grad": 1e-5,
    "batch_norm": 1e-5,
    "batch_norm_conv2d_weight_grad": 2e-5,
    "batch_norm_grad": 1e-5,
    "batch_norm_max_pool": 1e-5,
    "batch_norm_max_pool_grad": 1e-5,
    "affine_warp": 1e-5,
}
LARGE_TILES = {  # numba_cpu, 5x5 windows: Winograd's tiles of 6x6 and 7x7, with the errors that winograd.py states
    "conv2d_input_grad": 5e-5,
    "conv2d_max_pool_grad": 1e-4,
    "conv2d_weight_grad": 1e-4,
    "batch_norm_conv2d_weight_grad": 1e-4,
}
EXACT = {"relu", "relu_grad", "max_pool", "philox"}
EMULATED = "cuda emulated"  # the .cu files on the CPU: tests/cuda/emulation.py
WAYS = {  # the algorithms that a set has; every other name stands for the last of them
    "numpy_ref": ("auto",),
    "numba_cpu": ("im2col", "winograd"),
    EMULATED: ("im2col", "auto"),
    "cuda": ("im2col", "auto"),
}


def set_of(name, dtype, *marks):
    return pytest.param((name, dtype), marks=marks, id=f"{name}-{dtype}")


GPU = [set_of("cuda", "float32", pytest.mark.gpu)] if importlib.util.find_spec("cupy") else []  # a test says so, once
FAST = [set_of("numba_cpu", "float32"), set_of(EMULATED, "float32"), *GPU]
SETS = [set_of("numpy_ref", "float64"), set_of("numpy_ref", "float32", pytest.mark.slow), *FAST]
EVERY_TYPE = [set_of("numpy_ref", "float64"), set_of("numpy_ref", "float32"), *FAST]

HAVE = {"numba_cpu": FUSED, EMULATED: (of_norm := ("batch_norm_max_pool", "batch_norm_max_pool_grad")), "cuda": of_norm}


def having(kernel):
    """The sets that have a kernel: all, unless it is one of the fused ones, which a set may lack."""
    return [set_ for set_ in SETS if kernel in KERNELS or kernel in HAVE.get(set_.values[0][0], ())]


def by_having(kernels_):
    """Parameters ks, kernel: each of these with every set that has it."""
    cases = [pytest.param(set_.values[0], kernel, marks=set_.marks, id=f"{set_.id}-{kernel}")
             for kernel in kernels_ for set_ in having(kernel)]  # fmt: skip
    return pytest.mark.parametrize(("ks", "kernel"), cases, indirect=["ks"])


def in_float64(value):
    if type(value) is tuple:
        return tuple(map(in_float64, value))
    return value.astype(np.float64) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


class Kernels:
    """A kernel set in one float type, called with NumPy arrays."""

    def __init__(self, name, dtype):
        self.name, self.dtype = name, np.dtype(dtype)
        self.array, self.numpy = np.asarray, np.asarray
        self.own = emulation.kernel_set() if name == EMULATED else kernels.load(name)
        if name == EMULATED:  # as strict as CuPy: an array of the host is refused
            self.array, self.numpy = emulation.to_device, emulation.to_host
        if name == "cuda":
            import cupy

            cupy.cuda.runtime.getDeviceCount()  # raises without a device
            self.array, self.numpy = cupy.asarray, cupy.asnumpy

    def cast(self, *values):
        """Floating arrays in this set's type."""
        cast = tuple(value if value is None else np.ascontiguousarray(value, self.dtype) for value in values)
        return cast[0] if len(cast) == 1 else cast

    def tolerance(self, kernel, taps=None):
        table = FLOAT64 if self.dtype == np.float64 else FLOAT32
        if self.name == "numba_cpu" and taps == (5, 5):
            table = table | LARGE_TILES
        return 0 if kernel in EXACT else table.get(kernel, table["default"])

    def run(self, kernel, *args, **kwargs):
        pairs = []  # every array of the host's, those in tuples too, and what is sent in its place

        def sent(value):
            if type(value) is tuple:
                return tuple(map(sent, value))
            if type(value) is not np.ndarray:
                return value
            pairs.append((value, self.array(value)))
            return pairs[-1][1]

        args, kwargs = [sent(arg) for arg in args], {name: sent(arg) for name, arg in kwargs.items()}
        before = [array.tobytes() for array, _ in pairs]
        results = self.own[kernel](*args, **kwargs)
        assert before == [self.numpy(array).tobytes() for _, array in pairs], f"{kernel} changed an input"
        outputs = results if isinstance(results, tuple) else (results,)
        for k, output in enumerate(outputs):
            if output is None:  # not asked for
                continue
            assert output.flags.c_contiguous, f"{kernel}: output {k}"
            if output.dtype.kind == "f":
                assert output.dtype == self.dtype, f"{kernel}: output {k}"
        outputs = tuple(None if output is None else self.numpy(output) for output in outputs)
        return outputs if isinstance(results, tuple) else outputs[0]

    def step(self, kernel, *arrays, **rates):
        """Run an optimizer step on copies and return them as it left them."""
        p, g, *slots = sent = [None if array is None else self.array(array.copy()) for array in arrays]
        assert self.own[kernel](p, g, tuple(slots), **rates) is None
        return tuple(None if array is None else self.numpy(array) for array in sent)

    def check(self, kernel, *args, taps=None, **kwargs):
        """Run the kernel and compare every output with the oracle's.  taps: a convolution's window."""
        actual = self.run(kernel, *args, **kwargs)
        self.compare(kernel, actual, expected_of(kernel, *args, **kwargs), taps)
        return actual

    def compare(self, kernel, actual, expected, taps=None):
        pairs = zip(actual, expected, strict=True) if isinstance(expected, tuple) else [(actual, expected)]
        for k, (a, e) in enumerate(pairs):
            assert a.shape == e.shape, f"{kernel}: output {k}"
            finite = np.abs(e[np.isfinite(e)])
            bound = self.tolerance(kernel, taps) * finite.max(initial=0)
            np.testing.assert_allclose(a, e, rtol=0, atol=bound, err_msg=f"{self.name} {kernel}: output {k}")


def expected_of(kernel, *args, **kwargs):
    """The oracle's answer, which the next set may ask for again."""
    return reference.remembered(kernel, *map(in_float64, args), **kwargs)


@pytest.fixture(scope="module", params=SETS)
def ks(request):
    try:
        ks = Kernels(*request.param)
    except Exception as error:
        if request.param[0] != "cuda":
            raise  # pytest.skip, where there is no C++ compiler to emulate with, passes here too: it is no Exception
        pytest.skip(f"the kernels of cuda cannot load: {error!r}")
    return ks


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.mark.gpu
def test_the_contract_is_held_on_a_device():
    pytest.importorskip("cupy", reason="the set cuda has not run on a device: CuPy is not installed")


# The sets themselves -------------------------------------------------------------------------------------------------


def test_every_kernel_has_the_contracts_signature(ks):
    contract = {**vars(KernelSet), **vars(Fused)}
    for name, function in ks.own.items():
        expected = [(p.name, p.kind, p.default) for p in inspect.signature(contract[name]).parameters.values()]
        received = [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
        assert received == expected, name


@pytest.mark.parametrize("name", ["numpy_ref", "numba_cpu"])
def test_every_kernel_of_a_cpu_set_is_its_own(name):
    table = kernels.table(name)
    assert set(table) == {*KERNELS, *HAVE.get(name, ())}
    assert {kernel: origin for kernel, origin in table.items() if origin != name} == {}
    for kernel, function in kernels.load(name).items():
        assert function.__module__.startswith(f"minicnn.kernels.{name}."), kernel


# conv ----------------------------------------------------------------------------------------------------------------

CONVS = [  # (N, H, W, C), (KH, KW), O, strides, pads
    ((1, 5, 5, 1), (3, 3), 1, (1, 1), ((1, 1), (1, 1))),
    ((2, 7, 6, 3), (3, 3), 17, (2, 1), ((1, 0), (0, 2))),
    ((1, 9, 8, 17), (5, 5), 33, (1, 1), ((2, 2), (2, 2))),
    ((2, 8, 11, 33), (2, 4), 3, (2, 3), ((0, 1), (2, 1))),
    ((3, 10, 9, 3), (3, 5), 33, (3, 3), ((2, 2), (1, 3))),
    ((2, 9, 10, 17), (2, 2), 5, (3, 3), ((0, 0), (0, 0))),  # pixels that no window reads
    ((1, 4, 5, 3), (4, 5), 17, (1, 1), ((0, 0), (0, 0))),  # one window
    ((2, 3, 2, 3), (5, 5), 4, (1, 1), ((2, 2), (2, 2))),  # a window larger than the image
    ((2, 6, 5, 33), (1, 1), 32, (1, 1), ((0, 0), (0, 0))),
    ((2, 7, 7, 16), (1, 1), 17, (2, 2), ((0, 0), (0, 0))),
    ((2, 14, 14, 1), (5, 5), 32, (1, 1), ((2, 2), (2, 2))),
    ((2, 14, 14, 32), (3, 3), 64, (1, 1), ((1, 1), (1, 1))),
    ((1, 28, 17, 32), (5, 5), 32, (1, 1), ((2, 2), (2, 2))),
    ((1, 13, 15, 32), (5, 5), 48, (2, 2), ((1, 2), (1, 2))),
]


def conv_arrays(ks, rng, case):
    shape, window, filters, strides, pads = case
    x = rng.standard_normal(shape)
    w = rng.standard_normal((*window, shape[3], filters))
    b = rng.standard_normal(filters)
    dy = rng.standard_normal((shape[0], *reference.out_size(shape[1:3], window, strides, pads), filters))
    return *ks.cast(x, w, b, dy), {"strides": strides, "pads": pads}


@pytest.mark.parametrize("case", CONVS, ids=str)
def test_conv2d(ks, rng, case):
    x, w, b, dy, how = conv_arrays(ks, rng, case)
    ks.check("conv2d", x, w, b, **how)
    y = ks.check("conv2d", x, w, b, **how, relu=True)
    assert (y == 0).any(), "the case must reach below zero"
    y = ks.check("conv2d", x, w, None, **how)
    dx = ks.check("conv2d_input_grad", dy, w, x.shape, **how, taps=case[1])
    dw = ks.check("conv2d_weight_grad", x, dy, w.shape, **how, taps=case[1])
    # The adjoint identity, from this set's own outputs: the gradients belong to this forward.
    check_adjoint(ks, "conv2d_input_grad", (y, dy), (x, dx))
    check_adjoint(ks, "conv2d_weight_grad", (y, dy), (w, dw))


def can(algorithm, case):
    return algorithm != "winograd" or (case[1] in ((2, 2), (3, 3), (5, 5)) and case[3] == (1, 1))


def by_every_way(cases, geometry=lambda case: case, *, kernel="conv2d"):
    """Parameters ks, case, algorithm: every set with each algorithm that it has, and has for that case.

    geometry: the convolution's part of a case.  kernel: which the set must have
    """
    ways = [
        pytest.param(*set_.values, case, algorithm, marks=set_.marks, id=f"{set_.id}-{case}-{algorithm}")
        for set_ in having(kernel) for algorithm in WAYS[set_.values[0][0]] for case in cases
        if can(algorithm, geometry(case))
    ]  # fmt: skip
    return pytest.mark.parametrize(("ks", "case", "algorithm"), ways, indirect=["ks"])


def taps(case, algorithm):
    """The window, where Winograd's tiles may be used: what `compare` knows the bound by."""
    return None if algorithm == "im2col" else case[1]


WINOGRADS = [case for case in CONVS if case[1] in ((2, 2), (3, 3), (5, 5)) and case[3] == (1, 1)]


@by_every_way([*WINOGRADS, ((2, 9, 6, 33), (3, 3), 17, (1, 1), ((2, 0), (0, 3)))])
def test_every_algorithm_of_conv2d(ks, rng, case, algorithm):
    x, w, b, dy, how = conv_arrays(ks, rng, case)
    for kernel, args in (
        ("conv2d", (x, w, b)),
        ("conv2d_input_grad", (dy, w, x.shape)),
        ("conv2d_weight_grad", (x, dy, w.shape)),
    ):
        actual = ks.run(kernel, *args, **how, algorithm=algorithm)
        ks.compare(kernel, actual, expected_of(kernel, *args, **how), taps(case, algorithm))


def outcomes(ks, rng, case, pool, algorithm):
    """name -> what every kernel with an `algorithm` gives for a case, in bytes."""
    x, w, b, dy, how = conv_arrays(ks, rng, case)
    given, one = {**how, "algorithm": algorithm}, ks.cast(np.ones(case[2]))
    z = ks.run("conv2d", x, w, b, **how, relu=True)
    pooled, argmax = ks.run("max_pool", z, **pool)
    if "conv2d_max_pool" in ks.own:
        pooled, argmax = ks.run("conv2d_max_pool", x, w, b, conv={**how, "relu": True}, pool=pool)
    dp = ks.cast(rng.standard_normal(pooled.shape))
    both, first, normed = {"conv": given, "pool": pool}, {"needs": (False, True)}, (one, one, one, 1e-3, -1)
    calls = {
        "conv2d": ((x, w, b), given),
        "conv2d with statistics": ((x, w, b), {**given, "stats": True}),
        "conv2d_folded": ((x, w, b, (one, one)), {"conv": given}),
        "conv2d_input_grad": ((dy, w, x.shape), given),
        "conv2d_weight_grad": ((x, dy, w.shape), given),
        "conv2d_max_pool": ((x, w, b), {"conv": {**given, "relu": True}, "pool": pool}),
        "conv2d_max_pool_grad": ((dp, argmax, pooled, x, w), both),
        "conv2d_max_pool_grad of the first layer": ((dp, argmax, pooled, x, w), {**both, **first}),
        "batch_norm_conv2d_weight_grad": ((dy, z, normed, x, w.shape), {"conv": given}),
    }
    found = {}
    for name, (args, more) in calls.items():
        if name.split()[0] not in ks.own:
            continue
        outs = ks.run(name.split()[0], *args, **more)
        found[name] = [out if out is None else out.tobytes() for out in (outs if isinstance(outs, tuple) else (outs,))]
    return found


@pytest.mark.parametrize("which", [0, 1, 2, 3, 6], ids=lambda which: str(POOLED[which]))
def test_other_names_of_algorithms_give_the_bits_of_one_that_was_tried(ks, which):
    """numba_cpu's "auto" is one of the two, gradient by gradient; the other sets have fewer ways than names."""
    case, pool = POOLED[which]
    ways = WAYS[ks.name]
    tried = [outcomes(ks, np.random.default_rng(1), case, pool, a) for a in ways if can(a, case)]
    for other in [a for a in ALGORITHMS if a not in ways and can(a, case)]:
        for name, outputs in outcomes(ks, np.random.default_rng(1), case, pool, other).items():
            choices = [one[name] for one in tried] if ks.name == "numba_cpu" else [tried[-1][name]]
            for k, bits in enumerate(outputs):
                assert bits in [choice[k] for choice in choices], f"{name}, {other}: output {k}"


@pytest.mark.parametrize("relu", [False, True])
@by_every_way([(shape, (3, 3), 33, (1, 1), ((1, 1), (1, 1))) for shape in ((2, 9, 10, 17), (1, 28, 28, 32),
                                                                            (3, 14, 14, 1))])  # fmt: skip
def test_conv2d_folded(ks, rng, case, algorithm, relu):
    x, w, b, _, how = conv_arrays(ks, rng, case)
    affine, conv = ks.cast(rng.standard_normal(33), rng.standard_normal(33)), {**how, "relu": relu}
    expected = expected_of("conv2d_folded", x, w, b, affine, conv=conv)
    conv["algorithm"] = algorithm
    ks.compare("conv2d_folded", ks.run("conv2d_folded", x, w, b, affine, conv=conv), expected)
    y = ks.run("conv2d_folded", x, w, b, None, conv=conv)
    np.testing.assert_array_equal(y, ks.run("conv2d", x, w, b, **conv))


STATS = [*CONVS[:3], CONVS[3], CONVS[10], ((1, 13, 9, 3), (5, 5), 33, (1, 1), ((2, 2), (2, 2))),
         ((7, 14, 15, 33), (3, 3), 17, (1, 1), ((1, 1), (1, 1))), ((5, 6, 5, 3), (3, 3), 1, (1, 1), ((0, 0), (0, 0))),
         ((4, 30, 31, 17), (3, 3), 64, (1, 1), ((1, 1), (1, 1)))]  # fmt: skip


@pytest.mark.parametrize("epilogue", ["plain", "relu", "far"])
@by_every_way(STATS)
def test_conv2d_stats_are_those_of_what_is_returned(ks, rng, case, epilogue, algorithm):
    x, w, b, _, how = conv_arrays(ks, rng, case)
    if epilogue == "far":  # mean 100, deviation .01
        w, b = ks.cast(0.01 * w / np.sqrt(w[..., 0].size), 0 * b + 100)
    how = {**how, "relu": epilogue != "plain", "algorithm": algorithm}
    y, mean, var = ks.run("conv2d", x, w, b, **how, stats=True)
    np.testing.assert_array_equal(y, ks.run("conv2d", x, w, b, **how))
    expected_mean, expected_var = reference.batch_norm_stats(in_float64(y).reshape(-1, case[2], 1))
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-6, atol=1e-6 * np.abs(expected_mean).max())
    np.testing.assert_allclose(var, expected_var, rtol=1e-4 if epilogue == "far" else 1e-5, atol=1e-12)


@by_every_way([((3, 9, 9, 3), (3, 3), 5, (1, 1), ((1, 1), (1, 1)))])
def test_conv2d_stats_of_nan_and_of_nothing(ks, rng, case, algorithm):
    x, w, b, _, how = conv_arrays(ks, rng, case)
    b[3] = np.nan
    _, mean, var = ks.run("conv2d", x, w, b, **how, relu=True, stats=True, algorithm=algorithm)
    np.testing.assert_array_equal(np.isnan([mean, var]), [[False, False, False, True, False]] * 2)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the definition divides by zero
        y, mean, var = ks.run("conv2d", x[:0], w, b, **how, stats=True, algorithm=algorithm)
    assert y.shape == (0, 9, 9, 5)
    assert np.isnan([mean, var]).all()
    assert mean.shape == var.shape == (5,)


HALVES = {"window": (2, 2), "strides": (2, 2), "pads": ((0, 0), (0, 0))}
POOLED = [  # a case of conv2d, and the pooling after it
    (((3, 28, 28, 1), (5, 5), 16, (1, 1), ((2, 2), (2, 2))), HALVES),
    (((2, 13, 13, 3), (3, 3), 33, (1, 1), ((0, 0), (0, 0))), HALVES),  # 11 x 11: the last row and column count nowhere
    (((2, 14, 14, 17), (5, 5), 36, (1, 1), ((2, 2), (2, 2))), HALVES),
    (((7, 14, 14, 33), (3, 3), 17, (1, 1), ((1, 1), (1, 1))), HALVES),  # tiles of 5x5: windows lie across their edges
    (((1, 29, 30, 3), (3, 3), 5, (1, 1), ((1, 1), (1, 1))), HALVES),  # more of them than a block of tiles holds
    (((5, 7, 9, 17), (3, 3), 33, (1, 1), ((1, 1), (1, 0))), HALVES),
    (((2, 15, 13, 3), (3, 3), 17, (2, 1), ((1, 0), (0, 2))), HALVES),
    (((1, 3, 5, 1), (2, 2), 1, (1, 1), ((0, 0), (0, 0))), HALVES),
    (((3, 4, 4, 3), (3, 3), 5, (1, 1), ((0, 0), (0, 0))), HALVES),  # one window
    (((2, 9, 8, 3), (3, 3), 17, (1, 1), ((1, 1), (1, 1))), {**HALVES, "window": (3, 2), "pads": ((1, 0), (0, 1))}),
    (((2, 3, 2, 3), (3, 3), 4, (1, 1), ((1, 1), (0, 1))), {**HALVES, "pads": ((0, 1), (0, 1))}),
]  # fmt: skip

BY_EVERY_WAY = by_every_way(POOLED, lambda case: case[0], kernel="conv2d_max_pool")


@BY_EVERY_WAY
def test_conv2d_max_pool(ks, rng, case, algorithm):
    case, pool = case
    x, w, b, dy, how = conv_arrays(ks, rng, case)
    affine, key = ks.cast(*rng.standard_normal((2, case[2]))), Key(2**63 + 5, 3, 11)
    by_row = ks.cast(*rng.standard_normal((2, dy.shape[1], 1, 1)))
    for relu, scaled, rate in ((True, None, 0.25), (False, None, 0.0), (True, affine, 0.0), (True, by_row, 0.25)):
        expected = expected_of("conv2d", x, w, b, **how, relu=relu)
        if scaled:
            expected = in_float64(scaled[0]) * expected + in_float64(scaled[1])
        expected, winners = reference.remembered("max_pool", expected, **pool, rate=rate, key=key)
        sent = {**how, "relu": relu, "affine": scaled and tuple(map(ks.array, scaled)), "algorithm": algorithm}
        y, argmax = ks.run("conv2d_max_pool", x, w, b, conv=sent, pool={**pool, "rate": rate, "key": key})
        ks.compare("conv2d_max_pool", y, expected)
        assert argmax.dtype == np.uint8
        assert (argmax != winners).mean() < 0.01  # rounding may make a tie of what is none, and the other way round


def even(case):
    """Of an odd size another variant of Winograd's may be the best for what is left of it."""
    (_, height, width, _), window, _, strides, pads = case
    return not any(size % 2 for size in reference.out_size((height, width), window, strides, pads))


@by_every_way([c for c in POOLED if even(c[0])], lambda case: case[0], kernel="conv2d_max_pool")
def test_conv2d_max_pool_is_max_pool_of_conv2d(ks, rng, case, algorithm):
    """To the bit, ties, NaN and dropout included, where both compute the same pixels: of an even number of them."""
    case, pool = case
    x, w, b, _, how = conv_arrays(ks, rng, case)
    x, b = ks.cast(np.round(2 * x)), ks.cast(np.round(2 * b) - 3 * np.abs(x).mean())  # many windows of zeros
    x[-1, 1, 1, 0] = np.nan
    w, how = ks.cast(np.round(2 * w)), {**how, "relu": True, "algorithm": algorithm}
    for rate in (0.0, 0.25):
        key = Key(1, 2, 3)
        found = ks.run("conv2d_max_pool", x, w, b, conv=how, pool={**pool, "rate": rate, "key": key})
        expected = ks.run("max_pool", ks.run("conv2d", x, w, b, **how), **pool, rate=rate, key=key)
        for a, e in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, e)
    assert np.isnan(expected[0]).any()


def pooled(ks, z, *, window, **how):
    """What a set's max_pool gives, from the oracle: the same for all sets, so that their gradients are."""
    y, argmax = reference.remembered("max_pool", z, window=window, **how)
    return ks.cast(y), argmax.astype(np.uint8 if window[0] * window[1] <= 255 else np.int32)


@BY_EVERY_WAY
def test_conv2d_max_pool_grad(ks, rng, case, algorithm):
    case, pool = case
    x, w, b, _, how = conv_arrays(ks, rng, case)
    z = reference.remembered("conv2d", *map(in_float64, (x, w, b)), **how, relu=True)
    for rate in (0.0, 0.25):
        ending = {**pool, "rate": rate}
        y, argmax = pooled(ks, z, **pool, rate=rate, key=Key(4, 5, 6))
        dy = ks.cast(rng.standard_normal(y.shape))
        dy[y <= 0] *= np.inf  # a gradient that does not pass must not count, whatever it is
        expected = expected_of("conv2d_max_pool_grad", dy, argmax, y, x, w, conv=how, pool=ending)
        for needs in ((True, True), (False, True), (True, False)):
            given = {"conv": {**how, "algorithm": algorithm}, "pool": ending, "needs": needs}
            found = ks.run("conv2d_max_pool_grad", dy, argmax, y, x, w, **given)
            assert [part is not None for part in found] == [*needs, True]
            for a, e in zip(found[:2], expected, strict=False):
                if a is not None:
                    ks.compare("conv2d_max_pool_grad", a, e, taps(case, algorithm))
            bound = 1e-5 * max(np.abs(dy[np.isfinite(dy)]).sum(), 1) / case[2]
            np.testing.assert_allclose(found[2], expected[2], rtol=0, atol=bound)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_conv2d_max_pool_gives_an_image_the_same_bits_in_any_batch(rng, algorithm):
    ks = Kernels("numba_cpu", "float32")
    for case, pool in POOLED:
        if can(algorithm, case):
            (_, *shape), window, filters, strides, pads = case
            x, w, b, _, how = conv_arrays(ks, rng, ((9, *shape), window, filters, strides, pads))
            how = {"conv": {**how, "relu": True, "algorithm": algorithm}, "pool": pool}
            whole = ks.run("conv2d_max_pool", x, w, b, **how)
            for part in (slice(0, 1), slice(3, 5), slice(8, 9)):
                for a, e in zip(ks.run("conv2d_max_pool", x[part], w, b, **how), whole, strict=True):
                    np.testing.assert_array_equal(a, e[part])


def check_adjoint(ks, kernel, output, argument):
    """<f(x), dy> = <x, f'(dy)> for a linear f, in units of the sum of the absolute products."""
    left, right = (np.multiply(*(array.astype(np.float64) for array in pair)) for pair in (output, argument))
    assert abs(left.sum() - right.sum()) <= ks.tolerance(kernel) * np.abs(left).sum(), kernel


# dense ---------------------------------------------------------------------------------------------------------------


DENSES = [(1, 1, 1), (1, 33, 10), (5, 17, 33), (7, 64, 3), (86, 130, 10), (16, 48, 256)]


@pytest.mark.parametrize(("n", "i", "o"), DENSES)
def test_dense(ks, rng, n, i, o):
    x, w, b = ks.cast(rng.standard_normal((n, i)), rng.standard_normal((i, o)), rng.standard_normal(o))
    dy = ks.cast(rng.standard_normal((n, o)))
    ks.check("dense", x, w, b)
    ks.check("dense", x, w, b, relu=True)
    y = ks.check("dense", x, w, None)
    check_adjoint(ks, "dense_input_grad", (y, dy), (x, ks.check("dense_input_grad", dy, w)))
    check_adjoint(ks, "dense_weight_grad", (y, dy), (w, ks.check("dense_weight_grad", x, dy)))


@pytest.mark.parametrize(("n", "i", "o"), DENSES)
@pytest.mark.parametrize("relu", [False, True])
def test_dense_affine(ks, rng, n, i, o, relu):
    x, w, b = ks.cast(rng.standard_normal((n, i)), rng.standard_normal((i, o)), rng.standard_normal(o))
    affine = ks.cast(rng.standard_normal((2, o)))
    expected = expected_of("dense", x, w, b, relu=relu)
    expected = in_float64(affine[0]) * expected + in_float64(affine[1])
    sent = tuple(ks.array(a) for a in affine)
    ks.compare("dense", ks.run("dense", x, w, b, relu=relu, affine=sent), expected)


SHAPES = [(1, 1), (5, 1), (7, 3), (2, 5, 6, 17), (1, 9, 8, 33), (3, 300), (11, 40, 3), (2, 40, 40, 16)]


@pytest.mark.parametrize(("i", "o"), [(3136, 256), (600, 33), (1, 5), (257, 64), (7, 1), (255, 24)])
def test_dense_gives_a_row_the_same_bits_in_any_batch(rng, i, o):
    """Of a few rows too, which numba_cpu multiplies in another way."""
    ks = Kernels("numba_cpu", "float32")
    x, w, b, scale, shift = ks.cast(*(rng.standard_normal(s) for s in ((9, i), (i, o), o, o, o)))
    for how in ({}, {"relu": True, "affine": (scale, shift)}):
        whole = ks.run("dense", x, w, b, **how)
        for n in (1, 2, 3, 4, 5):
            np.testing.assert_array_equal(ks.run("dense", x[:n], w, b, **how), whole[:n])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bias_grad(ks, rng, shape):
    ks.check("bias_grad", ks.cast(rng.standard_normal(shape)))


# activation ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(17,), *SHAPES], ids=str)
def test_relu(ks, rng, shape):
    x, dy = ks.cast(rng.standard_normal(shape), rng.standard_normal(shape))
    x.flat[::5] = 0
    x.flat[2::7] = np.resize([np.inf, -np.inf, np.nan], len(range(2, x.size, 7)))
    y = ks.check("relu", x)
    dy[y == 0] *= np.inf  # a gradient that does not pass must not count, whatever it is
    ks.check("relu_grad", dy, y)
    ks.check("relu_bias_grad", dy, y)


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("ks", having("activate"), indirect=True)
def test_activate(ks, rng, kind):
    """Every number of a grid, alone: a bound that follows the largest would not see errors near 0."""
    grid = np.concatenate([np.linspace(-12, 12, 4801), np.geomspace(1e-6, 1, 99), -np.geomspace(1e-6, 1, 99)])
    x = ks.cast(grid)
    how = {"kind": kind, "alpha": 0.375}  # exact in float32
    for kernel, args in (("activate", (x,)), ("activate_grad", (np.ones_like(x), x))):
        y = ks.check(kernel, *args, **how)
        exact = expected_of(kernel, *args, **how)
        np.testing.assert_allclose(y, exact, rtol=1e-6, atol=1e-6, err_msg=kernel)
        near = np.abs(x) < 0.1
        if kernel == "activate" and kind not in ("hard_sigmoid", "sigmoid", "softplus"):
            np.testing.assert_allclose(y[near], exact[near], rtol=1e-6, err_msg="near 0")


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("ks", having("activate"), indirect=True)
@pytest.mark.parametrize("shape", [(), (0, 3), (17,), (3, 5, 7, 11)], ids=str)
def test_activate_of_other_shapes_and_numbers(ks, rng, kind, shape):
    x, dy = ks.cast(3 * rng.standard_normal(shape), rng.standard_normal(shape))
    if x.size > 17:
        x.flat[::5] = np.resize([0, -0.0, 80, -80, 3e4, -3e4, np.nan], len(x.flat[::5]))
    ks.check("activate", x, kind=kind, alpha=1.5)
    ks.check("activate_grad", dy, x, kind=kind, alpha=1.5)


# pool ----------------------------------------------------------------------------------------------------------------

POOLS = [  # (N, H, W, C), window, strides, pads
    ((2, 6, 8, 3), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((1, 7, 5, 17), (2, 2), (2, 2), ((0, 0), (0, 0))),  # a last row and column that no window reads
    ((2, 7, 5, 33), (2, 2), (2, 2), ((0, 1), (0, 1))),
    ((2, 5, 6, 1), (2, 2), (1, 1), ((0, 1), (0, 1))),
    ((2, 9, 7, 17), (3, 3), (2, 2), ((1, 1), (1, 1))),
    ((1, 8, 9, 3), (3, 2), (2, 1), ((1, 2), (0, 1))),
    ((2, 9, 10, 33), (2, 2), (3, 3), ((0, 0), (0, 0))),
    ((1, 8, 11, 3), (2, 4), (2, 3), ((0, 1), (2, 1))),
    ((2, 4, 5, 3), (1, 1), (1, 1), ((0, 0), (0, 0))),
    ((2, 7, 6, 17), (7, 6), (7, 6), ((0, 0), (0, 0))),
    ((1, 17, 17, 2), (15, 17), (1, 1), ((0, 0), (0, 0))),  # 255 cells: a byte holds them and "none of them"
    ((1, 17, 18, 2), (16, 16), (1, 1), ((0, 0), (0, 0))),  # 256 cells: more than a byte
    ((3, 14, 14, 32), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((2, 9, 13, 36), (2, 2), (2, 2), ((0, 0), (0, 0))),  # two vectors and a rest
]


@pytest.mark.parametrize("values", ["distinct", "ties", "nan", "-inf"])
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_max_pool(ks, rng, case, values):
    shape, window, strides, pads = case
    how = {"window": window, "strides": strides, "pads": pads}
    x = rng.permutation(np.prod(shape)).reshape(shape) - np.prod(shape)  # negative: a padding of zeros would win
    if values == "ties":
        x = rng.integers(-3, 0, shape)
    x = ks.cast(x)
    if values == "nan":
        x[rng.random(shape) < 0.2] = np.nan
    if values == "-inf":
        x[rng.random(shape) < 0.9] = -np.inf
    y, argmax = ks.check("max_pool", x, **how)
    assert argmax.dtype == (np.uint8 if window[0] * window[1] <= 255 else np.int32)
    dy = ks.cast(rng.standard_normal(y.shape))
    dx = ks.check("max_pool_grad", dy, argmax, shape, **how)
    if values in ("distinct", "ties"):
        check_adjoint(ks, "max_pool_grad", (y, dy), (x, dx))


@pytest.mark.parametrize("rate", [0.25, 0.9])
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_max_pool_with_dropout(ks, rng, case, rate):
    shape, window, strides, pads = case
    how = {"window": window, "strides": strides, "pads": pads, "rate": rate}
    key = Key(2**63 + 5, 3, 11)
    y, argmax = ks.run("max_pool", ks.cast(rng.standard_normal(shape) + 5), **how, key=key)
    kept = reference.philox(y.size, key).reshape(y.shape) >= round(rate * 2**32)
    np.testing.assert_array_equal(y != 0, kept)
    np.testing.assert_array_equal(argmax == window[0] * window[1], ~kept)
    x = ks.cast(rng.standard_normal(shape))
    y, argmax = ks.run("max_pool", x, **how, key=key)
    expected = expected_of("max_pool", x, **how, key=key)
    np.testing.assert_allclose(y, expected[0], rtol=3e-7)  # one rounding of the factor, one of the product
    np.testing.assert_array_equal(argmax, expected[1])
    ks.check("max_pool_grad", ks.cast(rng.standard_normal(y.shape)), argmax, shape, **how)


@pytest.mark.parametrize("rate", [0.0, 0.25])
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_max_pool_grad_before_a_relu(ks, rng, case, rate):
    shape, window, strides, pads = case
    how = {"window": window, "strides": strides, "pads": pads, "rate": rate}
    x = ks.cast(np.maximum(rng.standard_normal(shape) - 1, 0))  # many windows hold nothing but zeros
    y, argmax = pooled(ks, in_float64(x), **how, key=Key(1, 2, 3))
    dy = ks.cast(rng.standard_normal(y.shape))
    dy[y <= 0] *= np.inf  # a gradient that does not pass must not count, whatever it is
    dx, db = ks.run("max_pool_grad", dy, argmax, shape, **how, y=y)
    expected = expected_of("max_pool_grad", dy, argmax, shape, **how, y=y)
    ks.compare("max_pool_grad", dx, expected[0])
    bound = 1e-5 * max(np.abs(dy[np.isfinite(dy)]).sum(), 1) / shape[3]
    np.testing.assert_allclose(db, expected[1], rtol=0, atol=bound)
    assert (dx[x == 0] == 0).all()


MANY = ((130, 3, 4, 2), (2, 2), (1, 1), ((0, 0), (0, 1)))  # images: cuda sums their gradients in 64 shares
DEPTHWISE = [(POOLS[1], 1), (POOLS[3], 3), (POOLS[4], 1), (POOLS[5], 2), (POOLS[6], 1), (POOLS[7], 3), (MANY, 2)]


@pytest.mark.parametrize(("case", "filters"), DEPTHWISE, ids=str)
def test_depthwise_conv2d(ks, rng, case, filters):
    shape, window, strides, pads = case
    how = {"strides": strides, "pads": pads}
    x, w = ks.cast(rng.standard_normal(shape), rng.standard_normal((*window, shape[3], filters)))
    y = ks.check("depthwise_conv2d", x, w, **how)
    dy = ks.cast(rng.standard_normal(y.shape))
    check_adjoint(ks, "depthwise_conv2d", (y, dy), (x, ks.check("depthwise_conv2d_input_grad", dy, w, shape, **how)))
    dw = ks.check("depthwise_conv2d_weight_grad", x, dy, w.shape, **how)
    check_adjoint(ks, "depthwise_conv2d", (y, dy), (w, dw))


@pytest.mark.parametrize("case", POOLS, ids=str)
def test_average_pool(ks, rng, case):
    shape, window, strides, pads = case
    how = {"window": window, "strides": strides, "pads": pads}
    x = ks.cast(rng.standard_normal(shape))
    y = ks.check("average_pool", x, **how)
    dy = ks.cast(rng.standard_normal(y.shape))
    check_adjoint(ks, "average_pool", (y, dy), (x, ks.check("average_pool_grad", dy, shape, **how)))


# norm ----------------------------------------------------------------------------------------------------------------

VIEWS = [  # (A, C, B): channels last, the first axis, an axis in between, one value per channel
    (5, 1, 1),
    (70, 3, 1),
    (33, 17, 1),
    (12, 33, 1),
    (600, 16, 1),
    (300, 80, 1),  # pairs of vectors only in every second row
    (211, 67, 1),
    (3, 300, 1),
    (1, 5, 40),
    (4, 7, 24),
    (6, 3, 35),
    (9, 4, 2),
    (5, 3, 784),  # rows of 147 vectors
]


@pytest.mark.parametrize("shape", VIEWS, ids=str)
def test_batch_norm(ks, rng, shape):
    x, dy = ks.cast(rng.standard_normal(shape) * 3 + 1, rng.standard_normal(shape))
    gamma, beta = ks.cast(rng.standard_normal(shape[1]), rng.standard_normal(shape[1]))
    mean, var = ks.check("batch_norm_stats", x)
    ks.check("batch_norm", x, mean, var, gamma, beta, eps=1e-3)
    dx, _, _ = ks.check("batch_norm_grad", dy, x, mean, var, gamma, eps=1e-3, batch_stats=True)
    assert np.abs(dx).max() > 0.01, "a case whose true dx vanishes tests nothing"
    moved = ks.cast(mean + 0.5), ks.cast(var * 1.5 + 0.1)
    ks.check("batch_norm_grad", dy, x, *moved, gamma, eps=1e-3, batch_stats=False)


@pytest.mark.parametrize("shape", [(33_003, 32, 1), (20, 32, 1700), (20, 33, 1700)], ids=str)
def test_batch_norm_of_more_than_the_caches_hold(ks, rng, shape):
    """CPU kernels write such an array past the caches, if its rows are whole cache lines."""
    x = ks.cast(rng.standard_normal(shape))
    gamma, beta, mean, var = ks.cast(*rng.uniform(0.5, 2, (4, shape[1])))
    y = ks.check("batch_norm", x, mean, var, gamma, beta, eps=1e-3)
    assert y.nbytes > 1 << 22


@pytest.mark.parametrize("batch_stats", [True, False])
@pytest.mark.parametrize("shape", [shape for shape in VIEWS if shape[2] == 1], ids=str)
def test_batch_norm_grad_before_a_relu(ks, rng, shape, batch_stats):
    x, dy = ks.cast(np.maximum(rng.standard_normal(shape), 0), rng.standard_normal(shape))
    mean, var = ks.cast(*expected_of("batch_norm_stats", x))
    if not batch_stats:
        mean, var = ks.cast(mean + 0.5), ks.cast(var * 1.5 + 0.1)
    gamma, how = ks.cast(rng.standard_normal(shape[1])), {"eps": 1e-3, "batch_stats": batch_stats, "relu": True}
    results = ks.run("batch_norm_grad", dy, x, mean, var, gamma, **how)
    check_before_relu(ks, "batch_norm_grad", results, x, (dy, x, mean, var, gamma), how)


def check_before_relu(ks, kernel, results, x, given, how):
    """Against the oracle; db, a sum that cancels, in units of what it sums."""
    *results, db = results
    *expected, expected_db = expected_of(kernel, *given, **how)
    ks.compare(kernel, tuple(results), tuple(expected))
    assert (results[0][x <= 0] == 0).all()
    assert (results[0][x > 0] != 0).any()
    terms = np.abs(expected[0]).reshape(-1, len(db)).sum(axis=0)
    assert np.abs(db - expected_db).max() <= ks.tolerance(kernel) * terms.max()


def along(axis, x):
    """Images as batch_norm's (A, C, B), the axis in the middle."""
    return x.reshape(*x.shape[:2], -1) if axis == 1 else x.reshape(-1, x.shape[3], 1)


HALVES_OF_ONE = [(shape, *HALVES.values()) for shape in ((1, 5, 6, 1), (3, 2, 3, 1), (2, 6, 5, 33), (1, 3, 3, 48))]


@pytest.mark.parametrize("ks", having("batch_norm_max_pool"), indirect=True)
@pytest.mark.parametrize("rate", [0.0, 0.25])
@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("case", [*(case for case in POOLS if case[1] != (15, 17)), *HALVES_OF_ONE], ids=str)
def test_batch_norm_max_pool(ks, rng, case, axis, rate):
    shape, window, strides, pads = case
    pool = {"window": window, "strides": strides, "pads": pads, "rate": rate}
    x = ks.cast(np.maximum(rng.standard_normal(shape), 0))
    mean, var = ks.cast(*expected_of("batch_norm_stats", along(axis, x)))
    gamma, beta = ks.cast(rng.standard_normal((2, shape[axis])))  # a negative gamma turns the greatest into the least
    norm, dropped = (mean, var, gamma, beta, 1e-3, axis), {**pool, "key": Key(4, 5, 6)}
    y, argmax = ks.run("batch_norm_max_pool", x, norm, pool=dropped)
    expected, winners = expected_of("batch_norm_max_pool", x, norm, pool=dropped)
    ks.compare("batch_norm_max_pool", y, expected)
    assert (argmax != winners).mean() < 0.01  # rounding may make a tie of what is none in float64
    dy = ks.cast(rng.standard_normal(y.shape))
    given = dy, winners.astype(argmax.dtype), x, (mean, var, gamma, 1e-3, axis)
    results = ks.run("batch_norm_max_pool_grad", *given, pool=pool)
    check_before_relu(ks, "batch_norm_max_pool_grad", results, x, given, {"pool": pool})


@pytest.mark.parametrize("ks", having("batch_norm_max_pool"), indirect=True)
@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_norm_max_pool_passes_on_nan(ks, axis):
    x = ks.cast(np.ones((1, 4, 4, 17)))
    x[0, 1, 2, 5] = np.nan
    one, zero = ks.cast(np.ones(x.shape[axis]), np.zeros(x.shape[axis]))
    y, argmax = ks.run("batch_norm_max_pool", x, (zero, one, one, zero, 1e-3, axis), pool=HALVES)
    assert np.argwhere(np.isnan(y)).tolist() == [[0, 0, 1, 5]]
    assert argmax[0, 0, 1, 5] == 2
    dy = ks.cast(np.ones(y.shape))
    dy[0, 1, 0, 3] = np.nan
    given = dy, argmax, ks.cast(np.ones(x.shape)), (zero, one, one, 1e-3, axis)
    dx, _, dbeta, _ = ks.run("batch_norm_max_pool_grad", *given, pool=HALVES)
    lost = np.isnan(dx).any(axis=(0, 1, 2) if axis == -1 else (0, 2, 3))
    np.testing.assert_array_equal(lost, np.isnan(dbeta))
    assert np.flatnonzero(lost).tolist() == [3 if axis == -1 else 2]


NORMED = [  # a case of conv2d; more than a few pixels, or the batch norm leaves nothing of a gradient
    *CONVS[:6], *CONVS[7:11], CONVS[13],
    ((3, 28, 28, 1), (5, 5), 32, (1, 1), ((2, 2), (2, 2))),
    ((1, 14, 9, 1), (5, 5), 1, (1, 1), ((2, 2), (2, 2))),
    ((2, 11, 6, 3), (3, 3), 17, (2, 2), ((1, 1), (0, 1))),
    ((1, 12, 17, 2), (3, 2), 48, (2, 1), ((1, 1), (0, 0))),  # three vectors: a pair and one
    ((1, 71, 33, 1), (3, 3), 33, (1, 1), ((1, 1), (1, 1))),  # an image of several bands, the last of odd rows
]  # fmt: skip


@by_every_way(NORMED, kernel="batch_norm_conv2d_weight_grad")
def test_batch_norm_conv2d_weight_grad(ks, rng, case, algorithm):
    x, w, b, dy, how = conv_arrays(ks, rng, case)
    filters = case[2]
    z = ks.cast(expected_of("conv2d", x, w, b, **how, relu=True))  # the oracle's: so one answer serves all sets
    mean, var = ks.cast(*expected_of("batch_norm_stats", z.reshape(-1, filters, 1)))
    norm, conv = (mean, var, ks.cast(rng.standard_normal(filters)), 1e-3, -1), {**how, "algorithm": algorithm}
    dw, db, *others = ks.run("batch_norm_conv2d_weight_grad", dy, z, norm, x, w.shape, conv=conv)
    acb = [in_float64(array).reshape(-1, filters, 1) for array in (dy, z)]
    further = {"eps": 1e-3, "batch_stats": True, "relu": True}
    *expected, expected_db = reference.remembered("batch_norm_grad", *acb, *in_float64(norm[:3]), **further)
    expected_dw = expected_of("conv2d_weight_grad", x, expected[0].reshape(z.shape), w.shape, **how)
    pair = (dw, *others), (expected_dw, *expected[1:])
    ks.compare("batch_norm_conv2d_weight_grad", *pair, taps(case, algorithm))
    terms = np.abs(expected[0]).sum(axis=(0, 2))  # db is a sum that cancels: in units of what it sums
    assert np.abs(db - expected_db).max() <= 1e-5 * terms.max()


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("rate", [0.0, 0.25])
@pytest.mark.parametrize("window", [2, 3])
@by_every_way(NORMED[-6:], kernel="batch_norm_conv2d_weight_grad")
def test_batch_norm_conv2d_weight_grad_behind_a_pooling(ks, rng, case, algorithm, window, rate, axis):
    x, w, b, _, how = conv_arrays(ks, rng, case)
    z = ks.run("conv2d", x, w, b, **how, relu=True)
    n, oh, ow, filters = z.shape
    shape = (n, oh, ow * filters) if axis == 1 else (n * oh * ow, filters, 1)
    mean, var = ks.run("batch_norm_stats", z.reshape(shape))
    gamma, beta = ks.cast(*rng.standard_normal((2, len(mean))))
    pool = {"window": (window, window), "strides": (2, 2), "pads": ((0, 0), (0, 0))}
    pool["rate"], key, norm = rate, Key(3, 1, 4) if rate else None, (mean, var, gamma, 1e-3, axis)
    y, argmax = ks.run("batch_norm_max_pool", z, (mean, var, gamma, beta, 1e-3, axis), pool={**pool, "key": key})
    dy = ks.cast(rng.standard_normal(y.shape))
    dz, dgamma, dbeta, db = ks.run("batch_norm_max_pool_grad", dy, argmax, z, norm, pool=pool)
    expected = ks.run("conv2d_weight_grad", x, dz, w.shape, **how), dgamma, dbeta
    given, ending = {"conv": {**how, "algorithm": algorithm}}, {"argmax": argmax, "pool": pool}
    dw, found, *others = ks.run("batch_norm_conv2d_weight_grad", dy, z, norm, x, w.shape, **given, **ending)
    ks.compare("batch_norm_conv2d_weight_grad", (dw, *others), tuple(map(in_float64, expected)), case[1])
    assert np.abs(found - db).max() <= 1e-5 * np.abs(in_float64(dz)).sum(axis=(0, 1, 2)).max()


@pytest.mark.parametrize("ks", having("batch_norm_conv2d_weight_grad"), indirect=True)
def test_batch_norm_conv2d_weight_grad_of_nothing(ks, rng):
    x, w, _, dy, how = conv_arrays(ks, rng, CONVS[1])
    one = ks.cast(np.ones(17))
    given = dy[:0], dy[:0], (one, one, one, 1e-3, -1), x[:0], w.shape
    with np.errstate(all="ignore"):  # the definition divides by zero
        found = ks.run("batch_norm_conv2d_weight_grad", *given, conv=how)
    assert [array.shape for array in found] == [w.shape, (17,), (17,), (17,)]
    assert not any(array.any() for array in found)


@pytest.mark.parametrize("ks", EVERY_TYPE, indirect=True)
@pytest.mark.parametrize("shape", [(5000, 3, 1), (1200, 32, 1), (40, 3, 100), (1, 2, 5000)], ids=str)
def test_batch_norm_stats_far_from_zero(ks, rng, shape):
    x = ks.cast(100 + 0.01 * rng.standard_normal(shape))
    mean, var = ks.run("batch_norm_stats", x)
    expected_mean, expected_var = reference.batch_norm_stats(x.astype(np.float64))
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-6)
    np.testing.assert_allclose(var, expected_var, rtol=1e-4)
    x[0, :, 0] = 0  # one pixel of another kind, where an algorithm might look for its shift
    mean, var = ks.run("batch_norm_stats", x)
    expected_mean, expected_var = reference.batch_norm_stats(x.astype(np.float64))
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-6)
    np.testing.assert_allclose(var, expected_var, rtol=1e-4)


# loss ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (86, 10), (5, 33), (2, 3, 7)], ids=str)
def test_softmax(ks, rng, shape):
    ks.check("softmax", ks.cast(4 * rng.standard_normal(shape)))


@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 10), (86, 10), (5, 33)])
def test_softmax_cross_entropy(ks, rng, n, k):
    z = ks.cast(4 * rng.standard_normal((n, k)))
    ks.check("softmax_cross_entropy", z, ks.cast(np.eye(k)[rng.integers(0, k, n)]))
    ks.check("softmax_cross_entropy", z, ks.cast(rng.random((n, k))))  # soft labels that do not sum to 1


@pytest.mark.parametrize("ks", EVERY_TYPE, indirect=True)
def test_softmax_cross_entropy_is_finite_for_large_logits(ks):
    z = ks.cast([[1e4, -1e4, 0], [-1e30, 0, 1e30], [-1e4, -1e4, -1e4]])
    t = ks.cast([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    loss, dz = ks.check("softmax_cross_entropy", z, t)
    assert np.isfinite(loss).all()
    assert np.isfinite(dz).all()


# random --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("counter", "key", "words"), reference.PHILOX_ANSWERS)
def test_the_philox_oracle_gives_the_published_answers(counter, key, words):
    assert reference.philox_block(counter, key) == words


KEYS = [Key(0, 0, 0), Key(2**64 - 1, 2**32 - 1, 2**32 - 1), Key(0x299F31D0_A4093822, 7, 0x13198A2E), Key(1, 2, 3)]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("n", [0, 1, 4, 7, 1023, 4099])
def test_philox(ks, n, key):
    words = ks.run("philox", n, key)
    assert words.dtype == np.uint32
    np.testing.assert_array_equal(words, reference.philox(n, key))


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.5, 0.999])
@pytest.mark.parametrize("shape", [(1,), (5, 7), (3, 9, 8, 17), (2, 4100)], ids=str)
def test_dropout(ks, rng, shape, rate):
    x = ks.cast(rng.standard_normal(shape) + 5)  # no zeros: a zero of the output is a dropped element
    y = ks.check("dropout", x, rate=rate, key=Key(2**63 + 5, 3, 11))
    expected = reference.philox(x.size, Key(2**63 + 5, 3, 11)) >= round(rate * 2**32)
    np.testing.assert_array_equal(y != 0, expected.reshape(shape))


def test_dropout_drops_the_stated_fraction_and_keeps_the_mean(ks):
    y = ks.run("dropout", ks.cast(np.ones((400, 1000))), rate=0.3, key=Key(9, 1, 2))
    deviation = np.sqrt(0.3 * 0.7 / y.size)
    assert abs((y == 0).mean() - 0.3) < 5 * deviation
    assert abs(y.mean(dtype=np.float64) - 1) < 5 * deviation / 0.7


def test_dropout_keeps_a_word_at_the_threshold(ks):
    key, x = Key(4, 4, 4), ks.cast(np.ones(32))
    for i, word in enumerate(reference.philox(8, key)):
        y = ks.run("dropout", x, rate=int(word) / 2**32, key=key)
        assert y[i] > 0
        assert ks.run("dropout", x, rate=(int(word) + 1) / 2**32, key=key)[i] == 0


def parts_are_the_whole(results, x):
    """results(x, key): arrays whose first axis is that of x, drawn at key; 8 rows come before those of the second call.

    A row has 75 numbers, so that a part begins within a vector of random words, though never within a counter's four.
    """
    key = Key(2**63 + 5, 2**32 - 1, 7)
    for whole, part in zip(results(x, key), results(np.ascontiguousarray(x[8:]), key._replace(row=8)), strict=True):
        np.testing.assert_array_equal(whole[8:], part)
        assert (whole[:3] != part).any()  # not drawn anew from the beginning


def test_a_part_of_the_rows_is_drawn_as_in_the_whole(ks, rng):
    x = ks.cast(rng.standard_normal((11, 5, 5, 3)) + 9)
    parts_are_the_whole(lambda x, key: [ks.run("dropout", x, rate=0.3, key=key)], x)
    x = ks.cast(rng.standard_normal((11, 10, 10, 3)))
    for pool in (POOL, {**POOL, "window": (3, 3), "pads": ((1, 0), (0, 1))}):
        parts_are_the_whole(lambda x, key, pool=pool: ks.run("max_pool", x, **pool, rate=0.3, key=key), x)
    key = Key(1, 2, 3)
    np.testing.assert_array_equal(ks.run("philox", 41, key)[12:], ks.run("philox", 29, key._replace(row=3)))


@pytest.mark.parametrize("ks", having("batch_norm_max_pool"), indirect=True)
def test_a_part_of_normalised_rows_is_drawn_as_in_the_whole(ks, rng):
    x, one, pool = ks.cast(rng.standard_normal((11, 10, 10, 3))), ks.cast(np.ones(3)), {**POOL, "rate": 0.3}
    norm = one, one, one, one, 1e-3, -1
    parts_are_the_whole(lambda x, key: ks.run("batch_norm_max_pool", x, norm, pool={**pool, "key": key}), x)


@pytest.mark.parametrize("ks", having("conv2d_max_pool"), indirect=True)
@pytest.mark.parametrize("algorithm", ["im2col", "winograd"])
def test_a_part_of_convolved_rows_is_drawn_as_in_the_whole(ks, rng, algorithm):
    x, w = ks.cast(rng.standard_normal((11, 10, 10, 2))), ks.cast(rng.standard_normal((3, 3, 2, 3)))
    conv, pool = {"strides": (1, 1), "pads": ((1, 1), (1, 1)), "algorithm": algorithm}, {**POOL, "rate": 0.3}
    parts_are_the_whole(lambda x, key: ks.run("conv2d_max_pool", x, w, None, conv=conv, pool={**pool, "key": key}), x)


def test_dropout_lets_nothing_through_where_it_drops(ks):
    x = ks.cast(np.full(4000, np.inf))
    y = ks.run("dropout", x, rate=0.5, key=Key(1, 1, 1))
    assert set(y.tolist()) == {0.0, np.inf}
    assert np.isnan(ks.run("dropout", ks.cast(np.full(64, np.nan)), rate=0.5, key=Key(1, 1, 1))).any()


# warp ----------------------------------------------------------------------------------------------------------------


def matrices(height, width):
    """Identity, whole and broken shifts, turns, zooms, a shear, and places far outside."""
    turn = [[0.8, 0.6, -1.3], [-0.6, 0.8, 2.7]]
    return np.array(
        [
            [[1, 0, 0], [0, 1, 0]],
            [[1, 0, 2], [0, 1, -3]],
            [[1, 0, -0.25], [0, 1, 1.75]],
            turn,
            [[3.1, 0, -height], [0, 2.9, -width]],
            [[0.3, 0, 0.4], [0, 0.2, 0.7]],
            [[1, 0.5, -2], [-0.4, 1, 1]],
            [[-1, 0, height - 1], [0, -1, width - 1]],
            [[1, 0, 1000.5], [0, 1, -777.25]],
        ]
    )


@pytest.mark.parametrize("ks", EVERY_TYPE, indirect=True)
@pytest.mark.parametrize("fill_mode", ["nearest", "constant", "reflect", "wrap"])
@pytest.mark.parametrize("shape", [(9, 8, 1), (5, 12, 3), (1, 1, 2), (2, 17, 1)], ids=str)
@pytest.mark.parametrize("kind", ["uint8", "float"])
def test_affine_warp(ks, rng, shape, fill_mode, kind):
    maps = matrices(*shape[:2])
    images = rng.integers(0, 256, (len(maps), *shape)).astype(np.uint8)
    if kind == "float":
        images = ks.cast(images / 255)
    how = {"fill_mode": fill_mode, "cval": 0.5 if kind == "float" else 77, "scale": 1 / 255 if kind == "uint8" else 2.0}
    y = ks.own["affine_warp"](ks.array(images), ks.array(maps), **how)
    y = ks.numpy(y)
    assert y.dtype == (images.dtype if kind == "float" else np.float32)
    value_range = how["scale"] * max(float(images.max()), how["cval"])
    expected = reference.affine_warp(images.astype(np.float64), maps, **how)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5 * value_range)


def test_affine_warp_of_a_channel_is_that_channel_of_the_warp(ks, rng):
    images, maps = ks.cast(rng.random((9, 6, 7, 3))), matrices(6, 7)
    how = {"fill_mode": "reflect", "cval": 0.0, "scale": 1.0}
    whole = ks.run("affine_warp", images, maps, **how)
    for c in range(3):
        one = ks.run("affine_warp", np.ascontiguousarray(images[..., c : c + 1]), maps, **how)
        np.testing.assert_array_equal(one[..., 0], whole[..., c])


@pytest.mark.parametrize("fill_mode", ["nearest", "constant", "reflect", "wrap"])
def test_numba_affine_warp_stays_inside_the_image_for_any_matrix(fill_mode):
    ks = Kernels("numba_cpu", "float32")
    wild = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e18, 2.0**63, -(2.0**63), 2.0**52 + 1]
    maps = np.array([[[1, 0, a], [0, 1, b]] for a in wild for b in (*wild, 0.5)])
    images = ks.cast(np.ones((len(maps), 4, 5, 1)))
    y = ks.run("affine_warp", images, maps, fill_mode=fill_mode, cval=1.0, scale=1.0)
    nowhere = np.isnan(maps).any(axis=(1, 2))
    assert np.isnan(y[nowhere]).all(), "no place, no value"
    np.testing.assert_allclose(y[~nowhere], 1, atol=1e-6)


# optimizer -----------------------------------------------------------------------------------------------------------

STEPS = [  # kernel, which of its state arrays are None, rates
    ("sgd_step", "m", {"lr": 0.1, "momentum": 0.0, "nesterov": False}),
    ("sgd_step", "", {"lr": 0.1, "momentum": 0.9, "nesterov": False}),
    ("sgd_step", "", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("rmsprop_step", "ma", {"lr": 0.1, "rho": 0.9, "momentum": 0.0, "eps": 1e-7}),
    ("rmsprop_step", "a", {"lr": 0.1, "rho": 0.9, "momentum": 0.8, "eps": 1e-7}),
    ("rmsprop_step", "m", {"lr": 0.1, "rho": 0.7, "momentum": 0.0, "eps": 1e-7}),
    ("rmsprop_step", "", {"lr": 0.1, "rho": 0.7, "momentum": 0.8, "eps": 1e-7}),
    ("adam_step", "vhat", {"rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "eps": 1e-7}),
    ("adam_step", "", {"rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "eps": 1e-7}),
    ("adagrad_step", "", {"lr": 0.1, "eps": 1e-7}),
    ("adadelta_step", "", {"lr": 0.5, "rho": 0.9, "eps": 1e-3}),
    ("adamax_step", "", {"rate": 0.1, "beta_1": 0.9, "beta_2": 0.9, "eps": 1e-7}),
    ("nadam_step", "", {"lr": 0.1, "scales": (0.8, 0.3, 1.7), "beta_1": 0.9, "beta_2": 0.99, "eps": 1e-7}),
    ("lion_step", "", {"lr": 0.1, "beta_1": 0.9, "beta_2": 0.99}),
    ("ftrl_step", "", {"lr": 0.1, "power": 0.5, "penalties": (0.0, 0.0, 0.0), "beta": 0.0}),
    ("ftrl_step", "", {"lr": 0.5, "power": 0.7, "penalties": (0.3, 0.2, 0.1), "beta": 0.4}),
]  # fmt: skip


def step_arrays(ks, rng, kernel, none, size):
    """p, g and the slots. Averages of squares are at least the squares of averages, as in real use."""
    parameters = inspect.signature(getattr(reference, kernel)).parameters.values()
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    absent = {"ma": {"m", "a"}, "vhat": {"vhat"}}.get(none, set(none))
    arrays = []
    for name in names:
        value = rng.standard_normal(size)
        if name in ("v", "vhat", "u", "d") or (name == "a" and kernel != "rmsprop_step"):
            value = np.abs(value) + 0.5
        if name == "a" and kernel == "rmsprop_step":
            value = 0.4 * np.tanh(value)
        arrays.append(None if name in absent else ks.cast(value))
    return arrays


@pytest.mark.parametrize("size", [1, 17, 1000])
@pytest.mark.parametrize("case", STEPS, ids=lambda case: f"{case[0]}-{case[1] or 'all'}-{case[2].get('nesterov', '')}")
def test_optimizer_steps(ks, rng, case, size):
    kernel, none, rates = case
    arrays = step_arrays(ks, rng, kernel, none, size)
    expected = arrays
    for _ in range(3):  # three steps: a state that was not kept would show
        arrays = ks.step(kernel, *arrays, **rates)
        columns = [np.full(size, None) if a is None else a.astype(np.float64) for a in expected]
        rows = [getattr(reference, kernel)(*element, **rates) for element in zip(*columns, strict=True)]
        expected = [None if column[0] is None else np.array(column, float) for column in zip(*rows, strict=True)]
    for a, e in zip(arrays, expected, strict=True):
        assert (a is None) == (e is None)
        if e is not None:
            assert a.dtype == ks.dtype
            np.testing.assert_allclose(a, e, rtol=0, atol=(1e-12 if a.dtype == np.float64 else 5e-6) * np.abs(e).max())


# All kernels at the size of a real layer: block boundaries, threads, repeats -----------------------------------------

SHAPE, POOL = (6, 28, 28, 32), {"window": (2, 2), "strides": (2, 2), "pads": ((0, 0), (0, 0))}
SAME = {"strides": (1, 1), "pads": ((1, 1), (1, 1))}
WIDE = {"strides": (1, 1), "pads": ((2, 2), (2, 2))}


def layer_case(ks, rng, kernel):
    """Arguments of `kernel` as a training step would have them; of fewer images where nobody shares them out."""

    def f(*shape):
        return ks.cast(rng.standard_normal(shape))

    size = SHAPE if ks.name in ("numba_cpu", "cuda") else (2, *SHAPE[1:])
    x, half, n = f(*size), (size[0], 14, 14, 32), size[0]
    rows, c = x.reshape(-1, 32, 1), (f(32), ks.cast(1 + rng.random(32)), f(32), f(32))
    positive = np.maximum(x, 0)
    how, cells = {"eps": 1e-3}, rng.integers(0, 5, half).astype(np.uint8)  # 4: dropped
    dropped = {"rate": 0.25, "key": Key(3, 1, 4)}
    warped = {"fill_mode": "nearest", "cval": 0.0, "scale": 1 / 255}
    return {
        "conv2d": lambda: ((x, f(3, 3, 32, 32), f(32)), {**SAME, "relu": True}),
        "conv2d_folded": lambda: ((x, f(3, 3, 32, 32), f(32), (f(32), f(32))), {"conv": {**SAME, "relu": True}}),
        "conv2d_max_pool": lambda: (
            (x, f(3, 3, 32, 32), f(32)),
            {"conv": {**SAME, "relu": True}, "pool": {**POOL, **dropped}},
        ),
        "conv2d_max_pool_grad": lambda: (
            (f(*half), cells, f(*half) * (cells < 4), x, f(3, 3, 32, 32)),
            {"conv": SAME, "pool": {**POOL, "rate": 0.25}},
        ),
        "conv2d_input_grad": lambda: ((x, f(3, 3, 32, 32), size), SAME),
        "conv2d_weight_grad": lambda: ((x, f(*size), (3, 3, 32, 32)), SAME),
        "depthwise_conv2d": lambda: ((x, f(3, 3, 32, 1)), SAME),
        "depthwise_conv2d_input_grad": lambda: ((x, f(3, 3, 32, 1), size), SAME),
        "depthwise_conv2d_weight_grad": lambda: ((x, f(*size), (3, 3, 32, 1)), SAME),
        "dense": lambda: ((f(86, 600), f(600, 256), f(256)), {"relu": True}),
        "dense_input_grad": lambda: ((f(86, 256), f(600, 256)), {}),
        "dense_weight_grad": lambda: ((f(86, 600), f(86, 256)), {}),
        "bias_grad": lambda: ((x,), {}),
        "relu": lambda: ((x,), {}),
        "relu_grad": lambda: ((f(*size), positive), {}),
        "relu_bias_grad": lambda: ((f(*size), positive), {}),
        "activate": lambda: ((x,), {"kind": "gelu"}),
        "activate_grad": lambda: ((f(*size), x), {"kind": "silu"}),
        "max_pool": lambda: ((x,), {**POOL, **dropped, "rate": 0.5}),  # a factor of 2 is exact
        "max_pool_grad": lambda: ((f(*half), cells, size), {**POOL, "rate": 0.25}),
        "average_pool": lambda: ((x,), POOL),
        "average_pool_grad": lambda: ((f(*half), size), POOL),
        "batch_norm_stats": lambda: ((rows,), {}),
        "batch_norm": lambda: ((rows, *c), how),
        "batch_norm_grad": lambda: ((f(*rows.shape), rows, *c[:3]), {**how, "batch_stats": True}),
        "batch_norm_max_pool": lambda: ((positive, (*c, 1e-3, -1)), {"pool": {**POOL, **dropped}}),
        "batch_norm_max_pool_grad": lambda: (
            (f(*half), cells, positive, (*c[:3], 1e-3, -1)),
            {"pool": {**POOL, "rate": 0.25}},
        ),
        "batch_norm_conv2d_weight_grad": lambda: (
            (f(*size), positive, (*c[:3], 1e-3, -1), f(n, 28, 28, 1), (3, 3, 1, 32)),
            {"conv": SAME},
        ),
        "softmax": lambda: ((f(300, 10),), {}),
        "softmax_cross_entropy": lambda: ((f(300, 10), ks.cast(np.eye(10)[rng.integers(0, 10, 300)])), {}),
        "philox": lambda: ((100_003, Key(5, 6, 7)), {}),
        "dropout": lambda: ((x,), dropped),
        "affine_warp": lambda: ((255 * ks.cast(rng.random((9, 28, 28, 1))), matrices(28, 28)), warped),
    }[kernel]()


def results(ks, kernel, args, kwargs):
    out = ks.step(kernel, *args, **kwargs) if kernel.endswith("_step") else ks.run(kernel, *args, **kwargs)
    return out if isinstance(out, tuple) else (out,)


def a_case(ks, rng, kernel):
    if kernel.endswith("_step"):
        rates = [rates for name, none, rates in STEPS if name == kernel and none == ""][-1]
        return step_arrays(ks, rng, kernel, "", 100_003), rates
    return layer_case(ks, rng, kernel)


@pytest.mark.parametrize("ks", EVERY_TYPE[1:], indirect=True)
@pytest.mark.parametrize("kernel", KERNELS)
def test_layer_sizes_agree_with_the_definition(ks, rng, kernel):
    """Against numpy_ref in float64, which the tests above hold to the oracles: loops would take minutes here."""
    args, kwargs = a_case(ks, rng, kernel)
    wide = [in_float64(arg) for arg in args]
    expected = results(Kernels("numpy_ref", "float64"), kernel, wide, kwargs)
    for actual, exact in zip(results(ks, kernel, args, kwargs), expected, strict=True):
        ks.compare("optimizer" if kernel.endswith("_step") else kernel, actual, exact)


@pytest.mark.parametrize("kernel", [*KERNELS, *FUSED])
def test_same_bits_again_and_for_any_number_of_threads(rng, kernel):
    ks = Kernels("numba_cpu", "float32")
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one processor: nothing to compare")
    args, kwargs = a_case(ks, rng, kernel)
    before, bits = numba.get_num_threads(), []
    try:
        for threads in (1, 2, 2, min(4, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            bits.append([out.tobytes() for out in results(ks, kernel, args, kwargs)])
    finally:
        numba.set_num_threads(before)
    assert bits[0] == bits[1] == bits[2] == bits[3]


def test_same_bits_before_a_relu(rng):
    """The gradients that also take a ReLU's: for any number of threads, and as the contract puts them together."""
    ks = Kernels("numba_cpu", "float32")
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one processor: nothing to compare")
    x = np.maximum(rng.standard_normal(SHAPE), 0).astype(np.float32)
    y, argmax = ks.run("max_pool", x, **POOL, rate=0.25, key=Key(1, 2, 3))
    dy, dz = (rng.standard_normal(shape).astype(np.float32) for shape in (y.shape, SHAPE))
    c, how, bits = np.ones(32, np.float32), {"eps": 1e-3, "batch_stats": True, "relu": True}, []
    w = np.ones((3, 3, 1, 32), np.float32)
    before = numba.get_num_threads()
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            pooled = ks.run("max_pool_grad", dy, argmax, SHAPE, **POOL, rate=0.25, y=y)
            dropped = {**POOL, "rate": 0.25}
            first = {"conv": SAME, "pool": dropped, "needs": (False, True)}  # a first layer's
            pooled += ks.run("conv2d_max_pool_grad", dy, argmax, y, x[..., :1], w, **first)[1:]
            for n in (1, 6):  # one image is one band: threads share the window's cells
                given = dz[:n], x[:n], (c, c, c, 1e-3, -1), x[:n, ..., :1]
                pooled += ks.run("batch_norm_conv2d_weight_grad", *given, (5, 5, 1, 32), conv=WIDE)
            normed = ks.run("batch_norm_grad", dz.reshape(-1, 32, 1), x.reshape(-1, 32, 1), c, c, c, **how)
            for axis, size in ((-1, 28), (1, 28), (-1, 27), (1, 27)):  # 27: pixels in no window
                part, one = np.ascontiguousarray(x[:, :size, :size]), c[: 32 if axis == -1 else size]
                norm = one, one, one, 1e-3, axis
                keyed = {**dropped, "key": Key(1, 2, 3)}
                y_1, cells = ks.run("batch_norm_max_pool", part, (one, *norm), pool=keyed)
                normed += y_1, cells, *ks.run("batch_norm_max_pool_grad", y_1, cells, part, norm, pool=dropped)
                first = {"conv": WIDE, "argmax": cells, "pool": dropped}
                given = y_1, part, norm, np.ascontiguousarray(part[..., :1]), (5, 5, 1, 32)
                normed += ks.run("batch_norm_conv2d_weight_grad", *given, **first)
            bits.append([out.tobytes() for out in (*pooled, *normed)])
    finally:
        numba.set_num_threads(before)
    assert bits[0] == bits[1]


EMPTY = {"activate", "activate_grad", "bias_grad", "relu", "relu_grad", "relu_bias_grad", "max_pool",
         "max_pool_grad", "average_pool", "average_pool_grad", "batch_norm", "batch_norm_max_pool", "softmax",
         "softmax_cross_entropy", "dropout", "affine_warp", "conv2d", "conv2d_folded", "conv2d_input_grad",
         "conv2d_max_pool", "dense", "dense_input_grad"}  # fmt: skip
FIRST_ONLY = {"conv2d", "conv2d_folded", "conv2d_input_grad", "conv2d_max_pool", "dense", "dense_input_grad",
              "batch_norm", "batch_norm_max_pool"}  # fmt: skip


@by_having(sorted(EMPTY))
def test_an_empty_batch_gives_an_empty_result(ks, rng, kernel):
    args, kwargs = layer_case(ks, rng, kernel)
    batched = 1 if kernel in FIRST_ONLY else len(args)  # how many arrays have a batch axis
    args = [a[:0] if k < batched and isinstance(a, np.ndarray) else a for k, a in enumerate(args)]
    args = [(0, *a[1:]) if isinstance(a, tuple) and isinstance(a[0], int) else a for a in args]  # a shape
    shapes = [out.shape for out in results(ks, kernel, args, kwargs)]
    full = [out.shape for out in results(ks, kernel, *layer_case(ks, rng, kernel))]
    expected = [shape if len(shape) == 1 and "bias" in kernel else (0, *shape[1:]) for shape in full]
    assert shapes == expected


@pytest.mark.parametrize("shape", [(0, 3, 1), (4, 3, 0), (4, 0, 1)], ids=str)
def test_batch_norm_of_nothing_is_nothing(ks, rng, shape):
    x, (mean, var, gamma, beta) = ks.cast(np.zeros(shape)), ks.cast(*rng.uniform(0.5, 2, (4, shape[1])))
    assert ks.run("batch_norm", x, mean, var, gamma, beta, eps=1e-3).shape == shape
    dx, dgamma, dbeta = ks.run("batch_norm_grad", x, x, mean, var, gamma, eps=1e-3, batch_stats=False)
    assert dx.shape == shape
    assert not dgamma.any()
    assert not dbeta.any()


POISONED = ["activate", "activate_grad", "conv2d", "conv2d_folded", "conv2d_max_pool", "dense", "bias_grad",
            "relu", "average_pool", "batch_norm_stats", "softmax", "batch_norm", "relu_bias_grad", "batch_norm_grad",
            "adam_step", "batch_norm_conv2d_weight_grad"]  # fmt: skip


@by_having(POISONED)
def test_nan_comes_out_where_it_went_in(ks, rng, kernel):
    args, kwargs = a_case(ks, rng, kernel)
    clean = results(ks, kernel, args, kwargs)
    assert all(np.isfinite(out).all() for out in clean if out is not None)
    poisoned = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    where = 1 if kernel == "adam_step" else 0  # g; x or dy
    flat = poisoned[where].reshape(-1)
    at = int(np.flatnonzero(args[1].reshape(-1) > 0)[40]) if kernel == "relu_bias_grad" else 40
    flat[at] = np.nan
    assert np.isnan(results(ks, kernel, poisoned, kwargs)[0]).any()
