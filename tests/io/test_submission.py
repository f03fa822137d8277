"""The submission file: exact bytes, and every way in which a check must fail, by its exact message."""

import re

import numpy as np
import pytest

from minicnn.errors import DataError, MissingDataError
from minicnn.io import submission


def test_exact_bytes(tmp_path):
    submission.write(tmp_path / "submission.csv", np.array([7, 0, 9]))
    assert (tmp_path / "submission.csv").read_bytes() == b"ImageId,Label\n1,7\n2,0\n3,9\n"
    submission.check(tmp_path / "submission.csv", 3)


def test_28000_rows(tmp_path, rng):
    submission.write(tmp_path / "submission.csv", rng.integers(0, 10, 28000))
    submission.check(tmp_path / "submission.csv", 28000)


SHAPE = "expected labels of shape (N,), one per image"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3), f"{SHAPE}, received shape (3, 3); take probabilities.argmax(axis=1)"),
        (np.array([], int), f"{SHAPE}, received shape (0,)"),
        (np.array([1.0, 2.0]), "expected integer labels, received float64"),
        (np.array([1, 10, -1]), "expected labels 0 to 9, received 10 in row 1"),
    ],
)  # fmt: skip
def test_write_refuses(tmp_path, labels, message):
    path = tmp_path / "submission.csv"
    with pytest.raises(DataError, match=re.escape(f"submission {path}: {message}") + "$"):
        submission.write(path, labels)
    assert not path.exists()


FIX = "; write it again with minicnn.io.submission.write"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": expected the header ImageId,Label, received 'an empty file'"),
        ("id,label\n1,2\n2,3\n", ": expected the header ImageId,Label, received 'id,label'"),
        ("ImageId,Label\n1,2\n", ": expected 2 rows, received 1"),
        ("ImageId,Label\n1,2\n2,3\n3,4\n", ": expected 2 rows, received 3"),
        ("ImageId,Label\n0,2\n1,3\n", ", line 2: expected ImageId 1, received '0'"),
        ("ImageId,Label\n1,2\n1,3\n", ", line 3: expected ImageId 2, received '1'"),
        ("ImageId,Label\n1,2\n2,3.0\n", ", line 3: expected a label 0 to 9, received '3.0'"),
        ("ImageId,Label\n1,2\n2\n", ", line 3: expected a label 0 to 9, received ''"),
        ("ImageId,Label\n1,10\n2,1\n", ", line 2: expected a label 0 to 9, received '10'"),
        ("ImageId,Label\n1,2,3\n2,1\n", ", line 2: expected a label 0 to 9, received '2,3'"),
        ("<html>" + "x" * 100, ": expected the header ImageId,Label, received '<html>" + "x" * 31 + "...'"),
    ],
)  # fmt: skip
def test_check_refuses(tmp_path, text, message):
    path = tmp_path / "submission.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=re.escape(f"submission {path}{message}{FIX}") + "$"):
        submission.check(path, 2)


def test_check_without_a_file(tmp_path):
    with pytest.raises(MissingDataError, match="expected a file, received none"):
        submission.check(tmp_path / "submission.csv", 2)
