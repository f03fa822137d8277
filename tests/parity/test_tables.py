"""Networks A to E, layer by layer: names, shapes, weights' shapes and their order, counts, and summary's table."""

import re

import pytest

import minicnn as mc

from .networks import NETWORKS, build

pytestmark = pytest.mark.parity

PUBLISHED = {"a": 889_322, "b": 887_530, "c": 1_886_354, "d": 242_062, "e": 93_322}


@pytest.mark.parametrize("what", NETWORKS)
def test_shapes_and_weights(keras32, what):
    header, _ = keras32("table", what=what)
    model = build(mc, what, seed=1)
    rows = [[type(layer).__name__, list(layer.sample_out), [list(w.shape) for w in layer.get_weights()]]
            for layer in model.layers]  # fmt: skip
    assert rows == header["rows"]
    assert model.count_params() == header["total"] == PUBLISHED[what]


@pytest.mark.parametrize("what", NETWORKS)
def test_summary_says_the_same(keras32, what):
    header, _ = keras32("table", what=what)
    lines = []
    build(mc, what, seed=1).summary(print_fn=lines.append)
    ours, theirs = content("\n".join(lines)), content(header["summary"])
    assert len(ours) > 8
    assert ours == theirs


def content(table: str) -> list[list[str]]:
    """The cells and totals of a summary; automatic names lose their number, which counts models of the process."""
    rows = [[cell.strip() for cell in re.split("[│┃]", line) if cell.strip()] for line in table.splitlines()]
    rows = [row for row in rows if row and re.search(r"\w", row[0]) and not row[0].startswith("Model:")]
    return [[re.sub(r"^(\w+?)(_\d+)? \(", r"\1 (", cell) for cell in row] for row in rows]
