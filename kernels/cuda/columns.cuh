// Sums over all axes of an array but one, in two stages of one launch.
//
//      x as rows of channels (B = 1)                       stage 1: a block sums its share of the rows
//         c ->  0 1 2 .. 31 | 32 ..                                 thread (c, l) rows l, l + L, l + 2L, ..
//      rows     . . .    .  |                                       then a tree over l in shared memory
//        |      . . .    .  |  block (0, 0), (1, 0) ..               -> parts[block][c]
//        v      ------------+
//               . . .    .  |  block (0, 1) ..             stage 2: the column's last block to end adds its parts
//
// With B > 1 a block has one channel, and its threads lie along the rows (a, b), so that reads are neighbours again.
//
// Why it is fast: each pass reads its arrays once, a warp 128 neighbouring bytes at a time, and everything that can be
// summed or written in that pass is. Shares and trees depend on the shape alone: the same bytes in every run.
#pragma once
#include "common.cuh"

constexpr int BLOCK = 256;

// Which channel and which rows a thread of stage 1 has. lanes: threads side by side over channels, a power of 2.
struct Share {
    int c, first, last, step, y, channels;  // channel; rows first, first + step, .. < last; its place l in the block
    const int C, B;
    __device__ __forceinline__ Share(int rows, int C, int B, int lanes) : C(C), B(B) {
        channels = lanes;
        c = blockIdx.x * lanes + threadIdx.x % lanes;
        y = threadIdx.x / lanes;
        step = BLOCK / lanes;
        int each = (rows + gridDim.y - 1) / gridDim.y;
        first = blockIdx.y * each + y;
        last = (blockIdx.y + 1) * each < rows ? (blockIdx.y + 1) * each : rows;
        if (c >= C) last = 0;  // nothing to do, but the barriers are for all
    }
    // The place in memory of row r = a B + b.
    __device__ __forceinline__ int at(int r) const { return B == 1 ? r * C + c : (r / B * C + c) * B + r % B; }
    // Whether this thread writes its channel's part, and where.
    __device__ __forceinline__ bool writes() const { return y == 0 && c < C; }
    __device__ __forceinline__ int part() const { return blockIdx.y * C + c; }
};

// The sum of v over the threads of a channel, in thread (c, 0).
__device__ __forceinline__ float block_sum(float* shared, float v, const Share& share) {
    shared[threadIdx.x] = v;
    __syncthreads();
    for (int half = share.step / 2; half; half /= 2) {
        if (share.y < half) shared[threadIdx.x] += shared[threadIdx.x + half * share.channels];
        __syncthreads();
    }
    return shared[threadIdx.x];
}

// Whether this block is the last of its column, blockIdx.x, to come here: it then sees what the others wrote before.
// arrived: a zero per column, and zero again afterwards. Launches that share it have to follow each other.
// Source: NVIDIA, CUDA C++ Programming Guide, "Memory fence functions", whose example this is.
__device__ __forceinline__ bool last_block(unsigned* arrived) {
    __shared__ int last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) last = atomicInc(arrived + blockIdx.x, gridDim.y - 1) == gridDim.y - 1;
    __syncthreads();
    __threadfence();
    return last;
}

// Stage 2: total[s][c] = the sum over k of parts[s][k][c], in the same order whichever block is the last.
__device__ __forceinline__ void add_parts(float* shared, const Share& share, const float* parts, float* total,
                                          int planes, unsigned* arrived) {
    if (!last_block(arrived)) return;
    int count = gridDim.y;
    for (int s = 0; s < planes; ++s) {
        float sum = 0;
        if (share.c < share.C)
            for (int k = share.y; k < count; k += share.step) sum += __ldcg(parts + (s * count + k) * share.C + share.c);
        sum = block_sum(shared, sum, share);
        if (share.writes()) total[s * share.C + share.c] = sum;
    }
}
