"""A lock on a folder that dies with its owner: the system takes it back however the process ends."""

import contextlib
import errno
import os
import weakref
from typing import IO

from ..errors import ArgumentError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)  # file systems that have no locks
_held: "weakref.WeakSet[Lock]" = weakref.WeakSet()


class Lock:
    """Held from its making to `close`, or to the process's end. Its file stays, with the owner's number in it.

    Raises ArgumentError where somebody else holds it, also in this process; OSError where the file cannot be made.
    """

    def __init__(self, path: str | os.PathLike, where: str):
        self.path, self.file = os.fspath(path), None
        file: IO = open(self.path, "a+", encoding="ascii", errors="replace")  # noqa: SIM115
        try:
            _lock(file)
        except OSError as cause:
            if cause.errno not in UNSUPPORTED:
                owner = _owner(file)
                file.close()
                if cause.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                    raise
                raise ArgumentError(
                    f"{where}: expected a folder that no other run is using, received one that process {owner} holds "
                    f"({self.path}); wait for it, stop it, or choose another folder"
                ) from None
        with contextlib.suppress(OSError):  # for messages alone: a full disk does not matter
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        self.file = file
        _held.add(self)

    def close(self) -> None:
        if self.file is not None:
            with contextlib.suppress(OSError):
                self.file.close()
            self.file = None


def _lock(file: IO) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:  # one byte far behind the number, which others may so still read
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


def _owner(file: IO) -> str:
    with contextlib.suppress(OSError, ValueError):
        file.seek(0)
        return file.read(20).strip() or "?"
    return "?"


def _leave_to_parent() -> None:
    """A forked child must not keep alive what its parent's death ends."""
    for lock in list(_held):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
