"""Dense layers: one matrix product each way."""

import numpy as np


def dense(x, w, b, *, relu=False):
    y = x @ w
    if b is not None:
        y += b
    return np.maximum(y, 0, out=y) if relu else y


def dense_input_grad(dy, w):
    return dy @ w.T


def dense_weight_grad(x, dy):
    return x.T @ dy


def bias_grad(dy):
    return dy.reshape(-1, dy.shape[-1]).sum(axis=0)
