"""One step of each optimizer over flat arrays, in place. Formulas and sources: minicnn/optimizers/."""

import numpy as np


def sgd_step(p, g, m, *, lr, momentum, nesterov):
    if m is None:
        p -= lr * g
        return
    m *= momentum
    m -= lr * g
    p += momentum * m - lr * g if nesterov else m


def rmsprop_step(p, g, v, m, a, *, lr, rho, momentum, eps):
    v += (1 - rho) * (np.square(g) - v)
    denominator = v + eps
    if a is not None:
        a += (1 - rho) * (g - a)
        denominator -= np.square(a)
    step = lr * g / np.sqrt(denominator)
    if m is not None:
        m *= momentum
        m += step
        step = m
    p -= step


def adam_step(p, g, m, v, vhat, *, rate, beta_1, beta_2, eps):
    m += (1 - beta_1) * (g - m)
    v += (1 - beta_2) * (np.square(g) - v)
    if vhat is not None:
        v = np.maximum(vhat, v, out=vhat)
    p -= rate * m / (np.sqrt(v) + eps)


def adagrad_step(p, g, a, *, lr, eps):
    a += np.square(g)
    p -= lr * g / np.sqrt(a + eps)


def adadelta_step(p, g, a, d, *, lr, rho, eps):
    a += (1 - rho) * (np.square(g) - a)
    u = g * np.sqrt(d + eps) / np.sqrt(a + eps)
    d += (1 - rho) * (np.square(u) - d)
    p -= lr * u


def adamax_step(p, g, m, u, *, rate, beta_1, beta_2, eps):
    m += (1 - beta_1) * (g - m)
    np.maximum(beta_2 * u, np.abs(g), out=u)
    p -= rate * m / (u + eps)


def nadam_step(p, g, m, v, *, lr, m_scale, g_scale, v_scale, beta_1, beta_2, eps):
    m += (1 - beta_1) * (g - m)
    v += (1 - beta_2) * (np.square(g) - v)
    p -= lr * (m_scale * m + g_scale * g) / (np.sqrt(v_scale * v) + eps)
