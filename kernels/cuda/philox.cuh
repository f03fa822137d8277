// Philox4x32-10: four random words of one counter and key, the same bits as kernels/numpy_ref/random.py.
//
// Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
#pragma once
#include "common.cuh"

// Words 4 block .. 4 block + 3 of the stream (step, stream) of the seed k1 k0.
__device__ __forceinline__ uint4 philox_block(unsigned block, unsigned step, unsigned stream, unsigned k0,
                                                   unsigned k1) {
    unsigned c0 = block, c1 = step, c2 = stream, c3 = 0;
    for (int round = 0; round < 10; ++round) {
        unsigned high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        unsigned high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;  // the golden ratio
        k1 += 0xBB67AE85u;  // sqrt(3) - 1
    }
    return make_uint4(c0, c1, c2, c3);
}

// Word i alone.
__device__ __forceinline__ unsigned philox_word(unsigned i, unsigned step, unsigned stream, unsigned k0, unsigned k1) {
    uint4 four = philox_block(i / 4, step, stream, k0, k1);
    unsigned low = i & 1 ? four.y : four.x, high = i & 1 ? four.w : four.z;
    return i & 2 ? high : low;
}
