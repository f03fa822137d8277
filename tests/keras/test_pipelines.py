"""tf.data, tf.image and tf.io as input pipelines use them: values by NumPy or by hand, draws within their bounds."""

import io

import numpy as np
import pytest
from PIL import Image

from minicnn import check_grad, errors, keras
from minicnn.keras import tf

D = tf.data.Dataset
RGB = np.random.default_rng(0).random((5, 7, 3)).astype(np.float32)
BYTES = (RGB * 255).astype(np.uint8)


def of(dataset):
    return [int(one) for one in dataset]


# tf.data --------------------------------------------------------------------------------------------------------------


def test_datasets_put_together():
    assert of(D.range(5)) == [0, 1, 2, 3, 4]
    assert of(D.range(2, 9, 3)) == [2, 5, 8]
    assert of(D.range(2).concatenate(D.range(3))) == [0, 1, 0, 1, 2]
    assert of(D.range(7).shard(3, 1)) == [1, 4]
    assert len(D.range(7).shard(3, 1)) == 2
    pairs = D.zip((D.range(3), D.range(9)))
    assert [tuple(map(int, one)) for one in pairs] == [(0, 0), (1, 1), (2, 2)]
    assert len(pairs) == len(D.zip(D.range(3), D.range(9))) == 3
    assert of(D.range(3).flat_map(lambda n: D.range(int(n)))) == [0, 0, 1]
    woven = D.range(3).interleave(lambda n: D.from_tensors(n).repeat(3), cycle_length=2)
    assert of(woven) == [0, 1, 0, 1, 0, 1, 2, 2, 2]
    assert D.range(5).reduce(0, lambda a, b: a + int(b)) == 10
    assert len(D.range(5).apply(lambda d: d.batch(2))) == 3
    assert D.range(5).batch(2).with_options(tf.data.Options()).element_spec.shape == (2,)
    assert tf.data.experimental.cardinality(D.range(5)) == 5


def test_generators_in_their_types():
    made = D.from_generator(lambda: ((i, [i, 2]) for i in range(3)), output_types=(tf.float32, tf.int64))
    x, y = next(iter(made.batch(3)))
    assert (x.dtype, y.dtype, y.shape) == (np.float32, np.int64, (3, 2))
    signature = (tf.TensorSpec(shape=(), dtype=tf.uint8), tf.TensorSpec(shape=(2,), dtype=tf.float32))
    x, y = next(iter(D.from_generator(lambda n: ((i, [i, 2]) for i in range(n)), args=(2,),
                                      output_signature=signature)))  # fmt: skip
    assert (x.dtype, y.dtype) == (np.uint8, np.float32)
    with pytest.raises(errors.ArgumentTypeError, match="a function that returns an iterator"):
        D.from_generator([1, 2])


def test_generators_keep_to_their_signature():
    spec = tf.TensorSpec(shape=(None, 2), dtype=tf.float32)
    assert next(iter(D.from_generator(lambda: iter([np.zeros((5, 2))]), output_signature=spec))).shape == (5, 2)
    free = tf.TensorSpec(shape=None, dtype=tf.float32)
    assert next(iter(D.from_generator(lambda: iter([[1, 2]]), output_signature=free))).shape == (2,)
    for wrong in (np.zeros((5, 3)), np.zeros(2), [[1, 2], [3]], "ab"):
        with pytest.raises(errors.MinicnnError, match="from_generator: expected"):
            next(iter(D.from_generator(lambda one=wrong: iter([one]), output_signature=spec)))
    with pytest.raises(errors.ShapeError, match=r"from_generator: expected elements of shape \(3,\)"):
        next(iter(D.from_generator(lambda: iter([[1, 2]]), tf.float32, (3,))))
    for kind in (np.float32, np.dtype("float32"), tf.float32):
        assert next(iter(D.from_generator(lambda: iter([[1, 2]]), kind))).dtype == np.float32
    with pytest.raises(errors.ArgumentTypeError, match="from_generator: expected elements of uint8"):
        next(iter(D.from_generator(lambda: iter([300]), tf.uint8)))
    pairs = D.from_generator(lambda: iter([(1, [1, 2])]), (tf.float32, tf.int32), ((), (None,)))
    assert [one.shape for one in next(iter(pairs))] == [(), (2,)]
    for element in ({"b": 1}, 5):
        with pytest.raises(errors.MinicnnError, match="from_generator: expected a dict of 'a'"):
            next(iter(D.from_generator(lambda one=element: iter([one]), output_signature={"a": tf.TensorSpec(())})))


def test_a_shape_of_unknown_rank():
    anything = tf.TensorShape(None)
    assert (anything.rank, tf.TensorShape([]).rank) == (None, 0)
    made = D.from_generator(lambda: iter([[1, 2]]), tf.float32, anything)
    assert next(iter(made)).shape == (2,)


def test_elements_that_cannot_be_put_together():
    for make in (lambda: D.from_tensor_slices(3), lambda: D.from_tensor_slices([[1], [1, 2]]),
                 lambda: list(D.from_generator(lambda: iter([[1], [1, 2]])).batch(2)),
                 lambda: list(D.range(3).unbatch()), lambda: D.range(3).enumerate("a"),
                 lambda: D.range(3, output_type="foo"), lambda: D.range(0).element_spec,
                 lambda: list(D.from_generator(lambda: 5))):  # fmt: skip
        with pytest.raises(errors.MinicnnError, match="expected"):
            make()
    assert [int(n) for n, _ in D.range(2).enumerate(start=5)] == [5, 6]


def test_what_is_no_dataset(tmp_path):
    with pytest.raises(errors.ArgumentTypeError, match="concatenate: dataset: expected a dataset"):
        D.range(2).concatenate([1])
    with pytest.raises(errors.ArgumentError, match="range: step"):
        D.range(0, 5, 0)
    for count in ((), (1, 2, 3, 4)):
        with pytest.raises(errors.ArgumentTypeError, match="range: expected"):
            D.range(*count)
    for woven in (D.range(3).flat_map(lambda n: n), D.range(3).interleave(lambda n: [n])):
        with pytest.raises(errors.ArgumentTypeError, match=r"(flat_map|interleave): map_func: expected a dataset"):
            list(woven)
    (tmp_path / "a.png").write_bytes(b"")
    assert of(D.list_files(tmp_path / "*.png").map(lambda name: len(str(name)))) == [len(str(tmp_path / "a.png"))]
    with pytest.raises(errors.ArgumentTypeError, match="list_files: file_pattern"):
        D.list_files(5)


def test_pictures_from_files_to_fit(tmp_path):
    """The path of a public notebook: names, labels out of them, bytes, pixels, batches."""
    for i in range(8):
        Image.fromarray(np.full((6, 5, 3), 30 * i, np.uint8)).save(tmp_path / f"{'cat' if i % 2 else 'dog'}_{i}.png")
    names = D.list_files(str(tmp_path / "*.png"), shuffle=False)
    assert len(names) == 8
    assert next(iter(names)).numpy().decode().endswith("cat_1.png")
    assert sorted(map(str, D.list_files(str(tmp_path / "*.png"), seed=1))) == sorted(map(str, names))

    def load(path):
        kind = tf.strings.split(tf.strings.split(path, "/")[-1], "_")[0]
        pixels = tf.image.decode_png(tf.io.read_file(path), channels=3)
        pixels = tf.image.resize(tf.image.convert_image_dtype(pixels, tf.float32), [4, 4])
        pixels.set_shape([4, 4, 3])
        return pixels, kind == "cat"

    data = names.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(4).prefetch(tf.data.AUTOTUNE)
    x, y = next(iter(data))
    assert (x.shape, x.dtype, list(y)) == ((4, 4, 4, 3), np.float32, [True] * 4)
    assert np.allclose(x[0], 30 / 255, atol=1e-6)
    model = keras.Sequential([keras.layers.Flatten(input_shape=(4, 4, 3)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    assert len(model.fit(data, epochs=2, verbose=0).history["loss"]) == 2
    with pytest.raises(errors.MissingDataError, match="list_files: expected files that match"):
        D.list_files(str(tmp_path / "*.gif"))
    with pytest.raises(errors.MissingDataError, match="read_file: expected a file at"):
        tf.io.read_file(str(tmp_path / "none.png"))
    with pytest.raises(errors.DataError):
        tf.io.decode_image(b"no picture")


def test_bytes_of_pictures():
    for mode, channels in (("L", 1), ("RGB", 3), ("RGBA", 4)):
        data = tf.io.encode_png(np.asarray(Image.fromarray(BYTES).convert(mode)).reshape(5, 7, channels))
        assert tf.image.decode_image(data).shape == (5, 7, channels)
        assert tf.io.decode_png(data, channels=1).shape == (5, 7, 1)
    np.testing.assert_array_equal(tf.image.decode_png(tf.io.encode_png(BYTES)), BYTES)


DEEP = np.array([[0, 255, 256, 4660], [32768, 40000, 65280, 65535]], np.uint16)


def test_pictures_of_sixteen_bits():
    raw = tf.io.encode_png(DEEP[..., None])
    for decode in (tf.io.decode_png, tf.io.decode_image):
        for channels in (0, 1, 3):
            deep = decode(raw, channels=channels, dtype=tf.uint16)
            assert (deep.dtype, deep.shape) == (np.uint16, (2, 4, max(channels, 1)))
            np.testing.assert_array_equal(deep, np.repeat(DEEP[..., None], max(channels, 1), -1))
            np.testing.assert_array_equal(decode(raw, channels=channels), deep >> 8)
    rgba = tf.io.decode_png(raw, channels=4, dtype=tf.uint16)
    assert (rgba[..., 3] == 65535).all()
    np.testing.assert_array_equal(rgba[..., 0], DEEP)
    np.testing.assert_allclose(tf.io.decode_image(raw, dtype=tf.float32)[..., 0], DEEP / 65535, rtol=1e-6)
    shallow = tf.io.decode_png(tf.io.encode_png(BYTES), dtype=tf.uint16)
    np.testing.assert_array_equal(shallow, BYTES.astype(np.uint16) * 257)


def test_what_pictures_are_written_from():
    small, large = (len(tf.io.encode_jpeg(BYTES, quality=q)) for q in (5, 100))
    assert small < len(tf.io.encode_jpeg(BYTES)) < large
    assert tf.io.encode_png(tf.cast(BYTES, tf.uint8)) == tf.io.encode_png(BYTES)
    batch = tf.io.encode_png(np.stack([BYTES, BYTES[::-1]]))
    np.testing.assert_array_equal(tf.io.decode_png(batch[1]), BYTES[::-1])
    for wrong in (RGB, BYTES.astype(np.int64), tf.constant(RGB), BYTES[0], BYTES.repeat(2, -1)):
        for encode in (tf.io.encode_png, tf.io.encode_jpeg):
            with pytest.raises(errors.MinicnnError, match=r"encode_(png|jpeg): expected"):
                encode(wrong)
    for options in ({"quality": 101}, {"qualty": 5}, {"xmp_metadata": "a"}, {"format": "cmyk"}):
        with pytest.raises(errors.MinicnnError, match="encode_jpeg"):
            tf.io.encode_jpeg(BYTES, **options)
    jpeg = tf.io.encode_jpeg(BYTES)
    for options in ({"ratio": 2}, {"acceptable_fraction": 0.5}, {"dct_method": "INTEGER_FAST"}, {"rato": 2}):
        with pytest.raises(errors.MinicnnError, match=f"decode_jpeg.*{next(iter(options))}"):
            tf.io.decode_jpeg(jpeg, **options)
    assert tf.io.decode_jpeg(jpeg, ratio=1, channels=1).shape == (5, 7, 1)


def test_frames_of_a_gif():
    frames = [Image.fromarray(np.full((4, 6, 3), [40 * i, 255 - 40 * i, 0], np.uint8)) for i in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "gif", save_all=True, append_images=frames[1:])
    raw = file.getvalue()
    for decoded in (tf.io.decode_gif(raw), tf.io.decode_image(raw)):
        assert (decoded.shape, decoded.dtype) == ((3, 4, 6, 3), np.uint8)
        assert [int(one.max()) for one in decoded[..., 0]] == [0, 40, 80]
    assert tf.io.decode_image(raw, expand_animations=False).shape == (4, 6, 3)
    with pytest.raises(errors.MinicnnError, match="decode_gif: expected a GIF"):
        tf.io.decode_gif(tf.io.encode_png(BYTES))
    for end in range(0, len(raw), 2):
        try:
            tf.io.decode_gif(raw[:end])
        except errors.DataError:
            continue


def test_python_functions():
    doubled = D.range(3).map(lambda n: tf.py_function(lambda v: v.numpy() * 2, [n], tf.int64))
    assert of(doubled) == [0, 2, 4]
    halves = D.range(3).map(lambda n: tf.numpy_function(lambda v: (v, v / 2), [n], [tf.int64, tf.float32]))
    assert [float(b) for _, b in halves] == [0, 0.5, 1]


# tf.image -------------------------------------------------------------------------------------------------------------

IM = tf.image
SAME = {
    "flip_left_right": (lambda x: IM.flip_left_right(x), lambda x: x[:, ::-1]),
    "flip_up_down": (lambda x: IM.flip_up_down(x), lambda x: x[::-1]),
    "rot90": (lambda x: IM.rot90(x), lambda x: np.rot90(x)),
    "rot90, 3": (lambda x: IM.rot90(x, k=3), lambda x: np.rot90(x, 3)),
    "transpose": (lambda x: IM.transpose(x), lambda x: x.swapaxes(0, 1)),
    "crop": (lambda x: IM.crop_to_bounding_box(x, 1, 2, 3, 4), lambda x: x[1:4, 2:6]),
    "pad": (lambda x: IM.pad_to_bounding_box(x, 1, 2, 9, 9), lambda x: np.pad(x, ((1, 3), (2, 0), (0, 0)))),
    "central": (lambda x: IM.central_crop(x, 0.5), lambda x: x[1:4, 1:6]),
    "to larger": (lambda x: IM.resize_with_crop_or_pad(x, 6, 10), lambda x: np.pad(x, ((0, 1), (1, 2), (0, 0)))),
    "to smaller": (lambda x: IM.resize_with_crop_or_pad(x, 3, 4), lambda x: x[1:4, 1:5]),
    "nearest": (lambda x: IM.resize(x, (10, 14), method="nearest"), lambda x: x.repeat(2, 0).repeat(2, 1)),
    "three": (lambda x: IM.grayscale_to_rgb(x[..., :1]), lambda x: x[..., :1].repeat(3, -1)),
}


@pytest.mark.parametrize("what", SAME)
def test_arrangement_keeps_the_type(what):
    ours, theirs = SAME[what]
    for x in (RGB, BYTES):
        y = ours(x)
        np.testing.assert_array_equal(y.numpy(), theirs(x))
        assert y.dtype == x.dtype
    if what not in ("rot90", "rot90, 3", "transpose"):
        np.testing.assert_array_equal(ours(tf.constant(RGB)).numpy(), theirs(RGB))
    np.testing.assert_array_equal(ours(np.stack([RGB, RGB]))[1], theirs(RGB))


def test_colours():
    np.testing.assert_allclose(IM.adjust_brightness(RGB, 0.1), RGB + np.float32(0.1))
    assert IM.adjust_brightness(BYTES, 0.9).max() == 255
    assert IM.adjust_brightness(BYTES, 0.1).dtype == np.uint8
    mean = RGB.mean(axis=(0, 1))
    np.testing.assert_allclose(IM.adjust_contrast(RGB, 2.0), (RGB - mean) * 2 + mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(IM.adjust_gamma(RGB, 2, 3), 3 * RGB**2, rtol=1e-5)
    np.testing.assert_allclose(IM.rgb_to_grayscale(RGB)[..., 0], RGB @ [0.2989, 0.587, 0.114], rtol=1e-5)
    hsv = IM.rgb_to_hsv(np.array([[[1, 0, 0], [0, 1, 0], [0, 0, 0.5], [0.2, 0.2, 0.2]]], np.float32))
    np.testing.assert_allclose(hsv[0], [[0, 1, 1], [1 / 3, 1, 1], [2 / 3, 1, 0.5], [0, 0, 0.2]], atol=1e-6)
    np.testing.assert_allclose(IM.hsv_to_rgb(IM.rgb_to_hsv(RGB)), RGB, atol=1e-6)
    np.testing.assert_allclose(IM.adjust_hue(RGB, 1 / 3), RGB[..., [2, 0, 1]], atol=1e-5)
    np.testing.assert_allclose(IM.adjust_saturation(RGB, 0.0), RGB.max(-1, keepdims=True).repeat(3, -1), atol=1e-6)
    standard = IM.per_image_standardization(BYTES)
    assert abs(standard.mean()) < 1e-5
    assert abs(standard.std() - 1) < 1e-4
    np.testing.assert_array_equal(IM.convert_image_dtype(BYTES, "float32"), BYTES.astype(np.float32) / 255)
    np.testing.assert_array_equal(IM.convert_image_dtype(IM.convert_image_dtype(BYTES, "float32"), "uint8"), BYTES)


def test_whole_numbers_of_another_size():
    """TensorFlow multiplies by the ratio of how many there are."""
    wide = IM.convert_image_dtype(BYTES, tf.uint16)
    np.testing.assert_array_equal(wide, BYTES.astype(np.uint16) * 256)
    np.testing.assert_array_equal(IM.convert_image_dtype(wide, tf.uint8), BYTES)
    assert IM.convert_image_dtype(np.array([255, 256, 65535], np.uint16), "uint8").tolist() == [0, 1, 255]
    signed = np.array([-5, 127], np.int8)
    assert IM.convert_image_dtype(signed, "uint8", saturate=True).tolist() == [0, 254]


def test_words_as_tensorflow_spells_them():
    np.testing.assert_array_equal(IM.rgb_to_grayscale(images=RGB, name="grey"), IM.rgb_to_grayscale(RGB))
    np.testing.assert_array_equal(IM.adjust_contrast(images=RGB, contrast_factor=2.0), IM.adjust_contrast(RGB, 2.0))
    np.testing.assert_array_equal(IM.hsv_to_rgb(images=IM.rgb_to_hsv(images=RGB)), IM.hsv_to_rgb(IM.rgb_to_hsv(RGB)))
    np.testing.assert_array_equal(IM.rot90(image=RGB, k=2, name="half"), RGB[::-1, ::-1])
    with pytest.raises(errors.ArgumentTypeError, match=r"adjust_hue: expected arguments of image, delta.*'delt'"):
        IM.adjust_hue(RGB, delt=0.1)
    for fraction in ("a", 0, 1.5):
        with pytest.raises(errors.MinicnnError, match="central_crop: central_fraction"):
            IM.central_crop(RGB, fraction)
    assert IM.resize(RGB, tf.constant([10, 4])).shape == IM.resize(RGB, np.array([10, 4])).shape == (10, 4, 3)
    assert IM.resize(RGB, (tf.constant(10), np.int64(4))).shape == (10, 4, 3)
    for size in (2, (4, 4, 3), (0, 4), (2.5, 3), "ab"):
        with pytest.raises(errors.MinicnnError, match="resize: size: expected"):
            IM.resize(RGB, size)
    for measure in (IM.psnr, IM.ssim):
        with pytest.raises(errors.ShapeError, match="two pictures of one shape"):
            measure(np.ones((16, 16, 3)), np.ones((16, 16, 1)), 1.0)
    with pytest.raises(errors.MinicnnError, match="rgb_to_hsv: expected floats"):
        IM.rgb_to_hsv(BYTES)


SLIPS = {
    "crop_to_bounding_box: offset_height": lambda n: IM.crop_to_bounding_box(RGB, n, 0, 1, 1),
    "crop_to_bounding_box: target_width": lambda n: IM.crop_to_bounding_box(RGB, 0, 0, 1, n),
    "pad_to_bounding_box: offset_width": lambda n: IM.pad_to_bounding_box(RGB, 0, n, 20, 20),
    "resize_with_crop_or_pad: target_height": lambda n: IM.resize_with_crop_or_pad(RGB, n, 3),
    "resize_with_pad: target_width": lambda n: IM.resize_with_pad(RGB, 3, n),
    "random_crop: size": lambda n: IM.stateless_random_crop(RGB, (n, 3, 3), (1, 2)),
    "rot90: k": lambda n: IM.rot90(RGB, n),
    "ssim: filter_size": lambda n: IM.ssim(RGB, RGB, 1.0, filter_size=n),
}  # fmt: skip
FACTORS = {
    "adjust_brightness: delta": lambda n: IM.adjust_brightness(RGB, n),
    "adjust_contrast: contrast_factor": lambda n: IM.adjust_contrast(RGB, n),
    "adjust_saturation: saturation_factor": lambda n: IM.adjust_saturation(RGB, n),
    "adjust_hue: delta": lambda n: IM.adjust_hue(RGB, n),
    "adjust_gamma: gamma": lambda n: IM.adjust_gamma(RGB, n),
    "adjust_gamma: gain": lambda n: IM.adjust_gamma(RGB, 1, n),
    "psnr: max_val": lambda n: IM.psnr(RGB, RGB / 2, n),
    "ssim: max_val": lambda n: IM.ssim(RGB, RGB, n, filter_size=3),
}  # fmt: skip


@pytest.mark.parametrize("where", [*SLIPS, *FACTORS])
def test_numbers_are_numbers(where):
    call = (SLIPS | FACTORS)[where]
    wrong = ("a", None, (1, 2), np.nan) if where in FACTORS else ("a", None, (1, 2), 1.5, tf.constant(1.5))
    for one in wrong:
        with pytest.raises(errors.MinicnnError, match=where):
            call(one)
    np.testing.assert_array_equal(call(tf.constant(1)).numpy(), call(1).numpy())


def test_slips_that_get_a_sentence():
    for call in (lambda: IM.resize_with_pad(RGB, 0, 3), lambda: IM.resize_with_crop_or_pad(RGB, 0, 3),
                 lambda: IM.random_crop(RGB, 2), lambda: IM.random_crop(RGB, (2, 2)), lambda: IM.adjust_gamma(RGB, -1),
                 lambda: IM.convert_image_dtype(RGB, "int33"),
                 lambda: tf.io.decode_png(tf.io.encode_png(BYTES), 0, "uint9"), lambda: IM.resize(RGB, ((1, 2), 3)),
                 lambda: IM.adjust_brightness([[["a"]]], 0.1), lambda: IM.total_variation(np.ones(3)),
                 lambda: IM.psnr(RGB, RGB, 0), lambda: IM.ssim(RGB, RGB, 1.0, filter_size=0)):  # fmt: skip
        with pytest.raises(errors.MinicnnError, match="expected"):
            call()


DRAWN = {
    "random_flip_left_right": (), "random_flip_up_down": (), "random_brightness": (0.2,), "random_contrast": (0.5, 1.5),
    "random_saturation": (0.5, 1.5), "random_hue": (0.2,), "random_crop": ((3, 3, 3),),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_draws(name):
    draw, args = getattr(IM, name), DRAWN[name]
    tf.random.set_seed(3)
    many = [draw(RGB, *args).numpy() for _ in range(20)]
    tf.random.set_seed(3)
    for one, again in zip(many, [draw(RGB, *args).numpy() for _ in range(20)], strict=True):
        np.testing.assert_array_equal(one, again)
    assert len({one.tobytes() for one in many}) > 1
    fixed = getattr(IM, "stateless_" + name)
    np.testing.assert_array_equal(fixed(RGB, *args, seed=(1, 2)), fixed(RGB, *args, (1, 2)))
    assert len({fixed(RGB, *args, seed=(i, j)).tobytes() for i in range(4) for j in range(4)}) > 1
    for seed in (5, (1, 2, 3), (1.5, 2), "ab", None):
        with pytest.raises(errors.MinicnnError, match=f"stateless_{name}: seed: expected a pair of whole numbers"):
            fixed(RGB, *args, seed=seed)
    seeded = [draw(RGB, *args, 5).tobytes() for _ in range(20)]
    assert len(set(seeded)) > 1
    tf.random.set_seed(3)
    assert [draw(RGB, *args, seed=5).tobytes() for _ in range(20)] == seeded
    with pytest.raises(errors.ArgumentTypeError, match="sed"):
        draw(RGB, *args, sed=5)
    adjust = getattr(IM, name.replace("random", "adjust"), None) if args and "crop" not in name else None
    if adjust is None:  # flips and crops
        return
    low, high = args if len(args) == 2 else (-args[0], args[0])
    sizes = np.linspace(low, high, 401)
    made = np.stack([adjust(RGB, size).numpy() for size in sizes])
    found = [int(np.abs(made - one).max(axis=(1, 2, 3)).argmin()) for one in many]  # the nearest of known sizes
    for one, place in zip(many, found, strict=True):
        np.testing.assert_allclose(made[place], one, atol=0.02)
    assert min(found) < 150
    assert max(found) > 250


@pytest.mark.parametrize(("name", "bounds"), [
    ("brightness", (-0.1,)), ("hue", (-0.1,)), ("hue", (0.6,)), ("brightness", ("a",)), ("contrast", (1.5, 0.5)),
    ("contrast", (1.0, 1.0)), ("saturation", (-0.5, 1.0)), ("saturation", (2.0, 1.0)), ("hue", (0.1, 5, 6)),
])  # fmt: skip
def test_bounds_of_draws(name, bounds):
    with pytest.raises(errors.MinicnnError, match=f"random_{name}"):
        getattr(IM, f"random_{name}")(RGB, *bounds)
    with pytest.raises(errors.MinicnnError, match=f"random_{name}"):
        getattr(IM, f"stateless_random_{name}")(RGB, *bounds, seed=(1, 2))


def test_resize_and_measures_have_gradients():
    x = np.random.default_rng(1).random((2, 6, 6, 2))
    y = np.random.default_rng(2).random((2, 6, 6, 2))
    check_grad(lambda a: IM.resize(a, (4, 9)), [x])
    check_grad(lambda a: IM.ssim(a, y, 1.0, filter_size=3), [x])
    check_grad(lambda a: IM.psnr(a, y, 1.0), [x])
    check_grad(IM.total_variation, [x])
    assert np.allclose(IM.ssim(RGB, RGB, 1.0, filter_size=5).numpy(), 1)
    expected = np.abs(np.diff(RGB, axis=0)).sum() + np.abs(np.diff(RGB, axis=1)).sum()
    np.testing.assert_allclose(IM.total_variation(RGB).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(IM.psnr(RGB, RGB + 0.1, 1.0).numpy(), 20, rtol=1e-4)
    assert IM.psnr(BYTES, BYTES // 2, 255).numpy() > 0
    inputs = keras.Input((6, 6, 2))
    assert keras.Model(inputs, IM.resize(inputs, (3, 3))).predict(x, verbose=0).shape == (2, 3, 3, 2)
    assert IM.resize(RGB, (10, 10), preserve_aspect_ratio=True).shape == (7, 10, 3)
    assert IM.resize(BYTES, (3, 3), method=IM.ResizeMethod.BICUBIC).dtype == np.float32
    padded = IM.resize_with_pad(RGB, 14, 14)
    assert padded.shape == (14, 14, 3)
    assert not padded[:2].any()


def test_what_would_lose_a_gradient_is_refused():
    with pytest.raises(errors.ArgumentTypeError, match="flip_left_right: expected a picture"):
        IM.flip_left_right(keras.Input((4, 4, 3)))
    with pytest.raises(errors.MinicnnError, match="3 channels"):
        IM.adjust_hue(RGB[..., :2], 0.1)
    with pytest.raises(errors.MinicnnError, match="a box within"):
        IM.crop_to_bounding_box(RGB, 3, 3, 9, 9)


# what else scripts ask of tf ------------------------------------------------------------------------------------------


def test_strategies_policies_and_checks(notes):
    try:
        strategy = tf.distribute.TPUStrategy(tf.distribute.cluster_resolver.TPUClusterResolver())
    except ValueError:
        strategy = tf.distribute.MirroredStrategy()
    with strategy.scope():
        assert strategy.num_replicas_in_sync == 1
    assert any("one replica" in one for one in notes())
    keras.mixed_precision.set_global_policy("mixed_float16")
    assert any("computes in float32" in one for one in notes())
    assert keras.mixed_precision.global_policy().name == "mixed_float16"
    keras.config.set_dtype_policy("float32")
    with pytest.raises(errors.UnsupportedError, match="float64 is chosen"):
        keras.mixed_precision.Policy("float64")
    with pytest.raises(errors.ArgumentError, match="assert_equal"):
        tf.debugging.assert_equal(1, 2, "not alike")
    assert tf.TensorShape([None, 3]).as_list() == [None, 3]
    assert tf.size(np.zeros((2, 3))) == 6
    assert tf.random_normal_initializer(0.0, 0.02).get_config()["stddev"] == 0.02
    assert tf.math.confusion_matrix([0, 1], [1, 1]).numpy().tolist() == [[0, 1], [0, 1]]


def test_places_are_whole_numbers():
    x = tf.constant(np.eye(3))
    assert x[tf.constant(1.0)].numpy().tolist() == [0, 1, 0]
    for key in (tf.constant(1.5), (slice(None), tf.constant(0.5)), tf.constant(np.nan)):
        with pytest.raises(errors.ArgumentTypeError, match=r"x\[\.\.\.\]: expected a whole number"):
            x[key]


def test_blocks_of_channels():
    x = np.arange(16, dtype=np.float32).reshape(1, 2, 2, 4)
    y = tf.nn.depth_to_space(x, 2).numpy()
    assert y[0, :2, :2, 0].ravel().tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(tf.nn.space_to_depth(y, 2).numpy(), x)
    z = np.random.default_rng(0).random((1, 2, 2, 6)).astype(np.float32)
    near = np.stack([(z[..., max(i - 1, 0) : i + 2] ** 2).sum(-1) for i in range(6)], -1)
    np.testing.assert_allclose(tf.nn.local_response_normalization(z, 1, 2.0, 0.5, 0.75).numpy(),
                               z / (2 + 0.5 * near) ** 0.75, rtol=1e-5)  # fmt: skip
    for change in (tf.nn.depth_to_space, tf.nn.space_to_depth):
        with pytest.raises(errors.ShapeError, match=r"expected a batch \(N, H, W, C\)"):
            change(np.ones((4, 4)), 2)
        for block in (0, 1.5, "a"):
            with pytest.raises(errors.MinicnnError, match="block_size"):
                change(x, block)
    for empty in ([], [None]):
        with pytest.raises(errors.ArgumentError, match="global_norm: expected"):
            tf.linalg.global_norm(empty)
    a = np.ones((2, 3), np.float32)
    assert tf.matmul(a, a, transpose_b=True).shape == (2, 2)
