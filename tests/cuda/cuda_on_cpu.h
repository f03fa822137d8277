// CUDA C++ on the CPU: with this header in front, g++ compiles a .cu file of kernels/cuda as it stands.
//
// What is emulated is the meaning of a kernel, not its speed, and less forgivingly than a GPU does it:
//
//   a block      fibers (one stack per thread) of one OS thread; they switch at barriers only, in a fixed order that
//                can be reversed: a missing barrier then shows as a difference between the two orders
//   barriers     __syncthreads, __syncwarp and every warp instruction wait for all threads; one that never comes, or
//                has returned, is reported as a deadlock
//   __shared__   one memory, filled with NaN before every block
//   warps        shuffles, ballots, ldmatrix and mma.sync exchange registers through a table of the warp
//   tensor cores operands are cut to TF32 or bf16 exactly as in hardware; the eight (sixteen) products of an
//                instruction are summed in double and added with one rounding. Hardware sums in an order and with a
//                truncation that NVIDIA does not document: last bits differ there.
//   subnormals   are zero, as operands and as results: CuPy compiles with -ftz=true
//   bounds       the arrays lie between protected pages (emulation.py); a thread that goes beyond is named
//   vectors      a float4, uint4 or uint2 that is read or written has to start at a multiple of its size
//
// Only what the kernels use is here.
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include <cmath>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static __attribute__((section("cuda_shared")))

extern "C" char __start_cuda_shared[] __attribute__((weak));  // the linker marks both ends of the section
extern "C" char __stop_cuda_shared[] __attribute__((weak));

struct dim3 { unsigned x, y, z; };
struct float2 { float x, y; };

namespace emulation {

[[noreturn]] static void fail(const char* what);

struct Float4 { float x, y, z, w; };
struct Uint4 { unsigned x, y, z, w; };
struct Uint2 { unsigned x, y; };

template <class Fields, size_t SIZE>
struct alignas(SIZE) Vector : Fields {
    Vector() = default;
    Vector(const Fields& fields) : Fields(fields) {}
    Vector(const Vector& other) : Fields(other.checked()) {}
    Vector& operator=(const Vector& other) {
        checked();
        Fields::operator=(other.checked());
        return *this;
    }
    const Fields& checked() const {
        const void* address = this;
        asm("" : "+r"(address));  // the compiler believes that it is a multiple
        if ((size_t)address % SIZE) fail("a vector that does not start at a multiple of its size");
        return *this;
    }
};

}  // namespace emulation

using float4 = emulation::Vector<emulation::Float4, 16>;
using uint4 = emulation::Vector<emulation::Uint4, 16>;
using uint2 = emulation::Vector<emulation::Uint2, 8>;
static inline float4 make_float4(float x, float y, float z, float w) { return emulation::Float4{x, y, z, w}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return emulation::Uint4{x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return emulation::Uint2{x, y}; }

static dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

constexpr size_t STACK = 128 * 1024;

struct Barrier {
    int size, arrived;
    unsigned generation;
};

struct Fiber {
    ucontext_t start;
    jmp_buf resume;
    bool started, done;
    const Barrier* at;  // the barrier it waits at, if any
    unsigned generation;
    dim3 index;
};

static std::vector<Fiber> fibers;
static std::vector<Barrier> warps;
static Barrier block;
static char* stacks;
static int current, threads, direction, running;
static sigjmp_buf host;
static char message[400];
static void (*body)();

static struct { unsigned words[8]; const void* pointer; } exchange[1024];  // one row per thread

[[noreturn]] static void fail(const char* what) {
    if (fibers.empty()) snprintf(message, sizeof message, "%s", what);
    else
        snprintf(message, sizeof message, "%s; block (%u, %u, %u), thread (%u, %u, %u)", what, blockIdx.x, blockIdx.y,
                 blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
    siglongjmp(host, 2);
}

static bool ready(const Fiber& f) { return !f.done && (!f.at || f.at->generation != f.generation); }

// Give the processor to the next thread that can go on; come back when it is this one's turn.
static void yield() {
    if (running == 0) {
        if (_setjmp(fibers[current].resume)) return;  // in the next block
        siglongjmp(host, 1);
    }
    int next = current;
    for (int tries = 0;; ++tries) {
        if (tries == threads) fail("deadlock: not every thread reaches this barrier");
        next = (next + direction + threads) % threads;
        if (ready(fibers[next])) break;
    }
    fibers[next].at = nullptr;
    if (next == current) return;
    if (_setjmp(fibers[current].resume)) return;
    current = next;
    threadIdx = fibers[next].index;
    if (fibers[next].started) _longjmp(fibers[next].resume, 1);
    fibers[next].started = true;
    setcontext(&fibers[next].start);
}

static void wait(Barrier& barrier) {
    Fiber& me = fibers[current];
    if (++barrier.arrived == barrier.size) {
        barrier.arrived = 0;
        ++barrier.generation;
        return;
    }
    me.at = &barrier;
    me.generation = barrier.generation;
    yield();
}

static void life() {  // of a fiber: one thread after another, block by block
    for (;;) {
        body();
        fibers[current].done = true;
        --running;
        yield();
    }
}

static void make_fibers() {
    if (stacks) munmap(stacks, STACK * fibers.size());
    fibers.assign(threads, Fiber{});
    stacks = (char*)mmap(nullptr, STACK * threads, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int t = 0; t < threads; ++t) {
        getcontext(&fibers[t].start);
        fibers[t].start.uc_stack = {stacks + STACK * t, 0, STACK};
        makecontext(&fibers[t].start, life, 0);
    }
}

static void* fault_address;

static void on_fault(int, siginfo_t* info, void*) {
    fault_address = info->si_addr;
    fail("a memory access out of bounds");
}

static void run_block() {
    memset(__start_cuda_shared, 0xff, __stop_cuda_shared - __start_cuda_shared);  // all bits set: NaN
    block = {threads, 0, 0};
    warps.clear();
    for (int t = 0; t < threads; t += 32) warps.push_back({threads - t < 32 ? threads - t : 32, 0, 0});
    for (int t = 0; t < threads; ++t) {
        Fiber& f = fibers[t];
        f.done = false;
        f.at = nullptr;
        f.index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
    }
    running = threads;
    current = direction > 0 ? 0 : threads - 1;
    threadIdx = fibers[current].index;
    int why = sigsetjmp(host, 0);
    if (why == 0) {
        Fiber& first = fibers[current];
        if (first.started) _longjmp(first.resume, 1);
        first.started = true;
        setcontext(&first.start);
    }
    if (why == 2) throw (const char*)message;
}

#ifdef __SSE__
struct FlushSubnormals {  // of float and, other than on a GPU, of double: nothing here computes with such doubles
    unsigned before = _mm_getcsr();
    FlushSubnormals() { _mm_setcsr(before | 0x8040); }
    ~FlushSubnormals() { _mm_setcsr(before); }
};
#else
struct FlushSubnormals {};
#endif

// Run `kernel` over the grid. Returns nullptr, or what went wrong; *address is then where, for an access out of bounds.
static const char* launch(void (*kernel)(), const unsigned* grid, const unsigned* size, int reversed, void** address) {
    static bool broken = true;
    FlushSubnormals flush;  // before the fibers are made: they keep what is set then
    body = kernel;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {size[0], size[1], size[2]};
    direction = reversed ? -1 : 1;
    fault_address = nullptr;
    threads = size[0] * size[1] * size[2];
    if (threads < 1 || threads > 1024) return "a block has 1 to 1024 threads";
    if (broken || (int)fibers.size() != threads) make_fibers();
    broken = true;
    struct sigaction ours = {}, segv, bus;
    ours.sa_sigaction = on_fault;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &ours, &segv);
    sigaction(SIGBUS, &ours, &bus);
    const char* error = nullptr;
    unsigned blocks = grid[0] * grid[1] * grid[2];
    try {
        for (unsigned k = 0; k < blocks; ++k) {
            unsigned b = reversed ? blocks - 1 - k : k;
            blockIdx = {b % grid[0], b / grid[0] % grid[1], b / (grid[0] * grid[1])};
            run_block();
        }
        broken = false;
    } catch (const char* what) {
        error = what;
    }
    sigaction(SIGSEGV, &segv, nullptr);
    sigaction(SIGBUS, &bus, nullptr);
    *address = fault_address;
    return error;
}

// How a kernel of any signature is called from an array of pointers to its arguments, as cuLaunchKernel takes them.
static void** arguments;

template <class... A, size_t... I>
static void call(void (*kernel)(A...), std::index_sequence<I...>) {
    kernel(*(std::remove_cv_t<A>*)arguments[I]...);
}

template <class... A>
static void call(void (*kernel)(A...)) { call(kernel, std::index_sequence_for<A...>{}); }

static int lane() { return current % 32; }

static Barrier& my_warp() {
    Barrier& warp = warps[current / 32];
    if (warp.size != 32) fail("a warp instruction in a warp of fewer than 32 threads");
    return warp;
}

template <class T>
static T from_lane(unsigned mask, T value, int source) {
    if (mask != 0xffffffffu) fail("a warp instruction whose mask does not name all lanes");
    memcpy(exchange[current].words, &value, sizeof value);
    wait(my_warp());
    T other;
    memcpy(&other, exchange[current - lane() + source].words, sizeof other);
    wait(my_warp());
    return other;
}

// D (16, 8) += A (16, k) B (k, 8), k = 8 words. Lane l holds, with g = l / 4 and t = l % 4 (PTX ISA, mma.m16n8k8):
//   A words (g, t) (g+8, t) (g, t+4) (g+8, t+4);  B words (t, g) (t+4, g);  D (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1)
template <class Multiply>
static void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2], Multiply multiply) {
    memcpy(exchange[current].words, a, sizeof a);
    memcpy(exchange[current].words + 4, b, sizeof b);
    wait(my_warp());
    const auto* warp = exchange + (current - lane());
    int g = lane() / 4, t = lane() % 4;
    for (int i = 0; i < 4; ++i) {
        int column = 2 * t + i % 2, half = i / 2;
        double sum = 0;
        for (int k = 0; k < 8; ++k)
            sum += multiply(warp[4 * g + k % 4].words[half + 2 * (k / 4)], warp[4 * column + k % 4].words[4 + k / 4]);
        d[i] = float(d[i] + sum);
    }
    wait(my_warp());
}

static float bits_to_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static unsigned float_to_bits(float value) {
    unsigned bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static unsigned bf16(float x) {  // to nearest, ties to even
    unsigned bits = float_to_bits(x);
    return std::isnan(x) ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

}  // namespace emulation

// The built-in functions ----------------------------------------------------------------------------------------------

static inline void __syncthreads() { emulation::wait(emulation::block); }
static inline void __syncwarp(unsigned = 0xffffffffu) { emulation::wait(emulation::my_warp()); }

template <class T>
static T __shfl_sync(unsigned mask, T value, int source) { return emulation::from_lane(mask, value, source % 32); }

template <class T>
static T __shfl_xor_sync(unsigned mask, T value, int bits) {
    return emulation::from_lane(mask, value, emulation::lane() ^ bits);
}

template <class T>
static T __shfl_down_sync(unsigned mask, T value, int delta) {
    int source = emulation::lane() + delta;
    return emulation::from_lane(mask, value, source < 32 ? source : emulation::lane());
}

static inline unsigned __ballot_sync(unsigned mask, int predicate) {
    unsigned all = 0;
    for (int source = 0; source < 32; ++source)
        all |= (unsigned)emulation::from_lane(mask, predicate != 0, source) << source;
    return all;
}

static inline void __threadfence() {}  // blocks run one after the other, threads switch at barriers only
static inline unsigned atomicInc(unsigned* address, unsigned last) {
    unsigned old = *address;
    *address = old >= last ? 0 : old + 1;
    return old;
}
static inline float __ldcg(const float* from) { return *from; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
static inline unsigned __float_as_uint(float x) { return emulation::float_to_bits(x); }
static inline float __uint_as_float(unsigned x) { return emulation::bits_to_float(x); }

// The instructions that common.cuh writes in PTX ----------------------------------------------------------------------

static inline unsigned to_tf32(float x) {  // cvt.rn, as on sm_90: to nearest, ties to even; 10 bits of mantissa stay
    unsigned bits = emulation::float_to_bits(x);
    return std::isnan(x) ? 0x7fffffffu : (bits + 0xfffu + (bits >> 13 & 1)) & ~0x1fffu;
}

static inline unsigned to_bf16x2(float low, float high) { return emulation::bf16(high) << 16 | emulation::bf16(low); }

static inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    emulation::mma(d, a, b, [](unsigned x, unsigned y) {  // the tensor core does not read the last 13 bits
        return (double)emulation::bits_to_float(x & ~0x1fffu) * emulation::bits_to_float(y & ~0x1fffu);
    });
}

static inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    emulation::mma(d, a, b, [](unsigned x, unsigned y) {
        return (double)emulation::bits_to_float(x << 16) * emulation::bits_to_float(y << 16) +
               (double)emulation::bits_to_float(x & 0xffff0000u) * emulation::bits_to_float(y & 0xffff0000u);
    });
}

static inline void load_matrices(unsigned (&words)[4], const unsigned* row) {  // ldmatrix.x4
    if ((size_t)row % 16) emulation::fail("ldmatrix: a row that does not start at a multiple of 16 bytes");
    emulation::exchange[emulation::current].pointer = row;
    emulation::wait(emulation::my_warp());
    int lane = emulation::lane(), first = emulation::current - lane;
    for (int i = 0; i < 4; ++i)
        words[i] = ((const unsigned*)emulation::exchange[first + 8 * i + lane / 4].pointer)[lane % 4];
    emulation::wait(emulation::my_warp());
}
