"""The part of TensorFlow that Keras scripts use: `import tensorflow as tf` -> `from minicnn.keras import tf`."""

import contextlib
import functools
import types
from typing import Any

import numpy as np

from .. import activations
from ..arguments import whole
from ..core.tensor import Tensor
from ..core.tensor_shape import TensorShape
from ..data.dataset import AUTOTUNE, Array, Dataset
from ..errors import ArgumentError, DataError, require
from ..ops import join
from ..training.gradient_tape import NONE, ZERO, GradientTape
from ..training.own import Variable
from . import _backend, _functions, _images, _random, _runtime, _seeds
from ._names import Missing

F = _functions.OPS


class Namespace(types.ModuleType):
    """A module whose other names are there too, and say that minicnn lacks them when they are used."""

    def __init__(self, name: str, own: dict[str, Any]):
        super().__init__(f"minicnn.keras.{name}")
        self.__path__ = []
        self.__dict__.update(own)

    def __getattr__(self, name: str):
        if name.startswith("_"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return Missing(f"{self.__name__.removeprefix('minicnn.keras.')}.{name}")


def _nothing(*args, **kwargs) -> None:
    """A setting of TensorFlow's that means nothing here."""


def list_physical_devices(device_type=None) -> list:
    """No device of TensorFlow's: minicnn chooses with Sequential(device=...)."""
    return []


def function(python_function=None, **options):
    """tf.function: the function as it is."""
    return python_function if python_function is not None else lambda f: f


def _reduced(name: str):
    reduce = F[name]
    return lambda input_tensor, axis=None, keepdims=False: reduce(input_tensor, axis=axis, keepdims=keepdims)


def argmax(input, axis=None, output_type=None):
    """The place of the largest along `axis`; None: the first axis."""
    return F["argmax"](input, axis=0 if axis is None else axis)


def argmin(input, axis=None, output_type=None):
    """The place of the smallest along `axis`; None: the first axis."""
    return F["argmin"](input, axis=0 if axis is None else axis)


_MATH = {name: F[name] for name in (
    "abs", "add", "cos", "cumsum", "divide", "equal", "exp", "floor", "greater", "greater_equal",
    "less", "less_equal", "log", "maximum", "minimum", "multiply", "negative", "not_equal", "round", "sigmoid", "sign",
    "sin", "sqrt", "square", "subtract", "tanh", "count_nonzero", "divide_no_nan", "erf", "expm1", "log1p",
    "logical_and", "logical_not", "logical_or", "logical_xor", "mod", "reciprocal", "rsqrt", "sinh", "cosh", "tan",
    "in_top_k", "ceil")} | {
    "pow": F["power"], "softplus": F["softplus"], "argmax": argmax, "argmin": argmin,
    **{f"reduce_{f}": _reduced(f) for f in ("all", "any", "logsumexp", "max", "mean", "min", "prod", "std", "sum")},
    "reduce_variance": _reduced("var"), "reduce_euclidean_norm": lambda input_tensor, axis=None, keepdims=False: norm(
        input_tensor, axis=axis, keepdims=keepdims), "floordiv": F["floor_divide"],
    "is_nan": F["isnan"], "is_finite": F["isfinite"], "is_inf": F["isinf"], "xlogy": _functions.xlogy,
    "add_n": lambda inputs: functools.reduce(F["add"], inputs), "atan": F["arctan"], "truediv": F["divide"],
    "l2_normalize": lambda x, axis=None: _backend.l2_normalize(x, axis), "log_sigmoid": F["log_sigmoid"],
}  # fmt: skip


def norm(tensor, ord="euclidean", axis=None, keepdims=False):
    """The length of vectors; axis None: of all numbers as one."""
    return _functions.norm(tensor, ord, axis, keepdims)


def boolean_mask(tensor, mask):
    """The entries where the mask, of the first axes of `tensor`, is true."""
    mask = np.asarray(mask, bool)
    rows = F["reshape"](tensor, (-1, *_backend.shape(tensor)[mask.ndim :]))
    places = np.flatnonzero(mask)  # none twice: one part holds them all
    return join.part(rows, key=rows.be.xp.asarray(places)) if isinstance(rows, Tensor) else F["take"](rows, places, 0)


def matmul(a, b, transpose_a=False, transpose_b=False, name=None):
    """The product of matrices, either of them transposed first."""
    a, b = (F["swapaxes"](one, -1, -2) if turned else one for one, turned in ((a, transpose_a), (b, transpose_b)))
    return F["matmul"](a, b)


def depth_to_space(input, block_size, data_format="NHWC", name=None):
    """(N, H, W, C b b) -> (N, H b, W b, C): the channels' blocks side by side, as in sub-pixel convolution."""
    require(data_format == "NHWC", "depth_to_space: data_format", "NHWC", data_format, error=ArgumentError)
    shape, b = _backend.shape(input), whole("depth_to_space: block_size", block_size, low=2)
    require(len(shape) == 4, "depth_to_space", "a batch (N, H, W, C)", shape)
    _, h, w, c = shape
    require(c % (b * b) == 0, "depth_to_space", f"a multiple of {b * b} channels", c)
    x = F["reshape"](input, (-1, h, w, b, b, c // (b * b)))
    return F["reshape"](F["transpose"](x, (0, 1, 3, 2, 4, 5)), (-1, h * b, w * b, c // (b * b)))


def space_to_depth(input, block_size, data_format="NHWC", name=None):
    """(N, H b, W b, C) -> (N, H, W, C b b), the reverse of depth_to_space."""
    require(data_format == "NHWC", "space_to_depth: data_format", "NHWC", data_format, error=ArgumentError)
    shape, b = _backend.shape(input), whole("space_to_depth: block_size", block_size, low=2)
    require(len(shape) == 4, "space_to_depth", "a batch (N, H, W, C)", shape)
    _, h, w, c = shape
    require(h % b == w % b == 0, "space_to_depth", f"sides that are multiples of {b}", (h, w))
    x = F["reshape"](input, (-1, h // b, b, w // b, b, c))
    return F["reshape"](F["transpose"](x, (0, 1, 3, 2, 4, 5)), (-1, h // b, w // b, c * b * b))


def local_response_normalization(input, depth_radius=5, bias=1, alpha=1, beta=0.5, name=None):
    """x / (bias + alpha sum of x^2 over depth_radius channels on either side)^beta: AlexNet's."""
    x, c = _backend.tensor(input), _backend.shape(input)[-1]
    near = np.abs(np.arange(c)[:, None] - np.arange(c)) <= depth_radius
    return x / F["power"](F["matmul"](F["square"](x), near.astype(np.float32)) * alpha + bias, beta)


def clip_by_value(t, clip_value_min, clip_value_max):
    """min(max(t, clip_value_min), clip_value_max)."""
    return F["clip"](t, clip_value_min, clip_value_max)


_LOGGING = types.SimpleNamespace(set_verbosity=_nothing, DEBUG=10, INFO=20, WARN=30, ERROR=40, FATAL=50)
_NN = {name: F[name] for name in (
    "elu", "log_softmax", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "tanh",
    "moments")} | {
    "gelu": activations.gelu, "swish": F["silu"], "l2_normalize": _MATH["l2_normalize"],
    "leaky_relu": lambda features, alpha=0.2: F["leaky_relu"](features, alpha),
    **dict.fromkeys(("max_pool", "max_pool2d"), lambda input, ksize, strides, padding: F["max_pool"](
        input, ksize, strides, padding)),
    **dict.fromkeys(("avg_pool", "avg_pool2d"), lambda input, ksize, strides, padding: F["average_pool"](
        input, ksize, strides, padding)),
    "conv2d": lambda input, filters, strides, padding: _functions.conv2d(input, filters, strides, padding),
} | {f.__name__: f for f in (
    depth_to_space, space_to_depth, local_response_normalization,
    _functions.sigmoid_cross_entropy_with_logits, _functions.softmax_cross_entropy_with_logits,
    _functions.sparse_softmax_cross_entropy_with_logits)}  # fmt: skip


def global_norm(t_list):
    """The length of all tensors together, as one vector; None counts nothing."""
    squares = [F["sum"](F["square"](t)) for t in t_list if t is not None]
    require(squares, "global_norm", "at least one tensor", "none", error=ArgumentError)
    return F["sqrt"](functools.reduce(F["add"], squares))


def clip_by_global_norm(t_list, clip_norm, use_norm=None):
    """(the tensors, shortened together to a length of clip_norm at most; the length that they had)."""
    length = global_norm(t_list) if use_norm is None else _backend.tensor(use_norm)
    factor = clip_norm / F["maximum"](length, clip_norm)
    return [None if t is None else t * factor for t in t_list], length


INITIALIZERS = {"random_normal": "RandomNormal", "random_uniform": "RandomUniform", "zeros": "Zeros", "ones": "Ones",
                "constant": "Constant"}  # fmt: skip


class TensorSpec:
    """A shape and a type, which tf.function is told and nobody reads."""

    def __init__(self, shape, dtype="float32", name=None):
        self.shape, self.dtype, self.name = shape, dtype, name


def confusion_matrix(labels, predictions, num_classes=None):
    """How often each label (row) was predicted as each class (column)."""
    labels, predictions = (np.asarray(one).astype(int).reshape(-1) for one in (labels, predictions))
    n = int(num_classes or max(labels.max(initial=0), predictions.max(initial=0)) + 1)
    ok = labels.shape == predictions.shape and all(0 <= one.min(initial=0) <= one.max(initial=0) < n
                                                   for one in (labels, predictions))  # fmt: skip
    require(ok, "confusion_matrix", f"as many labels as predictions, from 0 to {n - 1}", f"{labels}, {predictions}",
            error=DataError)  # fmt: skip
    return np.bincount(labels * n + predictions, minlength=n * n).reshape(n, n).view(Array)


def uniform(shape, minval=0, maxval=None, dtype="float32", seed=None):
    """Draws from minval to below maxval; whole numbers of a dtype of these."""
    if np.dtype(dtype).kind in "iu":
        return _random.randint(shape, minval, maxval, seed=seed)
    return _random.uniform(shape, minval, 1.0 if maxval is None else maxval, seed=seed)


def variable(initial_value=None, trainable=True, validate_shape=True, caching_device=None, name=None,
             variable_def=None, dtype=None, import_scope=None, constraint=None, synchronization=None, aggregation=None,
             shape=None) -> Variable:  # fmt: skip
    """tf.Variable in TensorFlow's order of arguments; a function without arguments may make the numbers."""
    value = initial_value() if callable(initial_value) else initial_value
    return Variable(value, shape, dtype, True if trainable is None else trainable, name=name,
                    constraint=constraint)  # fmt: skip


def tensorflow(keras) -> Namespace:
    """The module `tf`, whose tf.keras is `keras`."""
    config = {"list_physical_devices": list_physical_devices, "list_logical_devices": list_physical_devices,
              "set_visible_devices": _nothing, "run_functions_eagerly": _nothing, "optimizer": Namespace(
                  "tf.config.optimizer", {"set_jit": _nothing})}  # fmt: skip
    experimental = {"list_physical_devices": list_physical_devices, "set_memory_growth": _nothing,
                    "enable_op_determinism": _nothing}  # fmt: skip
    return Namespace("tf", _MATH | {
        "keras": keras, "__version__": "2.21.0", "function": function, "cast": _backend.cast,
        "clip_by_value": clip_by_value, "concat": lambda values, axis: F["concatenate"](values, axis=axis),
        "constant": _backend.constant, "convert_to_tensor": F["convert_to_tensor"], "expand_dims": F["expand_dims"],
        "matmul": matmul, "one_hot": lambda indices, depth: F["one_hot"](indices, depth),
        "ones_like": F["ones_like"], "reshape": lambda tensor, shape: F["reshape"](tensor, shape),
        "shape": F["shape"], "squeeze": F["squeeze"], "stack": F["stack"], "stop_gradient": F["stop_gradient"],
        "tile": F["tile"], "transpose": F["transpose"], "where": F["where"], "zeros_like": F["zeros_like"],
        "zeros": F["zeros"], "ones": F["ones"], "fill": lambda dims, value: F["full"](dims, value), "eye": F["eye"],
        "range": F["arange"], "linspace": F["linspace"], "gather": lambda params, indices, axis=0: F["take"](
            params, indices, axis), "split": lambda value, num_or_size_splits, axis=0: F["split"](
            value, num_or_size_splits if isinstance(num_or_size_splits, int) else np.cumsum(num_or_size_splits)[:-1],
            axis), "unstack": F["unstack"], "pad": lambda tensor, paddings, constant_values=0: F["pad"](
            tensor, paddings, constant_values=constant_values), "reverse": lambda tensor, axis: F["flip"](tensor, axis),
        "roll": lambda input, shift, axis: F["roll"](input, shift, axis), "repeat": lambda input, repeats, axis=None: F[
            "repeat"](input, repeats, axis), "tensordot": lambda a, b, axes: F["tensordot"](a, b, axes),
        "norm": norm, "einsum": F["einsum"],
        "broadcast_to": lambda input, shape: F["broadcast_to"](input, shape), "rank": F["ndim"], "identity": F[
            "convert_to_tensor"], "print": print, "newaxis": None, "Tensor": Tensor, "is_tensor": F["is_tensor"],
        "boolean_mask": boolean_mask,
        "clip_by_norm": lambda t, clip_norm: t * (clip_norm / F["maximum"](norm(t), clip_norm)),
        "linalg": Namespace("tf.linalg", {"norm": norm, "matmul": matmul, "einsum": F["einsum"],
                                             "global_norm": global_norm}),
        "device": lambda name: contextlib.nullcontext(), "float32": "float32", "float64": "float64", "int32": "int32",
        "int64": "int64", "uint8": "uint8", "uint16": "uint16", "bool": "bool", "executing_eagerly": lambda: True,
        "get_logger": lambda: types.SimpleNamespace(setLevel=_nothing),
        "math": Namespace("tf.math", _MATH | {"confusion_matrix": confusion_matrix}), "nn": Namespace("tf.nn", _NN),
        "data": Namespace("tf.data", {"Dataset": Dataset, "AUTOTUNE": AUTOTUNE, "experimental": Namespace(
            "tf.data.experimental", {"AUTOTUNE": AUTOTUNE, "cardinality": _runtime.cardinality}),
            "Options": _runtime.Options}),
        "image": Namespace("tf.image", _images.IMAGE), "io": Namespace("tf.io", _images.IO),
        "strings": Namespace("tf.strings", _images.STRINGS), "read_file": _images.read_file,
        "size": lambda input: int(np.prod(_backend.shape(input))), "TensorShape": TensorShape,
        "py_function": _runtime.numpy_function, "numpy_function": _runtime.numpy_function,
        "debugging": Namespace("tf.debugging", _runtime.DEBUGGING), "initializers": keras.initializers,
        "losses": keras.losses, "metrics": keras.metrics, "optimizers": keras.optimizers,
        "distribute": Namespace("tf.distribute", {
            "Strategy": _runtime.Strategy, "get_strategy": _runtime.Strategy, "TPUStrategy": _runtime.no_tpu,
            "MirroredStrategy": _runtime.MirroredStrategy, "OneDeviceStrategy": _runtime.OneDeviceStrategy,
            "cluster_resolver": Namespace("tf.distribute.cluster_resolver", {
                "TPUClusterResolver": _runtime.no_tpu})}),
        "autograph": Namespace("tf.autograph", {"set_verbosity": _nothing, "experimental": Namespace(
            "tf.autograph.experimental", {"do_not_convert": function})}),
        "compat": Namespace("tf.compat", {"v1": Namespace("tf.compat.v1", {
            "logging": _LOGGING, "set_random_seed": _seeds.set_random_seed, "enable_eager_execution": _nothing})}),
        "logging": _LOGGING, "set_random_seed": _seeds.set_random_seed,
        **{f"{name}_initializer": getattr(keras.initializers, cls) for name, cls in INITIALIZERS.items()},
        "Variable": variable, "GradientTape": GradientTape, "TensorSpec": TensorSpec,
        "UnconnectedGradients": types.SimpleNamespace(NONE=NONE, ZERO=ZERO), "global_norm": global_norm,
        "clip_by_global_norm": clip_by_global_norm,
        "random": Namespace("tf.random", {
            "set_seed": _seeds.set_random_seed, "normal": _random.normal, "uniform": uniform,
            "truncated_normal": _random.truncated_normal, "categorical": _random.categorical,
            "shuffle": lambda value, seed=None: _random.shuffle(value, seed=seed)}),
        "config": Namespace("tf.config", config | {"experimental": Namespace("tf.config.experimental", experimental)}),
        "test": Namespace("tf.test", {"is_gpu_available": lambda *args, **kwargs: False, "gpu_device_name": lambda: "",
                                      "is_built_with_cuda": lambda: False}),
    })  # fmt: skip
