"""Initializers have Keras's distributions: the same limits, deviation and deciles on 51,200 samples."""

import numpy as np
import pytest

import minicnn as mc

pytestmark = pytest.mark.parity

NAMES = ["GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal", "RandomNormal",
         "RandomUniform", "TruncatedNormal"]  # fmt: skip


@pytest.mark.parametrize("shape", [(5, 5, 32, 64), (200, 256)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_distribution(keras32, name, shape):
    _, arrays = keras32("initial", name=name, options={}, shape=shape)
    theirs = np.float64(arrays["values"]).ravel()
    mine = getattr(mc.initializers, name)(seed=1)(shape).ravel()
    assert mine.std() == pytest.approx(theirs.std(), rel=0.01)
    assert abs(mine.mean() - theirs.mean()) < 0.02 * theirs.std()
    deciles = np.linspace(0.1, 0.9, 9)
    assert np.quantile(mine, deciles) == pytest.approx(np.quantile(theirs, deciles), abs=0.03 * theirs.std())
    if name != "RandomNormal":  # all others end somewhere
        assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=2e-3)


@pytest.mark.parametrize("shape", [(20, 7), (7, 20), (3, 3, 4, 5)], ids=str)
def test_orthogonal(keras32, shape):
    for values in (keras32("initial", name="Orthogonal", options={"gain": 1.5}, shape=shape)[1]["values"],
                   mc.initializers.Orthogonal(1.5, seed=1)(shape)):  # fmt: skip
        q = np.float64(values).reshape(-1, shape[-1])
        product = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
        assert product == pytest.approx(1.5**2 * np.eye(len(product)), abs=1e-5)
