"""minicnn under Keras's own module paths: change the import lines of a script, keep the rest.

    from keras.models import Sequential                  ->   from minicnn.keras.models import Sequential
    from tensorflow.keras.layers import Conv2D, Dense    ->   from minicnn.keras.layers import Conv2D, Dense

Nothing is written a second time here: each path is a table of names that minicnn has elsewhere. A name that Keras has
and minicnn lacks can be imported; using it raises UnsupportedError, which says so.
"""

import sys

from .. import losses as _losses
from .. import metrics as _metrics
from .. import optimizers as _optimizers
from ..training.own import Layer, Variable
from . import _backend, _functions, _models, _older, _random, _runtime, _seeds, _tensorflow
from ._names import Names

__version__ = "3.15.0"  # Keras's, whose names these are: scripts print and compare it

# Keras's path -> the modules of minicnn that hold its names, and what means something of its own here.
_PATHS = {
    "layers": (("layers",), {"Layer": Layer} | _older.LAYERS),
    "models": (("",), {"Model": _models.Model, "Sequential": _models.Sequential, "load_model": _models.load_model,
                       "save_model": _models.save_model, "model_from_json": _models.model_from_json}),
    "optimizers": (("optimizers",), _models.LOWER | {"get": _models.get_or_none(_optimizers.get)}),
    "optimizers.schedules": (("optimizers.schedules",), {}),
    "callbacks": (("callbacks",), {}),
    "losses": (("losses",), _older.LOSSES | {"get": _models.get_or_none(_losses.get)}),
    "metrics": (("metrics", "losses"), {"get": _models.get_or_none(_metrics.get)}),
    "initializers": (("initializers",), {}),
    "regularizers": (("regularizers",), {}),
    "constraints": (("constraints",), {}),
    "activations": (("activations",), {}),
    "utils": (("data", "labels", "reports.network"), {"set_random_seed": _seeds.set_random_seed,
                                   "normalize": _seeds.normalize, "to_categorical": _seeds.to_categorical,
                                   "clear_session": _backend.clear_session,
                                   "is_keras_tensor": _backend.BACKEND["is_keras_tensor"]}
              | _models.REGISTRY | _older.UTILS),
    "datasets": ((), {}),
    "datasets.mnist": (("data.mnist",), {}),
    "datasets.fashion_mnist": (("data.fashion_mnist",), {}),
    "datasets.cifar10": (("data.cifar10",), {}),
    "datasets.cifar100": (("data.cifar100",), {}),
    "preprocessing": (("data",), {}),
    "preprocessing.image": (("data",), {}),
    "backend": ((), _functions.BACKEND | {
        "function": _models.function, "Variable": Variable, "KerasTensor": _models.KerasTensor}),
    "ops": ((), _functions.OPS),
    "ops.nn": ((), _functions.OPS),
    "ops.numpy": ((), _functions.OPS),
    "ops.linalg": ((), _functions.OPS),
    "saving": ((), {"load_model": _models.load_model, "save_model": _models.save_model} | _models.REGISTRY),
    "applications": ((), {}),
    "random": ((), _random.RANDOM),
    "mixed_precision": ((), _runtime.MIXED),
    "mixed_precision.experimental": ((), _runtime.MIXED),
    "config": ((), {name: _functions.BACKEND[name] for name in (
        "backend", "epsilon", "floatx", "image_data_format", "set_epsilon", "set_floatx", "set_image_data_format")}
        | {"set_dtype_policy": _runtime.set_policy, "dtype_policy": _runtime.policy}
        | dict.fromkeys(("enable_unsafe_deserialization", "disable_traceback_filtering", "enable_traceback_filtering",
                         "disable_interactive_logging", "enable_interactive_logging"), _runtime.nothing)),
    "wrappers": ((), {}),
    "wrappers.scikit_learn": ((), {}),
}  # fmt: skip
# Where Keras 1 and 2 kept the same names.
_OLD = {
    "layers": ("layers.advanced_activations", "layers.convolutional", "layers.core", "layers.embeddings",
               "layers.experimental", "layers.experimental.preprocessing", "layers.local", "layers.merge",
               "layers.noise", "layers.normalization", "layers.pooling", "layers.recurrent", "layers.wrappers",
               "engine", "engine.topology", "engine.base_layer"),
    "models": ("engine.training", "engine.sequential"),
    "optimizers": ("optimizers.legacy",),
    "optimizers.schedules": ("optimizers.learning_rate_schedule",),
    "utils": ("utils.np_utils", "utils.vis_utils", "utils.generic_utils", "utils.data_utils", "utils.io_utils",
              "utils.visualize_util"),
    "preprocessing.image": ("legacy.preprocessing.image",),
}  # fmt: skip


def _install() -> None:
    modules = {path: Names(path, *where) for path, where in _PATHS.items()}
    for path, olds in _OLD.items():
        modules |= dict.fromkeys(olds, modules[path])
    modules["layers"].called = _older.merge  # from keras.layers import merge: the module layers.merge, and a function
    modules["legacy"] = modules["legacy.preprocessing"] = modules["preprocessing"]
    for path, module in modules.items():
        sys.modules[f"{__name__}.{path}"] = module
        parent, _, name = path.rpartition(".")
        if parent:
            modules[parent].__dict__.setdefault(name, module)
        else:
            globals()[name] = module
    here = sys.modules[__name__]
    for prefix in ("api", "src", "_tf_keras", "_tf_keras.keras"):  # where editors find Keras 3's names, and write them
        sys.modules[f"{__name__}.{prefix}"] = here
        sys.modules.update({f"{__name__}.{prefix}.{path}": module for path, module in modules.items()})
    globals()["api"] = globals()["src"] = globals()["_tf_keras"] = here
    globals()["tf"] = sys.modules[f"{__name__}.tf"] = _tensorflow.tensorflow(sys.modules[__name__])


_install()


_TOP = {"Sequential": "models", "Model": "models", "Input": "layers", "Layer": "layers", "Variable": "backend",
        "KerasTensor": "backend"}


def __getattr__(name: str):
    if name in _TOP:
        return getattr(globals()[_TOP[name]], name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*(path for path in _PATHS if "." not in path), *_TOP})
