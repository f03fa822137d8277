"""The order of the worst errors: P(wrong) - P(true), largest first, equals in the order of the images."""

import re

import numpy as np
import pytest

from minicnn.errors import DataError
from minicnn.reports import worst

P = np.array(
    [
        [0.50, 0.25, 0.25],  # 0: label 0, right
        [0.25, 0.50, 0.25],  # 1: label 0, gap 0.25
        [0.00, 0.25, 0.75],  # 2: label 1, gap 0.5
        [0.75, 0.25, 0.00],  # 3: label 1, gap 0.5 too: after image 2
        [0.00, 1.00, 0.00],  # 4: label 2, gap 1
        [0.50, 0.50, 0.00],  # 5: label 1, a tie of classes: the first is the prediction, gap 0
    ]
)
Y = np.array([0, 0, 1, 1, 2, 1])


def test_order():
    errors = worst.find(Y, P)
    assert [(e.index, e.label, e.prediction, e.gap) for e in errors] == [
        (4, 2, 1, 1.0), (2, 1, 2, 0.5), (3, 1, 0, 0.5), (1, 0, 1, 0.25), (5, 1, 0, 0.0),
    ]  # fmt: skip
    assert errors[1].probabilities.tolist() == [0, 0.25, 0.75]


def test_only_the_worst_and_one_hot_labels():
    assert [error.index for error in worst.find(np.eye(3)[Y], P, count=2)] == [4, 2]


def test_it_is_the_gap_that_counts_and_not_the_surest_answer():
    errors = worst.find([0, 0], np.array([[0.40, 0.60, 0.00], [0.10, 0.55, 0.35]]))
    assert [error.index for error in errors] == [1, 0]


def test_nothing_wrong():
    assert worst.find([0, 1, 2], np.eye(3)) == []


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        (
            [0, 1],
            np.array([0, 1]),
            "worst.find: probabilities: expected one row per image, of shape (N, classes), received shape (2,)",
        ),
        ([0, 1], np.eye(3), "worst.find: expected arrays of one length, received 2 y, 3 probabilities"),
        ([0, 1, 3], np.eye(3), "worst.find: y: expected labels below 3, received 3"),
    ],
)
def test_refuses(y, p, message):
    with pytest.raises(DataError, match=re.escape(message) + "$"):
        worst.find(y, p)
