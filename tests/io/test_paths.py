"""Whatever is given as a path, to every reader and every writer: a MinicnnError that names it, at once."""

import os
import sys

import numpy as np
import pytest

import minicnn as mc
from minicnn.callbacks import CSVLogger, ModelCheckpoint
from minicnn.data import kaggle_digits, mnist
from minicnn.errors import MinicnnError
from minicnn.io import atomic_write, check_folder, history, submission, weights

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths")


@pytest.fixture(scope="module")
def model():
    net = mc.Sequential([mc.layers.Input((2,)), mc.layers.Dense(1)], seed=0, kernels="numpy_ref")
    net.compile("sgd", "mse")
    return net


def log(model, path):
    model.fit(np.ones((1, 2)), np.ones((1, 1)), verbose=0, callbacks=[CSVLogger(path)])


READERS = {  # name: (suffix that is wanted, what reads)
    "load_model": (".minicnn", lambda model, path: mc.load_model(path)),
    "load_model keras": (".keras", lambda model, path: mc.load_model(path)),
    "load_weights": (".safetensors", lambda model, path: model.load_weights(path)),
    "load_weights h5": (".weights.h5", lambda model, path: model.load_weights(path)),
    "io.load_weights": (".safetensors", lambda model, path: weights.load_weights(model, path)),
    "weights.read": (".safetensors", lambda model, path: weights.read(path)),
    "history.read": ("", lambda model, path: history.read(path)),
    "submission.check": ("", lambda model, path: submission.check(path, 3)),
    "read_idx": ("", lambda model, path: mnist.read_idx(path)),
    "load_idx": ("", lambda model, path: mnist.load_idx(path)),
    "read_csv": ("", lambda model, path: kaggle_digits.read_csv(path, labelled=True)),
    "kaggle load_data": ("", lambda model, path: kaggle_digits.load_data(path)),
}
WRITERS = {
    "save": (".minicnn", lambda model, path: model.save(path)),
    "save keras": (".keras", lambda model, path: model.save(path)),
    "save_weights": (".safetensors", lambda model, path: model.save_weights(path)),
    "save_weights h5": (".weights.h5", lambda model, path: model.save_weights(path)),
    "history.write": ("", lambda model, path: history.write(path, {"loss": [1.0]})),
    "submission.write": ("", lambda model, path: submission.write(path, np.array([1]))),
    "reports.save": (".png", lambda model, path: mc.reports.save(mc.reports.curves.draw({"loss": [1.0, 2.0]}), path)),
    "CSVLogger": ("", log),
}


def _loop(folder, suffix):
    os.symlink(folder / f"loop{suffix}", folder / f"loop{suffix}")
    return folder / f"loop{suffix}"


def _pipe(folder, suffix):
    os.mkfifo(folder / f"pipe{suffix}")
    return folder / f"pipe{suffix}"


def _device(folder, suffix):
    os.symlink("/dev/zero", folder / f"zero{suffix}")
    return folder / f"zero{suffix}"


def _folder(folder, suffix):
    (folder / f"folder{suffix}").mkdir()
    return folder / f"folder{suffix}"


def _through(folder, suffix):
    (folder / "file").write_text("")
    return folder / "file" / f"x{suffix}"


PATHS = {
    "None": lambda folder, suffix: None, "3": lambda folder, suffix: 3, "3.0": lambda folder, suffix: 3.5,
    "bytes": lambda folder, suffix: os.fsencode(folder / f"x{suffix}"), "a list": lambda folder, suffix: ["x"],
    "empty": lambda folder, suffix: "", "NUL": lambda folder, suffix: f"{folder}/a\0{suffix}",
    "surrogate": lambda folder, suffix: f"{folder}/\ud800{suffix}",
    "no user's home": lambda folder, suffix: f"~nobody-of-that-name/x{suffix}",
    "through a file": _through, "too long": lambda folder, suffix: folder / ("x" * 300 + suffix), "loop": _loop,
    "a pipe": _pipe, "a device": _device, "a folder": _folder,
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", READERS)
def test_read(name, path, model, tmp_path):
    suffix, read = READERS[name]
    given = PATHS[path](tmp_path, suffix)
    with pytest.raises(MinicnnError) as caught:
        read(model, given)
    assert (str(given) if isinstance(given, os.PathLike) else repr(given)[:20]) in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_read_what_is_not_there(name, model, tmp_path):
    suffix, read = READERS[name]
    with pytest.raises(FileNotFoundError, match="missing") as caught:
        read(model, tmp_path / f"missing{suffix}")
    assert isinstance(caught.value, MinicnnError)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", WRITERS)
def test_write(name, path, model, tmp_path):
    suffix, write = WRITERS[name]
    given = PATHS[path](tmp_path, suffix)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(MinicnnError) as caught:
        write(model, given)
    assert (str(given) if isinstance(given, os.PathLike) else repr(given)[:20]) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("name", WRITERS)
def test_home_and_missing_folders(name, model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    suffix, write = WRITERS[name]
    write(model, f"~/a/b/x{suffix}")
    assert os.listdir(tmp_path / "a" / "b") == [f"x{suffix}"]


def test_a_checkpoint_in_the_home_folder(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    model.fit(np.ones((1, 2)), np.ones((1, 1)), verbose=0, callbacks=[ModelCheckpoint("~/m{epoch}.minicnn")])
    assert os.listdir(tmp_path) == ["m1.minicnn"]
    with pytest.raises(MinicnnError):
        ModelCheckpoint(None)


@pytest.mark.parametrize("path", PATHS)
def test_folders_to_write_to(path, tmp_path):
    if path == "a folder":
        return check_folder(_folder(tmp_path, ""), "--out")
    with pytest.raises(MinicnnError, match=r"^--out: expected"):
        check_folder(PATHS[path](tmp_path, ""), "--out")


def test_a_device_is_not_replaced(tmp_path):
    """Root could: a rename over /dev/null takes it from every program of the machine."""
    os.symlink("/dev/null", tmp_path / "null")
    with pytest.raises(MinicnnError, match="a pipe or device"), atomic_write(tmp_path / "null"):
        pass


def test_a_name_of_the_longest_kind(tmp_path):
    """The temporary file's name is not longer than the file's, whatever its characters take on the disk."""
    name = "\N{GRINNING FACE}" * 63  # 252 bytes
    with atomic_write(tmp_path / name, text=True) as file:
        file.write("x")
    assert os.listdir(tmp_path) == [name]
