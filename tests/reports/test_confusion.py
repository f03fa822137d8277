"""The confusion table, counted by hand, and the images behind one of its cells."""

import re

import numpy as np
import pytest

from minicnn.errors import DataError
from minicnn.reports import confusion

Y = np.array([5, 5, 5, 3, 3, 0])
PREDICTED = np.array([5, 3, 3, 3, 5, 0])


def test_rows_are_labels_and_columns_predictions():
    table = confusion.table(Y, PREDICTED)
    assert table.shape == (10, 10)
    assert (table.index.name, table.columns.name) == ("label", "prediction")
    cells = {(label, prediction): n for label, row in table.iterrows() for prediction, n in row.items() if n}
    assert cells == {(5, 5): 1, (5, 3): 2, (3, 3): 1, (3, 5): 1, (0, 0): 1}


def test_probabilities_and_one_hot_labels():
    assert confusion.table(np.eye(10)[Y], np.eye(10)[PREDICTED] * 0.9).equals(confusion.table(Y, PREDICTED))


def test_normalised_rows_sum_to_one_or_to_zero_without_labels():
    table = confusion.table(Y, PREDICTED, normalise=True)
    assert table.loc[5, 3] == 2 / 3
    assert table.loc[3, 5] == 0.5
    assert table.sum(axis=1).tolist() == [1, 0, 0, 1, 0, 1, 0, 0, 0, 0]


def test_few_classes_and_a_class_too_many():
    assert confusion.table([0, 1], [1, 1], classes=2).to_numpy().tolist() == [[0, 1], [0, 1]]
    assert confusion.table([0, 2], [0, 3], classes=2).shape == (4, 4)


def test_where():
    assert confusion.where(Y, PREDICTED, label=5, prediction=3).tolist() == [1, 2]
    assert confusion.where(Y, PREDICTED, label=3, prediction=5).tolist() == [4]
    assert confusion.where(Y, PREDICTED, label=9, prediction=9).tolist() == []


def test_lengths_must_agree():
    message = "confusion.table: expected arrays of one length, received 6 y, 5 prediction"
    with pytest.raises(DataError, match=re.escape(message) + "$"):
        confusion.table(Y, PREDICTED[:5])
    with pytest.raises(DataError, match="received 6 y, 5 predicted"):
        confusion.where(Y, PREDICTED[:5], label=5, prediction=3)


def test_agrees_with_scikit_learn():
    from sklearn.metrics import confusion_matrix

    rng = np.random.default_rng(1)
    y, prediction = rng.integers(0, 10, (2, 500))
    assert np.array_equal(confusion.table(y, prediction), confusion_matrix(y, prediction, labels=range(10)))
