"""A lock dies with its owner, however that ends, and not with a child that it has forked."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

import minicnn
from minicnn.errors import ArgumentError
from minicnn.io import lock

HOLD = """
import os, sys, time
from minicnn.io.lock import Lock
held = Lock(sys.argv[1], "here")
child = os.fork() if sys.argv[2] == "fork" else 1
if child:
    print("held", child, flush=True)
time.sleep(600)
"""


def test_one_holder_at_a_time(tmp_path):
    first = lock.Lock(tmp_path / "lock", "here")
    with pytest.raises(ArgumentError) as caught:
        lock.Lock(tmp_path / "lock", "here")
    assert str(caught.value) == (
        f"here: expected a folder that no other run is using, received one that process {os.getpid()} holds "
        f"({tmp_path}/lock); wait for it, stop it, or choose another folder"
    )
    first.close()
    first.close()
    lock.Lock(tmp_path / "lock", "here").close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks: POSIX alone")
@pytest.mark.parametrize("how", ["fork", "alone"])
def test_sigkill_gives_it_back_also_where_a_child_lives_on(tmp_path, how):
    root = os.path.dirname(os.path.dirname(minicnn.__file__))
    owner = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock"), how], stdout=subprocess.PIPE,
                             text=True, env=os.environ | {"PYTHONPATH": root})  # fmt: skip
    child = int(owner.stdout.readline().split()[1])
    try:
        with pytest.raises(ArgumentError, match=f"process {owner.pid} holds"):
            lock.Lock(tmp_path / "lock", "here")
        owner.kill()
        owner.wait()
        for _ in range(2000):  # the child closes its copy as its first deed, which may still be under way
            try:
                lock.Lock(tmp_path / "lock", "here").close()
                return
            except ArgumentError:
                time.sleep(0.01)
        raise AssertionError("the lock outlived its owner")
    finally:
        owner.stdout.close()
        if how == "fork":
            os.kill(child, signal.SIGKILL)


def test_a_file_system_without_locks_is_no_reason_to_stop(tmp_path, monkeypatch):
    def refuse(_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_lock", refuse)
    lock.Lock(tmp_path / "lock", "here").close()


def test_what_cannot_be_opened_is_the_systems_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        lock.Lock(tmp_path / "nowhere" / "lock", "here")
