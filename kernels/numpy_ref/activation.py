"""ReLU and its gradient. The other activations are array expressions in minicnn/ops/activation.py."""

import numpy as np

from .dense import bias_grad


def relu(x):
    return np.maximum(x, 0)


def relu_grad(dy, y):
    return np.where(y > 0, dy, dy.dtype.type(0))  # not a product: 0 times infinity is NaN


def relu_bias_grad(dy, y):
    dx = relu_grad(dy, y)
    return dx, bias_grad(dx)
