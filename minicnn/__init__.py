"""minicnn: a CNN engine from scratch. Every kernel is written twice: once to be read, once to be run.

Names load on first use, so that `import minicnn` costs milliseconds.
"""

import importlib
from typing import TYPE_CHECKING

from . import _checkout, errors  # _checkout makes minicnn.kernels importable

if TYPE_CHECKING:  # what __getattr__ finds, for type checkers; tests/test_package.py compares the two
    from . import (
        activations,
        callbacks,
        commands,
        constraints,
        data,
        initializers,
        io,
        keras,
        kernels,
        layers,
        losses,
        metrics,
        ops,
        optimizers,
        play,
        recipes,
        records,
        regularizers,
        reports,
        sklearn,
        teaching,
    )
    from .core.check_grad import check_grad
    from .core.op import op
    from .core.tensor import Parameter, no_grad
    from .diagnosis import doctor
    from .labels import to_categorical
    from .layers import Input
    from .ops import Tensor
    from .saving.load import load_model, model_from_json
    from .training.checkpoint import CheckpointOptions
    from .training.cloning import clone_model
    from .training.ensemble import ensemble
    from .training.sequential import Model, Sequential
    from .training.world import World

__version__ = "0.2.0"

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
