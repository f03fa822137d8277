"""JSON that two readers could read differently, or that costs too much, is refused."""

import pytest

from minicnn.io import strict_json


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, null, true, "x"]}', b'{"a": {"b": 1e-300}}', "[]", '"\\u00e9"', "12"])
def test_strict_json_is_read(text):
    import json

    assert strict_json.parse(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "the name 'a' stands twice in one object"),
        ('{"a": {"b": 1, "b": 1}}', "the name 'b' stands twice in one object"),
        ("[NaN]", "NaN is not a number of JSON"),
        ("-Infinity", "-Infinity is not a number of JSON"),
        ("1e999", "1e999 is too large for a number"),
        ("[" * 101 + "]" * 101, "nested more than 100 deep"),
        ("[" * 10**6, "nested more than 100 deep"),
        ('{"a":' * 10**6, "nested more than 100 deep"),
        ("", "Expecting value"),
        ("{'a': 1}", "Expecting property name"),
        (b"\xff\xfe", "can't decode"),
        ("1" * 5000, "integer string conversion"),
    ],
)
def test_everything_else_is_not(text, message):
    with pytest.raises(ValueError, match=message):
        strict_json.parse(text)


def test_the_limit_is_a_limit():
    assert strict_json.parse("[" * 100 + "]" * 100)
