// One row z[0] .. z[K-1] per warp: lane l holds z[l], z[l + 32], ..       max, then sum, by pairs of lanes
#pragma once
#include "common.cuh"

// softmax of z[k] is expf(z[k] - greatest) / sum
struct Softmax {
    float greatest, sum;
    __device__ __forceinline__ Softmax(const float* z, int K, int lane) : greatest(z[0]), sum(0) {
        for (int k = lane; k < K; k += 32) greatest = fmaxf(greatest, z[k]);
        greatest = warp_max(greatest);
        for (int k = lane; k < K; k += 32) sum += expf(z[k] - greatest);
        sum = warp_sum(sum);
    }
    __device__ __forceinline__ float operator()(float z) const { return expf(z - greatest) / sum; }
};
