// Where things are: the place of an element of (N, H, W, C), and the pooling windows that hold a pixel.
#pragma once
#include "common.cuh"

struct Place {  // n, row, column and channel of element i of an array (N, H, W, C)
    int n, h, w, c;
    Place() = default;
    __device__ __forceinline__ Place(int i, int H, int W, int C) {
        c = i % C;
        w = (i /= C) % W;
        h = (i /= W) % H;
        n = i / H;
    }
};

struct Places {  // the same for many pixels of one array, whose channel is known: two multiplications each
    Divisor by_W, by_H;
    __device__ __forceinline__ Places(int H, int W) : by_W(W), by_H(H) {}
    __device__ __forceinline__ Place operator()(int pixel, int c) const {
        Place at;
        at.n = by_H.divide(by_W.divide(pixel, at.w), at.h);
        at.c = c;
        return at;
    }
};

// Calls use(output element, cell) for every window that holds the pixel `at` of x, in row-major order.
// by_SH, by_SW divide by the strides: Divisor, or Plain where it is done once.
struct Plain {
    int d;
    __device__ __forceinline__ int quotient(int n) const { return n / d; }
};

template <class By, class Use>
__device__ __forceinline__ void for_each_window(const Place& at, int C, int OH, int OW, int KH, int KW, const By& by_SH,
                                                const By& by_SW, int top, int left, Use use) {
    int SH = by_SH.d, SW = by_SW.d;
    int h = at.h + top, w = at.w + left;  // in the padded image
    int i = by_SH.quotient(h), j = by_SW.quotient(w);
    int first_i = h < KH ? 0 : by_SH.quotient(h - KH) + 1, last_i = i < OH - 1 ? i : OH - 1;
    int first_j = w < KW ? 0 : by_SW.quotient(w - KW) + 1, last_j = j < OW - 1 ? j : OW - 1;
    for (i = first_i; i <= last_i; ++i)
        for (j = first_j; j <= last_j; ++j)
            use(((at.n * OH + i) * OW + j) * C + at.c, (h - i * SH) * KW + (w - j * SW));
}
