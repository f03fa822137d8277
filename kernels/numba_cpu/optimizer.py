"""One step of each optimizer, in place: one loop per step over the flat arrays of all parameters.

Why it is fast: a step written in array expressions passes over memory once per operator; here every array is read once
and written once. Rates become float32 before the loop, or every lane would be widened to float64 and back. A slot that
is not used (None) travels as an empty array, so that each step compiles once; the test for it is the same for the whole
loop, and LLVM takes it out.
"""

import math

import numpy as np

from .activation import block_count
from .runtime.thread_pool import kernel

F = np.float32


@kernel
def _sgd(k, thread, p, g, m, numbers, blocks):
    lr, momentum, nesterov = numbers
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, m = p[part], g[part], m[part]
    for i in range(p.size):
        if m.size:
            step = lr * g[i]
            m[i] = momentum * m[i] - step
            p[i] += momentum * m[i] - step if nesterov else m[i]
        else:
            p[i] -= lr * g[i]


@kernel
def _rmsprop(k, thread, p, g, slots, numbers, blocks):
    (v, m, a), (lr, rate, momentum, eps) = slots, numbers
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, v, m, a = p[part], g[part], v[part], m[part], a[part]
    for i in range(p.size):
        v[i] += rate * (g[i] * g[i] - v[i])
        denominator = v[i] + eps
        if a.size:
            a[i] += rate * (g[i] - a[i])
            denominator -= a[i] * a[i]
        step = lr * g[i] / math.sqrt(denominator)
        if m.size:
            m[i] = momentum * m[i] + step
            step = m[i]
        p[i] -= step


@kernel
def _adam(k, thread, p, g, slots, numbers, blocks):
    (m, v, vhat), (rate, rate_1, rate_2, eps) = slots, numbers
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, m, v, vhat = p[part], g[part], m[part], v[part], vhat[part]
    for i in range(p.size):
        m[i] += rate_1 * (g[i] - m[i])
        v[i] += rate_2 * (g[i] * g[i] - v[i])
        second = v[i]
        if vhat.size:
            second = second if not second <= vhat[i] else vhat[i]  # NaN of either stays
            vhat[i] = second
        p[i] -= rate * m[i] / (math.sqrt(second) + eps)


@kernel
def _adagrad(k, thread, p, g, a, numbers, blocks):
    lr, eps = numbers
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, a = p[part], g[part], a[part]
    for i in range(p.size):
        a[i] += g[i] * g[i]
        p[i] -= lr * g[i] / math.sqrt(a[i] + eps)


@kernel
def _adadelta(k, thread, p, g, slots, numbers, blocks):
    (a, d), (lr, rate, eps) = slots, numbers
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, a, d = p[part], g[part], a[part], d[part]
    for i in range(p.size):
        a[i] += rate * (g[i] * g[i] - a[i])
        u = g[i] * math.sqrt(d[i] + eps) / math.sqrt(a[i] + eps)
        d[i] += rate * (u * u - d[i])
        p[i] -= lr * u


@kernel
def _adamax(k, thread, p, g, slots, numbers, blocks):
    (m, u), (rate, rate_1, beta_2, eps) = slots, numbers
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, m, u = p[part], g[part], m[part], u[part]
    for i in range(p.size):
        m[i] += rate_1 * (g[i] - m[i])
        decayed, size = beta_2 * u[i], abs(g[i])
        u[i] = size if not size <= decayed else decayed  # NaN of g stays ...
        u[i] = decayed if decayed != decayed else u[i]  # ... and of u
        p[i] -= rate * m[i] / (u[i] + eps)


@kernel
def _nadam(k, thread, p, g, slots, numbers, blocks):
    (m, v), (lr, m_scale, g_scale, v_scale, rate_1, rate_2, eps) = slots, numbers
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, m, v = p[part], g[part], m[part], v[part]
    for i in range(p.size):
        m[i] += rate_1 * (g[i] - m[i])
        v[i] += rate_2 * (g[i] * g[i] - v[i])
        p[i] -= lr * (m_scale * m[i] + g_scale * g[i]) / (math.sqrt(v_scale * v[i]) + eps)


@kernel
def _lion(k, thread, p, g, m, numbers, blocks):
    lr, beta_1, rate_1, beta_2, rate_2 = numbers
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, m = p[part], g[part], m[part]
    for i in range(p.size):
        direction = beta_1 * m[i] + rate_1 * g[i]
        p[i] -= lr * (F(1) if direction > 0 else F(-1) if direction < 0 else direction)  # NaN stays
        m[i] = beta_2 * m[i] + rate_2 * g[i]


@kernel
def _ftrl(k, thread, p, g, slots, numbers, blocks):
    (a, z), (inverse, power, root, l1, l2, shrinkage, beta) = slots, numbers
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, a, z = p[part], g[part], a[part], z[part]
    for i in range(p.size):
        sum_ = a[i] + g[i] * g[i]
        new = math.sqrt(sum_) if root else sum_**power
        old = math.sqrt(a[i]) if root else a[i] ** power
        z[i] += g[i] + shrinkage * p[i] - (new - old) * inverse * p[i]
        a[i] = sum_
        bounded = -l1 if z[i] < -l1 else l1 if z[i] > l1 else z[i]
        p[i] = (bounded - z[i]) / ((new + beta) * inverse + l2)


def sgd_step(p, g, slots, *, lr, momentum, nesterov):
    (m,), blocks = slots, block_count(p.size)
    _sgd(blocks, p, g, p[:0] if m is None else m, (F(lr), F(momentum), bool(nesterov)), blocks)


def rmsprop_step(p, g, slots, *, lr, rho, momentum, eps):
    (v, m, a), blocks = slots, block_count(p.size)
    slots = v, p[:0] if m is None else m, p[:0] if a is None else a
    _rmsprop(blocks, p, g, slots, (F(lr), F(1 - rho), F(momentum), F(eps)), blocks)


def adam_step(p, g, slots, *, rate, beta_1, beta_2, eps):
    (m, v, vhat), blocks = slots, block_count(p.size)
    slots = m, v, p[:0] if vhat is None else vhat
    _adam(blocks, p, g, slots, (F(rate), F(1 - beta_1), F(1 - beta_2), F(eps)), blocks)


def adagrad_step(p, g, slots, *, lr, eps):
    (a,), blocks = slots, block_count(p.size)
    _adagrad(blocks, p, g, a, (F(lr), F(eps)), blocks)


def adadelta_step(p, g, slots, *, lr, rho, eps):
    blocks = block_count(p.size)
    _adadelta(blocks, p, g, slots, (F(lr), F(1 - rho), F(eps)), blocks)


def adamax_step(p, g, slots, *, rate, beta_1, beta_2, eps):
    blocks = block_count(p.size)
    _adamax(blocks, p, g, slots, (F(rate), F(1 - beta_1), F(beta_2), F(eps)), blocks)


def nadam_step(p, g, slots, *, lr, scales, beta_1, beta_2, eps):
    blocks = block_count(p.size)
    _nadam(blocks, p, g, slots, (F(lr), *map(F, scales), F(1 - beta_1), F(1 - beta_2), F(eps)), blocks)


def lion_step(p, g, slots, *, lr, beta_1, beta_2):
    (m,), blocks = slots, block_count(p.size)
    _lion(blocks, p, g, m, (F(lr), F(beta_1), F(1 - beta_1), F(beta_2), F(1 - beta_2)), blocks)


def ftrl_step(p, g, slots, *, lr, power, penalties, beta):
    (l1, l2, shrinkage), blocks = penalties, block_count(p.size)
    numbers = F(1 / lr), F(power), power == 0.5, F(l1), F(2 * l2), F(2 * shrinkage), F(beta)
    _ftrl(blocks, p, g, slots, numbers, blocks)
