"""Softmax, and softmax with cross-entropy in one: the logarithm never sees a rounded probability."""

from .namespace import namespace


def softmax(z):
    e = namespace(z).exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_cross_entropy(z, t):
    xp = namespace(z)
    shifted = z - z.max(axis=-1, keepdims=True)
    e = xp.exp(shifted)
    total = e.sum(axis=-1, keepdims=True)
    log_p = shifted - xp.log(total)
    return -(t * log_p).sum(axis=-1), e / total * t.sum(axis=-1, keepdims=True) - t
