"""Functions of tensors that both libraries have: (path, name) -> (arguments, options), each compared with gradients.

x: numbers that are .1 apart, without ties, none of them at a kink; p: between 0 and 1.
"""

import numpy as np


def distinct(*shape, seed=0):
    n = np.prod(shape, dtype=int)
    return (np.random.default_rng(seed).permutation(n).reshape(shape) - n // 2 + 0.37) / 10


def positive(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.2, 0.9, shape)


X, P = distinct(4, 6), positive(4, 6)

ACTIVATIONS = {
    "relu": [{}, {"negative_slope": 0.1, "max_value": 0.8, "threshold": 0.2}, {"negative_slope": 0.3}],
    "leaky_relu": [{}, {"negative_slope": 0.1}], "elu": [{}, {"alpha": 0.7}], "celu": [{}, {"alpha": 0.7}],
    "gelu": [{}, {"approximate": True}], "softmax": [{}, {"axis": 0}, {"axis": [0, 1]}],
    "log_softmax": [{}, {"axis": 0}], "hard_shrink": [{}, {"threshold": 0.3}], "soft_shrink": [{}, {"threshold": 0.3}],
    "squareplus": [{}, {"b": 2}], "threshold": [{"threshold": 0.2, "default_value": -1.5}],
    "glu": [{}, {"axis": 0}], "sparsemax": [{}, {"axis": 0}],
} | {name: [{}] for name in (
    "exponential", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "linear", "log_sigmoid", "mish", "relu6",
    "selu", "sigmoid", "silu", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "swish", "tanh",
    "tanh_shrink")}  # fmt: skip

FUNCTIONS = {f"activations.{name}-{i}": (f"activations.{name}", [X], options)
             for name, cases in ACTIVATIONS.items() for i, options in enumerate(cases)
             if name != "sparsemax"}  # whose sums are not 1 in Keras
LISTED = {"concatenate", "stack"}  # they take a list
