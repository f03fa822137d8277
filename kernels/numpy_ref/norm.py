"""Batch normalisation over one axis, seen as x (A, C, B): statistics, the map, and its gradients.

With xhat = (x - mean) / sqrt(var + eps), m = A*B values per channel and y = gamma xhat + beta:

      dbeta = sum dy        dgamma = sum dy xhat
      dx = gamma / sqrt(var + eps) (dy - dbeta/m - xhat dgamma/m)        the last two terms: x moves mean and var

Source: Ioffe & Szegedy 2015, "Batch normalization", section 3.
"""

from .activation import relu_bias_grad
from .namespace import namespace


def batch_norm_stats(x):
    xp = namespace(x)
    mean = x.mean(axis=(0, 2), dtype=xp.float64)  # a float32 sum of 5,000 hundreds is off by more than 0.01
    var = xp.square(x - mean[:, None]).mean(axis=(0, 2))
    return mean.astype(x.dtype), var.astype(x.dtype)


def batch_norm(x, mean, var, gamma, beta, *, eps):
    inv_std = 1 / namespace(x).sqrt(var + eps)
    return (x - mean[:, None]) * (gamma * inv_std)[:, None] + beta[:, None]


def batch_norm_grad(dy, x, mean, var, gamma, *, eps, batch_stats, relu=False):
    inv_std = 1 / namespace(x).sqrt(var + eps)
    xhat = (x - mean[:, None]) * inv_std[:, None]
    dbeta = dy.sum(axis=(0, 2))
    dgamma = (dy * xhat).sum(axis=(0, 2))
    if batch_stats:
        m = x.shape[0] * x.shape[2]
        dy = dy - (dbeta / m)[:, None] - xhat * (dgamma / m)[:, None]
    dx = dy * (gamma * inv_std)[:, None]
    if relu:
        dx, db = relu_bias_grad(dx[..., 0], x[..., 0])
        return dx[..., None], dgamma, dbeta, db
    return dx, dgamma, dbeta
