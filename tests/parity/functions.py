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
LISTED = {"concatenate", "stack", "hstack", "vstack"}  # they take a list

Y, CUBE, IMAGES, V = distinct(4, 6, seed=1) + 0.03, distinct(2, 3, 4), distinct(2, 5, 6, 3), distinct(6)
BINARY = np.round(positive(4, 6, seed=2))
ROWS = np.random.default_rng(3).dirichlet(np.ones(6), 4)
OPS = {  # name -> (arrays, options), each
    "sum": [([X], {}), ([CUBE], {"axis": [0, 2], "keepdims": True})], "mean": [([X], {}), ([CUBE], {"axis": -1})],
    "std": [([X], {"axis": 1})], "var": [([X], {}), ([CUBE], {"axis": [1, 2]})], "max": [([X], {"axis": 1})],
    "min": [([X], {"axis": 0, "keepdims": True})], "prod": [([P], {"axis": 1})], "logsumexp": [([X], {"axis": 1})],
    "any": [([BINARY], {"axis": 0})], "all": [([BINARY], {"axis": 0})], "argmax": [([X], {"axis": 1})],
    "argmin": [([X], {"axis": 0})], "count_nonzero": [([BINARY], {"axis": 1})], "average": [([X], {"axis": 0})],
    "norm": [([X], {}), ([X], {"axis": 1}), ([X], {"ord": 1, "axis": 0}), ([X], {"ord": 2, "axis": -1,
                                                                                "keepdims": True})],
    "cumsum": [([X], {"axis": 1})], "clip": [([X], {"x_min": -0.4, "x_max": 0.6})],
    "power": [([P], {"x2": 2.5})], "where": [([BINARY, X, Y], {})],
    "matmul": [([X, distinct(6, 3)], {}), ([CUBE, distinct(2, 4, 5)], {}), ([X, V], {}), ([CUBE, distinct(4, 2)], {})],
    "dot": [([X, V], {}), ([X, distinct(6, 3)], {}), ([CUBE, distinct(4, 2)], {})], "outer": [([V, V], {})],
    "tensordot": [([CUBE, distinct(3, 4, 5)], {"axes": 2})],
    "take": [([X], {"indices": 2, "axis": 1}), ([X], {"indices": [0, 7]}), ([V], {"indices": 1})],
    "flip": [([X], {}), ([X], {"axis": 1})], "roll": [([X], {"shift": 2, "axis": 1}), ([X], {"shift": -3})],
    "pad": [([X], {"pad_width": ((1, 2), (0, 3))})], "repeat": [([X], {"repeats": 3, "axis": 1}),
                                                                ([X], {"repeats": 2})],
    "tile": [([X], {"repeats": (2, 1)})], "swapaxes": [([CUBE], {"axis1": 0, "axis2": 2})],
    "moveaxis": [([CUBE], {"source": 0, "destination": -1})], "broadcast_to": [([V], {"shape": (4, 6)})],
    "transpose": [([CUBE], {}), ([CUBE], {"axes": (2, 0, 1)})], "reshape": [([X], {"newshape": (3, 8)})],
    "ravel": [([X], {})], "expand_dims": [([X], {"axis": 1})], "squeeze": [([distinct(4, 1, 6)], {"axis": 1})],
    "concatenate": [([X, Y], {"axis": 1}), ([X, Y], {"axis": 0})], "stack": [([X, Y], {"axis": -1})],
    "hstack": [([X, Y], {})], "vstack": [([X, Y], {}), ([V, V], {})], "full_like": [([X], {"fill_value": 3.0})],
    "one_hot": [([np.arange(6.0)], {"num_classes": 7})], "nan_to_num": [([X], {})],
    "max_pool": [([IMAGES], {"pool_size": 2, "strides": 2}),
                 ([IMAGES], {"pool_size": (3, 2), "strides": 1, "padding": "same"})],
    "average_pool": [([IMAGES], {"pool_size": 2, "strides": 2, "padding": "same"})],
    "binary_crossentropy": [([BINARY, P], {}), ([BINARY, X], {"from_logits": True})],
    "categorical_crossentropy": [([ROWS, P], {}), ([ROWS, X], {"from_logits": True})],
    "normalize": [([X], {}), ([X], {"axis": 0})],
    "argsort": [([X], {}), ([X], {"axis": 0})], "sort": [([X], {}), ([CUBE], {"axis": 1})],
    "median": [([X], {"axis": 1}), ([CUBE], {"axis": [0, 2], "keepdims": True}), ([X], {})],
    "take_along_axis": [([X], {"indices": np.array([[0, 0], [5, 1], [2, 3], [-1, 4]]), "axis": 1}),
                        ([X], {"indices": np.array([[3, 0, 1, 2, 0, 0]]), "axis": 0})],
    "diff": [([X], {}), ([X], {"n": 2, "axis": 0})], "cumprod": [([P], {"axis": 1}), ([V], {})],
    "tril": [([X], {}), ([CUBE], {"k": 1})], "triu": [([X], {"k": 1}), ([CUBE], {"k": -1})],
    "diagonal": [([X], {}), ([CUBE], {"offset": 1, "axis1": 2, "axis2": 1}), ([CUBE], {"axis1": 0, "axis2": 1})],
    "trace": [([X], {"offset": -1}), ([CUBE], {})], "diag": [([V], {"k": 2}), ([V], {"k": -1}), ([X], {})],
    "inner": [([X, Y], {}), ([V, V + 0.05], {})], "vdot": [([X, Y], {})], "copy": [([X], {})],
    "segment_sum": [([X], {"segment_ids": np.array([2, 0, 2, 1]), "num_segments": 4})],
    "slice": [([X], {"start_indices": (1, 2), "shape": (2, 3)})],
} | {name: [([X], {})] for name in (
    "abs", "absolute", "arctan", "ceil", "cos", "cosh", "erf", "exp", "exp2", "expm1", "floor", "isfinite", "isinf",
    "isnan", "negative", "ones_like", "reciprocal", "round", "sign", "sin", "sinh", "square", "tan", "trunc",
    "zeros_like", "logical_not", "sigmoid", "relu", "gelu", "leaky_relu", "elu", "celu", "silu", "hard_shrink",
    "log_softmax", "squareplus", "softmax")} | {
    name: [([P], {})] for name in ("log", "log10", "log1p", "log2", "rsqrt", "sqrt")} | {
    name: [([X, Y], {})] for name in (
        "add", "equal", "greater", "greater_equal", "less", "less_equal", "maximum", "minimum", "multiply", "not_equal",
        "subtract", "logaddexp", "logical_and", "logical_or", "logical_xor", "divide", "true_divide", "mod",
        "divide_no_nan", "floor_divide", "isclose")}  # fmt: skip
EINSUMS = [("ij,jk->ik", (4, 6), (6, 3)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)), ("ij->ji", (4, 6)), ("ij->", (4, 6)),
           ("i,j->ij", (3,), (4,)), ("bij,kj->bki", (2, 3, 4), (5, 4)), ("...ij,jk->...ik", (2, 3, 4), (4, 2)),
           ("ij,ij", (3, 4), (3, 4)), ("ab,bc,cd->ad", (2, 3), (3, 4), (4, 2)),
           ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
           ("ij,k->jk", (2, 3), (4,)), ("...i,...i->...", (2, 3, 4), (3, 4))]  # fmt: skip
FUNCTIONS |= {f"ops.{name}-{i}": (f"ops.{name}", *case) for name, cases in OPS.items() for i, case in enumerate(cases)}
