"""Lines of a csv file as uint8 images: the header checked by name, the cells by value, a block at a time."""

import csv
import io
import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import DataError
from .csv_lines import AGAIN

SIDE = 28  # px
PIXELS = [f"pixel{i}" for i in range(SIDE * SIDE)]
CLASSES = 10
BLOCK = 1024  # rows parsed at once: 6 MB of float64
MOST_ROWS = 1_000_000  # 784 MB of uint8; a crafted .gz could unpack to a thousand times its size

Line = tuple[int, bytes]  # its number in the file, its text


def parse(path: Path, rows: Iterator[Line], labelled: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """x uint8 (rows, 28, 28, 1) and, if `labelled`, y int64 (rows,).  Raises DataError with the row or the column."""
    columns = ["label", *PIXELS] if labelled else PIXELS
    order = _header(path, next(rows, None), columns)
    blocks, count = [], 0
    while block := list(itertools.islice(rows, BLOCK)):
        blocks.append(_block(path, block, columns, order, count))
        count += len(block)
        if count > MOST_ROWS:
            raise DataError(f"{path}: expected at most {MOST_ROWS} rows, received more; split the file")
    if not blocks:
        raise DataError(f"{path}: expected rows of numbers below the header, received none; {AGAIN}")
    x = np.concatenate([block[:, -len(PIXELS) :] for block in blocks]).reshape(-1, SIDE, SIDE, 1)
    y = np.concatenate([block[:, 0] for block in blocks]).astype(np.int64) if labelled else None
    return x, y


def _header(path: Path, first: Line | None, columns: list[str]) -> np.ndarray:
    """Where each of `columns` lies in the file: the header holds exactly these names, in any order."""
    expected = f'{path}: expected the header "{columns[0]},{columns[1]},...,pixel783"'
    if first is None:
        raise DataError(f"{expected} and rows of numbers, received an empty file; {AGAIN}")
    if first[1][:200].lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise DataError(f"{expected}, received a web page; log in to Kaggle, then {AGAIN}")
    try:
        names = [name.strip() for name in next(csv.reader([first[1].decode("utf-8")]))]
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{expected}, received a first line that is not UTF-8 csv; {AGAIN}") from None
    if problem := _header_problem(names, columns):
        raise DataError(f"{expected}, received {problem}")
    where = {name: i for i, name in enumerate(names)}
    return np.array([where[name] for name in columns])


def _header_problem(names: list[str], columns: list[str]) -> str:
    """What is wrong with a header, and what to do about it; "" if nothing is."""
    counts, known = Counter(names), set(columns)
    missing = [name for name in columns if name not in counts]
    extra = [name for name in counts if name not in known]
    double = [name for name in counts if counts[name] > 1]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        return "one whose columns are not separated by commas; save it with commas"
    if all(re.fullmatch(r"[0-9.]+", name) for name in names):
        return "numbers in the first line; add the header line"
    if missing == ["label"] and not extra:
        return "one without label; give train.csv, as this looks like test.csv"
    if extra == ["label"] and not missing:
        return "one with label; give test.csv, as this looks like train.csv"
    if missing:
        return f"one without {_list(missing)}{f', but with {_list(extra)}' if extra else ''}; {AGAIN}"
    if double:
        return f"one with {_list(double)} more than once; remove the copy"
    return f"one with the further column {_list(extra)}; remove it" if extra else ""


def _list(names: list[str]) -> str:
    shown = ", ".join(name[:30] if name and name.isprintable() else repr(name[:30]) for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _block(path: Path, block: list[Line], columns: list[str], order: np.ndarray, before: int) -> np.ndarray:
    """The numbers of some rows as uint8 (rows, columns), columns in our order; `before` rows came earlier."""
    for row, (number, line) in enumerate(block, before + 1):
        if line.count(b",") != len(order) - 1:  # pandas would fill a short row and might shift a long one
            raise DataError(
                f"{path}: expected {len(order)} fields, received {line.count(b',') + 1} in data row {row} "
                f"(line {number}); correct that row, or {AGAIN}"
            )
    import pandas

    text = io.BytesIO(b"\n".join(line for _, line in block))
    try:
        values = pandas.read_csv(text, header=None, dtype=np.float64, engine="c", low_memory=False).to_numpy()
    except ValueError:  # text in a cell, or a quote without its other half
        values = np.empty((0, len(order)))
    if len(values) == len(block):
        values = values[:, order]
        most = np.where(np.array(columns) == "label", CLASSES - 1.0, 255.0)
        if ((values >= 0) & (values <= most) & (values == np.floor(values))).all():  # NaN fails all three
            return values.astype(np.uint8)
    raise DataError(f"{path}: {_first_bad_cell(block, columns, order, before)}")


def _first_bad_cell(block: list[Line], columns: list[str], order: np.ndarray, before: int) -> str:
    in_file_order = sorted(zip(order.tolist(), columns, strict=True))
    for row, (number, line) in enumerate(block, before + 1):
        cells = line.split(b",")
        for position, name in in_file_order:
            most = CLASSES - 1 if name == "label" else 255
            value = _number(cells[position])
            if not (0 <= value <= most and value == math.floor(value)):
                text = _unquoted(cells[position]).decode("utf-8", "replace")
                received = repr(text[:20]) if text else "an empty field"
                return (
                    f"expected {'labels' if name == 'label' else 'pixels'} that are whole numbers from 0 to {most}, "
                    f"received {received} in data row {row} (line {number}), column {name}; correct or remove that row"
                )
    return f"expected whole numbers, received something else in lines {block[0][0]} to {block[-1][0]}; {AGAIN}"


def _number(cell: bytes) -> float:
    text = _unquoted(cell)
    try:
        return float(text) if re.fullmatch(rb"[-+.0-9eE]+", text) else math.nan
    except ValueError:
        return math.nan


def _unquoted(cell: bytes) -> bytes:
    text = cell.strip()
    return text[1:-1].strip() if len(text) > 1 and text[:1] == text[-1:] == b'"' else text
