// Convolution and both of its gradients as implicit GEMMs: the tiles of gemm.cuh, on matrices that are never in memory.
//
//      a pixel is (n, i, j), a cell (p, q, c); `cols` as in kernels/numpy_ref/conv.py
//
//                          Y (M, N)              A (M, K)                         B (K, N)
//      conv2d              y (pixels, O)         cols (pixels, cells) of x        w (cells, O)
//      input gradient      dx (pixels, C)        cols (pixels, (p, q, o)) of dy   w ((p, q, o), C)
//      weight gradient     dw (cells, O)         cols' (cells, pixels) of x       dy (pixels, O)
//
// Element (pixel, cell) of cols is x[n, i SH - top + p, j SW - left + q, c], or 0 outside the image. In the input
// gradient a pixel is one of x, and its column (p, q, o) the dy that reads it through window cell (p, q): row (h + top
// - p) / SH where that is a whole number.
//
// Why it is fast: the address splits into a part of the pixel and one of the cell, which a thread computes for a row
// and for a column of its chunk and adds; the divisions in them are multiplications (Divisor). Windows overlap, so
// after the first read of a pixel the other 24 of a 5 x 5 window come from the cache, and channels last makes 4 of them
// one read.
//
// Compiled with -DMODE (precision), -DV_IN and -DV_OUT (as for dense.cu; the last axes are C and O).
#include "gemm.cuh"

constexpr int OUTSIDE = 1 << 29, NO_CELL = 1 << 20;  // a pixel so far above is outside for every cell; and the reverse

// Pixels of a tile, where they are its rows: twice as many beside half as many columns, if registers allow.
template <int TILE_N>
constexpr int TILE_M = TILE_N == 32 && V_OUT == 4 ? 256 : 128;

// cols of x. PIXELS_ARE_ROWS: element (row, k) is (pixel, cell), else (cell, pixel). Neighbours are cells.
template <int VECTOR, bool PIXELS_ARE_ROWS>
struct Windows {
    static constexpr int V = VECTOR;
    static constexpr bool ALONG_K = PIXELS_ARE_ROWS;
    const float* x;
    int H, W, C, SH, SW, top, left, pixels, cells;
    Divisor by_OW, by_OH, by_C, by_KW;

    __device__ __forceinline__ Windows(const float* x, int N, int H, int W, int C, int KH, int KW, int OH, int OW,
                                       int SH, int SW, int top, int left)
        : x(x), H(H), W(W), C(C), SH(SH), SW(SW), top(top), left(left), pixels(N * OH * OW), cells(KH * KW * C),
          by_OW(OW), by_OH(OH), by_C(C), by_KW(KW) {}

    struct Pixel { int at, h, w; };  // the window's upper left corner
    struct Cell { int at, p, q; };

    __device__ __forceinline__ Pixel pixel(int m) const {
        if (m >= pixels) return {0, -OUTSIDE, 0};
        int i, j, n = by_OH.divide(by_OW.divide(m, j), i);
        int h = i * SH - top, w = j * SW - left;
        return {((n * H + h) * W + w) * C, h, w};
    }
    __device__ __forceinline__ Cell cell(int k) const {
        if (k >= cells) return {0, NO_CELL, 0};
        int c, q, p = by_KW.divide(by_C.divide(k, c), q);
        return {(p * W + q) * C + c, p, q};
    }
    __device__ __forceinline__ void load(const Pixel& m, const Cell& k, float* v) const {
        bool inside = (unsigned)(m.h + k.p) < (unsigned)H && (unsigned)(m.w + k.q) < (unsigned)W;
        read(x + m.at + k.at, v, inside, V);
    }
    __device__ __forceinline__ void load(const Cell& k, const Pixel& m, float* v) const { load(m, k, v); }
    __device__ __forceinline__ auto row(int r) const {
        if constexpr (PIXELS_ARE_ROWS) return pixel(r);
        else return cell(r);
    }
    __device__ __forceinline__ auto column(int k) const {
        if constexpr (PIXELS_ARE_ROWS) return cell(k);
        else return pixel(k);
    }
};

// cols of dy: element (row, k) is (pixel of x, (p, q, o)). Neighbours are filters.
template <int VECTOR>
struct Readers {
    static constexpr int V = VECTOR;
    static constexpr bool ALONG_K = true;
    const float* dy;
    int O, OH, OW, top, left, pixels, cells;
    Divisor by_W, by_H, by_O, by_KW, by_SH, by_SW;

    __device__ __forceinline__ Readers(const float* dy, int N, int H, int W, int KH, int KW, int O, int OH, int OW,
                                       int SH, int SW, int top, int left)
        : dy(dy), O(O), OH(OH), OW(OW), top(top), left(left), pixels(N * H * W), cells(KH * KW * O), by_W(W), by_H(H),
          by_O(O), by_KW(KW), by_SH(SH), by_SW(SW) {}

    struct Row { int at, h, w; };
    struct Column { int o, p, q; };

    __device__ __forceinline__ Row row(int m) const {
        if (m >= pixels) return {0, -OUTSIDE, 0};
        int h, w, n = by_H.divide(by_W.divide(m, w), h);
        return {n * OH * OW * O, h + top, w + left};
    }
    __device__ __forceinline__ Column column(int k) const {
        if (k >= cells) return {0, NO_CELL, 0};
        int o, q, p = by_KW.divide(by_O.divide(k, o), q);
        return {o, p, q};
    }
    __device__ __forceinline__ void load(const Row& m, const Column& k, float* v) const {
        int h = m.h - k.p, w = m.w - k.q;
        int i = by_SH.quotient(h), j = by_SW.quotient(w);
        bool inside = h >= 0 && w >= 0 && i * by_SH.d == h && j * by_SW.d == w && i < OH && j < OW;
        read(dy + m.at + (i * OW + j) * O + k.o, v, inside, V);
    }
};

// w (KH, KW, C, O) as the matrix ((p, q, o), C): element (c, k). Neighbours are filters.
template <int VECTOR>
struct Filters {
    static constexpr int V = VECTOR;
    static constexpr bool ALONG_K = true;
    const float* w;
    int C, O, columns;
    Divisor by_O;

    __device__ __forceinline__ Filters(const float* w, int cells, int C, int O)
        : w(w), C(C), O(O), columns(cells * O), by_O(O) {}

    struct Row { int at; };
    struct Column { int at; };
    __device__ __forceinline__ Row row(int c) const { return {c < C ? c * O : -1}; }
    __device__ __forceinline__ Column column(int k) const {
        int o, cell = by_O.divide(k < columns ? k : 0, o);
        return {k < columns ? cell * C * O + o : -1};
    }
    __device__ __forceinline__ void load(const Row& c, const Column& k, float* v) const {
        read(w + c.at + k.at, v, c.at >= 0 && k.at >= 0, V);
    }
};

template <int TILE_N>
__device__ __forceinline__ void forward(unsigned* shared, const float* x, const float* w, float* y, int N, int H, int W,
                                        int C, int KH, int KW, int O, int OH, int OW, int SH, int SW, int top, int left,
                                        const Epilogue& finish) {
    Windows<V_IN, true> a(x, N, H, W, C, KH, KW, OH, OW, SH, SW, top, left);
    Matrix<V_OUT, false> b{w, O, a.cells, O};
    gemm<TILE_M<TILE_N>, TILE_N>(a, b, shared, y, a.pixels, O, a.cells, finish);
}

template <int TILE_N>
__device__ __forceinline__ void input_grad(unsigned* shared, const float* dy, const float* w, float* dx, int N, int H,
                                           int W, int C, int KH, int KW, int O, int OH, int OW, int SH, int SW, int top,
                                           int left) {
    Readers<V_OUT> a(dy, N, H, W, KH, KW, O, OH, OW, SH, SW, top, left);
    Filters<V_OUT> b(w, KH * KW, C, O);
    gemm<TILE_M<TILE_N>, TILE_N>(a, b, shared, dx, a.pixels, C, a.cells, {});
}

template <int TILE_N>
__device__ __forceinline__ void weight_grad(unsigned* shared, const float* x, const float* dy, float* dw, int N, int H,
                                            int W, int C, int KH, int KW, int O, int OH, int OW, int SH, int SW,
                                            int top, int left) {
    Windows<V_IN, false> a(x, N, H, W, C, KH, KW, OH, OW, SH, SW, top, left);
    Matrix<V_OUT, false> b{dy, O, a.pixels, O};
    gemm<128, TILE_N>(a, b, shared, dw, a.cells, O, a.pixels, {});
}

#define GEOMETRY N, H, W, C, KH, KW, O, OH, OW, SH, SW, top, left

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) conv2d_64(
    const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, const float* __restrict__
    scale, const float* __restrict__ shift, float* __restrict__ y, int N, int H, int W, int C, int KH, int KW, int O,
    int OH, int OW, int SH, int SW, int top, int left, int relu) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<true, false, TILE_M<64>, 64>];
    forward<64>(shared, x, w, y, GEOMETRY, {bias, scale, shift, relu});
}

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) conv2d_32(
    const float* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, const float* __restrict__
    scale, const float* __restrict__ shift, float* __restrict__ y, int N, int H, int W, int C, int KH, int KW, int O,
    int OH, int OW, int SH, int SW, int top, int left, int relu) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<true, false, TILE_M<32>, 32>];
    forward<32>(shared, x, w, y, GEOMETRY, {bias, scale, shift, relu});
}

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) conv2d_input_grad_64(
    const float* __restrict__ dy, const float* __restrict__ w, float* __restrict__ dx, int N, int H, int W, int C, int
    KH, int KW, int O, int OH, int OW, int SH, int SW, int top, int left) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<true, true, TILE_M<64>, 64>];
    input_grad<64>(shared, dy, w, dx, GEOMETRY);
}

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) conv2d_input_grad_32(
    const float* __restrict__ dy, const float* __restrict__ w, float* __restrict__ dx, int N, int H, int W, int C, int
    KH, int KW, int O, int OH, int OW, int SH, int SW, int top, int left) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<true, true, TILE_M<32>, 32>];
    input_grad<32>(shared, dy, w, dx, GEOMETRY);
}

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) conv2d_weight_grad_64(
    const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dw, int N, int H, int W, int C, int
    KH, int KW, int O, int OH, int OW, int SH, int SW, int top, int left) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<false, false, 128, 64>];
    weight_grad<64>(shared, x, dy, dw, GEOMETRY);
}

extern "C" __global__ void __launch_bounds__(GEMM_THREADS, 2) conv2d_weight_grad_32(
    const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dw, int N, int H, int W, int C, int
    KH, int KW, int O, int OH, int OW, int SH, int SW, int top, int left) {
    __shared__ __align__(16) unsigned shared[GEMM_WORDS<false, false, 128, 32>];
    weight_grad<32>(shared, x, dy, dw, GEOMETRY);
}

// Adds the parts of a split sum.
extern "C" __global__ void conv_add(
    const float* __restrict__ parts, const float* __restrict__ bias, const float* __restrict__ scale, const float*
    __restrict__ shift, float* __restrict__ y, int count, int size, int O, int relu) {
    __shared__ float shared[32 * ADD_WARPS];
    gemm_add(shared, parts, y, count, size, O, {bias, scale, shift, relu});
}
