"""Bad csv files: one sentence each, with what was expected, what was received and where, and what to do."""

import gzip
import io
import os
import zipfile

import numpy as np
import pytest

from minicnn.data import csv_digits, csv_lines, kaggle_digits
from minicnn.errors import DataError, MissingDataError

from .conftest import exactly

AGAIN = "download it again from https://www.kaggle.com/c/digit-recognizer/data"
HEADER = 'the header "label,pixel0,...,pixel783"'
NAMES = ["label", *(f"pixel{i}" for i in range(784))]
ROW = "3" + ",0" * 784


def csv(*rows, header=NAMES):
    return "\n".join([",".join(header), *rows]).encode() + b"\n"


def with_cell(column, value):
    """Three rows, one cell of the second replaced."""
    cells = ROW.split(",")
    cells[column] = value
    return csv(ROW, ",".join(cells), ROW)


def cut_gzip():
    rng = np.random.default_rng(0)
    rows = [",".join(map(str, [1, *rng.integers(0, 256, 784)])) for _ in range(40)]
    return gzip.compress(csv(*rows))[:40_000]


def broken_gzip():
    raw = bytearray(gzip.compress(csv(ROW)))
    raw[-6] ^= 255  # its checksum
    return bytes(raw)


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train.csv", csv(ROW))
    return file.getvalue()


def bad_label(received):
    return (
        f"expected labels that are whole numbers from 0 to 9, received {received} in data row 2 (line 3), column "
        "label; correct or remove that row"
    )


def bad_pixel(received, name="pixel17"):
    return (
        f"expected pixels that are whole numbers from 0 to 255, received {received} in data row 2 (line 3), column "
        f"{name}; correct or remove that row"
    )


def ragged(received, row=2, line=3):
    return f"expected 785 fields, received {received} in data row {row} (line {line}); correct that row, or {AGAIN}"


LOG_IN = f"a web page; log in to Kaggle, then {AGAIN}"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Kaggle</title></head></html>\n"
BAD = {  # content -> what comes after the path
    "empty file": (b"", f"expected {HEADER} and rows of numbers, received an empty file; {AGAIN}"),
    "blank lines only": (b"\n \r\n", f"expected {HEADER} and rows of numbers, received an empty file; {AGAIN}"),
    "header only": (csv(), f"expected rows of numbers below the header, received none; {AGAIN}"),
    "web page": (PAGE, f"expected {HEADER}, received {LOG_IN}"),
    "web page after blanks": (b"\n\n  " + PAGE, f"expected {HEADER}, received {LOG_IN}"),
    "short row": (csv(ROW, ROW[:-2], ROW), ragged(784)),
    "long row": (csv(ROW, ROW + ",0", ROW), ragged(786)),
    "row after blank lines": (csv(ROW, "", "", ROW[:-2]), ragged(784, 2, 5)),
    "every row long": (csv(ROW + ",", ROW + ","), ragged(786, 1, 2)),
    "last row cut off": (csv(ROW, ROW[:50]), ragged(26)),
    "783 pixels": (csv(ROW[:-2], header=NAMES[:-1]), f"expected {HEADER}, received one without pixel783; {AGAIN}"),
    "missing column": (
        csv(ROW[:-2], header=NAMES[:18] + NAMES[19:]),
        f"expected {HEADER}, received one without pixel17; {AGAIN}",
    ),
    "another table": (
        b"ImageId,Label\n1,2\n",
        f"expected {HEADER}, received one without label, pixel0, pixel1 and 782 more, but with ImageId, Label; {AGAIN}",
    ),
    "no label": (
        csv(ROW[2:], header=NAMES[1:]),
        f"expected {HEADER}, received one without label; give train.csv, as this looks like test.csv",
    ),
    "duplicate column": (
        csv(ROW + ",0", header=[*NAMES, "pixel3"]),
        f"expected {HEADER}, received one with pixel3 more than once; remove the copy",
    ),
    "a column written twice, another missing": (
        csv(ROW, header=[*NAMES[:-1], "pixel3"]),
        f"expected {HEADER}, received one without pixel783; {AGAIN}",
    ),
    "extra column": (
        csv("0," + ROW, header=["", *NAMES]),
        f'expected {HEADER}, received one with the further column \'\'; remove it',
    ),
    "no header": (
        f"{ROW}\n{ROW}\n".encode(),
        f"expected {HEADER}, received numbers in the first line; add the header line",
    ),
    "semicolons": (
        csv(ROW).replace(b",", b";"),
        f"expected {HEADER}, received one whose columns are not separated by commas; save it with commas",
    ),
    "label 10": (with_cell(0, "10"), bad_label("'10'")),
    "label -1": (with_cell(0, "-1"), bad_label("'-1'")),
    "label 3.5": (with_cell(0, "3.5"), bad_label("'3.5'")),
    "label missing": (with_cell(0, ""), bad_label("an empty field")),
    "label nan": (with_cell(0, "nan"), bad_label("'nan'")),
    "label text": (with_cell(0, "three"), bad_label("'three'")),
    "pixel 256": (with_cell(18, "256"), bad_pixel("'256'")),
    "pixel -1": (with_cell(18, "-1"), bad_pixel("'-1'")),
    "pixel 0.5": (with_cell(18, "0.5"), bad_pixel("'0.5'")),
    "pixel missing": (with_cell(18, ""), bad_pixel("an empty field")),
    "pixel blank": (with_cell(18, "  "), bad_pixel("an empty field")),
    "last pixel missing": (with_cell(784, " "), bad_pixel("an empty field", "pixel783")),
    "pixel NaN": (with_cell(18, "NaN"), bad_pixel("'NaN'")),
    "pixel NA": (with_cell(18, "NA"), bad_pixel("'NA'")),
    "pixel inf": (with_cell(18, "inf"), bad_pixel("'inf'")),
    "pixel text": (with_cell(18, "white"), bad_pixel("'white'")),
    "pixel huge": (with_cell(18, "9" * 400), bad_pixel(repr("9" * 20))),
    "pixel true": (with_cell(18, "True"), bad_pixel("'True'")),
    "pixel hexadecimal": (with_cell(18, "0x10"), bad_pixel("'0x10'")),
    "pixel 1_0": (with_cell(18, "1_0"), bad_pixel("'1_0'")),
    "half a quote": (with_cell(18, '"7'), bad_pixel("'\"7'")),
    "half a quote at a line's end": (with_cell(784, '0"'), bad_pixel("'0\"'", "pixel783")),
    "a comma in quotes": (csv(ROW, '"3,0"' + ",0" * 783, ROW), bad_label("'\"3'")),
    "Latin-1 in a cell": (with_cell(18, "\xe9").decode().encode("latin-1"), bad_pixel("'\ufffd'")),
    "Arabic digit": (with_cell(18, "\u0663"), bad_pixel("'\u0663'")),
    "a formula's error": (with_cell(18, "#REF!"), bad_pixel("'#REF!'")),
    "binary": (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        f"expected {HEADER}, received a first line that is not UTF-8 csv; {AGAIN}",
    ),
    "UTF-16": (
        csv(ROW).decode().encode("utf-16"),
        "expected UTF-8 text, received binary data or UTF-16 in line 1; save it as csv in UTF-8",
    ),
    "NUL in a row": (
        with_cell(18, "\0"),
        "expected UTF-8 text, received binary data or UTF-16 in line 3; save it as csv in UTF-8",
    ),
    "CR only": (
        csv(*[ROW] * 60).replace(b"\n", b"\r"),
        f"expected lines of less than 65536 bytes that end in LF or CRLF, received a longer one, line 1; {AGAIN}",
    ),
    "zip archive": (zipped(), "expected a csv file, received a zip archive; unpack it and give the csv file inside"),
    "a comment first": (
        b"# mine\n" + csv(ROW),
        f"expected {HEADER}, received one without label, pixel0, pixel1 and 782 more, but with # mine; {AGAIN}",
    ),
    "control characters in the header": (
        csv(ROW, header=["label", "\x1b[2J", *NAMES[2:]]),
        f"expected {HEADER}, received one without pixel0, but with '\\x1b[2J'; {AGAIN}",
    ),
    "control characters in a cell": (with_cell(18, "\x1b[2J"), bad_pixel(repr("\x1b[2J"))),
    "a space that is not ASCII": (with_cell(18, "\u00a05"), bad_pixel(repr("\u00a05"))),
}
BAD_GZIP = {
    "damaged": (broken_gzip(), f"expected an intact gzip file, received one that is damaged after line 2; {AGAIN}"),
    "garbage after the header": (
        gzip.compress(b"x")[:10] + b"\xff" * 50,
        f"expected an intact gzip file, received one that is damaged after line 0; {AGAIN}",
    ),
    "only the magic number": (
        b"\x1f\x8b",
        f"expected a complete gzip file, received one that ends early, after line 0; {AGAIN}",
    ),
    "something after the end": (
        gzip.compress(csv(ROW)) + b"more",
        f"expected an intact gzip file, received one that is damaged after line 2; {AGAIN}",
    ),
    "not gzip": (
        csv(ROW),
        "expected a gzip file, received one that begins with b'label,pixel0,pix'; remove .gz from its name if it is "
        f"plain text, or {AGAIN}",
    ),
    "empty": (b"", f"expected a gzip file, received an empty file; {AGAIN}"),
    "a web page": (PAGE, f"expected a gzip file, received {LOG_IN}"),
    "gzip of nothing": (
        gzip.compress(b""),
        f"expected {HEADER} and rows of numbers, received an empty file; {AGAIN}",
    ),
    "gzip of a bad cell": (gzip.compress(with_cell(18, "256")), bad_pixel("'256'")),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_csv(name, tmp_path):
    content, message = BAD[name]
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=exactly(f"{path}: {message}")) as caught:
        kaggle_digits.read_csv(path, labelled=True)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", BAD_GZIP)
def test_bad_gzip(name, tmp_path):
    content, message = BAD_GZIP[name]
    path = tmp_path / "train.csv.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=exactly(f"{path}: {message}")):
        kaggle_digits.read_csv(path, labelled=True)


def test_truncated_gzip_says_how_far_it_came(tmp_path):
    path = tmp_path / "train.csv.gz"
    path.write_bytes(cut_gzip())
    with pytest.raises(DataError) as caught:
        kaggle_digits.read_csv(path, labelled=True)
    before, line, after = str(caught.value).partition("after line ")
    assert before == f"{path}: expected a complete gzip file, received one that ends early, "
    number, _, advice = line and after.partition("; ")
    assert advice == AGAIN
    assert 10 < int(number) < 41


def test_the_row_is_counted_over_blocks(tmp_path):
    rows = [ROW] * (csv_digits.BLOCK + 5)
    rows[csv_digits.BLOCK + 2] = "11" + ROW[1:]
    path = tmp_path / "train.csv"
    path.write_bytes(csv(*rows))
    with pytest.raises(DataError, match=r"received '11' in data row 1027 \(line 1028\), column label"):
        kaggle_digits.read_csv(path, labelled=True)


def test_reordered_columns_name_the_right_one(tmp_path):
    cells = with_cell(3, "999").decode().split()
    path = tmp_path / "train.csv"
    path.write_text("\n".join(",".join(line.split(",")[::-1]) for line in cells))
    with pytest.raises(DataError, match=r"received '999' in data row 2 \(line 3\), column pixel2;"):
        kaggle_digits.read_csv(path, labelled=True)


def test_train_given_as_test(tmp_path):
    path = tmp_path / "test.csv"
    path.write_bytes(csv(ROW))
    says = (
        f'{path}: expected the header "pixel0,pixel1,...,pixel783", received one with label; give test.csv, as this '
        "looks like train.csv"
    )
    with pytest.raises(DataError, match=exactly(says)):
        kaggle_digits.read_csv(path, labelled=False)


def test_a_folder_in_the_files_place(tmp_path):
    path = tmp_path / "train.csv"
    path.mkdir()
    says = f"{path}: expected a csv file, received a folder; give the file's own name"
    with pytest.raises(DataError, match=exactly(says)):
        kaggle_digits.read_csv(path, labelled=True)


def test_no_file(tmp_path):
    for path in (tmp_path / "no.csv", tmp_path / "no" / "train.csv"):
        says = f"{path}: expected a csv file, received no such file; download it from {csv_lines.URL}"
        with pytest.raises(MissingDataError, match=exactly(says)) as caught:
            kaggle_digits.read_csv(path, labelled=True)
        assert isinstance(caught.value, FileNotFoundError)


def test_a_file_without_permission(tmp_path, monkeypatch):
    path = tmp_path / "train.csv"
    path.write_bytes(csv(ROW))

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    says = f'{path}: expected a file that can be read, received "Permission denied"; check its permissions'
    with pytest.raises(DataError, match=exactly(says)):
        csv_lines.open_csv(path)


def test_a_pipe(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no named pipes here")
    path = tmp_path / "train.csv"
    os.mkfifo(path)
    says = f"{path}: expected a csv file, received a pipe or device; save its content to a file"
    with pytest.raises(DataError, match=exactly(says)):
        kaggle_digits.read_csv(path, labelled=True)


def test_rows_are_bounded(tmp_path, monkeypatch):
    """A crafted .gz of a few kilobytes does not fill the memory."""
    monkeypatch.setattr(csv_digits, "MOST_ROWS", 2000)
    path = tmp_path / "train.csv.gz"
    path.write_bytes(gzip.compress(csv(*[ROW] * 3000)))
    with pytest.raises(DataError, match=exactly(f"{path}: expected at most 2000 rows, received more; split the file")):
        kaggle_digits.read_csv(path, labelled=True)
