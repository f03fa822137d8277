// Softmax, and softmax with cross-entropy and its gradient: one row per warp.
//
//      row n:  z[0] .. z[K-1]       lane l holds z[l], z[l + 32], ..       max, then sum, by pairs of lanes
//
// Why it is fast: a row of K = 10 classes fits in one warp, whose lanes exchange registers, so there is no shared
// memory and no barrier; loss and gradient come from one reading. The logarithm is taken of the sum, never of a rounded
// probability: it is finite for any finite z.
#include "common.cuh"

__device__ __forceinline__ float row_max(const float* z, int K, int lane) {
    float greatest = z[0];
    for (int k = lane; k < K; k += 32) greatest = fmaxf(greatest, z[k]);
    return warp_max(greatest);
}

// p = exp(z - max z) / sum exp(z - max z)
extern "C" __global__ void softmax(const float* __restrict__ z, float* __restrict__ p, int N, int K) {
    int lane, n = warp_and_lane(lane);
    if (n >= N) return;  // the whole warp
    z += n * K, p += n * K;
    float greatest = row_max(z, K, lane), sum = 0;
    for (int k = lane; k < K; k += 32) sum += expf(z[k] - greatest);
    sum = warp_sum(sum);
    for (int k = lane; k < K; k += 32) p[k] = expf(z[k] - greatest) / sum;
}

// loss = - sum t log softmax(z), dz = softmax(z) sum t - t
extern "C" __global__ void softmax_cross_entropy(
    const float* __restrict__ z, const float* __restrict__ t, float* __restrict__ loss, float* __restrict__ dz, int N,
    int K) {
    int lane, n = warp_and_lane(lane);
    if (n >= N) return;
    z += n * K, t += n * K, dz += n * K;
    float greatest = row_max(z, K, lane), sum = 0, weight = 0;
    for (int k = lane; k < K; k += 32) {
        sum += expf(z[k] - greatest);
        weight += t[k];
    }
    sum = warp_sum(sum);
    weight = warp_sum(weight);
    float log_sum = logf(sum), lost = 0;
    for (int k = lane; k < K; k += 32) {
        lost += t[k] * ((z[k] - greatest) - log_sum);
        dz[k] = expf(z[k] - greatest) / sum * weight - t[k];
    }
    lost = warp_sum(lost);
    if (lane == 0) loss[n] = -lost;
}
