"""image_dataset_from_directory and what scripts do with what it returns."""

import numpy as np
import pytest

from minicnn import Input, Sequential, errors, keras, layers
from minicnn.data import image_dataset_from_directory
from minicnn.data.dataset import Dataset
from minicnn.data.pixels import fitted, resized, weights

Image = pytest.importorskip("PIL.Image", reason='could not import "PIL": pip install -e ".[test]"')
tf = keras.tf


@pytest.fixture
def folder(tmp_path):
    """5 cats, 7 dogs; each picture is of one colour that nobody else has, of another size."""
    for number, (name, count) in enumerate((("cats", 5), ("dogs", 7))):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = np.full((6 + i, 9, 3), 100 * number + 10 * i, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    (tmp_path / "dogs" / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def read(folder, **options):
    return image_dataset_from_directory(folder, image_size=(4, 3), **options)


def test_batches_in_order(folder, capsys):
    found = read(folder, shuffle=False, batch_size=5)
    assert capsys.readouterr().out == "Found 12 files belonging to 2 classes.\n"
    assert found.class_names == ["cats", "dogs"]
    assert len(found) == 3
    batches = list(found)
    assert [x.shape for x, _ in batches] == [(5, 4, 3, 3), (5, 4, 3, 3), (2, 4, 3, 3)]
    assert batches[0][0].dtype == np.float32
    assert batches[0][1].dtype == np.int32
    colours = np.concatenate([x[:, 0, 0, 0] for x, _ in batches])
    np.testing.assert_array_equal(colours, [0, 10, 20, 30, 40, 100, 110, 120, 130, 140, 150, 160])
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), [0] * 5 + [1] * 7)
    for a, b in zip(batches, found, strict=True):  # again
        np.testing.assert_array_equal(a[0], b[0])


def test_labels(folder):
    whole = {"shuffle": False, "batch_size": 12, "verbose": False}
    assert next(iter(read(folder, label_mode="binary", **whole)))[1].tolist() == [[0.0]] * 5 + [[1.0]] * 7
    y = next(iter(read(folder, label_mode="categorical", class_names=["dogs", "cats"], **whole)))[1]
    assert y.tolist() == [[1, 0]] * 7 + [[0, 1]] * 5
    assert next(iter(read(folder, labels=None, **whole))).shape == (12, 4, 3, 3)
    assert next(iter(read(folder, labels=list(range(12)), **whole)))[1].tolist() == list(range(12))
    assert next(iter(read(folder, color_mode="grayscale", batch_size=None, shuffle=False)))[0].shape == (4, 3, 1)


def test_split_and_shuffle(folder, capsys):
    train, val = read(folder, validation_split=0.25, subset="both", seed=3, batch_size=4)
    assert capsys.readouterr().out.splitlines()[1:] == ["Using 9 files for training.", "Using 3 files for validation."]
    alone = read(folder, validation_split=0.25, subset="validation", seed=3)
    assert set(alone.file_paths) == set(val.file_paths)
    assert not set(train.file_paths) & set(val.file_paths)
    colour = [[x[:, 0, 0, 0].tolist() for x, _ in train] for _ in range(2)]
    assert colour[0] != colour[1]
    one, other = (sorted(colour for batch in one for colour in batch) for one in colour)
    assert one == other


def test_what_scripts_do(folder):
    train = read(folder, seed=1, batch_size=4)
    for images, labels in train.take(1):
        assert images[0].numpy().astype("uint8").shape == (4, 3, 3)
        assert train.class_names[labels[0]] in ("cats", "dogs")
        assert labels[0].numpy() in (0, 1)
    scaled = layers.Rescaling(1 / 255)
    ready = train.map(lambda x, y: (scaled(x), y)).cache().shuffle(3).prefetch(buffer_size=tf.data.AUTOTUNE)
    assert max(x.max() for x, _ in ready) <= 1
    model = Sequential([Input((4, 3, 3)), layers.Flatten(), layers.Dense(2, activation="softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(ready, validation_data=ready, epochs=2, verbose=0).history
    assert len(history["val_loss"]) == 2
    assert model.predict(ready, verbose=0).shape == (12, 2)
    assert len(model.evaluate(ready, verbose=0)) == 2


def test_a_dataset_by_hand():
    rows = tf.data.Dataset.from_tensor_slices((np.arange(7), np.arange(7) * 10))
    pairs = list(rows.batch(3).as_numpy_iterator())
    assert [x.tolist() for x, _ in pairs] == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(rows.batch(3, drop_remainder=True)) == 2
    assert [int(x) for x, _ in rows.skip(2).take(2)] == [2, 3]
    assert [int(x) for x, _ in rows.filter(lambda x, y: x % 2 == 1)] == [1, 3, 5]
    assert [int(x) for x, _ in rows.batch(3).unbatch()] == list(range(7))
    assert len(rows.repeat(2)) == 14
    assert not hasattr(rows.repeat(), "__len__")
    orders = [[int(x) for x, _ in rows.shuffle(7, seed=1)] for _ in range(2)]
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == list(range(7)) != orders[0]
    mixed = rows.shuffle(4, seed=1)
    assert [int(x) for x, _ in mixed] != [int(x) for x, _ in mixed]
    assert [(n, int(x)) for n, (x, _) in rows.take(2).enumerate(5)] == [(5, 0), (6, 1)]
    calls = []
    kept = rows.map(lambda x, y: calls.append(x) or x).cache()
    assert list(map(int, kept)) == list(map(int, kept)) == list(range(7))
    assert len(calls) == 7
    with pytest.raises(errors.ArgumentError, match="expected arrays of one length, received 2, 3"):
        Dataset.from_tensor_slices((np.zeros(2), np.zeros(3)))


def test_a_broken_picture_is_named_and_left_out(folder, capsys):
    (folder / "cats" / "1.png").write_bytes(b"no picture")
    found = list(read(folder, shuffle=False, batch_size=4))
    assert sum(len(y) for _, y in found) == 11
    said = capsys.readouterr().err
    assert "1.png" in said
    assert "left out" in said


def test_pixels():
    np.testing.assert_allclose(weights(2, 4, "bilinear"), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    np.testing.assert_array_equal(weights(4, 2, "nearest"), [[0, 1, 0, 0], [0, 0, 0, 1]])
    for name in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
        np.testing.assert_allclose(resized(np.full((5, 7, 1), 3), (4, 9), name), 3, rtol=1e-6)
    x = np.arange(24.0).reshape(4, 6, 1)
    np.testing.assert_array_equal(fitted(x, (4, 4), "bilinear", True, False), x[:, 1:5])
    np.testing.assert_array_equal(fitted(x, (6, 6), "bilinear", False, True)[1:5], x)


@pytest.mark.parametrize(("options", "says"), [
    ({"labels": "cats"}, "labels: expected \"inferred\", None, or a list"), ({"label_mode": "sparse"}, "label_mode"),
    ({"labels": [0], "label_mode": "int"}, "labels: expected 12 numbers, one per file, received 1"),
    ({"color_mode": "cmyk"}, "color_mode"), ({"image_size": (3,)}, "image_size"), ({"interpolation": "area"}, "area"),
    ({"validation_split": 0.2}, "validation_split and subset, or neither"), ({"subset": "test"}, "subset"),
    ({"validation_split": 0.2, "subset": "both"}, "seed: expected a seed"), ({"class_names": ["birds"]}, "cats, dogs"),
    ({"validation_split": 1.5, "subset": "both"}, "validation_split"), ({"batch_size": 0}, "batch_size"),
    ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "received both"),
])  # fmt: skip
def test_refused(folder, options, says):
    with pytest.raises(errors.MinicnnError, match=says):
        image_dataset_from_directory(folder, **options)


def test_no_folder_and_no_picture(tmp_path):
    with pytest.raises(errors.MissingDataError, match="directory: expected a folder"):
        image_dataset_from_directory(tmp_path / "nowhere")
    with pytest.raises(errors.DataError, match="expected files that end in"):
        image_dataset_from_directory(tmp_path)


@pytest.mark.parity
def test_order_and_pixels_are_those_of_keras(folder, capsys):
    pytest.importorskip("jax")
    theirs = pytest.importorskip("keras.src.utils.image_dataset_utils")
    shown = pytest.importorskip("keras.src.utils.dataset_utils")
    for seed in (0, 7):
        paths, labels, names = shown.index_directory(
            str(folder), "inferred", formats=theirs.ALLOWLIST_FORMATS, shuffle=True, seed=seed, verbose=False
        )
        ours = read(folder, seed=seed, verbose=False)
        assert (ours.file_paths, ours.class_names) == (paths, names)
        for part in ("training", "validation"):
            split = shown.get_training_or_validation_split(paths, labels, 0.3, part)[0]
            assert read(folder, seed=seed, validation_split=0.3, subset=part).file_paths == split
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (11, 17, 3), np.uint8)).save(folder / "cats" / "0.png")
    for how in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
        shapes = ({}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True})
        for shape in shapes if how == "bilinear" else shapes[:1]:
            for size in ((8, 20), (23, 9)) if shape else ((8, 20),):
                given = {"crop_to_aspect_ratio": False, "pad_to_aspect_ratio": False} | shape
                want = theirs._load_image_grain(str(folder / "cats" / "0.png"), size, 3, how, "channels_last", **given)
                found = image_dataset_from_directory(folder, shuffle=False, image_size=size, interpolation=how,
                                                     batch_size=1, verbose=False, **shape)  # fmt: skip
                have = next(iter(found))[0][0]
                np.testing.assert_allclose(have, np.asarray(want), atol=2e-3, err_msg=f"{how} {shape} {size}")


def test_a_list_is_an_array_and_a_tuple_is_several():
    assert [int(one) for one in Dataset.from_tensor_slices([1, 2, 3])] == [1, 2, 3]
    assert [one.tolist() for one in Dataset.from_tensor_slices([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    assert [tuple(map(int, one)) for one in Dataset.from_tensor_slices(([1, 2], [3, 4]))] == [(1, 3), (2, 4)]
