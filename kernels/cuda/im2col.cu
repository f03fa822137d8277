// im2col and col2im as arrays in memory: with a matrix product they are the readable convolution, algorithm="im2col".
//
//      x (one channel)       cols, window 2 x 2, stride 1
//      a b c                 a b d e
//      d e f       im2col    b c e f       one thread per element of cols; zeros outside the image
//      g h i       ----->    d e g h
//                  <-----    e f h i       one thread per pixel of x: it adds the cells that hold it, in their order
//                  col2im
//
// Not fast, and not meant to be: cols is KH KW times as large as x and goes to memory and back. The convolutions of
// conv.cu never write it; what they should give is what these give.
#include "common.cuh"

// cols (N OH OW, KH KW C), `size` elements.
extern "C" __global__ void im2col(
    const float* __restrict__ x, float* __restrict__ cols, int size, int H, int W, int C, int OH, int OW, int KH, int
    KW, int SH, int SW, int top, int left) {
    int k = element();
    if (k >= size) return;
    int rest = k, c = rest % C;
    rest /= C;
    int q = rest % KW;
    rest /= KW;
    int p = rest % KH;
    rest /= KH;
    int j = rest % OW;
    rest /= OW;
    int i = rest % OH, n = rest / OH;
    int h = i * SH - top + p, w = j * SW - left + q;
    cols[k] = h >= 0 && h < H && w >= 0 && w < W ? x[((n * H + h) * W + w) * C + c] : 0.f;
}

// x (N, H, W, C), `size` elements.
extern "C" __global__ void col2im(
    const float* __restrict__ cols, float* __restrict__ x, int size, int H, int W, int C, int OH, int OW, int KH, int
    KW, int SH, int SW, int top, int left) {
    int k = element();
    if (k >= size) return;
    int rest = k, c = rest % C;
    rest /= C;
    int w = rest % W + left;
    rest /= W;
    int h = rest % H + top, n = rest / H;
    float sum = 0;
    for (int p = 0; p < KH && p <= h; ++p)
        for (int q = 0; q < KW && q <= w; ++q) {
            int i = (h - p) / SH, j = (w - q) / SW;
            if (i * SH != h - p || j * SW != w - q || i >= OH || j >= OW) continue;
            sum += cols[((((n * OH + i) * OW + j) * KH + p) * KW + q) * C + c];
        }
    x[k] = sum;
}
