// A training step that no host watches: what changes from step to step is read from tables that lie on the device.
//
//      once per epoch    order   the rows of the data set in the order of their turn
//                        starts, counters, rates    row k belongs to step k: its first place in `order`, its random
//                                                   counter, what the optimizer needs
//      every step        begin_step  progress -> k; row k goes to fixed places, where the step's kernels look for it
//                        gather    the batch's rows, through `order`
//                        ...       forward, backward, update
//                        end_step  loss and right answers go to row k of two more tables
//
// So a step is the same list of launches with the same arguments every time, and a whole epoch can be queued at once.
// Why it is fast enough: all of it is a few kilobytes, in launches of one block; gather is one read and one write.
#include "common.cuh"

// progress: the next step's number, this step's, how many are finished, and the first whose loss was not finite or -1.
constexpr int NEXT = 0, NOW = 1, DONE = 2, BAD = 3;

// One block. rates (steps, R), rate (R,).
extern "C" __global__ void begin_step(
    int* __restrict__ progress, const unsigned* __restrict__ counters, const int* __restrict__ starts, const float*
    __restrict__ rates, int R, unsigned* __restrict__ counter, int* __restrict__ start, float* __restrict__ rate) {
    int k = progress[NEXT];
    __syncthreads();  // all have read it
    for (int i = threadIdx.x; i < R; i += blockDim.x) rate[i] = rates[k * R + i];
    if (threadIdx.x) return;
    progress[NOW] = k;
    progress[NEXT] = k + 1;
    *counter = counters[k];
    *start = starts[k];
}

template <class T>
__device__ __forceinline__ void gather(const T* rows, const int* order, const int* start, float* y, int size,
                                       int width) {
    int i = element();
    if (i < size) y[i] = (float)rows[order[*start + i / width] * width + i % width];
}

// y (N, width): the rows order[start], order[start + 1], .. of `rows`; size = N width.
extern "C" __global__ void gather_floats(
    const float* __restrict__ rows, const int* __restrict__ order, const int* __restrict__ start, float* __restrict__ y,
    int size, int width) {
    gather(rows, order, start, y, size, width);
}

extern "C" __global__ void gather_bytes(
    const unsigned char* __restrict__ rows, const int* __restrict__ order, const int* __restrict__ start, float*
    __restrict__ y, int size, int width) {
    gather(rows, order, start, y, size, width);
}

// Number of the greatest of K, the first on ties; NaN is greater than all.
__device__ __forceinline__ int greatest(const float* row, int K) {
    int best = 0;
    for (int k = 1; k < K; ++k)
        if (row[k] > row[best] || (row[k] != row[k] && row[best] == row[best])) best = k;
    return best;
}

// One block of 256. losses[now] = loss; right[now] = how many rows of outputs (N, K) are greatest where answers[row]
// says. outputs null: nobody asks.
extern "C" __global__ void end_step(
    int* __restrict__ progress, const float* __restrict__ loss, const float* __restrict__ outputs, const int*
    __restrict__ answers, const int* __restrict__ order, const int* __restrict__ start, int N, int K, float*
    __restrict__ losses, int* __restrict__ right) {
    __shared__ float sums[8];
    float count = 0;  // exact up to 2^24
    if (outputs)
        for (int n = threadIdx.x; n < N; n += blockDim.x)
            count += greatest(outputs + n * K, K) == answers[order[*start + n]];
    count = warp_sum(count);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = count;
    __syncthreads();
    if (threadIdx.x) return;
    for (int w = 1; w < 8; ++w) count += sums[w];
    int now = progress[NOW];
    losses[now] = *loss;
    right[now] = (int)count;
    if (!(fabsf(*loss) <= 3.402823466e38f) && progress[BAD] < 0) progress[BAD] = now;
    progress[DONE] = now + 1;
}

// Up to 24 pairs of arrays in one launch, their blocks one pair behind the other: a graph pays for launches -------

struct Pair {
    float* to;
    const float* from;
    int n;
};

// to = to momentum + from rest, where `from` is null 0 rest. With a momentum of 0 nobody looks what `to` held.
extern "C" __global__ void blend_pairs(
    float* __restrict__ to_0, const float* __restrict__ from_0, int n_0, float* __restrict__ to_1, const float* __restrict__ from_1, int n_1,
    float* __restrict__ to_2, const float* __restrict__ from_2, int n_2, float* __restrict__ to_3, const float* __restrict__ from_3, int n_3,
    float* __restrict__ to_4, const float* __restrict__ from_4, int n_4, float* __restrict__ to_5, const float* __restrict__ from_5, int n_5,
    float* __restrict__ to_6, const float* __restrict__ from_6, int n_6, float* __restrict__ to_7, const float* __restrict__ from_7, int n_7,
    float* __restrict__ to_8, const float* __restrict__ from_8, int n_8, float* __restrict__ to_9, const float* __restrict__ from_9, int n_9,
    float* __restrict__ to_10, const float* __restrict__ from_10, int n_10, float* __restrict__ to_11, const float* __restrict__ from_11, int n_11,
    float* __restrict__ to_12, const float* __restrict__ from_12, int n_12, float* __restrict__ to_13, const float* __restrict__ from_13, int n_13,
    float* __restrict__ to_14, const float* __restrict__ from_14, int n_14, float* __restrict__ to_15, const float* __restrict__ from_15, int n_15,
    float* __restrict__ to_16, const float* __restrict__ from_16, int n_16, float* __restrict__ to_17, const float* __restrict__ from_17, int n_17,
    float* __restrict__ to_18, const float* __restrict__ from_18, int n_18, float* __restrict__ to_19, const float* __restrict__ from_19, int n_19,
    float* __restrict__ to_20, const float* __restrict__ from_20, int n_20, float* __restrict__ to_21, const float* __restrict__ from_21, int n_21,
    float* __restrict__ to_22, const float* __restrict__ from_22, int n_22, float* __restrict__ to_23, const float* __restrict__ from_23, int n_23,
    float momentum, float rest) {
    const Pair pairs[] = {
        {to_0, from_0, n_0}, {to_1, from_1, n_1}, {to_2, from_2, n_2}, {to_3, from_3, n_3},
        {to_4, from_4, n_4}, {to_5, from_5, n_5}, {to_6, from_6, n_6}, {to_7, from_7, n_7},
        {to_8, from_8, n_8}, {to_9, from_9, n_9}, {to_10, from_10, n_10}, {to_11, from_11, n_11},
        {to_12, from_12, n_12}, {to_13, from_13, n_13}, {to_14, from_14, n_14}, {to_15, from_15, n_15},
        {to_16, from_16, n_16}, {to_17, from_17, n_17}, {to_18, from_18, n_18}, {to_19, from_19, n_19},
        {to_20, from_20, n_20}, {to_21, from_21, n_21}, {to_22, from_22, n_22}, {to_23, from_23, n_23},
    };
    Pair pair = {};
    int block = blockIdx.x, i = 0;
#pragma unroll
    for (int k = 0; k < 24; ++k) {
        int own = (pairs[k].n + blockDim.x - 1) / blockDim.x;
        if (block >= 0 && block < own) pair = pairs[k], i = block * blockDim.x + threadIdx.x;
        block -= own;
    }
    if (i >= pair.n) return;
    float value = pair.from ? pair.from[i] * rest : 0.f;
    pair.to[i] = momentum == 0 ? value : pair.to[i] * momentum + value;
}
