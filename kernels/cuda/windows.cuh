// Where things are: the place of an element of (N, H, W, C), and the pooling windows that hold a pixel.
#pragma once
#include "common.cuh"

struct Place {  // n, row, column and channel of element i of an array (N, H, W, C)
    int n, h, w, c;
    __device__ __forceinline__ Place(int i, int H, int W, int C) {
        c = i % C;
        w = (i /= C) % W;
        h = (i /= W) % H;
        n = i / H;
    }
};

// Calls use(output element, cell) for every window that holds the pixel `at` of x, in row-major order.
template <class Use>
__device__ __forceinline__ void for_each_window(const Place& at, int C, int OH, int OW, int KH, int KW, int SH, int SW,
                                                int top, int left, Use use) {
    int h = at.h + top, w = at.w + left;  // in the padded image
    int first_i = h < KH ? 0 : (h - KH) / SH + 1, last_i = h / SH < OH - 1 ? h / SH : OH - 1;
    int first_j = w < KW ? 0 : (w - KW) / SW + 1, last_j = w / SW < OW - 1 ? w / SW : OW - 1;
    for (int i = first_i; i <= last_i; ++i)
        for (int j = first_j; j <= last_j; ++j)
            use(((at.n * OH + i) * OW + j) * C + at.c, (h - i * SH) * KW + (w - j * SW));
}
