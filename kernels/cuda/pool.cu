// Pooling and its gradients: forward one output per thread, backward one input per thread.
//
//      x, channels last        window 2 x 2, stride 2            y
//      a0 a1 .. | b0 b1 ..     thread c reads ac bc dc ec        max(a0, b0, d0, e0), max(a1, b1, d1, e1), ..
//      d0 d1 .. | e0 e1 ..     (neighbouring threads:
//                               neighbouring channels)
//
// Why it is fast: all reads and writes of a warp are of neighbouring channels, and windows that overlap meet in the
// cache. The gradients gather: an input pixel looks up the windows that hold it and adds, in their order, what they
// send. Nothing is written twice, so there are no atomics and the sum has one order.
#include "philox.cuh"
#include "windows.cuh"

struct Norm {  // batch normalisation of one channel, or none
    bool there;
    float mean, scale, beta;
    __device__ __forceinline__ Norm(const float* means, const float* var, const float* gamma, const float* betas,
                                    float eps, int c)
        : there(means) {
        if (there) mean = means[c], scale = gamma[c] * (1.f / sqrtf(var[c] + eps)), beta = betas[c];
    }
    __device__ __forceinline__ float operator()(float x) const { return there ? (x - mean) * scale + beta : x; }
};

// Max pooling of x, or where `mean` is not null of batch_norm(x), which is then never in memory.
// argmax: the winning cell p KW + q, the first on ties; NaN wins over all. Where the word of the output's element is
// below `threshold` (dropout: 2^32 times the rate, 0 for none) y is 0 and argmax KH KW.
template <class Index>
__device__ __forceinline__ void max_pool(const float* x, float* y, Index* argmax, int size, int H, int W, int C, int OH,
                                         int OW, int KH, int KW, int SH, int SW, int top, int left,
                                         unsigned long long threshold, float scale, unsigned seed_low,
                                         unsigned seed_high, unsigned step, unsigned stream, unsigned first,
                                         const unsigned* device_step, const float* mean, const float* var,
                                         const float* gamma, const float* beta, float eps) {
    int i = element();
    if (i >= size) return;
    Place at(i, OH, OW, C);
    Norm norm(mean, var, gamma, beta, eps, at.c);
    int row = at.h * SH - top, column = at.w * SW - left;
    const float* image = x + at.n * H * W * C + at.c;
    int winner = -1;
    float best = 0;
    for (int p = 0; p < KH; ++p)
        for (int q = 0; q < KW; ++q) {
            int r = row + p, s = column + q;
            if (r < 0 || r >= H || s < 0 || s >= W) continue;
            float value = norm(image[(r * W + s) * C]);
            if (winner < 0 || value > best || (value != value && best == best)) {
                winner = p * KW + q;
                best = value;
            }
        }
    if (threshold) {
        unsigned word = philox_word(4 * first + i, device_step ? *device_step : step, stream, seed_low, seed_high);
        bool kept = word >= threshold;
        best = kept ? best * scale : 0.f;
        winner = kept ? winner : KH * KW;
    }
    y[i] = best;
    argmax[i] = (Index)winner;
}

// One byte per output for windows of at most 255 cells.
extern "C" __global__ void max_pool_small(
    const float* __restrict__ x, float* __restrict__ y, unsigned char* __restrict__ argmax, int size, int H, int W, int
    C, int OH, int OW, int KH, int KW, int SH, int SW, int top, int left, unsigned long long threshold, float scale,
    unsigned seed_low, unsigned seed_high, unsigned step, unsigned stream, unsigned first, const
    unsigned* __restrict__ device_step, const float* __restrict__ mean, const float* __restrict__ var, const float*
    __restrict__ gamma, const float* __restrict__ beta, float eps) {
    max_pool(x, y, argmax, size, H, W, C, OH, OW, KH, KW, SH, SW, top, left, threshold, scale, seed_low, seed_high,
             step, stream, first, device_step, mean, var, gamma, beta, eps);
}

extern "C" __global__ void max_pool_large(
    const float* __restrict__ x, float* __restrict__ y, int* __restrict__ argmax, int size, int H, int W, int C, int OH,
    int OW, int KH, int KW, int SH, int SW, int top, int left, unsigned long long threshold, float scale, unsigned
    seed_low, unsigned seed_high, unsigned step, unsigned stream, unsigned first, const unsigned* __restrict__
    device_step, const float* __restrict__ mean, const float* __restrict__ var, const float* __restrict__ gamma, const
    float* __restrict__ beta, float eps) {
    max_pool(x, y, argmax, size, H, W, C, OH, OW, KH, KW, SH, SW, top, left, threshold, scale, seed_low, seed_high,
             step, stream, first, device_step, mean, var, gamma, beta, eps);
}

template <class Index>
__device__ __forceinline__ void max_pool_grad(const float* dy, const Index* argmax, float* dx, int size, int H, int W,
                                              int C, int OH, int OW, int KH, int KW, int SH, int SW, int top, int left,
                                              float scale) {
    int k = element();
    if (k >= size) return;
    float sum = 0;
    for_each_window(Place(k, H, W, C), C, OH, OW, KH, KW, Plain{SH}, Plain{SW}, top, left, [&](int from, int cell) {
        if (argmax[from] == cell) sum += dy[from] * scale;
    });
    dx[k] = sum;
}

extern "C" __global__ void max_pool_grad_small(
    const float* __restrict__ dy, const unsigned char* __restrict__ argmax, float* __restrict__ dx, int size, int H, int
    W, int C, int OH, int OW, int KH, int KW, int SH, int SW, int top, int left, float scale) {
    max_pool_grad(dy, argmax, dx, size, H, W, C, OH, OW, KH, KW, SH, SW, top, left, scale);
}

extern "C" __global__ void max_pool_grad_large(
    const float* __restrict__ dy, const int* __restrict__ argmax, float* __restrict__ dx, int size, int H, int W, int C,
    int OH, int OW, int KH, int KW, int SH, int SW, int top, int left, float scale) {
    max_pool_grad(dy, argmax, dx, size, H, W, C, OH, OW, KH, KW, SH, SW, top, left, scale);
}

// How many of the K cells from `first` on lie inside 0 .. size-1.
__device__ __forceinline__ int inside(int first, int K, int size) {
    int from = first < 0 ? 0 : first, to = first + K > size ? size : first + K;
    return to - from;
}

// y = the mean over the window's cells inside the image.
extern "C" __global__ void average_pool(
    const float* __restrict__ x, float* __restrict__ y, int size, int H, int W, int C, int OH, int OW, int KH, int KW,
    int SH, int SW, int top, int left) {
    int i = element();
    if (i >= size) return;
    Place at(i, OH, OW, C);
    int row = at.h * SH - top, column = at.w * SW - left;
    const float* image = x + at.n * H * W * C + at.c;
    float sum = 0;
    for (int r = row; r < row + KH; ++r)
        for (int s = column; s < column + KW; ++s)
            if (r >= 0 && r < H && s >= 0 && s < W) sum += image[(r * W + s) * C];
    y[i] = sum / (float)(inside(row, KH, H) * inside(column, KW, W));
}

extern "C" __global__ void average_pool_grad(
    const float* __restrict__ dy, float* __restrict__ dx, int size, int H, int W, int C, int OH, int OW, int KH, int KW,
    int SH, int SW, int top, int left) {
    int k = element();
    if (k >= size) return;
    float sum = 0;
    for_each_window(Place(k, H, W, C), C, OH, OW, KH, KW, Plain{SH}, Plain{SW}, top, left, [&](int from, int) {
        Place window(from, OH, OW, C);
        int cells = inside(window.h * SH - top, KH, H) * inside(window.w * SW - left, KW, W);
        sum += dy[from] / (float)cells;
    });
    dx[k] = sum;
}
