"""Precision, recall and F1 of each digit."""

import functools
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..arguments import checked, whole
from .arrays import MOST, classes_of, same_length

if TYPE_CHECKING:
    import pandas


@checked("per_class.table", classes=functools.partial(whole, high=MOST))
def table(y: np.ndarray, prediction: np.ndarray, classes: int = 10) -> "pandas.DataFrame":
    """One row per class: precision, recall, f1 (fractions 0..1) and images; y and prediction (N,) or (N, K).

        precision = right / predicted as this class     recall = right / images of this class
        f1        = 2 precision recall / (precision + recall)

    0 where the denominator is 0. Raises DataError when the lengths differ or a label is none.
    """
    y, prediction = classes_of(y, "per_class.table: y"), classes_of(prediction, "per_class.table: prediction")
    same_length("per_class.table", y=y, prediction=prediction)
    import pandas
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(y, prediction, labels=range(classes), zero_division=cast(Any, 0))
    names = ("precision", "recall", "f1", "images")
    return pandas.DataFrame(dict(zip(names, columns, strict=True)), pandas.RangeIndex(classes, name="label"))
