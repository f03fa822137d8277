"""The emulation itself: it computes what a GPU would, and it catches what a GPU would let pass."""

import numpy as np
import pytest

from minicnn.kernels.cuda import launch
from tests.cuda import emulation
from tests.cuda.device_array import DeviceArray

KERNELS = r"""
#include "common.cuh"

extern "C" __global__ void beyond(const float* x, float* y, int n, int offset) {
    int i = element();
    if (i < n) y[i] = x[i + offset];
}
extern "C" __global__ void writes_beyond(const float* x, float* y, int n, int offset) {
    int i = element();
    if (i < n) y[i + offset] = x[i];
}
extern "C" __global__ void writes_const(const float* x, float* y, int n, int offset) { ((float*)x)[0] += 1; }

extern "C" __global__ void neighbour(const float* x, float* y, int n, int barrier) {
    __shared__ float shared[64];
    int t = threadIdx.x;
    shared[t] = x[t];
    if (barrier) __syncthreads();
    y[t] = shared[(t + 1) % 64];
}
extern "C" __global__ void half_a_barrier(const float* x, float* y, int n, int offset) {
    if (threadIdx.x < 32) __syncthreads();
}
extern "C" __global__ void never_written(const float* x, float* y, int n, int offset) {
    __shared__ float shared[64];
    y[threadIdx.x] = shared[threadIdx.x];
    shared[threadIdx.x] = 1;
}
extern "C" __global__ void lanes(const float* x, float* y, int n, int offset) {
    int t = threadIdx.x;
    y[t] = warp_sum(x[t]);
    y[t + 64] = warp_max(x[t]);
    y[t + 128] = __shfl_sync(ALL, x[t], 5) + 10 * __shfl_down_sync(ALL, x[t], 1);
    y[t + 192] = (float)(__ballot_sync(ALL, x[t] > 40) >> 16);
}
extern "C" __global__ void some_lanes(const float* x, float* y, int n, int offset) {
    if (threadIdx.x % 2) y[threadIdx.x] = warp_sum(x[threadIdx.x]);
}
extern "C" __global__ void halved(const float* x, float* y, int n, int offset) {
    int i = element();
    if (i < n) y[i] = x[i] * 0.5f;
}
extern "C" __global__ void rounded(const float* x, float* y, int n, int bf16) {
    int i = element();
    if (i < n) y[i] = __uint_as_float(bf16 ? to_bf16x2(0, x[i]) : to_tf32(x[i]));
}
// y (16, 8) = x (16, 8) x' (8, 16)[:, :8] by one instruction, A by ldmatrix.
extern "C" __global__ void multiply(const float* x, float* y, int n, int offset) {
    __shared__ __align__(16) unsigned shared[16 * 8];
    int lane = threadIdx.x, g = lane / 4, t = lane % 4;
    for (int i = lane; i < 128; i += 32) shared[i] = to_tf32(x[i]);
    __syncwarp();
    unsigned a[4], b[2] = {shared[8 * g + t], shared[8 * g + t + 4]};
    load_matrices(a, shared + lane % 16 * 8 + lane / 16 * 4);
    float d[4] = {1, 1, 1, 1};
    mma_tf32(d, a, b);
    for (int i = 0; i < 4; ++i) y[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}
extern "C" __global__ void fours(const float* x, float* y, int n) {
    int i = element();
    if (i < n / 4) ((float4*)y)[i] = ((const float4*)x)[i];
}
extern "C" __global__ void divisions(const int* n, const int* d, int* y, int size) {
    int i = element(), rest;
    if (i >= size) return;
    int q = Divisor(d[i]).divide(n[i], rest);
    y[2 * i] = q;
    y[2 * i + 1] = rest;
}
"""


class HostArrays(emulation.EmulatedLauncher):
    """Takes NumPy's arrays, whose memory is the device's here."""

    def convert(self, stem, kernel, args):
        return super().convert(stem, kernel, [a.view(DeviceArray) if isinstance(a, np.ndarray) else a for a in args])


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """A launcher for the kernels above."""
    for file in launch.FOLDER.glob("*.cuh"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "trial.cu").write_text(KERNELS)
    monkeypatch.setattr(launch, "FOLDER", tmp_path)
    monkeypatch.setitem(launch.VARIANTS, "trial", ((),))
    launch.source.cache_clear()
    launch.signatures.cache_clear()
    emulation.launcher()  # skips where there is no compiler
    yield HostArrays(emulation.folder())
    launch.source.cache_clear()
    launch.signatures.cache_clear()


def f32(n, start=0):
    return np.arange(start, start + n, dtype=np.float32)


@pytest.mark.parametrize("n", [64, 61, 1024])
def test_reads_beyond_an_array(gpu, n):
    x, y = f32(n), np.empty(n, np.float32)
    gpu("trial", "beyond", n // 32 + 1, 32, x, y, n, 0)
    np.testing.assert_array_equal(x, y)
    if n % 4 == 0:
        with pytest.raises(AssertionError, match=rf"beyond: .* out of bounds; block .*; {4 * n} bytes into x"):
            gpu("trial", "beyond", n // 32 + 1, 32, x, y, n, 1)
    else:  # within the 16 bytes: the bytes there are a NaN
        gpu("trial", "beyond", n // 32 + 1, 32, x, y, n, 1)
        assert np.isnan(y[-1])
    with pytest.raises(AssertionError, match="out of bounds"):
        gpu("trial", "beyond", n // 32 + 1, 32, x, y, n, -5000)
    gpu("trial", "beyond", n // 32 + 1, 32, x, y, n, -1)
    assert np.isnan(y[0])
    gpu("trial", "beyond", n // 32 + 1, 32, x, y, n, 0)  # and it runs on after errors
    np.testing.assert_array_equal(x, y)


def test_vectors_start_at_a_multiple_of_their_size(gpu):
    """A slice starts where it lies: what a GPU ends with "misaligned address" is found here too."""
    buffer, whole = f32(68), f32(64)
    gpu("trial", "fours", 1, 32, buffer[4:], whole, 64)
    np.testing.assert_array_equal(whole, buffer[4:])
    for pair in ((buffer[1:65], whole), (whole, buffer[2:66])):
        with pytest.raises(AssertionError, match="fours: a vector that does not start at a multiple of its size"):
            gpu("trial", "fours", 1, 32, *pair, 64)


def test_new_memory_is_not_zero(gpu):
    for array in (gpu.xp.empty((3, 2), np.float32), gpu.xp.empty_like(f32(5)), gpu.xp.empty((), np.float32)):
        assert np.isnan(np.array(array)).all()
    assert (np.array(gpu.xp.empty(4, np.int32)) == -1).all()


def test_writes_beyond_an_array(gpu):
    with pytest.raises(AssertionError, match="written before the start"):
        gpu("trial", "writes_beyond", 1, 64, f32(64), f32(64), 64, -1)
    with pytest.raises(AssertionError, match="written beyond the end"):
        gpu("trial", "writes_beyond", 1, 64, f32(61), f32(61), 61, 1)
    with pytest.raises(AssertionError, match="const, but written"):
        gpu("trial", "writes_const", 1, 64, f32(64), f32(64), 64, 0)


def test_a_missing_barrier_shows_in_one_of_the_orders(gpu):
    results = []
    for gpu.reverse in (False, True):
        for barrier in (0, 1):
            y = np.empty(64, np.float32)
            gpu("trial", "neighbour", 1, 64, f32(64), y, 64, barrier)
            results.append(np.array_equal(y, np.roll(f32(64), -1)))
    assert results[1::2] == [True, True]
    assert not (results[0] and results[2])


def test_a_barrier_that_not_all_reach(gpu):
    with pytest.raises(AssertionError, match="half_a_barrier: deadlock"):
        gpu("trial", "half_a_barrier", 1, 64, f32(64), f32(64), 64, 0)
    with pytest.raises(AssertionError, match="some_lanes: deadlock"):
        gpu("trial", "some_lanes", 1, 64, f32(64), f32(64), 64, 0)
    with pytest.raises(AssertionError, match="fewer than 32"):
        gpu("trial", "lanes", 1, 8, f32(64), f32(256), 64, 0)


def test_shared_memory_starts_as_nan_in_every_block(gpu):
    y = f32(64)
    gpu("trial", "never_written", 3, 64, f32(64), y, 64, 0)
    assert np.isnan(y).all()


def test_warp_instructions(gpu):
    x, y = f32(64), np.empty(256, np.float32)
    gpu("trial", "lanes", 1, 64, x, y, 64, 0)
    sums, greatest, others, ballots = y.reshape(4, 2, 32)
    np.testing.assert_array_equal(sums, [[496] * 32, [1520] * 32])
    np.testing.assert_array_equal(greatest, [[31] * 32, [63] * 32])
    down = np.append(np.arange(1, 32), 31)
    np.testing.assert_array_equal(others, [5 + 10 * down, 37 + 10 * (32 + down)])
    np.testing.assert_array_equal(ballots, [[0] * 32, [0xFFFF] * 32])


def test_subnormals_are_zero_as_operands_and_as_results(gpu):
    tiny = np.finfo(np.float32).tiny
    x = np.array([4 * tiny, 1.5 * tiny, -1.5 * tiny, 0.9 * tiny, 1, 0], np.float32)
    y = np.empty_like(x)
    gpu("trial", "halved", 1, 32, x, y, x.size, 0)
    np.testing.assert_array_equal(y, np.array([2 * tiny, 0, 0, 0, 0.5, 0], np.float32))
    assert x[3] * np.float32(0.5) > 0, "the host is as it was"


def test_rounding_to_tf32_and_bf16(gpu):
    one, tiny = np.float32(1), np.float32(2**-149)
    ulp = np.float32(2**-10), np.float32(2**-7)
    for bf16 in (0, 1):
        half = one + ulp[bf16] / 2
        below, above = np.nextafter(half, np.float32(0)), np.nextafter(half, np.float32(2))
        x = np.array([1, -1, half, below, above, half + ulp[bf16], -half, 0, -0.0, np.inf, -np.inf, np.nan, 3e38, tiny])
        x = x.astype(np.float32)
        y = np.empty_like(x)
        gpu("trial", "rounded", 1, 32, x, y, x.size, bf16)
        up, two = one + ulp[bf16], one + 2 * ulp[bf16]
        great = np.array([0x7F62 << 16 if bf16 else 0x7F61C000], np.uint32).view(np.float32)[0]
        np.testing.assert_array_equal(
            y, [1, -1, one, 1, up, two, -one, 0, -0.0, np.inf, -np.inf, np.nan, great, 0]
        )
        np.testing.assert_array_equal(np.signbit(y[[7, 8]]), [False, True])


def test_the_fragments_of_mma(gpu):
    x, y = np.random.default_rng(0).integers(-8, 8, (16, 8)).astype(np.float32), np.empty((16, 8), np.float32)
    gpu("trial", "multiply", 1, 32, x, y, 128, 0)
    np.testing.assert_array_equal(y, x @ x.T[:, :8] + 1)


def test_division_by_multiplication_is_exact(gpu):
    rng = np.random.default_rng(1)
    d = np.concatenate([np.arange(1, 200), 2 ** np.arange(31), 2 ** np.arange(2, 31) - 1, rng.integers(1, 2**31, 3000)])
    n = rng.integers(0, 2**31, d.size)
    multiples = n // d * d
    n = np.concatenate([n, multiples, np.maximum(multiples - 1, 0), np.full(d.size, 2**31 - 1)]).astype(np.int32)
    d = np.tile(d, 4).astype(np.int32)
    y = np.empty((d.size, 2), np.int32)
    gpu("trial", "divisions", d.size // 256 + 1, 256, n, d, y, d.size)
    np.testing.assert_array_equal(y, np.stack([n // d, n % d], axis=1))
