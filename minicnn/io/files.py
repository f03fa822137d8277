"""Writing a file so that a reader finds the old one or the new one, never half of either."""

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from typing import IO

from ..errors import ArgumentError

# What a disk may get over while a program runs: no space, a quota, errors of the medium or of the network.
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, *, text: bool = False) -> Iterator[IO]:
    """Open a temporary file beside `path`; when the block ends well, it takes the name `path` in one step.

    Bytes, or with `text` UTF-8 and LF line ends. Parent folders are made. When the block raises, the temporary file
    is removed and whatever stood at `path` is untouched.

        with atomic_write("history.csv", text=True) as file:
            file.write("epoch,loss\\n")

    Raises OSError when the folder cannot be written.
    """
    target = os.path.realpath(path)  # through a link: the file it points to is replaced, not the link
    folder, name = os.path.split(target)
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f".{name[:80]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "x" if text else "xb", **({"encoding": "utf-8", "newline": "\n"} if text else {})) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # the bytes are on the disk before the name points at them
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def second_name(path: str | os.PathLike, name: str | os.PathLike) -> None:
    """Give the file `path`, which nobody writes to again, the name `name` too, in one step; a copy where need be."""
    folder, base = os.path.split(os.path.abspath(name))
    temporary = os.path.join(folder, f".{base[:80]}.{secrets.token_hex(4)}.tmp")
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
    probe = os.path.join(path, f".{secrets.token_hex(4)}.tmp")
    try:
        with atomic_write(probe):
            pass
        os.unlink(probe)
    except OSError as cause:
        raise ArgumentError(
            f"{where}: expected a folder that can be written, received {os.fspath(path)!r} ({cause.strerror}); "
            "choose another"
        ) from None
