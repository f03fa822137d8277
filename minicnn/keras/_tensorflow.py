"""What scripts use of TensorFlow beside Keras: `import tensorflow as tf` -> `from minicnn.keras import tf`."""

import contextlib
import types
from typing import Any

from . import _backend, _seeds
from ._names import Missing

F = _backend.OPS


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


def divide_no_nan(x, y):
    """x / y, and 0 where y is 0."""
    nothing = F["equal"](y, 0)
    return F["where"](nothing, 0.0, x / (y + nothing))


_MATH = {name: F[name] for name in (
    "abs", "add", "argmax", "argmin", "cos", "cumsum", "divide", "equal", "exp", "floor", "greater", "greater_equal",
    "less", "less_equal", "log", "maximum", "minimum", "multiply", "negative", "not_equal", "round", "sigmoid", "sign",
    "sin", "sqrt", "square", "subtract", "tanh")} | {
    "pow": F["power"], "softplus": F["softplus"],
    **{f"reduce_{f}": _reduced(f) for f in ("all", "any", "logsumexp", "max", "mean", "min", "prod", "std", "sum")},
    "reduce_variance": _reduced("var"), "divide_no_nan": divide_no_nan,
}  # fmt: skip


def clip_by_value(t, clip_value_min, clip_value_max):
    """min(max(t, clip_value_min), clip_value_max)."""
    return F["clip"](t, clip_value_min, clip_value_max)


_NN = {name: F[name] for name in (
    "elu", "gelu", "log_softmax", "relu", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "tanh"
)} | {"swish": F["silu"], "l2_normalize": F["normalize"]}  # fmt: skip


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
        "matmul": F["matmul"], "one_hot": lambda indices, depth: F["one_hot"](indices, depth),
        "ones_like": F["ones_like"], "reshape": lambda tensor, shape: F["reshape"](tensor, shape),
        "shape": F["shape"], "squeeze": F["squeeze"], "stack": F["stack"], "stop_gradient": F["stop_gradient"],
        "tile": F["tile"], "transpose": F["transpose"], "where": F["where"], "zeros_like": F["zeros_like"],
        "device": lambda name: contextlib.nullcontext(), "float32": "float32", "float64": "float64", "int32": "int32",
        "int64": "int64", "uint8": "uint8", "bool": "bool", "executing_eagerly": lambda: True,
        "get_logger": lambda: types.SimpleNamespace(setLevel=_nothing),
        "math": Namespace("tf.math", _MATH), "nn": Namespace("tf.nn", _NN),
        "random": Namespace("tf.random", {"set_seed": _seeds.set_random_seed}),
        "config": Namespace("tf.config", config | {"experimental": Namespace("tf.config.experimental", experimental)}),
        "test": Namespace("tf.test", {"is_gpu_available": lambda *args, **kwargs: False, "gpu_device_name": lambda: "",
                                      "is_built_with_cuda": lambda: False}),
    })  # fmt: skip
