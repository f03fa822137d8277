// Softmax, and softmax with cross-entropy and its gradient: one row per warp.
//
//      row n:  z[0] .. z[K-1]       lane l holds z[l], z[l + 32], ..       max, then sum, by pairs of lanes
//
// Why it is fast: a row of K = 10 classes fits in one warp, whose lanes exchange registers, so there is no shared
// memory and no barrier; loss and gradient come from one reading. The logarithm is taken of the sum, never of a rounded
// probability: it is finite for any finite z.
#include "columns.cuh"
#include "softmax.cuh"

// p = exp(z - max z) / sum exp(z - max z)
extern "C" __global__ void softmax(const float* __restrict__ z, float* __restrict__ p, int N, int K) {
    int lane, n = warp_and_lane(lane);
    if (n >= N) return;  // the whole warp
    z += n * K, p += n * K;
    Softmax of(z, K, lane);
    for (int k = lane; k < K; k += 32) p[k] = of(z[k]);
}

// loss = - sum t log softmax(z), in every lane; dz = scale (softmax(z) sum t - t)
__device__ __forceinline__ float cross_entropy(const float* z, const float* t, float* dz, int K, int lane,
                                               float scale) {
    Softmax of(z, K, lane);
    float weight = 0, lost = 0, log_sum = logf(of.sum);
    for (int k = lane; k < K; k += 32) weight += t[k];
    weight = warp_sum(weight);
    for (int k = lane; k < K; k += 32) {
        lost += t[k] * ((z[k] - of.greatest) - log_sum);
        dz[k] = (of(z[k]) * weight - t[k]) * scale;
    }
    return -warp_sum(lost);
}

extern "C" __global__ void softmax_cross_entropy(
    const float* __restrict__ z, const float* __restrict__ t, float* __restrict__ loss, float* __restrict__ dz, int N,
    int K) {
    int lane, n = warp_and_lane(lane);
    if (n >= N) return;
    float lost = cross_entropy(z + n * K, t + n * K, dz + n * K, K, lane, 1);
    if (lane == 0) loss[n] = lost;
}

// total = scale times the sum of loss (N,), and dz for total. Blocks along y; the last one to end adds.
extern "C" __global__ void summed_cross_entropy(
    const float* __restrict__ z, const float* __restrict__ t, float* __restrict__ loss, float* __restrict__ total,
    float* __restrict__ dz, unsigned* __restrict__ arrived, int N, int K, float scale) {
    __shared__ float sums[BLOCK / 32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int n = blockIdx.y * (BLOCK / 32) + warp; n < N; n += gridDim.y * (BLOCK / 32)) {
        float lost = cross_entropy(z + n * K, t + n * K, dz + n * K, K, lane, scale);
        if (lane == 0) loss[n] = lost;
    }
    if (!last_block(arrived)) return;
    float sum = 0;
    for (int n = threadIdx.x; n < N; n += BLOCK) sum += __ldcg(loss + n);
    sum = warp_sum(sum);
    if (lane == 0) sums[warp] = sum;
    __syncthreads();
    if (threadIdx.x) return;
    for (int w = 1; w < BLOCK / 32; ++w) sum += sums[w];
    *total = sum * scale;
}
