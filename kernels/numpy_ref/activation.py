"""ReLU and its gradient. The other activations are array expressions in minicnn/ops/activation.py."""

from .dense import bias_grad
from .namespace import namespace


def relu(x):
    return namespace(x).maximum(x, 0)


def relu_grad(dy, y):
    return namespace(dy).where(y > 0, dy, dy.dtype.type(0))  # not a product: 0 times infinity is NaN


def relu_bias_grad(dy, y):
    dx = relu_grad(dy, y)
    return dx, bias_grad(dx)
