"""Writing files: the old file or the new one, never half of either, and nothing left behind."""

import os
import stat
import sys

import pytest

from minicnn.errors import ArgumentError
from minicnn.io import atomic_write, check_folder


def test_writes_bytes_and_makes_folders(tmp_path):
    with atomic_write(tmp_path / "a" / "b" / "file.bin") as file:
        file.write(b"\x00\r\n")
    assert (tmp_path / "a" / "b" / "file.bin").read_bytes() == b"\x00\r\n"
    assert os.listdir(tmp_path / "a" / "b") == ["file.bin"]


def test_text_is_utf8_with_lf(tmp_path):
    with atomic_write(tmp_path / "file.txt", text=True) as file:
        file.write("é\n")
    assert (tmp_path / "file.txt").read_bytes() == b"\xc3\xa9\n"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_keeps_the_old_file_and_removes_the_temporary_one(tmp_path, error):
    (tmp_path / "file.txt").write_text("old")
    with pytest.raises(error), atomic_write(tmp_path / "file.txt", text=True) as file:  # noqa: PT012 (the subject)
        file.write("half of the n")
        raise error
    assert (tmp_path / "file.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_old_file_is_seen_until_the_block_ends(tmp_path):
    (tmp_path / "file.txt").write_text("old")
    with atomic_write(tmp_path / "file.txt", text=True) as file:
        file.write("new")
        file.flush()
        assert (tmp_path / "file.txt").read_text() == "old"
    assert (tmp_path / "file.txt").read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions and links")
def test_permissions_follow_the_umask_and_links_are_followed(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "there" / "file.txt")
    before = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "link.txt", text=True) as file:
            file.write("new")
    finally:
        os.umask(before)
    assert (tmp_path / "link.txt").is_symlink()
    assert stat.S_IMODE((tmp_path / "there" / "file.txt").stat().st_mode) == 0o644


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), atomic_write(tmp_path / "file" / "x.txt", text=True):  # noqa: PT011 (its kind varies)
        pass


def test_check_folder_makes_it_and_leaves_nothing_in_it(tmp_path):
    check_folder(tmp_path / "a" / "b", "--out")
    assert os.listdir(tmp_path / "a" / "b") == []


def test_check_folder_says_why_not(tmp_path):
    (tmp_path / "file").write_text("")
    message = r"^--out: expected a folder that can be written, received '.*file' \(.*\); choose another$"
    with pytest.raises(ArgumentError, match=message):
        check_folder(tmp_path / "file", "--out")
