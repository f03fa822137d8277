// What every kernel file uses: an element's number, division by a fixed number, sums over a block, tensor-core words.
//
// These are C++ files without any header of the standard library: NVRTC compiles them at run time, nvcc and, with
// tests/cuda/cuda_on_cpu.h in front, a plain C++ compiler in the tests. Two rules follow: PTX stands in this file
// alone, and shared memory is declared in kernels and plain functions, never in a template (the emulation could not
// fill it with NaN there).
#pragma once

constexpr unsigned ALL = 0xffffffffu;  // the lanes of a warp

__device__ __forceinline__ int element() { return blockIdx.x * blockDim.x + threadIdx.x; }

// n / d and n % d for 0 <= n < 2^31 and one d many times: a multiplication instead of some twenty instructions.
// Source: Granlund & Montgomery 1994, "Division by invariant integers using multiplication", figure 4.1.
struct Divisor {
    int d, shift;
    unsigned multiplier;

    __device__ __forceinline__ explicit Divisor(int divisor) : d(divisor), shift(0) {
        while ((1u << shift) < (unsigned)d) ++shift;
        multiplier = (unsigned)(((1ull << 32) * ((1ull << shift) - d)) / d + 1);
    }
    __device__ __forceinline__ int quotient(int n) const {
        return (int)((__umulhi(multiplier, (unsigned)n) + (unsigned)n) >> shift);
    }
    __device__ __forceinline__ int divide(int n, int& rest) const {
        int q = quotient(n);
        rest = n - q * d;
        return q;
    }
};

// Sum and maximum over the 32 lanes, the same in each: pairs, pairs of pairs, ... always in this order.
__device__ __forceinline__ float warp_sum(float v) {
    for (int step = 16; step; step /= 2) v += __shfl_xor_sync(ALL, v, step);
    return v;
}

__device__ __forceinline__ float warp_max(float v) {  // a NaN is passed over
    for (int step = 16; step; step /= 2) v = fmaxf(v, __shfl_xor_sync(ALL, v, step));
    return v;
}

// The number of this thread's warp, and its lane there.
__device__ __forceinline__ int warp_and_lane(int& lane) {
    lane = threadIdx.x % 32;
    return element() / 32;
}

// max(x, 0), NaN stays NaN.
__device__ __forceinline__ float rectify(float x) { return x < 0 ? 0.f : x; }

#ifdef __CUDACC__  // the GPU's own instructions; for the CPU the emulation defines the same functions

// x rounded to TF32 (10 bits of mantissa), to nearest: ties to even where one instruction does it (sm_90 and later),
// else away from zero, which is four instructions there and one before.
__device__ __forceinline__ unsigned to_tf32(float x) {
    unsigned word;
#if __CUDA_ARCH__ >= 900
    asm("cvt.rn.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));
#else
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));
#endif
    return word;
}

// Two numbers rounded to bf16, to nearest even, the first in the low half.
__device__ __forceinline__ unsigned to_bf16x2(float low, float high) {
    unsigned word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

// D (16, 8) += A (16, 8) B (8, 8) by one warp. A lane's words are listed in gemm.cuh.
__device__ __forceinline__ void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// D (16, 8) += A (16, 16) B (16, 8): the same words, two bf16 in each.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four 8 x 4 matrices of words from shared memory: lane 8 i + g names row g of matrix i (16 bytes), and lane 4 g + t
// receives word t of row g of each.
__device__ __forceinline__ void load_matrices(unsigned (&words)[4], const unsigned* row) {
    unsigned address = (unsigned)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(address)
                 : "memory");
}

#endif
