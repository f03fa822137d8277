"""Good csv files: what is read, in every form that they come in, and what the cache does."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from minicnn.data import csv_digits, kaggle_digits
from minicnn.errors import MissingDataError

from .conftest import exactly

ROWS = 7
HEADER = ["label", *(f"pixel{i}" for i in range(784))]
URL = "https://www.kaggle.com/c/digit-recognizer/data"


@pytest.fixture
def table():
    """int (7, 785): a label and 784 pixels a row."""
    rng = np.random.default_rng(5)
    return np.concatenate([rng.integers(0, 10, (ROWS, 1)), rng.integers(0, 256, (ROWS, 784))], axis=1)


def text(table, header=HEADER, end="\n", cell=str):
    return end.join([",".join(header), *(",".join(map(cell, row)) for row in table.tolist())]) + end


def check(path, table, labelled=True):
    x, y = kaggle_digits.read_csv(path, labelled)
    assert (x.dtype, x.shape) == (np.uint8, (len(table), 28, 28, 1))
    np.testing.assert_array_equal(x.reshape(-1, 784), table[:, -784:])
    if labelled:
        assert y.dtype == np.int64
        np.testing.assert_array_equal(y, table[:, 0])
    else:
        assert y is None


FORMS = {
    "LF": lambda table: text(table).encode(),
    "CRLF": lambda table: text(table, end="\r\n").encode(),
    "no last line end": lambda table: text(table).rstrip().encode(),
    "BOM": lambda table: b"\xef\xbb\xbf" + text(table).encode(),
    "blank lines": lambda table: text(table).replace("\n", "\n\n").encode() + b"\n\n",
    "quoted": lambda table: text(table, [f'"{name}"' for name in HEADER], cell='"{}"'.format).encode(),
    "floats": lambda table: text(table, cell="{}.0".format).encode(),
    "spaces": lambda table: text(table, [f" {name} " for name in HEADER], cell=" {} ".format).encode(),
    "gzip": lambda table: gzip.compress(text(table, end="\r\n").encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_reads_every_form(form, table, tmp_path):
    path = tmp_path / ("train.csv.gz" if form == "gzip" else "train.csv")
    path.write_bytes(FORMS[form](table))
    check(path, table)


def test_gzip_is_known_by_its_content(table, tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes(FORMS["gzip"](table))
    check(path, table)


def test_columns_are_found_by_name(table, tmp_path):
    order = np.random.default_rng(1).permutation(785)
    path = tmp_path / "train.csv"
    path.write_text(text(table[:, order], [HEADER[i] for i in order]))
    check(path, table)


def test_unlabelled(table, tmp_path):
    path = tmp_path / "test.csv"
    path.write_text(text(table[:, 1:], HEADER[1:]))
    check(path, table, labelled=False)


def test_more_rows_than_one_block(table, tmp_path):
    many = np.tile(table, (csv_digits.BLOCK // ROWS + 2, 1))
    many[:, 1] = np.arange(len(many)) % 256
    path = tmp_path / "train.csv"
    path.write_text(text(many))
    check(path, many)


def test_load_data_prefers_the_plain_file(table, tmp_path):
    (tmp_path / "train.csv.gz").write_bytes(gzip.compress(text(table[::-1]).encode()))
    (tmp_path / "test.csv.gz").write_bytes(gzip.compress(text(table[:, 1:], HEADER[1:]).encode()))
    assert kaggle_digits.find(tmp_path) == (tmp_path / "train.csv.gz", tmp_path / "test.csv.gz")
    (tmp_path / "train.csv").write_text(text(table))
    assert kaggle_digits.find(str(tmp_path)) == (tmp_path / "train.csv", tmp_path / "test.csv.gz")
    x_train, y_train, x_test = kaggle_digits.load_data(tmp_path)
    np.testing.assert_array_equal(y_train, table[:, 0])
    np.testing.assert_array_equal(x_train, x_test)


def test_a_missing_file_or_folder(table, tmp_path):
    assert not kaggle_digits.available(tmp_path)
    says = "expected a folder with train.csv or train.csv.gz, received a folder without it; download it from"
    with pytest.raises(MissingDataError, match=exactly(f"{tmp_path}: {says} {URL}")):
        kaggle_digits.load_data(tmp_path)
    (tmp_path / "train.csv").write_text(text(table))
    with pytest.raises(FileNotFoundError, match=r"test\.csv or test\.csv\.gz, received a folder without it"):
        kaggle_digits.load_data(tmp_path)
    with pytest.raises(MissingDataError, match="received a file; download"):
        kaggle_digits.find(tmp_path / "train.csv")
    with pytest.raises(MissingDataError, match="received no such folder; download"):
        kaggle_digits.find(tmp_path / "nowhere")
    (tmp_path / "test.csv").write_text(text(table[:, 1:], HEADER[1:]))
    assert kaggle_digits.available(tmp_path)


# the cache ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def parses(monkeypatch):
    """The paths that were parsed, not found in the cache."""
    seen, parse = [], csv_digits.parse
    monkeypatch.setattr(kaggle_digits, "parse", lambda path, *rest: seen.append(path) or parse(path, *rest))
    return seen


def entries(folder):
    return sorted(folder.iterdir())


def test_second_reading_comes_from_the_cache(table, tmp_path, parses, cache_folder):
    path, moved = tmp_path / "train.csv", tmp_path / "elsewhere.csv"
    path.write_text(text(table))
    check(path, table)
    path.rename(moved)  # the key is the content
    check(moved, table)
    assert parses == [path]
    digest = hashlib.sha256(moved.read_bytes()).hexdigest()
    assert [entry.name for entry in entries(cache_folder)] == [f"kaggle1-{digest}-train-{part}.npy" for part in "xy"]
    np.testing.assert_array_equal(np.load(entries(cache_folder)[1], allow_pickle=False), table[:, 0])


def test_changed_content_is_parsed_again(table, tmp_path, parses):
    path = tmp_path / "train.csv"
    path.write_text(text(table))
    check(path, table)
    table[3, 5] ^= 1
    path.write_text(text(table))
    check(path, table)
    assert len(parses) == 2


def test_what_is_read_from_the_cache_can_be_written_to(table, tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(text(table))
    for _ in range(2):
        x, y = kaggle_digits.read_csv(path, labelled=True)
        x += 1
        y += 1
    check(path, table)


DAMAGE = {
    "a flipped bit": lambda raw: raw[:200] + bytes([raw[200] ^ 1]) + raw[201:],
    "a flipped bit in the digest": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
    "cut short": lambda raw: raw[:-100],
    "too long": lambda raw: raw + b"0",
    "empty": lambda raw: b"",
    "not .npy": lambda raw: b"PK" + raw[2:],
    "a huge declared size": lambda raw: raw.replace(b"(7, 28", b"(99999999999, 28").replace(b" " * 10, b"", 1),
    "a negative size": lambda raw: raw.replace(b"(7, 28", b"(-7, 28"),
    "another type": lambda raw: raw.replace(b"|u1", b"<i8"),
    "objects": lambda raw: raw.replace(b"'|u1'", b"'|O' "),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_made_again(damage, table, tmp_path, parses, cache_folder):
    path = tmp_path / "train.csv"
    path.write_text(text(table))
    check(path, table)
    entry = entries(cache_folder)[0]
    good = entry.read_bytes()
    assert DAMAGE[damage](good) != good
    entry.write_bytes(DAMAGE[damage](good))
    check(path, table)
    assert len(parses) == 2
    assert entry.read_bytes() == good
    check(path, table)
    assert len(parses) == 2


def test_entries_of_different_lengths_do_not_mix(table, tmp_path, parses, cache_folder):
    short, long = tmp_path / "short.csv", tmp_path / "long.csv"
    short.write_text(text(table[:3]))
    check(short, table[:3])
    labels = entries(cache_folder)[1]
    long.write_text(text(table))
    check(long, table)
    other = next(entry for entry in entries(cache_folder) if entry.name.endswith("y.npy") and entry != labels)
    other.write_bytes(labels.read_bytes())
    check(long, table)
    assert len(parses) == 3


def test_without_write_access_it_works_uncached(table, tmp_path, parses, monkeypatch, recwarn, capsys):
    blocked = tmp_path / "a file"
    blocked.write_text("in the folder's place")
    monkeypatch.setenv("MINICNN_CACHE", str(blocked / "cache"))
    path = tmp_path / "train.csv"
    path.write_text(text(table))
    for _ in range(2):
        check(path, table)
    assert len(parses) == 2
    assert not recwarn.list
    assert capsys.readouterr() == ("", "")


def test_a_bad_file_leaves_nothing_in_the_cache(table, tmp_path, cache_folder):
    path = tmp_path / "train.csv"
    path.write_text(text(table) + "1,2\n")
    with pytest.raises(ValueError, match="data row 8"):
        kaggle_digits.read_csv(path, labelled=True)
    assert entries(cache_folder) == []


def test_the_real_files(parses):
    """Kaggle's own 42,000 + 28,000 rows, parsed once."""
    root = Path(os.environ.get("MINICNN_DATA", "nowhere"), "kaggle")
    if not kaggle_digits.available(root):
        pytest.skip("MINICNN_DATA names no folder with kaggle/train.csv and test.csv")
    x_train, y_train, x_test = kaggle_digits.load_data(root)
    assert (x_train.shape, x_test.shape) == ((42000, 28, 28, 1), (28000, 28, 28, 1))
    assert np.bincount(y_train).tolist() == [4132, 4684, 4177, 4351, 4072, 3795, 4137, 4401, 4063, 4188]
    again = kaggle_digits.load_data(root)
    assert len(parses) == 2
    for first, second in zip((x_train, y_train, x_test), again, strict=True):
        np.testing.assert_array_equal(first, second)
    # together they are MNIST's 70,000 images, whose mean pixel is 33.385
    mean = (x_train.sum(dtype=np.int64) + x_test.sum(dtype=np.int64)) / (70000 * 784)
    assert mean == pytest.approx(33.385, abs=0.01)
