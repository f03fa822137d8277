"""One step of each optimizer, in place: one loop per step over the flat arrays of all parameters.

Why it is fast: a step written in array expressions passes over memory once per operator; here every array is read once
and written once. Rates become float32 before the loop, or every lane would be widened to float64 and back. A state that
is not used (None) travels as an empty array, so that each step compiles once; the test for it is the same for the whole
loop, and LLVM takes it out.
"""

import math

import numpy as np

from .activation import block_count
from .jit import inner
from .tasks import parallel, parallel_for

F = np.float32


@inner
def _sgd_block(k, thread, p, g, m, lr, momentum, nesterov, blocks):
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, m = p[part], g[part], m[part]
    for i in range(p.size):
        if m.size:
            step = lr * g[i]
            m[i] = momentum * m[i] - step
            p[i] += momentum * m[i] - step if nesterov else m[i]
        else:
            p[i] -= lr * g[i]


@parallel
def _sgd(p, g, m, lr, momentum, nesterov, blocks):
    parallel_for(_sgd_block, blocks, (p, g, m, lr, momentum, nesterov, blocks))


@inner
def _rmsprop_block(k, thread, p, g, v, m, a, lr, rate, momentum, eps, blocks):
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


@parallel
def _rmsprop(p, g, v, m, a, lr, rate, momentum, eps, blocks):
    parallel_for(_rmsprop_block, blocks, (p, g, v, m, a, lr, rate, momentum, eps, blocks))


@inner
def _adam_block(k, thread, p, g, m, v, vhat, rate, rate_1, rate_2, eps, blocks):
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


@parallel
def _adam(p, g, m, v, vhat, rate, rate_1, rate_2, eps, blocks):
    parallel_for(_adam_block, blocks, (p, g, m, v, vhat, rate, rate_1, rate_2, eps, blocks))


@inner
def _adagrad_block(k, thread, p, g, a, lr, eps, blocks):
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, a = p[part], g[part], a[part]
    for i in range(p.size):
        a[i] += g[i] * g[i]
        p[i] -= lr * g[i] / math.sqrt(a[i] + eps)


@parallel
def _adagrad(p, g, a, lr, eps, blocks):
    parallel_for(_adagrad_block, blocks, (p, g, a, lr, eps, blocks))


@inner
def _adadelta_block(k, thread, p, g, a, d, lr, rate, eps, blocks):
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, a, d = p[part], g[part], a[part], d[part]
    for i in range(p.size):
        a[i] += rate * (g[i] * g[i] - a[i])
        u = g[i] * math.sqrt(d[i] + eps) / math.sqrt(a[i] + eps)
        d[i] += rate * (u * u - d[i])
        p[i] -= lr * u


@parallel
def _adadelta(p, g, a, d, lr, rate, eps, blocks):
    parallel_for(_adadelta_block, blocks, (p, g, a, d, lr, rate, eps, blocks))


@inner
def _adamax_block(k, thread, p, g, m, u, rate, rate_1, beta_2, eps, blocks):
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, m, u = p[part], g[part], m[part], u[part]
    for i in range(p.size):
        m[i] += rate_1 * (g[i] - m[i])
        decayed, size = beta_2 * u[i], abs(g[i])
        u[i] = size if not size <= decayed else decayed  # NaN of g stays ...
        u[i] = decayed if decayed != decayed else u[i]  # ... and of u
        p[i] -= rate * m[i] / (u[i] + eps)


@parallel
def _adamax(p, g, m, u, rate, rate_1, beta_2, eps, blocks):
    parallel_for(_adamax_block, blocks, (p, g, m, u, rate, rate_1, beta_2, eps, blocks))


@inner
def _nadam_block(k, thread, p, g, m, v, lr, m_scale, g_scale, v_scale, rate_1, rate_2, eps, blocks):
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, m, v = p[part], g[part], m[part], v[part]
    for i in range(p.size):
        m[i] += rate_1 * (g[i] - m[i])
        v[i] += rate_2 * (g[i] * g[i] - v[i])
        p[i] -= lr * (m_scale * m[i] + g_scale * g[i]) / (math.sqrt(v_scale * v[i]) + eps)


@parallel
def _nadam(p, g, m, v, lr, m_scale, g_scale, v_scale, rate_1, rate_2, eps, blocks):
    parallel_for(_nadam_block, blocks, (p, g, m, v, lr, m_scale, g_scale, v_scale, rate_1, rate_2, eps, blocks))


@inner
def _lion_block(k, thread, p, g, m, lr, beta_1, rate_1, beta_2, rate_2, blocks):
    part = slice(k * p.size // blocks, (k + 1) * p.size // blocks)
    p, g, m = p[part], g[part], m[part]
    for i in range(p.size):
        way = beta_1 * m[i] + rate_1 * g[i]
        p[i] -= lr * (F(1) if way > 0 else F(-1) if way < 0 else way)  # NaN stays
        m[i] = beta_2 * m[i] + rate_2 * g[i]


@parallel
def _lion(p, g, m, lr, beta_1, rate_1, beta_2, rate_2, blocks):
    parallel_for(_lion_block, blocks, (p, g, m, lr, beta_1, rate_1, beta_2, rate_2, blocks))


@inner
def _ftrl_block(k, thread, p, g, a, z, inverse, power, root, l1, l2, shrinkage, beta, blocks):
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


@parallel
def _ftrl(p, g, a, z, inverse, power, root, l1, l2, shrinkage, beta, blocks):
    parallel_for(_ftrl_block, blocks, (p, g, a, z, inverse, power, root, l1, l2, shrinkage, beta, blocks))


def sgd_step(p, g, m, *, lr, momentum, nesterov):
    _sgd(p, g, p[:0] if m is None else m, F(lr), F(momentum), bool(nesterov), block_count(p.size))


def rmsprop_step(p, g, v, m, a, *, lr, rho, momentum, eps):
    m, a = p[:0] if m is None else m, p[:0] if a is None else a
    _rmsprop(p, g, v, m, a, F(lr), F(1 - rho), F(momentum), F(eps), block_count(p.size))


def adam_step(p, g, m, v, vhat, *, rate, beta_1, beta_2, eps):
    vhat = p[:0] if vhat is None else vhat
    _adam(p, g, m, v, vhat, F(rate), F(1 - beta_1), F(1 - beta_2), F(eps), block_count(p.size))


def adagrad_step(p, g, a, *, lr, eps):
    _adagrad(p, g, a, F(lr), F(eps), block_count(p.size))


def adadelta_step(p, g, a, d, *, lr, rho, eps):
    _adadelta(p, g, a, d, F(lr), F(1 - rho), F(eps), block_count(p.size))


def adamax_step(p, g, m, u, *, rate, beta_1, beta_2, eps):
    _adamax(p, g, m, u, F(rate), F(1 - beta_1), F(beta_2), F(eps), block_count(p.size))


def nadam_step(p, g, m, v, *, lr, m_scale, g_scale, v_scale, beta_1, beta_2, eps):
    rates = F(lr), F(m_scale), F(g_scale), F(v_scale), F(1 - beta_1), F(1 - beta_2), F(eps)
    _nadam(p, g, m, v, *rates, block_count(p.size))


def lion_step(p, g, m, *, lr, beta_1, beta_2):
    _lion(p, g, m, F(lr), F(beta_1), F(1 - beta_1), F(beta_2), F(1 - beta_2), block_count(p.size))


def ftrl_step(p, g, a, z, *, lr, power, l1, l2, shrinkage, beta):
    numbers = F(1 / lr), F(power), power == 0.5, F(l1), F(2 * l2), F(2 * shrinkage), F(beta)
    _ftrl(p, g, a, z, *numbers, block_count(p.size))
