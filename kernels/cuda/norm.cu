// Batch normalisation of x (A, C, B): moments, the map, and its gradients, each sum in the two stages of columns.cuh.
//
//      forward    moment_parts --> batch_norm           x read twice, y written once
//      backward   norm_grad_parts --> batch_norm_grad   dy and x read twice, dx written once
//
//      before dropout     batch_norm_dropout, dropout_norm_parts --> dropout_norm_relu_parts: its mask is drawn again
//                         wherever dy is read
//      after max pooling  pool_norm_parts --> pool_norm_relu_parts
//                         the pool's gradient is looked up where it is used and never in memory
//
// Why it is fast: every pass takes along all that can be summed or written in it; after a ReLU the gradient's last pass
// also applies the ReLU's and sums the bias gradient (norm_relu_parts).
//
// Moments in one pass, exact far from zero: a thread subtracts its own first value s from all others and keeps n, the
// mean and M2 = sum (x - mean)^2; two of them merge without cancellation (Chan). The subtraction loses about
// eps n (s - mean)^2 at most, while M2 itself is at least (s - mean)^2: a first value of another kind does no harm.
// Source: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", eq. 2.1.
#include "columns.cuh"
#include "philox.cuh"
#include "windows.cuh"

// Moments ------------------------------------------------------------------------------------------------------------

struct Moments {
    float n, mean, rest, m2;  // the mean is mean + rest, a pair of floats: twice the digits
    __device__ __forceinline__ void set_mean(float a, float b) {  // to a + b, without an error (Knuth's two-sum)
        mean = a + b;
        float from_b = mean - a;
        rest = (a - (mean - from_b)) + (b - from_b);
    }
    __device__ __forceinline__ void merge(const Moments& other) {
        if (other.n == 0) return;
        if (n == 0) {
            *this = other;
            return;
        }
        float total = n + other.n, weight = other.n / total;
        float delta = (other.mean - mean) + (other.rest - rest);  // values close by subtract without an error
        set_mean(mean, rest + delta * weight);
        m2 += other.m2 + delta * delta * n * weight;
        n = total;
    }
};

// Those of all threads of a channel, in thread (c, 0).
__device__ __forceinline__ Moments block_merge(Moments* shared, Moments mine, const Share& share) {
    shared[threadIdx.x] = mine;
    __syncthreads();
    for (int half = share.step / 2; half; half /= 2) {
        if (share.y < half) {
            mine.merge(shared[threadIdx.x + half * share.channels]);
            shared[threadIdx.x] = mine;
        }
        __syncthreads();
    }
    return mine;
}

// mean and population variance of each channel; parts (4, gridDim.y, C): the moments of the rows of each block, one
// plane per member. Of no rows: 0 / 0.
extern "C" __global__ void moment_parts(
    const float* __restrict__ x, float* __restrict__ parts, float* __restrict__ mean, float* __restrict__ var,
    unsigned* __restrict__ arrived, int rows, int C, int B, int lanes) {
    __shared__ Moments shared[BLOCK];
    Share share(rows, C, B, lanes);
    Moments mine = {0, 0, 0, 0};
    if (share.first < share.last) {
        float shift = x[share.at(share.first)], sum = 0, squares = 0;
        for (int r = share.first; r < share.last; r += share.step) {
            float d = x[share.at(r)] - shift;
            sum += d;
            squares += d * d;
        }
        float n = (float)((share.last - share.first + share.step - 1) / share.step);
        float m2 = squares - sum * (sum / n);
        mine = {n, 0, 0, m2 < 0 ? 0 : m2};  // below 0 by rounding only; a NaN stays
        mine.set_mean(shift, sum / n);
    }
    mine = block_merge(shared, mine, share);
    int count = gridDim.y, plane = count * C;
    if (share.writes()) {
        int at = share.part();
        parts[at] = mine.n;
        parts[at + plane] = mine.mean;
        parts[at + 2 * plane] = mine.rest;
        parts[at + 3 * plane] = mine.m2;
    }
    if (!last_block(arrived)) return;
    Moments all = {0, 0, 0, 0};
    if (share.c < C)
        for (int k = share.y; k < count; k += share.step) {
            const float* part = parts + k * C + share.c;
            all.merge({__ldcg(part), __ldcg(part + plane), __ldcg(part + 2 * plane), __ldcg(part + 3 * plane)});
        }
    all = block_merge(shared, all, share);
    if (!share.writes()) return;
    mean[share.c] = all.n > 0 ? all.mean + all.rest : all.m2 / all.n;
    var[share.c] = all.m2 / all.n;
}

// The map and its gradient -------------------------------------------------------------------------------------------

// y = gamma (x - mean) / sqrt(var + eps) + beta
extern "C" __global__ void batch_norm(
    const float* __restrict__ x, const float* __restrict__ mean, const float* __restrict__ var, const float*
    __restrict__ gamma, const float* __restrict__ beta, float* __restrict__ y, int size, int C, int B, float eps) {
    int i = element();
    if (i >= size) return;
    int c = i / B % C;
    y[i] = (x[i] - mean[c]) * (gamma[c] * (1.f / sqrtf(var[c] + eps))) + beta[c];
}

// What dropout makes of element i, as random.cu does: a word drawn anew wherever it is asked for.
struct Drop {
    unsigned long long threshold;
    float scale;
    unsigned seed_low, seed_high, step, stream, first;
    __device__ __forceinline__ float operator()(float v, int i) const {
        return philox_word(4 * first + i, step, stream, seed_low, seed_high) >= threshold ? v * scale : 0.f;
    }
};

struct Keep {
    __device__ __forceinline__ float operator()(float v, int) const { return v; }
};

#define DRAWS threshold, scale, seed_low, seed_high, device_step ? *device_step : step, stream, first

// y = dropout of that
extern "C" __global__ void batch_norm_dropout(
    const float* __restrict__ x, const float* __restrict__ mean, const float* __restrict__ var, const float*
    __restrict__ gamma, const float* __restrict__ beta, float* __restrict__ y, int size, int C, float eps,
    unsigned long long threshold, float scale, unsigned seed_low, unsigned seed_high, unsigned step, unsigned stream,
    unsigned first, const unsigned* __restrict__ device_step) {
    int i = element();
    if (i >= size) return;
    int c = i % C;
    float v = (x[i] - mean[c]) * (gamma[c] * (1.f / sqrtf(var[c] + eps))) + beta[c];
    y[i] = Drop{DRAWS}(v, i);
}

// parts (2, gridDim.y, C): sums of dy and of dy xhat.
template <class Passes>
__device__ __forceinline__ void sum_gradients(float* shared, const float* dy, const float* x, const float* mean,
                                              const float* var, float* parts, float* total, unsigned* arrived,
                                              int rows, int C, int B, int lanes, float eps, const Passes& passes) {
    Share share(rows, C, B, lanes);
    float sum = 0, product = 0;
    if (share.first < share.last) {
        float center = mean[share.c], inv_std = 1.f / sqrtf(var[share.c] + eps);
        for (int r = share.first; r < share.last; r += share.step) {
            int i = share.at(r);
            float arrives = passes(dy[i], i);
            sum += arrives;
            product += arrives * ((x[i] - center) * inv_std);
        }
    }
    sum = block_sum(shared, sum, share);
    product = block_sum(shared, product, share);
    if (share.writes()) {
        parts[share.part()] = sum;
        parts[gridDim.y * C + share.part()] = product;
    }
    add_parts(shared, share, parts, total, 2, arrived);
}

extern "C" __global__ void norm_grad_parts(
    const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ mean, const float* __restrict__
    var, float* __restrict__ parts, float* __restrict__ total, unsigned* __restrict__ arrived, int rows, int C, int B,
    int lanes, float eps) {
    __shared__ float shared[BLOCK];
    sum_gradients(shared, dy, x, mean, var, parts, total, arrived, rows, C, B, lanes, eps, Keep{});
}

extern "C" __global__ void dropout_norm_parts(
    const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ mean, const float* __restrict__
    var, float* __restrict__ parts, float* __restrict__ total, unsigned* __restrict__ arrived, int rows, int C, int
    lanes, float eps,
    unsigned long long threshold, float scale, unsigned seed_low, unsigned seed_high, unsigned step, unsigned stream,
    unsigned first, const unsigned* __restrict__ device_step) {
    __shared__ float shared[BLOCK];
    sum_gradients(shared, dy, x, mean, var, parts, total, arrived, rows, C, 1, lanes, eps, Drop{DRAWS});
}

// dx of one element, with 1/m = 0 where mean and var are constants.
__device__ __forceinline__ float norm_grad(float dy, float x, int c, const float* mean, const float* var,
                                           const float* gamma, const float* dgamma, const float* dbeta, float inverse_m,
                                           float eps) {
    float inv_std = 1.f / sqrtf(var[c] + eps), xhat = (x - mean[c]) * inv_std;
    if (inverse_m != 0) dy = dy - dbeta[c] * inverse_m - xhat * (dgamma[c] * inverse_m);
    return dy * (gamma[c] * inv_std);
}

// dx = gamma / sqrt(var + eps) (dy - dbeta / m - xhat dgamma / m)
extern "C" __global__ void batch_norm_grad(
    const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ mean, const float* __restrict__
    var, const float* __restrict__ gamma, const float* __restrict__ dgamma, const float* __restrict__ dbeta, float*
    __restrict__ dx, int size, int C, int B, float inverse_m, float eps) {
    int i = element();
    if (i >= size) return;
    dx[i] = norm_grad(dy[i], x[i], i / B % C, mean, var, gamma, dgamma, dbeta, inverse_m, eps);
}

// The same for a ReLU's output x, channels last: dx before that ReLU, 0 where x <= 0, and parts of its column sums.
template <class Passes>
__device__ __forceinline__ void through_relu(float* shared, const float* dy, const float* x, const float* mean,
                                             const float* var, const float* gamma, const float* dgamma,
                                             const float* dbeta, float* dx, float* parts, float* total,
                                             unsigned* arrived, int rows, int C, int lanes, float inverse_m,
                                             float eps, const Passes& passes) {
    Share share(rows, C, 1, lanes);
    float sum = 0;
    for (int r = share.first; r < share.last; r += share.step) {
        int i = share.at(r);
        float flows = norm_grad(passes(dy[i], i), x[i], share.c, mean, var, gamma, dgamma, dbeta, inverse_m, eps);
        flows = x[i] > 0 ? flows : 0.f;
        dx[i] = flows;
        sum += flows;
    }
    sum = block_sum(shared, sum, share);
    if (share.writes()) parts[share.part()] = sum;
    add_parts(shared, share, parts, total, 1, arrived);
}

extern "C" __global__ void norm_relu_parts(
    const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ mean, const float* __restrict__
    var, const float* __restrict__ gamma, const float* __restrict__ dgamma, const float* __restrict__ dbeta, float*
    __restrict__ dx, float* __restrict__ parts, float* __restrict__ total, unsigned* __restrict__ arrived, int rows,
    int C, int lanes, float inverse_m, float eps) {
    __shared__ float shared[BLOCK];
    through_relu(shared, dy, x, mean, var, gamma, dgamma, dbeta, dx, parts, total, arrived, rows, C, lanes,
                 inverse_m, eps, Keep{});
}

extern "C" __global__ void dropout_norm_relu_parts(
    const float* __restrict__ dy, const float* __restrict__ x, const float* __restrict__ mean, const float* __restrict__
    var, const float* __restrict__ gamma, const float* __restrict__ dgamma, const float* __restrict__ dbeta, float*
    __restrict__ dx, float* __restrict__ parts, float* __restrict__ total, unsigned* __restrict__ arrived, int rows,
    int C, int lanes, float inverse_m, float eps,
    unsigned long long threshold, float scale, unsigned seed_low, unsigned seed_high, unsigned step, unsigned stream,
    unsigned first, const unsigned* __restrict__ device_step) {
    __shared__ float shared[BLOCK];
    through_relu(shared, dy, x, mean, var, gamma, dgamma, dbeta, dx, parts, total, arrived, rows, C, lanes,
                 inverse_m, eps, Drop{DRAWS});
}

// The same before a max pooling of windows of at most 255 cells: dy, argmax (N, OH, OW, C) are the pooling's ---------

// parts (2, gridDim.y, C): sums over `rows` outputs of dy scale and of that times the winner's xhat.
extern "C" __global__ void pool_norm_parts(
    const float* __restrict__ dy, const unsigned char* __restrict__ argmax, const float* __restrict__ x, const float*
    __restrict__ mean, const float* __restrict__ var, float* __restrict__ parts, float* __restrict__ total, unsigned* __restrict__ arrived, int rows, int C, int lanes, int H, int
    W, int OH, int OW, int KH, int KW, int SH, int SW, int top, int left, float scale, float eps) {
    __shared__ float shared[BLOCK];
    Share share(rows, C, 1, lanes);
    float sum = 0, product = 0;
    if (share.first < share.last) {
        float center = mean[share.c], inv_std = 1.f / sqrtf(var[share.c] + eps);
        Places places(OH, OW);
        Divisor by_KW(KW);
        for (int r = share.first; r < share.last; r += share.step) {
            int i = share.at(r), cell = argmax[i], q;
            if (cell >= KH * KW) continue;  // dropped
            Place at = places(r, share.c);
            int h = at.h * SH - top + by_KW.divide(cell, q), w = at.w * SW - left + q;
            float flows = dy[i] * scale;
            sum += flows;
            product += flows * ((x[((at.n * H + h) * W + w) * C + at.c] - center) * inv_std);
        }
    }
    sum = block_sum(shared, sum, share);
    product = block_sum(shared, product, share);
    if (share.writes()) {
        parts[share.part()] = sum;
        parts[gridDim.y * C + share.part()] = product;
    }
    add_parts(shared, share, parts, total, 2, arrived);
}

// dx before the ReLU whose output x is, and parts of its column sums, over `rows` pixels of x.
extern "C" __global__ void pool_norm_relu_parts(
    const float* __restrict__ dy, const unsigned char* __restrict__ argmax, const float* __restrict__ x, const float*
    __restrict__ mean, const float* __restrict__ var, const float* __restrict__ gamma, const float* __restrict__ dgamma,
    const float* __restrict__ dbeta, float* __restrict__ dx, float* __restrict__ parts, float* __restrict__ total, unsigned* __restrict__ arrived, int rows, int C, int lanes, int
    H, int W, int OH, int OW, int KH, int KW, int SH, int SW, int top, int left, float scale, float inverse_m, float
    eps) {
    __shared__ float shared[BLOCK];
    Share share(rows, C, 1, lanes);
    Places places(H, W);
    Divisor by_SH(SH), by_SW(SW);
    float sum = 0;
    for (int r = share.first; r < share.last; r += share.step) {
        int i = share.at(r);
        float arrives = 0;
        for_each_window(places(r, share.c), C, OH, OW, KH, KW, by_SH, by_SW, top, left, [&](int from, int cell) {
            if (argmax[from] == cell) arrives += dy[from] * scale;
        });
        float flows = norm_grad(arrives, x[i], share.c, mean, var, gamma, dgamma, dbeta, inverse_m, eps);
        flows = x[i] > 0 ? flows : 0.f;
        dx[i] = flows;
        sum += flows;
    }
    sum = block_sum(shared, sum, share);
    if (share.writes()) parts[share.part()] = sum;
    add_parts(shared, share, parts, total, 1, arrived);
}
