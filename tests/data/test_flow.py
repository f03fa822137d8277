"""Flow: batches by hand and for training."""

import numpy as np
import pytest

from minicnn.backend.select import select
from minicnn.data import ImageDataGenerator
from minicnn.errors import ArgumentError, DataError, ShapeError

from .conftest import exactly

N = 10


@pytest.fixture
def x():
    """Image i is filled with i."""
    return np.broadcast_to(np.arange(N, dtype=np.uint8)[:, None, None, None], (N, 4, 5, 1)).copy()


def flow(x, y=None, *args, generator=None, **kwargs):
    return (generator or ImageDataGenerator()).flow(x, y, *args, **kwargs)


def values(batch):
    return batch[:, 0, 0, 0].astype(int).tolist()


def test_attributes(x):
    f = flow(x, np.arange(N), batch_size=4, seed=3)
    assert (len(f), f.n, f.batch_size, f.shuffle, f.seed, f.epoch) == (3, N, 4, True, 3, 0)
    assert f.x is x
    assert flow(x / 255).x.dtype == np.float32
    assert flow(x.astype(np.int64)).x.dtype == np.float32
    assert 0 <= flow(x).seed < 2**32
    assert flow(x).seed != flow(x).seed  # drawn, and reported


def test_each_epoch_sees_every_image_once_in_a_new_order(x):
    f = flow(x, np.arange(N) * 10, 4, seed=3)
    epochs = []
    for _ in range(3):
        batches = [next(f) for _ in range(len(f))]
        assert [len(xb) for xb, _ in batches] == [4, 4, 2]
        for xb, yb in batches:
            assert (xb.dtype, xb.shape[1:]) == (np.float32, (4, 5, 1))
            assert (np.array(values(xb)) * 10 == yb).all()
        epochs.append([value for xb, _ in batches for value in values(xb)])
        assert sorted(epochs[-1]) == list(range(N))
    assert epochs[0] != epochs[1] != epochs[2]
    assert f.epoch == 3
    f.reset()
    assert values(next(f)[0]) == epochs[0][:4]


def test_without_shuffle(x):
    f = flow(x, None, 4, False)
    assert [values(batch) for batch, _ in zip(f, range(5), strict=False)] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3], [4, 5, 6, 7],
    ]  # fmt: skip


def test_what_a_batch_holds(x):
    y, weight = np.arange(N), np.arange(N) / 10
    assert isinstance(flow(x)[0], np.ndarray)
    assert len(flow(x, y)[0]) == 2
    xb, yb, wb = flow(x, y, 4, sample_weight=weight)[1]
    assert values(xb) == yb.tolist() == (wb * 10).round().astype(int).tolist()


def test_indexing_is_repeatable(x):
    generator = ImageDataGenerator(rotation_range=90, fill_mode="constant")
    f = flow(x, np.arange(N), 4, seed=1, generator=generator)
    first, last = f[0], f[2]
    for got, again in ((first, f[0]), (last, f[-1]), (first, next(f)), (f[1], next(f)), (last, next(f))):
        np.testing.assert_array_equal(got[0], again[0])
        np.testing.assert_array_equal(got[1], again[1])
    assert f.epoch == 1
    other = flow(x, np.arange(N), 4, seed=1, generator=generator)
    other.on_epoch_end()
    np.testing.assert_array_equal(f[1][0], other[1][0])
    assert not np.array_equal(f[0][0], first[0])
    for index in (3, -4):
        with pytest.raises(ArgumentError, match=exactly(f"flow: expected a batch number below 3, received {index}")):
            f[index]


def test_the_same_rows_are_augmented_differently_in_the_next_epoch():
    x = np.random.default_rng(0).random((4, 9, 9, 1), np.float32)
    f = flow(x, None, 4, False, seed=1, generator=ImageDataGenerator(rotation_range=90))
    assert np.abs(next(f) - next(f)).max() > 0.1


def test_training_gives_its_own_rows_seed_and_step():
    x = np.random.default_rng(0).integers(0, 256, (N, 9, 8, 1)).astype(np.uint8)
    be = select("cpu", "numpy_ref")
    generator = ImageDataGenerator(rotation_range=30, rescale=1 / 255)
    f = flow(x, np.arange(N), generator=generator)
    rows = np.array([7, 2, 2])
    xb, yb = f.batch(be, rows, seed=5, step=1)
    np.testing.assert_array_equal(xb, generator.augment(be, x[rows], 5, 1))
    assert yb.tolist() == [7, 2, 2]
    assert np.abs(xb[1] - xb[2]).max() > 0.01  # the same image at another place in the batch
    f.batch(be, rows, seed=9, step=9)
    np.testing.assert_array_equal(f.batch(be, rows, seed=5, step=1)[0], xb)
    assert flow(x).batch(be, rows, 5, 1)[1] is None


@pytest.mark.parametrize("axis", ["horizontal", "vertical"])
def test_alternating_flips_show_both_sides_in_two_passes(axis):
    """Half of the images begin mirrored; then each is turned in every pass, wherever it stands in its batch."""
    x = np.random.default_rng(1).integers(0, 256, (400, 3, 4, 1)).astype(np.uint8)
    mirrored = x[:, :, ::-1] if axis == "horizontal" else x[:, ::-1]
    sides = []
    f = flow(x, np.arange(400), 32, seed=3, generator=ImageDataGenerator(**{f"{axis}_flip": "alternating"}))
    for _ in range(3):
        found = np.zeros(400, bool)
        for xb, rows in (next(f) for _ in range(len(f))):
            found[rows] = [np.array_equal(one, other) for one, other in zip(xb, mirrored[rows], strict=True)]
            np.testing.assert_array_equal(xb, np.where(found[rows, None, None, None], mirrored[rows], x[rows]))
        sides.append(found)
    assert 150 < sides[0].sum() < 250
    np.testing.assert_array_equal(sides[1], ~sides[0])
    np.testing.assert_array_equal(sides[2], sides[0])


def test_alternating_flips_of_the_two_axes_are_drawn_apart():
    both = ImageDataGenerator(horizontal_flip="alternating", vertical_flip="alternating")
    across, down = both._sides(select("cpu", "numpy_ref"), 3, np.arange(400), 0)
    assert 150 < (across != down).sum() < 250


def test_subsets(x):
    y = np.arange(N) % 2
    generator = ImageDataGenerator(validation_split=0.25)
    validation = flow(x, y, shuffle=False, generator=generator, subset="validation")
    training = flow(x, y, shuffle=False, generator=generator, subset="training")
    assert values(validation[0][0]) == [0, 1]  # the first rows, as in Keras
    assert values(training[0][0]) == list(range(2, N))
    assert flow(x.tolist(), list(y), generator=generator, subset="validation").n == 2
    with pytest.raises(ArgumentError, match=r'flow: subset: expected one of .*, received .*"training"'):
        flow(x, y, generator=generator, subset="train")
    with pytest.raises(DataError, match=r"expected the same classes in both subsets, received others; shuffle x and y"):
        flow(x, np.arange(N), generator=generator, subset="training")
    with pytest.raises(DataError, match=r"flow: x: expected at least one image, received none"):
        flow(x, generator=ImageDataGenerator(), subset="validation")


def test_errors(x):
    says = (
        "flow: x: expected shape (N, H, W, C), received (10, 4, 5); add the missing axis, as in x[..., None] or "
        "x.reshape(-1, 28, 28, 1)"
    )
    with pytest.raises(ShapeError, match=exactly(says)):
        flow(x[..., 0])
    with pytest.raises(ShapeError, match="expected x and y with the same number of rows, received x with 10, y with 9"):
        flow(x, np.arange(9))
    with pytest.raises(ShapeError, match="x and sample_weight with the same number of rows"):
        flow(x, sample_weight=np.ones(3))
    with pytest.raises(ArgumentError, match="batch_size: expected a whole number of at least 1, received 0"):
        flow(x, batch_size=0)
    with pytest.raises(DataError, match="flow: x: expected finite pixels, received nan in row 6"):
        flow(np.where(x == 6, np.nan, x))
    for seed in (-1, 2**64, 1.5, "a"):
        with pytest.raises(ArgumentError, match=exactly(
            f"flow: seed: expected a whole number from 0 to 2^64 - 1, or None, received {seed!r}"
        )):  # fmt: skip
            flow(x, seed=seed)
