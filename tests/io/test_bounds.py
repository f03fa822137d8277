"""A small file takes little memory, whatever it declares; damaged archives and headers end in one sentence."""

import gzip
import json
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import minicnn as mc
from minicnn.data import kaggle_digits, mnist
from minicnn.errors import DataError
from minicnn.io import files, history, submission, weights

h5py = pytest.importorskip("h5py", reason='could not import "h5py": pip install -e ".[test]"')
nn = mc.layers


def refused(read, *, match, most=2_000_000):
    """read() raises a DataError after taking at most so many bytes."""
    mc.Sequential()  # the packages that a first model imports are not counted
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=match):
            read()
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken <= most, f"{taken:,} bytes"


def net(**layer):
    model = mc.Sequential([nn.Input((8, 8, 1)), nn.Conv2D(2, 3), nn.Flatten(), nn.Dense(1)], kernels="numpy_ref")
    config = model.get_config()
    config["layers"][0]["config"] |= layer
    return json.dumps({"class_name": "Sequential", "format": 1, "config": config})


@pytest.mark.parametrize(
    "layer", [{"filters": 10**7}, {"filters": 10**12}, {"filters": 10**400}, {"kernel_size": [8, 10**9]}]
)
def test_weights_are_counted_before_they_are_made(layer):
    refused(lambda: mc.model_from_json(net(**layer)), match="model_from_json: ")
    config = json.loads(net(**layer))["config"]
    refused(lambda: mc.Sequential.from_config(config), match="from_config: ")


def test_the_counting_leaves_no_trace():
    model = mc.model_from_json(net(), seed=3)
    twin = mc.Sequential([nn.Input((8, 8, 1)), nn.Conv2D(2, 3), nn.Flatten(), nn.Dense(1)], seed=3)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_values_of_json_are_counted(tmp_path):
    many = b'{"a": [' + b",".join([b"{}"] * 5_000_000) + b"]}"
    path = tmp_path / "x.minicnn"
    path.write_bytes(struct.pack("<Q", len(many)) + many)
    for read in (lambda: mc.load_model(path), lambda: weights.read(path)):
        refused(read, match="more than 200,000 values", most=4 * len(many))
    refused(lambda: mc.model_from_json("[" + "1," * 4_000_000 + "1]"), match="more than 200,000", most=50_000_000)


@pytest.fixture
def archive(tmp_path):
    model = mc.Sequential([nn.Input((2,)), nn.Dense(1)], kernels="numpy_ref")
    model.save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


@pytest.mark.parametrize("at", [4, 6, 8, 10, 12, 16, 20])
@pytest.mark.parametrize("number", [b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\1\0\0\0"])
def test_a_damaged_end_record(at, number, archive):
    data = archive.read_bytes()
    i = data.rfind(b"PK\5\6")
    damaged = (data[: i + at] + number + data[i + at + 4 :])[: len(data)]
    archive.write_bytes(damaged)
    if damaged == data:
        return
    try:
        mc.load_model(archive, kernels="numpy_ref")  # numbers of disks, and a comment's length, may not matter
    except DataError as error:
        assert str(archive) in str(error)  # noqa: PT017 (either outcome is right)


def test_the_end_record_of_the_report(archive):
    data = bytearray(archive.read_bytes())
    i = data.rfind(b"PK\5\6")
    data[i + 16 : i + 20] = b"\xff\xff\xff\x7f"
    archive.write_bytes(data)
    with pytest.raises(DataError, match=r"m\.keras: expected a complete \.keras file"):
        mc.load_model(archive)


def test_an_archive_of_very_many_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as file:
        for i in range(5000):
            file.writestr(zipfile.ZipInfo(f"{i}"), b"")
    refused(lambda: mc.load_model(tmp_path / "m.keras"), match="at most 1000 members, received 5000")


def test_compressed_members_are_refused(archive, tmp_path):
    bomb = tmp_path / "bomb.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", b" " * 9_000_000)
        file.writestr("model.weights.h5", b"\0" * 9_000_000)
    refused(lambda: mc.load_model(bomb), match="stored, not compressed")


@pytest.mark.parametrize("sizes", [(0, 2**32 - 1, 2**32 - 1), (2**32 - 1, 0, 2**32 - 1), (2**32 - 1, 2**32 - 1, 0)])
def test_idx_sizes_that_no_array_has(sizes, tmp_path):
    path = tmp_path / "images"
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, *sizes))
    refused(lambda: mnist.read_idx(path), match="sizes beyond")


def test_idx_without_images_is_an_array(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 0, 28, 28))
    assert mnist.read_idx(path).shape == (0, 28, 28)


def test_gzip_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "FREELY", 1 << 20)
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 5000, 28, 28) + bytes(5000 * 784)))
    refused(lambda: mnist.read_idx(path), match="a file that holds 1048576 at most")
    row = ",".join(["0"] * 785) + "\n"
    head = ",".join(["label", *(f"pixel{i}" for i in range(784))]) + "\n"
    path = tmp_path / "train.csv.gz"
    path.write_bytes(gzip.compress((head + row).encode()))
    kaggle_digits.read_csv(path, labelled=True)  # what a first reading imports is not counted
    path.write_bytes(gzip.compress((head + row * 3000).encode()))
    refused(lambda: kaggle_digits.read_csv(path, labelled=True), match="unpacks to more than 2,", most=40_000_000)


def test_files_that_are_longer_than_what_they_should_hold(tmp_path):
    path = tmp_path / "x"
    with open(path, "wb") as file:
        file.truncate(1 << 33)  # a file with a hole: it takes no room on the disk
    refused(lambda: submission.check(path, 10), match="more than they can take")
    refused(lambda: history.read(path), match="at most 8,000,000 bytes")
    refused(lambda: mnist.read_idx(path), match="received 0x00000000")
    os.rename(path, tmp_path / "x.safetensors")
    refused(lambda: weights.read(tmp_path / "x.safetensors"), match="declare a header of 0")


def test_a_file_for_which_there_is_no_memory(tmp_path):
    """A header that fits its file, which has a hole of terabytes."""
    count = 1 << 40
    header = json.dumps({"a": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
    path = tmp_path / "x.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        try:
            file.truncate(8 + len(header) + 4 * count)
        except OSError:
            pytest.skip("no files of that size here")
    refused(lambda: weights.read(path), match=r"x\.safetensors: expected .*")


@pytest.mark.parametrize("size", [0, 1, 8, 2**64 - 16])
def test_an_object_of_a_global_heap_that_takes_no_room(size, tmp_path):
    """The library would look for the next object at the same place for ever."""
    model = mc.Sequential([nn.Input((3,)), nn.Dense(2)], seed=0)
    path = tmp_path / "m.h5"
    model.save(path)
    data = path.read_bytes()
    at, places = data.index(b"GCOL"), []
    place, end = at + 16, at + int.from_bytes(data[at + 8 : at + 16], "little")
    while place + 16 <= end:
        places.append(place)
        taken = int.from_bytes(data[place + 8 : place + 16], "little")
        place += taken if data[place : place + 2] == b"\0\0" else 16 + -(-taken // 8) * 8
    free = places[-1]
    assert data[free : free + 2] == b"\0\0"  # what is left of the heap
    for damaged in places if size >= 2**63 else [free]:
        if size < 2**63 or damaged != free:
            path.write_bytes(data[: damaged + 8] + size.to_bytes(8, "little") + data[damaged + 16 :])
            refused(lambda: mc.load_model(path), match=f"an object of no size at byte {damaged}")


def test_a_heap_whose_list_of_free_places_is_a_circle(tmp_path):
    """Found by fuzzing: the HDF5 library follows it for ever, and takes gigabytes on the way."""
    model = mc.Sequential([nn.Input((2,)), nn.Dense(1)], kernels="numpy_ref")
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    data, at, circles = bytearray(path.read_bytes()), 0, 0
    while (at := data.find(b"HEAP", at + 1)) >= 0:
        free, start = struct.unpack("<QQ", data[at + 16 : at + 32])
        if free != 1:
            data[start + free : start + free + 8] = struct.pack("<Q", free)
            circles += 1
    assert circles > 0
    path.write_bytes(data)
    refused(lambda: model.load_weights(path), match="goes round in a circle at byte")
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old:
        config = old.read("config.json")
    with zipfile.ZipFile(tmp_path / "n.keras", "w") as new:
        new.writestr("config.json", config)
        new.writestr("model.weights.h5", bytes(data))
    refused(lambda: mc.load_model(tmp_path / "n.keras"), match="goes round in a circle at byte")
