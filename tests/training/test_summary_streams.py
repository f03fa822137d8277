"""summary() on streams that cannot encode its lines: a pipe under LANG=C, an old console, a redirection."""

import io
import sys

import pytest

from .networks import small


@pytest.mark.parametrize(
    ("encoding", "drawn"), [("utf-8", True), ("ascii", False), ("cp1252", False), ("cp437", False)]
)
def test_lines_that_the_stream_has(monkeypatch, encoding, drawn):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, newline="\n"))
    model = small(name="net")
    model.summary()
    sys.stdout.flush()
    text = raw.getvalue().decode(encoding)
    assert ("│" in text) == drawn
    assert "?" not in text
    lines = text.splitlines()
    assert lines[0] == 'Model: "net"'
    assert len({len(line) for line in lines[1:-3]}) == 1  # the columns stand below each other
    if not drawn:
        assert set(lines[1]) == {"+", "="}
        assert set(lines[5]) == {"+", "-"}
        assert lines[4].startswith("| ")
    assert lines[-3].startswith(" Total params: ")


def test_print_fn_gets_the_whole_table_once():
    said = []
    small().summary(print_fn=said.append)
    assert len(said) == 1
    assert "┏━" in said[0]


def test_without_stdout(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    small().summary()
