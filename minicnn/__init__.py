"""minicnn: a CNN engine from scratch. Every kernel is written twice: once to be read, once to be run.

Names load on first use, so that `import minicnn` costs milliseconds.
"""

import importlib

from . import _checkout, errors  # noqa: F401  (_checkout makes minicnn.kernels importable)

__version__ = "0.1.0"

_MODULES = ("activations", "callbacks", "commands", "constraints", "data", "initializers", "io", "keras", "kernels",
            "layers", "losses", "metrics", "ops", "optimizers", "play", "recipes", "records", "regularizers", "reports",
            "sklearn", "teaching")  # fmt: skip
_HOME = {
    "CheckpointOptions": "training.checkpoint",
    "Input": "layers",
    "Model": "training.sequential",
    "Parameter": "core.tensor",
    "Sequential": "training.sequential",
    "Tensor": "ops",
    "World": "training.world",
    "check_grad": "core.check_grad",
    "clone_model": "training.cloning",
    "doctor": "diagnosis",
    "ensemble": "training.ensemble",
    "load_model": "saving.load",
    "model_from_json": "saving.load",
    "no_grad": "core.tensor",
    "op": "core.op",
    "to_categorical": "labels",
}
__all__ = ["__version__", "errors", *_MODULES, *_HOME]


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name in _HOME:
        value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'minicnn' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
