"""Metrics: numbers for people, from NumPy arrays; nothing here has a gradient.  K classes, N samples.

Source: Keras 3, metrics/ and trainers/compile_utils.py.
"""

import itertools
from typing import Any

from .. import custom, losses
from ..arguments import deserialized, named, serialized, shown
from ..errors import ArgumentError, ArgumentTypeError, nearest, require
from ..naming import snake_case
from .base import Mean, MeanMetricWrapper, Metric, Sum
from .confusion import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from .functions import (
    accuracy,
    binary_accuracy,
    binary_crossentropy,
    categorical_accuracy,
    categorical_crossentropy,
    concordance_correlation,
    cosine_similarity,
    equality,
    mean_absolute_error,
    mean_squared_error,
    pearson_correlation,
    sparse_categorical_accuracy,
    sparse_categorical_crossentropy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from .mean import (
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    ConcordanceCorrelation,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    PearsonCorrelation,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SquaredHinge,
    TopKCategoricalAccuracy,
)
from .scores import BinaryIoU, F1Score, FBetaScore, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU, R2Score

FUNCTIONS = {f.__name__: f for f in (
    accuracy, equality, binary_accuracy, categorical_accuracy, sparse_categorical_accuracy, top_k_categorical_accuracy,
    sparse_top_k_categorical_accuracy, mean_squared_error, mean_absolute_error, categorical_crossentropy,
    sparse_categorical_crossentropy, binary_crossentropy, cosine_similarity, pearson_correlation,
    concordance_correlation)}  # fmt: skip
# Of classes that a name alone is enough for.
_NAMED = (BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy, TopKCategoricalAccuracy,
          SparseTopKCategoricalAccuracy, MeanSquaredError, MeanAbsoluteError, MeanAbsolutePercentageError,
          MeanSquaredLogarithmicError, RootMeanSquaredError, LogCoshError, CosineSimilarity, PearsonCorrelation,
          ConcordanceCorrelation, Hinge, SquaredHinge, CategoricalHinge, KLDivergence, Poisson,
          CategoricalCrossentropy, SparseCategoricalCrossentropy, BinaryCrossentropy, AUC, Precision, Recall,
          TruePositives, TrueNegatives, FalsePositives, FalseNegatives, FBetaScore, F1Score, BinaryIoU, R2Score, Mean,
          Sum)  # fmt: skip
ALL = (*_NAMED, Accuracy, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU, SensitivityAtSpecificity, SpecificityAtSensitivity,
       PrecisionAtRecall, RecallAtPrecision, MeanMetricWrapper)  # fmt: skip
_NAMES = {snake_case(c.__name__): c for c in _NAMED} | {
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
}
_SHORT = {"mse": MeanSquaredError, "mae": MeanAbsoluteError, "rmse": RootMeanSquaredError, "bce": BinaryCrossentropy,
          "mape": MeanAbsolutePercentageError, "msle": MeanSquaredLogarithmicError, "kld": KLDivergence,
          "kullback_leibler_divergence": KLDivergence, "logcosh": LogCoshError, "log_cosh": LogCoshError,
          "cosine": CosineSimilarity, "cosine_proximity": CosineSimilarity, "f1": F1Score,
          "fbeta_score": FBetaScore}  # fmt: skip
_ALIASES = {c.__name__: c for c in _NAMED} | {name.upper(): c for name, c in _SHORT.items()}


def get(identifier: Any) -> Metric:
    """A Metric from a name (which stays its name: "acc" logs acc), a function (y_true, y_pred), a class or an instance.

    "accuracy" and "acc" are resolved by the shapes of each batch. An instance comes back as it is. A loss's name or
    instance is the mean of its values.

    Raises: ArgumentError for an unknown name, ArgumentTypeError for anything else.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, str):
        own = custom.find(identifier)
        if own is not None:
            return get(own)
        if identifier.lower() in ("accuracy", "acc"):
            return MeanMetricWrapper(accuracy, identifier)
        known = ["accuracy", "acc", *_NAMES, *_SHORT]
        found: Any = (_NAMES | _SHORT | _ALIASES).get(identifier)
        if found is None and identifier in losses.FUNCTIONS:
            return MeanMetricWrapper(losses.FUNCTIONS[identifier])
        expected, fix = "one of " + ", ".join(known), nearest(identifier, known)
        if found is None:
            require(False, "metric", expected, repr(identifier), fix, error=ArgumentError)
        return found(name=str(identifier))
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if isinstance(identifier, dict) and "class_name" in identifier:
        return get(deserialize(identifier))
    expected = "a name, a function (y_true, y_pred) or a Metric"
    if not callable(identifier) or isinstance(identifier, type):
        require(False, "metric", expected, shown(identifier), error=ArgumentTypeError)
    name = getattr(identifier, "__name__", "")
    if name in FUNCTIONS and identifier is losses.FUNCTIONS.get(name) and identifier is not losses.cosine_similarity:
        return MeanMetricWrapper(FUNCTIONS[name])
    name = identifier.name if isinstance(identifier, losses.Loss) else type(identifier).__name__
    return MeanMetricWrapper(identifier, getattr(identifier, "__name__", name))


@named
def serialize(metric: Any) -> Any:
    """Keras's description of a metric as plain values; of a function its name."""
    return serialized("metrics", metric)


@named
def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The metric that `serialize` described, or the function of that name.

    custom_objects: name -> class or function of yours
    """
    known = losses.FUNCTIONS | FUNCTIONS | {c.__name__: c for c in ALL} | _SHORT
    return deserialized("metrics.deserialize", config, known, custom_objects)


def unique_names(metrics: list[Metric], weighted: list[Metric]) -> list[str]:
    """The names in logs of both lists, one after the other: each metric's own, if no other has it.

    The second "accuracy" is accuracy_1, as in Keras; one of `weighted` with a name of the others, weighted_accuracy.
    "loss" is taken, and so is what validation puts val_ before.
    """
    taken, plain = {"loss"}, {m.name for m in metrics}
    names = [m.name for m in metrics]
    names += [f"weighted_{m.name}" if m.name in plain else m.name for m in weighted]
    for i, base in enumerate(names):
        suffixed = (f"{base}_{n}" for n in itertools.count(1))
        names[i] = next(n for n in itertools.chain([base], suffixed) if not _clashes(n, taken))
        taken.add(names[i])
    return names


def _clashes(name: str, taken: set[str]) -> bool:
    return name in taken or f"val_{name}" in taken or (name.startswith("val_") and name[4:] in taken)


__all__ = [*(c.__name__ for c in ALL), *FUNCTIONS, "ALL", "FUNCTIONS", "Metric", "deserialize", "get", "serialize",
           "unique_names"]  # fmt: skip
