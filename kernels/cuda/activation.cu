// ReLU, its gradient, bias gradients: one float per thread, in the order of memory.
//
//      block 0           block 1
//      x[0] ... x[255]   x[256] ... x[511]   ...
//
// Why it is fast: there is nothing to reuse, so the memory sets the pace; neighbouring threads touch neighbouring
// floats, and a warp's 128 bytes are one transaction. The bias gradient that follows a ReLU gradient in a layer's
// backward comes out of the same pass over memory; its sums go by the two stages of columns.cuh.
#include "columns.cuh"

// y = max(x, 0); NaN stays NaN.
extern "C" __global__ void relu(const float* __restrict__ x, float* __restrict__ y, int n) {
    int i = element();
    if (i < n) y[i] = rectify(x[i]);
}

// dx = dy where y > 0, else 0. Not a product: 0 times infinity is NaN.
extern "C" __global__ void relu_grad(
    const float* __restrict__ dy, const float* __restrict__ y, float* __restrict__ dx, int n) {
    int i = element();
    if (i < n) dx[i] = y[i] > 0 ? dy[i] : 0.f;
}

// y = erf(x), for gelu. C libraries own the short name.
extern "C" __global__ void error_function(const float* __restrict__ x, float* __restrict__ y, int n) {
    int i = element();
    if (i < n) y[i] = erff(x[i]);
}

// Bias gradients -----------------------------------------------------------------------------------------------------

// total (C,): sums of dy; parts (gridDim.y, C): of the rows of each block.
extern "C" __global__ void bias_parts(
    const float* __restrict__ dy, float* __restrict__ parts, float* __restrict__ total, unsigned* __restrict__ arrived, int rows, int C, int lanes) {
    __shared__ float shared[BLOCK];
    Share share(rows, C, 1, lanes);
    float sum = 0;
    for (int r = share.first; r < share.last; r += share.step) sum += dy[share.at(r)];
    sum = block_sum(shared, sum, share);
    if (share.writes()) parts[share.part()] = sum;
    add_parts(shared, share, parts, total, 1, arrived);
}

// The same for dx = scale dy where y > 0, else 0, which it also writes.
extern "C" __global__ void relu_bias_parts(
    const float* __restrict__ dy, const float* __restrict__ y, float* __restrict__ dx, float* __restrict__ parts, float* __restrict__ total, unsigned* __restrict__ arrived, int
    rows, int C, int lanes, float scale) {
    __shared__ float shared[BLOCK];
    Share share(rows, C, 1, lanes);
    float sum = 0;
    for (int r = share.first; r < share.last; r += share.step) {
        int i = share.at(r);
        float flows = y[i] > 0 ? dy[i] * scale : 0.f;
        dx[i] = flows;
        sum += flows;
    }
    sum = block_sum(shared, sum, share);
    if (share.writes()) parts[share.part()] = sum;
    add_parts(shared, share, parts, total, 1, arrived);
}
