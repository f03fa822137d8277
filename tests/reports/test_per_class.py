"""Precision, recall and f1 by hand."""

import numpy as np
import pytest

from minicnn.errors import DataError
from minicnn.reports import per_class


def test_by_hand():
    table = per_class.table([5, 5, 5, 3, 3, 0], [5, 3, 3, 3, 5, 0])
    assert table.columns.tolist() == ["precision", "recall", "f1", "images"]
    assert table.loc[5].tolist() == pytest.approx([1 / 2, 1 / 3, 0.4, 3])
    assert table.loc[3].tolist() == pytest.approx([1 / 3, 1 / 2, 0.4, 2])
    assert table.loc[0].tolist() == [1, 1, 1, 1]
    assert table.loc[7].tolist() == [0, 0, 0, 0]
    assert table["images"].dtype == np.int64


def test_lengths_must_agree():
    with pytest.raises(DataError, match=r"per_class.table: expected arrays of one length, received 2 y, 1 prediction$"):
        per_class.table([1, 2], [1])
