// One step of each optimizer over flat arrays, in place: one parameter per thread.
//
//      p g m v   read once, p m v written once; a model's parameters lie in one flat buffer, so a step is one launch
//
// Why it is fast: memory sets the pace, and it is touched as little as the formula allows. A model's rates change from
// step to step; `device_args`, where not null, holds those that do in device memory in the order of the arguments,
// and a captured graph reads them there.
#include "common.cuh"

// v + (1 - beta)(g - v), the moving average.
__device__ __forceinline__ float toward(float v, float g, float rest) { return v + rest * (g - v); }

// m null: p -= lr g. Else m = momentum m - lr g, and p += momentum m - lr g (nesterov) or m.  device_args: lr
extern "C" __global__ void sgd_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ m, int n, float lr, float momentum, int
    nesterov, const float* __restrict__ device_args) {
    int i = element();
    if (i >= n) return;
    float step = (device_args ? *device_args : lr) * g[i];
    if (!m) {
        p[i] -= step;
        return;
    }
    float velocity = momentum * m[i] - step;
    m[i] = velocity;
    p[i] += nesterov ? momentum * velocity - step : velocity;
}

// rest = 1 - rho. a null: not centred; m null: no momentum.  device_args: lr
extern "C" __global__ void rmsprop_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ v, float* __restrict__ m, float*
    __restrict__ a, int n, float lr, float rest, float momentum, float eps, const float* __restrict__ device_args) {
    int i = element();
    if (i >= n) return;
    float square = v[i] = toward(v[i], g[i] * g[i], rest);
    float denominator = square + eps;
    if (a) {
        float average = a[i] = toward(a[i], g[i], rest);
        denominator -= average * average;
    }
    float step = (device_args ? *device_args : lr) * g[i] / sqrtf(denominator);
    if (m) step = m[i] = momentum * m[i] + step;
    p[i] -= step;
}

// rest_1 = 1 - beta_1, rest_2 = 1 - beta_2. vhat null: not AMSGrad.  device_args: rate
extern "C" __global__ void adam_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ m, float* __restrict__ v, float*
    __restrict__ vhat, int n, float rate, float rest_1, float rest_2, float eps, const float* __restrict__
    device_args) {
    int i = element();
    if (i >= n) return;
    float first = m[i] = toward(m[i], g[i], rest_1);
    float second = v[i] = toward(v[i], g[i] * g[i], rest_2);
    if (vhat) second = vhat[i] = vhat[i] > second ? vhat[i] : second;
    p[i] -= (device_args ? *device_args : rate) * first / (sqrtf(second) + eps);
}

// device_args: lr
extern "C" __global__ void adagrad_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ a, int n, float lr, float eps, const float*
    __restrict__ device_args) {
    int i = element();
    if (i >= n) return;
    float sum = a[i] += g[i] * g[i];
    p[i] -= (device_args ? *device_args : lr) * g[i] / sqrtf(sum + eps);
}

// device_args: lr
extern "C" __global__ void adadelta_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ a, float* __restrict__ d, int n, float lr,
    float rest, float eps, const float* __restrict__ device_args) {
    int i = element();
    if (i >= n) return;
    float average = a[i] = toward(a[i], g[i] * g[i], rest);
    float update = g[i] * sqrtf(d[i] + eps) / sqrtf(average + eps);
    d[i] = toward(d[i], update * update, rest);
    p[i] -= (device_args ? *device_args : lr) * update;
}

// device_args: rate
extern "C" __global__ void adamax_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ m, float* __restrict__ u, int n, float rate,
    float rest_1, float beta_2, float eps, const float* __restrict__ device_args) {
    int i = element();
    if (i >= n) return;
    float first = m[i] = toward(m[i], g[i], rest_1);
    float decayed = beta_2 * u[i], size = fabsf(g[i]);
    float greatest = u[i] = decayed > size ? decayed : size;
    p[i] -= (device_args ? *device_args : rate) * first / (greatest + eps);
}

// device_args: lr, m_scale, g_scale, v_scale
extern "C" __global__ void nadam_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ m, float* __restrict__ v, int n, float lr,
    float m_scale, float g_scale, float v_scale, float rest_1, float rest_2, float eps, const float* __restrict__
    device_args) {
    int i = element();
    if (i >= n) return;
    if (device_args) lr = device_args[0], m_scale = device_args[1], g_scale = device_args[2], v_scale = device_args[3];
    float first = m[i] = toward(m[i], g[i], rest_1);
    float second = v[i] = toward(v[i], g[i] * g[i], rest_2);
    p[i] -= lr * (m_scale * first + g_scale * g[i]) / (sqrtf(v_scale * second) + eps);
}

// rest = 1 - beta.  device_args: lr
extern "C" __global__ void lion_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ m, int n, float lr, float beta_1, float
    rest_1, float beta_2, float rest_2, const float* __restrict__ device_args) {
    int i = element();
    if (i >= n) return;
    float momentum = m[i], way = beta_1 * momentum + rest_1 * g[i];
    p[i] -= (device_args ? *device_args : lr) * (way > 0 ? 1.0f : way < 0 ? -1.0f : way);
    m[i] = beta_2 * momentum + rest_2 * g[i];
}

// root: power is 1/2; l2 and shrinkage come doubled.  device_args: lr
extern "C" __global__ void ftrl_step(
    float* __restrict__ p, const float* __restrict__ g, float* __restrict__ a, float* __restrict__ z, int n, float lr,
    float power, int root, float l1, float l2, float shrinkage, float beta, const float* __restrict__ device_args) {
    int i = element();
    if (i >= n) return;
    if (device_args) lr = *device_args;
    float weight = p[i], before = a[i], sum = a[i] = before + g[i] * g[i];
    float now = root ? sqrtf(sum) : powf(sum, power), old = root ? sqrtf(before) : powf(before, power);
    float linear = z[i] += g[i] + shrinkage * weight - (now - old) / lr * weight;
    float bounded = linear < -l1 ? -l1 : linear > l1 ? l1 : linear;
    p[i] = (bounded - linear) / ((now + beta) / lr + l2);
}
