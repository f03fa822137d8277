"""callbacks.TensorBoard: what TensorBoard's own reader finds in the files, also of a run that was killed."""

import io
import os

import numpy as np
import PIL.Image
import pytest

import minicnn
from minicnn import callbacks
from minicnn import layers as nn

reason = 'needs the packages tensorboardX and tensorboard: pip install -e ".[tensorboard]" tensorboard'
pytest.importorskip("tensorboardX", reason=reason)
accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=reason)
loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader", reason=reason)
pytestmark = pytest.mark.tools

STEPS, ROWS = 3, 48  # of an epoch


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    return rng.random((ROWS, 6, 6, 3)).astype(np.float32), np.arange(ROWS) % 3


def made(seed=3):
    model = minicnn.Sequential([
        nn.Input((6, 6, 3), name="photo"), nn.Conv2D(5, 3, name="conv"), nn.DepthwiseConv2D(2, name="depth"),
        nn.Flatten(name="flat"), nn.Dense(3, activation="softmax", name="top"),
    ], name="net", seed=seed)  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def read(folder):
    """Tag -> [(step, value)] of numbers, and the reader, which keeps every point."""
    found = accumulator.EventAccumulator(str(folder), dict.fromkeys(accumulator.DEFAULT_SIZE_GUIDANCE, 0))
    found.Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}, found


def fit(model, data, folder, epochs=2, *, fits=None, **options):
    x, y = data
    board = callbacks.TensorBoard(folder, **options)
    fits = {"callbacks": [board]} | (fits or {})
    return model.fit(x, y, ROWS // STEPS, epochs, verbose=0, validation_data=(x, y), **fits).history


def test_numbers_have_keras_s_tags_and_steps(data, tmp_path):
    model = made()
    history = fit(model, data, tmp_path / "logs", update_freq="batch", write_steps_per_second=True)
    train, _ = read(tmp_path / "logs" / "train")
    held_out, _ = read(tmp_path / "logs" / "validation")

    def close(found, values):
        np.testing.assert_allclose(found, [*enumerate(values)], rtol=1e-6)

    for name in ("loss", "accuracy"):
        close(train[f"epoch_{name}"], history[name])
        close(held_out[f"epoch_{name}"], history[f"val_{name}"])
        at = [(STEPS, history[f"val_{name}"][0]), (2 * STEPS, history[f"val_{name}"][1])]
        np.testing.assert_allclose(held_out[f"evaluation_{name}_vs_iterations"], at, rtol=1e-6)
        assert [step for step, _ in train[f"batch_{name}"]] == [1, 2, 3, 4, 5, 6]
        assert train[f"batch_{name}"][2][1] == train[f"epoch_{name}"][0][1]  # the running mean, at an epoch's end
    close(train["epoch_learning_rate"], [0.01, 0.01])
    assert train["epoch_steps_per_second"][1][1] > 0
    assert len(train["batch_steps_per_second"]) == 2 * STEPS
    assert set(held_out) == {f"{a}{n}{b}" for n in ("loss", "accuracy") for a, b in
                             (("epoch_", ""), ("evaluation_", "_vs_iterations"))}  # fmt: skip


def test_every_second_batch_and_none(data, tmp_path):
    model = made()
    fit(model, data, tmp_path / "two", update_freq=2)
    assert [step for step, _ in read(tmp_path / "two" / "train")[0]["batch_loss"]] == [2, 4, 6]
    fit(model, data, tmp_path / "none", fits={"initial_epoch": 1})
    train, _ = read(tmp_path / "none" / "train")
    assert set(train) == {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
    assert [step for step, _ in train["epoch_loss"]] == [1]


def test_weights_as_histograms_and_pictures(data, tmp_path):
    model = made()
    fit(model, data, tmp_path, 3, histogram_freq=2, write_images=True)
    _, found = read(tmp_path / "train")
    tags = [f"{name}/{what}" for name in ("conv/kernel", "conv/bias", "depth/kernel", "depth/bias", "top/kernel",
                                          "top/bias") for what in ("histogram", "image")]  # fmt: skip
    assert sorted(found.Tags()["histograms"] + found.Tags()["images"]) == sorted(tags)
    last = found.Histograms("conv/kernel/histogram")[-1]
    kernel = model.get_layer("conv").get_weights()[0]
    assert [e.step for e in found.Histograms("conv/kernel/histogram")] == [0, 2]
    assert last.histogram_value.num == sum(last.histogram_value.bucket) == kernel.size
    np.testing.assert_allclose([last.histogram_value.min, last.histogram_value.max], [kernel.min(), kernel.max()])
    picture = np.asarray(PIL.Image.open(io.BytesIO(found.Images("conv/kernel/image")[-1].encoded_image_string)))
    assert picture.shape == (2 * 4 - 1, 3 * 4 - 1, 3)  # 5 coloured filters of 3 x 3 in a square, a line between
    scaled = np.round((kernel - kernel.min()) / (kernel.max() - kernel.min()) * 255)
    np.testing.assert_array_equal(picture[:3, 4:7], scaled[..., 1])
    np.testing.assert_array_equal(picture[4:7, 4:7], scaled[..., 4])
    assert not picture[4:7, 8:].any()


def test_the_graph_and_its_table(data, tmp_path):
    x = nn.Input((6, 6, 3), name="photo")
    inner = minicnn.Sequential([nn.Input((6, 6, 3)), nn.Conv2D(3, 3, padding="same", name="conv")], name="inner")
    model = minicnn.Model(x, nn.Dense(3, name="top")(nn.Flatten(name="flat")(nn.Add(name="sum")([inner(inner(x)), x]))))
    model.compile("sgd", "mse")
    model.fit(data[0], np.eye(3)[data[1]], verbose=0, callbacks=[callbacks.TensorBoard(tmp_path)])
    _, found = read(tmp_path / "train")
    nodes = {node.name: (node.op, list(node.input)) for node in found.Graph().node}
    assert nodes == {
        "photo": ("Input", []), "inner/conv": ("Conv2D", ["photo"]), "inner_1/conv": ("Conv2D", ["inner/conv"]),
        "sum": ("Add", ["inner_1/conv", "photo"]), "flat": ("Flatten", ["sum"]), "top": ("Dense", ["flat"]),
    }  # fmt: skip
    (text,) = found.Tensors("keras/text_summary")[0].tensor_proto.string_val
    assert "    │ top (Dense) " in text.decode()
    fit(made(), data, tmp_path / "without", 1, write_graph=False)
    _, found = read(tmp_path / "without" / "train")
    assert not found.Tags()["graph"]
    assert not found.Tags()["tensors"]


def stops_after(batches):
    """Options of a checkpoint at every step, and a stop at one of them, as by a signal."""
    count = iter(range(batches))
    return {"save_every": 0, "stop_when": lambda: next(count, None) is None}


def points(folder):
    """Every number in every file, repeated ones too, but those of a clock."""
    found = []
    for path in sorted(folder.rglob("*tfevents*")):
        for event in loader.LegacyEventFileLoader(str(path)).Load():
            found += [(path.parent.name, v.tag, event.step, v.simple_value) for v in event.summary.value
                      if v.HasField("simple_value")]  # fmt: skip
    return sorted(found)


@pytest.mark.parametrize("stop", [2, 3, 4])
def test_a_run_that_goes_on_has_every_point_once(data, tmp_path, stop):
    how = {"update_freq": 1, "histogram_freq": 1}
    fit(made(), data, tmp_path / "whole", 3, **how)
    folder = tmp_path / "cut"
    options = minicnn.CheckpointOptions(tmp_path / "ck", **stops_after(stop))
    fit(made(), data, folder, 3, fits={"checkpoint": options}, **how)
    cut = points(folder)
    assert 0 < len(cut) < len(points(tmp_path / "whole"))
    for path in folder.rglob("*tfevents*"):  # what a process wrote that was killed before its next checkpoint
        name = path.with_name(path.name.replace("tfevents.", "tfevents.9"))
        name.write_bytes(path.read_bytes())
        with open(path, "ab") as file:
            file.write(path.read_bytes() + b"half a rec")
    fit(made(), data, folder, 3, fits={"checkpoint": tmp_path / "ck"}, **how)
    assert points(folder) == points(tmp_path / "whole")
    steps = [e.step for e in read(folder / "train")[1].Histograms("top/kernel/histogram")]
    assert steps == [0, 1, 2]


def test_files_that_are_gone_are_told(data, tmp_path, notes):
    board = callbacks.TensorBoard(tmp_path)
    board.set_state({"run": "0123abcd", "files": {"train/events.out.tfevents.1.0123abcd": 50}})
    (said,) = notes()
    assert said == f"TensorBoard: {tmp_path} lacks events of the run's earlier epochs; later ones are added"
    outside = tmp_path / "x.0123abcd"
    outside.write_bytes(b"kept")
    for run in ("../x", 3, "0123abcde"):
        with pytest.raises(minicnn.errors.DataError, match="TensorBoard: state"):
            board.set_state({"run": run, "files": {}})
    board.set_state({"run": "0123abcd", "files": {"../x.0123abcd": 0}})
    assert outside.read_bytes() == b"kept"


def test_evaluate_and_weights_that_are_not_finite(data, tmp_path):
    model = made()
    fit(model, data, tmp_path / "fit", 1)
    model.set_weights([np.full_like(w, np.inf) if w.ndim == 1 else w for w in model.get_weights()])
    board = callbacks.TensorBoard(tmp_path / "more", histogram_freq=1, write_images=True)
    board.set_model(model)
    board.set_params({})
    board.on_epoch_begin(0)
    board.on_epoch_end(0, {"loss": 1.0, "note": "a text", "val_f1": np.float32(2)})
    board.close()
    train, found = read(tmp_path / "more" / "train")
    assert set(train) == {"epoch_loss", "epoch_learning_rate"}
    assert "top/kernel/histogram" in found.Tags()["histograms"]
    assert "top/bias/histogram" not in found.Tags()["histograms"]
    x, y = data
    model = made()
    loss, _ = model.evaluate(x, y, verbose=0, callbacks=[callbacks.TensorBoard(tmp_path / "only")])
    held_out, _ = read(tmp_path / "only" / "validation")
    np.testing.assert_allclose(held_out["evaluation_loss_vs_iterations"], [(0, loss)], rtol=1e-6)
    assert os.listdir(tmp_path / "only") == ["validation"]


def test_arguments_of_keras_that_have_no_effect(tmp_path, notes):
    from minicnn.keras.callbacks import TensorBoard

    assert TensorBoard is callbacks.TensorBoard
    TensorBoard(str(tmp_path), profile_batch="500,520")
    assert notes() == ["TensorBoard(profile_batch=...) has no effect: model.plan() says what each layer costs"]
    TensorBoard(log_dir=tmp_path, profile_batch=0, embeddings_freq=1)
    assert "no layer here embeds" in notes()[0]
    TensorBoard(tmp_path, 1, True, True, write_grads=True, batch_size=32)
    assert sorted(notes()) == [f"TensorBoard({name}=...) has no effect" for name in ("batch_size", "write_grads")]


def test_a_folder_that_cannot_be_written_is_told_before_training(data, tmp_path):
    (tmp_path / "logs").write_text("a file")
    model = made()
    with pytest.raises(minicnn.errors.ArgumentError, match="TensorBoard: log_dir"):
        fit(model, data, tmp_path / "logs")
    assert model.steps_done == 0
