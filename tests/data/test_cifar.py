"""CIFAR-10, CIFAR-100 and Fashion-MNIST from folders and archives, small ones in the same formats."""

import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest

from minicnn.data import cifar10, cifar100, cifar_files, fashion_mnist
from minicnn.data.cifar_files import CIFAR10, CIFAR100, load
from minicnn.errors import ArgumentError, DataError, MissingDataError

N = 3


def small(files):
    return files._replace(train=dict.fromkeys(files.train, N), test=dict.fromkeys(files.test, 2))


def written(files, folder, rng):
    """Random records on disk, and the arrays that they are, one record after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for part in (files.train, files.test):
        x, y = [], []
        for name, n in part.items():
            labels = np.stack([rng.integers(0, k, n) for k in files.classes], 1).astype(np.uint8)
            images = rng.integers(0, 256, (n, 32, 32, 3), np.uint8)
            planes = [[image[..., c].tobytes() for c in range(3)] for image in images]
            records = [bytes(label) + b"".join(plane) for label, plane in zip(labels, planes, strict=True)]
            (folder / name).write_bytes(b"".join(records))
            x, y = [*x, images], [*y, labels]
        parts.append((np.concatenate(x), np.concatenate(y)))
    return parts


def packed(files, source, target, extra=()):
    with tarfile.open(target, "w:gz") as tar:
        for name in (*files.train, *files.test):
            tar.add(source / name, f"{files.folder}/{name}")
        for name, data in extra:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return files._replace(sha256=hashlib.sha256(target.read_bytes()).hexdigest())


@pytest.mark.parametrize(("files", "column"), [(CIFAR10, 0), (CIFAR100, 0), (CIFAR100, 1)])
@pytest.mark.parametrize("how", ["folder", "inner folder", "archive"])
def test_records(files, column, how, tmp_path, rng):
    files = small(files)
    where = tmp_path / files.folder if how == "inner folder" else tmp_path / "in" if how == "archive" else tmp_path
    expected = written(files, where, rng)
    if how == "archive":
        extra = [("../../evil", b"x"), (f"{files.folder}/readme.html", b"y")]
        files = packed(files, where, tmp_path / files.archive, extra)
    found = load(files, tmp_path, column, ())
    for (x, y), (images, labels) in zip(found, expected, strict=True):
        assert (x.dtype, y.dtype, x.flags.c_contiguous) == (np.uint8, np.uint8, True)
        np.testing.assert_array_equal(x, images)
        np.testing.assert_array_equal(y, labels[:, column : column + 1])
    assert not (tmp_path.parent / "evil").exists()


def test_where_they_are_looked_for(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(cifar_files, "CIFAR10", small(CIFAR10))
    monkeypatch.setattr(cifar10, "CIFAR10", small(CIFAR10))
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path))
    expected = written(small(CIFAR10), tmp_path / "cifar10", rng)
    (x, y), (x_test, _) = cifar10.load_data()
    assert (x.shape, y.shape, x_test.shape) == ((15, 32, 32, 3), (15, 1), (2, 32, 32, 3))
    np.testing.assert_array_equal(x, expected[0][0])
    from minicnn.keras.datasets import cifar10 as theirs

    np.testing.assert_array_equal(theirs.load_data()[0][0], x)


def test_bad_files(tmp_path, rng):
    files = small(CIFAR10)
    with pytest.raises(MissingDataError, match=r"expected a folder with cifar-10-binary.tar.gz, or with data_batch_1"):
        cifar10.load_data(tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(MissingDataError, match="received the pickled python version; put the binary version there"):
        cifar10.load_data(tmp_path)
    written(files, tmp_path / "in", rng)
    archive = tmp_path / files.archive
    good = packed(files, tmp_path / "in", archive)
    with pytest.raises(DataError, match="expected CIFAR-10's own archive, sha256 c4a38c50a1bc5f3a"):
        load(files, tmp_path, 0, ())
    cut = archive.read_bytes()[:-3000]
    archive.write_bytes(cut)
    with pytest.raises(DataError, match=r"expected a \.tar\.gz, received a damaged one"):
        load(good._replace(sha256=hashlib.sha256(cut).hexdigest()), tmp_path, 0, ())
    path = tmp_path / "in" / "test_batch.bin"
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"test_batch.bin: expected 6146 bytes, received 6145"):
        load(files, tmp_path / "in", 0, ())
    data[0] = 10
    path.write_bytes(data)
    with pytest.raises(DataError, match="expected labels below 10, received 10"):
        load(files, tmp_path / "in", 0, ())
    with pytest.raises(ArgumentError, match='expected "fine" or "coarse", received'):
        cifar100.load_data("rough")


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.tobytes())


def test_fashion_mnist(tmp_path, rng, monkeypatch):
    for part, n in (("train", 5), ("t10k", 2)):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(rng.integers(0, 256, (n, 28, 28), np.uint8)))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(n, dtype=np.uint8)))
    (x, y), (x_test, y_test) = fashion_mnist.load_data(tmp_path)
    assert (x.shape, y.tolist(), x_test.shape, y_test.tolist()) == ((5, 28, 28), [0, 1, 2, 3, 4], (2, 28, 28), [0, 1])
    monkeypatch.setenv("MINICNN_DATA", str(tmp_path.parent))
    tmp_path.rename(tmp_path.parent / "fashion-mnist")
    np.testing.assert_array_equal(fashion_mnist.load_data()[0][0], x)
    labels = tmp_path.parent / "fashion-mnist" / "train-labels-idx1-ubyte.gz"
    digest = hashlib.sha256(gzip.decompress(labels.read_bytes())).hexdigest()
    monkeypatch.setitem(fashion_mnist.mnist.FILES, "train-labels-idx1-ubyte", digest)
    with pytest.raises(DataError, match=r"expected Fashion-MNIST, received MNIST itself; use mnist\.load_data"):
        fashion_mnist.load_data()
