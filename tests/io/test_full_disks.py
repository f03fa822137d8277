"""Every system call of a write may fail: one sentence, the old file untouched, nothing left behind, the mode kept."""

import errno
import os
import stat
import sys

import pytest

from minicnn.errors import FileError, MinicnnError
from minicnn.io import atomic_write, files

from .test_paths import WRITERS, model  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes")
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
CALLS = {"write": (files._Counted, "put"), "fsync": (os, "fsync"), "replace": (os, "replace"), "open": (os, "open")}


REASONS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT]


@pytest.mark.parametrize(
    ("name", "call", "number"),
    [(name, call, number) for name in WRITERS for call in CALLS for number in REASONS
     if name != "CSVLogger" and (name == "save" or number == errno.ENOSPC)],
)  # fmt: skip
def test_a_call_that_fails(name, call, number, model, tmp_path, monkeypatch):  # noqa: F811
    suffix, write = WRITERS[name]
    path = tmp_path / f"x{suffix}"
    write(model, path)
    old = path.read_bytes()

    def fails(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(*CALLS[call], fails)
        with pytest.raises(OSError, match=os.strerror(number)) as caught:
            write(model, path)
    assert isinstance(caught.value, MinicnnError)
    assert caught.value.errno == number
    said = str(caught.value)
    assert said.startswith(f"{path}: expected to write ")
    assert "the old file is untouched" in said
    if call != "open":
        assert f"to write {len(old):,} bytes" in said or name == "reports.save"
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == [path.name]


def test_the_sentence(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_text("old")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: os.terminal_size((0, 0)) and Usage)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(FULL))
    with pytest.raises(FileError) as caught, atomic_write(path) as file:
        file.write(b"x" * 12345)
    assert str(caught.value) == (
        f'{path}: expected to write 12,345 bytes, received "No space left on device"; the old file is untouched; '
        "4,096 bytes are free: make room or choose another disk"
    )
    assert caught.value.filename == str(path)


class Usage:
    free = 4096


def test_a_log_on_a_full_disk(model, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(FULL))
    with pytest.raises(FileError, match=r'/log.csv: expected to write \d+ bytes, received "No space left'):
        WRITERS["CSVLogger"][1](model, tmp_path / "log.csv")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444, 0o755])
def test_the_mode_is_kept(mode, tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(mode)
    with atomic_write(path, text=True) as file:
        temporary = next(name for name in os.listdir(tmp_path) if name != "x")
        assert stat.S_IMODE((tmp_path / temporary).stat().st_mode) == 0o600  # nobody else looks in meanwhile
        file.write("new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_is_kept(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    os.chown(path, 1234, 1234)
    with atomic_write(path, text=True) as file:
        file.write("new")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1234)
