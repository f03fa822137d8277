// An affine map of every image of a batch, sampled bilinearly: one output value per thread.
//
// Output pixel (i, j) reads the four input pixels around (r, s) = M (i, j, 1), weighted by the areas opposite to them:
//
//      (r0, s0) ---- (r0, s1)       fr = r - r0,  fs = s - s0
//          |   . (r, s)  |          above = (1-fs) x[r0,s0] + fs x[r0,s1],  below = (1-fs) x[r1,s0] + fs x[r1,s1]
//      (r1, s0) ---- (r1, s1)       y = (1-fr) above + fr below
//
// Why it is fast enough: an augmented batch is a few hundred kilobytes, and its pixels stay in the L1 cache.
// Coordinates are in double, as everywhere (six operations per pixel): on GPUs with few double units this is what it
// costs.
#include "common.cuh"

// The input row (or column) that stands for `index`, which may lie anywhere: 0 .. size-1 in every case, NaN included.
__device__ __forceinline__ int edge(double index, int size, int fill_mode) {
    if (fill_mode == 2) {  // reflect, dcba|abcd|dcba: period 2 size
        index -= 2. * size * floor(index / (2. * size));
        index = fmin(index, 2. * size - 1 - index);
    } else if (fill_mode == 3) {  // wrap, abcd|abcd|abcd
        index -= size * floor(index / size);
    }
    return (int)fmax(0., fmin(index, size - 1.));  // nearest, constant; and whatever rounding or infinity left above
}

struct Frame {
    int H, W, C, fill_mode;
    float cval;
};

template <class Pixel>
__device__ __forceinline__ float pixel(const Pixel* image, const Frame& f, double row, double column, int c) {
    if (f.fill_mode == 1 && !(row >= 0 && row < f.H && column >= 0 && column < f.W)) return f.cval;
    return (float)image[(edge(row, f.H, f.fill_mode) * f.W + edge(column, f.W, f.fill_mode)) * f.C + c];
}

template <class Pixel>
__device__ __forceinline__ void affine_warp(const Pixel* images, const double* matrices, float* y, int size,
                                            const Frame& f, float scale, const int* order, const int* start) {
    int k = element();
    if (k >= size) return;
    int c = k % f.C, j = k / f.C % f.W, i = k / (f.C * f.W) % f.H, n = k / (f.C * f.W * f.H);
    if (order) n += *start;
    const double* m = matrices + 6 * n;
    double r = m[0] * i + m[1] * j + m[2], s = m[3] * i + m[4] * j + m[5];
    double r0 = floor(r), s0 = floor(s);
    float fr = (float)(r - r0), fs = (float)(s - s0);
    if (fabs(r) > 1e300) fr = 0;  // infinity - infinity
    if (fabs(s) > 1e300) fs = 0;
    const Pixel* image = images + (order ? order[n] : n) * f.H * f.W * f.C;
    float above = (1 - fs) * pixel(image, f, r0, s0, c) + fs * pixel(image, f, r0, s0 + 1, c);
    float below = (1 - fs) * pixel(image, f, r0 + 1, s0, c) + fs * pixel(image, f, r0 + 1, s0 + 1, c);
    y[k] = ((1 - fr) * above + fr * below) * scale;
}

// fill_mode: 0 nearest, 1 constant, 2 reflect, 3 wrap. Where `order` is not null, batch image n is number
// order[start + n] of `images`, under matrix start + n: a whole data set, and one epoch's matrices (see step.cu).
extern "C" __global__ void affine_warp_bytes(
    const unsigned char* __restrict__ images, const double* __restrict__ matrices, float* __restrict__ y, int size, int
    H, int W, int C, int fill_mode, float cval, float scale, const int* __restrict__ order, const int* __restrict__
    start) {
    affine_warp(images, matrices, y, size, {H, W, C, fill_mode, cval}, scale, order, start);
}

extern "C" __global__ void affine_warp_floats(
    const float* __restrict__ images, const double* __restrict__ matrices, float* __restrict__ y, int size, int H, int
    W, int C, int fill_mode, float cval, float scale, const int* __restrict__ order, const int* __restrict__ start) {
    affine_warp(images, matrices, y, size, {H, W, C, fill_mode, cval}, scale, order, start);
}
