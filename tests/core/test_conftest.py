"""The policy on skipped tests: a skip that should not happen is a failure."""

import sys
from pathlib import Path

import pytest

import minicnn.core.tensor
import minicnn.notes  # both here: pytester lets go of what is loaded while it runs, and a class would be there twice
from tests.conftest import LARGEST, pytest_cmdline_main, pytest_xdist_make_scheduler
from tests.sections import title_of

pytest_plugins = ["pytester"]

CONFTEST = "from tests.conftest import pytest_make_collect_report, pytest_runtest_makereport  # noqa"
TESTS = """
import pytest

@pytest.mark.parity
def test_marked():
    pytest.importorskip("a_package_that_is_not_there")

def test_other():
    pytest.skip("something else")
"""
MODULE = "import pytest\npytest.importorskip('a_package_that_is_not_there')\ndef test_never(): pass"


@pytest.mark.parametrize(
    ("environment", "failed", "skipped"),
    [
        ({}, 0, 2), ({"MINICNN_REQUIRE": "parity"}, 1, 1), ({"MINICNN_REQUIRE": "data, parity"}, 1, 1),
        ({"MINICNN_REQUIRE": "data"}, 0, 2), ({"CI": "true"}, 0, 2), ({"CI": "true", "MINICNN_DATA": "/data"}, 0, 2),
    ],
)  # fmt: skip
def test_a_required_test_may_not_skip(pytester, monkeypatch, environment, failed, skipped):
    for name in ("MINICNN_REQUIRE", "CI", "MINICNN_DATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    pytester.makeini("[pytest]\nmarkers = parity\n")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=failed, skipped=skipped)
    if failed:
        result.stdout.fnmatch_lines(["*skipped although MINICNN_REQUIRE or CI requires parity: *could not import*"])


def test_ci_with_data_requires_data_tests(pytester, monkeypatch):
    monkeypatch.delenv("MINICNN_REQUIRE", raising=False)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("MINICNN_DATA", "/data")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("import pytest\ndef test_files(): pytest.skip('MINICNN_DATA names no folder with mnist/')")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(failed=1)


@pytest.mark.parametrize(("require", "outcome"), [("parity", {"errors": 1}), ("", {"skipped": 1})])
def test_a_folder_speaks_for_a_file_that_skips_itself(pytester, monkeypatch, require, outcome):
    monkeypatch.setenv("MINICNN_REQUIRE", require)
    pytester.makeconftest(CONFTEST)
    folder = pytester.mkdir("parity")
    (folder / "test_module.py").write_text(MODULE)
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(**outcome)


@pytest.mark.parametrize(("replace", "errors"), [
    ("minicnn.notes.note = print", 1), ("minicnn.Tensor.backward = print", 1), ("minicnn.notes.of_mine = print", 0),
    ("monkeypatch.setattr(minicnn.notes, 'note', print)", 0),
])  # fmt: skip
def test_a_file_puts_back_what_it_replaces(pytester, monkeypatch, replace, errors):
    monkeypatch.setattr(minicnn.notes, "note", minicnn.notes.note)  # put back here, whatever happens there
    monkeypatch.setattr(minicnn.Tensor, "backward", minicnn.Tensor.backward)
    monkeypatch.setattr(minicnn.notes, "of_mine", None, raising=False)
    pytester.makeconftest("from tests.conftest import put_back  # noqa")
    pytester.makepyfile(f"import minicnn.notes\ndef test_it(monkeypatch): {replace}")
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1, errors=errors)


def test_a_file_puts_back_what_it_replaces_in_a_module_that_it_loads(pytester, monkeypatch):
    pytester.makeconftest("from tests.conftest import put_back  # noqa")
    pytester.makepyfile("""
        import sys, types
        def test_it(monkeypatch):
            loaded = sys.modules["minicnn.loaded"] = types.ModuleType("minicnn.loaded")
            loaded.tools = lambda: None
    """)
    monkeypatch.setitem(sys.modules, "minicnn.loaded", None)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*received others: *minicnn.loaded.tools*"])


SLOW = """
import pytest

@pytest.mark.slow
@pytest.mark.parametrize("k", range(3))
def test_slow(k): pass

@pytest.mark.slow
@pytest.mark.parity
def test_slow_parity(): pass

@pytest.mark.parity
def test_parity(): pass

def test_fast(): pass
"""
HOOKS = """pytest_cmdline_main, pytest_deselected, pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown,
    pytest_xdist_make_scheduler"""


@pytest.mark.parametrize(
    ("processes", "chosen", "passed", "said"),
    [(0, (), 1, ["4 slow", "1 comparisons"]), (0, ("-m", "slow"), 4, []), (0, ("-m", "not slow"), 2, ["4 slow"]),
     (0, ("-m", ""), 6, []), (2, (), 1, ["4 slow", "1 comparisons"])],
)  # fmt: skip
def test_plain_pytest_leaves_out_what_is_slow_and_says_so(pytester, processes, chosen, passed, said):
    pytester.makeini("[pytest]\nmarkers =\n  slow\n  parity\naddopts = -m 'not slow and not parity'\n")
    # The worker processes do not know where this checkout is.
    root = str(Path(__file__).parents[2])
    pytester.makeconftest(f"import sys\nsys.path.insert(0, {root!r})\nfrom tests.conftest import ({HOOKS})  # noqa")
    pytester.makepyfile(SLOW)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-n", str(processes), *chosen)
    result.assert_outcomes(passed=passed, deselected=0 if processes else 6 - passed)
    lines = [line for line in result.outlines if line.startswith("left out: ")]
    assert [" ".join(line.split()[2:4]) for line in lines] == said


@pytest.mark.parametrize(
    ("arguments", "cores", "processes"),
    [((), 2, 2), ((), 64, 4), ((), 1, None), (("-m", "slow"), 2, 2), (("-m", "parity"), 2, None), (("-n", "0"), 2, 0),
     (("-x",), 2, None), (("--pdb",), 2, None), (("tests/test_it.py",), 2, None),
     (("tests/test_it.py", "-n", "3"), 2, 3)],
)  # fmt: skip
def test_the_whole_suite_goes_to_several_processes_and_parts_of_it_to_none(
    pytester, monkeypatch, arguments, cores, processes
):
    monkeypatch.setattr("tests.conftest.cores", lambda: cores)
    pytester.makeini("[pytest]\ntestpaths = tests\n")
    config = pytester.parseconfig(*arguments)
    pytest_cmdline_main(config)
    assert config.option.numprocesses == processes


def test_a_file_goes_to_one_process_and_the_largest_in_parts(pytester):
    scheduler = pytest_xdist_make_scheduler(pytester.parseconfig("-n", "2", "--tx", "2*popen"), None)
    assert scheduler._split_scope("tests/io/test_files.py::test_a[1::2]") == "tests/io/test_files.py"
    assert scheduler._split_scope(f"{LARGEST}::test_a[numba_cpu-(1, 2)]") == f"{LARGEST}::test_a"
    assert (Path(__file__).parents[2] / LARGEST).is_file()


@pytest.mark.parametrize("processes", ["0", "2"])
def test_sections_say_what_is_tested_and_how_far_it_is(pytester, monkeypatch, processes):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeini("[pytest]\naddopts = -q\nconsole_output_style = classic\n")
    pytester.makeconftest("from tests.conftest import pytest_configure  # noqa")
    folder = pytester.mkdir("tests")  # no package: `tests` is this one
    (folder / "a").mkdir()
    (folder / "a" / "test_a.py").write_text("def test_1(): pass\ndef test_2(): pass\n")
    (folder / "test_b.py").write_text("def test_3(): assert 0\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-n", processes)
    result.assert_outcomes(passed=2, failed=1)
    lines = [" ".join(line.split()) for line in result.outlines]
    assert "FAILED tests/test_b.py::test_3" in lines
    ends = [line for line in lines if line.startswith(("a 2 passed", "package 1 failed"))]
    assert [line.rpartition(" %")[0].rpartition(" ")[2] for line in ends] in (["66", "100"], ["33", "100"])


def test_a_name_with_an_address_is_refused(pytester):
    pytester.makeconftest("from tests.conftest import pytest_collection_modifyitems  # noqa")
    pytester.makepyfile(
        "import pytest\ndef f(): pass\n@pytest.mark.parametrize('f', [f], ids=str)\ndef test_it(f): assert f is None\n"
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*expected a name that is the same in every run, received *test_it*; give it an id"])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_reaches_processes_of_a_suite_in_the_background(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeconftest("from tests.conftest import pytest_configure  # noqa")
    pytester.makepyfile(
        "import signal, subprocess, sys\n"
        "def test_it():\n"
        "    code = 'import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)'\n"
        "    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout == 'True\\n'\n"
    )
    ignoring = "import os, sys, signal as s; s.signal(s.SIGINT, s.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    result = pytester.run(sys.executable, "-c", ignoring, sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
    assert result.ret == 0


def test_every_section_says_what_it_is_about():
    tests = Path(__file__).parents[1]
    sections = {path.parent.name for path in tests.glob("*/test_*.py")}
    assert {name for name in sections if not title_of(name)} == set(), "write it in the folder's __init__.py"
