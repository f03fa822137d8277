"""Plain values and arrays, nested: there and back, and what is refused."""

import json

import numpy as np
import pytest

from minicnn.errors import ArgumentTypeError, DataError
from minicnn.io import tree


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -0.0, 0.1, "text", [], {}, [1, [2.5, None]], {"a": {"b": [False]}},
        {"float": "nan"}, {"array": "x"}, {"dict": {"float": 1}}, {"dict": 1}, {"float": 1, "array": 2},
        [float("inf"), float("-inf")],
    ],
)  # fmt: skip
def test_there_and_back(value):
    plain, arrays = tree.flatten(value, "here")
    assert tree.restore(json.loads(json.dumps(plain, allow_nan=False)), arrays, "here") == value
    assert arrays == {}


def test_nan_arrays_tuples_and_numpy_scalars():
    value = {"best": float("nan"), "w": [np.arange(6, dtype=np.float32).reshape(2, 3), np.int64(3)], "t": (1, np.True_)}
    plain, arrays = tree.flatten(value, "here", "run/")
    assert list(arrays) == ["run/w/0"]
    back = tree.restore(json.loads(json.dumps(plain)), arrays, "here")
    assert np.isnan(back["best"])
    assert back["t"] == [1, True]
    assert np.array_equal(back["w"][0], value["w"][0])
    assert back["w"][0].dtype == np.float32
    assert back["w"][1] == 3
    value["w"][0][:] = 0
    assert back["w"][0][1, 2] == 5  # a copy, as it was


@pytest.mark.parametrize("value", [{1, 2}, object(), {1: 2}, np.array(["a"]), np.array([None]), 1j, b"x"])
def test_what_no_file_can_hold_is_named_with_its_place(value):
    with pytest.raises(ArgumentTypeError, match=r"here\['a'\]\['0'\]: expected numbers, strings, None"):
        tree.flatten({"a": [value]}, "here")


@pytest.mark.parametrize("value", [{"array": "nowhere"}, {"array": 3}, {"float": "1"}, {"float": None}, {"dict": []}])
def test_marks_that_say_nothing(value):
    with pytest.raises(DataError):
        tree.restore([value], {}, "here")
