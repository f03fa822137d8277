// Depthwise convolution and its gradients: one output per thread, neighbouring threads on neighbouring channels.
//
//      y[n,i,j,cM+m] = sum over (p,q) of x[n, iSH+p-top, jSW+q-left, c] w[p,q,c,m]
//
// Why it is fast: there are KH KW multiply-adds for each value read, so memory is the limit, and a warp reads and writes
// whole cache lines. dx gathers: a pixel looks up the windows that hold it. dw sums one weight over a share of the
// images; the shares are added afterwards in one order. There are no atomics.
#include "windows.cuh"

extern "C" __global__ void depthwise_conv2d(
    const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y, int size, int H, int W, int C,
    int OH, int OW, int KH, int KW, int SH, int SW, int top, int left, int M) {
    int i = element();
    if (i >= size) return;
    Place at(i, OH, OW, C * M);
    int row = at.h * SH - top, column = at.w * SW - left;
    const float* image = x + at.n * H * W * C + at.c / M;
    float sum = 0;
    for (int p = 0; p < KH; ++p)
        for (int q = 0; q < KW; ++q) {
            int r = row + p, s = column + q;
            if (r >= 0 && r < H && s >= 0 && s < W) sum += image[(r * W + s) * C] * w[(p * KW + q) * C * M + at.c];
        }
    y[i] = sum;
}

extern "C" __global__ void depthwise_conv2d_input_grad(
    const float* __restrict__ dy, const float* __restrict__ w, float* __restrict__ dx, int size, int H, int W, int C,
    int OH, int OW, int KH, int KW, int SH, int SW, int top, int left, int M) {
    int k = element();
    if (k >= size) return;
    Place at(k, H, W, C);
    float sum = 0;
    for_each_window(at, C, OH, OW, KH, KW, Plain{SH}, Plain{SW}, top, left, [&](int from, int cell) {
        for (int m = 0; m < M; ++m) sum += dy[from * M + m] * w[(cell * C + at.c) * M + m];
    });
    dx[k] = sum;
}

// parts (shares, KH, KW, C, M): share s sums the images s, s + shares, ..
extern "C" __global__ void depthwise_conv2d_weight_parts(
    const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ parts, int size, int H, int W, int C,
    int OH, int OW, int KH, int KW, int SH, int SW, int top, int left, int M, int N, int shares) {
    int k = element();
    if (k >= size) return;
    int weights = KH * KW * C * M, share = k / weights, weight = k % weights;
    int o = weight % (C * M), cell = weight / (C * M), p = cell / KW, q = cell % KW;
    float sum = 0;
    for (int n = share; n < N; n += shares)
        for (int i = 0; i < OH; ++i) {
            int r = i * SH - top + p;
            if (r < 0 || r >= H) continue;
            for (int j = 0; j < OW; ++j) {
                int s = j * SW - left + q;
                if (s >= 0 && s < W)
                    sum += x[((n * H + r) * W + s) * C + o / M] * dy[((n * OH + i) * OW + j) * C * M + o];
            }
        }
    parts[k] = sum;
}
