"""model.plan: arithmetic that can be counted by hand, and algorithms that are the ones in use."""

import pytest

import minicnn
from minicnn import layers


def network(kernels, algorithm="auto"):
    return minicnn.Sequential(
        [
            minicnn.Input((28, 28, 1)),
            layers.Conv2D(32, 5, padding="same", name="first"),
            layers.Conv2D(32, 5, padding="same", algorithm=algorithm, name="second"),
            layers.Flatten(),
            layers.Dense(10, name="dense"),
        ],
        kernels=kernels,
        seed=0,
    )


@pytest.mark.parametrize("kernels", ["numpy_ref", "numba_cpu"])
def test_rows_and_direct_arithmetic(kernels):
    plan = network(kernels, "im2col").plan(batch_size=4)
    rows = {(row.layer, row.kernel): row for row in plan}
    assert ("first", "input_grad") not in rows
    assert len(rows) == 2 + 3 + 3
    assert rows["second", "forward"].flops == 2 * 4 * 28 * 28 * 25 * 32 * 32
    assert rows["dense", "weight_grad"].flops == 2 * 4 * 28 * 28 * 32 * 10
    assert all(row.algorithm == "im2col" for row in plan if row.layer == "second")


def test_winograd_is_chosen_and_saves_what_it_says():
    rows = {(row.layer, row.kernel): row for row in network("numba_cpu").plan(batch_size=4)}
    second = rows["second", "forward"]
    assert (second.algorithm, second.flops) == ("winograd", 2 * 4 * 49 * 64 * 32 * 32)
    assert rows["first", "forward"].algorithm == "im2col"  # one channel
    assert second.workspace_bytes < 4 * 28 * 28 * 25 * 32 * 4  # less than the matrix of all windows


def test_it_prints_as_a_table():
    lines = str(network("numba_cpu").plan(2)).splitlines()
    assert lines[0].split() == ["layer", "kernel", "algorithm", "tile", "workspace", "MFLOP"]
    assert lines[-1].endswith("GFLOP in a training step")
    assert len(lines) == 2 + 8 + 1


def test_an_unbuilt_model_has_no_plan():
    with pytest.raises(minicnn.errors.NotBuiltError, match="expected a built model"):
        minicnn.Sequential([layers.Dense(2)]).plan()
