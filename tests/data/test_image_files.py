"""Pictures in files: loading as Keras does (golden values), folders and data frames as batches, broken files."""

import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import minicnn as mc
from minicnn.data import ImageDataGenerator, array_to_img, img_to_array, load_img, save_img
from minicnn.data.image_files import ImageFiles
from minicnn.errors import DataError, MinicnnError, MissingDataError


def picture(path, shape=(6, 5, 3), seed=0):
    x = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(x).save(path)
    return x


@pytest.fixture
def pets(tmp_path):
    """cats (3 pictures) and dogs (4, one of them in a folder below), and a file that is no picture."""
    for kind, n in (("cats", 3), ("dogs", 3)):
        (tmp_path / kind).mkdir()
        for i in range(n):
            picture(tmp_path / kind / f"{i}.png", seed=10 * n + i)
    (tmp_path / "dogs" / "more").mkdir()
    picture(tmp_path / "dogs" / "more" / "9.PNG", seed=99)
    (tmp_path / "cats" / "notes.txt").write_text("no picture")
    return tmp_path


def test_what_was_saved_is_loaded(tmp_path):
    x = picture(tmp_path / "a.png")
    np.testing.assert_array_equal(img_to_array(load_img(tmp_path / "a.png")), x)
    assert img_to_array(load_img(tmp_path / "a.png")).dtype == np.float32
    save_img(tmp_path / "b.png", x, scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(str(tmp_path / "b.png"))), x)
    with open(tmp_path / "a.png", "rb") as file:
        np.testing.assert_array_equal(img_to_array(load_img(file)), x)
    grey = img_to_array(load_img(tmp_path / "a.png", color_mode="grayscale"))
    assert grey.shape == (6, 5, 1)
    np.testing.assert_allclose(grey[..., 0], x @ [0.299, 0.587, 0.114], atol=0.51)
    first = img_to_array(load_img(tmp_path / "a.png"), data_format="channels_first")
    np.testing.assert_array_equal(first, x.transpose(2, 0, 1))


def test_sizes_and_shapes(tmp_path):
    x = picture(tmp_path / "a.png", (4, 8, 3))
    half = img_to_array(load_img(tmp_path / "a.png", target_size=(4, 4)))
    np.testing.assert_array_equal(half, x[:, 1::2])  # nearest: the middle of each pair, rounded up
    middle = img_to_array(load_img(tmp_path / "a.png", target_size=(4, 4), keep_aspect_ratio=True))
    np.testing.assert_array_equal(middle, x[:, 2:6])


def test_stretched_to_bytes():
    x = np.array([[[-1.0], [0.0], [1.0]]])
    np.testing.assert_array_equal(np.asarray(array_to_img(x)), [[0, 127, 255]])
    np.testing.assert_array_equal(np.asarray(array_to_img(np.full((1, 2, 1), 7.0))), [[0, 0]])
    assert array_to_img(np.zeros((2, 3, 3))).mode == "RGB"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p: load_img(p / "none.png"), "expected a picture at .*none.png, received no such file"),
        (lambda p: load_img(p / "text.png"), "expected a picture, received .*text.png"),
        (lambda p: load_img(p), "expected a picture, received"),
        (lambda p: load_img(3), "load_img: path: expected a path: a string or a pathlib.Path, received 3"),
        (lambda p: load_img(p / "a.png", "bgr"), "color_mode: expected one of rgb"),
        (lambda p: load_img(p / "a.png", target_size=(3,)), r"target_size: expected \(height, width\)"),
        (
            lambda p: load_img(p / "a.png", target_size=(3, 0)),
            r"target_size: .*, received \(3, 0\)",
        ),
        (lambda p: load_img(p / "a.png", interpolation="cubic"), "interpolation: expected one of nearest"),
        (lambda p: array_to_img(np.zeros((2, 2))), r"expected a picture of shape \(H, W, C\)"),
        (lambda p: array_to_img(np.zeros((2, 2, 2))), "expected 1, 3 or 4 channels, received 2"),
        (lambda p: img_to_array(np.zeros(3)), "expected a picture of shape"),
        (lambda p: img_to_array(np.zeros((3, 3)), "first"), "data_format: expected one of channels_last"),
        (lambda p: save_img(p / "x.nothing", np.zeros((2, 2, 1))), "save_img: expected a file to write"),
        (lambda p: save_img(p / "none" / "x.png", np.zeros((2, 2, 1))), "save_img: expected a file to write"),
    ],
)
def test_what_is_refused(tmp_path, call, words):
    picture(tmp_path / "a.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(MinicnnError, match=words):
        call(tmp_path)


def test_files_as_one_array(pets):
    paths = [pets / "cats" / f"{i}.png" for i in range(3)]
    files = ImageFiles(paths, (6, 5), cache=6 * 5 * 3 * 2)  # two of three are kept
    every = np.stack([img_to_array(load_img(p), dtype="uint8") for p in paths])
    for _ in range(2):
        np.testing.assert_array_equal(files[np.array([2, 0, 0])], every[[2, 0, 0]])
        np.testing.assert_array_equal(files[:], every)
        files.prefetch(np.array([1, 2]))
    np.testing.assert_array_equal(files[1], every[1])
    assert len(files._kept) == 2
    assert (files.shape, files.dtype) == (every.shape, every.dtype)


def test_a_folder_of_classes(pets, capsys):
    generator = ImageDataGenerator(rescale=1 / 255)
    flow = generator.flow_from_directory(pets, target_size=(6, 5), batch_size=4, shuffle=False)
    assert capsys.readouterr().out == "Found 7 images belonging to 2 classes.\n"
    assert flow.class_indices == {"cats": 0, "dogs": 1}
    assert flow.filenames == ["cats/0.png", "cats/1.png", "cats/2.png", "dogs/0.png", "dogs/1.png", "dogs/2.png",
                              os.path.join("dogs", "more", "9.PNG")]  # fmt: skip
    assert (flow.samples, flow.n, len(flow), flow.num_classes) == (7, 7, 2, 2)
    assert flow.classes.tolist() == [0, 0, 0, 1, 1, 1, 1]
    x, y = flow.next()
    np.testing.assert_allclose(x[1], img_to_array(load_img(pets / "cats" / "1.png")) / 255, rtol=1e-6)
    np.testing.assert_array_equal(y, [[1, 0], [1, 0], [1, 0], [0, 1]])
    assert flow.image_shape == (6, 5, 3)


@pytest.mark.parametrize(("mode", "y"), [("binary", [0, 0, 0, 1, 1, 1, 1]), ("sparse", [0, 0, 0, 1, 1, 1, 1])])
def test_class_numbers(pets, mode, y):
    flow = ImageDataGenerator().flow_from_directory(pets, (6, 5), class_mode=mode, shuffle=False)
    np.testing.assert_array_equal(next(flow)[1], y)
    assert next(flow)[1].dtype == np.float32


def test_without_targets_and_with_the_pictures_as_targets(pets):
    only = ImageDataGenerator().flow_from_directory(pets, (6, 5), class_mode=None, shuffle=False)
    x = next(only)
    assert x.shape == (7, 6, 5, 3)
    x, y = next(ImageDataGenerator().flow_from_directory(pets, (6, 5), class_mode="input", shuffle=False))
    np.testing.assert_array_equal(x, y)


def test_subsets_are_cut_class_by_class(pets):
    generator = ImageDataGenerator(validation_split=0.4)
    parts = {s: generator.flow_from_directory(pets, (6, 5), subset=s).filenames for s in ("training", "validation")}
    assert parts["validation"] == ["cats/0.png", "dogs/0.png"]
    assert len(parts["training"]) == 5
    assert not {*parts["training"]} & {*parts["validation"]}


def test_chosen_classes_in_their_order(pets):
    flow = ImageDataGenerator().flow_from_directory(pets, (6, 5), classes=["dogs", "cats"])
    assert flow.class_indices == {"dogs": 0, "cats": 1}
    assert flow.filenames[0] == "dogs/0.png"


def frame(pets):
    names = ["cats/0.png", "cats/1.png", "dogs/0.png", "dogs/none.png", "dogs/1.png"]
    return pd.DataFrame({"filename": names, "class": ["cat", "cat", "dog", "dog", "dog"], "w": [1, 2, 3, 4, 5.0],
                         "age": [3.0, 4, 5, 6, 7], "both": [["a"], ["a", "b"], ["b"], ["b"], ["a"]]})  # fmt: skip


def test_a_data_frame(pets, capsys, notes):
    generator = ImageDataGenerator()
    flow = generator.flow_from_dataframe(frame(pets), pets, weight_col="w", target_size=(6, 5), shuffle=False)
    out = capsys.readouterr()
    assert out.out == "Found 4 validated image filenames belonging to 2 classes.\n"
    assert "1 rows name no picture, the first 'dogs/none.png': they are left out" in out.err
    x, y, w = next(flow)
    np.testing.assert_array_equal(x[0], img_to_array(load_img(pets / "cats" / "0.png")))
    np.testing.assert_array_equal(y, [[1, 0], [1, 0], [0, 1], [0, 1]])
    assert w.tolist() == [1, 2, 3, 5]


def test_numbers_and_several_labels_of_a_data_frame(pets):
    generator, options = ImageDataGenerator(), {"target_size": (6, 5), "shuffle": False}
    raw = generator.flow_from_dataframe(frame(pets), pets, y_col="age", class_mode="raw", **options)
    assert next(raw)[1].tolist() == [3, 4, 5, 7]
    two = generator.flow_from_dataframe(frame(pets), pets, y_col=["age", "w"], class_mode="raw", **options)
    assert next(two)[1].tolist() == [[3, 1], [4, 2], [5, 3], [7, 5]]
    several = generator.flow_from_dataframe(frame(pets), pets, y_col="both", **options)
    assert next(several)[1].tolist() == [[1, 0], [1, 1], [0, 1], [1, 0]]
    dogs = generator.flow_from_dataframe(frame(pets), pets, classes=["dog"], class_mode="sparse", **options)
    assert dogs.filenames == ["dogs/0.png", "dogs/1.png"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda g, p: g.flow_from_directory(p / "none"), "expected a folder with one folder per class"),
        (lambda g, p: g.flow_from_directory(p / "cats"), "expected files that end in .png"),
        (lambda g, p: g.flow_from_directory(p, class_mode="one"), 'class_mode: expected "categorical"'),
        (lambda g, p: g.flow_from_directory(p, classes=["../x"]), "expected files that end in|classes: expected names"),
        (lambda g, p: g.flow_from_directory(p, subset="test"), "subset: expected one of training, validation"),
        (lambda g, p: g.flow_from_directory(p, target_size=5), "target_size: expected a tuple of whole numbers"),
        (lambda g, p: g.flow_from_directory(p, color_mode="bgr"), "color_mode: expected one of rgb"),
        (lambda g, p: g.flow_from_directory(p, save_to_dir=p / "none"), "save_to_dir: expected a folder that is there"),
        (lambda g, p: g.flow_from_dataframe({}, p), "expected a pandas DataFrame"),
        (
            lambda g, p: g.flow_from_dataframe(frame(p), p, x_col="f"),
            "one of the columns filename, class.*received 'f'",
        ),
        (lambda g, p: g.flow_from_dataframe(frame(p), p, y_col="age"), r"age: .*received 3.0; convert .*astype\(str\)"),
        (lambda g, p: g.flow_from_dataframe(frame(p), p, y_col="both", class_mode="binary"), "as strings"),
        (lambda g, p: g.flow_from_dataframe(frame(p), "nowhere"), "expected rows that name pictures in nowhere"),
        (lambda g, p: g.flow_from_dataframe(frame(p), p, class_mode="multi_output"), "expected one target"),
    ],
)
def test_what_flows_refuse(pets, call, words):
    with pytest.raises(MinicnnError, match=words):
        call(ImageDataGenerator(), pets)


def model(**compiled):
    net = mc.Sequential(seed=1)
    net.add(mc.layers.Flatten(input_shape=(6, 5, 3)))
    net.add(mc.layers.Dense(2, activation="softmax"))
    net.compile(mc.optimizers.SGD(0.001), "categorical_crossentropy", **compiled)
    return net


def test_training_equals_training_on_arrays(pets):
    generator = ImageDataGenerator(rescale=1 / 255, rotation_range=20)
    flow = generator.flow_from_directory(pets, (6, 5), batch_size=3)
    x = np.stack([img_to_array(load_img(p), dtype="uint8") for p in flow.filepaths])
    nets = [model(), model()]
    for net, data in zip(nets, (flow, generator.flow(x, flow.y, batch_size=3)), strict=True):
        net.fit(data, epochs=2, verbose=0)
    for a, b in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        assert a.tobytes() == b.tobytes()
    assert nets[0].evaluate(flow, verbose=0) == nets[1].evaluate(generator.flow(x, flow.y, batch_size=3), verbose=0)


def test_a_broken_picture_is_named_and_left_out(pets, notes):
    (pets / "dogs" / "1.png").write_bytes((pets / "dogs" / "1.png").read_bytes()[:60])
    flow = ImageDataGenerator(rescale=1 / 255).flow_from_directory(pets, (6, 5), batch_size=3, shuffle=False)
    net = model()
    net.fit(flow, epochs=2, verbose=0)
    said = [line for line in notes() if "left out" in line]
    assert len(said) == 1
    assert os.path.join("dogs", "1.png") in said[0]
    good = [i for i, name in enumerate(flow.filenames) if not name.endswith("dogs/1.png")]
    x = np.stack([img_to_array(load_img(flow.filepaths[i])) for i in good]) / 255
    batches = [(x[:3], flow.y[:3]), (x[3:5], flow.y[3:6][[0, 2]]), (x[5:], flow.y[6:])]
    other = model()
    for _ in range(2):
        for one in batches:
            other.train_on_batch(*one)
    for a, b in zip(net.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    with pytest.raises(DataError, match=r"1\.png"):  # a prediction for every file: none can be left out
        net.predict(ImageDataGenerator().flow_from_directory(pets, (6, 5), class_mode=None), verbose=0)


def test_pictures_are_written_for_looking_at(pets, tmp_path):
    (tmp_path / "seen").mkdir()
    flow = ImageDataGenerator().flow(np.zeros((3, 6, 5, 3)), np.zeros(3), save_to_dir=tmp_path / "seen",
                                     save_prefix="a", shuffle=False)  # fmt: skip
    next(flow)
    assert sorted(os.listdir(tmp_path / "seen")) == ["a_0_0.png", "a_1_0.png", "a_2_0.png"]


def test_no_such_folder_is_missing_data():
    with pytest.raises(MissingDataError):
        ImageDataGenerator().flow_from_directory("nowhere")
