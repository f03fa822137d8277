"""IDX files, good and bad, and where load_data looks for MNIST."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from minicnn.data import idx, mnist
from minicnn.errors import DataError, MissingDataError

from .conftest import exactly

NAMES = list(mnist.FILES)


def encode(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def arrays():
    """A data set of MNIST's form: 5 images to train on, 3 to test on."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, shape).astype(np.uint8) for shape in ((5, 28, 28), (5,), (3, 28, 28), (3,))]


@pytest.fixture
def digests(arrays, monkeypatch):
    """load_data takes `arrays` for MNIST."""
    table = {name: hashlib.sha256(encode(array)).hexdigest() for name, array in zip(NAMES, arrays, strict=True)}
    monkeypatch.setattr(mnist, "FILES", table)
    return table


def write(folder, arrays, packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, arrays, strict=True):
        if packed:
            (folder / (name + ".gz")).write_bytes(gzip.compress(encode(array)))
        else:
            (folder / name).write_bytes(encode(array))


def assert_equal(result, arrays):
    for got, expected in zip([*result[0], *result[1]], arrays, strict=True):
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("packed", [True, False])
def test_load_idx(packed, arrays, tmp_path):
    write(tmp_path, arrays, packed)
    assert_equal(mnist.load_idx(tmp_path), arrays)


def test_read_idx_gives_an_array_that_can_be_written_to(arrays, tmp_path):
    write(tmp_path, arrays)
    array = mnist.read_idx(str(tmp_path / (NAMES[0] + ".gz")))
    array[:] = 7


GOOD = encode(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
MAGIC = "expected an IDX file of bytes (magic number 0x00000801 for labels, 0x00000803 for images), received"
CORRUPT = {
    "empty": (b"", f"{MAGIC} an empty file; get it again"),
    "short magic": (b"\0\0\x08", f"{MAGIC} 0x000008; get it again"),
    "web page": (b"<!DOCTYPE html>", f"{MAGIC} 0x3c21444f; get it again"),
    "floats": (b"\0\0\x0d\3" + GOOD[4:], f"{MAGIC} 0x00000d03; get it again"),
    "rank 0": (b"\0\0\x08\0", f"{MAGIC} 0x00000800; get it again"),
    "rank 200": (b"\0\0\x08\xc8" + GOOD[4:], f"{MAGIC} 0x000008c8; get it again"),
    "short by one": (
        GOOD[:-1],
        "expected 24 bytes of values as its header (2, 3, 4) declares, received 23; get it again",
    ),
    "long by one": (
        GOOD + b"0",
        "expected 24 bytes of values as its header (2, 3, 4) declares, received more; get it again",
    ),
    "header only": (
        GOOD[:12],
        "expected 6 bytes of values as its header (2, 3) declares, received a file that holds 12 at most; get it again",
    ),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_bad_idx(name, tmp_path):
    content, message = CORRUPT[name]
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=exactly(f"{path}: {message}")):
        idx.read_idx(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_huge_declared_size_takes_no_memory(pack, tmp_path, monkeypatch):
    path = tmp_path / "images"
    path.write_bytes(pack(GOOD[:4] + b"\xff" * 12 + GOOD[16:]))
    monkeypatch.setattr(np, "empty", None)  # would fail if it were called
    with pytest.raises(DataError, match=r"\(4294967295, 4294967295, 4294967295\) declares, received a file that holds"):
        idx.read_idx(path)


def test_bad_gzip(tmp_path):
    path, whole = tmp_path / "images.gz", gzip.compress(GOOD)
    path.write_bytes(whole[:-12])
    says = f"{path}: expected a complete gzip file, received one that ends early; get it again"
    with pytest.raises(DataError, match=exactly(says)):
        idx.read_idx(path)
    path.write_bytes(whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:])
    says = f"{path}: expected an intact gzip file, received a damaged one; get it again"
    with pytest.raises(DataError, match=exactly(says)):
        idx.read_idx(path)


def test_no_file_and_a_folder(tmp_path):
    says = f"{tmp_path}: expected an IDX file, received a folder; give the file's own name"
    with pytest.raises(DataError, match=exactly(says)):
        idx.read_idx(tmp_path)
    path = tmp_path / "no"
    says = f"{path}: expected an IDX file, received no such file; check the path"
    with pytest.raises(MissingDataError, match=exactly(says)):
        idx.read_idx(path)


def test_files_that_do_not_belong_together(arrays, tmp_path):
    write(tmp_path, [arrays[0], arrays[3], *arrays[2:]])
    says = (
        f"{tmp_path}: expected as many train labels as images, received 5 images and 3 labels; get both files from one "
        "place"
    )
    with pytest.raises(DataError, match=exactly(says)):
        mnist.load_idx(tmp_path)
    write(tmp_path, [arrays[1], *arrays[1:]])
    path = tmp_path / (NAMES[0] + ".gz")
    says = f"{path}: expected an array of rank 3, received (5,); is the file's name right?"
    with pytest.raises(DataError, match=exactly(says)):
        mnist.load_idx(tmp_path)


# where load_data looks ----------------------------------------------------------------------------------------------


def no_network(*args, **kwargs):
    raise AssertionError("the network was asked")


def test_a_path_is_used_and_nothing_else(arrays, digests, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "fetch", no_network)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path / "other"))
    write(tmp_path / "other", arrays[::-1])
    write(tmp_path / "mine", arrays, packed=False)
    assert_equal(mnist.load_data(tmp_path / "mine"), arrays)
    assert_equal(mnist.load_data(str(tmp_path / "mine")), arrays)
    (tmp_path / "mine" / NAMES[2]).unlink()
    says = (
        f"{tmp_path / 'mine'}: expected a folder with {NAMES[2]} or {NAMES[2]}.gz, received a folder without it; put "
        "MNIST's four files there, or give no path to have them downloaded"
    )
    with pytest.raises(MissingDataError, match=exactly(says)):
        mnist.load_data(tmp_path / "mine")
    with pytest.raises(MissingDataError, match="received no such folder; put"):
        mnist.load_data("mnist.npz")


@pytest.mark.parametrize("below", ["", "mnist"])
def test_minicnn_data(below, arrays, digests, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "fetch", no_network)
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path))
    write(tmp_path / below, arrays)
    assert_equal(mnist.load_data(), arrays)


def test_other_bytes_are_refused(arrays, digests, tmp_path):
    good = digests[NAMES[1]]
    arrays[1][2] ^= 1
    write(tmp_path, arrays)
    path = tmp_path / (NAMES[1] + ".gz")
    bad = hashlib.sha256(encode(arrays[1])).hexdigest()
    says = (
        f"{path}: expected MNIST's own file, sha256 {good[:16]}..., received {bad[:16]}...; get it again, or read "
        "another data set with load_idx"
    )
    with pytest.raises(DataError, match=exactly(says)):
        mnist.load_data(tmp_path)
    assert_equal(mnist.load_idx(tmp_path), arrays)


def test_the_cache_is_filled_once_and_mended(arrays, digests, cache_folder, monkeypatch):
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    contents = dict(zip(NAMES, map(encode, arrays), strict=True))
    asked = []

    def fetch(target, mirrors, verify, limits):
        asked.append(target.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(contents[target.name.removesuffix(".gz")]))
        verify(target)

    monkeypatch.setattr(mnist, "fetch", fetch)
    assert_equal(mnist.load_data(), arrays)
    assert asked == [name + ".gz" for name in NAMES]
    assert_equal(mnist.load_data(), arrays)
    assert len(asked) == 4
    (cache_folder / "mnist" / (NAMES[3] + ".gz")).write_bytes(b"damaged")
    assert_equal(mnist.load_data(), arrays)
    assert asked[4:] == [NAMES[3] + ".gz"]


def test_without_a_cache_it_is_downloaded_for_this_time(arrays, digests, tmp_path, monkeypatch):
    monkeypatch.delenv("MINICNN_DATA", raising=False)
    blocked = tmp_path / "a file"
    blocked.write_text("in the folder's place")
    monkeypatch.setenv("MINICNN_CACHE", str(blocked))
    used = []

    def fetch(target, mirrors, verify, limits):
        used.append(target)
        target.write_bytes(gzip.compress(encode(arrays[NAMES.index(target.name.removesuffix(".gz"))])))

    monkeypatch.setattr(mnist, "fetch", fetch)
    assert_equal(mnist.load_data(), arrays)
    assert not any(path.exists() for path in used)


def test_the_real_files():
    root = Path(os.environ.get("MINICNN_DATA", "nowhere"))
    if not (root / "mnist").is_dir():
        pytest.skip("MINICNN_DATA names no folder with mnist/")
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert (x_train.shape, x_test.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert y_train[:5].tolist() == [5, 0, 4, 1, 9]
