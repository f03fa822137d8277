"""The lines of a csv file, plain or gzip: counted, bounded, and with every way in which a file can be broken named."""

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import DataError
from ..io.files import opened, unpacked

URL = "https://www.kaggle.com/c/digit-recognizer/data"
AGAIN = f"download it again from {URL}"
LONGEST_LINE = 1 << 16  # bytes; 785 numbers of three digits take 3,140


def open_csv(path: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    """`path`, open for reading bytes.  Raises MissingDataError; DataError for a folder or a device; FileError."""
    missing = f"no such file; download it from {URL}"
    return opened(path, str(path), "a csv file", missing, "a folder; give the file's own name")


def lines(path: Path, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line without its end) of every line that is not blank; LF or CRLF; a BOM is dropped.

    Gzip is recognised by its first bytes.  Raises DataError for truncated, damaged, binary and over-long content.
    """
    start = file.read(16)
    file.seek(0)
    packed = start[:2] == b"\x1f\x8b"
    if start[:4] == b"PK\x03\x04":
        raise DataError(f"{path}: expected a csv file, received a zip archive; unpack it and give the csv file inside")
    if path.suffix == ".gz" and not packed:
        raise DataError(f"{path}: expected a gzip file, received {_instead_of_gzip(start)}")
    stream = gzip.GzipFile(fileobj=file) if packed else file
    number, read, most = 0, 0, unpacked(os.fstat(file.fileno()).st_size)
    try:
        while line := stream.readline(LONGEST_LINE):
            number, read = number + 1, read + len(line)
            if read > most:
                raise DataError(
                    f"{path}: expected a gzip file of data, received one that unpacks to more than {most:,} bytes, "
                    f"after line {number}; unpack it yourself if that is right"
                )
            _check_line(path, number, line)
            if line := (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip():
                yield number, line
    except EOFError:
        raise DataError(
            f"{path}: expected a complete gzip file, received one that ends early, after line {number}; {AGAIN}"
        ) from None
    except (gzip.BadGzipFile, zlib.error):
        raise DataError(
            f"{path}: expected an intact gzip file, received one that is damaged after line {number}; {AGAIN}"
        ) from None


def _check_line(path: Path, number: int, line: bytes) -> None:
    if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
        raise DataError(
            f"{path}: expected lines of less than {LONGEST_LINE} bytes that end in LF or CRLF, received a longer one, "
            f"line {number}; {AGAIN}"
        )
    if b"\0" in line:
        raise DataError(
            f"{path}: expected UTF-8 text, received binary data or UTF-16 in line {number}; save it as csv in UTF-8"
        )


def _instead_of_gzip(start: bytes) -> str:
    if not start:
        return f"an empty file; {AGAIN}"
    if start.lstrip()[:1] == b"<":
        return f"a web page; log in to Kaggle, then {AGAIN}"
    return f"one that begins with {start!r}; remove .gz from its name if it is plain text, or {AGAIN}"
