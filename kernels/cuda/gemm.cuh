// The matrix product behind dense layers and convolutions: Y (M, N) = A (M, K) B (K, N), A and B read through
// functions.
//
//                      B   K x TILE_N                     one block: TILE_M x TILE_N outputs, 128 threads = 4 warps
//                     +----+                              one step:  a slice of A and of B, STEP numbers along K
//                     |    | slice in shared memory
//                     +----+                              memory --fetch()--> registers --store()--> shared memory
//      A TILE_M x K     v                                        (step s + 1 under way ..)        (two slices each)
//      +-----+----     +----+
//      |     |         | w0 | TILE_M/4 rows              shared memory --> fragments --mma--> accumulators
//      |slice|    ->   | w1 |                                    (.. while the tensor cores work on step s)
//      |     |         | w2 |
//      +-----+----     | w3 |
//                      +----+
//
// Why it is fast: a number of A that was read once is used TILE_N times, one of B TILE_M times; the next slices are on
// their way while the tensor cores multiply, and one barrier per step is enough since two slices take turns. A
// convolution's matrix of windows is never in memory: fetch() computes where its numbers lie in the image ("implicit
// GEMM").
//
// Tiles are 256 x 32 or 128 x 64 where M is long: with 64 accumulators per thread a fragment is used by 4 or 8
// products, and shared memory should deliver about as fast as the tensor cores take (an estimate, not measured).
//
// Shared memory holds words of 32 bits: a float, a TF32 number, or two bf16 that follow each other along K. In words
// the fragments of mma.m16n8k8 (TF32) and mma.m16n8k16 (bf16) are the same. Lane 4 g + t holds
//
//      A  (g, t) (g+8, t) (g, t+4) (g+8, t+4)      B  (t, g) (t+4, g)      D  (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1)
//
// A slice is kept as its matrix lies in memory, so that stores to shared memory are of 16 bytes, and padded so that the
// 32 lanes of a fragment load meet 32 different banks:
//      numbers along K are neighbours   word (row, k) at row * (16 + 4) + k     banks 20 g + t: all different
//      numbers along a row of k are     word (row, k) at k * (ROWS + 8) + row   banks  8 t + g: all different
//
// Long sums are split (gridDim.z blocks share K); the parts are added later in their order. No atomics: same bytes.
// Sources: NVIDIA, PTX ISA, "Matrix fragments for mma.m16n8k8"; Chetlur et al. 2014, "cuDNN", section 3.
#pragma once
#include "parts.cuh"

#define FLOAT32 0  // what -DMODE= chooses: PRECISIONS in launch.py, in this order
#define TF32 1
#define BF16 2
#define TF32X3 3

constexpr int WORDS = 16, GEMM_THREADS = 128;
constexpr int PAIR = MODE == BF16 ? 2 : 1;  // numbers in a word
constexpr int STEP = WORDS * PAIR;          // numbers along K in a slice

__device__ __forceinline__ unsigned encode(float x) { return MODE == TF32 ? to_tf32(x) : __float_as_uint(x); }

__device__ __forceinline__ void store_words(unsigned* to, const unsigned (&word)[1]) { *to = word[0]; }
__device__ __forceinline__ void store_words(unsigned* to, const unsigned (&word)[2]) {
    *(uint2*)to = make_uint2(word[0], word[1]);
}
__device__ __forceinline__ void store_words(unsigned* to, const unsigned (&word)[4]) {
    *(uint4*)to = make_uint4(word[0], word[1], word[2], word[3]);
}

// V neighbouring floats, 16-byte aligned if V = 4.
__device__ __forceinline__ void read(const float* from, float* v, bool inside, int V) {
    if (V == 4) {
        float4 four = inside ? *(const float4*)from : make_float4(0, 0, 0, 0);
        v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
    } else {
        v[0] = inside ? *from : 0.f;
    }
}

// A matrix in memory, for use as an operand. ALONG_K: element (row, k) at row * pitch + k, else at k * pitch + row.
// Every source has these members: V, ALONG_K, and `row`, `column` and `load`, which read V neighbours from (row, k) on,
// zeros outside. The part of the address that depends on the row (or on k) alone is computed once for many loads.
template <int VECTOR, bool NEIGHBOURS_ALONG_K>
struct Matrix {
    static constexpr int V = VECTOR;
    static constexpr bool ALONG_K = NEIGHBOURS_ALONG_K;
    const float* from;
    int rows, columns, pitch;

    struct Row { int at; };  // -1: outside
    struct Column { int at; };
    __device__ __forceinline__ Row row(int r) const { return {r < rows ? (ALONG_K ? r * pitch : r) : -1}; }
    __device__ __forceinline__ Column column(int k) const { return {k < columns ? (ALONG_K ? k : k * pitch) : -1}; }
    __device__ __forceinline__ void load(const Row& r, const Column& k, float* v) const {
        read(from + r.at + k.at, v, r.at >= 0 && k.at >= 0, V);
    }
};

// Words of one slice in shared memory, and of the two that a kernel holds of A and of B.
template <bool ALONG_K, int ROWS>
constexpr int SLICE_WORDS = ALONG_K ? ROWS * (WORDS + 4) : WORDS * (ROWS + 8);
template <bool A_ALONG_K, bool B_ALONG_K, int TILE_M, int TILE_N>
constexpr int GEMM_WORDS = 2 * (SLICE_WORDS<A_ALONG_K, TILE_M> + SLICE_WORDS<B_ALONG_K, TILE_N>);

// The slices of one operand: ROWS rows of STEP numbers, between memory and two buffers in shared memory.
template <class Source, int ROWS>
struct Operand {
    static constexpr int V = Source::V;
    static constexpr bool ALONG_K = Source::ALONG_K;
    static constexpr int PITCH = ALONG_K ? WORDS + 4 : ROWS + 8;
    static constexpr int SLICE = SLICE_WORDS<ALONG_K, ROWS>;
    // What a thread moves at once, a chunk: 4 numbers along K, else PAIR rows of k with V numbers each.
    static constexpr int CHUNK = ALONG_K ? 4 : V * PAIR;
    static constexpr int CHUNK_WORDS = CHUNK / PAIR;
    static constexpr int ACROSS = ALONG_K ? STEP / CHUNK : ROWS / V;  // chunks side by side along the neighbours
    static constexpr int EACH = ROWS * STEP / CHUNK / GEMM_THREADS;   // chunks of a thread
    static constexpr int APART = GEMM_THREADS / ACROSS;               // rows (or words of k) from one to its next
    static_assert(GEMM_THREADS % ACROSS == 0 && EACH >= 1, "the threads must divide a slice evenly");

    const Source& source;
    unsigned* shared;
    float held[EACH][CHUNK];
    decltype(source.row(0)) rows[ALONG_K ? EACH : 1];  // where a thread's rows lie: the same for every slice

    __device__ __forceinline__ Operand(const Source& source, unsigned* shared, int r0)
        : source(source), shared(shared) {
        int side = threadIdx.x % ACROSS, place = threadIdx.x / ACROSS;
        if constexpr (ALONG_K) {
#pragma unroll
            for (int i = 0; i < EACH; ++i) rows[i] = source.row(r0 + place + i * APART);
        } else rows[0] = source.row(r0 + side * V);
    }

    // The slice from k `k0` on, from memory into registers.
    __device__ __forceinline__ void fetch(int k0, int end) {
        int side = threadIdx.x % ACROSS, place = threadIdx.x / ACROSS;
        if constexpr (ALONG_K) {
#pragma unroll
            for (int u = 0; u < CHUNK; u += V) {
                int k = k0 + side * CHUNK + u;
                auto column = source.column(k < end ? k : 0x7fffffff);
#pragma unroll
                for (int i = 0; i < EACH; ++i) source.load(rows[i], column, held[i] + u);
            }
        } else {
#pragma unroll
            for (int i = 0; i < EACH; ++i)
#pragma unroll
                for (int e = 0; e < PAIR; ++e) {
                    int k = k0 + (place + i * APART) * PAIR + e;
                    source.load(rows[0], source.column(k < end ? k : 0x7fffffff), held[i] + e * V);
                }
        }
    }

    // From registers into shared memory, as words.
    __device__ __forceinline__ void store(int buffer) {
        int side = threadIdx.x % ACROSS, place = threadIdx.x / ACROSS;
#pragma unroll
        for (int i = 0; i < EACH; ++i) {
            unsigned word[CHUNK_WORDS];
#pragma unroll
            for (int j = 0; j < CHUNK_WORDS; ++j) {
                if constexpr (PAIR == 1) word[j] = encode(held[i][j]);
                else if constexpr (ALONG_K) word[j] = to_bf16x2(held[i][2 * j], held[i][2 * j + 1]);
                else word[j] = to_bf16x2(held[i][j], held[i][V + j]);
            }
            int line = place + i * APART;  // a row, or a word of k
            store_words(shared + buffer * SLICE + line * PITCH + side * CHUNK_WORDS, word);
        }
    }

    __device__ __forceinline__ unsigned word(int buffer, int row, int k) const {
        return shared[buffer * SLICE + (ALONG_K ? row * PITCH + k : k * PITCH + row)];
    }
};

// What happens to a finished output: bias, ReLU, scale and shift, each if it is there.
struct Epilogue {
    const float *bias, *scale, *shift;
    int relu;
    __device__ __forceinline__ float operator()(float v, int n) const {
        if (bias) v += bias[n];
        if (relu) v = rectify(v);
        return scale ? scale[n] * v + shift[n] : v;
    }
};

// x = high + low in TF32, but for the last bits.
__device__ __forceinline__ void split_word(unsigned word, unsigned& high, unsigned& low) {
    high = to_tf32(__uint_as_float(word));
    low = to_tf32(__uint_as_float(word) - __uint_as_float(high));
}

// Y[m][n] of this block's tile. gridDim: (tiles of M, tiles of N, parts of K). With one part y (M, N) is finished; with
// more, part z is written to y[z] (parts, M, N) as it is.
template <int TILE_M, int TILE_N, class A, class B>
__device__ __forceinline__ void gemm(const A& a_source, const B& b_source, unsigned* shared, float* y, int M, int N,
                                     int K, const Epilogue& finish) {
    int m0 = blockIdx.x * TILE_M, n0 = blockIdx.y * TILE_N;
    Operand<A, TILE_M> a(a_source, shared, m0);
    Operand<B, TILE_N> b(b_source, shared + 2 * Operand<A, TILE_M>::SLICE, n0);
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;

    int steps = (K + STEP - 1) / STEP, parts = gridDim.z, part = blockIdx.z;
    int first = (int)((long long)steps * part / parts), last = (int)((long long)steps * (part + 1) / parts);

    // A warp has WARP_M x TILE_N outputs. On tensor cores they are DOWN x ACROSS fragments of 16 x 8; on the FFMA units
    // a thread has rows lane/8 + 4 i and columns lane%8 + 8 j.
    constexpr int WARP_M = TILE_M / 4, DOWN = WARP_M / 16, ACROSS = TILE_N / 8;
    float acc[DOWN * ACROSS][4];
#pragma unroll
    for (int i = 0; i < DOWN * ACROSS; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) acc[i][j] = 0;

    if (first < last) {
        a.fetch(first * STEP, K);
        b.fetch(first * STEP, K);
        a.store(0);
        b.store(0);
    }
    __syncthreads();
    for (int step = first; step < last; ++step) {
        int buffer = (step - first) % 2;
        bool more = step + 1 < last;
        if (more) {
            a.fetch((step + 1) * STEP, K);
            b.fetch((step + 1) * STEP, K);
        }
        if constexpr (MODE == FLOAT32) {
#pragma unroll 4
            for (int k = 0; k < WORDS; ++k) {
                float x[4 * DOWN], w[ACROSS];
#pragma unroll
                for (int i = 0; i < 4 * DOWN; ++i)
                    x[i] = __uint_as_float(a.word(buffer, warp * WARP_M + lane / 8 + 4 * i, k));
#pragma unroll
                for (int j = 0; j < ACROSS; ++j) w[j] = __uint_as_float(b.word(buffer, lane % 8 + 8 * j, k));
#pragma unroll
                for (int j = 0; j < ACROSS; ++j)
#pragma unroll
                    for (int i = 0; i < 4 * DOWN; ++i) acc[DOWN * j + i / 4][i % 4] += x[i] * w[j];
            }
        } else {
#pragma unroll
            for (int k = 0; k < WORDS; k += 8) {
                unsigned x[DOWN][4], w[ACROSS][2];
#pragma unroll
                for (int i = 0; i < DOWN; ++i) {
                    int row = warp * WARP_M + 16 * i;
                    if constexpr (A::ALONG_K) {  // ldmatrix: rows 0-7 and 8-15 of words 0-3, then of words 4-7
                        int line = row + lane % 16;
                        load_matrices(x[i], a.shared + buffer * a.SLICE + line * a.PITCH + k + lane / 16 * 4);
                    } else {
#pragma unroll
                        for (int j = 0; j < 4; ++j) x[i][j] = a.word(buffer, row + g + j % 2 * 8, k + t + j / 2 * 4);
                    }
                }
#pragma unroll
                for (int j = 0; j < ACROSS; ++j) {
                    w[j][0] = b.word(buffer, 8 * j + g, k + t);
                    w[j][1] = b.word(buffer, 8 * j + g, k + t + 4);
                }
                unsigned x_low[DOWN][4];
                if constexpr (MODE == TF32X3) {
#pragma unroll
                    for (int i = 0; i < DOWN; ++i)
#pragma unroll
                        for (int j = 0; j < 4; ++j) split_word(x[i][j], x[i][j], x_low[i][j]);
                }
#pragma unroll
                for (int j = 0; j < ACROSS; ++j) {
                    if constexpr (MODE == TF32X3) {
                        unsigned w_low[2];
                        split_word(w[j][0], w[j][0], w_low[0]);
                        split_word(w[j][1], w[j][1], w_low[1]);
#pragma unroll
                        for (int i = 0; i < DOWN; ++i) {  // the small products first
                            mma_tf32(acc[DOWN * j + i], x_low[i], w[j]);
                            mma_tf32(acc[DOWN * j + i], x[i], w_low);
                        }
                    }
#pragma unroll
                    for (int i = 0; i < DOWN; ++i) {
                        if constexpr (MODE == BF16) mma_bf16(acc[DOWN * j + i], x[i], w[j]);
                        else mma_tf32(acc[DOWN * j + i], x[i], w[j]);
                    }
                }
            }
        }
        if (more) {
            a.store(1 - buffer);  // which all warps have left: the barrier of the step before saw to it
            b.store(1 - buffer);
        }
        __syncthreads();
    }

    if (parts > 1) y += (long long)part * M * N;
#pragma unroll
    for (int j = 0; j < ACROSS; ++j)
#pragma unroll
        for (int i = 0; i < 4 * DOWN; ++i) {
            int m = m0 + warp * WARP_M, n = n0 + 8 * j;
            if constexpr (MODE == FLOAT32) m += lane / 8 + 4 * i, n += lane % 8;
            else m += i / 4 * 16 + i % 4 / 2 * 8 + g, n += 2 * t + i % 2;
            if (m < M && n < N) {
                float v = acc[DOWN * j + i / 4][i % 4];
                y[(long long)m * N + n] = parts > 1 ? v : finish(v, n);
            }
        }
}

// y (M, N) = the sum of parts (count, M, N), finished.
__device__ __forceinline__ void gemm_add(float* shared, const float* parts, float* y, int count, int size, int N,
                                         const Epilogue& finish) {
    int i = blockIdx.x * 32 + threadIdx.x % 32;
    float sum = sum_of_parts(shared, parts, count, size, i);
    if (threadIdx.x < 32 && i < size) y[i] = finish(sum, i % N);
}
