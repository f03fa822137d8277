"""How many threads a process runs: the container's quota, and what other processes of a training leave it."""

import pytest

from minicnn import notes
from minicnn.backend import cores
from minicnn.backend.cpu import CPU


@pytest.fixture
def machine(monkeypatch):
    """Sixteen cores; the quota and the number of processes are the test's."""

    def make(quota=None, processes=1):
        monkeypatch.setattr(cores, "mine", lambda: set(range(16)))
        monkeypatch.setattr(cores, "quota", lambda: quota)
        monkeypatch.setattr(cores, "_ranks", processes)
        monkeypatch.setattr(notes, "_said", set())

    return make


@pytest.mark.parametrize(
    ("threads", "quota", "processes", "used"),
    [
        (16, None, 1, 16), (16, 2.0, 1, 2), (16, 1.5, 1, 2), (16, 0.2, 1, 1), (4, 8.0, 1, 4), (16, None, 4, 4),
        (16, None, 3, 5), (16, None, 32, 1), (16, 4.0, 2, 2), (4, None, 2, 2), (64, None, 4, 4),
    ],
)  # fmt: skip
def test_threads(machine, threads, quota, processes, used):
    machine(quota, processes)
    assert cores.usable(threads) == used


def test_a_quota_is_said_once(machine, capsys):
    machine(2.0)
    for _ in range(2):
        cores.usable(16)
    said = "minicnn: 2 of 16 threads are used: the container grants the time of 2.0 cores (cpu.max)\n"
    assert capsys.readouterr().err == said
    cores.usable(2)
    assert capsys.readouterr().err == ""


def test_the_engine_honours_it(machine, monkeypatch):
    machine(1.0)
    assert CPU("numba_cpu").thread_count() == CPU("numpy_ref").thread_count() == 1
    assert CPU("numba_cpu", threads=8).thread_count() == 1
