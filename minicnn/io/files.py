"""Files, whatever the path: read only what is a file, and written so that a reader finds the old one or the new one.

Every complaint of the system's becomes one sentence with the file, what was wanted of it, and what to do.
"""

import contextlib
import errno
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO

from .. import arguments
from ..errors import ArgumentError, DataError, FileError, MinicnnError, MissingDataError

KINDS = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link that leads to itself"}

FREELY, RATIO = 1 << 26, 200  # bytes that any gzip file may unpack to; above that, so many times its own size


def kind_of(mode: int) -> str:
    """What a path names that is no file, from its st_mode."""
    return KINDS.get(stat.S_IFMT(mode), "a pipe or device")


def unpacked(size: int) -> int:
    """Bytes that a gzip file of `size` bytes may unpack to: data shrink to a tenth, a bomb to a thousandth."""
    return max(FREELY, RATIO * size)


def instead_of_folder(path: str | os.PathLike) -> str:
    """For messages: what is at `path`, where a folder with a certain file was expected."""
    return "a folder without it" if os.path.isdir(path) else "a file" if os.path.exists(path) else "no such folder"


class opened(contextlib.AbstractContextManager[BinaryIO]):
    """The file `path`, open for reading bytes; what the system says about it while the block reads, as an error.

    kind, missing, folder  for messages: "expected a csv file, received no such file; ..."
    Nothing is opened that could be endless or wait for somebody: a pipe, a device, a socket.
    Raises MissingDataError; DataError for what is no file, or more than fits into memory; FileError.
    """

    def __init__(
        self, path: str | os.PathLike, where: str, kind: str = "a file", missing: str = "none", folder: str = "a folder"
    ):
        self.path, self.where, self.kind, self.missing = arguments.path(where, path), where, kind, missing
        self.size = 0
        try:
            mode = os.stat(self.path).st_mode
            received = folder if stat.S_ISDIR(mode) else f"{kind_of(mode)}; save its content to a file"
            if not stat.S_ISREG(mode):
                raise DataError(f"{where}: expected {kind}, received {received}")
            self.file = open(self.path, "rb", opener=_opener)  # noqa: SIM115 (closed in __exit__)
            self.size = os.fstat(self.file.fileno()).st_size
        except OSError as cause:
            self._explain(cause)

    def __enter__(self) -> BinaryIO:
        return self.file

    def __exit__(self, kind, cause, traceback) -> None:
        self.file.close()
        if isinstance(cause, (OSError, MemoryError)):
            self._explain(cause)

    def _explain(self, cause: OSError | MemoryError) -> None:
        """Raise what `cause` means, with the file; let an error of ours pass."""
        expected = f"{self.where}: expected {self.kind}"
        if isinstance(cause, MinicnnError):
            return
        if isinstance(cause, (FileNotFoundError, NotADirectoryError)):
            raise MissingDataError(f"{expected}, received {self.missing}") from None
        if isinstance(cause, MemoryError):
            received = f"{self.size:,} bytes, for which there is no room"
            raise DataError(f"{expected} that fits into memory, received {received}") from None
        denied = cause.errno in (errno.EACCES, errno.EPERM)
        raise FileError(
            f'{self.where}: expected a file that can be read, received "{cause.strerror or type(cause).__name__}"; '
            f"check {'its permissions' if denied else 'the path and the disk'}", cause, self.path,
        ) from None  # fmt: skip


def _opener(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # should a pipe have taken the name since


class _Counted(io.RawIOBase):
    """A new file that knows how many bytes it was asked to hold."""

    def __init__(self, file: io.FileIO):
        self.wanted, self.file = 0, file

    def write(self, data):
        self.wanted = max(self.wanted, self.file.tell() + memoryview(data).nbytes)
        return self.put(data)

    def put(self, data):
        return self.file.write(data)

    def close(self):
        self.file.close()
        super().close()

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def truncate(self, size: int | None = None) -> int:
        return self.file.truncate(size)

    def fileno(self) -> int:
        return self.file.fileno()


# What a disk may get over while a program runs: no space, a quota, errors of the medium or of the network.
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)


@arguments.checked("write", path=arguments.path, text=arguments.flag)
def atomic_write(path: str | os.PathLike, *, text: bool = False) -> contextlib.AbstractContextManager[IO]:
    """Open a temporary file beside `path`; when the block ends well, it takes the name `path` in one step.

    Bytes, or with `text` UTF-8 and LF line ends. Parent folders are made, a link is followed, "~" is the home folder.
    A file that is replaced hands on its mode, and where the system allows it its owner. When the block raises, the
    temporary file is removed and whatever stood at `path` is untouched.

        with atomic_write("history.csv", text=True) as file:
            file.write("epoch,loss\\n")

    Raises ArgumentError or ArgumentTypeError for what is no path, or names something else than a file; FileError, which
    is an OSError: the system's reason, the bytes wanted, and that the old file is untouched.
    """
    return _written(os.fspath(path), text)


@contextlib.contextmanager
def _written(given: str, text: bool) -> Iterator[IO]:
    target = os.path.realpath(given)  # through a link: the file it points to is replaced, not the link
    old, raw = None, None
    with complaints(given, target, lambda: raw.wanted if raw else 0, lambda: old is not None):
        folder, name = os.path.split(target)
        os.makedirs(folder, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            old = os.lstat(target)
        if old:
            _check_file(given, old)
        temporary = _beside(folder, name)
        mode = 0o600 if old else 0o666  # nobody may read meanwhile who could not read the old one
        raw = _Counted(open(temporary, "xb", 0, opener=lambda path, flags: os.open(path, flags, mode)))  # noqa: SIM115
        try:
            with _layers(raw, text) as file:
                yield file
                file.flush()
                if old:
                    _hand_on(old, raw.fileno(), temporary)
                os.fsync(raw.fileno())  # the bytes are on the disk before the name points at them
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


@contextlib.contextmanager
def complaints(
    path: str, target: str | None = None, wanted: int | Callable[[], int] = 0, replaces: Callable[[], bool] = bool
) -> Iterator[None]:
    """What the system says while `path` is written, as a FileError.  wanted: bytes; replaces: whether a file was there.

    target  where the file lies, behind links
    """
    try:
        yield
    except OSError as cause:
        if isinstance(cause, MinicnnError) or cause.errno is None:
            raise
        size = wanted() if callable(wanted) else wanted
        raise _not_written(path, target or path, size, replaces(), cause) from None


def _check_file(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        received = kind_of(found.st_mode)
        raise ArgumentError(f"{path}: expected the name of a file to write, received {received}; choose another")


def _beside(folder: str, name: str) -> str:
    """A new name for a temporary file, no longer in bytes than a file's name may be."""
    return os.path.join(folder, f".{name[:20]}.{secrets.token_hex(4)}.tmp")


def _layers(raw: io.RawIOBase, text: bool) -> IO:
    buffered = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffered, encoding="utf-8", newline="\n") if text else buffered


def _hand_on(old: os.stat_result, descriptor: int, temporary: str) -> None:
    """Give the new file the old one's owner, where that is allowed, and its mode."""
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with contextlib.suppress(OSError, AttributeError):
            os.chown(temporary, old.st_uid, old.st_gid)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != stat.S_IMODE(old.st_mode):
        os.chmod(temporary, stat.S_IMODE(old.st_mode))


def _not_written(given: str, target: str, wanted: int, replaces: bool, cause: OSError) -> FileError:
    expected = f"to write {wanted:,} bytes" if wanted else "to write a file"
    left = "; the old file is untouched" if replaces else ""
    fix = "choose another path"
    if cause.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        fix = "make room or choose another disk"
        with contextlib.suppress(OSError):
            fix = f"{shutil.disk_usage(os.path.dirname(target)).free:,} bytes are free: {fix}"
    elif cause.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        fix = "check the permissions or choose another path"
    elif cause.errno == errno.EIO:
        fix = "check the disk"
    said = cause.strerror or type(cause).__name__
    return FileError(f'{given}: expected {expected}, received "{said}"{left}; {fix}', cause, given)


def make_parent(path: str) -> None:
    """Make the folder that `path` lies in.  Raises FileError."""
    with complaints(path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)


def open_log(path: str | os.PathLike, append: bool = False) -> io.FileIO:
    """A file that grows row by row, unbuffered: a row is there as a whole, or not at all.  append: go on in an old one.

    Parent folders are made.  Raises what atomic_write does; `complaints` is for what is written later.
    """
    path = arguments.path("write", path)
    make_parent(path)
    with complaints(path):
        if os.path.exists(path):
            _check_file(path, os.stat(path))
        return io.FileIO(path, "a" if append else "w")


def append(file: io.FileIO, path: str | os.PathLike, data: bytes, *, sync: bool = False) -> None:
    """Write all of `data` at the end of a log.  sync: it is on the disk afterwards.  Raises what `complaints` says."""
    left = memoryview(data)
    with complaints(os.fspath(path), wanted=len(data)):
        while left:
            left = left[file.write(left) :]
        if sync:
            os.fsync(file.fileno())


def second_name(path: str | os.PathLike, name: str | os.PathLike) -> None:
    """Give the file `path`, which nobody writes to again, the name `name` too, in one step; a copy where need be."""
    folder, base = os.path.split(os.path.abspath(name))
    temporary = _beside(folder, base)
    try:
        try:
            os.link(path, temporary)
        except OSError:  # a file system without links
            shutil.copyfile(path, temporary)
        os.replace(temporary, name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def check_folder(path: str | os.PathLike, where: str) -> None:
    """Make the folder `path` if need be and write a file in it, so that a long run does not fail at its end.

    Raises ArgumentError with the system's reason, `where` naming the argument.
    """
    path = arguments.path(where, path)
    probe = os.path.join(path, f".{secrets.token_hex(4)}.tmp")
    try:
        with atomic_write(probe):
            pass
        os.unlink(probe)
    except OSError as cause:
        raise ArgumentError(
            f"{where}: expected a folder that can be written, received {path!r} ({cause.strerror}); choose another"
        ) from None
