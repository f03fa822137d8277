"""Dense layers: one matrix product each way."""

from .namespace import namespace


def dense(x, w, b, *, relu=False, affine=None):
    y = x @ w
    if b is not None:
        y += b
    if relu:
        namespace(y).maximum(y, 0, out=y)
    if affine is not None:
        y *= affine[0]
        y += affine[1]
    return y


def dense_input_grad(dy, w):
    return dy @ w.T


def dense_weight_grad(x, dy):
    return x.T @ dy


def bias_grad(dy):
    return dy.reshape(-1, dy.shape[-1]).sum(axis=0)
