// The parts of a split sum, added in their order: the same bytes in every run.
#pragma once
#include "common.cuh"

constexpr int ADD_WARPS = 8;  // of a block of 256

// The sum over k of parts (count, size)[k][i], for 32 neighbouring i: in the block's first warp, lane by lane. Parts are
// many where outputs are few, so 8 warps share 32 outputs: warp l adds parts l, l + 8, .., and their sums are added in
// the order of l. For all threads of a block.
__device__ __forceinline__ float sum_of_parts(float* shared, const float* parts, int count, int size, int i) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float sum = 0;
    if (i < size) {
#pragma unroll 4
        for (int k = warp; k < count; k += ADD_WARPS) sum += parts[(long long)k * size + i];
    }
    shared[threadIdx.x] = sum;
    __syncthreads();
    if (warp == 0)
        for (int l = 1; l < ADD_WARPS; ++l) sum += shared[32 * l + lane];
    return sum;
}
