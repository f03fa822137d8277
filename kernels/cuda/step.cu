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
#include "columns.cuh"
#include "parts.cuh"
#include "softmax.cuh"

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

// Of two values with their places: the greater, the first on ties; NaN is greater than all.
struct Best {
    float value;
    int place;
    __device__ __forceinline__ void meet(float other, int there) {
        bool mine = value != value, its = other != other;
        bool less = its ? !mine : !mine && value < other, ties = its ? mine : !mine && value == other;
        if (less || (ties && there < place)) value = other, place = there;
    }
};

// Blocks of 256 along y, a row of outputs (N, K) per warp; the last one to end adds. losses[now] = loss; right[now] = in
// how many rows the greatest stands where answers[row] says.
// logits: of the softmax of outputs, which may tie where they do not. outputs null: nobody asks. counts (gridDim.y,)
extern "C" __global__ void end_step(
    int* __restrict__ progress, const float* __restrict__ loss, const float* __restrict__ outputs, const int*
    __restrict__ answers, const int* __restrict__ order, const int* __restrict__ start, int N, int K, int logits,
    float* __restrict__ counts, unsigned* __restrict__ arrived, float* __restrict__ losses, int* __restrict__ right) {
    __shared__ float sums[BLOCK / 32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float count = 0;  // exact up to 2^24
    for (int n = blockIdx.y * (BLOCK / 32) + warp; n < N; n += gridDim.y * (BLOCK / 32)) {
        const float* row = outputs + n * K;
        Best best = {__uint_as_float(0xff800000u), K};  // minus infinity, and no place
        if (logits) {
            Softmax of(row, K, lane);
            for (int k = lane; k < K; k += 32) best.meet(of(row[k]), k);
        } else {
            for (int k = lane; k < K; k += 32) best.meet(row[k], k);
        }
        for (int step = 16; step; step /= 2) {
            float value = __shfl_xor_sync(ALL, best.value, step);
            best.meet(value, __shfl_xor_sync(ALL, best.place, step));
        }
        count += best.place == answers[order[*start + n]];
    }
    if (lane == 0) sums[warp] = count;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < BLOCK / 32; ++w) count += sums[w];
        counts[blockIdx.y] = count;
    }
    if (!last_block(arrived)) return;
    count = 0;
    for (int k = threadIdx.x; k < gridDim.y; k += BLOCK) count += __ldcg(counts + k);
    count = warp_sum(count);
    if (lane == 0) sums[warp] = count;
    __syncthreads();
    if (threadIdx.x) return;
    for (int w = 1; w < BLOCK / 32; ++w) count += sums[w];
    int now = progress[NOW];
    losses[now] = *loss;
    right[now] = (int)count;
    if (!(fabsf(*loss) <= 3.402823466e38f) && progress[BAD] < 0) progress[BAD] = now;
    progress[DONE] = now + 1;
}

// Up to 32 pairs of arrays in one launch, their blocks one pair behind the other: a graph pays for launches -------

struct Pair {
    float* to;
    const float* from;
    int n, parts;
    float keep, take;
};

// to (n,) = keep to + take from, where `from` is null keep to. With a keep of 0 nobody looks what `to` held.
// parts > 1: from (parts, n) is a split sum, which is added first (parts.cuh), by a block for each 32 of n, not 256.
extern "C" __global__ void blend_pairs(
    float* __restrict__ to_0, const float* __restrict__ from_0, int n_0, int parts_0, float keep_0, float take_0,
    float* __restrict__ to_1, const float* __restrict__ from_1, int n_1, int parts_1, float keep_1, float take_1,
    float* __restrict__ to_2, const float* __restrict__ from_2, int n_2, int parts_2, float keep_2, float take_2,
    float* __restrict__ to_3, const float* __restrict__ from_3, int n_3, int parts_3, float keep_3, float take_3,
    float* __restrict__ to_4, const float* __restrict__ from_4, int n_4, int parts_4, float keep_4, float take_4,
    float* __restrict__ to_5, const float* __restrict__ from_5, int n_5, int parts_5, float keep_5, float take_5,
    float* __restrict__ to_6, const float* __restrict__ from_6, int n_6, int parts_6, float keep_6, float take_6,
    float* __restrict__ to_7, const float* __restrict__ from_7, int n_7, int parts_7, float keep_7, float take_7,
    float* __restrict__ to_8, const float* __restrict__ from_8, int n_8, int parts_8, float keep_8, float take_8,
    float* __restrict__ to_9, const float* __restrict__ from_9, int n_9, int parts_9, float keep_9, float take_9,
    float* __restrict__ to_10, const float* __restrict__ from_10, int n_10, int parts_10, float keep_10, float take_10,
    float* __restrict__ to_11, const float* __restrict__ from_11, int n_11, int parts_11, float keep_11, float take_11,
    float* __restrict__ to_12, const float* __restrict__ from_12, int n_12, int parts_12, float keep_12, float take_12,
    float* __restrict__ to_13, const float* __restrict__ from_13, int n_13, int parts_13, float keep_13, float take_13,
    float* __restrict__ to_14, const float* __restrict__ from_14, int n_14, int parts_14, float keep_14, float take_14,
    float* __restrict__ to_15, const float* __restrict__ from_15, int n_15, int parts_15, float keep_15, float take_15,
    float* __restrict__ to_16, const float* __restrict__ from_16, int n_16, int parts_16, float keep_16, float take_16,
    float* __restrict__ to_17, const float* __restrict__ from_17, int n_17, int parts_17, float keep_17, float take_17,
    float* __restrict__ to_18, const float* __restrict__ from_18, int n_18, int parts_18, float keep_18, float take_18,
    float* __restrict__ to_19, const float* __restrict__ from_19, int n_19, int parts_19, float keep_19, float take_19,
    float* __restrict__ to_20, const float* __restrict__ from_20, int n_20, int parts_20, float keep_20, float take_20,
    float* __restrict__ to_21, const float* __restrict__ from_21, int n_21, int parts_21, float keep_21, float take_21,
    float* __restrict__ to_22, const float* __restrict__ from_22, int n_22, int parts_22, float keep_22, float take_22,
    float* __restrict__ to_23, const float* __restrict__ from_23, int n_23, int parts_23, float keep_23, float take_23,
    float* __restrict__ to_24, const float* __restrict__ from_24, int n_24, int parts_24, float keep_24, float take_24,
    float* __restrict__ to_25, const float* __restrict__ from_25, int n_25, int parts_25, float keep_25, float take_25,
    float* __restrict__ to_26, const float* __restrict__ from_26, int n_26, int parts_26, float keep_26, float take_26,
    float* __restrict__ to_27, const float* __restrict__ from_27, int n_27, int parts_27, float keep_27, float take_27,
    float* __restrict__ to_28, const float* __restrict__ from_28, int n_28, int parts_28, float keep_28, float take_28,
    float* __restrict__ to_29, const float* __restrict__ from_29, int n_29, int parts_29, float keep_29, float take_29,
    float* __restrict__ to_30, const float* __restrict__ from_30, int n_30, int parts_30, float keep_30, float take_30,
    float* __restrict__ to_31, const float* __restrict__ from_31, int n_31, int parts_31, float keep_31, float take_31) {
    const Pair pairs[] = {
        {to_0, from_0, n_0, parts_0, keep_0, take_0}, {to_1, from_1, n_1, parts_1, keep_1, take_1},
        {to_2, from_2, n_2, parts_2, keep_2, take_2}, {to_3, from_3, n_3, parts_3, keep_3, take_3},
        {to_4, from_4, n_4, parts_4, keep_4, take_4}, {to_5, from_5, n_5, parts_5, keep_5, take_5},
        {to_6, from_6, n_6, parts_6, keep_6, take_6}, {to_7, from_7, n_7, parts_7, keep_7, take_7},
        {to_8, from_8, n_8, parts_8, keep_8, take_8}, {to_9, from_9, n_9, parts_9, keep_9, take_9},
        {to_10, from_10, n_10, parts_10, keep_10, take_10}, {to_11, from_11, n_11, parts_11, keep_11, take_11},
        {to_12, from_12, n_12, parts_12, keep_12, take_12}, {to_13, from_13, n_13, parts_13, keep_13, take_13},
        {to_14, from_14, n_14, parts_14, keep_14, take_14}, {to_15, from_15, n_15, parts_15, keep_15, take_15},
        {to_16, from_16, n_16, parts_16, keep_16, take_16}, {to_17, from_17, n_17, parts_17, keep_17, take_17},
        {to_18, from_18, n_18, parts_18, keep_18, take_18}, {to_19, from_19, n_19, parts_19, keep_19, take_19},
        {to_20, from_20, n_20, parts_20, keep_20, take_20}, {to_21, from_21, n_21, parts_21, keep_21, take_21},
        {to_22, from_22, n_22, parts_22, keep_22, take_22}, {to_23, from_23, n_23, parts_23, keep_23, take_23},
        {to_24, from_24, n_24, parts_24, keep_24, take_24}, {to_25, from_25, n_25, parts_25, keep_25, take_25},
        {to_26, from_26, n_26, parts_26, keep_26, take_26}, {to_27, from_27, n_27, parts_27, keep_27, take_27},
        {to_28, from_28, n_28, parts_28, keep_28, take_28}, {to_29, from_29, n_29, parts_29, keep_29, take_29},
        {to_30, from_30, n_30, parts_30, keep_30, take_30}, {to_31, from_31, n_31, parts_31, keep_31, take_31},
    };
    __shared__ float shared[32 * ADD_WARPS];
    Pair pair = {};
    int block = blockIdx.x, own = 0;
#pragma unroll
    for (int k = 0; k < 32; ++k) {
        int each = pairs[k].parts > 1 ? 32 : blockDim.x, blocks = (pairs[k].n + each - 1) / each;
        if (block >= 0 && block < blocks) pair = pairs[k], own = block;
        block -= blocks;
    }
    int i = own * blockDim.x + threadIdx.x;
    float value = 0;
    if (pair.parts > 1) {
        i = own * 32 + threadIdx.x;
        value = sum_of_parts(shared, pair.from, pair.parts, pair.n, own * 32 + threadIdx.x % 32);
        if (threadIdx.x >= 32) return;
    }
    if (i >= pair.n) return;
    if (pair.parts <= 1 && pair.from) value = pair.from[i];
    value *= pair.take;
    pair.to[i] = pair.keep == 0 ? value : pair.to[i] * pair.keep + value;
}
