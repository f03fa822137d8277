"""What every test may ask for, and when a skipped test is a failure.

A test that needs a package or files that may be missing skips, visibly. Where they should be there a skip would hide
that something was never checked, so the environment says what must not be skipped:

    MINICNN_REQUIRE=parity       tests marked `parity`: the run with the extra `parity` installed
    MINICNN_REQUIRE=parity,data  also tests that look for the real files: their reason to skip names MINICNN_DATA
    CI=true and MINICNN_DATA     imply `data`

Plain `pytest` requires nothing.

A test that takes more than about a second on two idle cores, or compiles for long, is marked `slow`: plain `pytest`
leaves it out and says so in its last lines, .ci/run runs it (`pytest -m slow`).
"""

import os
import zlib

import numpy as np
import pytest

from minicnn.backend.cpu import CPU

LEFT_OUT = pytest.StashKey[list]()


def required() -> set[str]:
    names = {name.strip() for name in os.environ.get("MINICNN_REQUIRE", "").split(",")} - {""}
    if os.environ.get("CI") == "true" and os.environ.get("MINICNN_DATA"):
        names.add("data")
    return names


def refuse_skip(report, marks) -> None:
    """Turn a skip into a failure if one of `marks` is required, or the files that its reason misses are."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    wanted = sorted(required() & {*marks, *(["data"] if "MINICNN_DATA" in reason else [])})
    if wanted:
        report.outcome = "failed"
        report.longrepr = f"skipped although MINICNN_REQUIRE or CI requires {', '.join(wanted)}: {reason}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    refuse_skip(outcome.get_result(), [mark.name for mark in item.iter_markers()])


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    """A whole file that skips itself has no marks yet: its folder speaks for it."""
    outcome = yield
    refuse_skip(outcome.get_result(), [part for part in collector.nodeid.replace(".", "/").split("/") if part])


def pytest_deselected(items) -> None:
    items[0].config.stash.setdefault(LEFT_OUT, []).extend(item for item in items if item.get_closest_marker("slow"))


def pytest_terminal_summary(terminalreporter, config) -> None:
    left_out = config.stash.get(LEFT_OUT, [])
    if left_out and "not slow" in config.option.markexpr:
        said = f"{len(left_out)} slow tests of {len({item.path for item in left_out})} files"
        terminalreporter.line(f"left out: {said}; `pytest -m slow` runs them, as .ci/run does")


@pytest.fixture(autouse=True, scope="session")
def cache_folder(tmp_path_factory):
    """Tests never see or touch the user's own cache."""
    before = os.environ.get("MINICNN_CACHE")
    os.environ["MINICNN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["MINICNN_CACHE"]
    else:
        os.environ["MINICNN_CACHE"] = before


@pytest.fixture
def rng(request):
    """Random numbers of its own for every test, the same in every run."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(scope="session")
def oracle():
    """The definition: numpy_ref in float64."""
    return CPU("numpy_ref", "float64")


@pytest.fixture(scope="session")
def fast():
    """What users run: numba_cpu in float32."""
    return CPU("numba_cpu")


@pytest.fixture
def notes(monkeypatch, capsys):
    """A function that returns the notes said since the last call, as if nothing had been said before the test."""
    monkeypatch.setattr("minicnn.notes._said", set())

    def said():
        return [line.removeprefix("minicnn: ") for line in capsys.readouterr().err.splitlines()]

    return said
