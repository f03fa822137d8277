"""model.plan: arithmetic that can be counted by hand, and algorithms that are the ones in use."""

import re

import numpy as np
import pytest

import minicnn
from minicnn import layers, recipes
from minicnn.kernels.numba_cpu import conv, conv_norm, conv_pool, winograd


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
    assert len(rows) == 2 + 3 + 1 + 3  # and Flatten
    assert rows["second", "forward"].flops == 2 * 4 * 28 * 28 * 25 * 32 * 32
    assert rows["dense", "weight_grad"].flops == 2 * 4 * 28 * 28 * 32 * 10
    assert all(row.algorithm == "im2col" for row in plan if row.layer == "second")
    assert [row.kept_bytes for row in plan if row.kernel.startswith("forward")] == [
        4 * n * 4 for n in (28 * 28 * 32, 28 * 28 * 32, 28 * 28 * 32, 10)
    ]
    assert plan.memory_bytes > sum(row.kept_bytes for row in plan)


def test_winograd_is_chosen_and_saves_what_it_says():
    rows = {(row.layer, row.kernel): row for row in network("numba_cpu").plan(batch_size=4)}
    second = rows["second", "forward"]
    assert (second.algorithm, second.flops) == ("winograd", 2 * 4 * 49 * 64 * 32 * 32)
    assert rows["first", "forward"].algorithm == "im2col"  # one channel
    assert second.workspace_bytes < 4 * 28 * 28 * 25 * 32 * 4  # less than the matrix of all windows


def test_it_prints_as_a_table():
    lines = str(network("numba_cpu").plan(2)).splitlines()
    assert lines[0].split() == ["layer", "node", "kernel", "algorithm", "tile", "workspace", "kept", "MFLOP"]
    assert re.fullmatch(r"[\d.]+ GFLOP and about [\d.]+ .iB of memory in a training step", lines[-1])
    assert len(lines) == 2 + 9 + 1


def test_an_unbuilt_model_has_no_plan():
    with pytest.raises(minicnn.errors.NotBuiltError, match="expected a built model"):
        minicnn.Sequential([layers.Dense(2)]).plan()


# what is printed is what runs -----------------------------------------------------------------------------------------


def ran(model, x, t, monkeypatch):
    """{(kernel, channels, filters): (algorithm, tile)} of every convolution that one step decided on."""
    found = {}
    for module in (conv, conv_pool, conv_norm):
        choose = module.choose

        def spied(algorithm, size, window, strides, c, o, kernel="forward", choose=choose):
            chosen = choose(algorithm, size, window, strides, c, o, kernel)
            tile = str(winograd.variant(size, window[0], kernel)) if chosen == "winograd" else None
            key = kernel, *((o, c) if kernel == "input_grad" else (c, o))
            assert found.setdefault(key, (chosen, tile)) == (chosen, tile)
            return chosen

        monkeypatch.setattr(module, "choose", spied)
    conv.forward_of.cache_clear()  # else what an earlier step has decided is not decided again
    model.train_on_batch(x, t)
    return found


def said(model, n):
    """The same as `model.plan` has it; an im2col's tile is no decision."""
    weights = {layer.name: layer.kernel.shape[2:] for layer in model.layers if isinstance(layer, layers.Conv2D)}
    return {
        (row.kernel, *weights[row.layer]): (row.algorithm, row.tile if row.algorithm == "winograd" else None)
        for row in model.plan(n) if row.layer in weights
    }  # fmt: skip


@pytest.mark.parametrize("name", recipes.BY_NAME)
def test_every_convolution_of_the_recipes_runs_as_planned(rng, monkeypatch, name):
    model = recipes.BY_NAME[name].build(minicnn, seed=1)
    model.compile("sgd", "categorical_crossentropy")
    plan = said(model, 3)
    assert plan == ran(model, rng.random((3, 28, 28, 1)), np.eye(10)[[1, 2, 3]], monkeypatch)


GEOMETRIES = [
    (size, window, c, o) for size in (7, 8, 13, 15) for window in (3, 5) for c, o in ((8, 16), (64, 64), (16, 64))
]  # fmt: skip


@pytest.mark.parametrize("ending", ["pool", "norm and pool", "dropout", "pool of 3"])
def test_odd_sizes_run_as_planned(rng, monkeypatch, ending):
    """A 2x2 pooling leaves out an odd last row, and the convolution before it then does, too: other tiles fit."""
    more = {
        "pool": lambda: [layers.MaxPooling2D()], "dropout": lambda: [layers.Dropout(0.2)],
        "norm and pool": lambda: [layers.BatchNormalization(), layers.MaxPooling2D()],
        "pool of 3": lambda: [layers.MaxPooling2D(3)],
    }  # fmt: skip
    for size, window, c, o in GEOMETRIES:
        with monkeypatch.context() as patched:
            model = minicnn.Sequential(
                [minicnn.Input((size, size, 3)), layers.Conv2D(c, 1), layers.Conv2D(o, window, activation="relu"),
                 *more[ending](), layers.Flatten(), layers.Dense(2)], seed=1,
            )  # fmt: skip
            model.compile("sgd", "mse")
            plan = said(model, 2)
            assert plan == ran(model, rng.random((2, size, size, 3)), rng.random((2, 2)), patched), (size, window, c, o)
