"""The Python between a step's kernels does not grow unnoticed: with small networks it is most of the time."""

import pytest

from benchmarks import python_calls

MOST = {"A": 399, "B": 323, "C": 363, "D": 246, "E": 261}  # per training step; lower them when fewer are made
SELDOM = 0.25  # calls per step of what is seldom: a cached lookup that others' shapes had pushed out, once more


@pytest.mark.slow
@pytest.mark.parametrize("network", MOST)
def test_a_step_makes_no_more_calls(network):
    counted = python_calls.of_a_step(network, batch_size=8)
    calls = {what: number for what, number in counted.items() if number >= SELDOM}
    seldom = {what: number for what, number in counted.items() if 0 < number < SELDOM}
    assert sum(calls.values()) <= MOST[network], (seldom, {w: n for w, n in calls.items() if n != int(n)}, calls)
    assert sum(calls.values()) > MOST[network] / 2, "the counting no longer reaches what a step calls"
