"""Softmax and cross-entropy, row by row in float64 on one thread.

Why it is fast enough: a batch of 86 rows of 10 classes is 860 exponentials, 10 us, less than waking a second thread and
a hundredth of the next kernel. Double precision costs nothing here and keeps z - max z finite for any float32 z.
"""

import numpy as np

from .codegen.jit import inner, outer
from .runtime.memory import empty


@inner
def _exponentials(z, p):
    """One row: p = exp(z - max z); max z and the sum of p."""
    top = np.float64(z[0])
    for k in range(z.size):
        top = max(top, np.float64(z[k]))
    total = 0.0
    for k in range(z.size):
        e = np.exp(z[k] - top)
        p[k] = e
        total += e
    return top, total


@outer
def _softmax_rows(z, y):
    p = np.empty(z.shape[1])
    for n in range(z.shape[0]):
        _, total = _exponentials(z[n], p)
        for k in range(p.size):
            y[n, k] = p[k] / total


@outer
def _cross_entropy_rows(z, t, loss, dz):
    p = np.empty(z.shape[1])
    for n in range(z.shape[0]):
        top, total = _exponentials(z[n], p)
        log_total, nll, mass = top + np.log(total), 0.0, 0.0
        for k in range(z.shape[1]):
            nll += t[n, k] * (log_total - z[n, k])
            mass += t[n, k]
        for k in range(z.shape[1]):
            dz[n, k] = p[k] / total * mass - t[n, k]
        loss[n] = nll


def softmax(z):
    z = np.ascontiguousarray(z, np.float32)
    p = empty(z.shape)
    if z.size:
        _softmax_rows(z.reshape(-1, z.shape[-1]), p.reshape(-1, z.shape[-1]))
    return p


def softmax_cross_entropy(z, t):
    z, t = np.ascontiguousarray(z, np.float32), np.ascontiguousarray(t, np.float32)
    loss, dz = empty((z.shape[0],)), empty(z.shape)
    _cross_entropy_rows(z, t, loss, dz)
    return loss, dz
