// Dense layers: three matrix products, tiled as gemm.cuh draws it.
//
//      y (N, O) = x (N, I) w (I, O)         neighbours of x lie along K = I, of w along O
//      dx (N, I) = dy (N, O) w' (O, I)      of dy along K = O, of w too
//      dw (I, O) = x' (I, N) dy (N, O)      of x along I, of dy along O
//
// Why it is fast: a dense layer's batch is small (86 rows are one tile) and its sum long (3,136), so one tile per block
// would keep four multiprocessors busy. gridDim.z blocks share the sum instead (split-K).
//
// Compiled with -DMODE (precision), -DV_IN and -DV_OUT (how many numbers are read at once along I, and along O: 4, that
// is 16 bytes, or 1; gemm_options in launch.py chooses).
#include "gemm.cuh"

template <int TILE_N>
__device__ __forceinline__ void forward(unsigned* shared, const float* x, const float* w, float* y, int N, int I, int O,
                                        const Epilogue& finish) {
    Matrix<V_IN, true> a{x, N, I, I};
    Matrix<V_OUT, false> b{w, O, I, O};
    gemm<128, TILE_N>(a, b, shared, y, N, O, I, finish);
}

template <int TILE_N>
__device__ __forceinline__ void input_grad(unsigned* shared, const float* dy, const float* w, float* dx, int N, int I,
                                           int O) {
    Matrix<V_OUT, true> a{dy, N, O, O}, b{w, I, O, O};
    gemm<128, TILE_N>(a, b, shared, dx, N, I, O, {});
}

template <int TILE_N>
__device__ __forceinline__ void weight_grad(unsigned* shared, const float* x, const float* dy, float* dw, int N, int I,
                                            int O) {
    Matrix<V_IN, false> a{x, I, N, I};
    Matrix<V_OUT, false> b{dy, O, N, O};
    gemm<128, TILE_N>(a, b, shared, dw, I, O, N, {});
}

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) dense_64(
    const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, const float* __restrict__
    scale, const float* __restrict__ shift, float* __restrict__ y, int N, int I, int O, int relu) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<true, false, 128, 64>];
    forward<64>(shared, x, w, y, N, I, O, {bias, scale, shift, relu});
}

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) dense_32(
    const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, const float* __restrict__
    scale, const float* __restrict__ shift, float* __restrict__ y, int N, int I, int O, int relu) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<true, false, 128, 32>];
    forward<32>(shared, x, w, y, N, I, O, {bias, scale, shift, relu});
}

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) dense_input_grad(
    const float* __restrict__ dy, const float* __restrict__ w, float* __restrict__ dx, int N, int I, int O) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<true, true, 128, 64>];
    input_grad<64>(shared, dy, w, dx, N, I, O);
}

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) dense_weight_grad(
    const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dw, int N, int I, int O) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<false, false, 128, 64>];
    weight_grad<64>(shared, x, dy, dw, N, I, O);
}

// Adds the parts of a split sum.
extern "C" __global__ void dense_add(
    const float* __restrict__ parts, const float* __restrict__ bias, const float* __restrict__ scale, const float*
    __restrict__ shift, float* __restrict__ y, int count, int size, int O, int relu) {
    __shared__ float shared[32 * ADD_WARPS];
    gemm_add(shared, parts, y, count, size, O, {bias, scale, shift, relu});
}
