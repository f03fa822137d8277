// Counted random words, and dropout made of them: four neighbouring elements per thread.
//
//      thread b:  counter (b, step, stream, 0)  --Philox4x32-10-->  words 4b, 4b+1, 4b+2, 4b+3
//
// Why it is fast: a word is a function of its number, so no state is read, kept or shared, and dropout stores no mask:
// the backward pass computes the words again, some ten multiplications per element in the shadow of the memory.
#include "common.cuh"
#include "philox.cuh"

// words[i], i < n: those of the counters from `first` on. seed_low and seed_high are the halves of the 64-bit seed.
// `device_step`, where not null, holds the step in device memory: a captured graph counts it there.
extern "C" __global__ void philox(
    unsigned* __restrict__ words, int n, unsigned seed_low, unsigned seed_high, unsigned step, unsigned stream,
    unsigned first, const unsigned* __restrict__ device_step) {
    int b = element();
    if (b >= (n + 3) / 4) return;
    uint4 four = philox_block(first + b, device_step ? *device_step : step, stream, seed_low, seed_high);
    unsigned word[4] = {four.x, four.y, four.z, four.w};
    for (int i = 0; i < 4; ++i)
        if (4 * b + i < n) words[4 * b + i] = word[i];
}

// y = x * scale where its word is at least `threshold` (up to 2^32), else 0.
extern "C" __global__ void dropout(
    const float* __restrict__ x, float* __restrict__ y, int n, unsigned long long threshold, float scale, unsigned
    seed_low, unsigned seed_high, unsigned step, unsigned stream, unsigned first, const unsigned* __restrict__
    device_step) {
    int b = element();
    if (b >= (n + 3) / 4) return;
    uint4 four = philox_block(first + b, device_step ? *device_step : step, stream, seed_low, seed_high);
    if (4 * b + 3 < n) {
        float4 v = ((const float4*)x)[b];
        v.x = four.x >= threshold ? v.x * scale : 0.f;
        v.y = four.y >= threshold ? v.y * scale : 0.f;
        v.z = four.z >= threshold ? v.z * scale : 0.f;
        v.w = four.w >= threshold ? v.w * scale : 0.f;
        ((float4*)y)[b] = v;
        return;
    }
    unsigned word[4] = {four.x, four.y, four.z, four.w};
    for (int i = 0; i < 4; ++i)
        if (4 * b + i < n) y[4 * b + i] = word[i] >= threshold ? x[4 * b + i] * scale : 0.f;
}
