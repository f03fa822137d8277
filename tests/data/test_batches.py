"""Splits, slices, and the checks of lengths, pixels and labels, with their messages."""

import numpy as np
import pytest
import sklearn.model_selection

from minicnn.data import batches
from minicnn.errors import ArgumentError, DataError, MinicnnError, ShapeError

from .conftest import exactly

# splits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0.1, 0.25, 7])
@pytest.mark.parametrize("stratify", [False, True])
def test_train_test_split_gives_scikit_learns_rows(size, stratify):
    x, y = np.arange(300).reshape(100, 3), np.arange(100) % 5
    got = batches.train_test_split(x, y, size, 2, stratify)
    expected = sklearn.model_selection.train_test_split(
        x, y, test_size=size, random_state=2, stratify=y if stratify else None
    )
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_hot_labels_are_stratified_by_class():
    y = np.arange(100) % 5
    rows = batches.train_test_split(np.arange(100), y, 0.2, 3, stratify=True)[1]
    hot = batches.train_test_split(np.arange(100), np.eye(5)[y], 0.2, 3, stratify=True)[1]
    np.testing.assert_array_equal(rows, hot)


@pytest.mark.parametrize("size", [0.0, 1.0, -0.1, 0, 10, np.nan, "half", None])
def test_test_size(size):
    where = "train_test_split: test_size"
    says = f"{where}: expected a fraction between 0 and 1, or a whole number from 1 to 9, received {size!r}"
    with pytest.raises(ArgumentError, match=exactly(says)):
        batches.train_test_split(np.zeros(10), np.zeros(10), size, 0)


def test_a_class_with_one_member():
    with pytest.raises(ArgumentError, match=r"train_test_split: expected rows enough for both parts, received 10 and"):
        batches.train_test_split(np.zeros(10), np.array([1] + [0] * 9), 0.5, 0, stratify=True)


@pytest.mark.parametrize(
    ("n", "fraction", "cut"), [(10, 0.2, 8), (42000, 0.1, 37800), (60000, 0.2, 48000), (7, 0.5, 3)]
)
def test_validation_split_takes_the_last_rows(n, fraction, cut):
    train, validate = batches.validation_split(n, fraction)
    assert (train, validate) == (slice(0, cut), slice(cut, n))


def test_validation_split_errors():
    for bad in (0, 1, -0.5, 1.5, np.nan, "a", None):
        says = f"validation_split: expected a fraction between 0 and 1, received {bad!r}"
        with pytest.raises(ArgumentError, match=exactly(says)):
            batches.validation_split(10, bad)
    says = (
        "validation_split: expected a fraction that leaves rows on both sides, received 0.5 of 1 rows: 0 to train on, "
        "1 to validate on; change it"
    )
    with pytest.raises(ArgumentError, match=exactly(says)):
        batches.validation_split(1, 0.5)
    with pytest.raises(ArgumentError, match="10 to train on, 0 to validate on"):
        batches.validation_split(10, 1e-17)


def test_batch_slices():
    assert batches.batch_slices(10, 4) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert batches.batch_slices(8, np.int64(4)) == [slice(0, 4), slice(4, 8)]
    assert batches.batch_slices(3, 100) == [slice(0, 3)]
    assert batches.batch_slices(0, 4) == []
    for bad in (0, -1, 1.5, True, "32", None):
        says = f"batch_size: expected a whole number of at least 1, received {bad!r}"
        with pytest.raises(ArgumentError, match=exactly(says)):
            batches.batch_slices(10, bad)


# checks ---------------------------------------------------------------------------------------------------------------


def test_check_lengths():
    assert batches.check_lengths("fit", x=np.zeros((5, 2)), y=[1] * 5, sample_weight=None) == 5
    says = (
        "fit: expected x and y with the same number of rows, received x with 5, y with 4; give one of each for every "
        "image"
    )
    with pytest.raises(ShapeError, match=exactly(says)):
        batches.check_lengths("fit", x=np.zeros((5, 2)), y=np.zeros(4))
    with pytest.raises(ShapeError, match=exactly("fit: expected y with an axis of rows, received the single value 3")):
        batches.check_lengths("fit", x=np.zeros((5, 2)), y=3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 4095, 4096, 4999])
def test_check_images_names_the_first_bad_pixel(value, row):
    x = np.zeros((5000, 2, 3, 1), np.float32)
    x[row, 1, 2, 0] = x[4999, 1, 2, 0] = value
    says = f"x_train: expected finite pixels, received {value} in row {row} at (1, 2, 0); correct or remove that row"
    with pytest.raises(DataError, match=exactly(says)):
        batches.check_images(x, "x_train")


def test_check_images_accepts_numbers_only():
    for good in (np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.float64), np.zeros((2, 3), bool), np.zeros((0, 3))):
        batches.check_images(good)
    with pytest.raises(DataError, match=exactly("x: expected numbers, received an array of object; convert it")):
        batches.check_images(np.array([None, 1]))
    with pytest.raises(DataError, match="received an array of complex128"):
        batches.check_images(np.zeros((2, 3), complex))


# labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.float32, np.float64])
def test_whole_labels_in_any_type(dtype):
    y = np.array([0, 9, 3], dtype)
    for shaped in (y, y[:, None], y.tolist()):
        got = batches.check_labels(shaped, 10)
        assert got.dtype == np.int64
        assert got.tolist() == [0, 9, 3]


@pytest.mark.parametrize("value", [10, -1, 3.5, np.nan, np.inf, 255])
def test_bad_labels(value):
    y = np.array([1, 2, value, value])
    received = str(y[2])
    says = (
        f"y: expected whole numbers from 0 to 9, received {received} in row 2; correct that label or the number of "
        "classes"
    )
    with pytest.raises(DataError, match=exactly(says)) as caught:
        batches.check_labels(y, 10)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(DataError, match=f"y_val: .* received {received} in row 2"):
        batches.check_labels(y[:, None], 10, "y_val")


def test_labels_of_other_kinds():
    for bad in (["three", "four"], [None, 1], [1 + 0j]):
        with pytest.raises(DataError, match=r"y: expected numbers, received an array of .*; encode the names"):
            batches.check_labels(bad, 10)
    for shape in ((4, 3), (4, 10, 1), ()):
        says = f"y: expected labels of shape (n,) or one-hot rows (n, 10), received {shape}"
        with pytest.raises(ShapeError, match=exactly(says)):
            batches.check_labels(np.zeros(shape), 10)


def test_one_hot_rows():
    hot = np.eye(10, dtype=np.float32)
    assert batches.check_labels(hot, 10) is hot
    batches.check_labels(np.full((3, 10), 0.1), 10)  # soft labels
    batches.check_labels(np.eye(10, dtype=bool), 10)
    for value in (-0.5, 1.5, np.nan):
        bad = np.eye(10)
        bad[3, 7] = value
        says = (
            f"y: expected one-hot rows of values from 0 to 1, received {value} in row 3, column 7; use "
            "to_categorical"
        )
        with pytest.raises(DataError, match=exactly(says)):
            batches.check_labels(bad, 10)
    bad = np.eye(10)
    bad[3, 7] = 1
    says = "y: expected one-hot rows that sum to 1, received a sum of 2 in row 3; use to_categorical"
    with pytest.raises(DataError, match=exactly(says)):
        batches.check_labels(bad, 10)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (2, 2), (2, 2, 1), (2, 1, 2)])
@pytest.mark.parametrize("classes", [None, 4, 6])
def test_to_categorical(shape, classes):
    y = np.array([0, 3, 1, 3]).reshape(shape)
    got = batches.to_categorical(y, classes)
    kept = shape[:-1] if shape[-1] == 1 and len(shape) > 1 else shape
    assert got.dtype == np.float64
    assert got.shape == (*kept, classes or 4)
    np.testing.assert_array_equal(got.argmax(-1).reshape(-1), y.reshape(-1))
    np.testing.assert_array_equal(got.sum(-1), 1)


def test_to_categorical_takes_lists_and_whole_floats():
    np.testing.assert_array_equal(batches.to_categorical([1.0, 0.0], 2), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(batches.to_categorical(2), [0, 0, 1])


def test_to_categorical_errors():
    cases = (([0, -1], None, "-1"), ([0, 3], 3, "3"), ([0, 0.5], 2, "0.5"), ([0, np.nan], 2, "nan"))
    for bad, classes, received in cases:
        with pytest.raises(DataError, match=f"to_categorical: y: expected whole .* received {received} in row 1"):
            batches.to_categorical(bad, classes)
    with pytest.raises(DataError, match=r"expected whole numbers from 0 to 1048575, received 1e\+30 in row 0"):
        batches.to_categorical([1e30])
    with pytest.raises(DataError, match=exactly("to_categorical: y: expected at least one label, received none")):
        batches.to_categorical([])
    for classes in (0, -1, 2.5, "10"):
        says = f"to_categorical: num_classes: expected a whole number of at least 1, or None, received {classes!r}"
        with pytest.raises(MinicnnError, match=exactly(says)):
            batches.to_categorical([0], classes)
