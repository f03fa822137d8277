"""The Python between a step's kernels does not grow unnoticed: with small networks it is most of the time."""

import pytest

from benchmarks import python_calls

MOST = {"A": 399, "B": 323, "C": 363, "D": 246, "E": 261}  # per training step; lower them when fewer are made


@pytest.mark.slow
@pytest.mark.parametrize("network", MOST)
def test_a_step_makes_no_more_calls(network):
    counted = python_calls.of_a_step(network, batch_size=8)
    top = ", ".join(f"{calls:g} of {what}" for what, calls in counted.most_common(5))
    assert sum(counted.values()) <= MOST[network], top
    assert sum(counted.values()) > MOST[network] / 2, "the counting no longer reaches what a step calls"
