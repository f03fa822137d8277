"""What every test may ask for, and the rules for those that are added.

Run by

    pytest                          the README's command: all but what is slow, in two processes, minutes
    pytest -m "slow and not parity" the rest, as .ci/run does; `pytest -m parity`: with the real Keras
    pytest tests/io -x              some of it, in this process; `pytest -n 0`: all of it; -v: test by test

How long a test may take
    The plain command has three minutes on two idle cores, for some six thousand tests. Whoever adds a test that takes
    more than a second, or that compiles for long (a kernel with other arguments, a .cu file with other options, NVRTC),
    marks it `slow`: plain `pytest` leaves it out and says so, .ci/run runs it. Something fast has to stay that finds
    the same mistake: plant it and see (tests/mutations.py). `pytest --durations 20` names the longest; what counts is
    the time on an idle machine. No test may fail because a machine is slow: wait for events, not for seconds, and state
    no bound on a time.

What costs much, and what to use instead
    models      a narrow network of 8 x 8 images says what network A says; one trained model serves a whole file
                (`scope="module"`), where a test only reads it
    examples    import them and call main(): a process of its own loads and compiles everything once more, and is for
                signals, exit codes and what is printed by a real command
    oracles     tests/reference.py remembers what it was asked: the same arrays for several sets cost once
    emulation   tests/cuda/emulation.py keeps what g++ has compiled from one run to the next, as Numba does

Where a test belongs
    In the file of its subject, tests/<section>/test_<subject>.py. A section says what it is about in its __init__.py;
    tests/sections.py prints that while it runs. All tests of a file run in one process and in their order, those of
    `LARGEST` below function by function; nothing may depend on what other files' tests have left behind, and a file
    that leaves another function in a module fails (`put_back`).

When a skipped test is a failure
    A test that needs a package or files that may be missing skips, visibly, with a reason that says what to install or
    to set. Where they should be there a skip would hide that something was never checked, so the environment says what
    must not be skipped:

    MINICNN_REQUIRE=parity       tests marked `parity`: the run with the extra `parity` installed
    MINICNN_REQUIRE=parity,data  also tests that look for the real files: their reason to skip names MINICNN_DATA
    MINICNN_REQUIRE=tools        tests marked `tools`: the run with the extras onnx, play, notebook and tensorboard
                                 installed, and the tools that read what these write
    MINICNN_REQUIRE=torch        tests marked `torch`: the run with PyTorch installed
    MINICNN_REQUIRE=docs         tests marked `docs`: the run with the extra docs installed
    MINICNN_REQUIRE=several      tests marked `several`: the run with the extras mpi and search installed
    MINICNN_REQUIRE=hosts        tests marked `hosts`: the same, where network namespaces may be made
    CI=true and MINICNN_DATA     imply `data`

    Plain `pytest` requires nothing. What cannot be tried at all is not generated: no parameters that always skip.
"""

import os
import signal
import sys
import zlib

import numpy as np
import pytest

from minicnn.backend.cpu import CPU
from tests.sections import Sections

LEFT_OUT = {  # what plain `pytest` deselects: by which marker, and how to run it
    "slow": 'slow tests: pytest -m "slow and not parity"',
    "parity": "comparisons with Keras: pip install -e \".[test,parity]\" && pytest -m parity",
}
COUNTS = pytest.StashKey[dict]()
PROCESSES = 4  # at most, and no more than cores: each takes half a GB
LARGEST = "tests/kernels/test_contract.py"  # half of the suite, which no process should be left alone with


# Several processes ---------------------------------------------------------------------------------------------------


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config) -> None:
    """The whole suite goes to as many processes as there are cores, with pytest-xdist; parts of it stay in this one.

    So do the comparisons with Keras, whose processes serve a whole session.
    """
    option, worker = config.option, hasattr(config, "workerinput")
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS
    alone = option.usepdb or option.collectonly or option.maxfail == 1 or option.markexpr == "parity"
    if worker or alone or not whole or not config.pluginmanager.hasplugin("xdist"):
        return
    if option.numprocesses is None and option.dist == "no" and cores() > 1:
        option.numprocesses = min(cores(), PROCESSES)


def pytest_collection_modifyitems(items) -> None:
    """Refuse names with addresses: all processes have to agree on them, and random numbers follow from them."""
    unstable = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if unstable:
        raise pytest.UsageError(f"expected a name that is the same in every run, received {unstable[0]}; give it an id")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        """A process takes a file at a time, the one with most tests first; of LARGEST one function for all sets."""

        def _split_scope(self, nodeid: str) -> str:
            function = nodeid.partition("[")[0]
            return function if function.startswith(LARGEST) else function.partition("::")[0]

    return ByFile(config, log)


# What is said --------------------------------------------------------------------------------------------------------


def pytest_configure(config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background by a script: tests' own
        signal.signal(signal.SIGINT, signal.default_int_handler)  # processes would inherit it, and never stop
    if config.get_verbosity() <= 0 and not config.option.collectonly and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Sections(config), "sections")


def pytest_deselected(items) -> None:
    counts = items[0].config.stash.setdefault(COUNTS, dict.fromkeys(LEFT_OUT, 0))
    for item in items:
        for marker in LEFT_OUT:
            if item.get_closest_marker(marker):
                counts[marker] += 1
                break


def pytest_sessionfinish(session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left out"] = session.config.stash.get(COUNTS, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    if counts := getattr(node, "workeroutput", {}).get("left out"):
        node.config.stash[COUNTS] = counts  # the same of every process


def pytest_terminal_summary(terminalreporter, config) -> None:
    reasons: dict[str, set] = {}
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons.setdefault(reason.removeprefix("Skipped: "), set()).add(report.nodeid)
    for reason, nodeids in reasons.items():
        terminalreporter.line(f"skipped: {len(nodeids)} of {nodeids.pop().partition('::')[0]}: {reason}")
    for marker, count in config.stash.get(COUNTS, {}).items():
        if count and f"not {marker}" in config.option.markexpr:
            terminalreporter.line(f"left out: {count:,} {LEFT_OUT[marker]}")


# Skips ---------------------------------------------------------------------------------------------------------------


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


# Fixtures ------------------------------------------------------------------------------------------------------------


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


def namespaces() -> dict[str, dict]:
    """Modules and classes of ours that are loaded: their names in them."""
    found = {}
    for name, module in list(sys.modules.items()):
        if module is not None and name.partition(".")[0] in ("minicnn", "tests", "kernels"):
            found[name] = vars(module)
            for each in vars(module).values():
                if isinstance(each, type) and each.__module__ == name:
                    found[f"{name}.{each.__name__}"] = vars(each)
    return found


@pytest.fixture(autouse=True, scope="module")
def put_back(request):
    """A file puts back each function that it replaces: which file meets it next depends on the processes' pace."""
    before = {place: (names, dict(names)) for place, names in namespaces().items()}
    yield
    left = [f"{place}.{name}" for place, (names, held) in before.items() for name, value in held.items()
            if names.get(name) is not value and callable(value)]  # fmt: skip
    own = request.module.__name__
    left += [f"{place}.{name}" for place, names in namespaces().items()  # in modules that it was the first to load
             if place not in before and not f"{place}.".startswith(f"{own}.")
             for name, value in names.items()
             if callable(value) and getattr(value, "__module__", None) == own]  # fmt: skip
    assert not left, f"expected these as they were before this file, received others: {left}; use monkeypatch"


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
