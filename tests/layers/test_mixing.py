"""MixUp and CutMix: what is mixed with what, how much of it, and labels that say so."""

import numpy as np
import pytest

from minicnn import Tensor, errors, layers
from minicnn.backend.cpu import CPU
from minicnn.data.dataset import Dataset
from minicnn.ops.mixing import symmetric_beta

N = 40
COLORS = np.random.default_rng(0).permutation(N) + 1.0  # of images of one colour each: what is in a mixture is seen
X = np.broadcast_to(COLORS[:, None, None, None], (N, 8, 6, 1)).astype("f4")
LABELS = np.eye(N, dtype="f4")


def test_labels_are_mixed_as_their_images():
    found = layers.MixUp(0.8, seed=3)({"images": X, "labels": LABELS})
    y, labels = found["images"].numpy(), found["labels"].numpy()
    np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(y[:, 0, 0, 0], labels @ COLORS, rtol=1e-5)
    assert (np.ptp(y, axis=(1, 2, 3)) == 0).all()
    assert sorted((labels > 0).sum(axis=1)) in ([1] * k + [2] * (N - k) for k in range(5))
    np.testing.assert_allclose(((labels > 0) & (np.eye(N) == 0)).sum(axis=0).max(), 1)  # a permutation: each goes once


def test_a_part_of_another_image_and_its_share():
    layer = layers.CutMix(seed=3)
    found = layer({"images": X, "labels": LABELS})
    y, labels = found["images"].numpy()[..., 0], found["labels"].numpy()
    for n in range(N):
        other = y[n] != COLORS[n]
        rows, columns = other.any(axis=1), other.any(axis=0)
        np.testing.assert_array_equal(other, np.outer(rows, columns))
        for line in (rows, columns):  # in one piece
            assert np.abs(np.diff(np.concatenate([[0], line, [0]]).astype(int))).sum() <= 2
        assert len(np.unique(y[n][other])) <= 1
        np.testing.assert_allclose(labels[n, n] if other.any() else 1, 1 - other.mean(), atol=1e-6)
    np.testing.assert_allclose(y.mean(axis=(1, 2)), labels @ COLORS, rtol=1e-5)
    assert 0.3 < (y != X[..., 0]).mean() < 0.7
    found = layer({"images": X, "labels": LABELS}, training=False)
    np.testing.assert_array_equal(found["images"].numpy(), X)
    assert found["labels"] is LABELS


@pytest.mark.parametrize("alpha", [1e-6, 0.05, 0.5, 1.0, 4.0])
def test_the_weights_are_a_beta_distribution_s(alpha):
    rng = np.random.default_rng(0)
    x = symmetric_beta(np, *rng.random((2, 200_000)), alpha)
    assert ((x >= 0) & (x <= 1)).all()
    np.testing.assert_allclose([x.mean(), x.var()], [0.5, 1 / (4 * (2 * alpha + 1))], atol=4e-3)
    if alpha == 1:  # the uniform one
        np.testing.assert_allclose(np.quantile(x, [0.1, 0.3, 0.8]), [0.1, 0.3, 0.8], atol=5e-3)


def test_each_call_mixes_anew_and_a_dataset_may_be_mapped():
    layer = layers.MixUp(0.5)
    first, second = (layer(X).numpy() for _ in range(2))
    assert (first != second).any()
    pairs = Dataset.from_tensor_slices((X, LABELS)).batch(8)
    seen = 0
    for images, labels in pairs.map(lambda x, y: tuple(layer({"images": x, "labels": y}).values())):
        np.testing.assert_allclose(np.asarray(images)[:, 0, 0, 0], np.asarray(labels) @ COLORS, rtol=1e-5)
        seen += len(images)
    assert seen == N
    with pytest.raises(errors.ShapeError, match=r"labels: expected one-hot labels \(N, classes\), received shape"):
        layer({"images": X, "labels": np.arange(N)})
    for one in (layers.MixUp(), layers.CutMix()):
        for count in (N - 1, N + 1):
            with pytest.raises(errors.ShapeError, match=f"labels of {N} images, as many as there are"):
                one({"images": X, "labels": np.eye(count, N)})
    y = layers.CutMix().call(Tensor(X, CPU("numpy_ref", "float64")), training=False)
    np.testing.assert_array_equal(y.numpy(), X)
