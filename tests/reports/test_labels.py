"""Counting labels, in every form in which they come."""

import re

import numpy as np
import pytest

from minicnn.errors import DataError
from minicnn.reports import labels

Y = np.array([3, 1, 3, 0])


@pytest.mark.parametrize("y", [Y, Y.astype(np.uint8), Y.astype(float), Y[:, None], np.eye(10)[Y], Y.tolist()])
def test_count(y):
    assert labels.count(y).tolist() == [1, 1, 0, 2, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1.5], "expected whole numbers from 0 to 65535 as labels, received 1.5 in row 1"),
        ([0, 1, -1], "expected whole numbers from 0 to 65535 as labels, received -1 in row 2"),
        (["a"], "expected an array of numbers, received dtype <U1"),
        (np.zeros((2, 2, 2)), "expected labels of shape (N,) or (N, classes), received shape (2, 2, 2)"),
        (np.nan, "expected labels of shape (N,) or (N, classes), received shape ()"),
    ],
)
def test_what_is_no_label(y, message):
    with pytest.raises(DataError, match=re.escape(f"labels.count: y: {message}") + "$"):
        labels.count(y)


def test_no_labels_at_all():
    assert labels.count(np.array([], int)).tolist() == [0] * 10
