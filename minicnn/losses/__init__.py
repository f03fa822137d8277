"""Losses: per-sample values as differentiable ops, then one reduction.  Every class has a function of its own too.

    compile(loss="huber")     compile(loss=losses.Huber(delta=0.5))     compile(loss=losses.huber)
"""

from typing import Any

from .. import custom
from ..arguments import deserialized, named, serialized, shown
from ..errors import ArgumentTypeError, UnsupportedError, one_of, require
from .base import EPSILON, Elementwise, FunctionLoss, Loss
from .crossentropy import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    SparseCategoricalCrossentropy,
)
from .functions import BY_FUNCTION, FUNCTIONS
from .margin import CategoricalHinge, Hinge, SquaredHinge
from .overlap import Dice, Tversky
from .regression import (
    CosineSimilarity,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
)

binary_crossentropy = bce = BCE = FUNCTIONS["binary_crossentropy"]
binary_focal_crossentropy = FUNCTIONS["binary_focal_crossentropy"]
categorical_crossentropy = FUNCTIONS["categorical_crossentropy"]
categorical_focal_crossentropy = FUNCTIONS["categorical_focal_crossentropy"]
categorical_generalized_cross_entropy = FUNCTIONS["categorical_generalized_cross_entropy"]
categorical_hinge = FUNCTIONS["categorical_hinge"]
cosine_similarity = cosine_proximity = cosine = FUNCTIONS["cosine_similarity"]
dice = FUNCTIONS["dice"]
hinge = FUNCTIONS["hinge"]
huber = huber_loss = FUNCTIONS["huber"]
kl_divergence = kullback_leibler_divergence = kld = KLD = FUNCTIONS["kl_divergence"]
log_cosh = logcosh = FUNCTIONS["log_cosh"]
mean_absolute_error = mae = MAE = FUNCTIONS["mean_absolute_error"]
mean_absolute_percentage_error = mape = MAPE = FUNCTIONS["mean_absolute_percentage_error"]
mean_squared_error = mse = MSE = FUNCTIONS["mean_squared_error"]
mean_squared_logarithmic_error = msle = MSLE = FUNCTIONS["mean_squared_logarithmic_error"]
poisson = FUNCTIONS["poisson"]
sparse_categorical_crossentropy = FUNCTIONS["sparse_categorical_crossentropy"]
squared_hinge = FUNCTIONS["squared_hinge"]
tversky = FUNCTIONS["tversky"]

ALL = tuple(dict.fromkeys(BY_FUNCTION.values()))
_BY_NAME = {n: BY_FUNCTION[f] for n, f in list(globals().items()) if callable(f) and BY_FUNCTION.get(f) is not None}
_BY_NAME = {name: cls for name, cls in _BY_NAME.items() if name.islower()}


def get(identifier: Any) -> Loss:
    """A loss from its name, its class, its function, a function of yours (y_true, y_pred), or itself.

    Differs from Keras: a name gives a Loss, there the function.
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        ours = BY_FUNCTION.get(identifier)
        return FunctionLoss(identifier) if ours is None else ours()
    if isinstance(identifier, dict) and "class_name" in identifier:
        return get(deserialize(identifier))
    known = isinstance(identifier, str)
    require(known, "loss", "a name, a function or a Loss", shown(identifier), error=ArgumentTypeError)
    own = custom.find(identifier)
    if own is not None:
        return get(own)
    if identifier in ("crossentropy", "ce"):
        raise UnsupportedError(f"loss: minicnn has no {identifier!r}, which goes by the targets' shape; name one of "
                               "binary_, categorical_ and sparse_categorical_crossentropy")  # fmt: skip
    by_class = {c.__name__: c for c in ALL}
    if identifier in by_class:
        return by_class[identifier]()
    return _BY_NAME[one_of("loss", str(identifier).lower(), _BY_NAME)]()


@named
def serialize(loss: Any) -> Any:
    """Keras's description of a loss as plain values; of a function its name."""
    return serialized("losses", loss)


@named
def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The loss that `serialize` described, or the function of that name.

    custom_objects: name -> class or function of yours
    """
    known = {c.__name__: c for c in ALL} | {n: f for n, f in globals().items() if n in _BY_NAME}
    return deserialized("losses.deserialize", config, known, custom_objects)


__all__ = [
    "ALL", "EPSILON", "FUNCTIONS", "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy", "CategoricalGeneralizedCrossEntropy", "CategoricalHinge", "CosineSimilarity",
    "Dice", "Elementwise", "FunctionLoss", "Hinge", "Huber", "KLDivergence", "LogCosh", "Loss", "MeanAbsoluteError",
    "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson",
    "SparseCategoricalCrossentropy", "SquaredHinge", "Tversky", "deserialize", "get", "serialize", *FUNCTIONS,
]  # fmt: skip
